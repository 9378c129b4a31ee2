//! What this screen is there for: everything, or, where it is narrowed to some processes and what they start (`-p`,
//! `oomtop run`), the memory domains that those are in. What happens elsewhere is in the lists and tells nothing by
//! itself. Refuses to forget where a process was that is gone: the news of its death come later.

use crate::monitor::alarm::AlarmReport;
use crate::monitor::kill_report::KillReport;
use crate::monitor::report::{DomainKind, DomainReport, WarningState};
use crate::snapshot::process::CgroupPath;

use super::State;

/// Cgroups that are remembered: the newest.
const MOST: usize = 64;

impl State {
    /// Learns from a report where the watched processes are.
    pub(super) fn learn_places(&mut self) {
        if self.list.roots.is_empty() {
            self.watched_in.clear();
            return;
        }
        let newest = self.newest().clone();
        let mut met: Vec<&CgroupPath> = Vec::new();
        for process in newest.processes.iter().filter(|process| self.list.is_below_a_root(&newest, process)) {
            met.extend(process.identity.cgroup.as_ref().filter(|path| !met.contains(path)));
        }
        for path in met {
            if !self.watched_in.contains(path) {
                self.watched_in.push(path.clone());
            }
        }
        self.watched_in.drain(..self.watched_in.len().saturating_sub(MOST));
    }

    /// Whether a watched process is, or was, in this domain; the machine holds them all.
    fn is_watched_in(&self, is_host: bool, path: &[u8]) -> bool {
        let path = CgroupPath::new(path);
        self.list.roots.is_empty() || is_host || self.watched_in.iter().any(|place| place.is_within(&path))
    }

    /// The memory domain with the least left of those that matter here and that somebody lives in: an empty cgroup with a
    /// small limit is nobody's trouble.
    #[must_use]
    pub fn tightest_domain(&self) -> Option<&DomainReport> {
        let domains = &self.report.domains;
        let matters = |domain: &&DomainReport| self.is_watched_in(domain.kind == DomainKind::Host, &domain.path.0);
        domains.iter().filter(matters).find(|domain| domain.candidates > 0).or(domains.first())
    }

    /// Whether a kill is told without being asked for.
    pub(super) fn is_kill_news(&self, kill: &KillReport) -> bool {
        // Whose limit it was is not always known; then it may be ours.
        kill.domain.as_ref().is_none_or(|domain| self.is_watched_in(domain.is_host, &domain.path))
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
