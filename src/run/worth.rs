//! Which processes and which tests are worth one of the few lines of a table: those that went wrong whatever they held, then
//! those that held the most. Refuses to leave out silently: who is not shown is counted.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::units::{Bytes, counted};

use super::per_test::TestMemory;
use super::phase::Phase;
use super::report::{Exit, ProcessLine};

/// What is smaller than this is not worth a line.
pub const SMALL: Bytes = Bytes::from_mib(1);
/// How many lines of a table are kept for what is no test.
const OTHERS: usize = 5;

/// Those that are worth one of so many lines, of a list with the biggest first: who was killed leads, then they stand by size.
/// The tests are what was asked about: they are shown before bigger compilers, and have half of the lines at least. Of the
/// others only those that held an eighth of what the biggest did.
#[must_use]
pub fn processes(all: &[ProcessLine], lines: usize) -> Vec<&ProcessLine> {
    let peak = |process: &ProcessLine| process.peak.map(|(peak, _)| peak);
    let (mut rows, rest): (Vec<_>, Vec<_>) = all.iter().partition(|process| went_wrong(process));
    rows.sort_by_key(|process| Reverse((was_killed(process), peak(process))));
    let enough = all.iter().filter_map(peak).max().map_or(SMALL, |biggest| SMALL.max(Bytes(biggest.0 / 8)));
    let (tests, others): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .filter(|process| peak(process) >= Some(if process.phase == Phase::Test { SMALL } else { enough }))
        .partition(|process| process.phase == Phase::Test);
    rows.truncate(lines.saturating_sub(tests.len() + others.len()).max(lines.div_ceil(2)));
    let room = lines - rows.len();
    rows.extend(tests.into_iter().take(room.saturating_sub(others.len().min(OTHERS).min(room / 2))));
    let room = lines - rows.len();
    rows.extend(others.into_iter().take(room));
    rows.sort_by_key(|process| Reverse((was_killed(process), peak(process))));
    rows
}

fn was_killed(process: &ProcessLine) -> bool {
    process.exit == Some(Exit::Signal(9))
}

/// Whoever runs tests runs programs that are meant to fail, too.
fn went_wrong(process: &ProcessLine) -> bool {
    let is_work = !matches!(process.phase, Phase::Go | Phase::Other);
    was_killed(process) || is_work && process.exit.is_some_and(|exit| exit != Exit::Code(0))
}

/// The tests that are worth one of so many lines: those first that did not come to their end, then those that failed, then
/// those that kept the most; and who else there was, in words.
#[must_use]
pub fn tests(all: &[TestMemory], lines: usize) -> (Vec<&TestMemory>, Option<String>) {
    let came = |test: &TestMemory| if test.result.is_none() { test.took() } else { test.kept() };
    let parents = failed_parents(all);
    let is_wrong = |test: &TestMemory| test.has_failed() && !parents.contains(&(&*test.package, &*test.test));
    let (mut wrong, mut rest): (Vec<_>, Vec<_>) = all.iter().partition(|test| is_wrong(test));
    rest.retain(|test| test.peak.is_some_and(|peak| peak >= SMALL));
    wrong.sort_by_key(|test| Reverse((test.result.is_none(), came(test), test.took())));
    rest.sort_by_key(|test| Reverse((test.result.is_none(), came(test), test.took())));
    wrong.truncate(lines.saturating_sub(rest.len()).max(lines.div_ceil(2)));
    let rows: Vec<_> = wrong.into_iter().chain(rest).take(lines).collect();
    let others = all.len() - rows.len();
    let failed = |tests: &mut dyn Iterator<Item = &TestMemory>| tests.filter(|test| is_wrong(test)).count();
    let hidden = failed(&mut all.iter()) - failed(&mut rows.iter().copied());
    let failed = if hidden > 0 { format!(", {hidden} of which failed") } else { String::new() };
    let words = (others > 0).then(|| counted(others, ["other test", "other tests"]) + &failed);
    (rows, words)
}

/// Tests that failed, at least because one below them did.
pub(super) fn failed_parents(all: &[TestMemory]) -> HashSet<(&str, &str)> {
    all.iter().filter(|test| test.has_failed()).flat_map(TestMemory::above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{self, told};
    use crate::run::per_test::Tests;
    use crate::run::watched::PeakSource;
    use crate::units::Timestamp;

    fn made(phase: Phase, mib: u64, exit: Option<Exit>) -> ProcessLine {
        fixture::process(7, phase, None, "x", mib, exit)
    }

    #[test]
    fn the_biggest_test_has_a_line_however_few_there_are() {
        let mut all = vec![made(Phase::Test, 265, None)];
        all.extend([84, 83, 82, 81, 80, 37].map(|mib| made(Phase::Link, mib, None)));
        for lines in 1..8 {
            let shown = processes(&all, lines);
            assert_eq!(shown.len(), lines);
            assert_eq!(shown[0].phase, Phase::Test, "{lines}");
        }
    }

    #[test]
    fn who_was_killed_leads_who_failed_is_there_and_the_small_are_folded() {
        let mut unseen = made(Phase::Test, 0, Some(Exit::Code(1)));
        unseen.peak = None;
        let all = [
            made(Phase::Link, 300, Some(Exit::Code(0))),
            made(Phase::Test, 100, Some(Exit::Signal(9))),
            made(Phase::Compile, 36, Some(Exit::Code(0))),
            made(Phase::Test, 3, Some(Exit::Code(0))),
            made(Phase::Other, 2, Some(Exit::Code(1))),
            unseen,
        ];
        let shown: Vec<_> = processes(&all, 15).iter().map(|process| (process.phase, process.peak)).collect();
        let peak = |mib| Some((Bytes::from_mib(mib), PeakSource::Taskstats));
        let expected =
            [(Phase::Test, peak(100)), (Phase::Link, peak(300)), (Phase::Test, peak(3)), (Phase::Test, None)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn who_was_killed_is_there_however_many_failed_and_no_line_stays_empty() {
        let mut all: Vec<_> = (0..9).map(|_| made(Phase::Test, 100, Some(Exit::Code(1)))).collect();
        all.push(made(Phase::Test, 50, Some(Exit::Signal(9))));
        for lines in 1..=15 {
            let shown = processes(&all, lines);
            assert_eq!(shown.len(), lines.min(all.len()), "{lines}");
            assert!(was_killed(shown[0]), "{lines}");
        }
    }

    #[test]
    fn a_test_that_failed_is_there_whatever_it_held() {
        let mut all = told(&[&[("TestBig", 5, 90, Some(90))], &[("TestCut", 90, 95, None)]]);
        let mut others = Tests::default();
        for name in ["TestA", "TestA/x", "TestB", "TestC"] {
            others.take("run", "m/b", name, Timestamp::from_secs(3), None);
        }
        for (name, result) in [("TestA/x", "fail"), ("TestA", "fail"), ("TestB", "pass"), ("TestC", "fail")] {
            others.take(result, "m/b", name, Timestamp::from_secs(4), None);
        }
        all.extend(others.into_all());
        let names = |lines| {
            let (rows, others) = tests(&all, lines);
            (rows.iter().map(|test| &*test.test).collect::<Vec<_>>(), others.unwrap_or_default())
        };
        assert_eq!(names(15), (vec!["TestCut", "TestA/x", "TestC", "TestBig"], "2 other tests".into()));
        assert_eq!(names(3), (vec!["TestCut", "TestA/x", "TestBig"], "3 other tests, 1 of which failed".into()));
    }
}
