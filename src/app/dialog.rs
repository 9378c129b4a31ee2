//! Dialogs: what they show, what their keys do, and the token that proves a confirmation.

use crate::table::Column;
use crate::units::ProcessId;

use super::Signal;

/// A dialog that has the keys. Its targets are identities fixed when it opened; the list may move behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Keys, columns and numbers explained.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// Which signal to send to whom.
    Signal {
        /// To whom.
        targets: Vec<ProcessId>,
        /// Position in [`SIGNALS`].
        cursor: usize,
    },
    /// oom_score_adj with a preview.
    Adjust {
        /// Of whom.
        targets: Vec<ProcessId>,
        /// The value under the cursor.
        value: i16,
        /// What is being typed, if digits were.
        typed: String,
    },
    /// Sort by which column.
    Sort {
        /// Position in the list of columns.
        cursor: usize,
    },
    /// Which columns to show, in which order.
    Columns {
        /// Position in the list of all columns.
        cursor: usize,
        /// Shown, in order.
        chosen: Vec<Column>,
    },
    /// Processes of which user.
    User {
        /// Position in `users`; 0 is "all".
        cursor: usize,
        /// Users that own a process.
        users: Vec<(u32, String)>,
    },
    /// Group rows by what.
    Group {
        /// Position.
        cursor: usize,
    },
}

/// Proof that a dialog was confirmed with Enter. Nothing outside this module can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed(());

/// Signals offered, SIGTERM first.
pub const SIGNALS: [Signal; 1] = [Signal { number: 15, name: "SIGTERM" }];
