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
On a terminal the live screen shows the tree of the command, its output (the command itself
reads nothing and has no terminal: --headless gives it this one) and, when it has ended, the
verdict.

Examples:
  oomtop run -- go test ./...
  oomtop run --memory-max 512m -- go test ./...                  does it fit?
  oomtop run --report memory.json --budget 1g -- go test ./...   in CI

Exit status: the command's own; 128+N when signal N ended it; 124 over budget; 125 oomtop itself
failed, wrong usage included; 126 the command cannot be executed; 127 it was not found.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Draw nothing: the command keeps the terminal, the report comes at the end on standard error
    #[arg(long)]
    headless: bool,
    /// Tell memory per test: puts -json under a `go test` (also behind env) and prints what it would have printed
    #[arg(long)]
    tests: bool,
    /// Write the report: FILE.json (schema oomtop.run/1), FILE.md (Markdown), FILE.xml (JUnit); may be given again
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Run in a memory cgroup of its own with this limit, 1m or more
    #[arg(long, value_name = "SIZE", value_parser = memory_max)]
    memory_max: Option<Bytes>,
    /// And this much swap beside it (without this: none)
    #[arg(long, value_name = "SIZE", value_parser = Bytes::parse, requires = "memory_max")]
    swap_max: Option<Bytes>,
    /// Set GOMEMLIMIT: a size, or auto for 90 % of the limit
    #[arg(long, value_name = "SIZE|auto", value_parser = go_memory_limit)]
    gomemlimit: Option<GoMemoryLimit>,
    /// oom_score_adj of the command and all below it, -1000 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1000..=1000))]
    oom_score_adj: Option<i16>,
    /// Fail with status 124 if the whole tree ever held more than this
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    budget: Option<Bytes>,
    /// Fail with status 124 if a test binary ever held more than this; with --tests the test that brought it there is named
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    budget_per_test: Option<Bytes>,
    /// Only say so when a budget is exceeded
    #[arg(long)]
    warn: bool,
    /// Take what is not typed of the screen from this file [default: ~/.config/oomtop/config.toml, if it is there]
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
    Err(format!("no command can start with so little; {LEAST_MEMORY} is the least"))
}

fn budget(text: &str) -> Result<Bytes, String> {
    let budget = Bytes::parse(text)?;
    if budget >= LEAST_MEMORY {
        return Ok(budget);
    }
    Err(format!("no command holds so little (a number alone is bytes); {LEAST_MEMORY} is the least"))
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
