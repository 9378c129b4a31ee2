//! What this screen is there for: everything, or, where it is narrowed to some processes and what they start (`-p`,
//! `oomtop run`), the memory domains that those are in. What happens elsewhere is in the lists and tells nothing by
//! itself. Refuses to forget where a process was that is gone: the news of its death come later.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::monitor::alarm::AlarmReport;
use crate::monitor::kill_report::{Confidence, KillReport};
use crate::monitor::report::{DomainKind, DomainReport, Level, WarningState};
use crate::run::report::{Exit, ProcessLine, VerdictKind};
use crate::snapshot::process::CgroupPath;
use crate::text;
use crate::units::{ProcessId, Timestamp};

use super::State;
use super::run::{RunView, Stage};

/// The cgroups in which the watched processes are or were; empty where all are watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// Where they are, by the newest report.
    living: HashSet<CgroupPath>,
    /// Those, and all that these lie in.
    domains: HashSet<Arc<[u8]>>,
    /// Where they were and are no more: the newest, last.
    left: VecDeque<CgroupPath>,
    /// What those that were asked for are called, with their numbers: also when they are gone.
    names: BTreeMap<ProcessId, String>,
}

impl Places {
    /// So many of those that were left are remembered.
    const LEFT: usize = 64;

    /// Learns where they all are by now.
    fn learn(&mut self, living: HashSet<CgroupPath>) {
        self.left.retain(|path| !living.contains(path));
        self.left.extend(self.living.difference(&living).cloned());
        self.left.drain(..self.left.len().saturating_sub(Self::LEFT));
        self.domains.clear();
        for path in &living {
            let mut domain = &*path.0;
            // What one that is known lies in is known as well.
            while self.domains.insert(domain.into()) {
                let Some(end) = domain.iter().rposition(|byte| *byte == b'/') else { break };
                domain = &domain[..end];
            }
        }
        self.living = living;
    }

    /// What one that was asked for is or was called.
    pub(super) fn name(&self, id: ProcessId) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// Whether one of them is, or was, in this cgroup or below it.
    fn holds(&self, domain: &[u8]) -> bool {
        let above = domain.strip_suffix(b"/").unwrap_or(domain);
        let path = CgroupPath::new(domain);
        self.domains.contains(above) || self.left.iter().any(|left| left.is_within(&path))
    }
}

impl State {
    /// Learns from a report where the watched processes are.
    pub(super) fn learn_places(&mut self) {
        if self.list.roots.is_empty() {
            self.places = Places::default();
            return;
        }
        let newest = self.newest();
        let watched = newest.processes.iter().filter(|process| self.list.is_below_a_root(newest, process));
        let living = watched.filter_map(|process| process.identity.cgroup.clone()).collect();
        let roots = self.list.roots.iter().filter(|id| newest.process(**id).is_some());
        let names: Vec<_> = roots.map(|id| (*id, self.name_of(*id))).collect();
        self.places.learn(living);
        self.places.names.extend(names);
    }

    /// What became of the processes that were asked for, in words, when nothing is left of them and of what they started.
    #[must_use]
    pub fn nobody_left(&self) -> Option<String> {
        let roots = &self.list.roots;
        let is_left = |process| self.list.is_below_a_root(&self.report, process);
        let waits = self.report.time == Timestamp::default() || !self.list.rows.is_empty();
        if roots.is_empty() || waits || self.report.processes.iter().any(is_left) {
            return None;
        }
        let names: Vec<_> = roots.iter().map(|id| self.name_of(*id)).collect();
        let victim = |kill: &Arc<KillReport>| Some((kill.victim.as_ref()?.id?, kill.confidence));
        let is_root =
            |(id, confidence): &(ProcessId, Confidence)| *confidence != Confidence::Guess && roots.contains(id);
        let fate = match self.report.kills.iter().filter_map(victim).find(is_root) {
            Some((id, confidence)) => {
                let likely = if confidence == Confidence::Certain { "" } else { ", likely" };
                if roots.len() > 1 {
                    format!("have ended: the OOM killer killed {}{likely}", self.name_of(id))
                } else {
                    format!("was killed by the OOM killer{likely}")
                }
            }
            None if roots.len() > 1 => "have ended".into(),
            None => "has ended".into(),
        };
        Some(format!("{} {fate}", text::first_few(names.iter().map(String::as_str))))
    }

    /// Whether a watched process is, or was, in this domain; the machine holds them all.
    pub(super) fn is_watched_in(&self, is_host: bool, path: &[u8]) -> bool {
        self.list.roots.is_empty() || is_host || self.places.holds(path)
    }

    /// The memory domain with the least left of those that matter here and that somebody lives in: an empty cgroup with a
    /// small limit is nobody's trouble.
    #[must_use]
    pub fn tightest_domain(&self) -> Option<&DomainReport> {
        let domains = &self.report.domains;
        let matters = |domain: &&DomainReport| self.is_watched_in(domain.kind == DomainKind::Host, &domain.path.0);
        domains.iter().filter(matters).find(|domain| domain.candidates > 0).or_else(|| self.report.tightest())
    }

    /// Another domain than the tightest, with more left, that will be full before long: the first of those.
    #[must_use]
    pub fn soonest_full_domain(&self) -> Option<&DomainReport> {
        let tightest = self.tightest_domain()?;
        let matters = |domain: &&DomainReport| {
            let is_other = (domain.kind, &domain.path) != (tightest.kind, &tightest.path);
            let is_near = domain.level == Level::Critical && domain.candidates > 0;
            is_other && is_near && self.is_watched_in(domain.kind == DomainKind::Host, &domain.path.0)
        };
        let filling = self.report.domains.iter().filter(matters).filter(|domain| domain.time_left.is_some());
        let soonest = filling.min_by_key(|domain| domain.time_left)?;
        tightest.time_left.is_none_or(|first| soonest.time_left < Some(first)).then_some(soonest)
    }

    /// Whether a kill is told without being asked for.
    pub(super) fn is_kill_news(&self, kill: &KillReport) -> bool {
        // Whose limit it was is not always known; then it may be ours.
        !self.is_in_verdict(kill)
            && kill.domain.as_ref().is_none_or(|domain| self.is_watched_in(domain.is_host, &domain.path))
    }

    /// Whether the verdict of a run is on it: the screen learns of it later than who followed the run.
    fn is_in_verdict(&self, kill: &KillReport) -> bool {
        /// A pass that began before the end may take so long where memory has run out.
        const LATE: Duration = Duration::from_secs(10);
        let Some(RunView { stage: Stage::Over(report), .. }) = &self.run else { return false };
        let Some(victim) = &kill.victim else { return false };
        let is_told = matches!(report.verdict.kind, VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost);
        // Where the number is all that is known, it must be one of here, and of then.
        let is_of_then = !victim.is_of_host && kill.at.since(report.started) <= report.took + LATE;
        let is_it = |process: &ProcessLine| {
            let is_same = victim.id.map_or(is_of_then && process.id.pid == victim.pid, |id| id == process.id);
            is_same && process.exit.is_none_or(|exit| exit == Exit::Signal(9))
        };
        is_told && report.processes.iter().any(is_it)
    }

    /// Whether an alarm is told without being asked for: of a watched process, or of a domain that fills up.
    pub(super) fn is_alarm_news(&self, alarm: &AlarmReport) -> bool {
        let process = alarm.portrait.as_ref().map(|portrait| &portrait.process);
        let is_of_watched = process.is_none_or(|process| {
            let newest = self.newest();
            self.list.roots.is_empty() || self.list.is_below_a_root(newest, process)
        });
        let fills_up = process.is_none_or(|process| process.warning == WarningState::Imminent);
        let is_near = || {
            let domain = alarm.domain.as_ref();
            domain.is_none_or(|domain| self.is_watched_in(domain.kind == DomainKind::Host, &domain.path.0))
        };
        process.is_some() && is_of_watched || fills_up && is_near()
    }
}
