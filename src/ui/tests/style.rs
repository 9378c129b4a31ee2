//! What colours mean, cell by cell, and the screens in colour for a person.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::app::Pane;
use crate::config::{Look, ThemeName};
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

/// The screens in colour, for a person: `cargo test --lib ui::tests::style::look -- --ignored --nocapture`.
#[test]
#[ignore = "shows, asserts nothing"]
fn look() {
    for theme in [ThemeName::Default, ThemeName::Light, ThemeName::Mono] {
        for size in [(120, 34), (80, 24)] {
            let state = fixture::state(size, Look { theme, ..UNICODE });
            print!("{}", coloured(&drawn(&state)));
        }
    }
}

/// A buffer as a terminal would be told to show it.
fn coloured(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while let Some(cell) = buffer.cell((x, y)) {
            let mut codes = vec!["0".to_owned()];
            for (modifier, code) in
                [(Modifier::BOLD, "1"), (Modifier::DIM, "2"), (Modifier::UNDERLINED, "4"), (Modifier::REVERSED, "7")]
            {
                if cell.modifier.contains(modifier) {
                    codes.push(code.to_owned());
                }
            }
            codes.extend(number(cell.fg).map(|number| format!("38;5;{number}")));
            codes.extend(number(cell.bg).map(|number| format!("48;5;{number}")));
            let _ = write!(text, "\x1b[{}m{}", codes.join(";"), cell.symbol());
            x += canvas::columns(cell.symbol()).max(1);
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// The sixteen colours by their numbers.
fn number(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}
