//! `oomtop snapshot --json`: schema `oomtop.snapshot/1`. Fields may be added, never renamed or given another meaning.
//! What is not known is null, and why stands in `unreadable`; numbers are whole and in the unit of their name;
//! pressures are percent. Names and command lines keep their characters; bytes that are not UTF-8 become U+FFFD.

mod domain;
mod golang;
mod kill;
mod mappings;
mod other_killer;
mod process;
mod unreadable;

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::monitor::report::{ProcessDetail, ProcessReport, Report};
use crate::snapshot::system::Pressure;
use crate::units::{Bytes, Rate, WallTime};

use domain::DomainJson;
use golang::GoMemoryJson;
use kill::KillJson;
use mappings::MappingsJson;
use other_killer::OtherKillerJson;
use process::ProcessJson;
use unreadable::UnreadableJson;

/// The name of the schema, in the field `schema`.
pub const SCHEMA: &str = "oomtop.snapshot/1";

/// Writes one object on one line: the machine, these processes in this order, every memory domain, the kills that
/// were seen, and the mappings of one process where its details are given.
///
/// # Errors
/// Those of the writer.
pub fn write(
    out: impl Write,
    report: &Report,
    processes: &[&ProcessReport],
    detail: Option<&ProcessDetail>,
) -> io::Result<()> {
    let snapshot = SnapshotJson {
        schema: SCHEMA,
        time: rfc3339(report.wall),
        interval_ms: report.interval.map(|interval| interval.as_millis()),
        host: HostJson::new(report),
        processes: Each(|| processes.iter().map(|process| ProcessJson::new(process, report))),
        domains: Each(|| report.domains.iter().map(|domain| DomainJson::new(domain, report))),
        kills: report.kills.iter().map(|kill| KillJson::new(kill)).collect(),
        other_killers: report.other_killers.iter().map(OtherKillerJson::new).collect(),
        mappings: detail.and_then(|detail| MappingsJson::new(detail, report)),
        go: detail.and_then(|detail| detail.go.as_ref()).map(|go| GoMemoryJson::new(go, report)),
        unreadable: unreadable::all(report, processes),
    };
    let mut out = out;
    serde_json::to_writer(&mut out, &snapshot).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[derive(Serialize)]
struct SnapshotJson<'a, P: Serialize, D: Serialize> {
    schema: &'static str,
    time: Option<String>,
    interval_ms: Option<u128>,
    host: HostJson<'a>,
    processes: P,
    domains: D,
    other_killers: Vec<OtherKillerJson<'a>>,
    /// Seen while oomtop looked, the newest last: one sample sees none, because counting begins with it.
    kills: Vec<KillJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappings: Option<MappingsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    go: Option<GoMemoryJson<'a>>,
    unreadable: Vec<UnreadableJson>,
}

/// Writes a list while it is made: ten thousand processes are never held twice.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

#[derive(Serialize)]
struct HostJson<'a> {
    name: &'a str,
    kernel: &'a str,
    page_size_bytes: u64,
    mem_total_bytes: Option<u64>,
    mem_free_bytes: Option<u64>,
    mem_available_bytes: Option<u64>,
    shmem_bytes: Option<u64>,
    swap_total_bytes: Option<u64>,
    swap_free_bytes: Option<u64>,
    pressure: Option<PressureJson>,
    oom_kills: Option<u64>,
}

impl<'a> HostJson<'a> {
    fn new(report: &'a Report) -> Self {
        let memory = &report.system.memory;
        Self {
            name: &report.machine.hostname,
            kernel: &report.machine.kernel_release,
            page_size_bytes: report.machine.page_size.0,
            mem_total_bytes: bytes(memory.total),
            mem_free_bytes: bytes(memory.free),
            mem_available_bytes: bytes(memory.available),
            shmem_bytes: bytes(memory.shmem),
            swap_total_bytes: bytes(memory.swap_total),
            swap_free_bytes: bytes(memory.swap_free),
            pressure: report.system.pressure.map(PressureJson::new),
            oom_kills: report.system.events.oom_kill,
        }
    }
}

#[derive(Serialize)]
struct PressureJson {
    some_avg10: f64,
    some_avg60: f64,
    some_avg300: f64,
    full_avg10: f64,
    full_avg60: f64,
    full_avg300: f64,
}

impl PressureJson {
    fn new(pressure: Pressure) -> Self {
        // The kernel writes two digits; a float of 32 bits must not make more of them.
        let percent = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
        Self {
            some_avg10: percent(pressure.some.avg10),
            some_avg60: percent(pressure.some.avg60),
            some_avg300: percent(pressure.some.avg300),
            full_avg10: percent(pressure.full.avg10),
            full_avg60: percent(pressure.full.avg60),
            full_avg300: percent(pressure.full.avg300),
        }
    }
}

/// To the millisecond, in UTC; `None` for a time that no calendar has.
#[must_use]
pub fn rfc3339(wall: WallTime) -> Option<String> {
    let time = jiff::Timestamp::from_nanosecond(wall.0.into()).ok()?;
    Some(format!("{time:.3}"))
}

fn bytes(size: Option<Bytes>) -> Option<u64> {
    size.map(|size| size.0)
}

fn per_second(rate: Option<Rate>) -> Option<i64> {
    rate.map(|rate| rate.per_second().round() as i64)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests;
