//! Any bytes as a kernel log: read whole and in pieces, told as text and as JSON. Nothing panics, both ways of reading say the
//! same, and nobody is dead whose kill is not in the log. For the fuzzer, and for the test that replays what it found.

use oomtop::export::{explain_json, explain_text};
use oomtop::oom_log::LogReader;
use oomtop::post_mortem::{Story, Tally, Teller};
use oomtop::units::Pid;

fn read(log: &[u8], chunk: usize) -> (Vec<Story>, LogReader) {
    let mut reader = LogReader::default();
    let mut teller = Teller::default();
    let mut stories = Vec::new();
    for piece in log.chunks(chunk) {
        reader.push(piece);
        stories.extend(std::iter::from_fn(|| reader.next_episode()).map(|episode| teller.tell(episode)));
    }
    reader.finish();
    stories.extend(std::iter::from_fn(|| reader.next_episode()).map(|episode| teller.tell(episode)));
    (stories, reader)
}

/// The log as it is meant: without colours, with bytes in the place of their escapes (`\u0035`, `\x35`), and behind it the texts
/// that stand in it as lists of bytes.
fn plain(log: &[u8]) -> Vec<u8> {
    let log = replaced(log, |rest| colour(rest).map(|length| (None, length)));
    let mut plain = replaced(&log, |rest| escape(rest).map(|(byte, length)| (Some(byte), length)));
    for list in log.split(|byte| *byte == b'[').skip(1) {
        let numbers = list.split(|byte| matches!(byte, b',' | b']'));
        let bytes = numbers.map_while(|number| str::from_utf8(number).ok()?.trim().parse::<u8>().ok());
        plain.push(b'\n');
        plain.extend(bytes);
    }
    plain
}

/// What stands in the place of the first bytes, if it is not they themselves, and how many they are.
type Replacement = (Option<u8>, usize);

/// The bytes with something else, or nothing, where `new` finds something to replace.
fn replaced(bytes: &[u8], new: fn(&[u8]) -> Option<Replacement>) -> Vec<u8> {
    let (mut made, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let (byte, length) = new(&bytes[at..]).unwrap_or((Some(bytes[at]), 1));
        made.extend(byte);
        at += length;
    }
    made
}

/// `ESC [ 1 ; 31 m` at the beginning: its length.
fn colour(rest: &[u8]) -> Option<usize> {
    let parameters = rest.strip_prefix(b"\x1b[")?;
    let length = parameters.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (parameters.get(length) == Some(&b'm')).then_some(length + 3)
}

/// `\u0035` of JSON and `\x35` of `/dev/kmsg` at the beginning: the byte, and the length.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    let (digits, length) = match rest {
        [b'\\', b'u', b'0', b'0', digits @ ..] => (digits, 6),
        [b'\\', b'x', digits @ ..] => (digits, 4),
        _ => return None,
    };
    let digits = digits.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    Some((u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?, length))
}

/// Panics where one of this does not hold.
pub fn check(log: &[u8]) {
    let (stories, reader) = read(log, usize::MAX);
    let chunk = usize::from(log.first().copied().unwrap_or_default()) + 1;
    assert_eq!(read(log, chunk).0, stories, "in pieces of {chunk}");

    let plain = plain(log);
    let mut tally = Tally::of(&[Pid(1)]);
    let mut json = explain_json::Writer::new(Vec::new());
    for story in &stories {
        let _ = tally.count(story);
        explain_text::write_story(&mut String::new(), story, Some(80));
        json.story(story).expect("memory");
        for victim in &story.episode.victims {
            let digits = victim.pid.to_string();
            assert!(plain.windows(digits.len()).any(|window| window == digits.as_bytes()), "{digits}");
        }
    }
    let (span, form) = (reader.span(), reader.form());
    let _ = tally.closing(&span, form);
    json.finish(&span, form, tally.answers(&span, form)).expect("memory");
}
