//! Who was killed: the list, a story, and what else shows it.

use std::sync::Arc;

use super::{ASCII, UNICODE, screen};
use crate::app::{Pane, State};
use crate::config::Look;
use crate::monitor::kill_report::{AllSpared, Evidence, Held, KillDomain, KillGroup, KillReport, Killed, Spared};
use crate::monitor::report::UnreadableReport;
use crate::snapshot::Unreadable;
use crate::snapshot::process::CgroupPath;
use crate::ui::fixture;
use crate::units::{Bytes, Pid, Timestamp, WallTime};

/// The screen after two kills, with the pane of kills in front.
fn after_kills(size: (u16, u16), look: Look, opened: bool) -> State {
    let mut state = fixture::state(size, look);
    Arc::make_mut(&mut state.report).kills = fixture::kills();
    state.focus = Pane::Kills;
    state.kills.opened = opened;
    state
}

#[test]
fn kills_and_their_stories() {
    insta::assert_snapshot!("kills", screen(&after_kills((100, 26), UNICODE, false)));
    insta::assert_snapshot!("kills_80x24_ascii", screen(&after_kills((80, 24), ASCII, false)));
    insta::assert_snapshot!("kill_120x34", screen(&after_kills((120, 34), UNICODE, true)));
    insta::assert_snapshot!("kill_80x24_ascii", screen(&after_kills((80, 24), ASCII, true)));
    let mut nameless = after_kills((100, 26), UNICODE, true);
    nameless.kills.selected = Some(1);
    let nameless = screen(&nameless);
    assert!(nameless.contains("a process, at an unknown limit"), "{nameless}");
    assert!(nameless.contains("no process known to oomtop is gone"), "{nameless}");
    // The header tells the last one on every screen that has the room.
    assert!(screen(&after_kills((140, 34), UNICODE, false)).contains(", last 41m ago: a.test"));
}

#[test]
fn a_group_that_died_is_one_kill_with_its_names() {
    let mut state = after_kills((120, 34), UNICODE, false);
    let kills = &mut Arc::make_mut(&mut state.report).kills;
    let group = KillGroup {
        path: CgroupPath::new("/ci"),
        members: (0..8)
            .map(|at| Killed { id: None, pid: Pid(40 + at), is_of_host: false, name: (*b"t").into() })
            .collect(),
        count: 9,
    };
    let kill = Arc::make_mut(&mut kills[1]);
    (kill.group, kill.spared) =
        (Some(group), Some(Spared { adjustment: Some(-1000), less: None, instead: None, all: AllSpared::default() }));
    assert!(screen(&state).contains("a.test 30987 +8"), "{}", screen(&state));
    state.kills.opened = true;
    let shown = screen(&state);
    assert!(shown.contains("Killed with it: 8 others of /ci (memory.oom.group)"), "{shown}");
    assert!(shown.contains("t 40, t 41") && shown.contains("t 45, ...") && !shown.contains("t 46"), "{shown}");
    assert!(shown.contains("no other process could have"), "{shown}");
}

#[test]
fn what_was_concluded_says_how_old_it_is_and_why_it_may_exceed_the_limit() {
    let mut state = after_kills((120, 34), UNICODE, true);
    let kill = Arc::make_mut(&mut Arc::make_mut(&mut state.report).kills[1]);
    let limit = kill.domain.as_ref().and_then(|domain| domain.limit).expect("a cgroup");
    let held = |rss| Some(Held { rss, page_tables: None, swap: None, is_told: false });
    let gone = Evidence::Gone { after: Timestamp(1_000_000_000), by: Timestamp(2_500_000_000) };
    (kill.held, kill.evidence) = (held(limit), vec![gone]);
    let shown = screen(&state);
    assert!(shown.contains("(when last sampled, up to 1.5s before)."), "{shown}");
    assert!(!shown.contains("a shared page is charged"), "{shown}");
    Arc::make_mut(&mut Arc::make_mut(&mut state.report).kills[1]).held = held(Bytes(limit.0 + 4096));
    assert!(screen(&state).contains("a shared page is charged"), "{}", screen(&state));
}

#[test]
fn without_a_kill_the_list_says_what_is_watched_and_which_right_is_missing() {
    let mut state = fixture::state((100, 26), UNICODE);
    state.focus = Pane::Kills;
    let denied = UnreadableReport::kernel_log(Unreadable::Denied);
    Arc::make_mut(&mut state.report).unreadable.push(denied);
    let shown = screen(&state);
    for words in ["No OOM kill since oomtop began to watch", "oomtop explain --kernel", "CAP_SYSLOG"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

#[test]
fn kills_in_its_memory_are_marked_on_the_growth_of_others() {
    let mut state = fixture::state((100, 26), UNICODE);
    state.focus = Pane::Growth;
    state.zoomed = true;
    let before = screen(&state);
    let mut kills = fixture::kills();
    Arc::make_mut(&mut kills[1]).at = Timestamp(fixture::NOW.0 - 60_000_000_000);
    Arc::make_mut(&mut state.report).kills = kills;
    let marks =
        |screen: &str| screen.lines().find(|line| line.contains("3m ago")).map(|line| line.matches('x').count());
    assert_eq!((marks(&before), marks(&screen(&state))), (Some(0), Some(1)));
}

#[test]
fn kills_are_marked_beside_the_growth_of_whom_they_concern_and_never_over_its_times() {
    let axis = |is_host| {
        let mut state = fixture::state((120, 34), UNICODE);
        let now = state.report.time;
        let kill = |age: u64| {
            let at = Timestamp(now.0.saturating_sub(age * 1_000_000_000));
            let mut kill = KillReport::unknown(1_000 - age, at, WallTime(0));
            let path = if is_host { (*b"/").into() } else { (*b"/elsewhere").into() };
            kill.domain = Some(KillDomain { label: "d".into(), path, is_host, limit: None, is_told: true });
            Arc::new(kill)
        };
        Arc::make_mut(&mut state.report).kills = (0..900).rev().map(kill).collect();
        let shown = screen(&state);
        shown
            .lines()
            .find(|line| line.contains(" now "))
            .and_then(|line| line.split_once('└'))
            .expect("an axis")
            .1
            .to_owned()
    };
    assert!(!axis(false).contains('x'), "{}", axis(false));
    let marked = axis(true);
    assert!(marked.contains("xx") && marked.contains(" ago x"), "{marked}");
}
