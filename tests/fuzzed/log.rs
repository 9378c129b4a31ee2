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

/// Panics where one of this does not hold.
pub fn check(log: &[u8]) {
    let (stories, reader) = read(log, usize::MAX);
    let chunk = usize::from(log.first().copied().unwrap_or_default()) + 1;
    assert_eq!(read(log, chunk).0, stories, "in pieces of {chunk}");

    let mut tally = Tally::of(&[Pid(1)]);
    let mut json = explain_json::Writer::new(Vec::new());
    for story in &stories {
        let _ = tally.count(story);
        explain_text::write_story(&mut String::new(), story, Some(80)).expect("memory");
        json.story(story).expect("memory");
        for victim in &story.episode.victims {
            let digits = victim.pid.to_string();
            // JSON may write the digits as bytes, and colours may stand between them.
            assert!(
                log.contains(&b'{')
                    || log.contains(&0x1b)
                    || log.windows(digits.len()).any(|window| window == digits.as_bytes())
            );
        }
    }
    let (span, form) = (reader.span(), reader.form());
    let _ = tally.closing(&span, form);
    json.finish(&span, form, tally.answers(&span, form)).expect("memory");
}
