//! How bad the kernel finds a process: `oom_badness` of mm/oom_kill.c, in pages, and the score that
//! `/proc/PID/oom_score` makes of it. Pure arithmetic, in the kernel's integers and order. Refuses to say who is
//! eligible: that is `victims`.

use crate::units::Pages;

use super::kernel_rules::{KernelRules, ScoreFormula};

/// What the kernel adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// RSS by the counter that the killer reads.
    pub rss: Pages,
    /// Entries in swap.
    pub swap: Pages,
    /// Page tables of all levels.
    pub page_tables: Pages,
    /// oom_score_adj.
    pub adj: i16,
    /// Has CAP_SYS_ADMIN.
    pub administrator: bool,
}

/// oom_score_adj in pages: the total is divided first, so a total below 1000 pages makes every adj count for nothing.
#[must_use]
pub fn adjustment_pages(adj: i16, total: Pages) -> i64 {
    i64::from(adj).saturating_mul(signed(Pages(total.0 / 1000)))
}

/// The sum by which the kernel chooses, for one that is eligible.
///
/// ```
/// use oomtop::monitor::badness::{Parts, badness};
/// use oomtop::monitor::kernel_rules::KernelRules;
/// use oomtop::snapshot::system::Machine;
/// use oomtop::units::Pages;
///
/// let rules = KernelRules::of(&Machine { kernel_release: "6.18".into(), ..Machine::default() });
/// let parts = Parts { rss: Pages(5000), page_tables: Pages(30), adj: 300, ..Parts::default() };
/// // A cgroup of 1 GiB is 262,144 pages: +300 counts as 300 times 262 of them.
/// assert_eq!(badness(&parts, Pages(262_144), &rules), 5000 + 30 + 300 * 262);
/// ```
#[must_use]
pub fn badness(parts: &Parts, total: Pages, rules: &KernelRules) -> i64 {
    let mut points = signed(parts.rss).saturating_add(signed(parts.swap)).saturating_add(signed(parts.page_tables));
    if rules.root_bonus && parts.administrator {
        points -= points / 100 * 3 + points % 100 * 3 / 100;
    }
    let points = points.saturating_add(adjustment_pages(parts.adj, total));
    if rules.at_least_one { points.max(1) } else { points }
}

/// What `/proc/PID/oom_score` shows for an eligible process of this badness, which must have been counted against
/// memory and swap of the whole machine: the score never knows of cgroups.
#[must_use]
pub fn oom_score(badness: i64, machine_total: Pages, formula: ScoreFormula) -> i64 {
    let share = badness.saturating_mul(1000) / signed(machine_total).max(1);
    match formula {
        ScoreFormula::Share => share,
        ScoreFormula::TwoThirds => share.saturating_add(1000).saturating_mul(2) / 3,
    }
}

fn signed(pages: Pages) -> i64 {
    i64::try_from(pages.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::snapshot::system::Machine;

    use super::*;

    fn rules(release: &str) -> KernelRules {
        KernelRules::of(&Machine { kernel_release: release.into(), ..Machine::default() })
    }

    #[test]
    fn scores_of_the_new_formula_are_those_seen() {
        let total = Pages(6_000_000);
        for (adj, score) in [(0, 666), (-500, 333), (1000, 1333), (-999, 0), (-998, 1)] {
            let idle = badness(&Parts { adj, ..Parts::default() }, total, &rules("6.18"));
            assert_eq!(oom_score(idle, total, ScoreFormula::TwoThirds), score, "{adj}");
        }
        assert_eq!(oom_score(6000, total, ScoreFormula::TwoThirds), 667);
    }

    #[test]
    fn old_kernels_spare_root_and_never_go_below_one() {
        let parts = Parts { rss: Pages(1050), administrator: true, ..Parts::default() };
        assert_eq!(badness(&parts, Pages(100_000), &rules("4.15")), 1050 - 31);
        assert_eq!(badness(&parts, Pages(100_000), &rules("4.18")), 1050);
        let spared = Parts { adj: -900, ..parts };
        assert_eq!(badness(&spared, Pages(100_000), &rules("5.4")), 1);
        assert_eq!(badness(&spared, Pages(100_000), &rules("5.10")), 1050 - 90_000);
    }

    #[test]
    fn below_a_thousand_pages_adj_counts_for_nothing() {
        assert_eq!(adjustment_pages(1000, Pages(999)), 0);
        assert_eq!(adjustment_pages(1000, Pages(1999)), 1000);
        assert_eq!(adjustment_pages(-1000, Pages(262_144)), -262_000);
    }

    /// A total of 0 pages divides by 1: the share is what it is of.
    #[test]
    fn a_score_of_no_memory_at_all_does_not_overflow() {
        for (sum, sign) in [(i64::MAX, 1), (i64::MIN, -1)] {
            assert_eq!(oom_score(sum, Pages(0), ScoreFormula::TwoThirds).signum(), sign);
        }
    }

    proptest! {
        #[test]
        fn more_of_anything_is_never_better(
            rss in 0_u64..1 << 40, swap in 0_u64..1 << 40, tables in 0_u64..1 << 40, adj in -999_i16..1000,
            more in 0_u64..1 << 30, total in 0_u64..1 << 40, administrator: bool,
            release in prop::sample::select(vec!["4.4", "4.18", "5.4", "6.1", "6.18", "7.2"])
        ) {
            let rules = rules(release);
            let (rss, swap, page_tables) = (Pages(rss), Pages(swap), Pages(tables));
            let parts = Parts { rss, swap, page_tables, adj, administrator };
            let before = badness(&parts, Pages(total), &rules);
            for worse in [
                Parts { rss: Pages(rss.0 + more), ..parts },
                Parts { swap: Pages(swap.0 + more), ..parts },
                Parts { page_tables: Pages(page_tables.0 + more), ..parts },
                Parts { adj: adj + 1, ..parts },
            ] {
                prop_assert!(badness(&worse, Pages(total), &rules) >= before);
            }
        }

        #[test]
        fn nothing_overflows(rss: u64, swap: u64, tables: u64, adj: i16, total: u64) {
            let parts = Parts { rss: Pages(rss), swap: Pages(swap), page_tables: Pages(tables), adj, administrator: true };
            for release in ["4.4", "6.18"] {
                let sum = badness(&parts, Pages(total), &rules(release));
                let _ = oom_score(sum, Pages(total), ScoreFormula::TwoThirds);
            }
        }
    }
}
