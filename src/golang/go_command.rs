//! The go command as others see it: a command line. Refuses to run it, and to take a script for it that has it inside.

/// Whether this command line (`/proc/PID/cmdline`: arguments, each with a NUL behind it) is that of `go test`, of whatever
/// version: `go`, `/usr/local/go/bin/go`, `go1.25.1`, `gotip`. A flag of go's own may stand before: `-C DIR` (cmd/go/main.go).
#[must_use]
pub fn is_go_test(arguments: &[u8]) -> bool {
    let mut words = arguments.split(|byte| *byte == 0);
    let program = words.next().and_then(|path| path.rsplit(|byte| *byte == b'/').next()).unwrap_or_default();
    let is_go = program.strip_prefix(b"go").is_some_and(|version| {
        matches!(version, b"" | b"tip") || version[0] == b'1' && version.iter().all(|byte| !byte.is_ascii_uppercase())
    });
    if !is_go {
        return false;
    }
    match words.next() {
        Some(b"test") => true,
        Some(b"-C" | b"--C") => words.nth(1) == Some(b"test"),
        Some(flag) if flag.starts_with(b"-C=") || flag.starts_with(b"--C=") => words.next() == Some(b"test"),
        _ => false,
    }
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

    proptest! {
        #[test]
        fn no_command_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = is_go_test(&bytes);
        }
    }
}
