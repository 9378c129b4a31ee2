//! Where a dialog stands on the screen and where in it its list is. Drawing and mouse hits both ask here. Refuses to know
//! what is drawn.

use crate::app::bands::first_line;
use crate::app::layout::Area;
use crate::units::ProcessId;

use super::{COLUMNS, Dialog, SIGNALS};
use crate::app::list::Arrangement;

/// A dialog on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// With its frame.
    pub outer: Area,
    /// Lines at the top that name whom it is about.
    pub whom: Area,
    /// Below them: the list, or what is set.
    pub body: Area,
    /// Below that: what the line under the cursor is.
    pub note: Area,
}

/// The least that the list of signals, and the scale with its preview, must keep on a low screen.
const SIGNALS_KEEP: u16 = 4;
const PREVIEW_KEEPS: u16 = 9;

/// Rows that explain a column, with a gap above.
const NOTE: u16 = 6;

impl Dialog {
    /// Where it stands on a screen of this size.
    #[must_use]
    pub fn place(&self, (columns, rows): (u16, u16)) -> Place {
        let screen = Area { x: 0, y: 0, width: columns, height: rows };
        let menu = |count: usize| count as u16 + 2;
        let (width, height) = match self {
            Self::Help { .. } => (columns.saturating_sub(4).clamp(20, 110), rows.saturating_sub(2).max(3)),
            Self::Signal { targets, left_out, .. } => (78, lines(targets, left_out) + 1 + menu(SIGNALS.len())),
            Self::Adjust { targets, left_out, .. } => (84, named(targets, left_out) + 14),
            Self::Sort { .. } | Self::Columns { .. } => (76, menu(COLUMNS.len()) + NOTE),
            Self::User { users, .. } => (44, menu(users.len() + 1)),
            Self::Profile { offers, .. } => (76, menu(offers.len())),
            Self::Group { .. } => (44, menu(Arrangement::ALL.len())),
        };
        let outer = screen.centered(width, height);
        let inner = outer.inside();
        // On a low screen the list of targets goes before the signals do: one must see what one sends.
        let (named, keep) = match self {
            Self::Signal { targets, left_out, .. } => (lines(targets, left_out) + 1, SIGNALS_KEEP - 1),
            Self::Adjust { targets, left_out, .. } => (named(targets, left_out), PREVIEW_KEEPS),
            _ => (0, 0),
        };
        let (above, body) = inner.split_top(named.min(inner.height.saturating_sub(keep)));
        let noted = match self {
            Self::Sort { .. } | Self::Columns { .. } if body.height >= 3 * NOTE => NOTE,
            _ => 0,
        };
        let (body, note) = body.split_top(body.height - noted);
        // The last of them is a gap.
        let (whom, _) = above.split_top(above.height.saturating_sub(1));
        Place { outer, whom, body, note }
    }

    /// Rows of its list that are in sight at once: what is behind them is the next page.
    #[must_use]
    pub fn page(&self, size: (u16, u16)) -> usize {
        usize::from(self.place(size).body.height).max(1)
    }

    /// Position in its list of what stands at this cell.
    #[must_use]
    pub fn item_at(&self, size: (u16, u16), column: u16, row: u16) -> Option<usize> {
        let cursor = self.cursor()?;
        let list = self.place(size).body;
        if !list.contains(column, row) {
            return None;
        }
        let item = first_line(cursor, list.height) + usize::from(row - list.y);
        (item < self.count(size)).then_some(item)
    }

    /// Position in its list, if it has one to choose from.
    #[must_use]
    pub const fn cursor(&self) -> Option<usize> {
        match self {
            Self::Signal { cursor, .. }
            | Self::Sort { cursor }
            | Self::Columns { cursor, .. }
            | Self::User { cursor, .. }
            | Self::Profile { cursor, .. }
            | Self::Group { cursor } => Some(*cursor),
            Self::Help { .. } | Self::Adjust { .. } => None,
        }
    }
}

/// Lines that name everyone, within reason: why somebody is left out takes two of them, to be read to its end.
fn lines(targets: &[ProcessId], left_out: &[String]) -> u16 {
    (targets.len() as u16).clamp(1, 6) + 2 * (left_out.len() as u16).min(2)
}

/// In the editor one target stands in the title; several are named, with a gap below.
fn named(targets: &[ProcessId], left_out: &[String]) -> u16 {
    if targets.len() > 1 || !left_out.is_empty() { lines(targets, left_out) + 1 } else { 0 }
}
