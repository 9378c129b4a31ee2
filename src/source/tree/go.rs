//! What the runtimes of Go programs in a tree have to say of themselves, looked at now and then: of those with a GOMEMLIMIT,
//! and of those that hold much. Refuses to look into any other, and to look so often that it costs more than a little.

use std::time::Duration;

use crate::golang::environment::memory_limit;
use crate::snapshot::Fact;
use crate::snapshot::go_memory::GoMemory;
use crate::units::{Bytes, ProcessId, Timestamp};

use super::super::clock;
use super::super::files::Tree;
use super::super::go_memory::{GoMemoryReader, read_environment};
use super::super::programs::Programs;
use super::super::regions;

/// The runtime of one of them.
#[derive(Debug)]
pub(super) struct GoRuntime {
    reader: GoMemoryReader,
    /// Its environment, which it keeps through all that it executes, has a GOMEMLIMIT.
    is_limited: bool,
    due: Timestamp,
}

impl GoRuntime {
    /// Between two looks, and before the first: most compilers are gone by then.
    const INTERVAL: Duration = Duration::from_millis(500);
    /// A look takes the locks of its mappings, and waits where one is held: one part of so many of the time is spent so
    /// at the most.
    const SHARE: u32 = 20;
    /// Without a limit of its own, who holds less is asked nothing.
    const MUCH: Bytes = Bytes::from_mib(32);

    /// Of a Go program that was just met, or has just become one.
    pub(super) fn of(tree: &mut Tree, id: ProcessId, now: Timestamp) -> Self {
        let limit = read_environment(tree, id).ok().and_then(|environment| environment.memory_limit);
        let is_limited = limit.as_deref().and_then(memory_limit).is_some();
        Self { reader: GoMemoryReader::default(), is_limited, due: now.after(Self::INTERVAL) }
    }

    /// Looks, where it is time and it holds enough.
    pub(super) fn read_when_due(
        &mut self,
        tree: &mut Tree,
        programs: &mut Programs,
        (id, rss): (ProcessId, Option<Bytes>),
    ) -> Option<Fact<GoMemory>> {
        let now = clock::now();
        if now < self.due || !self.is_limited && rss.is_none_or(|rss| rss < Self::MUCH) {
            return None;
        }
        let fact = self.read(tree, programs, id);
        let ended = clock::now();
        self.due = ended.after(Self::INTERVAL.max(ended.since(now) * Self::SHARE));
        fact
    }

    fn read(&mut self, tree: &mut Tree, programs: &mut Programs, id: ProcessId) -> Option<Fact<GoMemory>> {
        let mappings = regions::outline(tree, id).ok()?;
        let memory = self.reader.read(tree, programs, id, &mappings)?;
        Some(Fact { id, at: clock::now(), reading: Ok(memory) })
    }
}
