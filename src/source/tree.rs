//! The processes below our own, for a command that we run: who they are, what they hold, how they ended, looked at so often
//! that short ones are met too. As their subreaper we stay above them whatever forks twice. Refuses to look at anything
//! else of the machine, but for what may run full for them: the cgroups above them and the host.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fd::{AsFd as _, OwnedFd};

use crate::snapshot::cgroup::Cgroup;
use crate::snapshot::kernel_event::{OutsideEvent, ProcessExit};
use crate::snapshot::process::{Name, Stat};
use crate::snapshot::system::Machine;
use crate::snapshot::{Fact, Scope, Snapshot, Unreadable};
use crate::units::{Pid, ProcessId, StartTime, Timestamp};

use super::cgroupfs::Cgroupfs;
use super::exit_records::{Ended, ExitRecords};
use super::files::{FileName, Tree, each_entry};
use super::kmsg::KernelLog;
use super::limited_go::LimitedGo;
use super::listing::{Look, between, last_pid};
use super::machine::{MachineFiles, machine};
use super::prober::{command, executable};
use super::programs::Programs;
use super::{SourceError, clock, limits, proc_files};

/// Reads our own tree. What is read when:
///
/// - numbers that were given away since the last pass (`loadavg` tells them): every pass, so that nobody else's process
///   is looked at twice
/// - `stat` and `status`: every pass of the young, of the others every [`TreeSource::CALM`]
/// - command line, executable and Go build information: at first sight, at a sign of exec, and again while young
/// - taskstats of what ended, where allowed; the kernel log, where allowed: every pass
/// - the runtime's numbers of Go programs with a GOMEMLIMIT: twice a second
/// - the cgroups above the tree and the machine's totals: twice a second, and when asked
#[derive(Debug)]
pub struct TreeSource {
    proc_root: Tree,
    machine: Arc<Machine>,
    machine_files: MachineFiles,
    cgroups: Cgroupfs,
    programs: Programs,
    kernel_log: Result<KernelLog, Unreadable>,
    exits: Result<ExitRecords, Unreadable>,
    own: ProcessId,
    /// Sorted by number.
    members: Vec<Member>,
    /// Who is gone, until their records must have come.
    departed: Vec<(ProcessId, Timestamp)>,
    last_pid: Option<u32>,
    /// Numbers that are given away but not to be seen yet: a big process takes a while to fork.
    unborn: Vec<(Pid, Timestamp)>,
    /// `/proc/PID/cgroup` of the first of them, as last read: they may all be gone when it is asked for.
    membership: Vec<u8>,
    surroundings_read: Timestamp,
    last_arrival: Timestamp,
    sequence: u64,
    /// The next pass looks at everybody.
    hurried: bool,
}

#[derive(Debug)]
struct Member {
    id: ProcessId,
    name: Name,
    stat: Option<OwnedFd>,
    status: Option<OwnedFd>,
    first_seen: Timestamp,
    read: Timestamp,
    described: Timestamp,
    go: Option<LimitedGo>,
}

impl TreeSource {
    /// Between two looks at a process that is not young, and between two passes while none is.
    pub const CALM: Duration = Duration::from_millis(50);
    /// Between two passes while the tree moves.
    pub const LIVELY: Duration = Duration::from_millis(10);
    /// How long a process is young.
    const YOUTH: Duration = Duration::from_millis(300);
    const SURROUNDINGS: Duration = Duration::from_millis(500);
    /// Processes with descriptors kept open, two each.
    const KEPT: usize = 200;
    /// How long a number may be given away and its process not be seen.
    const BIRTH: Duration = Duration::from_millis(200);
    /// How long after its end the record of a process may come.
    const RECORDS_COME: Duration = Duration::from_secs(2);

    /// Opens the roots. To be called before the command is started: what the log and the counters say from here on is
    /// about it.
    ///
    /// # Errors
    /// Where the root of procfs cannot be opened or does not show our own process.
    pub fn open(proc_root: &Path, sys_root: &Path) -> Result<Self, SourceError> {
        let open_error = |cause| SourceError::Open { path: proc_root.to_path_buf(), cause };
        let mut tree = Tree::open(proc_root).map_err(|errno| open_error(errno.into()))?;
        let mut sys_tree = Tree::open(sys_root).ok();
        let machine = machine(&mut tree, sys_tree.as_mut());
        let own = machine.own.id.filter(|own| own.pid.0 == std::process::id());
        let elsewhere =
            || open_error(std::io::Error::other("it does not show this process: a command is watched in /proc"));
        let own = own.ok_or_else(elsewhere)?;
        let initial = machine.initial_pid_namespace == Some(true);
        let exits = if initial { ExitRecords::open(machine.processors) } else { Err(Unreadable::Unsupported) };
        Ok(Self {
            machine_files: MachineFiles::open(&tree),
            cgroups: Cgroupfs::open(&mut tree, sys_root),
            programs: Programs::default(),
            kernel_log: KernelLog::open(Path::new("/dev/kmsg")),
            exits,
            own,
            members: Vec::new(),
            departed: Vec::new(),
            last_pid: tree.read(&FileName::of_root("loadavg")).ok().and_then(last_pid),
            unborn: Vec::new(),
            membership: Vec::new(),
            surroundings_read: Timestamp::default(),
            last_arrival: Timestamp::default(),
            sequence: 0,
            hurried: false,
            machine: Arc::new(machine),
            proc_root: tree,
        })
    }

    /// Whether the kernel accounts to us for every process that ends, or why not.
    ///
    /// # Errors
    /// Why not.
    pub fn exit_records(&self) -> Result<(), Unreadable> {
        self.exits.as_ref().map(|_| ()).map_err(|reason| *reason)
    }

    /// Who has this number, as last seen.
    #[must_use]
    pub fn identity(&self, pid: Pid) -> Option<ProcessId> {
        let among_departed = || self.departed.iter().map(|(id, _)| *id).find(|id| id.pid == pid);
        self.find(pid).map(|at| self.members[at].id).or_else(among_departed)
    }

    /// The command was started in a cgroup of its own: this is its line of `/proc/PID/cgroup`. It may end before a pass sees
    /// it there.
    pub fn expect_in(&mut self, membership: &[u8]) {
        self.membership = membership.to_vec();
    }

    /// When to look again.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let lively = !self.unborn.is_empty() || clock::now().since(self.last_arrival) < Self::YOUTH;
        if lively { Self::LIVELY } else { Self::CALM }
    }

    /// The next pass looks at everybody, whether it is their turn or not.
    pub fn hurry(&mut self) {
        self.hurried = true;
    }

    /// One pass; `events` are what the caller saw happen since the last one. With `surroundings` the cgroups and the
    /// machine are looked at now.
    pub fn pass(&mut self, events: Vec<OutsideEvent>, surroundings: bool) -> Snapshot {
        self.sequence += 1;
        let cpu = clock::thread_cpu();
        let began = clock::now();
        let mut snapshot = Snapshot {
            sequence: self.sequence,
            began,
            wall: clock::wall(),
            scope: Scope::Tree(self.own),
            machine: Arc::clone(&self.machine),
            events,
            ..Snapshot::default()
        };
        self.meet(began);
        self.look(&mut snapshot);
        self.account(&mut snapshot);
        snapshot.kernel_log = Some(match &mut self.kernel_log {
            Ok(log) => {
                log.drain(&mut snapshot.events);
                Ok(())
            }
            Err(reason) => Err(*reason),
        });
        if surroundings || began.since(self.surroundings_read) >= Self::SURROUNDINGS {
            self.surroundings_read = began;
            snapshot.system = Some(self.machine_files.read(&mut self.proc_root));
            snapshot.cgroups = Some(self.lineage());
        }
        snapshot.roster = self.members.iter().map(|member| member.id).collect();
        snapshot.ended = clock::now();
        snapshot.cost.pass_cpu = clock::thread_cpu().saturating_sub(cpu);
        snapshot.cost.own_cpu = clock::process_cpu();
        snapshot
    }

    fn find(&self, pid: Pid) -> Option<usize> {
        self.members.binary_search_by_key(&pid, |member| member.id.pid).ok()
    }

    /// The cgroups above the tree: of its first member, as long as there is one.
    fn lineage(&mut self) -> Vec<Cgroup> {
        let first = self.members.first().map(|member| member.id.pid);
        let asked = first.or_else(|| self.membership.is_empty().then_some(self.own.pid));
        if let Some(text) = asked.and_then(|pid| self.proc_root.read(&FileName::of(pid, "cgroup")).ok()) {
            self.membership.clear();
            self.membership.extend_from_slice(text);
        }
        self.cgroups.lineage(&self.membership)
    }

    /// Finds who is new.
    fn meet(&mut self, now: Timestamp) {
        let last = self.proc_root.read(&FileName::of_root("loadavg")).ok().and_then(last_pid);
        let look = match (std::mem::replace(&mut self.last_pid, last), last) {
            (Some(before), Some(last)) => between(before, last),
            _ => Look::Everywhere,
        };
        self.unborn.retain(|(_, since)| now.since(*since) < Self::BIRTH);
        let waiting = std::mem::take(&mut self.unborn);
        for (pid, since) in waiting {
            self.meet_one(pid, since, now);
        }
        match look {
            Look::Nowhere => {}
            Look::Among(numbers) => self.meet_all(numbers, now),
            Look::Everywhere => {
                let mut numbers = Vec::new();
                let _ = each_entry(self.proc_root.root().as_fd(), &mut Vec::new(), |name, _, _| {
                    numbers.extend(proc_files::decimal::<u32>(name.to_bytes()));
                });
                // Twice: where the numbers started again a child may have a smaller one than its parent.
                for _ in 0..2 {
                    for number in &numbers {
                        self.meet_one(Pid(*number), now, now);
                    }
                }
            }
        }
    }

    fn meet_all(&mut self, numbers: RangeInclusive<u32>, now: Timestamp) {
        for number in numbers {
            self.meet_one(Pid(number), now, now);
        }
    }

    /// Takes in whoever has this number, if its parent is one of ours.
    fn meet_one(&mut self, pid: Pid, since: Timestamp, now: Timestamp) {
        if self.find(pid).is_some() || pid == self.own.pid {
            return;
        }
        let text = self.proc_root.read(&FileName::of(pid, "stat"));
        let Some((start_time, stat)) = (match text {
            Err(Unreadable::Gone) => return self.unborn.push((pid, since)),
            other => other.ok().and_then(proc_files::stat),
        }) else {
            return;
        };
        if stat.parent != self.own.pid && self.find(stat.parent).is_none() {
            return;
        }
        // A thread has a directory of its own that no listing shows.
        let leader = self.proc_root.read(&FileName::of(pid, "status")).ok().and_then(proc_files::thread_group);
        if leader != Some(pid) {
            return;
        }
        let keep = self.members.len() < Self::KEPT;
        let open = |file| keep.then(|| self.proc_root.open_file(&FileName::of(pid, file)).ok()).flatten();
        let member = Member {
            id: ProcessId { pid, start_time },
            name: stat.name,
            stat: open("stat"),
            status: open("status"),
            first_seen: now,
            read: Timestamp::default(),
            described: Timestamp::default(),
            go: None,
        };
        self.last_arrival = now;
        let at = self.members.partition_point(|other| other.id.pid < pid);
        self.members.insert(at, member);
    }

    /// Looks at everybody whose turn it is.
    fn look(&mut self, snapshot: &mut Snapshot) {
        let now = snapshot.began;
        let hurried = std::mem::take(&mut self.hurried);
        let (departed, proc_root, programs) = (&mut self.departed, &mut self.proc_root, &mut self.programs);
        self.members.retain_mut(|member| {
            let young = now.since(member.first_seen) < Self::YOUTH;
            // A little early is on time: the next pass would be late.
            if !hurried && !young && now.since(member.read) + Self::LIVELY / 2 < Self::CALM {
                return true;
            }
            member.read = now;
            let stays = member.look(proc_root, programs, young, snapshot);
            if !stays {
                departed.push((member.id, now));
            }
            stays
        });
        self.departed.retain(|(_, since)| now.since(*since) < Self::RECORDS_COME);
    }

    /// Takes the kernel's records of whoever ended, as far as they are ours.
    fn account(&mut self, snapshot: &mut Snapshot) {
        let Ok(exits) = &mut self.exits else { return };
        let mut records = Vec::new();
        exits.drain(|ended| records.push(ended));
        for ended in records {
            if let Some(id) = self.who(&ended) {
                snapshot.events.push(OutsideEvent::ProcessExit(ProcessExit {
                    id,
                    parent: ended.parent,
                    at: clock::now(),
                    name: ended.name,
                    wait_status: ended.last.then_some(ended.wait_status),
                    peak_rss: ended.peak_rss,
                }));
            }
        }
    }

    /// Whose record this is: of one that was seen, or of one that came and went between two passes and whose parent is
    /// ours.
    fn who(&mut self, ended: &Ended) -> Option<ProcessId> {
        let pid = ended.process.unwrap_or(ended.thread);
        if let Some(id) = self.identity(pid) {
            return Some(id);
        }
        let is_ours =
            ended.process.is_some() && (ended.parent == self.own.pid || self.identity(ended.parent).is_some());
        if !is_ours {
            return None;
        }
        let now = clock::now();
        let started = now.0.saturating_sub(ended.age.as_nanos() as u64);
        let tick = 1_000_000_000 / self.machine.ticks_per_second.max(1);
        let id = ProcessId { pid, start_time: StartTime(started / tick.max(1)) };
        // Others of its threads and its children may have records too.
        self.departed.push((id, now));
        Some(id)
    }
}

impl Member {
    /// Reads what is due of it; whether it is still there.
    fn look(&mut self, tree: &mut Tree, programs: &mut Programs, young: bool, snapshot: &mut Snapshot) -> bool {
        let id = self.id;
        let text = match &self.stat {
            Some(descriptor) => tree.read_kept(descriptor),
            None => tree.read(&FileName::of(id.pid, "stat")),
        };
        let stat: Stat = match text.map(proc_files::stat) {
            Ok(Some((start_time, stat))) if start_time == id.start_time => stat,
            Ok(None) => return true,
            Ok(Some(_)) | Err(_) => return false,
        };
        let text = match &self.status {
            Some(descriptor) => tree.read_kept(descriptor),
            None => tree.read(&FileName::of(id.pid, "status")),
        };
        let status = text.and_then(|text| proc_files::status(text).ok_or(Unreadable::Malformed));
        let at = clock::now();
        snapshot.stats.push(Fact { id, at, reading: Ok(stat) });
        snapshot.statuses.push(Fact { id, at, reading: status });

        // Who forks and execs has the name of its parent for a moment; a shell may exec under its own name.
        let renamed = std::mem::replace(&mut self.name, stat.name) != stat.name;
        let again = young && at.since(self.described) >= TreeSource::CALM;
        if stat.state != b'Z' && (renamed || again || self.described == Timestamp::default()) {
            // In the middle of an exec, and on the way out, there is no command line: it is asked for again.
            let reading = command(tree, id).and_then(|command| {
                if command.arguments.is_empty() { Err(Unreadable::Gone) } else { Ok(Arc::new(command)) }
            });
            self.described = if reading.is_ok() { at } else { Timestamp::default() };
            snapshot.commands.push(Fact { id, at, reading });
            let reading = executable(tree, programs, id).map(Arc::new);
            if self.go.is_none() && reading.as_ref().is_ok_and(|executable| executable.go.is_some()) {
                self.go = LimitedGo::find(tree, id, at);
            }
            snapshot.executables.push(Fact { id, at, reading });
            let text = tree.read(&FileName::of(id.pid, "limits"));
            let reading = text.and_then(|text| limits::address_space(text).ok_or(Unreadable::Malformed));
            snapshot.address_limits.push(Fact { id, at, reading });
        }
        if let Some(go) = &mut self.go {
            snapshot.go_memories.extend(go.read_when_due(tree, programs, id));
        }
        true
    }
}
