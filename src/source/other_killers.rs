//! Finds daemons that kill before the kernel does by their command lines, and reads the files that configure them as
//! they see them: below `/proc/PID/root`. Refuses to look anywhere where none runs, and to understand what it reads.

use std::ffi::CString;
use std::os::fd::AsFd as _;

use rustix::fs::FileType;

use crate::snapshot::Unreadable;
use crate::snapshot::other_killer::{ConfigurationFile, KillerProgram, OtherKiller};
use crate::snapshot::process::Command;
use crate::units::ProcessId;

use super::files::{Tree, each_entry};

/// systemd's directories, the one that counts least first (systemd.unit(5)).
const SYSTEMD: [&str; 4] = ["lib/systemd", "usr/lib/systemd", "run/systemd", "etc/systemd"];

/// More directories of drop-ins than this are no machine's.
const MOST: usize = 4096;

/// The daemon that this command line is one of, with its configuration.
pub(super) fn other_killer(tree: &mut Tree, id: ProcessId, command: &Command) -> Option<OtherKiller> {
    let (program, arguments) = recognised(&command.arguments)?;
    let files = match program {
        KillerProgram::Earlyoom => Ok(Vec::new()),
        KillerProgram::Nohang => read(tree, id, nohang_file(arguments)).map(|file| vec![file]),
        KillerProgram::SystemdOomd => systemd_files(tree, id),
    };
    Some(OtherKiller { program, arguments: arguments.into(), files })
}

/// The program, by its first word or the script that an interpreter runs, and the arguments behind.
fn recognised(command: &[u8]) -> Option<(KillerProgram, &[u8])> {
    const PROGRAMS: [KillerProgram; 3] = [KillerProgram::Earlyoom, KillerProgram::Nohang, KillerProgram::SystemdOomd];
    let is = |word: &[u8], program: KillerProgram| {
        let base = word.rsplit(|byte| *byte == b'/').next().unwrap_or(word);
        base == program.name().as_bytes()
    };
    let (first, rest) = split_word(command);
    if let Some(program) = PROGRAMS.into_iter().find(|program| is(first, *program)) {
        return Some((program, rest));
    }
    // nohang is a Python script.
    let interpreted = first.rsplit(|byte| *byte == b'/').next().is_some_and(|base| base.starts_with(b"python"));
    let (script, rest) = split_word(rest);
    (interpreted && is(script, KillerProgram::Nohang)).then_some((KillerProgram::Nohang, rest))
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or_default())
}

/// What `--config` names.
fn nohang_file(arguments: &[u8]) -> &[u8] {
    let mut words = arguments.split(|byte| *byte == 0);
    while let Some(word) = words.next() {
        match word {
            b"-c" | b"--config" => return words.next().unwrap_or_default(),
            _ => {
                if let Some(path) = word.strip_prefix(b"--config=") {
                    return path;
                }
            }
        }
    }
    b"/etc/nohang/nohang.conf"
}

/// `oomd.conf` and its drop-ins, and whatever unit or drop-in speaks of `ManagedOOM`.
fn systemd_files(tree: &mut Tree, id: ProcessId) -> Result<Vec<ConfigurationFile>, Unreadable> {
    // Who may not look below its root learns so here, and not by finding nothing.
    tree.open_directory(&below_root(id, b".")?)?;
    let mut files = Vec::new();
    for directory in SYSTEMD {
        files.extend(read(tree, id, format!("{directory}/oomd.conf").as_bytes()));
    }
    for directory in SYSTEMD {
        let drop_ins = format!("{directory}/oomd.conf.d");
        for (name, _) in entries(tree, id, &drop_ins) {
            files.extend(read(tree, id, &[drop_ins.as_bytes(), b"/", &name].concat()));
        }
        let units = format!("{directory}/system");
        for (name, kind) in entries(tree, id, &units) {
            let path = [units.as_bytes(), b"/", &name].concat();
            if kind == FileType::Directory && name.ends_with(b".d") {
                for (drop_in, _) in entries(tree, id, &String::from_utf8_lossy(&path)) {
                    files.extend(read_managed(tree, id, &[&path[..], b"/", &drop_in].concat()));
                }
            } else if kind != FileType::Directory {
                files.extend(read_managed(tree, id, &path));
            }
        }
    }
    Ok(files)
}

/// A unit that says something of it.
fn read_managed(tree: &mut Tree, id: ProcessId, path: &[u8]) -> Option<ConfigurationFile> {
    const KEY: &[u8] = b"ManagedOOM";
    read(tree, id, path).ok().filter(|file| memchr::memmem::find(&file.text, KEY).is_some())
}

fn read(tree: &mut Tree, id: ProcessId, path: &[u8]) -> Result<ConfigurationFile, Unreadable> {
    /// What is longer configures nothing.
    const LONGEST: usize = 256 << 10;
    let text = tree.read_path(&below_root(id, path)?)?;
    if text.len() > LONGEST {
        return Err(Unreadable::Malformed);
    }
    Ok(ConfigurationFile { path: path.into(), text: text.into() })
}

/// Names and kinds in a directory, in the order of names: drop-ins count in that order. None where there is none.
fn entries(tree: &Tree, id: ProcessId, directory: &str) -> Vec<(Vec<u8>, FileType)> {
    let mut names = Vec::new();
    let opened = below_root(id, directory.as_bytes()).and_then(|path| tree.open_directory(&path));
    if let Ok(opened) = opened {
        let _ = each_entry(opened.as_fd(), &mut Vec::new(), |name, _, kind| {
            if names.len() < MOST {
                names.push((name.to_bytes().to_vec(), kind));
            }
        });
    }
    names.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    names
}

fn below_root(id: ProcessId, path: &[u8]) -> Result<CString, Unreadable> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    CString::new([format!("{}/root/", id.pid.0).as_bytes(), path].concat()).map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_told_by_the_word_that_is_their_name() {
        use KillerProgram::{Earlyoom, Nohang, SystemdOomd};
        for (command, program, arguments) in [
            (&b"/usr/bin/earlyoom\0-r\x003600\0"[..], Earlyoom, &b"-r\x003600\0"[..]),
            (b"earlyoom", Earlyoom, b""),
            (b"/usr/lib/systemd/systemd-oomd\0", SystemdOomd, b""),
            (b"/usr/bin/python3\0/usr/sbin/nohang\0--monitor\0", Nohang, b"--monitor\0"),
            (b"/usr/sbin/nohang\0--monitor\0", Nohang, b"--monitor\0"),
        ] {
            assert_eq!(recognised(command), Some((program, arguments)), "{}", String::from_utf8_lossy(command));
        }
        for command in [&b"vi\0earlyoom\0"[..], b"bash\0/usr/sbin/nohang\0", b""] {
            assert_eq!(recognised(command), None, "{}", String::from_utf8_lossy(command));
        }
    }

    #[test]
    fn nohang_says_where_its_configuration_is() {
        for (arguments, file) in [
            (&b"--monitor\0--config\0/a/b.conf\0"[..], &b"/a/b.conf"[..]),
            (b"-c\0/c\0", b"/c"),
            (b"--config=/d\0-m\0", b"/d"),
            (b"--monitor\0", b"/etc/nohang/nohang.conf"),
            (b"--config", b""),
        ] {
            assert_eq!(nohang_file(arguments), file);
        }
    }
}
