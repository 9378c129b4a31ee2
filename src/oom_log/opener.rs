//! Unwraps the lines of one log. Nearly all of them are wrapped as the line before was: by the kernel's own stamp, or with
//! the very head that it had, which is not read again. Refuses to know better than `envelope`: what it says of a line is
//! what that says.

use std::borrow::Cow;

use super::console;
use super::cursor::Cursor;
use super::device;
use super::envelope::{self, Envelope, Time, Unwrapped};
use super::head::{self, Head};
use super::skim;

/// Bytes in which `envelope` looks for a record that somebody passed on.
const PASSED_ON: usize = 256;

/// What was ahead of the lines before.
#[derive(Debug, Default)]
pub(super) struct Opener {
    /// The last head of syslog's: where its parts stand, and its bytes; empty where none came yet.
    head: Head,
    bytes: Vec<u8>,
    /// Its date is in the ISO form, which often has microseconds: then another of the same length is as good.
    is_iso: bool,
    /// The last date in brackets, `[Tue Nov 21 08:41:22 2026] `.
    bracketed: Vec<u8>,
}

impl Opener {
    /// Unwraps any line.
    pub fn open<'a>(&mut self, line: &'a [u8]) -> Unwrapped<'a> {
        let opened = envelope::open(line);
        if let Ok(envelope) = &opened {
            self.remember(line, envelope);
        }
        opened
    }

    /// What [`Self::open`] says of a line in one of the wrappings that long logs have; `None`: that needs a closer look.
    pub fn glance<'a>(&self, line: &'a [u8]) -> Option<Envelope<'a>> {
        match line.first()? {
            b'[' => self.behind_brackets(line),
            _ if self.has_head(line) => self.behind_head(line),
            b'0'..=b'9' => device::record(line)?.ok(),
            _ => None,
        }
    }

    /// The head of a line of which [`Self::glance`] made this, where those of the lines behind it can be told by it.
    pub fn head(&self, line: &[u8], envelope: &Envelope<'_>) -> skim::Head {
        let Cow::Borrowed(text) = envelope.text else { return skim::Head::default() };
        let head = &line[..line.len() - text.len()];
        // What is compared to the byte: a date in words or brackets, and the name of the machine.
        let stays = match line.first() {
            Some(b'[') if envelope.time.since_boot.is_none() => 0..head.len(),
            Some(b'[') => 0..0,
            _ if !self.has_head(line) => 0..0,
            _ if self.is_iso => self.head.date.end..self.bytes.len(),
            _ => 0..self.bytes.len(),
        };
        let is_plain = envelope.caller.is_none() && !envelope.continues && !envelope.is_bare();
        if is_plain { skim::Head::of(head, stays, envelope.machine) } else { skim::Head::default() }
    }

    fn has_head(&self, line: &[u8]) -> bool {
        if !self.is_iso {
            return !self.bytes.is_empty() && line.starts_with(&self.bytes);
        }
        let dated = self.head.date.end;
        line.get(dated..self.bytes.len()) == Some(&self.bytes[dated..])
            && line[0].is_ascii_digit()
            && head::iso_date(line).is_some_and(|date| date.len() == dated && date.get(19) != Some(&b','))
    }

    fn behind_head<'a>(&self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let mut text = Cursor(&line[self.bytes.len()..]);
        text.blanks();
        let (since_boot, text) = match console::plain_stamp(text.0) {
            Some((since_boot, text)) => (Some(since_boot), text),
            None if console::may_be_stamped(text.0) => return None,
            None => (None, text.0),
        };
        let time = Time { since_boot, date: self.head.date_of(line), wall: None };
        let machine = self.head.machine_of(line);
        Some(Envelope { time, machine, caller: None, continues: false, text: Cow::Borrowed(text) })
    }

    fn behind_brackets<'a>(&self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (time, text) = match console::plain_stamp(line) {
            Some((since_boot, text)) => (Time { since_boot: Some(since_boot), ..Time::default() }, text),
            None => self.behind_date(line)?,
        };
        if console::names_its_machine(text) {
            return None;
        }
        Some(Envelope { time, machine: None, caller: None, continues: false, text: Cow::Borrowed(text) })
    }

    fn behind_date<'a>(&self, line: &'a [u8]) -> Option<(Time<'a>, &'a [u8])> {
        let length = self.bracketed.len();
        let is_plain = length > 0
            && line.starts_with(&self.bracketed)
            && !console::begins_with_a_caller(&line[length..])
            && memchr::memchr(b';', &line[..line.len().min(PASSED_ON)]).is_none();
        let date = line.get(1..length.checked_sub(b"] ".len())?)?.trim_ascii();
        is_plain.then(|| (Time { date, ..Time::default() }, &line[length..]))
    }

    fn remember(&mut self, line: &[u8], envelope: &Envelope<'_>) {
        if line.starts_with(b"[") {
            let ahead = &line[..line.len().saturating_sub(envelope.text.len())];
            let is_date = envelope.time.since_boot.is_none() && !envelope.time.date.is_empty();
            // The first bracket ends the date; whatever else may stand ahead of the text is looked for each time.
            if is_date && memchr::memchr(b']', ahead).is_some_and(|end| ahead[end..] == *b"] ") {
                self.bracketed.clear();
                self.bracketed.extend_from_slice(ahead);
            }
        } else if let Some(Ok(head)) = head::read(line).filter(|_| device::record(line).is_none()) {
            self.bytes.clear();
            self.bytes.extend_from_slice(&line[..head.length]);
            self.is_iso =
                line[0].is_ascii_digit() && head::iso_date(line).is_some_and(|date| date.len() == head.date.end);
            self.head = head;
        }
    }
}
