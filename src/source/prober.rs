//! Reads what takes a lock of its process: command lines, executables, `smaps_rollup`, `smaps`. In slices, so that its
//! thread comes back soon; what was slow is asked less often. Refuses to read what nobody asked for, and to wait its
//! turn in the sampler: a process that holds its lock holds up only the prober.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::mapping::{Mappings, Rollup};
use crate::snapshot::needs::Needs;
use crate::snapshot::process::{Command, Executable};
use crate::snapshot::{Fact, Scope, Snapshot, Unreadable};
use crate::units::{GoMemoryOf, ProcessId, Timestamp};

use super::attention::Attention;
use super::files::{FileName, Tree};
use super::go_memory::GoMemoryReader;
use super::other_killers::OtherKillers;
use super::programs::Programs;
use super::recycler::Recycler;
use super::regions::{RegionReader, Wish};
use super::targets::{Due, Targets};
use super::{SourceError, clock, smaps, sockets};

/// Bytes of a command line that are read.
const COMMAND_BYTES: usize = 4_096;

/// Reads the expensive facts, in the order: command lines and executables of the selected process and of what is on
/// screen; their `smaps_rollup`; command lines of the rest, the biggest first; `smaps_rollup` of everyone where a sort
/// order or a report asks for it; command lines again in rotation. At the end of each slice the mappings of the selected
/// process, when a pane shows them and they are due, and what its Go runtime says of them; else those of one that began
/// to warn.
#[derive(Debug)]
pub struct Prober {
    proc_root: Tree,
    targets: Targets,
    regions: RegionReader,
    /// Of those who are to be portrayed: who was read already.
    portrayed: Vec<ProcessId>,
    recycler: Recycler,
    commands: Shared<Command>,
    executables: Shared<Executable>,
    programs: Programs,
    other_killers: OtherKillers,
    go_memory: GoMemoryReader,
    attention: Attention,
    /// In this slice, on reads that hold up whom they describe.
    holding_up: Duration,
    sequence: u64,
}

impl Prober {
    /// How long a slice may last; only a single read that is slower makes it longer.
    pub const SLICE: Duration = Duration::from_millis(20);

    /// Opens the root of procfs.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(proc_root: &Path) -> Result<Self, SourceError> {
        let tree = Tree::open(proc_root)
            .map_err(|errno| SourceError::Open { path: proc_root.to_path_buf(), cause: errno.into() })?;
        Ok(Self {
            proc_root: tree,
            targets: Targets::default(),
            regions: RegionReader::default(),
            portrayed: Vec::new(),
            recycler: Recycler::default(),
            commands: Shared::default(),
            executables: Shared::default(),
            programs: Programs::default(),
            other_killers: OtherKillers::default(),
            go_memory: GoMemoryReader::default(),
            attention: Attention::default(),
            holding_up: Duration::ZERO,
            sequence: 0,
        })
    }

    /// Whose Go programs it looks into; without this, those of the user who runs it.
    #[must_use]
    pub fn looking_into(mut self, whose: GoMemoryOf) -> Self {
        self.go_memory.whose = whose;
        self
    }

    /// What it may cost; without this, [`Budget::USUAL`] percent of the time.
    #[must_use]
    pub fn spending(mut self, budget: Budget) -> Self {
        self.targets.budget = budget;
        self.regions.budget = budget;
        self
    }

    /// Who watches over its reads.
    #[must_use]
    pub fn watched_by(mut self, attention: Attention) -> Self {
        self.attention = attention;
        self
    }

    /// Learns from a pass of the sampler who is there, how big, and who shows signs of exec.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        self.targets.observe(snapshot);
    }

    /// One slice: reads what is due and says what it read; `None` when nothing was due. To be called again until it
    /// says `None`, then after the next pass.
    pub fn probe(&mut self, needs: &Needs) -> Option<Arc<Snapshot>> {
        let cpu = clock::thread_cpu();
        let began = clock::now();
        let mut recycled = self.recycler.take();
        let snapshot = Arc::make_mut(&mut recycled);
        snapshot.sequence = self.sequence + 1;
        snapshot.began = began;
        snapshot.wall = clock::wall();
        snapshot.scope = Scope::Facts;
        snapshot.cgroups = None;

        self.targets.plan(needs, began);
        while clock::now().since(began) < Self::SLICE {
            let Some((id, due)) = self.targets.next() else { break };
            self.read(id, due, snapshot);
        }
        // Behind the rest of the slice, in which the selected process comes first: without its executable nobody
        // knows which of the mappings are the program itself.
        self.read_mappings(needs, snapshot);
        self.portray(needs, snapshot);
        self.attention.rest();

        let idle = snapshot.commands.is_empty()
            && snapshot.executables.is_empty()
            && snapshot.rollups.is_empty()
            && snapshot.mappings.is_none()
            && snapshot.portrait.is_none();
        if idle && self.targets.is_done() {
            drop(self.recycler.hand_out(recycled));
            return None;
        }
        self.sequence += 1;
        snapshot.commands.sort_unstable_by_key(|fact| fact.id);
        snapshot.executables.sort_unstable_by_key(|fact| fact.id);
        snapshot.rollups.sort_unstable_by_key(|fact| fact.id);
        snapshot.ended = clock::now();
        snapshot.cost.own_cpu = clock::process_cpu();
        snapshot.cost.holding_up = std::mem::take(&mut self.holding_up);
        snapshot.cost.pass_cpu = clock::thread_cpu().saturating_sub(cpu);
        Some(self.recycler.hand_out(recycled))
    }

    fn read_mappings(&mut self, needs: &Needs, snapshot: &mut Snapshot) {
        let Some(selected) = needs.selected.filter(|id| needs.mappings && !needs.avoided.contains(id)) else {
            return self.regions.forget();
        };
        let Some(resident) = self.targets.resident(selected) else {
            return;
        };
        let tree = &mut self.proc_root;
        let (regions, go_memory, attention) = (&mut self.regions, &mut self.go_memory, &self.attention);
        attention.turn_to(selected, "smaps");
        let wish = Wish { insist: needs.refresh, sockets: needs.listening };
        snapshot.mappings = regions.read_when_due(tree, (selected, resident), wish, |tree, mappings| {
            attention.turn_to(selected, "mem");
            let mut read = go_memory.read(tree, &mut self.programs, selected, mappings);
            if let Some(read) = read.as_mut().filter(|_| needs.listening) {
                attention.turn_to(selected, "fd");
                read.listening = Some(sockets::of_process(tree, selected));
            }
            snapshot.go_memory = read.map(|read| Fact { id: selected, at: clock::now(), reading: Ok(read) });
        });
        self.holding_up += duration_of(snapshot.mappings.as_ref());
    }

    /// One of those who are to be portrayed; never in the same slice as the selected process.
    fn portray(&mut self, needs: &Needs, snapshot: &mut Snapshot) {
        self.portrayed.retain(|id| needs.portraits.contains(id));
        let next = needs.portraits.iter().find(|id| !self.portrayed.contains(id) && !needs.avoided.contains(id));
        if let (Some(id), None) = (next, &snapshot.mappings) {
            self.portrayed.push(*id);
            self.attention.turn_to(*id, "smaps");
            let (tree, mut reader) = (&mut self.proc_root, RegionReader::default());
            snapshot.portrait = reader.read_when_due(tree, (*id, 0), Wish { insist: true, sockets: false }, |_, _| {});
            self.holding_up += duration_of(snapshot.portrait.as_ref());
        }
    }

    fn read(&mut self, id: ProcessId, due: Due, snapshot: &mut Snapshot) {
        self.attention.turn_to(id, due.file());
        match due {
            Due::Command => {
                let reading = command(&mut self.proc_root, id);
                if let Ok(command) = &reading {
                    let killer = self.other_killers.look(&mut self.proc_root, id, command, clock::now());
                    snapshot.other_killers.extend(killer.map(|killer| Fact {
                        id,
                        at: clock::now(),
                        reading: Ok(killer),
                    }));
                }
                let fingerprint = hash(&reading);
                if self.targets.is_news(id, due, fingerprint) {
                    let reading = reading.map(|command| self.commands.one(fingerprint, command));
                    snapshot.commands.push(Fact { id, at: clock::now(), reading });
                }
            }
            Due::Executable => {
                let reading = executable(&mut self.proc_root, &mut self.programs, id);
                let fingerprint = hash(&reading);
                if self.targets.is_news(id, due, fingerprint) {
                    let reading = reading.map(|executable| self.executables.one(fingerprint, executable));
                    snapshot.executables.push(Fact { id, at: clock::now(), reading });
                }
            }
            Due::Rollup => {
                let began = clock::now();
                let reading = self
                    .proc_root
                    .read(&FileName::of(id.pid, "smaps_rollup"))
                    .and_then(|text| smaps::rollup(text).ok_or(Unreadable::Malformed));
                let ended = clock::now();
                let took = ended.since(began);
                self.targets.rollup_took(id, ended, took, reading.is_ok());
                self.holding_up += took;
                let reading = reading.map(|rollup| Rollup { took, ..rollup });
                snapshot.rollups.push(Fact { id, at: ended, reading });
            }
        }
    }
}

/// How long a read of mappings took, with what was read beside them.
fn duration_of(fact: Option<&Fact<Arc<Mappings>>>) -> Duration {
    let read = fact.and_then(|fact| fact.reading.as_ref().ok());
    read.map_or(Duration::ZERO, |mappings| mappings.ended.since(mappings.began))
}

/// `/proc/PID/cmdline`. A process that has overwritten its own has no NUL at the end; nothing is added.
pub(super) fn command(tree: &mut Tree, id: ProcessId) -> Result<Command, Unreadable> {
    let (arguments, cut) = tree.read_start(&FileName::of(id.pid, "cmdline"), COMMAND_BYTES)?;
    Ok(Command { arguments: arguments.into(), cut })
}

/// The links `/proc/PID/exe` and, of what looks like a Go test binary, `cwd`.
pub(super) fn executable(tree: &mut Tree, programs: &mut Programs, id: ProcessId) -> Result<Executable, Unreadable> {
    let go = programs.go_build(tree, id);
    let link = tree.read_link(&FileName::of(id.pid, "exe"))?;
    let (path, deleted) = link.strip_suffix(b" (deleted)").map_or((link, false), |path| (path, true));
    let path: Box<[u8]> = path.into();
    let working_directory =
        if path.ends_with(b".test") { tree.read_link(&FileName::of(id.pid, "cwd")).ok().map(Box::from) } else { None };
    Ok(Executable { path, deleted, working_directory, go })
}

/// What tells a new reading from the one before.
fn hash<T: Fingerprint>(reading: &Result<T, Unreadable>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match reading {
        Ok(value) => value.fingerprint(&mut hasher),
        Err(reason) => reason.hash(&mut hasher),
    }
    hasher.finish()
}

trait Fingerprint {
    fn fingerprint(&self, hasher: &mut DefaultHasher);
}

impl Fingerprint for Command {
    fn fingerprint(&self, hasher: &mut DefaultHasher) {
        self.arguments.hash(hasher);
    }
}

impl Fingerprint for Executable {
    fn fingerprint(&self, hasher: &mut DefaultHasher) {
        self.path.hash(hasher);
        self.deleted.hash(hasher);
        self.working_directory.hash(hasher);
        if let Some(go) = &self.go {
            (&go.version, &go.path, &go.module).hash(hasher);
        }
    }
}

/// Facts that many processes have in common, once: the workers of one server, the children of one shell.
#[derive(Debug)]
struct Shared<T> {
    known: HashMap<u64, Arc<T>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<T: PartialEq> Shared<T> {
    /// More different ones than this are forgotten all at once: what is shared is soon known again.
    const MOST: usize = 256;

    fn one(&mut self, fingerprint: u64, value: T) -> Arc<T> {
        if let Some(known) = self.known.get(&fingerprint).filter(|known| ***known == value) {
            return Arc::clone(known);
        }
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        let value = Arc::new(value);
        self.known.insert(fingerprint, Arc::clone(&value));
        value
    }
}

/// How long to leave a process alone whose facts may not be read.
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// How much of the time may go into reads of `smaps` and `smaps_rollup`, which hold up whom they describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    percent: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_percent(Self::USUAL)
    }
}

impl Budget {
    /// In percent.
    pub const USUAL: u32 = 5;

    /// How it is divided, in percent of it: `smaps` of the selected process, its rollup, those of all on the screen, and
    /// those of everybody; or, where nobody asked for these, of those that are filled in.
    pub(super) const MAPPINGS: u32 = 50;
    pub(super) const SELECTED: u32 = 5;
    pub(super) const VISIBLE: u32 = 5;
    pub(super) const EVERYONE: u32 = 40;
    pub(super) const FILLING: u32 = 10;

    /// At most so many percent of the time, and at least one.
    #[must_use]
    pub const fn of_percent(percent: u32) -> Self {
        Self { percent: if percent == 0 { 1 } else { percent } }
    }

    /// How long to leave a process alone after a read of it.
    pub(super) fn pause_after(self, took: Duration, at_least: Duration) -> Duration {
        at_least.max(took * 100 / self.percent)
    }

    /// So much of a second is a part of the budget, in percent of it.
    pub(super) fn of_a_second(self, part: u32) -> Duration {
        Duration::from_secs(1) * self.percent / 100 * part / 100
    }

    /// A part of the budget, in percent of it: the pause between reads that took so long together.
    pub(super) fn pause_of_part(self, part: u32, took: Duration, at_least: Duration) -> Duration {
        at_least.max(took * 100 / self.percent * 100 / part)
    }
}

const _: () = {
    assert!(Budget::MAPPINGS + Budget::SELECTED + Budget::VISIBLE + Budget::EVERYONE <= 100);
    assert!(Budget::FILLING <= Budget::EVERYONE);
};

/// Whether `pause` has passed since `then`.
pub(super) fn has_passed(pause: Duration, then: Timestamp, now: Timestamp) -> bool {
    then == Timestamp::default() || now.since(then) >= pause
}
