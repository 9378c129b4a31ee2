//! Daemons that kill before the kernel does, on a made-up machine: found by their command lines, understood by their
//! options and by the files that they see, told in the JSON.

#![expect(clippy::disallowed_methods, reason = "starts the program, as a user does")]

mod support;

use std::process::{Command, Stdio};

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
    fake.put(&FakeProcess { name: b"daemon".into(), command: command.into(), ..FakeProcess::new(pid) });
}

fn other_killers(fake: &FakeProc) -> Vec<Value> {
    let mut oomtop = Command::new(env!("CARGO_BIN_EXE_oomtop"));
    oomtop.args(["snapshot", "--json", "--proc"]).arg(fake.proc()).arg("--sys").arg(fake.sys());
    let output = oomtop.env_clear().stdin(Stdio::null()).output().expect("oomtop runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let snapshot: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    snapshot["other_killers"].as_array().expect("is there").clone()
}

#[test]
fn where_none_runs_there_is_none() {
    assert_eq!(other_killers(&machine()), [] as [Value; 0]);
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
        "takes_pid": 20, "takes_unknown": null, "watched": [], "unreadable": null,
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
