//! What stands around a run: the cgroups above its tree and the machine, at the start and now. Refuses to take the kills of
//! others for those of the run: it only says whose counter rose.

use std::time::Duration;

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::Cgroup;
use crate::units::{Bytes, Timestamp};

use super::report::Room;

/// To give back what it held takes a victim a while.
pub(super) const DIES: Duration = Duration::from_secs(1);

/// The cgroups above the tree and the machine, at the start and now.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    first: Vec<Cgroup>,
    last: Vec<Cgroup>,
    /// `oom_kill` of /proc/vmstat.
    pub(super) host_kills: Option<(u64, u64)>,
    /// Between which two looks the lowest cgroup counted a kill last.
    pub(super) counted: Option<(Timestamp, Timestamp)>,
    /// The look before it counted the first.
    pub(super) none_counted: Option<Timestamp>,
    /// How many were in that one then that are not of the run.
    strangers: Option<u32>,
    /// There were fewer of them when it had counted a kill.
    pub(super) stranger_left: bool,
    /// Between which looks the one with the tightest limit was at it, without a look at which it was not: the last such time.
    pub(super) full: Option<(Timestamp, Timestamp)>,
    is_full: bool,
    host_memory: Option<Bytes>,
    least_available: Option<Bytes>,
}

impl Surroundings {
    /// Takes what a pass saw of them.
    pub(super) fn absorb(&mut self, snapshot: &Snapshot) {
        if let Some(cgroups) = snapshot.cgroups.as_ref().filter(|cgroups| !cgroups.is_empty()) {
            // The command may be moved to another cgroup as it starts: what counts from zero is found by its path.
            for cgroup in cgroups {
                if self.first.iter().all(|first| first.path != cgroup.path) {
                    self.first.push(cgroup.clone());
                }
            }
            if let (Some(before), Some(now)) = (self.last.first(), cgroups.first())
                && before.path == now.path
                && before.events.oom_kill.is_some_and(|before| now.events.oom_kill > Some(before))
            {
                self.counted = Some((before.at, now.at));
                self.none_counted.get_or_insert(before.at);
                self.strangers = before.unseen;
            }
            if let (Some((_, counted)), [now, ..]) = (self.counted, &cgroups[..])
                && now.at <= counted.after(DIES)
            {
                self.stranger_left |= now.unseen.is_some() && now.unseen < self.strangers;
            }
            self.fill(cgroups);
            self.last.clone_from(cgroups);
        }
        if let Some(system) = &snapshot.system {
            if let Some(kills) = system.events.oom_kill {
                self.host_kills = Some((self.host_kills.map_or(kills, |(first, _)| first), kills));
            }
            self.host_memory = system.memory.total.or(self.host_memory);
            let available = system.memory.available;
            self.least_available = match (self.least_available, available) {
                (Some(least), Some(now)) => Some(least.min(now)),
                (least, now) => least.or(now),
            };
        }
    }

    /// Notes whether the one with the tightest limit is at it, with its page cache, which may be all that fills it.
    fn fill(&mut self, cgroups: &[Cgroup]) {
        let was_full = std::mem::take(&mut self.is_full);
        let Some((cgroup, limit)) = tightest(cgroups) else { return };
        // After a move, or where a limit was set meanwhile, it is another one: what was seen is not of it.
        if tightest(&self.last).is_some_and(|(before, _)| before.path != cgroup.path) {
            self.full = None;
        }
        // The kernel charges in batches, for each processor (mm/memcontrol.c MEMCG_CHARGE_BATCH), and reclaim goes below it.
        if cgroup.usage.is_some_and(|usage| usage.0 >= limit.0 / 32 * 31) {
            self.is_full = true;
            let since = self.full.filter(|_| was_full).map_or(cgroup.at, |(since, _)| since);
            self.full = Some((since, cgroup.at));
        }
    }

    /// The lowest cgroup whose counter of kills rose: its path, from and to.
    pub(super) fn kills(&self, own: Option<&[u8]>) -> Option<(Box<[u8]>, u64, u64)> {
        self.last.iter().find_map(|last| {
            let first = self.first.iter().find(|first| first.path == last.path)?;
            // One that was made for the run began at nothing, however late it was looked at first.
            let from = if own == Some(&*last.path.0) { 0 } else { first.events.oom_kill? };
            let to = last.events.oom_kill?;
            (to > from).then(|| (last.path.0.as_ref().into(), from, to))
        })
    }

    /// Whether the lowest cgroup above the tree tells how many were killed in it: the kernel counts a kill there, whoever
    /// was full (mm/memcontrol.c memcg_memory_event_mm).
    pub(super) fn count_kills(&self) -> bool {
        self.last.first().is_some_and(|lowest| lowest.events.oom_kill.is_some())
    }

    /// The tightest limit above the tree.
    pub(super) fn room(&self, own: Option<&[u8]>) -> Option<Room> {
        let machine = self.host_memory;
        match tightest(&self.last).filter(|(_, limit)| machine.is_none_or(|machine| *limit < machine)) {
            Some((cgroup, limit)) => {
                let is_own = own == Some(&*cgroup.path.0);
                Some(Room {
                    cgroup: Some(cgroup.path.0.as_ref().into()),
                    is_own,
                    limit,
                    peak: cgroup.peak.filter(|_| is_own),
                    shmem: cgroup.stat.shmem,
                })
            }
            None => machine.map(|limit| Room {
                cgroup: None,
                is_own: false,
                limit,
                peak: self.least_available.map(|least| limit.saturating_sub(least)),
                shmem: None,
            }),
        }
    }
}

/// The cgroup with the tightest limit, and that.
fn tightest(cgroups: &[Cgroup]) -> Option<(&Cgroup, Bytes)> {
    let limited = cgroups.iter().filter_map(|cgroup| Some((cgroup, cgroup.limit.flatten()?)));
    limited.min_by_key(|(_, limit)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::cgroup::Version;
    use crate::snapshot::process::CgroupPath;

    #[test]
    fn how_long_a_cgroup_was_full_is_not_told_of_the_one_that_the_run_moved_to() {
        let look = |second, path: &str, mib| {
            let at = Timestamp::from_secs(second);
            let cgroup = Cgroup::unread(CgroupPath::new(path), Version::V2, at);
            vec![Cgroup { limit: Some(Some(Bytes::from_mib(100))), usage: Some(Bytes::from_mib(mib)), ..cgroup }]
        };
        let mut surroundings = Surroundings::default();
        let mut full = |second, path, mib| {
            let cgroups = look(second, path, mib);
            surroundings.fill(&cgroups);
            surroundings.last = cgroups;
            surroundings.full.map(|(since, to)| [since, to].map(|at| at.since(Timestamp(0)).as_secs()))
        };
        assert_eq!(full(1, "/job", 50), None);
        assert_eq!((full(2, "/job", 98), full(4, "/job", 100)), (Some([2, 2]), Some([2, 4])));
        assert_eq!(full(5, "/job", 50), Some([2, 4]), "the last such time");
        assert_eq!((full(6, "/job/own", 50), full(7, "/job/own", 99)), (None, Some([7, 7])));
        assert_eq!(full(8, "/job", 99), Some([8, 8]));
    }
}
