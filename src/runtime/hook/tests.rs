//! Hooks that work, fail, hang and are called too often. Refuses to need anything but `sh`.

#![expect(clippy::disallowed_methods, reason = "a test of what starts programs reads what they wrote")]

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::monitor::report::{Identity, ProcessReport, WarningState};
use crate::units::{MaybeKib, ProcessId, Rate, Timestamp, WallTime};

/// An alarm of a process with the worst name that the kernel allows.
fn call() -> HookCall {
    let mut process = ProcessReport::unread(ProcessId::new(4711, 99));
    process.identity = Arc::new(Identity { name: b"$(reboot)\x1b[2J\n;".as_slice().into(), ..Identity::default() });
    process.warning = WarningState::Growing;
    process.rss = MaybeKib::from_kib(8);
    process.growth = Rate::new(1024.0);
    let classes = crate::monitor::alarm::Classes::Waiting;
    let portrait = Some(Portrait { process, z_score: Some(4.25), classes });
    let alarm = AlarmReport { number: 1, at: Timestamp(0), wall: WallTime(0), portrait, domain: None };
    HookCall { alarm: Arc::new(alarm), withheld: 3 }
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

#[test]
fn the_facts_are_in_its_environment_and_no_name_is_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let script = format!("env | grep ^OOMTOP_ | sort > '{}'; read line || exit 0; exit 9", file.display());
    assert_eq!(run(&shell(&script), &facts(&call()), Duration::from_secs(30), None), Ok(()));
    let told = std::fs::read_to_string(file).unwrap();
    let expected = [
        "OOMTOP_ALARM=growing",
        "OOMTOP_GROWTH_BYTES_PER_S=1024",
        "OOMTOP_MESSAGE=$(reboot)\\x1b[2J\\n; 4711 grows faster than usual, +1.00K/s in its last 10s",
        "OOMTOP_NAME=$(reboot)\\x1b[2J\\n;",
        "OOMTOP_PID=4711",
        "OOMTOP_RSS_BYTES=8192",
        "OOMTOP_START_TIME_TICKS=99",
        "OOMTOP_TIME=1970-01-01T00:00:00.000Z",
        "OOMTOP_WITHHELD=3",
        "OOMTOP_Z_SCORE=4.2",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_failure_says_what_failed() {
    let told = |command: &[String]| run(command, &[], Duration::from_secs(30), None);
    assert_eq!(told(&shell("exit 3")), Err("sh: exit status: 3".into()));
    assert!(
        told(&["/no/such\nprogram".into()]).is_err_and(|error| error.starts_with("/no/such\\nprogram: No such file"))
    );
    assert_eq!(told(&[]), Ok(()));
}

#[test]
fn one_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("sleep 600 & echo $! $$ > '{}'; wait", file.display());
    // A shell on a busy machine may need longer to come so far.
    let pids = [2, 10, 50].into_iter().find_map(|seconds| {
        let outcome = run(&shell(&script), &[], Duration::from_secs(seconds), None);
        assert_eq!(outcome, Err(format!("sh: killed after {seconds}s")));
        std::fs::read_to_string(&file).ok().filter(|pids| pids.ends_with('\n'))
    });
    for pid in pids.expect("it begins").split_whitespace() {
        let begin = Instant::now();
        // The grandchild is reaped by whoever inherits it: until then it is a zombie.
        while std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(begin.elapsed() < Duration::from_secs(30), "{pid} lives");
            std::thread::sleep(LOOK);
        }
    }
}

#[test]
fn calls_beyond_one_that_runs_and_one_that_waits_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let script = format!("until [ -e '{}' ]; do sleep 0.05; done", gate.display());
    let config = AlarmConfig { hook: shell(&script), ..AlarmConfig::default() };
    let (hook, mut outcomes) = Hook::start(&config, None).unwrap();
    // However the thread comes along: one is in its hands, one may wait, the third must be refused.
    let refused: Vec<_> = (0..3).filter_map(|_| hook.call(call()).err()).collect();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|event| *event == Event::Hooked(Err("the previous one is still running".into()))));
    std::fs::write(gate, "").unwrap();
    for _ in refused.len()..3 {
        assert_eq!(outcomes.blocking_recv(), Some(Event::Hooked(Ok(()))));
    }
    let (hook, mut outcomes) = Hook::start(&AlarmConfig::default(), None).unwrap();
    assert_eq!((hook.call(call()), outcomes.blocking_recv()), (Ok(()), None));
}

/// Who follows the command of a run takes the statuses of its children as they end, on another thread: the one of a hook, which
/// had ended well, was gone then (`No child processes`).
#[test]
fn a_hook_is_waited_for_by_nobody_else() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let follower = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            crate::runtime::child::reap(|_, _| {});
        }
    });
    for _ in 0..10 {
        assert_eq!(run(&shell("exit 0"), &[], Duration::from_secs(30), None), Ok(()));
    }
    let hangs = run(&shell("sleep 600"), &[], Duration::from_millis(300), None);
    is_over.store(true, Ordering::Relaxed);
    follower.join().unwrap();
    assert_eq!(hangs, Err("sh: killed after 300ms".into()));
}
