//! Who dies next: a memory domain, what is left in it, and its victims in the order in which the kernel would take
//! them, each with the parts of its badness. Refuses to rank: the order and the doubt come from the Monitor.

use std::fmt::Write as _;
use std::time::Duration;

use ratatui::layout::Rect;

use crate::app::layout::Area;
use crate::app::{State, bands};
use crate::monitor::kernel_rules::KernelRules;
use crate::monitor::other_killers::{KillUnit, KillerReport};
use crate::monitor::report::{DomainKind, DomainReport, Level, Victim};
use crate::monitor::victims;
use crate::snapshot::Unreadable;
use crate::text::printable;
use crate::units::{Bytes, Pages, Rate, human_duration};

use super::canvas::{Canvas, Pen};
use super::header::{growth, urgency};
use super::rect;
use super::theme::Role;

/// The question that the pane answers.
#[must_use]
pub fn title(state: &State) -> String {
    state.risk_domain().map_or_else(
        || "Who dies next".into(),
        |domain| format!("Who dies next in {} ({})", printable(domain.label.as_bytes()), domain.limit),
    )
}

/// Which of how many domains this is, and how far the ranking is.
#[must_use]
pub fn position(state: &State) -> String {
    let Some(domain) = state.risk_domain() else { return String::new() };
    let domains = state.domains_in_turn();
    let mut text = String::new();
    if domain.ranked < domain.candidates {
        text = format!("{}% ranked", u64::from(domain.ranked) * 100 / u64::from(domain.candidates));
    }
    if domains.len() > 1 {
        let number = domains.iter().position(|other| other.path == domain.path).map_or(0, |index| index + 1);
        if !text.is_empty() {
            text.push_str("  ");
        }
        let _ = write!(text, "domain {number} of {}", domains.len());
    }
    text
}

/// Draws the pane.
pub fn victims(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    let Some(domain) = state.risk_domain() else {
        canvas.pen(rect(area), 0).gap(1).put("No memory domain read yet: who dies next is unknown.", Role::Dim);
        return;
    };
    let [level_rows, summary_rows, other_rows, heading, rows] =
        bands::risk(area, state.other_killers_shown()).map(rect);
    level(canvas, level_rows, domain);
    if level_rows.height > 1 {
        composition(&mut canvas.pen(level_rows, 1), domain);
    }
    summary(canvas, summary_rows, state, domain);
    for (row, killer) in (0..other_rows.height).zip(&state.report.other_killers) {
        other_killer(&mut canvas.pen(other_rows, row), state, killer);
    }
    list(canvas, heading, rows, state, domain);
}

/// How full the domain is.
fn level(canvas: &mut Canvas<'_>, area: Rect, domain: &DomainReport) {
    let (role, sign) = urgency(domain);
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put(sign, role);
    if let Some(fullness) = domain.fullness() {
        let width = if area.width >= 60 { 20 } else { 10 };
        pen.put("[", Role::Dim).bar(width, fullness, role).put("]", Role::Dim);
        pen.right(5, &format!("{:.0}%", fullness * 100.0), role);
    }
    if let Some(headroom) = domain.headroom {
        pen.put("  ", Role::Plain).put(&headroom.to_string(), Role::Strong).put(" left", Role::Dim);
    }
    if let Some(left) = domain.time_left {
        pen.put(&format!("  full in about {}", human_duration(left)), role);
    }
    if let Some(growth) = growth(domain) {
        pen.whole(&format!("  {}", growth.about()), Role::Plain);
    }
    if domain.limits_above_unseen && area.height < 2 {
        pen.whole("  limits above not seen", Role::Warned);
    }
    if let Some(usage) = domain.usage {
        pen.whole(&format!("  usage {usage}"), Role::Dim);
    }
    if let Some(set) = domain.working_set.filter(|_| area.height < 2) {
        pen.whole(&format!("  working set {set}"), Role::Dim);
    }
    if let Some(pressure) = &domain.pressure {
        pen.whole(&format!("  PSI 10s {:.2}/{:.2}", pressure.some.avg10, pressure.full.avg10), Role::Dim);
    }
    if let Some(kills) = domain.oom_kills.filter(|kills| *kills > 0) {
        pen.whole(&format!("  OOM kills {kills}"), Role::Danger);
    }
}

/// What its usage consists of, by what can be done about it, and what else bounds it.
fn composition(pen: &mut Pen<'_, '_>, domain: &DomainReport) {
    if domain.limits_above_unseen {
        // Who is killed by one of those was never near the limit that stands here.
        pen.put(" limits above are not seen from here ", Role::Warned);
    }
    let some = |size: Option<Bytes>| size.filter(|size| *size > Bytes(0));
    let parts = [
        ("unreclaimable", domain.unreclaimable, ""),
        ("reclaimable", domain.reclaimable(), ""),
        ("working set", domain.working_set, " (as cAdvisor)"),
        ("memory.high", domain.high, ""),
        ("limit above", Some(domain.smallest_limit).filter(|least| *least < domain.limit), ""),
        ("in swap", some(domain.swap_usage), ""),
        ("could go to swap", some(domain.swap_room), ""),
    ];
    for (name, size, remark) in parts {
        if let Some(size) = size {
            pen.whole(&format!(" {name} {size}{remark} "), Role::Dim);
        }
    }
}

/// Widths of the columns: rank, number, name, badness, share, and its parts.
const RANK: u16 = 5;
const NUMBER: u16 = 8;

fn list(canvas: &mut Canvas<'_>, heading: Rect, rows: Rect, state: &State, domain: &DomainReport) {
    // Everything but the name, and the parts only where they leave it some room.
    let parts = rows.width >= 66;
    let fixed = 1 + RANK + NUMBER + 1 + 9 + 6 + if parts { 4 * 7 } else { 0 };
    let name_width = rows.width.saturating_sub(fixed).clamp(8, 24);
    if heading.height > 0 {
        let mut pen = canvas.pen(heading, 0);
        pen.gap(1).left(RANK, "", Role::Heading).right(NUMBER - 1, "PID", Role::Heading).gap(1);
        pen.left(name_width, "NAME", Role::Heading).right(6, "ADJ", Role::Heading).right(9, "BADNESS", Role::Heading);
        if parts {
            for title in ["= RSS", "+ SWAP", "+ PT", "+ ADJ"] {
                pen.right(7, title, Role::Heading);
            }
        }
    }
    if domain.victims.is_empty() {
        canvas.pen(rows, 0).gap(1).put("None of its processes is known.", Role::Dim);
        return;
    }
    for (line, victim) in (0..rows.height).zip(state.victims_in_sight(domain, rows.height)) {
        let widths = Widths { name: name_width, parts };
        victim_line(canvas, rows, line, state, domain, victim, widths);
    }
}

#[derive(Clone, Copy)]
struct Widths {
    name: u16,
    parts: bool,
}

fn victim_line(
    canvas: &mut Canvas<'_>,
    area: Rect,
    line: u16,
    state: &State,
    domain: &DomainReport,
    victim: &Victim,
    widths: Widths,
) {
    let page = state.report.machine.page_size;
    let role = match (victim.rank, victim.immune) {
        (_, Some(_)) => Role::Good,
        (1, None) => Role::Danger,
        _ => Role::Plain,
    };
    let selected = state.list.selected == Some(victim.id);
    let cursor = canvas.glyphs.cursor;
    let mut pen = canvas.pen(area, line);
    pen.left(1, if selected { cursor } else { "" }, Role::Strong);
    // A doubtful first place asks instead of telling.
    let doubt = if victim.rank == 1 && !domain.certain { "?" } else { "" };
    let rank = match victim.immune {
        Some(_) => "safe".to_owned(),
        None => format!("{}{doubt}", crate::table::ordinal(i64::from(victim.rank))),
    };
    pen.left(RANK, &rank, role).right(NUMBER - 1, &victim.id.pid.to_string(), Role::Plain).gap(1);
    let name = super::name_of(state, victim.id);
    let emphasis = if victim.rank == 1 { role } else { Role::Plain };
    pen.left(widths.name, &name, emphasis);
    let adjusted = match victim.oom_score_adj {
        Some(..0) => Role::Good,
        Some(0) | None => Role::Dim,
        Some(1..) => Role::Warned,
    };
    let unknown = || "-".to_owned();
    pen.right(6, &victim.oom_score_adj.map_or_else(unknown, |adj| adj.to_string()), adjusted);
    let part = |pages: Option<Pages>| pages.map_or_else(unknown, |pages| pages.bytes(page).to_string());
    if let Some(immune) = victim.immune {
        pen.right(9, "-", Role::Dim);
        if widths.parts {
            pen.right(7, &part(victim.rss), Role::Dim);
        }
        pen.gap(2).put(immune.reason(), Role::Good);
        return;
    }
    pen.right(9, &signed(victim.badness, page, ""), if victim.rank == 1 { role } else { Role::Strong });
    if widths.parts {
        let quiet =
            |pages: Option<Pages>| if pages == Some(Pages(0)) || pages.is_none() { Role::Dim } else { Role::Plain };
        pen.right(7, &part(victim.rss), Role::Plain);
        pen.right(7, &part(victim.swap), quiet(victim.swap));
        pen.right(7, &part(victim.page_tables), quiet(victim.page_tables));
        let role = if victim.adjustment_pages == 0 { Role::Dim } else { Role::Plain };
        let adjustment = victim.oom_score_adj.map_or_else(unknown, |_| signed(victim.adjustment_pages, page, "+"));
        pen.right(7, &adjustment, role);
    }
    // What it is of all that ran out, where there is room to see it.
    if pen.room() >= 14 && victim.badness > 0 {
        let width = (pen.room() - 3).min(40);
        let share = victim.badness as f64 / domain.total_pages.0.max(1) as f64;
        pen.gap(2).bar(width, share, if victim.rank == 1 { Role::Danger } else { Role::Dim });
    }
}

/// Pages as a size with its sign.
#[must_use]
pub fn signed(pages: i64, page_size: Bytes, plus: &str) -> String {
    let size = Pages(pages.unsigned_abs()).bytes(page_size);
    match pages {
        ..0 => format!("-{size}"),
        0 => "0".into(),
        1.. => format!("{plus}{size}"),
    }
}

/// The answer in words: what is certain, what is not, and what the kill would give back.
fn summary(canvas: &mut Canvas<'_>, area: Rect, state: &State, domain: &DomainReport) {
    if area.height == 0 {
        return;
    }
    let page = state.report.machine.page_size;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if let Some(policy) = &domain.policy {
        pen.put("! ", Role::Danger).put(&printable(policy.as_bytes()), Role::Danger);
    } else if let Some(doubt) = domain.doubt.as_ref().filter(|_| !domain.certain) {
        pen.put("? ", Role::Warned).put(&printable(doubt.as_bytes()), Role::Warned);
    } else if let (Some(margin), [first, second, ..]) = (domain.margin, &*domain.victims)
        && second.immune.is_none()
    {
        let names = [first, second].map(|victim| super::name_of(state, victim.id));
        let [first, second] = if names[0] == names[1] {
            [first, second].map(|victim| format!("{} {}", names[0], victim.id.pid))
        } else {
            names.map(Into::into)
        };
        pen.put(&format!("{first} is first by {}, ahead of {second}", margin.bytes(page)), Role::Dim);
        if let Some(age) = domain.adjustments_age.and_then(in_steps) {
            pen.whole(&format!(", with adj read up to {age} ago"), Role::Dim);
        }
    } else if domain.victims.first().is_some_and(|victim| victim.immune.is_some()) {
        // mm/oom_kill.c `out_of_memory`: "System is deadlocked on memory"; a cgroup's charges fail or are tried again.
        let instead = if domain.kind == DomainKind::Host { "the kernel would panic" } else { "allocations would fail" };
        pen.put(&format!("Nothing can be killed here: {instead}."), Role::Danger);
    }
    // Of the selected one: what would change its place.
    if area.height >= 3
        && let Some(answer) = of_selected(state, domain)
    {
        canvas.pen(area, 2).gap(1).put(&answer, Role::Dim);
    }
    let mut pen = canvas.pen(area, 1);
    pen.gap(1);
    if let Some(together) = domain.kill_group {
        pen.put(&format!("! memory.oom.group is 1: all {together} processes die together"), Role::Danger);
        if let Some(frees) = domain.kill_group_frees {
            pen.put(&format!(", which frees up to {frees}"), Role::Dim);
        }
        return;
    }
    let Some(first) = domain.victims.first().filter(|victim| victim.immune.is_none()) else { return };
    let process = state.report.process(first.id);
    // Shared and file pages stay while somebody else maps them, and of anonymous ones those that a fork left in common.
    let Some(held) = process.and_then(|process| process.rss_anon.get()) else { return };
    // A process that came from elsewhere left behind what it held: that is charged there.
    let freed = domain.usage.map_or(held, |usage| held.min(usage));
    pen.put(&format!("Its death frees up to {freed}"), Role::Dim);
    // How long that lasts is asked where memory runs out, not on a machine that has plenty.
    let growth = growth(domain).filter(|_| domain.level > Level::Calm).map_or(0.0, Rate::per_second);
    if growth > 0.0 {
        let seconds = (freed.0 as f64 / growth).min(1e9);
        let time = human_duration(Duration::from_secs_f64(seconds));
        pen.whole(&format!(", {time} at this growth"), Role::Dim);
    }
    if let Some(headroom) = domain.headroom {
        pen.whole(&format!("; then {} is left", headroom.saturating_add(freed).min(domain.limit)), Role::Dim);
    }
}

/// An age that does not tick, where it is worth a word: anybody may change an oom_score_adj, and nothing tells.
fn in_steps(age: Duration) -> Option<&'static str> {
    [(15, None), (30, Some("30s")), (u64::MAX, Some("1m"))].into_iter().find(|(most, _)| age.as_secs() <= *most)?.1
}

/// A daemon that kills before the kernel does: how far that is, whom it takes, and at what. The more one needs to know,
/// the further to the left.
fn other_killer(pen: &mut Pen<'_, '_>, state: &State, killer: &KillerReport) {
    let headroom = killer.floor.and_then(|floor| floor.headroom);
    let role = if headroom.is_some_and(|headroom| headroom < NEAR) { Role::Danger } else { Role::Warned };
    let what = if killer.dry_run { "would act (dry run)" } else { "acts first" };
    pen.gap(1).put(&format!("! {} {what}", killer.program.name()), role);
    if let Some(reason) = killer.unreadable {
        let reason = if reason == Unreadable::Denied { "needs root" } else { reason.reason() };
        pen.put(&format!(": its configuration says when, but is unreadable ({reason})"), Role::Dim);
        return;
    }
    if let Some(headroom) = headroom {
        pen.put(&format!(" in {headroom}"), Role::Strong);
    }
    match (killer.unit, killer.takes) {
        (KillUnit::Cgroup, _) if killer.watched.is_empty() => pen.put(", but watches no unit", Role::Dim),
        (KillUnit::Cgroup, _) => {
            let names: Vec<_> = killer.watched.iter().map(|unit| printable(unit.name.as_bytes())).collect();
            pen.put(&format!(", kills a cgroup of {}", names.join(", ")), Role::Plain)
        }
        (_, Ok(id)) => pen.put(&format!(", kills {} {}", super::name_of(state, id), id.pid.0), Role::Plain),
        (_, Err(why)) => pen.put(&format!(", victim unknown: {why}"), Role::Dim),
    };
    if let Some(floor) = killer.floor {
        pen.put(&format!("; at {} available", floor.available), Role::Dim);
        if state.report.system.memory.swap_total.is_some_and(|total| total > Bytes(0)) {
            pen.put(&format!(" and {} swap free", floor.swap_free), Role::Dim);
        }
    }
    if let Some(pressure) = killer.pressure {
        pen.put(if killer.floor.is_some() { ", or at" } else { "; at" }, Role::Dim);
        pen.put(&format!(" {:.0}% stalls for {}s", pressure.percent, pressure.seconds), Role::Dim);
    }
    for (words, is_last_resort) in [("never", false), ("last of all", true)] {
        let asked = killer.spared.iter().filter(|cgroup| cgroup.is_last_resort == is_last_resort);
        let names: Vec<_> = asked.map(|cgroup| printable(cgroup.label.as_bytes())).collect();
        if !names.is_empty() {
            pen.put(&format!("; {words} {}", names.join(", ")), Role::Dim);
        }
    }
}

/// Less than this before another killer acts is an alarm.
const NEAR: Bytes = Bytes(512 << 20);

/// What would make the selected process the next one, or stop it from being it.
fn of_selected(state: &State, domain: &DomainReport) -> Option<String> {
    let process = state.report.process(state.list.selected?).filter(|process| domain.holds(process))?;
    let name = super::name_of(state, process.id);
    let page = state.report.machine.page_size;
    let known = domain.victims.iter().find(|victim| victim.id == process.id).cloned();
    let rules = KernelRules::of(&state.report.machine);
    let own = known.unwrap_or_else(|| victims::candidate(process, domain, &rules));
    if let Some(immune) = own.immune {
        return Some(format!("{name} is safe: {}", immune.reason()));
    }
    if domain.victims.first().is_some_and(|first| first.id == own.id) {
        own.oom_score_adj?;
        let Some(adj) = victims::stops_being_first_at(domain, own.id) else {
            return Some(format!("{name} is the only one that can be killed"));
        };
        let next = domain.victims.get(1).map(|next| match super::name_of(state, next.id) {
            same if same == name => format!(" (then {same} {} is next)", next.id.pid),
            other => format!(" (then {other} is next)"),
        });
        let next = next.unwrap_or_default();
        return Some(format!("{name} stops being next at adj {adj}{next}"));
    }
    let room = victims::grows_until_first(domain, &own, page)?;
    let at = victims::becomes_first_at(domain, &own).map_or_else(String::new, |adj| format!(", or at adj {adj}"));
    Some(format!("{name} can grow {room} before it becomes next{at}"))
}
