//! A Go program as it is told: its mappings and its runtime's numbers, laid side by side.

use proptest::prelude::*;

use crate::monitor::report::{GoPart, GoReport};
use crate::snapshot::go_memory::{Found, GoEnvironment, GoMemory, GoNumbers, NoNumbers};
use crate::snapshot::mapping::{Mappings, Region};
use crate::units::MaybeKib;

use super::*;

const MIB: u64 = 1 << 20;

fn mib(count: u64) -> Bytes {
    Bytes::from_mib(count)
}

/// Start, length and RSS in MiB; readable and writable, without a name.
fn region(start: u64, length: u64, rss: u64) -> Region {
    let (start, end) = (start * MIB, (start + length) * MIB);
    let rss = MaybeKib::from_bytes(mib(rss));
    let permissions = Region::READ | Region::WRITE;
    Region { start, end, permissions, rss, anonymous: rss, ..Region::default() }
}

/// An image of 3 MiB, a heap of which 64 MiB are mapped and `heap` resident, tables of 5 MiB.
fn mappings(heap: u64, lazy_free: u64) -> Mappings {
    let file = Region { name: 1, permissions: 10, anonymous: MaybeKib::from_kib(0), ..region(4, 3, 3) };
    let heap = Region { lazy_free: MaybeKib::from_bytes(mib(lazy_free)), ..region(0xc0_0000, 64, heap) };
    let reserved = Region { permissions: 0, ..region(0x7f00_0000, 512, 0) };
    Mappings {
        of: id(7),
        regions: vec![file, heap, region(0x7f00_0000 - 5, 5, 5), reserved],
        names: vec![Box::default(), b"/srv/app".as_slice().into()],
        ..Mappings::default()
    }
}

fn numbers() -> GoNumbers {
    GoNumbers {
        found: Found::Scan,
        gc_percent: Some(100),
        memory_limit: None,
        live: mib(20),
        allocated: mib(30),
        goal: mib(40),
        objects: mib(30),
        in_use: mib(34),
        free: mib(6),
        released: mib(20),
        mapped: mib(49),
        collections: None,
    }
}

fn told(mappings: Mappings, numbers: Result<GoNumbers, NoNumbers>) -> GoReport {
    told_of(mappings, GoMemory { environment: Ok(GoEnvironment::default()), numbers, listening: None })
}

fn told_of(mappings: Mappings, memory: GoMemory) -> GoReport {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut first = snapshot(0, &[(7, 20_000)]);
    let status = Status { rss: Some(mib(78)), rss_shmem: Some(Bytes(0)), ..Status::default() };
    first.statuses = vec![fact(7, first.ended, status)];
    if let Some(system) = &mut first.system {
        (system.memory.anonymous, system.memory.shmem) = (Some(mib(100)), Some(Bytes(0)));
    }
    monitor.absorb(&first);
    let at = Timestamp::from_secs(1001);
    let go = GoBuild { version: "go1.26.1".into(), ..GoBuild::default() };
    let executable = Executable { path: b"/srv/app".as_slice().into(), go: Some(go), ..Executable::default() };
    monitor.absorb(&Snapshot {
        scope: Scope::Facts,
        ended: at,
        executables: vec![fact(7, at, Arc::new(executable))],
        mappings: Some(fact(7, at, Arc::new(mappings))),
        go_memory: Some(fact(7, at, memory)),
        ..Snapshot::default()
    });
    monitor.detail(id(7)).expect("it lives").go.expect("it is Go")
}

#[test]
fn the_difference_between_rss_and_the_live_heap_is_told() {
    let go = told(mappings(44, 0), Ok(numbers()));
    assert_eq!((go.stacks, go.not_touched), (Some(mib(4)), Some(mib(0))));
    assert_eq!(
        go.difference().as_deref(),
        Some(
            "Of 52.0M RSS, 20.0M is live; the other 32.0M: 10.0M new since the last GC, 6.00M kept free, 5.00M \
             runtime tables, 4.00M unused or dead in spans, 4.00M goroutine stacks, 3.00M other."
        )
    );
    let lazily = told(mappings(44, 15), Ok(numbers()));
    assert!(lazily.parts.contains(&(GoPart::LazilyFreed, mib(15))), "{:?}", lazily.parts);
    let untouched = told(mappings(30, 0), Ok(numbers()));
    assert_eq!(untouched.not_touched, Some(mib(14)));
    let sentence = untouched.difference().expect("it was read");
    assert!(sentence.ends_with(" 14.0M more is in use but was never touched: not resident."), "{sentence}");
}

#[test]
fn without_numbers_the_classes_are_told() {
    let go = told(mappings(44, 0), Err(NoNumbers::OtherUser));
    assert_eq!(
        go.difference().as_deref(),
        Some("Of 52.0M RSS: 44.0M heap and stacks, 5.00M runtime tables, 3.00M program and libraries.")
    );
    assert_eq!((go.stacks, go.not_touched, go.numbers()), (None, None, None));
}

#[test]
fn the_machine_bounds_who_has_no_limit() {
    let mut small = numbers();
    let ceiling = told(mappings(44, 0), Ok(small)).ceiling.expect("the machine");
    assert_eq!(ceiling.bytes, mib(16 * 1024));
    assert_eq!(told(mappings(44, 0), Ok(small)).advice, Some(Vec::new()));
    small.gc_percent = None;
    let advice = told(mappings(44, 0), Ok(small)).advice.expect("it was judged");
    assert!(advice[0].set.as_deref().is_some_and(|set| set.starts_with("GOMEMLIMIT=")), "{advice:?}");
}

#[test]
fn without_numbers_what_it_was_started_with_is_judged_and_without_that_nothing() {
    let off = GoEnvironment { gc_percent: Some("off".into()), ..GoEnvironment::default() };
    let started = |environment| GoMemory { environment, numbers: Err(NoNumbers::OtherUser), listening: None };
    let advice = told_of(mappings(44, 0), started(Ok(off.clone()))).advice.expect("it would never collect");
    assert!(advice[0].why.contains("no GOMEMLIMIT in its environment"), "{advice:?}");
    // Held beyond what a limit would leave: what of it is live nobody knows.
    let large = Mappings { regions: vec![region(0xc0_0000, 16_000, 15_000)], ..mappings(44, 0) };
    assert_eq!(told_of(large, started(Ok(off))).advice, None);
    assert_eq!(told_of(mappings(44, 0), started(Ok(GoEnvironment::default()))).advice, None);
    assert_eq!(told_of(mappings(44, 0), started(Err(Unreadable::Denied))).advice, None);
}

proptest! {
    #[test]
    fn the_parts_are_the_rss_whatever_the_numbers_say(
        heap in 0_u64..64, lazy in 0_u64..64, sizes in proptest::collection::vec(0_u64..u64::MAX / 2, 7)
    ) {
        let mappings = mappings(heap, lazy.min(heap));
        let rss: u64 = mappings.regions.iter().map(|region| region.rss.get().unwrap_or_default().0).sum();
        let size = |index: usize| Bytes(if index.is_multiple_of(2) { sizes[index] % (70 * MIB) } else { sizes[index] });
        let numbers = GoNumbers {
            live: size(0), allocated: size(1), in_use: size(2), free: size(4), released: size(5), mapped: size(6),
            ..numbers()
        };
        for numbers in [Ok(numbers), Err(NoNumbers::NotFound)] {
            let go = told(mappings.clone(), numbers);
            prop_assert_eq!(go.parts.iter().map(|(_, size)| size.0).sum::<u64>(), rss);
            let _ = go.difference();
        }
    }
}
