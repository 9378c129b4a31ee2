//! What the kernel's log says of kills: each record finds the kill that it is of, or is the first of another. In a
//! container it speaks of cgroups and processes by other names than ours: see `namespaces`. Refuses to read the log
//! itself; that is `oom_log`.

use crate::oom_log::{Domain, Episode, Victim};
use crate::snapshot::Snapshot;
use crate::snapshot::kernel_event::OutsideEvent;
use crate::snapshot::process::CgroupPath;
use crate::text::printable;
use crate::units::Pid;

use super::super::kill_report::{Evidence, Held, KillDomain, KillReport, Killed, RankedBy};
use super::super::label::label;
use super::super::report::{DomainKind, DomainReport, ProcessReport};
use super::account::{explain, named, remember_candidates, remember_victim, the_machine};
use super::kernel_table;
use super::witnesses::group_above;
use super::{GROUP_DIES_WITHIN, Kills, Look, Open, may_be_named};

/// A kill, or several in a row, as the log tells it.
#[derive(Debug)]
pub(super) struct Heard {
    pub episode: Episode,
    /// The records that name who died.
    records: Vec<(Pid, Evidence)>,
}

impl Heard {
    fn new(episode: Episode, snapshot: &Snapshot) -> Self {
        let record = |victim: &Victim| Some((victim.pid, record_of(victim.pid, snapshot)?));
        let records = episode.victims.iter().filter_map(record).collect();
        Self { episode, records }
    }
}

impl Kills {
    pub(super) fn hear_log(&mut self, look: &Look<'_>) {
        for event in &look.snapshot.events {
            if let OutsideEvent::KernelLog(record) = event {
                self.follower.push(record);
            }
        }
        let mut fresh = Vec::new();
        while let Some(episode) = self.follower.next_episode() {
            fresh.push(Heard::new(episode, look.snapshot));
        }
        let waited = std::mem::take(&mut self.unplaced);
        self.learn_names(&waited, &fresh, look);
        // The kernel counts a kill before it writes of it: the next pass has the counter that tells which cgroup this is.
        let waits = |heard: &Heard| self.names.is_none() && heard.episode.victim_cgroup.is_some();
        let (unplaced, placed): (Vec<_>, Vec<_>) = fresh.into_iter().partition(waits);
        self.unplaced = unplaced;
        waited.iter().chain(&placed).for_each(|heard| self.hear_episode(heard, look));
    }

    pub(super) fn hear_episode(&mut self, heard: &Heard, look: &Look<'_>) {
        let episode = &heard.episode;
        let mut victims = episode.victims.iter();
        let group = episode.kill_group.as_deref().map(|group| self.here(group));
        let known = group.as_ref().filter(|_| !episode.is_dumped()).and_then(|group| self.dying(group));
        let Some(index) = known.or_else(|| victims.next().map(|first| self.hear_kernel(heard, first, look))) else {
            return;
        };
        match group {
            Some(group) => {
                self.open[index].join(group);
                victims.for_each(|victim| self.open[index].add_member(killed(victim, row_of(victim, look), look)));
            }
            None => victims.for_each(|victim| _ = self.hear_kernel(heard, victim, look)),
        }
    }

    /// The kill of which the rest of this group dies: a pass may end between their records.
    fn dying(&self, group: &CgroupPath) -> Option<usize> {
        self.open.iter().rposition(|open| {
            let is_of = match &open.report.group {
                Some(known) => known.path == *group,
                None => open.cgroup.as_ref().is_none_or(|own| own.is_within(group)),
            };
            open.logged && is_of && open.age <= GROUP_DIES_WITHIN
        })
    }

    /// The kernel says that it killed this one; gives the index of its kill.
    fn hear_kernel(&mut self, heard: &Heard, victim: &Victim, look: &Look<'_>) -> usize {
        let episode = &heard.episode;
        let row = row_of(victim, look);
        let mut killed = killed(victim, row, look);
        let place = row.and_then(|row| row.identity.cgroup.clone());
        let place = place.or_else(|| episode.victim_cgroup.as_deref().map(|path| self.here(path)));
        let fits = |open: &Open| {
            let near = open.cgroup.as_ref().is_none_or(|known| place.as_ref().is_none_or(|own| own.is_within(known)));
            !open.logged && (near || !killed.is_of_host) && (open.has(&killed) || near && open.report.victim.is_none())
        };
        let index = self.open.iter().position(fits).unwrap_or_else(|| self.open(look));
        let domain = domain_of(episode, |path| self.here(path), look);
        let open = &mut self.open[index];
        open.logged = true;
        // A record without a dump says no place, and the counter that it joins does.
        open.cgroup = place.or(open.cgroup.take());
        let report = &mut open.report;
        report.others = 0;
        // It may be known by its counter and be gone since.
        let concluded = report.victim.as_ref().filter(|known| known.is(&killed));
        killed.id = killed.id.or(concluded.and_then(|known| known.id));
        report.victim = Some(killed.clone());
        if let Some(group) = &mut report.group {
            // Who vanished was only a conclusion.
            group.members.clear();
        }
        report.invoker = episode.invoker.as_ref().map(|invoker| (Box::from(invoker.name.as_bytes()), invoker.pid));
        let (ours, told) = domain.unzip();
        let ours = ours.flatten();
        let is_same = |old: &KillDomain, new: &KillDomain| (old.is_host, &old.path) == (new.is_host, &new.path);
        let was_known = report.domain.as_ref().zip(told.as_ref()).is_some_and(|(old, new)| is_same(old, new));
        report.domain = told.or_else(|| report.domain.take());
        if let (Some(known), Some(memory)) = (&mut report.domain, episode.counters.memory) {
            known.limit = memory.limit.or(known.limit);
        }
        // Of a kill that a counter told before, the look just before it is remembered.
        if !was_known || report.candidates.is_empty() {
            remember_candidates(open, ours, look.before);
        }
        let report = &mut open.report;
        if let Some(row) = row {
            remember_victim(report, row, (look.detail)(row.id));
        }
        if let Some(rss) = victim.rss() {
            let swap = report.held.and_then(|held| held.swap);
            report.held = Some(Held { rss, page_tables: victim.page_tables, swap, is_told: true });
        }
        let table = ours.and_then(|domain| kernel_table::rows(episode, &killed, domain, look.before));
        if let Some(table) = table {
            report.candidate_count = table.iter().filter(|row| row.victim.immune.is_none()).count() as u32;
            report.candidates = table;
            report.candidates.truncate(KillReport::CANDIDATES);
            report.ranked_by = RankedBy::KernelLog;
            report.others_hidden = false;
        }
        explain(report, ours, look.before);
        let record = heard.records.iter().find(|(pid, _)| *pid == victim.pid);
        report.evidence.extend(record.map(|(_, evidence)| evidence.clone()));
        // Its counters may come before the log says that it was a group.
        let cgroups = look.snapshot.cgroups.as_deref().unwrap_or_default();
        let own = open.cgroup.as_ref();
        if let Some(group) = own.and_then(|own| group_above(cgroups, own, open.report.domain.as_ref())) {
            open.join(group);
        }
        index
    }
}

/// The domain that the log names, and what we know of it; `None` where it names none.
fn domain_of<'a>(
    episode: &Episode,
    here: impl Fn(&[u8]) -> CgroupPath,
    look: &Look<'a>,
) -> Option<(Option<&'a DomainReport>, KillDomain)> {
    let (known, unknown) = match episode.domain.as_ref()? {
        Domain::Host => (look.before.host(), the_machine()),
        Domain::Cgroup(Some(told)) => {
            let path = here(told);
            let is_it = |domain: &&DomainReport| domain.kind != DomainKind::Host && domain.path == path;
            let known = look.before.domains.iter().find(is_it);
            let label = label(told).into();
            (known, KillDomain { label, path: (*path.0).into(), is_host: false, limit: None, is_told: true })
        }
        Domain::Cgroup(None) => return None,
    };
    Some((known, known.map_or(unknown, |domain| KillDomain { is_told: true, ..named(domain) })))
}

/// The row of the process that the log names.
fn row_of<'a>(victim: &Victim, look: &Look<'a>) -> Option<&'a ProcessReport> {
    let ours = !look.numbers_are_of_host();
    let pid = victim.tgid.unwrap_or(victim.pid);
    let row = look.before.processes.iter().find(|row| ours && row.id.pid == pid);
    let after = look.snapshot.ended.since(look.before.time);
    row.filter(|row| victim.name.is_none_or(|name| may_be_named(row, name.as_bytes(), after)))
}

fn killed(victim: &Victim, row: Option<&ProcessReport>, look: &Look<'_>) -> Killed {
    let name = victim.name.map(|name| name.as_bytes().into());
    let name = name.or_else(|| row.map(|row| row.identity.name.clone())).unwrap_or_default();
    let pid = victim.tgid.unwrap_or(victim.pid);
    Killed { id: row.map(|row| row.id), pid, is_of_host: look.numbers_are_of_host(), name }
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
