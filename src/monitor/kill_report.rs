//! One kill by the kernel's OOM killer, as far as its witnesses tell: who, in which domain, why that one, what it had
//! been doing, and how it is known. Refuses to call certain what only counters and a disappearance say.

use std::fmt;
use std::sync::Arc;

use crate::golang::advice::Advice;
use crate::snapshot::process::CgroupPath;
use crate::text::printable;
use crate::units::{Bytes, Pid, ProcessId, Rate, Timestamp, WallTime};

use super::report::{ProcessDetail, Victim};

/// One kill.
#[derive(Clone, Debug, PartialEq)]
pub struct KillReport {
    /// Counts kills from 1, in the order in which they became known.
    pub number: u64,
    /// When the pass that noticed it ended.
    pub at: Timestamp,
    /// The time of day then.
    pub wall: WallTime,
    /// Who died; `None`: a counter says that somebody did, and nobody that we knew is gone.
    pub victim: Option<Killed>,
    /// How sure it is that this one was it.
    pub confidence: Confidence,
    /// How many others vanished in the same moment and might be it.
    pub others: u32,
    /// The memory that ran out, where it is known.
    pub domain: Option<KillDomain>,
    /// What it held.
    pub held: Option<Held>,
    /// Who asked for the memory that was not there: name and number, from the log.
    pub invoker: Option<(Box<[u8]>, Option<Pid>)>,
    /// The candidates of the domain in the kernel's order; at most [`KillReport::CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// Where that table is from.
    pub ranked_by: RankedBy,
    /// How many there were that could be taken.
    pub candidate_count: u32,
    /// Somebody who is not in that table may have been hidden from us.
    pub others_hidden: bool,
    /// Why this one, in words, by that table.
    pub why: Option<Box<str>>,
    /// Who died with it because all of a cgroup dies together.
    pub group: Option<KillGroup>,
    /// What would have let it live, by the same table.
    pub spared: Option<Spared>,
    /// What we knew of it at the last look: its history, slope, peak and limit.
    pub history: Option<Arc<ProcessDetail>>,
    /// How fast it grew at the end.
    pub growth: Option<Rate>,
    /// Since when it was warned of.
    pub alarmed: Option<Timestamp>,
    /// Usage of the domain in the report before and in the one after it was gone.
    pub usage: Option<(Bytes, Option<Bytes>)>,
    /// What says so.
    pub evidence: Vec<Evidence>,
}

/// Who died, or might have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Which process of ours it was; `None`: it came and went between two passes, or cannot be told from others of its name.
    pub id: Option<ProcessId>,
    /// Its number, as the witness tells it.
    pub pid: Pid,
    /// That number is of the machine's first PID namespace, in which the kernel's log speaks, and we are in another.
    pub is_of_host: bool,
    /// Its name, any bytes.
    pub name: Box<[u8]>,
}

impl Killed {
    /// Its number here, where that is known; else as the witness tells it.
    #[must_use]
    pub fn number(&self) -> Pid {
        self.id.map_or(self.pid, |id| id.pid)
    }

    /// Whether both are the same process. Of one whose number here is not known the name decides.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        if self.is_of_host == other.is_of_host {
            return self.id.zip(other.id).map_or(self.pid == other.pid, |(own, other)| own == other);
        }
        let (of_host, ours) = if self.is_of_host { (self, other) } else { (other, self) };
        of_host.id.map_or(of_host.name == ours.name, |id| Some(id) == ours.id)
    }
}

/// `a.test 30987`: its name, made safe to show, and its number; `a.test (30987 on the host)` where that is not ours.
impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = (printable(&self.name), self.number());
        if self.is_of_host && self.id.is_none() {
            write!(f, "{name} ({number} on the host)")
        } else {
            write!(f, "{name} {number}")
        }
    }
}

/// All of a cgroup that was killed together: `memory.oom.group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillGroup {
    /// The cgroup that says so.
    pub path: CgroupPath,
    /// Who else of it died, in the order in which it became known; at most [`KillGroup::MEMBERS`].
    pub members: Vec<Killed>,
    /// How many died at least, the chosen one among them: by the witness who knows of the most.
    pub count: u32,
}

impl KillGroup {
    /// How many members are kept.
    pub const MEMBERS: usize = 64;

    /// Whether this one is known to have died with the victim.
    #[must_use]
    pub fn has(&self, other: &Killed) -> bool {
        self.members.iter().any(|member| member.is(other))
    }
}

/// What would have let a victim live, had all others been as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// This oom_score_adj, or any below.
    pub adjustment: Option<i16>,
    /// So much less of it; `None`: nobody else is known who could be taken.
    pub less: Option<Bytes>,
    /// Who would have been taken instead, unless it is one that is hidden from us ([`KillReport::others_hidden`]).
    pub instead: Option<Killed>,
    /// What would have put it off for everybody.
    pub all: AllSpared,
}

/// What would have put off that anybody is killed; that nobody would have been is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllSpared {
    /// So much more of a limit, or on a machine of memory, for each minute at the last growth of the domain; `None`: it did
    /// not grow, or that is not known.
    pub per_minute: Option<Bytes>,
    /// What a Go program should have been started with.
    pub go: Option<Advice>,
}

/// How sure something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Counters, and more than one that may have been it.
    Guess,
    /// The only one that fits is gone: to the counters, or to a name in a log that has other numbers than ours.
    Likely,
    /// The kernel named it, by its number here or as one that is not of ours.
    Certain,
}

impl Confidence {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// The memory that ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillDomain {
    /// What a person calls it.
    pub label: Box<str>,
    /// Its cgroup, any bytes; `/` for the machine.
    pub path: Box<[u8]>,
    /// The whole machine ran out.
    pub is_host: bool,
    /// Its limit.
    pub limit: Option<Bytes>,
    /// The kernel's log names it; else it is concluded from whose limit was hit, or which is the tightest.
    pub is_told: bool,
}

/// What the victim held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// In RAM.
    pub rss: Bytes,
    /// In page tables.
    pub page_tables: Option<Bytes>,
    /// In swap, at our last look.
    pub swap: Option<Bytes>,
    /// As the kernel's log says; else at our last look.
    pub is_told: bool,
}

/// A candidate at that moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub who: Killed,
    /// Its place and the parts of its badness. Who it is stands beside it: of the kernel's own table this has the number only.
    pub victim: Victim,
}

/// Where a table of candidates is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankedBy {
    /// From our last look, then.
    LastLook(Timestamp),
    /// From the kernel's log: what it compared.
    KernelLog,
}

/// What says that there was a kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The kernel's own record.
    KernelLog {
        /// Its number.
        sequence: u64,
        /// Its text, made safe to show.
        text: Box<str>,
    },
    /// `oom_kill` of a cgroup.
    Cgroup {
        /// Which, made safe to show.
        path: Box<str>,
        /// Before.
        from: u64,
        /// After.
        to: u64,
    },
    /// `oom_kill` of `/proc/vmstat`.
    Machine {
        /// Before.
        from: u64,
        /// After.
        to: u64,
    },
    /// It was in `/proc`, and then it was not (or was dead and not yet reaped).
    Gone {
        /// The last pass that saw it.
        after: Timestamp,
        /// The first that did not.
        by: Timestamp,
    },
}

impl Evidence {
    /// The order in which they are told: the strongest first.
    #[must_use]
    pub const fn order(&self) -> u8 {
        match self {
            Self::KernelLog { .. } => 0,
            Self::Cgroup { .. } => 1,
            Self::Machine { .. } => 2,
            Self::Gone { .. } => 3,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelLog { sequence, text } => write!(f, "kernel log, record {sequence}: {text}"),
            Self::Cgroup { path, from, to } => write!(f, "oom_kill of {path}: {from} -> {to}"),
            Self::Machine { from, to } => write!(f, "oom_kill of /proc/vmstat: {from} -> {to}"),
            Self::Gone { after, by } => {
                write!(f, "it was in /proc, and gone {:.1}s later", by.since(*after).as_secs_f64())
            }
        }
    }
}

impl KillReport {
    /// How many candidates are kept.
    pub const CANDIDATES: usize = 16;

    /// A kill of which nothing is known yet.
    #[must_use]
    pub fn unknown(number: u64, at: Timestamp, wall: WallTime) -> Self {
        Self {
            number,
            at,
            wall,
            victim: None,
            confidence: Confidence::Guess,
            others: 0,
            domain: None,
            held: None,
            invoker: None,
            candidates: Vec::new(),
            ranked_by: RankedBy::LastLook(at),
            candidate_count: 0,
            others_hidden: false,
            why: None,
            group: None,
            spared: None,
            history: None,
            growth: None,
            alarmed: None,
            usage: None,
            evidence: Vec::new(),
        }
    }

    /// The machine's log tells of it in a container, and nothing that is seen here is of it.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        let is_counted = || self.evidence.iter().any(|evidence| matches!(evidence, Evidence::Cgroup { .. }));
        self.victim.as_ref().is_some_and(|victim| victim.is_of_host && victim.id.is_none()) && !is_counted()
    }

    /// `41m ago`: as fine as a person asks, so that it does not tick for hours.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> String {
        let seconds = now.since(self.at).as_secs();
        match seconds {
            0..60 => format!("{seconds}s ago"),
            60..3_600 => format!("{}m ago", seconds / 60),
            3_600..172_800 => format!("{}h {}m ago", seconds / 3_600, seconds % 3_600 / 60),
            _ => format!("{}d ago", seconds / 86_400),
        }
    }

    /// Who died with the victim, in words: `3 others of /web`.
    #[must_use]
    pub fn together(&self) -> Option<String> {
        let group = self.group.as_ref().filter(|group| group.count > 1)?;
        let others = if group.count == 2 { "1 other".to_owned() } else { format!("{} others", group.count - 1) };
        Some(format!("{others} of {}", printable(&group.path.0)))
    }

    /// By what, where there is little room, the number before the name: `at 512M of docker 4f2a91`.
    #[must_use]
    pub fn cause_in_short(&self) -> String {
        let Some(domain) = &self.domain else { return "at an unknown limit".into() };
        if domain.is_host {
            return "machine out of memory".into();
        }
        let limit = domain.limit.map_or_else(|| "the limit".to_owned(), |limit| limit.to_string());
        format!("at {limit} of {}", printable(domain.label.as_bytes()))
    }

    /// By what, in words: `by the limit of docker 4f2a91 (512M)`.
    #[must_use]
    pub fn cause(&self) -> String {
        let Some(domain) = &self.domain else { return "at an unknown limit".into() };
        let probably = if domain.is_told { "" } else { "probably " };
        if domain.is_host {
            return format!("{probably}when the machine ran out of memory");
        }
        let limit = domain.limit.map_or_else(String::new, |limit| format!(" ({limit})"));
        format!("{probably}at the limit of {}{limit}", printable(domain.label.as_bytes()))
    }
}
