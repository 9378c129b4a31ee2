//! `oomtop snapshot --json` against everybody who reads the same machine: /proc/PID/status, smaps_rollup, ps(1),
//! pmap(1) and choom(1), for every process.
//!
//! The machine moves while it is compared. Each value of the others is read before and after ours: where the two are
//! the same, ours must be that; where they differ, the process moved and nothing can be said. A value that goes up and
//! comes back between the two would look like an error, so a value is wrong only if it differs in several rounds and
//! agrees in none.

#![expect(clippy::disallowed_methods, reason = "starts the program and its peers, and reads /proc as they do")]

mod others;
#[path = "../require/mod.rs"]
mod require;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use others::{Machine, Reading};

/// Rounds at most; a value that agreed once is not asked again.
const ROUNDS: usize = 4;
/// A value is wrong when it differed this often.
const ENOUGH: u32 = 3;

/// What the rounds said of one field of one process.
#[derive(Default)]
struct Tally {
    agreed: bool,
    moved: u32,
    differed: u32,
    last: String,
}

impl Tally {
    /// What one round says: whether ours is theirs, and whether theirs stood still meanwhile.
    fn weigh(&mut self, agrees: bool, still: bool, told: impl FnOnce() -> String) {
        if !still {
            self.moved += 1;
        } else if agrees {
            self.agreed = true;
        } else {
            self.differed += 1;
            self.last = told();
        }
    }
}

type Key = (u32, u64, String);

#[test]
fn every_process_is_told_as_the_others_tell_it() {
    for tool in ["ps", "pmap", "choom"] {
        if !require::tool(tool) {
            return;
        }
    }
    let company = Company::new();
    let mut tallies: BTreeMap<Key, Tally> = BTreeMap::new();
    let (mut missing, mut processes) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let settled = settled(&tallies);
        let before = others::read(&settled);
        let ours = snapshot();
        let after = others::read(&settled);
        let ours: BTreeMap<u32, &Value> = ours["processes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|process| (number(&process["pid"]), process))
            .collect();
        processes = ours.len();
        missing.extend(stayed(&before, &after).filter(|pid| !ours.contains_key(pid)));
        for pid in stayed(&before, &after) {
            let Some(ours) = ours.get(&pid) else { continue };
            compare(pid, ours, &before[&pid], &after[&pid], &mut tallies);
        }
        if tallies.values().all(|tally| tally.agreed) {
            break;
        }
    }
    report(&tallies, processes);
    assert_eq!(missing, Vec::<u32>::new(), "processes that lived before and after and are not in the snapshot");
    let wrong = wrong(&tallies);
    assert!(wrong.is_empty(), "{} values differ:\n{}", wrong.len(), wrong.join("\n"));
    // Of others on a busy machine nothing may stand still for long; what our own sleepers say is not moved by them, but for
    // PSS: shared pages change hands all the time.
    let sleepers = company.sleepers();
    let of_sleepers = || tallies.iter().filter(|((pid, _, field), _)| sleepers.contains(pid) && !field.contains("pss"));
    let open: Vec<_> =
        of_sleepers().filter(|(_, tally)| !tally.agreed).map(|((pid, _, field), _)| (pid, field)).collect();
    assert!(of_sleepers().count() >= sleepers.len() * 10, "{} values of {sleepers:?}", of_sleepers().count());
    assert!(open.is_empty(), "never agreed, in {ROUNDS} rounds: {open:?}");
}

fn compare(pid: u32, ours: &Value, before: &Reading, after: &Reading, tallies: &mut BTreeMap<Key, Tally>) {
    let start_time = ours["start_time_ticks"].as_u64().expect("a number");
    for (field, was) in &before.values {
        // `pmap:rss_bytes` is what pmap says of our rss_bytes.
        let ours = &ours[field.rsplit(':').next().unwrap_or(field)];
        let tally = tallies.entry((pid, start_time, field.clone())).or_default();
        let still = after.values.get(field) == Some(was);
        tally.weigh(was.admits(ours), still, || format!("ours {ours}, theirs {was:?}"));
    }
}

/// What differed too often and agreed never.
fn wrong(tallies: &BTreeMap<Key, Tally>) -> Vec<String> {
    let wrong = tallies.iter().filter(|(_, tally)| !tally.agreed && tally.differed >= ENOUGH);
    wrong.map(|((pid, _, field), tally)| format!("{pid} {field}: {}", tally.last)).collect()
}

/// Processes of which every value agreed already: the programs that are slow to start need not be asked about them.
fn settled(tallies: &BTreeMap<Key, Tally>) -> BTreeSet<u32> {
    let open: BTreeSet<u32> = tallies.iter().filter(|(_, tally)| !tally.agreed).map(|((pid, ..), _)| *pid).collect();
    tallies.keys().map(|(pid, ..)| *pid).filter(|pid| !open.contains(pid)).collect()
}

/// Processes that are the same ones in both.
fn stayed(before: &Machine, after: &Machine) -> impl Iterator<Item = u32> {
    before
        .iter()
        .filter(|(pid, was)| after.get(pid).is_some_and(|is| is.start_time == was.start_time))
        .map(|(pid, _)| *pid)
}

fn snapshot() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_oomtop")).args(["snapshot", "--json"]).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).expect("a small number")
}

/// By field: of how many processes it agreed, and of how many it never stood still.
fn report(tallies: &BTreeMap<Key, Tally>, processes: usize) {
    let mut fields: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for ((_, _, field), tally) in tallies {
        let (agreed, moved) = fields.entry(field).or_default();
        *agreed += u32::from(tally.agreed);
        *moved += u32::from(!tally.agreed);
    }
    println!("{processes} processes in the last snapshot");
    for (field, (agreed, open)) in fields {
        println!("  {field:<28} agreed for {agreed:>5}, open for {open}");
    }
}

/// Some processes of our own, so that there is company on an idle machine: sleepers with different adj, and one that
/// never rests. They end when a pipe ends that only we hold, and with it.
struct Company(Vec<Child>);

impl Company {
    fn new() -> Self {
        let start = |script: &str| {
            Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("a shell")
        };
        let mut members: Vec<_> =
            (0..20).map(|index| start(&format!("echo {} > /proc/self/oom_score_adj; cat; :", index * 37))).collect();
        members.push(start("while kill -0 $PPID; do x=$x$x$$; case $x in ?????????????*) x=;; esac; done"));
        Self(members)
    }

    /// Those that rest.
    fn sleepers(&self) -> BTreeSet<u32> {
        self.0.iter().rev().skip(1).map(Child::id).collect()
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        if let Some(restless) = self.0.last_mut() {
            let _ = restless.kill();
        }
        for member in &mut self.0 {
            drop(member.stdin.take());
            let _ = member.wait();
        }
    }
}
