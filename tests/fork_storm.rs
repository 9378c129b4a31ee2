//! A storm of short processes on the live machine: passes go on, nothing is an error, no descriptor is left behind.

#![expect(clippy::disallowed_methods, reason = "starts the storm and counts its own descriptors")]

use std::io::{Read as _, Write as _};
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
    // Its own processes are its only ones: a shell forks and waits thousands of times a second.
    let folder = tempfile::tempdir().expect("a folder");
    let goes_on = folder.path().join("goes-on");
    std::fs::write(&goes_on, "").expect("written");
    let script = "n=0; while [ -e \"$0\" ]; do (exit 0); (exit 1); (exit 0); (exit 1); n=$((n + 4)); done; echo $n";
    let mut storm = Command::new("sh")
        .args(["-c", script])
        .arg(&goes_on)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
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
    let stormed = began.elapsed();
    std::fs::remove_file(&goes_on).expect("removed");
    let mut count = String::new();
    storm.stdout.take().expect("piped").read_to_string(&mut count).expect("text");
    storm.wait().expect("ended");
    let rate = count.trim().parse::<f64>().expect("a number") / stormed.as_secs_f64();
    // Past the capture of the test runner: what was weathered depends on the machine.
    let _ = writeln!(std::io::stderr(), "{rate:.0} short processes a second, {passes} passes in {stormed:.1?}");
    assert!(passes > 3, "{passes} passes");
    assert!(rate > 100.0, "no storm: {rate} a second");
    // Who is gone gave its descriptor back; what others do meanwhile is a few.
    let roster = live.sample(&Needs::default()).expect("sampled").roster.len();
    let open = open_descriptors();
    assert!(open < roster + 60, "{open} descriptors for {roster} processes, {unreadable} facts of the vanished");
    drop((live, prober));
    assert!(open_descriptors() < 60, "none is left behind");
}
