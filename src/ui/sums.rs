//! Rows that stand for several processes: groups, and subtrees that are folded. What can be summed is, with a sign where
//! the sum is only a bound; of rank and domain the worst is shown; a dash where they have nothing in common. Refuses to
//! sum: that is the list's.

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::layout::ColumnSpan;
use crate::app::list::{Arrangement, Sum, Sums};
use crate::monitor::label::{self, label};
use crate::table::{self, Column};
use crate::text::{self, printable};
use crate::units::{Bytes, Rate};

use super::canvas::{Canvas, columns};
use super::header::urgency;
use super::theme::Role;
use super::top::{adjusted, before, growing, place, risk, role, trend};

/// Writes what they are together in a column; false where that column says nothing of several.
pub fn cell(canvas: &mut Canvas<'_>, y: u16, span: ColumnSpan, state: &State, sums: &Sums) -> bool {
    match span.column {
        Column::Trend => match sums.only(&state.report) {
            Some(process) => trend(canvas, span.x, y, span.width, process),
            // Each is scaled to its own process: there is no shape of all.
            None => place(canvas, span, y, "-", Role::Dim),
        },
        Column::Risk | Column::Domain => match sums.worst(&state.report) {
            Some(worst) if span.column == Column::Risk => risk(canvas, span, y, state, worst),
            Some(worst) => {
                let text = table::cell(span.column, worst, &state.report).text;
                place(canvas, span, y, &text, role(span.column, worst));
            }
            None if span.column == Column::Risk && sums.immune == sums.processes => {
                place(canvas, span, y, "safe", Role::Good);
            }
            None => place(canvas, span, y, "-", Role::Dim),
        },
        column => match sums.sum(column) {
            Some(sum) => summed(canvas, y, span, sums, sum),
            None => return false,
        },
    }
    true
}

/// A sum, and before it the sign of a bound: who maps a page that others map counts it as well, so together they hold at
/// most that; what is not known of everyone is at least that. What is both says nothing.
fn summed(canvas: &mut Canvas<'_>, y: u16, span: ColumnSpan, sums: &Sums, sum: Sum) {
    let glyphs = canvas.glyphs;
    let counts_twice = matches!(
        span.column,
        Column::Rss | Column::RssAndSwap | Column::Anonymous | Column::File | Column::SharedMemory
    );
    // RSS is read of everyone all the time: of whom it is not known, it is over.
    let of_all = sum.known == sums.processes || span.column == Column::Rss;
    let sign = match (counts_twice && sums.processes > 1, of_all) {
        (false, true) => "",
        (true, true) => glyphs.at_most,
        // Who has just begun has hardly grown.
        (false, false) if sum.known > 0 && span.column == Column::Growth => "",
        (false, false) if sum.known > 0 => glyphs.at_least,
        _ => return place(canvas, span, y, "-", Role::Dim),
    };
    let (text, role) = match span.column {
        Column::Growth => {
            let rate = Rate::new(sum.total as f64);
            (rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string()), growing(rate, sums.warning))
        }
        Column::Threads => (sum.total.to_string(), Role::Strong),
        _ => (Bytes(sum.total.unsigned_abs()).to_string(), Role::Strong),
    };
    place(canvas, span, y, &text, role);
    before(canvas, span, y, &text, sign, Role::Dim);
}

/// The name of a group: of a cgroup the end, which says what it is; behind it what it may hold and holds.
fn group_name(
    canvas: &mut Canvas<'_>,
    y: u16,
    span: ColumnSpan,
    state: &State,
    (name, open): (&str, bool),
    (sums, counts): (&Sums, bool),
) {
    let area = Rect { x: span.x, y, width: span.width, height: 1 };
    let glyphs = canvas.glyphs;
    let mut pen = canvas.pen(area, 0);
    pen.put(if open { "- " } else { "+ " }, Role::Dim);
    // Of how many PSS is known, where it is not of all.
    let known = sums.sum(Column::Pss).map_or(0, |pss| pss.known);
    let coverage = (known > 0 && known != sums.processes).then(|| format!("PSS of {known}"));
    let counted = (!counts).then(|| sums.processes.to_string());
    let words: Vec<_> = counted.into_iter().chain(coverage).collect();
    let remark = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
    if state.list.arrangement != Arrangement::ByCgroup {
        pen.put(name, Role::Strong).put(&remark, Role::Dim);
        return;
    }
    let domain = state.report.domains.iter().find(|domain| printable(&domain.path.0) == name);
    if let Some((domain, usage)) = domain.and_then(|domain| Some((domain, domain.usage?))) {
        let (role, sign) = urgency(domain);
        let held = format!("{sign}{usage}/{}", domain.limit);
        if pen.room() > columns(&held) + SHORTEST_NAME {
            pen.end(&held, role);
        }
    }
    let room = usize::from(pen.room());
    let name = if text::columns(name) > room { label(name.as_bytes()) } else { name.to_owned() };
    pen.put(&label::fitted(&name, room, glyphs.ellipsis), Role::Strong);
    pen.whole(&remark, Role::Dim);
}

/// Columns that the name of a cgroup keeps, whatever stands behind it.
const SHORTEST_NAME: u16 = 12;

/// Draws the row of a group: its label, and whether its members stand under it.
pub fn group_row(
    canvas: &mut Canvas<'_>,
    row: Rect,
    spans: &[ColumnSpan],
    state: &State,
    (label, open): (&str, bool),
    sums: &Sums,
) {
    let counts = spans.iter().any(|span| span.column == Column::Pid);
    for span in spans {
        match span.column {
            // A group has no number of its own: there stands how many they are.
            Column::Pid => {
                let count = format!("{}{}", canvas.glyphs.times, sums.processes);
                place(canvas, *span, row.y, &count, Role::Plain);
            }
            Column::Command | Column::Name => group_name(canvas, row.y, *span, state, (label, open), (sums, counts)),
            Column::Adjustment => {
                let adjustment = sums.adjustment.all();
                let text = adjustment.map_or_else(|| "-".to_owned(), |adjustment| adjustment.to_string());
                place(canvas, *span, row.y, &text, adjusted(adjustment));
            }
            Column::User => {
                let user = sums.user.all();
                let text = user.map_or("-".into(), |uid| match state.report.machine.user(uid) {
                    Some(name) => printable(name.as_bytes()),
                    None => uid.to_string().into(),
                });
                place(canvas, *span, row.y, &text, if user.is_some() { Role::Plain } else { Role::Dim });
            }
            _ => {
                cell(canvas, row.y, *span, state, sums);
            }
        }
    }
}
