//! When a record was written, as its line says it. Refuses to turn one clock into another: a ring buffer's seconds
//! since boot stay that unless somebody knows when the machine booted, a syslog's time of day stays its text.

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

    /// From the text of a date, in any language: letters, digits and ASCII signs; anything else is left out.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Self {
        let mut given = Given::default();
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                let end = usize::from(given.length) + character.len_utf8();
                let shows = character.is_alphanumeric() || (' '..='~').contains(&character);
                if shows && end <= GIVEN_CAPACITY {
                    character.encode_utf8(&mut given.bytes[usize::from(given.length)..end]);
                    given.length = end as u8;
                }
            }
        }
        Self { given, ..Self::default() }
    }

    /// With the time of day, where the line has none and the machine booted then (and never slept since).
    #[must_use]
    pub fn dated(mut self, booted: Option<WallTime>) -> Self {
        if let (Some(booted), Some(since), None, None) = (booted, self.since_boot, self.wall, self.date()) {
            let nanoseconds = i64::try_from(since).unwrap_or(i64::MAX).saturating_mul(1000);
            // To the second: the two clocks drift apart.
            let wall = booted.0.saturating_add(nanoseconds);
            self.wall = Some(WallTime(wall - wall.rem_euclid(1_000_000_000)));
        }
        self
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_any_language_are_kept() {
        for date in ["Nov 21 08:41:22", "févr. 03 19:57:08", "四 3月 18 18:47:12 2021"] {
            assert_eq!(Stamp::from_text(date.as_bytes()).date(), Some(date));
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_date_moves_a_cursor(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let stamp = Stamp::from_text(&text);
            let date = stamp.date().unwrap_or_default();
            prop_assert!(date.chars().all(|character| character == ' ' || character.is_alphanumeric() || character.is_ascii_graphic()));
        }
    }
}
