//! Every file that a pass reads, cut at every byte: nothing panics, one torn file is never an error, and what is said is
//! what the whole file said or nothing. A number that is only a part of one would be believed.

#![allow(clippy::disallowed_methods, reason = "a test writes the world that the program reads")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oomtop::snapshot::Fact;
use oomtop::snapshot::cgroup::Cgroup;
use oomtop::snapshot::mapping::Rollup;
use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;
use oomtop::units::Timestamp;
use support::fake_proc::{FakeProc, FakeProcess};

/// A machine whose numbers all have five digits and more, so that a part of one is told from the whole.
fn machine() -> FakeProc {
    let fake = FakeProc::new();
    let pid = 54_321;
    fake.put(&FakeProcess {
        parent: 43_219,
        threads: 12_347,
        uid: 23_456,
        size: 7_654_321,
        anonymous: 1_234_567,
        file: 345_678,
        text: 45_678,
        swap: 5_678_912,
        page_tables: 67_891,
        cgroup: b"7:memory:/job\n1:cpuset:/\n0::/\n".to_vec(),
        smaps: Some(
            b"00400000-00c00000 r-xp 00012000 08:01 1234567                    /usr/bin/fake\n\
              Size:              81920 kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n\
              Rss:               71234 kB\nPss:               61234 kB\nPss_Dirty:          51234 kB\n\
              Shared_Clean:      10234 kB\nShared_Dirty:          0 kB\nPrivate_Clean:     21234 kB\n\
              Private_Dirty:     31234 kB\nReferenced:        41234 kB\nAnonymous:         39876 kB\n\
              LazyFree:          19876 kB\nSwap:              29876 kB\nSwapPss:           28765 kB\n\
              Locked:            17654 kB\nVmFlags: rd ex mr mw me\n"
                .to_vec(),
        ),
        ..FakeProcess::new(pid)
    });
    fake.write("proc/pressure/memory", "some avg10=12.34 avg60=23.45 avg300=34.56 total=123456789\nfull avg10=1.23 avg60=2.34 avg300=3.45 total=98765432\n");
    fake.write("proc/vmstat", "pgmajfault 1234567\npswpin 2345678\npswpout 3456789\noom_kill 4567891\n");
    fake.write("proc/sys/vm/swappiness", "98765\n");
    fake.write("proc/sys/kernel/random/boot_id", "12345678-1234-5678-9abc-123456789abc\n");
    fake.write("sys/devices/system/cpu/possible", "0-54321\n");
    fake
}

/// With a memory cgroup of v1.
fn machine_v1() -> FakeProc {
    let fake = machine();
    fake.write(
        "proc/self/mountinfo",
        "22 27 0:21 / /proc rw - proc proc rw\n41 31 0:38 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    );
    let file = |name: &str, text: &str| fake.write(&format!("sys/fs/cgroup/memory/{name}"), text);
    file("memory.stat", "cache 4096\n");
    for (name, text) in [
        ("memory.limit_in_bytes", "536870912\n"),
        ("memory.usage_in_bytes", "423456789\n"),
        ("memory.max_usage_in_bytes", "523456789\n"),
        ("memory.memsw.limit_in_bytes", "936870912\n"),
        ("memory.memsw.usage_in_bytes", "723456789\n"),
        ("memory.kmem.usage_in_bytes", "123456789\n"),
        ("memory.failcnt", "34567\n"),
        ("memory.swappiness", "45678\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 56789\n"),
        (
            "memory.stat",
            "cache 12345678\ntotal_cache 112345678\ntotal_rss 212345678\ntotal_shmem 312345678\n\
             total_inactive_file 412345678\ntotal_active_file 512345678\ntotal_unevictable 612345678\n\
             hierarchical_memory_limit 536870912\n",
        ),
        ("cgroup.procs", "54321\n"),
    ] {
        file(&format!("job/{name}"), text);
    }
    fake
}

/// With one of v2.
fn machine_v2() -> FakeProc {
    let fake = machine();
    fake.write("proc/54321/cgroup", "0::/job\n");
    fake.write("proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    let file = |name: &str, text: &str| fake.write(&format!("sys/fs/cgroup/{name}"), text);
    file("cgroup.controllers", "cpu memory pids\n");
    for (name, text) in [
        ("memory.max", "536870912\n"),
        ("memory.high", "436870912\n"),
        ("memory.current", "423456789\n"),
        ("memory.peak", "523456789\n"),
        ("memory.swap.max", "336870912\n"),
        ("memory.swap.current", "223456789\n"),
        ("memory.oom.group", "1\n"),
        ("memory.events", "low 0\nhigh 12345\nmax 23456\noom 34567\noom_kill 45678\noom_group_kill 56789\n"),
        (
            "memory.pressure",
            "some avg10=12.34 avg60=23.45 avg300=34.56 total=223456789\nfull avg10=1.23 avg60=2.34 avg300=3.45 total=18765432\n",
        ),
        (
            "memory.stat",
            "anon 112345678\nfile 212345678\nkernel 312345678\nshmem 412345678\nsock 512345678\n\
             inactive_file 612345678\nactive_file 712345678\nunevictable 812345678\n\
             slab_reclaimable 912345678\nslab_unreclaimable 122345678\n",
        ),
        ("cgroup.procs", "54321\n"),
    ] {
        file(&format!("job/{name}"), text);
    }
    fake
}

fn write_readings<T: std::fmt::Debug>(text: &mut String, facts: &[Fact<T>]) {
    for fact in facts {
        let _ = writeln!(text, "{:?} {:?}", fact.id.pid, fact.reading);
    }
}

/// All that two looks at it say, but for times and what is text.
fn said(fake: &FakeProc) -> String {
    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("a torn file is no error");
    let mut prober = Prober::open(&fake.proc()).expect("a torn file is no error");
    let groups = [
        FactGroups::STATUS,
        FactGroups::STAT,
        FactGroups::ADJUSTMENT,
        FactGroups::ROLLUP,
        FactGroups::CGROUP,
        FactGroups::OOM_SCORE,
    ];
    let of_everyone = groups.into_iter().fold(FactGroups::NONE, FactGroups::union);
    let mut text = String::new();
    let mut needs = Needs { of_everyone, mappings: true, ..Needs::default() };
    for _ in 0..2 {
        let snapshot = live.sample(&needs).expect("a torn file is no error");
        let machine = &snapshot.machine;
        let _ = writeln!(text, "{} {:?} {:?}", machine.processors, machine.swappiness, snapshot.system);
        for name in [&machine.kernel_release, &machine.boot_id] {
            assert!(
                name.is_empty() || name == "6.18.0-fake" || name == "12345678-1234-5678-9abc-123456789abc",
                "{name}"
            );
        }
        write_readings(&mut text, &snapshot.statms);
        write_readings(&mut text, &snapshot.stats);
        write_readings(&mut text, &snapshot.statuses);
        write_readings(&mut text, &snapshot.adjustments);
        write_readings(&mut text, &snapshot.oom_scores);
        for cgroup in snapshot.cgroups.iter().flatten() {
            let cgroup = Cgroup { at: Timestamp::default(), members: Vec::new(), ..cgroup.clone() };
            let _ = writeln!(text, "{cgroup:?}");
        }
        needs.selected = snapshot.roster.first().copied();
        needs.candidates.clone_from(&snapshot.roster);
        prober.observe(&snapshot);
        while let Some(slice) = prober.probe(&needs) {
            for fact in &slice.rollups {
                let reading = fact.reading.map(|rollup| Rollup { took: Duration::ZERO, ..rollup });
                let _ = writeln!(text, "{reading:?}");
            }
            if let Some(fact) = &slice.mappings {
                let reading = fact.reading.as_ref().map(|mappings| mappings.regions.clone());
                let _ = writeln!(text, "{reading:?}");
            }
        }
    }
    text
}

/// The numbers in it that are long enough to be told from others.
fn numbers(text: &str) -> BTreeSet<u128> {
    let digits = text.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    digits.filter(|number| *number >= 1000).collect()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_symlink() {
        } else if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn cut_everywhere(fake: &FakeProc, least: usize) {
    let whole = said(fake);
    let known = numbers(&whole);
    assert!(known.len() >= least, "too little is read to say anything: {whole}");
    let mut paths = Vec::new();
    files(&fake.path("."), &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let text = std::fs::read(&path).expect("a file");
        for end in 0..text.len() {
            std::fs::write(&path, &text[..end]).expect("written");
            let invented: Vec<_> = numbers(&said(fake)).difference(&known).copied().collect();
            assert!(
                invented.is_empty(),
                "{} cut at {end}: {invented:?} of {:?}",
                path.display(),
                String::from_utf8_lossy(&text)
            );
        }
        std::fs::write(&path, &text).expect("written");
    }
    assert_eq!(numbers(&said(fake)), known);
}

#[test]
fn no_file_of_a_machine_with_cgroup_v1_is_believed_in_part() {
    cut_everywhere(&machine_v1(), 45);
}

#[test]
fn no_file_of_a_machine_with_cgroup_v2_is_believed_in_part() {
    cut_everywhere(&machine_v2(), 45);
}
