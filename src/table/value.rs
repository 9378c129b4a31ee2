//! What a process has in a column, before anybody formats, compares or filters it.

use std::borrow::Cow;

use crate::monitor::report::{ProcessReport, Report};
use crate::text;
use crate::units::{Bytes, MaybeKib, Rate, Timestamp};

use super::Column;

/// The content of one cell as a typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A size.
    Size(Bytes),
    /// A slope.
    Rate(Rate),
    /// A count, a score, a number of a process, a rank.
    Number(i64),
    /// Words, safe to show.
    Text(Cow<'a, str>),
}

/// What the process has in this column; `None` where it is not known.
#[must_use]
pub fn value<'a>(column: Column, process: &'a ProcessReport, report: &'a Report) -> Option<Value<'a>> {
    let size = |kib: MaybeKib| kib.get().map(Value::Size);
    let was_sized = process.sized_at != Timestamp(0);
    // `?` is what the Monitor puts there before `stat` was read.
    let has_stat = process.state != b'?';
    match column {
        Column::Pid => Some(Value::Number(process.id.pid.0.into())),
        Column::Parent => has_stat.then(|| Value::Number(process.parent.0.into())),
        Column::User => process.identity.uid.map(|uid| Value::Text(user_name(uid, report))),
        Column::State => has_stat.then(|| Value::Text(char::from(process.state).to_string().into())),
        Column::Threads => (process.threads > 0).then(|| Value::Number(process.threads.into())),
        Column::Rss => size(process.rss),
        Column::Growth | Column::Trend => process.growth.map(Value::Rate),
        Column::Anonymous => size(process.rss_anon),
        Column::File => size(process.rss_file),
        Column::SharedMemory => size(process.rss_shmem),
        Column::Swap => size(process.swap),
        Column::RssAndSwap => {
            let (rss, swap) = (process.rss.get()?, process.swap.get()?);
            Some(Value::Size(rss.saturating_add(swap)))
        }
        Column::Pss => size(process.pss),
        Column::Uss => size(process.uss),
        Column::PageTables => size(process.page_tables),
        Column::Peak => size(process.peak_rss),
        Column::Virtual => was_sized.then_some(Value::Size(process.virtual_size)),
        Column::OomScore => process.oom_score.map(|score| Value::Number(score.into())),
        Column::Adjustment => process.oom_score_adj.map(|adjustment| Value::Number(adjustment.into())),
        Column::Risk => process.risk.map(|rank| Value::Number(rank.into())),
        Column::Domain => {
            report.leading_domain(process).map(|domain| Value::Text(text::printable(domain.label.as_bytes())))
        }
        Column::Cgroup => process.identity.cgroup.as_ref().map(|path| Value::Text(text::printable(&path.0))),
        Column::Go => {
            let executable = process.identity.executable.as_ref()?;
            let version = executable.go.as_ref().map_or("", |go| &go.version);
            Some(Value::Text(text::printable(version.as_bytes())))
        }
        Column::Name => Some(Value::Text(text::printable(&process.identity.name))),
        Column::Command => Some(Value::Text(super::command_line(&process.identity).into())),
    }
}

/// Name of a user, or the number where there is no name.
pub(super) fn user_name(uid: u32, report: &Report) -> Cow<'_, str> {
    report.machine.user(uid).map_or_else(|| uid.to_string().into(), |name| text::printable(name.as_bytes()))
}
