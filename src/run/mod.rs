//! A command and everything below it, folded from snapshots of its tree: phases, peaks, what overlapped when it held the
//! most, why it ended as it did, what would help. Pure: the same snapshots give the same report. Refuses to start, to read
//! and to print anything.

pub mod advice;
mod again;
mod budget;
mod conclude;
#[cfg(test)]
pub(crate) mod fixture;
pub mod go_held;
pub mod per_test;
pub mod phase;
mod plan;
pub mod progress;
pub mod report;
pub mod rise;
pub mod squeeze;
mod surroundings;
mod suspect;
mod verdict;
pub mod watched;
pub mod worth;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::golang::test_events::TestEvent;
use crate::oom_log::Follower;
use crate::post_mortem::Teller;
use crate::snapshot::kernel_event::{OutsideEvent, ProcessExit};
use crate::snapshot::process::{Name, Stat, Status};
use crate::snapshot::{Snapshot, Unreadable};
use crate::units::{Bytes, Pid, ProcessId, Timestamp, WallTime};

use go_held::GoHeld;
use per_test::Tests;
use phase::role;
use surroundings::Surroundings;
use verdict::Kill;
use watched::Watched;

pub use plan::RunPlan;

/// A run that is being watched.
#[derive(Debug)]
pub struct Run {
    plan: RunPlan,
    began: Option<(Timestamp, WallTime)>,
    now: Timestamp,
    processes: Vec<Watched>,
    index: HashMap<ProcessId, usize>,
    /// Who had a number last.
    latest: HashMap<Pid, usize>,
    left_out: u64,
    /// What the tree held at the last look.
    holds: Bytes,
    most: Option<Moment>,
    log: Follower,
    teller: Teller,
    kills: Vec<Kill>,
    tests: Tests,
    signals: Vec<Signalled>,
    /// How long the command was stopped.
    stood_still: Duration,
    surroundings: Surroundings,
    kernel_log: Result<(), Unreadable>,
    own_pid: Option<Pid>,
    sees_all_numbers: bool,
    passes: u64,
    own_cpu: Duration,
}

/// A signal that came to us, or that the user asked for by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signalled {
    signal: i32,
    by_key: bool,
    at: Timestamp,
}

/// When the tree held the most so far.
#[derive(Debug)]
struct Moment {
    at: Timestamp,
    total: Bytes,
    holders: Vec<(ProcessId, Bytes)>,
}

/// The command: whose parent is none of the run. Where numbers began again, a child of it may have been met before.
fn command(processes: &[Watched]) -> Option<&Watched> {
    let has_none = |one: &&Watched| processes.iter().all(|other| other.id.pid != one.parent);
    processes.iter().find(has_none).or(processes.first())
}

/// More processes than this are not kept: of those that ended the smallest go.
const MOST: usize = 10_000;

impl Run {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(plan: RunPlan) -> Self {
        Self {
            plan,
            began: None,
            now: Timestamp::default(),
            processes: Vec::new(),
            index: HashMap::new(),
            latest: HashMap::new(),
            left_out: 0,
            holds: Bytes(0),
            most: None,
            log: Follower::default(),
            teller: Teller::default(),
            kills: Vec::new(),
            tests: Tests::default(),
            signals: Vec::new(),
            stood_still: Duration::ZERO,
            surroundings: Surroundings::default(),
            kernel_log: Err(Unreadable::Unsupported),
            own_pid: None,
            sees_all_numbers: false,
            passes: 0,
            own_cpu: Duration::ZERO,
        }
    }

    /// The command is given this GOMEMLIMIT, and all that it starts with it.
    pub fn will_have_go_memory_limit(&mut self, limit: Option<Bytes>) {
        self.plan.go_memory_limit = limit;
    }

    /// Takes one pass over the tree.
    pub fn absorb(&mut self, snapshot: &Snapshot) {
        self.began.get_or_insert((snapshot.began, snapshot.wall));
        self.stand_still(snapshot);
        self.now = snapshot.ended;
        self.passes += 1;
        self.own_cpu = snapshot.cost.own_cpu;
        self.own_pid = snapshot.machine.own.id.map(|own| own.pid);
        self.sees_all_numbers = snapshot.machine.initial_pid_namespace == Some(true);
        // What was lost of the log does not come back in a later pass.
        if self.kernel_log != Err(Unreadable::TooLong) {
            self.kernel_log = snapshot.kernel_log.unwrap_or(self.kernel_log);
        }
        self.describe(snapshot);
        self.measure(snapshot);
        self.bury(snapshot);
        self.sum(snapshot);
        self.happen(snapshot);
        self.surroundings.absorb(snapshot);
        self.forget_small();
    }

    /// Takes what a test told, just after a pass.
    pub fn take_test(&mut self, event: &TestEvent) {
        let binary = self.processes.iter().rev().find(|process| process.role.tests() == Some(&*event.package));
        if event.is_cached() {
            self.tests.take_cached(&event.package);
            return;
        }
        // The last test of a binary is told when that is gone: then its last look counts, if the test had begun by then.
        let rss = binary.filter(|binary| !binary.is_embryo).and_then(|binary| {
            let seen_since = |began: Timestamp| binary.last_seen >= began;
            let began = self.tests.began(&event.package, &event.test);
            binary.last_rss.filter(|_| binary.ended.is_none() || began.is_some_and(seen_since))
        });
        self.tests.take(&event.action, &event.package, &event.test, self.now, rss);
    }

    /// Whether the kernel's log told of kills, and of as many as were counted.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        let logged = verdict::logged(&self.kills) as u64;
        logged > 0 && logged >= self.counted_kills()
    }

    /// How many were killed, as the counters of the cgroups above the tree or that of the machine say.
    #[must_use]
    pub fn counted_kills(&self) -> u64 {
        let in_cgroup = self.surroundings.kills(self.plan.own_cgroup.as_deref());
        let in_cgroup = in_cgroup.map_or(0, |kills| kills.to.saturating_sub(kills.from));
        let on_machine = self.surroundings.host_kills.map_or(0, |(from, to)| to.saturating_sub(from));
        in_cgroup.max(on_machine)
    }

    /// The tightest limit of a cgroup above the tree.
    #[must_use]
    pub fn limit(&self) -> Option<Bytes> {
        self.surroundings.room(None).filter(|room| room.cgroup.is_some()).map(|room| room.limit)
    }

    /// While the command was stopped, time did not pass for its tree.
    fn stand_still(&mut self, snapshot: &Snapshot) {
        if snapshot.events.contains(&OutsideEvent::Continued) {
            for process in self.processes.iter_mut().filter(|process| process.ended.is_none()) {
                process.is_stopped = true;
            }
        }
        if command(&self.processes).is_some_and(|command| command.is_stopped) {
            self.stood_still += snapshot.began.since(self.now);
        }
    }

    fn place(&mut self, id: ProcessId, parent: Pid, name: Name, at: Timestamp) -> usize {
        *self.index.entry(id).or_insert_with(|| {
            let mut process = Watched::new(id, parent, name, at);
            process.go_memory_limit = self.plan.go_memory_limit;
            self.processes.push(process);
            self.latest.insert(id.pid, self.processes.len() - 1);
            self.processes.len() - 1
        })
    }

    fn find(&self, pid: Pid) -> Option<usize> {
        self.latest.get(&pid).copied()
    }

    /// Takes command lines and executables, and what they say of roles: parents have smaller numbers nearly always, and are
    /// looked at again where not.
    fn describe(&mut self, snapshot: &Snapshot) {
        for fact in &snapshot.stats {
            if let Ok(stat) = &fact.reading {
                self.place(fact.id, stat.parent, stat.name, fact.at);
            }
        }
        for fact in &snapshot.space_limits {
            if let (Some(&place), Ok(limits)) = (self.index.get(&fact.id), fact.reading) {
                self.processes[place].space_limits = limits;
            }
        }
        for fact in &snapshot.go_memories {
            let numbers = fact.reading.as_ref().ok().and_then(|memory| memory.numbers.as_ref().ok());
            if let (Some(&place), Some(numbers)) = (self.index.get(&fact.id), numbers) {
                let process = &mut self.processes[place];
                process.go_memory_limit = numbers.memory_limit;
                process.squeeze.observe(fact.at, numbers);
                let anonymous =
                    status(snapshot, fact.id).and_then(|status| Some(status.rss?.saturating_sub(status.rss_file?)));
                process.go_held = anonymous.map(|anonymous| GoHeld::of(fact.at, numbers, anonymous));
            }
        }
        let mut changed = Vec::new();
        for fact in &snapshot.commands {
            if let (Some(&place), Ok(command)) = (self.index.get(&fact.id), &fact.reading) {
                let process = &mut self.processes[place];
                process.is_ours = self.plan.is_start(command);
                process.command = Some(command.clone());
                if process.is_ours {
                    let (name, command) = self.plan.as_process();
                    (process.name, process.command) = (name, Some(Arc::new(command)));
                }
                changed.push(place);
            }
        }
        for fact in &snapshot.executables {
            if let (Some(&place), Ok(executable)) = (self.index.get(&fact.id), &fact.reading) {
                let process = &mut self.processes[place];
                process.executable = (!process.is_ours).then(|| executable.clone());
                changed.push(place);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        for place in changed {
            let parent = self.find(self.processes[place].parent);
            let inherited = parent.map(|parent| &self.processes[parent].role);
            let process = &self.processes[place];
            let role = role(process.name, process.command.as_deref(), process.executable.as_deref(), inherited);
            self.processes[place].role = role;
        }
    }

    fn measure(&mut self, snapshot: &Snapshot) {
        for fact in &snapshot.stats {
            let (Some(&place), Ok(stat)) = (self.index.get(&fact.id), &fact.reading) else { continue };
            let status = status(snapshot, fact.id);
            self.processes[place].is_embryo = self.is_embryo(place, stat, fact.at);
            self.processes[place].observe(fact.at, stat, status);
            let process = &self.processes[place];
            if let (Some(package), Some(rss)) = (process.role.tests(), process.last_rss) {
                self.tests.observe(package, rss);
            }
        }
    }

    /// It is not yet what it will be. Between fork and exec a child of the go command runs in the memory of its parent
    /// (vfork): it has its name, its command line and its size. The command itself may be ours until then.
    fn is_embryo(&self, place: usize, stat: &Stat, at: Timestamp) -> bool {
        const AT_THE_MOST: Duration = Duration::from_millis(200);
        let process = &self.processes[place];
        if process.is_ours {
            return true;
        }
        if at.since(process.first_seen) >= AT_THE_MOST {
            return false;
        }
        let Some(parent) = self.find(process.parent).map(|parent| &self.processes[parent]) else { return false };
        stat.name == parent.name
            && process.command == parent.command
            && stat.virtual_size.0.abs_diff(parent.address_space.0) < 1 << 20
    }

    /// Whoever is not in the list any more is gone.
    fn bury(&mut self, snapshot: &Snapshot) {
        for process in self.processes.iter_mut().filter(|process| process.ended.is_none()) {
            if snapshot.roster.binary_search_by_key(&process.id.pid, |id| id.pid).is_err() {
                process.end(snapshot.began);
            }
        }
    }

    fn sum(&mut self, snapshot: &Snapshot) {
        let living = self.processes.iter().filter(|process| process.ended.is_none() && process.rss.0 > 0);
        let mut programs: HashMap<&[u8], Bytes> = HashMap::new();
        let mut helpers: HashMap<&str, Bytes> = HashMap::new();
        let mut total = 0;
        for process in living.clone() {
            if let Some(test) = &process.role.below {
                let held = helpers.entry(test).or_default();
                *held = held.saturating_add(process.rss);
            }
            total += process.rss.saturating_sub(process.file).0;
            let program = process.executable.as_deref().map_or(&b""[..], |executable| &executable.path);
            let shared = programs.entry(program).or_default();
            *shared = (*shared).max(process.file);
        }
        for (test, held) in helpers {
            self.tests.observe_helpers(test, held);
        }
        let total = Bytes(total + programs.values().map(|file| file.0).sum::<u64>());
        self.holds = total;
        if self.most.as_ref().is_none_or(|most| total > most.total) && total.0 > 0 {
            let holders = living.map(|process| (process.id, process.rss)).collect();
            self.most = Some(Moment { at: snapshot.ended, total, holders });
        }
    }

    fn happen(&mut self, snapshot: &Snapshot) {
        for event in &snapshot.events {
            match event {
                OutsideEvent::KernelLog(record) => self.log.push(record),
                OutsideEvent::ProcessExit(exit) => self.account(exit),
                OutsideEvent::ChildExit { id, at, wait_status } => {
                    let place = self.place(*id, self.own_pid.unwrap_or_default(), Name::default(), *at);
                    self.processes[place].account(*at, None, Some(*wait_status));
                }
                OutsideEvent::Signalled { signal, by_key, at } => {
                    self.signals.push(Signalled { signal: *signal, by_key: *by_key, at: *at });
                }
                // Told before anything was measured.
                OutsideEvent::Continued => {}
            }
        }
        while let Some(episode) = self.log.next_episode() {
            // A cgroup of somebody else may run full all the time.
            if self.kills.len() < 1000 {
                let (story, pass) = (self.teller.tell(episode), (snapshot.began, snapshot.ended));
                self.kills.push(Kill { story, pass });
            }
        }
    }

    /// Takes the kernel's record of an end.
    fn account(&mut self, exit: &ProcessExit) {
        let ProcessExit { id, parent, at, name, wait_status, peak_rss } = exit;
        let parent = self.find(*parent);
        let place = self.place(*id, exit.parent, *name, *at);
        let above = parent.filter(|parent| *parent != place).map(|parent| &self.processes[parent]);
        let process = &self.processes[place];
        let is_embryo = process.is_embryo && !process.is_ours;
        let is_unseen = process.command.is_none() || is_embryo && process.name != *name;
        // A Go program forks to execute, in its own memory: who ends without has held nothing, whatever was counted for it.
        let is_its_parents = above.is_some_and(|above| above.is_go() && above.name == *name);
        let is_nobody = is_its_parents && (is_unseen || is_embryo);
        let role = is_unseen.then(|| role(*name, None, None, above.map(|above| &above.role)));
        let process = &mut self.processes[place];
        process.account(*at, peak_rss.filter(|_| !is_nobody), *wait_status);
        if let Some(role) = role {
            // What was seen of it before its exec was not its own: it belongs to whoever started it.
            (process.name, process.command, process.executable, process.role) = (*name, None, None, role);
        }
    }

    fn forget_small(&mut self) {
        if self.processes.len() <= MOST + MOST / 4 {
            return;
        }
        let before = self.processes.len();
        let mut peaks: Vec<_> =
            self.processes.iter().filter_map(|process| process.peak().map(|(peak, _)| peak)).collect();
        peaks.sort_unstable_by(|a, b| b.cmp(a));
        let least = peaks.get(MOST / 2).copied().unwrap_or_default();
        let keeps = |process: &Watched| {
            process.ended.is_none()
                || process.peak().is_some_and(|(peak, _)| peak > least)
                || process.killed_by().is_some()
        };
        self.processes.retain(keeps);
        self.left_out += (before - self.processes.len()) as u64;
        self.index = self.processes.iter().enumerate().map(|(place, process)| (process.id, place)).collect();
        self.latest = self.processes.iter().enumerate().map(|(place, process)| (process.id.pid, place)).collect();
    }
}

/// What a pass read of the status of one of them.
fn status(snapshot: &Snapshot, id: ProcessId) -> Option<&Status> {
    let at = snapshot.statuses.binary_search_by_key(&id, |status| status.id).ok()?;
    snapshot.statuses[at].reading.as_ref().ok()
}
