//! What is typed: a search that jumps, a filter that narrows, both while the keys fall. Refuses to let a wrong filter
//! empty the table: the last valid one stays in force until the text is right again.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::filter::Filter;
use crate::table::COLUMNS;

use super::chord::Chord;
use super::keys::Move;
use super::layout::{self, Area};
use super::list::Direction;
use super::output::Page;
use super::run::RunView;
use super::{Mode, Pane, State, TextField, Tone};

impl State {
    /// A key while a line of text is being typed.
    pub(super) fn type_key(&mut self, key: &KeyEvent, chord: Chord) {
        let is_search = matches!(self.mode, Mode::Search(_));
        let (Mode::Search(field) | Mode::Filter(field)) = &mut self.mode else { return };
        match chord.code {
            KeyCode::Esc => self.cancel_typing(),
            KeyCode::Enter if is_search || field.error.is_none() => {
                if !is_search {
                    let text = std::mem::take(&mut field.text);
                    self.narrow_to(text);
                }
                self.mode = Mode::Normal;
                self.list.want_selected();
            }
            KeyCode::Down | KeyCode::F(3) if is_search && !key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.search_on(Direction::Forward);
            }
            KeyCode::Up | KeyCode::F(3) if is_search => self.search_on(Direction::Backward),
            KeyCode::Up => self.move_in(Pane::Top, Move::Up),
            KeyCode::Down => self.move_in(Pane::Top, Move::Down),
            _ => {
                if edit(field, chord) {
                    self.typed();
                }
            }
        }
    }

    /// Pasted text goes where typed text goes, and nowhere else: no line of it can be a command.
    pub(super) fn paste(&mut self, text: &str) {
        if let Mode::Search(field) | Mode::Filter(field) = &mut self.mode {
            field.insert(text);
            self.typed();
        }
    }

    /// To the next row that matches what was searched for last.
    pub(super) fn search_on(&mut self, direction: Direction) {
        let Some(needle) = self.looked_for().map(str::to_owned) else {
            self.say(Tone::Plain, "nothing to search for: / starts a search");
            return;
        };
        let (cursor, count) = self.place();
        let from = match direction {
            Direction::Forward => (cursor + 1) % count,
            Direction::Backward => (cursor + count - 1) % count,
        };
        if !self.jump(&needle, from, direction) {
            self.say(Tone::Bad, format!("no row matches {needle:?}"));
        }
    }

    /// What is searched for where the keys are: lines of output, regions, or rows of the table.
    pub(super) fn looked_for(&self) -> Option<&str> {
        match self.run.as_ref().and_then(RunView::output) {
            Some(output) if self.focus == Pane::Output => output.search.as_deref(),
            _ if self.focus == Pane::Profile => self.profiles.search.as_deref(),
            _ if self.looks_for_regions() => self.mappings.search.as_deref(),
            _ => self.list.search.as_deref(),
        }
    }

    pub(super) fn looked_for_mut(&mut self) -> &mut Option<String> {
        let looks_for_regions = self.looks_for_regions();
        match self.run.as_mut().and_then(RunView::output_mut) {
            Some(output) if self.focus == Pane::Output => &mut output.search,
            _ if self.focus == Pane::Profile => &mut self.profiles.search,
            _ if looks_for_regions => &mut self.mappings.search,
            _ => &mut self.list.search,
        }
    }

    /// The cursor there, and among how many.
    fn place(&self) -> (usize, usize) {
        let (cursor, count) = match self.run.as_ref().and_then(RunView::output) {
            Some(output) if self.focus == Pane::Output => (output.cursor(self.output_page()), output.count()),
            _ if self.focus == Pane::Profile => self.place_in_profiles(),
            _ if self.looks_for_regions() => (self.mappings.cursor, self.mapping_lines()),
            _ => (self.list.cursor, self.list.rows.len()),
        };
        (cursor, count.max(1))
    }

    /// What of the output is on the screen at once.
    pub(super) fn output_page(&self) -> Page {
        let layout = layout::layout(self);
        Page::of(layout.pane(Pane::Output).map_or(Area::default(), |area| layout.uncovered(area.inner)))
    }

    fn jump(&mut self, needle: &str, from: usize, direction: Direction) -> bool {
        let page = self.output_page();
        if let (Pane::Output, Some(output)) = (self.focus, self.run.as_mut().and_then(RunView::output_mut)) {
            return output.find(needle, from, direction, page);
        }
        if self.focus == Pane::Profile {
            return self.find_function(needle, from, direction);
        }
        if self.looks_for_regions() {
            return self.jump_to_region(needle, from, direction);
        }
        let found = self.list.find(needle, from, direction, &self.report);
        if let Some(row) = found {
            let page = self.table_page();
            self.list.select_row(row, page, &self.report);
        }
        found.is_some()
    }

    /// The text changed: it takes effect at once.
    fn typed(&mut self) {
        match &self.mode {
            Mode::Search(field) => {
                let needle = field.text.clone();
                let (from, _) = self.place();
                let found = needle.is_empty() || self.jump(&needle, from, Direction::Forward);
                *self.looked_for_mut() = (!needle.is_empty()).then_some(needle);
                self.set_error((!found).then(|| (0, "no match".to_owned())));
            }
            Mode::Filter(field) => {
                let text = field.text.clone();
                let error = Filter::parse(&text).err().map(|error| (error.at, error.message));
                if error.is_none() {
                    let before = self.list.filter.clone();
                    let may_go_on = begins_comparison(&text);
                    self.narrow_to(text);
                    if self.list.rows.is_empty() && may_go_on {
                        self.list.filter = before;
                        self.arrange();
                    }
                }
                self.set_error(error);
            }
            Mode::Normal | Mode::Dialog(_) => {}
        }
    }

    fn narrow_to(&mut self, text: String) {
        self.list.filter = (!text.trim().is_empty()).then_some(text);
        self.arrange();
    }

    /// A report came: a search that had found nothing looks again, because command lines are read some time after a
    /// process was first seen.
    pub(super) fn search_again(&mut self) {
        if matches!(&self.mode, Mode::Search(field) if field.error.is_some()) {
            self.typed();
        }
    }

    fn set_error(&mut self, error: Option<(usize, String)>) {
        if let Mode::Search(field) | Mode::Filter(field) = &mut self.mode {
            field.error = error;
        }
    }

    fn cancel_typing(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Search(_) => *self.looked_for_mut() = None,
            Mode::Filter(_) => {
                self.list.filter = None;
                self.arrange();
            }
            Mode::Normal | Mode::Dialog(_) => {}
        }
    }
}

/// Whether the last word is the beginning of a column's name: on the way to `rss>1g` the table must not be emptied by
/// the word `rss`.
fn begins_comparison(text: &str) -> bool {
    let word = text.rsplit(|letter: char| !letter.is_ascii_lowercase()).next().unwrap_or_default();
    !word.is_empty() && COLUMNS.iter().any(|info| info.key.starts_with(word))
}

/// Whether the text may have changed.
fn edit(field: &mut TextField, chord: Chord) -> bool {
    match chord.code {
        KeyCode::Char('u') if chord.control => field.clear_before(),
        KeyCode::Char('w') if chord.control => field.delete_word(),
        KeyCode::Char('a') if chord.control => field.home(),
        KeyCode::Char('e') if chord.control => field.end(),
        KeyCode::Char(letter) if !chord.control => {
            field.insert(letter.encode_utf8(&mut [0; 4]));
        }
        KeyCode::Backspace => field.backspace(),
        KeyCode::Delete => field.delete(),
        KeyCode::Left => field.left(),
        KeyCode::Right => field.right(),
        KeyCode::Home => field.home(),
        KeyCode::End => field.end(),
        _ => return false,
    }
    true
}
