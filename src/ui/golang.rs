//! What the Go runtime of the selected process says: RSS by what the runtime uses it for, its own numbers, what the
//! difference between RSS and live heap consists of, and which limits fit. Refuses to show a number without its limit
//! beside it, and to leave a place empty without saying why.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::State;
use crate::monitor::report::{GoPart, GoReport, MappingsState};
use crate::snapshot::go_memory::{Collections, GoEnvironment, GoNumbers};
use crate::text::printable;
use crate::units::{Bytes, Timestamp, human_duration};

use super::canvas::{Canvas, Segment};
use super::mappings;
use super::profile;
use super::prose::{paragraphs, wrap};
use super::theme::{Part, Role};

/// Below this many columns the numbers stand alone: the bar and the sentence tell the parts.
const TWO_COLUMNS: u16 = 72;
/// Columns of the parts, with a gap behind them.
const PARTS: u16 = 40;
/// Columns of a label in the numbers.
const LABEL: u16 = 11;

/// The answer: how much of it is alive.
#[must_use]
pub fn title(state: &State) -> String {
    let Some(id) = state.list.selected else {
        return "What the Go runtime of the selected process says".into();
    };
    let who = format!("{} {}", super::name_of(state, id), id.pid);
    let age = mappings::known(state).map(|report| mappings::age(state, report)).unwrap_or_default();
    let rss = mappings::known(state).map(|report| report.total.rss);
    match (report(state).and_then(GoReport::numbers), rss) {
        (Some(numbers), Some(rss)) => format!("{who}: {} live of {rss} RSS{age}", numbers.live),
        _ => format!("{who}: what its Go runtime says{age}"),
    }
}

/// What is known of it, where it is a Go program.
pub fn report(state: &State) -> Option<&GoReport> {
    let detail = state.detail.as_deref().filter(|detail| Some(detail.id) == state.list.selected)?;
    detail.go.as_ref()
}

/// Draws the pane.
pub fn runtime(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let Some(go) = report(state) else {
        paragraphs(canvas, area, &[(nothing(state), Role::Dim)]);
        return;
    };
    canvas.pen(area, 0).gap(1).put(&build(go), Role::Dim);
    let mut below = under(area, 1);
    if below.height >= 4 {
        bar(canvas, below, go);
        below = under(below, 1);
    }
    // The sentence and the advice are the answer: on a low screen they go before the numbers.
    let texts = texts(state, go);
    let needed: usize = texts.iter().map(|(text, _)| wrap(text, usize::from(area.width.saturating_sub(2))).len()).sum();
    let heading = if go.numbers().is_some() { "THE RUNTIME SAYS" } else { "ENVIRONMENT AND LIMIT" };
    let numbers = numbers(state, go);
    let rows = (numbers.len().max(go.parts.len()) as u16 + 1).min(below.height.saturating_sub(needed as u16 + 1));
    if rows >= 4 {
        let table = Rect { height: rows, ..below };
        if area.width >= TWO_COLUMNS {
            parts(canvas, Rect { width: PARTS, ..table }, go);
            lines(canvas, Rect { x: table.x + PARTS, width: table.width - PARTS, ..table }, heading, &numbers);
        } else {
            lines(canvas, table, heading, &numbers);
        }
        below = under(below, rows + 1);
    }
    paragraphs(canvas, below, &texts);
}

/// Its sentence and its advice, for a pane that has room to spare.
pub fn in_short(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let Some(go) = report(state) else { return };
    let mut texts = texts(state, go);
    texts.truncate(2);
    let used = paragraphs(canvas, area, &texts);
    canvas.pen(area, used).gap(1).put("6: what its Go runtime says", Role::Dim);
}

fn under(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Why there is nothing to show.
fn nothing(state: &State) -> Cow<'static, str> {
    let Some(id) = state.list.selected else {
        return super::nobody(state, "what its Go runtime says").into();
    };
    if state.detail.as_deref().is_none_or(|detail| detail.id != id) {
        return "Reading it...".into();
    }
    match state.report.process(id).and_then(|process| process.identity.executable.as_ref()) {
        Some(_) => "It is not a Go program: its file has no Go build information. 3 shows what it holds.".into(),
        None => match mappings::mappings(state) {
            Some(MappingsState::Unreadable(reason)) => {
                format!("n/a: cannot tell whether it is a Go program: {}", reason.reason()).into()
            }
            _ => "Its program is not known yet, or it is a kernel thread.".into(),
        },
    }
}

fn build(go: &GoReport) -> String {
    let text = match &go.test_package {
        Some(package) => format!("{}  tests {package}", go.build.version),
        None => format!("{}  {}", go.build.version, go.build.path),
    };
    printable(text.as_bytes()).into_owned()
}

fn bar(canvas: &mut Canvas<'_>, area: Rect, go: &GoReport) {
    let segment = |(part, size): &(GoPart, Bytes)| {
        let words = part.words();
        let labels = vec![format!("{size} {words}").into(), words.into(), size.to_string().into()];
        Segment { part: look(*part), size: size.0, labels }
    };
    let segments: Vec<_> = go.parts.iter().map(segment).collect();
    canvas.pen(area, 0).gap(1).stacked(area.width.saturating_sub(2), &segments);
}

/// What a part means for the eye: how its memory can be got back.
const fn look(part: GoPart) -> Part {
    match part {
        GoPart::Live | GoPart::Heap | GoPart::RaceShadow => Part::Anonymous,
        GoPart::New | GoPart::Slack | GoPart::Stacks => Part::Stack,
        GoPart::Free | GoPart::LazilyFreed => Part::Free,
        GoPart::C => Part::Shared,
        GoPart::Program => Part::Cache,
        GoPart::Tables | GoPart::Other => Part::Kernel,
    }
}

fn parts(canvas: &mut Canvas<'_>, area: Rect, go: &GoReport) {
    canvas.pen(area, 0).gap(3).left(25, "RSS CONSISTS OF", Role::Heading).right(11, "%", Role::Heading);
    let whole = go.parts.iter().fold(Bytes(0), |sum, (_, size)| sum.saturating_add(*size));
    for (line, (part, size)) in (1..area.height).zip(&go.parts) {
        let texture = canvas.glyphs.texture(look(*part));
        let share = size.share_of(whole).unwrap_or(0.0) * 100.0;
        let mut pen = canvas.pen(area, line);
        pen.gap(1).put(texture, Role::Part(look(*part))).gap(1).left(25, part.words(), Role::Plain);
        pen.right(6, &size.to_string(), Role::Strong).right(5, &format!("{share:.1}"), Role::Dim);
    }
}

/// One of the runtime's numbers: its name, its value, and what it is to be compared with.
struct Line {
    label: &'static str,
    value: String,
    beside: String,
    role: Role,
}

fn lines(canvas: &mut Canvas<'_>, area: Rect, heading: &str, numbers: &[Line]) {
    canvas.pen(area, 0).gap(1).put(heading, Role::Heading);
    for (row, line) in (1..area.height).zip(numbers) {
        let mut pen = canvas.pen(area, row);
        pen.gap(1).left(LABEL, line.label, Role::Plain).right(6, &line.value, line.role);
        pen.gap(2).put(&line.beside, Role::Dim);
    }
}

fn numbers(state: &State, go: &GoReport) -> Vec<Line> {
    let line = |label, value: String, beside: String| Line { label, value, beside, role: Role::Strong };
    let read = go.read.as_ref();
    let environment = read.and_then(|read| read.environment.as_ref().ok());
    let mut lines = match go.numbers().zip(read) {
        Some((numbers, read)) => known(numbers, read.at),
        None => set(environment),
    };
    if let Some(debug) = environment.and_then(|environment| environment.debug.as_deref()) {
        lines.push(line("GODEBUG", String::new(), printable(debug.as_bytes()).into_owned()));
    }
    if let Some(ceiling) = &go.ceiling {
        let rss = state.list.selected.and_then(|id| state.report.process(id)).and_then(|process| process.rss.get());
        let near = rss.and_then(|rss| rss.share_of(ceiling.bytes)).is_some_and(|share| share >= 0.9);
        let role = if near { Role::Danger } else { Role::Strong };
        let beside = format!("{}{}", if near { "! " } else { "" }, printable(ceiling.label.as_bytes()));
        lines.push(Line { label: "limit", value: ceiling.bytes.to_string(), beside, role });
    }
    lines
}

fn known(numbers: &GoNumbers, read: Timestamp) -> Vec<Line> {
    let line = |label, value: Bytes, beside| Line { label, value: value.to_string(), beside, role: Role::Strong };
    let percent = numbers.gc_percent.map_or_else(|| "off".to_owned(), |percent| percent.to_string());
    let since = numbers.allocated.saturating_sub(numbers.live);
    vec![
        line("live heap", numbers.live, last_collection(numbers.collections, read)),
        line("allocated", numbers.allocated, format!("{since} since that GC")),
        line("goal", numbers.goal, format!("GOGC={percent}")),
        line("in spans", numbers.in_use, format!("{} in objects", numbers.objects)),
        line("kept free", numbers.free, format!("{} given back", numbers.released)),
        line(
            "mapped",
            numbers.mapped,
            numbers.memory_limit.map_or_else(|| "no GOMEMLIMIT".into(), |limit| format!("of GOMEMLIMIT {limit}")),
        ),
    ]
}

/// Where the runtime's numbers are not known: what it was started with.
fn set(environment: Option<&GoEnvironment>) -> Vec<Line> {
    let line = |label, value: Option<&str>| {
        let value = match (environment, value) {
            (None, _) => "-".to_owned(),
            (Some(_), None) => "not set".into(),
            (Some(_), Some(value)) => printable(value.as_bytes()).into_owned(),
        };
        Line { label, value: String::new(), beside: value, role: Role::Plain }
    };
    vec![
        line("GOGC", environment.and_then(|environment| environment.gc_percent.as_deref())),
        line("GOMEMLIMIT", environment.and_then(|environment| environment.memory_limit.as_deref())),
    ]
}

/// The mappings and the numbers are of one moment; this says how much older what is live is.
fn last_collection(collections: Option<Collections>, read: Timestamp) -> String {
    match collections {
        None => "no GC yet, or not found".into(),
        Some(Collections { count, last_at: None, .. }) => format!("GC {count}"),
        Some(Collections { count, last_at: Some(last), .. }) => {
            format!("GC {count}, {} earlier", human_duration(read.since(last)))
        }
    }
}

/// The sentence, why numbers are missing, the advice.
fn texts(state: &State, go: &GoReport) -> Vec<(Cow<'static, str>, Role)> {
    let mut texts: Vec<(Cow<'static, str>, Role)> = Vec::new();
    match mappings::mappings(state) {
        None | Some(MappingsState::Waiting) => texts.push((mappings::waiting(state), Role::Dim)),
        Some(MappingsState::Unreadable(reason)) => {
            texts.push((format!("Mappings n/a: {}", reason.reason()).into(), Role::Dim));
        }
        Some(MappingsState::Known(_)) => texts.extend(go.difference().map(|sentence| (sentence.into(), Role::Plain))),
    }
    let Some(read) = &go.read else { return texts };
    if let Err(why) = read.numbers {
        texts.push((format!("The runtime's numbers n/a: {}.", why.reason()).into(), Role::Dim));
    }
    if let Err(why) = read.environment {
        texts.push((format!("GOGC and GOMEMLIMIT in its environment n/a: {}.", why.reason()).into(), Role::Dim));
    }
    for advice in go.advice.iter().flatten() {
        texts.push((format!("! {}: {}.", advice.what, advice.why).into(), Role::Warned));
    }
    if go.advice.as_ref().is_some_and(Vec::is_empty) {
        texts.push(("GOGC and GOMEMLIMIT fit the limit above it.".into(), Role::Good));
    }
    texts.extend(profile::in_short(state, go));
    texts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::units::WallTime;

    use super::*;

    #[test]
    fn a_collection_is_told_by_its_age_at_the_look() {
        let read = Timestamp::from_secs(100);
        let at = |last_at| Some(Collections { count: 7, last: WallTime(0), last_at, cpu_percent: None });
        for (collections, expected) in [
            (None, "no GC yet, or not found"),
            (at(None), "GC 7"),
            (at(Some(Timestamp::from_secs(96))), "GC 7, 4s earlier"),
            (at(Some(read.after(Duration::from_secs(1)))), "GC 7, 0ms earlier"),
        ] {
            assert_eq!(last_collection(collections, read), expected);
        }
    }
}
