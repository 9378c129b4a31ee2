//! Finds daemons that kill before the kernel does by their command lines, and reads the files that configure them as
//! they see them: below `/proc/PID/root`. Refuses to look anywhere where none runs, and to understand what it reads.

use std::ffi::CString;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use rustix::fs::FileType;

use crate::snapshot::Unreadable;
use crate::snapshot::other_killer::{ConfigurationFile, KillerProgram, OtherKiller};
use crate::snapshot::process::Command;
use crate::units::ProcessId;

use super::files::{Tree, each_entry};
use super::managed_oom;

/// More entries of one directory than this are no machine's.
const MOST: usize = 4096;

/// The daemons that were met, and what was last read of each.
#[derive(Debug, Default)]
pub(super) struct OtherKillers {
    known: Vec<(ProcessId, Arc<OtherKiller>)>,
}

impl OtherKillers {
    /// More than this at once is somebody's joke.
    const MOST: usize = 8;

    /// What is new of the daemon that has this command line, if it is one: its files and the marks on cgroups change
    /// while it runs.
    pub(super) fn look(&mut self, tree: &mut Tree, id: ProcessId, command: &Command) -> Option<Arc<OtherKiller>> {
        let killer = other_killer(tree, id, command)?;
        if self.known.iter().any(|(known, before)| *known == id && **before == killer) {
            return None;
        }
        let killer = Arc::new(killer);
        self.known.retain(|(known, _)| *known != id);
        if self.known.len() >= Self::MOST {
            self.known.remove(0);
        }
        self.known.push((id, Arc::clone(&killer)));
        Some(killer)
    }
}

fn other_killer(tree: &mut Tree, id: ProcessId, command: &Command) -> Option<OtherKiller> {
    let (program, arguments) = recognised(&command.arguments)?;
    let files = match program {
        KillerProgram::Earlyoom => Ok(Vec::new()),
        KillerProgram::Nohang => read(tree, id, nohang_file(arguments)).map(|file| vec![file]),
        KillerProgram::SystemdOomd => managed_oom::files(tree, id),
    };
    let marked = match program {
        KillerProgram::SystemdOomd => managed_oom::marked_cgroups(tree, id),
        KillerProgram::Earlyoom | KillerProgram::Nohang => Vec::new(),
    };
    Some(OtherKiller { program, arguments: arguments.into(), files, marked })
}

/// The program, by its first word or the script that an interpreter runs, and the arguments behind.
fn recognised(command: &[u8]) -> Option<(KillerProgram, &[u8])> {
    const PROGRAMS: [KillerProgram; 3] = [KillerProgram::Earlyoom, KillerProgram::Nohang, KillerProgram::SystemdOomd];
    let is = |word: &[u8], program: KillerProgram| {
        let base = word.rsplit(|byte| *byte == b'/').next().unwrap_or(word);
        base == program.name().as_bytes()
    };
    let (first, rest) = split_word(command);
    let by_name = PROGRAMS.into_iter().find(|program| is(first, *program)).map(|program| (program, rest));
    // nohang is a Python script.
    let interpreted = first.rsplit(|byte| *byte == b'/').next().is_some_and(|base| base.starts_with(b"python"));
    let (script, behind) = split_word(rest);
    let by_script = interpreted && is(script, KillerProgram::Nohang);
    let found = by_name.or(by_script.then_some((KillerProgram::Nohang, behind)));
    // Without this it lists processes, checks its file or fills the memory, and kills nobody.
    let monitors = |arguments: &[u8]| arguments.split(|byte| *byte == 0).any(|word| word == b"--monitor");
    found.filter(|(program, arguments)| *program != KillerProgram::Nohang || monitors(arguments))
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

/// A file as the daemon sees it.
pub(super) fn read(tree: &mut Tree, id: ProcessId, path: &[u8]) -> Result<ConfigurationFile, Unreadable> {
    /// What is longer configures nothing.
    const LONGEST: usize = 256 << 10;
    let text = tree.read_path(&below_root(id, path)?)?;
    if text.len() > LONGEST {
        return Err(Unreadable::Malformed);
    }
    Ok(ConfigurationFile { path: path.into(), text: text.into() })
}

/// Names and kinds in a directory. None where there is none.
pub(super) fn entries(tree: &Tree, id: ProcessId, directory: &str) -> Vec<(Vec<u8>, FileType)> {
    let mut names = Vec::new();
    let opened = below_root(id, directory.as_bytes()).and_then(|path| tree.open_directory(&path));
    if let Ok(opened) = opened {
        let _ = each_entry(opened.as_fd(), &mut Vec::new(), |name, _, kind| {
            if names.len() < MOST {
                names.push((name.to_bytes().to_vec(), kind));
            }
        });
    }
    names
}

/// A path as the daemon sees it, below `/proc`.
pub(super) fn below_root(id: ProcessId, path: &[u8]) -> Result<CString, Unreadable> {
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
        let no_daemons: [&[u8]; 5] = [
            b"vi\0earlyoom\0",
            b"bash\0/usr/sbin/nohang\0",
            b"",
            b"nohang\0--tasks\0",
            b"python3\0/usr/sbin/nohang\0-m\0",
        ];
        for command in no_daemons {
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
