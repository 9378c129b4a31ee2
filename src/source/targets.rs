//! Whom the prober looks at next: who is there, what is due of each, in which order. Pure but for the times that come
//! in. Refuses to read.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::snapshot::needs::{FactGroups, Needs};
use crate::snapshot::{Scope, Snapshot};
use crate::units::{Pages, ProcessId, Timestamp};

use super::prober::{AFTER_REFUSAL, has_passed, pause_after};

/// One thing to read of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Command,
    Executable,
    Rollup,
}

/// What is remembered of one process.
#[derive(Clone, Copy, Debug)]
struct Target {
    id: ProcessId,
    resident: Pages,
    /// Sign of exec when it changes.
    text: Pages,
    /// Sign of exec when it changes; 0 before the name was seen.
    name: u64,
    /// Fingerprints of what was read last; 0 before.
    command: u64,
    executable: u64,
    command_due: bool,
    executable_due: bool,
    rollup_at: Timestamp,
    rollup_pause: Duration,
    rollup_took: Duration,
}

impl Target {
    fn new(id: ProcessId) -> Self {
        Self {
            id,
            resident: Pages(0),
            text: Pages(0),
            name: 0,
            command: 0,
            executable: 0,
            command_due: true,
            executable_due: true,
            rollup_at: Timestamp::default(),
            rollup_pause: Duration::ZERO,
            rollup_took: Duration::ZERO,
        }
    }

    fn look_again(&mut self) {
        self.command_due = true;
        self.executable_due = true;
    }
}

/// Everyone of the last pass, sorted by number, and the plan of this slice.
#[derive(Debug, Default)]
pub(super) struct Targets {
    processes: Vec<Target>,
    /// What is to be read in this slice, in order of importance; `next` of it is done.
    plan: Vec<(ProcessId, Due)>,
    next: usize,
    order: Vec<(Pages, u32)>,
    /// How many command lines may still be read again in this interval, and behind whom to go on.
    rotation_left: usize,
    rotation_behind: ProcessId,
}

impl Targets {
    /// Between two reads of the rollup of a process on screen.
    const VISIBLE: Duration = Duration::from_secs(2);
    /// Of the selected one.
    const SELECTED: Duration = Duration::from_secs(1);
    /// Of everyone: at least; and so seldom that all of them together take a fiftieth of the time.
    const EVERYONE: Duration = Duration::from_secs(10);
    /// Command lines read again after each pass, in rotation: an exec of the same program changes nothing else.
    const ROTATION: usize = 16;

    /// Learns who is there.
    pub(super) fn observe(&mut self, snapshot: &Snapshot) {
        if snapshot.scope != Scope::Facts {
            self.merge(&snapshot.roster);
            self.rotation_left = Self::ROTATION.min(self.processes.len() / 10 + 1);
        }
        let mut at = 0;
        for fact in &snapshot.statms {
            let (Some(target), Ok(statm)) = (walk_to(&mut self.processes, &mut at, fact.id), fact.reading) else {
                continue;
            };
            if target.text != Pages(0) && target.text != statm.text && statm.text != Pages(0) {
                target.look_again();
            }
            target.text = statm.text;
            target.resident = statm.resident;
        }
        at = 0;
        for fact in &snapshot.stats {
            let (Some(target), Ok(stat)) = (walk_to(&mut self.processes, &mut at, fact.id), fact.reading) else {
                continue;
            };
            let mut hasher = DefaultHasher::new();
            stat.name.as_bytes().hash(&mut hasher);
            let name = hasher.finish() | 1;
            if target.name != 0 && target.name != name {
                target.look_again();
            }
            target.name = name;
        }
    }

    /// Drops who is gone and adds who is new; both lists are sorted.
    fn merge(&mut self, roster: &[ProcessId]) {
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
        if self.processes.len() > known || known != roster.len() {
            self.processes.sort_unstable_by_key(|target| target.id);
            let mut at = 0;
            self.processes.retain(|target| {
                while at < roster.len() && roster[at] < target.id {
                    at += 1;
                }
                roster.get(at) == Some(&target.id)
            });
        }
    }

    pub(super) fn contains(&self, id: ProcessId) -> bool {
        self.find(id).is_some()
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
            for id in first() {
                let pause = if needs.selected == Some(id) { Self::SELECTED } else { Self::VISIBLE };
                self.plan_rollup(id, pause, now);
            }
        }
        self.plan_rest(needs, now);
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
        if has_passed(target.rollup_pause.max(pause), target.rollup_at, now) {
            self.plan.push((id, Due::Rollup));
        }
    }

    /// Everyone else: the biggest first.
    fn plan_rest(&mut self, needs: &Needs, now: Timestamp) {
        let everyone = needs.of_everyone.contains(FactGroups::ROLLUP);
        let all_took: Duration =
            if everyone { self.processes.iter().map(|target| target.rollup_took).sum() } else { Duration::ZERO };
        let pause = Self::EVERYONE.max(all_took * 50);
        let rollup_due =
            |target: &Target| everyone && has_passed(target.rollup_pause.max(pause), target.rollup_at, now);
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
            if target.command_due {
                self.plan.push((target.id, Due::Command));
            }
            if target.executable_due {
                self.plan.push((target.id, Due::Executable));
            }
        }
        for &(_, index) in &self.order {
            let target = &self.processes[index as usize];
            if rollup_due(target) && !is_first(target.id) {
                self.plan.push((target.id, Due::Rollup));
            }
        }
        if self.plan.is_empty() {
            self.plan_rotation();
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
        std::mem::replace(before, fingerprint) != fingerprint
    }

    /// Spaces the next read of a rollup by what this one took.
    pub(super) fn rollup_took(&mut self, id: ProcessId, ended: Timestamp, took: Duration, worked: bool) {
        if let Some(index) = self.find(id) {
            let target = &mut self.processes[index];
            target.rollup_at = ended;
            target.rollup_took = took;
            target.rollup_pause = if worked { pause_after(took, Duration::ZERO) } else { AFTER_REFUSAL };
        }
    }
}

/// The target with this identity; both lists are sorted and `at` only moves forward.
fn walk_to<'a>(targets: &'a mut [Target], at: &mut usize, id: ProcessId) -> Option<&'a mut Target> {
    while *at < targets.len() && targets[*at].id < id {
        *at += 1;
    }
    targets.get_mut(*at).filter(|target| target.id == id)
}
