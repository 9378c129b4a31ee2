//! What a process held over time, in eight bytes a point. The points are the corners of a line: a process that does not
//! move costs one, however long it is watched. Refuses to grow beyond its bound: what is older becomes coarser, keeping
//! the peaks, and at last goes.

use std::time::Duration;

use crate::units::{Bytes, Rate, Timestamp};

/// Milliseconds since the Monitor's epoch: four bytes instead of eight, good for 49 days between two rebasings.
pub(crate) type Millis = u32;

/// The moment from which [`Millis`] count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch(pub Timestamp);

impl Epoch {
    /// Rebase when the clock of points is past this (24 days).
    const LATE: Millis = 1 << 31;
    /// By how much.
    const SHIFT: Millis = 1 << 30;

    pub(super) fn millis(self, at: Timestamp) -> Millis {
        Millis::try_from(at.since(self.0).as_millis()).unwrap_or(Millis::MAX)
    }

    pub(super) fn timestamp(self, at: Millis) -> Timestamp {
        self.0.after(Duration::from_millis(u64::from(at)))
    }

    /// Moves the epoch when it is long ago; gives by how much every series must be rebased then.
    pub(super) fn advance(&mut self, now: Timestamp) -> Option<Millis> {
        (self.millis(now) >= Self::LATE).then(|| {
            self.0 = self.timestamp(Self::SHIFT);
            Self::SHIFT
        })
    }
}

/// A corner of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub at: Millis,
    pub kib: u32,
}

/// The line of one process. Behind its last corner it is level until `seen`. A process that never moved needs no
/// allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    last: Option<Last>,
    /// The corners before the last; boxed, because nearly nobody has any.
    #[expect(clippy::box_collection, reason = "eight bytes instead of twenty-four in ten thousand rows")]
    earlier: Option<Box<Vec<Point>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Last {
    corner: Point,
    seen: Millis,
}

/// The bounds of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub points: usize,
    pub window: Millis,
}

impl Series {
    /// Adds a reading. One that is not later than the last is ignored: a line has one value at a time.
    pub(crate) fn push(&mut self, at: Millis, size: Bytes, bounds: Bounds) {
        let kib = u32::try_from(size.0 / 1024).unwrap_or(u32::MAX);
        let Some(last) = &mut self.last else {
            self.last = Some(Last { corner: Point { at, kib }, seen: at });
            return;
        };
        if at <= last.seen {
            return;
        }
        let corner = last.corner;
        let seen = std::mem::replace(&mut last.seen, at);
        if corner.kib == kib {
            return;
        }
        last.corner = Point { at, kib };
        let earlier = self.earlier.get_or_insert_default();
        earlier.push(corner);
        if seen > corner.at {
            earlier.push(Point { at: seen, kib: corner.kib });
        }
        if earlier.len() >= bounds.points {
            thin(earlier, bounds, at);
        }
    }

    fn earlier(&self) -> &[Point] {
        self.earlier.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The corner at or before a moment, and the one behind it.
    fn around(&self, moment: Millis) -> Option<(Point, Option<Point>)> {
        let last = self.last?.corner;
        if last.at <= moment {
            return Some((last, None));
        }
        let earlier = self.earlier();
        let after = earlier.partition_point(|point| point.at <= moment);
        Some((*earlier.get(after.checked_sub(1)?)?, Some(earlier.get(after).copied().unwrap_or(last))))
    }

    /// The value at a moment; `None` before the first reading.
    pub(super) fn at(&self, moment: Millis) -> Option<f64> {
        let (before, next) = self.around(moment)?;
        let kib = match next {
            None => f64::from(before.kib),
            Some(next) => {
                let share = f64::from(moment - before.at) / f64::from(next.at - before.at);
                (f64::from(next.kib) - f64::from(before.kib)).mul_add(share, f64::from(before.kib))
            }
        };
        Some(kib * 1024.0)
    }

    /// When it was first read.
    pub(super) fn first(&self) -> Option<Millis> {
        self.earlier().first().map(|point| point.at).or(self.changed())
    }

    /// When it last became another value; its first reading counts.
    pub(super) fn changed(&self) -> Option<Millis> {
        self.last.map(|last| last.corner.at)
    }

    /// When it was last read.
    fn seen(&self) -> Option<Millis> {
        self.last.map(|last| last.seen)
    }

    /// Whether it ever moved.
    pub(super) fn moves(&self) -> bool {
        self.earlier.is_some()
    }

    /// Mean rate over the last `window`, or since the first reading; `None` before there are two readings half a
    /// second apart.
    pub(super) fn rate(&self, window: Millis) -> Option<Rate> {
        let seen = self.seen()?;
        let begin = seen.saturating_sub(window).max(self.first()?);
        let span = seen - begin;
        if span < 500 {
            return None;
        }
        if self.changed()? <= begin {
            return Some(Rate::default());
        }
        Rate::new((self.at(seen)? - self.at(begin)?) / (f64::from(span) / 1000.0))
    }

    /// At most 32 evenly spaced moments of the last `window`, in seconds, with what it held then in bytes; for slopes.
    pub(super) fn samples(&self, window: Millis, into: &mut Vec<(f64, f64)>) {
        into.clear();
        let Some((first, seen)) = self.first().zip(self.seen()) else { return };
        let begin = seen.saturating_sub(window).max(first);
        let span = seen - begin;
        if span < 1000 {
            return;
        }
        let steps = (span / 500).clamp(2, 32);
        for step in 0..=steps {
            let moment = begin + (u64::from(span) * u64::from(step) / u64::from(steps)) as Millis;
            into.extend(self.at(moment).map(|size| (f64::from(moment - begin) / 1000.0, size)));
        }
    }

    /// Eight heights from 0 to 7, oldest first, one per `step`; 255 where it was not known yet. The steps lie on whole
    /// multiples of `step`, so that only the last one changes from pass to pass, and before the first of them stands the
    /// first reading: who jumped within it would look as if he had never moved. Movement of less than a twentieth of the
    /// size stays as flat as it is.
    pub(super) fn trend(&self, now: Millis, step: Millis) -> [u8; 8] {
        let base = now.saturating_sub(1) / step * step;
        let ends: [Option<Millis>; 8] =
            std::array::from_fn(
                |index| if index == 7 { Some(now) } else { base.checked_sub((6 - index as u32) * step) },
            );
        let mut values = ends.map(|end| self.at(end?));
        let begins = values.iter().position(Option::is_some).unwrap_or(0);
        if let (Some(before), Some(first)) =
            (begins.checked_sub(1), self.first().filter(|first| Some(*first) < ends[begins]))
        {
            values[before] = self.at(first);
        }
        let known = || values.iter().flatten().copied();
        let highest = known().fold(0.0, f64::max);
        let lowest = known().fold(highest, f64::min);
        let span = (highest - lowest).max(highest / 20.0);
        let flat = highest - lowest < highest / 100.0;
        values.map(|value| match value {
            None => 255,
            Some(_) if flat => Self::FLAT,
            Some(value) => ((value - lowest) / span * 7.0).round() as u8,
        })
    }

    /// The height of a line that does not move: next to no ink, so that the eye falls on what does.
    pub(super) const FLAT: u8 = 0;

    /// The highest point.
    pub(super) fn peak(&self) -> Option<Point> {
        self.corners().max_by_key(|point| (point.kib, std::cmp::Reverse(point.at)))
    }

    /// All corners, then where it stands now.
    pub(crate) fn corners(&self) -> impl Iterator<Item = Point> {
        let corner = self.last.map(|last| last.corner);
        let now = self.last.filter(|last| last.seen > last.corner.at);
        let now = now.map(|last| Point { at: last.seen, kib: last.corner.kib });
        self.earlier().iter().copied().chain(corner).chain(now)
    }

    /// Follows a move of the epoch. What is older than the new epoch moves onto it.
    pub(super) fn rebase(&mut self, shift: Millis) {
        if let Some(last) = &mut self.last {
            last.corner.at = last.corner.at.saturating_sub(shift);
            last.seen = last.seen.saturating_sub(shift);
        }
        let last = self.changed().unwrap_or(0);
        if let Some(earlier) = &mut self.earlier {
            earlier.iter_mut().for_each(|point| point.at = point.at.saturating_sub(shift));
            earlier.dedup_by_key(|point| point.at);
            earlier.retain(|point| point.at < last);
        }
    }

    /// Gives back what a shrunk bound leaves over.
    pub(crate) fn settle(&mut self) {
        if let Some(earlier) = &mut self.earlier {
            earlier.shrink_to_fit();
        }
    }
}

/// Forgets what is older than the window; if that is not enough, keeps of every two points of the older half the higher
/// one.
fn thin(points: &mut Vec<Point>, bounds: Bounds, now: Millis) {
    let begin = now.saturating_sub(bounds.window);
    let old = points.partition_point(|point| point.at < begin).saturating_sub(1);
    points.drain(..old);
    while points.len() >= bounds.points.max(4) {
        // The first point stays: it says since when this is known.
        let half = 1 + points.len() / 4 * 2;
        let mut kept = 1;
        for pair in (1..half).step_by(2) {
            let [first, second] = [points[pair], points[pair + 1]];
            points[kept] = if second.kib > first.kib { second } else { first };
            kept += 1;
        }
        points.drain(kept..half);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { points: 64, window: 600_000 };

    fn series(values: &[(Millis, u64)]) -> Series {
        let mut series = Series::default();
        for (at, kib) in values {
            series.push(*at, Bytes::from_kib(*kib), BOUNDS);
        }
        series
    }

    #[test]
    fn a_still_process_costs_one_point_however_long() {
        let mut still = Series::default();
        for second in 0..100_000 {
            still.push(second * 1000, Bytes::from_mib(5), BOUNDS);
        }
        assert_eq!(still.corners().count(), 2);
        assert!(still.earlier.is_none() && size_of::<Series>() <= 24);
        assert_eq!(still.rate(10_000), Some(Rate::default()));
        assert_eq!(still.trend(99_999_000, 15_000), [Series::FLAT; 8]);
    }

    #[test]
    fn a_jump_after_rest_is_a_jump_and_no_slope() {
        let jump = series(&[(0, 1000), (60_000, 1000), (61_000, 2000)]);
        assert_eq!(jump.at(59_000), Some(1000.0 * 1024.0));
        assert_eq!(jump.at(60_500), Some(1500.0 * 1024.0));
        assert_eq!(jump.at(99_000), Some(2000.0 * 1024.0));
        assert_eq!(jump.at(0), Some(1000.0 * 1024.0));
    }

    #[test]
    fn the_rate_is_the_mean_over_the_window() {
        let grows: Vec<_> = (0..30).map(|second| (second * 1000, 1000 + u64::from(second) * 5120)).collect();
        assert_eq!(series(&grows).rate(10_000), Rate::new(5120.0 * 1024.0));
        assert_eq!(series(&[(0, 10)]).rate(10_000), None);
        assert_eq!(series(&[(0, 10), (1000, 30)]).rate(10_000), Rate::new(20.0 * 1024.0));
    }

    #[test]
    fn the_trend_rises_with_what_it_shows_and_knows_what_it_has_not_seen() {
        let grows: Vec<_> = (60..=120).map(|second| (second * 1000, u64::from(second) * 1000)).collect();
        let trend = series(&grows).trend(120_000, 15_000);
        assert_eq!(trend[..3], [255, 255, 255]);
        assert!(trend[3..].is_sorted() && trend[7] == 7 && trend[3] == 0, "{trend:?}");
        let jump = [(1_000, 1_200), (13_000, 1_200), (14_000, 151_000), (80_000, 151_000)];
        assert_eq!(series(&jump).trend(80_000, 15_000), [255, 0, 7, 7, 7, 7, 7, 7], "a jump within the first step");
        assert_eq!(series(&jump[..3]).trend(14_000, 15_000)[5..], [255, 0, 7], "and while it is the only one");
        let jitter = series(&[(0, 100_000), (15_000, 100_400), (30_000, 100_000), (120_000, 100_400)]);
        assert!(jitter.trend(120_000, 15_000).iter().all(|height| *height == Series::FLAT));
    }

    #[test]
    fn the_epoch_moves_before_it_overflows() {
        let mut epoch = Epoch(Timestamp::from_secs(100));
        assert_eq!(epoch.advance(Timestamp::from_secs(5_000)), None);
        let late = Timestamp::from_secs(100 + 30 * 86_400);
        let before = epoch.millis(late);
        let shift = epoch.advance(late).unwrap();
        assert_eq!(epoch.millis(late), before - shift);
    }

    proptest! {
        #[test]
        fn it_stays_bounded_and_keeps_the_peak_and_the_last(
            values in prop::collection::vec((1_u32..3000, 0_u64..1_000_000), 1..600)
        ) {
            let mut now = 0;
            let mut line = Series::default();
            // All inside of the window, so that the peak must survive.
            for (step, kib) in &values {
                now += step % 900 + 1;
                line.push(now, Bytes::from_kib(*kib), BOUNDS);
                prop_assert!(line.earlier().len() <= BOUNDS.points);
                prop_assert_eq!(line.at(now), Some(*kib as f64 * 1024.0));
            }
            prop_assert!(line.corners().collect::<Vec<_>>().is_sorted_by(|a, b| a.at < b.at));
            let highest = values.iter().map(|(_, kib)| *kib).max().unwrap_or(0);
            prop_assert_eq!(u64::from(line.peak().unwrap().kib), highest);
        }
    }
}
