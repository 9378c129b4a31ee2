//! Labelled series through the whole fold: what a program did, which detectors must tell, and which did. `cargo test
//! --lib labelled -- --nocapture` prints the table.

use std::collections::BTreeMap;

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::{Cgroup, MemoryStat, Version};
use crate::snapshot::process::{CgroupPath, Statm};
use crate::units::{Bytes, Pages};

use super::super::alarm::AlarmReport;
use super::super::{Monitor, MonitorConfig};
use super::{fact, id, snapshot};

const LIMIT: u64 = 2048;
const MINUTE: u64 = 60;

/// A process at one moment: number, anonymous MiB, MiB of files.
type Process = (u32, f64, f64);
/// What a program did, by the second; for how long; which detectors must tell.
type Labelled = (&'static str, fn(u64) -> Vec<Process>, u64, &'static [&'static str]);

/// Noise that is the same in every run, in -1.0 to 1.0.
fn noise(index: u64) -> f64 {
    let mixed = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// One process that rests for ten minutes at 200 MiB, then holds so much more, by minutes.
fn after_rest(second: u64, more: fn(f64) -> f64) -> Vec<Process> {
    let minutes = second.saturating_sub(10 * MINUTE) as f64 / 60.0;
    let more = if second < 10 * MINUTE { 0.0 } else { more(minutes) };
    vec![(7, 200.0 + more + 0.3 * noise(second), 10.0)]
}

/// The machine at that second: everybody in one cgroup, whose page cache is what their files are.
fn look(second: u64, processes: &[Process]) -> Snapshot {
    let pages = |mib: f64| Pages((mib * 256.0) as u64);
    let mut taken = snapshot(second, &processes.iter().map(|(pid, ..)| (*pid, 0)).collect::<Vec<_>>());
    let statm = |(pid, anon, file): &Process| {
        let statm = Statm { resident: pages(anon + file), shared: pages(*file), ..Statm::default() };
        fact(*pid, taken.ended, statm)
    };
    taken.statms = processes.iter().map(statm).collect();
    let sum = |part: fn(&Process) -> f64| Some(Bytes((processes.iter().map(part).sum::<f64>() * 1_048_576.0) as u64));
    let (anon, file) = (sum(|process| process.1), sum(|process| process.2));
    taken.cgroups = Some(vec![Cgroup {
        limit: Some(Some(Bytes::from_mib(LIMIT))),
        usage: anon.zip(file).map(|(anon, file)| anon.saturating_add(file)),
        stat: MemoryStat { anon, file, shmem: Some(Bytes(0)), inactive_file: file, ..MemoryStat::default() },
        members: processes.iter().map(|(pid, ..)| id(*pid)).collect(),
        unseen: Some(0),
        ..Cgroup::unread(CgroupPath::new("/job"), Version::V1, taken.ended)
    }]);
    taken
}

/// When each alarm was first told.
fn told((_, series, seconds, _): &Labelled) -> BTreeMap<&'static str, u64> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut first = BTreeMap::new();
    for second in 0..*seconds {
        let processes = series(second);
        if processes.iter().map(|(_, anon, _)| anon).sum::<f64>() >= LIMIT as f64 {
            break;
        }
        let report = monitor.absorb(&look(second, &processes));
        for alarm in report.alarms.iter().map(|alarm| AlarmReport::kind(alarm)) {
            first.entry(alarm).or_insert(second);
        }
    }
    first
}

#[test]
fn labelled_series_move_the_detectors_that_they_must_and_no_others() {
    let table: [Labelled; 9] = [
        ("leak, slow: 3 MiB a minute after rest", |s| after_rest(s, |minute| 3.0 * minute), 40 * MINUTE, &["leak"]),
        (
            "leak, fast: 4 MiB a second after rest",
            |s| after_rest(s, |minute| 240.0 * minute),
            40 * MINUTE,
            // Growing is worse than a leak, so that is what is said of it.
            &["growing", "imminent", "elevated", "high", "critical"],
        ),
        (
            "fork bomb: 8 more of 4 MiB each second",
            |s| (0..=8 * s.saturating_sub(60)).map(|n| (10 + n as u32, 4.0, 1.0)).collect(),
            5 * MINUTE,
            // Nobody grows: it is the domain that fills, and fast.
            &["critical"],
        ),
        ("page cache churn", |s| vec![(7, 200.0 + 0.3 * noise(s), 900.0 + 800.0 * noise(s / 7))], 40 * MINUTE, &[]),
        (
            "saw tooth of a collector",
            |s| vec![(7, 150.0 + 400.0 * (s % 70) as f64 / 70.0 + 5.0 * noise(s / 70), 10.0)],
            60 * MINUTE,
            &[],
        ),
        ("one jump of 900 MiB", |s| after_rest(s, |_| 900.0), 40 * MINUTE, &[]),
        ("idle", |_| vec![(7, 64.0, 8.0)], 40 * MINUTE, &[]),
        ("noise", |s| vec![(7, 300.0 + 20.0 * noise(s), 10.0)], 60 * MINUTE, &[]),
        ("steady from birth: 3 MiB a minute", |s| vec![(7, 5.0 + s as f64 / 20.0, 10.0)], 40 * MINUTE, &["leak"]),
    ];
    let mut wrong = Vec::new();
    println!("{:<40} {:<60} told, after seconds", "series", "must tell");
    for labelled in &table {
        let (name, _, _, must) = labelled;
        let told = told(labelled);
        println!("{name:<40} {:<60} {told:?}", must.join(" "));
        let mut expected = must.to_vec();
        expected.sort_unstable();
        if told.keys().copied().collect::<Vec<_>>() != expected {
            wrong.push(format!("{name}: must {must:?}, told {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In a tiny cgroup what oomtop itself takes as it starts would fill it within the minute, if it went on.
#[test]
fn its_own_start_is_no_alarm_and_the_growth_of_others_beside_it_is() {
    use std::sync::Arc;

    use crate::snapshot::system::{Machine, OwnRights};

    const OWN: u32 = 9;
    let warned = |other: fn(u64) -> f64| {
        let mut monitor = Monitor::new(MonitorConfig::default());
        for second in 0..20 {
            let own = 4.0 + 3.0 * second.min(8) as f64;
            let mut taken = look(second, &[(7, other(second), 1.0), (OWN, own, 1.0)]);
            let rights = OwnRights { id: Some(id(OWN)), ..OwnRights::default() };
            taken.machine = Arc::new(Machine { own: rights, ..Machine::clone(&taken.machine) });
            if second > 1 {
                taken.memberships = [7, OWN].map(|pid| fact(pid, taken.ended, CgroupPath::new("/job"))).into();
            }
            taken.cgroups.iter_mut().flatten().for_each(|cgroup| cgroup.limit = Some(Some(Bytes::from_mib(96))));
            monitor.absorb(&taken);
        }
        let report = monitor.report();
        let warned = report.alarms.iter().filter(|alarm| alarm.kind() == "imminent");
        let warned: Vec<_> = warned.filter_map(|alarm| Some(alarm.portrait.as_ref()?.process.id.pid.0)).collect();
        (warned, report.domains.iter().any(|domain| domain.time_left.is_some()))
    };
    assert_eq!(warned(|_| 10.0), (Vec::new(), false));
    assert_eq!(warned(|second| 10.0 + 2.0 * second as f64), (vec![7], true));
}
