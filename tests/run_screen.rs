//! `oomtop run` on a terminal: the tree, what it writes, and the verdict that stays until a key.

#![allow(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod program;
mod require;
mod terminal;

use std::process::Command;
use std::time::Duration;

use terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(60);

fn start(script: &str) -> Terminal {
    // Who runs the tests in the background of a script ignores ^C, and a shell cannot trap that.
    start_words(&["env", "--default-signal", "sh", "-c", script])
}

fn start_words(words: &[&str]) -> Terminal {
    let mut command = program::oomtop();
    command.args(["run", "--"]).args(words);
    Terminal::start(command, 120, 34)
}

fn until(terminal: &mut Terminal, text: &str) {
    let found = terminal.until(PATIENCE, |screen| screen.contents().contains(text));
    assert!(found.is_ok(), "no {text:?} on\n{}", terminal.text().join("\n"));
}

/// A line of the output, alone on its row: the words of the script stand elsewhere on the screen as well.
fn until_written(terminal: &mut Terminal, line: &str) {
    let found = terminal.until(PATIENCE, |screen| {
        screen.rows(0, 120).any(|row| row.split('│').next().is_some_and(|left| left.trim() == line))
    });
    assert!(found.is_ok(), "no line {line:?} on\n{}", terminal.text().join("\n"));
}

#[test]
fn the_verdict_stays_until_a_key_and_the_output_is_left_behind() {
    let mut terminal = start("echo first; seq 100; head -c 50000000 /dev/zero | tail -n 1 | wc -c; exit 3");
    // Certain where the kernel tells how each of its processes ended (taskstats: root, and no container).
    until(&mut terminal, "FAILED (");
    until(&mut terminal, "exit status 3");
    terminal.press("8");
    until_written(&mut terminal, "50000000");
    terminal.press("/fir\r");
    until_written(&mut terminal, "first");
    terminal.press("q");
    let status = terminal.ended(PATIENCE).expect("q leaves");
    assert_eq!(status.code(), Some(3), "its status is the command's");
    let left = String::from_utf8_lossy(terminal.transcript()).into_owned();
    let behind = left.rsplit("\x1b[?1049l").next().expect("the screen was left");
    assert!(behind.contains("50000000") && behind.contains("oomtop: FAILED"), "{behind}");
}

#[test]
fn a_command_that_runs_is_interrupted_by_q() {
    let mut terminal = start("trap 'echo caught; exit 5' INT; echo ready; for i in $(seq 2000); do sleep 0.05; done");
    until_written(&mut terminal, "ready");
    terminal.press("q");
    until(&mut terminal, "you quit while it ran: it was sent SIGINT");
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).and_then(|status| status.code()), Some(5));
}

/// It has no terminal that it could draw on: it is told so by whatever it asks.
#[test]
fn the_command_has_no_terminal() {
    let mut terminal =
        start("test -t 0 || test -t 1 || echo none; (: </dev/tty) 2>/dev/null || echo nowhere; cat; echo read");
    until(&mut terminal, "OK (certain)");
    terminal.press("8");
    until_written(&mut terminal, "read");
    until_written(&mut terminal, "nowhere");
    until_written(&mut terminal, "none");
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
}

/// It may be gone before it was seen as anything but us.
#[test]
fn a_command_that_ends_at_once_has_its_name() {
    for _ in 0..5 {
        let mut terminal = start_words(&["true"]);
        until(&mut terminal, "OK (");
        none_of(&terminal, &["(exe)", "__start"]);
        terminal.press("q");
        assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
    }
}

const TOLD: &str = "oomtop: it needs a terminal of its own; `oomtop run --headless` gives it this one";

/// Nothing of these is anywhere on the screen.
fn none_of(terminal: &Terminal, garbage: &[&str]) {
    let shown = terminal.text().join("\n");
    for part in garbage {
        assert!(!shown.contains(part), "{part:?} on\n{shown}");
    }
}

/// Who draws on the whole screen is told where it could; its drawing is in nobody's way.
#[test]
fn who_would_draw_is_told_where_it_gets_a_terminal() {
    if !require::tool("htop") {
        return;
    }
    let drawing = r"\033[?1049h\033[?1h\033=\033(B\033[H\033[2Jfile\r\n~\r\n\033]0;title\007\033[9;3Hplaced";
    let pager = "$(command -v less || echo cat)";
    let script = format!("htop; printf 'one\\ntwo\\n' | {pager}; printf '{drawing}'; sleep 0.2; echo ' last'; exit 4");
    let mut terminal = start(&script);
    until(&mut terminal, "exit status 4");
    terminal.press("8");
    for line in ["one", "two", TOLD, "placed last"] {
        until_written(&mut terminal, line);
    }
    none_of(&terminal, &["file", "~", "title", "\\x", "[?", "0;"]);
    terminal.press("q");
    assert_eq!(terminal.ended(PATIENCE).and_then(|status| status.code()), Some(4));
}

/// What pages copies all of it and says nothing, and its verdict is that it did well.
#[test]
fn a_pager_is_told_by_its_verdict() {
    if !require::tool("less") {
        return;
    }
    let mut terminal = start_words(&["less", "/etc/passwd"]);
    until(&mut terminal, "OK (");
    until(&mut terminal, "try: oomtop run --headless (it needs a terminal of its own)");
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
}

/// It waits for keys that never come, and catches ^C.
#[test]
fn an_editor_is_told_the_same_and_ends_when_it_is_asked_to() {
    if Command::new("vim").arg("--version").output().is_err() {
        require::missing("editor", "vim is not installed");
        return;
    }
    let mut terminal = start("exec vim -u NONE -i NONE -n /etc/passwd");
    terminal.press("8");
    until_written(&mut terminal, "Vim: Warning: Output is not to a terminal");
    terminal.press("\r");
    until_written(&mut terminal, TOLD);
    none_of(&terminal, &["~", "root:", "\\x", "[?", "0;"]);
    terminal.press("q");
    until(&mut terminal, "SIGINT");
    terminal.press("q");
    until(&mut terminal, "it was sent SIGTERM");
    // Whether it dies of the signal or leaves with a status of its own is its business.
    until(&mut terminal, "try: oomtop run --headless");
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some(), "q leaves the verdict");
}
