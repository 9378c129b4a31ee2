//! A terminal's screen as SVG that looks the same with any font: block elements, braille and box lines are drawn as
//! shapes, and every run of text is placed and stretched to its cells.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const CELL_WIDTH: f32 = 9.0;
const CELL_HEIGHT: f32 = 19.0;
const BASELINE: f32 = 14.5;
const MARGIN: f32 = 12.0;

const FULL_BLOCK: char = '█';

const BACKGROUND: &str = "#15181e";
const FOREGROUND: &str = "#d5dae3";

/// The sixteen colours by number.
const PALETTE: [&str; 16] = [
    "#2b303b", "#e0626a", "#8fc172", "#e5b567", "#6aa5e8", "#bd86d9", "#5ab5be", "#c3c9d4", "#6b7484", "#ff7b85",
    "#a9dd8c", "#ffd07d", "#8cc0ff", "#d7a3f2", "#78d3dc", "#f4f6fa",
];

#[derive(Clone, PartialEq)]
struct Style {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

impl Style {
    fn of(cell: &Cell) -> Style {
        let (front, back) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
        let (foreground, background) = if cell.inverse() {
            (back.unwrap_or_else(|| BACKGROUND.to_owned()), Some(front.unwrap_or_else(|| FOREGROUND.to_owned())))
        } else {
            (front.unwrap_or_else(|| FOREGROUND.to_owned()), back)
        };
        let (bold, dim, italic, underline) = (cell.bold(), cell.dim(), cell.italic(), cell.underline());
        Style { foreground, background, bold, dim, italic, underline }
    }

    fn attributes(&self) -> String {
        let mut text = format!(" fill=\"{}\"", self.foreground);
        for (holds, attribute) in [
            (self.bold, " font-weight=\"bold\""),
            (self.dim, " opacity=\"0.6\""),
            (self.italic, " font-style=\"italic\""),
            (self.underline, " text-decoration=\"underline\""),
        ] {
            if holds {
                text.push_str(attribute);
            }
        }
        text
    }
}

/// The whole screen as one SVG document.
pub fn draw(screen: &Screen, title: &str) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let width = f32::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace\" font-size=\"15\" \
         xml:space=\"preserve\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" \
         fill=\"{BACKGROUND}\"/>\n",
        escape(title)
    );
    for row in 0..rows {
        for run in runs(screen, row, columns) {
            run.draw(&mut svg, row);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Neighbouring cells of one row that look alike.
struct Run {
    column: u16,
    cells: Vec<String>,
    style: Style,
}

fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else { continue };
        let style = Style::of(cell);
        let content = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
        match runs.last_mut() {
            Some(run) if run.style == style && usize::from(run.column) + run.cells.len() == usize::from(column) => {
                run.cells.push(content);
            }
            _ => runs.push(Run { column, cells: vec![content], style }),
        }
    }
    runs
}

impl Run {
    fn left(&self, index: usize) -> f32 {
        MARGIN + (f32::from(self.column) + index as f32) * CELL_WIDTH
    }

    fn draw(&self, svg: &mut String, row: u16) {
        let top = MARGIN + f32::from(row) * CELL_HEIGHT;
        if let Some(background) = &self.style.background {
            let width = self.cells.len() as f32 * CELL_WIDTH;
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{background}\"/>",
                self.left(0)
            );
        }
        let mut shapes = String::new();
        let mut index = 0;
        while index < self.cells.len() {
            let character = self.cells[index].chars().next().unwrap_or(' ');
            if character == FULL_BLOCK {
                // One rectangle for all of them: between neighbours a hair of background would show.
                let alike = self.cells[index..].iter().take_while(|cell| cell.starts_with(FULL_BLOCK)).count();
                shapes.push_str(&rectangle(self.left(index), top, alike as f32 * CELL_WIDTH, CELL_HEIGHT));
                index += alike;
                continue;
            }
            if let Some(shape) = shape(character, self.left(index), top) {
                shapes.push_str(&shape);
                index += 1;
                continue;
            }
            let begin = index;
            while index < self.cells.len() && !self.cells[index].chars().all(is_drawn) {
                index += 1;
            }
            self.write_text(svg, begin, index, top);
        }
        if !shapes.is_empty() {
            let colour = &self.style.foreground;
            let dim = if self.style.dim { " opacity=\"0.6\"" } else { "" };
            let _ = writeln!(
                svg,
                "<g fill=\"{colour}\" color=\"{colour}\"{dim} shape-rendering=\"crispEdges\">{shapes}</g>"
            );
        }
    }

    /// The cells from `begin` to `end` as text, word by word: what is parted by more than one blank is placed anew.
    fn write_text(&self, svg: &mut String, begin: usize, end: usize, top: f32) {
        let blank = |index: usize| self.cells.get(index).is_none_or(|cell| cell == " ") && !self.style.underline;
        let mut from = begin;
        while from < end {
            let to = (from..end).find(|&at| blank(at) && (at + 1 >= end || blank(at + 1))).unwrap_or(end);
            if to > from {
                self.write_words(svg, &self.cells[from..to], self.left(from), top);
            }
            from = (to..end).find(|&at| !blank(at)).unwrap_or(end);
        }
    }

    fn write_words(&self, svg: &mut String, cells: &[String], left: f32, top: f32) {
        let _ = writeln!(
            svg,
            "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\"{}>{}</text>",
            top + BASELINE,
            cells.len() as f32 * CELL_WIDTH,
            self.style.attributes(),
            escape(&cells.concat()),
        );
    }
}

/// Whether the character is drawn as a shape.
fn is_drawn(character: char) -> bool {
    shape(character, 0.0, 0.0).is_some()
}

fn shape(character: char, x: f32, y: f32) -> Option<String> {
    match character {
        '\u{2500}'..='\u{257f}' => lines(character, x, y),
        '\u{2580}'..='\u{259f}' => Some(block(character, x, y)),
        '\u{2800}'..='\u{28ff}' => Some(braille(character, x, y)),
        _ => None,
    }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> String {
    format!("<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>")
}

/// Block elements: eighths of a cell from below or from the left, shades, quadrants.
fn block(character: char, x: f32, y: f32) -> String {
    let code = u32::from(character);
    let (w, h) = (CELL_WIDTH, CELL_HEIGHT);
    let below = |eighths: u32| rectangle(x, y + h * (8 - eighths) as f32 / 8.0, w, h * eighths as f32 / 8.0);
    let shade = |opacity: &str| {
        format!("<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w}\" height=\"{h}\" fill-opacity=\"{opacity}\"/>")
    };
    match code {
        0x2580 => rectangle(x, y, w, h / 2.0),
        0x2581..=0x2588 => below(code - 0x2580),
        0x2589..=0x258f => rectangle(x, y, w * (0x2590 - code) as f32 / 8.0, h),
        0x2590 => rectangle(x + w / 2.0, y, w / 2.0, h),
        0x2591 => shade("0.25"),
        0x2592 => shade("0.5"),
        0x2593 => shade("0.75"),
        0x2594 => rectangle(x, y, w, h / 8.0),
        0x2595 => rectangle(x + w * 7.0 / 8.0, y, w / 8.0, h),
        _ => {
            // Upper left 1, upper right 2, lower left 4, lower right 8.
            let quadrants = [4, 8, 1, 13, 9, 7, 11, 2, 6, 14][(code - 0x2596) as usize];
            let places = [(1, 0.0, 0.0), (2, w / 2.0, 0.0), (4, 0.0, h / 2.0), (8, w / 2.0, h / 2.0)];
            let set = places.into_iter().filter(|(bit, ..)| quadrants & bit != 0);
            set.map(|(_, dx, dy)| rectangle(x + dx, y + dy, w / 2.0, h / 2.0)).collect()
        }
    }
}

/// The eight dots of a braille pattern, in the bit order of Unicode.
fn braille(character: char, x: f32, y: f32) -> String {
    const DOTS: [(f32, f32); 8] =
        [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, 0.0), (1.0, 1.0), (1.0, 2.0), (0.0, 3.0), (1.0, 3.0)];
    let bits = u32::from(character) - 0x2800;
    let mut dots = String::new();
    for (_, (column, row)) in DOTS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0) {
        let (cx, cy) = (x + CELL_WIDTH * (0.25 + column * 0.5), y + CELL_HEIGHT * (0.125 + row * 0.25));
        let _ = write!(dots, "M{cx:.1} {cy:.1}h0");
    }
    format!(
        "<path d=\"{dots}\" stroke=\"currentColor\" stroke-width=\"2.6\" stroke-linecap=\"round\" shape-rendering=\"auto\"/>"
    )
}

/// Box lines that reach the edges of their cell, so that they meet; `None` for the rarer ones, which stay text.
fn lines(character: char, x: f32, y: f32) -> Option<String> {
    // Which edges the line reaches: up, right, down, left; then whether it is heavy and whether it is dashed.
    let (edges, heavy, dashed) = match character {
        '─' => ("rl", false, false),
        '━' => ("rl", true, false),
        '│' => ("ud", false, false),
        '┃' => ("ud", true, false),
        '┄' | '┈' | '╌' => ("rl", false, true),
        '┆' | '┊' | '╎' => ("ud", false, true),
        '┌' | '╭' => ("rd", false, false),
        '┐' | '╮' => ("dl", false, false),
        '└' | '╰' => ("ur", false, false),
        '┘' | '╯' => ("ul", false, false),
        '├' => ("urd", false, false),
        '┤' => ("udl", false, false),
        '┬' => ("rdl", false, false),
        '┴' => ("url", false, false),
        '┼' => ("urdl", false, false),
        '╴' => ("l", false, false),
        '╵' => ("u", false, false),
        '╶' => ("r", false, false),
        '╷' => ("d", false, false),
        _ => return None,
    };
    let (w, h) = (CELL_WIDTH, CELL_HEIGHT);
    let (middle_x, middle_y) = (x + w / 2.0, y + h / 2.0);
    let stroke = format!(
        " fill=\"none\" stroke=\"currentColor\" stroke-width=\"{}\"{}",
        if heavy { 2.4 } else { 1.2 },
        if dashed { " stroke-dasharray=\"2.8 2.8\"" } else { "" }
    );
    if let Some((from, to)) = match character {
        '╭' => Some(((middle_x, y + h), (x + w, middle_y))),
        '╮' => Some(((middle_x, y + h), (x, middle_y))),
        '╰' => Some(((middle_x, y), (x + w, middle_y))),
        '╯' => Some(((middle_x, y), (x, middle_y))),
        _ => None,
    } {
        return Some(format!(
            "<path d=\"M{:.2} {:.2}Q{middle_x:.2} {middle_y:.2} {:.2} {:.2}\"{stroke}/>",
            from.0, from.1, to.0, to.1
        ));
    }
    let mut path = String::new();
    for edge in edges.chars() {
        let (end_x, end_y) = match edge {
            'u' => (middle_x, y),
            'r' => (x + w, middle_y),
            'd' => (middle_x, y + h),
            _ => (x, middle_y),
        };
        let _ = write!(path, "M{middle_x:.2} {middle_y:.2}L{end_x:.2} {end_y:.2}");
    }
    Some(format!("<path d=\"{path}\"{stroke}/>"))
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index @ 0..=15) => Some(PALETTE[usize::from(index)].to_owned()),
        Color::Idx(index @ 16..=231) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let cube = index - 16;
            Some(hex(level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(hex(grey, grey, grey))
        }
        Color::Rgb(red, green, blue) => Some(hex(red, green, blue)),
    }
}

fn hex(red: u8, green: u8, blue: u8) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
