//! Real runs of `go test` under `oomtop run`, each with the verdict that it must get: killed at a limit in every phase, killed
//! by others, ended by limits of its own, failed, interrupted, well. None may be wrong and certain.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod program;
mod require;
mod terminal;
#[path = "go/toolchain.rs"]
mod toolchain;
#[path = "oom/vm.rs"]
mod vm;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use terminal::Terminal;
use toolchain::Toolchain;

/// The newest Go; `None` (said loudly) without one.
fn go() -> Option<&'static Toolchain> {
    static GO: OnceLock<Option<Toolchain>> = OnceLock::new();
    GO.get_or_init(|| toolchain::toolchains().pop()).as_ref()
}

/// Runs share two processors, and what each is measured by is time: one after another.
static ALONE: Mutex<()> = Mutex::new(());

/// One run: options of `oomtop run`, then the command.
struct Run<'a> {
    go: &'a Toolchain,
    folder: tempfile::TempDir,
    options: Vec<&'a str>,
    command: Vec<&'a str>,
}

impl<'a> Run<'a> {
    fn new(go: &'a Toolchain, options: &[&'a str], command: &[&'a str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { go, folder, options: options.to_vec(), command: command.to_vec() }
    }

    fn to_start(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
        command.args(["run", "--headless", "--report"]).arg(self.report_file());
        command.args(&self.options).arg("--").args(&self.command);
        command.current_dir(suite());
        self.go.set_environment(&mut command);
        command.env("GOFLAGS", "-mod=mod -vet=off").env("TMPDIR", self.folder.path());
        command
    }

    fn start(&self) -> Child {
        let mut command = self.to_start();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    fn report_file(&self) -> PathBuf {
        self.folder.path().join("run.json")
    }

    fn end(&self, child: Child) -> Ended {
        let output = child.wait_with_output().expect("ends");
        let text = std::fs::read(self.report_file()).unwrap_or_default();
        let report = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr)));
        Ended { output, report }
    }
}

/// What came of a run.
struct Ended {
    output: Output,
    report: Value,
}

impl Ended {
    fn verdict(&self) -> (&str, &str) {
        let verdict = &self.report["verdict"];
        (verdict["kind"].as_str().expect("a word"), verdict["confidence"].as_str().expect("a word"))
    }

    fn summary(&self) -> &str {
        self.report["verdict"]["summary"].as_str().expect("a sentence")
    }

    fn victim(&self, field: &str) -> &str {
        self.report["verdict"]["victim"][field].as_str().unwrap_or("")
    }

    /// All of it, for the message of a failed assertion.
    fn told(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(&self.output.stdout), String::from_utf8_lossy(&self.output.stderr))
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run/suite")
}

/// Builds what all runs share outside of any limit, then runs.
fn run(options: &[&str], command: &[&str]) -> Option<Ended> {
    let go = go()?;
    let _alone = alone(go);
    let run = Run::new(go, options, command);
    Some(run.end(run.start()))
}

fn alone(go: &Toolchain) -> impl Drop + use<> {
    static BUILT: OnceLock<()> = OnceLock::new();
    let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    BUILT.get_or_init(|| {
        let mut command = Command::new(go.program());
        go.set_environment(&mut command);
        let packages = [
            "./leak", "./beside", "./many", "./child", "./fails", "./slow", "./near", "./greedy", "./big", "./thrash",
            "./waits",
        ];
        command.args(["test", "-vet=off", "-run", "^$"]).args(packages).current_dir(suite());
        // Others may use the same cache: what one go command has found in it can be gone when it looks again.
        let outputs = (0..3).map(|_| command.output().expect("go starts"));
        let mut failed = Vec::new();
        for output in outputs {
            if output.status.success() {
                return;
            }
            failed.push(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        panic!("{failed:#?}");
    });
    alone
}

/// The same with so much memory at the most, where a limit can be set.
fn limited(limit: &str, command: &[&str]) -> Option<Ended> {
    may_limit().then(|| run(&["--memory-max", limit], command)).flatten()
}

/// Whether a limit can be set here.
fn may_limit() -> bool {
    require::root() && require::memory_cgroups().is_some()
}

/// Of what was built before, a linker and the go command fit.
const LIMIT: &str = "160m";

#[test]
fn a_test_that_allocates_past_the_limit() {
    let Some(ended) = limited(LIMIT, &["go", "test", "-count=1", "./leak"]) else { return };
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!((ended.victim("name"), ended.victim("package")), ("leak.test", "example.com/suite/leak"));
    assert_eq!(ended.output.status.code(), Some(1), "go's own status");
    assert!(String::from_utf8_lossy(&ended.output.stdout).contains("signal: killed"), "{}", ended.told());
    let limit = &ended.report["limit"];
    assert_eq!((limit["own"].as_bool(), limit["limit_bytes"].as_u64()), (Some(true), Some(160 << 20)), "{limit}");
    assert!(ended.report["advice"].as_array().is_some_and(|advice| !advice.is_empty()), "{}", ended.told());
    let made = String::from_utf8_lossy(limit["cgroup"].as_str().expect("a path").as_bytes()).into_owned();
    let root = require::memory_cgroups().expect("asked before");
    assert!(!root.join(made.trim_start_matches('/')).exists(), "{made} was not removed");
}

/// The test binary of ./leak, built outside of any limit.
fn leaking_test(go: &Toolchain, folder: &Path, flags: &[&str]) -> PathBuf {
    let binary = folder.join("leak.test");
    let mut build = Command::new(go.program());
    go.set_environment(&mut build);
    build.args(["test", "-vet=off", "-c", "-o"]).arg(&binary).args(flags).arg("./leak").current_dir(suite());
    // The race detector is linked with C; a program for a guest must not be.
    build.env("CGO_ENABLED", if flags.contains(&"-race") { "1" } else { "0" });
    let output = build.output().expect("go starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    binary
}

/// The race detector's shadow takes several times what the test itself holds.
#[test]
fn a_test_with_the_race_detector() {
    let Some(go) = go() else { return };
    if !may_limit() || !require::tool("gcc") {
        return;
    }
    let _alone = alone(go);
    let folder = tempfile::tempdir().expect("a folder");
    let binary = leaking_test(go, folder.path(), &["-race"]);
    let binary = binary.to_str().expect("a plain path");
    let run = Run::new(go, &["--memory-max", "256m"], &[binary, "-test.run=TestLeak"]);
    let ended = run.end(run.start());
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(ended.victim("package"), "example.com/suite/leak", "{}", ended.told());
    assert_eq!(ended.output.status.code(), Some(137), "{}", ended.told());
}

#[test]
fn one_of_several_packages() {
    let command = ["go", "test", "-count=1", "./beside", "./leak"];
    let Some(ended) = limited("224m", &command) else { return };
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(ended.victim("package"), "example.com/suite/leak", "{}", ended.told());
    let beside = ended.report["processes"].as_array().expect("a list").iter();
    let beside = beside.filter(|process| process["package"] == "example.com/suite/beside");
    assert!(beside.clone().any(|process| process["phase"] == "test"), "{}", ended.told());
}

#[test]
fn the_linker() {
    // Most of what a linker holds are pages of the file that it writes: those go to the disk, and it may end well under any
    // limit, slowly. Garbage does not.
    let command = ["go", "test", "-count=1", "-toolexec=env GOGC=off", "./big"];
    let Some(ended) = limited("52m", &command) else { return };
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(ended.victim("name"), "link", "{}", ended.told());
    // Where its package was compiled in this run, it is known by its import path.
    let known = ["the linker of example.com/suite/big", "the linker of big.test"];
    assert!(known.iter().any(|known| ended.summary().contains(known)), "{}", ended.summary());
    // `go test` had it leave out the debug information.
    assert!(!ended.report["advice"].to_string().contains("-ldflags"), "{}", ended.told());
    let again = "oomtop run --memory-max 104M -- go test -count=1 '-toolexec=env GOGC=off' ./big";
    let advice = ended.report["advice"].as_array().expect("a list");
    assert!(advice.iter().any(|advice| advice["command"] == again), "{}", ended.told());
}

#[test]
fn the_compiler() {
    let Some(go) = go() else { return };
    if !may_limit() {
        return;
    }
    let _alone = alone(go);
    // Without collections it only grows, and to a limit that takes it a second: however busy the machine is, it is looked at.
    let command = ["go", "build", "-toolexec=env GOGC=off", "-o", "/dev/null", "./"];
    let run = Run::new(go, &["--memory-max", "384m"], &command);
    // A function that is long enough, and in no cache: its text is this run's own.
    let module = run.folder.path().join("big");
    std::fs::create_dir(&module).expect("a folder");
    std::fs::write(module.join("go.mod"), "module example.com/big\n\ngo 1.21\n").expect("writes");
    let lines: Vec<_> = (0..40_000).map(|at| format!("\tif x > {at} {{ x += y*{at}; z[x] = y }}\n")).collect();
    let lines = lines.concat();
    let own = run.folder.path().display();
    let text = format!(
        "// Package big is of {own}.\npackage big\n\nfunc Big(x, y int, z map[int]int) int {{\n{lines}\treturn x\n}}\n"
    );
    std::fs::write(module.join("big.go"), text).expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    command.args(["run", "--headless", "--report"]).arg(run.report_file()).args(&run.options).arg("--");
    command.args(&run.command).current_dir(&module).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    go.set_environment(&mut command);
    let ended = run.end(command.spawn().expect("starts"));
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!((ended.victim("name"), ended.victim("package")), ("compile", "example.com/big"), "{}", ended.told());
}

/// 40 MiB a second, so that its runtime is looked at before the end.
#[test]
fn goroutines_that_never_end() {
    let Some(ended) = limited(LIMIT, &["go", "test", "-count=1", "./waits"]) else { return };
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(ended.victim("package"), "example.com/suite/waits", "{}", ended.told());
    let story = ended.report["verdict"]["story"].to_string();
    assert!(story.contains("in goroutine stacks"), "{}", ended.told());
    let dump = ended.report["advice"][0]["command"].as_str().unwrap_or_default();
    assert!(dump.starts_with("go test -timeout ") && dump.contains("s -count=1 ./waits"), "{}", ended.told());
}

#[test]
fn a_leak_over_many_tests() {
    let Some(ended) = limited(LIMIT, &["go", "test", "-count=1", "./many"]) else { return };
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(ended.victim("package"), "example.com/suite/many", "{}", ended.told());
}

#[test]
fn a_child_of_a_test_and_the_test_survives() {
    let Some(ended) = limited(LIMIT, &["go", "test", "-count=1", "./child"]) else { return };
    assert_eq!(ended.output.status.code(), Some(0), "{}", ended.told());
    assert_eq!(ended.verdict(), ("oom_killed_cgroup", "certain"), "{}", ended.told());
    assert_eq!(
        (ended.victim("name"), ended.victim("package")),
        ("tail", "example.com/suite/child"),
        "{}",
        ended.told()
    );
    assert!(ended.summary().contains("succeeded"), "{}", ended.summary());
}

#[test]
fn near_the_limit_and_well() {
    let Some(ended) = limited(LIMIT, &["go", "test", "-count=1", "./near"]) else { return };
    assert_eq!(ended.verdict(), ("ok", "certain"), "{}", ended.told());
    assert!(ended.summary().contains("% of the 160M of --memory-max"), "{}", ended.summary());
}

/// A process below ours, by the package in the live report of nobody: found in /proc by its name.
fn below(name: &str, folder: &Path) -> Pid {
    let begin = Instant::now();
    loop {
        for entry in std::fs::read_dir("/proc").expect("procfs").flatten() {
            let exe = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let (true, Some(pid)) = (exe.starts_with(folder) && exe.ends_with(name), pid) {
                return pid;
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "no {name} in 120 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn somebody_elses_kill() {
    let Some(go) = go() else { return };
    let _alone = alone(go);
    let run = Run::new(go, &[], &["go", "test", "-count=1", "./slow"]);
    let child = run.start();
    kill_process(below("slow.test", run.folder.path()), Signal::KILL).expect("is there");
    let ended = run.end(child);
    assert_eq!(ended.output.status.code(), Some(1), "{}", ended.told());
    let (kind, confidence) = ended.verdict();
    if ended.report["unreadable"].as_array().is_some_and(Vec::is_empty) {
        assert_eq!((kind, confidence), ("killed_by_signal", "certain"), "{}", ended.told());
        assert_eq!(ended.victim("name"), "slow.test", "{}", ended.told());
    } else {
        assert!(kind == "failed" && confidence != "certain", "{}", ended.told());
    }
}

#[test]
fn timeout_with_sigkill() {
    let Some(ended) = run(&[], &["timeout", "-s", "KILL", "3", "go", "test", "-count=1", "./slow"]) else { return };
    assert_eq!(ended.output.status.code(), Some(137), "{}", ended.told());
    let (kind, _) = ended.verdict();
    assert_eq!(kind, "killed_by_signal", "{}", ended.told());
    assert!(ended.summary().contains("timeout"), "{}", ended.summary());
}

#[test]
fn the_timeout_of_go_test() {
    let Some(ended) = run(&[], &["go", "test", "-count=1", "-timeout=2s", "./slow"]) else { return };
    assert_eq!(ended.output.status.code(), Some(1), "{}", ended.told());
    let (kind, confidence) = ended.verdict();
    assert!(kind == "failed" && confidence != "certain", "{}", ended.told());
    assert!(ended.summary().contains("-timeout of 2s"), "{}", ended.summary());
}

/// What lives needs more than GOMEMLIMIT: the collector runs all the time. That it is slow for that is no more than likely.
#[test]
fn a_limit_that_leaves_the_collector_no_room() {
    let command = ["go", "test", "-count=1", "-timeout=5s", "./thrash"];
    let Some(ended) = run(&["--gomemlimit", "20m"], &command) else { return };
    assert_eq!(ended.output.status.code(), Some(1), "{}", ended.told());
    let (kind, confidence) = ended.verdict();
    assert!(kind == "failed" && confidence != "certain", "{}", ended.told());
    assert!(ended.summary().ends_with("its GOMEMLIMIT may have slowed it down"), "{}", ended.told());
    let advice = ended.report["advice"].as_array().expect("a list").iter();
    let mut whys = advice.filter_map(|advice| advice["why"].as_str());
    assert!(whys.any(|why| why.contains("live under a GOMEMLIMIT of 20.0M")), "{}", ended.told());
}

#[test]
fn a_limit_on_address_space() {
    let script = "ulimit -v 4000000; exec go test -count=1 ./greedy";
    let Some(ended) = run(&[], &["sh", "-c", script]) else { return };
    assert_eq!(ended.output.status.code(), Some(1), "{}", ended.told());
    let (kind, confidence) = ended.verdict();
    assert!(kind == "limit_hit" && confidence != "certain", "{}", ended.told());
    assert_eq!(ended.victim("package"), "example.com/suite/greedy", "{}", ended.told());
}

#[test]
fn a_test_that_fails_and_a_build_that_does() {
    for (package, first) in [("./fails", "fails"), ("./broken", "compile")] {
        let Some(ended) = run(&[], &["go", "test", "-count=1", package]) else { return };
        assert_eq!(ended.output.status.code(), Some(1), "{}", ended.told());
        assert_eq!(ended.verdict().0, "failed", "{}", ended.told());
        if ended.report["unreadable"].as_array().is_some_and(Vec::is_empty) {
            let told = ended.summary();
            assert!(told.contains("failed first") && told.contains(first), "{}", ended.told());
        }
    }
}

#[test]
fn an_interrupt() {
    let Some(go) = go() else { return };
    let _alone = alone(go);
    let run = Run::new(go, &[], &["go", "test", "-count=1", "./slow"]);
    let child = run.start();
    let _ = below("slow.test", run.folder.path());
    let oomtop = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a number");
    // As a runner does: to the process that it started. SIGINT reaches go alone, which waits for its test.
    kill_process(oomtop, Signal::TERM).expect("is there");
    let ended = run.end(child);
    assert_eq!(ended.verdict().0, "killed_by_signal", "{}", ended.told());
    assert!(ended.summary().contains("SIGTERM"), "{}", ended.summary());
    // go is gone; its test is nobody's now, and this folder's.
    let _ = kill_process(below("slow.test", run.folder.path()), Signal::KILL);
}

/// As a person does, with ^C: the terminal sends it to oomtop, to go and to its test.
#[test]
fn an_interrupt_at_the_terminal() {
    let Some(go) = go() else { return };
    let _alone = alone(go);
    let run = Run::new(go, &[], &["go", "test", "-count=1", "./slow"]);
    let mut terminal = Terminal::start(run.to_start(), 120, 30);
    let _ = below("slow.test", run.folder.path());
    terminal.press("\u{3}");
    let status = terminal.ended(Duration::from_secs(120));
    let told = terminal.text().join("\n");
    assert_eq!(status.and_then(|status| status.code()), Some(1), "go's own: {told}");
    let report: Value = serde_json::from_slice(&std::fs::read(run.report_file()).expect("a report")).expect("JSON");
    let verdict = &report["verdict"];
    assert_eq!(verdict["kind"], "killed_by_signal", "{told}");
    assert!(verdict["summary"].as_str().is_some_and(|told| told.starts_with("interrupted (^C)")), "{verdict}");
}

/// What a shared machine must not suffer: a whole group that dies, the whole machine full. One guest for both.
#[test]
fn a_group_and_a_machine_in_a_guest() {
    let Some(go) = go() else { return };
    if !require::root() {
        return;
    }
    let _alone = alone(go);
    let folder = tempfile::tempdir().expect("a folder");
    let binary = leaking_test(go, folder.path(), &[]);
    let Some(guest) = vm::Guest::find(&binary) else {
        require::missing("vm", "no virtual machine was built: tests/vm/boot build (root, Debian)");
        return;
    };
    let script = r#"
        group=/sys/fs/cgroup/group; mkdir $group
        echo 64M >$group/memory.max; echo 1 >$group/memory.oom.group
        in_group="echo \$\$ >$group/cgroup.procs; sleep 1000 & exec /hog -test.run=TestLeak"
        /oomtop run --report /group.json -- sh -c "$in_group"; echo "status $?"
        /oomtop run --report /limit.json --memory-max 64m -- /hog -test.run=TestLeak; echo "status $?"
        /oomtop run --report /machine.json -- /hog -test.run=TestLeak; echo "status $?"
        for name in group limit machine; do echo "@@$name $(tr -d '\n' </$name.json)"; done
    "#;
    let (status, output) = guest.run(320, Duration::from_secs(240), script);
    assert_eq!(status, 0, "{output}");
    assert_eq!(output.lines().filter(|line| line.trim() == "status 137").count(), 3, "{output}");
    let told = |name: &str| -> Value {
        let line = output.lines().find_map(|line| line.strip_prefix(&format!("@@{name} ")));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no report: {output}"))).expect("JSON")
    };
    for (name, kind) in [("group", "oom_killed_cgroup"), ("limit", "oom_killed_cgroup"), ("machine", "oom_killed_host")]
    {
        let report = told(name);
        let verdict = &report["verdict"];
        assert_eq!((&verdict["kind"], &verdict["confidence"]), (&kind.into(), &"certain".into()), "{name}: {output}");
        assert_eq!(verdict["victim"]["package"], "example.com/suite/leak", "{name}: {output}");
    }
    assert_eq!(told("limit")["limit"]["own"], true, "{output}");
    let together = told("group")["verdict"]["summary"].to_string();
    assert!(together.contains("1 more was killed"), "{together}");
}
