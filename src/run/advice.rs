//! What to do about the memory of a run, as one decision: at most [`LINES`] lines in the order in which one would try them.
//! First what is wrong, then what lets it fit as it is, then what costs more. Refuses advice that the data of this run does
//! not carry, and two lines of which one says that the other does not help.

use crate::monitor::kill_report::Confidence;
use crate::text::{holds, printable};
use crate::units::Bytes;

use super::phase::Phase;
use super::report::{Advice, Exit, Peak, ProcessLine, Room, RunReport, VerdictKind};
use super::{again, suspect};

/// More than so many nobody tries.
pub const LINES: usize = 3;

/// What would help.
pub(super) fn advise(report: &RunReport, race: bool) -> Vec<Advice> {
    let mut advice: Vec<Advice> = more_room_for_go(report).into_iter().collect();
    match report.verdict.kind {
        VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost => advice.extend(after_a_kill(report, race)),
        VerdictKind::LimitHit => advice.extend(without_a_limit_on_addresses(report)),
        // Where somebody may have been killed no size is called enough.
        VerdictKind::Ok if report.verdict.confidence != Confidence::Certain => {}
        VerdictKind::Ok => match Tight::of(report) {
            Some(tight) => advice.extend(before_a_kill(report, &tight)),
            None => advice.extend(hold_it_there(report)),
        },
        VerdictKind::Failed | VerdictKind::KilledBySignal | VerdictKind::Unknown => {}
    }
    advice.truncate(LINES);
    advice
}

/// Somebody was taken. What it would have come to is not known: nothing here names a size that would be enough. A
/// GOMEMLIMIT for each of several at once is worse than fewer of them.
fn after_a_kill(report: &RunReport, race: bool) -> impl Iterator<Item = Advice> {
    let tight = Tight::after_a_kill(report);
    let fits = tight.as_ref().and_then(|tight| fewer(report, tight));
    let of_go = tight.as_ref().filter(|_| fits.is_none()).and_then(|tight| memory_limit_of_go(report, tight));
    let useless = fits.is_none() && tight.as_ref().is_some_and(|tight| tight.helps_not(report));
    let is_test = victim(report).is_some_and(|victim| victim.phase == Phase::Test);
    let race = (race && is_test).then(|| Advice {
        what: "run without -race where memory is short".into(),
        why: "the race detector makes a test use 5 to 10 times the memory, says its documentation".into(),
        command: again::without_flag(report, "-race"),
    });
    let (first, then) = if is_by_sum(report) { (fits, None) } else { (None, fits) };
    [
        files_on_tmpfs(report),
        first,
        suspect::goroutines(report),
        suspect::advice(report),
        less_to_link(report),
        then,
        race,
        of_go,
        more_to_learn(report, useless),
    ]
    .into_iter()
    .flatten()
}

/// Another one at work held about as much when one was taken: which of them it was is chance.
fn is_by_sum(report: &RunReport) -> bool {
    let Some((victim, (held, _))) = victim(report).and_then(|victim| Some((victim, victim.peak?))) else {
        return false;
    };
    let is_as_big = |other: &ProcessLine| other.peak.is_some_and(|(peak, _)| peak.0 >= held.0 / 4 * 3);
    let Some(end) = victim.ended else { return false };
    let lived = |other: &ProcessLine| other.started < end && other.ended.is_none_or(|ended| ended >= end);
    report.processes.iter().any(|other| other.id != victim.id && works(other) && is_as_big(other) && lived(other))
}

/// It went well and came near the limit: what it needs is known.
fn before_a_kill(report: &RunReport, tight: &Tight<'_>) -> impl Iterator<Item = Advice> {
    let Rounded { size, step } = round_up(Bytes(tight.held.0 / 4 * 5));
    let more = Advice {
        what: format!("a limit of {size}"),
        why: format!(
            "it held {} of {}; a quarter more as margin, rounded up to the next {step}",
            tight.held, tight.limit
        ),
        command: report.room.as_ref().filter(|room| room.is_own).and_then(|_| with_limit(report, size)),
    };
    [files_on_tmpfs(report), fewer(report, tight), Some(more)].into_iter().flatten()
}

fn hold_it_there(report: &RunReport) -> Option<Advice> {
    let peak = report.peak.as_ref().filter(|_| report.budget.is_none())?;
    report.processes.iter().find(|process| process.phase == Phase::Test)?;
    let Rounded { size, step } = round_up(Bytes(peak.total.0 / 5 * 6));
    Some(Advice {
        what: format!("keep it there with a budget of {size}"),
        why: format!("this run held at most {}; a fifth more as margin, rounded up to the next {step}", peak.total),
        command: again::watched(report, &format!("--budget {}", again::for_the_prompt(size))),
    })
}

/// Who was taken.
pub(super) fn victim(report: &RunReport) -> Option<&ProcessLine> {
    let victim = report.verdict.victim.as_ref()?;
    report.processes.iter().find(|process| process.id == victim.id)
}

/// A run that had little room, and how much that was.
struct Tight<'a> {
    peak: &'a Peak,
    /// What it held, without page cache that goes when memory is short.
    held: Bytes,
    /// What there was for it.
    limit: Bytes,
}

impl<'a> Tight<'a> {
    /// Where more than four fifths of a limit were in use.
    fn of(report: &'a RunReport) -> Option<Self> {
        let (room, peak) = (report.room.as_ref().filter(|room| room.cgroup.is_some())?, report.peak.as_ref()?);
        // A counter of a cgroup counts page cache, a sum of RSS counts no files on tmpfs: it needs no more than either.
        let sum = peak.total.saturating_add(room.shmem.unwrap_or_default());
        let held = room.peak.map_or(sum, |counted| counted.min(sum));
        let is_tight = held.share_of(room.limit).is_some_and(|share| share > 0.8);
        is_tight.then_some(Self { peak, held, limit: room.limit })
    }

    /// What there was is what it came to where it was not alone in its cgroup or on the machine.
    fn after_a_kill(report: &'a RunReport) -> Option<Self> {
        let (room, peak) = (report.room.as_ref()?, report.peak.as_ref()?);
        let limit = if room.is_own { room.limit } else { room.limit.min(peak.total) };
        Some(Self { peak, held: peak.total, limit })
    }

    /// What it needs fits, and a quarter more: who was taken would have held more, and no two runs are the same.
    fn fits(&self, needs: Bytes) -> bool {
        needs.0 / 4 * 5 <= self.limit.0
    }

    /// Several worked at once, and one alone needs clearly more than there is: RSS counts pages that no limit counts.
    fn helps_not(&self, report: &RunReport) -> bool {
        at_work(report, self.peak) > 1 && needs(report, 1).0 / 5 * 4 > self.limit.0
    }

    /// What others held when this process held the most. Where it was taken the limit was full: all that was not its own,
    /// and no less than what the others were seen to hold, where its RSS counts pages that the limit does not.
    fn beside(&self, report: &RunReport, process: &ProcessLine) -> Bytes {
        let others = |counts: &dyn Fn(&ProcessLine) -> bool| {
            let holders = self.peak.holders.iter().map(|(place, rss)| (&report.processes[*place], rss));
            Bytes(holders.filter(|(other, _)| other.id != process.id && counts(other)).map(|(_, rss)| rss.0).sum())
        };
        if let (Some(victim), Some((held, _))) = (victim(report), process.peak)
            && victim.id == process.id
        {
            let lived =
                |other: &ProcessLine| other.ended.is_none_or(|ended| victim.ended.is_some_and(|end| ended >= end));
            // What a linker that survived held are mostly pages of files.
            let seen = others(&|other| lived(other) && (other.phase != Phase::Link || works(other)));
            return self.limit.saturating_sub(held).max(seen);
        }
        others(&|_| true)
    }
}

/// Whether less at a time would have fitted: tests of the binary that held the most, else packages.
fn fewer(report: &RunReport, tight: &Tight<'_>) -> Option<Advice> {
    fewer_in_parallel(report, tight).or_else(|| fewer_at_once(report, tight))
}

/// What `-p` counts, and holds memory. Much of what a linker holds are pages of files, which go when memory is short: one
/// that survived is no reason for anything.
fn works(process: &ProcessLine) -> bool {
    match process.phase {
        Phase::Test | Phase::Compile | Phase::Vet => true,
        Phase::Link => matches!(process.exit, Some(Exit::Signal(_))),
        Phase::Go | Phase::Other => false,
    }
}

/// How many of them there were when one was taken, else at the peak.
fn at_work(report: &RunReport, peak: &Peak) -> usize {
    if let Some(end) = victim(report).and_then(|victim| victim.ended) {
        let lived = |process: &&ProcessLine| process.started < end && process.ended.is_none_or(|ended| ended >= end);
        return report.processes.iter().filter(|process| works(process)).filter(lived).count();
    }
    peak.holders.iter().filter(|(place, _)| works(&report.processes[*place])).count()
}

/// What so many of the biggest at once need, with the go command.
fn needs(report: &RunReport, count: usize) -> Bytes {
    let peaks = |wanted: &dyn Fn(&ProcessLine) -> bool| {
        let wanted = report.processes.iter().filter(|process| wanted(process));
        let mut peaks: Vec<u64> = wanted.filter_map(|process| Some(process.peak?.0.0)).collect();
        peaks.sort_unstable_by(|a, b| b.cmp(a));
        peaks
    };
    let go = peaks(&|process| process.phase == Phase::Go).first().copied().unwrap_or_default();
    Bytes(peaks(&works).iter().take(count).sum::<u64>() + go)
}

/// Whether `-p` with a smaller number would have fitted: the biggest of those that ran at the peak, and the go command.
fn fewer_at_once(report: &RunReport, tight: &Tight<'_>) -> Option<Advice> {
    let together = at_work(report, tight.peak);
    let count = (1..together).rev().find(|count| tight.fits(needs(report, *count)))?;
    let who = if count == 1 { "the biggest".to_owned() } else { format!("the {count} biggest") };
    Some(Advice {
        what: if count == 1 { "one package at a time".into() } else { format!("{count} packages at a time") },
        command: again::with_flag(report, "-p", &count.to_string()),
        why: format!(
            "{together} ran together; {who} and go need {}{} of {}",
            at_least(report),
            needs(report, count),
            tight.limit
        ),
    })
}

/// Whether `-parallel` with a smaller number would have fitted: of the tests that ran when their binary held the most. What
/// each of them held nobody knows; that they hold alike is said to be supposed.
fn fewer_in_parallel(report: &RunReport, tight: &Tight<'_>) -> Option<Advice> {
    let binary = match victim(report) {
        Some(victim) => Some(victim).filter(|victim| victim.phase == Phase::Test),
        None => report.processes.iter().find(|process| process.phase == Phase::Test),
    }?;
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
    let rest = before.saturating_add(tight.beside(report, binary));
    let needs = |fewer: u64| Bytes(growth.0 / count * fewer).saturating_add(rest);
    let fewer = (1..count).rev().find(|fewer| tight.fits(needs(*fewer)))?;
    Some(Advice {
        what: if fewer == 1 { "one test at a time".into() } else { format!("{fewer} tests of a package at a time") },
        command: again::with_flag(report, "-parallel", &fewer.to_string()),
        why: format!(
            "{count} tests of {} ran together when it held {most}, {growth} more than before them; if they hold alike, \
             {fewer} at once need {}{} of {}",
            printable(package.as_bytes()),
            at_least(report),
            needs(fewer),
            tight.limit
        ),
    })
}

/// Whoever was taken would have held more.
fn at_least(report: &RunReport) -> &'static str {
    if report.verdict.victim.is_some() { "at least " } else { "" }
}

fn files_on_tmpfs(report: &RunReport) -> Option<Advice> {
    let room = report.room.as_ref()?;
    let shmem = room.shmem.filter(|shmem| shmem.0 > room.limit.0 / 10)?;
    Some(Advice {
        what: "put temporary files on a disk (TMPDIR)".into(),
        why: format!(
            "{shmem} of the {} are shared memory: files on tmpfs, or what processes share without a file",
            room.limit
        ),
        command: again::with_variable(report, "TMPDIR", "TMPDIR=/var/tmp"),
    })
}

/// A linker was taken. `go test` itself asks it for no debug information, unless it keeps the binary or writes a profile
/// (cmd/go/internal/load/test.go `OmitDebug`); whoever gives the linker flags of his own adds it there.
fn less_to_link(report: &RunReport) -> Option<Advice> {
    let taken = victim(report).filter(|victim| victim.phase == Phase::Link)?;
    let (held, _) = taken.peak?;
    let is_of_it = |process: &&ProcessLine| process.phase == Phase::Link && process.artifact == taken.artifact;
    let of_it = report.processes.iter().filter(is_of_it);
    let mut flags = of_it.flat_map(|linker| linker.command.split(|byte| *byte == b' ')).skip(1).peekable();
    flags.peek()?;
    if flags.any(|flag| matches!(flag, b"-w" | b"-s" | b"-w=true" | b"-s=true")) {
        return None;
    }
    let gives_flags = report.command.iter().any(|word| holds(word, b"ldflags"));
    Some(Advice {
        what: "link without debug information (-ldflags=-w)".into(),
        why: format!("the linker held {held} when it was killed"),
        command: if gives_flags { None } else { again::with_flag(report, "-ldflags", "-w") },
    })
}

/// GOMEMLIMIT makes the collector work harder near it: it helps where garbage, not live data, filled the limit. Where one
/// was in use, that is known; stacks are no garbage.
fn memory_limit_of_go(report: &RunReport, tight: &Tight<'_>) -> Option<Advice> {
    let is_heap_of_test = |victim: &&ProcessLine| victim.phase == Phase::Test && victim.held_in_stacks.is_none();
    let process = victim(report).filter(is_heap_of_test)?;
    let (held, _) = process.peak?;
    let share = Bytes(tight.limit.saturating_sub(tight.beside(report, process)).0 / 10 * 9);
    let in_vain = |tried: Bytes, why: String| Advice {
        what: format!("use less memory: the GOMEMLIMIT of {tried} did not help"),
        why,
        command: None,
    };
    match (process.squeeze, process.go_memory_limit) {
        (Some(squeeze), _) => return Some(in_vain(squeeze.limit, squeeze.to_string())),
        (None, Some(tried)) if held > tried => {
            let why = format!("it held {held}: what is above the limit was in use, or not Go heap");
            return Some(in_vain(tried, why));
        }
        // A little less is no other try.
        (None, Some(tried)) if share.0 > tried.0 / 4 * 3 => return None,
        (None, _) => {}
    }
    // Above what it held it would change nothing, far below it the collector would run all the time.
    (share < held && share.0 > held.0 / 2).then(|| Advice {
        what: "let the collector free garbage before the limit is reached".into(),
        command: again::with_memory_limit(report, share),
        why: format!(
            "with a GOMEMLIMIT of {}; if it is killed again, most of the {held} was in use, or not Go heap",
            Bytes(share.0 >> 20 << 20)
        ),
    })
}

/// A bigger limit, to see how much it needs.
fn more_to_learn(report: &RunReport, fewer_is_useless: bool) -> Option<Advice> {
    let room = report.room.as_ref()?;
    let twice = Bytes(room.limit.0.saturating_mul(2));
    let what = match room {
        Room { cgroup: None, .. } => "a machine with more memory, or swap".to_owned(),
        _ => format!("a limit of {twice}, to see how much it needs"),
    };
    let growing = victim(report).filter(|victim| !victim.stood).and_then(|victim| victim.growth).map_or_else(
        String::new,
        |(_, rate)| {
            if rate.per_second() > 1_048_576.0 { format!(" while it grew {rate}") } else { String::new() }
        },
    );
    let fewer = if fewer_is_useless { "; fewer at once would not have helped" } else { "" };
    Some(Advice {
        what,
        why: format!("it was cut off{growing}: how much is enough is unknown{fewer}"),
        command: if room.is_own { with_limit(report, twice) } else { None },
    })
}

/// The same in a cgroup with this limit.
fn with_limit(report: &RunReport, limit: Bytes) -> Option<String> {
    again::watched(report, &format!("--memory-max {}", again::for_the_prompt(limit)))
}

/// A limit on address space (`ulimit -v`) is no limit on memory.
fn without_a_limit_on_addresses(report: &RunReport) -> Option<Advice> {
    let process = victim(report)?;
    let held = process.peak.map_or_else(String::new, |(peak, _)| format!(", it held {peak} of memory"));
    Some(Advice {
        what: "no ulimit -v; oomtop run --memory-max SIZE limits the memory really used".into(),
        command: None,
        why: format!("{} ran out of address space{held}; Go reserves far more of it than it uses", process.subject()),
    })
}

/// A GOMEMLIMIT so near to what is live makes the collector run all the time and gains nothing.
fn more_room_for_go(report: &RunReport) -> Option<Advice> {
    // Where somebody was taken there was too little for all: to give more to one of them is no help.
    if matches!(report.verdict.kind, VerdictKind::OomKilledCgroup | VerdictKind::OomKilledHost) {
        return None;
    }
    let squeezed = report.processes.iter().filter_map(|process| Some((process, process.squeeze?)));
    let (process, squeeze) = squeezed.max_by_key(|(_, squeeze)| squeeze.time)?;
    let Rounded { size, .. } = round_up(Bytes(squeeze.live.0.max(squeeze.limit.0) / 2 * 3));
    let room = report.room.as_ref().filter(|room| room.cgroup.is_some() && size.0 > room.limit.0 / 10 * 9);
    Some(Advice {
        what: match room {
            Some(room) => format!("more memory than {}, or use less: GOMEMLIMIT cannot do it", room.limit),
            None => format!("a GOMEMLIMIT of {}MiB or more", size.0 >> 20),
        },
        command: if room.is_none() { again::with_memory_limit(report, size) } else { None },
        why: format!("{}: {squeeze}; that may have made it slow", process.subject()),
    })
}

/// A size as a person writes it.
struct Rounded {
    size: Bytes,
    step: Bytes,
}

/// To a step that is at most an eighth of it, a power of two.
fn round_up(bytes: Bytes) -> Rounded {
    let mut step = 1_u64 << 20;
    while step.saturating_mul(16) < bytes.0 {
        step = step.saturating_mul(2);
    }
    Rounded { size: Bytes(bytes.0.div_ceil(step).saturating_mul(step)), step: Bytes(step) }
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
