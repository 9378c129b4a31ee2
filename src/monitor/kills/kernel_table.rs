//! The candidates of a kill as the kernel wrote them down when it chose: later than our last look, and what it compared.
//! Refuses a table that is not whole, that is of another limit than the one we know, or in which the victim is not first.

use crate::oom_log::{self, Episode, PageTables};
use crate::units::{Bytes, Pages, ProcessId};

use super::super::badness::{Parts, adjustment_pages, badness};
use super::super::kernel_rules::KernelRules;
use super::super::kill_report::{Candidate, Killed};
use super::super::report::{DomainReport, Immune, Report, Victim};

/// The candidates in the kernel's order, the immune ones last.
pub(super) fn rows(
    episode: &Episode,
    taken: &Killed,
    domain: &DomainReport,
    before: &Report,
) -> Option<Vec<Candidate>> {
    let rules = KernelRules::of(&before.machine);
    let limit = episode.counters.memory.and_then(|memory| memory.limit);
    let is_whole = !episode.mixed && episode.tasks.left_out == 0 && !episode.allocating_task;
    // Who had CAP_SYS_ADMIN is not in the table.
    if !is_whole || rules.root_bonus || limit.is_some_and(|limit| limit != domain.limit) {
        return None;
    }
    let row = |candidate: &oom_log::Candidate| {
        let id = if taken.is_of_host {
            only_one_called(candidate.name.as_bytes(), episode, domain, before)
        } else {
            before.processes.iter().find(|row| row.id.pid == candidate.tgid).map(|row| row.id)
        };
        let victim = victim(candidate, domain.total_pages, before.machine.page_size, &rules)?;
        let name = candidate.name.as_bytes().into();
        Some(Candidate { who: Killed { id, pid: candidate.tgid, is_of_host: taken.is_of_host, name }, victim })
    };
    let mut rows: Vec<_> = episode.tasks.rows.iter().map(row).collect::<Option<_>>()?;
    rows.sort_by_key(|row| (row.victim.immune.is_some(), std::cmp::Reverse(row.victim.badness)));
    for (rank, row) in (1..).zip(&mut rows) {
        row.victim.rank = if row.victim.immune.is_none() { rank } else { 0 };
    }
    let is_first = rows.first().is_some_and(|first| first.who.pid == taken.pid && first.victim.immune.is_none());
    is_first.then_some(rows)
}

/// Where the table has other numbers than we: the only one of this name, in the table and in our ranking.
fn only_one_called(name: &[u8], episode: &Episode, domain: &DomainReport, before: &Report) -> Option<ProcessId> {
    let told = episode.tasks.rows.iter().filter(|row| row.name.as_bytes() == name).count();
    let rows = domain.victims.iter().filter_map(|victim| before.process(victim.id));
    let mut named = rows.filter(|row| *row.identity.name == *name);
    named.next().filter(|_| told == 1 && named.next().is_none()).map(|row| row.id)
}

fn victim(candidate: &oom_log::Candidate, total: Pages, page_size: Bytes, rules: &KernelRules) -> Option<Victim> {
    let page_tables = match candidate.page_tables {
        PageTables::Unknown => return None,
        PageTables::Pages(pages) => pages,
        PageTables::Bytes(bytes) => Pages(bytes.0 / page_size.0.max(1)),
    };
    let (rss, swap, adj) = (candidate.rss, candidate.swap?, candidate.oom_score_adj?);
    let parts = Parts { rss, swap, page_tables, adj, administrator: false };
    Some(Victim {
        rank: 0,
        // Only the number is told; who it is stands beside it.
        id: ProcessId::new(candidate.tgid.0, 0),
        badness: badness(&parts, total, rules),
        rss: Some(rss),
        swap: Some(swap),
        page_tables: Some(page_tables),
        adjustment_pages: adjustment_pages(adj, total),
        oom_score_adj: Some(adj),
        immune: (adj == -1000).then_some(Immune::Adjustment),
    })
}
