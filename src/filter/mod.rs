//! The filter language of the process table and of `--filter`: `rss>1g user=ci cgroup~web | !sshd`. Pure; refuses to
//! guess what a wrong expression meant: an error names the place and what was expected there.
//!
//! ```text
//! expression  = all { "|" all }
//! all         = one { one }                        a space is "and"
//! one         = "!" one | "(" expression ")" | condition
//! condition   = word                               substring of command, name, user, Go module or package; any case
//!             | "/" regular expression "/"         the same, as regex-lite reads it; (?i) for any case
//!             | column operator value              rss>1g  adj<=-500  user=ci  cgroup~web  name~/^go/
//! operator    = "<" | "<=" | ">" | ">=" | "=" | "!=" | "~"
//! word, value = characters other than space ( ) | < > = ~, or anything between double quotes
//! ```
//!
//! A value that is not known satisfies no comparison, whichever way it points.

mod parser;

use std::fmt;

use regex_lite::Regex;
use unicode_width::UnicodeWidthStr as _;

use crate::monitor::report::{ProcessReport, Report};
use crate::snapshot::needs::FactGroups;
use crate::table::{self, Column, Kind, Value};
use crate::text;
use crate::units::{Bytes, Rate};

/// A parsed filter.
#[derive(Clone, Debug)]
pub struct Filter {
    source: String,
    /// `None`: an empty expression, which everything satisfies.
    expression: Option<Expression>,
}

/// Two filters are the same when they read the same: regular expressions cannot be compared otherwise.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Byte offset into the expression, on a character's boundary; its length when something is missing at the end.
    pub at: usize,
    /// What is wrong there, and what was expected.
    pub message: String,
}

impl FilterError {
    /// The message, the expression, and a caret under the place.
    #[must_use]
    pub fn pointing_into(&self, expression: &str) -> String {
        let before = text::printable(expression.get(..self.at).unwrap_or(expression).as_bytes()).width();
        let shown = text::printable(expression.as_bytes());
        format!("{}\n  {shown}\n  {:before$}^", self.message, "")
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FilterError {}

#[derive(Clone, Debug)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Somewhere(Pattern),
    Text(Column, Pattern),
    Number(Column, Comparison, f64),
}

#[derive(Clone, Debug)]
enum Pattern {
    /// A substring, in lower case.
    Contains(String),
    /// The whole text, as it is.
    Is(String),
    IsNot(String),
    Regex(Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Filter {
    /// Parses an expression; an empty one is satisfied by everything.
    ///
    /// # Errors
    /// Where it is wrong, and what was expected there.
    pub fn parse(expression: &str) -> Result<Self, FilterError> {
        Ok(Self { source: expression.to_owned(), expression: parser::parse(expression)? })
    }

    /// Whether the process satisfies it.
    #[must_use]
    pub fn matches(&self, process: &ProcessReport, report: &Report) -> bool {
        self.expression.as_ref().is_none_or(|expression| expression.holds(process, report))
    }

    /// Whether it compares this column.
    #[must_use]
    pub fn asks_for(&self, column: Column) -> bool {
        self.expression.as_ref().is_some_and(|expression| expression.asks_for(column))
    }

    /// What must be read of every process to answer.
    #[must_use]
    pub fn needs(&self) -> FactGroups {
        self.expression.as_ref().map_or(FactGroups::NONE, Expression::needs)
    }
}

impl Expression {
    fn holds(&self, process: &ProcessReport, report: &Report) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(process, report)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(process, report)),
            Self::Not(part) => !part.holds(process, report),
            Self::Somewhere(pattern) => is_somewhere(pattern, process, report),
            Self::Text(Column::User, pattern) => {
                let number = process.identity.uid.map(|uid| uid.to_string());
                let name = process.identity.uid.and_then(|uid| report.machine.user(uid));
                pattern.holds_for_either(name, number.as_deref())
            }
            Self::Text(Column::Go, pattern) => {
                let go = process.identity.executable.as_ref().and_then(|executable| executable.go.as_ref());
                let package = process.identity.test_package.as_deref();
                go.is_some_and(|go| {
                    pattern.holds_for_either(Some(&go.version), Some(&go.module))
                        || pattern.holds_for_either(Some(&go.path), package)
                })
            }
            Self::Text(column, pattern) => match table::value(*column, process, report) {
                Some(Value::Text(text)) => pattern.holds_for(&text),
                _ => false,
            },
            Self::Number(column, comparison, than) => match table::value(*column, process, report) {
                Some(Value::Size(Bytes(bytes))) => comparison.holds_between(bytes as f64, *than),
                Some(Value::Rate(rate)) => comparison.holds_between(rate.per_second(), *than),
                Some(Value::Number(number)) => comparison.holds_between(number as f64, *than),
                Some(Value::Text(_)) | None => false,
            },
        }
    }

    fn asks_for(&self, asked: Column) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.asks_for(asked)),
            Self::Not(part) => part.asks_for(asked),
            Self::Somewhere(_) => false,
            Self::Text(column, _) | Self::Number(column, ..) => *column == asked,
        }
    }

    fn needs(&self) -> FactGroups {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().fold(FactGroups::NONE, |sum, part| sum.union(part.needs()))
            }
            Self::Not(part) => part.needs(),
            Self::Somewhere(_) => table::info(Column::Command).needs.union(table::info(Column::User).needs),
            Self::Text(column, _) | Self::Number(column, ..) => table::info(*column).needs,
        }
    }
}

/// Whether a word stands in what a person would call the process by.
fn is_somewhere(pattern: &Pattern, process: &ProcessReport, report: &Report) -> bool {
    let identity = &process.identity;
    let go = identity.executable.as_ref().and_then(|executable| executable.go.as_ref());
    pattern.holds_for(&table::command_line(identity))
        || pattern.holds_for(&text::printable(&identity.name))
        || identity.uid.and_then(|uid| report.machine.user(uid)).is_some_and(|user| pattern.holds_for(user))
        || go.is_some_and(|go| pattern.holds_for(&go.module) || pattern.holds_for(&go.path))
}

impl Pattern {
    fn holds_for(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.to_lowercase().contains(part),
            Self::Is(whole) => text == whole,
            Self::IsNot(whole) => text != whole,
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// For what goes by two names: being one of them is enough, not being must hold for both.
    fn holds_for_either(&self, one: Option<&str>, other: Option<&str>) -> bool {
        let mut names = one.into_iter().chain(other).peekable();
        match self {
            Self::IsNot(_) => names.peek().is_some() && names.all(|name| self.holds_for(name)),
            Self::Is(_) | Self::Contains(_) | Self::Regex(_) => names.any(|name| self.holds_for(name)),
        }
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "counts and sizes below 2^53 are exact; bigger ones nobody types to the byte")]
    fn holds_between(self, one: f64, other: f64) -> bool {
        match self {
            Self::Less => one < other,
            Self::LessOrEqual => one <= other,
            Self::Greater => one > other,
            Self::GreaterOrEqual => one >= other,
            Self::Equal => one == other,
            Self::NotEqual => one != other,
        }
    }
}

/// Reads the right side of a comparison with a column of this kind.
fn number(kind: Kind, text: &str) -> Result<f64, String> {
    match kind {
        Kind::Size => Bytes::parse(text).map(|bytes| bytes.0 as f64),
        Kind::Rate => {
            let wrong = || format!("{text:?} is not a growth rate: write a size per second, like 500k or -1m");
            let (sign, size) = text.strip_prefix('-').map_or((1.0, text), |size| (-1.0, size));
            let size = size.strip_prefix('+').unwrap_or(size);
            let size = size.strip_suffix("/s").unwrap_or(size);
            let bytes = Bytes::parse(size).map_err(|_| wrong())?;
            Rate::new(sign * bytes.0 as f64).map(Rate::per_second).ok_or_else(wrong)
        }
        Kind::Number | Kind::Text => {
            text.parse::<i64>().map(|number| number as f64).map_err(|_| format!("{text:?} is not a whole number"))
        }
    }
}

#[cfg(test)]
mod tests;
