//! `oomtop run --report FILE.xml`: JUnit as CI servers read it: one test case for the run, one property per number.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{command_line, rfc3339};
use crate::run::phase::Phase;
use crate::run::report::{RunReport, VerdictKind};

pub(super) fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let verdict = &report.verdict;
    let exceeded: Vec<_> =
        report.budget.iter().filter(|budget| !budget.warns_only).flat_map(|budget| &budget.exceeded).collect();
    let failed = verdict.kind != VerdictKind::Ok || !exceeded.is_empty();
    let time = report.took.as_secs_f64();
    let name = command_line(report);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites>")?;
    writeln!(
        out,
        "  <testsuite name=\"oomtop run\" tests=\"1\" failures=\"{}\" errors=\"0\" time=\"{time:.3}\" timestamp=\"{}\">",
        u8::from(failed),
        rfc3339(report.wall).unwrap_or_default()
    )?;
    writeln!(out, "    <properties>")?;
    property(out, "oomtop.verdict", verdict.kind.word())?;
    property(out, "oomtop.confidence", verdict.confidence.word())?;
    if let Some(peak) = &report.peak {
        property(out, "oomtop.peak.tree_rss_bytes", &peak.total.0.to_string())?;
    }
    if let Some(room) = &report.room {
        property(out, "oomtop.limit_bytes", &room.limit.0.to_string())?;
    }
    for process in report.processes.iter().filter(|process| process.phase == Phase::Test) {
        if let Some((peak, _)) = process.peak {
            property(out, &format!("oomtop.peak_rss_bytes.{}", process.subject()), &peak.0.to_string())?;
        }
    }
    writeln!(out, "    </properties>")?;
    writeln!(out, "    <testcase classname=\"oomtop\" name=\"{}\" time=\"{time:.3}\">", escaped(&name))?;
    if failed {
        let message = if verdict.kind == VerdictKind::Ok { "over budget" } else { &verdict.summary };
        writeln!(out, "      <failure message=\"{}\">", escaped(message))?;
        let lines = verdict.story.iter().chain(exceeded).map(String::as_str);
        let evidence: Vec<_> = verdict.evidence.iter().map(|one| format!("{}: {}", one.source, one.text)).collect();
        for line in lines.chain(evidence.iter().map(String::as_str)) {
            writeln!(out, "{}", escaped(line))?;
        }
        writeln!(out, "      </failure>")?;
    }
    writeln!(out, "    </testcase>\n  </testsuite>\n</testsuites>")?;
    out.flush()
}

fn property(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "      <property name=\"{}\" value=\"{}\"/>", escaped(name), escaped(value))
}

/// Text of an attribute or an element: all of it is printable already.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_no_attribute() {
        assert_eq!(escaped("a \"b\" <c> & 'd'"), "a &quot;b&quot; &lt;c&gt; &amp; &apos;d&apos;");
    }
}
