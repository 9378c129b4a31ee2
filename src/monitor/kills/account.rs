//! What is written down of a kill, by the report just before it: domain, candidates, what the victim held, why it was
//! this one and what would have spared it. Pure functions. Refuses to say who it was; that is `witnesses`.

use std::sync::Arc;

use crate::golang::advice::{self, Advice};
use crate::golang::runtime_memory;
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, Pages, ProcessId, Rate};

use super::super::kill_report::{AllSpared, Candidate, Held, KillDomain, KillReport, Killed, RankedBy, Spared};
use super::super::report::{
    DomainKind, DomainReport, MappingsState, ProcessDetail, ProcessReport, Report, WarningState,
};
use super::super::victims;
use super::witnesses::Counters;
use super::{Open, Scale};

pub(super) fn is_same(domain: &DomainReport, own: &KillDomain) -> bool {
    (domain.kind == DomainKind::Host) == own.is_host && *domain.path.0 == *own.path
}

/// What the last look said of its domain.
pub(super) fn known_domain<'a>(report: &KillReport, before: &'a Report) -> Option<&'a DomainReport> {
    let own = report.domain.as_ref()?;
    before.domains.iter().find(|known| is_same(known, own))
}

/// The counter of this cgroup moved: the domain is probably the lowest above it whose limit was hit, or where that is not
/// counted, the tightest. Where no limit was, the machine ran out, or something above what is seen from here.
pub(super) fn place(open: &mut Open, path: &CgroupPath, counters: &[Counters], before: &Report) {
    open.cgroup = Some(path.clone());
    let was_hit = |domain: &DomainReport| counters.iter().find(|known| known.path == domain.path)?.was_hit();
    let above = limits_above(path, before);
    let hit = above.clone().filter(|domain| was_hit(domain) == Some(true)).max_by_key(|domain| domain.path.0.len());
    match hit.or_else(|| above.clone().find(|domain| was_hit(domain).is_none())) {
        Some(domain) => place_in(open, domain, before),
        None => place_on_machine(open, before),
    }
}

/// The machine ran out, where nothing above is hidden from here.
pub(super) fn place_on_machine(open: &mut Open, before: &Report) {
    let host = before.host().filter(|_| before.machine.initial_cgroup_namespace != Some(false));
    if let Some(host) = host {
        place_in(open, host, before);
    }
}

fn place_in(open: &mut Open, domain: &DomainReport, before: &Report) {
    open.report.domain = Some(named(domain));
    remember_candidates(open, Some(domain), before);
}

/// The domains of the cgroups that hold this one, the tightest first.
fn limits_above<'a>(path: &'a CgroupPath, before: &'a Report) -> impl Iterator<Item = &'a DomainReport> + Clone {
    before.domains.iter().filter(|domain| domain.kind != DomainKind::Host && path.is_within(&domain.path))
}

/// Whether no cgroup with a limit holds it.
pub(super) fn is_unlimited(row: &ProcessReport, before: &Report) -> bool {
    row.identity.cgroup.as_ref().is_some_and(|path| limits_above(path, before).next().is_none())
}

pub(super) fn named(domain: &DomainReport) -> KillDomain {
    KillDomain {
        label: domain.label.clone(),
        path: (*domain.path.0).into(),
        is_host: domain.kind == DomainKind::Host,
        limit: Some(domain.limit),
        is_told: false,
    }
}

pub(super) fn the_machine() -> KillDomain {
    KillDomain { label: "this machine".into(), path: (*b"/").into(), is_host: true, limit: None, is_told: true }
}

pub(super) fn remember_candidates(open: &mut Open, domain: Option<&DomainReport>, before: &Report) {
    let Some(domain) = domain else { return };
    let page_size = before.machine.page_size;
    open.scale = Some(Scale { total: domain.total_pages, page_size, growth: domain.growth, interval: before.interval });
    let report = &mut open.report;
    let name = |id| before.process(id).map(|row| row.identity.name.clone()).unwrap_or_default();
    let who = |id: ProcessId| Killed { id: Some(id), pid: id.pid, is_of_host: false, name: name(id) };
    let first = domain.victims.iter().take(KillReport::CANDIDATES);
    report.candidates = first.map(|victim| Candidate { who: who(victim.id), victim: victim.clone() }).collect();
    report.ranked_by = RankedBy::LastLook(before.time);
    report.candidate_count = domain.candidates;
    report.others_hidden = domain.hides;
    report.usage = domain.usage.map(|usage| (usage, None));
}

/// What we knew of it at the last look.
pub(super) fn remember_victim(report: &mut KillReport, row: &ProcessReport, detail: Option<ProcessDetail>) {
    let rss = row.rss.get().filter(|rss| rss.0 > 0);
    let held = rss.map(|rss| Held { rss, page_tables: row.page_tables.get(), swap: row.swap.get(), is_told: false });
    report.held = report.held.or(held);
    report.growth = row.growth;
    let Some(mut detail) = detail else { return };
    report.growth = detail.slope.map(|(slope, _)| slope).or(report.growth);
    report.alarmed = detail.warning.1;
    detail.ended = Some(report.at);
    detail.time_left = None;
    detail.warning = (WarningState::Quiet, None);
    // Thirty-two kills with all their mappings would be most of what we weigh.
    detail.mappings = MappingsState::Waiting;
    report.history = Some(Arc::new(detail));
}

/// Whether this candidate is the victim.
fn is_victim(report: &KillReport, candidate: &Candidate) -> bool {
    report.victim.as_ref().is_some_and(|own| own.is(&candidate.who))
}

/// Why this one, by the table that was kept.
pub(super) fn explain(report: &mut KillReport, domain: Option<&DomainReport>, before: &Report) {
    let Some(domain) = domain else { return };
    let is_own = |candidate: &&Candidate| is_victim(report, candidate);
    let Some(own) = report.candidates.iter().find(is_own).map(|candidate| &candidate.victim) else { return };
    let page = before.machine.page_size;
    // Who was killed is not counted any more where it is gone already.
    let then = DomainReport { candidates: report.candidate_count, ..domain.clone() };
    let parts = victims::explain(own, &then, page);
    let when = match report.ranked_by {
        RankedBy::KernelLog => "by the kernel's own table".to_owned(),
        RankedBy::LastLook(at) => {
            let of = if report.others_hidden { " of those visible from here" } else { "" };
            format!("as sampled {:.1}s before{of}", report.at.since(at).as_secs_f64())
        }
    };
    let other = report.candidates.iter().find(|other| !is_own(other) && other.victim.immune.is_none());
    let why = match other {
        None => format!("{parts} ({when})"),
        Some(Candidate { who, victim: other }) => {
            let apart = Pages(own.badness.abs_diff(other.badness)).bytes(page);
            if own.rank == 1 {
                format!("{parts}; next was {who}, {apart} behind ({when})")
            } else {
                format!("{parts}; when last sampled, {who} was ahead of it by {apart}: they moved since")
            }
        }
    };
    report.why = Some(why.into());
}

/// What would have let the first of the ranking live, had all others been as they were. Who would have died with it in
/// its group is no other.
pub(super) fn spared(report: &KillReport, scale: Scale) -> Option<Spared> {
    let is_own = |candidate: &&Candidate| is_victim(report, candidate);
    let own = &report.candidates.iter().find(is_own)?.victim;
    if own.rank != 1 {
        return None;
    }
    let in_group = |who: &Killed| report.group.as_ref().is_some_and(|group| group.has(who));
    let is_other = |other: &&Candidate| !is_own(other) && other.victim.immune.is_none() && !in_group(&other.who);
    match report.candidates.iter().find(is_other) {
        Some(Candidate { who, victim: other }) => Some(Spared {
            adjustment: victims::falls_behind_at(scale.total, own, other),
            less: Some(Pages(own.badness.abs_diff(other.badness).saturating_add(1)).bytes(scale.page_size)),
            instead: Some(who.clone()),
            all: all_spared(report, scale),
        }),
        // More than are kept: who would have been next is not known.
        None if report.candidate_count as usize > report.candidates.len() => None,
        None => Some(Spared { adjustment: Some(-1000), less: None, instead: None, all: all_spared(report, scale) }),
    }
}

/// What would have put off that anybody is killed.
fn all_spared(report: &KillReport, scale: Scale) -> AllSpared {
    let growth = scale.growth.filter(|_| is_of_that_growth(report, scale));
    let per_second = growth.map(Rate::per_second).filter(|growth| *growth >= 1.0);
    AllSpared { per_minute: per_second.map(|growth| Bytes((growth * 60.0) as u64)), go: of_go(report) }
}

/// Whether a slope says how the victim came by what it held: not where it was hardly seen, or came by half of it at once.
fn is_of_that_growth(report: &KillReport, scale: Scale) -> bool {
    let Some((history, interval)) = report.history.as_ref().zip(scale.interval) else { return true };
    let Some((first, _)) = history.series.first() else { return true };
    // In three looks at least; no pass comes at the very moment.
    let is_known = report.at.since(*first) > interval.mul_f32(2.5);
    let told = report.held.filter(|held| held.is_told).map(|held| held.rss);
    let sizes: Vec<_> = history.series.iter().map(|(_, rss)| *rss).chain(told).collect();
    let jumped = |two: &[Bytes]| two[1].saturating_sub(two[0]).0 > two[1].0 / 2;
    is_known && !sizes.windows(2).any(jumped)
}

/// By what was read of the heap; where nobody had looked at it, what is usual below that limit.
fn of_go(report: &KillReport) -> Option<Advice> {
    let go = report.history.as_ref()?.go.as_ref()?;
    if let Some(judged) = &go.advice {
        return judged.iter().find(|advice| advice.set.as_ref().is_some_and(|line| line.starts_with("GO"))).cloned();
    }
    let limit = report.domain.as_ref().filter(|domain| !domain.is_host)?.limit?;
    let others = report.usage?.0.saturating_sub(report.held?.rss);
    let knows_it = runtime_memory::minor(&go.build.version) >= Some(19);
    let line = advice::usual_memory_limit(limit.saturating_sub(others)).filter(|_| go.read.is_none() && knows_it)?;
    let why = "it is a Go program, and its heap had not been read".into();
    Some(Advice { what: format!("set {line} if the live heap fits below it"), why, set: Some(line) })
}
