//! Lines that are skimmed are read as all others are. A line with a colour has its whole block read line by line, and the
//! colour itself says nothing: so a log must be told alike with such a line behind it and without. Refuses to say what is told.

use std::sync::LazyLock;

use super::{Story, logs, read_by, records, wrappings};
use oomtop::oom_log::{Form, Span};
use proptest::prelude::*;

/// All logs of the corpus in one, in each wrapping.
static WRAPPED: LazyLock<Vec<(&str, Lines)>> = LazyLock::new(|| {
    let logs: Vec<_> = logs().iter().filter_map(|(_, log)| records(log)).collect();
    let mut wrapped: Vec<_> = wrappings()
        .into_iter()
        .map(|(name, wrap)| (name, logs.iter().flatten().map(wrap).collect::<String>().into_bytes()))
        .collect();
    wrapped.push(("as it is", super::logs().into_iter().flat_map(|(_, log)| log).collect()));
    let lines = |log: Vec<u8>| log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    wrapped.into_iter().map(|(name, log)| (name, lines(log))).collect()
});

type Lines = Vec<Vec<u8>>;
type Told = (Vec<Story>, Span, Form);

fn told(log: &[u8], end: &[u8]) -> Told {
    let log = [log, end].concat();
    read_by(&log, log.len())
}

/// The same log, skimmed and not.
fn both(log: &[u8]) -> [Told; 2] {
    [told(log, b"\nthe end\n"), told(log, b"\nthe \x1b[0mend\n")]
}

#[test]
fn every_wrapping_is_skimmed_as_it_is_read() {
    for (wrapping, lines) in WRAPPED.iter() {
        let [skimmed, read] = both(&lines.concat());
        assert!(read.0.len() > 10, "{wrapping}");
        for (skimmed, read) in skimmed.0.iter().zip(&read.0) {
            assert_eq!(skimmed, read, "{wrapping}");
        }
        assert!(skimmed == read, "{wrapping}");
    }
}

/// What may come between the bytes of a log.
const STRANGE: [&str; 16] = [
    " kernel: ",
    "web-2 kernel: ",
    "[  T12] ",
    "=",
    "\\x4b",
    ";",
    " ",
    "\n",
    "\r",
    "9",
    "\t",
    "4,",
    " present:",
    "Killed process 7 (a) ",
    "04,",
    "99999999999",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_cut_mixed_and_damaged_is_skimmed_as_it_is_read(
        parts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..200_usize), 1..8),
        others in any::<prop::sample::Index>(),
        stride in 2..40_usize,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..STRANGE.len() * 2), 0..60),
    ) {
        // Runs of lines, in several wrappings, with lines of another between them.
        let (_, between) = others.get(&WRAPPED);
        let mut between = between.iter().cycle().skip(stride * 37);
        let (_, first) = parts[0].0.get(&WRAPPED);
        let mut log: Vec<u8> = first[..first.len().min(120)].concat();
        let settled = log.len();
        for (wrapping, begin, count) in &parts {
            let (_, lines) = wrapping.get(&WRAPPED);
            for (at, line) in lines[begin.index(lines.len())..].iter().take(*count).enumerate() {
                log.extend_from_slice(line);
                if count % 2 == 0 && at % stride == 0 {
                    log.extend_from_slice(between.next().expect("it goes round"));
                }
            }
        }
        for (place, byte, kind) in damages {
            let at = settled + place.index(log.len() - settled);
            match STRANGE.get(kind) {
                Some(strange) => _ = log.splice(at..at, strange.bytes()),
                None if kind % 2 == 0 && byte != 0x1b => log[at] = byte,
                None => _ = log.drain(at..log.len().min(at + usize::from(byte) / 8)),
            }
        }
        let [skimmed, read] = both(&log);
        prop_assert_eq!(skimmed.0.len(), read.0.len());
        for (skimmed, read) in skimmed.0.iter().zip(&read.0) {
            prop_assert_eq!(skimmed, read);
        }
        prop_assert!(skimmed == read);
    }
}
