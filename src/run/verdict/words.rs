//! The words of a verdict: who somebody is, what it held, what a witness says. Refuses to judge.

use std::time::Duration;

use crate::monitor::label::label;
use crate::post_mortem::words;
use crate::run::go_held::GoHeld;
use crate::run::phase::Phase;
use crate::run::report::{Evidence, Exit, Victim, seconds};
use crate::run::surroundings::CountedKills;
use crate::run::watched::Watched;
use crate::snapshot::process::namespace_above;
use crate::text::printable;
use crate::units::{Bytes, Timestamp, counted};

use super::{Case, logged};

pub(super) fn log_evidence(case: &Case<'_>) -> Evidence {
    let text = match case.sight.kernel_log {
        Ok(()) if logged(case.kills) == 0 => "no OOM kill in it during the run".to_owned(),
        Ok(()) => {
            let whose = if case.may_be_named() { "whether of this run is unknown" } else { "none of this run" };
            format!("{} in it, {whose}", counted(logged(case.kills), ["OOM kill", "OOM kills"]))
        }
        Err(reason) => format!("cannot be read: {}", reason.reason_of_kernel_log()),
    };
    Evidence { source: "kernel log", text }
}

pub(super) fn counter_evidence<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Evidence> + 'a {
    let cgroup = case.cgroup_kills.iter().map(|CountedKills { path, from, to, .. }| Evidence {
        source: "counters",
        text: format!("oom_kill of {} {from} -> {to}", cgroup_name(case, path)),
    });
    // A kill in a cgroup is counted for the machine too.
    let host = case.host_kills.filter(|(from, to)| to > from && case.cgroup_kills.is_none());
    cgroup.chain(
        host.map(|(from, to)| Evidence { source: "counters", text: format!("oom_kill of the machine {from} -> {to}") }),
    )
}

pub(super) fn exit_evidence(process: &Watched) -> Option<Evidence> {
    let text = match (process.killed_by(), process.exit_code()) {
        (Some(signal), _) => format!("{} ended by {}", name(process), signal_name(signal)),
        (None, Some(code)) => format!("{} ended with status {code}", name(process)),
        (None, None) => return None,
    };
    Some(Evidence { source: "exit status", text })
}

/// Where its GOMEMLIMIT left its collector no room: that it may have been slow for it.
pub(super) fn squeeze_evidence(process: &Watched) -> Option<Evidence> {
    process.squeeze.found().map(|squeeze| Evidence { source: "Go runtime", text: squeeze.to_string() })
}

pub(super) fn at_the_limit(cgroup: &str, limit: Option<Bytes>) -> String {
    match limit {
        Some(limit) => format!("at the limit of {cgroup} ({limit})"),
        None => format!("at the limit of {cgroup}"),
    }
}

/// How near it came: by the counter of its cgroup, which has what processes share once, else by the sum of all RSS.
pub(super) fn near(case: &Case<'_>) -> String {
    let of_room = case.room.filter(|room| room.cgroup.is_some()).and_then(|room| {
        let (held, who) = room.peak.map(|peak| (peak, "its cgroup")).or(case.most.map(|most| (most, TOGETHER)))?;
        let cgroup = cgroup_name(case, room.cgroup.as_deref()?);
        let share = held.share_of(room.limit)? * 100.0;
        Some(format!("; {who} held at most {held}, {share:.0}% of the {} of {cgroup}", room.limit))
    });
    let alone = || case.most.map_or_else(String::new, |most| format!("; {TOGETHER} held at most {most}"));
    format!("exit status 0{}", of_room.unwrap_or_else(alone))
}

/// Whose sum of RSS is told.
const TOGETHER: &str = "all of it together";

pub(super) fn cgroup_name(case: &Case<'_>, path: &[u8]) -> String {
    if case.own_cgroup.is_some_and(|own| namespace_above(path, own).is_some()) {
        return "--memory-max".into();
    }
    printable(label(path).as_bytes()).into_owned()
}

/// `a.test 30987`.
pub(super) fn name(process: &Watched) -> String {
    words::name_and_pid(process.name.as_bytes(), process.id.pid)
}

/// `example.com/goleak/a (a.test 30987)`, or what it was doing.
pub(super) fn who(process: &Watched) -> String {
    let name = name(process);
    let role = &process.role;
    let artifact = role.artifact.as_deref().and_then(|path| path.rsplit('/').next());
    match (role.phase, &role.package, artifact) {
        (Phase::Test, Some(package), _) => format!("{} ({name})", printable(package.as_bytes())),
        (Phase::Link, Some(package), _) => format!("the linker of {} ({name})", printable(package.as_bytes())),
        (Phase::Link, None, Some(file)) => format!("the linker of {} ({name})", printable(file.as_bytes())),
        (Phase::Compile, Some(package), _) => format!("the compiler of {} ({name})", printable(package.as_bytes())),
        (Phase::Vet, Some(package), _) => format!("vet of {} ({name})", printable(package.as_bytes())),
        (Phase::Other, Some(package), _) => {
            format!("{name} (a child of the test of {})", printable(package.as_bytes()))
        }
        _ => name,
    }
}

pub(super) fn held(process: &Watched) -> String {
    let Some((peak, source)) = process.peak() else { return format!("what {} held is unknown", name(process)) };
    format!("{} held {peak} at its peak ({}){}", name(process), source.word(), growth(process))
}

/// How it came there.
pub(super) fn growth(process: &Watched) -> String {
    match process.rise().growth {
        Some((took, rate)) if rate.per_second() > 1_048_576.0 => {
            format!(", after growing {rate} for {}", seconds(took))
        }
        _ => String::new(),
    }
}

/// That it was mostly stacks of goroutines, where that is known.
pub(super) fn stacks(case: &Case<'_>, process: &Watched) -> Option<String> {
    let GoHeld { at, heap, stacks } = process.held_in_stacks()?;
    let at = seconds(at.since(case.began));
    Some(format!(
        "at {at} it held {stacks} in goroutine stacks (with the runtime's tables) and {heap} in its heap: \
         goroutines that never end?"
    ))
}

/// For how long it stood there before it was taken.
pub(super) fn stood(case: &Case<'_>, process: &Watched) -> String {
    let stood = process.stood().map(|(from, until)| {
        let [since, to] = [from, until].map(|at| seconds(at.since(case.began)));
        format!("; it stayed there from {since} to {to}{}", meanwhile(case, from, until))
    });
    stood.unwrap_or_default()
}

/// Whether the usage of what limits it was seen at its limit nearly all of that time.
fn meanwhile(case: &Case<'_>, from: Timestamp, until: Timestamp) -> String {
    // Looked at twice a second.
    const NEARLY: Duration = Duration::from_secs(1);
    let full = case.full.filter(|(since, to)| *since <= from.after(NEARLY) && to.after(NEARLY) >= until);
    let cgroup = full.and_then(|_| case.room?.cgroup.as_deref());
    cgroup.map_or_else(String::new, |cgroup| {
        format!(", with the usage of {} (page cache included) at its limit", cgroup_name(case, cgroup))
    })
}

pub(super) fn victim(case: &Case<'_>, process: &Watched) -> Victim {
    Victim {
        id: process.id,
        name: process.name.as_bytes().into(),
        package: process.role.package.clone(),
        test: case.ran_alone(process).map(Into::into),
    }
}

/// Which test ran then, where that was one.
pub(super) fn during(case: &Case<'_>, process: &Watched) -> String {
    case.ran_alone(process).map_or_else(String::new, |test| format!(" while {} ran", printable(test.as_bytes())))
}

pub(super) fn ending(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("ended by {}", signal_name(signal)),
    }
}

/// The name of a signal on Linux, of those that end processes.
pub(super) fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        31 => "SIGSYS",
        number => return format!("signal {number}"),
    };
    name.to_owned()
}
