//! `mappings`: what one process holds, by class and by region.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::export::permissions;
use crate::monitor::report::{ClassReport, MappingSums, MappingsReport, MappingsState, ProcessDetail, Report};
use crate::units::{Bytes, MaybeKib};

use super::lossy;

#[derive(Serialize)]
pub(super) struct MappingsJson<'a> {
    pid: u32,
    start_time_ticks: u64,
    /// Why there are no numbers; null where there are.
    unreadable: Option<&'static str>,
    age_ms: Option<u128>,
    /// How long the kernel took to hand them out; meanwhile the process may have moved.
    took_ms: Option<u128>,
    #[serde(flatten)]
    total: SumsJson,
    classes: Vec<ClassJson>,
    regions: RegionsJson<'a>,
}

impl<'a> MappingsJson<'a> {
    /// `None` before they were read.
    pub(super) fn new(detail: &'a ProcessDetail, report: &Report) -> Option<Self> {
        let known = match &detail.mappings {
            MappingsState::Waiting => return None,
            MappingsState::Unreadable(_) => None,
            MappingsState::Known(known) => Some(known.as_ref()),
        };
        Some(Self {
            pid: detail.id.pid.0,
            start_time_ticks: detail.id.start_time.0,
            unreadable: match &detail.mappings {
                MappingsState::Unreadable(reason) => Some(reason.reason()),
                MappingsState::Waiting | MappingsState::Known(_) => None,
            },
            age_ms: known.map(|known| report.time.since(known.mappings.ended).as_millis()),
            took_ms: known.map(|known| known.took.as_millis()),
            total: SumsJson::new(known.map(|known| &known.total)),
            classes: known.map_or_else(Vec::new, |known| known.classes.iter().map(ClassJson::new).collect()),
            regions: RegionsJson(known),
        })
    }
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "in JSON every size says its unit")]
struct SumsJson {
    rss_bytes: Option<u64>,
    pss_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    swap_pss_bytes: Option<u64>,
    lazy_free_bytes: Option<u64>,
    /// Not in RSS.
    hugetlb_bytes: Option<u64>,
}

impl SumsJson {
    /// Of nothing: nulls.
    fn new(sums: Option<&MappingSums>) -> Self {
        let size = |part: fn(&MappingSums) -> Bytes| sums.map(|sums| part(sums).0);
        Self {
            rss_bytes: size(|sums| sums.rss),
            pss_bytes: size(|sums| sums.pss),
            swap_bytes: size(|sums| sums.swap),
            swap_pss_bytes: size(|sums| sums.swap_pss),
            lazy_free_bytes: size(|sums| sums.lazy_free),
            hugetlb_bytes: size(|sums| sums.hugetlb),
        }
    }
}

#[derive(Serialize)]
struct ClassJson {
    class: &'static str,
    #[serde(flatten)]
    sums: SumsJson,
    /// How many.
    regions: u32,
    /// Of them, only probably of this class.
    regions_probable: u32,
}

impl ClassJson {
    fn new(class: &ClassReport) -> Self {
        Self {
            class: class.class.name(),
            sums: SumsJson::new(Some(&class.sums)),
            regions: class.sums.regions,
            regions_probable: class.probable,
        }
    }
}

/// The regions in the order of their addresses, written while they are made: there may be a million.
struct RegionsJson<'a>(Option<&'a MappingsReport>);

impl Serialize for RegionsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(known) = self.0 else { return serializer.collect_seq(std::iter::empty::<()>()) };
        let regions = known.mappings.regions.iter().zip(&known.class_of);
        serializer.collect_seq(regions.map(|(region, &(class, probable))| RegionJson {
            start: format!("{:#x}", region.start),
            end: format!("{:#x}", region.end),
            permissions: permissions(region),
            name: lossy(known.mappings.name(region)),
            class: class.name(),
            probable,
            size_bytes: region.size().0,
            rss_bytes: size(region.rss),
            pss_bytes: size(region.pss),
            shared_bytes: size(region.shared),
            private_clean_bytes: size(region.private_clean),
            private_dirty_bytes: size(region.private_dirty),
            referenced_bytes: size(region.referenced),
            anonymous_bytes: size(region.anonymous),
            lazy_free_bytes: size(region.lazy_free),
            huge_bytes: size(region.huge),
            hugetlb_bytes: size(region.hugetlb),
            swap_bytes: size(region.swap),
            swap_pss_bytes: size(region.swap_pss),
            locked_bytes: size(region.locked),
        }))
    }
}

#[derive(Serialize)]
struct RegionJson<'a> {
    /// Hexadecimal: a JSON number loses the low bits of some addresses in many readers.
    start: String,
    end: String,
    permissions: String,
    name: Cow<'a, str>,
    class: &'static str,
    probable: bool,
    size_bytes: u64,
    rss_bytes: Option<u64>,
    pss_bytes: Option<u64>,
    shared_bytes: Option<u64>,
    private_clean_bytes: Option<u64>,
    private_dirty_bytes: Option<u64>,
    referenced_bytes: Option<u64>,
    anonymous_bytes: Option<u64>,
    lazy_free_bytes: Option<u64>,
    huge_bytes: Option<u64>,
    hugetlb_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    swap_pss_bytes: Option<u64>,
    locked_bytes: Option<u64>,
}

fn size(size: MaybeKib) -> Option<u64> {
    size.get().map(|size| size.0)
}
