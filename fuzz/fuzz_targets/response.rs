//! Any bytes as an answer in HTTP: see `response::check`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzzed/response.rs"]
mod response;

fuzz_target!(|bytes: &[u8]| response::check(bytes));
