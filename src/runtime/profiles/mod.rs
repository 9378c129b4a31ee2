//! The thread that fetches profiles of Go programs and saves them: one after the other, off the loop's thread, for a
//! program near its end answers slowly or never, and a large profile takes a while to be summed. It is started when it
//! is first needed. Refuses to ask a process unless it listens on our loopback there and nobody else does.

mod client;
pub mod response;
mod save;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::app::{Event, FetchedProfile, ProfileCall, Reason, SaveCall};
use crate::golang::pprof::{self, Digest};
use crate::snapshot::listening::ListeningSocket;
use crate::source::sockets;
use crate::units::Bytes;

use client::{Leash, PATIENCE, Refusal};

/// Orders that may wait, and outcomes.
const WAITING: usize = 8;
/// What may be saved without anybody's key: a program that warns again and again fills no disk, and no memory where
/// temporary files are in memory.
#[derive(Debug)]
struct Allowance {
    files: usize,
    bytes: usize,
}

impl Allowance {
    const OF_ALARMS: Self = Self { files: 64, bytes: 64 << 20 };

    /// Takes a file of so many bytes out of it.
    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let Self { files, bytes: most } = Self::OF_ALARMS;
        match (self.files.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(files), Some(bytes)) => {
                *self = Self { files, bytes };
                Ok(())
            }
            (None, _) => Err(format!("{files} from alarms were saved already")),
            (_, None) => Err(format!("those from alarms would exceed {} together", Bytes(most as u64))),
        }
    }
}

#[derive(Debug)]
enum Order {
    Fetch(ProfileCall),
    Save(SaveCall),
}

impl Order {
    fn refused(self, why: &str) -> Event {
        match self {
            Self::Fetch(call) => Event::Profiled { call, outcome: Err(why.into()) },
            Self::Save(_) => Event::ProfileSaved(Err(why.into())),
        }
    }
}

/// The loop's end of the thread.
#[derive(Debug)]
pub struct Profiles {
    worker: Worker,
    orders: Option<SyncSender<(u64, Order)>>,
    /// How many orders there were.
    count: u64,
}

/// What the thread knows.
#[derive(Clone, Debug)]
struct Worker {
    proc_root: PathBuf,
    /// Where files go: to the first that takes them.
    directories: Vec<PathBuf>,
    tell: mpsc::Sender<Event>,
    patience: Duration,
    /// Orders up to this one were given up.
    given_up: Arc<AtomicU64>,
}

impl Profiles {
    /// Ready to start the thread. Files go to `directory`, or where it takes none to that of temporary files. What became of each order comes as an event.
    #[must_use]
    pub fn new(proc_root: PathBuf, directory: PathBuf) -> (Self, mpsc::Receiver<Event>) {
        let (tell, outcomes) = mpsc::channel(WAITING);
        let directories = vec![directory, std::env::temp_dir()];
        let worker = Worker { proc_root, directories, tell, patience: PATIENCE, given_up: Arc::default() };
        (Self { worker, orders: None, count: 0 }, outcomes)
    }

    /// Has one fetched.
    ///
    /// # Errors
    /// Too many wait: what to tell instead.
    pub fn fetch(&mut self, call: ProfileCall) -> Result<(), Event> {
        self.order(Order::Fetch(call))
    }

    /// Has one saved.
    ///
    /// # Errors
    /// Too many wait: what to tell instead.
    pub fn save(&mut self, call: SaveCall) -> Result<(), Event> {
        self.order(Order::Save(call))
    }

    /// Gives up what is under way.
    pub fn give_up(&self) {
        self.worker.given_up.store(self.count, Ordering::Relaxed);
    }

    fn order(&mut self, order: Order) -> Result<(), Event> {
        let orders = match &self.orders {
            Some(orders) => orders,
            None => match self.worker.start() {
                Ok(orders) => self.orders.insert(orders),
                Err(error) => return Err(order.refused(&format!("no thread could be started: {error}"))),
            },
        };
        self.count += 1;
        orders.try_send((self.count, order)).map_err(|refused| {
            let (TrySendError::Full((_, order)) | TrySendError::Disconnected((_, order))) = refused;
            order.refused("the previous request is still in progress")
        })
    }
}

impl Worker {
    fn start(&self) -> io::Result<SyncSender<(u64, Order)>> {
        let (put, orders) = sync_channel(WAITING);
        let worker = self.clone();
        std::thread::Builder::new().name("profiles".into()).spawn(move || worker.work(&orders))?;
        Ok(put)
    }

    fn work(&self, orders: &Receiver<(u64, Order)>) {
        let mut of_alarms = Allowance::OF_ALARMS;
        while let Ok((number, order)) = orders.recv() {
            let event = match order {
                Order::Fetch(call) => {
                    let is_given_up = || self.given_up.load(Ordering::Relaxed) >= number;
                    let mut outcome = fetch(&self.proc_root, &call, Leash::new(self.patience, &is_given_up));
                    if let (Ok(fetched), Reason::Alarm(_)) = (&mut outcome, call.reason) {
                        let allowed = of_alarms.take(fetched.bytes.len());
                        fetched.saved =
                            Some(allowed.and_then(|()| save::save(&self.directories, &call.to_save(fetched))));
                    }
                    Event::Profiled { outcome: outcome.map(Box::new), call }
                }
                Order::Save(call) => Event::ProfileSaved(save::save(&self.directories, &call)),
            };
            if self.tell.blocking_send(event).is_err() {
                return;
            }
        }
    }
}

/// Asks the sockets of the process, one after the other, and sums what comes.
fn fetch(proc_root: &Path, call: &ProfileCall, leash: Leash<'_>) -> Result<FetchedProfile, String> {
    // Looked at now: since it was offered, another may have taken its number or its port.
    let listening = sockets::listening(proc_root, call.of).map_err(|reason| reason.reason().to_owned())?;
    if let Some(obstacle) = listening.obstacle() {
        return Err(format!("it {obstacle}"));
    }
    let mut refusals = Vec::new();
    for socket in listening.reachable().filter(|socket| call.from.is_none_or(|from| from == socket.address)) {
        match ask(proc_root, socket, call, leash) {
            Ok((from, bytes)) => match pprof::parse(&bytes) {
                Ok(profile) => {
                    let base = call.base.as_ref().map(|base| &base.fetched.whole.profile);
                    let growth = base.and_then(|base| profile.since(base).ok()).map(Digest::of);
                    return Ok(FetchedProfile {
                        from,
                        family: socket.family,
                        bytes: bytes.into(),
                        whole: Digest::of(profile),
                        growth,
                        saved: None,
                    });
                }
                Err(refusal) => refusals.push(format!("{from} did not return a profile: {refusal}")),
            },
            Err(Refusal::GivenUp) => return Err(Refusal::GivenUp.to_string()),
            Err(refusal) => refusals.push(format!("{}: {refusal}", socket.address)),
        }
    }
    Err(match (refusals.is_empty(), call.from) {
        (true, Some(from)) => format!("it no longer listens on {from}"),
        _ => refusals.join("; "),
    })
}

/// The first address of the socket that takes a connection.
fn ask(
    proc_root: &Path,
    socket: &ListeningSocket,
    call: &ProfileCall,
    leash: Leash<'_>,
) -> Result<(SocketAddr, Vec<u8>), Refusal> {
    let path = format!("/debug/pprof/{}", call.kind.word());
    // While the socket is the process's own, nobody can have taken the connection who did not get that very socket from
    // it or as it did: a worker beside it, or the program that takes its place.
    let is_same = |known: &ListeningSocket| (known.address, known.inode) == (socket.address, socket.inode);
    let is_its = || sockets::listening(proc_root, call.of).is_ok_and(|now| now.reachable().any(is_same));
    let mut outcome = Err(Refusal::Elsewhere);
    for address in socket.loopback() {
        outcome = client::get(address, &path, leash, is_its).map(|bytes| (address, bytes));
        if !matches!(outcome, Err(Refusal::NotConnected(_))) {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
