//! Memory cgroups, v1, v2 and hybrid: where the controller is mounted, which cgroups have a limit of their own or die as
//! a whole, or lie below one that does, and what they hold. Refuses to say what that means, and to read any other.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::AsFd;
use rustix::fs::FileType;

use crate::snapshot::Unreadable;
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, Pid, ProcessId, Timestamp};

use super::cgroup_files::{self, Mount};
use super::files::{FileName, Tree, each_entry};
use super::prober::has_passed;
use super::roster::{Kind, Roster};
use super::{clock, proc_files, system_files};

/// The memory cgroups of one machine.
#[derive(Debug, Default)]
pub(super) struct Cgroupfs {
    hierarchy: Option<Hierarchy>,
    /// With a limit, dying together, or below such a one, pre-order: the order in which the kernel scans them.
    groups: Vec<Group>,
    scanned: Timestamp,
    scan_took: Duration,
    rescan: bool,
}

/// What a pass knows already when it comes to the cgroups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub roster: &'a Roster,
    pub proc_root: &'a Tree,
    /// MemTotal: what is more is no limit.
    pub memory: Option<Bytes>,
}

impl Known<'_> {
    /// Whether a member of a cgroup is shown, or else is one that cannot be seen; neither where it only came or went
    /// since the roster was read, and for kernel threads.
    fn meet(&self, pid: Pid, members: &mut Vec<ProcessId>, unseen: &mut u32) {
        match self.roster.find(pid) {
            Some(process) if process.is_shown() => members.push(process.id),
            Some(process) => *unseen += u32::from(process.kind == Kind::User),
            None => *unseen += u32::from(pid.0 == 0 || self.proc_root.inode(pid).is_none()),
        }
    }
}

#[derive(Debug)]
struct Hierarchy {
    version: Version,
    /// The directory of the hierarchy that is mounted.
    root: Vec<u8>,
    tree: Tree,
    path: PathBuffer,
    entries: Vec<u8>,
}

/// One cgroup that every pass reads.
#[derive(Debug)]
struct Group {
    /// Below the mount, without a slash at either end; empty for the mounted directory itself.
    directory: Vec<u8>,
    /// As in `/proc/PID/cgroup`.
    path: CgroupPath,
    limited: bool,
    /// As last read, when, and what it took.
    members: Vec<ProcessId>,
    unseen: Option<u32>,
    listed: Timestamp,
    listing_took: Duration,
}

/// Deeper or more than this is nobody's machine.
const DEEPEST: usize = 64;
const MOST: usize = 20_000;

/// Of the time, a three-hundredth may go into listing the members of one cgroup: 10,000 of them every two seconds.
const LISTING_SHARE: u32 = 300;

impl Cgroupfs {
    /// Between two searches for cgroups with a limit.
    const SCAN: Duration = Duration::from_secs(10);
    /// After a process was met in an unknown cgroup.
    const SCAN_SOON: Duration = Duration::from_secs(1);

    /// Finds where the memory controller is mounted; nowhere is fine.
    pub(super) fn open(proc_root: &mut Tree, sys_root: &Path) -> Self {
        let mountinfo = proc_root.read_long(&FileName::of_root("self/mountinfo")).unwrap_or_default();
        let mounted = cgroup_files::mounts(mountinfo).into_iter().find_map(|mount| Hierarchy::mounted(mount, sys_root));
        let hierarchy = mounted.or_else(|| {
            // A tree that was copied from somewhere may lack the mount table.
            let usual =
                [(Version::V1, "fs/cgroup/memory"), (Version::V2, "fs/cgroup"), (Version::V2, "fs/cgroup/unified")];
            usual.into_iter().find_map(|(version, place)| Hierarchy::at(version, b"/".to_vec(), &sys_root.join(place)))
        });
        Self { hierarchy, rescan: true, ..Self::default() }
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.hierarchy.as_ref().map(|hierarchy| hierarchy.version)
    }

    /// Whether what is mounted begins at the root of the hierarchy: on v1 that alone has `release_agent`, on v2 every other
    /// has `cgroup.type` (`CFTYPE_ONLY_ON_ROOT`, `CFTYPE_NOT_ON_ROOT` in kernel/cgroup).
    pub(super) fn begins_at_root(&mut self) -> Option<bool> {
        let hierarchy = self.hierarchy.as_mut()?;
        Some(match hierarchy.version {
            Version::V1 => hierarchy.read(b"", "release_agent", |_| Some(())).is_some(),
            Version::V2 => hierarchy.read(b"", "cgroup.type", |_| Some(())).is_none(),
        })
    }

    /// Whether our own cgroup dies as a whole (`memory.oom.group`, v2 only).
    pub(super) fn own_group_dies_together(&mut self, proc_root: &mut Tree) -> bool {
        let Some(hierarchy) = &mut self.hierarchy else { return false };
        let text = proc_root.read(&FileName::of_root("self/cgroup")).unwrap_or_default();
        let Some(path) = proc_files::memory_cgroup(text, Some(hierarchy.version)) else { return false };
        let root: &[u8] = if hierarchy.root == b"/" { b"" } else { &hierarchy.root };
        let Some(directory) = path.strip_prefix(root) else { return false };
        let directory = directory.strip_prefix(b"/").unwrap_or(directory).to_vec();
        hierarchy.dies_together(&directory)
    }

    /// The memory cgroup of a process and all above it, from the lowest up, without their members: what may run full
    /// for it. Of the lowest it is counted how many are in it that are not `known`. Nothing where it is outside of what is
    /// mounted.
    pub(super) fn lineage(&mut self, membership: &[u8], known: impl Fn(Pid) -> bool) -> Vec<Cgroup> {
        let Some(hierarchy) = &mut self.hierarchy else { return Vec::new() };
        let Some(path) = proc_files::memory_cgroup(membership, Some(hierarchy.version)) else { return Vec::new() };
        let root: &[u8] = if hierarchy.root == b"/" { b"" } else { &hierarchy.root };
        let Some(below) = path.strip_prefix(root) else { return Vec::new() };
        let mut directory = below.strip_prefix(b"/").unwrap_or(below).to_vec();
        let mut lineage = Vec::new();
        loop {
            let mut cgroup = hierarchy.without_members(&directory);
            if lineage.is_empty() {
                // After its counters: whom a kill was counted of may still be there, and is missed at the next look.
                let strangers = |text: &[u8]| cgroup_files::members(text).filter(|pid| !known(Pid(*pid))).count();
                cgroup.unseen = hierarchy.read(&directory, "cgroup.procs", |text| u32::try_from(strangers(text)).ok());
            }
            lineage.push(cgroup);
            if directory.is_empty() {
                return lineage;
            }
            directory.truncate(memchr::memrchr(b'/', &directory).unwrap_or(0));
        }
    }

    /// Fills `to` with every cgroup that has a limit or dies as a whole, or lies below one that does. Looks for new ones in rotation, and soon after a
    /// process was met in an unknown one.
    pub(super) fn read(&mut self, known: &Known<'_>, met_unknown_path: bool, to: &mut Option<Vec<Cgroup>>) {
        let Some(hierarchy) = &mut self.hierarchy else {
            *to = None;
            return;
        };
        let now = clock::now();
        self.rescan |= met_unknown_path;
        let pause = if self.rescan { Self::SCAN_SOON } else { Self::SCAN }.max(self.scan_took * 50);
        if self.scanned == Timestamp::default() || now.since(self.scanned) >= pause {
            self.groups.clear();
            hierarchy.scan(known.memory, &mut self.groups);
            self.scanned = clock::now();
            self.scan_took = self.scanned.since(now);
            self.rescan = false;
        }

        let list = to.get_or_insert_default();
        let mut filled = 0;
        for group in &mut self.groups {
            if filled == list.len() {
                list.push(Cgroup::unread(group.path.clone(), hierarchy.version, now));
            }
            let cgroup = &mut list[filled];
            // The list of members keeps its memory from pass to pass.
            let mut members = std::mem::take(&mut cgroup.members);
            members.clear();
            *cgroup = Cgroup::unread(group.path.clone(), hierarchy.version, clock::now());
            cgroup.members = members;
            if hierarchy.fill(group, known, cgroup) {
                filled += 1;
            } else {
                self.rescan = true;
            }
        }
        list.truncate(filled);
    }
}

impl Hierarchy {
    fn mounted(mount: Mount, sys_root: &Path) -> Option<Self> {
        let mount_point = Path::new(std::ffi::OsStr::from_bytes(&mount.mount_point));
        let place: PathBuf = match mount_point.strip_prefix("/sys") {
            Ok(below) => sys_root.join(below),
            Err(_) if sys_root == Path::new("/sys") => mount_point.to_path_buf(),
            Err(_) => return None,
        };
        Self::at(mount.version, mount.root, &place)
    }

    /// `None` where there is no directory, or its controllers are without memory.
    fn at(version: Version, root: Vec<u8>, place: &Path) -> Option<Self> {
        let mut hierarchy =
            Self { version, root, tree: Tree::open(place).ok()?, path: PathBuffer::default(), entries: Vec::new() };
        let is_one = match version {
            Version::V1 => hierarchy.read(b"", "memory.stat", |_| Some(())).is_some(),
            Version::V2 => hierarchy
                .read(b"", "cgroup.controllers", |text| {
                    proc_files::words(text.trim_ascii_end()).any(|name| name == b"memory").then_some(())
                })
                .is_some(),
        };
        is_one.then_some(hierarchy)
    }

    /// One file of one cgroup; `None` where it is missing, unreadable or nonsense.
    fn read<T>(&mut self, directory: &[u8], file: &str, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let path = self.path.set(directory, file)?;
        parse(self.tree.read_path(path).ok()?)
    }

    #[expect(clippy::option_option, reason = "unreadable, no limit, and a limit are three answers")]
    fn limit(&mut self, directory: &[u8], memory: Option<Bytes>) -> Option<Option<Bytes>> {
        match self.version {
            Version::V1 => self.read(directory, "memory.limit_in_bytes", |text| cgroup_files::limit_v1(text, memory)),
            Version::V2 => self.read(directory, "memory.max", cgroup_files::limit_v2),
        }
    }

    /// Whether a kill of one is the kill of all in it; not a matter of v1.
    fn dies_together(&mut self, directory: &[u8]) -> bool {
        self.version == Version::V2 && self.read(directory, "memory.oom.group", system_files::number) == Some(1_u8)
    }

    /// Finds every cgroup with a limit, every one that dies as a whole (the machine's killer heeds that as well, limit or
    /// not: mm/memcontrol.c mem_cgroup_get_oom_group), and all below them.
    fn scan(&mut self, memory: Option<Bytes>, groups: &mut Vec<Group>) {
        let mut looked_at = 0;
        self.scan_below(&mut Vec::new(), false, 0, memory, groups, &mut looked_at);
    }

    fn scan_below(
        &mut self,
        directory: &mut Vec<u8>,
        below_chosen: bool,
        depth: usize,
        memory: Option<Bytes>,
        groups: &mut Vec<Group>,
        looked_at: &mut usize,
    ) {
        *looked_at += 1;
        if depth > DEEPEST || *looked_at > MOST {
            return;
        }
        let limited = self.limit(directory, memory).flatten().is_some();
        let chosen = below_chosen || limited || self.dies_together(directory);
        if chosen {
            groups.push(Group {
                directory: directory.clone(),
                path: self.path_of(directory),
                limited,
                members: Vec::new(),
                unseen: None,
                listed: Timestamp::default(),
                listing_took: Duration::ZERO,
            });
        }
        // Inode numbers of cgroupfs grow as cgroups are made, and the kernel visits children in that order.
        let mut children: Vec<(u64, Vec<u8>)> = Vec::new();
        let Some(path) = self.path.set(directory, ".") else { return };
        let Ok(opened) = self.tree.open_directory(path) else { return };
        let _ = each_entry(opened.as_fd(), &mut self.entries, |name, inode, kind| {
            if kind == FileType::Directory {
                children.push((inode, name.to_bytes().to_vec()));
            }
        });
        drop(opened);
        children.sort_unstable();
        for (_, name) in children {
            let length = directory.len();
            if length > 0 {
                directory.push(b'/');
            }
            directory.extend_from_slice(&name);
            self.scan_below(directory, chosen, depth + 1, memory, groups, looked_at);
            directory.truncate(length);
        }
    }

    /// The path of a directory as `/proc/PID/cgroup` writes it.
    fn path_of(&self, directory: &[u8]) -> CgroupPath {
        let mut path = if self.root == b"/" { Vec::new() } else { self.root.clone() };
        if !directory.is_empty() || path.is_empty() {
            path.push(b'/');
            path.extend_from_slice(directory);
        }
        CgroupPath(path.into())
    }

    /// Reads one cgroup; whether it is still there. One without a limit of its own is only a part of what is above it:
    /// its members and whether they die together are enough.
    fn fill(&mut self, group: &mut Group, known: &Known<'_>, to: &mut Cgroup) -> bool {
        to.limit = self.limit(&group.directory, known.memory);
        if self.version == Version::V2 {
            let together = self.read(&group.directory, "memory.oom.group", system_files::number);
            to.oom_group = together.map(|value: u8| value == 1);
        }
        if group.limited {
            match self.version {
                Version::V1 => self.fill_v1(&group.directory, to),
                Version::V2 => self.fill_v2(&group.directory, to),
            }
        }
        // Listing thousands makes the kernel sort them: then it is done less often, and who ended meanwhile left out.
        let began = clock::now();
        if has_passed(group.listing_took * LISTING_SHARE, group.listed, began) {
            let cpu = clock::thread_cpu();
            group.members.clear();
            group.unseen = None;
            let path = self.path.set(&group.directory, "cgroup.procs");
            let listed = path.map_or(Err(Unreadable::Malformed), |path| self.tree.read_path(path)).map(|text| {
                let unseen = group.unseen.insert(0);
                cgroup_files::members(text).for_each(|pid| known.meet(Pid(pid), &mut group.members, unseen));
            });
            group.listed = clock::now();
            group.listing_took = clock::thread_cpu().saturating_sub(cpu);
            to.members.extend_from_slice(&group.members);
            to.unseen = group.unseen;
            // A threaded cgroup is there and refuses: who is in it is listed by the one above that has its memory.
            return listed != Err(Unreadable::Gone);
        }
        let is_there = |id: &&ProcessId| known.roster.find(id.pid).is_some_and(|process| process.id == **id);
        to.members.extend(group.members.iter().filter(is_there));
        to.unseen = group.unseen;
        // A threaded cgroup has no limit to read, but then no list either.
        to.limit.is_some() || group.unseen.is_none()
    }

    fn without_members(&mut self, directory: &[u8]) -> Cgroup {
        let mut cgroup = Cgroup::unread(self.path_of(directory), self.version, clock::now());
        cgroup.limit = self.limit(directory, None);
        match self.version {
            Version::V1 => {
                self.fill_v1(directory, &mut cgroup);
                cgroup.peak = self.read(directory, "memory.max_usage_in_bytes", system_files::bytes);
            }
            Version::V2 => {
                self.fill_v2(directory, &mut cgroup);
                cgroup.peak = self.read(directory, "memory.peak", system_files::bytes);
            }
        }
        cgroup
    }

    fn fill_v1(&mut self, directory: &[u8], to: &mut Cgroup) {
        to.usage = self.read(directory, "memory.usage_in_bytes", system_files::bytes);
        to.memory_and_swap_limit =
            self.read(directory, "memory.memsw.limit_in_bytes", |text| cgroup_files::limit_v1(text, None));
        let both = self.read(directory, "memory.memsw.usage_in_bytes", system_files::bytes);
        to.swap_usage = both.zip(to.usage).map(|(both, memory)| both.saturating_sub(memory));
        to.swappiness = self.read(directory, "memory.swappiness", system_files::number);
        if let Some((stat, limit)) =
            self.read(directory, "memory.stat", |text| Some(cgroup_files::stat(text, Version::V1)))
        {
            to.stat = stat;
            to.hierarchical_limit = limit;
        }
        to.stat.kernel = self.read(directory, "memory.kmem.usage_in_bytes", system_files::bytes);
        let control = self.read(directory, "memory.oom_control", |text| Some(cgroup_files::oom_control(text)));
        let control = control.unwrap_or_default();
        to.oom_kill_disabled = control.disabled;
        to.under_oom = control.under_oom;
        to.events.oom_kill = control.kills;
        to.events.max = self.read(directory, "memory.failcnt", system_files::number);
    }

    fn fill_v2(&mut self, directory: &[u8], to: &mut Cgroup) {
        to.usage = self.read(directory, "memory.current", system_files::bytes);
        to.high = self.read(directory, "memory.high", cgroup_files::limit_v2);
        to.swap_limit = self.read(directory, "memory.swap.max", cgroup_files::limit_v2);
        to.swap_usage = self.read(directory, "memory.swap.current", system_files::bytes);
        let stat = self.read(directory, "memory.stat", |text| Some(cgroup_files::stat(text, Version::V2).0));
        to.stat = stat.unwrap_or_default();
        let events = self.read(directory, "memory.events", |text| Some(cgroup_files::events(text)));
        to.events = events.unwrap_or_default();
        to.pressure = self.read(directory, "memory.pressure", system_files::pressure);
    }
}

/// `directory/file`, ended by a NUL, in one reused buffer.
#[derive(Debug, Default)]
struct PathBuffer(Vec<u8>);

impl PathBuffer {
    fn set(&mut self, directory: &[u8], file: &str) -> Option<&CStr> {
        self.0.clear();
        if !directory.is_empty() {
            self.0.extend_from_slice(directory);
            self.0.push(b'/');
        }
        self.0.extend_from_slice(file.as_bytes());
        self.0.push(0);
        CStr::from_bytes_with_nul(&self.0).ok()
    }
}
