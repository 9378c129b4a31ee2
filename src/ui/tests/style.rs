//! What colours mean, cell by cell.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::app::Pane;
use crate::config::ThemeName;
use crate::ui::theme::{Role, Theme};
use crate::ui::{canvas, fixture};

use super::{UNICODE, drawn, text};

/// The style of the first cell of a text on the screen.
fn style_of(buffer: &Buffer, line: &str, word: &str) -> Style {
    let lines = text(buffer);
    let (y, found) = lines.lines().enumerate().find(|(_, text)| text.contains(line)).expect("the line is there");
    let x = canvas::columns(&found[..found.find(word).expect("the word is there")]);
    buffer.cell((x, y as u16)).map(ratatui::buffer::Cell::style).unwrap_or_default()
}

#[test]
fn the_eye_lands_on_what_is_about_to_go_wrong() {
    let mut state = fixture::state((120, 34), UNICODE);
    state.list.select_row(0, 10, &fixture::report());
    let buffer = drawn(&state);
    let theme = Theme::new(ThemeName::Default);
    let looks = |line: &str, word: &str, role| {
        let (found, wanted) = (style_of(&buffer, line, word), theme.style(role));
        assert_eq!((found.fg, found.bg), (wanted.fg.or(found.fg), wanted.bg.or(found.bg)), "{word} of {line}");
    };
    looks("goleak/a", "1st", Role::Danger);
    looks("goleak/a", "+1.90M/s", Role::Danger);
    looks("Tightest", "93%", Role::Danger);
    looks("402 root", "-1000", Role::Good);
    looks("402 root", "safe", Role::Good);
    looks("31002 ana", "300", Role::Warned);
    looks("1204 postgres", "812M", Role::Selected);
}

#[test]
fn a_selection_in_another_pane_is_marked_and_not_lit() {
    let mut state = fixture::state((120, 34), UNICODE);
    assert_eq!(style_of(&drawn(&state), "goleak/a", "475M").bg, Some(Color::Blue));
    state.focus = Pane::Risk;
    let style = style_of(&drawn(&state), "goleak/a", "475M");
    assert_eq!(style.bg, Some(Color::Reset));
    assert!(style.add_modifier.contains(Modifier::BOLD));
}
