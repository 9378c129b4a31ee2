//! For who looks once and prints: what `source::prober` reads until nothing more is due, with an end to its patience. A
//! read that does not come back is given up: that is a fact of its process, which is left alone from then on. Refuses to
//! do anything else meanwhile; the screen has `runtime::prober`.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::snapshot::needs::Needs;
use crate::snapshot::{Fact, Scope, Snapshot, Unanswered, Unreadable};
use crate::source::SourceError;
use crate::source::attention::Attention;
use crate::units::ProcessId;

use super::prober::{Probe, Prober, start_thread};

/// Reads slice by slice, in a thread that can be left behind.
pub struct PatientProber {
    spawn: Box<dyn Fn() -> io::Result<Thread>>,
    /// The one at work; none once a read of it hangs, for what nobody takes any more may be given to nobody.
    thread: Option<Thread>,
    /// The newest pass, for a thread that comes later.
    seen: Option<Arc<Snapshot>>,
    given_up: Vec<ProcessId>,
}

struct Thread {
    orders: SyncSender<Order>,
    /// Slices; `None` when nothing more is due.
    slices: Receiver<Option<Arc<Snapshot>>>,
    attention: Attention,
}

enum Order {
    Observe(Arc<Snapshot>),
    Probe(Needs),
}

impl PatientProber {
    /// How often it is looked whether the same read is still under way.
    const LOOK: Duration = Duration::from_secs(1);

    /// Starts the thread, which opens its prober.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start<P: Probe>(
        open: impl Fn(Attention) -> Result<P, SourceError> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let open = Arc::new(open);
        let spawn = move || {
            let (orders, take) = sync_channel(1);
            let (tell, slices) = sync_channel(1);
            let (attention, _) = start_thread(&open, move |prober| obey(prober, &take, &tell))?;
            Ok(Thread { orders, slices, attention })
        };
        let thread = Some(spawn()?);
        Ok(Self { spawn: Box::new(spawn), thread, seen: None, given_up: Vec::new() })
    }

    /// Learns from a pass who is there.
    pub fn observe(&mut self, pass: &Arc<Snapshot>) {
        self.seen = Some(Arc::clone(pass));
        if let Some(thread) = &self.thread {
            // Who is not there to listen has nothing to tell either.
            let _ = thread.orders.send(Order::Observe(Arc::clone(pass)));
        }
    }

    /// Has all read that is due; what was read, and what was given up, goes to `absorb`.
    pub fn probe(&mut self, needs: &Needs, mut absorb: impl FnMut(&Snapshot)) {
        while self.given_up.len() < Prober::THREADS {
            let needs = Needs { avoided: self.given_up.clone(), ..needs.clone() };
            let Some(thread) = self.at_work() else { return };
            if thread.orders.send(Order::Probe(needs.clone())).is_err() {
                return;
            }
            let Some(read) = thread.until_hanging(&mut absorb) else { return };
            absorb(&unanswered(read, &needs));
            self.given_up.push(read.id);
            self.thread = None;
        }
    }

    /// The thread at work, or another in its place; `None` where none can be started.
    fn at_work(&mut self) -> Option<&Thread> {
        if self.thread.is_none() {
            let next = (self.spawn)().ok()?;
            if let Some(seen) = &self.seen {
                let _ = next.orders.send(Order::Observe(Arc::clone(seen)));
            }
            self.thread = Some(next);
        }
        self.thread.as_ref()
    }
}

impl Thread {
    /// Hands on the slices; the read that does not come back, where there is one.
    fn until_hanging(&self, absorb: &mut impl FnMut(&Snapshot)) -> Option<Unanswered> {
        let (mut before, mut looks) = (None, 0);
        loop {
            match self.slices.recv_timeout(PatientProber::LOOK) {
                Ok(slice) => absorb(&*slice?),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let on = self.attention.on();
                    looks = if on == before { looks + 1 } else { 1 };
                    before = on;
                    if PatientProber::LOOK * looks >= Prober::PATIENCE && on.is_some() {
                        return on;
                    }
                }
            }
        }
    }
}

/// What the thread does until nobody listens.
fn obey(mut prober: impl Probe, take: &Receiver<Order>, tell: &SyncSender<Option<Arc<Snapshot>>>) {
    while let Ok(order) = take.recv() {
        match order {
            Order::Observe(pass) => prober.observe(&pass),
            Order::Probe(mut needs) => loop {
                let slice = prober.probe(&needs);
                needs.refresh = false;
                let is_all = slice.is_none();
                if tell.send(slice).is_err() {
                    return;
                }
                if is_all {
                    break;
                }
            },
        }
    }
}

/// That a process does not answer, as facts: everything that would be read of it the same way is not known.
fn unanswered(read: Unanswered, needs: &Needs) -> Snapshot {
    fn none<T>(read: Unanswered) -> Fact<T> {
        Fact { id: read.id, at: read.since, reading: Err(Unreadable::TimedOut) }
    }
    let mut snapshot = Snapshot { began: read.since, ended: read.since, scope: Scope::Facts, ..Snapshot::default() };
    snapshot.rollups.push(none(read));
    if read.file == "cmdline" {
        snapshot.commands.push(none(read));
    }
    if needs.mappings && needs.selected == Some(read.id) {
        snapshot.mappings = Some(none(read));
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::units::Timestamp;

    /// A read of it comes back when the gate is gone.
    struct Hanging {
        attention: Attention,
        gate: Arc<Mutex<Receiver<()>>>,
    }

    impl Probe for Hanging {
        fn observe(&mut self, _: &Snapshot) {}

        fn probe(&mut self, _: &Needs) -> Option<Arc<Snapshot>> {
            let read = Unanswered { id: ProcessId::new(7, 1), file: "smaps", since: Timestamp::from_secs(1) };
            self.attention.set(Some(read));
            let _ = self.gate.lock().unwrap().recv();
            None
        }
    }

    #[test]
    fn nothing_waits_for_a_thread_that_hangs_where_no_other_can_be_started() {
        let (gate, closed) = channel::<()>();
        let closed = Arc::new(Mutex::new(closed));
        let open = move |attention| Ok(Hanging { attention, gate: Arc::clone(&closed) });
        let (done, is_done) = channel();
        std::thread::spawn(move || {
            let mut prober = PatientProber::start(open).unwrap();
            prober.spawn = Box::new(|| Err(io::Error::other("too many threads")));
            let mut given_up = Vec::new();
            for _ in 0..3 {
                prober.observe(&Arc::default());
                prober.observe(&Arc::default());
                prober.probe(&Needs::default(), |told| given_up.extend(told.rollups.iter().map(|fact| fact.id)));
            }
            done.send(given_up)
        });
        let given_up = is_done.recv_timeout(Duration::from_secs(120)).expect("it waits for ever");
        assert_eq!(given_up, [ProcessId::new(7, 1)]);
        drop(gate);
    }
}
