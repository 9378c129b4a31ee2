//! Tests of ours inside a virtual machine: what they need there, and that they were not skipped. Refuses to build one.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::path::Path;
use std::time::Duration;

use crate::vm::Guest;
use crate::{hog, require};

/// Runs a script, in which `/oom` is the very file that calls it, inside a virtual machine, and prints what it prints; it
/// must end well, with so many tests passed and none skipped. Without root, a compiler or a machine it says so.
pub fn run(mib: u32, patience: Duration, passed: u32, script: &str) {
    run_with(&[], mib, patience, passed, script);
}

/// The same with these programs of this machine beside those of busybox, which can do less.
pub fn run_with(programs: &[&str], mib: u32, patience: Duration, passed: u32, script: &str) {
    if !require::root() {
        return;
    }
    let Some(hog) = hog::compiled() else {
        require::missing("tools", "cc is not installed");
        return;
    };
    let Some(guest) = Guest::find(&hog) else {
        require::missing("vm", "no virtual machine was built: tests/vm/boot build (root, Debian)");
        return;
    };
    let brought = programs.iter().try_fold(guest, |guest, program| guest.with(Path::new(program), program));
    let Some(guest) = brought else {
        require::missing("tools", &format!("one of {programs:?} is not installed"));
        return;
    };
    let (status, output) = guest.run(mib, patience, &format!("export OOMTOP_TEST_GUEST=1\n{script}"));
    println!("{output}");
    assert_eq!(status, 0, "in the guest; 124 is one that was not over after {patience:?}: where it hung is told above");
    // What the guest skipped it did not show.
    assert!(!output.contains("SKIPPED") && output.contains(&format!("{passed} passed")), "in the guest");
}
