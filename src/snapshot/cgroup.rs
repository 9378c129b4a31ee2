//! Facts of one memory cgroup, v1 or v2, in words that fit both. Refuses to say what they mean: headroom, domains and
//! victims are `monitor::domain`'s.

use crate::units::{Bytes, ProcessId, Timestamp};

use super::process::CgroupPath;
use super::system::Pressure;

/// Which hierarchy the memory controller is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `memory.limit_in_bytes` and its kin.
    V1,
    /// `memory.max` and its kin.
    V2,
}

/// One memory cgroup. `None`: the file is not there or could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Cgroup {
    /// As in `/proc/PID/cgroup`.
    pub path: CgroupPath,
    /// Where its facts come from.
    pub version: Version,
    /// When they were read.
    pub at: Timestamp,
    /// `memory.max` or `memory.limit_in_bytes`; `Some(None)` is "no limit of its own" (v2 `max`, the v1 sentinel).
    pub limit: Option<Option<Bytes>>,
    /// `memory.high`; v2 only.
    pub high: Option<Option<Bytes>>,
    /// `memory.current` or `memory.usage_in_bytes`.
    pub usage: Option<Bytes>,
    /// v2 `memory.peak` (5.19), v1 `memory.max_usage_in_bytes`: the most it ever held, the page cache with it. Read only
    /// where a command is watched.
    pub peak: Option<Bytes>,
    /// v2 `memory.swap.max`: swap alone.
    pub swap_limit: Option<Option<Bytes>>,
    /// v1 `memory.memsw.limit_in_bytes`: memory and swap together.
    pub memory_and_swap_limit: Option<Option<Bytes>>,
    /// Swap in use: v2 `memory.swap.current`, v1 memsw usage minus usage.
    pub swap_usage: Option<Bytes>,
    /// v1 `memory.swappiness`.
    pub swappiness: Option<u32>,
    /// `memory.stat`.
    pub stat: MemoryStat,
    /// v1 `hierarchical_memory_limit`: the smallest limit above it, also where the ancestors cannot be seen.
    pub hierarchical_limit: Option<Bytes>,
    /// v2 `memory.oom.group`: the whole cgroup dies together.
    pub oom_group: Option<bool>,
    /// v1 `oom_kill_disable`: tasks wait instead of dying.
    pub oom_kill_disabled: Option<bool>,
    /// v1 `under_oom`.
    pub under_oom: Option<bool>,
    /// Counters since the cgroup was made.
    pub events: CgroupEvents,
    /// `memory.pressure`; v2 only.
    pub pressure: Option<Pressure>,
    /// `cgroup.procs`, in the order of the file (v2: attach order, which settles ties; v1: sorted by number).
    /// Where there are thousands, as of a few seconds before, without those that ended since.
    pub members: Vec<ProcessId>,
    /// How many more `cgroup.procs` lists whom no snapshot shows: hidden by hidepid, of another PID namespace, out of
    /// scope. `None` where the file could not be read (a threaded cgroup has none).
    pub unseen: Option<u32>,
}

impl Cgroup {
    /// With nothing known but its name: the start of every reader, and of tests.
    #[must_use]
    pub fn unread(path: CgroupPath, version: Version, at: Timestamp) -> Self {
        Self {
            path,
            version,
            at,
            limit: None,
            high: None,
            usage: None,
            peak: None,
            swap_limit: None,
            memory_and_swap_limit: None,
            swap_usage: None,
            swappiness: None,
            stat: MemoryStat::default(),
            hierarchical_limit: None,
            oom_group: None,
            oom_kill_disabled: None,
            under_oom: None,
            events: CgroupEvents::default(),
            pressure: None,
            members: Vec::new(),
            unseen: None,
        }
    }
}

/// `memory.stat`: of the subtree (v1: the `total_` keys).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// v2 `anon`, v1 `total_rss`: anonymous memory.
    pub anon: Option<Bytes>,
    /// v2 `file`, v1 `total_cache`: page cache, shared memory included.
    pub file: Option<Bytes>,
    /// `shmem`.
    pub shmem: Option<Bytes>,
    /// `inactive_file`.
    pub inactive_file: Option<Bytes>,
    /// `active_file`.
    pub active_file: Option<Bytes>,
    /// `unevictable`.
    pub unevictable: Option<Bytes>,
    /// v2 `slab_reclaimable`.
    pub slab_reclaimable: Option<Bytes>,
    /// v2 `slab_unreclaimable`.
    pub slab_unreclaimable: Option<Bytes>,
    /// v2 `kernel` (all kernel memory), v1 `memory.kmem.usage_in_bytes`.
    pub kernel: Option<Bytes>,
    /// `sock`.
    pub sock: Option<Bytes>,
}

/// Counters of out-of-memory events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupEvents {
    /// v2 `memory.events` `high`.
    pub high: Option<u64>,
    /// v2 `max`, v1 `memory.failcnt`.
    pub max: Option<u64>,
    /// v2 `oom`.
    pub oom: Option<u64>,
    /// `oom_kill` (hierarchical on v2; v1: this very cgroup).
    pub oom_kill: Option<u64>,
    /// v2 `oom_group_kill`.
    pub oom_group_kill: Option<u64>,
}
