//! The go command as others see it: a command line. Refuses to run it, and to take a script for it that has it inside.

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

fn test_of_go(words: &[&[u8]]) -> Option<usize> {
    let name = program(words.first()?);
    let is_go = name.strip_prefix(b"go").is_some_and(|version| {
        matches!(version, b"" | b"tip") || version[0] == b'1' && version.iter().all(|byte| !byte.is_ascii_uppercase())
    });
    let at = match *words.get(1)? {
        b"-C" | b"--C" => 3,
        flag if flag.starts_with(b"-C=") || flag.starts_with(b"--C=") => 2,
        _ => 1,
    };
    (is_go && words.get(at) == Some(&&b"test"[..])).then_some(at)
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

    proptest! {
        #[test]
        fn no_command_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = is_go_test(&bytes);
            let _ = test_of(&bytes.split(|byte| *byte == b' ').collect::<Vec<_>>());
        }
    }
}
