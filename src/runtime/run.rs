//! `oomtop run`: follows the command to its end and tells: on the screen where there is one, and at the end as text and
//! files. Without a screen it refuses to stand between the command and its files.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};

use crate::config::{Config, RunConfig};
use crate::export::run::{ReportFormat, write, write_text};
use crate::run::report::RunReport;
use crate::source::tree::TreeSource;

use super::child::{self, NotStarted};
use super::follow::Followed;
use super::headless::columns_of;
use super::run_screen;

/// oomtop itself failed.
pub const OWN_FAILURE: u8 = 125;

/// Runs the command; the status to exit with.
#[must_use]
pub fn run(config: &Config, asked: &RunConfig) -> ExitCode {
    ExitCode::from(watch(config, asked).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "oomtop: {error:#}");
        OWN_FAILURE
    }))
}

fn watch(config: &Config, asked: &RunConfig) -> Result<u8> {
    let mut outputs = outputs(asked)?;
    let source = TreeSource::open(&config.proc_root, &config.sys_root)?;
    let ending = if asked.headless || !has_screen() {
        without_screen(asked, source)?
    } else {
        run_screen::run(config, asked, source)?
    };
    let report = match ending {
        Ok(report) => report,
        Err(NotStarted { status, cause }) => {
            child::tell_not_started(&asked.command[0], &cause);
            return Ok(status);
        }
    };
    // Nobody there to read it is no failure of the command.
    let _ = write_text(&mut BufWriter::new(io::stderr().lock()), &report, columns_of(&io::stderr()));
    let mut status = report.status().unwrap_or(OWN_FAILURE);
    for (path, format, file) in &mut outputs {
        if let Err(cause) = write(&mut BufWriter::new(file), &report, *format) {
            let _ = writeln!(io::stderr(), "oomtop: cannot write the report to {}: {cause}", path.display());
            status = if status == 0 { OWN_FAILURE } else { status };
        }
    }
    Ok(status)
}

/// Somebody looks on, and nobody else reads what the command writes or writes what it reads.
#[expect(clippy::disallowed_methods, reason = "what kind of terminal it is, is a property of the terminal")]
fn has_screen() -> bool {
    let can_draw = std::env::var_os("TERM").is_none_or(|kind| kind != "dumb");
    can_draw && io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

fn without_screen(asked: &RunConfig, source: TreeSource) -> Result<Result<RunReport, NotStarted>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let ending = runtime.block_on(async {
        Ok(match Followed::start(asked, source, None)? {
            Ok(followed) => Ok(followed.to_end(|_| ()).await),
            Err(reason) => Err(reason),
        })
    });
    runtime.shutdown_background();
    ending
}

/// Opens the files of the reports: what cannot be written is told before the command has run for an hour.
fn outputs(asked: &RunConfig) -> Result<Vec<(&Path, ReportFormat, File)>> {
    asked.reports.iter().map(|path| output(path)).collect()
}

fn output(path: &Path) -> Result<(&Path, ReportFormat, File)> {
    let endings = "--report writes FILE.json, FILE.md or FILE.xml";
    let format = ReportFormat::of(path).ok_or_else(|| eyre!("{}: {endings}", path.display()))?;
    let file = File::options().write(true).create(true).truncate(true).open(path);
    Ok((path, format, file.wrap_err_with(|| path.display().to_string())?))
}
