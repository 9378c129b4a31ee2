//! Children under their parents, with folded subtrees as one row of sums. Parents are what /proc says, which can be
//! torn between two reads: refuses to lose a process or to loop, whatever the numbers say.

use std::collections::BTreeSet;
use std::iter::successors;

use crate::monitor::report::{ProcessReport, Report};
use crate::table::Column;
use crate::units::ProcessId;

use super::order::directed;
use super::{Row, Sums};

/// No chain of parents is followed further than this: a circle must end.
const DEEPEST: usize = 512;

/// Parent, grandparent and so on.
pub fn ancestors<'report>(
    report: &'report Report,
    process: &ProcessReport,
) -> impl Iterator<Item = &'report ProcessReport> {
    let parent = move |of: &ProcessReport| {
        let index = parent_index(report, of)?;
        report.processes.get(index)
    };
    successors(parent(process), move |ancestor| parent(ancestor)).take(DEEPEST)
}

/// Rows of the tree: `order` are the processes that are shown, siblings in that order, but a folded one where its sums
/// put it. A process whose parent is not shown stands under the nearest ancestor that is.
pub fn grow(
    report: &Report,
    order: &[u32],
    collapsed: &BTreeSet<ProcessId>,
    sort: (Column, bool),
    rows: &mut Vec<Row>,
) {
    let forest = Forest::plant(report, order);
    let mut grower = Grower { report, forest, collapsed, sort, visited: vec![false; report.processes.len()] };
    let mut stack = Vec::new();
    let roots = std::mem::take(&mut grower.forest.roots);
    grower.push_siblings(roots.into_iter(), (0, 0), &mut stack);
    grower.unfold(&mut stack, rows);
    // What is left is a circle of parents, and any of it may lead.
    for &index in order {
        grower.push_siblings(std::iter::once(index), (0, 0), &mut stack);
        grower.unfold(&mut stack, rows);
    }
}

/// A row that is due.
struct Due {
    index: u32,
    depth: u16,
    guides: u64,
    folded: Option<Box<Sums>>,
}

struct Grower<'a> {
    report: &'a Report,
    forest: Forest,
    collapsed: &'a BTreeSet<ProcessId>,
    sort: (Column, bool),
    visited: Vec<bool>,
}

impl Grower<'_> {
    /// Writes the rows that are due, the last first, each with those below it.
    fn unfold(&mut self, stack: &mut Vec<Due>, rows: &mut Vec<Row>) {
        while let Some(Due { index, depth, guides, folded }) = stack.pop() {
            // The sums of a folded one have visited it.
            let is_folded = folded.is_some();
            if !is_folded && std::mem::replace(&mut self.visited[index as usize], true) {
                continue;
            }
            rows.push(Row::Process { index, depth, guides, folded });
            if !is_folded {
                let children = self.forest.children(index).collect::<Vec<_>>();
                self.push_siblings(children.into_iter(), (depth.saturating_add(1), guides), stack);
            }
        }
    }

    /// Makes siblings due, the first of them last.
    fn push_siblings(&mut self, siblings: impl Iterator<Item = u32>, below: (u16, u64), stack: &mut Vec<Due>) {
        let (depth, guides) = below;
        let from = stack.len();
        for index in siblings {
            if !self.visited[index as usize] {
                let folded = self.sums_of_folded(index);
                stack.push(Due { index, depth, guides, folded });
            }
        }
        let siblings = &mut stack[from..];
        let (column, reversed) = self.sort;
        if siblings.iter().any(|due| due.folded.is_some()) {
            let report = self.report;
            siblings.sort_by_cached_key(|due| {
                let own = || Sums::of([due.index], report).rank(column);
                let rank = due.folded.as_ref().map_or_else(own, |sums| sums.rank(column));
                // What is not summed keeps the order that it has.
                rank.map(|rank| directed(rank, reversed))
            });
        }
        if let (Some(level), Some((_, others))) = (depth.checked_sub(1), siblings.split_last_mut()) {
            for due in others {
                due.guides |= 1_u64.checked_shl(level.into()).unwrap_or(0);
            }
        }
        siblings.reverse();
    }

    /// The sums of a process with all below it, where its children are hidden.
    fn sums_of_folded(&mut self, index: u32) -> Option<Box<Sums>> {
        let id = self.report.processes[index as usize].id;
        let has_children = self.forest.first_child[index as usize] != NONE;
        (has_children && self.collapsed.contains(&id)).then(|| {
            let family = self.forest.collect(index, &mut self.visited);
            Box::new(Sums::of(family, self.report))
        })
    }
}

/// The process with all its descendants, shown or not.
pub fn family(report: &Report, id: ProcessId) -> Vec<ProcessId> {
    let Some(root) = report.processes.iter().position(|process| process.id == id) else { return Vec::new() };
    let everyone: Vec<u32> = (0..report.processes.len() as u32).collect();
    let family = Forest::plant(report, &everyone).collect(root as u32, &mut vec![false; everyone.len()]);
    family.into_iter().map(|index| report.processes[index as usize].id).collect()
}

const NONE: u32 = u32::MAX;

/// Children as linked lists over indices: three vectors, whatever the shape.
struct Forest {
    roots: Vec<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
}

impl Forest {
    fn plant(report: &Report, order: &[u32]) -> Self {
        let count = report.processes.len();
        let mut forest = Self { roots: Vec::new(), first_child: vec![NONE; count], next_sibling: vec![NONE; count] };
        let mut is_shown = vec![false; count];
        for &index in order {
            is_shown[index as usize] = true;
        }
        // Backwards, because each is put before those that were put there already.
        for &index in order.iter().rev() {
            let mut parent = parent_index(report, &report.processes[index as usize]);
            let mut steps = 0;
            while let Some(hidden) = parent.filter(|parent| !is_shown[*parent]) {
                steps += 1;
                parent = parent_index(report, &report.processes[hidden]).filter(|_| steps < DEEPEST);
            }
            match parent {
                Some(parent) => {
                    forest.next_sibling[index as usize] = forest.first_child[parent];
                    forest.first_child[parent] = index;
                }
                None => forest.roots.push(index),
            }
        }
        forest.roots.reverse();
        forest
    }

    fn children(&self, index: u32) -> impl Iterator<Item = u32> {
        let known = |index: u32| (index != NONE).then_some(index);
        successors(known(self.first_child[index as usize]), move |child| known(self.next_sibling[*child as usize]))
    }

    fn collect(&self, root: u32, visited: &mut [bool]) -> Vec<u32> {
        visited[root as usize] = true;
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&index) = found.get(next) {
            next += 1;
            for child in self.children(index) {
                if !std::mem::replace(&mut visited[child as usize], true) {
                    found.push(child);
                }
            }
        }
        found
    }
}

fn parent_index(report: &Report, process: &ProcessReport) -> Option<usize> {
    if process.parent == process.id.pid {
        return None;
    }
    report.processes.binary_search_by_key(&process.parent, |candidate| candidate.id.pid).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::{MaybeKib, Pid};

    fn report(parents: &[(u32, u32)]) -> Report {
        let processes = parents
            .iter()
            .map(|&(pid, parent)| ProcessReport {
                parent: Pid(parent),
                rss: MaybeKib::from_kib(1),
                ..ProcessReport::unread(ProcessId::new(pid, 0))
            })
            .collect();
        Report { processes, ..Report::default() }
    }

    fn rss(sums: &Sums) -> i64 {
        sums.sum(Column::Rss).map_or(0, |sum| sum.total)
    }

    fn drawn(report: &Report, collapsed: &[u32]) -> Vec<String> {
        let order: Vec<u32> = (0..report.processes.len() as u32).collect();
        let collapsed = collapsed.iter().map(|pid| ProcessId::new(*pid, 0)).collect();
        let mut rows = Vec::new();
        grow(report, &order, &collapsed, (Column::Pid, false), &mut rows);
        rows.iter()
            .map(|row| match row {
                Row::Process { index, depth, guides, folded } => {
                    let bars: String = (0..*depth)
                        .map(|level| match (guides >> level & 1 == 1, level + 1 == *depth) {
                            (true, true) => '+',
                            (false, true) => '\\',
                            (true, false) => '|',
                            (false, false) => ' ',
                        })
                        .collect();
                    let sums = folded
                        .as_ref()
                        .map_or(String::new(), |sums| format!(" {}x{}K", sums.processes, rss(sums) >> 10));
                    format!("{bars}{}{sums}", report.processes[*index as usize].id.pid)
                }
                Row::Group { .. } => unreachable!("no groups in a tree"),
            })
            .collect()
    }

    #[test]
    fn children_stand_under_their_parents_with_guides() {
        let report = report(&[(1, 0), (2, 1), (3, 2), (4, 2), (5, 1), (6, 5), (9, 0)]);
        assert_eq!(drawn(&report, &[]), ["1", "+2", "|+3", "|\\4", "\\5", " \\6", "9"]);
        assert_eq!(drawn(&report, &[2]), ["1", "+2 3x3K", "\\5", " \\6", "9"]);
        assert_eq!(drawn(&report, &[1, 3]), ["1 6x6K", "9"]);
    }

    #[test]
    fn a_folded_row_stands_where_its_sums_put_it() {
        let mut report = report(&[(1, 0), (2, 1), (3, 1), (4, 3), (5, 4), (6, 1)]);
        report.processes[1].rss = MaybeKib::from_kib(2);
        let rows = |folded: Option<u32>, sort| {
            let mut rows = Vec::new();
            let folded = folded.map(|pid| ProcessId::new(pid, 0)).into_iter().collect();
            grow(&report, &[0, 1, 2, 5, 3, 4], &folded, sort, &mut rows);
            let pid = |row: &Row| match row {
                Row::Process { index, guides, .. } => (report.processes[*index as usize].id.pid.0, *guides),
                Row::Group { .. } => unreachable!("no groups in a tree"),
            };
            rows.iter().map(pid).collect::<Vec<_>>()
        };
        assert_eq!(rows(None, (Column::Rss, false)), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 0)]);
        assert_eq!(rows(Some(3), (Column::Rss, false)), [(1, 0), (3, 1), (2, 1), (6, 0)]);
        assert_eq!(rows(Some(3), (Column::Rss, true)), [(1, 0), (6, 1), (2, 1), (3, 0)]);
        assert_eq!(rows(Some(3), (Column::Pid, false)), [(1, 0), (2, 1), (3, 1), (6, 0)], "the number is its own");
    }

    #[test]
    fn a_circle_of_parents_is_shown_once() {
        assert_eq!(drawn(&report(&[(1, 1), (2, 3), (3, 2)]), &[]), ["1", "2", "\\3"]);
    }

    #[test]
    fn hidden_parents_hand_their_children_up() {
        let report = report(&[(1, 0), (2, 1), (3, 2)]);
        let mut rows = Vec::new();
        grow(&report, &[0, 2], &BTreeSet::new(), (Column::Rss, false), &mut rows);
        assert!(matches!(rows[..], [Row::Process { index: 0, depth: 0, .. }, Row::Process { index: 2, depth: 1, .. }]));
    }

    proptest! {
        #[test]
        fn every_process_is_shown_or_summed_exactly_once(
            parents in prop::collection::vec(0..24_u32, 1..24),
            folded in prop::collection::btree_set(0..24_u32, 0..6),
            reversed: bool,
        ) {
            let pairs: Vec<_> = parents.iter().enumerate().map(|(pid, parent)| (pid as u32, *parent)).collect();
            let report = report(&pairs);
            let order: Vec<u32> = (0..pairs.len() as u32).collect();
            let mut rows = Vec::new();
            let folded = folded.iter().map(|pid| ProcessId::new(*pid, 0)).collect();
            grow(&report, &order, &folded, (Column::Rss, reversed), &mut rows);
            let total: i64 = rows
                .iter()
                .map(|row| match row {
                    Row::Process { folded: Some(sums), .. } | Row::Group { sums, .. } => rss(sums),
                    Row::Process { .. } => 1 << 10,
                })
                .sum();
            prop_assert_eq!(total, pairs.iter().map(|_| 1 << 10).sum::<i64>());
        }
    }
}
