//! Reading `smaps` of the selected process: into reused lists, seldom enough that the process does not suffer. Refuses
//! to read for a pane that is not there.

use std::sync::Arc;
use std::time::Duration;

use rustix::io::{Errno, read};

use crate::snapshot::mapping::Mappings;
use crate::snapshot::{Fact, Unreadable};
use crate::units::{ProcessId, Timestamp};

use super::clock;
use super::files::{FileName, Tree, each_entry, unreadable};
use super::prober::{AFTER_REFUSAL, Budget, has_passed};
use super::proc_files::{self, hexadecimal, words};
use super::roster::process_number;
use super::smaps::{Malformed, Parser};
use crate::units::Pid;

/// Threads whose stack pointer is looked up.
const THREADS: usize = 512;

/// Reads mappings of one process after another.
#[derive(Debug, Default)]
pub(super) struct RegionReader {
    pub(super) budget: Budget,
    visits: Visits,
    /// The last reads that somebody still shows, each with the parser that knows its names, and one to be filled.
    slots: Vec<(Parser, Arc<Mappings>)>,
    buffer: Vec<u8>,
}

/// The last read of one process.
#[derive(Clone, Copy, Debug)]
struct Visit {
    of: ProcessId,
    /// Its size before, in pages.
    resident: u32,
    ended: Timestamp,
    took: Duration,
    refused: bool,
    /// Where it listens was looked at too.
    sockets: bool,
}

/// What somebody wants of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Now: the user asked for it.
    pub insist: bool,
    /// Where it listens too.
    pub sockets: bool,
}

/// Who was read when, and so who may be read again: also one that somebody went away from and comes back to.
#[derive(Debug, Default)]
struct Visits(Vec<Visit>);

impl Visits {
    /// So many are remembered; who goes through more and comes back reads anew.
    const MOST: usize = 64;
    /// Between two reads of the one that is looked at, at the least.
    const INTERVAL: Duration = Duration::from_secs(1);
    /// Where it has the size that it had then.
    const STILL: Duration = Duration::from_secs(10);
    /// When the user asks for it now.
    const REFRESH: Duration = Duration::from_millis(250);

    /// Whether enough time has passed for the cost of the last read, or the user insists. `resident` is its size as
    /// last seen, in pages.
    fn is_due(&self, budget: Budget, id: ProcessId, resident: u32, wish: Wish, now: Timestamp) -> bool {
        let Some((since, last)) = self.0.iter().rev().enumerate().find(|(_, visit)| visit.of == id) else {
            return true;
        };
        let (returned, more_wanted) = (since > 0, wish.sockets && !last.sockets);
        let pause = if wish.insist {
            Self::REFRESH
        } else if last.refused && since >= Mappings::KEPT {
            // Nobody knows the reason any more.
            Duration::ZERO
        } else if last.refused {
            AFTER_REFUSAL
        } else if returned || more_wanted {
            // Another was read meanwhile and what is known is old, or it is not all of it: only the cost speaks against reading at once.
            budget.pause_of_part(Budget::MAPPINGS, last.took, Duration::ZERO)
        } else {
            let at_least = if resident == last.resident { Self::STILL } else { Self::INTERVAL };
            budget.pause_of_part(Budget::MAPPINGS, last.took, at_least)
        };
        has_passed(pause, last.ended, now)
    }

    fn remember(&mut self, visit: Visit) {
        self.0.retain(|known| known.of != visit.of);
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push(visit);
    }
}

impl RegionReader {
    /// Reads where it is due. What `beside` reads of the same process belongs to the visit and its cost.
    pub(super) fn read_when_due(
        &mut self,
        tree: &mut Tree,
        (id, resident): (ProcessId, u32),
        wish: Wish,
        beside: impl FnOnce(&mut Tree, &Mappings),
    ) -> Option<Fact<Arc<Mappings>>> {
        let began = clock::now();
        if !self.visits.is_due(self.budget, id, resident, wish, began) {
            return None;
        }
        let reading = self.read(tree, id, began, beside);
        let ended = clock::now();
        let (took, refused) = (ended.since(began), reading.is_err());
        self.visits.remember(Visit { of: id, resident, ended, took, refused, sockets: wish.sockets });
        Some(Fact { id, at: ended, reading })
    }

    /// Gives the memory back when no pane shows mappings.
    pub(super) fn forget(&mut self) {
        self.slots = Vec::new();
        self.buffer = Vec::new();
    }

    fn read(
        &mut self,
        tree: &mut Tree,
        id: ProcessId,
        began: Timestamp,
        beside: impl FnOnce(&mut Tree, &Mappings),
    ) -> Result<Arc<Mappings>, Unreadable> {
        let descriptor = tree.open_file(&FileName::of(id.pid, "smaps"))?;
        // The descriptor stands for one process; that it is the one that was meant, its start time says.
        is_there(tree, id)?;
        let free = self.slots.iter_mut().position(|(_, mappings)| Arc::get_mut(mappings).is_some());
        let (mut parser, mut shared) = free.map(|index| self.slots.swap_remove(index)).unwrap_or_default();
        // Nobody shows the others that are free any more.
        self.slots.retain_mut(|(_, mappings)| Arc::get_mut(mappings).is_none());
        let mappings = Arc::make_mut(&mut shared);
        parser.begin(mappings);
        mappings.of = id;
        mappings.began = began;
        mappings.stack_pointers.clear();
        stream(&descriptor, &mut self.buffer, &mut parser, mappings)?;
        stack_pointers(tree, id.pid, &mut mappings.stack_pointers);
        beside(tree, mappings);
        mappings.ended = clock::now();
        let took = mappings.ended.since(began);
        mappings.pause = self.budget.pause_of_part(Budget::MAPPINGS, took, Visits::INTERVAL);
        self.slots.push((parser, Arc::clone(&shared)));
        Ok(shared)
    }
}

/// Whether the number still belongs to this process: to be asked after one of its files was opened.
pub(super) fn is_there(tree: &mut Tree, id: ProcessId) -> Result<(), Unreadable> {
    let text = tree.read(&FileName::of(id.pid, "stat"))?;
    let (start_time, _) = proc_files::stat(text).ok_or(Unreadable::Malformed)?;
    if start_time == id.start_time { Ok(()) } else { Err(Unreadable::Gone) }
}

/// Where the mappings of a process are, without what of them is there: `/proc/PID/maps`, for which no page table is walked.
pub(super) fn outline(tree: &mut Tree, id: ProcessId) -> Result<Mappings, Unreadable> {
    let descriptor = tree.open_file(&FileName::of(id.pid, "maps"))?;
    is_there(tree, id)?;
    let (mut parser, mut mappings) = (Parser::default(), Mappings { of: id, ..Mappings::default() });
    stream(&descriptor, &mut Vec::new(), &mut parser, &mut mappings)?;
    Ok(mappings)
}

/// From the descriptor through the parser; the kernel gives a page or so at a time.
fn stream(
    descriptor: &rustix::fd::OwnedFd,
    buffer: &mut Vec<u8>,
    parser: &mut Parser,
    mappings: &mut Mappings,
) -> Result<(), Unreadable> {
    buffer.resize(64 << 10, 0);
    let mut pending = 0;
    loop {
        match read(descriptor, &mut buffer[pending..]) {
            Ok(0) if pending == 0 => return Ok(()),
            // Cut in the middle of a line, or a line longer than any path.
            Ok(0) => return Err(Unreadable::Malformed),
            Ok(more) => {
                let filled = pending + more;
                let taken = parser.take(&buffer[..filled], mappings).map_err(|Malformed| Unreadable::Malformed)?;
                buffer.copy_within(taken..filled, 0);
                pending = filled - taken;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(unreadable(errno)),
        }
    }
}

/// Where the stacks of the threads are: the stack pointer is the last but one field of `task/TID/syscall`
/// (proc(5)), which needs the right to trace and a thread that is not running.
fn stack_pointers(tree: &mut Tree, pid: Pid, pointers: &mut Vec<u64>) {
    let Ok(directory) = tree.open_file(&FileName::of(pid, "task")) else { return };
    let mut denied = false;
    let mut entries = Vec::new();
    // Threads that come or go meanwhile are missed; their stacks are then only probable.
    let _ = each_entry(rustix::fd::AsFd::as_fd(&directory), &mut entries, |name, _, _| {
        let Some(thread) = process_number(name).map(Pid) else { return };
        if denied || pointers.len() >= THREADS {
            return;
        }
        match tree.read(&FileName::of_thread(pid, thread, "syscall")) {
            Ok(text) => pointers.extend(stack_pointer(text)),
            Err(Unreadable::Denied | Unreadable::Unsupported) => denied = true,
            Err(_) => {}
        }
    });
}

/// `202 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd1234 0x7f00`, `-1 0x7ffd1234 0x7f00` or `running`.
fn stack_pointer(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"\n")?;
    let mut fields = words(text);
    let before_last = fields.by_ref().count().checked_sub(2).filter(|&at| at > 0)?;
    hexadecimal(words(text).nth(before_last)?.strip_prefix(b"0x")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of it is for mappings.
    const BUDGET: Budget = Budget::of_percent(10);
    const USUAL: Wish = Wish { insist: false, sockets: false };

    #[test]
    fn who_goes_to_and_fro_between_two_reads_neither_more_often_than_its_cost_allows() {
        let id = |pid| ProcessId::new(pid, 1);
        let at = |tenths: u64| Timestamp::from_secs(1000).after(Duration::from_millis(100 * tenths));
        let visit = |of, tenths, took| Visit {
            of,
            resident: 9,
            ended: at(tenths),
            took: Duration::from_millis(took),
            refused: false,
            sockets: false,
        };
        let mut visits = Visits::default();
        // A has sixty thousand mappings, B holds a few GiB, C is small.
        let (costly, dear, cheap) = (id(1), id(2), id(3));
        assert!(visits.is_due(BUDGET, costly, 9, USUAL, at(0)));
        visits.remember(visit(costly, 0, 250));
        visits.remember(visit(dear, 3, 80));
        visits.remember(visit(cheap, 4, 1));
        for (of, resident, insist, tenths, due) in [
            (costly, 9, false, 5, false),
            (costly, 10, false, 49, false),
            (costly, 9, false, 50, true),
            (costly, 9, true, 3, true),
            (dear, 9, false, 18, false),
            (dear, 9, false, 19, true),
            // The one that is looked at: by its size, and at the most every interval.
            (cheap, 9, false, 103, false),
            (cheap, 9, false, 104, true),
            (cheap, 10, false, 13, false),
            (cheap, 10, false, 14, true),
            (id(4), 0, false, 5, true),
        ] {
            let wish = Wish { insist, ..USUAL };
            assert_eq!(visits.is_due(BUDGET, of, resident, wish, at(tenths)), due, "{of:?} after {tenths} tenths");
        }
        let with_sockets = Wish { sockets: true, ..USUAL };
        for (tenths, due) in [(4, false), (5, true)] {
            assert_eq!(visits.is_due(BUDGET, cheap, 9, with_sockets, at(tenths)), due, "where it listens was not seen");
        }
        visits.remember(Visit { sockets: true, ..visit(cheap, 5, 1) });
        assert!(!visits.is_due(BUDGET, cheap, 9, with_sockets, at(15)), "it was");
        visits.remember(visit(dear, 5, 80));
        assert!(
            visits.is_due(BUDGET, cheap, 9, USUAL, at(6)),
            "come back to: a read that costs nothing is not put off"
        );
        visits.remember(Visit { refused: true, ..visit(cheap, 6, 1) });
        assert!(
            !visits.is_due(BUDGET, cheap, 9, USUAL, at(6 + 299)) && visits.is_due(BUDGET, cheap, 9, USUAL, at(6 + 300))
        );
        let due_soon = |visits: &Visits| visits.is_due(BUDGET, cheap, 9, USUAL, at(7));
        for (pid, due) in [(20, false), (21, false), (22, false), (23, true)] {
            visits.remember(visit(id(pid), 6, 1));
            assert_eq!(due_soon(&visits), due, "the reason is known until {pid} was read");
        }
        for pid in 10..200 {
            visits.remember(visit(id(pid), 400, 1));
        }
        assert_eq!(visits.0.len(), Visits::MOST);
    }

    #[test]
    fn stack_pointers_of_waiting_threads() {
        assert_eq!(stack_pointer(b"202 0x1 0x2 0x0 0x0 0x0 0x0 0x7ffd1234 0x7f00\n"), Some(0x7ffd_1234));
        assert_eq!(stack_pointer(b"-1 0x7ffd1234 0x7f00\n"), Some(0x7ffd_1234));
        assert_eq!(stack_pointer(b"running\n"), None);
        assert_eq!(stack_pointer(b"202 0x1 0x7f"), None);
    }
}
