//! What stands at the top of a tree, and how often a tree is looked at for it. Refuses to look.

use std::time::Duration;

use crate::units::{Pid, ProcessId};

use super::TreeSource;

/// What stands at the top of the tree.
#[derive(Debug)]
pub(super) enum Top {
    /// We do, and are not in it.
    Ourselves,
    /// These, which somebody else started.
    Others(Vec<ProcessId>),
}

impl Top {
    /// Whether this process with that parent is one of the first of the tree.
    pub(super) fn has(&self, id: ProcessId, parent: Pid, own: Pid) -> bool {
        match self {
            Self::Ourselves => parent == own,
            Self::Others(roots) => roots.contains(&id),
        }
    }

    /// How long to wait after a pass that took so much of a processor. A tree may be of any size: to look at our own takes
    /// half of a processor at the most, at somebody else's a twentieth.
    pub(super) fn pause(&self, is_lively: bool, took: Duration) -> Duration {
        let rests = match self {
            Self::Ourselves => 1,
            Self::Others(_) => 19,
        };
        let pace = if is_lively { TreeSource::LIVELY } else { TreeSource::CALM };
        pace.max(took * rests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_a_pass_takes() {
        let millis = Duration::from_millis;
        let (ours, others) = (Top::Ourselves, Top::Others(Vec::new()));
        for (top, is_lively, took, pause) in [
            (&ours, true, 0, 10),
            (&ours, false, 0, 50),
            (&ours, true, 8, 10),
            (&ours, true, 30, 30),
            (&ours, false, 30, 50),
            (&ours, false, 200, 200),
            (&others, true, 0, 10),
            (&others, true, 2, 38),
            (&others, false, 2, 50),
            (&others, false, 100, 1900),
        ] {
            assert_eq!(top.pause(is_lively, millis(took)), millis(pause), "{top:?} {is_lively} {took} ms");
        }
    }
}
