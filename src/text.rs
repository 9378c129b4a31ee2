//! Bytes of the world made safe to show: names and command lines come from whoever runs a process, and none of them
//! may move the cursor, reorder a line or hide in it. Refuses to cut to a width and to pick glyphs: that is `ui`'s.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

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

/// The arguments of `/proc/PID/cmdline` with spaces between them instead of NULs. Trailing NULs are dropped: programs
/// that write their title over their arguments leave many.
#[must_use]
pub fn joined(arguments: &[u8]) -> Vec<u8> {
    let end = arguments.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    arguments[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect()
}

/// Whether it is in there, capitals or not. Bytes, because names are bytes; a blank also stands for the NUL between two
/// arguments.
#[must_use]
pub fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack.windows(needle.len()).any(|window| {
            window
                .iter()
                .zip(needle)
                .all(|(one, other)| one.eq_ignore_ascii_case(other) || (*one == 0 && *other == b' '))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
