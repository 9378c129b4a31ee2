//! Which processes there are: one listing of /proc merged into what was known of them. Refuses to trust a number: the
//! inode that getdents shows for it changes when the number is reused, which costs nothing to see.

use std::ffi::CStr;
use std::ops::RangeInclusive;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::Statm;
use crate::units::{Pages, Pid, ProcessId};

use super::files::{FileName, Tree, each_entry};
use super::proc_files::{self, decimal};

/// What is remembered of one process between passes: no facts, only what decides what to read next.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    /// Of its directory in /proc: changes with the process behind the number. procfs numbers them in 32 bits.
    inode: u32,
    pub(super) kind: Kind,
    pub(super) parent: Pid,
    /// Whether it is in the scope of the passes.
    pub(super) in_scope: bool,
    /// `statm`, kept open.
    pub(super) descriptor: Option<OwnedFd>,
    /// While it is on screen or in a ranking: the other files, kept open.
    pub(super) files: Option<Box<WarmFiles>>,
    /// `statm` as last read.
    pub(super) size: Size,
    /// `resident` and `shared` when `status` was last read.
    pub(super) told: (u32, u32),
    /// Groups that are to be read when the budget allows.
    pub(super) due: FactGroups,
    /// In how many passes it was seen, up to 255.
    pub(super) passes: u8,
    /// Whether its size moved between the last two readings.
    pub(super) moving: bool,
    /// Where the leader has ended and other threads live: one of those.
    pub(super) living_thread: Option<Pid>,
    seen: bool,
}

/// Files that are read pass after pass of whom is asked for, by [`FileName`]; each is opened when it is first read.
#[derive(Debug, Default)]
pub(super) struct WarmFiles {
    pub(super) stat: Option<OwnedFd>,
    pub(super) status: Option<OwnedFd>,
    pub(super) oom_score_adj: Option<OwnedFd>,
    pub(super) oom_score: Option<OwnedFd>,
}

impl WarmFiles {
    /// How many there are.
    pub(super) const COUNT: u32 = 4;
}

/// Sizes in pages, to be compared with the next reading: the low 32 bits are enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) total: u32,
    pub(super) resident: u32,
    pub(super) shared: u32,
    pub(super) text: u32,
}

impl From<Statm> for Size {
    fn from(statm: Statm) -> Self {
        let low = |pages: Pages| pages.0 as u32;
        Self { total: low(statm.size), resident: low(statm.resident), shared: low(statm.shared), text: low(statm.text) }
    }
}

/// What a number in /proc turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Listed, not looked at yet.
    New,
    /// A process with memory of its own.
    User,
    /// A kernel thread: never looked at again.
    KernelThread,
    /// Ended between the listing and the first look.
    Vanished,
}

impl Process {
    fn new(pid: u32, inode: u32) -> Self {
        Self {
            id: ProcessId::new(pid, 0),
            inode,
            kind: Kind::New,
            parent: Pid(0),
            in_scope: false,
            descriptor: None,
            files: None,
            size: Size::default(),
            told: (u32::MAX, u32::MAX),
            due: FactGroups::NONE,
            passes: 0,
            moving: false,
            living_thread: None,
            seen: true,
        }
    }

    /// It ended, or its number stands for another process now: the next look drops it or meets it anew.
    pub(super) fn vanish(&mut self) {
        self.kind = Kind::Vanished;
        self.descriptor = None;
        self.files = None;
    }

    /// Whether it is known well and its size did not move between the last two readings.
    pub(super) fn rests(&self) -> bool {
        self.passes > 3 && !self.moving
    }

    /// Whether it counts in this pass.
    pub(super) fn is_shown(&self) -> bool {
        self.kind == Kind::User && self.in_scope
    }
}

/// All processes that are known, sorted by number.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pub(super) processes: Vec<Process>,
    listing: Vec<(u32, u32)>,
    entries: Vec<u8>,
}

impl Roster {
    /// Lists /proc and merges: who is gone is dropped (with the descriptor), who is new or has a new inode is
    /// [`Kind::New`]. Gives the number of those.
    pub(super) fn refresh(&mut self, proc_root: BorrowedFd<'_>) -> Result<usize, Errno> {
        let Self { processes, listing, entries } = self;
        listing.clear();
        each_entry(proc_root, entries, |name, inode, _| {
            if let Some(pid) = process_number(name) {
                listing.push((pid, inode as u32));
            }
        })?;
        // procfs lists by number; other trees do not.
        if !listing.is_sorted() {
            listing.sort_unstable();
        }

        if processes.is_empty() {
            processes.reserve_exact(listing.len() + listing.len() / 16);
        }
        let known = processes.len();
        let mut next = 0;
        for process in processes.iter_mut() {
            process.seen = false;
        }
        for &(pid, inode) in listing.iter() {
            while next < known && processes[next].id.pid.0 < pid {
                next += 1;
            }
            match processes[..known].get_mut(next).filter(|process| process.id.pid.0 == pid) {
                Some(process) if process.inode == inode && process.kind != Kind::Vanished => process.seen = true,
                _ => processes.push(Process::new(pid, inode)),
            }
        }
        let arrived = processes.len() - known;
        processes.retain(|process| process.seen);
        self.sort();
        Ok(arrived)
    }

    /// Looks at these numbers only and drops who was found to have vanished. Gives the number of those that came.
    pub(super) fn meet_numbers(&mut self, tree: &mut Tree, numbers: RangeInclusive<u32>) -> usize {
        self.drop_vanished();
        let known = self.processes.len();
        for pid in numbers.map(Pid) {
            // A thread has its directory too, though no listing shows it.
            let leader = tree.read(&FileName::of(pid, "status")).ok().and_then(proc_files::thread_group);
            let Some(inode) = tree.inode(pid).filter(|_| leader == Some(pid)) else { continue };
            if let Ok(index) = self.processes[..known].binary_search_by_key(&pid, |process| process.id.pid) {
                if self.processes[index].inode == inode as u32 {
                    continue;
                }
                // The number was given away anew before the end of who had it was seen.
                self.processes[index].vanish();
            }
            self.processes.push(Process::new(pid.0, inode as u32));
        }
        let arrived = self.processes.len() - known;
        self.drop_vanished();
        self.sort();
        arrived
    }

    /// Drops who was found to have vanished.
    pub(super) fn drop_vanished(&mut self) {
        self.processes.retain(|process| process.kind != Kind::Vanished);
    }

    fn sort(&mut self) {
        if !self.processes.is_sorted_by_key(|process| process.id.pid) {
            self.processes.sort_unstable_by_key(|process| process.id.pid);
        }
    }

    /// Marks who is in the tree below `root`. Who once was in it stays in it, also when its parent ends.
    pub(super) fn mark_descendants(&mut self, root: ProcessId) {
        loop {
            let mut changed = false;
            for index in 0..self.processes.len() {
                let process = &self.processes[index];
                if process.in_scope || process.kind != Kind::User {
                    continue;
                }
                if process.id == root || self.find(process.parent).is_some_and(|parent| parent.in_scope) {
                    self.processes[index].in_scope = true;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// The process that has this number now.
    pub(super) fn find(&self, pid: Pid) -> Option<&Process> {
        let index = self.processes.binary_search_by_key(&pid, |process| process.id.pid).ok()?;
        Some(&self.processes[index])
    }
}

/// The number that a name in /proc stands for: digits as the kernel writes them.
pub(super) fn process_number(name: &CStr) -> Option<u32> {
    let digits = name.to_bytes();
    match digits.first()? {
        b'1'..=b'9' => decimal(digits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "starts the process that is to be met")]
    fn a_process_met_by_its_number_is_the_one_that_a_listing_shows() {
        let mut tree = Tree::open("/proc".as_ref()).expect("a machine with procfs");
        let mut roster = Roster::default();
        roster.refresh(tree.root()).expect("listed");
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let pid = child.id();
        assert_eq!(roster.meet_numbers(&mut tree, pid..=pid), 1);
        assert_eq!(roster.meet_numbers(&mut tree, pid..=pid), 0, "who is known is not met again");
        let met = roster.find(Pid(pid)).expect("met").inode;
        roster.refresh(tree.root()).expect("listed");
        assert_eq!(roster.find(Pid(pid)).expect("listed").inode, met);

        let count = roster.processes.len();
        let index = roster.processes.iter().position(|process| process.id.pid == Pid(pid)).expect("listed");
        roster.processes[index].inode ^= 1;
        assert_eq!(roster.meet_numbers(&mut tree, pid..=pid), 1, "the number was another's before");
        assert_eq!(roster.find(Pid(pid)).map(|process| (process.inode, process.kind)), Some((met, Kind::New)));
        assert_eq!(roster.processes.len(), count, "who had it is dropped");
        child.kill().expect("ours");
        child.wait().expect("ours");
    }

    #[test]
    fn a_thread_is_no_process() {
        let mut tree = Tree::open("/proc".as_ref()).expect("a machine with procfs");
        let met = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let number = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
                Roster::default().meet_numbers(&mut tree, number..=number)
            });
            thread.join().expect("no panic")
        });
        assert_eq!(met, 0);
    }
}
