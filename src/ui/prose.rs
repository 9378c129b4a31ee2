//! Text that takes more than a line, drawn. Refuses to say anything.

use std::borrow::Cow;

use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::theme::Role;

pub use crate::text::{fold, wrap};

/// Writes texts one below the other, wrapped; gives how many rows they took.
pub fn paragraphs(canvas: &mut Canvas<'_>, area: Rect, texts: &[(Cow<'_, str>, Role)]) -> u16 {
    let mut line = 0;
    for (text, role) in texts {
        for part in wrap(text, usize::from(area.width.saturating_sub(2))) {
            if line >= area.height {
                return area.height;
            }
            canvas.pen(area, line).gap(1).put(&part, *role);
            line += 1;
        }
    }
    line
}
