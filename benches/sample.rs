//! What a pass over the machine costs, once a second, as the program does it: wall time and CPU of the first passes,
//! CPU of the later ones, what the prober takes beside it, memory. Counts CPU time, not wall time, so that a busy
//! machine does not spoil it.
//!
//! `cargo bench --bench sample -- [PROCESSES [SECONDS]]` starts that many sleeping processes first.

#![expect(clippy::disallowed_methods, reason = "starts the processes that are to be read and keeps the time")]

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;
use rustix::time::{ClockId, clock_gettime};

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start(count: usize) -> Self {
        Self((0..count).map(|_| Command::new("sleep").arg("3600").spawn().expect("started")).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, seconds) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(15));
    let _sleepers = Sleepers::start(usize::try_from(count).unwrap_or(0));

    let began = Instant::now();
    let mut live = Live::open("/proc".as_ref(), "/sys".as_ref()).expect("a machine with procfs");
    let mut prober = Prober::open("/proc".as_ref()).expect("a machine with procfs");
    let mut needs = Needs {
        of_visible: FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::ADJUSTMENT).union(FactGroups::ROLLUP),
        ..Needs::default()
    };
    println!("pass  wall ms   cpu ms  prober ms   roster  statm  stat  status  adj  cgroup");
    let (mut steady, mut steady_prober, mut passes) = (Duration::ZERO, Duration::ZERO, 0_u32);
    for pass in 0..seconds {
        let due = began + Duration::from_secs(pass);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (wall, before) = (Instant::now(), cpu());
        let snapshot = live.sample(&needs).expect("sampled");
        let (wall, sampled) = (wall.elapsed(), cpu());
        prober.observe(&snapshot);
        while prober.probe(&needs).is_some() {}
        let probed = cpu();
        needs.visible = snapshot.roster.iter().copied().take(40).collect();
        needs.candidates = snapshot.roster.iter().copied().rev().take(20).collect();
        needs.candidates.sort_unstable();
        if pass < 5 || pass + 3 > seconds {
            println!(
                "{pass:4} {:8.1} {:8.1} {:10.1} {:8} {:6} {:5} {:7} {:4} {:7}",
                wall.as_secs_f64() * 1000.0,
                sampled.saturating_sub(before).as_secs_f64() * 1000.0,
                probed.saturating_sub(sampled).as_secs_f64() * 1000.0,
                snapshot.roster.len(),
                snapshot.statms.len(),
                snapshot.stats.len(),
                snapshot.statuses.len(),
                snapshot.adjustments.len(),
                snapshot.memberships.len(),
            );
        }
        if pass >= 5 {
            steady += sampled.saturating_sub(before);
            steady_prober += probed.saturating_sub(sampled);
            passes += 1;
        }
        if pass + 1 == seconds {
            let cost = snapshot.cost;
            println!("own RSS {}, {} descriptors pin {}", cost.own_rss, cost.descriptors, cost.pinned);
        }
    }
    if passes > 0 {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(passes);
        println!("steady: {:.2} ms CPU per pass, prober {:.2} ms", milliseconds(steady), milliseconds(steady_prober));
    }
}
