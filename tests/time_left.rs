//! The time until the limit against real growth: a process in a memory cgroup of our own takes memory at a steady rate
//! until the kernel kills it; then every time that was named must have been right, within the larger of a tenth of what
//! was left and two intervals. Takes minutes: `cargo test --test time_left -- --ignored`; needs root and a memory cgroup.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/hog.rs"]
mod hog;
mod require;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use oomtop::monitor::report::WarningState;
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source as _;
use oomtop::source::live::Live;

const MIB: u64 = 1 << 20;

/// When the kernel counted a kill: the victim needs seconds more to give five gigabytes back.
fn watch(counters: &Path) -> Instant {
    let killed = |text: String| text.lines().any(|line| line == "oom_kill 1");
    while !fs::read_to_string(counters).is_ok_and(killed) {
        thread::sleep(Duration::from_millis(10));
    }
    Instant::now()
}

fn growth_of(per_second: u64, limit: u64) {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let Some(program) = hog::compiled() else {
        require::missing("tools", "there is no C compiler");
        return;
    };
    let cgroup = MemoryCgroup::new(&root, &format!("time-left-{per_second}"), Some(limit * MIB)).expect("made");
    let hog = Hog::start(&program);
    cgroup.adopt(hog.pid()).expect("adopted");
    let pid = hog.pid();

    let mut live = Live::open(Path::new("/proc"), Path::new("/sys")).expect("/proc is there");
    let mut monitor = Monitor::new(MonitorConfig::default());
    let begin = Instant::now();
    let counters = cgroup.directory().join(if cgroup.is_v2() { "memory.events" } else { "memory.oom_control" });
    let watching = thread::spawn(move || watch(&counters));
    let growing = thread::spawn(move || hog.grow(per_second));
    let mut told = Vec::new();
    let mut imminent_at = None;
    for second in 1.. {
        let needs = Needs { candidates: monitor.candidates(), ..Needs::default() };
        let report = monitor.absorb(&live.sample(&needs).expect("sampled"));
        let domain = report.domains.iter().find(|domain| *domain.path.0 == *cgroup.path().as_bytes());
        let domain = domain.expect("its cgroup is a domain");
        told.push((Instant::now(), domain.time_left));
        let warns = |row: &&oomtop::monitor::report::ProcessReport| row.warning == WarningState::Imminent;
        if imminent_at.is_none() && report.processes.iter().filter(|row| row.id.pid.0 == pid).any(|row| warns(&row)) {
            imminent_at = Some(Instant::now());
        }
        if watching.is_finished() {
            break;
        }
        thread::sleep((Duration::from_secs(1) * second).saturating_sub(begin.elapsed()));
    }
    let killed = watching.join().expect("watched");
    growing.join().expect("grew");
    let mut named = 0;
    for (at, left) in told.iter().filter(|(at, _)| *at < killed) {
        let truth = killed - *at;
        if at.duration_since(begin) >= Duration::from_secs(20) {
            let left = left.unwrap_or_else(|| panic!("no time named {truth:?} before the kill"));
            let error = left.abs_diff(truth);
            assert!(error <= (truth / 10).max(Duration::from_secs(2)), "{left:?} named {truth:?} before the kill");
            named += 1;
        }
    }
    let ahead = imminent_at.map(|at| killed - at);
    println!("{per_second} MiB/s into {limit} MiB: {named} times named, alarm {ahead:?} before the kill");
    assert!(named > 5 && ahead.is_some_and(|ahead| ahead >= Duration::from_secs(10)), "{named}, {ahead:?}");
}

#[test]
#[ignore = "takes a minute"]
fn one_mebibyte_a_second() {
    growth_of(1, 60);
}

#[test]
#[ignore = "takes a minute"]
fn ten_mebibytes_a_second() {
    growth_of(10, 450);
}

#[test]
#[ignore = "takes a minute and 5 GiB"]
fn a_hundred_mebibytes_a_second() {
    growth_of(100, 5000);
}
