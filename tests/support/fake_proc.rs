//! A made-up procfs in a directory of its own: processes are built field by field, written as files, changed and
//! removed. For every test that wants a machine it can command.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "a test writes the world that the program reads")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A tree of files under a temporary directory: `proc` and `sys`.
pub struct FakeProc {
    directory: tempfile::TempDir,
}

impl FakeProc {
    /// With a meminfo of 16 GiB, a vmstat, and no processes.
    pub fn new() -> Self {
        let fake = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir_all(fake.sys().join("fs/cgroup")).expect("created");
        fs::create_dir_all(fake.proc()).expect("created");
        fake.write(
            "proc/meminfo",
            "MemTotal:       16777216 kB\nMemFree:         4194304 kB\nMemAvailable:    8388608 kB\n\
             Buffers:          102400 kB\nCached:          2097152 kB\nSwapCached:            0 kB\n\
             Shmem:            204800 kB\nAnonPages:       6291456 kB\nSReclaimable:     409600 kB\n\
             SUnreclaim:       204800 kB\nSwapTotal:       2097152 kB\nSwapFree:        1048576 kB\n",
        );
        fake.write("proc/vmstat", "pgmajfault 12\npswpin 3\npswpout 4\noom_kill 2\n");
        fake.write("proc/sys/kernel/hostname", "fake01\n");
        fake.write("proc/sys/kernel/osrelease", "6.18.0-fake\n");
        fake.write("sys/devices/system/cpu/possible", "0-3\n");
        fake
    }

    /// To be given as `--proc`.
    pub fn proc(&self) -> PathBuf {
        self.directory.path().join("proc")
    }

    /// To be given as `--sys`.
    pub fn sys(&self) -> PathBuf {
        self.directory.path().join("sys")
    }

    /// The path of a file below the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the directory")).expect("created");
        fs::write(path, text).expect("written");
    }

    /// Writes or rewrites a process.
    pub fn put(&self, process: &FakeProcess) {
        process.write(&self.proc().join(process.pid.to_string()));
    }

    /// Removes a process.
    pub fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.proc().join(pid.to_string())).expect("removed");
    }
}

/// One process, with the fields that matter; the rest is plausible.
#[derive(Clone, Debug)]
pub struct FakeProcess {
    pub pid: u32,
    pub start_time: u64,
    pub parent: u32,
    pub name: Vec<u8>,
    pub state: char,
    pub flags: u32,
    pub threads: u32,
    pub uid: u32,
    /// Pages.
    pub size: u64,
    /// Pages.
    pub anonymous: u64,
    /// Pages.
    pub file: u64,
    /// Pages.
    pub text: u64,
    /// KiB.
    pub swap: u64,
    /// KiB.
    pub page_tables: u64,
    pub oom_score_adj: i16,
    pub oom_score: u16,
    pub cgroup: Vec<u8>,
    /// Arguments with their NULs.
    pub command: Vec<u8>,
    pub executable: Option<PathBuf>,
    pub smaps: Option<Vec<u8>>,
}

impl FakeProcess {
    /// A sleeping process of user 1000 with 4 MiB of anonymous memory, started at its number.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            start_time: u64::from(pid),
            parent: 1,
            name: format!("fake-{pid}").into_bytes(),
            state: 'S',
            flags: 0x40_0000,
            threads: 1,
            uid: 1000,
            size: 4096,
            anonymous: 1024,
            file: 256,
            text: 64,
            swap: 0,
            page_tables: 44,
            oom_score_adj: 0,
            oom_score: 667,
            cgroup: b"0::/\n".to_vec(),
            command: format!("/usr/bin/fake-{pid}\0--flag\0").into_bytes(),
            executable: Some(PathBuf::from(format!("/usr/bin/fake-{pid}"))),
            smaps: None,
        }
    }

    /// The text of `stat`.
    pub fn stat(&self) -> Vec<u8> {
        let mut text = format!("{} (", self.pid).into_bytes();
        text.extend_from_slice(&self.name);
        text.extend_from_slice(
            format!(
                ") {} {} 1 1 0 -1 {} 100 0 5 0 1 2 0 0 20 0 {} 0 {} {} {} 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 \
                 0 0 0 0 0 0 0 0 0 0\n",
                self.state,
                self.parent,
                self.flags,
                self.threads,
                self.start_time,
                self.size * 4096,
                self.anonymous + self.file,
            )
            .as_bytes(),
        );
        text
    }

    /// The text of `statm`.
    pub fn statm(&self) -> String {
        format!("{} {} {} {} 0 {} 0\n", self.size, self.anonymous + self.file, self.file, self.text, self.anonymous)
    }

    /// The text of `status`.
    pub fn status(&self) -> String {
        let Self { pid, uid, swap, page_tables, threads, state, parent, .. } = self;
        let (anonymous, file) = (self.anonymous * 4, self.file * 4);
        let resident = anonymous + file;
        format!(
            "Name:\tfake\nState:\t{state} (fake)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\n\
             Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t{pid}\nVmLck:\t       0 kB\nVmHWM:\t{resident:8} kB\n\
             VmRSS:\t{resident:8} kB\nRssAnon:\t{anonymous:8} kB\nRssFile:\t{file:8} kB\nRssShmem:\t       0 kB\n\
             VmPTE:\t{page_tables:8} kB\nVmSwap:\t{swap:8} kB\nHugetlbPages:\t       0 kB\nThreads:\t{threads}\n\
             CapEff:\t0000000000000000\n"
        )
    }

    fn write(&self, directory: &Path) {
        fs::create_dir_all(directory).expect("created");
        let file = |name: &str, text: &[u8]| fs::write(directory.join(name), text).expect("written");
        file("stat", &self.stat());
        file("statm", self.statm().as_bytes());
        file("status", self.status().as_bytes());
        file("oom_score_adj", format!("{}\n", self.oom_score_adj).as_bytes());
        file("oom_score", format!("{}\n", self.oom_score).as_bytes());
        file("cgroup", &self.cgroup);
        file("cmdline", &self.command);
        let resident = (self.anonymous + self.file) * 4;
        file(
            "smaps_rollup",
            format!(
                "1000-2000 ---p 00000000 00:00 0                          [rollup]\nRss:            {resident:8} kB\n\
                 Pss:            {:8} kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:  {:8} kB\nAnonymous:      {:8} kB\n\
                 LazyFree:              0 kB\nSwap:           {:8} kB\nSwapPss:               0 kB\nLocked:                0 kB\n",
                self.anonymous * 4 + self.file * 2,
                self.anonymous * 4,
                self.anonymous * 4,
                self.swap,
            )
            .as_bytes(),
        );
        if let Some(smaps) = &self.smaps {
            file("smaps", smaps);
        }
        let link = directory.join("exe");
        let _ = fs::remove_file(&link);
        if let Some(executable) = &self.executable {
            std::os::unix::fs::symlink(executable, link).expect("linked");
        }
    }
}

/// A name with bytes that a terminal would obey and a parser would trip over.
pub fn hostile_names() -> Vec<Vec<u8>> {
    [
        &b") R 1"[..],
        b"a) S 1 (b",
        b"\x1b[2J\x1b]0;x\x07",
        b"two\nlines",
        b"tab\there",
        b"\xff\xfe\x80",
        b"15 bytes: \xf0\x9f\x92\xa9\xe2",
        "\u{202e}evil".as_bytes(),
        b"(((((",
        b")))))",
        b"",
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect()
}

/// The bytes of a path.
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
