//! Laws of the ranking that hold on any machine.

use proptest::prelude::*;

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::Version;
use crate::snapshot::process::Stat;
use crate::units::{Pages, ProcessId};

use super::super::report::{DomainReport, Report, Victim};
use super::super::victims;
use super::super::{Monitor, MonitorConfig};
use super::ranking::{Made, absorb, domain, full, group, made, on, order};
use super::{fact, id};

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

/// Few, and so much alike that the error of the counters decides.
fn near_processes() -> impl Strategy<Value = Vec<Made>> {
    let sizes = prop::collection::vec(5000_u64..5400, 2..5);
    sizes.prop_map(|sizes| sizes.into_iter().zip(10..).map(|(size, pid)| made(pid, size)).collect())
}

/// A kernel, and the limit in MiB of the cgroup in which all of them are; `None`: the machine itself is full.
type Domain = (&'static str, Option<u64>);

fn any_domain() -> impl Strategy<Value = Domain> {
    let releases = vec!["4.18.0", "5.4.0", "6.1.0", "6.18.44", "7.2.0"];
    (prop::sample::select(releases), prop::option::of(1_u64..4000))
}

fn inside((release, limit): Domain, mut taken: Snapshot) -> Snapshot {
    let members: Vec<u32> = taken.roster.iter().map(|id| id.pid.0).collect();
    taken.cgroups = Some(limit.map(|limit| group("/limit", Version::V2, Some(limit), &members)).into_iter().collect());
    on(release, taken)
}

fn found(report: &Report, (_, limit): Domain) -> &DomainReport {
    domain(report, if limit.is_some() { "/limit" } else { "/" })
}

fn place(made: &[Made], of: u32, domain: Domain) -> Option<usize> {
    let report = absorb(&inside(domain, full(0, made)));
    order(found(&report, domain)).iter().position(|pid| *pid == of)
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
        before in any_processes(), pick: prop::sample::Index, more in 1_u64..5000, up in 1_i16..500,
        domain in any_domain()
    ) {
        let index = pick.index(before.len());
        let of = before[index].pid;
        let Some(place_before) = place(&before, of, domain) else { return Ok(()) };
        for change in 0..4 {
            let mut after = before.clone();
            let made = &mut after[index];
            match change {
                0 => (made.statm, made.stat) = (made.statm + more, made.stat + more),
                1 => made.swap += more,
                2 => made.tables += more,
                _ => made.adj = (made.adj + up).min(1000),
            }
            prop_assert!(place(&after, of, domain).unwrap() <= place_before);
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
    fn whoever_is_immune_never_leads(
        made in any_processes(), domain in any_domain(), scores in prop::collection::vec(0_u16..3, 60),
        dying in prop::collection::vec(prop::bool::weighted(0.2), 60)
    ) {
        let mut taken = full(0, &made);
        let at = taken.ended;
        for (index, made) in made.iter().enumerate() {
            taken.oom_scores.push(fact(made.pid, at, scores[index]));
            if dying[index] {
                let rss = Pages(made.stat);
                taken.stats[index].reading = Ok(Stat { rss, flags: 0x4, state: b'R', ..Stat::default() });
            }
        }
        let report = absorb(&inside(domain, taken));
        let found = found(&report, domain);
        for (index, made) in made.iter().enumerate() {
            let victim = found.victims.iter().find(|victim| victim.id.pid.0 == made.pid).unwrap();
            let is_spared = made.adj == -1000 || made.pid == 1 || dying[index];
            prop_assert!(!is_spared || victim.immune.is_some(), "{victim:?}");
            prop_assert_eq!(victim.immune.is_some(), victim.rank == 0);
        }
        let places: Vec<_> = found.victims.iter().map(|victim| victim.immune.is_some()).collect();
        prop_assert!(places.is_sorted(), "the immune come behind");
        let first = found.victims.first().filter(|first| first.immune.is_none()).map(|first| first.id);
        let risk = report.processes.iter().find(|row| row.risk == Some(1)).map(|row| row.id);
        prop_assert!(first.is_none() || risk.is_some());
        prop_assert!(found.tied_with.iter().all(|id| report.process(*id).unwrap().immune.is_none()));
    }

    /// RSS by `statm` is read of everyone in each pass, the killer's own counter and the rest only of some. What is
    /// called certain then is what all facts would say, as long as whose `statm` stands still stands still: between two
    /// looks it would have to take exactly as many pages as it gives back, on processors that keep different rests.
    #[test]
    fn certain_is_what_all_facts_say(
        before in near_processes(), moved in prop::collection::vec(prop::option::of(-150_i64..150), 60),
        read in prop::collection::vec((prop::bool::ANY, prop::bool::weighted(0.8)), 60), off in prop::collection::vec(prop::sample::select(vec![-1.0, 0.0, 1.0]), 60),
        domain in any_domain()
    ) {
        let mut monitor = Monitor::new(MonitorConfig::default());
        drop(monitor.absorb(&inside(domain, full(0, &before))));
        let error = monitor.rules().statm_error.0 as f64;
        let mut after = before.clone();
        for (index, made) in after.iter_mut().enumerate() {
            if let Some(by) = moved[index].filter(|by| *by != 0) {
                made.statm = made.statm.saturating_add_signed(by);
                made.stat = made.statm.saturating_add_signed((off[index] * error) as i64);
            }
        }
        let all = inside(domain, full(1, &after));
        let mut some = all.clone();
        let is_read = |id: ProcessId| read[before.iter().position(|made| made.pid == id.pid.0).unwrap()];
        some.stats.retain(|fact| is_read(fact.id).0);
        some.statuses.retain(|fact| is_read(fact.id).1);
        some.adjustments.clear();
        let report = monitor.absorb(&some);
        let said = found(&report, domain);
        if said.certain {
            let truth = absorb(&all);
            prop_assert_eq!(said.victims[0].id, found(&truth, domain).victims[0].id);
        }
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
