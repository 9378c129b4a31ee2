//! What a Go program tells of itself from outside, pure over bytes: its build, the numbers of its runtime, the limits it
//! was given and whether they are right, its profiles. Refuses to open files and to run anything.

pub mod advice;
pub mod build_info;
pub mod elf;
pub mod environment;
pub mod go_command;
pub mod pprof;
pub mod runtime_memory;
pub mod test_events;
