//! `oomtop explain` as a person and a script meet it: where it reads, what it prints, how it ends.

#![expect(clippy::disallowed_methods, reason = "puts a program in the place of journalctl")]

#[path = "require/mod.rs"]
mod require;

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;

fn log(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oom-logs").join(format!("{name}.log"))
}

/// Runs `oomtop explain` with these arguments and this standard input; gives status, output, errors.
fn explain(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("oomtop").expect("the program");
    let output = command.arg("explain").args(arguments).write_stdin(input).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn path(name: &str) -> String {
    log(name).to_str().expect("a path").to_owned()
}

#[test]
fn a_story_reads_like_this() {
    let (status, text, errors) = explain(&[&path("7.2-adj-decides")], "");
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    let first = text.split("\n\n").next().expect("a story");
    assert_eq!(
        first,
        "\
11.025768s after boot
  h1_1 127 was killed: memory cgroup t1 was at its limit of 32.0M
    why       1st of 4 by 11.8M: 7.99M RSS + 56.0K page tables + 0 swap, adj +674 counts as 21.1M of this 32.0M cgroup; next was h1_2 128. trig 129 held more (13.2M against 8.04M): oom_score_adj decided
    asked     trig 129 asked for one page (GFP_KERNEL)
    it held   7.99M in RAM (7.23M anonymous, 4.00K of files, 776K shared), 56.0K of page tables, oom_score_adj 674
    memory    32.0M of 32.0M in use: 31.9M anonymous, 0 of files, 88.0K the kernel's; no swap allowed
    cgroup    /t1
       BADNESS     RSS    SWAP  TABLES   ADJ      PID  NAME
    >    29.1M   7.99M       0   56.0K   674      127  h1_1
         17.3M   7.90M       0   52.0K   300      128  h1_2
         13.2M   13.1M       0   60.0K     0      129  trig
         9.36M   6.19M       0   44.0K   100      126  h1_0"
    );
}

#[test]
fn a_pipe_and_a_dash_are_standard_input() {
    let kill = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n";
    for arguments in [&[][..], &["-"]] {
        let (status, text, _) = explain(arguments, kill);
        assert_eq!(status, Some(0));
        assert!(text.contains("a 5 was killed: the machine ran out of memory"), "{text}");
    }
}

#[test]
fn a_log_without_a_kill_is_said_to_have_none() {
    let (status, text, _) = explain(&[], "Nov 21 08:41:22 host kernel: usb 1-1: new device\n");
    assert_eq!(status, Some(0));
    assert_eq!(text, "No process was killed by the kernel's OOM killer in this log (all at Nov 21 08:41:22).\n");
    // A program's word that something was killed is not believed, and neither is that it is none.
    let (status, text, _) = explain(&[&path("public-no-kill")], "");
    assert_eq!(status, Some(1));
    assert_eq!(
        text,
        "Whether the kernel's OOM killer killed a process is not certain from this log (it covers Nov 21 08:41:22 to \
         Nov 21 08:44:00). Not believed: 1 line with the words of a kill (from another program, quoted, or from another \
         log).\n"
    );
}

/// Who asks for a process by its number is not told that it lives where the log lacks a victim.
#[test]
fn a_kill_whose_victim_is_not_in_the_log_leaves_all_open() {
    let dump = "[1.0] python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n";
    let (status, text, _) = explain(&["-p", "77"], dump);
    assert_eq!(status, Some(1));
    let begin = "This log does not say whether 77 was killed (all at 1.000000s after boot; 0 others were killed): 1 \
                 kill lacks its victim.";
    assert!(text.starts_with(begin), "{text}");
    let (status, text, _) = explain(&[], dump);
    assert_eq!(status, Some(1));
    let end = "The OOM killer ran once, but this log does not say what it killed (all at 1.000000s after boot): 1 \
               kill lacks its victim.\n";
    assert!(text.ends_with(end), "{text}");
    // Beside others that it has.
    let kill = "[9.0] Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n";
    let both = format!("{kill}{dump}");
    for (asked, expected, words) in [
        (&[][..], 0, "1 process was killed in this log"),
        (&["-p", "5"], 0, "The kernel's OOM killer killed 5: see above."),
        (&["-p", "77"], 1, "This log does not say whether 77 was killed"),
    ] {
        let (status, text, _) = explain(asked, &both);
        assert_eq!(status, Some(expected), "{asked:?}");
        assert!(text.contains(words), "{text}");
    }
    let (_, text, _) = explain(&[], &both);
    assert!(text.ends_with("This log is incomplete: 1 kill lacks its victim.\n"), "{text}");
}

/// Kernels before 5.1 said whom they chose, and in another line who died.
#[test]
fn a_choice_without_its_kill_is_told_as_such() {
    let log = "[1.0] Memory cgroup out of memory: Kill process 27281 (java) score 1027 or sacrifice child\n";
    for (arguments, end) in [
        (&[][..], "1 choice lacks its kill.\n"),
        (&["-p", "27281"], "The kernel chose 27281, but this log lacks its kill: see above.\n"),
    ] {
        let (status, text, _) = explain(arguments, log);
        assert_eq!(status, Some(1));
        assert!(
            text.contains("  the kernel chose java 27281, but its kill is not in this log: its memory cgroup was at"),
            "{text}"
        );
        assert!(text.ends_with(end), "{text}");
    }
    let (_, text, _) = explain(&["-p", "77"], log);
    assert!(text.starts_with("This log does not say whether 77 was killed ("), "{text}");
}

/// As PowerShell writes what it is told to put into a file.
#[test]
fn a_text_in_utf_16_is_called_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("kern.log");
    let kill = "\u{feff}[1.0] Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB\r\n";
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        std::fs::write(&log, kill.encode_utf16().flat_map(bytes).collect::<Vec<_>>()).expect("written");
        let (status, text, errors) = explain(&[log.to_str().expect("a path")], "");
        assert_eq!((status, text.as_str()), (Some(1), ""));
        assert!(errors.contains("is UTF-16 text") && errors.contains("iconv -f UTF-16 -t UTF-8 FILE"), "{errors}");
    }
}

/// What other programs pack is named, with the program that unpacks it.
#[test]
fn a_packed_file_says_how_to_unpack_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("kern.log");
    for (beginning, program) in [
        (&b"\x1f\x8b\x08\0\n"[..], "zcat FILE | oomtop explain"),
        (b"BZh91AY&SY", "bzcat FILE | oomtop explain"),
        (b"\xfd7zXZ\0\n", "xzcat FILE | oomtop explain"),
        (b"\x28\xb5\x2f\xfd\x04", "zstdcat FILE | oomtop explain"),
        (b"LPKSHHRH\0\0", "journalctl -k -o json --file FILE | oomtop explain"),
    ] {
        std::fs::write(&log, beginning).expect("written");
        let (status, text, errors) = explain(&[log.to_str().expect("a path")], "");
        assert_eq!((status, text.as_str()), (Some(1), ""));
        assert!(errors.contains(" is ") && errors.contains(program), "{errors}");
    }
}

/// Nothing was killed in a log of nothing or in another text, but that says nothing.
#[test]
fn what_is_no_kernel_log_is_said_to_be_none() {
    let (status, text, errors) = explain(&[], "");
    assert_eq!((status, text.as_str()), (Some(1), ""));
    assert_eq!(errors, "oomtop: standard input is empty: it says nothing about kills\n");
    for arguments in [&[][..], &["-p", "7"]] {
        let (status, text, errors) = explain(arguments, "dear diary\nno kill today");
        assert_eq!((status, text.as_str()), (Some(1), ""));
        let begin =
            "oomtop: standard input: 0 of 2 lines were recognised as kernel messages, so it says nothing about kills.";
        assert!(errors.starts_with(begin), "{errors}");
    }
    let (status, text, _) = explain(&[], "dear diary\nNov 21 08:41:22 host kernel: usb 1-1: new device\n");
    assert_eq!(status, Some(0));
    assert!(text.starts_with("No process was killed by the kernel's OOM killer in this log (all at "), "{text}");
}

/// A few lines of a kernel's in a text of another form do not make it a log without kills.
#[test]
fn what_is_hardly_a_kernel_log_is_said_to_be_hardly_one() {
    let text = "[    1.5] usb 1-1: new device\n".repeat(3) + &"2026-11-21 08:41:22 INFO step done\n".repeat(19_997);
    for arguments in [&[][..], &["-p", "7"]] {
        let (status, out, errors) = explain(arguments, &text);
        assert_eq!((status, out.as_str()), (Some(1), ""));
        let begin = "oomtop: standard input: only 3 of 20000 lines are from a kernel log, with no kill among them;";
        assert!(errors.starts_with(begin), "{errors}");
    }
    let (status, out, _) = explain(&["--json", "-p", "7"], &text);
    let json: Value = serde_json::from_str(&out).expect("one object");
    assert_eq!(
        (status, &json["log"]["is_kernel_log"], &json["log"]["kernel_lines"]),
        (Some(1), &false.into(), &3.into())
    );
    assert!(json["asked"][0]["answer"].as_str().expect("a sentence").starts_with("Whether 7 was killed is not known"));
}

/// The kernel's words count wherever they stand, while no line is the kernel's by its form; then it is said.
#[test]
fn a_kill_in_a_containers_log_is_told_with_what_stood_ahead() {
    let kill = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB";
    let log = format!("2026-11-20T10:00:00.1Z stdout F it begins\n2026-11-20T10:00:01.1Z stdout F {kill}\n");
    let (status, text, _) = explain(&[], &log);
    assert_eq!(status, Some(0));
    assert!(text.starts_with("2026-11-20T10:00:01.1Z\n  a 5 was killed: the machine ran out of memory\n"), "{text}");
    assert!(
        text.contains("by the kernel's own words after other text (first after \"2026-11-20T10:00:01.1Z stdout F\")"),
        "{text}"
    );
    let (status, text, _) = explain(&["-p", "6"], &log);
    assert_eq!(status, Some(0));
    assert!(
        text.starts_with(
            "Nothing in this log killed 6 (it covers 2026-11-20T10:00:00.1Z to \
                              2026-11-20T10:00:01.1Z; 1 other was killed)."
        ),
        "{text}"
    );
    let (_, text, _) = explain(&["--json"], &log);
    let json: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(json["log"]["found_behind"], "2026-11-20T10:00:01.1Z stdout F ");
    // Who wrote these lines is not known, so that a script can tell them from the kernel's.
    assert_eq!((&json["log"]["is_kernel_log"], &json["log"]["kernel_lines"]), (&false.into(), &0.into()));
}

/// Anybody may write the kernel's words with `logger`; the syslog then names who did.
#[test]
fn a_kill_that_another_program_tells_of_is_counted_and_not_believed() {
    let log =
        "Nov 21 08:41:22 host myapp[7]: Out of memory: Killed process 1 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n";
    let (status, text, errors) = explain(&[], log);
    assert_eq!((status, text.as_str()), (Some(1), ""));
    let begin = "oomtop: standard input: 0 of 1 line was recognised as kernel messages, so it says nothing about \
                 kills. Not believed: 1 line with the words of a kill (from another program, quoted, or from another \
                 log). ";
    assert!(errors.starts_with(begin), "{errors}");
    let (status, text, _) = explain(&["--json"], log);
    let json: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!((status, json["episodes"].as_array().map(Vec::len)), (Some(1), Some(0)));
    assert_eq!((&json["log"]["is_kernel_log"], &json["log"]["refused_lines"]), (&false.into(), &1.into()));
}

/// A line that is not believed leaves open whether the process died that it names, and says nothing of any other.
#[test]
fn a_line_that_is_not_believed_concerns_the_process_that_it_names() {
    let log = "Nov 21 08:41:22 host kernel: usb 1-1: new device\n\
               Nov 21 08:41:22 host myapp[7]: Out of memory: Killed process 12 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n\
               Nov 21 08:41:23 host kernel: usb 1-1: gone\n";
    let (status, text, _) = explain(&["-p", "12"], log);
    assert_eq!(status, Some(1));
    assert!(text.starts_with("Whether 12 was killed is not certain from this log"), "{text}");
    let (status, text, _) = explain(&["-p", "13"], log);
    assert_eq!(status, Some(0));
    assert!(text.starts_with("Nothing in this log killed 13 "), "{text}");
    assert_eq!(explain(&["-p", "12,13"], log).0, Some(1));
}

/// A journal that shows nothing, as it does to those without the right, is no log without kills.
#[test]
fn a_journal_that_shows_nothing_is_a_failure_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("journalctl");
    // No file of ours: it cannot be executed while somebody has it open who was forked when we wrote it.
    std::os::unix::fs::symlink("/bin/true", &program).expect("linked");
    let mut command = Command::cargo_bin("oomtop").expect("the program");
    let output = command.args(["explain", "--journal"]).env("PATH", folder.path()).output().expect("it runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(errors.starts_with("oomtop: the journal shows no kernel messages: "), "{errors}");

    std::fs::remove_file(&program).expect("removed");
    let mut command = Command::cargo_bin("oomtop").expect("the program");
    let output = command.args(["explain", "--journal"]).env("PATH", folder.path()).output().expect("it runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("cannot run journalctl: name a log file instead, or try --kernel"), "{errors}");
}

#[test]
fn a_process_is_asked_for() {
    let name = path("6.12.107-dead-leader");
    let (_, text, _) = explain(&["-p", "340", &name], "");
    assert!(text.contains("trigL 340 was killed") && !text.contains("ldead 338 was killed"), "{text}");
    assert!(text.ends_with("The kernel's OOM killer killed 340: see above.\n"), "{text}");
    // By its own number and by that of the thread that the kernel printed.
    for pid in ["338", "339"] {
        assert!(explain(&["-p", pid, &name], "").1.contains("ldead 338 was killed"), "{pid}");
    }
    let (status, text, _) = explain(&["-p", "4242", &path("6.18.15-cpuset")], "");
    assert_eq!(status, Some(0));
    assert!(text.starts_with("Nothing in this log killed 4242 (it covers "), "{text}");
    let (_, text, _) = explain(&["-p", "151", &path("6.18.15-cpuset")], "");
    assert!(text.contains("It was a candidate in 2 dumps, but others were killed."), "{text}");
}

/// The log of the kernel that runs has the numbers of the machine, a container others: what it says of a number says nothing
/// of the process that has it here. A log that was handed over may be of anywhere.
#[test]
fn a_process_of_a_container_is_not_known_by_the_numbers_of_the_machine() {
    const UNSHARE: &str = "/usr/bin/unshare";
    const NAMESPACES: [&str; 4] = ["--pid", "--mount", "--fork", "--mount-proc"];
    if !require::root() || !require::tool(UNSHARE) {
        return;
    }
    let tried = std::process::Command::new(UNSHARE).args(NAMESPACES).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        require::missing("namespaces", "a container cannot be made here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("journalctl");
    let record = "{\"_TRANSPORT\":\"kernel\",\"__REALTIME_TIMESTAMP\":\"1700000000000000\",\"MESSAGE\":\"Out of memory: \
                  Killed process 12 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB\"}";
    let script = format!("#!/bin/sh\necho '{record}'\n");
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("made executable");
    let told = |pid: &str, log: &[&str]| {
        let mut command = Command::new(UNSHARE);
        command.args(NAMESPACES).arg(env!("CARGO_BIN_EXE_oomtop")).args(["explain", "-p", pid]).args(log);
        let output = command.env("PATH", folder.path()).write_stdin(record).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    for (pid, answer) in
        [("12", "The kernel's OOM killer killed 12: see above."), ("13", "Nothing in this log killed 13 ")]
    {
        let (status, text) = told(pid, &["--journal"]);
        let last = text.lines().last().expect("an answer");
        assert_eq!(status, Some(1), "{text}");
        let unknown = format!("Whether {pid} was killed is not known: that is its number in this PID namespace, ");
        let of_machine = format!(" Of the machine's {pid}: {answer}");
        assert!(last.starts_with(&unknown) && last.contains(&of_machine), "{last}");
        let (status, text) = told(pid, &[]);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.lines().last().is_some_and(|last| last.starts_with(answer)), "{text}");
    }
}

/// Who asks is a thread, the table has processes.
#[test]
fn who_asked_and_is_not_in_the_table_may_be_a_thread_of_its_namesake() {
    let log = std::fs::read_to_string(log("7.2-adj-decides")).expect("a log");
    let asked = |name: &str, pid: u32| {
        let log = log.replace("trig invoked", &format!("{name} invoked"));
        let (_, text, _) = explain(&[], &log.replace(" PID: 129 Comm: trig ", &format!(" PID: {pid} Comm: {name} ")));
        let asked = text.lines().find_map(|line| line.trim_start().strip_prefix("asked     ")).expect("somebody asked");
        asked.to_owned()
    };
    for (name, pid, told) in [
        ("trig", 129, "trig 129 asked for one page"),
        ("trig", 131, "trig 131 (a thread of process 129, or a process that the table lacks) asked for one page"),
        ("pool-1", 131, "pool-1 131 asked for one page"),
    ] {
        let asked = asked(name, pid);
        assert!(asked.starts_with(told), "{asked}");
    }
}

#[test]
fn json_has_the_same_and_the_numbers() {
    let (status, text, _) = explain(&["--json", "-p", "297", &path("7.2-oom-group")], "");
    assert_eq!(status, Some(0));
    let json: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!(json["schema"], "oomtop.explain/1");
    let story = &json["episodes"][0];
    assert_eq!(story["kill_group"], "/grp");
    assert_eq!(story["outcome"], "killed");
    let pids: Vec<_> =
        story["victims"].as_array().expect("victims").iter().map(|victim| victim["pid"].clone()).collect();
    assert_eq!(pids, [300, 297, 298]);
    assert_eq!(story["victims"][0]["rss_anon_bytes"], 17_532 * 1024);
    assert_eq!(story["domain"]["limit_bytes"], 32 << 20);
    let first = &story["candidates"][0];
    let sum = |keys: &[&str]| keys.iter().map(|key| first[key].as_i64().expect("a number")).sum::<i64>();
    assert_eq!(sum(&["badness_pages"]), sum(&["rss_pages", "swap_pages", "page_table_pages", "adj_pages"]));
    assert_eq!(story["candidates"].as_array().expect("candidates").last().expect("one")["never_taken"], true);
    assert_eq!(json["asked"][0]["pid"], 297);
    assert!(json["log"]["first"]["since_boot_us"].is_u64());
}

#[test]
fn json_of_nothing_is_whole_too() {
    let (status, text, _) = explain(&["--json"], "nothing\n");
    let json: Value = serde_json::from_str(&text).expect("one object");
    assert_eq!((status, json["episodes"].as_array().map(Vec::len)), (Some(1), Some(0)));
    assert_eq!((&json["log"]["first"], &json["log"]["is_kernel_log"]), (&Value::Null, &false.into()));
}

#[test]
fn what_cannot_be_read_is_a_failure_that_says_so() {
    let (status, text, errors) = explain(&["/nonexistent/kern.log"], "");
    assert_eq!((status, text.as_str()), (Some(1), ""));
    assert!(errors.starts_with("oomtop: /nonexistent/kern.log: "), "{errors}");
    for unreadable in ["/nonexistent/kern.log", "/"] {
        let (status, text, errors) = explain(&["--json", unreadable], "");
        assert_eq!((status, text.as_str()), (Some(1), ""));
        assert!(errors.contains("name a readable log file"), "{errors}");
    }
    assert_eq!(explain(&["--kernel", "--journal"], "").0, Some(2));
}

#[test]
fn hostile_names_move_no_cursor() {
    let (_, text, _) = explain(&[&path("public-6.5-journal-json")], "");
    assert!(text.contains("a\\x1b[31mb 5121") && !text.contains('\u{1b}'), "{text}");
}
