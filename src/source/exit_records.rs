//! What the kernel accounts for each thread as it ends (taskstats over generic netlink): the peak and the exit status of
//! a process, also of one that no pass saw. Needs CAP_NET_ADMIN in the machine's first namespaces. Refuses to tell which of them
//! matter: every ending of the machine comes out.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};

use crate::snapshot::Unreadable;
use crate::snapshot::process::Name;
use crate::units::{Bytes, Pid};
use std::time::Duration;

/// The subscription.
#[derive(Debug)]
pub(super) struct ExitRecords {
    socket: OwnedFd,
    buffer: Box<[u8]>,
}

/// One ended thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The thread.
    pub thread: Pid,
    /// Its process; `None` where this kernel does not say (before 5.17, of a thread that was not the last).
    pub process: Option<Pid>,
    /// The parent of its process.
    pub parent: Pid,
    /// Its name.
    pub name: Name,
    /// As wait(2) gives it.
    pub wait_status: i32,
    /// The most that its process held, as far as it still held anything.
    pub peak_rss: Option<Bytes>,
    /// How long ago its process started; where that is not told, the thread.
    pub age: Duration,
    /// It was the last of its process, whose status this is.
    pub last: bool,
}

impl ExitRecords {
    /// At 600 bytes a record, what ends between two passes of a machine that builds with all its processors.
    const KERNEL_BUFFER: usize = 4 << 20;
    /// What one pass takes.
    const RECORDS_PER_PASS: usize = 10_000;

    /// Subscribes to the endings on all `processors`.
    pub(super) fn open(processors: u32) -> Result<Self, Unreadable> {
        Self::subscribe(processors).map_err(|errno| match errno {
            Errno::PERM | Errno::ACCESS => Unreadable::Denied,
            Errno::NOENT | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT | Errno::INVAL => Unreadable::Unsupported,
            _ => Unreadable::Failed,
        })
    }

    fn subscribe(processors: u32) -> Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::GENERIC))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        // Without the right for more the usual limit has to do.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, Self::KERNEL_BUFFER);
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(Duration::from_secs(1)))?;
        let mut records = Self { socket, buffer: vec![0; 64 << 10].into_boxed_slice() };

        records.ask(GENERIC_CONTROL, GET_FAMILY, FAMILY_NAME, b"TASKSTATS\0")?;
        let length = records.receive(RecvFlags::empty())?;
        let family = family(&records.buffer[..length]).ok_or(Errno::NOENT)?;
        let mask = format!("0-{}\0", processors.saturating_sub(1));
        records.ask(family, TASKSTATS_GET, REGISTER_PROCESSORS, mask.as_bytes())?;
        Ok(records)
    }

    /// Sends one request and waits for its acknowledgement, behind the answer to a question.
    fn ask(&mut self, family: u16, command: u8, attribute: u16, value: &[u8]) -> Result<(), Errno> {
        send(&self.socket, &request(family, command, attribute, value), SendFlags::empty())?;
        if family == GENERIC_CONTROL {
            return Ok(());
        }
        loop {
            let length = self.receive(RecvFlags::empty())?;
            if let Some(refusal) = acknowledgement(&self.buffer[..length]) {
                return if refusal == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(refusal)) };
            }
        }
    }

    fn receive(&mut self, flags: RecvFlags) -> Result<usize, Errno> {
        loop {
            match recv(&self.socket, &mut self.buffer[..], flags) {
                Err(Errno::INTR) => {}
                result => return result.map(|(length, _)| length),
            }
        }
    }

    /// Gives every record since the last call.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Ended)) {
        for _ in 0..Self::RECORDS_PER_PASS {
            match self.receive(RecvFlags::DONTWAIT) {
                Ok(length) => {
                    if let Some(ended) = ended(&self.buffer[..length]) {
                        each(ended);
                    }
                }
                // Some were lost: more ended than the buffer holds. The next read goes on.
                Err(Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }
}

// include/uapi/linux/netlink.h, genetlink.h and taskstats.h.
const NETLINK_HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const NETLINK_ERROR: u16 = 2;
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
const GENERIC_CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_NAME: u16 = 2;
const FAMILY_ID: u16 = 1;
const TASKSTATS_GET: u8 = 1;
const REGISTER_PROCESSORS: u16 = 3;
const OF_THREAD: u16 = 1;
const OF_PROCESS: u16 = 2;
const STATISTICS: u16 = 3;
const AGGREGATE_OF_THREAD: u16 = 4;
const AGGREGATE_OF_PROCESS: u16 = 5;

fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let attribute_length = 4 + value.len();
    let length = NETLINK_HEADER + GENERIC_HEADER + attribute_length.next_multiple_of(4);
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&(length as u32).to_ne_bytes());
    message.extend_from_slice(&family.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[command, 1, 0, 0]);
    message.extend_from_slice(&(attribute_length as u16).to_ne_bytes());
    message.extend_from_slice(&attribute.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(length, 0);
    message
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The attributes of a message or of an attribute: type and value, up to the first that does not fit.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        // Two flag bits stand above the type.
        Some((kind & 0x3fff, value))
    })
}

fn of_kind(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

fn body(message: &[u8]) -> Option<&[u8]> {
    let length = u32_at(message, 0)? as usize;
    message.get(NETLINK_HEADER + GENERIC_HEADER..length.min(message.len()))
}

fn family(message: &[u8]) -> Option<u16> {
    u16_at(of_kind(body(message)?, FAMILY_ID)?, 0)
}

/// The error number of an acknowledgement: 0 is yes.
fn acknowledgement(message: &[u8]) -> Option<i32> {
    (u16_at(message, 4)? == NETLINK_ERROR).then_some(())?;
    Some(u32_at(message, NETLINK_HEADER)?.cast_signed().saturating_neg())
}

/// A record of taskstats. The structure only ever grew at its end: what a version does not have is absent.
#[must_use]
pub fn ended(message: &[u8]) -> Option<Ended> {
    const GROUP_ENDS: u8 = 0x20;
    let body = body(message)?;
    let of_thread = of_kind(body, AGGREGATE_OF_THREAD)?;
    let thread = Pid(u32_at(of_kind(of_thread, OF_THREAD)?, 0)?);
    let statistics = of_kind(of_thread, STATISTICS)?;
    let whole = of_kind(body, AGGREGATE_OF_PROCESS).and_then(|of_process| of_kind(of_process, OF_PROCESS));
    let version = u16_at(statistics, 0)?;
    let says_process = version >= 12;
    let (process, age) = if says_process {
        (u32_at(statistics, 368).map(Pid), u64_at(statistics, 376)?)
    } else {
        (whole.and_then(|process| u32_at(process, 0)).map(Pid), u64_at(statistics, 144)?)
    };
    let name = statistics.get(80..112)?;
    let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())];
    let peak_rss = u64_at(statistics, 200).filter(|kib| *kib > 0).map(Bytes::from_kib);
    Some(Ended {
        thread,
        process,
        parent: Pid(u32_at(statistics, 132)?),
        name: Name::new(name),
        wait_status: u32_at(statistics, 4)?.cast_signed(),
        peak_rss,
        age: Duration::from_micros(age),
        last: if says_process { statistics[8] & GROUP_ENDS != 0 } else { process.is_some() },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As version 16 lays it out: a thread of 4242 that ended by SIGKILL, 2.5 s after its process began.
    fn message() -> Vec<u8> {
        let mut statistics = vec![0; 384];
        let mut put = |at: usize, bytes: &[u8]| statistics[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &16_u16.to_ne_bytes());
        put(4, &9_u32.to_ne_bytes());
        put(8, &[0x20]);
        put(80, b"a.test");
        put(128, &4243_u32.to_ne_bytes());
        put(132, &7_u32.to_ne_bytes());
        put(144, &1_u64.to_ne_bytes());
        put(200, &124_000_u64.to_ne_bytes());
        put(368, &4242_u32.to_ne_bytes());
        put(376, &2_500_000_u64.to_ne_bytes());
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(value);
            bytes
        };
        let mut inner = attribute(OF_THREAD, &4243_u32.to_ne_bytes());
        inner.extend(attribute(STATISTICS, &statistics));
        let outer = attribute(AGGREGATE_OF_THREAD, &inner);
        let mut message = ((NETLINK_HEADER + GENERIC_HEADER + outer.len()) as u32).to_ne_bytes().to_vec();
        message.resize(NETLINK_HEADER + GENERIC_HEADER, 0);
        message.extend(outer);
        message
    }

    #[test]
    fn a_record_tells_who_ended_how_and_at_what_peak() {
        let ended = ended(&message()).expect("whole");
        assert_eq!((ended.thread, ended.process, ended.parent), (Pid(4243), Some(Pid(4242)), Pid(7)));
        assert_eq!((ended.name.as_bytes(), ended.wait_status, ended.last), (&b"a.test"[..], 9, true));
        assert_eq!(ended.peak_rss, Some(Bytes::from_kib(124_000)));
        assert_eq!(ended.age, Duration::from_millis(2500));
    }

    #[test]
    fn a_record_cut_anywhere_is_none() {
        let whole = message();
        for end in 0..whole.len() {
            assert_eq!(ended(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn requests_are_whole_words() {
        let request = request(31, TASKSTATS_GET, REGISTER_PROCESSORS, b"0-1\0");
        assert_eq!((u32_at(&request, 0), u16_at(&request, 4), request.len() % 4), (Some(28), Some(31), 0));
        assert_eq!(of_kind(body(&request).unwrap(), REGISTER_PROCESSORS), Some(&b"0-1\0"[..]));
    }

    proptest! {
        #[test]
        fn no_message_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0_usize..400, byte: u8) {
            let mut damaged = message();
            let place = at % damaged.len();
            damaged[place] = byte;
            let _ = (ended(&bytes), family(&bytes), acknowledgement(&bytes), ended(&damaged));
        }
    }
}
