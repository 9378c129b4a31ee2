//! The kernel's records behind text of no known form: a container's log, a collector's JSON, a note. The kernel's own words
//! show where its text begins; what stands ahead of them there is looked for in the lines that have no such words. Refuses lines
//! whose form names another program as their writer.

use std::borrow::Cow;

use super::assemble::Assembler;
use super::cursor::{Cursor, find};
use super::envelope::{self, Envelope, Time, Writer};
use super::message::{self, Message};
use super::refused::Refused;
use super::{console, device};
use crate::units::WallTime;

/// The words with which the kernel's texts about an OOM begin. That they do is for `message` to say.
const BEGINNINGS: [&[u8]; 17] = [
    b"Out of memory",
    b"Out of Memory",
    b"Memory cgroup out of memory: ",
    b"Killed process ",
    b"Kill process ",
    b"oom-kill:constraint=",
    b"oom-killer: gfp_mask=",
    b"oom_reaper: ",
    b"OOM victim ",
    b"Task in /",
    b"Tasks in /",
    b"Memory cgroup stats for ",
    b"memory: usage ",
    b"Kernel panic - not syncing: ",
    b"CPU: ",
    b"[ pid ]",
    b"[  pid  ]",
];
/// What follows the name of the one who asked: the only text of use that begins with anything.
const ASKED: &[u8] = b" invoked oom-killer: gfp_mask=";
/// Bytes of a name (TASK_COMM_LEN, less its end).
const LONGEST_NAME: usize = 15;
/// Bytes that are looked at: a collector may put a page of labels ahead.
const LONGEST_AHEAD: usize = 16 * 1024;
/// Of what stands ahead of the first, so many bytes are kept to be shown.
const SHOWN: usize = 60;

/// Records found by their words, as a log of their own.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    pub assembler: Assembler,
    /// `None`: nothing was found yet.
    ahead: Option<Ahead>,
    /// What stood ahead of the first that had something there.
    pub behind: Option<Box<[u8]>>,
    /// Lines that have the words of a kill.
    pub kills: Refused,
    /// When the journal's record that is going on was written: its fields stand on lines of their own.
    field_time: (Option<WallTime>, Vec<u8>),
}

impl Quoted {
    /// Takes a line, if the kernel's words are in it, or what stood ahead of them before; whether it did.
    pub fn push(&mut self, line: &[u8], complete: bool) -> bool {
        let Some((length, text)) = self.find(line) else {
            self.assembler.pass();
            return false;
        };
        self.kills.take(line);
        if length > 0 {
            self.behind.get_or_insert_with(|| line[..length.min(SHOWN)].into());
        }
        let mut time = time_around(&line[..length], line);
        if time == Time::default() && length > 0 {
            (time.wall, time.date) = (self.field_time.0, &self.field_time.1);
        }
        self.assembler.push(&Envelope { time, text, ..Envelope::default() }, complete);
        true
    }

    fn find<'a>(&mut self, line: &'a [u8]) -> Option<(usize, Cow<'a, [u8]>)> {
        let length = self.ahead.as_ref().and_then(|ahead| ahead.length_in(line));
        let learned = length.and_then(|length| Some((length, text_at(line, length)?)));
        let (is_in_dump, waits) = (self.assembler.is_in_dump(), self.assembler.waits_for_an_end());
        let is_sure = |(length, text): &(usize, Cow<'_, [u8]>)| {
            // With nothing ahead every line is alike: then only what is the kernel's by itself.
            message::parse(text, true).is_some()
                || is_in_dump && (*length > 0 || waits || !message::begins_nothing(text))
        };
        learned.filter(is_sure).or_else(|| {
            let (length, text) = first_text(line).filter(|(length, _)| !is_another_programs(line, *length))?;
            self.ahead = Some(Ahead(line[..length].into()));
            Some((length, text))
        })
    }

    /// `__REALTIME_TIMESTAMP=1763714482123456` (`journalctl -o export`) and `Sat 2026-11-21 08:41:22.123456 UTC [s=..]` (verbose).
    pub fn note_time(&mut self, line: &[u8]) {
        if line.starts_with(b"__REALTIME_TIMESTAMP=") {
            self.field_time = (time(line).wall, Vec::new());
        } else if let Some(end) = find(&line[..line.len().min(64)], b" [s=") {
            self.field_time = (None, line[..end].into());
        }
    }
}

/// Whether the kernel's words, or a row of its table, have begun in the first part of a line.
pub(super) fn has_begun(ahead: &[u8]) -> bool {
    let number = |cursor: &mut Cursor<'_>| {
        cursor.blanks();
        cursor.unsigned()
    };
    let begins_row = |at: usize| {
        let mut cursor = Cursor(&ahead[at + 1..]);
        number(&mut cursor)?;
        cursor.tag(b"]")?;
        number(&mut cursor).and_then(|_| number(&mut cursor))
    };
    BEGINNINGS.iter().any(|words| find(ahead, words).is_some())
        || memchr::memchr_iter(b'[', ahead).any(|at| begins_row(at).is_some())
}

/// Whether a line names another program as its writer: a syslog's tag ahead of the text, which has colons of its own, or a field
/// of the journal anywhere.
fn is_another_programs(line: &[u8], ahead: usize) -> bool {
    let telling = if line.starts_with(b"{") { line } else { &line[..ahead] };
    envelope::writer(telling) == Writer::Other
}

/// The first place in a line where a text of the kernel begins, and that text.
fn first_text(line: &[u8]) -> Option<(usize, Cow<'_, [u8]>)> {
    let head = &line[..line.len().min(LONGEST_AHEAD)];
    let mut places: Vec<_> = BEGINNINGS.iter().filter_map(|words| find(head, words)).collect();
    places.extend(find(head, ASKED).map(|at| name_before(&head[..at])));
    places.sort_unstable();
    places.into_iter().find_map(|at| {
        let text = text_at(line, at).filter(|_| at == 0 || !is_of_word(line[at - 1]))?;
        let is_quoted = !open_quotes(&line[..at]).is_empty();
        match message::parse(&text, true)? {
            // Old kernels wrote no sizes; in the middle of somebody's sentence that is no record.
            Message::Killed(killed) if killed.total_vm.is_none() => {
                let is_all = text.ends_with(b")") || text.ends_with(b").");
                (is_all && !is_quoted).then_some((at, text))
            }
            _ => Some((at, text)),
        }
    })
}

/// Where the name begins that ends a text. It may have blanks: what is no longer than a name is one.
fn name_before(text: &[u8]) -> usize {
    if text.len() <= LONGEST_NAME {
        return 0;
    }
    let behind = |mark: &[u8]| memchr::memmem::rfind(text, mark).map(|at| at + mark.len());
    let marks: [&[u8]; 6] = [b"] ", b": ", b"| ", b"\"", b"\t", b"="];
    let near = |at: &usize| text.len() - at <= LONGEST_NAME;
    marks.into_iter().filter_map(behind).filter(near).max().or_else(|| behind(b" ")).unwrap_or(0)
}

/// What stands ahead of the kernel's text, as it was in one line.
#[derive(Debug, Default)]
struct Ahead(Box<[u8]>);

impl Ahead {
    /// How many bytes of a line are like it: any blanks for blanks, and any word with a digit (a time, a number, an identity)
    /// for one.
    fn length_in(&self, line: &[u8]) -> Option<usize> {
        let (mut ours, mut theirs) = (&*self.0, line);
        while let (Some(first), Some(same)) = (ours.first(), theirs.first()) {
            let is_alike: fn(u8) -> bool = match first {
                b' ' => |byte| byte == b' ',
                byte if is_of_word(*byte) => is_of_word,
                _ if first == same => {
                    (ours, theirs) = (&ours[1..], &theirs[1..]);
                    continue;
                }
                _ => return None,
            };
            let (our, their) = (split_while(&mut ours, is_alike), split_while(&mut theirs, is_alike));
            let has_digit = |word: &[u8]| word.iter().any(u8::is_ascii_digit);
            let is_same = our == their || *first == b' ' && !their.is_empty() || has_digit(our) && has_digit(their);
            if !is_same {
                return None;
            }
        }
        ours.is_empty().then_some(line.len() - theirs.len())
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn split_while<'a>(text: &mut &'a [u8], is_of: impl Fn(u8) -> bool) -> &'a [u8] {
    let length = text.iter().position(|byte| !is_of(*byte)).unwrap_or(text.len());
    let (taken, rest) = text.split_at(length);
    *text = rest;
    taken
}

/// The text from here to the end of the line or, where quotes are open, to the closing one; `None`: that is lost.
fn text_at(line: &[u8], at: usize) -> Option<Cow<'_, [u8]>> {
    let (ahead, behind) = line.split_at(at);
    let open = open_quotes(ahead);
    let Some(innermost) = open.last() else { return Some(Cow::Borrowed(behind)) };
    let mut quotes = memchr::memchr_iter(b'"', behind);
    let end = quotes.find(|quote| escapes_before(behind, *quote) <= *innermost)?;
    let text = &behind[..end - escapes_before(behind, end).min(end)];
    let plain = open.iter().fold(Cow::Borrowed(text), |text, _| unescape(text));
    Some(match plain {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii_end()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii_end().into()),
    })
}

/// The quotes that are open at the end of a text, outermost first, each by the backslashes before it: a string in a string
/// (JSON in JSON) has more.
fn open_quotes(text: &[u8]) -> Vec<usize> {
    let mut open: Vec<usize> = Vec::new();
    for quote in memchr::memchr_iter(b'"', text) {
        let escapes = escapes_before(text, quote);
        while open.last().is_some_and(|innermost| *innermost > escapes) {
            open.pop();
        }
        if open.last() == Some(&escapes) {
            open.pop();
        } else if open.len() < 4 {
            open.push(escapes);
        }
    }
    open
}

/// Backslashes before a quote; an even number of them escapes none.
fn escapes_before(text: &[u8], quote: usize) -> usize {
    let count = text[..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
    if count % 2 == 0 { 0 } else { count }
}

/// JSON's escapes, but for those that nobody needs (of letters and digits).
fn unescape(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', &text).is_none() {
        return text;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, length) = match (first, tail) {
            (b'\\', [escaped @ (b'"' | b'\\' | b'/'), ..]) => (*escaped, 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'u', b'0', b'0', high, low, ..]) => match device::hex_byte(*high, *low) {
                Some(byte) if byte.is_ascii() && !byte.is_ascii_alphanumeric() => (byte, 6),
                _ => (b'\\', 1),
            },
            _ => (*first, 1),
        };
        plain.push(byte);
        rest = &rest[length..];
    }
    Cow::Owned(plain)
}

/// The time of a line of any form: the kernel's own in brackets just ahead of its text, a date anywhere.
pub(super) fn time_around<'a>(ahead: &'a [u8], line: &'a [u8]) -> Time<'a> {
    let own = memchr::memrchr_iter(b'[', ahead).find_map(|at| console::since_boot_in_brackets(&line[at..]));
    Time { since_boot: own, date: date_in(line), ..Time::default() }
}

/// `2026-11-21T08:41:22.123Z` anywhere, or a syslog's date at the beginning; empty where there is none.
fn date_in(line: &[u8]) -> &[u8] {
    let head = &line[..line.len().min(LONGEST_AHEAD)];
    let iso = memchr::memchr_iter(b'-', head).find_map(|dash| {
        let from = dash.checked_sub(4)?;
        let (date, clock) = (head.get(from..from + 10)?, head.get(from + 11..from + 19)?);
        let is_iso = date.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        }) && matches!(head[from + 10], b'T' | b' ')
            && clock
                .iter()
                .enumerate()
                .all(|(at, byte)| if at % 3 == 2 { *byte == b':' } else { byte.is_ascii_digit() });
        let rest = &head[from + 19..];
        let is_of = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'Z' | b'+' | b'-' | b':');
        is_iso.then(|| &head[from..from + 19 + rest.iter().take_while(|byte| is_of(byte)).count()])
    });
    iso.map_or_else(|| envelope::time(line).date, |date| date.strip_suffix(b",").unwrap_or(date))
}

/// When a line was written, whatever its form and whoever wrote it.
pub(super) fn time(line: &[u8]) -> Time<'_> {
    let known = envelope::time(line);
    if known != Time::default() {
        return known;
    }
    let field = line.strip_prefix(b"__REALTIME_TIMESTAMP=").and_then(|number| Cursor(number).unsigned());
    let wall = field.and_then(|microseconds| i64::try_from(microseconds).ok()?.checked_mul(1000)).map(WallTime);
    Time { wall, ..time_around(b"", line) }
}

#[cfg(test)]
#[path = "quoted_tests.rs"]
mod tests;
