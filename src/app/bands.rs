//! How a pane divides its rows: what stands above its list, the headings, the list, and which line of the list is which.
//! Drawing and mouse hits both ask here. Refuses to know what is drawn.

use crate::monitor::report::Victim;
use crate::units::ProcessId;

use super::Picture;
use super::layout::Area;

/// Cuts bands of these heights off the top; the rest is the last.
fn split<const BANDS: usize>(area: Area, heights: [u16; BANDS]) -> ([Area; BANDS], Area) {
    let mut rest = area;
    let bands = heights.map(|height| {
        let (band, below) = rest.split_top(height);
        rest = below;
        band
    });
    (bands, rest)
}

/// The pane of mappings: sums, bar, headings, list.
#[must_use]
pub fn mappings(area: Area) -> [Area; 4] {
    let above = u16::from(area.height >= 4) + u16::from(area.height >= 6);
    let heading = u16::from(area.height - above >= 4);
    let ([sums, bar, heading], list) = split(area, [above.min(1), above.saturating_sub(1), heading]);
    [sums, bar, heading, list]
}

/// The risk pane: level, summary, a line for each of so many other killers, headings, list.
#[must_use]
pub fn risk(area: Area, other_killers: u16) -> [Area; 5] {
    let level = u16::from(area.height >= 8) + u16::from(area.height >= 14);
    let summary = match area.height {
        0..=2 => 0,
        3..=6 => 1,
        7..=9 => 2,
        _ => 3,
    };
    // Half of what is there belongs to the victims.
    let others = other_killers.min((area.height / 2).saturating_sub(level + summary));
    let ([level, summary, others, heading], list) = split(area, [level, summary, others, u16::from(area.height >= 4)]);
    [level, summary, others, heading, list]
}

/// The list of kills: headings, list.
#[must_use]
pub fn kills(area: Area) -> [Area; 2] {
    let ([heading], list) = split(area, [u16::from(area.height >= 3)]);
    [heading, list]
}

/// The pane of profiles: what it is a profile of, headings (of the table), list, the selected function.
#[must_use]
pub fn profile(area: Area, picture: Picture) -> [Area; 4] {
    let heading = u16::from(area.height >= 5 && picture == Picture::Table);
    let selected = u16::from(area.height >= 4) + u16::from(area.height >= 12);
    let ([status, heading], rest) = split(area, [u16::from(area.height >= 3) + u16::from(area.height >= 8), heading]);
    let (list, selected) = rest.split_top(rest.height.saturating_sub(selected));
    [status, heading, list, selected]
}

/// The first line of a list that shows `cursor` on its last line at the latest.
#[must_use]
pub fn first_line(cursor: usize, height: u16) -> usize {
    (cursor + 1).saturating_sub(usize::from(height))
}

/// The first of an order; one of `wanted` that stands behind them takes the last line, so that it is always seen.
#[must_use]
pub fn in_sight<'a>(order: &'a [Victim], wanted: &[ProcessId], rows: u16) -> Vec<&'a Victim> {
    let rows = usize::from(rows);
    let mut shown: Vec<&Victim> = order.iter().take(rows).collect();
    let hidden = order.iter().skip(rows).find(|victim| wanted.contains(&victim.id));
    // A list of one line keeps the first: who dies next comes before who is selected.
    if let (Some(hidden), Some(last), true) = (hidden, shown.last_mut(), rows > 1) {
        *last = hidden;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_always_on_a_line() {
        for (cursor, height, first) in [(0, 5, 0), (4, 5, 0), (5, 5, 1), (9, 1, 9), (0, 0, 1)] {
            assert_eq!(first_line(cursor, height), first, "{cursor} in {height}");
        }
    }

    #[test]
    fn bands_cover_the_area_and_end_in_the_list() {
        for height in 0..30 {
            let area = Area { x: 3, y: 2, width: 40, height };
            for bands in [&mappings(area)[..], &risk(area, 0), &risk(area, 3), &kills(area)] {
                let mut y = area.y;
                for band in bands {
                    assert_eq!((band.x, band.y, band.width), (area.x, y, area.width), "{height}");
                    y += band.height;
                }
                assert_eq!(y, area.y + height, "{bands:?}");
                assert!(height == 0 || bands[bands.len() - 1].height > 0, "{height}: {bands:?}");
            }
        }
    }
}
