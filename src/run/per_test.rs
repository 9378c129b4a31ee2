//! What single tests did to the memory of their test binary: before, at the most, after, and who ran beside them. Refuses to
//! divide what tests that ran together hold: they share, and it is said with whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::text::{first_few, printable};
use crate::units::{Bytes, Timestamp, counted};

use super::worth::{self, SMALL};

/// One test, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestMemory {
    /// Import path of its package.
    pub package: Box<str>,
    /// Its name, subtests with those of their parents.
    pub test: Box<str>,
    /// `pass`, `fail`, `skip`; `None`: its end was not told.
    pub result: Option<Box<str>>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; where that was not told, when its binary was gone.
    pub ended: Option<Timestamp>,
    /// RSS of its test binary when it began.
    pub before: Option<Bytes>,
    /// The most that was seen while it ran.
    pub peak: Option<Bytes>,
    /// When it ended.
    pub after: Option<Bytes>,
    /// Tests that ran at the same time in the same binary, neither above nor below it: what was held was held by all.
    pub beside: BTreeSet<Box<str>>,
    paused: bool,
    /// RSS of its test binary when it began to wait for its turn to run in parallel.
    when_paused: Option<Bytes>,
    /// From when to when it waited to run in parallel: a test does that once.
    waited: Option<(Timestamp, Option<Timestamp>)>,
}

impl TestMemory {
    /// What stayed when it had ended; `None` where that is not known or it gave more back than it took.
    #[must_use]
    pub fn kept(&self) -> Option<Bytes> {
        let (before, after) = (self.before?, self.after?);
        (after > before).then(|| after.saturating_sub(before))
    }

    /// The most that its binary held while it ran, above what that held before.
    #[must_use]
    pub fn took(&self) -> Option<Bytes> {
        Some(self.peak?.saturating_sub(self.before?))
    }

    /// How long it ran; where its end was not told, until its binary was gone.
    #[must_use]
    pub fn lasted(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.since(self.began))
    }

    /// Whether it did not end well: one that was never told to have ended went with its binary.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !matches!(self.result.as_deref(), Some("pass" | "skip"))
    }

    /// How it ended, in a word or two.
    #[must_use]
    pub fn result_in_words(&self) -> &str {
        self.result.as_deref().unwrap_or("cut off")
    }

    /// Who ran beside it, in a word or a few; a dash for nobody. Safe to show.
    #[must_use]
    pub fn beside_in_words(&self) -> String {
        match self.beside.len() {
            0 => "-".into(),
            1..=3 => self.beside.iter().map(|name| printable(name.as_bytes())).collect::<Vec<_>>().join(" "),
            count => format!("{count} tests"),
        }
    }

    /// The tests above it, each with its package.
    pub(super) fn above(&self) -> impl Iterator<Item = (&str, &str)> {
        self.test.match_indices('/').map(|(end, _)| (&*self.package, &self.test[..end]))
    }

    fn runs(&self) -> bool {
        self.ended.is_none() && !self.paused
    }

    /// Whether it ran at any moment between these; without an end, to the end of all.
    fn ran_between(&self, from: Timestamp, until: Option<Timestamp>) -> bool {
        let overlaps = |began, ended: Option<Timestamp>| {
            until.is_none_or(|until| began <= until) && ended.is_none_or(|ended| ended >= from)
        };
        match self.waited {
            Some((since, to)) => overlaps(self.began, Some(since)) || to.is_some_and(|to| overlaps(to, self.ended)),
            None => overlaps(self.began, self.ended),
        }
    }

    /// Whether it is a test below another one of its package.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.package == other.package && self.test.strip_prefix(&*other.test).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Two events that come in so short a time are one.
const SAME_MOMENT: Duration = Duration::from_millis(20);
/// More tests than this are not kept.
const MOST: usize = 50_000;

/// All tests of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tests {
    all: Vec<TestMemory>,
    /// Places of those that have not ended.
    living: Vec<usize>,
    /// Those that were told of.
    packages: BTreeSet<Box<str>>,
    /// Those of them whose results go took from its cache.
    cached: BTreeSet<Box<str>>,
    /// The most that the processes which the tests of a package started held together.
    helpers: BTreeMap<Box<str>, Bytes>,
    /// The last reading that came with an event: of which package, when, how much.
    last: Option<(Box<str>, Timestamp, Bytes)>,
}

impl Tests {
    /// A test began, paused, went on or ended (`action` as test2json has it) while its binary held `rss`.
    pub fn take(&mut self, action: &str, package: &str, test: &str, at: Timestamp, rss: Option<Bytes>) {
        if self.packages.len() < MOST && !self.packages.contains(package) {
            self.packages.insert(package.into());
        }
        if test.is_empty() {
            return;
        }
        // A test begins where the one before ended, or the one above began: when we are told it has gone on already.
        let same_moment =
            self.last.as_ref().filter(|(last, since, _)| **last == *package && at.since(*since) < SAME_MOMENT);
        let rss = if action == "run" { same_moment.map(|(_, _, rss)| *rss).or(rss) } else { rss };
        if let Some(rss) = rss {
            self.last = Some((package.into(), at, rss));
        }
        if action == "run" && self.all.len() < MOST {
            self.all.push(TestMemory {
                package: package.into(),
                test: test.into(),
                result: None,
                began: at,
                ended: None,
                before: rss,
                peak: rss,
                after: None,
                beside: BTreeSet::new(),
                paused: false,
                when_paused: None,
                waited: None,
            });
            self.living.push(self.all.len() - 1);
            self.meet(self.all.len() - 1);
            return;
        }
        let same = |place: &usize| &*self.all[*place].package == package && &*self.all[*place].test == test;
        let Some(place) = self.living.iter().copied().rfind(same) else { return };
        let found = &mut self.all[place];
        match action {
            "pause" => {
                (found.paused, found.when_paused) = (true, rss);
                found.waited = Some((at, None));
            }
            "cont" => {
                found.paused = false;
                found.waited = found.waited.map(|(since, _)| (since, Some(at)));
                // What came and went while it waited is that of others.
                if let (Some(paused), Some(now), Some(before)) = (found.when_paused.take(), rss, found.before) {
                    found.before = Some(before.saturating_add(now).saturating_sub(paused));
                }
                self.meet(place);
            }
            "pass" | "fail" | "skip" => {
                found.result = Some(action.into());
                found.ended = Some(at);
                found.after = rss;
                found.peak = found.peak.max(rss);
                self.living.retain(|living| *living != place);
            }
            _ => {}
        }
    }

    /// Nothing of this package was run: what is told of it was told before.
    pub fn take_cached(&mut self, package: &str) {
        self.cached.insert(package.into());
    }

    /// Who runs now beside this one.
    fn meet(&mut self, place: usize) {
        for other in self.living.clone() {
            let (a, b) = (&self.all[place], &self.all[other]);
            if other != place && a.package == b.package && b.runs() && !a.is_below(b) && !b.is_below(a) {
                let (a, b) = (a.test.clone(), b.test.clone());
                self.all[place].beside.insert(b);
                self.all[other].beside.insert(a);
            }
        }
    }

    /// The binary of this package was seen to hold so much.
    pub fn observe(&mut self, package: &str, rss: Bytes) {
        for place in &self.living {
            let test = &mut self.all[*place];
            if &*test.package == package && test.runs() {
                test.peak = test.peak.max(Some(rss));
            }
        }
    }

    /// The processes that tests of this package started were seen to hold so much together.
    pub fn observe_helpers(&mut self, package: &str, rss: Bytes) {
        if let Some(most) = self.helpers.get_mut(package) {
            *most = rss.max(*most);
        } else if self.helpers.len() < MOST {
            self.helpers.insert(package.into(), rss);
        }
    }

    /// When a test that runs began.
    #[must_use]
    pub fn began(&self, package: &str, test: &str) -> Option<Timestamp> {
        let mut living = self.living.iter().map(|place| &self.all[*place]);
        living.rfind(|living| &*living.package == package && &*living.test == test).map(|test| test.began)
    }

    /// The lowest tests of a package that run: those that stand for their parents too.
    #[must_use]
    pub fn running(&self, package: &str) -> Vec<&TestMemory> {
        let living = self.living.iter().map(|place| &self.all[*place]);
        lowest(&living.filter(|test| &*test.package == package && test.runs()).collect::<Vec<_>>())
    }

    /// The lowest tests of a package that ran at any moment between these.
    #[must_use]
    pub fn ran_between(&self, package: &str, from: Timestamp, until: Option<Timestamp>) -> Vec<&TestMemory> {
        let of_package = self.all.iter().filter(|test| &*test.package == package);
        lowest(&of_package.filter(|test| test.ran_between(from, until)).collect::<Vec<_>>())
    }

    /// The lowest tests that failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&TestMemory> {
        let parents = worth::failed_parents(&self.all);
        let failed = self.all.iter().filter(|test| test.result.as_deref() == Some("fail"));
        failed.filter(|test| !parents.contains(&(&*test.package, &*test.test))).collect()
    }

    /// The packages that were told of.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(|package| &**package)
    }

    /// A process of the binary of this package is gone: whoever ran ended with the last of them. Whatever go runs it through
    /// (`-exec`) may run it again.
    pub fn cut_off(&mut self, package: &str, at: Timestamp) {
        for place in &self.living {
            let test = &mut self.all[*place];
            if &*test.package == package {
                test.ended = test.ended.max(Some(at.max(test.began)));
            }
        }
    }

    /// All, in the order in which they began.
    #[must_use]
    pub fn into_all(self) -> Vec<TestMemory> {
        self.all
    }

    /// What the table of tests cannot tell, and why: sentences.
    #[must_use]
    pub fn untold(&self) -> Vec<String> {
        let mut untold = Vec::new();
        if !self.cached.is_empty() {
            let names = first_few(self.cached.iter().map(|name| &**name));
            untold.push(format!("go took the results of {names} from its cache and ran nothing: -count=1 runs them"));
        }
        let ran = self.all.iter().filter(|test| !self.cached.contains(&test.package));
        let unseen = ran.filter(|test| test.peak.is_none()).count();
        if unseen > 0 {
            let who = counted(unseen, ["test was", "tests were"]);
            untold.push(format!("{who} over before their process could be looked at: nothing is known of them"));
        } else if self.all.is_empty() && self.cached.is_empty() {
            untold.push("no test was run".to_owned());
        }
        for (package, held) in self.helpers.iter().filter(|(_, held)| **held >= SMALL) {
            let package = printable(package.as_bytes());
            untold.push(format!(
                "processes that tests of {package} started held up to another {held}: it is in none of these numbers"
            ));
        }
        untold
    }
}

/// Without those of which another is below them.
fn lowest<'a>(tests: &[&'a TestMemory]) -> Vec<&'a TestMemory> {
    let is_parent = |test: &TestMemory| tests.iter().any(|other| other.is_below(test));
    tests.iter().copied().filter(|test| !is_parent(test)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stayed_is_told_of_the_test_that_kept_it() {
        let mib = |mib| Some(Bytes::from_mib(mib));
        let mut tests = Tests::default();
        let at = Timestamp::from_secs;
        tests.take("run", "m/a", "TestFine", at(1), mib(10));
        tests.observe("m/a", Bytes::from_mib(50));
        tests.take("pass", "m/a", "TestFine", at(2), mib(10));
        tests.take("run", "m/a", "TestLeak", at(2), mib(10));
        tests.take("run", "m/a", "TestLeak/x", at(2), mib(10));
        tests.observe("m/b", Bytes::from_mib(500));
        assert_eq!(tests.running("m/a").iter().map(|test| &*test.test).collect::<Vec<_>>(), ["TestLeak/x"]);
        tests.take("pass", "m/a", "TestLeak/x", at(3), mib(40));
        tests.take("pass", "m/a", "TestLeak", at(3), mib(40));
        let told: Vec<_> = tests.into_all().iter().map(|test| (test.peak, test.kept(), test.beside.len())).collect();
        assert_eq!(told, [(mib(50), None, 0), (mib(40), mib(30), 0), (mib(40), mib(30), 0)]);
    }

    #[test]
    fn a_binary_that_runs_again_ends_its_tests_the_last_time() {
        let at = Timestamp::from_secs;
        let mut tests = Tests::default();
        tests.take("run", "m/a", "TestExec", at(1), None);
        tests.cut_off("m/a", at(9));
        tests.cut_off("m/a", at(3));
        assert_eq!(tests.into_all()[0].ended, Some(at(9)));
    }

    #[test]
    fn tests_that_run_together_say_so_and_one_that_waits_holds_nothing() {
        let mib = |mib| Some(Bytes::from_mib(mib));
        let mut tests = Tests::default();
        let at = Timestamp::from_secs(1);
        for test in ["TestA", "TestB"] {
            tests.take("run", "m/a", test, at, mib(10));
            tests.take("pause", "m/a", test, at, mib(10));
        }
        tests.observe("m/a", Bytes::from_mib(90));
        tests.take("cont", "m/a", "TestA", at, mib(10));
        tests.take("cont", "m/a", "TestB", at, mib(10));
        tests.observe("m/a", Bytes::from_mib(60));
        let all = tests.into_all();
        assert_eq!(all.iter().map(|test| test.peak).collect::<Vec<_>>(), [mib(60), mib(60)]);
        assert_eq!(all[0].beside.iter().map(|test| &**test).collect::<Vec<_>>(), ["TestB"]);
        assert_eq!(all[1].beside.len(), 1);
    }

    #[test]
    fn what_another_kept_while_a_test_waited_was_there_before_it() {
        let mib = |mib| Some(Bytes::from_mib(mib));
        let at = Timestamp::from_secs;
        let mut tests = Tests::default();
        for (second, (action, test, held)) in (1..).zip([
            ("run", "TestWaits", 10),
            ("pause", "TestWaits", 12),
            ("run", "TestLeak", 12),
            ("pass", "TestLeak", 112),
            ("cont", "TestWaits", 112),
            ("pass", "TestWaits", 113),
        ]) {
            tests.take(action, "m/a", test, at(second), mib(held));
        }
        let told: Vec<_> = tests.into_all().iter().map(|test| (test.before, test.took(), test.kept())).collect();
        assert_eq!(told, [(mib(110), mib(3), mib(3)), (mib(12), mib(100), mib(100))]);
    }
}
