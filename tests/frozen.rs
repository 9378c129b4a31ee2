//! Processes that hold up whoever looks at them: nothing on the screen waits for them. Every wait is for something on
//! the screen.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod program;
mod require;
mod session;
mod support;
mod terminal;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use session::{PATIENCE, start, until_live, until_row};
use support::fake_proc::{FakeProc, FakeProcess};
use terminal::Terminal;

/// Opens and leaves the help, which is there at once or not: how long that took.
fn answers(terminal: &mut Terminal) -> Duration {
    let begin = Instant::now();
    terminal.press("?");
    until_row(terminal, |row| row.contains("scroll  [Esc] close"));
    let took = begin.elapsed();
    // ESC alone could be the beginning of another key.
    terminal.press("q");
    let gone = terminal.until(PATIENCE, |screen| {
        let (_, columns) = screen.size();
        !screen.rows(0, columns.get()).any(|row| row.contains("scroll  [Esc] close"))
    });
    gone.unwrap();
    took
}

/// Looks at the mappings of the biggest, "stuck".
fn look_at_stuck(fake: &FakeProc) -> Terminal {
    let (proc_root, sys_root) = (fake.proc(), fake.sys());
    let roots = ["--proc", proc_root.to_str().unwrap(), "--sys", sys_root.to_str().unwrap(), "-d", "0.2"];
    let mut terminal = start(&roots, 120, 34);
    until_live(&mut terminal);
    until_row(&mut terminal, |row| row.contains("stuck"));
    terminal.press("3");
    terminal
}

#[test]
fn files_that_never_answer_hold_up_nobody() {
    let fake = FakeProc::new();
    fake.put(&FakeProcess { name: b"steady".to_vec(), ..FakeProcess::new(20) });
    let stuck = FakeProcess { name: b"stuck".to_vec(), anonymous: 90_000, size: 100_000, ..FakeProcess::new(30) };
    fake.put(&stuck);
    let mut silent = Vec::new();
    for file in ["cmdline", "smaps", "smaps_rollup"] {
        let path = fake.proc().join("30").join(file);
        let _ = std::fs::remove_file(&path);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // It has a writer that never writes: whoever waits for a byte, or for the end, waits for ever.
        silent.push(std::fs::File::options().read(true).write(true).open(&path).unwrap());
    }
    let mut terminal = look_at_stuck(&fake);
    until_row(&mut terminal, |row| row.contains("n/a: "));
    answers(&mut terminal);
    // Others are looked at all the same.
    fake.put(&FakeProcess { name: b"steady".to_vec(), anonymous: 300_000, size: 400_000, ..FakeProcess::new(20) });
    until_row(&mut terminal, |row| row.contains("steady") && row.contains("1.1"));
    terminal.press("6");
    until_row(&mut terminal, |row| row.contains("its Go runtime says"));
    answers(&mut terminal);
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).expect("it ends").success());
}

/// Lets nobody read these files, for as long as it lives: who tries hangs in the kernel, as with a lock that is held.
const HOLDER: &str = "
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
listener = libc.fanotify_init(5, os.O_RDONLY)  # FAN_CLOEXEC | FAN_CLASS_CONTENT
# FAN_MARK_ADD, FAN_ACCESS_PERM, AT_FDCWD
mark = lambda path: libc.fanotify_mark(listener, 1, ctypes.c_uint64(0x20000), -100, path.encode()) == 0
marked = listener >= 0 and all(mark(path) for path in sys.argv[1:])
print('ready' if marked else os.strerror(ctypes.get_errno()), flush=True)
time.sleep(3600)
";

#[test]
fn a_read_that_hangs_in_the_kernel_is_told_and_others_are_read_meanwhile() {
    if !require::tool("python3") || !require::root() {
        return;
    }
    let fake = FakeProc::new();
    fake.put(&FakeProcess { name: b"steady".to_vec(), ..FakeProcess::new(20) });
    fake.put(&FakeProcess { name: b"stuck".to_vec(), anonymous: 90_000, size: 100_000, ..FakeProcess::new(30) });
    let Some(holder) = held_back(&fake, &["30/smaps"]) else { return };
    let mut terminal = look_at_stuck(&fake);
    until_row(&mut terminal, |row| row.contains("smaps of stuck 30: no answer for"));
    until_row(&mut terminal, |row| row.contains("Reading its smaps has been stuck for"));
    answers(&mut terminal);
    // Command lines come from the same reader.
    let command = b"late\0--to\0the\0party\0".to_vec();
    fake.put(&FakeProcess { name: b"late".to_vec(), anonymous: 200, command, ..FakeProcess::new(40) });
    until_row(&mut terminal, |row| row.contains("late --to"));
    // It answers at last.
    drop(holder);
    let answered = terminal.until(PATIENCE, |screen| {
        let (_, columns) = screen.size();
        !screen.rows(0, columns.get()).any(|row| row.contains("no answer"))
    });
    answered.unwrap();
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).expect("it ends").success());
}

#[test]
fn a_snapshot_gives_up_what_does_not_answer_and_says_so() {
    if !require::tool("python3") || !require::root() {
        return;
    }
    let fake = FakeProc::new();
    let rollup = b"00400000-7ff00000 ---p 00000000 00:00 0 [rollup]\nRss: 100 kB\nPss: 70 kB\nLocked: 0 kB\n";
    for (pid, name) in [(20, b"steady".to_vec()), (30, b"stuck".to_vec()), (40, b"quiet".to_vec())] {
        fake.put(&FakeProcess { name, ..FakeProcess::new(pid) });
        std::fs::write(fake.proc().join(format!("{pid}/smaps_rollup")), rollup).unwrap();
    }
    let Some(_holder) = held_back(&fake, &["30/smaps", "30/smaps_rollup"]) else { return };
    let (proc_root, sys_root) = (fake.proc(), fake.sys());
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    command.args(["snapshot", "--proc", proc_root.to_str().unwrap(), "--sys", sys_root.to_str().unwrap()]);
    let output = command.args(["--json", "--mappings", "30"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pss = |pid: u64| {
        let row = told["processes"].as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
        row["pss_bytes"].clone()
    };
    assert_eq!((pss(20), pss(30), pss(40)), ((70 << 10).into(), serde_json::Value::Null, (70 << 10).into()), "{told}");
    let reasons = told["unreadable"].as_array().unwrap();
    let of_pss = reasons.iter().find(|entry| entry["field"] == "pss_bytes").unwrap();
    assert_eq!((&of_pss["reason"], &of_pss["pids"]), (&"the read did not return in time".into(), &[30].into()));
    assert_eq!(told["mappings"]["rss_bytes"], serde_json::Value::Null, "{told}");
    assert!(told["mappings"].to_string().contains("the read did not return in time"), "{told}");
}

/// Nobody reads these files of the tree; `None` where that cannot be done here, which is said.
fn held_back(fake: &FakeProc, files: &[&str]) -> Option<Killed> {
    let paths = files.iter().map(|file| fake.proc().join(file));
    let paths: Vec<_> = paths.inspect(|path| std::fs::write(path, "").unwrap()).collect();
    let mut holder = Command::new("python3");
    holder.args(["-c", HOLDER]).args(paths).stdout(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    let said = first_line(&mut holder);
    let holder = Killed(holder);
    if said != "ready\n" {
        require::missing("fanotify", &format!("no reads can be held back here: {said}"));
        return None;
    }
    Some(holder)
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let output = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    line
}

/// Killed when the test is over.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three gigabytes in small pages, copied by fork over and over: each time it holds the lock of its mappings for long.
const FORKER: &str = "
import ctypes, os, signal
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
held = bytearray(3 << 30)
held[::4096] = b'1' * (len(held) // 4096)
open('/proc/self/comm', 'w').write('forker')
print('ready', flush=True)
while True:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
";

#[test]
fn a_large_process_that_forks_in_a_loop_holds_up_no_key() {
    if !require::tool("python3") {
        return;
    }
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let available = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next());
    if available.and_then(|kib| kib.parse().ok()).unwrap_or(0_u64) < 5 << 20 {
        require::missing("memory", "needs 5 GiB of free memory");
        return;
    }
    let mut child = Command::new("python3").args(["-c", FORKER]).stdout(Stdio::piped()).spawn().unwrap();
    let said = first_line(&mut child);
    let forker = Killed(child);
    if said != "ready\n" {
        // What is free on the machine may be more than our own cgroup may have.
        require::missing("memory", "needs 5 GiB for itself");
        return;
    }
    let mut terminal = start(&["-p", &forker.0.id().to_string()], 120, 34);
    until_live(&mut terminal);
    // PSS of all, and the mappings of this one.
    terminal.press("3");
    until_row(&mut terminal, |row| row.contains("anonymous 3.0"));
    let mut took: Vec<_> = (0..20).map(|_| answers(&mut terminal)).collect();
    took.sort();
    println!("from key to screen: median {:?}, longest {:?}", took[10], took[19]);
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).expect("it ends").success());
}
