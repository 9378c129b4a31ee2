//! What is concluded of one process that somebody looks at: its history, its slope, its mappings by class and what moved
//! in them. Made on request, because it is too much to make of everyone. Refuses to hold more than one process.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::mapping_class::MappingClass;
use crate::snapshot::Unreadable;
use crate::snapshot::mapping::Mappings;
use crate::text::printable;
use crate::units::{Bytes, ProcessId, Rate, Timestamp, round_duration};

use super::super::mappings::signed as whole;
use super::{GoReport, WarningState};

/// Everything known about one process: made on request for the selected one (`Monitor::detail`).
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessDetail {
    /// Which.
    pub id: ProcessId,
    /// RSS over the history, oldest first, one entry per change.
    pub series: Vec<(Timestamp, Bytes)>,
    /// Its peak and when; from our history.
    pub peak: Option<(Timestamp, Bytes)>,
    /// Slope over the window with the share of the variance it explains (0.0 to 1.0).
    pub slope: Option<(Rate, f64)>,
    /// The leading domain's path and limit.
    pub limit: Option<(Box<str>, Bytes)>,
    /// Until the limit, when it grows steadily.
    pub time_left: Option<Duration>,
    /// What the early warning says, and since when.
    pub warning: (WarningState, Option<Timestamp>),
    /// The z-score of its growth now, once a baseline exists.
    pub z_score: Option<f64>,
    /// When it ended, if it did.
    pub ended: Option<Timestamp>,
    /// What the memory is.
    pub mappings: MappingsState,
    /// What its runtime says, where it is a Go program.
    pub go: Option<GoReport>,
}

/// Whether the mappings of the selected process are there.
#[derive(Clone, Debug, PartialEq)]
pub enum MappingsState {
    /// Not read yet.
    Waiting,
    /// They cannot be read.
    Unreadable(Unreadable),
    /// As of the last read.
    Known(Arc<MappingsReport>),
}

impl MappingsState {
    /// The last read, where there is one.
    #[must_use]
    pub fn known(self) -> Option<Arc<MappingsReport>> {
        match self {
            Self::Known(report) => Some(report),
            Self::Waiting | Self::Unreadable(_) => None,
        }
    }
}

/// One read of mappings, classified.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingsReport {
    /// The facts.
    pub mappings: Arc<Mappings>,
    /// How long the read took.
    pub took: Duration,
    /// When the next read is due at the soonest (expensive targets are read less often).
    pub next_due: Timestamp,
    /// Sums over all regions.
    pub total: MappingSums,
    /// By class, largest RSS first; classes without regions are absent. Sums equal `total` exactly.
    pub classes: Vec<ClassReport>,
    /// Class of each region of `mappings`, by index; `true`: only probable.
    pub class_of: Vec<(MappingClass, bool)>,
    /// RSS of each region minus that at the mark or first read, by index, in KiB; `None`: the region is new.
    pub change_of: Vec<Option<i64>>,
    /// The same since the read before.
    pub step_of: Vec<Option<i64>>,
    /// RSS of the largest regions in the last eight reads, by the index of the region, in order: heights from 0 to 7,
    /// oldest first; 255: not known.
    pub trends: Vec<(u32, [u8; 8])>,
    /// Classes whose RSS changed since the mark or first read, the largest change first; what is gone among them.
    pub changes: Vec<ClassChange>,
    /// When that was.
    pub since: Timestamp,
    /// It was a mark, not only the first read.
    pub marked: bool,
}

/// In which order regions are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionOrder {
    /// Largest RSS first.
    #[default]
    Rss,
    /// What grew most since the mark first.
    Change,
    /// What grew most since the read before first.
    Step,
    /// The longest first.
    Size,
    /// By address.
    Address,
}

impl RegionOrder {
    /// All, in the order in which a key goes through them.
    pub const ALL: [Self; 5] = [Self::Rss, Self::Change, Self::Step, Self::Size, Self::Address];

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Rss => "RSS",
            Self::Change => "change since the mark",
            Self::Step => "change since the last read",
            Self::Size => "size",
            Self::Address => "address",
        }
    }
}

impl MappingsReport {
    /// Regions of a class by index, in an order. Of a size that one wants to sort once for each read, not for each look.
    #[must_use]
    pub fn regions_of(&self, class: MappingClass, order: RegionOrder) -> Vec<u32> {
        let regions = &self.mappings.regions;
        let rss = |index: usize| regions[index].rss.get().map_or(0, |rss| whole(rss) / 1024);
        // What is new grew by all that it holds.
        let grew = |of: &[Option<i64>], index: usize| of.get(index).copied().flatten().unwrap_or(rss(index));
        let mut of_class: Vec<u32> =
            (0..regions.len() as u32).filter(|&index| self.class_of[index as usize].0 == class).collect();
        of_class.sort_by_cached_key(|&index| {
            let index = index as usize;
            let key = match order {
                RegionOrder::Rss => rss(index),
                RegionOrder::Change => grew(&self.change_of, index),
                RegionOrder::Step => grew(&self.step_of, index),
                RegionOrder::Size => whole(regions[index].size()),
                RegionOrder::Address => 0,
            };
            (std::cmp::Reverse(key), index)
        });
        of_class
    }

    /// The RSS of a region in the last eight reads; empty where it was not among the largest.
    #[must_use]
    pub fn trend_of(&self, index: u32) -> [u8; 8] {
        let found = self.trends.binary_search_by_key(&index, |(region, _)| *region);
        found.map_or([255; 8], |at| self.trends[at].1)
    }

    /// What regions gained since the mark, also where others of their class lost as much.
    fn moved_within(&self) -> Bytes {
        let gained = self.mappings.regions.iter().zip(&self.change_of).map(|(region, change)| match change {
            Some(kib) => Bytes(u64::try_from(*kib).unwrap_or(0).saturating_mul(1024)),
            None => region.rss.get().unwrap_or_default(),
        });
        gained.fold(Bytes(0), Bytes::saturating_add)
    }

    /// What moved since the mark, in words; `None` at the first look, when nothing can have moved.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        /// More are not read.
        const NAMED: usize = 4;
        let passed = self.mappings.ended.since(self.since);
        if passed.is_zero() {
            return None;
        }
        let from = if self.marked { "mark" } else { "first read" };
        let passed = round_duration(passed);
        if self.changes.is_empty() {
            return Some(match self.moved_within() {
                Bytes(0) => format!("No change in the {passed} since the {from}."),
                moved => format!("No net change in the {passed} since the {from}; {moved} moved between regions."),
            });
        }
        let whole: i64 = self.changes.iter().map(|change| change.bytes).sum();
        let mut sentence = format!("{} in the {passed} since the {from}:", signed(whole));
        for (index, change) in self.changes.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { ";" };
            let _ = write!(sentence, "{comma} {} {}", change.class.words(), signed(change.bytes));
            let what = change.noun();
            let plural = |count: u32| if count == 1 { "" } else { "s" };
            let _ = match (change.regions, change.new) {
                (0, 0) => Ok(()),
                (0, new) => write!(sentence, " in {new} new {what}{}", plural(new)),
                (regions, 0) => write!(sentence, " in {regions} {what}{}", plural(regions)),
                (regions, new) => write!(sentence, " in {regions} {what}{} and {new} new", plural(regions)),
            };
            if let Some((name, bytes)) = change.most.as_ref().filter(|_| change.regions + change.new > 1) {
                let name = printable(name.rsplit(|&byte| byte == b'/').next().unwrap_or(name));
                let _ = write!(sentence, ", {name} {}", signed(*bytes));
            }
            if change.is_page_cache {
                sentence.push_str(" (page cache, comes and goes)");
            }
        }
        if let Some(more) = self.changes.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(sentence, "; {more} other classes");
        }
        sentence.push('.');
        Some(sentence)
    }
}

/// A class whose RSS is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassChange {
    /// Which.
    pub class: MappingClass,
    /// RSS now minus RSS then.
    pub bytes: i64,
    /// Regions that were there and hold another amount.
    pub regions: u32,
    /// Regions that were not there.
    pub new: u32,
    /// The name whose regions make most of it, and how much.
    pub most: Option<(Box<[u8]>, i64)>,
    /// Most of it is pages of files: the kernel drops and reads them again as it likes.
    pub is_page_cache: bool,
}

impl ClassChange {
    /// What one of its regions is called.
    const fn noun(&self) -> &'static str {
        match self.class {
            MappingClass::CgoHeap => "arena",
            MappingClass::ThreadStack => "stack",
            _ => "region",
        }
    }
}

/// With its sign.
fn signed(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", Bytes(bytes.unsigned_abs()))
}

/// Sums over regions. Unknown parts (old kernels) count as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingSums {
    /// Rss.
    pub rss: Bytes,
    /// Pss.
    pub pss: Bytes,
    /// Swap.
    pub swap: Bytes,
    /// SwapPss.
    pub swap_pss: Bytes,
    /// Anonymous: not of any file.
    pub anonymous: Bytes,
    /// LazyFree: freed, not taken back yet.
    pub lazy_free: Bytes,
    /// Huge pages of the pool: not in Rss.
    pub hugetlb: Bytes,
    /// How many regions.
    pub regions: u32,
}

/// One class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassReport {
    /// Which.
    pub class: MappingClass,
    /// Its sums.
    pub sums: MappingSums,
    /// Regions of it that are only probably of this class.
    pub probable: u32,
    /// RSS minus that at the mark (or the first read), in bytes.
    pub change: i64,
    /// RSS minus that at the read before, in bytes.
    pub step: i64,
    /// Its RSS in the last eight reads as heights from 0 to 7, oldest first; 255: not read yet.
    pub trend: [u8; 8],
}

impl ClassReport {
    /// Sums, of which nothing is known from before.
    #[must_use]
    pub const fn first(class: MappingClass, sums: MappingSums) -> Self {
        Self { class, sums, probable: 0, change: 0, step: 0, trend: [255; 8] }
    }
}
