//! From all that was seen of a run to what is told of it, once. Refuses to look at anything more.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::snapshot::Unreadable;
use crate::text::joined;
use crate::units::{ProcessId, Timestamp, human_duration};

use super::phase::{Phase, Role, test_binary};
use super::report::{Evidence, Exit, Peak, ProcessLine, RunReport, Sight};
use super::watched::Watched;
use super::{Moment, Run, advice, budget, verdict};

/// A standstill of less is none that somebody meant.
const WORTH_TELLING: Duration = Duration::from_millis(100);

impl Run {
    /// What is to be told, now that the command has ended.
    #[must_use]
    pub fn finish(mut self, exit: Option<Exit>, exit_records: Result<(), Unreadable>) -> RunReport {
        self.name_packages();
        let (began, wall) = self.began.unwrap_or_default();
        let sight = Sight {
            vantage: self.plan.vantage,
            kernel_log: self.kernel_log,
            exit_records,
            tests_asked: self.plan.tests,
            passes: self.passes,
            own_cpu: self.own_cpu,
        };
        let room = self.surroundings.room(self.plan.own_cgroup.as_deref());
        let order = by_peak(&self.processes);
        let processes: Vec<ProcessLine> = order.iter().map(|place| line(&self.processes[*place], began)).collect();
        let peak = no_less_than_one(self.most.take().map(|most| moment(&most, &processes)), &processes);
        let mut verdict = verdict::judge(&verdict::Case {
            exit,
            began,
            processes: &self.processes,
            kills: &self.kills,
            tests: &self.tests,
            sees_all_numbers: self.sees_all_numbers,
            cgroup_kills: self.surroundings.kills(self.plan.own_cgroup.as_deref()),
            ran_full: self.surroundings.ran_full(self.plan.own_cgroup.as_deref()),
            sees_all_cgroups: self.surroundings.sees_all,
            counted: self.surroundings.counted,
            none_counted: self.surroundings.none_counted,
            stranger_left: self.surroundings.stranger_left,
            full: self.surroundings.full,
            cgroups_count: self.surroundings.count_kills(),
            host_kills: self.surroundings.host_kills,
            own_cgroup: self.plan.own_cgroup.as_deref(),
            signals: &self.signals,
            now: self.now,
            room: room.as_ref(),
            most: peak.as_ref().map(|peak| peak.total),
            sight,
        });
        verdict.evidence.extend(self.standstill());
        for process in &self.processes {
            if let (Some(package), Some(ended)) = (process.role.tests(), process.ended) {
                self.tests.cut_off(package, ended);
            }
        }
        let mut report = RunReport {
            command: self.plan.command,
            started: began,
            wall,
            took: self.now.since(began),
            exit,
            verdict,
            peak,
            processes,
            left_out: self.left_out,
            room,
            budget: self.plan.budget,
            untold: if self.plan.tests { self.tests.untold() } else { Vec::new() },
            tests: self.tests.into_all(),
            advice: Vec::new(),
            sight,
        };
        budget::check(&mut report);
        report.advice = advice::advise(&report, self.processes.iter().any(|process| process.role.race));
        report
    }

    /// How processes that we did not start ended, as far as the kernel accounted to us: badly if one of them did, well if
    /// all of them did.
    #[must_use]
    pub fn exit_of(&self, roots: &[ProcessId]) -> Option<Exit> {
        let exits = || roots.iter().map(|id| self.processes[*self.index.get(id)?].exit());
        let bad = exits().flatten().find(|exit| *exit != Exit::Code(0));
        bad.or_else(|| exits().all(|exit| exit.is_some()).then_some(Exit::Code(0)))
    }

    /// That the command was stopped for a while, and did not run all the time that it took.
    fn standstill(&self) -> Option<Evidence> {
        let told = human_duration(self.stood_still);
        (self.stood_still >= WORTH_TELLING).then(|| Evidence {
            source: "job control",
            text: format!("it was stopped for {told} in all (^Z, SIGSTOP)"),
        })
    }

    /// A linker has the package of the test binary that it made, a vet that of the compiler in the same directory, the compiler
    /// of a test's own main that of the test binary there. A linker whose binary was never seen, and a test that was gone
    /// before it was looked at, has the one package of the run whose test binary has such a name.
    fn name_packages(&mut self) {
        let mut known: HashMap<(bool, Box<str>), Box<str>> = HashMap::new();
        let mut packages: BTreeSet<Box<str>> = self.tests.packages().map(Into::into).collect();
        for process in &self.processes {
            let Role {
                phase: phase @ (Phase::Test | Phase::Compile | Phase::Vet),
                package: Some(package),
                artifact,
                ..
            } = &process.role
            else {
                continue;
            };
            packages.insert(package.clone());
            if let (Phase::Test | Phase::Compile, Some(artifact)) = (phase, artifact) {
                known.insert((*phase == Phase::Test, artifact.clone()), package.clone());
            }
        }
        // Whose binary is known by its path made no other.
        let has_its_own: BTreeSet<Box<str>> =
            known.iter().filter(|((is_file, _), _)| *is_file).map(|(_, package)| package.clone()).collect();
        let by_name = |artifact: &str| {
            let stem = artifact.rsplit('/').next()?.strip_suffix(".test")?;
            let mut of_name = packages.difference(&has_its_own).filter(|package| test_binary(package) == stem);
            of_name.next().filter(|_| of_name.next().is_none()).cloned()
        };
        for process in self.processes.iter_mut().filter(|process| process.role.package.is_none()) {
            let is_file = matches!(process.role.phase, Phase::Link | Phase::Test);
            if let (Phase::Link | Phase::Test | Phase::Vet, Some(artifact)) =
                (process.role.phase, &process.role.artifact)
            {
                let found = known.get(&(is_file, artifact.clone())).cloned();
                process.role.package = found.or_else(|| by_name(artifact).filter(|_| is_file));
            }
        }
        let made = self.processes.iter().filter(|process| matches!(process.role.phase, Phase::Link | Phase::Test));
        let made_in: HashMap<Box<str>, Box<str>> = made
            .filter_map(|process| {
                let (directory, file) = process.role.artifact.as_deref()?.rsplit_once('/')?;
                Some((directory.into(), process.role.package.clone().filter(|_| file.strip_suffix(".test").is_some())?))
            })
            .collect();
        let mains = self.processes.iter_mut().filter(|process| process.role.phase == Phase::Compile);
        for role in mains.map(|process| &mut process.role).filter(|role| role.package.is_none()) {
            role.package = role.artifact.as_ref().and_then(|directory| made_in.get(directory)).cloned();
        }
    }
}

/// Places of the processes, those that held the most first.
pub(super) fn by_peak(processes: &[Watched]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..processes.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(processes[*place].peak().map(|(peak, _)| peak)));
    order
}

/// The moment with its holders as places among these.
pub(super) fn moment(most: &Moment, processes: &[ProcessLine]) -> Peak {
    let place = |id: ProcessId| processes.iter().position(|process| process.id == id);
    let mut holders: Vec<_> = most.holders.iter().filter_map(|(id, rss)| Some((place(*id)?, *rss))).collect();
    holders.sort_by_key(|(_, rss)| std::cmp::Reverse(*rss));
    Peak { at: Some(most.at), total: most.total, holders }
}

/// Between two looks the tree held no less than the biggest of its processes, whose own peak may be known better.
fn no_less_than_one(seen: Option<Peak>, biggest_first: &[ProcessLine]) -> Option<Peak> {
    let alone = biggest_first.first().and_then(|process| {
        let (total, _) = process.peak?;
        Some(Peak { at: None, total, holders: vec![(0, total)] })
    });
    match (seen, alone) {
        (Some(seen), Some(alone)) => Some(if alone.total > seen.total { alone } else { seen }),
        (seen, alone) => seen.or(alone),
    }
}

pub(super) fn line(process: &Watched, began: Timestamp) -> ProcessLine {
    let (role, rise) = (&process.role, process.rise());
    let is_file = matches!(role.phase, Phase::Link | Phase::Test);
    let artifact = role.artifact.as_deref().filter(|_| is_file);
    ProcessLine {
        id: process.id,
        parent: process.parent,
        name: process.name.as_bytes().into(),
        command: process.command.as_deref().map(|command| joined(&command.arguments)).unwrap_or_default().into(),
        phase: role.phase,
        package: role.package.clone(),
        artifact: artifact.and_then(|path| path.rsplit('/').next()).map(Into::into),
        started: process.first_seen.since(began),
        ended: process.ended.map(|ended| ended.since(began)),
        exit: process.exit(),
        peak: process.peak(),
        growth: rise.growth,
        stood: rise.stood.is_some(),
        go_memory_limit: process.go_memory_limit,
        squeeze: process.squeeze.found(),
        held_in_stacks: process.held_in_stacks(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunPlan;
    use crate::snapshot::process::Name;
    use crate::units::{Bytes, Pid};

    #[test]
    fn the_linker_of_one_util_is_not_that_of_the_other_whose_binary_is_known() {
        let mut run = Run::new(RunPlan::default());
        let seen = [
            (Phase::Test, Some("m/x/util"), "/w/b001/util.test"),
            (Phase::Link, None, "/w/b001/util.test"),
            (Phase::Link, None, "/w/b009/util.test"),
            (Phase::Compile, Some("m/cart"), "/w/b020"),
            (Phase::Link, None, "/w/b021/cart.test"),
            (Phase::Compile, None, "/w/b001"),
            (Phase::Compile, None, "/w/b021"),
            (Phase::Compile, None, "/w/b009"),
        ];
        for ((phase, package, artifact), pid) in seen.into_iter().zip(100..) {
            let place = run.place(ProcessId::new(pid, 1), Pid(1), Name::default(), Timestamp::default());
            run.processes[place].role =
                Role { phase, package: package.map(Into::into), artifact: Some(artifact.into()), ..Role::default() };
        }
        run.name_packages();
        let named: Vec<_> = run.processes.iter().map(|process| process.role.package.as_deref()).collect();
        let (util, cart) = (Some("m/x/util"), Some("m/cart"));
        assert_eq!(named, [util, util, None, cart, cart, util, cart, None]);
    }

    /// It came and went between two looks: its end is not when it held the most.
    #[test]
    fn the_moment_of_a_peak_that_no_look_met_is_not_told() {
        let mut hog = Watched::new(ProcessId::new(7, 1), Pid(1), Name::new(b"hog"), Timestamp::from_secs(1));
        hog.account(Timestamp::from_secs(9), Some(Bytes::from_mib(90)), Some(0));
        let alone = [line(&hog, Timestamp::default())];
        let seen = |mib| Peak { at: Some(Timestamp::from_secs(2)), total: Bytes::from_mib(mib), holders: Vec::new() };
        let told = |seen| no_less_than_one(seen, &alone).map(|peak| (peak.at, peak.total));
        for seen in [None, Some(seen(40))] {
            assert_eq!(told(seen), Some((None, Bytes::from_mib(90))));
        }
        assert_eq!(told(Some(seen(100))), Some((Some(Timestamp::from_secs(2)), Bytes::from_mib(100))));
    }
}
