//! Verdicts on cases that are made up: what real runs seldom meet.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::super::{Run, RunPlan};
use super::words::{cgroup_name, growth, stood};
use super::*;
use crate::run::report::Vantage;
use crate::snapshot::cgroup::{Cgroup, CgroupEvents, Version};
use crate::snapshot::kernel_event::{KernelRecord, OutsideEvent, ProcessExit};
use crate::snapshot::process::{CgroupPath, Command, Name, Stat, Status};
use crate::snapshot::system::Machine;
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::{Pid, ProcessId, Timestamp};

static NO_TESTS: LazyLock<Tests> = LazyLock::new(Tests::default);

pub(super) fn case(exit: Exit, signals: &[Signalled], exit_records: Result<(), Unreadable>) -> Case<'_> {
    Case {
        exit: Some(exit),
        began: Timestamp::default(),
        processes: &[],
        kills: &[],
        tests: &NO_TESTS,
        sees_all_numbers: true,
        cgroup_kills: Some(CountedKills {
            path: b"/docker/somebody".as_slice().into(),
            from: 3,
            to: 4,
            is_shared: false,
        }),
        ran_full: None,
        sees_all_cgroups: true,
        counted: None,
        none_counted: None,
        stranger_left: false,
        full: None,
        cgroups_count: true,
        host_kills: Some((7, 8)),
        own_cgroup: None,
        signals,
        now: Timestamp::default(),
        room: None,
        most: None,
        sight: Sight {
            tests_asked: false,
            vantage: Vantage::Above,
            kernel_log: Err(Unreadable::Denied),
            exit_records,
            passes: 9,
            own_cpu: Duration::ZERO,
        },
    }
}

/// A cgroup above the run counts a kill, the log may not be read: of whom it was is not known.
#[test]
fn a_kill_in_a_shared_cgroup_is_ours_only_where_our_own_end_was_not_seen() {
    let judged = |exit, signals: &[Signalled], exit_records| {
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
        let (kind, _, told) =
            judged(Exit::Code(1), &[Signalled { signal: 2, by_key: false, at: Timestamp::default() }], exit_records);
        assert_eq!(kind, VerdictKind::KilledBySignal);
        assert!(told.starts_with("interrupted (^C)"), "{told}");
    }
    let (kind, ..) = judged(Exit::Code(0), &[], unseen);
    assert_eq!(kind, VerdictKind::Ok);
}

/// `q` asks for SIGINT, then SIGTERM, then SIGKILL: that is told of the one that ended it, and is no ^C and no stranger's.
#[test]
fn what_the_user_asked_for_by_key_is_told_so() {
    let key = |signal| Signalled { signal, by_key: true, at: Timestamp::default() };
    let asked = [key(2), key(15), key(9)];
    let told = |exit, asked| {
        let verdict = judge(&case(exit, asked, Ok(())));
        assert_eq!(verdict.kind, VerdictKind::KilledBySignal);
        (verdict.confidence, verdict.summary, verdict.evidence[0].text.clone())
    };
    let (sure, summary, evidence) = told(Exit::Signal(9), &asked);
    assert_eq!(sure, Confidence::Certain);
    assert_eq!(summary, "you quit while it ran: it was sent SIGKILL");
    assert_eq!(evidence, "q or ^C sent it SIGKILL");
    let (sure, summary, _) = told(Exit::Code(1), &asked[..1]);
    assert_eq!(
        (sure, summary.as_str()),
        (Confidence::Likely, "you quit while it ran: it was sent SIGINT; exit status 1")
    );
}

#[test]
fn a_signal_from_outside_is_told_once() {
    for (signal, exit, told) in [
        (15, Exit::Signal(15), "SIGTERM came from outside"),
        (15, Exit::Code(143), "SIGTERM came from outside; exit status 143"),
        (2, Exit::Signal(2), "interrupted (^C)"),
        (2, Exit::Code(1), "interrupted (^C); exit status 1"),
    ] {
        assert_eq!(
            judge(&case(exit, &[Signalled { signal, by_key: false, at: Timestamp::default() }], Ok(()))).summary,
            told
        );
    }
}

/// As `timeout -s KILL` does.
#[test]
fn of_a_group_that_one_signal_ended_the_test_is_told() {
    let ended = |pid, name: &str, phase, second, signal| {
        let mut process =
            Watched::new(ProcessId::new(pid, 1), Pid(1), Name::new(name.as_bytes()), Timestamp::default());
        process.role.phase = phase;
        process.account(Timestamp::from_secs(second), None, Some(signal));
        process
    };
    let go = ended(20, "go", Phase::Go, 5, SIGKILL);
    for (test, told) in [
        (ended(30, "a.test", Phase::Test, 5, SIGKILL), "a.test 30 was killed (SIGKILL)"),
        // Of what came later, or by another signal, it was not the cause.
        (ended(30, "a.test", Phase::Test, 9, SIGKILL), "go 20 was killed (SIGKILL)"),
        (ended(30, "a.test", Phase::Test, 5, 13), "go 20 was killed (SIGKILL)"),
    ] {
        let processes = [go.clone(), test];
        let case = Case { processes: &processes, cgroup_kills: None, ..case(Exit::Signal(SIGKILL), &[], Ok(())) };
        let summary = judge(&case).summary;
        assert!(summary.starts_with(told), "{summary}");
    }
}

/// A pass in a PID namespace, where the kernel's log has numbers of another.
pub(super) fn pass(oom_kill: Option<u64>, log: &[&str]) -> Snapshot {
    let id = ProcessId::new(12, 1);
    let stat = Stat { name: Name::new(b"tail"), ..Stat::default() };
    let events = CgroupEvents { oom_kill, ..CgroupEvents::default() };
    let cgroup = Cgroup { events, ..Cgroup::unread(CgroupPath::new("/job"), Version::V1, Timestamp::default()) };
    let record = |(number, text): (usize, &&str)| {
        let sequence = number as u64;
        let text = text.as_bytes().into();
        OutsideEvent::KernelLog(KernelRecord { sequence, microseconds: sequence, priority: 3, text })
    };
    Snapshot {
        machine: Arc::new(Machine { initial_pid_namespace: Some(false), ..Machine::default() }),
        roster: vec![id],
        stats: vec![Fact { id, at: Timestamp::default(), reading: Ok(stat) }],
        cgroups: Some(vec![cgroup]),
        kernel_log: Some(Ok(())),
        events: log.iter().enumerate().map(record).collect(),
        ..Snapshot::default()
    }
}

#[test]
fn a_victim_of_the_same_name_in_another_namespace_is_not_ours_unless_our_cgroup_counted_it() {
    let log = [
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/noise,task_memcg=/noise,task=tail,pid=4711,uid=0",
        "Memory cgroup out of memory: Killed process 4711 (tail) total-vm:23248kB, anon-rss:15360kB, file-rss:1536kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0",
    ];
    let kind = |before, after, exit| {
        let mut run = Run::new(RunPlan::default());
        run.absorb(&pass(before, &[]));
        run.absorb(&pass(after, &log));
        run.finish(Some(exit), Ok(())).verdict.kind
    };
    assert_eq!(kind(Some(0), Some(0), Exit::Code(0)), VerdictKind::Ok);
    assert_eq!(kind(Some(0), Some(1), Exit::Code(1)), VerdictKind::OomKilledCgroup);
    assert_eq!(kind(None, None, Exit::Code(1)), VerdictKind::OomKilledCgroup, "the name is all that is known");
}

/// The log knows numbers alone, and they are given away again.
#[test]
fn who_had_the_number_long_before_the_kill_was_not_taken() {
    let log = [
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/x,task=tail,pid=12,uid=0",
        "Out of memory: Killed process 12 (tail) total-vm:23248kB, anon-rss:15360kB, file-rss:1536kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0",
    ];
    let kind = |second| {
        let at = |second, snapshot: Snapshot| {
            let [began, ended] = [Timestamp::from_secs(second); 2];
            let machine = Arc::new(Machine { initial_pid_namespace: Some(true), ..Machine::default() });
            Snapshot { began, ended, machine, ..snapshot }
        };
        let mut run = Run::new(RunPlan::default());
        run.absorb(&at(1, pass(None, &[])));
        // It is gone, and nobody says how it ended.
        run.absorb(&at(2, Snapshot { roster: Vec::new(), stats: Vec::new(), ..pass(None, &[]) }));
        run.absorb(&at(second, Snapshot { roster: Vec::new(), stats: Vec::new(), ..pass(None, &log) }));
        run.finish(Some(Exit::Code(1)), Ok(())).verdict.kind
    };
    assert_eq!(kind(3), VerdictKind::OomKilledHost);
    assert_eq!(kind(60), VerdictKind::Failed);
}

/// A pass of more than two seconds: the machine is out of memory for us too.
#[test]
fn a_slow_pass_parts_no_victim_from_the_record_of_its_kill() {
    let log = |pid| {
        [
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/x,task=tail,pid=12,uid=0".to_owned(),
            format!("Out of memory: Killed process {pid} (tail) total-vm:23248kB, anon-rss:15360kB, file-rss:1536kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0"),
        ]
    };
    let judged = |pid, second| {
        let at = |began, ended, snapshot: Snapshot| {
            let [began, ended] = [began, ended].map(Timestamp::from_secs);
            let machine = Arc::new(Machine { initial_pid_namespace: Some(true), ..Machine::default() });
            Snapshot { began, ended, machine, ..snapshot }
        };
        let gone = |log: &[&str]| Snapshot { roster: Vec::new(), stats: Vec::new(), ..pass(None, log) };
        let mut run = Run::new(RunPlan::default());
        run.absorb(&at(1, 1, pass(None, &[])));
        run.absorb(&at(3, 3, gone(&[])));
        let log = log(pid);
        run.absorb(&at(second, second + 5, gone(&[&log[0], &log[1]])));
        run.finish(Some(Exit::Code(1)), Ok(())).verdict
    };
    let verdict = judged(12, 5);
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::OomKilledHost, Confidence::Certain), "{verdict:?}");
    // Who had the number long before may have been it, if the log was read late: that it was not is not known.
    let verdict = judged(12, 60);
    let told = verdict.summary.clone() + &verdict.evidence.iter().map(|one| &*one.text).collect::<String>();
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Failed, Confidence::Likely), "{told}");
    assert!(!told.contains("killed none of it") && !told.contains("none of this run"), "{told}");
    let verdict = judged(4711, 60);
    // Its own end was told by nobody.
    assert_eq!((verdict.kind, verdict.confidence), (VerdictKind::Failed, Confidence::Likely), "{verdict:?}");
    assert!(verdict.summary.contains("killed none of it"), "{verdict:?}");
}

/// A helper of `TestA` is taken at second 3; `TestB` begins long after, and what waits to run in parallel does not run.
#[test]
fn a_test_that_began_when_the_victim_was_long_dead_did_not_run_then() {
    let helper = |second| {
        let seen = Timestamp::from_secs(second - 1);
        let mut helper = Watched::new(ProcessId::new(12, 1), Pid(1), Name::new(b"tail"), seen);
        (helper.role.package, helper.role.below) = (Some("m/a".into()), Some("m/a".into()));
        helper.account(Timestamp::from_secs(second), None, Some(SIGKILL));
        helper
    };
    let mut tests = Tests::default();
    for (action, test, second) in [
        ("run", "TestWaits", 1),
        ("pause", "TestWaits", 1),
        ("run", "TestA", 2),
        ("run", "TestA/x", 2),
        ("pass", "TestA/x", 4),
        ("pass", "TestA", 4),
        ("cont", "TestWaits", 20),
        ("run", "TestB", 30),
    ] {
        tests.take(action, "m/a", test, Timestamp::from_secs(second), None);
    }
    let judged = |second, phase| {
        let mut process = helper(second);
        process.role.phase = phase;
        if phase == Phase::Test {
            process.role.below = None;
        }
        let processes = [process];
        let verdict = judge(&Case {
            processes: &processes,
            tests: &tests,
            cgroup_kills: None,
            ..case(Exit::Code(1), &[], Ok(()))
        });
        (verdict.victim.and_then(|victim| victim.test), verdict.summary, verdict.story.concat())
    };
    let (test, summary, _) = judged(3, Phase::Other);
    assert_eq!(test.as_deref(), Some("TestA/x"), "{summary}");
    assert!(summary.contains(" while TestA/x ran"), "{summary}");
    let (test, _, story) = judged(31, Phase::Other);
    assert!(test.is_none() && story.contains("TestWaits, TestB ran then, and any of them"), "{story}");
    let processes = [helper(3), helper(3)];
    let told = judge(&Case { processes: &processes, ..case(Exit::Code(1), &[], Ok(())) }).summary;
    assert!(told.contains("perhaps tail 12 (a child of the test of m/a), because"), "{told}");
    // Of a test binary it is those that it left behind.
    let (test, _, story) = judged(31, Phase::Test);
    assert!(test.is_none() && story.contains("ran then, and share what it held"), "{story}");
}

#[test]
fn one_that_was_seen_only_before_its_exec_is_who_it_became() {
    let [go, test] = [ProcessId::new(20, 1), ProcessId::new(30, 2)];
    let stat = |parent| Stat { name: Name::new(b"go"), parent: Pid(parent), state: b'S', ..Stat::default() };
    let command = Arc::new(Command { arguments: b"go\0test\0".as_slice().into(), cut: false });
    let fact = |id, parent| Fact { id, at: Timestamp::default(), reading: Ok(stat(parent)) };
    let said = |id| Fact { id, at: Timestamp::default(), reading: Ok(Arc::clone(&command)) };
    let mut run = Run::new(RunPlan::default());
    let (stats, commands) = (vec![fact(go, 1), fact(test, 20)], vec![said(go), said(test)]);
    run.absorb(&Snapshot { roster: vec![go, test], stats, commands, ..Snapshot::default() });
    let exit = ProcessExit {
        id: test,
        parent: go.pid,
        at: Timestamp::default(),
        name: Name::new(b"a.test"),
        wait_status: Some(1 << 8),
        peak_rss: Some(Bytes::from_mib(4)),
    };
    run.absorb(&Snapshot { roster: vec![go], events: vec![OutsideEvent::ProcessExit(exit)], ..Snapshot::default() });
    let report = run.finish(Some(Exit::Code(1)), Ok(()));
    assert!(report.verdict.summary.starts_with("a.test 30 failed first; exit status 1"), "{:?}", report.verdict);
    assert_eq!(report.processes[0].phase, Phase::Test);
}

#[test]
fn the_cgroup_of_a_run_is_known_by_the_longer_path_that_the_kernel_has_for_it() {
    let case = Case { own_cgroup: Some(b"/oomtop-run-7-99"), ..case(Exit::Code(1), &[], Ok(())) };
    for (path, name) in [
        (&b"/oomtop-run-7-99"[..], "--memory-max"),
        (b"/docker/4f2a/oomtop-run-7-99", "--memory-max"),
        (b"/x-oomtop-run-7-99", "x-oomtop-run-7-99"),
        (b"/oomtop-run-8-99", "oomtop-run-8-99"),
    ] {
        assert_eq!(cgroup_name(&case, path), name);
    }
}

/// 75 MiB a second up to second 2, then nothing more to be had until second 9.7.
#[test]
fn how_fast_it_grew_is_told_up_to_where_it_stood() {
    let begin = Timestamp::from_secs(100);
    let at = |millis| begin.after(Duration::from_millis(millis));
    let mut hog = Watched::new(ProcessId::new(7, 1), Pid(1), Name::new(b"a.test"), at(0));
    for millis in (0..=9700_u64).step_by(50) {
        let kib = 5 * 1024 + millis.min(2000) * 75 + millis.saturating_sub(2000) / 5;
        let status = Status { rss: Some(Bytes::from_kib(kib)), ..Status::default() };
        hog.observe(at(millis), &Stat { name: Name::new(b"a.test"), state: b'R', ..Stat::default() }, Some(&status));
    }
    let room =
        Room { cgroup: Some(b"/job".as_slice().into()), limit: Bytes::from_mib(160), ..crate::run::fixture::room() };
    let case = |full: Option<(u64, u64)>| Case {
        began: begin,
        full: full.map(|(from, until)| (at(from), at(until))),
        room: Some(&room),
        ..case(Exit::Code(1), &[], Ok(()))
    };
    assert_eq!(growth(&hog), ", after growing +73.2M/s for 2.0s");
    let told = "; it stayed there from 1.8s to 9.7s";
    assert_eq!(
        stood(&case(Some((1900, 9500))), &hog),
        format!("{told}, with the usage of job (page cache included) at its limit")
    );
    for seen in [None, Some((4000, 9700)), Some((1800, 7000))] {
        assert_eq!(stood(&case(seen), &hog), told, "{seen:?}");
    }
}

/// Without rights: nobody tells how those ended that the command waited for. `there`: name, phase, MiB, and whether it
/// was gone when the cgroup had counted a kill.
fn well_with_a_kill_counted(there: &[(&str, Phase, u64, bool)]) -> Verdict {
    let at = Timestamp::from_secs;
    let processes: Vec<Watched> = there
        .iter()
        .zip(20..)
        .map(|(&(name, phase, mib, is_gone), pid)| {
            let name = Name::new(name.as_bytes());
            let mut process = Watched::new(ProcessId::new(pid, 1), Pid(1), name, at(1));
            process.role.phase = phase;
            let status = Status { rss: Some(Bytes::from_mib(mib)), ..Status::default() };
            let last = if is_gone { 3 } else { 6 };
            for second in 1..=last {
                process.observe(at(second), &Stat { name, state: b'S', ..Stat::default() }, Some(&status));
            }
            process.end(at(last + 1));
            process
        })
        .collect();
    judge(&Case {
        processes: &processes,
        counted: Some((at(3), at(4))),
        ..case(Exit::Code(0), &[], Err(Unreadable::Denied))
    })
}

#[test]
fn a_command_that_ends_well_does_not_hide_who_was_gone_when_a_kill_was_counted() {
    let told = |there: &[_]| {
        let verdict = well_with_a_kill_counted(there);
        assert!(
            verdict.evidence.iter().any(|one| one.text.starts_with("oom_kill of docker/somebody 3 -> 4")),
            "{verdict:?}"
        );
        let pid = verdict.victim.map(|victim| victim.id.pid.0);
        (verdict.kind, verdict.confidence, pid)
    };
    let (shell, go) = (("sh", Phase::Other, 1, false), ("go", Phase::Go, 20, false));
    let killed = (VerdictKind::OomKilledHost, Confidence::Guess, Some(21));
    let perhaps = (VerdictKind::Ok, Confidence::Likely, None);
    for (what, there, expected) in [
        ("it went on", vec![shell, ("leak", Phase::Other, 140, true), ("sleep", Phase::Other, 1, false)], killed),
        ("nobody was gone", vec![shell, ("leak", Phase::Other, 140, false)], perhaps),
        (
            "a bigger one lived on",
            vec![shell, ("echo", Phase::Other, 1, true), ("serve", Phase::Other, 90, false)],
            perhaps,
        ),
        ("go fails where its tools are killed", vec![go, ("compile", Phase::Compile, 90, true)], perhaps),
        ("a child of a test", vec![go, ("helper", Phase::Other, 90, true)], killed),
    ] {
        assert_eq!(told(&there), expected, "{what}");
    }
}

/// Somebody of ours was killed, and its cgroup, which it shares, counted a kill.
#[test]
fn a_kill_is_hardly_ours_where_a_stranger_was_gone_or_ours_lived_on() {
    let verdict = |strangers: [u32; 2], ended| {
        let id = ProcessId::new(12, 1);
        let mut run = Run::new(RunPlan::default());
        for (second, kills, strangers) in [(1, 0, strangers[0]), (2, 1, strangers[1]), (ended, 1, strangers[1])] {
            let at = Timestamp::from_secs(second);
            let mut snapshot = Snapshot { began: at, ended: at, ..pass(Some(kills), &[]) };
            for cgroup in snapshot.cgroups.iter_mut().flatten() {
                (cgroup.at, cgroup.unseen) = (at, Some(strangers));
                cgroup.limit = Some(Some(Bytes::from_mib(64)));
            }
            if second == ended {
                snapshot.events = vec![OutsideEvent::ChildExit { id, at, wait_status: SIGKILL }];
            }
            run.absorb(&snapshot);
        }
        run.finish(Some(Exit::Signal(SIGKILL)), Err(Unreadable::Denied)).verdict
    };
    let sure = |strangers, ended| verdict(strangers, ended).confidence;
    assert_eq!(sure([3, 3], 3), Confidence::Likely);
    assert_eq!(sure([3, 2], 3), Confidence::Guess);
    assert_eq!(sure([3, 3], 9), Confidence::Guess);
    let told = verdict([3, 2], 3);
    assert!(told.summary.starts_with("tail 12 was killed, perhaps by the OOM killer"), "{told:?}");
    assert!(told.evidence.iter().any(|one| one.text.contains("not part of this run")), "{told:?}");
}

/// One number, one name, two packages: what ran in the first is not what is told of the second.
#[test]
fn who_had_the_number_before_is_not_taken_for_the_victim() {
    let test = |start: u64, package: &str, status: i32| {
        let at = Timestamp::from_secs(start);
        let mut process = Watched::new(ProcessId::new(30, start), Pid(1), Name::new(b"a.test"), at);
        process.role.phase = Phase::Test;
        process.role.package = Some(package.into());
        process.account(at.after(Duration::from_secs(1)), None, Some(status));
        process
    };
    let mut tests = Tests::default();
    for (package, test) in [("m/first", "TestA"), ("m/first", "TestB"), ("m/second", "TestC"), ("m/second", "TestD")] {
        tests.take("run", package, test, Timestamp::from_secs(1), None);
    }
    let processes = [test(1, "m/first", 0), test(5, "m/second", SIGKILL)];
    let case = Case { processes: &processes, tests: &tests, ..case(Exit::Code(1), &[], Ok(())) };
    let verdict = judge(&Case { cgroup_kills: None, ..case });
    assert_eq!(verdict.victim.as_ref().map(|victim| victim.id), Some(processes[1].id), "{verdict:?}");
    assert!(verdict.story[0].starts_with("TestC, TestD ran then"), "{verdict:?}");
}

#[test]
fn what_was_stacks_is_said_to_be() {
    let mut hog = Watched::new(ProcessId::new(7, 1), Pid(1), Name::new(b"a.test"), Timestamp::default());
    hog.role.phase = Phase::Test;
    let status = Status { rss: Some(Bytes::from_mib(179)), ..Status::default() };
    hog.observe(Timestamp::from_secs(2), &Stat { name: Name::new(b"a.test"), ..Stat::default() }, Some(&status));
    hog.account(Timestamp::from_secs(3), None, Some(SIGKILL));
    let told = |stacks, heap| {
        let [stacks, heap] = [stacks, heap].map(Bytes::from_mib);
        let held = crate::run::go_held::GoHeld { at: Timestamp::from_secs(2), stacks, heap };
        let mut hog = hog.clone();
        hog.go_held = Some(held);
        let processes = [hog];
        let verdict = judge(&Case { processes: &processes, cgroup_kills: None, ..case(Exit::Code(1), &[], Ok(())) });
        verdict.story.last().cloned().unwrap_or_default()
    };
    assert_eq!(
        told(120, 41),
        "at 2.0s it held 120M in goroutine stacks (with the runtime's tables) and 41.0M in its heap: \
         goroutines that never end?"
    );
    assert!(!told(20, 150).contains("goroutines"));
}
