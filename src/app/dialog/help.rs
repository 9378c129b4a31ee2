//! The help: made from the key table and the list of columns, so that it cannot say anything else than they do.
//! Refuses to draw its rows.

use crate::app::keys::{KEYS, Section};
use crate::table::COLUMNS;
use crate::text::{columns, wrap};

/// Signs that stand beside colours or in place of numbers.
const SIGNS: [(&str, &str); 11] = [
    ("1st", "The process that the kernel would kill next in its memory domain; 1st? if that is not certain."),
    ("\u{bb} >", "Before a rank: in the tightest domain, the one in the header. Every domain has its own 1st."),
    ("safe", "The kernel will not choose it: oom_score_adj is -1000, it is init, or it is already dying."),
    ("! !!", "A warning: sustained or unusual growth, or a limit is near. Two: within a minute or the last 5 %."),
    ("\u{2264} <", "At most: a sum that counts shared pages once per process."),
    ("\u{2265} >", "At least: a sum with some parts unknown."),
    ("-", "Unknown, or not read yet."),
    ("n/a", "Not permitted to read: needs the same user, root or CAP_SYS_PTRACE."),
    (
        "~",
        "Before a number: old, not re-read for longer than such a value should be; PSS and USS also if RSS has moved \
         since.",
    ),
    ("\u{d7} x", "In place of a PID: the number of processes that the row sums up (g)."),
    ("?", "After a class of mappings: some of its regions only probably belong to it."),
];

/// What the first lines of the screen say.
const HEADER: [(&str, &str); 4] = [
    ("every", "Interval between samples (-d). If a sample takes longer: how long it took, and the interval requested."),
    (
        "own",
        "What oomtop itself uses: its share of a processor over the last ten seconds, and its RSS; pinned: kernel \
         memory held by its open files.",
    ),
    (
        "PSI 10s",
        "Pressure: percent of the last ten seconds (avg10) during which some tasks, or all (full), were stalled on \
         memory.",
    ),
    ("Tightest", "The memory domain with the least left, and how fast it fills, as far as known."),
];

/// What is said of a memory domain: the machine, or a cgroup with a limit of its own.
const DOMAIN: [(&str, &str); 8] = [
    ("left", "The limit minus what cannot be reclaimed; for the machine, available memory plus free swap."),
    ("usage", "All that is charged to it, page cache included; for the machine, all that is not free."),
    ("unreclaim.", "Anonymous and shared memory that does not fit into swap, locked memory, kernel memory."),
    ("reclaim.", "The rest of the usage: the kernel reclaims it before it kills."),
    (
        "working set",
        "As cAdvisor and Kubernetes count it: usage minus inactive file pages. The bar and the levels use what cannot \
         be reclaimed instead.",
    ),
    ("high", "memory.high: above it the kernel throttles the cgroup and reclaims, but does not kill."),
    ("limit above", "The smallest limit among its ancestors, if it is smaller than its own."),
    (
        "acts first",
        "earlyoom, nohang or systemd-oomd is running: when it kills and what, according to its options or \
         configuration files. They act before the kernel does, and leave no record in its log.",
    ),
];

/// What becomes of oomtop where memory runs out.
const OWN: [(&str, &str); 3] = [
    (
        "memory",
        "Its pages are locked as they are touched (CAP_IPC_LOCK), so that the screen responds while everything else \
         is paged out. Sampling an idle machine allocates next to nothing.",
    ),
    (
        "adj",
        "Its own oom_score_adj is -999 (CAP_SYS_RESOURCE; not with --read-only): it is killed last. At -1000, \
         with nothing else left to kill, the kernel would panic. The hook runs with the value that oomtop was started with.",
    ),
    (
        "group",
        "In a cgroup with memory.oom.group=1 it dies with the rest: start it outside. --protect=false leaves memory \
         and adj alone.",
    ),
];

/// One row of the help: a term with its explanation beside it, or a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpRow {
    /// At which column the text stands.
    pub indent: u16,
    /// Before it; empty in the further rows of an explanation.
    pub term: String,
    /// The heading, or a part of the explanation.
    pub text: String,
    /// It is a heading.
    pub is_heading: bool,
}

/// One entry of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HelpLine {
    /// A heading.
    Heading(&'static str),
    /// Keys and what they do.
    Keys(String, &'static str),
    /// A column or a sign, and what it is worth.
    Term(&'static str, &'static str),
    /// Nothing.
    Blank,
}

/// All of it, in rows of this width: what is scrolled is what stands on the screen.
#[must_use]
pub fn help(width: u16) -> Vec<HelpRow> {
    let width = usize::from(width.saturating_sub(2));
    let mut rows = Vec::new();
    for entry in entries() {
        match entry {
            HelpLine::Heading(text) => heading(&mut rows, text),
            HelpLine::Keys(keys, text) => explain(&mut rows, 16, keys, text, width),
            HelpLine::Term(term, text) => explain(&mut rows, 12, term.to_owned(), text, width),
            HelpLine::Blank => heading(&mut rows, ""),
        }
    }
    rows
}

fn heading(rows: &mut Vec<HelpRow>, text: &str) {
    rows.push(HelpRow { indent: 0, term: String::new(), text: text.to_owned(), is_heading: true });
}

/// A term, and its explanation wrapped beside it.
fn explain(rows: &mut Vec<HelpRow>, indent: u16, mut term: String, text: &str, width: usize) {
    // Where there is little room the explanation starts further left: it must have some.
    let indent = indent.min((width / 2) as u16);
    let wide = columns(&term) as u16 + 1;
    if wide > indent {
        let term = std::mem::take(&mut term);
        rows.push(HelpRow { indent: wide, term, text: String::new(), is_heading: false });
    }
    for text in wrap(text, width.saturating_sub(usize::from(indent))) {
        rows.push(HelpRow { indent, term: std::mem::take(&mut term), text, is_heading: false });
    }
}

fn entries() -> Vec<HelpLine> {
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
    lines.push(HelpLine::Heading("What each number means"));
    lines.extend(COLUMNS.iter().map(|info| HelpLine::Term(info.title, info.help)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("The first lines"));
    lines.extend(HEADER.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("How full a domain is"));
    lines.extend(DOMAIN.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("Signs"));
    lines.extend(SIGNS.map(|(sign, meaning)| HelpLine::Term(sign, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("How oomtop itself survives an OOM kill"));
    lines.extend(OWN.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_shown_at_any_width() {
        for width in [0, 7, 32, 82, 202] {
            let rows = help(width);
            for entry in entries() {
                let term = match &entry {
                    HelpLine::Keys(keys, _) => keys,
                    HelpLine::Term(term, _) => *term,
                    HelpLine::Heading(_) | HelpLine::Blank => continue,
                };
                assert!(rows.iter().any(|row| row.term == term), "{term} at {width}");
            }
        }
    }
}
