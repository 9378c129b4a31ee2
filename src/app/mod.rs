//! The program as a fold over events: `update(&mut State, Event) -> Vec<Effect>`. State is plain data, cloneable and
//! comparable; an Effect is what the shell must do. Refuses to do input or output, to read a clock, and to draw.

mod acting;
mod afterwards;
mod alarms;
pub mod bands;
pub mod chord;
pub mod dialog;
mod event;
mod full_screen;
pub mod keys;
mod kills;
pub mod layout;
pub mod list;
mod mouse;
pub mod output;
mod panes;
mod pressing;
mod profile;
mod regions;
pub mod run;
mod teletype;
mod text_field;
mod typing;
mod update;
mod watched;

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::config::Config;
use crate::mapping_class::MappingClass;
use crate::monitor::report::{ProcessDetail, RegionOrder, Report};
use crate::snapshot::needs::Needs;
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, ProcessId, Timestamp};

use dialog::Dialog;
use list::List;
use run::RunView;

pub use alarms::{AlarmsTold, HookCall};
pub use event::{Effect, Event, Refusal};
pub use kills::KillsView;
pub use profile::{
    Extent, FetchedProfile, KeptProfile, NotKnown, Picture, ProfileCall, ProfileView, Reason, SaveCall, SavedProfile,
    ShownProfile, frames,
};
pub use text_field::TextField;
pub use update::update;
pub use watched::Places;

/// Everything that the screen shows, and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Choices made at the start.
    pub config: Arc<Config>,
    /// What is shown: the last report, or the one that was current when the user paused.
    pub report: Arc<Report>,
    /// Details of the selected process.
    pub detail: Option<Arc<ProcessDetail>>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Which pane has the keys.
    pub focus: Pane,
    /// The focused pane fills the screen.
    pub zoomed: bool,
    /// Which pane stands under the table where only two fit.
    pub companion: Pane,
    /// Whether reports still move the screen.
    pub temporality: Temporality,
    /// While paused: the newest report, kept aside.
    pub aside: Option<Arc<Report>>,
    /// When the newest report was made: the only clock that the State has.
    pub now: Timestamp,
    /// The process table.
    pub list: List,
    /// The mappings pane.
    pub mappings: MappingsView,
    /// The risk pane.
    pub risk: RiskView,
    /// The pane of kills.
    pub kills: KillsView,
    /// The pane of profiles.
    pub profiles: ProfileView,
    /// The command that is watched.
    pub run: Option<RunView>,
    /// What was told of alarms.
    pub alarms: AlarmsTold,
    /// Where the watched processes are and were.
    pub places: Places,
    /// What the keyboard means just now.
    pub mode: Mode,
    /// Outcome of the last action, for the footer.
    pub outcome: Option<Outcome>,
    /// What happened by itself, an alarm or a kill: it stands above the outcome and does not take its place.
    pub news: Option<Outcome>,
    /// Why nothing can be done to any process from here, in words; `None`: it can.
    pub forbidden: Option<Box<str>>,
    /// Adjustments that can be undone, newest last; bounded.
    pub undo: Vec<Vec<Adjustment>>,
    /// Adjustments whose outcome is not known yet.
    pub under_way: UnderWay,
    /// Values of oom_score_adj that were asked for and that no report shows yet, so that a key pressed twice counts
    /// from the first.
    pub intended: Vec<(ProcessId, i16, Timestamp)>,
    /// Processes that were sent a terminating signal and are watched until they end.
    pub terminating: Vec<Terminating>,
    /// What the shell was last asked to read.
    pub required: Needs,
    /// The process whose details the shell was last asked for.
    pub inspected: Option<ProcessId>,
}

/// A pane of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pane {
    /// Processes by RSS.
    Top,
    /// RSS of the selected process over time.
    Growth,
    /// What the selected process holds.
    Mappings,
    /// Who dies next.
    Risk,
    /// Who was killed; not in the overview, alone on the screen.
    Kills,
    /// What the Go runtime of the selected process says; alone on the screen too.
    Go,
    /// The command that is watched: what it holds against its limit, then why it ended.
    Run,
    /// What it wrote.
    Output,
    /// Which functions of a Go program hold its memory; alone on the screen.
    Profile,
}

impl Pane {
    /// Those of the overview of a machine, in the order of Tab and of their numbers.
    pub const ALL: [Self; 4] = [Self::Top, Self::Growth, Self::Mappings, Self::Risk];

    /// The key that goes straight to it: 1 to 9.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Top => 1,
            Self::Growth => 2,
            Self::Mappings => 3,
            Self::Risk => 4,
            Self::Kills => 5,
            Self::Go => 6,
            Self::Run => 7,
            Self::Output => 8,
            Self::Profile => 9,
        }
    }

    /// In one word, for tabs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Top => "processes",
            Self::Growth => "growth",
            Self::Mappings => "holds",
            Self::Risk => "next",
            Self::Kills => "kills",
            Self::Go => "go",
            Self::Run => "run",
            Self::Output => "output",
            Self::Profile => "functions",
        }
    }
}

/// Whether reports still move the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// They do.
    Live,
    /// They do not; sampling goes on, so that history has no hole.
    Paused,
}

/// What the keyboard means just now.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Keys are commands.
    Normal,
    /// Typing jumps to the next row that matches.
    Search(TextField),
    /// Typing narrows the table.
    Filter(TextField),
    /// A dialog has the keys.
    Dialog(Dialog),
}

/// What the mappings pane shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingsView {
    /// Selected line.
    pub cursor: usize,
    /// The class whose regions are listed; `None`: the classes are.
    pub opened: Option<MappingClass>,
    /// Whether they are listed, or one is looked into.
    pub depth: Depth,
    /// In which order regions are listed.
    pub order: RegionOrder,
    /// The regions of the opened class in that order, by index: put together once for each read.
    pub regions: Vec<u32>,
    /// What is looked for among the regions.
    pub search: Option<String>,
}

/// How the regions of an opened class are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// As a list.
    #[default]
    List,
    /// The one under the cursor, with all that is known of it.
    Region,
}

/// What the risk pane shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RiskView {
    /// The domain chosen with `d`; `None`: the tightest that holds the selected process.
    pub domain: Option<CgroupPath>,
    /// First line shown.
    pub scroll: usize,
}

/// What oom_score_adj may be (include/uapi/linux/oom.h).
pub const ADJUSTMENTS: RangeInclusive<i16> = -1000..=1000;

/// An oom_score_adj that was changed: enough to change it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Whose.
    pub id: ProcessId,
    /// Before.
    pub from: i16,
    /// After.
    pub to: i16,
}

/// Adjustments that were asked for and have no outcome yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Batches.
    pub batches: u32,
    /// How often the user wanted to take back meanwhile: done once it is known what there is to take back.
    pub undos: u32,
}

/// A process that should end.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminating {
    /// Which.
    pub id: ProcessId,
    /// Its name, for the message.
    pub name: String,
    /// The signal's name.
    pub signal: Signal,
    /// When it was sent.
    pub sent: Timestamp,
    /// RSS at the last look.
    pub held: Option<Bytes>,
    /// MemAvailable when it was sent.
    pub available: Option<Bytes>,
    /// The user was told that it is still there.
    pub told: bool,
}

/// A signal by its number on Linux, with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// signal(7).
    pub number: i32,
    /// `SIGTERM`.
    pub name: &'static str,
}

/// What the footer says: of the last action, or of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A sentence.
    pub text: String,
    /// How it went.
    pub tone: Tone,
    /// When it was said; it leaves the footer some seconds later.
    pub at: Timestamp,
    /// What it says holds until this process was read.
    pub until_read: Option<ProcessId>,
    /// The number of the kill that it tells: by which key one learns why depends on what is shown then.
    pub kill: Option<u64>,
}

/// How an action went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Told for information.
    Plain,
    /// Done.
    Good,
    /// Refused or failed.
    Bad,
}

#[cfg(test)]
pub(crate) mod tests;
