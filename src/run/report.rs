//! What is told of a run when it is over, as plain data: the same for text, JSON, Markdown and JUnit. Refuses to be laid
//! out.

use std::borrow::Cow;
use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::snapshot::Unreadable;
use crate::text::{beginning_of, printable};
use crate::units::{Bytes, Pid, ProcessId, Rate, Timestamp, WallTime, counted};

use super::go_held::GoHeld;
use super::per_test::TestMemory;
use super::phase::Phase;
use super::squeeze::Squeeze;
use super::watched::PeakSource;

/// A run, told.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The command as it was given.
    pub command: Vec<Box<[u8]>>,
    /// When it was started.
    pub started: Timestamp,
    /// The time of day then.
    pub wall: WallTime,
    /// How long it ran; where it was watched from outside, how long that was.
    pub took: Duration,
    /// How it ended; `None`: from outside nobody told us.
    pub exit: Option<Exit>,
    /// Why.
    pub verdict: Verdict,
    /// The moment when the tree held the most.
    pub peak: Option<Peak>,
    /// Everybody, those that held the most first.
    pub processes: Vec<ProcessLine>,
    /// How many small ones are not in it.
    pub left_out: u64,
    /// The memory that could run out for it: of the limits above it the tightest, or the machine.
    pub room: Option<Room>,
    /// What was promised not to be exceeded.
    pub budget: Option<Budget>,
    /// What each test did, in the order in which they began; empty where tests were not asked.
    pub tests: Vec<TestMemory>,
    /// What of them could not be told, and why: sentences.
    pub untold: Vec<String>,
    /// What would help.
    pub advice: Vec<Advice>,
    /// What could be seen.
    pub sight: Sight,
}

/// The status of a run whose command did well and held more than it should.
pub const OVER_BUDGET: u8 = 124;

impl RunReport {
    /// The command did well, and held more than it should: that fails the run.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        let is_over = self.budget.as_ref().is_some_and(|budget| !budget.exceeded.is_empty() && !budget.warns_only);
        is_over && self.exit == Some(Exit::Code(0))
    }

    /// The status to end with: that of the command, where it is known, or that it was over budget.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        if self.is_over_budget() { Some(OVER_BUDGET) } else { self.exit.map(Exit::status) }
    }

    /// How it ended, in capitals, as [`Self::status`] says it; with how sure that is.
    #[must_use]
    pub fn headline(&self) -> (&'static str, Confidence) {
        let sure = self.verdict.confidence;
        match (self.exit, self.verdict.kind) {
            _ if self.is_over_budget() => ("OVER BUDGET", self.surety_of_budget()),
            (Some(Exit::Code(0)), VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost) => {
                ("OK, BUT THE OOM KILLER KILLED A PROCESS", sure)
            }
            (_, kind) => (kind.headline(), sure),
        }
    }

    fn surety_of_budget(&self) -> Confidence {
        let is_only_a_sum = |budget: &Budget| budget.is_by_sum && budget.exceeded.len() == 1;
        if self.budget.as_ref().is_some_and(is_only_a_sum) { Confidence::Likely } else { Confidence::Certain }
    }

    /// What the headline says, in one sentence.
    #[must_use]
    pub fn summary(&self) -> Cow<'_, str> {
        match self.budget.as_ref().map(|budget| &budget.exceeded[..]) {
            Some([first, rest @ ..]) if self.is_over_budget() => {
                let more = match rest.len() {
                    0 => String::new(),
                    count => format!("; {} exceeded too", counted(count, ["other budget was", "other budgets were"])),
                };
                let rest = match self.verdict.kind {
                    VerdictKind::Ok => "the command itself succeeded",
                    _ => &self.verdict.summary,
                };
                Cow::Owned(format!("{first}{more}; {rest}"))
            }
            _ => Cow::Borrowed(&self.verdict.summary),
        }
    }

    /// Why the sum of all RSS at the peak can be more than the limit, where it is.
    #[must_use]
    pub fn why_above_the_limit(&self) -> Option<String> {
        let (room, peak) = (self.room.as_ref().filter(|room| room.cgroup.is_some())?, self.peak.as_ref()?);
        (peak.total > room.limit).then(|| {
            format!(
                "above the limit of {}: RSS counts shared pages once per process, and file pages that others had \
                 read, which the cgroup is not charged for",
                room.limit
            )
        })
    }

    /// What of the budget the summary does not say, each with its lead.
    pub fn over_budget(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let lead = match &self.budget {
            Some(budget) if budget.warns_only => "over budget (--warn)",
            _ => "over budget",
        };
        let exceeded = self.budget.iter().flat_map(|budget| &budget.exceeded);
        exceeded.skip(usize::from(self.is_over_budget())).map(move |line| (lead, line.as_str()))
    }
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// From a status of wait(2).
    #[must_use]
    pub const fn of_wait_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Code((status >> 8) & 0xff),
            signal => Self::Signal(signal),
        }
    }

    /// As a shell has it: 128 and the number of the signal.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Code(code) => code as u8,
            Self::Signal(signal) => 128_u8.saturating_add(signal as u8),
        }
    }
}

/// What happened, by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// It did what it should.
    Ok,
    /// It failed by itself.
    Failed,
    /// The kernel's OOM killer took something of it at the limit of a cgroup.
    OomKilledCgroup,
    /// The kernel's OOM killer took something of it because the machine was out of memory.
    OomKilledHost,
    /// A signal that the OOM killer did not send.
    KilledBySignal,
    /// A limit of its own made an allocation fail.
    LimitHit,
    /// It cannot be told.
    Unknown,
}

impl VerdictKind {
    /// As JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::OomKilledCgroup => "oom_killed_cgroup",
            Self::OomKilledHost => "oom_killed_host",
            Self::KilledBySignal => "killed_by_signal",
            Self::LimitHit => "limit_hit",
            Self::Unknown => "unknown",
        }
    }

    /// As a headline has it.
    #[must_use]
    pub const fn headline(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Failed => "FAILED",
            Self::OomKilledCgroup | Self::OomKilledHost => "KILLED BY THE OOM KILLER",
            Self::KilledBySignal => "KILLED BY A SIGNAL",
            Self::LimitHit => "HIT A LIMIT OF ITS OWN",
            Self::Unknown => "ENDED, REASON UNKNOWN",
        }
    }
}

/// Why the run ended as it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// By what.
    pub kind: VerdictKind,
    /// How sure that is.
    pub confidence: Confidence,
    /// In one sentence.
    pub summary: String,
    /// What it held and how it grew, where somebody was taken.
    pub story: Vec<String>,
    /// What says so.
    pub evidence: Vec<Evidence>,
    /// Who was taken or failed.
    pub victim: Option<Victim>,
}

/// One thing that speaks for a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where it stands.
    pub source: &'static str,
    /// What it says.
    pub text: String,
}

/// Who was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// Which: a number is given away again.
    pub id: ProcessId,
    /// Its name, any bytes.
    pub name: Box<[u8]>,
    /// Go package that it worked for.
    pub package: Option<Box<str>>,
    /// The test that ran.
    pub test: Option<Box<str>>,
}

/// When the tree held the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// When; `None` where a process held it between two looks.
    pub at: Option<Timestamp>,
    /// The sum of all RSS, pages of files once for all that execute the same program; what processes share otherwise is
    /// counted for each.
    pub total: Bytes,
    /// Who held how much then, the biggest first: indices into [`RunReport::processes`].
    pub holders: Vec<(usize, Bytes)>,
}

/// One process of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessLine {
    /// Which.
    pub id: ProcessId,
    /// Its parent.
    pub parent: Pid,
    /// Its name, any bytes.
    pub name: Box<[u8]>,
    /// Its command line, arguments separated by blanks.
    pub command: Box<[u8]>,
    /// What it did.
    pub phase: Phase,
    /// For which Go package.
    pub package: Option<Box<str>>,
    /// The file that a linker makes or that a test binary is: its last part.
    pub artifact: Option<Box<str>>,
    /// When it was first seen, since the start of the run.
    pub started: Duration,
    /// When it was gone.
    pub ended: Option<Duration>,
    /// How it ended, where somebody told.
    pub exit: Option<Exit>,
    /// The most it held, and how that is known.
    pub peak: Option<(Bytes, PeakSource)>,
    /// How long and how fast it grew to where it held the most.
    pub growth: Option<(Duration, Rate)>,
    /// It did not grow any more when it ended: it stood at its most.
    pub stood: bool,
    /// Its GOMEMLIMIT, if it is a Go program; `None`: none, or it is not known.
    pub go_memory_limit: Option<Bytes>,
    /// Its GOMEMLIMIT left its collector no room.
    pub squeeze: Option<Squeeze>,
    /// What its Go runtime held, where that was mostly stacks of goroutines.
    pub held_in_stacks: Option<GoHeld>,
}

impl ProcessLine {
    /// What it worked at, for a table: its package, or what it is. Safe to show.
    #[must_use]
    pub fn subject(&self) -> Cow<'_, str> {
        match (&self.package, &self.artifact) {
            (Some(package), _) => printable(package.as_bytes()),
            (None, Some(artifact)) => Cow::Owned(format!("({})", printable(artifact.as_bytes()))),
            (None, None) => Cow::Owned(format!("({})", printable(&self.name))),
        }
    }

    /// How it ended, in a word or two; a dash where nobody told.
    #[must_use]
    pub fn ending(&self) -> Cow<'static, str> {
        match self.exit {
            None => "-".into(),
            Some(Exit::Code(0)) => "0".into(),
            Some(Exit::Code(code)) => format!("status {code}").into(),
            Some(Exit::Signal(9)) => "killed".into(),
            Some(Exit::Signal(signal)) => format!("signal {signal}").into(),
        }
    }
}

/// A moment of a run or a span of it, in every report alike.
#[must_use]
pub fn seconds(span: Duration) -> String {
    if span.as_secs() < 1000 { format!("{:.1}s", span.as_secs_f64()) } else { format!("{}s", span.as_secs()) }
}

/// The memory that could run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The cgroup whose limit it is; `None`: the machine.
    pub cgroup: Option<Box<[u8]>>,
    /// It was made for this run.
    pub is_own: bool,
    /// How much there is.
    pub limit: Bytes,
    /// The most that was used, the page cache with it, where a counter tells it for this run alone.
    pub peak: Option<Bytes>,
    /// tmpfs and shared memory in it at the end.
    pub shmem: Option<Bytes>,
}

/// A budget and how it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// For the tree.
    pub tree: Option<Bytes>,
    /// For each test where those are told, else for each test binary.
    pub per_test: Option<Bytes>,
    /// No process alone and no counter of a cgroup exceeds that of the tree, only the sum of all RSS does: memory that
    /// processes share, after a fork or in one mapping, is in it for each.
    pub is_by_sum: bool,
    /// Who exceeded it: sentences.
    pub exceeded: Vec<String>,
    /// Exceeding it does not fail the run.
    pub warns_only: bool,
}

/// What would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What to do.
    pub what: String,
    /// Why that, in numbers of this run.
    pub why: String,
    /// What to paste into a shell for it; `None` where no command does it.
    pub command: Option<String>,
}

impl Advice {
    /// The command for a terminal: of one that is longer than two wide lines the beginning.
    #[must_use]
    pub fn short_command(&self) -> Option<Cow<'_, str>> {
        self.command.as_deref().map(|command| beginning_of(command, 240, " [..]"))
    }
}

/// From where a run is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vantage {
    /// We started it: nothing of it was before, and its status is ours to take.
    #[default]
    Above,
    /// Somebody else did: what was before is not known, nor its status unless the kernel accounts for it.
    Outside,
}

/// What could be seen of the run, for those who read the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// From where it was watched.
    pub vantage: Vantage,
    /// The kernel log.
    pub kernel_log: Result<(), Unreadable>,
    /// The kernel's records of what ended.
    pub exit_records: Result<(), Unreadable>,
    /// It was asked to tell tests.
    pub tests_asked: bool,
    /// How often was looked.
    pub passes: u64,
    /// CPU time that it took.
    pub own_cpu: Duration,
}
