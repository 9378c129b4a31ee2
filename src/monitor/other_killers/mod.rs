//! Daemons that kill before the kernel does: when each would act, how far that is, and whom it would take, as far as its
//! configuration tells. Refuses to guess: what is not written, or may not be read, is said to be unknown.

mod configuration;
mod systemd_oomd;

use crate::snapshot::other_killer::{KillerProgram, OtherKiller};
use crate::snapshot::process::CgroupPath;
use crate::snapshot::{Snapshot, Unreadable};
use crate::units::{Bytes, ProcessId};

use super::badness::oom_score;
use super::kernel_rules::KernelRules;
use super::report::Report;

use configuration::{Choice, Rule, rule};

/// A daemon that kills, and what is concluded of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KillerReport {
    /// Its process.
    pub id: ProcessId,
    /// Which daemon.
    pub program: KillerProgram,
    /// Why its configuration is not known.
    pub unreadable: Option<Unreadable>,
    /// It only says what it would do.
    pub dry_run: bool,
    /// When it acts for want of memory; `None`: it does not, or that is not known.
    pub floor: Option<Floor>,
    /// When it acts on stalls: `full avg10` of the machine (nohang) or of a watched unit (systemd-oomd).
    pub pressure: Option<PressureRule>,
    /// systemd-oomd: units whose cgroups it watches, and takes from.
    pub watched: Vec<WatchedUnit>,
    /// systemd-oomd: cgroups below those units that it does not take, or only where there is no other.
    pub spared: Vec<SparedCgroup>,
    /// What dies with the one that is chosen.
    pub unit: KillUnit,
    /// Whom it would choose now.
    pub takes: Result<ProcessId, &'static str>,
}

/// It acts when available memory and free swap have both fallen to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Of MemAvailable.
    pub available: Bytes,
    /// Of SwapFree.
    pub swap_free: Bytes,
    /// What can still be taken, of memory and of swap, before both have.
    pub headroom: Option<Bytes>,
}

/// A share of time in which all stood still, and for how long that is borne.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureRule {
    /// Percent.
    pub percent: f64,
    /// Seconds.
    pub seconds: u64,
}

/// A unit under systemd-oomd.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchedUnit {
    /// As `user.slice`; of a template all its instances.
    pub name: Box<str>,
    /// `ManagedOOMSwap=kill`.
    pub on_swap: bool,
    /// `ManagedOOMMemoryPressure=kill`, at this percentage.
    pub pressure_percent: Option<f64>,
}

/// A cgroup that asks systemd-oomd to spare it (`ManagedOOMPreference=`), and is heeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparedCgroup {
    /// As in `/proc/PID/cgroup`.
    pub path: CgroupPath,
    /// What a person calls it.
    pub label: Box<str>,
    /// `avoid`: taken where there is no other; else `omit`: never.
    pub is_last_resort: bool,
}

/// What is killed at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KillUnit {
    /// One process.
    #[default]
    Process,
    /// Its process group (`earlyoom -g`).
    ProcessGroup,
    /// A whole cgroup.
    Cgroup,
}

impl KillUnit {
    /// In words, as in the JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::ProcessGroup => "process_group",
            Self::Cgroup => "cgroup",
        }
    }
}

/// Those that run.
#[derive(Clone, Debug, Default)]
pub(super) struct OtherKillers {
    known: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    id: ProcessId,
    program: KillerProgram,
    kills_all: bool,
    /// Or why there is none.
    rule: Result<Rule, Unreadable>,
}

impl OtherKillers {
    /// More than this at once is somebody's joke.
    const MOST: usize = 8;

    /// Learns of those that a pass met.
    pub(super) fn hear(&mut self, snapshot: &Snapshot, report: &Report) {
        let memory = &report.system.memory;
        for fact in &snapshot.other_killers {
            let Ok(killer) = &fact.reading else { continue };
            self.known.retain(|known| known.id != fact.id);
            if self.known.len() < Self::MOST {
                self.known.push(Known {
                    id: fact.id,
                    program: killer.program,
                    kills_all: killer.kills_all,
                    rule: known_rule(killer, memory.total.zip(memory.swap_total)),
                });
            }
        }
    }

    /// What they would do now; forgets those that ended.
    pub(super) fn conclude(&mut self, report: &Report, rules: &KernelRules) -> Vec<KillerReport> {
        self.known.retain(|known| report.process(known.id).is_some());
        self.known.iter().map(|known| known.conclude(report, rules)).collect()
    }
}

fn known_rule(killer: &OtherKiller, total: Option<(Bytes, Bytes)>) -> Result<Rule, Unreadable> {
    killer.files.as_ref().map_err(|reason| *reason)?;
    rule(killer, total).ok_or(Unreadable::Malformed)
}

impl Known {
    fn conclude(&self, report: &Report, rules: &KernelRules) -> KillerReport {
        let none = Rule::default();
        let rule = self.rule.as_ref().unwrap_or(&none);
        KillerReport {
            id: self.id,
            program: self.program,
            unreadable: self.rule.as_ref().err().copied(),
            dry_run: rule.dry_run,
            floor: floor(rule, report),
            pressure: rule.pressure,
            watched: rule.watched.clone(),
            spared: rule.spared.clone(),
            unit: if self.program == KillerProgram::SystemdOomd { KillUnit::Cgroup } else { rule.unit },
            takes: match (&self.rule, rule.unit) {
                (Err(_), _) => Err("its configuration cannot be read"),
                (_, KillUnit::Cgroup) => Err("it kills whole cgroups"),
                _ if !self.kills_all => Err("it may only kill processes of its own user"),
                (Ok(rule), _) => takes(self.id, &rule.choice, report, rules),
            },
        }
    }
}

fn floor(rule: &Rule, report: &Report) -> Option<Floor> {
    let memory = &report.system.memory;
    let (available, swap_free) = rule.floor?;
    let swap_total = memory.swap_total.filter(|total| !rule.needs_swap || *total > Bytes(0))?;
    let (available, swap_free) = (available.of(memory.total?), swap_free.of(swap_total));
    let above = |now: Option<Bytes>, floor: Bytes| now.map(|now| now.saturating_sub(floor));
    let headroom = above(memory.available, available).zip(above(memory.swap_free, swap_free));
    Some(Floor { available, swap_free, headroom: headroom.map(|(memory, swap)| memory.saturating_add(swap)) })
}

/// earlyoom (kill.c) and nohang take the highest oom_score, of equals the bigger; earlyoom adds 300 to what it prefers and
/// takes 300 from what it avoids.
fn takes(own: ProcessId, choice: &Choice, report: &Report, rules: &KernelRules) -> Result<ProcessId, &'static str> {
    const CORRECTION: i64 = 300;
    if let Some(why) = choice.unknown {
        return Err(why);
    }
    let host = report.host().ok_or("the machine's order is not known yet")?;
    let ranked = host.victims.iter().filter(|victim| victim.immune.is_none());
    if choice.prefer.is_some() && (ranked.clone().count() as u32) < host.candidates {
        return Err("an unranked process may be preferred");
    }
    let scores = ranked.filter(|victim| victim.id != own).filter_map(|victim| {
        let process = report.process(victim.id)?;
        let name = String::from_utf8_lossy(&process.identity.name);
        let matches =
            |pattern: &Option<regex_lite::Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(&name));
        let spared = choice.spares_root && process.identity.uid == Some(0);
        if spared || matches(&choice.ignore) {
            return None;
        }
        let correction = CORRECTION * (i64::from(matches(&choice.prefer)) - i64::from(matches(&choice.avoid)));
        let score =
            process.oom_score.map_or_else(|| oom_score(victim.badness, host.total_pages, rules.score), i64::from);
        Some(((score + correction, process.rss.get()), victim.id))
    });
    // Of equals the first in the kernel's order.
    let best = scores.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, id)| id).ok_or("there is nothing to kill")
}
