//! Real kills: processes of known size in small memory cgroups of our own are driven into their limit, and the victim
//! that `oomtop snapshot --json` named just before must be the one that the kernel takes. `OOMTOP_OOM_ROUNDS` and
//! `OOMTOP_OOM_SEED` make longer runs of the same; needs root and a memory cgroup. The same binary runs inside a virtual
//! machine (`tests/vm/boot`) for cgroup v2, swap and kills of the whole machine.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/hog.rs"]
mod hog;
mod require;
#[path = "oom/vm.rs"]
mod vm;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use oomtop::monitor::kill_report::{Confidence, KillReport};
use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source;
use oomtop::source::live::Live;

const MIB: u64 = 1 << 20;

/// A reproducible stream of numbers (xorshift64*): a failing round is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// What oomtop said just before the kill.
#[derive(Debug)]
struct Prediction {
    named: Vec<u64>,
    certain: bool,
    whole: String,
}

fn predict(domain: &str) -> Prediction {
    let program = std::env::var_os("OOMTOP_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oomtop").into());
    let output = Command::new(program).args(["snapshot", "--json"]).output().expect("oomtop runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let snapshot: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    let domains = snapshot["domains"].as_array().expect("has domains");
    let found = domains.iter().find(|found| found["path"] == domain).unwrap_or_else(|| panic!("no domain {domain}"));
    let first = found["victims"].as_array().expect("has victims").iter().find(|victim| victim["rank"] == 1);
    let mut named: Vec<u64> = first.and_then(|victim| victim["pid"].as_u64()).into_iter().collect();
    named.extend(found["tied_with"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64));
    Prediction { named, certain: found["certain"] == true, whole: found.to_string() }
}

/// The name of hogs that have a second process in their address space.
const SHARED: &str = "shared";

/// How a round was set up, for the message when it missed.
#[derive(Debug)]
struct Outcome {
    killed: Vec<u64>,
    prediction: Prediction,
}

impl Outcome {
    fn hit(&self) -> bool {
        self.killed.iter().any(|pid| self.prediction.named.iter().any(|named| named == pid || self.share(*named, *pid)))
    }

    /// Whether these two are one address space: the kernel takes the one that was named, and all of it dies.
    fn share(&self, named: u64, killed: u64) -> bool {
        let said: serde_json::Value = serde_json::from_str(&self.prediction.whole).expect("is JSON");
        let victims = said["victims"].as_array().expect("has victims");
        let name = |pid: u64| victims.iter().find(|victim| victim["pid"] == pid)?["name"].as_str();
        name(named).is_some_and(|of| of.starts_with(SHARED) && Some(of) == name(killed))
    }
}

fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Some processes of random sizes, adjustments and kinds of memory, together at most 70 % of `limit`.
fn crowd(program: &Path, random: &mut Random, cgroups: &[&MemoryCgroup], limit: u64) -> Vec<Hog> {
    let count = 2 + random.below(6);
    let share = limit * 7 / 10 / 1024 / count;
    let mut hogs: Vec<Hog> = (0..count).map(|_| Hog::start(program)).collect();
    // The order of attaching settles ties on v2, so it is not the order of starting.
    let mut order: Vec<usize> = (0..hogs.len()).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, random.below(index as u64 + 1) as usize);
    }
    for index in order {
        let cgroup = cgroups[random.below(cgroups.len() as u64) as usize];
        cgroup.adopt(hogs[index].pid()).expect("a process of our own moves");
    }
    let adjusted = random.chance(2);
    for (index, hog) in hogs.iter_mut().enumerate() {
        assert!(hog.does(&format!("name hog-{index}")));
        if adjusted && random.chance(2) {
            assert!(hog.does(&format!("adj {}", random.below(1001))));
        }
        let kib = 64 + random.below(share.max(2));
        assert!(match random.below(8) {
            0 => hog.does(&format!("shm {kib}")),
            1 => hog.does(&format!("spread {kib}")),
            2 => hog.does(&format!("sparse {}", (kib / 8).min(800))),
            3 => hog.does(&format!("anon {kib}")) && hog.does("fork"),
            4 => {
                hog.does(&format!("name {SHARED}-{index}")) && hog.does(&format!("anon {kib}")) && hog.does("clone")
            }
            5 => hog.does(&format!("anon {}", kib / 2)) && hog.does("leave") && hog.does(&format!("anon {}", kib / 2)),
            _ => hog.does(&format!("anon {kib}")),
        });
    }
    hogs
}

fn killed(hogs: &mut [Hog]) -> Vec<u64> {
    hogs.iter_mut().filter_map(|hog| hog.was_killed().then(|| u64::from(hog.pid()))).collect()
}

/// v1: the tasks wait at the limit while we look, then the kernel may choose.
fn held_round(domain: &MemoryCgroup, hogs: &mut [Hog], trigger: usize, limit: u64) -> Outcome {
    domain.hold(true).expect("v1 can hold");
    hogs[trigger].tell(&format!("anon {}", limit / 1024));
    wait_for("the limit to be hit", || domain.is_under_oom().then_some(()));
    let prediction = predict(&domain.path());
    domain.hold(false).expect("v1 can let go");
    let killed = wait_for("the kernel to kill", || Some(killed(hogs)).filter(|killed| !killed.is_empty()));
    Outcome { killed, prediction }
}

/// How much a domain can still take before it must kill: memory, and swap where it has some.
fn domain_room(domain: &MemoryCgroup) -> u64 {
    let number = |file: &str| domain.read(file).trim().parse::<u64>().unwrap_or(0);
    if domain.is_v2() {
        let swap = number("memory.swap.max").saturating_sub(number("memory.swap.current"));
        number("memory.max").saturating_sub(number("memory.current")) + swap.min(machine("SwapFree") * 1024)
    } else {
        number("memory.limit_in_bytes").saturating_sub(number("memory.usage_in_bytes"))
    }
}

/// v1 and v2: one process grows in small steps, and we look before each.
fn live_round(domain: &MemoryCgroup, hogs: &mut [Hog], trigger: usize) -> Outcome {
    loop {
        let room = domain_room(domain) / 1024;
        let prediction = predict(&domain.path());
        let step = if room > 4096 { room - 3072 } else { 512 };
        if hogs[trigger].does(&format!("anon {step}")) && killed(hogs).is_empty() {
            continue;
        }
        let killed = wait_for("the kernel to kill", || Some(killed(hogs)).filter(|killed| !killed.is_empty()));
        return Outcome { killed, prediction };
    }
}

fn round(program: &Path, parent: &Path, number: u64, random: &mut Random) -> (String, Outcome) {
    let limit = (24 + random.below(100)) * MIB;
    let top = MemoryCgroup::new(parent, &format!("round-{number}"), Some(limit)).expect("makes a cgroup");
    if top.is_v2() {
        // Some swap where the machine has any; not so much that a round fills it for minutes.
        top.write("memory.swap.max", &(8 * MIB).to_string()).expect("has swap accounting");
    }
    let nested = random.chance(3);
    if !nested {
        let mut hogs = crowd(program, random, &[&top], limit);
        let trigger = random.below(hogs.len() as u64) as usize;
        let held = !top.is_v2() && random.chance(2);
        let outcome =
            if held { held_round(&top, &mut hogs, trigger, limit) } else { live_round(&top, &mut hogs, trigger) };
        return (format!("limit {limit} held {held}"), outcome);
    }
    // Two children, one with a smaller limit of its own: which limit is hit decides who is a candidate.
    top.delegate().expect("hands the controller on");
    let tight = MemoryCgroup::new(top.directory(), "tight", Some(limit / 2)).expect("makes a cgroup");
    if tight.is_v2() {
        tight.write("memory.swap.max", &(4 * MIB).to_string()).expect("has swap accounting");
    }
    let loose = MemoryCgroup::new(top.directory(), "loose", None).expect("makes a cgroup");
    let mut outer = crowd(program, random, &[&loose], limit / 3);
    let mut inner = crowd(program, random, &[&tight], limit / 3);
    if random.chance(2) {
        let trigger = random.below(inner.len() as u64) as usize;
        return (format!("inner limit {} of {limit}", limit / 2), live_round(&tight, &mut inner, trigger));
    }
    let trigger = random.below(outer.len() as u64) as usize;
    outer.append(&mut inner);
    (format!("outer limit {limit}, a child with {}", limit / 2), live_round(&top, &mut outer, trigger))
}

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

#[test]
fn the_victim_named_is_the_victim_taken() {
    let Some((root, program)) = ground() else { return };
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let rounds = number("OOMTOP_OOM_ROUNDS", 16);
    let seed = number("OOMTOP_OOM_SEED", u64::from(std::process::id()));
    let parent = MemoryCgroup::new(&root, &format!("oomtop-kills-{}", std::process::id()), None).expect("a cgroup");
    parent.delegate().expect("hands the controller on");
    let (mut hits, mut ties, mut misses) = (0, 0, Vec::new());
    for number in 0..rounds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number + 1) | 1);
        let (how, outcome) = round(&program, parent.directory(), number, &mut random);
        hits += u64::from(outcome.hit());
        ties += u64::from(outcome.hit() && !outcome.prediction.certain);
        if !outcome.hit() {
            misses.push(format!("round {number} ({how}): {outcome:?}"));
        }
    }
    println!("{hits} of {rounds} victims named, {ties} of them as one of several; seed {seed}");
    let allowed = rounds / 50;
    assert!(misses.len() as u64 <= allowed, "seed {seed}: {} missed\n{}", misses.len(), misses.join("\n"));
}

#[test]
fn the_whole_group_dies_where_the_cgroup_says_so() {
    let Some((root, program)) = ground() else { return };
    let name = format!("oomtop-group-{}", std::process::id());
    let group = MemoryCgroup::new(&root, &name, Some(48 * MIB)).expect("makes a cgroup");
    if !group.is_v2() {
        require::missing("cgroup-v2", "memory.oom.group is of cgroup v2");
        return;
    }
    group.write("memory.oom.group", "1").expect("is there since 4.19");
    let mut hogs = crowd(&program, &mut Random(7), &[&group], 32 * MIB);
    let outcome = live_round(&group, &mut hogs, 0);
    let said: serde_json::Value = serde_json::from_str(&outcome.prediction.whole).expect("is JSON");
    assert_eq!(said["kills_group"], said["candidates"], "the kill unit is everybody in it: {said}");
    wait_for("all to die", || (killed(&mut hogs).len() == hogs.len()).then_some(()));
}

/// A line of /proc/meminfo, in KiB.
fn machine(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Anonymous memory and swap that the machine can still give, in KiB.
fn machine_room() -> u64 {
    machine("MemAvailable") + machine("SwapFree")
}

/// One process grows until the machine itself has nothing left.
fn global_round(program: &Path, random: &mut Random) -> Outcome {
    let count = 3 + random.below(4);
    let share = machine_room() * 6 / 10 / count;
    let mut hogs: Vec<Hog> = (0..count).map(|_| Hog::start(program)).collect();
    for (index, hog) in hogs.iter_mut().enumerate() {
        assert!(hog.does(&format!("name hog-{index}")));
        let adjustment = if random.chance(2) { i64::try_from(random.below(700)).expect("small") - 300 } else { 0 };
        assert!(hog.does(&format!("adj {adjustment}")));
        assert!(hog.does(&format!("anon {}", 1024 + random.below(share))));
    }
    let trigger = random.below(count) as usize;
    let mut prediction = predict("/");
    loop {
        let step = machine_room().saturating_sub(16 * 1024).max(768);
        let survived = hogs[trigger].does(&format!("anon {step}"));
        // The look itself takes memory: when it was the last straw, the look before it counts.
        if !survived || !killed(&mut hogs).is_empty() {
            let killed = wait_for("the kernel to kill", || Some(killed(&mut hogs)).filter(|killed| !killed.is_empty()));
            return Outcome { killed, prediction };
        }
        let now = predict("/");
        if killed(&mut hogs).is_empty() {
            prediction = now;
        }
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
    let rounds = std::env::var("OOMTOP_OOM_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let mut misses = Vec::new();
    for number in 0..rounds {
        let outcome = global_round(&program, &mut Random(0x5DEE_CE66 + 2 * number + 1));
        if !outcome.hit() {
            misses.push(format!("round {number}: {outcome:?}"));
        }
    }
    println!("{} of {rounds} victims of the whole machine named", rounds - misses.len() as u64);
    assert!(misses.len() as u64 <= rounds / 50, "{}", misses.join("\n"));
}

/// Runs tests of this very file inside a virtual machine, after a shell script; prints what they print.
fn in_guest(mib: u32, before: &str, tests: &str) {
    if !require::root() {
        return;
    }
    let Some(hog) = hog::compiled() else {
        require::missing("tools", "cc is not installed");
        return;
    };
    let Some(guest) = vm::Guest::find(&hog) else {
        require::missing("vm", "no virtual machine was built: tests/vm/boot build (root, Debian)");
        return;
    };
    let rounds = std::env::var("OOMTOP_OOM_ROUNDS").unwrap_or_else(|_| "4".into());
    let (status, output) = guest.run(
        mib,
        &format!(
            "{before}; export OOMTOP_TEST_GUEST=1 OOMTOP_OOM_ROUNDS={rounds}; /oom --nocapture --test-threads 1 {tests}"
        ),
    );
    println!("{output}");
    assert_eq!(status, 0, "in the guest");
}

#[test]
fn in_a_guest_with_cgroup_v2_the_victim_named_is_taken() {
    in_guest(512, "true", "the_victim_named_is_the_victim_taken the_whole_group_dies");
}

#[test]
fn in_a_guest_that_is_full_the_victim_named_is_taken() {
    in_guest(320, "true", "the_victim_named_is_taken_when_the_machine_is_full");
}

#[test]
#[ignore = "emulated swapping takes longer than the check may: run it by its name"]
fn in_a_guest_with_swap_the_victim_named_is_taken() {
    in_guest(
        320,
        "swapon-zram 32",
        "the_victim_named_is_taken_when_the_machine_is_full the_victim_named_is_the_victim_taken",
    );
}

/// A hog is killed while the source and the monitor of the program look on: within two passes it is named, with its
/// domain and with more than one witness.
#[test]
fn a_kill_is_named_within_two_passes_by_more_than_one_witness() {
    let Some((root, program)) = ground() else { return };
    let name = format!("oomtop-seen-{}", std::process::id());
    let domain = MemoryCgroup::new(&root, &name, Some(32 * MIB)).expect("makes a cgroup");
    let mut hog = Hog::start(&program);
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
    let told = kill.domain.as_ref().expect("its domain is known");
    assert_eq!((String::from_utf8_lossy(&told.path).into_owned(), told.is_host), (domain.path(), false));
    assert!(kill.evidence.len() >= 2, "{:?}", kill.evidence);
    assert!(kill.held.is_some() && kill.history.is_some() && kill.why.is_some(), "{kill:#?}");
}
