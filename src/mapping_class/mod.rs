//! Classes of mappings: which part of a process a region is. Pure; every region gets exactly one class, so sums over
//! classes equal sums over regions. Refuses to read anything and to guess silently: what is only probable says so.
//!
//! A name decides where there is one. Where there is none, the neighbours do: what lies directly behind the writable
//! part of a file is its `.bss`; what holds a thread's stack pointer is that thread's stack; a Go program's address
//! space has a shape of its own.

mod called;
mod go_layout;
mod named;

use crate::snapshot::mapping::{Mappings, Region, VmFlags};

pub use called::called;

use go_layout::GoLayout;
use named::{Named, names_of};

/// What a region is. The names are those of the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingClass {
    /// The program's own file: code, data and its `.bss`.
    Executable,
    /// A shared library or another file mapped with code in it.
    Library,
    /// Any other file.
    File,
    /// `[heap]`: the brk area.
    Heap,
    /// Anonymous, private, of no known purpose.
    Anonymous,
    /// `[stack]`: of the main thread.
    Stack,
    /// Of another thread.
    ThreadStack,
    /// memfd, SysV, POSIX and anonymous shared memory.
    SharedMemory,
    /// A file on a tmpfs.
    Tmpfs,
    /// Huge pages of the pool: not in RSS.
    Hugetlb,
    /// `[vdso]`, `[vvar]`, `[vsyscall]`, `[uprobes]`.
    Kernel,
    /// Go: arenas (heap and goroutine stacks).
    GoHeap,
    /// Go: the runtime's own tables.
    GoRuntime,
    /// Go: shadow memory of the race detector.
    GoRaceShadow,
    /// malloc arenas beside `[heap]`, in programs that have another heap.
    CgoHeap,
    /// Code made at run time.
    Jit,
    /// None of these.
    Other,
}

impl MappingClass {
    /// Every class, in the order of the enum.
    pub const ALL: [Self; 17] = [
        Self::Executable,
        Self::Library,
        Self::File,
        Self::Heap,
        Self::Anonymous,
        Self::Stack,
        Self::ThreadStack,
        Self::SharedMemory,
        Self::Tmpfs,
        Self::Hugetlb,
        Self::Kernel,
        Self::GoHeap,
        Self::GoRuntime,
        Self::GoRaceShadow,
        Self::CgoHeap,
        Self::Jit,
        Self::Other,
    ];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Library => "library",
            Self::File => "file",
            Self::Heap => "heap",
            Self::Anonymous => "anonymous",
            Self::Stack => "stack",
            Self::ThreadStack => "thread_stack",
            Self::SharedMemory => "shared_memory",
            Self::Tmpfs => "tmpfs",
            Self::Hugetlb => "hugetlb",
            Self::Kernel => "kernel",
            Self::GoHeap => "go_heap",
            Self::GoRuntime => "go_runtime",
            Self::GoRaceShadow => "go_race_shadow",
            Self::CgoHeap => "cgo_heap",
            Self::Jit => "jit",
            Self::Other => "other",
        }
    }

    /// As people call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Executable => "program",
            Self::Library => "libraries",
            Self::File => "files",
            Self::Heap => "heap",
            Self::Anonymous => "anonymous",
            Self::Stack => "stack",
            Self::ThreadStack => "thread stacks",
            Self::SharedMemory => "shared memory",
            Self::Tmpfs => "tmpfs",
            Self::Hugetlb => "huge pages",
            Self::Kernel => "kernel",
            Self::GoHeap => "Go heap",
            Self::GoRuntime => "Go runtime",
            Self::GoRaceShadow => "race shadow",
            Self::CgoHeap => "C heap",
            Self::Jit => "JIT code",
            Self::Other => "other",
        }
    }
}

/// What must be known beside the mappings to classify them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassContext<'a> {
    /// The program's own file (`/proc/PID/exe` without " (deleted)"), where it may be read.
    pub executable: Option<&'a [u8]>,
    /// Where a tmpfs is mounted in the mount namespace of the reader; `/dev/shm` and `/run` are taken for such anyway.
    pub tmpfs: &'a [Box<[u8]>],
    /// It is a Go program: stack pointers of its threads point into the Go heap, so alone they prove no thread stack.
    pub is_go: bool,
}

/// The class of every region, by index; `true` beside it: only probable.
#[must_use]
pub fn classify(mappings: &Mappings, context: &ClassContext<'_>) -> Vec<(MappingClass, bool)> {
    let names = names_of(mappings, context);
    let mut stack_pointers = mappings.stack_pointers.clone();
    stack_pointers.sort_unstable();
    let layout = context.is_go.then(|| GoLayout::of(mappings, names.iter().any(Named::is_of_c)));
    let mut classes: Vec<(MappingClass, bool)> = Vec::with_capacity(mappings.regions.len());
    for (index, region) in mappings.regions.iter().enumerate() {
        let below = index.checked_sub(1).map(|index| Below {
            region: &mappings.regions[index],
            class: classes[index].0,
            has_name: !mappings.name(&mappings.regions[index]).is_empty(),
        });
        let below = below.filter(|below| below.region.end == region.start);
        let place = layout.as_ref().map(|layout| GoPlace { layout, index });
        classes.push(class_of(region, names.get(region.name as usize), below, &stack_pointers, place));
    }
    classes
}

/// The region that ends where another begins.
#[derive(Clone, Copy)]
struct Below<'a> {
    region: &'a Region,
    class: MappingClass,
    has_name: bool,
}

/// A region of a Go program.
#[derive(Clone, Copy)]
struct GoPlace<'a> {
    layout: &'a GoLayout,
    index: usize,
}

fn class_of(
    region: &Region,
    name: Option<&Named>,
    below: Option<Below<'_>>,
    stack_pointers: &[u64],
    go: Option<GoPlace<'_>>,
) -> (MappingClass, bool) {
    if region.flags.contains(VmFlags::of_code(b"ht")) || region.hugetlb.get().is_some_and(|size| size.0 > 0) {
        return (MappingClass::Hugetlb, false);
    }
    match name {
        Some(&Named::Class { class, probable }) => (class, probable),
        Some(Named::CLibrary) => (MappingClass::Library, false),
        // A private mapping of /dev/zero is plain memory.
        Some(Named::Zero) if region.permissions & Region::SHARED != 0 => (MappingClass::SharedMemory, false),
        Some(Named::Zero | Named::Nothing) | None => unnamed(region, below, stack_pointers, go),
    }
}

/// The most that a guard below a stack takes: a page (of up to 64 KiB) nearly everywhere.
const LARGEST_GUARD: u64 = 64 << 10;
/// Thread stacks outside these bounds exist, but so does everything else.
const STACK_SIZES: std::ops::RangeInclusive<u64> = (16 << 10)..=(64 << 20);

fn unnamed(
    region: &Region,
    below: Option<Below<'_>>,
    stack_pointers: &[u64],
    go: Option<GoPlace<'_>>,
) -> (MappingClass, bool) {
    const READ_WRITE: u8 = Region::READ | Region::WRITE;
    if go.is_some_and(|go| go.layout.is_heap(go.index)) {
        return (MappingClass::GoHeap, false);
    }
    if region.permissions & Region::EXECUTE != 0 {
        return (MappingClass::Jit, true);
    }
    if let Some(Below {
        region: file,
        class: class @ (MappingClass::Executable | MappingClass::Library),
        has_name: true,
    }) = below
        && region.permissions == READ_WRITE
        && file.permissions == READ_WRITE
    {
        return (class, false);
    }
    let could_be_a_stack = region.permissions == READ_WRITE
        && STACK_SIZES.contains(&region.size().0)
        && go.is_none_or(|go| go.layout.has_thread_stacks());
    if let Some(probable) = is_thread_stack(region, below, stack_pointers, go.is_some()).filter(|_| could_be_a_stack) {
        return (MappingClass::ThreadStack, probable);
    }
    match go {
        Some(go) if region.permissions & Region::SHARED == 0 => go.layout.class(go.index, region),
        _ => (MappingClass::Anonymous, false),
    }
}

/// Whether it is the stack of a thread; `true`: only probably. In Go a stack pointer alone proves nothing.
fn is_thread_stack(region: &Region, below: Option<Below<'_>>, stack_pointers: &[u64], is_go: bool) -> Option<bool> {
    let guard = below
        .filter(|below| below.region.permissions & !Region::SHARED == 0 && !below.has_name)
        .map(|below| below.region.size().0)
        .filter(|&size| size <= LARGEST_GUARD);
    let next = stack_pointers.partition_point(|&pointer| pointer < region.start);
    let holds_a_pointer = stack_pointers.get(next).is_some_and(|&pointer| pointer < region.end);
    if holds_a_pointer && (guard.is_some() || !is_go) {
        return Some(false);
    }
    // Libraries ask for round sizes; some count the guard in.
    let size = region.size().0;
    let is_round = |size: u64| size.is_multiple_of(64 << 10);
    guard.filter(|guard| is_round(size) || is_round(size + guard)).map(|_| true)
}

#[cfg(test)]
mod tests;
