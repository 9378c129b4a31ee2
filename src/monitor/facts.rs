//! Lays the facts of a snapshot over the rows. The last known value stays until another is read; what a dying process
//! no longer tells keeps its last value too. Refuses to conclude anything from them.

use std::sync::Arc;

use crate::snapshot::process::{Executable, Status};
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::{MaybeKib, ProcessId, Timestamp};

use super::history::{Bounds, Epoch};
use super::memory::{Group, Memory};
use super::report::{Identity, ProcessReport};

/// Lays all facts of processes over the rows; both are sorted by number. Gives whether what cannot be read changed.
pub(super) fn lay(
    snapshot: &Snapshot,
    rows: &mut [ProcessReport],
    memories: &mut [Memory],
    epoch: Epoch,
    bounds: Bounds,
    shared: &mut Shared,
) -> bool {
    let page = snapshot.machine.page_size;
    let mut rows = Known { rows, memories, refusals_changed: false };
    rows.lay(Group::Statm, &snapshot.statms, |row, memory, at, statm| {
        row.sized_at = at;
        let resident = statm.resident.bytes(page);
        if row.rss != MaybeKib::from_bytes(resident) {
            (memory.stat_is_fresh, memory.status_is_fresh) = (false, false);
        }
        row.rss = MaybeKib::from_bytes(resident);
        row.rss_anon = MaybeKib::from_bytes(statm.resident.saturating_sub(statm.shared).bytes(page));
        row.virtual_size = statm.size.bytes(page);
        row.peak_rss = row.peak_rss.get().max(Some(resident)).into();
        memory.series.push(epoch.millis(at), resident, bounds);
    });
    rows.lay(Group::Stat, &snapshot.stats, |row, memory, _, stat| {
        row.parent = stat.parent;
        row.threads = stat.threads;
        row.state = stat.state;
        memory.stat_rss = Some(u32::try_from(stat.rss.0).unwrap_or(u32::MAX));
        memory.stat_is_fresh = true;
        if row.sized_at == Timestamp(0) {
            // `statm` is exact, but of thousands that are new at once it is not read of everyone in the same pass.
            row.rss = MaybeKib::from_bytes(stat.rss.bytes(page));
        }
        memory.dying = Memory::exits(stat);
        if *row.identity.name != *stat.name.as_bytes() {
            identity(row).name = stat.name.as_bytes().into();
        }
    });
    rows.lay(Group::Status, &snapshot.statuses, |row, memory, at, status| {
        lay_status(row, status);
        memory.administrator = status.capabilities & 1 << 21 != 0;
        // A dying process has no Vm lines any more: what it had stays, with the age it has.
        if status.rss.is_some() {
            row.status_at = at;
            memory.status_is_fresh = true;
        }
    });
    rows.lay(Group::Adjustment, &snapshot.adjustments, |row, memory, at, adj| {
        row.oom_score_adj = Some(*adj);
        memory.adjusted = epoch.millis(at);
    });
    rows.lay(Group::Score, &snapshot.oom_scores, |row, _, _, score| row.oom_score = Some(*score));
    rows.lay(Group::Cgroup, &snapshot.memberships, |row, _, _, path| {
        if row.identity.cgroup.as_ref() != Some(path) {
            identity(row).cgroup = Some(path.clone());
        }
    });
    rows.lay(Group::Command, &snapshot.commands, |row, _, _, command| {
        if row.identity.command.as_ref() != Some(command) {
            identity(row).command = Some(Arc::clone(command));
        }
    });
    rows.lay(Group::Executable, &snapshot.executables, |row, _, _, executable| {
        if row.identity.executable.as_ref() != Some(executable) {
            let identity = identity(row);
            identity.test_package = executable.go.as_ref().and_then(|go| go.path.strip_suffix(".test")).map(Into::into);
            identity.executable = Some(shared.of(executable));
        }
    });
    rows.lay(Group::Rollup, &snapshot.rollups, |row, _, at, rollup| {
        row.rollup_at = at;
        row.pss = MaybeKib::from_bytes(rollup.pss);
        row.uss = MaybeKib::from_bytes(rollup.private);
        row.swap_pss = MaybeKib::from_bytes(rollup.swap_pss);
    });
    rows.refusals_changed
}

/// Executables that were met lately: a hundred workers of one program share what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Vec<Arc<Executable>>);

impl Shared {
    const MOST: usize = 64;

    fn of(&mut self, executable: &Arc<Executable>) -> Arc<Executable> {
        if let Some(known) = self.0.iter().position(|known| known == executable) {
            self.0[..=known].rotate_right(1);
        } else {
            self.0.truncate(Self::MOST - 1);
            self.0.insert(0, Arc::clone(executable));
        }
        Arc::clone(&self.0[0])
    }
}

fn identity(row: &mut ProcessReport) -> &mut Identity {
    Arc::make_mut(&mut row.identity)
}

fn lay_status(row: &mut ProcessReport, status: &Status) {
    if row.identity.uid != Some(status.uid) {
        identity(row).uid = Some(status.uid);
    }
    if status.rss.is_none() {
        return;
    }
    row.rss_file = status.rss_file.into();
    row.rss_shmem = status.rss_shmem.into();
    row.swap = status.swap.into();
    row.page_tables = status.page_tables.into();
    row.hugetlb = status.hugetlb.into();
    row.peak_rss = row.peak_rss.get().max(status.peak_rss).into();
}

struct Known<'a> {
    rows: &'a mut [ProcessReport],
    memories: &'a mut [Memory],
    refusals_changed: bool,
}

impl Known<'_> {
    /// One walk over facts and rows together.
    fn lay<T>(
        &mut self,
        group: Group,
        facts: &[Fact<T>],
        mut apply: impl FnMut(&mut ProcessReport, &mut Memory, Timestamp, &T),
    ) {
        let mut index = 0;
        for fact in facts {
            let ProcessId { pid, .. } = fact.id;
            while self.rows.get(index).is_some_and(|row| row.id.pid < pid) {
                index += 1;
            }
            let Some(row) = self.rows.get_mut(index).filter(|row| row.id == fact.id) else { continue };
            let memory = &mut self.memories[index];
            let outcome = match &fact.reading {
                Ok(value) => {
                    apply(row, memory, fact.at, value);
                    Ok(())
                }
                Err(reason) => Err(*reason),
            };
            if memory.refused.note(group, outcome) {
                self.refusals_changed = true;
                let rest = row.denied.without(group.facts());
                row.denied = if outcome == Err(Unreadable::Denied) { rest.union(group.facts()) } else { rest };
            }
        }
    }
}
