//! The mouse: a click selects, on a title sorts, in a pane gives it the keys; the wheel scrolls what is under it.
//! Refuses to do to processes what a key must confirm.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::keys::Move;
use super::layout::{self, Layout};
use super::{Mode, Pane, State};

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

impl State {
    pub(super) fn mouse(&mut self, event: MouseEvent) {
        let layout = layout::layout(self);
        let wheel = match event.kind {
            MouseEventKind::ScrollUp => Some(Move::Up),
            MouseEventKind::ScrollDown => Some(Move::Down),
            _ => None,
        };
        let page = layout.page(Pane::Top);
        match (&mut self.mode, wheel) {
            (Mode::Dialog(dialog), Some(movement)) => {
                let count = dialog.count();
                (0..NOTCH).for_each(|_| dialog.go(movement, count, page));
            }
            // A dialog has the keys until it is left; a click beside it is not a decision.
            (Mode::Dialog(_), None) => {}
            (_, Some(movement)) => self.wheel(movement, &layout, event.column, event.row),
            (_, None) if event.kind == MouseEventKind::Down(MouseButton::Left) => {
                self.click(&layout, event.column, event.row);
            }
            _ => {}
        }
    }

    fn wheel(&mut self, movement: Move, layout: &Layout, column: u16, row: u16) {
        let Some(under) = layout.panes.iter().find(|area| area.outer.contains(column, row)) else { return };
        match under.pane {
            Pane::Top => {
                let lines = if movement == Move::Up { -NOTCH } else { NOTCH };
                self.list.scroll(lines, layout.page(Pane::Top));
            }
            pane @ (Pane::Growth | Pane::Mappings | Pane::Risk | Pane::Kills) => {
                (0..NOTCH).for_each(|_| self.move_in(pane, movement));
            }
        }
    }

    fn click(&mut self, layout: &Layout, column: u16, row: u16) {
        if layout.titles.contains(column, row) {
            let spans = layout::column_spans(&self.list.columns, self.list.sort, layout.titles);
            // The blank behind a column belongs to it.
            if let Some(span) = spans.iter().rfind(|span| span.x <= column) {
                self.sort_by_title(span.column);
            }
        } else if layout.rows.contains(column, row) {
            let at = self.list.offset + usize::from(row - layout.rows.y);
            if at < self.list.rows.len() {
                self.list.following = false;
                self.list.select_row(at, layout.page(Pane::Top), &self.report);
            }
        }
        if let Some(under) = layout.panes.iter().find(|area| area.outer.contains(column, row)) {
            self.focus_on(under.pane);
        }
    }
}
