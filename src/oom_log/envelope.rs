//! The wrapping of a kernel record in a log: `/dev/kmsg`, `dmesg` in its forms, journal, syslog files, a serial
//! console, or nothing at all. Says when, on which machine, and what the kernel's text was. Refuses every line that
//! says of itself that somebody else than the kernel wrote it: a user's text must not pass for a kill.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::head::{self, Head};
use super::stamp::Stamp;
use super::{console, device};
use crate::units::WallTime;

/// A kernel record, unwrapped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Envelope<'a> {
    pub time: Time<'a>,
    /// Which machine, where the line names it.
    pub machine: Option<&'a [u8]>,
    /// The thread (`T123`) or CPU (`C1`) that wrote it, where the kernel is built to say so.
    pub caller: Option<Caller>,
    /// It goes on where the record before it ended (`/dev/kmsg` flag `c`).
    pub continues: bool,
    pub text: Cow<'a, [u8]>,
}

impl Envelope<'_> {
    /// Nothing was wrapped around the text.
    pub fn is_bare(&self) -> bool {
        self.time == Time::default() && self.machine.is_none() && self.caller.is_none()
    }
}

/// Who wrote a record: a thread, or a CPU outside of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub is_cpu: bool,
    pub number: u32,
}

/// The time of a line, borrowed from it: most lines' times are never needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Time<'a> {
    pub since_boot: Option<u64>,
    pub wall: Option<WallTime>,
    pub date: &'a [u8],
}

impl Time<'_> {
    pub fn stamp(&self) -> Stamp {
        let mut stamp = Stamp::from_text(self.date);
        stamp.since_boot = self.since_boot;
        stamp.wall = self.wall;
        stamp
    }
}

/// A line that says of itself that somebody else than the kernel wrote it; only its time is of use.
#[derive(Debug)]
pub(super) struct Foreign<'a>(pub Time<'a>);

impl Foreign<'_> {
    fn timeless() -> Self {
        Self(Time::default())
    }
}

/// What a form of wrapping says of a line that has it.
pub(super) type Unwrapped<'a> = Result<Envelope<'a>, Foreign<'a>>;

/// When a line was written, whoever wrote it.
pub(super) fn time(line: &[u8]) -> Time<'_> {
    open(line).map_or_else(|foreign| foreign.0, |envelope| envelope.time)
}

/// Who wrote a line, as far as its wrapping shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Kernel,
    /// Another program, of whose lines kernel logs have many.
    Other,
    /// The form is not known.
    Unknown,
}

/// Who wrote a line.
pub(super) fn writer(line: &[u8]) -> Writer {
    let unwrapped = if line.starts_with(b"{") { super::journal::open(line) } else { unwrap(line) };
    match unwrapped {
        Some(Ok(_)) => Writer::Kernel,
        Some(Err(foreign)) if !is_nameless(&foreign, line) => Writer::Other,
        _ => Writer::Unknown,
    }
}

/// Whether a line that is not the kernel's by its form has a date ahead, and behind it no name of who wrote it.
fn is_nameless(foreign: &Foreign<'_>, line: &[u8]) -> bool {
    let date = foreign.0.date;
    !date.is_empty() && line.starts_with(date) && !head::has_a_tag(&line[date.len()..])
}

/// Unwraps a line.
pub(super) fn open(line: &[u8]) -> Unwrapped<'_> {
    unwrap(line).unwrap_or_else(|| Ok(bare(line)))
}

/// `None`: nothing is wrapped around it.
fn unwrap(line: &[u8]) -> Option<Unwrapped<'_>> {
    let unwrapped = by_form(line);
    if matches!(&unwrapped, Some(Ok(inner)) if inner.time.since_boot.is_some() || !line.starts_with(b"[")) {
        return unwrapped;
    }
    let Some((ahead, record)) = device::relayed(line) else { return unwrapped };
    match unwrapped {
        None => Some(record),
        Some(Ok(outer)) if line.len() == ahead + outer.text.len() => Some(dated(record, outer.time.date)),
        Some(Err(foreign)) if is_nameless(&foreign, &line[..ahead]) => Some(dated(record, foreign.0.date)),
        other => other,
    }
}

fn dated<'a>(record: Unwrapped<'a>, date: &'a [u8]) -> Unwrapped<'a> {
    let time = |time: Time<'a>| Time { date, ..time };
    match record {
        Ok(record) => Ok(Envelope { time: time(record.time), ..record }),
        Err(foreign) => Err(Foreign(time(foreign.0))),
    }
}

/// By what it begins with.
fn by_form(line: &[u8]) -> Option<Unwrapped<'_>> {
    let unwrapped = match line {
        [b'[', ..] => console::read(line).map(Ok),
        [b'0'..=b'9', ..] => device::record(line).or_else(|| headed(line)).or_else(|| dated_alone(line).map(Ok)),
        [b'<', ..] => with_priority(line),
        [b'{', ..] => Some(super::journal::open(line).unwrap_or_else(|| Err(Foreign::timeless()))),
        [b'A'..=b'Z' | 0x80.., ..] => headed(line).or_else(|| glued(line).map(Ok)),
        [b'a'..=b'z', ..] => facility_in_words(line).or_else(|| headed(line)).or_else(|| glued(line).map(Ok)),
        _ => glued(line).map(Ok),
    };
    unwrapped.or_else(|| of_node(line))
}

fn bare(line: &[u8]) -> Envelope<'_> {
    Envelope { text: Cow::Borrowed(line), ..Envelope::default() }
}

/// `<6>[ 12.5] text` (`dmesg -r`, pstore) and `<6>1 2026-11-21T08:41:22Z host kernel - - - text` (RFC 5424).
fn with_priority(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut cursor = Cursor(&line[1..]);
    let priority = cursor.unsigned()?;
    cursor.tag(b">")?;
    if priority >= 8 {
        return Some(Err(Foreign(behind_facility(cursor.0).map_or_else(|foreign| foreign.0, |inner| inner.time))));
    }
    if cursor.0.starts_with(b"1 ") {
        let head = head::structured(cursor.0).ok_or_else(Foreign::timeless);
        return Some(head.map(|head| behind_head(&head, cursor.0)));
    }
    Some(behind_facility(cursor.0))
}

/// What follows a facility: a line with a time or without.
fn behind_facility(line: &[u8]) -> Unwrapped<'_> {
    let dated = console::read(line).map(Ok).or_else(|| headed(line)).or_else(|| dated_alone(line).map(Ok));
    dated.unwrap_or_else(|| Ok(bare(line)))
}

/// `2026-11-21T08:41:22,123456+00:00 text` (dmesg) and `2026-11-21T08:41:22Z [  123.456789] text` (containers' logs).
fn dated_alone(line: &[u8]) -> Option<Envelope<'_>> {
    let date = head::iso_date(line)?;
    let rest = &line[date.len() + 1..];
    if date[19..].starts_with(b",") {
        let mut cursor = Cursor(rest);
        let caller = console::caller_in_brackets(&mut cursor);
        if caller.is_some() {
            cursor.tag(b" ");
        }
        let time = Time { date, ..Time::default() };
        return Some(Envelope { time, caller, text: Cow::Borrowed(cursor.0), ..Envelope::default() });
    }
    console::read(rest).map(|inner| Envelope { time: Time { date, ..inner.time }, ..inner })
}

/// A line with a head of syslog's.
fn headed(line: &[u8]) -> Option<Unwrapped<'_>> {
    Some(head::read(line)?.map(|head| behind_head(&head, line)))
}

/// Syslog files often keep the kernel's own time behind the tag.
fn behind_head<'a>(head: &Head, line: &'a [u8]) -> Envelope<'a> {
    let mut text = Cursor(&line[head.length..]);
    // One blank belongs to the tag, more would to the text; no message that this reads begins with one.
    text.blanks();
    let Cursor(text) = text;
    let own = console::stamped(text).filter(|own| own.time.since_boot.is_some());
    let mut envelope = own.unwrap_or_else(|| bare(text));
    envelope.time.date = head.date_of(line);
    envelope.machine = head.machine_of(line);
    envelope
}

/// `kern  :warn  : [  123.456789] text` (`dmesg -x`).
fn facility_in_words(line: &[u8]) -> Option<Unwrapped<'_>> {
    const OTHERS: [&[u8]; 11] =
        [b"user", b"mail", b"daemon", b"auth", b"syslog", b"lpr", b"news", b"uucp", b"cron", b"authpriv", b"ftp"];
    let colon = line.iter().take(10).position(|byte| *byte == b':')?;
    let facility = line[..colon].trim_ascii_end();
    let mut cursor = Cursor(&line[colon + 1..]);
    if facility == b"kern" {
        let level = cursor.until_byte(b':')?.trim_ascii();
        (level.len() <= 7 && level.iter().all(u8::is_ascii_lowercase)).then_some(())?;
        cursor.blanks();
        return Some(behind_facility(cursor.0));
    }
    (OTHERS.contains(&facility) || facility.starts_with(b"local")).then(|| Err(Foreign::timeless()))
}

/// `10.1.1.2: kern: warning: [2026-11-21T08:41:22.123456789Z]: text` (`talosctl dmesg`).
fn of_node(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut cursor = Cursor(line);
    let machine = cursor.until(b": ").filter(|machine| head::is_host(machine))?;
    Some(facility_in_words(cursor.0)?.map(|inner| Envelope { machine: Some(machine), ..inner }))
}

/// A serial console glues a record to what a terminal had left unfinished: `login: [  145.593060] text`.
fn glued(line: &[u8]) -> Option<Envelope<'_>> {
    // In quotes it would have their end too.
    let head = line[..line.len().min(64)].split(|byte| *byte == b'"').next()?;
    memchr::memchr_iter(b'[', head)
        .filter_map(|at| console::read(&line[at..]))
        .find(|inner| inner.time.since_boot.is_some())
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
pub(super) mod tests;
