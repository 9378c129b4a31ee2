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
use super::prober::{AFTER_REFUSAL, has_passed, pause_after};
use super::proc_files::{self, hexadecimal, words};
use super::roster::process_number;
use super::smaps::{Malformed, Parser};
use crate::units::Pid;

/// Threads whose stack pointer is looked up.
const THREADS: usize = 512;

/// Reads mappings of one process after another.
#[derive(Debug, Default)]
pub(super) struct RegionReader {
    of: ProcessId,
    /// Its size before the read, in pages.
    resident: u32,
    ended: Timestamp,
    pause: Duration,
    /// The last two reads, each with the parser that knows its names: one is drawn from while the other is filled.
    slots: [(Parser, Arc<Mappings>); 2],
    buffer: Vec<u8>,
}

impl RegionReader {
    /// Between two reads, at the least.
    const INTERVAL: Duration = Duration::from_secs(1);
    /// Where the process has the size that it had then.
    const STILL: Duration = Duration::from_secs(10);
    /// When the user asks for it now.
    const REFRESH: Duration = Duration::from_millis(250);

    /// Reads where enough time has passed for the cost of the last read, or the user insists. `resident` is the size
    /// of the process as last seen, in pages.
    pub(super) fn read_when_due(
        &mut self,
        tree: &mut Tree,
        (id, resident): (ProcessId, u32),
        insist: bool,
    ) -> Option<Fact<Arc<Mappings>>> {
        let pause = match self.pause {
            _ if insist => Self::REFRESH,
            pause if resident == self.resident => pause.max(Self::STILL),
            pause => pause,
        };
        if self.of == id && !has_passed(pause, self.ended, clock::now()) {
            return None;
        }
        self.resident = resident;
        let began = clock::now();
        let reading = self.read(tree, id, began);
        self.of = id;
        self.ended = clock::now();
        self.pause = match reading {
            Ok(_) => pause_after(self.ended.since(began), Self::INTERVAL),
            Err(_) => AFTER_REFUSAL,
        };
        Some(Fact { id, at: self.ended, reading })
    }

    /// Gives the memory back when no pane shows mappings.
    pub(super) fn forget(&mut self) {
        if self.of != ProcessId::default() {
            *self = Self::default();
        }
    }

    fn read(&mut self, tree: &mut Tree, id: ProcessId, began: Timestamp) -> Result<Arc<Mappings>, Unreadable> {
        let descriptor = tree.open_file(&FileName::of(id.pid, "smaps"))?;
        // The descriptor stands for one process; that it is the one that was meant, its start time says.
        is_there(tree, id)?;
        let free = self.slots.iter_mut().position(|(_, mappings)| Arc::get_mut(mappings).is_some());
        let slot = free.unwrap_or_else(|| {
            self.slots[0] = (Parser::default(), Arc::default());
            0
        });
        let (parser, shared) = &mut self.slots[slot];
        let mappings = Arc::make_mut(shared);
        parser.begin(mappings);
        mappings.of = id;
        mappings.began = began;
        mappings.stack_pointers.clear();
        stream(&descriptor, &mut self.buffer, parser, mappings)?;
        stack_pointers(tree, id.pid, &mut mappings.stack_pointers);
        mappings.ended = clock::now();
        Ok(Arc::clone(shared))
    }
}

/// Whether the number still belongs to this process: to be asked after one of its files was opened.
pub(super) fn is_there(tree: &mut Tree, id: ProcessId) -> Result<(), Unreadable> {
    let text = tree.read(&FileName::of(id.pid, "stat"))?;
    let (start_time, _) = proc_files::stat(text).ok_or(Unreadable::Malformed)?;
    if start_time == id.start_time { Ok(()) } else { Err(Unreadable::Gone) }
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

    #[test]
    fn stack_pointers_of_waiting_threads() {
        assert_eq!(stack_pointer(b"202 0x1 0x2 0x0 0x0 0x0 0x0 0x7ffd1234 0x7f00\n"), Some(0x7ffd_1234));
        assert_eq!(stack_pointer(b"-1 0x7ffd1234 0x7f00\n"), Some(0x7ffd_1234));
        assert_eq!(stack_pointer(b"running\n"), None);
        assert_eq!(stack_pointer(b"202 0x1 0x7f"), None);
    }
}
