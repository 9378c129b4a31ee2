//! One event after the other changes the State and says what the shell must do. Refuses to know what comes next: every
//! event is taken as it is.

use std::sync::Arc;

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::config::Config;
use crate::monitor::report::Report;
use crate::snapshot::needs::{FactGroups, Needs};
use crate::table;
use crate::units::Timestamp;

use super::keys::{self, Action, Chord};
use super::layout;
use super::list::{Arrangement, List, Row};
use super::{Effect, Event, MappingsView, Mode, Pane, RiskView, State, Temporality};

impl State {
    /// Before the first report.
    #[must_use]
    pub fn new(config: Arc<Config>, size: (u16, u16)) -> Self {
        let mut list = List { filter: config.filter.clone(), roots: config.pids.clone(), ..List::default() };
        if let Some(Ok(column)) = config.sort.as_deref().map(table::named) {
            list.sort = column;
        }
        if config.tree {
            list.arrangement = Arrangement::Tree;
        }
        Self {
            config,
            report: Arc::default(),
            detail: None,
            size,
            focus: Pane::Top,
            zoomed: false,
            companion: Pane::Risk,
            temporality: Temporality::Live,
            aside: None,
            now: Timestamp::default(),
            list,
            mappings: MappingsView::default(),
            risk: RiskView::default(),
            mode: Mode::Normal,
            outcome: None,
            undo: Vec::new(),
            intended: Vec::new(),
            terminating: Vec::new(),
            required: Needs::default(),
            inspected: None,
        }
    }

    /// Lets go of the newest report, so that the Monitor, which made it, can change it in place; to be followed by
    /// [`Event::Report`]. A report that is held still by a pause is kept.
    pub fn release_report(&mut self) {
        match self.temporality {
            Temporality::Live => self.report = Arc::default(),
            Temporality::Paused => self.aside = None,
        }
    }

    /// The newest report, also while the screen is paused.
    #[must_use]
    pub fn newest(&self) -> &Arc<Report> {
        self.aside.as_ref().unwrap_or(&self.report)
    }

    /// Rows of a page of the table.
    #[must_use]
    pub fn table_page(&self) -> usize {
        layout::layout(self).page(Pane::Top)
    }

    pub(super) fn arrange(&mut self) {
        let page = self.table_page();
        self.list.arrange(&self.report, page);
    }
}

/// Takes an event in; what the shell must do comes out, in order.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => press(state, &key, &mut effects),
        Event::Key(_) | Event::Mouse(_) | Event::Paste(_) | Event::Signalled { .. } | Event::Adjusted { .. } => {}
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
            state.arrange();
        }
        Event::Report(report) => {
            state.now = state.now.max(report.time);
            match state.temporality {
                Temporality::Live => {
                    state.report = report;
                    state.arrange();
                }
                Temporality::Paused => state.aside = Some(report),
            }
        }
        Event::Detail(detail) => {
            state.detail = detail.filter(|detail| Some(detail.id) == state.list.selected);
        }
    }
    ask(state, &mut effects);
    effects
}

fn press(state: &mut State, key: &KeyEvent, effects: &mut Vec<Effect>) {
    if let Some(action) = keys::action(state.focus, Chord::pressed(key)) {
        act(state, action, effects);
    }
}

fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Quit => effects.push(Effect::Quit),
        Action::Redraw => effects.push(Effect::Redraw),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Move(movement) => {
            let page = state.table_page();
            state.list.go(movement, page, &state.report);
        }
        Action::SortBy(column) => {
            state.list.sort = column;
            state.arrange();
        }
        _ => {}
    }
}

/// Asks the shell for what the screen shows now, when that changed.
fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    let layout = layout::layout(state);
    let mut visible: Vec<_> = state
        .list
        .page(layout.page(Pane::Top))
        .iter()
        .filter_map(|row| match row {
            Row::Process { index, .. } => state.report.processes.get(*index as usize),
            Row::Group { .. } => None,
        })
        .map(|process| process.id)
        .collect();
    visible.sort_unstable();
    let of_visible = layout::column_spans(&state.list.columns, state.list.sort, layout.rows)
        .into_iter()
        .fold(FactGroups::NONE, |groups, span| groups.union(table::info(span.column).needs));
    let needs = Needs {
        of_everyone: state.list.needs_of_everyone(),
        of_visible,
        visible,
        selected: state.list.selected,
        mappings: layout.pane(Pane::Mappings).is_some(),
        ..Needs::default()
    };
    if needs != state.required {
        state.required = needs.clone();
        effects.push(Effect::Require(needs));
    }
    if state.inspected != state.list.selected {
        state.inspected = state.list.selected;
        state.mappings = MappingsView::default();
        state.detail = None;
        effects.push(Effect::Inspect(state.inspected));
    }
}
