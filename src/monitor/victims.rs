//! Who dies, in which order, and why: the answers that the screen, the editor's preview and the JSON give in the same
//! words. Pure functions of a domain's report. Refuses to rank from raw facts: that is `ranking`.

use crate::units::{Bytes, Pages, ProcessId};

use super::badness::adjustment_pages;
use super::kernel_rules::KernelRules;
use super::report::{DomainKind, DomainReport, Immune, ProcessReport, Victim};

/// The order as it would be if this process had this oom_score_adj. A process that is not among the report's victims
/// changes nothing: see [`with_candidate`].
#[must_use]
pub fn with_adjustment(domain: &DomainReport, id: ProcessId, adj: i16) -> Vec<Victim> {
    match domain.victims.iter().find(|victim| victim.id == id) {
        Some(victim) => with_candidate(domain, victim, adj),
        None => domain.victims.clone(),
    }
}

/// The order as it would be with this candidate in it, at this oom_score_adj.
#[must_use]
pub fn with_candidate(domain: &DomainReport, candidate: &Victim, adj: i16) -> Vec<Victim> {
    let mut changed = candidate.clone();
    changed.badness = badness_at(domain.total_pages, candidate, adj);
    changed.oom_score_adj = Some(adj);
    changed.adjustment_pages = adjustment_pages(adj, domain.total_pages);
    changed.immune = match candidate.immune {
        None | Some(Immune::Adjustment) => (adj == -1000).then_some(Immune::Adjustment),
        other => other,
    };
    let mut order: Vec<_> = domain.victims.iter().filter(|victim| victim.id != candidate.id).cloned().collect();
    // Among equals it comes behind: nothing is promised that a tie could break.
    order.push(changed);
    order.sort_by_key(|victim| (victim.immune.is_some(), std::cmp::Reverse(victim.badness)));
    let mut rank = 0;
    for victim in &mut order {
        rank += u32::from(victim.immune.is_none());
        victim.rank = if victim.immune.is_none() { rank } else { 0 };
    }
    order
}

/// A process as a candidate of a domain, from its row: for those that are too far behind to stand in the report.
#[must_use]
pub fn candidate(process: &ProcessReport, domain: &DomainReport, rules: &KernelRules) -> Victim {
    let pages = |size: crate::units::MaybeKib| size.get().map(|size| rules.pages(size));
    let (rss, swap, page_tables) = (pages(process.rss), pages(process.swap), pages(process.page_tables));
    let adjustment = adjustment_pages(process.oom_score_adj.unwrap_or(0), domain.total_pages);
    let held = rss.unwrap_or_default().0 + swap.unwrap_or_default().0 + page_tables.unwrap_or_default().0;
    Victim {
        rank: 0,
        id: process.id,
        badness: i64::try_from(held).unwrap_or(i64::MAX).saturating_add(adjustment),
        rss,
        swap,
        page_tables,
        adjustment_pages: adjustment,
        oom_score_adj: process.oom_score_adj,
        immune: process.immune,
    }
}

/// At which oom_score_adj, going down from where it is, the first would no longer be first. `None` when it is not the
/// first, or when nobody else could be.
#[must_use]
pub fn stops_being_first_at(domain: &DomainReport, id: ProcessId) -> Option<i16> {
    let first = domain.victims.first().filter(|first| first.id == id && first.immune.is_none())?;
    let second = domain.victims.get(1).filter(|second| second.immune.is_none())?;
    falls_behind_at(domain.total_pages, first, second)
}

/// At which oom_score_adj, going down from where it is, `first` would be behind `other` in a domain of so many pages.
#[must_use]
pub fn falls_behind_at(total: Pages, first: &Victim, other: &Victim) -> Option<i16> {
    // -1000 is not a number but an exemption: it always works.
    let behind = |adj: i16| adj == -1000 || badness_at(total, first, adj) < other.badness;
    (-1000..first.oom_score_adj?).rev().find(|adj| behind(*adj))
}

/// At which oom_score_adj, going up from where it is, it would be the first; `None` when it is already, or cannot be.
#[must_use]
pub fn becomes_first_at(domain: &DomainReport, candidate: &Victim) -> Option<i16> {
    let first = domain.victims.first().filter(|first| first.immune.is_none())?;
    let possible = matches!(candidate.immune, None | Some(Immune::Adjustment));
    if first.id == candidate.id || !possible {
        return None;
    }
    (candidate.oom_score_adj? + 1..=1000).find(|adj| badness_at(domain.total_pages, candidate, *adj) > first.badness)
}

/// How much more it can hold before it becomes the first; `None` when it is already, or is immune.
#[must_use]
pub fn grows_until_first(domain: &DomainReport, candidate: &Victim, page_size: Bytes) -> Option<Bytes> {
    let first = domain.victims.first().filter(|first| first.immune.is_none())?;
    if first.id == candidate.id || candidate.immune.is_some() {
        return None;
    }
    let pages = u64::try_from(first.badness.saturating_sub(candidate.badness)).ok()?;
    Some(Pages(pages.saturating_add(1)).bytes(page_size))
}

fn badness_at(total: Pages, victim: &Victim, adj: i16) -> i64 {
    // What remains without the adjustment has the bonus of old kernels in it; a sum that was raised to one has not.
    let held =
        victim.rss.unwrap_or_default().0 + victim.swap.unwrap_or_default().0 + victim.page_tables.unwrap_or_default().0;
    let plain = victim.badness.saturating_sub(victim.adjustment_pages).min(i64::try_from(held).unwrap_or(i64::MAX));
    plain.saturating_add(adjustment_pages(adj, total))
}

/// The parts of a place, in words: `1st of 14: 812M RSS + 3.00M page tables + 0 swap, adj +300 counts as 307M of this
/// 1.00G cgroup`.
#[must_use]
pub fn explain(victim: &Victim, domain: &DomainReport, page_size: Bytes) -> String {
    let size =
        |pages: Option<Pages>| pages.map_or_else(|| "unknown".to_owned(), |pages| pages.bytes(page_size).to_string());
    let place = match victim.immune {
        Some(immune) => format!("safe ({})", immune.reason()),
        None if victim.rank == 0 => "not among the first".to_owned(),
        None => format!("{} of {}", ordinal(victim.rank), domain.candidates),
    };
    let holds =
        format!("{} RSS + {} page tables + {} swap", size(victim.rss), size(victim.page_tables), size(victim.swap));
    let of = match domain.kind {
        DomainKind::Host => "machine",
        DomainKind::CgroupV1 | DomainKind::CgroupV2 => "cgroup",
    };
    let counts = Pages(victim.adjustment_pages.unsigned_abs()).bytes(page_size);
    let sign = if victim.adjustment_pages < 0 { "-" } else { "" };
    let adj = match victim.oom_score_adj {
        None => "adj unknown".to_owned(),
        Some(0) => "adj 0".to_owned(),
        Some(-1000) => "adj -1000 exempts it".to_owned(),
        Some(adj) if victim.adjustment_pages == 0 => {
            format!("adj {adj:+} counts for nothing: this {} {of} is too small", domain.limit)
        }
        Some(adj) => format!("adj {adj:+} counts as {sign}{counts} of this {} {of}", domain.limit),
    };
    format!("{place}: {holds}, {adj}")
}

/// `1st`, `2nd`, `13th`.
#[must_use]
pub fn ordinal(rank: u32) -> String {
    let ending = match (rank % 10, rank % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{rank}{ending}")
}
