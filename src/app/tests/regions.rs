//! The list of the mappings pane under keys and new reads.

use super::super::regions::Held;
use super::*;
use crate::app::Depth;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::{Fact, Snapshot};

/// The mappings of the selected process: three regions of 4, 8 and 2 MiB, plus `more` in the first; and a file.
fn mapped(state: &mut State, more: u64) {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let region = |at: u64, mib: u64, name| Region {
        start: at << 24,
        end: (at + 1) << 24,
        name,
        inode: u64::from(name),
        rss: MaybeKib::from_kib(mib << 10),
        ..Region::default()
    };
    let regions = vec![region(1, 4 + more, 0), region(2, 8, 0), region(3, 2, 0), region(4, 1, 1)];
    let names = vec![Box::default(), b"/srv/Table".as_slice().into()];
    let reading = Ok(Arc::new(Mappings { of: id(40), regions, names, ..Mappings::default() }));
    let read = Fact { id: id(40), at: Timestamp::from_secs(100), reading };
    monitor.absorb(&Snapshot { roster: vec![id(40)], mappings: Some(read), ..Snapshot::default() });
    let detail = monitor.detail(id(40)).expect("it is there");
    update(state, Event::Detail(Some(Arc::new(detail))));
}

#[test]
fn regions_are_listed_once_for_each_read_not_for_each_key_and_pass() {
    let mut state = state();
    mapped(&mut state, 0);
    press(&mut state, "33<enter>");
    let list = state.mappings.regions.as_ptr();
    press(&mut state, "<down><up><end>/3000<enter>");
    let again = state.detail.clone().expect("of the selected one");
    update(&mut state, Event::Detail(Some(again)));
    assert_eq!((state.mappings.regions.as_ptr(), state.mappings.cursor), (list, 2), "the same list in the same place");
    mapped(&mut state, 1);
    assert_ne!(state.mappings.regions.as_ptr(), list);
}

#[test]
fn regions_are_ordered_and_found_and_the_cursor_stays_on_its_region() {
    let mut state = state();
    mapped(&mut state, 0);
    press(&mut state, "33<enter>");
    assert_eq!((state.mappings.opened, state.mapping_lines()), (Some(MappingClass::Anonymous), 3));
    press(&mut state, "<down>");
    let starts = |state: &State| state.held();
    let second = starts(&state);
    assert_eq!(second, Some(Held::Region(1 << 24)), "behind the one of 8 MiB");
    mapped(&mut state, 10);
    assert_eq!((starts(&state), state.mappings.cursor), (None, 0), "now it leads");
    mapped(&mut state, 0);
    assert_eq!(state.mappings.cursor, 0, "at the top the cursor stays");
    press(&mut state, "/3000<enter>");
    assert_eq!((state.mappings.cursor, state.list.search.as_deref()), (2, None));
    press(&mut state, "ssss");
    assert_eq!((state.mappings.order, state.mappings.cursor), (RegionOrder::Address, 2));
    press(&mut state, "<esc><esc>");
    assert_eq!((state.mappings.search.clone(), state.mappings.opened), (None, None));
    press(&mut state, "<home><enter>s<home><enter>");
    assert_eq!((state.mappings.depth, state.held()), (Depth::Region, Some(Held::Region(2 << 24))), "the one of 8 MiB");
    mapped(&mut state, 10);
    assert_eq!((state.mappings.cursor, state.held()), (1, Some(Held::Region(2 << 24))), "though another leads now");
    press(&mut state, "<esc>");
    assert_eq!((state.mappings.depth, state.mappings.opened.is_some()), (Depth::List, true));
    press(&mut state, "<esc>");
    mapped(&mut state, 0);
    press(&mut state, "<end><enter>/tab");
    assert_eq!((state.mappings.opened, state.mappings.search.as_deref()), (Some(MappingClass::File), Some("tab")));
    assert!(matches!(&state.mode, Mode::Search(field) if field.error.is_none()), "capitals do not count");
    press(&mut state, "xx");
    assert!(matches!(&state.mode, Mode::Search(field) if field.error.is_some()));
}
