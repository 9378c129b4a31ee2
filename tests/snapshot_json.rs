//! The JSON of a made-up machine, whole: from files through source, Monitor and exporter to text. What scripts rely on
//! changes only together with the golden file.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod nobody;
mod require;
mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::fake_proc::{FakeProc, FakeProcess};

const SMAPS: &str = "\
00400000-00500000 r-xp 00000000 fe:00 7                          /usr/bin/fake-21
Size:               1024 kB
Rss:                1000 kB
Pss:                 500 kB
Shared_Clean:       1000 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
00500000-00600000 rw-p 00000000 00:00 0                          [heap]
Size:               1024 kB
Rss:                 512 kB
Pss:                 512 kB
Private_Dirty:       512 kB
LazyFree:             16 kB
Swap:                 64 kB
VmFlags: rd wr mr mw me ac
";

fn machine() -> FakeProc {
    let fake = FakeProc::new();
    fake.put(&FakeProcess { parent: 0, name: b"init".into(), uid: 0, anonymous: 100, ..FakeProcess::new(1) });
    fake.put(&FakeProcess {
        name: b"b\xff\n".into(),
        anonymous: 9000,
        swap: 512,
        threads: 3,
        oom_score_adj: 300,
        oom_score: 850,
        smaps: Some(SMAPS.into()),
        ..FakeProcess::new(21)
    });
    fake.put(&FakeProcess { uid: 7, oom_score_adj: -1000, oom_score: 0, ..FakeProcess::new(300) });
    fake
}

fn snapshot(fake: &FakeProc, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_oomtop"))
        .args(["snapshot", "--json", "--proc"])
        .arg(fake.proc())
        .arg("--sys")
        .arg(fake.sys())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Replaces what is of this very moment, after a look at it.
fn settle(snapshot: &mut Value) {
    let time = snapshot["time"].as_str().expect("a time");
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    snapshot["time"] = json!("(now)");
    for domain in snapshot["domains"].as_array_mut().expect("a list") {
        assert!(domain["adjustments_age_ms"].is_u64(), "{domain}");
        domain["adjustments_age_ms"] = json!("(soon)");
    }
    if let Some(mappings) = snapshot.get_mut("mappings") {
        for field in ["age_ms", "took_ms"] {
            assert!(mappings[field].is_u64(), "{field}");
            mappings[field] = json!("(soon)");
        }
    }
}

#[test]
fn a_whole_machine_as_json() {
    let mut snapshot = snapshot(&machine(), &["--mappings", "21"]);
    settle(&mut snapshot);
    insta::assert_snapshot!(serde_json::to_string_pretty(&snapshot).expect("JSON"));
}

#[test]
fn another_user_sees_less_and_says_so() {
    let status = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
    let is_root = fs::read_to_string("/proc/self/status").expect("procfs").contains("\nUid:\t0\t0\t0\t0");
    if !is_root || !status.is_ok_and(|status| status.success()) {
        require::missing("root", "needs root and setpriv");
        return;
    }
    let ground = nobody::Ground::prepare();
    let mut command = Command::new(nobody::AS_NOBODY[0]);
    command.args(&nobody::AS_NOBODY[1..]).arg(&ground.oomtop).args(["snapshot", "--json", "-p", "1"]);
    let output = command.stdin(Stdio::null()).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let snapshot: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let init = process(&snapshot, 1);
    assert!(init["rss_bytes"].is_u64() && init["oom_score_adj"].is_i64(), "everybody may read these: {init}");
    assert_eq!((&init["pss_bytes"], &init["uss_bytes"]), (&Value::Null, &Value::Null));
    let reasons = snapshot["unreadable"].as_array().expect("a list");
    let pss = reasons.iter().find(|reason| reason["field"] == "pss_bytes").expect("a reason");
    assert!(pss["reason"].as_str().is_some_and(|reason| reason.starts_with("permission denied")), "{pss}");
    assert!(pss["pids"].as_array().is_some_and(|pids| pids.contains(&json!(1))), "{pss}");
}

fn process(snapshot: &Value, pid: u32) -> &Value {
    let processes = snapshot["processes"].as_array().expect("a list");
    processes.iter().find(|process| process["pid"] == pid).expect("the process")
}
