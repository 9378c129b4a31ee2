//! The verdict on a run that somebody else started: what of it holds from outside. Refuses to be surer than what was seen.

use crate::monitor::kill_report::Confidence;
use crate::run::report::{Evidence, Vantage, Verdict, VerdictKind};

use super::words::cgroup_name;
use super::{Case, without_oom};

/// Nobody told us its status.
pub(super) fn unknown(case: &Case<'_>) -> Verdict {
    let (mut evidence, no_oom) = without_oom(case);
    let killed = case.cgroup_kills.as_ref().map(|kills| {
        let cgroup = cgroup_name(case, &kills.path);
        format!("the OOM killer killed a process in {cgroup} meanwhile; whether it is part of this run is unknown")
    });
    let summary = match killed {
        Some(killed) => format!("it ended; {killed}"),
        None if no_oom => "it ended; the OOM killer killed none of it while it was watched".to_owned(),
        None => "it ended".to_owned(),
    };
    evidence.push(Evidence {
        source: "exit status",
        text: "unknown: only its parent is told, and readers of the kernel's exit records (CAP_NET_ADMIN)".into(),
    });
    Verdict {
        kind: VerdictKind::Unknown,
        confidence: Confidence::Guess,
        summary,
        story: Vec::new(),
        evidence,
        victim: None,
    }
}

/// The verdict as far as it holds for one who came later. Its end and whom the kernel's log names are facts; of what else
/// went wrong the cause may lie before.
pub(super) fn seen_from_outside(case: &Case<'_>, mut verdict: Verdict) -> Verdict {
    if case.sight.vantage == Vantage::Above {
        return verdict;
    }
    let is_fact = matches!(verdict.kind, VerdictKind::Ok | VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost);
    if !is_fact && verdict.confidence == Confidence::Certain {
        verdict.confidence = Confidence::Likely;
    }
    verdict
        .evidence
        .push(Evidence { source: "oomtop", text: "watched from outside: what happened before is unknown".into() });
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::report::Exit;
    use crate::run::{Run, RunPlan};
    use crate::snapshot::cgroup::{Cgroup, CgroupEvents, Version};
    use crate::snapshot::kernel_event::{OutsideEvent, ProcessExit};
    use crate::snapshot::process::{CgroupPath, Command, Name, Stat};
    use crate::snapshot::{Fact, Snapshot, Unreadable};
    use crate::units::{Bytes, Pid, ProcessId, Timestamp};
    use std::sync::Arc;

    const GO: ProcessId = ProcessId { pid: Pid(20), start_time: crate::units::StartTime(1) };
    const TEST: ProcessId = ProcessId { pid: Pid(30), start_time: crate::units::StartTime(2) };

    /// Whose end the kernel accounted for, with which wait status.
    type Accounted<'a> = &'a [(ProcessId, i32)];

    fn seen(id: ProcessId, parent: u32, name: &str, snapshot: &mut Snapshot) {
        let at = snapshot.began;
        let stat = Stat { name: Name::new(name.as_bytes()), parent: Pid(parent), state: b'S', ..Stat::default() };
        let arguments: &[u8] = if id == GO { b"go\0test\0" } else { b"/tmp/b001/a.test\0-test.v\0" };
        let command = Arc::new(Command { arguments: arguments.into(), cut: false });
        snapshot.roster.push(id);
        snapshot.stats.push(Fact { id, at, reading: Ok(stat) });
        snapshot.commands.push(Fact { id, at, reading: Ok(command) });
    }

    fn snapshot(second: u64, oom_kills: u64) -> Snapshot {
        let at = Timestamp::from_secs(second);
        let cgroup = Cgroup {
            limit: Some(Some(Bytes::from_mib(512))),
            events: CgroupEvents { oom_kill: Some(oom_kills), ..CgroupEvents::default() },
            ..Cgroup::unread(CgroupPath::new("/job"), Version::V2, at)
        };
        let mut snapshot = Snapshot { began: at, ended: at, cgroups: Some(vec![cgroup]), ..Snapshot::default() };
        let mut system = crate::snapshot::system::System::default();
        system.events.oom_kill = Some(oom_kills);
        snapshot.system = Some(system);
        snapshot.kernel_log = Some(Ok(()));
        snapshot
    }

    /// A `go test` with one test that both end; what the kernel accounted of whom, and how many OOM kills it counted.
    fn watched(accounted: Accounted<'_>, oom_kills: u64) -> (Option<Exit>, Verdict) {
        let mut run = Run::new(RunPlan { vantage: Vantage::Outside, ..RunPlan::default() });
        let mut first = snapshot(1, 5);
        seen(GO, 10, "go", &mut first);
        seen(TEST, 20, "a.test", &mut first);
        run.absorb(&first);
        let mut last = snapshot(2, 5 + oom_kills);
        last.events.extend(accounted.iter().map(|(id, wait_status)| {
            OutsideEvent::ProcessExit(ProcessExit {
                id: *id,
                parent: Pid(10),
                at: last.began,
                name: Name::default(),
                wait_status: Some(*wait_status),
                peak_rss: None,
            })
        }));
        run.absorb(&last);
        let exit = run.exit_of(&[GO]);
        let report = run.finish(exit, Ok(()));
        (exit, report.verdict)
    }

    #[test]
    fn a_verdict_from_outside_is_no_surer_than_what_was_seen() {
        let cases: [(&str, Accounted<'_>, u64, _, _, _); 5] = [
            ("nobody told", &[], 0, None, VerdictKind::Unknown, Confidence::Guess),
            ("it ended well", &[(TEST, 0), (GO, 0)], 0, Some(Exit::Code(0)), VerdictKind::Ok, Confidence::Certain),
            (
                "it failed, and not for want of memory while it was watched",
                &[(TEST, 1 << 8), (GO, 1 << 8)],
                0,
                Some(Exit::Code(1)),
                VerdictKind::Failed,
                Confidence::Likely,
            ),
            (
                "its test was killed",
                &[(TEST, 9), (GO, 1 << 8)],
                0,
                Some(Exit::Code(1)),
                VerdictKind::KilledBySignal,
                Confidence::Likely,
            ),
            (
                "its test was killed, and an OOM kill was counted",
                &[(TEST, 9), (GO, 1 << 8)],
                1,
                Some(Exit::Code(1)),
                VerdictKind::OomKilledCgroup,
                Confidence::Likely,
            ),
        ];
        for (what, accounted, oom_kills, exit, kind, confidence) in cases {
            let (found, verdict) = watched(accounted, oom_kills);
            assert_eq!((found, verdict.kind, verdict.confidence), (exit, kind, confidence), "{what}: {verdict:?}");
            let last = verdict.evidence.last().expect("there is some");
            assert!(last.text.contains("from outside"), "{what}: {verdict:?}");
        }
    }

    #[test]
    fn a_kill_is_that_of_the_test_that_was_gone_when_it_was_counted_and_else_of_whom_is_not_known() {
        let (exit, verdict) = watched(&[], 1);
        assert_eq!((exit, verdict.kind, verdict.confidence), (None, VerdictKind::OomKilledCgroup, Confidence::Guess));
        assert_eq!(verdict.victim.as_ref().map(|victim| victim.id), Some(TEST), "{verdict:?}");
        assert!(verdict.evidence.iter().any(|evidence| evidence.text.contains("5 -> 6")), "{verdict:?}");

        // The test was gone before, and go ends by itself.
        let mut run = Run::new(RunPlan { vantage: Vantage::Outside, ..RunPlan::default() });
        for (second, oom_kills, living) in [(1, 5, &[GO, TEST][..]), (2, 5, &[GO]), (3, 6, &[])] {
            let mut snapshot = snapshot(second, oom_kills);
            for id in living {
                let (parent, name) = if *id == GO { (10, "go") } else { (20, "a.test") };
                seen(*id, parent, name, &mut snapshot);
            }
            run.absorb(&snapshot);
        }
        let verdict = run.finish(None, Err(Unreadable::Denied)).verdict;
        assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Unknown, Confidence::Guess));
        assert!(verdict.summary.contains("whether it is part of this run is unknown"), "{verdict:?}");
        assert!(verdict.evidence.iter().any(|evidence| evidence.text.contains("5 -> 6")), "{verdict:?}");
    }
}
