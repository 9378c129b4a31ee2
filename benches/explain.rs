//! What `oomtop explain` costs beside `grep -c 'Killed process'` over the same 100 MiB of log, warm: the best of several
//! rounds in turn. Three logs: a machine's syslog with a kill now and then, one that is nothing but dumps, and one of dumps
//! with hundreds of candidates each. Prints a line of JSON for each. `cargo bench --bench explain`

#![allow(clippy::disallowed_methods, reason = "runs programs over a file of its own, in real time")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SIZE: usize = 100 << 20;
const ROUNDS: u32 = 7;
/// Lines of others between two dumps.
const APART: usize = 10_000;

fn main() {
    for (name, apart, copies) in [("syslog", APART, 1), ("dumps", 0, 1), ("tables", 0, 100)] {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&log(&dumps(copies), apart)).expect("room for 100 MiB");
        let mut explain = Command::new(env!("CARGO_BIN_EXE_oomtop"));
        explain.arg("explain").arg(file.path());
        let mut grep = Command::new("grep");
        grep.args(["-c", "Killed process"]).arg(file.path());
        let (mut explaining, mut grepping) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            grepping = grepping.min(time(&mut grep));
            explaining = explaining.min(time(&mut explain));
        }
        println!(
            "{{\"log\": \"{name}\", \"grep_ms\": {:.1}, \"explain_ms\": {:.1}, \"ratio\": {:.2}}}",
            grepping.as_secs_f64() * 1e3,
            explaining.as_secs_f64() * 1e3,
            explaining.as_secs_f64() / grepping.as_secs_f64(),
        );
    }
}

/// From start to end; the output goes through a pipe, because grep stops early before /dev/null.
fn time(command: &mut Command) -> Duration {
    let begin = Instant::now();
    let output = command.stdout(Stdio::piped()).output().expect("it runs");
    let elapsed = begin.elapsed();
    assert!(output.status.success() && !output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    elapsed
}

/// Real dumps, one for each kernel, as a syslog has them, with each row of their tables so often.
fn dumps(copies: usize) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oom-logs");
    let entries = std::fs::read_dir(folder).expect("the logs").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with("-adj-decides.log")).collect();
    paths.sort();
    let text = |line: &str| line.split_once(';').map(|(_, text)| text.replace("\\x0a", "\n")).unwrap_or_default();
    let wrapped = |text: String| format!("Nov 21 08:41:22 web-1 kernel: [ 7104.123456] {text}\n");
    let dump = |path: &std::path::PathBuf| {
        let log = std::fs::read_to_string(path).expect("a log");
        log.lines()
            .flat_map(|line| text(line).split('\n').map(str::to_owned).collect::<Vec<_>>())
            .map(|text| if is_row(&text) { wrapped(text).repeat(copies) } else { wrapped(text) })
            .collect()
    };
    paths.iter().map(dump).collect()
}

/// `[  125]     0   125     7270 ..`.
fn is_row(text: &str) -> bool {
    text.strip_prefix('[').is_some_and(|text| text.trim_start().starts_with(|first: char| first.is_ascii_digit()))
}

fn log(dumps: &[String], apart: usize) -> Vec<u8> {
    const OTHERS: [&str; 5] = [
        "systemd[1]: Started Session 4711 of user ci.",
        "sshd[4711]: Accepted publickey for ci from 10.0.0.3 port 51234 ssh2: ED25519",
        "kernel: [ 7104.123456] eth0: renamed from veth1a2b3c",
        "dockerd[901]: time=\"2026-11-21T08:41:22Z\" level=info msg=\"ignoring event\" module=libcontainerd",
        "kubelet[933]: I1121 08:41:22.123456 933 kuberuntime_manager.go:514] \"Container is being restarted\" pod=\"web\"",
    ];
    let mut log = Vec::with_capacity(SIZE + (1 << 20));
    for dump in dumps.iter().cycle() {
        for line in 0..apart {
            let _ = writeln!(log, "Nov 21 08:41:22 web-1 {}", OTHERS[line % OTHERS.len()]);
        }
        log.extend_from_slice(dump.as_bytes());
        if log.len() >= SIZE {
            return log;
        }
    }
    log
}
