//! What one process of a run did, folded from the facts of every pass: what it held at the most and how that is known, how
//! fast it grew, how it ended. Refuses to mix sources: a peak says where it comes from.

use std::sync::Arc;
use std::time::Duration;

use crate::monitor::history::{Bounds, Millis, Series};
use crate::snapshot::process::{Command, Executable, Name, SpaceLimits, Stat, Status};
use crate::units::{Bytes, Pid, ProcessId, Timestamp};

use super::go_held::GoHeld;
use super::phase::{Phase, Role};
use super::report::Exit;
use super::rise::Rise;
use super::squeeze::Looks;

/// How a peak is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeakSource {
    /// The most that any pass saw: short rises between two of them are missing.
    Sampled,
    /// VmHWM at the last look: only what rose after it is missing.
    HighWater,
    /// The kernel's record of its end: exact.
    Taskstats,
}

impl PeakSource {
    /// In one word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::HighWater => "hwm",
            Self::Taskstats => "taskstats",
        }
    }
}

/// One process of the run.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Which.
    pub id: ProcessId,
    /// Its parent when it was first seen: later that may be whoever adopted it.
    pub parent: Pid,
    /// Its name, after the last exec that was seen.
    pub name: Name,
    /// Its command line then.
    pub command: Option<Arc<Command>>,
    /// What it executes.
    pub executable: Option<Arc<Executable>>,
    /// What it does.
    pub role: Role,
    /// When it was first seen; it started before that.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// As wait(2) gives it; `None`: it lives, or nobody told us.
    pub wait_status: Option<i32>,
    /// It was not there any more.
    pub ended: Option<Timestamp>,
    /// What it holds; nothing when it is gone.
    pub rss: Bytes,
    /// What it held at the last look.
    pub last_rss: Option<Bytes>,
    /// The part of it that is pages of files: of the same program they are the same pages.
    pub file: Bytes,
    /// Address space at the most.
    pub address_space: Bytes,
    /// VmData at the most.
    pub data: Bytes,
    /// Limits on both.
    pub space_limits: SpaceLimits,
    /// Its GOMEMLIMIT, if it is a Go program: what the command was given, until it was seen itself.
    pub go_memory_limit: Option<Bytes>,
    /// Whether its GOMEMLIMIT is too small for it.
    pub(super) squeeze: Looks,
    /// What its runtime held, if it is a Go program: at the last look at that.
    pub(super) go_held: Option<GoHeld>,
    /// It still runs in its parent's memory: it forked and has not executed anything.
    pub is_embryo: bool,
    /// It is us, about to become the command, whose name and command line it has here.
    pub(super) is_ours: bool,
    /// It was stopped at the last look (^Z, SIGSTOP), or has been since.
    pub is_stopped: bool,
    sampled: Option<Bytes>,
    high_water: Option<Bytes>,
    accounted: Option<Bytes>,
    /// What it held, by the time since it was first seen and for which it was not stopped.
    held: Series,
    stood_still: Duration,
}

/// Half of the points are those of the last half minute, each as it was seen: its rise is told as well after hours.
const HELD: Bounds = Bounds { points: 1200, window: Millis::MAX };

impl Watched {
    /// Known by its number and nothing else.
    #[must_use]
    pub fn new(id: ProcessId, parent: Pid, name: Name, at: Timestamp) -> Self {
        Self {
            id,
            parent,
            name,
            command: None,
            executable: None,
            role: Role::default(),
            first_seen: at,
            last_seen: at,
            wait_status: None,
            ended: None,
            rss: Bytes(0),
            last_rss: None,
            file: Bytes(0),
            address_space: Bytes(0),
            data: Bytes(0),
            space_limits: SpaceLimits::default(),
            go_memory_limit: None,
            squeeze: Looks::default(),
            go_held: None,
            is_embryo: false,
            is_ours: false,
            is_stopped: false,
            sampled: None,
            high_water: None,
            accounted: None,
            held: Series::default(),
            stood_still: Duration::ZERO,
        }
    }

    /// Takes one look at it.
    pub(super) fn observe(&mut self, at: Timestamp, stat: &Stat, status: Option<&Status>) {
        // Who is stopped neither grows nor fails to.
        self.stood_still += if self.is_stopped { at.since(self.last_seen) } else { Duration::ZERO };
        self.is_stopped = stat.state == b'T';
        self.last_seen = at;
        if !self.is_ours {
            self.name = stat.name;
        }
        self.address_space = self.address_space.max(stat.virtual_size);
        self.data = self.data.max(status.and_then(|status| status.data).unwrap_or_default());
        let rss = status.and_then(|status| status.rss);
        self.rss = if self.is_embryo { Bytes(0) } else { rss.unwrap_or_default() };
        self.file = status.and_then(|status| status.rss_file).unwrap_or_default().min(self.rss);
        let (Some(rss), false) = (rss, self.is_embryo) else { return };
        self.last_rss = Some(rss);
        self.high_water = self.high_water.max(status.and_then(|status| status.peak_rss));
        self.sampled = self.sampled.max(Some(rss));
        let since = at.since(self.first_seen).saturating_sub(self.stood_still);
        self.held.push(Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX), rss, HELD);
    }

    /// Takes the kernel's record of its end.
    pub(super) fn account(&mut self, at: Timestamp, peak: Option<Bytes>, wait_status: Option<i32>) {
        self.accounted = self.accounted.max(peak);
        self.wait_status = wait_status.or(self.wait_status);
        if wait_status.is_some() {
            self.end(at);
        }
    }

    /// It is gone.
    pub(super) fn end(&mut self, at: Timestamp) {
        self.ended.get_or_insert(at);
        self.rss = Bytes(0);
        self.held.settle();
    }

    /// The most that it held and how that is known; `None` where it never was seen to hold anything.
    #[must_use]
    pub fn peak(&self) -> Option<(Bytes, PeakSource)> {
        // VmHWM is brought up to date only before RSS falls, so a sample may be above it.
        let seen = self.high_water.max(self.sampled);
        match (self.accounted, seen) {
            (Some(accounted), seen) => Some((accounted.max(seen.unwrap_or_default()), PeakSource::Taskstats)),
            (None, Some(seen)) if self.high_water.is_some() => Some((seen, PeakSource::HighWater)),
            (None, Some(seen)) => Some((seen, PeakSource::Sampled)),
            (None, None) => None,
        }
    }

    /// What it held where that were stacks of goroutines more than anything else, as far as is known.
    #[must_use]
    pub fn held_in_stacks(&self) -> Option<GoHeld> {
        let (peak, _) = self.peak()?;
        self.go_held.filter(|held| held.is_of_stacks(peak))
    }

    /// Whether it executes a Go program.
    #[must_use]
    pub fn is_go(&self) -> bool {
        self.role.phase == Phase::Go || self.executable.as_deref().is_some_and(|executable| executable.go.is_some())
    }

    /// How it came to its highest sample.
    #[must_use]
    pub fn rise(&self) -> Rise {
        Rise::of(&self.held)
    }

    /// From when to when it stood at its most, where it did to its end; of who was stopped that is not known.
    #[must_use]
    pub fn stood(&self) -> Option<(Timestamp, Timestamp)> {
        let (from, until) = self.rise().stood.filter(|_| self.stood_still.is_zero())?;
        Some((self.first_seen.after(from), self.first_seen.after(until)))
    }

    /// How it ended, where somebody told.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.wait_status.map(Exit::of_wait_status)
    }

    /// The signal that ended it.
    #[must_use]
    pub fn killed_by(&self) -> Option<i32> {
        match self.exit()? {
            Exit::Signal(signal) => Some(signal),
            Exit::Code(_) => None,
        }
    }

    /// The status with which it ended by itself.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self.exit()? {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        }
    }

    /// How long it was there, as far as it was seen.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.ended.unwrap_or(self.last_seen).since(self.first_seen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watched() -> Watched {
        Watched::new(ProcessId::new(7, 1), Pid(1), Name::new(b"a.test"), Timestamp::from_secs(1))
    }

    fn look(watched: &mut Watched, millis: u64, rss: u64, peak: Option<u64>) {
        let status =
            Status { rss: Some(Bytes::from_mib(rss)), peak_rss: peak.map(Bytes::from_mib), ..Status::default() };
        let at = Timestamp::from_secs(1).after(Duration::from_millis(millis));
        watched.observe(at, &Stat { name: Name::new(b"a.test"), ..Stat::default() }, Some(&status));
    }

    #[test]
    fn a_peak_says_how_it_is_known() {
        let mut watched = watched();
        assert_eq!(watched.peak(), None);
        look(&mut watched, 0, 10, None);
        assert_eq!(watched.peak(), Some((Bytes::from_mib(10), PeakSource::Sampled)));
        look(&mut watched, 50, 8, Some(30));
        assert_eq!(watched.peak(), Some((Bytes::from_mib(30), PeakSource::HighWater)));
        watched.account(Timestamp::from_secs(2), Some(Bytes::from_mib(44)), Some(9));
        assert_eq!(watched.peak(), Some((Bytes::from_mib(44), PeakSource::Taskstats)));
        assert_eq!((watched.killed_by(), watched.exit_code()), (Some(9), None));
    }

    #[test]
    fn growth_is_that_of_the_rise_to_the_peak() {
        let mut watched = watched();
        for (millis, rss) in [(0, 50), (100, 10), (300, 30), (1100, 110), (1200, 60)] {
            look(&mut watched, millis, rss, None);
        }
        let (took, rate) = watched.rise().growth.expect("rose for a second");
        assert_eq!(took, Duration::from_secs(1));
        assert!((rate.per_second() - 100.0 * 1024.0 * 1024.0).abs() < 1.0, "{rate}");
    }

    #[test]
    fn time_for_which_it_was_stopped_does_not_count() {
        let stopped = Stat { state: b'T', ..Stat::default() };
        // Seen stopped; and stopped between two looks, as we were ourselves.
        for seen in [true, false] {
            let mut watched = watched();
            look(&mut watched, 0, 10, None);
            look(&mut watched, 500, 60, None);
            if seen {
                let status = Status { rss: Some(Bytes::from_mib(60)), ..Status::default() };
                watched.observe(Timestamp::from_secs(1).after(Duration::from_millis(500)), &stopped, Some(&status));
            } else {
                watched.is_stopped = true;
            }
            look(&mut watched, 60_500, 60, None);
            look(&mut watched, 61_000, 110, None);
            let (took, rate) = watched.rise().growth.expect("rose");
            assert_eq!(took, Duration::from_secs(1), "{seen}");
            assert!((rate.per_second() - 100.0 * 1024.0 * 1024.0).abs() < 1.0, "{rate}");
        }
    }

    #[test]
    fn what_still_is_its_parents_is_not_its_own() {
        let mut watched = watched();
        watched.is_embryo = true;
        look(&mut watched, 0, 500, Some(500));
        assert_eq!((watched.peak(), watched.rss), (None, Bytes(0)));
    }

    #[test]
    fn exit_statuses_are_read_as_wait_writes_them() {
        let mut watched = watched();
        watched.account(Timestamp::from_secs(2), None, Some(2 << 8));
        assert_eq!((watched.killed_by(), watched.exit_code()), (None, Some(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Minutes of a heap that comes and goes, then a rise to its end: it is told as from all that was seen.
        #[test]
        fn a_rise_after_many_minutes_is_told_as_from_every_look(
            waves in proptest::collection::vec(0_u64..4096, 50),
            looks in 2_000_u64..20_000,
            (seconds, rate) in (1_u64..20, 20_u64..200),
            stands in 0_u64..9,
        ) {
            const EVERY: Bounds = Bounds { points: usize::MAX, window: Millis::MAX };
            let (mut watched, mut every) = (watched(), Series::default());
            for look in 0..looks + (seconds + stands) * 20 {
                let risen = look.saturating_sub(looks).min(seconds * 20) * rate * 1024 / 20;
                let kib = 50_000 + waves[look as usize % waves.len()] + risen;
                let at = Timestamp::from_secs(1).after(Duration::from_millis(look * 50));
                let status = Status { rss: Some(Bytes::from_kib(kib)), ..Status::default() };
                watched.observe(at, &Stat { name: Name::new(b"a.test"), ..Stat::default() }, Some(&status));
                every.push((look * 50) as Millis, Bytes::from_kib(kib), EVERY);
            }
            let (told, from_every) = (watched.rise(), Rise::of(&every));
            prop_assert_eq!(told.stood.is_some(), from_every.stood.is_some());
            let [told, from_every] = [told, from_every].map(|rise| rise.growth.map_or(0.0, |(_, rate)| rate.per_second()));
            prop_assert!((told - from_every).abs() <= from_every / 5.0, "{} and not {}", told, from_every);
        }
    }
}
