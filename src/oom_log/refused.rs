//! Lines that have the words of a kill and were not believed: another program's, or quoted. Refuses to say whose kills they are:
//! only whose they are not.

use super::cursor::Cursor;
use crate::units::Pid;

/// Processes that are kept by their number.
const MOST_NAMED: usize = 1024;

/// The words of a kill, ahead of the number of the one who died.
const WORDS: &[u8] = b"Killed process ";

/// Those of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many lines.
    pub lines: u64,
    /// Whose kills they tell of.
    named: Vec<Pid>,
    /// They tell of more than are kept, or of one whose number cannot be read.
    has_others: bool,
}

impl Refused {
    /// Whether one of the kills may be that of this process.
    #[must_use]
    pub fn may_be_of(&self, pid: Pid) -> bool {
        self.has_others || self.named.contains(&pid)
    }

    /// Takes a line that is not believed; one that tells of no kill counts for nothing.
    pub(super) fn take(&mut self, line: &[u8]) {
        let mut ahead = Cursor(line);
        let mut tells_of_a_kill = false;
        while ahead.until(WORDS).is_some() {
            if ahead.0.first().is_some_and(u8::is_ascii_digit) {
                tells_of_a_kill = true;
                self.name(ahead.unsigned_32().map(Pid));
            }
        }
        self.lines += u64::from(tells_of_a_kill);
    }

    /// Takes those of another.
    pub(super) fn append(&mut self, other: Self) {
        self.lines += other.lines;
        self.has_others |= other.has_others;
        for pid in other.named {
            self.name(Some(pid));
        }
    }

    fn name(&mut self, pid: Option<Pid>) {
        match pid {
            Some(pid) if self.named.contains(&pid) => {}
            Some(pid) if self.named.len() < MOST_NAMED => self.named.push(pid),
            _ => self.has_others = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_those_of_the_processes_that_the_lines_name() {
        let mut refused = Refused::default();
        refused.take(b"app: it said Killed process 12 (a), then Killed process 34 (b)");
        refused.take(b"app: Killed process");
        refused.take(b"app: Killed process x");
        assert_eq!(refused.lines, 1);
        let named = [12, 34, 1, 123].map(|pid| refused.may_be_of(Pid(pid)));
        assert_eq!(named, [true, true, false, false]);
    }

    #[test]
    fn what_is_not_kept_may_be_anybodys() {
        for line in [format!("Killed process {}", u64::MAX), format!("Killed process {}", u128::MAX)] {
            let mut refused = Refused::default();
            refused.take(line.as_bytes());
            assert!(refused.lines == 1 && refused.may_be_of(Pid(1)), "{line}");
        }
        let mut many = Refused::default();
        for pid in 1..=MOST_NAMED {
            many.take(format!("Killed process {pid} (a)").as_bytes());
        }
        assert!(!many.may_be_of(Pid(7_000)));
        let mut all = Refused::default();
        all.take(b"Killed process 7001 (a)");
        all.append(many);
        assert!(all.may_be_of(Pid(7_000)) && all.lines == 1025);
    }
}
