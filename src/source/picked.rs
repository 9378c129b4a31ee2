//! Whose tree is meant when somebody points at a process: of a `go test` all of it, whatever of it was pointed at. Refuses
//! to go above the outermost `go test`: a shell, make and a terminal live on when it is over.

use std::path::Path;

use crate::golang::go_command::is_go_test;
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

    /// Whether this process is a `go test`, as far as its command line can be read.
    pub fn is_go_test(&mut self, id: ProcessId) -> bool {
        command(&mut self.proc_root, id).is_ok_and(|command| is_go_test(&command.arguments))
    }

    /// The outermost `go test` that this process is, or belongs to; else the process itself.
    pub fn meant_by(&mut self, id: ProcessId) -> ProcessId {
        let (mut meant, mut at) = (id, id);
        for _ in 0..DEEPEST {
            if self.is_go_test(at) {
                meant = at;
            }
            let Some(above) = self.parent(at).and_then(|parent| self.identify(parent)) else { break };
            at = above;
        }
        meant
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
