//! The thread that acts on other processes: one deed after the other, in the order asked for, so that the value that
//! was wanted last is the one that stays. Off the loop's thread, because another process may hold the lock that the
//! kernel needs. Refuses to let deeds pile up behind one that does not return: what finds no place is told as undone.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tokio::sync::mpsc;

use crate::app::{Adjustment, Event, Refusal, Signal};
use crate::control::{Control, ControlError};
use crate::units::ProcessId;

/// Deeds that may wait, and outcomes.
const WAITING: usize = 16;

/// What is to be done to processes.
#[derive(Debug)]
pub enum Deed {
    /// Send a signal.
    Signal {
        /// To whom.
        targets: Vec<ProcessId>,
        /// Which.
        signal: Signal,
    },
    /// Write oom_score_adj.
    Adjust {
        /// Of whom, to what.
        adjustments: Vec<Adjustment>,
        /// It is an undo.
        undo: bool,
    },
}

impl Deed {
    /// Does it, or with a refusal only tells of it.
    fn done(self, control: &Result<Control, Refusal>) -> Event {
        let with = |act: &dyn Fn(&Control) -> Result<(), ControlError>| match control {
            Ok(control) => act(control).map_err(Refusal::from),
            Err(refusal) => Err(refusal.clone()),
        };
        match self {
            Self::Signal { targets, signal } => {
                let send = |id| (id, with(&|control| control.signal(id, signal.number)));
                Event::Signalled { signal, results: targets.into_iter().map(send).collect() }
            }
            Self::Adjust { adjustments, undo } => {
                let write = |change: Adjustment| (change, with(&|control| control.adjust(change.id, change.to)));
                Event::Adjusted { results: adjustments.into_iter().map(write).collect(), undo }
            }
        }
    }
}

/// The loop's end of the thread; dropping it lets the thread end once everything asked for is done.
#[derive(Debug)]
pub struct Actor {
    deeds: SyncSender<Deed>,
}

impl Actor {
    /// Starts the thread, with the right to act or the reason why there is none. The outcomes come in the order of the
    /// deeds and end with the thread.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(control: Result<Control, Refusal>) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let (deeds, orders) = sync_channel::<Deed>(WAITING);
        let (tell, outcomes) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("actor".into()).spawn(move || {
            for deed in orders {
                // Done also when nobody hears of it any more: it was asked for.
                let _ = tell.blocking_send(deed.done(&control));
            }
        })?;
        Ok((Self { deeds }, outcomes))
    }

    /// Has it done after all that were asked for before.
    ///
    /// # Errors
    /// Too many wait: what to tell instead.
    pub fn ask(&self, deed: Deed) -> Result<(), Event> {
        self.deeds.try_send(deed).map_err(|refused| {
            let (TrySendError::Full(deed) | TrySendError::Disconnected(deed)) = refused;
            deed.done(&Err(Refusal::Failed("not done: the previous request is still in progress".into())))
        })
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Gone => Self::Gone,
            ControlError::Reused => Self::Reused,
            ControlError::Denied(right) => Self::Denied(right.into()),
            ControlError::Unsupported(reason) => Self::Unsupported(reason.into()),
            ControlError::NotOurs(_) => Self::Unsupported(error.to_string()),
            ControlError::Failed(error) => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::control::identify;
    use crate::units::Pid;

    fn adjusted(id: ProcessId, to: i16) -> Deed {
        Deed::Adjust { adjustments: vec![Adjustment { id, from: 0, to }], undo: false }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test of what touches the world touches the world")]
    fn two_adjustments_in_one_read_are_written_in_their_order() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let id = identify(Path::new("/proc"), Pid(child.id())).unwrap();
        let (actor, mut outcomes) = Actor::start(Control::open(Path::new("/proc")).map_err(Refusal::from)).unwrap();
        for round in 0..50 {
            let values = [900, 901, 902 + round];
            let asked = values.map(|to| actor.ask(adjusted(id, to)));
            let told = values.map(|_| match outcomes.blocking_recv() {
                Some(Event::Adjusted { results, .. }) => results[0].0.to,
                other => panic!("{other:?}"),
            });
            let stays = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", id.pid)).unwrap();
            assert_eq!((asked, told, stays.trim()), (values.map(|_| Ok(())), values, &*values[2].to_string()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn who_may_not_act_is_told_why() {
        let reason = Refusal::Unsupported("started with --read-only".into());
        let (actor, mut outcomes) = Actor::start(Err(reason.clone())).unwrap();
        assert_eq!(actor.ask(adjusted(ProcessId::new(1, 1), 5)), Ok(()));
        let told = outcomes.blocking_recv();
        assert!(matches!(&told, Some(Event::Adjusted { results, .. }) if results[0].1 == Err(reason)), "{told:?}");
    }
}
