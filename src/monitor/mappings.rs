//! What the memory of the selected process is: one read of its mappings, summed by class, and what changed since the
//! mark or the first read. Refuses to keep more than a few baselines of twenty-four bytes a region, and to sum what the
//! kernel did not tell.

use std::sync::Arc;

use crate::mapping_class::{ClassContext, MappingClass, classify};
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::system::Machine;
use crate::snapshot::{Fact, Unreadable};
use crate::units::{Bytes, MaybeKib, ProcessId};

use super::report::{ClassReport, Identity, MappingSums, MappingsReport, MappingsState};

/// The last read, and baselines of the last few processes.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapped {
    last: Option<(ProcessId, MappingsState)>,
    /// The one used last is the last.
    baselines: Vec<Baseline>,
}

/// What changes count from.
#[derive(Clone, Debug)]
struct Baseline {
    of: ProcessId,
    /// In the order of the addresses.
    regions: Vec<Was>,
    classes: Vec<(MappingClass, Bytes)>,
}

/// A region at the mark.
#[derive(Clone, Copy, Debug)]
struct Was {
    start: u64,
    end: u64,
    kib: u32,
    /// Of its name: the numbers of names are those of one read.
    name: u32,
}

impl Mapped {
    /// Takes in one read.
    pub(super) fn absorb(&mut self, fact: &Fact<Arc<Mappings>>, context: &ClassContext<'_>, most: usize) {
        let state = match &fact.reading {
            Err(Unreadable::Gone) => return,
            Err(reason) => MappingsState::Unreadable(*reason),
            Ok(mappings) => MappingsState::Known(Arc::new(self.report(fact.id, mappings, context, most))),
        };
        self.last = Some((fact.id, state));
    }

    pub(super) fn state(&self, id: ProcessId) -> MappingsState {
        match &self.last {
            Some((of, state)) if *of == id => state.clone(),
            _ => MappingsState::Waiting,
        }
    }

    /// Changes count from the last read, or where there is none from the next.
    pub(super) fn mark(&mut self, id: ProcessId) {
        self.baselines.retain(|baseline| baseline.of != id);
        if let Some((of, MappingsState::Known(report))) = &mut self.last
            && *of == id
        {
            self.baselines.push(baseline(id, report));
            let report = Arc::make_mut(report);
            report.change_of.iter_mut().for_each(|change| *change = Some(0));
            report.classes.iter_mut().for_each(|class| class.change = 0);
        }
    }

    fn report(
        &mut self,
        id: ProcessId,
        mappings: &Arc<Mappings>,
        context: &ClassContext<'_>,
        most: usize,
    ) -> MappingsReport {
        let class_of = classify(mappings, context);
        let (total, classes) = sums(mappings, &class_of);
        let took = mappings.ended.since(mappings.began);
        let mut report = MappingsReport {
            mappings: Arc::clone(mappings),
            took,
            next_due: mappings.ended.after(Mappings::pause_after(took)),
            total,
            classes,
            class_of,
            change_of: Vec::new(),
        };
        let known = self.baselines.iter().position(|baseline| baseline.of == id);
        let baseline = match known {
            Some(index) => self.baselines.remove(index),
            None => baseline(id, &report),
        };
        report.change_of = changes(&mappings.regions, mappings, &baseline.regions);
        for class in &mut report.classes {
            let was = baseline.classes.iter().find(|(known, _)| *known == class.class);
            class.change = signed(class.sums.rss) - was.map_or(0, |(_, was)| signed(*was));
        }
        if self.baselines.len() >= most.max(1) {
            self.baselines.remove(0);
        }
        self.baselines.push(baseline);
        report
    }
}

/// Sums over all regions, and by class, largest first.
pub(super) fn sums(mappings: &Mappings, class_of: &[(MappingClass, bool)]) -> (MappingSums, Vec<ClassReport>) {
    let mut total = MappingSums::default();
    let mut classes: Vec<ClassReport> = Vec::new();
    for (region, (class, probable)) in mappings.regions.iter().zip(class_of) {
        let index = classes.iter().position(|known| known.class == *class).unwrap_or_else(|| {
            classes.push(ClassReport { class: *class, sums: MappingSums::default(), probable: 0, change: 0 });
            classes.len() - 1
        });
        add(&mut classes[index].sums, region);
        add(&mut total, region);
        classes[index].probable += u32::from(*probable);
    }
    classes.sort_by_key(|class| (std::cmp::Reverse(class.sums.rss), class.class));
    (total, classes)
}

/// What is known of a process that helps to classify its mappings.
pub(super) fn context<'a>(identity: Option<&'a Identity>, machine: &'a Machine) -> ClassContext<'a> {
    let executable = identity.and_then(|identity| identity.executable.as_deref());
    ClassContext {
        executable: executable.map(|executable| &*executable.path),
        tmpfs: &machine.tmpfs,
        is_go: executable.is_some_and(|executable| executable.go.is_some()),
    }
}

fn add(sums: &mut MappingSums, region: &Region) {
    let add = |sum: &mut Bytes, part: MaybeKib| *sum = sum.saturating_add(part.get().unwrap_or_default());
    add(&mut sums.rss, region.rss);
    add(&mut sums.pss, region.pss);
    add(&mut sums.swap, region.swap);
    add(&mut sums.swap_pss, region.swap_pss);
    add(&mut sums.lazy_free, region.lazy_free);
    add(&mut sums.hugetlb, region.hugetlb);
    sums.regions += 1;
}

fn baseline(of: ProcessId, report: &MappingsReport) -> Baseline {
    let mappings = &report.mappings;
    let was = |region: &Region| Was {
        start: region.start,
        end: region.end,
        kib: kib(region),
        name: fingerprint(mappings.name(region)),
    };
    Baseline {
        of,
        regions: mappings.regions.iter().map(was).collect(),
        classes: report.classes.iter().map(|class| (class.class, class.sums.rss)).collect(),
    }
}

/// RSS of each region minus what its addresses held at the mark, in KiB. Where a region was split or cut, each part is
/// taken to have held its share by length. Both lists are in the order of addresses.
fn changes(regions: &[Region], mappings: &Mappings, baseline: &[Was]) -> Vec<Option<i64>> {
    let mut begin = 0;
    let change = |region: &Region| {
        while baseline.get(begin).is_some_and(|was| was.end <= region.start) {
            begin += 1;
        }
        let name = fingerprint(mappings.name(region));
        let overlapping = baseline[begin..].iter().take_while(|was| was.start < region.end);
        let mut known = false;
        let mut held = 0.0;
        for was in overlapping.filter(|was| was.name == name) {
            let overlap = was.end.min(region.end).saturating_sub(was.start.max(region.start));
            held += f64::from(was.kib) * overlap as f64 / (was.end - was.start).max(1) as f64;
            known = true;
        }
        known.then(|| i64::from(kib(region)) - held.round() as i64)
    };
    regions.iter().map(change).collect()
}

fn kib(region: &Region) -> u32 {
    region.rss.get().map_or(0, |rss| u32::try_from(rss.0 / 1024).unwrap_or(u32::MAX))
}

/// FNV-1a: short, and the same in every run.
fn fingerprint(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::units::Timestamp;

    use super::*;

    const ID: ProcessId = ProcessId::new(7, 1);

    /// Regions of start, end and RSS in pages of 4 KiB; anonymous.
    fn read(regions: &[(u64, u64, u64)]) -> Fact<Arc<Mappings>> {
        let region = |(start, end, rss): &(u64, u64, u64)| Region {
            start: start * 4096,
            end: end * 4096,
            rss: MaybeKib::from_kib(rss * 4),
            pss: MaybeKib::from_kib(rss * 2),
            permissions: Region::READ | Region::WRITE,
            ..Region::default()
        };
        let mappings = Mappings {
            of: ID,
            began: Timestamp::from_secs(1),
            ended: Timestamp::from_secs(1).after(Duration::from_millis(100)),
            regions: regions.iter().map(region).collect(),
            names: vec![Box::default()],
            ..Mappings::default()
        };
        Fact { id: ID, at: mappings.ended, reading: Ok(Arc::new(mappings)) }
    }

    fn known(mapped: &Mapped) -> Arc<MappingsReport> {
        match mapped.state(ID) {
            MappingsState::Known(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_follow_addresses_through_growth_split_and_new_regions() {
        let mut mapped = Mapped::default();
        mapped.absorb(&read(&[(10, 20, 5), (30, 40, 10)]), &ClassContext::default(), 4);
        assert_eq!(known(&mapped).change_of, [Some(0), Some(0)]);
        // The first grew, the second was split in halves, the third is new.
        mapped.absorb(&read(&[(10, 28, 9), (30, 35, 5), (35, 40, 7), (50, 60, 3)]), &ClassContext::default(), 4);
        assert_eq!(known(&mapped).change_of, [Some(16), Some(0), Some(8), None]);
        mapped.mark(ID);
        assert!(known(&mapped).change_of.iter().all(|change| *change == Some(0)));
        mapped.absorb(&read(&[(10, 28, 10), (50, 60, 1)]), &ClassContext::default(), 4);
        assert_eq!(known(&mapped).change_of, [Some(4), Some(-8)]);
        assert_eq!(known(&mapped).classes.iter().map(|class| class.change).sum::<i64>(), (11 - 24) * 4096);
    }

    #[test]
    fn what_cannot_be_read_says_why_and_the_next_read_waits_by_cost() {
        let mut mapped = Mapped::default();
        assert_eq!(mapped.state(ID), MappingsState::Waiting);
        let denied = Fact { id: ID, at: Timestamp(0), reading: Err(Unreadable::Denied) };
        mapped.absorb(&denied, &ClassContext::default(), 4);
        assert_eq!(mapped.state(ID), MappingsState::Unreadable(Unreadable::Denied));
        mapped.absorb(&read(&[(1, 2, 1)]), &ClassContext::default(), 4);
        let report = known(&mapped);
        assert_eq!(report.next_due.since(report.mappings.ended), Duration::from_secs(2));
        // The process ended: what was read last stays.
        mapped.absorb(&Fact { reading: Err(Unreadable::Gone), ..denied }, &ClassContext::default(), 4);
        assert!(matches!(mapped.state(ID), MappingsState::Known(_)));
    }

    #[test]
    fn baselines_are_few() {
        let mut mapped = Mapped::default();
        for pid in 1..20 {
            let mut fact = read(&[(1, 2, 1)]);
            fact.id = ProcessId::new(pid, 1);
            mapped.absorb(&fact, &ClassContext::default(), 4);
        }
        assert_eq!(mapped.baselines.len(), 4);
    }

    proptest! {
        #[test]
        fn classes_add_up_to_the_whole(sizes in prop::collection::vec((1_u64..50, 0_u64..50), 0..40)) {
            let mut at = 16;
            let regions: Vec<_> = sizes.iter().map(|(length, rss)| {
                let start = at;
                at += length + 1;
                (start, start + length, *rss)
            }).collect();
            let mut mapped = Mapped::default();
            mapped.absorb(&read(&regions), &ClassContext::default(), 4);
            let report = known(&mapped);
            let sum = report.classes.iter().fold(Bytes(0), |sum, class| sum.saturating_add(class.sums.rss));
            prop_assert_eq!(sum, report.total.rss);
            prop_assert_eq!(report.total.rss.0, sizes.iter().map(|(_, rss)| rss * 4096).sum::<u64>());
            prop_assert_eq!(report.class_of.len(), regions.len());
            prop_assert_eq!(report.change_of.len(), regions.len());
        }
    }
}
