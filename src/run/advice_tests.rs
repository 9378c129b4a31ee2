//! Budgets and advice on a run that is made up.

use super::*;
use crate::monitor::kill_report::Confidence;
use crate::run::fixture;
use crate::run::report::{Budget, Exit};
use crate::run::squeeze::Squeeze;

#[test]
fn sizes_are_rounded_up_to_what_people_write() {
    for (mib, expected) in [(1, 1), (7, 7), (130, 160), (171, 192), (700, 768), (1025, 1280)] {
        let rounded = round_up(Bytes::from_mib(mib));
        assert!(rounded >= Bytes::from_mib(mib) && rounded.0.is_multiple_of(1 << 20));
        assert_eq!(rounded, Bytes::from_mib(expected), "{mib}");
    }
}

fn advised(report: &RunReport, what: &str) -> Option<String> {
    advise(report, false).into_iter().find(|advice| advice.what.starts_with(what)).map(|advice| advice.why)
}

/// 57 MiB are others', 9 were there before, the four added 112: three need 57 + 9 + 84 of 192.
#[test]
fn fewer_tests_at_once_are_advised_by_what_they_held_together() {
    let mut report = fixture::report();
    let why = advised(&report, "go test -parallel 3").expect("advised");
    let expected = "4 tests of example.com/goleak/a ran together when it held 121M, 112M more than before them; if they hold \
                    alike, 3 at once need at least 150M of 192M";
    assert_eq!(why, expected);
    if let Some(room) = &mut report.room {
        room.limit = Bytes::from_mib(100);
    }
    assert!(advised(&report, "go test -parallel 1").is_some());
    // Not where even one would not have fitted, nor where they added little, nor where one ran alone.
    if let Some(room) = &mut report.room {
        room.limit = Bytes::from_mib(70);
    }
    assert_eq!(advised(&report, "go test -parallel"), None);
    let mut report = fixture::report();
    report.tests.iter_mut().for_each(|test| test.before = Some(Bytes::from_mib(100)));
    assert_eq!(advised(&report, "go test -parallel"), None);
    let mut report = fixture::report();
    report.tests.truncate(3);
    assert_eq!(advised(&report, "go test -parallel"), None);
}

#[test]
fn a_limit_of_go_that_leaves_no_room_is_told() {
    let mib = Bytes::from_mib;
    let mut report = fixture::report();
    let squeeze =
        Squeeze { limit: mib(20), live: mib(25), collections: 90, time: Duration::from_secs(3), cpu_percent: None };
    report.processes[0].squeeze = Some(squeeze);
    assert_eq!(
        advised(&report, "a GOMEMLIMIT of 40MiB or more").as_deref(),
        Some(
            "example.com/goleak/a: 25.0M live under a GOMEMLIMIT of 20.0M, 90 collections in 3s; that may have made it slow"
        )
    );
    assert_eq!(advised(&report, "GOMEMLIMIT="), None, "it has one already");
    report.processes[0].squeeze = Some(Squeeze { live: mib(150), ..squeeze });
    assert!(advised(&report, "more memory than 192M, or hold less").is_some());
}

#[test]
fn a_budget_per_test_is_one_of_tests_where_they_are_told() {
    let mib = Bytes::from_mib;
    let judged = |change: &dyn Fn(&mut RunReport)| {
        let mut report = fixture::report();
        report.budget = Some(Budget { per_test: Some(mib(100)), ..Budget::default() });
        change(&mut report);
        check_budget(&mut report);
        report.budget.map(|budget| budget.exceeded).unwrap_or_default()
    };
    // The parent of the four says nothing more.
    let of_tests = judged(&|_| ());
    assert_eq!(of_tests.len(), 4, "{of_tests:?}");
    let one =
        "example.com/goleak/a held 121M while TestLoad/1 with 3 others beside it ran, the budget of each test is 100M";
    assert!(of_tests.iter().any(|line| line == one), "{of_tests:?}");
    let of_binaries = judged(&|report| report.tests.clear());
    assert_eq!(of_binaries, ["example.com/goleak/a held 121M, the budget of each test binary is 100M"]);
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
        (told(Ok, well, &["a"], false), ("OVER BUDGET", 124, "a; exit status", 0)),
        (told(Ok, well, &["a", "b"], false), ("OVER BUDGET", 124, "a, and 1 more; exit status", 1)),
        (told(Ok, well, &["a"], true), ("OK", 0, "exit status", 1)),
        (told(Failed, badly, &["a"], false), ("FAILED", 1, "exit status", 1)),
        (told(OomKilledCgroup, badly, &["a"], false), ("KILLED BY THE OOM KILLER", 1, "exit status", 1)),
        (told(OomKilledCgroup, well, &[], false), ("OK, BUT THE OOM KILLER TOOK A PROCESS", 0, "exit status", 0)),
        (told(OomKilledCgroup, well, &["a"], false), ("OVER BUDGET", 124, "a; exit status", 0)),
    ] {
        assert_eq!((got.0, got.1, got.2.as_str(), got.3), expected);
    }
    assert_eq!(fixture::report().headline().1, Confidence::Certain);
}
