//! One region of the mappings pane with all that the kernel tells of it: each size with what it means, what moved, and
//! its flags in words. Refuses to sum, and to hide that a size is zero: of one region that is an answer.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::State;
use crate::mapping_class::called;
use crate::monitor::report::MappingsReport;
use crate::snapshot::mapping::{Region, VmFlags};
use crate::units::{Bytes, MaybeKib};

use super::canvas::Canvas;
use super::mappings::{change, permissions};
use super::prose::paragraphs;
use super::theme::Role;

/// Draws the region on which the cursor stands.
pub fn details(canvas: &mut Canvas<'_>, area: Rect, state: &State, report: &MappingsReport) {
    let shown = &state.mappings.regions;
    let index = shown.get(state.mappings.cursor.min(shown.len().saturating_sub(1))).copied();
    let found = index.and_then(|index| Some((index, report.mappings.regions.get(index as usize)?)));
    let Some((index, region)) = found else { return };
    let name = called(report.mappings.name(region), region);
    let class = report.class_of.get(index as usize).map_or("memory", |(class, _)| class.words());
    let name = if name.is_empty() { format!("{class}, unnamed").into() } else { name };
    let mut used = paragraphs(canvas, area, &[(name, Role::Strong)]);
    let place = format!(
        "{:x}-{:x}  {} of addresses  {}",
        region.start,
        region.end,
        region.size(),
        permissions(region.permissions)
    );
    used += paragraphs(canvas, below(area, used), &[(place.into(), Role::Dim)]);
    moved(canvas, below(area, used), report, index);
    used += 2;
    let rest = below(area, used);
    let there = || sizes(region).into_iter().filter(|(_, size, _)| size.get().is_some_and(|size| size > Bytes(0)));
    for (line, (label, size, meaning)) in (0..rest.height).zip(there()) {
        let mut pen = canvas.pen(rest, line);
        let size = size.get().unwrap_or_default().to_string();
        pen.gap(1).left(14, label, Role::Plain).right(6, &size, Role::Strong).gap(2).whole(meaning, Role::Dim);
    }
    used += there().count() as u16;
    let labels = |wanted: fn(Option<Bytes>) -> bool| {
        let found = sizes(region).into_iter().filter(move |(_, size, _)| wanted(size.get()));
        found.map(|(label, ..)| label).collect::<Vec<_>>().join(", ")
    };
    let remarks = [
        ("Zero: ", labels(|size| size == Some(Bytes(0)))),
        ("Not reported by this kernel: ", labels(|size| size.is_none())),
    ];
    let remarks = remarks.into_iter().filter(|(_, labels)| !labels.is_empty());
    let mut texts: Vec<_> = remarks.map(|(what, labels)| (Cow::from(format!("{what}{labels}.")), Role::Dim)).collect();
    texts.push((flags(region.flags).into(), Role::Plain));
    paragraphs(canvas, below(area, used), &texts);
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Since the mark, since the last read, and the last eight looks as a shape.
fn moved(canvas: &mut Canvas<'_>, area: Rect, report: &MappingsReport, index: u32) {
    if area.height == 0 {
        return;
    }
    let of = |changes: &[Option<i64>]| {
        change(changes.get(index as usize).copied().flatten().map(|kib| kib.saturating_mul(1024)))
    };
    let from = if report.marked { "since the mark" } else { "since the first read" };
    let mut pen = canvas.pen(area, 0);
    let ((since, role), (step, step_role)) = (of(&report.change_of), of(&report.step_of));
    pen.gap(1).put(&since, role).gap(1).put(from, Role::Dim).gap(2);
    pen.put(&step, step_role).put(" since the last read", Role::Dim).gap(2);
    pen.levels(report.trend_of(index), Role::Plain);
}

/// What the kernel counts of a region (proc(5), `/proc/PID/smaps`).
fn sizes(region: &Region) -> [(&'static str, MaybeKib, &'static str); 13] {
    [
        ("RSS", region.rss, "in RAM now"),
        ("PSS", region.pss, "RSS, each shared page divided among its mappers"),
        ("private dirty", region.private_dirty, "not shared, written: goes to swap or stays"),
        ("private clean", region.private_clean, "not shared, can be re-read from its file"),
        ("shared", region.shared, "mapped by others too"),
        ("anonymous", region.anonymous, "not backed by a file, or written since"),
        ("referenced", region.referenced, "touched since the kernel last checked"),
        ("swap", region.swap, "swapped out"),
        ("SwapPSS", region.swap_pss, "swap, each shared page divided among its mappers"),
        ("lazily freed", region.lazy_free, "freed, not reclaimed yet"),
        ("huge", region.huge, "in transparent huge pages"),
        ("hugetlb", region.hugetlb, "pages of the hugetlb pool: not in RSS"),
        ("locked", region.locked, "cannot leave RAM"),
    ]
}

/// `rd readable, wr writable, ..`: those that are set, as the kernel abbreviates them and what they mean.
fn flags(flags: VmFlags) -> String {
    let set = VmFlags::CODES.iter().enumerate().filter(|(bit, _)| flags.contains(VmFlags(1 << bit)));
    let mut words: Vec<Cow<'_, str>> =
        set.map(|(_, (code, meaning))| format!("{} {meaning}", String::from_utf8_lossy(*code)).into()).collect();
    if flags.contains(VmFlags::UNKNOWN) {
        words.push("and one that is newer than this program".into());
    }
    if words.is_empty() {
        "Flags: not reported by this kernel.".into()
    } else {
        format!("Flags: {}.", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_explained() {
        let of = |codes: &[&[u8]]| codes.iter().fold(VmFlags(0), |set, code| set.union(VmFlags::of_code(code)));
        assert_eq!(flags(of(&[b"rd", b"nr"])), "Flags: rd readable, nr swap is not reserved.");
        assert_eq!(flags(of(&[b"rd", b"zz"])), "Flags: rd readable, and one that is newer than this program.");
        assert_eq!(flags(VmFlags(0)), "Flags: not reported by this kernel.");
    }
}
