//! Laws of the ranking that hold on any machine.

use proptest::prelude::*;

use super::super::report::Victim;
use super::super::victims;
use super::super::{Monitor, MonitorConfig};
use super::id;
use super::ranking::{Made, absorb, full, order};

fn any_process() -> impl Strategy<Value = Made> {
    (1_u32..60, 0_u64..9000, 0_u64..200, 0_u64..3000, 0_u64..500, -1000_i16..=1000)
        .prop_map(|(pid, statm, off, swap, tables, adj)| Made { pid, statm, stat: statm + off, swap, tables, adj })
}

fn any_processes() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(any_process(), 1..40).prop_map(|mut made| {
        made.sort_by_key(|made| made.pid);
        made.dedup_by_key(|made| made.pid);
        made
    })
}

fn place(made: &[Made], of: u32) -> Option<usize> {
    order(absorb(&full(0, made)).host().unwrap()).iter().position(|pid| *pid == of)
}

proptest! {
    #[test]
    fn the_same_snapshots_give_the_same_reports(passes in prop::collection::vec(any_processes(), 1..6)) {
        let mut monitors = [(); 2].map(|()| Monitor::new(MonitorConfig::default()));
        for (second, made) in passes.iter().enumerate() {
            let taken = full(second as u64, made);
            let [one, two] = monitors.each_mut().map(|monitor| monitor.absorb(&taken));
            prop_assert_eq!(one, two);
        }
    }

    #[test]
    fn more_of_anything_never_moves_a_process_back(
        before in any_processes(), pick: prop::sample::Index, more in 1_u64..5000, up in 1_i16..500
    ) {
        let index = pick.index(before.len());
        let of = before[index].pid;
        let Some(place_before) = place(&before, of) else { return Ok(()) };
        for change in 0..4 {
            let mut after = before.clone();
            let made = &mut after[index];
            match change {
                0 => (made.statm, made.stat) = (made.statm + more, made.stat + more),
                1 => made.swap += more,
                2 => made.tables += more,
                _ => made.adj = (made.adj + up).min(1000),
            }
            prop_assert!(place(&after, of).unwrap() <= place_before);
        }
    }

    #[test]
    fn the_order_is_that_of_badness_and_the_immune_come_behind(made in any_processes()) {
        let report = absorb(&full(0, &made));
        let host = report.host().unwrap();
        let eligible = host.victims.iter().take_while(|victim| victim.immune.is_none()).count();
        prop_assert!(host.victims[..eligible].is_sorted_by(|a, b| a.badness >= b.badness));
        prop_assert!(host.victims[eligible..].iter().all(|victim| victim.immune.is_some() && victim.rank == 0));
        prop_assert!(host.victims[..eligible].iter().map(|victim| victim.rank).eq(1..=eligible as u32));
        prop_assert_eq!(host.candidates as usize, eligible);
        prop_assert!(host.certain || eligible == 0);
    }

    #[test]
    fn the_preview_is_what_the_kernel_would_say(made in any_processes(), pick: prop::sample::Index, adj in -1000_i16..=1000) {
        let of = &made[pick.index(made.len())];
        let report = absorb(&full(0, &made));
        let preview = victims::with_adjustment(report.host().unwrap(), id(of.pid), adj);
        let mut written = made.clone();
        written.iter_mut().filter(|made| made.pid == of.pid).for_each(|made| made.adj = adj);
        let after = absorb(&full(1, &written));
        // Without the places of equals, which a preview does not promise.
        let shown = |list: &[Victim]| {
            let mut shown: Vec<_> =
                list.iter().map(|one| (one.immune, one.badness, one.adjustment_pages, one.id)).collect();
            shown.sort_unstable();
            shown
        };
        prop_assert_eq!(shown(&preview), shown(&after.host().unwrap().victims));
    }

    #[test]
    fn it_stops_being_first_exactly_there(made in any_processes()) {
        let report = absorb(&full(0, &made));
        let host = report.host().unwrap();
        let Some(first) = host.victims.first().filter(|first| first.immune.is_none()) else { return Ok(()) };
        let leads = |adj| victims::with_adjustment(host, first.id, adj)[0].id == first.id;
        match victims::stops_being_first_at(host, first.id) {
            Some(adj) => {
                prop_assert!(!leads(adj));
                prop_assert!(Some(adj + 1) == first.oom_score_adj || leads(adj + 1) || host.victims[1].badness == victims::with_adjustment(host, first.id, adj + 1)[0].badness);
            }
            None => prop_assert!(order(host).len() == 1),
        }
    }
}
