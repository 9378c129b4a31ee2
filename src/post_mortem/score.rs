//! What the kernel compared, as far as the log lets it be counted again: oom_badness() (mm/oom_kill.c) over the rows of
//! a dump. Pages of RAM, swap and page tables, and oom_score_adj thousandths of the domain's total. Refuses a number
//! where an addend is missing, and says where one is only assumed.

use crate::monitor::badness::{self, Parts, adjustment_pages};
use crate::monitor::kernel_rules::KernelRules;
use crate::oom_log::{Candidate, Constraint, Counter, Domain, Episode, PageTables};
use crate::snapshot::system::Machine;
use crate::units::{Bytes, Pages};

/// The page size that nearly every machine has.
const USUAL_PAGE: Bytes = Bytes(4096);

/// A process with this oom_score_adj is never taken (OOM_SCORE_ADJ_MIN).
const NEVER: i16 = -1000;

/// What a dump was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Size of a page.
    pub page_size: Bytes,
    /// Whether the log shows that size, or it is the usual one.
    pub page_size_is_shown: bool,
    /// What oom_score_adj is thousandths of: RAM and swap of the machine, or the limit of the cgroup with the swap it may
    /// use (constrained_alloc, mem_cgroup_get_max).
    pub total: Option<Pages>,
    /// Whether the log shows all of that total; else the swap that a cgroup might use is taken for none.
    pub total_is_shown: bool,
    /// The rules of the kernel that wrote the log; where it does not say which, those of the newest.
    pub rules: KernelRules,
}

impl Scale {
    /// From what a dump says.
    #[must_use]
    pub fn of(episode: &Episode) -> Self {
        let shown = page_size(episode);
        let page_size = shown.unwrap_or(USUAL_PAGE);
        let pages = |bytes: Bytes| Pages(bytes.0 / page_size.0.max(1));
        let (total, total_is_shown) = match &episode.domain {
            Some(Domain::Cgroup(_)) => match cgroup_total(episode) {
                Some((bytes, is_shown)) => (Some(pages(bytes)), is_shown),
                None => (None, false),
            },
            Some(Domain::Host) => host_total(episode, pages),
            None => (None, false),
        };
        let kernel_release = episode.release.as_deref().unwrap_or_default().into();
        let rules = KernelRules::of(&Machine { kernel_release, page_size, ..Machine::default() });
        Self { page_size, page_size_is_shown: shown.is_some(), total, total_is_shown, rules }
    }

    /// The score of a row, from its parts.
    #[must_use]
    pub fn score(&self, row: &Candidate) -> Score {
        let page_tables = match row.page_tables {
            PageTables::Unknown => None,
            PageTables::Pages(pages) => Some(pages),
            PageTables::Bytes(bytes) => Some(Pages(bytes.0 / self.page_size.0.max(1))),
        };
        let swap = row.swap.unwrap_or_default();
        let parts = Parts {
            rss: row.rss,
            swap,
            page_tables: page_tables.unwrap_or_default(),
            adj: row.oom_score_adj.unwrap_or_default(),
            // Who had CAP_SYS_ADMIN is not in the table.
            administrator: false,
        };
        // Without a total only those with an oom_score_adj of 0 can be scored.
        let total = self.total.or((row.oom_score_adj == Some(0)).then_some(Pages(0)));
        let scored = total.zip(row.oom_score_adj);
        Score {
            held: Pages(row.rss.0.saturating_add(swap.0).saturating_add(parts.page_tables.0)),
            page_tables,
            adj: scored.map(|(total, adj)| adjustment_pages(adj, total)),
            points: scored.map(|(total, _)| badness::badness(&parts, total, &self.rules)),
            is_whole: row.swap.is_some() && page_tables.is_some(),
            is_never_taken: row.oom_score_adj == Some(NEVER),
        }
    }
}

/// A row's badness in pages, from its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// RAM, swap and page tables, as far as the table has them.
    pub held: Pages,
    /// Page tables.
    pub page_tables: Option<Pages>,
    /// What oom_score_adj adds or takes away; `None` where the total is not known.
    pub adj: Option<i64>,
    /// The sum.
    pub points: Option<i64>,
    /// Whether the table has swap and page tables (3.8 and newer).
    pub is_whole: bool,
    /// Its oom_score_adj is -1000.
    pub is_never_taken: bool,
}

/// The size of a page, where a victim's size stands both in the table (pages) and in its own record (kB).
fn page_size(episode: &Episode) -> Option<Bytes> {
    episode.victims.iter().find_map(|victim| {
        let printed = victim.rss()?.0;
        let row = episode.tasks.of(victim.pid)?;
        if row.rss.0 < 64 {
            return None; // so small that a moment's change could pass for another page size
        }
        [4096_u64, 8192, 16384, 65536].map(Bytes).into_iter().find(|size| {
            let by_table = row.rss.bytes(*size).0;
            by_table.abs_diff(printed) <= by_table / 4
        })
    })
}

/// Limit and swap of a cgroup, and whether the log shows all of it.
fn cgroup_total(episode: &Episode) -> Option<(Bytes, bool)> {
    let counters = &episode.counters;
    let limit = counters.memory?.limit?;
    let sum = |room: Bytes| limit.saturating_add(room);
    Some(match (counters.swap, counters.memory_and_swap) {
        (Some(Counter { limit: Some(Bytes(0)), .. }), _) => (limit, true),
        // Swap that is allowed counts only as far as the machine has it, which a cgroup's dump does not say.
        (Some(swap), _) => (sum(swap.usage), false),
        (None, Some(Counter { limit: Some(both), .. })) if both <= limit => (limit, true),
        (None, Some(both)) => {
            let used = counters.memory.map_or(Bytes(0), |memory| both.usage.saturating_sub(memory.usage));
            (sum(used), false)
        }
        (None, None) => (limit, false),
    })
}

/// RAM and swap of the machine; of a constrained OOM, what is present on the nodes that are allowed.
fn host_total(episode: &Episode, pages: impl Fn(Bytes) -> Pages) -> (Option<Pages>, bool) {
    let host = &episode.host;
    let swap = host.swap_total.map(&pages);
    let nodes = match episode.constraint {
        // Before 5.0 no constraint is written: only a policy is seen, by its mask.
        Some(Constraint::MemoryPolicy) | None => episode.nodemask.as_deref(),
        Some(Constraint::Cpuset) => episode.mems_allowed.as_deref(),
        Some(Constraint::None | Constraint::Memcg) => None,
    };
    let ram = match nodes {
        Some(list) => {
            let allowed = host.present.iter().filter(|(node, _)| in_list(list, *node));
            let sum = allowed.fold(Bytes(0), |sum, (_, present)| sum.saturating_add(*present));
            (sum.0 > 0).then(|| pages(sum))
        }
        None => host.usable(),
    };
    let is_shown = swap.is_some() && (nodes.is_some() || host.usable() != host.ram);
    (ram.map(|ram| Pages(ram.0.saturating_add(swap.unwrap_or_default().0))), ram.is_some() && is_shown)
}

/// Whether a list of nodes such as `0-1,4` has `node`.
fn in_list(list: &str, node: u32) -> bool {
    list.split(',').any(|range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        low.parse().is_ok_and(|low: u32| low <= node) && high.parse().is_ok_and(|high: u32| node <= high)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oom_log::Counters;

    fn cgroup(limit_kib: u64, swap: Option<Counter>, both: Option<Counter>) -> Episode {
        let memory = Counter { limit: Some(Bytes::from_kib(limit_kib)), ..Counter::default() };
        Episode {
            domain: Some(Domain::Cgroup(None)),
            counters: Counters { memory: Some(memory), swap, memory_and_swap: both, kernel: None },
            ..Episode::default()
        }
    }

    #[test]
    fn a_cgroups_total_is_certain_only_where_it_may_not_swap() {
        let none = Counter { limit: Some(Bytes(0)), ..Counter::default() };
        let unlimited = Counter::default();
        for (swap, both, shown) in [
            (Some(none), None, true),
            (Some(unlimited), None, false),
            (None, Some(unlimited), false),
            (None, None, false),
        ] {
            let scale = Scale::of(&cgroup(49152, swap, both));
            assert_eq!((scale.total, scale.total_is_shown), (Some(Pages(12288)), shown));
        }
    }

    #[test]
    fn scores_are_the_kernels_own() {
        // 6.18: limit 49152 kB, "adj +100 counts as 1200": 12288 / 1000 = 12, integer division first.
        let scale = Scale::of(&cgroup(49152, Some(Counter { limit: Some(Bytes(0)), ..Counter::default() }), None));
        let row = Candidate {
            rss: Pages(1365),
            page_tables: PageTables::Bytes(Bytes(40960)),
            swap: Some(Pages(5)),
            oom_score_adj: Some(100),
            ..Candidate::default()
        };
        assert_eq!(scale.score(&row).points, Some(1365 + 10 + 5 + 1200));
        let tiny = Scale::of(&cgroup(3584, None, None));
        assert_eq!(tiny.score(&row).points, Some(1380), "below 1000 pages adj counts for nothing");
        let unknown = Scale { total: None, ..scale };
        assert_eq!(unknown.score(&row).points, None);
        assert_eq!(unknown.score(&Candidate { oom_score_adj: Some(0), ..row }).points, Some(1380));
    }

    #[test]
    fn nodes_are_read_from_lists() {
        assert!(in_list("0-1,4", 1) && in_list("0-1,4", 4) && !in_list("0-1,4", 2) && !in_list("", 0));
    }
}
