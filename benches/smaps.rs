//! What parsing smaps costs beyond reading it: CPU time of reading the file of a process with many mappings, without
//! and with the parser, in turn; and what classifying, comparing and sorting costs the Monitor for each read. Prints
//! one line of JSON. `cargo bench --bench smaps -- PID`

#![allow(clippy::disallowed_methods, reason = "measures reading a real file")]

use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use oomtop::monitor::{Monitor, MonitorConfig};
use oomtop::snapshot::mapping::Mappings;
use oomtop::snapshot::{Fact, Scope, Snapshot};
use oomtop::source::smaps::Parser;

const ROUNDS: u32 = 20;

fn main() {
    let pid = std::env::args().skip(1).find(|argument| argument.parse::<u32>().is_ok());
    let path = format!("/proc/{}/smaps", pid.as_deref().unwrap_or("self"));
    let mut buffer = vec![0; 1 << 16];
    let (mut parser, mut mappings) = (Parser::default(), Mappings::default());
    let (mut reading, mut parsing) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=ROUNDS {
        let begin = cpu_time();
        read_only(&path, &mut buffer);
        let middle = cpu_time();
        read_and_parse(&path, &mut buffer, &mut parser, &mut mappings);
        let end = cpu_time();
        // The first round warms up: names are learnt, buffers grow.
        if round > 0 {
            reading += middle.saturating_sub(begin);
            parsing += end.saturating_sub(middle);
        }
    }
    let regions = mappings.regions.len();
    let concluding = conclude(mappings);
    let milliseconds = |total: Duration| (total / ROUNDS).as_secs_f64() * 1e3;
    println!(
        "{{\"regions\": {regions}, \"read_ms\": {:.2}, \"read_and_parse_ms\": {:.2}, \"beyond_percent\": {:.1}, \
         \"conclude_ms\": {:.2}}}",
        milliseconds(reading),
        milliseconds(parsing),
        100.0 * (parsing.as_secs_f64() / reading.as_secs_f64() - 1.0),
        milliseconds(concluding),
    );
}

/// The Monitor's part, of as many reads.
fn conclude(mappings: Mappings) -> Duration {
    let (id, at) = (mappings.of, mappings.ended);
    let fact = Fact { id, at, reading: Ok(Arc::new(mappings)) };
    let snapshot = Snapshot { scope: Scope::Facts, mappings: Some(fact), ..Snapshot::default() };
    let mut monitor = Monitor::new(MonitorConfig::default());
    let mut concluding = Duration::ZERO;
    for round in 0..=ROUNDS {
        let begin = cpu_time();
        drop(black_box(monitor.absorb(&snapshot)));
        if round > 0 {
            concluding += cpu_time().saturating_sub(begin);
        }
    }
    concluding
}

fn read_only(path: &str, buffer: &mut [u8]) {
    let mut file = File::open(path).expect("the process is there");
    while file.read(buffer).expect("smaps can be read") > 0 {}
}

fn read_and_parse(path: &str, buffer: &mut [u8], parser: &mut Parser, mappings: &mut Mappings) {
    let mut file = File::open(path).expect("the process is there");
    let mut held = 0;
    parser.begin(mappings);
    loop {
        let length = file.read(&mut buffer[held..]).expect("smaps can be read");
        if length == 0 {
            break;
        }
        held += length;
        let taken = parser.take(&buffer[..held], mappings).expect("smaps as the kernel writes it");
        buffer.copy_within(taken..held, 0);
        held -= taken;
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
