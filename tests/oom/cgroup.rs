//! A memory cgroup of a test's own, v1 or v2, with a limit, removed when dropped. Refuses to touch any other.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "makes cgroups on the machine")]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::require;

/// A directory below the memory hierarchy.
pub struct MemoryCgroup {
    directory: PathBuf,
    v2: bool,
}

impl MemoryCgroup {
    /// Makes one below `root`, where others have theirs as well, with a limit; without a limit for `None`.
    pub fn new(root: &Path, name: &str, limit: Option<u64>) -> io::Result<Self> {
        Self::make(root.join(require::own_name(name)), limit)
    }

    /// Makes one inside of this one.
    pub fn child(&self, name: &str, limit: Option<u64>) -> io::Result<Self> {
        Self::make(self.directory.join(name), limit)
    }

    fn make(directory: PathBuf, limit: Option<u64>) -> io::Result<Self> {
        fs::create_dir(&directory)?;
        // Whatever our umask is: those without rights look at it too.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let v2 = directory.join("cgroup.controllers").exists();
        let cgroup = Self { directory, v2 };
        if let Some(limit) = limit {
            let limit = limit.to_string();
            // Who fills it is killed, also on a machine that has swap. Not every kernel counts swap.
            let (file, swap, swap_limit) = if v2 {
                ("memory.max", "memory.swap.max", "0")
            } else {
                ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", &*limit)
            };
            cgroup.write(file, &limit)?;
            if cgroup.directory.join(swap).exists() {
                cgroup.write(swap, swap_limit)?;
            }
        }
        Ok(cgroup)
    }

    /// Hands the memory controller on to children (v2; v1 always does).
    pub fn delegate(&self) -> io::Result<()> {
        if self.v2 { self.write("cgroup.subtree_control", "+memory") } else { Ok(()) }
    }

    pub fn is_v2(&self) -> bool {
        self.v2
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its path as `/proc/PID/cgroup` tells it.
    pub fn path(&self) -> String {
        let root = if self.v2 { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" };
        self.directory.to_string_lossy().strip_prefix(root).unwrap_or_default().to_owned()
    }

    pub fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.directory.join(file), text)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }

    pub fn adopt(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Who is in it, in the order of attaching (v2).
    pub fn members(&self) -> Vec<u64> {
        self.read("cgroup.procs").split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// v1: tasks that hit the limit wait, instead of one being killed.
    pub fn hold(&self, held: bool) -> io::Result<()> {
        self.write("memory.oom_control", if held { "1" } else { "0" })
    }

    /// v1: a task is waiting at the limit.
    pub fn is_under_oom(&self) -> bool {
        self.read("memory.oom_control").lines().any(|line| line == "under_oom 1")
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // Members die asynchronously, on a busy machine after seconds; an empty cgroup is removed at the first try.
        for _ in 0..6000 {
            for pid in self.members() {
                if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            if fs::remove_dir(&self.directory).is_ok() || !self.directory.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
