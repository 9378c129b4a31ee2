//! One round: a crowd of processes of random sizes, adjustments and kinds of memory in cgroups of our own, one of which
//! grows until the kernel kills. Everything random comes from the round's own seed, so that a miss can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cgroup::MemoryCgroup;
use super::hog::Hog;
use super::kernel_log::KernelLog;
use super::prediction::{Outcome, Prediction};

pub const MIB: u64 = 1 << 20;

/// A reproducible stream of numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    /// The stream of a round. Neighbours have nothing in common: splitmix64 spreads what makes them differ.
    pub fn of_round(seed: u64, round: u64) -> Self {
        let mut mixed = seed.wrapping_add((round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((mixed ^ mixed >> 31) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What there is in a round: kinds of memory, of processes, of limits. Counted, so that a long run can be seen to have
/// had them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Anonymous,
    SharedAnonymous,
    Memfd,
    /// tmpfs that nobody maps: it fills the limit and is in no process.
    UnmappedTmpfs,
    /// Touched by four threads on any CPU, which is where the counters err.
    Threads,
    /// Page tables weigh more than what they map.
    PageTables,
    Fork,
    CloneVm,
    Vfork,
    /// The first thread has ended, another goes on.
    DeadLeader,
    Adjusted,
    Immune,
    /// Looked at while the kernel waits (v1's `memory.oom_control`).
    Held,
    OneLimit,
    InnerLimit,
    OuterLimit,
    /// Some of it was in swap when it ended.
    Swap,
}

const HOGS: [Kind; 12] = [
    Kind::Anonymous,
    Kind::Anonymous,
    Kind::Anonymous,
    Kind::SharedAnonymous,
    Kind::Memfd,
    Kind::UnmappedTmpfs,
    Kind::Threads,
    Kind::PageTables,
    Kind::Fork,
    Kind::CloneVm,
    Kind::Vfork,
    Kind::DeadLeader,
];

pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        sleep(Duration::from_millis(2));
    }
}

/// A line of /proc/meminfo, in KiB.
fn machine(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Processes that hold what they were told to hold.
#[derive(Default)]
pub struct Crowd {
    pub hogs: Vec<Hog>,
    /// Which of them the kernel may never take.
    pub immune: BTreeSet<usize>,
    kinds: BTreeSet<Kind>,
}

impl Crowd {
    /// Some of random sizes, adjustments and kinds, together at most 70 % of `limit`, spread over the cgroups.
    pub fn gather(program: &Path, random: &mut Random, cgroups: &[&MemoryCgroup], limit: u64) -> Self {
        let count = 2 + random.below(6);
        let share = (limit * 7 / 10 / 1024 / count).max(65);
        let hogs: Vec<Hog> = (0..count).map(|_| Hog::start(program)).collect();
        // The order of attaching settles ties on v2, so it is not the order of starting.
        let mut order: Vec<usize> = (0..hogs.len()).collect();
        for index in (1..order.len()).rev() {
            order.swap(index, random.below(index as u64 + 1) as usize);
        }
        for index in order {
            random.one_of(cgroups).adopt(hogs[index].pid()).expect("a process of our own moves");
        }
        let mut crowd = Self { hogs, ..Self::default() };
        let adjusted = random.chance(2);
        for index in 0..crowd.hogs.len() {
            crowd.tell(index, "name", &format!("hog-{index}"));
            if adjusted && random.chance(2) {
                crowd.adjust(index, random);
            }
            let kib = 64 + random.below(share - 64);
            crowd.fill(index, random.one_of(&HOGS), kib);
        }
        crowd
    }

    fn tell(&mut self, index: usize, what: &str, argument: &str) {
        assert!(self.hogs[index].does(&format!("{what} {argument}")), "hog {index} died of {what}");
    }

    fn adjust(&mut self, index: usize, random: &mut Random) {
        self.kinds.insert(Kind::Adjusted);
        // Lowering is a right that root in a guest has, and root in many a container has not; one must be killable.
        let adjustment = match std::env::var_os("OOMTOP_TEST_GUEST") {
            Some(_) if index > 0 && random.chance(6) => {
                self.kinds.insert(Kind::Immune);
                self.immune.insert(index);
                -1000
            }
            Some(_) => i64::try_from(random.below(1400)).expect("small") - 400,
            None => i64::try_from(random.below(1001)).expect("small"),
        };
        self.tell(index, "adj", &adjustment.to_string());
    }

    fn fill(&mut self, index: usize, kind: Kind, kib: u64) {
        self.kinds.insert(kind);
        match kind {
            Kind::SharedAnonymous => self.tell(index, "shm", &kib.to_string()),
            Kind::Memfd => self.tell(index, "memfd", &kib.to_string()),
            Kind::UnmappedTmpfs => {
                self.tell(index, "file", &(kib / 2).to_string());
                self.tell(index, "anon", &(kib / 2).to_string());
            }
            Kind::Threads => self.tell(index, "spread", &kib.to_string()),
            Kind::PageTables => self.tell(index, "sparse", &(kib / 8).min(800).to_string()),
            Kind::DeadLeader => {
                self.tell(index, "anon", &(kib / 2).to_string());
                self.tell(index, "leave", "");
                self.tell(index, "anon", &(kib / 2).to_string());
            }
            child => {
                self.tell(index, "anon", &kib.to_string());
                match child {
                    Kind::Fork => self.tell(index, "fork", ""),
                    Kind::CloneVm => self.tell(index, "clone", ""),
                    Kind::Vfork => self.tell(index, "vfork", ""),
                    _ => {}
                }
            }
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.hogs.extend(other.hogs);
        self.kinds.extend(other.kinds);
        self
    }

    /// Every thread of it and of its children, with its process: the kernel may name any of them.
    pub fn threads(&self) -> BTreeMap<u64, u64> {
        let mut processes: Vec<u64> = self.hogs.iter().map(|hog| u64::from(hog.pid())).collect();
        let mut threads = BTreeMap::new();
        while let Some(process) = processes.pop() {
            let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                processes.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u64>().ok()));
                threads.extend(task.file_name().to_string_lossy().parse::<u64>().ok().map(|thread| (thread, process)));
            }
        }
        threads
    }

    /// v1: the tasks wait at the limit while we look, then the kernel may choose.
    fn held(&mut self, domain: &MemoryCgroup, trigger: usize, limit: u64) -> Outcome {
        self.kinds.insert(Kind::Held);
        let (threads, mut log) = (self.threads(), KernelLog::open());
        domain.hold(true).expect("v1 can hold");
        self.hogs[trigger].tell(&format!("anon {}", limit / 1024));
        wait_for("the limit to be hit", || domain.is_under_oom().then_some(()));
        let prediction = Prediction::ask(&domain.path());
        domain.hold(false).expect("v1 can let go");
        let killed = wait_for("the kernel to kill", || log.first_of(&threads));
        Outcome::of(killed, prediction, &log, &threads)
    }

    /// One process grows in small steps, and we look before each. `room` is what is left, in KiB; from `near` on the
    /// steps are `step`.
    fn grow(&mut self, domain: &str, trigger: usize, near: u64, step: u64, room: impl Fn() -> u64) -> Outcome {
        let (threads, mut log) = (self.threads(), KernelLog::open());
        let mut prediction = Prediction::ask(domain);
        loop {
            let far = room().saturating_sub(near);
            if !self.hogs[trigger].does(&format!("anon {}", far.max(step))) {
                wait_for("the kernel to kill", || log.first_of(&threads));
            }
            // A look takes memory too: when it is the last straw, the look before it counts.
            let now = if log.first_of(&threads).is_none() { Some(Prediction::ask(domain)) } else { None };
            match (log.first_of(&threads), now) {
                (None, Some(now)) => prediction = now,
                (None, None) => unreachable!("what was logged stays logged"),
                (Some(killed), _) => return Outcome::of(killed, prediction, &log, &threads),
            }
        }
    }

    fn grow_in(&mut self, domain: &MemoryCgroup, trigger: usize) -> Outcome {
        let outcome = self.grow(&domain.path(), trigger, 3072, 512, || domain_room(domain) / 1024);
        if outcome.prediction.swapped() {
            self.kinds.insert(Kind::Swap);
        }
        outcome
    }

    /// One grows until its cgroup is full.
    pub fn grow_until_full(&mut self, domain: &MemoryCgroup) -> Outcome {
        self.grow_in(domain, 0)
    }
}

/// How much a domain can still take before it must kill, in bytes: memory, and swap where it has some.
fn domain_room(domain: &MemoryCgroup) -> u64 {
    let number = |file: &str| domain.read(file).trim().parse::<u64>().unwrap_or(0);
    if domain.is_v2() {
        let swap = number("memory.swap.max").saturating_sub(number("memory.swap.current"));
        number("memory.max").saturating_sub(number("memory.current")) + swap.min(machine("SwapFree") * 1024)
    } else {
        number("memory.limit_in_bytes").saturating_sub(number("memory.usage_in_bytes"))
    }
}

/// A round in cgroups of its own below `parent`: how it was set up, what was in it, how it ended.
pub fn in_cgroups(
    program: &Path,
    parent: &MemoryCgroup,
    number: u64,
    random: &mut Random,
) -> (String, BTreeSet<Kind>, Outcome) {
    let limit = (24 + random.below(100)) * MIB;
    let top = parent.child(&format!("round-{number}"), Some(limit)).expect("makes a cgroup");
    if top.is_v2() {
        // Some swap where the machine has any; not so much that a round fills it for minutes.
        top.write("memory.swap.max", &(8 * MIB).to_string()).expect("has swap accounting");
    }
    if !random.chance(3) {
        let mut crowd = Crowd::gather(program, random, &[&top], limit);
        let trigger = random.below(crowd.hogs.len() as u64) as usize;
        let held = !top.is_v2() && random.chance(2);
        let outcome = if held { crowd.held(&top, trigger, limit) } else { crowd.grow_in(&top, trigger) };
        crowd.kinds.insert(Kind::OneLimit);
        return (format!("limit {limit} held {held}"), crowd.kinds, outcome);
    }
    // Two children, one with a smaller limit of its own: which limit is hit decides who is a candidate.
    top.delegate().expect("hands the controller on");
    let tight = top.child("tight", Some(limit / 2)).expect("makes a cgroup");
    if tight.is_v2() {
        tight.write("memory.swap.max", &(4 * MIB).to_string()).expect("has swap accounting");
    }
    let loose = top.child("loose", None).expect("makes a cgroup");
    let outer = Crowd::gather(program, random, &[&loose], limit / 3);
    let mut inner = Crowd::gather(program, random, &[&tight], limit / 3);
    if random.chance(2) {
        let trigger = random.below(inner.hogs.len() as u64) as usize;
        let outcome = inner.grow_in(&tight, trigger);
        let mut kinds = outer.join(inner).kinds;
        kinds.insert(Kind::InnerLimit);
        return (format!("inner limit {} of {limit}", limit / 2), kinds, outcome);
    }
    let trigger = random.below(outer.hogs.len() as u64) as usize;
    let mut all = outer.join(inner);
    let outcome = all.grow_in(&top, trigger);
    all.kinds.insert(Kind::OuterLimit);
    (format!("outer limit {limit}, a child with {}", limit / 2), all.kinds, outcome)
}

/// One process grows until the machine itself has nothing left.
pub fn of_the_machine(program: &Path, random: &mut Random) -> Outcome {
    // Anonymous memory and swap that the machine can still give, in KiB.
    let room = || machine("MemAvailable") + machine("SwapFree");
    let count = 3 + random.below(4);
    let share = room() * 6 / 10 / count;
    let hogs = (0..count).map(|_| Hog::start(program)).collect();
    let mut crowd = Crowd { hogs, ..Crowd::default() };
    for index in 0..crowd.hogs.len() {
        crowd.tell(index, "name", &format!("hog-{index}"));
        let adjustment = if random.chance(2) { i64::try_from(random.below(700)).expect("small") - 300 } else { 0 };
        crowd.tell(index, "adj", &adjustment.to_string());
        crowd.tell(index, "anon", &(1024 + random.below(share)).to_string());
    }
    let trigger = random.below(count) as usize;
    crowd.grow("/", trigger, 16 * 1024, 768, room)
}
