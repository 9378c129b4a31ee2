//! Getting about: which pane has the keys, what moves in it, what opens and how one gets out again. Refuses to change
//! what a pane shows of the world.

use crate::monitor::report::{DomainKind, DomainReport, Victim};

use super::bands;
use super::keys::{Action, Move};
use super::layout::{self, Room};
use super::list::Row;
use super::run::RunView;
use super::{Depth, Pane, RiskView, State, Tone};

/// What one can get out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entered {
    /// The kills, or the story of one.
    Kills,
    /// A pane that covers the table.
    Pane,
    /// Processes that were asked for, none of whom is left.
    Ended,
    /// What is looked for.
    Search,
    /// The filter.
    Filter,
    /// The processes of one user.
    User,
    /// The regions of a class.
    Class,
    /// The whole screen for one pane.
    Zoom,
}

impl State {
    /// A movement in a pane. What shows the selected process and has no list of its own selects another.
    pub(super) fn move_in(&mut self, pane: Pane, movement: Move) {
        let page = layout::layout(self).page(pane);
        match pane {
            Pane::Top | Pane::Growth | Pane::Go => {
                let page = self.table_page();
                self.list.go(movement, page, &self.report);
            }
            Pane::Mappings => {
                self.mappings.cursor = movement.apply(self.mappings.cursor, self.mapping_lines(), page);
            }
            Pane::Kills => self.move_in_kills(movement, page),
            Pane::Profile => self.move_in_profiles(movement),
            Pane::Run => {
                let (columns, _) = self.size;
                if let Some(run) = &mut self.run {
                    let last = run.most_lines(columns).saturating_sub(page);
                    run.scroll = movement.apply(run.scroll.min(last), last + 1, page);
                }
            }
            Pane::Output => {
                let page = self.output_page();
                if let Some(output) = self.run.as_mut().and_then(RunView::output_mut) {
                    output.go(movement, page);
                }
            }
            Pane::Risk => {
                let victims = self.risk_domain().map_or(0, |domain| domain.victims.len());
                self.risk.scroll = movement.apply(self.risk.scroll, victims, page);
            }
        }
    }

    /// The memory domain that the risk pane shows: the chosen one, else the one that leads for the selected process,
    /// else the one that the header names.
    #[must_use]
    pub fn risk_domain(&self) -> Option<&DomainReport> {
        let domains = &self.report.domains;
        let chosen = self.risk.domain.as_ref().and_then(|path| domains.iter().find(|domain| domain.path == *path));
        chosen.or_else(|| self.leading_domain()).or_else(|| self.tightest_domain())
    }

    /// The victims on the lines of the risk pane's list.
    #[must_use]
    pub fn victims_in_sight<'a>(&self, domain: &'a DomainReport, rows: u16) -> Vec<&'a Victim> {
        let scroll = self.risk.scroll.min(domain.victims.len().saturating_sub(1));
        bands::in_sight(&domain.victims[scroll..], self.list.selected.as_slice(), rows)
    }

    /// How many daemons that kill before the kernel does the risk pane names: they watch the machine.
    #[must_use]
    pub fn other_killers_shown(&self) -> u16 {
        let of_machine = self.risk_domain().is_some_and(|domain| domain.kind == DomainKind::Host);
        if of_machine { self.report.other_killers.len() as u16 } else { 0 }
    }

    /// The domain that leads for the selected process, or for the one of the selected group that is taken first.
    fn leading_domain(&self) -> Option<&DomainReport> {
        let process = match (self.list.selected, self.list.rows.get(self.list.cursor)) {
            (Some(id), _) => self.report.process(id),
            (None, Some(Row::Group { sums, .. })) => sums.worst(&self.report),
            (None, _) => None,
        };
        self.report.leading_domain(process?)
    }

    /// All domains, tightest first; those in which nobody is known to live come last, as there nobody can be killed.
    #[must_use]
    pub fn domains_in_turn(&self) -> Vec<&DomainReport> {
        let (inhabited, empty): (Vec<_>, Vec<_>) = self.report.domains.iter().partition(|domain| domain.candidates > 0);
        [inhabited, empty].concat()
    }

    /// On to the next domain; back at the one that leads for the selected process the pane follows the selection again.
    pub(super) fn next_domain(&mut self) {
        let walk = self.domains_in_turn();
        let Some(shown) = self.risk_domain().map(|domain| domain.path.clone()).filter(|_| walk.len() > 1) else {
            self.say(Tone::Plain, "no other memory domain: no cgroup here has its own limit");
            return;
        };
        let at = walk.iter().position(|domain| domain.path == shown).unwrap_or(0);
        let next = walk[(at + 1) % walk.len()];
        let leads = self.leading_domain().is_some_and(|leading| leading.path == next.path);
        self.risk = RiskView { domain: (!leads).then(|| next.path.clone()), scroll: 0 };
    }

    /// The focused pane is alone on the screen.
    fn is_alone(&self) -> bool {
        self.zoomed || Room::of(self.size) == Room::One
    }

    pub(super) fn open(&mut self) {
        match (self.focus, &self.list.selected_group) {
            (Pane::Top, Some(group)) => {
                if !self.list.opened.remove(group) {
                    self.list.opened.insert(group.clone());
                }
                self.arrange();
            }
            (Pane::Kills, _) => self.open_kill(),
            (Pane::Go, _) => self.open_profiles(),
            (Pane::Mappings, _) if self.is_alone() => self.open_mapping(),
            (Pane::Top | Pane::Growth | Pane::Mappings | Pane::Risk | Pane::Run | Pane::Output | Pane::Profile, _) => {
                self.zoom(!self.zoomed);
            }
        }
    }

    pub(super) fn zoom(&mut self, zoomed: bool) {
        self.zoomed = zoomed;
        self.list.reveal(self.table_page());
    }

    /// What was entered last, in the order in which one gets out.
    fn entered(&self) -> Option<Entered> {
        let room = Room::of(self.size);
        let entered = [
            (Entered::Kills, self.focus == Pane::Kills),
            (Entered::Pane, matches!(self.focus, Pane::Go | Pane::Profile)),
            (Entered::Ended, self.run.is_none() && self.nobody_left().is_some()),
            (Entered::Search, self.looked_for().is_some()),
            (Entered::Filter, self.list.filter.is_some()),
            (Entered::User, self.list.user.is_some()),
            (Entered::Class, self.looks_for_regions()),
            (Entered::Zoom, self.zoomed && room != Room::One),
            (Entered::Pane, room == Room::One && self.focus != Pane::Top),
        ];
        entered.into_iter().find_map(|(entered, is_so)| is_so.then_some(entered))
    }

    /// Out of what was entered last.
    pub(super) fn leave(&mut self) {
        match self.entered() {
            None => {}
            Some(Entered::Kills) => self.leave_kills(),
            Some(Entered::Pane) => {
                // Where one pane has the screen anyway, it is not zoomed.
                self.zoomed &= Room::of(self.size) != Room::One;
                self.focus_on(Pane::Top);
            }
            Some(Entered::Ended) => {
                self.list.roots.clear();
                self.arrange();
            }
            Some(Entered::Search) => *self.looked_for_mut() = None,
            Some(Entered::Filter) => {
                self.list.filter = None;
                self.arrange();
            }
            Some(Entered::User) => {
                self.list.user = None;
                self.arrange();
            }
            Some(Entered::Class) => self.close_mapping(),
            Some(Entered::Zoom) => self.zoom(false),
        }
    }

    /// The pane that an action changes, where it is not on the screen: what is not seen is not done.
    pub(super) fn out_of_sight(&self, action: Action) -> Option<Pane> {
        let pane = match action {
            Action::SortMenu if self.looks_for_regions() => return None,
            Action::Filter
            | Action::Tree
            | Action::SortMenu
            | Action::SortBy(_)
            | Action::Reverse
            | Action::Expand
            | Action::Collapse
            | Action::ToggleAll
            | Action::CommandRight
            | Action::CommandLeft
            | Action::GroupMenu
            | Action::UserMenu
            | Action::ColumnMenu
            | Action::TagChildren
            | Action::UntagAll
            | Action::Follow => Pane::Top,
            Action::NextDomain => Pane::Risk,
            _ => return None,
        };
        layout::layout(self).pane(pane).is_none().then_some(pane)
    }

    /// Whether a key would do something that is seen: what would not has no place in the footer.
    #[must_use]
    pub fn is_of_use(&self, action: Action) -> bool {
        let shows = |pane| layout::layout(self).pane(pane).is_some();
        match action {
            Action::Open => match self.focus {
                Pane::Kills => !self.kills.opened && self.selected_kill().is_some(),
                Pane::Mappings => !self.is_alone() || self.mappings.depth == Depth::List && self.mapping_lines() > 0,
                Pane::Profile => self.profiles.shown().is_some(),
                Pane::Go => true,
                Pane::Top if self.list.selected_group.is_some() => false,
                Pane::Top | Pane::Growth | Pane::Risk | Pane::Run | Pane::Output => !self.is_alone(),
            },
            Action::Leave => self.entered().is_some(),
            Action::Tree | Action::SortMenu | Action::Search | Action::NextValues | Action::Save
                if self.focus == Pane::Profile =>
            {
                self.profiles.shown().is_some()
            }
            Action::Growth => self.profiles.shown().is_some_and(|shown| shown.kept.fetched.growth.is_some()),
            Action::Search if self.focus == Pane::Output => true,
            // Whom it finds or whom it is done to must be on the screen.
            Action::Search
            | Action::SignalMenu
            | Action::Protect
            | Action::Sacrifice
            | Action::Adjust
            | Action::Mark => {
                !matches!(self.focus, Pane::Kills | Pane::Run | Pane::Output | Pane::Profile) || shows(Pane::Top)
            }
            Action::Refresh => !matches!(self.focus, Pane::Kills | Pane::Run | Pane::Output) || shows(Pane::Top),
            Action::Watch => self.may_watch(),
            Action::Undo => !self.undo.is_empty(),
            Action::View(Pane::Kills) => self.focus != Pane::Kills,
            Action::View(Pane::Go) => self.focus != Pane::Go && self.has_runtime(),
            // Elsewhere it stands beside, or among the tabs.
            Action::View(pane) => self.is_alone() && !self.stands_alone(pane) && !shows(pane),
            Action::NextPane => !self.stands_alone(self.focus),
            _ => self.out_of_sight(action).is_none(),
        }
    }

    /// Whether the selected process is known to be a Go program.
    fn has_runtime(&self) -> bool {
        let process = self.list.selected.and_then(|id| self.report.process(id));
        let executable = process.and_then(|process| process.identity.executable.as_ref());
        executable.is_some_and(|executable| executable.go.is_some())
    }

    /// The pane so many places further in the order of Tab.
    pub(super) fn neighbour(&self, places: usize) -> Pane {
        let overview = self.overview();
        let at = overview.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        overview[(at + places) % overview.len()]
    }

    pub(super) fn focus_on(&mut self, pane: Pane) {
        self.focus = pane;
        if pane != Pane::Top && !self.stands_alone(pane) {
            self.companion = pane;
        }
    }
}
