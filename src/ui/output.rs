//! What the command of `oomtop run` wrote: a page of it, the line that was found marked. Refuses to wrap: a line is a line.

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::run::RunView;
use crate::units::counted;

use super::canvas::Canvas;
use super::theme::Role;

/// How much of it there is.
#[must_use]
pub fn title(state: &State) -> String {
    match state.run.as_ref().and_then(RunView::output) {
        Some(output) if output.dropped() > 0 => {
            let lines = counted(output.count(), ["line", "lines"]);
            format!("Output: {lines}; {} before them not kept", output.dropped())
        }
        Some(output) if output.count() > 0 => format!("Output: {}", counted(output.count(), ["line", "lines"])),
        _ => "Output".into(),
    }
}

/// Where in it one is, where not at the end.
#[must_use]
pub fn position(state: &State, rows: u16) -> String {
    let Some(output) = state.run.as_ref().and_then(RunView::output) else { return String::new() };
    let rows = usize::from(rows);
    let below = output.count().saturating_sub(output.top(rows) + rows);
    if below == 0 { String::new() } else { format!("{below} more below, End follows") }
}

/// Draws the pane.
pub fn output(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let Some(output) = state.run.as_ref().and_then(RunView::output) else { return };
    if output.count() == 0 {
        canvas.pen(area, 0).gap(1).put("The command has written nothing yet.", Role::Dim);
        return;
    }
    let (top, page) = output.page(usize::from(area.height));
    for (row, line) in (0..area.height).zip(page) {
        canvas.pen(area, row).gap(1).put(&line, Role::Plain);
        if output.found() == Some(top + usize::from(row)) {
            canvas.tint(Rect { y: area.y + row, height: 1, ..area }, Role::Marked);
        }
    }
}
