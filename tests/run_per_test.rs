//! `oomtop run --tests`: what `go test` prints is what it would have printed without us, and each test is told with the
//! memory that it took, kept and gave back.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod program;
mod require;
#[path = "go/toolchain.rs"]
mod toolchain;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use toolchain::Toolchain;

const MIB: i64 = 1 << 20;

fn start(go: &Toolchain, words: &[&str], watched: Option<&Path>) -> Output {
    start_as(go, &[&["go"], words].concat(), watched)
}

/// The same with whatever becomes `go test`.
fn start_as(go: &Toolchain, words: &[&str], watched: Option<&Path>) -> Output {
    let mut command = match watched {
        Some(report) => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
            command.args(["run", "--headless", "--tests", "--report"]).arg(report).arg("--").arg(words[0]);
            command
        }
        None if words[0] == "go" => Command::new(go.program()),
        None => Command::new(words[0]),
    };
    go.set_environment(&mut command);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/suite");
    command.args(&words[1..]).current_dir(suite).stdin(Stdio::null()).env("GOFLAGS", "-mod=mod -vet=off");
    command.output().expect("starts")
}

/// Durations, addresses and numbers of goroutines are never the same twice.
fn masked(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('\t') || !line.contains(" +0x"));
    let mask = |line: &str| {
        let mut masked = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
            masked.push_str(&rest[..at]);
            let number = &rest[at..];
            let end = number.find(|letter: char| !(letter.is_ascii_hexdigit() || letter == '.' || letter == 'x'));
            let (number, behind) = number.split_at(end.unwrap_or(number.len()));
            let is_time = number.contains('.') && behind.starts_with('s');
            let is_goroutine = masked.ends_with("goroutine ");
            masked.push_str(if is_time || is_goroutine || number.starts_with("0x") { "#" } else { number });
            rest = behind;
        }
        masked + rest
    };
    lines.map(mask).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_printed_is_what_go_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let report: PathBuf = folder.path().join("run.json");
    for go in toolchain::toolchains() {
        for words in [
            &["test", "-count=1", "-p=1", "./passes", "./mixed"][..],
            &["test", "-count=1", "-v", "-p=1", "./passes", "./mixed"],
            &["test", "-count=1", "./panics"],
            &["test", "-count=1", "-p=1", "./broken", "./passes"],
            &["test", "-count=1", "-run", "Prints", "./passes", "./mixed"],
        ] {
            let (plain, watched) = (start(&go, words, None), start(&go, words, Some(&report)));
            let (plain_text, watched_text) = (masked(&plain.stdout), masked(&watched.stdout));
            assert_eq!(watched_text, plain_text, "{:?} {words:?}", go.version);
            assert_eq!(watched.status.code(), plain.status.code(), "{:?} {words:?}", go.version);
        }
    }
}

fn told(report: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON")
}

#[test]
fn tests_are_told_however_go_test_is_called() {
    let Some(go) = toolchain::toolchains().pop() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    for words in [
        &["env", "SOME=thing", "go", "-C", "passes", "test", "-count=1"][..],
        &["go", "-C", "passes", "test", "-count=1", "."],
    ] {
        let (plain, watched) = (start_as(&go, words, None), start_as(&go, words, Some(&report)));
        assert_eq!(masked(&watched.stdout), masked(&plain.stdout), "{words:?}");
        assert!(!told(&report)["tests"].as_array().expect("a list").is_empty(), "{words:?}");
    }
    // Who asks for the events gets them, and we read them beside.
    let watched = start(&go, &["test", "-count=1", "-json", "./passes"], Some(&report));
    let lines = String::from_utf8(watched.stdout).expect("text");
    assert!(lines.lines().count() > 3, "{lines}");
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).expect("an event in each line");
        assert!(event["Action"].is_string(), "{line}");
    }
    assert!(!told(&report)["tests"].as_array().expect("a list").is_empty(), "{lines}");
}

#[test]
fn results_from_the_cache_are_said_to_be() {
    let Some(go) = toolchain::toolchains().pop() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    // Somebody else may clear the cache between two runs.
    let is_cached = |output: &Output| String::from_utf8_lossy(&output.stdout).contains("(cached)");
    let Some(output) = (0..5).map(|_| start(&go, &["test", "./passes"], Some(&report))).find(is_cached) else {
        panic!("never cached");
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let said =
        "--tests: go took the results of example.com/suite/passes from its cache and ran nothing: -count=1 runs them";
    assert!(told.contains(said), "{told}");
}

#[test]
fn each_test_is_told_with_what_it_kept() {
    let Some(go) = toolchain::toolchains().pop() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    let output = start(&go, &["test", "-count=1", "./measured"], Some(&report));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    let tests: BTreeMap<&str, &Value> = report["tests"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|test| (test["test"].as_str().expect("a name"), test))
        .collect();
    let of = |test: &str, field: &str| tests[test][field].as_i64().unwrap_or_else(|| panic!("{test} {field}: {told}"));
    let near = |what: &str, got: i64, mib: i64| {
        let off = (got - mib * MIB).abs();
        assert!(off <= mib * MIB / 10 + 2 * MIB, "{what}: {} instead of {mib} MiB: {told}", got / MIB);
    };
    let kept = |test: &str| of(test, "rss_after_bytes") - of(test, "rss_before_bytes");
    near("TestKeeps kept", kept("TestKeeps"), 60);
    near("TestBelow/keeps kept", kept("TestBelow/keeps"), 30);
    near("TestBelow kept", kept("TestBelow"), 30);
    near("TestFrees took", of("TestFrees", "rss_peak_bytes") - of("TestFrees", "rss_before_bytes"), 100);
    assert!(kept("TestFrees") < 10 * MIB, "{told}");
    assert!(kept("TestBelow/holds_nothing") < 3 * MIB, "{told}");
    assert_eq!(tests["TestBesideA"]["concurrent_with"], serde_json::json!(["TestBesideB"]), "{told}");
    assert_eq!(tests["TestKeeps"]["concurrent_with"], serde_json::json!([]), "{told}");
    assert!(told.contains("KEPT"), "{told}");
}

/// `os/exec` of `os.Args[0]`: what the helper holds is not the test's.
#[test]
fn a_test_binary_that_a_test_starts_again_is_no_test() {
    let Some(go) = toolchain::toolchains().pop() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    let output = start(&go, &["test", "-count=1", "./helper"], Some(&report));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let report = told(&report);
    // Of its phase: how many there were, and the most that one held. os/exec of new versions forks once more, to try that.
    let of_phase = |phase: &str| {
        let processes = report["processes"].as_array().expect("a list").iter();
        let those =
            processes.filter(|process| process["package"] == "example.com/suite/helper" && process["phase"] == phase);
        let peaks: Vec<_> = those.filter_map(|process| process["peak_rss_bytes"].as_i64()).collect();
        (peaks.len(), peaks.into_iter().max().expect("one was seen"))
    };
    let (tests, held) = of_phase("test");
    assert!(tests == 1 && held < 30 * MIB, "{tests} held {held}: {text}");
    assert!(of_phase("other").1 > 60 * MIB, "{text}");
    let tests = report["tests"].as_array().expect("a list");
    let test = tests.iter().find(|test| test["test"] == "TestExec").expect("was run");
    assert!(test["rss_peak_bytes"].as_i64().is_some_and(|peak| peak < 30 * MIB), "{test}: {text}");
    let untold = report["tests_untold"].to_string();
    let said = "processes that tests of example.com/suite/helper started held up to another ";
    assert!(untold.contains(said), "{untold}: {text}");
}

#[test]
fn the_test_that_ran_is_named_with_the_binary_that_was_taken() {
    let Some(go) = toolchain::toolchains().pop() else { return };
    if !require::root() || require::memory_cgroups().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    go.set_environment(&mut command);
    command.args(["run", "--headless", "--tests", "--memory-max", "200m", "--report"]).arg(&report);
    command.args(["--", "go", "test", "-count=1", "-vet=off", "./leak"]);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/suite");
    let output = command.current_dir(suite).stdin(Stdio::null()).output().expect("starts");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(report["verdict"]["kind"], "oom_killed_cgroup", "{told}");
    assert_eq!(report["verdict"]["victim"]["test"], "TestLeak", "{told}");
    let first = told.lines().skip_while(|line| !line.contains("BEFORE")).nth(1).expect("a table");
    assert!(first.contains("leak TestLeak"), "who was taken leads: {told}");
    let advice = report["advice"][0]["what"].as_str().expect("a sentence");
    assert_eq!(advice, "look at TestLeak of example.com/suite/leak first", "{told}");
}

#[test]
fn another_command_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_oomtop")).args(["run", "--tests", "--", "true"]).output();
    let output = output.expect("starts");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("go test"), "{output:?}");
}
