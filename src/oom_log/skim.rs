//! Goes over the lines of a dump that are of no use, and takes the rows of its table, without unwrapping them. The lines of a dump
//! have one head, in which only clocks and counters go on: a line that has digits where the last one had some, and else its very
//! bytes, is wrapped as that one was. Refuses every other line, and every text that may be of use: those are for the reader,
//! which says the same of the lines that are skimmed (`tests/explain/skimmed.rs`) and takes longer.

use super::assemble::Assembler;
use super::cursor::Cursor;
use super::message;

/// Bytes of the longest head, in words.
const MOST_WORDS: usize = 10;
/// A byte in each place of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The head of the lines of a dump.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    words: [Word; MOST_WORDS],
    count: usize,
    /// Bytes of it.
    length: usize,
    machine: Option<Box<[u8]>>,
    /// It ends in brackets: a text may then go on with the name of the machine.
    is_bracketed: bool,
    /// It begins with a priority, which tells the kernel's records from those of others.
    is_record: bool,
}

/// Eight bytes of a head.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    bytes: u64,
    /// All bits of the bytes that stay as they are.
    stays: u64,
    /// The top bit of those that are digits of a clock or counter.
    digits: u64,
}

impl Head {
    /// The head of a line that is the kernel's, up to its text. Its digits go on but for those in `stays`.
    pub fn of(head: &[u8], stays: std::ops::Range<usize>, machine: Option<&[u8]>) -> Self {
        let mut made = Self {
            length: head.len(),
            machine: machine.map(Into::into),
            is_bracketed: head.first() == Some(&b'['),
            is_record: head.ends_with(b",-;"),
            ..Self::default()
        };
        // With more digits a clock would be beyond 64 bits once it is in microseconds, and a priority may be a user's.
        let most = if made.is_record { 16 } else { 13 };
        let has_long_numbers = head.split(|byte| !byte.is_ascii_digit()).any(|run| run.len() > most);
        let has_long_priority = made.is_record && head.get(1) != Some(&b',');
        if head.is_empty() || head.len() > 8 * MOST_WORDS || has_long_numbers || has_long_priority {
            return Self::default();
        }
        for (at, byte) in head.iter().enumerate() {
            let (word, shift) = (&mut made.words[at / 8], at % 8 * 8);
            word.bytes |= u64::from(*byte) << shift;
            if byte.is_ascii_digit() && !stays.contains(&at) {
                word.digits |= 0x80 << shift;
            } else {
                word.stays |= 0xff << shift;
            }
        }
        made.count = head.len().div_ceil(8);
        made
    }

    /// Whether a line begins with it.
    #[inline]
    pub fn begins(&self, line: &[u8]) -> bool {
        let (words, _) = line.as_chunks();
        if self.count == 0 || words.len() < self.count {
            return false;
        }
        let mut others = 0;
        for (word, bytes) in self.words[..self.count].iter().zip(words) {
            let bytes = u64::from_le_bytes(*bytes);
            let digits = bytes ^ (EACH * u64::from(b'0'));
            others |= (bytes ^ word.bytes) & word.stays;
            // Above nine; a byte ahead of it may make it seem so, and then the reader looks.
            others |= (digits.wrapping_add(EACH * 0x76) | digits) & word.digits;
        }
        others == 0 && !(self.is_record && line[0] >= b'8')
    }
}

/// Goes over the lines of one block.
#[derive(Debug)]
pub(super) struct Skim<'a> {
    block: &'a [u8],
    mark: Option<usize>,
    tag: Option<usize>,
    zone: Option<usize>,
}

impl<'a> Skim<'a> {
    pub fn of(block: &'a [u8]) -> Self {
        Self { block, mark: None, tag: None, zone: None }
    }

    /// Goes over lines from `at` on while they have this head, and are of no use or rows of a table. Where the first one begins
    /// that the reader must look at.
    pub fn over(&mut self, head: &Head, mut at: usize, assembler: &mut Assembler) -> usize {
        let block = self.block;
        let mut passed = 0;
        let mut room = assembler.room();
        while passed < room && head.begins(&block[at..]) {
            let begin = at + head.length;
            let ahead = &block[begin..];
            let length = if let [b'[', b' ' | b'0'..=b'9', ..] = ahead {
                if head.is_record && line_end(ahead).is_none_or(|length| self.next_mark(begin) < begin + length) {
                    break;
                }
                assembler.pass_over(std::mem::take(&mut passed));
                let Some(length) = assembler.row_ahead(ahead, head.machine.as_deref()) else { break };
                room = assembler.room();
                length
            } else {
                let Some(length) = self.nothing(head, begin) else { break };
                passed += 1;
                length
            };
            at = begin + length + 1;
        }
        assembler.pass_over(passed);
        at
    }

    /// How long a text is that is of no use.
    #[inline]
    fn nothing(&mut self, head: &Head, begin: usize) -> Option<usize> {
        let ahead = &self.block[begin..];
        let is_nothing = match ahead {
            [b'\n' | b'[', ..] => false,
            [b'N', ..] => true,
            [b'0'..=b'9', ..] => !counts_memory(ahead),
            _ => message::begins_nothing(ahead),
        };
        let length = if is_nothing { line_end(ahead)? } else { return None };
        let end = begin + length;
        let is_nothing = self.next_mark(begin) >= end
            && (ahead[0] != b'N' || self.next_zone(begin) >= end)
            && (!head.is_bracketed || self.next_tag(begin) >= end);
        is_nothing.then_some(length)
    }

    /// Where a byte stands next that a line of no use may not have. A process that asks for memory may have any name, but
    /// `gfp_mask=` follows it; the device writes bytes as `\x1b`; what was passed on from it has a `;`.
    #[inline]
    fn next_mark(&mut self, from: usize) -> usize {
        let find = |ahead: &[u8]| memchr::memchr3(b'=', b'\\', b';', ahead);
        next(&mut self.mark, self.block, from, find)
    }

    /// Where a zone of a node says what it has, of which lines beginning with `Node` are of use.
    #[inline]
    fn next_zone(&mut self, from: usize) -> usize {
        next(&mut self.zone, self.block, from, |ahead| memchr::memmem::find(ahead, b" present:"))
    }

    /// Where a machine may be named behind brackets.
    #[inline]
    fn next_tag(&mut self, from: usize) -> usize {
        next(&mut self.tag, self.block, from, |ahead| memchr::memmem::find(ahead, b" kernel: "))
    }
}

/// Whether a text counts the pages of the machine, as far as its first letters show: `1048444 pages RAM`, `.. reserved`.
#[inline]
fn counts_memory(text: &[u8]) -> bool {
    let mut cursor = Cursor(text);
    cursor.unsigned().is_some() && matches!(cursor.0, [b' ', b'p', _, _, _, _, b' ', b'R' | b'r', ..])
}

/// Where a line ends. Most do within a few words: to call for a search takes longer.
#[inline]
fn line_end(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let others = u64::from_le_bytes(*word) ^ (EACH * u64::from(b'\n'));
        // The top bit of the first byte that is zero, and of some behind it.
        let found = others.wrapping_sub(EACH) & !others & (EACH << 7);
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    memchr::memchr(b'\n', rest).map(|ahead| text.len() - rest.len() + ahead)
}

/// What stands next in a block, looked for once and not in each line.
#[inline]
fn next(known: &mut Option<usize>, block: &[u8], from: usize, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
    match known {
        Some(at) if *at >= from => *at,
        _ => *known.insert(find(&block[from..]).map_or(block.len(), |ahead| from + ahead)),
    }
}
