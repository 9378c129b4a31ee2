//! The runtime's own numbers of the selected Go program, out of `/proc/PID/mem`, and the variables of its environment
//! that steer them. Refuses to write, to stop the process, to read more than its image, and to look into the processes
//! of other users unless that was asked for.

use rustix::fd::OwnedFd;
use rustix::fs::fstat;
use rustix::io::{Errno, pread, retry_on_intr};
use rustix::process::geteuid;

use crate::golang::environment::environment;
use crate::golang::runtime_memory::{
    self, Bounds, CONTROLLER, Layout, RINGS, STATISTICS, STATISTICS_BYTES, collections, controllers, layout, numbers,
    statistics,
};
use crate::snapshot::Unreadable;
use crate::snapshot::go_memory::{Collections, Found, GoEnvironment, GoMemory, GoNumbers, NoNumbers};
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::process::GoBuild;
use crate::units::{Bytes, GoMemoryOf, ProcessId, Timestamp, WallTime};

use super::clock;
use super::files::{FileName, Tree, unreadable};
use super::programs::Programs;
use super::regions::is_there;

/// Bytes of an environment that are read.
const ENVIRONMENT: usize = 256 << 10;
/// Bytes of the writable image that are searched.
const SEARCHED: u64 = 64 << 20;
const PIECE: usize = 256 << 10;
/// How often statistics are searched for that are not there before the first collection.
const SEARCHES: u8 = 16;
/// How often all is searched for in vain: a program that has just begun may not have set them up.
const FAILURES: u8 = 4;

/// Reads one Go program after another.
#[derive(Debug, Default)]
pub(super) struct GoMemoryReader {
    pub(super) whose: GoMemoryOf,
    known: Option<(ProcessId, Place)>,
    failure: Option<Failure>,
}

/// A search that found nothing, which costs as much each time.
#[derive(Clone, Debug)]
struct Failure {
    of: ProcessId,
    /// It may have executed another program since.
    build: GoBuild,
    why: NoNumbers,
    /// How often it may still be searched.
    left: u8,
}

impl Failure {
    /// Why it is not searched again.
    fn forbids(failure: Option<&Self>, id: ProcessId, build: &GoBuild) -> Option<NoNumbers> {
        let same = failure.filter(|failure| failure.of == id && failure.build == *build);
        same.filter(|failure| failure.left == 0).map(|failure| failure.why)
    }

    /// One more that failed.
    fn once_more(failure: Option<Self>, id: ProcessId, build: &GoBuild, why: NoNumbers) -> Self {
        let same = failure.filter(|failure| failure.of == id && failure.build == *build);
        let left = same.map_or(FAILURES, |failure| failure.left).saturating_sub(1);
        Self { of: id, build: build.clone(), why, left }
    }
}

/// Where the variables of one process are.
#[derive(Clone, Copy, Debug)]
struct Place {
    found: Found,
    controller: u64,
    statistics: Statistics,
}

#[derive(Clone, Copy, Debug)]
enum Statistics {
    Found(u64),
    /// Not yet: where to look, and how often that may still be done.
    Missing {
        within: Option<u64>,
        searches: u8,
    },
}

impl GoMemoryReader {
    /// What can be known of a process whose mappings were just read; `None` where it is no Go program.
    pub(super) fn read(
        &mut self,
        tree: &mut Tree,
        programs: &mut Programs,
        id: ProcessId,
        mappings: &Mappings,
    ) -> Option<GoMemory> {
        let build = programs.go_build(tree, id)?;
        let environment = read_environment(tree, id);
        let numbers = match layout(&build.version) {
            None => Err(NoNumbers::UnknownVersion),
            Some(layout) => self.numbers(tree, id, mappings, (&build, layout)),
        };
        Some(GoMemory { environment, numbers, listening: None })
    }

    fn numbers(
        &mut self,
        tree: &mut Tree,
        id: ProcessId,
        mappings: &Mappings,
        (build, layout): (&GoBuild, &Layout),
    ) -> Result<GoNumbers, NoNumbers> {
        let memory = self.open(tree, id).map_err(NoNumbers::Unreadable)?.ok_or(match self.whose {
            GoMemoryOf::Nobody => NoNumbers::NotAsked,
            GoMemoryOf::OwnUser | GoMemoryOf::Everybody => NoNumbers::OtherUser,
        })?;
        let bounds = Bounds { writable: writable(mappings) };
        let image = image(tree, id, mappings);
        if let Some((of, place)) = &mut self.known
            && *of == id
            && let Some(numbers) = memory.numbers(place, layout, bounds)
        {
            return Ok(memory.with_collections(numbers, place, &image));
        }
        if let Some(why) = Failure::forbids(self.failure.as_ref(), id, build) {
            return Err(why);
        }
        let (mut place, numbers) = memory.find(tree, id, &image, layout, bounds).inspect_err(|why| {
            self.failure = Some(Failure::once_more(self.failure.take(), id, build, *why));
        })?;
        self.failure = None;
        let numbers = memory.with_collections(numbers, &mut place, &image);
        self.known = Some((id, place));
        Ok(numbers)
    }

    /// `None`: not to be looked into.
    fn open(&self, tree: &mut Tree, id: ProcessId) -> Result<Option<Memory>, Unreadable> {
        let allowed = match self.whose {
            GoMemoryOf::Nobody => false,
            GoMemoryOf::OwnUser => {
                let directory = tree.open_file(&FileName::of(id.pid, ""))?;
                fstat(&directory).is_ok_and(|found| found.st_uid == geteuid().as_raw())
            }
            GoMemoryOf::Everybody => true,
        };
        if !allowed {
            return Ok(None);
        }
        let memory = tree.open_file(&FileName::of(id.pid, "mem"))?;
        // The descriptor stands for one process; that it is the one that was meant, its start time says.
        is_there(tree, id)?;
        Ok(Some(Memory(memory)))
    }
}

pub(super) fn read_environment(tree: &mut Tree, id: ProcessId) -> Result<GoEnvironment, Unreadable> {
    let file = tree.open_file(&FileName::of(id.pid, "environ"))?;
    is_there(tree, id)?;
    whole(|buffer, at| retry_on_intr(|| pread(&file, &mut *buffer, at))).map(|bytes| environment(&bytes))
}

/// All that a reader gives; what is cut could lack the very variables that are looked for.
fn whole(mut read: impl FnMut(&mut [u8], u64) -> Result<usize, Errno>) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    while bytes.len() < ENVIRONMENT {
        let filled = bytes.len();
        bytes.resize(filled + (8 << 10), 0);
        let more = read(&mut bytes[filled..], filled as u64).map_err(unreadable)?;
        bytes.truncate(filled + more);
        if more == 0 {
            return Ok(bytes);
        }
    }
    Err(Unreadable::TooLong)
}

/// The writable part of the program's own file in memory, with its `.bss`, and what its addresses are shifted by.
#[derive(Debug, Default)]
struct Image {
    /// Where the file begins.
    start: Option<u64>,
    /// Start and length of each writable range.
    writable: Vec<(u64, u64)>,
}

fn image(tree: &mut Tree, id: ProcessId, mappings: &Mappings) -> Image {
    let Ok(link) = tree.read_link(&FileName::of(id.pid, "exe")) else { return Image::default() };
    let mut image = Image::default();
    let mut behind = None;
    for region in &mappings.regions {
        let is_own = mappings.name(region) == link;
        let is_bss = behind == Some(region.start) && region.inode == 0;
        if is_own {
            image.start.get_or_insert(region.start);
        }
        behind = None;
        if (is_own || is_bss) && region.permissions == Region::READ | Region::WRITE {
            image.writable.push((region.start, region.size().0));
            behind = is_own.then_some(region.end);
        }
    }
    image
}

/// All private memory without a file that may be written.
fn writable(mappings: &Mappings) -> Bytes {
    let own = mappings
        .regions
        .iter()
        .filter(|region| region.inode == 0 && region.permissions & (Region::WRITE | Region::SHARED) == Region::WRITE);
    own.fold(Bytes(0), |sum, region| sum.saturating_add(region.size()))
}

/// `/proc/PID/mem` of one process.
struct Memory(OwnedFd);

impl Memory {
    /// So many bytes, or fewer where what is mapped ends.
    fn up_to(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = pread(&self.0, &mut bytes, address).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    fn exactly(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.up_to(address, length).filter(|bytes| bytes.len() == length)
    }

    fn numbers(&self, place: &Place, layout: &Layout, bounds: Bounds) -> Option<GoNumbers> {
        numbers(&self.exactly(place.controller, layout.bytes)?, layout, place.found, bounds)
    }

    fn find(
        &self,
        tree: &Tree,
        id: ProcessId,
        image: &Image,
        layout: &Layout,
        bounds: Bounds,
    ) -> Result<(Place, GoNumbers), NoNumbers> {
        let missing = |within| Statistics::Missing { within, searches: SEARCHES };
        let [controller, of_statistics] = Programs::symbols(tree, id, image.start, [CONTROLLER, STATISTICS]);
        if let Some(controller) = controller {
            let place = Place { found: Found::Symbols, controller, statistics: missing(of_statistics) };
            return self.numbers(&place, layout, bounds).map(|numbers| (place, numbers)).ok_or(NoNumbers::Implausible);
        }
        let mut candidates = 0;
        let mut holds = Vec::new();
        self.search(image, layout.bytes, |address, bytes| {
            for at in controllers(bytes) {
                candidates += 1;
                let place = Place { found: Found::Scan, controller: address + at as u64, statistics: missing(None) };
                if let Some(numbers) = bytes.get(at..).and_then(|bytes| numbers(bytes, layout, Found::Scan, bounds)) {
                    holds.push((place, numbers));
                }
            }
        });
        // A place in the overlap of two pieces is seen twice.
        holds.dedup_by_key(|(place, _)| place.controller);
        match holds[..] {
            [one] => Ok(one),
            [] if candidates > 0 => Err(NoNumbers::Implausible),
            _ => Err(NoNumbers::NotFound),
        }
    }

    /// Looks at the writable image piece by piece, each with `more` bytes of the next, but where nothing was ever written: that
    /// is nearly all of a `.bss`, which programs since Go 1.26 have 32 MiB of.
    fn search(&self, image: &Image, more: usize, mut look: impl FnMut(u64, &[u8])) {
        let (mut left, nothing) = (SEARCHED, vec![0; PIECE + more]);
        for (start, length) in &image.writable {
            for offset in (0..(*length).min(left)).step_by(PIECE) {
                let size = (length - offset).min((PIECE + more) as u64) as usize;
                if let Some(bytes) = self.exactly(start + offset, size).filter(|bytes| *bytes != nothing[..size]) {
                    look(start + offset, &bytes);
                }
            }
            left = left.saturating_sub(*length);
        }
    }

    /// Adds count and time of the collections, where they are found.
    fn with_collections(&self, numbers: GoNumbers, place: &mut Place, image: &Image) -> GoNumbers {
        if let Statistics::Missing { within, searches } = place.statistics
            && searches > 0
        {
            let found = if let Some(start) = within {
                let bytes = self.up_to(start, STATISTICS_BYTES);
                bytes.and_then(|bytes| statistics(&bytes).next()).map(|at| start + at as u64)
            } else {
                let mut found = None;
                self.search(image, RINGS, |address, bytes| {
                    found = found.or_else(|| statistics(bytes).next().map(|at| address + at as u64));
                });
                found
            };
            place.statistics = found.map_or(Statistics::Missing { within, searches: searches - 1 }, Statistics::Found);
        }
        let Statistics::Found(address) = place.statistics else { return numbers };
        let read = self.exactly(address, RINGS).and_then(|bytes| collections(&bytes));
        GoNumbers { collections: read.map(dated), ..numbers }
    }
}

/// The clock on the wall is turned into ours at the moment of the read.
fn dated(found: runtime_memory::Statistics) -> Collections {
    let last = WallTime(i64::try_from(found.last).unwrap_or(i64::MAX));
    let passed = u64::try_from(clock::wall().0.saturating_sub(last.0)).ok();
    let last_at = passed.and_then(|passed| clock::now().0.checked_sub(passed)).map(Timestamp);
    Collections { count: found.count, last, last_at, cpu_percent: found.cpu_percent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_searched_a_few_times_and_anew_in_another_program() {
        let (id, build) = (ProcessId::new(7, 1), GoBuild::default());
        let mut failure = None;
        for _ in 0..FAILURES {
            assert_eq!(Failure::forbids(failure.as_ref(), id, &build), None);
            failure = Some(Failure::once_more(failure, id, &build, NoNumbers::NotFound));
        }
        assert_eq!(Failure::forbids(failure.as_ref(), id, &build), Some(NoNumbers::NotFound));
        let other = GoBuild { path: "other".into(), ..GoBuild::default() };
        assert_eq!(Failure::forbids(failure.as_ref(), id, &other), None);
        assert_eq!(Failure::forbids(failure.as_ref(), ProcessId::new(8, 1), &build), None);
    }

    #[test]
    fn an_environment_is_known_whole_or_not_at_all() {
        let of = |length: usize| {
            whole(|buffer, at| {
                let more = buffer.len().min(length - at as usize).min(5_000);
                buffer[..more].fill(b'x');
                Ok(more)
            })
        };
        for length in [0, 1, 9_000, ENVIRONMENT - 1] {
            assert_eq!(of(length).map(|bytes| bytes.len()), Ok(length));
        }
        assert_eq!(of(2 * ENVIRONMENT), Err(Unreadable::TooLong));
        assert_eq!(whole(|_, _| Err(Errno::ACCESS)), Err(Unreadable::Denied));
    }
}
