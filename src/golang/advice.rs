//! Whether GOMEMLIMIT and GOGC fit the limit under which a program runs, and the line to set where they do not. Pure.
//! Refuses to advise without numbers, and to advise what would not help.
//!
//! GOMEMLIMIT bounds what the Go runtime has mapped and not given back: heap, stacks and tables. What C, the race
//! detector and files take is not in it, so it must leave room for that; a tenth is what the guide to the garbage
//! collector (go.dev/doc/gc-guide, "Suggested uses") leaves.

use crate::units::Bytes;

const MIB: u64 = 1 << 20;

/// What one should do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// In the imperative.
    pub what: String,
    /// With the numbers.
    pub why: String,
    /// The variable to set, where it is one.
    pub set: Option<String>,
}

/// What happens where the ceiling is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CeilingKind {
    /// The OOM killer takes somebody of the cgroup (`memory.max`, `memory.limit_in_bytes`).
    Kill,
    /// Everybody in the cgroup is slowed down (`memory.high`).
    Throttle,
    /// It is the memory of the machine.
    Machine,
}

/// The lowest bound above a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// What a person calls it.
    pub label: Box<str>,
    /// How high.
    pub bytes: Bytes,
    /// What it does.
    pub kind: CeilingKind,
}

impl Ceiling {
    fn name(&self) -> String {
        match self.kind {
            CeilingKind::Kill => format!("the limit of {}", self.label),
            CeilingKind::Throttle => format!("memory.high of {}", self.label),
            CeilingKind::Machine => "this machine".to_owned(),
        }
    }
}

/// All that the advice goes by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// 26 of Go 1.26.
    pub minor: Option<u32>,
    /// The lowest bound above it.
    pub ceiling: Option<Ceiling>,
    /// What others below the same bound hold and cannot give back; `None`: unknown, and no limit can be judged.
    pub others: Option<Bytes>,
    /// What the process itself holds outside of the Go runtime and cannot give back.
    pub beside: Bytes,
    /// GOMEMLIMIT as `source` has it; `None`: none.
    pub memory_limit: Option<Bytes>,
    /// GOGC in percent as `source` has it; `None`: off.
    pub gc_percent: Option<u32>,
    /// Where the two are known from, and what the heap needs at the least.
    pub source: Source,
    /// `GODEBUG=madvdontneed=0`.
    pub frees_lazily: bool,
    /// LazyFree of the heap.
    pub lazy_free: Bytes,
    /// `GODEBUG=disablethp=1`.
    pub without_huge_pages: bool,
    /// The heap is resident beyond what the runtime has kept, in huge pages.
    pub huge_excess: Bytes,
}

/// Where GOMEMLIMIT and GOGC are known from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Neither the runtime nor the environment can be seen.
    #[default]
    Unknown,
    /// What the program was started with; it may have changed its mind since (debug.SetMemoryLimit).
    Environment {
        /// What the heap and the stacks hold, garbage too: what is live is not more.
        heap: Bytes,
    },
    /// The runtime's own variables.
    Runtime(RuntimeSituation),
}

/// What the runtime says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeSituation {
    /// Live after the last collection.
    pub live: Bytes,
    /// Stacks and tables: mapped and not of the heap.
    pub overhead: Bytes,
}

/// What one should change; empty where all was judged and nothing speaks against how it is, `None` where nothing is
/// known to speak against it and not all could be judged.
#[must_use]
pub fn advice(situation: &Situation) -> Option<Vec<Advice>> {
    let of_limits = situation.ceiling.as_ref().and_then(|ceiling| of_limits(situation, ceiling));
    let is_judged = of_limits.is_some();
    let mut advice = of_limits.unwrap_or_default();
    if situation.frees_lazily && situation.lazy_free > Bytes(0) {
        advice.push(Advice {
            what: "remove GODEBUG=madvdontneed=0".into(),
            why: format!(
                "{} that the program has freed stays in its RSS, and the OOM killer counts it",
                situation.lazy_free
            ),
            set: Some("GODEBUG=madvdontneed=1".into()),
        });
    }
    if situation.huge_excess > Bytes(8 << 20) && !situation.without_huge_pages && situation.minor >= Some(21) {
        advice.push(Advice {
            what: "try GODEBUG=disablethp=1".into(),
            why: format!("huge pages keep {} resident that the runtime has released", situation.huge_excess),
            set: Some("GODEBUG=disablethp=1".into()),
        });
    }
    (is_judged || !advice.is_empty()).then_some(advice)
}

/// The line that is usual where nothing is known of a heap, for so much that is left to the runtime.
#[must_use]
pub fn usual_memory_limit(left: Bytes) -> Option<String> {
    let target = tenth_less(left);
    (target.0 >= MIB).then(|| format!("GOMEMLIMIT={}", in_mebibytes(target)))
}

/// What is left for the Go runtime below a ceiling, in numbers and in words.
struct Room<'a> {
    ceiling: &'a Ceiling,
    /// What is not the Go runtime's.
    taken: Bytes,
    left: Bytes,
    /// What GOMEMLIMIT should be.
    target: Bytes,
    /// `taken` in words, behind the height of the ceiling.
    beside: String,
}

impl<'a> Room<'a> {
    fn below(ceiling: &'a Ceiling, beside: Bytes, others: Bytes) -> Self {
        let taken = beside.saturating_add(others);
        let left = ceiling.bytes.saturating_sub(taken);
        let whose = if others > Bytes(0) { "here or in other processes is" } else { "are" };
        let beside = match taken {
            Bytes(0) => String::new(),
            taken => format!(", of which {taken} {whose} not the Go runtime's"),
        };
        Self { ceiling, taken, left, target: tenth_less(left), beside }
    }

    /// Whether what the runtime needs at the least is so far below the target that the collector may rest.
    fn fits(&self, least: Bytes) -> bool {
        least.0 <= self.target.0 / 20 * 19 && self.target >= Bytes(MIB)
    }

    /// The target as a line to set.
    fn set(&self, why: String) -> Advice {
        let line = format!("GOMEMLIMIT={}", in_mebibytes(self.target));
        Advice { what: format!("set {line}"), why, set: Some(line) }
    }

    /// A limit that is no limit, or is none before it is too late.
    fn without_effect(&self, limit: Bytes, source: &str) -> Option<Advice> {
        let (name, height, beside) = (self.ceiling.name(), self.ceiling.bytes, &self.beside);
        let limited = format!("GOMEMLIMIT={}{source}", in_mebibytes(limit));
        if limit >= height {
            let consequence = match self.ceiling.kind {
                CeilingKind::Kill => "the OOM killer comes before it acts",
                CeilingKind::Throttle => "the program is slowed down before it acts",
                CeilingKind::Machine => "the machine is full before it acts",
            };
            return Some(self.set(format!("{limited} is not below {name}, {height}: {consequence}")));
        }
        (self.ceiling.kind != CeilingKind::Machine && limit.0 > self.left.0 / 20 * 19).then(|| {
            self.set(format!(
                "{limited} is too close to {name}, {height}{beside}: it is a soft limit: leave a tenth free"
            ))
        })
    }

    /// No limit, and nothing else that bounds the heap in time.
    fn unset(&self, source: &str) -> Option<Advice> {
        let (name, height, beside) = (self.ceiling.name(), self.ceiling.bytes, &self.beside);
        // A machine is shared: a program that fits need not know how large it is.
        (self.ceiling.kind != CeilingKind::Machine).then(|| {
            self.set(format!(
                "it is not set{source}: nothing makes Go collect earlier near {name}, {height}{beside}; 90 % of the \
                 rest \
                 is usual"
            ))
        })
    }

    /// Neither GOGC nor GOMEMLIMIT.
    fn never_collected(&self, source: &str) -> Advice {
        let (name, height, beside) = (self.ceiling.name(), self.ceiling.bytes, &self.beside);
        self.set(format!(
            "with GOGC=off and no GOMEMLIMIT{source} nothing is ever collected; {name} is {height}{beside}"
        ))
    }
}

/// At most one, for two would contradict each other; `None` where they cannot be judged.
fn of_limits(situation: &Situation, ceiling: &Ceiling) -> Option<Vec<Advice>> {
    let room = Room::below(ceiling, situation.beside, situation.others?);
    match situation.source {
        Source::Unknown => None,
        Source::Environment { heap } => of_environment(situation, &room, heap).map(|advice| vec![advice]),
        Source::Runtime(runtime) if situation.minor.is_some_and(|minor| minor < 19) => {
            Some(of_percent(situation, runtime, &room).into_iter().collect())
        }
        Source::Runtime(runtime) => Some(of_runtime(situation, runtime, &room).into_iter().collect()),
    }
}

/// Without the runtime's numbers only what was set can be found wrong, never right: the program may have set it anew.
fn of_environment(situation: &Situation, room: &Room<'_>, heap: Bytes) -> Option<Advice> {
    const SOURCE: &str = " in its environment";
    if situation.minor.is_some_and(|minor| minor < 19) || !room.fits(heap) {
        return None;
    }
    match (situation.memory_limit, situation.gc_percent) {
        (Some(limit), _) => room.without_effect(limit, SOURCE),
        (None, None) => Some(room.never_collected(SOURCE)),
        (None, Some(_)) => room.unset(SOURCE),
    }
}

/// The first that applies.
fn of_runtime(situation: &Situation, runtime: RuntimeSituation, room: &Room<'_>) -> Option<Advice> {
    let least = runtime.live.saturating_add(runtime.overhead);
    let (name, height, beside) = (room.ceiling.name(), room.ceiling.bytes, &room.beside);
    let fitting = |advice: Advice| if room.fits(least) { advice } else { too_small(runtime, room) };
    let Some(limit) = situation.memory_limit else {
        let Some(percent) = situation.gc_percent else { return Some(fitting(room.never_collected(""))) };
        let garbage = u128::from(runtime.live.0) * u128::from(percent) / 100;
        let goal = runtime.live.saturating_add(Bytes(u64::try_from(garbage).unwrap_or(u64::MAX)));
        let grown = goal.saturating_add(runtime.overhead).saturating_add(room.taken);
        return match room.unset("") {
            _ if !room.fits(least) => Some(too_small(runtime, room)),
            _ if grown >= height => Some(room.set(format!(
                "with GOGC={percent} the heap grows from {} live to {goal} before it is collected, {grown} in all: \
                 {name} is {height}{beside}",
                runtime.live
            ))),
            unset => unset,
        };
    };
    if let Some(without_effect) = room.without_effect(limit, "") {
        return Some(fitting(without_effect));
    }
    if least.0 <= limit.0 / 20 * 19 {
        return None;
    }
    if room.fits(least) && room.target.0 > limit.0 / 20 * 21 {
        return Some(room.set(format!(
            "{} is live and {} is stacks and tables: under GOMEMLIMIT={} the collector runs almost constantly, and \
             {name} has room",
            runtime.live,
            runtime.overhead,
            in_mebibytes(limit)
        )));
    }
    Some(too_small(runtime, room))
}

/// What is live does not leave the room that a collector needs.
fn too_small(runtime: RuntimeSituation, room: &Room<'_>) -> Advice {
    let (name, height, beside) = (room.ceiling.name(), room.ceiling.bytes, &room.beside);
    let least = runtime.live.saturating_add(runtime.overhead);
    let wanted = least.saturating_add(room.taken).saturating_add(Bytes(runtime.live.0 / 4));
    Advice {
        what: format!(
            "raise {name} to {} or use less memory",
            Bytes((wanted.0 / 9).saturating_mul(10).saturating_add(MIB - 1) / MIB * MIB)
        ),
        why: format!(
            "no GOMEMLIMIT helps: {} is live and {} is stacks and tables under {height}{beside}",
            runtime.live, runtime.overhead
        ),
        set: None,
    }
}

/// Before Go 1.19 there is only GOGC.
fn of_percent(situation: &Situation, runtime: RuntimeSituation, room: &Room<'_>) -> Option<Advice> {
    let percent = situation.gc_percent?;
    if runtime.live == Bytes(0) {
        return None;
    }
    let heap = room.target.saturating_sub(runtime.overhead);
    let fitting = heap.saturating_sub(runtime.live).0.saturating_mul(100) / runtime.live.0;
    (fitting < u64::from(percent) && fitting >= 5).then(|| {
        let line = format!("GOGC={fitting}");
        Advice {
            what: format!("set {line}"),
            why: format!(
                "this Go has no GOMEMLIMIT (added in 1.19), and at GOGC={percent} the heap outgrows {}, {}, from {} \
                 live",
                room.ceiling.name(),
                room.ceiling.bytes,
                runtime.live
            ),
            set: Some(line),
        }
    })
}

fn in_mebibytes(bytes: Bytes) -> String {
    format!("{}MiB", bytes.0 >> 20)
}

/// Nine tenths, in whole MiB.
fn tenth_less(bytes: Bytes) -> Bytes {
    Bytes((bytes.0 / 10 * 9) >> 20 << 20)
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
