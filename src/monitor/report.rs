//! What the Monitor concludes: the last known value of every fact with its age, and everything derived from them.
//! Immutable once it is handed out; all that is drawn or exported comes from here. Refuses to hold styles, column
//! widths or sort orders.

use std::sync::Arc;
use std::time::Duration;

use super::kill_report::KillReport;
use crate::mapping_class::MappingClass;
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::{CgroupPath, Command, Executable};
use crate::snapshot::system::{Machine, Pressure, System};
use crate::snapshot::{Cost, Unreadable};
use crate::units::{Bytes, MaybeKib, Pages, Pid, ProcessId, Rate, Timestamp, WallTime};

/// The state of the machine as of one snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Of the snapshot.
    pub sequence: u64,
    /// When the pass ended.
    pub time: Timestamp,
    /// The time of day then.
    pub wall: WallTime,
    /// True distance to the pass before; `None` for the first.
    pub interval: Option<Duration>,
    /// What does not change.
    pub machine: Arc<Machine>,
    /// Totals, as last read.
    pub system: System,
    /// Rates of swapping, pages per second: in and out.
    pub swap_rates: Option<(f64, f64)>,
    /// OOM kills since we started to look, from `/proc/vmstat`.
    pub oom_kills_seen: Option<u64>,
    /// Every process in scope, sorted by number.
    pub processes: Vec<ProcessReport>,
    /// Memory domains: the one with the least headroom first; the host is always among them when it was read.
    pub domains: Vec<DomainReport>,
    /// OOM kills that we saw, newest last; at most 32.
    pub kills: Vec<Arc<KillReport>>,
    /// What could not be read, by field.
    pub unreadable: Vec<UnreadableReport>,
    /// What sampling cost, from the last pass.
    pub cost: Cost,
    /// Share of CPU that oomtop took between the last two passes, 0.0 to 1.0 per processor.
    pub own_cpu: Option<f64>,
}

impl Report {
    /// The process, if it is still there.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&ProcessReport> {
        let index = self.processes.binary_search_by_key(&id.pid, |process| process.id.pid).ok()?;
        Some(&self.processes[index]).filter(|process| process.id == id)
    }

    /// The domain that leads for this process: of all above it, the one with the least headroom.
    #[must_use]
    pub fn leading_domain(&self, process: &ProcessReport) -> Option<&DomainReport> {
        self.domains.iter().find(|domain| domain.holds(process))
    }

    /// The domain of the host.
    #[must_use]
    pub fn host(&self) -> Option<&DomainReport> {
        self.domains.iter().find(|domain| domain.kind == DomainKind::Host)
    }
}

/// What changes seldom: one allocation shared between reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// comm, any bytes.
    pub name: Box<[u8]>,
    /// Real user; `None` before `status` was read.
    pub uid: Option<u32>,
    /// Command line; `None` before it was read.
    pub command: Option<Arc<Command>>,
    /// What it executes; `None` before it was read or where it may not be.
    pub executable: Option<Arc<Executable>>,
    /// Its memory cgroup; `None` before it was read.
    pub cgroup: Option<CgroupPath>,
    /// Import path of the package under test, when this is a Go test binary.
    pub test_package: Option<Box<str>>,
}

/// One process. `UNKNOWN` and `None` are "not read yet" or "unreadable", never zero.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessReport {
    /// Which.
    pub id: ProcessId,
    /// What changes seldom.
    pub identity: Arc<Identity>,
    /// When RSS was last read.
    pub sized_at: Timestamp,
    /// When `status` was last read; zero before the first time.
    pub status_at: Timestamp,
    /// When `smaps_rollup` was last read; zero before the first time.
    pub rollup_at: Timestamp,
    /// Address space.
    pub virtual_size: Bytes,
    /// Resident, by statm.
    pub rss: MaybeKib,
    /// Resident and anonymous: statm's resident minus shared.
    pub rss_anon: MaybeKib,
    /// RssFile of status.
    pub rss_file: MaybeKib,
    /// RssShmem of status.
    pub rss_shmem: MaybeKib,
    /// VmSwap.
    pub swap: MaybeKib,
    /// VmPTE (and VmPMD).
    pub page_tables: MaybeKib,
    /// VmHWM, or the highest RSS that we saw when that is higher.
    pub peak_rss: MaybeKib,
    /// HugetlbPages: not in RSS.
    pub hugetlb: MaybeKib,
    /// Pss of smaps_rollup.
    pub pss: MaybeKib,
    /// Private_* of smaps_rollup.
    pub uss: MaybeKib,
    /// SwapPss of smaps_rollup.
    pub swap_pss: MaybeKib,
    /// oom_score_adj.
    pub oom_score_adj: Option<i16>,
    /// The kernel's own score.
    pub oom_score: Option<u16>,
    /// Groups of facts that we have no right to read of it.
    pub denied: FactGroups,
    /// Parent.
    pub parent: Pid,
    /// Threads; 0 before `stat` was read.
    pub threads: u32,
    /// State letter; `?` before `stat` was read.
    pub state: u8,
    /// Slope of RSS over the window; `None` until it is known.
    pub growth: Option<Rate>,
    /// RSS over the window in eight steps of height (0 to 7), oldest first, for the sparkline in its row; 255 is "not
    /// there yet".
    pub trend: [u8; 8],
    /// Position among the victims of its leading domain, from 1; `None` when immune, unranked, or behind the ranked.
    pub risk: Option<u32>,
    /// Why the kernel would not take it, when that is so.
    pub immune: Option<Immune>,
    /// Whether it warns.
    pub warning: WarningState,
}

impl ProcessReport {
    /// A process of which nothing but its identity is known: how the Monitor begins, and tests.
    #[must_use]
    pub fn unread(id: ProcessId) -> Self {
        Self {
            id,
            identity: Arc::default(),
            sized_at: Timestamp(0),
            status_at: Timestamp(0),
            rollup_at: Timestamp(0),
            virtual_size: Bytes(0),
            rss: MaybeKib::UNKNOWN,
            rss_anon: MaybeKib::UNKNOWN,
            rss_file: MaybeKib::UNKNOWN,
            rss_shmem: MaybeKib::UNKNOWN,
            swap: MaybeKib::UNKNOWN,
            page_tables: MaybeKib::UNKNOWN,
            peak_rss: MaybeKib::UNKNOWN,
            hugetlb: MaybeKib::UNKNOWN,
            pss: MaybeKib::UNKNOWN,
            uss: MaybeKib::UNKNOWN,
            swap_pss: MaybeKib::UNKNOWN,
            oom_score_adj: None,
            oom_score: None,
            denied: FactGroups::NONE,
            parent: Pid(0),
            threads: 0,
            state: b'?',
            growth: None,
            trend: [255; 8],
            risk: None,
            immune: None,
            warning: WarningState::Quiet,
        }
    }
}

/// What the early warning of one process says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningState {
    /// Nothing.
    #[default]
    Quiet,
    /// Growth that holds: slope and fit over minutes.
    Leak,
    /// Growth beyond its own baseline (z-score).
    Growing,
    /// Its domain will be full within 60 s at this growth.
    Imminent,
}

/// Which memory is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DomainKind {
    /// The machine: memory and swap.
    Host,
    /// A v1 memory cgroup with a limit of its own.
    CgroupV1,
    /// A v2 memory cgroup with a limit of its own.
    CgroupV2,
}

/// A memory domain: something that can run out, and the processes that the kernel would choose a victim among.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainReport {
    /// What it is.
    pub kind: DomainKind,
    /// Its cgroup; `/` for the host.
    pub path: CgroupPath,
    /// What a person calls it: `this machine`, `docker 4f2a91`, `session-3.scope`.
    pub label: Box<str>,
    /// `memory.max`, `memory.limit_in_bytes`, or MemTotal.
    pub limit: Bytes,
    /// Everything charged to it; for the host MemTotal - MemFree.
    pub usage: Option<Bytes>,
    /// What reclaim cannot give back.
    pub unreclaimable: Option<Bytes>,
    /// limit - unreclaimable; for the host MemAvailable + free swap.
    pub headroom: Option<Bytes>,
    /// usage - inactive_file, as cAdvisor counts.
    pub working_set: Option<Bytes>,
    /// `memory.high`.
    pub high: Option<Bytes>,
    /// PSI of the domain.
    pub pressure: Option<Pressure>,
    /// Slope of the unreclaimable part.
    pub growth: Option<Rate>,
    /// Until headroom is used up at this growth; `None` when it does not grow, or not steadily.
    pub time_left: Option<Duration>,
    /// The whole cgroup dies together (`memory.oom.group`): how many processes.
    pub kill_group: Option<u32>,
    /// Its `oom_kill` counter.
    pub oom_kills: Option<u64>,
    /// Pages against which oom_score_adj is scaled (`totalpages` of mm/oom_kill.c).
    pub total_pages: Pages,
    /// How many processes in scope could be taken: the immune ones are not among them.
    pub candidates: u32,
    /// How many of them are ranked by all parts of their badness, the rest by RSS and adj alone.
    pub ranked: u32,
    /// In the order in which the kernel would take them; at most [`DomainReport::VICTIMS`], then immune ones up to the
    /// same bound.
    pub victims: Vec<Victim>,
    /// Pages between the first and the second.
    pub margin: Option<Pages>,
    /// The first is the first beyond the error of the counters and hidden ties.
    pub certain: bool,
    /// Who else could be first.
    pub tied_with: Vec<ProcessId>,
    /// Why `certain` is false, in words.
    pub doubt: Option<Box<str>>,
    /// What the kernel would do instead of choosing (panic_on_oom, oom_kill_allocating_task, oom_kill_disable).
    pub policy: Option<Box<str>>,
}

impl DomainReport {
    /// How many victims are kept in the report.
    pub const VICTIMS: usize = 64;

    /// Whether the process belongs to it.
    #[must_use]
    pub fn holds(&self, process: &ProcessReport) -> bool {
        self.kind == DomainKind::Host
            || process.identity.cgroup.as_ref().is_some_and(|cgroup| cgroup.is_within(&self.path))
    }

    /// Share of the limit that cannot be reclaimed, 0.0 to about 1.0.
    #[must_use]
    pub fn fullness(&self) -> Option<f64> {
        let headroom = self.headroom?;
        Some(1.0 - headroom.share_of(self.limit)?.min(1.0))
    }
}

/// One candidate of a domain, with the parts of its badness (mm/oom_kill.c oom_badness), in pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// From 1; 0 for immune ones.
    pub rank: u32,
    /// Which.
    pub id: ProcessId,
    /// The sum; may be negative.
    pub badness: i64,
    /// By the counter that this kernel's OOM killer reads; `None` where it could not be read (counted as none).
    pub rss: Option<Pages>,
    /// Swap entries; `None` before `status` was read (counted as none).
    pub swap: Option<Pages>,
    /// Page tables; `None` before `status` was read (counted as none).
    pub page_tables: Option<Pages>,
    /// oom_score_adj x (total / 1000).
    pub adjustment_pages: i64,
    /// oom_score_adj; `None` where it could not be read (counted as 0).
    pub oom_score_adj: Option<i16>,
    /// Why it would not be taken.
    pub immune: Option<Immune>,
}

/// Why the kernel does not take a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Immune {
    /// oom_score_adj is -1000.
    Adjustment,
    /// Number 1 of the machine.
    Init,
    /// The kernel says so itself: its oom_score is 0 (a vfork child, already reaped).
    Kernel,
    /// It is dying already.
    Dying,
}

impl Immune {
    /// In words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Adjustment => "oom_score_adj is -1000",
            Self::Init => "init of the machine",
            Self::Kernel => "the kernel scores it 0: between vfork and exec, or reaped already",
            Self::Dying => "it is dying already",
        }
    }
}

/// What could not be read, summed over processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableReport {
    /// The field, by its JSON name.
    pub field: &'static str,
    /// Why.
    pub reason: Unreadable,
    /// Of how many processes.
    pub count: u32,
    /// The first 20.
    pub pids: Vec<Pid>,
}

impl UnreadableReport {
    /// The field of the kernel's log, which belongs to no process.
    pub const KERNEL_LOG: &'static str = "kernel_log";

    /// The kernel's log cannot be read.
    #[must_use]
    pub const fn kernel_log(reason: Unreadable) -> Self {
        Self { field: Self::KERNEL_LOG, reason, count: 0, pids: Vec::new() }
    }

    /// Why, in words, with what would help.
    #[must_use]
    pub fn reason_in_words(&self) -> &'static str {
        match (self.field, self.reason) {
            (Self::KERNEL_LOG, Unreadable::Denied) => {
                "permission denied (needs root or CAP_SYSLOG while kernel.dmesg_restrict is 1)"
            }
            (Self::KERNEL_LOG, Unreadable::Unsupported) => "there is no /dev/kmsg here",
            (_, reason) => reason.reason(),
        }
    }
}

/// Everything known about one process: made on request for the selected one (`Monitor::detail`).
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessDetail {
    /// Which.
    pub id: ProcessId,
    /// RSS over the history, oldest first, one entry per change.
    pub series: Vec<(Timestamp, Bytes)>,
    /// Its peak and when; from our history.
    pub peak: Option<(Timestamp, Bytes)>,
    /// Slope over the window with the share of the variance it explains (0.0 to 1.0).
    pub slope: Option<(Rate, f64)>,
    /// The leading domain's path and limit.
    pub limit: Option<(Box<str>, Bytes)>,
    /// Until the limit, when it grows steadily.
    pub time_left: Option<Duration>,
    /// What the early warning says, and since when.
    pub warning: (WarningState, Option<Timestamp>),
    /// The z-score of its growth now, once a baseline exists.
    pub z_score: Option<f64>,
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// What the memory is.
    pub mappings: MappingsState,
}

/// Whether the mappings of the selected process are there.
#[derive(Clone, Debug, PartialEq)]
pub enum MappingsState {
    /// Not read yet.
    Waiting,
    /// They cannot be read.
    Unreadable(Unreadable),
    /// As of the last read.
    Known(Arc<MappingsReport>),
}

/// One read of mappings, classified.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingsReport {
    /// The facts.
    pub mappings: Arc<Mappings>,
    /// How long the read took.
    pub took: Duration,
    /// When the next read is due at the soonest (expensive targets are read less often).
    pub next_due: Timestamp,
    /// Sums over all regions.
    pub total: MappingSums,
    /// By class, largest RSS first; classes without regions are absent. Sums equal `total` exactly.
    pub classes: Vec<ClassReport>,
    /// Class of each region of `mappings`, by index; `true`: only probable.
    pub class_of: Vec<(MappingClass, bool)>,
    /// RSS of each region minus that at the mark or first read, by index, in KiB; `None`: the region is new.
    pub change_of: Vec<Option<i64>>,
}

impl MappingsReport {
    /// Regions of a class, largest RSS first.
    #[must_use]
    pub fn regions_of(&self, class: MappingClass) -> Vec<(usize, &Region)> {
        let mut regions: Vec<_> =
            self.mappings.regions.iter().enumerate().filter(|(index, _)| self.class_of[*index].0 == class).collect();
        regions.sort_by_key(|(index, region)| (std::cmp::Reverse(region.rss.get()), *index));
        regions
    }
}

/// Sums over regions. Unknown parts (old kernels) count as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingSums {
    /// Rss.
    pub rss: Bytes,
    /// Pss.
    pub pss: Bytes,
    /// Swap.
    pub swap: Bytes,
    /// SwapPss.
    pub swap_pss: Bytes,
    /// LazyFree: freed, not taken back yet.
    pub lazy_free: Bytes,
    /// Huge pages of the pool: not in Rss.
    pub hugetlb: Bytes,
    /// How many regions.
    pub regions: u32,
}

/// One class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassReport {
    /// Which.
    pub class: MappingClass,
    /// Its sums.
    pub sums: MappingSums,
    /// Regions of it that are only probably of this class.
    pub probable: u32,
    /// RSS minus that at the mark (or the first read), in bytes.
    pub change: i64,
}
