//! `oomtop run`: the command must not notice it. Its status, signals, standard files, arguments and environment are
//! compared with those it has without us; what forks away is still seen.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod require;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command, behind `oomtop run` or alone.
fn command(watched: bool, words: &[&str]) -> Command {
    if !watched {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        return command;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    command.args(["run", "--headless", "--"]).args(words);
    command
}

fn output(watched: bool, words: &[&str]) -> Output {
    command(watched, words).stdin(Stdio::null()).output().expect("starts")
}

/// Runs it with a JSON report.
fn report(words: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    let output =
        command.args(["run", "--headless", "--report"]).arg(&file).arg("--").args(words).output().expect("starts");
    let text = fs::read(&file).expect("a report");
    (output, serde_json::from_slice(&text).expect("JSON"))
}

#[test]
fn what_becomes_the_command_is_not_counted_as_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    let command = command.args(["run", "--headless", "--oom-score-adj", "1000", "--report"]).arg(&file);
    let output = command.args(["--", "sleep", "0.3"]).output().expect("starts");
    let report: Value = serde_json::from_slice(&fs::read(&file).expect("a report")).expect("JSON");
    let processes = report["processes"].as_array().expect("processes");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(processes.len(), 1, "who tried whether it may is none of it: {told}");
    let peak = processes[0]["peak_rss_bytes"].as_u64().expect("a peak");
    assert!(peak < 4 << 20, "sleep holds 2 MiB, what becomes it more than twice that: {told}");
}

#[test]
fn its_status_is_that_of_the_command() {
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
    {
        let output = output(true, &["sh", "-c", script]);
        assert_eq!(output.status.code(), Some(status), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(output(true, &["/nonexistent/command"]).status.code(), Some(127));
    assert_eq!(output(true, &["/etc/passwd"]).status.code(), Some(126));
    // Also where somebody else executes it for us: no report on a command that never was.
    let absent = ["run", "--headless", "--oom-score-adj", "1000", "--", "no-such-command"];
    let absent = Command::new(env!("CARGO_BIN_EXE_oomtop")).args(absent).output().expect("starts");
    assert_eq!(absent.status.code(), Some(127));
    let said = "oomtop: cannot run no-such-command: No such file or directory (os error 2)\n";
    assert_eq!(String::from_utf8_lossy(&absent.stderr), said);
    let usage = Command::new(env!("CARGO_BIN_EXE_oomtop")).args(["run", "--no-such-option", "--", "true"]).output();
    assert_eq!(usage.expect("starts").status.code(), Some(125));
    let report = Command::new(env!("CARGO_BIN_EXE_oomtop")).args(["run", "--report", "x.txt", "--", "true"]).output();
    let report = report.expect("starts");
    assert_eq!(report.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&report.stderr).contains("FILE.json"), "{report:?}");
}

/// What cannot be had is refused before, and no report is made on a command that never was.
#[test]
fn an_adjustment_that_is_not_allowed_is_refused() {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && !require::tool("setpriv") {
        return;
    }
    let without_right = |words: &[&str]| {
        let drop = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"];
        let words: Vec<&str> = if is_root { drop.iter().chain(words).copied().collect() } else { words.to_vec() };
        Command::new(words[0]).args(&words[1..]).output().expect("starts")
    };
    if without_right(&["sh", "-c", "echo -1000 >/proc/self/oom_score_adj"]).status.success() {
        require::missing("adjustment", "who started the tests lets everybody below take -1000");
        return;
    }
    let words = [env!("CARGO_BIN_EXE_oomtop"), "run", "--headless", "--oom-score-adj", "-1000", "--", "true"];
    let output = without_right(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.starts_with("oomtop: cannot set oom_score_adj to -1000: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn files_arguments_and_environment_pass_untouched() {
    let script = "printf '%s|' \"$0\" \"$@\"; env -0 | sort -z; pwd; cat; echo told >&2; umask; ulimit -a; nice; ps -o pgid= -p $$";
    let words = ["sh", "-c", script, "", "-x", "--", "a b", "\u{202e}\n"];
    let run = |watched| {
        let mut command = command(watched, &words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("_", "");
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(b"through\0\xff\n").expect("writes");
        child.wait_with_output().expect("ends")
    };
    let (with, without) = (run(true), run(false));
    assert_eq!(with.stdout, without.stdout, "{}", String::from_utf8_lossy(&with.stdout));
    assert!(with.stderr.starts_with(&without.stderr) && with.stderr.len() > without.stderr.len());
}

/// How much goes through each of the three files.
const MUCH: usize = 100 << 20;

/// Reads two streams side by side and compares them, to the end of the first; what the second has beyond.
fn compare(mut without: impl Read, mut with: impl Read) -> (usize, Vec<u8>) {
    let (mut ours, mut theirs, mut length) = (vec![0; 1 << 16], vec![0; 1 << 16], 0);
    loop {
        let read = without.read(&mut theirs).expect("reads");
        if read == 0 {
            break;
        }
        with.read_exact(&mut ours[..read]).expect("as much with oomtop");
        assert!(ours[..read] == theirs[..read], "another byte between {length} and {}", length + read);
        length += read;
    }
    let mut rest = Vec::new();
    with.read_to_end(&mut rest).expect("reads");
    (length, rest)
}

/// Numbers through standard input to standard output, others to standard error at the same time: no two pieces of them are
/// the same, so none can be lost, doubled or changed unseen.
#[test]
fn much_passes_through_all_three_files_byte_for_byte() {
    let script = format!("seq 20000000 90000000 | head -c {MUCH} >&2 & cat; wait");
    let start = |watched| {
        let feed = format!("seq 20000000 | head -c {MUCH}");
        let mut feed = Command::new("sh").args(["-c", &feed]).stdout(Stdio::piped()).spawn().expect("starts");
        let stdin = feed.stdout.take().expect("piped");
        let mut command = command(watched, &["sh", "-c", &script]);
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        (feed, child)
    };
    let mut both = [start(false), start(true)];
    let [outputs, errors] = {
        let [without, with] = &mut both;
        let output = |child: &mut Child| child.stdout.take().expect("piped");
        let error = |child: &mut Child| child.stderr.take().expect("piped");
        let outputs = (output(&mut without.1), output(&mut with.1));
        let errors = (error(&mut without.1), error(&mut with.1));
        [
            std::thread::spawn(move || compare(outputs.0, outputs.1)),
            std::thread::spawn(move || compare(errors.0, errors.1)),
        ]
    };
    assert_eq!(outputs.join().expect("the same"), (MUCH, Vec::new()));
    let (length, report) = errors.join().expect("the same");
    assert!(length == MUCH && report.starts_with(b"oomtop: OK"), "{}", String::from_utf8_lossy(&report));
    for (mut feed, mut child) in both {
        assert!(feed.wait().expect("ends").success() && child.wait().expect("ends").success());
    }
}

/// Who writes to nobody is ended by SIGPIPE, as ever.
#[test]
fn a_reader_that_leaves_ends_the_command() {
    let [without, with] = [false, true].map(|watched| {
        let mut command = command(watched, &["seq", "100000000"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        assert_eq!(first_line(&mut child).0, "1");
        child.wait().expect("ends")
    });
    assert_eq!(without.signal(), Some(13));
    assert_eq!(with.code(), Some(128 + 13));
}

/// Waits until the child has written a line.
fn first_line(child: &mut Child) -> (String, BufReader<std::process::ChildStdout>) {
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("reads");
    (line.trim().to_owned(), stdout)
}

fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not 0");
    rustix::process::kill_process(pid, signal).expect("is there");
}

#[test]
fn a_signal_is_passed_on_once() {
    // Without a terminal of its own: with one, ^C comes to both by itself.
    let script = "trap 'echo term' TERM; trap 'echo int' INT; trap 'echo usr1; exit 3' USR1; echo ready; for i in $(seq 5000); do sleep 0.02; done";
    // Who runs the tests in the background of a script ignores some signals, and a shell cannot trap those.
    let mut start = Command::new("env");
    start.args(["--default-signal", "setsid", "-w", env!("CARGO_BIN_EXE_oomtop"), "run", "--"]);
    start.args(["sh", "-c", &format!("echo $PPID; {script}")]);
    let mut child = start.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let (oomtop, mut stdout) = first_line(&mut child);
    let oomtop: u32 = oomtop.parse().expect("a number");
    let mut expect = |word: &str| {
        let mut line = String::new();
        stdout.read_line(&mut line).expect("reads");
        assert_eq!(line.trim(), word);
    };
    expect("ready");
    kill(oomtop, rustix::process::Signal::TERM);
    expect("term");
    kill(oomtop, rustix::process::Signal::INT);
    expect("int");
    kill(oomtop, rustix::process::Signal::USR1);
    expect("usr1");
    assert_eq!(child.wait().expect("ends").code(), Some(3));
}

/// However busy the machine is: the signal came to us before the command had died of it.
#[test]
fn what_ends_the_command_and_comes_to_us_at_once_is_told_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    for _ in 0..20 {
        let mut start = Command::new("env");
        start.args(["--default-signal", env!("CARGO_BIN_EXE_oomtop"), "run", "--headless", "--report"]).arg(&file);
        let output = start.args(["--", "sh", "-c", "kill -INT $PPID $$"]).output().expect("starts");
        let report: Value = serde_json::from_slice(&fs::read(&file).expect("a report")).expect("JSON");
        assert_eq!(output.status.code(), Some(130), "{}", report["verdict"]);
        assert_eq!(report["verdict"]["summary"], "interrupted (^C)", "{}", report["verdict"]);
    }
}

#[test]
fn what_was_ignored_stays_ignored() {
    let show = "grep -E '^Sig(Ign|Blk)' /proc/self/status";
    let run = |prefix: &str, watched: &str| {
        let line = format!("trap '' {prefix}; {watched} sh -c \"{show}\" 2>/dev/null");
        Command::new("sh").args(["-c", &line]).output().expect("starts").stdout
    };
    let watched = format!("'{}' run --", env!("CARGO_BIN_EXE_oomtop"));
    for signals in ["HUP", "INT QUIT", "USR1"] {
        assert_eq!(run(signals, &watched), run(signals, ""), "{signals}");
    }
}

#[test]
fn what_forks_away_is_still_seen() {
    let script = "(setsid sh -c 'sleep 2.5; exit 5' &) ; sleep 4";
    let (_, report) = report(&["sh", "-c", script]);
    let processes = report["processes"].as_array().expect("a list");
    let sleeps = processes.iter().filter(|process| process["name"] == "sleep");
    let found: Vec<_> = sleeps.filter_map(|process| process["command"].as_str()).collect();
    assert!(found.contains(&"sleep 2.5") && found.contains(&"sleep 4"), "{found:?}");
    let lost = processes.iter().find(|process| process["exit"]["code"] == 5).expect("its status was taken");
    assert!(lost["ended"].is_string() && lost["peak_rss_bytes"].is_u64(), "{lost}");
}

/// tail keeps what it reads: 64 MiB without a newline, for longer than the time between two looks of a busy machine: where
/// the kernel does not tell the peaks of those who end (taskstats), they must be seen.
const HOLDS: &str = "(head -c 67108864 /dev/zero; sleep 1.5) | tail -n 1 | wc -c";

#[test]
fn a_peak_is_known_although_the_process_is_gone() {
    let (output, report) = report(&["sh", "-c", HOLDS]);
    assert_eq!(output.stdout, b"67108864\n");
    let tail = report["processes"].as_array().expect("a list").iter().find(|process| process["name"] == "tail");
    let tail = tail.expect("tail was seen");
    let peak = tail["peak_rss_bytes"].as_u64().expect("known");
    assert!((60 << 20..160 << 20).contains(&peak), "{tail}");
    assert_eq!(report["verdict"]["kind"], "ok");
    assert!(report["peak"]["tree_rss_bytes"].as_u64().expect("known") >= 30 << 20, "{}", report["peak"]);
}

#[test]
fn a_budget_has_a_status_of_its_own() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
        let output = command.arg("run").args(arguments).args(["--", "sh", "-c", HOLDS]).output();
        let output = output.expect("starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, text) = run(&["--budget", "10m"]);
    assert!(status == Some(124) && text.contains("OVER BUDGET"), "{text}");
    let (status, text) = run(&["--budget", "10m", "--warn"]);
    assert!(status == Some(0) && text.contains("over budget (--warn)"), "{text}");
    let (status, text) = run(&["--budget", "4g"]);
    assert!(status == Some(0) && text.contains("within budget"), "{text}");
}

#[test]
fn a_command_that_is_killed_while_we_are_told_so_is_no_oom() {
    let (output, report) = report(&["sh", "-c", "sleep 30 & kill -9 $!; wait $!; exit 1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!report["verdict"]["kind"].as_str().expect("a word").starts_with("oom"), "{}", report["verdict"]);
}

/// Killing us leaves the command alone: it ends when it likes.
#[test]
fn the_command_outlives_us() {
    let mut child = command(true, &["sh", "-c", "echo $$; sleep 0.3; echo done"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let oomtop = child.id();
    let (_, mut stdout) = first_line(&mut child);
    kill(oomtop, rustix::process::Signal::KILL);
    assert_eq!(child.wait().expect("ends").signal(), Some(9));
    let begin = Instant::now();
    let mut line = String::new();
    stdout.read_line(&mut line).expect("reads");
    assert_eq!(line.trim(), "done");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_tree_held_no_less_than_its_biggest_process() {
    // Shorter than the time between two looks.
    for _ in 0..5 {
        let (_, report) = report(&["sh", "-c", "head -c 30000000 /dev/zero | tail -n 1 >/dev/null"]);
        let peaks =
            report["processes"].as_array().expect("a list").iter().filter_map(|one| one["peak_rss_bytes"].as_u64());
        let biggest = peaks.max().expect("somebody held something");
        assert!(report["peak"]["tree_rss_bytes"].as_u64() >= Some(biggest), "{biggest}: {}", report["peak"]);
        assert!(!report["peak"]["processes"].as_array().expect("a list").is_empty(), "{}", report["peak"]);
    }
}
