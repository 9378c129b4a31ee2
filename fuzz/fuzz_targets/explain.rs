//! Any bytes as a kernel log: see `check`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/check.rs"]
mod check;

fuzz_target!(|log: &[u8]| check::check(log));
