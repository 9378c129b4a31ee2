//! `oomtop run` in a terminal that it leaves to the command: as one job of a shell both stop and go on together, a command
//! that has the screen to itself has it whole, and each time the same is done without oomtop and compared.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod program;
mod require;
mod terminal;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(60);
const PROMPT: &str = "what next?";

/// With oomtop before it, and without.
const BOTH: [bool; 2] = [false, true];

/// Words of a shell that start a command.
fn prefix(watched: bool) -> String {
    if watched { format!("'{}' run --headless -- ", env!("CARGO_BIN_EXE_oomtop")) } else { String::new() }
}

/// A shell with job control, at its prompt.
fn shell() -> Terminal {
    let mut command = Command::new("env");
    program::know_the_environment(&mut command);
    command.args(["--default-signal", "sh", "-i"]).env("PS1", format!("{PROMPT} ")).env("ENV", "");
    let mut terminal = Terminal::start(command, 100, 30);
    says(&mut terminal, PROMPT);
    terminal
}

/// Waits until this was written since the last line that was typed.
fn says(terminal: &mut Terminal, what: &str) {
    let found = terminal.until(PATIENCE, |screen| screen.contents().contains(what));
    assert!(found.is_ok(), "no {what:?} on\n{}", terminal.text().join("\n"));
}

/// Types a line, on a screen that is empty before.
fn type_line(terminal: &mut Terminal, line: &str) {
    terminal.press("clear() { printf '\\033[2J\\033[H'; }; clear; echo cle''ared\r");
    says(terminal, "cleared");
    terminal.press(&format!("{line}\r"));
}

/// Waits for the prompt that comes after what is on the screen.
fn is_asked(terminal: &mut Terminal, after: &str) {
    let found = terminal.until(PATIENCE, |screen| {
        let text = screen.contents();
        text.rfind(after).is_some_and(|at| text[at..].contains(PROMPT))
    });
    assert!(found.is_ok(), "no prompt behind {after:?} on\n{}", terminal.text().join("\n"));
}

/// A number that the command told as `name=NUMBER`.
fn told(terminal: &mut Terminal, name: &str) -> u32 {
    let find = |screen: &vt100::Screen| {
        let text = screen.contents();
        let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
        text.split(&format!("{name}=")).skip(1).find_map(|part| digits(part).parse().ok())
    };
    says(terminal, &format!("{name}="));
    terminal.until(PATIENCE, |screen| find(screen).is_some()).expect("told");
    find(terminal.screen()).expect("a number")
}

/// The state of a process (proc(5)): `T` is stopped.
fn state(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').next().map(ToOwned::to_owned)
}

fn until_state(pid: u32, what: &str, wanted: impl Fn(&str) -> bool) {
    let begin = Instant::now();
    loop {
        let now = state(pid).unwrap_or_else(|| panic!("{what}: {pid} is gone"));
        if wanted(&now) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: {pid} is in state {now}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not 0");
    kill_process(pid, signal).expect("is there");
}

/// What releases a command: a pipe with a name, on which it waits without ever being in the middle of a fork.
struct Gate(tempfile::TempDir);

impl Gate {
    fn new() -> Self {
        let gate = Self(tempfile::tempdir().expect("a folder"));
        let made = Command::new("mkfifo").arg(gate.path()).status().expect("mkfifo");
        assert!(made.success());
        gate
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("gate")
    }

    /// A command line of a shell that does `first`, waits, and does `last`.
    fn holds(&self, first: &str, last: &str) -> String {
        format!("sh -c 'exec 3<>\"$0\"; {first}; until read x <&3; do :; done; {last}' '{}'", self.path().display())
    }

    fn open(&self) {
        std::fs::write(self.path(), "\n").expect("somebody waits");
    }
}

/// It counts what continues it.
const SLEEPER: [&str; 2] = [
    "v=ued; trap \"echo contin$v\" CONT; sleep 1000 & echo own=$$ child=$! parent=$PPID",
    "echo wo\"\"ke; kill -KILL $!; exit 7",
];

#[test]
fn a_job_is_stopped_and_brought_back_as_one() {
    for watched in BOTH {
        let mut terminal = shell();
        let found = terminal.modes();
        let gate = Gate::new();
        type_line(&mut terminal, &format!("{}{}", prefix(watched), gate.holds(SLEEPER[0], SLEEPER[1])));
        let [own, child, parent] = ["own", "child", "parent"].map(|name| told(&mut terminal, name));
        terminal.press("\x1a");
        is_asked(&mut terminal, "Stopped");
        for (pid, what) in [(own, "the command"), (child, "its child")] {
            until_state(pid, what, |state| state == "T");
        }
        if watched {
            until_state(parent, "oomtop", |state| state == "T");
        }
        terminal.press("fg\r");
        says(&mut terminal, "continued");
        gate.open();
        is_asked(&mut terminal, "woke");
        terminal.press("echo status=$?\r");
        assert_eq!(told(&mut terminal, "status"), 7);
        assert_eq!(terminal.screen().contents().matches("continued").count(), 1, "by one SIGCONT");
        assert_eq!(terminal.modes(), found);
    }
}

/// As less and vi do: the terminal is put in order first, and the shell must not have it before.
#[test]
fn who_first_puts_the_terminal_in_order_is_waited_for() {
    let script = "v=ck; trap \"echo order; sleep 1; echo ordered; kill -STOP $$; echo ba$v\" TSTP; echo own=$$";
    for watched in BOTH {
        let mut terminal = shell();
        let gate = Gate::new();
        type_line(&mut terminal, &format!("{}{}", prefix(watched), gate.holds(script, "echo wo\"\"ke; exit 7")));
        told(&mut terminal, "own");
        terminal.press("\x1a");
        is_asked(&mut terminal, "Stopped");
        let text = terminal.screen().contents();
        let place = |what: &str| text.rfind(what).unwrap_or_else(|| panic!("no {what} on\n{text}"));
        assert!(place("\nordered") < place("Stopped"), "{text}");
        terminal.press("fg\r");
        says(&mut terminal, "\nback");
        gate.open();
        is_asked(&mut terminal, "woke");
        terminal.press("echo status=$?\r");
        assert_eq!(told(&mut terminal, "status"), 7);
    }
}

/// kill(1) from elsewhere, with the number that the shell knows: the command's without us, ours with us.
#[test]
fn a_stop_that_is_sent_to_us_stops_both() {
    for watched in BOTH {
        let mut terminal = shell();
        let gate = Gate::new();
        type_line(&mut terminal, &format!("{}{}", prefix(watched), gate.holds(SLEEPER[0], SLEEPER[1])));
        let [own, parent] = ["own", "parent"].map(|name| told(&mut terminal, name));
        let job = if watched { parent } else { own };
        kill(job, Signal::TSTP);
        is_asked(&mut terminal, "Stopped");
        until_state(own, "the command", |state| state == "T");
        until_state(job, "the job", |state| state == "T");
        kill(job, Signal::CONT);
        says(&mut terminal, "continued");
        gate.open();
        says(&mut terminal, "woke");
        assert_eq!(terminal.screen().contents().matches("continued").count(), 1, "by one SIGCONT");
    }
}

/// Nobody can pass SIGSTOP on. The command notices nothing, and its report comes when we are there again.
#[test]
fn a_command_goes_on_while_we_alone_are_stopped() {
    let mut terminal = shell();
    let script = "echo parent=$PPID; while ! test -e \"$0\"; do sleep 0.05; done; echo fre\"\"e; exit 7";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("go");
    type_line(&mut terminal, &format!("{}sh -c '{script}' '{}'", prefix(true), file.display()));
    let oomtop = told(&mut terminal, "parent");
    kill(oomtop, Signal::STOP);
    is_asked(&mut terminal, "Stopped");
    std::fs::write(&file, "").expect("written");
    says(&mut terminal, "free");
    terminal.press("fg\r");
    says(&mut terminal, "exit status 7");
    terminal.press("echo status=$?\r");
    assert_eq!(told(&mut terminal, "status"), 7);
}

/// The number that the command writes into this file.
fn written(file: &Path) -> u32 {
    let begin = Instant::now();
    loop {
        if let Ok(number) = std::fs::read_to_string(file).unwrap_or_default().trim().parse() {
            return number;
        }
        assert!(begin.elapsed() < PATIENCE, "the command tells nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The screen leaves the terminal to the shell, and the command stops with it.
#[test]
fn a_command_under_the_screen_is_stopped_with_it() {
    let mut terminal = shell();
    let gate = Gate::new();
    let number = gate.0.path().join("number");
    let first = format!("echo $$ >\"{}\"", number.display());
    let oomtop = env!("CARGO_BIN_EXE_oomtop");
    type_line(&mut terminal, &format!("'{oomtop}' run -- {}", gate.holds(&first, "exit 7")));
    says(&mut terminal, " RISK ");
    let own = written(&number);
    terminal.press("\x1a");
    is_asked(&mut terminal, "Stopped");
    until_state(own, "the command", |state| state == "T");
    terminal.press("fg\r");
    says(&mut terminal, " RISK ");
    until_state(own, "it goes on", |state| state != "T");
    gate.open();
    says(&mut terminal, "exit status 7");
    terminal.press("q");
    is_asked(&mut terminal, "FAILED");
    terminal.press("echo status=$?\r");
    assert_eq!(told(&mut terminal, "status"), 7);
}

/// What tests tell comes as fast as it likes: what the user wants of the command does not wait behind it, nor is it lost.
#[test]
fn a_command_whose_tests_tell_without_end_goes_on_after_fg_and_ends_by_q() {
    let folder = tempfile::tempdir().expect("a folder");
    let (go, number) = (folder.path().join("go"), folder.path().join("number"));
    let told = r#"{"Action":"start","Package":"m/a"}"#;
    let script = format!("#!/bin/sh\necho $$ >'{}'\nexec yes '{told}'\n", number.display());
    std::fs::write(&go, script).expect("written");
    std::fs::set_permissions(&go, Permissions::from_mode(0o755)).expect("our own");
    let mut terminal = shell();
    let oomtop = env!("CARGO_BIN_EXE_oomtop");
    type_line(&mut terminal, &format!("'{oomtop}' run --tests -- '{}' test", go.display()));
    says(&mut terminal, " RISK ");
    let own = written(&number);
    for _ in 0..3 {
        terminal.press("\x1a");
        is_asked(&mut terminal, "Stopped");
        until_state(own, "the command", |state| state == "T");
        terminal.press("clear; fg\r");
        says(&mut terminal, " RISK ");
        until_state(own, "it goes on", |state| state != "T");
    }
    terminal.press("q");
    says(&mut terminal, "it was sent SIGINT");
    terminal.press("q");
    is_asked(&mut terminal, "SIGINT");
}

/// The time for which a command was stopped is none in which it failed to grow: it is told.
#[test]
fn how_long_a_command_was_stopped_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let oomtop = format!("'{}' run --headless --report '{}' --", env!("CARGO_BIN_EXE_oomtop"), file.display());
    let mut terminal = shell();
    let gate = Gate::new();
    type_line(&mut terminal, &format!("{oomtop} {}", gate.holds("echo own=$$", "echo wo\"\"ke")));
    told(&mut terminal, "own");
    terminal.press("\x1a");
    is_asked(&mut terminal, "Stopped");
    // No test of how fast anything is: a standstill is what lasts, whatever else is slow.
    std::thread::sleep(Duration::from_secs(4));
    terminal.press("fg\r");
    gate.open();
    is_asked(&mut terminal, "woke");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).expect("a report")).expect("JSON");
    let evidence = report["verdict"]["evidence"].as_array().expect("a list");
    let told = evidence.iter().find(|one| one["source"] == "job control").expect("the standstill is told");
    let text = told["text"].as_str().expect("text").trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let seconds: String = text.chars().take_while(char::is_ascii_digit).collect();
    assert!(seconds.parse::<u32>().expect("seconds") >= 3, "{told}");
}

/// What somebody sees: the screen and the modes of its terminal.
fn view(terminal: &Terminal) -> (String, terminal::Modes) {
    (terminal.screen().contents(), terminal.modes())
}

/// Waits until both terminals show the same.
fn same(terminals: &mut [Terminal; 2], what: &str) {
    let begin = Instant::now();
    while view(&terminals[0]) != view(&terminals[1]) {
        let [without, with] = &*terminals;
        assert!(begin.elapsed() < PATIENCE, "{what}: {:?}\nand watched {:?}", view(without), view(with));
        for terminal in &mut *terminals {
            terminal.watch(Duration::from_millis(20));
        }
    }
}

/// Gives a full-screen command the same keys with oomtop before it and without, each when its words are there, in a folder
/// of its own that holds the text; at every step both come to show the same. Returns both texts as they were left.
fn compare(program: &str, steps: &[(&str, &str)]) -> Option<[String; 2]> {
    if !require::tool(program) {
        return None;
    }
    let folders = BOTH.map(|_| tempfile::tempdir().expect("a folder"));
    let lines: Vec<String> = (1..=200).map(|number| format!("line {number} of 200\n")).collect();
    let mut terminals = [0, 1].map(|at| {
        std::fs::write(folders[at].path().join(TEXT), lines.concat()).expect("written");
        let mut terminal = shell();
        type_line(&mut terminal, &format!("cd '{}'", folders[at].path().display()));
        is_asked(&mut terminal, "cd ");
        terminal
    });
    let found = [terminals[0].modes(), terminals[1].modes()];
    for (terminal, watched) in terminals.iter_mut().zip(BOTH) {
        type_line(terminal, &format!("{}{program} n*.txt", prefix(watched)));
    }
    for (step, (awaited, keys)) in steps.iter().enumerate() {
        for terminal in &mut terminals {
            says(terminal, awaited);
        }
        same(&mut terminals, &format!("{program}, step {step}"));
        for terminal in &mut terminals {
            terminal.press(keys);
        }
    }
    for (terminal, found) in terminals.iter_mut().zip(found) {
        is_asked(terminal, PROMPT);
        terminal.press("echo status=$?\r");
        assert_eq!(told(terminal, "status"), 0);
        assert_eq!(terminal.modes(), found, "{program} gave the terminal back as it was");
        assert!(!terminal.screen().alternate_screen());
    }
    Some(folders.map(|folder| std::fs::read_to_string(folder.path().join(TEXT)).expect("readable")))
}

/// Its name is in the line that a pager and an editor draw last, and not in the line that starts them.
const TEXT: &str = "notes.txt";

#[test]
fn a_pager_has_the_terminal() {
    compare("less", &[(TEXT, "G"), ("(END)", "g"), ("line 1 of", "q")]);
}

#[test]
fn an_editor_has_the_terminal() {
    let texts = compare("vi", &[(TEXT, "ohello from the keyboard\x1b"), ("hello from", ":wq\r")]);
    for text in texts.into_iter().flatten() {
        assert_eq!(text.lines().nth(1), Some("hello from the keyboard"));
    }
}
