//! Dialogs: what they show, what their keys do, and the token that proves a confirmation. Refuses to carry out what
//! was chosen: that is `update`'s.

mod help;

use crossterm::event::KeyCode;

use crate::table::{COLUMNS, Column};
use crate::units::ProcessId;

use super::Signal;
use super::keys::{self, Action, Chord, Move};
use super::list::Arrangement;
use super::{ADJUSTMENTS, Pane};

pub use help::{HelpLine, help};

/// A dialog that has the keys. Its targets are identities fixed when it opened; the list may move behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Keys, columns and numbers explained.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// Which signal to send to whom.
    Signal {
        /// To whom.
        targets: Vec<ProcessId>,
        /// Whom it cannot reach, and why; a sentence each.
        left_out: Vec<String>,
        /// Position in [`SIGNALS`].
        cursor: usize,
    },
    /// oom_score_adj with a preview.
    Adjust {
        /// Of whom.
        targets: Vec<ProcessId>,
        /// Whose cannot be set, and why; a sentence each.
        left_out: Vec<String>,
        /// The value under the cursor.
        value: i16,
        /// What is being typed, if digits were.
        typed: String,
    },
    /// Sort by which column.
    Sort {
        /// Position in the list of columns.
        cursor: usize,
    },
    /// Which columns to show, in which order.
    Columns {
        /// Position in the list of all columns.
        cursor: usize,
        /// Shown, in order.
        chosen: Vec<Column>,
    },
    /// Processes of which user.
    User {
        /// Position in `users`; 0 is "all".
        cursor: usize,
        /// Users that own a process.
        users: Vec<(u32, String)>,
    },
    /// Group rows by what.
    Group {
        /// Position in [`Arrangement::ALL`].
        cursor: usize,
    },
}

/// Proof that a dialog was confirmed with Enter. Nothing outside this module can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed(());

/// What was chosen in a dialog.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    /// Send it.
    Signal { targets: Vec<ProcessId>, signal: Signal, confirmed: Confirmed },
    /// Set it.
    Adjust { targets: Vec<ProcessId>, value: i16 },
    /// Sort by it.
    Sort(Column),
    /// Show these.
    Columns(Vec<Column>),
    /// Only this user's, or everyone's.
    User(Option<u32>),
    /// Arrange so.
    Group(Arrangement),
}

/// What a key did to a dialog.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It stays open.
    Stay,
    /// It is left without a choice.
    Leave,
    /// Something was chosen.
    Chosen(Choice),
}

/// Signals offered, SIGTERM first; then in the order of their numbers, which are those of x86, Arm and RISC-V.
pub const SIGNALS: [Signal; 15] = [
    Signal { number: 15, name: "SIGTERM" },
    Signal { number: 1, name: "SIGHUP" },
    Signal { number: 2, name: "SIGINT" },
    Signal { number: 3, name: "SIGQUIT" },
    Signal { number: 6, name: "SIGABRT" },
    Signal { number: 9, name: "SIGKILL" },
    Signal { number: 10, name: "SIGUSR1" },
    Signal { number: 12, name: "SIGUSR2" },
    Signal { number: 13, name: "SIGPIPE" },
    Signal { number: 14, name: "SIGALRM" },
    Signal { number: 18, name: "SIGCONT" },
    Signal { number: 19, name: "SIGSTOP" },
    Signal { number: 20, name: "SIGTSTP" },
    Signal { number: 24, name: "SIGXCPU" },
    Signal { number: 28, name: "SIGWINCH" },
];

impl Signal {
    /// Position of SIGKILL in [`SIGNALS`].
    pub const KILL_POSITION: usize = 5;

    /// What most programs do about it, for the menu.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.number {
            15 => "end: the program may clean up first",
            1 => "hang up; daemons read their configuration again",
            2 => "interrupt, as ^C",
            3 => "quit, as ^\\; Go programs print all goroutines and end",
            6 => "abort, with a core dump",
            9 => "kill: cannot be caught, nothing is cleaned up",
            10 | 12 => "the program's own meaning; ends it if it has none",
            13 => "broken pipe",
            14 => "alarm",
            18 => "go on after a stop",
            19 => "stop: cannot be caught; memory stays",
            20 => "stop, as ^Z",
            24 => "processor time is used up",
            28 => "window changed",
            _ => "",
        }
    }

    /// A process that gets it is meant to end.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self.number, 1 | 2 | 3 | 6 | 9 | 15)
    }
}

/// Values of oom_score_adj behind the keys 1 to 5 of the editor.
pub const PRESETS: [i16; 5] = [-1000, -500, 0, 500, 1000];

impl Dialog {
    /// Its heading.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Help { .. } => "Help",
            Self::Signal { .. } => "Send a signal",
            Self::Adjust { .. } => "oom_score_adj",
            Self::Sort { .. } => "Sort by",
            Self::Columns { .. } => "Columns",
            Self::User { .. } => "Processes of",
            Self::Group { .. } => "Rows",
        }
    }

    /// What its keys do, in one line.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Help { .. } => "[Up/Down PgUp/PgDn] scroll  [Esc] leave",
            Self::Signal { .. } => "[Enter] send  [Esc] leave",
            Self::Adjust { .. } => "[Enter] set  [Esc] leave  Left/Right 10, PgUp/PgDn 100, presets 1..5",
            Self::Sort { .. } => "[Enter] sort  [Esc] leave",
            Self::Columns { .. } => "[Space] show or hide  Left/Right move  [Enter] done  [Esc] leave",
            Self::User { .. } | Self::Group { .. } => "[Enter] show  [Esc] leave",
        }
    }

    /// How many lines it has to choose from, or to scroll.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Help { .. } => help().len(),
            Self::Signal { .. } => SIGNALS.len(),
            Self::Adjust { .. } => 0,
            Self::Sort { .. } | Self::Columns { .. } => COLUMNS.len(),
            Self::User { users, .. } => users.len() + 1,
            Self::Group { .. } => Arrangement::ALL.len(),
        }
    }

    /// Takes a key; `page` is how many lines of it the screen can show.
    pub(super) fn press(&mut self, chord: Chord, page: usize) -> Answer {
        let count = self.count();
        match (chord.code, &mut *self) {
            (KeyCode::Esc, _) => return Answer::Leave,
            (KeyCode::Char('q' | '?' | 'h') | KeyCode::F(1) | KeyCode::Enter, Self::Help { .. }) => {
                return Answer::Leave;
            }
            (KeyCode::Enter, _) => return self.chosen(),
            (_, Self::Adjust { value, typed, .. }) => edit(chord.code, value, typed),
            (KeyCode::Char(' '), Self::Columns { cursor, chosen }) => toggle(COLUMNS[*cursor].column, chosen),
            (KeyCode::Left, Self::Columns { cursor, chosen }) => shift(COLUMNS[*cursor].column, chosen, false),
            (KeyCode::Right, Self::Columns { cursor, chosen }) => shift(COLUMNS[*cursor].column, chosen, true),
            _ => {}
        }
        // Movement is what the key table says it is, so that arrows mean the same everywhere.
        if let Some(Action::Move(movement)) = keys::action(Pane::Top, chord) {
            self.go(movement, count, page);
        }
        Answer::Stay
    }

    /// Moves its cursor, or scrolls.
    pub(super) fn go(&mut self, movement: Move, count: usize, page: usize) {
        match self {
            Self::Help { scroll: cursor }
            | Self::Signal { cursor, .. }
            | Self::Sort { cursor }
            | Self::Columns { cursor, .. }
            | Self::User { cursor, .. }
            | Self::Group { cursor } => *cursor = movement.apply(*cursor, count, page),
            Self::Adjust { .. } => {}
        }
    }

    fn chosen(&self) -> Answer {
        Answer::Chosen(match self {
            Self::Help { .. } => return Answer::Leave,
            Self::Signal { targets, cursor, .. } => {
                Choice::Signal { targets: targets.clone(), signal: SIGNALS[*cursor], confirmed: Confirmed(()) }
            }
            Self::Adjust { targets, value, .. } => Choice::Adjust { targets: targets.clone(), value: *value },
            Self::Sort { cursor } => Choice::Sort(COLUMNS[*cursor].column),
            Self::Columns { chosen, .. } => Choice::Columns(chosen.clone()),
            Self::User { cursor, users } => {
                Choice::User(cursor.checked_sub(1).and_then(|at| users.get(at)).map(|(uid, _)| *uid))
            }
            Self::Group { cursor } => Choice::Group(Arrangement::ALL[*cursor]),
        })
    }
}

/// A key of the editor. One digit from 1 to 5 is a preset; a sign or two digits and more are a value.
fn edit(code: KeyCode, value: &mut i16, typed: &mut String) {
    let step = match code {
        KeyCode::Left => -10,
        KeyCode::Right => 10,
        KeyCode::Down => -1,
        KeyCode::Up => 1,
        KeyCode::PageDown => -100,
        KeyCode::PageUp => 100,
        KeyCode::Home => -2000,
        KeyCode::End => 2000,
        KeyCode::Char(sign @ ('-' | '+')) => {
            *typed = sign.into();
            return;
        }
        KeyCode::Char(digit @ '0'..='9') if typed.len() < 5 => {
            typed.push(digit);
            take_typed(value, typed);
            return;
        }
        KeyCode::Backspace => {
            typed.pop();
            take_typed(value, typed);
            return;
        }
        _ => return,
    };
    typed.clear();
    *value = (*value + step).clamp(*ADJUSTMENTS.start(), *ADJUSTMENTS.end());
}

fn take_typed(value: &mut i16, typed: &str) {
    let preset = match typed.as_bytes() {
        [digit @ b'1'..=b'5'] => PRESETS.get(usize::from(digit - b'1')).copied(),
        _ => None,
    };
    if let Some(new) = preset.or_else(|| Some(typed.parse::<i32>().ok()?.clamp(-1000, 1000) as i16)) {
        *value = new;
    }
}

/// Shows a column, the command line staying last, or hides it; one is always shown.
fn toggle(column: Column, chosen: &mut Vec<Column>) {
    if let Some(at) = chosen.iter().position(|shown| *shown == column) {
        if chosen.len() > 1 {
            chosen.remove(at);
        }
    } else {
        let end = chosen.len() - usize::from(chosen.last() == Some(&Column::Command));
        chosen.insert(end, column);
    }
}

fn shift(column: Column, chosen: &mut [Column], to_the_right: bool) {
    let Some(at) = chosen.iter().position(|shown| *shown == column) else { return };
    let other = if to_the_right { at + 1 } else { at.wrapping_sub(1) };
    if other < chosen.len() {
        chosen.swap(at, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> Chord {
        Chord { code, control: false }
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
                letter => KeyCode::Char(letter),
            };
            assert_eq!(dialog.press(key(code), 10), Answer::Stay);
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
            ("1", -1000),
            ("4", 500),
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

    #[test]
    fn enter_mints_the_token_and_escape_does_not() {
        let target = ProcessId::new(7, 1);
        let mut dialog = Dialog::Signal { targets: vec![target], left_out: vec![], cursor: 0 };
        assert_eq!(dialog.press(key(KeyCode::End), 3), Answer::Stay);
        assert_eq!(dialog.press(key(KeyCode::Home), 3), Answer::Stay);
        assert_eq!(dialog.clone().press(key(KeyCode::Esc), 3), Answer::Leave);
        let chosen = Choice::Signal { targets: vec![target], signal: SIGNALS[0], confirmed: Confirmed(()) };
        assert_eq!(dialog.press(key(KeyCode::Enter), 3), Answer::Chosen(chosen));
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
}
