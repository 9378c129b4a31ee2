//! One element of `domains`, with its victims.

use std::borrow::Cow;

use serde::Serialize;

use crate::monitor::report::{DomainKind, DomainReport, Immune, Report, Victim};
use crate::units::Pages;

use super::{PressureJson, bytes, lossy, per_second};

#[derive(Serialize)]
pub(super) struct DomainJson<'a> {
    path: Cow<'a, str>,
    kind: &'static str,
    label: &'a str,
    limit_bytes: u64,
    smallest_limit_bytes: u64,
    /// Cgroups above are not seen from here, and may have smaller ones.
    limits_above_unseen: bool,
    high_bytes: Option<u64>,
    usage_bytes: Option<u64>,
    unreclaimable_bytes: Option<u64>,
    reclaimable_bytes: Option<u64>,
    headroom_bytes: Option<u64>,
    working_set_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    swap_room_bytes: Option<u64>,
    pressure: Option<PressureJson>,
    growth_bytes_per_s: Option<i64>,
    seconds_left: Option<u64>,
    level: &'static str,
    /// How many processes die together (`memory.oom.group`); null where one is chosen.
    kills_group: Option<u32>,
    /// What comes back of all of them.
    kills_group_frees_bytes: Option<u64>,
    oom_kills: Option<u64>,
    total_pages: u64,
    candidates: u32,
    /// Of these the victims are weighed by all that the kernel counts, the others by RSS and oom_score_adj alone.
    candidates_ranked: u32,
    margin_pages: Option<u64>,
    /// The oldest oom_score_adj that this order goes by: anybody may change one, and nothing tells.
    adjustments_age_ms: Option<u128>,
    certain: bool,
    doubt: Option<&'a str>,
    policy: Option<&'a str>,
    tied_with: Vec<u32>,
    victims: Vec<VictimJson<'a>>,
}

impl<'a> DomainJson<'a> {
    pub(super) fn new(domain: &'a DomainReport, report: &'a Report) -> Self {
        Self {
            path: lossy(&domain.path.0),
            kind: match domain.kind {
                DomainKind::Host => "host",
                DomainKind::CgroupV1 => "cgroup_v1",
                DomainKind::CgroupV2 => "cgroup_v2",
            },
            label: &domain.label,
            limit_bytes: domain.limit.0,
            smallest_limit_bytes: domain.smallest_limit.0,
            limits_above_unseen: domain.limits_above_unseen,
            high_bytes: bytes(domain.high),
            usage_bytes: bytes(domain.usage),
            unreclaimable_bytes: bytes(domain.unreclaimable),
            reclaimable_bytes: bytes(domain.reclaimable()),
            headroom_bytes: bytes(domain.headroom),
            working_set_bytes: bytes(domain.working_set),
            swap_bytes: bytes(domain.swap_usage),
            swap_room_bytes: bytes(domain.swap_room),
            pressure: domain.pressure.map(PressureJson::new),
            growth_bytes_per_s: per_second(domain.growth),
            seconds_left: domain.time_left.map(|left| left.as_secs()),
            level: domain.level.word(),
            kills_group: domain.kill_group,
            kills_group_frees_bytes: bytes(domain.kill_group_frees),
            oom_kills: domain.oom_kills,
            total_pages: domain.total_pages.0,
            candidates: domain.candidates,
            candidates_ranked: domain.ranked,
            margin_pages: domain.margin.map(|margin| margin.0),
            adjustments_age_ms: domain.adjustments_age.map(|age| age.as_millis()),
            certain: domain.certain,
            doubt: domain.doubt.as_deref(),
            policy: domain.policy.as_deref(),
            tied_with: domain.tied_with.iter().map(|id| id.pid.0).collect(),
            victims: domain.victims.iter().map(|victim| VictimJson::new(victim, report)).collect(),
        }
    }
}

#[derive(Serialize)]
struct VictimJson<'a> {
    /// From 1; null for one that is not taken.
    rank: Option<u32>,
    pid: u32,
    start_time_ticks: u64,
    name: Option<Cow<'a, str>>,
    badness_pages: i64,
    rss_pages: Option<u64>,
    swap_pages: Option<u64>,
    page_table_pages: Option<u64>,
    adj_pages: Option<i64>,
    oom_score_adj: Option<i16>,
    immune: Option<&'static str>,
}

impl<'a> VictimJson<'a> {
    fn new(victim: &Victim, report: &'a Report) -> Self {
        let pages = |pages: Option<Pages>| pages.map(|pages| pages.0);
        Self {
            rank: (victim.rank > 0).then_some(victim.rank),
            pid: victim.id.pid.0,
            start_time_ticks: victim.id.start_time.0,
            name: report.process(victim.id).map(|process| lossy(&process.identity.name)),
            badness_pages: victim.badness,
            rss_pages: pages(victim.rss),
            swap_pages: pages(victim.swap),
            page_table_pages: pages(victim.page_tables),
            adj_pages: victim.oom_score_adj.map(|_| victim.adjustment_pages),
            oom_score_adj: victim.oom_score_adj,
            immune: victim.immune.map(Immune::reason),
        }
    }
}
