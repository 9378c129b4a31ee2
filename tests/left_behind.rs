//! What `tests/sweep` removes, and what it must never: it runs as root, and anybody may make folders in /tmp.

#![expect(clippy::disallowed_methods, reason = "runs the script")]

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

mod require;

#[test]
fn only_our_own_folders_whose_maker_is_gone_are_removed_whatever_others_name_theirs() {
    let ours = require::own_name("x");
    let namespace = ours.split('-').nth(2).expect("the namespace");
    // The first process, at a time at which it did not begin.
    let gone = |name: &str| format!("oomtop-testing-{namespace}-1-18446744073709551615-{name}");
    let ground = tempfile::tempdir().expect("a folder");
    let path = |name: &str| ground.path().join(name);
    let mut stays = vec![
        "src".to_owned(),
        ours.clone(),
        gone("of two lines\nsrc"),
        gone("x\nsrc"),
        gone("x y"),
        format!("oomtop-testing-1{namespace}-1-18446744073709551615-x"),
        format!("oomtop-testing-{namespace}-x-1-x"),
    ];
    let goes = [gone("x"), gone("vm-a1.b_C")];
    for name in stays.iter().chain(&goes) {
        fs::create_dir_all(path(name).join("below")).expect("a folder");
    }
    symlink(path("src"), path(&gone("link"))).expect("a link");
    stays.push(gone("link"));
    if require::is_root() {
        fs::create_dir(path(&gone("another"))).expect("a folder");
        chown(path(&gone("another")), Some(65_534), None).expect("root may");
        stays.push(gone("another"));
    }
    let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweep");
    Command::new("sh").arg(sweep).current_dir(ground.path()).env("TMPDIR", ground.path()).output().expect("a shell");
    for name in &stays {
        assert!(path(name).exists(), "{name:?} was removed");
    }
    for name in &goes {
        assert!(!path(name).exists(), "{name:?} was left");
    }
    assert!(path("src/below").exists(), "nothing behind a link is touched");
}
