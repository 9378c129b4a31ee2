//! Which functions of a Go program hold its memory: a table, or a flame graph from the outermost function down; of which
//! moment that is, and what it leaves out. Refuses to sum, and to place a frame: that is done before.

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::bands::{self, first_line};
use crate::app::layout::Area;
use crate::app::{NotKnown, Pane, Picture, ShownProfile, State};
use crate::golang::pprof::{Flame, Function, Kind, Order, ValueType, short_name};
use crate::monitor::report::GoReport;
use crate::snapshot::listening::{Family, NetworkNamespace};
use crate::text::{end_of, holds, printable};
use crate::units::{Bytes, ProcessId, human_duration};

use super::canvas::{Canvas, columns};
use super::mappings::whole_steps;
use super::prose::paragraphs;
use super::rect;
use super::theme::Role;

/// Columns from which the line of the source stands behind the function.
const WITH_SOURCE: u16 = 96;

/// The answer: which function leads.
#[must_use]
pub fn title(state: &State) -> String {
    let Some(of) = state.profiles.of else { return "Which functions of the selected process hold its memory".into() };
    let Some(shown) = state.profiles.shown() else {
        return format!("Which functions of {} hold its memory", state.name_of(of));
    };
    let (counted, who) = (shown.counted(), &shown.kept.call.who);
    let age = whole_steps(state.now.since(shown.kept.at));
    let leads = shown.top.functions.first().filter(|_| state.profiles.order == Order::Flat);
    let led = leads.map(|leads| {
        let name = short_name(shown.digest.profile.name(leads.function));
        format!("{} {} of ", printable(name.as_bytes()), amount(state, counted, leads.flat))
    });
    let total = counted.amount_of_unit(shown.digest.flame.value(Flame::ROOT, shown.value_type));
    format!("{who}: {}{total}, {age} ago", led.unwrap_or_default())
}

/// Which line of the table, where there is one.
#[must_use]
pub fn position(state: &State) -> String {
    match (state.profiles.shown(), state.profiles.picture) {
        (Some(shown), Picture::Table) if !shown.top.functions.is_empty() => {
            format!("{}/{}", state.profiles.cursor + 1, shown.top.functions.len())
        }
        _ => String::new(),
    }
}

/// Draws the pane.
pub fn profile(canvas: &mut Canvas<'_>, area: Area, state: &State) {
    let Some(shown) = state.profiles.shown() else {
        paragraphs(canvas, rect(area), &nothing(state));
        return;
    };
    let [status_rows, heading, list, selected] = bands::profile(area, state.profiles.picture).map(rect);
    status(canvas, status_rows, state, shown);
    match state.profiles.picture {
        Picture::Table => table(canvas, heading, list, state, shown),
        Picture::Flame => flame(canvas, list, state, shown),
    }
    selected_function(canvas, selected, state, shown);
}

/// Why there is nothing to show, and what would show something.
fn nothing(state: &State) -> Vec<(Cow<'static, str>, Role)> {
    let Some(of) = state.profiles.of else {
        return vec![(super::nobody(state, "which functions hold its memory").into(), Role::Dim)];
    };
    let mut lines: Vec<(Cow<'static, str>, Role)> = Vec::new();
    if let Some(call) = &state.profiles.under_way {
        let from = call.from.map_or_else(String::new, |from| format!("{from} "));
        return vec![(
            format!("Asking {from}for the {} profile... Esc cancels.", call.kind.word()).into(),
            Role::Plain,
        )];
    }
    if state.profiles.is_wanted {
        let line =
            format!("Looking for the sockets of {}; then a menu asks which profile. Esc cancels.", state.name_of(of));
        return vec![(line.into(), Role::Plain)];
    }
    if let Some((_, why)) = state.profiles.refusal.as_ref().filter(|(refused, _)| *refused == of) {
        lines.push((format!("! No profile: {}.", printable(why.as_bytes())).into(), Role::Warned));
    }
    match offer(state, of) {
        Ok(offer) => lines.push((offer.into(), Role::Plain)),
        Err(obstacle) => lines.push((format!("{obstacle}.").into(), Role::Dim)),
    }
    if let Some(listening) = state.listening().filter(|known| known.namespace == NetworkNamespace::Other) {
        let port = listening.sockets.first().map_or(6060, |socket| socket.address.port());
        let pid = of.pid;
        let line = format!(
            "From inside: nsenter -t {pid} -n curl -so heap.pb.gz http://localhost:{port}/debug/pprof/heap; then: oomtop pprof heap.pb.gz"
        );
        lines.push((line.into(), Role::Plain));
    }
    lines
}

/// Where a profile may be had, or why none can.
fn offer(state: &State, of: ProcessId) -> Result<String, String> {
    let Some(listening) = state.listening() else {
        let (NotKnown::Yet(why) | NotKnown::Ever(why)) = state.why_not_offered(of);
        return Err(why);
    };
    if let Some(obstacle) = listening.obstacle() {
        return Err(format!("{} {obstacle}", state.name_of(of)));
    }
    let addresses: Vec<_> = listening.reachable().map(|socket| socket.address.to_string()).collect();
    let doubt = listening.reachable().find_map(|socket| socket.family);
    let doubt = doubt.map_or_else(String::new, |family| format!(" But {}.", family.doubt()));
    Ok(format!(
        "It listens on {}: r requests a profile there (net/http/pprof); nothing else does.{doubt}",
        addresses.join(", ")
    ))
}

/// For the pane of the Go runtime: what Enter would lead to, where that is somewhere.
pub fn in_short(state: &State, go: &GoReport) -> Option<(Cow<'static, str>, Role)> {
    let selected = state.list.selected?;
    if state.profiles.newest_of(selected).is_some() {
        return Some(("Enter: which functions hold it, from a fetched profile.".into(), Role::Dim));
    }
    let listening = go.listening()?.ok()?;
    let first = listening.reachable().next()?;
    let text = format!("It listens on {}: Enter leads to profiles (pprof), if any.", first.address);
    Some((text.into(), Role::Dim))
}

/// A value, with its sign where it is a change.
fn amount(state: &State, counted: &ValueType, value: i64) -> String {
    let sign = if state.profiles.shows_growth() && value > 0 { "+" } else { "" };
    format!("{sign}{}", counted.amount(value))
}

/// Which values are shown, then of which moment they are.
fn status(canvas: &mut Canvas<'_>, area: Rect, state: &State, shown: ShownProfile<'_>) {
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if let Some(call) = &state.profiles.under_way {
        pen.end(&format!("fetching {}, Esc cancels ", call.kind.word()), Role::Warned);
    } else if state.profiles.of_shown().nth(1).is_some() {
        let numbers: Vec<u64> = state.profiles.of_shown().map(|kept| kept.number).collect();
        let at = numbers.iter().position(|number| *number == shown.kept.number).map_or(0, |at| at + 1);
        pen.end(&format!("{at} of {} ", numbers.len()), Role::Dim);
    }
    if let (true, Some(since)) = (state.profiles.shows_growth(), shown.kept.since) {
        pen.put(&format!("changes of {} ", human_duration(shown.kept.at.since(since))), Role::Warned);
    }
    for (index, known) in shown.digest.profile.types.iter().enumerate() {
        let name = printable(known.name.as_bytes());
        if index == shown.value_type {
            pen.put("[", Role::Key).put(&name, Role::Strong).put("]", Role::Key).gap(1);
        } else {
            pen.whole(&format!(" {name} "), Role::Dim);
            pen.gap(1);
        }
    }
    if area.height > 1 {
        let text = moment(state, shown, area.width >= WITH_SOURCE, canvas.glyphs.tag);
        canvas.pen(area, 1).gap(1).put(&text, Role::Dim);
    }
}

/// Of which moment it is, and what it leaves out; zoomed in: into what; what the sign of those that were found means.
fn moment(state: &State, shown: ShownProfile<'_>, has_room: bool, found: &str) -> String {
    if state.profiles.picture == Picture::Flame && state.profiles.root != Flame::ROOT {
        let root = state.profiles.root;
        let name = printable(short_name(shown.name_of(root)).as_bytes()).into_owned();
        let (value, total) =
            (shown.digest.flame.value(root, shown.value_type), shown.digest.flame.value(Flame::ROOT, shown.value_type));
        let share = ValueType::share(value, total);
        let found = state
            .profiles
            .search()
            .map_or_else(String::new, |needle| format!("; {found}: has {}", printable(needle.as_bytes())));
        return format!(
            "zoomed into {name}: {} ({share}%){found}; Esc goes back",
            amount(state, shown.counted(), value)
        );
    }
    if let Some(needle) = state.profiles.search() {
        let needle = printable(needle.as_bytes());
        return format!("{found}: has {needle}; n goes to the next, Esc ends the search");
    }
    let call = &shown.kept.call;
    let profile = &shown.digest.profile;
    let mut parts = vec![format!("{} of {}", call.kind.word(), shown.kept.fetched.from)];
    parts.extend(shown.kept.fetched.family.map(Family::doubt));
    if shown.counted().name.starts_with("inuse_") {
        // runtime/mprof.go: what is in use is published when a collection has ended.
        let rest = if has_room { ": what was allocated since is not in it" } else { "" };
        parts.push(format!("in use as of its last GC{rest}"));
    }
    if state.profiles.shows_growth() && state.profiles.picture == Picture::Flame {
        parts.push("as wide as what grew".into());
    }
    if shown.digest.flame.is_cut && state.profiles.picture == Picture::Flame {
        parts.push("the rarest calls are left out".into());
    }
    if let Some((kind, period)) = profile.period.as_ref().filter(|_| call.kind != Kind::Goroutine) {
        let period = if kind.unit == "bytes" { Bytes(period.unsigned_abs()).to_string() } else { period.to_string() };
        parts.push(format!("1 sample every {period}"));
    }
    parts.join("; ")
}

fn is_found(state: &State, name: &str) -> bool {
    state.profiles.search().is_some_and(|needle| holds(name.as_bytes(), needle.as_bytes()))
}

fn table(canvas: &mut Canvas<'_>, heading: Rect, list: Rect, state: &State, shown: ShownProfile<'_>) {
    let functions = &shown.top.functions;
    if heading.height > 0 {
        let mark = |order| if state.profiles.order == order { canvas.glyphs.sorted[0] } else { "" };
        let (flat, cumulative) = (format!("{}FLAT", mark(Order::Flat)), format!("{}CUM", mark(Order::Cumulative)));
        let mut pen = canvas.pen(heading, 0);
        pen.gap(2).right(8, &flat, Role::Heading).right(6, "%", Role::Heading);
        pen.right(9, &cumulative, Role::Heading).right(6, "%", Role::Heading).gap(2);
        if list.width >= WITH_SOURCE {
            pen.end("MOST OF IT IS IN ", Role::Heading);
        }
        pen.put("FUNCTION", Role::Heading);
    }
    if functions.is_empty() {
        let why = if state.profiles.shows_growth() { "Nothing changed." } else { "Nothing was sampled." };
        canvas.pen(list, 0).gap(1).put(why, Role::Dim);
        return;
    }
    let cursor = state.profiles.cursor.min(functions.len() - 1);
    let first = first_line(cursor, list.height);
    for (line, (at, function)) in (0..list.height).zip(functions.iter().enumerate().skip(first)) {
        function_line(canvas, list, line, state, shown, function);
        if at == cursor && state.focus == Pane::Profile {
            let sign = canvas.glyphs.cursor;
            canvas.text(list.x, list.y + line, list.width.min(1), sign, Role::Strong);
            canvas.tint(Rect { y: list.y + line, height: 1, ..list }, Role::Selected);
        }
    }
}

fn function_line(
    canvas: &mut Canvas<'_>,
    list: Rect,
    line: u16,
    state: &State,
    shown: ShownProfile<'_>,
    function: &Function,
) {
    let (profile, total) = (&shown.digest.profile, shown.top.total);
    let value = |value: i64| amount(state, shown.counted(), value);
    let role = |value: i64| match value {
        ..0 => Role::Good,
        0 => Role::Dim,
        _ => Role::Strong,
    };
    let share = |value: i64| ValueType::share(value, total);
    let name = profile.name(function.function);
    let mut pen = canvas.pen(list, line);
    pen.gap(2).right(8, &value(function.flat), role(function.flat)).right(6, &share(function.flat), Role::Dim);
    pen.right(9, &value(function.cumulative), Role::Plain).right(6, &share(function.cumulative), Role::Dim).gap(2);
    if let Some((path, line)) = profile.source(function).filter(|_| list.width >= WITH_SOURCE) {
        let file = path.rsplit('/').next().unwrap_or(path);
        pen.end(&format!("{}:{line} ", printable(file.as_bytes())), Role::Dim);
    }
    let (sign, role) = if is_found(state, name) { (pen.glyphs().tag, Role::Warned) } else { ("", Role::Plain) };
    let name = if columns(name) > pen.room() { short_name(name) } else { name };
    pen.put(sign, role).put(&printable(name.as_bytes()), role);
}

fn flame(canvas: &mut Canvas<'_>, list: Rect, state: &State, shown: ShownProfile<'_>) {
    let placed = state.placed_frames(list.width);
    if shown.digest.flame.weight(Flame::ROOT, shown.value_type) == 0 {
        let why = if state.profiles.shows_growth() { "Nothing grew." } else { "Nothing was sampled." };
        canvas.pen(list, 0).gap(1).put(why, Role::Dim);
        return;
    }
    let first = state.first_depth(&placed, list.height);
    let rows = first..first + usize::from(list.height);
    for (at, frame) in placed.iter().enumerate().filter(|(_, frame)| rows.contains(&frame.depth)) {
        let cell =
            Rect { x: list.x + frame.x, y: list.y + (frame.depth - first) as u16, width: frame.width, height: 1 };
        let name = short_name(shown.name_of(frame.frame));
        let found = is_found(state, shown.name_of(frame.frame)) && frame.frame != Flame::ROOT;
        let is_selected = frame.frame == state.profiles.frame && state.focus == Pane::Profile;
        let style = canvas.theme.frame(at % 2 == 1, found);
        let value = amount(state, shown.counted(), shown.digest.flame.value(frame.frame, shown.value_type));
        let glyphs = canvas.glyphs;
        let edge = match (is_selected, found) {
            (true, _) => glyphs.cursor,
            (false, true) => glyphs.tag,
            (false, false) if cell.width == 1 => glyphs.sliver,
            (false, false) => glyphs.vertical,
        };
        let name = printable(name.as_bytes());
        let room = cell.width.saturating_sub(1);
        let both = format!("{name} {value}");
        let label = if columns(&both) <= room { Cow::Owned(both) } else { name };
        canvas.styled(cell.x, cell.y, cell.width, &" ".repeat(usize::from(cell.width)), style);
        canvas.styled(cell.x, cell.y, cell.width, edge, style);
        // A letter or two of a name say nothing.
        if room >= 3 || columns(&label) <= room {
            canvas.styled(cell.x + 1, cell.y, room, &label, style);
            if columns(&label) > room {
                canvas.styled(cell.right() - 1, cell.y, 1, glyphs.ellipsis, style);
            }
        }
        if is_selected {
            canvas.tint(cell, Role::Selected);
        }
    }
}

/// The selected function whole, with its line of the source.
fn selected_function(canvas: &mut Canvas<'_>, area: Rect, state: &State, shown: ShownProfile<'_>) {
    let (counted, profile) = (shown.counted(), &shown.digest.profile);
    let (name, function, own) = match state.profiles.picture {
        Picture::Table => {
            let Some(function) = shown.top.functions.get(state.profiles.cursor) else { return };
            (profile.name(function.function), Some(function), None)
        }
        Picture::Flame => {
            let frame = state.profiles.frame;
            let value = shown.digest.flame.value(frame, shown.value_type);
            (shown.name_of(frame), shown.function_of(frame), Some(value))
        }
    };
    let total = shown.top.total;
    let told = |value: i64| format!("{} {}%", amount(state, counted, value), ValueType::share(value, total));
    let mut pen = canvas.pen(area, 0);
    let sums = match (own, function) {
        (Some(here), Some(function)) => {
            format!("{} here; in all flat {}, cum {} ", told(here), told(function.flat), told(function.cumulative))
        }
        (Some(here), None) => format!("{} ", told(here)),
        (None, Some(function)) => format!("flat {}, cum {} ", told(function.flat), told(function.cumulative)),
        (None, None) => String::new(),
    };
    let source = function.and_then(|function| profile.source(function));
    let source = source.map(|(path, line)| printable(format!("{path}:{line}").as_bytes()).into_owned());
    if area.height > 1 {
        pen.gap(1).put(&printable(name.as_bytes()), Role::Strong);
        let mut pen = canvas.pen(area, 1);
        pen.gap(1).put(&sums, Role::Plain);
        let (room, ellipsis) = (pen.room().saturating_sub(2), pen.glyphs().ellipsis);
        pen.gap(1).put(&end_of(&source.unwrap_or_default(), room.into(), ellipsis), Role::Dim);
    } else {
        pen.end(&sums, Role::Dim);
        pen.gap(1).put(&printable(name.as_bytes()), Role::Strong);
    }
}
