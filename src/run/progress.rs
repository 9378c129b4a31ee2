//! A run on its way, for whoever looks on: what it holds now and held at the most, against what limit, who did what.
//! Refuses to judge: that is done once, when it is over.

use std::time::Duration;

use crate::units::Bytes;

use super::Run;
use super::conclude::{by_peak, line, moment};
use super::report::{Peak, ProcessLine, Room, Vantage};

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The command as it was given.
    pub command: Vec<Box<[u8]>>,
    /// From where it is watched.
    pub vantage: Vantage,
    /// How long it has run, or was watched.
    pub took: Duration,
    /// What its tree holds now.
    pub holds: Bytes,
    /// When it held the most so far; who is not in the list is left out.
    pub peak: Option<Peak>,
    /// The memory that could run out for it.
    pub room: Option<Room>,
    /// Who held the most so far, those first.
    pub processes: Vec<ProcessLine>,
    /// How many others there were.
    pub others: u64,
}

impl Run {
    /// How far it has come, with the `most` biggest processes.
    #[must_use]
    pub fn progress(&self, most: usize) -> Progress {
        let (began, _) = self.began.unwrap_or_default();
        let mut order = by_peak(&self.processes);
        let others = order.len().saturating_sub(most) as u64 + self.left_out;
        order.truncate(most);
        let processes: Vec<ProcessLine> = order.iter().map(|place| line(&self.processes[*place], began)).collect();
        Progress {
            command: self.plan.command.clone(),
            vantage: self.plan.vantage,
            took: self.now.since(began),
            holds: self.holds,
            peak: self.most.as_ref().map(|most| moment(most, &processes)),
            room: self.surroundings.room(self.plan.own_cgroup.as_deref()),
            processes,
            others,
        }
    }
}
