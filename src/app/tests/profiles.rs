//! The pane of profiles under keys, and what comes of a fetch.

use std::net::SocketAddr;

use super::*;
use crate::app::dialog::Offer;
use crate::golang::pprof::{Digest, Flame, Kind, Order, fixture};
use crate::monitor::alarm::{AlarmReport, Classes, Portrait};
use crate::monitor::report::{GoRead, GoReport, MappingsState, ProcessDetail, WarningState};
use crate::snapshot::Unreadable;
use crate::snapshot::go_memory::{GoEnvironment, NoNumbers};
use crate::snapshot::listening::{Listening, ListeningSocket, NetworkNamespace};
use crate::snapshot::process::{Executable, GoBuild};

const ADDRESS: &str = "127.0.0.1:6060";

fn address() -> SocketAddr {
    ADDRESS.parse().unwrap()
}

/// main calls leak and work; work calls leak. Values: objects, bytes.
fn profile(leak: i64, work: i64, by_work: i64) -> Digest {
    let (leaks, works, main) = (("main.leak", 71), ("main.work", 72), ("main.main", 73));
    let samples =
        [(&[leaks, main][..], &[1, leak][..]), (&[works, main], &[1, work]), (&[leaks, works, main], &[1, by_work])];
    Digest::of(fixture::profile(&[("objects", "count"), ("space", "bytes")], &samples))
}

fn build() -> GoBuild {
    GoBuild { version: "go1.26".into(), path: "p".into(), module: "m".into() }
}

/// That machine, on which a.test (30) is a Go program that listens, selected.
fn go_program(listening: Result<Listening, Unreadable>) -> State {
    let mut state = go_program_not_looked_at();
    is_seen(&mut state, Some(listening), MappingsState::Waiting);
    state
}

fn go_program_not_looked_at() -> State {
    let mut state = state();
    later(&mut state, 1, |report| {
        let identity = Arc::make_mut(&mut report.processes[3].identity);
        identity.executable = Some(Arc::new(Executable { go: Some(build()), ..Executable::default() }));
    });
    press(&mut state, "/a.test<enter>");
    assert_eq!(selected(&state), Some(30));
    state
}

/// The Go program was looked at; `listening`: where it listens too.
fn is_seen(state: &mut State, listening: Option<Result<Listening, Unreadable>>, mappings: MappingsState) {
    let read = GoRead {
        at: Timestamp::from_secs(100),
        environment: Ok(GoEnvironment::default()),
        numbers: Err(NoNumbers::NotFound),
        listening,
    };
    let go = GoReport {
        build: build(),
        test_package: None,
        read: Some(read),
        stacks: None,
        not_touched: None,
        parts: Vec::new(),
        ceiling: None,
        advice: None,
    };
    let detail = ProcessDetail { go: Some(go), mappings, ..detail_of(id(30)) };
    update(state, Event::Detail(Some(Arc::new(detail))));
}

fn detail_of(id: ProcessId) -> ProcessDetail {
    let mut monitor = crate::monitor::Monitor::new(crate::monitor::MonitorConfig::default());
    monitor.absorb(&crate::snapshot::Snapshot { roster: vec![id], ..Default::default() });
    monitor.detail(id).expect("it is there")
}

fn here() -> Listening {
    let socket = ListeningSocket { address: address(), inode: 4711, is_shared: false, family: None };
    Listening { namespace: NetworkNamespace::Ours, sockets: vec![socket] }
}

/// What the shell was asked to fetch.
fn wanted(effects: Vec<Effect>) -> ProfileCall {
    match effects.into_iter().next() {
        Some(Effect::FetchProfile(call)) => call,
        other => panic!("{other:?}"),
    }
}

/// The shell answers as it would.
fn arrives(state: &mut State, call: ProfileCall, whole: Digest) {
    let growth = call
        .base
        .as_ref()
        .map(|base| Digest::of(whole.profile.since(&base.fetched.whole.profile).expect("the same types")));
    let fetched = FetchedProfile {
        from: address(),
        family: None,
        bytes: b"packed".as_slice().into(),
        whole,
        growth,
        saved: None,
    };
    update(state, Event::Profiled { call, outcome: Ok(Box::new(fetched)) });
}

/// With one profile on the screen.
fn fetched() -> State {
    let mut state = go_program(Ok(here()));
    let call = wanted(press(&mut state, "9r<enter>"));
    arrives(&mut state, call, profile(100, 10, 50));
    state
}

fn row(state: &State) -> (String, i64, i64) {
    let shown = state.profiles.shown().expect("a profile");
    let function = shown.top.functions[state.profiles.cursor];
    (shown.digest.profile.name(function.function).to_owned(), function.flat, function.cumulative)
}

#[test]
fn nothing_is_asked_before_the_user_chose_it() {
    let mut state = go_program(Ok(here()));
    assert_eq!(press(&mut state, "6<enter>"), [], "through the pane of the runtime");
    assert_eq!((state.focus, state.profiles.of), (Pane::Profile, Some(id(30))));
    assert_eq!(press(&mut state, "r"), []);
    let Mode::Dialog(Dialog::Profile { offers, .. }) = &state.mode else { panic!("{:?}", state.mode) };
    assert_eq!(offers.iter().map(|offer| offer.kind).collect::<Vec<_>>(), Kind::ALL);
    assert_eq!(press(&mut state, "<esc>"), []);
    let call = wanted(press(&mut state, "r<down><enter>"));
    assert_eq!((call.of, call.from, call.kind, call.reason), (id(30), Some(address()), Kind::Allocs, Reason::Asked));
    assert_eq!(said(&state), "asking 127.0.0.1:6060 for the allocs profile of a.test 30; Esc cancels");
    assert_eq!(press(&mut state, "r"), [], "one at a time");
    assert_eq!(press(&mut state, "<esc>"), [Effect::GiveUpProfiles]);
    update(&mut state, Event::Profiled { call, outcome: Err("cancelled".into()) });
    assert_eq!(said(&state), "no allocs profile of a.test 30: cancelled");
    assert_eq!((&state.profiles.under_way, state.profiles.refusal.is_some()), (&None, true));
    press(&mut state, "<esc>");
    assert_eq!(state.focus, Pane::Go, "back to where one came from");
}

#[test]
fn who_cannot_be_asked_is_told_why() {
    let other = Listening { namespace: NetworkNamespace::Other, ..here() };
    for (listening, expected) in [
        (Ok(Listening { namespace: NetworkNamespace::Ours, sockets: vec![] }), "a.test 30 does not listen for TCP"),
        (Ok(other), "a.test 30 listens on 127.0.0.1:6060 in another network namespace"),
        (Err(Unreadable::Denied), "where a.test 30 listens is not known: permission denied"),
    ] {
        let mut state = go_program(listening);
        assert_eq!(press(&mut state, "9r"), []);
        assert!(said(&state).starts_with(expected), "{}", said(&state));
        assert_eq!(state.mode, Mode::Normal);
    }
    // The kernel lets nobody look at it: that will not be known.
    let mut state = go_program_not_looked_at();
    is_seen(&mut state, None, MappingsState::Unreadable(Unreadable::Denied));
    press(&mut state, "9r");
    assert!(said(&state).starts_with("where a.test 30 listens is not known: permission denied"), "{}", said(&state));
}

#[test]
fn what_is_wanted_before_it_is_known_where_it_listens_is_not_forgotten() {
    let looking = "looking for the sockets of a.test 30; Esc cancels";
    let is_asked = |state: &State| matches!(&state.mode, Mode::Dialog(Dialog::Profile { .. }));
    let refused = MappingsState::Unreadable(Unreadable::Gone);
    for (listening, mappings, asked, told) in [
        (Some(Ok(here())), MappingsState::Waiting, true, looking),
        (None, MappingsState::Waiting, false, looking),
        (
            Some(Ok(Listening::default())),
            MappingsState::Waiting,
            false,
            "a.test 30 does not listen for TCP connections",
        ),
        (None, refused, false, "where a.test 30 listens is not known: the process ended"),
    ] {
        let mut state = go_program_not_looked_at();
        press(&mut state, "9");
        let effects = update(&mut state, Event::Key(key("r")));
        assert!(matches!(&effects[..], [Effect::Require(needs)] if needs.refresh && needs.listening), "{effects:?}");
        assert_eq!((said(&state), is_asked(&state)), (looking, false));
        is_seen(&mut state, listening, mappings);
        assert_eq!((said(&state), is_asked(&state)), (told, asked));
    }
    // Who gives up, or goes away, is not asked later.
    for keys in ["<esc>", "3"] {
        let mut state = go_program_not_looked_at();
        press(&mut state, "9r");
        press(&mut state, keys);
        is_seen(&mut state, Some(Ok(here())), MappingsState::Waiting);
        press(&mut state, "9");
        is_seen(&mut state, Some(Ok(here())), MappingsState::Waiting);
        assert!(!is_asked(&state), "after {keys}");
    }
}

#[test]
fn a_search_that_is_left_says_so() {
    let mut state = fetched();
    press(&mut state, "/work<enter>");
    press(&mut state, "<esc>");
    assert_eq!(said(&state), "search for work ended; Esc again goes back");
    assert_eq!((state.focus, state.profiles.search()), (Pane::Profile, None));
    press(&mut state, "<esc>");
    assert_eq!(state.focus, Pane::Top);
}

#[test]
fn functions_in_both_orders_by_each_value_and_the_selection_stays_on_its_function() {
    let mut state = fetched();
    assert_eq!(row(&state), ("main.leak".into(), 150, 150));
    press(&mut state, "<down>");
    assert_eq!(row(&state), ("main.work".into(), 10, 60));
    press(&mut state, "s");
    assert_eq!((row(&state), state.profiles.order), (("main.work".into(), 10, 60), Order::Cumulative));
    assert_eq!(state.profiles.cursor, 2, "behind main, through which all passes, and leak");
    press(&mut state, "v");
    assert_eq!(row(&state), ("main.work".into(), 1, 2), "objects");
    press(&mut state, "v<home>");
    assert_eq!(row(&state), ("main.main".into(), 0, 160));
    press(&mut state, "/LEAK<enter>");
    assert_eq!(row(&state).0, "main.leak");
    press(&mut state, "<end><down><pgup>n");
    assert_eq!(row(&state).0, "main.leak", "the only one");
}

#[test]
fn the_flame_graph_is_walked_zoomed_and_searched() {
    let mut state = fetched();
    press(&mut state, "<down><enter>");
    let at = |state: &State| {
        let shown = state.profiles.shown().unwrap();
        let name = |frame| shown.name_of(frame).to_owned();
        (name(state.profiles.frame), name(state.profiles.root))
    };
    let (work, all) = ("main.work".to_owned(), "all".to_owned());
    assert_eq!(at(&state), (work.clone(), all.clone()), "the function of the table");
    press(&mut state, "<left>");
    assert_eq!(at(&state).0, "main.leak", "the widest stands first");
    press(&mut state, "<left><right><right><right>");
    assert_eq!(at(&state), (work.clone(), all.clone()), "not beyond the row");
    press(&mut state, "<down>");
    assert_eq!(at(&state).0, "main.leak", "called by work");
    let wide = state.placed_frames(100);
    press(&mut state, "<up><enter>");
    assert_eq!(at(&state), (work.clone(), work.clone()));
    assert_eq!(
        state.placed_frames(100).iter().map(|placed| (placed.depth, placed.x, placed.width)).collect::<Vec<_>>(),
        [(0, 0, 100), (1, 0, 83)]
    );
    assert_eq!(wide.iter().map(|placed| placed.width).collect::<Vec<_>>(), [100, 100, 62, 38, 31]);
    press(&mut state, "<up>");
    assert_eq!(at(&state), ("main.main".into(), all.clone()), "who called it is shown again");
    press(&mut state, "/leak<enter>n");
    assert_eq!(at(&state).0, "main.leak");
    press(&mut state, "<esc><end><enter><esc>");
    assert_ne!(at(&state).1, all, "one frame wider, not all of it");
    press(&mut state, "<esc><esc>");
    assert_eq!((at(&state).1, state.profiles.picture), (all, Picture::Flame));
    press(&mut state, "<esc>");
    assert_eq!((state.focus, state.profiles.picture), (Pane::Profile, Picture::Table));
}

#[test]
fn changes_count_from_the_profile_before_or_from_the_marked_one() {
    let mut state = fetched();
    press(&mut state, "b");
    assert!(said(&state).starts_with("nothing to compare it with"), "{}", said(&state));
    let mut again = |keys: &str, leak| {
        let call = wanted(press(&mut state, keys));
        arrives(&mut state, call, profile(leak, 10, 50));
        state.clone()
    };
    let mut second = again("mr<enter>", 120);
    press(&mut second, "b");
    assert_eq!((row(&second), second.profiles.shows_growth()), (("main.leak".into(), 20, 20), true));
    let shown = second.profiles.shown().unwrap();
    assert_eq!((shown.top.functions.len(), shown.kept.since), (2, Some(second.now)));
    let third = again("r<enter>b", 100);
    let growth = third.profiles.shown().unwrap().kept.fetched.growth.clone().unwrap();
    assert_eq!(growth.profile.samples(), 0, "as the first, which is marked");
    let fourth = wanted(press(&mut third.clone(), "<left>mr<enter>"));
    assert_eq!(fourth.base.unwrap().number, 2, "the one that was shown when it was marked");
    // A frame of one is none of the other: the graph begins at its root.
    press(&mut second, "t<end>b");
    assert_eq!(second.profiles.root, Flame::ROOT);
}

#[test]
fn profiles_are_kept_by_what_they_unpack_to() {
    let mut state = fetched();
    let whole = state.profiles.shown().unwrap().digest.clone();
    let mut kept_of = |length: usize| {
        for _ in 0..8 {
            let mut whole = whole.clone();
            whole.profile.length = length;
            let call = wanted(press(&mut state, "r<enter>"));
            arrives(&mut state, call, whole);
        }
        state.profiles.of_shown().count()
    };
    assert_eq!((kept_of(1 << 10), kept_of(5 << 20), kept_of(40 << 20)), (8, 3, 2));
}

#[test]
fn a_profile_is_saved_under_the_name_of_its_process() {
    let mut state = fetched();
    let saved = press(&mut state, "w");
    let expected = SaveCall { name: "a.test 30 heap".into(), taken: None, bytes: b"packed".as_slice().into() };
    assert_eq!(saved, [Effect::SaveProfile(expected)]);
    for (not_there, remark) in [(None, ""), (Some(".: Permission denied".to_owned()), " (not .: Permission denied)")] {
        update(&mut state, Event::ProfileSaved(Ok(SavedProfile { path: "/t/a.pb.gz".into(), not_there })));
        assert_eq!(said(&state), format!("saved: go tool pprof /t/a.pb.gz{remark}"));
    }
    update(&mut state, Event::ProfileSaved(Err("a: No space left".into())));
    assert_eq!(said(&state), "not saved: a: No space left");
    // Also when the process is gone, and the table shows another.
    later(&mut state, 5, |report| drop(report.processes.remove(3)));
    assert_eq!(press(&mut state, "w").len(), 1);
    press(&mut state, "r");
    assert_eq!(said(&state), "process 30 has ended");
}

/// What the footer says of what happened by itself.
fn news(state: &State) -> &str {
    state.news.as_ref().map_or("", |news| &news.text)
}

#[test]
fn a_pane_opened_before_the_first_report_shows_who_is_selected_then() {
    let mut state = State::new(Arc::default(), (120, 40));
    press(&mut state, "9");
    assert_eq!(state.profiles.of, None);
    update(&mut state, Event::Report(Arc::new(machine())));
    assert_eq!((state.profiles.of, state.focus), (state.list.selected, Pane::Profile));
    assert!(state.profiles.of.is_some());
}

fn alarm(number: u64, of: u32, report: &Report) -> Arc<AlarmReport> {
    let process = report.processes.iter().find(|process| process.id == id(of)).expect("it is there").clone();
    let process = ProcessReport { warning: WarningState::Leak, ..process };
    let portrait = Some(Portrait { process, z_score: None, classes: Classes::Waiting });
    Arc::new(AlarmReport { number, at: report.time, wall: report.wall, portrait, domain: None })
}

#[test]
fn an_alarm_fetches_a_heap_profile_only_where_that_is_configured_and_only_of_go_programs() {
    for (configured, expected) in [(false, 0), (true, 1)] {
        let mut state = go_program(Ok(here()));
        Arc::make_mut(&mut state.config).alarm.heap_profile = configured;
        let effects = later(&mut state, 1, |report| {
            report.alarms = vec![alarm(1, 30, report), alarm(2, 31, report)];
        });
        let calls: Vec<_> = effects.into_iter().filter(|effect| matches!(effect, Effect::FetchProfile(_))).collect();
        assert_eq!(calls.len(), expected);
        if configured {
            let call = wanted(calls);
            assert_eq!((call.of, call.from, call.kind, call.reason), (id(30), None, Kind::Heap, Reason::Alarm(1)));
            arrives(&mut state, call.clone(), profile(1, 2, 3));
            assert_eq!(news(&state), "a.test 30 warns; its heap profile is kept: 9 shows it");
            assert_eq!(state.profiles.of_alarm(1).map(|kept| kept.number), Some(1));
            update(&mut state, Event::Profiled { call, outcome: Err("it does not listen".into()) });
            assert_eq!(news(&state), "a.test 30 warns; no heap profile of it: it does not listen");
            // Nobody can fetch it again: it stays when others go.
            for _ in 0..20 {
                let call = wanted(press(&mut state, "9r<enter>9"));
                arrives(&mut state, call, profile(1, 2, 3));
            }
            press(&mut state, "9");
            assert_eq!(
                state.profiles.of_shown().map(|kept| kept.number).collect::<Vec<_>>(),
                [1, 15, 16, 17, 18, 19, 20, 21]
            );
        }
    }
}

#[test]
fn an_offer_is_of_a_socket_and_the_last_one_is_under_the_cursor() {
    let mut listening = here();
    listening.sockets.push(ListeningSocket {
        address: "[::]:8080".parse().unwrap(),
        inode: 4711,
        is_shared: false,
        family: None,
    });
    listening.sockets.push(ListeningSocket {
        address: "10.0.0.1:9".parse().unwrap(),
        inode: 4711,
        is_shared: false,
        family: None,
    });
    let mut state = go_program(Ok(listening));
    press(&mut state, "9");
    let call = wanted(press(&mut state, "r<end><enter>"));
    assert_eq!((call.from.unwrap().port(), call.kind), (8080, Kind::Goroutine));
    arrives(&mut state, call, profile(1, 2, 3));
    press(&mut state, "r");
    let Mode::Dialog(Dialog::Profile { offers, cursor, .. }) = &state.mode else { panic!("no dialog") };
    assert_eq!((offers.len(), offers[*cursor].kind), (6, Kind::Goroutine));
    assert_eq!(offers[0], Offer { from: address(), kind: Kind::Heap });
}
