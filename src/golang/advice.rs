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
    /// What others below the same bound hold and cannot give back.
    pub others: Bytes,
    /// What the process itself holds outside of the Go runtime and cannot give back.
    pub beside: Bytes,
    /// GOMEMLIMIT as it holds now, or as it was set; `None`: none.
    pub memory_limit: Option<Bytes>,
    /// GOGC in percent; `None`: off.
    pub gc_percent: Option<u32>,
    /// What the runtime says of itself, where it is known.
    pub runtime: Option<RuntimeSituation>,
    /// `GODEBUG=madvdontneed=0`.
    pub frees_lazily: bool,
    /// LazyFree of the heap.
    pub lazy_free: Bytes,
    /// `GODEBUG=disablethp=1`.
    pub without_huge_pages: bool,
    /// The heap is resident beyond what the runtime has kept, in huge pages.
    pub huge_excess: Bytes,
}

/// What the runtime says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeSituation {
    /// Live after the last collection.
    pub live: Bytes,
    /// Stacks and tables: mapped and not of the heap.
    pub overhead: Bytes,
}

/// What one should change; empty where nothing speaks against how it is.
#[must_use]
pub fn advice(situation: &Situation) -> Vec<Advice> {
    let mut advice = Vec::new();
    if let Some(ceiling) = &situation.ceiling {
        advice.extend(of_limits(situation, ceiling));
    }
    if situation.frees_lazily && situation.lazy_free > Bytes(0) {
        advice.push(Advice {
            what: "take GODEBUG=madvdontneed=0 away".into(),
            why: format!(
                "{} that the program has freed stay in its RSS, and the OOM killer counts them",
                situation.lazy_free
            ),
            set: Some("GODEBUG=madvdontneed=1".into()),
        });
    }
    if situation.huge_excess > Bytes(8 << 20) && !situation.without_huge_pages && situation.minor >= Some(21) {
        advice.push(Advice {
            what: "try GODEBUG=disablethp=1".into(),
            why: format!("huge pages keep {} resident that the runtime has given back", situation.huge_excess),
            set: Some("GODEBUG=disablethp=1".into()),
        });
    }
    advice
}

/// The first that applies: they would contradict each other.
fn of_limits(situation: &Situation, ceiling: &Ceiling) -> Option<Advice> {
    let taken = situation.beside.saturating_add(situation.others);
    let room = ceiling.bytes.saturating_sub(taken);
    let target = tenth_less(room);
    let name = ceiling.name();
    let height = ceiling.bytes;
    let beside = match taken {
        Bytes(0) => String::new(),
        taken => format!(
            ", of which {taken} {} not the Go runtime's",
            if situation.others > Bytes(0) { "here or in other processes are" } else { "are" }
        ),
    };
    let in_mebibytes = |bytes: Bytes| format!("{}MiB", bytes.0 >> 20);
    let set = |bytes: Bytes, why: String| {
        let line = format!("GOMEMLIMIT={}", in_mebibytes(bytes));
        Some(Advice { what: format!("set {line}"), why, set: Some(line) })
    };

    // Without the runtime's numbers only what was set can be judged.
    let runtime = situation.runtime.unwrap_or_default();
    let least = runtime.live.saturating_add(runtime.overhead);
    let fits = least.0 <= target.0 / 20 * 19 && target >= Bytes(1 << 20);
    let too_small = || {
        let wanted = least.saturating_add(taken).saturating_add(Bytes(runtime.live.0 / 4));
        Advice {
            what: format!(
                "raise {name} to {} or hold less",
                Bytes((wanted.0 / 9).saturating_mul(10).saturating_add(MIB - 1) / MIB * MIB)
            ),
            why: format!(
                "no GOMEMLIMIT helps: {} are live and {} are stacks and tables under {height}{beside}",
                runtime.live, runtime.overhead
            ),
            set: None,
        }
    };
    if situation.minor.is_some_and(|minor| minor < 19) {
        return of_percent(situation, runtime, room, &name, height);
    }
    let Some(limit) = situation.memory_limit else {
        let grown = match situation.gc_percent {
            None => None,
            Some(percent) => {
                let garbage = u128::from(runtime.live.0) * u128::from(percent) / 100;
                let goal = runtime.live.saturating_add(Bytes(u64::try_from(garbage).unwrap_or(u64::MAX)));
                Some((percent, goal, goal.saturating_add(runtime.overhead).saturating_add(taken)))
            }
        };
        return match grown {
            _ if situation.runtime.is_some() && !fits => Some(too_small()),
            None => set(
                target,
                format!("with GOGC=off and no GOMEMLIMIT nothing is ever collected; {name} is {height}{beside}"),
            ),
            Some((percent, goal, grown)) if grown >= ceiling.bytes => set(
                target,
                format!(
                    "with GOGC={percent} the heap grows from {} live to {goal} before it is collected, {grown} in all: {name} is {height}{beside}",
                    runtime.live
                ),
            ),
            // A machine is shared: a program that fits need not know how large it is.
            Some(_) if ceiling.kind == CeilingKind::Machine => None,
            Some(_) => set(
                target,
                format!(
                    "it is not set: nothing makes Go collect sooner near {name}, {height}{beside}; 90 % of the rest is usual"
                ),
            ),
        };
    };
    let is_machine = ceiling.kind == CeilingKind::Machine;
    if limit >= ceiling.bytes {
        let consequence = match ceiling.kind {
            CeilingKind::Kill => "the OOM killer comes before it acts",
            CeilingKind::Throttle => "the program is slowed down before it acts",
            CeilingKind::Machine => "the machine is full before it acts",
        };
        let why = format!("GOMEMLIMIT={} is not below {name}, {height}: {consequence}", in_mebibytes(limit));
        return if situation.runtime.is_some() && !fits { Some(too_small()) } else { set(target, why) };
    }
    if !is_machine && limit.0 > room.0 / 20 * 19 {
        let why = format!(
            "GOMEMLIMIT={} is too close to {name}, {height}{beside}: it is soft, and a tenth should be left",
            in_mebibytes(limit)
        );
        return if situation.runtime.is_some() && !fits { Some(too_small()) } else { set(target, why) };
    }
    if situation.runtime.is_some() && least.0 > limit.0 / 20 * 19 {
        if fits && target.0 > limit.0 / 20 * 21 {
            let why = format!(
                "{} are live and {} are stacks and tables: under GOMEMLIMIT={} the collector runs nearly all the time, and {name} has room",
                runtime.live,
                runtime.overhead,
                in_mebibytes(limit)
            );
            return set(target, why);
        }
        return Some(too_small());
    }
    None
}

/// Before Go 1.19 there is only GOGC.
fn of_percent(
    situation: &Situation,
    runtime: RuntimeSituation,
    room: Bytes,
    name: &str,
    height: Bytes,
) -> Option<Advice> {
    let percent = situation.gc_percent?;
    if runtime.live == Bytes(0) {
        return None;
    }
    let heap = tenth_less(room).saturating_sub(runtime.overhead);
    let fitting = heap.saturating_sub(runtime.live).0.saturating_mul(100) / runtime.live.0;
    (fitting < u64::from(percent) && fitting >= 5).then(|| {
        let line = format!("GOGC={fitting}");
        Advice {
            what: format!("set {line}"),
            why: format!(
                "this Go has no GOMEMLIMIT (1.19 brought it), and at GOGC={percent} the heap outgrows {name}, {height}, from {} live",
                runtime.live
            ),
            set: Some(line),
        }
    })
}

/// Nine tenths, in whole MiB.
fn tenth_less(bytes: Bytes) -> Bytes {
    Bytes((bytes.0 / 10 * 9) >> 20 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mib(count: u64) -> Bytes {
        Bytes(count * MIB)
    }

    fn under(limit: u64, kind: CeilingKind) -> Situation {
        Situation {
            minor: Some(26),
            ceiling: Some(Ceiling { label: "docker 4f2a91".into(), bytes: mib(limit), kind }),
            gc_percent: Some(100),
            runtime: Some(RuntimeSituation { live: mib(60), overhead: mib(8) }),
            ..Situation::default()
        }
    }

    /// What is to be set, or what is to be done where nothing can be set.
    fn told(situation: &Situation) -> Vec<String> {
        advice(situation).into_iter().map(|advice| advice.set.unwrap_or(advice.what)).collect()
    }

    #[test]
    fn situations_and_what_to_set() {
        use CeilingKind::{Kill, Machine, Throttle};
        let limited = |limit, kind, own| Situation { memory_limit: Some(mib(own)), ..under(limit, kind) };
        let live = |megabytes, situation| Situation {
            runtime: Some(RuntimeSituation { live: mib(megabytes), overhead: mib(8) }),
            ..situation
        };
        for (what, situation, expected) in [
            ("nothing above it", Situation { ceiling: None, ..under(512, Kill) }, vec![]),
            ("unset under a limit", under(512, Kill), vec!["GOMEMLIMIT=460MiB"]),
            ("unset under memory.high", under(400, Throttle), vec!["GOMEMLIMIT=360MiB"]),
            ("unset on a machine with room", under(16_384, Machine), vec![]),
            ("doubles past the machine", live(9_000, under(16_384, Machine)), vec!["GOMEMLIMIT=14745MiB"]),
            ("doubles past the limit", live(300, under(512, Kill)), vec!["GOMEMLIMIT=460MiB"]),
            (
                "live alone is too much",
                live(460, under(512, Kill)),
                vec!["raise the limit of docker 4f2a91 to 648M or hold less"],
            ),
            ("right", limited(512, Kill, 460), vec![]),
            ("well below", limited(512, Kill, 200), vec![]),
            ("above the limit", limited(512, Kill, 1024), vec!["GOMEMLIMIT=460MiB"]),
            ("equal to the limit", limited(512, Kill, 512), vec!["GOMEMLIMIT=460MiB"]),
            ("above memory.high", limited(400, Throttle, 460), vec!["GOMEMLIMIT=360MiB"]),
            ("too close", limited(512, Kill, 500), vec!["GOMEMLIMIT=460MiB"]),
            ("above a machine", limited(1024, Machine, 2048), vec!["GOMEMLIMIT=921MiB"]),
            (
                "too close once C is counted",
                Situation { beside: mib(100), ..limited(512, Kill, 460) },
                vec!["GOMEMLIMIT=370MiB"],
            ),
            (
                "too close once others are counted",
                Situation { others: mib(212), ..limited(512, Kill, 460) },
                vec!["GOMEMLIMIT=270MiB"],
            ),
            ("collects all the time, with room", live(180, limited(512, Kill, 190)), vec!["GOMEMLIMIT=460MiB"]),
            (
                "collects all the time, without",
                live(440, limited(512, Kill, 460)),
                vec!["raise the limit of docker 4f2a91 to 620M or hold less"],
            ),
            ("off", Situation { gc_percent: None, ..under(512, Kill) }, vec!["GOMEMLIMIT=460MiB"]),
            ("off on a machine", Situation { gc_percent: None, ..under(16_384, Machine) }, vec!["GOMEMLIMIT=14745MiB"]),
            ("off, with a limit", Situation { gc_percent: None, ..limited(512, Kill, 460) }, vec![]),
            ("Go 1.15 that fits", Situation { minor: Some(15), ..under(512, Kill) }, vec![]),
            ("Go 1.15 that does not", Situation { minor: Some(15), ..live(300, under(512, Kill)) }, vec!["GOGC=50"]),
            ("without numbers, unset", Situation { runtime: None, ..under(512, Kill) }, vec!["GOMEMLIMIT=460MiB"]),
            (
                "without numbers, above",
                Situation { runtime: None, ..limited(512, Kill, 600) },
                vec!["GOMEMLIMIT=460MiB"],
            ),
            ("without numbers, right", Situation { runtime: None, ..limited(512, Kill, 400) }, vec![]),
            (
                "frees lazily",
                Situation { frees_lazily: true, lazy_free: mib(50), ..limited(512, Kill, 460) },
                vec!["GODEBUG=madvdontneed=1"],
            ),
            ("would free lazily", Situation { frees_lazily: true, ..limited(512, Kill, 460) }, vec![]),
            ("huge pages", Situation { huge_excess: mib(30), ..limited(512, Kill, 460) }, vec!["GODEBUG=disablethp=1"]),
            (
                "no huge pages already",
                Situation { huge_excess: mib(30), without_huge_pages: true, ..limited(512, Kill, 460) },
                vec![],
            ),
        ] {
            assert_eq!(told(&situation), expected, "{what}");
        }
    }

    #[test]
    fn reasons_have_the_numbers() {
        let situation = Situation { beside: mib(40), ..under(128, CeilingKind::Kill) };
        let [advice] = &advice(&situation)[..] else { panic!("one") };
        assert_eq!(advice.what, "set GOMEMLIMIT=79MiB");
        assert_eq!(
            advice.why,
            "with GOGC=100 the heap grows from 60.0M live to 120M before it is collected, 168M in all: the limit of \
             docker 4f2a91 is 128M, of which 40.0M are not the Go runtime's"
        );
    }

    #[test]
    fn no_sizes_make_it_panic() {
        let sizes = [0, 1, MIB, u64::MAX / 2, u64::MAX];
        for ceiling in sizes {
            for other in sizes {
                let mut situation = under(1, CeilingKind::Kill);
                situation.ceiling.as_mut().expect("set").bytes = Bytes(ceiling);
                situation.others = Bytes(other);
                situation.runtime = Some(RuntimeSituation { live: Bytes(other), overhead: Bytes(ceiling) });
                situation.gc_percent = Some(u32::MAX);
                let _ = advice(&situation);
                situation.memory_limit = Some(Bytes(other));
                let _ = advice(&situation);
                situation.minor = Some(12);
                let _ = advice(&situation);
            }
        }
    }
}
