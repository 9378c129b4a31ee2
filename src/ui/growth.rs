//! RSS of the selected process over time: a chart with its axes, the limit as a line, and what the numbers say in
//! words. Refuses to compute slopes: it draws the history that the Monitor kept.

use std::fmt::Write as _;
use std::time::Duration;

use ratatui::layout::Rect;

use crate::app::State;
use crate::monitor::kill_report::{KillDomain, KillReport};
use crate::monitor::report::{ProcessDetail, WarningState};
use crate::snapshot::process::CgroupPath;
use crate::text::printable;
use crate::units::{Bytes, Timestamp, human_duration, round_duration};

use super::canvas::{Canvas, columns};
use super::command;
use super::prose::paragraphs;
use super::theme::{Part, Role};

/// The answer: who, how much, how fast.
#[must_use]
pub fn title(state: &State) -> String {
    let Some(id) = state.list.selected else {
        return "Growth of the selected process".into();
    };
    let name = super::name_of(state, id);
    let Some(detail) = detail(state) else {
        return format!("{name} {}", id.pid);
    };
    let mut title = format!("{name} {}", id.pid);
    if detail.ended.is_some() {
        title.push_str(", ended");
    } else if let Some((_, now)) = detail.series.last() {
        let _ = write!(title, ": {now}");
    }
    if let Some((rate, _)) = detail.slope.filter(|_| detail.ended.is_none()) {
        let still = rate.per_second().abs() < 0.5;
        let _ = if still { write!(title, ", steady") } else { write!(title, ", {}", rate.about()) };
    }
    if let Some((_, peak)) = detail.peak {
        let _ = write!(title, ", peak {peak}");
    }
    title
}

/// Details, if they are those of the selected process: an answer on its way may be late.
fn detail(state: &State) -> Option<&ProcessDetail> {
    state.detail.as_deref().filter(|detail| Some(detail.id) == state.list.selected)
}

/// Draws the pane.
pub fn chart(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    if state.list.selected.is_none() {
        paragraphs(canvas, area, &[(super::nobody(state, "how it grew").into(), Role::Dim)]);
        return;
    }
    let Some(detail) = detail(state) else {
        canvas.pen(area, 0).gap(1).put("Its history is being fetched.", Role::Dim);
        return;
    };
    let area = command::above_whole(canvas, area, state);
    let words = u16::from(area.height >= 4) + u16::from(area.height >= 8);
    let alarm = super::alarm::rows(state, area.height);
    let plot = Rect { height: area.height - words - alarm, ..area };
    if detail.series.len() < 2 {
        canvas.pen(plot, 0).gap(1).put("A line needs two samples.", Role::Dim);
    } else {
        let alarms = super::alarm::of_selected(state).map(|(alarm, _)| (alarm.at, "!", Role::Warned));
        // Of its own memory: who dies elsewhere on the machine has nothing to do with this curve.
        let own = |kill: &KillReport| kill.domain.as_ref().is_some_and(|domain| concerns(state, detail, domain));
        let kills = state.report.kills.iter().filter(|kill| own(kill)).map(|kill| (kill.at, "x", Role::Danger));
        let marks: Vec<_> = alarms.chain(kills).collect();
        plot_series(canvas, plot, detail, state.report.time, &marks);
    }
    if words > 0 {
        verdict(canvas, Rect { y: plot.bottom(), height: words, ..area }, detail, state.report.time);
    }
    super::alarm::draw(canvas, Rect { y: plot.bottom() + words, height: alarm, ..area }, state, detail);
}

/// Whether the process lives in the memory that ran out.
fn concerns(state: &State, detail: &ProcessDetail, domain: &KillDomain) -> bool {
    let process = state.report.process(detail.id);
    let cgroup = process.and_then(|process| process.identity.cgroup.as_ref());
    domain.is_host || cgroup.is_some_and(|own| own.is_within(&CgroupPath::new(&*domain.path)))
}

/// What the chart shows: a window of time and a range of sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    to: Timestamp,
    window: Duration,
    low: Bytes,
    high: Bytes,
}

/// Windows of time, in seconds: the axis says the same until the history outgrows it.
const WINDOWS: [u64; 14] = [60, 90, 120, 180, 240, 300, 450, 600, 900, 1_200, 1_800, 3_600, 21_600, 86_400];

impl Scale {
    /// From nothing to the peak with some room above, so that a line's height is a share of the truth; where the
    /// process hardly changed, only the range in which it moved, else every line would be flat. The limit is in it
    /// when the process is anywhere near.
    fn of(series: &[(Timestamp, Bytes)], limit: Option<Bytes>, now: Timestamp) -> Option<Self> {
        let (from, _) = *series.first()?;
        let highest = series.iter().map(|(_, rss)| rss.0).max()?;
        let lowest = series.iter().map(|(_, rss)| rss.0).min()?;
        let to = now.max(series.last()?.0);
        let span = to.since(from);
        let window = WINDOWS.into_iter().map(Duration::from_secs).find(|window| *window >= span).unwrap_or(span);
        let near =
            limit.map(|limit| limit.0).filter(|limit| highest >= limit / 2 && *limit < highest.saturating_mul(4));
        let high = match near {
            Some(limit) => limit.max(highest).saturating_add(limit / 20),
            None => highest.saturating_add(highest / 12),
        };
        let moved = highest - lowest;
        let low =
            if near.is_none() && moved < highest / 8 { lowest.saturating_sub(moved.max(highest / 64)) } else { 0 };
        Some(Self { to, window, low: Bytes(low), high: Bytes(high.max(low + 1)) })
    }

    /// Height of a size in steps from the bottom of `steps`.
    fn step(&self, size: Bytes, steps: u32) -> u32 {
        let share = size.saturating_sub(self.low).share_of(self.high.saturating_sub(self.low)).unwrap_or(0.0);
        (share * f64::from(steps)).round().min(f64::from(steps)) as u32
    }

    /// How much time one of `count` columns is, in nanoseconds.
    fn column(&self, count: usize) -> u64 {
        (self.window.as_nanos() / count.max(1) as u128).max(1) as u64
    }
}

/// RSS in each of `count` columns, oldest first, by a step function, because an unchanged size has no entry of its
/// own. `None` before the first entry and after the end of the process.
fn resample(
    series: &[(Timestamp, Bytes)],
    ended: Option<Timestamp>,
    scale: &Scale,
    count: usize,
) -> Vec<Option<Bytes>> {
    let mut entries = series.iter().peekable();
    let mut current = None;
    // Columns lie on whole multiples of their width, and the last one is not over yet: so the curve moves by whole
    // columns, and stands still in between.
    let width = scale.column(count);
    let to = scale.to.0.checked_next_multiple_of(width).unwrap_or(scale.to.0);
    (0..count)
        .map(|column| {
            let moment = Timestamp(to.saturating_sub(width * (count - 1 - column) as u64));
            // Of all sizes within one column the largest is drawn: a peak must not fall between two dots.
            let mut largest = None;
            while let Some((_, rss)) = entries.next_if(|(at, _)| *at <= moment) {
                current = Some(*rss);
                largest = largest.max(current);
            }
            largest.or(current.filter(|_| ended.is_none_or(|ended| moment <= ended)))
        })
        .collect()
}

const AXIS: u16 = 7;

/// Draws a history up to `now`, with marks on the axis at the times of alarms and kills.
pub(super) fn plot_series(
    canvas: &mut Canvas<'_>,
    area: Rect,
    detail: &ProcessDetail,
    now: Timestamp,
    marks: &[(Timestamp, &str, Role)],
) {
    if area.height < 3 || area.width < AXIS + 8 {
        return;
    }
    let limit = detail.limit.as_ref().map(|(_, limit)| *limit);
    let Some(scale) = Scale::of(&detail.series, limit, now) else { return };
    let plot = Rect { x: area.x + AXIS, width: area.width - AXIS - 1, height: area.height - 1, ..area };
    let glyphs = canvas.glyphs;
    let (per_column, per_row) = if glyphs.unicode { (2, 4) } else { (1, 3) };
    let values = resample(&detail.series, detail.ended, &scale, usize::from(plot.width) * per_column);
    let steps = u32::from(plot.height) * per_row;
    // What is there is at least a dot high.
    let heights: Vec<u32> = values.iter().map(|value| value.map_or(0, |rss| scale.step(rss, steps).max(1))).collect();

    // The limit goes first: the curve is drawn over it.
    let limit_row = limit.filter(|limit| *limit <= scale.high).map(|limit| {
        let step = scale.step(limit, steps).max(1);
        (plot.height - 1).saturating_sub(((step - 1) / per_row) as u16)
    });
    if let Some(row) = limit_row {
        canvas.repeat(plot.x, plot.y + row, plot.width, glyphs.limit, Role::Danger);
    }
    let role = match detail.warning.0 {
        WarningState::Quiet => Role::Part(Part::Anonymous),
        WarningState::Leak | WarningState::Growing => Role::Warned,
        WarningState::Imminent => Role::Danger,
    };
    for row in 0..plot.height {
        let below = u32::from(plot.height - 1 - row) * per_row;
        for column in 0..plot.width {
            let of_cell = &heights[usize::from(column) * per_column..][..per_column];
            let sign = match *of_cell {
                [left, right] => braille(left.saturating_sub(below), right.saturating_sub(below)),
                [only, ..] => [' ', '.', ':', '|'][only.saturating_sub(below).min(3) as usize],
                [] => ' ',
            };
            // The crest is the curve; what lies under it only carries it.
            let crest = of_cell.iter().any(|height| *height < below + 2 * per_row);
            if sign != ' ' {
                let role = if crest { role } else { Role::Dim };
                canvas.text(plot.x + column, plot.y + row, 1, sign.encode_utf8(&mut [0; 4]), role);
            }
        }
    }
    if let Some(at) = detail.ended.and(values.iter().rposition(Option::is_some)) {
        let (x, height) = ((at / per_column) as u16, heights[at]);
        let y = (plot.height - 1).saturating_sub((height.saturating_sub(1) / per_row) as u16);
        canvas.text(plot.x + x, plot.y + y, 1, "x", Role::Danger);
    }
    let end = if detail.ended == Some(now) { " end " } else { " now " };
    axes(canvas, area, plot, &scale, limit.zip(limit_row));
    for (at, sign, role) in marks {
        let age = scale.to.since(*at);
        if age >= scale.window {
            continue;
        }
        let share = age.as_secs_f64() / scale.window.as_secs_f64();
        let back = (share * f64::from(plot.width)) as u16;
        canvas.text(plot.right().saturating_sub(back + 1), plot.bottom(), 1, sign, *role);
    }
    // What the axis says is written over its marks.
    times(canvas, plot, &scale, end);
}

/// Two dot columns of up to four dots, filled from the bottom. U+2800 plus bits: left column 0x40 0x04 0x02 0x01 from
/// below, right column 0x80 0x20 0x10 0x08 (Unicode, Braille Patterns).
fn braille(left: u32, right: u32) -> char {
    const LEFT: [u32; 5] = [0, 0x40, 0x44, 0x46, 0x47];
    const RIGHT: [u32; 5] = [0, 0x80, 0xa0, 0xb0, 0xb8];
    match LEFT[left.min(4) as usize] | RIGHT[right.min(4) as usize] {
        0 => ' ',
        bits => char::from_u32(0x2800 + bits).unwrap_or(' '),
    }
}

/// Sizes at the left, the line of time below, the word `limit` on its line.
fn axes(canvas: &mut Canvas<'_>, area: Rect, plot: Rect, scale: &Scale, limit: Option<(Bytes, u16)>) {
    let glyphs = canvas.glyphs;
    let label = |canvas: &mut Canvas<'_>, row: u16, text: &str, role| {
        canvas.right(area.x, plot.y + row, AXIS - 2, text, role);
    };
    for row in 0..plot.height {
        canvas.text(plot.x - 1, plot.y + row, 1, glyphs.vertical, Role::Rule);
    }
    let value_at = |row: u16| {
        let share = f64::from(plot.height - row) / f64::from(plot.height);
        let span = scale.high.saturating_sub(scale.low).0 as f64;
        Bytes(scale.low.0.saturating_add((span * share) as u64))
    };
    let limit_row = limit.map(|(_, row)| row);
    let middle = plot.height / 2;
    for row in [0, middle] {
        if limit_row.is_none_or(|limit| limit.abs_diff(row) > 1) && plot.height > 3 {
            label(canvas, row, &value_at(row).to_string(), Role::Dim);
        }
    }
    if let Some((limit, row)) = limit {
        label(canvas, row, &limit.to_string(), Role::Danger);
        let word = " limit ";
        // At the left: what grows towards the limit is at the right.
        canvas.text(plot.x + 2, plot.y + row, columns(word), word, Role::Danger);
    }
    if limit_row.is_none_or(|row| row + 1 < plot.height) {
        label(canvas, plot.height - 1, &scale.low.to_string(), Role::Dim);
    }
    let y = plot.bottom();
    canvas.text(plot.x - 1, y, 1, glyphs.corners[2], Role::Rule);
    canvas.repeat(plot.x, y, plot.width, glyphs.horizontal, Role::Rule);
}

/// How long ago the line of time begins, its middle and its end.
fn times(canvas: &mut Canvas<'_>, plot: Rect, scale: &Scale, end: &str) {
    let y = plot.bottom();
    let start = format!(" {} ago ", round_duration(scale.window));
    canvas.text(plot.x + 1, y, plot.width - 1, &start, Role::Dim);
    if plot.width > columns(&start) + columns(end) + 6 {
        let half = format!(" {} ", round_duration(scale.window / 2));
        if plot.width > 2 * (columns(&start) + columns(&half)) {
            canvas.text(plot.x + plot.width / 2 - columns(&half) / 2, y, columns(&half), &half, Role::Dim);
        }
        canvas.text(plot.right() - columns(end) - 1, y, columns(end), end, Role::Dim);
    }
}

/// What it means, in words.
fn verdict(canvas: &mut Canvas<'_>, area: Rect, detail: &ProcessDetail, now: Timestamp) {
    let (state, since) = detail.warning;
    let held = since.map_or_else(String::new, |since| format!(" for {}", human_duration(now.since(since))));
    let (text, role) = match (detail.ended, state) {
        (Some(at), _) => (format!("It ended {} ago.", human_duration(now.since(at))), Role::Plain),
        (None, WarningState::Quiet) => ("No warning.".to_owned(), Role::Dim),
        (None, WarningState::Leak) => (format!("! leak? Steady growth{held}."), Role::Warned),
        (None, WarningState::Growing) => (format!("! grows faster than usual{held}."), Role::Warned),
        (None, WarningState::Imminent) => (format!("! near its limit{held}."), Role::Danger),
    };
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put(&text, role);
    if let Some(score) = detail.z_score {
        pen.whole(&format!("  z {score:.1}"), Role::Dim);
    }
    // Whose limit counts is said on a low screen too.
    if let (0..2, Some((path, limit))) = (area.height, &detail.limit) {
        pen.whole(&format!("   Limit: {limit} of {}", place(path)), Role::Dim);
    }
    let mut pen = canvas.pen(area, 1);
    pen.gap(1);
    match (&detail.limit, detail.time_left.filter(|_| detail.ended.is_none())) {
        (Some((path, limit)), Some(left)) => {
            let soon = left < Duration::from_secs(60);
            let role = if soon { Role::Danger } else { Role::Warned };
            pen.put(&format!("{limit} of {} in about {}", place(path), human_duration(left)), role);
        }
        (Some((path, limit)), None) => {
            pen.put(&format!("Limit: {limit} of {}", place(path)), Role::Dim);
        }
        (None, _) => {
            pen.put("No known limit applies to it.", Role::Dim);
        }
    }
    if let Some((rate, fit)) = detail.slope.filter(|_| detail.ended.is_none()) {
        // In steps of five: a share that flickers says less.
        pen.whole(&format!("   last minute {}, fits {:.0}%", rate.about(), (fit * 20.0).floor() * 5.0), Role::Dim);
    }
}

/// A domain's path as a person says it.
fn place(path: &str) -> String {
    if path == "/" { "this machine".into() } else { printable(path.as_bytes()).into_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(points: &[(u64, u64)]) -> Vec<(Timestamp, Bytes)> {
        points.iter().map(|(second, mib)| (Timestamp::from_secs(*second), Bytes::from_mib(*mib))).collect()
    }

    #[test]
    fn a_peak_between_two_columns_is_still_drawn() {
        let series = series(&[(0, 10), (50, 90), (51, 10), (100, 10)]);
        let scale = Scale::of(&series, None, Timestamp::from_secs(100)).unwrap();
        assert!(resample(&series, None, &scale, 4).contains(&Some(Bytes::from_mib(90))));
    }

    #[test]
    fn an_unchanged_size_is_a_level_line_from_its_start_to_its_end() {
        let series = series(&[(40, 20)]);
        let scale = Scale::of(&series, None, Timestamp::from_secs(100)).unwrap();
        assert_eq!(scale.window, Duration::from_secs(60));
        let held = |ended| resample(&series, ended, &scale, 6).iter().filter(|rss| rss.is_some()).count();
        assert_eq!(held(None), 6);
        assert_eq!(held(Some(Timestamp::from_secs(70))), 3);
        let later = Scale::of(&series, None, Timestamp::from_secs(101)).unwrap();
        assert_eq!(later.window, Duration::from_secs(90));
        let values = resample(&series, None, &later, 12);
        assert_eq!(values.iter().position(Option::is_some), Some(3), "{values:?}");
    }

    #[test]
    fn the_axis_starts_at_nothing_unless_the_line_would_be_flat() {
        let at = Timestamp::from_secs(10);
        let moving = Scale::of(&series(&[(0, 100), (10, 400)]), None, at).unwrap();
        assert_eq!(moving.low, Bytes(0));
        let still = Scale::of(&series(&[(0, 800), (10, 805)]), None, at).unwrap();
        assert!(still.low > Bytes::from_mib(700) && still.low < Bytes::from_mib(800));
    }

    #[test]
    fn the_limit_is_shown_when_it_is_near() {
        let points = series(&[(0, 100), (10, 400)]);
        let at = Timestamp::from_secs(10);
        assert!(Scale::of(&points, Some(Bytes::from_mib(512)), at).unwrap().high > Bytes::from_mib(512));
        assert!(Scale::of(&points, Some(Bytes::from_mib(16_000)), at).unwrap().high < Bytes::from_mib(512));
    }

    #[test]
    fn dots_fill_from_below() {
        assert_eq!((braille(0, 0), braille(4, 4), braille(1, 2)), (' ', '⣿', '⣠'));
    }

    proptest! {
        #[test]
        fn heights_stay_in_the_plot(
            points in prop::collection::vec((0u64..1000, any::<u64>()), 1..40),
            now in 0u64..2000,
            limit in prop::option::of(any::<u64>()),
        ) {
            let mut series: Vec<_> = points.into_iter().map(|(at, rss)| (Timestamp::from_secs(at), Bytes(rss))).collect();
            series.sort();
            let scale = Scale::of(&series, limit.map(Bytes), Timestamp::from_secs(now)).unwrap();
            for value in resample(&series, None, &scale, 37).into_iter().flatten() {
                prop_assert!(scale.step(value, 40) <= 40);
            }
        }
    }
}
