//! What is concluded of a memory domain: how full it is, and whom the kernel would take in it, in which order, by which
//! parts of its formula. Refuses to choose among domains: they stand in the report by headroom.

use std::time::Duration;

use crate::snapshot::process::CgroupPath;
use crate::snapshot::system::Pressure;
use crate::units::{Bytes, Pages, ProcessId, Rate};

use super::super::label::label;
use super::ProcessReport;

/// How near a domain is to its limit: by what in it cannot be reclaimed, or by the time that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Far.
    #[default]
    Calm,
    /// Worth a look.
    Elevated,
    /// Little is left.
    High,
    /// About to be full.
    Critical,
}

impl Level {
    /// In one word, as in the JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
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
    /// What a person calls it: `this machine`, `this container`, `docker 4f2a91`, `session-3.scope`.
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
    /// What of it is in swap.
    pub swap_usage: Option<Bytes>,
    /// What of it could still go to swap.
    pub swap_room: Option<Bytes>,
    /// The smallest limit of all above it that are seen, its own and the machine among them: no process in it can hold
    /// more.
    pub smallest_limit: Bytes,
    /// There are cgroups above whose limits are not seen from here, and may be smaller: what is mounted begins below the
    /// machine's root, and v2 tells nothing of what is further up.
    pub limits_above_unseen: bool,
    /// `memory.high`.
    pub high: Option<Bytes>,
    /// PSI of the domain.
    pub pressure: Option<Pressure>,
    /// Slope of the unreclaimable part, without what oomtop itself holds.
    pub growth: Option<Rate>,
    /// Until headroom is used up at this growth; `None` when it does not grow, or not steadily.
    pub time_left: Option<Duration>,
    /// How near the limit is.
    pub level: Level,
    /// The whole cgroup dies together (`memory.oom.group`): how many processes.
    pub kill_group: Option<u32>,
    /// What comes back when they do: anonymous memory of all of them; `None` where one of them cannot be seen.
    pub kill_group_frees: Option<Bytes>,
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
    /// How long ago the oom_score_adj of anybody in it was read, at the most: anybody else may change it at any time, and
    /// nothing tells. `None` where none is known.
    pub adjustments_age: Option<Duration>,
    /// The first is the first beyond the error of the counters and hidden ties, by oom_score_adj of at most
    /// [`DomainReport::ADJUSTMENTS_HOLD`] ago.
    pub certain: bool,
    /// Who else could be first.
    pub tied_with: Vec<ProcessId>,
    /// Why `certain` is false, in words.
    pub doubt: Option<Box<str>>,
    /// Somebody in it may be hidden from here, and be first.
    pub hides: bool,
    /// What the kernel would do instead of choosing (panic_on_oom, oom_kill_allocating_task, oom_kill_disable).
    pub policy: Option<Box<str>>,
}

impl DomainReport {
    /// How many victims are kept in the report.
    pub const VICTIMS: usize = 64;

    /// How long an oom_score_adj that was read is taken for the one that is.
    pub const ADJUSTMENTS_HOLD: Duration = Duration::from_secs(60);

    /// A domain of which only the name is known.
    #[must_use]
    pub fn unranked(kind: DomainKind, path: CgroupPath) -> Self {
        let name = match kind {
            DomainKind::Host => "this machine".into(),
            // The root of the machine has no limit: it is that of our namespace.
            DomainKind::CgroupV1 | DomainKind::CgroupV2 if *path.0 == *b"/" => "this container".into(),
            DomainKind::CgroupV1 | DomainKind::CgroupV2 => label(&path.0).into(),
        };
        Self {
            kind,
            path,
            label: name,
            limit: Bytes(0),
            usage: None,
            unreclaimable: None,
            headroom: None,
            working_set: None,
            swap_usage: None,
            swap_room: None,
            smallest_limit: Bytes(0),
            limits_above_unseen: false,
            high: None,
            pressure: None,
            growth: None,
            time_left: None,
            level: Level::Calm,
            kill_group: None,
            kill_group_frees: None,
            oom_kills: None,
            total_pages: Pages(0),
            candidates: 0,
            ranked: 0,
            victims: Vec::new(),
            margin: None,
            adjustments_age: None,
            certain: false,
            tied_with: Vec::new(),
            doubt: None,
            hides: false,
            policy: None,
        }
    }

    /// Whether the process belongs to it.
    #[must_use]
    pub fn holds(&self, process: &ProcessReport) -> bool {
        self.kind == DomainKind::Host
            || process.identity.cgroup.as_ref().is_some_and(|cgroup| cgroup.is_within(&self.path))
    }

    /// What reclaim could give back.
    #[must_use]
    pub fn reclaimable(&self) -> Option<Bytes> {
        Some(self.usage?.saturating_sub(self.unreclaimable?))
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
            Self::Kernel => "the kernel scores it 0: between vfork and exec, or already reaped",
            Self::Dying => "it is already dying",
        }
    }
}
