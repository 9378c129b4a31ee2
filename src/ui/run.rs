//! The command of `oomtop run`: while it runs what its tree holds against its limit and who did what, then the verdict with
//! its evidence, the same table, and what would help. Refuses to judge.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::run::{RunView, Stage};
use crate::run::per_test::TestMemory;
use crate::run::progress::Progress;
use crate::run::report::{Peak, ProcessLine, Room, RunReport, Vantage, VerdictKind, seconds};
use crate::run::watched::PeakSource;
use crate::run::worth;
use crate::text::{fitted, printable};
use crate::units::{Bytes, counted};

use super::canvas::{Canvas, columns};
use super::prose::wrap;
use super::theme::Role;

/// Columns of PEAK, PHASE, WHEN, GROWTH and ENDED beside the subject.
const NUMBERS: u16 = 8 + 9 + 14 + 11 + 9;
/// Lines of the table of tests, at the most.
const TEST_LINES: usize = 15;
/// Who held how much at the peak, at the most.
const HOLDERS: usize = 4;

/// Columns of the upper edge that are neither its title nor its position.
const EDGES: u16 = 8;

/// The answer: what it holds, or how it ended.
#[must_use]
pub fn title(state: &State, area: Rect) -> String {
    match state.run.as_ref().map(|run| &run.stage) {
        None => "No command is watched".into(),
        Some(Stage::Running(progress)) if progress.command.is_empty() => "Starting".into(),
        Some(Stage::Running(progress)) => {
            let took = seconds(progress.took);
            format!("{}{} {took}: {}", progress.holds, span(progress.vantage), command(&progress.command))
        }
        Some(Stage::Over(report)) => {
            let (headline, sure) = report.headline();
            let told = format!("{headline} ({}){} {}", sure.word(), span(report.sight.vantage), seconds(report.took));
            let whole = format!("{told}: {}", command(&report.command));
            let position = columns(&position(state, area));
            // What was asked for is known; that there is more is not.
            if position > 0 && columns(&whole) + position + EDGES > area.width { told } else { whole }
        }
    }
}

/// What the time is counted from.
fn span(vantage: Vantage) -> &'static str {
    match vantage {
        Vantage::Above => " after",
        Vantage::Outside => ", watched for",
    }
}

fn command(words: &[Box<[u8]>]) -> String {
    let words: Vec<_> = words.iter().map(|word| printable(word)).collect();
    words.join(" ")
}

/// One line of the pane.
type Line = Vec<(String, Role)>;

/// How much of the verdict is below what is shown.
#[must_use]
pub fn position(state: &State, area: Rect) -> String {
    let Some(run @ RunView { stage: Stage::Over(report), scroll, .. }) = &state.run else { return String::new() };
    let lines = over(run, report, area.width).len();
    let below = lines.saturating_sub(usize::from(area.height)).saturating_sub(*scroll);
    if below == 0 { String::new() } else { format!("{below} more below") }
}

/// Draws the pane.
pub fn run(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let Some(run) = &state.run else { return };
    let mut area = area;
    let lines = match &run.stage {
        Stage::Running(progress) => {
            against_the_limit(canvas, area, progress);
            let rows = area.height.min(1);
            area = Rect { y: area.y + rows, height: area.height - rows, ..area };
            running(progress, area)
        }
        Stage::Over(report) => over(run, report, area.width),
    };
    let scroll = run.scroll.min(lines.len().saturating_sub(usize::from(area.height)));
    for (row, line) in (0..area.height).zip(lines.iter().skip(scroll)) {
        let mut pen = canvas.pen(area, row);
        pen.gap(1);
        for (text, role) in line {
            pen.put(text, *role);
        }
    }
}

/// What all of it holds, the most it held, and the limit, as one bar.
fn against_the_limit(canvas: &mut Canvas<'_>, area: Rect, progress: &Progress) {
    const BAR: u16 = 24;
    let mut pen = canvas.pen(area, 0);
    let total = progress.peak.as_ref().map(|peak| peak.total);
    // The sum of all RSS has what processes share in each; a counter of a cgroup of its own has it once.
    let charged = progress.room.as_ref().filter(|room| room.is_own).and_then(|room| room.peak);
    let at_most = |sum: Bytes| charged.map_or(sum, |charged| charged.min(sum));
    let (holds, peak) = (at_most(progress.holds), total.map(at_most));
    let Some(room) = &progress.room else {
        pen.gap(1).put(&format!("holds {holds}"), Role::Strong);
        return;
    };
    let used = holds.share_of(room.limit).unwrap_or(0.0);
    let most = peak.and_then(|peak| peak.share_of(room.limit)).unwrap_or(0.0);
    let role = if most > 0.9 {
        Role::Danger
    } else if most > 0.7 {
        Role::Warned
    } else {
        Role::Good
    };
    pen.gap(1).put("[", Role::Dim).bar(BAR.min(area.width / 6), used, role).put("]", Role::Dim);
    // No cgroup holds more than its limit: beyond it there is only the sum, which is no part of anything.
    let (against, share) = if used.max(most) > 1.0 {
        (format!("RSS in sum {holds}, limit {}", room.limit), String::new())
    } else {
        (format!("{holds} of {}", room.limit), format!(" ({:.0}%)", most * 100.0))
    };
    pen.gap(1).put(&against, role);
    let peak = peak.map(|peak| (format!(", peak {peak}{share}"), role));
    let whose = (format!(", {}", whose(room)), Role::Dim);
    for (text, role) in peak.into_iter().chain([whose]) {
        if columns(&text) <= pen.room() {
            pen.put(&text, role);
        }
    }
}

fn whose(room: &Room) -> Cow<'_, str> {
    match (&room.cgroup, room.is_own) {
        (Some(_), true) => "--memory-max".into(),
        (Some(cgroup), false) => printable(cgroup),
        (None, _) => "this machine".into(),
    }
}

fn running(progress: &Progress, area: Rect) -> Vec<Line> {
    let mut lines = Vec::new();
    let room = usize::from(area.height.saturating_sub(2));
    table(&mut lines, &progress.processes, progress.others, area.width, room.max(3));
    if let Some(peak) = &progress.peak {
        lines.push(vec![(together(peak, &progress.processes, progress.took, None), Role::Dim)]);
    }
    lines
}

fn over(run: &RunView, report: &RunReport, width: u16) -> Vec<Line> {
    const ROWS: usize = 15;
    let mut lines = Vec::new();
    let verdict = &report.verdict;
    let role = match verdict.kind {
        _ if report.is_over_budget() => Role::Danger,
        VerdictKind::Ok => Role::Good,
        VerdictKind::Failed | VerdictKind::Unknown => Role::Warned,
        _ => Role::Danger,
    };
    let mut say = |lead: &str, text: &str, role: Role| {
        let room = usize::from(width.saturating_sub(2)).saturating_sub(lead.len());
        for (row, part) in wrap(&printable(text.as_bytes()), room).into_iter().enumerate() {
            let lead = if row == 0 { lead.to_owned() } else { " ".repeat(lead.len()) };
            lines.push(vec![(lead, Role::Dim), (part, role)]);
        }
    };
    say("", &report.summary(), role);
    for line in &verdict.story {
        say("  ", line, Role::Plain);
    }
    for evidence in &verdict.evidence {
        say("  evidence: ", &format!("{}: {}", evidence.source, evidence.text), Role::Dim);
    }
    for (lead, line) in report.over_budget() {
        say(&format!("  {lead}: "), line, Role::Danger);
    }
    for advice in &report.advice {
        let (command, colon) = (advice.short_command(), if advice.command.is_some() { ":" } else { "" });
        say("  try: ", &format!("{} ({}){colon}", advice.what, advice.why), Role::Strong);
        if let Some(command) = command {
            say("         ", &command, Role::Strong);
        }
    }
    if run.wants_a_terminal() {
        say("  try: ", "oomtop run --headless (it needs a terminal of its own)", Role::Strong);
    }
    lines.push(Vec::new());
    table(&mut lines, &report.processes, report.left_out, width, ROWS);
    if let Some(peak) = &report.peak {
        let at = peak.at.map(|at| at.since(report.started));
        let together = together(peak, &report.processes, report.took, at);
        lines.extend(
            wrap(&together, usize::from(width.saturating_sub(2))).into_iter().map(|line| vec![(line, Role::Plain)]),
        );
    }
    let notes = report.why_above_the_limit().into_iter().chain(report.untold.iter().cloned());
    for note in notes {
        for part in wrap(&note, usize::from(width.saturating_sub(4))) {
            lines.push(vec![(format!("  {part}"), Role::Dim)]);
        }
    }
    tests(&mut lines, &report.tests, width);
    lines.push(Vec::new());
    let keys = match report.sight.vantage {
        Vantage::Above => "8 shows its output, Esc the processes, q quits",
        Vantage::Outside => "Esc shows the processes, W goes back to all of them, q quits",
    };
    lines.push(vec![(keys.to_owned(), Role::Dim)]);
    lines
}

/// What overlapped when the tree held the most.
fn together(peak: &Peak, processes: &[ProcessLine], took: Duration, at: Option<Duration>) -> String {
    let names: Vec<_> = peak
        .holders
        .iter()
        .take(HOLDERS)
        .filter_map(|(place, rss)| Some(format!("{} {rss}", processes.get(*place)?.subject())))
        .collect();
    let more = if peak.holders.len() > HOLDERS { ", ..." } else { "" };
    let at = at.filter(|at| *at <= took).map_or(String::new(), |at| format!(" at {}", seconds(at)));
    format!("whole tree at most {}{at}: {}{more}", peak.total, names.join(", "))
}

fn table(lines: &mut Vec<Line>, processes: &[ProcessLine], others: u64, width: u16, rows: usize) {
    let shown = worth::processes(processes, rows);
    if shown.is_empty() {
        return;
    }
    let wide = width > NUMBERS + 20;
    let room = width.saturating_sub(2 + if wide { NUMBERS } else { 8 + 9 });
    let widest = shown.iter().map(|process| columns(&process.subject())).max().unwrap_or(0);
    let room = usize::from(widest.clamp(7, room.max(7)));
    let mut heading = format!("{:>7} {:<room$} {:<8}", "PEAK", "PACKAGE", "PHASE");
    if wide {
        let _ = write!(heading, "{:<14}{:<11}ENDED", "WHEN", "GROWTH");
    }
    lines.push(vec![(heading, Role::Heading)]);
    for process in &shown {
        let lives = process.ended.is_none();
        let role = if process.exit.is_some_and(|exit| exit.status() != 0) {
            Role::Danger
        } else if lives {
            Role::Plain
        } else {
            Role::Dim
        };
        let subject = fitted(&process.subject(), room);
        let mut text = format!("{:>7} {subject} {:<8}", peak(process), process.phase.word());
        if wide {
            let ended = process.ended.map_or_else(|| "now".to_owned(), seconds);
            let when = format!("{}-{ended}", seconds(process.started));
            let growth = process.growth.map_or_else(|| "-".to_owned(), |(_, rate)| rate.to_string());
            let _ = write!(text, "{when:<14}{growth:<11}{}", process.ending());
        }
        lines.push(vec![(text, role)]);
    }
    let rest = processes.len() as u64 + others - shown.len() as u64;
    if rest > 0 {
        lines.push(vec![(format!("and {}", counted(rest, ["other", "others"])), Role::Dim)]);
    }
}

/// The tests that kept and held the most, where they were told.
fn tests(lines: &mut Vec<Line>, tests: &[TestMemory], width: u16) {
    const BESIDE: u16 = 24;
    let (shown, others) = worth::tests(tests, TEST_LINES);
    if shown.is_empty() {
        return;
    }
    let wide = width > NUMBERS + 20;
    let names: Vec<_> =
        shown.iter().map(|test| printable(format!("{} {}", test.package, test.test).as_bytes()).into_owned()).collect();
    let room = width.saturating_sub(2 + 4 * 8 + if wide { BESIDE } else { 0 });
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let room = usize::from(widest.clamp(7, room.max(7)));
    let heading = format!("{:>7} {:>7} {:>7} {:<7} {:<room$}", "BEFORE", "PEAK", "KEPT", "RESULT", "TEST");
    lines.push(Vec::new());
    lines.push(vec![(heading + if wide { " BESIDE IT" } else { "" }, Role::Heading)]);
    for (test, name) in shown.into_iter().zip(&names) {
        let cell = |size: Option<Bytes>| size.map_or_else(|| "-".into(), |size| size.to_string());
        let [before, peak, kept] = [test.before, test.peak, test.kept()].map(cell);
        let result = test.result_in_words();
        let mut text = format!("{before:>7} {peak:>7} {kept:>7} {result:<7} {}", fitted(name, room));
        if wide {
            text.push(' ');
            text.push_str(&test.beside_in_words());
        }
        lines.push(vec![(text, if test.has_failed() { Role::Danger } else { Role::Plain })]);
    }
    if let Some(others) = others {
        lines.push(vec![(format!("and {others}"), Role::Dim)]);
    }
}

/// A peak with a sign where more may be true.
fn peak(process: &ProcessLine) -> String {
    let sign = |source| if source == PeakSource::Taskstats { "" } else { ">" };
    process.peak.map_or_else(|| "-".into(), |(peak, source): (Bytes, _)| format!("{}{peak}", sign(source)))
}
