//! What is said without rights: another user, to whom the kernel's log is closed and, in one test, the processes of
//! others are hidden. It says less, says why, and calls nothing certain that it cannot know.

#![allow(clippy::disallowed_methods, reason = "drives the machine")]

#[path = "oom/cgroup.rs"]
mod cgroup;
#[path = "oom/hog.rs"]
mod hog;
mod nobody;
mod require;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::MemoryCgroup;
use hog::Hog;
use nobody::Ground;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A place that everybody may enter, with the program in it and a file that nobody may read.
struct Outside(Ground);

impl Outside {
    fn new() -> Option<Self> {
        if !require::root() || !require::tool("setpriv") || !require::tool("unshare") {
            return None;
        }
        let unshared = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
        if !unshared.is_ok_and(|status| status.success()) {
            require::missing("namespaces", "no mount namespace can be made here");
            return None;
        }
        let ground = Ground::prepare();
        let closed = ground.file("closed");
        fs::write(&closed, "").expect("our own");
        nobody::open(&closed, 0o000);
        Some(Self(ground))
    }

    /// `oomtop snapshot --json` as nobody, after some more shell as root in a mount namespace of its own.
    fn looking(&self, before: &str, arguments: &[&str]) -> Child {
        self.starts(before, &[&["snapshot", "--json"], arguments].concat())
    }

    /// `oomtop` in the same way.
    fn starts(&self, before: &str, arguments: &[&str]) -> Child {
        let script = format!(
            "mount --bind closed /dev/kmsg && {before} && exec {} --inh-caps=-all ./oomtop \"$@\"",
            nobody::AS_NOBODY.join(" ")
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]).args(arguments).current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    }
}

fn snapshot(looking: Child) -> Value {
    let output = looking.wait_with_output().expect("ends by itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().expect("a list")
}

fn reason<'a>(snapshot: &'a Value, field: &str) -> &'a str {
    let found = list(snapshot, "unreadable").iter().find(|entry| entry["field"] == field);
    found.and_then(|entry| entry["reason"].as_str()).unwrap_or_default()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute for {what}");
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn of_whom_others_are_hidden_nothing_is_called_certain() {
    let Some(outside) = Outside::new() else { return };
    let snapshot = snapshot(outside.looking("mount -t proc -o hidepid=invisible proc /proc", &[]));
    assert!(list(&snapshot, "processes").iter().all(|process| process["uid"] == 65534), "only its own are there");
    let domains = list(&snapshot, "domains");
    assert!(domains.iter().any(|domain| domain["kind"] == "host"));
    // A cgroup of a test beside this one may hold nobody but our own, and then hides nothing.
    let is_of_a_test = |domain: &Value| domain["path"].as_str().is_some_and(|path| path.contains("oomtop-testing"));
    for domain in domains.iter().filter(|domain| !is_of_a_test(domain)) {
        assert_eq!(domain["certain"], false, "{domain}");
        // Of a cgroup in which nobody is, or with nobody to take, there is nothing to doubt.
        let alone = list(domain, "victims").is_empty();
        let doubt = domain["doubt"].as_str().unwrap_or_default();
        assert!(
            alone || doubt.contains("users' processes are hidden") || doubt.contains("cannot be seen from here"),
            "{domain}"
        );
    }
    assert!(reason(&snapshot, "kernel_log").contains("CAP_SYSLOG"), "{}", snapshot["unreadable"]);
}

#[test]
fn a_kill_is_told_without_the_log_and_not_as_certain() {
    let Some(outside) = Outside::new() else { return };
    let Some(root) = require::memory_cgroups() else { return };
    let Some(program) = hog::compiled() else {
        require::missing("tools", "cc is not installed");
        return;
    };
    let group = MemoryCgroup::new(&root, "outside", Some(32 * MIB)).expect("makes a cgroup");
    let mut hog = Hog::start(&program);
    group.adopt(hog.pid()).expect("a process of our own moves");
    assert!(hog.does("name outside-hog") && hog.does("anon 4096"));

    let looking = outside.looking("true", &["--samples", "4", "-d", "2"]);
    // Its first sample is where counting begins; then it sleeps.
    let waits = || fs::read_to_string(format!("/proc/{}/wchan", looking.id())).unwrap_or_default();
    wait_for("the first sample", || waits().contains("nanosleep"));
    hog.tell("anon 65536");
    wait_for("the kernel to kill", || hog.was_killed());
    let snapshot = snapshot(looking);

    let kills: Vec<_> = list(&snapshot, "kills").iter().filter(|kill| kill["victim"]["pid"] == hog.pid()).collect();
    let [kill] = kills.as_slice() else { panic!("{} kills of it: {}", kills.len(), snapshot["kills"]) };
    println!("{kill:#}");
    assert!(["likely", "guess"].contains(&kill["confidence"].as_str().unwrap_or_default()), "{kill}");
    let sources: Vec<_> = list(kill, "evidence").iter().map(|one| &one["source"]).collect();
    assert!(!sources.contains(&&json!("kernel_log")) && sources.contains(&&json!("disappearance")), "{kill}");
    assert!(sources.contains(&&json!("cgroup")) || sources.contains(&&json!("vmstat")), "a counter says so: {kill}");
    // What only the log could tell.
    assert_eq!((&kill["asked_by"], &kill["held_by_log"]), (&Value::Null, &json!(false)), "{kill}");
    assert_eq!(kill["domain"]["by_log"], false, "{kill}");
    assert!(list(&snapshot, "kills").iter().all(|kill| kill["confidence"] != "certain"), "{}", snapshot["kills"]);
    assert!(reason(&snapshot, "kernel_log").contains("CAP_SYSLOG"), "{}", snapshot["unreadable"]);
    assert!(reason(&snapshot, "pss_bytes").starts_with("permission denied"), "{}", snapshot["unreadable"]);
}

/// Nobody but its shell is told how a process ended that the shell waits for.
#[test]
fn a_run_that_ends_well_after_a_kill_is_not_simply_ok() {
    let Some(outside) = Outside::new() else { return };
    let Some(root) = require::memory_cgroups() else { return };
    let group = MemoryCgroup::new(&root, "run", Some(96 * MIB)).expect("makes a cgroup");
    let join = format!("echo $$ > {}/cgroup.procs", group.directory().display());
    // It holds 40 MiB for long enough to be seen, then all that it can get.
    let command = "{ head -c 40M /dev/zero; sleep 3; cat /dev/zero; } | tail; echo went on";
    let run = ["run", "--headless", "--report", "run.json", "--", "sh", "-c", command];
    let output = outside.starts(&join, &run).wait_with_output().expect("ends by itself");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.ends_with(b"went on\n"), "{told}");
    println!("{told}");
    let text = fs::read(outside.0.file("run.json")).expect("a report");
    let report: Value = serde_json::from_slice(&text).expect("JSON");
    let verdict = &report["verdict"];
    assert_eq!((&verdict["kind"], &verdict["confidence"]), (&json!("oom_killed_cgroup"), &json!("guess")), "{verdict}");
    assert_eq!(verdict["victim"]["name"], "tail", "{verdict}");
    assert!(told.contains("OK, BUT THE OOM KILLER KILLED A PROCESS"), "{told}");
    assert!(!told.contains("a quarter more"), "what would have been enough is not known: {told}");
}
