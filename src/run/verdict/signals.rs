//! Whom a signal ended that the OOM killer did not send: one that came to us, or somebody else's. Refuses to name a sender
//! that nobody saw: a
//! timeout whose time was over is likely one.

use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::run::phase::Phase;
use crate::run::report::{Evidence, Exit, Verdict, VerdictKind, seconds};
use crate::run::watched::Watched;
use crate::run::{Signalled, command};

use super::timeout;
use super::words::{during, ending, exit_evidence, held, log_evidence, signal_name, squeeze_evidence, victim, who};
use super::{Case, SIGKILL, without_oom};

const SIGINT: i32 = 2;
/// Between the ends of those that one signal to their group ended.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The signal by which somebody told us to end: of several that which ended the command.
pub(super) fn sent(case: &Case<'_>) -> Option<Signalled> {
    // Who goes on for longer did not end for it, unless the status says so.
    const ENDS: Duration = Duration::from_secs(60);
    let is_cause = |sent: &Signalled| ended_by(case, sent.signal) || case.now.since(sent.at) <= ENDS;
    let asked_to_end = |sent: &Signalled| (asks_to_end(sent.signal) || sent.by_key) && is_cause(sent);
    let mut sent = case.signals.iter().copied().filter(asked_to_end);
    sent.clone().find(|sent| ended_by(case, sent.signal)).or_else(|| sent.next())
}

/// SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM: by these somebody else ends a program, by others it mostly ends itself.
const fn asks_to_end(signal: i32) -> bool {
    matches!(signal, 1..=3 | SIGKILL | 15)
}

fn ended_by(case: &Case<'_>, signal: i32) -> bool {
    case.exit == Some(Exit::Signal(signal)) || case.exit == Some(Exit::Code(128 + signal))
}

/// Somebody told us to end, and the command did not end well.
pub(super) fn passed_on(case: &Case<'_>) -> Option<Verdict> {
    let Signalled { signal, by_key, .. } = sent(case)?;
    let exit = case.exit?;
    if case.went_well() {
        return None;
    }
    let name = signal_name(signal);
    // What it says in its own words needs no second ones.
    let end = if exit == Exit::Signal(signal) { String::new() } else { format!("; {}", ending(exit)) };
    let (summary, evidence) = match (by_key, signal) {
        (true, _) => (
            format!("you quit while it ran: it was sent {name}{end}"),
            Evidence { source: "key", text: format!("q or ^C sent it {name}") },
        ),
        (false, SIGINT) => (format!("interrupted (^C){end}"), came(&name)),
        (false, _) => (format!("{name} came from outside{end}"), came(&name)),
    };
    Some(Verdict {
        kind: VerdictKind::KilledBySignal,
        confidence: if ended_by(case, signal) { Confidence::Certain } else { Confidence::Likely },
        summary,
        story: Vec::new(),
        evidence: vec![evidence, log_evidence(case)],
        victim: None,
    })
}

fn came(name: &str) -> Evidence {
    Evidence { source: "signal", text: format!("oomtop received {name} while the command ran") }
}
/// A process that matters was killed by a signal, and no OOM was seen.
pub(super) fn killed(case: &Case<'_>) -> Option<Verdict> {
    if case.went_well() {
        return None;
    }
    let works = |process: &&Watched| process.role.phase != Phase::Other;
    let by_signal = case.processes.iter().filter(|process| process.killed_by().is_some());
    let root = command(case.processes).filter(|process| process.killed_by().is_some());
    // A timeout that sends SIGKILL sends it to itself too.
    let root = root.filter(|root| timeout::that_says_so(case).is_none_or(|timeout| timeout.id != root.id));
    let is_timed_out = |process: &&Watched| sender(case, process).is_some();
    let timed_out = by_signal.clone().filter(is_timed_out).max_by_key(|process| process.peak().map(|(peak, _)| peak));
    // The first that died is the cause; what it worked for dies after it. Who was sent it to its whole group dies as one: of
    // those it is the test that is asked about.
    let first = by_signal.clone().filter(works).min_by_key(|process| process.ended).or(timed_out).or(root)?;
    let signal = first.killed_by()?;
    let at_once = |process: &&Watched| {
        process.killed_by() == Some(signal) && process.ended <= first.ended.map(|ended| ended.after(AT_ONCE))
    };
    let tests = by_signal.filter(|process| process.role.phase == Phase::Test).filter(at_once);
    let process = tests.min_by_key(|process| process.ended).unwrap_or(first);
    let by_timeout = sender(case, process).map(|timeout| Evidence {
        source: "command line",
        text: format!("\"{}\" sends such a signal, and its time was over", timeout::as_typed(timeout)),
    });
    let mut evidence: Vec<Evidence> = exit_evidence(process).into_iter().collect();
    if signal != SIGKILL {
        let sender = if by_timeout.is_some() { ", most likely by the timeout above it" } else { "" };
        evidence.push(log_evidence(case));
        evidence.extend(by_timeout);
        return Some(Verdict {
            kind: VerdictKind::KilledBySignal,
            confidence: Confidence::Certain,
            summary: format!("{} was ended by {}{}{sender}", who(process), signal_name(signal), during(case, process)),
            story: vec![held(process)],
            evidence,
            victim: Some(victim(case, process)),
        });
    }
    let (no_kill, sure) = without_oom(case);
    evidence.extend(no_kill);
    evidence.extend(squeeze_evidence(process));
    let sender = match by_timeout {
        Some(_) => "most likely by the timeout above it",
        None => "by what is unknown (a timeout, a runner, systemd-oomd, earlyoom, kill -9)",
    };
    evidence.extend(by_timeout);
    let killed = format!("{} was killed (SIGKILL){}", who(process), during(case, process));
    Some(Verdict {
        kind: VerdictKind::KilledBySignal,
        confidence: if sure { Confidence::Certain } else { Confidence::Guess },
        summary: if sure {
            format!("{killed}, and not by the kernel's OOM killer: {sender}")
        } else {
            format!("{killed}; whether by the kernel's OOM killer cannot be seen here; otherwise {sender}")
        },
        story: vec![held(process)],
        evidence,
        victim: Some(victim(case, process)),
    })
}

/// The timeout that most likely sent the signal which ended this process.
fn sender<'a>(case: &Case<'a>, process: &Watched) -> Option<&'a Watched> {
    timeout::above(case, process, process.killed_by()?)
}

/// Nobody told how what ran below a timeout ended, but that had its time, and the status that says so.
pub(super) fn out_of_time(case: &Case<'_>) -> Option<Verdict> {
    let timeout = timeout::that_says_so(case).filter(|_| !case.went_well())?;
    let (no_kill, sure) = without_oom(case);
    let typed = timeout::as_typed(timeout);
    let lived = seconds(timeout.lifetime());
    let mut evidence = vec![Evidence { source: "lifetime", text: format!("\"{typed}\" ran for {lived}") }];
    evidence.extend(exit_evidence(timeout));
    evidence.extend(no_kill);
    Some(Verdict {
        kind: VerdictKind::KilledBySignal,
        confidence: if sure { Confidence::Likely } else { Confidence::Guess },
        summary: format!(
            "most likely the time of \"{typed}\" was over, and it ended what it ran{}",
            case.exit.map_or_else(String::new, |exit| format!("; {}", ending(exit)))
        ),
        story: Vec::new(),
        evidence,
        victim: None,
    })
}
