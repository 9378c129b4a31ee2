//! Tags, folded subtrees and opened groups: what the user did to rows. Refuses to make rows.

use std::collections::BTreeSet;

use crate::monitor::report::Report;
use crate::units::ProcessId;

use super::{Arrangement, List, Row, group, tree};

impl List {
    /// Tags the selected process, or takes its tag away; on a group its members: all, or none when all were.
    pub fn tag(&mut self, report: &Report) {
        let targets: Vec<ProcessId> = match &self.selected_group {
            Some(label) => self.members(label, report),
            None => self.selected.into_iter().collect(),
        };
        if targets.iter().all(|id| self.tagged.contains(id)) {
            self.tagged.retain(|id| !targets.contains(id));
        } else {
            self.tagged.extend(targets);
        }
    }

    /// What a person points at: the selected process, or one of the `go test` whose group is selected.
    #[must_use]
    pub fn pointed_at(&self, report: &Report) -> Option<ProcessId> {
        let of_group = || {
            let label = self.selected_group.as_ref().filter(|_| self.arrangement == Arrangement::ByGoTest)?;
            let belongs = |id: &ProcessId| {
                report.process(*id).is_some_and(|process| group::go_test_of(report, process).is_some())
            };
            self.members(label, report).into_iter().find(belongs)
        };
        if self.selected_group.is_some() { of_group() } else { self.selected }
    }

    /// Shown processes of a group.
    fn members(&self, label: &str, report: &Report) -> Vec<ProcessId> {
        let shown = self.shown(report);
        let members = report
            .processes
            .iter()
            .filter(|process| shown(process) && group::label(report, process, self.arrangement) == label);
        members.map(|process| process.id).collect()
    }

    /// Shows the children of the selected process or the members of the selected group.
    pub fn expand(&mut self) {
        if let Some(label) = &self.selected_group {
            self.opened.insert(label.clone());
        } else if let Some(id) = self.selected {
            self.collapsed.remove(&id);
        }
    }

    /// Hides them; where there is nothing to hide, goes to the parent or to the group.
    pub fn collapse(&mut self, page: usize, report: &Report) {
        if let Some(label) = &self.selected_group {
            self.opened.remove(label);
        } else if let Some(id) = self.selected.filter(|_| self.has_children(self.cursor)) {
            self.collapsed.insert(id);
        } else if let Some(parent) = self.parent_row(self.cursor) {
            self.select_row(parent, page, report);
        }
    }

    /// Hides all children but those of the roots, or opens no group; if some are hidden, shows all.
    pub fn toggle_all(&mut self, report: &Report) {
        let groups = self.rows.iter().filter_map(|row| match row {
            Row::Group { label, .. } => Some(label.clone()),
            Row::Process { .. } => None,
        });
        if self.arrangement.is_grouped() {
            self.opened = if self.opened.is_empty() { groups.collect() } else { BTreeSet::new() };
        } else if self.collapsed.is_empty() {
            let below_a_root =
                (0..self.rows.len()).filter(|row| depth(&self.rows[*row]) > 0 && self.has_children(*row));
            self.collapsed = below_a_root.filter_map(|row| Some(self.process(row, report)?.id)).collect();
        } else {
            self.collapsed.clear();
        }
    }

    fn has_children(&self, row: usize) -> bool {
        self.rows.get(row + 1).is_some_and(|next| depth(next) > depth(&self.rows[row]))
    }

    fn parent_row(&self, row: usize) -> Option<usize> {
        let own = depth(self.rows.get(row)?);
        self.rows[..row].iter().rposition(|above| depth(above) < own)
    }

    /// Tags the selected process with all its descendants.
    pub fn tag_family(&mut self, report: &Report) {
        let family = self.selected.map(|id| tree::family(report, id));
        self.tagged.extend(family.unwrap_or_default());
    }
}

fn depth(row: &Row) -> u16 {
    match row {
        Row::Process { depth, .. } => *depth,
        Row::Group { .. } => 0,
    }
}
