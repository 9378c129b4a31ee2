//! One dump while it is being read: what of it is there already, which process it names, and whether a record can be
//! of it. Refuses to decide between dumps; that is `assemble`.

use super::cursor::Cursor;
use super::death::{self, Cause, Killed, Limit};
use super::envelope::{Caller, Envelope};
use super::episode::{Counter, Domain, Episode, Invoker, Name, Outcome, Usage, Victim};
use super::message::{self, CounterKind, Message};
use super::stamp::Stamp;
use super::tasks::Columns;
use crate::units::{Bytes, Pid};

/// Rows that there is room for from the beginning.
const ROWS: usize = 64;
/// Nodes of memory that are kept.
const MOST_NODES: usize = 64;
/// Microseconds after which a record is not of the same kill: all of a kill group is written at once.
const NEAR: u64 = 2_000_000;

/// Whether a record of this time may be of the kill that ended then.
pub(super) fn is_near(ended: &Stamp, time: Option<u64>) -> bool {
    ended.since_boot.zip(time).is_none_or(|(before, now)| now.saturating_sub(before) <= NEAR)
}

/// A dump and what is known of its progress.
#[derive(Debug)]
pub(super) struct Dump {
    pub episode: Episode,
    /// Nothing of the dump itself is to come; kills of its group and the reaper's word may.
    pub ended: bool,
    /// The number of the last record that was its own.
    pub last_record: u64,
    machine: Option<Box<[u8]>>,
    caller: Option<Caller>,
    columns: Option<Columns>,
    in_statistics: bool,
}

impl Dump {
    pub fn new(envelope: &Envelope<'_>, record: u64) -> Self {
        let began = envelope.time.stamp();
        let machine: Option<Box<[u8]>> = envelope.machine.map(Into::into);
        let episode = Episode { began, ended: began, machine: machine.as_deref().map(lossy), ..Episode::default() };
        Self {
            episode,
            ended: false,
            last_record: record,
            machine,
            caller: envelope.caller,
            columns: None,
            in_statistics: false,
        }
    }

    /// Lines without any wrapping are the second lines of a record (the journal prints them so): of whoever came last.
    pub fn is_of_machine(&self, envelope: &Envelope<'_>) -> bool {
        self.is_on(envelope.machine) || envelope.is_bare()
    }

    /// Whether it is of this machine, as far as the log names it.
    pub fn is_on(&self, machine: Option<&[u8]>) -> bool {
        self.machine.as_deref() == machine
    }

    /// Whether the same thread wrote it, as far as the log says.
    pub fn is_of(&self, envelope: &Envelope<'_>) -> bool {
        let same_caller = self.caller.zip(envelope.caller).is_none_or(|(ours, theirs)| ours == theirs);
        same_caller && self.is_of_machine(envelope)
    }

    /// Whether a record came right after it, as far as the log says.
    pub fn is_near(&self, envelope: &Envelope<'_>) -> bool {
        is_near(&self.episode.ended, envelope.time.since_boot)
    }

    /// Whether it names this process as its victim.
    pub fn names(&self, pid: Pid) -> bool {
        let summary = self.episode.summary.as_ref().map(|summary| summary.pid);
        let tgid = self.episode.tasks.of(pid).map_or(pid, |row| row.tgid);
        summary.is_some_and(|named| named == pid || named == tgid)
            || self.episode.chosen.is_some_and(|chosen| chosen.pid == pid)
    }

    /// Whether it can be the dump of this kill although it does not name it: because its end is lost, or because an old
    /// kernel took a child of the chosen one.
    pub fn may_kill(&self, pid: Pid, cause: Option<Cause>) -> bool {
        let tasks = &self.episode.tasks;
        let known = tasks.rows.is_empty() || tasks.left_out > 0 || tasks.of(pid).is_some();
        self.may_choose(cause) && (known || self.episode.chosen.is_some())
    }

    /// Whether a choice for this cause can be its own.
    pub fn may_choose(&self, cause: Option<Cause>) -> bool {
        let contradicts = matches!(
            (cause, &self.episode.domain),
            (Some(Cause::Memcg), Some(Domain::Host))
                | (Some(Cause::Host | Cause::AllocatingTask), Some(Domain::Cgroup(_)))
        );
        !contradicts && self.episode.summary.is_none()
    }

    /// Whether it has already what this record begins: then the record is of another dump.
    pub fn has_its(&self, detail: &Message<'_>) -> bool {
        match detail {
            Message::Header(_) => !self.episode.tasks.rows.is_empty(),
            Message::Summary(_) => self.episode.summary.is_some(),
            _ => false,
        }
    }

    /// Takes a row of the table, if the text is one.
    pub fn row(&mut self, text: &[u8], complete: bool) -> bool {
        if let Some(columns) = &self.columns
            && text.first() == Some(&b'[')
            && let Some(row) = columns.row(text, complete)
        {
            self.episode.tasks.push(row);
            return true;
        }
        false
    }

    /// As [`Self::row`], of a text that other lines follow: how long it is.
    pub fn row_ahead(&mut self, ahead: &[u8]) -> Option<usize> {
        let (row, length) = self.columns.as_ref()?.row_ahead(ahead)?;
        self.episode.tasks.push(row);
        Some(length)
    }

    /// Takes a row of the table or a line of the statistics, if the text is one.
    pub fn row_or_statistic(&mut self, text: &[u8], complete: bool) -> bool {
        if self.row(text, complete) {
            return true;
        }
        if !self.in_statistics {
            return false;
        }
        // From 5.3 to 5.19 all of them are one record of many lines.
        let mut rest = text;
        let mut found = false;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            found |= self.episode.usage.note(&rest[..end], true);
            rest = &rest[end + 1..];
        }
        self.episode.usage.note(rest, complete) || found
    }

    pub fn invoked(
        &mut self,
        name: Name,
        gfp_mask: &[u8],
        nodemask: Option<&[u8]>,
        order: Option<i64>,
        adj: Option<i64>,
    ) {
        self.episode.invoker = Some(Invoker { name, pid: None, gfp_mask: lossy(gfp_mask), order, oom_score_adj: adj });
        self.episode.nodemask = nodemask.map(lossy);
    }

    /// Takes what only fills in.
    pub fn detail(&mut self, detail: Message<'_>) {
        let episode = &mut self.episode;
        match detail {
            Message::Cpuset { name, mems_allowed } => {
                episode.cpuset.get_or_insert(name.into());
                episode.mems_allowed.get_or_insert(lossy(mems_allowed));
            }
            Message::Cpu { pid, name, release } => {
                if let Some(invoker) = &mut episode.invoker {
                    invoker.pid.get_or_insert(pid);
                    // Behind text of no known form its beginning was a guess.
                    let is_part = |name: &&[u8]| {
                        name.ends_with(invoker.name.as_bytes()) || invoker.name.as_bytes().ends_with(name)
                    };
                    invoker.name = name.filter(is_part).map_or(invoker.name, Name::new);
                }
                if let Some(release) = release {
                    episode.release.get_or_insert(lossy(release));
                }
            }
            Message::LimitOf { task, limit } => {
                episode.victim_cgroup = task.map(Into::into);
                episode.domain = Some(Domain::Cgroup(limit.map(Into::into)));
            }
            Message::Counter(kind, counter) => {
                self.in_statistics = false;
                note_counter(episode, kind, counter);
            }
            Message::Statistics { path, values } => {
                self.in_statistics = values.is_empty();
                for (key, value) in message::inline_statistics(values) {
                    episode.usage.add(key, value);
                }
                if let known @ Domain::Cgroup(None) = episode.domain.get_or_insert(Domain::Cgroup(None)) {
                    *known = Domain::Cgroup(path.map(Into::into));
                }
            }
            Message::Ram(pages) => episode.host.ram = Some(pages),
            Message::Reserved(pages) => episode.host.reserved = Some(pages),
            Message::SwapTotal(bytes) => episode.host.swap_total = Some(bytes),
            Message::SwapFree(bytes) => episode.host.swap_free = Some(bytes),
            Message::ZonePresent(node, bytes) => {
                let nodes = &mut episode.host.present;
                if let Some((_, sum)) = nodes.iter_mut().find(|(known, _)| *known == node) {
                    *sum = sum.saturating_add(bytes);
                } else if nodes.len() < MOST_NODES {
                    nodes.push((node, bytes));
                }
            }
            Message::Header(columns) => {
                self.in_statistics = false;
                self.columns = Some(columns);
                episode.tasks.rows.reserve(ROWS);
            }
            Message::Summary(summary) => self.summary(&summary),
            _ => {}
        }
    }

    fn summary(&mut self, summary: &death::Summary<'_>) {
        let episode = &mut self.episode;
        self.columns = None;
        episode.constraint = summary.constraint;
        if let Some(mask) = summary.nodemask {
            episode.nodemask = Some(lossy(mask));
        }
        episode.cpuset = summary.cpuset.map(Into::into);
        episode.mems_allowed = summary.mems_allowed.map(lossy);
        match summary.limit {
            Some(Limit::Cgroup(path)) => episode.domain = Some(Domain::Cgroup(Some(path.into()))),
            Some(Limit::Host) => episode.domain = Some(Domain::Host),
            None => {}
        }
        episode.victim_cgroup = summary.victim_cgroup.map(Into::into);
        episode.summary = summary.victim;
    }

    /// What the words before `Kill` say about whose memory it was.
    pub fn caused_by(&mut self, cause: Option<Cause>) {
        let episode = &mut self.episode;
        match cause {
            Some(Cause::Memcg) => _ = episode.domain.get_or_insert(Domain::Cgroup(None)),
            Some(Cause::Host) => _ = episode.domain.get_or_insert(Domain::Host),
            Some(Cause::AllocatingTask) => {
                episode.allocating_task = true;
                episode.domain.get_or_insert(Domain::Host);
            }
            None => {}
        }
    }

    /// A process died of it.
    pub fn killed(&mut self, killed: &Killed, at: Stamp, most_victims: usize) {
        let episode = &mut self.episode;
        self.ended = true;
        self.columns = None;
        self.in_statistics = false;
        episode.outcome = Outcome::Killed;
        episode.ended = at;
        // The first victim of a kill group is written twice.
        if episode.victims.iter().any(|victim| victim.pid == killed.pid) || episode.victims.len() >= most_victims {
            return;
        }
        let row = episode.tasks.of(killed.pid);
        let summary = episode
            .summary
            .as_ref()
            .filter(|summary| summary.pid == killed.pid || row.is_some_and(|row| row.tgid == summary.pid));
        episode.victims.push(Victim {
            at,
            pid: killed.pid,
            tgid: row.map(|row| row.tgid).or(summary.map(|summary| summary.pid)),
            name: killed.name.or(row.map(|row| row.name)).or(summary.map(|summary| summary.name)),
            uid: killed.uid.or(row.map(|row| row.uid)).or(summary.and_then(|summary| summary.uid)),
            total_vm: killed.total_vm,
            anon: killed.anon,
            file: killed.file,
            shmem: killed.shmem,
            page_tables: killed.page_tables,
            oom_score_adj: killed.oom_score_adj.or(row.and_then(|row| row.oom_score_adj).map(i64::from)),
            reaped: None,
        });
    }

    /// Whether another dump says no more than this one: nobody to kill in the same cgroup.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.episode.outcome == other.episode.outcome
            && self.machine == other.machine
            && self.episode.domain == other.episode.domain
            && other.episode.victims.is_empty()
            && self.episode.victims.is_empty()
    }

    /// What was read; a dump without memcg lines is the machine's.
    pub fn into_episode(mut self) -> Episode {
        let host = &self.episode.host;
        if self.episode.domain.is_none() && (host.ram.is_some() || !host.present.is_empty()) {
            self.episode.domain = Some(Domain::Host);
        }
        // 4.9 and 4.10 print what the cpuset allows where there is no policy.
        if self.episode.constraint.is_none() && self.episode.nodemask == self.episode.mems_allowed {
            self.episode.nodemask = None;
        }
        self.episode
    }
}

fn note_counter(episode: &mut Episode, kind: CounterKind, counter: Counter) {
    let counters = &mut episode.counters;
    *match kind {
        CounterKind::Memory => &mut counters.memory,
        CounterKind::MemoryAndSwap => &mut counters.memory_and_swap,
        CounterKind::Swap => &mut counters.swap,
        CounterKind::Kernel => &mut counters.kernel,
    } = Some(counter);
    episode.domain.get_or_insert(Domain::Cgroup(None));
}

impl Usage {
    /// Takes a line of memory.stat if it is of use: values of the whole subtree; `total_` ones are cgroup v1's.
    pub(super) fn note(&mut self, line: &[u8], complete: bool) -> bool {
        let mut cursor = Cursor(line);
        cursor.blanks();
        let mut is = |key: &[u8]| cursor.tag(key).is_some();
        let field = if is(b"anon ") || is(b"total_rss ") {
            &mut self.anon
        } else if is(b"file ") || is(b"total_cache ") {
            &mut self.file
        } else if is(b"shmem ") || is(b"total_shmem ") {
            &mut self.shmem
        } else if is(b"kernel ") {
            &mut self.kernel
        } else if self.anon.is_none() && is(b"rss ") {
            // cgroup v1's own values, without its children's; the totals come behind them.
            &mut self.anon
        } else if self.file.is_none() && is(b"cache ") {
            &mut self.file
        } else {
            return false;
        };
        let value = message::statistic(cursor.0, complete);
        *field = value.or(*field);
        value.is_some()
    }

    /// A value of an older kernel, which writes one line for each cgroup of the subtree.
    fn add(&mut self, key: &[u8], value: Bytes) {
        let sum = match key {
            b"rss" => &mut self.anon,
            b"cache" => &mut self.file,
            b"shmem" => &mut self.shmem,
            _ => return,
        };
        *sum = Some(sum.unwrap_or_default().saturating_add(value));
    }
}

/// Text that the kernel makes of its own words: anything else in it is replaced.
fn lossy(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(text).into()
}
