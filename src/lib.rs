//! oomtop: who holds the memory, what in them grew, and whom the kernel's OOM killer takes next.
//!
//! ```text
//! /proc, cgroupfs --- source::live ---+                                             +-> app::update -> State -> ui::render
//! recording --------- source::replay -+-> Arc<Snapshot> -> Monitor::absorb -> Report +-> export (json, csv, table)
//! fixture tree ------ source::live ---+        (facts)        (pure fold)            +-> tests
//! ```
//!
//! What may import what stands in `ARCHITECTURE.md` and is enforced by `tests/layering.rs`.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod export;
pub mod filter;
pub mod golang;
pub mod mapping_class;
pub mod monitor;
pub mod oom_log;
pub mod post_mortem;
pub mod run;
pub mod runtime;
pub mod snapshot;
pub mod source;
pub mod table;
pub mod text;
pub mod ui;
pub mod units;
