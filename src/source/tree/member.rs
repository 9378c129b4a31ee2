//! One process of a tree, and one look at it. Refuses to decide when to look.

use std::sync::Arc;

use rustix::fd::OwnedFd;

use crate::snapshot::cgroup::Version;
use crate::snapshot::process::{CgroupPath, Name, Stat};
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::{ProcessId, Timestamp};

use super::super::files::{FileName, Tree};
use super::super::prober::{command, executable};
use super::super::programs::Programs;
use super::super::{clock, limits, proc_files};
use super::TreeSource;
use super::go::GoRuntime;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: ProcessId,
    pub(super) first_seen: Timestamp,
    /// When it was looked at last.
    pub(super) read: Timestamp,
    /// It has ended, and whoever should take its status has not.
    pub(super) is_zombie: bool,
    name: Name,
    stat: Option<OwnedFd>,
    status: Option<OwnedFd>,
    described: Timestamp,
    go: Option<GoRuntime>,
}

impl Member {
    /// Somebody new; with `keep` two descriptors are kept open.
    pub(super) fn meet(tree: &Tree, id: ProcessId, name: Name, keep: bool, now: Timestamp) -> Self {
        let open = |file| keep.then(|| tree.open_file(&FileName::of(id.pid, file)).ok()).flatten();
        Self {
            id,
            first_seen: now,
            read: Timestamp::default(),
            is_zombie: false,
            name,
            stat: open("stat"),
            status: open("status"),
            described: Timestamp::default(),
            go: None,
        }
    }

    /// Reads what is due of it; whether it is still there.
    pub(super) fn look(
        &mut self,
        tree: &mut Tree,
        programs: &mut Programs,
        version: Option<Version>,
        young: bool,
        snapshot: &mut Snapshot,
    ) -> bool {
        let id = self.id;
        let text = match &self.stat {
            Some(descriptor) => tree.read_kept(descriptor),
            None => tree.read(&FileName::of(id.pid, "stat")),
        };
        let stat: Stat = match text.map(proc_files::stat) {
            Ok(Some((start_time, stat))) if start_time == id.start_time => stat,
            Ok(None) => return true,
            Ok(Some(_)) | Err(_) => return false,
        };
        let text = match &self.status {
            Some(descriptor) => tree.read_kept(descriptor),
            None => tree.read(&FileName::of(id.pid, "status")),
        };
        let status = text.and_then(|text| proc_files::status(text).ok_or(Unreadable::Malformed));
        self.is_zombie = stat.state == b'Z';
        let at = clock::now();
        snapshot.stats.push(Fact { id, at, reading: Ok(stat) });
        let rss = status.as_ref().ok().and_then(|status| status.rss);
        snapshot.statuses.push(Fact { id, at, reading: status });

        // Who forks and execs has the name of its parent for a moment; a shell may exec under its own name.
        let renamed = std::mem::replace(&mut self.name, stat.name) != stat.name;
        let again = young && at.since(self.described) >= TreeSource::CALM;
        if !self.is_zombie && (renamed || again || self.described == Timestamp::default()) {
            // In the middle of an exec, and on the way out, there is no command line: it is asked for again.
            let reading = command(tree, id).and_then(|command| {
                if command.arguments.is_empty() { Err(Unreadable::Gone) } else { Ok(Arc::new(command)) }
            });
            self.described = if reading.is_ok() { at } else { Timestamp::default() };
            let is_whole = reading.is_ok();
            snapshot.commands.push(Fact { id, at, reading });
            // On the way out it tells the root of v1, wherever it was.
            if is_whole && let Some(path) = membership(tree, id, version) {
                snapshot.memberships.push(Fact { id, at, reading: Ok(path) });
            }
            let reading = executable(tree, programs, id).map(Arc::new);
            if self.go.is_none() && reading.as_ref().is_ok_and(|executable| executable.go.is_some()) {
                self.go = Some(GoRuntime::of(tree, id, at));
            }
            snapshot.executables.push(Fact { id, at, reading });
            let text = tree.read(&FileName::of(id.pid, "limits"));
            let reading = text.and_then(|text| limits::space(text).ok_or(Unreadable::Malformed));
            snapshot.space_limits.push(Fact { id, at, reading });
        }
        if let Some(go) = &mut self.go {
            snapshot.go_memories.extend(go.read_when_due(tree, programs, (id, rss)));
        }
        true
    }
}

/// Its memory cgroup.
fn membership(tree: &mut Tree, id: ProcessId, version: Option<Version>) -> Option<CgroupPath> {
    let text = tree.read(&FileName::of(id.pid, "cgroup")).ok()?;
    proc_files::memory_cgroup(text, version).map(|path| CgroupPath(path.into()))
}
