//! Memory cgroups as facts: made-up trees of v1 and v2, and on a machine that lets us a real cgroup with a limit.

#[path = "oom/cgroup.rs"]
mod cgroup;
mod require;
mod support;

use std::fs;
use std::process::{Command, Stdio};

use cgroup::MemoryCgroup;
use oomtop::snapshot::cgroup::{Cgroup, Version};
use oomtop::snapshot::needs::Needs;
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::units::{Bytes, ProcessId};
use support::fake_proc::{FakeProc, FakeProcess};

fn cgroups(live: &mut Live) -> Vec<Cgroup> {
    live.sample(&Needs::default()).expect("sampled").cgroups.clone().expect("there is a hierarchy")
}

fn paths(cgroups: &[Cgroup]) -> Vec<String> {
    cgroups.iter().map(|cgroup| String::from_utf8_lossy(&cgroup.path.0).into_owned()).collect()
}

fn mountinfo(fake: &FakeProc, line: &str) {
    fake.write("proc/self/mountinfo", format!("22 27 0:21 / /proc rw - proc proc rw\n{line}\n"));
}

/// A machine with the memory controller on cgroup v2, and three processes in no cgroup yet.
fn v2_machine() -> FakeProc {
    let fake = FakeProc::new();
    mountinfo(&fake, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    for pid in [10, 11, 12] {
        fake.put(&FakeProcess::new(pid));
    }
    fake.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
    fake
}

#[test]
fn v2_limits_and_all_below_them() {
    let fake = v2_machine();
    let file = |directory: &str, name: &str, text: &str| fake.write(&format!("sys/fs/cgroup/{directory}{name}"), text);
    for (directory, limit, procs) in [
        ("free.slice/", "max\n", ""),
        ("free.slice/in/", "1048576\n", "12\n"),
        ("job/", "536870912\n", "11\n10\n9999\n0\n"),
        ("job/part/", "max\n", "12\n"),
    ] {
        file(directory, "memory.max", limit);
        file(directory, "cgroup.procs", procs);
    }
    file("job/", "memory.current", "500000000\n");
    file("job/", "memory.high", "max\n");
    file("job/", "memory.swap.max", "0\n");
    file("job/", "memory.swap.current", "0\n");
    file("job/", "memory.oom.group", "1\n");
    file("job/", "memory.stat", "anon 400000000\nfile 90000000\nshmem 0\nslab_unreclaimable 4096\n");
    file("job/", "memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n");

    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    let found = cgroups(&mut live);
    let mut sorted = paths(&found);
    sorted.sort();
    assert_eq!(sorted, ["/free.slice/in", "/job", "/job/part"]);
    let index = |path: &str| paths(&found).iter().position(|found| found == path).expect("found");
    assert!(index("/job") < index("/job/part"), "a parent comes before what is in it");

    let job = &found[index("/job")];
    assert_eq!((job.version, job.limit), (Version::V2, Some(Some(Bytes(536_870_912)))));
    assert_eq!((job.usage, job.high, job.swap_limit), (Some(Bytes(500_000_000)), Some(None), Some(Some(Bytes(0)))));
    assert_eq!(job.members, [ProcessId::new(11, 11), ProcessId::new(10, 10)], "in the order of the file");
    assert_eq!(job.unseen, Some(2), "9999 is not shown, 0 is somebody of another namespace");
    assert_eq!((job.oom_group, job.events.oom_kill), (Some(true), Some(1)));
    assert_eq!((job.stat.anon, job.stat.sock), (Some(Bytes(400_000_000)), None));
    let part = &found[index("/job/part")];
    assert_eq!((part.limit, part.usage), (Some(None), None));
    assert_eq!(part.members, [ProcessId::new(12, 12)]);

    fs::remove_dir_all(fake.path("sys/fs/cgroup/job/part")).expect("removed");
    assert_eq!(cgroups(&mut live).len(), 2, "who is gone is not shown");
}

#[test]
fn v2_groups_that_die_together_are_found_without_a_limit() {
    let fake = v2_machine();
    let file = |directory: &str, name: &str, text: &str| fake.write(&format!("sys/fs/cgroup/{directory}{name}"), text);
    for (directory, together, procs) in [
        ("pods/", "0\n", ""),
        ("pods/web/", "1\n", "10\n"),
        ("pods/web/app/", "0\n", "11\n"),
        ("pods/db/", "0\n", "12\n"),
    ] {
        file(directory, "memory.max", "max\n");
        file(directory, "memory.oom.group", together);
        file(directory, "cgroup.procs", procs);
    }
    let found = cgroups(&mut Live::open(&fake.proc(), &fake.sys()).expect("opens"));
    assert_eq!(paths(&found), ["/pods/web", "/pods/web/app"]);
    assert_eq!((found[0].oom_group, found[0].limit), (Some(true), Some(None)));
    assert_eq!((&found[1].members[..], found[1].oom_group), (&[ProcessId::new(11, 11)][..], Some(false)));
}

#[test]
fn a_cgroup_that_refuses_to_list_its_members_is_still_there() {
    let fake = FakeProc::new();
    mountinfo(&fake, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    fake.put(&FakeProcess::new(10));
    fake.write("sys/fs/cgroup/cgroup.controllers", "memory\n");
    fake.write("sys/fs/cgroup/job/memory.max", "536870912\n");
    fake.write("sys/fs/cgroup/job/cgroup.procs", "10\n");
    // As a threaded one, it has no memory.max, and its list opens but cannot be read.
    fs::create_dir_all(fake.path("sys/fs/cgroup/job/threaded/cgroup.procs")).expect("made");
    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    for _ in 0..2 {
        let found = cgroups(&mut live);
        let threaded = found.iter().find(|cgroup| *cgroup.path.0 == *b"/job/threaded").expect("it is there");
        assert_eq!((threaded.members.len(), threaded.unseen), (0, None));
    }
}

#[test]
fn v1_in_a_container_that_sees_only_its_own_part() {
    let fake = FakeProc::new();
    mountinfo(&fake, "35 31 0:32 /docker/4f2a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory");
    fake.put(&FakeProcess { cgroup: b"4:memory:/docker/4f2a\n0::/\n".to_vec(), ..FakeProcess::new(10) });
    let file = |name: &str, text: &str| fake.write(&format!("sys/fs/cgroup/memory/{name}"), text);
    file("memory.limit_in_bytes", "268435456\n");
    file("memory.usage_in_bytes", "100000000\n");
    file("memory.memsw.limit_in_bytes", "9223372036854771712\n");
    file("memory.memsw.usage_in_bytes", "100004096\n");
    file("memory.swappiness", "60\n");
    file("memory.stat", "cache 1\nhierarchical_memory_limit 134217728\ntotal_rss 90000000\n");
    file("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    file("memory.failcnt", "77\n");
    file("cgroup.procs", "10\n");

    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    let snapshot = live.sample(&Needs::default()).expect("sampled");
    let [only] = &snapshot.cgroups.as_ref().expect("there is a hierarchy")[..] else { panic!("one") };
    assert_eq!(*only.path.0, *b"/docker/4f2a");
    assert_eq!(snapshot.memberships[0].reading.as_ref().expect("read"), &only.path, "the process is in it");
    assert_eq!(only.hierarchical_limit, Some(Bytes::from_mib(128)));
    assert_eq!((only.memory_and_swap_limit, only.swap_usage), (Some(None), Some(Bytes(4096))));
    assert_eq!((only.events.oom_kill, only.events.max), (Some(3), Some(77)));
    assert_eq!((only.oom_kill_disabled, only.swappiness), (Some(false), Some(60)));
}

#[test]
fn without_a_memory_controller_there_are_no_cgroups() {
    let fake = FakeProc::new();
    mountinfo(&fake, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    fake.write("sys/fs/cgroup/cgroup.controllers", "cpu pids\n");
    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    assert_eq!(live.sample(&Needs::default()).expect("sampled").cgroups, None);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "starts the process that the program is to find")]
fn a_real_cgroup_with_a_limit_is_found_with_its_member() {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let real = MemoryCgroup::new(&root, "found", Some(64 << 20)).expect("makes a cgroup");
    // It waits for the end of a pipe that only we hold.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("starts");
    real.adopt(child.id()).expect("a process of our own moves");
    let found = cgroups(&mut Live::open("/proc".as_ref(), "/sys".as_ref()).expect("opens"));
    let ours = found.iter().find(|cgroup| *cgroup.path.0 == *real.path().as_bytes()).expect("found");
    assert_eq!(ours.limit, Some(Some(Bytes::from_mib(64))));
    assert_eq!(ours.members.iter().map(|id| id.pid.0).collect::<Vec<_>>(), [child.id()]);
    assert!(ours.usage.is_some() && ours.stat.anon.is_some() && ours.events.oom_kill.is_some());
    drop(child.stdin.take());
    assert!(child.wait().expect("ends").success());
}
