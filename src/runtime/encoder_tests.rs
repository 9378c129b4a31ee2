//! The encoder against a model of a terminal: whatever is drawn, the model shows it.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier, Style};

use super::Encoder;

fn terminal(width: u16, height: u16) -> Terminal<Encoder> {
    Terminal::new(Encoder::new(Size::new(width, height))).unwrap()
}

fn draw(terminal: &mut Terminal<Encoder>, paint: impl FnOnce(&mut Buffer)) -> Vec<u8> {
    terminal.draw(|frame| paint(frame.buffer_mut())).unwrap();
    let mut bytes = Vec::new();
    terminal.backend_mut().take(&mut bytes);
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\x1b', "^")
}

#[test]
fn a_frame_without_change_is_no_bytes() {
    let mut terminal = terminal(20, 3);
    assert_eq!(text(&draw(&mut terminal, |_| {})), "");
    let hello = |buffer: &mut Buffer| {
        buffer.set_string(0, 0, "hello", Style::new());
    };
    assert_eq!(text(&draw(&mut terminal, hello)), "^[?2026h^[1;1Hhello^[?2026l");
    assert_eq!(text(&draw(&mut terminal, hello)), "");
}

#[test]
fn moves_and_colours_are_short() {
    let mut terminal = terminal(40, 4);
    draw(&mut terminal, |buffer| {
        buffer.set_string(0, 0, "a123456789b", Style::new());
    });
    let bytes = draw(&mut terminal, |buffer| {
        buffer.set_string(0, 0, "X123456789Y", Style::new().fg(Color::Red));
        buffer.set_string(1, 0, "123456789", Style::reset());
        buffer.set_string(0, 1, "z", Style::new().fg(Color::LightBlue).add_modifier(Modifier::BOLD));
        buffer.set_string(0, 2, "q", Style::new());
    });
    assert_eq!(text(&bytes), "^[?2026h\r^[31mX^[9CY\r\n^[1;94mz\r\n^[mq^[?2026l");
}

#[test]
fn blanks_are_erased_not_written() {
    let mut terminal = terminal(60, 2);
    draw(&mut terminal, |buffer| {
        buffer.set_string(0, 0, "#".repeat(60), Style::new());
    });
    let bytes = draw(&mut terminal, |buffer| {
        buffer.set_string(0, 0, "##", Style::new());
        buffer.set_string(30, 0, "###", Style::new());
    });
    assert_eq!(text(&bytes), "^[?2026h^[1;3H^[28X^[31C^[K^[?2026l");
}

#[test]
fn a_size_of_zero_or_one_is_drawn_without_panic() {
    for (width, height) in [(0, 0), (1, 1), (1, 0), (0, 1)] {
        let mut terminal = terminal(width, height);
        draw(&mut terminal, |buffer| {
            let area = buffer.area;
            buffer.set_style(area, Style::new().bg(Color::Blue));
        });
    }
}

#[derive(Clone, Debug)]
struct Stroke {
    x: u16,
    y: u16,
    text: String,
    style: Style,
}

fn strokes() -> impl Strategy<Value = Vec<Stroke>> {
    let colour = prop_oneof![
        Just(Color::Reset),
        Just(Color::Red),
        Just(Color::LightCyan),
        Just(Color::White),
        any::<u8>().prop_map(Color::Indexed),
        any::<[u8; 3]>().prop_map(|[r, g, b]| Color::Rgb(r, g, b)),
    ];
    let modifier = prop_oneof![
        Just(Modifier::empty()),
        Just(Modifier::BOLD),
        Just(Modifier::REVERSED),
        Just(Modifier::UNDERLINED),
        Just(Modifier::BOLD | Modifier::ITALIC),
    ];
    let text = prop_oneof!["[ -~]{0,20}", " {0,30}", "[▁-█─-╿]{1,8}", "[あ-ん]{1,4}", "[a-c中é ]{1,9}"];
    let stroke = (0..30_u16, 0..6_u16, text, colour.clone(), colour, modifier).prop_map(
        |(x, y, text, foreground, background, modifier)| Stroke {
            x,
            y,
            text,
            style: Style::new().fg(foreground).bg(background).add_modifier(modifier),
        },
    );
    prop::collection::vec(stroke, 0..12)
}

fn colour_of(colour: vt100::Color) -> Color {
    match colour {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// Named colours as the model of the terminal has them.
fn indexed(colour: Color) -> Color {
    match colour {
        Color::Red => Color::Indexed(1),
        Color::LightCyan => Color::Indexed(14),
        Color::White => Color::Indexed(15),
        other => other,
    }
}

/// Whether backgrounds can be compared: what a terminal shows in the other half of a wide character of which one half
/// was overwritten is its own choice.
#[derive(Clone, Copy, PartialEq)]
enum Backgrounds {
    Compared,
    OfHalvesUnknown,
}

fn assert_shows(screen: &vt100::Screen, buffer: &Buffer, backgrounds: Backgrounds) {
    let mut covered = 0;
    for position in buffer.area.positions() {
        let wanted = &buffer[position];
        let shown = screen.cell(position.y, position.x).unwrap();
        covered = if position.x == 0 { 0 } else { covered };
        if covered > 0 {
            covered -= 1;
            continue;
        }
        let symbol = if shown.contents().is_empty() { " ".into() } else { shown.contents().to_owned() };
        assert_eq!(symbol, wanted.symbol(), "at {position:?}");
        covered = unicode_width::UnicodeWidthStr::width(wanted.symbol()).saturating_sub(1);
        if backgrounds == Backgrounds::OfHalvesUnknown {
            continue;
        }
        assert_eq!(colour_of(shown.bgcolor()), indexed(wanted.bg), "background at {position:?}");
        assert_eq!(shown.inverse(), wanted.modifier.contains(Modifier::REVERSED), "inverse at {position:?}");
        assert_eq!(shown.underline(), wanted.modifier.contains(Modifier::UNDERLINED), "underline at {position:?}");
        if wanted.symbol() != " " {
            assert_eq!(colour_of(shown.fgcolor()), indexed(wanted.fg), "foreground at {position:?}");
            assert_eq!(shown.bold(), wanted.modifier.contains(Modifier::BOLD), "bold at {position:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_terminal_shows_what_was_drawn(frames in prop::collection::vec(strokes(), 1..5)) {
        let (width, height) = (30, 6);
        let mut terminal = terminal(width, height);
        let mut model = vt100::Parser::new(height.try_into().unwrap(), width.try_into().unwrap(), 0);
        let mut backgrounds = Backgrounds::Compared;
        for frame in frames {
            if frame.iter().any(|stroke| stroke.text.chars().any(|c| ('\u{3040}'..'\u{ff00}').contains(&c))) {
                backgrounds = Backgrounds::OfHalvesUnknown;
            }
            let mut wanted = Buffer::empty(Rect::new(0, 0, width, height));
            let paint = |buffer: &mut Buffer| {
                for stroke in &frame {
                    buffer.set_stringn(stroke.x, stroke.y, &stroke.text, usize::from(width), stroke.style);
                }
            };
            paint(&mut wanted);
            model.process(&draw(&mut terminal, paint));
            assert_shows(model.screen(), &wanted, backgrounds);
        }
    }
}
