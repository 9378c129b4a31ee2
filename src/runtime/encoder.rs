//! Turns the cells that changed into as few bytes as a terminal needs: relative moves, one SGR per change of style with
//! the short colour codes, blanks erased instead of written, each frame between the brackets of a synchronized update.
//! Refuses to write anywhere: bytes pile up until [`Encoder::take`].

use std::convert::Infallible;
use std::io::Write as _;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Begin and end of a synchronized update (mode 2026): the terminal shows the frame at once or not at all.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Erasing this many blanks inside a row (ECH) and moving over them is shorter than writing them.
const WORTH_ERASING: u16 = 10;

/// A ratatui backend that only encodes. The state of the terminal's pen and cursor is carried from frame to frame, so
/// that nothing is said twice.
#[derive(Debug, Default)]
pub struct Encoder {
    size: Size,
    bytes: Vec<u8>,
    pen: Pen,
    /// Where the cursor is; `None`: not known (after the last column, after a clear).
    cursor: Option<(u16, u16)>,
    /// The row is known but not the column: after a character whose width terminals do not agree on.
    column_unsure: bool,
    visible: bool,
}

/// How the next character would look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pen {
    foreground: Color,
    background: Color,
    modifier: Modifier,
}

impl Pen {
    fn of(cell: &Cell) -> Self {
        Self { foreground: cell.fg, background: cell.bg, modifier: cell.modifier }
    }
}

/// What can be seen of a blank: lines through it and a reversed background, not its weight or colour.
const SEEN_ON_BLANK: Modifier = Modifier::UNDERLINED
    .union(Modifier::REVERSED)
    .union(Modifier::CROSSED_OUT)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK);

impl Encoder {
    /// For a terminal of this size, whose cursor was hidden when it was entered.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self { size, ..Self::default() }
    }

    /// The terminal has this size from the next frame on.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.cursor = None;
    }

    /// Nothing is known of the terminal's state any more (somebody else wrote to it).
    pub fn forget(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(b"\x1b[m");
        self.pen = Pen::default();
        self.cursor = None;
        self.visible = false;
    }

    /// The bytes of the frame, brackets included, appended to `into`; nothing when nothing changed.
    pub fn take(&mut self, into: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            into.extend_from_slice(BEGIN);
            into.append(&mut self.bytes);
            into.extend_from_slice(END);
        }
    }

    /// Appends formatted text; writing into memory cannot fail.
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.bytes.write_fmt(text);
    }

    fn move_to(&mut self, x: u16, y: u16) {
        let start = self.bytes.len();
        match self.cursor {
            Some((column, row)) if row == y && column == x && !self.column_unsure => return,
            Some((column, row)) if row <= y && y - row <= 3 => {
                if row < y && x == 0 {
                    self.bytes.push(b'\r');
                    self.bytes.extend(std::iter::repeat_n(b'\n', usize::from(y - row)));
                } else {
                    self.bytes.extend(std::iter::repeat_n(b'\n', usize::from(y - row)));
                    self.move_along_row(column, x);
                }
                if self.bytes.len() - start > 6 {
                    self.bytes.truncate(start);
                    self.push(format_args!("\x1b[{};{}H", y + 1, x + 1));
                }
            }
            _ => self.push(format_args!("\x1b[{};{}H", y + 1, x + 1)),
        }
        self.cursor = Some((x, y));
        self.column_unsure = false;
    }

    fn move_along_row(&mut self, from: u16, to: u16) {
        if to == 0 {
            self.bytes.push(b'\r');
        } else if self.column_unsure {
            self.push(format_args!("\x1b[{}G", to + 1));
        } else if to > from {
            match to - from {
                1 => self.bytes.extend_from_slice(b"\x1b[C"),
                distance => self.push(format_args!("\x1b[{distance}C")),
            }
        } else if from > to {
            match from - to {
                distance @ 1..=3 => self.bytes.extend(std::iter::repeat_n(8, usize::from(distance))),
                distance => self.push(format_args!("\x1b[{distance}D")),
            }
        }
    }

    /// One SGR from the pen to `wanted`: what changed, or everything after a reset, whichever is shorter.
    fn restyle(&mut self, wanted: Pen) {
        if wanted == self.pen {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(b"\x1b[");
        if wanted != Pen::default() {
            let removed = self.pen.modifier.difference(wanted.modifier);
            if removed.is_empty() {
                self.style_codes(self.pen, wanted);
            } else {
                self.bytes.extend_from_slice(b"0;");
                self.style_codes(Pen::default(), wanted);
            }
            self.bytes.pop();
        }
        // `CSI m` alone resets, and is what remains when the wanted style is the default one.
        debug_assert!(self.bytes.len() > start);
        self.bytes.push(b'm');
        self.pen = wanted;
    }

    /// The codes that lead from one style to another that has at least its modifiers, each followed by a semicolon.
    fn style_codes(&mut self, from: Pen, to: Pen) {
        const CODES: [(Modifier, u8); 9] = [
            (Modifier::BOLD, b'1'),
            (Modifier::DIM, b'2'),
            (Modifier::ITALIC, b'3'),
            (Modifier::UNDERLINED, b'4'),
            (Modifier::SLOW_BLINK, b'5'),
            (Modifier::RAPID_BLINK, b'6'),
            (Modifier::REVERSED, b'7'),
            (Modifier::HIDDEN, b'8'),
            (Modifier::CROSSED_OUT, b'9'),
        ];
        let added = to.modifier.difference(from.modifier);
        for (modifier, code) in CODES {
            if added.contains(modifier) {
                self.bytes.extend_from_slice(&[code, b';']);
            }
        }
        if from.foreground != to.foreground {
            self.colour_code(to.foreground, 30);
        }
        if from.background != to.background {
            self.colour_code(to.background, 40);
        }
    }

    fn colour_code(&mut self, colour: Color, base: u8) {
        let bright = base + 60;
        match colour {
            Color::Reset => self.push(format_args!("{};", base + 9)),
            Color::Black => self.push(format_args!("{base};")),
            Color::Red => self.push(format_args!("{};", base + 1)),
            Color::Green => self.push(format_args!("{};", base + 2)),
            Color::Yellow => self.push(format_args!("{};", base + 3)),
            Color::Blue => self.push(format_args!("{};", base + 4)),
            Color::Magenta => self.push(format_args!("{};", base + 5)),
            Color::Cyan => self.push(format_args!("{};", base + 6)),
            Color::Gray => self.push(format_args!("{};", base + 7)),
            Color::DarkGray => self.push(format_args!("{bright};")),
            Color::LightRed => self.push(format_args!("{};", bright + 1)),
            Color::LightGreen => self.push(format_args!("{};", bright + 2)),
            Color::LightYellow => self.push(format_args!("{};", bright + 3)),
            Color::LightBlue => self.push(format_args!("{};", bright + 4)),
            Color::LightMagenta => self.push(format_args!("{};", bright + 5)),
            Color::LightCyan => self.push(format_args!("{};", bright + 6)),
            Color::White => self.push(format_args!("{};", bright + 7)),
            Color::Indexed(index) => self.push(format_args!("{};5;{index};", base + 8)),
            Color::Rgb(red, green, blue) => self.push(format_args!("{};2;{red};{green};{blue};", base + 8)),
        }
    }

    /// Blanks that can be erased instead of written: erasing paints the default background.
    fn erase(&mut self, x: u16, y: u16, count: u16) -> bool {
        let to_end = x + count == self.size.width;
        if !(to_end && count > 3 || count >= WORTH_ERASING) {
            return false;
        }
        self.move_to(x, y);
        let wanted =
            Pen { background: Color::Reset, modifier: self.pen.modifier.difference(SEEN_ON_BLANK), ..self.pen };
        self.restyle(wanted);
        if to_end {
            self.bytes.extend_from_slice(b"\x1b[K");
        } else {
            self.push(format_args!("\x1b[{count}X"));
        }
        true
    }

    fn blanks(&mut self, x: u16, y: u16, count: u16, like: Pen) {
        let plain = like.background == Color::Reset && !like.modifier.intersects(SEEN_ON_BLANK);
        if plain && self.erase(x, y, count) {
            return;
        }
        self.move_to(x, y);
        // Weight and colour of the pen stay as they are: they cannot be seen on a blank.
        let kept = self.pen.modifier.difference(SEEN_ON_BLANK);
        self.restyle(Pen {
            foreground: if like.modifier.intersects(SEEN_ON_BLANK) { like.foreground } else { self.pen.foreground },
            background: like.background,
            modifier: kept.union(like.modifier.intersection(SEEN_ON_BLANK)),
        });
        self.bytes.extend(std::iter::repeat_n(b' ', usize::from(count)));
        self.advance(x + count, y);
    }

    fn glyph(&mut self, x: u16, y: u16, cell: &Cell) {
        self.move_to(x, y);
        self.restyle(Pen::of(cell));
        let symbol = cell.symbol();
        self.bytes.extend_from_slice(symbol.as_bytes());
        self.advance(x + 1, y);
        self.column_unsure = !symbol.chars().all(is_surely_one_wide);
    }

    /// After the last column terminals wait to wrap; where the cursor then is differs.
    fn advance(&mut self, x: u16, y: u16) {
        self.cursor = (x < self.size.width).then_some((x, y));
        self.column_unsure = false;
    }
}

/// ASCII, Latin letters, lines, blocks and braille: what the screens are made of. The width of everything else is the
/// terminal's opinion.
fn is_surely_one_wide(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{c0}'..='\u{17f}' | '\u{2500}'..='\u{259f}' | '\u{2800}'..='\u{28ff}')
}

impl Backend for Encoder {
    type Error = Infallible;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Infallible>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        // Where a run of equal blanks began, and how long it is.
        let mut run: Option<(u16, u16, u16, Pen)> = None;
        for (x, y, cell) in content {
            if x >= self.size.width || y >= self.size.height {
                continue;
            }
            let blank = cell.symbol() == " ";
            if let Some((left, row, count, pen)) = run {
                if blank && row == y && left + count == x && same_blank(pen, Pen::of(cell)) {
                    run = Some((left, row, count + 1, pen));
                    continue;
                }
                self.blanks(left, row, count, pen);
                run = None;
            }
            if blank {
                run = Some((x, y, 1, Pen::of(cell)));
            } else {
                self.glyph(x, y, cell);
            }
        }
        if let Some((left, row, count, pen)) = run {
            self.blanks(left, row, count, pen);
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> Result<(), Infallible> {
        if std::mem::take(&mut self.visible) {
            self.bytes.extend_from_slice(b"\x1b[?25l");
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Infallible> {
        if !std::mem::replace(&mut self.visible, true) {
            self.bytes.extend_from_slice(b"\x1b[?25h");
        }
        Ok(())
    }

    /// Never asked of the terminal: the answer can take seconds. What we know, or the corner.
    fn get_cursor_position(&mut self) -> Result<Position, Infallible> {
        Ok(self.cursor.unwrap_or_default().into())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> Result<(), Infallible> {
        let position = position.into();
        if position.x < self.size.width && position.y < self.size.height {
            self.move_to(position.x, position.y);
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Infallible> {
        self.clear_region(ClearType::All)
    }

    /// Only all of it: the screen is always drawn whole.
    fn clear_region(&mut self, _: ClearType) -> Result<(), Infallible> {
        self.restyle(Pen::default());
        self.bytes.extend_from_slice(b"\x1b[2J");
        self.cursor = None;
        Ok(())
    }

    fn size(&self) -> Result<Size, Infallible> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> Result<WindowSize, Infallible> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::default() })
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn same_blank(a: Pen, b: Pen) -> bool {
    a.background == b.background
        && a.modifier.intersection(SEEN_ON_BLANK) == b.modifier.intersection(SEEN_ON_BLANK)
        && (a.foreground == b.foreground || !a.modifier.intersects(SEEN_ON_BLANK))
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
