//! One session on the screen: the select loop. Everything that is ready is taken in first, then one frame is drawn if
//! something changed. Refuses to block: what may take long is on a thread of its own.

mod effects;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use color_eyre::Result;
use color_eyre::eyre::eyre;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::app::{self, Event, Refusal, State, Tone};
use crate::config::Config;
use crate::control::Control;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::Snapshot;
use crate::snapshot::needs::Needs;
use crate::ui;
use crate::units::ProcessId;

use super::Ending;
use super::actor::Actor;
use super::asked::Asked;
use super::child;
use super::hook::Hook;
use super::input::Decoder;
use super::outside::Wanted;
use super::prober::Prober;
use super::profiles::Profiles;
use super::protection::Protection;
use super::sampler::{Pass, Sampler};
use super::signals::{Notice, Signals};
use super::terminal::{Heard, Terminal};

/// How long after an ESC nothing must come for it to be the Escape key: longer than the pieces of one sequence are
/// apart on a slow link, shorter than a person notices.
const ESCAPE_PATIENCE: Duration = Duration::from_millis(40);

/// A frame that nobody waits for comes this much later, so that what the prober finds after a pass is in the same
/// frame and not in a second one. A frame that answers a key comes at once.
const SETTLING: Duration = Duration::from_millis(20);

/// How long actions that still run may delay the end, once the terminal is given back.
const LAST_ACTIONS: Duration = Duration::from_millis(500);

const READ_ONLY: &str = "read-only: signals and oom_score_adj changes are off";

/// Runs a session for the processes asked for; must be called inside a tokio runtime.
pub async fn run(
    config: Arc<Config>,
    asked: Asked,
    readers: Readers,
    protection: Protection,
    watched: Option<WatchedCommand>,
) -> Result<(Ending, State)> {
    let control = if config.read_only {
        Err(Refusal::Unsupported(READ_ONLY.into()))
    } else {
        Control::open(&config.proc_root).map_err(Refusal::from)
    };
    let mut signals = Signals::listen()?;
    #[expect(clippy::disallowed_methods, reason = "what kind of terminal it is, is a property of the terminal")]
    let kind = std::env::var_os("TERM");
    let terminal = Terminal::open(kind, config.mouse)?;
    let mut state = State::new(Arc::clone(&config), terminal.size());
    state.forbidden = control.as_ref().err().map(|refusal| refusal.words().into());
    if let Some(missing) = asked.missing(&config) {
        state.say(Tone::Bad, missing);
    }
    state.list.roots.clone_from(&asked.found);
    let mut may_be_go_tests = asked.found;
    let (command, told) = match watched {
        Some(WatchedCommand { id, notices, told }) => {
            state.begin_run(id);
            may_be_go_tests.clear();
            (Some(notices), told)
        }
        None => (None, silence()),
    };
    let (actor, mut outcomes) = Actor::start(control)?;
    let (hook, mut hooked) = Hook::start(&config.alarm, protection.of_children())?;
    let (profiles, mut profiled) = Profiles::new(config.proc_root.clone(), config.profile_directory.clone());
    let mut session = Session {
        state,
        monitor: Monitor::new(MonitorConfig::with_warning(&config.warning)),
        terminal,
        sampler: readers.sampler,
        prober: readers.prober,
        actor,
        hook,
        profiles,
        protection: Some(protection),
        command,
        told,
        needs: Needs::default(),
        inspected: None,
        frame_due: Some(Instant::now()),
        ending: None,
        stopped: false,
    };
    // The first frame stands before anything was read.
    session.draw();
    if !may_be_go_tests.is_empty() {
        session.watch(Wanted::GoTestsOf(may_be_go_tests));
    }
    let mut clock = tokio::time::interval(config.interval);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut decoder = Decoder::default();
    let ending = loop {
        if let Some(ending) = session.ending.take() {
            break ending;
        }
        let told = [&mut hooked, &mut profiled];
        session.turn(&mut signals, &mut clock, &mut decoder, &mut outcomes, told).await?;
        session.draw();
    };
    let Session { state, terminal, actor, .. } = session;
    // Given back before anything is waited for.
    drop((terminal, actor));
    // What was asked for just before is still done: the channel ends when the last action has told its outcome.
    let done = async { while outcomes.recv().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ACTIONS, done).await;
    Ok((ending, state))
}

/// Where nothing is ever told.
fn silence() -> mpsc::Receiver<Event> {
    mpsc::channel(1).1
}

/// A command whose run is shown.
pub struct WatchedCommand {
    /// Which it is.
    pub id: ProcessId,
    /// Where to put signals for it.
    pub notices: mpsc::Sender<child::Notice>,
    /// What is told of it.
    pub told: mpsc::Receiver<Event>,
}

/// The two threads that read.
pub struct Readers {
    /// What takes no lock of a target.
    pub sampler: Sampler,
    /// What does.
    pub prober: Prober,
}

struct Session {
    state: State,
    monitor: Monitor,
    terminal: Terminal,
    sampler: Sampler,
    prober: Prober,
    actor: Actor,
    hook: Hook,
    profiles: Profiles,
    /// Until it is complete.
    protection: Option<Protection>,
    /// Where to put signals for the command that is watched.
    command: Option<mpsc::Sender<child::Notice>>,
    /// What is told of a command that is watched.
    told: mpsc::Receiver<Event>,
    /// What the screen wants read.
    needs: Needs,
    inspected: Option<ProcessId>,
    /// When the next frame is due; `None`: nothing changed since the last one.
    frame_due: Option<Instant>,
    ending: Option<Ending>,
    /// We stopped ourselves: the SIGCONT that follows is answered already.
    stopped: bool,
}

impl Session {
    /// Waits for whatever comes first and takes it in.
    async fn turn(
        &mut self,
        signals: &mut Signals,
        clock: &mut Interval,
        decoder: &mut Decoder,
        outcomes: &mut mpsc::Receiver<Event>,
        [hooked, profiled]: [&mut mpsc::Receiver<Event>; 2],
    ) -> Result<()> {
        let mut input = [0; 1024];
        tokio::select! {
            heard = self.terminal.read(&mut input) => match heard {
                Heard::Bytes(count) => decoder.feed(&input[..count], &mut |event| self.tell(event)),
                Heard::HungUp => self.ending = Some(Ending::HungUp),
            },
            () = tokio::time::sleep(ESCAPE_PATIENCE), if decoder.is_waiting() => {
                decoder.expire(&mut |event| self.tell(event));
            }
            notice = signals.next() => self.obey(notice),
            _ = clock.tick() => self.sample(),
            pass = self.sampler.pass() => self.take_pass(pass)?,
            Some(snapshot) = self.prober.probe() => self.absorb(&snapshot),
            Some(event) = outcomes.recv() => {
                self.tell(event);
                // The world was changed: do not let the screen say the old for another interval.
                self.sample();
            }
            Some(event) = hooked.recv() => self.tell(event),
            Some(event) = profiled.recv() => self.tell(event),
            Some(event) = self.told.recv() => self.tell(event),
            () = until(self.frame_due), if self.frame_due.is_some() && !self.terminal.is_behind() => {}
            () = self.terminal.writable(), if self.terminal.is_behind() => {
                if self.terminal.flush().is_err() {
                    self.ending = Some(Ending::HungUp);
                }
            }
        }
        Ok(())
    }

    /// One event through the fold, and what follows from it.
    fn tell(&mut self, event: Event) {
        let wanted = match event {
            Event::Report(_) | Event::Detail(_) | Event::Progress(_) | Event::Output(_) => Instant::now() + SETTLING,
            _ => Instant::now(),
        };
        self.frame_due = Some(self.frame_due.map_or(wanted, |due| due.min(wanted)));
        for effect in app::update(&mut self.state, event) {
            self.perform(effect);
        }
    }

    /// A pass is due.
    fn sample(&mut self) {
        let needs = self.current_needs();
        self.sampler.request(needs);
    }

    /// What the screen wants, and what the Monitor wants to know of likely victims and of those that warn.
    fn current_needs(&self) -> Needs {
        let (candidates, portraits) = (self.monitor.candidates(), self.monitor.portraits());
        Needs { candidates, portraits, ..self.needs.clone() }
    }

    fn take_pass(&mut self, pass: Option<Pass>) -> Result<()> {
        let snapshot = pass.ok_or_else(|| eyre!("the thread that reads /proc has ended"))??;
        self.absorb(&snapshot);
        if let Some(protection) = self.protection.take()
            && let Some((tone, told)) = protection.complete(snapshot.machine.own.oom_group)
            && self.state.outcome.is_none()
        {
            self.state.say(tone, told);
        }
        if let Some(told) = self.prober.watch(snapshot.ended) {
            self.absorb(&told);
        }
        self.prober.direct(Some(snapshot), self.current_needs());
        Ok(())
    }

    fn absorb(&mut self, snapshot: &Snapshot) {
        // Nobody else holds the report now: the Monitor changes it in place.
        self.state.release_report();
        let report = self.monitor.absorb(snapshot);
        self.tell(Event::Report(report));
        if self.inspected.is_some() {
            self.tell_detail();
        }
    }

    fn tell_detail(&mut self) {
        let detail = self.inspected.and_then(|id| self.monitor.detail(id));
        self.tell(Event::Detail(detail.map(Arc::new)));
    }

    fn obey(&mut self, notice: Notice) {
        match notice {
            Notice::End(number) => self.ending = Some(Ending::Signal(number)),
            Notice::Stop => self.suspend(),
            Notice::Continued if std::mem::take(&mut self.stopped) => {}
            Notice::Continued => self.retake(),
            Notice::Resized => {
                let (columns, rows) = self.terminal.size();
                self.tell(Event::Resize(columns, rows));
            }
        }
    }

    /// One frame, if one is due and the terminal has taken the one before.
    fn draw(&mut self) {
        let is_due = self.frame_due.is_some_and(|due| due <= Instant::now());
        if !is_due || self.terminal.is_behind() || self.ending.is_some() {
            return;
        }
        self.frame_due = None;
        let state = &self.state;
        if let Err(error) = self.terminal.draw(|frame| ui::render(state, frame)) {
            let given_back = error.kind() == io::ErrorKind::NotConnected;
            self.ending = Some(if given_back { Ending::Panicked } else { Ending::HungUp });
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
}
