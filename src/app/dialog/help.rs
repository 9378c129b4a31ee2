//! The help: made from the key table and the list of columns, so that it cannot say anything else than they do.
//! Refuses to wrap lines: the width is `ui`'s.

use crate::app::keys::{KEYS, Section};
use crate::table::COLUMNS;

/// Signs that stand beside colours or in place of numbers.
const SIGNS: [(&str, &str); 9] = [
    ("1st", "The process that the kernel would kill next in its memory domain; 1st? where that is not certain."),
    ("safe", "The kernel will not choose it: oom_score_adj is -1000, it is init, or it is dying already."),
    ("! !!", "A warning: growth that holds or is unusual, a limit that is near. Two: within a minute or the last 5 %."),
    ("\u{2264} <", "At most: a sum in which shared pages are counted once per process."),
    ("\u{2265} >", "At least: a sum of which some parts are not known."),
    ("-", "Not known, or not read yet."),
    ("n/a", "May not be read: that needs the same user, root or CAP_SYS_PTRACE."),
    ("dim", "Old: read longer ago than its kind of value should be."),
    ("?", "Behind a class of mappings: some of its regions are only probably of this class."),
];

/// One entry of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    /// A heading.
    Heading(&'static str),
    /// Keys and what they do.
    Keys(String, &'static str),
    /// A column or a sign, and what it is worth.
    Term(&'static str, &'static str),
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
    lines.extend(COLUMNS.iter().map(|info| HelpLine::Term(info.title, info.help)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("Signs"));
    lines.extend(SIGNS.map(|(sign, meaning)| HelpLine::Term(sign, meaning)));
    lines
}
