//! One element of `processes`.

use std::borrow::Cow;

use serde::Serialize;

use crate::monitor::report::{ProcessReport, Report};
use crate::snapshot::process::GoBuild;
use crate::text;
use crate::units::{MaybeKib, Timestamp};

use super::{lossy, per_second};

#[derive(Serialize)]
pub(super) struct ProcessJson<'a> {
    pid: u32,
    start_time_ticks: u64,
    ppid: Option<u32>,
    uid: Option<u32>,
    /// Null where /etc/passwd has no name for it.
    user: Option<&'a str>,
    name: Cow<'a, str>,
    /// Arguments joined by spaces; empty where the process has no command line.
    command: Option<String>,
    state: Option<char>,
    threads: Option<u32>,
    rss_bytes: Option<u64>,
    rss_anon_bytes: Option<u64>,
    rss_file_bytes: Option<u64>,
    rss_shmem_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    page_table_bytes: Option<u64>,
    peak_rss_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    hugetlb_bytes: Option<u64>,
    pss_bytes: Option<u64>,
    uss_bytes: Option<u64>,
    swap_pss_bytes: Option<u64>,
    oom_score: Option<u16>,
    oom_score_adj: Option<i16>,
    cgroup: Option<Cow<'a, str>>,
    growth_bytes_per_s: Option<i64>,
    /// What the early warning says: quiet, leak, growing, imminent.
    warning: &'static str,
    go: Option<GoJson<'a>>,
}

/// What a Go binary says of itself.
#[derive(Serialize)]
pub(super) struct GoJson<'a> {
    version: &'a str,
    module: &'a str,
    test_package: Option<&'a str>,
}

impl<'a> ProcessJson<'a> {
    pub(super) fn new(process: &'a ProcessReport, report: &'a Report) -> Self {
        let identity = &process.identity;
        let size = |size: MaybeKib| size.get().map(|size| size.0);
        let has_stat = process.state != b'?';
        let go = identity.executable.as_ref().and_then(|executable| executable.go.as_ref());
        Self {
            pid: process.id.pid.0,
            start_time_ticks: process.id.start_time.0,
            ppid: has_stat.then_some(process.parent.0),
            uid: identity.uid,
            user: identity.uid.and_then(|uid| report.machine.user(uid)),
            name: lossy(&identity.name),
            command: identity.command.as_ref().map(|command| lossy(&text::joined(&command.arguments)).into_owned()),
            state: has_stat.then_some(char::from(process.state)),
            threads: (process.threads > 0).then_some(process.threads),
            rss_bytes: size(process.rss),
            rss_anon_bytes: size(process.rss_anon),
            rss_file_bytes: size(process.rss_file),
            rss_shmem_bytes: size(process.rss_shmem),
            swap_bytes: size(process.swap),
            page_table_bytes: size(process.page_tables),
            peak_rss_bytes: size(process.peak_rss),
            virtual_bytes: (process.sized_at != Timestamp(0)).then_some(process.virtual_size.0),
            hugetlb_bytes: size(process.hugetlb),
            pss_bytes: size(process.pss),
            uss_bytes: size(process.uss),
            swap_pss_bytes: size(process.swap_pss),
            oom_score: process.oom_score,
            oom_score_adj: process.oom_score_adj,
            cgroup: identity.cgroup.as_ref().map(|path| lossy(&path.0)),
            growth_bytes_per_s: per_second(process.growth),
            warning: process.warning.word(),
            go: go.map(|go| GoJson::new(go, identity.test_package.as_deref())),
        }
    }
}

impl<'a> GoJson<'a> {
    pub(super) fn new(go: &'a GoBuild, test_package: Option<&'a str>) -> Self {
        Self { version: &go.version, module: &go.module, test_package }
    }
}
