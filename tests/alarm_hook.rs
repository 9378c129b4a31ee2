//! The hook of a real alarm: all that it finds in its environment is so. A process fills a small memory cgroup of ours
//! while the program looks on.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/hog.rs"]
mod hog;
mod program;
mod require;
mod terminal;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use oomtop::monitor::label::label;
use terminal::Terminal;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 128 * MIB;

/// Longer than it takes on a machine that others fill.
const PATIENCE: Duration = Duration::from_secs(60);

type Facts = BTreeMap<String, String>;

/// What each call of the hook has found, one file a call.
fn told(folder: &Path) -> Vec<Facts> {
    let files = fs::read_dir(folder).expect("our own").filter_map(|entry| Some(entry.ok()?.path()));
    let whole = files.filter(|path| path.extension().is_some_and(|ending| ending == "facts"));
    let facts = |path: PathBuf| {
        let text = fs::read_to_string(path).expect("our own");
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
    };
    whole.map(facts).collect()
}

/// A hog in this cgroup grows until the hook was called for it; gives what it was told, and by how many MiB the hog had
/// grown by then. Others may begin to warn in the same second, and then the call is theirs.
fn until_told(program: &Path, cgroup: &MemoryCgroup, folder: &Path) -> Option<(Hog, Facts, u64)> {
    let mut hog = Hog::start(program);
    let pid = hog.pid();
    assert!(hog.does("name glut ton") && hog.does("adj 7"));
    cgroup.adopt(pid).expect("adopted");
    assert!(hog.does("anon 8192"));
    let end = Instant::now() + PATIENCE;
    // So slowly that there is time for a few looks on a machine under load, and so fast that a minute would fill it.
    let mut grown = 8;
    while Instant::now() < end {
        let of_it = told(folder).into_iter().find(|facts| facts.get("OOMTOP_PID") == Some(&pid.to_string()));
        if let Some(facts) = of_it {
            return Some((hog, facts, grown));
        }
        if grown < 112 {
            assert!(hog.does("anon 1024"), "it is below its limit");
            grown += 1;
        }
        thread::sleep(Duration::from_millis(400));
    }
    None
}

#[test]
fn all_that_a_hook_is_told_of_a_real_alarm_is_so() {
    let Some(root) = require::root().then(require::memory_cgroups).flatten() else { return };
    let Some(program) = hog::compiled() else {
        require::missing("tools", "there is no C compiler");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    // Whole before it has its name.
    let script = format!("cd '{}' && env | grep ^OOMTOP_ >$$.part && mv $$.part $$.facts", folder.path().display());
    let text = format!("[alarm]\nkinds = [\"imminent\"]\nhook_every = \"1s\"\nhook = [\"sh\", \"-c\", {script:?}]\n");
    fs::write(&config, text).expect("written");
    let cgroup = MemoryCgroup::new(&root, "alarm-hook", Some(LIMIT)).expect("made");
    let mut command = program::oomtop();
    command.args(["-d", "1", "-f", "glut", "--config"]).arg(&config);
    command.env("OOMTOP_OF_SOMEBODY", "else");
    let mut terminal = Terminal::start(command, 100, 30);
    // It looks before anything grows.
    let path = cgroup.path();
    terminal.until(PATIENCE, |screen| screen.contents().contains("every ")).expect("it runs");
    let (hog, facts, grown) =
        (0..3).find_map(|_| until_told(&program, &cgroup, folder.path())).expect("the hook was called for it");
    println!("{facts:#?}");

    let text = |name: &str| facts.get(name).unwrap_or_else(|| panic!("{name} in {facts:#?}")).as_str();
    let number = |name: &str| text(name).parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number: {facts:#?}"));
    let pid = hog.pid();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let start_time = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).expect("proc(5)");
    for (name, so) in [
        ("OOMTOP_ALARM", "imminent"),
        ("OOMTOP_PID", &*pid.to_string()),
        ("OOMTOP_START_TIME_TICKS", start_time),
        ("OOMTOP_NAME", "glut ton"),
        ("OOMTOP_UID", "0"),
        ("OOMTOP_CGROUP", &path),
        ("OOMTOP_OOM_SCORE_ADJ", "7"),
        ("OOMTOP_RISK", "1"),
        ("OOMTOP_DOMAIN", &path),
        ("OOMTOP_DOMAIN_LABEL", &label(path.as_bytes())),
        ("OOMTOP_LIMIT_BYTES", &LIMIT.to_string()),
        ("OOMTOP_VICTIM_PID", &pid.to_string()),
        ("OOMTOP_VICTIM_NAME", "glut ton"),
    ] {
        assert_eq!(text(name), so, "{name}");
    }
    assert!(text("OOMTOP_MESSAGE").starts_with(&format!("glut ton {pid} fills its memory, +")), "{facts:#?}");
    assert!(text("OOMTOP_TIME").starts_with("20") && text("OOMTOP_TIME").ends_with('Z'), "{facts:#?}");
    // It held what it had been told to hold by then, and a little for the program itself.
    let (rss, anonymous) = (number("OOMTOP_RSS_BYTES"), number("OOMTOP_RSS_ANON_BYTES"));
    assert!((8 * MIB..=(grown + 4) * MIB).contains(&rss) && anonymous <= rss, "{grown} MiB: {facts:#?}");
    assert!(rss - anonymous < 4 * MIB, "{facts:#?}");
    // What is left was read just after, from counters that may be late: what is not left is of it, and of the kernel for it.
    let left = number("OOMTOP_HEADROOM_BYTES");
    assert!(left <= LIMIT - anonymous + 8 * MIB && left >= LIMIT - (grown + 8) * MIB, "{grown} MiB: {facts:#?}");
    // A time is named once the growth of the domain has settled, and then goes by it.
    assert!(number("OOMTOP_GROWTH_BYTES_PER_S") > 0, "{facts:#?}");
    let known = |name: &str| facts.contains_key(name).then(|| number(name));
    let seconds = known("OOMTOP_SECONDS_LEFT");
    if let Some(seconds) = seconds {
        let growth = known("OOMTOP_DOMAIN_GROWTH_BYTES_PER_S").expect("a time goes by it");
        assert!(seconds <= 60 && (left / growth).abs_diff(seconds) <= 1 + seconds / 4, "{facts:#?}");
    }
    let level = match (LIMIT - left) * 100 / LIMIT {
        _ if seconds.is_some() => "critical",
        95.. => "critical",
        85.. => "high",
        70.. => "elevated",
        _ => "calm",
    };
    assert_eq!(text("OOMTOP_DOMAIN_LEVEL"), level, "{facts:#?}");
    // Nothing that the README does not tell, and nothing that somebody else has put there.
    let readme = include_str!("../README.md");
    for name in facts.keys() {
        assert!(readme.split(|c: char| !c.is_ascii_uppercase() && c != '_').any(|word| word == name), "{name}");
    }
    assert!(number("OOMTOP_WITHHELD") < 100);
}

/// On the screen of a run the hook is a child of ours as well as the command. Its status is taken by whoever started it, not by
/// whoever follows the command, and neither it nor what it starts and leaves behind is of the run.
#[test]
fn the_hook_of_a_run_ends_well_and_is_none_of_the_run() {
    if require::root().then(require::memory_cgroups).flatten().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
    let number = |name: &str| text(name).trim().parse::<u64>().expect("a number");
    // Whom it leaves behind is handed to us. It ends when several looks at the tree have met both.
    let script = "cd \"$0\"; (sleep 1 & echo $! >left); echo $$ >own; sleep 2; : >over";
    let hook = format!("[\"sh\", \"-c\", {script:?}, \"{}\"]", folder.path().display());
    let alarm = format!("[alarm]\nkinds = [\"imminent\"]\nhook_every = \"1h\"\nhook = {hook}\n");
    fs::write(path("config.toml"), alarm).expect("written");
    let grows = "x=; while :; do x=$x$(head -c 1048576 /dev/zero | tr '\\0' x); sleep 0.4; done";
    let mut command = program::oomtop();
    command.args(["run", "--memory-max", "128M", "--config"]).arg(path("config.toml"));
    command.arg("--report").arg(path("run.json")).args(["--", "sh", "-c", grows]);
    let mut terminal = Terminal::start(command, 120, 34);
    let begin = Instant::now();
    while !path("over").exists() {
        assert!(begin.elapsed() < 2 * PATIENCE, "no hook was called:\n{}", terminal.text().join("\n"));
        terminal.watch(Duration::from_millis(100));
    }
    terminal.press("q");
    let ended = terminal.until(PATIENCE, |screen| screen.contents().contains("it was sent SIGINT"));
    assert!(ended.is_ok(), "{}", terminal.text().join("\n"));
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some(), "q leaves");
    let told = String::from_utf8_lossy(terminal.transcript()).into_owned();
    assert!(!told.contains("hook failed"), "{told}");
    let report: serde_json::Value = serde_json::from_str(&text("run.json")).expect("JSON");
    let processes = report["processes"].as_array().expect("a list");
    let named = |name: &str| processes.iter().filter(|process| process["name"] == name).count();
    assert!(named("sh") > 0 && named("tr") > 0, "the command is: {processes:#?}");
    for hooked in ["own", "left"] {
        let is_there = processes.iter().any(|process| process["pid"] == number(hooked));
        assert!(!is_there, "{hooked} {}: {processes:#?}", number(hooked));
    }
}
