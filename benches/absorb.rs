//! What one pass costs the Monitor: CPU time of absorbing a snapshot of 1,000 and 10,000 processes, at rest, with one in
//! a hundred moving, and with everybody moving. Prints one line of JSON for each. `cargo bench --bench absorb`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::process::{CgroupPath, Name, Stat, Statm, Status};
use oomtop::snapshot::system::{Machine, MemoryInfo, System};
use oomtop::snapshot::{Fact, Snapshot};
use oomtop::units::{Bytes, Pages, ProcessId, Timestamp};

/// Enough to fill windows and to pass a sample of the early warning.
const WARM_UP: u64 = 60;
const ROUNDS: u64 = 60;

fn main() {
    for processes in [1_000, 10_000] {
        for one_in in [None, Some(100), Some(1)] {
            measure(processes, one_in);
        }
    }
}

fn measure(processes: u32, one_in: Option<u32>) {
    let machine = Arc::new(Machine {
        kernel_release: "6.18.0".into(),
        page_size: Bytes(4096),
        processors: 2,
        ..Machine::default()
    });
    let mut monitor = Monitor::new(MonitorConfig::default());
    let (mut total, mut worst) = (Duration::ZERO, Duration::ZERO);
    for sequence in 1..=WARM_UP + ROUNDS {
        let snapshot = snapshot(&machine, sequence, processes, one_in);
        let begin = cpu_time();
        drop(black_box(monitor.absorb(&snapshot)));
        let took = cpu_time().saturating_sub(begin);
        if sequence > WARM_UP {
            total += took;
            worst = worst.max(took);
        }
    }
    println!(
        "{{\"processes\": {processes}, \"moving\": {}, \"mean_us\": {}, \"worst_us\": {}}}",
        one_in.map_or(0, |one_in| processes / one_in),
        (total / ROUNDS as u32).as_micros(),
        worst.as_micros(),
    );
}

fn snapshot(machine: &Arc<Machine>, sequence: u64, processes: u32, one_in: Option<u32>) -> Snapshot {
    let at = Timestamp::from_secs(1000 + sequence);
    let memory = MemoryInfo {
        total: Some(Bytes::from_mib(24 * 1024)),
        available: Some(Bytes::from_mib(12 * 1024)),
        ..MemoryInfo::default()
    };
    let mut snapshot = Snapshot {
        sequence,
        began: at,
        ended: at,
        machine: Arc::clone(machine),
        system: Some(System { memory, ..System::default() }),
        ..Snapshot::default()
    };
    let path = CgroupPath::new("/work");
    for pid in 1..=processes {
        let id = ProcessId::new(pid, u64::from(pid));
        let moves = one_in.is_some_and(|one_in| pid % one_in == 0);
        let resident = Pages(u64::from(500 + pid % 700) + if moves { sequence * 37 % 1000 } else { 0 });
        snapshot.roster.push(id);
        let statm = Statm { size: Pages(3000), resident, shared: Pages(100), text: Pages(9) };
        snapshot.statms.push(Fact { id, at, reading: Ok(statm) });
        // The rotation brings the rest of one in ten.
        if sequence == 1 || u64::from(pid) % 10 == sequence % 10 {
            let stat = Stat { name: Name::new(b"worker"), state: b'S', rss: resident, threads: 1, ..Stat::default() };
            let status =
                Status { rss: Some(Bytes::from_kib(resident.0 * 4)), swap: Some(Bytes(0)), ..Status::default() };
            snapshot.stats.push(Fact { id, at, reading: Ok(stat) });
            snapshot.statuses.push(Fact { id, at, reading: Ok(status) });
            snapshot.adjustments.push(Fact { id, at, reading: Ok(0) });
            snapshot.memberships.push(Fact { id, at, reading: Ok(path.clone()) });
        }
    }
    snapshot
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
