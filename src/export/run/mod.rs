//! A run that is over, written: text for the terminal, JSON (schema `oomtop.run/1`), Markdown for a CI summary, JUnit for a
//! CI server. Refuses to conclude: every word that judges comes with the report.

mod json;
mod junit;
mod markdown;
mod text;

use std::io::{self, Write};
use std::path::Path;

use crate::run::phase::Phase;
use crate::run::report::{ProcessLine, RunReport};
use crate::text::printable;
use crate::units::WallTime;

pub use text::write as write_text;

/// As what a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// `.json`.
    Json,
    /// `.md`.
    Markdown,
    /// `.xml`.
    Junit,
}

impl ReportFormat {
    /// By the ending of a file's name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "md" | "markdown" => Some(Self::Markdown),
            "xml" => Some(Self::Junit),
            _ => None,
        }
    }
}

/// Writes a report in one of the formats.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, report: &RunReport, format: ReportFormat) -> io::Result<()> {
    match format {
        ReportFormat::Json => json::write(out, report),
        ReportFormat::Markdown => markdown::write(out, report),
        ReportFormat::Junit => junit::write(out, report),
    }
}

/// A process in a sentence: the name of its program, with what it worked at where the name does not say it.
fn holder(process: &ProcessLine) -> String {
    let name = printable(&process.name);
    match (&process.artifact, &process.package) {
        (Some(artifact), _) if process.phase == Phase::Link => format!("{name} {}", printable(artifact.as_bytes())),
        (_, Some(package)) if process.phase == Phase::Compile => format!("{name} {}", printable(package.as_bytes())),
        _ => name.into_owned(),
    }
}

/// The command as a person typed it, nearly.
fn command_line(report: &RunReport) -> String {
    let words = report.command.iter().map(|word| printable(word).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

/// RFC 3339.
fn rfc3339(wall: WallTime) -> Option<String> {
    Some(jiff::Timestamp::from_nanosecond(i128::from(wall.0)).ok()?.to_string())
}

#[cfg(test)]
mod tests;
