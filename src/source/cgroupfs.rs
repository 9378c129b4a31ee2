//! Memory cgroups, v1, v2 and hybrid: where the controller is mounted, which cgroups have a limit of their own, and
//! what they hold.

use std::path::Path;

use crate::snapshot::cgroup::{Cgroup, Version};
use crate::units::Timestamp;

use super::files::Tree;
use super::roster::Roster;

/// The memory cgroups of one machine.
#[derive(Debug)]
pub struct Cgroupfs {
    version: Option<Version>,
}

impl Cgroupfs {
    pub(super) fn open(_proc_root: &mut Tree, _sys_root: &Path) -> Self {
        Self { version: None }
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn own_group_dies_together(&self, _proc_root: &mut Tree) -> bool {
        self.version.is_some()
    }

    pub(super) fn descriptors(&self) -> u32 {
        u32::from(self.version.is_some())
    }

    pub(super) fn read(&mut self, _roster: &Roster, _at: Timestamp, _unknown_path: bool, to: &mut Option<Vec<Cgroup>>) {
        *to = self.version.map(|_| Vec::new());
    }
}
