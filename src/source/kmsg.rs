//! New records of the kernel log from `/dev/kmsg`, as facts. Refuses to understand them (that is `oom_log`), to read
//! what was logged before it was opened, and to be flooded: at most [`KernelLog::RECORDS_PER_PASS`] records a pass.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::snapshot::Unreadable;
use crate::snapshot::kernel_event::{KernelRecord, OutsideEvent};

/// The log, opened behind its last record.
#[derive(Debug)]
pub struct KernelLog {
    descriptor: OwnedFd,
    /// One read gives one record; a smaller buffer than the record is EINVAL (devkmsg_read; 8 KiB suffice).
    buffer: Box<[u8]>,
    /// The last record: the next one may continue it.
    pending: Option<KernelRecord>,
}

impl KernelLog {
    /// A memory cgroup without a killable task writes 25,000 records in two seconds; what a pass does not take waits
    /// in the kernel's ring for the next.
    pub const RECORDS_PER_PASS: usize = 1000;

    /// Opens the log of this machine, behind its last record.
    ///
    /// # Errors
    /// Denied where `kernel.dmesg_restrict` is 1 and CAP_SYSLOG is missing; Unsupported where there is no such file.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::PERM | Errno::ACCESS => Unreadable::Denied,
            Errno::NOENT | Errno::NODEV | Errno::NXIO => Unreadable::Unsupported,
            _ => Unreadable::Failed,
        })?;
        rustix::fs::seek(&descriptor, SeekFrom::End(0)).map_err(|_| Unreadable::Unsupported)?;
        Ok(Self { descriptor, buffer: vec![0; 8192].into_boxed_slice(), pending: None })
    }

    /// Appends what was logged since the last call, continuations joined. Records that user programs wrote (facility
    /// above 0) are left out: anybody may write `Killed process` there.
    ///
    /// # Errors
    /// TooLong where records were overwritten before they could be read; what is left was taken.
    pub fn drain(&mut self, events: &mut Vec<OutsideEvent>) -> Result<(), Unreadable> {
        let mut read = Ok(());
        for _ in 0..Self::RECORDS_PER_PASS {
            match rustix::io::read(&self.descriptor, &mut self.buffer[..]) {
                Ok(0) => break,
                Ok(length) => {
                    if let Some((record, continues)) = parse(&self.buffer[..length]) {
                        join(&mut self.pending, record, continues, events);
                    }
                }
                // Overwritten before we came: the next read goes on with the oldest there is.
                Err(Errno::PIPE) => read = Err(Unreadable::TooLong),
                Err(Errno::INTR) => {}
                // EAGAIN: no more. Anything else (EINVAL of an oversized record) must not become a loop.
                Err(_) => break,
            }
        }
        events.extend(self.pending.take().map(OutsideEvent::KernelLog));
        read
    }
}

/// Puts a record behind the one it continues, or hands that one out. Only the kernel's own are kept.
fn join(pending: &mut Option<KernelRecord>, record: KernelRecord, continues: bool, events: &mut Vec<OutsideEvent>) {
    if continues && let Some(begun) = pending {
        let mut text = std::mem::take(&mut begun.text).into_vec();
        text.extend_from_slice(&record.text);
        begun.text = text.into_boxed_slice();
        begun.sequence = record.sequence;
        return;
    }
    events.extend(pending.take().map(OutsideEvent::KernelLog));
    if record.priority < 8 {
        *pending = Some(record);
    }
}

/// `6,460,7341237,-,caller=T21;text` and lines of ` KEY=value` behind it; whether it continues the one before.
fn parse(record: &[u8]) -> Option<(KernelRecord, bool)> {
    let semicolon = record.iter().position(|byte| *byte == b';')?;
    let mut fields = record[..semicolon].split(|byte| *byte == b',');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
    let (priority, sequence, microseconds) = (number()?, number()?, number()?);
    let continues = fields.next() == Some(b"c");
    let body = &record[semicolon + 1..];
    let text = &body[..body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len())];
    let record =
        KernelRecord { sequence, microseconds, priority: u32::try_from(priority).ok()?, text: unescaped(text) };
    Some((record, continues))
}

/// `\x1b` is one byte: the kernel writes so what is not printable, and the backslash itself (devkmsg_read).
fn unescaped(text: &[u8]) -> Box<[u8]> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let hex = if byte == b'\\' && after.first() == Some(&b'x') { after.get(1..3) } else { None };
        let value = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        plain.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[3..] } else { after };
    }
    plain.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(records: &[&[u8]]) -> Vec<(u64, String)> {
        let (mut pending, mut events) = (None, Vec::new());
        for record in records {
            if let Some((record, continues)) = parse(record) {
                join(&mut pending, record, continues, &mut events);
            }
        }
        events.extend(pending.map(OutsideEvent::KernelLog));
        let texts = events.into_iter().map(|event| match event {
            OutsideEvent::KernelLog(record) => (record.sequence, String::from_utf8_lossy(&record.text).into_owned()),
            other => unreachable!("only the log is read here: {other:?}"),
        });
        texts.collect()
    }

    #[test]
    fn a_long_cgroup_path_comes_in_three_records_and_leaves_as_one() {
        let records: [&[u8]; 4] = [
            b"6,532,3481224,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=\n",
            b"4,533,3481224,c;/kubepods-x.slice,task_memcg=\n SUBSYSTEM=memory\n",
            b"4,534,3481224,c;/kubepods-x.slice,task=long,pid=145,uid=0\n",
            b"3,535,3481300,-;Memory cgroup out of memory: Killed process 145 (long)\n",
        ];
        let whole = "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods-x.slice,task_memcg=/kubepods-x.slice,\
                     task=long,pid=145,uid=0";
        assert_eq!(
            joined(&records),
            [(534, whole.to_owned()), (535, "Memory cgroup out of memory: Killed process 145 (long)".to_owned())]
        );
    }

    #[test]
    fn what_user_programs_write_is_left_out() {
        assert_eq!(joined(&[b"12,9,1,-;Out of memory: Killed process 1 (init)\n"]), []);
        assert_eq!(joined(&[b"6,9,1,-;a\n", b"12,10,1,-;spoof\n"]), [(9, "a".to_owned())]);
    }

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(&*unescaped(br"a\x1b[31m\x5cx41 \xzz \x4"), b"a\x1b[31m\\x41 \\xzz \\x4");
    }

    proptest! {
        #[test]
        fn no_record_panics(record in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&record);
        }
    }
}
