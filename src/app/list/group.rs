//! Rows summed by command, user, memory cgroup or `go test`. Refuses to say that a sum of RSS is what they hold together: shared
//! pages are in it once per process, so PSS and its coverage stand beside it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::iter;

use crate::golang::go_command;
use crate::monitor::report::{ProcessReport, Report};
use crate::table::Column;
use crate::table::command_line;
use crate::text;
use crate::units::ProcessId;

use super::order::directed;
use super::{Arrangement, Row, Sums, tree};

struct Group {
    label: Box<str>,
    sums: Sums,
    members: Vec<u32>,
}

/// What the members of a group have in common, as it was read: compared 10,000 times, while labels are made once per
/// group.
#[derive(PartialEq, Eq, Hash)]
enum Kin<'report> {
    Command(&'report [u8]),
    User(Option<u32>),
    Cgroup(Option<&'report [u8]>),
    GoTest(Option<ProcessId>),
}

impl<'report> Kin<'report> {
    fn of(report: &'report Report, process: &'report ProcessReport, arrangement: Arrangement) -> Self {
        let identity = &process.identity;
        match arrangement {
            Arrangement::ByUser => Self::User(identity.uid),
            Arrangement::ByCgroup => Self::Cgroup(identity.cgroup.as_ref().map(|path| path.0.as_ref())),
            Arrangement::ByGoTest => Self::GoTest(go_test_of(report, process).map(|go_test| go_test.id)),
            Arrangement::ByCommand | Arrangement::Flat | Arrangement::Tree => {
                Self::Command(identity.test_package.as_ref().map_or(&identity.name, |package| package.as_bytes()))
            }
        }
    }
}

/// Rows of the groups; the members of opened ones, in their order, under them.
pub fn gather(
    report: &Report,
    order: &[u32],
    arrangement: Arrangement,
    (sort, reversed): (Column, bool),
    opened: &BTreeSet<Box<str>>,
    rows: &mut Vec<Row>,
) {
    let mut by_kin: HashMap<Kin<'_>, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for &index in order {
        let process = &report.processes[index as usize];
        let at = *by_kin.entry(Kin::of(report, process, arrangement)).or_insert_with(|| {
            let label = label(report, process, arrangement).into();
            groups.push(Group { label, sums: Sums::default(), members: Vec::new() });
            groups.len() - 1
        });
        groups[at].sums.add(index, report);
        groups[at].members.push(index);
    }
    groups.sort_by(|one, other| {
        let place = |group: &Group| directed(rank(group, sort), reversed);
        let by_label = one.label.cmp(&other.label);
        place(one).cmp(&place(other)).then(if reversed { by_label.reverse() } else { by_label })
    });
    for group in groups {
        let open = opened.contains(&group.label);
        rows.push(Row::Group { label: group.label, sums: Box::new(group.sums), open });
        if open {
            let last = group.members.len() - 1;
            rows.extend(group.members.into_iter().enumerate().map(|(position, index)| Row::Process {
                index,
                depth: 1,
                guides: u64::from(position != last),
                folded: None,
            }));
        }
    }
}

/// The group of a process.
pub fn label<'report>(
    report: &'report Report,
    process: &'report ProcessReport,
    arrangement: Arrangement,
) -> Cow<'report, str> {
    let identity = &process.identity;
    match arrangement {
        Arrangement::ByUser => match identity.uid {
            Some(uid) => report.machine.user(uid).map_or_else(|| uid.to_string().into(), Into::into),
            None => "unknown user".into(),
        },
        Arrangement::ByCgroup => match &identity.cgroup {
            Some(path) => text::printable(&path.0),
            None => "unknown cgroup".into(),
        },
        Arrangement::ByGoTest => match go_test_of(report, process) {
            Some(go_test) => format!("{} ({})", command_line(&go_test.identity), go_test.id.pid).into(),
            None => "no go test".into(),
        },
        Arrangement::ByCommand | Arrangement::Flat | Arrangement::Tree => match &identity.test_package {
            Some(package) => text::printable(package.as_bytes()),
            None => text::printable(&identity.name),
        },
    }
}

/// Whether a process is a `go test`, as far as its command line is known.
#[must_use]
pub fn is_go_test(process: &ProcessReport) -> bool {
    let command = process.identity.command.as_ref();
    command.is_some_and(|command| go_command::is_go_test(&command.arguments))
}

/// The `go test` that a process is, or belongs to.
pub(super) fn go_test_of<'report>(
    report: &'report Report,
    process: &'report ProcessReport,
) -> Option<&'report ProcessReport> {
    go_command::run_of(iter::once(process).chain(tree::ancestors(report, process)), |process| is_go_test(process))
}

/// Sums biggest first, names a to z; whatever has no sum goes by RSS.
fn rank(group: &Group, sort: Column) -> Result<i64, i64> {
    let sums = &group.sums;
    match sort {
        Column::Pid | Column::Parent => Ok(-i64::from(sums.processes)),
        Column::User | Column::Cgroup | Column::Go | Column::Name | Column::Command => Ok(0),
        Column::Adjustment => sums.adjustment.all().map(|adjustment| -i64::from(adjustment)).ok_or(i64::MAX),
        _ => sums.rank(sort).or_else(|| sums.rank(Column::Rss)).unwrap_or(Err(i64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::monitor::report::Identity;
    use crate::units::MaybeKib;

    fn report() -> Report {
        let process = |pid, name: &[u8], kib, pss: Option<u64>| ProcessReport {
            rss: MaybeKib::from_kib(kib),
            pss: pss.map_or(MaybeKib::UNKNOWN, MaybeKib::from_kib),
            identity: Arc::new(Identity { name: name.into(), uid: Some(pid % 2), ..Identity::default() }),
            ..ProcessReport::unread(ProcessId::new(pid, 0))
        };
        let processes = vec![
            process(1, b"go", 10, None),
            process(2, b"compile", 30, Some(20)),
            process(3, b"compile", 40, None),
            process(4, b"\x1b[31mred", 5, None),
        ];
        Report { processes, ..Report::default() }
    }

    fn drawn(arrangement: Arrangement, sort: Column, opened: &[&str]) -> Vec<String> {
        let report = report();
        let mut rows = Vec::new();
        let opened = opened.iter().map(|label| (*label).into()).collect();
        gather(&report, &[2, 1, 0, 3], arrangement, (sort, false), &opened, &mut rows);
        rows.iter()
            .map(|row| match row {
                Row::Group { label, sums, .. } => {
                    let sum = |column| sums.sum(column).unwrap_or_default();
                    let (rss, pss) = (sum(Column::Rss), sum(Column::Pss));
                    format!("{label} {}x{}K pss {}K of {}", sums.processes, rss.total >> 10, pss.total >> 10, pss.known)
                }
                Row::Process { index, .. } => format!(" {}", report.processes[*index as usize].id.pid),
            })
            .collect()
    }

    #[test]
    fn sums_by_command_say_how_much_of_pss_is_known() {
        assert_eq!(
            drawn(Arrangement::ByCommand, Column::Rss, &["compile"]),
            ["compile 2x70K pss 20K of 1", " 3", " 2", "go 1x10K pss 0K of 0", "\\x1b[31mred 1x5K pss 0K of 0"]
        );
        assert_eq!(drawn(Arrangement::ByUser, Column::Name, &[])[0], "0 2x35K pss 20K of 1");
        assert_eq!(drawn(Arrangement::ByCgroup, Column::Rss, &[]), ["unknown cgroup 4x85K pss 20K of 1"]);
    }
}
