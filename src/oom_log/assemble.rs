//! Puts the kernel's records about one OOM together: a bounded fold from unwrapped records to episodes. Records of
//! other things, of other machines and of other threads (where the kernel says which) may stand between them. A kill is
//! only ever what a `Killed process` record says, given to the dump that names the same process; a record that fits no
//! dump makes an episode of its own. Refuses to complete what is missing.

use std::collections::VecDeque;

use super::death::{Cause, Killed};
use super::dump::Dump;
use super::envelope::{Caller, Envelope};
use super::episode::{Chosen, Episode, Outcome, Reaped, Victim};
use super::message::{self, Message};
use super::tasks::MOST_ROWS;
use crate::units::Pid;

/// Dumps that may still get records: the oldest is given away beyond.
const MOST_OPEN: usize = 16;
/// Rows of tables that they may hold together.
const MOST_OPEN_ROWS: usize = 2 * MOST_ROWS;
/// Lines without a word for a dump that has not ended: it will not end any more.
const PATIENCE: u64 = 5_000;
/// Victims of one kill group that are kept.
const MOST_VICTIMS: usize = 4096;
/// The longest text put together of continuation records: a cgroup path has at most 4096 bytes, the line has two.
const LONGEST_JOINED: usize = 16 * 1024;
/// Records that may stand between a text and its continuation.
const JOIN_WITHIN: u64 = 50;

/// The fold.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: VecDeque<Dump>,
    ready: VecDeque<Episode>,
    /// Texts that ended before their end: `oom-kill:` with a long path comes as several records.
    partials: Vec<Partial>,
    /// How many records came, and how many rows the open dumps hold.
    records: u64,
    rows: usize,
    /// Whether one of them has not ended.
    is_going_on: bool,
}

#[derive(Debug)]
struct Partial {
    text: Vec<u8>,
    machine: Option<Box<[u8]>>,
    caller: Option<Caller>,
    record: u64,
}

impl Partial {
    fn is_of(&self, envelope: &Envelope<'_>) -> bool {
        let same_caller = self.caller.zip(envelope.caller).is_none_or(|(ours, theirs)| ours == theirs);
        same_caller && self.machine.as_deref() == envelope.machine
    }
}

impl Assembler {
    /// Takes a record; `complete` is false where its line may be cut by the end of the log.
    pub fn push(&mut self, envelope: &Envelope<'_>, complete: bool) {
        self.records += 1;
        if let Some(joined) = self.join(envelope) {
            self.take(&joined, envelope, complete);
        } else if !envelope.continues {
            self.take(&envelope.text, envelope, complete);
        }
    }

    /// Counts a line that is no record of the kernel: a dump that gets nothing for long is over.
    pub fn pass(&mut self) {
        self.records += 1;
        self.forget_old_partials();
        self.bound();
    }

    /// How many records may come that are of no use to any dump before the first is given away for that.
    pub fn room(&self) -> u64 {
        let waited = self.open.front().map_or(PATIENCE, |first| self.records.saturating_sub(first.last_record));
        if self.is_going_on && self.partials.is_empty() { PATIENCE.saturating_sub(waited) } else { 0 }
    }

    /// Counts as many, as [`Self::pass`] does.
    pub fn pass_over(&mut self, records: u64) {
        self.records += records;
    }

    /// Takes a record that is a row of the table of a dump on this machine, with other lines behind it: how long it is.
    pub fn row_ahead(&mut self, ahead: &[u8], machine: Option<&[u8]>) -> Option<usize> {
        let dump = self.open.iter_mut().rev().find(|dump| !dump.ended && dump.is_on(machine))?;
        let rows = dump.episode.tasks.rows.len();
        let length = dump.row_ahead(ahead)?;
        self.records += 1;
        dump.last_record = self.records;
        self.rows += dump.episode.tasks.rows.len() - rows;
        self.bound();
        Some(length)
    }

    /// Whether a text may go on whose end did not come with it: then any record can be of use.
    pub fn waits_for_an_end(&self) -> bool {
        !self.partials.is_empty()
    }

    /// Whether a dump is going on: then any line may be of it; else only a few kinds of lines begin something.
    pub fn is_in_dump(&self) -> bool {
        self.is_going_on || !self.partials.is_empty()
    }

    /// The next episode that gets no more records, in the order of the log.
    pub fn next_ready(&mut self) -> Option<Episode> {
        self.ready.pop_front()
    }

    /// Gives away all that has ended, also past one that goes on: who follows a log does not wait.
    pub fn give_ended(&mut self) {
        let mut index = 0;
        while index < self.open.len() {
            if !self.open[index].ended {
                index += 1;
            } else if let Some(dump) = self.open.remove(index) {
                self.give(dump);
            }
        }
    }

    /// The log is over: gives everything away.
    pub fn finish(&mut self) {
        self.partials.clear();
        while !self.open.is_empty() {
            self.give_first();
        }
    }

    fn forget_old_partials(&mut self) {
        let records = self.records;
        if !self.partials.is_empty() {
            self.partials.retain(|partial| records - partial.record <= JOIN_WITHIN);
        }
    }

    /// Continuation records end up behind the text they continue. Only `/dev/kmsg` flags them, but nothing else that
    /// the kernel writes begins as they do.
    fn join(&mut self, envelope: &Envelope<'_>) -> Option<Vec<u8>> {
        self.forget_old_partials();
        if self.partials.is_empty() {
            return None;
        }
        let text = &envelope.text;
        let goes_on = envelope.continues
            || [&b"/"[..], b",task", b" killed as", b": cache:"].iter().any(|begin| text.starts_with(begin));
        let fits =
            |partial: &Partial| goes_on && partial.is_of(envelope) && partial.text.len() + text.len() <= LONGEST_JOINED;
        let mut partial = self.partials.remove(self.partials.iter().rposition(fits)?);
        partial.text.extend_from_slice(text);
        Some(partial.text)
    }

    fn take(&mut self, text: &[u8], envelope: &Envelope<'_>, complete: bool) {
        let current = self.current(envelope);
        if let Some(index) = current {
            let dump = &mut self.open[index];
            let rows = dump.episode.tasks.rows.len();
            if dump.row_or_statistic(text, complete) {
                dump.last_record = self.records;
                self.rows += dump.episode.tasks.rows.len() - rows;
                return self.bound();
            }
        }
        let Some(message) = message::parse(text, complete) else { return self.bound() };
        if message.lacks_its_end(text) && (current.is_some() || message.begins_a_dump()) {
            if self.partials.len() == MOST_OPEN {
                self.partials.remove(0);
            }
            self.partials.push(Partial {
                text: text.to_vec(),
                machine: envelope.machine.map(Into::into),
                caller: envelope.caller,
                record: self.records,
            });
        }
        match message {
            Message::Boot { .. } => self.boot(envelope),
            Message::Invoked { name, gfp_mask, nodemask, order, adj } => {
                let dump = self.begin(envelope);
                dump.invoked(name, gfp_mask, nodemask, order, adj);
            }
            Message::Killed(killed) => self.killed(&killed, envelope),
            Message::Chosen { cause, pid, name, score } => self.chosen(cause, Chosen { pid, name, score }, envelope),
            Message::Reaped { pid, reaped } => self.reaped(pid, reaped, envelope),
            Message::KillGroup { cgroup } => self.kill_group(cgroup, envelope),
            Message::NobodyToKill => self.outcome(Outcome::NobodyToKill, None, envelope),
            Message::Panic => self.outcome(Outcome::Panic, None, envelope),
            Message::AlreadyExiting { pid } => self.outcome(Outcome::AlreadyExiting, Some(pid), envelope),
            detail => {
                let begins = match current {
                    Some(index) => self.open[index].has_its(&detail),
                    None => detail.begins_a_dump(),
                };
                let records = self.records;
                let dump = match current {
                    Some(index) if !begins => &mut self.open[index],
                    _ if begins => self.begin(envelope),
                    _ => return self.bound(),
                };
                dump.last_record = records;
                dump.detail(detail);
            }
        }
        self.is_going_on = self.open.iter().rev().any(|dump| !dump.ended);
        self.bound();
    }

    /// The dump that a record goes on with: the last one begun by the same writer.
    fn current(&self, envelope: &Envelope<'_>) -> Option<usize> {
        (0..self.open.len()).rev().find(|&index| !self.open[index].ended && self.open[index].is_of(envelope))
    }

    fn latest(&self, envelope: &Envelope<'_>, suits: impl Fn(&Dump) -> bool) -> Option<usize> {
        self.open.iter().rposition(|dump| dump.is_of_machine(envelope) && suits(dump))
    }

    fn begin(&mut self, envelope: &Envelope<'_>) -> &mut Dump {
        self.open.push_back(Dump::new(envelope, self.records));
        if self.open.len() > MOST_OPEN {
            self.give_first();
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn chosen(&mut self, cause: Option<Cause>, chosen: Chosen, envelope: &Envelope<'_>) {
        let waits = |dump: &Dump| !dump.ended && dump.is_of(envelope) && dump.episode.chosen.is_none();
        let knows_it = |dump: &Dump| waits(dump) && dump.may_kill(chosen.pid, cause);
        // Before 5.3 any thread could be chosen, and the table has one for each process.
        let alone = self.open.iter().filter(|dump| waits(dump)).count() == 1;
        let only_one = |dump: &Dump| alone && waits(dump) && dump.may_choose(cause);
        let found = self.latest(envelope, knows_it).or_else(|| self.latest(envelope, only_one));
        let records = self.records;
        let dump = match found {
            Some(index) => &mut self.open[index],
            None => self.begin(envelope),
        };
        dump.last_record = records;
        dump.caused_by(cause);
        dump.episode.chosen = Some(chosen);
    }

    fn killed(&mut self, killed: &Killed, envelope: &Envelope<'_>) {
        let index = self.dump_of(killed, envelope).unwrap_or_else(|| {
            self.begin(envelope);
            self.open.len() - 1
        });
        // A dump that began later is still waiting for its own kill: their records may be mixed up.
        let overlap =
            (index + 1..self.open.len()).find(|later| self.open[*later].is_of(envelope) && !self.open[*later].ended);
        if let Some(later) = overlap.filter(|_| !self.open[index].ended) {
            self.open[index].episode.mixed = true;
            self.open[later].episode.mixed = true;
        }
        let records = self.records;
        let dump = &mut self.open[index];
        dump.last_record = records;
        dump.caused_by(killed.cause);
        dump.killed(killed, envelope.time.stamp(), MOST_VICTIMS);
    }

    /// Which dump a `Killed process` record belongs to; `None`: to none that is here.
    fn dump_of(&self, killed: &Killed, envelope: &Envelope<'_>) -> Option<usize> {
        let names_it = |dump: &Dump| !dump.ended && dump.is_of(envelope) && dump.names(killed.pid);
        let waits = |dump: &Dump| !dump.ended && dump.is_of(envelope) && dump.may_kill(killed.pid, killed.cause);
        let in_group = |dump: &Dump| dump.episode.kill_group.is_some() && dump.is_near(envelope);
        self.latest(envelope, names_it)
            .or_else(|| self.latest(envelope, waits))
            .or_else(|| self.latest(envelope, |dump| dump.is_of(envelope)).filter(|index| in_group(&self.open[*index])))
    }

    fn kill_group(&mut self, cgroup: &[u8], envelope: &Envelope<'_>) {
        let latest = self.latest(envelope, |dump| {
            dump.ended && dump.is_of(envelope) && dump.episode.kill_group.is_none() && dump.is_near(envelope)
        });
        let records = self.records;
        let dump = match latest {
            Some(index) => &mut self.open[index],
            None => self.begin(envelope),
        };
        dump.last_record = records;
        dump.ended = true;
        dump.episode.kill_group = Some(cgroup.into());
        dump.episode.ended = envelope.time.stamp();
    }

    fn reaped(&mut self, pid: Pid, reaped: Reaped, envelope: &Envelope<'_>) {
        let died = |victim: &Victim| victim.pid == pid || victim.tgid == Some(pid);
        if let Some(index) = self.latest(envelope, |dump| dump.episode.victims.iter().any(died))
            && let Some(victim) = self.open[index].episode.victims.iter_mut().find(|victim| died(victim))
        {
            victim.reaped = Some(reaped);
        }
    }

    fn outcome(&mut self, outcome: Outcome, chosen: Option<Pid>, envelope: &Envelope<'_>) {
        let found = self.current(envelope);
        let records = self.records;
        let dump = match found {
            Some(index) => &mut self.open[index],
            // The panic's line follows the outcome's.
            None if outcome == Outcome::Panic && self.latest(envelope, |dump| dump.is_near(envelope)).is_some() => {
                if let Some(dump) = self.open.back_mut() {
                    dump.episode.outcome = outcome;
                }
                return;
            }
            None => self.begin(envelope),
        };
        dump.last_record = records;
        dump.ended = true;
        dump.episode.outcome = outcome;
        dump.episode.ended = envelope.time.stamp();
        if let Some(pid) = chosen {
            dump.episode.chosen.get_or_insert(Chosen { pid, name: None, score: None });
        }
        self.fold_repeat();
    }

    /// A cgroup with nobody left to kill writes the same dump thousands of times: one episode with a count.
    fn fold_repeat(&mut self) {
        let [.., before, last] = self.open.make_contiguous() else { return };
        if before.episode.outcome == Outcome::NobodyToKill && before.says_the_same(last) {
            before.episode.repeats += 1 + last.episode.repeats;
            before.episode.ended = last.episode.ended;
            before.last_record = last.last_record;
            self.rows -= last.episode.tasks.rows.len();
            self.open.pop_back();
        }
    }

    /// Another boot: what was going on in the one before is over.
    fn boot(&mut self, envelope: &Envelope<'_>) {
        for dump in self.open.iter_mut().filter(|dump| dump.is_of_machine(envelope)) {
            dump.ended = true;
        }
    }

    fn bound(&mut self) {
        while let Some(first) = self.open.front() {
            let waited = self.records.saturating_sub(first.last_record);
            if waited <= PATIENCE && (self.open.len() == 1 || self.rows <= MOST_OPEN_ROWS) {
                break;
            }
            self.give_first();
        }
    }

    fn give_first(&mut self) {
        if let Some(dump) = self.open.pop_front() {
            self.give(dump);
        }
    }

    fn give(&mut self, dump: Dump) {
        self.rows -= dump.episode.tasks.rows.len();
        self.is_going_on = self.open.iter().rev().any(|dump| !dump.ended);
        self.ready.push_back(dump.into_episode());
    }
}
