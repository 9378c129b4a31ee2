//! What syslog and the journal write ahead of the kernel's text: a date, the machine, `kernel:`. Refuses the tag of anybody
//! else.

use std::ops::Range;

use super::cursor::Cursor;
use super::envelope::{Foreign, Time};

/// Where its parts stand in a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub date: Range<usize>,
    /// Empty where no machine is named.
    machine: Range<usize>,
    /// Bytes of all of it.
    pub length: usize,
}

impl Head {
    pub fn date_of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.date.clone()]
    }

    pub fn machine_of<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        Some(&line[self.machine.clone()]).filter(|machine| !machine.is_empty())
    }
}

/// The head of a line; another's tag makes the line another's, `None` is no head.
pub(super) fn read(line: &[u8]) -> Option<Result<Head, Foreign<'_>>> {
    let mut cursor = Cursor(line);
    if kernel_tag(&mut cursor).is_some() {
        // `kernel: text`, with nothing ahead.
        return Some(Ok(Head { length: line.len() - cursor.0.len(), ..Head::default() }));
    }
    let date = match line {
        [b'0'..=b'9', ..] => dated_by_number(line)?,
        [b'A'..=b'Z' | b'a'..=b'z' | 0x80.., ..] => dated_by_words(line)?,
        _ => return None,
    };
    Some(machine_and_tag(line, date))
}

/// `1 2026-11-21T08:41:22Z host kernel - - - text` (RFC 5424, behind its priority).
pub(super) fn structured(line: &[u8]) -> Option<Head> {
    let mut cursor = Cursor(line);
    let at = |cursor: &Cursor<'_>| line.len() - cursor.0.len();
    cursor.tag(b"1 ")?;
    let begin = at(&cursor);
    let date = begin..begin + cursor.until_byte(b' ')?.len();
    let begin = at(&cursor);
    let machine = begin..begin + cursor.until_byte(b' ')?.len();
    cursor.tag(b"kernel ")?;
    for _ in 0..3 {
        cursor.until_byte(b' ')?;
    }
    Some(Head { date, machine, length: at(&cursor) })
}

/// `2026-11-21T08:41:22,123456+00:00`, with a blank behind it.
pub(super) fn iso_date(line: &[u8]) -> Option<&[u8]> {
    let is_iso =
        line.len() > 19 && line[4] == b'-' && line[7] == b'-' && matches!(line[10], b'T' | b' ') && line[13] == b':';
    if is_iso { Some(&line[..19 + memchr::memchr(b' ', &line[19..])?]) } else { None }
}

/// `2026-11-21T08:41:22.123456+00:00` (rsyslog, journal), `1763714482.123456`, `21 nov. 08:41:22`: bytes of the date.
fn dated_by_number(line: &[u8]) -> Option<usize> {
    if let Some(date) = iso_date(line) {
        let is_alone = date[19..].starts_with(b",") || line[date.len() + 1..].starts_with(b"[");
        return (!is_alone).then_some(date.len());
    }
    let mut cursor = Cursor(line);
    cursor.unsigned()?;
    if cursor.tag(b".").and_then(|()| cursor.unsigned()).is_some() {
        return cursor.0.starts_with(b" ").then(|| line.len() - cursor.0.len());
    }
    dated_by_words(line)
}

/// `Nov 21 08:41:22`, `Tue 2026-11-21 08:41:22 UTC`, `Tue Nov 21 08:41:22 2026`, and in the words of other languages: bytes of
/// the date. Its words are anybody's; its clock is not.
fn dated_by_words(line: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', &line[..line.len().min(48)])?;
    let clock = line.get(colon.checked_sub(3)?..colon + 6)?;
    let [b' ', h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    if ![h1, h2, m1, m2, s1, s2].into_iter().all(u8::is_ascii_digit) {
        return None;
    }
    // The clock ends the date, but for a year or, where an ISO date stands before it, a time zone behind it.
    let mut end = colon + memchr::memchr(b' ', &line[colon..])?;
    let following = line[end + 1..].split(|byte| *byte == b' ').next()?;
    let is_year = following.len() == 4 && following.iter().all(u8::is_ascii_digit);
    let is_zone = matches!(line[..colon - 3], [.., b'-', _, _, b'-', _, _]);
    if is_year || is_zone {
        end += 1 + following.len();
    }
    (end < line.len()).then_some(end)
}

/// ` host kernel: `, ` host kern.warn kernel: `, ` kern.warn kernel: ` behind the date.
fn machine_and_tag(line: &[u8], date: usize) -> Result<Head, Foreign<'_>> {
    let mut cursor = Cursor(&line[date + 1..]);
    let mut machine = 0..0;
    let foreign = || Foreign(Time { date: &line[..date], ..Time::default() });
    for _ in 0..3 {
        let at = line.len() - cursor.0.len();
        if kernel_tag(&mut cursor).is_some() {
            return Ok(Head { date: 0..date, machine, length: line.len() - cursor.0.len() });
        }
        let word = cursor.until_byte(b' ').ok_or_else(foreign)?;
        if !word.starts_with(b"kern.") {
            if !machine.is_empty() || !is_host(word) {
                return Err(foreign());
            }
            machine = at..at + word.len();
        }
        cursor.blanks();
    }
    Err(foreign())
}

/// Whether a date is followed by ` host program[12]: ` or ` host program: `, as in a syslog.
pub(super) fn has_a_tag(behind_date: &[u8]) -> bool {
    let mut words = behind_date.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let is_tag = |word: &[u8]| word.len() > 1 && word.ends_with(b":") && word != b"kernel:";
    words.next().is_some_and(is_host) && words.take(2).any(is_tag)
}

fn kernel_tag(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut ahead = *cursor;
    ahead.tag(b"kernel")?;
    if ahead.tag(b"[").is_some() {
        ahead.unsigned()?;
        ahead.tag(b"]")?;
    }
    ahead.tag(b":")?;
    *cursor = ahead;
    Some(())
}

/// Whether a word can be the name of a machine, or what somebody who shows a log to others put in its place. Another
/// program's tag has a colon behind it.
pub(super) fn is_host(word: &[u8]) -> bool {
    !word.is_empty() && word.len() <= 255 && word.iter().all(|byte| *byte > b' ') && word.last() != Some(&b':')
}
