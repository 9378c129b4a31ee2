//! The frame around the panes: what the footer says and which keys it names, what a title line remarks, what the header
//! says when something is not as it should be.

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{UNICODE, screen, text};
use crate::app::tests::press;
use crate::app::{Depth, Event, Mode, Outcome, Pane, State, Temporality, TextField, Tone, update};
use crate::config::ThemeName;
use crate::mapping_class::MappingClass;
use crate::monitor::report::{Level, Report};
use crate::snapshot::needs::FactGroups;
use crate::snapshot::process::CgroupPath;
use crate::table::Column;
use crate::ui::theme::{Role, Theme};
use crate::ui::{draw, fixture};
use crate::units::Bytes;

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
fn what_is_not_as_it_should_be_says_so() {
    let mut state = fixture::state((120, 34), UNICODE);
    let mut report = (*fixture::report()).clone();
    report.interval = Some(Duration::from_secs(3));
    report.system.memory.available = Some(Bytes::from_mib(400));
    update(&mut state, Event::Report(Arc::new(report)));
    let shown = screen(&state);
    for part in ["every 3.0s (not 1.0s)", "!  400M available"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    state.temporality = Temporality::Paused;
    state.now = state.now.after(Duration::from_secs(12));
    assert!(screen(&state).contains("PAUSED 12s ago"));
}

/// The line with the keys.
fn last_line(state: &State) -> String {
    screen(state).lines().last().unwrap_or_default().to_owned()
}

/// A process whose PSS may not be read is selected.
fn forbidden(size: (u16, u16)) -> State {
    let mut state = fixture::state(size, UNICODE);
    let mut report = (*fixture::report()).clone();
    let leaking = report.processes.iter_mut().find(|process| process.id == fixture::LEAKING).expect("it is there");
    leaking.denied = FactGroups::ROLLUP;
    update(&mut state, Event::Report(Arc::new(report)));
    state
}

#[test]
fn a_remark_stands_with_the_table_and_never_takes_the_room_of_keys() {
    let remark = "PSS n/a, r says why";
    let mut state = forbidden((200, 60));
    assert!(screen(&state).contains(remark), "{}", screen(&state));
    for pane in [Pane::Kills, Pane::Go] {
        state.focus = pane;
        assert!(!screen(&state).contains(remark), "the table is not there: {}", screen(&state));
    }
    // PSS has no room there.
    let narrow = forbidden((80, 24));
    assert!(!screen(&narrow).contains("n/a"), "{}", screen(&narrow));
    assert!(last_line(&narrow).contains("k signal"), "{}", last_line(&narrow));
}

#[test]
fn the_footer_names_only_keys_that_do_something_that_is_seen() {
    let mut state = fixture::state((80, 24), UNICODE);
    assert!(!last_line(&state).contains("Esc"), "there is nothing to get out of: {}", last_line(&state));
    state.zoomed = true;
    assert!(last_line(&state).contains("Esc back"));
    state.focus = Pane::Kills;
    let kills = last_line(&state);
    assert!(!["tree", "filter", "signal", "story"].iter().any(|key| kills.contains(key)), "{kills}");
    Arc::make_mut(&mut state.report).kills = fixture::kills();
    assert!(last_line(&state).contains("Enter story"));
    state.kills.opened = true;
    assert!(!last_line(&state).contains("Enter"), "{}", last_line(&state));
    // A class opens, then a region, and that is the end.
    state.focus = Pane::Mappings;
    assert!(last_line(&state).contains("Enter open"), "{}", last_line(&state));
    state.mappings.opened = Some(MappingClass::GoHeap);
    state.list_regions();
    let regions = last_line(&state);
    assert!(["Enter open", "Esc back", "s sort"].iter().all(|key| regions.contains(key)), "{regions}");
    state.mappings.depth = Depth::Region;
    assert!(!last_line(&state).contains("Enter"), "{}", last_line(&state));
}

#[test]
fn an_outcome_is_read_whole_and_no_alarm_takes_its_place() {
    let mut state = fixture::state((80, 24), UNICODE);
    let said =
        |text: &str, tone| Some(Outcome { text: text.into(), tone, at: fixture::NOW, until_read: None, kill: None });
    let refused = "postgres 1204 belongs to postgres: that needs the same user or CAP_KILL, which you lack";
    state.outcome = said(refused, Tone::Bad);
    state.news = said("a.test 30987 grows faster than usual", Tone::Bad);
    let shown = screen(&state);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines[20..23],
        [
            " ! a.test 30987 grows faster than usual",
            " ! postgres 1204 belongs to postgres: that needs the same user or CAP_KILL,",
            " which you lack"
        ],
        "{shown}"
    );
    // The keys stay in sight: what is said often makes somebody look for one.
    assert!(lines[23].starts_with(" F1 help"), "{shown}");
    // Above what is typed.
    state.mode = Mode::Search(TextField::default());
    let shown = screen(&state);
    assert!(shown.lines().nth(22).is_some_and(|line| line == " which you lack"), "{shown}");
    assert!(last_line(&state).starts_with(" Find:"));
    // On the lowest of screens the outcome comes first.
    state.mode = Mode::Normal;
    state.size = (80, 4);
    let shown = screen(&state);
    assert!(shown.lines().nth(2).is_some_and(|line| line == " which you lack"), "{shown}");
}

#[test]
fn growth_is_not_silently_empty_before_it_can_be_known() {
    let mut first = (*fixture::report()).clone();
    first.interval = None;
    first.processes.iter_mut().for_each(|process| process.growth = None);
    let shown = |filter: Option<&str>, sort: Column, report: &Report| {
        let mut state = State::new(Arc::default(), (120, 34));
        (state.list.sort, state.list.filter) = (sort, filter.map(str::to_owned));
        update(&mut state, Event::Report(Arc::new(report.clone())));
        screen(&state)
    };
    for (filter, sort, says) in [
        (Some("growth>1m"), Column::Rss, "Growth is known from the second sample on."),
        (Some("go|!growth<=0"), Column::Growth, "known from the second sample on"),
        (None, Column::Growth, "Processes by GROWTH, known from the second sample on"),
        (Some("nosuch"), Column::Rss, "No process matches nosuch"),
    ] {
        let said = shown(filter, sort, &first);
        assert!(said.contains(says), "{says}: {said}");
    }
    let second = shown(Some("growth>9g"), Column::Growth, &fixture::report());
    assert!(second.contains("No process matches") && !second.contains("second look"), "{second}");
}

#[test]
fn the_interval_is_the_true_one_and_what_was_asked_for_within_a_tenth() {
    let shown = |millis| {
        let mut state = fixture::state((120, 34), UNICODE);
        Arc::make_mut(&mut state.report).interval = Some(Duration::from_millis(millis));
        screen(&state)
    };
    for (millis, says) in [
        (300, "every 0.3s live"),
        (920, "every 1.0s live"),
        (1000, "every 1.0s live"),
        (1090, "every 1.0s live"),
        (1200, "every 1.2s (not 1.0s) live"),
        (2600, "every 2.6s (not 1.0s) live"),
    ] {
        assert!(shown(millis).contains(says), "{}", shown(millis));
    }
}

#[test]
fn what_a_kill_gives_is_measured_by_growth_only_where_memory_runs_out() {
    let shown = |level, left| {
        let mut state = fixture::state((120, 34), UNICODE);
        let domain = &mut Arc::make_mut(&mut state.report).domains[0];
        (domain.level, domain.time_left, domain.headroom) = (level, None, Some(Bytes::from_mib(left)));
        screen(&state)
    };
    let near = shown(Level::High, 34);
    assert!(near.contains("Its death frees up to 461M, 6m 23s at this growth; then 495M is left"), "{near}");
    assert!(near.contains("+1.2M/s"), "{near}");
    // Seven percent full, and something is being compiled.
    let far = shown(Level::Calm, 20_000);
    assert!(far.contains("Its death frees up to 461M") && !far.contains("at this growth"), "{far}");
    assert!(!far.contains("+1.2M/s"), "{far}");
    let soon = shown(Level::Calm, 300);
    assert!(soon.contains("+1.2M/s"), "full within minutes is news however much is left: {soon}");
}

#[test]
fn the_domain_of_the_selected_row_is_told_at_eighty_columns() {
    let mut state = fixture::state((80, 24), UNICODE);
    assert!(screen(&state).contains("Who dies next in docker 4f2a91"));
    (state.companion, state.focus) = (Pane::Growth, Pane::Growth);
    assert!(screen(&state).contains("Limit: 512M of /docker/4f2a91"), "{}", screen(&state));
}

#[test]
fn one_is_not_several() {
    let mut state = fixture::state((120, 34), UNICODE);
    let report = Arc::make_mut(&mut state.report);
    report.processes.truncate(1);
    report.domains.truncate(2);
    let shown = screen(&state);
    assert!(shown.contains("  1 process  "), "{shown}");
    state.focus = Pane::Kills;
    assert!(screen(&state).contains("the machine and 1 cgroup with a limit."), "{}", screen(&state));
}

/// The least headroom leads; who has more and is full before is told beside it.
#[test]
fn who_is_full_first_is_told_beside_who_has_least_left() {
    for width in [80, 120, 200] {
        let mut state = fixture::state((width, 24), UNICODE);
        let report = Arc::make_mut(&mut state.report);
        let mut still = report.domains[0].clone();
        (still.path, still.label) = (CgroupPath::new("/still"), "still".into());
        (still.growth, still.time_left, still.level) = (None, None, Level::Critical);
        report.domains[0].headroom = Some(Bytes::from_mib(200));
        report.domains[0].time_left = Some(Duration::from_secs(10));
        report.domains.insert(0, still);
        let shown = screen(&state);
        let row = shown.lines().find(|row| row.contains("34.0M left")).expect("the tightest leads");
        assert!(row.contains("still") && row.contains("!! docker 4f2a91 full in about 10s"), "{width}: {row}");
        Arc::make_mut(&mut state.report).domains[1].level = Level::Calm;
        assert!(!screen(&state).lines().take(4).any(|row| row.contains("docker 4f2a91")));
    }
}

#[test]
fn of_a_long_name_the_header_keeps_the_end_and_says_what_is_left() {
    for (width, name) in [
        (80, "6-14304-5213789 62%"),
        (100, "-14304-5213789 ["),
        (200, "97e231102670/oomtop-run-4026531836-14304-5213789 ["),
    ] {
        let mut state = fixture::state((width, 24), UNICODE);
        let report = Arc::make_mut(&mut state.report);
        for domain in &mut report.domains {
            domain.label = "97e231102670/oomtop-run-4026531836-14304-5213789".into();
        }
        let domain = &mut report.domains[0];
        (domain.limit, domain.headroom) = (Bytes::from_mib(180), Some(Bytes::from_mib(68)));
        domain.usage = Some(Bytes::from_mib(112));
        domain.time_left = Some(Duration::from_secs(9));
        let shown = screen(&state);
        let line = shown.lines().find(|line| line.contains("5213789")).expect("a header");
        assert!(line.contains(name) && line.contains("68.0M left   full in about 9s"), "{width}: {line}");
    }
}

#[test]
fn a_first_place_says_how_old_the_adjustments_are_that_it_goes_by_where_that_is_worth_a_word() {
    for (seconds, told) in [(2, None), (15, None), (16, Some("up to 30s ago")), (31, Some("up to 1m ago"))] {
        let mut state = fixture::state((140, 34), UNICODE);
        let report = Arc::make_mut(&mut state.report);
        report.domains[0].adjustments_age = Some(Duration::from_secs(seconds));
        let shown = screen(&state);
        assert!(shown.contains("a.test is first by 447M, ahead of b.test"), "{shown}");
        assert_eq!(shown.contains("adj read"), told.is_some(), "{seconds}: {shown}");
        assert!(told.is_none_or(|told| shown.contains(told)), "{seconds}: {shown}");
    }
}

#[test]
fn that_mappings_are_read_is_said_until_they_were() {
    let mut state = fixture::state((120, 34), UNICODE);
    state.list.selected = Some(fixture::LEAKING);
    press(&mut state, "r");
    assert!(screen(&state).contains("reading PSS and mappings of a.test 30987"), "{}", screen(&state));
    update(&mut state, Event::Detail(Some(fixture::detail())));
    let shown = screen(&state);
    assert!(!shown.contains("reading PSS") && shown.contains("read a.test 30987: its PSS is "), "{shown}");
}

/// The ranking had no row left while an alarm and a refusal stood over it: when something warns it is what one looks for.
#[test]
fn who_dies_first_stays_in_sight_under_whatever_is_said() {
    for size in [(80, 24), (120, 30)] {
        let mut state = fixture::state(size, UNICODE);
        let said = |text: &str| {
            Some(Outcome { text: text.repeat(3), tone: Tone::Bad, at: state.now, until_read: None, kill: None })
        };
        let (news, outcome) =
            (said("a.test 30987 grows faster than usual "), said("no right to lower the oom_score_adj of it "));
        (state.news, state.outcome) = (news, outcome);
        let shown = screen(&state);
        assert!(shown.contains("! no right"), "{shown}");
        let ranking = shown.lines().skip_while(|line| !line.contains("Who dies next"));
        assert!(ranking.skip(1).any(|line| line.contains("1st") && line.contains("30987")), "{shown}");
    }
}
