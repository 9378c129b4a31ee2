//! Daemons that kill before the kernel does, with the texts that configure them. Refuses to say what the texts mean:
//! that is `monitor::other_killers`'s.

use super::Unreadable;
use super::process::CgroupPath;

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KillerProgram {
    /// <https://github.com/rfjakob/earlyoom>.
    Earlyoom,
    /// <https://github.com/hakavlad/nohang>.
    Nohang,
    /// systemd-oomd(8).
    SystemdOomd,
}

impl KillerProgram {
    /// As its command is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earlyoom => "earlyoom",
            Self::Nohang => "nohang",
            Self::SystemdOomd => "systemd-oomd",
        }
    }
}

/// A process that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherKiller {
    /// Which daemon.
    pub program: KillerProgram,
    /// It may kill processes of all users, and not only those of our own, who started it.
    pub kills_all: bool,
    /// Its arguments behind the program (and behind its interpreter), each ended by a NUL.
    pub arguments: Box<[u8]>,
    /// What configures it, as it sees its files, in the order in which they count; or why that cannot be read. Nothing
    /// for one that is configured by its arguments alone.
    pub files: Result<Vec<ConfigurationFile>, Unreadable>,
    /// systemd-oomd: the cgroups that are marked for it, in the order of the tree.
    pub marked: Vec<MarkedCgroup>,
}

/// A cgroup with marks that `ManagedOOMPreference=` sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedCgroup {
    /// As in `/proc/PID/cgroup`.
    pub path: CgroupPath,
    /// Whose the cgroups are, from the root down to this one: user ids.
    pub owners: Box<[u32]>,
    /// `user.oomd_avoid`.
    pub avoid: bool,
    /// `user.oomd_omit`.
    pub omit: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFile {
    /// Below the root that the daemon sees.
    pub path: Box<[u8]>,
    /// All of it; of systemd's the lines that say something to systemd-oomd.
    pub text: Box<[u8]>,
}
