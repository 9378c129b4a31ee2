//! A kill as it is seen from inside of a container whose kernel log may be read: the log has the process numbers and the
//! paths of cgroups of the machine's first namespaces, all else those of the container. It is one kill all the same, with
//! whom the kernel would have taken next.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/guest.rs"]
mod guest;
#[path = "oom/hog.rs"]
mod hog;
#[path = "oom/kernel_log.rs"]
mod kernel_log;
mod program;
mod require;
#[path = "oom/story.rs"]
mod story;
mod terminal;
#[path = "oom/vm.rs"]
mod vm;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use kernel_log::KernelLog;
use program::know_the_environment;
use story::{has_row, open_story, shows_until};
use terminal::Terminal;

/// Longer than a whole story takes on a machine that others fill.
const STORY: Duration = Duration::from_secs(110);

/// So few that nothing stands beside the sentences of a story.
const COLUMNS: u16 = 100;

/// By their paths: the shell of a guest has commands of its own of these names, which know no cgroup namespaces.
const UNSHARE: &str = "/usr/bin/unshare";
const NSENTER: &str = "/usr/bin/nsenter";

/// What unshare(1) makes a container of.
const NAMESPACES: [&str; 5] = ["--cgroup", "--pid", "--mount", "--fork", "--mount-proc"];

/// What it holds is bounded by this.
const LIMIT: u64 = 48 << 20;

/// What kind of container.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Container {
    /// The hierarchy of cgroups is mounted anew inside, as container runtimes do it, and a job inside has a limit.
    Job,
    /// That of the machine is seen: the paths of its cgroups lead out of our namespace first.
    Outside,
    /// The limit is that of the container: of the cgroup that is called `/` inside.
    Whole,
}

/// Starts a hog below this cgroup as the second process of namespaces of its own, which end with it.
fn contained(program: &Path, outer: &MemoryCgroup, container: Container) -> Hog {
    let root = if outer.is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" };
    let kind = if outer.is_v2() { "-t cgroup2" } else { "-t cgroup -o memory" };
    let mounting = match container {
        Container::Outside => String::new(),
        Container::Job | Container::Whole => format!("umount -l {root} && mount {kind} none {root} && "),
    };
    let (outer, program) = (outer.directory().display(), program.display());
    let script = format!(
        "echo $$ >{outer}/cgroup.procs\n\
         exec {UNSHARE} {} --kill-child \
         sh -c '{mounting}{program}; exec cat >/dev/null'",
        NAMESPACES.join(" ")
    );
    Hog::start_by(Command::new("sh").args(["-c", &script]))
}

/// What this process has started, and that in turn, down to the last.
fn last_below(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it lives");
    children.split_whitespace().next().map_or(pid, |child| last_below(child.parse().expect("a number")))
}

fn number_inside(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with("NSpid:")).expect("it is there since Linux 4.1");
    line.split_whitespace().last().expect("a number").to_owned()
}

/// What stands on the screen, whatever lines it was broken into.
fn words(screen: &vt100::Screen) -> String {
    let rows: Vec<String> = screen.rows(0, COLUMNS).collect();
    rows.iter().flat_map(|row| row.split_whitespace()).collect::<Vec<_>>().join(" ")
}

fn is_told_once(container: Container) {
    // One after the other: of two kills in one look neither tells which path of the log is whose cgroup.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let end = Instant::now() + STORY;
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    if !require::tool(UNSHARE) || !require::tool(NSENTER) {
        return;
    }
    if !Command::new(UNSHARE).args(NAMESPACES).arg("true").status().is_ok_and(|status| status.success()) {
        require::missing("namespaces", "a container cannot be made here");
        return;
    }
    if fs::File::open("/dev/kmsg").is_err() {
        require::missing("kmsg", "the kernel's log may not be read");
        return;
    }
    let Some(program) = hog::compiled() else {
        require::missing("tools", "there is no C compiler");
        return;
    };
    let mut log = KernelLog::open();
    let whole = (container == Container::Whole).then_some(LIMIT);
    let outer = MemoryCgroup::new(&root, &format!("contained-{container:?}"), whole).expect("made");
    let mut hog = contained(&program, &outer, container);
    // No other kill in the log is of this name.
    let name = format!("in{}-{}", container as u8, std::process::id());
    assert!(hog.does(&format!("name {name}")));
    let inside = last_below(hog.pid());
    let target = inside.to_string();
    let enter = || {
        let mut command = Command::new(NSENTER);
        command.args(["--target", &target, "--pid", "--mount", "--cgroup"]);
        command
    };
    let mut companion = Hog::start_by(enter().arg(&program));
    assert!(companion.does("name companion") && companion.does("anon 8192"));
    let inner = (container != Container::Whole).then(|| {
        // On v2 only leaves have processes, and a namespace begins where it was made.
        let lobby = outer.child("lobby", None).expect("made");
        for pid in outer.members() {
            lobby.adopt(pid as u32).expect("adopted");
        }
        outer.delegate().expect("its own");
        (outer.child("job", Some(LIMIT)).expect("made"), lobby)
    });
    let domain = inner.as_ref().map_or(&outer, |(job, _)| job);
    let beside = last_below(companion.pid());
    for pid in [inside, beside] {
        domain.adopt(pid).expect("adopted");
    }

    let mut command = enter();
    know_the_environment(&mut command);
    command.arg(program::oomtop().get_program()).args(["-d", "1", "-f", &format!("{name}|companion")]);
    let mut terminal = Terminal::start(command, COLUMNS, 40);
    let [number, next] = [inside, beside].map(number_inside);
    assert_ne!(number, inside.to_string());
    for (number, name) in [(&number, name.as_str()), (&next, "companion")] {
        shows_until(&mut terminal, end, name, |screen| has_row(screen, &[number, name]));
    }
    // Whose limit it is that matters here, and that those above it cannot be seen, where nothing tells them.
    let place = match container {
        Container::Job => "job",
        Container::Whole => "this container",
        Container::Outside => "",
    };
    terminal.press("4\r");
    let zoomed = |screen: &vt100::Screen| !has_row(screen, &["[4 "]) && has_row(screen, &["Who dies next in ", place]);
    shows_until(&mut terminal, end, "the victims", zoomed);
    if container != Container::Outside {
        let shown = |screen: &vt100::Screen| has_row(screen, &["Tightest ", place, " of 48.0M"]);
        shows_until(&mut terminal, end, place, shown);
    }
    let unseen = has_row(terminal.screen(), &["limits above are not seen from here"]);
    assert_eq!(unseen, outer.is_v2() && container != Container::Outside, "{}", terminal.screen().contents());
    // Who holds the container does not see its end, and is let go with it.
    thread::spawn(move || {
        while hog.does("anon 1024") {
            thread::sleep(Duration::from_millis(100));
        }
    });
    terminal.press("5");
    let victim = format!("{name} {number}");
    shows_until(&mut terminal, end, &victim, |screen| has_row(screen, &[&victim, "killed "]));
    open_story(&mut terminal, end, &victim);
    // Every witness has spoken of the same kill. Where others are killed as well the kernel keeps its table for itself.
    let has_table = log.has(&["oom-kill:", &format!("task={name},pid={inside},")]);
    let ranking = if has_table { "(by the kernel's own table)." } else { " before)." };
    // The whole container has its first process as well, and outside of its namespaces, where only the kernel looks, whoever
    // waits for that.
    let (counter, candidates) = match container {
        Container::Job | Container::Outside => ("/job: 0 -> 1", 2),
        Container::Whole => ("/: 0 -> 1", if has_table { 4 } else { 3 }),
    };
    for told in [
        &format!("at the limit of {place}"),
        &format!("Why this one: 1st of {candidates}: "),
        &format!("; next was companion {next}, "),
        ranking,
        &format!(
            "Likely: the kernel log names {name} {inside} of the host; of that name, only {number} had vanished \
                  there."
        ),
        &format!("Killed process {inside} ({name})"),
        counter,
        "it was in /proc, and ",
    ] {
        shows_until(&mut terminal, end, told, |screen| words(screen).contains(told));
    }
    println!("{}", terminal.screen().contents());
    terminal.press("\x1b");
    shows_until(&mut terminal, end, "the list", |screen| has_row(screen, &[" KILLED ", " SURE"]));
    let listed = terminal.text().into_iter().filter(|row| row.contains(&name) && row.contains("killed "));
    let listed: Vec<String> = listed.collect();
    assert!(matches!(&listed[..], [only] if only.contains("likely")), "{listed:#?}");
}

#[test]
fn a_kill_in_a_container_is_told_once() {
    is_told_once(Container::Job);
}

#[test]
fn a_kill_in_a_container_that_sees_the_cgroups_of_the_machine_is_told_once() {
    is_told_once(Container::Outside);
}

#[test]
fn a_kill_by_the_limit_of_a_whole_container_is_told_once() {
    is_told_once(Container::Whole);
}

#[test]
fn in_a_guest_with_cgroup_v2_it_is_told_once() {
    let script = "/oom --nocapture --test-threads 1 --skip in_a_guest";
    guest::run_with(&[UNSHARE, NSENTER], 400, STORY * 3, 3, script);
}
