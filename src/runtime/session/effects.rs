//! What the App asks for is done, or begun on the thread that does it. Refuses to ask why.

use std::time::Duration;

use rustix::process::Signal;

use crate::app::{Effect, Event};

use crate::runtime::actor::Deed;
use crate::runtime::outside::{self, Wanted};
use crate::runtime::terminal::clipboard_sequence;
use crate::runtime::{Ending, child, job};

use super::{Session, silence};

/// BEL.
const BELL: &[u8] = b"\x07";

/// How long the thread that follows a command may take to stop it.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

impl Session {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Quit => self.ending = Some(Ending::Quit),
            Effect::Redraw => self.terminal.repaint(),
            Effect::Suspend => self.suspend(),
            Effect::Require(needs) => {
                self.needs = needs;
                self.prober.direct(None, self.current_needs());
                // A wish to read something at once is passed on once.
                self.needs.refresh = false;
            }
            Effect::Inspect(id) => {
                self.inspected = id;
                self.tell_detail();
            }
            Effect::Mark(id) => {
                self.monitor.mark(id);
                self.tell_detail();
            }
            Effect::Watch(id) => self.watch(Wanted::Tree(id)),
            Effect::Unwatch => self.told = silence(),
            Effect::Signal { targets, signal, confirmed: _ } => self.ask(Deed::Signal { targets, signal }),
            Effect::Adjust { adjustments, undo } => self.ask(Deed::Adjust { adjustments, undo }),
            Effect::Copy(text) => self.send(&clipboard_sequence(&text)),
            Effect::SignalCommand(signal) => self.signal_command(signal),
            Effect::Bell => self.send(BELL),
            Effect::Hook(call) => {
                let called = self.hook.call(call);
                self.tell_refused(called);
            }
            Effect::FetchProfile(call) => {
                let asked = self.profiles.fetch(call);
                self.tell_refused(asked);
            }
            Effect::GiveUpProfiles => self.profiles.give_up(),
            Effect::SaveProfile(call) => {
                let asked = self.profiles.save(call);
                self.tell_refused(asked);
            }
        }
    }

    /// Follows what somebody else started; whoever was followed before is let go.
    pub(super) fn watch(&mut self, wanted: Wanted) {
        match outside::follow(&self.state.config, wanted) {
            Ok(told) => self.told = told,
            Err(error) => self.tell(Event::Watching(Err(error.to_string()))),
        }
    }

    fn signal_command(&mut self, signal: i32) {
        // It ends between two keys: then there is nobody to send to.
        if let Some(command) = &self.command {
            let _ = command.try_send(child::Notice::Key(signal));
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.terminal.send(bytes).is_err() {
            self.ending = Some(Ending::HungUp);
        }
    }

    /// Gives the terminal to the shell and stops, with the whole job and a command of ours, until somebody continues us.
    pub(super) fn suspend(&mut self) {
        if !job::may_be_continued() {
            return self.tell(Event::NotSuspended);
        }
        self.terminal.leave();
        self.stopped = true;
        self.stop_command();
        let _ = rustix::process::kill_current_process_group(Signal::STOP);
        if let Some(command) = &self.command {
            let _ = command.try_send(child::Notice::Continue);
        }
        self.retake();
    }

    /// Stops the command, and waits until that is done: we stop next, and could not do it any more.
    fn stop_command(&self) {
        let (done, is_done) = std::sync::mpsc::sync_channel(1);
        if let Some(command) = &self.command
            && command.try_send(child::Notice::Stop(done)).is_ok()
        {
            let _ = is_done.recv_timeout(STOPS_WITHIN);
        }
    }

    pub(super) fn retake(&mut self) {
        if self.terminal.enter().is_err() {
            self.ending = Some(Ending::HungUp);
            return;
        }
        let (columns, rows) = self.terminal.size();
        self.tell(Event::Resize(columns, rows));
    }

    fn ask(&mut self, deed: Deed) {
        let asked = self.actor.ask(deed);
        self.tell_refused(asked);
    }

    /// What could not even be begun.
    fn tell_refused(&mut self, asked: Result<(), Event>) {
        if let Err(outcome) = asked {
            self.tell(outcome);
        }
    }
}
