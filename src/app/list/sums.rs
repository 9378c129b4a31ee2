//! What several processes are together: sums of what can be summed, the worst of what cannot, and what they have in
//! common. Refuses to make a shape of shapes: a trend is scaled to its own process, and eight steps of each do not sum.

use crate::monitor::report::{ProcessReport, Report, WarningState};
use crate::table::{self, Column, Value};

/// Columns that are summed.
const SUMMED: [Column; 11] = [
    Column::Threads,
    Column::Rss,
    Column::Growth,
    Column::Anonymous,
    Column::File,
    Column::SharedMemory,
    Column::Swap,
    Column::RssAndSwap,
    Column::Pss,
    Column::Uss,
    Column::PageTables,
];

/// What several processes are together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// How many processes.
    pub processes: u32,
    /// In the order of [`SUMMED`].
    columns: [Sum; SUMMED.len()],
    /// Index of the first.
    first: u32,
    /// The one that the OOM killer would take first.
    worst: Option<Worst>,
    /// How many would not be taken.
    pub immune: u32,
    /// Their oom_score_adj.
    pub adjustment: Common<i16>,
    /// Their user.
    pub user: Common<u32>,
    /// The worst warning.
    pub warning: WarningState,
}

/// Of several processes the first that the OOM killer would take. Compared field by field, so its place leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worst {
    /// Its place when sorted by RISK.
    risk: i64,
    /// Its place when sorted by DOMAIN.
    domain: i64,
    /// Its index in the report.
    index: u32,
}

/// A sum of one column: bytes, bytes per second, or a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Of those of whom it is known.
    pub total: i64,
    /// How many these are.
    pub known: u32,
}

/// Whether all have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Common<T> {
    /// Nobody was asked.
    #[default]
    Nobody,
    /// All have this.
    All(T),
    /// They differ, or it is not known of one.
    Mixed,
}

impl<T: Copy + PartialEq> Common<T> {
    fn add(&mut self, value: Option<T>) {
        *self = match (*self, value) {
            (Self::Nobody, Some(value)) => Self::All(value),
            (Self::All(before), Some(value)) if before == value => Self::All(value),
            _ => Self::Mixed,
        };
    }

    /// What all have.
    #[must_use]
    pub fn all(self) -> Option<T> {
        match self {
            Self::All(value) => Some(value),
            Self::Nobody | Self::Mixed => None,
        }
    }
}

impl Sums {
    /// Of these processes, by their index in the report.
    pub fn of(indices: impl IntoIterator<Item = u32>, report: &Report) -> Self {
        let mut sums = Self::default();
        for index in indices {
            sums.add(index, report);
        }
        sums
    }

    /// One more.
    pub fn add(&mut self, index: u32, report: &Report) {
        let Some(process) = report.processes.get(index as usize) else { return };
        if self.processes == 0 {
            self.first = index;
        }
        self.processes += 1;
        for (sum, column) in self.columns.iter_mut().zip(SUMMED) {
            if let Some(value) = number(column, process, report) {
                sum.total = sum.total.saturating_add(value);
                sum.known += 1;
            }
        }
        if let Ok(risk) = table::risk_order(process) {
            let domain = table::domain_order(process).unwrap_or_else(|behind| behind);
            let one = Worst { risk, domain, index };
            self.worst = Some(self.worst.map_or(one, |worst| worst.min(one)));
        }
        self.immune += u32::from(process.immune.is_some());
        self.adjustment.add(process.oom_score_adj);
        self.user.add(process.identity.uid);
        self.warning = self.warning.max(process.warning);
    }

    /// The sum of a column; `None` where it has none.
    #[must_use]
    pub fn sum(&self, column: Column) -> Option<Sum> {
        let at = SUMMED.iter().position(|summed| *summed == column)?;
        Some(self.columns[at])
    }

    /// The process, where it is one.
    #[must_use]
    pub fn only<'report>(&self, report: &'report Report) -> Option<&'report ProcessReport> {
        report.processes.get(self.first as usize).filter(|_| self.processes == 1)
    }

    /// The one that the OOM killer would take first.
    #[must_use]
    pub fn worst<'report>(&self, report: &'report Report) -> Option<&'report ProcessReport> {
        report.processes.get(self.worst?.index as usize)
    }

    /// A number that grows from the first row to the last when the table is sorted by this column, as an error behind
    /// all others; `None` where the column is not one of what they are together.
    #[must_use]
    pub fn rank(&self, column: Column) -> Option<Result<i64, i64>> {
        if let Column::Risk | Column::Domain = column {
            let behind = if self.immune == self.processes { i64::MAX } else { i64::MAX - 1 };
            let place = |worst: Worst| if column == Column::Risk { worst.risk } else { worst.domain };
            return Some(self.worst.map(place).ok_or(behind));
        }
        // A trend sorts as growth does.
        let sum = self.sum(if column == Column::Trend { Column::Growth } else { column })?;
        Some(if sum.known == 0 { Err(i64::MAX) } else { Ok(sum.total.saturating_neg()) })
    }
}

fn number(column: Column, process: &ProcessReport, report: &Report) -> Option<i64> {
    Some(match table::value(column, process, report)? {
        Value::Size(bytes) => i64::try_from(bytes.0).unwrap_or(i64::MAX),
        Value::Rate(rate) => rate.per_second().round() as i64,
        Value::Number(number) => number,
        Value::Text(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::Immune;
    use crate::units::{MaybeKib, ProcessId, Rate};

    fn report() -> Report {
        let process = |pid, change: &dyn Fn(&mut ProcessReport)| {
            let mut process = ProcessReport::unread(ProcessId::new(pid, 0));
            process.rss = MaybeKib::from_kib(u64::from(pid));
            change(&mut process);
            process
        };
        let grows = |rate: f64| move |process: &mut ProcessReport| process.growth = Rate::new(rate);
        let processes = vec![
            process(1, &grows(100.0)),
            process(2, &grows(-30.0)),
            process(3, &|process| {
                (process.oom_score_adj, process.risk) = (Some(300), Some(7));
                process.warning = WarningState::Leak;
            }),
            process(4, &|process| (process.oom_score_adj, process.risk) = (Some(300), Some(2))),
            process(5, &|process| process.immune = Some(Immune::Adjustment)),
        ];
        Report { processes, ..Report::default() }
    }

    #[test]
    fn what_can_be_summed_is_and_of_the_rest_the_worst_or_what_they_share() {
        let report = report();
        let all = Sums::of(0..5, &report);
        assert_eq!((all.processes, all.sum(Column::Rss)), (5, Some(Sum { total: 15 << 10, known: 5 })));
        assert_eq!(all.sum(Column::Growth), Some(Sum { total: 70, known: 2 }));
        assert_eq!((all.sum(Column::Peak), all.sum(Column::Trend)), (None, None));
        assert_eq!(all.worst(&report).map(|worst| worst.id.pid.0), Some(4));
        assert_eq!((all.warning, all.adjustment), (WarningState::Leak, Common::Mixed));
        assert_eq!(Sums::of(2..4, &report).adjustment.all(), Some(300));
        // One of whom it is not known is one too many.
        assert_eq!(Sums::of(1..4, &report).adjustment.all(), None);
        assert_eq!((all.only(&report), Sums::of([1], &report).only(&report)), (None, report.processes.get(1)));
    }

    #[test]
    fn sums_stand_where_what_they_show_puts_them() {
        let report = report();
        let rank = |indices: std::ops::Range<u32>, column| Sums::of(indices, &report).rank(column).expect("it has one");
        assert!(rank(0..2, Column::Growth) < rank(1..2, Column::Growth));
        assert!(rank(3..4, Column::Risk) < rank(2..3, Column::Risk));
        let behind = [rank(0..1, Column::Risk), rank(4..5, Column::Risk)];
        assert!(behind[0].is_err() && behind[0] < behind[1], "{behind:?}");
        assert_eq!(rank(2..3, Column::Growth), Err(i64::MAX));
        assert_eq!(Sums::of(0..5, &report).rank(Column::Pid), None);
    }
}
