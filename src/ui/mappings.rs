//! What the selected process holds: a bar of classes that sums to its RSS exactly, the classes, and the regions of an
//! opened class. Refuses to classify and to hide how old the picture is.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use ratatui::layout::Rect;

use crate::app::bands::{self, first_line};
use crate::app::layout::Area;
use crate::app::{Depth, Pane, State};
use crate::mapping_class::{MappingClass, called};
use crate::monitor::report::{ClassReport, MappingsReport, MappingsState};
use crate::snapshot::mapping::Region;
use crate::units::{Bytes, MaybeKib, counted, human_duration, round_duration};

use super::canvas::{Canvas, Segment};
use super::prose::paragraphs;
use super::theme::{Part, Role};
use super::{golang, rect, region};

/// The answer: what whom holds, and how old the answer is.
#[must_use]
pub fn title(state: &State) -> String {
    let Some(id) = state.list.selected else {
        return "What the selected process holds".into();
    };
    let mut title = format!("What {} {} holds", super::name_of(state, id), id.pid);
    if let Some(report) = known(state) {
        if let Some(class) = state.mappings.opened {
            let _ = write!(title, " as {}, by {}", class.words(), state.mappings.order.words());
        }
        title.push_str(&age(state, report));
    }
    title
}

/// The mappings of the selected process, as far as they are known.
pub fn mappings(state: &State) -> Option<&MappingsState> {
    let detail = state.detail.as_deref().filter(|detail| Some(detail.id) == state.list.selected)?;
    Some(&detail.mappings)
}

/// The last read of them.
pub fn known(state: &State) -> Option<&MappingsReport> {
    match mappings(state)? {
        MappingsState::Known(report) => Some(report),
        MappingsState::Waiting | MappingsState::Unreadable(_) => None,
    }
}

/// How old a read is, for a title; nothing where it is of the last pass.
pub fn age(state: &State, report: &MappingsReport) -> String {
    let age = state.now.since(report.mappings.ended);
    if age > state.config.interval.mul_f32(1.5) { format!(" ({} ago)", whole_steps(age)) } else { String::new() }
}

/// An age in steps of five seconds: one that counts every second is redrawn every second.
pub fn whole_steps(age: Duration) -> String {
    match age.as_secs() {
        0..5 => "seconds".into(),
        seconds => round_duration(Duration::from_secs(seconds / 5 * 5)),
    }
}

/// Draws the pane.
pub fn holdings(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    if state.list.selected.is_none() {
        paragraphs(canvas, rect(area), &[(super::nobody(state, "what it holds").into(), Role::Dim)]);
        return;
    }
    match mappings(state) {
        None | Some(MappingsState::Waiting) => {
            paragraphs(canvas, rect(area), &[(waiting(state), Role::Dim)]);
        }
        Some(MappingsState::Unreadable(reason)) => {
            paragraphs(canvas, rect(area), &[(format!("n/a: {}", reason.reason()).into(), Role::Dim)]);
        }
        Some(MappingsState::Known(report)) => known_holdings(canvas, area, state, report),
    }
}

/// Why nothing is known yet.
pub fn waiting(state: &State) -> Cow<'static, str> {
    let unanswered = state.report.unanswered.iter().find(|read| Some(read.id) == state.list.selected);
    let Some(read) = unanswered else { return "Reading its mappings...".into() };
    let passed = whole_steps(state.now.since(read.since));
    format!(
        "Reading its {} has been stuck for {passed}: its mmap lock is held. It is read again once that returns; \
         others are read meanwhile.",
        read.file
    )
    .into()
}

fn known_holdings(canvas: &mut Canvas<'_>, area: Area, state: &State, report: &MappingsReport) {
    if report.classes.is_empty() {
        canvas.pen(rect(area), 0).gap(1).put("It has no mappings: it is exiting, or it is a kernel thread.", Role::Dim);
        return;
    }
    let [sum_rows, bar_rows, heading, list] = bands::mappings(area).map(rect);
    sums(canvas, sum_rows, state, report);
    bar(canvas, bar_rows, report);
    match state.mappings.opened {
        None => classes(canvas, heading, list, state, report),
        Some(_) if state.mappings.depth == Depth::Region => {
            let whole = Rect { height: heading.height + list.height, ..heading };
            region::details(canvas, whole, state, report);
        }
        Some(_) => regions(canvas, heading, list, state, report),
    }
}

fn bar(canvas: &mut Canvas<'_>, area: Rect, report: &MappingsReport) {
    let parts: Vec<Segment<'_>> = report
        .classes
        .iter()
        .filter(|class| class.sums.rss > Bytes(0))
        .map(|class| {
            let (name, rss) = (class.class.words(), class.sums.rss);
            let labels: Vec<Cow<'_, str>> = vec![format!("{name} {rss}").into(), name.into(), rss.to_string().into()];
            Segment { part: part(class.class), size: rss.0, labels }
        })
        .collect();
    let width = area.width.saturating_sub(2);
    canvas.pen(area, 0).gap(1).stacked(width, &parts);
}

/// What a line of a class has room for.
#[derive(Clone, Copy)]
struct Columns {
    step: bool,
    pss: bool,
    swap: bool,
}

impl Columns {
    fn of(width: u16, report: &MappingsReport) -> Self {
        Self { step: width >= 52, pss: width >= 60, swap: width >= 60 && report.total.swap > Bytes(0) }
    }
}

fn classes(canvas: &mut Canvas<'_>, heading: Rect, list: Rect, state: &State, report: &MappingsReport) {
    let columns = Columns::of(list.width, report);
    if heading.height > 0 {
        let mut pen = canvas.pen(heading, 0);
        pen.gap(3).left(15, "", Role::Heading).right(6, "RSS", Role::Heading).right(6, "%", Role::Heading);
        pen.right(8, "CHANGE", Role::Heading);
        if columns.step {
            pen.right(8, "LATEST", Role::Heading);
        }
        if columns.pss {
            pen.right(7, "PSS", Role::Heading);
        }
        if columns.swap {
            pen.right(7, "SWAP", Role::Heading);
        }
        pen.right(6, "MAPS", Role::Heading);
    }
    let cursor = state.mappings.cursor.min(report.classes.len().saturating_sub(1));
    let first = first_line(cursor, list.height);
    for (line, (index, class)) in (0..list.height).zip(report.classes.iter().enumerate().skip(first)) {
        class_line(canvas, list, line, class, report.total.rss, columns);
        select(canvas, list, line, state, index == cursor);
    }
    // Where lines are to spare.
    let used = (report.classes.len() as u16).saturating_add(1);
    let spare = Rect { y: list.y + used.min(list.height), height: list.height.saturating_sub(used), ..list };
    let moved = report.difference().map(|sentence| (Cow::from(sentence), Role::Plain));
    let used = paragraphs(canvas, spare, moved.as_slice());
    let spare = Rect { y: spare.y + used, height: spare.height - used, ..spare };
    golang::in_short(canvas, spare, state);
}

fn class_line(canvas: &mut Canvas<'_>, area: Rect, line: u16, class: &ClassReport, whole: Bytes, columns: Columns) {
    let texture = canvas.glyphs.texture(part(class.class));
    let sums = &class.sums;
    let mut pen = canvas.pen(area, line);
    pen.gap(1).put(texture, Role::Part(part(class.class))).gap(1);
    let doubt = if class.probable > 0 { "?" } else { "" };
    pen.left(15, &format!("{}{doubt}", class.class.words()), Role::Plain);
    if class.class == MappingClass::Hugetlb {
        pen.right(6, &sums.hugetlb.to_string(), Role::Strong).put("  not in RSS", Role::Dim);
        return;
    }
    let share = sums.rss.share_of(whole).unwrap_or(0.0) * 100.0;
    pen.right(6, &sums.rss.to_string(), Role::Strong).right(6, &format!("{share:.1}"), Role::Dim);
    let (text, role) = change(Some(class.change));
    pen.right(8, &text, role);
    if columns.step {
        let (text, role) = change(Some(class.step));
        pen.right(8, &text, role);
    }
    if columns.pss {
        pen.right(7, &sums.pss.to_string(), Role::Plain);
    }
    if columns.swap {
        let role = if sums.swap == Bytes(0) { Role::Dim } else { Role::Plain };
        pen.right(7, &sums.swap.to_string(), role);
    }
    pen.right(6, &sums.regions.to_string(), Role::Dim);
    if sums.lazy_free > Bytes(0) {
        pen.whole(&format!("  {} freed lazily", sums.lazy_free), Role::Good);
        return;
    }
    if pen.room() >= 10 {
        pen.gap(2).levels(class.trend, role);
    }
    if pen.room() >= 14 {
        let width = (pen.room() - 3).min(60);
        pen.gap(2).bar(width, share / 100.0, Role::Part(part(class.class)));
    }
}

/// A difference in bytes with its sign; `None`: it was not there before.
pub fn change(bytes: Option<i64>) -> (String, Role) {
    match bytes {
        None => ("new".into(), Role::Warned),
        Some(0) => ("0".into(), Role::Dim),
        Some(bytes) => {
            let sign = if bytes < 0 { '-' } else { '+' };
            (format!("{sign}{}", Bytes(bytes.unsigned_abs())), if bytes < 0 { Role::Good } else { Role::Plain })
        }
    }
}

fn regions(canvas: &mut Canvas<'_>, heading: Rect, list: Rect, state: &State, report: &MappingsReport) {
    let regions = &state.mappings.regions;
    if regions.is_empty() {
        canvas.pen(list, 0).gap(1).put("No region of this class is left. Esc goes back to the classes.", Role::Dim);
        return;
    }
    let wide = list.width >= 92;
    if heading.height > 0 {
        let mut pen = canvas.pen(heading, 0);
        pen.gap(2).right(6, "RSS", Role::Heading).right(8, "CHANGE", Role::Heading);
        pen.right(8, "LATEST", Role::Heading).right(7, "SIZE", Role::Heading);
        if wide {
            pen.gap(1).left(8, "TREND", Role::Heading);
            pen.right(7, "PSS", Role::Heading).right(7, "DIRTY", Role::Heading).right(7, "SWAP", Role::Heading);
        }
        pen.gap(1).left(5, "PERM", Role::Heading).put("WHAT", Role::Heading);
    }
    let cursor = state.mappings.cursor.min(regions.len() - 1);
    let first = first_line(cursor, list.height);
    for (line, (position, &index)) in (0..list.height).zip(regions.iter().enumerate().skip(first)) {
        let Some(region) = report.mappings.regions.get(index as usize) else { continue };
        let moved = |of: &[Option<i64>]| of.get(index as usize).copied().flatten().map(|kib| kib.saturating_mul(1024));
        let moved = [moved(&report.change_of), moved(&report.step_of)];
        region_line(canvas, list, line, report, (index, region), moved, wide);
        select(canvas, list, line, state, position == cursor);
    }
}

fn region_line(
    canvas: &mut Canvas<'_>,
    area: Rect,
    line: u16,
    report: &MappingsReport,
    (index, region): (u32, &Region),
    moved: [Option<i64>; 2],
    wide: bool,
) {
    let size = |kib: MaybeKib| kib.get().map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
    let quiet = |kib: MaybeKib| if kib.get().unwrap_or_default() == Bytes(0) { Role::Dim } else { Role::Plain };
    let mut pen = canvas.pen(area, line);
    pen.gap(2).right(6, &size(region.rss), Role::Strong);
    for moved in moved {
        let (text, role) = change(moved);
        pen.right(8, &text, role);
    }
    pen.right(7, &region.size().to_string(), Role::Plain);
    if wide {
        pen.gap(1).levels(report.trend_of(index), Role::Plain);
        pen.right(7, &size(region.pss), quiet(region.pss));
        pen.right(7, &size(region.private_dirty), quiet(region.private_dirty));
        pen.right(7, &size(region.swap), quiet(region.swap));
    }
    pen.gap(1).left(5, &permissions(region.permissions), Role::Dim);
    let name = called(report.mappings.name(region), region);
    let address = format!("{:x}", region.start);
    if name.is_empty() {
        pen.put(&address, Role::Dim);
    } else {
        // The end of a path says which file it is.
        let short = name.rsplit('/').next().filter(|_| name.starts_with('/')).unwrap_or(&name);
        pen.put(if wide { &name } else { short }, Role::Plain);
        pen.whole(&format!("  {address}"), Role::Dim);
    }
}

pub fn permissions(bits: u8) -> String {
    [(Region::READ, 'r', '-'), (Region::WRITE, 'w', '-'), (Region::EXECUTE, 'x', '-'), (Region::SHARED, 's', 'p')]
        .into_iter()
        .map(|(bit, set, clear)| if bits & bit == 0 { clear } else { set })
        .collect()
}

fn select(canvas: &mut Canvas<'_>, area: Rect, line: u16, state: &State, selected: bool) {
    // A cursor in a pane that does not have the keys says nothing.
    if selected && state.focus == Pane::Mappings {
        let cursor = canvas.glyphs.cursor;
        canvas.text(area.x, area.y + line, area.width.min(1), cursor, Role::Strong);
        canvas.tint(Rect { y: area.y + line, height: 1, ..area }, Role::Selected);
    }
}

/// What it sums to, and when it will be read again.
fn sums(canvas: &mut Canvas<'_>, area: Rect, state: &State, report: &MappingsReport) {
    let total = &report.total;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put("RSS ", Role::Dim).put(&total.rss.to_string(), Role::Strong);
    pen.put("  PSS ", Role::Dim).put(&total.pss.to_string(), Role::Plain);
    if total.swap > Bytes(0) {
        pen.put("  swap ", Role::Dim).put(&total.swap.to_string(), Role::Plain);
    }
    pen.whole(&format!("  in {}", counted(total.regions, ["mapping", "mappings"])), Role::Dim);
    let wait = report.next_due.since(state.now);
    if wait > state.config.interval.mul_f32(2.0) {
        let took = human_duration(report.took);
        let (again, share) = (human_duration(wait), state.config.smaps_share);
        // The budget is worth its columns only where there are some to spare.
        let _ = pen
            .whole(&format!("  (took {took}: at {share}% of the time again in {again}, r reads now)"), Role::Dim)
            || pen.whole(&format!("  (took {took}: again in {again}, r reads now)"), Role::Dim);
    } else if state.mappings.opened.is_none() {
        pen.whole("  Enter opens", Role::Dim);
    }
    if state.mappings.opened.is_some() {
        pen.whole("  s sorts  / finds", Role::Dim);
    }
    if golang::report(state).is_some() {
        pen.whole("  6 Go", Role::Dim);
    }
}

/// What a class means for the eye: how its memory can be got back.
const fn part(class: MappingClass) -> Part {
    match class {
        MappingClass::Heap
        | MappingClass::Anonymous
        | MappingClass::GoHeap
        | MappingClass::CgoHeap
        | MappingClass::GoRaceShadow
        | MappingClass::Jit => Part::Anonymous,
        MappingClass::Stack | MappingClass::ThreadStack | MappingClass::GoRuntime => Part::Stack,
        MappingClass::SharedMemory | MappingClass::Tmpfs => Part::Shared,
        MappingClass::Executable | MappingClass::Library | MappingClass::File => Part::Cache,
        MappingClass::Kernel | MappingClass::Hugetlb | MappingClass::Other => Part::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_in_proc() {
        assert_eq!(permissions(Region::READ | Region::WRITE), "rw-p");
        assert_eq!(permissions(Region::READ | Region::EXECUTE | Region::SHARED), "r-xs");
    }
}
