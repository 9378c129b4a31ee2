//! timeout(1) in a run: what it was told to do, and whether the moment for it had come. Refuses to take one for the sender
//! whose time was not over, or that sends another signal.

use std::time::Duration;

use crate::run::command;
use crate::run::report::Exit;
use crate::run::watched::Watched;
use crate::snapshot::process::Command;
use crate::text::{joined, printable};

use super::{Case, SIGKILL};

const SIGTERM: i32 = 15;

/// What one was told: `timeout -s KILL 5 go test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeout {
    /// What it sends, and when.
    signal: i32,
    after: Duration,
    /// How much later it sends SIGKILL.
    kill_after: Option<Duration>,
}

impl Timeout {
    fn of(command: &Command) -> Option<Self> {
        let text = std::str::from_utf8(command.arguments.strip_suffix(b"\0")?).ok()?;
        let mut words = text.split('\0').skip(1);
        let mut told = Self { signal: SIGTERM, after: Duration::ZERO, kill_after: None };
        loop {
            let word = words.next()?;
            let value = |short: &str, long: &str| {
                let long = word.strip_prefix(long).filter(|rest| rest.is_empty() || rest.starts_with('='));
                long.map(|rest| rest.trim_start_matches('=')).or_else(|| word.strip_prefix(short))
            };
            if let Some(inside) = value("-s", "--signal") {
                told.signal = signal(if inside.is_empty() { words.next()? } else { inside })?;
            } else if let Some(inside) = value("-k", "--kill-after") {
                told.kill_after = Some(duration(if inside.is_empty() { words.next()? } else { inside })?);
            } else if !word.starts_with('-') {
                told.after = duration(word).filter(|after| !after.is_zero())?;
                return Some(told);
            }
        }
    }

    /// Whether it had sent this signal when it had lived so long. It is met a moment after its start.
    fn has_sent(&self, sent: i32, lived: Duration) -> bool {
        const MET: Duration = Duration::from_millis(300);
        let by = |after: Duration| lived.saturating_add(MET) >= after;
        sent == self.signal && by(self.after)
            || sent == SIGKILL && self.kill_after.is_some_and(|more| by(self.after.saturating_add(more)))
    }
}

/// `2.5`, `10m` (coreutils: s, m, h, d).
fn duration(text: &str) -> Option<Duration> {
    let (number, factor) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}

/// Of those that end programs.
fn signal(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    Some(match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => SIGKILL,
        "TERM" => SIGTERM,
        number => number.parse().ok()?,
    })
}

/// The one above this process that may have sent it this signal, nearest first.
pub(super) fn above<'a>(case: &Case<'a>, process: &Watched, signal: i32) -> Option<&'a Watched> {
    let ended = process.ended?;
    let (mut pid, mut born) = (process.id.pid, process.first_seen);
    // Nobody has more above him than there are processes.
    for _ in 0..case.processes.len() {
        let child = case.processes.iter().rev().find(|other| other.id.pid == pid && other.first_seen <= born)?;
        let parent = case
            .processes
            .iter()
            .rev()
            .find(|other| other.id.pid == child.parent && other.first_seen <= child.first_seen)?;
        let told = parent.command.as_deref().filter(|_| is_one(parent)).and_then(Timeout::of);
        if told.is_some_and(|told| told.has_sent(signal, ended.since(parent.first_seen))) {
            return Some(parent);
        }
        (pid, born) = (parent.id.pid, parent.first_seen);
    }
    None
}

/// The one whose own end says that its time was over: status 124, or 137 where it sent SIGKILL, with which it may end itself.
pub(super) fn that_says_so<'a>(case: &Case<'a>) -> Option<&'a Watched> {
    let ended_so = |process: &&Watched| {
        let is_command = command(case.processes).is_some_and(|command| command.id == process.id);
        let signal = match process.exit().or_else(|| case.exit.filter(|_| is_command)) {
            Some(Exit::Code(124)) => None,
            Some(Exit::Code(137) | Exit::Signal(SIGKILL)) => Some(SIGKILL),
            _ => return false,
        };
        let told = process.command.as_deref().and_then(Timeout::of);
        told.is_some_and(|told| told.has_sent(signal.unwrap_or(told.signal), process.lifetime()))
    };
    case.processes.iter().filter(|process| is_one(process)).find(ended_so)
}

/// As it was typed.
pub(super) fn as_typed(timeout: &Watched) -> String {
    let command = timeout.command.as_deref().map(|command| joined(&command.arguments)).unwrap_or_default();
    printable(&command).into_owned()
}

fn is_one(process: &Watched) -> bool {
    process.name.as_bytes() == b"timeout"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::judge;
    use super::super::tests::case;
    use super::*;
    use crate::run::report::Verdict;
    use crate::snapshot::process::Name;
    use crate::units::{Pid, ProcessId, Timestamp};

    fn told(line: &str) -> Option<Timeout> {
        let arguments = line.replace(' ', "\0") + "\0";
        Timeout::of(&Command { arguments: arguments.into_bytes().into(), cut: false })
    }

    #[test]
    fn what_it_was_told_is_read_as_it_reads_it() {
        let seconds = Duration::from_secs_f64;
        for (line, expected) in [
            ("timeout 5 go test", Some((15, 5.0, None))),
            ("timeout -s KILL 2.5 x", Some((9, 2.5, None))),
            ("/usr/bin/timeout --foreground -sINT -k1m 10m x", Some((2, 600.0, Some(60.0)))),
            ("timeout --signal=SIGHUP --kill-after 3 --preserve-status 1h x", Some((1, 3600.0, Some(3.0)))),
            ("timeout --signal 3 0.5s x", Some((3, 0.5, None))),
            ("timeout 0 x", None),
            ("timeout -s NONE 3 x", None),
            ("timeout -s", None),
            ("timeout many x", None),
            ("timeout -1 x", None),
            ("timeout", None),
        ] {
            let expected = expected.map(|(signal, after, kill_after)| Timeout {
                signal,
                after: seconds(after),
                kill_after: kill_after.map(seconds),
            });
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn it_sends_what_it_was_told_and_not_before_its_time() {
        let lived = Duration::from_secs;
        let plain = told("timeout 5 x").expect("told");
        assert!(plain.has_sent(15, lived(5)) && !plain.has_sent(15, lived(4)) && !plain.has_sent(9, lived(9)));
        let kills = told("timeout -k 3 5 x").expect("told");
        assert!(kills.has_sent(15, lived(5)) && !kills.has_sent(9, lived(6)) && kills.has_sent(9, lived(8)));
    }

    /// `there`: name, parent, wait status where somebody told it; the first is the command.
    fn with_timeout(line: &str, lived: u64, there: &[(&str, u32, Option<i32>)], exit: Exit) -> Verdict {
        let processes: Vec<Watched> = (20..)
            .zip(there)
            .map(|(pid, (name, parent, status))| {
                let name = Name::new(name.as_bytes());
                let mut process = Watched::new(ProcessId::new(pid, 1), Pid(*parent), name, Timestamp::from_secs(10));
                if pid == 20 {
                    let arguments = line.replace(' ', "\0") + "\0";
                    process.command = Some(Arc::new(Command { arguments: arguments.into_bytes().into(), cut: false }));
                }
                process.account(Timestamp::from_secs(10 + lived), None, *status);
                process.end(Timestamp::from_secs(10 + lived));
                process
            })
            .collect();
        judge(&Case { processes: &processes, cgroup_kills: None, host_kills: Some((7, 7)), ..case(exit, &[], Ok(())) })
    }

    #[test]
    fn a_timeout_is_named_where_its_time_was_over_and_only_there() {
        let sleep = |status| [("timeout", 1, Some(124 << 8)), ("sh", 20, Some(status)), ("sleep", 21, Some(status))];
        let killed = [("timeout", 1, Some(SIGKILL)), ("sleep", 20, Some(SIGKILL))];
        let silent = [("timeout", 1, None), ("sleep", 20, None)];
        for (what, line, lived, there, exit, expected) in [
            (
                "it sent SIGTERM",
                "timeout 5 sh",
                5,
                &sleep(15)[..],
                Exit::Code(124),
                "sleep 22 was ended by SIGTERM, most likely",
            ),
            (
                "it sent SIGKILL, to itself too",
                "timeout -s KILL 5 sleep",
                5,
                &killed,
                Exit::Signal(9),
                "sleep 21 was killed (SIGKILL), and not by the kernel's OOM killer: most likely",
            ),
            (
                "nobody told the ends",
                "timeout 5 sleep",
                5,
                &silent,
                Exit::Code(124),
                "most likely the time of \"timeout 5 sleep\" was over",
            ),
            (
                "nobody told the ends of a SIGKILL",
                "timeout -s KILL 5 sleep",
                5,
                &silent,
                Exit::Signal(9),
                "most likely the time of",
            ),
            (
                "somebody else did, long before",
                "timeout 60 sleep",
                5,
                &killed,
                Exit::Signal(9),
                "timeout 20 was killed (SIGKILL), and not by the kernel's OOM killer: by what is unknown",
            ),
            ("it fails with 124 itself", "timeout 60 sleep", 5, &silent, Exit::Code(124), "exit status 124"),
        ] {
            let verdict = with_timeout(line, lived, there, exit);
            assert!(verdict.summary.starts_with(expected), "{what}: {verdict:?}");
            let is_named = verdict
                .evidence
                .iter()
                .any(|one| one.text.contains("timeout 5 ") || one.text.contains("timeout -s KILL 5 "));
            assert_eq!(is_named, expected.contains("most likely"), "{what}: {verdict:?}");
        }
    }
}
