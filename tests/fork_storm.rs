//! A storm of short processes on the live machine: passes go on, nothing is an error, no descriptor is left behind.

#![expect(clippy::disallowed_methods, reason = "starts the storm and counts its own descriptors")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("our own").count()
}

#[test]
fn a_storm_of_short_processes_is_weathered() {
    let mut live = Live::open("/proc".as_ref(), "/sys".as_ref()).expect("opens");
    let mut prober = Prober::open("/proc".as_ref()).expect("opens");
    let mut storm = Command::new("sh")
        .args(["-c", "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do (exit 0) & (exit 1) & wait; done"])
        .stdin(Stdio::null())
        .spawn()
        .expect("a shell");
    let groups = FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::COMMAND).union(FactGroups::ROLLUP);
    let (mut passes, mut unreadable) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
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
    storm.wait().expect("ended");
    assert!(passes > 3, "{passes} passes");
    // Who is gone gave its descriptor back; what others do meanwhile is a few.
    let roster = live.sample(&Needs::default()).expect("sampled").roster.len();
    let open = open_descriptors();
    assert!(open < roster + 60, "{open} descriptors for {roster} processes, {unreadable} facts of the vanished");
    drop((live, prober));
    assert!(open_descriptors() < 60, "none is left behind");
}
