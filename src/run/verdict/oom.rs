//! Whom the kernel's OOM killer took, and by whose limit: as its log names them, else as counters say. Refuses to take one for
//! another who had the number before or after.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::monitor::kill_report::Confidence;
use crate::monitor::label::label;
use crate::oom_log::Domain;
use crate::post_mortem::{self, Story};
use crate::run::command;
use crate::run::phase::Phase;
use crate::run::report::{Evidence, Exit, Verdict, VerdictKind};
use crate::run::surroundings::DIES;
use crate::run::watched::Watched;
use crate::snapshot::process::namespace_above;
use crate::text::printable;
use crate::units::{Bytes, ProcessId, Timestamp};

use super::signals::sent;
use super::words::{
    at_the_limit, cgroup_name, counter_evidence, during, exit_evidence, growth, held, log_evidence, name, stood,
    victim, who,
};
use super::{Case, SIGKILL};

/// A kill that the kernel's log told of.
#[derive(Clone, Debug)]
pub(in crate::run) struct Kill {
    pub story: Story,
    /// From when to when the pass took in which the log had it. Who was missing in it is dated by its begin.
    pub pass: (Timestamp, Timestamp),
}

impl Kill {
    /// To write of it, and to give back what a victim held, takes the kernel a while.
    const TAKES: Duration = Duration::from_secs(2);

    /// Whether it may have been the one that was killed: it was there then, did not live on, and ended by no status of its
    /// own and by no other signal.
    fn may_be_of(&self, process: &Watched, by_number: bool) -> bool {
        let (began, ended) = self.pass;
        let was_there = process.first_seen <= ended.after(Self::TAKES)
            && process.ended.is_none_or(|gone| gone.after(Self::TAKES) >= began);
        let was_killed = process.killed_by() == Some(SIGKILL);
        let takes_long = by_number && was_killed && self.name_for(process).is_none_or(|is_same| is_same);
        let lived_on = process.last_seen > ended.after(Self::TAKES) && !takes_long;
        was_there && !lived_on && (was_killed || process.exit().is_none())
    }

    /// Whether it names a number that one of ours had whose end nobody told: then it may have been that one, whenever the log
    /// came to be read.
    pub(super) fn may_be_of_ours(&self, case: &Case<'_>) -> bool {
        let mut named = self.story.episode.victims.iter().map(|victim| victim.tgid.unwrap_or(victim.pid));
        let is_open = |pid| case.processes.iter().any(|process| process.id.pid == pid && process.exit().is_none());
        case.sees_all_numbers && named.any(is_open)
    }

    /// Who of a run was taken, with what it held then.
    fn taken<'a>(&self, case: &Case<'a>) -> Vec<(&'a Watched, Option<Bytes>)> {
        let there = || case.processes.iter().rev().filter(|process| self.may_be_of(process, case.sees_all_numbers));
        let found = self.story.episode.victims.iter().filter_map(|victim| {
            let process = if case.sees_all_numbers {
                let pid = victim.tgid.unwrap_or(victim.pid);
                there().find(|process| process.id.pid == pid)
            } else {
                // A name alone is that of many on a machine: where our cgroups count kills, they must have counted one.
                let name = victim.name.filter(|_| case.cgroup_kills.is_some() || !case.cgroups_count)?;
                there().find(|process| process.name.as_bytes() == name.as_bytes())
            };
            Some((process?, victim.rss()))
        });
        found.collect()
    }

    /// Whether the name that the log has for this number is the one that we know; `None` where it has none.
    fn name_for(&self, process: &Watched) -> Option<bool> {
        let mut victims = self.story.episode.victims.iter();
        let victim = victims.find(|victim| victim.tgid.unwrap_or(victim.pid) == process.id.pid)?;
        Some(victim.name?.as_bytes() == process.name.as_bytes())
    }

    /// What the log says of it. Our own cgroup has a name that only we know, and a better one.
    fn in_the_log(&self, case: &Case<'_>) -> String {
        let said = post_mortem::words::headline(&self.story);
        let Some(Domain::Cgroup(Some(path))) = &self.story.episode.domain else { return said };
        let (known, ours) = (printable(label(path).as_bytes()).into_owned(), cgroup_name(case, path));
        if known == ours { said } else { said.replace(&format!("memory cgroup {known}"), &ours) }
    }
}

/// How many were killed, as the kernel's log says: each has its record, as each is counted. Of an OOM with nobody to kill it
/// writes too.
pub(in crate::run) fn logged(kills: &[Kill]) -> usize {
    kills.iter().map(|kill| kill.story.episode.victims.len()).sum()
}

/// The kernel's log names one of ours.
pub(super) fn named_by_the_kernel(case: &Case<'_>) -> Option<Verdict> {
    let mut of_ours = case.kills.iter().map(|kill| (kill, kill.taken(case))).filter(|(_, taken)| !taken.is_empty());
    let (kill, taken) = of_ours.next()?;
    let (process, held) = *taken.first()?;
    // The one that was chosen for its group is logged twice.
    let all: BTreeSet<ProcessId> =
        taken.iter().copied().chain(of_ours.flat_map(|(_, taken)| taken)).map(|(process, _)| process.id).collect();

    let episode = &kill.story.episode;
    let (kind, limit) = match &episode.domain {
        Some(Domain::Host) => (VerdictKind::OomKilledHost, "because the machine was out of memory".to_owned()),
        Some(Domain::Cgroup(path)) => {
            let name = path.as_deref().map_or_else(|| "its cgroup".to_owned(), |path| cgroup_name(case, path));
            let limit = episode.counters.memory.and_then(|memory| memory.limit);
            (VerdictKind::OomKilledCgroup, at_the_limit(&name, limit))
        }
        None => (VerdictKind::OomKilledCgroup, "at a limit that the log does not name".to_owned()),
    };
    let survived = survived(case);
    let more = match all.len() - 1 {
        0 => String::new(),
        count => format!("; {count} more {} killed", if count == 1 { "was" } else { "were" }),
    };
    let mut tale = Vec::new();
    if let Some(held) = held {
        tale.push(format!(
            "{} held {held} when it was killed{}{}",
            name(process),
            growth(process),
            stood(case, process)
        ));
    }
    tale.push(format!("why this one: {}", post_mortem::words::why(&kill.story)));
    if let Some(usage) = post_mortem::words::usage(&kill.story) {
        tale.push(usage);
    }

    let mut evidence = vec![Evidence { source: "kernel log", text: kill.in_the_log(case) }];
    evidence.extend(counter_evidence(case));
    evidence.extend(exit_evidence(process));
    let is_same = if case.sees_all_numbers { kill.name_for(process) } else { None };
    let confidence = match is_same {
        Some(true) if episode.domain.is_some() && !episode.mixed => Confidence::Certain,
        // The number may have been somebody else's before. That it was killed too speaks for an exec that was not seen.
        Some(false) if process.killed_by().is_none() => Confidence::Guess,
        _ => Confidence::Likely,
    };
    let perhaps = if confidence == Confidence::Guess { "perhaps " } else { "" };
    Some(Verdict {
        kind,
        confidence,
        summary: format!(
            "{} was {perhaps}killed by the OOM killer{}, {limit}{more}{survived}",
            who(process),
            during(case, process)
        ),
        story: tale,
        evidence,
        victim: Some(victim(case, process)),
    })
}

fn survived(case: &Case<'_>) -> &'static str {
    if case.went_well() { "; the command went on and succeeded" } else { "" }
}

/// No record names anybody, but a counter rose.
pub(super) fn counted(case: &Case<'_>) -> Option<Verdict> {
    let kills = case.cgroup_kills.as_ref()?;
    let is_own = case.own_cgroup.is_some_and(|own| namespace_above(&kills.path, own).is_some());
    let may_be_it = |process: &&Watched| process.killed_by() == Some(SIGKILL) && !ended_before(case, process);
    let mut dead: Vec<&Watched> = case.processes.iter().filter(may_be_it).collect();
    dead.sort_by_key(|process| std::cmp::Reverse(process.peak().map(|(peak, _)| peak)));
    // A cgroup above us counts the kills of others too.
    let failed = case.exit.is_some_and(|exit| exit != Exit::Code(0));
    let may_be_unseen = case.sight.exit_records.is_err() && sent(case).is_none() && failed;
    let vanished = vanished_as_counted(case).filter(|_| dead.is_empty() && sent(case).is_none());
    if dead.is_empty() && !is_own && !may_be_unseen && vanished.is_none() {
        return None;
    }
    // The kernel counts at the victim's cgroup and at all above it, whoever was full (memcg_memory_event_mm): a kill for
    // the whole machine too.
    let limit = match &case.ran_full {
        Some(full) => at_the_limit(&cgroup_name(case, &full.path), Some(full.limit)),
        None if !case.sees_all_cgroups => {
            "because the machine was out of memory or at a limit that cannot be seen from here".to_owned()
        }
        None if case.room.is_some_and(|room| room.cgroup.is_some()) => {
            "because the machine was out of memory (no limit that applies to it was reached)".to_owned()
        }
        None => "because the machine was out of memory (no limit applies to it)".to_owned(),
    };
    let is_limit_known =
        case.ran_full.as_ref().map_or(case.sees_all_cgroups, |full| full.is_told || full.path == kills.path);
    let taken = |process: &Watched| format!("{} was killed by the OOM killer{}", who(process), during(case, process));
    let (summary, confidence) = match (dead.as_slice(), vanished) {
        ([], Some(one)) => {
            let gone = "it was gone when the kill was counted";
            (format!("{}, {limit}: {gone}{}", taken(one), survived(case)), Confidence::Guess)
        }
        ([], None) => {
            (format!("the OOM killer killed a process of this run, {limit}; which one is unknown"), Confidence::Guess)
        }
        ([one], _) if case.stranger_left || kills.is_shared || ended_later(case, one) => (
            format!(
                "{} was killed{}, perhaps by the OOM killer, {limit}: a kill was counted, of which process is unknown",
                who(one),
                during(case, one)
            ),
            Confidence::Guess,
        ),
        ([one], _) if is_limit_known => (format!("{}, {limit}", taken(one)), Confidence::Likely),
        ([one], _) if case.ran_full.is_none() => (format!("{}, {limit}", taken(one)), Confidence::Guess),
        ([one], _) => (format!("{}, {limit} or because the machine was out of memory", taken(one)), Confidence::Guess),
        ([one, ..], _) => (
            format!("the OOM killer killed one of those that got SIGKILL, perhaps {}, {limit}", who(one)),
            Confidence::Guess,
        ),
    };
    let taken = dead.first().copied().or(vanished);
    let mut evidence: Vec<Evidence> = counter_evidence(case).collect();
    if case.stranger_left {
        let text = "a process in it that is not part of this run was gone then too".to_owned();
        evidence.push(Evidence { source: "cgroup.procs", text });
    }
    if let Some(full) = case.ran_full.as_ref().filter(|full| full.is_told) {
        let text = format!("oom of {} rose: it was at its limit", cgroup_name(case, &full.path));
        evidence.push(Evidence { source: "counters", text });
    }
    evidence.extend(taken.and_then(exit_evidence));
    evidence.push(log_evidence(case));
    Some(Verdict {
        kind: if case.ran_full.is_some() { VerdictKind::OomKilledCgroup } else { VerdictKind::OomKilledHost },
        confidence,
        summary,
        story: taken.map(|process| held(process) + &stood(case, process)).into_iter().collect(),
        evidence,
        victim: taken.map(|process| victim(case, process)),
    })
}

/// The kernel counts a kill before it sends the signal: who was gone at the look before the first was counted was not taken.
fn ended_before(case: &Case<'_>, process: &Watched) -> bool {
    case.none_counted.is_some_and(|until| process.ended.is_some_and(|ended| ended < until))
}

/// Nobody takes so long to die as it lived on after the last kill was counted.
fn ended_later(case: &Case<'_>, process: &Watched) -> bool {
    case.counted.is_some_and(|(_, after)| process.ended > Some(after.after(DIES)))
}

/// Whom nobody told the end of, and who was met no more after the look before the lowest cgroup had counted a kill (it
/// may have been seen a moment before that look): of several the biggest. The
/// go command lasts as long as what it runs, and goes with it. Where all ended well, it must have been the biggest of those
/// that were there (mm/oom_kill.c oom_badness), and none that the go command would have failed for.
fn vanished_as_counted<'a>(case: &Case<'a>) -> Option<&'a Watched> {
    let (before, after) = case.counted?;
    let peak = |process: &&Watched| process.peak().map(|(peak, _)| peak);
    let (vanished, others): (Vec<&Watched>, Vec<&Watched>) =
        case.processes.iter().filter(|process| process.ended.is_none_or(|ended| ended > before)).partition(|process| {
            let is_gone = process.ended.is_some_and(|ended| ended <= after.after(DIES));
            is_gone && process.exit().is_none() && process.role.phase != Phase::Go
        });
    if !case.went_well() {
        return vanished.into_iter().max_by_key(peak);
    }
    let by_go = command(case.processes).is_some_and(|command| command.role.phase == Phase::Go);
    let biggest =
        vanished.into_iter().filter(|process| !by_go || process.role.phase == Phase::Other).max_by_key(peak)?;
    let survived = others.iter().filter(|process| process.first_seen <= after).filter_map(peak).max();
    (peak(&biggest) >= survived).then_some(biggest)
}
