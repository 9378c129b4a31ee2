//! Profiles as Go writes them (`/debug/pprof/heap`, `go test -memprofile`): gzip around the protocol buffer of
//! github.com/google/pprof/proto/profile.proto. Pure over bytes. Refuses what is malformed and what is too large, in
//! words; and to guess a name where there is none.

mod difference;
mod digest;
#[cfg(test)]
pub(crate) mod fixture;
mod flame;
mod profile;
mod top;
mod wire;
mod words;

use std::fmt;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

pub use digest::{Digest, Kind, Order};
pub use flame::{Flame, Frame};
pub use profile::{Profile, ValueType};
pub use top::{Function, Top, top};
pub use words::short_name;

/// No profile of a program that fits a machine is larger, packed or not.
pub const LARGEST: usize = 64 << 20;

/// Why bytes are no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing at all.
    Empty,
    /// More bytes than [`LARGEST`], before or after unpacking.
    TooLarge,
    /// The packing is damaged or cut.
    Packing,
    /// It is text: the form with `?debug=1`, or a page that says what went wrong.
    Text,
    /// The messages are damaged, cut, or contradict each other: what is wrong.
    Malformed(&'static str),
    /// No sample type has this name; those that there are.
    NoSuchType(String),
    /// The profile that it is to be compared with counts other things: which.
    OtherTypes(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLarge => {
                write!(f, "it is larger than {} MiB, or has more entries than any profile", LARGEST >> 20)
            }
            Self::Packing => f.write_str("its gzip packing is damaged or cut short"),
            Self::Text => f.write_str("it is text, not a profile: fetch it without ?debug="),
            Self::Malformed(what) => write!(f, "it is not a profile: {what}"),
            Self::OtherTypes(types) => write!(f, "it cannot be compared with one of {types}"),
            Self::NoSuchType(types) => write!(f, "it has no values of this type, but {types}"),
        }
    }
}

/// A profile out of the bytes of a file, packed or not.
///
/// # Errors
/// Why it is none.
pub fn parse(bytes: &[u8]) -> Result<Profile, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.len() > LARGEST {
        return Err(Refusal::TooLarge);
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Profile::parse(bytes).map_err(|refusal| if is_text(bytes) { Refusal::Text } else { refusal });
    }
    let mut unpacked = Vec::new();
    let mut unpacking = MultiGzDecoder::new(bytes).take(LARGEST as u64 + 1);
    unpacking.read_to_end(&mut unpacked).map_err(|_| Refusal::Packing)?;
    match unpacked.len() {
        0 => Err(Refusal::Empty),
        length if length > LARGEST => Err(Refusal::TooLarge),
        _ => Profile::parse(&unpacked),
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests;
