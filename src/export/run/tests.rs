//! One run in each form.

use super::*;
use crate::run::fixture;

fn written(format: Option<ReportFormat>) -> String {
    let report = fixture::report();
    let mut out = Vec::new();
    match format {
        None => write_text(&mut out, &report),
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
fn a_run_as_markdown() {
    insta::assert_snapshot!(written(Some(ReportFormat::Markdown)));
}

#[test]
fn a_run_as_junit() {
    insta::assert_snapshot!(written(Some(ReportFormat::Junit)));
}
