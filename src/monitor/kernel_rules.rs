//! What differs between kernels in how they choose a victim: one table from facts of the machine to rules. Everything
//! else in `monitor` asks here and never looks at a version. Refuses to read anything.
//!
//! Sources: mm/oom_kill.c, mm/memcontrol.c, fs/proc/base.c (proc_oom_score) and lib/percpu_counter.c from 4.4 to 7.3.

use crate::snapshot::system::Machine;
use crate::units::{Bytes, Pages};

/// The rules of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelRules {
    /// Whether the release could be understood; else these are the rules of the newest kernel.
    pub known: bool,
    /// Which file shows the RSS that the killer reads.
    pub rss: KillerRss,
    /// By how many pages statm may differ from what the killer reads.
    pub statm_error: Pages,
    /// Who is taken of two that are equally bad.
    pub ties: Ties,
    /// A sum below one counts as one.
    pub at_least_one: bool,
    /// A process with CAP_SYS_ADMIN counts for 3 % less.
    pub root_bonus: bool,
    /// A child of the chosen one dies in its place.
    pub child_sacrifice: bool,
    /// How `/proc/PID/oom_score` comes from badness.
    pub score: ScoreFormula,
    /// How the pages of a memory cgroup are counted against which oom_score_adj is scaled.
    pub total: TotalRule,
    /// Page size of the machine.
    pub page_size: Bytes,
}

/// Which file shows the RSS that the killer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillerRss {
    /// Field 24 of `/proc/PID/stat`: before 7.0.
    Stat,
    /// Field 2 of `/proc/PID/statm`: since 7.0 (5898aa8f9a0b).
    Statm,
}

/// Who is taken of two that are equally bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The one that is scanned first: up to 5.2.
    First,
    /// The one that is scanned last: since 5.3 (f168a9a54ec3).
    Last,
}

/// How `/proc/PID/oom_score` comes from badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreFormula {
    /// badness * 1000 / total: up to 5.8.
    Share,
    /// (1000 + badness * 1000 / total) * 2 / 3: since 5.9 (9066e5cfb73c) and in 5.4 stable kernels.
    TwoThirds,
}

/// What counts as the total of a memory cgroup (mem_cgroup_get_max).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalRule {
    /// The limit, plus swap up to the swap limit, at most the limit of both: up to 5.9.
    Capped,
    /// The limit, plus swap up to what the limits allow beyond it: since 5.10.
    Excess,
}

impl KernelRules {
    /// The rules of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let release = release(&machine.kernel_release);
        let kernel = release.unwrap_or((u32::MAX, 0));
        // The formula of 5.9 went into some 5.4 stable kernels: what our own score shows counts more than the number.
        let two_thirds = machine.oom_score_at_zero.map_or(kernel >= (5, 9), |score| score >= 600);
        // From 6.2 on the counters are per processor. The killer read them without their rests until 7.0, statm with
        // them since 6.16 or earlier, by backport.
        let apart = ((6, 2)..(7, 0)).contains(&kernel);
        Self {
            known: release.is_some(),
            rss: if kernel < (7, 0) { KillerRss::Stat } else { KillerRss::Statm },
            statm_error: if apart { counter_error(machine.processors) } else { Pages(0) },
            ties: if kernel < (5, 3) { Ties::First } else { Ties::Last },
            at_least_one: !two_thirds,
            root_bonus: kernel < (4, 17),
            child_sacrifice: kernel <= (5, 0),
            score: if two_thirds { ScoreFormula::TwoThirds } else { ScoreFormula::Share },
            total: if kernel < (5, 10) { TotalRule::Capped } else { TotalRule::Excess },
            page_size: if machine.page_size.0 == 0 { Bytes(4096) } else { machine.page_size },
        }
    }

    /// A size in whole pages.
    #[must_use]
    pub const fn pages(&self, size: Bytes) -> Pages {
        Pages(size.0 / self.page_size.0)
    }
}

/// By how much RSS may be off when the rests of its three per-processor counters are left out: (batch - 1) pages per
/// processor and counter, with batch = max(32, 2 * processors) (lib/percpu_counter.c).
#[must_use]
pub fn counter_error(processors: u32) -> Pages {
    let processors = u64::from(processors.max(1));
    Pages(3 * ((2 * processors).max(32) - 1) * processors)
}

/// `6.18.44-fc` is (6, 18).
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(release: &str, own: Option<u16>) -> KernelRules {
        KernelRules::of(&Machine {
            kernel_release: release.into(),
            processors: 2,
            page_size: Bytes(4096),
            oom_score_at_zero: own,
            ..Machine::default()
        })
    }

    #[test]
    fn the_table_says_what_each_kernel_does() {
        use KillerRss::{Stat, Statm};
        use ScoreFormula::{Share, TwoThirds};
        use Ties::{First, Last};
        // release, own score, rss, statm error, ties, at least one, root bonus, child, score
        for (release, own, rss, error, ties, least, root, child, score) in [
            ("4.4.0-210-generic", Some(0), Stat, 0, First, true, true, true, Share),
            ("4.15.0-213-generic", Some(0), Stat, 0, First, true, true, true, Share),
            ("4.18.0-553.el8", Some(0), Stat, 0, First, true, false, true, Share),
            ("5.0.21", None, Stat, 0, First, true, false, true, Share),
            ("5.1.0", None, Stat, 0, First, true, false, false, Share),
            ("5.3.0", None, Stat, 0, Last, true, false, false, Share),
            ("5.4.0-216-generic", Some(666), Stat, 0, Last, false, false, false, TwoThirds),
            ("5.4.0-42-generic", Some(0), Stat, 0, Last, true, false, false, Share),
            ("5.10.0-32-amd64", None, Stat, 0, Last, false, false, false, TwoThirds),
            ("6.1.0-40-amd64", Some(667), Stat, 0, Last, false, false, false, TwoThirds),
            ("6.8.0-149-generic", Some(667), Stat, 186, Last, false, false, false, TwoThirds),
            ("6.18.44-fc", Some(666), Stat, 186, Last, false, false, false, TwoThirds),
            ("6.19", Some(666), Stat, 186, Last, false, false, false, TwoThirds),
            ("7.0.0", Some(666), Statm, 0, Last, false, false, false, TwoThirds),
            ("7.2.1", None, Statm, 0, Last, false, false, false, TwoThirds),
        ] {
            let got = rules(release, own);
            assert!(got.known);
            assert_eq!((got.rss, got.statm_error.0, got.ties), (rss, error, ties), "{release}");
            assert_eq!((got.at_least_one, got.root_bonus), (least, root), "{release}");
            assert_eq!((got.child_sacrifice, got.score), (child, score), "{release}");
        }
        assert_eq!(rules("5.9.16", None).total, TotalRule::Capped);
        assert_eq!(rules("5.10.1", None).total, TotalRule::Excess);
    }

    #[test]
    fn an_unreadable_release_is_told_and_taken_for_the_newest() {
        for text in ["", "linux", "7", "x.y", "99999999999.1"] {
            let got = rules(text, None);
            assert!(!got.known, "{text}");
            assert_eq!(got.rss, KillerRss::Statm);
        }
    }

    #[test]
    fn the_error_grows_with_the_square_of_many_processors() {
        assert_eq!(counter_error(2), Pages(186));
        assert_eq!(counter_error(250), Pages(3 * 499 * 250));
    }
}
