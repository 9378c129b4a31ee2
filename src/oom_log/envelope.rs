//! The wrapping of a kernel record in a log: `/dev/kmsg`, `dmesg` in its forms, journal, syslog files, a serial
//! console, or nothing at all. Says when, on which machine, and what the kernel's text was. Refuses every line that
//! says of itself that somebody else than the kernel wrote it: a user's text must not pass for a kill.

use std::borrow::Cow;

use super::cursor::Cursor;
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
type Unwrapped<'a> = Result<Envelope<'a>, Foreign<'a>>;

/// When a line was written, whoever wrote it.
pub(super) fn time(line: &[u8]) -> Time<'_> {
    open(line).map_or_else(|foreign| foreign.0, |envelope| envelope.time)
}

/// Unwraps a line.
pub(super) fn open(line: &[u8]) -> Unwrapped<'_> {
    let unwrapped = match line {
        [b'[', ..] => console(line).map(Ok),
        [b'0'..=b'9', ..] => device_record(line).or_else(|| dated_by_number(line)),
        [b'<', ..] => with_priority(line),
        [b'{', ..] => Some(super::journal::open(line)),
        [b'A'..=b'Z', ..] => dated_by_name(line).or_else(|| glued(line).map(Ok)),
        [b'a'..=b'z', ..] => facility_in_words(line).or_else(|| tagged_only(line).or_else(|| glued(line)).map(Ok)),
        _ => glued(line).map(Ok),
    };
    unwrapped.unwrap_or_else(|| Ok(bare(line)))
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
    let time = Time { since_boot: Some(microseconds), ..Time::default() };
    if priority >= 8 {
        return Some(Err(Foreign(time)));
    }
    let (flags, extra) = head.split_at(head.iter().position(|byte| *byte == b',').unwrap_or(head.len()));
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

/// `\x1b` is a byte: the kernel writes so what is not printable, and the backslash itself (devkmsg_read).
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let byte = match tail {
            [b'x', high, low, ..] if *first == b'\\' => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[4..] } else { tail };
    }
    Cow::Owned(plain)
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
    if cursor.tag(b"1 ").is_some() {
        return Some(from_structured(cursor).ok_or_else(Foreign::timeless));
    }
    Some(behind_facility(cursor.0))
}

/// What follows a facility: a line with a time or without.
fn behind_facility(line: &[u8]) -> Unwrapped<'_> {
    let dated = console(line).map(Ok).or_else(|| dated_by_number(line)).or_else(|| dated_by_name(line));
    dated.or_else(|| tagged_only(line).map(Ok)).unwrap_or_else(|| Ok(bare(line)))
}

fn from_structured(mut cursor: Cursor<'_>) -> Option<Envelope<'_>> {
    let time = Time { date: cursor.until_byte(b' ')?, ..Time::default() };
    let machine = Some(cursor.until_byte(b' ')?);
    cursor.tag(b"kernel ")?;
    for _ in 0..3 {
        cursor.until_byte(b' ')?;
    }
    Some(after_kernel_tag(&Envelope { time, machine, ..Envelope::default() }, cursor.0))
}

/// `[  123.456789] text`, `[Tue Nov 21 08:41:22 2026] text`, `[Nov21 08:41] text`, `[  +0.000012] text`, with a caller
/// `[  T123]` behind, and what `journalctl -o short-monotonic` writes: `[  123.456789] host kernel: text`.
fn console(line: &[u8]) -> Option<Envelope<'_>> {
    let mut cursor = Cursor(line);
    let time = bracketed_time(&mut cursor)?;
    let mut envelope = Envelope { time, caller: bracketed_caller(&mut cursor), ..Envelope::default() };
    cursor.tag(b" ").or_else(|| cursor.0.is_empty().then_some(()))?;
    if envelope.caller.is_none() {
        envelope.caller = bracketed_caller(&mut cursor);
        if envelope.caller.is_some() {
            cursor.tag(b" ");
        }
    }
    let mut journal = cursor;
    if let Some(machine) = journal.until(b" kernel: ").filter(|machine| is_host(machine)) {
        envelope.machine = Some(machine);
        cursor = journal;
    }
    envelope.text = Cow::Borrowed(cursor.0);
    Some(envelope)
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
    let is_date = date.first().is_some_and(u8::is_ascii_alphanumeric) && date.contains(&b':');
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
    let digits = ahead.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let fraction = ahead.unsigned()?;
    let fraction =
        if digits <= 6 { fraction * 10_u64.pow(6 - digits as u32) } else { fraction / 10_u64.pow(digits as u32 - 6) };
    *cursor = ahead;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
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

/// `2026-11-21T08:41:22,123456+00:00 text` (dmesg), `2026-11-21T08:41:22.123456+00:00 host kernel: text` (rsyslog,
/// journal) and `1763714482.123456 host kernel: text`.
fn dated_by_number(line: &[u8]) -> Option<Unwrapped<'_>> {
    let is_iso =
        line.len() > 19 && line[4] == b'-' && line[7] == b'-' && matches!(line[10], b'T' | b' ') && line[13] == b':';
    if !is_iso {
        let mut cursor = Cursor(line);
        since_boot(&mut cursor)?;
        let date = &line[..line.len() - cursor.0.len()];
        cursor.tag(b" ")?;
        return Some(from_host(Time { date, ..Time::default() }, cursor.0));
    }
    let end = 19 + line[19..].iter().position(|byte| *byte == b' ')?;
    let time = Time { date: &line[..end], ..Time::default() };
    let rest = &line[end + 1..];
    if line[19] == b',' {
        let mut cursor = Cursor(rest);
        let caller = bracketed_caller(&mut cursor);
        if caller.is_some() {
            cursor.tag(b" ");
        }
        return Some(Ok(Envelope { time, caller, text: Cow::Borrowed(cursor.0), ..Envelope::default() }));
    }
    if rest.first() == Some(&b'[') {
        return console(rest).map(|inner| Ok(Envelope { time: Time { date: time.date, ..inner.time }, ..inner }));
    }
    Some(from_host(time, rest))
}

/// `Nov 21 08:41:22 host kernel: text`, `Tue 2026-11-21 08:41:22 UTC host kernel: text`,
/// `Tue Nov 21 08:41:22 2026 kern.warn kernel: text`.
fn dated_by_name(line: &[u8]) -> Option<Unwrapped<'_>> {
    const NAMES: [&[u8]; 19] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Mon", b"Tue",
        b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
    ];
    if line.get(3) != Some(&b' ') || !NAMES.contains(&&line[..3]) {
        return None;
    }
    // The clock ends the date, but for a year or a time zone behind it.
    let colon = line.iter().take(32).position(|byte| *byte == b':')?;
    let mut end = colon + line[colon..].iter().position(|byte| *byte == b' ')?;
    let following = line[end + 1..].split(|byte| *byte == b' ').next()?;
    let is_year = following.len() == 4 && following.iter().all(u8::is_ascii_digit);
    let is_zone = line.get(4).is_some_and(u8::is_ascii_digit) && line.get(8) == Some(&b'-');
    if is_year || is_zone {
        end += 1 + following.len();
    }
    Some(from_host(Time { date: &line[..end], ..Time::default() }, line.get(end + 1..)?))
}

/// `host kernel: text`, `host kern.warn kernel: text`, `kern.warn kernel: text`; another tag is another's text.
fn from_host<'a>(time: Time<'a>, rest: &'a [u8]) -> Unwrapped<'a> {
    let mut cursor = Cursor(rest);
    let mut machine = None;
    for _ in 0..3 {
        if kernel_tag(&mut cursor).is_some() {
            return Ok(after_kernel_tag(&Envelope { time, machine, ..Envelope::default() }, cursor.0));
        }
        let word = cursor.until_byte(b' ').ok_or(Foreign(time))?;
        if !word.starts_with(b"kern.") {
            if machine.is_some() || !is_host(word) {
                return Err(Foreign(time));
            }
            machine = Some(word);
        }
        cursor.blanks();
    }
    Err(Foreign(time))
}

fn kernel_tag(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut ahead = *cursor;
    ahead.tag(b"kernel")?;
    if ahead.tag(b"[").is_some() {
        ahead.unsigned()?;
        ahead.tag(b"]")?;
    }
    ahead.tag(b":")?;
    ahead.blanks();
    // Blanks ahead of the text belong to it, but for one; no message that this reads begins with one.
    *cursor = ahead;
    Some(())
}

/// Syslog files often keep the kernel's own time behind the tag.
fn after_kernel_tag<'a>(envelope: &Envelope<'a>, text: &'a [u8]) -> Envelope<'a> {
    match console(text).filter(|inner| inner.time.since_boot.is_some()) {
        Some(inner) => Envelope {
            time: Time { since_boot: inner.time.since_boot, ..envelope.time },
            caller: inner.caller,
            text: inner.text,
            machine: envelope.machine,
            ..Envelope::default()
        },
        None => Envelope { text: Cow::Borrowed(text), ..envelope.clone() },
    }
}

fn is_host(word: &[u8]) -> bool {
    !word.is_empty()
        && word.len() <= 255
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'))
        && word.last() != Some(&b':')
}

/// `kern  :warn  : [  123.456789] text` (`dmesg -x`).
fn facility_in_words(line: &[u8]) -> Option<Unwrapped<'_>> {
    const OTHERS: [&[u8]; 11] =
        [b"user", b"mail", b"daemon", b"auth", b"syslog", b"lpr", b"news", b"uucp", b"cron", b"authpriv", b"ftp"];
    let colon = line.iter().take(10).position(|byte| *byte == b':')?;
    let facility = line[..colon].trim_ascii_end();
    let mut cursor = Cursor(&line[colon + 1..]);
    if facility == b"kern" {
        let level = cursor.until_byte(b':').filter(|level| level.len() <= 7)?;
        level.trim_ascii_end().iter().all(u8::is_ascii_lowercase).then_some(())?;
        cursor.blanks();
        return Some(behind_facility(cursor.0));
    }
    (OTHERS.contains(&facility) || facility.starts_with(b"local")).then(|| Err(Foreign::timeless()))
}

/// `kernel: text`, with nothing ahead.
fn tagged_only(line: &[u8]) -> Option<Envelope<'_>> {
    let mut cursor = Cursor(line);
    kernel_tag(&mut cursor)?;
    Some(after_kernel_tag(&Envelope::default(), cursor.0))
}

/// A serial console glues a record to what a terminal had left unfinished: `login: [  145.593060] text`.
fn glued(line: &[u8]) -> Option<Envelope<'_>> {
    let head = &line[..line.len().min(64)];
    memchr::memchr_iter(b'[', head).filter_map(|at| console(&line[at..])).find(|inner| inner.time.since_boot.is_some())
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
