//! The functions of a profile as text and as JSON. Refuses to choose and to sum: that is `golang::pprof`.

use std::io::{self, Write};

use serde::Serialize;

use crate::golang::pprof::{Function, Profile, Top, ValueType};
use crate::text::printable;
use crate::units::WallTime;

use super::json::rfc3339;

/// Functions that are listed where nobody says how many.
const LISTED: usize = 40;

/// Writes a table: what each function holds itself, and with all that it calls.
///
/// # Errors
/// Those of the writer.
pub fn write_text(
    mut out: impl Write,
    profile: &Profile,
    value_type: usize,
    top: &Top,
    limit: Option<usize>,
) -> io::Result<()> {
    let counted = &profile.types[value_type];
    let share = |value: i64| ValueType::share(value, top.total);
    let (name, total) = (printable(counted.name.as_bytes()), counted.amount_of_unit(top.total));
    write!(out, "{name}: {} in {} stacks", printable(total.as_bytes()), profile.samples())?;
    if let Some(taken) = profile.taken.and_then(|taken| rfc3339(WallTime(taken))) {
        write!(out, ", taken {taken}")?;
    }
    writeln!(out, "\n{:>10} {:>6} {:>10} {:>6}  FUNCTION", "FLAT", "%", "CUM", "%")?;
    let limit = limit.unwrap_or(LISTED);
    for function @ Function { flat, cumulative, .. } in top.functions.iter().take(limit) {
        let name = printable(profile.name(function.function).as_bytes());
        let (flat, of_flat) = (counted.amount(*flat), share(*flat));
        let (cum, of_cum) = (counted.amount(*cumulative), share(*cumulative));
        write!(out, "{flat:>10} {of_flat:>6} {cum:>10} {of_cum:>6}  {name}")?;
        if let Some((path, line)) = profile.source(function) {
            let file = path.rsplit('/').next().unwrap_or(path);
            write!(out, "  {}:{line}", printable(file.as_bytes()))?;
        }
        writeln!(out)?;
    }
    if let Some(more) = top.functions.len().checked_sub(limit).filter(|more| *more > 0) {
        writeln!(out, "... and {more} more functions (-n)")?;
    }
    out.flush()
}

#[derive(Serialize)]
struct PprofJson<'a> {
    schema: &'static str,
    taken: Option<String>,
    #[serde(rename = "type")]
    value_type: &'a str,
    unit: &'a str,
    /// All that it has.
    types: Vec<&'a str>,
    stacks: usize,
    total: i64,
    functions: Vec<FunctionJson<'a>>,
}

#[derive(Serialize)]
struct FunctionJson<'a> {
    name: &'a str,
    flat: i64,
    cum: i64,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// Writes one object, schema `oomtop.pprof/1`.
///
/// # Errors
/// Those of the writer.
pub fn write_json(
    mut out: impl Write,
    profile: &Profile,
    value_type: usize,
    top: &Top,
    limit: Option<usize>,
) -> io::Result<()> {
    let functions = top.functions.iter().take(limit.unwrap_or(usize::MAX));
    let object = PprofJson {
        schema: "oomtop.pprof/1",
        taken: profile.taken.and_then(|taken| rfc3339(WallTime(taken))),
        value_type: &profile.types[value_type].name,
        unit: &profile.types[value_type].unit,
        types: profile.types.iter().map(|known| known.name.as_str()).collect(),
        stacks: profile.samples(),
        total: top.total,
        functions: functions
            .map(|function| {
                let (file, line) = profile.source(function).unzip();
                let name = profile.name(function.function);
                FunctionJson { name, flat: function.flat, cum: function.cumulative, file, line }
            })
            .collect(),
    };
    serde_json::to_writer(&mut out, &object)?;
    writeln!(out)?;
    out.flush()
}
