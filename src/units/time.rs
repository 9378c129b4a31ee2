//! Moments and spans of time: how each is parsed and how a person reads it. Refuses to read a clock, and to subtract times
//! of day.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment on the machine's own clock: nanoseconds since boot (CLOCK_BOOTTIME). Differences are true durations also
/// across a suspend; never the time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// From whole seconds since boot: for tests.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    /// How long before `self` the moment `earlier` was; zero when it was later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The time of day: nanoseconds since the Unix epoch. Only for people and file names; never subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WallTime(pub i64);

/// A span as people say it: `850ms`, `12s`, `2m 40s`, `3h 12m`, `12d 4h`.
#[must_use]
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..=119 => format!("{seconds}s"),
        120..=3_599 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..=172_799 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The same without the nothing behind it: `3m`, not `3m 0s`.
#[must_use]
pub fn round_duration(span: Duration) -> String {
    human_duration(span).trim_end_matches(" 0s").trim_end_matches(" 0m").trim_end_matches(" 0h").to_owned()
}

/// Parses `0.5`, `2`, `500ms`, `1.5s`, `2m`: a bare number is seconds.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: write seconds (2, 0.5) or 500ms, 2s, 3m");
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let value: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(value * factor).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (text, millis) in [("2", 2000), ("0.5", 500), ("500ms", 500), ("3m", 180_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert!(parse_duration("abc").is_err());
        assert_eq!(human_duration(Duration::from_secs(160)), "2m 40s");
        assert_eq!(human_duration(Duration::from_millis(850)), "850ms");
        assert_eq!(round_duration(Duration::from_secs(7_200)), "2h");
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_an_error(text in ".{0,12}") {
            let _ = parse_duration(&text);
        }
    }
}
