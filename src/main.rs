//! Parses, installs hooks, runs, and maps errors to an exit status. Refuses to do anything else.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use color_eyre::eyre::{Result, eyre};
use oomtop::cli::{self, Environment};
use oomtop::config::{Config, Task};
use oomtop::runtime;

fn main() -> ExitCode {
    let (config, task) = match cli::parse(std::env::args_os(), &Environment::of_this_process()) {
        Ok(parsed) => parsed,
        Err(answer) => {
            // Help and version are such "errors" too. Whether anybody reads them changes nothing.
            let _ = answer.print();
            return ExitCode::from(answer.exit_code() as u8);
        }
    };
    // The first hook: the one that gives the terminal back comes later and then calls it.
    match color_eyre::install().and_then(|()| run(config, &task)) {
        Ok(code) => code,
        Err(error) => {
            // Not eprintln!: it panics when the terminal is gone.
            let _ = writeln!(std::io::stderr(), "oomtop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, task: &Task) -> Result<ExitCode> {
    match task {
        Task::Watch => Ok(runtime::live(config)?.exit_code()),
        Task::Snapshot(_) => Err(eyre!("snapshot is not there yet")),
    }
}
