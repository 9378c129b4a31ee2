//! What a Go program tells of itself from outside, pure over bytes. Refuses to open files and to run anything.

pub mod build_info;
pub mod elf;
