//! The warm facts of one process: reads the groups that it is told to and adds them to the snapshot. Refuses to
//! decide what is due.

use std::collections::HashSet;
use std::sync::Arc;

use rustix::fd::OwnedFd;

use crate::snapshot::cgroup::Version;
use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::{CgroupPath, Stat};
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::Pid;

use super::files::{FileName, Tree, each_entry};
use super::roster::{Process, WarmFiles, process_number};
use super::{clock, proc_files};

/// Reads warm facts.
#[derive(Debug)]
pub(super) struct Warm {
    /// Where the memory controller is.
    version: Option<Version>,
    paths: Paths,
    entries: Vec<u8>,
}

impl Warm {
    pub(super) fn new(version: Option<Version>) -> Self {
        Self { version, paths: Paths::default(), entries: Vec::new() }
    }

    /// Whether a cgroup was met since the last question that had not been seen before.
    pub(super) fn met_unknown_path(&mut self) -> bool {
        std::mem::take(&mut self.paths.met_unknown)
    }

    /// Reads `groups` of one process; what was read is no longer due.
    pub(super) fn read(&mut self, tree: &mut Tree, process: &mut Process, groups: FactGroups, to: &mut Snapshot) {
        process.due = process.due.without(groups);
        let pid = process.id.pid;
        if groups.contains(FactGroups::STAT) {
            let reading = self.stat(tree, process, to);
            to.stats.push(Fact { id: process.id, at: clock::now(), reading });
        }
        if groups.contains(FactGroups::STATUS) {
            process.told = (process.size.resident, process.size.shared);
            let text = match process.living_thread {
                Some(thread) => tree.read(&FileName::of_thread(pid, thread, "status")),
                None => read(tree, process, "status", |files| &mut files.status),
            };
            let reading = text.and_then(|text| proc_files::status(text).ok_or(Unreadable::Malformed));
            to.statuses.push(Fact { id: process.id, at: clock::now(), reading });
        }
        if groups.contains(FactGroups::ADJUSTMENT) {
            let reading = read(tree, process, "oom_score_adj", |files| &mut files.oom_score_adj)
                .and_then(|text| proc_files::oom_score_adj(text).ok_or(Unreadable::Malformed));
            to.adjustments.push(Fact { id: process.id, at: clock::now(), reading });
        }
        if groups.contains(FactGroups::OOM_SCORE) {
            let reading = read(tree, process, "oom_score", |files| &mut files.oom_score)
                .and_then(|text| proc_files::oom_score(text).ok_or(Unreadable::Malformed));
            to.oom_scores.push(Fact { id: process.id, at: clock::now(), reading });
        }
        if groups.contains(FactGroups::CGROUP) {
            let reading = tree.read(&FileName::of(pid, "cgroup")).and_then(|text| {
                let path = proc_files::memory_cgroup(text, self.version).ok_or(Unreadable::Malformed)?;
                Ok(self.paths.shared(path))
            });
            to.memberships.push(Fact { id: process.id, at: clock::now(), reading });
        }
    }

    /// `stat`; where the leader has ended and threads live, finds one and corrects the size that was read as nothing.
    fn stat(&mut self, tree: &mut Tree, process: &mut Process, to: &mut Snapshot) -> Result<Stat, Unreadable> {
        let text = read(tree, process, "stat", |files| &mut files.stat)?;
        let (start_time, mut stat) = proc_files::stat(text).ok_or(Unreadable::Malformed)?;
        if start_time != process.id.start_time {
            // Another process has the number now: the next listing meets it.
            process.vanish();
            return Err(Unreadable::Gone);
        }
        process.parent = stat.parent;
        if stat.leader_dead && process.living_thread.is_none() {
            process.descriptor = None;
            process.living_thread = self.living_thread(tree, process.id.pid);
            if let Some(thread) = process.living_thread {
                let statm = tree.read(&FileName::of_thread(process.id.pid, thread, "statm"));
                if let Some(statm) = statm.ok().and_then(proc_files::statm) {
                    process.size = statm.into();
                    if let Ok(index) = to.statms.binary_search_by_key(&process.id, |fact| fact.id) {
                        to.statms[index].reading = Ok(statm);
                    }
                }
            }
        }
        // The leader's own line says 0 of everything that went with its address space.
        if stat.leader_dead
            && let Some(thread) = process.living_thread
        {
            let text = tree.read(&FileName::of_thread(process.id.pid, thread, "stat"));
            if let Some((_, living)) = text.ok().and_then(proc_files::stat) {
                stat.rss = living.rss;
                stat.virtual_size = living.virtual_size;
            }
        }
        Ok(stat)
    }

    /// A thread of the process that has not ended.
    fn living_thread(&mut self, tree: &mut Tree, pid: Pid) -> Option<Pid> {
        let directory = tree.open_file(&FileName::of(pid, "task")).ok()?;
        let mut living = None;
        each_entry(rustix::fd::AsFd::as_fd(&directory), &mut self.entries, |name, _, _| {
            let Some(thread) = process_number(name).map(Pid) else { return };
            if living.is_some() || thread == pid {
                return;
            }
            let stat = tree.read(&FileName::of_thread(pid, thread, "stat")).ok().and_then(proc_files::stat);
            if stat.is_some_and(|(_, stat)| !matches!(stat.state, b'Z' | b'X')) {
                living = Some(thread);
            }
        })
        .ok()?;
        living
    }
}

/// A file of a process, through a descriptor of its own where they are kept.
fn read<'a>(
    tree: &'a mut Tree,
    process: &mut Process,
    name: &str,
    kept: impl FnOnce(&mut WarmFiles) -> &mut Option<OwnedFd>,
) -> Result<&'a [u8], Unreadable> {
    let file = FileName::of(process.id.pid, name);
    match &mut process.files {
        Some(files) => tree.read_keeping(&file, kept(files)),
        None => tree.read(&file),
    }
}

/// Each distinct cgroup path once, for as long as somebody holds it.
#[derive(Debug, Default)]
struct Paths {
    known: HashSet<Arc<[u8]>>,
    /// Beyond this many, those that nobody else holds are dropped.
    most: usize,
    met_unknown: bool,
}

impl Paths {
    /// The least that [`Paths::most`] is.
    const FEW: usize = 4_096;

    fn shared(&mut self, path: &[u8]) -> CgroupPath {
        if let Some(known) = self.known.get(path) {
            return CgroupPath(Arc::clone(known));
        }
        if self.known.len() >= self.most.max(Self::FEW) {
            // Who is held elsewhere stays: forgotten, it would be met as unknown again, and again.
            self.known.retain(|path| Arc::strong_count(path) > 1);
            self.most = self.known.len() * 2;
        }
        self.met_unknown = true;
        let path: Arc<[u8]> = path.into();
        self.known.insert(Arc::clone(&path));
        CgroupPath(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_somebody_holds_is_met_once_however_many_there_are() {
        let mut paths = Paths::default();
        let name = |number: usize| format!("/pod/{number}").into_bytes();
        let many = Paths::FEW + 10;
        let held: Vec<_> = (0..many).map(|number| paths.shared(&name(number))).collect();
        paths.met_unknown = false;
        for (number, path) in held.iter().enumerate() {
            assert!(Arc::ptr_eq(&paths.shared(&name(number)).0, &path.0));
        }
        assert!(!paths.met_unknown, "all of them were met before");
        drop(held);
        for number in many..many * 3 {
            paths.shared(&name(number));
        }
        assert!(paths.known.len() <= many * 2, "whom nobody holds is dropped");
    }
}
