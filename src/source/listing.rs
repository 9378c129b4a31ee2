//! Whether /proc must be listed again: with ten thousand processes a listing costs a quarter of a pass, and most of the
//! time nobody came and nobody went. Refuses to skip where it cannot know.

use std::time::Duration;

use rustix::fd::OwnedFd;

use crate::units::{ProcessId, Timestamp};

use super::files::{FileName, Tree};
use super::proc_files::{decimal, words};

/// What the last listing saw.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// `loadavg`, where it speaks of the processes that are listed.
    loadavg: Option<OwnedFd>,
    last_pid: Option<u32>,
    at: Timestamp,
    somebody_ended: bool,
}

impl Listing {
    /// Fewer processes than this are listed in every pass.
    const MANY: usize = 2_000;
    /// A listing is never older: a process may be made with a number of its own choice (clone3 with set_tid).
    const OLDEST: Duration = Duration::from_secs(5);

    /// `own` tells that the tree shows our own PID namespace: `loadavg` speaks of the reader's.
    pub(super) fn open(proc_root: &Tree, own: Option<ProcessId>) -> Self {
        let ours = own.is_some_and(|own| own.pid.0 == std::process::id());
        let loadavg = if ours { proc_root.open_file(&FileName::of_root("loadavg")).ok() } else { None };
        Self { loadavg, ..Self::default() }
    }

    /// A read found a process gone.
    pub(super) fn somebody_ended(&mut self) {
        self.somebody_ended = true;
    }

    /// Whether to list now. The last number that was given away moves with every new process and thread.
    pub(super) fn is_due(&mut self, proc_root: &mut Tree, now: Timestamp, processes: usize) -> bool {
        let descriptor = self.loadavg.as_ref().filter(|_| processes >= Self::MANY);
        let last_pid = descriptor.and_then(|descriptor| last_pid(proc_root.read_kept(descriptor).ok()?));
        let quiet = last_pid.is_some() && last_pid == self.last_pid && !self.somebody_ended;
        if quiet && now.since(self.at) < Self::OLDEST {
            return false;
        }
        self.last_pid = last_pid;
        self.at = now;
        self.somebody_ended = false;
        true
    }
}

/// `0.02 0.16 0.21 1/96 11452`: the last field.
fn last_pid(text: &[u8]) -> Option<u32> {
    decimal(words(text.strip_suffix(b"\n")?).nth(4)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pid_is_the_last_field() {
        assert_eq!(last_pid(b"0.02 0.16 0.21 1/96 11452\n"), Some(11_452));
        assert_eq!(last_pid(b"0.02 0.16 0.21 1/96 114"), None);
        assert_eq!(last_pid(b"0.02 0.16 0.21\n"), None);
    }
}
