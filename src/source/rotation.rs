//! What the next pass reads of each process beyond its size: who asks for it, what is overdue, what a pass may spend.
//! Pure. Costs are counted in the microseconds that a reading takes on the machine of the measurements in `README.md`, so that a
//! pass reads the same on every machine.

use std::time::Duration;

use crate::snapshot::needs::{FactGroups, Needs};
use crate::units::{Pid, ProcessId};

/// What the victim order needs of a candidate.
const OF_CANDIDATES: FactGroups =
    FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::ADJUSTMENT).union(FactGroups::OOM_SCORE);

/// What is always shown of the selected process.
const OF_SELECTED: FactGroups = FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::ADJUSTMENT);

/// What is read of everyone at first sight and in rotation.
pub(super) const WARM: FactGroups = FactGroups::STAT
    .union(FactGroups::STATUS)
    .union(FactGroups::ADJUSTMENT)
    .union(FactGroups::CGROUP)
    .union(FactGroups::OOM_SCORE);

/// Microseconds that reading these groups costs.
pub(super) const fn cost(groups: FactGroups) -> u32 {
    let mut cost = 0;
    if groups.contains(FactGroups::STAT) {
        cost += 9;
    }
    if groups.contains(FactGroups::STATUS) {
        cost += 13;
    }
    if groups.contains(FactGroups::ADJUSTMENT) {
        cost += 5;
    }
    if groups.contains(FactGroups::CGROUP) {
        cost += 9;
    }
    cost
}

/// What `needs` asks for, process by process; to be asked in the order of their numbers.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    of_visible: FactGroups,
    visible: &'a [ProcessId],
    candidates: &'a [ProcessId],
    selected: Option<ProcessId>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(needs: &'a Needs) -> Self {
        Self {
            of_visible: needs.of_visible,
            visible: &needs.visible,
            candidates: &needs.candidates,
            selected: needs.selected,
        }
    }

    /// The groups wanted of this process now; `None` where nobody asks for it.
    pub(super) fn of(&mut self, id: ProcessId) -> Option<FactGroups> {
        let mut groups = None;
        if advance(&mut self.visible, id) {
            groups = Some(self.of_visible);
        }
        if advance(&mut self.candidates, id) {
            groups = Some(groups.unwrap_or_default().union(OF_CANDIDATES));
        }
        if self.selected == Some(id) {
            groups = Some(groups.unwrap_or_default().union(OF_SELECTED));
        }
        groups
    }
}

/// Drops what lies before `id` in a sorted list; whether `id` is next.
fn advance(list: &mut &[ProcessId], id: ProcessId) -> bool {
    while let Some((first, rest)) = list.split_first() {
        if *first >= id {
            return *first == id;
        }
        *list = rest;
    }
    false
}

/// Walks around all processes so that some groups of each are read again after [`Rotation::PERIOD`], as far as the
/// budget goes. What moved, is on screen or leads a ranking does not wait for it.
#[derive(Debug)]
pub(super) struct Rotation {
    groups: FactGroups,
    /// Microseconds that one pass may spend on it.
    budget: u32,
    behind: Pid,
    left: u32,
}

impl Rotation {
    /// How old a warm fact may become where the budget allows.
    const PERIOD: Duration = Duration::from_secs(10);

    /// What somebody else may change while the process itself stands still: around in 10 s for 2,000 processes, in 50 s
    /// for 10,000.
    pub(super) fn of_adjustments() -> Self {
        Self::new(FactGroups::ADJUSTMENT, 1_000)
    }

    /// The rest, which seldom moves without the size: around in 10 s for 500 processes, in 3 minutes for 10,000.
    pub(super) fn of_rest() -> Self {
        Self::new(WARM.without(FactGroups::ADJUSTMENT).without(FactGroups::OOM_SCORE), 1_600)
    }

    fn new(groups: FactGroups, budget: u32) -> Self {
        Self { groups, budget, behind: Pid(0), left: 0 }
    }

    /// Begins a pass over `processes`, `elapsed` after the pass before.
    pub(super) fn begin(&mut self, processes: usize, elapsed: Duration) {
        if self.left > 0 {
            // The last pass came to the end of the list with some left: around again.
            self.behind = Pid(0);
        }
        let due = (processes as f64 * elapsed.as_secs_f64() / Self::PERIOD.as_secs_f64()).ceil();
        self.left = (due as u32).min(self.budget / cost(self.groups));
    }

    /// What to read of this process because it is its turn; to be asked in the order of their numbers.
    pub(super) fn of(&mut self, pid: Pid) -> FactGroups {
        if self.left == 0 || pid <= self.behind {
            return FactGroups::NONE;
        }
        self.left -= 1;
        self.behind = pid;
        self.groups
    }
}

/// Picks the biggest of a pass: all are told first, then each is asked for, in any order.
#[derive(Debug, Default)]
pub(super) struct Biggest {
    sizes: Vec<u32>,
    smallest: u32,
    /// How many of that size still fit.
    ties: usize,
}

impl Biggest {
    /// Starts to collect the sizes of those that there are to choose from.
    pub(super) fn clear(&mut self) {
        self.sizes.clear();
    }

    /// One of them.
    pub(super) fn add(&mut self, size: u32) {
        self.sizes.push(size);
    }

    /// Ends collecting: so many are to be picked.
    pub(super) fn choose(&mut self, most: usize) {
        (self.smallest, self.ties) = (0, usize::MAX);
        if self.sizes.len() > most {
            let (bigger, &mut smallest, _) = self.sizes.select_nth_unstable_by(most, |a, b| b.cmp(a));
            self.ties = bigger.iter().filter(|&&size| size == smallest).count();
            self.smallest = smallest;
        }
    }

    /// Whether one of this size is among them.
    pub(super) fn takes(&mut self, size: u32) -> bool {
        if size == self.smallest {
            let fits = self.ties > 0;
            self.ties = self.ties.saturating_sub(1);
            return fits;
        }
        size > self.smallest
    }
}

/// What a pass may spend on what is due without being asked for: first the biggest.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Microseconds.
    left: u32,
    biggest: Biggest,
}

impl Budget {
    /// In every pass: enough for what moves, and for the biggest of a first pass.
    const ALWAYS: u32 = 8_000;

    /// On top, from the second pass on, for processes that have never been read: everyone of 10,000 by the third pass.
    const NEVER_READ: u32 = 140_000;

    /// Starts to collect the sizes of those that are due.
    pub(super) fn clear(&mut self) {
        self.biggest.clear();
    }

    /// One that is due, with its size.
    pub(super) fn add(&mut self, size: u32) {
        self.biggest.add(size);
    }

    /// Ends collecting: what fits, from the biggest down.
    pub(super) fn begin(&mut self, never_read: bool) {
        self.left = if never_read { Self::ALWAYS + Self::NEVER_READ } else { Self::ALWAYS };
        self.biggest.choose((self.left / cost(WARM.without(FactGroups::STAT))) as usize);
    }

    /// Whether to read these groups of a process of this size now; spends.
    pub(super) fn takes(&mut self, groups: FactGroups, size: u32) -> bool {
        let cost = cost(groups);
        let takes = self.biggest.takes(size) && self.left >= cost;
        if takes {
            self.left -= cost;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everyone_gets_a_turn_within_the_period() {
        let mut rotation = Rotation::of_rest();
        let mut turns = [0; 101];
        for _ in 0..10 {
            rotation.begin(100, Duration::from_secs(1));
            for pid in 1..=100 {
                turns[pid as usize] += u32::from(!rotation.of(Pid(pid)).is_empty());
            }
        }
        assert!(turns[1..].iter().all(|&turns| turns == 1), "{turns:?}");
    }

    #[test]
    fn a_rotation_is_bounded_and_still_comes_around() {
        let mut rotation = Rotation::of_rest();
        let mut turns = vec![0_u32; 10_001];
        for _ in 0..200 {
            rotation.begin(10_000, Duration::from_secs(1));
            let mut taken = 0;
            for pid in 1..=10_000 {
                if !rotation.of(Pid(pid)).is_empty() {
                    turns[pid as usize] += 1;
                    taken += 1;
                }
            }
            assert!(taken * cost(rotation.groups) <= rotation.budget);
        }
        assert!(turns[1..].iter().all(|&turns| turns >= 1));
    }

    #[test]
    fn needs_are_met_in_one_walk() {
        let id = |pid| ProcessId::new(pid, 1);
        let needs = Needs {
            of_visible: FactGroups::STATUS,
            visible: vec![id(3), id(9)],
            candidates: vec![id(9), id(12)],
            selected: Some(id(5)),
            ..Needs::default()
        };
        let mut wanted = Wanted::new(&needs);
        let asked: Vec<_> = (1..=12).filter(|&pid| wanted.of(id(pid)).is_some()).collect();
        assert_eq!(asked, [3, 5, 9, 12]);
        assert_eq!(Wanted::new(&needs).of(id(3)), Some(FactGroups::STATUS));
        assert_eq!(Wanted::new(&needs).of(ProcessId::new(3, 2)), None, "another process with the same number");
    }

    #[test]
    fn the_biggest_come_first() {
        let mut budget = Budget::default();
        for size in 0..10_000 {
            budget.add(size);
        }
        budget.begin(false);
        assert!(!budget.takes(FactGroups::STATUS, 100));
        assert!(budget.takes(FactGroups::STATUS, 9_900));
    }

    proptest! {
        #[test]
        fn exactly_the_biggest_are_picked_in_whatever_order_they_are_asked(
            sizes in prop::collection::vec(0_u32..20, 0..60), most in 0_usize..70,
        ) {
            let mut biggest = Biggest::default();
            for &size in &sizes {
                biggest.add(size);
            }
            biggest.choose(most);
            let mut picked: Vec<u32> = sizes.iter().copied().filter(|&size| biggest.takes(size)).collect();
            picked.sort_unstable();
            let mut sorted = sizes.clone();
            sorted.sort_unstable();
            prop_assert_eq!(&picked[..], &sorted[sizes.len().saturating_sub(most)..]);
        }
    }
}
