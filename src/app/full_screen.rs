//! By what it is known that a command wants a terminal of its own, beside what it asks one for: its own complaint, and
//! the name of one that does not complain. Refuses to guess what it would have drawn.

/// Said once, where a command begins to draw, asks for keys or complains.
pub(super) const WANTS_A_TERMINAL: &str =
    "oomtop: it needs a terminal of its own; `oomtop run --headless` gives it this one";

/// In the words of vim, top, tty(1), docker, nano, btop, tig, and of strerror(3) for ENOTTY in C and in Go.
const COMPLAINTS: [&str; 9] = [
    "not to a terminal",
    "not from a terminal",
    "not a terminal",
    "not a tty",
    "not a TTY",
    "failed tty get",
    "ailed to open tty",
    "o tty detected",
    "nappropriate ioctl for device",
];

/// Longer lines (bytes) are no complaint.
const COMPLAINT: usize = 200;

/// Whether a line is the complaint of a program that has no terminal.
pub(super) fn is_complaint(line: &str) -> bool {
    line.len() <= COMPLAINT && COMPLAINTS.iter().any(|complaint| line.contains(complaint))
}

/// Whether a command pages where it has a terminal, and without one copies all of it and says nothing.
pub(super) fn is_pager(command: &[Box<[u8]>]) -> bool {
    let name = command.first().and_then(|word| word.rsplit(|byte| *byte == b'/').next());
    matches!(name, Some(b"less" | b"more" | b"most" | b"man"))
}
