//! What one pass over the machine read: raw facts, each with the time of its own reading, never changed afterwards.
//! Refuses to derive anything (no rates, no ranks, no classes), to carry over anything from an earlier pass, and to
//! know where a fact came from (a live machine, a recording, a fixture).

pub mod cgroup;
pub mod go_memory;
pub mod kernel_event;
pub mod listening;
pub mod mapping;
pub mod needs;
pub mod other_killer;
pub mod process;
pub mod system;

use std::sync::Arc;
use std::time::Duration;

use crate::units::{Bytes, ProcessId, Timestamp, WallTime};

use cgroup::Cgroup;
use go_memory::GoMemory;
use kernel_event::OutsideEvent;
use mapping::{Mappings, Rollup};
use other_killer::OtherKiller;
use process::{CgroupPath, Command, Executable, SpaceLimits, Stat, Statm, Status};
use system::{Machine, System};

/// One pass. Every list of facts is sparse (what was not due is absent) and sorted by process number, so that it can
/// be joined with the roster in one walk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Counts passes from 1; a gap means that passes were skipped.
    pub sequence: u64,
    /// When the pass began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The time of day when it began.
    pub wall: WallTime,
    /// What the pass looked at. A process out of scope is not gone.
    pub scope: Scope,
    /// What does not change while the machine runs.
    pub machine: Arc<Machine>,
    /// Totals of the machine; `None` in a pass that did not look (a probe).
    pub system: Option<System>,
    /// Every process in scope, sorted by number; empty for [`Scope::Facts`]. Kernel threads are not in it.
    pub roster: Vec<ProcessId>,
    /// Hot: sizes from `/proc/PID/statm`.
    pub statms: Vec<Fact<Statm>>,
    /// Warm: `/proc/PID/stat`.
    pub stats: Vec<Fact<Stat>>,
    /// Warm: `/proc/PID/status`.
    pub statuses: Vec<Fact<Status>>,
    /// Warm: `/proc/PID/oom_score_adj`, -1000 to 1000.
    pub adjustments: Vec<Fact<i16>>,
    /// Candidates for victims: `/proc/PID/oom_score`, 0 to 2000.
    pub oom_scores: Vec<Fact<u16>>,
    /// Warm: the memory cgroup of each process.
    pub memberships: Vec<Fact<CgroupPath>>,
    /// From the prober: command lines.
    pub commands: Vec<Fact<Arc<Command>>>,
    /// From the prober: what the process executes, with Go build information.
    pub executables: Vec<Fact<Arc<Executable>>>,
    /// Of a tree that we run: limits on address space and data.
    pub space_limits: Vec<Fact<SpaceLimits>>,
    /// From the prober, with their command lines: daemons that kill before the kernel does.
    pub other_killers: Vec<Fact<Arc<OtherKiller>>>,
    /// Cold, from the prober: `/proc/PID/smaps_rollup`.
    pub rollups: Vec<Fact<Rollup>>,
    /// On demand, from the prober: `/proc/PID/smaps` of the selected process.
    pub mappings: Option<Fact<Arc<Mappings>>>,
    /// On demand, from the prober: `/proc/PID/smaps` of a process that began to warn.
    pub portrait: Option<Fact<Arc<Mappings>>>,
    /// With the mappings, where the process is a Go program.
    pub go_memory: Option<Fact<GoMemory>>,
    /// Of a tree that we run: Go programs with a GOMEMLIMIT.
    pub go_memories: Vec<Fact<GoMemory>>,
    /// Memory cgroups with a limit of their own and every cgroup below one, pre-order (the order in which the kernel
    /// scans them). `None` where this pass did not look.
    pub cgroups: Option<Vec<Cgroup>>,
    /// What happened from outside the files since the last pass.
    pub events: Vec<OutsideEvent>,
    /// Reads that have not come back; `None` where this pass did not look.
    pub unanswered: Option<Vec<Unanswered>>,
    /// Whether the kernel log could be read; `None` where this pass did not look (a probe, a tree of files).
    pub kernel_log: Option<Result<(), Unreadable>>,
    /// What reading cost us.
    pub cost: Cost,
}

/// What a pass looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every process of the machine.
    #[default]
    All,
    /// A root process and its descendants.
    Tree(ProcessId),
    /// No roster: the snapshot only carries the facts that it carries (a probe's results).
    Facts,
}

/// One reading of one group of facts of one process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact<T> {
    /// Whose.
    pub id: ProcessId,
    /// When it was read.
    pub at: Timestamp,
    /// The value, or why there is none.
    pub reading: Result<T, Unreadable>,
}

/// A read that has not come back: somebody holds the lock that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Of which process.
    pub id: ProcessId,
    /// Which of its files.
    pub file: &'static str,
    /// Since when.
    pub since: Timestamp,
}

/// Why a fact could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// EACCES or EPERM: another user's process, hidepid, a missing capability.
    Denied,
    /// ENOENT or ESRCH: it ended between two reads.
    Gone,
    /// This kernel, or this tree of files, does not have it.
    Unsupported,
    /// The text is not what the kernel writes (a cut file, an overflow).
    Malformed,
    /// It is longer than what is read of it; a part could lack what is looked for.
    TooLong,
    /// The read did not come back in time.
    TimedOut,
    /// Any other error.
    Failed,
}

impl Unreadable {
    /// The reason in words, for the screen and for JSON.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Denied => "permission denied (needs the same user, root or CAP_SYS_PTRACE)",
            Self::Gone => "the process ended",
            Self::Unsupported => "this kernel does not have it",
            Self::Malformed => "the kernel's text could not be parsed",
            Self::TooLong => "it is too long to be read whole",
            Self::TimedOut => "the read did not return in time",
            Self::Failed => "the read failed",
        }
    }

    /// The reason where it is the kernel's log that cannot be read: `/dev/kmsg` asks for another right than a process does
    /// (check_syslog_permissions in kernel/printk/printk.c).
    #[must_use]
    pub const fn reason_of_kernel_log(self) -> &'static str {
        match self {
            Self::Denied => "permission denied (needs root or CAP_SYSLOG while kernel.dmesg_restrict is 1)",
            Self::Unsupported => "there is no /dev/kmsg here",
            Self::TooLong => "a part of it was overwritten before it could be read",
            _ => self.reason(),
        }
    }

    /// The reason where it is the kernel's records of ended processes (kernel/taskstats.c).
    #[must_use]
    pub const fn reason_of_exit_records(self) -> &'static str {
        match self {
            Self::Denied => "permission denied (needs root or CAP_NET_ADMIN, outside of any container)",
            Self::Unsupported => "this kernel has no taskstats",
            _ => self.reason(),
        }
    }
}

/// What sampling itself cost: a fact like any other, shown in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// CPU time that this pass took (the thread's user and system time).
    pub pass_cpu: Duration,
    /// Time that this pass spent in reads that hold up whom they describe (smaps, smaps_rollup, the memory of Go
    /// programs): what a budget bounds.
    pub holding_up: Duration,
    /// CPU time of the whole of oomtop since it started.
    pub own_cpu: Duration,
    /// Our own resident size; zero only before the first reading.
    pub own_rss: Bytes,
    /// Kernel memory pinned by descriptors that we keep open (about 4.4 KB each).
    pub pinned: Bytes,
    /// How many descriptors those are.
    pub descriptors: u32,
}
