//! Profiles built by hand, as they should be and as they should not, and bytes of any kind.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

/// A field of one small number.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// Types `objects` and `space`; main.a inlined in main.b at location 1, main.b at 2, main at 3, no name at 4.
fn tables() -> Vec<u8> {
    let strings = ["", "objects", "count", "space", "bytes", "main.a", "main.b", "main.main", "/lib/libc.so.6"];
    let mut bytes = Vec::new();
    bytes.extend(field(1, &[number(1, 1), number(2, 2)].concat()));
    bytes.extend(field(1, &[number(1, 3), number(2, 4)].concat()));
    bytes.extend(field(3, &[number(1, 1), number(5, 8)].concat()));
    let line = |function| field(4, &[number(1, function), number(2, 77)].concat());
    bytes.extend(field(4, &[number(1, 1), line(1), line(2)].concat()));
    bytes.extend(field(4, &[number(1, 2), line(2)].concat()));
    bytes.extend(field(4, &[number(1, 3), line(3)].concat()));
    bytes.extend(field(4, &[number(1, 4), number(2, 1)].concat()));
    for (id, name) in [(1, 5), (2, 6), (3, 7)] {
        bytes.extend(field(5, &[number(1, id), number(2, name)].concat()));
    }
    for string in strings {
        bytes.extend(field(6, string.as_bytes()));
    }
    bytes
}

/// A sample: its stack from the leaf, its values.
fn sample(stack: &[u8], values: &[u8]) -> Vec<u8> {
    field(2, &[field(1, stack), field(2, values)].concat())
}

fn whole() -> Vec<u8> {
    let mut bytes = tables();
    bytes.extend(sample(&[1, 3], &[1, 100]));
    // It calls itself, and is counted once.
    bytes.extend(sample(&[2, 2, 3], &[2, 50]));
    bytes.extend(sample(&[4, 3], &[1, 20]));
    bytes.extend(sample(&[2, 3], &[0, 0]));
    bytes
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packing.write_all(bytes).unwrap();
    packing.finish().unwrap()
}

#[test]
fn functions_hold_what_ends_in_them_and_what_passes_through_them() {
    for bytes in [whole(), packed(&whole()), [packed(&whole()[..40]), packed(&whole()[40..])].concat()] {
        let profile = parse(&bytes).unwrap();
        assert_eq!((profile.samples(), profile.usual, profile.taken), (4, 1, None));
        let top = top(&profile, profile.usual);
        let functions: Vec<_> = top.functions.iter().map(|known| (known.name, known.flat, known.cumulative)).collect();
        let expected = [("main.a", 100, 100), ("main.b", 50, 150), ("[libc.so.6]", 20, 20), ("main.main", 0, 170)];
        assert_eq!((top.total, functions), (170, expected.to_vec()));
    }
}

#[test]
fn values_are_found_by_name() {
    let mut bytes = whole();
    bytes.extend(number(14, 1));
    let profile = parse(&bytes).unwrap();
    assert_eq!(profile.find_type(None), Ok(0), "it names objects itself");
    assert_eq!(profile.find_type(Some("space")), Ok(1));
    let refusal = profile.find_type(Some("inuse_space")).unwrap_err();
    assert_eq!(refusal.to_string(), "it has no values of this type, but objects, space");
}

#[test]
fn what_is_no_profile_is_refused_in_words() {
    let with = |more: Vec<u8>| [tables(), more].concat();
    for (bytes, expected) in [
        (vec![], "it is empty"),
        (packed(b""), "it is empty"),
        (packed(&whole())[..60].to_vec(), "its gzip packing is damaged or cut short"),
        (b"heap profile: 1: 2 [3: 4] @ heap/1048576".to_vec(), "it is text, no profile: take it without ?debug="),
        (whole()[..50].to_vec(), "it is no profile: its messages are damaged or cut short"),
        (vec![0x08; 3], "it is no profile: its messages are damaged or cut short"),
        (field(6, b"x"), "it is no profile: its table of strings does not begin with the empty one"),
        (field(6, b""), "it is no profile: it does not say what its values count"),
        (with(number(14, 99)), "it is no profile: it refers to a string that is not there"),
        (with(sample(&[9], &[1, 2])), "it is no profile: a sample refers to a location that is not there"),
        (with(sample(&[1], &[1])), "it is no profile: a sample has another number of values than it has types"),
        (
            with(field(4, &[number(1, 9), field(4, &number(1, 9))].concat())),
            "it is no profile: a location refers to a function that is not there",
        ),
        (with(field(4, &number(2, 1))), "it is no profile: a location has no number"),
        (packed(&vec![0; LARGEST + 1]), "it is larger than 64 MiB, or has more entries than any profile"),
        (
            [tables(), [0x12, 0].repeat((1 << 22) + 1)].concat(),
            "it is larger than 64 MiB, or has more entries than any profile",
        ),
    ] {
        assert_eq!(parse(&bytes).map(|profile| profile.samples()).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), packed_too: bool) {
        let bytes = if packed_too { packed(&bytes) } else { bytes };
        if let Ok(profile) = parse(&bytes) {
            (0..profile.types.len()).for_each(|value_type| drop(top(&profile, value_type)));
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_count_more_than_there_is(at in 0_usize..400, byte: u8, cut in 0_usize..400) {
        let mut bytes = whole();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        if let Ok(profile) = parse(&bytes) {
            for value_type in 0..profile.types.len() {
                let top = top(&profile, value_type);
                let flat = top.functions.iter().fold(0_i64, |sum, known| sum.saturating_add(known.flat.saturating_abs()));
                prop_assert!(flat <= top.total);
            }
        }
    }
}
