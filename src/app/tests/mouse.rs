//! What the mouse does, where it is asked for.

use crossterm::event::{MouseButton, MouseEventKind};

use super::*;
use crate::app::layout::layout;
use crate::table::Column;

#[test]
fn the_mouse_selects_scrolls_and_sorts() {
    let mut state = state();
    let mouse = |state: &mut State, kind, column, row| {
        update(state, Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let shown = layout(&state);
    let click = MouseEventKind::Down(MouseButton::Left);
    mouse(&mut state, click, shown.rows.x + 5, shown.rows.y + 2);
    assert_eq!(selected(&state), Some(31));
    let spans = layout::column_spans(&state, shown.titles);
    mouse(&mut state, click, spans[0].x, shown.titles.y);
    assert_eq!(state.list.sort, Column::Pid);
    mouse(&mut state, click, spans[0].x, shown.titles.y);
    assert!(state.list.reversed);
    let risk = shown.pane(Pane::Risk).expect("four panes").outer;
    mouse(&mut state, click, risk.x + 1, risk.y + 1);
    assert_eq!(state.focus, Pane::Risk);
    press(&mut state, "k");
    let before = state.clone();
    mouse(&mut state, click, shown.rows.x, shown.rows.y);
    assert_eq!(state, before, "a dialog has the mouse too");
}

#[test]
fn the_mouse_selects_in_dialogs_and_panes() {
    use crate::monitor::report::Victim;
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

    let mut report = machine();
    report.domains[1].victims = [40, 30, 31]
        .map(|pid| Victim {
            rank: 1,
            id: id(pid),
            badness: 0,
            rss: None,
            swap: None,
            page_tables: None,
            adjustment_pages: 0,
            oom_score_adj: None,
            immune: None,
        })
        .to_vec();
    let mut state = state();
    update(&mut state, Event::Report(Arc::new(report)));
    let mouse = |state: &mut State, kind, column, row| {
        update(state, Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
    };
    let click = MouseEventKind::Down(MouseButton::Left);

    // A victim is selected where it stands in the order.
    let risk = layout(&state).pane(Pane::Risk).expect("four panes").inner;
    let [.., victims] = bands::risk(risk, 0);
    mouse(&mut state, click, victims.x + 3, victims.y + 1);
    assert_eq!((state.focus, selected(&state)), (Pane::Risk, Some(30)));

    // A signal is chosen by a click and not sent by any.
    press(&mut state, "k");
    let Mode::Dialog(dialog) = &state.mode else { panic!("{:?}", state.mode) };
    let body = dialog.place(state.size).body;
    for _ in 0..3 {
        let effects = mouse(&mut state, click, body.x + 4, body.y + 5);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Signal { .. })));
    }
    assert!(matches!(&state.mode, Mode::Dialog(Dialog::Signal { cursor: 5, .. })), "{:?}", state.mode);
    mouse(&mut state, MouseEventKind::ScrollUp, 0, 0);
    assert!(matches!(&state.mode, Mode::Dialog(Dialog::Signal { cursor: 2, .. })), "{:?}", state.mode);
    assert_eq!(mouse(&mut state, click, 0, 0), [], "beside it nothing happens");
    press(&mut state, "<esc>");

    // A second click on what is selected chooses it.
    press(&mut state, "s");
    let Mode::Dialog(dialog) = &state.mode else { panic!("{:?}", state.mode) };
    let body = dialog.place(state.size).body;
    mouse(&mut state, click, body.x + 4, body.y + 1);
    assert!(matches!(state.mode, Mode::Dialog(_)));
    mouse(&mut state, click, body.x + 4, body.y + 1);
    assert_eq!((&state.mode, state.list.sort), (&Mode::Normal, crate::table::COLUMNS[1].column));

    // The wheel moves the value of the editor.
    press(&mut state, "o");
    mouse(&mut state, MouseEventKind::ScrollUp, 0, 0);
    assert!(matches!(state.mode, Mode::Dialog(Dialog::Adjust { value: 10, .. })), "{:?}", state.mode);
}
