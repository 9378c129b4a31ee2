//! A run that was killed, for tests of what is told of one: two packages, of which one had four tests at once when the
//! kernel took it.

use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::units::{Bytes, Pid, ProcessId, Rate, Timestamp, WallTime};

use super::per_test::{TestMemory, Tests};
use super::phase::Phase;
use super::report::{Evidence, Exit, Peak, ProcessLine, Room, RunReport, Sight, Vantage, Verdict, VerdictKind, Victim};
use super::watched::PeakSource;

/// One of it, which runs or ended; at its end the kernel says what its most was.
pub(crate) fn process(
    pid: u32,
    phase: Phase,
    package: Option<&str>,
    name: &str,
    mib: u64,
    exit: Option<Exit>,
) -> ProcessLine {
    ProcessLine {
        id: ProcessId::new(pid, 1000),
        parent: Pid(29688),
        name: name.as_bytes().into(),
        command: name.as_bytes().into(),
        phase,
        package: package.map(Into::into),
        artifact: None,
        started: Duration::from_millis(12_100),
        ended: exit.map(|_| Duration::from_secs(14)),
        exit,
        peak: Some((Bytes::from_mib(mib), if exit.is_some() { PeakSource::Taskstats } else { PeakSource::HighWater })),
        growth: Rate::new(61.0 * 1_048_576.0).map(|rate| (Duration::from_secs(2), rate)),
        stood: false,
        go_memory_limit: None,
        squeeze: None,
        held_in_stacks: None,
    }
}

/// One that passed, then four together.
fn tests() -> Tests {
    let mib = |mib| Some(Bytes::from_mib(mib));
    let (package, at) = ("example.com/goleak/a", Timestamp::from_secs);
    let mut tests = Tests::default();
    tests.take("run", package, "TestSmall", at(12), mib(8));
    tests.take("pass", package, "TestSmall", at(13), mib(9));
    tests.take("run", package, "TestLoad", at(13), mib(9));
    for test in ["TestLoad/1", "TestLoad/2", "TestLoad/3", "TestLoad/4"] {
        tests.take("run", package, test, at(13), mib(9));
    }
    tests.observe(package, Bytes::from_mib(121));
    tests
}

pub(crate) fn command() -> Vec<Box<[u8]>> {
    ["go", "test", "./..."].map(|word| word.as_bytes().into()).to_vec()
}

/// The cgroup in which it was.
pub(crate) fn room() -> Room {
    Room {
        cgroup: Some(b"/job-7".as_slice().into()),
        is_own: true,
        limit: Bytes::from_mib(192),
        peak: Some(Bytes::from_mib(192)),
        shmem: None,
    }
}

/// Of the run.
pub(crate) fn report() -> RunReport {
    let holders = [(0, 121), (2, 31), (3, 26)].map(|(place, mib)| (place, Bytes::from_mib(mib)));
    RunReport {
        command: command(),
        started: Timestamp::default(),
        wall: WallTime(1_763_714_482_000_000_000),
        took: Duration::from_millis(14_300),
        exit: Some(Exit::Code(1)),
        verdict: Verdict {
            kind: VerdictKind::OomKilledCgroup,
            confidence: Confidence::Certain,
            summary:
                "example.com/goleak/a (a.test 30987) was killed by the OOM killer, at the limit of --memory-max (192M)"
                    .into(),
            story: vec!["a.test 30987 held 121M when it was killed, after growing +61.0M/s for 1.9s".into()],
            evidence: vec![
                Evidence {
                    source: "kernel log",
                    text: "a.test 30987 was killed: --memory-max was at its limit".into(),
                },
                Evidence { source: "counters", text: "oom_kill of --memory-max 0 -> 1".into() },
            ],
            victim: Some(Victim {
                id: ProcessId::new(30987, 1000),
                name: b"a.test".as_slice().into(),
                package: Some("example.com/goleak/a".into()),
                test: None,
            }),
        },
        peak: Some(Peak { at: Some(Timestamp::from_secs(12)), total: Bytes::from_mib(178), holders: holders.to_vec() }),
        processes: vec![
            process(30987, Phase::Test, Some("example.com/goleak/a"), "a.test", 121, Some(Exit::Signal(9))),
            process(30201, Phase::Link, Some("example.com/goleak/b"), "link", 96, Some(Exit::Code(0))),
            process(30990, Phase::Test, Some("example.com/goleak/b"), "b.test", 31, Some(Exit::Code(0))),
            process(29688, Phase::Go, None, "go", 26, Some(Exit::Code(1))),
        ],
        left_out: 12,
        room: Some(room()),
        budget: None,
        tests: {
            let mut tests = tests();
            tests.cut_off("example.com/goleak/a", Timestamp::from_secs(14));
            tests.into_all()
        },
        untold: Vec::new(),
        advice: Vec::new(),
        sight: Sight {
            vantage: Vantage::Above,
            kernel_log: Ok(()),
            exit_records: Ok(()),
            tests_asked: true,
            passes: 900,
            own_cpu: Duration::from_millis(90),
        },
    }
}

const PACKAGE: &str = "example.com/goleak/a";

/// What is told of the victim's tests: name, before, at the most, and after where it came to its end.
pub(crate) type Told = (&'static str, u64, u64, Option<u64>);

/// A run whose limit was reached: `(who, phase, MiB)`, the first was taken.
pub(crate) fn killed(limit: u64, held: &[(&str, Phase, u64)], tests: &[Told]) -> RunReport {
    let mut report = report();
    let line = report.processes[0].clone();
    report.processes = held
        .iter()
        .zip(30_987..)
        .map(|((name, phase, size), pid)| {
            let mut line = line.clone();
            line.id.pid.0 = pid;
            line.name = name.as_bytes().into();
            line.phase = *phase;
            line.package = (*phase != Phase::Go).then(|| PACKAGE.into());
            line.peak = Some((Bytes::from_mib(*size), PeakSource::Taskstats));
            line.exit = Some(if pid == 30_987 { Exit::Signal(9) } else { Exit::Code(0) });
            line
        })
        .collect();
    if let Some(victim) = &mut report.verdict.victim {
        victim.name = held[0].0.as_bytes().into();
    }
    if let Some(room) = &mut report.room {
        (room.limit, room.peak) = (Bytes::from_mib(limit), Some(Bytes::from_mib(limit)));
    }
    if let Some(peak) = &mut report.peak {
        peak.holders = held.iter().enumerate().map(|(place, (_, _, size))| (place, Bytes::from_mib(*size))).collect();
        peak.total = Bytes(peak.holders.iter().map(|(_, size)| size.0).sum());
    }
    report.tests = told(&tests.iter().map(std::slice::from_ref).collect::<Vec<_>>());
    report.sight.tests_asked = !tests.is_empty();
    report
}

/// Groups of tests one after the other; those of a group run together.
pub(crate) fn told(groups: &[&[Told]]) -> Vec<TestMemory> {
    let mut tests = Tests::default();
    let mut at = Timestamp::from_secs(1);
    for group in groups {
        for (name, before, ..) in *group {
            tests.take("run", PACKAGE, name, at, Some(Bytes::from_mib(*before)));
        }
        for (_, _, peak, _) in *group {
            tests.observe(PACKAGE, Bytes::from_mib(*peak));
        }
        at = at.after(Duration::from_secs(1));
        for (name, _, _, after) in *group {
            if let Some(after) = after {
                tests.take("pass", PACKAGE, name, at, Some(Bytes::from_mib(*after)));
            }
        }
    }
    tests.into_all()
}
