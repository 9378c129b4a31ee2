//! What the memory of the selected process is: one read of its mappings, summed by class, beside the mark and the read
//! before. Refuses to keep those of more than a few processes, and to sum what the kernel did not tell.

use std::sync::Arc;

use crate::mapping_class::{ClassContext, MappingClass, classify};
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::system::Machine;
use crate::snapshot::{Fact, Unreadable};
use crate::units::{Bytes, MaybeKib, ProcessId};

use super::mapping_change::{Baseline, RegionTrends, Trends, by_class, changes};
use super::report::{ClassReport, Identity, MappingSums, MappingsReport, MappingsState};

/// The last reads of the last few processes: who goes back to one sees at once what it held, and how long ago.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapped {
    /// The one read last is the last.
    looks: Vec<Look>,
}

/// What is kept of one process.
#[derive(Clone, Debug)]
struct Look {
    of: ProcessId,
    state: MappingsState,
    trail: Trail,
}

/// What the next read is compared with, beside the last.
#[derive(Clone, Debug, Default)]
struct Trail {
    /// `None`: the next read is one.
    baseline: Option<Baseline>,
    trends: Trends,
    region_trends: RegionTrends,
}

impl Mapped {
    /// Takes in one read; keeps those of so many processes.
    pub(super) fn absorb(&mut self, fact: &Fact<Arc<Mappings>>, context: &ClassContext<'_>, most: usize) {
        if fact.reading.as_ref().err() == Some(&Unreadable::Gone) {
            return;
        }
        let known = self.looks.iter().position(|look| look.of == fact.id).map(|index| self.looks.remove(index));
        let (before, mut trail) = known.map_or((None, Trail::default()), |look| (look.state.known(), look.trail));
        let state = match &fact.reading {
            Err(reason) => MappingsState::Unreadable(*reason),
            Ok(mappings) => MappingsState::Known(Arc::new(report(mappings, context, before.as_deref(), &mut trail))),
        };
        if self.looks.len() >= most.max(1) {
            self.looks.remove(0);
        }
        self.looks.push(Look { of: fact.id, state, trail });
    }

    pub(super) fn state(&self, id: ProcessId) -> MappingsState {
        let look = self.looks.iter().find(|look| look.of == id);
        look.map_or(MappingsState::Waiting, |look| look.state.clone())
    }

    /// Changes count from the last read, or where there is none from the next.
    pub(super) fn mark(&mut self, id: ProcessId) {
        let Some(look) = self.looks.iter_mut().find(|look| look.of == id) else { return };
        look.trail.baseline = None;
        if let MappingsState::Known(report) = &mut look.state {
            look.trail.baseline = Some(Baseline::of(report, true));
            let report = Arc::make_mut(report);
            report.change_of.iter_mut().for_each(|change| *change = Some(0));
            report.classes.iter_mut().for_each(|class| class.change = 0);
            report.changes.clear();
            report.since = report.mappings.ended;
            report.marked = true;
        }
    }
}

/// One read, beside the mark and the read before.
fn report(
    mappings: &Arc<Mappings>,
    context: &ClassContext<'_>,
    before: Option<&MappingsReport>,
    trail: &mut Trail,
) -> MappingsReport {
    let class_of = classify(mappings, context);
    let (total, classes) = sums(mappings, &class_of);
    let took = mappings.ended.since(mappings.began);
    let mut report = MappingsReport {
        mappings: Arc::clone(mappings),
        took,
        next_due: mappings.ended.after(mappings.pause),
        total,
        classes,
        class_of,
        change_of: Vec::new(),
        step_of: Vec::new(),
        trends: trail.region_trends.take(&mappings.regions),
        changes: Vec::new(),
        since: mappings.ended,
        marked: false,
    };
    let Trail { baseline, trends, .. } = trail;
    let baseline = baseline.get_or_insert_with(|| Baseline::of(&report, false));
    let before = Baseline::of(before.unwrap_or(&report), false);
    report.change_of = changes(mappings, &baseline.regions);
    report.step_of = changes(mappings, &before.regions);
    report.changes = by_class(&report, baseline);
    (report.since, report.marked) = (baseline.at, baseline.marked);
    trends.take(&report.classes);
    for class in &mut report.classes {
        class.change = signed(class.sums.rss) - signed(baseline.rss_of(class.class));
        class.step = signed(class.sums.rss) - signed(before.rss_of(class.class));
        class.trend = trends.of(class.class);
    }
    report
}

/// Sums over all regions, and by class, largest first.
pub(super) fn sums(mappings: &Mappings, class_of: &[(MappingClass, bool)]) -> (MappingSums, Vec<ClassReport>) {
    let mut total = MappingSums::default();
    let mut classes: Vec<ClassReport> = Vec::new();
    for (region, (class, probable)) in mappings.regions.iter().zip(class_of) {
        let index = classes.iter().position(|known| known.class == *class).unwrap_or_else(|| {
            classes.push(ClassReport::first(*class, MappingSums::default()));
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
    add(&mut sums.anonymous, region.anonymous);
    add(&mut sums.lazy_free, region.lazy_free);
    add(&mut sums.hugetlb, region.hugetlb);
    sums.regions += 1;
}

pub(super) fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::units::Timestamp;

    use super::super::history::Series;
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
            pause: Duration::from_secs(2),
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

    /// The same at a later second.
    fn at(second: u64, mut fact: Fact<Arc<Mappings>>) -> Fact<Arc<Mappings>> {
        let mappings = Arc::make_mut(fact.reading.as_mut().expect("it was read"));
        (mappings.began, mappings.ended) = (Timestamp::from_secs(second), Timestamp::from_secs(second));
        fact
    }

    #[test]
    fn what_moved_is_told_since_the_mark_and_since_the_look_before() {
        let mut mapped = Mapped::default();
        let look = |mapped: &mut Mapped, second, regions: &[(u64, u64, u64)]| {
            mapped.absorb(&at(second, read(regions)), &ClassContext::default(), 4);
            known(mapped)
        };
        assert_eq!(look(&mut mapped, 10, &[(10, 2000, 512), (3000, 4000, 256)]).difference(), None, "the first look");
        let still = look(&mut mapped, 12, &[(10, 2000, 512), (3000, 4000, 256)]);
        assert_eq!(still.difference().as_deref(), Some("No change in the 2s since the first read."));
        let against = look(&mut mapped, 14, &[(10, 2000, 256), (3000, 4000, 384), (5000, 6000, 128)]);
        let told = "No net change in the 4s since the first read; 1.00M moved between regions.";
        assert_eq!(against.difference().as_deref(), Some(told));
        let grown = look(&mut mapped, 20, &[(10, 2000, 1024), (3000, 4000, 256), (5000, 6000, 768)]);
        let told = "+5.00M in the 10s since the first read: anonymous +5.00M in 1 region and 1 new.";
        assert_eq!(grown.difference().as_deref(), Some(told));
        mapped.mark(ID);
        let shrunk = look(&mut mapped, 50, &[(10, 2000, 768), (3000, 4000, 256), (5000, 6000, 768)]);
        assert_eq!(
            shrunk.difference().as_deref(),
            Some("-1.00M in the 30s since the mark: anonymous -1.00M in 1 region.")
        );
        assert_eq!((shrunk.change_of[2], shrunk.step_of[0]), (Some(0), Some(-1024)));
        let next = look(&mut mapped, 51, &[(10, 2000, 768), (3000, 4000, 512), (5000, 6000, 768)]);
        assert_eq!((next.classes[0].change, next.classes[0].step), (0, 1 << 20));
        assert_eq!((next.change_of[0], next.step_of[0], next.step_of[1]), (Some(-1024), Some(0), Some(1024)));
        assert_eq!(next.classes[0].trend, [255, 255, 0, 0, 0, 7, 6, 7], "of six looks: 3, 3, 3, 8, 7 and 8 MiB");
    }

    #[test]
    fn pages_of_files_that_come_and_go_are_told_from_growth() {
        let file = |second, kib: u64, anonymous| {
            let mut fact = at(second, read(&[(10, 4000, kib / 4)]));
            let mappings = Arc::make_mut(fact.reading.as_mut().expect("it was read"));
            mappings.names = vec![b"/srv/table".as_slice().into()];
            mappings.regions[0].inode = 7;
            mappings.regions[0].anonymous = MaybeKib::from_kib(anonymous);
            fact
        };
        for (kib, anonymous, expected) in [
            (3072, 0, "+2.00M in the 5s since the first read: files +2.00M in 1 region (page cache, comes and goes)."),
            (3072, 2048, "+2.00M in the 5s since the first read: files +2.00M in 1 region."),
            (512, 0, "-512K in the 5s since the first read: files -512K in 1 region (page cache, comes and goes)."),
        ] {
            let mut mapped = Mapped::default();
            mapped.absorb(&file(1, 1024, 0), &ClassContext::default(), 4);
            mapped.absorb(&file(6, kib, anonymous), &ClassContext::default(), 4);
            assert_eq!(known(&mapped).difference().as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_grew_most_is_named_and_the_largest_regions_have_a_past() {
        let named = |second, sizes: [u64; 3]| {
            let mut fact = at(second, read(&[(10, 900, sizes[0]), (1000, 1900, sizes[1]), (2000, 2900, sizes[2])]));
            let mappings = Arc::make_mut(fact.reading.as_mut().expect("it was read"));
            mappings.names = vec![b"/lib/libfoo.so".as_slice().into(), b"/lib/libbar.so".as_slice().into()];
            mappings.regions[2].name = 1;
            mappings.regions.iter_mut().for_each(|region| region.anonymous = region.rss);
            fact
        };
        let mut mapped = Mapped::default();
        mapped.absorb(&named(1, [100, 100, 100]), &ClassContext::default(), 4);
        mapped.absorb(&named(3, [100, 356, 103]), &ClassContext::default(), 4);
        let report = known(&mapped);
        let told = "+1.01M in the 2s since the first read: libraries +1.01M in 2 regions, libfoo.so +1.00M.";
        assert_eq!(report.difference().as_deref(), Some(told));
        let shapes = [0, 1, 2].map(|index| report.trend_of(index));
        let of_two = |last: [u8; 2]| [[255; 6].as_slice(), &last].concat();
        let flat = [Series::FLAT; 2];
        assert_eq!(shapes.map(Vec::from), [flat, [0, 7], [0, 7]].map(of_two));
        assert_eq!(report.trend_of(3), [255; 8]);
        // Of many only the largest, and those in order.
        let many: Vec<_> = (0..1000).map(|number| (number * 8 + 10, number * 8 + 17, number)).collect();
        mapped.absorb(&at(5, read(&many)), &ClassContext::default(), 4);
        let trends = &known(&mapped).trends;
        assert!(trends.len() == 256 && trends.is_sorted() && trends[0].0 == 744, "{}", trends[0].0);
    }

    #[test]
    fn regions_are_listed_in_each_order() {
        use super::super::report::RegionOrder;

        let mut mapped = Mapped::default();
        mapped.absorb(&at(1, read(&[(10, 20, 9), (30, 90, 5), (100, 104, 3)])), &ClassContext::default(), 4);
        mapped.absorb(&at(2, read(&[(10, 20, 9), (30, 90, 6), (100, 104, 3)])), &ClassContext::default(), 4);
        mapped.absorb(
            &at(3, read(&[(10, 20, 8), (30, 90, 6), (100, 104, 4), (200, 201, 1)])),
            &ClassContext::default(),
            4,
        );
        let report = known(&mapped);
        for (order, expected) in [
            (RegionOrder::Rss, [0, 1, 2, 3]),
            (RegionOrder::Change, [1, 2, 3, 0]),
            (RegionOrder::Step, [2, 3, 1, 0]),
            (RegionOrder::Size, [1, 0, 2, 3]),
            (RegionOrder::Address, [0, 1, 2, 3]),
        ] {
            let listed = report.regions_of(MappingClass::Anonymous, order);
            assert_eq!(listed, expected, "{order:?}");
        }
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
    fn the_last_few_are_kept_and_who_goes_back_sees_the_old_read() {
        let mut mapped = Mapped::default();
        for pid in 1..20 {
            let mut fact = read(&[(1, 2, 1)]);
            fact.id = ProcessId::new(pid, 1);
            mapped.absorb(&fact, &ClassContext::default(), 4);
        }
        assert_eq!(mapped.looks.len(), 4);
        let known = |pid| matches!(mapped.state(ProcessId::new(pid, 1)), MappingsState::Known(_));
        assert_eq!([15, 16, 19].map(known), [false, true, true]);
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
            prop_assert_eq!((report.change_of.len(), report.step_of.len()), (regions.len(), regions.len()));
        }
    }
}
