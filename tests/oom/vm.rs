//! A virtual machine of the tests' own: `tests/vm/boot` with this test binary, oomtop and what they load. Refuses to
//! show the guest anything else of the host.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The status of a machine whose time was up.
const LATE: i32 = 124;

/// What every run needs: files and where the guest has them.
pub struct Guest {
    boot: PathBuf,
    files: Vec<OsString>,
}

impl Guest {
    /// The machine that `tests/vm/boot build` made; `None` where nobody did. A test installs nothing.
    pub fn find(hog: &Path) -> Option<Self> {
        let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/boot");
        if !Command::new(&boot).arg("ready").status().is_ok_and(|status| status.success()) {
            return None;
        }
        let oom = std::env::current_exe().ok()?;
        let mut files = vec![named(hog, "/hog")];
        for (program, name) in [(oom.as_path(), "/oom"), (Path::new(env!("CARGO_BIN_EXE_oomtop")), "/oomtop")] {
            files.push(named(program, name));
            files.extend(loaded_by(program)?);
        }
        files.sort();
        files.dedup();
        Some(Self { boot, files })
    }

    /// With one more program, and what it loads; `None` where that cannot be told.
    pub fn with(mut self, program: &Path, guest: &str) -> Option<Self> {
        self.files.push(named(program, guest));
        self.files.extend(loaded_by(program)?);
        self.files.sort();
        self.files.dedup();
        Some(self)
    }

    /// Boots, runs the script, and gives its status and what it printed. Of some three hundred machines one did not come
    /// back, and no other of its seed: it runs under emulation. One that is late is shown with what it then said of itself
    /// (memory, blocked tasks, processors), and another is started once.
    pub fn run(&self, mib: u32, most: Duration, script: &str) -> (i32, String) {
        let mut command = Command::new(&self.boot);
        command.args(["run", "-t", &most.as_secs().to_string(), "-m", &mib.to_string()]);
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        let script =
            format!("export OOMTOP_TEST_BIN=/oomtop OOMTOP_TEST_HOG=/hog OOMTOP_REQUIRE=root,cgroup\n{script}");
        command.arg("--").arg(script);
        let mut ended = || {
            let output = command.output().expect("the script starts");
            (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let first = ended();
        if first.0 != LATE {
            return first;
        }
        println!("{}\nthe machine did not end within {most:?}: another is started", first.1);
        ended()
    }
}

fn loaded_by(program: &Path) -> Option<Vec<OsString>> {
    let loaded = Command::new("ldd").arg(program).output().ok()?;
    let text = String::from_utf8_lossy(&loaded.stdout);
    Some(
        text.split_whitespace().filter(|word| word.starts_with('/')).map(|path| named(Path::new(path), path)).collect(),
    )
}

fn named(path: &Path, guest: &str) -> OsString {
    let mut named = path.as_os_str().to_owned();
    named.push(":");
    named.push(guest);
    named
}
