//! All memory domains over time: which there are, how each one moves, who leads. Refuses to rank (that is `ranking`), to
//! sum (that is `domain`) and to know who is in them (that is `membership`).

use std::sync::Arc;

use crate::snapshot::Snapshot;
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, Pages, ProcessId, Timestamp};

use super::config::{MonitorConfig, WarningConfig};
use super::domain::{self, Measure};
use super::growth::{Scratch, Track};
use super::history::{Epoch, Millis};
use super::kernel_rules::KernelRules;
use super::membership::Membership;
use super::memory::Memory;
use super::ranking::{self, Members, Pass, Ranking, Scan};
use super::report::{DomainKind, DomainReport, Identity, Immune, Level, Report};

/// A process that ended in this pass and what it held: a fall that it explains is no sign of anything.
pub(super) type Left = (Arc<Identity>, Bytes);

/// What is remembered of the domains.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    cgroups: Membership,
    tracks: Vec<(DomainKind, CgroupPath, Track)>,
    ranking: Ranking,
    scratch: Scratch,
    /// Rows of the cgroup at hand, in the order of the scan.
    members: Vec<u32>,
    wanted: Vec<ProcessId>,
    /// Whose level rose in the last pass.
    risen: Vec<(DomainKind, CgroupPath)>,
}

/// What a pass brings to all domains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round<'a> {
    pub snapshot: &'a Snapshot,
    pub rules: &'a KernelRules,
    pub epoch: Epoch,
    pub left: &'a [Left],
    pub config: &'a MonitorConfig,
}

/// One domain of this pass before it is written down.
struct Found {
    kind: DomainKind,
    /// Index into the cgroups; `None` is the machine.
    cgroup: Option<usize>,
    at: Timestamp,
    measure: Measure,
}

impl Domains {
    /// Whose exact facts would settle the rankings.
    pub(super) fn wanted(&self) -> &[ProcessId] {
        &self.wanted
    }

    /// Whose level rose in the last pass.
    pub(super) fn risen(&self) -> &[(DomainKind, CgroupPath)] {
        &self.risen
    }

    pub(super) fn rebase(&mut self, shift: Millis) {
        self.tracks.iter_mut().for_each(|(_, _, track)| track.rebase(shift));
    }

    /// Measures, orders and ranks all domains of a pass, and marks each row with its place in the one that leads.
    pub(super) fn update(&mut self, round: &Round<'_>, report: &mut Report, memories: &mut [Memory]) {
        if let Some(cgroups) = &round.snapshot.cgroups {
            self.cgroups.follow(cgroups);
        }
        let found = self.find(round, report);
        self.forget_absent(&found);
        self.risen.clear();
        let mut before = std::mem::take(&mut report.domains);
        let mut domains: Vec<(Option<usize>, DomainReport)> = Vec::with_capacity(found.len());
        for found in &found {
            let path = found.cgroup.map_or_else(root, |index| self.cgroups[index].path.clone());
            let known = before.iter().position(|domain| domain.kind == found.kind && domain.path == path);
            let mut domain = match known {
                Some(index) => before.swap_remove(index),
                None => DomainReport::unranked(found.kind, path),
            };
            self.measure(&mut domain, found, report, round);
            domains.push((found.cgroup, domain));
        }
        // A cgroup in which nobody is has nobody to lose: it never leads, however small its limit.
        domains.sort_by_key(|(cgroup, domain)| {
            let deserted = cgroup.is_some_and(|index| self.cgroups.is_deserted(index));
            (deserted, domain.headroom.is_none(), domain.headroom, domain.limit)
        });
        self.find_smallest_limits(&mut domains);
        spare(round, report, memories);
        self.rank(&mut domains, round, report, memories);
        report.domains = domains.into_iter().map(|(_, domain)| domain).collect();
    }

    /// Limits above count as well; a container sees of those only the number that v1 tells.
    fn find_smallest_limits(&self, domains: &mut [(Option<usize>, DomainReport)]) {
        for index in 0..domains.len() {
            let (cgroup, domain) = &domains[index];
            let above = domains.iter().filter(|(_, other)| {
                other.kind == DomainKind::Host || other.kind == domain.kind && domain.path.is_within(&other.path)
            });
            let told = cgroup.and_then(|cgroup| self.cgroups[cgroup].hierarchical_limit);
            let smallest = above.map(|(_, other)| other.limit).chain(told).min();
            domains[index].1.smallest_limit = smallest.unwrap_or(domains[index].1.limit);
        }
    }

    fn find(&self, round: &Round<'_>, report: &Report) -> Vec<Found> {
        let rules = round.rules;
        let memory = &report.system.memory;
        let machine = domain::of_machine(memory, rules);
        let machine =
            machine.map(|measure| Found { kind: DomainKind::Host, cgroup: None, at: round.snapshot.ended, measure });
        let cgroups = self.cgroups.iter().enumerate().filter_map(|(index, cgroup)| {
            let measure = domain::of_cgroup(cgroup, memory, report.machine.swappiness, rules)?;
            Some(Found { kind: domain::kind_of(cgroup), cgroup: Some(index), at: cgroup.at, measure })
        });
        machine.into_iter().chain(cgroups).collect()
    }

    fn forget_absent(&mut self, found: &[Found]) {
        let cgroups = &self.cgroups;
        let path = |found: &Found| found.cgroup.map(|index| &cgroups[index].path);
        self.tracks.retain(|(kind, known, _)| {
            found.iter().any(|found| found.kind == *kind && path(found).is_none_or(|path| path == known))
        });
    }

    fn measure(&mut self, domain: &mut DomainReport, found: &Found, report: &Report, round: &Round<'_>) {
        let Round { rules, config, .. } = *round;
        let measure = &found.measure;
        let cgroup = found.cgroup.map(|index| &self.cgroups[index]);
        domain.limit = measure.limit;
        domain.usage = measure.usage;
        domain.unreclaimable = measure.unreclaimable;
        domain.headroom = measure.headroom;
        domain.working_set = measure.working_set;
        domain.swap_usage = measure.swap_usage;
        domain.swap_room = measure.swap_room;
        domain.smallest_limit = measure.limit;
        domain.limits_above_unseen =
            domain.kind != DomainKind::CgroupV1 && report.machine.sees_all_cgroups == Some(false);
        domain.total_pages = measure.total;
        domain.high = cgroup.and_then(|cgroup| cgroup.high.flatten());
        domain.pressure = cgroup.map_or(report.system.pressure, |cgroup| cgroup.pressure);
        domain.oom_kills = cgroup.map_or(report.system.events.oom_kill, |cgroup| cgroup.events.oom_kill);
        let policy = domain::policy(&report.machine, cgroup, rules);
        if domain.policy != policy {
            domain.policy = policy;
        }
        let known = self.tracks.iter().position(|(kind, path, _)| *kind == domain.kind && *path == domain.path);
        let index = known.unwrap_or_else(|| {
            self.tracks.push((domain.kind, domain.path.clone(), Track::default()));
            self.tracks.len() - 1
        });
        let track = &mut self.tracks[index].2;
        // What oomtop itself takes as it starts is over in seconds, and no sign of anything.
        let own = own_share(domain, report);
        if let (Some(headroom), Some(own)) = (measure.headroom, own) {
            let whole = match domain.kind {
                DomainKind::Host => rules_bytes(measure.total, rules),
                DomainKind::CgroupV1 | DomainKind::CgroupV2 => measure.limit,
            };
            let need = whole.0 as f64 - headroom.0 as f64 - own.0 as f64;
            let inside = |identity: &Identity| {
                domain.kind == DomainKind::Host
                    || identity.cgroup.as_ref().is_some_and(|path| path.is_within(&domain.path))
            };
            let ended = round.left.iter().filter(|(identity, _)| inside(identity)).map(|(_, held)| *held);
            let ended = ended.fold(Bytes(0), Bytes::saturating_add);
            track.observe(round.epoch.millis(found.at), need, whole, ended, &config.steady);
        }
        (domain.growth, domain.time_left) = track.predict(domain.headroom, &config.steady, &mut self.scratch);
        let before = std::mem::replace(&mut domain.level, Level::Calm);
        domain.level = level(domain, &config.warning);
        if domain.level > before {
            self.risen.push((domain.kind, domain.path.clone()));
        }
    }

    fn rank(
        &mut self,
        domains: &mut [(Option<usize>, DomainReport)],
        round: &Round<'_>,
        report: &mut Report,
        memories: &mut [Memory],
    ) {
        let Round { rules, config, .. } = *round;
        self.wanted.clear();
        let now = round.epoch.millis(round.snapshot.ended);
        let memory = &report.system.memory;
        let swapped = memory.swap_total.unwrap_or_default().saturating_sub(memory.swap_free.unwrap_or_default());
        let swapped = rules.pages(swapped);
        let mut budget = config.candidates_in_all;
        for (place, (cgroup, domain)) in domains.iter_mut().enumerate() {
            let hidden = self.cgroups.gather(*cgroup, &report.processes, &mut self.members);
            let partial = self.cgroups.partial(*cgroup, round.snapshot.scope, report);
            let pass = Pass { rules, rows: &report.processes, memories, swapped };
            let members = if cgroup.is_some() { Members::These(&self.members) } else { Members::All };
            self.ranking.rank(domain, members, &pass, Scan { hidden, partial, now });
            let most = config.candidates_per_domain.min((budget / 4).max(4));
            let before = self.wanted.len();
            self.wanted.extend(self.ranking.wanted(members, pass, most));
            budget = budget.saturating_sub(self.wanted.len() - before);
            let group = self.cgroups.kill_group(domain, &report.processes);
            (domain.kill_group, domain.kill_group_frees) =
                group.map_or((None, None), |(count, frees)| (Some(count), frees));
            let track = self.tracks.iter().find(|(kind, path, _)| *kind == domain.kind && *path == domain.path);
            let rush = track
                .and_then(|(_, _, track)| track.rush(domain.headroom, domain.limit, config.warning.imminent))
                .or(domain.growth.filter(|_| domain.time_left.is_some_and(|left| left <= config.warning.imminent)));
            for (index, rank) in self.ranking.places(members) {
                let (row, memory) = (&mut report.processes[index], &mut memories[index]);
                if row.leading.is_none() {
                    row.leading = u16::try_from(place).ok();
                    row.risk = rank;
                    // Who brings a quarter of it is part of it.
                    memory.imminent = report.machine.own.id != Some(row.id)
                        && rush.is_some_and(|rush| {
                            row.growth.is_some_and(|growth| growth.per_second() * 4.0 >= rush.per_second())
                        });
                }
            }
        }
        self.wanted.sort_unstable();
        self.wanted.dedup();
        self.wanted.truncate(config.candidates_in_all.saturating_mul(2));
    }
}

/// What of a domain is oomtop's own: none where it is elsewhere; `None` before that is known.
fn own_share(domain: &DomainReport, report: &Report) -> Option<Bytes> {
    let Some(own) = report.machine.own.id.and_then(|id| report.process(id)) else { return Some(Bytes(0)) };
    let is_placed = domain.kind == DomainKind::Host || own.identity.cgroup.is_some();
    if domain.holds(own) { own.rss.get() } else { is_placed.then_some(Bytes(0)) }
}

/// How near the limit of a domain is. Only little time is a sign of its own: growth that a collector will take back
/// names minutes too.
fn level(domain: &DomainReport, config: &WarningConfig) -> Level {
    let [elevated, high, critical] = config.levels;
    let above = |share| domain.fullness().is_some_and(|fullness| fullness >= share);
    if above(critical) || domain.time_left.is_some_and(|left| left <= config.imminent) {
        Level::Critical
    } else if above(high) {
        Level::High
    } else if above(elevated) {
        Level::Elevated
    } else {
        Level::Calm
    }
}

/// Marks who would not be taken in any domain.
fn spare(round: &Round<'_>, report: &mut Report, memories: &mut [Memory]) {
    let rules = round.rules;
    let memory = &report.system.memory;
    let total = domain::of_machine(memory, rules).map_or(Pages(0), |measure| measure.total);
    let init = report.system.init;
    let initial = report.machine.initial_pid_namespace;
    for index in 0..report.processes.len() {
        let pass = Pass { rules, rows: &report.processes, memories, swapped: Pages(0) };
        let row = &report.processes[index];
        // Where it cannot be told whether this is the machine's init, the kernel's own score tells.
        let is_init =
            init == Some(row.id.pid) && (initial == Some(true) || initial.is_none() && row.oom_score == Some(0));
        let immune: Option<Immune> = ranking::immune(row, &memories[index], &pass, is_init.then_some(row.id), total);
        let row = &mut report.processes[index];
        row.immune = immune;
        row.leading = None;
        row.risk = None;
        memories[index].imminent = false;
    }
}

fn root() -> CgroupPath {
    CgroupPath::new("/")
}

fn rules_bytes(total: Pages, rules: &KernelRules) -> Bytes {
    total.bytes(rules.page_size)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_level_is_reached_by_what_cannot_be_reclaimed_or_by_time() {
        let config = WarningConfig { levels: [0.5, 0.6, 0.7], ..WarningConfig::default() };
        let at = |left: Option<u64>, seconds: Option<u64>| {
            let mut domain = DomainReport::unranked(DomainKind::Host, root());
            (domain.limit, domain.headroom) = (Bytes(1000), left.map(Bytes));
            domain.time_left = seconds.map(Duration::from_secs);
            level(&domain, &config)
        };
        for (left, seconds, expected) in [
            (None, None, Level::Calm),
            (Some(501), None, Level::Calm),
            (Some(500), None, Level::Elevated),
            (Some(400), None, Level::High),
            (Some(300), None, Level::Critical),
            (Some(0), None, Level::Critical),
            (Some(2000), None, Level::Calm),
            (Some(900), Some(61), Level::Calm),
            (Some(450), Some(61), Level::Elevated),
            (Some(900), Some(60), Level::Critical),
            (None, Some(60), Level::Critical),
        ] {
            assert_eq!(at(left, seconds), expected, "{left:?} {seconds:?}");
        }
    }
}
