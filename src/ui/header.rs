//! The header: the machine, its memory and swap, and the domain that is tightest. Refuses to draw what is below it.

use std::borrow::Cow;
use std::fmt::Write as _;

use ratatui::layout::Rect;

use crate::app::{State, Temporality};
use crate::monitor::other_killers::{Floor, KillerReport};
use crate::monitor::report::{DomainReport, Level, Report};
use crate::snapshot::system::{MemoryInfo, PressureLine};
use crate::text::{end_of, printable};
use crate::units::{Bytes, Rate, Timestamp, counted, human_duration};

use super::canvas::{Canvas, Pen, Segment, columns};
use super::mappings;
use super::theme::{Part, Role};

/// Draws the header into as many rows as it was given: identity, memory, swap and pressure, the tightest domain; the
/// less room, the fewer.
pub fn header(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let wide = area.width >= 100;
    match area.height {
        0 => {}
        1 => summary(&mut canvas.pen(area, 0), state),
        2 => {
            memory(&mut canvas.pen(area, 0), state, true);
            tightest(&mut canvas.pen(area, 1), state, wide);
        }
        3 => {
            identity(&mut canvas.pen(area, 0), state, wide);
            memory(&mut canvas.pen(area, 1), state, true);
            tightest(&mut canvas.pen(area, 2), state, wide);
        }
        _ => {
            identity(&mut canvas.pen(area, 0), state, wide);
            memory(&mut canvas.pen(area, 1), state, false);
            swap(&mut canvas.pen(area, 2), state);
            tightest(&mut canvas.pen(area, 3), state, wide);
        }
    }
}

/// One row for everything: what is left, and where it is tightest.
fn summary(pen: &mut Pen<'_, '_>, state: &State) {
    let memory = &state.report.system.memory;
    pen.gap(1);
    if let Some(available) = memory.available {
        pen.put(&available.to_string(), availability(memory)).put(" avail", Role::Dim).gap(2);
    }
    if let Some(domain) = state.tightest_domain() {
        let (role, sign) = urgency(domain);
        pen.put(sign, role).put(&printable(domain.label.as_bytes()), role);
        if let Some(fullness) = domain.fullness() {
            pen.put(&format!(" {:.0}%", fullness * 100.0), role);
        }
    }
    if state.temporality == Temporality::Paused {
        pen.end("PAUSED", Role::Warned);
    }
}

/// Who we look at, how often, and what looking costs.
fn identity(pen: &mut Pen<'_, '_>, state: &State, wide: bool) {
    let report = &*state.report;
    pen.gap(1);
    if report.sequence == 0 {
        pen.put("oomtop", Role::Title).put("  reading the machine for the first time", Role::Dim);
        return;
    }
    // The right end first: what it needs is not there for the left.
    pen.end(&own_cost(state, wide), Role::Dim);
    pen.end(if wide { "  own" } else { " own" }, Role::Dim);
    match state.temporality {
        Temporality::Live => pen.end("live", Role::Good),
        Temporality::Paused => {
            let age = state.now.since(report.time);
            pen.end(&format!("PAUSED {} ago", human_duration(age)), Role::Warned)
        }
    };
    if let Some(interval) = report.interval {
        let asked = state.config.interval;
        let late = interval > asked.mul_f32(1.1);
        if late {
            // The sampler could not keep up: the true interval, and what was asked for.
            pen.end(&format!("(not {:.1}s)", asked.as_secs_f32()), Role::Dim);
        }
        // No pass comes at the very moment: that is no news. One that follows an action comes before its time.
        let as_asked = !late && interval >= asked.mul_f32(0.9);
        let shown = if as_asked { asked } else { interval };
        let role = if late { Role::Warned } else { Role::Plain };
        pen.end(&format!("{:.1}s", shown.as_secs_f32()), role);
        if wide {
            pen.end("every", Role::Dim);
        }
    }
    pen.put("oomtop", Role::Title).gap(2);
    pen.put(&printable(report.machine.hostname.as_bytes()), Role::Strong);
    pen.gap(2);
    if let Some(told) = unanswered(state, wide) {
        pen.put(&told, Role::Warned);
        return;
    }
    if wide {
        pen.whole(&printable(report.machine.kernel_release.as_bytes()), Role::Plain);
        pen.gap(2);
        if report.time.0 > 0 {
            pen.whole(&format!("up {}", uptime(report.time)), Role::Plain);
            pen.gap(2);
        }
    }
    let count = report.processes.len();
    let words = if wide { ["process", "processes"] } else { ["proc", "procs"] };
    pen.whole(&counted(count, words), Role::Plain);
}

/// Whose files do not come back, and for how long; the one that hangs longest leads.
fn unanswered(state: &State, wide: bool) -> Option<String> {
    let unanswered = &state.report.unanswered;
    let first = unanswered.iter().min_by_key(|read| read.since)?;
    let passed = mappings::whole_steps(state.now.since(first.since));
    let name = if wide { format!("{} ", super::name_of(state, first.id)) } else { String::new() };
    let mut text = format!("! {} of {name}{}: no answer for {passed}", first.file, first.id.pid);
    if unanswered.len() > 1 {
        let _ = write!(text, " (+{})", unanswered.len() - 1);
    }
    Some(text)
}

/// How long the machine is up, to the minute: a second that ticks is a redraw that says nothing.
fn uptime(now: Timestamp) -> String {
    let minutes = now.0 / 60_000_000_000;
    match minutes {
        0..120 => format!("{minutes}m"),
        120..2_880 => format!("{}h {}m", minutes / 60, minutes % 60),
        _ => format!("{}d {}h", minutes / 1_440, minutes % 1_440 / 60),
    }
}

/// `0.6% 5.1M`, with the kernel memory that our descriptors pin.
fn own_cost(state: &State, wide: bool) -> String {
    let report = &*state.report;
    let cpu = report.own_cpu.map_or_else(|| "-".into(), |share| format!("{:.1}%", share * 100.0));
    let mut text = format!("{cpu} {}", report.cost.own_rss);
    if wide && report.cost.pinned > Bytes(0) {
        let _ = write!(text, " +{} pinned", report.cost.pinned);
    }
    // Of the time, and what it may be; less is not worth its columns.
    if let Some(share) = report.holding_up.filter(|share| wide && *share >= 0.001) {
        let _ = write!(text, ", smaps reads {:.1}% (max {}%)", share * 100.0, state.config.smaps_share);
    }
    text
}

/// The machine's memory as a bar of what it is used for. The number that leads is what is available.
fn memory(pen: &mut Pen<'_, '_>, state: &State, with_swap: bool) {
    let report = &*state.report;
    let memory = &report.system.memory;
    pen.gap(1).put("Mem", Role::Dim);
    let Some(total) = memory.total else {
        pen.put("  not read yet", Role::Dim);
        return;
    };
    pen.gap(1).right(if with_swap { 5 } else { 7 }, &total.to_string(), Role::Plain).gap(1);
    // From the right: what there is least room for goes first, what is available never.
    if with_swap && pen.room() > 60 {
        if let Some(pressure) = &report.system.pressure {
            let both = format!("PSI 10s {}/{}", percent(pressure.some), percent(pressure.full));
            pen.end(&both, stalling(pressure.some));
            pen.end(" ", Role::Plain);
        }
        if let (Some(swap), Some(free)) = (memory.swap_total, memory.swap_free)
            && swap > Bytes(0)
        {
            pen.end(&format!("swap {free} free"), Role::Plain);
            pen.end(" ", Role::Plain);
        }
    }
    if pen.room() > 60
        && let Some((killer, floor)) = other_killer(report)
    {
        // They act before the kernel does.
        pen.end(&format!("{} at {}", killer.program.name(), floor.available), Role::Dim);
        pen.end(" ", Role::Plain);
    }
    if let Some(available) = memory.available {
        if pen.room() > 20 {
            pen.end(if pen.room() > 60 { "available" } else { "avail" }, Role::Dim);
        }
        let role = availability(memory);
        let sign = if role == Role::Strong { "" } else { "! " };
        pen.end(&format!("{sign}{available:>5}"), role);
    }
    let width = pen.room().saturating_sub(2);
    pen.put("[", Role::Dim).stacked(width, &memory_parts(memory, total)).put("]", Role::Dim);
}

/// The daemon that acts first for want of memory.
fn other_killer(report: &Report) -> Option<(&KillerReport, Floor)> {
    let acting = report.other_killers.iter().filter(|killer| !killer.dry_run);
    acting.filter_map(|killer| Some((killer, killer.floor?))).max_by_key(|(_, floor)| floor.available)
}

/// What memory is used for, in the order of how hard it is to get back. The parts sum to the total: what no line of
/// meminfo names (drivers, firmware) is `other`.
fn memory_parts(memory: &MemoryInfo, total: Bytes) -> Vec<Segment<'static>> {
    let sum = |parts: &[Option<Bytes>]| parts.iter().flatten().fold(Bytes(0), |sum, part| sum.saturating_add(*part));
    let anonymous = sum(&[memory.anonymous]);
    let shared = sum(&[memory.shmem]);
    let huge = sum(&[memory.hugetlb]);
    let kernel = sum(&[memory.slab_unreclaimable, memory.kernel_stack, memory.page_tables, memory.percpu]);
    // Cached counts shared memory, which cannot be dropped.
    let cache =
        sum(&[memory.cached, memory.buffers, memory.slab_reclaimable, memory.swap_cached]).saturating_sub(shared);
    let free = sum(&[memory.free]);
    let named = sum(&[Some(anonymous), Some(shared), Some(huge), Some(kernel), Some(cache), Some(free)]);
    [
        (Part::Anonymous, "anon", anonymous),
        (Part::Shared, "tmpfs", shared),
        (Part::Stack, "huge", huge),
        (Part::Kernel, "kernel", kernel),
        (Part::Kernel, "other", total.saturating_sub(named)),
        (Part::Cache, "cache", cache),
        (Part::Free, "free", free),
    ]
    .into_iter()
    .filter(|(_, _, size)| *size > Bytes(0))
    .map(|(part, name, size)| Segment { part, size: size.0, labels: labels(name, size) })
    .collect()
}

/// What to write into a part: its name and size, its name, its first letter.
fn labels(name: &'static str, size: Bytes) -> Vec<Cow<'static, str>> {
    vec![format!("{name} {size}").into(), name.into(), name[..1].into()]
}

/// Swap, stalls, and whether the OOM killer came.
fn swap(pen: &mut Pen<'_, '_>, state: &State) {
    let report = &*state.report;
    let memory = &report.system.memory;
    pen.gap(1).put("Swap", Role::Dim);
    match (memory.swap_total, memory.swap_free) {
        (Some(Bytes(0)), _) => {
            pen.right(7, "none", Role::Plain).gap(2);
        }
        (Some(total), Some(free)) => {
            let used = total.saturating_sub(free).share_of(total).unwrap_or(0.0);
            let role = if used > 0.9 { Role::Warned } else { Role::Part(Part::Anonymous) };
            pen.right(7, &total.to_string(), Role::Plain).gap(1);
            pen.put("[", Role::Dim).bar(18, used, role).put("]", Role::Dim).gap(1);
            pen.put(&free.to_string(), Role::Strong).put(" free", Role::Dim);
            if let Some((inward, outward)) = report.swap_rates {
                let page = report.machine.page_size.0 as f64;
                let rate = |pages: f64| Rate::new(pages * page).map_or_else(|| "0".into(), |rate| rate.to_string());
                let role = if outward > 0.0 { Role::Warned } else { Role::Plain };
                pen.gap(2).put("in ", Role::Dim).put(rate(inward).trim_start_matches('+'), Role::Plain);
                pen.put(" out ", Role::Dim).put(rate(outward).trim_start_matches('+'), role);
            }
            pen.gap(2);
        }
        _ => {
            pen.right(7, "-", Role::Dim).gap(2);
        }
    }
    pen.put("PSI 10s", Role::Dim);
    if let Some(pressure) = &report.system.pressure {
        pen.put(" some ", Role::Dim).put(&percent(pressure.some), stalling(pressure.some));
        pen.put(" full ", Role::Dim).put(&percent(pressure.full), stalling(pressure.full));
    } else {
        pen.put(" not counted by this kernel", Role::Dim);
    }
    pen.gap(2).put("OOM kills ", Role::Dim);
    match report.oom_kills_seen {
        Some(0) => pen.put("0", Role::Plain),
        Some(seen) => pen.put(&format!("! {seen}"), Role::Danger),
        None => pen.put("-", Role::Dim),
    };
    if let Some(last) = report.kills.last() {
        let name = last.victim.as_ref().map_or(Cow::Borrowed("somebody"), |victim| printable(&victim.name));
        let age = last.age(report.time);
        if pen.whole(&format!(", last {age}: {name}"), Role::Danger)
            || pen.whole(&format!(", {age}: {name}"), Role::Danger)
        {
            return;
        }
    }
    if let Some(ever) = report.system.events.oom_kill.filter(|ever| *ever > 0) {
        pen.whole(&format!(" ({ever} since boot)"), Role::Dim);
    }
}

fn percent(line: PressureLine) -> String {
    format!("{:.2}", line.avg10)
}

/// A share of time that tasks stood still. A tenth is felt.
fn stalling(line: PressureLine) -> Role {
    match line.avg10 {
        share if share >= 10.0 => Role::Danger,
        share if share >= 1.0 => Role::Warned,
        _ => Role::Plain,
    }
}

fn availability(memory: &MemoryInfo) -> Role {
    let share = memory.total.and_then(|total| memory.available?.share_of(total));
    match share {
        Some(share) if share < 0.05 => Role::Danger,
        Some(share) if share < 0.15 => Role::Warned,
        _ => Role::Strong,
    }
}

/// Columns of the bar of the tightest domain.
const BAR: u16 = 24;
/// Columns that the end of its name keeps, whatever stands behind it.
const SHORTEST_NAME: u16 = 16;

/// The domain with the least headroom, and when it will be full.
fn tightest(pen: &mut Pen<'_, '_>, state: &State, wide: bool) {
    pen.gap(1);
    let Some(domain) = state.tightest_domain() else {
        pen.put("No memory domain read yet", Role::Dim);
        return;
    };
    let (role, sign) = urgency(domain);
    if wide {
        pen.put("Tightest ", Role::Dim);
    }
    // What is left says more than the whole name: it has its room first.
    let share = domain.fullness().map(|fullness| format!("{:.0}%", fullness * 100.0));
    let limit = domain.limit.to_string();
    let left = domain.headroom.map(|headroom| headroom.to_string());
    let until = domain.time_left.map(|left| format!("full in about {}", human_duration(left)));
    // Who leads by what is left may stand still while another runs full.
    let other = state.soonest_full_domain().and_then(|other| Some((other, other.time_left?)));
    let other = other.map(|(other, left)| {
        let name = printable(other.label.as_bytes());
        let name = end_of(&name, SHORTEST_NAME.into(), "..");
        format!("!! {name} full in about {}", human_duration(left))
    });
    let bar = if wide { BAR + 3 } else { 0 };
    let behind = share.as_ref().map_or(0, |share| 1 + bar + columns(share))
        + columns(" of ")
        + columns(&limit)
        + left.as_ref().map_or(0, |left| columns(left) + columns("    left"))
        + until.as_ref().map_or(0, |until| 3 + columns(until))
        + other.as_ref().map_or(0, |other| 3 + columns(other));
    let room = pen.room().saturating_sub(behind + columns(sign)).max(SHORTEST_NAME);
    let name = printable(domain.label.as_bytes());
    let name = end_of(&name, room.into(), "..");
    pen.put(sign, role).put(&name, if sign.is_empty() { Role::Strong } else { role });
    if let Some((fullness, share)) = domain.fullness().zip(share) {
        pen.gap(1);
        if wide {
            pen.put("[", Role::Dim).bar(BAR, fullness, role).put("]", Role::Dim).gap(1);
        }
        pen.put(&share, role);
    }
    pen.put(" of ", Role::Dim).put(&limit, Role::Plain);
    if let Some(left) = left {
        pen.gap(3).put(&left, Role::Strong).put(" left", Role::Dim);
    }
    if let Some(until) = until {
        pen.gap(3).put(&until, role);
    }
    if let Some(other) = other {
        pen.gap(3).put(&other, Role::Danger);
    } else if let Some(growth) = growth(domain) {
        pen.whole(&format!("   {}", growth.about()), Role::Plain);
    }
}

/// How fast a domain fills, where that is news: where it is filling steadily, or far from full would be full within
/// minutes, or near to it moves at all. What would take a day to fill it is the noise of any machine.
#[must_use]
pub fn growth(domain: &DomainReport) -> Option<Rate> {
    const DAY: f64 = 86_400.0;
    const MINUTES: f64 = 600.0;
    let growth = domain.growth?;
    let left = domain.headroom.unwrap_or(domain.limit).0.max(1) as f64;
    let is_news = if domain.level > Level::Calm || domain.time_left.is_some() {
        growth.per_second().abs() * DAY >= domain.limit.0.max(1) as f64
    } else {
        growth.per_second() * MINUTES >= left
    };
    is_news.then_some(growth)
}

/// How urgent a domain is: its role and the sign that stands for it where there is no colour.
#[must_use]
pub const fn urgency(domain: &DomainReport) -> (Role, &'static str) {
    match domain.level {
        Level::Calm => (Role::Good, ""),
        // Worth a look only: what sets it apart from the next is the number that stands beside it.
        Level::Elevated => (Role::Strong, "! "),
        Level::High => (Role::Warned, "! "),
        Level::Critical => (Role::Danger, "!! "),
    }
}
