//! One run in each form.

use super::*;
use crate::run::fixture;
use crate::run::report::{Advice, Budget};
use crate::text::columns;

fn written(format: Option<ReportFormat>) -> String {
    let report = fixture::report();
    let mut out = Vec::new();
    match format {
        None => write_text(&mut out, &report, None),
        Some(format) => write(&mut out, &report, format),
    }
    .expect("memory takes everything");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_run_as_text() {
    insta::assert_snapshot!(written(None));
}

#[test]
fn on_a_terminal_no_line_is_longer_than_it() {
    let mut report = fixture::report();
    report.processes[1].package = Some("example.com/a/long/way/to/where/the/package/is".into());
    report.budget = Some(Budget { exceeded: vec!["one word ".repeat(30)], ..Budget::default() });
    for width in [80, 100, 120] {
        let mut out = Vec::new();
        write_text(&mut out, &report, Some(width)).expect("memory takes everything");
        let text = String::from_utf8(out).expect("text");
        let longest = text.lines().max_by_key(|line| columns(line)).expect("lines");
        assert!(columns(longest) <= width, "{width}: {longest}\n{text}");
        assert!(text.contains("the/package/is  link"), "the end of a path says most\n{text}");
    }
}

/// Results from go's cache and tests too short to be seen.
#[test]
fn what_could_not_be_told_of_tests_stands_in_every_form() {
    let mut report = fixture::report();
    report.untold = vec!["go took the results of m/a from its cache".into(), "1 test was over".into()];
    let formats = [None, Some(ReportFormat::Json), Some(ReportFormat::Markdown), Some(ReportFormat::Junit)];
    for format in formats {
        let mut out = Vec::new();
        match format {
            None => write_text(&mut out, &report, None),
            Some(format) => write(&mut out, &report, format),
        }
        .expect("memory takes everything");
        let text = String::from_utf8(out).expect("text");
        for line in &report.untold {
            assert!(text.contains(line.as_str()), "{format:?}: {text}");
        }
    }
}

#[test]
fn a_run_as_markdown() {
    insta::assert_snapshot!(written(Some(ReportFormat::Markdown)));
}

#[test]
fn a_run_as_junit() {
    insta::assert_snapshot!(written(Some(ReportFormat::Junit)));
}

#[test]
fn advice_ends_in_a_command_that_can_be_pasted() {
    let mut report = fixture::report();
    let command = format!("go test -p 1 -run '^Test{}$' ./...", "|Some".repeat(20));
    let why = "two ran together".to_owned();
    report.advice = vec![Advice { what: "one package at a time".into(), why, command: Some(command.clone()) }];
    let written = |report: &RunReport, format: Option<ReportFormat>| {
        let mut out = Vec::new();
        match format {
            None => write_text(&mut out, report, Some(80)),
            Some(format) => write(&mut out, report, format),
        }
        .expect("memory takes everything");
        String::from_utf8(out).expect("text")
    };
    // In one line, though the terminal has fewer columns.
    let text = written(&report, None);
    assert!(
        text.ends_with(&format!("  try: one package at a time (two ran together):\n         {command}\n")),
        "{text}"
    );
    let markdown = written(&report, Some(ReportFormat::Markdown));
    assert!(markdown.ends_with(&format!("- one package at a time (two ran together): `{command}`\n")), "{markdown}");
    // What nobody would read is cut, but where nobody reads it.
    let long = command.repeat(9);
    report.advice[0].command = Some(long.clone());
    let text = written(&report, None);
    assert!(text.ends_with(" [..]\n") && !text.contains(&long), "{text}");
    for format in [ReportFormat::Markdown, ReportFormat::Json] {
        assert!(written(&report, Some(format)).contains(&long));
    }
}
