//! Go programs of a tree with a GOMEMLIMIT: what their runtime has to say of it, looked at now and then. Refuses to look into
//! any other: without a limit nobody asks.

use std::time::Duration;

use crate::golang::environment::memory_limit;
use crate::snapshot::Fact;
use crate::snapshot::go_memory::GoMemory;
use crate::units::{ProcessId, Timestamp};

use super::clock;
use super::files::Tree;
use super::go_memory::{GoMemoryReader, read_environment};
use super::programs::Programs;
use super::regions;

/// One of them.
#[derive(Debug)]
pub(super) struct LimitedGo {
    reader: GoMemoryReader,
    read: Timestamp,
}

impl LimitedGo {
    /// Between two looks, and before the first: most compilers are gone by then.
    const INTERVAL: Duration = Duration::from_millis(500);

    /// Whether a Go program has a GOMEMLIMIT in its environment, which it keeps through all that it executes.
    pub(super) fn find(tree: &mut Tree, id: ProcessId, now: Timestamp) -> Option<Self> {
        let environment = read_environment(tree, id).ok()?;
        environment.memory_limit.as_deref().and_then(memory_limit)?;
        Some(Self { reader: GoMemoryReader::default(), read: now })
    }

    /// Looks, where it is time.
    pub(super) fn read_when_due(
        &mut self,
        tree: &mut Tree,
        programs: &mut Programs,
        id: ProcessId,
    ) -> Option<Fact<GoMemory>> {
        let now = clock::now();
        if now.since(self.read) < Self::INTERVAL {
            return None;
        }
        self.read = now;
        let mappings = regions::outline(tree, id).ok()?;
        let memory = self.reader.read(tree, programs, id, &mappings)?;
        Some(Fact { id, at: clock::now(), reading: Ok(memory) })
    }
}
