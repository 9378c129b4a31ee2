//! Alarms: what began to warn, when, and what it looked like then, kept after the moment is over. A process that goes on
//! warning is one alarm; one that warns again soon is no news. Refuses to decide who warns (that is `warning` and the
//! levels of domains) and to do anything about it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::mapping_class::{ClassContext, classify};
use crate::snapshot::mapping::Mappings;
use crate::snapshot::process::CgroupPath;
use crate::snapshot::{Fact, Unreadable};
use crate::text::printable;
use crate::units::{Bytes, ProcessId, Rate, Timestamp, WallTime, human_duration};

use super::mappings;
use super::report::{ClassReport, DomainKind, DomainReport, Level, ProcessReport, Report, WarningState};

/// Something that began to warn.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmReport {
    /// Counts alarms from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The time of day then.
    pub wall: WallTime,
    /// The process; `None`: a domain as a whole reached a level.
    pub portrait: Option<Portrait>,
    /// The domain: of a process the one that leads for it.
    pub domain: Option<AlarmDomain>,
}

/// A process as it was when it began to warn.
#[derive(Clone, Debug, PartialEq)]
pub struct Portrait {
    /// All that was known of it.
    pub process: ProcessReport,
    /// How far its growth was beyond its habit, in deviations.
    pub z_score: Option<f64>,
    /// What its memory was, soon after.
    pub classes: Classes,
}

/// The classes of the mappings of a process at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Classes {
    /// Not read yet.
    Waiting,
    /// They could not be read, or not in time.
    Unreadable(Unreadable),
    /// Largest first.
    Known(Box<[ClassReport]>),
}

/// A domain as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmDomain {
    /// What it is.
    pub kind: DomainKind,
    /// Its cgroup; `/` for the host.
    pub path: CgroupPath,
    /// What a person calls it.
    pub label: Box<str>,
    /// How near its limit was.
    pub level: Level,
    /// Its limit.
    pub limit: Bytes,
    /// What was left.
    pub headroom: Option<Bytes>,
    /// Slope of what cannot be reclaimed.
    pub growth: Option<Rate>,
    /// Until it would be full.
    pub time_left: Option<Duration>,
    /// Who would be taken first, by number and name.
    pub first_victim: Option<(ProcessId, Box<[u8]>)>,
}

impl AlarmDomain {
    pub(crate) fn of(domain: &DomainReport, report: &Report) -> Self {
        let first = domain.victims.first().filter(|first| first.immune.is_none());
        let name = |id| report.process(id).map(|process| process.identity.name.clone());
        Self {
            kind: domain.kind,
            path: domain.path.clone(),
            label: domain.label.clone(),
            level: domain.level,
            limit: domain.limit,
            headroom: domain.headroom,
            growth: domain.growth,
            time_left: domain.time_left,
            first_victim: first.and_then(|first| Some((first.id, name(first.id)?))),
        }
    }

    /// `docker 4f2a91: 34.0M of 512M left, filled by +1.20M/s, full in about 28s`.
    fn sentence(&self) -> String {
        let mut text = format!("{}:", printable(self.label.as_bytes()));
        let _ = match self.headroom {
            Some(headroom) => write!(text, " {headroom} of {} left", self.limit),
            None => write!(text, " limit {}", self.limit),
        };
        // By all that is in it, and over longer than the growth of a process: the time goes by this.
        if let Some(growth) = self.growth.filter(|growth| growth.per_second() >= 1.0) {
            let _ = write!(text, ", filled by {growth}");
        }
        if let Some(left) = self.time_left {
            let _ = write!(text, ", full in about {}", human_duration(left));
        }
        text
    }
}

impl AlarmReport {
    /// What it is about, in one word: `leak`, `growing`, `imminent` of a process, `elevated`, `high`, `critical` of a
    /// domain.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.portrait, &self.domain) {
            (Some(portrait), _) => portrait.process.warning.word(),
            (None, Some(domain)) => domain.level.word(),
            (None, None) => Level::Calm.word(),
        }
    }

    /// What and where, and nothing that is not so any more a second later: for what stays on the screen beside the
    /// numbers of now.
    #[must_use]
    pub fn headline(&self) -> String {
        let place = |domain: &AlarmDomain| printable(domain.label.as_bytes()).into_owned();
        match (&self.portrait, &self.domain) {
            (Some(portrait), Some(domain)) => {
                format!("{} ({}, limit {})", portrait.headline(), place(domain), domain.limit)
            }
            (Some(portrait), None) => portrait.headline(),
            (None, Some(domain)) => format!("{} is near its limit of {}", place(domain), domain.limit),
            (None, None) => String::new(),
        }
    }

    /// A sentence for a person, with the numbers of the moment.
    #[must_use]
    pub fn sentence(&self) -> String {
        let domain = self.domain.as_ref().map(AlarmDomain::sentence);
        let Some(portrait) = &self.portrait else {
            return domain.unwrap_or_default();
        };
        let mut text = portrait.headline();
        if let Some(growth) = portrait.process.growth {
            let _ = write!(text, ", {growth} in its last 10s");
        }
        if let Some(domain) = domain {
            let _ = write!(text, "; {domain}");
        }
        text
    }
}

impl Portrait {
    /// `python3 4321 fills its memory`.
    fn headline(&self) -> String {
        let process = &self.process;
        let what = match process.warning {
            WarningState::Quiet => "is quiet",
            WarningState::Leak => "may leak",
            WarningState::Growing => "grows faster than usual",
            WarningState::Imminent => "fills its memory",
        };
        format!("{} {} {what}", printable(&process.identity.name), process.id.pid)
    }
}

/// What is remembered of alarms.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// Newest last.
    told: Vec<Arc<AlarmReport>>,
    count: u64,
}

/// What a pass brings.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub report: &'a Report,
    /// Rows that began to warn, or warn of worse than before, with their z-scores.
    pub raised: &'a [(usize, Option<f64>)],
    /// Domains whose level has risen.
    pub risen: &'a [(DomainKind, CgroupPath)],
}

impl Alarms {
    /// Alarms that are kept, the newest.
    const MOST: usize = 32;
    /// Processes of one pass that are told by themselves, those that grow fastest: a fork bomb is one event.
    const AT_ONCE: usize = 4;
    /// The same again within this time is no news.
    const QUIET_FOR: Duration = Duration::from_secs(60);
    /// How long a portrait is waited for.
    const PATIENCE: Duration = Duration::from_secs(15);

    /// Takes in a pass; whether there is something new to tell.
    pub(super) fn hear(&mut self, moment: Moment<'_>) -> bool {
        let before = self.count;
        let report = moment.report;
        let mut raised: Vec<_> = moment.raised.iter().map(|(index, z)| (&report.processes[*index], *z)).collect();
        raised.retain(|(process, _)| !self.is_known(process, report.time));
        let speed = |process: &ProcessReport| process.growth.map_or(0.0, Rate::per_second);
        raised.sort_by(|(one, _), (other, _)| {
            (other.warning, speed(other)).partial_cmp(&(one.warning, speed(one))).unwrap_or(std::cmp::Ordering::Equal)
        });
        for (process, z_score) in raised.into_iter().take(Self::AT_ONCE) {
            let domain = report.leading_domain(process).map(|domain| AlarmDomain::of(domain, report));
            let portrait = Portrait { process: process.clone(), z_score, classes: Classes::Waiting };
            self.add(report, Some(portrait), domain);
        }
        // What stands at first sight is no news.
        if report.interval.is_some() {
            self.tell_domains(moment);
        }
        self.lose_patience(report.time);
        self.count > before
    }

    fn add(&mut self, report: &Report, portrait: Option<Portrait>, domain: Option<AlarmDomain>) {
        self.count += 1;
        if self.told.len() >= Self::MOST {
            self.told.remove(0);
        }
        let (at, wall) = (report.time, report.wall);
        self.told.push(Arc::new(AlarmReport { number: self.count, at, wall, portrait, domain }));
    }

    /// Whether it was told lately, of this or of worse.
    fn is_known(&self, process: &ProcessReport, now: Timestamp) -> bool {
        self.told.iter().rev().take_while(|alarm| now.since(alarm.at) < Self::QUIET_FOR).any(|alarm| {
            let known = alarm.portrait.as_ref().map(|portrait| &portrait.process);
            known.is_some_and(|known| known.id == process.id && known.warning >= process.warning)
        })
    }

    /// Domains that have come nearer to their limit.
    fn tell_domains(&mut self, moment: Moment<'_>) {
        let report = moment.report;
        for (kind, path) in moment.risen {
            let Some(domain) = report.domains.iter().find(|domain| domain.kind == *kind && domain.path == *path) else {
                continue;
            };
            let lately = self.told.iter().rev().take_while(|alarm| report.time.since(alarm.at) < Self::QUIET_FOR);
            let known = lately.filter(|alarm| alarm.portrait.is_none()).filter_map(|alarm| alarm.domain.as_ref());
            let worst = known.filter(|known| known.kind == *kind && known.path == *path).map(|known| known.level).max();
            // Nobody is in it: nobody is in danger.
            if worst.is_none_or(|worst| domain.level > worst) && domain.candidates > 0 {
                self.add(report, None, Some(AlarmDomain::of(domain, report)));
            }
        }
    }

    fn lose_patience(&mut self, now: Timestamp) {
        for alarm in self.told.iter_mut().filter(|alarm| now.since(alarm.at) > Self::PATIENCE) {
            if alarm.portrait.as_ref().is_some_and(|portrait| portrait.classes == Classes::Waiting) {
                settle(alarm, Classes::Unreadable(Unreadable::TimedOut));
            }
        }
    }

    /// Of whom mappings are wanted.
    pub(super) fn wanted(&self) -> impl Iterator<Item = ProcessId> {
        let portraits = self.told.iter().rev().filter_map(|alarm| alarm.portrait.as_ref());
        portraits.filter(|portrait| portrait.classes == Classes::Waiting).map(|portrait| portrait.process.id)
    }

    /// The mappings of one of them came; whether somebody waited for them.
    pub(super) fn portray(&mut self, fact: &Fact<Arc<Mappings>>, context: &ClassContext<'_>) -> bool {
        let mut waited = false;
        for alarm in &mut self.told {
            let is_it = |portrait: &Portrait| portrait.process.id == fact.id && portrait.classes == Classes::Waiting;
            if alarm.portrait.as_ref().is_some_and(is_it) {
                waited = true;
                let classes = match &fact.reading {
                    Err(reason) => Classes::Unreadable(*reason),
                    Ok(mappings) => {
                        let (_, classes) = mappings::sums(mappings, &classify(mappings, context));
                        Classes::Known(classes.into())
                    }
                };
                settle(alarm, classes);
            }
        }
        waited
    }

    /// Newest last.
    pub(super) fn told(&self) -> &[Arc<AlarmReport>] {
        &self.told
    }
}

fn settle(alarm: &mut Arc<AlarmReport>, classes: Classes) {
    if let Some(portrait) = &mut Arc::make_mut(alarm).portrait {
        portrait.classes = classes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: u64, rows: &[(u32, WarningState, f64)], levels: &[(&str, Level)]) -> Report {
        let row = |(pid, warning, growth): &(u32, WarningState, f64)| {
            let mut row = ProcessReport::unread(ProcessId::new(*pid, 1));
            (row.warning, row.growth) = (*warning, Rate::new(*growth));
            row
        };
        let domain = |(path, level): &(&str, Level)| {
            let mut domain = DomainReport::unranked(DomainKind::CgroupV1, CgroupPath::new(path));
            (domain.level, domain.candidates) = (*level, 1);
            domain
        };
        Report {
            time: Timestamp::from_secs(second),
            interval: (second > 0).then_some(Duration::from_secs(1)),
            processes: rows.iter().map(row).collect(),
            domains: levels.iter().map(domain).collect(),
            ..Report::default()
        }
    }

    /// Every row that warns as one that just began to, every domain as one that has just risen.
    fn hear(alarms: &mut Alarms, report: &Report) -> Vec<String> {
        let before = alarms.count;
        let raised: Vec<_> = (0..report.processes.len())
            .filter(|index| report.processes[*index].warning != WarningState::Quiet)
            .map(|index| (index, Some(4.0)))
            .collect();
        let risen: Vec<_> = report.domains.iter().map(|domain| (domain.kind, domain.path.clone())).collect();
        let news = alarms.hear(Moment { report, raised: &raised, risen: &risen });
        let told = alarms.told().iter().filter(|alarm| alarm.number > before).map(|alarm| {
            let who = alarm.portrait.as_ref().map_or(0, |portrait| portrait.process.id.pid.0);
            format!("{} {who}", alarm.kind())
        });
        let told: Vec<_> = told.collect();
        assert_eq!(news, !told.is_empty());
        told
    }

    #[test]
    fn an_alarm_is_told_once_and_again_when_it_gets_worse_or_comes_back_later() {
        use WarningState::{Growing, Imminent, Leak};
        let mut alarms = Alarms::default();
        let mut at = |second, state| hear(&mut alarms, &report(second, &[(7, state, 1.0)], &[]));
        assert_eq!(at(10, Growing), ["growing 7"]);
        assert!(at(20, Growing).is_empty() && at(30, Leak).is_empty());
        assert_eq!(at(40, Imminent), ["imminent 7"]);
        assert!(at(99, Growing).is_empty());
        assert_eq!(at(100, Growing), ["growing 7"]);
    }

    #[test]
    fn of_many_at_once_those_are_told_that_matter_most_and_what_is_kept_is_bounded() {
        use WarningState::{Growing, Imminent};
        let mut alarms = Alarms::default();
        let rows: Vec<_> =
            (1..100).map(|pid| (pid, if pid == 5 { Imminent } else { Growing }, f64::from(pid))).collect();
        assert_eq!(hear(&mut alarms, &report(1, &rows, &[])), ["imminent 5", "growing 99", "growing 98", "growing 97"]);
        for second in 1..100 {
            hear(&mut alarms, &report(second * 100, &rows, &[]));
        }
        assert_eq!(alarms.told().len(), Alarms::MOST);
        assert_eq!(alarms.told().last().map(|alarm| alarm.number), Some(400));
    }

    #[test]
    fn a_domain_is_told_when_it_comes_nearer_and_not_at_first_sight() {
        use Level::{Critical, High};
        let mut alarms = Alarms::default();
        let mut at = |second, levels: &[(&str, Level)]| hear(&mut alarms, &report(second, &[], levels));
        assert!(at(0, &[("/a", Critical)]).is_empty());
        assert_eq!(at(2, &[("/b", High)]), ["high 0"]);
        // Down and up again within a minute is known.
        assert!(at(4, &[("/b", High)]).is_empty());
        assert_eq!(at(5, &[("/b", Critical), ("/c", High)]), ["critical 0", "high 0"]);
        assert!(at(64, &[("/b", High)]).is_empty());
        assert_eq!(at(65, &[("/b", High)]), ["high 0"]);
    }

    #[test]
    fn a_portrait_is_asked_for_until_it_comes_or_time_is_up() {
        let mut alarms = Alarms::default();
        let rows = [(7, WarningState::Growing, 1.0), (8, WarningState::Growing, 2.0)];
        hear(&mut alarms, &report(1, &rows, &[]));
        let wanted = |alarms: &Alarms| alarms.wanted().map(|id| id.pid.0).collect::<Vec<_>>();
        assert_eq!(wanted(&alarms), [7, 8]);
        let region = crate::snapshot::mapping::Region {
            end: 8192,
            rss: crate::units::MaybeKib::from_kib(8),
            ..Default::default()
        };
        let mappings = Mappings { regions: vec![region], names: vec![Box::default()], ..Mappings::default() };
        let fact = |pid, reading| Fact { id: ProcessId::new(pid, 1), at: Timestamp(0), reading };
        assert!(alarms.portray(&fact(7, Ok(Arc::new(mappings))), &ClassContext::default()));
        assert!(!alarms.portray(&fact(9, Err(Unreadable::Denied)), &ClassContext::default()));
        assert_eq!(wanted(&alarms), [8]);
        let classes = |alarms: &Alarms, pid| {
            let portraits = alarms.told().iter().filter_map(|alarm| alarm.portrait.clone());
            portraits.filter(|portrait| portrait.process.id.pid.0 == pid).map(|portrait| portrait.classes).next_back()
        };
        assert!(matches!(classes(&alarms, 7), Some(Classes::Known(known)) if known[0].sums.rss == Bytes::from_kib(8)));
        hear(&mut alarms, &report(30, &[], &[]));
        assert_eq!(classes(&alarms, 8), Some(Classes::Unreadable(Unreadable::TimedOut)));
        assert!(wanted(&alarms).is_empty());
    }
}
