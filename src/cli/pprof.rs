//! `oomtop pprof`: what is typed. Refuses to open the profile.

use std::path::PathBuf;

use clap::Args;

use crate::config::PprofConfig;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The profile: from /debug/pprof/heap, allocs or goroutine, or written by go test -memprofile
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show the difference from this earlier profile
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Which value: inuse_space, alloc_objects ... [default: the profile's own default]
    #[arg(long = "type", value_name = "TYPE")]
    value_type: Option<String>,
    /// Sort by what a function holds including what it calls
    #[arg(long)]
    cum: bool,
    /// Print at most this many functions
    #[arg(short = 'n', long = "lines", value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object, schema oomtop.pprof/1
    #[arg(long)]
    json: bool,
}

impl From<Arguments> for PprofConfig {
    fn from(typed: Arguments) -> Self {
        let Arguments { file, base, value_type, cum, limit, json } = typed;
        Self { file, base, value_type, cumulative: cum, limit, json }
    }
}
