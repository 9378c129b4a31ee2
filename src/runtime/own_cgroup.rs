//! A memory cgroup of a run's own, v1 or v2: made beside or below ours, given a limit, joined by the command before it is
//! executed, removed when it is over. The next run removes what a killed oomtop left behind, if it is empty. Refuses to
//! touch a cgroup that oomtop did not make, and to move anybody's process but our own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use color_eyre::Result;
use color_eyre::eyre::eyre;

use crate::control;
use crate::snapshot::cgroup::Version;
use crate::source::cgroup_files::{self, Mount};
use crate::source::proc_files;
use crate::units::{Bytes, Pid, ProcessId};

/// Names of what is ours begin so; the [`Maker`] follows.
const PREFIX: &str = "oomtop-run-";
/// Where we stand ourselves in a delegated cgroup, which must hold no process when its children have a controller.
const ASIDE: &str = "oomtop-aside-";

/// The cgroup, as long as it lives.
#[derive(Debug)]
pub struct OwnCgroup {
    directory: PathBuf,
    /// As in `/proc/PID/cgroup`.
    path: Vec<u8>,
    version: Version,
    /// The delegated cgroup that we were in, and the leaf that we stepped into.
    stepped_aside: Option<(PathBuf, PathBuf)>,
}

impl OwnCgroup {
    /// Makes it.
    ///
    /// # Errors
    /// Where no memory cgroup may be made; the message says what to do instead.
    pub fn make(limit: Bytes, swap: Option<Bytes>) -> Result<Self> {
        let place = Place::find()?;
        let own = Maker::ourselves()?;
        let mut made = place.make(own).map_err(|cause| refused(&place, &cause, limit))?;
        made.restrict(limit, swap)
            .map_err(|(file, cause)| eyre!("cannot set {file} of {}: {cause}", made.directory.display()))?;
        Ok(made)
    }

    /// What to write one's number into to join it.
    #[must_use]
    pub fn members(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// Its path as `/proc/PID/cgroup` tells it.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The line of `/proc/PID/cgroup` of whoever is in it.
    #[must_use]
    pub fn membership(&self) -> Vec<u8> {
        let controllers: &[u8] = if self.version == Version::V1 { b"1:memory:" } else { b"0::" };
        [controllers, &self.path, b"\n"].concat()
    }

    fn restrict(&mut self, limit: Bytes, swap: Option<Bytes>) -> Result<(), (&'static str, io::Error)> {
        let set = |file: &'static str, value: Bytes| {
            write(&self.directory.join(file), &value.0.to_string()).map_err(|cause| (file, cause))
        };
        let (file, value) = match self.version {
            Version::V1 => {
                set("memory.limit_in_bytes", limit)?;
                ("memory.memsw.limit_in_bytes", limit.saturating_add(swap.unwrap_or_default()))
            }
            Version::V2 => {
                set("memory.max", limit)?;
                ("memory.swap.max", swap.unwrap_or_default())
            }
        };
        match set(file, value) {
            // A kernel without swap accounting, and nobody asked for a number.
            Err((_, cause)) if swap.is_none() && cause.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        // The last of its members may still be on their way out. Who stays (a daemon) keeps its limit, and the next run
        // removes the cgroup when it is gone.
        for _ in 0..50 {
            match fs::remove_dir(&self.directory) {
                Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
        if let Some((above, aside)) = &self.stepped_aside {
            let _ = write(&above.join("cgroup.subtree_control"), "-memory");
            let _ = write(&above.join("cgroup.procs"), "0");
            let _ = fs::remove_dir(aside);
        }
    }
}

/// Where we are.
#[derive(Debug)]
struct Place {
    version: Version,
    /// Our own cgroup as a directory, and as `/proc/self/cgroup` has it.
    directory: PathBuf,
    path: Vec<u8>,
    is_root: bool,
}

impl Place {
    #[expect(clippy::disallowed_methods, reason = "asks where we are")]
    fn find() -> Result<Self> {
        let mut mounts = cgroup_files::mounts(&fs::read("/proc/self/mountinfo")?);
        mounts.retain(|mount| match mount.version {
            Version::V1 => true,
            Version::V2 => {
                let place = Path::new(OsStr::from_bytes(&mount.mount_point));
                fs::read_to_string(place.join("cgroup.controllers"))
                    .is_ok_and(|controllers| controllers.split_whitespace().any(|name| name == "memory"))
            }
        });
        Self::among(&mounts, &fs::read("/proc/self/cgroup")?)
    }

    /// Among the mounts that have the memory controller.
    fn among(mounts: &[Mount], membership: &[u8]) -> Result<Self> {
        let mut elsewhere = None;
        for mount in mounts {
            let place = Path::new(OsStr::from_bytes(&mount.mount_point));
            let Some(path) = proc_files::memory_cgroup(membership, Some(mount.version)) else { continue };
            let root: &[u8] = if mount.root == b"/" { b"" } else { &mount.root };
            let Some(below) = path.strip_prefix(root) else {
                // A cgroup namespace calls its own cgroup /, and a mount from outside begins at /.. then: by what name it has
                // our cgroup is nowhere told (cgroup_namespaces(7)).
                elsewhere = Some((place, &mount.root, path));
                continue;
            };
            let below = below.strip_prefix(b"/").unwrap_or(below);
            let directory = place.join(OsStr::from_bytes(below));
            return Ok(Self { version: mount.version, directory, path: path.to_vec(), is_root: below.is_empty() });
        }
        // Made last: a report of an error may read all symbols of the program for its backtrace.
        Err(match elsewhere {
            None => {
                eyre!(
                    "--memory-max needs the memory cgroup controller, which is not mounted here \
                       (/proc/self/mountinfo)"
                )
            }
            Some((place, root, path)) => eyre!(
                "--memory-max cannot find oomtop's own cgroup: {} shows {}, and oomtop is in {} (/proc/self/mountinfo \
                 and /proc/self/cgroup). A cgroup namespace needs its own cgroup mount",
                place.display(),
                String::from_utf8_lossy(root),
                String::from_utf8_lossy(path)
            ),
        })
    }

    /// Makes a child of where it may have the controller.
    fn make(&self, own: Maker) -> io::Result<OwnCgroup> {
        let name = own.name(PREFIX);
        let below = |above: &Path, path: &[u8], stepped_aside| -> io::Result<OwnCgroup> {
            sweep(above, own);
            let directory = above.join(&name);
            fs::create_dir(&directory)?;
            let path = [path.strip_suffix(b"/").unwrap_or(path), b"/", name.as_bytes()].concat();
            let made = OwnCgroup { directory, path, version: self.version, stepped_aside };
            // Dropped again where it has no controller.
            let limit = if self.version == Version::V1 { "memory.limit_in_bytes" } else { "memory.max" };
            if made.directory.join(limit).exists() { Ok(made) } else { Err(io::ErrorKind::Unsupported.into()) }
        };
        if self.version == Version::V1 {
            return below(&self.directory, &self.path, None);
        }
        if self.is_root {
            // The root of the hierarchy alone may hold processes beside children with controllers.
            write(&self.directory.join("cgroup.subtree_control"), "+memory")?;
            return below(&self.directory, &self.path, None);
        }
        let parent_path = &self.path[..memchr::memrchr(b'/', &self.path).unwrap_or(0)];
        let parent = self.directory.parent().unwrap_or(&self.directory);
        below(parent, parent_path, None).or_else(|cause| {
            if !self.is_ours_alone(own.id) {
                return Err(cause);
            }
            sweep(&self.directory, own);
            let aside = self.directory.join(own.name(ASIDE));
            fs::create_dir(&aside)?;
            write(&aside.join("cgroup.procs"), "0")?;
            let back = |cause| {
                let _ = write(&self.directory.join("cgroup.procs"), "0");
                let _ = fs::remove_dir(&aside);
                cause
            };
            write(&self.directory.join("cgroup.subtree_control"), "+memory").map_err(back)?;
            below(&self.directory, &self.path, Some((self.directory.clone(), aside.clone()))).map_err(back)
        })
    }

    /// Nobody else is in our cgroup: a scope that was made for us and delegated.
    #[expect(clippy::disallowed_methods, reason = "asks who is with us")]
    fn is_ours_alone(&self, own: ProcessId) -> bool {
        fs::read_to_string(self.directory.join("cgroup.procs"))
            .is_ok_and(|members| members.trim() == own.pid.to_string())
    }
}

/// Which oomtop made a cgroup, as the name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Maker {
    /// Inode of the PID namespace in which the number counts.
    namespace: u64,
    id: ProcessId,
}

impl Maker {
    fn ourselves() -> Result<Self> {
        let namespace = fs::metadata("/proc/self/ns/pid")?.ino();
        Ok(Self { namespace, id: control::identify(Path::new("/proc"), Pid(std::process::id()))? })
    }

    fn name(self, prefix: &str) -> String {
        format!("{prefix}{}-{}-{}", self.namespace, self.id.pid, self.id.start_time.0)
    }

    fn of(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix(ASIDE))?.splitn(3, '-');
        let namespace = numbers.next()?.parse().ok()?;
        let id = ProcessId::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        Some(Self { namespace, id })
    }
}

/// Removes what earlier oomtops left below a cgroup, if they are gone and it is empty. Whether one of another PID
/// namespace is gone we cannot see: it may have made its cgroup just now.
#[expect(clippy::disallowed_methods, reason = "looks for what is ours")]
fn sweep(above: &Path, own: Maker) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(Maker::of) else { continue };
        let lives = control::identify(Path::new("/proc"), maker.id.pid).is_ok_and(|found| found == maker.id);
        if maker.namespace == own.namespace && !lives {
            // The kernel refuses where a process is in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(path)?, text.as_bytes())
}

fn refused(place: &Place, cause: &io::Error, limit: Bytes) -> color_eyre::Report {
    let mib = limit.0 >> 20;
    eyre!(
        "--memory-max: cannot create a memory cgroup in {} ({cause}). Run as root or, with systemd, try\n  \
         systemd-run --user --scope -p MemoryMax={mib}M oomtop run -- ...\nor in a scope with -p Delegate=yes",
        place.directory.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_shows_another_cgroup_is_not_called_missing() {
        let found = |root: &[u8], membership: &[u8]| {
            let mount_point = b"/sys/fs/cgroup/memory".to_vec();
            let mount = Mount { version: Version::V1, root: root.to_vec(), mount_point };
            Place::among(&[mount], membership).map(|place| place.directory).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(found(b"/", b"9:memory:/a/b\n").unwrap(), Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(found(b"/a", b"9:memory:/a/b\n").unwrap(), Path::new("/sys/fs/cgroup/memory/b"));
        let refusal = found(b"/..", b"9:memory:/\n").unwrap_err();
        assert!(refusal.contains("/sys/fs/cgroup/memory shows /.., and oomtop is in /"), "{refusal}");
        let refusal = found(b"/", b"9:cpu:/\n").unwrap_err();
        assert!(refusal.contains("not mounted here"), "{refusal}");
    }

    #[test]
    fn only_what_is_of_our_namespace_and_whose_maker_is_gone_is_swept() {
        let own = Maker::ourselves().unwrap();
        // Nobody begins so late.
        let gone = ProcessId::new(1, u64::MAX);
        let stays = [
            own.name(PREFIX),
            Maker { namespace: own.namespace + 1, id: gone }.name(PREFIX),
            Maker { namespace: own.namespace + 1, id: gone }.name(ASIDE),
            "oomtop-run-1-2".into(),
            "somebody".into(),
        ];
        let goes = [Maker { id: gone, ..own }.name(PREFIX), Maker { id: gone, ..own }.name(ASIDE)];
        let above = tempfile::tempdir().unwrap();
        for name in stays.iter().chain(&goes) {
            fs::create_dir(above.path().join(name)).unwrap();
        }
        sweep(above.path(), own);
        for (name, expected) in stays.iter().map(|name| (name, true)).chain(goes.iter().map(|name| (name, false))) {
            assert_eq!(above.path().join(name).exists(), expected, "{name}");
        }
    }
}
