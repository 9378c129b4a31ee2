//! What is selected and what part of the list is on the screen. The selection is a process, not a line: refuses to
//! move to another one because the order changed.

use unicode_width::UnicodeWidthStr as _;

use crate::monitor::report::{ProcessReport, Report};
use crate::table;
use crate::units::ProcessId;

use super::{Arrangement, List, Move, Row, group, tree};

impl List {
    /// Moves the selection. Movement by hand ends following.
    pub fn go(&mut self, movement: Move, page: usize, report: &Report) {
        self.following = false;
        self.select_row(movement.apply(self.cursor, self.rows.len(), page), page, report);
    }

    /// Selects a row and brings it onto the page.
    pub fn select_row(&mut self, row: usize, page: usize, report: &Report) {
        self.cursor = row.min(self.rows.len().saturating_sub(1));
        self.adopt_cursor(report);
        self.want_selected();
        self.reveal(page);
    }

    /// What is selected is what the user wants: it stays selected also when a filter hides it for a while.
    pub fn want_selected(&mut self) {
        self.wanted = self.selected;
    }

    /// Moves the view and not the selection.
    pub fn scroll(&mut self, lines: isize, page: usize) {
        self.offset = self.offset.saturating_add_signed(lines).min(self.last_offset(page));
    }

    /// Shows command lines from further right, as far as one on the page has something there, or from further left.
    pub fn shift_commands(&mut self, to_the_right: bool, page: usize, report: &Report) {
        const STEP: usize = 16;
        if !to_the_right {
            self.commands_from = self.commands_from.saturating_sub(STEP);
            return;
        }
        let processes = self.page(page).iter().filter_map(|row| match row {
            Row::Process { index, .. } => report.processes.get(*index as usize),
            Row::Group { .. } => None,
        });
        let longest = processes.map(|process| table::command_line(&process.identity).width()).max().unwrap_or(0);
        if self.commands_from + STEP < longest {
            self.commands_from += STEP;
        }
    }

    /// What the row under the cursor is becomes what is selected.
    fn adopt_cursor(&mut self, report: &Report) {
        self.selected = self.process(self.cursor, report).map(|process| process.id);
        self.selected_group = match self.rows.get(self.cursor) {
            Some(Row::Group { label, .. }) => Some(label.clone()),
            _ => None,
        };
    }

    /// Puts the cursor on what is wanted. When that has no row: on what stands for it in a tree or among groups, or
    /// where the cursor is; when it ended, on the row that took its place.
    pub(super) fn find_selection(&mut self, report: &Report) {
        let wanted = self.wanted.and_then(|id| report.process(id));
        let found = wanted.and_then(|process| self.row_of(process.id, report)).or_else(|| {
            let label = self.selected_group.as_ref()?;
            self.row_of_group(label)
        });
        let found = found.or_else(|| {
            let process = wanted?;
            let present = self.selected.and_then(|id| self.row_of(id, report));
            Some(present.or_else(|| self.row_that_hides(process, report)).unwrap_or(0))
        });
        self.cursor = found.unwrap_or(self.cursor).min(self.rows.len().saturating_sub(1));
        self.adopt_cursor(report);
        if wanted.is_none() {
            self.want_selected();
        }
    }

    /// The row of a process.
    #[must_use]
    pub fn row_of(&self, id: ProcessId, report: &Report) -> Option<usize> {
        let sought = report.processes.binary_search_by_key(&id, |process| process.id).ok()?;
        self.rows.iter().position(|row| matches!(row, Row::Process { index, .. } if *index as usize == sought))
    }

    fn row_of_group(&self, sought: &str) -> Option<usize> {
        self.rows.iter().position(|row| matches!(row, Row::Group { label, .. } if **label == *sought))
    }

    /// The row into which a process without a row of its own is summed.
    fn row_that_hides(&self, process: &ProcessReport, report: &Report) -> Option<usize> {
        match self.arrangement {
            Arrangement::Flat => None,
            Arrangement::Tree => tree::ancestors(report, process).find_map(|ancestor| self.row_of(ancestor.id, report)),
            grouped => self.row_of_group(&group::label(report, process, grouped)),
        }
    }

    /// After the order changed under the view. Following: the selected row stays on the page. Else a view at the top
    /// stays there, so that what grew to the top is seen; a view that was scrolled keeps the selected row on its line.
    pub(super) fn keep_view(&mut self, line: Option<usize>, page: usize) {
        if self.offset > 0
            && let Some(line) = line
        {
            self.offset = self.cursor.saturating_sub(line);
        }
        self.offset = self.offset.min(self.last_offset(page));
        if self.following {
            self.reveal(page);
        }
    }

    /// Brings the selected row onto the page.
    pub fn reveal(&mut self, page: usize) {
        let first = self.cursor.saturating_sub(page.saturating_sub(1));
        self.offset = self.offset.clamp(first, self.cursor);
    }

    fn last_offset(&self, page: usize) -> usize {
        self.rows.len().saturating_sub(page.max(1))
    }
}
