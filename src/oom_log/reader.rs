//! A log as it is read, chunk by chunk, in any of the usual formats: cut into lines, lines into records, records into
//! episodes. Holds one line and the dumps that are going on, however long the log is. Refuses to read files itself.

use super::assemble::Assembler;
use super::census::Census;
use super::colours;
use super::encoding::Encoding;
use super::envelope::Envelope;
use super::episode::Episode;
use super::marks::Marks;
use super::message;
use super::opener::Opener;
use super::quoted::{self, Quoted};
use super::refused::Refused;
use super::skim::{self, Skim};
use super::stamp::Stamp;
use crate::units::WallTime;

/// Bytes of a line that are looked at; the rest of a longer one is passed over.
const LONGEST_LINE: usize = 64 * 1024;
/// Bytes at the end of the log in which its last time is looked for.
const TAIL: usize = 4096;
/// Lines at its beginning in which its first time is.
const HEAD_LINES: u32 = 100;
/// Lines without one of the kernel's in a known form, after which a log is taken to have none.
const WITHOUT_KERNEL: u64 = 10_000;

/// The times that a log covers, as far as its first and last lines have any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Option<Stamp>,
    /// The last.
    pub last: Option<Stamp>,
}

/// In what form a log is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// What its lines are.
    pub census: Census,
    /// The kernel's words were found behind text of no known form, and taken for the kernel's: what stood ahead of the first.
    pub behind: Option<Box<[u8]>>,
    /// Lines that have the words of a kill, and were not believed: another program's, or quoted.
    pub refused: Refused,
    /// It begins as a file does in which nothing can be read as it is.
    pub encoding: Option<Encoding>,
}

/// The reader of one log.
#[derive(Debug, Default)]
pub struct LogReader {
    marks: Marks,
    opener: Opener,
    /// That of the last line of a dump that was looked at.
    head: skim::Head,
    assembler: Assembler,
    /// What the kernel's words are in, while no line is the kernel's by its form.
    quoted: Quoted,
    is_over: bool,
    form: Form,
    /// A line whose end has not come yet.
    unfinished: Vec<u8>,
    span: Span,
    head_lines: u32,
    /// When the kernel's clock stood at zero, where the log is that of this machine.
    booted: Option<WallTime>,
    tail: Vec<u8>,
    is_begun: bool,
}

impl LogReader {
    /// Of a log whose seconds since boot are those of a machine that booted then, and never slept since.
    #[must_use]
    pub fn of_boot(booted: Option<WallTime>) -> Self {
        Self { booted, ..Self::default() }
    }

    /// Takes the next bytes of the log. Big chunks are fast ones: 256 KiB and more.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.is_begun {
            self.is_begun = !chunk.is_empty();
            if chunk.first() == Some(&b'{') {
                self.marks = Marks::of_objects();
            }
        }
        let Some(end) = memchr::memrchr(b'\n', chunk) else { return self.keep(chunk) };
        let (mut whole, rest) = chunk.split_at(end + 1);
        if !self.unfinished.is_empty()
            && let Some(end) = memchr::memchr(b'\n', whole)
        {
            self.keep(&whole[..end]);
            let mut line = std::mem::take(&mut self.unfinished);
            line.push(b'\n');
            self.lines(&line, true);
            self.keep_tail(&line);
            whole = &whole[end + 1..];
        }
        self.lines(whole, true);
        self.keep_tail(whole);
        self.keep(rest);
    }

    /// The log is over.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        if !line.is_empty() {
            self.lines(&line, false);
            self.keep_tail(&line);
        }
        let times = self.tail.rsplit(|byte| *byte == b'\n').map(|line| quoted::time(line).stamp());
        self.span.last = times.into_iter().find(Stamp::is_known).map(|stamp| stamp.dated(self.booted));
        self.span.first = self.span.first.map(|stamp| stamp.dated(self.booted));
        self.is_over = true;
        self.assembler.finish();
        self.quoted.assembler.finish();
    }

    /// The next episode that is complete, in the order of the log.
    pub fn next_episode(&mut self) -> Option<Episode> {
        let quoted = if self.waits_for_the_kernel() { None } else { self.quoted.assembler.next_ready() };
        if quoted.is_some() {
            self.form.behind.clone_from(&self.quoted.behind);
        }
        let mut episode = quoted.or_else(|| self.assembler.next_ready())?;
        for stamp in [&mut episode.began, &mut episode.ended] {
            *stamp = stamp.dated(self.booted);
        }
        Some(episode)
    }

    /// Whether nothing came yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_begun
    }

    /// The times of the log; the last one is known after [`Self::finish`].
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// In what form the log is; known when the last episode was given.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Whether a line may still come that shows who the kernel is here: till then what only has its words is nobody's.
    fn waits_for_the_kernel(&self) -> bool {
        !self.is_over && self.takes_quotes() && self.form.census.total() < WITHOUT_KERNEL
    }

    /// Whether the kernel's words are taken for the kernel's wherever they stand.
    fn takes_quotes(&self) -> bool {
        self.form.census.kernel == 0
    }

    /// Counts a line.
    fn count(&mut self, line: &[u8]) {
        let waited = self.waits_for_the_kernel();
        let took_quotes = self.takes_quotes();
        if self.form.census.total() == 0 {
            self.form.encoding = Encoding::of(line);
        }
        self.form.census.count(line);
        if took_quotes && !self.takes_quotes() {
            if !waited {
                return self.quoted.assembler.finish();
            }
            let quoted = std::mem::take(&mut self.quoted);
            if quoted.behind.is_none() {
                // Nothing stood ahead of them: the first lines of a record whose head is lost.
                self.assembler = quoted.assembler;
            } else {
                self.form.refused.append(quoted.kills);
            }
        }
    }

    /// Takes a line that may be of an OOM; `glanced`: what a glance at it gave.
    fn take(&mut self, line: &[u8], glanced: Option<Envelope<'_>>, complete: bool) {
        if self.takes_quotes() {
            if !self.quoted.push(line, complete) {
                self.form.refused.take(line);
            }
            return;
        }
        let opened = glanced.map_or_else(|| self.opener.open(line), Ok);
        let is_nobodys = opened
            .as_ref()
            .map_or(true, |envelope| envelope.is_bare() && message::parse(&envelope.text, complete).is_none());
        if is_nobodys {
            self.form.refused.take(line);
        }
        match opened {
            Ok(envelope) => self.assembler.push(&envelope, complete),
            Err(_) => self.assembler.pass(),
        }
    }

    /// Takes a line while a dump is going on. Most of them are of no use, and a glance at their beginning shows it. A process
    /// that asks for memory may have any name, but `gfp_mask=` follows it.
    fn take_in_dump(&mut self, line: &[u8], has_equals: bool, complete: bool) {
        let glanced = self.opener.glance(line);
        if let Some(envelope) = glanced.as_ref().filter(|_| !self.head.begins(line)) {
            self.head = self.opener.head(line, envelope);
        }
        let may_be_nothing = !has_equals && !self.assembler.waits_for_an_end();
        if may_be_nothing && glanced.as_ref().is_some_and(|envelope| message::begins_nothing(&envelope.text)) {
            self.assembler.pass();
        } else {
            self.take(line, glanced, complete);
        }
    }

    fn is_in_dump(&self) -> bool {
        self.assembler.is_in_dump() || self.quoted.assembler.is_in_dump()
    }

    /// Lines. Where no dump is going on only those with a mark are looked at, once one was the kernel's. `complete`: the last
    /// one has its end.
    fn lines(&mut self, block: &[u8], complete: bool) {
        let next =
            |byte: u8, from: usize| memchr::memchr(byte, &block[from..]).map_or(block.len(), |ahead| from + ahead);
        let is_coloured = next(colours::ESCAPE, 0) < block.len();
        let mut plain = Vec::new();
        let mut equals = next(b'=', 0);
        let mut at = 0;
        // Till the form of the log and its first time are clear.
        let mut takes_every_line = true;
        self.marks.begin();
        let mut skim = Skim::of(block);
        while at < block.len() {
            let is_in_dump = self.is_in_dump();
            takes_every_line = takes_every_line && (self.looks_for_first_time() || !self.form.census.is_settled());
            let mark = if is_in_dump { None } else { self.marks.next(block, at) };
            if let Some(mark) = mark.filter(|_| !takes_every_line) {
                at += memchr::memrchr(b'\n', &block[at..mark]).map_or(0, |newline| newline + 1);
            }
            if !is_in_dump && !takes_every_line && mark.is_none() {
                return;
            }
            if is_in_dump && !takes_every_line && !is_coloured && !self.takes_quotes() {
                let over = skim.over(&self.head, at, &mut self.assembler);
                if over > at {
                    at = over;
                    continue;
                }
            }
            let end = next(b'\n', at);
            // A carriage return, and the blanks that a terminal's copy leaves, are nobody's.
            let mut line = block[at..end.min(at + LONGEST_LINE)].trim_ascii_end();
            if is_coloured {
                line = colours::without(line, &mut plain);
            }
            if takes_every_line {
                self.look_at_form(line);
            }
            let complete = complete || end < block.len();
            if is_in_dump {
                if equals < at {
                    equals = next(b'=', at);
                }
                self.take_in_dump(line, equals < end, complete);
            } else if mark.is_some_and(|mark| mark < end) {
                self.take(line, self.opener.glance(line), complete);
            }
            at = end + 1;
        }
    }

    /// Counts a line of which form it is, and keeps the first time.
    fn look_at_form(&mut self, line: &[u8]) {
        if !self.form.census.is_settled() {
            self.count(line);
            self.quoted.note_time(line);
        }
        if self.looks_for_first_time() {
            self.head_lines += 1;
            self.span.first = Some(quoted::time(line).stamp()).filter(Stamp::is_known);
        }
    }

    fn looks_for_first_time(&self) -> bool {
        self.span.first.is_none() && self.head_lines < HEAD_LINES
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.unfinished.len().min(LONGEST_LINE);
        self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn keep_tail(&mut self, block: &[u8]) {
        let new = &block[block.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + new.len()).saturating_sub(TAIL).min(self.tail.len());
        self.tail.drain(..excess);
        self.tail.extend_from_slice(new);
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
