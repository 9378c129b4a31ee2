//! Why a run ended as it did: what the kernel's log, its counters, exit statuses and signals say together, and how sure
//! that is. Refuses "certain" where only one witness speaks that could be wrong, and to name a killer that it did not see.

mod limits;
mod oom;
mod outside;
mod signals;
mod timeout;
mod words;

use crate::monitor::kill_report::Confidence;
use crate::snapshot::process::SpaceLimits;
use crate::text::{first_few, printable};
use crate::units::{Bytes, Timestamp};

use super::Signalled;
use super::per_test::{TestMemory, Tests};
use super::phase::Phase;
use super::report::{Evidence, Exit, Room, Sight, Verdict, VerdictKind};
use super::surroundings::{CountedKills, RanFull};
use super::watched::Watched;

pub(super) use oom::{Kill, logged};
use words::{cgroup_name, ending, log_evidence, near, stacks, who};

/// All that a verdict is made from.
pub(super) struct Case<'a> {
    pub exit: Option<Exit>,
    /// From when moments are told.
    pub began: Timestamp,
    pub processes: &'a [Watched],
    pub kills: &'a [Kill],
    pub tests: &'a Tests,
    /// Process numbers in the kernel's log are those that we see.
    pub sees_all_numbers: bool,
    /// The lowest cgroup above the tree whose counter rose, unless that was for others.
    pub cgroup_kills: Option<CountedKills>,
    /// The one that was full when somebody was killed, if one that can be seen was.
    pub ran_full: Option<RanFull>,
    /// None is above those that can be seen.
    pub sees_all_cgroups: bool,
    /// Between which two looks that of the lowest rose last.
    pub counted: Option<(Timestamp, Timestamp)>,
    /// Until which look it had counted none.
    pub none_counted: Option<Timestamp>,
    /// Somebody else in that one was gone then.
    pub stranger_left: bool,
    /// From when to when the one with the tightest limit was seen at it, last.
    pub full: Option<(Timestamp, Timestamp)>,
    /// The counters of those cgroups can be read.
    pub cgroups_count: bool,
    pub host_kills: Option<(u64, u64)>,
    pub own_cgroup: Option<&'a [u8]>,
    pub signals: &'a [Signalled],
    /// When it was looked at last.
    pub now: Timestamp,
    pub room: Option<&'a Room>,
    pub most: Option<Bytes>,
    pub sight: Sight,
}

impl Case<'_> {
    fn went_well(&self) -> bool {
        self.exit == Some(Exit::Code(0))
    }

    /// The tests that ran when this process ended, where it worked for tests: of a test binary those that it left behind.
    fn ran_then(&self, process: &Watched) -> Vec<&TestMemory> {
        let Some(package) = process.role.package.as_deref() else { return Vec::new() };
        match process.role.tests() {
            Some(package) => self.tests.running(package),
            None => self.tests.ran_between(package, process.last_seen, process.ended),
        }
    }

    /// The one of them, where that was one; it stands for those above it too.
    fn ran_alone(&self, process: &Watched) -> Option<&str> {
        match *self.ran_then(process) {
            [one] => Some(&one.test),
            _ => None,
        }
    }

    /// Whether a record of the log may be of one of ours, though it could not be matched.
    fn may_be_named(&self) -> bool {
        self.kills.iter().any(|kill| kill.may_be_of_ours(self))
    }
}

const SIGKILL: i32 = 9;

/// The verdict.
pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let found = oom::named_by_the_kernel(case)
        .or_else(|| oom::counted(case))
        .or_else(|| signals::passed_on(case))
        .or_else(|| signals::killed(case))
        .or_else(|| limits::timed_out(case))
        .or_else(|| limits::space(case))
        .or_else(|| signals::out_of_time(case));
    let mut verdict = outside::seen_from_outside(case, found.unwrap_or_else(|| by_exit(case)));
    let victim = verdict.victim.as_ref().map(|victim| victim.id);
    let victim = victim.and_then(|id| case.processes.iter().find(|process| process.id == id));
    verdict.story.extend(victim.and_then(|victim| stacks(case, victim)));
    let ran = victim.map(|victim| case.ran_then(victim)).unwrap_or_default();
    if ran.len() > 1 {
        let names = first_few(ran.iter().map(|test| &*test.test));
        let is_binary = victim.is_some_and(|victim| victim.role.tests().is_some());
        let whose = if is_binary { "and share what it held" } else { "and any of them may have started it" };
        verdict.story.insert(0, format!("{names} ran then, {whose}"));
    }
    verdict
}

/// Nothing but the status with which it ended.
fn by_exit(case: &Case<'_>) -> Verdict {
    let Some(exit) = case.exit else { return outside::unknown(case) };
    let (no_kill, sure) = without_oom(case);
    // Without records of what ended, a test that somebody killed looks like one that failed.
    let limited = case.processes.iter().any(|process| process.space_limits != SpaceLimits::default());
    let sees_ends = case.sight.exit_records.is_ok() || case.processes.len() <= 1;
    // A record of an end may be lost, and who lives in another PID namespace has none.
    let told = case.processes.iter().all(|process| process.ended.is_none() || process.exit().is_some());
    let (kind, confidence, summary) = match exit {
        Exit::Code(0) => {
            let may_be_ours = case.cgroup_kills.is_some() || !case.cgroups_count;
            let confidence =
                if sure || sees_ends && told || !may_be_ours { Confidence::Certain } else { Confidence::Likely };
            (VerdictKind::Ok, confidence, near(case))
        }
        exit => {
            let failed = who_failed(case).map(|failed| failed + "; ").unwrap_or_default();
            let confidence =
                if sure && sees_ends && told && !limited { Confidence::Certain } else { Confidence::Likely };
            let spared = if sure { "; the OOM killer killed none of it" } else { "" };
            let summary = format!("{failed}{}{spared}", ending(exit));
            let kind = if matches!(exit, Exit::Signal(_)) { VerdictKind::KilledBySignal } else { VerdictKind::Failed };
            (kind, confidence, summary)
        }
    };
    Verdict { kind, confidence, summary, story: Vec::new(), evidence: no_kill, victim: None }
}

/// The tests that failed, where they are told; else the first tool or test binary that ended with a status of its own.
fn who_failed(case: &Case<'_>) -> Option<String> {
    let of_package = |test: &TestMemory| format!("{} of {}", test.test, test.package);
    match *case.tests.failed() {
        [] => {}
        [one] => return Some(format!("{} failed", printable(of_package(one).as_bytes()))),
        ref several => {
            let names: Vec<_> = several.iter().map(|test| of_package(test)).collect();
            return Some(format!("{} tests failed: {}", names.len(), first_few(names.iter().map(String::as_str))));
        }
    }
    let failed = case.processes.iter().filter(|process| {
        !matches!(process.role.phase, Phase::Other | Phase::Go) && process.exit_code().is_some_and(|code| code != 0)
    });
    failed.min_by_key(|process| process.ended).map(|process| format!("{} failed first", who(process)))
}

/// What says that there was no OOM kill, and whether it is enough: the machine's own counter did not move, or every kill that
/// it counted stands in the log and is of others.
fn without_oom(case: &Case<'_>) -> (Vec<Evidence>, bool) {
    let mut evidence = vec![log_evidence(case)];
    let counted_none = case.host_kills.is_some_and(|(from, to)| from == to);
    let counted = case.host_kills.map_or(0, |(from, to)| to.saturating_sub(from));
    let may_be_named = case.may_be_named();
    let all_told = !may_be_named && case.sight.kernel_log.is_ok() && logged(case.kills) as u64 >= counted;
    if let Some(CountedKills { path, from, to, .. }) = &case.cgroup_kills {
        let whose = if all_told { "others" } else { "of which process is unknown" };
        evidence.push(Evidence {
            source: "counters",
            text: format!("oom_kill of {} {from} -> {to}: {whose}", cgroup_name(case, path)),
        });
    }
    if let Some((from, to)) = case.host_kills {
        let text = match (from == to, all_told) {
            (true, _) => format!("oom_kill of the machine stayed at {to}"),
            (false, true) => format!("oom_kill of the machine {from} -> {to}: others"),
            (false, false) => format!("oom_kill of the machine {from} -> {to}: of which process is unknown"),
        };
        evidence.push(Evidence { source: "counters", text });
    }
    (evidence, counted_none && !may_be_named || all_told && case.sees_all_numbers)
}

#[cfg(test)]
mod failed_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whose_tests;
