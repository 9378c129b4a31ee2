//! The thread that reads what takes no lock of a target: one pass when it is asked for, never two at once. Refuses to
//! keep time (the loop does) and to queue passes: one that is due while another runs is skipped.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::snapshot::Snapshot;
use crate::snapshot::needs::Needs;
use crate::source::{Source, SourceError};

use super::latest::{Put, latest};

/// What became of a pass.
pub type Pass = Result<Arc<Snapshot>, SourceError>;

/// The loop's end of the thread.
#[derive(Debug)]
pub struct Sampler {
    orders: Put<Needs>,
    passes: mpsc::Receiver<Pass>,
    reading: bool,
}

impl Sampler {
    /// Starts the thread; the source is opened on it, so that a slow machine does not delay the first frame.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start<S: Source>(open: impl FnOnce() -> Result<S, SourceError> + Send + 'static) -> io::Result<Self> {
        let (put, take) = latest::<Needs>();
        let (tell, passes) = mpsc::channel(1);
        std::thread::Builder::new().name("sampler".into()).spawn(move || {
            let mut source = match open() {
                Ok(source) => source,
                Err(error) => return drop(tell.blocking_send(Err(error))),
            };
            while let Some(needs) = take.take() {
                let pass = source.sample(&needs);
                let failed = pass.is_err();
                if tell.blocking_send(pass).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { orders: put, passes, reading: false })
    }

    /// A pass is due. Whether it began: not while the one before is still running.
    pub fn request(&mut self, needs: Needs) -> bool {
        if self.reading {
            return false;
        }
        self.reading = true;
        self.orders.put(needs);
        true
    }

    /// The next pass that ends; `None` when the thread is gone (it panicked).
    pub async fn pass(&mut self) -> Option<Pass> {
        let pass = self.passes.recv().await;
        self.reading = false;
        pass
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use super::*;

    /// Takes as long as the test wants.
    struct Gated {
        gate: std_mpsc::Receiver<()>,
        sequence: u64,
    }

    impl Source for Gated {
        fn sample(&mut self, _: &Needs) -> Result<Arc<Snapshot>, SourceError> {
            let _ = self.gate.recv();
            self.sequence += 1;
            Ok(Arc::new(Snapshot { sequence: self.sequence, ..Snapshot::default() }))
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_pass_that_is_due_while_another_runs_is_skipped_not_queued() {
        let (open_gate, gate) = std_mpsc::channel();
        let mut sampler = Sampler::start(move || Ok(Gated { gate, sequence: 0 })).unwrap();
        assert!(sampler.request(Needs::default()));
        assert!(!sampler.request(Needs::default()));
        assert!(!sampler.request(Needs::default()));
        open_gate.send(()).unwrap();
        assert_eq!(sampler.pass().await.unwrap().unwrap().sequence, 1);
        assert!(sampler.request(Needs::default()));
        open_gate.send(()).unwrap();
        assert_eq!(sampler.pass().await.unwrap().unwrap().sequence, 2);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_source_that_cannot_be_opened_says_why_and_a_panic_ends_the_thread() {
        let refuse = || -> Result<Gated, _> {
            Err(SourceError::Open { path: "/nowhere".into(), cause: io::ErrorKind::NotFound.into() })
        };
        let mut sampler = Sampler::start(refuse).unwrap();
        assert!(matches!(sampler.pass().await, Some(Err(SourceError::Open { .. }))));
        assert!(sampler.pass().await.is_none());
    }
}
