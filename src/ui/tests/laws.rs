//! What holds for every size and every state: nothing panics, nothing hostile gets through, bars are exact.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::list::Arrangement;
use crate::app::{Depth, Event, Mode, Pane, Temporality, TextField, update};
use crate::mapping_class::MappingClass;
use crate::ui::{draw, fixture};

use super::dialogs::dialogs;
use super::{ASCII, UNICODE, drawn, text};

#[test]
fn nothing_of_a_hostile_name_reaches_the_terminal() {
    for look in [UNICODE, ASCII] {
        let buffer = drawn(&fixture::state((200, 60), look));
        for cell in buffer.content() {
            assert!(!cell.symbol().chars().any(|sign| sign.is_control() || sign == '\u{202e}'), "{cell:?}");
            assert!(look == UNICODE || cell.symbol().is_ascii(), "{cell:?}");
        }
    }
}

#[test]
fn a_bar_of_parts_fills_its_width_exactly() {
    let buffer = drawn(&fixture::state((120, 34), ASCII));
    let lines = text(&buffer);
    let memory = lines.lines().nth(1).unwrap_or_default();
    let bar = &memory[memory.find('[').unwrap_or(0) + 1..memory.rfind(']').unwrap_or(0)];
    assert_eq!(bar.len(), 120 - " Mem   15.6G []".len() - " 6.10G available".len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_size_and_no_state_makes_it_panic(
        width in 0u16..300,
        height in 0u16..100,
        buffer_width in 0u16..300,
        buffer_height in 0u16..100,
        pane in 0usize..6,
        zoomed: bool,
        ascii: bool,
        dialog in 0usize..12,
        arrangement in 0usize..5,
        cursor in 0usize..40,
        paused: bool,
    ) {
        let mut state = fixture::state((width, height), if ascii { ASCII } else { UNICODE });
        state.focus = *Pane::ALL.get(pane).unwrap_or(if pane == 4 { &Pane::Kills } else { &Pane::Go });
        state.companion = *Pane::ALL.get(pane).unwrap_or(&Pane::Risk);
        state.zoomed = zoomed;
        state.list.arrangement = Arrangement::ALL[arrangement];
        state.mappings.cursor = cursor;
        state.mappings.opened = (cursor % 2 == 1).then_some(MappingClass::GoHeap);
        state.mappings.depth = if cursor % 3 == 0 { Depth::Region } else { Depth::List };
        state.list_regions();
        state.risk.scroll = cursor;
        if paused {
            state.temporality = Temporality::Paused;
        }
        if let Some((_, dialog)) = dialogs().into_iter().nth(dialog) {
            state.mode = Mode::Dialog(dialog);
        }
        update(&mut state, Event::Report(fixture::report()));
        draw(&state, &mut Buffer::empty(Rect::new(0, 0, width, height)));
        // The terminal may have shrunk, or grown, since the state learnt of its size.
        draw(&state, &mut Buffer::empty(Rect::new(0, 0, buffer_width, buffer_height)));
    }

    #[test]
    fn typed_text_of_any_kind_is_drawn(text in "\\PC{0,300}", width in 0u16..120, at in 0usize..300) {
        let mut state = fixture::state((width, 24), UNICODE);
        let cursor = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let error = (at % 2 == 0).then(|| (cursor, "wrong".to_owned()));
        state.mode = Mode::Filter(TextField { text, cursor, error });
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 24));
        if let Some((x, y)) = draw(&state, &mut buffer) {
            prop_assert!(x < width && y < 24);
        }
    }
}
