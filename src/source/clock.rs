//! The clocks that give facts their times. Refuses to be used above `source`: there, time is a value in a snapshot.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::units::{Timestamp, WallTime};

/// Nanoseconds since boot, suspended time included.
pub(super) fn now() -> Timestamp {
    Timestamp(nanoseconds(clock_gettime(ClockId::Boottime)))
}

/// The time of day.
pub(super) fn wall() -> WallTime {
    let time = clock_gettime(ClockId::Realtime);
    WallTime(time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec))
}

/// CPU time of the calling thread.
pub(super) fn thread_cpu() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ThreadCPUTime)))
}

/// CPU time of this whole process.
pub(super) fn process_cpu() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ProcessCPUTime)))
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
