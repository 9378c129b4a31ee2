//! Follows a command from before its start to after its end: looks at its tree, passes on what is sent to it, takes the
//! statuses of whoever ends. Everything on one thread: a look costs less than handing it to another. Refuses to tell.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use color_eyre::Result;
use color_eyre::eyre::eyre;
use rustix::process::Signal;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep};

use crate::config::{GoMemoryLimit, RunConfig, START};
use crate::golang::environment::memory_limit;
use crate::golang::test_events::TestEvent;
use crate::run::report::{Budget, Exit, RunReport, Vantage};
use crate::run::{Run, RunPlan};
use crate::snapshot::kernel_event::OutsideEvent;
use crate::source::tree::TreeSource;
use crate::units::{Bytes, Pid, Timestamp};

use super::child::{self, Change, Child, NotStarted, Notice};
use super::go_test;
use super::job::Job;
use super::own_cgroup::OwnCgroup;

/// How long the kernel may take to write of a kill that it counted.
const LOG_COMES: Duration = Duration::from_millis(300);
/// ^Z.
const STOP: i32 = Signal::TSTP.as_raw();
/// How long what came before the end of the command may take to be heard: until the runtime has looked once.
const ON_ITS_WAY: Duration = Duration::from_millis(1);
/// How long after the end of the command its tests may tell.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A command that was started.
#[derive(Debug)]
pub struct Followed {
    child: Child,
    /// Where it is one with us.
    job: Option<Job>,
    source: TreeSource,
    run: Run,
    notices: Receiver<Notice>,
    sender: Sender<Notice>,
    /// Until they have told all.
    tests: Option<Receiver<TestEvent>>,
    /// Removed when all has been read.
    _cgroup: Option<OwnCgroup>,
}

impl Followed {
    /// Starts it; must be called inside a tokio runtime. With `apart` it writes there, reads nothing and has no terminal;
    /// without, it has ours.
    ///
    /// # Errors
    /// What was asked for cannot be had; the inner one: the command cannot be executed.
    pub fn start(
        asked: &RunConfig,
        mut source: TreeSource,
        apart: Option<PipeWriter>,
    ) -> Result<Result<Self, NotStarted>> {
        if let Some(adjustment) = asked.oom_score_adj {
            child::may_adjust(adjustment)?;
            // The kernel's record of who tried it is none of the run's.
            source.pass(Vec::new(), false);
        }
        let (sender, notices) = channel(64);
        child::listen(apart.is_some(), &sender)?;
        let cgroup = asked.memory_max.map(|limit| OwnCgroup::make(limit, asked.swap_max)).transpose()?;
        let mut run = Run::new(plan(asked, cgroup.as_ref()));
        run.absorb(&source.pass(Vec::new(), true));
        let go_memory_limit = go_memory_limit(asked, &run)?;
        run.will_have_go_memory_limit(go_memory_limit.or_else(inherited_go_memory_limit));
        if let Some(cgroup) = &cgroup {
            source.expect_in(&cgroup.membership());
        }
        let is_apart = apart.is_some();
        let mut start = command(asked, cgroup.as_ref(), go_memory_limit, apart.as_ref())?;
        let tests = if asked.tests { Some(go_test::tell_through(asked, &mut start, apart)?) } else { None };
        let started = child::find(&asked.command[0]).and_then(|()| Child::start(start, is_apart));
        if let Some(child) = started.as_ref().ok().filter(|_| is_apart) {
            source.expect_apart(child.pid());
        }
        Ok(started.map(|child| Self { job: child.job(), child, source, run, notices, sender, tests, _cgroup: cgroup }))
    }

    /// The number of the command. It is not reaped before it was followed to its end: nobody else can have it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Where to put signals for the command that did not come to us as signals.
    #[must_use]
    pub fn sender(&self) -> Sender<Notice> {
        self.sender.clone()
    }

    /// Follows it to its end; `look_on` is shown the run after every pass.
    pub async fn to_end(mut self, mut look_on: impl FnMut(&Run)) -> RunReport {
        let wait_status = self.until_end(&mut look_on).await;
        self.hear_tests_out().await;
        settle(&mut self.source, &mut self.run, wait_status & 0x7f == 9).await;
        self.run.finish(Some(Exit::of_wait_status(wait_status)), self.source.exit_records())
    }

    /// What tests told comes through go: the last of it may be on its way. Who was left behind may hold the pipe for long.
    async fn hear_tests_out(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        while let Ok(told) = tokio::time::timeout_at(until, hear(&mut self.tests)).await
            && !told.is_empty()
        {
            for event in &told {
                self.run.take_test(event);
            }
        }
    }

    /// Looks at the tree until the command has ended; its wait status.
    async fn until_end(&mut self, look_on: &mut impl FnMut(&Run)) -> i32 {
        let mut events = Vec::new();
        let status = loop {
            let snapshot = self.source.pass(std::mem::take(&mut events), false);
            self.run.absorb(&snapshot);
            look_on(&self.run);
            if let Some(job) = &mut self.job {
                job.follow_command();
            }
            if let Some(status) = self.until_next_look(snapshot.ended, &mut events).await {
                self.hear_what_came_before(snapshot.ended, &mut events).await;
                break status;
            }
        };
        self.run.absorb(&self.source.pass(events, false));
        status
    }

    /// Takes what comes until it is time to look again; the wait status of the command, if that ends first.
    async fn until_next_look(&mut self, at: Timestamp, events: &mut Vec<OutsideEvent>) -> Option<i32> {
        let pause = sleep(self.source.pause());
        tokio::pin!(pause);
        loop {
            let notice = tokio::select! {
                // What was stopped until now is to be known before it is looked at.
                () = &mut pause => return self.take_statuses(at, events),
                notice = self.notices.recv() => notice,
                told = hear(&mut self.tests), if self.tests.is_some() => {
                    self.take_tests(&told, events);
                    continue;
                }
            };
            match notice {
                Some(Notice::Child) => {
                    let ended = self.take_statuses(at, events);
                    if ended.is_some() {
                        return ended;
                    }
                }
                Some(ref notice @ (Notice::Signal(signal) | Notice::Key(signal))) => match &mut self.job {
                    Some(job) if signal == STOP => job.asked_to_stop(),
                    _ => {
                        let by_key = matches!(notice, Notice::Key(_));
                        events.push(OutsideEvent::Signalled { signal, by_key, at });
                        self.child.pass_on(signal);
                    }
                },
                Some(Notice::Stop(done)) => {
                    self.child.pass_on(Signal::STOP.as_raw());
                    let _ = done.send(());
                }
                Some(Notice::Continue) => self.child.pass_on(Signal::CONT.as_raw()),
                // We hold a sender ourselves.
                None => return None,
            }
        }
    }

    /// What was sent to us before the command ended, or what ended it and us at once, as ^C does, may be heard after its end.
    /// Nothing is passed on any more: it is reaped.
    async fn hear_what_came_before(&mut self, at: Timestamp, events: &mut Vec<OutsideEvent>) {
        sleep(ON_ITS_WAY).await;
        // Those who listen have their turn before us.
        tokio::task::yield_now().await;
        self.notices.close();
        while let Ok(notice) = self.notices.try_recv() {
            match notice {
                Notice::Signal(STOP) | Notice::Child | Notice::Stop(_) | Notice::Continue => {}
                Notice::Signal(signal) => events.push(OutsideEvent::Signalled { signal, by_key: false, at }),
                Notice::Key(signal) => events.push(OutsideEvent::Signalled { signal, by_key: true, at }),
            }
        }
    }

    /// Takes what tests told, after a look at what they hold now.
    fn take_tests(&mut self, told: &[TestEvent], events: &mut Vec<OutsideEvent>) {
        if told.is_empty() {
            self.tests = None;
            return;
        }
        self.source.hurry();
        self.run.absorb(&self.source.pass(std::mem::take(events), false));
        for event in told {
            self.run.take_test(event);
        }
    }

    /// Takes what has become of whom; the wait status of the command, when it has ended.
    fn take_statuses(&mut self, at: Timestamp, events: &mut Vec<OutsideEvent>) -> Option<i32> {
        let mut own = None;
        let (command, source, job) = (self.child.pid(), &self.source, &mut self.job);
        // It may have ended before it could be told that it went on.
        let mut went_on = job.as_mut().is_some_and(Job::was_continued);
        child::reap(|pid, change| match change {
            Change::Ended(wait_status) => {
                own = own.or((pid == command).then_some(wait_status));
                events.extend(source.identity(pid).map(|id| OutsideEvent::ChildExit { id, at, wait_status }));
            }
            Change::Stopped | Change::Continued if pid == command => {
                went_on |= change == Change::Continued;
                if let Some(job) = job {
                    job.command_changed(change == Change::Stopped);
                }
            }
            Change::Stopped | Change::Continued => {}
        });
        events.extend(went_on.then_some(OutsideEvent::Continued));
        own
    }
}

/// All that tests have told and nobody has heard, at least one event; nothing where they tell no more.
async fn hear(tests: &mut Option<Receiver<TestEvent>>) -> Vec<TestEvent> {
    let mut told = Vec::new();
    if let Some(tests) = tests {
        tests.recv_many(&mut told, go_test::WAITING).await;
    }
    told
}

fn plan(asked: &RunConfig, cgroup: Option<&OwnCgroup>) -> RunPlan {
    let budget = (asked.budget.is_some() || asked.budget_per_test.is_some()).then(|| Budget {
        tree: asked.budget,
        per_test: asked.budget_per_test,
        is_by_sum: false,
        exceeded: Vec::new(),
        warns_only: asked.warn,
    });
    let bytes = |word: &OsString| Box::from(word.as_bytes());
    RunPlan {
        command: asked.command.iter().map(bytes).collect(),
        vantage: Vantage::Above,
        own_cgroup: cgroup.map(|cgroup| cgroup.path().into()),
        budget,
        tests: asked.tests,
        started_through: Some(START),
        ..RunPlan::default()
    }
}

/// The command has our environment.
#[expect(clippy::disallowed_methods, reason = "what the command inherits is no setting of ours")]
fn inherited_go_memory_limit() -> Option<Bytes> {
    memory_limit(&std::env::var("GOMEMLIMIT").ok()?)
}

/// GOMEMLIMIT for the command: what was asked for, or 90 % of the limit that it will meet.
fn go_memory_limit(asked: &RunConfig, run: &Run) -> Result<Option<Bytes>> {
    match asked.go_memory_limit {
        None => Ok(None),
        Some(GoMemoryLimit::Of(limit)) => Ok(Some(limit)),
        Some(GoMemoryLimit::Auto) => {
            let limit = asked.memory_max.or_else(|| run.limit());
            let limit = limit.ok_or_else(|| {
                eyre!(
                    "--gomemlimit auto is 90 % of the memory limit, and there is none: add \
                                      --memory-max"
                )
            })?;
            Ok(Some(Bytes(limit.0 / 10 * 9)))
        }
    }
}

/// The command itself, or ourselves where something must happen between fork and exec.
#[expect(clippy::disallowed_methods, reason = "starts what it was asked to start")]
fn command(
    asked: &RunConfig,
    cgroup: Option<&OwnCgroup>,
    go_memory_limit: Option<Bytes>,
    apart: Option<&PipeWriter>,
) -> io::Result<Command> {
    let (program, arguments) = (&asked.command[0], go_test::arguments(asked)?);
    let mut command = if cgroup.is_none() && asked.oom_score_adj.is_none() && apart.is_none() {
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
        if apart.is_some() {
            start.arg("--session");
        }
        start.arg("--").arg(program);
        start
    };
    command.args(arguments);
    if let Some(limit) = go_memory_limit {
        command.env("GOMEMLIMIT", limit.0.to_string());
    }
    if let Some(output) = apart {
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    }
    Ok(command)
}

/// The last look: at counters, records and the log. The kernel sends the signal first and writes of it then.
pub(super) async fn settle(source: &mut TreeSource, run: &mut Run, is_killed: bool) {
    run.absorb(&source.pass(Vec::new(), true));
    let until = Instant::now() + LOG_COMES;
    while (run.counted_kills() > 0 || is_killed) && !run.is_explained() && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
        run.absorb(&source.pass(Vec::new(), true));
    }
}
