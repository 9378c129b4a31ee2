//! A record as `/dev/kmsg` gives it, alone or behind what somebody who passed it on put ahead of it. Refuses those with a
//! user's facility: they were written by somebody through the device.

use std::borrow::Cow;

use super::console::caller_name;
use super::cursor::Cursor;
use super::envelope::{Envelope, Foreign, Time, Unwrapped};

/// `6,460,7341237,-,caller=T21;text`; with a user's facility it was written by somebody through `/dev/kmsg`.
pub(super) fn record(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut cursor = Cursor(line);
    let priority = cursor.unsigned()?;
    cursor.tag(b",")?;
    cursor.unsigned()?;
    cursor.tag(b",")?;
    let microseconds = cursor.unsigned()?;
    cursor.tag(b",")?;
    let time = Time { since_boot: Some(microseconds), ..Time::default() };
    let (mut continues, mut caller) = (false, None);
    if cursor.tag(b"-;").is_none() {
        let head = cursor.until_byte(b';')?;
        let (flags, extra) = head.split_at(head.iter().position(|byte| *byte == b',').unwrap_or(head.len()));
        // `+` till 4.13.
        if !matches!(flags, b"-" | b"c" | b"+") {
            return None;
        }
        continues = flags == b"c";
        let mut extra = Cursor(extra);
        caller = extra.until(b"caller=").and_then(|_| caller_name(&mut extra));
    }
    if priority >= 8 {
        return Some(Err(Foreign(time)));
    }
    Some(Ok(Envelope { time, machine: None, caller, continues, text: unescape(cursor.0) }))
}

/// A record of the device behind what somebody who passed it on put ahead: `KMSG 6,460,7341237,-;text`, a date, a name. With the
/// bytes of that. A process may be called so: no record begins in a text of the kernel's.
pub(super) fn relayed(line: &[u8]) -> Option<(usize, Unwrapped<'_>)> {
    const LONGEST_AHEAD: usize = 256;
    let head = &line[..line.len().min(LONGEST_AHEAD)];
    let of_record = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'=' | b'-' | b'+');
    memchr::memchr_iter(b';', head).find_map(|end| {
        let begin = head[..end].iter().rposition(|byte| !of_record(byte)).map_or(0, |last| last + 1);
        let record = record(&line[begin..])?;
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
