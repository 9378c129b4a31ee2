//! The thread that reads what takes a lock of its target (command lines, smaps): slow targets delay only this. Refuses
//! to decide what is due and what it may cost: that is `source::prober`'s budget.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::snapshot::Snapshot;
use crate::snapshot::needs::Needs;
use crate::source::{self, SourceError};

use super::latest::{Put, latest};

/// The loop's end of the thread.
#[derive(Debug)]
pub struct Prober {
    orders: Put<Order>,
    probes: mpsc::Receiver<Arc<Snapshot>>,
    running: bool,
}

/// What the thread should go by from now on.
#[derive(Debug)]
struct Order {
    /// The newest pass, where there is one that the thread has not seen.
    seen: Option<Arc<Snapshot>>,
    needs: Needs,
}

impl Order {
    /// The newer of both in everything; what was asked for once and not done yet stays asked for.
    fn after(mut self, older: Option<Self>) -> Self {
        if let Some(older) = older {
            self.seen = self.seen.or(older.seen);
            self.needs.refresh |= older.needs.refresh;
        }
        self
    }
}

/// What `source::prober` does, as far as this thread knows.
pub trait Probe {
    /// Learns which processes there are.
    fn observe(&mut self, pass: &Snapshot);
    /// One bounded slice of work; `None` when nothing is due.
    fn probe(&mut self, needs: &Needs) -> Option<Arc<Snapshot>>;
}

impl Probe for source::prober::Prober {
    fn observe(&mut self, pass: &Snapshot) {
        self.observe(pass);
    }

    fn probe(&mut self, needs: &Needs) -> Option<Arc<Snapshot>> {
        self.probe(needs)
    }
}

impl Prober {
    /// Starts the thread; the prober is opened on it.
    ///
    /// # Errors
    /// No thread could be started. A prober that cannot be opened only means that nothing comes: the sampler reads
    /// the same tree and says why it cannot be read.
    pub fn start<P: Probe>(open: impl FnOnce() -> Result<P, SourceError> + Send + 'static) -> io::Result<Self> {
        let (put, take) = latest::<Order>();
        let (tell, probes) = mpsc::channel(1);
        std::thread::Builder::new().name("prober".into()).spawn(move || {
            let Ok(mut prober) = open() else { return };
            let mut next = take.take();
            while let Some(mut order) = next {
                if let Some(pass) = order.seen.take() {
                    prober.observe(&pass);
                }
                next = loop {
                    let Some(probe) = prober.probe(&order.needs) else { break take.take() };
                    order.needs.refresh = false;
                    if tell.blocking_send(probe).is_err() {
                        return;
                    }
                    if let Some(newer) = take.try_take() {
                        break Some(newer);
                    }
                };
            }
        })?;
        Ok(Self { orders: put, probes, running: true })
    }

    /// A pass ended, or the needs changed: what the thread goes by from its next slice on.
    pub fn direct(&self, seen: Option<Arc<Snapshot>>, needs: Needs) {
        self.orders.merge(|older| Order { seen, needs }.after(older));
    }

    /// Whether slices may still come.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The next slice; `None` when the thread is gone.
    pub async fn probe(&mut self) -> Option<Arc<Snapshot>> {
        let probe = self.probes.recv().await;
        self.running = probe.is_some();
        probe
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Has a slice of work for every pass it saw; tells what it was asked.
    #[derive(Default)]
    struct Scripted {
        due: VecDeque<u64>,
    }

    impl Probe for Scripted {
        fn observe(&mut self, pass: &Snapshot) {
            self.due.push_back(pass.sequence);
        }

        fn probe(&mut self, needs: &Needs) -> Option<Arc<Snapshot>> {
            let sequence = self.due.pop_front()?;
            Some(Arc::new(Snapshot { sequence: sequence + 100 * u64::from(needs.refresh), ..Snapshot::default() }))
        }
    }

    fn pass(sequence: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot { sequence, ..Snapshot::default() })
    }

    #[tokio::test(flavor = "current_thread")]
    async fn slices_come_back_and_a_refresh_counts_once() {
        let mut prober = Prober::start(|| Ok(Scripted::default())).unwrap();
        prober.direct(Some(pass(1)), Needs { refresh: true, ..Needs::default() });
        assert_eq!(prober.probe().await.unwrap().sequence, 101);
        prober.direct(Some(pass(2)), Needs::default());
        assert_eq!(prober.probe().await.unwrap().sequence, 2);
    }

    #[test]
    fn a_newer_order_keeps_what_was_not_done() {
        let older = Order { seen: Some(pass(7)), needs: Needs { refresh: true, ..Needs::default() } };
        let newer = Order { seen: None, needs: Needs { mappings: true, ..Needs::default() } }.after(Some(older));
        assert_eq!(newer.seen.map(|pass| pass.sequence), Some(7));
        assert!(newer.needs.refresh && newer.needs.mappings);
    }
}
