//! `oomtop explain --json`: schema `oomtop.explain/1`. Fields may be added, never renamed or given another meaning. What a
//! log does not say is null; numbers are whole and in the unit of their name; bytes of names and paths that are not UTF-8
//! become U+FFFD. Refuses to hold a log: stories are written one by one.

mod domain;
mod processes;

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::oom_log::{Constraint, Form, Outcome, Span, Stamp};
use crate::post_mortem::{Because, Reason, Story, words};
use crate::units::Pid;

use domain::DomainJson;
use processes::{AskedByJson, CandidateJson, ChosenJson, VictimJson};

/// The name of the schema, in the field `schema`.
pub const SCHEMA: &str = "oomtop.explain/1";

/// Writes one object: the schema, an array of stories, and at the end what the log was.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    is_begun: bool,
}

impl<W: Write> Writer<W> {
    /// Writes nothing yet: a log that cannot be read shall leave nothing behind.
    pub const fn new(out: W) -> Self {
        Self { out, is_begun: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.is_begun = true;
        write!(self.out, "{{\"schema\":\"{SCHEMA}\",\"episodes\":[")
    }

    /// Writes one story.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn story(&mut self, story: &Story) -> io::Result<()> {
        if self.is_begun {
            self.out.write_all(b",\n")?;
        } else {
            self.begin()?;
            self.out.write_all(b"\n")?;
        }
        serde_json::to_writer(&mut self.out, &StoryJson::new(story)).map_err(io::Error::from)
    }

    /// Ends the object; `asked` are the processes that were asked for, each with the answer.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, span: &Span, form: &Form, asked: impl Iterator<Item = (Pid, String)>) -> io::Result<()> {
        let log = LogJson {
            first: span.first.as_ref().map(TimeJson::new),
            last: span.last.as_ref().map(TimeJson::new),
            is_kernel_log: form.census.is_of_a_kernel_log(),
            lines_looked_at: form.census.total(),
            kernel_lines: form.census.kernel,
            found_behind: form.behind.as_deref().map(String::from_utf8_lossy),
            refused_lines: form.refused.lines,
        };
        if !self.is_begun {
            self.begin()?;
        }
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
    /// Enough of its lines were recognised by their form; what could be told without that is in `episodes` all the same.
    is_kernel_log: bool,
    /// Lines whose form was looked at: all of them only where that was not clear before.
    lines_looked_at: u64,
    /// Of these, the kernel's by what is wrapped around them.
    kernel_lines: u64,
    /// The records were found by the kernel's words behind text of no known form: what stood ahead of the first.
    found_behind: Option<Cow<'a, str>>,
    /// Lines that have the words of a kill and were not believed.
    refused_lines: u64,
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
            chosen: episode.chosen.as_ref().map(ChosenJson::new),
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
