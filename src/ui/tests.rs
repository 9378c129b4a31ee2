//! What a person sees, as text at four sizes and in both sets of characters.

mod dialogs;
mod frame;
mod kills;
mod laws;
mod profile;
mod style;

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::list::Arrangement;
use crate::app::{Depth, Event, Pane, State, update};
use crate::config::{Glyphs, Look, ThemeName};
use crate::mapping_class::MappingClass;
use crate::monitor::other_killers::{Floor, KillUnit, KillerReport, PressureRule, SparedCgroup, WatchedUnit};
use crate::monitor::report::{Coverage, GoPart, MappingsState, ProcessDetail};
use crate::snapshot::Unreadable;
use crate::snapshot::go_memory::NoNumbers;
use crate::snapshot::needs::FactGroups;
use crate::snapshot::other_killer::KillerProgram;
use crate::snapshot::process::CgroupPath;
use crate::units::{Bytes, ProcessId};

use super::draw;
use super::fixture;

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

#[test]
fn how_much_of_pss_is_known_stands_with_the_table() {
    let mut state = fixture::state((120, 34), UNICODE);
    let report = Arc::make_mut(&mut state.report);
    (report.coverage, report.holding_up) = (Coverage { known: 5, readable: 12 }, Some(0.012));
    assert!(!screen(&state).contains("PSS of"), "the column is not there");
    state.required.of_visible = FactGroups::ROLLUP;
    assert!(screen(&state).contains("PSS of 41% (smaps reads 1.2% of the time, max 5%)"), "{}", screen(&state));
    assert!(screen(&state).contains("pinned, smaps reads 1.2% (max 5%)"), "{}", screen(&state));
    Arc::make_mut(&mut state.report).coverage.known = 12;
    assert!(!screen(&state).contains("PSS of"), "there is nothing to wait for");
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
    (state.size, state.mappings.depth) = ((80, 24), Depth::Region);
    insta::assert_snapshot!("region_80x24", screen(&state));
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
    assert!(shown.contains("n/a: cannot tell whether it is a Go program: permission denied"), "{shown}");
    let mut report = (*fixture::report()).clone();
    let process = report.processes.iter_mut().find(|process| process.id == fixture::LEAKING).expect("it is there");
    Arc::make_mut(&mut process.identity).executable = Some(Arc::default());
    state.report = Arc::new(report);
    let shown = screen(&state);
    assert!(shown.contains("It is not a Go program"), "{shown}");
}

#[test]
fn each_arrangement() {
    for (name, arrangement, width) in [
        ("tree", Arrangement::Tree, 100),
        ("command", Arrangement::ByCommand, 100),
        ("cgroup", Arrangement::ByCgroup, 80),
    ] {
        let mut state = fixture::state((width, 26), UNICODE);
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
        spared: Vec::new(),
        unit: KillUnit::Process,
        takes: Ok(fixture::LEAKING),
    };
    let oomd = KillerReport {
        program: KillerProgram::SystemdOomd,
        floor: None,
        pressure: Some(PressureRule { percent: 60.0, seconds: 30 }),
        watched: vec![WatchedUnit { name: "user@.service".into(), on_swap: false, pressure_percent: Some(60.0) }],
        spared: [("init.scope", false), ("session.slice", true)]
            .map(|(name, is_last_resort)| SparedCgroup {
                path: CgroupPath::new(name),
                label: name.into(),
                is_last_resort,
            })
            .to_vec(),
        unit: KillUnit::Cgroup,
        takes: Err("it kills whole cgroups"),
        ..earlyoom.clone()
    };
    Arc::make_mut(&mut state.report).other_killers = vec![earlyoom.clone(), oomd];
    insta::assert_snapshot!(screen(&state));
    state.size = (160, 24);
    let wide = screen(&state);
    assert!(wide.contains("; at 60% stalls for 30s; never init.scope; last of all session.slice"), "{wide}");
    // What may not be read is said to be so, and nothing is made up.
    earlyoom = KillerReport { unreadable: Some(Unreadable::Denied), floor: None, takes: Err("-"), ..earlyoom };
    Arc::make_mut(&mut state.report).other_killers = vec![earlyoom];
    let shown = screen(&state);
    assert!(shown.contains("its configuration says when, but is unreadable (needs root)"), "{shown}");
}
