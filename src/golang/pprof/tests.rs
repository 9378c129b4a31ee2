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
        let functions: Vec<_> =
            top.functions.iter().map(|known| (profile.name(known.function), known.flat, known.cumulative)).collect();
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
        (b"heap profile: 1: 2 [3: 4] @ heap/1048576".to_vec(), "it is text, not a profile: fetch it without ?debug="),
        (whole()[..50].to_vec(), "it is not a profile: its messages are corrupt or cut short"),
        (vec![0x08; 3], "it is not a profile: its messages are corrupt or cut short"),
        (field(6, b"x"), "it is not a profile: its table of strings does not begin with the empty one"),
        (field(6, b""), "it is not a profile: it does not say what its values count"),
        (with(number(14, 99)), "it is not a profile: it refers to a string that does not exist"),
        (with(sample(&[9], &[1, 2])), "it is not a profile: a sample refers to a location that does not exist"),
        (with(sample(&[1], &[1])), "it is not a profile: a sample does not have one value per type"),
        (
            with(field(4, &[number(1, 9), field(4, &number(1, 9))].concat())),
            "it is not a profile: a location refers to a function that does not exist",
        ),
        (with(field(4, &number(2, 1))), "it is not a profile: a location has no number"),
        (packed(&vec![0; LARGEST + 1]), "it is larger than 64 MiB, or has more entries than any profile"),
        (
            [tables(), [0x12, 0].repeat((1 << 20) + 1)].concat(),
            "it is larger than 64 MiB, or has more entries than any profile",
        ),
    ] {
        assert_eq!(parse(&bytes).map(|profile| profile.samples()).unwrap_err().to_string(), expected);
    }
}

/// A field of a number of any size.
fn large(field: u8, mut value: usize) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn what_would_become_much_more_than_its_bytes_is_refused() {
    let too_large = Refusal::TooLarge;
    let types = |count| field(1, &[number(1, 3), number(2, 4)].concat()).repeat(count);
    let functions = |count: usize| -> Vec<u8> {
        let names = (0..count).flat_map(|name| field(6, name.to_string().as_bytes()));
        // Nine strings are there.
        names.chain((0..count).flat_map(|at| field(5, &[large(1, at + 10), large(2, at + 9)].concat()))).collect()
    };
    // A location of a thousand inlined lines, in stacks of a thousand.
    let inlined = field(4, &[number(1, 9), field(4, &number(1, 1)).repeat(1000)].concat());
    let deep = |samples| [tables(), inlined.clone(), sample(&[9; 1000], &[1, 2]).repeat(samples)].concat();
    for (bytes, expected) in [
        ([tables(), types(14)].concat(), Ok(16)),
        ([tables(), types(15)].concat(), Err(Refusal::Malformed("its samples have more than 16 values each"))),
        ([tables(), types(14), functions(20_000)].concat(), Ok(16)),
        ([tables(), types(14), functions((1 << 21) / 16)].concat(), Err(too_large.clone())),
        (deep(16), Ok(2)),
        (deep(17), Err(too_large.clone())),
        ([tables(), sample(&vec![1; 1 << 20], &[1, 2])].concat(), Err(too_large)),
    ] {
        assert_eq!(parse(&bytes).map(|profile| profile.types.len()), expected);
    }
}

/// Name, value and line of each frame, those that are called below those that call them.
fn tree(profile: &Profile, flame: &Flame, frame: Frame) -> String {
    let name = flame.function(frame).map_or("all", |function| profile.name(function));
    let children = flame.children(frame, 1).into_iter().map(|child| tree(profile, flame, child));
    format!("{name} {} ({})", flame.value(frame, 1), children.collect::<Vec<_>>().join(", "))
}

#[test]
fn stacks_are_one_tree_from_the_outermost_function_the_widest_first() {
    let profile = parse(&whole()).unwrap();
    let flame = Flame::of(&profile);
    let expected = "all 170 (main.main 170 (main.b 150 (main.a 100 (), main.b 50 ()), [libc.so.6] 20 ()))";
    assert_eq!(tree(&profile, &flame, Flame::ROOT), expected);
    let leaf = flame.children(flame.children(flame.children(0, 1)[0], 1)[0], 1)[0];
    let callers: Vec<_> = std::iter::successors(Some(leaf), |frame| flame.parent(*frame)).collect();
    assert_eq!((callers.len(), flame.count(), flame.is_cut), (4, 6, false));
    assert_eq!((flame.children(99, 0), flame.value(99, 1), flame.parent(99)), (vec![], 0, None), "no such frame");
}

#[test]
fn lines_of_the_source_are_told_where_they_are_known() {
    let profile = parse(&whole()).unwrap();
    let known =
        |name| top(&profile, 1).functions.into_iter().find(|known| profile.name(known.function) == name).unwrap();
    assert_eq!(profile.source(&known("main.a")), Some(("", 77)));
    assert_eq!(profile.source(&known("[libc.so.6]")), None);
}

#[test]
fn a_difference_is_what_is_more_or_less_stack_by_stack() {
    let newer = [tables(), sample(&[1, 3], &[3, 100]), sample(&[2, 3], &[1, 5]), sample(&[3], &[1, 10])].concat();
    let (newer, base) = (parse(&newer).unwrap(), parse(&whole()).unwrap());
    let grown = newer.since(&base).unwrap();
    let top = top(&grown, 1);
    let functions: Vec<_> =
        top.functions.iter().map(|known| (grown.name(known.function), known.flat, known.cumulative)).collect();
    // [1, 3] holds as many bytes as before, in more objects; what was there alone before is less now.
    let expected = vec![("main.b", -45, -45), ("[libc.so.6]", -20, -20), ("main.main", 10, -55)];
    assert_eq!((top.total, functions), (85, expected));
    // What grew is what has a width, also where more of it went.
    let flame = Flame::of(&grown);
    assert_eq!(flame.weight(Flame::ROOT, 1), 15);
    assert_eq!(tree(&grown, &flame, Flame::ROOT), "all -55 (main.main -55 (main.b -45 ()))");
    assert_eq!(newer.since(&newer).unwrap().samples(), 0);
    let refusal = newer.since(&Profile { types: base.types[..1].to_vec(), ..base }).unwrap_err();
    assert_eq!(refusal.to_string(), "it cannot be compared with one of objects");
}

#[test]
fn samples_of_one_stack_are_told_apart_by_their_labels() {
    let labelled = |size: u8, value: u8| {
        let label = field(3, &[number(1, 3), number(3, size), number(4, 4)].concat());
        field(2, &[field(1, &[1, 3]), field(2, &[1, value]), label].concat())
    };
    let profile = |sizes: [u8; 2]| parse(&[tables(), labelled(sizes[0], 10), labelled(sizes[1], 10)].concat()).unwrap();
    assert_eq!(profile([16, 32]).since(&profile([32, 16])).unwrap().samples(), 0, "in another order");
    assert_eq!(top(&profile([16, 32]).since(&profile([32, 64])).unwrap(), 1).total, 20);
}

proptest! {
    #[test]
    fn frames_hold_what_those_below_them_hold(stacks in prop::collection::vec((prop::collection::vec(1_u8..5, 0..6), 0_u8..100), 0..20)) {
        let samples = stacks.iter().flat_map(|(stack, value)| sample(stack, &[1, *value]));
        let profile = parse(&tables().into_iter().chain(samples).collect::<Vec<_>>()).unwrap();
        let flame = Flame::of(&profile);
        let sum: i64 = stacks.iter().map(|(_, value)| i64::from(*value)).sum();
        prop_assert_eq!(flame.value(Flame::ROOT, 1), sum);
        for frame in 0..flame.count() as Frame {
            let below: u64 = flame.children(frame, 1).iter().map(|child| flame.weight(*child, 1)).sum();
            prop_assert!(below <= flame.weight(frame, 1));
            prop_assert!(flame.children(frame, 1).iter().all(|child| flame.parent(*child) == Some(frame)));
        }
        // What is more than nothing is all of it.
        let empty = parse(&tables()).unwrap();
        prop_assert_eq!(top(&profile.since(&empty).unwrap(), 1), top(&profile, 1));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), packed_too: bool) {
        let bytes = if packed_too { packed(&bytes) } else { bytes };
        if let Ok(profile) = parse(&bytes) {
            (0..profile.types.len()).for_each(|value_type| drop(top(&profile, value_type)));
            prop_assert!(Flame::of(&profile).count() > 0 && profile.since(&profile).is_ok());
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
