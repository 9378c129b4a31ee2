//! The one way in which anything reaches the buffer: text, lines and bars, clipped to the pane and to the terminal.
//! Refuses to know what is drawn, and to panic at any size or place.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::config::Look;

use super::glyphs::{GlyphSet, glyphs};
use super::theme::{Part, Role, Theme};

/// A buffer with a look.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    /// The characters in use.
    pub glyphs: &'static GlyphSet,
    /// The colours in use.
    pub theme: Theme,
}

impl<'a> Canvas<'a> {
    /// Over a buffer.
    pub fn new(buffer: &'a mut Buffer, look: Look) -> Self {
        Self { buffer, glyphs: glyphs(look.glyphs), theme: Theme::new(look.theme) }
    }

    /// Writes text at a place, at most `width` columns of it; what does not fit is cut without a sign. Returns the
    /// column behind it.
    pub fn text(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        let style = self.theme.style(role);
        self.styled(x, y, width, text, style)
    }

    /// As [`Canvas::text`], in a style of its own.
    pub fn styled(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = *self.buffer.area();
        if x < area.left() || x >= area.right() || y < area.top() || y >= area.bottom() {
            return x;
        }
        // What stood there must not shine through: a cell keeps what a new style does not name.
        let style = Style::reset().patch(style);
        if self.glyphs.unicode || text.is_ascii() {
            return self.buffer.set_stringn(x, y, text, usize::from(width), style).0;
        }
        // A terminal that is not UTF-8 would show the bytes of a foreign name as something else.
        let text: String = text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
        self.buffer.set_stringn(x, y, text, usize::from(width), style).0
    }

    /// Writes text; where it does not fit, its last column says so.
    pub fn cut(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        if columns(text) <= width {
            return self.text(x, y, width, text, role);
        }
        if width == 0 {
            return x;
        }
        let end = self.text(x, y, width - 1, text, role);
        let ellipsis = self.glyphs.ellipsis;
        self.text(end, y, 1, ellipsis, Role::Dim)
    }

    /// Writes text that ends at the right edge of `width` columns; cut at its right when it is longer.
    pub fn right(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) {
        let columns = columns(text);
        let indent = width.saturating_sub(columns);
        self.text(x.saturating_add(indent), y, width - indent, text, role);
    }

    /// Repeats a sign of one column.
    pub fn repeat(&mut self, x: u16, y: u16, count: u16, sign: &str, role: Role) -> u16 {
        let style = self.theme.style(role);
        let end = x.saturating_add(count);
        for column in x..end {
            if let Some(cell) = self.buffer.cell_mut((column, y)) {
                cell.set_symbol(sign).set_style(style);
            }
        }
        end
    }

    /// What stands in a cell; nothing outside of the buffer.
    #[must_use]
    pub fn symbol(&self, x: u16, y: u16) -> &str {
        self.buffer.cell((x, y)).map_or("", |cell| cell.symbol())
    }

    /// Restyles what stands in an area.
    pub fn tint(&mut self, area: Rect, role: Role) {
        let style = self.theme.style(role);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    // A dim grey would vanish on the colour of the selection.
                    cell.set_style(Style::reset().patch(style));
                }
            }
        }
    }

    /// Blanks an area.
    pub fn clear(&mut self, area: Rect) {
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// A pen at the start of a line of the area.
    pub fn pen(&mut self, area: Rect, line: u16) -> Pen<'_, 'a> {
        let y = area.y.saturating_add(line);
        // A pen outside of its area writes nothing.
        let right = if line < area.height { area.right() } else { area.x };
        Pen { canvas: self, x: area.x, y, right }
    }

    /// A bar that fills `share` of `width` columns, to an eighth of a column where the characters allow it.
    pub fn bar(&mut self, x: u16, y: u16, width: u16, share: f64, role: Role) {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let mut eighths = (share * f64::from(width) * 8.0).round() as u32;
        // Something that is there is never drawn as nothing.
        if share > 0.0 {
            eighths = eighths.max(1);
        }
        for column in 0..width {
            let filled = eighths.saturating_sub(u32::from(column) * 8).min(8);
            let sign = self.glyphs.eighths[filled as usize];
            self.text(x.saturating_add(column), y, 1, sign, role);
        }
    }

    /// A bar of parts: each gets columns in proportion, together exactly `width`, with its label inside where it fits.
    pub fn stacked(&mut self, x: u16, y: u16, width: u16, parts: &[Segment<'_>]) {
        let sizes: Vec<u64> = parts.iter().map(|part| part.size).collect();
        let mut at = x;
        for (part, columns) in parts.iter().zip(apportion(&sizes, width)) {
            let texture = self.glyphs.texture(part.part);
            self.repeat(at, y, columns, texture, Role::Part(part.part));
            let style = self.theme.label(part.part);
            if let Some(label) = part.labels.iter().find(|label| self::columns(label) < columns) {
                self.styled(at, y, columns, label, style);
            }
            at = at.saturating_add(columns);
        }
    }
}

/// A part of a stacked bar.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// What it means.
    pub part: Part,
    /// How much of it there is.
    pub size: u64,
    /// What to write into it, the longest first; the first that fits is taken.
    pub labels: Vec<std::borrow::Cow<'a, str>>,
}

/// Writes one line from left to right.
pub struct Pen<'c, 'a> {
    canvas: &'c mut Canvas<'a>,
    x: u16,
    y: u16,
    right: u16,
}

impl Pen<'_, '_> {
    /// The characters in use.
    #[must_use]
    pub const fn glyphs(&self) -> &'static GlyphSet {
        self.canvas.glyphs
    }

    /// The column at which it stands.
    #[must_use]
    pub const fn at(&self) -> u16 {
        self.x
    }

    /// Columns left.
    #[must_use]
    pub const fn room(&self) -> u16 {
        self.right.saturating_sub(self.x)
    }

    /// Writes; what does not fit is cut with a sign.
    pub fn put(&mut self, text: &str, role: Role) -> &mut Self {
        self.x = self.canvas.cut(self.x, self.y, self.room(), text, role);
        self
    }

    /// Writes only when all of it fits.
    pub fn whole(&mut self, text: &str, role: Role) -> bool {
        let fits = columns(text) <= self.room();
        if fits {
            self.x = self.canvas.text(self.x, self.y, self.room(), text, role);
        }
        fits
    }

    /// Leaves columns empty.
    pub fn gap(&mut self, columns: u16) -> &mut Self {
        self.x = self.x.saturating_add(columns).min(self.right.max(self.x));
        self
    }

    /// Writes within `width` columns, flush right.
    pub fn right(&mut self, width: u16, text: &str, role: Role) -> &mut Self {
        let width = width.min(self.room());
        self.canvas.right(self.x, self.y, width, text, role);
        self.x += width;
        self
    }

    /// Writes within `width` columns, flush left, cut with a sign.
    pub fn left(&mut self, width: u16, text: &str, role: Role) -> &mut Self {
        let width = width.min(self.room());
        self.canvas.cut(self.x, self.y, width, text, role);
        self.x += width;
        self
    }

    /// Writes at the right end of the line, if it fits there with a column between; the room shrinks by it.
    pub fn end(&mut self, text: &str, role: Role) -> bool {
        let width = columns(text);
        let fits = width < self.room();
        if fits {
            self.right -= width;
            self.canvas.text(self.right, self.y, width, text, role);
            self.right = self.right.saturating_sub(1);
        }
        fits
    }

    /// A bar of `width` columns.
    pub fn bar(&mut self, width: u16, share: f64, role: Role) -> &mut Self {
        let width = width.min(self.room());
        self.canvas.bar(self.x, self.y, width, share, role);
        self.x += width;
        self
    }

    /// A shape of heights from 0 to 7, one column each; what is higher was not known.
    pub fn levels(&mut self, heights: [u8; 8], role: Role) -> &mut Self {
        for height in heights {
            match self.canvas.glyphs.levels.get(usize::from(height)) {
                Some(level) => self.put(level, role),
                None => self.gap(1),
            };
        }
        self
    }

    /// A stacked bar of `width` columns.
    pub fn stacked(&mut self, width: u16, parts: &[Segment<'_>]) -> &mut Self {
        let width = width.min(self.room());
        self.canvas.stacked(self.x, self.y, width, parts);
        self.x += width;
        self
    }
}

/// Columns of a text on the screen.
#[must_use]
pub fn columns(text: &str) -> u16 {
    text.width().try_into().unwrap_or(u16::MAX)
}

/// Divides `width` columns in proportion to `sizes`, so that they sum to `width` exactly (largest remainder), and
/// that a part that is there has a column as long as there are columns for all.
#[must_use]
pub fn apportion(sizes: &[u64], width: u16) -> Vec<u16> {
    let total: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let exact = |size: u64| u128::from(size) * u128::from(width);
    let mut shares: Vec<u16> = sizes.iter().map(|size| (exact(*size) / total) as u16).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| (std::cmp::Reverse(exact(sizes[*index]) % total), *index));
    let missing = usize::from(width - shares.iter().sum::<u16>());
    for index in order.into_iter().take(missing) {
        shares[index] += 1;
    }
    if sizes.iter().filter(|size| **size > 0).count() <= usize::from(width) {
        while let Some(starved) = (0..sizes.len()).find(|index| sizes[*index] > 0 && shares[*index] == 0) {
            let Some(richest) = (0..shares.len()).max_by_key(|index| shares[*index]) else { break };
            shares[richest] -= 1;
            shares[starved] += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sliver_still_has_a_column() {
        assert_eq!(apportion(&[1_000_000, 1, 0], 10), [9, 1, 0]);
        assert_eq!(apportion(&[0, 0], 10), [0, 0]);
        assert_eq!(apportion(&[1, 1, 1], 2), [1, 1, 0]);
    }

    proptest! {
        #[test]
        fn parts_fill_the_bar_exactly(sizes in prop::collection::vec(any::<u64>(), 1..12), width in 0u16..300) {
            let shares = apportion(&sizes, width);
            let expected = if sizes.iter().all(|size| *size == 0) { 0 } else { width };
            prop_assert_eq!(shares.iter().sum::<u16>(), expected);
        }

        #[test]
        fn nothing_is_written_outside(
            x in any::<u16>(), y in any::<u16>(), width in any::<u16>(), share in any::<f64>(), text in ".{0,40}",
        ) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 3));
            let mut canvas = Canvas::new(&mut buffer, Look::default());
            canvas.text(x % 40, y % 6, width, &text, Role::Plain);
            canvas.cut(x % 40, y % 6, width, &text, Role::Plain);
            canvas.right(x % 40, y % 6, width % 50, &text, Role::Plain);
            canvas.bar(x % 40, y % 6, width % 50, share, Role::Plain);
            canvas.tint(Rect::new(x % 40, y % 6, width % 50, 9), Role::Selected);
        }
    }
}
