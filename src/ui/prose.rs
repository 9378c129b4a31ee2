//! Text that takes more than a line: sentences broken at spaces, command lines broken anywhere. Refuses to say anything.

use std::borrow::Cow;

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthChar as _;

use super::canvas::Canvas;
use super::theme::Role;

pub use crate::text::wrap;

/// Breaks a text anywhere into lines of at most `width` columns, without a character lost; at most `most` of them.
pub fn fold(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide > width.max(2) {
            if lines.len() >= most {
                break;
            }
            lines.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
    }
    lines
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_break_anywhere_and_lose_nothing() {
        assert_eq!(fold("/usr/bin/a -b c", 6, 9), ["/usr/b", "in/a -", "b c"]);
        assert_eq!(fold("ab漢字c", 3, 9), ["ab", "漢", "字c"]);
        assert_eq!(fold("abcdef", 2, 2), ["ab", "cd"]);
        assert_eq!(fold("", 5, 3), [""]);
    }
}
