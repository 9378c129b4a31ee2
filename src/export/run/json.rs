//! `oomtop run --report FILE.json`: schema `oomtop.run/1`. Fields may be added, never renamed or given another meaning.
//! What is not known is null; numbers are whole and in the unit of their name.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::rfc3339;
use crate::run::per_test::TestMemory;
use crate::run::report::{Exit, ProcessLine, RunReport};
use crate::snapshot::Unreadable;
use crate::units::{Bytes, Timestamp, WallTime};

#[derive(Serialize)]
struct RunJson {
    schema: &'static str,
    command: Vec<String>,
    started: Option<String>,
    ended: Option<String>,
    exit: ExitJson,
    /// With which oomtop itself ends: that of the command, or 124.
    status: Option<u8>,
    verdict: VerdictJson,
    peak: Option<PeakJson>,
    limit: Option<LimitJson>,
    budget: Option<BudgetJson>,
    processes: Vec<ProcessJson>,
    processes_left_out: u64,
    tests: Vec<TestJson>,
    /// What of them could not be told, and why: sentences.
    tests_untold: Vec<String>,
    advice: Vec<AdviceJson>,
    unreadable: Vec<UnreadableJson>,
    passes: u64,
    own_cpu_ms: u64,
}

#[derive(Serialize)]
struct ExitJson {
    code: Option<i32>,
    signal: Option<i32>,
}

#[derive(Serialize)]
struct VerdictJson {
    kind: &'static str,
    confidence: &'static str,
    summary: String,
    story: Vec<String>,
    evidence: Vec<EvidenceJson>,
    victim: Option<VictimJson>,
}

#[derive(Serialize)]
struct EvidenceJson {
    source: &'static str,
    text: String,
}

#[derive(Serialize)]
struct VictimJson {
    pid: u32,
    name: String,
    package: Option<String>,
    test: Option<String>,
}

#[derive(Serialize)]
struct PeakJson {
    time: Option<String>,
    tree_rss_bytes: u64,
    processes: Vec<HolderJson>,
}

#[derive(Serialize)]
struct HolderJson {
    pid: u32,
    name: String,
    package: Option<String>,
    rss_bytes: u64,
}

#[derive(Serialize)]
struct LimitJson {
    cgroup: Option<String>,
    own: bool,
    limit_bytes: u64,
    peak_bytes: Option<u64>,
    shmem_bytes: Option<u64>,
}

#[derive(Serialize)]
struct BudgetJson {
    tree_bytes: Option<u64>,
    per_test_bytes: Option<u64>,
    exceeded: Vec<String>,
    warns_only: bool,
}

#[derive(Serialize)]
struct ProcessJson {
    pid: u32,
    ppid: u32,
    name: String,
    command: String,
    phase: &'static str,
    package: Option<String>,
    artifact: Option<String>,
    started: Option<String>,
    ended: Option<String>,
    exit: Option<ExitJson>,
    peak_rss_bytes: Option<u64>,
    peak_source: Option<&'static str>,
    growth_bytes_per_s: Option<i64>,
    gomemlimit_squeeze: Option<SqueezeJson>,
    go_held_in_stacks: Option<GoHeldJson>,
}

/// What a Go runtime held, where that was mostly stacks of goroutines.
#[derive(Serialize)]
struct GoHeldJson {
    /// The runtime's tables with them.
    stacks_bytes: u64,
    heap_bytes: u64,
}

/// A GOMEMLIMIT that left the collector no room.
#[derive(Serialize)]
struct SqueezeJson {
    limit_bytes: u64,
    live_bytes: u64,
    collections: u32,
    time_ms: u64,
    gc_cpu_percent: Option<u8>,
}

#[derive(Serialize)]
struct TestJson {
    package: String,
    test: String,
    result: Option<String>,
    started: Option<String>,
    ended: Option<String>,
    rss_before_bytes: Option<u64>,
    rss_peak_bytes: Option<u64>,
    rss_after_bytes: Option<u64>,
    concurrent_with: Vec<String>,
}

#[derive(Serialize)]
struct AdviceJson {
    what: String,
    why: String,
    /// To be pasted into a shell.
    command: Option<String>,
}

#[derive(Serialize)]
struct UnreadableJson {
    field: &'static str,
    reason: &'static str,
}

fn test_json(test: &TestMemory, started: Timestamp, at: &impl Fn(Duration) -> Option<String>) -> TestJson {
    let bytes = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
    TestJson {
        package: test.package.to_string(),
        test: test.test.to_string(),
        result: test.result.as_deref().map(Into::into),
        started: at(test.began.since(started)),
        ended: test.ended.and_then(|ended| at(ended.since(started))),
        rss_before_bytes: bytes(test.before),
        rss_peak_bytes: bytes(test.peak),
        rss_after_bytes: bytes(test.after),
        concurrent_with: test.beside.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let at = |since: Duration| rfc3339(WallTime(report.wall.0.saturating_add(since.as_nanos() as i64)));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let verdict = &report.verdict;
    let unreadable = [
        ("kernel_log", report.sight.kernel_log.err().map(Unreadable::reason_of_kernel_log)),
        ("exit_records", report.sight.exit_records.err().map(Unreadable::reason_of_exit_records)),
    ];
    let run = RunJson {
        schema: "oomtop.run/1",
        command: report.command.iter().map(|word| text(word)).collect(),
        started: rfc3339(report.wall),
        ended: at(report.took),
        exit: report.exit.map_or(ExitJson { code: None, signal: None }, exit),
        status: report.status(),
        verdict: VerdictJson {
            kind: verdict.kind.word(),
            confidence: verdict.confidence.word(),
            summary: verdict.summary.clone(),
            story: verdict.story.clone(),
            evidence: verdict
                .evidence
                .iter()
                .map(|evidence| EvidenceJson { source: evidence.source, text: evidence.text.clone() })
                .collect(),
            victim: verdict.victim.as_ref().map(|victim| VictimJson {
                pid: victim.id.pid.0,
                name: text(&victim.name),
                package: victim.package.as_deref().map(Into::into),
                test: victim.test.as_deref().map(Into::into),
            }),
        },
        peak: report.peak.as_ref().map(|peak| PeakJson {
            time: peak.at.and_then(|moment| at(moment.since(report.started))),
            tree_rss_bytes: peak.total.0,
            processes: peak
                .holders
                .iter()
                .map(|(place, rss)| {
                    let process = &report.processes[*place];
                    HolderJson {
                        pid: process.id.pid.0,
                        name: text(&process.name),
                        package: process.package.as_deref().map(Into::into),
                        rss_bytes: rss.0,
                    }
                })
                .collect(),
        }),
        limit: report.room.as_ref().map(|room| LimitJson {
            cgroup: room.cgroup.as_deref().map(text),
            own: room.is_own,
            limit_bytes: room.limit.0,
            peak_bytes: room.peak.map(|peak| peak.0),
            shmem_bytes: room.shmem.map(|shmem| shmem.0),
        }),
        budget: report.budget.as_ref().map(|budget| BudgetJson {
            tree_bytes: budget.tree.map(|bytes| bytes.0),
            per_test_bytes: budget.per_test.map(|bytes| bytes.0),
            exceeded: budget.exceeded.clone(),
            warns_only: budget.warns_only,
        }),
        processes: report.processes.iter().map(|process| process_json(process, &at)).collect(),
        processes_left_out: report.left_out,
        tests: report.tests.iter().map(|test| test_json(test, report.started, &at)).collect(),
        tests_untold: report.untold.clone(),
        advice: report
            .advice
            .iter()
            .map(|advice| AdviceJson {
                what: advice.what.clone(),
                why: advice.why.clone(),
                command: advice.command.clone(),
            })
            .collect(),
        unreadable: unreadable
            .into_iter()
            .filter_map(|(field, reason)| Some(UnreadableJson { field, reason: reason? }))
            .collect(),
        passes: report.sight.passes,
        own_cpu_ms: report.sight.own_cpu.as_millis() as u64,
    };
    serde_json::to_writer_pretty(&mut *out, &run).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn process_json(process: &ProcessLine, at: &dyn Fn(Duration) -> Option<String>) -> ProcessJson {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ProcessJson {
        pid: process.id.pid.0,
        ppid: process.parent.0,
        name: text(&process.name),
        command: text(&process.command),
        phase: process.phase.word(),
        package: process.package.as_deref().map(Into::into),
        artifact: process.artifact.as_deref().map(Into::into),
        started: at(process.started),
        ended: process.ended.and_then(at),
        exit: process.exit.map(exit),
        peak_rss_bytes: process.peak.map(|(peak, _)| peak.0),
        peak_source: process.peak.map(|(_, source)| source.word()),
        growth_bytes_per_s: process.growth.map(|(_, rate)| rate.per_second() as i64),
        gomemlimit_squeeze: process.squeeze.map(|squeeze| SqueezeJson {
            limit_bytes: squeeze.limit.0,
            live_bytes: squeeze.live.0,
            collections: squeeze.collections,
            time_ms: squeeze.time.as_millis() as u64,
            gc_cpu_percent: squeeze.cpu_percent,
        }),
        go_held_in_stacks: process
            .held_in_stacks
            .map(|held| GoHeldJson { stacks_bytes: held.stacks.0, heap_bytes: held.heap.0 }),
    }
}

fn exit(exit: Exit) -> ExitJson {
    match exit {
        Exit::Code(code) => ExitJson { code: Some(code), signal: None },
        Exit::Signal(signal) => ExitJson { code: None, signal: Some(signal) },
    }
}
