//! Dialogs over the panes: which signal, which oom_score_adj with its preview, which column, user or grouping. Refuses
//! to decide anything: keys are the app's.

use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::bands::{first_line, in_sight};
use crate::app::dialog::{Dialog, Offer, PRESETS, SIGNALS};
use crate::app::list::Arrangement;
use crate::monitor::kernel_rules::KernelRules;
use crate::monitor::report::{DomainReport, Victim};
use crate::monitor::victims;
use crate::snapshot::system::OwnRights;
use crate::table::{self, COLUMNS, Column};
use crate::text::printable;
use crate::units::ProcessId;

use super::canvas::{Canvas, columns};
use super::prose::{paragraphs, wrap};
use super::theme::Role;
use super::{chrome, help, rect, risk};

/// Draws the dialog.
pub fn dialog(canvas: &mut Canvas<'_>, state: &State, dialog: &Dialog) {
    let place = dialog.place(state.size);
    let (outer, named, body) = (rect(place.outer), rect(place.whom), rect(place.body));
    canvas.clear(outer);
    chrome::frame(canvas, outer, &title(state, dialog), dialog.hint());
    match dialog {
        Dialog::Help { scroll } => help::help(canvas, body, *scroll),
        Dialog::Signal { targets, left_out, cursor, .. } => {
            list_targets(canvas, named, state, Whom { targets, left_out });
            signals(canvas, body, *cursor);
        }
        Dialog::Adjust { targets, left_out, value, typed } => {
            list_targets(canvas, named, state, Whom { targets, left_out });
            adjust(canvas, body, state, targets, *value, typed);
        }
        Dialog::Sort { cursor } => {
            sort(canvas, body, state, *cursor);
            note(canvas, rect(place.note), *cursor);
        }
        Dialog::Columns { cursor, chosen } => {
            choose_columns(canvas, body, *cursor, chosen);
            note(canvas, rect(place.note), *cursor);
        }
        Dialog::User { cursor, users } => user(canvas, body, *cursor, users),
        Dialog::Profile { offers, cursor, .. } => profile(canvas, body, *cursor, offers),
        Dialog::Group { cursor } => group(canvas, body, state, *cursor),
    }
}

/// What it asks.
fn title(state: &State, dialog: &Dialog) -> String {
    match dialog {
        Dialog::Help { .. } => concat!("oomtop ", env!("CARGO_PKG_VERSION")).into(),
        Dialog::Signal { targets, typed, .. } => {
            let typed = if typed.is_empty() { String::new() } else { format!(" {typed}_") };
            format!("Send which signal to {}?{typed}", words(state, targets))
        }
        Dialog::Adjust { targets, .. } => format!("oom_score_adj of {}", words(state, targets)),
        Dialog::Sort { .. } => "Sort by".into(),
        Dialog::Columns { .. } => "Which columns?".into(),
        Dialog::User { .. } => "Whose processes?".into(),
        Dialog::Profile { of, .. } => format!("Fetch which profile of {}?", state.name_of(*of)),
        Dialog::Group { .. } => "Arrange the rows".into(),
    }
}

/// `a.test 30987`, or how many they are.
fn words(state: &State, targets: &[ProcessId]) -> String {
    match targets {
        [one] => state.name_of(*one),
        many => format!("{} processes", many.len()),
    }
}

/// To whom it is done, and to whom not, each with the reason in a sentence.
#[derive(Clone, Copy)]
struct Whom<'a> {
    targets: &'a [ProcessId],
    left_out: &'a [String],
}

/// Targets one by one, then who is left out with the whole reason, as many as fit; the rest as a number.
fn list_targets(canvas: &mut Canvas<'_>, area: Rect, state: &State, whom: Whom<'_>) {
    let all = whom.targets.len() + whom.left_out.len();
    let (mut line, mut told) = (0, 0);
    // The last line is for the number, unless this is the last.
    let fits = |line: u16, rows: u16, told: usize| line + rows + u16::from(told + 1 < all) <= area.height;
    for target in whom.targets {
        if !fits(line, 1, told) {
            break;
        }
        let mut pen = canvas.pen(area, line);
        pen.gap(1).right(7, &target.pid.to_string(), Role::Plain).gap(1);
        match state.report.process(*target) {
            Some(process) => {
                let rss = process.rss.get().map_or_else(String::new, |rss| rss.to_string());
                pen.right(6, &rss, Role::Strong).gap(2);
                pen.put(&table::cell(Column::Command, process, &state.report).text, Role::Plain);
            }
            None => {
                pen.put("has ended: it will be skipped", Role::Warned);
            }
        }
        (line, told) = (line + 1, told + 1);
    }
    let named = told == whom.targets.len();
    for reason in whom.left_out.iter().filter(|_| named) {
        let reason = format!("! skipped: {}", printable(reason.as_bytes()));
        let wrapped = wrap(&reason, usize::from(area.width.saturating_sub(2)));
        if !fits(line, wrapped.len() as u16, told) {
            break;
        }
        for part in wrapped {
            canvas.pen(area, line).gap(1).put(&part, Role::Warned);
            line += 1;
        }
        told += 1;
    }
    if told < all {
        canvas.pen(area, line).gap(1).put(&format!("and {} more", all - told), Role::Dim);
    }
}

/// A list with a cursor; scrolls so that the cursor stays in it. `draw` writes one line.
fn menu<T>(
    canvas: &mut Canvas<'_>,
    area: Rect,
    cursor: usize,
    items: &[T],
    mut draw: impl FnMut(&mut Canvas<'_>, Rect, &T),
) {
    let cursor = cursor.min(items.len().saturating_sub(1));
    let first = first_line(cursor, area.height);
    for (line, (index, item)) in (0..area.height).zip(items.iter().enumerate().skip(first)) {
        let row = Rect { y: area.y + line, height: 1, ..area };
        draw(canvas, Rect { x: row.x + 2.min(row.width), width: row.width.saturating_sub(2), ..row }, item);
        if index == cursor {
            let sign = canvas.glyphs.cursor;
            canvas.text(row.x, row.y, row.width.min(1), sign, Role::Strong);
            canvas.tint(row, Role::Selected);
        }
    }
}

fn signals(canvas: &mut Canvas<'_>, area: Rect, cursor: usize) {
    menu(canvas, area, cursor, &SIGNALS, |canvas, row, signal| {
        let mut pen = canvas.pen(row, 0);
        pen.right(3, &signal.number.to_string(), Role::Dim).gap(1).left(10, signal.name, Role::Strong);
        pen.put(signal.meaning(), Role::Dim);
    });
}

fn profile(canvas: &mut Canvas<'_>, area: Rect, cursor: usize, offers: &[Offer]) {
    menu(canvas, area, cursor, offers, |canvas, row, offer| {
        let mut pen = canvas.pen(row, 0);
        pen.left(10, offer.kind.word(), Role::Strong).left(22, &format!("from {}", offer.from), Role::Plain);
        pen.gap(1).put(offer.kind.meaning(), Role::Dim);
    });
}

fn sort(canvas: &mut Canvas<'_>, inner: Rect, state: &State, cursor: usize) {
    menu(canvas, inner, cursor, &COLUMNS, |canvas, row, info| {
        let sorted = if info.column == state.list.sort { canvas.glyphs.sorted[0] } else { " " };
        let mut pen = canvas.pen(row, 0);
        pen.put(sorted, Role::Strong).gap(1).left(9, info.title, Role::Strong).put(info.summary(), Role::Dim);
    });
}

/// What the column under the cursor is, in full.
fn note(canvas: &mut Canvas<'_>, area: Rect, cursor: usize) {
    let Some(info) = COLUMNS.get(cursor) else { return };
    let below = Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area };
    paragraphs(canvas, below, &[(info.help.into(), Role::Plain)]);
}

fn choose_columns(canvas: &mut Canvas<'_>, inner: Rect, cursor: usize, chosen: &[Column]) {
    menu(canvas, inner, cursor, &COLUMNS, |canvas, row, info| {
        let position = chosen.iter().position(|column| *column == info.column);
        let mark = position.map_or_else(|| "[  ]".to_owned(), |position| format!("[{:>2}]", position + 1));
        let mut pen = canvas.pen(row, 0);
        pen.put(&mark, if position.is_some() { Role::Strong } else { Role::Dim }).gap(1);
        pen.left(9, info.title, Role::Strong).put(info.summary(), Role::Dim);
    });
}

fn user(canvas: &mut Canvas<'_>, inner: Rect, cursor: usize, users: &[(u32, String)]) {
    let everyone = (None, "everyone's");
    let items: Vec<(Option<u32>, &str)> =
        std::iter::once(everyone).chain(users.iter().map(|(uid, name)| (Some(*uid), name.as_str()))).collect();
    menu(canvas, inner, cursor, &items, |canvas, row, (uid, name)| {
        let number = uid.map_or_else(String::new, |uid| uid.to_string());
        canvas.pen(row, 0).right(7, &number, Role::Dim).gap(1).put(&printable(name.as_bytes()), Role::Strong);
    });
}

fn group(canvas: &mut Canvas<'_>, inner: Rect, state: &State, cursor: usize) {
    menu(canvas, inner, cursor, &Arrangement::ALL, |canvas, row, arrangement| {
        let now = if *arrangement == state.list.arrangement { "  now" } else { "" };
        canvas.pen(row, 0).put(arrangement.words(), Role::Strong).put(now, Role::Dim);
    });
}

fn adjust(canvas: &mut Canvas<'_>, inner: Rect, state: &State, targets: &[ProcessId], value: i16, typed: &str) {
    let now = match targets {
        [one] => state.adjustment_of(*one),
        _ => None,
    };
    scale(canvas, Rect { height: inner.height.min(3), ..inner }, now, value, typed);
    permission(&mut canvas.pen(inner, 3), state, now, value);
    let below = Rect { y: inner.y + 4.min(inner.height), height: inner.height.saturating_sub(4), ..inner };
    match domain_of(state, targets) {
        Some(domain) => preview(canvas, below, state, domain, targets, value),
        None => {
            canvas.pen(below, 0).gap(1).put("Its memory domain is unknown: no preview.", Role::Dim);
        }
    }
}

/// The domain in which the preview is made: the one that leads for the first target.
fn domain_of<'a>(state: &'a State, targets: &[ProcessId]) -> Option<&'a DomainReport> {
    state.report.leading_domain(state.report.process(*targets.first()?)?)
}

/// A scale from -1000 to 1000, what is set now and what would be.
fn scale(canvas: &mut Canvas<'_>, area: Rect, now: Option<i16>, value: i16, typed: &str) {
    let width = area.width.saturating_sub(8).min(61);
    if width < 11 || area.height == 0 {
        canvas.pen(area, 0).gap(1).put(&value.to_string(), Role::Strong);
        return;
    }
    let left = area.x + 4;
    let place = |value: i16| {
        let share = f64::from(i32::from(value.clamp(-1000, 1000)) + 1000) / 2000.0;
        left + (share * f64::from(width - 1)).round() as u16
    };
    for preset in PRESETS {
        let text = preset.to_string();
        canvas.text(place(preset).saturating_sub(columns(&text) / 2), area.y, columns(&text), &text, Role::Dim);
    }
    let [first, tick, last, knob] = canvas.glyphs.scale;
    let horizontal = canvas.glyphs.horizontal;
    canvas.repeat(left, area.y + 1, width, horizontal, Role::Rule);
    for (preset, sign) in PRESETS.into_iter().zip([first, tick, tick, tick, last]) {
        canvas.text(place(preset), area.y + 1, 1, sign, Role::Rule);
    }
    if let Some(now) = now {
        canvas.text(place(now), area.y + 1, 1, "o", Role::Plain);
    }
    let role = meaning_of(value);
    canvas.text(place(value), area.y + 1, 1, knob, role);
    if area.height < 3 {
        return;
    }
    let mut text = if typed.is_empty() { format!("{value}") } else { format!("{typed}_") };
    let _ = write!(text, " {}", words_of(value));
    let at = place(value).saturating_sub(1).min(area.right().saturating_sub(columns(&text) + 1)).max(area.x + 1);
    let end = canvas.text(at, area.y + 2, area.right().saturating_sub(at), &text, role);
    if let Some(now) = now {
        let text = format!("now {now}");
        let x = area.right().saturating_sub(columns(&text) + 1);
        // Beside the value where there is room, else at the left.
        let x = if x > end { x } else { area.x + 1 };
        canvas.text(x, area.y + 2, columns(&text), &text, Role::Dim);
    }
}

const fn meaning_of(value: i16) -> Role {
    match value {
        ..0 => Role::Good,
        0 => Role::Strong,
        1.. => Role::Warned,
    }
}

const fn words_of(value: i16) -> &'static str {
    match value {
        ..=-1000 => "never killed",
        -999..0 => "killed later",
        0 => "by its size alone",
        1..=999 => "killed sooner",
        1000.. => "killed first",
    }
}

/// Whether we may set it, as far as it can be known before.
fn permission(pen: &mut super::canvas::Pen<'_, '_>, state: &State, now: Option<i16>, value: i16) {
    let own = &state.report.machine.own;
    if value < 0 && now.is_none_or(|now| value < now) && !own.has(OwnRights::SYS_RESOURCE) {
        pen.gap(1).put("! this low needs CAP_SYS_RESOURCE, which you lack", Role::Warned);
    }
}

/// The order today and the order then, side by side, and where a target becomes the first or stops being it.
fn preview(
    canvas: &mut Canvas<'_>,
    area: Rect,
    state: &State,
    domain: &DomainReport,
    targets: &[ProcessId],
    value: i16,
) {
    // The rows of candidates that are too far behind to stand in the report are made from what the table knows.
    let rules = KernelRules::of(&state.report.machine);
    let of_target = |id: &ProcessId, domain: &DomainReport| match domain.victims.iter().find(|victim| victim.id == *id)
    {
        Some(victim) => Some(victim.clone()),
        None => state.report.process(*id).map(|process| victims::candidate(process, domain, &rules)),
    };
    let then = targets.iter().fold(domain.clone(), |mut domain, id| {
        if let Some(candidate) = of_target(id, &domain) {
            domain.victims = victims::with_candidate(&domain, &candidate, value);
        }
        domain
    });
    let (left, right) = (area.width / 2, area.width - area.width / 2);
    let left = Rect { width: left, ..area };
    let right = Rect { x: area.x + left.width, width: right, ..area };
    let place = format!("In {}", printable(domain.label.as_bytes()));
    canvas.pen(left, 0).gap(1).put(&place, Role::Strong).put(" today", Role::Dim);
    canvas.pen(right, 0).gap(1).put("at ", Role::Dim).put(&value.to_string(), meaning_of(value));
    let rows = area.height.saturating_sub(3);
    for (area, domain) in [(left, domain), (right, &then)] {
        for (line, victim) in (0..rows).zip(in_sight(&domain.victims, targets, rows)) {
            candidate(canvas, area, line + 1, state, victim, targets.contains(&victim.id));
        }
    }
    let [target] = targets else { return };
    let mut pen = canvas.pen(area, area.height.saturating_sub(1));
    pen.gap(1);
    if let Some(adjustment) = victims::stops_being_first_at(domain, *target) {
        pen.put(&format!("It stops being first at {adjustment}."), Role::Plain);
    } else if let Some(candidate) = of_target(target, domain) {
        match victims::becomes_first_at(domain, &candidate) {
            Some(adjustment) => pen.put(&format!("It becomes first at {adjustment}."), Role::Plain),
            None => pen.put("No value changes who is first.", Role::Dim),
        };
    }
}

fn candidate(canvas: &mut Canvas<'_>, area: Rect, line: u16, state: &State, victim: &Victim, target: bool) {
    let page = state.report.machine.page_size;
    let mut pen = canvas.pen(area, line);
    let (rank, role) = match (victim.immune, victim.rank) {
        (Some(_), _) => ("safe".to_owned(), Role::Good),
        (None, 1) => ("1st".to_owned(), Role::Danger),
        (None, rank) => (table::ordinal(i64::from(rank)), Role::Plain),
    };
    let cursor = if target { pen.glyphs().cursor } else { "" };
    pen.left(1, cursor, Role::Strong).left(5, &rank, role).right(7, &victim.id.pid.to_string(), Role::Plain).gap(1);
    let emphasis = if target { Role::Strong } else { Role::Plain };
    let room = pen.room().saturating_sub(9);
    pen.left(room, &super::name_of(state, victim.id), emphasis);
    let badness = if victim.immune.is_some() { "-".to_owned() } else { risk::signed(victim.badness, page, "") };
    pen.right(7, &badness, emphasis);
}
