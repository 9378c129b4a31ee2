//! The files of whom somebody asks for stay open from pass to pass: they tell the same as ever, and are given back.

#![expect(clippy::disallowed_methods, reason = "starts the process that is looked at, and counts its own descriptors")]

use std::fs;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::snapshot::{Scope, Snapshot, Unreadable};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::units::ProcessId;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files of a process that we hold open, but for the one that has its size.
fn held(id: ProcessId) -> Vec<String> {
    let folder = format!("/proc/{}/", id.pid.0);
    let links = fs::read_dir("/proc/self/fd").expect("our own").flatten();
    let paths = links.filter_map(|link| fs::read_link(link.path()).ok()?.into_os_string().into_string().ok());
    let mut names: Vec<String> = paths.filter_map(|path| Some(path.strip_prefix(&folder)?.to_owned())).collect();
    names.retain(|name| name != "statm");
    names.sort();
    names
}

fn adjustment(snapshot: &Snapshot, id: ProcessId) -> Option<Result<i16, Unreadable>> {
    snapshot.adjustments.iter().find(|fact| fact.id == id).map(|fact| fact.reading)
}

#[test]
fn who_is_asked_for_is_read_through_files_that_stay_open_until_nobody_asks() {
    let child = Ended(Command::new("sleep").arg("600").spawn().expect("started"));
    let mut live = Live::open("/proc".as_ref(), "/sys".as_ref()).expect("opens");
    let first = live.sample(&Needs::default()).expect("sampled");
    // Our own children only: however many others there are, there is room for the files of these.
    let scope = Scope::Tree(first.machine.own.id.expect("our own procfs"));
    let id = *first.roster.iter().find(|id| id.pid.0 == child.0.id()).expect("listed");
    let groups = FactGroups::STAT.union(FactGroups::STATUS).union(FactGroups::ADJUSTMENT);
    let needs = Needs { of_visible: groups, visible: vec![id], candidates: vec![id], scope, ..Needs::default() };
    assert!(held(id).is_empty());

    let mut sample = |needs: &Needs| -> Arc<Snapshot> { live.sample(needs).expect("sampled") };
    // What rests is read in full in every second pass, whichever its number's turn is; what the killer counts of a
    // candidate in each.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sample_and_check = || {
        let pass = sample(&needs);
        assert!(pass.stats.iter().any(|fact| fact.id == id));
        assert!(matches!(adjustment(&pass, id), Some(Ok(_))));
        pass.statuses.iter().any(|fact| fact.id == id)
    };
    while sample_and_check() {
        assert!(Instant::now() < deadline, "it rests");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(sample_and_check(), "in every second pass");
    assert_eq!(held(id), ["oom_score", "oom_score_adj", "stat", "status"]);

    let changed = fs::write(format!("/proc/{}/oom_score_adj", id.pid.0), "777");
    changed.expect("higher is allowed to everybody");
    assert_eq!(adjustment(&sample(&needs), id), Some(Ok(777)));

    sample(&Needs { scope, ..Needs::default() });
    assert!(held(id).is_empty(), "nobody asks: {:?}", held(id));
    sample(&needs);
    drop(child);
    let after = sample(&needs);
    assert!(!matches!(adjustment(&after, id), Some(Ok(_))), "who is gone has no adjustment");
    sample(&needs);
    assert!(held(id).is_empty(), "who is gone holds nothing: {:?}", held(id));
}
