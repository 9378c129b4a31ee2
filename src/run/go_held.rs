//! What the runtime of a Go program said that it held, at the last look while it lived: whether that was its heap or the
//! stacks of its goroutines. Refuses to call anything a leak: it asks.

use crate::snapshot::go_memory::GoNumbers;
use crate::units::{Bytes, Timestamp};

/// What a Go program held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoHeld {
    /// When that was looked at.
    pub at: Timestamp,
    /// In the heap, garbage and what is kept for the next allocation too.
    pub heap: Bytes,
    /// Stacks of goroutines, and the tables of the runtime, which are small beside much of either.
    pub stacks: Bytes,
}

impl GoHeld {
    /// From the runtime's own numbers, of a process with so much memory that is of no file. What is mapped for a stack is
    /// mostly touched in part.
    #[must_use]
    pub fn of(at: Timestamp, numbers: &GoNumbers, anonymous: Bytes) -> Self {
        let heap = numbers.in_use.saturating_add(numbers.free);
        Self { at, heap, stacks: numbers.mapped.min(anonymous).saturating_sub(heap) }
    }

    /// Whether it is its stacks that one would look at first, of a process that held so much at the most. Of a big heap that
    /// was given back the tables stay: they are small beside what it was.
    #[must_use]
    pub fn is_of_stacks(&self, peak: Bytes) -> bool {
        const MUCH: Bytes = Bytes::from_mib(32);
        self.stacks >= MUCH && self.stacks.0 / 2 >= self.heap.0 / 3 && self.stacks.0 >= peak.0 / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_is_not_called_stacks() {
        for (heap, stacks, peak, expected) in [
            (40, 120, 179, true),
            (80, 60, 150, true),
            (100, 60, 170, false),
            (5, 20, 30, false),
            // 4 GiB of heap were given back: what is left of them are tables.
            (8, 50, 4096, false),
        ] {
            let [heap, stacks, peak] = [heap, stacks, peak].map(Bytes::from_mib);
            let held = GoHeld { at: Timestamp::default(), heap, stacks };
            assert_eq!(held.is_of_stacks(peak), expected, "{held:?} of {peak}");
        }
    }
}
