//! Facts of the whole machine. Refuses to add up: what "used" means is decided where it is shown.

use crate::units::{Bytes, Pid, ProcessId};

/// What does not change while the machine runs (and what we are on it).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Host name.
    pub hostname: String,
    /// `/proc/sys/kernel/osrelease`, like `6.18.44-fc`.
    pub kernel_release: String,
    /// `/proc/sys/kernel/random/boot_id`; empty where it cannot be read.
    pub boot_id: String,
    /// Page size.
    pub page_size: Bytes,
    /// Clock ticks per second of start times (sysconf _SC_CLK_TCK), 100 nearly everywhere.
    pub ticks_per_second: u64,
    /// Processors that are possible (the error of per-CPU counters grows with them).
    pub processors: u32,
    /// What `oom_score` reads for a process with oom_score_adj 0 and nearly no memory (our own): 600 or more tells the
    /// formula of 5.9. `None` where it could not be told (our own adj is not 0).
    pub oom_score_at_zero: Option<u16>,
    /// Ourselves.
    pub own: OwnRights,
    /// User names by number, from /etc/passwd (of `--proc` trees: none).
    pub users: Vec<(u32, Box<str>)>,
    /// Where a tmpfs is mounted in our own mount namespace; of `--proc` trees: none.
    pub tmpfs: Vec<Box<[u8]>>,
    /// `/proc/sys/vm/oom_kill_allocating_task`.
    pub oom_kill_allocating_task: Option<bool>,
    /// `/proc/sys/vm/panic_on_oom`, 0 to 2.
    pub panic_on_oom: Option<u8>,
    /// `/proc/sys/vm/swappiness`: that of every v2 cgroup.
    pub swappiness: Option<u32>,
    /// The PID namespace that is shown has the machine's real init as number 1 (a container's does not).
    pub initial_pid_namespace: Option<bool>,
    /// Paths of cgroups are those of the machine, as the kernel's log has them (in a cgroup namespace they are not).
    pub initial_cgroup_namespace: Option<bool>,
    /// The hierarchy of memory cgroups is mounted from its very root on (a container sees its own part). `None` where none
    /// is mounted, or the tree that is read is not this machine's.
    pub sees_all_cgroups: Option<bool>,
}

impl Machine {
    /// Name of a user, where /etc/passwd has one.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&str> {
        let index = self.users.binary_search_by_key(&uid, |(number, _)| *number).ok()?;
        Some(&self.users[index].1)
    }
}

/// What we ourselves are and may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnRights {
    /// Our own process; `None` when the tree that is read is not this machine's.
    pub id: Option<ProcessId>,
    /// Our effective user.
    pub effective_uid: u32,
    /// Effective capabilities, as a bit set (capabilities(7)).
    pub capabilities: u64,
    /// Our own memory cgroup's kill unit is the whole group (`memory.oom.group` is 1).
    pub oom_group: bool,
}

impl OwnRights {
    /// CAP_KILL.
    pub const KILL: u64 = 1 << 5;
    /// CAP_SYS_PTRACE.
    pub const SYS_PTRACE: u64 = 1 << 19;
    /// CAP_SYS_RESOURCE: may lower oom_score_adj below its minimum.
    pub const SYS_RESOURCE: u64 = 1 << 24;
    /// CAP_DAC_OVERRIDE.
    pub const DAC_OVERRIDE: u64 = 1 << 1;

    /// Whether all bits of `capability` are there.
    #[must_use]
    pub const fn has(&self, capability: u64) -> bool {
        self.capabilities & capability == capability
    }
}

/// Totals, read in this pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct System {
    /// `/proc/meminfo`.
    pub memory: MemoryInfo,
    /// `/proc/pressure/memory`, where the kernel keeps it.
    pub pressure: Option<Pressure>,
    /// `/proc/vmstat`.
    pub events: VirtualMemoryEvents,
    /// Number of all entries of /proc that are processes, kernel threads included.
    pub tasks: u32,
    /// Kernel threads among them.
    pub kernel_threads: u32,
    /// Number 1 of the tree that is read.
    pub init: Option<Pid>,
}

/// `/proc/meminfo` (proc(5)); `None` where the kernel has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryInfo {
    /// MemTotal.
    pub total: Option<Bytes>,
    /// MemFree.
    pub free: Option<Bytes>,
    /// MemAvailable.
    pub available: Option<Bytes>,
    /// Buffers.
    pub buffers: Option<Bytes>,
    /// Cached: includes Shmem.
    pub cached: Option<Bytes>,
    /// SwapCached.
    pub swap_cached: Option<Bytes>,
    /// AnonPages.
    pub anonymous: Option<Bytes>,
    /// Mapped.
    pub mapped: Option<Bytes>,
    /// Shmem: shared memory and tmpfs.
    pub shmem: Option<Bytes>,
    /// SReclaimable.
    pub slab_reclaimable: Option<Bytes>,
    /// SUnreclaim.
    pub slab_unreclaimable: Option<Bytes>,
    /// KernelStack.
    pub kernel_stack: Option<Bytes>,
    /// PageTables.
    pub page_tables: Option<Bytes>,
    /// Percpu.
    pub percpu: Option<Bytes>,
    /// Unevictable.
    pub unevictable: Option<Bytes>,
    /// Mlocked.
    pub mlocked: Option<Bytes>,
    /// SwapTotal.
    pub swap_total: Option<Bytes>,
    /// SwapFree.
    pub swap_free: Option<Bytes>,
    /// Dirty.
    pub dirty: Option<Bytes>,
    /// Hugetlb: all huge pages of the pool, used or free.
    pub hugetlb: Option<Bytes>,
    /// Committed_AS.
    pub committed: Option<Bytes>,
    /// CommitLimit.
    pub commit_limit: Option<Bytes>,
}

/// Pressure stall information: percent of time, averaged (Documentation/accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Some tasks were waiting for memory.
    pub some: PressureLine,
    /// All tasks were.
    pub full: PressureLine,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PressureLine {
    /// Percent over 10 s.
    pub avg10: f32,
    /// Percent over 60 s.
    pub avg60: f32,
    /// Percent over 300 s.
    pub avg300: f32,
    /// Microseconds since boot.
    pub total: u64,
}

/// Counters of `/proc/vmstat`, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualMemoryEvents {
    /// oom_kill (4.13).
    pub oom_kill: Option<u64>,
    /// pswpin, pages.
    pub swap_in: Option<u64>,
    /// pswpout, pages.
    pub swap_out: Option<u64>,
    /// pgmajfault.
    pub major_faults: Option<u64>,
}
