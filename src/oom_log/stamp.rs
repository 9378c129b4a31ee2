//! When a record was written, as its line says it. Refuses to turn one clock into another: a ring buffer's seconds
//! since boot stay that, a syslog's time of day stays its text.

use crate::units::WallTime;

/// Bytes of a time that are kept.
const GIVEN_CAPACITY: usize = 40;

/// The time at the head of a line: some of its forms, `default()` where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds on the kernel's clock since boot (it stands still in suspend).
    pub since_boot: Option<u64>,
    /// The time of day, where the line has it as a number (journal JSON).
    pub wall: Option<WallTime>,
    given: Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Given {
    length: u8,
    bytes: [u8; GIVEN_CAPACITY],
}

impl Default for Given {
    fn default() -> Self {
        Self { length: 0, bytes: [0; GIVEN_CAPACITY] }
    }
}

impl Stamp {
    /// From microseconds since boot.
    #[must_use]
    pub fn from_boot(microseconds: u64) -> Self {
        Self { since_boot: Some(microseconds), ..Self::default() }
    }

    /// From the text of a date; characters that are not printable ASCII are left out.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Self {
        let mut given = Given::default();
        for &byte in text.iter().filter(|byte| (0x20..0x7f).contains(*byte)).take(GIVEN_CAPACITY) {
            given.bytes[usize::from(given.length)] = byte;
            given.length += 1;
        }
        Self { given, ..Self::default() }
    }

    /// The date as the line has it; `None` where it has only seconds since boot or nothing.
    #[must_use]
    pub fn date(&self) -> Option<&str> {
        let text = self.given.bytes.get(..usize::from(self.given.length))?;
        if text.is_empty() { None } else { std::str::from_utf8(text).ok() }
    }

    /// Whether the line had any time.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.since_boot.is_some() || self.wall.is_some() || self.given.length > 0
    }
}
