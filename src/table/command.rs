//! The command line as one line of text.

use crate::monitor::report::Identity;
use crate::text::{joined, printable};

/// What a process runs, on one line. Arguments are joined by spaces; a process without a command line shows its name
/// in brackets, as ps(1) does; one whose command line is not known (yet) shows its name alone. A Go test binary leads
/// with the package under test, because `a.test` says nothing: `example.com/goleak/a (a.test) -test.run=Leak`.
#[must_use]
pub fn command_line(identity: &Identity) -> String {
    let name = printable(&identity.name);
    let Some(command) = &identity.command else {
        return match &identity.test_package {
            Some(package) => format!("{} ({name})", printable(package.as_bytes())),
            None => name.into_owned(),
        };
    };
    let arguments = joined(&command.arguments);
    let mut line = match &identity.test_package {
        Some(package) => {
            let rest = arguments.iter().position(|&byte| byte == b' ').map_or(&b""[..], |space| &arguments[space..]);
            format!("{} ({name}){}", printable(package.as_bytes()), printable(rest))
        }
        None if arguments.is_empty() => format!("[{name}]"),
        None => printable(&arguments).into_owned(),
    };
    if command.cut {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::snapshot::process::Command;

    fn identity(name: &str, arguments: Option<&str>, package: Option<&str>) -> Identity {
        Identity {
            name: name.as_bytes().into(),
            command: arguments.map(|text| Arc::new(Command { arguments: text.as_bytes().into(), cut: false })),
            test_package: package.map(Into::into),
            ..Identity::default()
        }
    }

    #[test]
    fn command_lines_read_as_people_expect_them() {
        for (identity, line) in [
            (identity("sleep", Some("sleep\u{0}60\u{0}"), None), "sleep 60"),
            (identity("sshd", Some("sshd: root\u{0}\u{0}\u{0}"), None), "sshd: root"),
            (identity("kworker/0:1", Some(""), None), "[kworker/0:1]"),
            (identity("new", None, None), "new"),
            (identity("a.test", Some("/tmp/a.test\u{0}-test.v\u{0}"), Some("x.org/a")), "x.org/a (a.test) -test.v"),
            (identity("a.test", Some("/tmp/a.test\u{0}"), Some("x.org/a")), "x.org/a (a.test)"),
        ] {
            assert_eq!(command_line(&identity), line);
        }
    }
}
