//! The processes of a tree: who they are, what they hold, how they ended, looked at so often that short ones are met too.
//! The tree is that of a command that we run, and as its subreaper we stay above it whatever forks twice; or it is somebody
//! else's, and who forks away before it was met is lost. Refuses to look at anything else of the machine, but for what may
//! run full for them: the cgroups above them and the host.

mod go;
mod member;
mod top;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fd::AsFd as _;

use crate::snapshot::cgroup::Cgroup;
use crate::snapshot::kernel_event::{OutsideEvent, ProcessExit};
use crate::snapshot::system::Machine;
use crate::snapshot::{Scope, Snapshot, Unreadable};
use crate::units::{Pid, ProcessId, StartTime, Timestamp};

use super::cgroupfs::Cgroupfs;
use super::exit_records::{Ended, ExitRecords};
use super::files::{FileName, Tree, each_entry};
use super::kmsg::KernelLog;
use super::listing::{Look, between, last_pid};
use super::machine::{MachineFiles, machine};
use super::programs::Programs;
use super::{SourceError, clock, proc_files};

use member::Member;
use top::Top;

/// Reads a tree. What is read when:
///
/// - numbers that were given away since the last pass (`loadavg` tells them): every pass, so that nobody else's process
///   is looked at twice
/// - `stat` and `status`: every pass of the young, of the others every [`TreeSource::CALM`]
/// - command line, executable, memory cgroup and Go build information: at first sight, at a sign of exec, and again while young
/// - taskstats of what ended, where allowed; the kernel log, where allowed: every pass
/// - the runtime's numbers of Go programs with a GOMEMLIMIT or 32 MiB: twice a second
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
    top: Top,
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
    /// What the last pass took of a processor.
    took: Duration,
    sequence: u64,
    /// The next pass looks at everybody.
    hurried: bool,
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

    /// Opens the roots, for a command of ours. To be called before that is started: what the log and the counters say from
    /// here on is about it.
    ///
    /// # Errors
    /// Where the root of procfs cannot be opened or does not show our own process.
    pub fn open(proc_root: &Path, sys_root: &Path) -> Result<Self, SourceError> {
        Self::open_below(proc_root, sys_root, Top::Ourselves { apart: None })
    }

    /// The same for processes that somebody else started, and all below them. The first pass finds who that is.
    ///
    /// # Errors
    /// The same.
    pub fn of_others(proc_root: &Path, sys_root: &Path, roots: Vec<ProcessId>) -> Result<Self, SourceError> {
        Self::open_below(proc_root, sys_root, Top::Others(roots)).map(|source| Self { last_pid: None, ..source })
    }

    fn open_below(proc_root: &Path, sys_root: &Path, top: Top) -> Result<Self, SourceError> {
        let open_error = |cause| SourceError::Open { path: proc_root.to_path_buf(), cause };
        let mut tree = Tree::open(proc_root).map_err(|errno| open_error(errno.into()))?;
        let mut sys_tree = Tree::open(sys_root).ok();
        let machine = machine(&mut tree, sys_tree.as_mut());
        let own = machine.own.id.filter(|own| own.pid.0 == std::process::id());
        let elsewhere =
            || open_error(std::io::Error::other("oomtop itself is not in it: run watches commands in /proc"));
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
            top,
            members: Vec::new(),
            departed: Vec::new(),
            last_pid: tree.read(&FileName::of_root("loadavg")).ok().and_then(last_pid),
            unborn: Vec::new(),
            membership: Vec::new(),
            surroundings_read: Timestamp::default(),
            last_arrival: Timestamp::default(),
            took: Duration::ZERO,
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

    /// The command has this number and a session of its own: who is started besides is in ours, and none of the tree.
    pub fn expect_apart(&mut self, command: Pid) {
        self.top = Top::Ourselves { apart: Some(command) };
    }

    /// Those at the top of somebody else's tree have all ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let lives = |root: &ProcessId| {
            self.find(root.pid).is_some_and(|at| self.members[at].id == *root && !self.members[at].is_zombie)
        };
        matches!(&self.top, Top::Others(roots) if !roots.iter().any(lives))
    }

    /// When to look again.
    #[must_use]
    pub fn pause(&self) -> Duration {
        // A number that nobody has yet is no reason: on a busy machine there always is one, of somebody else's.
        let is_lively = clock::now().since(self.last_arrival) < Self::YOUTH;
        self.top.pause(is_lively, self.took)
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
            Ok(log) => log.drain(&mut snapshot.events),
            Err(reason) => Err(*reason),
        });
        if surroundings || began.since(self.surroundings_read) >= Self::SURROUNDINGS {
            self.surroundings_read = began;
            snapshot.system = Some(self.machine_files.read(&mut self.proc_root));
            snapshot.cgroups = Some(self.lineage());
        }
        snapshot.roster = self.members.iter().map(|member| member.id).collect();
        snapshot.ended = clock::now();
        self.took = clock::thread_cpu().saturating_sub(cpu);
        snapshot.cost.pass_cpu = self.took;
        snapshot.cost.own_cpu = clock::process_cpu();
        snapshot
    }

    fn find(&self, pid: Pid) -> Option<usize> {
        self.members.binary_search_by_key(&pid, |member| member.id.pid).ok()
    }

    /// The cgroups above the tree: of its first member, as long as there is one.
    fn lineage(&mut self) -> Vec<Cgroup> {
        let first = self.members.first().map(|member| member.id.pid);
        let before_it_starts = matches!(self.top, Top::Ourselves { .. }) && self.membership.is_empty();
        let asked = first.or_else(|| before_it_starts.then_some(self.own.pid));
        let version = self.cgroups.version();
        // Of v1 one that exits tells the root, wherever it was (kernel/cgroup/cgroup.c proc_cgroup_show).
        let is_left = |text: &[u8]| proc_files::memory_cgroup(text, version).is_some_and(|path| path == b"/");
        if let Some(text) = asked.and_then(|pid| self.proc_root.read(&FileName::of(pid, "cgroup")).ok())
            && (self.membership.is_empty() || !is_left(text))
        {
            self.membership.clear();
            self.membership.extend_from_slice(text);
        }
        let (own, members) = (self.own.pid, &self.members);
        let known = |pid| pid == own || members.binary_search_by_key(&pid, |member| member.id.pid).is_ok();
        self.cgroups.lineage(&self.membership, known)
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
                // Where the numbers started again a child may have a smaller one than its parent: until all are met.
                let mut met = None;
                while met.replace(self.members.len()) != Some(self.members.len()) {
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
        let id = ProcessId { pid, start_time };
        if !self.top.has(id, stat.parent, self.own.pid) && self.find(stat.parent).is_none() {
            return;
        }
        // A thread has a directory of its own that no listing shows.
        let leader = self.proc_root.read(&FileName::of(pid, "status")).ok().and_then(proc_files::thread_group);
        if leader != Some(pid) {
            return;
        }
        let keep = self.members.len() < Self::KEPT;
        let member = Member::meet(&self.proc_root, id, stat.name, keep, now);
        self.last_arrival = now;
        let at = self.members.partition_point(|other| other.id.pid < pid);
        self.members.insert(at, member);
    }

    /// Looks at everybody whose turn it is.
    fn look(&mut self, snapshot: &mut Snapshot) {
        let now = snapshot.began;
        let hurried = std::mem::take(&mut self.hurried);
        let (departed, proc_root, programs) = (&mut self.departed, &mut self.proc_root, &mut self.programs);
        let version = self.cgroups.version();
        self.members.retain_mut(|member| {
            let young = now.since(member.first_seen) < Self::YOUTH;
            // A little early is on time: the next pass would be late.
            if !hurried && !young && now.since(member.read) + Self::LIVELY / 2 < Self::CALM {
                return true;
            }
            member.read = now;
            let stays = member.look(proc_root, programs, version, young, snapshot);
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
        let now = clock::now();
        let started = now.0.saturating_sub(ended.age.as_nanos() as u64);
        let tick = 1_000_000_000 / self.machine.ticks_per_second.max(1);
        let id = ProcessId { pid, start_time: StartTime(started / tick.max(1)) };
        let is_ours = self.top.has(id, ended.parent, self.own.pid) || self.identity(ended.parent).is_some();
        if ended.process.is_none() || !is_ours {
            return None;
        }
        // Others of its threads and its children may have records too.
        self.departed.push((id, now));
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a busy machine there always is a number that somebody else was given and that nobody is seen to have.
    #[test]
    fn who_is_not_there_yet_keeps_no_quick_pace() {
        let mut source = TreeSource::open(Path::new("/proc"), Path::new("/sys")).expect("procfs");
        assert!(source.pause() >= TreeSource::CALM, "nobody has come");
        source.unborn.push((Pid(u32::MAX), clock::now()));
        assert!(source.pause() >= TreeSource::CALM);
        // Longer than any machine has run.
        source.last_arrival = Timestamp::from_secs(u32::MAX.into());
        assert!(source.pause() < TreeSource::CALM, "somebody has");
    }
}
