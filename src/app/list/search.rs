//! Search: the next row whose name, command line, package or number holds what was typed. Jumps and keeps all rows;
//! refuses to hide any (that is the filter).

use crate::monitor::report::{ProcessReport, Report};
use crate::text::holds;

use super::{List, Row};

/// In which direction to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Down the list.
    Forward,
    /// Up the list.
    Backward,
}

impl Direction {
    /// All places of `count` from `from` on, around the end.
    pub fn around(self, from: usize, count: usize) -> impl Iterator<Item = usize> {
        let from = from.min(count.saturating_sub(1));
        (0..count).map(move |step| match self {
            Self::Forward => (from + step) % count,
            Self::Backward => (from + count - step) % count,
        })
    }
}

impl List {
    /// The nearest row that matches, from `from` on (itself included) and around the end.
    #[must_use]
    pub fn find(&self, needle: &str, from: usize, direction: Direction, report: &Report) -> Option<usize> {
        direction.around(from, self.rows.len()).find(|row| match &self.rows[*row] {
            Row::Process { index, .. } => {
                report.processes.get(*index as usize).is_some_and(|process| matches(process, needle))
            }
            Row::Group { label, .. } => holds(label.as_bytes(), needle.as_bytes()),
        })
    }
}

/// Whether the process has it in its name, command line, package or number. Capitals do not count.
#[must_use]
pub fn matches(process: &ProcessReport, needle: &str) -> bool {
    let identity = &process.identity;
    let bytes = needle.as_bytes();
    holds(&identity.name, bytes)
        || identity.test_package.as_ref().is_some_and(|package| holds(package.as_bytes(), bytes))
        || identity.command.as_ref().is_some_and(|command| holds(&command.arguments, bytes))
        || needle.parse() == Ok(process.id.pid.0)
}
