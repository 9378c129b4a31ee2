//! Real kills: processes of known size in small memory cgroups of our own are driven into their limit, and the victim
//! that `oomtop snapshot --json` named just before must be the one that the kernel takes. Needs root and a memory cgroup.
//! The same binary runs inside a virtual machine (`tests/vm/boot`) for cgroup v2, swap and kills of the whole machine.
//! A long run, which tells each miss, takes about ten minutes; `OOMTOP_OOM_SEED` repeats one:
//!
//!     OOMTOP_OOM_ROUNDS=200 OOMTOP_OOM_GUEST_ROUNDS=8 cargo test --test oom -- --nocapture

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/guest.rs"]
mod guest;
#[path = "oom/hog.rs"]
mod hog;
#[path = "oom/kernel_log.rs"]
mod kernel_log;
#[path = "oom/prediction.rs"]
mod prediction;
mod require;
#[path = "oom/round.rs"]
mod round;
#[path = "oom/vm.rs"]
mod vm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use cgroup::MemoryCgroup;
use hog::Hog;
use kernel_log::KernelLog;
use oomtop::monitor::kill_report::{Confidence, KillReport};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source;
use oomtop::source::live::Live;
use round::{Crowd, Kind, MIB, Random, wait_for};

fn ground() -> Option<(PathBuf, PathBuf)> {
    if !require::root() {
        return None;
    }
    let root = require::memory_cgroups()?;
    let Some(program) = hog::compiled() else {
        require::missing("tools", "cc is not installed");
        return None;
    };
    Some((root, program))
}

/// Two of a hundred; of a few, one: between a look and the kill something may always move.
fn allowed(rounds: u64) -> u64 {
    (rounds / 50).max(1)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_victim_named_is_the_victim_taken() {
    let Some((root, program)) = ground() else { return };
    let (rounds, seed) = (setting("OOMTOP_OOM_ROUNDS", 16), setting("OOMTOP_OOM_SEED", std::process::id().into()));
    let parent = MemoryCgroup::new(&root, "kills", None).expect("a cgroup");
    parent.delegate().expect("hands the controller on");
    let (mut hits, mut ties, mut misses) = (0, 0, 0);
    let mut kinds: BTreeMap<Kind, u32> = BTreeMap::new();
    for number in 0..rounds {
        let mut random = Random::of_round(seed, number);
        let (how, present, outcome) = round::in_cgroups(&program, &parent, number, &mut random);
        for kind in present {
            *kinds.entry(kind).or_default() += 1;
        }
        hits += u64::from(outcome.hit());
        ties += u64::from(outcome.hit() && !outcome.prediction.certain);
        if !outcome.hit() {
            println!("missed in round {number} ({how}): {outcome}");
            misses += 1;
        }
    }
    println!("{hits} of {rounds} victims named, {ties} of them as one of several; seed {seed}; rounds with {kinds:?}");
    assert!(misses <= allowed(rounds), "seed {seed}: {misses} missed, as told above");
}

#[test]
fn the_whole_group_dies_where_the_cgroup_says_so() {
    let Some((root, program)) = ground() else { return };
    let (rounds, seed) = (setting("OOMTOP_OOM_ROUNDS", 4), setting("OOMTOP_OOM_SEED", std::process::id().into()));
    for number in 0..rounds {
        let group = MemoryCgroup::new(&root, &format!("group-{number}"), Some(48 * MIB)).expect("makes a cgroup");
        if !group.is_v2() {
            require::missing("cgroup-v2", "memory.oom.group is of cgroup v2");
            return;
        }
        group.write("memory.oom.group", "1").expect("is there since 4.19");
        group.write("memory.swap.max", &(8 * MIB).to_string()).expect("has swap accounting");
        let mut crowd = Crowd::gather(&program, &mut Random::of_round(!seed, number), &[&group], 32 * MIB);
        let (threads, mut log) = (crowd.threads(), KernelLog::open());
        // Children of vfork are no candidates of their own, and die as well.
        let (unit, immune): (Vec<u64>, Vec<u64>) =
            group.members().into_iter().partition(|pid| kernel_says(*pid, "oom_score_adj") != "-1000");
        let unit: BTreeMap<u64, u64> = unit.into_iter().map(|pid| (pid, parent(pid))).collect();

        let said = crowd.grow_until_full(&group).prediction.domain;
        wait_for("all to die", || (group.members() == immune).then_some(()));
        let how = format!("round {number} of seed {seed}: {said}");
        assert_eq!(said["kills_group"].as_u64(), Some(unit.len() as u64), "the kill unit is everybody in it, {how}");
        // The one that was chosen is logged twice.
        let killed: BTreeSet<u64> = log.killed_of(&threads).into_iter().collect();
        let unlogged: Vec<_> = unit.iter().filter(|(pid, _)| !killed.contains(pid)).collect();
        assert!(killed.iter().all(|pid| unit.contains_key(pid)), "killed {killed:?} of {unit:?}, {how}");
        // Who is gone when its turn comes gets no record: one that ended with its parent, or with a child that shares its
        // memory (mm/oom_kill.c __oom_kill_process).
        let of_killed = |pid: u64| unit.iter().any(|(child, parent)| *parent == pid && killed.contains(child));
        assert!(
            unlogged.iter().all(|(pid, parent)| killed.contains(parent) || of_killed(**pid)),
            "killed {killed:?} of {unit:?}, {how}"
        );
        println!("{} died together, {} stayed, {} without a record", unit.len(), immune.len(), unlogged.len());
    }
}

fn kernel_says(pid: u64, file: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process of our own");
    text.trim().to_owned()
}

fn parent(pid: u64) -> u64 {
    let status = kernel_says(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("everybody has one");
    line.trim().parse().expect("is a number")
}

/// While `oomtop snapshot --json --samples` looks, a cgroup dies: alone or, where there is v2, together.
#[test]
fn a_kill_between_two_samples_is_in_the_json_once() {
    let Some((root, program)) = ground() else { return };
    let group = MemoryCgroup::new(&root, "samples", Some(32 * MIB)).expect("makes a cgroup");
    if group.is_v2() {
        group.write("memory.oom.group", "1").expect("is there since 4.19");
    }
    let mut hogs: Vec<Hog> = (0..4).map(|_| Hog::start(&program)).collect();
    for (index, hog) in hogs.iter_mut().enumerate() {
        group.adopt(hog.pid()).expect("a process of our own moves");
        assert!(
            hog.does(&format!("name sampled-{index}")) && hog.does(if index == 2 { "anon 4096" } else { "anon 1024" })
        );
    }
    let looking = prediction::oomtop()
        .args(["snapshot", "--json", "--samples", "4", "-d", "2", "-n", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("oomtop runs");
    // Its first sample is where counting begins; then it sleeps.
    let waits = || kernel_says(looking.id().into(), "wchan").contains("nanosleep");
    wait_for("the first sample", || waits().then_some(()));
    hogs[2].tell("anon 65536");
    wait_for("the kernel to kill", || hogs[2].was_killed().then_some(()));
    let output = looking.wait_with_output().expect("ends by itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let snapshot: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    // Kills of other tests on this machine are seen too.
    let ours: BTreeSet<u64> = hogs.iter().map(|hog| u64::from(hog.pid())).collect();
    let kills = snapshot["kills"].as_array().expect("a list");
    let pid = |killed: &serde_json::Value| killed["pid"].as_u64().filter(|pid| ours.contains(pid));
    let kills: Vec<_> = kills.iter().filter(|kill| pid(&kill["victim"]).is_some()).collect();
    let [kill] = kills.as_slice() else { panic!("{} kills: {kills:#?}", kills.len()) };
    println!("{kill:#}");
    assert_eq!((pid(&kill["victim"]), &kill["confidence"]), (Some(hogs[2].pid().into()), &"certain".into()));
    assert!(kill["why"].is_string() && kill["rss_bytes"].as_u64() > Some(16 << 20));
    let sources: Vec<_> = kill["evidence"].as_array().expect("a list").iter().map(|one| &one["source"]).collect();
    assert!(["kernel_log", "vmstat", "disappearance"].iter().all(|one| sources.contains(&&(*one).into())), "{kill:#}");
    if group.is_v2() {
        let members = kill["group"]["members"].as_array().expect("a list");
        assert_eq!((members.iter().filter_map(pid).count(), &kill["group"]["count"]), (3, &4.into()), "{kill:#}");
        assert_eq!(kill["to_have_lived"]["instead"], serde_json::Value::Null, "its group would have died anyway");
    } else {
        assert_eq!(kill["group"], serde_json::Value::Null);
        assert!(kill["to_have_lived"]["instead"]["pid"].as_u64().is_some_and(|pid| ours.contains(&pid)), "{kill:#}");
    }
}

#[test]
fn the_victim_named_is_taken_when_the_machine_is_full() {
    if std::env::var_os("OOMTOP_TEST_GUEST").is_none() {
        require::missing("guest", "fills the machine: only inside a virtual machine (tests/vm/boot)");
        return;
    }
    // We and oomtop must live to tell; every process that we start says its own.
    std::fs::write("/proc/self/oom_score_adj", "-1000").expect("root may");
    let program = hog::compiled().expect("was brought along");
    let (rounds, seed) = (setting("OOMTOP_OOM_ROUNDS", 4), setting("OOMTOP_OOM_SEED", std::process::id().into()));
    let mut misses = 0;
    for number in 0..rounds {
        let outcome = round::of_the_machine(&program, &mut Random::of_round(seed, number));
        if !outcome.hit() {
            println!("missed in round {number}: {outcome}");
            misses += 1;
        }
    }
    println!("{} of {rounds} victims of the whole machine named; seed {seed}", rounds - misses);
    assert!(misses <= allowed(rounds), "seed {seed}: {misses} missed, as told above");
}

/// Runs tests of this very file inside a virtual machine, after a shell script: kills in cgroups, of a group, of the
/// whole machine. Prints what they print.
fn in_guest(before: &str) {
    let rounds = setting("OOMTOP_OOM_GUEST_ROUNDS", 2);
    let seed = setting("OOMTOP_OOM_SEED", std::process::id().into());
    let tests = "the_victim_named the_whole_group_dies a_kill_between --skip in_a_guest";
    let script = format!(
        "{before}
         export OOMTOP_OOM_ROUNDS={rounds} OOMTOP_OOM_SEED={seed}
         /oom --nocapture --test-threads 1 {tests}"
    );
    guest::run(320, Duration::from_secs(150 + 45 * rounds), 4, &script);
}

#[test]
fn in_a_guest_with_cgroup_v2_the_victim_named_is_taken() {
    in_guest("true");
}

/// More swap only makes emulation slower: what it can prove fits into 32 MiB.
#[test]
fn in_a_guest_with_swap_the_victim_named_is_taken() {
    in_guest("swapon-zram 32");
}

/// A hog is killed while the source and the monitor of the program look on: within two passes it is named, with its
/// domain and with more than one witness.
#[test]
fn a_kill_is_named_within_two_passes_by_more_than_one_witness() {
    let Some((root, program)) = ground() else { return };
    // The kernel dumps ten OOMs in five seconds and keeps the line that names the cgroup for itself in the others:
    // while other tests have taken them, the domain cannot be told.
    assert!((0..5).any(|_| witnesses_agree(&root, &program)), "the line that names the cgroup was never there");
}

/// One kill looked at; `false` where the kernel left out which cgroup it was.
fn witnesses_agree(root: &Path, program: &Path) -> bool {
    let domain = MemoryCgroup::new(root, "seen", Some(32 * MIB)).expect("makes a cgroup");
    let mut hog = Hog::start(program);
    domain.adopt(hog.pid()).expect("a process of our own moves");
    assert!(hog.does("name seen-hog") && hog.does("anon 8192"));

    let mut source = Live::open(Path::new("/proc"), Path::new("/sys")).expect("opens /proc");
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut pass = || {
        sleep(Duration::from_millis(200));
        let needs = Needs { candidates: monitor.candidates(), ..Needs::default() };
        monitor.absorb(&source.sample(&needs).expect("reads /proc"))
    };
    let pid = hog.pid();
    let of_hog = |kill: &&std::sync::Arc<KillReport>| {
        // Kills of other tests on this machine are seen too.
        kill.victim.as_ref().is_some_and(|victim| victim.pid.0 == pid)
    };
    for _ in 0..3 {
        assert!(!pass().kills.iter().any(|kill| of_hog(&kill)), "nobody was killed yet");
    }
    hog.tell("anon 65536");
    wait_for("the kernel to kill", || hog.was_killed().then_some(()));
    let mut passes = 0;
    let report = loop {
        passes += 1;
        let report = pass();
        if report.kills.iter().any(|kill| of_hog(&kill)) || passes == 5 {
            break report;
        }
    };
    let kill = report.kills.iter().find(of_hog).unwrap_or_else(|| panic!("not seen: {:?}", report.kills));
    println!("after {passes} passes: {:?} {} {:#?}", kill.confidence, kill.cause(), kill.evidence);
    assert!(passes <= 2, "seen after {passes} passes");
    assert!(kill.confidence >= Confidence::Likely, "{kill:#?}");
    let Some(told) = &kill.domain else {
        sleep(Duration::from_secs(5));
        return false;
    };
    assert_eq!((String::from_utf8_lossy(&told.path).into_owned(), told.is_host), (domain.path(), false));
    assert!(kill.evidence.len() >= 2, "{:?}", kill.evidence);
    assert!(kill.held.is_some() && kill.history.is_some() && kill.why.is_some(), "{kill:#?}");
    true
}
