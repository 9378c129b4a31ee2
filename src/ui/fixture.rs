//! A machine in trouble, built by hand for the tests of drawing: one container about to be full, a tree of processes,
//! a history and mappings of the one that leaks.

mod go;
mod selected;

use std::sync::Arc;
use std::time::Duration;

use crate::app::{Event, State, update};
use crate::config::{Config, Look};
use crate::mapping_class::MappingClass;
use crate::monitor::alarm::{AlarmReport, Classes, Portrait};
use crate::monitor::kill_report::{
    AllSpared, Candidate, Confidence, Evidence, Held, KillDomain, KillReport, Killed, RankedBy, Spared,
};
use crate::monitor::report::{
    ClassReport, DomainKind, DomainReport, Identity, Immune, Level, MappingSums, ProcessReport, Report, Victim,
    WarningState,
};
use crate::snapshot::Cost;
use crate::snapshot::process::{CgroupPath, Command};
use crate::snapshot::system::{Machine, MemoryInfo, Pressure, PressureLine, System, VirtualMemoryEvents};
use crate::units::{Bytes, MaybeKib, Pages, Pid, ProcessId, Rate, Timestamp, WallTime};

pub use selected::detail;

/// When it is.
pub const NOW: Timestamp = Timestamp::from_secs(1_051_200);
const DOCKER: &str = "/docker/4f2a91";
const PAGE: Bytes = Bytes(4096);

/// The process that leaks.
pub const LEAKING: ProcessId = ProcessId::new(30987, 1000);

fn kib(mib: f64) -> MaybeKib {
    MaybeKib::from_kib((mib * 1024.0) as u64)
}

struct Sketch {
    pid: u32,
    parent: u32,
    uid: u32,
    rss: f64,
    growth: f64,
    adjustment: i16,
    cgroup: &'static str,
    name: &'static str,
    command: &'static str,
}

const SKETCHES: [Sketch; 12] = [
    sketch(1, 0, 0, 12.1, 0.0, 0, "/", "systemd", "/usr/lib/systemd/systemd --system"),
    sketch(402, 1, 0, 9.2, 0.0, -1000, "/system.slice/ssh", "sshd", "/usr/sbin/sshd -D"),
    sketch(966, 1, 0, 44.1, 0.0, -500, "/system.slice/docker", "dockerd", "/usr/bin/dockerd -H fd://"),
    sketch(
        1204,
        1,
        70,
        812.0,
        -0.1,
        -900,
        "/system.slice/pg",
        "postgres",
        "/usr/lib/postgresql/16/bin/postgres -D /var/lib/postgresql",
    ),
    sketch(1240, 1204, 70, 96.4, 0.0, -900, "/system.slice/pg", "postgres", "postgres: checkpointer"),
    sketch(29680, 966, 0, 0.4, 0.0, -1000, DOCKER, "tini", "/sbin/tini -- make test"),
    sketch(29688, 29680, 1001, 25.7, 0.0, 0, DOCKER, "go", "go test ./..."),
    sketch(30987, 29688, 1001, 475.0, 1.9, 0, DOCKER, "a.test", "/tmp/go-build1/b001/a.test -test.timeout=10m0s"),
    sketch(30990, 29688, 1001, 31.0, 0.2, 0, DOCKER, "b.test", "/tmp/go-build1/b002/b.test -test.timeout=10m0s"),
    sketch(31002, 1, 1000, 214.0, 0.0, 300, "/user.slice", "firefox", "/opt/firefox/firefox 漢字 --profile x"),
    sketch(
        31044,
        31002,
        1000,
        181.0,
        0.0,
        300,
        "/user.slice",
        "Web Content",
        "/opt/firefox/firefox -contentproc -childID 3",
    ),
    sketch(31066, 1, 1000, 3.1, 0.0, 0, "/user.slice", "evil", "evil\x1b[31m \u{202e}gnp.exe"),
];

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn sketch(
    pid: u32,
    parent: u32,
    uid: u32,
    rss: f64,
    growth: f64,
    adjustment: i16,
    cgroup: &'static str,
    name: &'static str,
    command: &'static str,
) -> Sketch {
    Sketch { pid, parent, uid, rss, growth, adjustment, cgroup, name, command }
}

fn process(sketch: &Sketch) -> ProcessReport {
    let arguments = sketch.command.replace(' ', "\0") + "\0";
    let growing = sketch.growth > 1.0;
    ProcessReport {
        identity: Arc::new(Identity {
            name: sketch.name.as_bytes().into(),
            uid: Some(sketch.uid),
            command: Some(Arc::new(Command { arguments: arguments.as_bytes().into(), cut: false })),
            cgroup: Some(CgroupPath::new(sketch.cgroup)),
            test_package: (sketch.name == "a.test").then(|| "example.com/goleak/a".into()),
            ..Identity::default()
        }),
        sized_at: NOW,
        status_at: NOW,
        rollup_at: Timestamp(NOW.0 - 40_000_000_000),
        virtual_size: Bytes::from_mib(1200),
        rss: kib(sketch.rss),
        rss_anon: kib(sketch.rss * 0.97),
        swap: kib(if sketch.pid == 1204 { 12.0 } else { 0.0 }),
        page_tables: kib(sketch.rss / 160.0),
        pss: if sketch.pid.is_multiple_of(2) { kib(sketch.rss * 0.9) } else { MaybeKib::UNKNOWN },
        oom_score_adj: Some(sketch.adjustment),
        parent: Pid(sketch.parent),
        threads: 9,
        state: b'S',
        growth: Rate::new(sketch.growth * 1_048_576.0),
        trend: if growing { [255, 0, 1, 2, 4, 5, 6, 7] } else { [0; 8] },
        leading: Some(u16::from(sketch.cgroup != DOCKER)),
        risk: risk(sketch.pid),
        immune: (sketch.adjustment == -1000).then_some(Immune::Adjustment),
        warning: if growing { WarningState::Imminent } else { WarningState::Quiet },
        ..ProcessReport::unread(ProcessId::new(sketch.pid, 1000))
    }
}

fn risk(pid: u32) -> Option<u32> {
    Some(match pid {
        30987 => 1,
        30990 | 31002 => 2,
        29688 | 31044 => 3,
        966 => 4,
        _ => return None,
    })
}

fn victim(rank: u32, pid: u32, mib: f64, adjustment: i16, total: i64, immune: Option<Immune>) -> Victim {
    let pages = |mib: f64| (mib * 256.0) as i64;
    let tables = mib / 160.0;
    let adjustment_pages = i64::from(adjustment) * (total / 1000);
    Victim {
        rank,
        id: ProcessId::new(pid, 1000),
        badness: pages(mib) + pages(tables) + adjustment_pages,
        rss: Some(Pages(pages(mib) as u64)),
        swap: Some(Pages(0)),
        page_tables: Some(Pages(pages(tables) as u64)),
        adjustment_pages,
        oom_score_adj: Some(adjustment),
        immune,
    }
}

fn domains() -> Vec<DomainReport> {
    let docker_pages: i64 = 512 * 256;
    let host_pages: i64 = 16 * 1024 * 256;
    let docker = DomainReport {
        kind: DomainKind::CgroupV2,
        path: CgroupPath::new(DOCKER),
        label: "docker 4f2a91".into(),
        limit: Bytes::from_mib(512),
        usage: Some(Bytes::from_mib(505)),
        unreclaimable: Some(Bytes::from_mib(478)),
        headroom: Some(Bytes::from_mib(34)),
        working_set: Some(Bytes::from_mib(490)),
        swap_usage: Some(Bytes(0)),
        swap_room: Some(Bytes::from_mib(128)),
        smallest_limit: Bytes::from_mib(512),
        limits_above_unseen: false,
        high: Some(Bytes::from_mib(448)),
        pressure: None,
        growth: Rate::new(1.2 * 1_048_576.0),
        time_left: Some(Duration::from_secs(28)),
        level: Level::Critical,
        kill_group: None,
        kill_group_frees: None,
        oom_kills: Some(1),
        total_pages: Pages(docker_pages.cast_unsigned()),
        candidates: 4,
        ranked: 4,
        victims: vec![
            victim(1, 30987, 475.0, 0, docker_pages, None),
            victim(2, 30990, 31.0, 0, docker_pages, None),
            victim(3, 29688, 25.7, 0, docker_pages, None),
            victim(0, 29680, 0.4, -1000, docker_pages, Some(Immune::Adjustment)),
        ],
        margin: Some(Pages(447 * 256)),
        certain: true,
        tied_with: Vec::new(),
        adjustments_age: None,
        doubt: None,
        hides: false,
        policy: None,
    };
    let host = DomainReport {
        kind: DomainKind::Host,
        path: CgroupPath::new("/"),
        label: "this machine".into(),
        limit: Bytes::from_mib(16_000),
        smallest_limit: Bytes::from_mib(16_000),
        high: None,
        headroom: Some(Bytes::from_mib(8_100)),
        growth: None,
        time_left: None,
        oom_kills: Some(2),
        total_pages: Pages(host_pages.cast_unsigned()),
        candidates: 214,
        ranked: 135,
        victims: vec![
            victim(1, 31002, 214.0, 300, host_pages, None),
            victim(2, 31044, 181.0, 300, host_pages, None),
            victim(3, 30987, 475.0, 0, host_pages, None),
            victim(0, 1, 12.1, 0, host_pages, Some(Immune::Init)),
        ],
        margin: Some(Pages(33 * 256)),
        certain: false,
        adjustments_age: None,
        doubt: Some("firefox and Web Content differ by less than the error of the kernel's counters".into()),
        ..docker.clone()
    };
    vec![docker, host]
}

fn system() -> System {
    let gib = |gib: f64| Some(Bytes((gib * 1_073_741_824.0) as u64));
    System {
        memory: MemoryInfo {
            total: gib(15.6),
            free: gib(3.3),
            available: gib(6.1),
            buffers: gib(0.1),
            cached: gib(4.2),
            anonymous: gib(7.2),
            shmem: gib(0.4),
            slab_reclaimable: gib(0.2),
            slab_unreclaimable: gib(0.3),
            kernel_stack: gib(0.05),
            page_tables: gib(0.15),
            percpu: gib(0.1),
            swap_total: gib(2.0),
            swap_free: gib(1.8),
            ..MemoryInfo::default()
        },
        pressure: Some(Pressure {
            some: PressureLine { avg10: 1.31, avg60: 0.2, avg300: 0.1, total: 0 },
            full: PressureLine::default(),
        }),
        events: VirtualMemoryEvents { oom_kill: Some(2), ..VirtualMemoryEvents::default() },
        tasks: 300,
        kernel_threads: 86,
        init: Some(Pid(1)),
    }
}

/// The report of that machine.
#[allow(clippy::needless_update, reason = "a fact that is added later needs no line here")]
pub fn report() -> Arc<Report> {
    let users = [(0, "root"), (70, "postgres"), (1000, "ana"), (1001, "ci")];
    Arc::new(Report {
        sequence: 100,
        time: NOW,
        wall: WallTime(0),
        interval: Some(Duration::from_secs(1)),
        machine: Arc::new(Machine {
            hostname: "build01".into(),
            kernel_release: "6.18.44".into(),
            page_size: PAGE,
            ticks_per_second: 100,
            processors: 8,
            users: users.map(|(uid, name)| (uid, name.into())).to_vec(),
            ..Machine::default()
        }),
        system: system(),
        swap_rates: Some((0.0, 12.0)),
        oom_kills_seen: Some(0),
        processes: SKETCHES.iter().map(process).collect(),
        domains: domains(),
        unreadable: Vec::new(),
        cost: Cost { own_rss: Bytes(5_347_737), pinned: Bytes(903_000), descriptors: 214, ..Cost::default() },
        own_cpu: Some(0.006),
        ..Report::default()
    })
}

/// The screen of that size with the leaking process selected.
pub fn state(size: (u16, u16), look: Look) -> State {
    let mut state = State::new(Arc::new(Config { look, ..Config::default() }), size);
    update(&mut state, Event::Report(report()));
    let report = report();
    let row = state.list.row_of(LEAKING, &report).unwrap_or_default();
    state.list.select_row(row, state.table_page(), &report);
    state.detail = Some(detail());
    state
}

/// The alarm of the process that leaks, of two minutes ago.
pub fn alarm() -> Arc<AlarmReport> {
    let mut process = report().process(LEAKING).expect("it is there").clone();
    process.warning = WarningState::Growing;
    process.rss = MaybeKib::from_kib(198 << 10);
    let class =
        |class, mib| ClassReport::first(class, MappingSums { rss: Bytes::from_mib(mib), ..MappingSums::default() });
    let classes = [class(MappingClass::GoHeap, 186), class(MappingClass::Executable, 3), class(MappingClass::Stack, 1)];
    let classes = Classes::Known(classes.into());
    let portrait = Some(Portrait { process, z_score: Some(5.2), classes });
    let at = Timestamp(NOW.0 - 102_000_000_000);
    Arc::new(AlarmReport { number: 1, at, wall: WallTime(0), portrait, domain: None })
}

/// The kill of the process that leaks, as all witnesses tell it, and an older one of which only a counter knows.
pub fn kills() -> Vec<Arc<KillReport>> {
    let domain = &domains()[0];
    let at = |seconds: u64| Timestamp(NOW.0 - seconds * 1_000_000_000);
    let mut named = KillReport::unknown(2, at(2460), WallTime(0));
    named.victim = Some(Killed { id: Some(LEAKING), pid: LEAKING.pid, is_of_host: false, name: (*b"a.test").into() });
    named.confidence = Confidence::Certain;
    let limit = Some(domain.limit);
    let path = (*DOCKER.as_bytes()).into();
    named.domain = Some(KillDomain { label: domain.label.clone(), path, is_host: false, limit, is_told: true });
    let (rss, page_tables) = (Bytes::from_mib(475), Some(Bytes::from_mib(3)));
    named.held = Some(Held { rss, page_tables, swap: Some(Bytes(0)), is_told: true });
    named.invoker = Some(((*b"b.test").into(), Some(Pid(30990))));
    named.candidate_count = 4;
    let name =
        |victim: &Victim| SKETCHES.iter().find(|sketch| sketch.pid == victim.id.pid.0).map_or("", |one| one.name);
    let who = |victim: &Victim| {
        let (id, name) = (victim.id, name(victim).as_bytes().into());
        Killed { id: Some(id), pid: id.pid, is_of_host: false, name }
    };
    let candidate = |victim: &Victim| Candidate { who: who(victim), victim: victim.clone() };
    named.candidates = domain.victims.iter().map(candidate).collect();
    named.ranked_by = RankedBy::LastLook(at(2461));
    named.why =
        Some("1st of 4: 475M RSS + 2.97M page tables + 0 swap, adj 0; next was b.test 30990, 447M behind".into());
    let other = Killed { id: None, pid: Pid(30990), is_of_host: false, name: (*b"b.test").into() };
    let go = go::report().advice.and_then(|advice| advice.into_iter().next());
    let all = AllSpared { per_minute: Some(Bytes::from_mib(114)), go };
    named.spared = Some(Spared { adjustment: Some(-874), less: Some(Bytes::from_mib(447)), instead: Some(other), all });
    let mut history = (*detail()).clone();
    history.series.iter_mut().for_each(|(time, _)| time.0 -= 2_460_000_000_000);
    history.ended = Some(named.at);
    named.history = Some(Arc::new(history));
    named.growth = Rate::new(1.9 * 1_048_576.0);
    named.alarmed = Some(at(2460 + 160));
    named.usage = Some((Bytes::from_mib(505), Some(Bytes::from_mib(35))));
    let text = "Memory cgroup out of memory: Killed process 30987 (a.test) total-vm:629080kB, anon-rss:480000kB";
    named.evidence = vec![
        Evidence::KernelLog { sequence: 10432, text: text.into() },
        Evidence::Cgroup { path: DOCKER.into(), from: 1, to: 2 },
        Evidence::Machine { from: 6, to: 7 },
        Evidence::Gone { after: at(2461), by: at(2460) },
    ];
    let mut counted = KillReport::unknown(1, at(9000), WallTime(0));
    counted.evidence = vec![Evidence::Machine { from: 5, to: 6 }];
    vec![Arc::new(counted), Arc::new(named)]
}
