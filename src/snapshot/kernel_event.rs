//! What happened from outside the files of a process since the last pass, as facts in the snapshot, so that a
//! recording gives the same verdict. Refuses to conclude: a record of the kernel log is text here; `oom_log` reads it.

use crate::units::{ProcessId, Timestamp};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutsideEvent {
    /// A record of the kernel log, continuations joined.
    KernelLog(KernelRecord),
    /// A child that we started was reaped: its wait status (wait(2)).
    ChildExit {
        /// Which.
        id: ProcessId,
        /// When we learnt of it.
        at: Timestamp,
        /// As wait(2) gives it.
        wait_status: i32,
        /// ru_maxrss in KiB: an upper bound (it carries the parent's peak across exec).
        max_rss_kib: Option<u64>,
    },
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
