//! What counters and absences say of kills: of cgroups and of the machine, and who is not there any more. Each word finds
//! the kill that it is of, or is the first of another. Refuses to make a certainty of what only counters say.

use std::sync::Arc;

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::CgroupPath;
use crate::text::printable;
use crate::units::ProcessId;

use super::super::kill_report::{Confidence, Evidence, KillDomain, KillGroup, Killed};
use super::super::report::ProcessReport;
use super::account::{explain, is_unlimited, known_domain, place, place_on_machine, remember_victim};
use super::{Kills, Look, MOST, Open, SUSPECTS, Suspect};

/// What the counters of a cgroup said in this pass and before.
#[derive(Debug)]
pub(super) struct Counters {
    pub path: CgroupPath,
    /// `oom_kill`, then and now.
    kills: [Option<u64>; 2],
    /// How often its limit was in the way, then and before: v2 `oom`, v1 `memory.failcnt`.
    hits: [Option<u64>; 3],
}

impl Counters {
    fn of(path: &CgroupPath) -> Self {
        Self { path: path.clone(), kills: [None; 2], hits: [None; 3] }
    }

    fn count(&mut self, cgroup: &Cgroup) {
        self.kills = [self.kills[1], cgroup.events.oom_kill];
        // Of v1 `memory.memsw` has a count of its own, which is not read.
        let hits = match cgroup.version {
            Version::V1 if matches!(cgroup.memory_and_swap_limit, Some(Some(_))) => None,
            Version::V1 => cgroup.events.max,
            Version::V2 => cgroup.events.oom,
        };
        self.hits = [self.hits[1], self.hits[2], hits];
    }

    /// `oom_kill`, as it was read last.
    pub(super) fn kills(&self) -> Option<u64> {
        self.kills[1]
    }

    /// From and to what its count of kills went up.
    fn killed(&self) -> Option<(u64, u64)> {
        let [before, now] = self.kills;
        before.zip(now).filter(|(from, to)| from < to)
    }

    /// Whether its limit was hit in this pass or in the one before: the kernel counts that before it looks for a victim
    /// (mm/memcontrol.c `mem_cgroup_oom`; mm/page_counter.c `page_counter_try_charge`). `None`: that is not known.
    pub(super) fn was_hit(&self) -> Option<bool> {
        let [earlier, before, now] = self.hits;
        Some(now? > earlier.or(before)?)
    }
}

impl Kills {
    /// Counters of cgroups. On v2 those above count too: the lowest goes first, the others find the same kill.
    pub(super) fn count_cgroups(&mut self, look: &Look<'_>) {
        let Some(cgroups) = &look.snapshot.cgroups else { return };
        let same = self.cgroups.len() == cgroups.len()
            && self.cgroups.iter().zip(cgroups).all(|(known, cgroup)| known.path == cgroup.path);
        if !same {
            let mut known = std::mem::take(&mut self.cgroups);
            let mut counters = |path: &CgroupPath| {
                let at = known.iter().position(|known| known.path == *path);
                at.map_or_else(|| Counters::of(path), |at| known.swap_remove(at))
            };
            self.cgroups = cgroups.iter().map(|cgroup| counters(&cgroup.path)).collect();
        }
        self.cgroups.iter_mut().zip(cgroups).for_each(|(counters, cgroup)| counters.count(cgroup));
        for (index, cgroup) in cgroups.iter().enumerate().rev() {
            let Some((from, to)) = self.cgroups[index].killed() else { continue };
            let counts = |open: &Open| match (&open.cgroup, cgroup.version) {
                (None, _) => open.report.victim.as_ref().is_none_or(|victim| victim.id.is_none()),
                (Some(own), Version::V1) => *own == cgroup.path,
                (Some(own), Version::V2) => {
                    let group = open.report.group.as_ref();
                    own.is_within(&cgroup.path) || group.is_some_and(|group| cgroup.path.is_within(&group.path))
                }
            };
            let mut left = to - from;
            for open in self.open.iter_mut().filter(|open| counts(open)) {
                if left > 0 && !open.counted.iter().any(|(path, _)| *path == cgroup.path) {
                    let deaths = left.min(open.deaths());
                    left -= deaths;
                    open.count(&cgroup.path, (from, to), deaths);
                    if open.report.domain.is_none() {
                        // Also where the kernel names who, and keeps for itself whose limit it was: it writes ten such
                        // lines in five seconds (mm/oom_kill.c oom_rs).
                        let own = open.cgroup.take().unwrap_or_else(|| cgroup.path.clone());
                        place(open, &own, &self.cgroups, look.before);
                        let domain = known_domain(&open.report, look.before);
                        explain(&mut open.report, domain, look.before);
                    }
                    open.cgroup.get_or_insert_with(|| cgroup.path.clone());
                }
            }
            if left == 0 {
                continue;
            }
            if let Some(open) = self.open.iter_mut().rev().find(|open| counts(open) && open.may_still_lose_members()) {
                open.count(&cgroup.path, (from, to), left);
                continue;
            }
            // More than are kept need no name.
            for _ in 0..MOST {
                if left == 0 {
                    break;
                }
                let index = self.open(look);
                let open = &mut self.open[index];
                place(open, &cgroup.path, &self.cgroups, look.before);
                let group = group_above(cgroups, &cgroup.path, open.report.domain.as_ref());
                let deaths = if group.is_some() { left } else { 1 };
                left -= deaths;
                if let Some(group) = group {
                    open.join(group);
                }
                open.count(&cgroup.path, (from, to), deaths);
            }
        }
    }

    /// The counter of the machine, which counts kills in cgroups too.
    pub(super) fn count_machine(&mut self, look: &Look<'_>) {
        let now = look.snapshot.system.and_then(|system| system.events.oom_kill);
        let before = now.and_then(|now| self.machine.replace(now));
        let counted = now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        if self.owed.deaths == 0 {
            self.owed.from = before.unwrap_or_default();
        }
        let (from, to) = (self.owed.from, self.machine.unwrap_or_default());
        let mut left = self.owed.deaths.saturating_add(counted);
        for open in &mut self.open {
            let deaths = left.min(open.deaths_of_machine().saturating_sub(open.machine));
            if deaths > 0 && open.machine == 0 {
                open.report.evidence.push(Evidence::Machine { from, to });
            }
            open.machine += deaths;
            left -= deaths;
        }
        self.owed.deaths = left;
        if self.open.iter().any(Open::may_still_lose_members) {
            return;
        }
        for _ in 0..left.min(MOST as u64) {
            let index = self.open(look);
            self.open[index].machine = 1;
            self.open[index].report.evidence.push(Evidence::Machine { from, to });
        }
        self.owed.deaths = 0;
    }

    pub(super) fn see_who_left(&mut self, look: &Look<'_>) {
        let Look { snapshot, before, same_scope, .. } = *look;
        if !same_scope {
            return;
        }
        let gone = Evidence::Gone { after: before.time, by: snapshot.ended };
        for row in before.processes.iter().filter(|row| has_left(row, snapshot)) {
            let is_victim = |open: &&mut Open| {
                open.report.victim.as_ref().is_some_and(|victim| victim.id == Some(row.id)) && !open.gone
            };
            if let Some(open) = self.open.iter_mut().find(is_victim) {
                open.gone = true;
                open.report.evidence.push(gone.clone());
                continue;
            }
            let own = row.identity.cgroup.as_ref();
            let dies_with = |open: &&mut Open| {
                let group = open.report.group.as_ref().filter(|_| open.report.victim.is_some());
                let inside = |group: &KillGroup| own.is_some_and(|own| own.is_within(&group.path));
                group.is_some_and(|group| group.has(&known(row)) || open.may_still_lose_members() && inside(group))
            };
            if let Some(open) = self.open.iter_mut().find(dies_with) {
                open.add_member(known(row));
                continue;
            }
            for open in self.open.iter_mut().filter(|open| open.report.victim.is_none() || open.is_of_a_stranger()) {
                let is_known = open.suspects.iter().any(|suspect| suspect.row.id == row.id);
                if open.may_be_of(row) && !is_known && open.suspects.len() < SUSPECTS {
                    let first = before.host().and_then(|machine| machine.victims.first());
                    open.suspects.push(Suspect {
                        row: row.clone(),
                        detail: (look.detail)(row.id),
                        gone: gone.clone(),
                        leads_machine: first.is_some_and(|victim| victim.id == row.id),
                    });
                }
            }
        }
    }

    /// Where the log has not come by the second pass, one of those that vanished was it: the first of the ranking, else
    /// the biggest. Where no log can come the first of the ranking is not waited for: who is not gone yet may be another.
    /// Where only the machine has counted no ranking is known yet: the counter of a cgroup may come with the next pass.
    pub(super) fn name_the_nameless(&mut self, look: &Look<'_>) {
        let dead = self.open.iter().flat_map(|open| {
            let members = open.report.group.iter().flat_map(|group| &group.members);
            open.report.victim.iter().chain(members).filter_map(|killed| killed.id)
        });
        let mut taken: Vec<ProcessId> = dead.collect();
        let is_deaf = self.is_deaf;
        let is_due = |open: &&mut Open| open.report.victim.is_none() && (is_deaf || open.age > 0);
        for open in self.open.iter_mut().filter(is_due) {
            let mut suspects = std::mem::take(&mut open.suspects);
            // Who left before the cgroup was known may have been elsewhere.
            suspects.retain(|suspect| !taken.contains(&suspect.row.id) && open.may_be_of(&suspect.row));
            open.suspects = suspects;
            let rank = |id: ProcessId| {
                let ranked = open.report.candidates.iter().find(|candidate| candidate.who.id == Some(id));
                ranked.map_or(u32::MAX, |candidate| candidate.victim.rank.wrapping_sub(1))
            };
            let order = |Suspect { row, leads_machine, .. }: &Suspect| {
                let leads = *leads_machine || row.risk == Some(1);
                (rank(row.id), !leads, std::cmp::Reverse(row.rss.get()))
            };
            let Some(best) = (0..open.suspects.len()).min_by_key(|index| order(&open.suspects[*index])) else {
                continue;
            };
            if open.age == 0 && rank(open.suspects[best].row.id) > 0 {
                continue;
            }
            let suspect = open.suspects.swap_remove(best);
            let deaths = open.deaths();
            let report = &mut open.report;
            // Processes end all the time; in a cgroup whose counter moved the only one that did is likely it. Where no
            // cgroup counted, so is the one that the machine itself would have taken, and not the first of some cgroup.
            let is_all = (open.suspects.len() as u64) < deaths;
            let likely = is_all && (open.cgroup.is_some() || suspect.leads_machine);
            report.confidence = if likely { Confidence::Likely } else { Confidence::Guess };
            if report.group.is_none() {
                report.others = open.suspects.len() as u32;
            }
            let row = &suspect.row;
            taken.push(row.id);
            report.victim = Some(known(row));
            remember_victim(report, row, suspect.detail);
            if report.domain.is_none() && is_unlimited(row, look.before) {
                let before = Arc::clone(&open.before);
                place_on_machine(open, &before);
            }
            let report = &mut open.report;
            let domain = known_domain(report, look.before);
            explain(report, domain, look.before);
            report.evidence.push(suspect.gone);
            open.gone = true;
            for other in std::mem::take(&mut open.suspects) {
                if open.report.group.is_some() {
                    taken.push(other.row.id);
                    open.add_member(known(&other.row));
                }
            }
        }
    }
}

impl Open {
    /// Whether the victim may have been this one, by where it was.
    pub(super) fn may_be_of(&self, row: &ProcessReport) -> bool {
        let own = row.identity.cgroup.as_ref();
        // What was moved lately says the cgroup that it was in; the list of the cgroup knows better.
        let is_listed = || self.report.candidates.iter().any(|candidate| candidate.who.id == Some(row.id));
        self.cgroup.as_ref().is_none_or(|path| own.is_some_and(|own| own.is_within(path))) || is_listed()
    }

    /// The counter of this cgroup counts so many deaths of it.
    fn count(&mut self, path: &CgroupPath, (from, to): (u64, u64), deaths: u64) {
        let counted = self.counted.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            self.counted.push((path.clone(), 0));
            self.counted.len() - 1
        });
        let total = &mut self.counted[counted].1;
        *total += deaths;
        let total = *total;
        let mut is_inside = false;
        if let Some(group) = &mut self.report.group {
            // The one that was chosen is killed with its group once more, and counted again unless it is gone already
            // (mm/oom_kill.c oom_kill_process).
            group.count = group.count.max(u32::try_from(total - 1).unwrap_or(u32::MAX));
            is_inside = path.is_within(&group.path) && *path != group.path;
        }
        // Where members of a group sat says no more than the group's own counter.
        if is_inside && self.cgroup.as_ref().is_some_and(|own| !own.is_within(path)) {
            return;
        }
        let name = printable(&path.0);
        let before = self.report.evidence.iter_mut().find_map(|evidence| match evidence {
            Evidence::Cgroup { path, to, .. } if **path == *name => Some(to),
            _ => None,
        });
        match before {
            Some(before) => *before = to,
            None => self.report.evidence.push(Evidence::Cgroup { path: (&*name).into(), from, to }),
        }
    }
}

pub(super) fn known(row: &ProcessReport) -> Killed {
    Killed { id: Some(row.id), pid: row.id.pid, is_of_host: false, name: row.identity.name.clone() }
}

/// The highest cgroup above this one, inside of the domain, that dies together (mm/memcontrol.c
/// mem_cgroup_get_oom_group).
pub(super) fn group_above(cgroups: &[Cgroup], path: &CgroupPath, domain: Option<&KillDomain>) -> Option<CgroupPath> {
    let domain = domain.filter(|domain| !domain.is_host).map(|domain| CgroupPath::new(&*domain.path));
    let inside = |group: &CgroupPath| domain.as_ref().is_none_or(|domain| group.is_within(domain));
    let mut groups = cgroups.iter().filter(|cgroup| cgroup.oom_group == Some(true)).map(|cgroup| &cgroup.path);
    groups.find(|group| path.is_within(group) && inside(group)).cloned()
}

/// It is not in the roster any more, or dead and not reaped.
pub(super) fn has_left(row: &ProcessReport, snapshot: &Snapshot) -> bool {
    let dead = |state: u8| matches!(state, b'Z' | b'X');
    let at = snapshot.stats.binary_search_by_key(&row.id, |fact| fact.id);
    let died = at.is_ok_and(|at| snapshot.stats[at].reading.is_ok_and(|stat| dead(stat.state) && !stat.leader_dead));
    snapshot.roster.binary_search(&row.id).is_err() || died && !dead(row.state)
}
