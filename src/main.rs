//! Parses, installs hooks, runs, and maps errors to an exit status. Refuses to do anything else.

#![forbid(unsafe_code)]

fn main() {}
