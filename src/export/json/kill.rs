//! One element of `kills`: a kill by the OOM killer that was seen while oomtop looked.

use std::borrow::Cow;

use serde::Serialize;

use crate::monitor::kill_report::{Evidence, KillDomain, KillGroup, KillReport, Killed, Spared};

use super::golang::AdviceJson;
use super::{bytes, lossy, per_second, rfc3339};

#[derive(Serialize)]
pub(super) struct KillJson<'a> {
    /// When the sample that noticed it was complete.
    time: Option<String>,
    /// `certain`: the kernel named it; `likely`: the only one that fits the counters, or the name that the log of another
    /// PID namespace has, is gone; `guess`.
    confidence: &'static str,
    /// Null: a counter says that somebody was killed, and nobody that was known is gone.
    victim: Option<KilledJson<'a>>,
    /// How many others vanished in the same moment and might be it.
    others_possible: u32,
    domain: Option<KillDomainJson<'a>>,
    rss_bytes: Option<u64>,
    page_table_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    /// Whether the kernel's log says what it held; else it is from the last look.
    held_by_log: Option<bool>,
    growth_bytes_per_s: Option<i64>,
    asked_by: Option<AskedByJson<'a>>,
    candidates: u32,
    /// Others may have been hidden from here.
    others_hidden: bool,
    why: Option<&'a str>,
    to_have_lived: Option<SparedJson<'a>>,
    /// Who died with it (`memory.oom.group`); null where one was chosen.
    group: Option<GroupJson<'a>>,
    usage_before_bytes: Option<u64>,
    usage_after_bytes: Option<u64>,
    evidence: Vec<EvidenceJson>,
}

impl<'a> KillJson<'a> {
    pub(super) fn new(kill: &'a KillReport) -> Self {
        Self {
            time: rfc3339(kill.wall),
            confidence: kill.confidence.word(),
            victim: kill.victim.as_ref().map(KilledJson::new),
            others_possible: kill.others,
            domain: kill.domain.as_ref().map(KillDomainJson::new),
            rss_bytes: kill.held.map(|held| held.rss.0),
            page_table_bytes: kill.held.and_then(|held| bytes(held.page_tables)),
            swap_bytes: kill.held.and_then(|held| bytes(held.swap)),
            held_by_log: kill.held.map(|held| held.is_told),
            growth_bytes_per_s: per_second(kill.growth),
            asked_by: kill
                .invoker
                .as_ref()
                .map(|(name, pid)| AskedByJson { pid: pid.map(|pid| pid.0), name: lossy(name) }),
            candidates: kill.candidate_count,
            others_hidden: kill.others_hidden,
            why: kill.why.as_deref(),
            to_have_lived: kill.spared.as_ref().map(SparedJson::new),
            group: kill.group.as_ref().map(GroupJson::new),
            usage_before_bytes: kill.usage.map(|(before, _)| before.0),
            usage_after_bytes: kill.usage.and_then(|(_, after)| bytes(after)),
            evidence: kill.evidence.iter().map(EvidenceJson::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct KilledJson<'a> {
    /// Null: the kernel's log has other numbers than this PID namespace, and which one it was here is not known.
    pid: Option<u32>,
    /// Null: it came and went between two samples, or which one it was here is not known.
    start_time_ticks: Option<u64>,
    /// Its number in the kernel's log, where that has others than this PID namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_pid: Option<u32>,
    name: Cow<'a, str>,
}

impl<'a> KilledJson<'a> {
    fn new(killed: &'a Killed) -> Self {
        Self {
            pid: killed.id.map(|id| id.pid).or((!killed.is_of_host).then_some(killed.pid)).map(|pid| pid.0),
            start_time_ticks: killed.id.map(|id| id.start_time.0),
            host_pid: killed.is_of_host.then_some(killed.pid.0),
            name: lossy(&killed.name),
        }
    }
}

#[derive(Serialize)]
struct KillDomainJson<'a> {
    path: Cow<'a, str>,
    kind: &'static str,
    limit_bytes: Option<u64>,
    /// The kernel's log names it; else it is concluded from whose limit was hit, or which is the tightest.
    by_log: bool,
}

impl<'a> KillDomainJson<'a> {
    fn new(domain: &'a KillDomain) -> Self {
        Self {
            path: lossy(&domain.path),
            kind: if domain.is_host { "host" } else { "cgroup" },
            limit_bytes: bytes(domain.limit),
            by_log: domain.is_told,
        }
    }
}

#[derive(Serialize)]
struct AskedByJson<'a> {
    pid: Option<u32>,
    name: Cow<'a, str>,
}

/// What would have let it live, had all others been as they were.
#[derive(Serialize)]
struct SparedJson<'a> {
    /// This value or any below.
    oom_score_adj: Option<i16>,
    /// So much less; null where nobody else is known who could be taken.
    less_bytes: Option<u64>,
    instead: Option<KilledJson<'a>>,
    /// So much more of the limit for each minute at the last growth: then nobody is taken.
    limit_more_bytes_per_minute: Option<u64>,
    /// What a Go program should have been started with.
    go: Option<AdviceJson<'a>>,
}

impl<'a> SparedJson<'a> {
    fn new(spared: &'a Spared) -> Self {
        Self {
            oom_score_adj: spared.adjustment,
            less_bytes: bytes(spared.less),
            instead: spared.instead.as_ref().map(KilledJson::new),
            limit_more_bytes_per_minute: bytes(spared.all.per_minute),
            go: spared.all.go.as_ref().map(AdviceJson::new),
        }
    }
}

#[derive(Serialize)]
struct GroupJson<'a> {
    path: Cow<'a, str>,
    /// How many died at least, the victim among them.
    count: u32,
    members: Vec<KilledJson<'a>>,
}

impl<'a> GroupJson<'a> {
    fn new(group: &'a KillGroup) -> Self {
        Self {
            path: lossy(&group.path.0),
            count: group.count,
            members: group.members.iter().map(KilledJson::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct EvidenceJson {
    source: &'static str,
    text: String,
}

impl EvidenceJson {
    fn new(evidence: &Evidence) -> Self {
        let source = match evidence {
            Evidence::KernelLog { .. } => "kernel_log",
            Evidence::Cgroup { .. } => "cgroup",
            Evidence::Machine { .. } => "vmstat",
            Evidence::Gone { .. } => "disappearance",
        };
        Self { source, text: evidence.to_string() }
    }
}
