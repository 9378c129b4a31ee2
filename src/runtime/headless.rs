//! `oomtop snapshot`: source, prober, Monitor and exporter, one after the other. Needs no terminal, no home and no event
//! loop. Refuses to print anything before it has looked: output is whole or there is none.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use color_eyre::Result;
use color_eyre::eyre::{Context as _, eyre};

use crate::app::list::{List, Row};
use crate::config::{Config, Format, Glyphs, SnapshotConfig};
use crate::export::{csv, json, text};
use crate::monitor::report::{MappingsState, ProcessDetail, ProcessReport, Report};
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::Unreadable;
use crate::snapshot::needs::{FactGroups, Needs};
use crate::source::Source as _;
use crate::source::live::Live;
use crate::table::COLUMNS;
use crate::text::printable;
use crate::units::ProcessId;

use super::asked::{self, Asked};
use super::patient::PatientProber;
use super::prober_of;

/// Looks as often as asked and prints to standard output. A reader that leaves early is no failure.
///
/// # Errors
/// No procfs, none of the processes asked for, mappings that cannot be read where nothing else was asked for, or
/// standard output cannot be written.
pub fn snapshot(config: &Config, snapshot: SnapshotConfig) -> Result<()> {
    let asked = Asked::of(config)?;
    if let Some(missing) = asked.missing(config) {
        // Not eprintln!: it panics when nobody is there to read.
        let _ = writeln!(io::stderr(), "oomtop: {missing}");
    }
    let mapped = snapshot.mappings.map(|pid| asked::one(config, pid)).transpose()?;
    let mut look = Look::new(config, asked)?;
    // The table says so itself.
    if snapshot.samples < 2 && snapshot.format != Format::Table && look.list.asks_for_growth() {
        let _ = writeln!(io::stderr(), "oomtop: growth needs two samples: add --samples 2");
    }
    let report = look.at_the_machine(config, snapshot, mapped)?;
    let rows = look.rows(&report, snapshot.limit);
    let detail = mapped.map(|id| look.mappings_of(id, &report, snapshot.format)).transpose()?.flatten();
    let out = BufWriter::new(io::stdout().lock());
    match print_report(out, config, snapshot.format, &report, &rows, detail.as_ref()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.wrap_err("cannot write to standard output"),
    }
}

/// Prints a text. A reader that leaves early is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.wrap_err("cannot write to standard output"),
    }
}

/// What takes the looks and remembers them.
struct Look {
    live: Live,
    prober: PatientProber,
    monitor: Monitor,
    list: List,
}

impl Look {
    fn new(config: &Config, asked: Asked) -> Result<Self> {
        let mut list = List::of(config);
        list.roots = asked.found;
        Ok(Self {
            live: Live::open(&config.proc_root, &config.sys_root)?,
            prober: PatientProber::start(prober_of(config))?,
            monitor: Monitor::new(MonitorConfig::with_warning(&config.warning)),
            list,
        })
    }

    fn at_the_machine(
        &mut self,
        config: &Config,
        snapshot: SnapshotConfig,
        mapped: Option<ProcessId>,
    ) -> Result<Arc<Report>> {
        // What is cheap is read of every process; walking page tables only of those that are printed, unless order or
        // filter want it of everyone.
        let everything = COLUMNS.iter().fold(FactGroups::NONE, |sum, info| sum.union(info.needs));
        let mut needs = Needs {
            of_everyone: everything.without(FactGroups::ROLLUP).union(self.list.needs_of_everyone()),
            ..Needs::default()
        };
        for sample in 0..snapshot.samples {
            if sample > 0 {
                std::thread::sleep(config.interval);
            }
            let facts = self.live.sample(&needs)?;
            self.prober.observe(&facts);
            self.monitor.absorb(&facts);
        }
        self.monitor.conclude();
        let report = self.probe(&needs);
        let rows = self.rows(&report, snapshot.limit);
        needs.visible = rows.iter().map(|(process, _)| process.id).collect();
        needs.visible.sort_unstable();
        needs.of_visible = FactGroups::ROLLUP;
        needs.selected = mapped;
        needs.mappings = mapped.is_some();
        drop(report);
        Ok(self.probe(&needs))
    }

    /// Reads what is expensive until nothing more is due.
    fn probe(&mut self, needs: &Needs) -> Arc<Report> {
        let monitor = &mut self.monitor;
        self.prober.probe(needs, |facts| drop(monitor.absorb(facts)));
        self.monitor.report()
    }

    /// What one process holds. JSON says by itself why there is nothing; elsewhere that is the whole answer.
    fn mappings_of(&self, id: ProcessId, report: &Report, format: Format) -> Result<Option<ProcessDetail>> {
        let detail = self.monitor.detail(id);
        let name = report.process(id).map(|process| printable(&process.identity.name)).unwrap_or_default();
        let who = format!("{} {name}", id.pid);
        match detail.as_ref().map(|detail| &detail.mappings) {
            _ if report.process(id).is_none() => Err(eyre!(
                "{} has no mappings to show: it has ended, or is a thread or a kernel thread; `oomtop snapshot` lists \
                 the processes",
                id.pid
            )),
            Some(MappingsState::Known(_)) => Ok(detail),
            Some(MappingsState::Unreadable(_)) if format == Format::Json => Ok(detail),
            Some(MappingsState::Unreadable(Unreadable::Denied)) => Err(eyre!(
                "{who}: no permission to read its mappings; run oomtop as the same user, as root or with CAP_SYS_PTRACE"
            )),
            Some(MappingsState::Unreadable(reason)) => {
                Err(eyre!("{who}: its mappings cannot be read: {}", reason.reason()))
            }
            Some(MappingsState::Waiting) | None => {
                Err(eyre!("{who}: its mappings could not be read in time; it may be changing them, try again"))
            }
        }
    }

    /// The same rows as on the screen, each with its depth in the tree.
    fn rows<'report>(&mut self, report: &'report Report, limit: Option<usize>) -> Vec<(&'report ProcessReport, u16)> {
        self.list.arrange(report, 0);
        let rows = self.list.rows.iter().filter_map(|row| match *row {
            Row::Process { index, depth, .. } => Some((report.processes.get(index as usize)?, depth)),
            Row::Group { .. } => None,
        });
        rows.take(limit.unwrap_or(usize::MAX)).collect()
    }
}

fn print_report(
    out: impl Write,
    config: &Config,
    format: Format,
    report: &Report,
    rows: &[(&ProcessReport, u16)],
    detail: Option<&ProcessDetail>,
) -> io::Result<()> {
    let processes = || rows.iter().map(|(process, _)| *process).collect::<Vec<_>>();
    let known = detail.and_then(|detail| match &detail.mappings {
        MappingsState::Known(known) => Some((detail.id, known)),
        MappingsState::Unreadable(_) | MappingsState::Waiting => None,
    });
    match (format, known) {
        (Format::Json, _) => json::write(out, report, &processes(), detail),
        (Format::Csv, None) => csv::write(out, report, &processes()),
        (Format::Csv, Some((_, known))) => csv::write_mappings(out, known),
        (Format::Table, None) => text::write(out, report, rows, paper(config)),
        (Format::Table, Some((id, known))) => text::write_mappings(out, report, id, known, paper(config)),
    }
}

/// On a terminal a line of the table is a line of the screen; in a file it is as long as it is.
fn paper(config: &Config) -> text::Paper {
    text::Paper { width: columns_of(&io::stdout()), ascii_only: config.look.glyphs == Glyphs::Ascii }
}

/// How wide the terminal is that reads this stream; `None`: none does.
pub(super) fn columns_of(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let size = stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten();
    size.map(|size| usize::from(size.ws_col)).filter(|&width| width > 0)
}
