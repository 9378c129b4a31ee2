//! Acting on other processes, tried on children that the test itself started: what is done, what is refused, and that
//! nothing ever reaches a process that only has the same number.

#![allow(clippy::disallowed_methods, reason = "a test of what touches the world touches the world")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod nobody;
mod require;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use oomtop::control::{Control, ControlError, identify};
use oomtop::units::{Pid, ProcessId, StartTime};

const SIGTERM: i32 = 15;

/// A child that is ended with the test: it waits for the end of a pipe that only we hold.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn id(&self) -> ProcessId {
        identify(Path::new("/proc"), Pid(self.0.id())).unwrap()
    }

    fn adjustment(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/oom_score_adj", self.0.id())).unwrap().trim().to_owned()
    }

    fn ends(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if self.0.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn control() -> Control {
    Control::open(Path::new("/proc")).unwrap()
}

fn later(id: ProcessId) -> ProcessId {
    ProcessId { start_time: StartTime(id.start_time.0 + 1), ..id }
}

#[test]
fn a_signal_reaches_the_process_that_was_meant() {
    let mut sleeper = Sleeper::start();
    assert_eq!(control().signal(sleeper.id(), SIGTERM), Ok(()));
    assert!(sleeper.ends());
}

#[test]
fn a_process_that_started_at_another_time_is_not_touched() {
    let mut sleeper = Sleeper::start();
    let other = later(sleeper.id());
    assert_eq!(control().signal(other, SIGTERM), Err(ControlError::Reused));
    assert_eq!(control().adjust(other, 500), Err(ControlError::Reused));
    assert!(sleeper.is_running());
    assert_eq!(sleeper.adjustment(), std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim());
}

#[test]
fn an_ended_process_is_gone() {
    let mut sleeper = Sleeper::start();
    let id = sleeper.id();
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    assert_eq!(control().signal(id, SIGTERM), Err(ControlError::Gone));
    assert_eq!(control().adjust(id, 500), Err(ControlError::Gone));
    assert_eq!(control().signal(ProcessId::new(0, 0), SIGTERM), Err(ControlError::Gone));
    assert_eq!(control().signal(ProcessId::new(u32::MAX, 0), SIGTERM), Err(ControlError::Gone));
}

#[test]
fn an_adjustment_is_written() {
    let sleeper = Sleeper::start();
    let control = control();
    for value in [500, 1000, 700] {
        assert_eq!(control.adjust(sleeper.id(), value), Ok(()));
        assert_eq!(sleeper.adjustment(), value.to_string());
    }
    assert!(matches!(control.adjust(sleeper.id(), 1001), Err(ControlError::Failed(_))));
}

#[test]
fn a_number_read_from_a_tree_of_files_signals_nobody_here() {
    let mut sleeper = Sleeper::start();
    let tree = tempfile::tempdir().unwrap();
    let tree = tree.path();
    let directory = tree.join(sleeper.0.id().to_string());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(format!("/proc/{}/stat", sleeper.0.id()), directory.join("stat")).unwrap();
    std::os::unix::fs::symlink(std::process::id().to_string(), tree.join("self")).unwrap();
    assert_eq!(identify(tree, Pid(sleeper.0.id())), Ok(sleeper.id()), "number and start time are those of a child");
    assert_eq!(Control::open(tree).err(), Some(ControlError::NotOurs(tree.into())));
    assert!(sleeper.is_running());
}

/// In a PID namespace of its own, with the procfs of the one around it.
#[test]
fn role_procfs_of_another_namespace() {
    if has_role("role_procfs_of_another_namespace") {
        let opened = Control::open(Path::new("/proc"));
        assert_eq!(opened.err(), Some(ControlError::NotOurs("/proc".into())));
    }
}

#[test]
fn a_number_of_another_pid_namespace_signals_nobody_here() {
    let own = std::env::current_exe().unwrap();
    if let Some(output) = elsewhere(&["unshare", "--pid", "--fork"], &own, "role_procfs_of_another_namespace") {
        assert_passed(&output);
    }
}

/// Runs one test of this binary in another process, begun by `launcher`. `None`, and loudly, where that cannot be.
fn elsewhere(launcher: &[&str], own: &Path, role: &str) -> Option<Output> {
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(own)
        .args(["--exact", role, "--nocapture", "--test-threads=1"])
        .env("OOMTOP_TEST_ROLE", role)
        .output();
    match output {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => Some(output),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            require::missing("namespaces", &format!("{launcher:?} did not work: {}", told.trim()));
            None
        }
        Err(error) => {
            require::missing("tools", &format!("{launcher:?} cannot be run: {error}"));
            None
        }
    }
}

fn has_role(role: &str) -> bool {
    std::env::var_os("OOMTOP_TEST_ROLE").is_some_and(|given| given == role)
}

fn assert_passed(output: &Output) {
    let told = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).join("\n");
    assert!(output.status.success(), "{told}");
}

#[test]
fn a_reused_number_is_refused() {
    let launcher = ["unshare", "--pid", "--fork", "--mount-proc"];
    if let Some(output) = elsewhere(&launcher, &std::env::current_exe().unwrap(), "role_reuse") {
        assert_passed(&output);
    }
}

/// In a PID namespace of its own, where the next number can be chosen.
#[test]
fn role_reuse() {
    if !has_role("role_reuse") {
        return;
    }
    let mut first = Sleeper::start();
    let old = first.id();
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    // Start times count hundredths of a second: the second must not start in the same.
    std::thread::sleep(Duration::from_millis(30));
    std::fs::write("/proc/sys/kernel/ns_last_pid", (old.pid.0 - 1).to_string()).unwrap();
    let mut second = Sleeper::start();
    assert_eq!(second.id().pid, old.pid, "the number was not given again");
    let before = second.adjustment();
    assert_eq!(control().signal(old, SIGTERM), Err(ControlError::Reused));
    assert_eq!(control().adjust(old, 900), Err(ControlError::Reused));
    assert!(second.is_running());
    assert_eq!(second.adjustment(), before);
    assert_eq!(control().signal(second.id(), SIGTERM), Ok(()));
    assert!(second.ends());
}

#[test]
fn missing_rights_are_named() {
    if !require::root() {
        return;
    }
    // The test's own sleeper belongs to root; the one in the role to nobody, who may not enter where we were built.
    let ground = nobody::Ground::prepare();
    let own = ground.bring(&std::env::current_exe().unwrap());
    let victim = Sleeper::start();
    let victim_pid = victim.0.id().to_string();
    let environment = format!("VICTIM={victim_pid}");
    let launcher = [&nobody::AS_NOBODY[..], &["env", &environment]].concat();
    if let Some(output) = elsewhere(&launcher, &own, "role_unprivileged") {
        assert_passed(&output);
    }
    assert_eq!(victim.adjustment(), std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim());
}

#[test]
fn role_unprivileged() {
    if !has_role("role_unprivileged") {
        return;
    }
    let victim: u32 = std::env::var("VICTIM").unwrap().parse().unwrap();
    let victim = identify(Path::new("/proc"), Pid(victim)).unwrap();
    let control = control();
    assert!(matches!(control.signal(victim, SIGTERM), Err(ControlError::Denied(right)) if right.contains("CAP_KILL")));
    assert!(matches!(control.adjust(victim, 500), Err(ControlError::Denied(right)) if right.contains("another user")));
    let own = Sleeper::start();
    assert_eq!(control.adjust(own.id(), 500), Ok(()));
    let lowered = control.adjust(own.id(), -100);
    assert!(matches!(lowered, Err(ControlError::Denied(right)) if right.contains("CAP_SYS_RESOURCE")), "{lowered:?}");
    assert_eq!(own.adjustment(), "500");
}
