//! The kernel's texts about an OOM, each as data (mm/oom_kill.c, mm/memcontrol.c and mm/show_mem.c from 2.6.18 to 7.2). Texts
//! are read from their fixed ends: a process name may hold any bytes, also `) total-vm:`. Refuses to guess at a text
//! that is cut: what is missing is `None`, and a number at the very end of a cut line is missing.

use super::cursor::{Cursor, find, find_last};
use super::death::{self, Cause, Killed, Summary};
use super::episode::{Counter, Name, Reaped};
use super::tasks::Columns;
use crate::units::{Bytes, Pages, Pid};

/// One text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message<'a> {
    /// The kernel started: what was open before will not go on.
    Boot { release: Option<&'a [u8]> },
    /// `C invoked oom-killer: ...`: a dump begins.
    Invoked { name: Name, gfp_mask: &'a [u8], nodemask: Option<&'a [u8]>, order: Option<i64>, adj: Option<i64> },
    /// `C cpuset=NAME mems_allowed=N` (4.20 and older).
    Cpuset { name: &'a [u8], mems_allowed: &'a [u8] },
    /// `CPU: .. PID: .. Comm: ..`: of whoever asked, when it stands in a dump.
    Cpu { pid: Pid, name: Option<&'a [u8]>, release: Option<&'a [u8]> },
    /// `Task in /A killed as a result of limit of /B` (4.20 and older).
    LimitOf { task: Option<&'a [u8]>, limit: Option<&'a [u8]> },
    /// `memory: usage ..`.
    Counter(CounterKind, Counter),
    /// `Memory cgroup stats for /B:`, in older kernels with the values behind it.
    Statistics { path: Option<&'a [u8]>, values: &'a [u8] },
    /// `N pages RAM`.
    Ram(Pages),
    /// `N pages reserved`.
    Reserved(Pages),
    /// `Total swap = NkB`.
    SwapTotal(Bytes),
    /// `Free swap  = NkB`.
    SwapFree(Bytes),
    /// What a zone of a node has.
    ZonePresent(u32, Bytes),
    /// The header of the table of tasks.
    Header(Columns),
    /// `oom-kill:constraint=..`; cut where `victim` is `None`.
    Summary(Summary<'a>),
    /// `Kill process P (C) score S or sacrifice child`.
    Chosen { cause: Option<Cause>, pid: Pid, name: Option<Name>, score: Option<u64> },
    /// `Killed process P (C) total-vm:..`.
    Killed(Killed),
    /// `Tasks in /G are going to be killed due to memory.oom.group set`.
    KillGroup { cgroup: &'a [u8] },
    /// `oom_reaper: ..`.
    Reaped { pid: Pid, reaped: Reaped },
    /// `OOM victim P (C) is already exiting`.
    AlreadyExiting { pid: Pid },
    /// `no killable processes`.
    NobodyToKill,
    /// `Kernel panic` because of an OOM.
    Panic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterKind {
    Memory,
    MemoryAndSwap,
    Swap,
    Kernel,
}

impl Message<'_> {
    /// Whether a dump whose beginning is lost can be taken up here. Each of these texts has a mark (see `reader`).
    pub fn begins_a_dump(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Summary(_) | Self::LimitOf { task: Some(_), .. })
    }

    /// Whether the text stops before its end, as it does where the kernel splits it over several records.
    pub fn lacks_its_end(&self, text: &[u8]) -> bool {
        match self {
            Self::Summary(summary) => summary.victim.is_none(),
            Self::Statistics { path, .. } => path.is_none(),
            Self::LimitOf { limit, .. } => limit.is_none() && text.starts_with(b"Task in /"),
            _ => false,
        }
    }
}

/// Reads a text; `complete` is false for the last line of a file that does not end in a newline.
pub(super) fn parse(text: &[u8], complete: bool) -> Option<Message<'_>> {
    by_beginning(text, complete).or_else(|| behind_name(text, complete))
}

/// Whether the first bytes of a text show that [`parse`] finds nothing in it, and that it is neither a row of a table nor a
/// statistic: nearly all lines of a dump are of no use here, and this tells them in a tenth of the time.
#[inline]
pub(super) fn begins_nothing(text: &[u8]) -> bool {
    let mut cursor = Cursor(text);
    cursor.blanks();
    let text = cursor.0;
    let may_be_something = match text {
        [b'[', second, ..] => matches!(second, b' ' | b'p' | b'0'..=b'9'),
        [b'0'..=b'9', ..] => true,
        [b'C', ..] => begins(text, b"CPU: "),
        [b'F', ..] => begins(text, b"Free swap"),
        [b'K', ..] => begins(text, b"Kill") || begins(text, b"Kernel panic"),
        [b'L', ..] => begins(text, b"Linux version "),
        [b'M', ..] => begins(text, b"Memory cgroup ") || begins(text, b"Memory limit "),
        [b'N', ..] => begins(text, b"Node "),
        [b'O', ..] => begins(text, b"Out of ") || begins(text, b"OOM victim "),
        [b'P', ..] => begins(text, b"Pid: "),
        [b'T', ..] => begins(text, b"Task") || begins(text, b"Total swap"),
        [b'a', ..] => begins(text, b"anon "),
        [b'c', ..] => begins(text, b"cache "),
        [b'f', ..] => begins(text, b"file "),
        [b'k', ..] => begins(text, b"kernel ") || begins(text, b"kmem: "),
        [b'm', ..] => begins(text, b"memory"),
        [b'o', ..] => begins(text, b"oom"),
        [b'r', ..] => begins(text, b"rss "),
        [b's', ..] => begins(text, b"shmem ") || begins(text, b"swap: "),
        [b't', ..] => begins(text, b"total_"),
        _ => false,
    };
    !may_be_something
}

/// As `starts_with`, which compares so few bytes by a call.
#[inline]
fn begins<const N: usize>(text: &[u8], beginning: &[u8; N]) -> bool {
    text.first_chunk() == Some(beginning)
}

/// Texts that begin with a name: `C invoked oom-killer: gfp_mask=..` and `C cpuset=NAME mems_allowed=N`. Registers and stacks,
/// which are most of a dump, have no `=` at all. A name may have anything: the last mark counts.
fn behind_name(text: &[u8], complete: bool) -> Option<Message<'_>> {
    for equals in memchr::memrchr_iter(b'=', text) {
        let before = &text[..equals];
        if let Some(name) = before.strip_suffix(b" invoked oom-killer: gfp_mask") {
            return Some(asked(Name::new(name), &text[equals - b"gfp_mask".len()..], complete));
        }
        if let Some(before) = before.strip_suffix(b" mems_allowed") {
            let name = &before[find(before, b" cpuset=")? + b" cpuset=".len()..];
            return complete.then_some(Message::Cpuset { name, mems_allowed: &text[equals + 1..] });
        }
    }
    None
}

fn by_beginning(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    match text.first()? {
        b'[' => Columns::parse(text).map(Message::Header),
        b'm' | b's' | b'k' => counter(text, complete),
        b'o' if cursor.tag(b"oom-kill:constraint=").is_some() => {
            Some(Message::Summary(death::summary(cursor.0, complete)))
        }
        b'o' if cursor.tag(b"oom_reaper: ").is_some() => death::reaped(cursor.0),
        b'o' => invoked_nameless(text, complete),
        b'K' if cursor.tag(b"Kernel panic - not syncing: ").is_some() => death::panic(cursor.0),
        b'K' => death::act(text, None, complete),
        b'M' if cursor.tag(b"Memory cgroup out of memory: ").is_some() => {
            death::act(cursor.0, Some(Cause::Memcg), complete)
        }
        b'M' if cursor.tag(b"Memory cgroup stats for ").is_some() => {
            let (path, values) = match find(cursor.0, b": cache:") {
                Some(at) => (Some(&cursor.0[..at]), &cursor.0[at + 2..]),
                None => (cursor.0.strip_suffix(b":"), &b""[..]),
            };
            Some(Message::Statistics { path, values })
        }
        b'M' if cursor.tag(b"Memory limit reached of cgroup ").is_some() => {
            Some(Message::LimitOf { task: None, limit: complete.then_some(cursor.0) })
        }
        b'O' => death::out_of_memory(text, complete),
        b'T' => limits_and_groups(text, complete),
        b'F' => {
            cursor.tag(b"Free swap")?;
            cursor.number_between(b"= ", b"kB").map(|kib| Message::SwapFree(Bytes::from_kib(kib)))
        }
        b'N' => {
            cursor.tag(b"Node ")?;
            let node = cursor.unsigned_32()?;
            cursor.number_between(b" present:", b"kB").map(|kib| Message::ZonePresent(node, Bytes::from_kib(kib)))
        }
        b'C' => {
            cursor.tag(b"CPU: ")?;
            cpu(cursor.0, b"PID: ", b" Comm: ")
        }
        b'P' => cpu(text, b"Pid: ", b", comm: "),
        b'L' => {
            cursor.tag(b"Linux version ")?;
            Some(Message::Boot { release: cursor.until_byte(b' ').filter(|release| is_release(release)) })
        }
        b'0'..=b'9' => {
            let pages = Pages(cursor.unsigned()?);
            match cursor.0 {
                b" pages RAM" => Some(Message::Ram(pages)),
                b" pages reserved" => Some(Message::Reserved(pages)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The value of a line of the statistics, `anon 50053120`, behind its key: bytes.
pub(super) fn statistic(value: &[u8], complete: bool) -> Option<Bytes> {
    let mut cursor = Cursor(value);
    let value = cursor.unsigned()?;
    (cursor.0.is_empty() && complete).then_some(Bytes(value))
}

/// The statistics of older kernels, behind their header: `cache:0KB rss:49152KB`.
pub(super) fn inline_statistics(values: &[u8]) -> impl Iterator<Item = (&[u8], Bytes)> {
    values.split(|byte| *byte == b' ').filter_map(|word| {
        let mut cursor = Cursor(word);
        let key = cursor.until_byte(b':')?;
        let value = cursor.unsigned()?;
        (cursor.0 == b"KB").then_some((key, Bytes::from_kib(value)))
    })
}

/// 2.6.18 and older do not say who.
fn invoked_nameless(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    cursor.tag(b"oom-killer: ")?;
    cursor.0.starts_with(b"gfp_mask=").then(|| asked(Name::default(), cursor.0, complete))
}

fn asked(name: Name, fields: &[u8], complete: bool) -> Message<'_> {
    let mut message = (&b""[..], None, None, None);
    let mut fields = fields.split(|byte| *byte == b' ').peekable();
    while let Some(field) = fields.next() {
        let closed = field.strip_suffix(b",");
        // A field without its comma is the last one: whole only where the line is.
        let Some(field) = closed.or_else(|| (complete && fields.peek().is_none()).then_some(field)) else { continue };
        let Some(equals) = memchr::memchr(b'=', field) else { continue };
        let number = |mut cursor: Cursor<'_>| cursor.signed().filter(|_| cursor.0.is_empty());
        let value = &field[equals + 1..];
        match &field[..equals] {
            b"gfp_mask" => message.0 = value,
            b"nodemask" if value != b"(null)" => message.1 = Some(value),
            b"order" => message.2 = number(Cursor(value)),
            b"oom_score_adj" => message.3 = number(Cursor(value)),
            _ => {}
        }
    }
    Message::Invoked { name, gfp_mask: message.0, nodemask: message.1, order: message.2, adj: message.3 }
}

fn cpu<'a>(text: &'a [u8], number: &[u8], name: &[u8]) -> Option<Message<'a>> {
    let mut cursor = Cursor(text);
    cursor.until(number)?;
    let pid = Pid(cursor.unsigned_32()?);
    cursor.tag(name)?;
    // `.. Tainted: G        W           7.2.12+deb13-cloud-amd64 #1 PREEMPT(lazy) ..`
    let release = find_last(cursor.0, b" #").and_then(|end| cursor.0[..end].rsplit(|byte| *byte == b' ').next());
    let end = find_last(cursor.0, b" Not tainted").or_else(|| find_last(cursor.0, b" Tainted: "));
    let name = end.map(|end| &cursor.0[..end]);
    Some(Message::Cpu { pid, name, release: release.filter(|release| is_release(release)) })
}

fn is_release(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_digit)
        && word.contains(&b'.')
        && word.len() <= 64
        && word.iter().all(u8::is_ascii_graphic)
}

fn counter(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let (kind, label) = [
        (CounterKind::Memory, &b"memory: usage "[..]),
        (CounterKind::MemoryAndSwap, b"memory+swap: usage "),
        (CounterKind::Swap, b"swap: usage "),
        (CounterKind::Kernel, b"kmem: usage "),
    ]
    .into_iter()
    .find(|(_, label)| text.starts_with(label))?;
    let mut cursor = Cursor(&text[label.len()..]);
    let usage = Bytes::from_kib(cursor.unsigned()?);
    cursor.tag(b"kB, limit ")?;
    let limit = cursor.unsigned()?;
    cursor.tag(b"kB")?;
    // "No limit" is PAGE_COUNTER_MAX or LONG_MAX in KiB: beyond any memory.
    let limit = (limit < 1 << 50).then(|| Bytes::from_kib(limit));
    let fail_count = cursor.tag(b", failcnt ").and_then(|()| cursor.unsigned()).filter(|_| complete);
    Some(Message::Counter(kind, Counter { usage, limit, fail_count }))
}

fn limits_and_groups(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    if cursor.tag(b"Task in ").is_some() {
        let Some(at) = find_last(cursor.0, b" killed as a result of limit of ") else {
            return cursor.0.starts_with(b"/").then_some(Message::LimitOf { task: None, limit: None });
        };
        let limit = &cursor.0[at + b" killed as a result of limit of ".len()..];
        return Some(Message::LimitOf { task: Some(&cursor.0[..at]), limit: complete.then_some(limit) });
    }
    if cursor.tag(b"Tasks in ").is_some() {
        let at = find_last(cursor.0, b" are going to be killed due to memory.oom.group set")?;
        return Some(Message::KillGroup { cgroup: &cursor.0[..at] });
    }
    cursor.tag(b"Total swap = ")?;
    let kib = cursor.unsigned()?;
    cursor.tag(b"kB").map(|()| Message::SwapTotal(Bytes::from_kib(kib)))
}
