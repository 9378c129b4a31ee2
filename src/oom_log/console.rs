//! Times in brackets, as `dmesg` and consoles put them ahead of the kernel's text. Refuses any other wrapping.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::envelope::{Caller, Envelope, Time};
use super::head;

/// What `stamped` reads, and what `journalctl -o short-monotonic` writes: `[  123.456789] host kernel: text`.
pub(super) fn read(line: &[u8]) -> Option<Envelope<'_>> {
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
pub(super) fn stamped(line: &[u8]) -> Option<Envelope<'_>> {
    let mut cursor = Cursor(line);
    let time = bracketed_time(&mut cursor)?;
    let mut caller = caller_in_brackets(&mut cursor);
    cursor.tag(b" ").or_else(|| cursor.tag(b": ")).or_else(|| cursor.0.is_empty().then_some(()))?;
    if caller.is_none() {
        caller = caller_in_brackets(&mut cursor);
        if caller.is_some() {
            cursor.tag(b" ");
        }
    }
    Some(Envelope { time, caller, text: Cow::Borrowed(cursor.0), ..Envelope::default() })
}

/// `[  123.456789] text` with its microseconds and nothing else, as nearly every line has it: what [`stamped`] makes of that,
/// in a fraction of the time.
#[inline]
pub(super) fn plain_stamp(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut cursor = Cursor(line);
    cursor.tag(b"[")?;
    cursor.blanks();
    let seconds = cursor.unsigned()?;
    cursor.tag(b".")?;
    let length = cursor.0.len();
    let microseconds = cursor.unsigned()?;
    if length - cursor.0.len() != 6 {
        return None;
    }
    let text = cursor.0.strip_prefix(b"] ")?;
    if begins_with_a_caller(text) {
        return None;
    }
    Some((seconds.checked_mul(1_000_000)?.checked_add(microseconds)?, text))
}

/// Whether a text may have a stamp ahead that [`plain_stamp`] did not take.
pub(super) fn may_be_stamped(text: &[u8]) -> bool {
    let mut cursor = Cursor(text);
    cursor.tag(b"[").is_some() && {
        cursor.blanks();
        cursor.unsigned().is_some() && cursor.0.starts_with(b".")
    }
}

/// Whether a text behind a stamp may begin with `host kernel: `.
#[inline]
pub(super) fn names_its_machine(text: &[u8]) -> bool {
    let word = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    text[word..].starts_with(b" kernel: ")
}

/// Whether `[T123]` or `[  C1]` may follow.
#[inline]
pub(super) fn begins_with_a_caller(text: &[u8]) -> bool {
    let Some(name) = text.strip_prefix(b"[") else { return false };
    matches!(name.trim_ascii_start(), [b'T' | b'C', ..])
}

/// Microseconds since boot, of `[  123.456789] `.
pub(super) fn since_boot_in_brackets(line: &[u8]) -> Option<u64> {
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

pub(super) fn caller_in_brackets(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let mut ahead = *cursor;
    ahead.tag(b"[")?;
    ahead.blanks();
    let caller = caller_name(&mut ahead)?;
    ahead.tag(b"]")?;
    *cursor = ahead;
    Some(caller)
}

pub(super) fn caller_name(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let is_cpu = match cursor.0.first()? {
        b'T' => false,
        b'C' => true,
        _ => return None,
    };
    cursor.0 = &cursor.0[1..];
    Some(Caller { is_cpu, number: cursor.unsigned_32()? })
}
