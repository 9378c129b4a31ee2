//! `oomtop run --headless`: starts the command, looks at its tree until it has ended, and tells. Everything on one thread:
//! a look costs less than handing it to another. Refuses to stand between the command and its files.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};

use crate::config::{Config, GoMemoryLimit, RunConfig, START};
use crate::export::run::{ReportFormat, write, write_text};
use crate::run::report::{Budget, Exit, RunReport};
use crate::run::{Run, RunPlan};
use crate::snapshot::kernel_event::OutsideEvent;
use crate::source::tree::TreeSource;
use crate::units::{Bytes, Timestamp};

use super::child::{self, Child, NotStarted, Notice};
use super::own_cgroup::OwnCgroup;

/// oomtop itself failed.
pub const OWN_FAILURE: u8 = 125;
/// The budget was exceeded.
const OVER_BUDGET: u8 = 124;
/// How long the kernel may take to write of a kill that it counted.
const LOG_COMES: Duration = Duration::from_millis(300);

/// Runs the command; the status to exit with.
#[must_use]
pub fn run(config: &Config, asked: &RunConfig) -> ExitCode {
    ExitCode::from(watch(config, asked).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "oomtop: {error:#}");
        OWN_FAILURE
    }))
}

fn watch(config: &Config, asked: &RunConfig) -> Result<u8> {
    let mut outputs = outputs(asked)?;
    let mut source = TreeSource::open(&config.proc_root, &config.sys_root)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let ending = runtime.block_on(follow(asked, &mut source))?;
    runtime.shutdown_background();
    let report = match ending {
        Ok(report) => report,
        Err(NotStarted { status, cause }) => {
            child::tell_not_started(&asked.command[0], &cause);
            return Ok(status);
        }
    };
    // Nobody there to read it is no failure of the command.
    let _ = write_text(&mut BufWriter::new(io::stderr().lock()), &report);
    let mut status = report.exit.status();
    for (path, format, file) in &mut outputs {
        if let Err(cause) = write(&mut BufWriter::new(file), &report, *format) {
            let _ = writeln!(io::stderr(), "oomtop: cannot write the report to {}: {cause}", path.display());
            status = if status == 0 { OWN_FAILURE } else { status };
        }
    }
    let over = report.budget.as_ref().is_some_and(|budget| !budget.exceeded.is_empty() && !budget.warns_only);
    Ok(if over && status == 0 { OVER_BUDGET } else { status })
}

/// Opens the files of the reports: what cannot be written is told before the command has run for an hour.
fn outputs(asked: &RunConfig) -> Result<Vec<(&Path, ReportFormat, File)>> {
    asked.reports.iter().map(|path| output(path)).collect()
}

fn output(path: &Path) -> Result<(&Path, ReportFormat, File)> {
    let endings = "--report writes FILE.json, FILE.md or FILE.xml";
    let format = ReportFormat::of(path).ok_or_else(|| eyre!("{}: {endings}", path.display()))?;
    let file = File::options().write(true).create(true).truncate(true).open(path);
    Ok((path, format, file.wrap_err_with(|| path.display().to_string())?))
}

/// Starts the command and follows it to its end.
async fn follow(asked: &RunConfig, source: &mut TreeSource) -> Result<Result<RunReport, NotStarted>> {
    let mut notices = child::listen(child::ignored_signals())?;
    // Removed when all has been read.
    let cgroup = asked.memory_max.map(|limit| OwnCgroup::make(limit, asked.swap_max)).transpose()?;
    let mut run = Run::new(plan(asked, cgroup.as_ref()));
    run.absorb(&source.pass(Vec::new(), true));
    let go_memory_limit = go_memory_limit(asked, &run)?;
    if let Some(cgroup) = &cgroup {
        source.expect_in(&cgroup.membership());
    }
    let found = child::find(&asked.command[0]);
    let child = match found.and_then(|()| Child::start(command(asked, cgroup.as_ref(), go_memory_limit))) {
        Ok(child) => child,
        Err(reason) => return Ok(Err(reason)),
    };
    let wait_status = until_end(&child, source, &mut run, &mut notices).await;
    settle(source, &mut run, wait_status).await;
    Ok(Ok(run.finish(Exit::of_wait_status(wait_status), source.exit_records())))
}

fn plan(asked: &RunConfig, cgroup: Option<&OwnCgroup>) -> RunPlan {
    let budget = (asked.budget.is_some() || asked.budget_per_test.is_some()).then(|| Budget {
        tree: asked.budget,
        per_test: asked.budget_per_test,
        exceeded: Vec::new(),
        warns_only: asked.warn,
    });
    let bytes = |word: &OsString| Box::from(word.as_bytes());
    RunPlan {
        command: asked.command.iter().map(bytes).collect(),
        own_cgroup: cgroup.map(|cgroup| cgroup.path().into()),
        budget,
    }
}

/// GOMEMLIMIT for the command: what was asked for, or 90 % of the limit that it will meet.
fn go_memory_limit(asked: &RunConfig, run: &Run) -> Result<Option<Bytes>> {
    match asked.go_memory_limit {
        None => Ok(None),
        Some(GoMemoryLimit::Of(limit)) => Ok(Some(limit)),
        Some(GoMemoryLimit::Auto) => {
            let limit = asked.memory_max.or_else(|| run.limit());
            let limit = limit
                .ok_or_else(|| eyre!("--gomemlimit auto: there is no limit to take 90 % of; give --memory-max"))?;
            Ok(Some(Bytes(limit.0 / 10 * 9)))
        }
    }
}

/// The command itself, or ourselves where something must happen between fork and exec.
#[expect(clippy::disallowed_methods, reason = "starts what it was asked to start")]
fn command(asked: &RunConfig, cgroup: Option<&OwnCgroup>, go_memory_limit: Option<Bytes>) -> Command {
    let (program, arguments) = (&asked.command[0], &asked.command[1..]);
    let mut command = if cgroup.is_none() && asked.oom_score_adj.is_none() {
        Command::new(program)
    } else {
        // Not by its path: that may have been replaced since we were started.
        let mut start = Command::new("/proc/self/exe");
        start.arg(START);
        if let Some(cgroup) = cgroup {
            start.arg("--join").arg(cgroup.members());
        }
        if let Some(adjustment) = asked.oom_score_adj {
            start.arg("--oom-score-adj").arg(adjustment.to_string());
        }
        start.arg("--").arg(program);
        start
    };
    command.args(arguments);
    if let Some(limit) = go_memory_limit {
        command.env("GOMEMLIMIT", limit.0.to_string());
    }
    command
}

/// Looks at the tree until the command has ended; its wait status.
async fn until_end(child: &Child, source: &mut TreeSource, run: &mut Run, notices: &mut Receiver<Notice>) -> i32 {
    let mut events = Vec::new();
    loop {
        let snapshot = source.pass(std::mem::take(&mut events), false);
        run.absorb(&snapshot);
        let at = snapshot.ended;
        let pause = sleep(source.pause());
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                notice = notices.recv() => match notice {
                    Some(Notice::ChildEnded) => {
                        if let Some(status) = take_statuses(child, source, at, &mut events) {
                            run.absorb(&source.pass(events, false));
                            return status;
                        }
                    }
                    Some(Notice::Signal(signal)) => {
                        events.push(OutsideEvent::Signalled { signal, at });
                        if !child::terminal_sends_to_both(signal) {
                            child.send(signal);
                        }
                    }
                    // The tasks that listen live as long as the runtime.
                    None => break,
                },
            }
        }
    }
}

/// Takes the status of whoever has ended; that of the command, when it is among them.
fn take_statuses(child: &Child, source: &TreeSource, at: Timestamp, events: &mut Vec<OutsideEvent>) -> Option<i32> {
    let mut own = None;
    child::reap(|pid, wait_status| {
        if pid == child.pid() {
            own = Some(wait_status);
        }
        if let Some(id) = source.identity(pid) {
            events.push(OutsideEvent::ChildExit { id, at, wait_status });
        }
    });
    own
}

/// The last look: at counters, records and the log. The kernel sends the signal first and writes of it then.
async fn settle(source: &mut TreeSource, run: &mut Run, wait_status: i32) {
    run.absorb(&source.pass(Vec::new(), true));
    let until = Instant::now() + LOG_COMES;
    let is_killed = wait_status & 0x7f == 9;
    while (run.counted_kills() || is_killed) && !run.is_explained() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
        run.absorb(&source.pass(Vec::new(), true));
    }
}
