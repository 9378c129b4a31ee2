//! What moved in the mappings of a process between two reads: by region, by class, and over the last eight. Regions are
//! followed by their addresses and names. Refuses to keep more than twenty-four bytes of a region, but for the largest.

use std::collections::BTreeMap;

use crate::mapping_class::MappingClass;
use crate::snapshot::mapping::{Mappings, Region};
use crate::units::{Bytes, Timestamp};

use super::history::Series;
use super::mappings::signed;
use super::report::{ClassChange, ClassReport, MappingsReport};

/// One read, as much of it as later ones are compared with.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    pub(super) at: Timestamp,
    /// The user asked for it.
    pub(super) marked: bool,
    /// In the order of the addresses.
    pub(super) regions: Vec<Was>,
    classes: Vec<(MappingClass, Bytes, Bytes)>,
}

/// A region at that read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Was {
    start: u64,
    end: u64,
    kib: u32,
    /// Of its name: the numbers of names are those of one read.
    name: u32,
}

impl Baseline {
    pub(super) fn of(report: &MappingsReport, marked: bool) -> Self {
        let mappings = &report.mappings;
        let was = |region: &Region| Was {
            start: region.start,
            end: region.end,
            kib: kib(region),
            name: fingerprint(mappings.name(region)),
        };
        let classes = report.classes.iter().map(|class| (class.class, class.sums.rss, class.sums.anonymous));
        Self {
            at: mappings.ended,
            marked,
            regions: mappings.regions.iter().map(was).collect(),
            classes: classes.collect(),
        }
    }

    pub(super) fn rss_of(&self, class: MappingClass) -> Bytes {
        self.classes.iter().find(|(known, ..)| *known == class).map_or(Bytes(0), |(_, rss, _)| *rss)
    }
}

/// RSS of each region minus what its addresses held then, in KiB. Where a region was split or cut, each part is taken to
/// have held its share by length. Both lists are in the order of addresses.
pub(super) fn changes(mappings: &Mappings, baseline: &[Was]) -> Vec<Option<i64>> {
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
    mappings.regions.iter().map(change).collect()
}

/// The classes whose RSS is another than then, the largest change first; `report.change_of` is known already.
pub(super) fn by_class(report: &MappingsReport, baseline: &Baseline) -> Vec<ClassChange> {
    let was = |class| baseline.classes.iter().find(|(known, ..)| *known == class).map(|(_, rss, own)| (*rss, *own));
    let now = |class| {
        let known = report.classes.iter().find(|known: &&ClassReport| known.class == class);
        known.map(|known| (known.sums.rss, known.sums.anonymous))
    };
    let mut changes = Vec::new();
    for class in MappingClass::ALL {
        let ((rss, own), (rss_then, own_then)) = (now(class).unwrap_or_default(), was(class).unwrap_or_default());
        let bytes = signed(rss) - signed(rss_then);
        if bytes == 0 {
            continue;
        }
        let of_files = bytes - (signed(own) - signed(own_then));
        let is_file = matches!(class, MappingClass::Executable | MappingClass::Library | MappingClass::File);
        let is_page_cache = is_file && of_files.unsigned_abs() * 2 > bytes.unsigned_abs();
        changes.push(ClassChange { class, bytes, regions: 0, new: 0, is_page_cache, most: None });
    }
    let mut by_name: BTreeMap<(MappingClass, u32), i64> = BTreeMap::new();
    for (((class, _), change), region) in report.class_of.iter().zip(&report.change_of).zip(&report.mappings.regions) {
        let Some(known) = changes.iter_mut().find(|known| known.class == *class) else { continue };
        match change {
            None => known.new += 1,
            Some(0) => continue,
            Some(_) => known.regions += 1,
        }
        if !report.mappings.name(region).is_empty() {
            *by_name.entry((*class, region.name)).or_default() +=
                change.unwrap_or_else(|| i64::from(kib(region))) * 1024;
        }
    }
    for ((class, name), bytes) in by_name {
        let Some(known) = changes.iter_mut().find(|known| known.class == class) else { continue };
        let is_most = bytes.signum() == known.bytes.signum() && bytes.unsigned_abs() * 2 > known.bytes.unsigned_abs();
        let name = report.mappings.names.get(name as usize);
        if let (true, Some(name)) =
            (is_most && known.most.as_ref().is_none_or(|(_, most)| bytes.abs() > most.abs()), name)
        {
            known.most = Some((name.clone(), bytes));
        }
    }
    changes.sort_by_key(|change| (std::cmp::Reverse(change.bytes.unsigned_abs()), change.class));
    changes
}

/// RSS of each class in the last eight reads of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Trends {
    /// Reads so far, at most eight.
    reads: usize,
    classes: Vec<(MappingClass, [Bytes; 8])>,
}

impl Trends {
    /// One read more.
    pub(super) fn take(&mut self, classes: &[ClassReport]) {
        self.reads = (self.reads + 1).min(8);
        for (_, sizes) in &mut self.classes {
            sizes.rotate_left(1);
            sizes[7] = Bytes(0);
        }
        for class in classes {
            match self.classes.iter_mut().find(|(known, _)| *known == class.class) {
                Some((_, sizes)) => sizes[7] = class.sums.rss,
                // Before it was there it held nothing.
                None => self.classes.push((class.class, [0, 0, 0, 0, 0, 0, 0, class.sums.rss.0].map(Bytes))),
            }
        }
    }

    /// Heights from 0 to 7, oldest first; 255 before the first read. Less than a hundredth of its size is no movement.
    pub(super) fn of(&self, class: MappingClass) -> [u8; 8] {
        let Some((_, sizes)) = self.classes.iter().find(|(known, _)| *known == class) else { return [255; 8] };
        heights(sizes.map(|size| size.0), self.reads)
    }
}

/// Of the last so many of eight sizes, oldest first.
fn heights(sizes: [u64; 8], reads: usize) -> [u8; 8] {
    let read = &sizes[8 - reads.min(8)..];
    let highest = read.iter().max().map_or(0.0, |size| *size as f64);
    let lowest = read.iter().min().map_or(0.0, |size| *size as f64);
    let mut trend = [255; 8];
    for (height, size) in trend[8 - read.len()..].iter_mut().zip(read) {
        *height = if highest - lowest < highest / 100.0 || highest == 0.0 {
            Series::FLAT
        } else {
            ((*size as f64 - lowest) / (highest - lowest) * 7.0).round() as u8
        };
    }
    trend
}

/// RSS of the largest regions in the last eight reads of one process, in the order of addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct RegionTrends(Vec<RegionTrend>);

#[derive(Clone, Copy, Debug)]
struct RegionTrend {
    start: u64,
    end: u64,
    /// KiB, the newest last.
    sizes: [u32; 8],
    /// How many of them were read: before it was among the largest nothing is known of it.
    reads: u8,
}

impl RegionTrends {
    /// Of so many the past is kept: who looks at one of the smaller sees what moved since the last read.
    const MOST: usize = 256;

    /// One read more. Gives the shapes by the index of the region, in order.
    pub(super) fn take(&mut self, regions: &[Region]) -> Vec<(u32, [u8; 8])> {
        let mut largest: Vec<u32> = (0..regions.len() as u32).collect();
        if largest.len() > Self::MOST {
            largest.select_nth_unstable_by_key(Self::MOST, |&index| std::cmp::Reverse(kib(&regions[index as usize])));
            largest.truncate(Self::MOST);
            largest.sort_unstable();
        }
        let former = std::mem::take(&mut self.0);
        let mut begin = 0;
        for &index in &largest {
            let Region { start, end, .. } = regions[index as usize];
            while former.get(begin).is_some_and(|was| was.end <= start) {
                begin += 1;
            }
            let was = former.get(begin).filter(|was| was.start < end);
            let (mut sizes, reads) = was.map_or(([0; 8], 0), |was| (was.sizes, was.reads));
            sizes.rotate_left(1);
            sizes[7] = kib(&regions[index as usize]);
            self.0.push(RegionTrend { start, end, sizes, reads: (reads + 1).min(8) });
        }
        let shape = |trend: &RegionTrend| heights(trend.sizes.map(u64::from), trend.reads.into());
        largest.into_iter().zip(self.0.iter().map(shape)).collect()
    }
}

fn kib(region: &Region) -> u32 {
    region.rss.get().map_or(0, |rss| u32::try_from(rss.0 / 1024).unwrap_or(u32::MAX))
}

/// FNV-1a: short, and the same in every run.
fn fingerprint(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
