//! The command of a run again with one thing changed, as one pastes it into a shell: every other argument is kept. Refuses
//! where the change would not reach whom it is for.

use std::borrow::Cow;

use crate::golang::go_command;
use crate::text::for_shell;
use crate::units::Bytes;

use super::phase::Phase;
use super::report::RunReport;

/// With a flag of the go command: behind `go test` itself; behind make or a script by GOFLAGS, which every go command takes
/// what it knows of (cmd/go/internal/base/goflags.go).
pub(super) fn with_flag(report: &RunReport, flag: &str, value: &str) -> Option<String> {
    if let Some(words) = go_command::with_flag(&words(report), flag, value) {
        return Some(line(&words));
    }
    let flags = format!("GOFLAGS=\"${{GOFLAGS:+$GOFLAGS }}{flag}={value}\"");
    let is_given = |word: &[u8]| word.strip_prefix(flag.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'=', ..]));
    let mut go = report.processes.iter().filter(|process| process.phase == Phase::Go);
    // One that gives the flag itself does not look there.
    let is_in_the_way = go.any(|process| process.command.split(|byte| *byte == b' ').any(is_given));
    if is_in_the_way { None } else { with_variable(report, "GOFLAGS", &flags) }
}

/// Without a flag of the go command that has no value, where the command has it.
pub(super) fn without_flag(report: &RunReport, flag: &str) -> Option<String> {
    go_command::without_flag(&words(report), flag).map(|words| line(&words))
}

/// With this GOMEMLIMIT.
pub(super) fn with_memory_limit(report: &RunReport, limit: Bytes) -> Option<String> {
    with_variable(report, "GOMEMLIMIT", &format!("GOMEMLIMIT={}MiB", limit.0 >> 20))
}

/// With a variable in its environment; the assignment is written for a shell.
pub(super) fn with_variable(report: &RunReport, name: &str, assignment: &str) -> Option<String> {
    let words = words(report);
    let marked = go_command::with_variable(&words, name, Cow::Borrowed(b"="))?;
    // Only that one is not to be quoted.
    let written = marked.iter().map(|word| if **word == *b"=" { assignment.to_owned() } else { for_shell(word) });
    Some(written.collect::<Vec<_>>().join(" "))
}

/// Under `oomtop run` with these options.
pub(super) fn watched(report: &RunReport, options: &str) -> Option<String> {
    let command = line(&words(report));
    (!command.is_empty()).then(|| format!("oomtop run {options} -- {command}"))
}

/// `--tests` of the same, as far as it can be told of it: else of the package alone.
pub(super) fn told_by_tests(report: &RunReport, package: &str, only: Option<&str>) -> String {
    let limit = report.room.as_ref().filter(|room| room.is_own);
    let limit = limit.map_or_else(String::new, |room| format!("--memory-max {} ", for_the_prompt(room.limit)));
    let words = words(report);
    let of_go = go_command::test_of(&words).is_some();
    let words = if of_go { words } else { [&b"go"[..], b"test", package.as_bytes()].to_vec() };
    let one = only.and_then(|test| go_command::with_flag(&words, "-run", &pattern(test)));
    let command = one.map_or_else(|| line(&words), |words| line(&words));
    format!("oomtop run --tests {limit}-- {command}")
}

/// What `-run` takes for one test: each part between two slashes is a regular expression (testing/match.go).
fn pattern(test: &str) -> String {
    let mut pattern = String::from("^");
    for letter in test.chars() {
        match letter {
            '/' => pattern.push_str("$/^"),
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                pattern.extend(['\\', letter]);
            }
            _ => pattern.push(letter),
        }
    }
    pattern.push('$');
    pattern
}

/// A size as it is given to an option: nothing of it is rounded away.
pub(super) fn for_the_prompt(size: Bytes) -> String {
    format!("{}M", size.0.div_ceil(1 << 20))
}

fn words(report: &RunReport) -> Vec<&[u8]> {
    report.command.iter().map(|word| &**word).collect()
}

fn line(words: &[impl AsRef<[u8]>]) -> String {
    words.iter().map(|word| for_shell(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::{killed, report};

    fn of(line: &str) -> RunReport {
        RunReport { command: line.split(' ').map(|word| word.as_bytes().into()).collect(), ..report() }
    }

    #[test]
    fn the_command_is_kept_and_quoted() {
        let flagged = |line| with_flag(&of(line), "-p", "1").unwrap_or_default();
        assert_eq!(flagged("go test -run ^Test(A|B)$ ./..."), "go test -p 1 -run '^Test(A|B)$' ./...");
        assert_eq!(flagged("make test"), "GOFLAGS=\"${GOFLAGS:+$GOFLAGS }-p=1\" make test");
        assert_eq!(flagged("sh -c GOFLAGS=;exec"), "", "it has its own");
        let mut by_make = of("make test");
        let go = by_make.processes.iter_mut().find(|process| process.phase == Phase::Go).expect("go");
        go.command = b"go test -p=8 ./...".as_slice().into();
        assert_eq!(with_flag(&by_make, "-p", "1"), None, "make gives it");
        assert!(with_flag(&by_make, "-parallel", "1").is_some(), "but not this one");
        assert_eq!(without_flag(&of("go test -race ./..."), "-race").as_deref(), Some("go test ./..."));
        let limited = with_memory_limit(&of("env GOMEMLIMIT=1GiB go test"), Bytes::from_mib(130));
        assert_eq!(limited.as_deref(), Some("env GOMEMLIMIT=130MiB go test"));
        assert_eq!(
            watched(&of("sh -c a=1;b"), "--budget 7M").as_deref(),
            Some("oomtop run --budget 7M -- sh -c 'a=1;b'")
        );
        assert_eq!(watched(&RunReport { command: Vec::new(), ..report() }, "x"), None, "nobody told it");
    }

    #[test]
    fn one_test_is_run_alone_whatever_its_name() {
        let report = RunReport {
            command: of("go test -run . ./...").command,
            ..killed(160, &[("a.test", Phase::Test, 145)], &[])
        };
        let told = told_by_tests(&report, "m/a", Some("TestA/x=1.5(b)"));
        assert_eq!(told, r"oomtop run --tests --memory-max 160M -- go test -run '^TestA$/^x=1\.5\(b\)$' ./...");
        let by_make = RunReport { command: of("make").command, ..report };
        assert_eq!(told_by_tests(&by_make, "m/a", None), "oomtop run --tests --memory-max 160M -- go test m/a");
    }
}
