//! The last alarm of the selected process: when it was, what the process held then, and what of it grew since. Refuses
//! to look for alarms of others.

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::layout::Rect;

use crate::app::State;
use crate::monitor::alarm::{AlarmReport, Classes, Portrait};
use crate::monitor::report::{MappingsState, ProcessDetail};
use crate::text::printable;
use crate::units::{Bytes, Timestamp, human_duration};

use super::canvas::Canvas;
use super::theme::Role;

/// Alarms of the selected process, newest last.
pub(super) fn of_selected(state: &State) -> impl Iterator<Item = (&Arc<AlarmReport>, &Portrait)> {
    let portraits = state.report.alarms.iter().filter_map(|alarm| Some((alarm, alarm.portrait.as_ref()?)));
    portraits.filter(|(_, portrait)| Some(portrait.process.id) == state.list.selected)
}

/// Rows that [`draw`] fills of a pane of this height; none where there was no alarm.
pub(super) fn rows(state: &State, height: u16) -> u16 {
    let Some((_, portrait)) = of_selected(state).last() else { return 0 };
    match (&portrait.classes, height) {
        (_, 0..=4) => 0,
        (Classes::Known(classes), 20..) => 1 + classes.len().min(6) as u16,
        _ => 1,
    }
}

/// When it was and what it held; with room, its largest classes then and now.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, detail: &ProcessDetail) {
    let Some((alarm, portrait)) = of_selected(state).last().filter(|_| area.height > 0) else { return };
    let lines = usize::from(area.height) - 1;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put(&sentence(alarm, portrait, state.report.time, lines == 0), Role::Dim);
    if let Some(kept) = state.profiles.of_alarm(alarm.number) {
        let file = kept.fetched.file().map_or_else(String::new, |file| format!(", {file}"));
        pen.put(&format!("  {} profile: 9{}", kept.call.kind.word(), printable(file.as_bytes())), Role::Dim);
    }
    let Classes::Known(classes) = &portrait.classes else { return };
    for (line, class) in (1..area.height).zip(classes.iter().take(lines)) {
        let mut pen = canvas.pen(area, line);
        pen.gap(3).left(22, class.class.words(), Role::Plain).right(6, &class.sums.rss.to_string(), Role::Plain);
        pen.put(" then", Role::Dim);
        if let MappingsState::Known(known) = &detail.mappings {
            let now = known.classes.iter().find(|now| now.class == class.class);
            let now = now.map_or(Bytes(0), |now| now.sums.rss);
            pen.gap(2).right(6, &now.to_string(), Role::Plain).put(" now", Role::Dim);
            pen.gap(2).right(7, &change(class.sums.rss, now), Role::Strong);
        }
    }
}

fn sentence(alarm: &AlarmReport, portrait: &Portrait, now: Timestamp, with_classes: bool) -> String {
    let mut text = format!("Alarm {} ago ({})", human_duration(now.since(alarm.at)), alarm.kind());
    if let Some(rss) = portrait.process.rss.get() {
        let _ = write!(text, " at {rss}");
    }
    match &portrait.classes {
        Classes::Waiting => text.push_str("; its mappings are being read"),
        Classes::Unreadable(reason) => {
            let _ = write!(text, "; its mappings: {}", reason.reason());
        }
        Classes::Known(classes) if with_classes => {
            for (index, class) in classes.iter().take(3).enumerate() {
                let _ =
                    write!(text, "{} {} {}", if index == 0 { ":" } else { "," }, class.class.words(), class.sums.rss);
            }
        }
        Classes::Known(_) => text.push_str(", by class:"),
    }
    text
}

fn change(then: Bytes, now: Bytes) -> String {
    if now >= then { format!("+{}", now.saturating_sub(then)) } else { format!("-{}", then.saturating_sub(now)) }
}
