//! What systemd-oomd goes by: the files of systemd that speak of it, in the order in which they count, and the marks on
//! cgroups that ask it to spare them. Refuses to understand the files, and to say which marks it heeds.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fgetxattr, fstat, openat};
use rustix::io::Errno;

use crate::snapshot::Unreadable;
use crate::snapshot::other_killer::{ConfigurationFile, MarkedCgroup};
use crate::snapshot::process::CgroupPath;
use crate::units::ProcessId;

use super::files::{Tree, each_entry};
use super::other_killers::{Allowance, below_root, entries, read};

/// systemd's directories, the one that counts least first (systemd.unit(5), oomd.conf(5)).
const SYSTEMD: [&str; 5] = ["lib/systemd", "usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd"];
/// Below them, where units are, those of the machine and those of each user's manager, which tells systemd-oomd of its own.
/// `systemctl set-property` writes into `system.control`, which counts before all others of its row. What users set for
/// themselves is not read: it is in their homes (`user.control` too) and where their environment says (`/etc/xdg`).
const UNITS: [&[&str]; 2] = [&["system", "system.control"], &["user"]];

/// Deeper or more cgroups than this are nobody's machine.
const DEEPEST: usize = 64;
const MOST: usize = 20_000;

/// `oomd.conf` and its drop-ins, then each unit that speaks of `ManagedOOM` and its drop-ins. A file hides those of the
/// same name in directories that count less, and drop-ins count in the order of their names wherever they are
/// (systemd.unit(5)).
pub(super) fn files(tree: &mut Tree, id: ProcessId) -> Result<Vec<ConfigurationFile>, Unreadable> {
    // Who may not look below its root learns so here, and not by finding nothing.
    tree.open_directory(&below_root(id, b".")?)?;
    let (mut found, mut allowance) = (Found::default(), Allowance::default());
    for directory in SYSTEMD {
        found.add(format!("{directory}/oomd.conf").as_bytes(), FileType::RegularFile);
        found.add_drop_ins(tree, id, format!("{directory}/oomd.conf.d").as_bytes(), &mut allowance);
    }
    let mut paths: Vec<_> = found.0.into_values().collect();
    for directories in UNITS {
        let mut found = Found::default();
        for (units, directory) in directories.iter().flat_map(|units| SYSTEMD.map(|directory| (units, directory))) {
            let units = format!("{directory}/{units}").into_bytes();
            for (name, kind) in entries(tree, id, &units, &mut allowance) {
                let path = [&units, &b"/"[..], &name].concat();
                if kind == FileType::Directory {
                    found.add_drop_ins(tree, id, &path, &mut allowance);
                } else {
                    found.add(&path, kind);
                }
            }
        }
        paths.extend(found.0.into_values());
    }
    let mut files = Vec::new();
    for path in paths {
        if allowance.is_spent() {
            break;
        }
        let file = read(tree, id, &path, &mut allowance).ok();
        files.extend(file.map(with_keys_alone).filter(|file| !file.text.is_empty()));
    }
    // A part of what counts would be another configuration.
    if allowance.is_spent() { Err(Unreadable::TooLong) } else { Ok(files) }
}

/// Without the lines that say nothing to systemd-oomd.
fn with_keys_alone(file: ConfigurationFile) -> ConfigurationFile {
    const KEYS: [&[u8]; 3] = [b"ManagedOOM", b"SwapUsedLimit", b"DefaultMemoryPressure"];
    let is_key = |line: &&[u8]| KEYS.iter().any(|key| line.trim_ascii_start().starts_with(key));
    let text: Vec<_> = file.text.split_inclusive(|byte| *byte == b'\n').filter(is_key).collect();
    ConfigurationFile { text: text.concat().into(), ..file }
}

/// What a file configures (a unit, or `oomd.conf`), and its name as a drop-in; none: it is the file itself.
type Place = (Vec<u8>, Option<Vec<u8>>);

/// The path that counts at each place.
#[derive(Default)]
struct Found(BTreeMap<Place, Vec<u8>>);

impl Found {
    fn add(&mut self, path: &[u8], kind: FileType) {
        if kind != FileType::Directory {
            self.0.insert((base(path).to_vec(), None), path.to_vec());
        }
    }

    /// Those of a directory that is called `WHAT.d`.
    fn add_drop_ins(&mut self, tree: &Tree, id: ProcessId, directory: &[u8], allowance: &mut Allowance) {
        let Some(what) = base(directory).strip_suffix(b".d") else { return };
        for (name, _) in entries(tree, id, directory, allowance) {
            if name.ends_with(b".conf") {
                let path = [directory, b"/", &name].concat();
                self.0.insert((what.to_vec(), Some(name)), path);
            }
        }
    }
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Cgroups with the extended attributes that `ManagedOOMPreference=` sets (systemd.resource-control(5)), by managers of
/// users too; `trusted.oomd_avoid` is of another oomd. systemd-oomd runs on nothing but cgroup v2.
pub(super) fn marked_cgroups(tree: &mut Tree, id: ProcessId) -> Vec<MarkedCgroup> {
    const ROOT: &[u8] = b"sys/fs/cgroup";
    let mut search = Search::default();
    let is_v2 = below_root(id, b"sys/fs/cgroup/cgroup.controllers").map(|path| tree.read_path(&path).is_ok());
    if let (Ok(true), Ok(root)) = (is_v2, below_root(id, ROOT).and_then(|path| tree.open_directory(&path))) {
        search.below(&root);
    }
    search.found
}

#[derive(Default)]
struct Search {
    found: Vec<MarkedCgroup>,
    path: Vec<u8>,
    owners: Vec<u32>,
    looked_at: usize,
    entries: Vec<u8>,
}

impl Search {
    fn below(&mut self, directory: &OwnedFd) {
        self.looked_at += 1;
        let Ok(status) = fstat(directory) else { return };
        if self.looked_at > MOST || self.owners.len() > DEEPEST {
            return;
        }
        self.owners.push(status.st_uid);
        let mark = |name: &str| is_set(directory.as_fd(), name);
        let (avoid, omit) = (mark("user.oomd_avoid"), mark("user.oomd_omit"));
        if avoid || omit {
            let path = CgroupPath::new(if self.path.is_empty() { b"/".as_slice() } else { &self.path });
            self.found.push(MarkedCgroup { path, owners: self.owners.as_slice().into(), avoid, omit });
        }
        let (mut names, room) = (Vec::new(), MOST.saturating_sub(self.looked_at));
        let _ = each_entry(directory.as_fd(), &mut self.entries, |name, _, kind| {
            if kind == FileType::Directory && names.len() < room {
                names.push(name.to_owned());
            }
        });
        for name in names {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(child) = openat(directory, &name, flags, Mode::empty()) {
                let length = self.path.len();
                self.path.push(b'/');
                self.path.extend_from_slice(name.to_bytes());
                self.below(&child);
                self.path.truncate(length);
            }
        }
        self.owners.pop();
    }
}

/// As systemd reads a truth value (parse_boolean).
fn is_set(directory: BorrowedFd<'_>, name: &str) -> bool {
    let mut value = [0; 8];
    let length = loop {
        match fgetxattr(directory, name, &mut value[..]) {
            Ok(length) => break length,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    };
    let value = value[..length].trim_ascii().to_ascii_lowercase();
    [&b"1"[..], b"yes", b"y", b"true", b"t", b"on"].contains(&&*value)
}
