//! The one stateful piece of the core: a pure fold of snapshots into reports. Same snapshots in, same reports out.
//! Refuses to read a clock, a file or the environment, and to know who looks at its reports.

pub mod report;
