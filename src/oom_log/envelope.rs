//! The wrapping of a kernel record in a log: `/dev/kmsg`, `dmesg` in its forms, journal, syslog files, a serial
//! console, or nothing at all. Says when, on which machine, and what the kernel's text was. Refuses every line that
//! says of itself that somebody else than the kernel wrote it: a user's text must not pass for a kill.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::head::{self, Head};
use super::stamp::Stamp;
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

/// Unwraps the lines of one log. Most of them begin with the very head of the line before: a date, to the second, the machine
/// and the tag. Those are not read again.
#[derive(Debug, Default)]
pub(super) struct Opener {
    head: Head,
    /// Its bytes; empty where there is none.
    bytes: Vec<u8>,
}

impl Opener {
    pub fn open<'a>(&mut self, line: &'a [u8]) -> Unwrapped<'a> {
        if self.bytes.is_empty() || !line.starts_with(&self.bytes) {
            let Some(Ok(head)) = head::read(line) else { return open(line) };
            self.bytes.clear();
            self.bytes.extend_from_slice(&line[..head.length]);
            self.head = head;
        }
        Ok(behind_head(&self.head, line))
    }

    /// Where the text of a line begins, for the wrappings that long logs have, told from a few of its bytes: what [`open`] says
    /// of it, or nothing. Numbers are not checked: a line that is looked at closer may turn out to have no wrapping.
    pub fn glance<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        const LONGEST_STAMP: usize = 24;
        if !self.bytes.is_empty() && line.starts_with(&self.bytes) {
            let mut text = Cursor(&line[self.bytes.len()..]);
            text.blanks();
            return Some(behind_stamp(text.0, LONGEST_STAMP).unwrap_or(text.0));
        }
        match line.first()? {
            b'[' => {
                let text = behind_stamp(line, LONGEST_STAMP)?;
                // `host kernel: text`, as the journal writes.
                let behind_word = memchr::memchr(b' ', text).map_or(&b""[..], |blank| &text[blank + 1..]);
                (!behind_word.starts_with(b"kernel: ")).then_some(text)
            }
            b'0'..=b'9' => {
                let priority = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let text = memchr::memchr(b';', line).map(|at| &line[at + 1..]);
                text.filter(|_| line[priority..].starts_with(b","))
            }
            _ => None,
        }
    }
}

/// What stands behind `[  123.456789] `; a caller behind that is for those who look closer.
fn behind_stamp(line: &[u8], longest: usize) -> Option<&[u8]> {
    const MICROSECONDS: usize = 6;
    let end = memchr::memchr(b']', &line[..line.len().min(longest)])?;
    let is_stamp = line.first() == Some(&b'[') && line.get(end.checked_sub(MICROSECONDS + 1)?) == Some(&b'.');
    line[end + 1..].strip_prefix(b" ").filter(|_| is_stamp)
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

/// The line without the colours of a terminal, if it has any; `plain` is room for it.
pub(super) fn colourless<'a>(line: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
    const ESCAPE: u8 = 0x1b;
    let Some(first) = memchr::memchr(ESCAPE, line) else { return line };
    plain.clear();
    let mut rest = line;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.extend_from_slice(&rest[..at]);
        // CSI .. m, and no other: what moves the cursor is no colour.
        let parameters = rest[at..].strip_prefix(b"\x1b[").unwrap_or_default();
        let length = parameters.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        if parameters.get(length) == Some(&b'm') {
            rest = &parameters[length + 1..];
        } else {
            plain.push(ESCAPE);
            rest = &rest[at + 1..];
        }
        next = memchr::memchr(ESCAPE, rest);
    }
    plain.extend_from_slice(rest);
    plain
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
    let Some((ahead, record)) = relayed_record(line) else { return unwrapped };
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
        [b'[', ..] => console(line).map(Ok),
        [b'0'..=b'9', ..] => device_record(line).or_else(|| headed(line)).or_else(|| dated_alone(line).map(Ok)),
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

/// `6,460,7341237,-,caller=T21;text`; with a user's facility it was written by somebody through `/dev/kmsg`.
fn device_record(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut cursor = Cursor(line);
    let priority = cursor.unsigned()?;
    cursor.tag(b",")?;
    cursor.unsigned()?;
    cursor.tag(b",")?;
    let microseconds = cursor.unsigned()?;
    cursor.tag(b",")?;
    let head = cursor.until_byte(b';')?;
    let (flags, extra) = head.split_at(head.iter().position(|byte| *byte == b',').unwrap_or(head.len()));
    // `+` till 4.13.
    if !matches!(flags, b"-" | b"c" | b"+") {
        return None;
    }
    let time = Time { since_boot: Some(microseconds), ..Time::default() };
    if priority >= 8 {
        return Some(Err(Foreign(time)));
    }
    let mut extra = Cursor(extra);
    let caller = extra.until(b"caller=").and_then(|_| caller_name(&mut extra));
    Some(Ok(Envelope {
        time,
        caller,
        continues: flags.contains(&b'c'),
        text: unescape(cursor.0),
        ..Envelope::default()
    }))
}

/// A record of the device behind what somebody who passed it on put ahead: `KMSG 6,460,7341237,-;text`, a date, a name. With the
/// bytes of that. A process may be called so: no record begins in a text of the kernel's.
fn relayed_record(line: &[u8]) -> Option<(usize, Unwrapped<'_>)> {
    const LONGEST_AHEAD: usize = 256;
    let head = &line[..line.len().min(LONGEST_AHEAD)];
    let of_record = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'=' | b'-' | b'+');
    memchr::memchr_iter(b';', head).find_map(|end| {
        let begin = head[..end].iter().rposition(|byte| !of_record(byte)).map_or(0, |last| last + 1);
        let record = device_record(&line[begin..])?;
        (!super::quoted::has_begun(&head[..begin])).then_some((begin, record))
    })
}

/// `\x1b` is a byte: the kernel writes so what is not printable, and the backslash itself (devkmsg_read).
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let byte = match tail {
            [b'x', high, low, ..] if *first == b'\\' => hex_byte(*high, *low),
            _ => None,
        };
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[4..] } else { tail };
    }
    Cow::Owned(plain)
}

/// The byte of two digits.
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
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
    let dated = console(line).map(Ok).or_else(|| headed(line)).or_else(|| dated_alone(line).map(Ok));
    dated.unwrap_or_else(|| Ok(bare(line)))
}

/// What `stamped` reads, and what `journalctl -o short-monotonic` writes: `[  123.456789] host kernel: text`.
fn console(line: &[u8]) -> Option<Envelope<'_>> {
    let mut envelope = stamped(line)?;
    let mut journal = Cursor(&line[line.len() - envelope.text.len()..]);
    if let Some(machine) = journal.until_byte(b' ')
        && journal.tag(b"kernel: ").is_some()
        && head::is_host(machine)
    {
        envelope.machine = Some(machine);
        envelope.text = Cow::Borrowed(journal.0);
    }
    Some(envelope)
}

/// `[  123.456789] text`, `[Tue Nov 21 08:41:22 2026] text`, `[Nov21 08:41] text`, `[  +0.000012] text`, with a caller
/// `[  T123]` behind.
fn stamped(line: &[u8]) -> Option<Envelope<'_>> {
    let mut cursor = Cursor(line);
    let time = bracketed_time(&mut cursor)?;
    let mut caller = bracketed_caller(&mut cursor);
    cursor.tag(b" ").or_else(|| cursor.tag(b": ")).or_else(|| cursor.0.is_empty().then_some(()))?;
    if caller.is_none() {
        caller = bracketed_caller(&mut cursor);
        if caller.is_some() {
            cursor.tag(b" ");
        }
    }
    Some(Envelope { time, caller, text: Cow::Borrowed(cursor.0), ..Envelope::default() })
}

/// Microseconds since boot, of `[  123.456789] `.
pub(super) fn stamp_in_brackets(line: &[u8]) -> Option<u64> {
    bracketed_time(&mut Cursor(line))?.since_boot
}

fn bracketed_time<'a>(cursor: &mut Cursor<'a>) -> Option<Time<'a>> {
    let mut ahead = *cursor;
    ahead.tag(b"[")?;
    let mut seconds = ahead;
    seconds.blanks();
    if let Some(microseconds) = since_boot(&mut seconds) {
        seconds.tag(b"]")?;
        *cursor = seconds;
        return Some(Time { since_boot: Some(microseconds), ..Time::default() });
    }
    let length = ahead.0.iter().take(42).position(|byte| *byte == b']')?;
    let date = ahead.0[..length].trim_ascii();
    let is_delta = matches!(date, [b'+' | b'<', ..]);
    let begins = date.first().is_some_and(|first| first.is_ascii_alphanumeric() || !first.is_ascii());
    let is_date = begins && date.contains(&b':');
    if !is_delta && !is_date {
        return None;
    }
    ahead.0 = &ahead.0[length + 1..];
    *cursor = ahead;
    Some(Time { date: if is_date { date } else { b"" }, ..Time::default() })
}

/// `123.456789` in microseconds.
fn since_boot(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut ahead = *cursor;
    let seconds = ahead.unsigned()?;
    ahead.tag(b".")?;
    let length = ahead.0.len();
    let fraction = ahead.unsigned()?;
    let microseconds = match length - ahead.0.len() {
        6 => fraction,
        digits @ 1..=5 => fraction * 10_u64.pow(6 - digits as u32),
        digits @ 7..=9 => fraction / 10_u64.pow(digits as u32 - 6),
        _ => return None,
    };
    *cursor = ahead;
    seconds.checked_mul(1_000_000)?.checked_add(microseconds)
}

fn bracketed_caller(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let mut ahead = *cursor;
    ahead.tag(b"[")?;
    ahead.blanks();
    let caller = caller_name(&mut ahead)?;
    ahead.tag(b"]")?;
    *cursor = ahead;
    Some(caller)
}

fn caller_name(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let is_cpu = match cursor.0.first()? {
        b'T' => false,
        b'C' => true,
        _ => return None,
    };
    cursor.0 = &cursor.0[1..];
    Some(Caller { is_cpu, number: cursor.unsigned_32()? })
}

/// `2026-11-21T08:41:22,123456+00:00 text` (dmesg) and `2026-11-21T08:41:22Z [  123.456789] text` (containers' logs).
fn dated_alone(line: &[u8]) -> Option<Envelope<'_>> {
    let date = head::iso_date(line)?;
    let rest = &line[date.len() + 1..];
    if date[19..].starts_with(b",") {
        let mut cursor = Cursor(rest);
        let caller = bracketed_caller(&mut cursor);
        if caller.is_some() {
            cursor.tag(b" ");
        }
        let time = Time { date, ..Time::default() };
        return Some(Envelope { time, caller, text: Cow::Borrowed(cursor.0), ..Envelope::default() });
    }
    console(rest).map(|inner| Envelope { time: Time { date, ..inner.time }, ..inner })
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
    let own = stamped(text).filter(|own| own.time.since_boot.is_some());
    let mut envelope = own.unwrap_or_else(|| bare(text));
    envelope.time.date = head.date(line);
    envelope.machine = head.machine(line);
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
    memchr::memchr_iter(b'[', head).filter_map(|at| console(&line[at..])).find(|inner| inner.time.since_boot.is_some())
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
