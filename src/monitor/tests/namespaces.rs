//! Kills in a container: the kernel's log has the names of the machine's first namespaces.

use std::sync::Arc;

use crate::monitor::kill_report::{Confidence, KillReport};
use crate::monitor::report::Report;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::{CgroupPath, Name, Stat};
use crate::snapshot::system::Machine;
use crate::units::{Bytes, Pid};

use super::kills::{WEB, kinds, log, only, second};
use super::{fact, id, machine};

/// What the machine calls our cgroup, and one of our neighbours.
const OURS: &str = "/docker/4f/web";
const THEIRS: &str = "/docker/9a/web";

fn contained(mut taken: Snapshot) -> Snapshot {
    let own = machine();
    taken.machine = Arc::new(Machine {
        initial_pid_namespace: Some(false),
        initial_cgroup_namespace: Some(false),
        ..Machine::clone(&own)
    });
    taken
}

const BOTH: [(u32, u64); 2] = [(30, 118_000), (31, 8_000)];
const REST: [(u32, u64); 1] = [(31, 8_000)];

/// Two quiet seconds in a container, then these.
fn after(seconds: impl IntoIterator<Item = Snapshot>) -> Arc<Report> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let quiet = [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7)];
    for taken in quiet.into_iter().chain(seconds) {
        monitor.absorb(&contained(taken));
    }
    monitor.report()
}

fn with_log(mut taken: Snapshot, pid: u32, cgroup: &str) -> Snapshot {
    taken.events.extend(log(pid, cgroup, 4));
    taken
}

/// The kill of `a.test` in our cgroup, as all witnesses tell it.
fn is_whole(kill: &KillReport) {
    let victim = kill.victim.as_ref().expect("named");
    assert_eq!((victim.id, victim.pid, victim.number()), (Some(id(30)), Pid(32_575), Pid(30)));
    assert_eq!((kill.confidence, kinds(kill)), (Confidence::Likely, vec![0, 1, 2, 3]));
    let domain = kill.domain.as_ref().expect("known");
    assert_eq!((&*domain.path, domain.is_told), (WEB.as_bytes(), true));
    let why = kill.why.as_ref().expect("it was ranked");
    assert!(why.starts_with("1st of 2") && why.contains("next was b.test 31,"), "{why}");
    assert!(kill.spared.is_some() && kill.history.is_some(), "{kill:?}");
}

#[test]
fn the_log_and_the_counter_of_a_container_make_one_kill_in_whatever_order_they_come() {
    let [counted, killed] = [2, 3].map(|at| second(at, &REST, 4, 8));
    let late = second(2, &BOTH, 4, 8);
    let logged = |taken: Snapshot| with_log(taken, 32_575, OURS);
    let end = || [second(4, &REST, 4, 8), second(5, &REST, 4, 8)];
    for (what, passes) in [
        ("all at once", vec![logged(counted.clone())]),
        ("the victim takes longer", vec![logged(late.clone()), killed.clone()]),
        ("the log comes last", vec![counted.clone(), logged(killed.clone())]),
        ("the counter was read before", vec![logged(second(2, &BOTH, 3, 7)), killed.clone()]),
        ("and that of the machine after it", vec![logged(second(2, &BOTH, 3, 8)), killed.clone()]),
        ("the cgroup was read before and the victim gone", vec![logged(second(2, &REST, 3, 8)), killed]),
    ] {
        let report = after(passes.into_iter().chain(end()));
        assert_eq!(report.kills.len(), 1, "{what}: {:#?}", report.kills);
        is_whole(only(&report));
    }
}

#[test]
fn a_kill_next_door_is_none_of_ours() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    // By its name one of ours, and ours lives.
    let next_door = with_log(second(2, &BOTH, 3, 8), 777, THEIRS);
    let quiet = [3, 4, 5].map(|at| second(at, &BOTH, 3, 8));
    for taken in [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7), next_door].into_iter().chain(quiet) {
        monitor.absorb(&contained(taken));
    }
    let report = monitor.report();
    let kill = only(&report);
    let victim = kill.victim.as_ref().unwrap();
    assert_eq!((victim.id, victim.to_string().as_str()), (None, "a.test (777 on the host)"));
    assert!(kill.candidates.is_empty() && kill.why.is_none(), "{kill:?}");
    assert_eq!((&*kill.domain.as_ref().unwrap().path, kinds(kill)), (b"/../docker/9a/web".as_slice(), vec![0, 2]));
    drop(report);
    // Ours is another, and from then on it is known which are ours.
    monitor.absorb(&contained(with_log(second(6, &REST, 4, 9), 32_575, OURS)));
    monitor.absorb(&contained(second(7, &REST, 4, 9)));
    let report = monitor.absorb(&contained(with_log(second(8, &REST, 4, 10), 778, THEIRS)));
    assert_eq!(report.kills.len(), 3, "{:#?}", report.kills);
    is_whole(&report.kills[1]);
    assert_eq!(&*report.kills[2].domain.as_ref().unwrap().path, b"/../9a/web");
}

#[test]
fn one_of_ours_that_ended_by_itself_is_not_the_one_that_was_killed_next_door() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let next_door = with_log(second(2, &REST, 3, 8), 777, THEIRS);
    let quiet = [3, 4].map(|at| second(at, &REST, 3, 8));
    for taken in [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7), next_door].into_iter().chain(quiet) {
        monitor.absorb(&contained(taken));
    }
    let report = monitor.report();
    let kill = only(&report);
    assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test (777 on the host)"));
    assert_eq!((&*kill.domain.as_ref().unwrap().path, kinds(kill)), (b"/../docker/9a/web".as_slice(), vec![0, 2]));
    drop(report);
    // Nor was anything learned of it that makes a kill of ours one of elsewhere.
    for at in [5, 6] {
        monitor.absorb(&contained(second(at, &BOTH, 3, 8)));
    }
    monitor.absorb(&contained(with_log(second(7, &REST, 4, 9), 32_575, OURS)));
    let report = monitor.absorb(&contained(second(8, &REST, 4, 9)));
    assert_eq!(report.kills.len(), 2, "{:#?}", report.kills);
    is_whole(&report.kills[1]);
}

/// The kernel writes ten dumps in five seconds (mm/oom_kill.c oom_rs), and then the line of the kill alone.
fn with_line_alone(mut taken: Snapshot, pid: u32) -> Snapshot {
    taken.events.extend(log(pid, WEB, 3).split_off(4));
    taken
}

#[test]
fn a_line_without_a_place_names_nobody_of_ours_where_nothing_of_ours_counted() {
    for end in [3, 4, 5] {
        let at = |time: u64| second(time, if time < end { &BOTH } else { &REST }, 3, 8);
        let report = after([with_line_alone(at(2), 777), at(3), at(4), at(5), at(6)]);
        let kill = only(&report);
        assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test (777 on the host)"));
        assert_eq!((kill.confidence, kinds(kill)), (Confidence::Certain, vec![0, 2]), "{kill:#?}");
        assert!(kill.domain.is_none() && kill.history.is_none(), "{kill:#?}");
    }
}

#[test]
fn a_line_without_a_place_is_likely_of_the_cgroup_that_counted() {
    let line = |taken: Snapshot| with_line_alone(taken, 32_575);
    for (what, passes) in [
        ("at once", [line(second(2, &REST, 4, 8)), second(3, &REST, 4, 8)]),
        ("the counter comes first", [second(2, &BOTH, 4, 8), line(second(3, &REST, 4, 8))]),
        ("the line comes first", [line(second(2, &BOTH, 3, 7)), second(3, &REST, 4, 8)]),
    ] {
        let report = after(passes.into_iter().chain([second(4, &REST, 4, 8)]));
        let kill = only(&report);
        let victim = kill.victim.as_ref().expect("named");
        assert_eq!((victim.id, victim.pid), (Some(id(30)), Pid(32_575)), "{what}: {kill:#?}");
        assert_eq!((kill.confidence, kinds(kill)), (Confidence::Likely, vec![0, 1, 2, 3]), "{what}");
        let domain = kill.domain.as_ref().expect("it counted");
        assert_eq!((&*domain.path, domain.is_told), (WEB.as_bytes(), false), "{what}");
    }
    // Nobody of that name is known, and only the counter says that it was here.
    let report = after([line(second(2, &BOTH, 4, 8)), second(3, &BOTH, 4, 8)]);
    let kill = only(&report);
    assert_eq!((kill.victim.as_ref().and_then(|one| one.id), kill.confidence), (None, Confidence::Likely));
}

#[test]
fn two_at_once_of_which_one_is_ours_are_two() {
    for [first, last] in [[(32_575, OURS), (777, THEIRS)], [(777, THEIRS), (32_575, OURS)]] {
        let both = with_log(with_log(second(2, &REST, 4, 9), first.0, first.1), last.0, last.1);
        let report = after([both, second(3, &REST, 4, 9), second(4, &REST, 4, 9)]);
        // Which of them is ours cannot be told: each has that name.
        let certain = report.kills.iter().filter(|kill| kill.confidence == Confidence::Certain).count();
        assert_eq!(certain, 2, "{:#?}", report.kills);
        assert!(report.kills.iter().all(|kill| {
            kill.victim.as_ref().is_some_and(|one| one.id.is_none() || kill.confidence == Confidence::Likely)
        }));
    }
}

#[test]
fn of_two_of_a_name_that_are_gone_neither_is_named() {
    let twins = [(30, 118_000), (31, 8_000), (32, 9_000)];
    let called = |mut taken: Snapshot| {
        for stat in taken.stats.iter_mut().filter(|stat| stat.id == id(32)) {
            stat.reading = Ok(Stat { name: Name::new(b"a.test"), ..stat.reading.unwrap() });
        }
        contained(taken)
    };
    let mut monitor = Monitor::new(MonitorConfig::default());
    let passes = [second(0, &twins, 3, 7), second(1, &twins, 3, 7), with_log(second(2, &REST, 4, 8), 32_575, OURS)];
    for taken in passes.into_iter().chain([second(3, &REST, 4, 8)]) {
        monitor.absorb(&called(taken));
    }
    let report = monitor.report();
    let kill = only(&report);
    assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test (32575 on the host)"));
    assert_eq!((kill.confidence, kinds(kill)), (Confidence::Certain, vec![0, 1, 2]));
}

#[test]
fn where_only_the_cgroups_have_names_of_their_own_numbers_are_ours() {
    let apart = |mut taken: Snapshot| {
        taken.machine = Arc::new(Machine { initial_cgroup_namespace: Some(false), ..Machine::clone(&machine()) });
        taken
    };
    let mut monitor = Monitor::new(MonitorConfig::default());
    for taken in [
        second(0, &BOTH, 3, 7),
        second(1, &BOTH, 3, 7),
        with_log(second(2, &REST, 4, 8), 30, OURS),
        second(3, &REST, 4, 8),
    ] {
        monitor.absorb(&apart(taken));
    }
    let report = monitor.report();
    let kill = only(&report);
    assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test 30"));
    assert_eq!(
        (kill.domain.as_ref().map(|domain| &*domain.path), kinds(kill)),
        (Some(WEB.as_bytes()), vec![0, 1, 2, 3])
    );
}

/// The same with the limit of the container itself above, which is seen as the root; on v2 it counts what is below.
fn below_a_root(mut taken: Snapshot, kills: u64, with_web: bool) -> Snapshot {
    let mut root = Cgroup::unread(CgroupPath::new("/"), Version::V2, taken.ended);
    root.limit = Some(Some(Bytes::from_mib(512)));
    root.events.oom_kill = Some(kills);
    root.members = taken.roster.clone();
    let cgroups = taken.cgroups.get_or_insert_default();
    cgroups.insert(0, root);
    cgroups.truncate(if with_web { 2 } else { 1 });
    if !with_web {
        let at = taken.ended;
        taken.memberships = taken.roster.iter().map(|own| fact(own.pid.0, at, CgroupPath::new("/"))).collect();
    }
    contained(taken)
}

#[test]
fn the_limit_of_the_container_itself_is_that_of_the_root_that_it_sees() {
    for (with_web, told, domain) in [(true, OURS, WEB), (false, "/docker/4f", "/")] {
        let mut monitor = Monitor::new(MonitorConfig::default());
        for taken in [
            below_a_root(second(0, &BOTH, 3, 7), 3, with_web),
            below_a_root(second(1, &BOTH, 3, 7), 3, with_web),
            below_a_root(with_log(second(2, &BOTH, 4, 8), 32_575, told), 4, with_web),
            below_a_root(second(3, &REST, 4, 8), 4, with_web),
        ] {
            monitor.absorb(&taken);
        }
        let report = monitor.report();
        let kill = only(&report);
        assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test 30"), "{kill:#?}");
        assert_eq!(kill.domain.as_ref().map(|domain| &*domain.path), Some(domain.as_bytes()));
        assert!(kill.why.is_some() && kill.spared.is_some(), "{kill:?}");
        let counters = kinds(kill).into_iter().filter(|kind| *kind == 1).count();
        assert_eq!(counters, if with_web { 2 } else { 1 });
    }
}

#[test]
fn what_waits_for_a_counter_is_told_where_no_pass_follows() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    for taken in [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7), with_log(second(2, &BOTH, 3, 7), 30, OURS)] {
        monitor.absorb(&contained(taken));
    }
    assert!(monitor.report().kills.is_empty(), "the counter may come");
    let report = monitor.conclude();
    let kill = only(&report);
    // Here 30 is the number of another.
    assert_eq!(kill.victim.as_ref().map(ToString::to_string).as_deref(), Some("a.test (30 on the host)"));
    assert_eq!((kill.confidence, kinds(kill)), (Confidence::Certain, vec![0]));
}
