//! What frames the panes: their edges with titles, the boxes of dialogs, and the footer (keys, outcome, or the line
//! being typed). Refuses to draw what is inside.

use ratatui::layout::Rect;

use crate::app::keys::{self, Action};
use crate::app::layout::Edge;
use crate::app::{Mode, Pane, State, TextField, Tone};

use super::canvas::{Canvas, Pen, columns};
use super::theme::Role;

/// The edge of a pane, with its title in the line. At the other end of the line stands the first of `right` that there
/// is room for.
pub fn edge(canvas: &mut Canvas<'_>, outer: Rect, edge: Edge, focused: bool, title: &str, right: &[String]) {
    if outer.width == 0 || outer.height == 0 || edge == Edge::Bare {
        return;
    }
    let glyphs = canvas.glyphs;
    let (left, top) = (outer.x, outer.y);
    canvas.repeat(left, top, outer.width, glyphs.horizontal, Role::Rule);
    if edge == Edge::Corner {
        let crosses = top > 0 && canvas.symbol(left, top - 1) == glyphs.vertical;
        canvas.repeat(left, top, 1, glyphs.tees[usize::from(crosses)], Role::Rule);
        for y in top + 1..outer.bottom() {
            canvas.repeat(left, y, 1, glyphs.vertical, Role::Rule);
        }
    }
    titles(canvas, outer, focused, title, right);
}

/// A box around a dialog, with its title in the upper line and its keys in the lower one.
pub fn frame(canvas: &mut Canvas<'_>, outer: Rect, title: &str, keys: &str) {
    if outer.width == 0 || outer.height == 0 {
        return;
    }
    let glyphs = canvas.glyphs;
    let (left, top, right, bottom) = (outer.x, outer.y, outer.right() - 1, outer.bottom() - 1);
    for y in [top, bottom] {
        canvas.repeat(left, y, outer.width, glyphs.horizontal, Role::Focus);
    }
    for y in top..=bottom {
        for x in [left, right] {
            canvas.repeat(x, y, 1, glyphs.vertical, Role::Focus);
        }
    }
    for ((x, y), corner) in [(left, top), (right, top), (left, bottom), (right, bottom)].into_iter().zip(glyphs.corners)
    {
        canvas.repeat(x, y, 1, corner, Role::Focus);
    }
    titles(canvas, outer, true, title, &[]);
    if outer.height > 2 && !keys.is_empty() {
        let room = outer.width.saturating_sub(4);
        canvas.cut(left + 2, bottom, room, &format!(" {keys} "), Role::Dim);
    }
}

fn titles(canvas: &mut Canvas<'_>, outer: Rect, focused: bool, title: &str, right: &[String]) {
    let room = outer.width.saturating_sub(4);
    let mut used = 0;
    if !title.is_empty() && room > 2 {
        let at = outer.x + 2;
        canvas.text(at, outer.y, 1, " ", Role::Plain);
        let end = canvas.cut(at + 1, outer.y, room - 2, title, if focused { Role::Focus } else { Role::Title });
        canvas.text(end, outer.y, 1, " ", Role::Plain);
        used = end + 1 - at;
    }
    if let Some(right) = right.iter().find(|right| !right.is_empty() && used + columns(right) + 2 < room) {
        let wanted = columns(right) + 2;
        let at = outer.right() - 2 - wanted;
        canvas.text(at, outer.y, wanted, &format!(" {right} "), Role::Dim);
    }
}

/// The panes that can stand under the table, the one that does in brackets: `2 growth 3 holds [4 next]`.
#[must_use]
pub fn tabs(state: &State, shown: Pane) -> String {
    let names = state.overview().into_iter().skip(1).map(|pane| {
        let name = format!("{} {}", pane.number(), pane.word());
        if pane == shown { format!("[{name}]") } else { name }
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Draws the last row: what is being typed, else the keys of the focused pane. Returns where the cursor stands.
pub fn footer(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> Option<(u16, u16)> {
    match &state.mode {
        Mode::Search(field) => typing(canvas, area, "Find: ", field, "Enter keeps it  Esc goes back"),
        Mode::Filter(field) => typing(canvas, area, "Filter: ", field, "Enter keeps it  Esc drops it"),
        Mode::Normal | Mode::Dialog(_) => {
            let mut pen = canvas.pen(area, 0);
            pen.gap(1).end("quit ", Role::Dim);
            pen.end("q", Role::Key);
            keys_of(&mut pen, state);
            None
        }
    }
}

/// Draws what is said of events and actions, above the last row: it says how to go on from there.
pub fn said(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let said = state.said(usize::from(area.width.saturating_sub(2)), usize::from(area.height));
    for (row, (tone, text)) in (0..area.height).zip(&said) {
        let role = match tone {
            Tone::Plain => Role::Plain,
            Tone::Good => Role::Good,
            Tone::Bad => Role::Danger,
        };
        canvas.clear(Rect { y: area.y + row, height: 1, ..area });
        canvas.pen(area, row).gap(1).put(text, role);
    }
}

/// Keys with their labels, as many as fit whole, and where all do those that are worth it with room to spare; how to get
/// out always stands at the end.
fn keys_of(pen: &mut Pen<'_, '_>, state: &State) {
    let of_use = keys::footer(state.focus).filter(|binding| state.is_of_use(binding.action));
    let mut all_fit = true;
    for binding in of_use.filter(|binding| binding.action != Action::Quit) {
        let (key, label) = (binding.key_name(), binding.label);
        let fits = columns(&key) + columns(label) < pen.room();
        all_fit &= fits;
        if !(fits && (all_fit || !binding.is_spare)) {
            continue;
        }
        pen.put(&key, Role::Key).gap(1).put(label, Role::Dim).gap(2);
    }
}

/// A line of text with its cursor; when it is wrong, what is wrong stands behind it and where is marked under it.
fn typing(canvas: &mut Canvas<'_>, area: Rect, prompt: &str, field: &TextField, hint: &str) -> Option<(u16, u16)> {
    if area.width == 0 || area.height == 0 {
        return None;
    }
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put(prompt, Role::Strong);
    let start = pen.at();
    let room = pen.room();
    let before = columns(field.text.get(..field.cursor).unwrap_or(&field.text));
    // A text longer than the line shows the part around the cursor.
    let skipped = before.saturating_sub(room.saturating_sub(1));
    let mut left = skipped;
    let visible = field.text.trim_start_matches(|letter: char| {
        let hidden = left > 0;
        left = left.saturating_sub(columns(letter.encode_utf8(&mut [0; 4])));
        hidden
    });
    pen.put(visible, Role::Plain);
    match &field.error {
        Some((at, message)) => {
            pen.gap(2).put(&format!("! {message}"), Role::Danger);
            let place = columns(field.text.get(..*at).unwrap_or(&field.text));
            if place >= skipped {
                let x = start.saturating_add(place - skipped).min(area.right().saturating_sub(1));
                let width = columns(field.text.get(*at..).unwrap_or("")).max(1);
                canvas.tint(Rect { x, y: area.y, width: width.min(area.right() - x), height: 1 }, Role::Danger);
            }
        }
        None => {
            pen.end(hint, Role::Dim);
        }
    }
    Some(((start + before - skipped).min(area.right().saturating_sub(1)), area.y))
}
