//! The formula against the kernel that runs: for every process of this machine, what we compute from its files must be
//! what `/proc/PID/oom_score` says, to the digit; and the order that the Monitor gives must be the order of these
//! scores. Processes move while they are read: each has a few tries.

#![allow(clippy::disallowed_methods, reason = "starts processes to look at")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use oomtop::monitor::badness::{Parts, badness, oom_score};
use oomtop::monitor::kernel_rules::{KernelRules, KillerRss};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::snapshot::{Fact, Snapshot};
use oomtop::source::Source as _;
use oomtop::source::live::Live;
use oomtop::units::{Pages, ProcessId};

/// Children with every kind of adjustment that anybody may set.
struct Family(Vec<Child>);

impl Family {
    fn start() -> Self {
        let child = |adj: i16| {
            let words = format!("echo {adj} > /proc/self/oom_score_adj; exec sleep 300");
            let shell = Command::new("sh").args(["-c", &words]).stdin(Stdio::null()).spawn();
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

/// The score that we compute and the one that the kernel told; `None` where it would not be taken, or is gone.
fn scores(snapshot: &Snapshot, id: ProcessId, rules: &KernelRules) -> Option<(i64, i64)> {
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
    Some((oom_score(badness(&parts, total, rules), total, rules.score), told))
}

#[test]
fn badness_is_the_kernels_own_score_for_every_process() {
    let _family = Family::start();
    let mut live = open();
    let mut settled: BTreeMap<ProcessId, bool> = BTreeMap::new();
    for _ in 0..8 {
        let snapshot = look(&mut live);
        let rules = KernelRules::of(&snapshot.machine);
        assert!(rules.known, "release {:?}", snapshot.machine.kernel_release);
        for id in &snapshot.roster {
            if let Some((ours, kernels)) = scores(&snapshot, *id, &rules) {
                *settled.entry(*id).or_default() |= ours == kernels;
            }
        }
        if settled.len() >= 7 && settled.values().all(|equal| *equal) {
            break;
        }
    }
    let equal = settled.values().filter(|equal| **equal).count();
    println!("{equal} of {} processes score what we compute", settled.len());
    assert!(settled.len() >= 7, "our own children at least were there");
    let off: Vec<_> = settled.iter().filter(|(_, equal)| !**equal).map(|(id, _)| id.pid.0).collect();
    assert!(off.is_empty(), "never equal in eight looks: {off:?}");
}

#[test]
fn the_order_of_victims_is_the_order_of_scores() {
    let family = Family::start();
    let mut live = open();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut wrong = String::new();
    for _ in 0..8 {
        let snapshot = look(&mut live);
        let report = monitor.absorb(&snapshot);
        let host = report.host().expect("the machine is a domain");
        let eligible: Vec<_> = host.victims.iter().filter(|victim| victim.immune.is_none()).collect();
        assert!(eligible.is_sorted_by(|a, b| a.badness >= b.badness));
        assert_eq!(host.total_pages, total(&snapshot, monitor.rules()));
        let told: Vec<_> = eligible.iter().filter_map(|victim| of(&snapshot.oom_scores, victim.id)).collect();
        // Rounding and movement are worth one point.
        let sorted = told.is_sorted_by(|a, b| *a + 1 >= *b);
        let children: Vec<_> = family.0.iter().rev().map(Child::id).collect();
        let first: Vec<_> =
            eligible.iter().map(|victim| victim.id.pid.0).filter(|pid| children.contains(pid)).collect();
        if sorted && first.starts_with(&children[..5]) && host.certain {
            return;
        }
        wrong = format!("{told:?}, children {children:?} came as {first:?}, {:?} {:?}", host.doubt, host.tied_with);
    }
    panic!("never in order in eight looks: {wrong}");
}

#[test]
fn candidates_are_enough_to_be_certain_here() {
    let mut live = open();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut certain = 0;
    for _ in 0..12 {
        let needs = Needs { candidates: monitor.candidates(), ..Needs::default() };
        let snapshot = live.sample(&needs).expect("sampled");
        let report = monitor.absorb(&snapshot);
        let host = report.host().expect("the machine is a domain");
        assert!(host.certain || host.doubt.is_some());
        assert!(host.ranked <= host.candidates && host.candidates > 0);
        let first = host.victims.first().expect("somebody would die");
        // A process amid its exec has pages that the killer's counter does not see yet: zero, and known.
        assert!(first.immune.is_none() && first.rss.is_some(), "{first:?}");
        certain += u32::from(host.certain);
    }
    assert!(certain >= 6, "certain in {certain} of 12 passes");
}
