//! Draws the help: terms beside their explanations. Refuses to hold a sentence of its own: what is said comes from the
//! key table and the list of columns.

use ratatui::layout::Rect;

use crate::app::dialog;

use super::canvas::Canvas;
use super::theme::Role;

/// Draws the help, from its row `first` on.
pub fn help(canvas: &mut Canvas<'_>, inner: Rect, first: usize) {
    let rows = dialog::help(inner.width);
    // Scrolling ends with the last row at the bottom, not with an empty box.
    let first = first.min(rows.len().saturating_sub(usize::from(inner.height)));
    for (line, row) in (0..inner.height).zip(rows.iter().skip(first)) {
        let (term, text) = if row.is_heading { (Role::Focus, Role::Focus) } else { (Role::Key, Role::Plain) };
        canvas.pen(inner, line).gap(1).left(row.indent, &row.term, term).put(&row.text, text);
    }
}
