//! The walk over procfs: who is there, how big, and in tiers what else (see [`Live`]). Reads only files that take no
//! lock of their process, so that no process can hold the sampler up. Refuses to keep facts: what a snapshot lacks was
//! not due.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::snapshot::needs::{FactGroups, Needs};
use crate::snapshot::process::Statm;
use crate::snapshot::system::Machine;
use crate::snapshot::{Fact, Scope, Snapshot, Unreadable};
use crate::units::{Bytes, Pages, Timestamp};

use super::cgroupfs::{Cgroupfs, Known};
use super::files::{FileName, Tree};
use super::kmsg::KernelLog;
use super::listing::{Listing, Look};
use super::machine::{MachineFiles, machine};
use super::recycler::Recycler;
use super::roster::{Kind, Process, Roster, Size, WarmFiles};
use super::rotation::{Biggest, Budget, Rotation, WARM, Wanted};
use super::warm::Warm;
use super::{Source, SourceError, clock, proc_files};

/// Reads a procfs and the cgroups beside it. What is read when:
///
/// - the list of processes: every pass; where there are thousands every 10 s, and between only the numbers that were
///   given away since, so that an end may be seen one pass later. A number whose inode changed is another process
/// - `statm`: every pass where there are few processes, and of those that moved last time, are new or are asked for; of
///   the rest half per pass. So growth is seen within two passes. Of thousands that are new at once only of the biggest,
///   by what `stat` says, so that a first pass is short
/// - `stat`: at first sight (it has the start time), when the address space or the text size changed (a sign of exec),
///   when asked for, and in rotation
/// - `status`: when the resident size moved, when asked for, and in rotation; the biggest first within a budget
/// - `oom_score_adj` and `cgroup`: at first sight, when asked for, and in rotation
/// - `oom_score`: of candidates and where a column asks for it
///
/// Up to [`Live::DESCRIPTORS`] of these files are kept open: `statm`, and of what is asked for all that it is asked for.
/// What is asked for is read in every pass of those that move and of the selected one; of one that stands still only
/// `oom_score_adj` is, and `stat` of candidates, the rest every second pass. The rotations take 10 s on most machines
/// (`Rotation`). A process that may not be looked at (hidepid=1) is listed with start time 0 and facts that say so.
///
/// A number that is reused between the listing and a read gives one pass of facts under the old identity; the next
/// listing shows the new inode.
#[derive(Debug)]
pub struct Live {
    proc_root: Tree,
    machine: Arc<Machine>,
    machine_files: MachineFiles,
    roster: Roster,
    listing: Listing,
    cgroups: Cgroupfs,
    /// Of the machine whose /proc is read; nothing where that is another place.
    kernel_log: Option<Result<KernelLog, Unreadable>>,
    warm: Warm,
    adjustments: Rotation,
    rest: Rotation,
    budget: Budget,
    /// Of those that are new.
    biggest: Biggest,
    recycler: Recycler,
    scope: Scope,
    sequence: u64,
    last: Option<Timestamp>,
    kept: u32,
    most_kept: u32,
}

impl Live {
    /// How many files are kept open at the most. Each pins [`Live::PINNED`] of kernel memory and spares half of the cost
    /// of a read and more, of `statm` four fifths.
    pub const DESCRIPTORS: u32 = 3_500;

    /// Of so many processes `statm` is read in every pass; of more every second time.
    const EVERY_PASS: usize = 500;

    /// Of so many that are new in a pass `statm` is read at once: more than the screen and a ranking can show.
    const AT_ONCE: usize = 2_000;

    /// Kernel memory that one kept descriptor pins: the buffer of a seq_file, its file and its inode.
    pub const PINNED: Bytes = Bytes(4_505);

    /// Opens the roots, raises the limit on descriptors to what is allowed, and reads what does not change.
    ///
    /// # Errors
    /// Where the root of procfs cannot be opened; a missing sysfs only means that there are no cgroups.
    pub fn open(proc_root: &Path, sys_root: &Path) -> Result<Self, SourceError> {
        let mut tree = Tree::open(proc_root)
            .map_err(|errno| SourceError::Open { path: proc_root.to_path_buf(), cause: errno.into() })?;
        let mut sys_tree = Tree::open(sys_root).ok();
        let mut machine = machine(&mut tree, sys_tree.as_mut());
        let mut cgroups = Cgroupfs::open(&mut tree, sys_root);
        machine.sees_all_cgroups = if tree.is_live() { cgroups.begins_at_root() } else { None };
        machine.own.oom_group = machine.own.id.is_some() && cgroups.own_group_dies_together(&mut tree);
        let most_kept = if tree.is_live() { allowed_descriptors() } else { 0 };
        Ok(Self {
            machine_files: MachineFiles::open(&tree),
            listing: Listing::open(&tree, machine.own.id),
            warm: Warm::new(cgroups.version()),
            machine: Arc::new(machine),
            proc_root: tree,
            roster: Roster::default(),
            cgroups,
            kernel_log: (proc_root == Path::new("/proc")).then(|| KernelLog::open(Path::new("/dev/kmsg"))),
            adjustments: Rotation::of_adjustments(),
            rest: Rotation::of_rest(),
            budget: Budget::default(),
            biggest: Biggest::default(),
            recycler: Recycler::default(),
            scope: Scope::All,
            sequence: 0,
            last: None,
            kept: 0,
            most_kept,
        })
    }

    /// Which half has its turn in this pass: the lowest bit of its numbers.
    fn turn(&self) -> u32 {
        (self.sequence & 1) as u32
    }

    /// Looks at those that are new: when they started and whether they are kernel threads.
    fn meet(&mut self, arrived: usize, snapshot: &mut Snapshot) {
        snapshot.stats.reserve(arrived);
        for process in self.roster.processes.iter_mut().filter(|process| process.kind == Kind::New) {
            let reading = self
                .proc_root
                .read(&FileName::of(process.id.pid, "stat"))
                .and_then(|text| proc_files::stat(text).ok_or(Unreadable::Malformed));
            process.kind = match reading {
                Err(Unreadable::Gone) => Kind::Vanished,
                Ok((_, stat)) if stat.is_kernel_thread() => Kind::KernelThread,
                _ => Kind::User,
            };
            if process.kind != Kind::User {
                continue;
            }
            if let Ok((start_time, stat)) = reading {
                process.id.start_time = start_time;
                process.parent = stat.parent;
                process.size.resident = stat.rss.0 as u32;
            }
            process.due = process.due.union(WARM.without(FactGroups::STAT));
            if reading.is_ok_and(|(_, stat)| stat.leader_dead) {
                // Its line says 0 of what a thread of it still holds: the warm look finds that thread.
                process.due = process.due.union(FactGroups::STAT);
                continue;
            }
            let reading = reading.map(|(_, stat)| stat);
            snapshot.stats.push(Fact { id: process.id, at: clock::now(), reading });
        }
    }

    /// Marks who is in scope. Who was in a tree stays in it.
    fn apply_scope(&mut self, scope: Scope, arrived: bool, snapshot: &mut Snapshot) {
        let changed = self.scope != scope;
        self.scope = scope;
        match scope {
            Scope::Tree(root) => {
                if changed {
                    self.roster.processes.iter_mut().for_each(|process| process.in_scope = false);
                }
                if changed || arrived {
                    self.roster.mark_descendants(root);
                }
                let roster = &self.roster;
                snapshot.stats.retain(|fact| roster.find(fact.id.pid).is_some_and(|process| process.in_scope));
            }
            Scope::All | Scope::Facts if changed || arrived => {
                self.roster.processes.iter_mut().for_each(|process| process.in_scope = true);
            }
            Scope::All | Scope::Facts => {}
        }
    }

    /// Reads sizes and notices what they are signs of.
    fn read_sizes(&mut self, needs: &Needs, snapshot: &mut Snapshot) {
        if snapshot.roster.capacity() == 0 {
            // Once to the right size: doubling would hold half as much again.
            snapshot.roster.reserve_exact(self.roster.processes.capacity());
            snapshot.statms.reserve_exact(self.roster.processes.capacity());
        }
        let mut wanted = Wanted::new(needs);
        let turn = self.turn();
        // A report for a script is made of few passes: they leave nobody out.
        let everyone = self.roster.processes.len() <= Self::EVERY_PASS || needs.of_everyone.contains(WARM);
        self.biggest.clear();
        let new = self.roster.processes.iter().filter(|process| process.is_shown() && process.passes == 0);
        new.for_each(|process| self.biggest.add(process.size.resident));
        self.biggest.choose(Self::AT_ONCE);
        self.kept = 0;
        for process in self.roster.processes.iter_mut().filter(|process| process.is_shown()) {
            snapshot.roster.push(process.id);
            let asked = wanted.of(process.id).is_some();
            let its_turn = if process.passes == 0 {
                // Of a leader that has ended `stat` tells no size.
                self.biggest.takes(process.size.resident) || process.due.contains(FactGroups::STAT)
            } else {
                process.id.pid.0 & 1 == turn || process.moving
            };
            let is_kept = process.descriptor.is_some();
            self.kept += u32::from(is_kept);
            if !(asked || its_turn || everyone) {
                continue;
            }
            let stood_in = process.living_thread.is_some();
            // Not at first sight: who is there for a moment is not worth it, and where threads share the table of
            // descriptors every doubling of it waits for all processors (fs/file.c expand_fdtable).
            let may_keep = process.passes > 0 && self.kept < self.most_kept;
            let reading = read_size(&mut self.proc_root, process, may_keep);
            self.kept += u32::from(!is_kept && process.descriptor.is_some());
            match reading {
                Ok(statm) => notice(process, statm),
                Err(Unreadable::Gone) if !stood_in => process.vanish(),
                Err(_) => {}
            }
            snapshot.statms.push(Fact { id: process.id, at: clock::now(), reading });
        }
    }

    /// Reads the warm facts: those that are asked for, whose turn it is in the rotation, and of what is due the biggest.
    fn read_warm(&mut self, needs: &Needs, elapsed: Duration, snapshot: &mut Snapshot) {
        let mut never_read = false;
        self.budget.clear();
        for process in self.roster.processes.iter().filter(|process| process.is_shown()) {
            if !process.due.without(FactGroups::OOM_SCORE).is_empty() {
                never_read |= process.passes > 0 && process.due.contains(FactGroups::CGROUP);
                self.budget.add(process.size.resident);
            }
        }
        self.budget.begin(never_read);
        self.adjustments.begin(snapshot.roster.len(), elapsed);
        self.rest.begin(snapshot.roster.len(), elapsed);
        let turn = self.turn();

        let mut wanted = Wanted::new(needs);
        for process in self.roster.processes.iter_mut().filter(|process| process.is_shown()) {
            let asked = wanted.of(process.id);
            self.kept += keep_files(process, asked.is_some(), self.most_kept.saturating_sub(self.kept));
            let mut groups = asked.unwrap_or_default();
            if process.rests() && process.id.pid.0 & 1 != turn && needs.selected != Some(process.id) {
                // What stands still changes only by what others do to it; and the killer's counter of a candidate may move
                // where the sum of its pages does not.
                let of_candidates = groups.intersection(FactGroups::OOM_SCORE);
                let counter = if of_candidates.is_empty() { FactGroups::NONE } else { FactGroups::STAT };
                groups = groups.intersection(FactGroups::ADJUSTMENT.union(counter));
            }
            groups = groups.union(needs.of_everyone.intersection(process.due));
            if process.passes > 0 {
                groups = groups.union(self.adjustments.of(process.id.pid));
                let rest = self.rest.of(process.id.pid);
                if !rest.is_empty() {
                    groups = groups.union(rest).union(needs.of_everyone);
                }
            }
            if process.passes == 0 {
                // `stat` was just read, to learn when it started.
                groups = groups.without(FactGroups::STAT.without(process.due));
            }
            let rest = process.due.without(groups).without(FactGroups::OOM_SCORE);
            if !rest.is_empty() && self.budget.takes(rest, process.size.resident) {
                groups = groups.union(rest);
            }
            process.passes = process.passes.saturating_add(1);
            if !groups.is_empty() {
                self.warm.read(&mut self.proc_root, process, groups, snapshot);
            }
        }
    }
}

impl Source for Live {
    fn sample(&mut self, needs: &Needs) -> Result<Arc<Snapshot>, SourceError> {
        let cpu = clock::thread_cpu();
        let began = clock::now();
        let elapsed = self.last.map_or(Duration::ZERO, |last| began.since(last));
        let arrived = match self.listing.look(&mut self.proc_root, began, self.roster.processes.len()) {
            Look::Everywhere => self.roster.refresh(self.proc_root.root()).map_err(|errno| SourceError::List {
                path: self.proc_root.path().to_path_buf(),
                cause: errno.into(),
            })?,
            Look::Among(numbers) => self.roster.meet_numbers(&mut self.proc_root, numbers),
            Look::Nowhere => {
                self.roster.drop_vanished();
                0
            }
        };
        self.last = Some(began);
        self.sequence += 1;

        let mut recycled = self.recycler.take();
        let snapshot = Arc::make_mut(&mut recycled);
        snapshot.sequence = self.sequence;
        snapshot.began = began;
        snapshot.wall = clock::wall();
        snapshot.scope = needs.scope;
        if !Arc::ptr_eq(&snapshot.machine, &self.machine) {
            snapshot.machine = Arc::clone(&self.machine);
        }
        if arrived > 0 {
            self.meet(arrived, snapshot);
        }
        self.apply_scope(needs.scope, arrived > 0, snapshot);
        self.read_sizes(needs, snapshot);
        self.read_warm(needs, elapsed, snapshot);
        if !snapshot.stats.is_sorted_by_key(|fact| fact.id) {
            snapshot.stats.sort_unstable_by_key(|fact| fact.id);
        }

        let mut system = self.machine_files.read(&mut self.proc_root);
        system.tasks = self.roster.processes.len() as u32;
        let kernel_threads = self.roster.processes.iter().filter(|process| process.kind == Kind::KernelThread);
        system.kernel_threads = kernel_threads.count() as u32;
        system.init = self.roster.processes.first().map(|process| process.id.pid).filter(|pid| pid.0 == 1);
        snapshot.system = Some(system);

        let unknown_path = self.warm.met_unknown_path();
        let known = Known { roster: &self.roster, proc_root: &self.proc_root, memory: system.memory.total };
        self.cgroups.read(&known, unknown_path, &mut snapshot.cgroups);

        // Last: who is read here as killed was still in the roster, or its counter stands above already.
        snapshot.kernel_log = self.kernel_log.as_mut().map(|log| match log {
            // What was lost of it counters tell; it can be read on.
            Ok(log) => log.drain(&mut snapshot.events).or(Ok(())),
            Err(reason) => Err(*reason),
        });

        snapshot.ended = clock::now();
        let descriptors = self.kept + self.machine_files.descriptors();
        snapshot.cost.descriptors = descriptors;
        snapshot.cost.pinned = Bytes(Self::PINNED.0 * u64::from(descriptors));
        snapshot.cost.own_rss =
            self.machine_files.own_resident(&mut self.proc_root).unwrap_or(Pages(0)).bytes(self.machine.page_size);
        snapshot.cost.own_cpu = clock::process_cpu();
        snapshot.cost.pass_cpu = clock::thread_cpu().saturating_sub(cpu);
        Ok(self.recycler.hand_out(recycled))
    }
}

/// Reads `statm`, of a living thread where the leader has ended; keeps the descriptor where it may.
fn read_size(tree: &mut Tree, process: &mut Process, may_keep: bool) -> Result<Statm, Unreadable> {
    let text = match (&process.descriptor, process.living_thread) {
        (Some(descriptor), _) => tree.read_kept(descriptor),
        (None, Some(thread)) => tree.read(&FileName::of_thread(process.id.pid, thread, "statm")),
        (None, None) => {
            let opened = tree.open_file(&FileName::of(process.id.pid, "statm"))?;
            if may_keep { tree.read_kept(process.descriptor.insert(opened)) } else { tree.read_kept(&opened) }
        }
    };
    text.and_then(|text| proc_files::statm(text).ok_or(Unreadable::Malformed)).inspect_err(|_| {
        // The thread that stood in for the leader ended, or the process did: look again.
        process.living_thread = None;
        process.due = process.due.union(FactGroups::STAT);
    })
}

/// Keeps the files of a process open for as long as it is asked for, where they fit into `room`; how much of it they
/// take. As with `statm` not of who is there for a moment.
fn keep_files(process: &mut Process, asked: bool, room: u32) -> u32 {
    if asked && process.passes > 0 && room >= WarmFiles::COUNT {
        process.files.get_or_insert_default();
        WarmFiles::COUNT
    } else {
        process.files = None;
        0
    }
}

/// What a new size is a sign of.
fn notice(process: &mut Process, statm: Statm) {
    let size = Size::from(statm);
    let before = std::mem::replace(&mut process.size, size);
    // Only an address space that was read before can be compared with.
    let known = before.total > 0;
    process.moving = known && size.resident != before.resident;
    if known && (size.total != before.total || size.text != before.text) {
        process.due = process.due.union(FactGroups::STAT);
    }
    if process.told != (size.resident, size.shared) {
        process.due = process.due.union(FactGroups::STATUS);
    }
}

/// Raises the soft limit on descriptors to the hard one, and says how many may be kept: half of it is left to the
/// rest of the program.
fn allowed_descriptors() -> u32 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused is no harm: then fewer are kept.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(Live::DESCRIPTORS) * 2) / 2;
    u32::try_from(allowed).unwrap_or(u32::MAX).min(Live::DESCRIPTORS)
}
