//! The report of a run on standard error: verdict, evidence, the biggest, what overlapped, advice.

use std::io::{self, Write};

use super::holder;
use crate::run::per_test::TestMemory;
use crate::run::report::{RunReport, seconds};
use crate::run::watched::PeakSource;
use crate::run::worth::{self, SMALL};
use crate::text::{columns, fitted, hanging, printable};
use crate::units::{Bytes, counted};

/// Lines of the table.
const LINES: usize = 15;
/// Who held how much at the peak, at the most.
const HOLDERS: usize = 6;

/// Writes it; on a terminal in lines of `width` columns.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, report: &RunReport, width: Option<usize>) -> io::Result<()> {
    let verdict = &report.verdict;
    let (headline, sure) = report.headline();
    let mut say = |lead: &str, text: &str| out.write_all(hanging(lead, text, width).as_bytes());
    say("oomtop: ", &format!("{headline} ({}): {}", sure.word(), report.summary()))?;
    for line in &verdict.story {
        say("  ", line)?;
    }
    for (place, evidence) in verdict.evidence.iter().enumerate() {
        let lead = if place == 0 { "  evidence: " } else { "            " };
        say(lead, &format!("{}: {}", evidence.source, evidence.text))?;
    }
    table(out, report, width)?;
    tests(out, report, width)?;
    if !report.untold.is_empty() {
        writeln!(out)?;
    }
    let mut say = |lead: &str, text: &str| out.write_all(hanging(lead, text, width).as_bytes());
    for line in &report.untold {
        say("  --tests: ", line)?;
    }
    if let Some(peak) = &report.peak {
        let shown = peak.holders.iter().filter(|(_, rss)| *rss >= SMALL).take(HOLDERS);
        let names: Vec<_> = shown.map(|(place, rss)| format!("{} {rss}", holder(&report.processes[*place]))).collect();
        let more = if peak.holders.len() > names.len() { ", ..." } else { "" };
        let at = peak.at.map_or_else(String::new, |at| format!(" at {}", seconds(at.since(report.started))));
        let of = if names.is_empty() { String::new() } else { format!(": {}{more}", names.join(", ")) };
        let why = report.why_above_the_limit().map_or_else(String::new, |why| format!(" ({why})"));
        say("  ", &format!("whole tree at most {}{at}{of}{why}", peak.total))?;
    }
    for (lead, line) in report.over_budget() {
        say(&format!("  {lead}: "), line)?;
    }
    if report.budget.as_ref().is_some_and(|budget| budget.exceeded.is_empty()) {
        say("  ", "within budget")?;
    }
    for (place, advice) in report.advice.iter().enumerate() {
        let lead = if place == 0 { "  try: " } else { "       " };
        let gap = if place == 0 { "\n" } else { "" };
        out.write_all(gap.as_bytes())?;
        let (command, colon) = (advice.short_command(), if advice.command.is_some() { ":" } else { "" });
        out.write_all(hanging(lead, &format!("{} ({}){colon}", advice.what, advice.why), width).as_bytes())?;
        if let Some(command) = command {
            // In one line, however long: the terminal breaks it, and it can be copied.
            writeln!(out, "         {command}")?;
        }
    }
    out.flush()
}

/// Columns of PEAK, PHASE, WHEN, GROWTH and ENDED, with what stands between them.
const NUMBERS: usize = 12 + 2 + 8 + 14 + 11 + 8;
/// Columns for those that ran beside a test.
const BESIDE: usize = 12;
/// Columns of BEFORE, PEAK, KEPT, RESULT and BESIDE IT, with what stands between them.
const SIZES: usize = 2 + 4 * 8 + 2 + BESIDE;

/// How much of a line is left for a name, of names that are so long.
fn room_for_names(names: impl Iterator<Item = usize>, rest: usize, width: Option<usize>, most: usize) -> usize {
    let most = width.map_or(most, |width| width.saturating_sub(rest).max(12));
    names.max().unwrap_or(0).clamp(7, most)
}

fn table(out: &mut dyn Write, report: &RunReport, width: Option<usize>) -> io::Result<()> {
    let rows = worth::processes(&report.processes, LINES);
    if rows.is_empty() {
        return Ok(());
    }
    let names = rows.iter().map(|process| columns(&process.subject()));
    let room = room_for_names(names, NUMBERS, width, 60);
    let subject = fitted("PACKAGE", room);
    writeln!(out, "\n   PEAK     {subject}  {:<8}{:<14}{:<11}ENDED", "PHASE", "WHEN", "GROWTH")?;
    for process in &rows {
        let (peak, source) =
            process.peak.map_or(("-".to_owned(), PeakSource::Taskstats), |(peak, source)| (peak.to_string(), source));
        // Exact ones stand as they are; of the others more may be true.
        let at_least = if source == PeakSource::Taskstats { " " } else { ">" };
        let ended = process.ended.map_or_else(|| "(lives)".into(), seconds);
        let when = format!("{}-{ended}", seconds(process.started));
        let growth = process.growth.map_or_else(|| "-".into(), |(_, rate)| rate.to_string());
        writeln!(
            out,
            "  {at_least}{peak:<8} {}  {:<8}{when:<14}{growth:<11}{}",
            fitted(&process.subject(), room),
            process.phase.word(),
            process.ending()
        )?;
    }
    let rest = (report.processes.len() - rows.len()) as u64 + report.left_out;
    if rest > 0 {
        writeln!(out, "  and {}", counted(rest, ["other", "others"]))?;
    }
    Ok(())
}

/// The tests that kept and held the most, where they were asked.
fn tests(out: &mut dyn Write, report: &RunReport, width: Option<usize>) -> io::Result<()> {
    let (shown, others) = worth::tests(&report.tests, LINES);
    if shown.is_empty() {
        return Ok(());
    }
    let name = |test: &TestMemory| printable(format!("{} {}", test.package, test.test).as_bytes()).into_owned();
    let room = room_for_names(shown.iter().map(|test| columns(&name(test))), SIZES, width, 70);
    let heading = fitted("TEST", room);
    writeln!(out, "\n  {:<8}{:<8}{:<8}{:<8}{heading}  BESIDE IT", "BEFORE", "PEAK", "KEPT", "RESULT")?;
    for test in shown {
        let cell = |bytes: Option<Bytes>| bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let [before, peak, kept] = [test.before, test.peak, test.kept()].map(cell);
        let result = test.result_in_words();
        let beside = test.beside_in_words();
        let beside = match test.beside.len() {
            count if width.is_some() && columns(&beside) > BESIDE => counted(count, ["test", "tests"]),
            _ => beside,
        };
        writeln!(out, "  {before:<8}{peak:<8}{kept:<8}{result:<8}{}  {beside}", fitted(&name(test), room))?;
    }
    if let Some(others) = others {
        writeln!(out, "  and {others}")?;
    }
    Ok(())
}
