//! Any bytes as a profile: parsed, summed, compared with itself, placed as a flame graph, told as text and as JSON.
//! Nothing panics, and no sum contradicts another. For the fuzzer, and for the test that replays what it found.

use oomtop::app::frames::{placed, root_that_shows};
use oomtop::export::pprof::{write_json, write_text};
use oomtop::golang::pprof::{Digest, Flame, Frame, Order, parse};

/// Panics where one of this does not hold.
pub fn check(bytes: &[u8]) {
    let profile = match parse(bytes) {
        Ok(profile) => profile,
        Err(refusal) => return assert!(!refusal.to_string().is_empty()),
    };
    assert_eq!(parse(bytes).as_ref(), Ok(&profile), "the same bytes are the same profile");
    let nothing = profile.since(&profile).expect("it counts what it counts");
    let digest = Digest::of(profile);
    for value_type in 0..digest.profile.types.len() {
        let flat = digest.top(value_type, Order::Flat).expect("of every type");
        let cumulative = digest.top(value_type, Order::Cumulative).expect("of every type");
        assert_eq!((flat.total, flat.functions.len()), (cumulative.total, cumulative.functions.len()));
        assert!(flat.functions.is_sorted_by_key(|function| std::cmp::Reverse(function.flat.unsigned_abs())));
        for function in &flat.functions {
            let sums = [function.flat, function.cumulative];
            assert!(sums.iter().all(|sum| sum.saturating_abs() <= flat.total), "{function:?} of {}", flat.total);
            let _ = (digest.profile.name(function.function), digest.profile.source(function));
        }
        write_text(&mut std::io::sink(), &digest.profile, value_type, flat, Some(100)).expect("memory");
        write_json(&mut std::io::sink(), &digest.profile, value_type, flat, Some(100)).expect("memory");
        placed_within(&digest.flame, value_type);
    }
    let totals = (0..digest.profile.types.len()).filter_map(|at| digest.top(at, Order::Flat)).map(|top| top.total);
    // Sums that ran over their end stay there, and less the same again they are something.
    assert!(nothing.samples() == 0 || totals.max() == Some(i64::MAX), "it differs from itself");
}

/// No frame stands outside the one that called it.
fn placed_within(flame: &Flame, value_type: usize) {
    const WIDTH: u16 = 80;
    let all = placed(flame, value_type, Flame::ROOT, WIDTH);
    let mut ends = vec![0; all.len()];
    for frame in &all {
        assert!(frame.x >= ends[frame.depth], "two frames on one cell");
        ends[frame.depth] = frame.x + frame.width;
        assert!(ends[frame.depth] <= WIDTH);
    }
    let last = flame.count() as Frame - 1;
    let root = root_that_shows(flame, value_type, Flame::ROOT, last, WIDTH);
    assert!(flame.weight(root, value_type) >= flame.weight(last, value_type), "a caller has what it calls");
}
