//! How a process came to hold the most: how fast, and for how long it stood there then. The pace is that from a tenth of the
//! way to nine tenths of it, so that neither a rest before nor a standstill behind makes it look slower than it was. Refuses
//! to tell the pace of two looks nearly at once.

use std::time::Duration;

use crate::monitor::history::{Point, Series};
use crate::units::Rate;

/// How a process came to its most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rise {
    /// For how long it grew, and how fast.
    pub growth: Option<(Duration, Rate)>,
    /// From when to when it stood there then, counted as the looks are, where that was to its end and not only in passing.
    pub stood: Option<(Duration, Duration)>,
}

/// What lies between a tenth and nine tenths.
const TOLD: f64 = 0.8;
/// Looks that are less apart say no pace.
const SHORTEST: f64 = 100.0;
/// A shorter standstill is none.
const STANDS: f64 = 1000.0;
/// In the second half of a standstill it grew by no more than this share of all.
const STILL: f64 = 0.025;
/// So long before the last look: what is killed may be seen while the kernel already takes its memory.
const DIES: f64 = 1000.0;

impl Rise {
    /// From the corners of what it held.
    pub(super) fn of(series: &Series) -> Self {
        let corners: Vec<(f64, f64)> =
            series.corners().map(|Point { at, kib }| (f64::from(at), f64::from(kib))).collect();
        Self::along(&corners).unwrap_or_default()
    }

    /// Milliseconds and KiB.
    fn along(corners: &[(f64, f64)]) -> Option<Self> {
        let (end, _) = *corners.last()?;
        let (peak, (_, most)) = corners.iter().enumerate().reduce(|a, b| if b.1.1 > a.1.1 { b } else { a })?;
        let (least, (_, from)) =
            corners[..=peak].iter().enumerate().reduce(|a, b| if b.1.1 <= a.1.1 { b } else { a })?;
        let height = most - from;
        if height <= 0.0 {
            return None;
        }
        let level = |share: f64| height.mul_add(share, *from);
        let crossing = |place: usize, level: f64| {
            let ((began, low), (ended, high)) = (corners[place], corners[place + 1]);
            (ended - began).mul_add((level - low) / (high - low), began)
        };
        // The first corner that is as high lies behind one that is not: the lowest.
        let high = (least..=peak).find(|place| corners[*place].1 >= level(0.9))? - 1;
        let low = (least..=high).rfind(|place| corners[*place].1 <= level(0.1))?;
        let reached = crossing(high, level(0.9));
        let took = (reached - crossing(low, level(0.1))) / TOLD;
        let span = |millis: f64| Duration::from_secs_f64(millis / 1000.0);
        let growth =
            (took >= SHORTEST).then(|| Some((span(took), Rate::new(height * 1024.0 / (took / 1000.0))?))).flatten();
        let stays = corners[high + 1..].iter().take_while(|(_, size)| *size >= level(TOLD)).last();
        // At the same pace the last tenth would take a tenth of the time.
        let stood = stays.map(|(last, _)| *last).filter(|last| {
            let stood = last - reached;
            end - last <= DIES && stood >= STANDS && stood >= took / 2.0 && {
                // Who still grew at an even pace has grown a twentieth in the second half.
                let most_in = |from: f64, to: f64| {
                    let inside = corners.iter().filter(|(at, _)| (from..=to).contains(at));
                    inside.map(|(_, size)| *size).fold(size_at(corners, from).max(size_at(corners, to)), f64::max)
                };
                let middle = reached + stood / 2.0;
                most_in(middle, *last) - most_in(reached, middle) <= height * STILL
            }
        });
        Some(Self { growth, stood: stood.map(|last| (span(reached), span(last))) })
    }
}

/// Between two corners it lies on the line.
fn size_at(corners: &[(f64, f64)], at: f64) -> f64 {
    let next = corners.partition_point(|(corner, _)| *corner < at).clamp(1, corners.len() - 1);
    let ((began, low), (ended, high)) = (corners[next - 1], corners[next]);
    ((at - began) / (ended - began)).clamp(0.0, 1.0).mul_add(high - low, low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told of seconds and MiB: seconds and MiB a second, from second to second.
    type Told = (Option<(f64, f64)>, Option<(f64, f64)>);

    fn told(points: &[(f64, f64)]) -> Told {
        let corners: Vec<_> = points.iter().map(|(seconds, mib)| (seconds * 1000.0, mib * 1024.0)).collect();
        let rise = Rise::along(&corners).unwrap_or_default();
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        let growth =
            rise.growth.map(|(took, rate)| (tenths(took.as_secs_f64()), tenths(rate.per_second() / 1_048_576.0)));
        (growth, rise.stood.map(|(from, until)| (tenths(from.as_secs_f64()), tenths(until.as_secs_f64()))))
    }

    #[test]
    fn the_pace_is_that_up_to_where_it_stood() {
        let hog = [(0.0, 5.0), (2.0, 155.0), (9.7, 160.0)];
        assert_eq!(told(&hog), (Some((2.1, 75.0)), Some((1.9, 9.7))));
        for (what, points, expected) in [
            ("it grew to its end", &[(0.0, 10.0), (4.0, 110.0)][..], (Some((4.0, 25.0)), None)),
            ("it rested before", &[(0.0, 10.0), (60.0, 11.0), (62.0, 111.0)], (Some((2.0, 50.0)), None)),
            (
                "it rested, grew and stood",
                &[(0.0, 10.0), (9.0, 10.0), (10.0, 90.0), (12.0, 90.0)],
                (Some((1.0, 80.0)), Some((9.9, 12.0))),
            ),
            (
                "it stood and gave it back",
                &[(0.0, 10.0), (1.0, 90.0), (6.0, 90.0), (6.1, 10.0), (9.0, 10.0)],
                (Some((1.0, 80.0)), None),
            ),
            (
                "the reaper took it",
                &[(0.0, 10.0), (1.0, 90.0), (6.0, 90.0), (6.1, 40.0)],
                (Some((1.0, 80.0)), Some((0.9, 6.0))),
            ),
            (
                "cache came and went while it stood",
                &[(0.0, 10.0), (2.0, 110.0), (3.0, 95.0), (5.0, 111.0)],
                (Some((2.0, 50.0)), Some((1.8, 5.0))),
            ),
            (
                "an earlier peak is not its own",
                &[(0.0, 10.0), (1.0, 80.0), (1.1, 10.0), (9.0, 10.0), (10.0, 110.0)],
                (Some((1.0, 100.0)), None),
            ),
            ("it leaked on", &[(0.0, 10.0), (1.0, 90.0), (61.0, 110.0)], (Some((38.6, 2.6)), None)),
            ("at once", &[(0.0, 10.0), (0.02, 100.0), (5.0, 100.0)], (None, Some((0.0, 5.0)))),
            ("it fell", &[(0.0, 50.0), (1.0, 10.0)], (None, None)),
            ("still", &[(0.0, 50.0), (1.0, 50.0)], (None, None)),
            ("never seen", &[], (None, None)),
        ] {
            assert_eq!(told(points), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_pace_is_more_than_the_steepest_and_no_standstill_longer_than_all(
            steps in proptest::collection::vec((1_u32..500, 0_u32..100_000), 0..60)
        ) {
            let mut at = 0;
            let corners: Vec<_> = steps
                .into_iter()
                .map(|(step, kib)| {
                    at += step;
                    (f64::from(at), f64::from(kib))
                })
                .collect();
            let rise = Rise::along(&corners).unwrap_or_default();
            let steepest = corners.windows(2).map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)).fold(0.0, f64::max);
            if let Some((took, rate)) = rise.growth {
                prop_assert!(rate.per_second() <= steepest * 1000.0 * 1024.0 * 1.001, "{rise:?}");
                prop_assert!(took >= Duration::from_millis(99));
            }
            if let Some((from, until)) = rise.stood {
                prop_assert!(from < until && until <= Duration::from_millis(u64::from(at)));
            }
        }
    }
}
