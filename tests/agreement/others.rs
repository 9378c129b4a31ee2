//! What others say of every process: files of /proc read plainly, and programs that people trust.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

/// By number.
pub type Machine = BTreeMap<u32, Reading>;

/// One process.
#[derive(Default)]
pub struct Reading {
    pub start_time: u64,
    pub values: BTreeMap<String, Said>,
}

/// What another said, and how exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Number(i64),
    /// At most this much more or less is the same.
    About(i64, i64),
    Text(String),
}

impl Said {
    pub fn admits(&self, ours: &Value) -> bool {
        match self {
            Self::Number(number) => ours.as_i64() == Some(*number),
            Self::About(number, error) => ours.as_i64().is_some_and(|ours| (ours - number).abs() <= *error),
            Self::Text(text) => ours.as_str() == Some(text),
        }
    }
}

/// Everybody's view of every user process that can be seen, but for us, who are busy comparing; of the settled ones
/// only what costs little.
pub fn read(settled: &BTreeSet<u32>) -> Machine {
    let mut machine = Machine::new();
    for entry in fs::read_dir("/proc").expect("procfs").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if pid != std::process::id()
            && let Some(reading) = files(pid)
        {
            machine.insert(pid, reading);
        }
    }
    ps(&mut machine);
    // choom takes one number at a time, and what it prints is in two files: it is asked about a few.
    for (pid, reading) in machine.iter_mut().filter(|(pid, _)| !settled.contains(pid)).take(CHOOMS) {
        choom(*pid, reading);
    }
    pmap(&mut machine, settled);
    machine
}

/// `None` for kernel threads, zombies and those who are gone.
fn files(pid: u32) -> Option<Reading> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = stat.iter().rposition(|&byte| byte == b')')? + 2;
    let stat: Vec<&str> = std::str::from_utf8(&stat[behind_name..]).ok()?.split(' ').collect();
    let mut reading = Reading { start_time: stat[19].parse().ok()?, ..Reading::default() };
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    // Kernel threads, zombies and the dying have no Vm lines.
    status.contains("VmRSS:").then_some(())?;
    let mut say = |field: &str, said: Said| drop(reading.values.insert(field.to_owned(), said));
    for line in status.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let first = value.split_whitespace().next().unwrap_or_default();
        let kib = || first.parse::<i64>().ok().map(|kib| Said::Number(kib * 1024));
        let field = match key {
            "VmRSS" => "rss_bytes",
            "RssAnon" => "rss_anon_bytes",
            "RssFile" => "rss_file_bytes",
            "RssShmem" => "rss_shmem_bytes",
            "VmSwap" => "swap_bytes",
            "VmPTE" => "page_table_bytes",
            "VmHWM" => "peak_rss_bytes",
            "VmSize" => "virtual_bytes",
            "HugetlbPages" => "hugetlb_bytes",
            "PPid" => "ppid",
            "Threads" => "threads",
            "Uid" => "uid",
            _ => continue,
        };
        let number = || first.parse().ok().map(Said::Number);
        if let Some(said) = if field.ends_with("_bytes") { kib() } else { number() } {
            say(field, said);
        }
    }
    if let Ok(name) = fs::read(format!("/proc/{pid}/comm")) {
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        say("name", Said::Text(String::from_utf8_lossy(name).into_owned()));
    }
    for field in ["oom_score", "oom_score_adj"] {
        let text = fs::read_to_string(format!("/proc/{pid}/{field}")).unwrap_or_default();
        if let Ok(number) = text.trim().parse() {
            say(field, Said::Number(number));
        }
    }
    if let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        let sum = |keys: &[&str]| -> i64 {
            let of = |line: &str| {
                let (key, value) = line.split_once(':')?;
                keys.contains(&key).then(|| value.split_whitespace().next()?.parse::<i64>().ok())?
            };
            rollup.lines().filter_map(of).sum::<i64>() * 1024
        };
        if rollup.contains("Pss:") {
            say("rollup:pss_bytes", Said::About(sum(&["Pss"]), OWN_SHARE));
            say("rollup:uss_bytes", Said::Number(sum(&["Private_Clean", "Private_Dirty"])));
            say("rollup:swap_pss_bytes", Said::Number(sum(&["SwapPss"])));
        }
    }
    Some(reading)
}

/// While we look we map the C library ourselves, so everybody's share of it is smaller than before and after.
const OWN_SHARE: i64 = 16 << 10;

/// How many processes choom is asked about, each time.
const CHOOMS: usize = 12;

pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output().expect("a tool");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ps(machine: &mut Machine) {
    for line in output("ps", &["-eo", "pid=,ppid=,ruid=,nlwp=,vsz=,rss=,state="]).lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [pid, ppid, uid, threads, size, rss, _state] = fields[..] else { continue };
        let number = |text: &str| text.parse::<i64>().unwrap_or(-1);
        let Some(reading) = machine.get_mut(&(number(pid) as u32)) else { continue };
        let said = [
            ("ps:ppid", Said::Number(number(ppid))),
            ("ps:uid", Said::Number(number(uid))),
            ("ps:threads", Said::Number(number(threads))),
            ("ps:virtual_bytes", Said::Number(number(size) * 1024)),
            // ps reads the counter of stat, which lags behind the sum that statm takes on newer kernels.
            ("ps:rss_bytes", Said::About(number(rss) * 1024, counter_error())),
        ];
        reading.values.extend(said.map(|(field, said)| (field.to_owned(), said)));
    }
}

/// lib/percpu_counter.c: each of the three counters of RSS may be off by (batch - 1) pages per processor.
fn counter_error() -> i64 {
    let processors: i64 = std::thread::available_parallelism().map_or(1, |count| count.get().try_into().unwrap_or(1));
    let batch = 32.max(2 * processors);
    3 * (batch - 1) * processors * 4096
}

fn choom(pid: u32, reading: &mut Reading) {
    // "pid 1's current OOM score: 0" and "pid 1's current OOM score adjust value: 0"
    for line in output("choom", &["-p", &pid.to_string()]).lines() {
        let Some((what, value)) = line.rsplit_once(": ") else { continue };
        let field = if what.ends_with("adjust value") { "choom:oom_score_adj" } else { "choom:oom_score" };
        if let Ok(value) = value.parse() {
            reading.values.insert(field.to_owned(), Said::Number(value));
        }
    }
}

fn pmap(machine: &mut Machine, settled: &BTreeSet<u32>) {
    let pids: Vec<String> = machine.keys().filter(|pid| !settled.contains(pid)).map(ToString::to_string).collect();
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    let text = output("pmap", &[&["-X"], &pids[..]].concat());
    // Each process is "PID:   command", a heading, its regions, a rule and its totals.
    let lines: Vec<&str> = text.lines().collect();
    let pid_of = |line: &str| line.split_once(":   ")?.0.parse::<u32>().ok();
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| pid_of(lines[at]).is_some()).collect();
    // pmap forgets to start its sums again: each process shows the total of all before it as well.
    let mut so_far: BTreeMap<&str, i64> = BTreeMap::new();
    for (number, &start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(lines.len());
        let reading = pid_of(lines[start]).and_then(|pid| machine.get_mut(&pid));
        let (Some(reading), [_, heading, regions @ .., _, totals]) = (reading, &lines[start..end]) else { continue };
        let titles = heading.split_whitespace().skip_while(|title| *title != "Size");
        let totals = totals.split_whitespace().map_while(|number| number.parse::<i64>().ok());
        let totals: BTreeMap<&str, i64> = titles.zip(totals).collect();
        let of = |title| Some(totals.get(title)? - so_far.get(title).copied().unwrap_or(0));
        let regions = i64::try_from(regions.len()).unwrap_or(0);
        if let Some(rss) = of("Rss") {
            reading.values.insert("pmap:rss_bytes".into(), Said::Number(rss * 1024));
        }
        if let Some(pss) = of("Pss") {
            // Each region is cut to whole KiB, so the sum of pmap is up to one KiB a region too small.
            let said = Said::About(pss * 1024 + regions * 512, regions * 512 + OWN_SHARE);
            reading.values.insert("pmap:pss_bytes".into(), said);
        }
        so_far = totals;
    }
}
