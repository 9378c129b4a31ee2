//! A storm of short processes on the live machine: passes go on, nothing is an error, no descriptor is left behind.

#![expect(clippy::disallowed_methods, reason = "starts the storm and counts its own descriptors")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("our own").count()
}

/// How many processes were started since boot: those of the storm, and what others start is a storm as well.
fn started() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").expect("procfs");
    let line = stat.lines().find_map(|line| line.strip_prefix("processes "));
    line.and_then(|count| count.trim().parse().ok()).expect("a number")
}

#[test]
fn a_storm_of_short_processes_is_weathered() {
    let descriptors = open_descriptors();
    let mut live = Live::open("/proc".as_ref(), "/sys".as_ref()).expect("opens");
    let mut prober = Prober::open("/proc".as_ref()).expect("opens");
    // Its own processes are its only ones: a shell forks and waits thousands of times a second.
    let folder = tempfile::tempdir().expect("a folder");
    let goes_on = folder.path().join("goes-on");
    std::fs::write(&goes_on, "").expect("written");
    // It ends with us as well.
    let script = "while [ -e \"$0\" ] && kill -0 $PPID; do (exit 0); (exit 1); (exit 0); (exit 1); done";
    let mut storm =
        Command::new("sh").args(["-c", script]).arg(&goes_on).stdin(Stdio::null()).spawn().expect("a shell");
    let groups = FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::COMMAND).union(FactGroups::ROLLUP);
    let (mut passes, mut unreadable) = (0, 0);
    let (began, before) = (Instant::now(), started());
    // However slow the machine is: so many births in so many passes.
    while passes < 20 || started() - before < 1000 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "no storm: {} births in {passes} passes",
            started() - before
        );
        let needs = Needs { of_everyone: groups, ..Needs::default() };
        let snapshot = live.sample(&needs).expect("never an error because of one process");
        assert!(snapshot.roster.is_sorted() && snapshot.statms.is_sorted_by_key(|fact| fact.id));
        assert!(snapshot.stats.is_sorted_by_key(|fact| fact.id));
        unreadable += snapshot.statms.iter().filter(|fact| fact.reading.is_err()).count();
        prober.observe(&snapshot);
        for _ in 0..5 {
            let Some(slice) = prober.probe(&needs) else { break };
            assert!(slice.commands.is_sorted_by_key(|fact| fact.id));
        }
        passes += 1;
    }
    let (stormed, births) = (began.elapsed(), started() - before);
    std::fs::remove_file(&goes_on).expect("removed");
    storm.wait().expect("ended");
    // Past the capture of the test runner: what was weathered depends on the machine.
    let _ = writeln!(std::io::stderr(), "{births} short processes and {passes} passes in {stormed:.1?}");
    // Who is gone gave its descriptor back; what others do meanwhile is a few.
    let roster = live.sample(&Needs::default()).expect("sampled").roster.len();
    let open = open_descriptors();
    assert!(open < descriptors + roster + 60, "{open} for {roster} processes, {unreadable} facts of the vanished");
    drop((live, prober));
    assert_eq!(open_descriptors(), descriptors, "none is left behind");
}
