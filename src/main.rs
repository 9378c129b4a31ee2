//! Parses, installs hooks, runs, and maps errors to an exit status. Refuses to do anything else.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use oomtop::cli::{self, Environment};
use oomtop::config::Task;
use oomtop::runtime::{self, headless};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let (config, task) = match cli::parse(arguments.clone(), &Environment::of_this_process()) {
        Ok(asked) => asked,
        Err(error) => {
            // Help for a reader that left early is no failure.
            let _ = error.print();
            return ExitCode::from(cli::exit_status(&error, &arguments));
        }
    };
    // The first hook: those that come later restore the terminal and then call it.
    let ending = color_eyre::install().and_then(|()| match task {
        Task::PrintConfig => headless::print(cli::DEFAULT_CONFIG).map(|()| ExitCode::SUCCESS),
        Task::Watch => runtime::live(config).map(runtime::Ending::exit_code),
        Task::Snapshot(snapshot) => headless::snapshot(&config, snapshot).map(|()| ExitCode::SUCCESS),
        Task::Explain(explain) => runtime::explain::run(&config, &explain),
        Task::Pprof(pprof) => runtime::pprof::run(&pprof).map(|()| ExitCode::SUCCESS),
        Task::Run(run) => Ok(runtime::run::run(&config, &run)),
        Task::Start(start) => Ok(runtime::child::become_command(&start)),
    });
    ending.unwrap_or_else(|error| {
        // Not eprintln!: it panics when nobody is there to read.
        let _ = writeln!(std::io::stderr(), "oomtop: {error:#}");
        ExitCode::FAILURE
    })
}
