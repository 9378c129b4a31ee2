//! What is concluded of one process that somebody looks at: its history, its slope, its mappings by class. Made on
//! request, because it is too much to make of everyone. Refuses to hold more than one process.

use std::sync::Arc;
use std::time::Duration;

use crate::mapping_class::MappingClass;
use crate::snapshot::Unreadable;
use crate::snapshot::mapping::{Mappings, Region};
use crate::units::{Bytes, ProcessId, Rate, Timestamp};

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
}

impl MappingsReport {
    /// Regions of a class, largest RSS first.
    #[must_use]
    pub fn regions_of(&self, class: MappingClass) -> Vec<(usize, &Region)> {
        let mut regions: Vec<_> =
            self.mappings.regions.iter().enumerate().filter(|(index, _)| self.class_of[*index].0 == class).collect();
        regions.sort_by_key(|(index, region)| (std::cmp::Reverse(region.rss.get()), *index));
        regions
    }
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
}
