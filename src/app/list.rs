//! The process table's own state: what is sorted, filtered, searched, tagged and folded, and the rows that follow from
//! it. Refuses to read anything but the report.

use std::collections::BTreeSet;

use crate::table::Column;
use crate::units::{Bytes, ProcessId};

/// What the table shows.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Columns shown, in order.
    pub columns: Vec<Column>,
    /// Sorted by.
    pub sort: Column,
    /// The other way round than the column's own.
    pub reversed: bool,
    /// Flat, tree or grouped.
    pub arrangement: Arrangement,
    /// Filter expression in force, as typed.
    pub filter: Option<String>,
    /// Only processes of this user.
    pub user: Option<u32>,
    /// What was last searched for.
    pub search: Option<String>,
    /// The selected process: it stays selected wherever it moves to.
    pub selected: Option<ProcessId>,
    /// The selected group, in a grouped arrangement.
    pub selected_group: Option<String>,
    /// The view moves with the selected process.
    pub following: bool,
    /// Tagged processes.
    pub tagged: BTreeSet<ProcessId>,
    /// Folded subtrees.
    pub collapsed: BTreeSet<ProcessId>,
    /// Index of the first row on screen.
    pub offset: usize,
    /// The rows, in order: derived from the report and all of the above.
    pub rows: Vec<Row>,
}

/// How rows are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// One row per process.
    Flat,
    /// Children under their parents.
    Tree,
    /// One row per command name, with sums.
    ByCommand,
    /// One row per user, with sums.
    ByUser,
    /// One row per memory cgroup, with sums.
    ByCgroup,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A process.
    Process {
        /// Index into `report.processes`.
        index: u32,
        /// In a tree: depth.
        depth: u16,
        /// In a tree: what to draw before the command: for each level, whether more siblings follow.
        guides: u64,
        /// In a tree: its children are hidden, and these are the sums of the whole subtree.
        folded: Option<Sums>,
    },
    /// A group.
    Group {
        /// Its name.
        label: Box<str>,
        /// Of its members.
        sums: Sums,
    },
}

/// Sums over several processes. Summed RSS counts shared pages more than once; PSS does not, but may not be known of
/// all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many processes.
    pub processes: u32,
    /// RSS.
    pub rss: Bytes,
    /// Swap, of those whose swap is known.
    pub swap: Bytes,
    /// Of how many it is known.
    pub swap_known: u32,
    /// PSS, of those whose PSS is known.
    pub pss: Bytes,
    /// Of how many it is known.
    pub pss_known: u32,
}
