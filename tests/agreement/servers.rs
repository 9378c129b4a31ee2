//! Three servers that hold memory in ways of their own, each region of theirs against `pmap -X`: PostgreSQL (shared
//! buffers, a process for each client), Redis (one heap), a Java virtual machine (a heap that it reserves, code that it
//! makes). They run as an unprivileged user, in a directory of the test, reachable through sockets there and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::others::output;
use crate::{Key, Tally, require, wrong};

/// A value that agreed once is not asked again; where shared pages change hands all the time, some never stand still.
const ROUNDS: usize = 12;
/// Longer than any of them takes to start on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// By `pmap -X`, and by our JSON.
const FIELDS: [(&str, &str); 9] = [
    ("Size", "size_bytes"),
    ("Rss", "rss_bytes"),
    ("Pss", "pss_bytes"),
    ("Referenced", "referenced_bytes"),
    ("Anonymous", "anonymous_bytes"),
    ("LazyFree", "lazy_free_bytes"),
    ("Swap", "swap_bytes"),
    ("SwapPss", "swap_pss_bytes"),
    ("Locked", "locked_bytes"),
];

/// What is told of one region, by field; its name among them.
type Region = BTreeMap<&'static str, Value>;

#[test]
fn each_region_of_three_servers_is_told_as_pmap_tells_it() {
    let Some(server) = Servers::start() else { return };
    let mut tallies: BTreeMap<Key, Tally> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for &(who, pid) in &server.processes {
            let before = (pmap(pid), rollup(pid));
            let ours = snapshot(pid);
            let after = (pmap(pid), rollup(pid));
            assert_sums(who, &ours["mappings"], &before.1, &after.1, pid, &mut tallies);
            let told = regions(&ours["mappings"]);
            for (start, was) in &before.0 {
                for (field, value) in was {
                    let tally = tallies.entry((pid, 0, format!("{start} {field} of {who}"))).or_default();
                    let is = after.0.get(start).and_then(|region| region.get(field));
                    let ours = told.get(start).and_then(|region| region.get(field));
                    let name = was["name"].as_str().unwrap_or_default();
                    let agrees = ours == Some(value) || *field == "pss_bytes" && shares(name, ours, value);
                    tally.weigh(agrees, is == Some(value), || format!("ours {ours:?}, theirs {value}"));
                }
            }
            let unknown: Vec<_> = told.keys().filter(|start| !before.0.contains_key(*start)).collect();
            let tally = tallies.entry((pid, 0, format!("regions of {who}"))).or_default();
            tally.weigh(unknown.is_empty(), before.0 == after.0, || format!("unknown to pmap: {unknown:?}"));
        }
        if tallies.values().all(|tally| tally.agreed) {
            break;
        }
    }
    let settled = tallies.values().filter(|tally| tally.agreed).count();
    println!("{settled} of {} values of {} processes agreed", tallies.len(), server.processes.len());
    assert_eq!(wrong(&tallies), Vec::<String>::new());
    assert!(settled * 10 >= tallies.len() * 9, "only {settled} of {} values stood still", tallies.len());
    for &(who, pid) in &server.processes {
        names_what_it_is(who, &snapshot(pid)["mappings"]);
    }
}

/// Whether the difference in PSS can be that pmap maps this library itself while it looks, and we do not, or we others.
fn shares(name: &str, ours: Option<&Value>, theirs: &Value) -> bool {
    const ROUNDING: u64 = 4 << 10;
    let sizes = ours.and_then(Value::as_u64).zip(theirs.as_u64());
    name.contains(".so") && sizes.is_some_and(|(own, theirs)| own.max(theirs) <= own.min(theirs) * 2 + ROUNDING)
}

/// RSS and swap are those of the rollup exactly, PSS lies below it by at most 1 KiB for each region, and what classes and
/// regions have sums to what the whole has.
fn assert_sums(
    who: &str,
    ours: &Value,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    pid: u32,
    tallies: &mut BTreeMap<Key, Tally>,
) {
    let list = |name: &str| ours[name].as_array().unwrap_or_else(|| panic!("{who}: no {name} in {ours}"));
    for sum in ["rss_bytes", "pss_bytes", "swap_bytes", "swap_pss_bytes"] {
        let whole = ours[sum].as_u64();
        for parts in ["classes", "regions"] {
            let total: u64 = list(parts).iter().map(|part| part[sum].as_u64().expect("a number")).sum();
            assert_eq!(whole, Some(total), "{sum} of the {parts} of {who}");
        }
    }
    let slack = 1024 * list("regions").len() as u64;
    for (title, field, slack) in [
        ("Rss", "rss_bytes", 0),
        ("Swap", "swap_bytes", 0),
        ("Pss", "pss_bytes", slack),
        ("SwapPss", "swap_pss_bytes", slack),
    ] {
        let (theirs, own) = (before[title], ours[field].as_u64().expect("a number"));
        let agrees = (own..=own + slack).contains(&theirs);
        let tally = tallies.entry((pid, 0, format!("rollup {field} of {who}"))).or_default();
        tally.weigh(agrees, after[title] == theirs, || format!("ours {own}, theirs {theirs}"));
    }
}

/// What somebody who looks at it should read.
fn names_what_it_is(who: &str, ours: &Value) {
    let classes = ours["classes"].as_array().expect("a list");
    let rss = |names: &[&str]| -> u64 {
        let of = classes.iter().filter(|class| class["class"].as_str().is_some_and(|name| names.contains(&name)));
        of.map(|class| class["rss_bytes"].as_u64().expect("a number")).sum()
    };
    let line: Vec<_> = classes
        .iter()
        .map(|class| format!("{} {}", class["class"], class["rss_bytes"].as_u64().unwrap_or(0) >> 10))
        .collect();
    println!("{who}: {} KiB: {}", ours["rss_bytes"].as_u64().unwrap_or(0) >> 10, line.join(", ").replace('"', ""));
    let own = ["heap", "anonymous"];
    match who {
        "postgres" | "postgres serving" => assert!(rss(&["shared_memory"]) > 1 << 20, "{who}: {line:?}"),
        "redis" => assert!(rss(&own) > 20 << 20, "{who}: {line:?}"),
        _ => {
            assert!(rss(&own) > 64 << 20, "{who}: {line:?}");
            assert!(rss(&["jit"]) > 1 << 20 && rss(&["library"]) > 4 << 20, "{who}: {line:?}");
            assert!(rss(&["thread_stack"]) > 0, "{who}: {line:?}");
        }
    }
}

fn snapshot(pid: u32) -> Value {
    let pid = pid.to_string();
    let text = output(env!("CARGO_BIN_EXE_oomtop"), &["snapshot", "--json", "--mappings", &pid, "-p", &pid]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// As `pmap -X` names addresses.
fn regions(ours: &Value) -> BTreeMap<String, Region> {
    let list = ours["regions"].as_array().into_iter().flatten();
    list.map(|region| {
        let start = region["start"].as_str().expect("text").trim_start_matches("0x").to_owned();
        let numbers = FIELDS.iter().map(|(_, field)| (*field, region[*field].clone()));
        let region = numbers.chain([("name", region["name"].clone())]).collect();
        (start.trim_start_matches('0').to_owned(), region)
    })
    .collect()
}

fn pmap(pid: u32) -> BTreeMap<String, Region> {
    let text = output("pmap", &["-X", "-p", &pid.to_string()]);
    let mut lines = text.lines().skip(1);
    let titles: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let mut regions = BTreeMap::new();
    for line in lines.take_while(|line| !line.trim_start().starts_with("====")) {
        let mut rest = line.trim_start();
        let mut region = Region::new();
        let mut start = String::new();
        for title in titles.iter().filter(|title| **title != "Mapping") {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = behind.trim_start();
            if *title == "Address" {
                word.trim_start_matches('0').clone_into(&mut start);
            } else if let (Some((_, field)), Ok(kib)) =
                (FIELDS.iter().find(|(known, _)| known == title), word.parse::<u64>())
            {
                region.insert(field, (kib * 1024).into());
            }
        }
        region.insert("name", rest.trim_end().into());
        regions.insert(start, region);
    }
    regions
}

fn rollup(pid: u32) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it lives");
    let size = |line: &str| {
        let (title, kib) = line.split_once(':')?;
        Some((title.to_owned(), kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024))
    };
    text.lines().filter_map(size).collect()
}

/// All of them, ended with the test.
struct Servers {
    processes: Vec<(&'static str, u32)>,
    /// Those who are told by a signal to end come first.
    children: Vec<Child>,
    /// Removed when they have ended.
    directory: tempfile::TempDir,
}

impl Servers {
    /// `None`, and said so, where one of them is not installed.
    fn start() -> Option<Self> {
        let lacks =
            ["pmap", "setpriv", "redis-server", "redis-cli", "keytool"].into_iter().find(|tool| !is_there(tool));
        let postgres = postgres();
        let Some(postgres) = postgres.filter(|_| lacks.is_none()) else {
            require::missing("servers", &format!("{} is not installed", lacks.unwrap_or("PostgreSQL")));
            return None;
        };
        // Open to nobody, and so short that a socket below it has a name (unix(7): 107 bytes).
        let name = require::own_name("servers");
        let directory = tempfile::Builder::new().prefix(&name).tempdir_in("/tmp").expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        let mut servers = Self { processes: Vec::new(), children: Vec::new(), directory };
        servers.start_postgres(&postgres);
        servers.start_redis();
        servers.start_java();
        Some(servers)
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn keep(&mut self, command: &mut Command) -> &mut Child {
        self.children.push(command.spawn().expect("starts"));
        self.children.last_mut().expect("just put there")
    }

    /// The first of its processes, and the one that serves a client.
    fn start_postgres(&mut self, programs: &Path) {
        let program = |name: &str| programs.join(name).to_str().expect("UTF-8").to_owned();
        let (data, sockets) = (self.path("postgres"), self.path(""));
        let made = as_nobody(&program("initdb"))
            .args(["-D", &data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .output()
            .expect("starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = ["listen_addresses=", "fsync=off", "shared_buffers=32MB", "autovacuum=off", "jit=off"];
        let mut command = as_nobody(&program("postgres"));
        command.args(["-D", &data, "-k", &sockets]).args(settings.iter().flat_map(|setting| ["-c", setting]));
        let server = self.keep(&mut command).id();
        let client = || {
            let mut client = as_nobody(&program("psql"));
            client.args(["-X", "-q", "-At", "-h", &sockets, "-U", "test", "-d", "postgres"]).stdin(Stdio::piped());
            client
        };
        until("PostgreSQL", || client().args(["-c", "select 1"]).output().is_ok_and(|output| output.status.success()));
        let psql = self.keep(client().stdout(Stdio::piped()));
        ask(psql, "create table t as select generate_series(1, 300000) as i; select sum(i) from t;", b"45000150000\n");
        ask(psql, "select pg_backend_pid();", b"");
        let mut serving = String::new();
        let answer = psql.stdout.take().expect("a pipe");
        BufReader::new(answer).read_line(&mut serving).expect("it answers");
        let serving = serving.trim().parse().expect("its number");
        self.processes.extend([("postgres", server), ("postgres serving", serving)]);
    }

    fn start_redis(&mut self) {
        let socket = self.path("redis");
        let mut command = as_nobody("redis-server");
        command.args(["--port", "0", "--unixsocket", &socket, "--save", "", "--dir", &self.path("")]);
        let pid = self.keep(&mut command).id();
        let fill = "for i = 1, 200000 do redis.call('set', i, string.rep('x', 100)) end return 'filled'";
        let mut client = as_nobody("redis-cli");
        client.args(["-s", &socket, "eval", fill, "0"]).stdout(Stdio::piped());
        until("Redis", || client.output().is_ok_and(|output| output.stdout.starts_with(b"filled")));
        self.processes.push(("redis", pid));
    }

    /// It asks for a password and waits for the answer: a virtual machine at rest.
    fn start_java(&mut self) {
        let options = ["-J-Xms64m", "-J-Xmx64m", "-J-XX:+AlwaysPreTouch", "-J-XX:+UseSerialGC", "-J-XX:-UsePerfData"];
        let mut command = as_nobody("keytool");
        command.args(["-genkeypair", "-keystore", &self.path("keys")]).args(options);
        let asks = self.keep(command.stdin(Stdio::piped()).stderr(Stdio::piped()));
        let pid = asks.id();
        let mut prompt = [0; 5];
        asks.stderr.as_mut().expect("a pipe").read_exact(&mut prompt).expect("it asks");
        self.processes.push(("java", pid));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // PostgreSQL ends the others of its own on SIGQUIT, and on nothing that cannot be caught.
        for child in self.children.iter().rev() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
        }
        let begin = Instant::now();
        for child in &mut self.children {
            while begin.elapsed() < Duration::from_secs(5) && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where the user is root, as the one who may do nothing; it ends with us.
fn as_nobody(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if require::is_root() {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.arg(program).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn ask(client: &mut Child, question: &str, answer: &[u8]) {
    writeln!(client.stdin.as_mut().expect("a pipe"), "{question}").expect("it listens");
    let mut told = vec![0; answer.len()];
    client.stdout.as_mut().expect("a pipe").read_exact(&mut told).expect("it answers");
    assert_eq!(told, answer);
}

fn until(who: &str, mut is_ready: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_ready() {
        assert!(begin.elapsed() < PATIENCE, "{who} does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).exists())
}

/// Debian keeps the programs of the server out of the way.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|version| version.path().join("bin"));
    versions.filter(|programs| ["initdb", "postgres", "psql"].iter().all(|name| programs.join(name).exists())).max()
}
