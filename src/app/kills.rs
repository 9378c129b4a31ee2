//! The list of OOM kills and the story of one of them: what is selected, what is open, and what the footer says when
//! somebody was killed. Refuses to judge: who it was and how sure that is stands in the report.

use std::sync::Arc;

use crate::monitor::kill_report::KillReport;

use super::bands;
use super::keys::Move;
use super::{Pane, State, Tone};

/// The longest way to a story.
const ENTER_SHOWS: &str = "; Enter shows why";

/// What the pane of kills shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KillsView {
    /// The number of the selected kill; `None`: the newest, also when another comes.
    pub selected: Option<u64>,
    /// Its story is open.
    pub opened: bool,
    /// The newest kill that the footer has told.
    pub told: u64,
}

impl State {
    /// The number of the selected kill, if there is any.
    #[must_use]
    pub fn selected_kill(&self) -> Option<u64> {
        let kills = &self.report.kills;
        let known = kills.iter().find(|kill| Some(kill.number) == self.kills.selected);
        Some(known.or(kills.last())?.number)
    }

    /// The kill whose story is open.
    #[must_use]
    pub fn opened_kill(&self) -> Option<&KillReport> {
        let number = self.selected_kill().filter(|_| self.kills.opened)?;
        self.report.kills.iter().find(|kill| kill.number == number).map(Arc::as_ref)
    }

    /// Up and down the list, newest first; in a story to the next one.
    pub(super) fn move_in_kills(&mut self, movement: Move, page: usize) {
        let kills = &self.report.kills;
        let Some(at) = kills.iter().rev().position(|kill| Some(kill.number) == self.selected_kill()) else { return };
        let to = movement.apply(at, kills.len(), page);
        // At the top it stays with the newest.
        self.kills.selected = if to == 0 { None } else { kills.iter().rev().nth(to).map(|kill| kill.number) };
    }

    /// Selects the kill on this line of the list; whether it was selected before.
    pub(super) fn click_kill(&mut self, line: u16, height: u16) -> bool {
        let newest_first: Vec<u64> = self.report.kills.iter().rev().map(|kill| kill.number).collect();
        let at = newest_first.iter().position(|number| Some(*number) == self.selected_kill());
        let Some(at) = at.filter(|_| !self.kills.opened) else { return false };
        let clicked = bands::first_line(at, height) + usize::from(line);
        if let Some(number) = newest_first.get(clicked) {
            self.kills.selected = Some(*number);
        }
        clicked == at
    }

    pub(super) fn open_kill(&mut self) {
        // What is read stays, whatever is killed meanwhile.
        self.kills.selected = self.selected_kill();
        self.kills.opened = self.kills.selected.is_some();
    }

    /// Out of the story, then out of the list.
    pub(super) fn leave_kills(&mut self) {
        if self.kills.opened {
            self.kills.opened = false;
        } else {
            self.focus_on(Pane::Top);
        }
    }

    /// Says in the footer that somebody was killed, once.
    pub(super) fn tell_kills(&mut self) {
        let newest = self.newest().clone();
        let told = self.kills.told;
        self.kills.told = newest.kills.last().map_or(told, |last| last.number);
        let fresh = newest.kills.iter().filter(|kill| kill.number > told && self.is_kill_news(kill));
        let fresh: Vec<_> = fresh.collect();
        // One of another container is known by the machine's log alone, however surely: those of here come first.
        let Some(last) = fresh.iter().rev().find(|kill| !kill.is_elsewhere()).or(fresh.last()) else { return };
        let others = fresh.len() - 1;
        // Cause and certainty are those of this one: the others have a part in them where theirs are the same.
        let alike = fresh.iter().all(|kill| kill.cause() == last.cause() && kill.confidence == last.confidence);
        let [with_it, beside_it] = match others {
            0 => [String::new(), String::new()],
            _ if alike => [format!(" and {others} more"), String::new()],
            _ => [String::new(), format!("; {others} more")],
        };
        let who = last.victim.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let together = last.together().map_or_else(String::new, |together| format!(" with {together}"));
        let sure = last.confidence.word();
        // One row: what stands above it is looked at now. The story has the rest.
        let told = [
            format!("OOM kill: {who}{together}{with_it}, {} ({sure}){beside_it}", last.cause()),
            format!("OOM kill: {who}{with_it}, {} ({sure}){beside_it}", last.cause_in_short()),
            format!("OOM kill: {who}{with_it} ({sure}){beside_it}"),
        ];
        let fits = |text: &String| self.fits_in_a_row(Tone::Bad, &format!("{text}{ENTER_SHOWS}"));
        let shown = told.iter().position(fits).unwrap_or(told.len() - 1);
        self.announce_kill(told[shown].clone(), last.number);
    }

    /// The key that tells why there was this kill, as a part of a sentence; nothing where a story is open already.
    pub(super) fn way_to_kill(&self, number: u64) -> &'static str {
        match (self.focus, self.kills.opened) {
            (Pane::Kills, false) if self.selected_kill() == Some(number) => ENTER_SHOWS,
            (Pane::Kills, _) => "",
            _ => "; 5 shows why",
        }
    }
}
