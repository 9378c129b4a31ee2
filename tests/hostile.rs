//! A command line of two megabytes of bytes that a terminal would obey, and terminals without room: the program goes on and
//! no such byte reaches anybody.

#![expect(clippy::disallowed_methods, reason = "starts a process with such a command line")]

mod program;
mod require;
mod session;
mod terminal;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use session::{PATIENCE, assert_given_back, oomtop, start, until_live, until_row};

/// Bytes of an argument (include/uapi/linux/binfmts.h MAX_ARG_STRLEN, with its NUL).
const ARGUMENT: usize = (128 << 10) - 1;
const ARGUMENTS: usize = 17;
/// All arguments together have a quarter of the stack's limit (execve(2)).
const ENOUGH: u64 = 32 << 20;

/// A shell that waits, with two megabytes of arguments that it does not look at.
struct Loaded(Child);

impl Loaded {
    /// `None`, and loudly, where a user may not have so many.
    fn start() -> Option<Self> {
        // One at a time: the limit is that of the whole program.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let stack = getrlimit(Resource::Stack);
        let wanted = Rlimit { current: Some(ENOUGH), maximum: stack.maximum.map(|most| most.max(ENOUGH)) };
        if setrlimit(Resource::Stack, wanted).is_err() {
            require::missing("stack", "a hard limit of less than 32 MiB of stack is too little for such arguments");
            return None;
        }
        let hostile = b"\x1b]0;owned\x07\x1b[2J\xff\xfe\n\t\r\x9b31m\xe2\x80\xae) R 1 \"',\\";
        let argument: Vec<u8> = hostile.iter().copied().cycle().take(ARGUMENT).collect();
        let mut command = Command::new("sh");
        command.args(["-c", "read line", "sh"]).args((0..ARGUMENTS).map(|_| OsString::from_vec(argument.clone())));
        let child = command.stdin(Stdio::piped()).spawn();
        setrlimit(Resource::Stack, stack).expect("as it was");
        let loaded = Self(child.expect("started"));
        // The kernel lets its parent go on before it says what the new arguments are.
        let length = || std::fs::read(format!("/proc/{}/cmdline", loaded.pid())).map_or(0, |text| text.len());
        let begun = Instant::now();
        while length() < 2 << 20 {
            assert!(begun.elapsed() < PATIENCE, "{} bytes", length());
            std::thread::yield_now();
        }
        Some(loaded)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What must not be among the bytes that are for people.
fn assert_tame(output: &[u8]) {
    for hostile in [&b"\x1b]0;owned"[..], b"\x07", b"\x1b[2J\xff", b"\x9b31m", b"\xe2\x80\xae", b"\xff"] {
        assert!(
            !output.windows(hostile.len()).any(|window| window == hostile),
            "{:?}",
            hostile.escape_ascii().to_string()
        );
    }
}

#[test]
fn two_megabytes_of_hostile_arguments_are_a_line_of_text() {
    let Some(loaded) = Loaded::start() else { return };
    let pid = loaded.pid();
    for format in ["--table", "--csv", "--json"] {
        let output = oomtop(&["snapshot", format, "-p", &pid]).output().expect("it runs");
        assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.contains(&0x1b) && output.stdout.len() < 64 << 10, "{format}");
        if format != "--json" {
            // JSON is for programs: letters of any kind are themselves there, and only controls are escaped.
            assert_tame(&output.stdout);
        }
        assert!(String::from_utf8(output.stdout).is_ok_and(|text| text.contains(&pid)), "{format}");
    }
    let output = oomtop(&["snapshot", "--json", "-p", &pid]).output().expect("it runs");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let command = json["processes"][0]["command"].as_str().expect("a command");
    assert!(command.starts_with("sh -c read line sh ") && command.contains("owned"), "{command}");
}

#[test]
fn they_are_a_line_of_text_on_the_screen_too() {
    let Some(loaded) = Loaded::start() else { return };
    let mut terminal = start(&["-p", &loaded.pid()], 120, 34);
    until_live(&mut terminal);
    until_row(&mut terminal, |row| row.contains("sh -c read line sh"));
    // Shifted along, far beyond its end, and back; zoomed, small, and found by what is in it.
    for keys in ["\x1b[C\x1b[C\x1b[C", "\x1b[1;5C", "\r", "\x1b", "/owned\r", "\t\t", "?", "\x1b"] {
        terminal.press(keys);
        terminal.watch(Duration::from_millis(30));
    }
    terminal.resize(40, 10);
    terminal.press("\x0c");
    until_row(&mut terminal, |row| row.contains("PID"));
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).expect("it ends").code(), Some(0));
    assert_tame(terminal.transcript());
    assert_given_back(&terminal);
}

#[test]
fn a_terminal_without_room_is_survived_from_the_start() {
    for (columns, rows) in [(0, 0), (1, 1), (0, 24), (80, 0), (2, 2)] {
        let mut terminal = start(&[], columns, rows);
        // Nothing can be seen there: what it writes says that it lives.
        let begun = Instant::now();
        while terminal.written() == 0 && begun.elapsed() < PATIENCE {
            terminal.watch(Duration::from_millis(20));
        }
        assert!(terminal.written() > 0, "{columns}x{rows}");
        for key in ["\x1b[B", "\r", "?", "\x1b", "k", "\x1b", "o", "\x1b", "\x1b[6~", "t"] {
            terminal.press(key);
            terminal.watch(Duration::from_millis(10));
        }
        terminal.resize(100, 30);
        terminal.press("\x0c");
        until_live(&mut terminal);
        terminal.press("q");
        assert_eq!(terminal.ended(PATIENCE).expect("it ends").code(), Some(0), "{columns}x{rows}");
        assert_given_back(&terminal);
    }
}
