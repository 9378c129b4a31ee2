//! What stands in every line that can begin something, looked for in whole blocks of a log: a processor does that faster than
//! lines can be counted. Refuses to say what a line is.

use memchr::memmem::Finder;

/// `kill`: `invoked oom-killer`, `oom-kill:`, `no killable`, `killed as a result`, `to be killed due to`, `is already exiting.
/// Skip killing`. `Kill`: `Kill process`, `Killed process`. `total_vm`: the table of a dump whose beginning is lost. The last
/// one only in a journal's JSON: a text that is written as a list of bytes.
const MARKS: [&[u8]; 6] = [b"kill", b"Kill", b"oom_reaper: ", b"total_vm", b"not syncing: ", b"\"MESSAGE\":["];

/// The marks, and how far each was looked for in a block.
#[derive(Debug)]
pub(super) struct Marks {
    finders: [Finder<'static>; MARKS.len()],
    /// Where each stands first, or up to where it does not.
    seen: [Seen; MARKS.len()],
    count: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    at: usize,
    is_found: bool,
}

impl Default for Marks {
    fn default() -> Self {
        Self { finders: MARKS.map(Finder::new), seen: [Seen::default(); MARKS.len()], count: MARKS.len() - 1 }
    }
}

impl Marks {
    /// Of a journal's JSON.
    pub fn of_objects() -> Self {
        Self { count: MARKS.len(), ..Self::default() }
    }

    /// Another block.
    pub fn begin(&mut self) {
        self.seen.fill(Seen::default());
    }

    /// The first mark at `from` or behind it. None is looked for behind where another one was found.
    pub fn next(&mut self, block: &[u8], from: usize) -> Option<usize> {
        let mut first = block.len();
        for (seen, finder) in self.seen.iter_mut().zip(&self.finders).take(self.count) {
            if seen.at < from {
                *seen = Seen { at: from, is_found: false };
            }
            if !seen.is_found && seen.at < first {
                let end = block.len().min(first + finder.needle().len() - 1);
                let found = finder.find(&block[seen.at..end]);
                *seen = Seen { at: found.map_or(first, |ahead| seen.at + ahead), is_found: found.is_some() };
            }
            if seen.is_found {
                first = first.min(seen.at);
            }
        }
        (first < block.len()).then_some(first)
    }
}
