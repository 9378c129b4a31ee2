//! Ours against the `procfs` crate, on the live machine. A process that moved between two of our own readings need not
//! agree with a third; the crate's known faults are left out: names with a colon or bytes that are not UTF-8 in `status`.

#![allow(clippy::disallowed_methods, reason = "starts processes to look at")]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::snapshot::{Fact, Snapshot};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;
use oomtop::units::{Bytes, Pages, ProcessId};
use procfs::process::Process;
use procfs::{Current, CurrentSI};

fn everything() -> Needs {
    let groups = FactGroups::STATUS
        .union(FactGroups::STAT)
        .union(FactGroups::ADJUSTMENT)
        .union(FactGroups::CGROUP)
        .union(FactGroups::OOM_SCORE)
        .union(FactGroups::ROLLUP)
        .union(FactGroups::COMMAND)
        .union(FactGroups::EXECUTABLE);
    Needs { of_everyone: groups, ..Needs::default() }
}

fn open() -> Live {
    Live::open("/proc".as_ref(), "/sys".as_ref()).expect("a machine with procfs")
}

fn find<T>(facts: &[Fact<T>], id: ProcessId) -> Option<&T> {
    facts.iter().find(|fact| fact.id == id).and_then(|fact| fact.reading.as_ref().ok())
}

/// What procfs says of one process equals what we say, or the process is gone.
fn agrees(id: ProcessId, snapshot: &Snapshot) -> Result<(), String> {
    let Ok(theirs) = Process::new(id.pid.0.cast_signed()) else { return Ok(()) };
    let (Ok(stat), Ok(statm)) = (theirs.stat(), theirs.statm()) else { return Ok(()) };
    if stat.starttime != id.start_time.0 {
        return Ok(());
    }
    let kib = |size: Option<u64>| size.map(Bytes::from_kib);
    let same = |what: &str, equal: bool| if equal { Ok(()) } else { Err(format!("{what} of {}", id.pid)) };
    if let Some(ours) = find(&snapshot.stats, id) {
        same("name", String::from_utf8_lossy(ours.name.as_bytes()) == stat.comm)?;
        same("state", char::from(ours.state) == stat.state)?;
        same("parent", i64::from(ours.parent.0) == i64::from(stat.ppid))?;
        same("flags", ours.flags == stat.flags)?;
        same("threads", i64::from(ours.threads) == stat.num_threads)?;
        same("faults", (ours.minor_faults, ours.major_faults) == (stat.minflt, stat.majflt))?;
        same("vsize and rss", (ours.virtual_size, ours.rss) == (Bytes(stat.vsize), Pages(stat.rss)))?;
    }
    if let Some(ours) = find(&snapshot.statms, id) {
        let (size, resident) = (Pages(statm.size), Pages(statm.resident));
        same("statm", (ours.size, ours.resident) == (size, resident))?;
        same("statm", (ours.shared, ours.text) == (Pages(statm.shared), Pages(statm.text)))?;
    }
    if let (Some(ours), Ok(status)) = (find(&snapshot.statuses, id), theirs.status()) {
        same("users", (ours.uid, ours.effective_uid) == (status.ruid, status.euid))?;
        same("VmRSS", ours.rss == kib(status.vmrss))?;
        let parts = (kib(status.rssanon), kib(status.rssfile), kib(status.rssshmem));
        same("parts of RSS", (ours.rss_anon, ours.rss_file, ours.rss_shmem) == parts)?;
        same("VmHWM", ours.peak_rss == kib(status.vmhwm))?;
        same("VmSwap", ours.swap == kib(status.vmswap))?;
        same("VmLck", ours.locked == kib(status.vmlck))?;
        same("VmPTE", ours.page_tables == kib(status.vmpte))?;
        same("CapEff", ours.capabilities == status.capeff)?;
        let inner = status.nspid.as_ref().and_then(|numbers| numbers.last().copied());
        same("NSpid", ours.namespace_pid.map(|pid| i64::from(pid.0)) == inner.map(i64::from))?;
    }
    if let (Some(ours), Ok(score)) = (find(&snapshot.adjustments, id), theirs.oom_score_adj()) {
        same("oom_score_adj", *ours == score)?;
    }
    if let (Some(ours), Ok(score)) = (find(&snapshot.oom_scores, id), theirs.oom_score()) {
        same("oom_score", *ours == score)?;
    }
    if let (Some(ours), Ok(cgroups)) = (find(&snapshot.memberships, id), theirs.cgroups()) {
        let has_memory = |group: &&procfs::ProcessCGroup| group.controllers.iter().any(|name| name == "memory");
        let memory = cgroups.0.iter().find(has_memory).or(cgroups.0.iter().find(|group| group.hierarchy == 0));
        same("cgroup", memory.is_some_and(|group| group.pathname.as_bytes() == &*ours.0))?;
    }
    Ok(())
}

/// Whether a process stood still between two of our own readings: only then must others agree.
fn stood_still(id: ProcessId, before: &Snapshot, after: &Snapshot) -> bool {
    fn same<T: PartialEq>(id: ProcessId, before: &[Fact<T>], after: &[Fact<T>]) -> bool {
        find(before, id).is_some() && find(before, id) == find(after, id)
    }
    same(id, &before.stats, &after.stats)
        && same(id, &before.statms, &after.statms)
        && same(id, &before.statuses, &after.statuses)
        && same(id, &before.oom_scores, &after.oom_scores)
}

#[test]
fn every_process_of_the_machine_reads_as_procfs_reads_it() {
    let (mut checked, mut moving) = (0, 0);
    // A container may have nobody else: some that wait for the end of a pipe that only we hold.
    let wait = || Command::new("cat").stdin(Stdio::piped()).spawn().expect("starts");
    let company: Vec<Child> = (0..4).map(|_| wait()).collect();
    let first = open().sample(&everything()).expect("sampled");
    for &id in &first.roster {
        let mut before = Arc::clone(&first);
        // A process that runs and sleeps in turn looks the same to us twice and another way to them between: not often.
        for attempt in 1.. {
            let Err(what) = agrees(id, &before) else {
                checked += 1;
                break;
            };
            let after = open().sample(&everything()).expect("sampled");
            if !stood_still(id, &before, &after) {
                moving += 1;
                break;
            }
            assert!(attempt < 20, "{what} differs and does not move");
            before = after;
        }
    }
    assert!(checked > 3, "{checked} processes compared, {moving} moving");
    for mut child in company {
        drop(child.stdin.take());
        child.wait().expect("ends");
    }
}

#[test]
fn the_roster_is_what_procfs_lists_without_kernel_threads() {
    // Others come and go: what was there before and after must be listed.
    let list = || -> Vec<u32> {
        let processes = procfs::process::all_processes().expect("listed").filter_map(Result::ok);
        let user = processes.filter_map(|process| process.stat().ok().filter(|stat| stat.flags & 0x20_0000 == 0));
        user.map(|stat| stat.pid.cast_unsigned()).collect()
    };
    let before = list();
    let snapshot = open().sample(&Needs::default()).expect("sampled");
    let after = list();
    let ours: Vec<u32> = snapshot.roster.iter().map(|id| id.pid.0).collect();
    assert!(ours.is_sorted());
    for pid in before.iter().filter(|pid| after.contains(pid)) {
        assert!(ours.contains(pid), "{pid} is missing");
    }
    for pid in &ours {
        let Some(process) = Process::new(pid.cast_signed()).ok().and_then(|process| process.stat().ok()) else {
            continue;
        };
        assert_eq!(process.flags & 0x20_0000, 0, "{pid} is a kernel thread");
    }
}

#[test]
fn totals_of_the_machine_agree() {
    let near = |ours: Option<Bytes>, theirs: u64| ours.is_some_and(|ours| ours.0.abs_diff(theirs) < 64 << 20);
    // They move between the two reads, and hardly each time.
    let agreed = (0..50).find_map(|_| {
        let system = open().sample(&Needs::default()).expect("sampled").system.expect("read");
        let theirs = procfs::Meminfo::current().expect("read");
        assert_eq!(system.memory.total, Some(Bytes(theirs.mem_total)));
        assert_eq!(system.memory.swap_total, Some(Bytes(theirs.swap_total)));
        let all = near(system.memory.free, theirs.mem_free)
            && near(system.memory.available, theirs.mem_available.expect("since 3.14"))
            && near(system.memory.cached, theirs.cached);
        all.then_some(system)
    });
    let system = agreed.expect("near in one of 50 looks");
    assert!(system.events.oom_kill.is_some() && system.events.major_faults.is_some());
    let _ = procfs::KernelStats::current().expect("procfs reads this machine");
}

#[test]
fn the_machine_and_we_on_it() {
    let snapshot = open().sample(&Needs::default()).expect("sampled");
    let machine = &snapshot.machine;
    let own = machine.own.id.expect("this is our own procfs");
    assert_eq!(own.pid.0, std::process::id());
    assert!(snapshot.roster.contains(&own));
    assert_eq!(machine.page_size.0, procfs::page_size());
    assert_eq!(machine.user(0), Some("root"));
    assert!(!machine.kernel_release.is_empty() && !machine.boot_id.is_empty());
    assert!(machine.processors > 0);
    assert!(snapshot.cost.own_rss > Bytes(0) && snapshot.cost.descriptors > 0);
}

#[test]
fn our_own_mappings_and_their_sum_agree() {
    let mut live = open();
    let mut prober = Prober::open("/proc".as_ref()).expect("opens");
    let snapshot = live.sample(&Needs::default()).expect("sampled");
    let own = snapshot.machine.own.id.expect("own procfs");
    prober.observe(&snapshot);
    let needs = Needs {
        selected: Some(own),
        mappings: true,
        of_visible: FactGroups::ROLLUP.union(FactGroups::COMMAND),
        visible: vec![own],
        ..Needs::default()
    };
    // A slice ends when its time is over: on a busy machine there are several.
    let slices: Vec<_> = std::iter::from_fn(|| prober.probe(&needs)).take(100).collect();
    let command = slices.iter().find_map(|slice| find(&slice.commands, own)).expect("read");
    let theirs = Process::myself().expect("self").cmdline().expect("read");
    assert_eq!(command.arguments.split(|&byte| byte == 0).next(), theirs.first().map(String::as_bytes));
    let executable = slices.iter().find_map(|slice| find(&slice.executables, own)).expect("read");
    assert_eq!(std::env::current_exe().expect("known").as_os_str().as_encoded_bytes(), &*executable.path);

    let mappings = slices.iter().find_map(|slice| slice.mappings.as_ref()).expect("asked for");
    let mappings = mappings.reading.as_ref().expect("may read our own");
    let rollup = slices.iter().find_map(|slice| find(&slice.rollups, own)).expect("read");
    let sum: u64 = mappings.regions.iter().filter_map(|region| region.rss.get()).map(|rss| rss.0).sum();
    // Both reads are ours and we allocate between them.
    assert!(sum.abs_diff(rollup.rss.0) < 16 << 20, "{sum} and {:?}", rollup.rss);
    let theirs = Process::myself().expect("self").smaps().expect("read");
    let known = |start: u64| mappings.regions.iter().find(|region| region.start == start);
    let mut compared = 0;
    for map in theirs.0.iter().filter(|map| matches!(map.pathname, procfs::process::MMapPath::Path(_))) {
        let Some(ours) = known(map.address.0) else { continue };
        assert_eq!((ours.end, ours.inode), (map.address.1, map.inode));
        compared += 1;
    }
    assert!(compared > 3 && mappings.began < mappings.ended);
}
