//! Bytes of the world made safe to show: names and command lines come from whoever runs a process, and none of them
//! may move the cursor, reorder a line or hide in it. Refuses to cut to a width and to pick glyphs: that is `ui`'s.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use crate::monitor::report::Identity;

/// The text with everything that is not plainly visible written as an escape: `\n`, `\t`, `\x1b`, `\u{202e}`, and
/// `\xff` for a byte that is not UTF-8. Borrowed where there is nothing to escape, which is nearly always.
///
/// Visible is what takes a cell of its own. That refuses control characters (C0, DEL, C1), the marks that reverse the
/// direction of a line, zero-width characters and lone combining ones in one rule.
#[must_use]
pub fn printable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.chars().all(is_visible)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_visible(&mut shown, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    Cow::Owned(shown)
}

fn is_visible(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Direction marks, separators, fillers and tags: some terminals give them a cell and others do not.
        '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'..='\u{11ff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}'
        | '\u{e0000}'..='\u{e0fff}' => false,
        _ => !character.is_control() && character.width().is_some_and(|cells| cells > 0),
    }
}

fn push_visible(shown: &mut String, character: char) {
    let _ = match character {
        visible if is_visible(visible) => {
            shown.push(visible);
            Ok(())
        }
        '\n' => shown.write_str("\\n"),
        '\t' => shown.write_str("\\t"),
        '\r' => shown.write_str("\\r"),
        control if control.is_ascii() => write!(shown, "\\x{:02x}", u32::from(control)),
        other => write!(shown, "\\u{{{:x}}}", u32::from(other)),
    };
}

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

/// The arguments of `/proc/PID/cmdline` with spaces between them instead of NULs. Trailing NULs are dropped: programs
/// that write their title over their arguments leave many.
#[must_use]
pub fn joined(arguments: &[u8]) -> Vec<u8> {
    let end = arguments.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    arguments[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

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
    fn nothing_invisible_survives() {
        for (bytes, shown) in [
            (&b"postgres"[..], "postgres"),
            ("größe 漢字".as_bytes(), "größe 漢字"),
            (b"a\nb\tc\x1b[31m\x7f", "a\\nb\\tc\\x1b[31m\\x7f"),
            (b"\xff\xc3", "\\xff\\xc3"),
            ("evil\u{202e}txt".as_bytes(), "evil\\u{202e}txt"),
            ("a\u{200b}b\u{9b}c".as_bytes(), "a\\u{200b}b\\u{9b}c"),
            (b") R 1", ") R 1"),
        ] {
            assert_eq!(printable(bytes), shown);
        }
        assert!(matches!(printable(b"plain"), Cow::Borrowed(_)));
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

    proptest! {
        #[test]
        fn any_bytes_become_visible_text(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let shown = printable(&bytes);
            prop_assert!(shown.chars().all(is_visible));
        }

        #[test]
        fn any_text_becomes_visible_text(text in any::<String>()) {
            prop_assert!(printable(text.as_bytes()).chars().all(is_visible));
        }
    }
}
