//! The decoder against what terminals send, whole, split and hostile.

use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk, &mut |event| events.push(event));
    }
    decoder.expire(&mut |event| events.push(event));
    events
}

fn keys(bytes: &[u8]) -> Vec<(KeyCode, KeyModifiers)> {
    decode(&[bytes])
        .into_iter()
        .map(|event| match event {
            Event::Key(key) => (key.code, key.modifiers),
            other => panic!("{other:?} is no key"),
        })
        .collect()
}

#[test]
fn keys_of_all_usual_terminals_are_understood() {
    use KeyCode::{BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, F, Home, PageDown, PageUp, Tab, Up};
    let none = KeyModifiers::NONE;
    for (bytes, code, modifiers) in [
        (&b"q"[..], Char('q'), none),
        (b"G", Char('G'), KeyModifiers::SHIFT),
        ("é".as_bytes(), Char('é'), none),
        (b"\r", Enter, none),
        (b"\n", Enter, none),
        (b"\t", Tab, none),
        (b"\x7f", Backspace, none),
        (b"\x08", Backspace, none),
        (b"\x1b", Esc, none),
        (b"\x03", Char('c'), KeyModifiers::CONTROL),
        (b"\x1a", Char('z'), KeyModifiers::CONTROL),
        (b"\x1b[A", Up, none),
        (b"\x1bOB", Down, none),
        (b"\x1b[1;5A", Up, KeyModifiers::CONTROL),
        (b"\x1b[Z", BackTab, KeyModifiers::SHIFT),
        (b"\x1b[H", Home, none),
        (b"\x1b[1~", Home, none),
        (b"\x1b[7~", Home, none),
        (b"\x1bOF", End, none),
        (b"\x1b[4~", End, none),
        (b"\x1b[3~", Delete, none),
        (b"\x1b[5~", PageUp, none),
        (b"\x1b[6;3~", PageDown, KeyModifiers::ALT),
        (b"\x1bOP", F(1), none),
        (b"\x1b[[A", F(1), none),
        (b"\x1b[11~", F(1), none),
        (b"\x1b[15~", F(5), none),
        (b"\x1b[17~", F(6), none),
        (b"\x1b[21~", F(10), none),
        (b"\x1b[24~", F(12), none),
        (b"\x1b[1;2P", F(1), KeyModifiers::SHIFT),
        (b"\x1bOj", Char('*'), none),
    ] {
        assert_eq!(keys(bytes), [(code, modifiers)], "{bytes:?}");
    }
}

#[test]
fn escape_alone_is_known_only_when_nothing_follows() {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.feed(b"\x1b", &mut |event| events.push(event));
    assert!(decoder.is_waiting() && events.is_empty());
    decoder.feed(b"[B", &mut |event| events.push(event));
    assert!(!decoder.is_waiting());
    assert_eq!(events, [key(KeyCode::Down, KeyModifiers::NONE)]);
    assert_eq!(keys(b"\x1b\x1b[A").len(), 2);
}

#[test]
fn escape_and_a_key_in_one_read_are_never_the_key_with_alt() {
    use KeyCode::{Backspace, Char, Enter, Esc, Tab};
    for (bytes, expected) in [
        (&b"\x1b\r"[..], &[Esc, Enter][..]),
        (b"\x1b\t", &[Esc, Tab]),
        (b"\x1b\x7f", &[Esc, Backspace]),
        (b"\x1b\x1b\r", &[Esc, Esc, Enter]),
        // A character is dropped: Escape may have led to where it acts.
        (b"\x1bk", &[Esc]),
        (b"\x1bo", &[Esc]),
        (b"\x1b]", &[Esc]),
        (b"\x1b[", &[Esc]),
        (b"\x1bO", &[Esc]),
        ("\x1bé".as_bytes(), &[Esc]),
        (b"\x1bkq", &[Esc, Char('q')]),
    ] {
        let expected: Vec<_> = expected.iter().map(|code| (*code, KeyModifiers::NONE)).collect();
        assert_eq!(keys(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn answers_and_nonsense_are_dropped() {
    for bytes in [
        &b"\x1b[?1;2c"[..],
        b"\x1b]11;rgb:0000/0000/0000\x07",
        b"\x1bP1$r0m\x1b\\",
        b"\x1b[200000000000~",
        b"\xff\xfe",
        b"\x1b[<0;0;0M",
        b"\x1b[I",
    ] {
        assert_eq!(decode(&[bytes]), [], "{bytes:?}");
    }
}

#[test]
fn mouse_and_paste_come_through() {
    let click = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: 9,
        row: 4,
        modifiers: KeyModifiers::CONTROL,
    };
    assert_eq!(decode(&[b"\x1b[<16;10;5M"]), [Event::Mouse(click)]);
    let wheel = MouseEvent { kind: MouseEventKind::ScrollDown, column: 0, row: 0, modifiers: KeyModifiers::NONE };
    assert_eq!(decode(&[b"\x1b[<65;1;1M"]), [Event::Mouse(wheel)]);
    assert_eq!(decode(&[b"\x1b[200~a\x1b[b", b"q\x1b[20", b"1~"]), [Event::Paste("a\x1b[bq".into())]);
    let long = [b"\x1b[200~", [b'x'; 10_000].as_slice(), b"\x1b[201~q"].concat();
    let events = decode(&[&long]);
    assert!(matches!(&events[..], [Event::Paste(text), Event::Key(_)] if text.len() == LONGEST_PASTE));
}

proptest! {
    #[test]
    fn where_a_stream_is_split_does_not_matter(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'O')], 0..80),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(bytes.len() + 1);
        prop_assert_eq!(decode(&[&bytes]), decode(&[&bytes[..at], &bytes[at..]]));
    }

    #[test]
    fn what_is_held_is_bounded(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let mut decoder = Decoder::default();
        for chunk in chunks {
            decoder.feed(&chunk, &mut |_| ());
            prop_assert!(decoder.held.len() <= LONGEST_SEQUENCE);
        }
    }
}
