//! What was typed behind `oomtop run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

pub(super) use crate::config::START;
use crate::config::{GoMemoryLimit, RunConfig, StartConfig};
use crate::units::Bytes;

/// When oomtop itself fails, usage included: the statuses below are the command's.
pub(super) const OWN_FAILURE: u8 = 125;

pub(super) const HELP: &str = "\
On a terminal the live screen shows the command's process tree and its output, and the verdict
once it has ended. The command then has no terminal and no input: use --headless to give it this
terminal.

Examples:
  oomtop run -- go test ./...
  oomtop run --memory-max 512m -- go test ./...                  does it fit?
  oomtop run --report memory.json --budget 1g -- go test ./...   in CI

Exit status: the command's own; 128+N if signal N ended it; 124 over budget; 125 oomtop itself
failed, wrong usage included; 126 the command cannot be executed; 127 it was not found.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Draw nothing: the command keeps the terminal, and the report goes to standard error at the end
    #[arg(long)]
    headless: bool,
    /// Report memory per test: adds -json to a `go test` (also behind env) and prints what go would have printed
    #[arg(long)]
    tests: bool,
    /// Write the report to FILE.json (schema oomtop.run/1), FILE.md (Markdown) or FILE.xml (JUnit); may be repeated
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Run the command in a memory cgroup of its own with this limit, 1m or more
    #[arg(long, value_name = "SIZE", value_parser = memory_max)]
    memory_max: Option<Bytes>,
    /// Swap allowed on top of --memory-max [default: none]
    #[arg(long, value_name = "SIZE", value_parser = Bytes::parse, requires = "memory_max")]
    swap_max: Option<Bytes>,
    /// Set GOMEMLIMIT: a size, or auto for 90 % of the limit
    #[arg(long, value_name = "SIZE|auto", value_parser = go_memory_limit)]
    gomemlimit: Option<GoMemoryLimit>,
    /// oom_score_adj of the command and its descendants, -1000 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1000..=1000))]
    oom_score_adj: Option<i16>,
    /// Exit with status 124 if the whole tree ever held more than this
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    budget: Option<Bytes>,
    /// Exit with status 124 if a test binary ever held more than this; with --tests, name the test that took it there
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    budget_per_test: Option<Bytes>,
    /// Only warn when a budget is exceeded
    #[arg(long)]
    warn: bool,
    /// Configuration file for the screen; options override it [default: ~/.config/oomtop/config.toml, if it exists]
    #[arg(long, value_name = "FILE", conflicts_with = "headless")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub looking: super::Looking,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct StartArguments {
    #[arg(long)]
    session: bool,
    #[arg(long)]
    join: Option<PathBuf>,
    #[arg(long, allow_negative_numbers = true)]
    oom_score_adj: Option<i16>,
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// With less no program comes as far as its first line: the kernel takes what should become it.
const LEAST_MEMORY: Bytes = Bytes::from_mib(1);

fn memory_max(text: &str) -> Result<Bytes, String> {
    let limit = Bytes::parse(text)?;
    if limit >= LEAST_MEMORY {
        return Ok(limit);
    }
    Err(format!("too little for any command to start; the minimum is {LEAST_MEMORY}"))
}

fn budget(text: &str) -> Result<Bytes, String> {
    let budget = Bytes::parse(text)?;
    if budget >= LEAST_MEMORY {
        return Ok(budget);
    }
    Err(format!("every command holds more (a bare number is in bytes); the minimum is {LEAST_MEMORY}"))
}

fn go_memory_limit(text: &str) -> Result<GoMemoryLimit, String> {
    if text == "auto" { Ok(GoMemoryLimit::Auto) } else { Bytes::parse(text).map(GoMemoryLimit::Of) }
}

impl From<Arguments> for RunConfig {
    fn from(typed: Arguments) -> Self {
        Self {
            command: typed.command,
            headless: typed.headless,
            tests: typed.tests,
            reports: typed.report,
            memory_max: typed.memory_max,
            swap_max: typed.swap_max,
            go_memory_limit: typed.gomemlimit,
            oom_score_adj: typed.oom_score_adj,
            budget: typed.budget,
            budget_per_test: typed.budget_per_test,
            warn: typed.warn,
        }
    }
}

impl From<StartArguments> for StartConfig {
    fn from(typed: StartArguments) -> Self {
        Self { session: typed.session, join: typed.join, oom_score_adj: typed.oom_score_adj, command: typed.command }
    }
}
