//! The early warning of one process: growth of its anonymous memory beyond its own habit (z-score), and growth that
//! holds on a line for minutes (a leak). Refuses to be moved by page cache (it sees anonymous memory only), by single
//! jumps, and by the saw teeth of a garbage collector.

use crate::units::Bytes;

use super::config::WarningConfig;
use super::growth::{self, Scratch};
use super::history::Millis;
use super::report::WarningState;

/// What is watched of one process. One that never moved costs eight bytes and a pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// The last sample in KiB; nothing before the first.
    last: u32,
    /// How many samples there were.
    samples: u32,
    moved: Option<Box<Moved>>,
}

/// How many values are in the window under test.
const WINDOW: usize = WarningConfig::SAMPLES as usize;

/// What a process that moves needs beside.
#[derive(Clone, Debug)]
struct Moved {
    /// Samples in KiB, oldest first.
    window: [u32; WINDOW],
    length: u8,
    /// Samples in a row beyond the threshold, or below it while there is an alarm.
    row: u8,
    alarm: bool,
    leak: bool,
    baseline: Baseline,
    z_score: Option<f64>,
}

/// Mean and deviation of the rates that have left the window (Welford), forgetting slowly.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    count: u16,
    mean: f64,
    squares: f64,
}

impl Baseline {
    fn add(&mut self, rate: f64, length: u16) {
        if self.count >= length.max(2) {
            // One goes out as one comes in: the oldest are forgotten by and by.
            self.squares *= f64::from(self.count - 1) / f64::from(self.count);
        } else {
            self.count += 1;
        }
        let distance = rate - self.mean;
        self.mean += distance / f64::from(self.count);
        self.squares += distance * (rate - self.mean);
    }

    fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / f64::from(self.count - 1)).max(0.0).sqrt() }
    }
}

impl Watch {
    /// Takes one sample, `step` milliseconds after the last one. `limit` is that of the domain that leads.
    pub(super) fn sample(
        &mut self,
        anonymous: Bytes,
        step: Millis,
        limit: Option<Bytes>,
        config: &WarningConfig,
        scratch: &mut Scratch,
    ) {
        let value = u32::try_from(anonymous.0 / 1024).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut self.last, value);
        self.samples = self.samples.saturating_add(1);
        if self.samples == 1 {
            return;
        }
        if self.moved.is_none() {
            if value == before {
                return;
            }
            self.moved = Some(Box::new(Moved::after_rest(before, self.samples - 1, config)));
        }
        if let Some(moved) = &mut self.moved {
            moved.sample(value, step, limit, config, scratch);
        }
    }

    /// What it says.
    pub(super) fn state(&self) -> WarningState {
        match &self.moved {
            Some(moved) if moved.alarm => WarningState::Growing,
            Some(moved) if moved.leak => WarningState::Leak,
            _ => WarningState::Quiet,
        }
    }

    /// How far the last sample's growth was beyond the baseline, once there is one.
    pub(super) fn z_score(&self) -> Option<f64> {
        self.moved.as_ref()?.z_score
    }
}

impl Moved {
    /// As if all samples of a process that rested had been taken: its window is level, its baseline knows rest.
    fn after_rest(value: u32, samples: u32, config: &WarningConfig) -> Self {
        let length = samples.min(WINDOW as u32) as u8;
        let left = samples.saturating_sub(WINDOW as u32).min(u32::from(config.baseline_length)) as u16;
        let baseline = Baseline { count: left, ..Baseline::default() };
        Self { window: [value; WINDOW], length, row: 0, alarm: false, leak: false, baseline, z_score: None }
    }

    fn sample(
        &mut self,
        value: u32,
        step: Millis,
        limit: Option<Bytes>,
        config: &WarningConfig,
        scratch: &mut Scratch,
    ) {
        let seconds = f64::from(step.max(1)) / 1000.0;
        let rate = |from: u32, to: u32| (f64::from(to) - f64::from(from)) * 1024.0 / seconds;
        let length = usize::from(self.length);
        let before = self.window[length.saturating_sub(1)];
        if length == WINDOW {
            if !self.alarm {
                self.baseline.add(rate(self.window[0], self.window[1]), config.baseline_length);
            }
            self.window.copy_within(1.., 0);
        } else {
            self.length += 1;
        }
        self.window[usize::from(self.length) - 1] = value;
        self.judge_growth(rate(before, value), limit, config);
        self.judge_leak(seconds, config, scratch);
    }

    fn judge_growth(&mut self, rate: f64, limit: Option<Bytes>, config: &WarningConfig) {
        if self.baseline.count < config.baseline {
            self.z_score = None;
            return;
        }
        let of_limit = limit.map_or(0.0, |limit| limit.0 as f64 * config.deviation_of_limit);
        let floor = config.deviation.per_second().max(of_limit);
        let z_score = (rate - self.baseline.mean) / self.baseline.deviation().max(floor);
        self.z_score = z_score.is_finite().then_some(z_score);
        let beyond = z_score > config.z_score;
        self.row = if beyond == self.alarm { 0 } else { self.row.saturating_add(1) };
        if self.row >= config.hold {
            self.alarm = !self.alarm;
            self.row = 0;
            if !self.alarm {
                // What grew during the alarm never becomes habit.
                self.window[0] = self.window[usize::from(self.length) - 1];
                self.length = 1;
            }
        }
    }

    fn judge_leak(&mut self, seconds: f64, config: &WarningConfig, scratch: &mut Scratch) {
        if usize::from(self.length) < WINDOW {
            self.leak = false;
            return;
        }
        // What is marked already may be a little less regular, so that the mark does not flicker.
        let (slope, fit) = if self.leak { (0.5, 0.9) } else { (1.0, 1.0) };
        let rise = u64::from(self.window[WINDOW - 1].saturating_sub(self.window[0])) * 1024;
        let highest = self.window.iter().max() == self.window.last();
        if rise < config.leak_least.0 || !(highest || self.leak) {
            self.leak = false;
            return;
        }
        scratch.points.clear();
        let points = self.window.iter().enumerate();
        scratch.points.extend(points.map(|(index, kib)| (index as f64 * seconds, f64::from(*kib) * 1024.0)));
        let line = growth::line(&scratch.points, &mut scratch.slopes);
        self.leak = line.is_some_and(|line| {
            line.slope >= config.leak_slope.per_second() * slope && line.fit >= config.leak_fit * fit
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that is the same in every run, in -1.0 to 1.0.
    fn noise(index: usize) -> f64 {
        let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    /// Feeds MiB at ten seconds a sample against a limit of 4 GiB; gives the state after each.
    fn states(mib: impl IntoIterator<Item = f64>) -> Vec<WarningState> {
        let (mut watch, mut scratch, config) = (Watch::default(), Scratch::default(), WarningConfig::default());
        let take = |mib: f64| {
            let anonymous = Bytes((mib.max(0.0) * 1_048_576.0) as u64);
            watch.sample(anonymous, 10_000, Some(Bytes::from_mib(4096)), &config, &mut scratch);
            watch.state()
        };
        mib.into_iter().map(take).collect()
    }

    fn first(states: &[WarningState], state: WarningState) -> Option<usize> {
        states.iter().position(|one| *one == state)
    }

    /// Name, MiB by sample, whether it must be told as growing, and as a leak.
    type Labelled = (&'static str, fn(usize) -> f64, bool, bool);

    /// Ten quiet minutes, then `grown` by minutes.
    fn after_rest(sample: usize, grown: fn(f64) -> f64) -> f64 {
        if sample < 60 { 200.0 + 0.3 * noise(sample) } else { 200.0 + grown((sample - 60) as f64 / 6.0) }
    }

    #[test]
    fn a_labelled_series_moves_the_detector_that_it_must_and_no_other() {
        let table: [Labelled; 8] = [
            ("leak, fast", |sample| after_rest(sample, |minute| 240.0 * minute), true, true),
            ("leak, slow", |sample| after_rest(sample, |minute| 3.0 * minute), false, true),
            ("steady from birth", |sample| 5.0 + 0.5 * sample as f64, false, true),
            ("doubling", |sample| after_rest(sample, |minute| 20.0 * (minute / 2.0).exp2()), true, true),
            ("one jump", |sample| after_rest(sample, |_| 900.0), false, false),
            ("idle", |_| 64.0, false, false),
            ("noise", |sample| 300.0 + 20.0 * noise(sample), false, false),
            (
                "saw tooth of a collector",
                |sample| 100.0 + 12.0 * (sample % 7) as f64 + 3.0 * noise(sample / 7),
                false,
                false,
            ),
        ];
        for (name, series, growing, leak) in table {
            let told = states((0..240).map(series).take_while(|mib| *mib < 4000.0));
            let (grows, leaks) = (first(&told, WarningState::Growing), first(&told, WarningState::Leak));
            assert_eq!(grows.is_some(), growing, "{name}: growing at {grows:?}");
            // Where both hold, growing is what is said.
            assert!(leaks.is_some() == leak || growing, "{name}: leak at {leaks:?}");
        }
    }

    #[test]
    fn growth_that_holds_for_five_samples_is_told_then_and_taken_back() {
        let told = states((0..200).map(|sample| match sample {
            0..60 => 100.0,
            60..90 => 100.0 + 40.0 * (sample - 59) as f64,
            _ => 1300.0,
        }));
        assert_eq!(first(&told, WarningState::Growing), Some(64));
        assert_eq!(told[92], WarningState::Growing);
        assert_eq!(told[96], WarningState::Quiet);
        assert!(told[96..].iter().all(|state| *state == WarningState::Quiet));
    }

    #[test]
    fn the_baseline_is_that_of_welford_and_forgets() {
        let mut baseline = Baseline::default();
        for rate in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            baseline.add(rate, 100);
        }
        assert!((baseline.mean - 5.0).abs() < 1e-9);
        assert!((baseline.deviation() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-9);
        for _ in 0..2000 {
            baseline.add(1.0, 100);
        }
        assert!((baseline.mean - 1.0).abs() < 1e-6 && baseline.deviation() < 0.1);
    }

    #[test]
    fn a_process_that_rests_costs_nothing() {
        let mut watch = Watch::default();
        for _ in 0..1000 {
            watch.sample(Bytes::from_mib(7), 10_000, None, &WarningConfig::default(), &mut Scratch::default());
        }
        assert!(watch.moved.is_none());
        assert_eq!((watch.state(), watch.z_score()), (WarningState::Quiet, None));
        assert!(size_of::<Watch>() <= 16);
    }
}
