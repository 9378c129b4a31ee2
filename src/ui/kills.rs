//! OOM kills that were seen: a list, and the story of one: who, by which limit, why that one, what it had been doing,
//! and how it is known. Refuses to conclude: all of it is the Monitor's.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::State;
use crate::app::bands::{self, first_line};
use crate::app::layout::Area;
use crate::monitor::kill_report::{AllSpared, Confidence, Evidence, KillReport, Killed, RankedBy, Spared};
use crate::monitor::report::UnreadableReport;
use crate::text::printable;
use crate::units::{Bytes, Pages, counted, human_duration};

use super::canvas::{Canvas, Pen};
use super::prose::paragraphs;
use super::rect;
use super::theme::Role;

/// The answer: how many, and the last; or what one story is about.
#[must_use]
pub fn title(state: &State) -> String {
    let now = state.report.time;
    match (state.opened_kill(), state.report.kills.as_slice()) {
        (Some(kill), _) => format!("Killed {}: {}, {}", kill.age(now), who(kill), kill.cause()),
        (None, []) => "OOM kills: none seen".into(),
        (None, [only]) => format!("1 OOM kill, {}", only.age(now)),
        (None, [.., last]) => {
            format!("{} OOM kills, the last {}", state.report.kills.len(), last.age(now))
        }
    }
}

/// Name and number of the victim, and how many died with it; what is said where there is no name.
#[must_use]
pub fn who(kill: &KillReport) -> String {
    let victim = kill.victim.as_ref().map_or_else(|| "a process".into(), Killed::to_string);
    match kill.group.as_ref().map_or(0, |group| group.count.saturating_sub(1)) {
        0 => victim,
        others => format!("{victim} +{others}"),
    }
}

/// Draws the pane.
pub fn kills(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    match state.opened_kill() {
        Some(kill) => story(canvas, rect(area), state, kill),
        None if state.report.kills.is_empty() => {
            paragraphs(canvas, rect(area), &nothing(state));
        }
        None => list(canvas, area, state),
    }
}

/// Why the list is empty, and what would fill it.
fn nothing(state: &State) -> Vec<(Cow<'static, str>, Role)> {
    let report = &state.report;
    let cgroups = report.domains.len().saturating_sub(1);
    let cgroups = counted(cgroups, ["cgroup with a limit", "cgroups with limits"]);
    let first = match report.system.events.oom_kill {
        Some(_) => format!("No OOM kill since oomtop began to watch the machine and {cgroups}."),
        None => format!("No OOM kill seen in {cgroups}; the machine's count (oom_kill of vmstat) cannot be read."),
    };
    let mut lines = vec![(first.into(), Role::Plain)];
    if let Some(ever) = report.system.events.oom_kill.filter(|ever| *ever > 0) {
        let earlier = format!(
            "{ever} since boot, before oomtop started: `oomtop explain --kernel` explains them from the \
                     kernel log."
        );
        lines.push((earlier.into(), Role::Dim));
    }
    lines.extend(blindness(state));
    lines
}

/// What cannot be seen, and which right would show it.
fn blindness(state: &State) -> Option<(Cow<'static, str>, Role)> {
    let log = state.report.unreadable.iter().find(|entry| entry.field == UnreadableReport::KERNEL_LOG)?;
    let text = format!(
        "The kernel log is not readable: {}. Without it, counters show that a process was killed, and which one is \
         inferred from what vanished.",
        log.reason_in_words()
    );
    Some((text.into(), Role::Warned))
}

const WHEN: u16 = 13;
const VICTIM: u16 = 24;

fn list(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    let [heading, rows] = bands::kills(area).map(rect);
    if heading.height > 0 {
        let mut pen = canvas.pen(heading, 0);
        pen.gap(1).left(WHEN, "WHEN", Role::Heading).left(VICTIM, "KILLED", Role::Heading);
        pen.right(6, "HELD", Role::Heading).gap(2).put("HOW", Role::Heading);
        pen.end("SURE ", Role::Heading);
    }
    let selected = state.selected_kill();
    let newest_first: Vec<_> = state.report.kills.iter().rev().collect();
    let at = newest_first.iter().position(|kill| Some(kill.number) == selected).unwrap_or(0);
    let scroll = first_line(at, rows.height);
    for (line, kill) in (0..rows.height).zip(newest_first.into_iter().skip(scroll)) {
        let cursor = canvas.glyphs.cursor;
        let mut pen = canvas.pen(rows, line);
        pen.left(1, if Some(kill.number) == selected { cursor } else { "" }, Role::Strong);
        pen.left(WHEN, &kill.age(state.report.time), Role::Plain);
        pen.left(VICTIM, &who(kill), Role::Danger);
        let held = kill.held.map_or_else(|| "-".to_owned(), |held| held.rss.to_string());
        pen.right(6, &held, Role::Strong).gap(2);
        pen.end(kill.confidence.word(), sureness(kill.confidence));
        // Cut, a long sentence would lose whose limit it was.
        if !pen.whole(&format!("killed {}", kill.cause()), Role::Plain) {
            pen.put(&format!("killed {}", kill.cause_in_short()), Role::Plain);
        }
    }
    let used = state.report.kills.len() as u16;
    if rows.height > used + 1 {
        let below = Rect { y: rows.y + used + 1, height: rows.height - used - 1, ..rows };
        let lines: Vec<_> = blindness(state).into_iter().collect();
        paragraphs(canvas, below, &lines);
    }
}

const fn sureness(confidence: Confidence) -> Role {
    match confidence {
        Confidence::Certain => Role::Good,
        Confidence::Likely => Role::Plain,
        Confidence::Guess => Role::Warned,
    }
}

/// One kill: its history at the right where there is room, else below the words.
fn story(canvas: &mut Canvas<'_>, area: Rect, state: &State, kill: &KillReport) {
    let chart = kill.history.as_deref().filter(|history| history.series.len() > 1);
    let words = match chart {
        Some(_) if area.width >= 110 => Rect { width: area.width * 3 / 5, ..area },
        _ => area,
    };
    let mut lines = told(kill);
    lines.extend(profile_before(state, kill));
    lines.extend(blindness(state).filter(|_| kill.confidence != Confidence::Certain));
    let used = paragraphs(canvas, words, &lines);
    let rest = Rect { y: words.y + used, height: words.height - used, ..words };
    if let Some(history) = chart {
        if words.width < area.width {
            let right = Rect { x: words.right() + 1, width: area.width - words.width - 1, ..area };
            super::growth::plot_series(canvas, right, history, kill.at, &[]);
            candidates(canvas, rest, state, kill);
            return;
        }
        if rest.height >= 8 {
            let height = rest.height.min(12).min(rest.height - 2);
            super::growth::plot_series(canvas, Rect { height, ..rest }, history, kill.at, &[]);
            candidates(canvas, Rect { y: rest.y + height, height: rest.height - height, ..rest }, state, kill);
            return;
        }
    }
    candidates(canvas, rest, state, kill);
}

/// A profile that was fetched of the victim while it lived.
fn profile_before(state: &State, kill: &KillReport) -> Option<(Cow<'static, str>, Role)> {
    let kept = state.profiles.newest_of(kill.victim.as_ref()?.id?)?;
    let before = human_duration(kill.at.since(kept.at));
    let file = kept.fetched.file().map_or_else(|| "kept".into(), |file| format!("in {}", printable(file.as_bytes())));
    let kind = kept.call.kind.word();
    let text = format!("Its {kind} profile from {before} before is {file}: 9 shows which functions held its memory.");
    Some((text.into(), Role::Plain))
}

/// The story in sentences, the most important first.
fn told(kill: &KillReport) -> Vec<(Cow<'static, str>, Role)> {
    let mut lines: Vec<(Cow<'static, str>, Role)> = Vec::new();
    let mut say = |text: String, role| lines.push((text.into(), role));
    if let Some(held) = kill.held {
        let tables = held.page_tables.map_or_else(String::new, |tables| format!(", {tables} of page tables"));
        let swap = held.swap.filter(|swap| swap.0 > 0).map_or_else(String::new, |swap| format!(", {swap} in swap"));
        let by = if held.is_told { "from the kernel log".to_owned() } else { last_look(kill) };
        let limit = kill.domain.as_ref().filter(|domain| !domain.is_host).and_then(|domain| domain.limit);
        // mm/memcontrol.c: a page is charged once. The RSS of everybody who maps it has it.
        let beyond = limit
            .filter(|limit| held.rss > *limit)
            .map_or("", |_| " More than the limit: a shared page is charged where it was first touched.");
        say(format!("It held {} of RSS{tables}{swap} ({by}).{beyond}", held.rss), Role::Strong);
    }
    match &kill.why {
        Some(why) => say(format!("Why this one: {why}."), Role::Plain),
        None if kill.victim.is_some() => say(
            "Why this one is unknown here: it was not among the candidates that oomtop ranked just before. `oomtop \
             explain --kernel` ranks by the kernel's own table."
                .into(),
            Role::Dim,
        ),
        None => {}
    }
    if let Some((name, pid)) = &kill.invoker {
        let is_victim = kill.victim.as_ref().is_some_and(|victim| Some(victim.pid) == *pid);
        let of_host = if kill.victim.as_ref().is_some_and(|victim| victim.is_of_host) { " on the host" } else { "" };
        let pid = pid.map_or_else(String::new, |pid| format!(" {pid}{of_host}"));
        let who = if is_victim { "It itself".to_owned() } else { format!("{}{pid}", printable(name)) };
        say(format!("{who} invoked the OOM killer."), Role::Plain);
    }
    if let Some(text) = together(kill) {
        say(text, Role::Strong);
    }
    if let Some(spared) = &kill.spared {
        say(to_have_lived(spared, kill.others_hidden), Role::Good);
    }
    if let Some((before, Some(after))) = kill.usage {
        let freed: Bytes = before.saturating_sub(after);
        say(format!("Usage went from {before} to {after}: {freed} was freed."), Role::Plain);
    }
    if let Some(growth) = kill.growth.filter(|growth| growth.per_second().abs() >= 1.0) {
        let alarm = kill.alarmed.map_or_else(String::new, |since| {
            format!("; oomtop had been warning for {}", human_duration(kill.at.since(since)))
        });
        let verb = if growth.per_second() > 0.0 { "grew" } else { "shrank" };
        let growth = growth.to_string();
        let growth = growth.trim_start_matches(['+', '-']);
        say(format!("It {verb} by {growth} at the end{alarm}."), Role::Plain);
    }
    if let Some(text) = kill.spared.as_ref().and_then(|spared| to_put_it_off(kill, &spared.all)) {
        say(text, Role::Good);
    }
    let sure = match (kill.confidence, &kill.victim) {
        (Confidence::Certain, _) => "Certain: the kernel log names it.".to_owned(),
        (_, None) => "A counter shows a kill, but no process known to oomtop is gone.".to_owned(),
        (_, Some(victim)) if victim.is_of_host => by_another_number(victim),
        (Confidence::Likely, _) => "Likely: it is the only process that vanished where the counter rose.".to_owned(),
        (Confidence::Guess, _) if kill.others == 0 => "A guess: it vanished when the counter rose.".to_owned(),
        (Confidence::Guess, _) => {
            format!("A guess: it and {} vanished when the counter rose.", counted(kill.others, ["other", "others"]))
        }
    };
    say(sure, sureness(kill.confidence));
    for evidence in &kill.evidence {
        say(format!("- {evidence}"), Role::Dim);
    }
    lines
}

/// How sure it is that one whom the log names by a number that is not ours was this one, or one of ours at all.
fn by_another_number(victim: &Killed) -> String {
    let told = format!("Likely: the kernel log names {} {} of the host", printable(&victim.name), victim.pid);
    match victim.id {
        Some(id) => format!("{told}; of that name, only {} had vanished there.", id.pid),
        None => format!("{told}; a counter shows that it was here."),
    }
}

/// When it was that we looked: what grows fast held more when it was killed than the last look saw.
fn last_look(kill: &KillReport) -> String {
    let before = kill.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Gone { after, by } => Some(by.since(*after)),
        _ => None,
    });
    let before = before.map(|before| format!(", up to {:.1}s before", before.as_secs_f64()));
    format!("when last sampled{}", before.unwrap_or_default())
}

/// Who died with it, by name as far as there is room.
fn together(kill: &KillReport) -> Option<String> {
    const NAMES: usize = 6;
    let together = kill.together()?;
    let members = &kill.group.as_ref()?.members;
    let names: Vec<_> = members.iter().take(NAMES).map(Killed::to_string).collect();
    let dots = if members.len() > NAMES { ", ..." } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(": {}{dots}", names.join(", ")) };
    Some(format!("Killed with it: {together} (memory.oom.group){names}."))
}

fn to_have_lived(spared: &Spared, others_hidden: bool) -> String {
    let Some(instead) = &spared.instead else {
        let others = if others_hidden {
            "other processes are not visible from here"
        } else {
            "no other process could have been killed"
        };
        return format!("To survive it needed oom_score_adj -1000: {others}.");
    };
    let or_another = if others_hidden { " (or one not visible from here)" } else { "" };
    let adjustment = spared.adjustment.map(|adj| match adj {
        -1000 => "oom_score_adj -1000".to_owned(),
        adj => format!("oom_score_adj {adj} or lower"),
    });
    let less = spared.less.map(|less| format!("{less} less memory"));
    let ways: Vec<_> = adjustment.into_iter().chain(less).collect();
    format!("To survive it needed {}; {instead}{or_another} would then have been first.", ways.join(", or "))
}

/// What would have put it off for everybody, and what that rests on. Nobody knows whether it would have been enough.
fn to_put_it_off(kill: &KillReport, all: &AllSpared) -> Option<String> {
    let what = if kill.domain.as_ref().is_some_and(|domain| domain.is_host) { "RAM or swap" } else { "limit" };
    // By all that is in it and over longer than the victim's growth, which stands above.
    let more = all.per_minute.map(|size| {
        format!("{size} more {what} for each minute, at the rate it was filling ({}/s)", Bytes(size.0 / 60))
    });
    let go = all.go.as_ref().map(|advice| format!("{} ({})", advice.what, advice.why));
    let ways: Vec<_> = more.into_iter().chain(go).collect();
    (!ways.is_empty()).then(|| format!("To delay it: {}.", ways.join(", or ")))
}

/// The order by which it was the first, and whose that is.
fn candidates(canvas: &mut Canvas<'_>, area: Rect, state: &State, kill: &KillReport) {
    if area.height < 3 || kill.candidates.is_empty() {
        return;
    }
    let page = state.report.machine.page_size;
    let count = counted(kill.candidate_count, ["candidate", "candidates"]);
    let from = match kill.ranked_by {
        RankedBy::KernelLog => "by the kernel's own table".to_owned(),
        // Its RSS may lack what processors have not added up yet, and then is not quite the one that was held.
        RankedBy::LastLook(at) => format!("when last sampled, {:.1}s before", kill.at.since(at).as_secs_f64()),
    };
    canvas.pen(area, 1).gap(1).put(&format!("{count} {from}: RSS + swap + tables + adj"), Role::Heading);
    // Every part of the sum before a whole name.
    let name = if area.width >= 78 { 16 } else { 10 };
    for (line, candidate) in (2..area.height).zip(&kill.candidates) {
        let victim = &candidate.victim;
        let died = kill.victim.as_ref().is_some_and(|killed| killed.is(&candidate.who));
        let role = if died { Role::Danger } else { Role::Plain };
        let rank = match victim.immune {
            Some(_) => "safe".to_owned(),
            None => crate::table::ordinal(i64::from(victim.rank)),
        };
        let mut pen = canvas.pen(area, line);
        pen.left(1, if died { "x" } else { "" }, Role::Danger).left(5, &rank, role);
        // Of the host's numbers those are told that are known here.
        let who = &candidate.who;
        let number = if who.is_of_host && who.id.is_none() { "-".to_owned() } else { who.number().to_string() };
        pen.right(7, &number, role).gap(1).left(name, &printable(&who.name), role);
        if let Some(immune) = victim.immune {
            pen.right(8, "-", Role::Dim).gap(2).put(immune.reason(), Role::Good);
            continue;
        }
        pen.right(8, &super::risk::signed(victim.badness, page, ""), role);
        let size = |pages: Option<Pages>| pages.map_or_else(|| "-".to_owned(), |pages| pages.bytes(page).to_string());
        part(&mut pen, "= ", &size(victim.rss));
        part(&mut pen, "+ ", &size(victim.swap));
        part(&mut pen, "+ ", &size(victim.page_tables));
        part(&mut pen, "+ ", &super::risk::signed(victim.adjustment_pages, page, ""));
    }
}

fn part(pen: &mut Pen<'_, '_>, sign: &str, size: &str) {
    if pen.room() >= 9 {
        pen.gap(1).put(sign, Role::Dim).right(6, size, Role::Dim);
    }
}
