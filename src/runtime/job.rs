//! Job control of a command in our own process group: it and we are one job of the shell, which stop and go on together.
//! The shell takes the terminal back when we stop, so who first has to give it back (less, vi) is waited for. Refuses to
//! stop where nobody could bring us back.

use std::fs::OpenOptions;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, getpid, getsid, kill_process};
use tokio::time::Instant;

/// How much later than the stop of the command the SIGTSTP that caused it may reach us.
const SIGNAL_COMES: Duration = Duration::from_millis(100);

/// The command, as a part of our job.
#[derive(Debug)]
pub struct Job {
    command: Pid,
    /// We were sent SIGTSTP, and it does with that as it likes.
    asked: bool,
    /// Since when the command is stopped.
    stopped: Option<Instant>,
    /// We stopped, and go on.
    continued: bool,
}

impl Job {
    /// Of a command that was just started.
    #[must_use]
    pub fn of(command: Pid) -> Self {
        Self { command, asked: false, stopped: None, continued: false }
    }

    /// SIGTSTP came, of the terminal or of somebody who does not know that there are two of us.
    pub fn asked_to_stop(&mut self) {
        if self.does_as_it_likes(Signal::TSTP) {
            self.asked = true;
            if !is_in_foreground() {
                self.send(Signal::TSTP);
            }
        } else {
            // Twice is once: what stops it a second time is void when it goes on (kernel/signal.c prepare_signal).
            self.send(Signal::TSTP);
            self.stop_too();
        }
    }

    /// The command has stopped, or goes on.
    pub fn command_changed(&mut self, is_stopped: bool) {
        self.stopped = is_stopped.then(|| self.stopped.unwrap_or_else(Instant::now));
    }

    /// Whether we have stopped and gone on with it since this was last asked.
    pub fn was_continued(&mut self) -> bool {
        std::mem::take(&mut self.continued)
    }

    /// Stops us where the command has: as it was asked to, or by itself while a shell waits for us in its place.
    pub fn follow_command(&mut self) {
        let Some(since) = self.stopped else { return };
        if self.asked || since.elapsed() >= SIGNAL_COMES && is_in_foreground() {
            self.stop_too();
        }
    }

    fn stop_too(&mut self) {
        (self.asked, self.stopped) = (false, None);
        if !may_be_continued() {
            return;
        }
        let _ = kill_process(getpid(), Signal::STOP);
        // Here we were stopped. `fg` and `bg` continue all of a job, the youngest first; kill(1) us alone.
        self.continued = true;
        if self.status("State:").is_some_and(|state| state.starts_with('T')) {
            self.send(Signal::CONT);
        }
    }

    fn send(&self, signal: Signal) {
        // It is not reaped yet: nobody else can have its number.
        let _ = kill_process(self.command, signal);
    }

    /// Whether it catches, ignores or blocks a signal: what becomes of that is its own business.
    fn does_as_it_likes(&self, signal: Signal) -> bool {
        let has = |line| self.status(line).is_some_and(|mask| is_in_mask(&mask, signal));
        ["SigCgt:", "SigIgn:", "SigBlk:"].into_iter().any(has)
    }

    fn status(&self, line: &str) -> Option<String> {
        status_line(&self.command.as_raw_nonzero().to_string(), line)
    }
}

/// Whether somebody is left who could continue us if we stopped. In the process group of the session's leader nobody is: it
/// is us, or a shell without job control that would stop with us (`ssh -t host 'oomtop; true'`).
#[must_use]
pub fn may_be_continued() -> bool {
    getsid(None) != Ok(getpgrp())
}

/// Whether our process group has the terminal: what that sends comes to the command as well as to us.
#[must_use]
pub fn is_in_foreground() -> bool {
    let terminal = OpenOptions::new().read(true).open("/dev/tty");
    terminal.is_ok_and(|terminal| rustix::termios::tcgetpgrp(&terminal).is_ok_and(|foreground| foreground == getpgrp()))
}

/// Whether a signal was ignored when we were started (nohup, a shell's background job): it stays so, also for the command,
/// which inherits that.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    status_line("self", "SigIgn:").is_some_and(|mask| is_in_mask(&mask, signal))
}

/// A line of `/proc/PID/status` (proc(5)), without its name.
#[expect(clippy::disallowed_methods, reason = "asks what signals mean to somebody")]
fn status_line(of: &str, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{of}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
}

fn is_in_mask(mask: &str, signal: Signal) -> bool {
    u64::from_str_radix(mask, 16).is_ok_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_in_a_mask() {
        // SIGHUP is the lowest bit; SIGTSTP is 20.
        assert!(is_in_mask("0000000000080000", Signal::TSTP));
        assert!(is_in_mask("0000000000000001", Signal::HUP));
        assert!(!is_in_mask("0000000000080000", Signal::CONT));
        assert!(!is_in_mask("", Signal::HUP) && !is_in_mask("x", Signal::HUP));
    }
}
