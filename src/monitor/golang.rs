//! What the memory of a Go program is: the runtime's numbers laid beside the mappings of the same moment, and the advice
//! that follows from the bounds above it. Refuses to name a part of what neither of the two knows.

use crate::golang::advice::{Ceiling, CeilingKind, RuntimeSituation, Situation, Source, advice};
use crate::golang::{environment, runtime_memory};
use crate::mapping_class::MappingClass;
use crate::snapshot::Fact;
use crate::snapshot::go_memory::{GoMemory, GoNumbers};
use crate::snapshot::mapping::Region;
use crate::units::{Bytes, MaybeKib, ProcessId};

use super::report::{DomainKind, GoPart, GoRead, GoReport, MappingsReport, MappingsState, ProcessReport, Report};

/// What was read of the last few Go programs that somebody looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct GoLooks(Vec<GoLook>);

#[derive(Clone, Debug)]
struct GoLook {
    of: ProcessId,
    read: Option<GoRead>,
    held: Option<Held>,
}

impl GoLooks {
    /// Takes in one read of the mappings, with what the runtime said at the same time where it could be asked; keeps
    /// those of so many processes.
    pub(super) fn absorb(
        &mut self,
        of: ProcessId,
        memory: Option<&Fact<GoMemory>>,
        mappings: &MappingsState,
        most: usize,
    ) {
        let known = self.0.iter().position(|look| look.of == of);
        let before = known.and_then(|index| self.0.remove(index).read);
        let read = memory.filter(|fact| fact.id == of).and_then(|fact| {
            let GoMemory { environment, numbers, listening } = fact.reading.clone().ok()?;
            Some(GoRead { at: fact.at, environment, numbers, listening })
        });
        let read = read.or(before);
        let held = match mappings {
            MappingsState::Known(known) => {
                Some(Held::of(known, read.as_ref().and_then(|read| read.numbers.as_ref().ok())))
            }
            MappingsState::Waiting | MappingsState::Unreadable(_) => None,
        };
        if self.0.len() >= most.max(1) {
            self.0.remove(0);
        }
        self.0.push(GoLook { of, read, held });
    }

    /// `None` where the process is no Go program, as far as is known.
    pub(super) fn report(&self, row: &ProcessReport, report: &Report) -> Option<GoReport> {
        let build = row.identity.executable.as_ref()?.go.clone()?;
        let look = self.0.iter().find(|look| look.of == row.id);
        let read = look.and_then(|look| look.read.clone());
        let held = look.and_then(|look| look.held.as_ref());
        let bound = bound(row, report);
        // Before anything was read there is nothing to judge by.
        let judged = read.as_ref().zip(held);
        let advice = judged.and_then(|(read, held)| advice(&situation(&build.version, read, held, bound.as_ref())));
        Some(GoReport {
            test_package: row.identity.test_package.clone(),
            stacks: held.and_then(|held| held.stacks),
            not_touched: held.and_then(|held| held.not_touched),
            parts: held.map(|held| held.parts.clone()).unwrap_or_default(),
            ceiling: bound.map(|(ceiling, _)| ceiling),
            advice,
            build,
            read,
        })
    }
}

/// What one read of the mappings says, with the numbers of the same moment.
#[derive(Clone, Debug, Default)]
struct Held {
    parts: Vec<(GoPart, Bytes)>,
    stacks: Option<Bytes>,
    not_touched: Option<Bytes>,
    /// Heap and stacks, in memory and in swap.
    heap: Bytes,
    /// What is not the Go runtime's and cannot be given back.
    beside: Bytes,
    lazy_free: Bytes,
    huge_excess: Bytes,
}

impl Held {
    fn of(known: &MappingsReport, numbers: Option<&GoNumbers>) -> Self {
        let of_class = |class: MappingClass| known.classes.iter().find(|of| of.class == class).map(|of| of.sums);
        let rss = |class: MappingClass| of_class(class).map_or(Bytes(0), |sums| sums.rss);
        let heap = rss(MappingClass::GoHeap);
        let lazy_free = of_class(MappingClass::GoHeap).map_or(Bytes(0), |sums| sums.lazy_free);
        let regions =
            || known.mappings.regions.iter().zip(&known.class_of).map(|(region, (class, _))| (region, *class));
        let arenas = || regions().filter(|(region, class)| *class == MappingClass::GoHeap && region.permissions != 0);
        let in_arenas = arenas().fold(Bytes(0), |sum, (region, _)| sum.saturating_add(region.size()));
        let stacks = numbers.and_then(|numbers| {
            let heap = numbers.in_use.0.checked_add(numbers.free.0)?.checked_add(numbers.released.0)?;
            in_arenas.0.checked_sub(heap).map(Bytes)
        });
        // In the order in which the parts fill what is resident.
        let resident = heap.saturating_sub(lazy_free);
        let mut parts = Vec::new();
        let mut left = resident;
        let mut take = |part: GoPart, size: Bytes| {
            let size = Bytes(size.0.min(left.0));
            left = left.saturating_sub(size);
            parts.push((part, size));
        };
        if let Some(numbers) = numbers {
            take(GoPart::Live, numbers.live);
            take(GoPart::Stacks, stacks.unwrap_or_default());
            take(GoPart::New, numbers.allocated.saturating_sub(numbers.live));
            take(GoPart::Slack, numbers.in_use.saturating_sub(Bytes(numbers.allocated.0.max(numbers.live.0))));
            take(GoPart::Free, numbers.free);
        }
        take(GoPart::Heap, Bytes(u64::MAX));
        let kept = numbers
            .zip(stacks)
            .map(|(numbers, stacks)| numbers.in_use.saturating_add(numbers.free).saturating_add(stacks));
        parts.push((GoPart::LazilyFreed, lazy_free));
        for class in MappingClass::ALL.into_iter().filter(|class| *class != MappingClass::GoHeap) {
            let part = part_of(class);
            match parts.iter_mut().find(|(known, _)| *known == part) {
                Some((_, size)) => *size = size.saturating_add(rss(class)),
                None => parts.push((part, rss(class))),
            }
        }
        parts.retain(|(_, size)| *size > Bytes(0));
        parts.sort_by_key(|(part, size)| (*part != GoPart::Live, std::cmp::Reverse(*size), *part));
        let huge = arenas().any(|(region, _)| region.huge.get().unwrap_or_default() > Bytes(0));
        let swapped = of_class(MappingClass::GoHeap).map_or(Bytes(0), |sums| sums.swap);
        Self {
            parts,
            stacks,
            heap: resident.saturating_add(swapped),
            not_touched: kept.map(|kept| kept.saturating_sub(resident)),
            beside: regions().fold(Bytes(0), |sum, (region, class)| sum.saturating_add(unreclaimable(region, class))),
            lazy_free,
            huge_excess: kept.filter(|_| huge).map_or(Bytes(0), |kept| resident.saturating_sub(kept)),
        }
    }
}

/// Every class belongs to a part.
const fn part_of(class: MappingClass) -> GoPart {
    match class {
        MappingClass::GoHeap => GoPart::Heap,
        MappingClass::GoRuntime => GoPart::Tables,
        MappingClass::GoRaceShadow => GoPart::RaceShadow,
        MappingClass::CgoHeap | MappingClass::Heap | MappingClass::ThreadStack => GoPart::C,
        MappingClass::Executable | MappingClass::Library => GoPart::Program,
        MappingClass::File
        | MappingClass::Anonymous
        | MappingClass::Stack
        | MappingClass::SharedMemory
        | MappingClass::Tmpfs
        | MappingClass::Hugetlb
        | MappingClass::Kernel
        | MappingClass::Jit
        | MappingClass::Other => GoPart::Other,
    }
}

/// What of a region is not of the Go runtime and stays when memory is short: pages of files are read again.
fn unreclaimable(region: &Region, class: MappingClass) -> Bytes {
    let size = |size: MaybeKib| size.get().unwrap_or_default();
    match class {
        MappingClass::GoHeap | MappingClass::GoRuntime => Bytes(0),
        MappingClass::SharedMemory | MappingClass::Tmpfs => size(region.rss),
        _ => size(region.anonymous),
    }
}

/// The lowest bound above a process, and what others below it hold and cannot give back, where that is known.
fn bound(row: &ProcessReport, report: &Report) -> Option<(Ceiling, Option<Bytes>)> {
    let own = row.rss_anon.get().zip(row.rss_shmem.get()).map(|(anon, shmem)| anon.saturating_add(shmem));
    let bounds = report.domains.iter().filter(|domain| domain.holds(row)).flat_map(|domain| {
        let others = domain.unreclaimable.zip(own).map(|(all, own)| all.saturating_sub(own));
        let reached = if domain.kind == DomainKind::Host { CeilingKind::Machine } else { CeilingKind::Kill };
        let ceiling = move |bytes, kind| (Ceiling { label: domain.label.clone(), bytes, kind }, others);
        [Some(ceiling(domain.limit, reached)), domain.high.map(|high| ceiling(high, CeilingKind::Throttle))]
    });
    bounds.flatten().min_by_key(|(ceiling, _)| ceiling.bytes)
}

fn situation(version: &str, read: &GoRead, held: &Held, bound: Option<&(Ceiling, Option<Bytes>)>) -> Situation {
    let environment = read.environment.as_ref().ok();
    let has = |setting| environment.is_some_and(|environment| environment.has_setting(setting));
    // A program may have changed its mind: the runtime knows better than the environment.
    let (source, memory_limit, gc_percent) = match (&read.numbers, environment) {
        (Ok(numbers), _) => {
            let overhead = numbers.mapped.saturating_sub(numbers.in_use).saturating_sub(numbers.free);
            let source = Source::Runtime(RuntimeSituation { live: numbers.live, overhead });
            (source, numbers.memory_limit, numbers.gc_percent)
        }
        (Err(_), Some(environment)) => (
            Source::Environment { heap: held.heap },
            environment.memory_limit.as_deref().and_then(environment::memory_limit),
            environment::gc_percent(environment.gc_percent.as_deref()),
        ),
        (Err(_), None) => (Source::Unknown, None, None),
    };
    Situation {
        minor: runtime_memory::minor(version),
        ceiling: bound.map(|(ceiling, _)| ceiling.clone()),
        others: bound.and_then(|(_, others)| *others),
        beside: held.beside,
        memory_limit,
        gc_percent,
        source,
        frees_lazily: has("madvdontneed=0"),
        lazy_free: held.lazy_free,
        without_huge_pages: has("disablethp=1"),
        huge_excess: held.huge_excess,
    }
}
