//! oomtop outlives the OOM killer: in its own memory cgroup, shared with a process that fills it, and on a machine that
//! is full, each as root, who may protect it, and as nobody, who may not. Its screen stands, it tells the kill within two
//! intervals, and it knows what the victim had been doing. The same binary runs inside a virtual machine
//! (`tests/vm/boot`), where a full machine harms nobody.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/guest.rs"]
mod guest;
#[path = "oom/hog.rs"]
mod hog;
mod nobody;
mod program;
mod require;
mod session;
#[path = "oom/story.rs"]
mod story;
mod terminal;
#[path = "oom/vm.rs"]
mod vm;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use nobody::{AS_NOBODY, Ground, NOBODY};
use program::know_the_environment;
use story::{has_row, open_story, shows_until};
use terminal::Terminal;

/// Longer than anything takes in an emulated machine that shares its host.
const PATIENCE: Duration = Duration::from_secs(90);

/// Longer than a whole story takes on a machine that others fill: one that hangs says so within two minutes.
const STORY: Duration = Duration::from_secs(110);

/// How much later than due a program may run on such a machine.
const WAKING: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rights {
    Root,
    Nobody,
}

/// Starts oomtop with these rights, from its beginning inside the cgroup, with a hook that tells its oom_score_adj.
fn start(ground: &Ground, rights: Rights, interval: Duration, cgroup: Option<&MemoryCgroup>) -> Terminal {
    let config = ground.file("config.toml");
    let hook =
        format!("[alarm]\nhook = [\"sh\", \"-c\", \"cat /proc/self/oom_score_adj >> {}\"]\n", told(ground).display());
    fs::write(&config, hook).expect("written");
    nobody::open(&config, 0o644);
    let interval = interval.as_secs().to_string();
    let mut words: Vec<OsString> = vec![ground.oomtop.clone().into(), "-d".into(), interval.into()];
    // Who is shown is known to be in its cgroup.
    let shown = cgroup.map_or_else(|| "glutton|oomtop".to_owned(), |cgroup| format!("cgroup~{}", file_name(cgroup)));
    words.extend(["-f", &shown, "--config"].map(OsString::from));
    words.push(config.into());
    let mut command = if let Some(cgroup) = cgroup {
        if rights == Rights::Nobody {
            words.splice(0..0, AS_NOBODY.map(OsString::from));
        }
        let mut command = Command::new("sh");
        command.args(["-c", "echo 0 >\"$0\" && exec \"$@\""]).arg(cgroup.directory().join("cgroup.procs"));
        command
    } else {
        let mut command = Command::new(words.remove(0));
        if rights == Rights::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    know_the_environment(&mut command);
    command.args(words);
    Terminal::start(command, 120, 34)
}

fn file_name(cgroup: &MemoryCgroup) -> String {
    cgroup.directory().file_name().expect("below a root").to_string_lossy().into_owned()
}

/// Where the hook writes.
fn told(ground: &Ground) -> PathBuf {
    ground.file("told")
}

fn adjustment(pid: u32) -> Option<i16> {
    fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok()?.trim().parse().ok()
}

/// Whether root has CAP_SYS_RESOURCE here: in a container it may not.
fn may_lower() -> bool {
    const SYS_RESOURCE: u64 = 1 << 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    effective.is_some_and(|effective| effective & SYS_RESOURCE != 0)
}

fn has_locked_memory(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("VmLck:") && !line.ends_with(" 0 kB"))
}

fn shows(terminal: &mut Terminal, what: &str) -> Instant {
    shows_until(terminal, Instant::now() + PATIENCE, what, |screen| screen.contents().contains(what))
}

/// Fills the cgroup by 10 MiB a second until it is killed, and gives when that was. On a machine that is slow the last
/// quarter takes as long as the alarm, whose hook writes to this file.
fn fill(mut hog: Hog, told: &Path) -> Instant {
    for step in 0.. {
        let waits = step > 80 && fs::read_to_string(told).unwrap_or_default().is_empty();
        if !hog.does(if waits { "anon 64" } else { "anon 1024" }) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    Instant::now()
}

/// A hog fills the cgroup, or the machine, while oomtop looks on.
fn outlives(program: &Path, rights: Rights, interval: Duration, cgroup: Option<&MemoryCgroup>) {
    let end = Instant::now() + if cgroup.is_some() { STORY } else { PATIENCE * 4 };
    let ground = Ground::prepare();
    let mut hog = Hog::start(program);
    let pid = hog.pid();
    assert!(hog.does("name glutton"));
    if let Some(cgroup) = cgroup {
        cgroup.adopt(pid).expect("adopted");
    }
    assert!(hog.does("anon 8192"));
    let mut terminal = start(&ground, rights, interval, cgroup);
    // What protects it, as it says for a while, and as it is.
    shows_until(&mut terminal, end, "what protects it", |screen| screen.contents().contains("protected: "));
    let said = terminal.screen().contents();
    let (lowered, locked) = (said.contains("own oom_score_adj -999"), said.contains("memory locked as touched"));
    let own = terminal.pid();
    assert_eq!((lowered, locked), (adjustment(own) == Some(-999), has_locked_memory(own)), "{said}");
    assert_eq!(lowered, rights == Rights::Root && may_lower(), "{said}");
    shows_until(&mut terminal, end, "the hog", |screen| has_row(screen, &[&pid.to_string(), "glutton"]));

    // Slow enough for a few looks, and for an alarm before the end.
    let hook = told(&ground);
    let is_alone = cgroup.is_some();
    let growing = thread::spawn(move || if is_alone { fill(hog, &hook) } else { hog.grow(10) });
    terminal.press("5");
    let victim = format!("glutton {pid}");
    let seen = shows_until(&mut terminal, end, &victim, |screen| has_row(screen, &[&victim, "killed "]));
    let killed = growing.join().expect("grew");
    let later = seen.saturating_duration_since(killed);
    println!("{rights:?}: killed; the screen tells it {later:?} later");
    assert!(later <= interval * 2 + WAKING, "told {later:?} after the kill, with an interval of {interval:?}");
    // It goes on, and knows what went before: the story has the victim's growth. It ends as it was asked to.
    open_story(&mut terminal, end, &victim);
    shows_until(&mut terminal, end, "its growth", |screen| screen.contents().contains("It grew by "));
    println!("{}", terminal.screen().contents());
    // What it starts is not protected.
    let before = adjustment(std::process::id()).expect("readable").to_string();
    let told = fs::read_to_string(told(&ground)).expect("the hook was called");
    assert!(!told.is_empty() && told.lines().all(|line| line == before), "what the hook had: {told}");
    terminal.press("q");
    let status = terminal.ended(end.saturating_duration_since(Instant::now()).max(WAKING));
    assert!(status.is_some_and(|status| status.success()), "it ends as asked: {status:?}");
}

fn outlives_its_cgroup(rights: Rights) {
    // One after the other: each would see the other's kill. Where the first failed the second says why it did not try.
    static ONE: Mutex<()> = Mutex::new(());
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    if rights == Rights::Nobody && !require::tool("setpriv") {
        return;
    }
    let Some(program) = hog::compiled() else {
        require::missing("tools", "there is no C compiler");
        return;
    };
    let _one = ONE.lock().expect("the one before held");
    // Room for a debug build of oomtop; the rest is the victim's.
    let cgroup = MemoryCgroup::new(&root, &format!("survival-{rights:?}"), Some(128 << 20)).expect("made");
    outlives(&program, rights, Duration::from_secs(3), Some(&cgroup));
}

#[test]
fn it_outlives_a_kill_in_its_own_cgroup() {
    outlives_its_cgroup(Rights::Root);
}

#[test]
fn it_outlives_a_kill_in_its_own_cgroup_without_rights() {
    outlives_its_cgroup(Rights::Nobody);
}

#[test]
fn it_outlives_a_machine_that_is_full() {
    if std::env::var_os("OOMTOP_TEST_GUEST").is_none() {
        require::missing("guest", "fills the machine: only inside a virtual machine (tests/vm/boot)");
        return;
    }
    let program = hog::compiled().expect("was brought along");
    for rights in [Rights::Root, Rights::Nobody] {
        outlives(&program, rights, Duration::from_secs(5), None);
    }
}

fn in_guest(test: &str) {
    guest::run(336, Duration::from_secs(300), 1, &format!("/oom --nocapture {test}"));
}

#[test]
fn in_a_guest_that_is_full_it_lives_on() {
    in_guest("it_outlives_a_machine_that_is_full");
}

#[test]
fn in_a_guest_with_an_oom_group_it_is_told() {
    in_guest("it_says_that_it_dies_with_its_cgroup");
}

#[test]
fn it_says_that_it_dies_with_its_cgroup() {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let cgroup = MemoryCgroup::new(&root, "doomed", None).expect("made");
    if !cgroup.is_v2() {
        require::missing("cgroup-v2", "memory.oom.group is of cgroup v2");
        return;
    }
    cgroup.write("memory.oom.group", "1").expect("is there since 4.19");
    let ground = Ground::prepare();
    let mut terminal = start(&ground, Rights::Root, Duration::from_secs(1), Some(&cgroup));
    shows(&mut terminal, "an OOM kill in this cgroup kills oomtop too");
}

#[test]
fn what_protects_it_can_be_declined() {
    let own = adjustment(std::process::id());
    let mut plain = session::start(&["--protect=false"], 120, 34);
    session::until_live(&mut plain);
    assert_eq!((adjustment(plain.pid()), has_locked_memory(plain.pid())), (own, false));
    let mut bound = session::start(&["--read-only"], 120, 34);
    shows(&mut bound, "adj stays (read-only)");
    assert_eq!(adjustment(bound.pid()), own);
}
