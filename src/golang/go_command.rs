//! The go command as others see it: a command line. Refuses to run it, and to take a script for it that has it inside.

use std::borrow::Cow;

/// Whether this command line (`/proc/PID/cmdline`: arguments, each with a NUL behind it) is that of `go test`, of whatever
/// version: `go`, `/usr/local/go/bin/go`, `go1.25.1`, `gotip`. A flag of go's own may stand before: `-C DIR` (cmd/go/main.go).
#[must_use]
pub fn is_go_test(arguments: &[u8]) -> bool {
    test_of_go(&arguments.split(|byte| *byte == 0).collect::<Vec<_>>()).is_some()
}

/// To which `go test` somebody belongs, of himself and those above him, the nearest first: the outermost one. A test may run
/// `go test` itself; a shell, make and a terminal live on when it is over.
pub fn run_of<T>(line: impl Iterator<Item = T>, is_go_test: impl FnMut(&T) -> bool) -> Option<T> {
    line.filter(is_go_test).last()
}

/// Where the word `test` stands in a command that is `go test`, or becomes it: `env X=1 go test` executes it.
#[must_use]
pub fn test_of(words: &[&[u8]]) -> Option<usize> {
    let begin = behind_env(words);
    Some(begin + test_of_go(words.get(begin..)?)?)
}

/// The same words with this flag of `go test` or `go build`, and nothing else that sets it: `-p`, `1`. `None` where they
/// are neither, or it is a flag of tests alone and they are no tests.
#[must_use]
pub fn with_flag<'a>(words: &[&'a [u8]], flag: &str, value: &str) -> Option<Vec<Cow<'a, [u8]>>> {
    let mut changed = without(words, flag, true)?;
    let verb = verb_of(words)?;
    changed.splice(verb + 1..=verb, [flag, value].map(|word| Cow::Owned(word.as_bytes().to_vec())));
    Some(changed)
}

/// The same words without this flag, which has no value: `-race`. `None` where it is not there.
#[must_use]
pub fn without_flag<'a>(words: &[&'a [u8]], flag: &str) -> Option<Vec<Cow<'a, [u8]>>> {
    without(words, flag, false).filter(|changed| changed.len() < words.len())
}

/// Without a flag of the go command, before the arguments of a test binary.
fn without<'a>(words: &[&'a [u8]], flag: &str, has_value: bool) -> Option<Vec<Cow<'a, [u8]>>> {
    let verb = verb_of(words)?;
    let is_of_tests = matches!(flag, "-parallel" | "-run" | "-timeout");
    if words[verb] != b"test" && (words[verb] != b"build" || is_of_tests) {
        return None;
    }
    let end = words.iter().position(|word| matches!(*word, b"-args" | b"--args")).unwrap_or(words.len());
    let (mut kept, mut at) = (Vec::with_capacity(words.len() + 2), 0);
    while let Some(word) = words.get(at) {
        let one_dash = word.strip_prefix(b"-").filter(|rest| rest.starts_with(b"-")).unwrap_or(word);
        match one_dash.strip_prefix(flag.as_bytes()).filter(|_| (verb + 1..end).contains(&at)) {
            Some(b"") => at += if has_value { 2 } else { 1 },
            Some([b'=', ..]) => at += 1,
            _ => {
                kept.push(Cow::Borrowed(*word));
                at += 1;
            }
        }
    }
    Some(kept)
}

/// The same command with this variable in its environment: as a shell has it before a command, or as env(1) has it. `None`
/// where something in it sets that variable, or may.
#[must_use]
pub fn with_variable<'a>(words: &[&'a [u8]], name: &str, assignment: Cow<'a, [u8]>) -> Option<Vec<Cow<'a, [u8]>>> {
    let behind = behind_env(words);
    let sets = |word: &&[u8]| word.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
    let kept = words.iter().enumerate().filter(|(at, word)| *at >= behind || !sets(word));
    let mut changed: Vec<_> = kept.map(|(_, word)| Cow::Borrowed(*word)).collect();
    let stands_in_the_way = |word: &Cow<'_, [u8]>| memchr::memmem::find(word, name.as_bytes()).is_some();
    if changed.is_empty() || changed.iter().any(stands_in_the_way) {
        return None;
    }
    let at = changed.len() + behind - words.len();
    changed.insert(at, assignment);
    Some(changed)
}

fn verb_of(words: &[&[u8]]) -> Option<usize> {
    let begin = behind_env(words);
    Some(begin + verb_of_go(words.get(begin..)?)?)
}

fn test_of_go(words: &[&[u8]]) -> Option<usize> {
    verb_of_go(words).filter(|at| words[*at] == b"test")
}

/// Where the word stands that says what the go command does.
fn verb_of_go(words: &[&[u8]]) -> Option<usize> {
    let name = program(words.first()?);
    let is_go = name.strip_prefix(b"go").is_some_and(|version| {
        matches!(version, b"" | b"tip") || version[0] == b'1' && version.iter().all(|byte| !byte.is_ascii_uppercase())
    });
    let at = match *words.get(1)? {
        b"-C" | b"--C" => 3,
        flag if flag.starts_with(b"-C=") || flag.starts_with(b"--C=") => 2,
        _ => 1,
    };
    (is_go && at < words.len()).then_some(at)
}

/// How many words of env(1) stand before the command that it executes.
fn behind_env(words: &[&[u8]]) -> usize {
    if words.first().is_none_or(|word| program(word) != b"env") {
        return 0;
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += match *word {
            b"-u" | b"--unset" | b"-C" | b"--chdir" => 2,
            flag if flag.starts_with(b"-") => 1,
            variable if variable.contains(&b'=') => 1,
            _ => break,
        };
    }
    at
}

fn program(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn go_test_is_known_however_it_is_called() {
        for (line, expected) in [
            ("go test ./...", true),
            ("/usr/local/go/bin/go test -count=1 ./a", true),
            ("go1.25.1 test", true),
            ("gotip test", true),
            ("go -C /src test ./...", true),
            ("go -C=/src test", true),
            ("go", false),
            ("go build ./test", false),
            ("go run test", false),
            ("gopls test", false),
            ("sh -c go test", false),
            ("time go test", false),
            ("", false),
        ] {
            assert_eq!(is_go_test(line.replace(' ', "\0").as_bytes()), expected, "{line}");
            assert_eq!(is_go_test(format!("{}\0", line.replace(' ', "\0")).as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_becomes_go_test_is_found_behind_env() {
        for (line, expected) in [
            ("go test ./...", Some(1)),
            ("go -C dir test", Some(3)),
            ("env X=1 go test", Some(3)),
            ("/usr/bin/env -i -u HOME X=1 Y= go -C=dir test", Some(8)),
            ("env", None),
            ("env go", None),
            ("nice go test", None),
            ("", None),
        ] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            assert_eq!(test_of(&words), expected, "{line}");
        }
    }

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    fn joined(words: &[Cow<'_, [u8]>]) -> String {
        String::from_utf8(words.join(&b' ')).expect("text")
    }

    #[test]
    fn a_flag_is_set_once_and_never_among_the_arguments_of_a_test() {
        for (line, flag, expected) in [
            ("go test ./...", "-p", "go test -p 1 ./..."),
            ("go test -p 4 -race ./...", "-p", "go test -p 1 -race ./..."),
            ("go test -parallel=8 ./... --p=4 -args -p 3", "-p", "go test -p 1 -parallel=8 ./... -args -p 3"),
            ("env X=1 go -C p test -p", "-p", "env X=1 go -C p test -p 1"),
            ("go build -o p ./p", "-p", "go build -p 1 -o p ./p"),
            ("go build ./p", "-parallel", ""),
            ("go run . -p 3", "-p", ""),
            ("go vet", "-p", ""),
            ("make -p", "-p", ""),
            ("", "-p", ""),
        ] {
            let changed = with_flag(&words(line), flag, "1").map_or_else(String::new, |words| joined(&words));
            assert_eq!(changed, expected, "{line}");
        }
        for (line, expected) in [
            ("go test -race ./...", "go test ./..."),
            ("go test ./... --race=true -args -race", "go test ./... -args -race"),
            ("go test -racy ./...", ""),
            ("make -race", ""),
        ] {
            let changed = without_flag(&words(line), "-race").map_or_else(String::new, |words| joined(&words));
            assert_eq!(changed, expected, "{line}");
        }
    }

    #[test]
    fn a_variable_reaches_the_command_or_is_not_set() {
        for (line, expected) in [
            ("go test", "GOGC=50 go test"),
            ("make test", "GOGC=50 make test"),
            ("env -i X=1 go test", "env -i X=1 GOGC=50 go test"),
            ("env GOGC=off X=1 go test", "env X=1 GOGC=50 go test"),
            ("sh -c GOGC=off;exec", ""),
            ("make GOGC=off", ""),
        ] {
            let changed = with_variable(&words(line), "GOGC", Cow::Borrowed(b"GOGC=50"));
            assert_eq!(changed.map_or_else(String::new, |words| joined(&words)), expected, "{line}");
        }
    }

    proptest! {
        /// Whatever it was, it has the flag once, and nothing else of it has changed.
        #[test]
        fn a_flag_set_twice_is_there_once(line in "(env (X=1 )?)?go (test|build)( (-p 4|-p=3|--p=3|-v|x)){0,6}( -args -p)?") {
            let words = words(&line);
            let once = with_flag(&words, "-p", "1").expect("it is of go");
            let again: Vec<&[u8]> = once.iter().map(|word| &**word).collect();
            prop_assert_eq!(joined(&with_flag(&again, "-p", "1").expect("the same")), joined(&once));
        }

        #[test]
        fn no_command_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = is_go_test(&bytes);
            let words: Vec<&[u8]> = bytes.split(|byte| *byte == b' ').collect();
            let _ = (with_flag(&words, "-p", "1"), without_flag(&words, "-race"));
            let _ = with_variable(&words, "X", Cow::Borrowed(b"X=1"));
            let _ = test_of(&bytes.split(|byte| *byte == b' ').collect::<Vec<_>>());
        }
    }
}
