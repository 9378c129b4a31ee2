//! The kernel's texts about who dies of an OOM: chosen, killed, reaped, or nobody. Read from their fixed ends, because the name
//! of a process may hold any bytes, also `) total-vm:`. Refuses to guess at a text that is cut.

use super::cursor::{Cursor, find, find_last};
use super::episode::{Constraint, Name, Reaped, Summary as Victim};
use super::message::Message;
use crate::units::{Bytes, Pid};

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

pub(super) fn out_of_memory(text: &[u8], complete: bool) -> Option<Message<'_>> {
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

pub(super) fn panic(reason: &[u8]) -> Option<Message<'_>> {
    let of_oom = reason.starts_with(b"Out of memory") || reason.starts_with(b"System is deadlocked on memory");
    of_oom.then_some(Message::Panic)
}

/// `Kill process ..` or `Killed process ..`.
pub(super) fn act(text: &[u8], cause: Option<Cause>, complete: bool) -> Option<Message<'_>> {
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
    // Before 2.6.36 (`or a child`) it was a number on no scale.
    let score = behind.unsigned().filter(|_| behind.0.starts_with(b" or sacrifice"));
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
    let Some(end) =
        [&b"), UID "[..], b") total-vm:", b") vsz:"].iter().filter_map(|mark| find_last(cursor.0, mark)).min()
    else {
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
    // 2.6.33 to 2.6.35 call it vsz.
    killed.total_vm = kib(b"total-vm:").or_else(|| kib(b"vsz:"));
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

pub(super) fn reaped(text: &[u8]) -> Option<Message<'_>> {
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
pub(super) fn summary(text: &[u8], complete: bool) -> Summary<'_> {
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

#[cfg(test)]
mod tests {
    use super::super::message::parse;
    use super::*;

    fn killed(text: &str) -> Killed {
        match parse(text.as_bytes(), true) {
            Some(Message::Killed(killed)) => killed,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_kernels_way_to_say_it_is_read() {
        for (text, cause, pid, uid, anon) in [
            ("Out of memory: Killed process 22222 (nginx).", Some(Cause::Host), 22222, None, None),
            ("Out of Memory: Killed process 22222 (nginx).", Some(Cause::Host), 22222, None, None),
            ("Killed process 4712 (postgres)", None, 4712, None, None),
            (
                "Killed process 6608, UID 500, (top) total-vm:15028kB, anon-rss:308kB, file-rss:4kB",
                None,
                6608,
                Some(500),
                Some(308),
            ),
            (
                "Killed process 443160 (stress-ng-vm), UID 0, total-vm:773468kB, anon-rss:152704kB, file-rss:164kB, shmem-rss:0kB",
                None,
                443_160,
                Some(0),
                Some(152_704),
            ),
            (
                "Killed process 1917 (php-cgi) vsz:467184kB, anon-rss:101196kB, file-rss:204kB",
                None,
                1917,
                None,
                Some(101_196),
            ),
            (
                "Killed process 101 (trig) total-vm:29576kB, anon-rss:28172kB, file-rss:780kB",
                None,
                101,
                None,
                Some(28172),
            ),
            (
                "Out of memory (oom_kill_allocating_task): Killed process 148 (alloc) total-vm:9kB, anon-rss:7kB, file-rss:0kB, shmem-rss:4kB, UID:12 pgtables:6kB oom_score_adj:-17",
                Some(Cause::AllocatingTask),
                148,
                Some(12),
                Some(7),
            ),
            (
                "Memory cgroup out of memory: Killed process 5 (a) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, UID:0",
                Some(Cause::Memcg),
                5,
                None,
                Some(2),
            ),
        ] {
            let found = killed(text);
            assert_eq!((found.cause, found.pid, found.uid), (cause, Pid(pid), uid), "{text}");
            assert_eq!(found.anon, anon.map(Bytes::from_kib), "{text}");
            assert!(found.name.is_some() && found.total_vm.is_some() == anon.is_some(), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_pass_for_sizes_or_for_another_process() {
        let found = killed(
            "Memory cgroup out of memory: Killed process 5 (x) total-vm:9kB) total-vm:1kB, anon-rss:2kB, file-rss:3kB",
        );
        assert_eq!(found.name, Some(Name::new(b"x) total-vm:9kB")));
        assert_eq!(found.total_vm, Some(Bytes::from_kib(1)));
        let text = b"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=b,pid=1,uid=0,x,pid=77,uid=33";
        let Some(Message::Summary(found)) = parse(text, true) else { panic!("a summary") };
        assert_eq!(found.victim, Some(Victim { name: Name::new(b"b,pid=1,uid=0,x"), pid: Pid(77), uid: Some(33) }));
        assert_eq!((found.limit, found.victim_cgroup), (Some(Limit::Cgroup(b"/a")), Some(&b"/a"[..])));
    }

    #[test]
    fn a_choice_and_its_score_are_read() {
        let text = b"Memory cgroup out of memory: Kill process 138 (a) b,pid=1 [x) score 999 or sacrifice child";
        let expected = Message::Chosen {
            cause: Some(Cause::Memcg),
            pid: Pid(138),
            name: Some(Name::new(b"a) b,pid=1 [x")),
            score: Some(999),
        };
        assert_eq!(parse(text, true), Some(expected));
        // On no scale.
        let old = b"Out of memory: kill process 4688 (postgres) score 119871 or a child";
        assert!(matches!(parse(old, true), Some(Message::Chosen { score: None, .. })));
        // Cut within the number.
        let cut = b"Out of memory: Kill process 4688 (postgres) score 98";
        assert!(matches!(parse(cut, false), Some(Message::Chosen { score: None, .. })));
    }

    #[test]
    fn what_only_looks_like_it_is_nothing() {
        for text in [
            "Killed process",
            "Killed process 12",
            "Killed process x (y) total-vm:1kB",
            "Killed process 99999999999 (y) total-vm:1kB",
            "Out of memory: something else",
            "Kernel panic - not syncing: Attempted to kill init!",
            "oom_reaper: reaped process",
            "OOM victim 5 (x) is fine",
        ] {
            assert_eq!(parse(text.as_bytes(), true), None, "{text}");
        }
    }
}
