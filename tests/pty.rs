//! The real program in a real terminal: what a person does in a session, and that the terminal is given back however
//! the session ends. Every wait is for something on the screen.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod require;
mod terminal;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oomtop::config::Config;
use oomtop::runtime::prober::Probe;
use oomtop::snapshot::Snapshot;
use oomtop::snapshot::needs::Needs;
use oomtop::source::{Source, SourceError};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use terminal::Terminal;

/// Longer than anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What gives the terminal back: main screen, cursor, no bracketed paste.
const RESTORED: [&[u8]; 3] = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l"];

fn oomtop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    command.args(arguments).env_remove("NO_COLOR");
    command
}

fn start(arguments: &[&str], columns: u16, rows: u16) -> Terminal {
    Terminal::start(oomtop(arguments), columns, rows)
}

/// Waits until some row of the screen is as wanted.
fn until_row(terminal: &mut Terminal, wanted: impl Fn(&str) -> bool) {
    let found = terminal.until(PATIENCE, |screen| {
        let (_, columns) = screen.size();
        screen.rows(0, columns.get()).any(|row| wanted(&row))
    });
    if let Err(screen) = found {
        panic!("{screen}");
    }
}

fn until_live(terminal: &mut Terminal) {
    until_row(terminal, |row| row.contains("PID") && row.contains("COMMAND"));
    until_row(terminal, |row| row.contains("processes") || row.contains("procs"));
}

fn pid(terminal: &Terminal) -> Pid {
    Pid::from_raw(terminal.pid().cast_signed()).unwrap()
}

fn assert_given_back(terminal: &Terminal) {
    let transcript = terminal.transcript();
    for sequence in RESTORED {
        let last = transcript.windows(sequence.len()).rposition(|window| window == sequence);
        assert!(last.is_some(), "{} was never sent", String::from_utf8_lossy(sequence).escape_debug());
    }
    assert!(!terminal.screen().alternate_screen(), "still on the alternate screen");
    assert!(!terminal.screen().hide_cursor(), "the cursor is still hidden");
}

/// A child of the test, ended and reaped by a thread of its own as soon as it ends.
struct Child {
    pid: Pid,
    _reaper: std::thread::JoinHandle<()>,
}

impl Child {
    /// This very test binary in another role.
    fn in_role(role: &str, called: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg0(called)
            .args(["--exact", role, "--nocapture", "--test-threads=1"])
            .env("OOMTOP_TEST_ROLE", role)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let reaper = std::thread::spawn(move || drop(child.wait()));
        Self { pid, _reaper: reaper }
    }

    fn number(&self) -> String {
        self.pid.as_raw_nonzero().to_string()
    }

    fn adjustment(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/oom_score_adj", self.number())).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }
}

fn has_role(role: &str) -> bool {
    std::env::var_os("OOMTOP_TEST_ROLE").is_some_and(|given| given == role)
}

/// Takes 5 MiB a second, up to 600 MiB, and keeps it.
#[test]
fn role_grow() {
    if !has_role("role_grow") {
        return;
    }
    std::fs::write("/proc/self/comm", "grower").unwrap();
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() < 1200 {
        held.push(vec![1; 512 << 10]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Has a name and arguments that want to be more than text.
#[test]
fn role_hostile() {
    if !has_role("role_hostile") {
        return;
    }
    std::fs::write("/proc/self/comm", b"\x1b[31mX\x1b]0;\x07\n\t\xff").unwrap();
    std::thread::sleep(Duration::from_secs(120));
}

#[test]
fn it_starts_quits_and_gives_the_terminal_back() {
    let mut terminal = start(&[], 100, 30);
    until_live(&mut terminal);
    assert_ne!(terminal.modes(), terminal.modes_found(), "raw mode");
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
    assert_eq!(terminal.modes(), terminal.modes_found());
    assert_given_back(&terminal);
}

#[test]
fn a_growing_process_is_found_raised_lowered_and_ended() {
    let child = Child::in_role("role_grow", &format!("grower-of-{}", std::process::id()));
    let number = child.number();
    let mut terminal = start(&[], 140, 40);
    until_live(&mut terminal);

    // Found by typing.
    terminal.press(&format!("/grower-of-{}", std::process::id()));
    until_row(&mut terminal, |row| row.contains('▸') && row.contains(&number));
    terminal.press("\r");

    // Seen growing: the rate in its row is about 5 MiB/s.
    until_row(&mut terminal, |row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        fields.contains(&&*number)
            && fields.iter().any(|field| {
                let rate = field.strip_prefix('+').and_then(|field| field.strip_suffix("M/s"));
                rate.and_then(|rate| rate.parse::<f64>().ok()).is_some_and(|rate| (3.5..6.5).contains(&rate))
            })
    });

    // Raised by one key, it is the next victim (by a few, where something else on the machine was raised before);
    // taken back by another, it is what it was.
    let before = child.adjustment();
    let is_next = |row: &str| row.contains("1st") && row.contains(&number);
    for raised in 1..=10 {
        terminal.press("[");
        let value = format!(" {} ", before.parse::<i32>().unwrap() + 100 * raised);
        until_row(&mut terminal, |row| row.contains(&number) && row.contains("grower") && row.contains(&value));
        if terminal.text().iter().any(|row| is_next(row)) {
            break;
        }
    }
    until_row(&mut terminal, is_next);
    assert_ne!(child.adjustment(), before);
    let begin = Instant::now();
    while child.adjustment() != before {
        assert!(begin.elapsed() < PATIENCE, "the adjustment was not taken back");
        terminal.press("\x7f");
        terminal.watch(Duration::from_millis(200));
    }

    // Asked to end, it ends, and that is told.
    terminal.press("k");
    until_row(&mut terminal, |row| row.contains("SIGTERM"));
    terminal.press("\r");
    until_row(&mut terminal, |row| row.contains("ended after") && row.contains("held"));
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
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
    let ended = oomtop::runtime::watch(Config::default(), || Ok(Panicking(false)), || Ok(Idle));
    println!("the session ended: {}", ended.unwrap_err());
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "role_panic", "--nocapture", "--test-threads=1"]).env("OOMTOP_TEST_ROLE", "role_panic");
    let mut terminal = Terminal::start(command, 120, 40);
    until_live(&mut terminal);
    until_row(&mut terminal, |row| row.contains("deliberate panic of the sampler"));
    until_row(&mut terminal, |row| row.contains("the session ended"));
    assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
    assert_eq!(terminal.modes(), terminal.modes_found());
    assert_given_back(&terminal);
}

/// What the program asked of the kernel that could touch another process, while a child of ours was selected, its
/// oom_score_adj raised and a signal sent to it, as far as the program does that.
fn traced(arguments: &[&str], raised: impl Fn(&str, &Child) -> bool, signalled: impl Fn(&str) -> bool) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    let calls = "trace=kill,tgkill,tkill,pidfd_open,pidfd_send_signal,open,openat,creat";
    command.args(["-f", "-qq", "-s", "64", "-e", calls, "-o"]).arg(log.path()).arg("--");
    command.arg(env!("CARGO_BIN_EXE_oomtop")).args(arguments);
    let child = Child::in_role("role_hostile", &format!("traced-by-{}", std::process::id()));
    let mut terminal = Terminal::start(command, 120, 34);
    until_live(&mut terminal);
    terminal.press(&format!("\\traced-by-{}\r", std::process::id()));
    until_row(&mut terminal, |row| row.contains('▸') && row.contains(&child.number()));
    terminal.press("[");
    until_row(&mut terminal, |row| raised(row, &child));
    terminal.press("k");
    until_row(&mut terminal, |row| signalled(row));
    // Confirms the dialog where there is one; where there is none, zooms, which `q` leaves as well. No Escape: with the
    // `q` behind it in one read it would swallow the `q`.
    terminal.press("\r");
    terminal.watch(Duration::from_millis(100));
    terminal.press("q");
    terminal.ended(PATIENCE).unwrap();
    let seen = std::fs::read_to_string(log.path()).unwrap();
    let touches = |line: &&str| {
        let writes = (line.contains("O_WRONLY") || line.contains("O_RDWR")) && !line.contains("/proc/self/fd/1");
        line.contains("kill(") || line.contains("pidfd_") || writes
    };
    seen.lines().filter(touches).map(str::to_owned).collect()
}

#[test]
fn read_only_never_touches_another_process() {
    if !require::tool("strace") {
        return;
    }
    let refused = |row: &str| row.contains("read-only: nothing is sent or written");
    let seen = traced(&["--read-only"], |row, _| refused(row), refused);
    assert_eq!(seen, Vec::<String>::new());
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().to_owned();
    // The same keys without it do touch, so the test can see it.
    let seen = traced(&[], |_, child| child.adjustment() != own, |row| row.contains("SIGTERM"));
    assert!(seen.iter().any(|line| line.contains("oom_score_adj")), "{seen:#?}");
    assert!(seen.iter().any(|line| line.contains("pidfd_send_signal")), "{seen:#?}");
}

#[test]
fn a_burst_of_sizes_down_to_nothing_is_survived() {
    let mut terminal = start(&[], 120, 34);
    until_live(&mut terminal);
    for round in 0..3 {
        for (columns, rows) in [(80, 24), (1, 1), (0, 0), (2, 1), (1, 30), (300, 2), (10, 5), (0, 7), (250, 80)] {
            terminal.resize(columns, rows);
            if round == 0 {
                // One at a time as well as all at once.
                terminal.watch(Duration::from_millis(50));
            }
        }
    }
    terminal.resize(100, 30);
    terminal.press("\x0c");
    until_live(&mut terminal);
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
}

#[test]
fn hostile_names_reach_the_terminal_as_text() {
    let child = Child::in_role("role_hostile", &format!("host\x1b]2;owned{}\x07ile\u{202e}\n", std::process::id()));
    let mut terminal = start(&[], 140, 34);
    until_live(&mut terminal);
    terminal.press(&format!("\\owned{}\r", std::process::id()));
    // The command line in its row, and the name in the titles of the panes.
    until_row(&mut terminal, |row| row.contains(&child.number()) && row.contains("host"));
    until_row(&mut terminal, |row| row.contains(&child.number()) && row.contains("[31mX"));
    terminal.watch(Duration::from_millis(1500));
    terminal.press("q");
    terminal.ended(PATIENCE).unwrap();
    let transcript = terminal.transcript();
    for forbidden in [&b"\x1b]"[..], b"\x1b[31mX", b"\xe2\x80\xae", b"\t", b"\xff"] {
        let at = transcript.windows(forbidden.len()).position(|window| window == forbidden);
        assert_eq!(at, None, "{forbidden:?} reached the terminal");
    }
}

#[test]
fn control_z_stops_it_and_fg_brings_it_back() {
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> ").env_remove("PROMPT_COMMAND");
    let mut terminal = Terminal::start(shell, 100, 30);
    until_row(&mut terminal, |row| row.contains("ready>"));
    terminal.press(&format!("{}\r", env!("CARGO_BIN_EXE_oomtop")));
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
    // As `ssh -t host 'oomtop; true'` does it: the shell leads the session and shares its process group.
    shell.args(["-c", &format!("{}; true", env!("CARGO_BIN_EXE_oomtop"))]);
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
        assert!(begin.elapsed() < Duration::from_secs(2), "still there 2 s after its terminal went");
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
                let mut command = Command::new("sh");
                command.args(["-c", "TERM=dumb exec script -qec \"$0\" /dev/null", env!("CARGO_BIN_EXE_oomtop")]);
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
