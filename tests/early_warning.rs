//! Warnings against the real thing: processes that grow into the limit of a small memory cgroup must have been told
//! before the kernel takes them, and the saw tooth of a real garbage collector that never comes near its limit must name
//! no time. `OOMTOP_WARNING_ROUNDS=10` and `OOMTOP_SAW_SECONDS=300` make longer runs of the same; both print what they
//! measured (`-- --nocapture`).

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/hog.rs"]
mod hog;
mod program;
mod require;
#[path = "go/toolchain.rs"]
mod toolchain;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use oomtop::monitor::report::{DomainReport, Report};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source as _;
use oomtop::source::live::Live;
use program::know_the_environment;

const MIB: u64 = 1 << 20;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A live session without a screen: looks every second.
struct Watch {
    live: Live,
    monitor: Monitor,
    begin: Instant,
    looks: u32,
}

impl Watch {
    fn new() -> Self {
        let live = Live::open(Path::new("/proc"), Path::new("/sys")).expect("/proc is there");
        Self { live, monitor: Monitor::new(MonitorConfig::default()), begin: Instant::now(), looks: 0 }
    }

    /// The next look, when it is due.
    fn look(&mut self) -> Arc<Report> {
        thread::sleep((Duration::from_secs(1) * self.looks).saturating_sub(self.begin.elapsed()));
        self.looks += 1;
        let needs = Needs { candidates: self.monitor.candidates(), ..Needs::default() };
        self.monitor.absorb(&self.live.sample(&needs).expect("sampled"))
    }
}

fn domain<'a>(report: &'a Report, cgroup: &MemoryCgroup) -> &'a DomainReport {
    let path = cgroup.path();
    report.domains.iter().find(|domain| *domain.path.0 == *path.as_bytes()).expect("its cgroup is a domain")
}

#[test]
fn an_alarm_comes_before_the_kill() {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let Some(program) = hog::compiled() else {
        require::missing("tools", "there is no C compiler");
        return;
    };
    println!("round  MiB/s  limit  killed after  first alarm of the process before  of its cgroup before");
    // Two at a time: they mostly wait.
    let rounds: Vec<u64> = (0..number("OOMTOP_WARNING_ROUNDS", 2)).collect();
    for pair in rounds.chunks(2) {
        thread::scope(|scope| {
            for round in pair {
                scope.spawn(|| grows_into_its_limit(&root, &program, *round));
            }
        });
    }
}

fn grows_into_its_limit(root: &Path, program: &Path, round: u64) {
    // From slow to fast, each some twenty seconds away from its limit, each from another fullness.
    let per_second = [2, 24, 4, 16, 3, 8, 1, 12, 6, 32][round as usize % 10];
    let limit = per_second * (14 + 3 * (round % 4)) + 8;
    let cgroup = MemoryCgroup::new(root, &format!("early-{round}"), Some(limit * MIB)).expect("made");
    let hog = Hog::start(program);
    let pid = hog.pid();
    cgroup.adopt(pid).expect("adopted");
    let mut watch = Watch::new();
    let begin = Instant::now();
    let growing = thread::spawn(move || hog.grow(per_second));
    let (mut of_process, mut of_domain) = (None, None);
    while !growing.is_finished() {
        let report = watch.look();
        let now = Instant::now();
        for alarm in &report.alarms {
            let first = match (&alarm.portrait, &alarm.domain) {
                (Some(portrait), _) if portrait.process.id.pid.0 == pid => &mut of_process,
                (None, Some(domain)) if *domain.path.0 == *cgroup.path().as_bytes() => &mut of_domain,
                _ => continue,
            };
            first.get_or_insert((now, alarm.kind()));
        }
    }
    let killed = growing.join().expect("grew");
    let before = |first: Option<(Instant, &str)>| {
        let first = first.filter(|(at, _)| *at < killed);
        first.map_or("none".to_owned(), |(at, kind)| format!("{:.1}s ({kind})", (killed - at).as_secs_f64()))
    };
    println!(
        "{round:>5} {per_second:>6} {limit:>5}M {:>12.1}s {:>34} {:>21}",
        (killed - begin).as_secs_f64(),
        before(of_process),
        before(of_domain)
    );
    let earliest = [of_process, of_domain].into_iter().flatten().map(|(at, _)| at).min();
    assert!(
        earliest.is_some_and(|at| at + Duration::from_secs(5) <= killed),
        "round {round}: {per_second} MiB/s into {limit} MiB"
    );
}

/// Ended when it is dropped, and when nobody holds its standard input any more.
struct Saw(Child);

impl Drop for Saw {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_saw_tooth_of_a_collector_names_no_time() {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let Some(toolchain) = toolchain::toolchains().pop() else { return };
    let program = toolchain.build_package("./saw", toolchain::Build::Plain);
    let seconds = number("OOMTOP_SAW_SECONDS", 30);
    // Teeth of about 6 seconds and of about 25, beside each other: they mostly wait.
    thread::scope(|scope| {
        for (rate, seconds) in [("20", seconds), ("5", seconds.max(40))] {
            let (root, program) = (&root, &program);
            scope.spawn(move || names_no_time(root, program, rate, seconds));
        }
    });
}

fn names_no_time(root: &Path, program: &Path, rate: &str, seconds: u64) {
    let cgroup = MemoryCgroup::new(root, &format!("saw-{rate}"), Some(512 * MIB)).expect("made");
    let mut command = Command::new(program);
    know_the_environment(&mut command);
    let child = command.args([rate, "30"]).env("GOGC", "400").stdin(Stdio::piped()).spawn().expect("starts");
    let saw = Saw(child);
    cgroup.adopt(saw.0.id()).expect("adopted");
    let mut watch = Watch::new();
    let (mut highest, mut lowest, mut falls, mut before) = (0, u64::MAX, 0, 0);
    let (mut times, mut in_the_first) = (Vec::new(), Vec::new());
    for second in 0..seconds {
        let report = watch.look();
        let domain = domain(&report, &cgroup);
        let need = domain.unreclaimable.expect("known").0;
        falls += u32::from(need + 30 * MIB < before);
        before = need;
        highest = highest.max(need);
        if second > 10 {
            lowest = lowest.min(need);
        }
        if let Some(left) = domain.time_left {
            // Whether a first tooth will fall nobody can know.
            if falls == 0 { &mut in_the_first } else { &mut times }.push((second, left));
        }
    }
    println!(
        "{rate} MiB/s for {seconds} s: {} to {} MiB of 512, {falls} falls; {} times named in the first tooth, {} after",
        lowest / MIB,
        highest / MIB,
        in_the_first.len(),
        times.len()
    );
    assert!(highest > 60 * MIB, "it is no saw tooth: {} MiB at most", highest / MIB);
    assert!(times.is_empty(), "{rate} MiB/s: {times:?}");
    drop(saw);
}
