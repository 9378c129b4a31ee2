//! `oomtop pprof`: reads a profile from a file, never more of it than a profile may have, and prints its functions.
//! Refuses to understand it: that is `golang::pprof`.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read as _};

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};

use crate::config::PprofConfig;
use crate::export::pprof;
use crate::golang::pprof::{LARGEST, parse, top};

/// Prints the functions of a profile.
///
/// # Errors
/// What cannot be read, or why it is no profile. A reader of our output that leaves early is no error.
#[expect(clippy::disallowed_methods, reason = "opens the profile that was named")]
pub fn run(wanted: &PprofConfig) -> Result<()> {
    let name = wanted.file.display();
    let mut bytes = Vec::new();
    let file = File::open(&wanted.file).wrap_err_with(|| name.to_string())?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).wrap_err_with(|| name.to_string())?;
    let told = |refusal| eyre!("{name}: {refusal}");
    let profile = parse(&bytes).map_err(told)?;
    drop(bytes);
    let value_type = profile.find_type(wanted.value_type.as_deref()).map_err(told)?;
    let mut top = top(&profile, value_type);
    if wanted.cumulative {
        top.order_by_cumulative();
    }
    let out = BufWriter::new(io::stdout().lock());
    let written = if wanted.json {
        pprof::write_json(out, &profile, value_type, &top, wanted.limit)
    } else {
        pprof::write_text(out, &profile, value_type, &top, wanted.limit)
    };
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.wrap_err("cannot write to standard output"),
    }
}
