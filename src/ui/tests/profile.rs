//! The pane of profiles: table and flame graph, all and what changed, at every size and in every look.

use std::net::SocketAddr;

use super::*;
use crate::app::tests::press;
use crate::app::{FetchedProfile, ProfileCall, Reason, SavedProfile};
use crate::golang::pprof::{Digest, Kind, Profile, fixture as profiles};
use crate::snapshot::listening::{Listening, NetworkNamespace};
use crate::units::Timestamp;

const TYPES: [(&str, &str); 4] =
    [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")];

/// A cache that grows, a parser beside it, and what the runtime needs; `cached` in MiB.
fn profile(cached: i64) -> Profile {
    let main = ("main.main", 31);
    let serve = ("net/http.(*conn).serve", 2092);
    let handle = ("example.com/goleak/server.(*Server).handle", 112);
    let put = ("example.com/goleak/cache.(*Cache[go.shape.string]).Put", 47);
    let parse = ("encoding/json.Unmarshal", 96);
    let literal = ("encoding/json.(*decodeState).literalStore", 930);
    let start = ("runtime.doInit1", 7176);
    let mib = |mib: i64| [mib * 40, mib << 20, mib * 20, mib << 20];
    let samples = [
        (&[put, handle, serve][..], mib(cached)),
        (&[literal, parse, handle, serve], mib(96)),
        (&[parse, handle, serve], mib(12)),
        (&[put, main], mib(30)),
        (&[start, main], [9, 3 << 19, 7, 3 << 19]),
    ];
    let samples: Vec<_> = samples.iter().map(|(stack, values)| (*stack, &values[..])).collect();
    profiles::profile(&TYPES, &samples)
}

/// The pane with one profile of the process that leaks, or with another of a while later.
fn shown(size: (u16, u16), look: Look, keys: &str, later: bool) -> State {
    let mut state = fixture::state(size, look);
    state.now = Timestamp(fixture::NOW.0 - 48_000_000_000);
    let from = SocketAddr::from(([127, 0, 0, 1], 6060));
    let mut call = ProfileCall {
        of: fixture::LEAKING,
        who: "a.test 30987".into(),
        from: Some(from),
        kind: Kind::Heap,
        reason: Reason::Asked,
        base: None,
    };
    let fetched = |profile: Profile, growth| {
        Box::new(FetchedProfile {
            from,
            family: None,
            bytes: Arc::default(),
            whole: Digest::of(profile),
            growth,
            saved: None,
        })
    };
    update(&mut state, Event::Profiled { call: call.clone(), outcome: Ok(fetched(profile(200), None)) });
    if later {
        let first = state.profiles.newest_of(fixture::LEAKING).cloned().expect("it came");
        let growth = profile(290).since(&first.fetched.whole.profile).expect("the same types");
        state.now = Timestamp(fixture::NOW.0 - 14_000_000_000);
        call.base = Some(Arc::new(first));
        let outcome = Ok(fetched(profile(290), Some(Digest::of(growth))));
        update(&mut state, Event::Profiled { call, outcome });
    }
    (state.now, state.detail) = (fixture::NOW, Some(fixture::detail()));
    press(&mut state, "9");
    press(&mut state, keys);
    state.outcome = None;
    state
}

#[test]
fn functions_as_a_table() {
    insta::assert_snapshot!("profile_120x34", screen(&shown((120, 34), UNICODE, "", false)));
    insta::assert_snapshot!("profile_80x24", screen(&shown((80, 24), UNICODE, "<down>", false)));
    insta::assert_snapshot!("profile_growth_80x24_ascii", screen(&shown((80, 24), ASCII, "b", true)));
    insta::assert_snapshot!("profile_60x14", screen(&shown((60, 14), UNICODE, "sv/json<enter>", false)));
}

#[test]
fn functions_as_a_flame_graph() {
    insta::assert_snapshot!("flame_200x60", screen(&shown((200, 60), UNICODE, "t<down><down>", true)));
    insta::assert_snapshot!("flame_80x24", screen(&shown((80, 24), UNICODE, "t<down><down><down><down>", false)));
    insta::assert_snapshot!("flame_80x24_ascii", screen(&shown((80, 24), ASCII, "t/json<enter>", false)));
    insta::assert_snapshot!(
        "flame_zoomed_60x14",
        screen(&shown((60, 14), UNICODE, "t<down><down><down><right><enter>", false))
    );
    let grown = screen(&shown((80, 24), UNICODE, "tb", true));
    assert!(grown.contains("as wide as what grew") && grown.contains("changes of 34s"), "{grown}");
}

#[test]
fn a_frame_that_was_found_or_is_selected_is_told_without_colour() {
    let mono = Look { theme: ThemeName::Mono, ..ASCII };
    let shown = screen(&shown((80, 24), mono, "t/literal<enter>", false));
    assert!(shown.contains(">json.(*decodeState)"), "{shown}");
}

#[test]
fn which_profile_is_asked_for() {
    insta::assert_snapshot!("dialog_profile_80x24", screen(&shown((80, 24), UNICODE, "r", false)));
    let mut before = fixture::state((80, 24), UNICODE);
    press(&mut before, "9");
    before.detail = Some(fixture::detail());
    let text = screen(&before);
    assert!(text.contains("It listens on 127.0.0.1:6060: r requests a profile there"), "{text}");
    let mut detail = (*fixture::detail()).clone();
    let read = detail.go.as_mut().and_then(|go| go.read.as_mut()).expect("it was read");
    let sockets = read.listening.clone().expect("known").expect("known").sockets;
    read.listening = Some(Ok(Listening { namespace: NetworkNamespace::Other, sockets }));
    before.detail = Some(Arc::new(detail));
    let text = screen(&before);
    assert!(text.contains("another network namespace") && text.contains("nsenter -t 30987 -n curl"), "{text}");
}

#[test]
fn a_profile_from_before_is_told_with_the_alarm_and_with_the_kill() {
    let mut state = shown((120, 34), UNICODE, "9", false);
    let report = Arc::make_mut(&mut state.report);
    (report.kills, report.alarms) = (fixture::kills(), vec![fixture::alarm()]);
    state.kills.opened = true;
    state.focus = Pane::Kills;
    assert!(screen(&state).contains("heap profile from"), "{}", screen(&state));
    press(&mut state, "9");
    assert!(
        screen(&state).contains("a.test 30987: cache.(*Cache[go.shape.string]).Put 230M of 340M"),
        "{}",
        screen(&state)
    );

    let of_alarm = state.profiles.newest_of(fixture::LEAKING).cloned().expect("it was fetched");
    let call = ProfileCall { reason: Reason::Alarm(1), ..of_alarm.call };
    let saved = Some(Ok(SavedProfile { path: "/profiles/a.pb.gz".into(), not_there: None }));
    let fetched = FetchedProfile { saved, ..of_alarm.fetched };
    update(&mut state, Event::Profiled { call, outcome: Ok(Box::new(fetched)) });
    (state.focus, state.zoomed, state.detail) = (Pane::Growth, true, Some(fixture::detail()));
    assert!(screen(&state).contains("heap profile: 9, /profiles/a.pb.gz"), "{}", screen(&state));
}

#[test]
fn it_is_drawn_at_every_size() {
    for keys in ["", "t<end>", "tb", "r"] {
        let mut state = shown((120, 34), UNICODE, keys, true);
        for columns in (1..130).step_by(7) {
            for rows in 1..40 {
                update(&mut state, Event::Resize(columns, rows));
                assert_eq!(screen(&state).lines().count(), usize::from(rows));
            }
        }
    }
}

#[test]
fn who_else_may_have_answered_stands_with_the_offer_and_with_the_profile() {
    use crate::snapshot::listening::Family;
    use crate::units::Pid;

    let family = Some(Family { first: Pid(30980), count: 3 });
    let doubt = "PID 30980 and 2 more have the same socket, so another process may have answered";
    let mut state = shown((120, 34), UNICODE, "", false);
    assert!(!screen(&state).contains(doubt));
    let kept = state.profiles.newest_of(fixture::LEAKING).cloned().expect("it came");
    let fetched = FetchedProfile { family, ..kept.fetched };
    update(&mut state, Event::Profiled { call: kept.call, outcome: Ok(Box::new(fetched)) });
    assert!(screen(&state).contains(&format!("heap of 127.0.0.1:6060; {doubt}")), "{}", screen(&state));

    let mut before = fixture::state((200, 60), UNICODE);
    press(&mut before, "9");
    let mut detail = (*fixture::detail()).clone();
    let read = detail.go.as_mut().and_then(|go| go.read.as_mut()).expect("it was read");
    let listening = read.listening.as_mut().and_then(|known| known.as_mut().ok()).expect("known");
    listening.sockets[0].family = family;
    before.detail = Some(Arc::new(detail));
    assert!(screen(&before).contains(&format!("nothing else does. But {doubt}.")), "{}", screen(&before));
}
