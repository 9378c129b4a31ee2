//! What time brings: processes that were asked to end and do or do not, changes that reports begin to show, sentences
//! that have been read. Time is that of the reports; refuses to know any other.

use std::time::Duration;

use crate::text::{columns, printable, wrap};
use crate::units::{Bytes, ProcessId};

use super::{Outcome, State, Terminating, Tone};

/// A sentence leaves the footer after this.
const SAID_FOR: Duration = Duration::from_secs(8);
/// Who is still there after this gets SIGKILL offered.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who is still there after this is watched no longer.
const GIVES_UP: Duration = Duration::from_secs(120);
/// A change that no report shows after this is not expected any more.
const INTENTION_HOLDS: Duration = Duration::from_secs(3);

impl State {
    /// Says in the footer what became of an action.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.outcome = Some(Outcome { text: text.into(), tone, at: self.now, until_read: None, kill: None });
    }

    /// Says what is so until this process was read.
    pub(super) fn say_until_read(&mut self, id: ProcessId, text: String) {
        self.outcome = Some(Outcome { text, tone: Tone::Plain, at: self.now, until_read: Some(id), kill: None });
    }

    /// Says in the footer what happened by itself.
    pub(super) fn announce(&mut self, tone: Tone, text: impl Into<String>) {
        self.news = Some(Outcome { text: text.into(), tone, at: self.now, until_read: None, kill: None });
    }

    /// Says in the footer that somebody was killed.
    pub(super) fn announce_kill(&mut self, text: String, kill: u64) {
        self.news = Some(Outcome { text, tone: Tone::Bad, at: self.now, until_read: None, kill: Some(kill) });
    }

    /// What was said to be read is over when `smaps_rollup` was, or when the process is.
    fn told_when_read(&mut self) {
        let Some((id, asked)) = self.outcome.as_ref().and_then(|said| Some((said.until_read?, said.at))) else {
            return;
        };
        let process = self.newest().process(id).filter(|process| !process.has_ended());
        match process.map(|process| (process.rollup_at, process.pss.get())) {
            Some((read, _)) if read <= asked => {}
            Some((_, pss)) => self.was_read(id, pss),
            None => self.outcome = None,
        }
    }

    /// What was said to be read is over: the mappings of this process were, or `smaps_rollup`.
    pub(super) fn was_read(&mut self, id: ProcessId, pss: Option<Bytes>) {
        if self.outcome.as_ref().is_none_or(|said| said.until_read != Some(id)) {
            return;
        }
        match pss {
            Some(pss) => self.say(Tone::Good, format!("read {}: its PSS is {pss}", self.name_of(id))),
            None => self.outcome = None,
        }
    }

    /// Whether what is said takes one row of the screen, with its margins.
    pub(super) fn fits_in_a_row(&self, tone: Tone, text: &str) -> bool {
        columns(&as_said(tone, text)) <= usize::from(self.size.0.saturating_sub(2))
    }

    /// What happened and, below it, what became of the last action, as rows of so many columns. Where there is not room for
    /// all, that of the action, which stands last.
    #[must_use]
    pub fn said(&self, width: usize, most: usize) -> Vec<(Tone, String)> {
        let mut rows = Vec::new();
        for said in [&self.news, &self.outcome].into_iter().flatten() {
            let way = said.kill.map_or("", |kill| self.way_to_kill(kill));
            let text = as_said(said.tone, &said.text) + way;
            rows.extend(wrap(&text, width).into_iter().map(|row| (said.tone, row)));
        }
        rows.split_off(rows.len().saturating_sub(most))
    }

    /// A report came: what is over, what is due.
    pub(super) fn look_after(&mut self) {
        let now = self.now;
        for said in [&mut self.outcome, &mut self.news] {
            said.take_if(|said| now.since(said.at) >= SAID_FOR);
        }
        self.told_when_read();
        let newest = self.newest().clone();
        self.intended.retain(|(id, value, at)| {
            let shown = newest.process(*id).is_none_or(|process| process.oom_score_adj == Some(*value));
            !shown && now.since(*at) < INTENTION_HOLDS
        });

        let mut ended = Vec::new();
        let mut lingering = Vec::new();
        for mut watched in std::mem::take(&mut self.terminating) {
            match newest.process(watched.id).filter(|process| !process.has_ended()) {
                None => ended.push(watched),
                Some(process) => {
                    // A process on its way out has given its memory back already; that is not what it held.
                    watched.held = process.rss.get().filter(|rss| rss.0 > 0).or(watched.held);
                    let waited = now.since(watched.sent);
                    if waited >= PATIENCE && !watched.told {
                        watched.told = true;
                        lingering.push((watched.name.clone(), waited, watched.signal.name));
                    }
                    if waited < GIVES_UP {
                        self.terminating.push(watched);
                    }
                }
            }
        }
        let available = newest.system.memory.available;
        match ended.as_slice() {
            [] => {}
            [one] => self.say(Tone::Good, farewell(one, now.since(one.sent), available)),
            [first, ..] => {
                let held = ended.iter().filter_map(|watched| watched.held).fold(Bytes(0), Bytes::saturating_add);
                let moved = moved(first.available, available);
                self.say(
                    Tone::Good,
                    format!("{} processes ended; they held {held} when last sampled{moved}", ended.len()),
                );
            }
        }
        match lingering.as_slice() {
            [] => {}
            [(name, waited, signal)] => {
                let seconds = waited.as_secs();
                self.say(Tone::Bad, format!("{name} is still there {seconds}s after {signal}; k offers SIGKILL"));
            }
            several => {
                self.say(Tone::Bad, format!("{} processes are still there; k offers SIGKILL", several.len()));
            }
        }
        self.tell_kills();
    }
}

fn as_said(tone: Tone, text: &str) -> String {
    format!("{}{}", if tone == Tone::Bad { "! " } else { "" }, printable(text.as_bytes()))
}

fn farewell(watched: &Terminating, waited: Duration, available: Option<Bytes>) -> String {
    let held = watched.held.map_or_else(String::new, |held| format!("; it held {held} when last sampled"));
    format!("{} ended after {:.1}s{held}{}", watched.name, waited.as_secs_f64(), moved(watched.available, available))
}

/// By how much MemAvailable moved: others move it too, so this is no proof of what was given back.
fn moved(before: Option<Bytes>, after: Option<Bytes>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return String::new() };
    let (sign, by) =
        if after >= before { ('+', after.saturating_sub(before)) } else { ('-', before.saturating_sub(after)) };
    format!(", MemAvailable changed by {sign}{by}")
}
