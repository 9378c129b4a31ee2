//! What the keys mean in the pane of profiles: moving over functions and frames, which values, which profile, from when
//! changes count. Refuses to fetch and to save: it asks for it.

use crate::golang::pprof::{Flame, Frame, Order};
use crate::text::holds;

use super::super::bands;
use super::super::keys::{Action, Move};
use super::super::layout::{self, Area};
use super::super::list::Direction;
use super::super::{Effect, Pane, State, Tone};
use super::frames::{PlacedFrame, placed, root_that_shows};
use super::{Extent, Picture, widest};

impl State {
    /// The pane was opened: it shows the selected process, or the victim of the kill that one looks at.
    pub(in super::super) fn open_profiles(&mut self) {
        let kill = self.selected_kill().filter(|_| self.focus == Pane::Kills);
        let kill = self.report.kills.iter().find(|known| Some(known.number) == kill);
        let victim = kill.and_then(|kill| kill.victim.as_ref()?.id);
        let of = victim.or(self.list.selected);
        if of != self.profiles.of {
            self.profiles.shown = None;
            (self.profiles.cursor, self.profiles.frame, self.profiles.root) = (0, Flame::ROOT, Flame::ROOT);
        }
        self.profiles.of = of;
        self.profiles.is_wanted = false;
        self.profiles.back = Some(self.focus).filter(|pane| *pane != Pane::Profile);
        self.focus_on(Pane::Profile);
    }

    /// What was opened last first: a fetch, a search, a zoom, the pane.
    pub(in super::super) fn leave_profiles(&mut self, effects: &mut Vec<Effect>) {
        if self.profiles.under_way.is_some() {
            effects.push(Effect::GiveUpProfiles);
        } else if std::mem::take(&mut self.profiles.is_wanted) {
            self.say(Tone::Plain, "cancelled");
        } else if let Some(needle) = self.profiles.search.take() {
            self.say(Tone::Plain, format!("search for {needle} ended; Esc again goes back"));
        } else if self.profiles.picture == Picture::Flame && self.profiles.root != Flame::ROOT {
            let parent = self.profiles.shown().and_then(|shown| shown.digest.flame.parent(self.profiles.root));
            self.profiles.root = parent.unwrap_or(Flame::ROOT);
        } else if self.profiles.picture == Picture::Flame {
            self.show_as(Picture::Table);
        } else {
            self.focus_on(self.profiles.back.unwrap_or(Pane::Top));
        }
    }

    /// Whether this key means something of its own here.
    pub(in super::super) fn act_on_profiles(&mut self, action: Action, effects: &mut Vec<Effect>) -> bool {
        match action {
            Action::Open => effects.extend(self.open_frame()),
            Action::Leave => self.leave_profiles(effects),
            Action::Tree => self.show_as(match self.profiles.picture {
                Picture::Table => Picture::Flame,
                Picture::Flame => Picture::Table,
            }),
            Action::SortMenu => self.next_order(),
            Action::NextValues => self.next_values(),
            Action::Growth => self.toggle_growth(),
            Action::Mark => self.mark_profile(),
            Action::Refresh => effects.extend(self.want_profile()),
            Action::Save => effects.extend(self.save_profile()),
            Action::Sideways(direction) => match self.profiles.picture {
                Picture::Table => self.show_other_profile(direction),
                Picture::Flame => self.go_sideways(direction),
            },
            _ => return false,
        }
        true
    }

    fn show_as(&mut self, picture: Picture) {
        let held = self.held_function();
        self.profiles.picture = picture;
        self.hold_function(held);
    }

    /// The name of the selected function.
    pub(super) fn held_function(&self) -> Option<String> {
        let shown = self.profiles.shown()?;
        match self.profiles.picture {
            Picture::Table => {
                let function = shown.top.functions.get(self.profiles.cursor)?;
                Some(shown.digest.profile.name(function.function).to_owned())
            }
            Picture::Flame if self.profiles.frame == Flame::ROOT => None,
            Picture::Flame => Some(shown.name_of(self.profiles.frame).to_owned()),
        }
    }

    /// Selects it again where something else is shown now; what is not there leaves the table where it is.
    pub(super) fn hold_function(&mut self, held: Option<String>) {
        let Some(shown) = self.profiles.shown() else { return };
        let profile = &shown.digest.profile;
        let function = held.and_then(|held| profile.functions.iter().position(|name| **name == *held));
        let function = function.map(|function| function as u32);
        let row = shown.top.functions.iter().position(|known| Some(known.function) == function);
        let last = shown.top.functions.len().saturating_sub(1);
        let cursor = row.unwrap_or(self.profiles.cursor).min(last);
        let frame = function.and_then(|function| widest(&shown.digest.flame, shown.value_type, function));
        let frame = frame.filter(|frame| shown.digest.flame.weight(*frame, shown.value_type) > 0);
        self.profiles.cursor = cursor;
        self.profiles.root = Flame::ROOT;
        self.select_frame(frame.unwrap_or(Flame::ROOT));
    }

    /// The area in which functions or frames stand.
    pub(in super::super) fn profile_list(&self) -> Area {
        let inner = layout::layout(self).pane(Pane::Profile).map_or(Area::default(), |pane| pane.inner);
        let [.., list, _] = bands::profile(inner, self.profiles.picture);
        list
    }

    /// The frames that have a cell.
    #[must_use]
    pub fn placed_frames(&self, width: u16) -> Vec<PlacedFrame> {
        let Some(shown) = self.profiles.shown() else { return Vec::new() };
        placed(&shown.digest.flame, shown.value_type, self.profiles.root, width)
    }

    /// Selects a frame and sees to it that it has a cell.
    fn select_frame(&mut self, frame: Frame) {
        let width = self.profile_list().width;
        let Some(shown) = self.profiles.shown() else { return };
        let root = root_that_shows(&shown.digest.flame, shown.value_type, self.profiles.root, frame, width);
        (self.profiles.frame, self.profiles.root) = (frame, root);
    }

    /// In the table: where the function is in the flame graph. There: it fills the width.
    fn open_frame(&mut self) -> Option<Effect> {
        match self.profiles.picture {
            Picture::Table if self.profiles.shown().is_some() => self.show_as(Picture::Flame),
            Picture::Table => return self.want_profile(),
            Picture::Flame => self.profiles.root = self.profiles.frame,
        }
        None
    }

    pub(in super::super) fn move_in_profiles(&mut self, movement: Move) {
        let page = usize::from(self.profile_list().height);
        let Some(shown) = self.profiles.shown() else { return };
        if self.profiles.picture == Picture::Table {
            self.profiles.cursor = movement.apply(self.profiles.cursor, shown.top.functions.len(), page);
            return;
        }
        let flame = &shown.digest.flame;
        let caller = |frame: Frame| flame.parent(frame);
        let called = |frame: Frame| flame.children(frame, shown.value_type).first().copied();
        let from = self.profiles.frame;
        let far = |step: &dyn Fn(Frame) -> Option<Frame>, most| {
            std::iter::successors(Some(from), |frame| step(*frame)).take(most + 1).last().unwrap_or(from)
        };
        let frame = match movement {
            Move::Up => far(&caller, 1),
            Move::Down => far(&called, 1),
            Move::PageUp => far(&caller, page),
            Move::PageDown => far(&called, page),
            Move::First => self.profiles.root,
            Move::Last => far(&called, usize::MAX - 1),
        };
        self.select_frame(frame);
    }

    /// To the frame beside it in its row, whoever called that.
    fn go_sideways(&mut self, direction: Direction) {
        let placed = self.placed_frames(self.profile_list().width);
        let Some(at) = placed.iter().position(|placed| placed.frame == self.profiles.frame) else { return };
        let beside = match direction {
            Direction::Forward => placed.get(at + 1),
            Direction::Backward => at.checked_sub(1).and_then(|at| placed.get(at)),
        };
        if let Some(beside) = beside.filter(|beside| beside.depth == placed[at].depth) {
            self.profiles.frame = beside.frame;
        }
    }

    fn show_other_profile(&mut self, direction: Direction) {
        let numbers: Vec<u64> = self.profiles.of_shown().map(|kept| kept.number).collect();
        let shown = self.profiles.shown().map(|shown| shown.kept.number);
        let Some(at) = numbers.iter().position(|number| Some(*number) == shown) else { return };
        let to = match direction {
            Direction::Forward => numbers.get(at + 1),
            Direction::Backward => at.checked_sub(1).and_then(|at| numbers.get(at)),
        };
        let Some(to) = to else {
            return self.say(Tone::Plain, "no other profile of it in that direction; r fetches one");
        };
        let held = self.held_function();
        self.profiles.shown = Some(*to);
        self.hold_function(held);
    }

    fn next_order(&mut self) {
        let held = self.held_function();
        let (order, words) = match self.profiles.order {
            Order::Flat => (Order::Cumulative, "including their callees (cum)"),
            Order::Cumulative => (Order::Flat, "themselves (flat)"),
        };
        self.profiles.order = order;
        self.hold_function(held);
        self.say(Tone::Plain, format!("sorted by what functions hold {words}"));
    }

    fn next_values(&mut self) {
        let Some(shown) = self.profiles.shown() else { return };
        let types = &shown.digest.profile.types;
        let name = types[(shown.value_type + 1) % types.len()].name.clone();
        let held = self.held_function();
        self.profiles.value_type = Some(name);
        self.hold_function(held);
    }

    fn toggle_growth(&mut self) {
        let Some(shown) = self.profiles.shown() else { return };
        if self.profiles.extent == Extent::All && shown.kept.fetched.growth.is_none() {
            return self.say(Tone::Plain, "nothing to compare it with: changes need a second profile (r)");
        }
        let held = self.held_function();
        self.profiles.extent = match self.profiles.extent {
            Extent::All => Extent::Growth,
            Extent::Growth => Extent::All,
        };
        self.hold_function(held);
    }

    fn mark_profile(&mut self) {
        let Some(number) = self.profiles.shown().map(|shown| shown.kept.number) else {
            return self.say(Tone::Plain, "no profile to mark yet; r fetches one");
        };
        self.profiles.marked = Some(number);
        self.say(Tone::Plain, "marked: profiles fetched from now on show their change from this one");
    }

    fn save_profile(&mut self) -> Option<Effect> {
        let Some(shown) = self.profiles.shown() else {
            self.say(Tone::Plain, "no profile to save yet; r fetches one");
            return None;
        };
        Some(Effect::SaveProfile(shown.kept.call.to_save(&shown.kept.fetched)))
    }

    /// The selected function and how many there are, for a search.
    pub(in super::super) fn place_in_profiles(&self) -> (usize, usize) {
        match (self.profiles.shown(), self.profiles.picture) {
            (None, _) => (0, 0),
            (Some(shown), Picture::Table) => (self.profiles.cursor, shown.top.functions.len()),
            (Some(shown), Picture::Flame) => (self.profiles.frame as usize, shown.digest.flame.count()),
        }
    }

    /// Goes to the nearest function whose name or file has it, from `from` on and around the end; whether there is one.
    pub(in super::super) fn find_function(&mut self, needle: &str, from: usize, direction: Direction) -> bool {
        let (_, count) = self.place_in_profiles();
        let Some(shown) = self.profiles.shown() else { return false };
        let profile = &shown.digest.profile;
        let has = |text: &str| holds(text.as_bytes(), needle.as_bytes());
        let found = match self.profiles.picture {
            Picture::Table => direction.around(from, count).find(|at| {
                let function = &shown.top.functions[*at];
                has(profile.name(function.function)) || profile.source(function).is_some_and(|(path, _)| has(path))
            }),
            Picture::Flame => direction.around(from, count).find(|at| {
                let frame = *at as Frame;
                let is_wide = shown.digest.flame.weight(frame, shown.value_type) > 0;
                is_wide && shown.digest.flame.function(frame).is_some_and(|function| has(profile.name(function)))
            }),
        };
        match (found, self.profiles.picture) {
            (None, _) => return false,
            (Some(row), Picture::Table) => self.profiles.cursor = row,
            (Some(frame), Picture::Flame) => self.select_frame(frame as Frame),
        }
        true
    }

    /// Selects what stands on this cell of the list; whether it was selected before.
    pub(in super::super) fn click_profile(&mut self, column: u16, line: u16) -> bool {
        let list = self.profile_list();
        let Some(shown) = self.profiles.shown() else { return false };
        if self.profiles.picture == Picture::Table {
            let at = bands::first_line(self.profiles.cursor, list.height) + usize::from(line);
            let again = at == self.profiles.cursor;
            self.profiles.cursor = at.min(shown.top.functions.len().saturating_sub(1));
            return again;
        }
        let placed = self.placed_frames(list.width);
        let depth = self.first_depth(&placed, list.height) + usize::from(line);
        let is_here =
            |placed: &&PlacedFrame| placed.depth == depth && (placed.x..placed.x + placed.width).contains(&column);
        let Some(here) = placed.iter().find(is_here) else { return false };
        let again = here.frame == self.profiles.frame;
        self.profiles.frame = here.frame;
        again
    }

    /// The row of the flame graph that stands first, so that the selected frame is in sight.
    #[must_use]
    pub fn first_depth(&self, placed: &[PlacedFrame], height: u16) -> usize {
        let selected = placed.iter().find(|placed| placed.frame == self.profiles.frame);
        // With a row below it, where whom it calls is seen.
        selected.map_or(0, |selected| bands::first_line(selected.depth + 1, height))
    }
}
