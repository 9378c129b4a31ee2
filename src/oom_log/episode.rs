//! What the kernel said about one time that memory ran out: who asked, whose limit, who was looked at, who was killed.
//! Only what stands in the log: a field that it does not have is `None`. Refuses to conclude; that is `story`.

use std::fmt;

use super::stamp::Stamp;
use super::tasks::Tasks;
use crate::units::{Bytes, Pages, Pid};

/// Bytes of a process name that are kept: a name has at most 15, more in logs that write `\x1b` for a byte.
const NAME_CAPACITY: usize = 31;

/// The name of a task as the kernel printed it: any bytes. Longer than a name can be is cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Name {
    length: u8,
    bytes: [u8; NAME_CAPACITY],
}

impl Name {
    /// The bytes, at most 31 of them.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; NAME_CAPACITY];
        let length = name.len().min(NAME_CAPACITY);
        bytes[..length].copy_from_slice(&name[..length]);
        Self { length: length as u8, bytes }
    }

    /// As printed by the kernel; not safe to show (see `text::printable`).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// One time that the OOM killer ran, or a kill whose dump the log does not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// When its first record was written.
    pub began: Stamp,
    /// When its last one was.
    pub ended: Stamp,
    /// The machine, in logs that name it.
    pub machine: Option<Box<str>>,
    /// The kernel's release, from the dump's `CPU:` line or the boot's `Linux version`.
    pub release: Option<Box<str>>,
    /// Who asked for memory; `None` where the dump is missing (the kernel writes at most 10 in 5 s).
    pub invoker: Option<Invoker>,
    /// Why not the whole machine was looked at; only kernels from 5.0 on say it.
    pub constraint: Option<Constraint>,
    /// `global_oom`, or the cgroup whose limit was reached.
    pub domain: Option<Domain>,
    /// Where the allocation had to come from, as printed: only a memory policy sets it.
    pub nodemask: Option<Box<str>>,
    /// Nodes the asking task's cpuset allows, as printed: `0-1`.
    pub mems_allowed: Option<Box<str>>,
    /// Name of that cpuset (the last component of its path).
    pub cpuset: Option<Box<[u8]>>,
    /// Memory cgroup of the victim, which is in the subtree of the domain's.
    pub victim_cgroup: Option<Box<[u8]>>,
    /// Counters of the cgroup at that moment.
    pub counters: Counters,
    /// What its memory was.
    pub usage: Usage,
    /// The machine's memory, in dumps of a global OOM.
    pub host: HostMemory,
    /// Who was looked at.
    pub tasks: Tasks,
    /// The kernel's own summary (5.0 and newer).
    pub summary: Option<Summary>,
    /// Who was chosen, where that is printed apart from who died (5.0 and older).
    pub chosen: Option<Chosen>,
    /// Who died, in the order of the log: the chosen one first, then those of its kill group.
    pub victims: Vec<Victim>,
    /// The kill group: the cgroup whose `memory.oom.group` is set.
    pub kill_group: Option<Box<[u8]>>,
    /// How it ended.
    pub outcome: Outcome,
    /// `vm.oom_kill_allocating_task` is set: whoever asks dies.
    pub allocating_task: bool,
    /// Records of another OOM stand between this one's and nothing tells them apart.
    pub mixed: bool,
    /// How often the same (no process left to kill, same cgroup) was written again right after.
    pub repeats: u64,
}

impl Episode {
    /// Whether it has a dump of its own. A kill without one goes on with another, or the kernel's rate limit took it.
    #[must_use]
    pub const fn is_dumped(&self) -> bool {
        self.invoker.is_some() || self.summary.is_some()
    }
}

/// Who asked for memory that was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoker {
    /// Its name.
    pub name: Name,
    /// Its number, from the `CPU:` line.
    pub pid: Option<Pid>,
    /// Allocation flags as printed: `0xcc0(GFP_KERNEL)`.
    pub gfp_mask: Box<str>,
    /// Power of two of pages that were asked for; -1: somebody asked for a kill (sysrq f).
    pub order: Option<i64>,
    /// Its oom_score_adj.
    pub oom_score_adj: Option<i64>,
}

/// enum oom_constraint (include/linux/oom.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The whole machine ran out.
    None,
    /// The nodes of a cpuset did.
    Cpuset,
    /// The nodes of a memory policy did.
    MemoryPolicy,
    /// A memory cgroup reached its limit.
    Memcg,
}

/// Whose memory ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The machine's, or that of some of its nodes.
    Host,
    /// A memory cgroup's; its path from the real root, where the log has it.
    Cgroup(Option<Box<[u8]>>),
}

/// One page counter of a cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// In use; may exceed the limit.
    pub usage: Bytes,
    /// The limit; `None`: there is none.
    pub limit: Option<Bytes>,
    /// How often it was hit.
    pub fail_count: Option<u64>,
}

/// The counters that the dump prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `memory`.
    pub memory: Option<Counter>,
    /// `memory+swap` (cgroup v1).
    pub memory_and_swap: Option<Counter>,
    /// `swap` (cgroup v2).
    pub swap: Option<Counter>,
    /// `kmem` (cgroup v1).
    pub kernel: Option<Counter>,
}

/// What the memory of the cgroup was: `Memory cgroup stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Anonymous, of processes.
    pub anon: Option<Bytes>,
    /// Page cache, with tmpfs and shared memory.
    pub file: Option<Bytes>,
    /// tmpfs and shared memory: no process's death gives it back while the file exists.
    pub shmem: Option<Bytes>,
    /// The kernel's own.
    pub kernel: Option<Bytes>,
}

/// The machine's memory: `Mem-Info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// Pages of RAM that exist.
    pub ram: Option<Pages>,
    /// Of them, not the page allocator's.
    pub reserved: Option<Pages>,
    /// Swap altogether.
    pub swap_total: Option<Bytes>,
    /// Swap that is free.
    pub swap_free: Option<Bytes>,
    /// Memory present per node, summed over its zones (bytes); at most 64 nodes.
    pub present: Vec<(u32, Bytes)>,
}

impl HostMemory {
    /// Pages that the kernel can give out: what is reserved goes off, unless the number cannot be (old kernels wrote a
    /// negative one as a huge one).
    #[must_use]
    pub fn usable(&self) -> Option<Pages> {
        let ram = self.ram?;
        Some(self.reserved.filter(|reserved| *reserved < ram).map_or(ram, |reserved| ram.saturating_sub(reserved)))
    }
}

/// The `oom-kill:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The victim's name.
    pub name: Name,
    /// Its process number (not the thread's).
    pub pid: Pid,
    /// Its owner.
    pub uid: Option<u32>,
}

/// `Kill process P (C) score S or sacrifice child`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// A thread of it.
    pub pid: Pid,
    /// Its name.
    pub name: Option<Name>,
    /// badness * 1000 / total pages, with oom_score_adj; 0 where nothing was compared.
    pub score: Option<u64>,
}

/// A process that was killed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Victim {
    /// When.
    pub at: Stamp,
    /// The number as printed: of a thread with memory; the process's is in the table or the summary.
    pub pid: Pid,
    /// The process's number, where table or summary tell.
    pub tgid: Option<Pid>,
    /// Its name; missing where the line is cut.
    pub name: Option<Name>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Virtual size.
    pub total_vm: Option<Bytes>,
    /// Anonymous memory in RAM.
    pub anon: Option<Bytes>,
    /// Mapped files in RAM.
    pub file: Option<Bytes>,
    /// Shared memory in RAM.
    pub shmem: Option<Bytes>,
    /// Page tables.
    pub page_tables: Option<Bytes>,
    /// Its oom_score_adj.
    pub oom_score_adj: Option<i64>,
    /// What the reaper left of it, or that it could not reap.
    pub reaped: Option<Reaped>,
}

impl Victim {
    /// What it had in RAM: the sum of the sizes printed with the kill.
    #[must_use]
    pub fn rss(&self) -> Option<Bytes> {
        let sum = self.anon?.saturating_add(self.file?);
        Some(sum.saturating_add(self.shmem.unwrap_or_default()))
    }
}

/// What the OOM reaper said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// It took the memory; this was left then.
    Left {
        /// Anonymous.
        anon: Bytes,
        /// Mapped files.
        file: Bytes,
        /// Shared memory.
        shmem: Option<Bytes>,
    },
    /// `unable to reap`.
    Unable,
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The log does not say: it was cut, or the chosen one was exiting already and was let go silently.
    #[default]
    Unknown,
    /// Somebody was killed.
    Killed,
    /// `no killable processes`.
    NobodyToKill,
    /// The chosen one was exiting by itself.
    AlreadyExiting,
    /// The machine stopped: `panic_on_oom`, or deadlocked on memory.
    Panic,
}
