//! `oomtop pprof`: what is typed. Refuses to open the profile.

use std::path::PathBuf;

use clap::Args;

use crate::config::PprofConfig;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The profile: of /debug/pprof/heap, allocs or goroutine, or written by go test -memprofile
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tell what it has more or less than this earlier one
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Which of its values: inuse_space, alloc_objects ... [default: the one that it names itself]
    #[arg(long = "type", value_name = "TYPE")]
    value_type: Option<String>,
    /// Order by what a function holds with all that it calls
    #[arg(long)]
    cum: bool,
    /// At most this many functions
    #[arg(short = 'n', long = "lines", value_name = "N")]
    limit: Option<usize>,
    /// One JSON object, schema oomtop.pprof/1
    #[arg(long)]
    json: bool,
}

impl From<Arguments> for PprofConfig {
    fn from(typed: Arguments) -> Self {
        let Arguments { file, base, value_type, cum, limit, json } = typed;
        Self { file, base, value_type, cumulative: cum, limit, json }
    }
}
