//! Tests of `envelope`: every usual wrapping, and those that are refused.

use super::*;
use crate::oom_log::opener::Opener;

const TEXT: &str = "Out of memory: Killed process 5 (x)";

/// Prefix, time since boot, date, machine.
type Wrapping = (&'static str, Option<u64>, &'static str, Option<&'static str>);

const WRAPPINGS: &[Wrapping] = &[
    ("", None, "", None),
    ("[  123.456789] ", Some(123_456_789), "", None),
    ("[    1.5][ T123] ", Some(1_500_000), "", None),
    ("[    1.5] [    C1] ", Some(1_500_000), "", None),
    ("[Tue Nov 21 08:41:22 2026] ", None, "Tue Nov 21 08:41:22 2026", None),
    ("[Nov21 08:41] ", None, "Nov21 08:41", None),
    ("[  +0.000012] ", None, "", None),
    ("<3>[   12.000001] ", Some(12_000_001), "", None),
    ("kern  :err   : [   12.000001] ", Some(12_000_001), "", None),
    ("3,460,7341237,-;", Some(7_341_237), "", None),
    ("3,460,7341237,-,caller=T21;", Some(7_341_237), "", None),
    ("KMSG 3,25936,216404753,-;", Some(216_404_753), "", None),
    ("web-1 | 3,460,7341237,-,caller=T21;", Some(7_341_237), "", None),
    ("2026-11-21T22:00:00Z 3,460,7341237,-;", Some(7_341_237), "2026-11-21T22:00:00Z", None),
    ("2026-11-21T22:00:00.1Z stdout F 3,460,7341237,-;", Some(7_341_237), "2026-11-21T22:00:00.1Z", None),
    ("Nov 21 08:41:22 web-1 3,460,7341237,-;", Some(7_341_237), "Nov 21 08:41:22", None),
    ("[2026-11-21 22:00:00] 3,460,7341237,-;", Some(7_341_237), "2026-11-21 22:00:00", None),
    ("[pod/web-0/app] 3,460,7341237,-;", Some(7_341_237), "", None),
    ("2026-11-21T08:41:22,123456+00:00 ", None, "2026-11-21T08:41:22,123456+00:00", None),
    ("2026-11-21T08:41:22.123456+00:00 web-1 kernel: ", None, "2026-11-21T08:41:22.123456+00:00", Some("web-1")),
    ("2026-11-21T08:41:22+0100 web-1 kernel: [    7.25] ", Some(7_250_000), "2026-11-21T08:41:22+0100", Some("web-1")),
    ("2026-11-21T08:41:22 web-1 kernel: ", None, "2026-11-21T08:41:22", Some("web-1")),
    ("2026-11-21 08:41:22 web-1 kernel: [    7.25] ", Some(7_250_000), "2026-11-21 08:41:22", Some("web-1")),
    ("Nov 21 08:41:22 web-1 kernel: ", None, "Nov 21 08:41:22", Some("web-1")),
    ("Nov  1 08:41:22.000123 web-1 kernel: [    7.25] ", Some(7_250_000), "Nov  1 08:41:22.000123", Some("web-1")),
    ("Nov  1 08:41:22 web-1 kern.err kernel: [    7.25] ", Some(7_250_000), "Nov  1 08:41:22", Some("web-1")),
    ("Tue 2026-11-21 08:41:22 UTC web-1 kernel: ", None, "Tue 2026-11-21 08:41:22 UTC", Some("web-1")),
    ("Tue Nov 21 08:41:22 2026 kern.err kernel: [    7.25] ", Some(7_250_000), "Tue Nov 21 08:41:22 2026", None),
    ("[  123.456789] web-1 kernel: ", Some(123_456_789), "", Some("web-1")),
    ("1763714482.123456 web-1 kernel: ", None, "1763714482.123456", Some("web-1")),
    ("<3>1 2026-11-21T08:41:22Z web-1 kernel - - - ", None, "2026-11-21T08:41:22Z", Some("web-1")),
    ("kernel: ", None, "", None),
    ("login: [  145.593060] ", Some(145_593_060), "", None),
    ("févr. 03 08:41:22 web-1 kernel: ", None, "févr. 03 08:41:22", Some("web-1")),
    ("11月 21 08:41:22 web-1 kernel: ", None, "11月 21 08:41:22", Some("web-1")),
    ("mar. 2026-02-03 08:41:22 CET web-1 kernel: ", None, "mar. 2026-02-03 08:41:22 CET", Some("web-1")),
    ("[四 3月 18 18:47:12 2021] ", None, "四 3月 18 18:47:12 2021", None),
    ("Feb 03 19:57:08 ** kernel: ", None, "Feb 03 19:57:08", Some("**")),
    ("kern: warning: [2026-11-21T08:41:22.123456789Z]: ", None, "2026-11-21T08:41:22.123456789Z", None),
    ("10.1.1.2: kern:    info: [2026-11-21T08:41:22Z]: ", None, "2026-11-21T08:41:22Z", Some("10.1.1.2")),
    ("2026-11-21T08:41:22Z [   12.5] ", Some(12_500_000), "2026-11-21T08:41:22Z", None),
];

#[test]
fn every_usual_wrapping_is_taken_off() {
    for &(prefix, since_boot, date, machine) in WRAPPINGS {
        let line = format!("{prefix}{TEXT}");
        let envelope = open(line.as_bytes()).unwrap_or_else(|_| panic!("{prefix:?} refused"));
        assert_eq!(String::from_utf8_lossy(&envelope.text), TEXT, "{prefix:?}");
        assert_eq!(envelope.time.since_boot, since_boot, "{prefix:?}");
        assert_eq!(envelope.time.date, date.as_bytes(), "{prefix:?}");
        assert_eq!(envelope.machine, machine.map(str::as_bytes), "{prefix:?}");
    }
}

/// What stands ahead of a text in every form: that of the kernel's lines, of somebody else's, and of a log of anything.
pub(in crate::oom_log) fn heads() -> Vec<&'static str> {
    let others = [
        "2026-11-20T10:00:00.1Z stdout F ",
        "2026-11-20T10:00:00.1Z stderr P [    1.5] ",
        "2026-11-20T10:00:00.1234567Z ",
        "##[error]",
        "{\"log\":\"",
        "{\"log\":\"[    1.5] ",
        "{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"",
        "{\"message\":\"",
        "ts=2026-11-20T10:00:00Z level=warn msg=\"",
        "MESSAGE=",
        "    MESSAGE=",
        "__CURSOR=s=1;i=2 ",
        "\x1b[32m[    1.5] \x1b[0m",
        "\x1b[33mkern  \x1b[0m:\x1b[31mwarn  \x1b[0m: ",
        "> [    1.5] ",
        "web-1 ## ",
        "web-1  | ",
        "                          ",
        " SUBSYSTEM=",
    ];
    WRAPPINGS.iter().map(|wrapping| wrapping.0).chain(FOREIGN.iter().copied()).chain(others).collect()
}

const FOREIGN: &[&str] = &[
    "12,460,7341237,-;",
    "KMSG 12,460,7341237,-;",
    "2026-11-21T22:00:00Z 12,460,7341237,-;",
    "Nov 21 08:41:22 web-1 app[77]: 3,460,7341237,-;",
    "2026-11-21T08:41:22Z web-1 app: 3,460,7341237,-;",
    "<12>[    1.5] ",
    "user  :notice: [    1.5] ",
    "local3:info  : [    1.5] ",
    "Nov 21 08:41:22 web-1 app[77]: ",
    "Nov 21 08:41:22 app[77]: kernel: ",
    "févr. 03 08:41:22 web-1 app[77]: ",
    "10.1.1.2: user: warning: [2026-11-21T08:41:22Z]: ",
    "Nov 21 08:41:22 web-1 app[77]: kernel: ",
    "2026-11-21T08:41:22.123456+00:00 web-1 app: [   12.5] ",
    "<3>1 2026-11-21T08:41:22Z web-1 app 1 - - ",
];

/// What it keeps of one line changes nothing of the next.
#[test]
fn a_line_is_read_the_same_behind_any_other() {
    let prefixes: Vec<_> = WRAPPINGS.iter().map(|wrapping| wrapping.0).chain(FOREIGN.iter().copied()).collect();
    for first in &prefixes {
        for second in &prefixes {
            let mut opener = Opener::default();
            for line in [format!("{first}{TEXT}"), format!("{second}  {TEXT}"), format!("{second}[   9.5] {TEXT}")] {
                let told = |unwrapped: Unwrapped<'_>| format!("{unwrapped:?}");
                assert_eq!(
                    told(opener.glance(line.as_bytes()).map_or_else(|| opener.open(line.as_bytes()), Ok)),
                    told(open(line.as_bytes())),
                    "{line:?} behind {first:?}"
                );
            }
        }
    }
}

#[test]
fn what_somebody_else_wrote_is_refused() {
    for prefix in FOREIGN {
        assert!(open(format!("{prefix}{TEXT}").as_bytes()).is_err(), "{prefix:?}");
    }
}

#[test]
fn a_row_of_the_table_is_no_time() {
    let row = b"[  338]     0   338     3490 gl0_0";
    assert_eq!(open(row).expect("the kernel's").text, &row[..]);
    let called = b"[    1.5][  T12] [  338]     0   338     3490 gl0_0";
    assert_eq!(open(called).expect("the kernel's").text, &row[..]);
}

/// A process may be called like the head of a record.
#[test]
fn no_record_begins_in_a_name() {
    let name = "a 6,1,2,-;b";
    for text in [
        format!("Out of memory: Killed process 5 ({name}) total-vm:4kB, anon-rss:4kB, file-rss:0kB"),
        format!("[24449]    48 24449    31749     2342   1       0 {name}"),
        format!("oom-kill:constraint=CONSTRAINT_NONE,task={name},pid=5,uid=0"),
        format!("CPU: 1 PID: 9 Comm: {name} Not tainted"),
    ] {
        for ahead in ["", "[Tue Nov 21 08:41:22 2026] ", "[    1.5] ", "Nov 21 08:41:22 web-1 kernel: "] {
            let line = format!("{ahead}{text}");
            let envelope = open(line.as_bytes()).expect("the kernel's");
            assert_eq!(String::from_utf8_lossy(&envelope.text), text, "{ahead}");
        }
        assert_ne!(writer(format!("2026-11-21T22:00:00Z stdout F {text}").as_bytes()), Writer::Kernel, "{text}");
    }
}

#[test]
fn escapes_of_the_device_become_bytes() {
    let line = b"6,1,2,-;a\\x0ab\\x5cx41 \\x4";
    assert_eq!(&*open(line).expect("the kernel's").text, b"a\nb\\x41 \\x4");
}
