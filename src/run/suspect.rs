//! Whom to look at first when something was taken: the test that took the most or kept it, a child that a test started, goroutines that
//! never end.
//! Refuses to name one of several that ran together: they share what was held.

use std::collections::HashMap;

use crate::text::{first_few, printable};
use crate::units::{Bytes, counted};

use super::advice::victim;
use super::again;
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
                Some((held, _)) => format!("{} held {held}, not the test", printable(&victim.name)),
                None => format!("{} was killed, not the test", printable(&victim.name)),
            },
            command: None,
        }),
        Phase::Go | Phase::Compile | Phase::Link | Phase::Vet => None,
    }
}

/// What it held were stacks: where goroutines wait says a dump of all of them, which a test makes when it takes too long.
pub(super) fn goroutines(report: &RunReport) -> Option<Advice> {
    let victim = victim(report)?;
    let stacks = victim.held_in_stacks?.stacks;
    let why = format!("{stacks} were stacks");
    if victim.phase != Phase::Test {
        let what = "look at its goroutine profile (net/http/pprof: /debug/pprof/goroutine?debug=1)".into();
        return Some(Advice { what, why, command: None });
    }
    let half = victim.ended?.saturating_sub(victim.started) / 2;
    let timeout = match half.as_secs() {
        0 | 1 => format!("{}ms", half.as_millis() / 100 * 100),
        seconds => format!("{seconds}s"),
    };
    let dumps = again::with_flag(report, "-timeout", &timeout);
    Some(Advice {
        what: "see where its goroutines wait: let a timeout come before its end".into(),
        why,
        command: dumps.map(|command| format!("{command} 2>&1 | grep -A9 ^goroutine | head -100")),
    })
}

fn ask_for_tests(report: &RunReport, victim: &ProcessLine, package: &str) -> Advice {
    let held = victim.peak.map_or_else(|| "it".into(), |(held, _)| format!("the {held}"));
    Advice {
        what: format!("find out which of its tests took {held}"),
        why: format!("the test binary of {} was killed", printable(package.as_bytes())),
        command: Some(again::told_by_tests(report, package, None)),
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
    // What came with it came with all that ran beside it, and nobody knows whose it is.
    let is_worst = |test: &TestMemory| std::ptr::eq(test, worst);
    let shares = |test: &&TestMemory| {
        is_worst(test) || worst.beside.contains(&test.test) && share(test).0 >= share(worst).0 / 4 * 3
    };
    let together: Vec<&TestMemory> = roots.iter().copied().filter(shares).collect();
    if together.len() > 1 {
        let names = first_few(together.iter().map(|test| &*test.test));
        return Some(Advice {
            what: format!("look first at {names} of {}", printable(package.as_bytes())),
            why: format!("{} of the {held} came while they ran, together", share(worst).min(held)),
            command: None,
        });
    }
    let worst = narrowed(worst, &tests);
    let is_parent = |test: &TestMemory| tests.iter().any(|other| other.is_below(test));
    let below = tests.iter().copied().filter(|test| test.is_below(worst) && !is_parent(test));
    let keepers: Vec<_> = below.filter_map(|test| Some((test, test.kept()?))).collect();
    let share_of_worst = share(worst).min(held);
    let kept_below = kept_by(&keepers).min(share_of_worst);
    let why = match (&worst.result, share_of_worst) {
        (_, share) if !keepers.is_empty() && kept_below.0 >= share.0 / 2 => {
            format!("{} of its subtests kept {kept_below} of the {held}", keepers.len())
        }
        (Some(_), share) => format!("it took {share} of the {held} and kept it"),
        (None, share) => format!("{share} of the {held} came while it ran"),
    };
    let command = Some(again::told_by_tests(report, package, Some(&worst.test)));
    Some(Advice { what: format!("look at {} first", named(worst)), why, command })
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

/// What these kept, at the least. What a test kept is by how much its process grew: of tests that ran together each kept
/// what all of them did, and it is counted once.
fn kept_by(keepers: &[(&TestMemory, Bytes)]) -> Bytes {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, (test, _)) in keepers.iter().enumerate() {
        places.entry(&test.test).or_default().push(place);
    }
    let (mut is_counted, mut sum) = (vec![false; keepers.len()], Bytes(0));
    for start in 0..keepers.len() {
        let (mut together, mut most) = (vec![start], Bytes(0));
        while let Some(place) = together.pop() {
            if std::mem::replace(&mut is_counted[place], true) {
                continue;
            }
            let (test, kept) = keepers[place];
            most = most.max(kept);
            together.extend(test.beside.iter().filter_map(|name| places.get(&**name)).flatten());
        }
        sum = sum.saturating_add(most);
    }
    sum
}

/// All of them together kept far more than the worst one took.
fn many(roots: &[&TestMemory], held: Bytes, package: &str, worst: Bytes) -> Option<Advice> {
    let keepers: Vec<_> = roots.iter().filter_map(|test| Some((*test, test.kept()?))).collect();
    let kept = kept_by(&keepers).min(held);
    let (most, by) =
        keepers.iter().max_by_key(|(_, kept)| *kept).filter(|_| kept.0 >= (held.0 / 4).max(worst.0 * 2))?;
    Some(Advice {
        what: format!("look at what the tests of {} keep", printable(package.as_bytes())),
        why: format!(
            "{} kept {kept} of the {held} together, {} the most ({by})",
            counted(keepers.len(), ["test", "tests"]),
            printable(most.test.as_bytes()),
            by = (*by).min(held)
        ),
        command: None,
    })
}

#[cfg(test)]
#[path = "suspect_tests.rs"]
mod tests;
