//! The process table's own state: what is sorted, filtered, searched, tagged and folded, and the rows that follow from
//! it. Refuses to read anything but the report.

mod folding;
mod group;
mod order;
mod search;
mod selection;
mod sums;
mod tree;

use std::collections::BTreeSet;

use crate::config::Config;
use crate::filter::Filter;
use crate::monitor::report::{ProcessReport, Report};
use crate::snapshot::needs::FactGroups;
use crate::table::{self, Column};
use crate::units::{Pid, ProcessId};

use super::keys::Move;

pub use group::is_go_test;
pub use search::{Direction, matches};
pub use sums::{Common, Sum, Sums};

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
    /// The process that was selected by hand: it is selected again as soon as it has a row again.
    pub wanted: Option<ProcessId>,
    /// The selected group, in a grouped arrangement.
    pub selected_group: Option<Box<str>>,
    /// The view moves with the selected process.
    pub following: bool,
    /// Tagged processes.
    pub tagged: BTreeSet<ProcessId>,
    /// Folded subtrees.
    pub collapsed: BTreeSet<ProcessId>,
    /// Opened groups: their members stand under them.
    pub opened: BTreeSet<Box<str>>,
    /// Only these processes and their descendants; empty: all.
    pub roots: Vec<ProcessId>,
    /// Columns of each command line that are left out at its beginning.
    pub commands_from: usize,
    /// Index of the selected row.
    pub cursor: usize,
    /// Index of the first row on screen.
    pub offset: usize,
    /// The rows, in order: derived from the report and all of the above.
    pub rows: Vec<Row>,
    /// Numbers in the order of the last time, where the sorted column is one of words: what the next sort begins with.
    former: Vec<Pid>,
}

/// How rows are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// One row per process.
    #[default]
    Flat,
    /// Children under their parents.
    Tree,
    /// One row per command name, with sums.
    ByCommand,
    /// One row per user, with sums.
    ByUser,
    /// One row per memory cgroup, with sums.
    ByCgroup,
    /// One row per `go test` with all below it, with sums.
    ByGoTest,
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
        /// In a tree: what to draw before the command. Bit `level - 1`, for each level from 1 to `depth`: whether the
        /// process of that level on the way down to this one has more siblings below it.
        guides: u64,
        /// In a tree: its children are hidden, and these are the sums of the whole subtree.
        folded: Option<Box<Sums>>,
    },
    /// A group.
    Group {
        /// Its name.
        label: Box<str>,
        /// Of its members.
        sums: Box<Sums>,
        /// Its members stand under it.
        open: bool,
    },
}

impl Arrangement {
    /// All, in the order of the chooser.
    pub const ALL: [Self; 6] = [Self::Flat, Self::Tree, Self::ByCommand, Self::ByUser, Self::ByCgroup, Self::ByGoTest];

    /// In words, for the chooser.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Flat => "one row per process",
            Self::Tree => "tree: children under their parents",
            Self::ByCommand => "group by command",
            Self::ByUser => "group by user",
            Self::ByCgroup => "group by memory cgroup",
            Self::ByGoTest => "group by go test",
        }
    }

    /// Rows are groups.
    #[must_use]
    pub const fn is_grouped(self) -> bool {
        matches!(self, Self::ByCommand | Self::ByUser | Self::ByCgroup | Self::ByGoTest)
    }

    /// Facts of every process without which it cannot be arranged.
    const fn needs(self) -> FactGroups {
        match self {
            Self::Flat | Self::ByCommand => FactGroups::NONE,
            Self::Tree | Self::ByGoTest => FactGroups::STAT,
            Self::ByUser => FactGroups::STATUS,
            Self::ByCgroup => FactGroups::CGROUP,
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self {
            columns: Column::USUAL.to_vec(),
            sort: Column::Rss,
            reversed: false,
            arrangement: Arrangement::Flat,
            filter: None,
            user: None,
            search: None,
            selected: None,
            wanted: None,
            selected_group: None,
            following: false,
            tagged: BTreeSet::new(),
            collapsed: BTreeSet::new(),
            opened: BTreeSet::new(),
            roots: Vec::new(),
            commands_from: 0,
            cursor: 0,
            offset: 0,
            rows: Vec::new(),
            former: Vec::new(),
        }
    }
}

impl List {
    /// As it shall begin, but for `-p`: whose numbers those are only the shell can know.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            filter: config.filter.clone(),
            columns: config.columns.clone(),
            sort: config.sort,
            arrangement: if config.tree { Arrangement::Tree } else { Arrangement::Flat },
            ..Self::default()
        }
    }

    /// Makes the rows anew: after a report, and after anything that changes which rows there are. `page` is how many
    /// rows the screen has.
    pub fn arrange(&mut self, report: &Report, page: usize) {
        let line = self.line(page);
        let mut former = std::mem::take(&mut self.former);
        let order = order::sorted(report, (self.sort, self.reversed), &mut former, self.shown(report));
        self.former = former;
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear();
        match self.arrangement {
            Arrangement::Flat => {
                rows.extend(order.iter().map(|&index| Row::Process { index, depth: 0, guides: 0, folded: None }));
            }
            Arrangement::Tree => tree::grow(report, &order, &self.collapsed, (self.sort, self.reversed), &mut rows),
            grouped => group::gather(report, &order, grouped, (self.sort, self.reversed), &self.opened, &mut rows),
        }
        self.rows = rows;
        self.tagged.retain(|id| report.process(*id).is_some());
        self.collapsed.retain(|id| report.process(*id).is_some());
        self.find_selection(report);
        self.keep_view(line, page);
    }

    /// On which line of a page of this many rows the cursor is; `None`: it is not in sight.
    #[must_use]
    pub fn line(&self, page: usize) -> Option<usize> {
        self.cursor.checked_sub(self.offset).filter(|line| *line < page)
    }

    /// The process of a row; `None` for a group.
    #[must_use]
    pub fn process<'report>(&self, row: usize, report: &'report Report) -> Option<&'report ProcessReport> {
        match self.rows.get(row)? {
            Row::Process { index, .. } => report.processes.get(*index as usize),
            Row::Group { .. } => None,
        }
    }

    /// The rows on a page of this many.
    #[must_use]
    pub fn page(&self, page: usize) -> &[Row] {
        let start = self.offset.min(self.rows.len());
        &self.rows[start..start.saturating_add(page).min(self.rows.len())]
    }

    /// Facts of every process that order, filter and arrangement want.
    #[must_use]
    pub fn needs_of_everyone(&self) -> FactGroups {
        let filter = self.filter.as_deref().and_then(|text| Filter::parse(text).ok());
        [
            table::info(self.sort).needs,
            filter.map_or(FactGroups::NONE, |filter| filter.needs()),
            if self.user.is_some() { FactGroups::STATUS } else { FactGroups::NONE },
            if self.roots.is_empty() { FactGroups::NONE } else { FactGroups::STAT },
            self.arrangement.needs(),
        ]
        .into_iter()
        .fold(FactGroups::NONE, FactGroups::union)
    }

    /// Whether some row stands for several processes.
    #[must_use]
    pub fn shows_sums(&self) -> bool {
        self.rows.iter().any(|row| matches!(row, Row::Group { .. } | Row::Process { folded: Some(_), .. }))
    }

    /// Whether order or filter ask for growth, which is not known before the second look at the machine.
    #[must_use]
    pub fn asks_for_growth(&self) -> bool {
        let filter = || self.filter.as_deref().and_then(|text| Filter::parse(text).ok());
        let of_growth = [Column::Growth, Column::Trend];
        of_growth.contains(&self.sort)
            || filter().is_some_and(|filter| of_growth.into_iter().any(|column| filter.asks_for(column)))
    }

    /// Whether a process passes user, roots and filter.
    fn shown(&self, report: &Report) -> impl Fn(&ProcessReport) -> bool {
        let filter = self.filter.as_deref().and_then(|text| Filter::parse(text).ok());
        move |process| {
            self.user.is_none_or(|uid| process.identity.uid == Some(uid))
                && (self.roots.is_empty() || self.is_below_a_root(report, process))
                && filter.as_ref().is_none_or(|filter| filter.matches(process, report))
        }
    }

    /// Whether it is one of the roots, or was started by one of them.
    pub(super) fn is_below_a_root(&self, report: &Report, process: &ProcessReport) -> bool {
        self.roots.contains(&process.id)
            || tree::ancestors(report, process).any(|ancestor| self.roots.contains(&ancestor.id))
    }
}
