//! Draws the State: `render(&State, &mut Frame)`. Takes everything by reference and keeps nothing; the geometry comes
//! from `app::layout`. Refuses to compute: what is shown was concluded by the Monitor and arranged by the app.

mod alarm;
mod canvas;
mod chrome;
mod command;
mod dialogs;
#[cfg(test)]
mod fixture;
mod glyphs;
mod golang;
mod growth;
mod header;
mod help;
mod kills;
mod mappings;
mod output;
mod profile;
mod prose;
mod region;
mod risk;
mod run;
#[cfg(test)]
mod run_tests;
mod sums;
#[cfg(test)]
mod tests;
mod theme;
mod top;

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::{self, Area, Edge, PaneArea};
use crate::app::{Mode, Pane, State};
use crate::text::printable;
use crate::units::ProcessId;

use canvas::Canvas;

/// Draws one frame.
pub fn render(state: &State, frame: &mut Frame<'_>) {
    let cursor = draw(state, frame.buffer_mut());
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
}

/// Draws into a buffer; returns where the terminal's cursor stands while something is typed.
fn draw(state: &State, buffer: &mut Buffer) -> Option<(u16, u16)> {
    // A frame that was planned before the terminal shrank must not reach outside of it: the canvas clips.
    let layout = layout::layout(state);
    let canvas = &mut Canvas::new(buffer, state.config.look);
    header::header(canvas, rect(layout.header), state);
    for area in &layout.panes {
        pane(canvas, state, &layout, area);
    }
    chrome::said(canvas, rect(layout.said), state);
    let cursor = chrome::footer(canvas, rect(layout.footer), state);
    if let Mode::Dialog(dialog) = &state.mode {
        dialogs::dialog(canvas, state, dialog);
    }
    cursor
}

fn pane(canvas: &mut Canvas<'_>, state: &State, layout: &layout::Layout, area: &PaneArea) {
    // The last line of a text is the one that matters, and the first victim while something warns.
    let text = layout.uncovered(area.inner);
    let (title, position) = match area.pane {
        Pane::Top => (top::title(state), top::positions(state, rect(layout.rows))),
        Pane::Growth => (growth::title(state), Vec::new()),
        Pane::Mappings => (mappings::title(state), Vec::new()),
        Pane::Risk => (risk::title(state), vec![risk::position(state)]),
        Pane::Kills => (kills::title(state), Vec::new()),
        Pane::Go => (golang::title(state), Vec::new()),
        Pane::Run => (run::title(state, rect(text)), vec![run::position(state, rect(text))]),
        Pane::Output => (output::title(state), vec![output::position(state, text)]),
        Pane::Profile => (profile::title(state), vec![profile::position(state)]),
    };
    // Where only one pane stands under the table, its line says which others could.
    let companion = layout.panes.len() == 2 && area.edge == Edge::Rule;
    let right = if companion { vec![chrome::tabs(state, area.pane)] } else { position };
    chrome::edge(canvas, rect(area.outer), area.edge, state.focus == area.pane, &title, &right);
    match area.pane {
        Pane::Top => top::table(canvas, rect(layout.titles), rect(layout.rows), state),
        Pane::Growth => growth::chart(canvas, rect(area.inner), state),
        Pane::Mappings => mappings::holdings(canvas, area.inner, state),
        Pane::Risk => risk::victims(canvas, text, state),
        Pane::Kills => kills::kills(canvas, area.inner, state),
        Pane::Go => golang::runtime(canvas, rect(area.inner), state),
        Pane::Run => run::run(canvas, rect(text), state),
        Pane::Profile => profile::profile(canvas, area.inner, state),
        Pane::Output => output::output(canvas, text, state),
    }
}

/// The name of a process, safe to show; a dash when it is gone from the report.
fn name_of(state: &State, id: ProcessId) -> Cow<'_, str> {
    state.report.process(id).map_or(Cow::Borrowed("-"), |process| printable(&process.identity.name))
}

/// Why a pane about the selected process is empty.
fn nobody(state: &State, what: &str) -> String {
    if state.list.selected_group.is_some() {
        format!("A group is selected: Enter opens it. A process shows {what}.")
    } else {
        format!("Select a process to see {what}.")
    }
}

const fn rect(area: Area) -> Rect {
    Rect { x: area.x, y: area.y, width: area.width, height: area.height }
}
