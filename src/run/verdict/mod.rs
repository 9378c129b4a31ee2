//! Why a run ended as it did: what the kernel's log, its counters, exit statuses and signals say together, and how sure
//! that is. Refuses "certain" where only one witness speaks that could be wrong, and to name a killer that it did not see.

mod outside;
mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::oom_log::Domain;
use crate::post_mortem::{self, Story};
use crate::snapshot::process::namespace_above;
use crate::text::printable;
use crate::units::{Bytes, ProcessId, Timestamp, human_duration};

use super::Signalled;
use super::phase::{Phase, test_timeout};
use super::report::{Evidence, Exit, Room, Sight, Verdict, VerdictKind};
use super::watched::Watched;

use words::{
    by_the_limit, cgroup_name, counter_evidence, ending, exit_evidence, growth, held, log_evidence, name, near,
    signal_name, squeeze_evidence, victim, who,
};

/// All that a verdict is made from.
pub(super) struct Case<'a> {
    pub exit: Option<Exit>,
    /// From when moments are told.
    pub began: Timestamp,
    pub processes: &'a [Watched],
    pub kills: &'a [Story],
    /// Process numbers in the kernel's log are those that we see.
    pub sees_all_numbers: bool,
    /// The lowest cgroup above the tree whose counter rose: path, from, to.
    pub cgroup_kills: Option<(Box<[u8]>, u64, u64)>,
    /// Between which two looks that of the lowest rose last.
    pub counted: Option<(Timestamp, Timestamp)>,
    /// From when to when the one with the tightest limit was seen at it, last.
    pub full: Option<(Timestamp, Timestamp)>,
    /// The counters of those cgroups can be read.
    pub cgroups_count: bool,
    pub host_kills: Option<(u64, u64)>,
    pub own_cgroup: Option<&'a [u8]>,
    pub signals: &'a [Signalled],
    pub room: Option<&'a Room>,
    pub most: Option<Bytes>,
    pub sight: Sight,
}

impl Case<'_> {
    fn went_well(&self) -> bool {
        self.exit == Some(Exit::Code(0))
    }

    /// Whom nobody told the end of, and who was gone when the lowest cgroup had counted a kill: of several the biggest. The
    /// go command lasts as long as what it runs, and goes with it.
    fn vanished_as_counted(&self) -> Option<&Watched> {
        // To give back what it held takes a victim a while.
        const DIES: Duration = Duration::from_secs(1);
        let (before, after) = self.counted.filter(|_| !self.went_well())?;
        let vanished = self.processes.iter().filter(|process| {
            let is_gone = process.ended.is_some_and(|ended| ended <= after.after(DIES));
            is_gone && process.last_seen >= before && process.exit().is_none() && process.role.phase != Phase::Go
        });
        vanished.max_by_key(|process| process.peak().map(|(peak, _)| peak))
    }
}

const SIGKILL: i32 = 9;
const SIGINT: i32 = 2;

/// The verdict.
pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let found = named_by_the_kernel(case)
        .or_else(|| counted(case))
        .or_else(|| passed_on(case))
        .or_else(|| killed(case))
        .or_else(|| timed_out(case))
        .or_else(|| address_space(case));
    outside::seen_from_outside(case, found.unwrap_or_else(|| by_exit(case)))
}

/// The kernel's log names one of ours.
fn named_by_the_kernel(case: &Case<'_>) -> Option<Verdict> {
    let ours = |story: &Story| -> Vec<(&Watched, Option<Bytes>)> {
        let found = story.episode.victims.iter().filter_map(|victim| {
            let pid = victim.tgid.unwrap_or(victim.pid);
            // Whoever ended with a status of its own was not taken: the number was another's by then.
            let had_it = |process: &&Watched| process.id.pid == pid && process.exit_code().is_none();
            let by_number = case.processes.iter().rev().find(had_it);
            // A name alone is that of many on a machine: where our cgroups count kills, they must have counted one.
            let by_name = || {
                let name = victim.name.filter(|_| case.cgroup_kills.is_some() || !case.cgroups_count)?;
                let had_it =
                    |process: &&Watched| process.name.as_bytes() == name.as_bytes() && process.exit_code().is_none();
                case.processes.iter().rev().find(had_it)
            };
            let process = if case.sees_all_numbers { by_number } else { by_name() }?;
            Some((process, victim.rss()))
        });
        found.collect()
    };
    // A number may have been given away again to somebody whose end we did not see.
    let same_name = |story: &Story, process: &Watched| {
        let mut victims = story.episode.victims.iter();
        let victim = victims.find(|victim| victim.tgid.unwrap_or(victim.pid) == process.id.pid);
        let name = victim.and_then(|victim| victim.name);
        name.is_some_and(|name| name.as_bytes() == process.name.as_bytes())
    };
    let mut of_ours = case.kills.iter().map(|story| (story, ours(story))).filter(|(_, taken)| !taken.is_empty());
    let (story, taken) = of_ours.next()?;
    let (process, held) = *taken.first()?;
    // The one that was chosen for its group is logged twice.
    let all: BTreeSet<ProcessId> =
        taken.iter().copied().chain(of_ours.flat_map(|(_, taken)| taken)).map(|(process, _)| process.id).collect();
    let others = all.len() - 1;

    let episode = &story.episode;
    let (kind, limit) = match &episode.domain {
        Some(Domain::Host) => (VerdictKind::OomKilledHost, "because the machine was out of memory".to_owned()),
        Some(Domain::Cgroup(path)) => {
            let name = path.as_deref().map_or_else(|| "its cgroup".to_owned(), |path| cgroup_name(case, path));
            let limit = episode.counters.memory.and_then(|memory| memory.limit);
            (VerdictKind::OomKilledCgroup, by_the_limit(&name, limit))
        }
        None => (VerdictKind::OomKilledCgroup, "at a limit that the log does not name".to_owned()),
    };
    let who = who(process);
    let survived = if case.went_well() { "; the command went on and ended well" } else { "" };
    let more = match others {
        0 => String::new(),
        count => format!("; {count} more {} killed", if count == 1 { "was" } else { "were" }),
    };
    let mut tale = Vec::new();
    if let Some(held) = held {
        tale.push(format!("{} held {held} when it was taken{}", name(process), growth(case, process)));
    }
    tale.push(format!("why it: {}", post_mortem::words::why(story)));
    if let Some(usage) = post_mortem::words::usage(story) {
        tale.push(usage);
    }

    let mut evidence = vec![Evidence { source: "kernel log", text: post_mortem::words::headline(story) }];
    evidence.extend(counter_evidence(case));
    evidence.extend(exit_evidence(process));
    let certain = case.sees_all_numbers && episode.domain.is_some() && !episode.mixed && same_name(story, process);
    Some(Verdict {
        kind,
        confidence: if certain { Confidence::Certain } else { Confidence::Likely },
        summary: format!("the OOM killer took {who}, {limit}{more}{survived}"),
        story: tale,
        evidence,
        victim: Some(victim(process)),
    })
}

/// No record names anybody, but a counter rose.
fn counted(case: &Case<'_>) -> Option<Verdict> {
    let (path, _, _) = case.cgroup_kills.as_ref()?;
    let is_own = case.own_cgroup.is_some_and(|own| namespace_above(path, own).is_some());
    let mut dead: Vec<&Watched> =
        case.processes.iter().filter(|process| process.killed_by() == Some(SIGKILL)).collect();
    dead.sort_by_key(|process| std::cmp::Reverse(process.peak().map(|(peak, _)| peak)));
    // A cgroup above us counts the kills of others too.
    let failed = case.exit.is_some_and(|exit| exit != Exit::Code(0));
    let may_be_unseen = case.sight.exit_records.is_err() && sent(case).is_none() && failed;
    let vanished = case.vanished_as_counted().filter(|_| dead.is_empty() && sent(case).is_none());
    if dead.is_empty() && !is_own && !may_be_unseen && vanished.is_none() {
        return None;
    }
    // The kernel counts at the victim's cgroup and at all above it, whoever was full (memcg_memory_event_mm): a kill for
    // the whole machine too.
    let limited = case.room.and_then(|room| Some((room.cgroup.as_deref()?, room.limit)));
    let limit = match limited {
        Some((limited, limit)) => by_the_limit(&cgroup_name(case, limited), Some(limit)),
        None => "because the machine was out of memory (no limit is above it)".to_owned(),
    };
    let is_there = limited.is_some_and(|(limited, _)| limited == &**path);
    let (summary, confidence) = match (dead.as_slice(), vanished) {
        ([], Some(one)) => (
            format!("the OOM killer took {}, {limit}: it was gone when the kill was counted", who(one)),
            Confidence::Guess,
        ),
        ([], None) => {
            (format!("the OOM killer took a process of this run, {limit}; which one is not known"), Confidence::Guess)
        }
        ([one], _) if is_there || limited.is_none() => {
            (format!("the OOM killer took {}, {limit}", who(one)), Confidence::Likely)
        }
        ([one], _) => (
            format!("the OOM killer took {}, {limit} or because the machine was out of memory", who(one)),
            Confidence::Guess,
        ),
        ([one, ..], _) => (
            format!("the OOM killer took one of those that were killed, perhaps {}, {limit}", who(one)),
            Confidence::Guess,
        ),
    };
    let taken = dead.first().copied().or(vanished);
    let mut evidence: Vec<Evidence> = counter_evidence(case).collect();
    evidence.extend(taken.and_then(exit_evidence));
    evidence.push(log_evidence(case));
    Some(Verdict {
        kind: if limited.is_some() { VerdictKind::OomKilledCgroup } else { VerdictKind::OomKilledHost },
        confidence,
        summary,
        story: taken.map(|process| held(case, process)).into_iter().collect(),
        evidence,
        victim: taken.map(victim),
    })
}

/// The signal by which somebody told us to end: of several that which ended the command.
fn sent(case: &Case<'_>) -> Option<Signalled> {
    let asked_to_end = |sent: &Signalled| matches!(sent.signal, 1..=3 | 15) || sent.by_key;
    let mut sent = case.signals.iter().copied().filter(asked_to_end);
    sent.clone().find(|sent| ended_by(case, sent.signal)).or_else(|| sent.next())
}

fn ended_by(case: &Case<'_>, signal: i32) -> bool {
    case.exit == Some(Exit::Signal(signal)) || case.exit == Some(Exit::Code(128 + signal))
}

/// Somebody told us to end, and the command did not end well.
fn passed_on(case: &Case<'_>) -> Option<Verdict> {
    let Signalled { signal, by_key } = sent(case)?;
    let exit = case.exit?;
    if case.went_well() {
        return None;
    }
    let name = signal_name(signal);
    let (sent, evidence) = match (by_key, signal) {
        (true, _) => (
            format!("ended by key: you sent it {name}"),
            Evidence { source: "key", text: format!("you asked for {name} while it ran") },
        ),
        (false, SIGINT) => ("interrupted (^C)".to_owned(), came(&name)),
        (false, _) => (format!("ended from outside by {name}"), came(&name)),
    };
    Some(Verdict {
        kind: VerdictKind::KilledBySignal,
        confidence: if ended_by(case, signal) { Confidence::Certain } else { Confidence::Likely },
        summary: format!("{sent}; {}", ending(exit)),
        story: Vec::new(),
        evidence: vec![evidence, log_evidence(case)],
        victim: None,
    })
}

fn came(name: &str) -> Evidence {
    Evidence { source: "signal", text: format!("{name} came to oomtop while the command ran") }
}

/// A process that matters was killed by a signal, and no OOM was seen.
fn killed(case: &Case<'_>) -> Option<Verdict> {
    if case.went_well() {
        return None;
    }
    let works = |process: &&Watched| process.role.phase != Phase::Other;
    let by_signal = case.processes.iter().filter(|process| process.killed_by().is_some());
    let root = case.processes.first().filter(|process| process.killed_by().is_some());
    // The first that died is the cause; what it worked for dies after it.
    let process = by_signal.clone().filter(works).min_by_key(|process| process.ended).or(root)?;
    let signal = process.killed_by()?;
    if signal != SIGKILL {
        return Some(Verdict {
            kind: VerdictKind::KilledBySignal,
            confidence: Confidence::Certain,
            summary: format!("{} ended by {}", who(process), signal_name(signal)),
            story: vec![held(case, process)],
            evidence: exit_evidence(process).into_iter().chain([log_evidence(case)]).collect(),
            victim: Some(victim(process)),
        });
    }
    let (no_kill, sure) = without_oom(case);
    let mut evidence: Vec<Evidence> = exit_evidence(process).into_iter().collect();
    evidence.extend(no_kill);
    evidence.extend(squeeze_evidence(process));
    let by_timeout = case.processes.iter().find(|process| is_timeout(process));
    if let Some(timeout) = by_timeout {
        let command =
            timeout.command.as_deref().map(|command| crate::text::joined(&command.arguments)).unwrap_or_default();
        evidence
            .push(Evidence { source: "command line", text: format!("\"{}\" sends such signals", printable(&command)) });
    }
    let sender = match by_timeout {
        Some(_) => "most likely by the timeout above it",
        None => "by whom is not known (a timeout, a runner, systemd-oomd, earlyoom, kill -9)",
    };
    Some(Verdict {
        kind: VerdictKind::KilledBySignal,
        confidence: if sure { Confidence::Certain } else { Confidence::Guess },
        summary: if sure {
            format!("{} was killed (SIGKILL), and not by the kernel's OOM killer: {sender}", who(process))
        } else {
            let unseen = "whether by the kernel's OOM killer cannot be seen here";
            format!("{} was killed (SIGKILL); {unseen}; else {sender}", who(process))
        },
        story: vec![held(case, process)],
        evidence,
        victim: Some(victim(process)),
    })
}

fn is_timeout(process: &Watched) -> bool {
    process.name.as_bytes() == b"timeout"
}

/// An allocation failed at a limit on the address space.
fn address_space(case: &Case<'_>) -> Option<Verdict> {
    // The Go runtime reserves arenas of 64 MiB, and may be refused one between two looks.
    const STEP: Bytes = Bytes::from_mib(256);
    if case.went_well() {
        return None;
    }
    // 2 is the status of a Go program that the runtime ended: "fatal error: runtime: out of memory"; and of many that
    // failed for another reason, far from any limit.
    let by_runtime = |process: &Watched| process.exit_code() == Some(2);
    let at_limit = |process: &&Watched| {
        let near = |limit: Bytes| {
            let space = process.address_space;
            space.saturating_add(STEP) >= limit
                || space.0 >= limit.0 / 10 * 9
                || by_runtime(process) && space.0 >= limit.0 / 10
        };
        // Where not even the status of the run is known, that of a process must be.
        let failed = process.exit_code().map_or(case.exit.is_some(), |code| code != 0);
        process.address_space_limit.is_some_and(near) && failed
    };
    let limited = case.processes.iter().filter(at_limit);
    let process = limited
        .max_by_key(|process| (by_runtime(process), process.role.phase == Phase::Test, process.address_space))?;
    let limit = process.address_space_limit?;
    let near = process.address_space.0 >= limit.0 / 10 * 9;
    Some(Verdict {
        kind: VerdictKind::LimitHit,
        confidence: if near && process.exit_code().is_some() { Confidence::Likely } else { Confidence::Guess },
        summary: format!(
            "{} failed with at most {limit} of address space or data allowed (ulimit -v, -d)",
            who(process)
        ),
        story: vec![held(case, process)],
        evidence: vec![
            Evidence {
                source: "limits",
                text: format!("address space {} of {limit} at the last look", process.address_space),
            },
            exit_evidence(process).unwrap_or_else(|| log_evidence(case)),
        ],
        victim: Some(victim(process)),
    })
}

/// A test binary gave up after its own -timeout: it panics and exits with 2.
fn timed_out(case: &Case<'_>) -> Option<Verdict> {
    if case.went_well() {
        return None;
    }
    let (process, timeout) = case.processes.iter().find_map(|process| {
        let timeout = test_timeout(process.command.as_deref()?)?;
        let lived = process.lifetime().saturating_add(Duration::from_millis(300));
        let failed = process.exit_code().is_none_or(|code| code == 2);
        (process.role.phase == Phase::Test && failed && lived >= timeout).then_some((process, timeout))
    })?;
    Some(Verdict {
        kind: VerdictKind::Failed,
        confidence: if process.exit_code().is_some() { Confidence::Likely } else { Confidence::Guess },
        summary: format!(
            "{} ran into its own -timeout of {} and panicked{}",
            who(process),
            human_duration(timeout),
            if process.squeeze.found().is_some() { "; its GOMEMLIMIT may have slowed it down" } else { "" }
        ),
        story: vec![held(case, process)],
        evidence: [
            Evidence { source: "command line", text: format!("-test.timeout={}", human_duration(timeout)) },
            Evidence { source: "lifetime", text: format!("it ran for {}", human_duration(process.lifetime())) },
        ]
        .into_iter()
        .chain(squeeze_evidence(process))
        .chain([log_evidence(case)])
        .collect(),
        victim: Some(victim(process)),
    })
}

/// Nothing but the status with which it ended.
fn by_exit(case: &Case<'_>) -> Verdict {
    let Some(exit) = case.exit else { return outside::unknown(case) };
    let (no_kill, sure) = without_oom(case);
    // Without records of what ended, a test that somebody killed looks like one that failed.
    let limited = case.processes.iter().any(|process| process.address_space_limit.is_some());
    let sees_ends = !limited && (case.sight.exit_records.is_ok() || case.processes.len() <= 1);
    let (kind, confidence, summary) = match exit {
        Exit::Code(0) => (VerdictKind::Ok, Confidence::Certain, near(case)),
        exit => {
            let failed = first_failure(case).map(|process| format!("; {} failed first", who(process)));
            let confidence = if sure && sees_ends { Confidence::Certain } else { Confidence::Likely };
            let spared = if sure { "; the OOM killer took nothing of it" } else { "" };
            let summary = format!("{}{spared}{}", ending(exit), failed.unwrap_or_default());
            let kind = if matches!(exit, Exit::Signal(_)) { VerdictKind::KilledBySignal } else { VerdictKind::Failed };
            (kind, confidence, summary)
        }
    };
    Verdict { kind, confidence, summary, story: Vec::new(), evidence: no_kill, victim: None }
}

/// The first tool or test that ended with a status of its own.
fn first_failure<'a>(case: &Case<'a>) -> Option<&'a Watched> {
    let failed = case.processes.iter().filter(|process| {
        !matches!(process.role.phase, Phase::Other | Phase::Go) && process.exit_code().is_some_and(|code| code != 0)
    });
    failed.min_by_key(|process| process.ended)
}

/// What says that there was no OOM kill, and whether it is enough: the machine's own counter did not move, or every kill that
/// it counted stands in the log and is of others.
fn without_oom(case: &Case<'_>) -> (Vec<Evidence>, bool) {
    let mut evidence = vec![log_evidence(case)];
    let counted_none = case.host_kills.is_some_and(|(from, to)| from == to);
    let counted = case.host_kills.map_or(0, |(from, to)| to.saturating_sub(from));
    let all_told = case.sight.kernel_log.is_ok() && case.kills.len() as u64 >= counted;
    if let Some((from, to)) = case.host_kills {
        let text = match (from == to, all_told) {
            (true, _) => format!("oom_kill of the machine stayed at {to}"),
            (false, true) => format!("oom_kill of the machine {from} -> {to}: others"),
            (false, false) => format!("oom_kill of the machine {from} -> {to}: of whom is not known"),
        };
        evidence.push(Evidence { source: "counters", text });
    }
    (evidence, counted_none || all_told && case.sees_all_numbers)
}

#[cfg(test)]
mod tests;
