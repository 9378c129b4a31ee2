//! Quantities and identities as types: bytes, pages, rates, process identities, and times; how each is parsed and how a
//! person reads it. Every size on every screen is formatted here and nowhere else. Refuses to read a clock, a file or
//! the locale: values come in, text goes out.

mod time;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use time::{Timestamp, WallTime, human_duration, parse_duration, round_duration};

/// A number of bytes. Arithmetic saturates: a size that the kernel reports wrongly must not wrap into a small one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bytes(pub u64);

impl Bytes {
    /// From the "kB" of procfs, which are KiB (proc(5)).
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1024))
    }

    /// From MiB: for tests and presets.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1024 * 1024))
    }

    /// The difference, zero at the least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum, `u64::MAX` at the most.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self` as a share of `whole`, 0.0 to about 1.0 (more where a counter exceeds its limit); `None` of nothing.
    #[must_use]
    pub fn share_of(self, whole: Self) -> Option<f64> {
        (whole.0 > 0).then(|| self.0 as f64 / whole.0 as f64)
    }

    /// Parses `512`, `512k`, `1.5G`, `64MiB`, `2g`: powers of 1024, as htop and cgroupfs read them.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let wrong = || format!("{text:?} is not a size: write a number and k, m, g or t, like 512m");
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return Err(wrong()),
        };
        let value: f64 = number.parse().map_err(|_| wrong())?;
        Ok(Self((value * factor as f64) as u64))
    }
}

impl Bytes {
    /// What [`fmt::Display`] writes, where a table has thousands of them.
    #[must_use]
    pub fn shown(self, room: &mut [u8; 8]) -> &str {
        human(self.0, 3, room)
    }
}

/// Three significant digits and a unit of one letter, as htop writes sizes: `0`, `812K`, `25.7M`, `1.21G`, `475M`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.shown(&mut [0; 8]))
    }
}

/// With so many significant digits (two or three), and one letter. A screen has hundreds of these and a log hundreds of
/// thousands: whole numbers are ten times as fast here as floating ones, and round the same way.
fn human(bytes: u64, digits: u32, room: &mut [u8; 8]) -> &str {
    let (mut number, decimals, unit) = match bytes {
        0 => return "0",
        1..1000 => (bytes, 0, b'B'),
        _ => shortened(bytes, digits),
    };
    // From the end to the front: at most three digits, a point and the unit.
    let mut at = room.len() - 1;
    room[at] = unit;
    for place in 1.. {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if place == decimals {
            at -= 1;
            room[at] = b'.';
        } else if number == 0 && place > decimals {
            break;
        }
    }
    std::str::from_utf8(&room[at..]).unwrap_or_default()
}

/// A number of so many digits, how many of them are decimals, and the unit: `(475, 1, b'M')` is 47.5M.
fn shortened(bytes: u64, digits: u32) -> (u64, u32, u8) {
    // Nothing that fills a unit is shown in the one below.
    let too_small = (bytes.ilog2() / 10).saturating_sub(1) as usize;
    for (unit, shift) in [(b'K', 10), (b'M', 20), (b'G', 30), (b'T', 40), (b'P', 50)].into_iter().skip(too_small) {
        for whole in 1..=3 {
            let decimals = digits.saturating_sub(whole);
            let number = shifted(u128::from(bytes) * u128::from(10_u64.pow(decimals)), shift);
            if number < 10_u64.pow(whole + decimals) {
                return (number, decimals, unit);
            }
        }
    }
    (shifted(u128::from(bytes), 60), 0, b'E')
}

/// Divided by a power of two and rounded, a half to the even number.
fn shifted(value: u128, shift: u32) -> u64 {
    let half = 1_u128 << (shift - 1);
    let (whole, rest) = (value >> shift, value & (2 * half - 1));
    (whole + u128::from(rest > half || (rest == half && whole % 2 == 1))) as u64
}

/// A number of pages of the machine's page size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pages(pub u64);

impl Pages {
    /// In bytes, given the machine's page size.
    #[must_use]
    pub const fn bytes(self, page_size: Bytes) -> Bytes {
        Bytes(self.0.saturating_mul(page_size.0))
    }

    /// The difference, zero at the least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A size in KiB, or unknown, in four bytes: for tables with a row per process or per mapping, where `Option<Bytes>`
/// would cost sixteen. Holds up to 4 TiB; more saturates there.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaybeKib(u32);

impl MaybeKib {
    /// Not known: not read yet, or unreadable. Never zero.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// From the kB of procfs.
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self(if kib >= u32::MAX as u64 { u32::MAX - 1 } else { kib as u32 })
    }

    /// From bytes, rounded down to KiB.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self::from_kib(bytes.0 / 1024)
    }

    /// The size, where it is known.
    #[must_use]
    pub const fn get(self) -> Option<Bytes> {
        if self.0 == u32::MAX { None } else { Some(Bytes::from_kib(self.0 as u64)) }
    }
}

impl Default for MaybeKib {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl From<Option<Bytes>> for MaybeKib {
    fn from(size: Option<Bytes>) -> Self {
        size.map_or(Self::UNKNOWN, Self::from_bytes)
    }
}

impl fmt::Debug for MaybeKib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(bytes) => write!(f, "{bytes}"),
            None => f.write_str("unknown"),
        }
    }
}

/// Bytes per second, either sign. Never NaN or infinite: `new` refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rate(f64);

impl Rate {
    /// `None` where the number is not finite.
    #[must_use]
    pub fn new(bytes_per_second: f64) -> Option<Self> {
        bytes_per_second.is_finite().then_some(Self(bytes_per_second))
    }

    /// Bytes per second.
    #[must_use]
    pub const fn per_second(self) -> f64 {
        self.0
    }

    /// As far as an estimate deserves it, a slope through noise: `+1.9M/s`, `-96K/s`.
    #[must_use]
    pub fn about(self) -> String {
        self.signed(2)
    }

    fn signed(self, digits: u32) -> String {
        match self.0.abs().round() as u64 {
            0 => "0".into(),
            magnitude => format!("{}{}/s", if self.0 < 0.0 { '-' } else { '+' }, human(magnitude, digits, &mut [0; 8])),
        }
    }
}

/// With its sign: `+1.90M/s`, `-96.0K/s`, `0`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.signed(3))
    }
}

/// A process number as the kernel numbers it in the PID namespace of the `/proc` that is read. Not an identity: see
/// [`ProcessId`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pid(pub u32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// When a process started, in clock ticks (1/100 s) since boot: field 22 of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StartTime(pub u64);

/// What a process is: its number and when it started. A number alone may have been reused; everything above `source`
/// and `control` speaks of processes by this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: Pid,
    /// When the process that has it now started.
    pub start_time: StartTime,
}

impl ProcessId {
    /// From bare numbers, as read or as written in a test.
    #[must_use]
    pub const fn new(pid: u32, start_time_ticks: u64) -> Self {
        Self { pid: Pid(pid), start_time: StartTime(start_time_ticks) }
    }
}

/// Whose programs may be looked into, in their memory itself (`/proc/PID/mem`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GoMemoryOf {
    /// Of nobody.
    Nobody,
    /// Of the user who runs this program.
    #[default]
    OwnUser,
    /// Of everybody, as far as rights allow.
    Everybody,
}

/// How many, with the word for one or for more: `1 process`, `2 processes`.
#[must_use]
pub fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(count: N, [one, more]: [&str; 2]) -> String {
    let word = if count == N::from(1) { one } else { more };
    format!("{count} {word}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_has_its_own_word() {
        let counts = [0_usize, 1, 2].map(|count| counted(count, ["process", "processes"]));
        assert_eq!(counts, ["0 processes", "1 process", "2 processes"]);
    }

    #[test]
    fn sizes_have_three_significant_digits_and_one_letter() {
        for (bytes, text) in [
            (0, "0"),
            (999, "999B"),
            (1000, "0.98K"),
            (1024, "1.00K"),
            (831_488, "812K"),
            (26_948_403, "25.7M"),
            (498_073_600, "475M"),
            (1 << 30, "1.00G"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(Bytes(1023 * 1024 * 1024).to_string(), "1.00G");
        assert_eq!(Bytes(u64::MAX).to_string(), "16E");
    }

    proptest! {
        /// Floating numbers, where they are exact, say the same.
        #[test]
        fn sizes_round_as_floating_numbers_do(bytes in (1000_u64..1 << 53, 0..43_u32).prop_map(|(bytes, shift)| bytes >> shift), digits in 2..=3_u32) {
            prop_assume!(bytes >= 1000);
            let mut value = bytes as f64;
            let expected = ["K", "M", "G", "T", "P"].into_iter().find_map(|unit| {
                value /= 1024.0;
                (1..=3).find_map(|whole| {
                    let decimals = digits.saturating_sub(whole) as usize;
                    let text = format!("{value:.decimals$}");
                    (text.split('.').next()?.len() <= whole as usize).then(|| text + unit)
                })
            });
            prop_assert_eq!(Some(human(bytes, digits, &mut [0; 8]).to_owned()), expected);
        }
    }

    #[test]
    fn sizes_parse_with_any_usual_unit() {
        for (text, bytes) in [
            ("512", 512),
            ("1k", 1024),
            ("1.5G", 1_610_612_736),
            ("64MiB", 64 << 20),
            ("2t", 2 << 40),
            (" 3 m ", 3 << 20),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "x", "12q", "-1", "1..2k"] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_have_a_sign_and_are_never_nan() {
        assert_eq!(Rate::new(1_992_294.4).map(|r| r.to_string()), Some("+1.90M/s".into()));
        assert_eq!(Rate::new(-98_304.0).map(|r| r.to_string()), Some("-96.0K/s".into()));
        assert_eq!(Rate::new(1_992_294.4).map(Rate::about), Some("+1.9M/s".into()));
        assert_eq!(Rate::new(-1023.9 * 1024.0).map(Rate::about), Some("-1.0M/s".into()));
        assert_eq!(Rate::new(f64::NAN), None);
        assert_eq!(Rate::new(f64::INFINITY), None);
    }

    proptest! {
        #[test]
        fn a_size_takes_five_cells_and_a_bigger_one_never_reads_smaller(one: u64, other: u64, shift in 0_u32..64) {
            let (small, big) = (Bytes(one.min(other) >> shift), Bytes(one.max(other) >> shift));
            prop_assert!(big.to_string().len() <= 5, "{big}");
            if let (Ok(small_read), Ok(big_read)) = (Bytes::parse(&small.to_string()), Bytes::parse(&big.to_string())) {
                prop_assert!(small_read <= big_read, "{small} {big}");
                let error = big_read.0.abs_diff(big.0) as f64;
                prop_assert!(error <= big.0 as f64 * 0.0051 + 0.5 * 10.24, "{big} is read as {big_read:?}");
            }
        }

        #[test]
        fn any_text_is_a_size_or_an_error(text in ".{0,12}") {
            let _ = Bytes::parse(&text);
        }
    }
}
