//! A terminal of one line: what a command writes stands there as a terminal would show it in the end, with what a carriage
//! return wrote over gone. Every sequence for a terminal is taken out whole, wherever a read has split it; what can be
//! obeyed within a line is, and going to another row ends the line. Refuses to keep a colour, and to lose a line to a
//! sequence that was cut short: a line feed ends both.

#[cfg(test)]
#[path = "teletype_tests.rs"]
mod tests;

use unicode_width::UnicodeWidthChar as _;

use crate::text::printable;

use super::full_screen::{WANTS_A_TERMINAL, is_complaint};

/// A line that goes on is broken here (columns).
const LINE: usize = 4096;
/// Columns from one tab stop to the next.
const TAB: usize = 8;
/// As much of a control sequence is kept; none that is obeyed is longer.
const SEQUENCE: usize = 64;
/// Stands in the second column of a wide letter.
const BEHIND: char = '\0';

/// The line that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Teletype {
    /// What stands in each column.
    cells: Vec<char>,
    /// Where the next letter goes.
    column: usize,
    reading: Reading,
    /// What came so far of a letter in UTF-8, or of the parameters of a control sequence; of a string the last byte.
    held: Vec<u8>,
    /// What is put at a place now is a drawing, gone when it is left (the alternate screen of xterm). Lines are lines all
    /// the same: who drew may have been killed, others may write beside it, and a log may only quote it.
    is_drawn_on: bool,
    /// What stands here was put at a place: the last line of text ended before that.
    is_drawn: bool,
    /// A terminal is wanted, and that was said.
    wants_a_terminal: bool,
}

/// What the next byte is part of (ECMA-48; the state machine of vt100.net/emu/dec_ansi_parser, without its states for what
/// is dropped anyway).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    /// Nothing that was begun.
    #[default]
    Text,
    /// ESC came.
    Escape,
    /// ESC and an intermediate byte: a final one ends it (the choice of a character set).
    Designation,
    /// CSI came.
    Control,
    /// A string for the terminal (a title, a picture), up to ST or BEL.
    String,
}

impl Teletype {
    /// Takes a byte; a line that ends with it is handed over.
    pub(super) fn take(&mut self, byte: u8, end: &mut impl FnMut(String)) {
        use Reading::{Control, Designation, Escape, String, Text};
        let is_appended = self.reading == Text && self.column == self.cells.len() && self.column < LINE;
        if is_appended && self.held.is_empty() && matches!(byte, 0x20..0x7f) {
            // Nearly all that is ever written.
            self.cells.push(char::from(byte));
            self.column += 1;
            return;
        }
        if byte < 0x80 && self.reading == Text {
            self.spell_out(end);
        }
        match (self.reading, byte) {
            // Whatever was begun.
            (_, b'\n' | 0x0b | 0x0c) => self.line_feed(end),
            (_, 0x1b) => self.read_on(Escape),
            (_, 0x18 | 0x1a) | (String, 0x07) | (Designation, 0x30..=0x7e) => self.read_on(Text),

            // ST as C1.
            (String, 0x9c) if self.held == [0xc2] => self.read_on(Text),
            (String, _) => {
                self.held.clear();
                self.held.push(byte);
            }

            (Escape, 0x20..=0x2f) => self.reading = Designation,
            (Escape, 0x30..=0x7e) => self.escape(byte, end),
            (Designation, 0x20..=0x2f) => {}
            (Control, 0x20..=0x3f) => self.held.extend((self.held.len() < SEQUENCE).then_some(byte)),
            (Control, 0x40..=0x7e) => self.control(byte, end),
            // Cut short, or a control character within: a terminal obeys that first. Not worth a state.
            (Escape | Designation | Control, _) => {
                self.read_on(Text);
                self.take(byte, end);
            }

            (Text, b'\r') => self.column = 0,
            (Text, b'\t') => self.column = (self.column / TAB * TAB + TAB).min(LINE),
            (Text, 0x08) => self.column = self.column.saturating_sub(1),
            (Text, ..0x20 | 0x7f) => {}
            (Text, 0x20..0x7f) => self.put(char::from(byte), end),
            (Text, 0x80..) => {
                self.held.push(byte);
                self.letters(end);
            }
        }
    }

    /// Whether nothing stands on the line.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Whether who writes wants a terminal of its own.
    pub(super) fn wants_a_terminal(&self) -> bool {
        self.wants_a_terminal
    }

    /// The line as it stands.
    pub(super) fn text(&self) -> String {
        self.cells.iter().filter(|cell| **cell != BEHIND).collect()
    }

    fn read_on(&mut self, reading: Reading) {
        self.held.clear();
        self.reading = reading;
    }

    /// The letters that are complete, and what can be none.
    fn letters(&mut self, end: &mut impl FnMut(String)) {
        loop {
            match std::str::from_utf8(&self.held).map_err(|error| error.error_len()) {
                Ok(letters) => {
                    let letter = letters.chars().next();
                    self.held.clear();
                    match letter {
                        // C1: each is ESC and a letter in one (ECMA-48 5.3).
                        Some(c1 @ '\u{80}'..='\u{9f}') => self.escape(c1 as u8 - 0x40, end),
                        Some(letter) => self.put(letter, end),
                        None => {}
                    }
                    return;
                }
                Err(None) => return,
                Err(Some(length)) => {
                    let behind = self.held.split_off(length);
                    self.spell_out(end);
                    self.held = behind;
                }
            }
        }
    }

    /// What is held is no letter any more.
    fn spell_out(&mut self, end: &mut impl FnMut(String)) {
        for byte in std::mem::take(&mut self.held) {
            printable(&[byte]).chars().for_each(|letter| self.put_cell(letter, 1, end));
        }
    }

    /// A letter, or how it is written where one cannot see it.
    fn put(&mut self, letter: char, end: &mut impl FnMut(String)) {
        if letter.is_ascii() {
            return self.put_cell(letter, 1, end);
        }
        for shown in printable(letter.encode_utf8(&mut [0; 4]).as_bytes()).chars() {
            self.put_cell(shown, shown.width().unwrap_or(1), end);
        }
    }

    fn put_cell(&mut self, letter: char, width: usize, end: &mut impl FnMut(String)) {
        if self.column + width > LINE {
            self.end_line(end);
        }
        let until = self.column + width;
        self.erase(self.column, until);
        self.cells.resize(self.cells.len().max(until), ' ');
        self.cells[self.column] = letter;
        self.cells[self.column + 1..until].fill(BEHIND);
        self.column = until;
    }

    /// Columns from one up to another are empty; a wide letter that loses one half loses both.
    fn erase(&mut self, from: usize, until: usize) {
        let is_behind = |cells: &[char], column: usize| cells.get(column) == Some(&BEHIND);
        if is_behind(&self.cells, from) {
            self.cells[from - 1] = ' ';
        }
        if is_behind(&self.cells, until) {
            self.cells[until] = ' ';
        }
        if until >= self.cells.len() {
            self.cells.truncate(from);
        } else {
            self.cells[from..until].fill(' ');
        }
    }

    /// ESC and a final byte.
    fn escape(&mut self, last: u8, end: &mut impl FnMut(String)) {
        self.read_on(match last {
            b'[' => Reading::Control,
            // DCS, SOS, OSC, PM, APC, and the title as screen(1) has it.
            b'P' | b'X' | b']' | b'^' | b'_' | b'k' => Reading::String,
            _ => Reading::Text,
        });
        match last {
            // IND, NEL, RI.
            b'D' | b'E' | b'M' => self.go_elsewhere(end),
            // RIS: all as at the start.
            b'c' => {
                self.is_drawn_on = false;
                self.go_elsewhere(end);
            }
            _ => {}
        }
    }

    /// CSI, what is held, and a final byte (xterm's ctlseqs).
    fn control(&mut self, last: u8, end: &mut impl FnMut(String)) {
        self.reading = Reading::Text;
        let held = std::mem::take(&mut self.held);
        let (is_private, parameters) = held.strip_prefix(b"?").map_or((false, &*held), |behind| (true, behind));
        let number = |digits: &[u8]| str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        if is_private {
            let mut modes = parameters.split(|byte| *byte == b';').filter_map(number);
            match last {
                b'h' => modes.for_each(|mode: usize| self.set(mode, end)),
                b'l' if modes.any(is_alternate_screen) => {
                    self.is_drawn_on = false;
                    self.go_elsewhere(end);
                }
                _ => {}
            }
            return;
        }
        if !parameters.iter().all(|byte| byte.is_ascii_digit() || *byte == b';') {
            return;
        }
        let first = parameters.split(|byte| *byte == b';').next().and_then(number).unwrap_or(0);
        let far = first.max(1);
        match last {
            b'C' => self.column = self.column.saturating_add(far).min(LINE),
            b'D' => self.column = self.column.saturating_sub(far),
            b'G' | b'`' => self.column = (far - 1).min(LINE),
            // From here to the end of the line, or of the screen.
            b'K' | b'J' if first == 0 => self.erase(self.column, self.cells.len().max(self.column)),
            b'K' if first == 1 => self.erase(0, self.column + 1),
            b'K' if first == 2 => self.erase(0, self.cells.len()),
            // Up, down, to a place; the rest of the screen is erased.
            b'A' | b'B' | b'E' | b'F' | b'H' | b'J' | b'd' | b'f' => self.go_elsewhere(end),
            _ => {}
        }
    }

    /// DECSET.
    fn set(&mut self, mode: usize, end: &mut impl FnMut(String)) {
        /// DECCKM: the arrow keys send what a program asks for that reads them.
        const APPLICATION_KEYS: usize = 1;
        let draws = is_alternate_screen(mode);
        if draws || mode == APPLICATION_KEYS {
            self.go_elsewhere(end);
            self.tell(end);
        }
        self.is_drawn_on |= draws;
    }

    fn line_feed(&mut self, end: &mut impl FnMut(String)) {
        self.read_on(Reading::Text);
        if self.is_drawn && self.column == 0 {
            // Who draws goes to the start of the row below; who writes a line for somebody to read ends it where it ends.
            self.go_elsewhere(end);
        } else {
            self.is_drawn = false;
            self.end_line(end);
        }
    }

    /// The cursor is not on this line any more.
    fn go_elsewhere(&mut self, end: &mut impl FnMut(String)) {
        if std::mem::replace(&mut self.is_drawn, self.is_drawn_on) {
            self.cells.clear();
        }
        if self.is_empty() {
            self.column = 0;
        } else {
            self.end_line(end);
        }
    }

    fn end_line(&mut self, end: &mut impl FnMut(String)) {
        let line = self.text();
        self.cells.clear();
        self.column = 0;
        let complains = !self.wants_a_terminal && is_complaint(&line);
        end(line);
        if complains {
            self.tell(end);
        }
    }

    /// Says once that a terminal is wanted.
    fn tell(&mut self, end: &mut impl FnMut(String)) {
        if !std::mem::replace(&mut self.wants_a_terminal, true) {
            end(WANTS_A_TERMINAL.to_owned());
        }
    }
}

/// The three ways to ask for it (xterm).
fn is_alternate_screen(mode: usize) -> bool {
    matches!(mode, 47 | 1047 | 1049)
}
