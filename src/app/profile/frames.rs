//! Where the frames of a flame graph stand: rows from the outermost function down, each frame below the one that called
//! it and as wide as its share. Serves drawing, arrows and mouse alike. Refuses to know how it is drawn.

use crate::golang::pprof::{Flame, Frame};

/// A frame that has at least one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedFrame {
    /// Which.
    pub frame: Frame,
    /// Its row, from the one that fills the width.
    pub depth: usize,
    /// First column.
    pub x: u16,
    /// Columns.
    pub width: u16,
}

/// Rows below which nothing is placed.
const DEEPEST: usize = 512;

/// The frame that fills the width, and all below it that have a cell; row by row, from left to right.
#[must_use]
pub fn placed(flame: &Flame, value_type: usize, root: Frame, width: u16) -> Vec<PlacedFrame> {
    let mut all = vec![PlacedFrame { frame: root, depth: 0, x: 0, width }];
    let mut at = 0;
    while let Some(&caller) = all.get(at) {
        at += 1;
        if caller.depth + 1 >= DEEPEST {
            continue;
        }
        for (frame, share) in shares(flame, value_type, caller.frame) {
            if let Some((x, width)) = share.cells(caller.x, caller.width) {
                all.push(PlacedFrame { frame, depth: caller.depth + 1, x, width });
            }
        }
    }
    all
}

/// What a frame has of the one that called it: from where to where of how much.
struct Share {
    begin: u128,
    end: u128,
    whole: u128,
}

impl Share {
    /// First column and width, within those of its caller; `None` where it has no cell.
    fn cells(&self, x: u16, width: u16) -> Option<(u16, u16)> {
        let column = |weight| (u128::from(width) * weight / self.whole) as u16;
        let (begin, end) = (column(self.begin), column(self.end));
        (end > begin).then(|| (x + begin, end - begin))
    }
}

/// Of all that this frame calls, the widest first.
fn shares(flame: &Flame, value_type: usize, caller: Frame) -> impl Iterator<Item = (Frame, Share)> {
    let whole = u128::from(flame.weight(caller, value_type));
    // What has no width itself calls nothing that is drawn.
    let called = if whole == 0 { Vec::new() } else { flame.children(caller, value_type) };
    let mut end = 0;
    called.into_iter().map(move |frame| {
        let begin = end;
        end += u128::from(flame.weight(frame, value_type));
        (frame, Share { begin, end, whole })
    })
}

/// A frame to fill the width, as near to this one as needed for `frame` to have a cell below it: itself at the last.
#[must_use]
pub fn root_that_shows(flame: &Flame, value_type: usize, root: Frame, frame: Frame, width: u16) -> Frame {
    let mut callers: Vec<Frame> = std::iter::successors(Some(frame), |frame| flame.parent(*frame)).collect();
    callers.reverse();
    let from = callers.iter().position(|caller| *caller == root).unwrap_or(0);
    // None is further above it than there are rows; and only what stands between the two is placed, once for each.
    let callers = &callers[from.max(callers.len().saturating_sub(DEEPEST))..];
    let steps: Vec<Option<Share>> = callers
        .windows(2)
        .map(|step| shares(flame, value_type, step[0]).find(|(frame, _)| *frame == step[1]).map(|(_, share)| share))
        .collect();
    let shows = |below: &[Option<Share>]| {
        below.iter().try_fold((0, width), |(x, width), step| step.as_ref()?.cells(x, width)).is_some()
    };
    (0..steps.len()).find(|at| shows(&steps[*at..])).map_or(frame, |at| callers[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golang::pprof::fixture;

    /// As it is defined: the first of all callers below which it is placed.
    fn placing_all(flame: &Flame, root: Frame, frame: Frame, width: u16) -> Frame {
        let mut callers: Vec<_> = std::iter::successors(Some(frame), |frame| flame.parent(*frame)).collect();
        callers.reverse();
        let from = callers.iter().position(|caller| *caller == root).unwrap_or(0);
        let shows = |root: Frame| placed(flame, 0, root, width).iter().any(|placed| placed.frame == frame);
        callers[from..].iter().copied().find(|caller| shows(*caller)).unwrap_or(frame)
    }

    #[test]
    fn the_nearest_root_that_shows_a_frame_is_found_without_placing_all() {
        let value = [("space", "bytes")];
        let (wide, thin): (&[_], &[_]) =
            (&[("a.leaf", 1), ("a.b", 2), ("a.main", 3)], &[("a.thin", 1), ("a.c", 4), ("a.b", 2), ("a.main", 3)]);
        let other: &[_] = &[("a.d", 5), ("a.c", 4), ("a.b", 2), ("a.main", 3)];
        let profile = fixture::profile(&value, &[(wide, &[1000]), (thin, &[3]), (other, &[40]), (&[("a.e", 9)], &[0])]);
        let flame = Flame::of(&profile);
        for width in [0, 1, 2, 7, 20, 80, 200, 2000] {
            for root in 0..flame.count() as Frame {
                for frame in 0..flame.count() as Frame {
                    let found = root_that_shows(&flame, 0, root, frame, width);
                    assert_eq!(found, placing_all(&flame, root, frame, width), "{frame} below {root} in {width}");
                }
            }
        }
    }

    #[test]
    fn a_stack_of_any_depth_is_answered_at_once() {
        // A hundred thousand calls deep: to place every caller would take minutes.
        let names: Vec<String> = (0..50).map(|at| format!("a.f{at}")).collect();
        let stack: Vec<(&str, u32)> = (0..100_000).map(|at| (names[at % 50].as_str(), 1)).collect();
        let flame = Flame::of(&fixture::profile(&[("space", "bytes")], &[(&stack, &[1])]));
        let deepest = flame.count() as Frame - 1;
        assert_eq!(deepest, 100_000);
        let shown = root_that_shows(&flame, 0, Flame::ROOT, deepest, 80);
        assert_eq!(shown, deepest - (DEEPEST as Frame - 1), "as far above it as there are rows");
    }
}
