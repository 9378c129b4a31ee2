//! `oomtop snapshot --table`: aligned columns under a few lines that say how the machine stands. For people and for
//! mails from cron; scripts take JSON or CSV.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::monitor::report::{DomainReport, MappingsReport, ProcessReport, Report, UnreadableReport};
use crate::table::{self, Align, Column};
use crate::text::printable;
use crate::units::{Bytes, MaybeKib, ProcessId, counted, human_duration};

/// The columns of the screen without the sparkline.
const COLUMNS: [Column; 9] = [
    Column::Pid,
    Column::User,
    Column::Rss,
    Column::Growth,
    Column::Swap,
    Column::Pss,
    Column::Adjustment,
    Column::Risk,
    Column::Command,
];

/// The fields that these columns show: of no other is it told that it could not be read (JSON does).
const SHOWN_FIELDS: [&str; 6] = ["user", "rss_bytes", "swap_bytes", "pss_bytes", "oom_score_adj", "command"];

/// How the text may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// Cut lines to this many cells; `None`: as long as they are.
    pub width: Option<usize>,
    /// Write `?` for what is not ASCII.
    pub ascii_only: bool,
}

/// Writes the state of the machine and these processes in this order, each with its depth in the tree.
///
/// # Errors
/// Those of the writer.
pub fn write(mut out: impl Write, report: &Report, rows: &[(&ProcessReport, u16)], paper: Paper) -> io::Result<()> {
    let mut lines = header(report);
    lines.push(String::new());
    // As on the screen: every domain has a first, and the summary names that of the tightest.
    let sign = if paper.ascii_only { '>' } else { '\u{bb}' };
    let heading = COLUMNS.iter().map(|&column| Cow::Borrowed(table::info(column).title)).collect();
    let mut cells: Vec<Vec<Cow<'_, str>>> = vec![heading];
    cells.extend(rows.iter().map(|&(process, depth)| {
        let cell = |&column| {
            let text = table::cell(column, process, report).text;
            if column == Column::Risk && is_first_to_fill(report, process) {
                return format!("{sign}{text}").into();
            }
            if column == Column::Command && depth > 0 {
                format!("{:1$}{text}", "", 2 * usize::from(depth)).into()
            } else {
                text
            }
        };
        COLUMNS.iter().map(cell).collect()
    }));
    lines.extend(aligned(&cells, &COLUMNS.map(|column| table::info(column).align)));
    print(&mut out, &lines, paper)
}

/// Whether its rank is one in the domain that the summary names, where there are others.
fn is_first_to_fill(report: &Report, process: &ProcessReport) -> bool {
    let tightest = report.tightest().filter(|_| report.domains.len() > 1);
    let leading = report.leading_domain(process);
    process.risk.is_some()
        && process.immune.is_none()
        && tightest.zip(leading).is_some_and(|(tightest, leading)| tightest.path == leading.path)
}

/// Writes what one process holds, by class and by region, biggest first.
///
/// # Errors
/// Those of the writer.
pub fn write_mappings(
    mut out: impl Write,
    report: &Report,
    id: ProcessId,
    known: &MappingsReport,
    paper: Paper,
) -> io::Result<()> {
    let name = report.process(id).map(|process| printable(&process.identity.name)).unwrap_or_default();
    let mut lines = vec![format!(
        "{} {name}: {} in RAM, {} by PSS, {} in swap, {}",
        id.pid,
        known.total.rss,
        known.total.pss,
        known.total.swap,
        counted(known.total.regions, ["mapping", "mappings"])
    )];
    lines.push(String::new());
    lines.extend(classes(known));
    lines.push(String::new());
    lines.extend(regions(known));
    print(&mut out, &lines, paper)
}

fn header(report: &Report) -> Vec<String> {
    let memory = &report.system.memory;
    let size = |size: Option<Bytes>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    let swap = match memory.swap_total {
        Some(Bytes(0)) => ", no swap".to_owned(),
        total => format!("; {} of swap, {} free", size(total), size(memory.swap_free)),
    };
    let pressure = report.system.pressure.map(|pressure| {
        format!("; pressure over 10s: some {:.2}% full {:.2}%", pressure.some.avg10, pressure.full.avg10)
    });
    let first = format!(
        "{} {}: {} of memory, {} available{swap}{}",
        printable(report.machine.hostname.as_bytes()),
        printable(report.machine.kernel_release.as_bytes()),
        size(memory.total),
        size(memory.available),
        pressure.unwrap_or_default()
    );
    let mut lines = vec![first];
    lines.extend(report.tightest().map(|tightest| domain(tightest, report)));
    if report.interval.is_none() {
        lines.push("growth needs two samples, an interval apart: add --samples 2".to_owned());
    }
    let same = |one: &UnreadableReport, other: &UnreadableReport| {
        (one.reason, &one.pids, one.count) == (other.reason, &other.pids, other.count)
    };
    let shown: Vec<_> = report.unreadable.iter().filter(|one| SHOWN_FIELDS.contains(&one.field)).collect();
    lines.extend(shown.chunk_by(|one, other| same(one, other)).map(|group| {
        let fields: Vec<_> = group.iter().map(|unreadable| unreadable.field).collect();
        let of = match group[0].count {
            0 => String::new(),
            count => format!(" of {}", counted(count, ["process", "processes"])),
        };
        format!("{}{of}: {}", fields.join(", "), group[0].reason_in_words())
    }));
    lines
}

/// "tightest: docker 4f2a91, 34.0M left of 512M, +1.20M/s, full in about 28s; first to die: 30987 a.test"
fn domain(domain: &DomainReport, report: &Report) -> String {
    let growth = domain.growth.filter(|growth| growth.per_second() >= 1.0);
    let parts = [
        Some(format!("tightest: {}", printable(domain.label.as_bytes()))),
        Some(match domain.headroom {
            Some(headroom) => format!("{headroom} left of {}", domain.limit),
            None => format!("limit {}", domain.limit),
        }),
        growth.map(|growth| growth.to_string()),
        domain.time_left.map(|left| format!("full in about {}", human_duration(left))),
    ];
    let state = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let Some(first) = domain.victims.iter().find(|victim| victim.rank == 1) else { return state };
    let name = report.process(first.id).map(|process| printable(&process.identity.name)).unwrap_or_default();
    let only = if domain.certain { "" } else { "probably " };
    format!("{state}; first to die: {only}{} {name}", first.id.pid)
}

fn classes(known: &MappingsReport) -> Vec<String> {
    let mut rows: Vec<Vec<Cow<'_, str>>> = vec![["CLASS", "RSS", "PSS", "SWAP", "MAPPINGS"].map(Cow::Borrowed).into()];
    rows.extend(known.classes.iter().map(|class| {
        let sums = &class.sums;
        vec![
            class.class.name().into(),
            sums.rss.to_string().into(),
            sums.pss.to_string().into(),
            sums.swap.to_string().into(),
            sums.regions.to_string().into(),
        ]
    }));
    aligned(&rows, &[Align::Left, Align::Right, Align::Right, Align::Right, Align::Right])
}

fn regions(known: &MappingsReport) -> Vec<String> {
    use Align::{Left, Right};

    let mut order: Vec<usize> = (0..known.mappings.regions.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(known.mappings.regions[index].rss.get()));
    let size = |size: MaybeKib| Cow::Owned(size.get().map_or_else(|| "-".to_owned(), |size| size.to_string()));
    let mut rows: Vec<Vec<Cow<'_, str>>> =
        vec![["RSS", "PSS", "SWAP", "PERM", "CLASS", "START", "NAME"].map(Cow::Borrowed).into()];
    rows.extend(order.into_iter().map(|index| {
        let (region, (class, probable)) = (&known.mappings.regions[index], known.class_of[index]);
        vec![
            size(region.rss),
            size(region.pss),
            size(region.swap),
            super::permissions(region).into(),
            format!("{}{}", class.name(), if probable { "?" } else { "" }).into(),
            format!("{:x}", region.start).into(),
            printable(known.mappings.name(region)),
        ]
    }));
    aligned(&rows, &[Right, Right, Right, Left, Left, Right, Left])
}

/// Every column as wide as its widest cell, the last one as it is.
fn aligned(rows: &[Vec<Cow<'_, str>>], aligns: &[Align]) -> Vec<String> {
    let widths: Vec<usize> =
        (0..aligns.len()).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<Cow<'_, str>>| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - cell.width());
            let (before, after) = match aligns[column] {
                Align::Left => ("", gap.as_str()),
                Align::Right => (gap.as_str(), ""),
            };
            line.extend([if column > 0 { " " } else { "" }, before, cell, after]);
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

fn print(out: &mut impl Write, lines: &[String], paper: Paper) -> io::Result<()> {
    for line in lines {
        let mut left = paper.width.unwrap_or(usize::MAX);
        for character in line.chars() {
            let shown = if paper.ascii_only && !character.is_ascii() { '?' } else { character };
            let cells = shown.width().unwrap_or(0);
            if cells > left {
                break;
            }
            left -= cells;
            write!(out, "{shown}")?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture;
    use crate::monitor::report::{DomainKind, MappingsState};
    use crate::snapshot::process::CgroupPath;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_table_under_a_summary() {
        let report = fixture::report();
        let rows = [(&report.processes[1], 0), (&report.processes[0], 1)];
        insta::assert_snapshot!(text(|out| write(out, &report, &rows, Paper::default())), @r#"
        build01 6.18.2: 15.6G of memory, 5.86G available, no swap; pressure over 10s: some 0.31% full 0.00%
        tightest: docker web, 34.0M left of 512M, +1.20M/s, full in about 28s; first to die: 30987 a.test
        pss_bytes of 1 process: permission denied (needs the same user, root or CAP_SYS_PTRACE)

          PID USER  RSS   GROWTH  SWAP  PSS ADJ RISK COMMAND
        30987 ci   475M +1.90M/s 12.0K 472M 300  1st x.org/leak/a (a.test) -test.v
            1 -       -        -     -    -   - safe   a"\n\x1b[2J,\xff
        "#);
    }

    /// Two "1st" stood in one table, and nothing told them apart.
    #[test]
    fn the_first_of_the_tightest_domain_is_told_from_that_of_another() {
        let mut report = fixture::report();
        report.domains.push(DomainReport::unranked(DomainKind::Host, CgroupPath::new("/")));
        report.processes[0].leading = Some(1);
        report.processes[0].risk = Some(1);
        report.processes[0].immune = None;
        let rows = [(&report.processes[1], 0), (&report.processes[0], 0)];
        for (paper, sign) in
            [(Paper::default(), "\u{bb}1st x.org"), (Paper { ascii_only: true, ..Paper::default() }, ">1st x.org")]
        {
            let table = text(|out| write(out, &report, &rows, paper));
            assert!(table.contains(sign) && table.matches("1st").count() == 2, "{table}");
            assert_eq!(table.matches(sign).count(), 1, "{table}");
        }
    }

    #[test]
    fn classes_then_regions() {
        let report = fixture::report();
        let detail = fixture::detail();
        let MappingsState::Known(known) = &detail.mappings else { panic!("the fixture knows them") };
        insta::assert_snapshot!(text(|out| write_mappings(out, &report, detail.id, known, Paper::default())), @r"
        30987 a.test: 5.00M in RAM, 5.00M by PSS, 0 in swap, 2 mappings

        CLASS        RSS   PSS SWAP MAPPINGS
        anonymous  4.00M 4.00M    0        1
        executable 1.00M 1.00M    0        1

          RSS   PSS SWAP PERM CLASS           START NAME
        4.00M 4.00M    0 rw-p anonymous? c000000000
        1.00M 1.00M    0 r-xp executable     400000 /srv/a,b\xff
        ");
    }

    #[test]
    fn narrow_paper_cuts_and_ascii_paper_asks() {
        let lines = ["größe 漢字".to_owned()];
        let on = |paper| text(|out| print(out, &lines, paper));
        assert_eq!(on(Paper { width: Some(7), ascii_only: false }), "größe \n");
        assert_eq!(on(Paper { width: Some(8), ascii_only: false }), "größe 漢\n");
        assert_eq!(on(Paper { width: None, ascii_only: true }), "gr??e ??\n");
    }
}
