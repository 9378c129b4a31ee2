//! The characters that drawing uses, in two sets of equal meaning: Unicode and ASCII. Refuses to choose between them:
//! the configuration does.

use crate::config::Glyphs;

use super::theme::Part;

/// One set.
#[derive(Debug)]
pub struct GlyphSet {
    /// Horizontal line.
    pub horizontal: &'static str,
    /// Vertical line.
    pub vertical: &'static str,
    /// Top left, top right, bottom left, bottom right.
    pub corners: [&'static str; 4],
    /// A vertical line that begins under a horizontal one, and one that crosses it.
    pub tees: [&'static str; 2],
    /// A child with siblings below it, the last child, and the line that passes by: two columns each.
    pub branches: [&'static str; 3],
    /// Parts of a full cell from an eighth to all of it, left to right; ASCII has only the whole.
    pub eighths: [&'static str; 9],
    /// Heights from an eighth to all of a cell.
    pub levels: [&'static str; 8],
    /// The line under the cursor.
    pub cursor: &'static str,
    /// A tagged process.
    pub tag: &'static str,
    /// The sorted column: the largest first, the smallest first.
    pub sorted: [&'static str; 2],
    /// Text was cut.
    pub ellipsis: &'static str,
    /// Read some time ago: it may be different now.
    pub aged: &'static str,
    /// Of the memory domain that has the least left.
    pub tightest: &'static str,
    /// A frame of one column in a flame graph: a line would look like the end of the frame beside it.
    pub sliver: &'static str,
    /// So many of them.
    pub times: &'static str,
    /// At least.
    pub at_least: &'static str,
    /// At most.
    pub at_most: &'static str,
    /// A limit in a chart.
    pub limit: &'static str,
    /// A point on a scale, and the scale.
    pub scale: [&'static str; 4],
    /// Everything may be drawn: names of processes as they are, charts in braille; else only ASCII.
    pub unicode: bool,
}

const UNICODE: GlyphSet = GlyphSet {
    horizontal: "─",
    vertical: "│",
    corners: ["┌", "┐", "└", "┘"],
    tees: ["┬", "┼"],
    branches: ["├─", "└─", "│ "],
    eighths: [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    cursor: "▸",
    tag: "•",
    sorted: ["▼", "▲"],
    ellipsis: "…",
    aged: "~",
    tightest: "»",
    sliver: "·",
    times: "×",
    at_least: "≥",
    at_most: "≤",
    limit: "┄",
    scale: ["├", "┼", "┤", "█"],
    unicode: true,
};

const ASCII: GlyphSet = GlyphSet {
    horizontal: "-",
    vertical: "|",
    corners: ["+", "+", "+", "+"],
    tees: ["+", "+"],
    branches: ["|-", "`-", "| "],
    eighths: [" ", " ", " ", " ", "#", "#", "#", "#", "#"],
    levels: [".", ":", "-", "=", "+", "*", "#", "#"],
    cursor: ">",
    tag: "*",
    sorted: ["v", "^"],
    ellipsis: "~",
    aged: "~",
    tightest: ">",
    sliver: ".",
    times: "x",
    at_least: ">",
    at_most: "<",
    limit: "-",
    scale: ["|", "|", "|", "#"],
    unicode: false,
};

/// The set of that name.
#[must_use]
pub const fn glyphs(name: Glyphs) -> &'static GlyphSet {
    match name {
        Glyphs::Unicode => &UNICODE,
        Glyphs::Ascii => &ASCII,
    }
}

impl GlyphSet {
    /// The texture of a part of a stacked bar: parts are told apart without colour too.
    #[must_use]
    pub const fn texture(&self, part: Part) -> &'static str {
        match (self.unicode, part) {
            (true, Part::Anonymous) => "█",
            (true, Part::Stack | Part::Shared) => "▓",
            (true, Part::Kernel) => "▒",
            (true, Part::Cache) => "░",
            (false, Part::Anonymous) => "#",
            (false, Part::Stack) => "+",
            (false, Part::Shared) => "%",
            (false, Part::Kernel) => "*",
            (false, Part::Cache) => "=",
            (_, Part::Free) => " ",
        }
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    /// Every string of a set, for the laws below.
    fn all(set: &GlyphSet) -> Vec<&'static str> {
        let single = [set.horizontal, set.vertical, set.cursor, set.tag, set.ellipsis, set.limit, set.sliver];
        let before = [set.aged, set.tightest, set.times, set.at_least, set.at_most];
        [&single[..], &before, &set.corners, &set.tees, &set.eighths, &set.levels, &set.sorted, &set.scale].concat()
    }

    #[test]
    fn every_sign_is_one_column_wide() {
        for set in [&UNICODE, &ASCII] {
            for sign in all(set) {
                assert_eq!(sign.width(), 1, "{sign}");
            }
            for branch in set.branches {
                assert_eq!(branch.width(), 2, "{branch}");
            }
        }
    }

    #[test]
    fn the_ascii_set_is_ascii() {
        assert!(all(&ASCII).iter().chain(&ASCII.branches).all(|sign| sign.is_ascii()));
    }
}
