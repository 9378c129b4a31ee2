//! The columns of the process table: one list that drives the pane, the sort menu, the filter language, CSV and the
//! documentation. A column is data and pure functions of a report; refuses to know how it is drawn.

/// A column. The order here is the order in the column chooser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Process number.
    Pid,
    /// Parent.
    Parent,
    /// Real user.
    User,
    /// State letter.
    State,
    /// Threads.
    Threads,
    /// Resident.
    Rss,
    /// Slope of RSS.
    Growth,
    /// Sparkline of RSS.
    Trend,
    /// Resident anonymous.
    Anonymous,
    /// Resident file pages.
    File,
    /// Resident shared memory.
    SharedMemory,
    /// VmSwap.
    Swap,
    /// RSS + VmSwap.
    RssAndSwap,
    /// PSS.
    Pss,
    /// USS.
    Uss,
    /// Page tables.
    PageTables,
    /// Peak RSS.
    Peak,
    /// Address space.
    Virtual,
    /// oom_score.
    OomScore,
    /// oom_score_adj.
    Adjustment,
    /// Victim rank in the leading domain.
    Risk,
    /// Memory cgroup.
    Cgroup,
    /// Go version or test package.
    Go,
    /// comm.
    Name,
    /// Command line.
    Command,
}
