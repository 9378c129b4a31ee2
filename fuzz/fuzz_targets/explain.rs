//! Any bytes as a kernel log: see `log::check`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/log.rs"]
mod log;

fuzz_target!(|bytes: &[u8]| log::check(bytes));
