//! Rollups of those that are not on the screen, where their column is: so that who scrolls, sorts or sums finds them.
//! So many after each pass, each seldom, and all of it within a tenth of the budget. Refuses to hold up what somebody
//! waits for.

use std::time::Duration;

use crate::snapshot::needs::Needs;
use crate::units::{ProcessId, Timestamp};

use super::super::prober::Budget;
use super::{Due, Target, Targets};

/// How far it may go in this interval.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// That part of a plan begins here.
    from: usize,
    left: usize,
    /// Not before.
    at: Timestamp,
}

impl Filling {
    /// After each pass.
    const MOST: usize = 16;
    /// Between two reads of one process, at the least.
    const AT_LEAST: Duration = Duration::from_secs(60);

    pub(super) fn begin_interval(&mut self) {
        self.left = Self::MOST;
    }

    pub(super) fn begins_behind(&mut self, planned: usize) {
        self.from = planned;
    }

    /// A read took so long; `next` stands behind it in the plan.
    pub(super) fn took(&mut self, next: usize, budget: Budget, ended: Timestamp, took: Duration) {
        if next > self.from {
            self.at = self.at.max(ended).after(budget.pause_of_part(Budget::FILLING, took, Duration::ZERO));
        }
    }
}

impl Target {
    /// What a read of it will take: as much as the last one, or what is usual for its size.
    fn rollup_cost(&self) -> Duration {
        const CALL: Duration = Duration::from_micros(30);
        const PAGE: Duration = Duration::from_nanos(35);
        if self.rollup_took_us > 0 { self.rollup_took() } else { CALL + PAGE * self.resident }
    }
}

impl Targets {
    /// Never read ones before the stalest, of those the biggest.
    pub(super) fn plan_filling(&mut self, needs: &Needs, now: Timestamp) {
        if self.filling.left == 0 || now < self.filling.at || !self.plan.is_empty() {
            return;
        }
        let is_shown = |id: ProcessId| needs.selected == Some(id) || needs.visible.binary_search(&id).is_ok();
        let urgency = |target: &Target| match target.rollup_at {
            Timestamp(0) => 1 << 31 | target.resident >> 1,
            read => u32::try_from(now.since(read).as_secs()).unwrap_or(u32::MAX) >> 1,
        };
        self.order.clear();
        for (index, target) in self.processes.iter().enumerate() {
            if target.is_rollup_due(self.budget, Filling::AT_LEAST, self.stirred, now) && !is_shown(target.id) {
                self.order.push((urgency(target), index as u32));
            }
        }
        let most = self.filling.left.min(self.order.len());
        if most < self.order.len() {
            self.order.select_nth_unstable_by(most, |a, b| b.cmp(a));
        }
        self.order.truncate(most);
        self.order.sort_unstable_by(|a, b| b.cmp(a));
        let room = self.budget.of_a_second(Budget::FILLING);
        let mut costs = Duration::ZERO;
        for &(_, index) in &self.order {
            let target = &self.processes[index as usize];
            costs += target.rollup_cost();
            if costs > room && !self.plan.is_empty() {
                break;
            }
            self.plan.push((target.id, Due::Rollup));
        }
        self.filling.left -= self.plan.len();
    }
}
