//! Kernel OOM records, from 2.6.18 to 7.2 and out of any usual log, as data: who asked for memory, whose limit it was, who
//! was looked at, who died. Refuses to invent: what a log does not say is absent, and text that somebody else than the
//! kernel wrote is no record.

mod assemble;
mod census;
mod colours;
mod console;
mod cursor;
mod death;
mod device;
mod dump;
mod encoding;
mod envelope;
mod episode;
mod follower;
mod head;
mod journal;
mod marks;
mod message;
mod opener;
mod quoted;
mod reader;
mod refused;
mod skim;
mod stamp;
mod tasks;

pub use census::Census;
pub use encoding::Encoding;
pub use episode::{
    Chosen, Constraint, Counter, Counters, Domain, Episode, HostMemory, Invoker, Name, Outcome, Reaped, Summary, Usage,
    Victim,
};
pub use follower::Follower;
pub use reader::{Form, LogReader, Span};
pub use refused::Refused;
pub use stamp::Stamp;
pub use tasks::{Candidate, MOST_ROWS, PageTables, Tasks};
