//! What a person sees, as text at four sizes and in both sets of characters.

mod laws;
mod style;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::dialog::Dialog;
use crate::app::list::Arrangement;
use crate::app::{Event, Mode, Outcome, Pane, State, Temporality, TextField, Tone, update};
use crate::config::{Glyphs, Look, ThemeName};
use crate::mapping_class::MappingClass;
use crate::monitor::kill_report::{KillGroup, Killed, Spared};
use crate::monitor::other_killers::{Floor, KillUnit, KillerReport, PressureRule, WatchedUnit};
use crate::monitor::report::{GoPart, MappingsState, ProcessDetail, UnreadableReport};
use crate::snapshot::Unreadable;
use crate::snapshot::go_memory::NoNumbers;
use crate::snapshot::needs::FactGroups;
use crate::snapshot::other_killer::KillerProgram;
use crate::snapshot::process::CgroupPath;
use crate::table::Column;
use crate::units::{Bytes, Pid, ProcessId, Timestamp};

use super::draw;
use super::fixture;
use super::theme::{Role, Theme};

/// The screen as text, with a ruler of nothing: trailing blanks are cut, so that a diff shows what changed.
pub(super) fn screen(state: &State) -> String {
    text(&drawn(state))
}

fn drawn(state: &State) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    draw(state, &mut buffer);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            x += super::canvas::columns(symbol).max(1);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

const UNICODE: Look = Look { glyphs: Glyphs::Unicode, theme: ThemeName::Default };
const ASCII: Look = Look { glyphs: Glyphs::Ascii, theme: ThemeName::Mono };
const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (120, 34), (200, 60)];

#[test]
fn overview() {
    for (name, look) in [("unicode", UNICODE), ("ascii", ASCII)] {
        for (width, height) in SIZES {
            let state = fixture::state((width, height), look);
            insta::assert_snapshot!(format!("overview_{width}x{height}_{name}"), screen(&state));
        }
    }
}

#[test]
fn the_number_stays_on_the_narrowest_screen() {
    let shown = screen(&fixture::state((20, 6), UNICODE));
    assert!(shown.contains("475M a"), "{shown}");
}

/// A dialog over the overview.
fn with(dialog: Dialog, size: (u16, u16), look: Look) -> State {
    let mut state = fixture::state(size, look);
    state.mode = Mode::Dialog(dialog);
    state
}

fn dialogs() -> Vec<(&'static str, Dialog)> {
    let targets = vec![fixture::LEAKING];
    let both = vec![fixture::LEAKING, ProcessId::new(30990, 1000)];
    let left_out = vec!["sshd 402 belongs to root: that needs the same user or CAP_KILL, which you lack".to_owned()];
    let users = vec![(0, "root".to_owned()), (1000, "ana".into()), (1001, "ci".into())];
    let chosen = vec![Column::Pid, Column::Rss, Column::Command];
    vec![
        ("help", Dialog::Help { scroll: 0 }),
        ("help_end", Dialog::Help { scroll: usize::MAX }),
        ("signal", Dialog::Signal { targets: targets.clone(), left_out: vec![], cursor: 0, typed: String::new() }),
        (
            "signal_several",
            Dialog::Signal { targets: both.clone(), left_out: left_out.clone(), cursor: 5, typed: "9".into() },
        ),
        ("adjust", Dialog::Adjust { targets, left_out: vec![], value: -900, typed: String::new() }),
        ("adjust_several", Dialog::Adjust { targets: both, left_out, value: 500, typed: "500".into() }),
        ("sort", Dialog::Sort { cursor: 5 }),
        ("columns", Dialog::Columns { cursor: 5, chosen }),
        ("user", Dialog::User { cursor: 1, users }),
        ("group", Dialog::Group { cursor: 2 }),
    ]
}

#[test]
fn each_dialog() {
    // What help, sort menu and column chooser say of columns is the column table's: see the test below.
    for (name, dialog) in dialogs() {
        if matches!(name, "help" | "help_end" | "sort" | "columns") {
            continue;
        }
        let state = with(dialog.clone(), (100, 32), UNICODE);
        insta::assert_snapshot!(format!("dialog_{name}"), screen(&state));
        let state = with(dialog, (80, 24), ASCII);
        insta::assert_snapshot!(format!("dialog_{name}_80x24_ascii"), screen(&state));
    }
}

#[test]
fn the_help_begins_with_keys_and_ends_with_what_protects_us() {
    for size in [(80, 24), (200, 60), (40, 12)] {
        let begin = screen(&with(Dialog::Help { scroll: 0 }, size, UNICODE));
        assert!(begin.contains("Moving") && begin.contains("one row up"), "{begin}");
        let end = screen(&with(Dialog::Help { scroll: usize::MAX }, size, UNICODE));
        assert!(end.contains("--protect=false"), "{end}");
    }
}

#[test]
fn menus_of_columns_mark_what_is_chosen() {
    let sort = screen(&with(Dialog::Sort { cursor: 5 }, (100, 32), UNICODE));
    assert!(sort.contains("│▸ ▼ RSS "), "{sort}");
    let chosen = vec![Column::Pid, Column::Rss, Column::Command];
    let columns = screen(&with(Dialog::Columns { cursor: 5, chosen }, (100, 32), UNICODE));
    for line in ["│  [ 1] PID ", "│  [  ] PPID", "│▸ [ 2] RSS ", "│  [ 3] COMMAND"] {
        assert!(columns.contains(line), "{line} in {columns}");
    }
    // The line under the cursor is on the screen, however low that is.
    let low = screen(&with(Dialog::Sort { cursor: 24 }, (60, 8), UNICODE));
    assert!(low.contains("COMMAND"), "{low}");
}

#[test]
fn each_pane_alone() {
    for pane in Pane::ALL {
        let mut state = fixture::state((100, 26), UNICODE);
        state.focus = pane;
        state.zoomed = true;
        insta::assert_snapshot!(format!("zoomed_{}", pane.word()), screen(&state));
    }
    let mut state = fixture::state((100, 26), UNICODE);
    state.focus = Pane::Mappings;
    state.zoomed = true;
    state.mappings.opened = Some(MappingClass::GoHeap);
    state.list_regions();
    insta::assert_snapshot!("zoomed_holds_regions", screen(&state));
}

#[test]
fn the_last_alarm_of_the_selected_process() {
    let alarmed = |size, look| {
        let mut state = fixture::state(size, look);
        Arc::make_mut(&mut state.report).alarms.push(fixture::alarm());
        (state.companion, state.focus) = (Pane::Growth, Pane::Growth);
        state
    };
    let mut zoomed = alarmed((100, 30), UNICODE);
    zoomed.zoomed = true;
    insta::assert_snapshot!("alarm_zoomed", screen(&zoomed));
    let small = screen(&alarmed((80, 24), ASCII));
    assert!(small.contains("Alarm 102s ago (growing) at 198M: Go heap 186M, program 3.00M"), "{small}");
    // Not his.
    zoomed.list.selected = Some(ProcessId::new(1204, 1));
    assert!(!screen(&zoomed).contains("Alarm"));
}

#[test]
fn each_companion_of_the_table() {
    for pane in [Pane::Growth, Pane::Mappings] {
        let mut state = fixture::state((80, 24), UNICODE);
        state.companion = pane;
        state.focus = pane;
        insta::assert_snapshot!(format!("companion_{}", pane.word()), screen(&state));
    }
}

#[test]
fn what_is_not_as_it_should_be_says_so() {
    let mut state = fixture::state((120, 34), UNICODE);
    let mut report = (*fixture::report()).clone();
    report.interval = Some(Duration::from_secs(3));
    report.system.memory.available = Some(Bytes::from_mib(400));
    let leaking = report.processes.iter_mut().find(|process| process.id == fixture::LEAKING).unwrap();
    leaking.denied = FactGroups::ROLLUP;
    update(&mut state, Event::Report(Arc::new(report)));
    let shown = screen(&state);
    for part in
        ["every 3.0s (not 1.0s)", "!  400M available", "PSS n/a: needs its user, root or CAP_SYS_PTRACE  q quit"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    state.temporality = Temporality::Paused;
    state.now = state.now.after(Duration::from_secs(12));
    assert!(screen(&state).contains("PAUSED 12s ago"));
    state.outcome = Some(Outcome { text: "sshd 402: denied".into(), tone: Tone::Bad, at: state.now });
    assert!(screen(&state).contains(" ! sshd 402: denied"));
}

/// The screen after two kills, with the pane of kills in front.
fn after_kills(size: (u16, u16), look: Look, opened: bool) -> State {
    let mut state = fixture::state(size, look);
    Arc::make_mut(&mut state.report).kills = fixture::kills();
    state.focus = Pane::Kills;
    state.kills.opened = opened;
    state
}

#[test]
fn kills_and_their_stories() {
    insta::assert_snapshot!("kills", screen(&after_kills((100, 26), UNICODE, false)));
    insta::assert_snapshot!("kills_80x24_ascii", screen(&after_kills((80, 24), ASCII, false)));
    insta::assert_snapshot!("kill_120x34", screen(&after_kills((120, 34), UNICODE, true)));
    insta::assert_snapshot!("kill_80x24_ascii", screen(&after_kills((80, 24), ASCII, true)));
    let mut nameless = after_kills((100, 26), UNICODE, true);
    nameless.kills.selected = Some(1);
    let nameless = screen(&nameless);
    assert!(nameless.contains("somebody, in a cgroup that is not known"), "{nameless}");
    assert!(nameless.contains("nobody that oomtop knew is gone"), "{nameless}");
    // The header tells the last one on every screen that has the room.
    assert!(screen(&after_kills((140, 34), UNICODE, false)).contains(", last 41m ago: a.test"));
}

/// The pane of the Go runtime, where its numbers may be read or not.
fn go_runtime(size: (u16, u16), look: Look, numbers: Result<(), NoNumbers>) -> State {
    let mut state = fixture::state(size, look);
    state.focus = Pane::Go;
    if let Err(why) = numbers {
        let mut detail = (*fixture::detail()).clone();
        let go = detail.go.as_mut().expect("it is a Go program");
        go.read.as_mut().expect("it was read").numbers = Err(why);
        go.parts = vec![(GoPart::Heap, Bytes::from_mib(467)), (GoPart::Program, Bytes::from_mib(8))];
        go.advice = None;
        state.detail = Some(Arc::new(detail));
    }
    state
}

#[test]
fn what_a_go_runtime_says() {
    insta::assert_snapshot!("go_120x34", screen(&go_runtime((120, 34), UNICODE, Ok(()))));
    insta::assert_snapshot!("go_80x24", screen(&go_runtime((80, 24), UNICODE, Ok(()))));
    insta::assert_snapshot!("go_80x24_ascii", screen(&go_runtime((80, 24), ASCII, Ok(()))));
    insta::assert_snapshot!("go_60x14", screen(&go_runtime((60, 14), UNICODE, Ok(()))));
    insta::assert_snapshot!("go_80x24_other_user", screen(&go_runtime((80, 24), UNICODE, Err(NoNumbers::OtherUser))));
}

#[test]
fn what_is_missing_of_a_go_runtime_has_its_reason() {
    let denied = Err(NoNumbers::Unreadable(Unreadable::Denied));
    let shown = screen(&go_runtime((120, 34), UNICODE, denied));
    assert!(shown.contains("numbers n/a: permission denied (needs the same user"), "{shown}");
    assert!(shown.contains("GOGC        ") && shown.contains("not set"), "{shown}");

    // Whether it is one at all: not known, or certainly not.
    let mut state = go_runtime((80, 24), UNICODE, Ok(()));
    let mappings = MappingsState::Unreadable(Unreadable::Denied);
    state.detail = Some(Arc::new(ProcessDetail { go: None, mappings, ..(*fixture::detail()).clone() }));
    let shown = screen(&state);
    assert!(shown.contains("n/a: whether it is a Go program cannot be seen: permission denied"), "{shown}");
    let mut report = (*fixture::report()).clone();
    let process = report.processes.iter_mut().find(|process| process.id == fixture::LEAKING).expect("it is there");
    Arc::make_mut(&mut process.identity).executable = Some(Arc::default());
    state.report = Arc::new(report);
    let shown = screen(&state);
    assert!(shown.contains("It is no Go program"), "{shown}");
}

#[test]
fn a_group_that_died_is_one_kill_with_its_names() {
    let mut state = after_kills((120, 34), UNICODE, false);
    let kills = &mut Arc::make_mut(&mut state.report).kills;
    let group = KillGroup {
        path: CgroupPath::new("/ci"),
        members: (0..8).map(|at| Killed { id: None, pid: Pid(40 + at), name: (*b"t").into() }).collect(),
        count: 9,
    };
    let kill = Arc::make_mut(&mut kills[1]);
    (kill.group, kill.spared) = (Some(group), Some(Spared { adjustment: Some(-1000), less: None, instead: None }));
    assert!(screen(&state).contains("a.test 30987 +8"), "{}", screen(&state));
    state.kills.opened = true;
    let shown = screen(&state);
    assert!(shown.contains("Killed with it: 8 others of /ci (memory.oom.group)"), "{shown}");
    assert!(shown.contains("t 40, t 41") && shown.contains("t 45, ...") && !shown.contains("t 46"), "{shown}");
    assert!(shown.contains("Nobody else could have been taken."), "{shown}");
}

#[test]
fn without_a_kill_the_list_says_what_is_watched_and_which_right_is_missing() {
    let mut state = fixture::state((100, 26), UNICODE);
    state.focus = Pane::Kills;
    let denied = UnreadableReport::kernel_log(Unreadable::Denied);
    Arc::make_mut(&mut state.report).unreadable.push(denied);
    let shown = screen(&state);
    for words in ["Nobody was killed since oomtop began to look", "oomtop explain --kernel", "CAP_SYSLOG"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

#[test]
fn kills_are_marked_on_the_growth_of_others() {
    let mut state = fixture::state((100, 26), UNICODE);
    state.focus = Pane::Growth;
    state.zoomed = true;
    let before = screen(&state);
    let mut kills = fixture::kills();
    Arc::make_mut(&mut kills[1]).at = Timestamp(fixture::NOW.0 - 90_000_000_000);
    Arc::make_mut(&mut state.report).kills = kills;
    let marks =
        |screen: &str| screen.lines().find(|line| line.contains("3m ago")).map(|line| line.matches('x').count());
    assert_eq!((marks(&before), marks(&screen(&state))), (Some(0), Some(1)));
}

#[test]
fn each_arrangement() {
    for (name, arrangement) in [("tree", Arrangement::Tree), ("command", Arrangement::ByCommand)] {
        let mut state = fixture::state((100, 26), UNICODE);
        state.list.arrangement = arrangement;
        state.list.collapsed.insert(ProcessId::new(31002, 1000));
        state.list.tagged.insert(ProcessId::new(966, 1000));
        update(&mut state, Event::Report(fixture::report()));
        insta::assert_snapshot!(format!("arranged_{name}"), screen(&state));
    }
}

#[test]
fn empty_screens_say_why() {
    let before = State::new(Arc::default(), (80, 24));
    insta::assert_snapshot!("empty_before_the_first_report", screen(&before));
    let mut filtered = fixture::state((80, 24), UNICODE);
    filtered.list.filter = Some("nosuch".into());
    update(&mut filtered, Event::Report(fixture::report()));
    insta::assert_snapshot!("empty_filtered", screen(&filtered));
    let mut unreadable = fixture::state((120, 34), UNICODE);
    let detail =
        ProcessDetail { mappings: MappingsState::Unreadable(Unreadable::Denied), ..(*fixture::detail()).clone() };
    unreadable.detail = Some(Arc::new(detail));
    assert!(screen(&unreadable).contains("n/a: permission denied"));
}

#[test]
fn the_footer_shows_what_is_typed_and_where_it_is_wrong() {
    let mut state = fixture::state((80, 24), UNICODE);
    let typed = |text: &str, error| TextField { text: text.into(), cursor: text.len(), error };
    state.mode = Mode::Filter(typed("rss>1q user=ci", Some((4, "a size is a number and k, m, g or t".into()))));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    assert_eq!(draw(&state, &mut buffer), Some((23, 23)));
    let line = text(&buffer).lines().last().unwrap_or_default().to_owned();
    assert_eq!(line, " Filter: rss>1q user=ci  ! a size is a number and k, m, g or t");
    let danger = Theme::new(ThemeName::Default).style(Role::Danger).fg;
    assert_eq!(buffer.cell((13, 23)).map(|cell| cell.fg), danger);
    assert_ne!(buffer.cell((12, 23)).map(|cell| cell.fg), danger);
    // A text longer than the line shows its end, where the cursor is.
    state.mode = Mode::Search(typed(&"x".repeat(200), None));
    assert_eq!(draw(&state, &mut buffer), Some((79, 23)));
}

#[test]
fn who_kills_before_the_kernel_stands_where_the_machine_does() {
    let mut state = fixture::state((80, 24), UNICODE);
    state.focus = Pane::Risk;
    state.zoomed = true;
    state.risk.domain = Some(CgroupPath::new("/"));
    let mut earlyoom = KillerReport {
        id: ProcessId::new(402, 1),
        program: KillerProgram::Earlyoom,
        unreadable: None,
        dry_run: false,
        floor: Some(Floor {
            available: Bytes::from_mib(1_600),
            swap_free: Bytes::from_mib(205),
            headroom: Some(Bytes::from_mib(6_295)),
        }),
        pressure: None,
        watched: Vec::new(),
        unit: KillUnit::Process,
        takes: Ok(fixture::LEAKING),
    };
    let oomd = KillerReport {
        program: KillerProgram::SystemdOomd,
        floor: None,
        pressure: Some(PressureRule { percent: 60.0, seconds: 30 }),
        watched: vec![WatchedUnit { name: "user@.service".into(), on_swap: false, pressure_percent: Some(60.0) }],
        unit: KillUnit::Cgroup,
        takes: Err("it takes whole cgroups"),
        ..earlyoom.clone()
    };
    Arc::make_mut(&mut state.report).other_killers = vec![earlyoom.clone(), oomd];
    insta::assert_snapshot!(screen(&state));
    // What may not be read is said to be so, and nothing is made up.
    earlyoom = KillerReport { unreadable: Some(Unreadable::Denied), floor: None, takes: Err("-"), ..earlyoom };
    Arc::make_mut(&mut state.report).other_killers = vec![earlyoom];
    let shown = screen(&state);
    assert!(shown.contains("its configuration would say (needs root)"), "{shown}");
}
