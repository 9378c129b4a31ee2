//! What oomtop says before a kill, and what the kernel did then.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

use super::kernel_log::KernelLog;

/// The program, here or in a guest.
pub fn oomtop() -> Command {
    Command::new(std::env::var_os("OOMTOP_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oomtop").into()))
}

/// What `oomtop snapshot --json` said of a domain.
pub struct Prediction {
    /// Who leads, and who may as well.
    pub named: Vec<u64>,
    pub certain: bool,
    pub domain: serde_json::Value,
}

impl Prediction {
    pub fn ask(domain: &str) -> Self {
        let output = oomtop().args(["snapshot", "--json"]).output().expect("oomtop runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let snapshot: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
        let domains = snapshot["domains"].as_array().expect("has domains");
        let found = domains.iter().find(|found| found["path"] == domain).unwrap_or_else(|| panic!("no {domain}"));
        let first = found["victims"].as_array().expect("has victims").iter().find(|victim| victim["rank"] == 1);
        let mut named: Vec<u64> = first.and_then(|victim| victim["pid"].as_u64()).into_iter().collect();
        named.extend(found["tied_with"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64));
        Self { named, certain: found["certain"] == true, domain: found.clone() }
    }

    /// Whether any of the candidates was swapped out in part.
    pub fn swapped(&self) -> bool {
        let victims = self.domain["victims"].as_array().into_iter().flatten();
        victims.filter_map(|victim| victim["swap_pages"].as_u64()).any(|pages| pages > 0)
    }
}

/// How a round ended.
pub struct Outcome {
    pub killed: u64,
    pub prediction: Prediction,
    /// What the kernel compared: rows of its table.
    pub compared: Vec<String>,
}

impl Outcome {
    pub fn of(killed: u64, prediction: Prediction, log: &KernelLog, threads: &BTreeMap<u64, u64>) -> Self {
        Self { killed, prediction, compared: log.rows(threads).map(str::to_owned).collect() }
    }

    pub fn hit(&self) -> bool {
        self.prediction.named.contains(&self.killed)
    }
}

/// Both tables side by side: whoever reads of a miss sees what moved between the look and the kill.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Prediction { named, certain, domain } = &self.prediction;
        writeln!(f, "killed {}, named {named:?}, certain {certain}", self.killed)?;
        writeln!(f, "  oomtop: pid badness rss swap page_tables adj (pages)")?;
        for victim in domain["victims"].as_array().into_iter().flatten() {
            let cells =
                ["pid", "badness_pages", "rss_pages", "swap_pages", "page_table_pages", "oom_score_adj", "name"];
            writeln!(f, "    {}", cells.map(|cell| victim[cell].to_string()).join(" "))?;
        }
        writeln!(f, "  kernel:")?;
        self.compared.iter().try_for_each(|row| writeln!(f, "    {row}"))
    }
}
