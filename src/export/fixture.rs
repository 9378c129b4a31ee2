//! A small machine for the tests of the exporters: every kind of known, unknown and refused value is on it.

use std::sync::Arc;
use std::time::Duration;

use crate::mapping_class::MappingClass;
use crate::monitor::kill_report::{
    AllSpared, Confidence, Evidence, Held, KillDomain, KillGroup, KillReport, Killed, Spared,
};
use crate::monitor::other_killers::{Floor, KillUnit, KillerReport, PressureRule, SparedCgroup, WatchedUnit};
use crate::monitor::report::{
    ClassReport, DomainKind, DomainReport, Identity, Immune, Level, MappingSums, MappingsReport, MappingsState,
    ProcessDetail, ProcessReport, Report, UnreadableReport, Victim, WarningState,
};
use crate::snapshot::Unreadable;
use crate::snapshot::mapping::{Mappings, Region};
use crate::snapshot::other_killer::KillerProgram;
use crate::snapshot::process::{CgroupPath, Command, Executable, GoBuild};
use crate::snapshot::system::{Machine, MemoryInfo, Pressure, PressureLine, System, VirtualMemoryEvents};
use crate::units::{Bytes, MaybeKib, Pages, Pid, ProcessId, Rate, StartTime, Timestamp, WallTime};

/// 2026-11-21T09:30:00.250Z.
const WALL: WallTime = WallTime(1_795_253_400_250_000_000);

pub fn report() -> Report {
    let machine = Machine {
        hostname: "build01".into(),
        kernel_release: "6.18.2".into(),
        page_size: Bytes(4096),
        users: vec![(0, "root".into()), (1000, "ci".into())],
        ..Machine::default()
    };
    let memory = MemoryInfo {
        total: Some(Bytes::from_mib(16_000)),
        free: Some(Bytes::from_mib(3_000)),
        available: Some(Bytes::from_mib(6_000)),
        shmem: Some(Bytes::from_mib(400)),
        swap_total: Some(Bytes(0)),
        swap_free: Some(Bytes(0)),
        ..MemoryInfo::default()
    };
    let pressure = Pressure {
        some: PressureLine { avg10: 0.31, avg60: 0.1, avg300: 0.0, total: 9 },
        full: PressureLine::default(),
    };
    Report {
        time: Timestamp::from_secs(1000),
        wall: WALL,
        interval: Some(Duration::from_millis(1002)),
        machine: Arc::new(machine),
        system: System {
            memory,
            pressure: Some(pressure),
            events: VirtualMemoryEvents { oom_kill: Some(2), ..VirtualMemoryEvents::default() },
            ..System::default()
        },
        processes: vec![hostile(), test_binary()],
        domains: vec![domain()],
        kills: vec![Arc::new(counted_kill()), Arc::new(group_kill())],
        unreadable: vec![UnreadableReport {
            field: "pss_bytes",
            reason: Unreadable::Denied,
            count: 1,
            pids: vec![Pid(1)],
        }],
        other_killers: vec![KillerReport {
            id: ProcessId::new(1, 2),
            program: KillerProgram::Earlyoom,
            unreadable: None,
            dry_run: false,
            floor: Some(Floor { available: Bytes(1 << 30), swap_free: Bytes(0), headroom: Some(Bytes(4096)) }),
            pressure: Some(PressureRule { percent: 50.0, seconds: 30 }),
            watched: vec![WatchedUnit { name: "user.slice".into(), on_swap: true, pressure_percent: Some(50.0) }],
            spared: vec![SparedCgroup {
                path: CgroupPath::new("/user.slice/vip.scope"),
                label: "vip.scope".into(),
                is_last_resort: true,
            }],
            unit: KillUnit::ProcessGroup,
            takes: Ok(ProcessId::new(30_987, 8_000)),
        }],
        ..Report::default()
    }
}

/// Everything about it is known.
fn test_binary() -> ProcessReport {
    let go = GoBuild { version: "go1.26.1".into(), path: "x.org/leak/a.test".into(), module: "x.org/leak".into() };
    let kib = MaybeKib::from_kib;
    ProcessReport {
        identity: Arc::new(Identity {
            name: b"a.test"[..].into(),
            uid: Some(1000),
            command: Some(Arc::new(Command { arguments: b"/tmp/a.test\0-test.v\0"[..].into(), cut: false })),
            executable: Some(Arc::new(Executable { go: Some(go), ..Executable::default() })),
            cgroup: Some(CgroupPath::new("/docker/web")),
            test_package: Some("x.org/leak/a".into()),
        }),
        sized_at: Timestamp::from_secs(1000),
        status_at: Timestamp::from_secs(1000),
        rollup_at: Timestamp::from_secs(999),
        virtual_size: Bytes::from_mib(1200),
        rss: kib(486_400),
        rss_anon: kib(480_000),
        rss_file: kib(6_400),
        rss_shmem: kib(0),
        swap: kib(12),
        page_tables: kib(1_020),
        peak_rss: kib(487_424),
        hugetlb: kib(0),
        pss: kib(483_000),
        uss: kib(482_000),
        swap_pss: kib(12),
        oom_score_adj: Some(300),
        oom_score: Some(868),
        parent: Pid(29_688),
        threads: 9,
        state: b'S',
        growth: Rate::new(1_992_294.4),
        trend: [0, 1, 2, 3, 4, 5, 6, 7],
        leading: Some(0),
        risk: Some(1),
        warning: WarningState::Growing,
        ..ProcessReport::unread(ProcessId::new(30_987, 8_000))
    }
}

/// Nothing is known of it but a name that wants to do harm.
fn hostile() -> ProcessReport {
    ProcessReport {
        identity: Arc::new(Identity { name: b"a\"\n\x1b[2J,\xff"[..].into(), ..Identity::default() }),
        immune: Some(Immune::Init),
        ..ProcessReport::unread(ProcessId::new(1, 2))
    }
}

fn domain() -> DomainReport {
    let victim = |rank, id, immune: Option<Immune>| Victim {
        rank,
        id,
        badness: 125_000,
        rss: Some(Pages(121_600)),
        swap: immune.is_none().then_some(Pages(3)),
        page_tables: immune.is_none().then_some(Pages(255)),
        adjustment_pages: 3_142,
        oom_score_adj: Some(300),
        immune,
    };
    DomainReport {
        kind: DomainKind::CgroupV2,
        path: CgroupPath::new("/docker/web"),
        label: "docker web".into(),
        limit: Bytes::from_mib(512),
        usage: Some(Bytes::from_mib(500)),
        unreclaimable: Some(Bytes::from_mib(478)),
        headroom: Some(Bytes::from_mib(34)),
        working_set: Some(Bytes::from_mib(490)),
        swap_usage: Some(Bytes(0)),
        swap_room: Some(Bytes::from_mib(128)),
        smallest_limit: Bytes::from_mib(512),
        limits_above_unseen: false,
        high: Some(Bytes::from_mib(448)),
        pressure: None,
        growth: Rate::new(1_258_291.0),
        time_left: Some(Duration::from_millis(28_400)),
        level: Level::Critical,
        kill_group: None,
        kill_group_frees: None,
        oom_kills: Some(0),
        total_pages: Pages(131_072),
        candidates: 2,
        ranked: 1,
        victims: vec![
            victim(1, ProcessId::new(30_987, 8_000), None),
            victim(0, ProcessId::new(1, 2), Some(Immune::Init)),
        ],
        margin: Some(Pages(117_000)),
        certain: true,
        tied_with: Vec::new(),
        adjustments_age: Some(Duration::from_millis(1500)),
        doubt: None,
        hides: false,
        policy: None,
    }
}

pub fn detail() -> ProcessDetail {
    let region = |start, size: u64, name, permissions| Region {
        start,
        end: start + size,
        name,
        permissions,
        rss: MaybeKib::from_kib(size / 1024),
        pss: MaybeKib::from_kib(size / 1024),
        swap: MaybeKib::from_kib(0),
        ..Region::default()
    };
    let sums = |mib, regions| MappingSums {
        rss: Bytes::from_mib(mib),
        pss: Bytes::from_mib(mib),
        regions,
        ..MappingSums::default()
    };
    let class = ClassReport::first;
    let known = MappingsReport {
        mappings: Arc::new(Mappings {
            ended: Timestamp::from_secs(988),
            names: vec![b""[..].into(), b"/srv/a,b\xff"[..].into()],
            regions: vec![region(0x40_0000, 1 << 20, 1, 10), region(0x00c0_0000_0000, 4 << 20, 0, 12)],
            ..Mappings::default()
        }),
        took: Duration::from_millis(7),
        next_due: Timestamp::from_secs(1001),
        total: sums(5, 2),
        classes: vec![class(MappingClass::Anonymous, sums(4, 1)), class(MappingClass::Executable, sums(1, 1))],
        class_of: vec![(MappingClass::Executable, false), (MappingClass::Anonymous, true)],
        change_of: vec![None, Some(4)],
        step_of: vec![None, Some(4)],
        trends: Vec::new(),
        changes: Vec::new(),
        since: Timestamp::from_secs(988),
        marked: false,
    };
    ProcessDetail {
        id: ProcessId::new(30_987, 8_000),
        series: Vec::new(),
        peak: None,
        slope: None,
        limit: None,
        time_left: None,
        warning: (WarningState::Quiet, None),
        z_score: None,
        ended: None,
        mappings: MappingsState::Known(Arc::new(known)),
        go: None,
    }
}

/// Only a counter tells of it.
fn counted_kill() -> KillReport {
    let mut kill = KillReport::unknown(1, Timestamp::from_secs(990), WALL);
    kill.evidence = vec![Evidence::Machine { from: 1, to: 2 }];
    kill
}

/// All that can be known of one.
fn group_kill() -> KillReport {
    let mut kill = KillReport::unknown(2, Timestamp::from_secs(995), WALL);
    let killed = |pid: u32, start_time: Option<u64>, name: &[u8]| Killed {
        id: start_time.map(|start| ProcessId { pid: Pid(pid), start_time: StartTime(start) }),
        pid: Pid(pid),
        is_of_host: false,
        name: name.into(),
    };
    kill.victim = Some(killed(70, Some(700), b"a\xff"));
    kill.confidence = Confidence::Certain;
    kill.domain = Some(KillDomain {
        label: "job".into(),
        path: (*b"/ci/job").into(),
        is_host: false,
        limit: Some(Bytes::from_mib(512)),
        is_told: true,
    });
    let (rss, page_tables) = (Bytes::from_mib(400), Some(Bytes::from_mib(1)));
    kill.held = Some(Held { rss, page_tables, swap: Some(Bytes(0)), is_told: true });
    kill.invoker = Some(((*b"b").into(), Some(Pid(71))));
    kill.candidate_count = 3;
    kill.why = Some("1st of 3".into());
    kill.group = Some(KillGroup { path: CgroupPath::new("/ci/job"), members: vec![killed(71, None, b"b")], count: 2 });
    kill.spared = Some(Spared {
        adjustment: Some(-12),
        less: Some(Bytes(8192)),
        instead: Some(killed(72, Some(720), b"c")),
        all: AllSpared { per_minute: Some(Bytes(6 << 20)), go: None },
    });
    kill.growth = Rate::new(1024.4);
    kill.usage = Some((Bytes::from_mib(512), Some(Bytes::from_mib(100))));
    kill.evidence = vec![
        Evidence::KernelLog { sequence: 9, text: "Killed process 70 (a)".into() },
        Evidence::Cgroup { path: "/ci/job".into(), from: 0, to: 2 },
        Evidence::Gone { after: Timestamp::from_secs(994), by: Timestamp::from_secs(995) },
    ];
    kill
}
