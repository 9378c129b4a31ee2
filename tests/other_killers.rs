//! Daemons that kill before the kernel does: on a made-up machine, found by their command lines, understood by their
//! options and by the files that they see, told in the JSON; and the real earlyoom, which says itself when it acts and, in
//! a virtual machine, whom it takes. It is never let do it.

#![expect(clippy::disallowed_methods, reason = "starts the programs, as a user does")]

#[path = "oom/hog.rs"]
mod hog;
mod require;
mod support;
#[path = "oom/vm.rs"]
mod vm;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{XattrFlags, setxattr};
use serde_json::{Value, json};
use support::fake_proc::{FakeProc, FakeProcess};

/// 16 GiB with 8 available, 2 GiB of swap with 1 free; `big` has most and `old` has an adjustment.
fn machine() -> FakeProc {
    let fake = FakeProc::new();
    fake.put(&FakeProcess { parent: 0, name: b"init".into(), uid: 0, ..FakeProcess::new(1) });
    fake.put(&FakeProcess { name: b"big".into(), anonymous: 900_000, oom_score: 790, ..FakeProcess::new(20) });
    fake.put(&FakeProcess { name: b"bigger".into(), anonymous: 950_000, oom_score: 800, ..FakeProcess::new(21) });
    fake
}

fn daemon(fake: &FakeProc, pid: u32, command: &[u8]) {
    fake.put(&FakeProcess { name: b"daemon".into(), command: command.into(), uid: 0, ..FakeProcess::new(pid) });
}

fn other_killers(fake: &FakeProc) -> Vec<Value> {
    let snapshot = snapshot(&["--proc".as_ref(), &*fake.proc(), "--sys".as_ref(), &*fake.sys()]);
    snapshot["other_killers"].as_array().expect("is there").clone()
}

fn snapshot(arguments: &[&Path]) -> Value {
    let mut oomtop = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    oomtop.args(["snapshot", "--json"]).args(arguments);
    let output = oomtop.env_clear().stdin(Stdio::null()).output().expect("oomtop runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

/// Where earlyoom is installed. `OOMTOP_REQUIRE=killers` makes its absence a failure.
fn earlyoom() -> Option<PathBuf> {
    let found =
        ["/usr/bin/earlyoom", "/usr/local/bin/earlyoom"].map(PathBuf::from).into_iter().find(|path| path.exists());
    if found.is_none() {
        require::missing("killers", "earlyoom is not installed");
    }
    found
}

#[test]
fn where_none_runs_there_is_none() {
    assert_eq!(other_killers(&machine()), [] as [Value; 0]);
}

/// It can kill nobody else's, and its files may be anything.
#[test]
fn a_strangers_process_is_not_believed_its_name() {
    let fake = machine();
    for (pid, command) in [(30, &b"earlyoom\0"[..]), (31, b"systemd-oomd\0"), (32, b"nohang\0--monitor\0")] {
        fake.put(&FakeProcess { command: command.into(), uid: 4_000_000_000, ..FakeProcess::new(pid) });
    }
    assert_eq!(other_killers(&fake), [] as [Value; 0]);
}

#[test]
fn earlyoom_by_its_options() {
    let fake = machine();
    daemon(&fake, 30, b"/usr/bin/earlyoom\0-m\x0025\0-s\x00100\0--avoid\0^bigger$\0");
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    let expected = json!({
        "program": "earlyoom", "pid": 30, "start_time_ticks": 30, "dry_run": false,
        "acts_at_available_bytes": 4_u64 << 30, "acts_at_swap_free_bytes": 2_u64 << 30, "headroom_bytes": 4_u64 << 30,
        "acts_at_pressure_percent": null, "acts_after_seconds": null, "kills": "process",
        "takes_pid": 20, "takes_unknown": null, "watched": [], "spared": [], "unreadable": null,
    });
    assert_eq!(*killer, expected, "the bigger one is avoided");
    daemon(&fake, 30, b"/usr/bin/earlyoom\0-m25\0--dryrun\0-g\0");
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    assert_eq!(
        (&killer["takes_pid"], &killer["dry_run"], &killer["kills"]),
        (&json!(21), &json!(true), &json!("process_group"))
    );
}

#[test]
fn systemd_oomd_by_the_units_that_it_watches() {
    let fake = machine();
    daemon(&fake, 31, b"/lib/systemd/systemd-oomd\0");
    fake.write("proc/31/root/etc/systemd/oomd.conf", "[OOM]\n#SwapUsedLimit=90%\nSwapUsedLimit=75%\n");
    fake.write("proc/31/root/usr/lib/systemd/system/-.slice.d/10-oomd.conf", "[Slice]\nManagedOOMSwap=kill\n");
    let drop_in = "proc/31/root/usr/lib/systemd/system/user@.service.d/10-oomd.conf";
    fake.write(drop_in, "[Service]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=50%\n");
    fake.write("proc/31/root/usr/lib/systemd/system/cron.service", "[Service]\nExecStart=/usr/sbin/cron\n");
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    assert_eq!(
        (&killer["program"], &killer["kills"], &killer["takes_pid"]),
        (&json!("systemd-oomd"), &json!("cgroup"), &json!(null))
    );
    assert_eq!(killer["acts_at_available_bytes"], json!(4_u64 << 30));
    assert_eq!(killer["acts_at_swap_free_bytes"], json!(512_u64 << 20));
    assert_eq!((&killer["acts_at_pressure_percent"], &killer["acts_after_seconds"]), (&json!(50.0), &json!(30)));
    let watched = json!([
        {"unit": "-.slice", "on_swap": true, "pressure_percent": null},
        {"unit": "user@.service", "on_swap": false, "pressure_percent": 50.0},
    ]);
    assert_eq!(killer["watched"], watched);
}

/// Which file counts where several say something (systemd.unit(5)): of one name that of the higher directory alone, of
/// drop-ins the last name, and what `systemctl set-property` wrote before all.
#[test]
fn the_files_of_systemd_oomd_count_as_systemd_has_them_count() {
    let fake = machine();
    daemon(&fake, 31, b"/usr/lib/systemd/systemd-oomd\0");
    let file = |path: &str, text: &str| fake.write(&format!("proc/31/root/{path}"), text);
    file("usr/lib/systemd/oomd.conf", "[OOM]\nSwapUsedLimit=10%\nDefaultMemoryPressureLimit=11%\n");
    file("etc/systemd/oomd.conf", "[OOM]\nSwapUsedLimit=20%\n");
    file("usr/lib/systemd/oomd.conf.d/10-defaults.conf", "[OOM]\nDefaultMemoryPressureDurationSec=20s\n");
    file("usr/lib/systemd/oomd.conf.d/50.conf", "[OOM]\nSwapUsedLimit=75%\n");
    file("etc/systemd/oomd.conf.d/20.conf", "[OOM]\nSwapUsedLimit=40%\n");
    let unit = |path: &str, text: &str| fake.write(&format!("proc/31/root/{path}"), text);
    unit("usr/lib/systemd/system/-.slice.d/10.conf", "[Slice]\nManagedOOMSwap=kill\n");
    unit("usr/lib/systemd/system/slice.d/10.conf", "[Slice]\nManagedOOMMemoryPressure=kill\n");
    // Units of users are others than those of the machine, also of the same name.
    unit(
        "usr/lib/systemd/user/slice.d/10.conf",
        "[Slice]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=80%\n",
    );
    unit("usr/lib/systemd/system/gone.service.d/10.conf", "[Service]\nManagedOOMSwap=kill\n");
    unit("etc/systemd/system/gone.service.d/10.conf", "");
    unit("usr/lib/systemd/system/off.service", "[Service]\nManagedOOMSwap=kill\n");
    unit("etc/systemd/system.control/off.service.d/50-ManagedOOMSwap.conf", "[Service]\nManagedOOMSwap=auto\n");
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    assert_eq!(killer["acts_at_swap_free_bytes"], json!(512_u64 << 20), "75 %, of the last name: {killer}");
    assert_eq!((&killer["acts_at_pressure_percent"], &killer["acts_after_seconds"]), (&json!(60.0), &json!(20)));
    let names: Vec<_> = killer["watched"].as_array().expect("is a list").iter().map(|unit| &unit["unit"]).collect();
    assert_eq!(names, ["*.slice", "-.slice", "user@.service/*.slice"]);
}

#[test]
fn systemd_oomd_spares_what_is_marked() {
    let fake = machine();
    daemon(&fake, 31, b"/usr/lib/systemd/systemd-oomd\0");
    fake.write(
        "proc/31/root/usr/lib/systemd/system/user@.service.d/10.conf",
        "[Service]\nManagedOOMMemoryPressure=kill\n",
    );
    let below = "user.slice/user@1000.service";
    fake.write("proc/31/root/sys/fs/cgroup/cgroup.controllers", "memory\n");
    for (path, marks) in [
        (format!("{below}/session.slice"), &["user.oomd_avoid"][..]),
        (format!("{below}/app.slice/vip.scope"), &["user.oomd_avoid", "user.oomd_omit"]),
        (format!("{below}/app.slice/other.scope"), &[]),
        ("system.slice/sshd.service".into(), &["user.oomd_omit"]),
    ] {
        fake.write(&format!("proc/31/root/sys/fs/cgroup/{path}/cgroup.procs"), "");
        let directory = fake.path("proc/31/root/sys/fs/cgroup").join(&path);
        for mark in marks {
            if let Err(reason) = setxattr(&directory, *mark, b"1", XattrFlags::empty()) {
                require::missing("attributes", &format!("no file here takes user.* attributes: {reason}"));
                return;
            }
        }
    }
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    let spared = json!([
        {"cgroup": format!("/{below}/app.slice/vip.scope"), "preference": "omit"},
        {"cgroup": format!("/{below}/session.slice"), "preference": "avoid"},
    ]);
    let mut told = killer["spared"].as_array().expect("is a list").clone();
    told.sort_by_key(|cgroup| cgroup["cgroup"].as_str().map(str::to_owned));
    assert_eq!(json!(told), spared, "what is not below a watched unit is no matter");
}

#[test]
fn nohang_by_its_file_and_nothing_made_up_without_it() {
    let fake = machine();
    daemon(&fake, 32, b"/usr/bin/python3\0/usr/sbin/nohang\0--monitor\0--config\0/etc/nohang/mine.conf\0");
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    assert_eq!((&killer["program"], &killer["acts_at_available_bytes"]), (&json!("nohang"), &json!(null)));
    assert!(killer["unreadable"].is_string() && killer["takes_unknown"].is_string(), "{killer}");
    let text = "soft_threshold_min_mem = 25 %\nsoft_threshold_min_swap = 512 M\n";
    fake.write("proc/32/root/etc/nohang/mine.conf", text);
    let [killer] = &other_killers(&fake)[..] else { panic!("one") };
    assert_eq!((&killer["acts_at_available_bytes"], &killer["takes_pid"]), (&json!(4_u64 << 30), &json!(21)));
    assert_eq!(killer["headroom_bytes"], json!((4_u64 << 30) + (512 << 20)));
}

/// Ends with the test, however that ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// It prints its thresholds when it begins. Far from any that could be reached here, and in dry run.
#[test]
fn earlyoom_itself_says_the_thresholds_that_are_told() {
    let Some(earlyoom) = earlyoom() else { return };
    let cases: [&[&str]; 5] = [
        &["-m", "2", "-s", "3"],
        &["-m3,1", "-s", "100,50"],
        &["-M", "102400,51200", "-m", "1"],
        &["-m", "7", "-M", "1048576", "-g"],
        &["-p", "--prefer", "^(cc1|ld)$", "--avoid=^sshd$", "-m", "1"],
    ];
    for options in cases {
        let mut daemon = Command::new(&earlyoom);
        let said = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("earlyoom-{}", std::process::id()));
        daemon.args(["--dryrun", "-r", "3600"]).args(options).stdin(Stdio::null()).stdout(Stdio::null());
        let daemon = daemon.stderr(File::create(&said).expect("our own"));
        let daemon = Daemon(daemon.spawn().expect("starts"));
        let deadline = Instant::now() + Duration::from_secs(60);
        let told = loop {
            // sending SIGTERM when mem <=  2.00% and swap <=  3.00%,
            let text = fs::read_to_string(&said).expect("our own");
            let told = text.lines().find_map(|line| line.strip_prefix("sending SIGTERM when mem <= "));
            if told.is_some() || Instant::now() > deadline {
                break told.map(str::to_owned);
            }
            sleep(Duration::from_millis(20));
        };
        let pid = daemon.0.id();
        let seen = snapshot(&[]);
        drop(daemon);
        fs::remove_file(&said).expect("our own");
        let told = told.expect("it says its thresholds");
        let percents: Vec<f64> =
            told.split('%').filter_map(|part| part.rsplit([' ', '=']).next()?.parse().ok()).collect();
        let killers = seen["other_killers"].as_array().expect("is there");
        let killer = killers.iter().find(|killer| killer["pid"] == pid).expect("is recognised");
        assert_eq!((&killer["program"], &killer["dry_run"]), (&json!("earlyoom"), &json!(true)), "{killer}");
        assert_eq!(killer["kills"], if options.contains(&"-g") { "process_group" } else { "process" });
        assert!(killer["takes_pid"].is_u64() || killer["takes_unknown"].is_string(), "{killer}");
        let share = |part: &Value, whole: &Value| part.as_f64().expect("told") * 100.0 / whole.as_f64().expect("told");
        let memory = share(&killer["acts_at_available_bytes"], &seen["host"]["mem_total_bytes"]);
        assert!((memory - percents[0]).abs() < 0.01, "{options:?}: {told} {killer}");
        if seen["host"]["swap_total_bytes"] != 0 {
            let swap = share(&killer["acts_at_swap_free_bytes"], &seen["host"]["swap_total_bytes"]);
            assert!((swap - percents[1]).abs() < 0.01, "{options:?}: {told} {killer}");
        }
    }
}

/// Whom it would take, it says where it would act: in a machine of its own, and in dry run there too.
#[test]
fn earlyoom_would_take_whom_it_is_said_to_take() {
    const SCRIPT: &str = r#"
swapon-zram 64
hold() { # MIB: its pid
    dd if=/dev/zero of=/dev/null bs="$1"M count=10000000 2>/dev/null &
    echo $!
}
renice -n 10 $$ >/dev/null
small=$(hold 40); big=$(hold 70)
echo 100 >/proc/$small/oom_score_adj
until [ "$(cut -d ' ' -f 2 /proc/$small/statm)" -ge 10000 ] && [ "$(cut -d ' ' -f 2 /proc/$big/statm)" -ge 17000 ]; do sleep 1; done
for options in '-m 99 -s 100' '-m 99 -s 100 --prefer ^tail$' '-m 99,98 -s 100 -p'; do
    tail -f /dev/null & idle=$!
    : >/tmp/told
    until [ "$(cat /proc/$idle/comm)" = tail ]; do sleep 1; done
    /earlyoom --dryrun -r 0 $options >/tmp/log 2>&1 & daemon=$!
    until grep -q 'sending SIGTERM to process' /tmp/log; do sleep 1; done
    # It is asked until it has seen everybody: a first look may come before one of them had a name.
    until told=$(cut -s -d = -f 2 /tmp/told) && [ -n "$told" ]; do
        /oomtop snapshot --json >/tmp/snapshot
        sed -n 's/.*"takes_pid":\([0-9][0-9]*\).*/takes=\1/p' /tmp/snapshot >/tmp/told
    done
    echo "took $(sed -n 's/^sending SIGTERM to process \([0-9]*\) .*/\1/p' /tmp/log | tail -n 1)"
    echo "told $told"
    kill $daemon $idle; wait $daemon $idle
done 2>/dev/null
kill $small $big
"#;
    let Some(earlyoom) = earlyoom().filter(|_| require::root()) else { return };
    let Some(guest) = hog::compiled().and_then(|hog| vm::Guest::find(&hog)) else {
        require::missing("vm", "no virtual machine was built: tests/vm/boot build (root, Debian)");
        return;
    };
    let guest = guest.with(&earlyoom, "/earlyoom").expect("its libraries are known");
    let (status, output) = guest.run(512, Duration::from_secs(600), SCRIPT);
    let of =
        |what: &str| output.lines().filter_map(|line| line.strip_prefix(what)?.trim().parse::<u32>().ok()).collect();
    let (took, told): (Vec<_>, Vec<_>) = (of("took"), of("told"));
    assert_eq!((status, took.len()), (0, 3), "{output}");
    assert_eq!(took, told, "{output}");
    assert!(took[0] != took[1] && took[0] == took[2], "a preferred one is taken first: {output}");
}
