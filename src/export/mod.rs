//! Reports as text for scripts and people: JSON, CSV and an aligned table, to any writer. Pure functions of a report;
//! refuses to choose, sort or filter processes: the caller hands over the rows it wants, the same as on the screen.

pub mod csv;
pub mod explain_json;
pub mod explain_text;
#[cfg(test)]
mod fixture;
pub mod json;
pub mod pprof;
pub mod run;
pub mod text;

use crate::snapshot::mapping::Region;

/// As in `/proc/PID/maps`: `rw-p`.
fn permissions(region: &Region) -> String {
    let letter = |bit: u8, letter| if region.permissions & bit != 0 { letter } else { '-' };
    let sharing = if region.permissions & Region::SHARED != 0 { 's' } else { 'p' };
    [letter(Region::READ, 'r'), letter(Region::WRITE, 'w'), letter(Region::EXECUTE, 'x'), sharing].iter().collect()
}
