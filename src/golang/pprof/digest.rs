//! All that is shown of a profile, summed once: for each of its values the functions in both orders, and the tree of
//! calls. Refuses to choose among them.

use super::flame::Flame;
use super::profile::Profile;
use super::top::{Top, top};

/// What leads in a list of functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What a function holds itself.
    #[default]
    Flat,
    /// What it holds with all that it calls.
    Cumulative,
}

/// A profile that was summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    /// What was summed.
    pub profile: Profile,
    /// Who called whom.
    pub flame: Flame,
    by_flat: Vec<Top>,
    by_cumulative: Vec<Top>,
}

impl Digest {
    /// Sums it.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let by_flat: Vec<_> = (0..profile.types.len()).map(|value_type| top(&profile, value_type)).collect();
        let mut by_cumulative = by_flat.clone();
        by_cumulative.iter_mut().for_each(Top::order_by_cumulative);
        Self { flame: Flame::of(&profile), by_flat, by_cumulative, profile }
    }

    /// The functions by one of its values.
    #[must_use]
    pub fn top(&self, value_type: usize, order: Order) -> Option<&Top> {
        match order {
            Order::Flat => self.by_flat.get(value_type),
            Order::Cumulative => self.by_cumulative.get(value_type),
        }
    }
}

/// A profile that a Go program serves of itself (package net/http/pprof).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What is in use, as of the last collection, and what was allocated since the start.
    #[default]
    Heap,
    /// The same, by what was allocated.
    Allocs,
    /// Where the goroutines are.
    Goroutine,
}

impl Kind {
    /// In the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Heap, Self::Allocs, Self::Goroutine];

    /// Its name, there and here.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Allocs => "allocs",
            Self::Goroutine => "goroutine",
        }
    }

    /// What it tells.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Heap => "memory in use, by function",
            Self::Allocs => "all allocated so far, by function",
            Self::Goroutine => "where its goroutines are; pauses it",
        }
    }
}
