//! Writes a profile where `go tool pprof` opens it: a new file, for its owner alone. Refuses to write over anything.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::app::{SaveCall, SavedProfile};
use crate::export::json::rfc3339;
use crate::units::WallTime;

/// More files of one name and one second than this are no accident.
const MOST: u32 = 100;

/// Writes it into the first of these directories that takes it.
///
/// # Errors
/// Why not, in words.
pub fn save(directories: &[PathBuf], call: &SaveCall) -> Result<SavedProfile, String> {
    let mut refusals = Vec::new();
    for directory in directories {
        match save_in(directory, call) {
            Ok(path) => {
                let not_there = (!refusals.is_empty()).then(|| refusals.join("; "));
                return Ok(SavedProfile { path: path.display().to_string(), not_there });
            }
            Err(why) => refusals.push(why),
        }
    }
    Err(refusals.join("; "))
}

fn save_in(directory: &Path, call: &SaveCall) -> Result<PathBuf, String> {
    let name = file_name(call);
    for number in 1..=MOST {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("{name}{number}.pb.gz"));
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(format!("{}: {}", directory.display(), in_words(&error))),
        };
        return match file.write_all(&call.bytes) {
            Ok(()) => Ok(path),
            Err(error) => {
                // Half of a profile is none.
                let _ = std::fs::remove_file(&path);
                Err(format!("{}: {error}", path.display()))
            }
        };
    }
    Err(format!("{}: there are {MOST} of them already", directory.join(name).display()))
}

/// Without the number.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// `a.test-30987-heap-20261121T180805`: what a name may not have in a file is a dash.
fn file_name(call: &SaveCall) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._".contains(letter) { letter } else { '-' };
    let name: String = call.name.chars().map(plain).collect();
    let taken = call.taken.and_then(|taken| rfc3339(WallTime(taken))).unwrap_or_default();
    let second: String = taken.split('.').next().unwrap_or_default().chars().filter(|c| !"-:".contains(*c)).collect();
    // A name that begins with a dot would be hidden, with a dash an option.
    let name = name.trim_start_matches(['.', '-']);
    if second.is_empty() { name.to_owned() } else { format!("{name}-{}", second.trim_end_matches('Z')) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn call(name: &str, bytes: &[u8]) -> SaveCall {
        SaveCall { name: name.into(), taken: Some(1_763_748_485_000_000_000), bytes: bytes.into() }
    }

    #[test]
    fn names_are_plain() {
        for (name, expected) in [
            ("a.test-30987-heap", "a.test-30987-heap-20251121T180805"),
            ("../../x\x1b y-1-heap", "x--y-1-heap-20251121T180805"),
            ("-rf", "rf-20251121T180805"),
        ] {
            assert_eq!(file_name(&call(name, b"")), expected);
        }
        assert_eq!(file_name(&SaveCall { taken: None, ..call("a-1-heap", b"") }), "a-1-heap");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "looks at the files that were written")]
    fn nothing_is_overwritten_and_nobody_else_may_read() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        let first = save_in(directory.path(), &call("a", b"one")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, directory.path().join("a-20251121T180805-2.pb.gz")).unwrap();
        let second = save_in(directory.path(), &call("a", b"two")).unwrap();
        assert_eq!(second.file_name().unwrap(), "a-20251121T180805-3.pb.gz", "a link is not written through");
        assert!(!elsewhere.exists());
        let read = |path: &PathBuf| std::fs::read(path).unwrap();
        assert_eq!((read(&first), read(&second)), (b"one".to_vec(), b"two".to_vec()));
        assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o7777, 0o600);
        // Where it cannot be written it goes elsewhere, and that is said.
        let missing = directory.path().join("missing");
        let saved = save(&[missing.clone(), directory.path().into()], &call("b", b"three")).unwrap();
        assert_eq!(saved.path, directory.path().join("b-20251121T180805.pb.gz").display().to_string());
        assert_eq!(saved.not_there.unwrap(), format!("{}: No such file or directory", missing.display()));
        let refused = save(&[missing.clone(), missing], &call("a", b"")).unwrap_err();
        assert_eq!(refused.matches("missing: No such file or directory").count(), 2, "{refused}");
    }
}
