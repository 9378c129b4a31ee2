//! Who is in which cgroup, as last read: the rows of a domain in the order of the kernel's scan, who of it cannot be seen,
//! and how many die together. Refuses to rank them and to measure what they hold.

use std::ops::Deref;

use crate::snapshot::Scope;
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, ProcessId};

use super::ranking::Partial;
use super::report::{DomainKind, DomainReport, Immune, ProcessReport, Report};

/// All memory cgroups; each stands before those below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership(Vec<Cgroup>);

impl Deref for Membership {
    type Target = [Cgroup];

    fn deref(&self) -> &[Cgroup] {
        &self.0
    }
}

impl Membership {
    /// They were read again.
    pub(super) fn follow(&mut self, cgroups: &Vec<Cgroup>) {
        self.0.clone_from(cgroups);
    }

    /// Collects the rows of a cgroup in the order of the kernel's scan; gives whether that order is hidden. The machine
    /// needs no list.
    pub(super) fn gather(&self, cgroup: Option<usize>, rows: &[ProcessReport], into: &mut Vec<u32>) -> bool {
        into.clear();
        let Some(first) = cgroup else {
            return false;
        };
        let path = &self.0[first].path;
        for member in self.subtree(first).flat_map(|cgroup| &cgroup.members) {
            if let Ok(index) = rows.binary_search_by_key(&member.pid, |row| row.id.pid)
                && rows[index].id == *member
            {
                into.push(index as u32);
            }
        }
        if !into.is_empty() {
            return self.0[first].version == Version::V1;
        }
        // Its cgroup.procs could not be read: what each process says of itself has no order.
        let within = |row: &ProcessReport| row.identity.cgroup.as_ref().is_some_and(|own| own.is_within(path));
        let members = rows.iter().enumerate().filter(|(_, row)| within(row));
        into.extend(members.map(|(index, _)| index as u32));
        true
    }

    /// Whether somebody is in the domain whom we do not see: of a v2 cgroup its own list tells, with a 0 for each process
    /// of another PID namespace; of the machine and of a v1 cgroup, whose list leaves those out (`pidlist_array_load` of
    /// kernel/cgroup/cgroup-v1.c), where we are.
    pub(super) fn partial(&self, cgroup: Option<usize>, scope: Scope, report: &Report) -> Option<Partial> {
        let unseen = cgroup.map(|first| self.subtree(first).filter_map(|cgroup| cgroup.unseen).sum::<u32>());
        let lists_all = cgroup.is_none_or(|first| self.0[first].version == Version::V2);
        let initial = report.machine.initial_pid_namespace;
        match unseen {
            Some(unseen) if unseen > 0 => Some(Partial::Members(unseen)),
            Some(_) => (!lists_all && initial == Some(false)).then_some(Partial::Namespace),
            None if scope != Scope::All => Some(Partial::Scope),
            None => match initial {
                Some(false) => Some(Partial::Namespace),
                // Number 1 is always there, and belongs to root.
                Some(true) => report.system.init.is_none().then_some(Partial::Hidden),
                // A tree of files is all there is of its machine.
                None => None,
            },
        }
    }

    /// A cgroup and all below it.
    fn subtree(&self, first: usize) -> impl Iterator<Item = &Cgroup> {
        let path = &self.0[first].path;
        self.0[first..].iter().take_while(move |cgroup| cgroup.path.is_within(path))
    }

    /// Nobody is seen in it, and next to nothing is charged to it that takes a process to hold: where something is, its
    /// members could only not be read. The page cache of who was there stays for days.
    pub(super) fn is_deserted(&self, index: usize) -> bool {
        let held = self.0[index].stat.anon.or(self.0[index].usage);
        let inhabited = held.is_none_or(|held| held > Bytes::from_mib(1));
        !inhabited && self.subtree(index).all(|cgroup| cgroup.members.is_empty() && cgroup.unseen.unwrap_or(0) == 0)
    }

    /// How many die together with the first, and what they give back: all of the highest cgroup above it, inside of the
    /// domain, that says so. Shared and file pages stay while somebody else maps them.
    pub(super) fn kill_group(&self, domain: &DomainReport, rows: &[ProcessReport]) -> Option<(u32, Option<Bytes>)> {
        let first = domain.victims.first().filter(|first| first.immune.is_none())?;
        let row = rows.binary_search_by_key(&first.id.pid, |row| row.id.pid).ok()?;
        let own = rows[row].identity.cgroup.as_ref()?;
        let inside = |path: &CgroupPath| domain.kind == DomainKind::Host || path.is_within(&domain.path);
        let group = self
            .0
            .iter()
            .position(|cgroup| cgroup.oom_group == Some(true) && inside(&cgroup.path) && own.is_within(&cgroup.path))?;
        let row_of = |member: &ProcessId| rows.binary_search_by_key(member, |row| row.id).ok().map(|at| &rows[at]);
        let is_spared = |row: &ProcessReport| matches!(row.immune, Some(Immune::Adjustment | Immune::Init));
        let unseen: u32 = self.subtree(group).filter_map(|cgroup| cgroup.unseen).sum();
        let (mut count, mut frees) = (unseen, (unseen == 0).then_some(Bytes(0)));
        for row in self.subtree(group).flat_map(|cgroup| &cgroup.members).map(row_of) {
            if row.is_some_and(is_spared) {
                continue;
            }
            count += 1;
            let anonymous = row.and_then(|row| row.rss_anon.get());
            frees = frees.zip(anonymous).map(|(sum, own)| sum.saturating_add(own));
        }
        Some((count, frees))
    }
}
