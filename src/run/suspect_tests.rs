//! Whom tests that are made up point at: alone, together, one after the other.

use proptest::prelude::*;

use super::*;
use crate::run::fixture::{Told, killed, told};

/// What `look` says of these, when the test of the package was taken with 145 MiB.
fn look(groups: &[&[Told]]) -> (String, String) {
    let mut report = killed(160, &[("a.test", Phase::Test, 145), ("go", Phase::Go, 15)], &[]);
    report.tests = told(groups);
    report.sight.tests_asked = true;
    let advice = advice(&report).expect("somebody kept it");
    (advice.what, advice.why)
}

#[test]
fn what_tests_that_ran_together_kept_is_counted_once() {
    let parent = ("TestQuery", 5, 85, Some(85));
    let subtests = [parent, ("TestQuery/a", 5, 85, Some(85)), ("TestQuery/b", 5, 85, Some(85))];
    let (what, why) = look(&[&subtests, &[("TestNext", 85, 145, None)]]);
    assert_eq!(what, "look at TestQuery of example.com/goleak/a first");
    assert_eq!(why, "2 of its subtests kept 80.0M of the 145M");
    // Three at once are not three times as much; one after the other each kept its own.
    let three = [("TestA", 5, 95, Some(95)), ("TestB", 5, 95, Some(95)), ("TestC", 5, 95, Some(95))];
    let (what, why) = look(&[&three, &[("TestNext", 95, 145, None)]]);
    assert_eq!(what, "look first at TestA, TestB, TestC of example.com/goleak/a");
    assert_eq!(why, "90.0M of the 145M came while they ran, together");
    let three = [("TestA", 5, 45, Some(45)), ("TestB", 45, 85, Some(85)), ("TestC", 85, 125, Some(125))];
    let (what, why) = look(&[&three[..1], &three[1..2], &three[2..], &[("TestNext", 125, 145, None)]]);
    assert_eq!(what, "look at what the tests of example.com/goleak/a keep");
    assert_eq!(why, "3 tests kept 120M of the 145M together, TestC the most (40.0M)");
}

#[test]
fn who_ran_beside_the_one_that_kept_it_is_named_with_it_and_nobody_alone() {
    let group = [("TestHog", 5, 120, Some(118)), ("TestIdle", 5, 120, Some(120))];
    let (what, why) = look(&[&group, &[("TestNext", 120, 145, None)]]);
    assert_eq!(what, "look first at TestHog, TestIdle of example.com/goleak/a");
    assert_eq!(why, "115M of the 145M came while they ran, together");
    // One came to its end, the other did not.
    let (what, _) = look(&[&[("TestHog", 5, 145, None), ("TestIdle", 5, 145, Some(140))]]);
    assert_eq!(what, "look first at TestHog, TestIdle of example.com/goleak/a");
    // Who was over before is no suspect, whatever it did.
    let (what, _) = look(&[&[("TestFirst", 5, 100, Some(5))], &[("TestHog", 5, 145, None)]]);
    assert_eq!(what, "look at TestHog of example.com/goleak/a first");
}

#[test]
fn the_run_to_ask_again_is_the_one_that_died_and_its_limit_is_not_rounded() {
    let mut report = killed(1234, &[("a.test", Phase::Test, 1200)], &[]);
    let what = |report: &RunReport| advice(report).expect("tests were not asked").command.expect("it can be asked");
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().into()).collect();
    report.command = words("env GOFLAGS=-mod=mod go -C src test -race -tags=x -run ^Test(A|B)$ ./...");
    let expected = "oomtop run --tests --memory-max 1234M -- env GOFLAGS=-mod=mod go -C src test -race -tags=x -run \
                    '^Test(A|B)$' ./...";
    assert_eq!(what(&report), expected);
    report.command = words("make check");
    assert_eq!(what(&report), "oomtop run --tests --memory-max 1234M -- go test example.com/goleak/a");
}

proptest! {
    /// Together or one after the other: nobody brought or kept more than was held.
    #[test]
    fn no_suspect_kept_more_than_was_held(
        held in 1..300_u64,
        groups in proptest::collection::vec(
            proptest::collection::vec((0..6_usize, 0..200_u64, 0..300_u64, proptest::option::of(0..300_u64)), 1..5),
            0..5,
        ),
    ) {
        const NAMES: [&str; 6] = ["TestA", "TestA/x", "TestA/y", "TestB", "TestC", "TestC/x"];
        let groups: Vec<Vec<Told>> = groups
            .iter()
            .map(|group| group.iter().map(|(name, before, peak, after)| (NAMES[*name], *before, *peak, *after)).collect())
            .collect();
        let mut report = killed(300, &[("a.test", Phase::Test, held)], &[]);
        report.tests = told(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
        report.sight.tests_asked = true;
        let why = advice(&report).map(|advice| advice.why).unwrap_or_default();
        let size = |word: &str| word.trim_matches(['(', ')', ',']).strip_suffix('M')?.parse::<f64>().ok();
        prop_assert!(why.split(' ').filter_map(size).all(|size| size <= held as f64), "{held}: {why}");
    }
}
