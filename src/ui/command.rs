//! Command lines: cut in a row so that what matters stays, and whole. Refuses to join arguments: that is the table's.

use ratatui::layout::Rect;
use unicode_width::UnicodeWidthChar as _;

use crate::app::State;
use crate::table;
use crate::text::printable;

use super::canvas::{Canvas, columns};
use super::prose::fold;
use super::theme::Role;

/// A command line in its row, without its first columns `from`. The name of the program is what one looks for: its directories are dimmed, and left out where they would push its
/// arguments out of sight.
pub fn in_row(canvas: &mut Canvas<'_>, (x, y, width): (u16, u16, u16), text: &str, from: usize) {
    if from > 0 {
        canvas.cut(x, y, width, behind(text, from), Role::Plain);
        return;
    }
    let program = text.split(' ').next().unwrap_or(text);
    let last_slash = |path: &str| path.rfind('/').map_or(0, |slash| slash + 1);
    let (directories, rest) = text.split_at(last_slash(program));
    let shown = if program.starts_with('/') {
        if width < 40 || columns(program) > width / 2 { "" } else { directories }
    } else if columns(text) > width && columns(program) > width / 2 {
        // An import path: its last directory still says something.
        let parent = &directories[last_slash(directories.trim_end_matches('/'))..];
        if columns(parent) > width / 2 { "" } else { parent }
    } else {
        directories
    };
    let end = canvas.cut(x, y, width, shown, Role::Dim);
    canvas.cut(end, y, (x + width).saturating_sub(end), rest, Role::Plain);
}

/// A text without its first columns.
fn behind(text: &str, columns: usize) -> &str {
    let mut passed = 0;
    let hidden = text.char_indices().find(|(_, letter)| {
        let before = passed;
        passed += letter.width().unwrap_or(0);
        before >= columns
    });
    hidden.map_or("", |(at, _)| &text[at..])
}

/// Draws the whole command line and the cgroup at the bottom, where the pane is large enough to spare the lines; gives
/// what is above.
pub fn above_whole(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Rect {
    const ENOUGH: u16 = 18;
    let process = state.list.selected.and_then(|id| state.report.process(id));
    let Some(process) = process.filter(|_| area.height >= ENOUGH) else { return area };
    let width = usize::from(area.width.saturating_sub(2));
    let command_line = table::command_line(&process.identity);
    let mut lines: Vec<_> =
        fold(&command_line, width).take(usize::from(area.height / 3)).map(ToOwned::to_owned).collect();
    if let Some(cgroup) = &process.identity.cgroup {
        lines.extend(fold(&format!("in {}", printable(&cgroup.0)), width).take(2).map(ToOwned::to_owned));
    }
    let height = lines.len() as u16;
    let below = Rect { y: area.bottom() - height, height, ..area };
    for (row, line) in (0..height).zip(&lines) {
        canvas.pen(below, row).gap(1).put(line, Role::Dim);
    }
    Rect { height: area.height - height, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_in_columns() {
        for (from, rest) in [(0, "a漢字b"), (1, "漢字b"), (2, "字b"), (3, "字b"), (5, "b"), (6, ""), (99, "")] {
            assert_eq!(behind("a漢字b", from), rest, "{from}");
        }
    }
}
