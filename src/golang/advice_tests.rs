//! What is advised in which situation, and where nothing may be said.

use super::*;

fn mib(count: u64) -> Bytes {
    Bytes(count * MIB)
}

fn under(limit: u64, kind: CeilingKind) -> Situation {
    Situation {
        minor: Some(26),
        ceiling: Some(Ceiling { label: "docker 4f2a91".into(), bytes: mib(limit), kind }),
        others: Some(Bytes(0)),
        gc_percent: Some(100),
        source: Source::Runtime(RuntimeSituation { live: mib(60), overhead: mib(8) }),
        ..Situation::default()
    }
}

/// What is to be set, or what is to be done where nothing can be set.
fn told(situation: &Situation) -> Vec<String> {
    advice(situation).into_iter().flatten().map(|advice| advice.set.unwrap_or(advice.what)).collect()
}

#[test]
fn situations_and_what_to_set() {
    use CeilingKind::{Kill, Machine, Throttle};
    let limited = |limit, kind, own| Situation { memory_limit: Some(mib(own)), ..under(limit, kind) };
    let live = |megabytes, situation| Situation {
        source: Source::Runtime(RuntimeSituation { live: mib(megabytes), overhead: mib(8) }),
        ..situation
    };
    let started = |heap, situation| Situation { source: Source::Environment { heap: mib(heap) }, ..situation };
    let unknown = |situation| Situation { source: Source::Unknown, ..situation };
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
            vec!["raise the limit of docker 4f2a91 to 648M or use less memory"],
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
            Situation { others: Some(mib(212)), ..limited(512, Kill, 460) },
            vec!["GOMEMLIMIT=270MiB"],
        ),
        ("collects all the time, with room", live(180, limited(512, Kill, 190)), vec!["GOMEMLIMIT=460MiB"]),
        (
            "collects all the time, without",
            live(440, limited(512, Kill, 460)),
            vec!["raise the limit of docker 4f2a91 to 620M or use less memory"],
        ),
        ("off", Situation { gc_percent: None, ..under(512, Kill) }, vec!["GOMEMLIMIT=460MiB"]),
        ("off on a machine", Situation { gc_percent: None, ..under(16_384, Machine) }, vec!["GOMEMLIMIT=14745MiB"]),
        ("off, with a limit", Situation { gc_percent: None, ..limited(512, Kill, 460) }, vec![]),
        ("Go 1.15 that fits", Situation { minor: Some(15), ..under(512, Kill) }, vec![]),
        ("Go 1.15 that does not", Situation { minor: Some(15), ..live(300, under(512, Kill)) }, vec!["GOGC=50"]),
        ("without numbers, unset", started(60, under(512, Kill)), vec!["GOMEMLIMIT=460MiB"]),
        ("without numbers, above", started(60, limited(512, Kill, 600)), vec!["GOMEMLIMIT=460MiB"]),
        ("without numbers, right", started(60, limited(512, Kill, 400)), vec![]),
        (
            "without numbers, a heap above the target",
            Situation { others: Some(mib(212)), ..started(290, limited(512, Kill, 400)) },
            vec![],
        ),
        ("without numbers, a heap above all", started(600, under(512, Kill)), vec![]),
        (
            "without numbers, off",
            Situation { gc_percent: None, ..started(60, under(512, Kill)) },
            vec!["GOMEMLIMIT=460MiB"],
        ),
        ("others unknown", Situation { others: None, ..limited(512, Kill, 600) }, vec![]),
        ("neither numbers nor environment", unknown(under(512, Kill)), vec![]),
        ("neither, with GOGC off", Situation { gc_percent: None, ..unknown(under(512, Kill)) }, vec![]),
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
    let advice = advice(&situation).expect("all is known");
    let [advice] = &advice[..] else { panic!("one") };
    assert_eq!(advice.what, "set GOMEMLIMIT=79MiB");
    assert_eq!(
        advice.why,
        "with GOGC=100 the heap grows from 60.0M live to 120M before it is collected, 168M in all: the limit of \
         docker 4f2a91 is 128M, of which 40.0M are not the Go runtime's"
    );
}

#[test]
fn only_what_was_judged_may_fit() {
    let right = Situation { memory_limit: Some(mib(460)), ..under(512, CeilingKind::Kill) };
    let environment = Source::Environment { heap: mib(60) };
    for (what, situation, judged) in [
        ("by its numbers", right.clone(), Some(vec![])),
        ("nothing above it", Situation { ceiling: None, ..right.clone() }, None),
        ("others unknown", Situation { others: None, ..right.clone() }, None),
        ("only as it was started", Situation { source: environment, ..right.clone() }, None),
        ("nothing known", Situation { source: Source::Unknown, ..right }, None),
    ] {
        assert_eq!(advice(&situation), judged, "{what}");
    }
    let started = Situation { source: environment, ..under(512, CeilingKind::Kill) };
    let told = advice(&started).expect("it should be set");
    assert!(told[0].why.starts_with("it is not set in its environment: "), "{told:?}");
    let changed = Situation { memory_limit: Some(mib(600)), ..started };
    let told = advice(&changed).expect("it should be lower");
    assert!(told[0].why.starts_with("GOMEMLIMIT=600MiB in its environment is not below "), "{told:?}");
}

#[test]
fn no_sizes_make_it_panic() {
    let sizes = [0, 1, MIB, u64::MAX / 2, u64::MAX];
    for ceiling in sizes {
        for other in sizes {
            let mut situation = under(1, CeilingKind::Kill);
            situation.ceiling.as_mut().expect("set").bytes = Bytes(ceiling);
            situation.others = Some(Bytes(other));
            situation.source = Source::Environment { heap: Bytes(ceiling) };
            let _ = advice(&situation);
            situation.source = Source::Runtime(RuntimeSituation { live: Bytes(other), overhead: Bytes(ceiling) });
            situation.gc_percent = Some(u32::MAX);
            let _ = advice(&situation);
            situation.memory_limit = Some(Bytes(other));
            let _ = advice(&situation);
            situation.minor = Some(12);
            let _ = advice(&situation);
        }
    }
}
