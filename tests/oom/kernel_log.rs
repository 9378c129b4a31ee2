//! What the kernel itself says of its kills: `/dev/kmsg` from where we opened it, read by plain means. It is the judge,
//! so it shares no code with what it judges.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "reads the kernel's log")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// The log, from its opening on.
pub struct KernelLog {
    file: File,
    /// Every text since.
    pub texts: Vec<String>,
}

impl KernelLog {
    pub fn open() -> Self {
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag of open(2)");
        let mut file =
            OpenOptions::new().read(true).custom_flags(nonblocking).open("/dev/kmsg").expect("root reads the log");
        file.seek(SeekFrom::End(0)).expect("goes behind the last record");
        Self { file, texts: Vec::new() }
    }

    /// Whether one record since the log was opened has all of these words.
    pub fn has(&mut self, words: &[&str]) -> bool {
        self.read();
        self.texts.iter().any(|text| words.iter().all(|word| text.contains(word)))
    }

    /// Who of these was killed since the log was opened, by thread number, in the order of the log.
    pub fn killed_of(&mut self, threads: &BTreeMap<u64, u64>) -> Vec<u64> {
        self.read();
        let killed = self.texts.iter().filter_map(|text| {
            // `Memory cgroup out of memory: Killed process 30 (name) total-vm:..`
            let (_, rest) = text.split_once("Killed process ")?;
            rest.split_once(' ')?.0.parse::<u64>().ok()
        });
        killed.filter_map(|thread| threads.get(&thread).copied()).collect()
    }

    /// The first of them.
    pub fn first_of(&mut self, threads: &BTreeMap<u64, u64>) -> Option<u64> {
        self.killed_of(threads).first().copied()
    }

    fn read(&mut self) {
        let mut record = [0; 8192];
        loop {
            match self.file.read(&mut record) {
                Ok(0) => return,
                Ok(read) => {
                    let text = String::from_utf8_lossy(&record[..read]).into_owned();
                    self.texts.extend(text.split_once(';').map(|(_, text)| text.to_owned()));
                }
                // EPIPE: records were lost before we read them; the next read goes on behind the gap.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("/dev/kmsg: {error}"),
            }
        }
    }

    /// The rows of tables in which one of these stands: what the kernel compared.
    pub fn rows<'a>(&'a self, processes: &'a BTreeMap<u64, u64>) -> impl Iterator<Item = &'a str> {
        let known = |text: &&String| {
            // `[    123]     0   123     1024      512 ..`
            let number = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            number.is_some_and(|(pid, _)| pid.trim().parse().is_ok_and(|pid: u64| processes.contains_key(&pid)))
        };
        self.texts.iter().filter(known).map(|text| text.trim_end())
    }
}
