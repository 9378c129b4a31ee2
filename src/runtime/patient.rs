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

use super::prober::Probe;

/// Reads slice by slice, in a thread that can be left behind.
pub struct PatientProber {
    spawn: Box<dyn Fn() -> io::Result<Thread>>,
    thread: Thread,
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
    /// How often it is looked whether the same read is still under way, and how often it may be.
    const LOOK: Duration = Duration::from_secs(1);
    const LOOKS: u32 = 6;
    /// So many processes may hold it up; then nothing more is read.
    const MOST: usize = 5;

    /// Starts the thread, which opens its prober.
    ///
    /// # Errors
    /// No thread could be started. A prober that cannot be opened only means that nothing comes: the sampler reads the
    /// same tree and says why it cannot be read.
    pub fn start<P: Probe>(
        open: impl Fn(Attention) -> Result<P, SourceError> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let open = Arc::new(open);
        let spawn = move || {
            let (orders, take) = sync_channel(1);
            let (tell, slices) = sync_channel(1);
            let attention = Attention::default();
            let (open, watched) = (Arc::clone(&open), attention.clone());
            let work = move || {
                if let Ok(prober) = open(watched) {
                    obey(prober, &take, &tell);
                }
            };
            std::thread::Builder::new().name("prober".into()).spawn(work)?;
            Ok(Thread { orders, slices, attention })
        };
        let thread = spawn()?;
        Ok(Self { spawn: Box::new(spawn), thread, seen: None, given_up: Vec::new() })
    }

    /// Learns from a pass who is there.
    pub fn observe(&mut self, pass: &Arc<Snapshot>) {
        self.seen = Some(Arc::clone(pass));
        // Who is not there to listen has nothing to tell either.
        let _ = self.thread.orders.send(Order::Observe(Arc::clone(pass)));
    }

    /// Has all read that is due; what was read, and what was given up, goes to `absorb`.
    pub fn probe(&mut self, needs: &Needs, mut absorb: impl FnMut(&Snapshot)) {
        while self.given_up.len() < Self::MOST {
            let needs = Needs { avoided: self.given_up.clone(), ..needs.clone() };
            if self.thread.orders.send(Order::Probe(needs.clone())).is_err() {
                return;
            }
            let Some(read) = self.thread.until_hanging(&mut absorb) else { return };
            absorb(&unanswered(read, &needs));
            self.given_up.push(read.id);
            let Ok(next) = (self.spawn)() else { return };
            self.thread = next;
            if let Some(seen) = &self.seen {
                let _ = self.thread.orders.send(Order::Observe(Arc::clone(seen)));
            }
        }
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
                    if looks >= PatientProber::LOOKS && on.is_some() {
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
