//! Classes of mappings: which part of a process a region is. Pure; every region gets exactly one class, so sums over
//! classes equal sums over regions. Refuses to read anything and to guess silently: what is only probable says so.

use crate::snapshot::mapping::Mappings;

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

/// What must be known beside the mappings to classify them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassContext<'a> {
    /// The program's own file (`/proc/PID/exe` without " (deleted)"), where it may be read.
    pub executable: Option<&'a [u8]>,
    /// Where a tmpfs is mounted in the mount namespace of the reader; `/dev/shm` and `/run` are taken for such anyway.
    pub tmpfs: &'a [Box<[u8]>],
}

/// The class of every region, by index; `true` beside it: only probable.
#[must_use]
pub fn classify(mappings: &Mappings, _context: &ClassContext<'_>) -> Vec<(MappingClass, bool)> {
    vec![(MappingClass::Other, true); mappings.regions.len()]
}
