//! A command that runs already: it is picked, watched, and told, and never touched.

use super::*;
use crate::app::list::Arrangement;
use crate::app::run::Stage;
use crate::run::progress::Progress;
use crate::run::report::{Exit, Vantage};
use crate::run::{Run, RunPlan};
use crate::snapshot::process::Command;

/// The machine with command lines: `go test ./...` and its two test binaries.
fn with_commands(report: &mut Report) {
    for process in &mut report.processes {
        let arguments: &[u8] = match process.id.pid.0 {
            20 => b"go\0test\0./...\0",
            30 => b"/tmp/go-build1/b001/a.test\0-test.v\0",
            _ => b"x\0",
        };
        let mut identity = (*process.identity).clone();
        identity.command = Some(Arc::new(Command { arguments: arguments.into(), cut: false }));
        identity.test_package = (process.id.pid.0 == 30).then(|| "example.com/a".into());
        process.identity = Arc::new(identity);
    }
}

fn watching(keys: &str, root: u32) -> State {
    let mut state = state();
    later(&mut state, 1, with_commands);
    assert_eq!(press(&mut state, keys), [Effect::Watch(id(root))], "{keys}");
    update(&mut state, Event::Watching(Ok(vec![id(20)])));
    state
}

fn ended(exit: Option<Exit>) -> Event {
    let plan = RunPlan { vantage: Vantage::Outside, ..RunPlan::default() };
    Event::RunEnded(Arc::new(Run::new(plan).finish(exit, Ok(()))))
}

#[test]
fn a_go_test_is_offered_as_a_group_and_picked_there_or_by_any_of_its_processes() {
    let mut state = state();
    later(&mut state, 1, with_commands);
    press(&mut state, "g<end><enter>");
    assert_eq!(state.list.arrangement, Arrangement::ByGoTest);
    assert_eq!(rows(&state), ["no go test", "go test ./... (20)"]);
    press(&mut state, "<down><enter>");
    assert_eq!(rows(&state)[1..], ["go test ./... (20)", "30", "31", "20"]);
    assert!(matches!(press(&mut state, "W").as_slice(), [Effect::Watch(_)]), "which of it is all the same");
    assert_eq!(press(&mut state, "<home>W"), [], "what is no go test is nothing to watch as a whole");
    for (keys, picked) in [("<down>W", 30), ("/./...<enter>W", 20), ("/bash<enter>W", 10)] {
        let mut state = self::state();
        later(&mut state, 1, with_commands);
        assert_eq!(press(&mut state, keys), [Effect::Watch(id(picked))], "{keys}");
    }
}

#[test]
fn what_is_watched_has_the_table_and_gives_it_back() {
    let mut state = watching("<down>W", 30);
    assert_eq!(rows(&state), ["20", "30", "31"]);
    assert_eq!(state.overview(), [Pane::Top, Pane::Run, Pane::Growth, Pane::Risk]);
    press(&mut state, "8");
    assert!(said(&state).contains("whoever started it"), "{}", said(&state));
    press(&mut state, "7");
    assert_eq!(state.focus, Pane::Run);
    assert_eq!(press(&mut state, "W"), [Effect::Unwatch]);
    assert_eq!((state.focus, state.overview(), state.run.is_none()), (Pane::Top, Pane::ALL, true));
    assert_eq!((rows(&state).len(), state.list.arrangement), (7, Arrangement::Flat));
}

#[test]
fn what_is_somebody_elses_is_not_ended_by_leaving() {
    let mut state = watching("<down>W", 30);
    update(&mut state, Event::Progress(Arc::new(Progress { vantage: Vantage::Outside, ..Progress::default() })));
    assert_eq!(press(&mut state, "q"), [Effect::Quit]);
}

#[test]
fn its_verdict_takes_the_screen_and_stays_until_a_key() {
    let mut state = watching("<down>W", 30);
    update(&mut state, ended(None));
    assert!(state.focus == Pane::Run && state.zoomed);
    let Stage::Over(report) = &state.run.as_ref().expect("stays").stage else { panic!("it is over") };
    assert_eq!(report.exit, None);
    press(&mut state, "W");
    assert!(state.run.is_none() && !state.zoomed);
    update(&mut state, ended(Some(Exit::Code(0))));
    assert!(state.run.is_none(), "what came too late is of nobody");
}

#[test]
fn what_cannot_be_watched_says_why() {
    let mut state = state();
    update(&mut state, Event::Watching(Err("no /proc".into())));
    assert!(state.run.is_none() && said(&state).contains("no /proc"));
    update(&mut state, Event::Watching(Ok(vec![id(20)])));
    assert!(state.run.is_some() && said(&state).contains("no /proc"), "no hint talks over what went wrong");
}

#[test]
fn of_processes_that_were_asked_for_and_ended_it_is_told_who_they_were_and_the_way_on() {
    use crate::monitor::kill_report::{Confidence, KillReport, Killed};
    use crate::units::WallTime;

    let mut state = state();
    state.list.roots = vec![id(30), id(40)];
    press(&mut state, "\\.test<enter>");
    later(&mut state, 1, |_| ());
    assert_eq!(state.nobody_left(), None);
    later(&mut state, 2, |report| report.processes.retain(|process| process.id != id(30)));
    assert_eq!((rows(&state).len(), state.nobody_left()), (0, None), "the filter hides who is left");
    later(&mut state, 3, |report| report.processes.retain(|process| process.id != id(30) && process.id != id(40)));
    assert_eq!(state.nobody_left().as_deref(), Some("a.test 30, postgres 40 have ended"));
    state.list.roots = vec![id(30)];
    assert_eq!(state.nobody_left().as_deref(), Some("a.test 30 has ended"));
    let mut kill = KillReport::unknown(1, Timestamp::from_secs(3), WallTime(0));
    kill.victim = Some(Killed { id: Some(id(30)), pid: Pid(30), name: (*b"a.test").into(), is_of_host: true });
    for (confidence, told) in [
        (Confidence::Guess, "a.test 30 has ended"),
        (Confidence::Likely, "a.test 30 was killed by the OOM killer, likely"),
        (Confidence::Certain, "a.test 30 was killed by the OOM killer"),
    ] {
        kill.confidence = confidence;
        Arc::make_mut(&mut state.report).kills = vec![Arc::new(kill.clone())];
        assert_eq!(state.nobody_left().as_deref(), Some(told));
    }
    // Everybody else is a key away, then what the filter hides.
    press(&mut state, "<esc>");
    assert_eq!((state.list.roots.len(), state.list.filter.as_deref()), (0, Some(".test")));
    assert_eq!(rows(&state), ["31"]);
}
