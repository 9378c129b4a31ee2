//! The kernel's texts about an OOM, each as data (mm/oom_kill.c, mm/memcontrol.c and mm/show_mem.c from 2.6.18 to 7.2). Texts
//! are read from their fixed ends: a process name may hold any bytes, also `) total-vm:`. Refuses to guess at a text
//! that is cut: what is missing is `None`, and a number at the very end of a cut line is missing.

use super::cursor::{Cursor, find, find_last};
use super::episode::{Constraint, Counter, Name, Reaped, Summary as Victim};
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
    Cpu { pid: Pid, release: Option<&'a [u8]> },
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

/// What stands before `Kill process` or `Killed process`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Host,
    Memcg,
    AllocatingTask,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary<'a> {
    pub constraint: Option<Constraint>,
    pub nodemask: Option<&'a [u8]>,
    pub cpuset: Option<&'a [u8]>,
    pub mems_allowed: Option<&'a [u8]>,
    pub limit: Option<Limit<'a>>,
    pub victim_cgroup: Option<&'a [u8]>,
    pub victim: Option<Victim>,
}

/// Whose limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit<'a> {
    /// `global_oom`.
    Host,
    /// `oom_memcg=`.
    Cgroup(&'a [u8]),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Killed {
    pub cause: Option<Cause>,
    pub pid: Pid,
    pub name: Option<Name>,
    pub uid: Option<u32>,
    pub total_vm: Option<Bytes>,
    pub anon: Option<Bytes>,
    pub file: Option<Bytes>,
    pub shmem: Option<Bytes>,
    pub page_tables: Option<Bytes>,
    pub oom_score_adj: Option<i64>,
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
    by_beginning(text, complete).or_else(|| {
        // Those that begin with a name have fields; registers and stacks, which are most of a dump, have none.
        memchr::memchr(b'=', text)?;
        invoked(text, complete).or_else(|| cpuset(text, complete))
    })
}

fn by_beginning(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    match text.first()? {
        b'[' => Columns::parse(text).map(Message::Header),
        b'm' | b's' | b'k' => counter(text, complete),
        b'o' if cursor.tag(b"oom-kill:constraint=").is_some() => Some(Message::Summary(summary(cursor.0, complete))),
        b'o' if cursor.tag(b"oom_reaper: ").is_some() => reaped(cursor.0),
        b'o' => invoked_nameless(text, complete),
        b'K' if cursor.tag(b"Kernel panic - not syncing: ").is_some() => panic(cursor.0),
        b'K' => act(text, None, complete),
        b'M' if cursor.tag(b"Memory cgroup out of memory: ").is_some() => act(cursor.0, Some(Cause::Memcg), complete),
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
        b'O' => out_of_memory(text, complete),
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

/// A line of the statistics, `anon 50053120`: bytes. Read only where a dump is in its statistics.
pub(super) fn statistic(text: &[u8], complete: bool) -> Option<(&[u8], Bytes)> {
    let mut cursor = Cursor(text);
    cursor.blanks();
    let key =
        cursor.until_byte(b' ').filter(|key| key.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_'))?;
    let value = cursor.unsigned()?;
    (cursor.0.is_empty() && complete).then_some((key, Bytes(value)))
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

fn invoked(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let at = find_last(text, b" invoked oom-killer: ")?;
    Some(asked(Name::new(&text[..at]), &text[at + b" invoked oom-killer: ".len()..], complete))
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

fn cpuset(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let nodes = find_last(text, b" mems_allowed=")?;
    let name = find(&text[..nodes], b" cpuset=")?;
    let (name, mems_allowed) = (&text[name + b" cpuset=".len()..nodes], &text[nodes + b" mems_allowed=".len()..]);
    complete.then_some(Message::Cpuset { name, mems_allowed })
}

fn cpu<'a>(text: &'a [u8], number: &[u8], name: &[u8]) -> Option<Message<'a>> {
    let mut cursor = Cursor(text);
    cursor.until(number)?;
    let pid = Pid(cursor.unsigned_32()?);
    cursor.tag(name)?;
    // `.. Tainted: G        W           7.2.12+deb13-cloud-amd64 #1 PREEMPT(lazy) ..`
    let release = find_last(cursor.0, b" #").and_then(|end| cursor.0[..end].rsplit(|byte| *byte == b' ').next());
    Some(Message::Cpu { pid, release: release.filter(|release| is_release(release)) })
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

fn out_of_memory(text: &[u8], complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    if cursor.tag(b"OOM victim ").is_some() {
        let pid = Pid(cursor.unsigned_32()?);
        return find(cursor.0, b") is already exiting. Skip killing").map(|_| Message::AlreadyExiting { pid });
    }
    cursor.tag(b"Out of memory").or_else(|| cursor.tag(b"Out of Memory"))?;
    if cursor.tag(b" and no killable processes").is_some() {
        return Some(Message::NobodyToKill);
    }
    if cursor.tag(b" (oom_kill_allocating_task): ").is_some() {
        return act(cursor.0, Some(Cause::AllocatingTask), complete);
    }
    cursor.tag(b": ")?;
    act(cursor.0, Some(Cause::Host), complete)
}

fn panic(reason: &[u8]) -> Option<Message<'_>> {
    let of_oom = reason.starts_with(b"Out of memory") || reason.starts_with(b"System is deadlocked on memory");
    of_oom.then_some(Message::Panic)
}

/// `Kill process ..` or `Killed process ..`.
fn act(text: &[u8], cause: Option<Cause>, complete: bool) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    if cursor.tag(b"Killed process ").is_some() {
        return killed(cursor.0, cause, complete).map(Message::Killed);
    }
    if cursor.tag(b"OOM victim ").is_some() {
        let pid = Pid(cursor.unsigned_32()?);
        return find(cursor.0, b") is already exiting. Skip killing").map(|_| Message::AlreadyExiting { pid });
    }
    cursor.tag(b"Kill process ").or_else(|| cursor.tag(b"kill process "))?;
    let pid = Pid(cursor.unsigned_32()?);
    cursor.tag(b" (")?;
    let end = find_last(cursor.0, b") score ");
    let mut behind = Cursor(end.map_or(b"", |end| &cursor.0[end + b") score ".len()..]));
    let score = behind.unsigned().filter(|_| behind.0.starts_with(b" or "));
    Some(Message::Chosen { cause, pid, name: end.map(|end| Name::new(&cursor.0[..end])), score })
}

fn killed(text: &[u8], cause: Option<Cause>, complete: bool) -> Option<Killed> {
    let mut cursor = Cursor(text);
    let mut killed = Killed { cause, pid: Pid(cursor.unsigned_32()?), ..Killed::default() };
    if cursor.tag(b", UID ").is_some() {
        // RHEL 6 puts the owner before the name.
        killed.uid = cursor.unsigned_32();
        cursor.tag(b",");
    }
    if cursor.tag(b" (").is_none() {
        // Only a blank or a comma tells that the number is whole.
        return cursor.0.starts_with(b" ").then_some(killed);
    }
    let Some(end) = [&b"), UID "[..], b") total-vm:"].iter().filter_map(|mark| find_last(cursor.0, mark)).min() else {
        // 2.6.18 says no more than this: `Killed process 22222 (nginx).`
        let name = cursor.0.strip_suffix(b".").unwrap_or(cursor.0).strip_suffix(b")");
        killed.name = name.map(Name::new);
        return Some(killed);
    };
    killed.name = Some(Name::new(&cursor.0[..end]));
    cursor.0 = &cursor.0[end + 1..];
    if cursor.tag(b", UID ").is_some() {
        killed.uid = cursor.unsigned_32();
    }
    let mut kib = |label: &[u8]| cursor.number_between(label, b"kB").map(Bytes::from_kib);
    killed.total_vm = kib(b"total-vm:");
    killed.anon = kib(b"anon-rss:");
    killed.file = kib(b"file-rss:");
    killed.shmem = kib(b"shmem-rss:");
    if let Some(uid) = cursor.number_between(b"UID:", b" ") {
        killed.uid = u32::try_from(uid).ok();
    }
    killed.page_tables = cursor.number_between(b"pgtables:", b"kB").map(Bytes::from_kib);
    if cursor.until(b"oom_score_adj:").is_some() {
        killed.oom_score_adj = cursor.signed().filter(|_| complete);
    }
    Some(killed)
}

fn reaped(text: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor(text);
    if cursor.tag(b"unable to reap pid:").is_some() {
        let pid = Pid(cursor.unsigned_32()?);
        return cursor.tag(b" ").map(|()| Message::Reaped { pid, reaped: Reaped::Unable });
    }
    cursor.tag(b"reaped process ")?;
    cursor.tag(b":"); // 4.6
    let pid = Pid(cursor.unsigned_32()?);
    cursor.tag(b" (")?;
    cursor.0 = &cursor.0[find_last(cursor.0, b"anon-rss:")?..];
    let anon = Bytes::from_kib(cursor.number_between(b"anon-rss:", b"kB")?);
    let file = Bytes::from_kib(cursor.number_between(b"file-rss:", b"kB")?);
    let shmem = cursor.number_between(b"shmem-rss:", b"kB").map(Bytes::from_kib);
    Some(Message::Reaped { pid, reaped: Reaped::Left { anon, file, shmem } })
}

/// `CONSTRAINT_MEMCG,nodemask=(null),cpuset=t0,mems_allowed=0-1,oom_memcg=/t0,task_memcg=/t0,task=trig,pid=125,uid=0`.
fn summary(text: &[u8], complete: bool) -> Summary<'_> {
    let (head, victim) = summary_victim(text, complete);
    let (head, victim_cgroup) = match find_last(head, b",task_memcg=") {
        // Whole only where `,task=` came behind it.
        Some(at) => (&head[..at], victim.is_some().then(|| &head[at + b",task_memcg=".len()..])),
        None => (head, None),
    };
    let closed = victim_cgroup.is_some();
    let mut cursor = Cursor(head);
    let constraint = cursor.until_byte(b',').and_then(|word| match word {
        b"CONSTRAINT_NONE" => Some(Constraint::None),
        b"CONSTRAINT_CPUSET" => Some(Constraint::Cpuset),
        b"CONSTRAINT_MEMORY_POLICY" => Some(Constraint::MemoryPolicy),
        b"CONSTRAINT_MEMCG" => Some(Constraint::Memcg),
        _ => None,
    });
    let nodemask = field(&mut cursor, b"nodemask=", b",cpuset=").filter(|mask| *mask != b"(null)");
    let cpuset = cursor.until(b",mems_allowed=");
    let rest = cursor.0;
    let limit_at = find(rest, b",oom_memcg=").or_else(|| find(rest, b",global_oom"));
    let mems_allowed = limit_at.filter(|_| cpuset.is_some()).map(|at| &rest[..at]);
    let limit = limit_at.and_then(|at| match rest[at..].strip_prefix(b",oom_memcg=") {
        Some(path) => closed.then_some(Limit::Cgroup(path)),
        None => Some(Limit::Host),
    });
    Summary { constraint, nodemask, cpuset, mems_allowed, limit, victim_cgroup, victim }
}

fn field<'a>(cursor: &mut Cursor<'a>, label: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    cursor.tag(label)?;
    cursor.until(end)
}

/// Splits `,task=C,pid=N,uid=N` off the end; a name has at most 15 bytes, and the leftmost `,task=` within them is it.
fn summary_victim(text: &[u8], complete: bool) -> (&[u8], Option<Victim>) {
    const LONGEST_NAME: usize = 15;
    let victim = || {
        let pid_at = find_last(text, b",pid=")?;
        let mut cursor = Cursor(&text[pid_at + b",pid=".len()..]);
        let pid = Pid(cursor.unsigned_32()?);
        cursor.tag(b",uid=")?;
        let uid = cursor.unsigned_32().filter(|_| complete);
        let from = pid_at.saturating_sub(LONGEST_NAME + b",task=".len());
        // Logs that escape bytes may have longer names.
        let task_at = find(&text[from..pid_at], b",task=")
            .map(|at| from + at)
            .or_else(|| find_last(&text[..pid_at], b",task="))?;
        Some((task_at, Victim { name: Name::new(&text[task_at + b",task=".len()..pid_at]), pid, uid }))
    };
    match victim() {
        Some((at, victim)) => (&text[..at], Some(victim)),
        None => (text, None),
    }
}
