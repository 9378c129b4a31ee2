//! Real Go programs of several versions, each beside what its own runtime says: what is told of them from outside is
//! true. Skips loudly where no toolchain was fetched.

#![expect(clippy::disallowed_methods, reason = "builds and runs programs")]

mod answering;
mod held;
mod pprof;
#[path = "../program/mod.rs"]
mod program;
#[path = "../require/mod.rs"]
mod require;
mod served;
#[path = "../session/mod.rs"]
mod session;
#[path = "../terminal/mod.rs"]
mod terminal;
mod toolchain;

use std::fmt::Write as _;

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
        let snapshot = held.settled();
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
            let snapshot = held.settled();
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

/// What `oomtop` says of a program's runtime, by the names under which the program prints the same itself.
const SAME: [(&str, &str); 8] = [
    ("heap_live_bytes", "Live"),
    ("heap_in_use_bytes", "HeapInuse"),
    ("heap_released_bytes", "HeapReleased"),
    ("heap_objects_bytes", "Objects"),
    ("heap_goal_bytes", "Goal"),
    ("stack_bytes", "StackInuse"),
    ("gc_percent", "Percent"),
    ("gc_count", "NumGC"),
];

#[test]
fn the_runtimes_own_numbers_are_read_from_outside() {
    each(&Build::ALL, |toolchain, build, program| {
        let version = format!("{:?} {build:?}", toolchain.version);
        let mut held = Held::start(program, &[("GOMEMLIMIT", "400MiB")]);
        held.ask(&["hold 48", "stacks 200", "drop half", "gc", "hold 8"]);
        let snapshot = held.settled();
        let go = &snapshot["go"];
        assert_eq!(go["how"], if build == Build::Stripped { "scan" } else { "symbols" }, "{version}: {go}");
        let mut line = version.clone();
        for (told, own) in SAME {
            let (told, own) = (go[told].as_u64().unwrap_or_else(|| panic!("{version}: no {told} in {go}")), own);
            let own = held.number(own);
            let _ = write!(line, " {told}/{own}");
            // Printing the numbers allocates, and asking for them does not stop the world.
            assert!(told.abs_diff(own) <= own / 50 + (128 << 10), "{version}: {told} beside {own}: {go}\n{}", held.own);
        }
        println!("{line}");
        assert_eq!(go["gc_count"], held.number("NumGC"), "{version}");
        assert_eq!((&go["gomemlimit"], &go["memory_limit_bytes"]), (&"400MiB".into(), &(400_u64 << 20).into()));
        assert_eq!(go["gogc"], Value::Null, "{version}");
        let free = held.number("HeapIdle") - held.number("HeapReleased");
        assert!(go["heap_free_bytes"].as_u64().expect("known").abs_diff(free) <= free / 50 + (128 << 10), "{version}");
        let last = go["last_gc"].as_str().expect("there was one").to_owned();
        let seconds = held.number("LastGC") / 1_000_000_000 % 60;
        assert!(last.contains(&format!(":{seconds:02}.")), "{version}: {last}");
        let parts = go["rss_parts"].as_array().expect("a list");
        let sum: u64 = parts.iter().map(|part| part["rss_bytes"].as_u64().expect("a number")).sum();
        assert_eq!(snapshot["mappings"]["rss_bytes"], sum, "{version}: the parts are all of it");
    });
}

#[test]
fn what_the_program_changes_about_itself_is_seen() {
    each(&[Build::Stripped], |_, _, program| {
        let mut held = Held::start(program, &[("GOGC", "off")]);
        let go = held.snapshot()["go"].take();
        assert_eq!((&go["gogc"], &go["gc_percent"], &go["how"]), (&"off".into(), &Value::Null, &"scan".into()));
        assert_eq!((&go["gc_count"], &go["memory_limit_bytes"]), (&Value::Null, &Value::Null), "no collection yet");
        held.ask(&["percent 37", "limit 96", "hold 20", "gc", "gc"]);
        let go = held.snapshot()["go"].take();
        assert_eq!((&go["gc_percent"], &go["memory_limit_bytes"]), (&37.into(), &(96_u64 << 20).into()));
        assert_eq!(go["gc_count"], held.number("NumGC"));
    });
}

#[test]
fn what_was_never_touched_is_said_to_be_so() {
    each(&[Build::Plain], |toolchain, _, program| {
        let mut held = Held::start(program, &[]);
        // In this order: what lies behind memory that was used before is cleared, and so touched.
        held.ask(&["reserve 100", "hold 16"]);
        let snapshot = held.settled();
        let heap = class(&snapshot, "go_heap", "rss_bytes");
        assert!(heap < 40 << 20, "{heap} are resident");
        let told = snapshot["go"]["not_touched_bytes"].as_u64().expect("known");
        assert_near(told, held.heap() - heap, 5, &format!("{:?}", toolchain.version));
        let sentence = snapshot["go"]["difference"].as_str().expect("a sentence");
        assert!(sentence.ends_with("was never touched: not resident."), "{sentence}");
    });
}

#[test]
fn nobody_looks_into_a_process_unasked() {
    each(&[Build::Plain], |_, _, program| {
        let held = Held::start(program, &[]);
        let pid = held.pid().to_string();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_oomtop"))
            .args(["snapshot", "--json", "--go-memory=none", "--mappings", &pid, "-p", &pid])
            .output()
            .expect("starts");
        let snapshot: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(snapshot["go"]["heap_live_bytes"], Value::Null);
        assert_eq!(snapshot["go"]["unreadable"], "not requested (--go-memory)");
        assert!(snapshot["go"]["version"].as_str().is_some_and(|version| version.starts_with("go1.")));
    });
}
