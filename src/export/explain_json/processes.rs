//! The processes of a story: who asked, who was compared, who was chosen, who died.

use std::borrow::Cow;

use serde::Serialize;

use crate::oom_log::{Chosen, Episode, Name, Reaped, Victim};
use crate::post_mortem::{Ranked, Story};
use crate::units::{Bytes, Pages};

use super::TimeJson;

#[derive(Serialize)]
pub(super) struct AskedByJson<'a> {
    pid: Option<u32>,
    name: Cow<'a, str>,
    gfp_mask: &'a str,
    order: Option<i64>,
    oom_score_adj: Option<i64>,
    /// Asked for by hand, by SysRq f.
    by_hand: bool,
}

impl<'a> AskedByJson<'a> {
    pub(super) fn new(story: &'a Story) -> Option<Self> {
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
pub(super) struct ChosenJson<'a> {
    pid: u32,
    name: Option<Cow<'a, str>>,
    /// Thousandths of the total, by the kernel's own count (5.0 and older).
    score: Option<u64>,
}

impl<'a> ChosenJson<'a> {
    pub(super) fn new(chosen: &'a Chosen) -> Self {
        Self { pid: chosen.pid.0, name: chosen.name.as_ref().map(name), score: chosen.score }
    }
}

#[derive(Serialize)]
pub(super) struct VictimJson<'a> {
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
    pub(super) fn new(victim: &'a Victim) -> Self {
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
pub(super) struct CandidateJson<'a> {
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
    pub(super) fn new(ranked: &Ranked, episode: &'a Episode) -> Self {
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
