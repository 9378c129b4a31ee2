//! Where a Go program's memory is when the kernel keeps no names: by the shape of the address space alone, for every
//! version since 1.12. Refuses to know an address: Go 1.26 and later put the heap anywhere.
//!
//! What it goes by (runtime/malloc.go, mpagealloc_64bit.go; glibc malloc/arena.c; compiler-rt tsan_platform.h):
//! - The heap grows in arenas of 64 MiB at addresses of the runtime's choice, so it lies far from all that the kernel
//!   places, and begins and ends on a multiple of 64 MiB (what is not used yet is reserved without access).
//! - The runtime's tables are islands in large reservations without access, and chunks beside them.
//! - malloc reserves its arenas with `MAP_NORESERVE`, which Go never does; each begins on a multiple of 64 MiB too.
//! - The race detector's shadow lies between 32 and 64 TiB, mapped with `MAP_NORESERVE`.

use crate::snapshot::mapping::{Mappings, Region, VmFlags};

use super::MappingClass;

/// heapArenaBytes on 64-bit Linux; also HEAP_MAX_SIZE of malloc.
const ARENA: u64 = 64 << 20;
/// What lies closer together was placed by the same hand.
const APART: u64 = 1 << 30;
/// Of the race detector, for 48-bit address spaces of x86-64 and arm64.
const RACE_SHADOW: std::ops::Range<u64> = 0x2000_0000_0000..0x4000_0000_0000;
/// persistentalloc takes 256 KiB at a time, the tables beside it multiples of 64 KiB; malloc asks the kernel for what
/// was wanted and its header, rounded up to pages.
const CHUNK: u64 = 64 << 10;
/// What the runtime's tables take beside their reservations at the most: so much, and a share of the heap.
const TABLES: u64 = 2 << 20;
const TABLES_PER_HEAP: u64 = 32;

/// What the neighbourhood of each region says, by index.
pub(super) struct GoLayout {
    places: Vec<Place>,
    /// C allocates too: there is a C library, or a brk heap, which Go has not.
    has_c: bool,
    /// What is larger than this, beside a reservation or not, is no table of the runtime's.
    largest_table: u64,
}

/// Where a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has a name, or is shared, or has code.
    Elsewhere,
    /// An arena of the Go heap.
    Heap,
    /// In one stretch with a reservation of the runtime's, and whether it borders on it.
    BesideReservation { borders: bool },
    /// In an arena of malloc.
    MallocArena,
    /// Anywhere else where the kernel placed it.
    Alone,
}

impl GoLayout {
    /// Looks at the whole address space. `has_c`: there is a C library or a brk heap.
    pub(super) fn of(mappings: &Mappings, has_c: bool) -> Self {
        let regions = &mappings.regions;
        let mut places = vec![Place::Elsewhere; regions.len()];
        let stretches = stretches(mappings);
        // Stretches that lie together, each group far from all others.
        for group in stretches.chunk_by(|one, next| regions[next.first].start.saturating_sub(one.end) <= APART) {
            let is_heap = group.iter().all(|stretch| stretch.is_arenas(regions));
            for stretch in group.iter().filter(|stretch| stretch.plain) {
                stretch.place(is_heap, regions, &mut places);
            }
        }
        let in_use =
            regions.iter().zip(&places).filter(|(region, place)| **place == Place::Heap && region.permissions != 0);
        let heap: u64 = in_use.map(|(region, _)| region.size().0).fold(0, u64::saturating_add);
        Self { places, has_c, largest_table: TABLES + heap / TABLES_PER_HEAP }
    }

    /// Whether it is a part of the heap, so that nothing else need be asked.
    pub(super) fn is_heap(&self, index: usize) -> bool {
        self.places.get(index) == Some(&Place::Heap)
    }

    /// Whether threads could have stacks outside the Go heap: only those that C starts do.
    pub(super) const fn has_thread_stacks(&self) -> bool {
        self.has_c
    }

    /// What a nameless private region is that is neither `.bss` nor a stack; `true`: only probable.
    pub(super) fn class(&self, index: usize, region: &Region) -> (MappingClass, bool) {
        if is_unreserved(region) && RACE_SHADOW.contains(&region.start) {
            return (MappingClass::GoRaceShadow, false);
        }
        match self.places.get(index) {
            Some(Place::Heap) => (MappingClass::GoHeap, false),
            Some(Place::MallocArena) => (MappingClass::CgoHeap, false),
            Some(Place::BesideReservation { borders }) if *borders || !self.has_c => (MappingClass::GoRuntime, false),
            _ if !self.has_c => (MappingClass::GoRuntime, true),
            _ if is_unreserved(region) => (MappingClass::CgoHeap, true),
            _ if region.size().0 > self.largest_table && !region.size().0.is_multiple_of(CHUNK) => {
                (MappingClass::CgoHeap, true)
            }
            Some(Place::BesideReservation { .. }) => (MappingClass::GoRuntime, true),
            _ if region.size().0 >= CHUNK => (MappingClass::GoRuntime, true),
            _ => (MappingClass::Anonymous, false),
        }
    }
}

/// Nameless private regions without a gap, or one region of another kind.
struct Stretch {
    first: usize,
    /// Index behind the last.
    behind: usize,
    end: u64,
    plain: bool,
}

impl Stretch {
    /// Whole arenas and nothing else, as Go reserves them.
    fn is_arenas(&self, regions: &[Region]) -> bool {
        let regions = &regions[self.first..self.behind];
        let start = regions.first().map_or(1, |region| region.start);
        self.plain
            && start.is_multiple_of(ARENA)
            && self.end.is_multiple_of(ARENA)
            && !regions.iter().any(is_unreserved)
    }

    fn place(&self, is_heap: bool, regions: &[Region], places: &mut [Place]) {
        let own = &regions[self.first..self.behind];
        let reserved = own.iter().any(is_reservation);
        for (index, region) in own.iter().enumerate() {
            let borders = own[index.saturating_sub(1)..(index + 2).min(own.len())].iter().any(is_reservation);
            places[self.first + index] = if is_heap {
                Place::Heap
            } else if is_malloc_arena(own, index) {
                Place::MallocArena
            } else if reserved && !is_unreserved(region) {
                Place::BesideReservation { borders }
            } else {
                Place::Alone
            };
        }
    }
}

fn stretches(mappings: &Mappings) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, region) in mappings.regions.iter().enumerate() {
        let plain = region.permissions & (Region::SHARED | Region::EXECUTE) == 0 && mappings.name(region).is_empty();
        match stretches.last_mut() {
            Some(last) if plain && last.plain && last.end == region.start => {
                last.behind = index + 1;
                last.end = region.end;
            }
            _ => stretches.push(Stretch { first: index, behind: index + 1, end: region.end, plain }),
        }
    }
    stretches
}

/// From a multiple of 64 MiB, in use, then reserved up to the next.
fn is_malloc_arena(stretch: &[Region], index: usize) -> bool {
    let begins = |region: &Region| region.permissions != 0 && region.start.is_multiple_of(ARENA);
    let ends = |used: &Region, rest: &Region| {
        rest.permissions == 0 && rest.end.is_multiple_of(ARENA) && rest.size().0 < ARENA && rest.start == used.end
    };
    let used_up_to = |index: usize| match (stretch.get(index), stretch.get(index + 1)) {
        (Some(used), Some(rest)) => begins(used) && ends(used, rest),
        _ => false,
    };
    used_up_to(index) || index.checked_sub(1).is_some_and(used_up_to)
}

/// Mapped with `MAP_NORESERVE` (VM_NORESERVE; not set where the machine forbids overcommitment).
fn is_unreserved(region: &Region) -> bool {
    region.flags.contains(VmFlags::of_code(b"nr"))
}

/// Without access, larger than any guard, and not of malloc.
fn is_reservation(region: &Region) -> bool {
    region.permissions == 0 && region.size().0 > super::LARGEST_GUARD && !is_unreserved(region)
}
