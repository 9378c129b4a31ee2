//! Which Go program a file is, read once per file: processes come and go, their programs stay. Refuses to follow the
//! links of a made-up tree into this machine.

use std::collections::HashMap;

use rustix::fd::OwnedFd;
use rustix::fs::fstat;

use crate::golang::build_info;
use crate::golang::elf::Read;
use crate::snapshot::process::GoBuild;
use crate::units::ProcessId;

use super::files::{FileName, Tree};

/// Build information by device, inode and time of change (a linker writes anew into the same inode).
#[derive(Debug, Default)]
pub(super) struct Programs {
    known: HashMap<(u64, u64, i64), Option<GoBuild>>,
}

impl Programs {
    /// A machine that runs more programs than this forgets them all and reads again.
    const MOST: usize = 2_048;

    /// What the executable of a process says of itself, when it is a Go binary that we may read.
    pub(super) fn go_build(&mut self, tree: &Tree, id: ProcessId) -> Option<GoBuild> {
        if !tree.is_live() {
            return None;
        }
        let file = tree.open_file(&FileName::of(id.pid, "exe")).ok()?;
        let found = fstat(&file).ok()?;
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        let key = (found.st_dev, found.st_ino, found.st_mtime);
        self.known.entry(key).or_insert_with(|| build_info::read(&mut Program(file))).clone()
    }
}

struct Program(OwnedFd);

impl Read for Program {
    fn read_at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match rustix::io::pread(&self.0, &mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(_) => return None,
            }
        }
        bytes.truncate(filled);
        Some(bytes)
    }
}
