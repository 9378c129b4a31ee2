//! The report of a run on standard error: verdict, evidence, the biggest, what overlapped, advice.

use std::io::{self, Write};
use std::time::Duration;

use super::holder;
use crate::run::per_test::{self, TestMemory};
use crate::run::report::{RunReport, SMALL, worth_telling};
use crate::text::printable;
use crate::units::{Bytes, counted};

/// Lines of the table.
const LINES: usize = 15;
/// Who held how much at the peak, at the most.
const HOLDERS: usize = 6;

/// Writes it.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let verdict = &report.verdict;
    let (headline, sure) = report.headline();
    writeln!(out, "oomtop: {headline} ({}): {}", sure.word(), report.summary())?;
    for line in &verdict.story {
        writeln!(out, "  {line}")?;
    }
    for (place, evidence) in verdict.evidence.iter().enumerate() {
        let lead = if place == 0 { "evidence:" } else { "         " };
        writeln!(out, "  {lead} {}: {}", evidence.source, evidence.text)?;
    }
    table(out, report)?;
    tests(out, report)?;
    if let Some(peak) = &report.peak {
        let shown = peak.holders.iter().filter(|(_, rss)| *rss >= SMALL).take(HOLDERS);
        let names: Vec<_> = shown.map(|(place, rss)| format!("{} {rss}", holder(&report.processes[*place]))).collect();
        let more = if peak.holders.len() > names.len() { ", ..." } else { "" };
        let at = seconds(peak.at.since(report.started));
        let of = if names.is_empty() { String::new() } else { format!(": {}{more}", names.join(", ")) };
        writeln!(out, "  whole tree at most {} at {at}{of}", peak.total)?;
    }
    for (lead, line) in report.over_budget() {
        writeln!(out, "  {lead}: {line}")?;
    }
    if report.budget.as_ref().is_some_and(|budget| budget.exceeded.is_empty()) {
        writeln!(out, "  within budget")?;
    }
    for (place, advice) in report.advice.iter().enumerate() {
        let lead = if place == 0 { "\n  try:" } else { "      " };
        writeln!(out, "{lead} {} ({})", advice.what, advice.why)?;
    }
    out.flush()
}

fn table(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let rows = worth_telling(&report.processes, LINES);
    if rows.is_empty() {
        return Ok(());
    }
    let width = rows.iter().map(|process| process.subject().chars().count()).max().unwrap_or(0).clamp(7, 60);
    writeln!(out, "\n   PEAK    {:<width$}  {:<8}{:<15}{:<12}ENDED", "PACKAGE", "PHASE", "WHEN", "GROWTH")?;
    for process in &rows {
        let (peak, source) =
            process.peak.map_or((String::new(), ""), |(peak, source)| (peak.to_string(), source.word()));
        // Exact ones stand as they are; of the others more may be true.
        let at_least = if source == "taskstats" { " " } else { ">" };
        let ended = process.ended.map_or_else(|| "(lives)".into(), seconds);
        let when = format!("{}-{ended}", seconds(process.started));
        let growth = process.growth.map_or_else(|| "-".into(), |(_, rate)| rate.to_string());
        writeln!(
            out,
            "  {at_least}{peak:<7} {:<width$}  {:<8}{when:<15}{growth:<12}{}",
            process.subject(),
            process.phase.word(),
            process.ending()
        )?;
    }
    let rest = (report.processes.len() - rows.len()) as u64 + report.left_out;
    if rest > 0 {
        writeln!(out, "  and {}", counted(rest, ["smaller one", "smaller ones"]))?;
    }
    Ok(())
}

/// The tests that kept and held the most, where they were asked.
fn tests(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let (shown, others) = per_test::worth_telling(&report.tests, LINES);
    if shown.is_empty() {
        return Ok(());
    }
    let name = |test: &TestMemory| printable(format!("{} {}", test.package, test.test).as_bytes()).into_owned();
    let width = shown.iter().map(|test| name(test).chars().count()).max().unwrap_or(0).min(70);
    writeln!(out, "\n  {:<8}{:<8}{:<8}{:<8}{:<width$}  BESIDE IT", "BEFORE", "PEAK", "AFTER", "KEPT", "TEST")?;
    for test in shown {
        let cell = |bytes: Option<Bytes>| bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let [before, peak, after, kept] = [test.before, test.peak, test.after, test.kept()].map(cell);
        writeln!(out, "  {before:<8}{peak:<8}{after:<8}{kept:<8}{:<width$}  {}", name(test), test.beside_in_words())?;
    }
    if others > 0 {
        writeln!(out, "  and {others} other tests")?;
    }
    Ok(())
}

fn seconds(span: Duration) -> String {
    if span.as_secs() < 1000 { format!("{:.1}s", span.as_secs_f64()) } else { format!("{}s", span.as_secs()) }
}
