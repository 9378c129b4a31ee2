//! Whom to look at first when something was taken: the test that took the most or kept it, a child that a test started.
//! Refuses to name one of several that ran together: they share what was held.

use crate::text::printable;
use crate::units::{Bytes, counted};

use super::advice::victim;
use super::per_test::TestMemory;
use super::phase::Phase;
use super::report::{Advice, ProcessLine, RunReport};

/// Where to look first.
pub(super) fn advice(report: &RunReport) -> Option<Advice> {
    let victim = victim(report)?;
    let package = victim.package.as_deref()?;
    match victim.phase {
        Phase::Test if report.sight.tests_asked => among_tests(report, victim, package),
        Phase::Test => Some(ask_for_tests(report, victim, package)),
        Phase::Other => Some(Advice {
            what: format!("look at what the test of {} starts", printable(package.as_bytes())),
            why: match victim.peak {
                Some((held, _)) => format!("{} held {held}, and not the test", printable(&victim.name)),
                None => format!("{} was taken, and not the test", printable(&victim.name)),
            },
        }),
        Phase::Go | Phase::Compile | Phase::Link | Phase::Vet => None,
    }
}

fn ask_for_tests(report: &RunReport, victim: &ProcessLine, package: &str) -> Advice {
    let limit = report.room.as_ref().filter(|room| room.is_own);
    let limit = limit.map_or_else(String::new, |room| format!("--memory-max {} ", room.limit));
    let held = victim.peak.map_or_else(|| "it".into(), |(held, _)| format!("the {held}"));
    Advice {
        what: format!("oomtop run --tests {limit}-- go test {}", printable(package.as_bytes())),
        why: format!("tells which of its tests took {held}"),
    }
}

/// What came with a test: what it kept, or where it did not end, all that it took.
fn share(test: &TestMemory) -> Bytes {
    let came = if test.result.is_some() { test.kept() } else { test.took() };
    came.unwrap_or_default()
}

fn among_tests(report: &RunReport, victim: &ProcessLine, package: &str) -> Option<Advice> {
    let (held, _) = victim.peak?;
    let tests: Vec<&TestMemory> = report.tests.iter().filter(|test| &*test.package == package).collect();
    let roots: Vec<&TestMemory> = tests.iter().copied().filter(|test| !test.test.contains('/')).collect();
    let worst = *roots.iter().max_by_key(|test| share(test))?;
    let named = |test: &TestMemory| format!("{} of {}", printable(test.test.as_bytes()), printable(package.as_bytes()));
    let many = many(&roots, held, package, share(worst));
    if many.is_some() || share(worst).0 < held.0 / 4 {
        return many;
    }
    let unfinished = |test: &&&TestMemory| test.result.is_none() && share(test).0 >= share(worst).0 / 4 * 3;
    let together: Vec<_> = roots.iter().filter(unfinished).collect();
    if worst.result.is_none() && together.len() > 1 {
        let names: Vec<_> = together.iter().take(3).map(|test| printable(test.test.as_bytes())).collect();
        let more = if together.len() > 3 { format!(" and {} more", together.len() - 3) } else { String::new() };
        return Some(Advice {
            what: format!("look first at {}{more} of {}", names.join(", "), printable(package.as_bytes())),
            why: format!("{} of the {held} came while they ran, together", share(worst)),
        });
    }
    let worst = narrowed(worst, &tests);
    let is_parent = |test: &TestMemory| tests.iter().any(|other| other.is_below(test));
    let below = tests.iter().filter(|test| test.is_below(worst) && !is_parent(test));
    let kept: Vec<Bytes> = below.filter_map(|test| test.kept()).collect();
    let kept_below = Bytes(kept.iter().map(|kept| kept.0).sum());
    let why = match (&worst.result, share(worst)) {
        (_, share) if kept_below.0 >= share.0 / 2 => {
            format!("{} of its subtests kept {kept_below} of the {held}", kept.len())
        }
        (Some(_), share) => format!("it took {share} and kept it, of the {held}"),
        (None, share) => format!("{share} of the {held} came while it ran"),
    };
    Some(Advice { what: format!("look at {} first", named(worst)), why })
}

/// From a test to the one below it with which nearly all of it came, as far as that is one.
fn narrowed<'a>(mut worst: &'a TestMemory, tests: &[&'a TestMemory]) -> &'a TestMemory {
    loop {
        let enough = share(worst).0 / 4 * 3;
        let below: Vec<_> = tests.iter().filter(|test| test.is_below(worst) && share(test).0 >= enough).collect();
        let mut next = below.iter().filter(|test| !below.iter().any(|other| test.is_below(other)));
        match (next.next(), next.next()) {
            (Some(only), None) => worst = only,
            _ => return worst,
        }
    }
}

/// All of them together kept far more than the worst one took.
fn many(roots: &[&TestMemory], held: Bytes, package: &str, worst: Bytes) -> Option<Advice> {
    let keepers: Vec<_> = roots.iter().filter_map(|test| Some((test, test.kept()?))).collect();
    let kept = Bytes(keepers.iter().map(|(_, kept)| kept.0).sum());
    let (most, by) =
        keepers.iter().max_by_key(|(_, kept)| *kept).filter(|_| kept.0 >= (held.0 / 4).max(worst.0 * 2))?;
    Some(Advice {
        what: format!("look at what the tests of {} keep", printable(package.as_bytes())),
        why: format!(
            "{} kept {kept} of the {held} together, {} the most ({by})",
            counted(keepers.len(), ["test", "tests"]),
            printable(most.test.as_bytes())
        ),
    })
}
