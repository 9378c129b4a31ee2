//! The candidates of a kill as the kernel wrote them down when it chose: later than our last look, and what it compared.
//! Refuses a table that is not whole, that is of another limit than the one we know, or in which the victim is not first.

use crate::oom_log::{Candidate, Episode, PageTables};
use crate::units::{Bytes, Pages, Pid};

use super::super::badness::{Parts, adjustment_pages, badness};
use super::super::kernel_rules::KernelRules;
use super::super::kill_report::Killed;
use super::super::report::{DomainReport, Immune, Report, Victim};

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub who: Killed,
    pub victim: Victim,
}

/// The candidates in the kernel's order, the immune ones last.
pub(super) fn rows(episode: &Episode, taken: Pid, domain: &DomainReport, before: &Report) -> Option<Vec<Row>> {
    let rules = KernelRules::of(&before.machine);
    let limit = episode.counters.memory.and_then(|memory| memory.limit);
    let is_whole = !episode.mixed && episode.tasks.left_out == 0 && !episode.allocating_task;
    // Who had CAP_SYS_ADMIN is not in the table.
    if !is_whole || rules.root_bonus || limit.is_some_and(|limit| limit != domain.limit) {
        return None;
    }
    let ours = before.machine.initial_pid_namespace != Some(false);
    let row = |candidate: &Candidate| {
        let known = before.processes.iter().find(|row| ours && row.id.pid == candidate.tgid).map(|row| row.id);
        let victim = victim(candidate, domain.total_pages, before.machine.page_size, &rules)?;
        let name = candidate.name.as_bytes().into();
        Some(Row { who: Killed { id: known, pid: candidate.tgid, name }, victim })
    };
    let mut rows: Vec<_> = episode.tasks.rows.iter().map(row).collect::<Option<_>>()?;
    rows.sort_by_key(|row| (row.victim.immune.is_some(), std::cmp::Reverse(row.victim.badness)));
    for (rank, row) in (1..).zip(&mut rows) {
        row.victim.rank = if row.victim.immune.is_none() { rank } else { 0 };
    }
    let is_first = rows.first().is_some_and(|first| first.who.pid == taken && first.victim.immune.is_none());
    is_first.then_some(rows)
}

fn victim(candidate: &Candidate, total: Pages, page_size: Bytes, rules: &KernelRules) -> Option<Victim> {
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
        id: crate::units::ProcessId::new(candidate.tgid.0, 0),
        badness: badness(&parts, total, rules),
        rss: Some(rss),
        swap: Some(swap),
        page_tables: Some(page_tables),
        adjustment_pages: adjustment_pages(adj, total),
        oom_score_adj: Some(adj),
        immune: (adj == -1000).then_some(Immune::Adjustment),
    })
}
