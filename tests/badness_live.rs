//! The formula against the kernel that runs: for every process of this machine, what we compute from its files must be
//! what `/proc/PID/oom_score` says, to the digit; and the order that the Monitor gives must be the order of these
//! scores. Processes move while they are read: each has a few tries.

#![allow(clippy::disallowed_methods, reason = "starts processes to look at")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oomtop::monitor::badness::{Parts, badness, oom_score};
use oomtop::monitor::kernel_rules::{KernelRules, KillerRss};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::snapshot::{Fact, Snapshot};
use oomtop::source::Source as _;
use oomtop::source::live::Live;
use oomtop::units::{Pages, ProcessId};

/// Longer than anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Children with every kind of adjustment that anybody may set; each waits for the end of a pipe that only we hold.
struct Family(Vec<Child>);

impl Family {
    fn start() -> Self {
        let child = |adj: i16| {
            let words = format!("echo {adj} > /proc/self/oom_score_adj; exec cat");
            let shell = Command::new("sh").args(["-c", &words]).stdin(Stdio::piped()).spawn();
            shell.expect("sh starts")
        };
        Self([0, 1, 17, 300, 500, 999, 1000].map(child).into())
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn open() -> Live {
    Live::open(Path::new("/proc"), Path::new("/sys")).expect("/proc is there")
}

/// A pass in which everything that decides was read of everyone.
fn look(live: &mut Live) -> Arc<Snapshot> {
    let roster = live.sample(&Needs::default()).expect("sampled").roster.clone();
    live.sample(&Needs { candidates: roster, ..Needs::default() }).expect("sampled")
}

fn of<T: Copy>(facts: &[Fact<T>], id: ProcessId) -> Option<T> {
    let index = facts.binary_search_by_key(&id, |fact| fact.id).ok()?;
    facts[index].reading.ok()
}

/// Machine total, as the kernel counts it for `oom_score`.
fn total(snapshot: &Snapshot, rules: &KernelRules) -> Pages {
    let memory = snapshot.system.expect("looked at the machine").memory;
    let sum = memory.total.expect("MemTotal").saturating_add(memory.swap_total.unwrap_or_default());
    rules.pages(sum)
}

/// The score that we compute from these parts and the one that the kernel told; `None` where it would not be taken, or
/// is gone.
fn scores(snapshot: &Snapshot, id: ProcessId, rules: &KernelRules) -> Option<(Parts, i64, i64)> {
    let (stat, status, statm) = (of(&snapshot.stats, id)?, of(&snapshot.statuses, id)?, of(&snapshot.statms, id)?);
    let told = i64::from(of(&snapshot.oom_scores, id)?);
    let adj = of(&snapshot.adjustments, id)?;
    // 0 is also what a process says that is exempt, dying, or between vfork and exec.
    if told == 0 || status.rss.is_none() {
        return None;
    }
    let parts = Parts {
        rss: if rules.rss == KillerRss::Stat { stat.rss } else { statm.resident },
        swap: status.swap.map(|swap| rules.pages(swap)).unwrap_or_default(),
        page_tables: status.page_tables.map(|tables| rules.pages(tables)).unwrap_or_default(),
        adj,
        administrator: status.capabilities & 1 << 21 != 0,
    };
    let total = total(snapshot, rules);
    Some((parts, oom_score(badness(&parts, total, rules), total, rules.score), told))
}

/// What the looks said of one process.
#[derive(Default)]
struct Tally {
    equal: bool,
    /// How often it differed although it stood still between two looks.
    differed: u32,
    last: Option<Parts>,
}

/// A score differs for good when it differed this often and never agreed: what moves may come back between two looks.
const ENOUGH: u32 = 3;

#[test]
fn badness_is_the_kernels_own_score_for_every_process() {
    let family = Family::start();
    let mut live = open();
    let mut tallies: BTreeMap<ProcessId, Tally> = BTreeMap::new();
    let begin = Instant::now();
    let agreed = |tallies: &BTreeMap<ProcessId, Tally>, child: &Child| {
        tallies.iter().any(|(id, tally)| id.pid.0 == child.id() && tally.equal)
    };
    for look_number in 0.. {
        let snapshot = look(&mut live);
        let rules = KernelRules::of(&snapshot.machine);
        assert!(rules.known, "release {:?}", snapshot.machine.kernel_release);
        for id in &snapshot.roster {
            let Some((parts, ours, kernels)) = scores(&snapshot, *id, &rules) else { continue };
            let tally = tallies.entry(*id).or_default();
            tally.equal |= ours == kernels;
            tally.differed += u32::from(ours != kernels && tally.last == Some(parts));
            tally.last = Some(parts);
        }
        let settled = family.0.iter().all(|child| agreed(&tallies, child));
        if settled && (look_number >= 8 || tallies.values().all(|tally| tally.equal)) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "our own children never scored what we compute");
    }
    let equal = tallies.values().filter(|tally| tally.equal).count();
    println!("{equal} of {} processes score what we compute", tallies.len());
    let off = tallies.iter().filter(|(_, tally)| !tally.equal && tally.differed >= ENOUGH);
    let off: Vec<_> = off.map(|(id, tally)| (id.pid.0, tally.last)).collect();
    assert!(off.is_empty(), "never equal, and they stood still: {off:?}");
}

/// Others move while we look: the order is right in one look of many.
#[test]
fn the_order_of_victims_is_the_order_of_scores() {
    let family = Family::start();
    let mut live = open();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let begin = Instant::now();
    loop {
        let snapshot = look(&mut live);
        let report = monitor.absorb(&snapshot);
        let host = report.host().expect("the machine is a domain");
        let eligible: Vec<_> = host.victims.iter().filter(|victim| victim.immune.is_none()).collect();
        assert!(eligible.is_sorted_by(|a, b| a.badness >= b.badness));
        assert_eq!(host.total_pages, total(&snapshot, monitor.rules()));
        let told: Vec<_> = eligible.iter().filter_map(|victim| of(&snapshot.oom_scores, victim.id)).collect();
        // Rounding and movement are worth one point.
        let sorted = told.is_sorted_by(|a, b| *a + 1 >= *b);
        // Those whose adjustment is more than anybody's size; others may have as much, and only so many are told.
        let children: Vec<_> = family.0.iter().rev().map(Child::id).collect();
        let first: Vec<_> =
            eligible.iter().map(|victim| victim.id.pid.0).filter(|pid| children.contains(pid)).collect();
        if sorted && !first.is_empty() && children.starts_with(&first[..first.len().min(4)]) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "never in order: {told:?}, children {children:?} came as {first:?}");
    }
}

#[test]
fn candidates_are_enough_to_be_certain_here() {
    let mut live = open();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let begin = Instant::now();
    let (mut settled, mut passes) = (0, 0);
    while settled < 6 {
        let needs = Needs { candidates: monitor.candidates(), ..Needs::default() };
        let snapshot = live.sample(&needs).expect("sampled");
        let report = monitor.absorb(&snapshot);
        let host = report.host().expect("the machine is a domain");
        assert!(host.certain || host.doubt.is_some());
        if snapshot.machine.initial_pid_namespace == Some(false) {
            assert!(!host.certain, "others may be outside of this namespace");
            return;
        }
        assert!(host.ranked <= host.candidates && host.candidates > 0);
        let first = host.victims.first().expect("somebody would die");
        // A process amid its exec has pages that the killer's counter does not see yet: zero, and known.
        assert!(first.immune.is_none() && first.rss.is_some(), "{first:?}");
        // Others may be exactly as bad: all of them was read, and only the kernel knows whom it looks at first.
        settled += u32::from(host.certain || host.margin == Some(Pages(0)));
        passes += 1;
        assert!(begin.elapsed() < PATIENCE, "settled in {settled} of {passes} passes: {:?}", host.doubt);
    }
}
