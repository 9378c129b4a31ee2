//! A command that is watched, of `oomtop run` or one that runs already: how far it has come, what it wrote, why it ended.
//! Refuses to leave while one of ours runs without having asked it to end, and to touch one that is somebody else's.

use std::sync::Arc;

use crate::run::progress::Progress;
use crate::run::report::RunReport;

use crate::units::ProcessId;

use super::full_screen::is_pager;
use super::list::{Arrangement, is_go_test};
use super::output::Output;
use super::{Effect, Pane, State, Tone};

/// A command that is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// Whether it runs.
    pub stage: Stage,
    /// Who started it.
    pub starter: Starter,
    /// First line of the pane of the run.
    pub scroll: usize,
}

/// Who started the command that is watched.
#[derive(Clone, Debug, PartialEq)]
pub enum Starter {
    /// We did: what it writes comes to us, and we can ask it to end.
    Us {
        /// What it has written.
        output: Output,
        /// How often it was asked to end.
        asked: usize,
    },
    /// Somebody else.
    Another {
        /// What the table was narrowed to before.
        roots: Vec<ProcessId>,
        /// How it was arranged before.
        arrangement: Arrangement,
    },
}

/// Whether a command runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// It does.
    Running(Arc<Progress>),
    /// It has ended.
    Over(Arc<RunReport>),
}

impl RunView {
    fn of(starter: Starter) -> Self {
        Self { stage: Stage::Running(Arc::default()), starter, scroll: 0 }
    }

    /// What it has written, where that comes to us.
    #[must_use]
    pub fn output(&self) -> Option<&Output> {
        match &self.starter {
            Starter::Us { output, .. } => Some(output),
            Starter::Another { .. } => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn output_mut(&mut self) -> Option<&mut Output> {
        match &mut self.starter {
            Starter::Us { output, .. } => Some(output),
            Starter::Another { .. } => None,
        }
    }

    /// Whether the command wants a terminal, which it has not got here.
    #[must_use]
    pub fn wants_a_terminal(&self) -> bool {
        let command = match &self.stage {
            Stage::Running(progress) => &progress.command,
            Stage::Over(report) => &report.command,
        };
        self.output().is_some_and(|output| output.wants_a_terminal() || is_pager(command))
    }

    /// No fewer lines than its pane draws in so many columns, and few more: as far as it scrolls.
    pub(super) fn most_lines(&self, columns: u16) -> usize {
        /// Columns that a lead and a word that did not fit any more leave empty.
        const LOST: u16 = 30;
        /// The blank ones, those around the two tables, their rows, and that a terminal is wanted.
        const TABLES: usize = 45;
        let room = usize::from(columns.saturating_sub(LOST).max(10));
        let Stage::Over(report) = &self.stage else { return TABLES };
        let verdict = &report.verdict;
        let told = verdict.story.iter().map(String::len);
        let told = told.chain(verdict.evidence.iter().map(|evidence| evidence.source.len() + evidence.text.len()));
        let told = told.chain(report.budget.iter().flat_map(|budget| &budget.exceeded).map(String::len));
        let told = told.chain(report.advice.iter().map(|advice| advice.what.len() + advice.why.len()));
        let told = told.chain(report.advice.iter().filter_map(|advice| Some(advice.command.as_ref()?.len())));
        told.chain([verdict.summary.len()]).map(|length| length / room + 1).sum::<usize>() + TABLES
    }
}

/// What is sent to a command that should end, one after the other.
const PERSUASION: [(i32, &str); 3] = [(2, "SIGINT"), (15, "SIGTERM"), (9, "SIGKILL")];

impl State {
    /// The panes of the overview, in the order of Tab.
    #[must_use]
    pub fn overview(&self) -> [Pane; 4] {
        match self.run.as_ref().map(|run| &run.starter) {
            None => Pane::ALL,
            Some(Starter::Us { .. }) => [Pane::Top, Pane::Run, Pane::Growth, Pane::Output],
            Some(Starter::Another { .. }) => [Pane::Top, Pane::Run, Pane::Growth, Pane::Risk],
        }
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
        self.run = Some(RunView::of(Starter::Us { output: Output::default(), asked: 0 }));
        self.companion = Pane::Output;
    }

    /// `W`: what runs already is watched as `oomtop run` would, and a second time no longer.
    pub(super) fn watch_or_go_back(&mut self) -> Option<Effect> {
        match self.run.take_if(|run| matches!(run.starter, Starter::Another { .. })) {
            Some(RunView { starter: Starter::Another { roots, arrangement }, .. }) => {
                self.list.roots = roots;
                self.list.arrangement = arrangement;
                self.companion = Pane::Risk;
                if matches!(self.focus, Pane::Run | Pane::Output) {
                    self.focus = Pane::Top;
                }
                self.zoom(false);
                self.arrange();
                self.say(Tone::Plain, "no longer watched");
                Some(Effect::Unwatch)
            }
            _ if self.run.is_some() => {
                self.say(Tone::Plain, "already watching the command of oomtop run");
                None
            }
            _ => {
                let picked = self.list.pointed_at(&self.report);
                if picked.is_none() {
                    self.say(Tone::Plain, "no process and no go test is selected");
                }
                picked.map(Effect::Watch)
            }
        }
    }

    /// Whether `W` leads somewhere that is worth naming: on a `go test`, on the group of one, and back.
    pub(super) fn may_watch(&self) -> bool {
        if let Some(run) = &self.run {
            return matches!(run.starter, Starter::Another { .. });
        }
        let pointed_at = self.list.pointed_at(&self.report).and_then(|id| self.report.process(id));
        pointed_at.is_some_and(|process| self.list.selected_group.is_some() || is_go_test(process))
    }

    /// Somebody else's processes are watched from now on, or cannot be.
    pub(super) fn watching(&mut self, watched: Result<Vec<ProcessId>, String>) {
        let roots = match watched {
            Ok(roots) => roots,
            Err(reason) => return self.say(Tone::Bad, format!("not watched: {reason}")),
        };
        let before = Starter::Another {
            roots: std::mem::replace(&mut self.list.roots, roots),
            arrangement: std::mem::replace(&mut self.list.arrangement, Arrangement::Tree),
        };
        self.run = Some(RunView::of(before));
        self.companion = Pane::Run;
        self.arrange();
        // What went wrong is worth more than a hint.
        if self.outcome.as_ref().is_none_or(|said| said.tone != Tone::Bad) {
            self.say(Tone::Plain, "watching it until it ends: 7 shows it, W stops");
        }
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
        let Some(RunView { stage: Stage::Running(_), starter: Starter::Us { asked, .. }, .. }) = &mut self.run else {
            return Effect::Quit;
        };
        let (signal, name) = PERSUASION[(*asked).min(PERSUASION.len() - 1)];
        *asked += 1;
        let next = PERSUASION.get(*asked).map_or(String::new(), |(_, next)| format!("; again sends {next}"));
        self.say(Tone::Plain, format!("sent {name} to the command: once it has ended, q quits{next}"));
        Effect::SignalCommand(signal)
    }

    pub(super) fn view(&mut self, pane: Pane) {
        match (pane, &self.run) {
            (Pane::Run | Pane::Output, None) => {
                return self
                    .say(Tone::Plain, "no command is watched: W watches the selected one, oomtop run starts one");
            }
            (Pane::Output, Some(run)) if run.output().is_none() => {
                return self.say(Tone::Plain, "its output goes to whoever started it; oomtop run would show it");
            }
            _ => {}
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
