//! Who dies next, on machines made by hand. The numbers of several are those of real kills.

use crate::snapshot::Snapshot;
use crate::snapshot::cgroup::{Cgroup, MemoryStat, Version};
use crate::snapshot::process::{CgroupPath, Stat, Status};
use crate::snapshot::system::{Machine, MemoryInfo, System};
use crate::units::{Bytes, Pages, Pid, ProcessId};

use super::super::report::{DomainKind, DomainReport, Immune, Report};
use super::super::victims;
use super::super::{Monitor, MonitorConfig};
use super::{fact, id, machine, snapshot};

/// One process: everything that decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub pid: u32,
    /// By statm and by stat, in pages.
    pub statm: u64,
    pub stat: u64,
    pub swap: u64,
    pub tables: u64,
    pub adj: i16,
}

pub(super) fn made(pid: u32, rss: u64) -> Made {
    Made { pid, statm: rss, stat: rss, swap: 0, tables: 0, adj: 0 }
}

/// All facts of these processes, read together.
pub(super) fn full(second: u64, made: &[Made]) -> Snapshot {
    let mut taken = snapshot(second, &made.iter().map(|made| (made.pid, made.statm)).collect::<Vec<_>>());
    let at = taken.ended;
    let kib = |pages: u64| Some(Bytes::from_kib(pages * 4));
    for made in made {
        taken.stats.push(fact(
            made.pid,
            at,
            Stat { rss: Pages(made.stat), state: b'S', threads: 1, ..Stat::default() },
        ));
        let status =
            Status { rss: kib(made.statm), swap: kib(made.swap), page_tables: kib(made.tables), ..Status::default() };
        taken.statuses.push(fact(made.pid, at, status));
        taken.adjustments.push(fact(made.pid, at, made.adj));
    }
    taken
}

pub(super) fn on(release: &str, mut taken: Snapshot) -> Snapshot {
    let own = machine();
    taken.machine = Machine { kernel_release: release.into(), oom_score_at_zero: None, ..Machine::clone(&own) }.into();
    taken
}

/// A cgroup with a limit in MiB whose members are in this order.
pub(super) fn group(path: &str, version: Version, limit: Option<u64>, members: &[u32]) -> Cgroup {
    Cgroup {
        limit: Some(limit.map(Bytes::from_mib)),
        usage: Some(Bytes::from_mib(10)),
        stat: MemoryStat { anon: Some(Bytes::from_mib(8)), shmem: Some(Bytes(0)), ..MemoryStat::default() },
        members: members.iter().map(|pid| id(*pid)).collect(),
        swappiness: Some(60),
        ..Cgroup::unread(CgroupPath::new(path), version, crate::units::Timestamp::from_secs(1000))
    }
}

pub(super) fn absorb(taken: &Snapshot) -> std::sync::Arc<Report> {
    Monitor::new(MonitorConfig::default()).absorb(taken)
}

pub(super) fn order(domain: &DomainReport) -> Vec<u32> {
    domain.victims.iter().filter(|victim| victim.immune.is_none()).map(|victim| victim.id.pid.0).collect()
}

pub(super) fn domain<'a>(report: &'a Report, path: &str) -> &'a DomainReport {
    report.domains.iter().find(|domain| domain.path == CgroupPath::new(path)).unwrap()
}

#[test]
fn the_killer_of_each_kernel_reads_its_own_counter() {
    // A real near tie on 6.18: 4962 and 4961 pages in truth, 4907 and 4920 in the counters that the killer read.
    let near = [Made { stat: 4907, ..made(10, 4962) }, Made { stat: 4920, ..made(20, 4961) }];
    assert_eq!(order(absorb(&on("6.18.44", full(0, &near))).host().unwrap()), [20, 10]);
    assert_eq!(order(absorb(&on("7.2.0", full(0, &near))).host().unwrap()), [10, 20]);
    let report = absorb(&on("6.18.44", full(0, &near)));
    let host = report.host().unwrap();
    assert_eq!((host.certain, host.margin, host.victims[0].rss), (true, Some(Pages(13)), Some(Pages(4920))));
}

#[test]
fn until_statm_was_read_stat_tells_the_size_and_who_goes_by_statm_is_not_certain() {
    for (release, certain) in [("6.18.44", true), ("7.2.0", false)] {
        let mut taken = on(release, full(0, &[made(10, 5000), made(20, 4000)]));
        taken.statms.clear();
        let report = absorb(&taken);
        assert_eq!(report.process(id(20)).unwrap().rss.get(), Some(Bytes::from_kib(16_000)), "{release}");
        let host = report.host().unwrap();
        assert_eq!((order(host), host.certain), (vec![10, 20], certain), "{release}");
    }
}

#[test]
fn page_tables_swap_and_adjustment_decide_with_rss() {
    // A real kill: 4191 pages and 4018 of page tables beat 5692 pages.
    let sparse = [Made { tables: 4018, ..made(10, 4191) }, made(20, 5692)];
    assert_eq!(order(absorb(&full(0, &sparse)).host().unwrap()), [10, 20]);
    let swapped = [Made { swap: 2000, ..made(10, 4000) }, made(20, 5692)];
    assert_eq!(order(absorb(&full(0, &swapped)).host().unwrap()), [10, 20]);
    // 16 GiB are 4,194,304 pages: +2 counts as 2 times 4194 of them.
    let raised = [Made { adj: 2, ..made(10, 100) }, made(20, 5692)];
    let report = absorb(&full(0, &raised));
    assert_eq!(order(report.host().unwrap()), [10, 20]);
    assert_eq!(report.host().unwrap().victims[0].adjustment_pages, 8388);
}

#[test]
fn a_limit_below_a_thousand_pages_makes_adjustment_count_for_nothing() {
    let mut taken = full(0, &[Made { adj: 1000, ..made(10, 100) }, made(20, 300)]);
    let mut tiny = group("/tiny", Version::V2, Some(3), &[10, 20]);
    tiny.limit = Some(Some(Bytes(3_670_016)));
    taken.cgroups = Some(vec![tiny]);
    let report = absorb(&taken);
    assert_eq!(order(domain(&report, "/tiny")), [20, 10]);
    let text = victims::explain(&domain(&report, "/tiny").victims[1], domain(&report, "/tiny"), Bytes(4096));
    assert!(text.contains("adj +1000 counts for nothing"), "{text}");
}

#[test]
fn of_equals_the_last_scanned_dies_where_the_order_can_be_seen() {
    let equal = [made(10, 500), made(20, 500), made(30, 400)];
    for (release, version, first, certain) in [
        ("6.18", Version::V2, 10, true),
        ("5.3", Version::V2, 10, true),
        ("5.2", Version::V2, 20, true),
        ("6.18", Version::V1, 10, false),
    ] {
        let mut taken = on(release, full(0, &equal));
        taken.cgroups = Some(vec![group("/a", version, Some(64), &[30, 20, 10])]);
        let report = absorb(&taken);
        let of = domain(&report, "/a");
        assert_eq!((of.certain, of.margin), (certain, Some(Pages(0))), "{release} {version:?}");
        if certain {
            assert_eq!(order(of)[0], first, "{release}");
            assert!(of.tied_with.is_empty() && of.doubt.is_none());
        } else {
            let either = [of.victims[0].id, of.tied_with[0]];
            assert!(either.contains(&id(10)) && either.contains(&id(20)));
            assert!(of.doubt.as_deref().unwrap().contains("one other is equally bad"), "{:?}", of.doubt);
        }
    }
    // In the machine the order is that of creation, whatever the numbers.
    let mut taken = full(0, &equal);
    let younger = ProcessId::new(10, 99_999);
    taken.roster[0] = younger;
    taken.statms[0].id = younger;
    taken.stats[0].id = younger;
    taken.statuses[0].id = younger;
    taken.adjustments[0].id = younger;
    assert_eq!(order(absorb(&taken).host().unwrap()), [10, 20, 30]);
    assert_eq!(order(absorb(&full(0, &equal)).host().unwrap()), [20, 10, 30]);
}

#[test]
fn the_exempt_are_shown_with_their_reason_and_never_lead() {
    let mut taken = full(
        0,
        &[
            made(1, 9000),
            Made { adj: -1000, ..made(10, 8000) },
            made(20, 7000),
            made(30, 6000),
            made(40, 10),
            Made { adj: -999, ..made(50, 0) },
        ],
    );
    let at = taken.ended;
    // Of a total that a thousand divides, -999 of it and no page score 0, and yet that one can be taken.
    taken.system = taken.system.map(|system| System {
        memory: MemoryInfo { total: Some(Bytes::from_kib(16_000_000)), ..system.memory },
        ..system
    });
    taken.oom_scores = vec![fact(20, at, 0), fact(50, at, 0)];
    taken.stats[3].reading = Ok(Stat { rss: Pages(6000), flags: 0x4, state: b'R', ..Stat::default() });
    let report = absorb(&taken);
    let host = report.host().unwrap();
    assert_eq!(order(host), [40, 50]);
    assert_eq!((host.candidates, host.ranked), (2, 2));
    let reasons: Vec<_> = host.victims[2..].iter().map(|victim| (victim.id.pid.0, victim.immune.unwrap())).collect();
    assert_eq!(reasons, [(1, Immune::Init), (10, Immune::Adjustment), (20, Immune::Kernel), (30, Immune::Dying)]);
    assert_eq!(report.process(id(40)).unwrap().risk, Some(1));
    assert_eq!(
        (report.process(id(1)).unwrap().risk, report.process(id(1)).unwrap().immune),
        (None, Some(Immune::Init))
    );
    // The init of a container is as good a victim as any.
    let own = machine();
    taken.machine = Machine { initial_pid_namespace: Some(false), ..Machine::clone(&own) }.into();
    assert_eq!(order(absorb(&taken).host().unwrap())[0], 1);
}

#[test]
fn each_limit_ranks_its_own_subtree_and_the_tightest_leads() {
    let mut taken = full(0, &[made(10, 100), made(20, 200), made(30, 300), made(40, 5000)]);
    let at = taken.ended;
    taken.memberships = vec![
        fact(10, at, CgroupPath::new("/pod/a")),
        fact(20, at, CgroupPath::new("/pod/b")),
        fact(30, at, CgroupPath::new("/pod")),
        fact(40, at, CgroupPath::new("/podium")),
    ];
    taken.cgroups = Some(vec![
        group("/pod", Version::V2, Some(512), &[30]),
        group("/pod/a", Version::V2, Some(64), &[10]),
        group("/pod/b", Version::V2, None, &[20]),
        group("/podium", Version::V2, Some(1024), &[40]),
    ]);
    let report = absorb(&taken);
    let names: Vec<_> = report.domains.iter().map(|domain| String::from_utf8_lossy(&domain.path.0)).collect();
    assert_eq!(names, ["/pod/a", "/pod", "/podium", "/"]);
    assert_eq!(order(domain(&report, "/pod")), [30, 20, 10]);
    assert_eq!(order(domain(&report, "/pod/a")), [10]);
    assert_eq!(order(domain(&report, "/podium")), [40]);
    let risk = |pid| report.process(id(pid)).unwrap().risk;
    assert_eq!((risk(10), risk(20), risk(30), risk(40)), (Some(1), Some(2), Some(1), Some(1)));
    let row = report.process(id(20)).unwrap();
    assert_eq!(report.leading_domain(row).unwrap().path, CgroupPath::new("/pod"));
    assert_eq!(domain(&report, "/pod/a").kind, DomainKind::CgroupV2);
}

#[test]
fn the_domain_that_is_named_is_the_one_in_which_the_risk_ranks() {
    let mut taken = full(0, &[made(10, 100), made(20, 200)]);
    // What each said of itself is older than the lists of the cgroups: they have moved since.
    taken.memberships =
        vec![fact(10, taken.ended, CgroupPath::new("/")), fact(20, taken.ended, CgroupPath::new("/tight"))];
    taken.cgroups =
        Some(vec![group("/tight", Version::V2, Some(64), &[10]), group("/roomy", Version::V2, Some(512), &[20])]);
    let report = absorb(&taken);
    for (pid, path) in [(10, "/tight"), (20, "/roomy")] {
        let row = report.process(id(pid)).unwrap();
        let named = report.leading_domain(row).unwrap();
        assert_eq!((named.path.clone(), order(named)), (CgroupPath::new(path), vec![pid]));
        assert_eq!(row.risk, Some(1));
    }
}

#[test]
fn a_victim_of_whom_nothing_could_be_read_has_unknown_parts_and_makes_doubt() {
    let mut taken = full(0, &[made(10, 5000), made(20, 100)]);
    taken.statms.retain(|fact| fact.id != id(20));
    taken.stats.retain(|fact| fact.id != id(20));
    taken.statuses.retain(|fact| fact.id != id(20));
    taken.adjustments.retain(|fact| fact.id != id(20));
    let report = absorb(&taken);
    let host = report.host().unwrap();
    let unknown = host.victims.iter().find(|victim| victim.id == id(20)).unwrap();
    assert_eq!((unknown.rss, unknown.oom_score_adj), (None, None));
    assert!(
        victims::explain(unknown, host, Bytes(4096))
            .ends_with("unknown RSS + unknown page tables + unknown swap, adj unknown")
    );
    assert_eq!((host.certain, &host.tied_with[..]), (false, &[id(20)][..]));
}

#[test]
fn nothing_is_certain_while_somebody_cannot_be_seen() {
    let mut taken = full(0, &[made(10, 5000), made(20, 100)]);
    let pod = Cgroup { unseen: Some(0), ..group("/pod", Version::V2, Some(512), &[10, 20]) };
    let below = |unseen| Cgroup { unseen, ..group("/pod/a", Version::V2, None, &[]) };
    let verdict = |taken: &Snapshot, path: &str| {
        let report = absorb(taken);
        let found = domain(&report, path);
        (found.certain, found.doubt.as_deref().unwrap_or_default().to_owned())
    };
    for (unseen, doubt) in [
        (None, ""),
        (Some(0), ""),
        (Some(1), "one of its processes cannot be seen from here"),
        (Some(3), "3 of its processes cannot be seen from here"),
    ] {
        taken.cgroups = Some(vec![pod.clone(), below(unseen)]);
        assert_eq!(verdict(&taken, "/pod"), (doubt.is_empty(), doubt.to_owned()));
        assert!(verdict(&taken, "/").0, "of the machine all are seen");
    }
    taken.system.as_mut().unwrap().init = None;
    assert_eq!(verdict(&taken, "/").1, "other users' processes are hidden here (hidepid)");
    let own = machine();
    taken.machine = Machine { initial_pid_namespace: Some(false), ..Machine::clone(&own) }.into();
    let outside = "processes outside this PID namespace cannot be seen from here";
    assert_eq!(verdict(&taken, "/").1, outside);
    // Their numbers read as 0 in a v2 list; a v1 list leaves them out.
    for (version, doubt) in [(Version::V2, ""), (Version::V1, outside)] {
        let pod = Cgroup { unseen: Some(0), ..group("/pod", version, Some(512), &[10, 20]) };
        taken.cgroups = Some(vec![pod, Cgroup { unseen: Some(0), ..group("/empty", version, Some(512), &[]) }]);
        assert_eq!(verdict(&taken, "/pod"), (doubt.is_empty(), doubt.to_owned()));
        let nobody = if doubt.is_empty() { "none of its processes is known" } else { outside };
        assert_eq!(verdict(&taken, "/empty"), (false, nobody.to_owned()));
    }
}

#[test]
fn a_deserted_cgroup_comes_last_however_small() {
    let mut taken = full(0, &[made(10, 100)]);
    // What it read and wrote files with is charged to it until somebody needs the memory.
    let deserted = |path, cache| {
        let stat = MemoryStat { anon: Some(Bytes(8192)), file: Some(cache), ..MemoryStat::default() };
        Cgroup { usage: Some(cache), stat, ..group(path, Version::V2, Some(1), &[]) }
    };
    let [empty, cache] = [deserted("/empty", Bytes(0)), deserted("/cache", Bytes::from_mib(40))];
    taken.cgroups = Some(vec![cache, empty, group("/job", Version::V2, Some(512), &[10])]);
    let report = absorb(&taken);
    let names: Vec<_> = report.domains.iter().map(|domain| domain.path.clone()).collect();
    assert_eq!(names, ["/job", "/", "/cache", "/empty"].map(CgroupPath::new));
    assert_eq!(report.process(id(10)).unwrap().risk, Some(1));
}

#[test]
fn what_was_not_read_together_is_doubted_and_asked_for() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let first = [made(10, 5000), made(20, 4900), made(30, 10)];
    let report = monitor.absorb(&full(0, &first));
    assert!(report.host().unwrap().certain);
    assert_eq!(monitor.candidates(), [id(10), id(20), id(30)]);
    drop(report);
    // Only statm was read, and one has moved to within the counters' error of the other.
    let report = monitor.absorb(&snapshot(1, &[(10, 5000), (20, 4990), (30, 10)]));
    let host = report.host().unwrap();
    assert!(!host.certain && host.doubt.is_some());
    assert_eq!((host.tied_with.as_slice(), host.ranked), ([id(20)].as_slice(), 2));
    drop(report);
    let settled = [made(10, 5000), Made { stat: 5050, ..made(20, 4990) }, made(30, 10)];
    let report = monitor.absorb(&full(2, &settled));
    let host = report.host().unwrap();
    assert!(host.certain);
    assert_eq!(order(host), [20, 10, 30]);
}

#[test]
fn who_may_have_another_adjustment_by_now_makes_doubt() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    let exempt = |adj| Made { adj, ..made(30, 9000) };
    let report = monitor.absorb(&full(0, &[made(10, 5000), made(20, 100), exempt(-1000)]));
    assert_eq!(report.host().unwrap().adjustments_age.map(|age| age.as_secs()), Some(0));
    // Who would lead without its exemption is looked at in every pass; who would not is not.
    assert_eq!(monitor.candidates(), [id(10), id(20), id(30)]);
    drop(report);
    let mut small = Monitor::new(MonitorConfig::default());
    small.absorb(&full(0, &[made(10, 5000), made(20, 100), Made { adj: -1000, ..made(30, 4999) }]));
    assert_eq!(small.candidates(), [id(10), id(20)]);
    for (second, certain) in [(59, true), (60, true), (61, false), (62, false)] {
        let mut taken = full(second, &[made(10, 5000), made(20, 100), exempt(-1000)]);
        taken.adjustments.retain(|fact| fact.id != id(20));
        let report = monitor.absorb(&taken);
        let host = report.host().unwrap();
        assert_eq!(host.adjustments_age.map(|age| age.as_secs()), Some(second), "the oldest");
        assert_eq!((host.certain, host.doubt.is_none()), (certain, certain), "after {second} s: {:?}", host.doubt);
    }
    let report = monitor.absorb(&full(63, &[made(10, 5000), Made { adj: 1000, ..made(20, 100) }, exempt(500)]));
    assert_eq!((report.host().unwrap().certain, order(report.host().unwrap())), (true, vec![20, 30, 10]));
}

#[test]
fn a_process_without_status_might_have_anything_in_swap() {
    let mut taken = full(0, &[made(10, 5000), made(20, 100)]);
    taken.system = taken.system.map(|system| System {
        memory: MemoryInfo {
            swap_total: Some(Bytes::from_mib(100)),
            swap_free: Some(Bytes::from_mib(50)),
            ..system.memory
        },
        ..system
    });
    assert!(absorb(&taken).host().unwrap().certain);
    taken.statuses.truncate(1);
    let report = absorb(&taken);
    let host = report.host().unwrap();
    assert_eq!((host.certain, host.tied_with.as_slice()), (false, [id(20)].as_slice()));
    assert_eq!((host.victims[1].swap, host.victims[1].page_tables), (None, None));
}

#[test]
fn a_dying_process_keeps_what_it_had() {
    let mut monitor = Monitor::new(MonitorConfig::default());
    monitor.absorb(&full(0, &[Made { swap: 50, tables: 7, ..made(10, 5000) }, made(20, 10)]));
    let mut dying = full(1, &[made(10, 0), made(20, 10)]);
    dying.statuses[0].reading = Ok(Status::default());
    dying.stats[0].reading = Ok(Stat { state: b'Z', ..Stat::default() });
    let report = monitor.absorb(&dying);
    let row = report.process(id(10)).unwrap();
    assert_eq!((row.swap.get(), row.page_tables.get()), (Some(Bytes::from_kib(200)), Some(Bytes::from_kib(28))));
    assert_eq!((row.immune, row.peak_rss.get()), (Some(Immune::Dying), Some(Bytes::from_kib(20_000))));
    assert_eq!(order(report.host().unwrap()), [20]);
}

#[test]
fn up_to_5_0_the_worst_child_dies_in_its_parents_place() {
    let mut taken = full(0, &[made(10, 5000), made(20, 100), made(30, 200), made(40, 4000)]);
    for stat in &mut taken.stats[1..3] {
        stat.reading = stat.reading.map(|stat| Stat { parent: Pid(10), ..stat });
    }
    let report = absorb(&on("5.0.21", taken.clone()));
    assert_eq!(order(report.host().unwrap()), [30, 10, 40, 20]);
    assert!(report.host().unwrap().policy.is_some());
    assert_eq!(order(absorb(&on("5.1.0", taken)).host().unwrap()), [10, 40, 30, 20]);
}

#[test]
fn a_kill_group_counts_all_that_go_together() {
    let mut taken = full(0, &[made(10, 900), made(20, 10), Made { adj: -1000, ..made(30, 10) }, made(40, 10)]);
    let at = taken.ended;
    taken.memberships = vec![fact(10, at, CgroupPath::new("/job/x"))];
    let mut job = group("/job", Version::V2, Some(64), &[20]);
    job.oom_group = Some(true);
    taken.cgroups =
        Some(vec![job, group("/job/x", Version::V2, None, &[10, 30]), group("/o", Version::V2, None, &[40])]);
    let report = absorb(&taken);
    assert_eq!(domain(&report, "/job").kill_group, Some(2));
    assert_eq!(report.host().unwrap().kill_group, Some(2));
    let both = [10, 20].map(|pid| report.process(id(pid)).and_then(|row| row.rss_anon.get()).expect("read").0);
    assert_eq!(domain(&report, "/job").kill_group_frees, Some(Bytes(both[0] + both[1])));
    // Whom nobody sees dies too, and what it gives back is not known.
    if let Some(cgroups) = &mut taken.cgroups {
        cgroups[1].unseen = Some(1);
    }
    let report = absorb(&taken);
    assert_eq!((domain(&report, "/job").kill_group, domain(&report, "/job").kill_group_frees), (Some(3), None));
}

#[test]
fn a_cgroup_whose_members_cannot_be_listed_takes_their_own_word() {
    let mut taken = full(0, &[made(10, 500), made(20, 500), made(30, 900)]);
    let at = taken.ended;
    taken.memberships = vec![fact(10, at, CgroupPath::new("/a/b")), fact(20, at, CgroupPath::new("/a"))];
    taken.cgroups = Some(vec![group("/a", Version::V2, Some(64), &[])]);
    let report = absorb(&taken);
    assert_eq!(domain(&report, "/a").candidates, 2);
    assert!(!domain(&report, "/a").certain);
}

#[test]
fn an_unknown_kernel_is_never_certain() {
    let report = absorb(&on("linux", full(0, &[made(10, 500)])));
    assert!(!report.host().unwrap().certain && report.host().unwrap().doubt.is_some());
}

#[test]
fn whom_the_child_that_dies_for_its_parent_does_not_reach_were_equally_bad() {
    let host = |rest: &[(u32, u64)]| {
        let rows: Vec<_> = [(10, 5000), (30, 200)].iter().chain(rest).map(|(pid, pages)| made(*pid, *pages)).collect();
        let mut taken = full(0, &rows);
        for (index, parent) in [(1, 10), (2, 10)] {
            if index == 1 || rest[0].0 == 31 {
                taken.stats[index].reading =
                    taken.stats[index].reading.map(|stat| Stat { parent: Pid(parent), ..stat });
            }
        }
        absorb(&on("4.18.0-553.el8", taken)).host().unwrap().clone()
    };
    let told = |host: &DomainReport| (order(host)[0], host.certain, host.margin, host.tied_with.clone());
    assert_eq!(
        told(&host(&[(40, 4000)])),
        (30, true, Some(Pages(1000)), vec![]),
        "the parent leads, and it has no sibling"
    );
    assert_eq!(told(&host(&[(31, 150), (40, 4000)])), (30, true, Some(Pages(50)), vec![]), "its sibling is nearer");
}
