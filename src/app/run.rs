//! The command of `oomtop run` on the screen: how far it has come, what it wrote, why it ended. Refuses to leave while it
//! runs without having asked it to end.

use std::sync::Arc;

use crate::run::progress::Progress;
use crate::run::report::RunReport;

use crate::units::ProcessId;

use super::output::Output;
use super::{Effect, Pane, State, Tone};

/// A command that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// Whether it runs.
    pub stage: Stage,
    /// What it has written.
    pub output: Output,
    /// First line of the pane of the run.
    pub scroll: usize,
    /// How often it was asked to end.
    pub asked: usize,
}

/// Whether a command runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// It does.
    Running(Arc<Progress>),
    /// It has ended.
    Over(Arc<RunReport>),
}

impl Default for RunView {
    fn default() -> Self {
        Self { stage: Stage::Running(Arc::default()), output: Output::default(), scroll: 0, asked: 0 }
    }
}

impl RunView {
    /// No fewer lines than its pane draws in so many columns, and few more: as far as it scrolls.
    pub(super) fn most_lines(&self, columns: u16) -> usize {
        /// Columns that a lead and a word that did not fit any more leave empty.
        const LOST: u16 = 30;
        /// The blank ones, those around the two tables, and their rows.
        const TABLES: usize = 44;
        let room = usize::from(columns.saturating_sub(LOST).max(10));
        let Stage::Over(report) = &self.stage else { return TABLES };
        let verdict = &report.verdict;
        let told = verdict.story.iter().map(String::len);
        let told = told.chain(verdict.evidence.iter().map(|evidence| evidence.source.len() + evidence.text.len()));
        let told = told.chain(report.budget.iter().flat_map(|budget| &budget.exceeded).map(String::len));
        let told = told.chain(report.advice.iter().map(|advice| advice.what.len() + advice.why.len()));
        told.chain([verdict.summary.len()]).map(|length| length / room + 1).sum::<usize>() + TABLES
    }
}

/// What is sent to a command that should end, one after the other.
const PERSUASION: [(i32, &str); 3] = [(2, "SIGINT"), (15, "SIGTERM"), (9, "SIGKILL")];

impl State {
    /// The panes of the overview, in the order of Tab.
    #[must_use]
    pub fn overview(&self) -> [Pane; 4] {
        if self.run.is_some() { [Pane::Top, Pane::Run, Pane::Growth, Pane::Output] } else { Pane::ALL }
    }

    /// Whether a pane is no part of the overview: it has the screen to itself.
    #[must_use]
    pub fn stands_alone(&self, pane: Pane) -> bool {
        !self.overview().contains(&pane)
    }

    /// A command was started: this is its screen.
    pub fn begin_run(&mut self, command: ProcessId) {
        // Where no report has shown it yet, it is selected as soon as one does.
        (self.list.selected, self.list.wanted) = (Some(command), Some(command));
        self.run = Some(RunView::default());
        self.companion = Pane::Output;
    }

    pub(super) fn run_ended(&mut self, report: Arc<RunReport>) {
        let Some(run) = &mut self.run else { return };
        run.stage = Stage::Over(report);
        run.scroll = 0;
        (self.outcome, self.news) = (None, None);
        // The verdict is what one waited for.
        self.focus_on(Pane::Run);
        self.zoom(true);
    }

    /// Quits, or asks a command that runs to end: first as ^C would, then less kindly.
    pub(super) fn quit(&mut self) -> Effect {
        let running = self.run.as_mut().filter(|run| matches!(run.stage, Stage::Running(_)));
        let Some(run) = running else { return Effect::Quit };
        let (signal, name) = PERSUASION[run.asked.min(PERSUASION.len() - 1)];
        run.asked += 1;
        let next = PERSUASION.get(run.asked).map_or(String::new(), |(_, next)| format!("; once more sends {next}"));
        self.say(Tone::Plain, format!("{name} was sent to the command: when it has ended, q leaves{next}"));
        Effect::SignalCommand(signal)
    }

    pub(super) fn view(&mut self, pane: Pane) {
        if self.run.is_none() && matches!(pane, Pane::Run | Pane::Output) {
            return self.say(Tone::Plain, "no command is watched here: oomtop run -- COMMAND starts one");
        }
        match pane == self.focus {
            false if pane == Pane::Profile => self.open_profiles(),
            true if pane == Pane::Profile => self.focus_on(self.profiles.back.unwrap_or(Pane::Top)),
            true if self.stands_alone(pane) => self.focus_on(Pane::Top),
            true => self.zoom(!self.zoomed),
            false => self.focus_on(pane),
        }
    }
}
