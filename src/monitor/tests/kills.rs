//! Kills, by each combination of witnesses.

use std::sync::Arc;

use crate::monitor::kill_report::{Confidence, Evidence, KillReport};
use crate::monitor::report::Report;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::kernel_event::{KernelRecord, OutsideEvent};
use crate::snapshot::process::{CgroupPath, Executable, GoBuild, Name, Stat, Statm};
use crate::snapshot::{Scope, Snapshot, Unreadable};
use crate::units::{Bytes, Pages, Pid, Timestamp};

use super::{fact, id, snapshot};

pub(super) const WEB: &str = "/web";

/// A second in which these are there, all in a cgroup of 512 MiB; its counter and the machine's stand so.
pub(super) fn second(second: u64, processes: &[(u32, u64)], web: u64, machine: u64) -> Snapshot {
    let mut taken = snapshot(second, processes);
    let at = Timestamp::from_secs(1000 + second);
    let path = CgroupPath::new(WEB);
    taken.memberships = processes.iter().map(|(pid, _)| fact(*pid, at, path.clone())).collect();
    let name = |pid: u32| Name::new(if pid == 30 { b"a.test" } else { b"b.test" });
    taken.stats = processes
        .iter()
        .map(|(pid, pages)| {
            let rss = Pages(*pages);
            fact(*pid, at, Stat { name: name(*pid), state: b'S', rss, ..Stat::default() })
        })
        .collect();
    let mut cgroup = Cgroup::unread(path, Version::V2, at);
    cgroup.limit = Some(Some(Bytes::from_mib(512)));
    cgroup.usage = Some(Bytes::from_mib(processes.iter().map(|(_, pages)| pages / 256).sum()));
    cgroup.events.oom_kill = Some(web);
    cgroup.members = processes.iter().map(|(pid, _)| id(*pid)).collect();
    taken.cgroups = Some(vec![cgroup]);
    if let Some(system) = &mut taken.system {
        system.events.oom_kill = Some(machine);
    }
    taken.kernel_log = Some(Ok(()));
    taken
}

/// What the kernel writes of a kill, by this priority.
pub(super) fn log(pid: u32, cgroup: &str, priority: u32) -> Vec<OutsideEvent> {
    let lines = [
        "b.test invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0".to_owned(),
        "CPU: 1 UID: 0 PID: 31 Comm: b.test Not tainted 6.18.44 #1".to_owned(),
        "memory: usage 524288kB, limit 524288kB, failcnt 18".to_owned(),
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={cgroup},\
             task_memcg={cgroup},task=a.test,pid={pid},uid=0"
        ),
        format!(
            "Memory cgroup out of memory: Killed process {pid} (a.test) total-vm:629080kB, anon-rss:480000kB, \
             file-rss:400kB, shmem-rss:0kB, UID:0 pgtables:960kB oom_score_adj:0"
        ),
    ];
    let records = lines.into_iter().enumerate().map(|(index, text)| KernelRecord {
        sequence: 100 + index as u64,
        microseconds: 5_000_000 + index as u64,
        priority,
        text: text.into_bytes().into(),
    });
    records.map(OutsideEvent::KernelLog).collect()
}

pub(super) const BOTH: [(u32, u64); 2] = [(30, 118_000), (31, 8_000)];
pub(super) const REST: [(u32, u64); 1] = [(31, 8_000)];

/// Two quiet seconds, then these.
fn after(seconds: impl IntoIterator<Item = Snapshot>) -> Arc<Report> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    monitor.absorb(&second(0, &BOTH, 3, 7));
    monitor.absorb(&second(1, &BOTH, 3, 7));
    for taken in seconds {
        monitor.absorb(&taken);
    }
    monitor.report()
}

pub(super) fn only(report: &Report) -> &KillReport {
    assert_eq!(report.kills.len(), 1, "{:?}", report.kills);
    &report.kills[0]
}

pub(super) fn kinds(kill: &KillReport) -> Vec<u8> {
    kill.evidence.iter().map(Evidence::order).collect()
}

#[test]
fn counters_seen_for_the_first_time_are_no_kills() {
    assert!(after([]).kills.is_empty());
    // A cgroup that comes with a history of its own, and one that was made anew under the same name.
    let mut other = second(2, &BOTH, 3, 7);
    let mut known = other.cgroups.clone().unwrap();
    known.push(Cgroup::unread(CgroupPath::new("/x"), Version::V2, other.ended));
    known[1].events.oom_kill = Some(9);
    other.cgroups = Some(known);
    assert!(after([other, second(3, &BOTH, 0, 7), second(4, &BOTH, 0, 7)]).kills.is_empty());
}

#[test]
fn all_witnesses_make_one_kill() {
    let mut killed = second(2, &BOTH, 4, 8);
    killed.events = log(30, WEB, 4);
    let report = after([killed, second(3, &REST, 4, 8), second(4, &REST, 4, 8)]);
    let kill = only(&report);
    assert_eq!(kinds(kill), [0, 1, 2, 3]);
    assert_eq!(kill.confidence, Confidence::Certain);
    let victim = kill.victim.as_ref().unwrap();
    assert_eq!((victim.id, victim.pid, &*victim.name), (Some(id(30)), Pid(30), b"a.test".as_slice()));
    let held = kill.held.unwrap();
    assert_eq!((held.rss, held.page_tables), (Bytes::from_kib(480_400), Some(Bytes::from_kib(960))));
    assert_eq!(kill.invoker, Some((b"b.test".as_slice().into(), Some(Pid(31)))));
    assert_eq!(kill.cause(), "at the limit of web (512M)");
    assert_eq!(kill.candidates.len(), 2);
    assert_eq!(&*kill.candidates[0].who.name, b"a.test");
    let why = kill.why.as_ref().unwrap();
    assert!(
        why.starts_with("1st of 2: 461M RSS")
            && why.ends_with("; next was b.test 31, 430M behind (as sampled 1.0s before)"),
        "{why}"
    );
    assert_eq!(kill.usage, Some((Bytes::from_mib(491), Some(Bytes::from_mib(31)))));
    assert_eq!(kill.history.as_ref().unwrap().series.len(), 2);
    assert_eq!(kill.at, Timestamp::from_secs(1002));
    assert!(kill.evidence[0].to_string().starts_with("kernel log, record 104: Memory cgroup out of memory: Killed"));
}

#[test]
fn the_kernels_own_table_is_believed_before_our_last_look() {
    let table = |rows: &[(u32, u64)]| {
        let header = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name".to_owned();
        let row = |(pid, rss): &(u32, u64)| {
            format!("[{pid:7}]     0 {pid:5}   200000 {rss:8}   409600        0             0 t{pid}")
        };
        std::iter::once(header).chain(rows.iter().map(row)).collect::<Vec<_>>()
    };
    let killed_by = |rows: &[(u32, u64)]| {
        let mut killed = second(2, &BOTH, 4, 8);
        killed.events = log(30, WEB, 4);
        let lines = table(rows).into_iter().map(|text| {
            OutsideEvent::KernelLog(KernelRecord {
                sequence: 102,
                microseconds: 5_000_002,
                priority: 4,
                text: text.into_bytes().into(),
            })
        });
        killed.events.splice(3..3, lines);
        after([killed, second(3, &REST, 4, 8)])
    };
    // Since our last look it grew, and another came that we never saw.
    let report = killed_by(&[(30, 120_000), (31, 8_000), (77, 100_000)]);
    let kill = only(&report);
    let why = kill.why.as_ref().unwrap();
    assert!(why.starts_with("1st of 3: 469M RSS + 400K page tables"), "{why}");
    assert!(why.ends_with("; next was t77 77, 78.1M behind (by the kernel's own table)"), "{why}");
    let spared = kill.spared.as_ref().unwrap();
    assert_eq!(spared.less, Some(Pages(20_001).bytes(Bytes(4096))));
    // The limit of 131,072 pages: each thousandth is 131 of them, and 152 of these are less than 20,000.
    assert_eq!(spared.adjustment, Some(-153));
    let instead = spared.instead.as_ref().unwrap();
    assert_eq!((instead.id, instead.pid), (None, Pid(77)));
    // One in which the victim is not the first explains nothing.
    let report = killed_by(&[(30, 7_000), (31, 8_000)]);
    let why = only(&report).why.as_ref().unwrap();
    assert!(why.ends_with("430M behind (as sampled 1.0s before)"), "{why}");
}

#[test]
fn the_log_alone_is_enough_and_tells_at_once() {
    let mut killed = second(2, &BOTH, 3, 7);
    killed.events = log(30, WEB, 4);
    let report = after([killed]);
    let kill = only(&report);
    assert_eq!((kinds(kill), kill.confidence), (vec![0], Confidence::Certain));
}

#[test]
fn a_log_that_comes_behind_its_counter_joins_it() {
    let mut late = second(3, &REST, 4, 8);
    late.events = log(30, WEB, 4);
    let report = after([second(2, &BOTH, 4, 7), late, second(4, &REST, 4, 8)]);
    let kill = only(&report);
    assert_eq!((kinds(kill), kill.confidence), (vec![0, 1, 2, 3], Confidence::Certain));
}

#[test]
fn a_counter_alone_names_nobody() {
    let report = after([second(2, &BOTH, 4, 8)]);
    assert!(report.kills.is_empty(), "one pass is left to the log");
    let report = after([second(2, &BOTH, 4, 8), second(3, &BOTH, 4, 8)]);
    let kill = only(&report);
    assert_eq!((kinds(kill), kill.victim.as_ref(), kill.confidence), (vec![1, 2], None, Confidence::Guess));
    assert_eq!(kill.cause(), "probably at the limit of web (512M)");
}

#[test]
fn a_counter_and_the_only_one_that_is_gone_are_likely() {
    let report = after([second(2, &REST, 4, 8), second(3, &REST, 4, 8)]);
    let kill = only(&report);
    assert_eq!((kinds(kill), kill.confidence), (vec![1, 2, 3], Confidence::Likely));
    assert_eq!(kill.victim.as_ref().unwrap().id, Some(id(30)));
    assert!(kill.history.is_some() && kill.why.is_some());
    // Also where it goes one pass later.
    let report = after([second(2, &BOTH, 4, 8), second(3, &REST, 4, 8)]);
    assert_eq!(only(&report).confidence, Confidence::Likely);
}

#[test]
fn where_no_pass_follows_a_counter_tells_at_once() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    for taken in [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7), second(2, &REST, 4, 8)] {
        monitor.absorb(&taken);
    }
    assert!(monitor.report().kills.is_empty(), "the log may come");
    let report = monitor.conclude();
    assert_eq!((only(&report).confidence, kinds(only(&report))), (Confidence::Likely, vec![1, 2, 3]));
    assert_eq!(only(&report).victim.as_ref().unwrap().id, Some(id(30)));
}

#[test]
fn of_several_that_are_gone_the_first_of_the_ranking_is_a_guess() {
    let report = after([second(2, &[], 4, 8), second(3, &[], 4, 8)]);
    let kill = only(&report);
    assert_eq!((kill.confidence, kill.others), (Confidence::Guess, 1));
    assert_eq!(kill.victim.as_ref().unwrap().id, Some(id(30)));
}

#[test]
fn two_kills_of_one_pass_are_two() {
    let report = after([second(2, &[], 5, 9), second(3, &[], 5, 9)]);
    let victims: Vec<_> = report.kills.iter().filter_map(|kill| kill.victim.as_ref()?.id).collect();
    assert_eq!(victims, [id(30), id(31)]);
    let mut killed = second(2, &BOTH, 5, 9);
    killed.events = log(30, WEB, 4);
    killed.events.extend(log(31, WEB, 4));
    let report = after([killed, second(3, &[], 5, 9), second(4, &[], 5, 9)]);
    let told: Vec<_> = report.kills.iter().map(|kill| (kill.victim.as_ref().unwrap().pid.0, kinds(kill))).collect();
    assert_eq!(told, [(30, vec![0, 1, 2, 3]), (31, vec![0, 1, 2, 3])]);
}

#[test]
fn a_kill_in_a_cgroup_that_is_not_seen_is_told_as_such() {
    let mut killed = second(2, &BOTH, 3, 8);
    killed.events = log(777, "/elsewhere/deep", 4);
    let report = after([killed, second(3, &BOTH, 3, 8)]);
    let kill = only(&report);
    assert_eq!((kinds(kill), kill.confidence), (vec![0, 2], Confidence::Certain));
    let victim = kill.victim.as_ref().unwrap();
    assert_eq!((victim.id, victim.pid), (None, Pid(777)));
    assert_eq!(kill.domain.as_ref().unwrap().limit, Some(Bytes::from_mib(512)));
    assert!(kill.candidates.is_empty() && kill.history.is_none());
    // Without the log, only the machine's counter says so.
    let report = after([second(2, &BOTH, 3, 8), second(3, &BOTH, 3, 8)]);
    assert_eq!((kinds(only(&report)), only(&report).domain.as_ref()), (vec![2], None));
}

/// The kernel writes ten such lines in five seconds (mm/oom_kill.c oom_rs).
#[test]
fn where_the_line_with_the_limit_is_withheld_the_counter_of_its_cgroup_tells_it() {
    let mut killed = second(2, &REST, 4, 8);
    killed.events = log(30, WEB, 3).split_off(4);
    let report = after([killed]);
    let kill = only(&report);
    let domain = kill.domain.as_ref().unwrap();
    assert_eq!((&*domain.path, domain.is_told), (WEB.as_bytes(), false));
    assert_eq!((kill.confidence, kinds(kill)), (Confidence::Certain, vec![0, 1, 2, 3]));
    assert!(kill.why.is_some() && kill.candidate_count == 2, "{kill:?}");
}

#[test]
fn what_a_user_wrote_into_the_log_kills_nobody() {
    let mut spoofed = second(2, &BOTH, 3, 7);
    spoofed.events = log(30, WEB, 12);
    assert!(after([spoofed, second(3, &REST, 3, 7), second(4, &REST, 3, 7)]).kills.is_empty());
}

#[test]
fn a_dead_one_that_nobody_reaped_is_gone() {
    let mut dead = second(3, &BOTH, 4, 8);
    dead.stats[0].reading = Ok(Stat { name: Name::new(b"a.test"), state: b'Z', ..Stat::default() });
    let report = after([second(2, &BOTH, 4, 8), dead]);
    assert_eq!((only(&report).confidence, kinds(only(&report))), (Confidence::Likely, vec![1, 2, 3]));
}

#[test]
fn kills_are_bounded_and_the_newest_stay() {
    let report = after((2..60).map(|time| second(time, &BOTH, 1 + time, 5 + time)));
    assert_eq!(report.kills.len(), 32);
    assert!(report.kills.is_sorted_by_key(|kill| kill.number));
    assert!(report.kills[0].number > 20);
}

#[test]
fn a_cgroup_in_which_somebody_is_killed_all_the_time_pushes_out_nobody_elses() {
    let mut first = second(2, &REST, 4, 8);
    first.events = log(30, WEB, 4);
    let noisy = |time: u64| {
        let mut taken = second(time, &REST, 4, 8);
        taken.events = (0..40).flat_map(|one| log(1000 + time as u32 * 40 + one, "/noisy", 4)).collect();
        for (index, event) in taken.events.iter_mut().enumerate() {
            let OutsideEvent::KernelLog(record) = event else { continue };
            record.sequence = time * 1000 + index as u64;
            record.microseconds = time * 1_000_000 + index as u64;
        }
        taken
    };
    let report = after(std::iter::once(first).chain((3..9).map(noisy)));
    let victims: Vec<_> = report.kills.iter().filter_map(|kill| kill.victim.as_ref()).map(|one| one.pid.0).collect();
    assert!(victims.contains(&30) && victims.contains(&1359) && victims.len() == 32, "{victims:?}");
    assert!(report.kills.is_sorted_by_key(|kill| kill.number));
}

#[test]
fn a_log_that_cannot_be_read_is_told_with_the_right_that_is_missing() {
    let mut denied = second(2, &BOTH, 3, 7);
    denied.kernel_log = Some(Err(Unreadable::Denied));
    let report = after([denied, second(3, &BOTH, 3, 7)]);
    assert!(report.unreadable.is_empty(), "it can be read again");
    let mut denied = second(2, &BOTH, 3, 7);
    denied.kernel_log = Some(Err(Unreadable::Denied));
    let report = after([denied]);
    assert_eq!(report.unreadable.len(), 1);
    assert!(report.unreadable[0].reason_in_words().contains("CAP_SYSLOG"));
}

/// The second without the right to read the kernel's log.
fn deaf(mut taken: Snapshot) -> Snapshot {
    taken.kernel_log = Some(Err(Unreadable::Denied));
    taken
}

#[test]
fn where_no_log_can_come_it_is_not_waited_for() {
    let report = after([deaf(second(2, &REST, 4, 8))]);
    assert_eq!(
        only(&report).victim.as_ref().map(|victim| victim.pid),
        Some(Pid(30)),
        "the first of the ranking is gone"
    );
    assert_eq!((only(&report).confidence, kinds(only(&report))), (Confidence::Likely, vec![1, 2, 3]));
    // Another one vanished, and the first of the ranking may only take longer.
    let report = after([deaf(second(2, &BOTH[..1], 4, 8))]);
    assert_eq!(report.kills.len(), 0);
    let report = after([deaf(second(2, &BOTH[..1], 4, 8)), deaf(second(3, &[], 4, 8))]);
    assert_eq!(only(&report).victim.as_ref().map(|victim| victim.pid), Some(Pid(30)));
}

/// The same with a container of one process beside: of a limit that only it lives below it is the first to go.
fn beside_a_container(mut taken: Snapshot, runs: bool) -> Snapshot {
    let at = taken.ended;
    let mut cgroup = Cgroup::unread(CgroupPath::new("/alone"), Version::V2, at);
    let used = Bytes::from_mib(if runs { 63 } else { 0 });
    (cgroup.limit, cgroup.usage) = (Some(Some(Bytes::from_mib(64))), Some(used));
    (cgroup.stat.anon, cgroup.stat.shmem) = (Some(used), Some(Bytes(0)));
    cgroup.events.oom_kill = Some(0);
    if runs {
        let stat = Stat { name: Name::new(b"alone"), state: b'S', rss: Pages(16_000), ..Stat::default() };
        taken.roster.push(id(32));
        taken.statms.push(fact(32, at, Statm { resident: Pages(16_000), ..Statm::default() }));
        taken.stats.push(fact(32, at, stat));
        taken.memberships.push(fact(32, at, cgroup.path.clone()));
        cgroup.members = vec![id(32)];
    }
    taken.cgroups.get_or_insert_default().insert(0, cgroup);
    taken
}

#[test]
fn one_that_ended_by_itself_in_that_second_is_not_named_for_a_kill_elsewhere() {
    let begin = || {
        let mut monitor = Monitor::new(MonitorConfig::default());
        monitor.absorb(&beside_a_container(second(0, &BOTH, 3, 7), true));
        let report = monitor.absorb(&beside_a_container(second(1, &BOTH, 3, 7), true));
        assert_eq!(report.process(id(32)).and_then(|row| row.risk), Some(1), "alone below its limit");
        monitor
    };
    // The counter of the cgroup was read just before the kill, that of the machine just after; the victim still exits.
    let mut monitor = begin();
    let report = monitor.absorb(&beside_a_container(deaf(second(2, &BOTH, 3, 8)), false));
    assert_eq!(report.kills.len(), 0, "{:?}", report.kills);
    drop(report);
    let report = monitor.absorb(&beside_a_container(deaf(second(3, &REST, 4, 8)), false));
    let kill = only(&report);
    assert_eq!(kill.victim.as_ref().map(|victim| victim.pid), Some(Pid(30)));
    assert_eq!((kill.confidence, kill.others), (Confidence::Likely, 0), "who was elsewhere is no suspect any more");
    // No cgroup counts it: that it was the first of its own says nothing.
    let mut monitor = begin();
    for time in 2..4 {
        monitor.absorb(&beside_a_container(deaf(second(time, &BOTH, 3, 8)), false));
    }
    assert_eq!(only(&monitor.report()).confidence, Confidence::Guess);
}

#[test]
fn where_only_the_machine_counts_the_first_of_the_machine_is_likely() {
    let elsewhere = |mut taken: Snapshot| {
        taken.cgroups = Some(Vec::new());
        deaf(taken)
    };
    let mut monitor = Monitor::new(MonitorConfig::default());
    for (time, processes, kills) in [(0, &BOTH[..], 7), (1, &BOTH[..], 7), (2, &REST[..], 8)] {
        monitor.absorb(&elsewhere(second(time, processes, 0, kills)));
    }
    assert!(monitor.report().kills.is_empty(), "a cgroup may still count it");
    monitor.absorb(&elsewhere(second(3, &REST, 0, 8)));
    let report = monitor.report();
    assert_eq!((only(&report).confidence, kinds(only(&report))), (Confidence::Likely, vec![2, 3]));
    assert_eq!(only(&report).victim.as_ref().map(|victim| victim.pid), Some(Pid(30)));
}

#[test]
fn a_higher_limit_is_named_by_how_fast_it_was_filled() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    // 4 MiB a second.
    for at in 0..60 {
        monitor.absorb(&growing(at, 60_000 + at * 1024, 3, 7));
    }
    monitor.absorb(&second(60, &REST, 4, 8));
    let report = monitor.absorb(&second(61, &REST, 4, 8));
    let spared = only(&report).spared.as_ref().expect("by the order just before");
    let per_minute = spared.all.per_minute.expect("it grew").0 >> 20;
    assert!((230..=250).contains(&per_minute), "{per_minute} MiB");
    assert_eq!(spared.all.go, None);
    // A growth that is not how it came by what it held: it was there for two looks.
    let mut monitor = Monitor::new(MonitorConfig::default());
    for at in 0..60 {
        let came = (at >= 58).then_some((30, 60_000));
        let there: Vec<_> = came.into_iter().chain([(31, 10_000 + at * 256)]).collect();
        let mut taken = second(at, &there, 3, 7);
        let cgroup = &mut taken.cgroups.as_mut().unwrap()[0];
        (cgroup.stat.anon, cgroup.stat.shmem) = (Some(Bytes::from_mib(100 + 4 * at)), Some(Bytes(0)));
        monitor.absorb(&taken);
    }
    assert!(monitor.report().domains.iter().any(|domain| &*domain.path.0 == b"/web" && domain.growth.is_some()));
    monitor.absorb(&second(60, &[(31, 26_000)], 4, 8));
    let report = monitor.absorb(&second(61, &[(31, 26_000)], 4, 8));
    assert_eq!(only(&report).victim.as_ref().map(|victim| victim.pid), Some(Pid(30)));
    assert_eq!(only(&report).spared.as_ref().and_then(|spared| spared.all.per_minute), None);
    // One that stood still gives no number.
    let still = after([second(2, &REST, 4, 8), second(3, &REST, 4, 8)]);
    assert_eq!(only(&still).spared.as_ref().and_then(|spared| spared.all.per_minute), None);
}

#[test]
fn a_go_program_is_told_a_limit_that_might_have_helped() {
    let mut first = second(0, &BOTH, 3, 7);
    let go = GoBuild { version: "go1.26.1".into(), ..GoBuild::default() };
    let executable = Executable { go: Some(go), ..Executable::default() };
    first.executables = vec![fact(30, first.ended, Arc::new(executable))];
    let mut monitor = Monitor::new(MonitorConfig::default());
    for taken in [first, second(1, &BOTH, 3, 7), second(2, &REST, 4, 8), second(3, &REST, 4, 8)] {
        monitor.absorb(&taken);
    }
    let report = monitor.report();
    let spared = only(&report).spared.as_ref().expect("by the order just before");
    // Of 512 MiB all others held 30: nine tenths of the rest.
    assert_eq!(spared.all.go.as_ref().and_then(|advice| advice.set.as_deref()), Some("GOMEMLIMIT=433MiB"));
}

/// A second in which the first of both holds so many pages, all of them anonymous.
fn growing(at: u64, pages: u64, web: u64, machine: u64) -> Snapshot {
    let mut taken = second(at, &[(30, pages), BOTH[1]], web, machine);
    for cgroup in taken.cgroups.iter_mut().flatten() {
        (cgroup.stat.anon, cgroup.stat.shmem) = (cgroup.usage, Some(Bytes(0)));
    }
    taken
}

#[test]
fn out_of_scope_is_no_victim() {
    let mut tree = second(3, &REST, 4, 8);
    tree.scope = Scope::Tree(id(31));
    let report = after([second(2, &BOTH, 4, 8), tree]);
    assert_eq!((only(&report).victim.as_ref(), kinds(only(&report))), (None, vec![1, 2]));
}

/// The kernel's words when all of a cgroup dies: the chosen one is written twice.
#[test]
fn what_would_have_spared_the_first_is_told() {
    let mut ordinary = second(2, &BOTH, 3, 7);
    ordinary.adjustments = BOTH.map(|(pid, _)| fact(pid, ordinary.ended, 0)).into();
    let mut killed = second(3, &BOTH, 4, 8);
    killed.events = log(30, WEB, 4);
    let report = after([ordinary, killed, second(4, &REST, 4, 8)]);
    let spared = only(&report).spared.as_ref().unwrap();
    // 110,000 pages apart in a cgroup of 131,072: 131 of them count for each of oom_score_adj.
    assert_eq!(spared.instead.as_ref().unwrap().pid, Pid(31));
    assert_eq!((spared.adjustment, spared.less), (Some(-840), Some(Bytes(110_001 * 4096))));
    // The last of two: at -1000 nobody could have been taken.
    let mut alone = second(2, &REST, 4, 8);
    alone.events = log(31, WEB, 4);
    let mut monitor = Monitor::new(MonitorConfig::default());
    monitor.absorb(&second(0, &REST, 3, 7));
    monitor.absorb(&alone);
    let report = monitor.report();
    let spared = only(&report).spared.as_ref().unwrap();
    assert_eq!((spared.adjustment, spared.less, &spared.instead), (Some(-1000), None, &None));
}

#[test]
fn a_number_that_was_used_again_while_nobody_looked_had_the_history_of_who_had_it_before() {
    let kill = |seconds: u64| {
        // It was there before and after, or so it seems.
        let mut late = second(1 + seconds, &REST, 4, 8);
        late.events = log(30, WEB, 4);
        for event in &mut late.events {
            if let OutsideEvent::KernelLog(record) = event {
                record.text = String::from_utf8_lossy(&record.text).replace("a.test", "mysqld").into_bytes().into();
            }
        }
        let report = after([late, second(2 + seconds, &REST, 4, 8)]);
        let kill = only(&report);
        let victim = kill.victim.as_ref().unwrap();
        (victim.pid.0, String::from_utf8_lossy(&victim.name).into_owned(), victim.id.is_some(), kill.history.is_some())
    };
    assert_eq!(kill(5000), (30, "mysqld".to_owned(), false, false));
    // A thread, or a program that it became since.
    assert_eq!(kill(1), (30, "mysqld".to_owned(), true, true));
}

#[test]
fn nobody_else_could_have_been_taken_where_some_could_not_be_seen() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let one = [(30, 118_000)];
    for (time, processes, web) in [(0, &one[..], 3), (1, &one, 3), (2, &[], 4), (3, &[], 4)] {
        let mut taken = second(time, processes, web, 4 + web);
        taken.cgroups.iter_mut().flatten().for_each(|cgroup| cgroup.unseen = Some(5));
        monitor.absorb(&taken);
    }
    let report = monitor.report();
    let kill = only(&report);
    assert!(kill.others_hidden, "{kill:?}");
    assert!(kill.why.as_ref().is_some_and(|why| why.ends_with("before of those visible from here)")), "{:?}", kill.why);
}
