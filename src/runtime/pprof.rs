//! `oomtop pprof`: reads a profile from a file, never more of it than a profile may have, and prints its functions.
//! Refuses to understand it: that is `golang::pprof`.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read as _};
use std::path::Path;

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};

use crate::config::PprofConfig;
use crate::export::pprof;
use crate::golang::pprof::{LARGEST, Profile, parse, top};

/// Prints the functions of a profile.
///
/// # Errors
/// What cannot be read, or why it is no profile. A reader of our output that leaves early is no error.
pub fn run(wanted: &PprofConfig) -> Result<()> {
    let mut profile = read(&wanted.file)?;
    if let Some(base) = &wanted.base {
        let told = |refusal| eyre!("{}: {refusal}", wanted.file.display());
        profile = profile.since(&read(base)?).map_err(told)?;
    }
    let value_type = profile.find_type(wanted.value_type.as_deref());
    let value_type = value_type.map_err(|refusal| eyre!("{}: {refusal}", wanted.file.display()))?;
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

#[expect(clippy::disallowed_methods, reason = "opens the profile that was named")]
fn read(path: &Path) -> Result<Profile> {
    let name = path.display();
    let mut bytes = Vec::new();
    let file = File::open(path).wrap_err_with(|| name.to_string())?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).wrap_err_with(|| name.to_string())?;
    parse(&bytes).map_err(|refusal| eyre!("{name}: {refusal}"))
}
