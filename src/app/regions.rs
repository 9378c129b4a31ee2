//! The list of the mappings pane: classes, or the regions of an opened one; their order, what is looked for among them,
//! and the cursor, which stays on what it stands on when the next read puts that elsewhere. Refuses to classify.

use std::sync::Arc;

use crate::mapping_class::MappingClass;
use crate::monitor::report::{MappingsReport, MappingsState, RegionOrder};
use crate::snapshot::mapping::Region;
use crate::text::holds;

use super::list::Direction;
use super::{Depth, Pane, State, Tone};

/// What the cursor stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Class(MappingClass),
    /// By its first address.
    Region(u64),
}

impl State {
    /// The last read of what the selected process holds.
    pub(super) fn mappings_known(&self) -> Option<&Arc<MappingsReport>> {
        match &self.detail.as_ref()?.mappings {
            MappingsState::Known(mappings) => Some(mappings),
            MappingsState::Waiting | MappingsState::Unreadable(_) => None,
        }
    }

    /// How many lines the pane of mappings has to choose from.
    #[must_use]
    pub fn mapping_lines(&self) -> usize {
        let Some(mappings) = self.mappings_known() else { return 0 };
        match self.mappings.opened {
            None => mappings.classes.len(),
            Some(_) => self.mappings.regions.len(),
        }
    }

    /// Lists the regions of the opened class anew: when they were read, or are to stand in another order.
    pub(crate) fn list_regions(&mut self) {
        let opened = self.mappings_known().zip(self.mappings.opened);
        let regions = opened.map(|(mappings, class)| mappings.regions_of(class, self.mappings.order));
        self.mappings.regions = regions.unwrap_or_default();
    }

    /// The region on this line.
    fn region(&self, line: usize) -> Option<&Region> {
        let index = *self.mappings.regions.get(line)?;
        self.mappings_known()?.mappings.regions.get(index as usize)
    }

    /// Whether the pane with the keys lists regions: what is searched and sorted is then they.
    pub(super) fn looks_for_regions(&self) -> bool {
        self.focus == Pane::Mappings && self.mappings.opened.is_some()
    }

    /// One step further: into a class, then into a region.
    pub(super) fn open_mapping(&mut self) {
        if self.mappings.opened.is_some() && !self.mappings.regions.is_empty() {
            self.mappings.depth = Depth::Region;
            return;
        }
        let class = self.mappings_known().and_then(|mappings| mappings.classes.get(self.mappings.cursor));
        if let (None, Some(class)) = (self.mappings.opened, class.map(|class| class.class)) {
            self.mappings.opened = Some(class);
            self.mappings.cursor = 0;
            self.list_regions();
        }
    }

    /// Back to the list of regions; then to the classes, at the one that was open.
    pub(super) fn close_mapping(&mut self) {
        if self.mappings.depth == Depth::Region {
            self.mappings.depth = Depth::List;
            return;
        }
        let held = self.mappings.opened.take().map(Held::Class);
        self.mappings.cursor = 0;
        self.list_regions();
        self.hold(held);
    }

    /// The next order of regions.
    pub(super) fn next_region_order(&mut self) {
        let held = self.held();
        let at = RegionOrder::ALL.iter().position(|order| *order == self.mappings.order).unwrap_or(0);
        self.mappings.order = RegionOrder::ALL[(at + 1) % RegionOrder::ALL.len()];
        self.list_regions();
        self.hold(held);
        self.say(Tone::Plain, format!("regions by {}", self.mappings.order.words()));
    }

    /// What the cursor stands on; nothing at the top of a list, where it stays with whatever leads.
    pub(super) fn held(&self) -> Option<Held> {
        let mappings = self.mappings_known()?;
        let looked_into = self.mappings.depth == Depth::Region;
        let cursor = Some(self.mappings.cursor).filter(|cursor| *cursor > 0 || looked_into)?;
        match self.mappings.opened {
            None => mappings.classes.get(cursor).map(|class| Held::Class(class.class)),
            Some(_) => self.region(cursor).map(|region| Held::Region(region.start)),
        }
    }

    /// Puts the cursor on it again, wherever it stands now; where it is gone, the cursor stays on its line.
    pub(super) fn hold(&mut self, held: Option<Held>) {
        let found = self.mappings_known().zip(held).and_then(|(mappings, held)| match held {
            Held::Class(class) => mappings.classes.iter().position(|known| known.class == class),
            Held::Region(start) => {
                let holds = |region: &Region| region.start <= start && start < region.end;
                (0..self.mappings.regions.len()).find(|&line| self.region(line).is_some_and(holds))
            }
        });
        if found.is_none() && held.is_some() {
            self.mappings.depth = Depth::List;
        }
        self.mappings.cursor = found.unwrap_or(self.mappings.cursor).min(self.mapping_lines().saturating_sub(1));
    }

    /// Goes to the nearest region whose name or address has it, from `from` on and around the end.
    pub(super) fn jump_to_region(&mut self, needle: &str, from: usize, direction: Direction) -> bool {
        let Some(mappings) = self.mappings_known() else { return false };
        let address = needle.trim_start_matches("0x").to_ascii_lowercase();
        let found = direction.around(from, self.mappings.regions.len()).find(|&at| {
            self.region(at).is_some_and(|region| {
                holds(mappings.mappings.name(region), needle.as_bytes())
                    || format!("{:x}", region.start).starts_with(&address)
            })
        });
        if let Some(found) = found {
            self.mappings.cursor = found;
        }
        found.is_some()
    }
}
