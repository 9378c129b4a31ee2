//! The screen of `oomtop run`: what is selected, how one leaves it, what the command wrote.

use super::*;
use crate::app::keys::Action;

/// The screen of a command that runs: `go` of the small machine.
fn watching() -> State {
    let mut state = state();
    state.begin_run(id(20));
    state
}

#[test]
fn the_command_is_selected_and_not_who_runs_it() {
    let mut state = watching();
    later(&mut state, 1, |_| ());
    assert_eq!(selected(&state), Some(20), "it is not the first row");
    let mut state = State::new(Arc::new(Config::default()), (120, 40));
    state.begin_run(id(20));
    update(&mut state, Event::Report(Arc::new(machine())));
    assert_eq!(selected(&state), Some(20));
    press(&mut state, "<home>");
    later(&mut state, 1, |_| ());
    assert_eq!(selected(&state), Some(40), "who goes elsewhere stays there");
}

#[test]
fn a_command_that_runs_is_asked_to_end_before_one_leaves() {
    let mut state = watching();
    let signals: Vec<_> = (0..4).flat_map(|_| press(&mut state, "q")).collect();
    assert_eq!(signals, [2, 15, 9, 9].map(Effect::SignalCommand));
    let report = Arc::new(
        crate::run::Run::new(crate::run::RunPlan::default()).finish(Some(crate::run::report::Exit::Code(0)), Ok(())),
    );
    update(&mut state, Event::RunEnded(report));
    assert_eq!((state.focus, state.zoomed), (Pane::Run, true), "the verdict is what one waited for");
    assert_eq!(press(&mut state, "q"), [Effect::Quit]);
}

#[test]
fn what_it_wrote_scrolls_and_is_searched_where_it_has_the_keys() {
    let mut state = watching();
    let text = (0..100).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    update(&mut state, Event::Output(text.into_bytes()));
    press(&mut state, "8/line 4<enter>");
    let output = |state: &State| state.run.as_ref().and_then(|run| run.output()).expect("is ours").clone();
    assert_eq!(output(&state).found(), Some(4), "from the end it goes round");
    press(&mut state, "n");
    assert_eq!(output(&state).found(), Some(40));
    press(&mut state, "N");
    assert_eq!(output(&state).found(), Some(4));
    assert_eq!(state.list.selected, Some(id(20)), "the table stays where it is");
}

#[test]
fn without_a_command_its_panes_say_what_would_fill_them() {
    let mut state = state();
    press(&mut state, "8");
    assert_eq!(state.focus, Pane::Top);
    assert!(state.outcome.as_ref().is_some_and(|outcome| outcome.text.contains("oomtop run")));
}

/// On a small screen too, where a pane has it without being zoomed.
#[test]
fn escape_leads_from_the_verdict_to_the_processes() {
    for (size, left) in [((40, 12), Pane::Top), ((80, 24), Pane::Run)] {
        let mut state = watching();
        update(&mut state, Event::Resize(size.0, size.1));
        state.begin_run(id(20));
        let report = crate::run::Run::new(crate::run::RunPlan::default()).finish(None, Ok(()));
        update(&mut state, Event::RunEnded(Arc::new(report)));
        assert!(state.is_of_use(Action::View(Pane::Output)) && !state.is_of_use(Action::View(Pane::Run)));
        press(&mut state, "<esc>");
        assert_eq!((state.focus, state.zoomed), (left, false), "{size:?}");
        press(&mut state, "<esc>");
        assert_eq!(state.focus, left, "there is nothing left to leave");
    }
}

#[test]
fn a_kill_of_which_the_verdict_tells_is_no_news_below_it() {
    use crate::monitor::kill_report::{KillReport, Killed};
    use crate::units::WallTime;

    let kill = |number: u64, pid: u32| {
        let mut kill = KillReport::unknown(number, Timestamp::from_secs(20), WallTime(0));
        kill.victim = Some(Killed { id: None, pid: Pid(pid), is_of_host: false, name: (*b"a.test").into() });
        Arc::new(kill)
    };
    let mut state = watching();
    let report = crate::run::fixture::report();
    let victim = report.processes[0].id.pid.0;
    update(&mut state, Event::RunEnded(Arc::new(report)));
    later(&mut state, 1, |report| report.kills.push(kill(1, victim)));
    assert_eq!(state.news, None);
    later(&mut state, 1, |report| report.kills.push(kill(2, victim + 10_000)));
    assert!(state.news.is_some(), "of somebody else in the same memory");
}
