//! The machine: what does not change while it runs, what we are on it, and its totals in every pass. Refuses to guess: of a tree that is not this
//! machine's own procfs, our identity and the names of users are unknown.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::process::geteuid;

use crate::snapshot::system::{Machine, OwnRights, System};
use crate::units::{Bytes, Pages, Pid, ProcessId};

use super::files::{FileName, Tree};
use super::{proc_files, system_files};

/// The inodes of the machine's first namespaces (include/linux/proc_ns.h `PROC_PID_INIT_INO`, `PROC_CGROUP_INIT_INO`).
const INITIAL_PID_NAMESPACE: &[u8] = b"pid:[4026531836]";
const INITIAL_CGROUP_NAMESPACE: &[u8] = b"cgroup:[4026531835]";

/// Reads it all, once.
pub(super) fn machine(proc_root: &mut Tree, sys_root: Option<&mut Tree>) -> Machine {
    let live = proc_root.is_live();
    let own = own_rights(proc_root, live);
    let is_initial = |proc_root: &mut Tree, link: &str, initial: &[u8]| {
        let link = if live { proc_root.read_link(&FileName::of_root(link)).ok() } else { None };
        link.map(|link| link == initial)
    };
    let processors = sys_root
        .and_then(|root| system_files::processors(root.read(&FileName::of_root("devices/system/cpu/possible")).ok()?))
        .unwrap_or(1);
    Machine {
        hostname: line(proc_root, "sys/kernel/hostname"),
        kernel_release: line(proc_root, "sys/kernel/osrelease"),
        boot_id: line(proc_root, "sys/kernel/random/boot_id"),
        page_size: Bytes(rustix::param::page_size() as u64),
        ticks_per_second: rustix::param::clock_ticks_per_second(),
        processors,
        oom_score_at_zero: own.id.and_then(|_| oom_score_at_zero(proc_root)),
        own,
        users: if live { users() } else { Vec::new() },
        tmpfs: if live { tmpfs_mounts(proc_root) } else { Vec::new() },
        oom_kill_allocating_task: number(proc_root, "sys/vm/oom_kill_allocating_task").map(|value: u8| value != 0),
        panic_on_oom: number(proc_root, "sys/vm/panic_on_oom"),
        swappiness: number(proc_root, "sys/vm/swappiness"),
        initial_pid_namespace: is_initial(proc_root, "self/ns/pid", INITIAL_PID_NAMESPACE),
        initial_cgroup_namespace: is_initial(proc_root, "self/ns/cgroup", INITIAL_CGROUP_NAMESPACE),
        sees_all_cgroups: None,
    }
}

/// Whether our own PID namespace is the machine's first, with whose numbers the kernel's log is written; `None` where that
/// cannot be read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a source reads the world")]
pub fn is_initial_pid_namespace() -> Option<bool> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.as_os_str().as_bytes() == INITIAL_PID_NAMESPACE)
}

/// Who we are in the PID namespace that is shown (`self` leads there), and what we may do.
fn own_rights(proc_root: &mut Tree, live: bool) -> OwnRights {
    let mut own = OwnRights { effective_uid: geteuid().as_raw(), ..OwnRights::default() };
    if !live {
        return own;
    }
    if let Some((start_time, _)) = proc_root.read(&FileName::of_root("self/stat")).ok().and_then(proc_files::stat) {
        let number = proc_root.read_link(&FileName::of_root("self")).ok().and_then(proc_files::decimal);
        own.id = number.map(|number| ProcessId { pid: Pid(number), start_time });
    }
    if let Some(status) = proc_root.read(&FileName::of_root("self/status")).ok().and_then(proc_files::status) {
        own.capabilities = status.capabilities;
    }
    own
}

/// Our own score, where our adjustment is 0: it tells the formula of the running kernel.
fn oom_score_at_zero(proc_root: &mut Tree) -> Option<u16> {
    let adjustment = proc_files::oom_score_adj(proc_root.read(&FileName::of_root("self/oom_score_adj")).ok()?)?;
    let score = proc_files::oom_score(proc_root.read(&FileName::of_root("self/oom_score")).ok()?)?;
    (adjustment == 0).then_some(score)
}

fn tmpfs_mounts(proc_root: &mut Tree) -> Vec<Box<[u8]>> {
    proc_root.read_long(&FileName::of_root("self/mountinfo")).map(system_files::tmpfs_mounts).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a source reads the world")]
fn users() -> Vec<(u32, Box<str>)> {
    std::fs::read("/etc/passwd").map(|text| system_files::users(&text)).unwrap_or_default()
}

/// The line that a file is; empty where it is not there or was cut: half a release would be another kernel's.
fn line(root: &mut Tree, name: &str) -> String {
    let text = root.read(&FileName::of_root(name)).unwrap_or_default();
    String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or_default()).into_owned()
}

fn number<T: TryFrom<u64>>(root: &mut Tree, name: &str) -> Option<T> {
    system_files::number(root.read(&FileName::of_root(name)).ok()?)
}

/// The files with totals that every pass reads, kept open on a live machine.
#[derive(Debug)]
pub(super) struct MachineFiles {
    meminfo: MachineFile,
    pressure: MachineFile,
    vmstat: MachineFile,
    own_size: Option<OwnedFd>,
}

impl MachineFiles {
    pub(super) fn open(proc_root: &Tree) -> Self {
        // Our own size is on the real procfs, whatever tree is read.
        let real = if proc_root.is_live() { None } else { Tree::open(Path::new("/proc")).ok() };
        let own_size = real.as_ref().unwrap_or(proc_root).open_file(&FileName::of_root("self/statm")).ok();
        Self {
            meminfo: MachineFile::open(proc_root, "meminfo"),
            pressure: MachineFile::open(proc_root, "pressure/memory"),
            vmstat: MachineFile::open(proc_root, "vmstat"),
            own_size,
        }
    }

    pub(super) fn read(&self, proc_root: &mut Tree) -> System {
        System {
            memory: self.meminfo.read(proc_root).map(system_files::meminfo).unwrap_or_default(),
            pressure: self.pressure.read(proc_root).and_then(system_files::pressure),
            events: self.vmstat.read(proc_root).map(system_files::vmstat).unwrap_or_default(),
            ..System::default()
        }
    }

    /// What we ourselves hold.
    pub(super) fn own_resident(&self, proc_root: &mut Tree) -> Option<Pages> {
        proc_root.read_kept(self.own_size.as_ref()?).ok().and_then(proc_files::statm).map(|statm| statm.resident)
    }

    /// How many descriptors stay open.
    pub(super) fn descriptors(&self) -> u32 {
        let files = [&self.meminfo.kept, &self.pressure.kept, &self.vmstat.kept, &self.own_size];
        files.iter().filter(|file| file.is_some()).count() as u32
    }
}

#[derive(Debug)]
struct MachineFile {
    name: FileName,
    kept: Option<OwnedFd>,
}

impl MachineFile {
    fn open(proc_root: &Tree, name: &str) -> Self {
        let name = FileName::of_root(name);
        let kept = if proc_root.is_live() { proc_root.open_file(&name).ok() } else { None };
        Self { name, kept }
    }

    fn read<'a>(&self, proc_root: &'a mut Tree) -> Option<&'a [u8]> {
        match &self.kept {
            Some(descriptor) => proc_root.read_long_kept(descriptor).ok(),
            None => proc_root.read_long(&self.name).ok(),
        }
    }
}
