//! Which share of the time something took over the last ten seconds (our own CPU, reads that hold up others): over one pass
//! it flickers with what happens to be due in it, and a figure that flickers is redrawn for nothing. Refuses to forget what
//! it cost to begin before that is ten seconds ago.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units::Timestamp;

/// Time taken so far, at the passes of the last while.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentShare(VecDeque<(Timestamp, Duration)>);

impl RecentShare {
    const WINDOW: Duration = Duration::from_secs(10);
    /// However short the interval is.
    const MOST: usize = 64;

    /// Takes in what was taken until a pass. Gives the share since the pass ten seconds before, or the earliest that
    /// is remembered: 1.0 is all of it, of one processor. `None` after the first pass.
    pub(super) fn share(&mut self, at: Timestamp, taken: Duration) -> Option<f64> {
        let is_old = |(then, _): &(Timestamp, Duration)| at.since(*then) >= Self::WINDOW;
        while self.0.len() >= Self::MOST || self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
        let first = self.0.front().copied();
        self.0.push_back((at, taken));
        let (then, before) = first.filter(|(then, _)| *then < at)?;
        Some(taken.saturating_sub(before).as_secs_f64() / at.since(then).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_ten_seconds() {
        let mut own = RecentShare::default();
        // A second of work at the start, then a hundredth in each.
        let taken = |second: u64| Duration::from_millis(1000 + 10 * second);
        assert_eq!(own.share(Timestamp::from_secs(1), Duration::ZERO), None);
        let shares: Vec<_> = (2..30).map(|second| own.share(Timestamp::from_secs(second), taken(second))).collect();
        assert!(shares[0].is_some_and(|share| share > 1.0));
        assert!(shares[8].is_some_and(|share| share > 0.1));
        assert!(shares[12..].iter().all(|share| share.is_some_and(|share| (share - 0.01).abs() < 1e-9)), "{shares:?}");
    }

    #[test]
    fn it_is_bounded_at_any_interval() {
        let mut own = RecentShare::default();
        for millisecond in 0..5_000 {
            own.share(Timestamp(millisecond * 1_000_000), Duration::ZERO);
        }
        assert!(own.0.len() <= RecentShare::MOST);
    }
}
