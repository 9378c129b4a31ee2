//! `oomtop run` on a terminal: the live screen over the tree of the command, with its output and its verdict. One thread
//! follows the command, one reads what it writes, the screen has the rest. Refuses to give the command the terminal: it
//! would draw over the screen. `--headless` does.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use color_eyre::Result;
use color_eyre::eyre::eyre;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::run::RunView;
use crate::app::{Event, State};
use crate::config::{Config, RunConfig};
use crate::control;
use crate::run::Run;
use crate::run::report::RunReport;
use crate::source::live::Live;
use crate::source::tree::TreeSource;
use crate::units::Pid;

use super::asked::Asked;
use super::child::{NotStarted, Notice};
use super::follow::Followed;
use super::prober::Prober;
use super::protection::Protection;
use super::sampler::Sampler;
use super::session::{self, Readers, WatchedCommand};

/// Between two times that the screen is told how far the command has come.
const TOLD_EVERY: Duration = Duration::from_millis(200);
/// As many of its processes are shown.
const SHOWN: usize = 100;
/// A hang-up of the terminal, for a command that outlived its screen.
const HANG_UP: i32 = 1;

/// Runs the command under the screen, until it has ended and the user has left.
///
/// # Errors
/// No terminal, no procfs, what was asked for cannot be had; the inner one: the command cannot be executed.
pub fn run(config: &Config, asked: &RunConfig, source: TreeSource) -> Result<Result<RunReport, NotStarted>> {
    // While there is one thread: what tests tell is read by another. No child has our memory locked (mlockall(2)).
    let protection = Protection::begin(config);
    let (mut reader, writer) = io::pipe()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let followed = match runtime.block_on(async { Followed::start(asked, source, Some(writer)) })? {
        Ok(followed) => followed,
        Err(reason) => return Ok(Err(reason)),
    };
    let id = control::identify(&config.proc_root, followed.pid());
    let notices = followed.sender();
    let (tell, told) = mpsc::channel(16);
    let output = tell.clone();
    // Ends when the last that holds the pipe has closed it; what it then still reads nobody waits for.
    std::thread::Builder::new().name("output".into()).spawn(move || {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(length @ 1..) = reader.read(&mut chunk) {
            // Also when the screen is gone: the command must not stop for it.
            let _ = output.blocking_send(Event::Output(chunk[..length].to_vec()));
        }
    })?;
    let follower = std::thread::Builder::new().name("follower".into()).spawn(move || {
        let report = runtime.block_on(follow(followed, tell));
        runtime.shutdown_background();
        report
    })?;

    let commands = notices.clone();
    let shown =
        id.map_err(Into::into).and_then(|id| show(config, protection, WatchedCommand { id, notices: commands, told }));
    // A screen that ended before the command did: the terminal is gone, or somebody ended us.
    let _ = notices.blocking_send(Notice::Signal(HANG_UP));
    let report = follower.join().map_err(|_| eyre!("the thread that follows the command has ended"))?;
    match shown {
        Ok(state) => tell_output(&state),
        // The report is what the run was for.
        Err(error) => drop(writeln!(io::stderr(), "oomtop: {error:#}")),
    }
    Ok(Ok(report))
}

/// Follows the command on a thread of its own, and tells the screen.
async fn follow(followed: Followed, tell: mpsc::Sender<Event>) -> RunReport {
    let mut telling = Telling::to(tell.clone());
    let report = followed.to_end(|run| telling.tell(run)).await;
    let _ = tell.send(Event::RunEnded(Arc::new(report.clone()))).await;
    report
}

/// Tells the screen how far a run has come, a few times a second.
pub(super) struct Telling {
    tell: mpsc::Sender<Event>,
    due: Instant,
}

impl Telling {
    pub(super) fn to(tell: mpsc::Sender<Event>) -> Self {
        Self { tell, due: Instant::now() }
    }

    /// The run was looked at.
    pub(super) fn tell(&mut self, run: &Run) {
        let now = Instant::now();
        // A screen that is behind is told the next time.
        if now >= self.due && self.tell.try_send(Event::Progress(Arc::new(run.progress(SHOWN)))).is_ok() {
            self.due = now + TOLD_EVERY;
        }
    }

    /// The screen is gone, or does not want to know.
    pub(super) fn nobody_listens(&self) -> bool {
        self.tell.is_closed()
    }
}

/// The live screen over our own tree.
fn show(config: &Config, protection: Protection, watched: WatchedCommand) -> Result<State> {
    let config = Config { pids: vec![Pid(std::process::id())], ..config.clone() };
    let (proc_root, sys_root) = (config.proc_root.clone(), config.sys_root.clone());
    let asked = Asked::of(&config)?;
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let ended = runtime.block_on(async {
        let readers = Readers {
            sampler: Sampler::start(move || Live::open(&proc_root, &sys_root))?,
            prober: Prober::start(super::prober_of(&config))?,
        };
        session::run(Arc::new(config), asked, readers, protection, Some(watched)).await
    });
    runtime.shutdown_background();
    ended.map(|(_, state)| state)
}

/// What the command wrote, where it would have stood without us: the screen took it away.
fn tell_output(state: &State) {
    let Some(output) = state.run.as_ref().and_then(RunView::output) else { return };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in output.lines() {
        // Nobody there to read it is no failure.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}
