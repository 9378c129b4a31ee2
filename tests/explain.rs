//! `oomtop explain` against kernel logs with known stories: as they are, in every other wrapping, with other lines between
//! theirs, cut anywhere, and flooded. The logs and what must be said of them stand in `fixtures/oom-logs`.

#![expect(clippy::disallowed_methods, reason = "reads fixtures and runs the program")]

use std::path::{Path, PathBuf};

use oomtop::oom_log::{Domain, Episode, Form, LogReader, Outcome, Span};
use oomtop::post_mortem::{Reason, Story, Tally, Teller, words};
use proptest::prelude::*;
use serde::Deserialize;

#[path = "explain/skimmed.rs"]
mod skimmed;
#[path = "explain/wrapping.rs"]
mod wrapping;

use wrapping::{records, strange_wrappings, wrappings};

/// What must be said of a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    closing: String,
    #[serde(default)]
    story: Vec<ExpectedStory>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct ExpectedStory {
    headline: String,
    why: String,
    reason: String,
    because: Option<String>,
    victims: Vec<u32>,
    asked_by: Option<u32>,
    domain: Option<String>,
    kernel: Option<String>,
    candidates: usize,
    #[serde(default)]
    repeats: u64,
}

impl ExpectedStory {
    fn of(story: &Story) -> Self {
        let episode = &story.episode;
        let domain = match &episode.domain {
            Some(Domain::Host) => Some("host".to_owned()),
            Some(Domain::Cgroup(None)) => Some("cgroup".to_owned()),
            Some(Domain::Cgroup(Some(path))) => Some(String::from_utf8_lossy(path).into_owned()),
            None => None,
        };
        let (reason, because) = match story.reason {
            Reason::Outranked { because, .. } => ("outranked".to_owned(), Some(snake(&format!("{because:?}")))),
            other => (snake(format!("{other:?}").split([' ', '{']).next().unwrap_or_default()), None),
        };
        Self {
            headline: words::headline(story),
            why: words::why(story),
            reason,
            because,
            victims: episode.victims.iter().map(|victim| victim.tgid.unwrap_or(victim.pid).0).collect(),
            asked_by: episode.invoker.as_ref().and_then(|invoker| invoker.pid).map(|pid| pid.0),
            domain,
            kernel: episode.release.as_deref().map(str::to_owned),
            candidates: episode.tasks.rows.len(),
            repeats: episode.repeats,
        }
    }
}

/// `OnlyOne` as `only_one`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oom-logs")
}

fn logs_of_the_corpus() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder of logs").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    paths.sort();
    paths
}

/// Every log of the corpus, by name.
fn logs() -> Vec<(String, Vec<u8>)> {
    let read = |path: &PathBuf| std::fs::read(path).expect("a log");
    let name = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    logs_of_the_corpus().iter().map(|path| (name(path), read(path))).collect()
}

fn log(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.log"))).expect(name)
}

/// Reads a log in chunks of this size.
fn read_by(log: &[u8], chunk: usize) -> (Vec<Story>, Span, Form) {
    let mut reader = LogReader::default();
    let mut teller = Teller::default();
    let mut stories = Vec::new();
    for piece in log.chunks(chunk.max(1)) {
        reader.push(piece);
        stories.extend(std::iter::from_fn(|| reader.next_episode()).map(|episode| teller.tell(episode)));
    }
    reader.finish();
    stories.extend(std::iter::from_fn(|| reader.next_episode()).map(|episode| teller.tell(episode)));
    (stories, reader.span(), reader.form().clone())
}

fn read(log: &[u8]) -> Vec<Story> {
    read_by(log, 1 << 16).0
}

/// A story without what depends on the wrapping: its times and the name of the machine.
fn told(story: &Story) -> ExpectedStory {
    ExpectedStory::of(story)
}

fn all_told(log: &[u8]) -> Vec<ExpectedStory> {
    read(log).iter().map(told).collect()
}

#[test]
fn every_log_has_its_stories() {
    let logs = logs();
    assert!(logs.len() >= 40, "{} logs", logs.len());
    for (name, log) in logs {
        let expected = std::fs::read_to_string(folder().join(format!("{name}.toml"))).expect(&name);
        let expected: Expected = toml::from_str(&expected).unwrap_or_else(|error| panic!("{name}: {error}"));
        for chunk in [1 << 16, 1000, 7] {
            let (stories, span, form) = read_by(&log, chunk);
            let mut tally = Tally::default();
            for story in &stories {
                assert!(tally.count(story));
            }
            assert_eq!(stories.iter().map(told).collect::<Vec<_>>(), expected.story, "{name} by {chunk}");
            assert_eq!(tally.closing(&span, &form), expected.closing, "{name} by {chunk}");
        }
    }
}

/// The score that kernels up to 5.0 print is the one counted here, but for root's discount of 3 %.
#[test]
fn scores_agree_with_those_that_the_kernel_printed() {
    let mut compared = 0;
    for (name, log) in logs() {
        for story in read(&log) {
            let (Some(printed), Some(total), Some(place)) =
                (story.episode.chosen.and_then(|chosen| chosen.score), story.scale.total, words::own_place(&story))
            else {
                continue;
            };
            if story.episode.allocating_task || total.0 == 0 {
                continue;
            }
            let score = story.ranking[place].score;
            let thousandths = |points: i64| points * 1000 / i64::try_from(total.0).expect("a total");
            let points = score.points.expect("a score");
            let discounted = points - i64::try_from(score.held.0).expect("pages") * 3 / 100;
            let printed = i64::try_from(printed).expect("a score");
            assert!(
                (thousandths(discounted) - 1..=thousandths(points) + 1).contains(&printed),
                "{name}: {printed}, counted {}",
                thousandths(points)
            );
            compared += 1;
        }
    }
    assert!(compared >= 12, "{compared}");
}

/// A log that has one of its lines in the middle of a text whose form nobody knows.
#[test]
fn what_stands_ahead_of_the_kernels_words_hides_none_of_them() {
    let mut compared = 0;
    for (name, log) in logs() {
        let Some(records) = records(&log) else { continue };
        let expected = all_told(&log);
        for (wrapping, wrap) in strange_wrappings() {
            // Continuations of a record are told by what they begin with, which in a text of others is nothing.
            if records.iter().any(|record| record.continues || record.text.contains('\n')) {
                continue;
            }
            let wrapped: String = records.iter().map(wrap).collect();
            let (stories, span, form) = read_by(wrapped.as_bytes(), 1 << 16);
            assert_eq!(stories.iter().map(told).collect::<Vec<_>>(), expected, "{name} as {wrapping}:\n{wrapped}");
            assert!(form.behind.is_some() || form.census.kernel > 0 || expected.is_empty(), "{name} as {wrapping}");
            let has_times = !matches!(wrapping, "KMSG" | "JSON in JSON");
            assert_eq!(span.first.is_some() && span.last.is_some(), has_times, "{name} as {wrapping}: {span:?}");
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn every_wrapping_tells_the_same() {
    let mut compared = 0;
    for (name, log) in logs() {
        let Some(records) = records(&log) else { continue };
        let expected = all_told(&log);
        for (wrapping, wrap) in wrappings() {
            // Second lines of a record without anything before them can be anybody's.
            if wrapping == "nothing" && records.iter().any(|record| record.text.contains('\n')) {
                continue;
            }
            let wrapped: String = records.iter().map(wrap).collect();
            assert_eq!(all_told(wrapped.as_bytes()), expected, "{name} as {wrapping}");
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

/// What a program relays under its own name is that program's word.
#[test]
fn a_whole_log_under_another_programs_name_is_not_believed() {
    let mut compared = 0;
    for (name, log) in logs() {
        let Some(records) = records(&log) else { continue };
        let lines: Vec<_> = records.iter().flat_map(|record| record.text.split('\n')).collect();
        let ahead = "\nNov 20 10:00:00 web-1 kmsg-relay[77]: ";
        let relayed = format!("{ahead}{}", lines.join(ahead));
        let (stories, _, form) = read_by(relayed.as_bytes(), 1 << 16);
        assert_eq!(
            (stories.len(), form.refused.lines),
            (0, lines_with(relayed.as_bytes(), b"Killed process ") as u64),
            "{name}"
        );
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn continuations_are_joined_in_raw_logs() {
    let log = log("6.18.15-long-path");
    assert!(records(&log).expect("a raw log").iter().any(|record| record.continues));
    let [story] = read(&log).try_into().expect("one story");
    let Some(Domain::Cgroup(Some(path))) = &story.episode.domain else { panic!("{:?}", story.episode.domain) };
    assert!(path.ends_with(b"_13.slice") && path.len() > 800, "{}", path.len());
    assert_eq!(story.episode.victim_cgroup.as_deref(), Some(&**path));
}

/// Nothing in the second may stand for what the first, whole one does not have.
fn says_no_more(cut: &[Story], whole: &[Story], name: &str, end: usize) {
    let victims =
        |stories: &[Story]| stories.iter().flat_map(|story| story.episode.victims.clone()).collect::<Vec<_>>();
    for (victim, full) in victims(cut).iter().zip(&victims(whole)) {
        assert_eq!(victim.pid, full.pid, "{name} cut at {end}");
        let sizes = [
            (victim.anon, full.anon),
            (victim.file, full.file),
            (victim.shmem, full.shmem),
            (victim.total_vm, full.total_vm),
            (victim.page_tables, full.page_tables),
        ];
        for (cut, full) in sizes {
            assert!(cut.is_none() || cut == full, "{name} cut at {end}: {cut:?} for {full:?}");
        }
        assert!(victim.name.is_none() || victim.name == full.name, "{name} cut at {end}");
        assert!(victim.oom_score_adj.is_none() || victim.oom_score_adj == full.oom_score_adj, "{name} cut at {end}");
        assert!(victim.uid.is_none() || victim.uid == full.uid, "{name} cut at {end}");
    }
    for (story, full) in cut.iter().zip(whole) {
        let (episode, full) = (&story.episode, &full.episode);
        assert!(episode.tasks.rows.iter().all(|row| full.tasks.rows.contains(row)), "{name} cut at {end}");
        let known = match &episode.domain {
            Some(Domain::Cgroup(Some(_)) | Domain::Host) => episode.domain == full.domain,
            Some(Domain::Cgroup(None)) => matches!(full.domain, Some(Domain::Cgroup(_))),
            None => true,
        };
        assert!(known, "{name} cut at {end}: {:?}", episode.domain);
        assert!(
            episode.summary.is_none_or(|summary| Some(summary.pid) == full.summary.map(|full| full.pid)),
            "{name} cut at {end}"
        );
        if let Some((cut, full)) = episode.counters.memory.zip(full.counters.memory) {
            assert_eq!((cut.usage, cut.limit), (full.usage, full.limit), "{name} cut at {end}");
            assert!(cut.fail_count.is_none() || cut.fail_count == full.fail_count, "{name} cut at {end}");
        }
    }
}

#[test]
fn cut_at_every_byte_it_says_less_and_nothing_else() {
    for name in ["public-2.6.32-el6", "public-3.10-el7-uid", "public-4.14-kata", "public-6.1-already-dying"] {
        let log = log(name);
        let whole = read(&log);
        for end in 0..log.len() {
            says_no_more(&read(&log[..end]), &whole, name, end);
        }
    }
}

/// Lines that have these words.
fn lines_with(log: &[u8], words: &[u8]) -> usize {
    log.split(|byte| *byte == b'\n').filter(|line| line.windows(words.len()).any(|window| window == words)).count()
}

#[test]
fn the_beginning_may_be_lost_too() {
    for (name, log) in logs() {
        let victims = |stories: &[Story]| stories.iter().map(|story| story.episode.victims.len()).sum::<usize>();
        let whole = victims(&read(&log));
        for begin in (0..log.len()).step_by(log.len() / 40 + 1) {
            let (stories, _, form) = read_by(&log[begin..], 1 << 16);
            // Where no line of the kernel's is left, quotes behind other text are told as such: not more than there are.
            let most = if form.behind.is_some() { lines_with(&log[begin..], b"Kill") } else { whole };
            assert!(victims(&stories) <= most, "{name} from {begin}");
        }
    }
}

/// Lines of others that may stand between those of a dump.
const OTHERS: &[&str] = &[
    "eth0: renamed from veth1a2b3c",
    " ? srso_alias_return_thunk+0x5/0xfbef5",
    "audit: type=1400 audit(1763714482.123:77): apparmor=\"DENIED\" operation=\"open\" name=\"/x=1\" pid=7",
    "app[337]: segfault at ffffffffffffffff ip 0000000000401917 sp 00007fffd7ada960 error 7",
    "TCP: out of memory -- consider tuning tcp_mem",
    "[drm] pid 77 total_vm",
    "kill me",
    "",
];

/// Logs whose dumps have all their records and one writer.
const WHOLE: &[&str] =
    &["4.4-adj-decides", "4.15-mempolicy", "5.10-oom-group", "6.8-global-swap", "6.18.15-long-path", "7.2-adj-decides"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lines_of_others_change_nothing(which in 0..WHOLE.len(), at in prop::collection::vec((any::<prop::sample::Index>(), 0..OTHERS.len(), any::<bool>()), 0..60)) {
        let name = WHOLE[which];
        let records = records(&log(name)).expect("a raw log");
        let wrap = |text: &str| format!("Nov 21 08:41:22 web-1 kernel: {}\n", text.replace('\n', " "));
        let mut lines: Vec<String> = records.iter().map(|record| wrap(&record.text)).collect();
        let expected = all_told(lines.concat().as_bytes());
        for (place, other, by_user) in at {
            let text = OTHERS[other];
            let line = if by_user {
                format!("Nov 21 08:41:22 web-1 app[77]: {text} Out of memory: Killed process 1 (init) total-vm:1kB\n")
            } else {
                wrap(text)
            };
            lines.insert(place.index(lines.len() + 1), line);
        }
        prop_assert_eq!(all_told(lines.concat().as_bytes()), expected);
    }

    #[test]
    fn machines_and_threads_keep_their_dumps_apart(pair in (0..WHOLE.len(), 0..WHOLE.len()), by_thread: bool, order in prop::collection::vec(any::<bool>(), 400)) {
        let wrap = |which: usize, number: usize| -> Vec<String> {
            let records = records(&log(WHOLE[which])).expect("a raw log");
            let line = |text: &str| {
                let text = text.replace('\n', " ");
                if by_thread { format!("[    7.000001][  T{number}] {text}\n") } else { format!("Nov 21 08:41:22 web-{number} kernel: {text}\n") }
            };
            records.iter().map(|record| line(&record.text)).collect()
        };
        let (first, second) = (wrap(pair.0, 1), wrap(pair.1, 2));
        let sorted = |mut stories: Vec<ExpectedStory>| {
            stories.sort_by(|a, b| a.headline.cmp(&b.headline).then(a.why.cmp(&b.why)));
            stories
        };
        let mut expected = all_told(first.concat().as_bytes());
        expected.extend(all_told(second.concat().as_bytes()));
        let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
        let mut order = order.into_iter().cycle();
        let mut merged = String::new();
        while first.peek().is_some() || second.peek().is_some() {
            let next = if order.next() == Some(true) { first.next().or_else(|| second.next()) } else { second.next().or_else(|| first.next()) };
            merged.push_str(&next.expect("a line"));
        }
        prop_assert_eq!(sorted(all_told(merged.as_bytes())), sorted(expected));
    }

    #[test]
    fn shuffled_lines_never_invent_a_victim(which in 0..WHOLE.len(), other in 0..WHOLE.len(), seed in any::<u64>()) {
        let mut lines: Vec<Vec<u8>> = [which, other].iter().flat_map(|which| log(WHOLE[*which]).split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
        let mut state = seed | 1;
        for at in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            lines.swap(at, (state >> 33) as usize % (at + 1));
        }
        let log = lines.concat();
        let text = String::from_utf8_lossy(&log).into_owned();
        for story in read(&log) {
            for victim in &story.episode.victims {
                let record = format!("Killed process {} (", victim.pid);
                prop_assert!(text.contains(&record), "{record}");
            }
            for row in &story.episode.tasks.rows {
                prop_assert!(text.contains(&String::from_utf8_lossy(row.name.as_bytes()).into_owned()));
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(log in prop::collection::vec(any::<u8>(), 0..2000), chunk in 1..200_usize) {
        let (stories, ..) = read_by(&log, chunk);
        prop_assert!(stories.iter().all(|story| story.episode.outcome != Outcome::Killed || !story.episode.victims.is_empty()));
    }

    #[test]
    fn damaged_logs_are_survived_and_read_the_same_by_any_chunk(which in any::<prop::sample::Index>(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40), chunk in 1..3000_usize) {
        let logs = logs();
        let (_, mut log) = logs[which.index(logs.len())].clone();
        for (place, byte) in damage {
            let place = place.index(log.len());
            log[place] = byte;
        }
        let stories = read(&log);
        prop_assert_eq!(&read_by(&log, chunk).0, &stories);
        for story in stories {
            // All that is made of it can be said.
            let _ = (words::headline(&story), words::why(&story), words::who_asked(&story), words::usage(&story));
        }
    }
}

/// Episodes of a log that is made as it is read.
fn read_flood(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<Episode> {
    let mut reader = LogReader::default();
    let mut episodes = Vec::new();
    for piece in pieces {
        reader.push(&piece);
        episodes.extend(std::iter::from_fn(|| reader.next_episode()));
    }
    reader.finish();
    episodes.extend(std::iter::from_fn(|| reader.next_episode()));
    episodes
}

#[test]
fn a_table_of_any_length_is_cut_and_says_so() {
    let head = b"[    1.0] a invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0\n\
                 [    1.0] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n";
    let rows = (1..=100_000_u32).map(|pid| {
        format!("[    1.0] [{pid:7}]     0 {pid:5}     3494     {pid}    61440        0             0 x\n").into_bytes()
    });
    let kill = b"[    1.0] Out of memory: Killed process 7 (x) total-vm:4kB, anon-rss:28kB, file-rss:0kB\n";
    let pieces = std::iter::once(head.to_vec()).chain(rows).chain(std::iter::once(kill.to_vec()));
    let [episode] = read_flood(pieces).try_into().expect("one episode");
    assert_eq!((episode.tasks.rows.len(), episode.tasks.left_out), (65_536, 34_464));
    let story = Teller::default().tell(episode);
    assert!(words::why(&story).contains("34464 more rows"), "{}", words::why(&story));
}

#[test]
fn a_line_of_any_length_is_passed_over() {
    let piece = vec![b'x'; 1 << 16];
    let kill = b"\n[    1.0] Out of memory: Killed process 7 (x) total-vm:4kB, anon-rss:28kB, file-rss:0kB\n".to_vec();
    let episodes = read_flood(std::iter::repeat_n(piece, 300).chain(std::iter::once(kill)));
    assert_eq!(episodes.len(), 1);
}

#[test]
fn a_dump_that_never_ends_is_told_when_nothing_more_comes() {
    let log = log("5.4-adj-decides");
    let cut = log.len() / 2;
    let half = &log[..cut - log[..cut].iter().rev().position(|byte| *byte == b'\n').expect("a line")];
    let noise = (0..6000).map(|at| format!("Nov 21 08:41:22 web-1 app: nothing {at}\n").into_bytes());
    let mut reader = LogReader::default();
    reader.push(half);
    noise.for_each(|line| reader.push(&line));
    let episode = reader.next_episode().expect("given up");
    assert_eq!(episode.outcome, Outcome::Unknown);
}
