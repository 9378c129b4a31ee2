//! Tests of ours inside a virtual machine: what they need there, and that they were not skipped. Refuses to build one.

use std::time::Duration;

use crate::vm::Guest;
use crate::{hog, require};

/// What timeout(1), under which a guest runs, ends with.
const TIMED_OUT: i32 = 124;

/// Runs a script, in which `/oom` is the very file that calls it, inside a virtual machine, and prints what it prints; it
/// must end well, with so many tests passed and none skipped. Without root, a compiler or a machine it says so. An emulated
/// machine that is full may spend minutes on reading pages of files again and again before anybody asks its killer: one
/// that has not come back within `patience` is told and tried again, twice.
pub fn run(mib: u32, patience: Duration, passed: u32, script: &str) {
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
    let script = format!("export OOMTOP_TEST_GUEST=1\n{script}");
    let (mut status, mut output) = guest.run(mib, patience, &script);
    for attempt in 2..=3 {
        if status != TIMED_OUT {
            break;
        }
        println!("{output}\nthe guest did not end within {patience:?}: attempt {attempt}");
        (status, output) = guest.run(mib, patience, &script);
    }
    println!("{output}");
    assert_eq!(status, 0, "in the guest");
    // What the guest skipped it did not show.
    assert!(!output.contains("SKIPPED") && output.contains(&format!("{passed} passed")), "in the guest");
}
