//! What is typed and what comes back: help, exit statuses, where errors point, output into pipes that close.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod nobody;
mod require;
mod support;

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use support::fake_proc::{FakeProc, FakeProcess, hostile_names};

/// The program in an environment that a test can know.
fn oomtop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    command.args(arguments).env_clear().env("LANG", "C.UTF-8").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    oomtop(arguments).output().expect("starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A machine with a shell, a child of it that swaps, and a stranger.
fn machine() -> FakeProc {
    let fake = FakeProc::new();
    fake.put(&FakeProcess { parent: 0, name: b"init".into(), uid: 0, anonymous: 100, ..FakeProcess::new(1) });
    fake.put(&FakeProcess { name: b"shell".into(), anonymous: 2000, ..FakeProcess::new(20) });
    fake.put(&FakeProcess { name: b"child".into(), parent: 20, anonymous: 9000, swap: 512, ..FakeProcess::new(21) });
    fake.put(&FakeProcess { name: b"stranger".into(), uid: 7, oom_score_adj: -1000, ..FakeProcess::new(300) });
    fake
}

fn snapshot_of(fake: &FakeProc, arguments: &[&str]) -> Output {
    let (proc, sys) = (fake.proc(), fake.sys());
    let mut command = oomtop(&["snapshot"]);
    command.arg("--proc").arg(proc).arg("--sys").arg(sys).args(arguments).output().expect("starts")
}

/// The numbers of the processes that are printed, in order.
fn pids(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let csv = text(&output.stdout);
    csv.lines().skip(1).map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn help_says_what_it_said() {
    let help = output(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    insta::assert_snapshot!("help", text(&help.stdout));
    let help = output(&["snapshot", "-h"]);
    assert!(help.status.success());
    insta::assert_snapshot!("help_snapshot", text(&help.stdout));
    for command in ["explain", "run"] {
        let help = output(&[command, "--help"]);
        assert!(help.status.success());
        insta::assert_snapshot!(format!("help_{command}"), text(&help.stdout));
    }
    assert_eq!(text(&output(&["--version"]).stdout), concat!("oomtop ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_2_and_says_what_was_meant() {
    for (arguments, message) in [
        (&["--sort", "rs"][..], "no column \"rs\": did you mean \"rss\"?"),
        (&["-f", "user=ci rss>lots"], "user=ci rss>lots\n              ^"),
        (&["snapshot", "-f", "(rss>1g"], "this parenthesis is never closed"),
        (&["-d", "soon"], "is not a duration"),
        (&["-p", "1,two"], "not a PID"),
        (&["--wibble"], "unexpected argument"),
        (&["snapshot", "--json", "--table"], "cannot be used with"),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn what_cannot_be_done_is_1_and_says_why() {
    for (arguments, message) in [
        (&["snapshot", "--proc", "/nowhere"][..], "cannot open /nowhere"),
        (&["snapshot", "-p", "4194304"], "no process 4194304 in /proc"),
        (&["snapshot", "--mappings", "4194304"], "no process 4194304 in /proc"),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(text(&output.stderr).starts_with(&format!("oomtop: {message}")), "{}", text(&output.stderr));
    }
}

#[test]
fn who_is_not_there_is_told_and_the_others_are_shown() {
    let some = snapshot_of(&machine(), &["--csv", "-p", "77,20,78"]);
    assert_eq!(pids(&some), ["21", "20"]);
    assert!(text(&some.stderr).starts_with("oomtop: no process 77, 78 in "), "{}", text(&some.stderr));
    let none = snapshot_of(&machine(), &["--csv", "-p", "77,78"]);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(1), String::new()));
    assert!(text(&none.stderr).starts_with("oomtop: no process 77, 78 in "), "{}", text(&none.stderr));
}

#[test]
fn mappings_that_are_not_there_are_no_table_of_processes() {
    for format in ["--table", "--csv"] {
        let output = snapshot_of(&machine(), &[format, "--mappings", "20"]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{format}");
        let told = text(&output.stderr);
        assert!(told.starts_with("oomtop: 20 shell: its mappings cannot be read: "), "{told}");
    }
}

#[test]
fn refused_mappings_say_what_would_help() {
    if !require::root() || !require::tool("setpriv") {
        return;
    }
    let ground = nobody::Ground::prepare();
    let mut command = Command::new(nobody::AS_NOBODY[0]);
    command.args(&nobody::AS_NOBODY[1..]).arg(&ground.oomtop).args(["snapshot", "--mappings", "1"]);
    let output = command.env_clear().stdin(Stdio::null()).output().expect("starts");
    let told = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()), "{told}");
    assert!(told.contains("no permission to read its mappings; run oomtop as the same user, as root or"), "{told}");
}

#[test]
fn a_reader_that_leaves_early_is_success() {
    let fake = machine();
    for pid in 1000..2200 {
        fake.put(&FakeProcess::new(pid));
    }
    for format in ["--json", "--csv", "--table"] {
        let mut command = oomtop(&["snapshot", format, "--proc"]);
        command.arg(fake.proc()).arg("--sys").arg(fake.sys());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut out = child.stdout.take().expect("piped");
        out.read_exact(&mut [0; 1]).expect("a first byte");
        drop(out);
        let output = child.wait_with_output().expect("ends");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{format}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux");
    let output = oomtop(&["snapshot", "--csv"]).stdout(full).output().expect("starts");
    assert_eq!(output.status.code(), Some(1), "a full disk is a failure");
}

#[test]
fn it_needs_no_terminal_home_or_locale() {
    let output = Command::new(env!("CARGO_BIN_EXE_oomtop"))
        .args(["snapshot", "-n", "3"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .expect("starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout.is_ascii());
}

#[test]
fn order_filter_limit_and_roots_are_those_of_the_screen() {
    let fake = machine();
    let of = |arguments: &[&str]| pids(&snapshot_of(&fake, &[&["--csv"], arguments].concat()));
    assert_eq!(of(&[]), ["21", "20", "300", "1"]);
    assert_eq!(of(&["-s", "pid"]), ["1", "20", "21", "300"]);
    assert_eq!(of(&["-s", "SWAP", "-n", "1"]), ["21"]);
    assert_eq!(of(&["-s", "name"]), ["21", "1", "20", "300"]);
    assert_eq!(of(&["-f", "user=7 | swap>0"]), ["21", "300"]);
    assert_eq!(of(&["-f", "!adj=-1000 rss>2m"]), ["21", "20"]);
    assert_eq!(of(&["-p", "20"]), ["21", "20"]);
    assert_eq!(of(&["-p", "20,300"]), ["21", "20", "300"]);
    assert_eq!(of(&["-n", "0"]), [""; 0]);
    let tree = text(&snapshot_of(&fake, &["--tree", "-s", "pid"]).stdout);
    assert!(tree.lines().any(|line| line.ends_with("    /usr/bin/fake-21 --flag")), "{tree}");
}

#[test]
fn what_the_world_writes_stays_on_its_line() {
    let fake = FakeProc::new();
    for (pid, name) in (10..).zip(hostile_names()) {
        let command = name.clone();
        fake.put(&FakeProcess { name, command, ..FakeProcess::new(pid) });
    }
    let count = hostile_names().len();
    let table = text(&snapshot_of(&fake, &[]).stdout);
    let csv = text(&snapshot_of(&fake, &["--csv"]).stdout);
    for output in [&table, &csv] {
        assert!(output.chars().all(|c| c == '\n' || !c.is_control()), "{output}");
        assert!(!output.contains('\u{202e}'), "{output}");
    }
    assert_eq!(csv.lines().count(), 1 + count);
    assert_eq!(table.lines().rev().take_while(|line| !line.contains("COMMAND")).count(), count);
    let json: serde_json::Value = serde_json::from_slice(&snapshot_of(&fake, &["--json"]).stdout).expect("JSON");
    assert_eq!(json["processes"].as_array().map(Vec::len), Some(count));
}

#[test]
fn other_programs_read_the_json() {
    let fake = machine();
    let json = snapshot_of(&fake, &["--json", "-s", "pid"]).stdout;
    for (program, arguments) in [
        ("jq", &["-r", "[.processes[].pid] | join(\" \")"][..]),
        ("python3", &["-c", "import json,sys; print(*(p['pid'] for p in json.load(sys.stdin)['processes']))"]),
    ] {
        let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { continue };
        child.stdin.take().expect("piped").write_all(&json).expect("read");
        let read = text(&child.wait_with_output().expect("ends").stdout);
        assert_eq!(read.trim(), "1 20 21 300", "{program}");
    }
}

/// A field of a message in the wire format of protocol buffers.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len()), bytes.to_vec()].concat()
}

/// A field of a number.
fn number(number: u8, value: usize) -> Vec<u8> {
    [vec![number << 3], varint(value)].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f | 0x80) as u8);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn a_small_profile_that_refers_to_a_large_string_again_and_again_takes_little_memory() {
    let mut bytes = field(1, &[number(1, 1), number(2, 1)].concat());
    for id in 1..=60_000 {
        bytes.extend(field(3, &[number(1, id), number(5, 2)].concat()));
        bytes.extend(field(5, &[number(1, id), number(2, 2), number(4, 2)].concat()));
        bytes.extend(field(4, &[number(1, id), number(2, id)].concat()));
        let label = field(3, &[number(1, 2), number(2, 2)].concat());
        bytes.extend(field(2, &[number(1, id), number(2, 1), label].concat()));
    }
    for string in [&b""[..], b"space", &b"x".repeat(1 << 20)] {
        bytes.extend(field(6, string));
    }
    let directory = tempfile::tempdir().expect("created");
    let path = directory.path().join("profile");
    std::fs::write(&path, bytes).expect("written");
    // KiB of address space: a thirtieth of what a copy of the string for each mapping alone would take.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 2000000; exec \"$0\" pprof --json \"$1\"", env!("CARGO_BIN_EXE_oomtop")]);
    let output = command.arg(&path).output().expect("starts");
    assert!(output.status.success(), "{:?} {}", output.status, text(&output.stderr));
    assert!(text(&output.stdout).contains("60000"), "all of its samples");
}
