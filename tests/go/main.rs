//! Real Go programs of several versions, each beside what its own runtime says: what is told of them from outside is
//! true. Skips loudly where no toolchain was fetched.

#![expect(clippy::disallowed_methods, reason = "builds and runs programs")]

mod held;
#[path = "../require/mod.rs"]
mod require;
mod toolchain;

use held::{Held, class};
use serde_json::Value;
use toolchain::{Build, Toolchain, toolchains};

/// Runs a check for every toolchain and build.
fn each(builds: &[Build], check: impl Fn(&Toolchain, Build, &std::path::Path)) {
    for toolchain in toolchains() {
        for &build in builds {
            check(&toolchain, build, &toolchain.build(build));
        }
    }
}

fn assert_near(told: u64, own: u64, percent: u64, what: &str) {
    let apart = told.abs_diff(own);
    assert!(apart * 100 <= own * percent, "{what}: told {told}, the runtime says {own}");
}

fn assert_sums(snapshot: &Value) {
    let mappings = &snapshot["mappings"];
    for sum in ["rss_bytes", "pss_bytes", "swap_bytes", "swap_pss_bytes", "lazy_free_bytes"] {
        let classes = mappings["classes"].as_array().expect("a list");
        let total: u64 = classes.iter().map(|class| class[sum].as_u64().expect("a number")).sum();
        assert_eq!(mappings[sum].as_u64(), Some(total), "{sum}");
    }
}

#[test]
fn classes_sum_to_rss_and_the_heap_is_what_the_runtime_holds() {
    each(&Build::ALL, |toolchain, build, program| {
        let mut held = Held::start(program, &[]);
        held.ask(&["hold 64", "stacks 300", "gc"]);
        let snapshot = held.snapshot();
        let (told, own) = (class(&snapshot, "go_heap", "rss_bytes"), held.heap());
        println!(
            "{:?} {build:?}: go_heap {told}, the runtime {own} ({:+.2} %); go_runtime {}, shadow {}, thread stacks {}, \
             C heap {}, program {}, anonymous {}",
            toolchain.version,
            (told as f64 / own as f64 - 1.0) * 100.0,
            class(&snapshot, "go_runtime", "rss_bytes"),
            class(&snapshot, "go_race_shadow", "rss_bytes"),
            class(&snapshot, "thread_stack", "rss_bytes"),
            class(&snapshot, "cgo_heap", "rss_bytes"),
            class(&snapshot, "executable", "rss_bytes"),
            class(&snapshot, "anonymous", "rss_bytes"),
        );
        assert_sums(&snapshot);
        assert_near(told, own, 5, &format!("{:?} {build:?}", toolchain.version));
        let runtime = class(&snapshot, "go_runtime", "rss_bytes");
        assert!(runtime > 500 << 10, "{runtime} of tables for 64 MiB of heap");
        let shadow = class(&snapshot, "go_race_shadow", "rss_bytes");
        assert_eq!(shadow > 64 << 20, build == Build::Race, "{build:?} has {shadow} of race shadow");
        let of_c = class(&snapshot, "cgo_heap", "regions") + class(&snapshot, "thread_stack", "regions");
        assert_eq!(of_c > 0, matches!(build, Build::Race | Build::Cgo), "{build:?} has {of_c} regions of C");
    });
}

#[test]
fn memory_of_c_is_told_from_that_of_go() {
    each(&[Build::Cgo], |toolchain, _, program| {
        let mut held = Held::start(program, &[]);
        held.ask(&["hold 16", "gc"]);
        let before = held.snapshot();
        held.ask(&["threads 24", "malloc 8", "big 5"]);
        let after = held.snapshot();
        let grown = |name: &str| class(&after, name, "rss_bytes").saturating_sub(class(&before, name, "rss_bytes"));
        let version = format!("{:?}", toolchain.version);
        assert_sums(&after);
        // [heap] is C's too.
        assert_near(grown("cgo_heap") + grown("heap"), 37 << 20, 5, &version);
        assert!((256 << 10..2 << 20).contains(&grown("thread_stack")), "{version}: {}", grown("thread_stack"));
        assert!(grown("go_heap") < 1 << 20, "{version}: {}", grown("go_heap"));
        assert!(grown("go_runtime") < 1 << 20, "{version}: {}", grown("go_runtime"));
    });
}

#[test]
fn what_was_freed_and_is_still_there_is_told_from_what_is_used() {
    each(&[Build::Plain], |toolchain, _, program| {
        for (debug, lazily) in [("madvdontneed=0", true), ("madvdontneed=1", false)] {
            let mut held = Held::start(program, &[("GODEBUG", debug)]);
            held.ask(&["hold 64", "gc"]);
            let full = held.heap();
            held.ask(&["drop all", "release"]);
            let snapshot = held.snapshot();
            let (rss, lazy) =
                (class(&snapshot, "go_heap", "rss_bytes"), class(&snapshot, "go_heap", "lazy_free_bytes"));
            let what = format!("{:?} with {debug}: RSS {rss}, lazily freed {lazy}", toolchain.version);
            let released = full - held.heap();
            if lazily {
                assert_near(lazy, released, 5, &what);
                assert_near(rss, full, 5, &what);
            } else {
                assert_eq!(lazy, 0, "{what}");
                assert!(rss < 8 << 20, "{what}");
            }
        }
    });
}
