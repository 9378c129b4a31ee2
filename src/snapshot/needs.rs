//! What the screen and the Monitor want read in the next pass, as data: the only way in which anything above steers a
//! source. Refuses to say how: tiers, budgets and rotation are the source's.

use crate::units::ProcessId;

use super::Scope;

/// Groups of facts that a column, a sort order or a pane wants of every process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FactGroups(u8);

impl FactGroups {
    /// Only the hot facts.
    pub const NONE: Self = Self(0);
    /// `/proc/PID/status` (anon, file, shmem, swap, page tables, peak).
    pub const STATUS: Self = Self(1);
    /// `/proc/PID/stat` (state, parent, threads, faults).
    pub const STAT: Self = Self(2);
    /// `oom_score_adj`.
    pub const ADJUSTMENT: Self = Self(4);
    /// `smaps_rollup` (PSS, USS): within the prober's budget.
    pub const ROLLUP: Self = Self(8);
    /// Command line.
    pub const COMMAND: Self = Self(16);
    /// Memory cgroup.
    pub const CGROUP: Self = Self(32);
    /// Executable and Go build information.
    pub const EXECUTABLE: Self = Self(64);
    /// `oom_score`.
    pub const OOM_SCORE: Self = Self(128);

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Without what `other` has.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is wanted.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in it.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What the next pass should read beyond what it always reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Everyone, or one tree.
    pub scope: Scope,
    /// Groups wanted of every process (an active sort order or filter on them, a headless report).
    pub of_everyone: FactGroups,
    /// Groups wanted of the rows on screen.
    pub of_visible: FactGroups,
    /// Groups wanted of those that are not on the screen, in time and for little.
    pub of_rest: FactGroups,
    /// The rows on screen, sorted.
    pub visible: Vec<ProcessId>,
    /// Candidates for victims within the counter's error bound, sorted: stat, status, oom_score_adj and oom_score of
    /// each, every pass.
    pub candidates: Vec<ProcessId>,
    /// The process whose details are shown: first in every budget.
    pub selected: Option<ProcessId>,
    /// Whether a pane shows the mappings of the selected process.
    pub mappings: bool,
    /// Processes of which nothing is to be read that takes their lock: such a read has not come back.
    pub avoided: Vec<ProcessId>,
    /// With its mappings, where it is a Go program: on which sockets it listens.
    pub listening: bool,
    /// Processes whose mappings are wanted once, because they began to warn.
    pub portraits: Vec<ProcessId>,
    /// The user asked to read the expensive values of the selected process now.
    pub refresh: bool,
}
