//! Dialogs: what they show, what their keys do, and the token that proves a confirmation. Refuses to carry out what
//! was chosen: that is `update`'s.

mod help;
mod place;

use std::net::SocketAddr;

use crossterm::event::KeyCode;

use crate::golang::pprof::Kind;
use crate::table::{COLUMNS, Column};
use crate::units::ProcessId;

use super::Signal;
use super::chord::Chord;
use super::keys::{self, Action, Move};
use super::list::Arrangement;
use super::{ADJUSTMENTS, Pane};

pub use help::{HelpRow, help};
pub use place::Place;

/// A dialog that has the keys. Its targets are identities fixed when it opened; the list may move behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Keys, columns and numbers explained.
    Help {
        /// First row shown.
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
        /// What is being typed of a number or a name.
        typed: String,
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
    /// Which profile to fetch.
    Profile {
        /// Of whom.
        of: ProcessId,
        /// What can be had.
        offers: Vec<Offer>,
        /// Position in `offers`.
        cursor: usize,
    },
    /// Group rows by what.
    Group {
        /// Position in [`Arrangement::ALL`].
        cursor: usize,
    },
}

/// A profile that a process may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The socket, as it is bound.
    pub from: SocketAddr,
    /// Which.
    pub kind: Kind,
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
    /// Fetch it.
    Profile { of: ProcessId, offer: Offer },
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
            15 => "terminate: the program may clean up first",
            1 => "hang up; daemons reload their configuration",
            2 => "interrupt, as ^C",
            3 => "quit, as ^\\; Go programs dump all goroutines and exit",
            6 => "abort, with a core dump",
            9 => "kill: cannot be caught, no clean-up",
            10 | 12 => "user-defined; terminates by default",
            13 => "broken pipe",
            14 => "alarm",
            18 => "continue if stopped",
            19 => "stop: cannot be caught; memory is kept",
            20 => "stop, as ^Z",
            24 => "CPU time limit exceeded",
            28 => "window size changed",
            _ => "",
        }
    }

    /// A process that gets it is meant to end.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self.number, 1 | 2 | 3 | 6 | 9 | 15)
    }
}

/// Values of oom_score_adj that Tab goes through in the editor.
pub const PRESETS: [i16; 5] = [-1000, -500, 0, 500, 1000];

impl Dialog {
    /// What its keys do, in one line.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Help { .. } => "[Up/Down PgUp/PgDn] scroll  [Esc] close",
            Self::Signal { .. } => "[Enter] send  [Esc] cancel  type a number or a name: 9, kill",
            Self::Adjust { .. } => "[Enter] set  [Esc] cancel  type it, Up 1, Right 10, PgUp 100, Tab preset",
            Self::Sort { .. } => "[Enter] sort  [Esc] cancel",
            Self::Columns { .. } => "[Space] show or hide  Left/Right move  [Enter] done  [Esc] cancel",
            Self::Profile { .. } => "[Enter] fetch  [Esc] cancel",
            Self::User { .. } | Self::Group { .. } => "[Enter] show  [Esc] cancel",
        }
    }

    /// How many lines it has to choose from, or to scroll.
    #[must_use]
    pub fn count(&self, size: (u16, u16)) -> usize {
        match self {
            // As far as it can be scrolled: with the last row at the bottom.
            Self::Help { .. } => (help(self.place(size).body.width).len() + 1).saturating_sub(self.page(size)),
            Self::Signal { .. } => SIGNALS.len(),
            Self::Adjust { .. } => 0,
            Self::Sort { .. } | Self::Columns { .. } => COLUMNS.len(),
            Self::User { users, .. } => users.len() + 1,
            Self::Group { .. } => Arrangement::ALL.len(),
            Self::Profile { offers, .. } => offers.len(),
        }
    }

    /// Takes a key, on a screen of this size.
    pub(super) fn press(&mut self, chord: Chord, size: (u16, u16)) -> Answer {
        match (chord.code, &mut *self) {
            (KeyCode::Esc, _) => return Answer::Leave,
            (KeyCode::Char('q' | '?' | 'h') | KeyCode::F(1) | KeyCode::Enter, Self::Help { .. }) => {
                return Answer::Leave;
            }
            (KeyCode::Enter, _) => return self.chosen(),
            (_, Self::Adjust { value, typed, .. }) => edit(chord.code, value, typed),
            (KeyCode::Char(letter), Self::Signal { cursor, typed, .. }) if letter.is_ascii_alphanumeric() => {
                *cursor = look_up(letter, typed).unwrap_or(*cursor);
                return Answer::Stay;
            }
            (KeyCode::Char(' '), Self::Columns { cursor, chosen }) => toggle(COLUMNS[*cursor].column, chosen),
            (KeyCode::Left, Self::Columns { cursor, chosen }) => shift(COLUMNS[*cursor].column, chosen, false),
            (KeyCode::Right, Self::Columns { cursor, chosen }) => shift(COLUMNS[*cursor].column, chosen, true),
            _ => {}
        }
        // Movement is what the key table says it is, so that arrows mean the same everywhere.
        if let Some(Action::Move(movement)) = keys::action(Pane::Top, chord) {
            self.go(movement, size);
        }
        Answer::Stay
    }

    /// Moves its cursor, or scrolls.
    pub(super) fn go(&mut self, movement: Move, size: (u16, u16)) {
        let (count, page) = (self.count(size), self.page(size));
        match self {
            Self::Signal { cursor, typed, .. } => {
                typed.clear();
                *cursor = movement.apply(*cursor, count, page);
            }
            Self::Help { scroll: cursor }
            | Self::Sort { cursor }
            | Self::Columns { cursor, .. }
            | Self::User { cursor, .. }
            | Self::Profile { cursor, .. }
            | Self::Group { cursor } => *cursor = movement.apply(*cursor, count, page),
            Self::Adjust { .. } => {}
        }
    }

    /// Puts the cursor of its list there; what was there already is chosen as by Enter, or by Space where Enter ends.
    /// A signal is never sent so: that is for a key.
    pub(super) fn click(&mut self, item: usize) -> Answer {
        let again = self.cursor() == Some(item);
        match self {
            Self::Signal { cursor, typed, .. } => {
                typed.clear();
                *cursor = item;
            }
            Self::Columns { cursor, chosen } => {
                *cursor = item;
                if again {
                    toggle(COLUMNS[item].column, chosen);
                }
            }
            Self::Sort { cursor }
            | Self::User { cursor, .. }
            | Self::Profile { cursor, .. }
            | Self::Group { cursor } => {
                *cursor = item;
                if again {
                    return self.chosen();
                }
            }
            Self::Help { .. } | Self::Adjust { .. } => {}
        }
        Answer::Stay
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
            Self::Profile { of, offers, cursor } => match offers.get(*cursor) {
                Some(offer) => Choice::Profile { of: *of, offer: *offer },
                None => return Answer::Leave,
            },
        })
    }
}

/// Position of the signal that is being typed: a number, or a name with or without its SIG. What fits nothing begins
/// anew with this letter.
fn look_up(letter: char, typed: &mut String) -> Option<usize> {
    let find = |text: &str| {
        let by = |fits: &dyn Fn(&Signal) -> bool| SIGNALS.iter().position(fits);
        by(&|signal| signal.number.to_string() == text)
            .or_else(|| by(&|signal| signal.number.to_string().starts_with(text)))
            .or_else(|| by(&|signal| signal.name["SIG".len()..].starts_with(text)))
            .or_else(|| by(&|signal| signal.name.starts_with(text)))
    };
    typed.push(letter.to_ascii_uppercase());
    find(typed).or_else(|| {
        typed.drain(..typed.len() - 1);
        let found = find(typed);
        if found.is_none() {
            typed.clear();
        }
        found
    })
}

/// A key of the editor. Digits are always the value itself: the ranking says "at adj 2", and 2 must be what is set.
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
        KeyCode::Tab | KeyCode::BackTab => {
            typed.clear();
            let mut above = PRESETS.into_iter().filter(|preset| preset > value);
            let mut below = PRESETS.into_iter().rev().filter(|preset| preset < value);
            // Round at the ends.
            *value = if code == KeyCode::Tab { above.next().unwrap_or(-1000) } else { below.next().unwrap_or(1000) };
            return;
        }
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
    if let Ok(new) = typed.parse::<i32>() {
        *value = new.clamp(-1000, 1000) as i16;
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
mod tests;
