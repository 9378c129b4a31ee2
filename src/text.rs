//! Bytes of the world made safe to show: names and command lines come from whoever runs a process, and none of them
//! may move the cursor, reorder a line or hide in it; and sentences made to fit a line. Refuses to pick glyphs: that is
//! `ui`'s.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

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

/// The first few of some names, and how many others there are: `a, b, c and 2 more`. Safe to show.
#[must_use]
pub fn first_few<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const FEW: usize = 3;
    let more = names.len().saturating_sub(FEW);
    let few: Vec<_> = names.take(FEW).map(|name| printable(name.as_bytes())).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", few.join(", "))
}

/// A word as a shell reads it back: POSIX, or bash and zsh where something in it is not visible. Safe to show.
#[must_use]
pub fn for_shell(word: &[u8]) -> String {
    let Cow::Borrowed(shown) = printable(word) else { return in_ansi_c_quotes(word) };
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./,:=@%+".contains(letter);
    if !shown.is_empty() && shown.chars().all(is_plain) {
        return shown.to_owned();
    }
    format!("'{}'", shown.replace('\'', "'\\''"))
}

/// `$'a\x0ab'`: each byte that is no plain ASCII as its number.
fn in_ansi_c_quotes(word: &[u8]) -> String {
    let mut quoted = String::from("$'");
    for byte in word {
        match byte {
            b'\'' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => quoted.push(char::from(*byte)),
            _ => drop(write!(quoted, "\\x{byte:02x}")),
        }
    }
    quoted.push('\'');
    quoted
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

/// Columns that a text takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// Breaks a text at spaces into lines of at most `width` columns; a longer word gets a line of its own.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks a text anywhere into rows of at most `width` columns (two at the least), without a letter lost.
pub fn fold(text: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut used = 0;
        let end = text.char_indices().find(|(_, letter)| {
            used += letter.width().unwrap_or(0);
            used > width.max(2)
        });
        let (row, behind) = end.map_or((text, None), |(end, _)| (&text[..end], Some(&text[end..])));
        rest = behind;
        Some(row)
    })
}

/// A text behind a lead, wrapped to lines of `width` columns where there is one; what follows the first line stands as far
/// in as the text began. Every line has its end.
#[must_use]
pub fn hanging(lead: &str, text: &str, width: Option<usize>) -> String {
    let indent = columns(lead);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent));
    let mut shown = String::with_capacity(lead.len() + text.len() + 1);
    for (place, line) in wrap(text, room).iter().enumerate() {
        if place == 0 {
            shown.push_str(lead);
        } else {
            shown.extend(std::iter::repeat_n(' ', indent));
        }
        shown.push_str(line);
        shown.push('\n');
    }
    shown
}

/// The end of a text in at most so many columns, behind a sign where some is missing: of a path the end says most.
#[must_use]
pub fn end_of<'a>(text: &'a str, width: usize, missing: &str) -> Cow<'a, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let (mut from, mut room) = (text.len(), width.saturating_sub(columns(missing)));
    for (place, letter) in text.char_indices().rev() {
        let Some(left) = room.checked_sub(letter.width().unwrap_or(0)) else { break };
        (from, room) = (place, left);
    }
    Cow::Owned(format!("{missing}{}", &text[from..]))
}

/// The beginning of a text in at most so many columns, before a sign where some is missing.
#[must_use]
pub fn beginning_of<'a>(text: &'a str, width: usize, missing: &str) -> Cow<'a, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let kept = fold(text, width.saturating_sub(columns(missing))).next().unwrap_or_default();
    Cow::Owned(format!("{kept}{missing}"))
}

/// A name in exactly so many columns: its end where it is longer.
#[must_use]
pub fn fitted(name: &str, width: usize) -> String {
    let shown = end_of(name, width, "..");
    format!("{shown}{}", " ".repeat(width.saturating_sub(columns(&shown))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_many_names_the_first_few_are_said() {
        for (names, expected) in
            [(&["a"][..], "a"), (&["a", "b", "c"], "a, b, c"), (&["a", "b\n", "c", "d", "e"], "a, b\\n, c and 2 more")]
        {
            assert_eq!(first_few(names.iter().copied()), expected);
        }
    }

    #[test]
    fn a_word_comes_back_from_a_shell_as_it_was() {
        for (word, expected) in [
            ("-run=TestA", "-run=TestA"),
            ("./...", "./..."),
            ("^Test(A|B)$", "'^Test(A|B)$'"),
            ("it's", "'it'\\''s'"),
            ("a b", "'a b'"),
            ("", "''"),
            ("~", "'~'"),
            ("a\n'b\\\u{202e}", r"$'a\x0a\'b\\\xe2\x80\xae'"),
        ] {
            assert_eq!(for_shell(word.as_bytes()), expected);
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
    fn lines_break_at_spaces() {
        assert_eq!(wrap("pages in RAM now", 8), ["pages in", "RAM now"]);
        assert_eq!(wrap("indivisible", 3), ["indivisible"]);
        assert_eq!(hanging("  try: ", "pages in RAM now", Some(16)), "  try: pages in\n       RAM now\n");
        assert_eq!(hanging("- ", "pages in RAM now", None), "- pages in RAM now\n");
    }

    #[test]
    fn lines_of_a_terminal_break_anywhere_and_lose_nothing() {
        let rows = |text, width| fold(text, width).collect::<Vec<_>>();
        assert_eq!(rows("/usr/bin/a -b c", 6), ["/usr/b", "in/a -", "b c"]);
        assert_eq!(rows("ab漢字c", 3), ["ab", "漢", "字c"]);
        assert_eq!(rows("漢字", 0), ["漢", "字"]);
        assert_eq!(rows("", 5), [""]);
    }

    #[test]
    fn of_a_path_the_end_is_kept() {
        assert_eq!(end_of("encoding/json", 13, ".."), "encoding/json");
        assert_eq!(end_of("encoding/json", 12, ".."), "..oding/json");
        assert_eq!(end_of("ab漢字", 5, ".."), "..字");
        assert_eq!(end_of("abc", 1, ".."), "..");
        assert_eq!(end_of("abc", 2, "…"), "…c");
        assert_eq!(beginning_of("go test -v", 10, " .."), "go test -v");
        assert_eq!(beginning_of("go test -v x", 10, " .."), "go test ..");
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

        #[test]
        fn no_text_is_too_wide(text in any::<String>(), width in 2..40_usize) {
            let text = printable(text.as_bytes());
            prop_assert!(columns(&end_of(&text, width, "..")) <= width);
            prop_assert_eq!(wrap(&text, width).join(" "), &*text);
            prop_assert!(fold(&text, width).all(|row| columns(row) <= width));
            prop_assert_eq!(fold(&text, width).collect::<String>(), text);
        }
    }
}
