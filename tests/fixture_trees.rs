//! The source on made-up trees: what must become a fact, what must be noticed, and that nothing of it is an error.

mod support;

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::snapshot::{Fact, Scope, Snapshot, Unreadable};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::{Budget, Prober};
use oomtop::units::{Bytes, Pages, Pid, ProcessId};
use support::fake_proc::{FakeProc, FakeProcess, hostile_names};

fn live(fake: &FakeProc) -> Live {
    Live::open(&fake.proc(), &fake.sys()).expect("opens")
}

fn pids(snapshot: &Snapshot) -> Vec<u32> {
    snapshot.roster.iter().map(|id| id.pid.0).collect()
}

fn of<T>(facts: &[Fact<T>], pid: u32) -> Option<&Result<T, Unreadable>> {
    facts.iter().find(|fact| fact.id.pid.0 == pid).map(|fact| &fact.reading)
}

/// Until `found` says so, at most a few passes: what is in rotation or in the other half comes in its turn.
fn within_passes(live: &mut Live, passes: usize, mut found: impl FnMut(&Snapshot) -> bool) -> bool {
    (0..passes).any(|_| found(&live.sample(&Needs::default()).expect("sampled")))
}

#[test]
fn a_tree_of_files_is_read_like_a_machine() {
    let fake = FakeProc::new();
    for pid in [1, 20, 300] {
        fake.put(&FakeProcess::new(pid));
    }
    fake.put(&FakeProcess { flags: 0x20_8040, size: 0, anonymous: 0, file: 0, ..FakeProcess::new(2) });
    let snapshot = live(&fake).sample(&Needs::default()).expect("sampled");
    assert_eq!(pids(&snapshot), [1, 20, 300], "kernel threads are not in the roster");
    let system = snapshot.system.expect("read");
    assert_eq!((system.tasks, system.kernel_threads, system.init), (4, 1, Some(Pid(1))));
    assert_eq!(system.memory.total, Some(Bytes::from_kib(16 << 20)));
    assert_eq!(system.events.oom_kill, Some(2));
    assert_eq!((snapshot.machine.hostname.as_str(), snapshot.machine.processors), ("fake01", 4));
    assert_eq!(snapshot.machine.own.id, None, "we are not in that tree");
    assert!(snapshot.machine.users.is_empty());
    let statm = of(&snapshot.statms, 20).expect("read").expect("read");
    assert_eq!((statm.resident, statm.shared), (Pages(1280), Pages(256)));
    for facts in [snapshot.stats.len(), snapshot.statuses.len(), snapshot.adjustments.len(), snapshot.memberships.len()]
    {
        assert_eq!(facts, 3, "everything warm is read at first sight");
    }
}

#[test]
fn of_thousands_at_once_only_the_biggest_are_read_twice_in_the_first_pass() {
    let fake = FakeProc::new();
    let last = 2_040;
    for pid in 1..last {
        fake.put(&FakeProcess::new(pid));
    }
    fake.put(&FakeProcess { anonymous: 1 << 20, ..FakeProcess::new(last) });
    let mut live = live(&fake);
    let first = live.sample(&Needs::default()).expect("sampled");
    assert_eq!(
        (first.roster.len(), first.stats.len()),
        (last as usize, last as usize),
        "everyone is there with a size"
    );
    assert_eq!(first.statms.len(), 2_000);
    assert!(of(&first.statms, last).is_some() && of(&first.statuses, last).is_some(), "the biggest stands last");
    let unread = |pid: &u32| of(&first.statms, *pid).is_none();
    let mut left: Vec<u32> = (1..=last).filter(unread).collect();
    let all = within_passes(&mut live, 2, |snapshot| {
        left.retain(|pid| of(&snapshot.statms, *pid).is_none());
        left.is_empty()
    });
    assert!(all, "after the third pass never read: {left:?}");
}

#[test]
fn names_of_any_bytes_are_facts() {
    let fake = FakeProc::new();
    for (name, pid) in hostile_names().into_iter().zip(100..) {
        fake.put(&FakeProcess { name, ..FakeProcess::new(pid) });
    }
    let snapshot = live(&fake).sample(&Needs::default()).expect("sampled");
    for (name, pid) in hostile_names().into_iter().zip(100..) {
        let stat = of(&snapshot.stats, pid).expect("read").expect("read");
        assert_eq!((stat.name.as_bytes(), stat.parent, stat.state), (&name[..], Pid(1), b'S'), "{name:?}");
    }
}

#[test]
fn exec_setuid_and_a_new_adjustment_are_noticed() {
    let fake = FakeProc::new();
    fake.put(&FakeProcess::new(10));
    let mut live = live(&fake);
    live.sample(&Needs::default()).expect("sampled");
    let changed = FakeProcess {
        name: b"go".to_vec(),
        uid: 7,
        text: 900,
        size: 9000,
        anonymous: 4000,
        oom_score_adj: -500,
        cgroup: b"0::/moved\n".to_vec(),
        ..FakeProcess::new(10)
    };
    fake.put(&changed);
    let (mut name, mut user, mut adjustment, mut cgroup) = (false, false, false, false);
    within_passes(&mut live, 12, |snapshot| {
        name |= of(&snapshot.stats, 10).is_some_and(|stat| stat.is_ok_and(|stat| stat.name.as_bytes() == b"go"));
        user |= of(&snapshot.statuses, 10).is_some_and(|status| status.is_ok_and(|status| status.uid == 7));
        adjustment |= of(&snapshot.adjustments, 10) == Some(&Ok(-500));
        cgroup |= matches!(of(&snapshot.memberships, 10), Some(Ok(path)) if *path.0 == *b"/moved");
        name && user && adjustment && cgroup
    });
    assert_eq!((name, user, adjustment, cgroup), (true, true, true, true));
}

#[test]
fn a_number_that_is_reused_is_another_process() {
    let fake = FakeProc::new();
    fake.put(&FakeProcess::new(10));
    let mut live = live(&fake);
    assert_eq!(live.sample(&Needs::default()).expect("sampled").roster, [ProcessId::new(10, 10)]);
    fake.remove(10);
    fake.write("proc/other", "so that the inode is not taken again");
    fake.put(&FakeProcess { start_time: 99, size: 5000, ..FakeProcess::new(10) });
    assert!(within_passes(&mut live, 4, |snapshot| snapshot.roster == [ProcessId::new(10, 99)]));
}

#[test]
fn who_ends_is_gone_from_the_roster() {
    let fake = FakeProc::new();
    fake.put(&FakeProcess::new(10));
    fake.put(&FakeProcess::new(11));
    let mut live = live(&fake);
    live.sample(&Needs::default()).expect("sampled");
    fake.remove(10);
    assert_eq!(pids(&live.sample(&Needs::default()).expect("sampled")), [11]);
}

#[test]
fn a_zombie_leader_with_living_threads_has_the_size_of_a_thread() {
    let fake = FakeProc::new();
    let leader =
        FakeProcess { state: 'Z', threads: 3, size: 0, anonymous: 0, file: 0, text: 0, ..FakeProcess::new(10) };
    fake.put(&leader);
    fake.write("proc/10/status", "Name:\tx\nUid:\t5\t5\t5\t5\nCapEff:\t0000000000000000\n");
    let thread = FakeProcess { pid: 12, threads: 3, ..FakeProcess::new(12) };
    for (tid, text) in [(10, leader.stat()), (11, leader.stat()), (12, thread.stat())] {
        fake.write(&format!("proc/10/task/{tid}/stat"), text);
    }
    fake.write("proc/10/task/12/statm", thread.statm());
    fake.write("proc/10/task/12/status", thread.status());
    let mut live = live(&fake);
    for _ in 0..3 {
        let needs = Needs { candidates: vec![ProcessId::new(10, 10)], ..Needs::default() };
        let snapshot = live.sample(&needs).expect("sampled");
        let stat = of(&snapshot.stats, 10).expect("read").expect("read");
        assert!(stat.leader_dead);
        assert_eq!(stat.rss, Pages(thread.anonymous + thread.file), "field 24 is what the killer counts before 7.0");
        assert_eq!(of(&snapshot.statms, 10).expect("read").expect("read").resident, Pages(1280));
        assert_eq!(of(&snapshot.statuses, 10).expect("read").expect("read").rss, Some(Bytes::from_kib(5120)));
    }
}

#[test]
fn torn_missing_and_strange_files_are_facts() {
    let fake = FakeProc::new();
    for pid in 10..15 {
        fake.put(&FakeProcess::new(pid));
    }
    fake.write("proc/10/statm", "1 2 3");
    fake.write("proc/11/stat", "11 (x");
    std::fs::remove_file(fake.path("proc/12/oom_score_adj")).expect("removed");
    std::fs::remove_file(fake.path("proc/13/status")).expect("removed");
    std::fs::create_dir(fake.path("proc/13/status")).expect("created");
    std::fs::remove_file(fake.path("proc/14/status")).expect("removed");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        fake.path("proc/14/status"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("made a FIFO");
    std::fs::create_dir(fake.path("proc/0099")).expect("created");
    std::fs::create_dir(fake.path("proc/99999999999999")).expect("created");
    std::fs::create_dir(fake.path("proc/15")).expect("created: ended before its files were read");

    let mut live = live(&fake);
    let snapshot = live.sample(&Needs::default()).expect("never an error");
    assert_eq!(pids(&snapshot), [10, 11, 12, 13, 14, 15]);
    assert_eq!(of(&snapshot.statms, 10), Some(&Err(Unreadable::Malformed)));
    assert_eq!(of(&snapshot.stats, 11), Some(&Err(Unreadable::Malformed)));
    assert_eq!(of(&snapshot.adjustments, 12), Some(&Err(Unreadable::Unsupported)));
    assert!(matches!(of(&snapshot.statuses, 13), Some(Err(_))));
    assert!(matches!(of(&snapshot.statuses, 14), Some(Err(_))), "and nobody waits for a FIFO");
    assert_eq!(of(&snapshot.stats, 15), Some(&Err(Unreadable::Unsupported)));
}

#[test]
fn a_tree_scope_follows_descendants_only() {
    let fake = FakeProc::new();
    fake.put(&FakeProcess { parent: 0, ..FakeProcess::new(1) });
    fake.put(&FakeProcess { parent: 1, ..FakeProcess::new(50) });
    fake.put(&FakeProcess { parent: 50, ..FakeProcess::new(20) });
    fake.put(&FakeProcess { parent: 20, ..FakeProcess::new(60) });
    fake.put(&FakeProcess { parent: 1, ..FakeProcess::new(70) });
    let mut live = live(&fake);
    let needs = Needs { scope: Scope::Tree(ProcessId::new(50, 50)), ..Needs::default() };
    let snapshot = live.sample(&needs).expect("sampled");
    assert_eq!(pids(&snapshot), [20, 50, 60]);
    assert_eq!(snapshot.stats.len(), 3);
    fake.remove(20);
    fake.put(&FakeProcess { parent: 1, ..FakeProcess::new(60) });
    fake.put(&FakeProcess { parent: 60, ..FakeProcess::new(61) });
    assert_eq!(pids(&live.sample(&needs).expect("sampled")), [50, 60, 61], "an orphan stays in its tree");
    assert_eq!(pids(&live.sample(&Needs::default()).expect("sampled")).len(), 5);
}

#[test]
fn every_group_of_everyone_is_in_the_first_report() {
    let fake = FakeProc::new();
    for pid in 1..=600 {
        fake.put(&FakeProcess { anonymous: u64::from(pid), ..FakeProcess::new(pid) });
    }
    let groups = FactGroups::STATUS
        .union(FactGroups::STAT)
        .union(FactGroups::ADJUSTMENT)
        .union(FactGroups::CGROUP)
        .union(FactGroups::OOM_SCORE)
        .union(FactGroups::ROLLUP)
        .union(FactGroups::COMMAND);
    let needs = Needs { of_everyone: groups, ..Needs::default() };
    let mut live = live(&fake);
    let snapshot = live.sample(&needs).expect("sampled");
    assert_eq!((snapshot.statuses.len(), snapshot.stats.len(), snapshot.oom_scores.len()), (600, 600, 600));
    assert_eq!((snapshot.adjustments.len(), snapshot.memberships.len()), (600, 600));

    let mut prober = Prober::open(&fake.proc()).expect("opens");
    prober.observe(&snapshot);
    let (mut commands, mut executables, mut rollups) = (0, 0, 0);
    let mut slices = 0;
    while let Some(slice) = prober.probe(&needs) {
        commands += slice.commands.len();
        executables += slice.executables.len();
        rollups += slice.rollups.len();
        slices += 1;
        assert!(slices < 10_000, "it comes to an end");
    }
    assert_eq!((commands, executables, rollups), (600, 600, 600));
}

#[test]
fn what_is_not_on_the_screen_is_filled_in_a_little_after_each_pass_the_biggest_first() {
    let fake = FakeProc::new();
    for pid in 1..=40 {
        fake.put(&FakeProcess { anonymous: u64::from(pid), ..FakeProcess::new(pid) });
    }
    let shown = ProcessId::new(3, FakeProcess::new(3).start_time);
    let needs =
        Needs { visible: vec![shown], of_visible: FactGroups::ROLLUP, of_rest: FactGroups::ROLLUP, ..Needs::default() };
    let mut live = live(&fake);
    let mut prober = Prober::open(&fake.proc()).expect("opens").spending(Budget::of_percent(100));
    let mut order = Vec::new();
    let mut begin = None;
    while order.len() < 40 {
        let pass = live.sample(&needs).expect("sampled");
        let begin = *begin.get_or_insert(pass.ended);
        assert!(pass.ended.since(begin).as_secs() < 60, "only {} were read", order.len());
        prober.observe(&pass);
        let mut after_this_pass = Vec::new();
        while let Some(slice) = prober.probe(&needs) {
            let read = slice.rollups.iter().map(|fact| fact.id.pid.0).filter(|pid| !order.contains(pid));
            after_this_pass.extend(read.rev());
        }
        let limit = if order.is_empty() { 17 } else { 16 };
        assert!(after_this_pass.len() <= limit, "{after_this_pass:?}");
        order.extend(after_this_pass);
    }
    let behind = order.iter().filter(|pid| **pid != 3).is_sorted_by(|one, next| one > next);
    assert!(order[0] == 3 && behind, "{order:?}");
}

#[test]
fn the_biggest_are_read_first_and_everyone_by_the_third_pass() {
    let fake = FakeProc::new();
    for pid in 1..=700 {
        fake.put(&FakeProcess { anonymous: u64::from(pid), ..FakeProcess::new(pid) });
    }
    let mut live = live(&fake);
    let first = live.sample(&Needs::default()).expect("sampled");
    assert_eq!((first.statms.len(), first.stats.len()), (700, 700));
    assert!(first.statuses.len() < 500, "{} in the first pass", first.statuses.len());
    assert!(of(&first.statuses, 700).is_some() && of(&first.statuses, 1).is_none());
    let mut known: std::collections::BTreeSet<_> = first.statuses.iter().map(|fact| fact.id).collect();
    for _ in 0..2 {
        known.extend(live.sample(&Needs::default()).expect("sampled").statuses.iter().map(|fact| fact.id));
    }
    assert_eq!(known.len(), 700);
}

#[test]
fn growth_is_seen_within_two_passes() {
    let fake = FakeProc::new();
    for pid in 1..=50 {
        fake.put(&FakeProcess::new(pid));
    }
    let mut live = live(&fake);
    for _ in 0..4 {
        live.sample(&Needs::default()).expect("sampled");
    }
    for pid in [7, 8] {
        fake.put(&FakeProcess { anonymous: 2048, ..FakeProcess::new(pid) });
        let seen = within_passes(&mut live, 2, |snapshot| {
            of(&snapshot.statms, pid).is_some_and(|statm| statm.is_ok_and(|statm| statm.resident == Pages(2304)))
                && of(&snapshot.statuses, pid).is_some()
        });
        assert!(seen, "{pid}");
    }
}

#[test]
fn what_many_processes_have_in_common_is_held_once() {
    let fake = FakeProc::new();
    for pid in 1..=20 {
        let common = FakeProcess {
            command: b"worker\0".to_vec(),
            executable: Some("/bin/worker".into()),
            ..FakeProcess::new(pid)
        };
        fake.put(&common);
    }
    let mut prober = Prober::open(&fake.proc()).expect("opens");
    prober.observe(&live(&fake).sample(&Needs::default()).expect("sampled"));
    // A slice ends when its time is over: on a busy machine there are several.
    let slices: Vec<_> = std::iter::from_fn(|| prober.probe(&Needs::default())).collect();
    let mut commands = slices.iter().flat_map(|slice| &slice.commands).map(|fact| fact.reading.as_ref().expect("read"));
    let first = commands.next().expect("everyone is new");
    assert!(commands.all(|one| std::sync::Arc::ptr_eq(one, first)));
    let mut executables = slices.iter().flat_map(|slice| &slice.executables);
    let first = executables.next().and_then(|fact| fact.reading.as_ref().ok()).expect("everyone is new");
    assert!(executables.all(|fact| fact.reading.as_ref().is_ok_and(|one| std::sync::Arc::ptr_eq(one, first))));
}

#[test]
fn who_warns_is_portrayed_once_and_behind_the_selected() {
    let fake = FakeProc::new();
    let smaps = b"1000-2000 rw-p 00000000 00:00 0 \nRss:                   4 kB\nVmFlags: rd wr \n".to_vec();
    fake.put(&FakeProcess { smaps: Some(smaps.clone()), ..FakeProcess::new(10) });
    fake.put(&FakeProcess { smaps: Some(smaps), ..FakeProcess::new(11) });
    let mut prober = Prober::open(&fake.proc()).expect("opens");
    prober.observe(&live(&fake).sample(&Needs::default()).expect("sampled"));
    let selected = Some(ProcessId::new(10, 10));
    let portraits = vec![ProcessId::new(11, 11), ProcessId::new(99, 1)];
    let mut needs = Needs { selected, mappings: true, portraits, ..Needs::default() };
    let mut slices = |needs: &Needs| {
        let mut read = Vec::new();
        while let Some(slice) = prober.probe(needs) {
            read.extend(slice.mappings.iter().map(|fact| ("selected", fact.id.pid.0, fact.reading.is_ok())));
            read.extend(slice.portrait.iter().map(|fact| ("portrait", fact.id.pid.0, fact.reading.is_ok())));
        }
        read
    };
    assert_eq!(slices(&needs), [("selected", 10, true), ("portrait", 11, true), ("portrait", 99, false)]);
    assert!(slices(&needs).is_empty(), "once is enough");
    needs.portraits.clear();
    assert!(slices(&needs).is_empty());
    needs.portraits.push(ProcessId::new(11, 11));
    assert_eq!(slices(&needs), [("portrait", 11, true)], "a later alarm is another one");
}

#[test]
fn mappings_are_read_at_once_and_then_in_their_pace() {
    let fake = FakeProc::new();
    let smaps = b"1000-2000 rw-p 00000000 00:00 0 \nRss:                   4 kB\nVmFlags: rd wr \n".to_vec();
    fake.put(&FakeProcess { smaps: Some(smaps), ..FakeProcess::new(10) });
    fake.put(&FakeProcess::new(11));
    let snapshot = live(&fake).sample(&Needs::default()).expect("sampled");
    let mut prober = Prober::open(&fake.proc()).expect("opens");
    prober.observe(&snapshot);
    let mut needs = Needs { selected: Some(ProcessId::new(10, 10)), mappings: true, ..Needs::default() };
    let mut read = |needs: &Needs| prober.probe(needs).and_then(|slice| slice.mappings.clone());
    let mappings = read(&needs).expect("selected just now").reading.expect("whole");
    assert_eq!((mappings.of, mappings.regions.len()), (ProcessId::new(10, 10), 1));
    assert!(read(&needs).is_none(), "not again at once");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(read(&needs).is_none(), "nor soon");
    needs.refresh = true;
    assert!(read(&needs).is_some(), "unless the user insists");
    needs.refresh = false;
    needs.selected = Some(ProcessId::new(11, 11));
    assert_eq!(read(&needs).expect("another one").reading, Err(Unreadable::Unsupported));
    needs.selected = Some(ProcessId::new(99, 1));
    assert!(read(&needs).is_none(), "who is not there is not read");
}
