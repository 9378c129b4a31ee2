//! What stands around a run: the cgroups above its tree and the machine, at the start and now. Refuses to take the kills of
//! others for those of the run: it only says whose counter rose.

use std::time::Duration;

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, Timestamp};

use super::report::Room;

/// To give back what it held takes a victim a while.
pub(super) const DIES: Duration = Duration::from_secs(1);

/// Kills that a cgroup counted while the run was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CountedKills {
    pub path: Box<[u8]>,
    pub from: u64,
    pub to: u64,
    /// It is above one that some of the run was in.
    pub is_shared: bool,
}

/// A cgroup that was full when somebody was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RanFull {
    pub path: Box<[u8]>,
    pub limit: Bytes,
    /// The kernel says so, and it is not just the tightest.
    pub is_told: bool,
}

/// The cgroups above the tree and the machine, at the start and now.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    first: Vec<Cgroup>,
    /// So many of these were looked at when it began.
    from_the_beginning: usize,
    last: Vec<Cgroup>,
    /// Where somebody of the run was seen.
    places: Vec<CgroupPath>,
    /// No cgroup is above the topmost of them.
    pub(super) sees_all: bool,
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
            let is_beginning = self.first.is_empty();
            for cgroup in cgroups {
                if self.first.iter().all(|first| first.path != cgroup.path) {
                    self.first.push(cgroup.clone());
                }
            }
            if is_beginning {
                self.from_the_beginning = self.first.len();
            }
            self.place(&cgroups[0].path);
            self.sees_all = snapshot.machine.initial_cgroup_namespace == Some(true)
                && cgroups.last().is_some_and(|top| *top.path.0 == *b"/");
            if let (Some(before), Some(now)) = (lowest(&self.last), lowest(cgroups))
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
        for place in snapshot.memberships.iter().filter_map(|fact| fact.reading.as_ref().ok()) {
            self.place(place);
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

    fn place(&mut self, path: &CgroupPath) {
        // More than this is no run.
        const MOST: usize = 1000;
        if self.places.len() < MOST && !self.places.contains(path) {
            self.places.push(path.clone());
        }
    }

    /// The lowest cgroup whose counter of kills rose and may have risen for one of the run. The kernel counts a kill at the
    /// victim's own cgroup, and on v2 at all above it (memcg_memory_event_mm): where the one below stood still, it was of others.
    pub(super) fn kills(&self, own: Option<&[u8]>) -> Option<CountedKills> {
        // Whom we make a cgroup for is in ours before it enters that.
        let start = self.first.first().filter(|_| own.is_some()).map(|start| &start.path);
        let is_place = |place: &&CgroupPath| Some(*place) != start || own == Some(&*place.0);
        let rises = self.last.iter().filter_map(|last| Some((last, self.rise(last, own, |one| one.events.oom_kill)?)));
        let (risen, still): (Vec<_>, Vec<_>) = rises.partition(|(_, (from, to, _))| to > from);
        let is_of_others = |place: &CgroupPath, risen: &Cgroup| {
            let stood = |(below, (_, _, is_whole)): &(&Cgroup, _)| {
                *is_whole && counts(below, place) && below.path.is_within(&risen.path)
            };
            still.iter().any(stood)
        };
        let of_us = risen.into_iter().filter(|(risen, _)| {
            self.places.iter().filter(is_place).any(|place| counts(risen, place) && !is_of_others(place, risen))
        });
        let (lowest_risen, (from, to, _)) =
            of_us.reduce(|one, other| if other.0.path.is_within(&one.0.path) { other } else { one })?;
        let is_below = |one: &Cgroup| one.path != lowest_risen.path && one.path.is_within(&lowest_risen.path);
        let is_shared = self.last.iter().any(|one| is_below(one) && one.events.oom_kill.is_some());
        Some(CountedKills { path: lowest_risen.path.0.as_ref().into(), from, to, is_shared })
    }

    /// From what to what one of its counters rose, and whether that is since the beginning of the run.
    fn rise(&self, last: &Cgroup, own: Option<&[u8]>, of: impl Fn(&Cgroup) -> Option<u64>) -> Option<(u64, u64, bool)> {
        let at = self.first.iter().position(|first| first.path == last.path)?;
        // One that was made for the run began at nothing, however late it was looked at first.
        let is_own = own == Some(&*last.path.0);
        let from = if is_own { 0 } else { of(&self.first[at])? };
        Some((from, of(last)?, is_own || at < self.from_the_beginning))
    }

    /// Which cgroup was at its limit as somebody was killed: the one whose `oom` rose (v2, mm/memcontrol.c mem_cgroup_oom), else
    /// the one with the tightest limit, unless it never held so much. `None`: none that can be seen was.
    pub(super) fn ran_full(&self, own: Option<&[u8]>) -> Option<RanFull> {
        let killed = CgroupPath(self.kills(own)?.path.into());
        let was_full = |last: &Cgroup, limit: Bytes| match last.version {
            // `failcnt` does not count what the limit on memory with swap refuses.
            Version::V1 => {
                let bounds_alone = last.memory_and_swap_limit.flatten().is_none();
                (bounds_alone && last.peak? < Bytes(limit.0 / 10 * 9)).then_some(false)
            }
            Version::V2 => {
                let (from, to, is_whole) = self.rise(last, own, |cgroup| cgroup.events.oom)?;
                (is_whole || to > from).then_some(to > from)
            }
        };
        let is_limit = |limit: &Bytes| self.host_memory.is_none_or(|machine| *limit < machine);
        let above = self.last.iter().filter(|last| killed.is_within(&last.path));
        let limited = above.filter_map(|last| {
            let limit = last.limit.flatten().filter(is_limit)?;
            Some((last, limit, was_full(last, limit)))
        });
        let full = limited.filter(|(.., was_full)| *was_full != Some(false)).min_by_key(|(_, limit, _)| *limit);
        full.map(|(last, limit, was_full)| RanFull {
            path: last.path.0.as_ref().into(),
            limit,
            is_told: was_full == Some(true),
        })
    }

    /// Whether a cgroup above the tree tells how many were killed in it.
    pub(super) fn count_kills(&self) -> bool {
        lowest(&self.last).is_some()
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

/// The lowest that has the memory controller: one without is a part of the one above.
fn lowest(cgroups: &[Cgroup]) -> Option<&Cgroup> {
    cgroups.iter().find(|cgroup| cgroup.events.oom_kill.is_some())
}

/// Whether a kill of one that is in this place counts there.
fn counts(cgroup: &Cgroup, place: &CgroupPath) -> bool {
    match cgroup.version {
        Version::V1 => *place == cgroup.path,
        Version::V2 => place.is_within(&cgroup.path),
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
