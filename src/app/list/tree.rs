//! Children under their parents, with folded subtrees as one row of sums. Parents are what /proc says, which can be
//! torn between two reads: refuses to lose a process or to loop, whatever the numbers say.

use std::collections::BTreeSet;
use std::iter::successors;

use crate::monitor::report::{ProcessReport, Report};
use crate::units::ProcessId;

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

/// Rows of the tree: `order` are the processes that are shown, siblings in that order. A process whose parent is not
/// shown stands under the nearest ancestor that is.
pub fn grow(report: &Report, order: &[u32], collapsed: &BTreeSet<ProcessId>, rows: &mut Vec<Row>) {
    let forest = Forest::plant(report, order);
    let mut visited = vec![false; report.processes.len()];
    let mut stack: Vec<(u32, u16, u64)> = Vec::new();
    // Roots first; then what is left is a circle of parents, and any of it may lead.
    for &root in forest.roots.iter().chain(order) {
        stack.push((root, 0, 0));
        while let Some((index, depth, guides)) = stack.pop() {
            if std::mem::replace(&mut visited[index as usize], true) {
                continue;
            }
            let children = forest.first_child[index as usize];
            let is_folded = children != NONE && collapsed.contains(&report.processes[index as usize].id);
            let folded = is_folded.then(|| Box::new(forest.sums(report, index, &mut visited)));
            rows.push(Row::Process { index, depth, guides, folded });
            if is_folded {
                continue;
            }
            let below = stack.len();
            let mut child = children;
            while child != NONE {
                let next = forest.next_sibling[child as usize];
                let guide = if next == NONE { 0 } else { 1_u64.checked_shl(depth.into()).unwrap_or(0) };
                stack.push((child, depth.saturating_add(1), guides | guide));
                child = next;
            }
            stack[below..].reverse();
        }
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

    fn collect(&self, root: u32, visited: &mut [bool]) -> Vec<u32> {
        visited[root as usize] = true;
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&index) = found.get(next) {
            next += 1;
            let mut child = self.first_child[index as usize];
            while child != NONE {
                if !std::mem::replace(&mut visited[child as usize], true) {
                    found.push(child);
                }
                child = self.next_sibling[child as usize];
            }
        }
        found
    }

    fn sums(&self, report: &Report, root: u32, visited: &mut [bool]) -> Sums {
        let mut sums = Sums::default();
        for index in self.collect(root, visited) {
            sums.add(&report.processes[index as usize]);
        }
        sums
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
    use crate::units::{Bytes, MaybeKib, Pid};

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

    fn drawn(report: &Report, collapsed: &[u32]) -> Vec<String> {
        let order: Vec<u32> = (0..report.processes.len() as u32).collect();
        let collapsed = collapsed.iter().map(|pid| ProcessId::new(*pid, 0)).collect();
        let mut rows = Vec::new();
        grow(report, &order, &collapsed, &mut rows);
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
                    let sums =
                        folded.as_ref().map_or(String::new(), |sums| format!(" {}x{}", sums.processes, sums.rss));
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
        assert_eq!(drawn(&report, &[2]), ["1", "+2 3x3.00K", "\\5", " \\6", "9"]);
        assert_eq!(drawn(&report, &[1, 3]), ["1 6x6.00K", "9"]);
    }

    #[test]
    fn a_circle_of_parents_is_shown_once() {
        assert_eq!(drawn(&report(&[(1, 1), (2, 3), (3, 2)]), &[]), ["1", "2", "\\3"]);
    }

    #[test]
    fn hidden_parents_hand_their_children_up() {
        let report = report(&[(1, 0), (2, 1), (3, 2)]);
        let mut rows = Vec::new();
        grow(&report, &[0, 2], &BTreeSet::new(), &mut rows);
        assert!(matches!(rows[..], [Row::Process { index: 0, depth: 0, .. }, Row::Process { index: 2, depth: 1, .. }]));
    }

    proptest! {
        #[test]
        fn every_process_is_shown_or_summed_exactly_once(
            parents in prop::collection::vec(0..24_u32, 1..24),
            folded in prop::collection::btree_set(0..24_u32, 0..6),
        ) {
            let pairs: Vec<_> = parents.iter().enumerate().map(|(pid, parent)| (pid as u32, *parent)).collect();
            let report = report(&pairs);
            let order: Vec<u32> = (0..pairs.len() as u32).collect();
            let mut rows = Vec::new();
            grow(&report, &order, &folded.iter().map(|pid| ProcessId::new(*pid, 0)).collect(), &mut rows);
            let total: u64 = rows
                .iter()
                .map(|row| match row {
                    Row::Process { folded: Some(sums), .. } | Row::Group { sums, .. } => sums.rss.0,
                    Row::Process { .. } => Bytes::from_kib(1).0,
                })
                .sum();
            prop_assert_eq!(total, Bytes::from_kib(pairs.len() as u64).0);
        }
    }
}
