//! What keeps this program alive where memory runs out: its pages are locked as they are touched, so that they stay where
//! everything is thrown out, and its oom_score_adj goes down to -999 where that is allowed. Refuses -1000: who is exempt is
//! never taken, and where nobody else is left the kernel would panic for our sake; at -999 we are the last to go. Refuses
//! to go half way with locked memory: under a limit the next allocation would fail.

use std::fs;
use std::io;

use rustix::mm::{MlockAllFlags, mlockall, munlockall};
use rustix::process::{Resource, getrlimit};

use crate::app::Tone;
use crate::config::Config;

/// The last but one: see above.
const LAST_TO_GO: i16 = -999;

const OWN_ADJUSTMENT: &str = "/proc/self/oom_score_adj";

/// What was done so far.
#[derive(Debug)]
pub struct Protection {
    /// Asked for.
    wanted: bool,
    /// Nothing may be written (`--read-only`).
    read_only: bool,
    locked: bool,
    /// Our oom_score_adj as we were started.
    before: Option<i16>,
}

impl Protection {
    /// Locks memory. Must be called while there is one thread: where locking turns out to be limited, an allocation of
    /// another one would fail meanwhile.
    #[must_use]
    pub fn begin(config: &Config) -> Self {
        let locked = config.protect && lock_memory();
        Self { wanted: config.protect, read_only: config.read_only, locked, before: own_adjustment() }
    }

    /// What our children shall have, where ours will be no business of theirs.
    #[must_use]
    pub const fn of_children(&self) -> Option<i16> {
        if self.wanted && !self.read_only { self.before } else { None }
    }

    /// Lowers our oom_score_adj. Must be called after the first pass: that tells the kernel's formula by our score at 0.
    /// Says what a user should know: how it went, and whether we die with our cgroup all the same.
    #[must_use]
    pub fn complete(self, dies_with_its_group: bool) -> Option<(Tone, String)> {
        if dies_with_its_group {
            return Some((Tone::Bad, "memory.oom.group is 1 here: an OOM kill in this cgroup kills oomtop too".into()));
        }
        if !self.wanted {
            return None;
        }
        let lowered = !self.read_only && self.lower().is_ok();
        Some(words(self.locked, lowered, self.read_only))
    }

    #[expect(clippy::disallowed_methods, reason = "our own file in /proc")]
    fn lower(&self) -> io::Result<()> {
        // From -1000 it goes up: see above.
        if self.before == Some(LAST_TO_GO) { Ok(()) } else { fs::write(OWN_ADJUSTMENT, LAST_TO_GO.to_string()) }
    }
}

fn words(locked: bool, lowered: bool, read_only: bool) -> (Tone, String) {
    let memory = if locked { "memory locked as touched" } else { "locking memory needs CAP_IPC_LOCK" };
    let adjustment = match (lowered, read_only) {
        (true, _) => "own oom_score_adj -999",
        (false, true) => "adj stays (read-only)",
        (false, false) => "lowering adj needs CAP_SYS_RESOURCE",
    };
    let tone = if locked && lowered { Tone::Good } else { Tone::Plain };
    if !locked && !lowered && !read_only {
        return (tone, "not protected: that needs CAP_IPC_LOCK (memory) and CAP_SYS_RESOURCE (adj)".into());
    }
    let not = if locked || lowered { "" } else { "not " };
    (tone, format!("{not}protected: {memory}, {adjustment}"))
}

#[expect(clippy::disallowed_methods, reason = "our own file in /proc")]
fn own_adjustment() -> Option<i16> {
    fs::read_to_string(OWN_ADJUSTMENT).ok()?.trim().parse().ok()
}

/// Locks what is there and what will be, each page when it is first touched: what was never touched costs nothing. Gives
/// whether that holds for good.
fn lock_memory() -> bool {
    /// A limit beyond this limits nobody.
    const NO_LIMIT: u64 = 1 << 40;
    if mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_err() {
        return false;
    }
    // Without the capability we may be below the limit today, and an allocation beyond it would fail some day: one that
    // is larger tells. Nothing of it is touched.
    let limit = getrlimit(Resource::Memlock).current.filter(|limit| *limit < NO_LIMIT);
    let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return true };
    let holds = Vec::<u8>::new().try_reserve_exact(limit.saturating_add(1 << 20)).is_ok();
    if !holds {
        let _ = munlockall();
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_was_done_and_fits_a_small_terminal() {
        let all = [(true, true), (true, false), (false, true), (false, false)];
        for (locked, lowered) in all {
            for read_only in [false, true] {
                let (tone, said) = words(locked, lowered && !read_only, read_only);
                assert!(said.len() <= 78, "{said}");
                assert_eq!(said.contains("CAP_IPC_LOCK"), !locked, "{said}");
                assert_eq!(said.contains("-999"), lowered && !read_only, "{said}");
                assert_eq!(tone == Tone::Good, locked && lowered && !read_only, "{said}");
            }
        }
    }
}
