//! One element of `other_killers`: a daemon that kills before the kernel does.

use serde::Serialize;

use crate::monitor::other_killers::KillerReport;

use super::bytes;

#[derive(Serialize)]
pub(super) struct OtherKillerJson<'a> {
    program: &'static str,
    pid: u32,
    start_time_ticks: u64,
    dry_run: bool,
    /// It acts when MemAvailable and SwapFree have both fallen to these.
    acts_at_available_bytes: Option<u64>,
    acts_at_swap_free_bytes: Option<u64>,
    /// What can be taken before that.
    headroom_bytes: Option<u64>,
    /// It acts when all have stood still for this share of time, for so long.
    acts_at_pressure_percent: Option<f64>,
    acts_after_seconds: Option<u64>,
    /// `process`, `process_group` or `cgroup`.
    kills: &'static str,
    /// Whom it would take now; why that is not known stands in `takes_unknown`.
    takes_pid: Option<u32>,
    takes_unknown: Option<&'static str>,
    /// systemd-oomd: the units from which it takes cgroups.
    watched: Vec<WatchedJson<'a>>,
    /// systemd-oomd: the cgroups below them that it spares (`ManagedOOMPreference`).
    spared: Vec<SparedJson>,
    /// Why its configuration is not known.
    unreadable: Option<&'static str>,
}

#[derive(Serialize)]
struct WatchedJson<'a> {
    unit: &'a str,
    on_swap: bool,
    pressure_percent: Option<f64>,
}

#[derive(Serialize)]
struct SparedJson {
    cgroup: Box<str>,
    /// `omit`: never taken; `avoid`: only where there is no other.
    preference: &'static str,
}

impl<'a> OtherKillerJson<'a> {
    pub(super) fn new(killer: &'a KillerReport) -> Self {
        let (floor, pressure) = (killer.floor, killer.pressure);
        let watched = killer.watched.iter().map(|unit| WatchedJson {
            unit: &unit.name,
            on_swap: unit.on_swap,
            pressure_percent: unit.pressure_percent,
        });
        let spared = killer.spared.iter().map(|cgroup| SparedJson {
            cgroup: String::from_utf8_lossy(&cgroup.path.0).into(),
            preference: if cgroup.is_last_resort { "avoid" } else { "omit" },
        });
        Self {
            program: killer.program.name(),
            pid: killer.id.pid.0,
            start_time_ticks: killer.id.start_time.0,
            dry_run: killer.dry_run,
            acts_at_available_bytes: floor.map(|floor| floor.available.0),
            acts_at_swap_free_bytes: floor.map(|floor| floor.swap_free.0),
            headroom_bytes: bytes(floor.and_then(|floor| floor.headroom)),
            acts_at_pressure_percent: pressure.map(|pressure| pressure.percent),
            acts_after_seconds: pressure.map(|pressure| pressure.seconds),
            kills: killer.unit.word(),
            takes_pid: killer.takes.ok().map(|id| id.pid.0),
            takes_unknown: killer.takes.err(),
            watched: watched.collect(),
            spared: spared.collect(),
            unreadable: killer.unreadable.map(crate::snapshot::Unreadable::reason),
        }
    }
}
