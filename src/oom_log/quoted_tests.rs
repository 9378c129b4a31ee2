//! Tests of `quoted`: the kernel's text behind anything, and the lines that only look like it.

use super::*;

const KILL: &str = "Out of memory: Killed process 5 (a\"b) total-vm:9kB, anon-rss:7kB, file-rss:0kB, shmem-rss:0kB, UID:0 \
                    pgtables:6kB oom_score_adj:-17";

fn text(line: &str) -> Option<String> {
    first_text(line.as_bytes()).map(|(_, text)| String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_text_is_found_behind_anything() {
    let in_json = KILL.replace('"', "\\\"");
    let in_json_twice = KILL.replace('"', "\\\\\\\"");
    for line in [
        format!("2026-11-20T10:00:00.123456789Z stdout F {KILL}"),
        format!("KMSG {KILL}"),
        format!("web-1  | 17: > {KILL}"),
        format!("{{\"log\":\"{in_json}\\n\",\"stream\":\"stdout\"}}"),
        format!("level=warn msg=\"[ 12.3] {in_json}\" host=web"),
        format!("{{\"log\":\"{{\\\"message\\\":\\\"{in_json_twice}\\\",\\\"n\\\":1}}\\n\",\"x\":\"y\"}}"),
    ] {
        assert_eq!(text(&line).as_deref(), Some(KILL), "{line}");
    }
}

#[test]
fn a_sentence_about_a_kill_is_none() {
    for line in [
        "he saw \"Out of memory: Killed process 5 (x)\" yesterday",
        "Out of memory: Killed process 5 (x) is what it said",
        "was it Out of memory: Killed process 5 (x), or what?",
        "xKilled process 5 (x) total-vm:1kB",
        "the words Killed process are in it",
        "{\"log\":\"Out of memory: Killed process 5 (x) total-vm:1kB, anon-r",
    ] {
        assert_eq!(text(line), None, "{line}");
    }
    assert_eq!(
        text("** Out of memory: Killed process 5 (x).").as_deref(),
        Some("Out of memory: Killed process 5 (x).")
    );
}

#[test]
fn what_stands_ahead_is_known_again_with_other_numbers_and_no_other_words() {
    let ahead = Ahead(b"2026-11-20T10:00:00.1Z web-7d9f stdout F [   12.3] ".as_slice().into());
    for (line, rest) in [
        ("2026-11-21T11:22:33.123456Z web-a1 stdout F [ 7104.000001] [  338]     0", Some("[  338]     0")),
        ("2026-11-21T11:22:33.123456Z web-a1 stderr F [ 7104.000001] x", None),
        ("2026-11-21T11:22:33.123456Z web-a1 stdout F", None),
        ("", None),
    ] {
        assert_eq!(ahead.length_in(line.as_bytes()).map(|length| &line[length..]), rest, "{line}");
    }
}

#[test]
fn names_with_blanks_are_told_from_what_stands_ahead() {
    for (line, name) in [
        ("Web Content invoked", "Web Content"),
        ("2026-11-20T10:00:00Z web[7]: tmux: server invoked", "server"),
        ("{\"log\":\"Web Content invoked", "Web Content"),
        ("2026-11-20T10:00:00.1Z stdout F trig invoked", "trig"),
    ] {
        let before = line.strip_suffix(" invoked").expect("the word");
        assert_eq!(&before[name_before(before.as_bytes())..], name, "{line}");
    }
}

#[test]
fn times_are_found_anywhere() {
    let line = b"{\"log\":\"[   12.345678] x\",\"time\":\"2026-11-20T10:00:00.123456789Z\"}";
    let time = time_around(&line[..21], line);
    assert_eq!((time.since_boot, time.date), (Some(12_345_678), &b"2026-11-20T10:00:00.123456789Z"[..]));
    assert_eq!(super::time(b"__REALTIME_TIMESTAMP=1763714482123456").wall, Some(WallTime(1_763_714_482_123_456_000)));
    assert_eq!(super::time(b"1-2-3-4-5 no date 2026-11-20 x"), Time::default());
}
