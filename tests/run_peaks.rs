//! The peaks that `oomtop run` tells of 200 processes of 80 ms, and of all together, against what the kernel counted:
//! wait4(2) for each, the counter of their cgroup for the sum. With taskstats, and without the right to read them.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod require;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// How near to what the kernel counted a peak must be.
const NEAR: f64 = 0.05;

struct Told {
    /// Of those that wait4 told: how many with a peak that near, from each source.
    near: HashMap<String, usize>,
    /// How many were told more than they had.
    over: usize,
    count: usize,
    report: Value,
}

fn run(before: &[&str]) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, report) = (folder.path().join("brief"), folder.path().join("run.json"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/brief.c");
    let built = Command::new("gcc").args(["-O1", "-o"]).arg(&program).arg(source).status().expect("gcc starts");
    assert!(built.success());
    let words: Vec<&str> = before.iter().copied().chain([env!("CARGO_BIN_EXE_oomtop")]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["run", "--headless", "--memory-max", "1g", "--report"]).arg(&report);
    let output = command.arg("--").arg(&program).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");

    let processes = report["processes"].as_array().expect("a list");
    let by_number: HashMap<_, _> =
        processes.iter().map(|process| (process["pid"].as_u64().expect("a number"), process)).collect();
    let mut told = Told { near: HashMap::new(), over: 0, count: 0, report: Value::Null };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (pid, kib) = line.split_once(' ').expect("two numbers");
        let truth = kib.parse::<f64>().expect("a number") * 1024.0;
        told.count += 1;
        let Some(process) = by_number.get(&pid.parse().expect("a number")) else { continue };
        let Some(peak) = process["peak_rss_bytes"].as_f64() else { continue };
        let source = process["peak_source"].as_str().expect("every peak says how it is known");
        told.over += usize::from(peak > truth * (1.0 + NEAR));
        if (peak - truth).abs() <= truth * NEAR {
            *told.near.entry(source.to_owned()).or_default() += 1;
        }
    }
    println!("{:?}: of {} within 5 %: {:?}, above: {}", before, told.count, told.near, told.over);
    assert!(told.count == 206 && told.over == 0, "{} told, {} of them too much", told.count, told.over);
    told.report = report;
    told
}

/// The sum of what they held at once against the most that the cgroup was charged with.
fn the_sum_is_what_the_cgroup_counted(report: &Value) {
    let (sum, counted) = (&report["peak"]["tree_rss_bytes"], &report["limit"]["peak_bytes"]);
    let (sum, counted) = (sum.as_f64().expect("known"), counted.as_f64().expect("counted"));
    println!("together {:.1} MiB, counted {:.1} MiB", sum / 1_048_576.0, counted / 1_048_576.0);
    assert!((sum - counted).abs() <= counted * NEAR, "together {sum}, counted {counted}");
}

#[test]
fn peaks_of_short_processes_are_exact_with_taskstats() {
    if !require::root() || require::memory_cgroups().is_none() || !require::tool("gcc") {
        return;
    }
    let told = run(&[]);
    if told.report["unreadable"].as_array().is_some_and(|fields| !fields.is_empty()) {
        require::missing("taskstats", &format!("the kernel tells no ends here: {}", told.report["unreadable"]));
        return;
    }
    let near = told.near.get("taskstats").copied().unwrap_or(0);
    assert!(near * 100 >= told.count * 95, "{near} of {}", told.count);
    the_sum_is_what_the_cgroup_counted(&told.report);
}

#[test]
fn peaks_of_short_processes_are_seen_without_taskstats() {
    if !require::root() || require::memory_cgroups().is_none() || !require::tool("gcc") || !require::tool("setpriv") {
        return;
    }
    let told = run(&["setpriv", "--bounding-set=-net_admin"]);
    assert!(!told.near.contains_key("taskstats"), "{:?}", told.near);
    let near: usize = told.near.values().sum();
    // All of them on a machine that is not busy; a machine that is looks less often, but those that live for seconds it sees.
    assert!(near >= 6, "{near} of {}", told.count);
    the_sum_is_what_the_cgroup_counted(&told.report);
}
