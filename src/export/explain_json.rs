//! `oomtop explain --json`: schema `oomtop.explain/1`. Fields may be added, never renamed or given another meaning. What a
//! log does not say is null; numbers are whole and in the unit of their name; bytes of names and paths that are not UTF-8
//! become U+FFFD. Refuses to hold a log: stories are written one by one.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::monitor::label::label;
use crate::oom_log::{Constraint, Counter, Domain, Episode, Name, Outcome, Reaped, Span, Stamp, Victim};
use crate::post_mortem::{Because, Ranked, Reason, Story, words};
use crate::units::{Bytes, Pages, Pid};

/// The name of the schema, in the field `schema`.
pub const SCHEMA: &str = "oomtop.explain/1";

/// Writes one object: the schema, an array of stories, and at the end what the log was.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    is_first: bool,
}

impl<W: Write> Writer<W> {
    /// Begins the object.
    ///
    /// # Errors
    /// Those of `out`, as of all that follow.
    pub fn new(mut out: W) -> io::Result<Self> {
        write!(out, "{{\"schema\":\"{SCHEMA}\",\"episodes\":[")?;
        Ok(Self { out, is_first: true })
    }

    /// Writes one story.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn story(&mut self, story: &Story) -> io::Result<()> {
        self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        serde_json::to_writer(&mut self.out, &StoryJson::new(story)).map_err(io::Error::from)
    }

    /// Ends the object; `asked` are the processes that were asked for, each with the answer.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, span: &Span, asked: impl Iterator<Item = (Pid, String)>) -> io::Result<()> {
        let log =
            LogJson { first: span.first.as_ref().map(TimeJson::new), last: span.last.as_ref().map(TimeJson::new) };
        let asked: Vec<_> = asked.map(|(pid, answer)| AskedJson { pid: pid.0, answer }).collect();
        self.out.write_all(b"],\n\"log\":")?;
        serde_json::to_writer(&mut self.out, &log).map_err(io::Error::from)?;
        self.out.write_all(b",\"asked\":")?;
        serde_json::to_writer(&mut self.out, &asked).map_err(io::Error::from)?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}

#[derive(Serialize)]
struct LogJson<'a> {
    first: Option<TimeJson<'a>>,
    last: Option<TimeJson<'a>>,
}

#[derive(Serialize)]
struct AskedJson {
    pid: u32,
    answer: String,
}

#[derive(Serialize)]
struct TimeJson<'a> {
    /// The date as the log has it.
    given: Option<&'a str>,
    /// RFC 3339, where the log has the time of day as a number.
    time: Option<String>,
    since_boot_us: Option<u64>,
}

impl<'a> TimeJson<'a> {
    fn new(stamp: &'a Stamp) -> Self {
        let time = stamp.wall.and_then(|wall| jiff::Timestamp::from_nanosecond(i128::from(wall.0)).ok());
        Self { given: stamp.date(), time: time.map(|time| time.to_string()), since_boot_us: stamp.since_boot }
    }
}

#[derive(Serialize)]
struct StoryJson<'a> {
    began: TimeJson<'a>,
    ended: TimeJson<'a>,
    machine: Option<&'a str>,
    kernel: Option<&'a str>,
    outcome: &'static str,
    headline: String,
    why: String,
    reason: ReasonJson,
    constraint: Option<&'static str>,
    domain: Option<DomainJson<'a>>,
    asked_by: Option<AskedByJson<'a>>,
    victims: Vec<VictimJson<'a>>,
    chosen: Option<ChosenJson<'a>>,
    victim_cgroup: Option<Cow<'a, str>>,
    kill_group: Option<Cow<'a, str>>,
    page_size_bytes: u64,
    page_size_is_shown: bool,
    total_pages: Option<u64>,
    total_is_shown: bool,
    candidates: Vec<CandidateJson<'a>>,
    candidates_left_out: u64,
    mixed_with_another: bool,
    repeats: u64,
}

impl<'a> StoryJson<'a> {
    fn new(story: &'a Story) -> Self {
        let episode = &story.episode;
        Self {
            began: TimeJson::new(&episode.began),
            ended: TimeJson::new(&episode.ended),
            machine: episode.machine.as_deref(),
            kernel: episode.release.as_deref(),
            outcome: match episode.outcome {
                Outcome::Unknown => "unknown",
                Outcome::Killed => "killed",
                Outcome::NobodyToKill => "nobody_to_kill",
                Outcome::AlreadyExiting => "already_exiting",
                Outcome::Panic => "panic",
            },
            headline: words::headline(story),
            why: words::why(story),
            reason: ReasonJson::new(story),
            constraint: episode.constraint.map(|constraint| match constraint {
                Constraint::None => "none",
                Constraint::Cpuset => "cpuset",
                Constraint::MemoryPolicy => "memory_policy",
                Constraint::Memcg => "memcg",
            }),
            domain: episode.domain.as_ref().map(|domain| DomainJson::new(domain, story)),
            asked_by: AskedByJson::new(story),
            victims: episode.victims.iter().map(VictimJson::new).collect(),
            chosen: episode.chosen.as_ref().map(|chosen| ChosenJson {
                pid: chosen.pid.0,
                name: chosen.name.as_ref().map(name),
                score: chosen.score,
            }),
            victim_cgroup: episode.victim_cgroup.as_deref().map(String::from_utf8_lossy),
            kill_group: episode.kill_group.as_deref().map(String::from_utf8_lossy),
            page_size_bytes: story.scale.page_size.0,
            page_size_is_shown: story.scale.page_size_is_shown,
            total_pages: story.scale.total.map(|total| total.0),
            total_is_shown: story.scale.total_is_shown,
            candidates: story.ranking.iter().map(|ranked| CandidateJson::new(ranked, episode)).collect(),
            candidates_left_out: episode.tasks.left_out,
            mixed_with_another: episode.mixed,
            repeats: episode.repeats,
        }
    }
}

/// `kind` with what belongs to it.
#[derive(Serialize)]
struct ReasonJson {
    kind: &'static str,
    /// Pages between the one that was taken and the other.
    margin_pages: Option<u64>,
    /// The next one, or the one that the table shows above it.
    other_pid: Option<u32>,
    because: Option<&'static str>,
    tied_with: Option<usize>,
}

impl ReasonJson {
    fn new(story: &Story) -> Self {
        let pid = |place: usize| story.ranking.get(place).map(|ranked| story.episode.tasks.rows[ranked.row].tgid.0);
        let mut json = Self { kind: "", margin_pages: None, other_pid: None, because: None, tied_with: None };
        json.kind = match story.reason {
            Reason::Most { runner_up, margin } => {
                (json.margin_pages, json.other_pid) = (Some(margin), pid(runner_up));
                "most"
            }
            Reason::Outranked { by, margin, because } => {
                (json.margin_pages, json.other_pid) = (Some(margin), pid(by));
                json.because = Some(match because {
                    Because::AlreadyKilled => "already_killed",
                    Because::OtherNodes => "other_nodes",
                    Because::RootDiscount => "root_discount",
                    Because::SwapUnknown => "swap_unknown",
                    Because::Rough => "rough",
                    Because::Mixed => "mixed",
                    Because::Unsaid => "unsaid",
                });
                "outranked"
            }
            Reason::Tied { others } => {
                json.tied_with = Some(others);
                "tied"
            }
            Reason::OnlyOne => "only_one",
            Reason::AllocatingTask => "allocating_task",
            Reason::NotInTable => "not_in_table",
            Reason::NoTable => "no_table",
            Reason::NoRanking => "no_ranking",
            Reason::NoVictim => "no_victim",
        };
        json
    }
}

#[derive(Serialize)]
struct DomainJson<'a> {
    kind: &'static str,
    path: Option<Cow<'a, str>>,
    name: Option<String>,
    usage_bytes: Option<u64>,
    limit_bytes: Option<u64>,
    fail_count: Option<u64>,
    swap: Option<CounterJson>,
    memory_and_swap: Option<CounterJson>,
    kernel: Option<CounterJson>,
    anon_bytes: Option<u64>,
    file_bytes: Option<u64>,
    shmem_bytes: Option<u64>,
    kernel_bytes: Option<u64>,
    /// Of the machine: RAM that the kernel can give out, and swap.
    ram_bytes: Option<u64>,
    swap_total_bytes: Option<u64>,
    swap_free_bytes: Option<u64>,
    cpuset: Option<Cow<'a, str>>,
    mems_allowed: Option<&'a str>,
    nodemask: Option<&'a str>,
}

#[derive(Serialize)]
struct CounterJson {
    usage_bytes: u64,
    limit_bytes: Option<u64>,
}

impl<'a> DomainJson<'a> {
    fn new(domain: &'a Domain, story: &'a Story) -> Self {
        let episode = &story.episode;
        let path = if let Domain::Cgroup(path) = domain { path.as_deref() } else { None };
        let counter = |counter: Option<Counter>| {
            counter.map(|counter| CounterJson {
                usage_bytes: counter.usage.0,
                limit_bytes: counter.limit.map(|limit| limit.0),
            })
        };
        let bytes = |size: Option<Bytes>| size.map(|size| size.0);
        let ram = episode.host.usable();
        Self {
            kind: if matches!(domain, Domain::Host) { "host" } else { "cgroup" },
            path: path.map(String::from_utf8_lossy),
            name: path.map(label),
            usage_bytes: episode.counters.memory.map(|memory| memory.usage.0),
            limit_bytes: episode.counters.memory.and_then(|memory| bytes(memory.limit)),
            fail_count: episode.counters.memory.and_then(|memory| memory.fail_count),
            swap: counter(episode.counters.swap),
            memory_and_swap: counter(episode.counters.memory_and_swap),
            kernel: counter(episode.counters.kernel),
            anon_bytes: bytes(episode.usage.anon),
            file_bytes: bytes(episode.usage.file),
            shmem_bytes: bytes(episode.usage.shmem),
            kernel_bytes: bytes(episode.usage.kernel),
            ram_bytes: ram.map(|ram| ram.bytes(story.scale.page_size).0),
            swap_total_bytes: bytes(episode.host.swap_total),
            swap_free_bytes: bytes(episode.host.swap_free),
            cpuset: episode.cpuset.as_deref().map(String::from_utf8_lossy),
            mems_allowed: episode.mems_allowed.as_deref(),
            nodemask: episode.nodemask.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct AskedByJson<'a> {
    pid: Option<u32>,
    name: Cow<'a, str>,
    gfp_mask: &'a str,
    order: Option<i64>,
    oom_score_adj: Option<i64>,
    /// Asked for by hand, by SysRq f.
    by_hand: bool,
}

impl<'a> AskedByJson<'a> {
    fn new(story: &'a Story) -> Option<Self> {
        let invoker = story.episode.invoker.as_ref()?;
        Some(Self {
            pid: invoker.pid.map(|pid| pid.0),
            name: name(&invoker.name),
            gfp_mask: &invoker.gfp_mask,
            order: invoker.order,
            oom_score_adj: invoker.oom_score_adj,
            by_hand: invoker.order == Some(-1),
        })
    }
}

#[derive(Serialize)]
struct ChosenJson<'a> {
    pid: u32,
    name: Option<Cow<'a, str>>,
    /// Thousandths of the total, by the kernel's own count (5.0 and older).
    score: Option<u64>,
}

#[derive(Serialize)]
struct VictimJson<'a> {
    /// Of the process, where the log tells; else of the thread.
    pid: u32,
    /// As printed with the kill.
    thread: u32,
    name: Option<Cow<'a, str>>,
    uid: Option<u32>,
    at: TimeJson<'a>,
    virtual_bytes: Option<u64>,
    rss_bytes: Option<u64>,
    rss_anon_bytes: Option<u64>,
    rss_file_bytes: Option<u64>,
    rss_shmem_bytes: Option<u64>,
    page_table_bytes: Option<u64>,
    oom_score_adj: Option<i64>,
    /// What the reaper left, or that it could not take anything.
    reaper: Option<&'static str>,
    left_bytes: Option<u64>,
    freed_bytes: Option<u64>,
}

impl<'a> VictimJson<'a> {
    fn new(victim: &'a Victim) -> Self {
        let bytes = |size: Option<Bytes>| size.map(|size| size.0);
        let left = match victim.reaped {
            Some(Reaped::Left { anon, file, shmem }) => {
                Some(anon.saturating_add(file).saturating_add(shmem.unwrap_or_default()))
            }
            Some(Reaped::Unable) | None => None,
        };
        Self {
            pid: victim.tgid.unwrap_or(victim.pid).0,
            thread: victim.pid.0,
            name: victim.name.as_ref().map(name),
            uid: victim.uid,
            at: TimeJson::new(&victim.at),
            virtual_bytes: bytes(victim.total_vm),
            rss_bytes: bytes(victim.rss()),
            rss_anon_bytes: bytes(victim.anon),
            rss_file_bytes: bytes(victim.file),
            rss_shmem_bytes: bytes(victim.shmem),
            page_table_bytes: bytes(victim.page_tables),
            oom_score_adj: victim.oom_score_adj,
            reaper: victim.reaped.map(|reaped| if reaped == Reaped::Unable { "unable" } else { "reaped" }),
            left_bytes: bytes(left),
            freed_bytes: left.and_then(|left| victim.rss().map(|rss| rss.saturating_sub(left).0)),
        }
    }
}

#[derive(Serialize)]
struct CandidateJson<'a> {
    pid: u32,
    thread: u32,
    name: Cow<'a, str>,
    uid: u32,
    virtual_pages: u64,
    rss_pages: u64,
    rss_anon_pages: Option<u64>,
    rss_file_pages: Option<u64>,
    rss_shmem_pages: Option<u64>,
    swap_pages: Option<u64>,
    page_table_pages: Option<u64>,
    oom_score_adj: Option<i16>,
    adj_pages: Option<i64>,
    badness_pages: Option<i64>,
    never_taken: bool,
}

impl<'a> CandidateJson<'a> {
    fn new(ranked: &Ranked, episode: &'a Episode) -> Self {
        let row = &episode.tasks.rows[ranked.row];
        let pages = |pages: Option<Pages>| pages.map(|pages| pages.0);
        Self {
            pid: row.tgid.0,
            thread: row.pid.0,
            name: name(&row.name),
            uid: row.uid,
            virtual_pages: row.total_vm.0,
            rss_pages: row.rss.0,
            rss_anon_pages: pages(row.anon),
            rss_file_pages: pages(row.file),
            rss_shmem_pages: pages(row.shmem),
            swap_pages: pages(row.swap),
            page_table_pages: pages(ranked.score.page_tables),
            oom_score_adj: row.oom_score_adj,
            adj_pages: ranked.score.adj,
            badness_pages: ranked.score.points,
            never_taken: ranked.score.is_never_taken,
        }
    }
}

fn name(name: &Name) -> Cow<'_, str> {
    String::from_utf8_lossy(name.as_bytes())
}
