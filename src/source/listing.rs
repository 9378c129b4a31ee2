//! How to learn who came and who went: with ten thousand processes a listing of /proc costs a quarter of a pass, and most
//! of the time few came. Refuses to save where it cannot know.

use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::fd::OwnedFd;

use crate::units::{ProcessId, Timestamp};

use super::files::{FileName, Tree};
use super::proc_files::{decimal, words};

/// Where to look for those that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// In a listing of /proc.
    Everywhere,
    /// Among the numbers that were given away since: to processes and to threads.
    Among(RangeInclusive<u32>),
    /// Nobody came.
    Nowhere,
}

/// What the last look saw.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// `loadavg`, where it speaks of the processes that are listed.
    loadavg: Option<OwnedFd>,
    last_pid: Option<u32>,
    at: Timestamp,
}

impl Listing {
    /// Fewer processes than this are listed in every pass.
    const MANY: usize = 2_000;
    /// More new numbers than this cost as much as a listing.
    const NUMBERS: u32 = 200;
    /// A listing is never older: a process may be made with a number of its own choice (clone3 with set_tid).
    const OLDEST: Duration = Duration::from_secs(10);

    /// `own` tells that the tree shows our own PID namespace: `loadavg` speaks of the reader's.
    pub(super) fn open(proc_root: &Tree, own: Option<ProcessId>) -> Self {
        let ours = own.is_some_and(|own| own.pid.0 == std::process::id());
        let loadavg = if ours { proc_root.open_file(&FileName::of_root("loadavg")).ok() } else { None };
        Self { loadavg, ..Self::default() }
    }

    /// Where to look now. The last number that was given away moves with every new process and thread.
    pub(super) fn look(&mut self, proc_root: &mut Tree, now: Timestamp, processes: usize) -> Look {
        let descriptor = self.loadavg.as_ref().filter(|_| processes >= Self::MANY);
        let last_pid = descriptor.and_then(|descriptor| last_pid(proc_root.read_kept(descriptor).ok()?));
        let recent = now.since(self.at) < Self::OLDEST;
        let look = match (std::mem::replace(&mut self.last_pid, last_pid), last_pid) {
            (Some(before), Some(last)) if recent => between(before, last),
            _ => Look::Everywhere,
        };
        if look == Look::Everywhere {
            self.at = now;
        }
        look
    }
}

/// The numbers behind `before`, up to `last`; they start again at the bottom.
pub(super) fn between(before: u32, last: u32) -> Look {
    match last.checked_sub(before) {
        Some(0) => Look::Nowhere,
        Some(1..=Listing::NUMBERS) => Look::Among(before + 1..=last),
        _ => Look::Everywhere,
    }
}

/// `0.02 0.16 0.21 1/96 11452`: the last field.
pub(super) fn last_pid(text: &[u8]) -> Option<u32> {
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

    #[test]
    fn few_new_numbers_are_looked_at_one_by_one() {
        assert_eq!(between(10, 10), Look::Nowhere);
        assert_eq!(between(10, 13), Look::Among(11..=13));
        assert_eq!(between(10, 9), Look::Everywhere, "the numbers started again");
        assert_eq!(between(10, 1000), Look::Everywhere);
    }
}
