//! Where snapshots come from: the live machine, or a tree of files that looks like one. Refuses to conclude anything
//! and to choose between facts that the kernel tells twice: it reads, with the time of each reading, and says what
//! could not be read and why. A process that vanishes, hides or writes nonsense is a fact, never an error.

pub mod attention;
pub mod cgroup_files;
pub mod exit_records;
pub mod kmsg;
pub mod live;
pub mod picked;
pub mod prober;
pub mod proc_files;
pub mod smaps;
pub mod sockets;
pub mod system_files;
pub mod tree;

mod cgroupfs;
mod clock;
mod files;
mod go_memory;
mod limits;
mod listing;
mod machine;
mod managed_oom;
mod other_killers;
mod programs;
mod recycler;
mod regions;
mod roster;
mod rotation;
mod smaps_line;
mod targets;
mod warm;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::snapshot::Snapshot;
use crate::snapshot::needs::Needs;

pub use machine::is_initial_pid_namespace;

/// What gives one snapshot after another.
pub trait Source {
    /// One pass: reads what `needs` asks for and what is always read.
    ///
    /// # Errors
    /// Only where the pass as a whole is impossible (the list of processes cannot be read); never because of one
    /// process or one file.
    fn sample(&mut self, needs: &Needs) -> Result<Arc<Snapshot>, SourceError>;
}

/// Why there can be no snapshot at all.
#[derive(Debug)]
pub enum SourceError {
    /// The root of procfs cannot be opened.
    Open {
        /// Which directory.
        path: PathBuf,
        /// What the kernel said.
        cause: std::io::Error,
    },
    /// The list of processes cannot be read.
    List {
        /// Which directory.
        path: PathBuf,
        /// What the kernel said.
        cause: std::io::Error,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, cause } => write!(
                f,
                "cannot open {}: {cause}. Is procfs mounted there? Mount it with `mount -t proc proc /proc`, or name \
                 another place with --proc DIR",
                path.display()
            ),
            Self::List { path, cause } => {
                write!(
                    f,
                    "cannot list the processes in {}: {cause}. Is procfs mounted and readable there?",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open { cause, .. } | Self::List { cause, .. } => Some(cause),
        }
    }
}
