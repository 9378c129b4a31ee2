//! Tests of `reader`: what a log in pieces, in any wrapping and from anybody comes to.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::oom_log::envelope;
use crate::oom_log::{Domain, Outcome, Usage};
use crate::units::Pid;

fn read(log: &str) -> Vec<Episode> {
    let mut reader = LogReader::default();
    reader.push(log.as_bytes());
    reader.finish();
    std::iter::from_fn(|| reader.next_episode()).collect()
}

const KILL: &str = "\
[    7.804963] trig invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[    7.805346] CPU: 1 UID: 0 PID: 125 Comm: trig Tainted: G        W           7.2.12+deb13-cloud-amd64 #1 PREEMPT(lazy)
[    7.811617] memory: usage 48996kB, limit 49152kB, failcnt 18
[    7.811666] Memory cgroup stats for /t0:
[    7.812043] anon 50053120
[    7.812668] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[    7.812700] [    122]     0   122     3100     3020     2900        1       119    61440        0             0 h0_0
[    7.812710] [    125]     0   125     7270     7180     6986        1       193    98304        0             0 trig
[    7.812934] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=t0,mems_allowed=0-1,oom_memcg=/t0,task_memcg=/t0,task=trig,pid=125,uid=0
[    7.823659] Memory cgroup out of memory: Killed process 125 (trig) total-vm:29080kB, anon-rss:27944kB, file-rss:4kB, shmem-rss:776kB, UID:0 pgtables:96kB oom_score_adj:0
";

/// Every form of a line, and what is like them.
fn heads() -> Vec<&'static str> {
    let like_them = [
        "2026-11-21T08:41:22.654321+00:00 web-1 kernel: ",
        "6,1,2,-;",
        "6,1,2,-,caller=T1;",
        "6,",
        "12,1,2,-;",
        "[x] w kernel: ",
        "[Tue Nov 21 08:41:22 2026] ",
        "[Tue Nov 21 08:41:22 2026] [  T12] ",
        "[Tue Nov 21 08:41:22 2026][  T12] ",
        "[Tue Nov 21 08:41:23 2026] ",
    ];
    envelope::tests::heads().into_iter().chain(like_them).collect()
}

/// Every text that has a meaning.
fn texts() -> Vec<String> {
    let texts = KILL.lines().filter_map(|line| line.split_once("] ")).map(|(_, text)| text.to_owned());
    let others = [
        "x cpuset=/ mems_allowed=0-1",
        "Task in /a killed as a result of limit of /b",
        "Memory limit reached of cgroup /a",
        "memory+swap: usage 1kB, limit 2kB, failcnt 3",
        "swap: usage 1kB, limit 2kB, failcnt 3",
        "kmem: usage 1kB, limit 2kB, failcnt 3",
        "Memory cgroup stats for /t1: cache:0KB rss:32340KB",
        "4096 pages RAM",
        "12 pages reserved",
        "Total swap = 0kB",
        "Free swap  = 0kB",
        "Node 0 DMA free:2kB present:15992kB managed:1kB",
        "Pid: 7, comm: x Not tainted 2.6.32-5 #1",
        "Linux version 6.8.0-31-generic (b@c) #1",
        "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
        "Tasks in /a are going to be killed due to memory.oom.group set",
        "oom_reaper: reaped process 5 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "oom_reaper: unable to reap pid:5 (x)",
        "OOM victim 5 (x) is already exiting. Skip killing the task",
        "Out of memory and no killable processes...",
        "Out of Memory: Killed process 5 (x).",
        "Kill process 5 (x) score 7 or sacrifice child",
        "oom-killer: gfp_mask=0x1, order=0",
        "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",
        "[24449]    48 24449    31749     2342   1       0 httpd",
        "file 9",
        "shmem 9",
        "kernel 9",
        "rss 9",
        "cache 9",
        "total_rss 9",
        "total_cache 9",
        "total_shmem 9",
        "  anon 9",
        " dump_stack+0x6d/0x8b",
        "workingset_refault 0",
    ];
    texts.chain(others.map(String::from)).collect()
}

/// Every text behind every head.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let stamps = ["[    7.804963] ", "[ 7.8][ T1] ", "[    7.804963] [ T1] ", "[    7.804963]: ", "[.123456] ", ""];
    let behinds = ["w kernel: ", " ", "x invoked ", ";", "[", ""];
    (select(heads()), select(stamps.to_vec()), select(behinds.to_vec()), select(texts()), 0..200_usize).prop_map(
        |(head, stamp, behind, text, end)| {
            let line = format!("{head}{stamp}{behind}{text}").into_bytes();
            line[..end.min(line.len())].to_vec()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_line_that_is_passed_over_holds_nothing(line in line(), before in select(heads())) {
        let mut opener = Opener::default();
        let _ = opener.open(format!("{before}x").as_bytes());
        if let Some(envelope) = opener.glance(&line) {
            prop_assert_eq!(&envelope, &envelope::open(&line).expect("the kernel's"));
            if !line.contains(&b'=') && message::begins_nothing(&envelope.text) {
                let text = &*envelope.text;
                prop_assert_eq!(message::parse(text, true), None);
                let columns = b"[ pid ]   uid  tgid total_vm      rss name";
                let columns = crate::oom_log::tasks::Columns::parse(columns).expect("a header");
                prop_assert_eq!(columns.row(text, true), None);
                prop_assert!(!Usage::default().note(text, true));
            }
        }
    }
}

/// What every line comes to where each is unwrapped by itself and read to its end.
fn read_to_the_end(log: &str) -> Vec<Episode> {
    let mut assembler = Assembler::default();
    let mut plain = Vec::new();
    for line in log.lines() {
        match envelope::open(colours::without(line.as_bytes().trim_ascii_end(), &mut plain)) {
            Ok(envelope) => assembler.push(&envelope, true),
            Err(_) => assembler.pass(),
        }
    }
    assembler.finish();
    std::iter::from_fn(|| assembler.next_ready()).collect()
}

/// A dump whose lines have one head, some of them another (often one that is like it), and with any other line among them.
fn dump() -> impl Strategy<Value = String> {
    let told: Vec<_> = KILL.lines().filter_map(|line| Some(line.split_once("] ")?.1)).collect();
    let heads = heads();
    let distance = prop_oneof![0..4_usize, 0..heads.len()];
    let rare = (0..8_u8, distance, select(texts()));
    let lines = prop::collection::vec(rare, told.len());
    (0..heads.len(), lines, 0..4_usize).prop_map(move |(chosen, rare, strange)| {
        let head = heads[chosen];
        let line = |(text, (kind, distance, other)): (&&str, (u8, usize, String))| {
            let other_head = heads[(chosen + distance) % heads.len()];
            match kind % 3 {
                _ if usize::from(kind) >= strange => format!("{head}{text}\n"),
                0 => format!("{other_head}{text}\n"),
                1 => format!("{head}{other}\n{head}{text}\n"),
                _ => format!("{other_head}{other}\n{head}{text}\n"),
            }
        };
        let first = "[    1.0] usb 1-1: new device\n".to_owned();
        std::iter::once(first).chain(told.iter().zip(rare).map(line)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn who_looks_quickly_reads_the_same(log in dump()) {
        prop_assert_eq!(read(&log), read_to_the_end(&log));
    }
}

#[test]
fn a_dump_becomes_one_episode() {
    let episodes = read(KILL);
    let [episode] = episodes.as_slice() else { panic!("{episodes:?}") };
    assert_eq!(episode.domain, Some(Domain::Cgroup(Some((*b"/t0").into()))));
    assert_eq!(episode.release.as_deref(), Some("7.2.12+deb13-cloud-amd64"));
    assert_eq!(episode.tasks.rows.len(), 2);
    assert_eq!(episode.outcome, Outcome::Killed);
    assert_eq!(episode.victims.len(), 1);
    assert_eq!(episode.victims[0].rss().map(|rss| rss.0), Some(28_724 * 1024));
}

#[test]
fn a_kill_without_its_dump_stands_alone() {
    let mut log = KILL.to_owned();
    log.push_str(
        "[    7.9] Memory cgroup out of memory: Killed process 77 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n",
    );
    let episodes = read(&log);
    assert_eq!(episodes.len(), 2);
    assert_eq!((episodes[1].invoker.as_ref(), episodes[1].victims[0].pid), (None, Pid(77)));
    assert_eq!(episodes[1].domain, Some(Domain::Cgroup(None)));
}

/// Whether it is a kernel's log, and how many kills it tells of.
fn judged(log: &str) -> (bool, usize, Form) {
    let mut reader = LogReader::default();
    reader.push(log.as_bytes());
    reader.finish();
    let episodes = std::iter::from_fn(|| reader.next_episode()).count();
    (reader.form().census.is_of_a_kernel_log(), episodes, reader.form().clone())
}

#[test]
fn a_text_of_somebody_else_is_no_log() {
    let killed = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB";
    for (text, is_log, episodes) in [
        ("", false, 0),
        ("dear diary\n\nno kill today\n", false, 0),
        ("cut off", false, 0),
        ("Nov 21 08:41:22 host sshd[7]: Killed process 5\nNov 21 08:41:23 host cron: x\n", false, 0),
        ("{\"_TRANSPORT\":\"stdout\",\"MESSAGE\":\"a\"}\n", false, 0),
        ("Nov 21 08:41:22 host sshd[7]: a\nNov 21 08:41:23 host kernel: b\n", true, 0),
        ("[    1.5] b\n", true, 0),
        ("<6>b\n", true, 0),
        ("6,460,7341237,-;b\n", true, 0),
        (killed, false, 1),
        (&format!("<12>[    1.5] {killed}"), false, 0),
    ] {
        let (found, count, _) = judged(text);
        assert_eq!((found, count), (is_log, episodes), "{text}");
    }
}

/// What quotes the kernel's words is taken for the kernel's only where no line is the kernel's by its form.
#[test]
fn words_behind_anything_count_only_where_no_line_is_the_kernels() {
    let quote = "2026-11-20T10:00:00.1Z stdout F Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n";
    let kernels = "[    1.5] usb 1-1: new device\n";
    let other = "nothing\n".repeat(WITHOUT_KERNEL as usize);
    for (log, episodes, refused) in [
        (quote.to_owned(), 1, 0),
        (format!("{quote}{kernels}"), 0, 1),
        (format!("{kernels}{quote}"), 0, 1),
        (format!("{quote}{other}{kernels}{quote}"), 1, 1),
    ] {
        let (_, count, form) = judged(&log);
        assert_eq!((count, form.refused.lines), (episodes, refused), "{}", log.len());
        assert_eq!(form.behind.is_some(), episodes > 0);
    }
}

/// Who writes with a name of its own is not the kernel, whatever it says; a line without any name may be.
#[test]
fn a_line_that_names_another_writer_is_not_believed() {
    let killed = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB";
    for (ahead, behind, episodes) in [
        ("Nov 21 08:41:22 host myapp[7]: ", "", 0),
        ("Nov 21 08:41:22 host root: ", "", 0),
        ("2026-11-21T08:41:22Z host myapp: it said: ", "", 0),
        ("<12>[    1.5] ", "", 0),
        ("12,1,1500000,-;", "", 0),
        ("{\"_TRANSPORT\":\"syslog\",\"MESSAGE\":\"", "\"}", 0),
        ("{\"MESSAGE\":\"", "\",\"SYSLOG_IDENTIFIER\":\"myapp\"}", 0),
        ("2026-11-21T08:41:22Z ", "", 1),
        ("2026-11-21T08:41:22Z stdout F ", "", 1),
        ("2026-11-21T08:41:22Z stdout F kernel: ", "", 1),
        ("{\"log\":\"", "\\n\"}", 1),
    ] {
        let (_, count, form) = judged(&format!("{ahead}{killed}{behind}\n"));
        assert_eq!((count, form.refused.lines), (episodes, 1 - episodes as u64), "{ahead}");
    }
}

#[test]
fn seconds_since_boot_are_a_time_of_day_where_that_is_known() {
    let mut reader = LogReader::of_boot(Some(WallTime(1_000_000_000_000)));
    reader.push(KILL.as_bytes());
    reader.finish();
    let episode = reader.next_episode().expect("a kill");
    assert_eq!((episode.began.since_boot, episode.began.wall), (Some(7_804_963), Some(WallTime(1_007_000_000_000))));
    assert_eq!(reader.span().first.and_then(|first| first.wall), episode.began.wall);
}

#[test]
fn cut_anywhere_it_says_less_and_nothing_else() {
    let whole = read(KILL).remove(0);
    for end in 0..KILL.len() {
        for episode in read(&KILL[..end]) {
            for victim in &episode.victims {
                let full = &whole.victims[0];
                assert_eq!(victim.pid, full.pid, "cut at {end}");
                for (cut, full) in
                    [(victim.anon, full.anon), (victim.file, full.file), (victim.total_vm, full.total_vm)]
                {
                    assert!(cut.is_none() || cut == full, "cut at {end}");
                }
                assert!(victim.name.is_none() || victim.name == full.name, "cut at {end}");
            }
            assert!(episode.tasks.rows.iter().all(|row| whole.tasks.rows.contains(row)), "cut at {end}");
            assert!(
                episode.domain.is_none()
                    || episode.domain == Some(Domain::Cgroup(None))
                    || episode.domain == whole.domain
            );
        }
    }
}
