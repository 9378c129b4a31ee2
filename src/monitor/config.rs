//! Every threshold of the Monitor, as plain data. Refuses to read a file: the configuration file is turned into this
//! elsewhere.

use std::time::Duration;

use crate::snapshot::mapping::Mappings;
use crate::units::{Bytes, Rate};

/// How much is remembered and when something is worth a word.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorConfig {
    /// How far back the history of a process reaches.
    pub history_window: Duration,
    /// Points kept of one process, at most. Older ones become coarser before they go.
    pub points_per_process: usize,
    /// Points kept of all processes together: shared among those that move.
    pub points_in_all: usize,
    /// Ended processes kept, the biggest.
    pub ended: usize,
    /// The GROWTH column is the mean rate over this time.
    pub growth_window: Duration,
    /// How far back the slope of the selected process looks.
    pub slope_window: Duration,
    /// The TREND column spans eight times this.
    pub trend_step: Duration,
    /// Candidates of one domain whose exact facts are wanted in every pass.
    pub candidates_per_domain: usize,
    /// Candidates of all domains together, the tightest domain first.
    pub candidates_in_all: usize,
    /// When growth of a domain is steady enough to name a time.
    pub steady: SteadyConfig,
    /// The early warning of single processes.
    pub warning: WarningConfig,
    /// Processes of whose mappings the last read is kept, and what changes count from.
    pub mapped: usize,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            history_window: Duration::from_secs(600),
            points_per_process: 256,
            points_in_all: 1 << 17,
            ended: 64,
            growth_window: Duration::from_secs(10),
            slope_window: Duration::from_secs(60),
            trend_step: Duration::from_secs(15),
            candidates_per_domain: 32,
            candidates_in_all: 256,
            steady: SteadyConfig::default(),
            warning: WarningConfig::default(),
            mapped: Mappings::KEPT,
        }
    }
}

/// When a slope is trusted with a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyConfig {
    /// How far back the slope looks.
    pub window: Duration,
    /// How long growth must have lasted.
    pub least: Duration,
    /// Readings in that time, at least.
    pub readings: usize,
    /// Share of the variance that the line must explain.
    pub fit: f64,
    /// Slower growth names no time.
    pub slowest: Rate,
    /// A time further away than this is no news.
    pub horizon: Duration,
}

impl Default for SteadyConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            least: Duration::from_secs(12),
            readings: 8,
            fit: 0.9,
            slowest: rate(16.0 * 1024.0),
            horizon: Duration::from_secs(24 * 3600),
        }
    }
}

/// When a domain or a process warns.
#[derive(Clone, Debug, PartialEq)]
pub struct WarningConfig {
    /// Shares of a domain that cannot be reclaimed, rising: from which it is elevated, high, critical.
    pub levels: [f64; 3],
    /// Over which growth of anonymous memory is tested, in [`WarningConfig::SAMPLES`] samples.
    pub window: Duration,
    /// Growth this many deviations above the process's own baseline counts.
    pub z_score: f64,
    /// Samples in a row that must count.
    pub hold: u8,
    /// Rates that the baseline must have seen before it is believed.
    pub baseline: u16,
    /// The baseline's memory, in rates.
    pub baseline_length: u16,
    /// The deviation is never taken for smaller than this.
    pub deviation: Rate,
    /// Nor than this share of the limit per second.
    pub deviation_of_limit: f64,
    /// Slower growth is no leak.
    pub leak_slope: Rate,
    /// Less growth over the window is no leak.
    pub leak_least: Bytes,
    /// Share of the variance that a leak's line explains.
    pub leak_fit: f64,
    /// A process that fills its domain within this time warns at once.
    pub imminent: Duration,
}

impl WarningConfig {
    /// How many samples are in the window.
    pub const SAMPLES: u8 = 18;

    /// Between two samples of anonymous memory.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.window / u32::from(Self::SAMPLES)
    }
}

impl Default for WarningConfig {
    fn default() -> Self {
        Self {
            levels: [0.70, 0.85, 0.95],
            window: Duration::from_secs(180),
            z_score: 3.5,
            hold: 5,
            baseline: 6,
            baseline_length: 180,
            deviation: rate(64.0 * 1024.0),
            deviation_of_limit: 0.0001,
            leak_slope: rate(4.0 * 1024.0),
            leak_least: Bytes::from_mib(1),
            leak_fit: 0.95,
            imminent: Duration::from_secs(60),
        }
    }
}

impl MonitorConfig {
    /// With these thresholds of warnings.
    #[must_use]
    pub fn with_warning(warning: &WarningConfig) -> Self {
        Self { warning: warning.clone(), ..Self::default() }
    }
}

fn rate(per_second: f64) -> Rate {
    Rate::new(per_second).unwrap_or_default()
}
