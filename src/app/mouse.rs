//! The mouse: a click selects, on a title sorts, in a pane gives it the keys, on what is selected already opens it; the
//! wheel scrolls what is under it. Refuses to do to processes what a key must confirm.

use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};

use super::bands::{self, first_line};
use super::chord::Chord;
use super::dialog::Dialog;
use super::keys::Move;
use super::layout::{self, Area, Layout};
use super::{Effect, Mode, Pane, State};

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

impl State {
    pub(super) fn mouse(&mut self, event: MouseEvent, effects: &mut Vec<Effect>) {
        let wheel = match event.kind {
            MouseEventKind::ScrollUp => Some(Move::Up),
            MouseEventKind::ScrollDown => Some(Move::Down),
            MouseEventKind::Down(MouseButton::Left) => None,
            _ => return,
        };
        let layout = layout::layout(self);
        match (&self.mode, wheel) {
            // A dialog has the mouse until it is left.
            (Mode::Dialog(_), Some(movement)) => self.wheel_in_dialog(movement),
            (Mode::Dialog(_), None) => self.click_in_dialog(event.column, event.row, effects),
            (_, Some(movement)) => self.wheel(movement, &layout, event.column, event.row),
            (_, None) => self.click(&layout, event.column, event.row),
        }
    }

    fn wheel_in_dialog(&mut self, movement: Move) {
        let size = self.size;
        let Mode::Dialog(dialog) = &mut self.mode else { return };
        if let Dialog::Adjust { .. } = dialog {
            // The value goes up as the wheel does.
            let code = if movement == Move::Up { KeyCode::Right } else { KeyCode::Left };
            dialog.press(Chord::key(code), size);
            return;
        }
        (0..NOTCH).for_each(|_| dialog.go(movement, size));
    }

    /// A click beside the list is not a decision.
    fn click_in_dialog(&mut self, column: u16, row: u16, effects: &mut Vec<Effect>) {
        let Mode::Dialog(dialog) = &mut self.mode else { return };
        if let Some(item) = dialog.item_at(self.size, column, row) {
            let answer = dialog.click(item);
            self.answer(answer, effects);
        }
    }

    fn wheel(&mut self, movement: Move, layout: &Layout, column: u16, row: u16) {
        let Some(under) = layout.panes.iter().find(|area| area.outer.contains(column, row)) else { return };
        match under.pane {
            Pane::Top => {
                let lines = if movement == Move::Up { -NOTCH } else { NOTCH };
                self.list.scroll(lines, layout.page(Pane::Top));
            }
            pane @ (Pane::Growth
            | Pane::Mappings
            | Pane::Risk
            | Pane::Kills
            | Pane::Go
            | Pane::Run
            | Pane::Output
            | Pane::Profile) => {
                (0..NOTCH).for_each(|_| self.move_in(pane, movement));
            }
        }
    }

    fn click(&mut self, layout: &Layout, column: u16, row: u16) {
        if layout.titles.contains(column, row) {
            let spans = layout::column_spans(self, layout.titles);
            // The blank behind a column belongs to it.
            if let Some(span) = spans.iter().rfind(|span| span.x <= column) {
                self.sort_by_title(span.column);
            }
        }
        let Some(under) = layout.panes.iter().find(|area| area.outer.contains(column, row)) else { return };
        let had_the_keys = self.focus == under.pane;
        self.focus_on(under.pane);
        let inner = under.inner;
        let line_in = |list: Area| list.contains(column, row).then(|| row.saturating_sub(list.y));
        let selected_already = match under.pane {
            Pane::Top => line_in(layout.rows).is_some_and(|line| self.click_row(line, layout)),
            Pane::Growth | Pane::Go | Pane::Run | Pane::Output => false,
            Pane::Mappings => {
                let [.., list] = bands::mappings(inner);
                line_in(list).is_some_and(|line| self.click_mapping(line, list.height))
            }
            Pane::Risk => {
                let [.., list] = bands::risk(layout.uncovered(inner), self.other_killers_shown());
                if let Some(line) = line_in(list) {
                    self.click_victim(line, list.height);
                }
                false
            }
            Pane::Kills => {
                let [.., list] = bands::kills(inner);
                line_in(list).is_some_and(|line| self.click_kill(line, list.height))
            }
            Pane::Profile => {
                let list = self.profile_list();
                line_in(list).is_some_and(|line| self.click_profile(column - list.x, line))
            }
        };
        if selected_already && had_the_keys {
            self.open();
        }
    }

    /// Selects the row; whether it is a group that was selected before.
    fn click_row(&mut self, line: u16, layout: &Layout) -> bool {
        let at = self.list.offset + usize::from(line);
        if at >= self.list.rows.len() {
            return false;
        }
        let again = self.list.cursor == at && self.list.selected_group.is_some();
        self.list.following = false;
        self.list.select_row(at, layout.page(Pane::Top), &self.report);
        again
    }

    fn click_mapping(&mut self, line: u16, height: u16) -> bool {
        let at = first_line(self.mappings.cursor, height) + usize::from(line);
        let again = self.mappings.cursor == at;
        if at < self.mapping_lines() {
            self.mappings.cursor = at;
        }
        again
    }

    /// Selects in the table who stands on this line.
    fn click_victim(&mut self, line: u16, height: u16) {
        let Some(domain) = self.risk_domain() else { return };
        let shown = self.victims_in_sight(domain, height);
        let row = shown.get(usize::from(line)).and_then(|victim| self.list.row_of(victim.id, &self.report));
        if let Some(row) = row {
            self.list.following = false;
            let page = self.table_page();
            self.list.select_row(row, page, &self.report);
        }
    }
}
