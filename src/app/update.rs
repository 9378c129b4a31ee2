//! One event after the other changes the State and says what the shell must do. Refuses to know what comes next: every
//! event is taken as it is.

use std::sync::Arc;

use crossterm::event::KeyEventKind;

use crate::config::Config;
use crate::monitor::report::Report;
use crate::snapshot::needs::{FactGroups, Needs};
use crate::table;
use crate::units::Timestamp;

use super::layout;
use super::list::{List, Row};
use super::run::{RunView, Stage};
use super::{
    AlarmsTold, Effect, Event, KillsView, MappingsView, Mode, Pane, Places, ProfileView, RiskView, State, Temporality,
    Tone, UnderWay,
};

impl State {
    /// Before the first report.
    #[must_use]
    pub fn new(config: Arc<Config>, size: (u16, u16)) -> Self {
        let list = List::of(&config);
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
            kills: KillsView::default(),
            profiles: ProfileView::default(),
            run: None,
            alarms: AlarmsTold::default(),
            places: Places::default(),
            mode: Mode::Normal,
            outcome: None,
            news: None,
            forbidden: None,
            undo: Vec::new(),
            under_way: UnderWay::default(),
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
        Event::Key(key) if key.kind != KeyEventKind::Release => state.press(&key, &mut effects),
        Event::Key(_) => {}
        Event::Mouse(event) => state.mouse(event, &mut effects),
        Event::Paste(text) => state.paste(&text),
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
            state.arrange();
            state.list.reveal(state.table_page());
        }
        Event::Report(report) => {
            if state.now == Timestamp::default()
                && let Some(outcome) = &mut state.outcome
            {
                // Said before there was a clock.
                outcome.at = report.time;
            }
            state.now = state.now.max(report.time);
            match state.temporality {
                Temporality::Live => {
                    state.report = report;
                    state.arrange();
                    state.search_again();
                }
                Temporality::Paused => state.aside = Some(report),
            }
            state.learn_places();
            state.tell_alarms(&mut effects);
            state.look_after();
            if state.focus == Pane::Profile {
                // Opened before anybody was selected.
                state.profiles.of = state.profiles.of.or(state.list.selected);
            }
        }
        Event::Detail(detail) => {
            let held = state.held();
            let before = state.mappings_known().cloned();
            state.detail = detail.filter(|detail| Some(detail.id) == state.list.selected);
            if state.mappings_known().map(Arc::as_ptr) != before.as_ref().map(Arc::as_ptr) {
                state.list_regions();
                state.hold(held);
                if let Some(known) = state.mappings_known().cloned() {
                    state.was_read(known.mappings.of, Some(known.total.pss));
                }
            }
            state.go_on_with_wanted();
        }
        Event::Hooked(outcome) => state.hooked(outcome),
        Event::Profiled { call, outcome } => state.profiled(call, outcome),
        Event::ProfileSaved(outcome) => state.profile_saved(outcome),
        Event::Progress(progress) => {
            if let Some(run) = &mut state.run {
                run.stage = Stage::Running(progress);
            }
        }
        Event::Output(bytes) => {
            if let Some(output) = state.run.as_mut().and_then(RunView::output_mut) {
                output.push(&bytes);
            }
        }
        Event::Watching(watched) => state.watching(watched),
        Event::RunEnded(report) => state.run_ended(report),
        Event::NotSuspended => {
            state.say(Tone::Bad, "not suspended: no shell with job control could resume it");
        }
        Event::Signalled { signal, results } => state.signalled(signal, results),
        Event::Adjusted { results, undo } => effects.extend(state.adjusted(results, undo)),
    }
    ask(state, &mut effects);
    effects
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
    let of_visible = layout::column_spans(state, layout.rows)
        .into_iter()
        .fold(FactGroups::NONE, |groups, span| groups.union(table::info(span.column).needs));
    // A sum of PSS wants that of each.
    let summed = if state.list.shows_sums() { of_visible.intersection(FactGroups::ROLLUP) } else { FactGroups::NONE };
    let needs = Needs {
        of_everyone: state.list.needs_of_everyone().union(summed),
        of_visible,
        of_rest: of_visible.intersection(FactGroups::ROLLUP),
        visible,
        selected: state.list.selected,
        mappings: layout.panes.iter().any(|area| matches!(area.pane, Pane::Mappings | Pane::Go | Pane::Profile)),
        listening: layout.panes.iter().any(|area| matches!(area.pane, Pane::Go | Pane::Profile)),
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
