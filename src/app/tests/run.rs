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
    use crate::run::report::VerdictKind;
    use crate::units::WallTime;

    let told = crate::run::fixture::report();
    let [victim, linker] = [0, 1].map(|place| told.processes[place].id);
    let is_news = |verdict, seconds, id: Option<ProcessId>, pid: Pid, is_of_host| {
        let mut state = watching();
        let mut report = told.clone();
        report.verdict.kind = verdict;
        update(&mut state, Event::RunEnded(Arc::new(report)));
        let mut kill = KillReport::unknown(1, Timestamp::from_secs(seconds), WallTime(0));
        kill.victim = Some(Killed { id, pid, is_of_host, name: (*b"a.test").into() });
        later(&mut state, 1, |report| report.kills.push(Arc::new(kill)));
        state.news.is_some()
    };
    let ours = VerdictKind::OomKilledCgroup;
    let later_of_its_number = ProcessId::new(victim.pid.0, 999_999);
    for (verdict, seconds, id, pid, is_of_host, expected, why) in [
        (ours, 20, Some(victim), victim.pid, false, false, "the verdict tells it"),
        (ours, 20, Some(victim), Pid(57), true, false, "its number on the host is another"),
        (ours, 20, None, victim.pid, false, false, "its number, and then"),
        (ours, 20, None, Pid(40_987), false, true, "somebody else in the same memory"),
        (ours, 20, None, victim.pid, true, true, "somebody else whose number on the host is one of ours"),
        (ours, 3_000, None, victim.pid, false, true, "long after the run"),
        (ours, 20, Some(later_of_its_number), victim.pid, false, true, "the number was used again"),
        (ours, 20, None, linker.pid, false, true, "the one of the run that had this number ended well"),
        (VerdictKind::Failed, 20, Some(victim), victim.pid, false, true, "the verdict tells of no kill"),
    ] {
        assert_eq!(is_news(verdict, seconds, id, pid, is_of_host), expected, "{why}");
    }
}
