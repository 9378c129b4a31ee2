//! The one stateful piece of the core: a pure fold of snapshots into reports. Same snapshots in, same reports out.
//! Refuses to read a clock, a file or the environment, and to know who looks at its reports.

pub mod alarm;
pub mod badness;
mod config;
pub mod domain;
mod domains;
mod facts;
mod golang;
pub mod growth;
pub(crate) mod history;
pub mod kernel_rules;
pub mod kill_report;
mod kills;
pub mod label;
mod mapping_change;
mod mappings;
mod membership;
mod memory;
pub mod other_killers;
mod ranking;
mod recent_share;
pub mod report;
pub mod victims;
mod warning;

use std::sync::Arc;
use std::time::Duration;

pub use config::{MonitorConfig, SteadyConfig, WarningConfig};

use crate::snapshot::system::Machine;
use crate::snapshot::{Scope, Snapshot, Unreadable};
use crate::units::{Bytes, ProcessId, Rate, Timestamp};

use alarm::{Alarms, Moment};
use domains::{Domains, Round};
use facts::Shared;
use golang::GoLooks;
use growth::Scratch;
use history::{Bounds, Epoch, Millis, Series};
use kernel_rules::KernelRules;
use kills::{Kills, Look};
use mappings::Mapped;
use memory::{EndedList, Memory};
use other_killers::OtherKillers;
use recent_share::RecentShare;
use report::{Coverage, DomainReport, ProcessDetail, ProcessReport, Report, UnreadableReport, WarningState};

/// Folds snapshots into reports.
///
/// ```
/// use oomtop::monitor::{Monitor, MonitorConfig};
/// use oomtop::snapshot::Snapshot;
///
/// let mut monitor = Monitor::new(MonitorConfig::default());
/// let report = monitor.absorb(&Snapshot::default());
/// assert!(report.processes.is_empty());
/// ```
#[derive(Debug)]
pub struct Monitor {
    config: MonitorConfig,
    report: Arc<Report>,
    /// One per row of the report, at the same index.
    memories: Vec<Memory>,
    epoch: Epoch,
    previous: Option<Previous>,
    own_cpu: RecentShare,
    /// Reads that hold up whom they describe: all so far, and their share.
    held_up: (Duration, RecentShare),
    ended: EndedList,
    domains: Domains,
    kills: Kills,
    other_killers: OtherKillers,
    alarms: Alarms,
    /// Rows that began to warn in the last pass, or warn of worse.
    raised: Vec<(usize, Option<f64>)>,
    /// Why the kernel's log cannot be read.
    kernel_log: Option<Unreadable>,
    rules: KernelRules,
    shared: Shared,
    mapped: Mapped,
    go_looks: GoLooks,
    /// When the early warning took its last samples.
    sampled: Option<Timestamp>,
    scratch: Scratch,
    /// How many processes moved at all: they share the points.
    moving: usize,
}

/// What is needed of the pass before.
#[derive(Clone, Copy, Debug)]
struct Previous {
    began: Timestamp,
    scope: Scope,
    swapped: Option<(u64, u64)>,
    /// Of the first pass.
    oom_kills: Option<u64>,
}

impl Monitor {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(config: MonitorConfig) -> Self {
        Self {
            config,
            report: Arc::default(),
            memories: Vec::new(),
            epoch: Epoch::default(),
            previous: None,
            own_cpu: RecentShare::default(),
            held_up: Default::default(),
            ended: EndedList::default(),
            domains: Domains::default(),
            kills: Kills::default(),
            other_killers: OtherKillers::default(),
            alarms: Alarms::default(),
            raised: Vec::new(),
            kernel_log: None,
            rules: KernelRules::of(&Machine::default()),
            shared: Shared::default(),
            mapped: Mapped::default(),
            go_looks: GoLooks::default(),
            sampled: None,
            scratch: Scratch::default(),
            moving: 0,
        }
    }

    /// The last report.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report)
    }

    /// Takes in one snapshot. The report is changed in place when nobody else holds it, so whoever shows the last one
    /// drops it just before.
    pub fn absorb(&mut self, snapshot: &Snapshot) -> Arc<Report> {
        let bounds = self.bounds();
        self.held_up.0 += snapshot.cost.holding_up;
        let killed = snapshot.scope != Scope::Facts && self.hear_of_kills(snapshot);
        if self.previous.is_none() {
            self.epoch = Epoch(snapshot.began);
        }
        let report = Arc::make_mut(&mut self.report);
        let mut left = Vec::new();
        if snapshot.scope != Scope::Facts {
            if let Some(shift) = self.epoch.advance(snapshot.ended) {
                self.memories.iter_mut().for_each(|memory| memory.rebase(shift));
                self.ended.rebase(shift);
                self.domains.rebase(shift);
            }
            // Of a process that is missing under another scope than before nobody knows whether it ended.
            let same_scope = self.previous.is_none_or(|previous| previous.scope == snapshot.scope);
            let (ended, bound) = (&mut self.ended, self.config.ended);
            memory::follow(&mut report.processes, &mut self.memories, &snapshot.roster, |row, memory| {
                left.push((Arc::clone(&row.identity), row.rss.get().unwrap_or_default()));
                if same_scope {
                    ended.add(&row, memory, snapshot.began, bound);
                }
            });
            if !Arc::ptr_eq(&report.machine, &snapshot.machine) {
                self.rules = KernelRules::of(&snapshot.machine);
            }
            self.previous = Some(machine(report, snapshot, self.previous));
            report.own_cpu = self.own_cpu.share(snapshot.began, snapshot.cost.own_cpu);
            report.holding_up = self.held_up.1.share(snapshot.began, self.held_up.0);
        }
        let refusals =
            facts::lay(snapshot, &mut report.processes, &mut self.memories, self.epoch, bounds, &mut self.shared);
        if snapshot.scope != Scope::Facts {
            let now = self.epoch.millis(snapshot.ended);
            self.moving = 0;
            report.coverage = Coverage::default();
            for (row, memory) in report.processes.iter_mut().zip(&self.memories) {
                report.coverage.add(row);
                self.moving += usize::from(memory.series.moves());
                show_movement(row, &memory.series, now, &self.config);
            }
            let (rules, config) = (&self.rules, &self.config);
            let round = Round { snapshot, rules, epoch: self.epoch, left: &left, config };
            self.domains.update(&round, report, &mut self.memories);
            self.warn(snapshot.ended);
            let moment = Moment { report: &self.report, raised: &self.raised, risen: self.domains.risen() };
            if self.alarms.hear(moment) {
                Arc::make_mut(&mut self.report).alarms = self.alarms.told().to_vec();
            }
            if self.kills.weigh(&self.report) || killed {
                Arc::make_mut(&mut self.report).kills = self.kills.told().to_vec();
            }
        }
        let report = Arc::make_mut(&mut self.report);
        if let Some(unanswered) = &snapshot.unanswered {
            report.unanswered.clone_from(unanswered);
        }
        self.other_killers.hear(snapshot, report);
        report.other_killers = self.other_killers.conclude(report, &self.rules);
        if let Some(fact) = &snapshot.mappings {
            let identity = report.process(fact.id).map(|row| &*row.identity);
            let context = mappings::context(identity, &report.machine);
            self.mapped.absorb(fact, &context, self.config.mapped);
            if context.is_go {
                let state = self.mapped.state(fact.id);
                self.go_looks.absorb(fact.id, snapshot.go_memory.as_ref(), &state, self.config.mapped);
            }
        }
        if let Some(fact) = &snapshot.portrait {
            let identity = report.process(fact.id).map(|row| &*row.identity);
            if self.alarms.portray(fact, &mappings::context(identity, &report.machine)) {
                report.alarms = self.alarms.told().to_vec();
            }
        }
        let log = self.kernel_log;
        let of_processes = report.unreadable.iter().any(|entry| entry.field != UnreadableReport::KERNEL_LOG);
        if refusals || snapshot.scope != Scope::Facts && of_processes {
            memory::unreadable(&report.processes, &self.memories, &mut report.unreadable);
            report.unreadable.extend(log.map(UnreadableReport::kernel_log));
        } else if !of_processes {
            report.unreadable.clear();
            report.unreadable.extend(log.map(UnreadableReport::kernel_log));
        }
        self.report()
    }

    /// The last report there will be: what waited for another pass is told as it is known now.
    pub fn conclude(&mut self) -> Arc<Report> {
        self.kills.conclude(&self.report);
        Arc::make_mut(&mut self.report).kills = self.kills.told().to_vec();
        self.report()
    }

    /// What says that somebody was killed since the pass before, whose report still stands.
    fn hear_of_kills(&mut self, snapshot: &Snapshot) -> bool {
        if let Some(read) = snapshot.kernel_log {
            self.kernel_log = read.err();
        }
        let mut kills = std::mem::take(&mut self.kills);
        let same_scope = self.previous.is_none_or(|previous| previous.scope == snapshot.scope);
        let look = Look { snapshot, before: &self.report, same_scope, detail: &|id| self.detail(id) };
        let heard = kills.hear(&look);
        self.kills = kills;
        heard
    }

    /// The early warning: samples when it is time, and what every row says now.
    fn warn(&mut self, now: Timestamp) {
        let step = self.sampled.map(|before| now.since(before));
        let config = &self.config.warning;
        let wanted = config.step();
        // A little early is better than a whole interval late.
        let due = step.is_none_or(|step| step + wanted / 20 >= wanted);
        if due {
            self.sampled = Some(now);
        }
        self.raised.clear();
        let (now, step) = (self.epoch.millis(now), millis(step.unwrap_or(wanted)));
        let report = Arc::make_mut(&mut self.report);
        for (index, (row, memory)) in report.processes.iter_mut().zip(&mut self.memories).enumerate() {
            if due && let Some(anonymous) = row.rss_anon.get() {
                let domain = row.leading.and_then(|leading| report.domains.get(usize::from(leading)));
                let limit = domain.map(|domain| domain.limit);
                memory.watch.sample(anonymous, step, limit, config, &mut self.scratch);
            }
            let state = if memory.imminent { WarningState::Imminent } else { memory.watch.state() };
            if row.warning != state {
                if state > row.warning {
                    self.raised.push((index, memory.watch.z_score()));
                }
                row.warning = state;
                memory.warned = now;
            }
        }
    }

    /// Everything known about one process, also about one that ended and was big.
    #[must_use]
    pub fn detail(&self, id: ProcessId) -> Option<ProcessDetail> {
        let Ok(index) = self.report.processes.binary_search_by_key(&id, |row| row.id) else {
            let ended = self.ended.get(id)?;
            return Some(ProcessDetail { ended: Some(ended.at), ..self.history(id, &ended.series) });
        };
        let (row, memory) = (&self.report.processes[index], &self.memories[index]);
        let domain = self.report.leading_domain(row);
        let mut detail = self.history(id, &memory.series);
        detail.limit = domain.map(|domain| (domain.label.clone(), domain.limit));
        // The time of its domain is its own where it is the one that grows.
        detail.time_left = domain.filter(|domain| grows_with(row, domain)).and_then(|domain| domain.time_left);
        let since = (row.warning != WarningState::Quiet).then(|| self.epoch.timestamp(memory.warned));
        detail.warning = (row.warning, since);
        detail.z_score = memory.watch.z_score();
        detail.go = self.go_looks.report(row, &self.report);
        Some(detail)
    }

    /// What a series says by itself.
    fn history(&self, id: ProcessId, series: &Series) -> ProcessDetail {
        let size = |point: &history::Point| Bytes::from_kib(u64::from(point.kib));
        let mut scratch = Scratch::default();
        series.samples(millis(self.config.slope_window), &mut scratch.points);
        let line = growth::line(&scratch.points, &mut scratch.slopes);
        ProcessDetail {
            id,
            series: memory::corners(series, self.epoch),
            peak: series.peak().map(|peak| (self.epoch.timestamp(peak.at), size(&peak))),
            slope: line.and_then(|line| Some((Rate::new(line.slope)?, line.fit))),
            limit: None,
            time_left: None,
            warning: (WarningState::Quiet, None),
            z_score: None,
            ended: None,
            mappings: self.mapped.state(id),
            go: None,
        }
    }

    /// Changes of the mappings of this process count from now: from its last read, or where there is none from its next.
    pub fn mark(&mut self, id: ProcessId) {
        self.mapped.mark(id);
    }

    /// Whose exact facts the ranking of victims wants in the next pass: goes into `Needs::candidates`, sorted.
    #[must_use]
    pub fn candidates(&self) -> Vec<ProcessId> {
        self.domains.wanted().to_vec()
    }

    /// Who began to warn and is to be portrayed: goes into `Needs::portraits`.
    #[must_use]
    pub fn portraits(&self) -> Vec<ProcessId> {
        self.alarms.wanted().collect()
    }

    /// The kernel's rules on this machine: which RSS its killer reads, how ties end, by how much counters err.
    #[must_use]
    pub const fn rules(&self) -> &KernelRules {
        &self.rules
    }

    /// All that move share the points; at least 32 each.
    fn bounds(&self) -> Bounds {
        let share = self.config.points_in_all / self.moving.max(1);
        let most = self.config.points_per_process.max(32);
        Bounds { points: share.clamp(32, most), window: millis(self.config.history_window) }
    }
}

/// Whether a quarter of a domain's growth is this process's.
fn grows_with(row: &ProcessReport, domain: &DomainReport) -> bool {
    let rates = row.growth.zip(domain.growth);
    rates.is_some_and(|(own, all)| own.per_second() > 0.0 && own.per_second() * 4.0 >= all.per_second())
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// Totals, rates and costs of the machine.
fn machine(report: &mut Report, snapshot: &Snapshot, previous: Option<Previous>) -> Previous {
    report.sequence = snapshot.sequence;
    report.time = snapshot.ended;
    report.wall = snapshot.wall;
    if !Arc::ptr_eq(&report.machine, &snapshot.machine) {
        report.machine = Arc::clone(&snapshot.machine);
    }
    if let Some(system) = snapshot.system {
        report.system = system;
    }
    report.cost = snapshot.cost;
    let events = report.system.events;
    let swapped = events.swap_in.zip(events.swap_out);
    let interval = previous.map(|previous| snapshot.began.since(previous.began)).filter(|interval| !interval.is_zero());
    report.interval = interval;
    let per_second = |now: u64, before: u64| Some(now.saturating_sub(before) as f64 / interval?.as_secs_f64());
    report.swap_rates = previous.and_then(|previous| {
        let ((now_in, now_out), (then_in, then_out)) = (swapped?, previous.swapped?);
        Some((per_second(now_in, then_in)?, per_second(now_out, then_out)?))
    });
    let oom_kills = previous.and_then(|previous| previous.oom_kills).or(events.oom_kill);
    report.oom_kills_seen = events.oom_kill.zip(oom_kills).map(|(now, first)| now.saturating_sub(first));
    Previous { began: snapshot.began, scope: snapshot.scope, swapped, oom_kills }
}

/// GROWTH and TREND of a row; a row that has not moved for long is not computed again.
fn show_movement(row: &mut ProcessReport, series: &Series, now: Millis, config: &MonitorConfig) {
    let step = millis(config.trend_step).max(1);
    let (Some(first), Some(changed)) = (series.first(), series.changed()) else { return };
    let settled = |since: Millis| now.saturating_sub(since) > step.saturating_mul(8);
    if settled(first) && settled(changed) {
        if row.trend != [Series::FLAT; 8] || row.growth.is_none() {
            row.trend = [Series::FLAT; 8];
            row.growth = Some(Rate::default());
        }
        return;
    }
    row.growth = series.rate(millis(config.growth_window));
    row.trend = series.trend(now, step);
}

#[cfg(test)]
mod tests;
