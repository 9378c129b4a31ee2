//! Keys that act on processes, what is refused, and what is said afterwards.

use super::*;
use crate::app::dialog::{Dialog, SIGNALS};

fn privileged() -> State {
    let mut state = state();
    later(&mut state, 0, |report| Arc::make_mut(&mut report.machine).own.capabilities = u64::MAX);
    state
}

fn adjust(pid: u32, from: i16, to: i16) -> Effect {
    Effect::Adjust { adjustments: vec![Adjustment { id: id(pid), from, to }], undo: false }
}

fn dialog_targets(state: &State) -> Vec<u32> {
    match &state.mode {
        Mode::Dialog(Dialog::Signal { targets, .. } | Dialog::Adjust { targets, .. }) => {
            targets.iter().map(|id| id.pid.0).collect()
        }
        other => panic!("no dialog with targets: {other:?}"),
    }
}

#[test]
fn a_signal_needs_a_menu_and_enter() {
    let mut state = state();
    assert_eq!(press(&mut state, "<down>k"), []);
    assert_eq!(dialog_targets(&state), [30]);
    assert_eq!(press(&mut state, "<esc>"), []);
    let effects = press(&mut state, "k<enter>");
    let [Effect::Signal { targets, signal, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&targets[..], signal.name), (&[id(30)][..], "SIGTERM"));
}

#[test]
fn escape_then_enter_on_a_slow_link_confirms_no_signal() {
    let mut state = state();
    press(&mut state, "<down>k");
    for code in [KeyCode::Enter, KeyCode::Char(']'), KeyCode::Esc] {
        let effects = update(&mut state, Event::Key(KeyEvent::new(code, KeyModifiers::ALT)));
        assert_eq!(effects, [], "Alt and {code:?}");
    }
    assert_eq!(dialog_targets(&state), [30], "the dialog still waits");
    assert_eq!(press(&mut state, "<esc><enter>"), []);
    let effects = update(&mut state, Event::Key(KeyEvent::new(KeyCode::Char(']'), KeyModifiers::ALT)));
    assert_eq!(effects, [], "no adjustment either");
}

#[test]
fn tagged_ones_are_meant_before_the_selected_one() {
    let mut state = state();
    press(&mut state, "<down>  k");
    assert_eq!(dialog_targets(&state), [30, 31]);
    press(&mut state, "<esc>UNk");
    assert_eq!(dialog_targets(&state), [20], "the cursor went on with each tag");
    press(&mut state, "<esc>/go<enter>ck");
    assert_eq!(dialog_targets(&state), [20, 30, 31]);
}

#[test]
fn targets_are_fixed_when_the_key_is_pressed() {
    let mut state = state();
    press(&mut state, "<down>k");
    later(&mut state, 1, |report| report.processes.retain(|process| process.id != id(30)));
    assert_eq!(selected(&state), Some(31));
    let effects = press(&mut state, "<enter>");
    assert!(matches!(&effects[..], [Effect::Signal { targets, .. }] if targets == &[id(30)]), "{effects:?}");
}

#[test]
fn what_is_known_to_be_impossible_is_refused_with_the_reason() {
    for (keys, words) in [
        ("k", "postgres 40 belongs to postgres"),
        ("k", "CAP_KILL"),
        ("]", "CAP_DAC_OVERRIDE"),
        ("/systemd<enter>k", "the machine's init"),
        ("/systemd<enter>[", "the machine's init"),
        ("/oomtop<enter>k", "is oomtop itself"),
        ("<down>]", "CAP_SYS_RESOURCE"),
        ("<down>o-1000<enter>", "CAP_SYS_RESOURCE"),
        ("<down>o<enter>", "is already 0"),
        ("g<down><down><enter><home>k", "a group is selected"),
        ("<bs>", "nothing to undo"),
    ] {
        let mut state = state();
        assert_eq!(press(&mut state, keys), [], "{keys}");
        assert!(said(&state).contains(words), "{keys}: {}", said(&state));
    }
}

#[test]
fn raising_and_lowering_to_nought_needs_no_capability() {
    let mut state = state();
    press(&mut state, "/b.test<enter>");
    assert_eq!(press(&mut state, "]"), [adjust(31, 300, 200)]);
    assert_eq!(press(&mut state, "]"), [adjust(31, 200, 100)], "the second press counts from the first");
    assert_eq!(press(&mut state, "[[["), [adjust(31, 100, 200), adjust(31, 200, 300), adjust(31, 300, 400)]);
    assert_eq!(press(&mut state, "o600<enter>"), [adjust(31, 400, 600)]);
}

#[test]
fn nothing_is_changed_at_once_in_what_is_not_on_the_screen() {
    // (keys that lead there, whether [ acts): b.test with 300 is selected.
    for (keys, acts) in [
        ("", true),
        ("2", true),
        ("22", true),
        ("33", true),
        ("66", true),
        ("5", false),
        ("5<enter>", false),
        ("44", false),
        ("9", false),
        ("5<enter><esc><esc>", true),
        // Tagged ones are seen in the table, and only the selected one has a pane of its own.
        (" ", true),
        (" 22", false),
        (" 5", false),
    ] {
        for (key, to) in [("[", 400), ("]", 200), ("<f7>", 200)] {
            let mut state = state();
            press(&mut state, "/b.test<enter>");
            press(&mut state, keys);
            let expected = if acts { vec![adjust(31, 300, to)] } else { vec![] };
            assert_eq!(press(&mut state, key), expected, "{keys} {key}");
            assert_eq!(said(&state).contains("not on the screen"), !acts, "{keys} {key}: {}", said(&state));
            // What asks first names it.
            press(&mut state, "o");
            assert_eq!(dialog_targets(&state), [31], "{keys}");
        }
    }
}

#[test]
fn a_row_that_is_scrolled_out_of_sight_is_not_changed_at_once() {
    let mut state = state();
    later(&mut state, 0, |report| {
        for pid in 100..200 {
            let process = ProcessReport { oom_score_adj: Some(0), ..ProcessReport::unread(id(pid)) };
            report.processes.push(process);
        }
    });
    update(&mut state, Event::Resize(80, 20));
    press(&mut state, "/b.test<enter>");
    state.list.offset = 40;
    assert_eq!(press(&mut state, "["), []);
    assert!(said(&state).contains("not on the screen"), "{}", said(&state));
    state.list.offset = 0;
    assert_eq!(press(&mut state, "["), [adjust(31, 300, 400)]);
}

#[test]
fn lowering_what_is_below_nought_already_is_left_to_the_kernel() {
    let mut state = state();
    later(&mut state, 0, |report| report.processes[3].oom_score_adj = Some(-100));
    assert_eq!(press(&mut state, "<down>]"), [adjust(30, -100, -200)]);
}

#[test]
fn with_capabilities_everything_but_init_can_be_reached() {
    let mut state = privileged();
    assert_eq!(press(&mut state, "]"), [adjust(40, -900, -1000)]);
    assert_eq!(press(&mut state, "]"), []);
    assert_eq!(said(&state), "postgres 40: oom_score_adj is already -1000");
    assert_eq!(press(&mut state, "/systemd<enter>k"), []);
}

#[test]
fn what_is_forbidden_is_refused_at_the_key() {
    let mut state = state();
    press(&mut state, "<down>");
    state.forbidden = Some("read-only: signals and oom_score_adj changes are off".into());
    for key in ["k", "[", "]", "o", "<bs>", "<f9>"] {
        state.outcome = None;
        assert_eq!(press(&mut state, key), [], "{key}");
        assert_eq!(state.mode, Mode::Normal, "{key} opens nothing");
        assert!(said(&state).contains("read-only"), "{key}");
    }
}

#[test]
fn an_undo_waits_for_what_it_is_to_take_back() {
    let mut state = state();
    press(&mut state, "<down>");
    let done = |state: &mut State, from, to, undo, result: Result<(), Refusal>| {
        let results = vec![(Adjustment { id: id(30), from, to }, result)];
        update(state, Event::Adjusted { results, undo })
            .into_iter()
            .filter(|effect| matches!(effect, Effect::Adjust { .. }))
            .collect::<Vec<_>>()
    };
    let undo = |from, to| Effect::Adjust { adjustments: vec![Adjustment { id: id(30), from, to }], undo: true };
    // Pressed before the outcomes came: each is taken back once, in turn.
    assert_eq!(press(&mut state, "[[<bs><bs>"), [adjust(30, 0, 100), adjust(30, 100, 200)]);
    assert_eq!(done(&mut state, 0, 100, false, Ok(())), []);
    assert_eq!(done(&mut state, 100, 200, false, Ok(())), [undo(200, 100)]);
    assert_eq!(done(&mut state, 200, 100, true, Ok(())), [undo(100, 0)]);
    assert_eq!(done(&mut state, 100, 0, true, Ok(())), []);
    // What was refused needs no undo, and what was done before it is not meant.
    assert_eq!(press(&mut state, "["), [adjust(30, 0, 100)]);
    assert_eq!(done(&mut state, 0, 100, false, Ok(())), []);
    assert_eq!(press(&mut state, "[<bs>"), [adjust(30, 100, 200)]);
    assert_eq!(done(&mut state, 100, 200, false, Err(Refusal::Denied("no right".into()))), []);
    assert_eq!(press(&mut state, "<bs>"), [undo(100, 0)]);
}

#[test]
fn undo_takes_back_the_whole_batch() {
    let mut state = privileged();
    let effects = press(&mut state, "<down>  [");
    let [Effect::Adjust { adjustments, undo: false }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(adjustments.len(), 2);
    let results = adjustments.iter().map(|adjustment| (*adjustment, Ok(()))).collect();
    update(&mut state, Event::Adjusted { results, undo: false });
    assert!(said(&state).contains("2 processes"), "{}", said(&state));
    let effects = press(&mut state, "<bs>");
    let [Effect::Adjust { adjustments, undo: true }] = &effects[..] else { panic!("{effects:?}") };
    let pairs: Vec<_> = adjustments.iter().map(|adjustment| (adjustment.from, adjustment.to)).collect();
    assert_eq!(pairs, [(100, 0), (400, 300)]);
    let results = adjustments.iter().map(|adjustment| (*adjustment, Ok(()))).collect();
    update(&mut state, Event::Adjusted { results, undo: true });
    assert_eq!(press(&mut state, "<bs>"), [], "an undo is not undone");
}

#[test]
fn what_an_undo_was_refused_can_be_tried_again() {
    let mut state = privileged();
    let batch = [(30, 100, 0), (31, 400, 300), (20, 100, 0)];
    let batch = batch.map(|(pid, from, to)| Adjustment { id: id(pid), from, to });
    let changed = batch.map(|Adjustment { id, from, to }| (Adjustment { id, from: to, to: from }, Ok(())));
    update(&mut state, Event::Adjusted { results: changed.to_vec(), undo: false });
    let taken_back = Effect::Adjust { adjustments: batch.to_vec(), undo: true };
    assert_eq!(press(&mut state, "<bs>"), [taken_back]);
    let refused = Err(Refusal::Denied("no right".into()));
    let results = batch.into_iter().zip([Ok(()), refused, Err(Refusal::Gone)]).collect();
    update(&mut state, Event::Adjusted { results, undo: true });
    let rest = Effect::Adjust { adjustments: vec![batch[1]], undo: true };
    assert_eq!(press(&mut state, "<bs>"), [rest]);
}

#[test]
fn a_failure_is_told_and_cannot_be_undone() {
    let mut state = state();
    let adjustment = Adjustment { id: id(30), from: 0, to: 100 };
    press(&mut state, "<down>[");
    update(&mut state, Event::Adjusted { results: vec![(adjustment, Err(Refusal::Reused))], undo: false });
    assert_eq!(said(&state), "a.test 30: its PID now belongs to another process: nothing was done");
    assert_eq!(press(&mut state, "["), [adjust(30, 0, 100)], "the value is what it was");
    update(&mut state, Event::Adjusted { results: vec![(adjustment, Err(Refusal::Gone))], undo: false });
    assert_eq!(press(&mut state, "<bs>"), []);
}

#[test]
fn the_end_is_told_with_what_it_held() {
    let mut state = state();
    press(&mut state, "<down>");
    update(&mut state, Event::Signalled { signal: SIGNALS[0], results: vec![(id(30), Ok(()))] });
    assert_eq!(said(&state), "SIGTERM sent to a.test 30");
    later(&mut state, 1, |report| report.processes[3].rss = MaybeKib::from_kib(480 * 1024));
    later(&mut state, 0, |report| report.processes[3].rss = MaybeKib::from_kib(0));
    later(&mut state, 1, |report| {
        report.processes.remove(3);
        report.system.memory.available = Some(Bytes::from_mib(6470));
    });
    assert_eq!(
        said(&state),
        "a.test 30 ended after 2.0s; it held 480M when last sampled, MemAvailable changed by +470M"
    );
    assert_eq!(state.terminating, []);
    later(&mut state, 9, |_| ());
    assert_eq!(said(&state), "");
}

#[test]
fn a_zombie_has_ended() {
    let mut state = state();
    update(&mut state, Event::Signalled { signal: SIGNALS[5], results: vec![(id(30), Ok(()))] });
    later(&mut state, 1, |report| (report.processes[3].state, report.processes[3].threads) = (b'Z', 1));
    assert!(said(&state).starts_with("a.test 30 ended after 1.0s"), "{}", said(&state));
}

#[test]
fn a_dead_leader_whose_threads_live_has_not_ended_and_can_be_signalled() {
    let mut state = state();
    press(&mut state, "<down>");
    update(&mut state, Event::Signalled { signal: SIGNALS[0], results: vec![(id(30), Ok(()))] });
    later(&mut state, 1, |report| (report.processes[3].state, report.processes[3].threads) = (b'Z', 7));
    assert_eq!(said(&state), "SIGTERM sent to a.test 30");
    let effects = press(&mut state, "k<enter>");
    assert!(matches!(&effects[..], [Effect::Signal { .. }]), "{effects:?}: {}", said(&state));
}

#[test]
fn who_does_not_end_gets_sigkill_offered() {
    let mut state = state();
    press(&mut state, "<down>");
    update(&mut state, Event::Signalled { signal: SIGNALS[0], results: vec![(id(30), Ok(()))] });
    later(&mut state, 4, |_| ());
    press(&mut state, "k");
    assert!(matches!(state.mode, Mode::Dialog(Dialog::Signal { cursor: 0, .. })));
    press(&mut state, "<esc>");
    later(&mut state, 1, |_| ());
    assert_eq!(said(&state), "a.test 30 is still there 5s after SIGTERM; k offers SIGKILL");
    let effects = press(&mut state, "k<enter>");
    assert!(matches!(&effects[..], [Effect::Signal { signal, .. }] if signal.name == "SIGKILL"), "{effects:?}");
}

#[test]
fn acting_while_paused_hits_what_is_shown_and_knows_what_is() {
    let mut state = state();
    press(&mut state, "<down>p");
    later(&mut state, 1, |report| report.processes.retain(|process| process.id != id(30)));
    assert_eq!(press(&mut state, "k"), []);
    assert_eq!(said(&state), "a.test 30 has ended");
}
