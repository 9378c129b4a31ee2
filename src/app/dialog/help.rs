//! The help: made from the key table and the list of columns, so that it cannot say anything else than they do.
//! Refuses to wrap lines: the width is `ui`'s.

use crate::app::keys::{KEYS, Section};
use crate::table::COLUMNS;

/// Signs that stand beside colours or in place of numbers.
const SIGNS: [(&str, &str); 11] = [
    ("1st", "The process that the kernel would kill next in its memory domain; 1st? where that is not certain."),
    ("\u{bb} >", "Before a rank: in the tightest domain, the one that the header names. Every domain has its own 1st."),
    ("safe", "The kernel will not choose it: oom_score_adj is -1000, it is init, or it is dying already."),
    ("! !!", "A warning: growth that holds or is unusual, a limit that is near. Two: within a minute or the last 5 %."),
    ("\u{2264} <", "At most: a sum in which shared pages are counted once per process."),
    ("\u{2265} >", "At least: a sum of which some parts are not known."),
    ("-", "Not known, or not read yet."),
    ("n/a", "May not be read: that needs the same user, root or CAP_SYS_PTRACE."),
    (
        "~",
        "Before a number: old, read longer ago than its kind of value should be; PSS and USS also where RSS moved since.",
    ),
    ("\u{d7} x", "In the place of a PID: so many processes, of which the row is the sum (g)."),
    ("?", "Behind a class of mappings: some of its regions are only probably of this class."),
];

/// What the first lines of the screen say.
const HEADER: [(&str, &str); 4] = [
    (
        "every",
        "How often the machine is looked at (-d). Where a look takes longer: how long it took, and what was asked for.",
    ),
    (
        "own",
        "What oomtop itself costs: its share of a processor over the last ten seconds, its RSS; pinned: kernel memory that \
         its open files hold.",
    ),
    (
        "PSI 10s",
        "Pressure: percent of the last ten seconds (avg10) in which some tasks, or all (full), stood still for want of memory.",
    ),
    ("Tightest", "The memory domain with the least left, and what is known of how fast it fills."),
];

/// What is said of a memory domain: the machine, or a cgroup with a limit of its own.
const DOMAIN: [(&str, &str); 8] = [
    ("left", "The limit less what cannot be reclaimed; of the machine what is available, and free swap."),
    ("usage", "All that is charged to it, page cache and all; of the machine what is not free."),
    ("unreclaim.", "Anonymous and shared memory that no swap has room for, locked memory, the kernel's own."),
    ("reclaim.", "The rest of the usage: the kernel takes it back before it kills."),
    (
        "working set",
        "As cAdvisor and Kubernetes count it: usage less inactive file pages. The bar and the levels use what cannot be \
         reclaimed instead.",
    ),
    ("high", "memory.high: beyond it the kernel slows the cgroup down and reclaims, but does not kill."),
    ("limit above", "The smallest limit of all that it lies in, where that is smaller than its own."),
    (
        "acts first",
        "earlyoom, nohang or systemd-oomd runs: when it kills, by its options or the files that it reads, and whom. They \
         act before the kernel does, and leave no line in its log.",
    ),
];

/// What becomes of oomtop where memory runs out.
const OWN: [(&str, &str); 3] = [
    (
        "memory",
        "Its pages are locked as they are touched (CAP_IPC_LOCK), so that the screen answers while all else is thrown out. \
         A look at a machine that stands still allocates next to nothing.",
    ),
    (
        "adj",
        "Its own oom_score_adj is -999 (CAP_SYS_RESOURCE; not with --read-only): it goes last. Not -1000: where nobody \
         else is left the machine must not hang for its sake. The hook keeps the value that oomtop was given.",
    ),
    (
        "group",
        "In a cgroup with memory.oom.group=1 it dies with the others: start it outside. --protect=false leaves memory and \
         adj alone.",
    ),
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
    lines.push(HelpLine::Heading("The first lines"));
    lines.extend(HEADER.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("How full a domain is"));
    lines.extend(DOMAIN.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("Signs"));
    lines.extend(SIGNS.map(|(sign, meaning)| HelpLine::Term(sign, meaning)));
    lines.push(HelpLine::Blank);
    lines.push(HelpLine::Heading("How oomtop itself outlives an OOM kill"));
    lines.extend(OWN.map(|(what, meaning)| HelpLine::Term(what, meaning)));
    lines
}
