//! The list of columns. What a number is worth stands here and nowhere else: help, `--help`, README and CSV quote it.

use crate::snapshot::needs::FactGroups;

use super::{Align, Column, ColumnInfo, Kind};

/// Every column, in the order of [`Column`].
pub const COLUMNS: [ColumnInfo; 26] = [
    column(
        Kind::Number,
        Column::Pid,
        "pid",
        "PID",
        7,
        FactGroups::NONE,
        "Process ID: in the PID namespace of the /proc that is read. PIDs are reused, so every action here also \
         checks the start time.",
    ),
    column(
        Kind::Number,
        Column::Parent,
        "ppid",
        "PPID",
        7,
        FactGroups::STAT,
        "PID of the parent. A process whose parent has ended is adopted by init or by the nearest subreaper.",
    ),
    column(
        Kind::Text,
        Column::User,
        "user",
        "USER",
        8,
        FactGroups::STATUS,
        "Real user: the name from /etc/passwd, else the UID.",
    ),
    column(
        Kind::Text,
        Column::State,
        "state",
        "S",
        1,
        FactGroups::STAT,
        "State, the kernel's letter: R running, S sleeping, D uninterruptible (waiting for a device or a lock), T \
         stopped, t traced, Z zombie (ended, not reaped), I idle.",
    ),
    column(
        Kind::Number,
        Column::Threads,
        "threads",
        "THR",
        5,
        FactGroups::STAT,
        "Threads. They share memory, which is counted once, for the process.",
    ),
    column(
        Kind::Size,
        Column::Rss,
        "rss",
        "RSS",
        5,
        FactGroups::NONE,
        "Pages in RAM now, shared ones counted in full: a sum over processes counts them more than once. From \
         /proc/PID/statm. Excludes swap and hugetlb pages. The OOM killer of kernels before 7.0 reads a counter that \
         may differ by some pages per processor; RISK uses that one.",
    ),
    column(
        Kind::Rate,
        Column::Growth,
        "growth",
        "GROWTH",
        8,
        FactGroups::NONE,
        "How fast RSS grows or shrinks: the mean rate over about the last ten seconds, from oomtop's own samples. A \
         dash until there are two.",
    ),
    ColumnInfo {
        align: Align::Left,
        ..column(
            Kind::Rate,
            Column::Trend,
            "trend",
            "TREND",
            8,
            FactGroups::NONE,
            "RSS over the last two minutes, oldest first: scaled to this process's own lowest and highest, so it \
             shows shape, not size. Sorts like GROWTH.",
        )
    },
    column(
        Kind::Size,
        Column::Anonymous,
        "anon",
        "ANON",
        5,
        FactGroups::NONE,
        "Anonymous part of RSS: heaps, stacks, data, backed by no file. Without swap the kernel cannot reclaim it \
         while the process lives. statm's resident minus shared (RssAnon).",
    ),
    column(
        Kind::Size,
        Column::File,
        "file",
        "FILE",
        5,
        FactGroups::STATUS,
        "File-backed part of RSS: code, libraries, mapped data. The kernel can drop clean pages and read them again. \
         RssFile.",
    ),
    column(
        Kind::Size,
        Column::SharedMemory,
        "shmem",
        "SHMEM",
        5,
        FactGroups::STATUS,
        "Shared memory in RSS: tmpfs, memfd, POSIX and SysV segments. It may outlive the process. RssShmem.",
    ),
    column(
        Kind::Size,
        Column::Swap,
        "swap",
        "SWAP",
        5,
        FactGroups::STATUS,
        "Anonymous pages in swap now. Excludes swapped-out shared memory. VmSwap.",
    ),
    column(
        Kind::Size,
        Column::RssAndSwap,
        "rss+swap",
        "RSS+SWAP",
        8,
        FactGroups::STATUS,
        "RSS plus VmSwap: what the process holds, in RAM or in swap. With page tables added, what the OOM killer \
         weighs.",
    ),
    column(
        Kind::Size,
        Column::Pss,
        "pss",
        "PSS",
        6,
        FactGroups::ROLLUP,
        "RSS with each shared page divided among its mappers: sums over processes are correct. \
         From smaps_rollup, which walks the process's page tables, so it is read rarely; ~ in front: it is old, or \
         RSS has moved since.",
    ),
    column(
        Kind::Size,
        Column::Uss,
        "uss",
        "USS",
        6,
        FactGroups::ROLLUP,
        "Pages that no other process maps: what is freed when this process ends, swap aside. Private_Clean + \
         Private_Dirty. From smaps_rollup, read rarely.",
    ),
    column(
        Kind::Size,
        Column::PageTables,
        "pt",
        "PT",
        5,
        FactGroups::STATUS,
        "Page tables: kernel memory that maps the address space. Not in RSS, but the OOM killer counts them. VmPTE.",
    ),
    column(
        Kind::Size,
        Column::Peak,
        "peak",
        "PEAK",
        5,
        FactGroups::STATUS,
        "Highest RSS so far: the kernel's VmHWM, or the highest that oomtop saw. The kernel tracks it loosely and may \
         miss a short peak.",
    ),
    column(
        Kind::Size,
        Column::Virtual,
        "virt",
        "VIRT",
        5,
        FactGroups::NONE,
        "Address space: everything mapped, even if only reserved. Says little about memory in use: Go, Java and \
         sanitizers reserve far more than they touch.",
    ),
    column(
        Kind::Number,
        Column::OomScore,
        "score",
        "SCORE",
        5,
        FactGroups::OOM_SCORE,
        "The kernel's own score (oom_score): relative to the whole machine, 0 to 2000. Since 5.9 an idle process \
         shows about 666, before that 0. It ignores cgroup limits; RISK does not.",
    ),
    column(
        Kind::Number,
        Column::Adjustment,
        "adj",
        "ADJ",
        5,
        FactGroups::ADJUSTMENT,
        "oom_score_adj, -1000 to 1000: the owner's request to the OOM killer. One point counts as a thousandth of the \
         memory that ran out. -1000: never killed.",
    ),
    column(
        Kind::Number,
        Column::Risk,
        "risk",
        "RISK",
        5,
        FactGroups::ADJUSTMENT,
        "Place in the order in which the OOM killer would kill: within the memory domain of this process that is \
         closest to its limit (DOMAIN). » (>): within the tightest of all. Sorted by it, the first of each domain \
         lead: the next kill takes one of them. safe: it would not be killed.",
    ),
    column(
        Kind::Text,
        Column::Domain,
        "domain",
        "DOMAIN",
        18,
        FactGroups::CGROUP,
        "Memory domain that RISK refers to: of the machine and the process's cgroups with limits, the one with the \
         least left. Sorted by it, the tightest domain leads, each in the order of RISK.",
    ),
    column(
        Kind::Text,
        Column::Cgroup,
        "cgroup",
        "CGROUP",
        24,
        FactGroups::CGROUP,
        "Memory cgroup of the process. Its limit and those of all its ancestors apply.",
    ),
    column(
        Kind::Text,
        Column::Go,
        "go",
        "GO",
        9,
        FactGroups::EXECUTABLE,
        "Go version that built the program, if it is a Go program. A filter on it also matches module and package \
         under test.",
    ),
    column(
        Kind::Text,
        Column::Name,
        "name",
        "NAME",
        15,
        FactGroups::NONE,
        "Process name (comm): at most 15 bytes, set by the process itself.",
    ),
    column(
        Kind::Text,
        Column::Command,
        "command",
        "COMMAND",
        ColumnInfo::REST,
        FactGroups::COMMAND.union(FactGroups::EXECUTABLE),
        "Command line. For a Go test binary, the package under test comes first. [name] in brackets: it has no \
         command line.",
    ),
];

/// Words stand at the left, what is counted at the right.
const fn column(
    kind: Kind,
    column: Column,
    key: &'static str,
    title: &'static str,
    width: u16,
    needs: FactGroups,
    help: &'static str,
) -> ColumnInfo {
    let align = if matches!(kind, Kind::Text) { Align::Left } else { Align::Right };
    ColumnInfo { column, key, title, help, width, kind, align, needs }
}
