//! What is concluded of a Go program that somebody looks at: its runtime's numbers beside its mappings, and whether its
//! limits fit. Refuses to sum to anything but its RSS.

use std::fmt::Write as _;

use crate::golang::advice::{Advice, Ceiling};
use crate::snapshot::Unreadable;
use crate::snapshot::go_memory::{GoEnvironment, GoNumbers, NoNumbers};
use crate::snapshot::listening::Listening;
use crate::snapshot::process::GoBuild;
use crate::units::{Bytes, Timestamp};

/// One Go program.
#[derive(Clone, Debug, PartialEq)]
pub struct GoReport {
    /// What its file says.
    pub build: GoBuild,
    /// Import path of the package under test, when it is a test binary.
    pub test_package: Option<Box<str>>,
    /// What was read of it, with its mappings; `None` before.
    pub read: Option<GoRead>,
    /// Goroutine stacks: what the arenas have beyond the heap.
    pub stacks: Option<Bytes>,
    /// What the runtime counts as in use, free or stacks and the kernel as not resident: nobody has touched it.
    pub not_touched: Option<Bytes>,
    /// What RSS is made of: sums to it exactly, the live heap first, the rest from the largest. Empty before the
    /// mappings were read.
    pub parts: Vec<(GoPart, Bytes)>,
    /// The lowest bound above it.
    pub ceiling: Option<Ceiling>,
    /// What should be changed; `None`: not known, for not all could be judged.
    pub advice: Option<Vec<Advice>>,
}

/// What was read beside the mappings.
#[derive(Clone, Debug, PartialEq)]
pub struct GoRead {
    /// When.
    pub at: Timestamp,
    /// What its environment was when it started.
    pub environment: Result<GoEnvironment, Unreadable>,
    /// The runtime's numbers, or why there are none.
    pub numbers: Result<GoNumbers, NoNumbers>,
    /// Where it listens; `None` where that was not asked for.
    pub listening: Option<Result<Listening, Unreadable>>,
}

/// A part of the RSS of a Go program. Of the heap the kernel does not tell which pages are resident: the parts of it
/// fill what is resident in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoPart {
    /// Found in use by the last collection.
    Live,
    /// Allocated since, garbage or not.
    New,
    /// Slots of spans without an object, and dead objects that were not swept yet.
    Slack,
    /// Free spans that the runtime keeps for the next allocation.
    Free,
    /// Goroutine stacks.
    Stacks,
    /// Freed, and the kernel has not taken it back (LazyFree).
    LazilyFreed,
    /// Heap and stacks, where the runtime's numbers are not known; or the rest of them.
    Heap,
    /// The runtime's tables.
    Tables,
    /// Shadow of the race detector.
    RaceShadow,
    /// malloc of C, and the stacks of threads.
    C,
    /// The program's file and its libraries.
    Program,
    /// All else.
    Other,
}

impl GoPart {
    /// In words, after a size.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::New => "new since the last GC",
            Self::Slack => "unused or dead in spans",
            Self::Free => "kept free",
            Self::Stacks => "goroutine stacks",
            Self::LazilyFreed => "freed, not reclaimed yet",
            Self::Heap => "heap and stacks",
            Self::Tables => "runtime tables",
            Self::RaceShadow => "race detector",
            Self::C => "C and threads",
            Self::Program => "program and libraries",
            Self::Other => "other mappings",
        }
    }
}

impl GoReport {
    /// The numbers, where they are known.
    #[must_use]
    pub fn numbers(&self) -> Option<&GoNumbers> {
        self.read.as_ref()?.numbers.as_ref().ok()
    }

    /// Where it listens, as far as that was asked for.
    #[must_use]
    pub fn listening(&self) -> Option<Result<&Listening, Unreadable>> {
        let listening = self.read.as_ref()?.listening.as_ref()?;
        Some(listening.as_ref().map_err(|reason| *reason))
    }

    /// What the difference between RSS and the live heap consists of, in one sentence; `None` before the mappings were
    /// read.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        /// More are not read.
        const NAMED: usize = 5;
        let whole = self.parts.iter().fold(Bytes(0), |sum, (_, size)| sum.saturating_add(*size));
        let live = self.parts.iter().find(|(part, _)| *part == GoPart::Live).map(|(_, size)| *size);
        let besides: Vec<_> =
            self.parts.iter().filter(|(part, size)| *part != GoPart::Live && *size > Bytes(0)).collect();
        if whole == Bytes(0) {
            return None;
        }
        let mut sentence = match live {
            Some(live) => format!("Of {whole} RSS, {live} is live; the other {}:", whole.saturating_sub(live)),
            None => format!("Of {whole} RSS:"),
        };
        for (index, (part, size)) in besides.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(sentence, "{comma} {size} {}", part.words());
        }
        let rest = besides.iter().skip(NAMED).fold(Bytes(0), |sum, (_, size)| sum.saturating_add(*size));
        if rest > Bytes(0) {
            let _ = write!(sentence, ", {rest} other");
        }
        sentence.push('.');
        if let Some(not_touched) = self.not_touched.filter(|size| size.0 > whole.0 / 20) {
            let _ = write!(sentence, " {not_touched} more is in use but was never touched: not resident.");
        }
        Some(sentence)
    }
}
