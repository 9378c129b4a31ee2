//! How a value reads in the table: text and how well it is known. Refuses to pad and to colour.

use std::borrow::Cow;
use std::time::Duration;

use crate::monitor::report::{ProcessReport, Report};
use crate::units::{Rate, Timestamp};

use super::{Column, Value, info, value};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// What stands there; a dash for what is not known, `n/a` for what may not be read. Not cut, not padded.
    pub text: Cow<'a, str>,
    /// How well it is known.
    pub knowledge: Knowledge,
}

/// How well a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Read within the time that its kind of fact promises.
    Current,
    /// Read, but longer ago than that: shown dim.
    Aged,
    /// Not read yet, or the kernel has no such value for this process.
    Unknown,
    /// We have no right to read it.
    Denied,
}

/// Facts of `status` and `smaps_rollup` are read in rotation; older than this they are called old.
const ROTATION: Duration = Duration::from_secs(15);

/// The cell of a process in a column.
#[must_use]
pub fn cell<'a>(column: Column, process: &'a ProcessReport, report: &'a Report) -> Cell<'a> {
    match (column, process.immune) {
        (Column::Trend, _) if process.trend.iter().any(|&step| step != 255) => {
            return Cell { text: trend(process.trend).into(), knowledge: Knowledge::Current };
        }
        (Column::Risk, Some(_)) => return Cell { text: "safe".into(), knowledge: Knowledge::Current },
        _ => {}
    }
    let Some(value) = value(column, process, report) else {
        return if process.denied.intersects(info(column).needs) {
            Cell { text: "n/a".into(), knowledge: Knowledge::Denied }
        } else {
            Cell { text: "-".into(), knowledge: Knowledge::Unknown }
        };
    };
    let text = match value {
        Value::Size(bytes) => bytes.to_string().into(),
        Value::Rate(rate) => rate.to_string().into(),
        Value::Number(rank) if column == Column::Risk => ordinal(rank).into(),
        Value::Number(number) => number.to_string().into(),
        Value::Text(text) => text,
    };
    Cell { text, knowledge: knowledge(column, process, report) }
}

fn knowledge(column: Column, process: &ProcessReport, report: &Report) -> Knowledge {
    let three_intervals = 3 * report.interval.unwrap_or(Duration::from_secs(1));
    let (read_at, allowed) = match column {
        Column::Rss | Column::Anonymous | Column::Virtual => (process.sized_at, three_intervals),
        Column::File | Column::SharedMemory | Column::Swap | Column::RssAndSwap | Column::PageTables | Column::Peak => {
            (process.status_at, three_intervals.max(ROTATION))
        }
        Column::Pss | Column::Uss if has_moved_since(process, report) => return Knowledge::Aged,
        Column::Pss | Column::Uss => (process.rollup_at, three_intervals.max(ROTATION)),
        Column::Pid
        | Column::Parent
        | Column::User
        | Column::State
        | Column::Threads
        | Column::Growth
        | Column::Trend
        | Column::OomScore
        | Column::Adjustment
        | Column::Risk
        | Column::Domain
        | Column::Cgroup
        | Column::Go
        | Column::Name
        | Column::Command => return Knowledge::Current,
    };
    if read_at != Timestamp(0) && report.time.since(read_at) > allowed { Knowledge::Aged } else { Knowledge::Current }
}

/// Whether RSS is surely another than it was when PSS and USS were read: they were part of it then.
fn has_moved_since(process: &ProcessReport, report: &Report) -> bool {
    /// The share of RSS that is worth a sign.
    const MOVED: f64 = 0.05;
    let Some(rss) = process.rss.get() else { return false };
    let age = report.time.since(process.rollup_at).as_secs_f64();
    let moved = process.growth.map_or(0.0, Rate::per_second).abs() * age;
    process.pss.get().is_some_and(|pss| pss > rss) || moved > rss.0 as f64 * MOVED
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
#[must_use]
pub fn ordinal(number: i64) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

fn trend(steps: [u8; 8]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    steps.iter().map(|&step| BARS.get(usize::from(step)).copied().unwrap_or(' ')).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::monitor::report::{Identity, Immune};
    use crate::snapshot::needs::FactGroups;
    use crate::units::{Bytes, MaybeKib, ProcessId};

    fn process() -> ProcessReport {
        ProcessReport {
            sized_at: Timestamp::from_secs(100),
            status_at: Timestamp::from_secs(100),
            rss: MaybeKib::from_bytes(Bytes::from_mib(475)),
            swap: MaybeKib::from_kib(0),
            growth: Rate::new(1_992_294.4),
            oom_score_adj: Some(-900),
            risk: Some(2),
            trend: [255, 255, 0, 1, 2, 4, 6, 7],
            identity: Arc::new(Identity { name: b"a.test"[..].into(), uid: Some(1000), ..Identity::default() }),
            ..ProcessReport::unread(ProcessId::new(30987, 1))
        }
    }

    fn at(seconds: u64) -> Report {
        Report { time: Timestamp::from_secs(seconds), interval: Some(Duration::from_secs(1)), ..Report::default() }
    }

    #[test]
    fn what_is_known_reads_short_and_what_is_not_is_a_dash() {
        let (process, report) = (process(), at(101));
        for (column, text) in [
            (Column::Pid, "30987"),
            (Column::User, "1000"),
            (Column::Rss, "475M"),
            (Column::Growth, "+1.90M/s"),
            (Column::Trend, "  ▁▂▃▅▇█"),
            (Column::Swap, "0"),
            (Column::RssAndSwap, "475M"),
            (Column::Adjustment, "-900"),
            (Column::Risk, "2nd"),
            (Column::Command, "a.test"),
            (Column::Pss, "-"),
            (Column::Threads, "-"),
            (Column::State, "-"),
            (Column::Parent, "-"),
        ] {
            assert_eq!(cell(column, &process, &report).text, text, "{column:?}");
        }
        assert_eq!(cell(Column::Pss, &process, &report).knowledge, Knowledge::Unknown);
        assert_eq!(cell(Column::Rss, &process, &report).knowledge, Knowledge::Current);
    }

    #[test]
    fn old_and_forbidden_values_say_so() {
        let mut process = process();
        assert_eq!(cell(Column::Rss, &process, &at(104)).knowledge, Knowledge::Aged);
        assert_eq!(cell(Column::Swap, &process, &at(104)).knowledge, Knowledge::Current);
        assert_eq!(cell(Column::Swap, &process, &at(116)).knowledge, Knowledge::Aged);
        process.denied = FactGroups::ROLLUP;
        assert_eq!(cell(Column::Uss, &process, &at(101)).text, "n/a");
        assert_eq!(cell(Column::Uss, &process, &at(101)).knowledge, Knowledge::Denied);
        assert_eq!(cell(Column::Rss, &process, &at(101)).text, "475M");
        process.immune = Some(Immune::Adjustment);
        assert_eq!(cell(Column::Risk, &process, &at(101)).text, "safe");
    }

    #[test]
    fn pss_is_old_as_soon_as_rss_has_moved() {
        let read = |growth: f64, pss: u64| ProcessReport {
            pss: MaybeKib::from_bytes(Bytes::from_mib(pss)),
            rollup_at: Timestamp::from_secs(100),
            growth: Rate::new(growth * 1_048_576.0),
            ..process()
        };
        for (process, at_last, expected) in [
            (read(0.0, 470), 114, Knowledge::Current),
            (read(0.0, 470), 116, Knowledge::Aged),
            // 24 of 475 MiB in 12 seconds, up or down.
            (read(2.0, 470), 111, Knowledge::Current),
            (read(2.0, 470), 112, Knowledge::Aged),
            (read(-2.0, 470), 112, Knowledge::Aged),
            (read(0.0, 476), 101, Knowledge::Aged),
        ] {
            let told = cell(Column::Pss, &process, &at(at_last)).knowledge;
            assert_eq!(told, expected, "{:?} at {at_last}", process.growth);
        }
    }

    #[test]
    fn ordinals() {
        let read: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 111, 122].map(ordinal).into();
        assert_eq!(read, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th", "122nd"]);
    }
}
