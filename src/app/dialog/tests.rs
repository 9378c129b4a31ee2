//! The keys and clicks of dialogs, one table each.

use super::*;
use crate::app::layout::Area;

fn key(code: KeyCode) -> Chord {
    Chord::key(code)
}

fn value_after(keys: &str) -> i16 {
    let mut dialog = Dialog::Adjust { targets: vec![], left_out: vec![], value: 0, typed: String::new() };
    for letter in keys.chars() {
        let code = match letter {
            '<' => KeyCode::Left,
            '>' => KeyCode::Right,
            'U' => KeyCode::PageUp,
            'D' => KeyCode::PageDown,
            'B' => KeyCode::Backspace,
            'T' => KeyCode::Tab,
            't' => KeyCode::BackTab,
            letter => KeyCode::Char(letter),
        };
        assert_eq!(dialog.press(key(code), (80, 24)), Answer::Stay);
    }
    match dialog {
        Dialog::Adjust { value, .. } => value,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_editor_takes_steps_presets_and_numbers() {
    for (keys, value) in [
        (">", 10),
        ("<<", -20),
        ("UU>", 210),
        ("DDDDDDDDDDDD", -1000),
        ("1", 1),
        ("4", 4),
        ("T", 500),
        ("TTT", -1000),
        ("t", -500),
        ("12t", 0),
        ("300", 300),
        ("-250", -250),
        ("+4", 4),
        ("77777", 1000),
        ("-99999", -1000),
        ("300B", 30),
        ("7B", 7),
        ("12>", 22),
    ] {
        assert_eq!(value_after(keys), value, "{keys}");
    }
}

fn signals(target: ProcessId) -> Dialog {
    Dialog::Signal { targets: vec![target], left_out: vec![], cursor: 0, typed: String::new() }
}

#[test]
fn a_signal_is_found_by_its_number_or_its_name() {
    for (typed, name) in [
        ("9", "SIGKILL"),
        ("1", "SIGHUP"),
        ("15", "SIGTERM"),
        ("28", "SIGWINCH"),
        ("k", "SIGKILL"),
        ("ts", "SIGTSTP"),
        ("sigst", "SIGSTOP"),
        ("s", "SIGSTOP"),
        ("u2", "SIGINT"),
        ("usr2", "SIGUSR2"),
        ("xyzq", "SIGQUIT"),
        ("99", "SIGKILL"),
        ("z", "SIGTERM"),
    ] {
        let mut dialog = signals(ProcessId::new(7, 1));
        for letter in typed.chars() {
            assert_eq!(dialog.press(key(KeyCode::Char(letter)), (80, 24)), Answer::Stay, "{typed}");
        }
        assert_eq!(SIGNALS[dialog.cursor().unwrap()].name, name, "{typed}");
    }
    let mut dialog = signals(ProcessId::new(7, 1));
    dialog.press(key(KeyCode::Char('1')), (80, 24));
    dialog.press(key(KeyCode::Down), (80, 24));
    dialog.press(key(KeyCode::Char('5')), (80, 24));
    assert_eq!(SIGNALS[dialog.cursor().unwrap()].name, "SIGINT", "no signal begins with 5, and 15 is not meant");
}

#[test]
fn a_click_selects_and_again_chooses_but_sends_nothing() {
    let mut sort = Dialog::Sort { cursor: 0 };
    assert_eq!(sort.click(2), Answer::Stay);
    assert_eq!(sort.click(2), Answer::Chosen(Choice::Sort(COLUMNS[2].column)));
    let mut send = signals(ProcessId::new(7, 1));
    assert_eq!((send.click(5), send.click(5), send.cursor()), (Answer::Stay, Answer::Stay, Some(5)));
}

#[test]
fn what_is_clicked_is_what_stands_there() {
    for size in [(200, 60), (80, 24), (30, 8), (3, 3), (1, 1), (0, 0)] {
        for cursor in [0, 7, SIGNALS.len() - 1] {
            let mut dialog = signals(ProcessId::new(7, 1));
            dialog.click(cursor);
            let place = dialog.place(size);
            let items: Vec<_> = (0..size.1).filter_map(|row| dialog.item_at(size, place.body.x, row)).collect();
            assert_eq!(items.len(), usize::from(place.body.height).min(SIGNALS.len()), "{size:?}");
            assert!(items.is_empty() || items.contains(&cursor), "{size:?}: {items:?}");
            assert!(items.windows(2).all(|two| two[0] + 1 == two[1]));
        }
    }
}

#[test]
fn enter_mints_the_token_and_escape_does_not() {
    let target = ProcessId::new(7, 1);
    let mut dialog = signals(target);
    assert_eq!(dialog.press(key(KeyCode::End), (80, 24)), Answer::Stay);
    assert_eq!(dialog.press(key(KeyCode::Home), (80, 24)), Answer::Stay);
    assert_eq!(dialog.clone().press(key(KeyCode::Esc), (80, 24)), Answer::Leave);
    let chosen = Choice::Signal { targets: vec![target], signal: SIGNALS[0], confirmed: Confirmed(()) };
    assert_eq!(dialog.press(key(KeyCode::Enter), (80, 24)), Answer::Chosen(chosen));
    assert_eq!(SIGNALS[0].name, "SIGTERM");
    assert_eq!(SIGNALS[Signal::KILL_POSITION].name, "SIGKILL");
}

#[test]
fn columns_are_shown_hidden_and_moved() {
    let mut chosen = vec![Column::Pid, Column::Command];
    toggle(Column::Rss, &mut chosen);
    assert_eq!(chosen, [Column::Pid, Column::Rss, Column::Command]);
    shift(Column::Rss, &mut chosen, false);
    shift(Column::Rss, &mut chosen, false);
    assert_eq!(chosen, [Column::Rss, Column::Pid, Column::Command]);
    for column in [Column::Rss, Column::Pid, Column::Command] {
        toggle(column, &mut chosen);
    }
    assert_eq!(chosen, [Column::Command]);
}

/// The page was the height of the terminal, and the help was scrolled by entries: rows between two pages were never seen.
#[test]
fn pages_of_dialogs_skip_no_row() {
    for size in [(80, 24), (120, 30), (40, 12)] {
        let mut dialog = Dialog::Help { scroll: 0 };
        let Area { width, height, .. } = dialog.place(size).body;
        let rows = help(width).len();
        let mut seen = usize::from(height);
        for _ in 0..rows {
            let _ = dialog.press(key(KeyCode::PageDown), size);
            let Dialog::Help { scroll } = dialog else { unreachable!() };
            assert!(scroll <= seen, "{size:?}: rows {seen} to {scroll} were skipped");
            seen = scroll + usize::from(height);
        }
        assert_eq!(seen, rows, "the last row stands at the bottom, at {size:?}");
        for mut dialog in [Dialog::Sort { cursor: 0 }, Dialog::Columns { cursor: 0, chosen: vec![] }] {
            let shown = usize::from(dialog.place(size).body.height);
            let _ = dialog.press(key(KeyCode::PageDown), size);
            assert!(dialog.cursor().is_some_and(|cursor| (1..=shown).contains(&cursor)), "{dialog:?} at {size:?}");
        }
    }
}
