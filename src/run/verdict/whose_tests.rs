//! Whose kill it was: cases in which one of the run was nearly told to be the victim of a kill of others, or the other way round.

use std::sync::Arc;

use super::super::{Run, RunPlan};
use super::tests::pass;
use super::*;
use crate::snapshot::cgroup::{Cgroup, CgroupEvents, Version};
use crate::snapshot::kernel_event::OutsideEvent;
use crate::snapshot::process::CgroupPath;
use crate::snapshot::system::{Machine, System};
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::ProcessId;

const NO_LOG: Result<(), Unreadable> = Err(Unreadable::Denied);

/// A cgroup with so many kills counted; its limit in MiB.
fn group(path: &str, limit: Option<u64>, kills: u64, second: u64) -> Cgroup {
    Cgroup {
        limit: Some(limit.map(Bytes::from_mib)),
        unseen: Some(3),
        events: CgroupEvents { oom_kill: Some(kills), ..CgroupEvents::default() },
        ..Cgroup::unread(CgroupPath::new(path), Version::V2, Timestamp::from_secs(second))
    }
}

/// A look at `tail` 12 on a machine whose numbers we see, with what the log has new and the kills that the machine counted.
fn look(second: u64, cgroups: Vec<Cgroup>, host: u64, log: &[&str]) -> Snapshot {
    let at = Timestamp::from_secs(second);
    let mut system = System::default();
    system.events.oom_kill = Some(host);
    let machine =
        Machine { initial_pid_namespace: Some(true), initial_cgroup_namespace: Some(true), ..Machine::default() };
    let (cgroups, system) = (Some(cgroups), Some(system));
    let mut snapshot =
        Snapshot { began: at, ended: at, machine: Arc::new(machine), cgroups, system, ..pass(None, log) };
    snapshot.stats.iter_mut().for_each(|stat| stat.at = at);
    snapshot
}

fn without_log(snapshot: Snapshot) -> Snapshot {
    Snapshot { kernel_log: Some(NO_LOG), ..snapshot }
}

/// In this pass `tail` is known to have ended.
fn ends(mut snapshot: Snapshot, wait_status: i32) -> Snapshot {
    let at = snapshot.began;
    snapshot.events.push(OutsideEvent::ChildExit { id: ProcessId::new(12, 1), at, wait_status });
    snapshot
}

/// The verdict on a run of these passes, in which the command ended so.
fn judged(passes: impl IntoIterator<Item = Snapshot>, exit: Exit, records: Result<(), Unreadable>) -> Verdict {
    let mut run = Run::new(RunPlan::default());
    passes.into_iter().for_each(|pass| run.absorb(&pass));
    run.finish(Some(exit), records).verdict
}

fn told(verdict: &Verdict) -> String {
    verdict.evidence.iter().fold(verdict.summary.clone(), |told, one| format!("{told}\n{}: {}", one.source, one.text))
}

const NOBODY_TO_KILL: [&str; 2] = [
    "noise invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "Out of memory and no killable processes...",
];

/// The kernel counts a kill, then sends the signal, then writes of it.
#[test]
fn an_oom_that_killed_nobody_explains_no_kill() {
    let mut run = Run::new(RunPlan::default());
    run.absorb(&look(1, vec![], 7, &[]));
    run.absorb(&look(2, vec![], 7, &NOBODY_TO_KILL));
    run.absorb(&ends(look(3, vec![], 8, &[]), SIGKILL));
    assert!(run.counted_kills() == 1 && !run.is_explained(), "its record is still to come");
    let verdict = run.finish(Some(Exit::Signal(SIGKILL)), Ok(())).verdict;
    let told = told(&verdict);
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::KilledBySignal, Confidence::Guess), "{told}");
    assert!(!told.contains("not by the kernel's OOM killer") && !told.contains("others"), "{told}");
    assert!(told.contains("kernel log: no OOM kill in it"), "{told}");
}

#[test]
fn a_log_of_which_a_part_was_lost_explains_no_kill() {
    let uncounted = |second, log| Snapshot { system: None, kernel_log: Some(log), ..look(second, vec![], 0, &[]) };
    for (lost, sure) in [(Ok(()), Confidence::Certain), (Err(Unreadable::TooLong), Confidence::Guess)] {
        let passes = [uncounted(1, Ok(())), uncounted(2, lost), ends(uncounted(3, Ok(())), SIGKILL)];
        let verdict = judged(passes, Exit::Signal(SIGKILL), Ok(()));
        assert_eq!(verdict.confidence, sure, "{}", told(&verdict));
        assert_eq!(told(&verdict).contains("overwritten"), lost.is_err(), "{}", told(&verdict));
    }
}

/// Seen from another PID namespace, where a name is all that the log has of us.
#[test]
fn who_ended_by_another_signal_was_not_taken_by_the_oom_killer() {
    let log = [
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/noise,task_memcg=/noise,task=tail,pid=4711,uid=0",
        "Memory cgroup out of memory: Killed process 4711 (tail) total-vm:23248kB, anon-rss:15360kB, file-rss:1536kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0",
    ];
    for (signal, kind) in
        [(11, VerdictKind::KilledBySignal), (15, VerdictKind::KilledBySignal), (SIGKILL, VerdictKind::OomKilledCgroup)]
    {
        let verdict = judged([pass(None, &[]), ends(pass(None, &log), signal)], Exit::Signal(signal), Ok(()));
        assert_eq!(verdict.kind, kind, "{}", told(&verdict));
    }
}

#[test]
fn who_lived_on_was_not_taken_and_of_another_name_it_is_a_guess() {
    let log = |name| {
        format!(
            "Out of memory: Killed process 12 ({name}) total-vm:23248kB, anon-rss:15360kB, file-rss:1536kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0"
        )
    };
    let judged = |name, last, wait_status: Option<i32>| {
        let log = log(name);
        let last = look(last, vec![], 8, &[]);
        let last = wait_status.map_or(last.clone(), |status| ends(last, status));
        let verdict = judged([look(1, vec![], 7, &[]), look(2, vec![], 8, &[&log]), last], Exit::Code(1), NO_LOG);
        (verdict.kind, verdict.confidence)
    };
    let (failed, host) = (VerdictKind::Failed, VerdictKind::OomKilledHost);
    for (name, last, status, expected) in [
        ("tail", 600, None, failed),
        ("mysqld", 600, None, failed),
        ("mysqld", 600, Some(SIGKILL), VerdictKind::KilledBySignal),
        // It had the number, and its end took long.
        ("tail", 9, Some(SIGKILL), host),
    ] {
        assert_eq!(judged(name, last, status).0, expected, "{name} {last} {status:?}");
    }
    // It may have been executing another program when it was seen last.
    assert_eq!(judged("mysqld", 3, Some(SIGKILL)), (host, Confidence::Likely));
    assert_eq!(judged("mysqld", 3, None), (host, Confidence::Guess));
    assert_eq!(judged("tail", 3, None), (host, Confidence::Certain));
}

#[test]
fn who_was_dead_before_the_first_kill_was_counted_was_not_taken() {
    let at = |second, kills| without_log(look(second, vec![group("/job", Some(512), kills, second)], 7 + kills, &[]));
    let verdict = |ended: u64, counted: &[u64]| {
        let kills = |second| counted.iter().filter(|at| **at <= second).count() as u64;
        let passes = (1..=60).map(|second| {
            let gone = Snapshot { roster: Vec::new(), stats: Vec::new(), ..at(second, kills(second)) };
            match second.cmp(&ended) {
                std::cmp::Ordering::Less => at(second, kills(second)),
                std::cmp::Ordering::Equal => ends(gone, SIGKILL),
                std::cmp::Ordering::Greater => gone,
            }
        });
        judged(passes, Exit::Code(137), Ok(()))
    };
    let first = verdict(2, &[60]);
    assert_eq!((first.kind, first.confidence), (VerdictKind::KilledBySignal, Confidence::Guess), "{}", told(&first));
    let taken = verdict(30, &[30]);
    assert_eq!((taken.kind, taken.confidence), (VerdictKind::OomKilledCgroup, Confidence::Likely), "{}", told(&taken));
    // Of two the first may have been it.
    assert_eq!(verdict(10, &[10, 60]).kind, VerdictKind::OomKilledCgroup);
}

/// As `systemd-run --scope` moves whom it becomes.
fn in_cgroup(mut snapshot: Snapshot, path: &str) -> Snapshot {
    let (id, at) = (ProcessId::new(12, 1), snapshot.began);
    snapshot.memberships.push(Fact { id, at, reading: Ok(CgroupPath::new(path)) });
    snapshot
}

/// A sibling of its session dies at the limit of both. The kernel counts a kill of ours in our own cgroup too.
#[test]
fn a_kill_that_only_the_cgroup_above_ours_counted_is_of_others_unless_some_of_the_run_was_elsewhere() {
    const SESSION: &str = "/user.slice/session-3.scope";
    let judged = |place, (exit, status), records| {
        let at = |second, above| {
            let cgroups = vec![group(SESSION, None, 0, second), group("/user.slice", Some(512), above, second)];
            in_cgroup(without_log(look(second, cgroups, 7 + above, &[])), place)
        };
        judged([at(1, 0), at(2, 1), ends(at(3, 1), status)], exit, records)
    };
    let (killed, failed) = ((Exit::Signal(SIGKILL), SIGKILL), (Exit::Code(1), 1 << 8));
    for (place, end, records, expected) in [
        (SESSION, killed, Ok(()), VerdictKind::KilledBySignal),
        (SESSION, failed, NO_LOG, VerdictKind::Failed),
        ("/user.slice/session-3.scope/below", killed, Ok(()), VerdictKind::KilledBySignal),
        ("/user.slice/run-7.scope", killed, Ok(()), VerdictKind::OomKilledCgroup),
        ("/system.slice/run-7.scope", killed, Ok(()), VerdictKind::KilledBySignal),
    ] {
        let verdict = judged(place, end, records);
        assert_eq!((verdict.kind, verdict.confidence == Confidence::Certain), (expected, false), "{}", told(&verdict));
        let is_open = verdict.kind != VerdictKind::OomKilledCgroup || verdict.summary.contains("perhaps");
        assert!(is_open, "{}", told(&verdict));
    }
}

/// v2 counts in `oom` whose limit it was.
#[test]
fn whose_limit_it_was_is_told_by_who_counted_it() {
    let judged = |limits: [Option<u64>; 2], hit: [Option<u64>; 2], initial| {
        let at = |second, kills: u64| {
            let of = |path, limit, hit: Option<u64>| {
                let mut cgroup = group(path, limit, kills, second);
                cgroup.events.oom = hit.map(|hit| hit * kills);
                cgroup
            };
            let cgroups =
                vec![of("/web/job", limits[0], hit[0]), of("/web", limits[1], hit[1]), group("/", None, 0, second)];
            let mut look = without_log(look(second, cgroups, 7 + kills, &[]));
            look.machine = Arc::new(Machine { initial_cgroup_namespace: Some(initial), ..Machine::default() });
            look
        };
        let verdict = judged([at(1, 0), at(2, 1), ends(at(3, 1), SIGKILL)], Exit::Signal(SIGKILL), Ok(()));
        assert_eq!(verdict.victim.as_ref().map(|victim| &*victim.name), Some(&b"tail"[..]), "{}", told(&verdict));
        (verdict.kind, verdict.confidence, verdict.summary)
    };
    let (host, cgroup) = (VerdictKind::OomKilledHost, VerdictKind::OomKilledCgroup);
    for (limits, hit, initial, kind, sure, end) in [
        (
            [Some(64), Some(512)],
            [Some(1), Some(1)],
            true,
            cgroup,
            Confidence::Likely,
            "at the limit of web/job (64.0M)",
        ),
        ([Some(64), Some(512)], [Some(0), Some(1)], true, cgroup, Confidence::Likely, "at the limit of web (512M)"),
        ([None, Some(512)], [Some(0), Some(1)], false, cgroup, Confidence::Likely, "at the limit of web (512M)"),
        (
            [Some(64), Some(512)],
            [Some(0), Some(0)],
            true,
            host,
            Confidence::Likely,
            "because the machine was out of memory (no limit that applies to it was reached)",
        ),
        ([None; 2], [None; 2], true, host, Confidence::Likely, "(no limit applies to it)"),
        // A pod may have one that its containers do not see.
        ([None; 2], [Some(0); 2], false, host, Confidence::Guess, "or at a limit that cannot be seen from here"),
        // Nothing counts whose it was.
        (
            [None, Some(512)],
            [None; 2],
            true,
            cgroup,
            Confidence::Guess,
            "at the limit of web (512M) or because the machine was out of memory",
        ),
    ] {
        let (found, confidence, summary) = judged(limits, hit, initial);
        assert_eq!((found, confidence), (kind, sure), "{limits:?} {hit:?}: {summary}");
        assert!(summary.ends_with(end), "{limits:?} {hit:?}: {summary}");
    }
}

/// v1 does not count whose limit it was. A limit that was never held was not reached.
#[test]
fn a_limit_of_v1_that_was_never_nearly_held_took_nobody() {
    let judged = |peak, both: Option<u64>| {
        let at = |second, kills| {
            let mut cgroup = group("/job", Some(64), kills, second);
            (cgroup.version, cgroup.peak) = (Version::V1, Some(Bytes::from_mib(peak)));
            cgroup.memory_and_swap_limit = Some(both.map(Bytes::from_mib));
            let top = Cgroup { version: Version::V1, ..group("/", None, 0, second) };
            without_log(look(second, vec![cgroup, top], 7 + kills, &[]))
        };
        let verdict = judged([at(1, 0), at(2, 1), ends(at(3, 1), SIGKILL)], Exit::Signal(SIGKILL), Ok(()));
        (verdict.kind, verdict.confidence)
    };
    let job = (VerdictKind::OomKilledCgroup, Confidence::Likely);
    assert_eq!(judged(63, None), job);
    assert_eq!(judged(20, Some(64)), job, "the rest may be in swap");
    assert_eq!(judged(20, None), (VerdictKind::OomKilledHost, Confidence::Likely));
}
