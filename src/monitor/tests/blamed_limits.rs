//! Which limit a kill is laid on where the kernel's log says nothing: the one that was hit, or the machine.

use std::sync::Arc;

use crate::monitor::kill_report::Confidence;
use crate::monitor::report::Report;
use crate::monitor::{Monitor, MonitorConfig};
use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::process::CgroupPath;
use crate::snapshot::{Fact, Snapshot, Unreadable};
use crate::units::Bytes;

use super::kills::{BOTH, REST, only, second};

/// Without the kernel's log, in a second in which one of two is gone.
fn unheard(seconds: [Snapshot; 4], starved: impl Fn(&mut Cgroup, u64)) -> Arc<Report> {
    let mut monitor = Monitor::new(MonitorConfig::default());
    for (second, mut taken) in seconds.into_iter().enumerate() {
        taken.kernel_log = Some(Err(Unreadable::Denied));
        taken.cgroups.iter_mut().flatten().for_each(|cgroup| starved(cgroup, second as u64));
        monitor.absorb(&taken);
    }
    monitor.report()
}

fn one_of_two_vanishes() -> [Snapshot; 4] {
    [second(0, &BOTH, 3, 7), second(1, &BOTH, 3, 7), second(2, &REST, 4, 8), second(3, &REST, 4, 8)]
}

#[test]
fn a_machine_without_limits_that_ran_out_was_a_cgroup_that_is_not_known() {
    let seconds = one_of_two_vanishes().map(|taken| Snapshot { cgroups: Some(Vec::new()), ..taken });
    let report = unheard(seconds, |_, _| ());
    let kill = only(&report);
    assert_eq!(
        (kill.cause().as_str(), kill.confidence),
        ("probably when the machine ran out of memory", Confidence::Likely)
    );
    assert_eq!((kill.cause_in_short().as_str(), kill.candidates.len()), ("machine out of memory", 2));
    assert!(kill.why.as_ref().is_some_and(|why| why.starts_with("1st of 2")), "{:?}", kill.why);
}

#[test]
fn a_cgroup_whose_limit_was_not_hit_was_the_probable_reason() {
    // v2 counts `oom` before it looks for a victim: also in the pass before the one that sees the kill.
    let cause = |oom: [u64; 4]| {
        let report = unheard(one_of_two_vanishes(), |cgroup, second| cgroup.events.oom = Some(oom[second as usize]));
        only(&report).cause()
    };
    assert_eq!(cause([5, 5, 5, 5]), "probably when the machine ran out of memory");
    assert_eq!(cause([5, 5, 6, 6]), "probably at the limit of web (512M)");
    assert_eq!(cause([5, 6, 6, 6]), "probably at the limit of web (512M)");
    // v1 counts whenever the limit is in the way, and that of memory and swap apart.
    let cause = |failcnt: u64, swap_too: Option<Bytes>| {
        let report = unheard(one_of_two_vanishes(), |cgroup, second| {
            cgroup.version = Version::V1;
            cgroup.events.max = Some(if second < 2 { 5 } else { failcnt });
            cgroup.memory_and_swap_limit = Some(swap_too);
        });
        only(&report).cause()
    };
    assert_eq!(cause(5, None), "probably when the machine ran out of memory");
    assert_eq!(cause(9, None), "probably at the limit of web (512M)");
    assert_eq!(cause(5, Some(Bytes::from_mib(512))), "probably at the limit of web (512M)");
}

#[test]
fn the_lowest_limit_that_was_hit_is_told_and_not_the_tightest() {
    let nested = |taken: Snapshot| {
        let mut cgroups = taken.cgroups.clone().unwrap();
        let mut inner = cgroups[0].clone();
        inner.path = CgroupPath::new("/web/inner");
        // Less is left in the outer one, which others fill.
        inner.usage = Some(Bytes::from_mib(100));
        cgroups[0].members.clear();
        cgroups.push(inner);
        let memberships =
            taken.memberships.iter().map(|fact| Fact { reading: Ok(CgroupPath::new("/web/inner")), ..*fact });
        Snapshot { memberships: memberships.collect(), cgroups: Some(cgroups), ..taken }
    };
    let cause = |hit: &'static str| {
        let seconds = one_of_two_vanishes().map(nested);
        let report = unheard(seconds, |cgroup, second| {
            let rises = hit.starts_with(std::str::from_utf8(&cgroup.path.0).unwrap()) && second > 1;
            cgroup.events.oom = Some(5 + u64::from(rises));
        });
        only(&report).cause()
    };
    assert_eq!(cause("/web/inner"), "probably at the limit of web/inner (512M)");
    assert_eq!(cause("/web"), "probably at the limit of web (512M)");
}
