//! What stands at the top of a tree, and how often a tree is looked at for it. Refuses to look.

use std::time::Duration;

use rustix::process::{Pid as RawPid, getsid};

use crate::units::{Pid, ProcessId};

use super::TreeSource;

/// What stands at the top of the tree.
#[derive(Debug)]
pub(super) enum Top {
    /// We do, and are not in it. Where the command has a session of its own, this one, nobody of ours is in it either: whom
    /// we start besides (a hook), and what is left of theirs to us.
    Ourselves { apart: Option<Pid> },
    /// These, which somebody else started.
    Others(Vec<ProcessId>),
}

impl Top {
    /// Whether this process with that parent is one of the first of the tree.
    pub(super) fn has(&self, id: ProcessId, parent: Pid, own: Pid) -> bool {
        match self {
            Self::Ourselves { apart } => {
                parent == own && apart.is_none_or(|command| id.pid == command || is_apart(id.pid))
            }
            Self::Others(roots) => roots.contains(&id),
        }
    }

    /// How long to wait after a pass that took so much of a processor. A tree may be of any size: to look at our own takes
    /// half of a processor at the most, at somebody else's a twentieth.
    pub(super) fn pause(&self, is_lively: bool, took: Duration) -> Duration {
        let rests = match self {
            Self::Ourselves { .. } => 1,
            Self::Others(_) => 19,
        };
        let pace = if is_lively { TreeSource::LIVELY } else { TreeSource::CALM };
        pace.max(took * rests)
    }
}

/// Whether this child of ours is in another session than we are: nobody enters ours who was not begun in it. Of one that
/// is gone nobody knows, and nothing more is told.
fn is_apart(pid: Pid) -> bool {
    let pid = i32::try_from(pid.0).ok().and_then(RawPid::from_raw);
    pid.is_some_and(|pid| getsid(Some(pid)).is_ok_and(|session| getsid(None) != Ok(session)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_a_pass_takes() {
        let millis = Duration::from_millis;
        let (ours, others) = (Top::Ourselves { apart: None }, Top::Others(Vec::new()));
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
