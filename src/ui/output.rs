//! What the command of `oomtop run` wrote: a page of it, the line that was found marked. Refuses to say where rows begin.

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::layout::Area;
use crate::app::output::Page;
use crate::app::run::RunView;
use crate::units::counted;

use super::canvas::Canvas;
use super::rect;
use super::theme::Role;

/// How much of it there is.
#[must_use]
pub fn title(state: &State) -> String {
    match state.run.as_ref().and_then(RunView::output) {
        Some(output) if output.dropped() > 0 => {
            let lines = counted(output.count(), ["line", "lines"]);
            format!("Output: {lines}; {} earlier ones not kept", output.dropped())
        }
        Some(output) if output.count() > 0 => format!("Output: {}", counted(output.count(), ["line", "lines"])),
        _ => "Output".into(),
    }
}

/// Where in it one is, where not at the end.
#[must_use]
pub fn position(state: &State, area: Area) -> String {
    let below = state.run.as_ref().and_then(RunView::output).map_or(0, |output| output.below(Page::of(area)));
    if below == 0 { String::new() } else { format!("{below} more below, End follows") }
}

/// Draws the pane.
pub fn output(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    let Some(output) = state.run.as_ref().and_then(RunView::output) else { return };
    let place = rect(area);
    if output.count() == 0 {
        canvas.pen(place, 0).gap(1).put("The command has written nothing yet.", Role::Dim);
        return;
    }
    for (row, (line, text)) in (0..).zip(output.page(Page::of(area))) {
        canvas.pen(place, row).gap(1).put(&text, Role::Plain);
        if output.found() == Some(line) {
            canvas.tint(Rect { y: place.y + row, height: 1, ..place }, Role::Marked);
        }
    }
}
