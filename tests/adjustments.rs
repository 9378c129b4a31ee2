//! What somebody else does to an oom_score_adj, as choom(1) or a service manager does, while oomtop looks on: nothing
//! tells of it, so it must be found. Refuses to lower any: that is a right which not everybody has.

#![allow(clippy::disallowed_methods, reason = "starts processes to look at, and adjusts them")]

#[path = "oom/cgroup.rs"]
mod cgroup;
mod program;
mod require;
mod session;
mod terminal;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use oomtop::monitor::report::{DomainKind, DomainReport, Report};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source as _;
use oomtop::source::live::Live;
use oomtop::units::{Pid, ProcessId};
use session::{start, until_live, until_row};

/// Longer than anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How old an adjustment may have been at the beginning of a pass that did not read it, beyond its age as it is told:
/// ages count whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(10);

/// A child that waits for the end of a pipe that only we hold.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts"))
    }

    fn adjust(&self, adj: i16) {
        std::fs::write(format!("/proc/{}/oom_score_adj", self.0.id()), adj.to_string()).expect("anybody may raise");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three adjustments above our own, each of which counts for more than a small process holds.
fn steps() -> Option<[i16; 3]> {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").expect("our own");
    let own: i16 = own.trim().parse().expect("a number");
    let step = (1000 - own) / 4;
    if step < 10 {
        require::missing("adjustment", "there is no room above our own oom_score_adj");
        return None;
    }
    Some([own + step, own + 2 * step, own + 3 * step])
}

/// The program without its screen.
struct Watch {
    live: Live,
    monitor: Monitor,
}

impl Watch {
    fn open() -> Self {
        let live = Live::open(Path::new("/proc"), Path::new("/sys")).expect("/proc is there");
        Self { live, monitor: Monitor::new(MonitorConfig::default()) }
    }

    fn pass(&mut self) -> Arc<Report> {
        let needs = Needs { candidates: self.monitor.candidates(), ..Needs::default() };
        self.monitor.absorb(&self.live.sample(&needs).expect("sampled"))
    }

    /// Passes until one is as wanted.
    fn until<T>(&mut self, what: &str, wanted: impl Fn(&Report) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = wanted(&self.pass()) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "never seen: {what}");
            sleep(Duration::from_millis(100));
        }
    }
}

fn adjustment(report: &Report, child: &Sleeper) -> Option<(ProcessId, i16)> {
    let row = report.processes.iter().find(|row| row.id.pid == Pid(child.0.id()))?;
    Some((row.id, row.oom_score_adj?))
}

fn host(report: &Report) -> &DomainReport {
    report.host().expect("the machine is a domain")
}

/// Those of these that are among the first victims of this cgroup, the first of them first.
fn order(report: &Report, cgroup: &MemoryCgroup, children: &[&Sleeper]) -> Vec<u32> {
    let is_meant =
        |domain: &&DomainReport| domain.kind != DomainKind::Host && *domain.path.0 == *cgroup.path().as_bytes();
    let ranked = report.domains.iter().find(is_meant).map_or(&[][..], |domain| &domain.victims[..]);
    let ranked = ranked.iter().filter(|victim| victim.immune.is_none());
    ranked.map(|victim| victim.id.pid.0).filter(|pid| children.iter().any(|child| child.0.id() == *pid)).collect()
}

/// In a cgroup of their own: of the whole machine only the first victims are told, and others may be before these.
#[test]
fn a_candidate_that_others_adjust_takes_its_place_within_two_passes() {
    let Some([low, middle, high]) = steps() else { return };
    let Some(root) = require::memory_cgroups() else { return };
    let cgroup = MemoryCgroup::new(&root, "adjusted", Some(64 << 20)).expect("made");
    let (first, second) = (Sleeper::start(), Sleeper::start());
    first.adjust(middle);
    second.adjust(low);
    let (one, other) = (first.0.id(), second.0.id());
    for child in [one, other] {
        cgroup.adopt(child).expect("moves");
    }
    let mut watch = Watch::open();
    watch.until("both, the one that was raised more before the other", |report| {
        (order(report, &cgroup, &[&first, &second]) == [one, other]).then_some(())
    });
    second.adjust(high);
    let passes = [watch.pass(), watch.pass()].map(|report| order(&report, &cgroup, &[&first, &second]));
    assert!(passes.contains(&vec![other, one]), "{passes:?}, where {other} is before {one} by now");
}

/// Its turn comes. Until then no verdict is called certain without the age of what it stands on, nor beyond the age to
/// which that holds.
#[test]
fn who_is_no_candidate_is_seen_in_its_turn_and_the_verdict_tells_the_age_of_what_it_knows() {
    let Some([_, _, high]) = steps() else { return };
    let child = Sleeper::start();
    let mut watch = Watch::open();
    let (id, before) = watch.until("its adjustment", |report| adjustment(report, &child));
    child.adjust(high);
    let changed = Instant::now();
    let mut passes = 0;
    loop {
        let since = changed.elapsed();
        let report = watch.pass();
        passes += 1;
        let (same, told) = adjustment(&report, &child).expect("it lives");
        assert_eq!(same, id);
        if told == high {
            println!("seen in pass {passes}, {:?} later", changed.elapsed());
            return;
        }
        let host = host(&report);
        assert_eq!(told, before);
        assert!(host.adjustments_age.is_some_and(|age| age + ROUNDING >= since), "{:?}", host.adjustments_age);
        assert!(
            !host.certain || since <= DomainReport::ADJUSTMENTS_HOLD + ROUNDING,
            "certain of what is {since:?} old"
        );
        assert!(since < PATIENCE, "never seen");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_others_adjust_changes_on_the_screen() {
    let Some([low, middle, high]) = steps() else { return };
    let (first, second) = (Sleeper::start(), Sleeper::start());
    first.adjust(middle);
    second.adjust(low);
    let (one, other) = (first.0.id().to_string(), second.0.id().to_string());
    let mut terminal = start(&["-p", &format!("{one},{other}"), "-s", "risk"], 120, 34);
    until_live(&mut terminal);
    let mut until_first = |pid: &str, adj: i16| {
        let shown = terminal.until(PATIENCE, |screen| {
            let rows = screen.rows(0, screen.size().1.get());
            let first = rows.skip_while(|row| !row.contains("COMMAND")).nth(1).unwrap_or_default();
            [pid, &adj.to_string()].iter().all(|wanted| first.split_whitespace().any(|word| word == *wanted))
        });
        shown.unwrap_or_else(|screen| panic!("{pid} is not the first, by {adj}: {screen}"));
    };
    until_first(&one, middle);
    second.adjust(high);
    until_first(&other, high);
    until_row(&mut terminal, |row| row.contains(&one) && row.contains(&middle.to_string()));
}
