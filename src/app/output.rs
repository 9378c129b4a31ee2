//! What a command has written, line by line: it scrolls, it can be searched, and it stays when the command is gone. A line
//! that is too long for the screen goes on in the next row, as on a terminal. Refuses to read it: what a line is, the
//! teletype says.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::text::{fold, holds};

use super::keys::Move;
use super::layout::Area;
use super::list::Direction;
use super::teletype::Teletype;

/// More than this (bytes) is not kept: the oldest lines go, and it is said how many.
const KEPT: usize = 16 << 20;
/// What a line costs beside its bytes, an empty one too: its place in the list and what the allocator adds.
const LINE_COSTS: usize = 48;

/// The output of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    /// The last line, as far as it was written.
    begun: Teletype,
    /// How many lines went.
    dropped: u64,
    /// What stands first on the screen; `None`: the end is followed.
    top: Option<Place>,
    /// What is searched for.
    pub(super) search: Option<String>,
    /// The line that a search found.
    found: Option<usize>,
}

/// A row of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    row: usize,
}

/// What of it is on the screen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Letters of a row.
    columns: usize,
    rows: usize,
}

impl Page {
    /// In this pane, with a margin of one column on both sides.
    #[must_use]
    pub fn of(area: Area) -> Self {
        Self { columns: usize::from(area.width).saturating_sub(2), rows: usize::from(area.height) }
    }
}

impl Output {
    /// Takes what was written.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut begun = std::mem::take(&mut self.begun);
        for byte in bytes {
            begun.take(*byte, &mut |line| self.keep(line));
        }
        self.begun = begun;
    }

    fn keep(&mut self, line: String) {
        self.bytes += line.len() + LINE_COSTS;
        self.lines.push_back(line.into());
        while self.bytes > KEPT
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + LINE_COSTS;
            self.dropped += 1;
            self.top =
                self.top.map(|top| top.line.checked_sub(1).map_or(Place::default(), |line| Place { line, ..top }));
            self.found = self.found.and_then(|found| found.checked_sub(1));
        }
    }

    /// Whether who wrote it wants a terminal of its own.
    pub(super) fn wants_a_terminal(&self) -> bool {
        self.begun.wants_a_terminal()
    }

    /// How many lines there are, the one that was begun with them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len() + usize::from(!self.begun.is_empty())
    }

    /// How many old lines were not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The rows of a page, each with the number of its line.
    #[must_use]
    pub fn page(&self, page: Page) -> Vec<(usize, String)> {
        let top = self.top(page);
        let rows = (top.line..).zip(self.from(top.line)).flat_map(|(at, line)| {
            let rows: Vec<_> =
                fold(&line, page.columns).map(|row| (at, row.to_owned())).take(top.row + page.rows).collect();
            rows
        });
        rows.skip(top.row).take(page.rows).collect()
    }

    /// How many lines end below a page.
    #[must_use]
    pub fn below(&self, page: Page) -> usize {
        let end = self.lower(self.top(page), page.rows, page);
        self.count().saturating_sub(end.line)
    }

    /// All that was kept, for when the screen is left.
    pub fn lines(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.from(0)
    }

    /// The lines from this one on; those before it are not touched, however many they are.
    fn from(&self, first: usize) -> impl Iterator<Item = Cow<'_, str>> {
        let whole = self.lines.range(first.min(self.lines.len())..).map(|line| Cow::Borrowed(&**line));
        let begun = (!self.begun.is_empty() && first <= self.lines.len()).then(|| Cow::Owned(self.begun.text()));
        whole.chain(begun)
    }

    /// The line that a search found last, while there is one.
    #[must_use]
    pub fn found(&self) -> Option<usize> {
        self.found.filter(|_| self.search.is_some())
    }

    /// What stands first on a page.
    fn top(&self, page: Page) -> Place {
        let last = self.higher(self.end(), page.rows, page);
        self.top.map_or(last, |top| Place { row: top.row.min(self.rows_of(top.line, page) - 1), ..top }.min(last))
    }

    /// Behind the last row.
    fn end(&self) -> Place {
        Place { line: self.count(), row: 0 }
    }

    fn line(&self, at: usize) -> Cow<'_, str> {
        self.lines.get(at).map_or_else(|| Cow::Owned(self.begun.text()), |line| Cow::Borrowed(&**line))
    }

    fn rows_of(&self, line: usize, page: Page) -> usize {
        fold(&self.line(line), page.columns).count()
    }

    /// So many rows higher, the first at the most.
    fn higher(&self, mut place: Place, mut rows: usize, page: Page) -> Place {
        while place.row < rows {
            let Some(line) = place.line.checked_sub(1) else { return Place::default() };
            rows -= place.row + 1;
            place = Place { line, row: self.rows_of(line, page) - 1 };
        }
        Place { row: place.row - rows, ..place }
    }

    /// So many rows lower, the end at the most.
    fn lower(&self, mut place: Place, mut rows: usize, page: Page) -> Place {
        while place < self.end() {
            let behind = self.rows_of(place.line, page) - place.row;
            if rows < behind {
                return Place { row: place.row + rows, ..place };
            }
            rows -= behind;
            place = Place { line: place.line + 1, row: 0 };
        }
        self.end()
    }

    pub(super) fn go(&mut self, movement: Move, page: Page) {
        let top = self.top(page);
        let last = self.higher(self.end(), page.rows, page);
        let leap = page.rows.saturating_sub(1).max(1);
        let top = match movement {
            Move::Up => self.higher(top, 1, page),
            Move::Down => self.lower(top, 1, page),
            Move::PageUp => self.higher(top, leap, page),
            Move::PageDown => self.lower(top, leap, page),
            Move::First => Place::default(),
            Move::Last => last,
        };
        // At the end it is followed again.
        self.top = (top < last).then_some(top);
    }

    /// Where a search begins: at the line that was found last, else at the first on the screen.
    pub(super) fn cursor(&self, page: Page) -> usize {
        self.found.unwrap_or_else(|| self.top(page).line)
    }

    /// To the first line from there on that has this text, whatever its case; whether there is one.
    pub(super) fn find(&mut self, needle: &str, from: usize, direction: Direction, page: Page) -> bool {
        let count = self.count();
        let begun = self.begun.text();
        let line = |at: usize| self.lines.get(at).map_or(&*begun, |line| &**line);
        let mut order = (0..count).map(|distance| match direction {
            Direction::Forward => (from + distance) % count,
            Direction::Backward => (from % count + count - distance) % count,
        });
        let found = order.find(|at| holds(line(*at).as_bytes(), needle.as_bytes()));
        if let Some(line) = found {
            self.found = Some(line);
            self.top = Some(self.higher(Place { line, row: 0 }, page.rows / 2, page));
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn page(columns: usize, rows: usize) -> Page {
        Page { columns, rows }
    }

    #[test]
    fn the_end_is_followed_until_one_scrolls_away_and_again_when_one_is_back() {
        const PAGE: Page = page(80, 3);
        let mut output = Output::default();
        let top = |output: &Output| output.page(PAGE)[0].0;
        (0..10).for_each(|line| output.push(format!("line {line}\n").as_bytes()));
        assert_eq!(top(&output), 7);
        output.go(Move::Up, PAGE);
        output.push(b"more\n");
        assert_eq!((top(&output), output.below(PAGE)), (6, 2));
        output.go(Move::Last, PAGE);
        output.push(b"more\n");
        assert_eq!((top(&output), output.below(PAGE)), (9, 0));
    }

    #[test]
    fn a_long_line_takes_as_many_rows_as_it_needs() {
        const PAGE: Page = page(4, 3);
        let mut output = Output::default();
        let shown = |output: &Output| output.page(PAGE).into_iter().map(|(_, row)| row).collect::<Vec<_>>();
        output.push(b"one\nabcdefghij\ntwo");
        assert_eq!(shown(&output), ["efgh", "ij", "two"]);
        output.go(Move::Up, PAGE);
        assert_eq!((shown(&output), output.below(PAGE)), (["abcd", "efgh", "ij"].map(String::from).to_vec(), 1));
        output.go(Move::Up, PAGE);
        output.go(Move::Up, PAGE);
        assert_eq!((shown(&output), output.below(PAGE)), (["one", "abcd", "efgh"].map(String::from).to_vec(), 2));
        // A wider screen than the one on which was scrolled.
        output.go(Move::Down, PAGE);
        output.go(Move::Down, PAGE);
        assert_eq!(output.page(page(80, 9)).len(), 3);
    }

    #[test]
    fn a_search_goes_round_in_both_directions() {
        const PAGE: Page = page(80, 2);
        let mut output = Output::default();
        output.push(b"FAIL a\nok b\nfail c\nok d\n");
        output.search = Some("fail".into());
        let mut found = |from, direction| output.find("fail", from, direction, PAGE).then(|| output.found()).flatten();
        assert_eq!(found(1, Direction::Forward), Some(2));
        assert_eq!(found(3, Direction::Forward), Some(0));
        assert_eq!(found(3, Direction::Backward), Some(2));
        assert!(!output.find("panic", 0, Direction::Forward, PAGE));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_went_is_counted() {
        let mut output = Output::default();
        let line = [vec![b'x'; 4000], vec![b'\n']].concat();
        for _ in 0..5000 {
            output.push(&line);
        }
        assert!(output.bytes <= KEPT && output.dropped() > 0);
        assert_eq!(output.count() as u64 + output.dropped(), 5000);
    }

    #[test]
    fn empty_lines_are_bounded_as_well() {
        let mut output = Output::default();
        for _ in 0..100 {
            output.push(&[b'\n'; 10_000]);
        }
        assert!(output.count() <= KEPT / LINE_COSTS && output.dropped() > 0, "{}", output.count());
    }

    proptest! {
        #[test]
        fn what_was_written_is_the_same_however_it_was_split(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in any::<proptest::sample::Index>(),
        ) {
            let written = |pieces: &[&[u8]]| {
                let mut output = Output::default();
                for piece in pieces {
                    output.push(piece);
                }
                output
            };
            let (front, back) = bytes.split_at(at.index(bytes.len() + 1));
            prop_assert_eq!(written(&[&bytes]), written(&[front, back]));
        }

        #[test]
        fn every_row_is_passed_once_on_the_way_up_and_down(
            text in "[a-c漢\n]{0,60}",
            columns in 0usize..9,
            rows in 0usize..9,
        ) {
            let page = page(columns, rows);
            let mut output = Output::default();
            output.push(text.as_bytes());
            let all: Vec<_> = (0..output.count()).flat_map(|at| fold(&output.line(at), columns).map(str::to_owned).collect::<Vec<_>>()).collect();
            let tops = all.len().saturating_sub(rows);
            for (movement, order) in [(Move::Up, (0..=tops).rev().collect::<Vec<_>>()), (Move::Down, (0..=tops).collect())] {
                for top in order {
                    let shown: Vec<_> = output.page(page).into_iter().map(|(_, row)| row).collect();
                    prop_assert_eq!(&shown[..], &all[top..(top + rows).min(all.len())]);
                    output.go(movement, page);
                }
            }
            output.go(Move::First, page);
            let _ = output.find("a", rows, Direction::Backward, page);
            prop_assert!(output.page(page).len() <= rows && output.below(page) <= output.count());
        }
    }
}
