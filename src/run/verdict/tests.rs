//! Verdicts on cases that are made up: what real runs seldom meet.

use super::*;
use crate::snapshot::Unreadable;

fn case(exit: Exit, signals: &[i32], exit_records: Result<(), Unreadable>) -> Case<'_> {
    Case {
        exit,
        processes: &[],
        kills: &[],
        sees_all_numbers: true,
        cgroup_kills: Some((b"/docker/somebody".as_slice().into(), 3, 4)),
        host_kills: Some((7, 8)),
        own_cgroup: None,
        signals,
        room: None,
        most: None,
        sight: Sight { kernel_log: Err(Unreadable::Denied), exit_records, passes: 9, own_cpu: Duration::ZERO },
    }
}

/// A cgroup above the run counts a kill, the log may not be read: of whom it was is not known.
#[test]
fn a_kill_in_a_shared_cgroup_is_ours_only_where_our_own_end_was_not_seen() {
    let judged = |exit, signals: &[i32], exit_records| {
        let verdict = judge(&case(exit, signals, exit_records));
        (verdict.kind, verdict.confidence, verdict.summary)
    };
    let unseen = Err(Unreadable::Denied);
    let (kind, sure, _) = judged(Exit::Code(1), &[], unseen);
    assert_eq!((kind, sure), (VerdictKind::OomKilledHost, Confidence::Guess));
    // Every end was seen, and none was by SIGKILL.
    let (kind, sure, _) = judged(Exit::Code(1), &[], Ok(()));
    assert!(kind == VerdictKind::Failed && sure != Confidence::Certain, "{kind:?} {sure:?}");
    // ^C is what it was, whatever happened to others.
    for exit_records in [unseen, Ok(())] {
        let (kind, _, told) = judged(Exit::Code(1), &[2], exit_records);
        assert_eq!(kind, VerdictKind::KilledBySignal);
        assert!(told.starts_with("interrupted (^C)"), "{told}");
    }
    let (kind, ..) = judged(Exit::Code(0), &[], unseen);
    assert_eq!(kind, VerdictKind::Ok);
}
