//! The columns of the process table: one list that drives the pane, the sort menu, the filter language, CSV and the
//! documentation. A column is data and pure functions of a report; refuses to know how it is drawn.
//!
//! Three questions are asked of a column, each answered in one place: what a process has there ([`value()`]), how that
//! reads ([`cell()`]), and who comes first ([`compare`]).

mod cell;
mod columns;
mod command;
mod order;
mod value;

pub use cell::{Cell, Knowledge, cell, ordinal};
pub use columns::COLUMNS;
pub use command::command_line;
pub use order::{compare, domain_order, risk_order};
pub use value::{Value, value};

use crate::snapshot::needs::FactGroups;

/// A column. The order here is the order in the column chooser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Process number.
    Pid,
    /// Parent.
    Parent,
    /// Real user.
    User,
    /// State letter.
    State,
    /// Threads.
    Threads,
    /// Resident.
    Rss,
    /// Slope of RSS.
    Growth,
    /// Sparkline of RSS.
    Trend,
    /// Resident anonymous.
    Anonymous,
    /// Resident file pages.
    File,
    /// Resident shared memory.
    SharedMemory,
    /// VmSwap.
    Swap,
    /// RSS + VmSwap.
    RssAndSwap,
    /// PSS.
    Pss,
    /// USS.
    Uss,
    /// Page tables.
    PageTables,
    /// Peak RSS.
    Peak,
    /// Address space.
    Virtual,
    /// oom_score.
    OomScore,
    /// oom_score_adj.
    Adjustment,
    /// Victim rank in the leading domain.
    Risk,
    /// The leading domain.
    Domain,
    /// Memory cgroup.
    Cgroup,
    /// Go version or test package.
    Go,
    /// comm.
    Name,
    /// Command line.
    Command,
}

impl Column {
    /// Shown unless the user chooses others.
    pub const USUAL: [Self; 11] = [
        Self::Pid,
        Self::User,
        Self::Rss,
        Self::Growth,
        Self::Trend,
        Self::Swap,
        Self::Pss,
        Self::Adjustment,
        Self::Risk,
        Self::Domain,
        Self::Command,
    ];
}

/// What is the same for a column in every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Which.
    pub column: Column,
    /// Its name in filters, after `-s` and in the configuration.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What the number is, where it comes from and what it is not: whole sentences.
    pub help: &'static str,
    /// Cells it takes, fixed so that nothing jumps; [`ColumnInfo::REST`]: what is left of the line.
    pub width: u16,
    /// What kind of value stands in it.
    pub kind: Kind,
    /// At which edge its text stands.
    pub align: Align,
    /// What must be read of every process to sort or filter by it, of the visible ones to show it.
    pub needs: FactGroups,
}

impl ColumnInfo {
    /// The width of a column that takes the rest of the line.
    pub const REST: u16 = 0;

    /// What the column is, in a few words: the help up to its first full stop or colon.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.help.split_once([':', '.']).map_or(self.help, |(summary, _)| summary)
    }
}

/// What kind of value stands in a column: decides how it is ordered, which operators of a filter fit, and how their right
/// side is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Size`].
    Size,
    /// [`Value::Rate`].
    Rate,
    /// [`Value::Number`].
    Number,
    /// [`Value::Text`].
    Text,
}

/// At which edge of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// What is the same for this column in every row.
#[must_use]
pub fn info(column: Column) -> &'static ColumnInfo {
    &COLUMNS[column as usize]
}

/// The column with this key; upper case is forgiven.
///
/// # Errors
/// A sentence that names the column meant, or all of them.
pub fn named(key: &str) -> Result<Column, String> {
    let key = key.to_ascii_lowercase();
    if let Some(info) = COLUMNS.iter().find(|info| info.key == key) {
        return Ok(info.column);
    }
    let nearest = nearest(&key, COLUMNS.iter().map(|info| info.key));
    Err(nearest.map_or_else(
        || {
            let keys: Vec<_> = COLUMNS.iter().map(|info| info.key).collect();
            format!("no column {key:?}; columns: {}", keys.join(" "))
        },
        |nearest| format!("no column {key:?}: did you mean {nearest:?}?"),
    ))
}

/// The candidate that is nearest to a mistyped word, if one is near at all.
pub fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (!candidate.starts_with(typed), distance(typed, candidate), candidate))
        .min()
        .filter(|(other, distance, candidate)| !other || *distance <= 1 + candidate.len() / 3)
        .map(|(_, _, candidate)| candidate)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make one word of the other
/// (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(32).collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        rows[i][0] = i;
        for j in 1..=other.len() {
            let changed = usize::from(one[i - 1] != other[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_enum_and_every_key_is_its_own() {
        for (index, info) in COLUMNS.iter().enumerate() {
            assert_eq!(info.column as usize, index, "{}", info.key);
            assert_eq!(named(info.key), Ok(info.column));
            assert_eq!(COLUMNS.iter().filter(|other| other.key == info.key).count(), 1);
            assert!(info.width == ColumnInfo::REST || usize::from(info.width) >= info.title.len(), "{}", info.key);
            assert!(info.help.ends_with('.') && (5..=58).contains(&info.summary().len()), "{}", info.key);
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        for (typed, nearest) in
            [("rs", "rss"), ("RRS", "rss"), ("swpa", "swap"), ("comand", "command"), ("grow", "growth")]
        {
            assert_eq!(named(typed), Err(format!("no column {:?}: did you mean {nearest:?}?", typed.to_lowercase())));
        }
        assert_eq!(named("RSS"), Ok(Column::Rss));
        assert!(named("wibble").is_err_and(|message| message.contains("columns: pid ppid user")));
    }
}
