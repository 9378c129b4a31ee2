//! What a test needs of the machine beyond Rust: a tool, a right, a cgroup. Where it is missing the test says so, past
//! the capture of the test runner, and passes; where `OOMTOP_REQUIRE` names it (or says `all`) the test fails instead.
//! Refuses to skip in silence.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "asks the machine what it has")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use oomtop::control;
use oomtop::units::Pid;

/// Whether the tool can be started. `OOMTOP_REQUIRE=tools` makes its absence a failure.
#[must_use]
pub fn tool(name: &str) -> bool {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    found || missing("tools", &format!("{name} is not installed"))
}

/// Whether we are root. `OOMTOP_REQUIRE=root` makes its absence a failure.
#[must_use]
pub fn root() -> bool {
    is_root() || missing("root", "needs root")
}

/// The same, for who can do without.
#[must_use]
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)) == Some("0")
}

/// The name of something that a test puts on the machine: it says whose it is, so that `tests/sweep` can remove what a run
/// that was killed has left.
#[must_use]
pub fn own_name(name: &str) -> String {
    let own = control::identify(Path::new("/proc"), Pid(std::process::id())).expect("we live");
    let namespace = fs::metadata("/proc/self/ns/pid").expect("procfs").ino();
    format!("oomtop-testing-{namespace}-{}-{}-{name}", own.pid, own.start_time.0)
}

/// The directory in which a test may make memory cgroups of its own, v1 or v2, after a sweep of what was left there.
/// `OOMTOP_REQUIRE=cgroup` makes its absence a failure.
#[must_use]
pub fn memory_cgroups() -> Option<PathBuf> {
    // Tests ask at the same time: each with a directory of its own.
    static PROBES: AtomicU32 = AtomicU32::new(0);
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        // A guest has no such file, and nothing to be swept.
        let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweep");
        let _ = Command::new("sh").arg(sweep).stderr(Stdio::null()).status();
    });
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let found = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(Path::new).into_iter().find(|root| {
        let probe = root.join(own_name(&format!("probe-{number}")));
        let made = fs::create_dir(&probe).is_ok();
        let usable = probe.join("memory.limit_in_bytes").exists() || probe.join("memory.max").exists();
        if made {
            let _ = fs::remove_dir(&probe);
        }
        made && usable
    });
    if found.is_none() {
        missing("cgroup", "cannot make a memory cgroup here");
    }
    found.map(Path::to_owned)
}

/// Says why this test checks nothing here; panics where `OOMTOP_REQUIRE` names the kind. Always `false`.
pub fn missing(kind: &str, why: &str) -> bool {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let required = std::env::var("OOMTOP_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == "all" || name == kind),
        "{test}: {why} (OOMTOP_REQUIRE={required})"
    );
    // `eprintln!` would be captured, and a passing test would hide it.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    false
}
