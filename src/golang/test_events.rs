//! The stream of `go test -json`: its events (cmd/test2json), and from them what go would have printed without `-json`.
//! Pure over bytes. Refuses to lose a line: what is no event passes as it is.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Deserialize;

/// One event; fields that we do not use are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TestEvent {
    /// `start`, `run`, `pause`, `cont`, `pass`, `fail`, `skip`, `bench`, `output`, `build-output`, `build-fail`.
    pub action: String,
    /// Import path of the package under test.
    pub package: String,
    /// The test; empty: the package.
    pub test: String,
    /// What was printed.
    pub output: String,
}

impl TestEvent {
    /// Of one line of the stream.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let event: Self = serde_json::from_slice(line).ok()?;
        (!event.action.is_empty()).then_some(event)
    }

    /// It says that nothing of a package was run: its results were known (cmd/go/internal/test: `(cached)`).
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.test.is_empty() && self.output.starts_with("ok  \t") && self.output.contains("\t(cached)")
    }

    /// It says how a test or a package ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.action.as_str(), "pass" | "fail" | "skip")
    }
}

/// Prints what go would have printed.
#[derive(Debug)]
pub struct Plain {
    /// `-v` was given: everything is printed.
    verbose: bool,
    /// Packages were named: of those that pass only the summary is printed.
    listed: bool,
    /// In the order in which they started, which is the order in which go prints them.
    packages: Vec<Package>,
    printed: usize,
    /// Go says so once more at the end (cmd/go/internal/test: printExitStatus).
    failed: bool,
}

#[derive(Debug, Default)]
struct Package {
    path: String,
    /// All that was printed, in order, without what only `-v` prints.
    text: String,
    tests: BTreeMap<String, Test>,
    /// A test that failed at the top: printed when the lines of its subtests have come.
    failing: Option<String>,
    ended: Option<bool>,
    /// With `-v`: of whom the last line was.
    named: String,
}

/// What one test would print if it failed.
#[derive(Debug, Default)]
struct Test {
    /// `--- FAIL: TestX (0.00s)`.
    result: Option<String>,
    /// It ran in parallel.
    paused: bool,
    /// Lines of its log, and subtests by name where they stand among them.
    body: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Log(String),
    Subtest(String),
}

impl Plain {
    /// For a `go test` with these arguments behind `test`.
    #[must_use]
    pub fn of(arguments: &[&str]) -> Self {
        let flags = arguments.iter().take_while(|argument| **argument != "-args" && **argument != "--args");
        let is = |flag: &str, name: &str| {
            let name_of = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
            flag.starts_with('-') && name_of.strip_prefix("test.").unwrap_or(name_of) == name
        };
        // Benchmarks and fuzzing print as they go, with or without -v.
        let verbose = flags.clone().any(|flag| {
            is(flag, "v") && !flag.ends_with("=false") || is(flag, "bench") || is(flag, "fuzz") || is(flag, "list")
        });
        // A word behind a flag may be its value: "-run X" names no package. Import paths and directories have a dot or a slash.
        let mut listed = false;
        let mut behind_flag = false;
        for argument in flags {
            if argument.starts_with('-') {
                behind_flag = !argument.contains('=');
            } else {
                let is_path =
                    argument.starts_with('.') || argument.contains('/') || *argument == "all" || *argument == "std";
                listed |= is_path || !behind_flag;
                behind_flag = false;
            }
        }
        Self { verbose, listed, packages: Vec::new(), printed: 0, failed: false }
    }

    /// Takes an event. What the compilers said goes to `errors`, as it does without `-json`.
    ///
    /// # Errors
    /// Those of the writers.
    pub fn take(&mut self, event: &TestEvent, out: &mut dyn Write, errors: &mut dyn Write) -> io::Result<()> {
        match event.action.as_str() {
            "build-output" => return errors.write_all(event.output.as_bytes()),
            "build-fail" => return Ok(()),
            _ => {}
        }
        let at = self.packages.iter().rposition(|package| package.path == event.package && package.ended.is_none());
        let at = at.unwrap_or_else(|| {
            self.packages.push(Package { path: event.package.clone(), ..Package::default() });
            self.packages.len() - 1
        });
        let package = &mut self.packages[at];
        if self.verbose {
            package.take_verbose(event);
        } else {
            package.take(event);
        }
        if event.test.is_empty() && event.is_end() {
            package.flush();
            package.ended = Some(event.action != "fail");
            self.failed |= event.action == "fail";
        }
        self.print(out)
    }

    /// Takes a line that is no event: older versions tell a build that failed so.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn pass(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.failed |= line.starts_with(b"FAIL");
        let text = String::from_utf8_lossy(line).into_owned();
        self.packages.push(Package { text, ended: Some(false), ..Package::default() });
        self.print(out)
    }

    /// Prints what was held back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        for package in &mut self.packages[self.printed..] {
            package.flush();
            package.ended.get_or_insert(false);
        }
        self.print(out)?;
        if self.failed && self.listed {
            writeln!(out, "FAIL")?;
        }
        out.flush()
    }

    /// The packages that have ended, as far as all before them have.
    fn print(&mut self, out: &mut dyn Write) -> io::Result<()> {
        while let Some(package) = self.packages.get_mut(self.printed) {
            let streams = self.verbose || !self.listed;
            match package.ended {
                Some(true) if !streams => {
                    let summary = |line: &&str| {
                        line.starts_with("ok  \t") || line.starts_with("?   \t") || line.starts_with('\t')
                    };
                    for line in package.text.split_inclusive('\n').filter(summary) {
                        out.write_all(line.as_bytes())?;
                    }
                }
                Some(_) => out.write_all(package.text.as_bytes())?,
                None if streams => {
                    out.write_all(std::mem::take(&mut package.text).as_bytes())?;
                    return out.flush();
                }
                None => return Ok(()),
            }
            package.text = String::new();
            package.tests.clear();
            self.printed += 1;
        }
        out.flush()
    }
}

impl Package {
    /// `=== NAME` says of whom a log goes on; test2json keeps it for itself (testing: chattyPrinter).
    fn take_verbose(&mut self, event: &TestEvent) {
        let line = event.output.as_str();
        if line.starts_with("=== ") || line.starts_with("--- ") {
            self.named.clone_from(&event.test);
        } else if begins_log(line) && !event.test.is_empty() {
            if !self.named.is_empty() && self.named != event.test {
                self.text.push_str("=== NAME  ");
                self.text.push_str(&event.test);
                self.text.push('\n');
            }
            self.named.clone_from(&event.test);
        }
        self.text.push_str(line);
    }

    fn take(&mut self, event: &TestEvent) {
        let line = event.output.as_str();
        let mark = line.trim_start_matches(' ');
        let is_result = ["--- FAIL: ", "--- PASS: ", "--- SKIP: "].iter().any(|lead| mark.starts_with(lead));
        let below_failing =
            |test: &str| self.failing.as_ref().is_some_and(|root| test == root || root_of(test) == root.as_str());
        if self.failing.is_some() && !(below_failing(&event.test) && (is_result || event.is_end())) {
            self.flush();
        }
        if event.test.is_empty() {
            self.text.push_str(line);
            return;
        }
        if let ("run" | "pause", Some((parent, _))) = (event.action.as_str(), event.test.rsplit_once('/')) {
            // A subtest that pauses goes on when the body of its parent is through: it stands where it ends.
            let body = &mut self.tests.entry(parent.to_owned()).or_default().body;
            body.retain(|line| !matches!(line, Line::Subtest(name) if *name == event.test));
            if event.action == "run" {
                body.push(Line::Subtest(event.test.clone()));
            } else {
                self.tests.entry(event.test.clone()).or_default().paused = true;
            }
        }
        if event.action != "output" || mark.starts_with("=== ") {
            return;
        }
        if is_result {
            if mark.starts_with("--- FAIL: ") {
                let test = self.tests.entry(event.test.clone()).or_default();
                test.result = Some(mark.to_owned());
                match event.test.rsplit_once('/') {
                    None => self.failing = Some(event.test.clone()),
                    Some((parent, _)) if test.paused => {
                        let body = &mut self.tests.entry(parent.to_owned()).or_default().body;
                        body.push(Line::Subtest(event.test.clone()));
                    }
                    Some(_) => {}
                }
            }
            return;
        }
        if self.is_log(event) {
            self.tests.entry(event.test.clone()).or_default().body.push(Line::Log(line.to_owned()));
        } else {
            self.text.push_str(line);
        }
    }

    /// A log, and what stands below its first line (testing: 8 blanks).
    fn is_log(&self, event: &TestEvent) -> bool {
        let goes_on = event.output.starts_with("        ")
            && self.tests.get(&event.test).is_some_and(|test| matches!(test.body.last(), Some(Line::Log(_))));
        goes_on || begins_log(&event.output)
    }

    /// Prints the test at the top that failed, with its log and the subtests that failed.
    fn flush(&mut self) {
        if let Some(root) = self.failing.take() {
            let mut text = String::new();
            self.tell(&root, 0, &mut text);
            self.text.push_str(&text);
        }
    }

    fn tell(&self, name: &str, depth: usize, text: &mut String) {
        let Some(test) = self.tests.get(name) else { return };
        let Some(result) = &test.result else { return };
        let indent = "    ".repeat(depth);
        text.push_str(&indent);
        text.push_str(result);
        for line in &test.body {
            match line {
                Line::Log(line) => {
                    text.push_str(&indent);
                    text.push_str(line);
                }
                Line::Subtest(name) => self.tell(name, depth + 1, text),
            }
        }
    }
}

/// `    x_test.go:7: text`.
fn begins_log(line: &str) -> bool {
    let place = line.strip_prefix("    ").and_then(|line| line.split_once(".go:"));
    place.is_some_and(|(file, rest)| {
        !file.is_empty() && !file.contains(' ') && rest.starts_with(|letter: char| letter.is_ascii_digit())
    })
}

fn root_of(test: &str) -> &str {
    test.split('/').next().unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(arguments: &[&str], lines: &[(&str, &str, &str)]) -> String {
        let mut plain = Plain::of(arguments);
        let mut out = Vec::new();
        for (action, test, output) in lines {
            let event = TestEvent {
                action: (*action).into(),
                package: "m/a".into(),
                test: (*test).into(),
                output: (*output).into(),
            };
            plain.take(&event, &mut out, &mut Vec::new()).expect("writes");
        }
        plain.finish(&mut out).expect("writes");
        String::from_utf8(out).expect("text")
    }

    const FAILS: [(&str, &str, &str); 12] = [
        ("run", "TestA", ""),
        ("output", "TestA", "=== RUN   TestA\n"),
        ("output", "TestA", "printed\n"),
        ("output", "TestA", "    a_test.go:5: before\n"),
        ("run", "TestA/x", ""),
        ("output", "TestA/x", "    a_test.go:7: inside\n"),
        ("output", "TestA", "    a_test.go:9: after\n"),
        ("output", "TestA", "--- FAIL: TestA (0.00s)\n"),
        ("output", "TestA/x", "    --- FAIL: TestA/x (0.00s)\n"),
        ("fail", "TestA/x", ""),
        ("fail", "TestA", ""),
        ("output", "", "FAIL\n"),
    ];

    #[test]
    fn a_test_that_fails_is_told_with_its_log_and_the_subtests_that_failed() {
        let expected = "printed\n--- FAIL: TestA (0.00s)\n    a_test.go:5: before\n    --- FAIL: TestA/x (0.00s)\n        a_test.go:7: inside\n    a_test.go:9: after\nFAIL\n";
        assert_eq!(plain(&["./..."], &FAILS), expected);
    }

    #[test]
    fn of_packages_that_pass_the_summary_is_printed_and_with_v_all() {
        let lines = [
            ("output", "TestA", "=== RUN   TestA\n"),
            ("output", "TestA", "    a_test.go:5: fine\n"),
            ("output", "TestA", "--- PASS: TestA (0.00s)\n"),
            ("output", "", "PASS\n"),
            ("output", "", "ok  \tm/a\t0.01s\n"),
            ("pass", "", ""),
        ];
        assert_eq!(plain(&["-count=1", "./a"], &lines), "ok  \tm/a\t0.01s\n");
        assert_eq!(plain(&["-run", "X"], &lines), "PASS\nok  \tm/a\t0.01s\n");
        let all: String = lines.iter().map(|(_, _, output)| *output).collect();
        assert_eq!(plain(&["-v", "./a"], &lines), all);
    }

    proptest! {
        #[test]
        fn no_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), test in "[A/]{0,6}", output in " {0,9}[-=a.go:1]{0,12}") {
            let _ = TestEvent::parse(&bytes);
            plain(&["./a"], &[("run", &test, ""), ("output", &test, &output), ("output", &test, "--- FAIL: x\n"), ("output", &test, &output)]);
        }
    }
}
