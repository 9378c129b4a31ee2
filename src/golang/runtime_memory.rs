//! The runtime's own numbers out of the bytes of its variables: `gcController` and `memstats`, by version. Found by
//! their pattern where no symbol names them. Refuses to believe them: what breaks an invariant is no number.
//!
//! Offsets were measured with the debugging information of each version on x86-64; they are those of any 64-bit machine.

use crate::snapshot::go_memory::{Found, GoNumbers};
use crate::units::Bytes;

use super::elf::number;

/// Names of the variables in the table of symbols.
pub const CONTROLLER: &[u8] = b"runtime.gcController";
/// Its statistics of collections are somewhere in it.
pub const STATISTICS: &[u8] = b"runtime.memstats";
/// No version's memstats is larger.
pub const STATISTICS_BYTES: usize = 16 << 10;

/// Where the fields of `gcController` are.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// So many bytes must be read.
    pub bytes: usize,
    percent_goal: usize,
    sweep_minimum: usize,
    triggered: usize,
    heap_live: usize,
    heap_marked: usize,
    heap_in_use: usize,
    total_alloc: usize,
}

const SINCE_1_21: Layout = Layout {
    bytes: 392,
    percent_goal: 72,
    sweep_minimum: 80,
    triggered: 88,
    heap_live: 104,
    heap_marked: 152,
    heap_in_use: 272,
    total_alloc: 296,
};

const OF_1_19: Layout = Layout {
    bytes: 424,
    percent_goal: 104,
    sweep_minimum: 112,
    triggered: 120,
    heap_live: 136,
    heap_marked: 184,
    heap_in_use: 304,
    total_alloc: 328,
};

/// The layout of a version as the build information writes it: `go1.26.1`, `go1.27rc1`, `devel go1.28-4f2a91`. A newer
/// version is taken for the newest known one: its numbers are shown only while they keep all invariants.
#[must_use]
pub fn layout(version: &str) -> Option<&'static Layout> {
    match minor(version)? {
        19 => Some(&OF_1_19),
        21.. => Some(&SINCE_1_21),
        _ => None,
    }
}

/// 26 of `go1.26.1`.
#[must_use]
pub fn minor(version: &str) -> Option<u32> {
    let (_, minor) = version.split_once("go1.")?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    minor[..digits].parse().ok()
}

/// The smallest heap at GOGC=100 (mgcpacer.go defaultHeapMinimum).
const HEAP_MINIMUM: u64 = 4 << 20;
/// Go's own page (runtime/sizeclasses.go): spans are made of them.
const PAGE: u64 = 8 << 10;
/// Numbers that are read while the program runs disagree by a few spans.
const SLACK: u64 = 8 << 20;

/// Where in `bytes` a `gcController` could begin: GOGC, four bytes of nothing, a limit, and the minimum of the heap that
/// follows from GOGC (setGCPercent).
pub fn controllers(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..bytes.len().saturating_sub(24)).step_by(8).filter(|at| {
        let percent_and_gap = number(bytes, *at).unwrap_or(u64::MAX);
        // Off is -1 in four bytes.
        if percent_and_gap == 0 || percent_and_gap > u64::from(u32::MAX) {
            return false;
        }
        has_signature(&bytes[*at..])
    })
}

fn has_signature(bytes: &[u8]) -> bool {
    let (Some(first), Some(limit), Some(minimum)) = (number(bytes, 0), number(bytes, 8), number(bytes, 16)) else {
        return false;
    };
    let percent = i64::from((first as u32).cast_signed());
    let follows = HEAP_MINIMUM.wrapping_mul(percent as u64) / 100;
    first >> 32 == 0 && percent >= -1 && i64::try_from(limit).is_ok_and(|limit| limit >= 0) && minimum == follows
}

/// What the mappings say that the numbers must not exceed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Private writable memory without a file: everything that the runtime could have made ready.
    pub writable: Bytes,
}

/// The numbers of a `gcController`; `None` where an invariant does not hold.
#[must_use]
pub fn numbers(bytes: &[u8], layout: &Layout, found: Found, bounds: Bounds) -> Option<GoNumbers> {
    if !has_signature(bytes) {
        return None;
    }
    let field = |at: usize| number(bytes, at);
    let percent = (field(0)? as u32).cast_signed();
    let limit = field(8)?;
    let (live, allocated) = (field(layout.heap_marked)?, field(layout.heap_live)?);
    let heap = layout.heap_in_use;
    let (in_use, released, free) = (field(heap)?, field(heap + 8)?, field(heap + 16)?);
    let (total_alloc, total_free, mapped) =
        (field(layout.total_alloc)?, field(layout.total_alloc + 8)?, field(layout.total_alloc + 16)?);
    let objects = total_alloc.checked_sub(total_free)?;
    let ready = in_use.checked_add(free)?;
    let in_pages = [in_use, released, free].iter().all(|size| size.is_multiple_of(PAGE));
    let holds = in_use > 0
        && in_pages
        && ready <= mapped
        && mapped <= bounds.writable.0.saturating_add(SLACK)
        && objects <= in_use.saturating_add(SLACK)
        && allocated <= in_use.saturating_add(SLACK)
        && live <= allocated.saturating_add(SLACK);
    if !holds {
        return None;
    }
    let pacing = Pacing {
        percent_goal: field(layout.percent_goal)?,
        sweep_minimum: field(layout.sweep_minimum)?,
        triggered: field(layout.triggered)?,
        limit,
        live,
        free,
        objects,
        mapped,
    };
    Some(GoNumbers {
        found,
        gc_percent: u32::try_from(percent).ok(),
        memory_limit: Some(limit).filter(|limit| *limit < i64::MAX as u64).map(Bytes),
        live: Bytes(live),
        allocated: Bytes(allocated),
        goal: Bytes(pacing.goal()),
        objects: Bytes(objects),
        in_use: Bytes(in_use),
        free: Bytes(free),
        released: Bytes(released),
        mapped: Bytes(mapped),
        collections: None,
    })
}

/// What the goal of the heap is made of.
struct Pacing {
    percent_goal: u64,
    sweep_minimum: u64,
    triggered: u64,
    limit: u64,
    live: u64,
    free: u64,
    objects: u64,
    mapped: u64,
}

impl Pacing {
    /// gcControllerState.heapGoalInternal.
    fn goal(&self) -> u64 {
        const RUNWAY: u64 = 64 << 10;
        let of_limit = self.goal_of_limit();
        if of_limit < self.percent_goal {
            return of_limit;
        }
        let goal = self.percent_goal.max(self.sweep_minimum);
        if self.triggered == u64::MAX { goal } else { goal.max(self.triggered.saturating_add(RUNWAY)) }
    }

    /// gcControllerState.memoryLimitHeapGoal.
    fn goal_of_limit(&self) -> u64 {
        const HEADROOM: u64 = 1 << 20;
        let beside_heap = self.mapped.saturating_sub(self.free).saturating_sub(self.objects);
        let overage = self.mapped.saturating_sub(self.limit);
        let taken = beside_heap.saturating_add(overage);
        if taken >= self.limit {
            return self.live;
        }
        let goal = self.limit - taken;
        let headroom = (goal / 100 * 3).max(HEADROOM);
        let goal = if goal < headroom.saturating_mul(2) { headroom } else { goal - headroom };
        goal.max(self.live)
    }
}

/// The statistics of collections where they begin: the time of the last one, a sum of pauses, then rings of 256 pauses
/// and 256 times at which they ended, then the count, that of those that were asked for, and the share of CPU time
/// (mstats.go mstats).
const ENDS: usize = 16 + 256 * 8;
const COUNT: usize = ENDS + 256 * 8;
const CPU_FRACTION: usize = COUNT + 8;
/// So many bytes from the first to the last.
pub const RINGS: usize = CPU_FRACTION + 8;

/// Where in `bytes` the statistics begin: the last time stands a second time in the ring, at the place that the count
/// says. Before the first collection there is nothing to find.
pub fn statistics(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..bytes.len().saturating_sub(RINGS - 1)).step_by(8).filter(|at| collections(&bytes[*at..]).is_some())
}

/// What the runtime says of its collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// How many there were.
    pub count: u32,
    /// When the last one ended, in nanoseconds since 1970.
    pub last: u64,
    /// What they took of the CPU time, in percent; `None` where that is no share.
    pub cpu_percent: Option<u8>,
}

/// Reads them.
#[must_use]
pub fn collections(bytes: &[u8]) -> Option<Statistics> {
    /// From 2001 to 2255.
    const TIMES: std::ops::Range<u64> = 1_000_000_000_000_000_000..9_000_000_000_000_000_000;
    let last = number(bytes, 0).filter(|last| TIMES.contains(last))?;
    let count = u32::from_le_bytes(bytes.get(COUNT..COUNT + 4)?.try_into().ok()?);
    let newest = count.checked_sub(1)? as usize % 256;
    let fraction = f64::from_bits(number(bytes, CPU_FRACTION)?);
    let cpu_percent = (0.0..=1.0).contains(&fraction).then_some((fraction * 100.0) as u8);
    (number(bytes, ENDS + newest * 8)? == last).then_some(Statistics { count, last, cpu_percent })
}

#[cfg(test)]
#[path = "runtime_memory_tests.rs"]
mod tests;
