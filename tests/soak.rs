//! The Monitor for a long time and with many processes: its memory is counted, not believed. A hundred thousand
//! snapshots with churn must leave it no bigger than twenty thousand did; ten thousand processes must cost at most 600
//! bytes each in Monitor, report and snapshot together.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::cgroup::{Cgroup, MemoryStat, Version};
use oomtop::snapshot::process::{CgroupPath, Command, Executable, Name, Stat, Statm, Status};
use oomtop::snapshot::system::{Machine, MemoryInfo, System as Totals};
use oomtop::snapshot::{Fact, Scope, Snapshot};
use oomtop::units::{Bytes, Pages, Pid, ProcessId, Timestamp};

/// Counts what is allocated.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "the only way to count allocations")]
// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        LIVE.fetch_add(1, Ordering::Relaxed);
        MADE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        LIVE.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counters are the whole program's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn bytes() -> usize {
    BYTES.load(Ordering::Relaxed)
}

fn machine() -> Arc<Machine> {
    Arc::new(Machine {
        kernel_release: "6.18.0".into(),
        page_size: Bytes(4096),
        processors: 2,
        ticks_per_second: 100,
        initial_pid_namespace: Some(true),
        ..Machine::default()
    })
}

fn empty(machine: &Arc<Machine>, sequence: u64) -> Snapshot {
    let at = Timestamp::from_secs(10_000 + sequence);
    let memory = MemoryInfo {
        total: Some(Bytes::from_mib(16_384)),
        free: Some(Bytes::from_mib(4096)),
        available: Some(Bytes::from_mib(8192 - sequence % 512)),
        swap_total: Some(Bytes(0)),
        swap_free: Some(Bytes(0)),
        ..MemoryInfo::default()
    };
    Snapshot {
        sequence,
        began: at,
        ended: at.after(Duration::from_millis(3)),
        scope: Scope::All,
        machine: Arc::clone(machine),
        system: Some(Totals { memory, init: Some(Pid(1)), ..Totals::default() }),
        ..Snapshot::default()
    }
}

/// What is read of a process at first sight.
fn meet(snapshot: &mut Snapshot, id: ProcessId, path: &CgroupPath) {
    let at = snapshot.began;
    let stat = Stat { name: Name::new(b"worker-pool"), state: b'S', parent: Pid(1), threads: 1, ..Stat::default() };
    snapshot.stats.push(Fact { id, at, reading: Ok(Stat { rss: Pages(500), ..stat }) });
    let status = Status { rss: Some(Bytes::from_kib(2000)), swap: Some(Bytes(0)), ..Status::default() };
    let status = Status { page_tables: Some(Bytes::from_kib(40)), peak_rss: Some(Bytes::from_kib(2100)), ..status };
    snapshot.statuses.push(Fact { id, at, reading: Ok(status) });
    snapshot.adjustments.push(Fact { id, at, reading: Ok(0) });
    snapshot.memberships.push(Fact { id, at, reading: Ok(path.clone()) });
}

/// What the prober adds.
fn probe(snapshot: &mut Snapshot, id: ProcessId) {
    let at = snapshot.began;
    let arguments = format!("/usr/lib/service/worker-pool\0--listen\0{}\0", id.pid);
    let command = Command { arguments: arguments.into_bytes().into(), cut: false };
    snapshot.commands.push(Fact { id, at, reading: Ok(Arc::new(command)) });
    let executable = Executable { path: b"/usr/lib/service/worker-pool".as_slice().into(), ..Executable::default() };
    snapshot.executables.push(Fact { id, at, reading: Ok(Arc::new(executable)) });
}

fn size(snapshot: &mut Snapshot, id: ProcessId, resident: u64) {
    let statm = Statm { size: Pages(3000), resident: Pages(resident), shared: Pages(100), text: Pages(20) };
    snapshot.statms.push(Fact { id, at: snapshot.began, reading: Ok(statm) });
}

#[test]
fn a_hundred_thousand_snapshots_with_churn_leave_it_no_bigger() {
    const SNAPSHOTS: u64 = 100_000;
    let _alone = ALONE.lock();
    let machine = machine();
    let paths: Vec<_> = (0..3).map(|index| CgroupPath::new(format!("/job/{index}"))).collect();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut after_warm_up = None;
    for sequence in 1..=SNAPSHOTS {
        let mut snapshot = empty(&machine, sequence);
        for slot in 1..=14_u64 {
            // The first four live as long as the machine; each of the others for its own number of passes.
            let generation = if slot <= 4 { 0 } else { sequence / (slot * slot) };
            let id = ProcessId::new(slot as u32 * 100 + (generation % 90) as u32, generation + 1);
            snapshot.roster.push(id);
            let age = if slot <= 4 { sequence } else { sequence % (slot * slot) };
            let resident = match slot {
                1 => 900,
                // A saw tooth, a drift, and noise.
                2 => 1000 + sequence % 97 * 50,
                3 => 1000 + sequence * 7 % 100_000,
                _ => 500 + sequence.wrapping_mul(0x9e37_79b9) % 900 + age * 3,
            };
            size(&mut snapshot, id, resident);
            if age == 0 || slot <= 4 && sequence == 1 {
                meet(&mut snapshot, id, &paths[slot as usize % 3]);
                probe(&mut snapshot, id);
            }
        }
        if sequence % 10 == 1 {
            let members = |slot: u64| snapshot.roster.iter().copied().skip(slot as usize).step_by(3).collect();
            let cgroup = |index: u64, path: &CgroupPath| Cgroup {
                limit: Some(Some(Bytes::from_mib(256))),
                stat: MemoryStat {
                    anon: Some(Bytes::from_mib(sequence % 200)),
                    shmem: Some(Bytes(0)),
                    ..MemoryStat::default()
                },
                members: members(index),
                ..Cgroup::unread(path.clone(), Version::V2, snapshot.began)
            };
            let alive = if sequence / 1000 % 2 == 0 { 3 } else { 2 };
            let cgroups = paths.iter().take(alive).zip(0..).map(|(path, index)| cgroup(index, path)).collect();
            snapshot.cgroups = Some(cgroups);
        }
        let report = monitor.absorb(&snapshot);
        assert_eq!(report.processes.len(), 14);
        drop((report, snapshot));
        if sequence == SNAPSHOTS / 5 {
            after_warm_up = Some((LIVE.load(Ordering::Relaxed), bytes()));
        }
    }
    let (live, held) = after_warm_up.expect("warmed up");
    let (live_now, held_now) = (LIVE.load(Ordering::Relaxed), bytes());
    // The biggest of the ended differ in what they did; nothing else may.
    assert!(live_now <= live + 64, "{live} allocations became {live_now}");
    assert!(held_now <= held + held / 4, "{held} bytes became {held_now}");
    let one = ProcessId::new(100, 1);
    assert!(monitor.detail(one).is_some_and(|detail| detail.series.len() <= 300));
}

#[test]
fn ten_thousand_processes_cost_at_most_600_bytes_each() {
    const PROCESSES: u32 = 10_000;
    let _alone = ALONE.lock();
    let machine = machine();
    let path = CgroupPath::new("/system.slice/worker-pool.service");
    let before = bytes();
    let mut monitor = Monitor::new(MonitorConfig::default());
    let ids: Vec<_> = (1..=PROCESSES).map(|pid| ProcessId::new(pid, u64::from(pid))).collect();
    let mut snapshot = Snapshot::default();
    for sequence in 1..=120_u64 {
        let mut next = empty(&machine, sequence);
        next.roster.reserve_exact(ids.len());
        next.statms.reserve_exact(ids.len());
        for id in &ids {
            let number = u64::from(id.pid.0);
            next.roster.push(*id);
            // One in fifty moves in every pass.
            let moves = if number % 50 == 0 { sequence * 13 % 2000 } else { 0 };
            size(&mut next, *id, 500 + number % 300 + moves);
            if sequence == 1 || number % 90 == sequence % 90 {
                meet(&mut next, *id, &path);
            }
            if sequence == 1 {
                probe(&mut next, *id);
            }
        }
        drop(std::mem::replace(&mut snapshot, next));
        drop(monitor.absorb(&snapshot));
    }
    let each = bytes().saturating_sub(before) / PROCESSES as usize;
    println!("{each} bytes per process in Monitor, report and snapshot");
    let made = MADE.load(Ordering::Relaxed);
    drop(monitor.absorb(&snapshot));
    let made = MADE.load(Ordering::Relaxed) - made;
    println!("{made} allocations in a pass");
    assert_eq!(monitor.report().processes.len(), PROCESSES as usize);
    assert!(each <= 600, "{each} bytes per process");
    assert!(made < 100, "{made} allocations in a pass where little moves");
}
