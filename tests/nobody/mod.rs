//! What tests need to start the program as somebody without rights: who that is, and a copy of the program where
//! everybody may execute it.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "copies the program and starts it")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::require;

/// The user nobody, as Debian and busybox number it.
pub const NOBODY: u32 = 65_534;

/// Before a command: it has the rights of nobody.
pub const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// A folder in which everyone may write, with a copy of the program in it; removed when dropped.
pub struct Ground {
    folder: tempfile::TempDir,
    pub oomtop: PathBuf,
}

impl Ground {
    /// The build directory, and that for our own temporary files, may be closed to others.
    pub fn prepare() -> Self {
        let built = std::env::var_os("OOMTOP_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oomtop").into());
        let places = [Path::new("/tmp"), Path::new("/var/tmp"), Path::new("/dev/shm")];
        let found = places.into_iter().find_map(|place| {
            let folder = tempfile::Builder::new().prefix(&require::own_name("ground")).tempdir_in(place).ok()?;
            open(folder.path(), 0o777);
            let oomtop = bring(Path::new(&built), folder.path())?;
            // Where nothing may be executed (mount(8) noexec), it is no place for a program.
            let starts = Command::new(&oomtop).arg("--version").stdout(Stdio::null()).status();
            starts.is_ok_and(|status| status.success()).then_some(Self { folder, oomtop })
        });
        found.unwrap_or_else(|| panic!("none of {places:?} is open to all"))
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A copy of this program, here.
    pub fn bring(&self, program: &Path) -> PathBuf {
        bring(program, self.path()).expect("as ours was")
    }

    /// A file here.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Copies a program into a folder, for everybody. By cp(1): what we have open for writing, who is forked meanwhile has as
/// well, and as long as he has it cannot be executed.
fn bring(program: &Path, folder: &Path) -> Option<PathBuf> {
    let copy = folder.join(program.file_name()?);
    let copied = Command::new("cp").arg(program).arg(&copy).status().is_ok_and(|status| status.success());
    copied.then(|| open(&copy, 0o755))?;
    Some(copy)
}

/// Sets who may do what with a file of ours, whatever our umask is.
pub fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own");
}
