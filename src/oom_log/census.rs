//! What the lines of a log are: the kernel's, another program's, or of no known form. A text of which next to nothing is
//! recognised says nothing of kills, and must not be said to have none. Refuses to count where that is clear already.

use super::envelope::{self, Writer};

/// Lines after which a log that is recognised is looked at no further.
const ENOUGH: u64 = 100;
/// Of so many lines one at least must be recognised, or it is no log that can be spoken of.
const NEARLY_NONE: u64 = 10;

/// Lines counted, from the first on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The kernel's, by what is wrapped around them.
    pub kernel: u64,
    /// Those of other programs, in the same forms.
    pub others: u64,
    /// Those of no known form.
    pub unknown: u64,
}

impl Census {
    pub(super) fn count(&mut self, line: &[u8]) {
        match envelope::writer(line) {
            Writer::Kernel => self.kernel += 1,
            Writer::Other => self.others += 1,
            // A blank line shows nothing.
            Writer::Unknown if line.is_empty() => {}
            Writer::Unknown => self.unknown += 1,
        }
    }

    /// All that were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.kernel.saturating_add(self.others).saturating_add(self.unknown)
    }

    /// Whether the lines are those of a kernel's log, or of one that has the kernel's among others'.
    #[must_use]
    pub const fn is_of_a_kernel_log(&self) -> bool {
        self.kernel > 0 && self.unknown / NEARLY_NONE <= self.kernel.saturating_add(self.others)
    }

    /// Whether more lines would change nothing.
    pub(super) const fn is_settled(&self) -> bool {
        self.is_of_a_kernel_log() && self.total() >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_one_while_enough_of_it_is_recognised() {
        for (kernel, others, unknown, is_log) in [
            (0, 0, 0, false),
            (1, 0, 0, true),
            (3, 20_000, 0, true),
            (3, 0, 39, true),
            (3, 0, 19_997, false),
            (0, 500, 3, false),
        ] {
            assert_eq!(Census { kernel, others, unknown }.is_of_a_kernel_log(), is_log, "{kernel} {others} {unknown}");
        }
    }

    #[test]
    fn lines_are_the_kernels_or_anothers_or_nobodys() {
        let mut census = Census::default();
        for line in [
            "[   12.345678] usb 1-1: new device",
            "Nov 21 08:41:22 web-1 kernel: x",
            "Nov 21 08:41:22 web-1 sshd[7]: x",
            "2026-11-21T08:41:22Z web-1 app: x",
            "2026-11-21T08:41:22Z INFO it began",
            "{\"log\":\"x\"}",
            "dear diary",
            "",
        ] {
            census.count(line.as_bytes());
        }
        assert_eq!(census, Census { kernel: 2, others: 2, unknown: 3 });
    }
}
