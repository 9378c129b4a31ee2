//! What a person typed, out of the bytes that the terminal sent: keys, mouse, pasted text. Any bytes may come, split
//! anywhere; what makes no sense is dropped. Refuses to read: bytes are given to it, and so is the news that nothing
//! more came for a while (only that tells the Escape key from the start of a sequence).
//!
//! Alt and a key is the same bytes as Escape and a key in quick succession, which is what a slow link makes of two keys
//! pressed one after the other. It is taken for Escape, the safe one of the two: a control key after it (Enter, Tab)
//! is a key of its own; a character after it is dropped, so that it never acts where Escape has led.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::app::Event;

/// No sequence that we understand is longer; the rest of a longer one is dropped.
const LONGEST_SEQUENCE: usize = 64;
/// A longer paste is cut: it can only go into a filter or a search.
const LONGEST_PASTE: usize = 4096;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Decodes a stream of bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// An unfinished sequence, or the end of an unfinished paste.
    held: Vec<u8>,
    pasted: Option<Vec<u8>>,
}

/// What stands at the front of the bytes.
enum Front {
    /// A whole sequence of so many bytes, and what it means.
    Whole(usize, Option<Event>),
    /// The start of one.
    Partial,
}

impl Decoder {
    /// Takes what was read and tells what it means.
    pub fn feed(&mut self, bytes: &[u8], tell: &mut impl FnMut(Event)) {
        self.held.extend_from_slice(bytes);
        let mut held = std::mem::take(&mut self.held);
        let mut rest: &[u8] = &held;
        while !rest.is_empty() {
            if self.pasted.is_some() {
                match self.paste(rest, tell) {
                    Some(taken) => rest = &rest[taken..],
                    None => break,
                }
                continue;
            }
            match front(rest) {
                Front::Whole(length, meaning) => {
                    if rest[..length] == *b"\x1b[200~" {
                        self.pasted = Some(Vec::new());
                    }
                    if let Some(event) = meaning {
                        tell(event);
                    }
                    rest = &rest[length..];
                }
                Front::Partial if rest.len() > LONGEST_SEQUENCE => rest = &rest[1..],
                Front::Partial => break,
            }
        }
        let done = held.len() - rest.len();
        held.drain(..done);
        self.held = held;
    }

    /// Whether something is held back until more comes or [`Decoder::expire`] is called.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty() && self.pasted.is_none()
    }

    /// Nothing more came: ESC was the Escape key, also with one character after it; anything else unfinished is
    /// dropped.
    pub fn expire(&mut self, tell: &mut impl FnMut(Event)) {
        if self.pasted.is_none() {
            if let [0x1b] | [0x1b, _] = self.held[..] {
                tell(plain(KeyCode::Esc));
            }
            self.held.clear();
        }
    }

    /// Collects pasted text; how many bytes are dealt with, or `None` when the rest must wait for more.
    fn paste(&mut self, bytes: &[u8], tell: &mut impl FnMut(Event)) -> Option<usize> {
        let text = self.pasted.as_mut()?;
        let end = bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        // Without its end, the last bytes may be the beginning of it.
        let kept = end.unwrap_or_else(|| bytes.len().saturating_sub(PASTE_END.len() - 1));
        let room = LONGEST_PASTE.saturating_sub(text.len());
        text.extend_from_slice(&bytes[..kept.min(room)]);
        if end.is_some() {
            tell(Event::Paste(String::from_utf8_lossy(text).into_owned()));
            self.pasted = None;
            return Some(kept + PASTE_END.len());
        }
        (kept > 0).then_some(kept)
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn plain(code: KeyCode) -> Event {
    key(code, KeyModifiers::NONE)
}

fn front(bytes: &[u8]) -> Front {
    match bytes {
        [0x1b] => Front::Partial,
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', rest @ ..] => match rest {
            [] => Front::Partial,
            [c, ..] => Front::Whole(3, single_shift(*c)),
        },
        // Strings (answers that nobody asked for) end with BEL or ST.
        [0x1b, b']' | b'P' | b'^' | b'_' | b'X', rest @ ..] => string(rest),
        [0x1b, 0..0x20 | 0x7f, ..] => Front::Whole(1, Some(plain(KeyCode::Esc))),
        [0x1b, rest @ ..] => match text(rest) {
            Front::Whole(length, _) => Front::Whole(1 + length, Some(plain(KeyCode::Esc))),
            Front::Partial => Front::Partial,
        },
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Front {
    let (first, control) = (bytes[0], KeyModifiers::CONTROL);
    let event = match first {
        b'\r' | b'\n' => Some(plain(KeyCode::Enter)),
        b'\t' => Some(plain(KeyCode::Tab)),
        // Terminals of both habits exist; nothing else is on ^H.
        0x7f | 0x08 => Some(plain(KeyCode::Backspace)),
        0 => Some(key(KeyCode::Char(' '), control)),
        1..=26 => Some(key(KeyCode::Char(char::from(first - 1 + b'a')), control)),
        28..=31 => Some(key(KeyCode::Char(char::from(first - 28 + b'4')), control)),
        _ => return text(bytes),
    };
    Front::Whole(1, event)
}

fn text(bytes: &[u8]) -> Front {
    let whole = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(whole) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => std::str::from_utf8(&whole[..error.valid_up_to()]).unwrap_or(""),
        Err(error) if error.error_len().is_none() && bytes.len() < 4 => return Front::Partial,
        Err(_) => "",
    };
    match valid.chars().next() {
        Some(c) => {
            // As crossterm tells it: a capital letter was typed with Shift.
            let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            Front::Whole(c.len_utf8(), Some(key(KeyCode::Char(c), shift)))
        }
        None => Front::Whole(1, None),
    }
}

fn single_shift(c: u8) -> Option<Event> {
    match c {
        b'P'..=b'S' => Some(plain(KeyCode::F(c - b'P' + 1))),
        b'M' => Some(plain(KeyCode::Enter)),
        // The keypad in application mode.
        b'j'..=b'y' => Some(plain(KeyCode::Char(char::from(c - b'j' + b'*')))),
        _ => named_final(c).map(plain),
    }
}

fn named_final(c: u8) -> Option<KeyCode> {
    Some(match c {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'E' => KeyCode::KeypadBegin,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

fn string(rest: &[u8]) -> Front {
    for (index, pair) in rest.iter().enumerate() {
        match (pair, rest.get(index + 1)) {
            (0x07, _) => return Front::Whole(2 + index + 1, None),
            (0x1b, Some(b'\\')) => return Front::Whole(2 + index + 2, None),
            _ => {}
        }
    }
    Front::Partial
}

/// After `ESC [`: parameters, intermediates, a final byte (ECMA-48 5.4).
fn control_sequence(rest: &[u8]) -> Front {
    // The Linux console's F1 to F5.
    if let [b'[', tail @ ..] = rest {
        return match tail {
            [] => Front::Partial,
            [c @ b'A'..=b'E', ..] => Front::Whole(4, Some(plain(KeyCode::F(c - b'A' + 1)))),
            _ => Front::Whole(3, None),
        };
    }
    let Some(end) = rest.iter().position(|c| !(0x20..=0x3f).contains(c)) else {
        return Front::Partial;
    };
    let last = rest[end];
    if !(0x40..=0x7e).contains(&last) {
        // Not a sequence after all: what comes is looked at by itself.
        return Front::Whole(2 + end, None);
    }
    let parameters = &rest[..end];
    let meaning = match parameters.strip_prefix(b"<") {
        Some(mouse) => mouse_event(mouse, last),
        None => key_sequence(parameters, last),
    };
    Front::Whole(2 + end + 1, meaning)
}

fn numbers(parameters: &[u8]) -> impl Iterator<Item = Option<u16>> {
    parameters.split(|c| *c == b';').map(|number| std::str::from_utf8(number).ok()?.parse().ok())
}

fn key_sequence(parameters: &[u8], last: u8) -> Option<Event> {
    let mut values = numbers(parameters);
    let first = values.next().flatten();
    let modifiers = values.next().flatten().map_or(KeyModifiers::NONE, modifiers);
    let code = match last {
        b'~' => match first? {
            1 | 7 => KeyCode::Home,
            2 => KeyCode::Insert,
            3 => KeyCode::Delete,
            4 | 8 => KeyCode::End,
            5 => KeyCode::PageUp,
            6 => KeyCode::PageDown,
            number @ 11..=15 => KeyCode::F((number - 10) as u8),
            number @ 17..=21 => KeyCode::F((number - 11) as u8),
            number @ 23..=24 => KeyCode::F((number - 12) as u8),
            _ => return None,
        },
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        b'Z' => return Some(key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT)),
        _ => named_final(last)?,
    };
    Some(key(code, modifiers))
}

/// xterm's modifier parameter: one more than a bit set of Shift, Alt, Control.
fn modifiers(parameter: u16) -> KeyModifiers {
    let bits = parameter.saturating_sub(1);
    [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}

/// SGR mouse (mode 1006): button, column, row from 1; `M` pressed, `m` released.
fn mouse_event(parameters: &[u8], last: u8) -> Option<Event> {
    let mut values = numbers(parameters);
    let (button, column, row) = (values.next()??, values.next()??, values.next()??);
    let which = match button & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let kind = match (button & 0b1110_0000, button & 3) {
        (64, 0) => MouseEventKind::ScrollUp,
        (64, 1) => MouseEventKind::ScrollDown,
        (64, 2) => MouseEventKind::ScrollLeft,
        (64, _) => MouseEventKind::ScrollRight,
        (32, 3) => MouseEventKind::Moved,
        (32, _) => MouseEventKind::Drag(which),
        (0, 0..=2) if last == b'm' => MouseEventKind::Up(which),
        (0, 0..=2) if last == b'M' => MouseEventKind::Down(which),
        _ => return None,
    };
    // Bits 2, 3 and 4 are Shift, Alt and Control: the same order as in the keys.
    let modifiers = modifiers(((button >> 2) & 7) + 1);
    Some(Event::Mouse(MouseEvent { kind, column: column.checked_sub(1)?, row: row.checked_sub(1)?, modifiers }))
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
