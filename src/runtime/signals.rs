//! Unix signals as values. Refuses to act on them.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// End; the number of the signal.
    End(i32),
    /// Somebody stopped us as ^Z would.
    Stop,
    /// We were stopped and go on; somebody else may have had the terminal meanwhile.
    Continued,
    /// The terminal has another size. A burst of these is one.
    Resized,
}

/// All signals that are listened to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    continued: Signal,
    resized: Signal,
}

/// SIGTSTP and SIGCONT, which tokio has no names for.
const STOP: i32 = rustix::process::Signal::TSTP.as_raw();
const CONTINUED: i32 = rustix::process::Signal::CONT.as_raw();

impl Signals {
    /// Starts to listen; must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(STOP))?,
            continued: signal(SignalKind::from_raw(CONTINUED))?,
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Notice {
        tokio::select! {
            _ = self.terminate.recv() => Notice::End(SignalKind::terminate().as_raw_value()),
            _ = self.hang_up.recv() => Notice::End(SignalKind::hangup().as_raw_value()),
            _ = self.interrupt.recv() => Notice::End(SignalKind::interrupt().as_raw_value()),
            _ = self.quit.recv() => Notice::End(SignalKind::quit().as_raw_value()),
            _ = self.stop.recv() => Notice::Stop,
            _ = self.continued.recv() => Notice::Continued,
            _ = self.resized.recv() => Notice::Resized,
        }
    }
}
