//! Kills as they happen: joins what the kernel's log, the counters of cgroups, the counter of the machine and the
//! disappearance of processes say into one event each. Counters seen for the first time are where counting begins, no
//! kills. Refuses to name a victim as certain unless the kernel does, and to forget a kill that nobody can name.

use std::sync::Arc;

use crate::oom_log::{Domain, Episode, Follower, Victim};
use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::Version;
use crate::snapshot::kernel_event::OutsideEvent;
use crate::snapshot::process::CgroupPath;
use crate::text::printable;
use crate::units::{Pages, Pid, ProcessId};

use super::kill_report::{Candidate, Confidence, Evidence, Held, KillDomain, KillReport, Killed};
use super::label::label;
use super::report::{DomainKind, DomainReport, MappingsState, ProcessDetail, ProcessReport, Report, WarningState};
use super::victims;

/// Kills that are kept, the newest.
const MOST: usize = 32;
/// Passes in which the other witnesses of a kill may still come.
const OPEN_FOR: u8 = 4;
/// Processes that vanished and are remembered with a kill that nobody named.
const SUSPECTS: usize = 16;

/// What is remembered of kills.
#[derive(Debug, Default)]
pub(super) struct Kills {
    follower: Follower,
    machine: Option<u64>,
    cgroups: Vec<(CgroupPath, Option<u64>)>,
    open: Vec<Open>,
    told: Vec<Arc<KillReport>>,
    count: u64,
}

/// A kill whose witnesses may not all have spoken.
#[derive(Debug)]
struct Open {
    report: KillReport,
    /// Passes since it became known.
    age: u8,
    logged: bool,
    machine: bool,
    gone: bool,
    /// The cgroup in which the victim was, or above it: from the log, the process, or the counter.
    cgroup: Option<CgroupPath>,
    /// Cgroups whose counters have counted it.
    counted: Vec<CgroupPath>,
    suspects: Vec<Suspect>,
}

/// A process that vanished while a kill without a name was open.
#[derive(Debug)]
struct Suspect {
    row: ProcessReport,
    detail: Option<ProcessDetail>,
    gone: Evidence,
}

/// What a pass brings.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub snapshot: &'a Snapshot,
    /// The report just before.
    pub before: &'a Report,
    /// It looked at the same processes: under another scope nobody knows who ended.
    pub same_scope: bool,
    /// Details of a process of that report.
    pub detail: &'a dyn Fn(ProcessId) -> Option<ProcessDetail>,
}

impl Kills {
    /// Hears all witnesses of a pass, before its facts are laid. Gives whether there is something to tell.
    pub(super) fn hear(&mut self, look: &Look<'_>) -> bool {
        for open in &mut self.open {
            open.age = open.age.saturating_add(1);
        }
        self.hear_log(look);
        self.count_cgroups(look);
        self.count_machine(look);
        if self.open.is_empty() {
            return false;
        }
        self.see_who_left(look);
        self.name_the_nameless(look);
        self.tell()
    }

    /// When the pass is folded: what came back.
    pub(super) fn weigh(&mut self, report: &Report) -> bool {
        for open in self.open.iter_mut().filter(|open| open.gone) {
            let Some((before, after @ None)) = open.report.usage else { continue };
            let Some(domain) = &open.report.domain else { continue };
            let now = report.domains.iter().find(|known| is_same(known, domain)).and_then(|domain| domain.usage);
            if now.is_some_and(|now| now < before) {
                open.report.usage = Some((before, now.or(after)));
            }
        }
        let changed = !self.open.is_empty() && self.tell();
        self.open.retain(|open| open.age < OPEN_FOR);
        changed
    }

    /// The kills, newest last.
    pub(super) fn told(&self) -> &[Arc<KillReport>] {
        &self.told
    }

    fn open(&mut self, look: &Look<'_>) -> &mut Open {
        self.count += 1;
        if self.open.len() >= MOST {
            self.open.remove(0);
        }
        self.open.push(Open {
            report: KillReport::unknown(self.count, look.snapshot.ended, look.snapshot.wall),
            age: 0,
            logged: false,
            machine: false,
            gone: false,
            cgroup: None,
            counted: Vec::new(),
            suspects: Vec::new(),
        });
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    fn hear_log(&mut self, look: &Look<'_>) {
        for event in &look.snapshot.events {
            if let OutsideEvent::KernelLog(record) = event {
                self.follower.push(record);
            }
        }
        while let Some(episode) = self.follower.next_episode() {
            for victim in &episode.victims {
                self.hear_kernel(&episode, victim, look);
            }
        }
    }

    /// The kernel says that it killed this one.
    fn hear_kernel(&mut self, episode: &Episode, victim: &Victim, look: &Look<'_>) {
        let pid = victim.tgid.unwrap_or(victim.pid);
        // Inside of a PID namespace its numbers are not ours.
        let ours = look.snapshot.machine.initial_pid_namespace != Some(false);
        let row = look.before.processes.iter().find(|row| ours && row.id.pid == pid);
        let place = row.and_then(|row| row.identity.cgroup.clone());
        let place = place.or_else(|| episode.victim_cgroup.as_deref().map(CgroupPath::new));
        let fits = |open: &&mut Open| {
            let named = open.report.victim.as_ref().map(|victim| victim.pid);
            let near = open.cgroup.as_ref().is_none_or(|known| place.as_ref().is_none_or(|own| own.is_within(known)));
            !open.logged && (named == Some(pid) || near && named.is_none())
        };
        let found = self.open.iter_mut().find(fits).map(|open| open.report.number);
        let open = match found.and_then(|number| self.open.iter_mut().position(|open| open.report.number == number)) {
            Some(index) => &mut self.open[index],
            None => self.open(look),
        };
        open.logged = true;
        open.cgroup = place;
        let report = &mut open.report;
        report.others = 0;
        let name = victim.name.map(|name| name.as_bytes().into());
        let name = name.or_else(|| row.map(|row| row.identity.name.clone())).unwrap_or_default();
        report.victim = Some(Killed { id: row.map(|row| row.id), pid, name });
        report.invoker = episode.invoker.as_ref().map(|invoker| (Box::from(invoker.name.as_bytes()), invoker.pid));
        let domain = match &episode.domain {
            Some(Domain::Host) => look.before.host(),
            Some(Domain::Cgroup(Some(path))) => {
                look.before.domains.iter().find(|domain| domain.kind != DomainKind::Host && *domain.path.0 == **path)
            }
            Some(Domain::Cgroup(None)) | None => None,
        };
        report.domain = match (&episode.domain, domain) {
            (Some(_), Some(domain)) => Some(KillDomain { is_told: true, ..named(domain) }),
            (Some(Domain::Host), None) => Some(the_machine()),
            (Some(Domain::Cgroup(Some(path))), None) => Some(KillDomain {
                label: label(path).into(),
                path: path.clone(),
                is_host: false,
                limit: None,
                is_told: true,
            }),
            _ => report.domain.take(),
        };
        if let (Some(known), Some(memory)) = (&mut report.domain, episode.counters.memory) {
            known.limit = memory.limit.or(known.limit);
        }
        remember_candidates(report, domain, look.before);
        if let Some(row) = row {
            remember_victim(report, row, (look.detail)(row.id));
        }
        if let Some(rss) = victim.rss() {
            let swap = report.held.and_then(|held| held.swap);
            report.held = Some(Held { rss, page_tables: victim.page_tables, swap, is_told: true });
        }
        explain(report, domain, look.before);
        report.evidence.extend(record_of(victim.pid, look.snapshot));
    }

    /// Counters of cgroups. On v2 those above count too: the lowest goes first, the others find the same kill.
    fn count_cgroups(&mut self, look: &Look<'_>) {
        let Some(cgroups) = &look.snapshot.cgroups else { return };
        let same = self.cgroups.len() == cgroups.len()
            && self.cgroups.iter().zip(cgroups).all(|(known, cgroup)| known.0 == cgroup.path);
        let known = if same { Vec::new() } else { std::mem::take(&mut self.cgroups) };
        if !same {
            let before = |path: &CgroupPath| known.iter().find(|(known, _)| known == path).and_then(|known| known.1);
            self.cgroups = cgroups.iter().map(|cgroup| (cgroup.path.clone(), before(&cgroup.path))).collect();
        }
        for (index, cgroup) in cgroups.iter().enumerate().rev() {
            let before = std::mem::replace(&mut self.cgroups[index].1, cgroup.events.oom_kill);
            let Some((from, to)) = before.zip(cgroup.events.oom_kill).filter(|(from, to)| from < to) else { continue };
            let path = printable(&cgroup.path.0).into_owned();
            let evidence = Evidence::Cgroup { path: path.into(), from, to };
            let counts = |open: &Open| {
                let inside = match (&open.cgroup, cgroup.version) {
                    (None, _) => open.report.victim.as_ref().is_none_or(|victim| victim.id.is_none()),
                    (Some(own), Version::V1) => *own == cgroup.path,
                    (Some(own), Version::V2) => own.is_within(&cgroup.path),
                };
                inside && !open.counted.contains(&cgroup.path)
            };
            let mut left = to - from;
            for open in self.open.iter_mut().filter(|open| counts(open)) {
                if left == 0 {
                    break;
                }
                left -= 1;
                open.counted.push(cgroup.path.clone());
                open.report.evidence.push(evidence.clone());
                if open.cgroup.is_none() {
                    place(open, &cgroup.path, look.before);
                }
            }
            for _ in 0..left.min(MOST as u64) {
                let open = self.open(look);
                open.counted.push(cgroup.path.clone());
                open.report.evidence.push(evidence.clone());
                place(open, &cgroup.path, look.before);
            }
        }
    }

    /// The counter of the machine, which counts kills in cgroups too.
    fn count_machine(&mut self, look: &Look<'_>) {
        let Some(to) = look.snapshot.system.and_then(|system| system.events.oom_kill) else { return };
        let Some(from) = self.machine.replace(to).filter(|from| *from < to) else { return };
        let mut left = to - from;
        for open in self.open.iter_mut().filter(|open| !open.machine) {
            if left == 0 {
                return;
            }
            left -= 1;
            open.machine = true;
            open.report.evidence.push(Evidence::Machine { from, to });
        }
        for _ in 0..left.min(MOST as u64) {
            let open = self.open(look);
            open.machine = true;
            open.report.evidence.push(Evidence::Machine { from, to });
        }
    }

    fn see_who_left(&mut self, look: &Look<'_>) {
        let Look { snapshot, before, same_scope, .. } = *look;
        if !same_scope {
            return;
        }
        let gone = Evidence::Gone { after: before.time, by: snapshot.ended };
        for row in before.processes.iter().filter(|row| has_left(row, snapshot)) {
            let known = |open: &&mut Open| {
                open.report.victim.as_ref().is_some_and(|victim| victim.id == Some(row.id)) && !open.gone
            };
            if let Some(open) = self.open.iter_mut().find(known) {
                open.gone = true;
                open.report.evidence.push(gone.clone());
                continue;
            }
            for open in self.open.iter_mut().filter(|open| open.report.victim.is_none()) {
                let own = row.identity.cgroup.as_ref();
                let inside = open.cgroup.as_ref().is_none_or(|path| own.is_some_and(|own| own.is_within(path)));
                if inside && open.suspects.len() < SUSPECTS {
                    let detail = (look.detail)(row.id);
                    open.suspects.push(Suspect { row: row.clone(), detail, gone: gone.clone() });
                }
            }
        }
    }

    /// Where the log has not come by the second pass, one of those that vanished was it: the first of the ranking, else
    /// the biggest.
    fn name_the_nameless(&mut self, look: &Look<'_>) {
        let mut taken: Vec<ProcessId> = self.open.iter().filter_map(|open| open.report.victim.as_ref()?.id).collect();
        for open in self.open.iter_mut().filter(|open| open.age > 0 && open.report.victim.is_none()) {
            open.suspects.retain(|suspect| !taken.contains(&suspect.row.id));
            let rank = |id: ProcessId| {
                let ranked = open.report.candidates.iter().find(|candidate| candidate.victim.id == id);
                ranked.map_or(u32::MAX, |candidate| candidate.victim.rank.wrapping_sub(1))
            };
            let order = |suspect: &Suspect| {
                (rank(suspect.row.id), suspect.row.risk != Some(1), std::cmp::Reverse(suspect.row.rss.get()))
            };
            let Some(best) = (0..open.suspects.len()).min_by_key(|index| order(&open.suspects[*index])) else {
                continue;
            };
            let suspect = open.suspects.swap_remove(best);
            let report = &mut open.report;
            report.others = open.suspects.len() as u32;
            // Processes end all the time; in a cgroup whose counter moved the only one that did is likely it.
            let alone = open.suspects.is_empty() && (open.cgroup.is_some() || suspect.row.risk == Some(1));
            report.confidence = if alone { Confidence::Likely } else { Confidence::Guess };
            let row = &suspect.row;
            taken.push(row.id);
            report.victim = Some(Killed { id: Some(row.id), pid: row.id.pid, name: row.identity.name.clone() });
            remember_victim(report, row, suspect.detail);
            let domain = report.domain.as_ref();
            let domain = domain.and_then(|own| look.before.domains.iter().find(|known| is_same(known, own)));
            explain(report, domain, look.before);
            report.evidence.push(suspect.gone);
            open.gone = true;
            open.suspects.clear();
        }
    }

    /// Hands out what is known now. A kill that only counters tell waits one pass for its name.
    fn tell(&mut self) -> bool {
        let mut changed = false;
        for open in self.open.iter_mut().filter(|open| open.logged || open.age > 0) {
            if open.logged {
                open.report.confidence = Confidence::Certain;
            }
            open.report.evidence.sort_by_key(Evidence::order);
            match self.told.iter_mut().find(|told| told.number == open.report.number) {
                Some(told) if **told == open.report => {}
                Some(told) => {
                    *told = Arc::new(open.report.clone());
                    changed = true;
                }
                None => {
                    if self.told.len() >= MOST {
                        self.told.remove(0);
                    }
                    self.told.push(Arc::new(open.report.clone()));
                    changed = true;
                }
            }
        }
        changed
    }
}

/// It is not in the roster any more, or dead and not reaped.
fn has_left(row: &ProcessReport, snapshot: &Snapshot) -> bool {
    let dead = |state: u8| matches!(state, b'Z' | b'X');
    let at = snapshot.stats.binary_search_by_key(&row.id, |fact| fact.id);
    let died = at.is_ok_and(|at| snapshot.stats[at].reading.is_ok_and(|stat| dead(stat.state) && !stat.leader_dead));
    snapshot.roster.binary_search(&row.id).is_err() || died && !dead(row.state)
}

fn is_same(domain: &DomainReport, own: &KillDomain) -> bool {
    (domain.kind == DomainKind::Host) == own.is_host && *domain.path.0 == *own.path
}

/// The counter of this cgroup moved: the domain is probably the tightest above it.
fn place(open: &mut Open, path: &CgroupPath, before: &Report) {
    open.cgroup = Some(path.clone());
    let above = |domain: &&DomainReport| domain.kind != DomainKind::Host && path.is_within(&domain.path);
    let domain = before.domains.iter().find(above);
    open.report.domain = domain.map(named);
    remember_candidates(&mut open.report, domain, before);
}

fn named(domain: &DomainReport) -> KillDomain {
    KillDomain {
        label: domain.label.clone(),
        path: (*domain.path.0).into(),
        is_host: domain.kind == DomainKind::Host,
        limit: Some(domain.limit),
        is_told: false,
    }
}

fn the_machine() -> KillDomain {
    KillDomain { label: "this machine".into(), path: (*b"/").into(), is_host: true, limit: None, is_told: true }
}

fn remember_candidates(report: &mut KillReport, domain: Option<&DomainReport>, before: &Report) {
    let Some(domain) = domain else { return };
    let name = |id| before.process(id).map(|row| row.identity.name.clone()).unwrap_or_default();
    let first = domain.victims.iter().take(KillReport::CANDIDATES);
    report.candidates = first.map(|victim| Candidate { victim: victim.clone(), name: name(victim.id) }).collect();
    report.candidate_count = domain.candidates;
    report.usage = domain.usage.map(|usage| (usage, None));
}

/// What we knew of it at the last look.
fn remember_victim(report: &mut KillReport, row: &ProcessReport, detail: Option<ProcessDetail>) {
    let rss = row.rss.get().filter(|rss| rss.0 > 0);
    let held = rss.map(|rss| Held { rss, page_tables: row.page_tables.get(), swap: row.swap.get(), is_told: false });
    report.held = report.held.or(held);
    report.growth = row.growth;
    let Some(mut detail) = detail else { return };
    report.growth = detail.slope.map(|(slope, _)| slope).or(report.growth);
    report.alarmed = detail.warning.1;
    detail.ended = Some(report.at);
    detail.time_left = None;
    detail.warning = (WarningState::Quiet, None);
    // Thirty-two kills with all their mappings would be most of what we weigh.
    detail.mappings = MappingsState::Waiting;
    report.history = Some(Arc::new(detail));
}

/// Why this one, by the table that was kept.
fn explain(report: &mut KillReport, domain: Option<&DomainReport>, before: &Report) {
    let Some((domain, id)) = domain.zip(report.victim.as_ref().and_then(|victim| victim.id)) else { return };
    let table = &report.candidates;
    let Some(own) = table.iter().map(|candidate| &candidate.victim).find(|victim| victim.id == id) else { return };
    let page = before.machine.page_size;
    // Who was killed is not counted any more where it is gone already.
    let then = DomainReport { candidates: report.candidate_count, ..domain.clone() };
    let parts = victims::explain(own, &then, page);
    let other = table.iter().find(|other| other.victim.id != id && other.victim.immune.is_none());
    let why = match other {
        None => parts,
        Some(Candidate { victim: other, name }) => {
            let (name, pid) = (printable(name), other.id.pid);
            let apart = Pages(own.badness.abs_diff(other.badness)).bytes(page);
            if own.rank == 1 {
                format!("{parts}; next was {name} {pid}, {apart} behind")
            } else {
                format!("{parts}; at our last look {name} {pid} was ahead of it by {apart}: they moved since")
            }
        }
    };
    report.why = Some(why.into());
}

/// The record that says so.
fn record_of(pid: Pid, snapshot: &Snapshot) -> Option<Evidence> {
    let needle = format!("illed process {pid} ");
    snapshot.events.iter().find_map(|event| match event {
        OutsideEvent::KernelLog(record) if record.priority < 8 => {
            let text = printable(&record.text);
            text.contains(&needle).then(|| Evidence::KernelLog { sequence: record.sequence, text: (&*text).into() })
        }
        _ => None,
    })
}
