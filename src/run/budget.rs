//! What was held against what was promised: for the whole tree, and for each test or test binary. Refuses to accuse a test of
//! what its process held before it began.

use crate::text::printable;
use crate::units::{Bytes, counted};

use super::per_test::TestMemory;
use super::phase::Phase;
use super::report::{ProcessLine, RunReport};

/// Who exceeds a budget is named, up to so many.
const NAMED: usize = 20;

/// Compares what was held with what was promised.
pub(super) fn check(report: &mut RunReport) {
    let Some(mut budget) = report.budget.take() else { return };
    if let (Some(limit), Some(peak)) = (budget.tree, &report.peak) {
        let charged = report.room.as_ref().filter(|room| room.is_own).and_then(|room| room.peak);
        let held = charged.map_or(peak.total, |charged| charged.min(peak.total));
        let is_one_enough = report.processes.iter().any(|process| process.peak.is_some_and(|(peak, _)| peak > limit));
        budget.is_by_sum = charged.is_none() && !is_one_enough && held > limit;
        let sum = if budget.is_by_sum { " (what processes share is counted in each)" } else { "" };
        if held > limit {
            budget.exceeded.push(format!("the whole tree held {held}{sum}, the budget is {limit}"));
        }
    }
    if let Some(limit) = budget.per_test {
        let tests = tests_over(report, limit);
        let binaries = binaries_over(report, limit, &tests);
        let over: Vec<_> = tests.iter().map(|test| sentence(test, limit)).chain(binaries).collect();
        let rest = over.len().saturating_sub(NAMED);
        budget.exceeded.extend(over.into_iter().take(NAMED));
        if rest > 0 {
            budget.exceeded.push(format!("so did {}", counted(rest, ["other", "others"])));
        }
    }
    report.budget = Some(budget);
}

/// Test binaries that exceed it, and none of whose tests is told to: what is done at their start, between two tests, or too
/// fast for a look, is held all the same.
fn binaries_over(report: &RunReport, limit: Bytes, tests: &[&TestMemory]) -> Vec<String> {
    let is_told = |process: &ProcessLine| tests.iter().any(|test| Some(&test.package) == process.package.as_ref());
    let binaries = report.processes.iter().filter(|process| process.phase == Phase::Test && !is_told(process));
    let over = binaries.filter_map(|process| Some((process, process.peak?.0))).filter(|(_, peak)| *peak > limit);
    let budget = if report.tests.is_empty() {
        ", the budget of each test binary is"
    } else {
        ", and no test was seen to bring it there; the budget of each test is"
    };
    over.map(|(process, peak)| format!("{} held {peak}{budget} {limit}", process.subject())).collect()
}

/// It brought its process above the limit, or took more than that by itself. Whoever runs when the process is above it
/// already, for what an earlier test kept, does not; what tests that ran together took then is that of none of them.
fn is_over(test: &TestMemory, limit: Bytes) -> bool {
    let Some(peak) = test.peak.filter(|peak| *peak > limit) else { return false };
    let Some(before) = test.before else { return true };
    before <= limit || test.beside.is_empty() && peak.saturating_sub(before) > limit
}

/// A test above a test that exceeds it says nothing more.
fn tests_over(report: &RunReport, limit: Bytes) -> Vec<&TestMemory> {
    let mut over: Vec<_> = report.tests.iter().filter(|test| is_over(test, limit)).collect();
    let all = over.clone();
    over.retain(|test| !all.iter().any(|other| other.is_below(test)));
    over.sort_by_key(|test| std::cmp::Reverse(test.took()));
    over
}

fn sentence(test: &TestMemory, limit: Bytes) -> String {
    let beside = match test.beside.len() {
        0 => String::new(),
        count => format!(" with {} beside it", counted(count, ["other", "others"])),
    };
    let before = match test.before {
        Some(before) => format!(": the process already held {before} before it"),
        None => String::new(),
    };
    let [package, name] = [&test.package, &test.test].map(|text| printable(text.as_bytes()));
    let peak = test.peak.unwrap_or_default();
    format!("{package} held {peak} while {name} ran{beside}{before}; the budget of each test is {limit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::kill_report::Confidence;
    use crate::run::fixture;
    use crate::run::per_test::Tests;
    use crate::run::report::{Budget, Exit, Room, VerdictKind};
    use crate::units::Timestamp;

    fn exceeded(change: &dyn Fn(&mut RunReport)) -> Vec<String> {
        let mut report = fixture::report();
        report.budget = Some(Budget { per_test: Some(Bytes::from_mib(100)), ..Budget::default() });
        change(&mut report);
        check(&mut report);
        report.budget.map(|budget| budget.exceeded).unwrap_or_default()
    }

    /// A process of 100 MiB that forks four times holds 100 MiB, and all RSS together are five times as much.
    #[test]
    fn memory_shared_after_a_fork_is_no_certain_excess() {
        let mut report = fixture::report();
        report.exit = Some(Exit::Code(0));
        let total = report.peak.as_ref().expect("a peak").total;
        let biggest = report.processes.iter().filter_map(|process| Some(process.peak?.0)).max().expect("a process");
        let limit = Bytes(u64::midpoint(total.0, biggest.0));
        for (charged, headline, told) in [
            (None, ("OVER BUDGET", Confidence::Likely), 1),
            (Some(biggest), ("OK", Confidence::Certain), 0),
            (Some(total), ("OVER BUDGET", Confidence::Certain), 1),
        ] {
            let mut report = report.clone();
            report.verdict.kind = VerdictKind::Ok;
            report.verdict.confidence = Confidence::Certain;
            report.room = Some(Room { is_own: true, peak: charged, ..fixture::room() });
            report.budget = Some(Budget { tree: Some(limit), ..Budget::default() });
            check(&mut report);
            assert_eq!(report.headline(), headline, "{charged:?}");
            assert_eq!(report.budget.expect("there").exceeded.len(), told, "{charged:?}");
        }
    }

    #[test]
    fn a_budget_per_test_is_one_of_tests_where_they_are_told() {
        // The parent of the four says nothing more.
        let of_tests = exceeded(&|_| ());
        assert_eq!(of_tests.len(), 4, "{of_tests:?}");
        let one = "example.com/goleak/a held 121M while TestLoad/1 ran with 3 others beside it: the process already held \
                   9.00M before it; the budget of each test is 100M";
        assert!(of_tests.iter().any(|line| line == one), "{of_tests:?}");
        let of_binaries = exceeded(&|report| report.tests.clear());
        assert_eq!(of_binaries, ["example.com/goleak/a held 121M, the budget of each test binary is 100M"]);
    }

    #[test]
    fn a_binary_above_the_budget_of_tests_is_told_where_no_test_brought_it_there() {
        // TestMain loads 200 MiB before the first test, a goroutine grows between two of them, nobody could look in time.
        let cases = [(Some(210), Some(211), Some(210)), (Some(10), Some(12), Some(11)), (None, None, None)];
        for (before, peak, after) in cases {
            let told = exceeded(&|report| {
                let mib = |mib: Option<u64>| mib.map(Bytes::from_mib);
                let mut tests = Tests::default();
                tests.take("run", "m/a", "TestOne", Timestamp::from_secs(1), mib(before));
                if let Some(peak) = mib(peak) {
                    tests.observe("m/a", peak);
                }
                tests.take("pass", "m/a", "TestOne", Timestamp::from_secs(2), mib(after));
                report.tests = tests.into_all();
                report.processes = vec![fixture::process(7, Phase::Test, Some("m/a"), "a.test", 211, None)];
            });
            let line = "m/a held 211M, and no test was seen to bring it there; the budget of each test is 100M";
            assert_eq!(told, [line], "{before:?} {peak:?}");
        }
    }

    /// `TestMain` holds 94 MiB of the 60 that each may have; then two take 20 and 50 together.
    #[test]
    fn what_tests_that_ran_together_took_is_that_of_none_of_them() {
        let found = exceeded(&|report| {
            report.budget = Some(Budget { per_test: Some(Bytes::from_mib(60)), ..Budget::default() });
            report.tests = fixture::told(&[&[("TestPar1", 94, 164, Some(94)), ("TestPar2", 94, 164, Some(94))]]);
            let package = report.tests[0].package.clone();
            report.processes = vec![fixture::process(7, Phase::Test, Some(&package), "a.test", 164, None)];
        });
        let line =
            "example.com/goleak/a held 164M, and no test was seen to bring it there; the budget of each test is 60.0M";
        assert_eq!(found, [line]);
    }

    /// A test with MiB before it, at the most and after it.
    type Looks = (&'static str, u64, u64, u64);

    /// Tests one after the other, and who of them exceeds 100.
    #[test]
    fn who_runs_after_a_leak_is_not_accused_of_it() {
        let cases: [(&[Looks], &[&str]); 4] = [
            (&[("TestLeak", 10, 210, 210), ("TestNext", 210, 215, 210), ("TestLast", 210, 210, 210)], &["TestLeak"]),
            (&[("TestLeak", 10, 110, 110), ("TestHuge", 110, 230, 110)], &["TestHuge", "TestLeak"]),
            (&[("TestSome", 10, 90, 90), ("TestMore", 90, 120, 90)], &["TestMore"]),
            (&[("TestBig", 5, 100, 5), ("TestBigger", 5, 101, 5)], &["TestBigger"]),
        ];
        for (looks, expected) in cases {
            let found = exceeded(&|report| {
                let (mut tests, mut second) = (Tests::default(), 0);
                for (name, before, peak, after) in looks {
                    let mib = |mib: u64| Some(Bytes::from_mib(mib));
                    second += 2;
                    tests.take("run", "m/a", name, Timestamp::from_secs(second), mib(*before));
                    tests.observe("m/a", Bytes::from_mib(*peak));
                    tests.take("pass", "m/a", name, Timestamp::from_secs(second + 1), mib(*after));
                }
                report.tests = tests.into_all();
                let most = looks.iter().map(|looks| looks.2).max().unwrap_or_default();
                report.processes = vec![fixture::process(7, Phase::Test, Some("m/a"), "a.test", most, None)];
            });
            let named: Vec<_> = found.iter().map(|line| line.split(' ').nth(4).unwrap_or_default()).collect();
            assert_eq!(named, expected, "{looks:?}: {found:#?}");
        }
    }
}
