//! What begins to warn is told once, in the ways that were asked for.

use std::time::Duration;

use super::*;
use crate::config::AlarmConfig;
use crate::monitor::alarm::{AlarmReport, Classes, Portrait};
use crate::monitor::report::WarningState;
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
    assert_eq!(announced(&state), " 40 grows beyond its habit (and 1 more)");
    state.news = None;
    hear(&mut state, 1, &[]);
    assert_eq!(announced(&state), "");
}

#[test]
fn what_became_of_an_action_stays_to_be_read_when_an_alarm_comes() {
    let mut state = warned(AlarmConfig::default());
    press(&mut state, "r");
    let outcome = said(&state).to_owned();
    hear(&mut state, 1, &[alarm(1, WarningState::Growing)]);
    assert_eq!((said(&state), announced(&state)), (&*outcome, " 40 grows beyond its habit"));
    later(&mut state, 7, |_| ());
    assert_eq!((said(&state), announced(&state)), ("", " 40 grows beyond its habit"));
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
