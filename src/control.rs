//! Signals and oom_score_adj on a process identity: the only module that touches another process. What it acts on is
//! pinned by a descriptor before the identity is compared, so that nothing ever reaches a process that only has the
//! same number. Refuses to ask for confirmation and to decide whom: both were done above. With `--read-only` it is
//! never constructed.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC};
use rustix::io::Errno;

use crate::units::{Pid, ProcessId, StartTime};

/// The right to touch other processes.
#[derive(Debug)]
pub struct Control {
    proc_root: OwnedFd,
}

/// Why an action did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// The process ended before.
    Gone,
    /// The number belongs to another process now; nothing was done to it.
    Reused,
    /// Which right is missing, in words.
    Denied(&'static str),
    /// What this kernel cannot do safely, in words.
    Unsupported(&'static str),
    /// The numbers in this tree are not the numbers of our own processes.
    NotOurs(PathBuf),
    /// Anything else.
    Failed(Errno),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it has ended already"),
            Self::Reused => f.write_str("its PID now belongs to another process: nothing was done"),
            Self::Denied(right) => f.write_str(right),
            Self::Unsupported(reason) => f.write_str(reason),
            Self::NotOurs(tree) => write!(
                f,
                "these processes are read from {}, not from this machine: they cannot be signalled or changed",
                tree.display()
            ),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ControlError {}

const SIGNAL_RIGHT: &str = "a signal to another user's process needs root or CAP_KILL";
const LOWER_RIGHT: &str = "lowering oom_score_adj needs CAP_SYS_RESOURCE";
const ADJUST_RIGHT: &str = "oom_score_adj of another user's process needs root or CAP_DAC_OVERRIDE";
const NO_PIDFD: &str = "this kernel has no pidfd_open (Linux 5.3), so a signal might reach another process with the \
                        same number";

impl Control {
    /// For the processes of this procfs, which must be that of our own PID namespace: a pidfd is opened by number in
    /// ours, and in a recorded tree, or in the procfs of another namespace, the number means another process.
    ///
    /// # Errors
    /// [`ControlError::NotOurs`], or the directory cannot be opened.
    pub fn open(proc_root: &Path) -> Result<Self, ControlError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let tree = rustix::fs::open(proc_root, flags, Mode::empty()).map_err(ControlError::Failed)?;
        let is_procfs = rustix::fs::fstatfs(&tree).is_ok_and(|found| found.f_type == PROC_SUPER_MAGIC);
        // `self` is our number in the namespace that the procfs was mounted for; where we are not in it, it is missing.
        let own = rustix::process::getpid().to_string();
        let shows_us =
            rustix::fs::readlinkat(&tree, "self", Vec::new()).is_ok_and(|found| found.to_bytes() == own.as_bytes());
        if is_procfs && shows_us { Ok(Self { proc_root: tree }) } else { Err(ControlError::NotOurs(proc_root.into())) }
    }

    /// Sends a signal: the process is pinned by a pidfd, then its start time is compared, then the signal goes to the
    /// pidfd. If the number had been reused before the pidfd was opened, the start time tells; if it is reused after,
    /// the pidfd still means the old process.
    ///
    /// # Errors
    /// See [`ControlError`]; in each case nothing was sent.
    pub fn signal(&self, id: ProcessId, number: i32) -> Result<(), ControlError> {
        let signal = rustix::process::Signal::from_named_raw(number).ok_or(ControlError::Failed(Errno::INVAL))?;
        let pid = i32::try_from(id.pid.0).ok().and_then(rustix::process::Pid::from_raw).ok_or(ControlError::Gone)?;
        let pidfd =
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(|error| match error {
                Errno::SRCH | Errno::INVAL => ControlError::Gone,
                Errno::NOSYS => ControlError::Unsupported(NO_PIDFD),
                other => ControlError::Failed(other),
            })?;
        self.directory(id)?;
        rustix::process::pidfd_send_signal(pidfd, signal).map_err(|error| match error {
            Errno::SRCH => ControlError::Gone,
            Errno::PERM => ControlError::Denied(SIGNAL_RIGHT),
            Errno::NOSYS => ControlError::Unsupported(NO_PIDFD),
            other => ControlError::Failed(other),
        })
    }

    /// Writes oom_score_adj, -1000 to 1000, through the directory of the process whose start time was compared: if the
    /// process ends in between, the write fails with ESRCH, whoever has the number then.
    ///
    /// # Errors
    /// See [`ControlError`]; in each case nothing was written.
    pub fn adjust(&self, id: ProcessId, oom_score_adj: i16) -> Result<(), ControlError> {
        let directory = self.directory(id)?;
        let file = rustix::fs::openat(&directory, "oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| match error {
                Errno::ACCESS | Errno::PERM => ControlError::Denied(ADJUST_RIGHT),
                other => gone_or_failed(other),
            })?;
        // The kernel answers EACCES to the write, not to the opening, when the value is below the lowest that a
        // process with CAP_SYS_RESOURCE has set (fs/proc/base.c __set_oom_adj).
        rustix::io::write(&file, oom_score_adj.to_string().as_bytes()).map(|_| ()).map_err(|error| match error {
            Errno::ACCESS => ControlError::Denied(LOWER_RIGHT),
            Errno::PERM => ControlError::Denied(ADJUST_RIGHT),
            other => gone_or_failed(other),
        })
    }

    /// The directory of the process in procfs, once it is known to be that of this identity. A directory that was
    /// opened stays that of the same process for ever.
    fn directory(&self, id: ProcessId) -> Result<OwnedFd, ControlError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(&self.proc_root, id.pid.to_string(), flags, Mode::empty()).map_err(gone_or_failed)?;
        let found = start_time(&directory).map_err(gone_or_failed)?;
        if found == Some(id.start_time) { Ok(directory) } else { Err(ControlError::Reused) }
    }
}

fn gone_or_failed(error: Errno) -> ControlError {
    match error {
        Errno::NOENT | Errno::SRCH => ControlError::Gone,
        other => ControlError::Failed(other),
    }
}

/// Field 22 of `stat` in a process directory; `None` when the text is not what the kernel writes.
fn start_time(directory: impl AsFd) -> Result<Option<StartTime>, Errno> {
    let file = rustix::fs::openat(directory, "stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; 1024];
    let length = rustix::io::read(file, &mut buffer)?;
    Ok(parse_start_time(&buffer[..length]))
}

/// The name in parentheses may hold anything, also parentheses: fields are counted after the last one.
fn parse_start_time(stat: &[u8]) -> Option<StartTime> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    // Field 3 is the first after the name.
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok().map(StartTime)
}

/// The identity that a process number has now, for numbers that a person typed.
///
/// # Errors
/// No such process, or no such directory.
pub fn identify(proc_root: &Path, pid: Pid) -> Result<ProcessId, ControlError> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(proc_root.join(pid.to_string()), flags, Mode::empty()).map_err(gone_or_failed)?;
    let start_time = start_time(&directory).map_err(gone_or_failed)?.ok_or(ControlError::Failed(Errno::INVAL))?;
    Ok(ProcessId { pid, start_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_start_time() {
        let stat =
            |name: &str| format!("7 ({name}) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 8192 1 18446744");
        for name in ["sleep", "a) R 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 99 (", "", ") ) )", "\u{fffd}\n"] {
            assert_eq!(parse_start_time(stat(name).as_bytes()), Some(StartTime(4242)), "{name:?}");
        }
        for text in ["", "7 (x", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x 8192"] {
            assert_eq!(parse_start_time(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn we_ourselves_can_be_identified() {
        let own = identify(Path::new("/proc"), Pid(std::process::id())).unwrap();
        assert!(own.start_time.0 > 0);
        assert_eq!(identify(Path::new("/nonexistent"), Pid(1)), Err(ControlError::Gone));
    }
}
