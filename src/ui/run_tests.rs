//! The screen of `oomtop run` as a person sees it: while the command runs, and with its verdict.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::{Event, Pane, State, Tone, update};
use crate::config::{Glyphs, Look, ThemeName};
use crate::run;
use crate::run::fixture::{command, process, room};
use crate::run::phase::Phase;
use crate::run::progress::Progress;
use crate::run::report::{Advice, Exit, Peak, ProcessLine, Vantage};
use crate::units::{Bytes, Timestamp};

use super::fixture;
use super::tests::screen;

const LOOK: Look = Look { glyphs: Glyphs::Ascii, theme: ThemeName::Mono };

fn processes() -> Vec<ProcessLine> {
    vec![
        process(30987, Phase::Test, Some("example.com/goleak/a"), "a.test", 121, None),
        process(30201, Phase::Link, Some("example.com/goleak/b"), "link", 96, Some(Exit::Code(0))),
        process(30990, Phase::Test, Some("example.com/goleak/b"), "b.test", 31, Some(Exit::Code(0))),
        process(29688, Phase::Go, None, "go", 26, None),
    ]
}

fn peak() -> Peak {
    let holders = [(0, 96), (2, 31), (3, 26)].map(|(place, mib)| (place, Bytes::from_mib(mib)));
    Peak { at: Some(Timestamp::from_secs(12)), total: Bytes::from_mib(153), holders: holders.to_vec() }
}

fn running(size: (u16, u16)) -> State {
    let mut state = fixture::state(size, LOOK);
    state.begin_run(fixture::LEAKING);
    let progress = Progress {
        command: command(),
        vantage: Vantage::Above,
        took: Duration::from_millis(13_200),
        holds: Bytes::from_mib(147),
        peak: Some(peak()),
        room: Some(room()),
        processes: processes(),
        others: 12,
    };
    update(&mut state, Event::Progress(Arc::new(progress)));
    update(&mut state, Event::Output(b"=== RUN   TestLeak\nok  \texample.com/goleak/b\t0.9s\n".to_vec()));
    state
}

fn over(size: (u16, u16)) -> State {
    let mut state = running(size);
    let mut report = run::fixture::report();
    report.advice = vec![Advice {
        what: "one package at a time".into(),
        why: "the biggest and go need at least 147M of 192M".into(),
        command: Some("go test -p 1 ./...".into()),
    }];
    update(&mut state, Event::RunEnded(Arc::new(report)));
    state
}

#[test]
fn a_command_that_runs_and_its_verdict() {
    for (width, height) in [(80, 24), (120, 34)] {
        insta::assert_snapshot!(format!("run_{width}x{height}_ascii"), screen(&running((width, height))));
        insta::assert_snapshot!(format!("run_over_{width}x{height}_ascii"), screen(&over((width, height))));
    }
}

/// "181M of 170M, at most 182M (107%)" was told of a sum of RSS.
#[test]
fn a_sum_of_rss_is_no_part_of_a_limit_that_it_exceeds() {
    let mut state = fixture::state((160, 34), LOOK);
    state.begin_run(fixture::LEAKING);
    let [limit, holds, most] = [170, 181, 182].map(Bytes::from_mib);
    let progress = Progress {
        command: command(),
        vantage: Vantage::Outside,
        took: Duration::from_secs(9),
        holds,
        peak: Some(Peak { total: most, ..peak() }),
        room: Some(run::report::Room { limit, is_own: false, peak: None, ..room() }),
        processes: processes(),
        others: 0,
    };
    update(&mut state, Event::Progress(Arc::new(progress)));
    let shown = screen(&state);
    assert!(shown.contains("] RSS in sum 181M, limit 170M, peak 182M") && !shown.contains("(107%)"), "{shown}");
}

/// Whoever pages where it has a terminal copies all of it where it has none, and ends well: that is no reason to be silent.
#[test]
fn a_verdict_tells_who_wants_a_terminal_where_to_get_it() {
    let hint = "try: oomtop run --headless (it needs a terminal of its own)";
    let shown = |command: &[&str], written: &str| {
        let mut state = running((80, 24));
        update(&mut state, Event::Output(written.as_bytes().to_vec()));
        let command = command.iter().map(|word| word.as_bytes().into()).collect();
        let report = run::report::RunReport { command, ..run::fixture::report() };
        update(&mut state, Event::RunEnded(Arc::new(report)));
        screen(&state)
    };
    for (command, written) in [
        (&["/usr/bin/less", "README"][..], "text\n"),
        (&["man", "less"], ""),
        (&["top"], "\ttop: failed tty get\n"),
        (&["sh", "-c", "vi"], "\x1b[?1049h"),
    ] {
        let shown = shown(command, written);
        assert!(shown.contains(hint), "{command:?}\n{shown}");
    }
    assert!(!shown(&["go", "test", "./less"], "ok less\n").contains("--headless"));
}

#[test]
fn what_is_said_hides_no_line_of_the_output() {
    for size in [(80, 24), (120, 34)] {
        let mut state = running(size);
        let lines: Vec<_> = (0..99).map(|line| format!("line {line}\n")).collect();
        update(&mut state, Event::Output(lines.concat().into_bytes()));
        state.say(
            Tone::Bad,
            "SIGINT was sent to the command: when it has ended, q leaves; once more sends SIGTERM. ".repeat(2),
        );
        let shown = screen(&state);
        assert!(shown.contains("! SIGINT was sent") && shown.contains("line 98"), "{shown}");
    }
}

#[test]
fn no_size_makes_it_panic() {
    for state in [running, over] {
        for (width, height) in (0..40).flat_map(|width| [(width, 12), (width * 6, width), (100, width)]) {
            for pane in [Pane::Run, Pane::Output] {
                let mut state = state((width, height));
                state.focus = pane;
                state.say(Tone::Good, "said ".repeat(usize::from(width)));
                state.zoomed = width % 2 == 0;
                state.run.as_mut().expect("is watched").scroll = usize::from(width);
                super::draw(&state, &mut Buffer::empty(Rect::new(0, 0, width, height)));
            }
        }
    }
}
