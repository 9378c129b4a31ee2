//! A line of `journalctl -o json`: one object per record, its text a string or, where it is not printable, a list of
//! bytes. Refuses records of any transport but the kernel's.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::envelope::{Envelope, Foreign, Time, Unwrapped};
use crate::units::WallTime;

/// The fields that matter; the journal has many more (systemd.journal-fields(7)).
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "MESSAGE", borrow)]
    message: Text<'a>,
    #[serde(rename = "_TRANSPORT", borrow, default)]
    transport: Option<Text<'a>>,
    #[serde(rename = "SYSLOG_IDENTIFIER", borrow, default)]
    identifier: Option<Text<'a>>,
    #[serde(rename = "SYSLOG_FACILITY", borrow, default)]
    facility: Option<Text<'a>>,
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow, default)]
    received: Option<Text<'a>>,
    #[serde(rename = "_SOURCE_MONOTONIC_TIMESTAMP", borrow, default)]
    since_boot: Option<Text<'a>>,
    #[serde(rename = "_HOSTNAME", borrow, default)]
    machine: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Borrowed(&'a str),
    Owned(String),
    Bytes(Vec<u8>),
    Other(IgnoredAny),
}

impl Text<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Borrowed(text) if *text == word) || matches!(self, Self::Owned(text) if text == word)
    }

    fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Self::Borrowed(text) => text.parse().ok(),
            Self::Owned(text) => text.parse().ok(),
            Self::Bytes(_) | Self::Other(_) => None,
        }
    }
}

/// Unwraps a journal record; `None`: it is none.
pub(super) fn open(line: &[u8]) -> Option<Unwrapped<'_>> {
    serde_json::from_slice(line).ok().map(unwrap)
}

fn unwrap(record: Record<'_>) -> Unwrapped<'_> {
    let received = record.received.and_then(|text| text.number::<i64>());
    let time = Time {
        since_boot: record.since_boot.and_then(|text| text.number()),
        wall: received.and_then(|microseconds| microseconds.checked_mul(1000)).map(WallTime),
        ..Time::default()
    };
    let by_kernel = match (&record.transport, &record.identifier) {
        (Some(transport), _) => transport.is("kernel"),
        (None, Some(identifier)) => identifier.is("kernel"),
        (None, None) => true, // `--output-fields=MESSAGE`: as good as a bare line
    };
    // What a process writes to /dev/kmsg comes by the same transport, but never with the kernel's facility.
    if !by_kernel || record.facility.is_some_and(|facility| !facility.is("0")) {
        return Err(Foreign(time));
    }
    let text = match record.message {
        Text::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Text::Owned(text) => Cow::Owned(text.into_bytes()),
        Text::Bytes(bytes) => Cow::Owned(bytes),
        Text::Other(_) => return Err(Foreign(time)),
    };
    Ok(Envelope { time, machine: record.machine.map(str::as_bytes), text, ..Envelope::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_records_are_taken_and_no_others() {
        let line = br#"{"_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","__REALTIME_TIMESTAMP":"1763714482000001","_SOURCE_MONOTONIC_TIMESTAMP":"97","_HOSTNAME":"w","MESSAGE":"Killed \"x\"","PRIORITY":"3"}"#;
        let open = |line| open(line).expect("a record");
        let envelope = open(line).expect("a kernel record");
        assert_eq!(&*envelope.text, b"Killed \"x\"");
        assert_eq!(envelope.time.since_boot, Some(97));
        assert_eq!(envelope.time.wall, Some(WallTime(1_763_714_482_000_001_000)));
        assert_eq!(envelope.machine, Some(&b"w"[..]));
        assert_eq!(&*open(br#"{"MESSAGE":[75,27,10]}"#).expect("bytes").text, b"K\x1b\n");
        for other in [
            &br#"{"_TRANSPORT":"stdout","MESSAGE":"Killed"}"#[..],
            br#"{"_TRANSPORT":"kernel","SYSLOG_FACILITY":"1","MESSAGE":"Killed"}"#,
            br#"{"_TRANSPORT":"kernel","MESSAGE":null}"#,
        ] {
            assert!(open(other).is_err());
        }
        for none in [&br#"{"_TRANSPORT":"kernel","MESSAGE":"Killed"#[..], br#"{"log":"Killed process 5 (x)"}"#] {
            assert!(super::open(none).is_none());
        }
    }
}
