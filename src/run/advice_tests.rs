//! Advice on runs that are made up: a table of situations, and what nothing may break.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::monitor::kill_report::Confidence;
use crate::run::fixture::{self, Told, killed};
use crate::run::go_held::GoHeld;
use crate::run::report::Budget;
use crate::run::squeeze::Squeeze;
use crate::units::Timestamp;

fn mib(mib: u64) -> Bytes {
    Bytes::from_mib(mib)
}

#[test]
fn sizes_are_rounded_up_to_steps_of_an_eighth_at_the_most() {
    for (size, expected, step) in
        [(1, 1, 1), (7, 7, 1), (130, 144, 16), (171, 176, 16), (700, 704, 64), (2222, 2304, 256)]
    {
        let Rounded { size: rounded, step: by } = round_up(mib(size));
        assert_eq!((rounded, by), (mib(expected), mib(step)), "{size}");
    }
}

/// The same, and nobody was taken.
fn well(limit: u64, held: &[(&str, Phase, u64)]) -> RunReport {
    let mut report = killed(limit, held, &[]);
    report.verdict.kind = VerdictKind::Ok;
    report.verdict.victim = None;
    report.exit = Some(Exit::Code(0));
    if let (Some(room), Some(peak)) = (&mut report.room, &report.peak) {
        room.peak = Some(peak.total);
    }
    report
}

fn changed(mut report: RunReport, change: impl FnOnce(&mut RunReport)) -> RunReport {
    change(&mut report);
    report
}

#[test]
fn every_situation_has_its_advice_in_the_order_of_use() {
    use Phase::{Compile, Go, Link, Other, Test};
    let alone = &[("a.test", Test, 145), ("go", Go, 15)][..];
    let beside = &[("a.test", Test, 100), ("b.test", Test, 90), ("go", Go, 15)][..];
    let learn = "oomtop run --memory-max 320M -- go test ./...";
    let collect = "GOMEMLIMIT=130MiB go test ./...";
    let ask = "oomtop run --tests --memory-max 160M -- go test ./...";
    let squeeze =
        Squeeze { limit: mib(20), live: mib(25), collections: 90, time: Duration::from_secs(3), cpu_percent: None };
    let tried = "use less memory: the GOMEMLIMIT of 112M did not help";
    let leak = "oomtop run --tests --memory-max 160M -- go test -run '^TestLeak$' ./...";
    let many = "oomtop run --tests --memory-max 160M -- go test -run '^TestMany$' ./...";
    let table: [(&str, RunReport, &[&str]); 26] = [
        ("a test alone, nothing told of it", killed(160, alone, &[]), &[ask, collect, learn]),
        (
            "one test came to no end",
            killed(160, alone, &[("TestFine", 5, 6, Some(6)), ("TestLeak", 6, 145, None)]),
            &[leak, collect, learn],
        ),
        (
            "an earlier test kept it",
            killed(160, alone, &[("TestLeak", 5, 120, Some(120)), ("TestNext", 120, 145, None)]),
            &[leak, collect, learn],
        ),
        (
            "many kept a little",
            killed(
                160,
                alone,
                &[
                    ("Test1", 5, 35, Some(35)),
                    ("Test2", 35, 70, Some(70)),
                    ("Test3", 70, 104, Some(104)),
                    ("Test4", 110, 145, None),
                ],
            ),
            &["look at what the tests of example.com/goleak/a keep", collect, learn],
        ),
        (
            "its subtests kept it",
            killed(
                160,
                alone,
                &[
                    ("TestMany", 5, 5, None),
                    ("TestMany/1", 5, 50, Some(50)),
                    ("TestMany/2", 50, 130, Some(130)),
                    ("TestMany/3", 130, 145, None),
                ],
            ),
            &[many, collect, learn],
        ),
        (
            "one subtest took it all",
            killed(
                160,
                alone,
                &[("TestMany", 5, 5, None), ("TestMany/1", 5, 6, Some(6)), ("TestMany/2", 6, 145, None)],
            ),
            &["oomtop run --tests --memory-max 160M -- go test -run '^TestMany$/^2$' ./...", collect, learn],
        ),
        (
            "two that ran together",
            killed(160, alone, &[("TestA", 5, 5, None), ("TestB", 5, 145, None)]),
            &["look first at TestA, TestB of example.com/goleak/a", "go test -parallel 1 ./...", learn],
        ),
        (
            "two packages: one at a time would have fitted",
            killed(200, beside, &[]),
            &[
                "go test -p 1 ./...",
                "oomtop run --tests --memory-max 200M -- go test ./...",
                "oomtop run --memory-max 400M -- go test ./...",
            ],
        ),
        (
            "two packages: one alone had nearly filled it, whatever ran beside",
            killed(160, &[("a.test", Test, 135), ("b.test", Test, 10), ("go", Go, 15)], &[]),
            &[ask, "GOMEMLIMIT=121MiB go test ./...", learn],
        ),
        (
            "with the race detector",
            changed(killed(160, alone, &[]), |report| report.left_out = 7777),
            &[ask, "run without -race where memory is short", collect],
        ),
        (
            "temporary files fill it",
            changed(killed(160, alone, &[]), |report| {
                if let Some(room) = &mut report.room {
                    room.shmem = Some(mib(60));
                }
            }),
            &["TMPDIR=/var/tmp go test ./...", ask, collect],
        ),
        (
            "a linker was taken",
            changed(killed(160, &[("link", Link, 120), ("go", Go, 25)], &[]), |report| {
                report.command = vec![b"make".as_slice().into()];
                report.processes[0].command = b"link -o shop -extldflags=-w".as_slice().into();
            }),
            &["GOFLAGS=\"${GOFLAGS:+$GOFLAGS }-ldflags=-w\" make", "oomtop run --memory-max 320M -- make"],
        ),
        (
            "a linker without debug information was taken",
            changed(killed(160, &[("link", Link, 120), ("go", Go, 25)], &[]), |report| {
                report.processes[0].command = b"link -o a.test -s -w -buildmode=exe".as_slice().into();
            }),
            &[learn],
        ),
        ("a linker was taken that nobody saw", killed(160, &[("link", Link, 120), ("go", Go, 25)], &[]), &[learn]),
        (
            "a compiler was taken beside another",
            killed(160, &[("compile", Compile, 70), ("compile", Compile, 60), ("go", Go, 25)], &[]),
            &["go test -p 1 ./...", learn],
        ),
        (
            "a linker survived, whatever it held",
            killed(160, &[("a.test", Test, 110), ("link", Link, 300), ("go", Go, 25)], &[]),
            &[ask, "GOMEMLIMIT=99MiB go test ./...", learn],
        ),
        (
            "a child of a test was taken",
            killed(160, &[("tail", Other, 120), ("a.test", Test, 15), ("go", Go, 15)], &[]),
            &["look at what the test of example.com/goleak/a starts", learn],
        ),
        (
            "in a cgroup of somebody else",
            changed(killed(160, alone, &[("TestLeak", 6, 145, None)]), |report| {
                if let Some(room) = &mut report.room {
                    room.is_own = false;
                }
            }),
            &[
                "oomtop run --tests -- go test -run '^TestLeak$' ./...",
                collect,
                "a limit of 320M, to see how much it needs",
            ],
        ),
        (
            "well, and near the limit",
            well(160, &[("a.test", Test, 70), ("b.test", Test, 60), ("go", Go, 15)]),
            &["go test -p 1 ./...", "oomtop run --memory-max 192M -- go test ./..."],
        ),
        ("well, with room", well(512, alone), &["oomtop run --budget 192M -- go test ./..."]),
        (
            "GOMEMLIMIT leaves the collector no room",
            changed(killed(160, alone, &[]), |report| report.processes[0].squeeze = Some(squeeze)),
            &[ask, "use less memory: the GOMEMLIMIT of 20.0M did not help", learn],
        ),
        (
            "GOMEMLIMIT leaves the collector no room, and nobody was taken",
            changed(well(512, alone), |report| report.processes[0].squeeze = Some(squeeze)),
            &["GOMEMLIMIT=40MiB go test ./...", "oomtop run --budget 192M -- go test ./..."],
        ),
        (
            "GOMEMLIMIT leaves the collector of another one no room",
            changed(killed(200, beside, &[]), |report| report.processes[1].squeeze = Some(squeeze)),
            &[
                "go test -p 1 ./...",
                "oomtop run --tests --memory-max 200M -- go test ./...",
                "oomtop run --memory-max 400M -- go test ./...",
            ],
        ),
        (
            "its memory was stacks of goroutines",
            changed(killed(160, alone, &[]), |report| {
                let held = GoHeld { at: Timestamp::default(), stacks: mib(100), heap: mib(30) };
                report.processes[0].held_in_stacks = Some(held);
            }),
            &["go test -timeout 900ms ./... 2>&1 | grep -A9 ^goroutine | head -100", ask, learn],
        ),
        (
            "it went above its GOMEMLIMIT",
            changed(killed(160, alone, &[]), |report| report.processes[0].go_memory_limit = Some(mib(112))),
            &[ask, tried, learn],
        ),
        (
            "it had a GOMEMLIMIT that is above the limit",
            changed(killed(160, alone, &[]), |report| report.processes[0].go_memory_limit = Some(mib(500))),
            &[ask, collect, learn],
        ),
    ];
    for (situation, report, expected) in table {
        let advice = advise(&report, report.left_out == 7777);
        let whats: Vec<_> = advice.iter().map(|advice| advice.command.as_deref().unwrap_or(&advice.what)).collect();
        assert_eq!(whats, expected, "{situation}: {advice:#?}");
    }
}

fn why(report: &RunReport, what: &str) -> String {
    let advice = advise(report, false);
    let found = advice.iter().find(|advice| advice.what.starts_with(what));
    found.map_or_else(|| panic!("{what}: {advice:#?}"), |advice| advice.why.clone())
}

#[test]
fn advice_gives_its_reasons_in_numbers_of_the_run() {
    let alone = &[("a.test", Phase::Test, 145), ("go", Phase::Go, 15)][..];
    let kept = killed(160, alone, &[("TestLeak", 5, 120, Some(120)), ("TestNext", 120, 145, None)]);
    assert_eq!(why(&kept, "look at"), "it took 115M of the 145M and kept it");
    let below = [("TestMany", 5, 5, None), ("TestMany/1", 5, 50, Some(50)), ("TestMany/2", 50, 130, Some(130))];
    assert_eq!(why(&killed(160, alone, &below), "look at"), "2 of its subtests kept 125M of the 145M");
    assert_eq!(why(&kept, "a limit of"), "it was cut off while it grew +61.0M/s: how much is enough is unknown");
    // 135 and 15 are 150, some of it pages that no limit counts: one at a time may have fitted in 140, and could not in 110.
    let beside =
        |limit| killed(limit, &[("a.test", Phase::Test, 135), ("b.test", Phase::Test, 10), ("go", Phase::Go, 15)], &[]);
    assert!(why(&beside(160), "a limit of").ends_with("how much is enough is unknown"));
    assert!(why(&beside(140), "a limit of").ends_with("how much is enough is unknown"));
    assert!(why(&beside(110), "a limit of").ends_with("; fewer at once would not have helped"));
    // 71 of the 192 MiB were others' then, 9 were there before, the four added 112: two would need 136, and a quarter more.
    assert_eq!(
        why(&fixture::report(), "2 tests of a package at a time"),
        "4 tests of example.com/goleak/a ran together when it held 121M, 112M more than before them; if they hold alike, \
         2 at once need at least 136M of 192M"
    );
    assert_eq!(
        why(&well(512, alone), "keep it"),
        "this run held at most 160M; a fifth more as margin, rounded up to the next 16.0M"
    );
}

#[test]
fn a_sum_of_rss_above_the_limit_leaves_the_others_what_they_were_seen_to_hold() {
    // 150 of 140 were the victim's: nothing is left of the limit for go, which held 20 all the same.
    let report = killed(140, &[("a.test", Phase::Test, 150), ("go", Phase::Go, 20)], &[]);
    let advice = advise(&report, false);
    assert_eq!(advice[1].command.as_deref(), Some("GOMEMLIMIT=108MiB go test ./..."), "{advice:#?}");
}

proptest! {
    /// Whatever was seen: few lines, none twice, none that says of another that it does not help.
    #[test]
    fn no_advice_contradicts_another(
        limit in 1..400_u64,
        sizes in proptest::collection::vec((0..6_usize, 0..300_u64), 1..6),
        tests in proptest::collection::vec((0..200_u64, 0..300_u64, proptest::option::of(0..300_u64)), 0..5),
        tried in proptest::option::of((1..400_u64, any::<bool>())),
        is_killed: bool,
        race: bool,
    ) {
        const PHASES: [Phase; 6] = [Phase::Go, Phase::Compile, Phase::Link, Phase::Vet, Phase::Test, Phase::Other];
        const NAMES: [&str; 5] = ["TestA", "TestB", "TestC", "TestC/x", "TestC/y"];
        let held: Vec<_> = sizes.iter().map(|(phase, size)| ("x", PHASES[*phase], *size)).collect();
        let told: Vec<Told> =
            NAMES.into_iter().zip(&tests).map(|(name, (before, peak, after))| (name, *before, *peak, *after)).collect();
        let mut report = if is_killed { killed(limit, &held, &told) } else { well(limit, &held) };
        for process in &mut report.processes {
            process.go_memory_limit = tried.map(|(tried, _)| mib(tried));
            process.squeeze = tried.filter(|(_, squeezed)| *squeezed).map(|(tried, _)| Squeeze {
                limit: mib(tried),
                live: mib(tried),
                collections: 90,
                time: Duration::from_secs(3),
                cpu_percent: None,
            });
        }
        let advice = advise(&report, race);
        // What was tried is not asked for again: a GOMEMLIMIT much below it is another thing, one above it no help.
        let limits = advice.iter().filter_map(|advice| {
            let is_asked = advice.what.starts_with("let the collector");
            advice.command.as_ref().filter(|_| is_asked)?.split_once("GOMEMLIMIT=")?.1.split_once('M')
        });
        for (asked, _) in limits {
            let asked: u64 = asked.parse().expect("MiB");
            prop_assert!(tried.is_none_or(|(tried, _)| asked <= tried / 4 * 3 + 3), "{tried:?}: {advice:#?}");
        }
        let more = advice.iter().any(|advice| advice.what.starts_with("a GOMEMLIMIT of"));
        prop_assert!(!(is_killed && more), "{advice:#?}");
        prop_assert!(advice.len() <= LINES);
        let fewer = advice.iter().filter(|advice| advice.what.ends_with("at a time")).count();
        let useless = advice.iter().any(|advice| advice.why.contains("would not have helped"));
        prop_assert!(fewer + usize::from(useless) <= 1, "{advice:#?}");
        for (place, one) in advice.iter().enumerate() {
            prop_assert!(advice[..place].iter().all(|other| other.what != one.what), "{advice:#?}");
            let repeats = |other: &Advice| one.command.is_some() && other.command == one.command;
            prop_assert!(!advice[..place].iter().any(repeats), "{advice:#?}");
        }
    }
}

#[test]
fn the_headline_and_the_status_say_the_same() {
    use VerdictKind::{Failed, Ok, OomKilledCgroup};
    let told = |kind, exit, exceeded: &[&str], warns_only| {
        let mut report = fixture::report();
        (report.verdict.kind, report.exit) = (kind, exit);
        report.verdict.summary = "exit status".into();
        let exceeded = exceeded.iter().map(|line| (*line).to_owned()).collect();
        report.budget = Some(Budget { exceeded, warns_only, ..Budget::default() });
        (
            report.headline().0,
            report.status().expect("is known"),
            report.summary().into_owned(),
            report.over_budget().count(),
        )
    };
    let (well, badly) = (Some(Exit::Code(0)), Some(Exit::Code(1)));
    for (got, expected) in [
        (told(Ok, well, &[], false), ("OK", 0, "exit status", 0)),
        (told(Ok, well, &["a"], false), ("OVER BUDGET", 124, "a; the command itself succeeded", 0)),
        (
            told(Ok, well, &["a", "b"], false),
            ("OVER BUDGET", 124, "a; 1 other budget was exceeded too; the command itself succeeded", 1),
        ),
        (told(Ok, well, &["a"], true), ("OK", 0, "exit status", 1)),
        (told(Failed, badly, &["a"], false), ("FAILED", 1, "exit status", 1)),
        (told(OomKilledCgroup, badly, &["a"], false), ("KILLED BY THE OOM KILLER", 1, "exit status", 1)),
        (told(OomKilledCgroup, well, &[], false), ("OK, BUT THE OOM KILLER KILLED A PROCESS", 0, "exit status", 0)),
        (told(OomKilledCgroup, well, &["a"], false), ("OVER BUDGET", 124, "a; exit status", 0)),
    ] {
        assert_eq!((got.0, got.1, got.2.as_str(), got.3), expected);
    }
    assert_eq!(fixture::report().headline().1, Confidence::Certain);
}
