//! The help: made from the key table and the list of columns, so that it cannot say anything else than they do.
//! Refuses to wrap lines: the width is `ui`'s.

use crate::app::keys::{KEYS, Section};
use crate::table::COLUMNS;

/// One entry of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    /// A heading.
    Heading(&'static str),
    /// Keys and what they do.
    Keys(String, &'static str),
    /// A column: its title and what its number is worth.
    Column(&'static str, &'static str),
    /// Nothing.
    Blank,
}

/// All of it.
#[must_use]
pub fn help() -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for section in Section::ALL {
        lines.push(HelpLine::Heading(section.heading()));
        lines.extend(
            KEYS.iter()
                .filter(|binding| binding.section == section)
                .map(|binding| HelpLine::Keys(binding.key_names(), binding.help)),
        );
        lines.push(HelpLine::Blank);
    }
    lines.push(HelpLine::Heading("What each number is"));
    lines.extend(COLUMNS.iter().map(|info| HelpLine::Column(info.title, info.help)));
    lines
}
