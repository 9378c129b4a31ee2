//! What happened from outside the files of a process since the last pass, as facts in the snapshot, so that a
//! recording gives the same verdict. Refuses to conclude: a record of the kernel log is text here; `oom_log` reads it.

use crate::units::{Bytes, Pid, ProcessId, Timestamp};

use super::process::Name;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideEvent {
    /// A record of the kernel log, continuations joined.
    KernelLog(KernelRecord),
    /// A child that we started, or that was handed to us as its subreaper, was reaped.
    ChildExit {
        /// Which.
        id: ProcessId,
        /// When we learnt of it.
        at: Timestamp,
        /// As wait(2) gives it.
        wait_status: i32,
    },
    /// The kernel accounted for a process as it ended.
    ProcessExit(ProcessExit),
    /// Somebody sent us a signal while we watched a command; it was passed on, or the terminal gave it to both.
    Signalled {
        /// Its number (signal(7)).
        signal: i32,
        /// It was no signal to us: the user asked by a key that the command get it.
        by_key: bool,
        /// When.
        at: Timestamp,
    },
    /// A command that we run was stopped (^Z, SIGSTOP) and goes on: its tree stood still since the pass before, at the
    /// latest.
    Continued,
}

/// A record of taskstats (include/uapi/linux/taskstats.h), written when a thread of a process ended; that of the last
/// one has the wait status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// Of which process. When it started is reckoned, to a clock tick, where no pass saw it alive.
    pub id: ProcessId,
    /// `ac_ppid`.
    pub parent: Pid,
    /// When we learnt of it.
    pub at: Timestamp,
    /// `ac_comm`: of that thread.
    pub name: Name,
    /// `ac_exitcode`, as wait(2) gives it; `None` while threads of it live.
    pub wait_status: Option<i32>,
    /// `hiwater_rss`: the peak of what it held since its last exec; `None` where it held nothing any more.
    pub peak_rss: Option<Bytes>,
}

/// A record of `/dev/kmsg` (Documentation/ABI/testing/dev-kmsg).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelRecord {
    /// Its number; a gap means that records were lost.
    pub sequence: u64,
    /// Microseconds on the kernel's local clock since boot.
    pub microseconds: u64,
    /// facility * 8 + level; below 8 it is the kernel's own.
    pub priority: u32,
    /// The text, unescaped, without its key=value lines.
    pub text: Box<[u8]>,
}
