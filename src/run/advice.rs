//! What the numbers of a run advise: fewer packages at once, a limit that fits, GOMEMLIMIT, a budget. Refuses advice that
//! the data of this run does not carry.

use std::time::Duration;

use crate::units::Bytes;

use super::per_test::TestMemory;
use super::phase::Phase;
use super::report::{Advice, ProcessLine, RunReport, VerdictKind};

/// Compares what was held with what was promised.
pub(super) fn check_budget(report: &mut RunReport) {
    let Some(mut budget) = report.budget.take() else { return };
    if let (Some(limit), Some(peak)) = (budget.tree, &report.peak)
        && peak.total > limit
    {
        budget.exceeded.push(format!("the whole tree held {}, the budget is {limit}", peak.total));
    }
    if let Some(limit) = budget.per_test {
        let over = if report.tests.is_empty() { binaries_over(report, limit) } else { tests_over(report, limit) };
        let rest = over.len().saturating_sub(NAMED);
        budget.exceeded.extend(over.into_iter().take(NAMED));
        if rest > 0 {
            budget.exceeded.push(format!("so did {rest} others"));
        }
    }
    report.budget = Some(budget);
}

/// Who exceeds a budget is named, up to so many.
const NAMED: usize = 20;

fn binaries_over(report: &RunReport, limit: Bytes) -> Vec<String> {
    let binaries = report.processes.iter().filter(|process| process.phase == Phase::Test);
    let over = binaries.filter_map(|process| Some((process, process.peak?.0))).filter(|(_, peak)| *peak > limit);
    over.map(|(process, peak)| format!("{} held {peak}, the budget of each test binary is {limit}", process.subject()))
        .collect()
}

/// A test above a test that exceeds it says nothing more.
fn tests_over(report: &RunReport, limit: Bytes) -> Vec<String> {
    let mut over: Vec<_> = report.tests.iter().filter(|test| test.peak.is_some_and(|peak| peak > limit)).collect();
    let all = over.clone();
    over.retain(|test| !all.iter().any(|other| other.is_below(test)));
    over.sort_by_key(|test| std::cmp::Reverse(test.peak));
    let sentence = |test: &&TestMemory| {
        let beside = match test.beside.len() {
            0 => String::new(),
            1 => " with another beside it".into(),
            count => format!(" with {count} others beside it"),
        };
        let peak = test.peak.unwrap_or_default();
        format!("{} held {peak} while {}{beside} ran, the budget of each test is {limit}", test.package, test.test)
    };
    over.iter().map(sentence).collect()
}

/// What would help.
pub(super) fn advise(report: &RunReport, race: bool) -> Vec<Advice> {
    let mut advice = Vec::new();
    let oom = matches!(report.verdict.kind, VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost);
    let limit = report.room.as_ref().filter(|room| oom || room.cgroup.is_some()).map(|room| room.limit);
    let tight = oom || is_tight(report);
    if let Some(limit) = limit.filter(|_| tight) {
        advice.extend(fewer_at_once(report, limit));
        advice.extend(fewer_in_parallel(report, limit));
        advice.extend(a_limit_that_fits(report, limit));
        advice.extend(memory_limit_of_go(report, limit));
        if let Some(shmem) = report.room.as_ref().and_then(|room| room.shmem).filter(|shmem| shmem.0 > limit.0 / 10) {
            advice.push(Advice {
                what: "put temporary files on a disk: set TMPDIR or GOTMPDIR".into(),
                why: format!("{shmem} of the {limit} are files on tmpfs, which count as memory"),
            });
        }
        if race {
            advice.push(Advice {
                what: "run without -race where memory is short".into(),
                why: "the race detector makes a test hold 5 to 10 times as much (its own documentation says so)".into(),
            });
        }
        // Much of what a linker holds are pages of the file that it writes, which go when memory is short.
        let top = report.processes.iter().find(|process| process.phase == Phase::Link).filter(|_| oom);
        if let Some(peak) = top.and_then(|linker| linker.peak).map(|(peak, _)| peak).filter(|peak| peak.0 > limit.0 / 2)
        {
            advice.push(Advice {
                what: "build with less to link: -ldflags=-w, or fewer packages at once (-p 1)".into(),
                why: format!("a linker alone held {peak} of the {limit}"),
            });
        }
    }
    advice.extend(more_room_for_go(report));
    if report.verdict.kind == VerdictKind::Ok
        && report.budget.is_none()
        && let Some(peak) = &report.peak
        && report.processes.iter().any(|process| process.phase == Phase::Test)
    {
        let budget = round_up(Bytes(peak.total.0 / 5 * 6));
        advice.push(Advice {
            what: format!("hold it there: oomtop run --budget {budget}"),
            why: format!("this run held {} at the most, a fifth is left for bad days", peak.total),
        });
    }
    advice
}

fn is_tight(report: &RunReport) -> bool {
    let (Some(room), Some(peak)) = (&report.room, &report.peak) else { return false };
    room.peak.unwrap_or(peak.total).share_of(room.limit).is_some_and(|share| share > 0.8)
}

/// Whether `-p` with a smaller number would have fitted: the biggest of those that ran at the peak, and the go command.
fn fewer_at_once(report: &RunReport, limit: Bytes) -> Option<Advice> {
    let working =
        |process: &&ProcessLine| matches!(process.phase, Phase::Test | Phase::Link | Phase::Compile | Phase::Vet);
    let holders = report.peak.as_ref()?.holders.iter().map(|(place, _)| &report.processes[*place]);
    let together = holders.filter(working).count();
    if together < 2 {
        return None;
    }
    let sizes = |wanted: &dyn Fn(&&ProcessLine) -> bool| {
        let mut sizes: Vec<Bytes> =
            report.processes.iter().filter(wanted).filter_map(|process| Some(process.peak?.0)).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    };
    let rest: Bytes = sizes(&|process| process.phase == Phase::Go).first().copied().unwrap_or_default();
    let biggest = sizes(&working);
    let needs = |count: usize| Bytes(biggest.iter().take(count).map(|peak| peak.0).sum::<u64>().saturating_add(rest.0));
    let fits = (1..together).rev().find(|count| needs(*count) <= limit);
    // Whoever was taken would have held more.
    let at_least = if report.verdict.victim.is_some() { "at least " } else { "" };
    Some(match fits {
        Some(count) => Advice {
            what: format!("go test -p {count}"),
            why: {
                let biggest = if count == 1 { "the biggest".to_owned() } else { format!("the {count} biggest") };
                format!("{biggest} and go need {at_least}{} of {limit}; {together} ran at the peak", needs(count))
            },
        },
        None => Advice {
            what: "more memory: fewer packages at once do not help".into(),
            why: format!("-p 1 would have needed {at_least}{} of {limit}", needs(1)),
        },
    })
}

/// Whether `-parallel` with a smaller number would have fitted: of the tests that ran when their binary held the most. What
/// each of them held nobody knows; that they hold alike is said to be supposed.
fn fewer_in_parallel(report: &RunReport, limit: Bytes) -> Option<Advice> {
    let is_victim = |process: &&ProcessLine| {
        let victim = report.verdict.victim.as_ref();
        process.phase == Phase::Test && victim.is_none_or(|victim| victim.pid == process.id.pid)
    };
    let binary = report.processes.iter().find(is_victim)?;
    let package = binary.package.as_deref()?;
    let of_binary = || report.tests.iter().filter(|test| &*test.package == package);
    let most = of_binary().filter_map(|test| test.peak).max()?;
    // What a binary holds is noted for all that run: those with the same peak ran then.
    let at_the_most: Vec<_> = of_binary().filter(|test| test.peak == Some(most)).collect();
    let together: Vec<_> =
        at_the_most.iter().filter(|test| !at_the_most.iter().any(|other| other.is_below(test))).collect();
    let before = together.iter().filter_map(|test| test.before).min()?;
    let (count, growth) = (together.len() as u64, most.saturating_sub(before));
    if count < 2 || growth.0 < most.0 / 4 {
        return None;
    }
    let others: u64 = {
        let holders = &report.peak.as_ref()?.holders;
        holders.iter().filter(|(place, _)| report.processes[*place].id != binary.id).map(|(_, rss)| rss.0).sum()
    };
    let needs =
        |count_then: u64| Bytes(growth.0 / count * count_then).saturating_add(before).saturating_add(Bytes(others));
    let fits = (1..count).rev().find(|fewer| needs(*fewer) <= limit)?;
    let at_least = if report.verdict.victim.is_some() { "at least " } else { "" };
    Some(Advice {
        what: format!("go test -parallel {fits}"),
        why: format!(
            "{count} tests of {package} ran together when it held {most}, {growth} more than before them; if they hold \
             alike, {fits} at once need {at_least}{} of {limit}",
            needs(fits)
        ),
    })
}

fn a_limit_that_fits(report: &RunReport, limit: Bytes) -> Option<Advice> {
    // What the counter of a cgroup of its own says is exact; a sum of RSS counts some pages twice.
    let most = report.room.as_ref()?.peak.map_or_else(|| report.peak.as_ref().map(|peak| peak.total), Some)?;
    let fits = round_up(Bytes(most.0 / 4 * 5));
    (fits > limit).then(|| Advice {
        what: format!("a limit of {fits} or more"),
        why: match report.verdict.victim {
            Some(_) => format!("all of it held {most} when it was cut off; what it would have come to is not known"),
            None => format!("all of it held {most} at the most"),
        },
    })
}

/// GOMEMLIMIT makes the collector work harder near it: it helps where garbage, not live data, filled the limit.
fn memory_limit_of_go(report: &RunReport, limit: Bytes) -> Option<Advice> {
    let victim = report.verdict.victim.as_ref()?;
    let could_use_one = |process: &&ProcessLine| {
        process.id.pid == victim.pid && process.phase == Phase::Test && process.squeeze.is_none()
    };
    let process = report.processes.iter().find(could_use_one)?;
    let (took, rate) = process.growth?;
    let others: u64 = {
        let holders = &report.peak.as_ref()?.holders;
        holders.iter().filter(|(place, _)| report.processes[*place].id != process.id).map(|(_, rss)| rss.0).sum()
    };
    let share = Bytes(limit.0.saturating_sub(others) / 10 * 9);
    (took > Duration::from_millis(200) && share.0 > limit.0 / 4).then(|| Advice {
        what: format!("GOMEMLIMIT={}MiB, or oomtop run --gomemlimit auto", share.0 >> 20),
        why: format!(
            "if what grew {rate} is garbage the collector gives it back before the limit; data in use stays \
             (oomtop shows live and free heap while it runs)"
        ),
    })
}

/// A GOMEMLIMIT so near to what is live makes the collector run all the time and gains nothing.
fn more_room_for_go(report: &RunReport) -> Option<Advice> {
    let squeezed = report.processes.iter().filter_map(|process| Some((process, process.squeeze?)));
    let (process, squeeze) = squeezed.max_by_key(|(_, squeeze)| squeeze.time)?;
    let fits = round_up(Bytes(squeeze.live.0.max(squeeze.limit.0) / 2 * 3));
    let room = report.room.as_ref().filter(|room| room.cgroup.is_some() && fits.0 > room.limit.0 / 10 * 9);
    Some(Advice {
        what: match room {
            Some(room) => format!("more memory than {}, or hold less: GOMEMLIMIT cannot do it", room.limit),
            None => format!("a GOMEMLIMIT of {}MiB or more", fits.0 >> 20),
        },
        why: format!("{}: {squeeze}; that may have made it slow", process.subject()),
    })
}

/// To the next step of a person: 1, 1.25, 1.5, 1.75 of a power of two.
fn round_up(bytes: Bytes) -> Bytes {
    let mut step = 1_u64 << 20;
    while step.saturating_mul(8) < bytes.0 {
        step = step.saturating_mul(2);
    }
    Bytes(bytes.0.div_ceil(step).saturating_mul(step))
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
