//! A key was pressed: what it means here, and what follows from that. Refuses to look at what is typed into a text field,
//! and to touch a process.

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyEvent};

use crate::monitor::report::{MappingsState, ProcessReport};
use crate::snapshot::Unreadable;
use crate::snapshot::needs::{FactGroups, Needs};
use crate::table::Column;
use crate::text;
use crate::units::ProcessId;

use super::chord::Chord;
use super::dialog::{Answer, Choice, Dialog};
use super::keys::{self, Action, Move};
use super::list::{Arrangement, Direction};
use super::{Effect, Mode, Pane, State, Temporality, TextField, Tone};

impl State {
    pub(super) fn press(&mut self, key: &KeyEvent, effects: &mut Vec<Effect>) {
        let Some(chord) = Chord::pressed(key) else { return };
        let action = keys::action(self.focus, chord);
        // What has no letter of its own means the same whatever has the keys.
        let always = chord.control && action.is_some()
            || action == Some(Action::Quit) && !matches!(chord.code, KeyCode::Char(_));
        match &mut self.mode {
            Mode::Normal => {}
            _ if always => {}
            Mode::Search(_) | Mode::Filter(_) => return self.type_key(key, chord),
            Mode::Dialog(_) => return self.press_in_dialog(chord, effects),
        }
        if let Some(action) = action {
            self.act(action, effects);
        }
    }

    fn press_in_dialog(&mut self, chord: Chord, effects: &mut Vec<Effect>) {
        let size = self.size;
        let Mode::Dialog(dialog) = &mut self.mode else { return };
        let answer = dialog.press(chord, size);
        self.answer(answer, effects);
    }

    /// What a dialog was answered with.
    pub(super) fn answer(&mut self, answer: Answer, effects: &mut Vec<Effect>) {
        let choice = match answer {
            Answer::Stay => return,
            Answer::Leave => {
                self.mode = Mode::Normal;
                return;
            }
            Answer::Chosen(choice) => choice,
        };
        let dialog = std::mem::replace(&mut self.mode, Mode::Normal);
        match choice {
            Choice::Signal { targets, signal, confirmed } => {
                effects.push(Effect::Signal { targets, signal, confirmed });
            }
            Choice::Adjust { targets, value } => match self.adjust_to(&targets, value) {
                Some(effect) => effects.push(effect),
                // It says why not; another value may do.
                None => self.mode = dialog,
            },
            Choice::Profile { of, offer } => effects.push(self.fetch_profile(of, offer)),
            Choice::Sort(column) => self.sort_by(column),
            Choice::Columns(columns) => self.list.columns = columns,
            Choice::User(user) => {
                self.list.user = user;
                self.arrange();
            }
            Choice::Group(arrangement) => {
                self.list.arrangement = arrangement;
                self.arrange();
            }
        }
    }

    fn act(&mut self, action: Action, effects: &mut Vec<Effect>) {
        if self.focus == Pane::Profile && self.act_on_profiles(action, effects) {
            return;
        }
        if let Some(pane) = self.out_of_sight(action) {
            let what = if pane == Pane::Top { "the table" } else { "who dies next" };
            self.say(Tone::Plain, format!("{what} is not on the screen: {} shows it", pane.number()));
            return;
        }
        let page = self.table_page();
        match action {
            Action::Quit => effects.push(self.quit()),
            Action::Redraw => effects.push(Effect::Redraw),
            Action::Suspend => effects.push(Effect::Suspend),
            Action::Help => self.mode = Mode::Dialog(Dialog::Help { scroll: 0 }),
            Action::Move(movement) => self.move_in(self.focus, movement),
            Action::Open => self.open(),
            Action::Leave => self.leave(),
            Action::NextPane => self.focus_on(self.neighbour(1)),
            Action::PreviousPane => self.focus_on(self.neighbour(3)),
            Action::View(pane) => self.view(pane),
            Action::Watch => effects.extend(self.watch_or_go_back()),
            Action::Search => self.mode = Mode::Search(TextField::default()),
            Action::SearchNext => self.search_on(Direction::Forward),
            Action::SearchPrevious
                if self.list.search.is_none()
                    && !self.looks_for_regions()
                    && !matches!(self.focus, Pane::Output | Pane::Profile) =>
            {
                self.sort_by(Column::Pid);
            }
            Action::SearchPrevious => self.search_on(Direction::Backward),
            Action::Filter => {
                self.mode = Mode::Filter(TextField::holding(self.list.filter.as_deref().unwrap_or_default()));
            }
            Action::Tree => {
                let is_tree = self.list.arrangement == Arrangement::Tree;
                self.list.arrangement = if is_tree { Arrangement::Flat } else { Arrangement::Tree };
                self.arrange();
            }
            Action::SortMenu if self.looks_for_regions() => self.next_region_order(),
            Action::SortMenu => self.mode = Mode::Dialog(Dialog::Sort { cursor: self.list.sort as usize }),
            Action::SortBy(column) => self.sort_by(column),
            Action::Reverse => {
                self.list.reversed = !self.list.reversed;
                self.arrange();
            }
            Action::Expand => {
                self.list.expand();
                self.arrange();
            }
            Action::Collapse => {
                self.list.collapse(page, &self.report);
                self.arrange();
            }
            Action::ToggleAll => {
                self.list.toggle_all(&self.report);
                self.arrange();
            }
            Action::CommandRight => self.list.shift_commands(true, page, &self.report),
            Action::CommandLeft => self.list.shift_commands(false, page, &self.report),
            Action::GroupMenu => {
                let cursor = Arrangement::ALL.iter().position(|arrangement| *arrangement == self.list.arrangement);
                self.mode = Mode::Dialog(Dialog::Group { cursor: cursor.unwrap_or(0) });
            }
            Action::UserMenu => self.open_user_menu(),
            Action::ColumnMenu => {
                self.mode = Mode::Dialog(Dialog::Columns { cursor: 0, chosen: self.list.columns.clone() });
            }
            Action::Tag => {
                self.list.tag(&self.report);
                self.list.go(Move::Down, page, &self.report);
            }
            Action::TagChildren => self.list.tag_family(&self.report),
            Action::UntagAll => self.list.tagged.clear(),
            Action::Follow => {
                self.list.following = !self.list.following;
                self.list.reveal(page);
            }
            Action::Pause => self.toggle_pause(),
            Action::SignalMenu => self.open_signal_menu(),
            Action::Protect => effects.extend(self.nudge(-100)),
            Action::Sacrifice => effects.extend(self.nudge(100)),
            Action::Adjust => self.open_adjust(),
            Action::Undo => effects.extend(self.undo_last()),
            Action::NextDomain => self.next_domain(),
            // Keys of the pane of profiles.
            Action::NextValues | Action::Growth | Action::Save | Action::Sideways(_) => {}
            Action::Mark | Action::Refresh | Action::CopyPid => match self.list.selected {
                Some(id) => effects.push(self.look_at(action, id)),
                None => self.say(Tone::Plain, "no process is selected"),
            },
        }
    }

    /// What asks about a process and changes nothing in it.
    fn look_at(&mut self, action: Action, id: ProcessId) -> Effect {
        let name = self.name_of(id);
        match action {
            Action::Mark => {
                self.say(Tone::Plain, format!("marked: changes of {name} count from now"));
                Effect::Mark(id)
            }
            Action::CopyPid => {
                self.say(Tone::Plain, format!("{} is in the clipboard, if the terminal allows it (OSC 52)", id.pid));
                Effect::Copy(id.pid.to_string())
            }
            _ => {
                if self.is_denied(id) {
                    let needs = "that needs its user, root or CAP_SYS_PTRACE";
                    self.say(Tone::Bad, format!("PSS and mappings of {name} n/a: {needs}"));
                } else {
                    self.say_until_read(id, format!("reading PSS and mappings of {name}"));
                }
                Effect::Require(Needs { refresh: true, ..self.required.clone() })
            }
        }
    }

    /// Whether a look at its page tables was refused.
    fn is_denied(&self, id: ProcessId) -> bool {
        let denied = |process: &ProcessReport| process.denied.intersects(FactGroups::ROLLUP);
        let mappings = self.detail.as_ref().filter(|detail| detail.id == id).map(|detail| &detail.mappings);
        self.newest().process(id).is_some_and(denied)
            || matches!(mappings, Some(MappingsState::Unreadable(Unreadable::Denied)))
    }

    /// Sorts, and shows who leads; the selection stays where it is.
    fn sort_by(&mut self, column: Column) {
        self.list.sort = column;
        self.list.reversed = false;
        self.list.offset = 0;
        self.arrange();
    }

    /// A title that sorts already turns the order round.
    pub(super) fn sort_by_title(&mut self, column: Column) {
        if self.list.sort == column {
            self.list.reversed = !self.list.reversed;
            self.arrange();
        } else {
            self.sort_by(column);
        }
    }

    fn open_user_menu(&mut self) {
        let uids: BTreeSet<u32> = self.report.processes.iter().filter_map(|process| process.identity.uid).collect();
        let named = |uid: u32| match self.report.machine.user(uid) {
            Some(name) => (uid, text::printable(name.as_bytes()).into_owned()),
            None => (uid, uid.to_string()),
        };
        let users: Vec<_> = uids.into_iter().map(named).collect();
        let at = users.iter().position(|(uid, _)| Some(*uid) == self.list.user);
        self.mode = Mode::Dialog(Dialog::User { cursor: at.map_or(0, |at| at + 1), users });
    }

    fn toggle_pause(&mut self) {
        match self.temporality {
            Temporality::Live => self.temporality = Temporality::Paused,
            Temporality::Paused => {
                self.temporality = Temporality::Live;
                if let Some(report) = self.aside.take() {
                    self.report = report;
                    self.arrange();
                }
            }
        }
    }
}
