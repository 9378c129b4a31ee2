//! How the values of a profile are written, on the screen and by `oomtop pprof` alike. Refuses to know where.

use crate::units::{Bytes, human_duration};

use super::profile::{Profile, ValueType};
use super::top::Function;

impl ValueType {
    /// A value: sizes as all sizes here, counts as they are.
    #[must_use]
    pub fn amount(&self, value: i64) -> String {
        let sign = if value < 0 { "-" } else { "" };
        match self.unit.as_str() {
            "bytes" => format!("{sign}{}", Bytes(value.unsigned_abs())),
            "nanoseconds" => format!("{sign}{}", human_duration(std::time::Duration::from_nanos(value.unsigned_abs()))),
            _ => value.to_string(),
        }
    }

    /// As [`ValueType::amount`], with the unit behind where that is not written in it.
    #[must_use]
    pub fn amount_of_unit(&self, value: i64) -> String {
        match self.unit.as_str() {
            "bytes" | "nanoseconds" | "" => self.amount(value),
            unit => format!("{value} {unit}"),
        }
    }

    /// Its share of the sum of all, in percent; a dash where there is nothing.
    #[must_use]
    pub fn share(value: i64, total: i64) -> String {
        if total == 0 { "-".into() } else { format!("{:.1}", value as f64 / total as f64 * 100.0) }
    }
}

/// The name of a function without the path of its package: `pkg.(*Type).Method`.
#[must_use]
pub fn short_name(name: &str) -> &str {
    // Types in brackets have paths of their own.
    let plain = name.find('[').map_or(name, |bracket| &name[..bracket]);
    plain.rfind('/').map_or(name, |slash| &name[slash + 1..])
}

impl Profile {
    /// The name of a function.
    #[must_use]
    pub fn name(&self, function: u32) -> &str {
        self.functions.get(function as usize).map_or("-", |name| name)
    }

    /// Path and line of where the most of a function is.
    #[must_use]
    pub fn source(&self, function: &Function) -> Option<(&str, u32)> {
        let (file, line) = function.source?;
        Some((self.files.get(file as usize)?, line))
    }
}
