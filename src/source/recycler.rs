//! Snapshots whose readers are done with them, to be filled again: in the steady state a pass allocates nothing.
//! Refuses to touch a snapshot that somebody still reads.

use std::sync::Arc;

use crate::snapshot::{Fact, Scope, Snapshot};

/// The last snapshots that were handed out.
#[derive(Debug, Default)]
pub(super) struct Recycler {
    handed_out: Vec<Arc<Snapshot>>,
}

impl Recycler {
    /// One being drawn from and one on its way; who keeps more pays for them.
    const MOST: usize = 2;

    /// An empty snapshot that nobody else holds, with the buffers of an earlier one where possible.
    pub(super) fn take(&mut self) -> Arc<Snapshot> {
        let free = self.handed_out.iter_mut().position(|snapshot| Arc::get_mut(snapshot).is_some());
        let mut snapshot = free.map(|index| self.handed_out.swap_remove(index)).unwrap_or_default();
        empty(Arc::make_mut(&mut snapshot));
        snapshot
    }

    /// Hands a filled one out and remembers it.
    pub(super) fn hand_out(&mut self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        if self.handed_out.len() >= Self::MOST {
            self.handed_out.swap_remove(0);
        }
        self.handed_out.push(Arc::clone(&snapshot));
        snapshot
    }
}

/// Empties every list and gives back what the last pass did not come near to using: the first pass over a big machine
/// reads far more than the later ones. Cgroups stay, to be filled in place.
fn empty(snapshot: &mut Snapshot) {
    snapshot.roster.clear();
    clear(&mut snapshot.statms);
    clear(&mut snapshot.stats);
    clear(&mut snapshot.statuses);
    clear(&mut snapshot.adjustments);
    clear(&mut snapshot.oom_scores);
    clear(&mut snapshot.memberships);
    clear(&mut snapshot.commands);
    clear(&mut snapshot.executables);
    clear(&mut snapshot.other_killers);
    clear(&mut snapshot.rollups);
    snapshot.mappings = None;
    snapshot.portrait = None;
    snapshot.go_memory = None;
    snapshot.system = None;
    snapshot.scope = Scope::Facts;
    snapshot.events.clear();
    snapshot.kernel_log = None;
}

fn clear<T>(facts: &mut Vec<Fact<T>>) {
    /// Lists up to here are not worth giving back.
    const KEPT: usize = 512;
    let used = facts.len();
    facts.clear();
    if facts.capacity() > KEPT && used < facts.capacity() / 8 {
        facts.shrink_to(KEPT.max(used * 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_is_read_is_never_touched() {
        let mut recycler = Recycler::default();
        let first = recycler.take();
        let held = recycler.hand_out(first);
        let second = recycler.take();
        assert!(!Arc::ptr_eq(&held, &second));
        let released = Arc::as_ptr(&second);
        drop(recycler.hand_out(second));
        assert_eq!(Arc::as_ptr(&recycler.take()), released, "who is free is used again");
    }
}
