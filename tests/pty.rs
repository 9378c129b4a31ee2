//! The real program in a real terminal: what a person does in a session. Every wait is for something on the screen.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

#[path = "oom/cgroup.rs"]
mod cgroup;
mod program;
mod require;
mod session;
mod terminal;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use program::know_the_environment;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use session::{PATIENCE, assert_given_back, start, until_live, until_row};
use terminal::Terminal;

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

/// Whether this process is to play it: then it lives no longer than the test.
fn has_role(role: &str) -> bool {
    let given = std::env::var_os("OOMTOP_TEST_ROLE").is_some_and(|given| given == role);
    if given {
        set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    }
    given
}

/// Takes 1 MiB a second, up to 90 MiB, and keeps it. When it may run is the machine's business: it makes up for what it
/// missed.
#[test]
fn role_grow() {
    if !has_role("role_grow") {
        return;
    }
    std::fs::write("/proc/self/comm", "grower").unwrap();
    let begin = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    for tenth in 1..900 {
        held.push(vec![1; (1 << 20) / 10]);
        std::thread::sleep((Duration::from_millis(100) * tenth).saturating_sub(begin.elapsed()));
    }
    std::thread::sleep(Duration::from_secs(1000));
}

/// Holds 100 MiB.
#[test]
fn role_hold() {
    if !has_role("role_hold") {
        return;
    }
    let held = vec![1u8; 100 << 20];
    std::thread::sleep(Duration::from_secs(1000));
    drop(std::hint::black_box(held));
}

/// Has a name and arguments that want to be more than text.
#[test]
fn role_hostile() {
    if !has_role("role_hostile") {
        return;
    }
    std::fs::write("/proc/self/comm", b"\x1b[31mX\x1b]0;\x07\n\t\xff").unwrap();
    std::thread::sleep(Duration::from_secs(1000));
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

/// Of a cgroup of our own 1 GiB, less than is left on the machine: it is the domain in which they are told. There +100
/// counts as 102 MiB, as much as the rival holds; what it holds is more than the grower ever has.
const LIMIT: u64 = 1 << 30;

#[test]
fn a_growing_process_is_found_raised_by_one_key_lowered_and_ended() {
    let Some(cgroups) = require::memory_cgroups() else { return };
    for (columns, rows) in [(80, 24), (120, 30), (200, 60)] {
        let cgroup = MemoryCgroup::new(&cgroups, &format!("session-{columns}"), Some(LIMIT)).unwrap();
        // Its rival for the place of the next victim, until a key decides.
        let rival = Child::in_role("role_hold", "rival");
        cgroup.adopt(rival.pid.as_raw_nonzero().get().cast_unsigned()).unwrap();
        let child = Child::in_role("role_grow", &format!("grower-of-{}", std::process::id()));
        cgroup.adopt(child.pid.as_raw_nonzero().get().cast_unsigned()).unwrap();
        session_of_one_key(&child, columns, rows);
    }
}

fn session_of_one_key(child: &Child, columns: u16, rows: u16) {
    let number = child.number();
    let row_of = |row: &str| row.contains('▸') && row.split_whitespace().any(|field| field == number);
    let mut terminal = start(&[], columns, rows);
    until_live(&mut terminal);

    // Found by typing.
    terminal.press(&format!("/grower-of-{}", std::process::id()));
    until_row(&mut terminal, row_of);
    terminal.press("\r");

    // With a sign before it where its cgroup is the tightest domain of the machine, which it need not be.
    let is_ranked = |row: &str, rank: &str| row.split_whitespace().any(|field| field.trim_start_matches('»') == rank);

    // Seen growing: the rate in its row is about 1 MiB/s. Second in its cgroup, behind the one that holds more.
    let is_rate = |field: &str| {
        let of_unit = |unit: &str| field.strip_prefix('+')?.strip_suffix(unit)?.parse::<f64>().ok();
        let kib = of_unit("M/s").map(|mib| mib * 1024.0).or_else(|| of_unit("K/s"));
        kib.is_some_and(|kib| (700.0..1400.0).contains(&kib))
    };
    until_row(&mut terminal, |row| row_of(row) && row.split_whitespace().any(is_rate) && is_ranked(row, "2nd"));

    // Raised by one key it is the next victim; taken back by another it is what it was.
    let before = child.adjustment();
    terminal.press("[");
    let raised = format!(" {} ", before.parse::<i32>().unwrap() + 100);
    until_row(&mut terminal, |row| row_of(row) && row.contains(&raised) && is_ranked(row, "1st"));
    assert_ne!(child.adjustment(), before);
    terminal.press("\x7f");
    until_row(&mut terminal, |row| row_of(row) && !row.contains(&raised) && is_ranked(row, "2nd"));
    assert_eq!(child.adjustment(), before, "{}", terminal.text().join("\n"));

    // Asked to end, it ends, and that is told.
    terminal.press("k");
    until_row(&mut terminal, |row| row.contains("SIGTERM"));
    terminal.press("\r");
    until_row(&mut terminal, |row| row.contains("ended after") && row.contains("held"));
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).unwrap().code(), Some(0));
}

/// What the program asked of the kernel that could touch another process, while a child of ours was selected, its
/// oom_score_adj raised and a signal sent to it, as far as the program does that.
fn traced(arguments: &[&str], raised: impl Fn(&str, &Child) -> bool, signalled: impl Fn(&str) -> bool) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    know_the_environment(&mut command);
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
    let refused = |row: &str| row.contains("read-only: signals and oom_score_adj changes are off");
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
