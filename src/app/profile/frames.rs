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
        let whole = u128::from(flame.weight(caller.frame, value_type));
        if whole == 0 || caller.depth + 1 >= DEEPEST {
            continue;
        }
        let column = |weight: u128| caller.x + (u128::from(caller.width) * weight / whole) as u16;
        let mut before = 0;
        for frame in flame.children(caller.frame, value_type) {
            let behind = before + u128::from(flame.weight(frame, value_type));
            let (x, end) = (column(before), column(behind));
            before = behind;
            if end > x {
                all.push(PlacedFrame { frame, depth: caller.depth + 1, x, width: end - x });
            }
        }
    }
    all
}

/// A frame to fill the width, as near to this one as needed for `frame` to have a cell below it: itself at the last.
#[must_use]
pub fn root_that_shows(flame: &Flame, value_type: usize, root: Frame, frame: Frame, width: u16) -> Frame {
    let mut callers: Vec<Frame> = std::iter::successors(Some(frame), |frame| flame.parent(*frame)).collect();
    callers.reverse();
    let from = callers.iter().position(|caller| *caller == root).unwrap_or(0);
    let shows = |root: Frame| placed(flame, value_type, root, width).iter().any(|placed| placed.frame == frame);
    callers[from..].iter().copied().find(|caller| shows(*caller)).unwrap_or(frame)
}
