//! A session of the real program in a terminal, as its tests need it: how it is started, and what on its screen is
//! waited for.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::process::Command;
use std::time::Duration;

use crate::program;
use crate::terminal::Terminal;

/// Longer than anything may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn oomtop(arguments: &[&str]) -> Command {
    let mut command = program::oomtop();
    command.args(arguments);
    command
}

pub fn start(arguments: &[&str], columns: u16, rows: u16) -> Terminal {
    Terminal::start(oomtop(arguments), columns, rows)
}

/// Waits until some row of the screen is as wanted.
pub fn until_row(terminal: &mut Terminal, wanted: impl Fn(&str) -> bool) {
    let found = terminal.until(PATIENCE, |screen| {
        let (_, columns) = screen.size();
        screen.rows(0, columns.get()).any(|row| wanted(&row))
    });
    if let Err(screen) = found {
        panic!("{screen}");
    }
}

pub fn until_live(terminal: &mut Terminal) {
    until_row(terminal, |row| row.contains("PID") && row.contains("COMMAND"));
    until_row(terminal, |row| row.contains("processes") || row.contains("procs"));
}

/// What gives the terminal back: main screen, cursor, no bracketed paste.
const RESTORED: [&[u8]; 3] = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?2004l"];

pub fn assert_given_back(terminal: &Terminal) {
    let transcript = terminal.transcript();
    for sequence in RESTORED {
        let last = transcript.windows(sequence.len()).rposition(|window| window == sequence);
        assert!(last.is_some(), "{} was never sent", String::from_utf8_lossy(sequence).escape_debug());
    }
    assert!(!terminal.screen().alternate_screen(), "still on the alternate screen");
    assert!(!terminal.screen().hide_cursor(), "the cursor is still hidden");
}
