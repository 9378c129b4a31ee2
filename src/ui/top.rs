//! The process table: titles, rows, tree guides, groups and folded subtrees. Rows are written cell by cell into the
//! buffer, only those on screen. Refuses to sort, filter or sum: the rows come ready from the list.

use std::borrow::Cow;
use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::app::layout::{self, ColumnSpan};
use crate::app::list::{Arrangement, List, Row, Sums};
use crate::app::{Pane, State};
use crate::monitor::label;
use crate::monitor::report::{ProcessReport, WarningState};
use crate::snapshot::needs::FactGroups;
use crate::table::{self, Align, Column, Knowledge};
use crate::text::printable;
use crate::units::{Bytes, Rate};

use super::canvas::{Canvas, columns};
use super::theme::Role;
use super::{command, mappings, sums};

/// The answer that the table gives, for its edge.
#[must_use]
pub fn title(state: &State) -> String {
    let list = &state.list;
    let what = match list.arrangement {
        Arrangement::Flat | Arrangement::Tree => "Processes",
        Arrangement::ByCommand => "Commands",
        Arrangement::ByUser => "Users",
        Arrangement::ByCgroup => "Memory cgroups",
        Arrangement::ByGoTest => "Runs of go test",
    };
    let mut title = format!("{what} by {}", table::info(list.sort).title);
    if list.reversed {
        title.push_str(", reversed");
    }
    if state.report.sequence > 0 && state.report.interval.is_none() && list.asks_for_growth() {
        title.push_str(", known from the second sample on");
    }
    if list.arrangement == Arrangement::Tree {
        title.push_str(", as a tree");
    }
    if let Some(uid) = list.user {
        let name = state.report.machine.user(uid).map_or_else(|| uid.to_string().into(), |n| printable(n.as_bytes()));
        let _ = write!(title, ", of {name}");
    }
    if let Some(filter) = &list.filter {
        let _ = write!(title, ", filter {}", printable(filter.as_bytes()));
    }
    title
}

/// What else holds for the table, the more the better where there is room: what is not as it should be of the selected
/// row, how many are tagged, whether the view follows, where it stands.
#[must_use]
pub fn positions(state: &State, rows: Rect) -> Vec<String> {
    let position = position(state, rows.height);
    let mut words: Vec<_> = [rank(state, rows), remark(state, rows)].into_iter().flatten().collect();
    if !position.is_empty() {
        words.push(position);
    }
    (0..words.len()).map(|from| words[from..].join("  ")).collect()
}

/// The place of the selected process with its domain, where there are several and nothing else on the screen names it.
fn rank(state: &State, rows: Rect) -> Option<String> {
    let process = state.report.process(state.list.selected?)?;
    let domain = state.report.leading_domain(process).filter(|_| state.report.domains.len() > 1)?;
    let spans = layout::column_spans(state, area(rows));
    let shows = |column| spans.iter().any(|span| span.column == column);
    let is_named = shows(Column::Domain)
        || layout::layout(state).pane(Pane::Risk).is_some()
            && state.risk_domain().is_some_and(|shown| shown.path == domain.path);
    (shows(Column::Risk) && process.risk.is_some() && !is_named).then(|| {
        let rank = table::cell(Column::Risk, process, &state.report).text;
        format!("{rank} in {}", printable(domain.label.as_bytes()))
    })
}

/// Why a number of the selected process is not there, or how old it is, and which key knows more: of the columns on the
/// screen.
fn remark(state: &State, rows: Rect) -> Option<String> {
    let list = &state.list;
    let process = state.report.process(list.selected?).filter(|process| !process.has_ended())?;
    layout::column_spans(state, area(rows)).into_iter().find_map(|span| {
        let title = table::info(span.column).title;
        match table::cell(span.column, process, &state.report).knowledge {
            Knowledge::Current | Knowledge::Unknown => None,
            Knowledge::Denied => Some(format!("{title} n/a, r says why")),
            Knowledge::Aged => {
                let read = match span.column {
                    Column::Pss | Column::Uss => process.rollup_at,
                    Column::Rss | Column::Anonymous | Column::Virtual => process.sized_at,
                    _ => process.status_at,
                };
                let age = mappings::whole_steps(state.report.time.since(read));
                Some(format!("{title} {age} old, r reads it"))
            }
        }
    })
}

fn position(state: &State, height: u16) -> String {
    let list = &state.list;
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    if !list.tagged.is_empty() {
        words.push(format!("{} tagged", list.tagged.len()).into());
    }
    if list.following {
        words.push("following".into());
    }
    words.extend(coverage(state).map(Cow::from));
    let count = list.rows.len();
    if count > usize::from(height) {
        let last = (list.offset + usize::from(height)).min(count);
        words.push(format!("{}-{last} of {count}", list.offset + 1).into());
    }
    words.join("  ")
}

/// Of how many PSS and USS are known, where they are shown and not of all; and what share of the time reads of them took.
fn coverage(state: &State) -> Option<String> {
    let shown = state.required.of_visible.union(state.required.of_everyone).contains(FactGroups::ROLLUP);
    let percent = state.report.coverage.percent().filter(|percent| shown && *percent < 100)?;
    let spent = state.report.holding_up.unwrap_or_default() * 100.0;
    Some(format!("PSS of {percent}% (smaps reads {spent:.1}% of the time, max {}%)", state.config.smaps_share))
}

/// Draws the column titles and the rows.
pub fn table(canvas: &mut Canvas<'_>, titles: Rect, rows: Rect, state: &State) {
    let spans = layout::column_spans(state, area(rows));
    heading(canvas, titles, &spans, &state.list);
    if state.list.rows.is_empty() {
        empty(canvas, rows, state);
        return;
    }
    let focused = state.focus == Pane::Top;
    for (line, row) in (0..rows.height).zip(state.list.rows.iter().skip(state.list.offset)) {
        let area = Rect { y: rows.y + line, height: 1, ..rows };
        let (marks, selected) = match row {
            Row::Process { index, depth, guides, folded } => {
                let Some(process) = state.report.processes.get(*index as usize) else { continue };
                let branch = branch(canvas, *depth, *guides);
                process_row(canvas, area, &spans, state, process, &branch, folded.as_deref());
                let mut marks = Marks::of(state, process);
                if let Some(sums) = folded {
                    marks.warning = sums.warning;
                }
                (marks, state.list.selected == Some(process.id))
            }
            Row::Group { label, sums, open } => {
                sums::group_row(canvas, area, &spans, state, (label, *open), sums);
                (Marks { tagged: false, warning: sums.warning }, state.list.selected_group.as_deref() == Some(&**label))
            }
        };
        gutter(canvas, area, marks, selected);
        if selected {
            canvas.tint(area, if focused { Role::Selected } else { Role::Marked });
        }
    }
}

const fn area(rect: Rect) -> layout::Area {
    layout::Area { x: rect.x, y: rect.y, width: rect.width, height: rect.height }
}

fn heading(canvas: &mut Canvas<'_>, area: Rect, spans: &[ColumnSpan], list: &List) {
    if area.height == 0 {
        return;
    }
    for span in spans {
        let info = table::info(span.column);
        let role = if span.column == list.sort { Role::Title } else { Role::Heading };
        let sign = canvas.glyphs.sorted[usize::from(list.reversed)];
        match info.align {
            Align::Right => {
                canvas.right(span.x, area.y, span.width, info.title, role);
                // The gap before a number is always free; a title of words has room behind it.
                if span.column == list.sort {
                    let at = (span.x + span.width).saturating_sub(columns(info.title) + 1);
                    canvas.text(at, area.y, 1, sign, Role::Title);
                }
            }
            Align::Left => {
                let mut end = canvas.cut(span.x, area.y, span.width, info.title, role);
                if span.column == Column::Command && list.commands_from > 0 {
                    let from = format!(" +{}", list.commands_from);
                    end = canvas.text(end, area.y, (span.x + span.width).saturating_sub(end), &from, Role::Warned);
                }
                if span.column == list.sort {
                    canvas.text(end, area.y, 1, sign, Role::Title);
                }
            }
        }
    }
}

/// Why there is nothing to show, and what would change that.
fn empty(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let list = &state.list;
    let (first, second) = if state.report.sequence == 0 {
        ("Reading the processes...".to_owned(), String::new())
    } else if state.report.interval.is_none() && list.asks_for_growth() {
        ("Growth is known from the second sample on.".into(), String::new())
    } else if let Some(ended) = state.nobody_left() {
        let leave = if state.run.is_none() { "Esc shows all processes, q quits." } else { "" };
        (format!("{ended}."), leave.into())
    } else if let Some(filter) = &list.filter {
        let filter = printable(filter.as_bytes());
        (format!("No process matches {filter}"), "Esc drops the filter, \\ changes it.".into())
    } else if list.user.is_some() {
        ("This user has no processes now.".into(), "u chooses another user.".into())
    } else {
        ("No process is visible.".into(), String::new())
    };
    canvas.pen(area, 1).gap(2).put(&first, Role::Plain);
    canvas.pen(area, 2).gap(2).put(&second, Role::Dim);
}

/// What stands before a row.
#[derive(Clone, Copy, Default)]
struct Marks {
    tagged: bool,
    warning: WarningState,
}

impl Marks {
    fn of(state: &State, process: &ProcessReport) -> Self {
        Self { tagged: state.list.tagged.contains(&process.id), warning: process.warning }
    }
}

/// Two columns: the cursor or the tag, and the warning.
fn gutter(canvas: &mut Canvas<'_>, row: Rect, marks: Marks, selected: bool) {
    let glyphs = canvas.glyphs;
    if marks.tagged {
        canvas.text(row.x, row.y, row.width.min(1), glyphs.tag, Role::Tagged);
    } else if selected {
        canvas.text(row.x, row.y, row.width.min(1), glyphs.cursor, Role::Strong);
    }
    if let (Some(role), true) = (alarm(marks.warning), row.width > 1) {
        canvas.text(row.x + 1, row.y, 1, "!", role);
    }
}

/// How a warning looks.
pub(super) const fn alarm(warning: WarningState) -> Option<Role> {
    match warning {
        WarningState::Quiet => None,
        WarningState::Leak | WarningState::Growing => Some(Role::Warned),
        WarningState::Imminent => Some(Role::Danger),
    }
}

/// Deeper than this there is no room for a command; the levels nearest to the process say most.
const DEEPEST: u16 = 16;

/// What is drawn before a command in a tree. Bit `n` of `guides` says whether level `n` goes on below this row.
fn branch(canvas: &Canvas<'_>, depth: u16, guides: u64) -> String {
    let [tee, corner, pass] = canvas.glyphs.branches;
    let goes_on = |level: u16| level < 64 && guides >> level & 1 == 1;
    let mut text = String::new();
    for level in depth.saturating_sub(DEEPEST)..depth {
        text.push_str(match (level + 1 == depth, goes_on(level)) {
            (true, true) => tee,
            (true, false) => corner,
            (false, true) => pass,
            (false, false) => "  ",
        });
    }
    text
}

fn process_row(
    canvas: &mut Canvas<'_>,
    row: Rect,
    spans: &[ColumnSpan],
    state: &State,
    process: &ProcessReport,
    branch: &str,
    folded: Option<&Sums>,
) {
    for span in spans {
        if let Some(sums) = folded
            && sums::cell(canvas, row.y, *span, state, sums)
        {
            continue;
        }
        match span.column {
            Column::Trend => trend(canvas, span.x, row.y, span.width, process),
            Column::Command => {
                let mut x = canvas.text(span.x, row.y, span.width, branch, Role::Rule);
                let end = span.x + span.width;
                if let Some(sums) = folded {
                    let hidden = format!("+{} ", sums.processes.saturating_sub(1));
                    x = canvas.text(x, row.y, end.saturating_sub(x), &hidden, Role::Strong);
                }
                let command = table::cell(Column::Command, process, &state.report);
                let width = end.saturating_sub(x);
                command::in_row(canvas, (x, row.y, width), &command.text, state.list.commands_from);
            }
            Column::Risk => risk(canvas, *span, row.y, state, process),
            column => {
                let cell = table::cell(column, process, &state.report);
                let (role, sign) = match cell.knowledge {
                    Knowledge::Current => (role(column, process), ""),
                    Knowledge::Aged => (Role::Dim, canvas.glyphs.aged),
                    Knowledge::Unknown | Knowledge::Denied => (Role::Dim, ""),
                };
                place(canvas, *span, row.y, &cell.text, role);
                before(canvas, *span, row.y, &cell.text, sign, Role::Dim);
            }
        }
    }
}

/// Writes a text into its column.
pub(super) fn place(canvas: &mut Canvas<'_>, span: ColumnSpan, y: u16, text: &str, role: Role) {
    match table::info(span.column).align {
        Align::Right => canvas.right(span.x, y, span.width, text, role),
        Align::Left if matches!(span.column, Column::Domain | Column::Cgroup) => {
            let text = label::fitted(text, span.width.into(), canvas.glyphs.ellipsis);
            canvas.text(span.x, y, span.width, &text, role);
        }
        Align::Left => {
            canvas.cut(span.x, y, span.width, text, role);
        }
    }
}

/// Writes a sign into the gap before a number that [`place`] wrote.
pub(super) fn before(canvas: &mut Canvas<'_>, span: ColumnSpan, y: u16, text: &str, sign: &str, role: Role) {
    let at = (span.x + span.width).saturating_sub(columns(text) + 1);
    canvas.text(at, y, columns(sign), sign, role);
}

/// The place of a process among the victims of its domain. Every domain has a first: those of the tightest, which the
/// header names, have a sign.
pub(super) fn risk(canvas: &mut Canvas<'_>, span: ColumnSpan, y: u16, state: &State, process: &ProcessReport) {
    let text = table::cell(Column::Risk, process, &state.report).text;
    let tightest = state.tightest_domain().map(|domain| &domain.path);
    let leading = state.report.leading_domain(process).map(|domain| &domain.path);
    let is_tightest = process.immune.is_none() && process.risk.is_some() && leading == tightest;
    let role = match (process.risk, process.immune) {
        (_, Some(_)) => Role::Good,
        (Some(1), None) if is_tightest => Role::Danger,
        (Some(1), None) => Role::Strong,
        // Who is far from dying is not what the eye should find.
        (Some(6..), None) => Role::Dim,
        _ => Role::Plain,
    };
    place(canvas, span, y, &text, role);
    if is_tightest && state.report.domains.len() > 1 {
        before(canvas, span, y, &text, canvas.glyphs.tightest, role);
    }
}

/// What the value of a column means for the eye.
pub(super) fn role(column: Column, process: &ProcessReport) -> Role {
    match column {
        Column::Growth => growing(process.growth, process.warning),
        Column::Adjustment => adjusted(process.oom_score_adj),
        Column::State if matches!(process.state, b'D' | b'Z') => Role::Warned,
        Column::Swap if process.swap.get() == Some(Bytes(0)) => Role::Dim,
        _ => Role::Plain,
    }
}

/// How an oom_score_adj looks.
pub(super) const fn adjusted(adjustment: Option<i16>) -> Role {
    match adjustment {
        Some(..0) => Role::Good,
        Some(1..) => Role::Warned,
        Some(0) | None => Role::Dim,
    }
}

/// How a growth looks.
pub(super) fn growing(growth: Option<Rate>, warning: WarningState) -> Role {
    let rate = growth.map_or(0.0, Rate::per_second);
    match alarm(warning) {
        Some(role) => role,
        None if rate < -0.5 => Role::Good,
        None if rate < 0.5 => Role::Dim,
        None => Role::Plain,
    }
}

/// The shape of RSS over the window, newest at the right.
pub(super) fn trend(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, process: &ProcessReport) {
    let role = growing(process.growth, process.warning);
    for (column, step) in (0..width).zip(process.trend) {
        if let Some(level) = canvas.glyphs.levels.get(usize::from(step)) {
            canvas.text(x + column, y, 1, level, role);
        }
    }
}
