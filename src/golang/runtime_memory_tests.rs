//! The runtime's numbers on made-up memory; on real programs they are checked in `tests/go`.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;
const BOUNDS: Bounds = Bounds { writable: Bytes(200 * MIB) };

/// A controller of 1.21 or later with these fields set, and otherwise one that has just started.
fn controller(percent: i32, limit: u64, fields: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; SINCE_1_21.bytes];
    bytes[..4].copy_from_slice(&percent.to_le_bytes());
    let minimum = HEAP_MINIMUM.wrapping_mul(i64::from(percent) as u64) / 100;
    let usual = [
        (8, limit),
        (16, minimum),
        (72, 40 * MIB),
        (88, u64::MAX),
        (104, 30 * MIB),
        (152, 20 * MIB),
        (272, 32 * MIB),
        (280, 8 * MIB),
        (288, 4 * MIB),
        (296, 300 * MIB),
        (304, 270 * MIB),
        (312, 40 * MIB),
    ];
    for (at, value) in usual.iter().chain(fields) {
        bytes[*at..*at + 8].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> Option<GoNumbers> {
    numbers(bytes, &SINCE_1_21, Found::Scan, BOUNDS)
}

#[test]
fn versions() {
    for (version, known) in [
        ("go1.19.8", Some(&OF_1_19)),
        ("go1.20.14", None),
        ("go1.21.13", Some(&SINCE_1_21)),
        ("go1.27rc1", Some(&SINCE_1_21)),
        ("devel go1.28-4f2a91 Mon", Some(&SINCE_1_21)),
        ("go1.15", None),
        ("unknown", None),
        ("go1.", None),
        ("", None),
    ] {
        assert_eq!(layout(version), known, "{version}");
    }
}

#[test]
fn a_controller_is_found_by_its_own_pattern() {
    for percent in [-1, 1, 50, 100, 400] {
        let mut memory = vec![0xA5; 4096];
        memory.extend(controller(percent, i64::MAX as u64, &[]));
        memory.resize(16 << 10, 0);
        assert_eq!(controllers(&memory).collect::<Vec<_>>(), [4096], "{percent}");
        let numbers = read(&memory[4096..]).expect("it holds");
        assert_eq!(numbers.gc_percent, u32::try_from(percent).ok());
        assert_eq!((numbers.memory_limit, numbers.live, numbers.objects), (None, Bytes(20 * MIB), Bytes(30 * MIB)));
    }
}

#[test]
fn what_breaks_an_invariant_is_no_number() {
    assert!(read(&controller(100, i64::MAX as u64, &[])).is_some());
    for (what, fields) in [
        ("not in pages", [(272, 32 * MIB + 4096), (280, 0)]),
        ("nothing in use", [(272, 0), (280, 0)]),
        ("more than is mapped", [(272, 48 * MIB), (280, 0)]),
        ("more than the mappings have", [(312, 300 * MIB), (280, 0)]),
        ("more objects than spans", [(304, 100 * MIB), (280, 0)]),
        ("freed what was never allocated", [(304, 400 * MIB), (280, 0)]),
        ("live, and not allocated", [(152, 60 * MIB), (280, 0)]),
        ("allocated beyond spans", [(104, 60 * MIB), (280, 0)]),
    ] {
        assert_eq!(read(&controller(100, i64::MAX as u64, &fields)), None, "{what}");
    }
    assert_eq!(read(&controller(100, u64::MAX, &[])), None, "no limit is negative");
    assert_eq!(read(&controller(-2, 5, &[])), None, "off is -1");
}

#[test]
fn the_goal_is_the_runtimes() {
    for (what, limit, fields, goal) in [
        ("GOGC alone", i64::MAX as u64, vec![], 40 * MIB),
        ("a sweep that needs room", i64::MAX as u64, vec![(80, 44 * MIB)], 44 * MIB),
        ("begun late", i64::MAX as u64, vec![(88, 50 * MIB)], 50 * MIB + (64 << 10)),
        // Beside the heap 40 - 4 - 30 = 6 MiB, so 30 are left of 36, less 1 MiB of headroom.
        ("a limit below it", 36 * MIB, vec![(312, 36 * MIB), (304, 274 * MIB)], 28 * MIB),
        ("a limit that is used up", 5 * MIB, vec![], 20 * MIB),
    ] {
        let goal = Bytes(goal);
        let told = read(&controller(100, limit, &fields)).expect("it holds").goal;
        assert!(told.0.abs_diff(goal.0) <= MIB, "{what}: {told} instead of {goal}");
    }
}

#[test]
fn collections_are_found_by_the_time_that_stands_twice() {
    let mut memory = vec![0; 8192];
    let begin = 3568;
    assert_eq!(statistics(&memory).next(), None, "none yet");
    for count in [1_u32, 2, 256, 257, 1000] {
        let last = 1_795_262_670_120_495_248_u64 + u64::from(count);
        memory[begin..begin + 8].copy_from_slice(&last.to_le_bytes());
        let place = begin + ENDS + (count as usize - 1) % 256 * 8;
        memory[place..place + 8].copy_from_slice(&last.to_le_bytes());
        memory[begin + COUNT..begin + COUNT + 4].copy_from_slice(&count.to_le_bytes());
        memory[begin + CPU_FRACTION..begin + RINGS].copy_from_slice(&0.275_f64.to_bits().to_le_bytes());
        assert_eq!(statistics(&memory).collect::<Vec<_>>(), [begin], "{count}");
        let cpu_percent = Some(27);
        assert_eq!(collections(&memory[begin..]), Some(Statistics { count, last, cpu_percent }));
        for nonsense in [f64::NAN, -0.5, 7.0, f64::INFINITY] {
            memory[begin + CPU_FRACTION..begin + RINGS].copy_from_slice(&nonsense.to_bits().to_le_bytes());
            assert_eq!(collections(&memory[begin..]), Some(Statistics { count, last, cpu_percent: None }));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..5000), at in 0_usize..392) {
        let _ = (controllers(&bytes).count(), statistics(&bytes).count(), read(&bytes), collections(&bytes));
        let mut controller = controller(100, i64::MAX as u64, &[]);
        for (byte, new) in controller[at..].iter_mut().zip(&bytes) {
            *byte = *new;
        }
        if let Some(numbers) = read(&controller) {
            prop_assert!(numbers.in_use.0 + numbers.free.0 <= numbers.mapped.0);
            prop_assert!(numbers.mapped.0 <= BOUNDS.writable.0 + SLACK);
        }
    }
}
