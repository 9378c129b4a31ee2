//! Who failed at a limit of its own: on its address space, on the time of its tests. Refuses to be certain: others fail with
//! the same status near the same limits.

use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::run::phase::{Phase, test_timeout};
use crate::run::report::{Evidence, Verdict, VerdictKind, seconds};
use crate::run::watched::Watched;
use crate::units::{Bytes, human_duration};

use super::Case;
use super::words::{during, exit_evidence, held, log_evidence, squeeze_evidence, victim, who};

/// An allocation failed at a limit on the address space.
pub(super) fn address_space(case: &Case<'_>) -> Option<Verdict> {
    // The Go runtime reserves arenas of 64 MiB, and may be refused one between two looks.
    const STEP: Bytes = Bytes::from_mib(256);
    if case.went_well() {
        return None;
    }
    // 2 is the status of a Go program that the runtime ended: "fatal error: runtime: out of memory"; and of many that
    // failed for another reason, far from any limit.
    let by_runtime = |process: &Watched| process.exit_code() == Some(2);
    let at_limit = |process: &&Watched| {
        let near = |limit: Bytes| {
            let space = process.address_space;
            space.saturating_add(STEP) >= limit
                || space.0 >= limit.0 / 10 * 9
                || by_runtime(process) && space.0 >= limit.0 / 10
        };
        // Where not even the status of the run is known, that of a process must be.
        let failed = process.exit_code().map_or(case.exit.is_some(), |code| code != 0);
        process.address_space_limit.is_some_and(near) && failed
    };
    let limited = case.processes.iter().filter(at_limit);
    let process = limited
        .max_by_key(|process| (by_runtime(process), process.role.phase == Phase::Test, process.address_space))?;
    let limit = process.address_space_limit?;
    let near = process.address_space.0 >= limit.0 / 10 * 9;
    Some(Verdict {
        kind: VerdictKind::LimitHit,
        confidence: if near && process.exit_code().is_some() { Confidence::Likely } else { Confidence::Guess },
        summary: format!("{} failed under a limit of {limit} on address space or data (ulimit -v, -d)", who(process)),
        story: vec![held(process)],
        evidence: vec![
            Evidence {
                source: "limits",
                text: format!("address space {} of {limit} when last sampled", process.address_space),
            },
            exit_evidence(process).unwrap_or_else(|| log_evidence(case)),
        ],
        victim: Some(victim(case, process)),
    })
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
