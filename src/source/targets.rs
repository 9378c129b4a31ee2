//! Whom the prober looks at next: who is there, what is due of each, in which order. Pure but for the times that come
//! in. Refuses to read.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::snapshot::needs::{FactGroups, Needs};
use crate::snapshot::{Scope, Snapshot};
use crate::units::{ProcessId, Timestamp};

use super::prober::{AFTER_REFUSAL, Budget, has_passed};

mod filling;

use filling::Filling;

/// One thing to read of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Command,
    Executable,
    Rollup,
}

impl Due {
    /// Where it stands.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Command => "cmdline",
            Self::Executable => "exe",
            Self::Rollup => "smaps_rollup",
        }
    }
}

/// What is remembered of one process. Fingerprints are short: one in four thousand million changes goes unseen until
/// the next.
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    id: ProcessId,
    /// Pages.
    resident: u32,
    /// Pages; a sign of exec when it changes.
    text: u32,
    /// Fingerprint; a sign of exec when it changes. 0 before the name was seen.
    name: u32,
    /// Fingerprints of what was read last; 0 before.
    command: u32,
    executable: u32,
    command_due: bool,
    executable_due: bool,
    rollup_refused: bool,
    rollup_took_us: u32,
    /// `resident` when it was read.
    rollup_resident: u32,
    rollup_at: Timestamp,
}

impl Target {
    fn new(id: ProcessId) -> Self {
        Self { id, command_due: true, executable_due: true, ..Self::default() }
    }

    fn look_again(&mut self) {
        self.command_due = true;
        self.executable_due = true;
    }

    fn rollup_took(&self) -> Duration {
        Duration::from_micros(u64::from(self.rollup_took_us))
    }

    /// Whether its rollup may be read again, by its cost and `at_least`; `stirred` is when somebody last came or went.
    fn is_rollup_due(&self, budget: Budget, at_least: Duration, stirred: Timestamp, now: Timestamp) -> bool {
        // Where nothing moved, only others that share its pages can have changed its share of them, most by coming and
        // going.
        let still = if self.rollup_at < stirred { Targets::STILL } else { Targets::UNSTIRRED };
        let at_least = if self.rollup_resident == self.resident { at_least.max(still) } else { at_least };
        let pause = if self.rollup_refused { AFTER_REFUSAL } else { budget.pause_after(self.rollup_took(), at_least) };
        has_passed(pause, self.rollup_at, now)
    }
}

/// Everyone of the last pass, sorted by number, and the plan of this slice.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) budget: Budget,
    processes: Vec<Target>,
    /// When somebody was last seen to have come or gone.
    stirred: Timestamp,
    /// What is to be read in this slice, in order of importance; `next` of it is done.
    plan: Vec<(ProcessId, Due)>,
    next: usize,
    order: Vec<(u32, u32)>,
    /// How many command lines may still be read again in this interval, and behind whom to go on.
    rotation_left: usize,
    rotation_behind: ProcessId,
    filling: Filling,
}

impl Targets {
    /// Between two reads of the rollup of a process on screen: at least; and so seldom that all that are on screen
    /// together take their part of the budget.
    const VISIBLE: Duration = Duration::from_secs(2);
    /// Of the selected one.
    const SELECTED: Duration = Duration::from_secs(1);
    /// Of a process whose size did not move since.
    const STILL: Duration = Duration::from_secs(10);
    /// Where nobody came or went since either.
    const UNSTIRRED: Duration = Duration::from_secs(30);
    /// Of everyone: at least; and so seldom that all of them together take their part of the budget.
    const EVERYONE: Duration = Duration::from_secs(10);
    /// No slice is long enough for more.
    const PLAN: usize = 2_048;
    /// Command lines read again after each pass, in rotation: an exec of the same program changes nothing else.
    const ROTATION: usize = 16;

    /// Learns who is there.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) {
        if snapshot.scope != Scope::Facts {
            if self.merge(&snapshot.roster) {
                self.stirred = snapshot.ended;
            }
            self.rotation_left = Self::ROTATION.min(self.processes.len() / 10 + 1);
            self.filling.begin_interval();
        }
        let mut at = 0;
        for fact in &snapshot.statms {
            let (Some(target), Ok(statm)) = (walk_to(&mut self.processes, &mut at, fact.id), fact.reading) else {
                continue;
            };
            let text = statm.text.0 as u32;
            if target.text != 0 && target.text != text && text != 0 {
                target.look_again();
            }
            target.text = text;
            target.resident = statm.resident.0 as u32;
        }
        at = 0;
        for fact in &snapshot.stats {
            let (Some(target), Ok(stat)) = (walk_to(&mut self.processes, &mut at, fact.id), fact.reading) else {
                continue;
            };
            let mut hasher = DefaultHasher::new();
            stat.name.as_bytes().hash(&mut hasher);
            let name = short(hasher.finish());
            if target.name != 0 && target.name != name {
                target.look_again();
            }
            target.name = name;
        }
    }

    /// Drops who is gone and adds who is new, and says whether there was anybody; both lists are sorted.
    fn merge(&mut self, roster: &[ProcessId]) -> bool {
        if self.processes.is_empty() {
            self.processes.reserve_exact(roster.len() + roster.len() / 16);
        }
        let known = self.processes.len();
        let mut at = 0;
        for &id in roster {
            while at < known && self.processes[at].id < id {
                at += 1;
            }
            if at >= known || self.processes[at].id != id {
                self.processes.push(Target::new(id));
            }
        }
        let stirred = self.processes.len() > known || known != roster.len();
        if stirred {
            self.processes.sort_unstable_by_key(|target| target.id);
            let mut at = 0;
            self.processes.retain(|target| {
                while at < roster.len() && roster[at] < target.id {
                    at += 1;
                }
                roster.get(at) == Some(&target.id)
            });
        }
        stirred
    }

    /// The size of one that is there, in pages, as last seen.
    pub(super) fn resident(&self, id: ProcessId) -> Option<u32> {
        self.find(id).map(|index| self.processes[index].resident)
    }

    fn find(&self, id: ProcessId) -> Option<usize> {
        self.processes.binary_search_by_key(&id, |target| target.id).ok()
    }

    /// Decides what this slice reads, in order.
    pub(super) fn plan(&mut self, needs: &Needs, now: Timestamp) {
        self.plan.clear();
        self.next = 0;
        let shown = needs.of_visible.union(needs.of_everyone);
        let first =
            || needs.selected.into_iter().chain(needs.visible.iter().copied().filter(|&id| Some(id) != needs.selected));
        for id in first() {
            self.plan_identity(id);
        }
        if shown.contains(FactGroups::ROLLUP) {
            let took = |id| self.find(id).map_or(Duration::ZERO, |index| self.processes[index].rollup_took());
            let visible = needs.visible.iter().map(|&id| took(id)).sum();
            let visible = self.budget.pause_of_part(Budget::VISIBLE, visible, Self::VISIBLE);
            let selected = needs.selected.map_or(Duration::ZERO, took);
            let selected = self.budget.pause_of_part(Budget::SELECTED, selected, Self::SELECTED);
            for id in first() {
                let pause = if needs.selected == Some(id) { selected } else { visible };
                self.plan_rollup(id, pause, now);
            }
        }
        self.plan_rest(needs, now);
        self.filling.begins_behind(self.plan.len());
        if needs.of_rest.contains(FactGroups::ROLLUP) && !needs.of_everyone.contains(FactGroups::ROLLUP) {
            self.plan_filling(needs, now);
        }
        self.leave_out(&needs.avoided);
        if self.plan.is_empty() {
            self.plan_rotation();
            self.leave_out(&needs.avoided);
        }
    }

    fn leave_out(&mut self, avoided: &[ProcessId]) {
        if !avoided.is_empty() {
            self.plan.retain(|(id, _)| !avoided.contains(id));
        }
    }

    fn plan_identity(&mut self, id: ProcessId) {
        let Some(target) = self.find(id).map(|index| &self.processes[index]) else { return };
        if target.command_due {
            self.plan.push((id, Due::Command));
        }
        if target.executable_due {
            self.plan.push((id, Due::Executable));
        }
    }

    fn plan_rollup(&mut self, id: ProcessId, pause: Duration, now: Timestamp) {
        let Some(target) = self.find(id).map(|index| &self.processes[index]) else { return };
        if target.is_rollup_due(self.budget, pause, self.stirred, now) {
            self.plan.push((id, Due::Rollup));
        }
    }

    /// Everyone else: the biggest first.
    fn plan_rest(&mut self, needs: &Needs, now: Timestamp) {
        let everyone = needs.of_everyone.contains(FactGroups::ROLLUP);
        let all_took: Duration =
            if everyone { self.processes.iter().map(Target::rollup_took).sum() } else { Duration::ZERO };
        let (budget, stirred) = (self.budget, self.stirred);
        let pause = budget.pause_of_part(Budget::EVERYONE, all_took, Self::EVERYONE);
        let rollup_due = |target: &Target| everyone && target.is_rollup_due(budget, pause, stirred, now);
        self.order.clear();
        for (index, target) in self.processes.iter().enumerate() {
            if target.command_due || target.executable_due || rollup_due(target) {
                self.order.push((target.resident, index as u32));
            }
        }
        self.order.sort_unstable_by(|a, b| b.cmp(a));
        let is_first = |id: ProcessId| needs.selected == Some(id) || needs.visible.binary_search(&id).is_ok();
        for &(_, index) in &self.order {
            let target = &self.processes[index as usize];
            if is_first(target.id) {
                continue;
            }
            if self.plan.len() >= Self::PLAN {
                break;
            }
            if target.command_due {
                self.plan.push((target.id, Due::Command));
            }
            if target.executable_due {
                self.plan.push((target.id, Due::Executable));
            }
        }
        for &(_, index) in &self.order {
            let target = &self.processes[index as usize];
            if self.plan.len() >= Self::PLAN {
                break;
            }
            if rollup_due(target) && !is_first(target.id) {
                self.plan.push((target.id, Due::Rollup));
            }
        }
    }

    fn plan_rotation(&mut self) {
        let from = self.processes.partition_point(|target| target.id <= self.rotation_behind);
        let batch = self.processes[from..].iter().take(self.rotation_left);
        self.plan.extend(batch.map(|target| (target.id, Due::Command)));
        // Behind the last one it starts again, in the next interval.
        self.rotation_behind = if self.plan.len() < self.rotation_left {
            ProcessId::default()
        } else {
            self.plan.last().map_or(self.rotation_behind, |&(id, _)| id)
        };
        self.rotation_left = 0;
    }

    /// The next thing to read; it is no longer due.
    pub(super) fn next(&mut self) -> Option<(ProcessId, Due)> {
        let &(id, due) = self.plan.get(self.next)?;
        self.next += 1;
        if let Some(index) = self.find(id) {
            match due {
                Due::Command => self.processes[index].command_due = false,
                Due::Executable => self.processes[index].executable_due = false,
                Due::Rollup => {}
            }
        }
        Some((id, due))
    }

    /// Whether the slice came to the end of its plan.
    pub(super) fn is_done(&self) -> bool {
        self.next >= self.plan.len()
    }

    /// Whether what was read differs from the reading before.
    pub(super) fn is_news(&mut self, id: ProcessId, due: Due, fingerprint: u64) -> bool {
        let Some(index) = self.find(id) else { return false };
        let target = &mut self.processes[index];
        let before = match due {
            Due::Command => &mut target.command,
            Due::Executable => &mut target.executable,
            Due::Rollup => return true,
        };
        let fingerprint = short(fingerprint);
        std::mem::replace(before, fingerprint) != fingerprint
    }

    /// Spaces the next read of a rollup by what this one took.
    pub(super) fn rollup_took(&mut self, id: ProcessId, ended: Timestamp, took: Duration, worked: bool) {
        if let Some(index) = self.find(id) {
            let target = &mut self.processes[index];
            target.rollup_at = ended;
            target.rollup_took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            target.rollup_resident = target.resident;
            target.rollup_refused = !worked;
        }
        self.filling.took(self.next, self.budget, ended, took);
    }
}

/// Half of a fingerprint; never 0, which is "not read".
fn short(fingerprint: u64) -> u32 {
    (fingerprint as u32) | 1
}

/// The target with this identity; both lists are sorted and `at` only moves forward.
fn walk_to<'a>(targets: &'a mut [Target], at: &mut usize, id: ProcessId) -> Option<&'a mut Target> {
    while *at < targets.len() && targets[*at].id < id {
        *at += 1;
    }
    targets.get_mut(*at).filter(|target| target.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_one_that_stands_still_is_read_again_sooner_where_somebody_came_or_went() {
        let at = |seconds: u64| Timestamp(1_000_000_000 * (100 + seconds));
        let id = |pid| ProcessId::new(pid, 1);
        let pass = |pids: &[u32], ended| Snapshot {
            roster: pids.iter().copied().map(id).collect(),
            ended,
            ..Snapshot::default()
        };
        let needs = Needs { of_visible: FactGroups::ROLLUP, visible: vec![id(1)], ..Needs::default() };
        let is_due = |targets: &mut Targets, now| {
            targets.plan(&needs, now);
            std::iter::from_fn(|| targets.next()).any(|planned| planned == (id(1), Due::Rollup))
        };
        let mut targets = Targets::default();
        targets.observe(&pass(&[1, 2], at(0)));
        assert!(is_due(&mut targets, at(0)), "never read");
        targets.rollup_took(id(1), at(1), Duration::from_micros(100), true);
        targets.observe(&pass(&[1, 2], at(12)));
        assert!(!is_due(&mut targets, at(12)), "the same two are there");
        assert!(is_due(&mut targets, at(31)));
        targets.observe(&pass(&[1], at(13)));
        assert!(is_due(&mut targets, at(13)), "who shared its pages may have gone");
        targets.rollup_took(id(1), at(14), Duration::from_micros(100), true);
        targets.processes[0].resident += 1;
        assert!(is_due(&mut targets, at(16)), "it moved");
    }
}
