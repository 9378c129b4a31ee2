//! Why a run failed that nobody killed: cases in which a limit, a signal or a status was nearly told for more than it says.

use super::tests::case;
use super::*;
use crate::snapshot::process::{Name, SpaceLimits};
use crate::units::{Pid, ProcessId};

/// One that was there from second 1 and ended so.
fn made((pid, parent, name): (u32, u32, &str), phase: Phase, ended: u64, status: Option<i32>) -> Watched {
    let [first, ended] = [1, ended].map(Timestamp::from_secs);
    let mut process = Watched::new(ProcessId::new(pid, 1), Pid(parent), Name::new(name.as_bytes()), first);
    process.role.phase = phase;
    process.last_seen = ended;
    process.account(ended, None, status);
    process.end(ended);
    process
}

/// The machine counted no kill.
fn failed<'a>(processes: &'a [Watched], signals: &'a [Signalled]) -> Case<'a> {
    Case { processes, cgroup_kills: None, host_kills: Some((7, 7)), ..case(Exit::Code(1), signals, Ok(())) }
}

/// Most of the address space of a Go program may not be touched, and is no data.
#[test]
fn a_limit_on_data_is_not_held_against_the_address_space() {
    let judged = |limits, code: i32| {
        let mut test = made((21, 20, "a.test"), Phase::Test, 9, Some(code << 8));
        (test.address_space, test.data) = (Bytes::from_mib(1230), Bytes::from_mib(200));
        test.space_limits = limits;
        let verdict = judge(&failed(&[test], &[]));
        (verdict.kind, verdict.confidence, verdict.summary)
    };
    let limits = |address_space: Option<u64>, data: Option<u64>| SpaceLimits {
        address_space: address_space.map(Bytes::from_mib),
        data: data.map(Bytes::from_mib),
    };
    let (kind, ..) = judged(limits(None, Some(1024)), 1);
    assert_eq!(kind, VerdictKind::Failed);
    for (limits, code, sure, told) in [
        (limits(None, Some(210)), 2, Confidence::Likely, "210M on data (ulimit -d)"),
        // Many programs fail with 1, near a limit or not.
        (limits(None, Some(210)), 1, Confidence::Guess, "210M on data (ulimit -d)"),
        (limits(Some(1240), Some(1024)), 2, Confidence::Likely, "1.21G on address space (ulimit -v)"),
    ] {
        let (kind, confidence, summary) = judged(limits, code);
        assert_eq!((kind, confidence), (VerdictKind::LimitHit, sure), "{summary}");
        assert!(summary.ends_with(told), "{summary}");
    }
}

#[test]
fn a_signal_long_before_is_not_why_it_failed_unless_its_status_says_so() {
    let judged = |at, exit| {
        let signals = [Signalled { signal: 1, by_key: false, at: Timestamp::from_secs(at) }];
        let case = failed(&[], &signals);
        let verdict = judge(&Case { exit: Some(exit), now: Timestamp::from_secs(3600), ..case });
        (verdict.kind, verdict.confidence)
    };
    assert_eq!(judged(1, Exit::Code(1)), (VerdictKind::Failed, Confidence::Certain));
    assert_eq!(judged(3590, Exit::Code(1)), (VerdictKind::KilledBySignal, Confidence::Likely));
    assert_eq!(judged(1, Exit::Code(129)), (VerdictKind::KilledBySignal, Confidence::Certain));
}

/// A record of an end was lost: the test may have been killed.
#[test]
fn a_failure_is_not_certain_where_an_end_was_not_told() {
    for (status, sure) in [(None, Confidence::Likely), (Some(1 << 8), Confidence::Certain)] {
        let go = made((20, 1, "go"), Phase::Go, 6, Some(1 << 8));
        let processes = [go, made((21, 20, "a.test"), Phase::Test, 5, status)];
        let verdict = judge(&failed(&processes, &[]));
        assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Failed, sure), "{verdict:?}");
    }
}

/// Numbers began again: of those that stand there at the first look the child has the smaller one.
#[test]
fn the_command_is_who_has_no_parent_in_the_run() {
    let (killed, term) = (Some(SIGKILL), Some(15));
    let processes =
        [made((5, 30_000, "worker"), Phase::Other, 9, killed), made((30_000, 1, "sh"), Phase::Other, 8, term)];
    let verdict = judge(&Case { exit: Some(Exit::Signal(15)), ..failed(&processes, &[]) });
    assert!(verdict.summary.starts_with("sh 30000 was ended by SIGTERM"), "{verdict:?}");
}
