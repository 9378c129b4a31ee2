//! Profiles for tests, as Go would write them, from stacks in words.

use super::profile::Profile;

/// Values by name and unit; the last is the usual one.
type Types<'a> = &'a [(&'a str, &'a str)];
/// A stack from its leaf, each function with its line, and the values.
type Sample<'a> = (&'a [(&'a str, u32)], &'a [i64]);

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

/// The bytes of a profile of the heap; every function is in `/src/PACKAGE/file.go`.
pub fn written(types: Types<'_>, samples: &[Sample<'_>]) -> Vec<u8> {
    let mut strings = vec![String::new()];
    let mut string = |text: &str| {
        let at = strings.iter().position(|known| known == text);
        at.unwrap_or_else(|| {
            strings.push(text.to_owned());
            strings.len() - 1
        }) as u64
    };
    let mut out = Vec::new();
    for (name, unit) in types {
        out.extend(bytes(1, &[number(1, string(name)), number(2, string(unit))].concat()));
    }
    let mut frames: Vec<(&str, u32)> = samples.iter().flat_map(|(stack, _)| *stack).copied().collect();
    frames.sort_unstable();
    frames.dedup();
    for (id, (name, line)) in (1..).zip(&frames) {
        let package = name.split_once('.').map_or(*name, |(package, _)| package);
        let file = format!("/src/{package}/file.go");
        out.extend(bytes(5, &[number(1, id), number(2, string(name)), number(4, string(&file))].concat()));
        let line = bytes(4, &[number(1, id), number(2, u64::from(*line))].concat());
        out.extend(bytes(4, &[number(1, id), number(3, 0x1000 * id), line].concat()));
    }
    for (stack, values) in samples {
        let position = |frame| frames.iter().position(|known| known == frame).map_or(0, |at| at as u64 + 1);
        let stack: Vec<u8> = stack.iter().flat_map(|frame| varint(position(frame))).collect();
        let values: Vec<u8> = values.iter().flat_map(|value| varint(value.cast_unsigned())).collect();
        out.extend(bytes(2, &[bytes(1, &stack), bytes(2, &values)].concat()));
    }
    out.extend(bytes(11, &[number(1, string("space")), number(2, string("bytes"))].concat()));
    out.extend(number(12, 512 << 10));
    out.extend(strings.iter().flat_map(|text| bytes(6, text.as_bytes())));
    out
}

/// The same, parsed.
pub fn profile(types: Types<'_>, samples: &[Sample<'_>]) -> Profile {
    super::parse(&written(types, samples)).expect("a profile")
}
