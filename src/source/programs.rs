//! Which Go program a file is, read once per file: processes come and go, their programs stay. Refuses to follow the
//! links of a made-up tree into this machine.

use std::collections::HashMap;

use rustix::fd::OwnedFd;
use rustix::fs::fstat;

use crate::golang::build_info;
use crate::golang::elf::{Elf, Read};
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

    /// Where these symbols of its executable are in the process; `start`: where the file begins in its memory.
    pub(super) fn symbols<const N: usize>(
        tree: &Tree,
        id: ProcessId,
        start: Option<u64>,
        names: [&[u8]; N],
    ) -> [Option<u64>; N] {
        /// Segments begin in the middle of a page where the file does.
        const PAGE: u64 = 4096;
        let file = tree.is_live().then(|| tree.open_file(&FileName::of(id.pid, "exe")).ok()).flatten();
        let Some((start, file)) = start.zip(file) else { return [None; N] };
        let mut file = Program(file);
        let Some(elf) = Elf::read(&mut file) else { return [None; N] };
        let lowest = elf.segments.iter().map(|segment| segment.address).min().unwrap_or(0);
        let bias = start.wrapping_sub(lowest / PAGE * PAGE);
        elf.symbols(&mut file, names).map(|address| address.map(|address| address.wrapping_add(bias)))
    }
}

struct Program(OwnedFd);

impl Read for Program {
    fn read_at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match rustix::io::pread(&self.0, &mut bytes[filled..], offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(_) => return None,
            }
        }
        bytes.truncate(filled);
        Some(bytes)
    }
}
