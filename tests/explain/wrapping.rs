//! The forms in which programs write the kernel's records: those that kernel logs are kept in, and those in which records end up
//! where no kernel log is expected. Refuses to say what must be told of them.

/// A record of `/dev/kmsg`, taken apart.
pub struct Record {
    pub seconds: u64,
    pub microseconds: u64,
    pub continues: bool,
    pub text: String,
}

impl Record {
    /// As the device gives it.
    fn of_device(&self) -> String {
        let (flag, text) = (if self.continues { 'c' } else { '-' }, self.text.replace('\n', "\\x0a"));
        format!("4,{},{},{flag};{text}", self.microseconds, self.seconds * 1_000_000 + self.microseconds)
    }
}

/// The records of a raw log; `None` where it is no raw log, or has bytes that other wrappings show differently.
pub fn records(log: &[u8]) -> Option<Vec<Record>> {
    let text = std::str::from_utf8(log).ok()?;
    text.lines()
        .map(|line| {
            let (head, text) = line.split_once(';')?;
            let mut fields = head.split(',');
            let microseconds: u64 = fields.nth(2)?.parse().ok()?;
            let continues = fields.next()?.contains('c');
            Some(Record {
                seconds: microseconds / 1_000_000,
                microseconds: microseconds % 1_000_000,
                continues,
                text: text.replace("\\x0a", "\n"),
            })
        })
        .collect()
}

/// How a program writes a record.
pub type Wrapping = (&'static str, fn(&Record) -> String);

/// The ways in which programs write a record, each line of it.
pub fn wrappings() -> Vec<Wrapping> {
    fn each(record: &Record, wrap: impl Fn(&str) -> String) -> String {
        record.text.split('\n').map(|line| wrap(line) + "\n").collect()
    }
    vec![
        ("dmesg", |record| each(record, |line| format!("[{:5}.{:06}] {line}", record.seconds, record.microseconds))),
        ("dmesg with callers", |record| {
            each(record, |line| format!("[{:5}.{:06}][  T125] {line}", record.seconds, record.microseconds))
        }),
        ("/dev/kmsg behind a word", |record| format!("KMSG {}\n SUBSYSTEM=cpu\n", record.of_device())),
        ("/dev/kmsg behind a time", |record| format!("2026-11-21T22:00:00Z {}\n", record.of_device())),
        ("/dev/kmsg behind a date and a machine", |record| format!("Nov 21 08:41:22 web-1 {}\n", record.of_device())),
        ("/dev/kmsg behind a pod's name", |record| format!("[pod/web-0/app] {}\n", record.of_device())),
        ("dmesg -T", |record| {
            each(record, |line| format!("[Sat Nov 21 08:41:{:02} 2026] {line}", record.seconds % 60))
        }),
        ("dmesg -x", |record| {
            each(record, |line| format!("kern  :warn  : [{:5}.{:06}] {line}", record.seconds, record.microseconds))
        }),
        ("dmesg -r", |record| {
            each(record, |line| format!("<4>[{:5}.{:06}] {line}", record.seconds, record.microseconds))
        }),
        ("dmesg --time-format iso", |record| {
            each(record, |line| {
                format!("2026-11-21T08:41:{:02},{:06}+00:00 {line}", record.seconds % 60, record.microseconds)
            })
        }),
        ("journalctl", |record| {
            // Its second lines are indented, and have neither time nor host.
            format!(
                "Nov 21 08:41:{:02} web-1 kernel: {}\n",
                record.seconds % 60,
                record.text.replace('\n', "\n                          ")
            )
        }),
        ("journalctl -o short-iso", |record| {
            each(record, |line| format!("2026-11-21T08:41:{:02}+0000 web-1 kernel: {line}", record.seconds % 60))
        }),
        ("journalctl -o json", |record| {
            let message = serde_json::to_string(&record.text).expect("a string");
            format!("{{\"_TRANSPORT\":\"kernel\",\"_HOSTNAME\":\"web-1\",\"MESSAGE\":{message},\"PRIORITY\":\"4\"}}\n")
        }),
        ("journalctl -o json, as bytes", |record| {
            let message = serde_json::to_string(record.text.as_bytes()).expect("a list");
            format!("{{\"MESSAGE\":{message},\"_TRANSPORT\":\"kernel\",\"SYSLOG_FACILITY\":\"0\"}}\n")
        }),
        ("syslog", |record| {
            each(record, |line| {
                let (seconds, microseconds) = (record.seconds, record.microseconds);
                format!("Nov 21 08:41:{:02} web-1 kernel: [{seconds:5}.{microseconds:06}] {line}", seconds % 60)
            })
        }),
        ("rsyslog", |record| {
            each(record, |line| {
                format!(
                    "2026-11-21T08:41:{:02}.{:06}+00:00 web-1 kernel: {line}",
                    record.seconds % 60,
                    record.microseconds
                )
            })
        }),
        ("carriage returns", |record| {
            each(record, |line| format!("[{:5}.{:06}] {line}\r", record.seconds, record.microseconds))
        }),
        ("nothing", |record| each(record, str::to_owned)),
    ]
}

/// Ways in which a record ends up where no kernel log is expected, each line of it.
pub fn strange_wrappings() -> Vec<Wrapping> {
    fn each(record: &Record, wrap: impl Fn(&str, String) -> String) -> String {
        let stamp = format!("[{:5}.{:06}] ", record.seconds, record.microseconds);
        record.text.split('\n').map(|line| wrap(line, stamp.clone()) + "\n").collect()
    }
    fn json(text: &str) -> String {
        serde_json::to_string(text).expect("a string")
    }
    vec![
        ("a container's log", |record| {
            each(record, |line, stamp| {
                format!("2026-11-20T10:00:{:02}.123456789Z stdout F {stamp}{line}", record.seconds % 60)
            })
        }),
        ("a container's log of bare texts", |record| {
            each(record, |line, _| format!("2026-11-20T10:00:{:02}.123456789Z stdout F {line}", record.seconds % 60))
        }),
        ("docker's JSON", |record| {
            each(record, |line, stamp| {
                let log = json(&format!("{stamp}{line}\n"));
                format!(
                    "{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"2026-11-20T10:00:00.{:06}Z\"}}",
                    record.microseconds
                )
            })
        }),
        ("a collector's JSON", |record| {
            each(record, |line, _| {
                let id = record.microseconds;
                format!(
                    "{{\"host\":\"web-1\",\"id\":\"a{id}\",\"message\":{},\"timestamp\":\"2026-11-20T10:00:00Z\"}}",
                    json(line)
                )
            })
        }),
        ("JSON in JSON", |record| {
            each(record, |line, _| {
                let inner = format!("{{\"msg\":{},\"level\":4}}", json(line));
                format!("{{\"log\":{},\"stream\":\"stderr\"}}", json(&inner))
            })
        }),
        ("logfmt", |record| {
            each(record, |line, stamp| {
                format!("ts=2026-11-20T10:00:00Z level=warn msg={} node=web-1", json(&format!("{stamp}{line}")))
            })
        }),
        ("KMSG", |record| each(record, |line, _| format!("KMSG {line}"))),
        ("a job's log", |record| {
            each(record, |line, _| format!("2026-11-20T10:00:00.{:06}7Z {line}", record.microseconds))
        }),
        ("a pod's name", |record| {
            each(record, |line, _| format!("[pod/web-0/app] 2026-11-20T10:00:00.{:06}Z {line}", record.microseconds))
        }),
        ("journalctl -o export", |record| {
            each(record, |line, _| {
                format!("__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1763714482000001\n_TRANSPORT=kernel\nMESSAGE={line}\n")
            })
        }),
        ("journalctl -o verbose", |record| {
            each(record, |line, _| {
                format!("Sat 2026-11-21 08:41:22.000001 UTC [s=1;i=2]\n    _TRANSPORT=kernel\n    MESSAGE={line}")
            })
        }),
        ("colours and a pod's name", |record| {
            each(record, |line, stamp| format!("web-1 ## \x1b[32m{stamp}\x1b[0m\x1b[1;31m{line}\x1b[0m"))
        }),
        ("a quote", |record| each(record, |line, stamp| format!("> {stamp}{line}"))),
    ]
}
