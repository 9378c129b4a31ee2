//! Finds daemons that kill before the kernel does by their command lines, and reads the files that configure them as
//! they see them: below `/proc/PID/root`. Refuses to look anywhere where none runs, to believe a stranger's process its
//! name, and to understand what it reads.

use std::ffi::CString;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FileType;
use rustix::process::geteuid;

use crate::snapshot::Unreadable;
use crate::snapshot::other_killer::{ConfigurationFile, KillerProgram, OtherKiller};
use crate::snapshot::process::Command;
use crate::snapshot::system::OwnRights;
use crate::units::{ProcessId, Timestamp};

use super::files::{FileName, Tree, each_entry};
use super::{clock, managed_oom, proc_files};

/// What may be read for one daemon; what is more configures none.
#[derive(Debug)]
pub(super) struct Allowance {
    names: usize,
    bytes: usize,
}

impl Allowance {
    pub(super) fn is_spent(&self) -> bool {
        self.names == 0 || self.bytes == 0
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self { names: 8192, bytes: 2 << 20 }
    }
}

/// The daemons that were met.
#[derive(Debug, Default)]
pub(super) struct OtherKillers {
    known: Vec<Known>,
}

/// What was last read of one.
#[derive(Debug)]
struct Known {
    id: ProcessId,
    killer: Arc<OtherKiller>,
    /// When it is read again.
    due: Timestamp,
}

impl OtherKillers {
    /// More than this at once is somebody's joke.
    const MOST: usize = 8;
    /// Its files and the marks on cgroups change while it runs, but seldom.
    const PAUSE: Duration = Duration::from_secs(60);
    /// One that was due for so long has ended.
    const GONE: Duration = Duration::from_secs(600);

    /// What is new of the daemon that has this command line, if it is one and can kill others than its own user's.
    pub(super) fn look(
        &mut self,
        tree: &mut Tree,
        id: ProcessId,
        command: &Command,
        now: Timestamp,
    ) -> Option<Arc<OtherKiller>> {
        let (program, arguments) = recognised(&command.arguments)?;
        let before = self.known.iter().position(|known| known.id == id);
        let is_same = |known: &Known| known.killer.program == program && *known.killer.arguments == *arguments;
        if before.is_some_and(|at| now < self.known[at].due && is_same(&self.known[at])) {
            return None;
        }
        if before.is_none() && self.known.len() >= Self::MOST {
            self.known.retain(|known| now < known.due.after(Self::GONE));
            if self.known.len() >= Self::MOST {
                return None;
            }
        }
        let kills_all = reach(tree, id)?;
        let cpu = clock::thread_cpu();
        let killer = Arc::new(other_killer(tree, id, program, kills_all, arguments));
        // A hundredth of the time at most.
        let pause = Self::PAUSE.max(clock::thread_cpu().saturating_sub(cpu) * 100);
        let known = Known { id, killer: Arc::clone(&killer), due: now.after(pause) };
        let Some(at) = before else {
            self.known.push(known);
            return Some(killer);
        };
        let before = std::mem::replace(&mut self.known[at], known);
        (before.killer != killer).then_some(killer)
    }
}

fn other_killer(
    tree: &mut Tree,
    id: ProcessId,
    program: KillerProgram,
    kills_all: bool,
    arguments: &[u8],
) -> OtherKiller {
    let files = match program {
        KillerProgram::Earlyoom => Ok(Vec::new()),
        KillerProgram::Nohang => {
            read(tree, id, nohang_file(arguments), &mut Allowance::default()).map(|file| vec![file])
        }
        KillerProgram::SystemdOomd => managed_oom::files(tree, id),
    };
    let marked = match program {
        KillerProgram::SystemdOomd => managed_oom::marked_cgroups(tree, id),
        KillerProgram::Earlyoom | KillerProgram::Nohang => Vec::new(),
    };
    OtherKiller { program, kills_all, arguments: arguments.into(), files, marked }
}

/// Whether it may kill everybody; `None`: nobody but a user who is not ours, and then its name means nothing.
fn reach(tree: &mut Tree, id: ProcessId) -> Option<bool> {
    let own = tree.read_link(&FileName::of_root("self/ns/user")).map(<[u8]>::to_vec);
    // In a user namespace of one's own one has all capabilities.
    let is_elsewhere = match (own, tree.read_link(&FileName::of(id.pid, "ns/user"))) {
        (Ok(own), Ok(its)) => own != its,
        _ => false,
    };
    let status = tree.read(&FileName::of(id.pid, "status")).ok().and_then(proc_files::status)?;
    reach_of(status.effective_uid, status.capabilities, is_elsewhere, geteuid().as_raw())
}

/// kernel/signal.c kill_ok_by_cred.
fn reach_of(uid: u32, capabilities: u64, is_elsewhere: bool, own: u32) -> Option<bool> {
    if uid == 0 || capabilities & OwnRights::KILL != 0 && !is_elsewhere {
        return Some(true);
    }
    (uid == own).then_some(false)
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
pub(super) fn read(
    tree: &mut Tree,
    id: ProcessId,
    path: &[u8],
    allowance: &mut Allowance,
) -> Result<ConfigurationFile, Unreadable> {
    /// What is longer configures nothing.
    const LONGEST: usize = 256 << 10;
    let (text, is_cut) = tree.read_path_start(&below_root(id, path)?, LONGEST.min(allowance.bytes))?;
    allowance.bytes -= text.len();
    if is_cut {
        return Err(Unreadable::TooLong);
    }
    Ok(ConfigurationFile { path: path.into(), text: text.into() })
}

/// Names and kinds in a directory. None where there is none.
pub(super) fn entries(
    tree: &Tree,
    id: ProcessId,
    directory: &[u8],
    allowance: &mut Allowance,
) -> Vec<(Vec<u8>, FileType)> {
    let mut names = Vec::new();
    let opened = below_root(id, directory).and_then(|path| tree.open_directory(&path));
    if let (Ok(opened), false) = (opened, allowance.is_spent()) {
        let _ = each_entry(opened.as_fd(), &mut Vec::new(), |name, _, kind| {
            if allowance.names > 0 {
                allowance.names -= 1;
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

    /// A made-up machine with one process, by its status.
    struct Machine {
        directory: tempfile::TempDir,
        tree: Tree,
        killers: OtherKillers,
    }

    #[expect(clippy::disallowed_methods, reason = "makes the files that are read")]
    impl Machine {
        fn new(uid: u32, capabilities: u64) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let tree = Tree::open(directory.path()).unwrap();
            let machine = Self { directory, tree, killers: OtherKillers::default() };
            machine.write("31/status", &format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{capabilities:016x}\n"));
            machine.write("31/root/etc/systemd/oomd.conf", "[OOM]\nSwapUsedLimit=10%\n");
            machine
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn link(&self, path: &str, to: &str) {
            let path = self.directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        }

        fn look_at(&mut self, second: u64, pid: u32) -> Option<Arc<OtherKiller>> {
            let command = Command { arguments: b"systemd-oomd\0".as_slice().into(), cut: false };
            let (id, now) = (ProcessId::new(pid, 1), Timestamp::from_secs(second));
            self.killers.look(&mut self.tree, id, &command, now)
        }

        fn look(&mut self, second: u64) -> Option<Arc<OtherKiller>> {
            self.look_at(second, 31)
        }
    }

    #[test]
    fn what_a_daemon_goes_by_is_read_again_after_a_minute_and_no_sooner() {
        let mut machine = Machine::new(0, 0);
        assert!(machine.look(100).is_some());
        machine.write("31/root/etc/systemd/oomd.conf", "[OOM]\nSwapUsedLimit=20%\n");
        assert_eq!((machine.look(100), machine.look(159)), (None, None));
        // However slow this machine was at it.
        let again = machine.look(100_000).expect("it changed");
        assert_eq!(&*again.files.as_ref().unwrap()[0].text, b"SwapUsedLimit=20%\n");
        assert_eq!(machine.look(200_000), None, "it did not change");
    }

    #[test]
    fn many_of_one_name_do_not_have_each_other_read_again_and_again() {
        let mut machine = Machine::new(0, 0);
        for pid in 32..50 {
            machine.write(&format!("{pid}/status"), "Uid:\t0\t0\t0\t0\nCapEff:\t0000000000000000\n");
        }
        let told =
            |machine: &mut Machine, second| (31..50).filter(|pid| machine.look_at(second, *pid).is_some()).count();
        assert_eq!([100, 101, 102].map(|second| told(&mut machine, second)), [8, 0, 0]);
        for pid in 31..39 {
            machine.write(&format!("{pid}/status"), "");
        }
        assert_eq!(told(&mut machine, 1_000_000), 8, "the others have their turn when those have ended");
    }

    #[test]
    fn of_a_strangers_process_the_name_is_not_enough() {
        const ALL: u64 = 0x1ff_ffff_ffff;
        for (uid, capabilities, is_elsewhere, own, expected) in [
            (0, 0, false, 1000, Some(true)),
            (998, OwnRights::KILL, false, 0, Some(true)),
            (998, ALL & !OwnRights::KILL, false, 0, None),
            (1000, ALL, true, 0, None),
            (1000, 0, false, 1000, Some(false)),
            (1000, 0, false, 1001, None),
        ] {
            assert_eq!(reach_of(uid, capabilities, is_elsewhere, own), expected, "{uid} {capabilities:x}");
        }
        let stranger = geteuid().as_raw() + 4242;
        assert_eq!(Machine::new(stranger, 0).look(100), None);
        let mut machine = Machine::new(stranger, ALL);
        machine.link("self/ns/user", "user:[1]");
        machine.link("31/ns/user", "user:[2]");
        assert_eq!(machine.look(100), None);
    }

    #[test]
    fn of_files_without_end_nothing_is_held() {
        let mut machine = Machine::new(0, 0);
        let long = format!("[Service]\nManagedOOMSwap=kill\n{}", "Environment=x\n".repeat(14_000));
        machine.write("31/root/etc/systemd/system/a.service.d/1.conf", &long);
        let seen = machine.look(100).expect("it is one");
        let held: Vec<_> = seen.files.as_ref().unwrap().iter().map(|file| &*file.text).collect();
        assert_eq!(held, [&b"SwapUsedLimit=10%\n"[..], b"ManagedOOMSwap=kill\n"]);
        for number in 2..20 {
            machine.write(&format!("31/root/etc/systemd/system/a.service.d/{number}.conf"), &long);
        }
        assert_eq!(machine.look(100_000).expect("it changed").files, Err(Unreadable::TooLong));
        // Names without end are none either.
        let mut machine = Machine::new(0, 0);
        for number in 0..9000 {
            machine.link(&format!("31/root/etc/systemd/system/a.service.d/{number}.conf"), "x");
        }
        assert_eq!(machine.look(100).expect("it is one").files, Err(Unreadable::TooLong));
    }
}
