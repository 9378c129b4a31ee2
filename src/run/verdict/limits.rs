//! Who failed at a limit of its own: on what it may map, on the time of its tests. Refuses to be certain: others fail with
//! the same status near the same limits.

use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::run::phase::{Phase, test_timeout};
use crate::run::report::{Evidence, Verdict, VerdictKind, seconds};
use crate::run::watched::Watched;
use crate::units::{Bytes, human_duration};

use super::Case;
use super::words::{during, exit_evidence, held, log_evidence, squeeze_evidence, victim, who};

/// An allocation failed at a limit on the address space or on data.
pub(super) fn space(case: &Case<'_>) -> Option<Verdict> {
    if case.went_well() {
        return None;
    }
    // Where not even the status of the run is known, that of a process must be.
    let failed = |process: &&Watched| process.exit_code().map_or(case.exit.is_some(), |code| code != 0);
    let at_limit =
        |process| Limit::of(process).into_iter().filter(Limit::may_have_failed).max_by_key(|limit| limit.held);
    let limited = case.processes.iter().filter(failed).filter_map(at_limit);
    let limit = limited.max_by_key(|limit| {
        let process = limit.process;
        (by_runtime(process), process.role.phase == Phase::Test, limit.held)
    })?;
    let Limit { process, what, option, held: mapped, most } = limit;
    Some(Verdict {
        kind: VerdictKind::LimitHit,
        confidence: if limit.is_near() && by_runtime(process) { Confidence::Likely } else { Confidence::Guess },
        summary: format!("{} failed under a limit of {most} on {what} (ulimit {option})", who(process)),
        story: vec![held(process)],
        evidence: vec![
            Evidence { source: "limits", text: format!("{what} {mapped} of {most} when last sampled") },
            exit_evidence(process).unwrap_or_else(|| log_evidence(case)),
        ],
        victim: Some(victim(case, process)),
    })
}

/// 2 is the status of a Go program that the runtime ended: "fatal error: runtime: out of memory"; and of many that failed
/// for another reason, far from any limit.
fn by_runtime(process: &Watched) -> bool {
    process.exit_code() == Some(2)
}

/// A limit on what a process may map, and what of it that had.
#[derive(Clone, Copy)]
struct Limit<'a> {
    process: &'a Watched,
    what: &'static str,
    option: &'static str,
    held: Bytes,
    most: Bytes,
}

impl<'a> Limit<'a> {
    /// The Go runtime reserves arenas of 64 MiB, and may be refused one between two looks.
    const STEP: Bytes = Bytes::from_mib(256);

    fn of(process: &'a Watched) -> Vec<Self> {
        let limits = process.space_limits;
        let both = [
            ("address space", "-v", process.address_space, limits.address_space),
            ("data", "-d", process.data, limits.data),
        ];
        let set = both
            .into_iter()
            .filter_map(|(what, option, held, most)| Some(Self { process, what, option, held, most: most? }));
        set.collect()
    }

    fn is_near(&self) -> bool {
        self.held.0 >= self.most.0 / 10 * 9
    }

    fn may_have_failed(&self) -> bool {
        self.is_near()
            || self.held.saturating_add(Self::STEP) >= self.most
            || by_runtime(self.process) && self.held.0 >= self.most.0 / 10
    }
}

/// A test binary gave up after its own -timeout: it panics and exits with 2.
pub(super) fn timed_out(case: &Case<'_>) -> Option<Verdict> {
    if case.went_well() {
        return None;
    }
    let (process, timeout) = case.processes.iter().find_map(|process| {
        let timeout = test_timeout(process.command.as_deref()?)?;
        let lived = process.lifetime().saturating_add(Duration::from_millis(300));
        let failed = process.exit_code().is_none_or(|code| code == 2);
        (process.role.phase == Phase::Test && failed && lived >= timeout).then_some((process, timeout))
    })?;
    Some(Verdict {
        kind: VerdictKind::Failed,
        confidence: if process.exit_code().is_some() { Confidence::Likely } else { Confidence::Guess },
        summary: format!(
            "{} ran into its own -timeout of {} and panicked{}{}",
            who(process),
            human_duration(timeout),
            during(case, process),
            if process.squeeze.found().is_some() { "; its GOMEMLIMIT may have slowed it down" } else { "" }
        ),
        story: vec![held(process)],
        evidence: [
            Evidence { source: "command line", text: format!("-test.timeout={}", human_duration(timeout)) },
            Evidence { source: "lifetime", text: format!("it ran for {}", seconds(process.lifetime())) },
        ]
        .into_iter()
        .chain(squeeze_evidence(process))
        .chain([log_evidence(case)])
        .collect(),
        victim: Some(victim(case, process)),
    })
}
