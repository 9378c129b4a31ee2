//! The processes that a person names by number: looked up once, at the start, so that whoever has the number later is not
//! taken for the one that was meant. Refuses to go on when none of them is there.

use color_eyre::eyre::{Result, eyre};

use crate::config::Config;
use crate::control;
use crate::units::{Pid, ProcessId};

/// Who was asked for with `-p`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those that are there; empty when everyone was asked for.
    pub found: Vec<ProcessId>,
    /// Those that are not.
    missing: Vec<Pid>,
}

impl Asked {
    /// Looks for all of them.
    ///
    /// # Errors
    /// None of them is there.
    pub fn of(config: &Config) -> Result<Self> {
        let mut asked = Self::default();
        for &pid in &config.pids {
            match control::identify(&config.proc_root, pid) {
                Ok(id) => asked.found.push(id),
                Err(_) => asked.missing.push(pid),
            }
        }
        match asked.missing(config) {
            Some(missing) if asked.found.is_empty() => Err(eyre!(missing)),
            _ => Ok(asked),
        }
    }

    /// Whom we did not find, in words.
    #[must_use]
    pub fn missing(&self, config: &Config) -> Option<String> {
        (!self.missing.is_empty()).then(|| absent(config, &self.missing))
    }
}

/// The one process that has this number.
///
/// # Errors
/// There is none.
pub fn one(config: &Config, pid: Pid) -> Result<ProcessId> {
    control::identify(&config.proc_root, pid).map_err(|_| eyre!(absent(config, &[pid])))
}

fn absent(config: &Config, pids: &[Pid]) -> String {
    let numbers: Vec<_> = pids.iter().map(ToString::to_string).collect();
    format!("no process {} in {}", numbers.join(", "), config.proc_root.display())
}
