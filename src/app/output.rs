//! What a command has written, line by line: it scrolls, it can be searched, and it stays when the command is gone. Refuses
//! to read it: what a line is, the teletype says.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::text::holds;

use super::keys::Move;
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
    /// The first line on the screen; `None`: the end is followed.
    top: Option<usize>,
    /// What is searched for.
    pub(super) search: Option<String>,
    /// The line that a search found.
    found: Option<usize>,
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
            self.top = self.top.map(|top| top.saturating_sub(1));
            self.found = self.found.and_then(|found| found.checked_sub(1));
        }
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

    /// The lines of a page of so many rows, with the number of the first.
    pub fn page(&self, rows: usize) -> (usize, impl Iterator<Item = Cow<'_, str>>) {
        let top = self.top(rows);
        (top, self.from(top).take(rows))
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

    /// The number of the first line on a page of so many rows.
    #[must_use]
    pub fn top(&self, rows: usize) -> usize {
        let last = self.count().saturating_sub(rows);
        self.top.map_or(last, |top| top.min(last))
    }

    pub(super) fn go(&mut self, movement: Move, rows: usize) {
        let last = self.count().saturating_sub(rows);
        let top = movement.apply(self.top(rows), last + 1, rows);
        // At the end it is followed again.
        self.top = (top < last).then_some(top);
    }

    /// Where a search begins: at the line that was found last, else at the first on the screen.
    pub(super) fn cursor(&self, rows: usize) -> usize {
        self.found.unwrap_or_else(|| self.top(rows))
    }

    /// To the first line from there on that has this text, whatever its case; whether there is one.
    pub(super) fn find(&mut self, needle: &str, from: usize, direction: Direction, rows: usize) -> bool {
        let count = self.count();
        let begun = self.begun.text();
        let line = |at: usize| self.lines.get(at).map_or(&*begun, |line| &**line);
        let mut order = (0..count).map(|distance| match direction {
            Direction::Forward => (from + distance) % count,
            Direction::Backward => (from % count + count - distance) % count,
        });
        let found = order.find(|at| holds(line(*at).as_bytes(), needle.as_bytes()));
        if let Some(at) = found {
            self.found = Some(at);
            self.top = Some(at.saturating_sub(rows / 2));
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_is_followed_until_one_scrolls_away_and_again_when_one_is_back() {
        let mut output = Output::default();
        let top = |output: &Output| output.top(3);
        (0..10).for_each(|line| output.push(format!("line {line}\n").as_bytes()));
        assert_eq!(top(&output), 7);
        output.go(Move::Up, 3);
        output.push(b"more\n");
        assert_eq!(top(&output), 6);
        output.go(Move::Last, 3);
        output.push(b"more\n");
        assert_eq!(top(&output), 9);
    }

    #[test]
    fn a_search_goes_round_in_both_directions() {
        let mut output = Output::default();
        output.push(b"FAIL a\nok b\nfail c\nok d\n");
        output.search = Some("fail".into());
        let mut found = |from, direction| output.find("fail", from, direction, 2).then(|| output.found()).flatten();
        assert_eq!(found(1, Direction::Forward), Some(2));
        assert_eq!(found(3, Direction::Forward), Some(0));
        assert_eq!(found(3, Direction::Backward), Some(2));
        assert!(!output.find("panic", 0, Direction::Forward, 2));
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
            rows in 0usize..9,
        ) {
            let written = |pieces: &[&[u8]]| {
                let mut output = Output::default();
                for piece in pieces {
                    output.push(piece);
                }
                output
            };
            let (front, back) = bytes.split_at(at.index(bytes.len() + 1));
            let mut output = written(&[&bytes]);
            prop_assert_eq!(&output, &written(&[front, back]));
            let _ = output.find("a", rows, Direction::Backward, rows);
            output.go(Move::PageUp, rows);
            prop_assert!(output.page(rows).1.count() <= rows);
        }
    }
}
