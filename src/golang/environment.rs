//! GOMEMLIMIT, GOGC and the settings of GODEBUG that bear on memory, out of an environment (package runtime,
//! "Environment Variables"). Refuses to take anything else out of it.

use crate::snapshot::go_memory::GoEnvironment;
use crate::units::Bytes;

/// The settings of GODEBUG that are kept.
const OF_MEMORY: [&str; 3] = ["madvdontneed", "disablethp", "decoratemappings"];
/// No value that means anything is longer.
const LONGEST: usize = 64;

/// From `/proc/PID/environ`: `NAME=value`, each ended by a NUL. The first of a name counts, as in the runtime's own
/// search (runtime/env_posix.go gogetenv).
#[must_use]
pub fn environment(bytes: &[u8]) -> GoEnvironment {
    let value = |name: &[u8]| {
        let mut variables = bytes.split(|&byte| byte == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))?;
        std::str::from_utf8(value).ok().filter(|value| !value.is_empty())
    };
    let short = |value: &str| -> Box<str> { value.chars().take(LONGEST).collect::<String>().into() };
    let debug: Vec<&str> = value(b"GODEBUG")
        .unwrap_or_default()
        .split(',')
        .filter(|setting| setting.split_once('=').is_some_and(|(name, _)| OF_MEMORY.contains(&name)))
        .take(OF_MEMORY.len())
        .collect();
    GoEnvironment {
        memory_limit: value(b"GOMEMLIMIT").map(short),
        gc_percent: value(b"GOGC").map(short),
        debug: (!debug.is_empty()).then(|| short(&debug.join(","))),
    }
}

/// What a value of GOMEMLIMIT means (runtime/mgcpacer.go readGOMEMLIMIT, string.go parseByteCount).
#[must_use]
pub fn memory_limit(value: &str) -> Option<Bytes> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (count, unit) = value.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    let bytes = count.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    // The largest is "off", by its number.
    Some(Bytes(bytes)).filter(|bytes| bytes.0 < i64::MAX as u64)
}

/// What a value of GOGC means (runtime/mgcpacer.go readGOGC): `None` is off, and what is no number is 100.
#[must_use]
pub fn gc_percent(value: Option<&str>) -> Option<u32> {
    match value {
        None => Some(100),
        Some("off") => None,
        Some(value) => match value.parse::<i32>() {
            Ok(percent) => u32::try_from(percent).ok(),
            Err(_) => Some(100),
        },
    }
}

impl GoEnvironment {
    /// Whether a setting of GODEBUG is there with this value.
    #[must_use]
    pub fn has_setting(&self, setting: &str) -> bool {
        self.debug.as_deref().is_some_and(|debug| debug.split(',').any(|known| known == setting))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_bears_on_memory_is_taken() {
        let taken = environment(
            b"SECRET=GOGC=1\0GOMEMLIMIT=115MiB\0NOGOGC=7\0GOGC=off\0GOGC=50\0\
              GODEBUG=http2debug=1,madvdontneed=0,x,disablethp=1\0PATH=/bin",
        );
        assert_eq!(taken.memory_limit.as_deref(), Some("115MiB"));
        assert_eq!(taken.gc_percent.as_deref(), Some("off"), "the first counts");
        assert_eq!(taken.debug.as_deref(), Some("madvdontneed=0,disablethp=1"));
        assert!(taken.has_setting("madvdontneed=0") && !taken.has_setting("madvdontneed=1"));
        assert_eq!(environment(b"GOGC=\0A=b\0GODEBUG=http2debug=1"), GoEnvironment::default());
    }

    #[test]
    fn values_mean_what_the_runtime_takes_them_for() {
        for (value, meant) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("12B", Some(12)),
            ("100KiB", Some(100 << 10)),
            ("2GiB", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("off", None),
            ("100MB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("9223372036854775807", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(memory_limit(value), meant.map(Bytes), "{value}");
        }
        for (value, meant) in [
            (None, Some(100)),
            (Some("off"), None),
            (Some("-5"), None),
            (Some("50"), Some(50)),
            (Some("much"), Some(100)),
        ] {
            assert_eq!(gc_percent(value), meant, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_environment_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut with_names = b"GOGC=".to_vec();
            with_names.extend(&bytes);
            with_names.extend(b"\0GODEBUG=madvdontneed=");
            with_names.extend(&bytes);
            let taken = environment(&with_names);
            prop_assert!(taken.gc_percent.is_none_or(|value| value.chars().count() <= LONGEST));
            let _ = String::from_utf8(bytes).map(|text| (memory_limit(&text), gc_percent(Some(&text))));
        }
    }
}
