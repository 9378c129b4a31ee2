//! Who comes first in a column: sizes biggest first, words a to z, what is not known last. Always a total order, so
//! that rows do not dance: equal values are settled by the number of the process.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};

use crate::monitor::report::{ProcessReport, Report};

use super::value::user_name;
use super::{Column, Value, value};

/// Which of two processes stands above the other when the table is sorted by this column.
#[must_use]
pub fn compare(column: Column, one: &ProcessReport, other: &ProcessReport, report: &Report) -> Ordering {
    by_column(column, one, other, report).then_with(|| one.id.cmp(&other.id))
}

fn by_column(column: Column, one: &ProcessReport, other: &ProcessReport, report: &Report) -> Ordering {
    match column {
        // Small numbers first: they name, they do not measure.
        Column::Pid | Column::Parent => known_first(number(column, one, report), number(column, other, report)),
        Column::Risk => {
            let place = |process| risk_order(process).unwrap_or_else(|behind| behind);
            place(one).cmp(&place(other))
        }
        Column::Domain => {
            let place = |process| domain_order(process).unwrap_or_else(|behind| behind);
            place(one).cmp(&place(other))
        }
        // Words are compared as bytes and borrowed: sorting must not build ten thousand command lines.
        Column::Command => words(command(one)).cmp(words(command(other))),
        Column::Name => words(&one.identity.name).cmp(words(&other.identity.name)),
        Column::Cgroup => known_first(
            one.identity.cgroup.as_ref().map(|path| path.0.as_ref()),
            other.identity.cgroup.as_ref().map(|path| path.0.as_ref()),
        ),
        Column::User => known_first(user(one, report), user(other, report)),
        Column::State | Column::Go => known_first(text(column, one, report), text(column, other, report)),
        Column::Threads
        | Column::Rss
        | Column::Growth
        | Column::Trend
        | Column::Anonymous
        | Column::File
        | Column::SharedMemory
        | Column::Swap
        | Column::RssAndSwap
        | Column::Pss
        | Column::Uss
        | Column::PageTables
        | Column::Peak
        | Column::Virtual
        | Column::OomScore
        | Column::Adjustment => {
            known_first(number(column, one, report).map(Reverse), number(column, other, report).map(Reverse))
        }
    }
}

/// A number that grows from who is taken next to who is taken last: by rank, and of equal ranks by whose domain is
/// tightest. As an error, behind all others: those without a rank, then those that are not taken at all.
///
/// # Errors
/// As said: it is no failure.
pub fn risk_order(process: &ProcessReport) -> Result<i64, i64> {
    match (process.immune, process.risk) {
        (Some(_), _) => Err(i64::MAX),
        (None, None) => Err(i64::MAX - 1),
        (None, Some(rank)) => {
            // The tightest domain has the first place; no place is behind them all.
            const NONE: i64 = 1 << u16::BITS;
            Ok(i64::from(rank) * (NONE + 1) + process.leading.map_or(NONE, i64::from))
        }
    }
}

/// A number that grows from the tightest domain to the one with the most left, within it as RISK does. As an error,
/// behind all others: those of whom no domain is known.
///
/// # Errors
/// As said: it is no failure.
pub fn domain_order(process: &ProcessReport) -> Result<i64, i64> {
    const RANKS: i64 = 1 << 32;
    let place = i64::from(process.leading.ok_or(i64::MAX)?);
    let within = match (process.immune, process.risk) {
        (Some(_), _) => RANKS + 1,
        (None, None) => RANKS,
        (None, Some(rank)) => i64::from(rank),
    };
    Ok(place * (RANKS + 2) + within)
}

fn known_first<T: Ord>(one: Option<T>, other: Option<T>) -> Ordering {
    (one.is_none(), one).cmp(&(other.is_none(), other))
}

fn number(column: Column, process: &ProcessReport, report: &Report) -> Option<i128> {
    match value(column, process, report)? {
        Value::Size(bytes) => Some(bytes.0.into()),
        // Whole bytes per second: what differs by less is the same to any eye.
        Value::Rate(rate) => Some(rate.per_second().round() as i128),
        Value::Number(number) => Some(number.into()),
        Value::Text(_) => None,
    }
}

fn text<'a>(column: Column, process: &'a ProcessReport, report: &'a Report) -> Option<Cow<'a, str>> {
    match value(column, process, report)? {
        // "Is no Go program" goes where "not known" goes: to the end.
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn user<'a>(process: &ProcessReport, report: &'a Report) -> Option<Cow<'a, str>> {
    process.identity.uid.map(|uid| user_name(uid, report))
}

fn command(process: &ProcessReport) -> &[u8] {
    let identity = &process.identity;
    match (&identity.test_package, &identity.command) {
        (Some(package), _) => package.as_bytes(),
        (None, Some(command)) if !command.arguments.is_empty() => &command.arguments,
        (None, _) => &identity.name,
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(u8::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::monitor::report::{Identity, Immune};
    use crate::table::{COLUMNS, Kind};
    use crate::units::{Bytes, MaybeKib, ProcessId, Rate};

    fn sorted(column: Column, processes: &[ProcessReport]) -> Vec<u32> {
        let report = Report::default();
        let mut processes = processes.to_vec();
        processes.sort_by(|one, other| compare(column, one, other, &report));
        processes.iter().map(|process| process.id.pid.0).collect()
    }

    fn process(pid: u32, change: impl FnOnce(&mut ProcessReport)) -> ProcessReport {
        let mut process = ProcessReport::unread(ProcessId::new(pid, 0));
        change(&mut process);
        process
    }

    #[test]
    fn sizes_biggest_first_unknown_last_ties_by_number() {
        let rss = |pid, kib| process(pid, |process| process.rss = MaybeKib::from_kib(kib));
        assert_eq!(sorted(Column::Rss, &[process(1, |_| ()), rss(3, 5), rss(2, 5), rss(4, 9)]), [4, 2, 3, 1]);
        assert_eq!(sorted(Column::Pid, &[rss(3, 5), rss(2, 5), rss(4, 9)]), [2, 3, 4]);
    }

    #[test]
    fn the_next_victim_first_the_immune_last() {
        let risk = |pid, rank| process(pid, |process| process.risk = rank);
        let immune = process(9, |process| process.immune = Some(Immune::Adjustment));
        assert_eq!(sorted(Column::Risk, &[immune, risk(1, None), risk(2, Some(2)), risk(3, Some(1))]), [3, 2, 1, 9]);
    }

    #[test]
    fn of_equal_ranks_the_one_of_the_tightest_domain_comes_first_and_domains_by_how_tight_they_are() {
        const TIGHT: Option<u16> = Some(0);
        const ROOMY: Option<u16> = Some(1);
        const HOST: Option<u16> = Some(u16::MAX);
        let of = |pid, leading, rank| process(pid, |process| (process.leading, process.risk) = (leading, rank));
        let processes = [
            ProcessReport { immune: Some(Immune::Init), ..of(1, HOST, None) },
            of(2, HOST, Some(1)),
            of(3, ROOMY, Some(1)),
            of(4, TIGHT, Some(2)),
            of(5, TIGHT, Some(1)),
            of(6, TIGHT, None),
            of(7, None, Some(1)),
        ];
        assert_eq!(sorted(Column::Risk, &processes), [5, 3, 2, 7, 4, 6, 1]);
        assert_eq!(sorted(Column::Domain, &processes), [5, 4, 6, 3, 2, 1, 7]);
    }

    #[test]
    fn words_a_to_z_whatever_their_case() {
        let named = |pid, name: &str| {
            let identity = Identity { name: name.as_bytes().into(), ..Identity::default() };
            process(pid, |process| process.identity = Arc::new(identity))
        };
        assert_eq!(sorted(Column::Name, &[named(1, "zsh"), named(2, "Xorg"), named(3, "bash")]), [3, 2, 1]);
    }

    fn any_process() -> impl Strategy<Value = ProcessReport> {
        let size = prop_oneof![Just(MaybeKib::UNKNOWN), (0_u64..3).prop_map(MaybeKib::from_kib)];
        (0_u32..4, size.clone(), size, proptest::option::of(-1e9_f64..1e9), proptest::option::of(0_u32..3)).prop_map(
            |(pid, rss, swap, growth, risk)| {
                process(pid, |process| {
                    process.rss = rss;
                    process.swap = swap;
                    process.growth = growth.and_then(Rate::new);
                    process.risk = risk;
                    process.virtual_size = Bytes(u64::from(pid));
                    process.identity =
                        Arc::new(Identity { uid: risk, name: vec![b'a' + pid as u8].into(), ..Identity::default() });
                })
            },
        )
    }

    proptest! {
        #[test]
        fn every_column_has_values_of_its_kind(process in any_process()) {
            for info in &COLUMNS {
                let kind = value(info.column, &process, &Report::default()).map(|value| match value {
                    Value::Size(_) => Kind::Size,
                    Value::Rate(_) => Kind::Rate,
                    Value::Number(_) => Kind::Number,
                    Value::Text(_) => Kind::Text,
                });
                prop_assert!(kind.is_none_or(|kind| kind == info.kind), "{}", info.key);
            }
        }

        #[test]
        fn every_column_orders_totally(a in any_process(), b in any_process(), c in any_process()) {
            let report = Report::default();
            for info in &COLUMNS {
                let compare = |one, other| compare(info.column, one, other, &report);
                prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
                prop_assert!(compare(&a, &b) != Ordering::Equal || a.id == b.id);
                if compare(&a, &b) != Ordering::Greater && compare(&b, &c) != Ordering::Greater {
                    prop_assert!(compare(&a, &c) != Ordering::Greater, "{}", info.key);
                }
            }
        }
    }
}
