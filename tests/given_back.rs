//! However a session ends, the terminal is given back: signals, panics, ^Z, a dropped connection, a terminal that takes
//! no bytes, one that cannot show a screen.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod program;
mod session;
mod terminal;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oomtop::config::Config;
use oomtop::runtime::prober::Probe;
use oomtop::snapshot::Snapshot;
use oomtop::snapshot::needs::Needs;
use oomtop::source::{Source, SourceError};
use program::know_the_environment;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use session::{PATIENCE, assert_given_back, oomtop, start, until_live, until_row};
use terminal::Terminal;

fn pid(terminal: &Terminal) -> Pid {
    Pid::from_raw(terminal.pid().cast_signed()).unwrap()
}

fn has_role(role: &str) -> bool {
    std::env::var_os("OOMTOP_TEST_ROLE").is_some_and(|given| given == role)
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::HUP, 1), (Signal::INT, 2), (Signal::QUIT, 3)] {
        let mut terminal = start(&[], 90, 25);
        until_live(&mut terminal);
        kill_process(pid(&terminal), signal).unwrap();
        assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(128 + number), "{signal:?}");
        assert_eq!(terminal.modes(), terminal.modes_found(), "{signal:?}");
        assert_given_back(&terminal);
    }
}

/// Looks once at nothing, then panics on its own thread.
struct Panicking(bool);

impl Source for Panicking {
    fn sample(&mut self, _: &Needs) -> Result<Arc<Snapshot>, SourceError> {
        assert!(!std::mem::replace(&mut self.0, true), "deliberate panic of the sampler");
        Ok(Arc::new(Snapshot::default()))
    }
}

/// Looks at nothing.
struct Resting;

impl Source for Resting {
    fn sample(&mut self, _: &Needs) -> Result<Arc<Snapshot>, SourceError> {
        Ok(Arc::new(Snapshot::default()))
    }
}

/// Panics on its own thread as soon as there is something to observe.
struct PanickingProbe;

impl Probe for PanickingProbe {
    fn observe(&mut self, _: &Snapshot) {
        panic!("deliberate panic of the prober");
    }

    fn probe(&mut self, _: &Needs) -> Option<Arc<Snapshot>> {
        None
    }
}

/// Reads nothing.
struct Idle;

impl Probe for Idle {
    fn observe(&mut self, _: &Snapshot) {}

    fn probe(&mut self, _: &Needs) -> Option<Arc<Snapshot>> {
        None
    }
}

/// A whole session whose sampler panics.
#[test]
fn role_panic() {
    if !has_role("role_panic") {
        return;
    }
    color_eyre::install().unwrap();
    let ended = oomtop::runtime::watch(Config::default(), || Ok(Panicking(false)), |_| Ok(Idle));
    println!("the session ended: {}", ended.unwrap_err());
}

/// A whole session whose prober panics.
#[test]
fn role_probe_panic() {
    if !has_role("role_probe_panic") {
        return;
    }
    color_eyre::install().unwrap();
    let ended = oomtop::runtime::watch(Config::default(), || Ok(Resting), |_| Ok(PanickingProbe));
    println!("the session ended: {:?}", ended.unwrap());
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    for (role, reported, ended) in [
        ("role_panic", "deliberate panic of the sampler", "the thread that reads /proc has ended"),
        ("role_probe_panic", "deliberate panic of the prober", "Panicked"),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", role, "--nocapture", "--test-threads=1"]).env("OOMTOP_TEST_ROLE", role);
        let mut terminal = Terminal::start(command, 120, 40);
        assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
        // Not on the screen: a long backtrace may have scrolled it away.
        let told = String::from_utf8_lossy(terminal.transcript());
        assert!(told.contains(reported) && told.contains("the session ended") && told.contains(ended), "{told}");
        assert_eq!(terminal.modes(), terminal.modes_found());
        assert_given_back(&terminal);
    }
}

#[test]
fn control_z_stops_it_and_fg_brings_it_back() {
    // As an interactive shell finds them: who runs the tests in the background may ignore some.
    let mut shell = Command::new("env");
    know_the_environment(&mut shell);
    shell.args(["--default-signal", "bash", "--norc", "--noprofile", "-i"]);
    shell.env("PS1", "ready> ").env("INPUTRC", "/dev/null");
    let mut terminal = Terminal::start(shell, 100, 30);
    until_row(&mut terminal, |row| row.contains("ready>"));
    terminal.press(&format!("'{}'\r", env!("CARGO_BIN_EXE_oomtop")));
    until_live(&mut terminal);
    terminal.press("\x1a");
    until_row(&mut terminal, |row| row.contains("Stopped"));
    assert!(!terminal.screen().alternate_screen());
    assert!(!terminal.screen().hide_cursor());
    terminal.press("echo back in the $((40 + 2))\r");
    until_row(&mut terminal, |row| row.trim() == "back in the 42");
    terminal.press("fg\r");
    until_live(&mut terminal);
    assert!(terminal.screen().alternate_screen());
    terminal.press("q");
    until_row(&mut terminal, |row| row.contains("ready>"));
    terminal.press("echo status $?\r");
    until_row(&mut terminal, |row| row.trim() == "status 0");
    terminal.press("exit\r");
    terminal.ended(PATIENCE).unwrap();
}

#[test]
fn control_z_under_a_shell_without_job_control_does_not_stop_both_for_good() {
    let mut shell = Command::new("sh");
    know_the_environment(&mut shell);
    // As `ssh -t host 'oomtop; true'` does it: the shell leads the session and shares its process group.
    shell.args(["-c", "\"$0\"; true", env!("CARGO_BIN_EXE_oomtop")]);
    let mut terminal = Terminal::start(shell, 100, 30);
    until_live(&mut terminal);
    terminal.press("\x1a");
    until_row(&mut terminal, |row| row.contains("not suspended"));
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).unwrap().success());
}

/// CPU time of a process in seconds: fields 14 and 15 of its stat.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

/// Both ends of a new terminal, as nobody's controlling terminal.
fn bare_terminal() -> (OwnedFd, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    (ours, rustix::fs::open(path, flags, Mode::empty()).unwrap().into())
}

/// Drops the connection once the first frame has come, and watches the program end.
fn hang_up(connection: OwnedFd, mut child: std::process::Child) {
    let mut seen = Vec::new();
    while !seen.windows(7).any(|window| window == b"\x1b[?2026") {
        let mut buffer = [0; 4096];
        let count = rustix::io::read(&connection, &mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..count]);
    }
    let before = cpu_seconds(child.id()).unwrap_or(0.0);
    drop(connection);
    let begin = Instant::now();
    let mut after = before;
    let status = loop {
        after = cpu_seconds(child.id()).unwrap_or(after);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < PATIENCE, "still there although its terminal went");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(after - before < 0.5, "{} s of CPU in {:?}", after - before, begin.elapsed());
    assert_eq!(status.code(), Some(129), "{status}");
}

#[test]
fn a_dropped_connection_ends_it_without_spinning() {
    let (pty, pts) = pty_process::blocking::open().unwrap();
    let command = pty_process::blocking::Command::from(oomtop(&[])).env("TERM", "xterm-256color");
    hang_up(pty.into(), command.spawn(pts).unwrap());
}

#[test]
fn a_dropped_connection_is_noticed_without_a_signal() {
    let (ours, theirs) = bare_terminal();
    let mut command = oomtop(&[]);
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let child = command.env("TERM", "xterm-256color").spawn().unwrap();
    // The command holds the terminal open as well.
    drop(command);
    hang_up(ours, child);
}

#[test]
fn a_terminal_that_takes_no_bytes_cannot_hold_it() {
    let (pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(80, 250)).unwrap();
    let command = pty_process::blocking::Command::from(oomtop(&[])).env("TERM", "xterm-256color");
    let mut child = command.spawn(pts).unwrap();
    // Nobody reads. Every ^L draws the whole screen anew, until the terminal is full.
    for _ in 0..200 {
        rustix::io::write(&pty, b"\x0c").unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < PATIENCE, "still there after SIGTERM");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    for (command, said) in [
        (oomtop(&[]), "oomtop snapshot"),
        (
            {
                let mut command = Command::new("script");
                know_the_environment(&mut command);
                // Where programs are run by a shell, it is the one that everybody has.
                command.args(["-qec", "\"$OOMTOP\"", "/dev/null"]).env("OOMTOP", env!("CARGO_BIN_EXE_oomtop"));
                command.env("TERM", "dumb").env("SHELL", "/bin/sh");
                command
            },
            "TERM",
        ),
    ] {
        let mut command = command;
        let output = command.stdin(Stdio::null()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&told).contains(said), "{}", String::from_utf8_lossy(&told));
    }
}
