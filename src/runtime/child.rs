//! The command of `oomtop run` as a process: starts it as it would have started without us, takes its status and that of
//! every orphan below it, passes on what is sent to us. Refuses to change anything that the command could see: its process
//! group is ours, so that a terminal stops, continues and interrupts both, and `| less` behind us keeps the terminal.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, set_child_subreaper, setsid, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{START, StartConfig};
use crate::units;

use super::job::{self, Job};

/// Why a command could not be started, as a shell tells it apart.
#[derive(Debug)]
pub struct NotStarted {
    /// 127: not found; 126: found, and cannot be executed.
    pub status: u8,
    /// What the kernel said.
    pub cause: io::Error,
}

/// A running command.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// It has a session and a process group of its own, and no terminal.
    apart: bool,
}

impl Child {
    /// Starts the command, and makes us the one to whom all that it leaves behind is handed.
    ///
    /// # Errors
    /// It cannot be executed.
    pub fn start(mut command: Command, apart: bool) -> Result<Self, NotStarted> {
        // Without this right to orphans (a kernel before 3.4) those that fork twice are lost from sight, nothing else.
        let _ = set_child_subreaper(Some(rustix::process::getpid()));
        let started = command.spawn().map_err(|cause| NotStarted { status: status_of(&cause), cause })?;
        let pid = i32::try_from(started.id()).ok().and_then(Pid::from_raw);
        // Its status is taken by `reap`, as one of all our children.
        pid.map(|pid| Self { pid, apart })
            .ok_or_else(|| NotStarted { status: 126, cause: io::Error::other("no process number") })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> units::Pid {
        units::Pid(self.pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// The job that it and we are, where it is in our process group.
    #[must_use]
    pub fn job(&self) -> Option<Job> {
        (!self.apart).then(|| Job::of(self.pid))
    }

    /// Passes a signal on, unless the terminal has sent it to both of us: to the command, or to all of its process group
    /// where that is not ours. It is not reaped yet: nobody else can have its number.
    pub fn pass_on(&self, signal: i32) {
        let Some(named) = Signal::from_named_raw(signal) else { return };
        let _ = match self.apart {
            true => kill_process_group(self.pid, named),
            false if TERMINAL_SENDS.contains(&named) && job::is_in_foreground() => Ok(()),
            false => kill_process(self.pid, named),
        };
    }
}

/// Whether there is such a program, looked for as execvp(3) does: asked before somebody else is to execute it for us, whose
/// failure would look like one of the command.
///
/// # Errors
/// There is none.
#[expect(clippy::disallowed_methods, reason = "looks where the command will be looked for")]
pub fn find(program: &OsStr) -> Result<(), NotStarted> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let is_path = program.as_bytes().contains(&b'/');
    if is_path && Path::new(program).exists()
        || !is_path && std::env::split_paths(&path).any(|at| at.join(program).exists())
    {
        return Ok(());
    }
    let cause = io::Error::from(rustix::io::Errno::NOENT);
    Err(NotStarted { status: status_of(&cause), cause })
}

/// 127 and 126, as shells use them (POSIX 2.8.2).
fn status_of(cause: &io::Error) -> u8 {
    if cause.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// What wait(2) tells of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended, with this wait status.
    Ended(i32),
    /// It was stopped.
    Stopped,
    /// It goes on.
    Continued,
}

/// Those of our children for whom another thread waits. Nobody is reaped while it is held.
static WAITED_FOR_ELSEWHERE: Mutex<Vec<Elsewhere>> = Mutex::new(Vec::new());

/// A child for which another thread waits; how it ended, where [`reap`] came first.
struct Elsewhere {
    pid: u32,
    ended: Option<ExitStatus>,
}

/// A child that is no part of what is followed, in a process group of its own: whoever starts it waits for it.
#[derive(Debug)]
pub struct Aside(std::process::Child);

impl Aside {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut elsewhere = WAITED_FOR_ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.process_group(0).spawn()?;
        elsewhere.push(Elsewhere { pid: child.id(), ended: None });
        Ok(Self(child))
    }

    /// How it ended; `None`: it lives.
    ///
    /// # Errors
    /// wait(2) fails.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut elsewhere = WAITED_FOR_ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended(&mut elsewhere)
    }

    fn ended(&mut self, elsewhere: &mut [Elsewhere]) -> io::Result<Option<ExitStatus>> {
        let pid = self.0.id();
        match elsewhere.iter().find(|other| other.pid == pid).and_then(|other| other.ended) {
            Some(status) => Ok(Some(status)),
            None => self.0.try_wait(),
        }
    }

    /// Kills it with all of its process group, unless it has ended.
    ///
    /// # Errors
    /// wait(2) fails.
    pub fn kill(&mut self) -> io::Result<()> {
        let mut elsewhere = WAITED_FOR_ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reaps it meanwhile, so its number is still its own.
        if self.ended(&mut elsewhere)?.is_none()
            && let Some(group) = Pid::from_raw(self.0.id().cast_signed())
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let mut elsewhere = WAITED_FOR_ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.retain(|other| other.pid != self.0.id());
    }
}

/// Takes what has become of our children, but of those for whom another thread waits.
pub fn reap(mut each: impl FnMut(units::Pid, Change)) {
    const WANTED: WaitOptions = WaitOptions::NOHANG.union(WaitOptions::UNTRACED).union(WaitOptions::CONTINUED);
    loop {
        let mut elsewhere = WAITED_FOR_ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(Some((pid, status))) = wait(WANTED) else { return };
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        if let Some(other) = elsewhere.iter_mut().find(|other| other.pid == number) {
            let has_ended = !status.stopped() && !status.continued();
            other.ended = has_ended.then(|| ExitStatus::from_raw(status.as_raw())).or(other.ended);
            continue;
        }
        drop(elsewhere);
        let change = if status.stopped() {
            Change::Stopped
        } else if status.continued() {
            Change::Continued
        } else {
            Change::Ended(status.as_raw())
        };
        each(units::Pid(number), change);
    }
}

/// What comes from outside while a command runs, as often as a person, a shell or the kernel sends it. What its tests tell
/// comes another way: there may be any amount of that, and none of this may be lost behind it.
#[derive(Debug)]
pub enum Notice {
    /// Some child has ended, was stopped or goes on.
    Child,
    /// This signal was sent to us.
    Signal(i32),
    /// The user asked by a key that the command get this signal.
    Key(i32),
    /// The screen is left for the shell: the command is to be stopped, and this told when it is.
    Stop(std::sync::mpsc::SyncSender<()>),
    /// The screen is back: the command is to go on.
    Continue,
}

/// The signals that are passed on. What was ignored when we were started (nohup, a shell's background job) stays ignored,
/// also for the command, which inherits that.
const PASSED_ON: [Signal; 6] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];

/// Those of them that come of keys.
const TERMINAL_SENDS: [Signal; 2] = [Signal::INT, Signal::QUIT];

/// Listens, for a command that is apart or not; must be called inside a tokio runtime, before the command is started.
///
/// # Errors
/// The kernel refused.
pub fn listen(apart: bool, sender: &mpsc::Sender<Notice>) -> io::Result<()> {
    let mut changed = signal(SignalKind::child())?;
    let children = sender.clone();
    tokio::spawn(async move { while changed.recv().await.is_some() && children.send(Notice::Child).await.is_ok() {} });
    // A command apart stops with the screen.
    let stop = (!apart).then_some(Signal::TSTP);
    let taken = PASSED_ON.into_iter().chain(stop).filter(|signal| !job::is_ignored(*signal));
    for number in taken.map(Signal::as_raw) {
        let mut arrived = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while arrived.recv().await.is_some() && sender.send(Notice::Signal(number)).await.is_ok() {}
        });
    }
    Ok(())
}

/// Whether an oom_score_adj may be given, asked of a process that ends at once: a command that cannot be started as it was
/// asked for must not look like one that failed.
///
/// # Errors
/// It may not, with the reason.
#[expect(clippy::disallowed_methods, reason = "starts ourselves")]
pub fn may_adjust(adjustment: i16) -> io::Result<()> {
    let mut trial = Command::new("/proc/self/exe");
    let trial = trial.args([START, "--oom-score-adj", &adjustment.to_string()]).stdin(Stdio::null()).output()?;
    if trial.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&trial.stderr);
    Err(io::Error::other(told.trim().trim_start_matches("oomtop: ").to_owned()))
}

/// What happens between fork and exec: `oomtop` is executed with this task, does it and becomes the command. Returns only
/// where that failed.
#[must_use]
pub fn become_command(start: &StartConfig) -> ExitCode {
    let cause = match prepare(start) {
        Ok(()) if start.command.is_empty() => return ExitCode::SUCCESS,
        Ok(()) => {
            #[expect(clippy::disallowed_methods, reason = "becomes the command")]
            let mut command = Command::new(&start.command[0]);
            let cause = command.args(&start.command[1..]).exec();
            tell_not_started(&start.command[0], &cause);
            return ExitCode::from(status_of(&cause));
        }
        Err(cause) => cause,
    };
    let _ = writeln!(io::stderr(), "oomtop: {cause}");
    ExitCode::from(super::run::OWN_FAILURE)
}

fn prepare(start: &StartConfig) -> Result<(), String> {
    if start.session {
        setsid().map_err(|cause| format!("cannot start a session: {cause}"))?;
    }
    if let Some(members) = &start.join {
        write(members, "0").map_err(|cause| format!("cannot join the cgroup ({}): {cause}", members.display()))?;
    }
    if let Some(adjustment) = start.oom_score_adj {
        write(Path::new("/proc/self/oom_score_adj"), &adjustment.to_string()).map_err(|cause| {
            format!("cannot set oom_score_adj to {adjustment}: {cause} (lowering it needs CAP_SYS_RESOURCE)")
        })?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// Says why a command was not started.
pub fn tell_not_started(program: &OsStr, cause: &io::Error) {
    let _ = writeln!(io::stderr(), "oomtop: cannot run {}: {cause}", program.display());
}
