//! Where everything stands: a pure function of the terminal's size and the State to plain rectangles. Serves drawing,
//! page sizes and mouse hits alike, so that they cannot disagree. Refuses to know what is drawn in them.

use crate::table::{self, Column, ColumnInfo};
use crate::units::Bytes;

use super::{Mode, Pane, State};

/// A rectangle of cells; empty when a side is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub x: u16,
    /// First row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Area {
    /// Whether the cell lies in it.
    #[must_use]
    pub const fn contains(self, column: u16, row: u16) -> bool {
        column >= self.x && row >= self.y && column - self.x < self.width && row - self.y < self.height
    }

    /// Whether it has no cell.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Its first `rows` rows, and the rest.
    #[must_use]
    pub fn split_top(self, rows: u16) -> (Self, Self) {
        let rows = rows.min(self.height);
        (Self { height: rows, ..self }, Self { y: self.y + rows, height: self.height - rows, ..self })
    }

    /// Its first `columns` columns, and the rest.
    #[must_use]
    pub fn split_left(self, columns: u16) -> (Self, Self) {
        let columns = columns.min(self.width);
        (Self { width: columns, ..self }, Self { x: self.x + columns, width: self.width - columns, ..self })
    }

    /// What a border of one cell leaves.
    #[must_use]
    pub const fn inside(self) -> Self {
        if self.width < 2 || self.height < 2 {
            return Self { x: self.x, y: self.y, width: 0, height: 0 };
        }
        Self { x: self.x + 1, y: self.y + 1, width: self.width - 2, height: self.height - 2 }
    }

    /// The middle of it, at most this large.
    #[must_use]
    pub fn centered(self, width: u16, height: u16) -> Self {
        let (width, height) = (width.min(self.width), height.min(self.height));
        Self { x: self.x + (self.width - width) / 2, y: self.y + (self.height - height) / 2, width, height }
    }
}

/// How a pane is set off from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// Not at all.
    Bare,
    /// One line above it.
    Rule,
    /// One line above it and one at its left.
    Corner,
}

/// One pane on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaneArea {
    /// Which.
    pub pane: Pane,
    /// With its edge.
    pub outer: Area,
    /// Without.
    pub inner: Area,
    /// What is between the two.
    pub edge: Edge,
}

/// Everything on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Memory, swap, pressure; 0 to 4 rows.
    pub header: Area,
    /// The panes that are on the screen, the table first.
    pub panes: Vec<PaneArea>,
    /// What is said of actions and events: over the last rows of the panes, as many as it takes.
    pub said: Area,
    /// Keys, or what is being typed; 0 or 1 row.
    pub footer: Area,
    /// The titles of the table's columns; empty when the table is not there.
    pub titles: Area,
    /// The rows of the table; empty when the table is not there.
    pub rows: Area,
}

impl Layout {
    /// The pane, if it is on the screen.
    #[must_use]
    pub fn pane(&self, pane: Pane) -> Option<PaneArea> {
        self.panes.iter().copied().find(|area| area.pane == pane)
    }

    /// What of an area is not under what is said.
    #[must_use]
    pub fn uncovered(&self, area: Area) -> Area {
        area.split_top(self.said.y.saturating_sub(area.y)).0
    }

    /// Rows of the pane's content: a page.
    #[must_use]
    pub fn page(&self, pane: Pane) -> usize {
        let rows =
            if pane == Pane::Top { self.rows.height } else { self.pane(pane).map_or(0, |area| area.inner.height) };
        usize::from(rows)
    }
}

/// How many panes a size has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Room {
    /// The focused one alone.
    One,
    /// The table and a companion under it.
    Two,
    /// All.
    Four,
}

impl Room {
    /// Of a terminal with this many columns and rows.
    #[must_use]
    pub const fn of((columns, rows): (u16, u16)) -> Self {
        match (columns, rows) {
            (120.., 30..) => Self::Four,
            (80.., 24..) => Self::Two,
            _ => Self::One,
        }
    }
}

/// Where everything stands now.
#[must_use]
pub fn layout(state: &State) -> Layout {
    let (width, height) = state.size;
    let room = Room::of(state.size);
    let header_rows = match (room, height) {
        (Room::Four, _) => 4,
        (Room::Two, _) | (Room::One, 16..) => 3,
        (Room::One, 10..) => 2,
        (Room::One, 6..) => 1,
        (Room::One, _) => 0,
    };
    // Who types must see what he types, also where nothing else has room.
    let footer_rows = u16::from(height >= 4 || !matches!(state.mode, Mode::Normal));
    let screen = Area { x: 0, y: 0, width, height };
    let (header, below) = screen.split_top(header_rows);
    let (body, footer) = below.split_top(below.height.saturating_sub(footer_rows));
    // More would hide what it is about.
    let most_said = 4.min(footer.y.saturating_sub(1) / 4 + 1).min(footer.y);
    let said_rows = state.said(usize::from(width.saturating_sub(2)), usize::from(most_said)).len() as u16;
    let said = Area { x: 0, y: footer.y - said_rows, width, height: said_rows };

    let panes = match room {
        Room::One => vec![pane_area(state.focus, body, if state.focus == Pane::Top { Edge::Bare } else { Edge::Rule })],
        _ if state.zoomed || state.stands_alone(state.focus) => {
            let edge = match (room, state.focus) {
                (Room::Two | Room::One, Pane::Top) => Edge::Bare,
                _ => Edge::Rule,
            };
            vec![pane_area(state.focus, body, edge)]
        }
        Room::Two => {
            // The table of a command is short, and what it writes is what one looks at.
            let companion_rows = if state.run.is_some() { body.height / 2 } else { (body.height / 3).clamp(4, 12) };
            let (top, companion) = body.split_top(body.height - companion_rows);
            vec![pane_area(Pane::Top, top, Edge::Bare), pane_area(state.companion, companion, Edge::Rule)]
        }
        Room::Four => {
            let (upper, lower) = body.split_top(body.height * 11 / 20);
            // The table keeps a command worth reading; what is to spare goes to the charts.
            let left_columns = (width * 29 / 50).max(74);
            let (top, second) = upper.split_left(left_columns);
            let (last, third) = lower.split_left(left_columns);
            // In the order of Tab: round the screen.
            let places = [(top, Edge::Rule), (second, Edge::Corner), (third, Edge::Corner), (last, Edge::Rule)];
            state.overview().into_iter().zip(places).map(|(pane, (area, edge))| pane_area(pane, area, edge)).collect()
        }
    };
    let table = panes.iter().find(|area| area.pane == Pane::Top).map_or(Area::default(), |area| area.inner);
    // One row with something in it is worth more than one row of titles.
    let (titles, rows) = table.split_top(u16::from(table.height >= 2));
    Layout { header, panes, said, footer, titles, rows }
}

fn pane_area(pane: Pane, outer: Area, edge: Edge) -> PaneArea {
    let inner = match edge {
        Edge::Bare => outer,
        Edge::Rule => outer.split_top(1).1,
        Edge::Corner => outer.split_top(1).1.split_left(1).1,
    };
    PaneArea { pane, outer, inner, edge }
}

/// One column of the table on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSpan {
    /// Which.
    pub column: Column,
    /// First cell.
    pub x: u16,
    /// Cells.
    pub width: u16,
}

/// Cells before the first column: the marks of selection and tag.
pub const GUTTER: u16 = 2;

/// The least that a command line is worth showing in; on narrow screens a third of them, so that the number stays.
const REST_MINIMUM: u16 = 18;

/// What goes first when there is no room for all: the order of this list.
const EXPENDABLE: [Column; 24] = [
    Column::Virtual,
    Column::SharedMemory,
    Column::File,
    Column::State,
    Column::Threads,
    Column::Parent,
    Column::OomScore,
    Column::Uss,
    Column::PageTables,
    Column::Anonymous,
    Column::Peak,
    Column::Go,
    Column::Cgroup,
    Column::Domain,
    Column::RssAndSwap,
    Column::Pss,
    Column::Swap,
    Column::Trend,
    Column::User,
    Column::Adjustment,
    Column::Growth,
    Column::Risk,
    Column::Pid,
    Column::Rss,
];

/// The same of the name of a group: it ends with what tells it from others, and its limit stands behind it.
const GROUP_MINIMUM: u16 = 28;

/// What is worth less than this much of a command line beside it: of the domain the sign at RISK, and the title of the
/// table for the selected row, say what is most needed.
const BESIDE: [(Column, u16); 2] = [(Column::Domain, 40), (Column::Pss, 24)];

/// The columns that are worth showing in this width: the chosen ones, and the one that sorts, in its place among them, for
/// an order that cannot be seen is none. What is the same in every row says nothing: the name of the only memory domain,
/// what is in swap where there is none.
fn columns_of(state: &State, width: u16) -> Vec<Column> {
    let (list, sort) = (&state.list, state.list.sort);
    let mut columns = list.columns.clone();
    if !columns.contains(&sort) {
        let place = columns.iter().position(|column| *column > sort).unwrap_or(columns.len());
        columns.insert(place, sort);
    }
    let has_swap = state.report.system.memory.swap_total != Some(Bytes(0));
    let says_nothing = [(Column::Domain, state.report.domains.len() < 2), (Column::Swap, !has_swap)];
    let leave_out = |columns: &mut Vec<Column>, unneeded| {
        if unneeded != sort && columns.len() > 1 {
            columns.retain(|column| *column != unneeded);
        }
    };
    for (column, _) in says_nothing.into_iter().filter(|(_, is_so)| *is_so) {
        leave_out(&mut columns, column);
    }
    for (column, minimum) in BESIDE {
        if width.saturating_sub(fixed_width(&columns)) < minimum {
            leave_out(&mut columns, column);
        }
    }
    columns
}

/// What the columns of fixed width take, with the gaps between all.
fn fixed_width(columns: &[Column]) -> u16 {
    let gaps = (columns.len() as u16).saturating_sub(1);
    columns.iter().map(|column| table::info(*column).width).fold(GUTTER + gaps, u16::saturating_add)
}

/// Which columns of the table fit into the width of `area`, and where: the column that sorts always.
#[must_use]
pub fn column_spans(state: &State, area: Area) -> Vec<ColumnSpan> {
    let mut columns = columns_of(state, area.width);
    let rest_minimum = if state.list.arrangement.is_grouped() { GROUP_MINIMUM } else { REST_MINIMUM };
    let sort = state.list.sort;
    let wanted = |columns: &[Column]| -> u16 {
        let cells = |column: &Column| match table::info(*column).width {
            ColumnInfo::REST => rest_minimum.min(area.width / 3),
            width => width,
        };
        columns.iter().fold(GUTTER, |sum, column| sum.saturating_add(cells(column)).saturating_add(1)) - 1
    };
    for expendable in EXPENDABLE.into_iter().filter(|column| *column != sort) {
        if columns.len() <= 1 || wanted(&columns) <= area.width {
            break;
        }
        columns.retain(|column| *column != expendable);
    }
    let resting = columns.iter().filter(|column| table::info(**column).width == ColumnInfo::REST).count() as u16;
    let rest = area.width.saturating_sub(fixed_width(&columns)) / resting.max(1);
    let end = area.x + area.width;
    let mut x = area.x + GUTTER.min(area.width);
    let mut spans = Vec::with_capacity(columns.len());
    for column in columns {
        let width = match table::info(column).width {
            ColumnInfo::REST => rest,
            width => width,
        };
        let width = width.min(end.saturating_sub(x));
        if width == 0 {
            break;
        }
        spans.push(ColumnSpan { column, x, width });
        x = x.saturating_add(width).saturating_add(1);
    }
    spans
}
