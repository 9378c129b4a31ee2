//! `oomtop snapshot`: source, prober, Monitor and exporter in one thread, one after the other. Needs no terminal, no
//! home and no event loop. Refuses to print anything before it has looked: output is whole or there is none.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::sync::Arc;

use color_eyre::Result;
use color_eyre::eyre::{Context as _, eyre};

use crate::app::list::{List, Row};
use crate::config::{Config, Format, Glyphs, SnapshotConfig};
use crate::export::{csv, json, text};
use crate::monitor::report::{MappingsState, ProcessReport, Report};
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::needs::{FactGroups, Needs};
use crate::source::Source as _;
use crate::source::live::Live;
use crate::source::prober::Prober;
use crate::table::COLUMNS;
use crate::units::{Pid, ProcessId};

/// Looks as often as asked and prints to standard output. A reader that leaves early is no failure.
///
/// # Errors
/// No procfs, none of the processes asked for, or standard output cannot be written.
pub fn snapshot(config: &Config, snapshot: SnapshotConfig) -> Result<()> {
    let mut look = Look::new(config)?;
    let report = look.at_the_machine(config, snapshot)?;
    let rows = look.rows(&report, snapshot.limit);
    let out = BufWriter::new(io::stdout().lock());
    match print_report(out, config, snapshot, &look, &report, &rows) {
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
    prober: Prober,
    monitor: Monitor,
    list: List,
}

impl Look {
    fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            live: Live::open(&config.proc_root, &config.sys_root)?,
            prober: Prober::open(&config.proc_root)?,
            monitor: Monitor::new(MonitorConfig::with_warning(&config.warning)),
            list: List::of(config),
        })
    }

    fn at_the_machine(&mut self, config: &Config, snapshot: SnapshotConfig) -> Result<Arc<Report>> {
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
        let report = self.probe(&needs);
        none_of(&report, &config.pids, config)?;
        let rows = self.rows(&report, snapshot.limit);
        needs.visible = rows.iter().map(|(process, _)| process.id).collect();
        needs.visible.sort_unstable();
        needs.of_visible = FactGroups::ROLLUP;
        if let Some(pid) = snapshot.mappings {
            none_of(&report, &[pid], config)?;
            needs.selected = identity_of(&report, pid);
            needs.mappings = true;
        }
        drop(report);
        Ok(self.probe(&needs))
    }

    /// Reads what is expensive until nothing more is due.
    fn probe(&mut self, needs: &Needs) -> Arc<Report> {
        while let Some(facts) = self.prober.probe(needs) {
            self.monitor.absorb(&facts);
        }
        self.monitor.report()
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

fn identity_of(report: &Report, pid: Pid) -> Option<ProcessId> {
    report.processes.iter().map(|process| process.id).find(|id| id.pid == pid)
}

/// Fails where none of the numbers that were asked for is a process.
fn none_of(report: &Report, pids: &[Pid], config: &Config) -> Result<()> {
    if pids.is_empty() || pids.iter().any(|pid| identity_of(report, *pid).is_some()) {
        return Ok(());
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    Err(eyre!("no process {} in {}", pids.join(", "), config.proc_root.display()))
}

fn print_report(
    out: impl Write,
    config: &Config,
    snapshot: SnapshotConfig,
    look: &Look,
    report: &Report,
    rows: &[(&ProcessReport, u16)],
) -> io::Result<()> {
    let id = snapshot.mappings.and_then(|pid| identity_of(report, pid));
    let detail = id.and_then(|id| look.monitor.detail(id));
    let processes = || rows.iter().map(|(process, _)| *process).collect::<Vec<_>>();
    match (snapshot.format, &detail) {
        (Format::Json, detail) => json::write(out, report, &processes(), detail.as_ref()),
        (Format::Csv, None) => csv::write(out, report, &processes()),
        (Format::Csv, Some(detail)) => match &detail.mappings {
            MappingsState::Known(known) => csv::write_mappings(out, known),
            MappingsState::Unreadable(reason) => Err(io::Error::other(reason.reason())),
            MappingsState::Waiting => Err(io::Error::other("the mappings were not read")),
        },
        (Format::Table, None) => text::write(out, report, rows, paper(config)),
        (Format::Table, Some(detail)) => text::write_mappings(out, report, detail, paper(config)),
    }
}

/// On a terminal a line of the table is a line of the screen; in a file it is as long as it is.
fn paper(config: &Config) -> text::Paper {
    let stdout = io::stdout();
    let width = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    text::Paper {
        width: width.map(|size| usize::from(size.ws_col)).filter(|&width| width > 0),
        ascii_only: config.look.glyphs == Glyphs::Ascii,
    }
}
