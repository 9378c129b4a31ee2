//! Behind `hidepid=2`, as a user without rights: what is hidden is no error, and nobody is called the next victim for
//! certain of whom we see nothing.

#![expect(clippy::disallowed_methods, reason = "mounts a procfs of its own and runs the program behind it")]

mod nobody;
mod require;

use std::process::{Command, Output, Stdio};

use nobody::Ground;

/// In a PID and mount namespace of its own: a procfs that hides, a process of root, one of nobody's, and then nobody.
const BEHIND: &str = "mount -t proc -o hidepid=2 proc /proc || exit 77
sleep 1000 & others=$!
setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000 & own=$!
until grep -qx sleep /proc/$own/comm; do :; done
echo others=$others own=$own >&2
setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; status=$?
kill $others $own
exit $status";

/// What the program says there; `None` where that cannot be made.
fn as_nobody(arguments: &[&str]) -> Option<Output> {
    if !require::root() || !require::tool("unshare") || !require::tool("setpriv") {
        return None;
    }
    let ground = Ground::prepare();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount", "--propagation=private", "sh", "-c", BEHIND, "sh"]);
    let output = command
        .arg(&ground.oomtop)
        .args(arguments)
        .current_dir(ground.path())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if matches!(output.status.code(), Some(1 | 77)) && output.stdout.is_empty() {
        let why = format!("cannot mount proc with hidepid=2: {}", String::from_utf8_lossy(&output.stderr));
        require::missing("namespaces", &why);
        return None;
    }
    Some(output)
}

/// The number that stands behind `name=` in what the script says of its processes.
fn number(output: &Output, name: &str) -> u64 {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = told.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn only_ones_own_are_there_and_nothing_is_certain() {
    let Some(output) = as_nobody(&["snapshot", "--json"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let processes = json["processes"].as_array().expect("processes");
    let (others, own) = (number(&output, "others"), number(&output, "own"));
    let pids: Vec<_> = processes.iter().filter_map(|process| process["pid"].as_u64()).collect();
    assert!(pids.contains(&own) && !pids.contains(&others) && !pids.contains(&1), "{pids:?}");
    assert_eq!(pids.len(), 2, "it and we: {pids:?}");
    assert!(processes.iter().all(|process| process["uid"] == 65534 && process["rss_bytes"].is_u64()));
    let domains = json["domains"].as_array().expect("domains");
    assert!(domains.iter().any(|domain| domain["kind"] == "host"), "{domains:?}");
    assert!(domains.iter().all(|domain| domain["certain"] == false), "somebody else may be taken first: {domains:?}");
    assert!(json["host"]["mem_total_bytes"].is_u64());
}

#[test]
fn the_table_says_probably() {
    // Nothing but the machine itself: a cgroup of others may be tighter, and who is in it is hidden.
    let Some(output) = as_nobody(&["snapshot", "--sys", "."]) else { return };
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && table.contains("first to die: probably "), "{table}");
}
