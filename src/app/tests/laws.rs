//! Whatever is pressed in whatever order, on whatever machine.

use crossterm::event::{MouseButton, MouseEventKind};
use proptest::prelude::*;

use super::key as press_key;
use super::*;
use crate::app::dialog::{Dialog, SIGNALS};
use crate::app::layout::{Area, layout};
use crate::app::list::Arrangement;
use crate::monitor::report::{DomainKind, DomainReport};
use crate::table::{COLUMNS, Column};

fn any_event() -> impl Strategy<Value = Event> {
    let named = [
        "enter", "esc", "tab", "backtab", "up", "down", "left", "right", "home", "end", "pgup", "pgdn", "bs", "del",
        "f9", "f10",
    ];
    let key = |name: &str| Event::Key(press_key(name));
    prop_oneof![
        6 => prop::sample::select(named.to_vec()).prop_map(key),
        8 => prop::char::range(' ', '~').prop_map(move |letter| key(&letter.to_string())),
        1 => any::<String>().prop_map(Event::Paste),
        1 => (0..220_u16, 0..70_u16).prop_map(|(columns, rows)| Event::Resize(columns, rows)),
        1 => (0..220_u16, 0..70_u16, 0..3_u8).prop_map(|(column, row, kind)| {
            let kind = match kind {
                0 => MouseEventKind::ScrollUp,
                1 => MouseEventKind::ScrollDown,
                _ => MouseEventKind::Down(MouseButton::Left),
            };
            Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }),
        4 => any_report().prop_map(|report| Event::Report(Arc::new(report))),
        1 => (0..12_u32, 0..SIGNALS.len()).prop_map(|(pid, signal)| Event::Signalled {
            signal: SIGNALS[signal],
            results: vec![(id(pid), Ok(()))],
        }),
    ]
}

fn any_report() -> impl Strategy<Value = Report> {
    let process = (0..12_u32, 0..12_u32, any::<Option<u16>>(), any::<bool>());
    (prop::collection::vec(process, 0..12), 0..200_u64).prop_map(|(processes, seconds)| {
        let mut report = machine();
        report.time = Timestamp::from_secs(seconds);
        report.processes = processes
            .into_iter()
            .map(|(pid, parent, rss, reused)| ProcessReport {
                parent: Pid(parent),
                rss: rss.map_or(MaybeKib::UNKNOWN, |kib| MaybeKib::from_kib(kib.into())),
                oom_score_adj: rss.map(|kib| (kib % 2001).cast_signed() - 1000),
                identity: Arc::new(Identity {
                    name: vec![b'a' + (pid % 3) as u8].into(),
                    uid: Some(pid % 4),
                    ..Identity::default()
                }),
                ..ProcessReport::unread(ProcessId::new(pid, u64::from(pid) * 10 + u64::from(reused)))
            })
            .collect();
        report.processes.sort_by_key(|process| process.id);
        report.processes.dedup_by_key(|process| process.id.pid);
        report
    })
}

fn targets(state: &State) -> Option<Vec<ProcessId>> {
    match &state.mode {
        Mode::Dialog(Dialog::Signal { targets, .. } | Dialog::Adjust { targets, .. }) => Some(targets.clone()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_state_stays_whole(events in prop::collection::vec(any_event(), 0..80)) {
        let mut state = State::new(Arc::new(Config::default()), (100, 30));
        for event in events {
            let before = targets(&state);
            let answers = |key: KeyEvent| matches!(key.code, KeyCode::Enter | KeyCode::Esc);
            let is_answer = matches!(event, Event::Key(key) if answers(key));
            for effect in update(&mut state, event) {
                if let Effect::Adjust { adjustments, .. } = effect {
                    prop_assert!(adjustments.iter().all(|adjustment| ADJUSTMENTS.contains(&adjustment.to)));
                }
            }
            // Targets are fixed as long as their dialog is open.
            if let (Some(before), Some(after)) = (before, targets(&state)) {
                prop_assert!(is_answer || before == after);
            }
            let list = &state.list;
            prop_assert!(list.cursor < list.rows.len() || list.rows.is_empty() && list.cursor == 0);
            prop_assert!(list.offset < list.rows.len() || list.offset == 0);
            prop_assert!(list.rows.is_empty() == (list.selected.is_none() && list.selected_group.is_none()));
            prop_assert_eq!(list.process(list.cursor, &state.report).map(|process| process.id), list.selected);
            prop_assert!(list.tagged.iter().all(|id| state.report.process(*id).is_some()));
            prop_assert!(state.undo.len() <= 32 && !list.columns.is_empty());
            prop_assert_eq!(&state.clone(), &state);
        }
    }

    #[test]
    fn nothing_stands_outside_the_screen(
        size in (0..260_u16, 0..90_u16),
        focus in 0..4_usize,
        zoomed: bool,
        typing: bool,
    ) {
        let mut state = State::new(Arc::new(Config::default()), size);
        state.focus_on(Pane::ALL[focus]);
        state.zoomed = zoomed;
        if typing {
            state.mode = Mode::Search(TextField::default());
        }
        let layout = layout(&state);
        let inside = |area: Area| area.x + area.width <= size.0 && area.y + area.height <= size.1;
        let cells = |area: Area| u32::from(area.width) * u32::from(area.height);
        let panes: u32 = layout.panes.iter().map(|pane| cells(pane.outer)).sum();
        let all = u32::from(size.0) * u32::from(size.1);
        prop_assert_eq!(panes + cells(layout.header) + cells(layout.footer), all, "every cell belongs to something");
        for pane in &layout.panes {
            prop_assert!(inside(pane.outer) && (inside(pane.inner)));
        }
        prop_assert!(inside(layout.titles) && inside(layout.rows));
        let spans = layout::column_spans(&state, layout.rows);
        for span in &spans {
            prop_assert!(span.x + span.width <= layout.rows.x + layout.rows.width);
        }
        for pair in spans.windows(2) {
            prop_assert!(pair[0].x + pair[0].width < pair[1].x);
        }
    }

    #[test]
    fn the_column_that_sorts_is_always_on_the_screen(sort in 0..COLUMNS.len(), size in (20_u16..220, 6_u16..60), grouped: bool) {
        let sort = COLUMNS[sort].column;
        let mut state = State::new(Arc::new(Config { sort, ..Config::default() }), size);
        if grouped {
            state.list.arrangement = Arrangement::ByCgroup;
        }
        let spans = layout::column_spans(&state, layout(&state).rows);
        prop_assert!(spans.iter().any(|span| span.column == sort), "{sort:?} in {spans:?}");
        // Where it was not chosen it stands between those that it stands between in the chooser.
        prop_assert!(spans.is_sorted_by_key(|span| span.column));
    }
}

#[test]
fn domains_have_a_column_where_there_are_several() {
    let mut state = State::new(Arc::new(Config::default()), (200, 60));
    let shows_domain = |state: &State| {
        let spans = layout::column_spans(state, layout(state).rows);
        spans.iter().any(|span| span.column == Column::Domain)
    };
    let domain = || DomainReport::unranked(DomainKind::Host, CgroupPath(b"/"[..].into()));
    for (count, columns, expected) in [(0, 240, false), (1, 240, false), (2, 240, true), (2, 200, false)] {
        state.size.0 = columns;
        state.report = Arc::new(Report { domains: (0..count).map(|_| domain()).collect(), ..Report::default() });
        assert_eq!(shows_domain(&state), expected, "{count} at {columns}");
    }
    state.list.columns = vec![Column::Rss, Column::Domain];
    state.report = Arc::default();
    assert!(!shows_domain(&state), "it says nothing of one, also where it was chosen");
    state.list.sort = Column::Domain;
    assert!(shows_domain(&state));
}

#[test]
fn swap_has_a_column_where_there_is_swap_and_a_command_line_goes_before_pss() {
    let columns = |swap_total, width| {
        let mut state = State::new(Arc::new(Config::default()), (width, 24));
        let mut report = Report::default();
        report.system.memory.swap_total = swap_total;
        state.report = Arc::new(report);
        let spans = layout::column_spans(&state, layout(&state).rows);
        [Column::Swap, Column::Pss].map(|wanted| spans.iter().any(|span| span.column == wanted))
    };
    for (swap_total, width, expected) in [
        (None, 80, [true, false]),
        (Some(Bytes(1)), 80, [true, false]),
        (Some(Bytes(0)), 80, [false, false]),
        (Some(Bytes(0)), 86, [false, true]),
        (Some(Bytes(1)), 92, [true, true]),
    ] {
        assert_eq!(columns(swap_total, width), expected, "{swap_total:?} at {width}");
    }
}

#[test]
fn the_state_is_plain_data() {
    fn plain<T: Clone + PartialEq + std::fmt::Debug + Send + Sync>() {}
    plain::<State>();
    plain::<Event>();
    plain::<Effect>();
}
