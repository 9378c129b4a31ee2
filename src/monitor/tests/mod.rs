//! The fold, on snapshots made by hand.

mod blamed_limits;
mod golang;
mod group_kills;
mod kills;
mod laws;
mod namespaces;
mod ranking;
mod series;

use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::process::{Command, Executable, GoBuild, Name, Stat, Statm, Status};
use crate::snapshot::system::{Machine, MemoryInfo, System, VirtualMemoryEvents};
use crate::snapshot::{Fact, Scope, Snapshot, Unreadable};
use crate::units::{Bytes, Pages, Pid, ProcessId, Rate, Timestamp};

use super::{Monitor, MonitorConfig};

pub(super) fn machine() -> Arc<Machine> {
    Arc::new(Machine {
        kernel_release: "6.18.44".into(),
        page_size: Bytes(4096),
        processors: 2,
        ticks_per_second: 100,
        oom_score_at_zero: Some(666),
        initial_pid_namespace: Some(true),
        ..Machine::default()
    })
}

pub(super) fn id(pid: u32) -> ProcessId {
    ProcessId::new(pid, 10 + u64::from(pid))
}

/// A snapshot at a second, of processes with these RSS in pages.
pub(super) fn snapshot(second: u64, processes: &[(u32, u64)]) -> Snapshot {
    let at = Timestamp::from_secs(1000 + second);
    Snapshot {
        sequence: second + 1,
        began: at,
        ended: at,
        scope: Scope::All,
        machine: machine(),
        system: Some(System {
            memory: MemoryInfo {
                total: Some(Bytes::from_mib(16 * 1024)),
                free: Some(Bytes::from_mib(8 * 1024)),
                available: Some(Bytes::from_mib(12 * 1024)),
                swap_total: Some(Bytes(0)),
                swap_free: Some(Bytes(0)),
                ..MemoryInfo::default()
            },
            init: Some(Pid(1)),
            ..System::default()
        }),
        roster: processes.iter().map(|(pid, _)| id(*pid)).collect(),
        statms: processes
            .iter()
            .map(|(pid, pages)| {
                fact(*pid, at, Statm { size: Pages(pages * 3), resident: Pages(*pages), ..Statm::default() })
            })
            .collect(),
        ..Snapshot::default()
    }
}

pub(super) fn fact<T>(pid: u32, at: Timestamp, value: T) -> Fact<T> {
    Fact { id: id(pid), at, reading: Ok(value) }
}

#[test]
fn a_row_keeps_what_is_known_and_says_since_when() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut first = snapshot(0, &[(7, 100), (9, 200)]);
    let at = first.ended;
    first.stats = vec![fact(9, at, Stat { name: Name::new(b"go"), state: b'S', parent: Pid(7), ..Stat::default() })];
    first.statuses =
        vec![fact(9, at, Status { uid: 5, rss: Some(Bytes(1)), swap: Some(Bytes::from_kib(8)), ..Status::default() })];
    monitor.absorb(&first);
    let report = monitor.absorb(&snapshot(1, &[(7, 100), (9, 300)]));
    let row = report.process(id(9)).unwrap();
    assert_eq!(row.rss.get(), Some(Bytes::from_kib(1200)));
    assert_eq!((row.identity.name.as_ref(), row.identity.uid), (b"go".as_slice(), Some(5)));
    assert_eq!((row.status_at, row.swap.get()), (at, Some(Bytes::from_kib(8))));
    assert_eq!(row.growth, Rate::new(400.0 * 1024.0));
    let other = report.process(id(7)).unwrap();
    assert_eq!((other.swap.get(), other.oom_score_adj, other.identity.uid), (None, None, None));
    assert_eq!(report.interval, Some(Duration::from_secs(1)));
}

#[test]
fn a_reused_number_is_another_process() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut first = snapshot(0, &[(7, 5000)]);
    first.adjustments = vec![fact(7, first.ended, -500)];
    monitor.absorb(&first);
    let mut second = snapshot(1, &[(7, 10)]);
    let reused = ProcessId::new(7, 999);
    second.roster = vec![reused];
    second.statms[0].id = reused;
    let report = monitor.absorb(&second);
    assert_eq!(report.processes.len(), 1);
    assert_eq!((report.processes[0].id, report.processes[0].oom_score_adj), (reused, None));
    assert_eq!(report.processes[0].peak_rss.get(), Some(Bytes::from_kib(40)));
    let ended = monitor.detail(id(7)).unwrap();
    assert_eq!(ended.ended, Some(second.began));
    assert_eq!(ended.peak.map(|(_, size)| size), Some(Bytes::from_kib(20_000)));
}

#[test]
fn facts_alone_end_nobody_and_move_no_clock() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let before = monitor.absorb(&snapshot(3, &[(7, 100)]));
    let time = before.time;
    drop(before);
    let at = Timestamp::from_secs(1009);
    let command = Command { arguments: b"a\0b\0".as_slice().into(), cut: false };
    let go = GoBuild { path: "example.com/p.test".into(), ..GoBuild::default() };
    let probe = Snapshot {
        scope: Scope::Facts,
        ended: at,
        commands: vec![fact(7, at, Arc::new(command)), fact(8, at, Arc::default())],
        executables: vec![fact(7, at, Arc::new(Executable { go: Some(go), ..Executable::default() }))],
        rollups: vec![Fact { id: id(7), at, reading: Err(Unreadable::Denied) }],
        ..Snapshot::default()
    };
    let report = monitor.absorb(&probe);
    let row = report.process(id(7)).unwrap();
    assert_eq!(row.identity.command.as_ref().unwrap().arguments.as_ref(), b"a\0b\0");
    assert_eq!(row.identity.test_package.as_deref(), Some("example.com/p"));
    assert_eq!((report.time, report.processes.len()), (time, 1));
    let fields: Vec<_> = report.unreadable.iter().map(|entry| (entry.field, entry.count)).collect();
    assert_eq!(fields, [("pss_bytes", 1), ("uss_bytes", 1), ("swap_pss_bytes", 1)]);
    drop(report);
    assert!(monitor.absorb(&snapshot(4, &[])).unreadable.is_empty());
}

#[test]
fn out_of_scope_is_not_gone() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    monitor.absorb(&snapshot(0, &[(7, 100), (8, 100)]));
    let mut tree = snapshot(1, &[(8, 100)]);
    tree.scope = Scope::Tree(id(8));
    assert_eq!(monitor.absorb(&tree).processes.len(), 1);
    assert_eq!(monitor.detail(id(7)), None);
}

#[test]
fn nothing_is_copied_or_moved_when_nothing_changes() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let first = monitor.absorb(&snapshot(0, &[(7, 100), (8, 100)]));
    let (row, identity) = (std::ptr::from_ref(&first.processes[0]), Arc::as_ptr(&first.processes[0].identity));
    drop(first);
    let second = monitor.absorb(&snapshot(1, &[(7, 105), (8, 100)]));
    assert_eq!(std::ptr::from_ref(&second.processes[0]), row);
    assert_eq!(Arc::as_ptr(&second.processes[0].identity), identity);
}

#[test]
fn rates_of_the_machine_come_from_two_passes() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let with = |second, swap_in, kills, cpu| {
        let mut taken = snapshot(second, &[]);
        taken.cost.own_cpu = Duration::from_millis(cpu);
        let events = VirtualMemoryEvents {
            oom_kill: Some(kills),
            swap_in: Some(swap_in),
            swap_out: Some(0),
            ..VirtualMemoryEvents::default()
        };
        taken.system = taken.system.map(|system| System { events, ..system });
        taken
    };
    let first = monitor.absorb(&with(0, 500, 3, 100));
    assert_eq!((first.interval, first.swap_rates, first.own_cpu, first.oom_kills_seen), (None, None, None, Some(0)));
    drop(first);
    let second = monitor.absorb(&with(2, 520, 4, 110));
    assert_eq!(second.swap_rates, Some((10.0, 0.0)));
    assert_eq!(second.own_cpu, Some(0.005));
    assert_eq!(second.oom_kills_seen, Some(1));
}
