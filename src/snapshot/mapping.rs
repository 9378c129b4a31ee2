//! Facts of the mappings of one process: `/proc/PID/smaps` and `smaps_rollup`. Refuses to classify them: that is
//! `mapping_class`. A read of smaps is no atomic picture: the kernel drops its lock every few regions.

use std::time::Duration;

use crate::units::{Bytes, MaybeKib, ProcessId, Timestamp};

/// `/proc/PID/smaps_rollup`: sums over all mappings (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Rss.
    pub rss: Bytes,
    /// Pss: shared pages divided by the number of processes that map them.
    pub pss: Bytes,
    /// Private_Clean + Private_Dirty: what only this process holds (USS).
    pub private: Bytes,
    /// Anonymous.
    pub anonymous: Bytes,
    /// LazyFree.
    pub lazy_free: Bytes,
    /// Swap.
    pub swap: Bytes,
    /// SwapPss.
    pub swap_pss: Bytes,
    /// How long the read took: decides how often it may be repeated.
    pub took: Duration,
}

/// One read of `/proc/PID/smaps`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mappings {
    /// Of which process.
    pub of: ProcessId,
    /// When the read began.
    pub began: Timestamp,
    /// When it ended, with what was read of its process beside them.
    pub ended: Timestamp,
    /// How long the process is left alone after this read, for what it took.
    pub pause: Duration,
    /// In the order of the file.
    pub regions: Vec<Region>,
    /// Names, each once; a region refers to its own by index. Bytes as the kernel wrote them (newline is `\012`).
    pub names: Vec<Box<[u8]>>,
    /// Where each thread's stack pointer was (`/proc/PID/task/TID/syscall` or `stat` field 29), where it may be read.
    pub stack_pointers: Vec<u64>,
}

impl Mappings {
    /// Of so many processes the last read is kept, or why there is none: who reads and who shows must agree on it.
    pub const KEPT: usize = 4;

    /// Name of a region, empty for anonymous ones.
    #[must_use]
    pub fn name(&self, region: &Region) -> &[u8] {
        self.names.get(region.name as usize).map_or(b"", |name| name)
    }
}

/// One region. Sizes are the kB of the kernel; `UNKNOWN` where the kernel has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Inode of the file, 0 for none.
    pub inode: u64,
    /// VmFlags, as a bit set of [`VmFlags`].
    pub flags: VmFlags,
    /// Index into [`Mappings::names`].
    pub name: u32,
    /// `rwxp` as bits: 8 read, 4 write, 2 execute, 1 shared.
    pub permissions: u8,
    /// Rss.
    pub rss: MaybeKib,
    /// Pss.
    pub pss: MaybeKib,
    /// Shared_Clean + Shared_Dirty.
    pub shared: MaybeKib,
    /// Private_Clean.
    pub private_clean: MaybeKib,
    /// Private_Dirty.
    pub private_dirty: MaybeKib,
    /// Referenced.
    pub referenced: MaybeKib,
    /// Anonymous.
    pub anonymous: MaybeKib,
    /// LazyFree.
    pub lazy_free: MaybeKib,
    /// AnonHugePages + ShmemPmdMapped + FilePmdMapped.
    pub huge: MaybeKib,
    /// Shared_Hugetlb + Private_Hugetlb: not in Rss.
    pub hugetlb: MaybeKib,
    /// Swap.
    pub swap: MaybeKib,
    /// SwapPss.
    pub swap_pss: MaybeKib,
    /// Locked.
    pub locked: MaybeKib,
}

impl Region {
    /// Its length in the address space.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        Bytes(self.end.saturating_sub(self.start))
    }

    /// Readable.
    pub const READ: u8 = 8;
    /// Writable.
    pub const WRITE: u8 = 4;
    /// Executable.
    pub const EXECUTE: u8 = 2;
    /// MAP_SHARED.
    pub const SHARED: u8 = 1;
}

/// VmFlags as bits. Codes that this program does not know set `UNKNOWN`, never an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmFlags(pub u64);

impl VmFlags {
    /// A code that is not in [`VmFlags::CODES`].
    pub const UNKNOWN: Self = Self(1 << 63);

    /// Two-letter code and what it means (fs/proc/task_mmu.c show_smap_vma_flags); bit N is entry N.
    pub const CODES: [(&'static [u8; 2], &'static str); 43] = [
        (b"rd", "readable"),
        (b"wr", "writable"),
        (b"ex", "executable"),
        (b"sh", "shared"),
        (b"mr", "may read"),
        (b"mw", "may write"),
        (b"me", "may execute"),
        (b"ms", "may share"),
        (b"gd", "stack segment grows down"),
        (b"pf", "pure page frame range"),
        (b"dw", "writes to the mapped file are denied"),
        (b"lo", "locked in memory"),
        (b"io", "memory-mapped input and output"),
        (b"sr", "sequential read advised"),
        (b"rr", "random read advised"),
        (b"dc", "not copied on fork"),
        (b"de", "not expanded by mremap"),
        (b"lf", "locked on fault"),
        (b"ac", "accounted"),
        (b"nr", "swap is not reserved"),
        (b"ht", "hugetlb pages"),
        (b"sf", "synchronous page fault"),
        (b"ar", "architecture specific"),
        (b"wf", "wiped on fork"),
        (b"dd", "left out of core dumps"),
        (b"sd", "soft dirty"),
        (b"mm", "mixed map"),
        (b"hg", "huge pages advised"),
        (b"nh", "no huge pages advised"),
        (b"mg", "mergeable (KSM)"),
        (b"um", "userfaultfd missing"),
        (b"uw", "userfaultfd write-protect"),
        (b"ui", "userfaultfd minor"),
        (b"ur", "userfaultfd read-write protect"),
        (b"ss", "shadow stack"),
        (b"dp", "droppable"),
        (b"sl", "sealed"),
        (b"gu", "may contain guard regions"),
        (b"bt", "arm64 BTI guarded"),
        (b"mt", "arm64 memory tagging"),
        (b"mp", "MPX"),
        (b"tc", "transparent huge page cache"),
        (b"??", "unnamed by the kernel"),
    ];

    /// The bit of a code.
    #[must_use]
    pub fn of_code(code: &[u8]) -> Self {
        Self::CODES.iter().position(|(known, _)| known.as_slice() == code).map_or(Self::UNKNOWN, |bit| Self(1 << bit))
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
