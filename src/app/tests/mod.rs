//! The State as a table: which keys lead to which effects and which selection. And laws: whatever is pressed, whatever
//! the machine does meanwhile.

mod acting;
mod alarms;
mod laws;
mod mouse;
mod profiles;
mod regions;
mod run;
mod showing;
mod watching;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent};

use super::*;
use crate::monitor::report::{DomainKind, DomainReport, Identity, ProcessReport};
use crate::snapshot::system::{Machine, OwnRights};
use crate::units::{MaybeKib, Pages, Pid};

/// A small machine: init, a shell, `go test` with two test binaries, a database of another user, and ourselves.
pub fn machine() -> Report {
    let process = |pid: u32, parent: u32, name: &str, uid: u32, mib: u64, adjustment: i16| ProcessReport {
        parent: Pid(parent),
        state: b'S',
        rss: MaybeKib::from_kib(mib * 1024),
        oom_score_adj: Some(adjustment),
        leading: Some(1),
        identity: Arc::new(Identity { name: name.as_bytes().into(), uid: Some(uid), ..Identity::default() }),
        ..ProcessReport::unread(ProcessId::new(pid, u64::from(pid) * 10))
    };
    Report {
        time: Timestamp::from_secs(100),
        machine: Arc::new(Machine {
            own: OwnRights { id: Some(id(90)), effective_uid: 1000, capabilities: 0, ..OwnRights::default() },
            users: vec![(0, "root".into()), (70, "postgres".into()), (1000, "ci".into())],
            ..Machine::default()
        }),
        system: crate::snapshot::system::System {
            init: Some(Pid(1)),
            memory: crate::snapshot::system::MemoryInfo {
                available: Some(Bytes::from_mib(6000)),
                ..Default::default()
            },
            ..Default::default()
        },
        processes: vec![
            process(1, 0, "systemd", 0, 12, 0),
            process(10, 1, "bash", 1000, 5, 0),
            process(20, 10, "go", 1000, 25, 0),
            process(30, 20, "a.test", 1000, 475, 0),
            process(31, 20, "b.test", 1000, 30, 300),
            process(40, 1, "postgres", 70, 812, -900),
            process(90, 10, "oomtop", 1000, 6, 0),
        ],
        domains: vec![domain("/docker/4f2a91", DomainKind::CgroupV1), domain("/", DomainKind::Host)],
        ..Report::default()
    }
}

fn domain(path: &str, kind: DomainKind) -> DomainReport {
    DomainReport {
        label: path.into(),
        limit: Bytes::from_mib(512),
        total_pages: Pages(131_072),
        certain: true,
        ..DomainReport::unranked(kind, CgroupPath::new(path))
    }
}

/// The process with this number on that machine.
pub fn id(pid: u32) -> ProcessId {
    ProcessId::new(pid, u64::from(pid) * 10)
}

/// A State that has seen that machine.
pub fn state() -> State {
    let mut state = State::new(Arc::new(Config::default()), (120, 40));
    update(&mut state, Event::Report(Arc::new(machine())));
    state
}

/// Presses keys written as letters and names: `/go<enter>n`. Effects that only ask for facts are left out.
pub fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let (name, after) = match rest.strip_prefix('<').and_then(|inside| inside.split_once('>')) {
            Some((name, after)) if !name.is_empty() => (name, after),
            _ => rest.split_at(first.len_utf8()),
        };
        rest = after;
        effects.extend(update(state, Event::Key(key(name))));
    }
    effects.retain(|effect| !matches!(effect, Effect::Require(_) | Effect::Inspect(_)));
    effects
}

fn key(name: &str) -> KeyEvent {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    plain(match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "bs" => KeyCode::Backspace,
        "del" => KeyCode::Delete,
        "f1" => KeyCode::F(1),
        "f7" => KeyCode::F(7),
        "f9" => KeyCode::F(9),
        "f10" => KeyCode::F(10),
        "c-c" => return KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        "c-l" => return KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL),
        "c-z" => return KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL),
        letter => KeyCode::Char(letter.chars().next().expect("a key has a name")),
    })
}

/// A second and more later: the same machine, changed.
pub fn later(state: &mut State, seconds: u64, change: impl FnOnce(&mut Report)) -> Vec<Effect> {
    let mut report = (**state.newest()).clone();
    report.time = report.time.after(std::time::Duration::from_secs(seconds));
    change(&mut report);
    update(state, Event::Report(Arc::new(report)))
}

/// Numbers of the processes in the rows; groups by their label.
pub fn rows(state: &State) -> Vec<String> {
    state
        .list
        .rows
        .iter()
        .map(|row| match row {
            list::Row::Process { index, .. } => state.report.processes[*index as usize].id.pid.to_string(),
            list::Row::Group { label, .. } => label.to_string(),
        })
        .collect()
}

/// The number of the selected process.
pub fn selected(state: &State) -> Option<u32> {
    state.list.selected.map(|id| id.pid.0)
}

/// What the footer says of what happened by itself.
pub fn announced(state: &State) -> &str {
    state.news.as_ref().map_or("", |news| &news.text)
}

/// What the footer says of the last action.
pub fn said(state: &State) -> &str {
    state.outcome.as_ref().map_or("", |outcome| &outcome.text)
}
