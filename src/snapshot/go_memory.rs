//! Facts of a Go program beside its mappings: the runtime's own numbers, read from its memory, and the variables of its
//! environment that steer them. Refuses to conclude anything from them: that is `golang` and `monitor`.

use crate::units::{Bytes, Timestamp, WallTime};

use super::Unreadable;
use super::listening::Listening;

/// One look at a Go program.
#[derive(Clone, Debug, PartialEq)]
pub struct GoMemory {
    /// What its environment was when it started.
    pub environment: Result<GoEnvironment, Unreadable>,
    /// The runtime's numbers, or why there are none.
    pub numbers: Result<GoNumbers, NoNumbers>,
    /// Where it listens; `None` where that was not asked for.
    pub listening: Option<Result<Listening, Unreadable>>,
}

/// The variables that steer the memory of a Go program (package runtime, "Environment Variables"); nothing else is ever
/// taken out of an environment. A program may have changed its mind since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoEnvironment {
    /// GOMEMLIMIT as it is written.
    pub memory_limit: Option<Box<str>>,
    /// GOGC as it is written.
    pub gc_percent: Option<Box<str>>,
    /// The settings of GODEBUG that bear on memory, as they are written, with commas.
    pub debug: Option<Box<str>>,
}

/// The runtime's own numbers (runtime/mgcpacer.go gcControllerState, mstats.go), as `runtime/metrics` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoNumbers {
    /// How they were found.
    pub found: Found,
    /// GOGC in percent; `None`: off.
    pub gc_percent: Option<u32>,
    /// GOMEMLIMIT; `None`: none.
    pub memory_limit: Option<Bytes>,
    /// `/gc/heap/live`: what the last collection found in use.
    pub live: Bytes,
    /// What is live and what was allocated since, garbage or not (gcController.heapLive).
    pub allocated: Bytes,
    /// `/gc/heap/goal`: where the heap will be when the next collection ends.
    pub goal: Bytes,
    /// `/memory/classes/heap/objects`: in objects, dead ones that were not swept yet among them.
    pub objects: Bytes,
    /// HeapInuse: in spans that hold objects.
    pub in_use: Bytes,
    /// HeapIdle - HeapReleased: free, and kept for the next allocation.
    pub free: Bytes,
    /// HeapReleased: given back to the kernel, or on its way (LazyFree).
    pub released: Bytes,
    /// All that the runtime has mapped and could touch: heap, stacks and its tables. What C and mmap have is not in it.
    pub mapped: Bytes,
    /// Collections; `None` before the first, or where they could not be found.
    pub collections: Option<Collections>,
}

/// Of the garbage collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collections {
    /// How many there were.
    pub count: u32,
    /// When the last one ended, by the clock on the wall.
    pub last: WallTime,
    /// The same by the clock of the snapshots; `None` where the two clocks disagree.
    pub last_at: Option<Timestamp>,
    /// What they took of the processors' time since the program began, idle workers aside, in percent (`GCCPUFraction`).
    pub cpu_percent: Option<u8>,
}

/// How the runtime's variables were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// By the symbols of the file.
    Symbols,
    /// By their own pattern, in a stripped file.
    Scan,
}

/// Why there are no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoNumbers {
    /// Not asked for (`--go-memory`).
    NotAsked,
    /// It belongs to another user, and that was not asked for.
    OtherUser,
    /// Nobody has measured where this version keeps them.
    UnknownVersion,
    /// They were not found, or in more than one place.
    NotFound,
    /// They contradict each other or the mappings.
    Implausible,
    /// Its memory cannot be read.
    Unreadable(Unreadable),
}

impl NoNumbers {
    /// In words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAsked => "not requested (--go-memory)",
            Self::OtherUser => "another user's process (--go-memory=all reads those too)",
            Self::UnknownVersion => "known for Go 1.19 and since 1.21",
            Self::NotFound => "not found in its memory",
            Self::Implausible => "what was found contradicts itself or the mappings",
            Self::Unreadable(Unreadable::Denied) => {
                "permission denied (needs the same user and kernel.yama.ptrace_scope 0, root or CAP_SYS_PTRACE)"
            }
            Self::Unreadable(reason) => reason.reason(),
        }
    }
}
