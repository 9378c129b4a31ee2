//! A running Go program that holds memory as it is told and prints what its runtime says of it, and what oomtop says of
//! it at the same moment.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::answering::Answering;
use crate::program::know_the_environment;

/// Ended when it is dropped.
pub struct Held {
    program: Answering,
    /// What it said last, by the names of `runtime.MemStats`.
    pub own: Value,
}

impl Held {
    pub fn start(program: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        know_the_environment(&mut command);
        let mut program = Answering::start(command.envs(environment.iter().copied()));
        let own = serde_json::from_str(&program.listen()).expect("JSON");
        Self { program, own }
    }

    /// Each command in its turn; the numbers are those after the last.
    pub fn ask(&mut self, commands: &[&str]) {
        for command in commands {
            self.own = serde_json::from_str(&self.program.ask(command)).expect("JSON");
        }
    }

    pub fn number(&self, name: &str) -> u64 {
        self.own[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.own))
    }

    /// What of the heap and the goroutine stacks should be resident, where all of it was touched.
    pub fn heap(&self) -> u64 {
        self.number("HeapInuse") + self.number("HeapIdle") - self.number("HeapReleased") + self.number("StackInuse")
    }

    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// `oomtop snapshot --json --mappings` of it, at a moment at which it did not move: RSS as the kernel sums it is the
    /// same before and after.
    pub fn snapshot(&self) -> Value {
        for _ in 0..50 {
            let before = self.rollup();
            let snapshot = self.look();
            if before == self.rollup() {
                assert_eq!(snapshot["mappings"]["rss_bytes"], before, "the sum of smaps is that of smaps_rollup");
                return snapshot;
            }
        }
        panic!("it never rests");
    }

    /// A snapshot while the runtime says the same before and after: the scavenger gives memory back as it pleases.
    pub fn settled(&mut self) -> Value {
        let moves = |own: &Value| ["HeapReleased", "StackInuse", "NumGC"].map(|name| own[name].clone());
        for _ in 0..100 {
            self.ask(&["tell"]);
            let before = moves(&self.own);
            let snapshot = self.snapshot();
            self.ask(&["tell"]);
            if moves(&self.own) == before {
                return snapshot;
            }
        }
        panic!("the runtime never rests: {}", self.own);
    }

    fn look(&self) -> Value {
        let pid = self.pid().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_oomtop"))
            .args(["snapshot", "--json", "--mappings", &pid, "-p", &pid])
            .stdin(Stdio::null())
            .output()
            .expect("starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn rollup(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).expect("it lives");
        let rss = text.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"));
        rss.and_then(|rss| rss.parse::<u64>().ok()).expect("a size") * 1024
    }
}

/// The sum of a class in a snapshot, 0 where there is none of it.
pub fn class(snapshot: &Value, name: &str, sum: &str) -> u64 {
    let classes = snapshot["mappings"]["classes"].as_array().expect("a list");
    classes.iter().find(|class| class["class"] == name).map_or(0, |class| class[sum].as_u64().expect("a number"))
}
