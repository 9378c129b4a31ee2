//! Kills as they happen: joins what the kernel's log, the counters of cgroups, the counter of the machine and the
//! disappearance of processes say into one event each. Counters seen for the first time are where counting begins, no
//! kills. Refuses to name a victim as certain unless the kernel does, and to forget a kill that nobody can name.

mod account;
mod kernel_table;
mod log;
mod namespaces;
mod witnesses;

use std::sync::Arc;
use std::time::Duration;

use crate::oom_log::Follower;
use crate::snapshot::Snapshot;
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, Pages, ProcessId, Rate};

use super::kill_report::{Confidence, Evidence, KillGroup, KillReport, Killed};
use super::report::{ProcessDetail, ProcessReport, Report};

/// Kills that are kept: the newest, but of each domain.
const MOST: usize = 32;
/// Passes in which the other witnesses of a kill may still come.
const OPEN_FOR: u8 = 4;
/// Passes over which the end of a group is spread at most: the kernel kills it at once, a pass may cut it in two.
const GROUP_DIES_WITHIN: u8 = 1;
/// For how long after a look a number is taken for the same process, whatever its name.
const NUMBERS_HOLD: Duration = Duration::from_secs(30);
/// Processes that vanished and are remembered with a kill that nobody named.
const SUSPECTS: usize = 16;

/// What is remembered of kills.
#[derive(Debug, Default)]
pub(super) struct Kills {
    follower: Follower,
    /// The kernel's log may not be read, or there is none: nothing will come of it.
    is_deaf: bool,
    /// What the log calls our cgroups, once that is known.
    names: Option<namespaces::Names>,
    /// Heard in the last pass, before that was known.
    unplaced: Vec<log::Heard>,
    /// The report just before they were heard: in the one after, who died may be gone already.
    unplaced_after: Option<Arc<Report>>,
    machine: Option<u64>,
    owed: Owed,
    cgroups: Vec<witnesses::Counters>,
    open: Vec<Open>,
    told: Vec<Arc<KillReport>>,
    count: u64,
}

/// Deaths that the machine has counted and that no kill explains yet: a group may still be dying.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    deaths: u64,
    /// What the counter was before the first of them.
    from: u64,
}

/// A kill whose witnesses may not all have spoken.
#[derive(Debug)]
struct Open {
    report: KillReport,
    /// The report just before it became known.
    before: Arc<Report>,
    /// Passes since it became known.
    age: u8,
    logged: bool,
    /// As how many deaths the machine has counted it.
    machine: u64,
    gone: bool,
    /// The cgroup in which the victim was, or above it: from the log, the process, or the counter.
    cgroup: Option<CgroupPath>,
    /// Cgroups whose counters have counted it, and how many deaths each.
    counted: Vec<(CgroupPath, u64)>,
    scale: Option<Scale>,
    suspects: Vec<Suspect>,
}

impl Open {
    /// As how many deaths it is counted, as far as is known.
    fn deaths(&self) -> u64 {
        let known = self.report.group.as_ref().map_or(1, |group| group.count);
        self.counted.iter().map(|(_, deaths)| *deaths).fold(known.into(), u64::max)
    }

    /// As how many deaths the machine may count it: the one that was chosen is killed with its group once more, which
    /// only counters tell.
    fn deaths_of_machine(&self) -> u64 {
        self.deaths() + u64::from(self.report.group.is_some() && self.counted.is_empty())
    }

    /// All of this cgroup dies with the victim.
    fn join(&mut self, path: CgroupPath) -> &mut KillGroup {
        self.report.group.get_or_insert_with(|| KillGroup { path, members: Vec::new(), count: 1 })
    }

    /// One more that died with the victim, who may be named again: by the log, and as one that left.
    fn add_member(&mut self, member: Killed) {
        let is_victim = self.report.victim.as_ref().is_some_and(|victim| victim.is(&member));
        let Some(group) = self.report.group.as_mut().filter(|_| !is_victim) else { return };
        if let Some(known) = group.members.iter_mut().find(|known| known.is(&member)) {
            known.id = known.id.or(member.id);
            return;
        }
        if group.members.len() < KillGroup::MEMBERS {
            group.members.push(member);
        }
        group.count = group.count.max(group.members.len() as u32 + 1);
    }

    fn may_still_lose_members(&self) -> bool {
        self.report.group.is_some() && self.age <= GROUP_DIES_WITHIN
    }

    /// The victim or one that died with it.
    fn has(&self, one: &Killed) -> bool {
        let is_victim = self.report.victim.as_ref().is_some_and(|victim| victim.is(one));
        is_victim || self.report.group.as_ref().is_some_and(|group| group.has(one))
    }

    /// The log names one by a number that is not ours, and which of ours that was, or that it was one of ours at all, only
    /// counters and a disappearance say.
    fn is_concluded(&self) -> bool {
        let is_placed = || self.report.domain.as_ref().is_some_and(|domain| !domain.is_told);
        self.report.victim.as_ref().is_some_and(|victim| victim.is_of_host && (victim.id.is_some() || is_placed()))
    }

    /// The log names it, and which process of ours that was is not known.
    fn is_of_a_stranger(&self) -> bool {
        self.logged && !self.gone && self.report.victim.as_ref().is_some_and(|victim| victim.id.is_none())
    }
}

/// What its domain was like when its candidates were ranked.
#[derive(Clone, Copy, Debug)]
struct Scale {
    total: Pages,
    page_size: Bytes,
    growth: Option<Rate>,
    /// From one look to the next.
    interval: Option<Duration>,
}

/// A process that vanished while a kill without a name was open.
#[derive(Debug)]
struct Suspect {
    row: ProcessReport,
    detail: Option<ProcessDetail>,
    gone: Evidence,
    /// It was the first that the kernel would have taken of the whole machine.
    leads_machine: bool,
}

/// What a pass brings.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub snapshot: &'a Snapshot,
    /// The report just before.
    pub before: &'a Arc<Report>,
    /// It looked at the same processes: under another scope nobody knows who ended.
    pub same_scope: bool,
    /// Details of a process of that report.
    pub detail: &'a dyn Fn(ProcessId) -> Option<ProcessDetail>,
}

/// Whether the process that had a row may have this name, so long after the look. Of a thread the log has the thread's
/// name; but where nobody looked for a while another name is another process, that came to its number.
fn may_be_named(row: &ProcessReport, name: &[u8], after: Duration) -> bool {
    *row.identity.name == *name || after <= NUMBERS_HOLD
}

impl Kills {
    /// Hears all witnesses of a pass, before its facts are laid. Gives whether there is something to tell.
    pub(super) fn hear(&mut self, look: &Look<'_>) -> bool {
        for open in &mut self.open {
            open.age = open.age.saturating_add(1);
        }
        if let Some(read) = look.snapshot.kernel_log {
            self.is_deaf = read.is_err();
        }
        let newest = look.before;
        let before = self.unplaced_after.take();
        let look = &Look { before: before.as_ref().unwrap_or(newest), ..*look };
        self.hear_log(look);
        self.unplaced_after = (!self.unplaced.is_empty()).then(|| Arc::clone(newest));
        self.count_cgroups(look);
        self.count_machine(look);
        if self.open.is_empty() {
            return false;
        }
        self.see_who_left(look);
        self.recognise(look);
        self.name_the_nameless(look);
        self.tell()
    }

    /// When the pass is folded: what came back.
    pub(super) fn weigh(&mut self, report: &Report) -> bool {
        for open in self.open.iter_mut().filter(|open| open.gone) {
            let Some((before, after @ None)) = open.report.usage else { continue };
            let Some(domain) = &open.report.domain else { continue };
            let now =
                report.domains.iter().find(|known| account::is_same(known, domain)).and_then(|domain| domain.usage);
            if now.is_some_and(|now| now < before) {
                open.report.usage = Some((before, now.or(after)));
            }
        }
        let changed = !self.open.is_empty() && self.tell();
        self.open.retain(|open| open.age < OPEN_FOR);
        changed
    }

    /// No pass will follow: a kill that only counters tell waits for the log no longer, nor one of the log for a counter.
    pub(super) fn conclude(&mut self, last: &Arc<Report>) {
        self.open.iter_mut().for_each(|open| open.age = open.age.saturating_add(1));
        let machine = Arc::clone(&last.machine);
        let snapshot = Snapshot { machine, ended: last.time, wall: last.wall, ..Snapshot::default() };
        let look = Look { snapshot: &snapshot, before: last, same_scope: true, detail: &|_| None };
        for heard in std::mem::take(&mut self.unplaced) {
            self.hear_episode(&heard, &look);
        }
        self.name_the_nameless(&look);
        self.tell();
    }

    /// The kills, newest last.
    pub(super) fn told(&self) -> &[Arc<KillReport>] {
        &self.told
    }

    /// Begins another; gives its index.
    fn open(&mut self, look: &Look<'_>) -> usize {
        self.count += 1;
        if self.open.len() >= MOST {
            let forgotten = self.open.remove(expendable(self.open.iter().map(|open| &open.report)));
            put(&mut self.told, &forgotten.report);
        }
        self.open.push(Open {
            report: KillReport::unknown(self.count, look.snapshot.ended, look.snapshot.wall),
            before: Arc::clone(look.before),
            age: 0,
            logged: false,
            machine: 0,
            gone: false,
            cgroup: None,
            counted: Vec::new(),
            scale: None,
            suspects: Vec::new(),
        });
        self.open.len() - 1
    }

    /// Hands out what is known now. A kill that only counters tell waits one pass for a name.
    fn tell(&mut self) -> bool {
        let mut changed = false;
        for open in self.open.iter_mut().filter(|open| open.report.victim.is_some() || open.age > 0) {
            if open.logged {
                let confidence = if open.is_concluded() { Confidence::Likely } else { Confidence::Certain };
                open.report.confidence = confidence;
            }
            open.report.evidence.sort_by_key(Evidence::order);
            open.report.spared = open.scale.and_then(|scale| account::spared(&open.report, scale));
            changed |= put(&mut self.told, &open.report);
        }
        changed
    }
}

/// Puts it among those that are told, in its place; whether that says something new.
fn put(told: &mut Vec<Arc<KillReport>>, report: &KillReport) -> bool {
    let place = told.partition_point(|known| known.number < report.number);
    match told.get_mut(place).filter(|known| known.number == report.number) {
        Some(known) if **known == *report => return false,
        Some(known) => *known = Arc::new(report.clone()),
        None => {
            told.insert(place, Arc::new(report.clone()));
            if told.len() > MOST {
                told.remove(expendable(told.iter().map(|known| &**known)));
            }
        }
    }
    true
}

/// Whom to forget of so many: the oldest of the domain that has the most. A cgroup in which something is killed and started
/// again all the time pushes out nobody else's kills.
fn expendable<'a>(reports: impl Iterator<Item = &'a KillReport>) -> usize {
    let domains: Vec<Option<&[u8]>> = reports.map(|report| Some(&*report.domain.as_ref()?.path)).collect();
    let count = |own: Option<&[u8]>| domains.iter().filter(|other| **other == own).count();
    let most = domains.iter().map(|own| count(*own)).max();
    domains.iter().position(|own| Some(count(*own)) == most).unwrap_or(0)
}
