//! What a person sees, as text at four sizes and in both sets of characters; what colours mean; and that no size and
//! no state makes drawing panic.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::dialog::Dialog;
use crate::app::{Mode, State};
use crate::config::{Glyphs, Look, ThemeName};

use super::draw;
use super::fixture;

/// The screen as text, with a ruler of nothing: trailing blanks are cut, so that a diff shows what changed.
fn screen(state: &State) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    draw(state, &mut buffer);
    text(&buffer)
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            x += super::canvas::columns(symbol).max(1);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

const UNICODE: Look = Look { glyphs: Glyphs::Unicode, theme: ThemeName::Default };
const ASCII: Look = Look { glyphs: Glyphs::Ascii, theme: ThemeName::Mono };
const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 34), (200, 60)];

#[test]
fn overview() {
    for (name, look) in [("unicode", UNICODE), ("ascii", ASCII)] {
        for (width, height) in SIZES {
            let state = fixture::state((width, height), look);
            insta::assert_snapshot!(format!("overview_{width}x{height}_{name}"), screen(&state));
        }
    }
}

#[test]
fn help() {
    let mut state = fixture::state((80, 24), UNICODE);
    state.mode = Mode::Dialog(Dialog::Help { scroll: 0 });
    insta::assert_snapshot!("help_80x24", screen(&state));
}
