//! What happens to the State and what it asks of the shell: the two ends of `update`. Refuses to say what follows from what.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::monitor::report::{ProcessDetail, Report};
use crate::run::progress::Progress;
use crate::run::report::RunReport;
use crate::snapshot::needs::Needs;
use crate::units::ProcessId;

use super::{Adjustment, FetchedProfile, HookCall, ProfileCall, SaveCall, SavedProfile, Signal, dialog};

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something (only with `--mouse`).
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size: columns, rows.
    Resize(u16, u16),
    /// The machine was looked at.
    Report(Arc<Report>),
    /// Details of the selected process.
    Detail(Option<Arc<ProcessDetail>>),
    /// Somebody else's processes are watched from now on, or why they cannot be.
    Watching(Result<Vec<ProcessId>, String>),
    /// The command that is watched came further.
    Progress(Arc<Progress>),
    /// It wrote this.
    Output(Vec<u8>),
    /// It ended.
    RunEnded(Arc<RunReport>),
    /// The user's hook ended: well, or why not.
    Hooked(Result<(), String>),
    /// A profile was fetched, or why not.
    Profiled {
        /// What was wanted.
        call: ProfileCall,
        /// What came, or why nothing did.
        outcome: Result<Box<FetchedProfile>, String>,
    },
    /// A profile was saved to this file, or why not.
    ProfileSaved(Result<SavedProfile, String>),
    /// We did not stop: no shell with job control could continue us.
    NotSuspended,
    /// A signal was sent, or not: for each target.
    Signalled {
        /// Which signal.
        signal: Signal,
        /// What became of it.
        results: Vec<(ProcessId, Result<(), Refusal>)>,
    },
    /// oom_score_adj was written, or not.
    Adjusted {
        /// For each target: what was asked for, what became of it.
        results: Vec<(Adjustment, Result<(), Refusal>)>,
        /// It was an undo: do not offer to undo it.
        undo: bool,
    },
}

/// Why an action did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The process ended before.
    Gone,
    /// The number now belongs to another process.
    Reused,
    /// EPERM or EACCES; in words which right is missing.
    Denied(String),
    /// The kernel cannot do it safely (no pidfd_open before 5.3).
    Unsupported(String),
    /// Anything else, in words.
    Failed(String),
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// End.
    Quit,
    /// Clear the terminal and draw everything again.
    Redraw,
    /// Stop until SIGCONT.
    Suspend,
    /// Read this from the next pass on.
    Require(Needs),
    /// Send the details of this process, now and with every report.
    Inspect(Option<ProcessId>),
    /// Deltas of this process count from now.
    Mark(ProcessId),
    /// Watch the `go test` that this process belongs to, else the process, with all below, until it ends.
    Watch(ProcessId),
    /// Watch it no longer.
    Unwatch,
    /// Send a signal. Only a dialog that the user confirmed can mint the token.
    Signal {
        /// To whom, fixed when the key was pressed.
        targets: Vec<ProcessId>,
        /// Which.
        signal: Signal,
        /// Proof that the user confirmed.
        confirmed: dialog::Confirmed,
    },
    /// Write oom_score_adj.
    Adjust {
        /// To whom, from what, to what.
        adjustments: Vec<Adjustment>,
        /// It is an undo.
        undo: bool,
    },
    /// Send a signal to the command that is watched.
    SignalCommand(i32),
    /// Ring the bell.
    Bell,
    /// Start the user's hook.
    Hook(HookCall),
    /// Fetch a profile.
    FetchProfile(ProfileCall),
    /// Give up the profiles that are being fetched.
    GiveUpProfiles,
    /// Save a profile.
    SaveProfile(SaveCall),
    /// Put text into the user's clipboard (OSC 52).
    Copy(String),
}
