//! What a fuzzer found worth keeping (see `fuzz/Cargo.toml`), replayed with any compiler: a few inputs for each path
//! through the parsers of what strangers write.

#![expect(clippy::disallowed_methods, reason = "reads the files that were kept")]

mod log;
mod profile;
mod response;

use std::path::Path;

/// Every file of these folders of `tests/fixtures` is survived, and there are so many of them.
fn replay(folders: &[&str], least: usize, check: fn(&[u8])) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(fixtures.join(folder)).expect("the folder"));
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(paths.len() >= least, "{} in {folders:?}", paths.len());
    for path in paths {
        let bytes = std::fs::read(&path).expect("a file");
        let outcome = std::panic::catch_unwind(|| check(&bytes));
        assert!(outcome.is_ok(), "{}", path.display());
    }
}

#[test]
fn kernel_logs_are_survived() {
    replay(&["fuzzed-logs", "oom-logs"], 100, log::check);
}

#[test]
fn profiles_are_survived() {
    replay(&["fuzzed-profiles"], 200, profile::check);
}

#[test]
fn answers_are_survived() {
    replay(&["fuzzed-responses"], 200, response::check);
}
