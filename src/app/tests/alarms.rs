//! What begins to warn is told once, in the ways that were asked for.

use std::time::Duration;

use super::*;
use crate::config::AlarmConfig;
use crate::monitor::alarm::{AlarmDomain, AlarmReport, Classes, Portrait};
use crate::monitor::kill_report::{KillDomain, KillReport};
use crate::monitor::report::{DomainKind, DomainReport, Level, WarningState};
use crate::snapshot::process::CgroupPath;
use crate::units::WallTime;

fn alarm(number: u64, state: WarningState) -> Arc<AlarmReport> {
    let mut process = ProcessReport::unread(id(40));
    process.warning = state;
    let portrait = Some(Portrait { process, z_score: None, classes: Classes::Waiting });
    Arc::new(AlarmReport { number, at: Timestamp(0), wall: WallTime(0), portrait, domain: None })
}

fn warned(config: AlarmConfig) -> State {
    let config = Config { alarm: config, ..Config::default() };
    let mut state = State::new(Arc::new(config), (120, 40));
    update(&mut state, Event::Report(Arc::new(machine())));
    state
}

/// Alarms that come `seconds` later; the calls of the hook with how many were withheld, and bells.
fn hear(state: &mut State, seconds: u64, alarms: &[Arc<AlarmReport>]) -> (Vec<(u64, u64)>, usize) {
    let effects = later(state, seconds, |report| report.alarms.extend(alarms.iter().cloned()));
    let calls = effects.iter().filter_map(|effect| match effect {
        Effect::Hook(call) => Some((call.alarm.number, call.withheld)),
        _ => None,
    });
    (calls.collect(), effects.iter().filter(|effect| **effect == Effect::Bell).count())
}

#[test]
fn the_footer_tells_an_alarm_once_and_nothing_else_happens_unless_asked_for() {
    let mut state = warned(AlarmConfig::default());
    let (calls, bells) = hear(&mut state, 1, &[alarm(1, WarningState::Growing), alarm(2, WarningState::Leak)]);
    assert_eq!((calls.len(), bells), (0, 0));
    assert_eq!(announced(&state), " 40 grows faster than usual (and 1 more)");
    state.news = None;
    hear(&mut state, 1, &[]);
    assert_eq!(announced(&state), "");
}

#[test]
fn the_footer_says_nothing_of_an_alarm_that_the_header_contradicts_a_second_later() {
    let mut state = warned(AlarmConfig::default());
    let full = |path: &str| DomainReport {
        headroom: Some(Bytes::from_mib(77)),
        time_left: Some(Duration::from_secs(9)),
        ..domain(path, DomainKind::CgroupV1)
    };
    let report = machine();
    let mut of_process = (*alarm(1, WarningState::Imminent)).clone();
    of_process.domain = Some(AlarmDomain::of(&full("/web"), &report));
    if let Some(portrait) = &mut of_process.portrait {
        portrait.process.growth = crate::units::Rate::new(8.5e6);
    }
    let sentence = of_process.sentence();
    assert!(["77.0M of 512M left", "/s", "full in about 9s"].iter().all(|now| sentence.contains(now)), "{sentence}");
    let of_domain = AlarmReport { number: 2, portrait: None, ..of_process.clone() };
    hear(&mut state, 1, &[Arc::new(of_process)]);
    assert_eq!(announced(&state), " 40 fills its memory (/web, limit 512M)");
    assert_eq!(of_domain.headline(), "/web is near its limit of 512M");
}

#[test]
fn what_became_of_an_action_stays_to_be_read_when_an_alarm_comes() {
    let mut state = warned(AlarmConfig::default());
    press(&mut state, "r");
    let outcome = said(&state).to_owned();
    hear(&mut state, 1, &[alarm(1, WarningState::Growing)]);
    assert_eq!((said(&state), announced(&state)), (&*outcome, " 40 grows faster than usual"));
    later(&mut state, 7, |_| ());
    assert_eq!((said(&state), announced(&state)), ("", " 40 grows faster than usual"));
    later(&mut state, 1, |_| ());
    assert_eq!(announced(&state), "");
}

#[test]
fn the_hook_is_called_seldom_and_told_what_it_missed() {
    let config = AlarmConfig {
        bell: true,
        hook: vec!["tell".into()],
        hook_every: Duration::from_secs(30),
        kinds: vec!["growing", "imminent"],
        ..AlarmConfig::default()
    };
    let mut state = warned(config);
    assert_eq!(hear(&mut state, 1, &[alarm(1, WarningState::Leak)]), (vec![], 0));
    let both = [alarm(2, WarningState::Imminent), alarm(3, WarningState::Growing)];
    assert_eq!(hear(&mut state, 1, &both), (vec![(2, 1)], 1));
    assert_eq!(hear(&mut state, 10, &[alarm(4, WarningState::Growing)]), (vec![], 1));
    // The screen stands still; who should be woken is woken.
    press(&mut state, "p");
    assert_eq!(hear(&mut state, 10, &[alarm(5, WarningState::Growing)]), (vec![], 1));
    assert_eq!(hear(&mut state, 10, &[alarm(6, WarningState::Growing)]), (vec![(6, 2)], 1));
    assert_eq!(hear(&mut state, 31, &[alarm(7, WarningState::Growing)]), (vec![(7, 0)], 1));
}

#[test]
fn a_hook_that_fails_is_told_and_one_that_works_is_not() {
    let mut state = state();
    update(&mut state, Event::Hooked(Ok(())));
    assert_eq!(announced(&state), "");
    update(&mut state, Event::Hooked(Err("sh: exit status: 3".into())));
    assert_eq!(announced(&state), "the hook failed: sh: exit status: 3");
}

/// `go test` (20) and what it started live in `/ci`; `/db` is tighter, and none of theirs.
fn narrowed() -> State {
    let mut state = warned(AlarmConfig { bell: true, ..AlarmConfig::default() });
    state.list.roots = vec![id(20)];
    later(&mut state, 1, |report| {
        for process in &mut report.processes {
            let mut identity = (*process.identity).clone();
            let ours = matches!(process.id.pid.0, 20 | 30 | 31);
            identity.cgroup = Some(CgroupPath::new(if ours { "/ci/job" } else { "/db" }));
            process.identity = Arc::new(identity);
        }
        report.domains = ["/db", "/ci", "/"]
            .map(|path| {
                let kind = if path == "/" { DomainKind::Host } else { DomainKind::CgroupV2 };
                DomainReport { candidates: 3, ..DomainReport::unranked(kind, CgroupPath::new(path)) }
            })
            .to_vec();
    });
    state
}

#[test]
fn only_what_concerns_the_watched_processes_is_told_by_itself() {
    use WarningState::{Growing, Imminent, Leak};

    let mut state = narrowed();
    assert_eq!(state.tightest_domain().map(|domain| &*domain.path.0), Some(&b"/ci"[..]));
    let of = |number: u64, pid: u32, warning: WarningState, path: Option<&str>| {
        let mut alarm = AlarmReport::clone(&alarm(number, warning));
        let newest = machine();
        let process = newest.processes.iter().find(|process| process.id.pid.0 == pid);
        alarm.portrait.as_mut().expect("of a process").process =
            ProcessReport { warning, ..process.expect("is there").clone() };
        alarm.domain = path.map(|path| {
            let kind = if path == "/" { DomainKind::Host } else { DomainKind::CgroupV2 };
            let level = Level::Critical;
            AlarmDomain::of(&DomainReport { level, ..DomainReport::unranked(kind, CgroupPath::new(path)) }, &newest)
        });
        Arc::new(alarm)
    };
    let of_domain = |number: u64, path: &str| {
        let mut alarm = AlarmReport::clone(&of(number, 30, WarningState::Quiet, Some(path)));
        alarm.portrait = None;
        Arc::new(alarm)
    };
    for (alarm, is_told) in [
        (of(1, 30, Growing, Some("/ci")), true),
        (of(2, 10, Growing, Some("/db")), false),
        (of(3, 10, Imminent, Some("/db")), false),
        (of(4, 10, Imminent, Some("/")), true),
        (of(5, 10, Leak, Some("/")), false),
        (of_domain(6, "/db"), false),
        (of_domain(7, "/ci"), true),
        (of_domain(8, "/"), true),
    ] {
        state.news = None;
        let (_, bells) = hear(&mut state, 1, &[Arc::clone(&alarm)]);
        assert_eq!((!announced(&state).is_empty(), bells == 1), (is_told, is_told), "{alarm:?}");
    }
}

#[test]
fn only_kills_where_the_watched_processes_are_or_were_are_told_by_themselves() {
    let mut state = narrowed();
    // All of them are gone when the news come.
    later(&mut state, 1, |report| report.processes.retain(|process| process.id.pid.0 == 10));
    for (number, path, is_told) in
        [(1, Some("/db"), false), (2, Some("/ci"), true), (3, Some("/"), true), (4, None, true)]
    {
        let mut kill = KillReport::unknown(number, Timestamp::from_secs(20), WallTime(0));
        kill.domain = path.map(|path| KillDomain {
            label: path.into(),
            path: path.as_bytes().into(),
            is_host: path == "/",
            limit: None,
            is_told: true,
        });
        state.news = None;
        later(&mut state, 1, |report| report.kills.push(Arc::new(kill)));
        assert_eq!(!announced(&state).is_empty(), is_told, "{path:?}");
    }
    assert_eq!(state.report.kills.len(), 4, "the list has them all");
}

/// On a node with a hundred pods below one root none of them is forgotten while somebody lives there; of those that were
/// left the newest are remembered.
#[test]
fn no_place_of_a_living_watched_process_is_forgotten_for_there_are_many() {
    let mut state = narrowed();
    let pods: Vec<u32> = (0..100).collect();
    let path = |pod: u32| format!("/pods/{pod}");
    let populate = |report: &mut Report| {
        report.processes.retain(|process| process.id.pid.0 < 1000);
        for pod in &pods {
            let cgroup = Some(CgroupPath::new(format!("{}/container", path(*pod))));
            let identity = Identity { name: b"pod".as_slice().into(), cgroup, ..Identity::default() };
            report.processes.push(ProcessReport {
                parent: Pid(20),
                identity: Arc::new(identity),
                ..ProcessReport::unread(id(1000 + pod))
            });
        }
    };
    let heard_of = |state: &State| pods.iter().filter(|pod| state.is_watched_in(false, path(**pod).as_bytes())).count();
    for _ in 0..3 {
        later(&mut state, 1, populate);
        assert_eq!(heard_of(&state), 100);
        assert!(!state.is_watched_in(false, b"/pods/10/other") && !state.is_watched_in(false, b"/pod"));
    }
    later(&mut state, 1, |report| report.processes.retain(|process| process.id.pid.0 < 1000));
    assert_eq!(heard_of(&state), 64, "of the dead");
    later(&mut state, 1, populate);
    assert_eq!(heard_of(&state), 100);
}
