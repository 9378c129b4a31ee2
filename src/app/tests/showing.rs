//! Keys that change what is shown.

use super::*;
use crate::app::layout::layout;
use crate::app::list::Arrangement;
use crate::snapshot::needs::FactGroups;
use crate::table::Column;

#[test]
fn keys_lead_to_a_selection() {
    for (keys, expected) in [
        ("", 40),
        ("<down>", 30),
        ("<down><down><up>", 30),
        ("<end>", 10),
        ("<end><home>", 40),
        ("<pgdn>", 10),
        // The selection stays on its process, wherever the order puts it.
        ("<down>N", 30),
        ("N<home>", 1),
        ("I<home>", 10),
        ("MI<end>", 40),
        ("/a.t<enter>", 30),
        ("/test<enter>", 30),
        ("/test<enter>n", 31),
        ("/test<enter>nn", 30),
        ("/test<enter>N", 31),
        ("/90<enter>", 90),
        ("/zzz<esc>", 40),
        ("\\a.test<enter>", 30),
        ("\\a.test<enter><esc>", 30),
        ("t<home>", 1),
        ("t<home><down><down><down><down>", 30),
        ("F<down>", 30),
    ] {
        let mut state = state();
        assert_eq!(press(&mut state, keys), [], "{keys}");
        assert_eq!(selected(&state), Some(expected), "{keys}");
    }
}

#[test]
fn keys_lead_to_rows() {
    for (keys, expected) in [
        ("", "40 30 31 20 1 90 10"),
        ("N", "1 10 20 30 31 40 90"),
        ("I", "10 90 1 20 31 30 40"),
        ("\\test", "30 31"),
        ("\\test<esc>", "40 30 31 20 1 90 10"),
        ("t", "1 40 10 20 30 31 90"),
        ("t<home><left>", "1"),
        ("t<home><left><right>", "1 40 10 20 30 31 90"),
        ("t/go<enter>-", "1 40 10 20 90"),
        ("t*", "1 40 10"),
        ("t**", "1 40 10 20 30 31 90"),
        ("tt", "40 30 31 20 1 90 10"),
        ("t\\test", "30 31"),
        ("g<down><down><down><enter>", "postgres ci root"),
        ("g<down><down><down><enter><home><enter>", "postgres 40 ci root"),
        ("g<down><down><down><enter><down>+", "postgres ci 30 31 20 90 10 root"),
        ("g<down><down><down><enter><down>+<down><down>-", "postgres ci 30 31 20 90 10 root"),
        ("g<down><down><down><enter>+<esc>", "postgres 40 ci root"),
        ("u<down><enter>", "1"),
        ("u<end><enter>", "30 31 20 90 10"),
        ("u<end><enter><esc>", "40 30 31 20 1 90 10"),
        ("s<esc>", "40 30 31 20 1 90 10"),
        ("s<home><enter>", "1 10 20 30 31 40 90"),
    ] {
        let mut state = state();
        assert_eq!(press(&mut state, keys), [], "{keys}");
        assert_eq!(rows(&state).join(" "), expected, "{keys}");
    }
}

#[test]
fn escape_leaves_dialog_search_filter_zoom_in_this_order() {
    let mut state = state();
    press(&mut state, "<enter>\\test<enter>/a<enter>?");
    assert!(state.zoomed && matches!(state.mode, Mode::Dialog(_)));
    press(&mut state, "<esc>");
    assert!(matches!(state.mode, Mode::Normal) && state.list.search.is_some());
    press(&mut state, "<esc>");
    assert!(state.list.search.is_none() && state.list.filter.is_some());
    press(&mut state, "<esc>");
    assert!(state.list.filter.is_none() && state.zoomed);
    press(&mut state, "<esc>");
    assert!(!state.zoomed);
}

#[test]
fn a_wrong_filter_keeps_the_last_valid_one_and_says_where_it_is_wrong() {
    let mut state = state();
    press(&mut state, "\\rss>100m");
    assert_eq!(rows(&state), ["40", "30"]);
    press(&mut state, " zzz");
    assert_eq!((rows(&state).len(), selected(&state)), (0, None), "a word that nobody has");
    press(&mut state, "<bs><bs><bs>rss");
    assert_eq!(rows(&state), ["40"], "postgres has an r; who has rss is not asked before the comparison is whole");
    press(&mut state, ">");
    assert_eq!(rows(&state), ["40"]);
    assert_eq!(selected(&state), Some(40), "what was selected before comes back");
    let Mode::Filter(field) = &state.mode else { panic!("still typing") };
    assert!(field.error.is_some());
    press(&mut state, "<enter>");
    assert!(matches!(state.mode, Mode::Filter(_)), "a wrong filter is not accepted");
    press(&mut state, "500m<enter>");
    assert!(matches!(state.mode, Mode::Normal));
    assert_eq!(rows(&state), ["40"]);
}

#[test]
fn the_selection_stays_on_its_process_and_the_view_at_the_top() {
    let mut state = state();
    press(&mut state, "<down>");
    later(&mut state, 1, |report| report.processes[1].rss = MaybeKib::from_kib(9_000_000));
    assert_eq!(rows(&state)[..3], ["10", "40", "30"]);
    assert_eq!((selected(&state), state.list.cursor, state.list.offset), (Some(30), 2, 0));
}

#[test]
fn a_scrolled_view_keeps_the_row_on_its_line() {
    let mut state = state();
    update(&mut state, Event::Resize(60, 8));
    let page = state.table_page();
    assert!(page < 7, "the list is longer than the page");
    press(&mut state, "<end><up>");
    let line = state.list.cursor - state.list.offset;
    later(&mut state, 1, |report| report.processes[2].rss = MaybeKib::from_kib(1));
    assert_eq!(selected(&state), Some(90));
    assert_eq!(state.list.cursor - state.list.offset, line);
}

#[test]
fn who_ends_leaves_its_line_to_the_next() {
    let mut state = state();
    press(&mut state, "<down>");
    let effects = later(&mut state, 1, |report| report.processes.retain(|process| process.id != id(30)));
    assert_eq!((selected(&state), state.list.cursor), (Some(31), 1));
    assert!(effects.contains(&Effect::Inspect(Some(id(31)))));
}

#[test]
fn a_pause_holds_the_screen_and_not_the_machine() {
    let mut state = state();
    press(&mut state, "p");
    let held = state.report.clone();
    later(&mut state, 1, |report| report.processes.truncate(2));
    state.release_report();
    let mut next = machine();
    next.time = Timestamp::from_secs(102);
    next.processes.truncate(3);
    update(&mut state, Event::Report(Arc::new(next)));
    assert_eq!((&state.report, state.list.rows.len()), (&held, 7));
    press(&mut state, "Z");
    assert_eq!((state.report.processes.len(), state.list.rows.len()), (3, 3));
}

#[test]
fn what_is_needed_is_asked_for_once() {
    let mut state = State::new(Arc::new(Config::default()), (120, 40));
    let first = update(&mut state, Event::Report(Arc::new(machine())));
    let [Effect::Require(needs), Effect::Inspect(Some(inspected))] = &first[..] else { panic!("{first:?}") };
    assert_eq!((needs.visible.len(), needs.mappings, *inspected), (7, true, id(40)));
    assert_eq!(later(&mut state, 1, |_| ()), []);
    let sorted = update(&mut state, Event::Key(key("O")));
    assert!(matches!(&sorted[..], [Effect::Require(_)]), "{sorted:?}");
    let refreshed = update(&mut state, Event::Key(key("r")));
    assert!(matches!(&refreshed[..], [Effect::Require(needs)] if needs.refresh), "{refreshed:?}");
    assert_eq!(update(&mut state, Event::Key(key("<"))), []);
}

#[test]
fn what_stands_for_several_wants_the_pss_of_each() {
    let mut state = State::new(Arc::new(Config::default()), (200, 60));
    update(&mut state, Event::Report(Arc::new(machine())));
    let rollups = |state: &State| {
        let needs = &state.required;
        [needs.of_visible, needs.of_rest, needs.of_everyone].map(|groups| groups.contains(FactGroups::ROLLUP))
    };
    assert_eq!(rollups(&state), [true, true, false]);
    press(&mut state, "g<down><down><enter>");
    assert_eq!((state.list.arrangement, rollups(&state)), (Arrangement::ByCommand, [true, true, true]));
}

#[test]
fn panes_take_turns() {
    let mut state = state();
    for pane in [Pane::Growth, Pane::Mappings, Pane::Risk, Pane::Top] {
        press(&mut state, "<tab>");
        assert_eq!(state.focus, pane);
    }
    press(&mut state, "<backtab>");
    assert_eq!((state.focus, state.companion), (Pane::Risk, Pane::Risk));
    press(&mut state, "3");
    assert_eq!((state.focus, state.zoomed), (Pane::Mappings, false));
    press(&mut state, "3");
    assert!(state.zoomed);
}

#[test]
fn the_go_pane_has_the_screen_and_follows_the_selection() {
    let mut state = state();
    let effects = update(&mut state, Event::Resize(80, 24));
    let asks =
        |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Require(needs) if needs.mappings));
    assert!(!asks(&effects), "the risk pane stands under the table");
    let effects = update(&mut state, Event::Key(key("6")));
    assert!(asks(&effects), "what it shows is read with the mappings");
    assert_eq!(layout(&state).panes.iter().map(|area| area.pane).collect::<Vec<_>>(), [Pane::Go]);
    press(&mut state, "<down>");
    assert_eq!((selected(&state), state.companion), (Some(30), Pane::Risk));
    press(&mut state, "<enter>");
    assert_eq!(state.focus, Pane::Profile);
    press(&mut state, "<esc>6");
    assert_eq!((state.focus, state.zoomed), (Pane::Top, false));
    press(&mut state, "6<esc>");
    assert_eq!(state.focus, Pane::Top);
}

#[test]
fn the_next_domain_comes_round_to_following_the_selection() {
    let mut state = state();
    assert_eq!(state.risk_domain().map(|domain| domain.kind), Some(DomainKind::Host), "it leads for the selected");
    press(&mut state, "d");
    assert_eq!(state.risk_domain().map(|domain| domain.kind), Some(DomainKind::CgroupV1));
    press(&mut state, "d");
    assert_eq!(state.risk.domain, None);
}

/// A small cgroup that was left empty stood among those in which somebody can be killed.
#[test]
fn domains_in_which_nobody_lives_come_last() {
    let mut report = machine();
    report.domains.insert(0, domain("/left/empty", DomainKind::CgroupV1));
    report.domains[1..].iter_mut().for_each(|domain| domain.candidates = 2);
    let mut state = state();
    update(&mut state, Event::Report(Arc::new(report)));
    let walk: Vec<_> = state.domains_in_turn().iter().map(|domain| domain.path.clone()).collect();
    assert_eq!(walk.last(), Some(&CgroupPath::new("/left/empty")));
    let mut seen = Vec::new();
    for _ in 0..3 {
        press(&mut state, "d");
        seen.extend(state.risk_domain().map(|domain| domain.path.clone()));
    }
    assert!(seen.iter().all(|path| walk.contains(path)) && seen[0] != seen[1] && seen[1] != seen[2], "{seen:?}");
}

#[test]
fn the_program_is_left_and_suspended() {
    for (keys, effect) in [
        ("q", Effect::Quit),
        ("<f10>", Effect::Quit),
        ("<c-c>", Effect::Quit),
        ("/abc<c-c>", Effect::Quit),
        ("k<f10>", Effect::Quit),
        ("<c-z>", Effect::Suspend),
        ("\\<c-l>", Effect::Redraw),
        ("y", Effect::Copy("40".into())),
        ("m", Effect::Mark(id(40))),
    ] {
        assert_eq!(press(&mut state(), keys), [effect], "{keys}");
    }
    assert_eq!(press(&mut state(), "/q"), [], "typed, not obeyed");
    assert_eq!(press(&mut state(), "?q"), [], "it leaves the help");
}

#[test]
fn the_command_line_is_obeyed() {
    let config = Config { filter: Some("user=ci".into()), sort: Column::Pid, tree: true, ..Config::default() };
    let mut state = State::new(Arc::new(config), (80, 24));
    state.list.roots = vec![machine().processes.iter().map(|process| process.id).find(|id| id.pid == Pid(20)).unwrap()];
    update(&mut state, Event::Report(Arc::new(machine())));
    assert_eq!(rows(&state), ["20", "30", "31"]);
    assert_eq!(state.list.arrangement, Arrangement::Tree);
}

#[test]
fn a_kill_is_told_once_and_its_story_is_two_keys_away() {
    use crate::monitor::kill_report::{KillReport, Killed};
    use crate::units::{Pid, WallTime};

    let kill = |number: u64| {
        let mut kill = KillReport::unknown(number, Timestamp::from_secs(10 + number), WallTime(0));
        let pid = Pid(30 + number as u32);
        kill.victim = Some(Killed { id: None, pid, is_of_host: false, name: (*b"a\x1b.test").into() });
        Arc::new(kill)
    };
    let report = |state: &mut State, kills: RangeInclusive<u64>| {
        let report = Report { kills: kills.map(kill).collect(), ..(*state.report).clone() };
        update(state, Event::Report(Arc::new(report)));
    };
    let mut state = state();
    press(&mut state, "5<enter>");
    assert_eq!((state.focus, state.opened_kill()), (Pane::Kills, None));
    press(&mut state, "5");
    assert_eq!(state.focus, Pane::Top);
    let said = |state: &State| state.said(200, 1).pop().map(|(_, row)| row).unwrap_or_default();
    report(&mut state, 1..=1);
    let told = said(&state);
    assert!(
        told.contains("31, at an unknown limit") && told.ends_with("; 5 shows why") && !told.contains('\x1b'),
        "{told}"
    );
    state.news = None;
    report(&mut state, 1..=1);
    assert_eq!(state.news, None);
    report(&mut state, 1..=3);
    assert!(said(&state).contains("33 and 1 more") && said(&state).ends_with("; 5 shows why"));
    press(&mut state, "5");
    assert!(said(&state).ends_with("; Enter shows why"));
    assert_eq!(state.selected_kill(), Some(3), "the newest comes first");
    press(&mut state, "<down>");
    assert!(said(&state).contains("33") && !said(&state).contains("shows why"), "another is selected");
    press(&mut state, "<enter>");
    assert_eq!(state.opened_kill().map(|kill| kill.number), Some(2));
    report(&mut state, 1..=4);
    assert_eq!(state.opened_kill().map(|kill| kill.number), Some(2), "what is read stays");
    assert!(said(&state).contains("34") && !said(&state).contains("shows why"), "a story is open: {}", said(&state));
    press(&mut state, "<down>");
    assert_eq!(state.opened_kill().map(|kill| kill.number), Some(1));
    press(&mut state, "<esc>");
    assert_eq!((state.focus, state.opened_kill()), (Pane::Kills, None));
    assert!(!said(&state).contains("shows why"), "another is selected");
    press(&mut state, "<home>");
    report(&mut state, 1..=5);
    assert!(said(&state).contains("35") && said(&state).ends_with("; Enter shows why"));
    press(&mut state, "<enter>");
    assert!(!said(&state).contains("shows why"), "it is open: {}", said(&state));
    press(&mut state, "<esc>");
    press(&mut state, "<esc>");
    assert_eq!(state.focus, Pane::Top);
}

/// What stands above it is looked at now.
#[test]
fn a_kill_takes_one_row_of_the_screen_whoever_it_was_and_wherever() {
    use crate::monitor::kill_report::{KillDomain, KillGroup, KillReport, Killed};
    use crate::units::{Pid, WallTime};

    let path = format!("/kubepods.slice/{}", "pod".repeat(30));
    for label in ["docker 4f2a91", "user.slice/user-1000.slice/session-3.scope", &path] {
        for width in [80, 120, 200] {
            let mut state = state();
            update(&mut state, Event::Resize(width, 24));
            let kill = |number: u64| {
                let mut kill = KillReport::unknown(number, Timestamp::from_secs(11), WallTime(0));
                let name = (*b"compile.test").into();
                kill.victim = Some(Killed { id: None, pid: Pid(3_000_000), is_of_host: true, name });
                let group = KillGroup { path: CgroupPath::new(path.as_bytes()), members: Vec::new(), count: 9 };
                kill.group = Some(group);
                kill.domain = Some(KillDomain {
                    label: label.into(),
                    path: path.as_bytes().into(),
                    is_host: false,
                    limit: Some(Bytes::from_mib(512)),
                    is_told: false,
                });
                Arc::new(kill)
            };
            let report = Report { kills: vec![kill(1), kill(2)], ..(*state.report).clone() };
            update(&mut state, Event::Report(Arc::new(report)));
            let said = state.said(usize::from(width) - 2, 4);
            let [(_, row)] = &said[..] else { panic!("{width}: {said:?}") };
            assert!(row.contains("compile.test (3000000 on the host)") && row.ends_with("; 5 shows why"), "{row}");
        }
    }
}

/// One limit and one certainty were told of kills that had others.
#[test]
fn the_cause_of_one_kill_is_not_told_of_others() {
    use crate::monitor::kill_report::{Confidence, KillDomain, KillReport, Killed};
    use crate::units::{Pid, WallTime};

    let kill = |number: u64, label: &str, confidence| {
        let pid = Pid(30 + number as u32);
        let victim = Some(Killed { id: None, pid, is_of_host: false, name: (*b"hog").into() });
        let limit = Some(Bytes::from_mib(20));
        let domain = Some(KillDomain { label: label.into(), path: [].into(), is_host: false, limit, is_told: true });
        let kill = KillReport::unknown(number, Timestamp::from_secs(11), WallTime(0));
        Arc::new(KillReport { victim, confidence, domain, ..kill })
    };
    let told = |kills: Vec<Arc<KillReport>>| {
        let mut state = state();
        update(&mut state, Event::Resize(200, 40));
        let report = Report { kills, ..(*state.report).clone() };
        update(&mut state, Event::Report(Arc::new(report)));
        state.said(200, 1).remove(0).1
    };
    let (sure, likely) = (Confidence::Certain, Confidence::Likely);
    for (kills, text) in [
        ([("K1", sure), ("K2", sure)], "! OOM kill: hog 32, at the limit of K2 (20.0M) (certain); 1 more; 5 shows why"),
        (
            [("K2", likely), ("K2", sure)],
            "! OOM kill: hog 32, at the limit of K2 (20.0M) (certain); 1 more; 5 shows why",
        ),
        (
            [("K2", sure), ("K2", sure)],
            "! OOM kill: hog 32 and 1 more, at the limit of K2 (20.0M) (certain); 5 shows why",
        ),
    ] {
        let kills = (1..).zip(kills).map(|(number, (label, sure))| kill(number, label, sure)).collect();
        assert_eq!(told(kills), text);
    }
}

#[test]
fn a_kill_of_here_is_told_before_one_that_only_the_log_of_the_machine_knows() {
    use crate::monitor::kill_report::{Evidence, KillReport, Killed};
    use crate::units::{Pid, WallTime};

    let kill = |number: u64, name: &[u8], evidence: Vec<Evidence>| {
        let victim = Some(Killed { id: None, pid: Pid(18_000), is_of_host: true, name: name.into() });
        let kill = KillReport::unknown(number, Timestamp::from_secs(11), WallTime(0));
        Arc::new(KillReport { victim, evidence, ..kill })
    };
    let counted = vec![Evidence::Cgroup { path: "/job".into(), from: 0, to: 1 }];
    let mut state = state();
    let kills = vec![kill(1, b"ours", counted), kill(2, b"theirs", Vec::new())];
    let report = Report { kills, ..(*state.report).clone() };
    update(&mut state, Event::Report(Arc::new(report)));
    let told = state.said(200, 1).remove(0).1;
    assert!(told.starts_with("! OOM kill: ours (18000 on the host)"), "{told}");
}

#[test]
fn command_lines_are_read_to_their_end() {
    use crate::snapshot::process::Command;

    let mut report = machine();
    let identity = Arc::make_mut(&mut report.processes[3].identity);
    identity.command = Some(Arc::new(Command { arguments: [b'x'; 50][..].into(), cut: false }));
    let mut state = state();
    update(&mut state, Event::Report(Arc::new(report)));
    let from = |state: &State| state.list.commands_from;
    press(&mut state, "))");
    assert_eq!(from(&state), 32);
    press(&mut state, ")))");
    assert_eq!(from(&state), 48, "two of fifty are left");
    press(&mut state, "((");
    assert_eq!(from(&state), 16);
    press(&mut state, "((");
    assert_eq!(from(&state), 0);
}

#[test]
fn what_may_not_be_read_is_not_said_to_be_on_its_way() {
    let mut state = state();
    press(&mut state, "r");
    assert_eq!(said(&state), "reading PSS and mappings of postgres 40");
    later(&mut state, 1, |report| {
        let postgres = report.processes.iter_mut().find(|process| process.id == id(40)).expect("it is there");
        postgres.denied = FactGroups::ROLLUP;
    });
    press(&mut state, "r");
    assert!(said(&state).contains("n/a: that needs its user, root or CAP_SYS_PTRACE"), "{}", said(&state));
}

#[test]
fn what_is_not_on_the_screen_is_not_changed() {
    let mut state = state();
    press(&mut state, "<enter>");
    let before = state.risk.clone();
    press(&mut state, "d");
    assert_eq!((&state.risk, said(&state)), (&before, "who dies next is not on the screen: 4 shows it"));
    press(&mut state, "<esc>4<enter>");
    let before = state.list.clone();
    press(&mut state, "GIt*u");
    assert_eq!((&state.list, &state.mode), (&before, &Mode::Normal));
    assert_eq!(said(&state), "the table is not on the screen: 1 shows it");
    press(&mut state, "d");
    assert_ne!(state.risk.domain, None);
}

#[test]
fn that_something_is_read_is_said_until_it_was() {
    let mut state = state();
    press(&mut state, "r");
    assert_eq!(said(&state), "reading PSS and mappings of postgres 40");
    later(&mut state, 1, |_| ());
    assert_eq!(said(&state), "reading PSS and mappings of postgres 40");
    later(&mut state, 1, |report| {
        let time = report.time;
        let process = report.processes.iter_mut().find(|process| process.id == id(40)).expect("it is there");
        process.rollup_at = time;
        (process.pss, process.uss) = (MaybeKib::from_kib(2048), MaybeKib::from_kib(1024));
    });
    assert_eq!(said(&state), "read postgres 40: its PSS is 2.00M");
    press(&mut state, "r");
    later(&mut state, 1, |report| report.processes.retain(|process| process.id != id(40)));
    assert_eq!(said(&state), "");
}
