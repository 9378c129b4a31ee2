//! Whose tree is meant when somebody points at a process: of a `go test` all of it, whatever of it was pointed at. Refuses
//! to go above the outermost `go test`: a shell, make and a terminal live on when it is over.

use std::iter::successors;
use std::path::Path;

use crate::golang::go_command::{is_go_test, run_of};
use crate::snapshot::Unreadable;
use crate::units::{Pid, ProcessId};

use super::files::{FileName, Tree};
use super::prober::command;
use super::{SourceError, proc_files};

/// Nobody stands this far below anybody: a circle must end.
const DEEPEST: usize = 512;

/// Reads who stands above whom.
#[derive(Debug)]
pub struct Picked {
    proc_root: Tree,
}

impl Picked {
    /// Opens the root of procfs.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(proc_root: &Path) -> Result<Self, SourceError> {
        let tree = Tree::open(proc_root)
            .map_err(|errno| SourceError::Open { path: proc_root.to_path_buf(), cause: errno.into() })?;
        Ok(Self { proc_root: tree })
    }

    /// As far as its command line can be read: that waits for the lock of its memory.
    fn is_go_test(&mut self, id: ProcessId) -> bool {
        command(&mut self.proc_root, id).is_ok_and(|command| is_go_test(&command.arguments))
    }

    /// The `go test` that this process is, or belongs to; else the process itself.
    pub fn meant_by(&mut self, id: ProcessId) -> ProcessId {
        let above = self.above(id);
        run_of(above.into_iter(), |at| self.is_go_test(*at)).unwrap_or(id)
    }

    /// Those of these that are a `go test`, each as the outermost that it belongs to; and what is left of all of them to be
    /// looked at together: what only stands around a `go test`, a shell that has its words, is not.
    pub fn go_tests_of(&mut self, ids: Vec<ProcessId>) -> (Vec<ProcessId>, Vec<ProcessId>) {
        let mut go_tests: Vec<ProcessId> = ids.iter().copied().filter(|id| self.is_go_test(*id)).collect();
        for id in &mut go_tests {
            *id = self.meant_by(*id);
        }
        go_tests.sort_unstable();
        go_tests.dedup();
        let around: Vec<ProcessId> = go_tests.iter().flat_map(|id| self.above(*id)).collect();
        let others = ids.into_iter().filter(|id| !around.contains(id) && !go_tests.contains(id));
        let together = go_tests.iter().copied().chain(others).collect();
        (go_tests, together)
    }

    /// Parent, grandparent and so on.
    fn above(&mut self, id: ProcessId) -> Vec<ProcessId> {
        let above = |at: &ProcessId| self.parent(*at).and_then(|parent| self.identify(parent));
        successors(Some(id), above).skip(1).take(DEEPEST).collect()
    }

    /// The arguments of a process, for a title; none where they cannot be read.
    pub fn command(&mut self, id: ProcessId) -> Vec<Box<[u8]>> {
        let Ok(command) = command(&mut self.proc_root, id) else { return Vec::new() };
        let arguments = command.arguments.strip_suffix(b"\0").unwrap_or(&command.arguments);
        arguments.split(|byte| *byte == 0).map(Box::from).collect()
    }

    fn parent(&mut self, id: ProcessId) -> Option<Pid> {
        let (start_time, stat) = self.stat(id.pid).ok()?;
        (start_time == id.start_time && stat.parent.0 > 0).then_some(stat.parent)
    }

    fn identify(&mut self, pid: Pid) -> Option<ProcessId> {
        self.stat(pid).ok().map(|(start_time, _)| ProcessId { pid, start_time })
    }

    fn stat(&mut self, pid: Pid) -> Result<(crate::units::StartTime, crate::snapshot::process::Stat), Unreadable> {
        let text = self.proc_root.read(&FileName::of(pid, "stat"))?;
        proc_files::stat(text).ok_or(Unreadable::Malformed)
    }
}
