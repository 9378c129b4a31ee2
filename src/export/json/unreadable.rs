//! `unreadable`: for every null that stands for something unread, which field, why, and of whom. Refuses to explain
//! nulls that are answers: no `memory.high`, no growth, no second candidate.

use serde::Serialize;

use crate::monitor::report::{DomainKind, DomainReport, ProcessReport, Report, UnreadableReport};
use crate::snapshot::Unreadable;
use crate::units::Timestamp;

use super::lossy;

/// Of how many processes or domains the numbers or paths are told.
const MOST: usize = 20;

#[derive(Serialize)]
pub(super) struct UnreadableJson {
    /// A field of a process; of the machine and of domains with `host.` or `domains.` before it.
    field: String,
    reason: &'static str,
    count: u32,
    pids: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
}

/// All of them: what was refused, then what the kernel lacks, of processes, of the machine, of domains.
pub(super) fn all(report: &Report, processes: &[&ProcessReport]) -> Vec<UnreadableJson> {
    let refused = report.unreadable.iter().map(UnreadableJson::refused);
    refused.chain(of_processes(processes)).chain(of_host(report)).chain(of_domains(report)).collect()
}

impl UnreadableJson {
    fn refused(unreadable: &UnreadableReport) -> Self {
        Self {
            field: unreadable.field.into(),
            reason: unreadable.reason_in_words(),
            count: unreadable.count,
            pids: unreadable.pids.iter().map(|pid| pid.0).collect(),
            paths: Vec::new(),
        }
    }
}

/// A field of a process, and whether its file was read and has nothing of it.
type Lacking = (&'static str, fn(&ProcessReport) -> bool);

/// Lines that came to the kernel's files after the oldest kernel that we know.
const LACKING: [Lacking; 5] = [
    ("rss_file_bytes", |process| has_status(process) && process.rss_file.get().is_none()),
    ("rss_shmem_bytes", |process| has_status(process) && process.rss_shmem.get().is_none()),
    ("swap_bytes", |process| has_status(process) && process.swap.get().is_none()),
    ("page_table_bytes", |process| has_status(process) && process.page_tables.get().is_none()),
    ("hugetlb_bytes", |process| has_status(process) && process.hugetlb.get().is_none()),
];

fn has_status(process: &ProcessReport) -> bool {
    process.status_at > Timestamp(0)
}

fn of_processes(processes: &[&ProcessReport]) -> impl Iterator<Item = UnreadableJson> {
    LACKING.iter().filter_map(|(field, lacks)| {
        let of = || processes.iter().filter(|process| lacks(process));
        let count = of().count() as u32;
        (count > 0).then(|| UnreadableJson {
            field: (*field).into(),
            reason: Unreadable::Unsupported.reason(),
            count,
            pids: of().take(MOST).map(|process| process.id.pid.0).collect(),
            paths: Vec::new(),
        })
    })
}

fn of_host(report: &Report) -> impl Iterator<Item = UnreadableJson> {
    let memory = &report.system.memory;
    let no_line = match memory.total {
        Some(_) => Unreadable::Unsupported.reason(),
        None => "/proc/meminfo is not there, cannot be read or has no such line",
    };
    let fields = [
        ("mem_total_bytes", memory.total.is_none(), no_line),
        ("mem_free_bytes", memory.free.is_none(), no_line),
        ("mem_available_bytes", memory.available.is_none(), no_line),
        ("shmem_bytes", memory.shmem.is_none(), no_line),
        ("swap_total_bytes", memory.swap_total.is_none(), no_line),
        ("swap_free_bytes", memory.swap_free.is_none(), no_line),
        (
            "pressure",
            report.system.pressure.is_none(),
            "/proc/pressure/memory is not there or cannot be read (CONFIG_PSI, psi=1)",
        ),
        (
            "oom_kills",
            report.system.events.oom_kill.is_none(),
            "/proc/vmstat cannot be read or does not count oom_kill (before Linux 4.13)",
        ),
    ];
    fields.into_iter().filter(|(_, is_null, _)| *is_null).map(|(field, _, reason)| UnreadableJson {
        field: format!("host.{field}"),
        reason,
        count: 1,
        pids: Vec::new(),
        paths: Vec::new(),
    })
}

/// A field of a domain, whether it is null, and why that would be.
type Unread = (&'static str, fn(&DomainReport) -> bool, fn(DomainKind) -> &'static str);

const OF_DOMAINS: [Unread; 9] = [
    ("usage_bytes", |domain| domain.usage.is_none(), no_file),
    ("unreclaimable_bytes", |domain| domain.unreclaimable.is_none(), no_file),
    ("headroom_bytes", |domain| domain.headroom.is_none(), no_file),
    ("working_set_bytes", |domain| domain.working_set.is_none(), no_file),
    ("reclaimable_bytes", |domain| domain.reclaimable().is_none(), no_file),
    ("swap_bytes", |domain| domain.swap_usage.is_none(), no_file),
    ("swap_room_bytes", |domain| domain.swap_room.is_none(), no_file),
    ("oom_kills", |domain| domain.oom_kills.is_none(), no_file),
    (
        "pressure",
        |domain| domain.pressure.is_none(),
        |kind| match kind {
            DomainKind::Host => "/proc/pressure/memory is not there or cannot be read (CONFIG_PSI, psi=1)",
            DomainKind::CgroupV1 => "cgroup v1 has no pressure of a cgroup",
            DomainKind::CgroupV2 => "memory.pressure is not there or cannot be read (CONFIG_PSI, psi=1)",
        },
    ),
];

const fn no_file(kind: DomainKind) -> &'static str {
    match kind {
        DomainKind::Host => "a line of /proc/meminfo or /proc/vmstat is not there or cannot be read",
        DomainKind::CgroupV1 | DomainKind::CgroupV2 => {
            "a file of this cgroup, or a line of it, is not there or cannot be read"
        }
    }
}

fn of_domains(report: &Report) -> impl Iterator<Item = UnreadableJson> {
    const KINDS: [DomainKind; 3] = [DomainKind::Host, DomainKind::CgroupV1, DomainKind::CgroupV2];
    let each = OF_DOMAINS.iter().flat_map(|unread| KINDS.map(|kind| (unread, kind)));
    each.filter_map(|((field, is_null, reason), kind)| {
        let of = || report.domains.iter().filter(|domain| domain.kind == kind && is_null(domain));
        let count = of().count() as u32;
        (count > 0).then(|| UnreadableJson {
            field: format!("domains.{field}"),
            reason: reason(kind),
            count,
            pids: Vec::new(),
            paths: of().take(MOST).map(|domain| lossy(&domain.path.0).into_owned()).collect(),
        })
    })
}
