//! What the Monitor keeps of each process beside its row in the report, and how both lists follow the roster. Refuses
//! to hold what the row holds already.

use std::sync::Arc;

use crate::snapshot::Unreadable;
use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::Stat;
use crate::units::{Bytes, ProcessId, Timestamp};

use super::history::{Epoch, Millis, Series};
use super::report::{Identity, ProcessReport, UnreadableReport};
use super::warning::Watch;

/// One process, beside its row.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// RSS over time.
    pub series: Series,
    /// Field 24 of `stat`, where it was read: pages, up to 16 TiB of small ones.
    pub stat_rss: Option<u32>,
    /// What could not be read.
    pub refused: Refused,
    /// `stat` was read together with RSS: in the pass in which `statm` last said something new, or later. Whose sum of
    /// pages is the same in two passes is taken not to have moved them between its counters' processors either; of
    /// candidates it is read in every pass.
    pub stat_is_fresh: bool,
    /// So was `status`.
    pub status_is_fresh: bool,
    /// PF_ flags and state say that it is on its way out.
    pub dying: bool,
    /// CapEff has CAP_SYS_ADMIN: before 4.17 the killer spared 3 % of such a process.
    pub administrator: bool,
    /// It has its share in a rush that fills its domain.
    pub imminent: bool,
    /// When its oom_score_adj was last read: somebody else may have changed it since.
    pub adjusted: Millis,
    /// Its own early warning, and since when it says what the row says.
    pub watch: Watch,
    pub warned: Millis,
}

impl Memory {
    /// The epoch moved.
    pub(super) fn rebase(&mut self, shift: Millis) {
        self.series.rebase(shift);
        self.adjusted = self.adjusted.saturating_sub(shift);
        self.warned = self.warned.saturating_sub(shift);
    }

    /// Whether it is on its way out: its memory is going already.
    pub(super) fn exits(stat: &Stat) -> bool {
        const EXITING: u32 = 0x4;
        !stat.leader_dead && (matches!(stat.state, b'Z' | b'X' | b'x') || stat.flags & EXITING != 0)
    }
}

/// Groups of facts that can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Statm,
    Stat,
    Status,
    Adjustment,
    Score,
    Cgroup,
    Command,
    Executable,
    Rollup,
}

impl Group {
    const ALL: [(Self, &'static [&'static str]); 9] = [
        (Self::Statm, &["rss_bytes", "rss_anon_bytes", "virtual_bytes"]),
        (Self::Stat, &["name", "ppid", "state", "threads"]),
        (
            Self::Status,
            &[
                "uid",
                "user",
                "rss_file_bytes",
                "rss_shmem_bytes",
                "swap_bytes",
                "page_table_bytes",
                "peak_rss_bytes",
                "hugetlb_bytes",
            ],
        ),
        (Self::Adjustment, &["oom_score_adj"]),
        (Self::Score, &["oom_score"]),
        (Self::Cgroup, &["cgroup"]),
        (Self::Command, &["command"]),
        (Self::Executable, &["go"]),
        (Self::Rollup, &["pss_bytes", "uss_bytes", "swap_pss_bytes"]),
    ];

    /// As columns name what they need.
    pub(super) const fn facts(self) -> FactGroups {
        match self {
            Self::Statm => FactGroups::NONE,
            Self::Stat => FactGroups::STAT,
            Self::Status => FactGroups::STATUS,
            Self::Adjustment => FactGroups::ADJUSTMENT,
            Self::Score => FactGroups::OOM_SCORE,
            Self::Cgroup => FactGroups::CGROUP,
            Self::Command => FactGroups::COMMAND,
            Self::Executable => FactGroups::EXECUTABLE,
            Self::Rollup => FactGroups::ROLLUP,
        }
    }
}

const REASONS: [Unreadable; 6] = [
    Unreadable::Denied,
    Unreadable::Unsupported,
    Unreadable::Malformed,
    Unreadable::TooLong,
    Unreadable::TimedOut,
    Unreadable::Failed,
];

/// Why each group could not be read the last time, three bits a group: 0 is "it could".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refused(u32);

impl Refused {
    /// Notes the outcome of a read; gives whether that is news. "It ended" is no reason: the roster tells that.
    pub(super) fn note(&mut self, group: Group, outcome: Result<(), Unreadable>) -> bool {
        let code = match outcome {
            Ok(()) => 0,
            Err(reason) => match REASONS.iter().position(|known| *known == reason) {
                Some(index) => index as u32 + 1,
                None => return false,
            },
        };
        let shift = group as u32 * 3;
        let next = self.0 & !(0x7 << shift) | code << shift;
        std::mem::replace(&mut self.0, next) != next
    }

    pub(super) const fn any(self) -> bool {
        self.0 != 0
    }

    fn code(self, group: Group) -> u32 {
        self.0 >> (group as u32 * 3) & 0x7
    }
}

/// Sums what could not be read over processes. One that has ended has nothing that could be read.
pub(super) fn unreadable(rows: &[ProcessReport], memories: &[Memory], into: &mut Vec<UnreadableReport>) {
    into.clear();
    let refused = || rows.iter().zip(memories).filter(|(row, memory)| memory.refused.any() && !row.has_ended());
    for (group, fields) in Group::ALL {
        for (index, reason) in REASONS.into_iter().enumerate() {
            let of = || refused().filter(|(_, memory)| memory.refused.code(group) == index as u32 + 1);
            let count = of().count() as u32;
            if count > 0 {
                let pids: Vec<_> = of().take(20).map(|(row, _)| row.id.pid).collect();
                into.extend(fields.iter().map(|field| UnreadableReport { field, reason, count, pids: pids.clone() }));
            }
        }
    }
}

/// What is kept of a process that is gone.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub id: ProcessId,
    #[expect(dead_code, reason = "a post-mortem will name it")]
    pub identity: Arc<Identity>,
    pub series: Series,
    pub peak: Option<Bytes>,
    pub at: Timestamp,
}

/// Makes rows and memories follow the roster, both sorted by number. Gives the processes that left to `left`. Costs
/// one comparison per process when nothing changed, and never more than one walk.
pub(super) fn follow(
    rows: &mut Vec<ProcessReport>,
    memories: &mut Vec<Memory>,
    roster: &[ProcessId],
    mut left: impl FnMut(ProcessReport, Memory),
) -> bool {
    if rows.len() == roster.len() && rows.iter().map(|row| &row.id).eq(roster) {
        return false;
    }
    // Those that left: swapped behind those that stay, in order.
    let mut kept = 0;
    let mut expected = roster.iter().peekable();
    for index in 0..rows.len() {
        let id = rows[index].id;
        while expected.next_if(|next| next.pid < id.pid).is_some() {}
        if expected.peek() == Some(&&id) {
            rows.swap(kept, index);
            memories.swap(kept, index);
            kept += 1;
        }
    }
    for (row, memory) in rows.drain(kept..).zip(memories.drain(kept..)) {
        left(row, memory);
    }
    // Those that came: merged in from behind, so that each row moves once.
    let mut came = Vec::with_capacity(roster.len() - kept);
    let mut stay = rows.iter().map(|row| row.id).peekable();
    for id in roster {
        if stay.next_if_eq(id).is_none() {
            came.push(*id);
        }
    }
    // By a part at a time, not by doubling: the rows are most of what we weigh.
    let need = kept + came.len();
    if need > rows.capacity() {
        let room = need - kept + need / 32;
        rows.reserve_exact(room);
        memories.reserve_exact(room);
    }
    let (mut from, mut to) = (kept, need);
    rows.extend(came.iter().map(|id| ProcessReport::unread(*id)));
    memories.resize_with(need, Memory::default);
    while let Some(id) = came.last().copied() {
        to -= 1;
        if from > 0 && rows[from - 1].id.pid > id.pid {
            from -= 1;
            rows.swap(from, to);
            memories.swap(from, to);
        } else {
            came.pop();
            if rows[to].id != id {
                rows[to] = ProcessReport::unread(id);
            }
        }
    }
    true
}

/// The biggest of the ended, bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct EndedList(Vec<Ended>);

impl EndedList {
    pub(super) fn add(&mut self, row: &ProcessReport, memory: Memory, at: Timestamp, bound: usize) {
        let peak = row.peak_rss.get();
        if self.0.len() >= bound {
            let Some((index, least)) = self.0.iter().enumerate().min_by_key(|(_, ended)| (ended.peak, ended.at)) else {
                return;
            };
            if peak < least.peak {
                return;
            }
            self.0.swap_remove(index);
        }
        let mut series = memory.series;
        series.settle();
        self.0.push(Ended { id: row.id, identity: Arc::clone(&row.identity), series, peak, at });
    }

    pub(super) fn get(&self, id: ProcessId) -> Option<&Ended> {
        self.0.iter().find(|ended| ended.id == id)
    }

    pub(super) fn rebase(&mut self, shift: u32) {
        self.0.iter_mut().for_each(|ended| ended.series.rebase(shift));
    }
}

/// The corners of a series as times and sizes.
pub(super) fn corners(series: &Series, epoch: Epoch) -> Vec<(Timestamp, Bytes)> {
    series.corners().map(|point| (epoch.timestamp(point.at), Bytes::from_kib(u64::from(point.kib)))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reason_is_news_once_and_gone_is_none() {
        let mut refused = Refused::default();
        assert!(refused.note(Group::Rollup, Err(Unreadable::Denied)));
        assert!(!refused.note(Group::Rollup, Err(Unreadable::Denied)));
        assert!(!refused.note(Group::Stat, Err(Unreadable::Gone)));
        assert!(refused.any());
        assert!(refused.note(Group::Rollup, Ok(())));
        assert!(!refused.any());
    }

    #[test]
    fn of_what_has_ended_nothing_is_unreadable() {
        let mut row = ProcessReport::unread(ProcessId::new(7, 1));
        let mut memory = Memory::default();
        memory.refused.note(Group::Executable, Err(Unreadable::Unsupported));
        let memories = [memory];
        let mut told = |state: u8, threads: u32| {
            (row.state, row.threads) = (state, threads);
            let mut into = Vec::new();
            unreadable(std::slice::from_ref(&row), &memories, &mut into);
            into.iter().map(|one| one.field).collect::<Vec<_>>()
        };
        assert_eq!(told(b'S', 1), ["go"]);
        assert_eq!(told(b'Z', 1), [""; 0]);
        // A leader that has ended, whose threads live.
        assert_eq!(told(b'Z', 3), ["go"]);
    }

    #[test]
    fn the_biggest_of_the_ended_are_kept() {
        let mut ended = EndedList::default();
        for pid in 1..=10 {
            let mut row = ProcessReport::unread(ProcessId::new(pid, 1));
            row.peak_rss = Some(Bytes::from_mib(u64::from(pid % 7))).into();
            ended.add(&row, Memory::default(), Timestamp::from_secs(u64::from(pid)), 3);
        }
        let mut kept: Vec<_> = ended.0.iter().map(|ended| ended.id.pid.0).collect();
        kept.sort_unstable();
        assert_eq!(kept, [4, 5, 6]);
    }

    proptest! {
        #[test]
        fn rows_follow_any_roster_and_keep_what_they_know(
            rosters in prop::collection::vec(prop::collection::btree_map(1_u32..40, 1_u64..4, 0..30), 1..8)
        ) {
            let (mut rows, mut memories) = (Vec::new(), Vec::new());
            let mut known = std::collections::BTreeMap::new();
            for (turn, roster) in rosters.iter().enumerate() {
                let roster: Vec<_> = roster.iter().map(|(pid, start)| ProcessId::new(*pid, *start)).collect();
                let mut gone = Vec::new();
                follow(&mut rows, &mut memories, &roster, |row, memory| gone.push((row.id, memory.stat_rss)));
                prop_assert_eq!(rows.iter().map(|row: &ProcessReport| row.id).collect::<Vec<_>>(), roster.clone());
                prop_assert_eq!(memories.len(), roster.len());
                let expected: Vec<_> = known.iter().map(|(id, mark)| (*id, Some(*mark)))
                    .filter(|(id, _)| !roster.contains(id)).collect();
                gone.sort_unstable_by_key(|(id, _)| *id);
                prop_assert_eq!(gone, expected);
                known.retain(|id, _| roster.contains(id));
                for (row, memory) in rows.iter_mut().zip(&mut memories) {
                    let mark = row.id.pid.0 + 1000 * turn as u32;
                    prop_assert_eq!(memory.stat_rss, known.get(&row.id).copied());
                    prop_assert_eq!(row.threads > 0, known.contains_key(&row.id));
                    memory.stat_rss = Some(mark);
                    row.threads = 7;
                    known.insert(row.id, mark);
                }
            }
        }
    }
}
