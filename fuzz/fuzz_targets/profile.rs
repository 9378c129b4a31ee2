//! Any bytes as a profile: see `profile::check`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/profile.rs"]
mod profile;

fuzz_target!(|bytes: &[u8]| profile::check(bytes));
