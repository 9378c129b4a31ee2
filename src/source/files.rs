//! Reading small files below a root into one reused buffer: open, read, close; or a descriptor that is kept. Refuses to
//! wait (a FIFO in a made-up tree does not hold us), to allocate per file, and to read without bound.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, PROC_SUPER_MAGIC, RawDir, SeekFrom, fstatfs, openat, readlinkat_raw, seek, statat,
};
use rustix::io::{Errno, pread};

use crate::snapshot::Unreadable;
use crate::units::Pid;

/// How a file is opened for reading: never waiting.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// What one file may at most give: `memory.stat` of the newest kernels has 4 KB, `cgroup.procs` of 30,000 processes
/// 200 KB.
const MOST: usize = 4 << 20;

/// The root of a tree of files (procfs, sysfs, or what looks like one), with its buffer.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    live: bool,
    buffer: Vec<u8>,
}

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let root = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let live = fstatfs(&root).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC);
        Ok(Self { root, path: path.to_path_buf(), live, buffer: vec![0; 8 << 10] })
    }

    /// Whether it is a procfs and not a tree of files that looks like one: a descriptor of a file that somebody
    /// writes anew would show the old one for ever.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// A file of one page or so that the kernel gives in one read.
    pub(super) fn read(&mut self, file: &FileName) -> Result<&[u8], Unreadable> {
        let descriptor = self.open_file(file)?;
        self.read_kept(&descriptor)
    }

    /// As [`Tree::read`], through a descriptor that stays open.
    pub(super) fn read_kept(&mut self, descriptor: &OwnedFd) -> Result<&[u8], Unreadable> {
        let length = pread(descriptor, &mut self.buffer[..], 0).map_err(unreadable)?;
        if length < self.buffer.len() {
            return Ok(&self.buffer[..length]);
        }
        self.read_rest(descriptor, length)
    }

    /// As [`Tree::read`], through a descriptor that is opened where it is not yet, and stays open.
    pub(super) fn read_keeping(&mut self, file: &FileName, kept: &mut Option<OwnedFd>) -> Result<&[u8], Unreadable> {
        let descriptor = match kept.take() {
            Some(descriptor) => descriptor,
            None => self.open_file(file)?,
        };
        self.read_kept(kept.insert(descriptor))
    }

    /// A file of any length, which the kernel gives in pieces.
    pub(super) fn read_long(&mut self, file: &FileName) -> Result<&[u8], Unreadable> {
        let descriptor = self.open_file(file)?;
        self.read_rest(&descriptor, 0)
    }

    /// A file of any length at any path below the root.
    pub(super) fn read_path(&mut self, path: &CStr) -> Result<&[u8], Unreadable> {
        let descriptor = openat(&self.root, path, READ, Mode::empty()).map_err(unreadable)?;
        self.read_rest(&descriptor, 0)
    }

    /// A directory at any path below the root.
    pub(super) fn open_directory(&self, path: &CStr) -> Result<OwnedFd, Unreadable> {
        openat(&self.root, path, READ | OFlags::DIRECTORY, Mode::empty()).map_err(unreadable)
    }

    /// As [`Tree::read_long`], through a descriptor that stays open.
    pub(super) fn read_long_kept(&mut self, descriptor: &OwnedFd) -> Result<&[u8], Unreadable> {
        self.read_rest(descriptor, 0)
    }

    fn read_rest(&mut self, descriptor: &OwnedFd, mut length: usize) -> Result<&[u8], Unreadable> {
        loop {
            if length == self.buffer.len() {
                if length >= MOST {
                    return Err(Unreadable::TooLong);
                }
                self.buffer.resize(length * 2, 0);
            }
            match pread(descriptor, &mut self.buffer[length..], length as u64) {
                Ok(0) => return Ok(&self.buffer[..length]),
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(unreadable(errno)),
            }
        }
    }

    /// At most `limit` bytes of a file, and whether there was more.
    pub(super) fn read_start(&mut self, file: &FileName, limit: usize) -> Result<(&[u8], bool), Unreadable> {
        let descriptor = self.open_file(file)?;
        self.read_beginning(&descriptor, limit)
    }

    /// The same at any path below the root.
    pub(super) fn read_path_start(&mut self, path: &CStr, limit: usize) -> Result<(&[u8], bool), Unreadable> {
        let descriptor = openat(&self.root, path, READ, Mode::empty()).map_err(unreadable)?;
        self.read_beginning(&descriptor, limit)
    }

    fn read_beginning(&mut self, descriptor: &OwnedFd, limit: usize) -> Result<(&[u8], bool), Unreadable> {
        if self.buffer.len() <= limit {
            self.buffer.resize(limit + 1, 0);
        }
        let mut length = 0;
        while length <= limit {
            match pread(descriptor, &mut self.buffer[length..=limit], length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(unreadable(errno)),
            }
        }
        Ok((&self.buffer[..length.min(limit)], length > limit))
    }

    /// Where a symbolic link leads, cut to the buffer.
    pub(super) fn read_link(&mut self, file: &FileName) -> Result<&[u8], Unreadable> {
        match readlinkat_raw(&self.root, file.name(), &mut self.buffer[..]) {
            Ok(length) => Ok(&self.buffer[..length]),
            Err(errno) => Err(self.why(file, errno)),
        }
    }

    /// Opens a file to keep it.
    pub(super) fn open_file(&self, file: &FileName) -> Result<OwnedFd, Unreadable> {
        openat(&self.root, file.name(), READ, Mode::empty()).map_err(|errno| self.why(file, errno))
    }

    /// The inode of the directory of a process.
    pub(super) fn inode(&self, pid: Pid) -> Option<u64> {
        statat(&self.root, FileName::of(pid, "").name(), AtFlags::empty()).ok().map(|found| found.st_ino)
    }

    /// A missing file of a process that is there is one that this kernel does not have.
    fn why(&self, file: &FileName, errno: Errno) -> Unreadable {
        if errno != Errno::NOENT {
            return unreadable(errno);
        }
        match file.owner() {
            Some(owner) if statat(&self.root, owner.name(), AtFlags::empty()).is_err() => Unreadable::Gone,
            _ => Unreadable::Unsupported,
        }
    }
}

/// Reads the entries of a directory, from its start, without allocation. `.` and `..` are left out.
pub(super) fn each_entry(
    directory: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    mut visit: impl FnMut(&CStr, u64, rustix::fs::FileType),
) -> Result<(), Errno> {
    buffer.clear();
    buffer.reserve(32 << 10);
    seek(directory, SeekFrom::Start(0))?;
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            visit(entry.file_name(), entry.ino(), entry.file_type());
        }
    }
    Ok(())
}

/// What an error number says about a fact.
pub(super) fn unreadable(errno: Errno) -> Unreadable {
    match errno {
        Errno::ACCESS | Errno::PERM => Unreadable::Denied,
        Errno::NOENT | Errno::SRCH => Unreadable::Gone,
        Errno::OPNOTSUPP | Errno::NODEV | Errno::NOTDIR => Unreadable::Unsupported,
        _ => Unreadable::Failed,
    }
}

/// The name of a file below a root, built without allocation: `PID/statm`, `PID/task/TID/status`, `meminfo`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileName {
    bytes: [u8; 64],
    length: usize,
    owner: Option<Pid>,
}

impl FileName {
    const EMPTY: Self = Self { bytes: [0; 64], length: 0, owner: None };

    /// A file of the root itself.
    pub(super) fn of_root(name: &str) -> Self {
        Self::EMPTY.and(name)
    }

    /// A file of a process.
    pub(super) fn of(pid: Pid, file: &str) -> Self {
        Self { owner: Some(pid), ..Self::EMPTY.and_number(pid).and("/").and(file) }
    }

    /// A file of one thread of a process.
    pub(super) fn of_thread(pid: Pid, thread: Pid, file: &str) -> Self {
        Self::of(pid, "task/").and_number(thread).and("/").and(file)
    }

    /// With more at its end. Every name that is built here fits; one that would not is cut and leads to no file.
    fn and(self, text: &str) -> Self {
        self.and_bytes(text.as_bytes())
    }

    /// With a number at its end: by hand, for thousands of names are built in every pass.
    fn and_number(self, Pid(mut number): Pid) -> Self {
        let mut digits = [0; 10];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.and_bytes(&digits[first..]);
            }
        }
    }

    fn and_bytes(mut self, more: &[u8]) -> Self {
        let free = &mut self.bytes[self.length..63];
        let fits = more.len().min(free.len());
        free[..fits].copy_from_slice(&more[..fits]);
        self.length += fits;
        self
    }

    fn owner(&self) -> Option<Self> {
        self.owner.map(|pid| Self::EMPTY.and_number(pid))
    }

    pub(super) fn name(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[..=self.length]).unwrap_or(c"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_built_and_cut_to_their_room() {
        let name = |file: &FileName| file.name().to_str().expect("ASCII").to_owned();
        assert_eq!(name(&FileName::of_root("meminfo")), "meminfo");
        assert_eq!(name(&FileName::of(Pid(u32::MAX), "statm")), "4294967295/statm");
        assert_eq!(name(&FileName::of_thread(Pid(10), Pid(0), "status")), "10/task/0/status");
        assert_eq!(FileName::of(Pid(7), "stat").owner().map(|owner| name(&owner)), Some("7".into()));
        assert_eq!(name(&FileName::of_root(&"x".repeat(100))).len(), 63);
    }
}
