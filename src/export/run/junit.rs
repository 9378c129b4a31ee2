//! `oomtop run --report FILE.xml`: JUnit as CI servers read it: one test case for the run and, where they are told, one for
//! each test; one property per number.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{command_line, rfc3339};
use crate::run::per_test::TestMemory;
use crate::run::phase::Phase;
use crate::run::report::{RunReport, VerdictKind};
use crate::text::printable;

pub(super) fn write(out: &mut dyn Write, report: &RunReport) -> io::Result<()> {
    let verdict = &report.verdict;
    let failed = verdict.kind != VerdictKind::Ok || report.status() != Some(0);
    let tests_failed = report.tests.iter().filter(|test| test.has_failed()).count();
    let time = report.took.as_secs_f64();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites>")?;
    writeln!(
        out,
        "  <testsuite name=\"oomtop run\" tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{time:.3}\" timestamp=\"{}\">",
        1 + report.tests.len(),
        usize::from(failed) + tests_failed,
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
    if !report.untold.is_empty() {
        property(out, "oomtop.tests_untold", &report.untold.join("; "))?;
    }
    writeln!(out, "    </properties>")?;
    let name = command_line(report);
    writeln!(out, "    <testcase classname=\"oomtop\" name=\"{}\" time=\"{time:.3}\">", escaped(&name))?;
    if failed {
        writeln!(out, "      <failure message=\"{}\">", escaped(&report.summary()))?;
        for line in &verdict.story {
            writeln!(out, "{}", escaped(line))?;
        }
        for (lead, line) in report.over_budget() {
            writeln!(out, "{lead}: {}", escaped(line))?;
        }
        for evidence in &verdict.evidence {
            writeln!(out, "{}: {}", evidence.source, escaped(&evidence.text))?;
        }
        writeln!(out, "      </failure>")?;
    }
    writeln!(out, "    </testcase>")?;
    for test in &report.tests {
        write_test(out, test)?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")?;
    out.flush()
}

fn write_test(out: &mut dyn Write, test: &TestMemory) -> io::Result<()> {
    let [package, name] = [&test.package, &test.test].map(|text| printable(text.as_bytes()));
    let time = test.lasted().unwrap_or_default().as_secs_f64();
    writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{time:.3}\">\n      <properties>",
        escaped(&package),
        escaped(&name)
    )?;
    let sizes = [
        ("oomtop.rss_before_bytes", test.before),
        ("oomtop.rss_peak_bytes", test.peak),
        ("oomtop.rss_after_bytes", test.after),
        ("oomtop.kept_bytes", test.kept()),
    ];
    for (name, size) in sizes {
        if let Some(size) = size {
            property(out, name, &size.0.to_string())?;
        }
    }
    if !test.beside.is_empty() {
        property(out, "oomtop.concurrent_with", &test.beside_in_words())?;
    }
    writeln!(out, "      </properties>")?;
    match test.result.as_deref() {
        Some("skip") => writeln!(out, "      <skipped/>")?,
        Some(_) if test.has_failed() => writeln!(out, "      <failure message=\"it failed\"/>")?,
        None => writeln!(out, "      <failure message=\"it was still running when its test binary ended\"/>")?,
        Some(_) => {}
    }
    writeln!(out, "    </testcase>")
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
