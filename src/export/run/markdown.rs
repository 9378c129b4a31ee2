//! `oomtop run --report FILE.md`: for a CI job's summary (GitHub's, GitLab's, or any reader of CommonMark with tables).

use std::io::{self, Write};

use super::{command_line, holder};
use crate::run::report::{ProcessLine, RunReport, seconds};
use crate::run::worth;
use crate::text::printable;
use crate::units::{Bytes, counted};

const LINES: usize = 20;

pub(super) fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let verdict = &report.verdict;
    let (headline, sure) = report.headline();
    writeln!(out, "### {headline}: `{}`\n", command_line(report).replace('`', "'"))?;
    writeln!(out, "**{}** ({})\n", escaped(&report.summary()), sure.word())?;
    for line in &verdict.story {
        writeln!(out, "{}\n", escaped(line))?;
    }
    for evidence in &verdict.evidence {
        writeln!(out, "- *{}*: {}", evidence.source, escaped(&evidence.text))?;
    }
    writeln!(out, "\n| peak | how known | package | phase | when | growth | ended |\n|---:|---|---|---|---|---:|---|")?;
    let rows = worth::processes(&report.processes, LINES);
    for process in &rows {
        writeln!(out, "{}", row(process))?;
    }
    let rest = (report.processes.len() - rows.len()) as u64 + report.left_out;
    if rest > 0 {
        writeln!(out, "\nNot shown: {}.", counted(rest, ["other process", "other processes"]))?;
    }
    if let Some(peak) = &report.peak {
        let names: Vec<_> = peak
            .holders
            .iter()
            .take(8)
            .map(|(place, rss)| format!("{} {rss}", escaped(&holder(&report.processes[*place]))))
            .collect();
        let at = peak.at.map_or_else(String::new, |at| format!(", at {}", seconds(at.since(report.started))));
        let why = report.why_above_the_limit().map_or_else(String::new, |why| format!(" ({why})"));
        writeln!(out, "\nThe whole tree held at most **{}**{at}: {}{why}.", peak.total, names.join(", "))?;
    }
    tests(out, report)?;
    for line in &report.untold {
        writeln!(out, "\n--tests: {}.", escaped(line))?;
    }
    for (lead, line) in report.over_budget() {
        writeln!(out, "\n**{lead}:** {}", escaped(line))?;
    }
    if !report.advice.is_empty() {
        writeln!(out, "\nTo try:\n")?;
    }
    for advice in &report.advice {
        let command = advice.command.as_deref().map_or_else(String::new, |command| format!(": {}", code(command)));
        writeln!(out, "- {} ({}){command}", escaped(&advice.what), escaped(&advice.why))?;
    }
    out.flush()
}

/// The tests that kept and held the most, where they were asked.
fn tests(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let (shown, others) = worth::tests(&report.tests, LINES);
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| test | result | before | peak | after | kept | beside it |\n|---|---|---:|---:|---:|---:|---|")?;
    for test in shown {
        let cell = |bytes: Option<Bytes>| bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let [before, peak, after, kept] = [test.before, test.peak, test.after, test.kept()].map(cell);
        let name = printable(format!("{} {}", test.package, test.test).as_bytes()).into_owned();
        let beside = test.beside_in_words();
        let result = test.result_in_words();
        writeln!(
            out,
            "| {} | {result} | {before} | {peak} | {after} | {kept} | {} |",
            escaped(&name),
            escaped(&beside)
        )?;
    }
    if let Some(others) = others {
        writeln!(out, "\nNot shown: {others}.")?;
    }
    Ok(())
}

fn row(process: &ProcessLine) -> String {
    let (peak, source) = process.peak.map_or(("-".into(), "-"), |(peak, source)| (peak.to_string(), source.word()));
    let ended = process.ended.map_or_else(|| "(lives)".into(), |ended| format!("{:.1}s", ended.as_secs_f64()));
    let growth = process.growth.map_or_else(|| "-".into(), |(_, rate)| rate.to_string());
    let started = process.started.as_secs_f64();
    let subject = escaped(&process.subject()).into_owned();
    format!(
        "| {peak} | {source} | {subject} | {} | {started:.1}s-{ended} | {growth} | {} |",
        process.phase.word(),
        process.ending()
    )
}

/// Names come from whoever runs a process: none of them may become a heading, a link or a cell.
fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    const SPECIAL: &[char] = &['\\', '`', '*', '_', '[', ']', '<', '>', '|', '#', '&', '~'];
    if !text.contains(SPECIAL) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if SPECIAL.contains(&character) {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe.into()
}

/// As it is, between more grave accents than it has in a row (CommonMark 6.1).
fn code(text: &str) -> String {
    let most = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let (fence, gap) = ("`".repeat(most + 1), if most > 0 { " " } else { "" });
    format!("{fence}{gap}{text}{gap}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stays_what_it_is() {
        assert_eq!(code("go test -run 'A|B'"), "`go test -run 'A|B'`");
        assert_eq!(code("`` x `"), "``` `` x ` ```");
    }

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(escaped("a|b <script> `x` [l](u)"), "a\\|b \\<script\\> \\`x\\` \\[l\\](u)");
        assert_eq!(escaped("example.com/goleak/a"), "example.com/goleak/a");
    }
}
