//! `domain` of a story: whose memory ran out, its counters and what its memory was.

use std::borrow::Cow;

use serde::Serialize;

use crate::monitor::label::label;
use crate::oom_log::{Counter, Domain};
use crate::post_mortem::Story;
use crate::units::Bytes;

#[derive(Serialize)]
pub(super) struct DomainJson<'a> {
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
    pub(super) fn new(domain: &'a Domain, story: &'a Story) -> Self {
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
