//! The order of rows: 10,000 of them on every pass, so numbers are copied out and sorted beside their index. Refuses to
//! define an order of its own: it is that of `table::compare`, reached faster.

use crate::monitor::report::{ProcessReport, Report};
use crate::table::{self, Column, Kind, Value};
use crate::units::Pid;

/// Indices of the processes that are shown, in the column's order; ties by number. In reverse what is not known stays
/// last.
///
/// `former` holds the numbers of the processes in the order of the last time, where comparing is dear: between two
/// passes little moves, and a sort that begins with what was sorted compares each but once or twice.
pub fn sorted(
    report: &Report,
    (column, reversed): (Column, bool),
    former: &mut Vec<Pid>,
    shown: impl Fn(&ProcessReport) -> bool,
) -> Vec<u32> {
    // The order of domains is one of numbers, though their names stand there.
    if table::info(column).kind == Kind::Text && column != Column::Domain {
        let mut order = seeded(report, former);
        order.retain(|index| shown(&report.processes[*index as usize]));
        let process = |index: &u32| &report.processes[*index as usize];
        order.sort_by(|one, other| {
            let (one, other) = if reversed { (other, one) } else { (one, other) };
            table::compare(column, process(one), process(other), report)
        });
        former.clear();
        former.extend(order.iter().map(|index| process(index).id.pid));
        return order;
    }
    former.clear();
    let shown = report.processes.iter().enumerate().filter(|(_, process)| shown(process));
    let mut ranks: Vec<(i64, u32)> =
        shown.map(|(index, process)| (directed(rank(column, process, report), reversed), index as u32)).collect();
    ranks.sort_unstable();
    ranks.into_iter().map(|(_, index)| index).collect()
}

/// All processes: those of the former order in that order, then the others.
fn seeded(report: &Report, former: &[Pid]) -> Vec<u32> {
    let mut is_new = vec![true; report.processes.len()];
    let mut order = Vec::with_capacity(is_new.len());
    for pid in former {
        if let Ok(index) = report.processes.binary_search_by_key(pid, |process| process.id.pid)
            && std::mem::replace(&mut is_new[index], false)
        {
            order.push(index as u32);
        }
    }
    order.extend((0..is_new.len()).filter(|index| is_new[*index]).map(|index| index as u32));
    order
}

/// In reverse the known turn round, and the unknown stay behind them.
pub fn directed(rank: Result<i64, i64>, reversed: bool) -> i64 {
    match rank {
        Ok(rank) if reversed => -rank,
        Ok(rank) | Err(rank) => rank,
    }
}

/// A number that grows from the first row to the last; as an error where the value is not known, behind all others.
fn rank(column: Column, process: &ProcessReport, report: &Report) -> Result<i64, i64> {
    match column {
        Column::Risk => return table::risk_order(process),
        Column::Domain => return table::domain_order(process),
        _ => {}
    }
    let number = match table::value(column, process, report).ok_or(i64::MAX)? {
        Value::Size(bytes) => i64::try_from(bytes.0).unwrap_or(i64::MAX - 1),
        Value::Rate(rate) => rate.per_second().round() as i64,
        Value::Number(number) => number,
        Value::Text(_) => return Err(i64::MAX),
    };
    // Numbers that name are read from the smallest, sizes from the biggest.
    let names = matches!(column, Column::Pid | Column::Parent);
    Ok(if names { number } else { number.saturating_neg() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::monitor::report::{DomainKind, DomainReport, Identity, Immune};
    use crate::snapshot::process::CgroupPath;
    use crate::table::COLUMNS;
    use crate::units::{Bytes, MaybeKib, ProcessId, Rate};

    fn any_process(pid: u32) -> impl Strategy<Value = ProcessReport> {
        let size = || prop_oneof![Just(MaybeKib::UNKNOWN), (0_u64..5).prop_map(MaybeKib::from_kib)];
        let small = || prop::option::of(0_i16..4);
        let cgroup = prop::option::of(prop::sample::select(vec!["/a", "/a/b", "/c"]));
        let leading = prop::option::of(0_u16..3);
        (size(), size(), prop::option::of(-1e7_f64..1e7), small(), small(), any::<bool>(), cgroup, leading).prop_map(
            move |(rss, swap, growth, risk, adjustment, immune, cgroup, leading)| ProcessReport {
                rss,
                swap,
                pss: swap,
                growth: growth.and_then(Rate::new),
                leading,
                // Who is immune has no rank.
                risk: risk.filter(|_| !immune).map(|risk| risk as u32),
                oom_score_adj: adjustment,
                oom_score: adjustment.map(|score| score as u16),
                immune: immune.then_some(Immune::Adjustment),
                virtual_size: Bytes(u64::from(pid % 3)),
                threads: pid % 2,
                identity: Arc::new(Identity {
                    name: vec![b'a' + (pid % 3) as u8].into(),
                    cgroup: cgroup.map(CgroupPath::new),
                    ..Identity::default()
                }),
                ..ProcessReport::unread(ProcessId::new(pid, 7))
            },
        )
    }

    fn any_processes() -> impl Strategy<Value = Vec<ProcessReport>> {
        (1..12_u32).prop_flat_map(|count| (1..=count).map(any_process).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn the_fast_order_is_that_of_the_table(processes in any_processes()) {
            let domain = |path| DomainReport::unranked(DomainKind::CgroupV2, CgroupPath::new(path));
            let domains = vec![domain("/c"), domain("/a/b"), domain("/a")];
            let report = Report { processes, domains, ..Report::default() };
            for info in &COLUMNS {
                let mut expected: Vec<u32> = (0..report.processes.len() as u32).collect();
                let process = |index: &u32| &report.processes[*index as usize];
                expected.sort_by(|one, other| table::compare(info.column, process(one), process(other), &report));
                let mut former: Vec<Pid> = (0..20).rev().map(Pid).collect();
                for _ in 0..2 {
                    let order = sorted(&report, (info.column, false), &mut former, |_| true);
                    prop_assert_eq!(&order, &expected, "{}", info.key);
                }
            }
        }
    }

    #[test]
    fn in_reverse_the_unknown_stays_last() {
        let rss = |pid, rss| ProcessReport { rss, ..ProcessReport::unread(ProcessId::new(pid, 0)) };
        let processes = vec![rss(1, MaybeKib::from_kib(9)), rss(2, MaybeKib::UNKNOWN), rss(3, MaybeKib::from_kib(4))];
        let report = Report { processes, ..Report::default() };
        assert_eq!(sorted(&report, (Column::Rss, false), &mut Vec::new(), |_| true), [0, 2, 1]);
        assert_eq!(sorted(&report, (Column::Rss, true), &mut Vec::new(), |_| true), [2, 0, 1]);
    }
}
