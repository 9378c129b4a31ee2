//! Dialogs over the panes.

use super::{ASCII, UNICODE, screen};
use crate::app::dialog::Dialog;
use crate::app::{Mode, State};
use crate::config::Look;
use crate::table::{COLUMNS, Column, info};
use crate::ui::fixture;
use crate::units::ProcessId;

/// A dialog over the overview.
fn with(dialog: Dialog, size: (u16, u16), look: Look) -> State {
    let mut state = fixture::state(size, look);
    state.mode = Mode::Dialog(dialog);
    state
}

pub fn dialogs() -> Vec<(&'static str, Dialog)> {
    let targets = vec![fixture::LEAKING];
    let both = vec![fixture::LEAKING, ProcessId::new(30990, 1000)];
    let left_out = vec!["sshd 402 belongs to root: that needs the same user or CAP_KILL, which you lack".to_owned()];
    let users = vec![(0, "root".to_owned()), (1000, "ana".into()), (1001, "ci".into())];
    let chosen = vec![Column::Pid, Column::Rss, Column::Command];
    vec![
        ("help", Dialog::Help { scroll: 0 }),
        ("help_end", Dialog::Help { scroll: usize::MAX }),
        ("signal", Dialog::Signal { targets: targets.clone(), left_out: vec![], cursor: 0, typed: String::new() }),
        (
            "signal_several",
            Dialog::Signal { targets: both.clone(), left_out: left_out.clone(), cursor: 5, typed: "9".into() },
        ),
        ("adjust", Dialog::Adjust { targets, left_out: vec![], value: -900, typed: String::new() }),
        ("adjust_several", Dialog::Adjust { targets: both, left_out, value: 500, typed: "500".into() }),
        ("sort", Dialog::Sort { cursor: 5 }),
        ("columns", Dialog::Columns { cursor: 5, chosen }),
        ("user", Dialog::User { cursor: 1, users }),
        ("group", Dialog::Group { cursor: 2 }),
    ]
}

#[test]
fn each_dialog() {
    // What help, sort menu and column chooser say of columns is the column table's: see the test below.
    for (name, dialog) in dialogs() {
        if matches!(name, "help" | "help_end" | "sort" | "columns") {
            continue;
        }
        let state = with(dialog.clone(), (100, 32), UNICODE);
        insta::assert_snapshot!(format!("dialog_{name}"), screen(&state));
        let state = with(dialog, (80, 24), ASCII);
        insta::assert_snapshot!(format!("dialog_{name}_80x24_ascii"), screen(&state));
    }
}

#[test]
fn the_help_begins_with_keys_and_ends_with_what_protects_us() {
    for size in [(80, 24), (200, 60), (40, 12)] {
        let begin = screen(&with(Dialog::Help { scroll: 0 }, size, UNICODE));
        assert!(begin.contains("Moving") && begin.contains("one row up"), "{begin}");
        let end = screen(&with(Dialog::Help { scroll: usize::MAX }, size, UNICODE));
        assert!(end.contains("--protect=false"), "{end}");
    }
}

#[test]
fn menus_of_columns_mark_what_is_chosen() {
    let sort = screen(&with(Dialog::Sort { cursor: 5 }, (100, 32), UNICODE));
    assert!(sort.contains("│▸ ▼ RSS "), "{sort}");
    let chosen = vec![Column::Pid, Column::Rss, Column::Command];
    let columns = screen(&with(Dialog::Columns { cursor: 5, chosen }, (100, 36), UNICODE));
    for line in ["│  [ 1] PID ", "│  [  ] PPID", "│▸ [ 2] RSS ", "│  [ 3] COMMAND"] {
        assert!(columns.contains(line), "{line} in {columns}");
    }
    // The line under the cursor is on the screen, however low that is.
    let low = screen(&with(Dialog::Sort { cursor: COLUMNS.len() - 1 }, (60, 8), UNICODE));
    assert!(low.contains("COMMAND"), "{low}");
}

#[test]
fn what_is_chosen_from_is_read_whole_also_on_a_small_screen() {
    for column in [Column::Rss, Column::Risk, Column::Pss] {
        let shown = screen(&with(Dialog::Columns { cursor: column as usize, chosen: vec![column] }, (80, 24), ASCII));
        let last: Vec<_> = info(column).help.split(' ').rev().take(2).collect();
        assert!(shown.contains(last[0]) && shown.contains(last[1]), "{last:?}: {shown}");
        let is_cut = shown.lines().any(|line| line.contains("~ |") || line.contains("~|"));
        assert!(!is_cut, "{shown}");
    }
    let (_, several) = dialogs().into_iter().find(|(name, _)| *name == "signal_several").expect("it is there");
    let shown = screen(&with(several, (80, 24), ASCII));
    let words = shown.split([' ', '|', '~', '>', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    assert!(words.contains("that needs the same user or CAP_KILL, which you lack"), "{shown}");
}
