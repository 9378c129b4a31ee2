//! Slopes that one odd reading cannot swing, and when to believe them: a time until the limit is named only for growth
//! that has lasted, lies on a line and is at a height where it has not turned round before. Refuses to guess: noise,
//! saw teeth and single jumps name no time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::{Bytes, Rate};

use super::config::SteadyConfig;
use super::history::Millis;

/// A line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Per unit of time.
    pub slope: f64,
    /// Share of the variance that it explains, 0.0 to 1.0; 1.0 where nothing varies.
    pub fit: f64,
}

/// The line of Theil and Sen: the median of the slopes of all pairs, so that nearly a third of the points may be
/// anything. `None` for fewer than two moments. `scratch` is only there to be reused.
///
/// ```
/// use oomtop::monitor::growth::line;
///
/// // One reading in the middle is far off; the slope does not care.
/// let points = [(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (3.0, 99.0), (4.0, 8.0), (5.0, 10.0)];
/// assert_eq!(line(&points, &mut Vec::new()).map(|line| line.slope), Some(2.0));
/// ```
#[must_use]
pub fn line(points: &[(f64, f64)], scratch: &mut Vec<f64>) -> Option<Line> {
    scratch.clear();
    for (index, (t, v)) in points.iter().enumerate() {
        let slopes = points[index + 1..].iter().filter(|(later, _)| later > t).map(|(later, w)| (w - v) / (later - t));
        scratch.extend(slopes);
    }
    let slope = median(scratch)?;
    scratch.clear();
    scratch.extend(points.iter().map(|(t, v)| slope.mul_add(-t, *v)));
    let base = median(scratch)?;
    let mean = points.iter().map(|(_, v)| v).sum::<f64>() / points.len() as f64;
    let varies: f64 = points.iter().map(|(_, v)| (v - mean).powi(2)).sum();
    let rest: f64 = points.iter().map(|(t, v)| (v - slope.mul_add(*t, base)).powi(2)).sum();
    let fit = if varies > 0.0 { (1.0 - rest / varies).clamp(0.0, 1.0) } else { 1.0 };
    (slope.is_finite() && fit.is_finite()).then_some(Line { slope, fit })
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// How what a domain needs moves, and what that means.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// When, and bytes that cannot be reclaimed; may be negative where swap is plenty.
    readings: VecDeque<(Millis, f64)>,
    /// The highest since the last fall.
    high: Option<f64>,
    /// From where it fell by itself, how deep, and when.
    crest: Option<Crest>,
    /// Since when growth has been steady.
    steady: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Crest {
    height: f64,
    trough: f64,
    at: Millis,
}

impl Track {
    /// Readings kept: enough for a slope, few enough for all pairs of them.
    const READINGS: usize = 32;
    /// Readings that count however old they are, so that a long interval has a slope too.
    const ALWAYS: usize = 8;
    /// A prediction reaches this much further than growth has lasted.
    const REACH: f64 = 60.0;
    /// Memory of a fall.
    const CRESTS: Millis = 600_000;

    /// Adds a reading. `ended` is what processes held that ended since the last one: a fall that they explain says
    /// nothing about how far the rest would grow.
    pub(super) fn observe(&mut self, at: Millis, need: f64, limit: Bytes, ended: Bytes, config: &SteadyConfig) {
        let window = super::millis(config.window);
        if self.readings.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        let close = self
            .readings
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|(at_before, _)| at.saturating_sub(*at_before) < window / Self::READINGS as Millis);
        if close {
            self.readings.pop_back();
        }
        self.readings.push_back((at, need));
        while self.readings.len() > Self::ALWAYS
            && self.readings.front().is_some_and(|(first, _)| *first < at.saturating_sub(window))
        {
            self.readings.pop_front();
        }
        self.watch_falls(at, need, limit, ended);
    }

    fn watch_falls(&mut self, at: Millis, need: f64, limit: Bytes, ended: Bytes) {
        let limit = limit.0 as f64;
        let high = self.high.map_or(need, |high| high.max(need));
        self.high = Some(high);
        let fall = high - need;
        if fall < (limit / 200.0).max((1_u64 << 20) as f64) {
            return;
        }
        self.high = Some(need);
        // At the limit it did not turn: somebody was killed. And where somebody ended, nothing turned either.
        let killed = high >= limit * 0.95;
        let stopped = killed || ended.0 as f64 >= fall / 2.0;
        if killed {
            // What grew then is gone: it says nothing about what grows now.
            self.readings.drain(..self.readings.len() - 1);
        }
        match &mut self.crest {
            _ if stopped => self.crest = None,
            Some(crest) if crest.height >= high => (crest.trough, crest.at) = (crest.trough.min(need), at),
            crest => *crest = Some(Crest { height: high, trough: need, at }),
        }
    }

    /// The slope now, and the time until `headroom` is used up at it, where that can be said.
    pub(super) fn predict(
        &mut self,
        headroom: Option<Bytes>,
        config: &SteadyConfig,
        scratch: &mut Scratch,
    ) -> (Option<Rate>, Option<Duration>) {
        let Some((begin, end)) = self.readings.front().zip(self.readings.back()).map(|(a, b)| (a.0, b)) else {
            return (None, None);
        };
        let (now, need) = *end;
        let span = now - begin;
        if span < 2_000 || self.readings.len() < 3 {
            return (None, None);
        }
        scratch.points.clear();
        scratch.points.extend(self.readings.iter().map(|(at, need)| (f64::from(at - begin) / 1000.0, *need)));
        let Some(line) = line(&scratch.points, &mut scratch.slopes) else { return (None, None) };
        let growth = Rate::new(line.slope);
        if self.crest.is_some_and(|crest| now.saturating_sub(crest.at) > Self::CRESTS) {
            self.crest = None;
        }
        let steady = span >= super::millis(config.least)
            && self.readings.len() >= config.readings
            && line.slope >= config.slowest.per_second()
            && line.fit >= config.fit
            && self.is_beyond_crest(need);
        if !steady {
            self.steady = None;
            return (growth, None);
        }
        let since = *self.steady.get_or_insert(begin);
        let lasted = f64::from(now - since) / 1000.0;
        let left = headroom.map(|headroom| headroom.0 as f64 / line.slope);
        let left = left.filter(|left| *left <= (lasted * Self::REACH).min(config.horizon.as_secs_f64()));
        (growth, left.and_then(|left| Duration::try_from_secs_f64(left).ok()))
    }

    /// The rate of a rush: growth in every one of the last readings (over three seconds, three readings at least) that
    /// would fill what is left within `imminent`, without the steepest step of it: that may be a jump, which is over. It
    /// comes before [`Track::predict`] can name a time.
    pub(super) fn rush(&self, headroom: Option<Bytes>, limit: Bytes, imminent: Duration) -> Option<Rate> {
        let (now, need) = *self.readings.back()?;
        let back = self.readings.iter().rev().enumerate();
        let recent = back.take_while(|(index, (at, _))| *index < 3 || now - at <= 3_500).map(|(_, reading)| *reading);
        let (first, before) = recent.clone().last()?;
        let grew = need - before;
        let rises = recent.clone().zip(recent.clone().skip(1)).all(|((_, later), (_, earlier))| later > earlier);
        let news = grew >= (limit.0 as f64 / 200.0).max((1_u64 << 20) as f64);
        if self.readings.len() < 3 || !rises || !news || !self.is_beyond_crest(need) {
            return None;
        }
        let step =
            |((later, to), (earlier, from)): ((Millis, f64), (Millis, f64))| (to - from, f64::from(later - earlier));
        let steps = recent.clone().zip(recent.skip(1)).map(step);
        let steepest = steps.max_by(|(a, a_took), (b, b_took)| (a * b_took).total_cmp(&(b * a_took)))?;
        let rate = (grew - steepest.0) / ((f64::from(now - first) - steepest.1) / 1000.0);
        Rate::new(rate).filter(|_| headroom.is_some_and(|left| left.0 as f64 <= rate * imminent.as_secs_f64()))
    }

    /// Whether it stands clearly higher than where it turned round before.
    fn is_beyond_crest(&self, need: f64) -> bool {
        self.crest.is_none_or(|crest| need > crest.height + (crest.height - crest.trough) / 10.0)
    }

    /// Follows a move of the epoch.
    pub(super) fn rebase(&mut self, shift: Millis) {
        self.readings.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(shift));
        self.steady = self.steady.map(|at| at.saturating_sub(shift));
        if let Some(crest) = &mut self.crest {
            crest.at = crest.at.saturating_sub(shift);
        }
    }
}

/// Room for the arithmetic, reused.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub points: Vec<(f64, f64)>,
    pub slopes: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: f64 = 1_048_576.0;

    /// Feeds a series of needs in MiB, one a second, against a limit in MiB; gives the prediction after each.
    fn predictions(limit: u64, needs: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
        let (mut track, mut scratch, config) = (Track::default(), Scratch::default(), SteadyConfig::default());
        let limit = Bytes::from_mib(limit);
        let predict = |(second, need): (usize, f64)| {
            let need = need * MIB;
            track.observe(second as Millis * 1000, need, limit, Bytes(0), &config);
            let headroom = Bytes((limit.0 as f64 - need).max(0.0) as u64);
            track.predict(Some(headroom), &config, &mut scratch).1.map(|left| left.as_secs_f64())
        };
        needs.into_iter().enumerate().map(predict).collect()
    }

    /// Noise that is the same in every run, in -1.0 to 1.0.
    fn noise(index: usize) -> f64 {
        let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    #[test]
    fn steady_growth_is_told_in_time_and_right_to_the_end() {
        for (per_second, limit) in [(1.0, 64), (1.0, 512), (10.0, 400), (10.0, 2000), (100.0, 5000)] {
            let whole = limit as f64 / per_second;
            let needs = (0..whole as usize).map(|second| per_second * (second as f64 + 0.3 * noise(second)));
            for (second, left) in predictions(limit, needs).into_iter().enumerate().skip(20) {
                let (left, truth) = (left.expect("a time from 20 s on"), whole - second as f64);
                let error = (left - truth).abs();
                assert!(error <= (truth / 10.0).max(2.0), "{per_second} MiB/s at {second} s: {left} for {truth}");
            }
        }
    }

    #[test]
    fn noise_and_rest_name_no_time() {
        let rest = predictions(512, std::iter::repeat_n(100.0, 600));
        assert!(rest.iter().all(Option::is_none));
        let noisy = predictions(512, (0..3600).map(|second| 100.0 + 20.0 * noise(second)));
        assert!(noisy.iter().all(Option::is_none));
        let jump = predictions(512, (0..600).map(|second| if second < 60 { 100.0 } else { 300.0 }));
        assert!(jump.iter().all(Option::is_none));
    }

    #[test]
    fn a_saw_tooth_fools_it_once_at_most_and_only_where_a_tooth_is_long() {
        for period in [3_usize, 7, 15, 20, 40, 75] {
            let tooth = |second: usize| {
                let height = 60.0 + 5.0 * noise(second / period);
                100.0 + height * (second % period) as f64 / period as f64
            };
            let told = predictions(512, (0..3000).map(tooth));
            let late = told.iter().enumerate().filter(|(second, left)| *second > period && left.is_some()).count();
            assert_eq!(late, 0, "period {period}");
            if period < 12 {
                assert!(told.iter().all(Option::is_none), "period {period}");
            }
        }
    }

    #[test]
    fn a_loop_of_kills_is_told_every_time() {
        let told = predictions(100, (0..600).map(|second| (second % 100) as f64));
        for round in 1..6 {
            let at = round * 100 + 60;
            let left = told[at].unwrap_or_else(|| panic!("nothing at {at} s"));
            assert!((left - 40.0).abs() < 5.0, "{left} at {at} s");
        }
    }

    #[test]
    fn after_a_kill_at_the_limit_nothing_grows() {
        let (mut track, mut scratch, config) = (Track::default(), Scratch::default(), SteadyConfig::default());
        let limit = Bytes::from_mib(100);
        for second in 0..60_u32 {
            let need = if second < 30 { 3.0 + 3.3 * f64::from(second) } else { 3.0 };
            track.observe(second * 1000, need * MIB, limit, Bytes(0), &config);
            let headroom = Bytes(limit.0 - (need * MIB) as u64);
            let (growth, left) = track.predict(Some(headroom), &config, &mut scratch);
            let told = growth.map_or(0.0, Rate::per_second);
            match second {
                0..2 | 30..32 => assert!(growth.is_none() && left.is_none(), "{second}"),
                2..30 => assert!(told > 3.0 * MIB, "{told} at {second}"),
                _ => assert!(told == 0.0 && left.is_none(), "{told} at {second}"),
            }
        }
    }

    #[test]
    fn an_ended_process_is_no_crest() {
        let (mut track, mut scratch, config) = (Track::default(), Scratch::default(), SteadyConfig::default());
        let limit = Bytes::from_mib(1000);
        let mut told = 0;
        for second in 0..200_u32 {
            // The first process holds 300 MiB at the end of its minute, then ends; the second grows like it.
            let need = if second < 60 { 5.0 * f64::from(second) } else { 3.0 * f64::from(second - 60) };
            let ended = if second == 60 { Bytes::from_mib(295) } else { Bytes(0) };
            track.observe(second * 1000, need * MIB, limit, ended, &config);
            let headroom = Bytes(limit.0 - (need * MIB) as u64);
            let left = track.predict(Some(headroom), &config, &mut scratch).1;
            told += usize::from(second >= 95 && left.is_some());
        }
        assert_eq!(told, 105);
    }

    #[test]
    fn a_rush_is_told_within_three_seconds_and_noise_is_none() {
        let (mut track, config) = (Track::default(), SteadyConfig::default());
        let minute = Duration::from_secs(60);
        let limit = Bytes::from_mib(1000);
        for second in 0..20 {
            track.observe(second * 1000, (100.0 + 2.0 * noise(second as usize)) * MIB, limit, Bytes(0), &config);
            assert_eq!(track.rush(Some(Bytes::from_mib(20)), limit, minute), None);
        }
        let rush = |track: &Track, left| track.rush(Some(Bytes::from_mib(left)), limit, minute);
        for second in 20..26 {
            let need = 100.0 + 50.0 * f64::from(second - 19);
            track.observe(second * 1000, need * MIB, limit, Bytes(0), &config);
            assert_eq!(rush(&track, 600).is_some(), second >= 22, "{second}");
        }
        assert_eq!(rush(&track, 4000), None);
    }

    #[test]
    fn one_jump_before_a_slow_leak_was_a_rush() {
        let (mut track, config) = (Track::default(), SteadyConfig::default());
        let limit = Bytes::from_mib(300);
        for second in 0..20_u32 {
            let need = if second < 5 { 20.0 } else { 200.0 } + 0.2 * f64::from(second);
            track.observe(second * 1000, need * MIB, limit, Bytes(0), &config);
            let left = Bytes(limit.0 - (need * MIB) as u64);
            assert_eq!(track.rush(Some(left), limit, Duration::from_secs(60)), None, "{second}");
        }
    }

    #[test]
    fn a_long_interval_has_a_slope_too() {
        let (mut track, mut scratch, config) = (Track::default(), Scratch::default(), SteadyConfig::default());
        for step in 0..12_u32 {
            track.observe(step * 10_000, f64::from(step) * 10.0 * MIB, Bytes::from_mib(500), Bytes(0), &config);
        }
        let (growth, left) = track.predict(Some(Bytes::from_mib(390)), &config, &mut scratch);
        assert_eq!(growth, Rate::new(MIB));
        assert_eq!(left, Some(Duration::from_secs(390)));
    }

    proptest! {
        #[test]
        fn a_line_moves_and_scales_with_its_points(
            values in prop::collection::vec(-1e9_f64..1e9, 3..30), up in -1e9_f64..1e9, factor in 0.1_f64..10.0
        ) {
            let points = |f: &dyn Fn(f64) -> f64| -> Vec<_> {
                values.iter().enumerate().map(|(index, value)| (index as f64, f(*value))).collect()
            };
            let scratch = &mut Vec::new();
            let plain = line(&points(&|v| v), scratch).unwrap();
            let moved = line(&points(&|v| v + up), scratch).unwrap();
            let scaled = line(&points(&|v| v * factor), scratch).unwrap();
            prop_assert!((plain.slope - moved.slope).abs() <= 1e-3 + plain.slope.abs() * 1e-6);
            prop_assert!((plain.slope * factor - scaled.slope).abs() <= 1e-3 + scaled.slope.abs() * 1e-6);
            prop_assert!((0.0..=1.0).contains(&plain.fit));
        }

        #[test]
        fn a_third_of_odd_readings_does_not_swing_it(odd in prop::collection::vec((0_usize..30, -1e9_f64..1e9), 0..8)) {
            let mut points: Vec<_> = (0..30).map(|index| (f64::from(index), 5.0 * f64::from(index))).collect();
            for (index, value) in odd {
                points[index].1 = value;
            }
            prop_assert!((line(&points, &mut Vec::new()).unwrap().slope - 5.0).abs() < 1e-6);
        }
    }
}
