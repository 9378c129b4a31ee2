//! Kills of a whole cgroup (`memory.oom.group`), wherever a pass cuts them.

use std::sync::Arc;

use crate::monitor::kill_report::{Confidence, KillReport};
use crate::monitor::report::Report;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::Snapshot;
use crate::snapshot::kernel_event::{KernelRecord, OutsideEvent};
use crate::units::Pid;

use super::kills::{WEB, kinds, log, only, second};

fn group_log(cgroup: &str, first: u32, others: &[u32]) -> Vec<OutsideEvent> {
    let mut events = log(first, cgroup, 4);
    let text = format!("Tasks in {cgroup} are going to be killed due to memory.oom.group set");
    let killed = |pid: &u32| {
        format!(
            "Memory cgroup out of memory: Killed process {pid} (p{pid}) total-vm:9080kB, anon-rss:8000kB, \
             file-rss:400kB, shmem-rss:0kB, UID:0 pgtables:60kB oom_score_adj:0"
        )
    };
    let lines = std::iter::once(text).chain(std::iter::once(&first).chain(others).map(killed));
    let records = lines.enumerate().map(|(index, text)| KernelRecord {
        sequence: 200 + index as u64,
        microseconds: 5_000_100 + index as u64,
        priority: 3,
        text: text.into_bytes().into(),
    });
    events.extend(records.map(OutsideEvent::KernelLog));
    events
}

const CROWD: [(u32, u64); 4] = [(30, 118_000), (31, 8_000), (32, 700), (33, 600)];

/// Two quiet seconds with a crowd whose cgroup dies together, then these.
fn after_group(seconds: impl IntoIterator<Item = Snapshot>) -> Arc<Report> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    for taken in [second(0, &CROWD, 3, 7), second(1, &CROWD, 3, 7)].into_iter().chain(seconds) {
        monitor.absorb(&dying_together(taken));
    }
    monitor.report()
}

fn dying_together(mut taken: Snapshot) -> Snapshot {
    taken.cgroups.iter_mut().flatten().for_each(|cgroup| cgroup.oom_group = Some(true));
    taken
}

fn dead(kill: &KillReport) -> (u32, Vec<u32>, u32) {
    let group = kill.group.as_ref().expect("a group died");
    assert_eq!(&*group.path.0, WEB.as_bytes());
    let mut members: Vec<u32> = group.members.iter().map(|member| member.pid.0).collect();
    members.sort_unstable();
    (kill.victim.as_ref().expect("somebody was chosen").pid.0, members, group.count)
}

#[test]
fn a_group_is_one_kill_wherever_a_pass_cuts_it() {
    let all = group_log(WEB, 30, &[31, 32, 33]);
    for cut in 5..=all.len() {
        for (counted, left) in [(4_u64, &CROWD[1..]), (7, &CROWD[3..]), (3, &CROWD[..]), (6, &[])] {
            let mut first = second(2, left, counted, counted + 4);
            first.events = all[..cut].to_vec();
            // As the kernel counts: the chosen one twice.
            let mut rest = second(3, &[], 8, 12);
            rest.events = all[cut..].to_vec();
            let report = after_group([first, rest, second(4, &[], 8, 12), second(5, &[], 8, 12)]);
            let kill = only(&report);
            assert_eq!(dead(kill), (30, vec![31, 32, 33], 4), "cut before record {cut}, counted {counted}");
            assert_eq!((kinds(kill), kill.confidence), (vec![0, 1, 2, 3], Confidence::Certain), "{cut} {counted}");
            assert_eq!(kill.together().as_deref(), Some("3 others of /web"));
            // Nobody else was there to be taken.
            assert_eq!(kill.spared.as_ref().map(|spared| &spared.instead), Some(&None));
        }
    }
}

#[test]
fn a_group_that_only_counters_tell_is_one_kill() {
    // The chosen one is counted twice, or once where it was quickly gone.
    for all in [7, 8] {
        for (first, counted) in [(&CROWD[2..], 5), (&CROWD[..0], all), (&CROWD[..], all), (&CROWD[3..], all)] {
            let passes = [second(2, first, counted, counted + 4), second(3, &[], all, all + 4)];
            let report = after_group(passes.into_iter().chain([second(4, &[], all, all + 4)]));
            let kill = only(&report);
            assert_eq!(dead(kill), (30, vec![31, 32, 33], 4));
            assert_eq!((kinds(kill), kill.confidence, kill.others), (vec![1, 2, 3], Confidence::Likely, 0));
        }
    }
    // One more vanished than was killed.
    let report = after_group([second(2, &[], 6, 10), second(3, &[], 6, 10)]);
    assert_eq!(only(&report).confidence, Confidence::Guess);
}

#[test]
fn a_log_that_comes_behind_the_counter_of_a_group_joins_it() {
    let mut late = second(3, &[], 7, 11);
    late.events = group_log(WEB, 31, &[30, 32, 33]);
    let report = after_group([second(2, &[], 7, 11), late, second(4, &[], 7, 11)]);
    assert_eq!(dead(only(&report)), (31, vec![30, 32, 33], 4));
    let mut later = second(4, &[], 7, 11);
    later.events = group_log(WEB, 31, &[30, 32, 33]);
    let report = after_group([second(2, &[], 7, 11), second(3, &[], 7, 11), later, second(5, &[], 7, 11)]);
    assert_eq!((dead(only(&report)), only(&report).confidence), ((31, vec![30, 32, 33], 4), Confidence::Certain));
}

#[test]
fn another_kill_right_after_a_group_is_another() {
    let mut both = second(2, &[], 7, 12);
    both.events = group_log(WEB, 30, &[31, 32, 33]);
    both.events.extend(log(777, "/elsewhere", 4));
    let report = after_group([both, second(3, &[], 7, 12), second(4, &[], 7, 12)]);
    assert_eq!(report.kills.len(), 2, "{:?}", report.kills);
    assert_eq!(dead(&report.kills[0]), (30, vec![31, 32, 33], 4));
    assert_eq!((report.kills[1].victim.as_ref().unwrap().pid, &report.kills[1].group), (Pid(777), &None));
}

#[test]
fn a_kill_beside_a_group_is_told_once_the_group_is_dead() {
    // The cgroup counts four deaths in two passes, the machine one more.
    let passes = |counts: [(u64, u64); 2]| {
        let [first, rest] = counts;
        after_group([
            second(2, &[], first.0, first.1),
            second(3, &[], rest.0, rest.1),
            second(4, &[], rest.0, rest.1),
            second(5, &[], rest.0, rest.1),
        ])
    };
    for counts in [[(7, 12), (7, 12)], [(5, 12), (7, 12)], [(7, 11), (7, 12)], [(7, 9), (7, 12)]] {
        let report = passes(counts);
        assert_eq!(report.kills.len(), 2, "{counts:?}: {:?}", report.kills);
        assert_eq!(dead(&report.kills[0]), (30, vec![31, 32, 33], 4));
        assert_eq!((report.kills[1].victim.as_ref(), kinds(&report.kills[1])), (None, vec![2]), "{counts:?}");
    }
    for counts in [[(5, 11), (7, 11)], [(7, 9), (7, 11)]] {
        assert_eq!(passes(counts).kills.len(), 1, "{counts:?}");
    }
}
