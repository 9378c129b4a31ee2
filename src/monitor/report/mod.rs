//! What the Monitor concludes: the last known value of every fact with its age, and everything derived from them.
//! Immutable once it is handed out; all that is drawn or exported comes from here. Refuses to hold styles, column
//! widths or sort orders.

mod detail;
mod domain;
mod go;

use std::sync::Arc;
use std::time::Duration;

use super::alarm::AlarmReport;
use super::kill_report::KillReport;
use super::other_killers::KillerReport;
use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::{CgroupPath, Command, Executable};
use crate::snapshot::system::{Machine, System};
use crate::snapshot::{Cost, Unanswered, Unreadable};
use crate::units::{Bytes, MaybeKib, Pid, ProcessId, Rate, Timestamp, WallTime};

pub use detail::{ClassChange, ClassReport, MappingSums, MappingsReport, MappingsState, ProcessDetail, RegionOrder};
pub use domain::{DomainKind, DomainReport, Immune, Level, Victim};
pub use go::{GoPart, GoRead, GoReport};

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
    /// Daemons that kill before the kernel does.
    pub other_killers: Vec<KillerReport>,
    /// OOM kills that we saw, newest last; at most 32.
    pub kills: Vec<Arc<KillReport>>,
    /// What began to warn, newest last; at most 32.
    pub alarms: Vec<Arc<AlarmReport>>,
    /// What could not be read, by field.
    pub unreadable: Vec<UnreadableReport>,
    /// Reads of processes that have not come back.
    pub unanswered: Vec<Unanswered>,
    /// How much is known of what is read within a budget.
    pub coverage: Coverage,
    /// Share of the time in the last ten seconds that went into reads that hold up whom they describe, 0.0 to 1.0.
    pub holding_up: Option<f64>,
    /// What sampling cost, from the last pass.
    pub cost: Cost,
    /// Share of CPU that oomtop took in the last ten seconds, 0.0 to 1.0 per processor.
    pub own_cpu: Option<f64>,
}

impl Report {
    /// The process, if it is still there.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&ProcessReport> {
        let index = self.processes.binary_search_by_key(&id.pid, |process| process.id.pid).ok()?;
        Some(&self.processes[index]).filter(|process| process.id == id)
    }

    /// The domain that leads for this process: of all it is in, the one with the least headroom.
    #[must_use]
    pub fn leading_domain(&self, process: &ProcessReport) -> Option<&DomainReport> {
        self.domains.get(usize::from(process.leading?))
    }

    /// The domain with the least left that somebody lives in: an empty cgroup with a small limit is nobody's trouble.
    #[must_use]
    pub fn tightest(&self) -> Option<&DomainReport> {
        self.domains.iter().find(|domain| domain.candidates > 0).or(self.domains.first())
    }

    /// The domain of the host.
    #[must_use]
    pub fn host(&self) -> Option<&DomainReport> {
        self.domains.iter().find(|domain| domain.kind == DomainKind::Host)
    }
}

/// Of how many processes PSS, USS and SwapPss are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// They are, however old.
    pub known: u32,
    /// They may be read.
    pub readable: u32,
}

impl Coverage {
    /// Adds one process.
    pub(super) fn add(&mut self, process: &ProcessReport) {
        let readable = !process.has_ended() && !process.denied.contains(FactGroups::ROLLUP);
        self.known += u32::from(readable && process.pss.get().is_some());
        self.readable += u32::from(readable);
    }

    /// In whole percent, 100 only where nothing is missing; `None` where nothing may be read.
    #[must_use]
    pub fn percent(self) -> Option<u32> {
        (u64::from(self.known) * 100).checked_div(u64::from(self.readable)).map(|percent| percent as u32)
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
    /// Index of its leading domain in [`Report::domains`]; `None` where no domain is known.
    pub leading: Option<u16>,
    /// Position among the victims of its leading domain, from 1; `None` when immune, unranked, or behind the ranked.
    pub risk: Option<u32>,
    /// Why the kernel would not take it, when that is so.
    pub immune: Option<Immune>,
    /// Whether it warns.
    pub warning: WarningState,
}

impl ProcessReport {
    /// Whether it is over: it only waits for its parent to ask for its exit status. A dead leader whose other threads live on
    /// is in state Z as well (`num_threads` of proc(5) counts them), with all its memory.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }

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
            leading: None,
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
    /// Its domain will be full within a minute (by default) at this growth.
    Imminent,
}

impl WarningState {
    /// In one word, as in the JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Leak => "leak",
            Self::Growing => "growing",
            Self::Imminent => "imminent",
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
        if self.field == Self::KERNEL_LOG { self.reason.reason_of_kernel_log() } else { self.reason.reason() }
    }
}
