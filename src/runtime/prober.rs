//! The threads that read what takes a lock of its target (command lines, smaps): slow targets delay only them. One is at
//! work; where a read of it does not come back, another takes its place and leaves that target alone, and the screen says
//! so. Refuses to decide what is due and what it may cost: that is `source::prober`'s budget.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::snapshot::needs::Needs;
use crate::snapshot::{Scope, Snapshot, Unanswered};
use crate::source::attention::Attention;
use crate::source::{self, SourceError};
use crate::units::{ProcessId, Timestamp};

use super::latest::{Put, Take, latest};

/// The loop's end of the threads.
pub struct Prober {
    spawn: Box<dyn Fn() -> io::Result<Thread> + Send>,
    /// The last one is at work; a read of each of the others has not come back.
    threads: Vec<Thread>,
    probes: mpsc::Receiver<Arc<Snapshot>>,
    /// As they were told last.
    unanswered: Vec<Unanswered>,
    /// Who answered at last, and until when it is left alone all the same.
    resting: Vec<(ProcessId, Timestamp)>,
}

/// One thread. It ends when its orders do, once its read has come back.
struct Thread {
    orders: Option<Put<Order>>,
    attention: Attention,
    handle: JoinHandle<()>,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("unanswered", &self.unanswered).finish_non_exhaustive()
    }
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

/// Starts a thread that opens its prober, with who watches over its reads, and works with it. A prober that cannot be
/// opened only means that nothing comes: the sampler reads the same tree and says why it cannot be read.
pub(super) fn start_thread<P: Probe>(
    open: &Arc<impl Fn(Attention) -> Result<P, SourceError> + Send + Sync + 'static>,
    work: impl FnOnce(P) + Send + 'static,
) -> io::Result<(Attention, JoinHandle<()>)> {
    let attention = Attention::default();
    let (open, watched) = (Arc::clone(open), attention.clone());
    let run = move || {
        if let Ok(prober) = open(watched) {
            work(prober);
        }
    };
    let handle = std::thread::Builder::new().name("prober".into()).spawn(run)?;
    Ok((attention, handle))
}

impl Prober {
    /// A read that takes this long is told, and no longer waited for: of 200 GB in small pages one was seen to take 4.5 s.
    pub(super) const PATIENCE: Duration = Duration::from_secs(6);
    /// So many reads may hang; then nothing more is read, which is told as well.
    pub(super) const THREADS: usize = 5;
    /// How long who answered at last is left alone, at the least; else as long as it took.
    const REST: Duration = Duration::from_secs(30);

    /// Starts the first thread; each opens a prober of its own.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start<P: Probe>(
        open: impl Fn(Attention) -> Result<P, SourceError> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (tell, probes) = mpsc::channel(1);
        let open = Arc::new(open);
        let spawn = move || {
            let (put, take) = latest::<Order>();
            let tell = tell.clone();
            let (attention, handle) = start_thread(&open, move |prober| probe(prober, &take, &tell))?;
            Ok(Thread { orders: Some(put), attention, handle })
        };
        let first = spawn()?;
        let (unanswered, resting) = (Vec::new(), Vec::new());
        Ok(Self { spawn: Box::new(spawn), threads: vec![first], probes, unanswered, resting })
    }

    /// A pass ended, or the needs changed: what the thread at work goes by from its next slice on.
    pub fn direct(&self, seen: Option<Arc<Snapshot>>, needs: Needs) {
        let stuck = self.unanswered.iter().map(|read| read.id);
        let avoided = stuck.chain(self.resting.iter().map(|(id, _)| *id)).collect();
        let order = Order { seen, needs: Needs { avoided, ..needs } };
        if let Some(orders) = self.threads.last().and_then(|thread| thread.orders.as_ref()) {
            orders.merge(|older| order.after(older));
        }
    }

    /// The next slice.
    pub async fn probe(&mut self) -> Option<Arc<Snapshot>> {
        self.probes.recv().await
    }

    /// To be asked after every pass: looks for reads that do not come back. Where that is news, it is told as a fact.
    pub fn watch(&mut self, now: Timestamp) -> Option<Arc<Snapshot>> {
        let at_work = self.threads.len().saturating_sub(1);
        let mut index = 0;
        self.threads.retain(|thread| {
            index += 1;
            index > at_work || !thread.handle.is_finished()
        });
        let is_stuck = |read: &Unanswered| now.since(read.since) >= Self::PATIENCE;
        let stuck: Vec<_> = self.threads.iter().filter_map(|thread| thread.attention.on()).filter(is_stuck).collect();
        let hangs = self.threads.last().is_some_and(|last| last.attention.on().as_ref().is_some_and(is_stuck));
        if hangs && self.threads.len() < Self::THREADS {
            // Where no thread can be started the old one goes on, when it can.
            if let Ok(next) = (self.spawn)() {
                if let Some(last) = self.threads.last_mut() {
                    last.orders = None;
                }
                self.threads.push(next);
            }
        }
        self.resting.retain(|(_, until)| *until > now);
        if stuck == self.unanswered {
            return None;
        }
        for answered in self.unanswered.iter().filter(|read| stuck.iter().all(|other| other.id != read.id)) {
            self.resting.push((answered.id, now.after(now.since(answered.since).max(Self::REST))));
        }
        self.unanswered.clone_from(&stuck);
        let told =
            Snapshot { began: now, ended: now, scope: Scope::Facts, unanswered: Some(stuck), ..Snapshot::default() };
        Some(Arc::new(told))
    }
}

/// What a thread does until its orders end.
fn probe(mut prober: impl Probe, take: &Take<Order>, tell: &mpsc::Sender<Arc<Snapshot>>) {
    let mut next = take.take();
    while let Some(mut order) = next {
        if let Some(pass) = order.seen.take() {
            prober.observe(&pass);
        }
        next = loop {
            let Some(probe) = prober.probe(&order.needs) else { break take.take() };
            order.needs.refresh = false;
            if tell.blocking_send(probe).is_err() || take.is_closed() {
                return;
            }
            if let Some(newer) = take.try_take() {
                break Some(newer);
            }
        };
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
        let mut prober = Prober::start(|_| Ok(Scripted::default())).unwrap();
        prober.direct(Some(pass(1)), Needs { refresh: true, ..Needs::default() });
        assert_eq!(prober.probe().await.unwrap().sequence, 101);
        prober.direct(Some(pass(2)), Needs::default());
        assert_eq!(prober.probe().await.unwrap().sequence, 2);
    }

    /// Reads one process after the other; the read of number 7 comes back when the gate opens.
    struct Gated {
        attention: Attention,
        gate: Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>,
        roster: VecDeque<ProcessId>,
    }

    impl Probe for Gated {
        fn observe(&mut self, pass: &Snapshot) {
            self.roster.extend(&pass.roster);
        }

        fn probe(&mut self, needs: &Needs) -> Option<Arc<Snapshot>> {
            let id = self.roster.pop_front()?;
            if needs.avoided.contains(&id) {
                return self.probe(needs);
            }
            self.attention.set(Some(Unanswered { id, file: "smaps", since: Timestamp::from_secs(100) }));
            if id.pid.0 == 7 {
                let _ = self.gate.lock().unwrap().recv();
            }
            self.attention.set(None);
            Some(Arc::new(Snapshot { sequence: u64::from(id.pid.0), ..Snapshot::default() }))
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_read_that_does_not_come_back_is_told_and_stops_no_other() {
        let (open_gate, gate) = std::sync::mpsc::channel();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let mut prober =
            Prober::start(move |attention| Ok(Gated { attention, gate: Arc::clone(&gate), roster: VecDeque::new() }))
                .unwrap();
        let [six, seven, eight] = [6, 7, 8].map(|pid| ProcessId::new(pid, 1));
        let machine = Arc::new(Snapshot { roster: vec![six, seven, eight], ..Snapshot::default() });
        let at = Timestamp::from_secs;
        prober.direct(Some(Arc::clone(&machine)), Needs::default());
        assert_eq!(prober.probe().await.unwrap().sequence, 6);
        while prober.threads[0].attention.on().is_none_or(|read| read.id != seven) {
            tokio::task::yield_now().await;
        }
        assert_eq!(prober.watch(at(105)), None, "it may take so long");
        let told = prober.watch(at(107)).expect("it is news");
        let read = Unanswered { id: seven, file: "smaps", since: at(100) };
        assert_eq!((told.scope, &told.unanswered), (Scope::Facts, &Some(vec![read])));
        assert_eq!(prober.watch(at(108)), None, "it was told");
        // Another reads the others.
        prober.direct(Some(Arc::clone(&machine)), Needs::default());
        assert_eq!(prober.probe().await.unwrap().sequence, 6);
        assert_eq!(prober.probe().await.unwrap().sequence, 8);
        // It answers at last: that counts, and the thread ends.
        open_gate.send(()).unwrap();
        assert_eq!(prober.probe().await.unwrap().sequence, 7);
        while !prober.threads[0].handle.is_finished() {
            tokio::task::yield_now().await;
        }
        let told = prober.watch(at(200)).expect("it is news");
        assert_eq!((&told.unanswered, prober.threads.len()), (&Some(Vec::new()), 1));
        // It is left alone for as long as it had been silent.
        for (second, rests) in [(201, true), (299, true), (300, false)] {
            assert_eq!(prober.watch(at(second)), None);
            assert_eq!(prober.resting.len(), usize::from(rests), "after {second}");
        }
    }

    #[test]
    fn threads_that_hang_are_few() {
        let (open_gate, gate) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let hang = move |attention: Attention| {
            let id = ProcessId::new(1, 1);
            attention.set(Some(Unanswered { id, file: "smaps", since: Timestamp::from_secs(1) }));
            let _ = gate.lock().unwrap().recv();
            Ok(Scripted::default())
        };
        let mut prober = Prober::start(hang).unwrap();
        for second in 10..100 {
            while prober.threads.last().unwrap().attention.on().is_none() {
                std::thread::yield_now();
            }
            prober.watch(Timestamp::from_secs(second));
        }
        assert_eq!(prober.threads.len(), Prober::THREADS);
        drop(open_gate);
    }

    #[test]
    fn a_newer_order_keeps_what_was_not_done() {
        let older = Order { seen: Some(pass(7)), needs: Needs { refresh: true, ..Needs::default() } };
        let newer = Order { seen: None, needs: Needs { mappings: true, ..Needs::default() } }.after(Some(older));
        assert_eq!(newer.seen.map(|pass| pass.sequence), Some(7));
        assert!(newer.needs.refresh && newer.needs.mappings);
    }
}
