//! What a prober reads just now, for whoever watches over it from another thread: a read that takes a lock of its target
//! lasts as long as somebody else holds that lock, which can be for ever. Refuses to interrupt anything.

use std::sync::{Arc, Mutex, PoisonError};

use crate::snapshot::Unanswered;
use crate::units::ProcessId;

use super::clock;

/// Shared between the thread that reads and the one that watches.
#[derive(Clone, Debug, Default)]
pub struct Attention(Arc<Mutex<Option<Unanswered>>>);

impl Attention {
    /// A read begins.
    pub(super) fn turn_to(&self, id: ProcessId, file: &'static str) {
        self.set(Some(Unanswered { id, file, since: clock::now() }));
    }

    /// Nothing is read.
    pub(super) fn rest(&self) {
        self.set(None);
    }

    /// For tests of who watches.
    pub fn set(&self, read: Option<Unanswered>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }

    /// The read that is under way.
    #[must_use]
    pub fn on(&self) -> Option<Unanswered> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
