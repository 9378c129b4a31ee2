//! What a command writes stands as a terminal would show it: by table, by any bytes, and held against a terminal.

use std::num::NonZeroU16;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What is written in these pieces, as lines.
fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut teletype, mut lines) = (Teletype::default(), Vec::new());
    for byte in pieces.into_iter().flatten() {
        teletype.take(*byte, &mut |line| lines.push(line));
    }
    lines.extend((!teletype.is_empty()).then(|| teletype.text()));
    lines
}

#[test]
fn a_line_stands_as_a_terminal_would_show_it() {
    for (written, shown) in [
        (&b"plain"[..], "plain"),
        (b"10%\r50%\r100%\r", "100%"),
        (b"long line\rshort", "shortline"),
        (b"long line\r\x1b[Kshort", "short"),
        (b"long line\x1b[2K\rshort", "short"),
        (b"\x1b[1;31mred\x1b[0m and \x1b[38:2::1:2:3mblue\x1b[m", "red and blue"),
        (b"a\tb\t\tc", "a       b               c"),
        (b"-\x08\\\x08|\x08/\x08done", "done"),
        (b"abc\x1b[5Gx\x1b[3Dy\x1b[2Cz", "aby xz"),
        (b"[    ]\r\x1b[C##", "[##  ]"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1bP1$r0\x1b\\c\x1b_d\x1b\\d\x1b^e\x1b\\e\x1bXf\x1b\\f", "abcdef"),
        (b"\x1b(B\x1b)0\x1b#8\x1b%G\x1b F\x1b=\x1b>\x1b7\x1b8x", "x"),
        (b"\x1b[>4;2m\x1b[?2004h\x1b[22;0;0t\x1b[!p\x1b[2 qx", "x"),
        ("\u{9b}31mx\u{9d}0;title\u{9c}y".as_bytes(), "xy"),
        (b"a\x00b\x07c\x0e\x0fd\x7f", "abcd"),
        (b"caf\xe9!", "caf\\xe9!"),
        (b"\xe6\xe6\xbc\xa2", "\\xe6漢"),
        ("漢字\r\x1b[Cx".as_bytes(), " x字"),
        ("漢字\rx".as_bytes(), "x 字"),
        ("漢字\x1b[2G\x1b[K".as_bytes(), " "),
        ("e\u{301}\u{202e}".as_bytes(), "e\\u{301}\\u{202e}"),
        (b"\x1b[31\x18x\x1b]0;title\x1ay", "xy"),
        (b"\x1b[99999999999999999999Cx", " x"),
    ] {
        assert_eq!(lines([written]), [shown], "{:?}", written.escape_ascii().to_string());
    }
}

#[test]
fn another_row_is_another_line_and_nothing_cut_short_takes_one() {
    for (written, shown) in [
        (&b"a\nb\r\nc"[..], &["a", "b", "c"][..]),
        (b"\n\n", &["", ""]),
        (b"1/3\n2/3\x1b[1A\r3/3\x1b[2J\x1b[Hdone", &["1/3", "2/3", "3/3", "done"]),
        (
            b"\x1b[H\x1b[2J\x1b[3Jtop\x1bDlow\x1bMhigh\x1b[2;5Hright\xc2\x85next",
            &["top", "low", "high", "right", "next"],
        ),
        (b"\x1b]0;never ended\nnext", &["", "next"]),
        (b"\x1b[31\nnext\x1b\nlast", &["", "next", "last"]),
    ] {
        assert_eq!(lines([written]), shown, "{:?}", written.escape_ascii().to_string());
    }
}

#[test]
fn who_wants_a_terminal_is_told_once_where_to_get_it() {
    for asks in ["\x1b[?1049h", "\x1b[?47h", "\x1b[?1047h", "\x1b[?1h", "\x1b[?12;1049h"] {
        let written = format!("before{asks}{asks}\rafter\n");
        assert_eq!(lines([written.as_bytes()]), ["before", WANTS_A_TERMINAL, "after"], "{}", asks.escape_debug());
    }
    for complaint in [
        "Vim: Warning: Output is not to a terminal",
        "\ttop: failed tty get",
        "the input device is not a TTY",
        "stty: 'standard input': Inappropriate ioctl for device",
        "panic: inappropriate ioctl for device",
    ] {
        let written = format!("{complaint}\r\n{complaint}\n\x1b[?1049h");
        let complaint = lines([complaint.as_bytes()]).remove(0);
        assert_eq!(lines([written.as_bytes()]), [&complaint, WANTS_A_TERMINAL, &complaint]);
    }
    assert_eq!(lines([&b"\x1b[?25h\x1b[?2004h\x1b[1hx"[..]]), ["x"]);
}

#[test]
fn a_drawing_is_gone_and_what_others_write_beside_it_is_not() {
    let shown = |written: &str| lines([written.as_bytes()]);
    let drawn = "a\n\x1b[?1049h\x1b[H\x1b[2Jfile\r\n~\r\n~\x1b[24;1Hstatus\x1b[?1049lb\n";
    assert_eq!(shown(drawn), ["a", WANTS_A_TERMINAL, "b"]);
    let killed = "\x1b[?1049h\x1b[H\x1b[2Jfile\x1b[2;1Hok a\nFAIL b\nnext\n";
    assert_eq!(shown(killed), [WANTS_A_TERMINAL, "ok a", "FAIL b", "next"]);
    let quoted = "    view_test.go:7: got \x1b[?1049hmenu\n--- FAIL: TestView\n";
    assert_eq!(shown(quoted), ["    view_test.go:7: got ", WANTS_A_TERMINAL, "menu", "--- FAIL: TestView"]);
}

/// A response as HTTP has it, dumped after an alternate screen that was quoted, or whose drawer was killed.
#[test]
fn lines_that_end_as_on_a_wire_stand_once_the_drawing_has_ended() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n--- FAIL: TestGet\n";
    let lines_of_it = ["HTTP/1.1 200 OK", "Content-Length: 5", "--- FAIL: TestGet"];
    for (before, shown) in [
        ("got \x1b[?1049hmenu\n", &["got ", WANTS_A_TERMINAL, "menu"][..]),
        ("got \x1b[?1049hmenu\r\n", &["got ", WANTS_A_TERMINAL, "menu"]),
        ("\x1b[?1049h\x1b[H\x1b[2Jfile\r\n~\r\n\x1b[24;1Hsignal: killed\n", &[WANTS_A_TERMINAL, "signal: killed"]),
        ("\x1b[?1049h\x1b[Hfile\r\n~\x1b[?1049l", &[WANTS_A_TERMINAL]),
        ("\x1b[?1049h\x1b[Hfile\r\n~\x1bc", &[WANTS_A_TERMINAL]),
    ] {
        let written = format!("{before}{response}");
        assert_eq!(lines([written.as_bytes()]), [shown, &lines_of_it].concat(), "{}", before.escape_debug());
    }
}

#[test]
fn a_line_is_broken_where_it_is_too_long_and_what_is_held_is_bounded() {
    let long = vec![b'x'; 2 * LINE + 1];
    assert_eq!(lines([&*long]).iter().map(String::len).collect::<Vec<_>>(), [LINE, LINE, 1]);
    let mut teletype = Teletype::default();
    for byte in b"\x1b[".iter().chain(&vec![b'1'; 10_000]) {
        teletype.take(*byte, &mut |_| ());
    }
    assert!(teletype.held.len() <= SEQUENCE);
}

/// Bytes as a hostile program writes them: sequences whole, cut and mixed with text.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let parts = select(vec![
        "\x1b",
        "\x1b[",
        "\x1b]0;",
        "\x1bP",
        "\x1b\\",
        "\x07",
        "\x1b(",
        "?",
        "1049",
        "h",
        "l",
        ";",
        "5",
        "H",
        "K",
        "J",
        "A",
        "G",
        "m",
        "\r",
        "\n",
        "\t",
        "\x08",
        "text",
        "漢",
        "\u{9b}",
        "\u{9c}",
        "\u{85}",
        "\u{301}",
        "\x1b[?1049h",
        "\x1b[?1h",
    ]);
    let part =
        prop_oneof![parts.prop_map(|part| part.as_bytes().to_vec()), proptest::collection::vec(any::<u8>(), 1..4)];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// What is written within a line.
fn within_a_line() -> impl Strategy<Value = String> {
    let letters = select("abcxyz .漢é#".chars().map(String::from).collect::<Vec<_>>());
    let moves = select(vec![
        "\r",
        "\t",
        "\x08",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[2K",
        "\x1b[0K",
        "\x1b[J",
        "\x1b[31m",
        "\x1b]2;t\x07",
        "\x1b(B",
    ]);
    let far = ("[CDG]", 0..30_u8).prop_map(|(last, far)| format!("\x1b[{far}{last}"));
    let part = prop_oneof![4 => letters, 2 => moves.prop_map(String::from), 1 => far];
    proptest::collection::vec(part, 0..50).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn nothing_that_a_terminal_obeys_is_ever_shown(bytes in hostile()) {
        for line in lines([&*bytes]) {
            prop_assert_eq!(&*printable(line.as_bytes()), &*line);
        }
    }

    #[test]
    fn text_loses_nothing(bytes in proptest::collection::vec(prop_oneof![0x20..0x7f_u8, 0xa0..=0xff_u8], 1..100)) {
        prop_assert_eq!(lines([&*bytes, b"\n"]), [printable(&bytes)]);
    }

    #[test]
    fn a_line_is_what_a_terminal_has_on_its_last_row(written in within_a_line()) {
        let columns = NonZeroU16::new(2000).expect("is not zero");
        let mut terminal = vt100::Parser::new(NonZeroU16::MIN, columns, 0);
        terminal.process(written.as_bytes());
        let row = terminal.screen().rows(0, columns.get()).next().expect("has a row");
        let line = lines([written.as_bytes()]).pop().unwrap_or_default();
        prop_assert_eq!(line.trim_end(), row.trim_end());
    }
}
