//! A `go test` that somebody else started, in the live screen: found by its numbers or picked with a key, behind make and
//! shell scripts, it gets the view of `oomtop run`; and the same verdict, as far as can be known from outside.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

#[path = "oom/cgroup.rs"]
mod cgroup;
mod nobody;
mod program;
mod require;
mod terminal;
#[path = "go/toolchain.rs"]
mod toolchain;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use rustix::process::{Pid, Signal, kill_process};
use terminal::Terminal;
use toolchain::Toolchain;

const PATIENCE: Duration = Duration::from_secs(120);

/// A process that is ended with the test.
struct Outside(Child);

impl Drop for Outside {
    fn drop(&mut self) {
        // Its whole group: what go leaves behind is nobody's.
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Starts a shell line in the suite, with go in its path and a folder of its own for what go builds; in this cgroup.
fn outside(go: &Toolchain, folder: &Path, cgroup: Option<&MemoryCgroup>, line: &str) -> Outside {
    let mut command = Command::new("setsid");
    let join =
        cgroup.map_or_else(String::new, |cgroup| format!("echo $$ > {}/cgroup.procs;", cgroup.directory().display()));
    command.args(["sh", "-c", &format!("{join} {line}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    go.set_environment(&mut command);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/suite"));
    command.env("GOFLAGS", "-mod=mod -vet=off").env("TMPDIR", folder);
    Outside(command.spawn().expect("starts"))
}

/// Waits for a process whose executable lies in the folder and is called so.
fn below(folder: &Path, name: &str) -> Pid {
    until(name, || {
        std::fs::read_dir("/proc").expect("procfs").flatten().find_map(|entry| {
            let executable = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            (executable.starts_with(folder) && executable.ends_with(name)).then_some(pid)
        })
    })
}

/// The ancestor that is a `go test`.
fn go_test_above(pid: Pid) -> Pid {
    let field = |pid: Pid, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("lives");
        status.lines().find_map(|line| line.strip_prefix(name)).expect("has this line").trim().to_owned()
    };
    let mut at = pid;
    while field(at, "Name:") != "go" {
        at = field(at, "PPid:").parse().ok().and_then(Pid::from_raw).expect("go stands above its test");
    }
    at
}

fn until<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "no {what} in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn shows(terminal: &mut Terminal, text: &str) {
    let found = terminal.until(PATIENCE, |screen| screen.contents().contains(text));
    assert!(found.is_ok(), "no {text:?} on\n{}", terminal.text().join("\n"));
}

fn go() -> Option<Toolchain> {
    toolchain::toolchains().pop()
}

/// Wide enough for a whole command line in the table, beside the columns that somebody's cgroup with a limit brings.
fn oomtop(arguments: &[&str]) -> Terminal {
    let mut command = program::oomtop();
    command.args(arguments);
    Terminal::start(command, 300, 50)
}

/// As `oomtop -p "$(pgrep -d, -f 'go test')"` does: the shell around go has the words in its command line too.
#[test]
fn a_go_test_found_by_its_words_is_followed_to_its_verdict() {
    let Some(go) = go() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    // Where others are killed meanwhile, their cgroup is not ours.
    let root = require::is_root().then(require::memory_cgroups).flatten();
    let cgroup = root.map(|root| MemoryCgroup::new(&root, "watch", None).expect("made"));
    let line = "go test -count=20 -timeout 0 ./slow; sleep 1000";
    let shell = outside(&go, folder.path(), cgroup.as_ref(), line);
    let other = outside(&go, folder.path(), None, "exec sleep 123456");
    let test = below(folder.path(), "slow.test");
    let go_test = go_test_above(test);
    let numbers = format!("{},{},{}", shell.0.id(), go_test.as_raw_nonzero(), other.0.id());
    let mut terminal = oomtop(&["-p", &numbers]);
    shows(&mut terminal, "watched for");
    let narrowed = terminal
        .until(PATIENCE, |screen| screen.contents().contains("sleep 123456") && !screen.contents().contains("sh -c"));
    assert!(narrowed.is_ok(), "the shell around it, and no other, is left out\n{}", terminal.text().join("\n"));
    terminal.press("77");
    shows(&mut terminal, "example.com/suite/slow");
    kill_process(test, Signal::KILL).expect("is there");
    // The shell lives on: it was go test that was meant. What it ended with is known to those who may read exit records.
    shows(&mut terminal, "watched from outside");
    let verdict = terminal.text().join("\n");
    // A guess where the kernel counted kills of others meanwhile and its log does not tell whom; in their cgroup, theirs.
    let says =
        |headline: &str| ["(likely)", "(guess)"].iter().any(|sure| verdict.contains(&format!("{headline} {sure}")));
    let is_told = says("KILLED BY A SIGNAL") && verdict.contains("status 1");
    let is_taken_for_theirs = cgroup.is_none() && says("KILLED BY THE OOM KILLER");
    assert!(is_told || says("ENDED, REASON UNKNOWN") || is_taken_for_theirs, "{verdict}");
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()), "its status is not ours");
    let left = String::from_utf8_lossy(terminal.transcript()).into_owned();
    let behind = left.rsplit("\x1b[?1049l").next().expect("the screen was left");
    assert!(behind.contains("watched from outside"), "{behind}");
}

/// The kernel's log names it to root. To others only a counter tells, and that the test was gone then.
#[test]
fn a_test_that_the_oom_killer_takes_is_named_as_surely_as_it_is_known() {
    let Some(go) = go() else { return };
    if !require::root() || !require::tool("setpriv") {
        return;
    }
    let Some(root) = require::memory_cgroups() else { return };
    let ground = nobody::Ground::prepare();
    let log_is_open = std::fs::read_to_string("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim() == "0");
    for as_nobody in [false, true] {
        // What it builds fits, what it runs does not.
        let cgroup = MemoryCgroup::new(&root, "watch-taken", Some(400 << 20)).expect("made");
        let folder = tempfile::tempdir().expect("a folder");
        let [built, gate] = ["built", "gate"].map(|name| folder.path().join(name));
        let wrapper = folder.path().join("wrapper");
        let [is_built, is_open] = [&built, &gate].map(|path| path.display().to_string());
        let script = format!(
            "#!/bin/sh\ntouch '{is_built}'; until test -e '{is_open}'; do sleep 0.1; done\n\
             echo 500 >/proc/self/oom_score_adj; exec \"$@\"\n"
        );
        std::fs::write(&wrapper, script).expect("written");
        nobody::open(&wrapper, 0o755);
        let line = format!("exec go test -count=1 -timeout 0 -exec '{}' ./leak", wrapper.display());
        let go_test = outside(&go, folder.path(), Some(&cgroup), &line);
        until("test to run", || built.exists().then_some(()));

        let mut command = Command::new(if as_nobody { nobody::AS_NOBODY[0] } else { "env" });
        program::know_the_environment(&mut command);
        command.args(if as_nobody { &nobody::AS_NOBODY[1..] } else { &[] });
        command.arg(&ground.oomtop).args(["-p", &go_test.0.id().to_string()]);
        let mut terminal = Terminal::start(command, 200, 50);
        shows(&mut terminal, "watched for");
        std::fs::write(&gate, "").expect("written");
        shows(&mut terminal, "watched from outside");
        let told = terminal.text().join("\n");
        let line =
            told.lines().find(|line| line.contains("KILLED BY THE OOM KILLER")).unwrap_or_else(|| panic!("{told}"));
        // What it executes is told to its owner, and with that the package.
        assert!(as_nobody || told.contains("example.com/suite/leak (leak.test "), "{told}");
        assert!(told.contains("leak.test ") && told.contains("watch-taken (400M)"), "{told}");
        // Not certain to root where the kernel's records of several kills came mixed, or some did not come.
        let surest = if as_nobody && !log_is_open { "(guess)" } else { "(certain)" };
        assert!(line.contains(surest) || line.contains("(likely)"), "{told}");
        terminal.press("q");
        assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()), "its status is not ours");
    }
}

/// The machine's table, grouped by go test: the group is there behind make and a script, opened it has the package, and W
/// watches it until W goes back; leaving does nothing to it.
#[test]
fn a_go_test_is_picked_from_its_group() {
    let Some(go) = go() else { return };
    if !require::tool("make") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let makefile = folder.path().join("Makefile");
    std::fs::write(&makefile, "check:\n\tnice sh -c 'env A=b go test -count=20 -timeout 0 ./slow; true'\n")
        .expect("written");
    let line = format!("exec make -f {}", makefile.display());
    let _make = outside(&go, folder.path(), None, &line);
    let test = below(folder.path(), "slow.test");
    let group = format!("go test -count=20 -timeout 0 ./slow ({})", go_test_above(test).as_raw_nonzero());
    let mut terminal = oomtop(&[]);
    shows(&mut terminal, "Processes by RSS");
    terminal.press("g\x1b[F\r");
    shows(&mut terminal, &group);
    terminal.press(&format!("/{group}\r"));
    terminal.press("\r");
    shows(&mut terminal, "example.com/suite/slow");
    terminal.press("W");
    shows(&mut terminal, "watched for");
    shows(&mut terminal, "Processes by RSS, as a tree");
    terminal.press("W");
    shows(&mut terminal, "no longer watched");
    shows(&mut terminal, "Runs of go test by RSS");
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
    assert!(rustix::process::test_kill_process(test).is_ok(), "leaving touches nothing");
}
