//! A Go program whose GOMEMLIMIT leaves its collector no room: what is live comes near it, and one collection follows the
//! other. Refuses to say that it was slow because of that: it says how often and how long, as the runtime counts it.

use std::fmt;
use std::time::Duration;

use crate::snapshot::go_memory::GoNumbers;
use crate::units::{Bytes, Timestamp, human_duration};

/// How a program was squeezed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squeeze {
    /// Its GOMEMLIMIT.
    pub limit: Bytes,
    /// The most that a collection left alive meanwhile.
    pub live: Bytes,
    /// Collections meanwhile.
    pub collections: u32,
    /// How long that went on, as far as it was seen.
    pub time: Duration,
    /// What the collector took of the processors' time, since the program began, in percent (`GCCPUFraction`).
    pub cpu_percent: Option<u8>,
}

impl fmt::Display for Squeeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, live, collections, time, .. } = self;
        write!(f, "{live} live under a GOMEMLIMIT of {limit}, {collections} collections in {}", human_duration(*time))?;
        self.cpu_percent.map_or(Ok(()), |percent| write!(f, ", {percent} % of its processors' time since it began"))
    }
}

/// The looks at one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks {
    found: Option<Squeeze>,
    /// The last look, where the limit was tight then: when, and how many collections there had been.
    last: Option<(Timestamp, u32)>,
}

impl Looks {
    /// Takes one look.
    pub(super) fn observe(&mut self, at: Timestamp, numbers: &GoNumbers) {
        // With GOGC at 100 the heap doubles between two collections: where four fifths of the limit live it cannot.
        let tight = numbers.memory_limit.filter(|limit| numbers.live.0 / 4 >= limit.0 / 5);
        let (Some(limit), Some(collections)) = (tight, numbers.collections) else {
            self.last = None;
            return;
        };
        if let Some((since, count)) = self.last.replace((at, collections.count)) {
            let before = self.found;
            self.found = Some(Squeeze {
                limit,
                live: before.map_or(numbers.live, |before| before.live.max(numbers.live)),
                collections: before.map_or(0, |before| before.collections) + collections.count.saturating_sub(count),
                time: before.map_or(Duration::ZERO, |before| before.time) + at.since(since),
                cpu_percent: collections.cpu_percent,
            });
        }
    }

    /// What was found, where it is enough to speak of: a second of it, with many collections or long ones.
    pub(super) fn found(&self) -> Option<Squeeze> {
        /// Collections a second; a busy program with room has one or two.
        const OFTEN: f64 = 5.0;
        /// The share that the collector aims at while it runs (gcBackgroundUtilization): it nearly always runs.
        const LONG: u8 = 25;
        /// Of less nobody is slow, however often it ran.
        const FELT: u8 = 5;
        self.found.filter(|squeeze| {
            let takes = |least: u8| squeeze.cpu_percent.map(|percent| percent >= least);
            let often = f64::from(squeeze.collections) >= OFTEN * squeeze.time.as_secs_f64();
            let (often, long) = (often && takes(FELT).unwrap_or(true), takes(LONG).unwrap_or(false));
            squeeze.time >= Duration::from_secs(1) && (often || long)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::go_memory::{Collections, Found};
    use crate::units::WallTime;

    /// Every half second: MiB live, and collections so far.
    fn found(looks: &[(u64, u32)], limit: Option<u64>, cpu_percent: u8) -> Option<Squeeze> {
        let mut all = Looks::default();
        for (half_seconds, (live, count)) in (0..).zip(looks) {
            let live = Bytes::from_mib(*live);
            let numbers = GoNumbers {
                found: Found::Scan,
                gc_percent: Some(100),
                memory_limit: limit.map(Bytes::from_mib),
                live,
                allocated: live,
                goal: live,
                objects: live,
                in_use: live,
                free: Bytes(0),
                released: Bytes(0),
                mapped: live,
                collections: Some(Collections {
                    count: *count,
                    last: WallTime(0),
                    last_at: None,
                    cpu_percent: Some(cpu_percent),
                }),
            };
            all.observe(Timestamp::from_secs(7).after(Duration::from_millis(500 * half_seconds)), &numbers);
        }
        all.found()
    }

    #[test]
    fn what_lives_near_its_limit_and_collects_all_the_time_is_squeezed() {
        let squeeze = found(&[(5, 1), (22, 40), (24, 80), (23, 120)], Some(24), 27).expect("squeezed");
        assert_eq!(
            (squeeze.live, squeeze.collections, squeeze.time),
            (Bytes::from_mib(24), 80, Duration::from_secs(1))
        );
        let told =
            "24.0M live under a GOMEMLIMIT of 24.0M, 80 collections in 1s, 27 % of its processors' time since it began";
        assert_eq!(squeeze.to_string(), told);
        // Few and long: the heap is big.
        assert!(found(&[(22, 1), (22, 2), (22, 3)], Some(24), 30).is_some());
    }

    #[test]
    fn who_has_room_or_has_it_again_is_not() {
        let often = [(22, 0), (22, 40), (22, 80)];
        assert_eq!(found(&often, None, 27), None);
        assert_eq!(found(&often, Some(64), 27), None);
        assert_eq!(found(&often[..2], Some(24), 27), None, "half a second");
        assert_eq!(found(&[(22, 0), (22, 1), (22, 2)], Some(24), 3), None, "few and short");
        assert_eq!(found(&[(22, 0), (22, 5), (22, 9)], Some(24), 1), None, "many that took nothing");
        assert_eq!(found(&[(22, 0), (5, 40), (22, 80), (5, 120)], Some(24), 27), None, "never twice in a row");
    }
}
