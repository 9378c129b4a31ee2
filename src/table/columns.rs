//! The list of columns. What a number is worth stands here and nowhere else: help, `--help`, README and CSV quote it.

use crate::snapshot::needs::FactGroups;

use super::{Align, Column, ColumnInfo, Kind};

/// Every column, in the order of [`Column`].
pub const COLUMNS: [ColumnInfo; 25] = [
    number(
        Column::Pid,
        "pid",
        "PID",
        7,
        FactGroups::NONE,
        "Number of the process in the PID namespace of the /proc that is read. Numbers are used again; every action here also checks the start time.",
    ),
    number(
        Column::Parent,
        "ppid",
        "PPID",
        7,
        FactGroups::STAT,
        "Number of the parent. A process whose parent ended belongs to init or to the nearest subreaper.",
    ),
    words(
        Column::User,
        "user",
        "USER",
        8,
        FactGroups::STATUS,
        "Real user: by name where /etc/passwd has one, else by number.",
    ),
    words(
        Column::State,
        "state",
        "S",
        1,
        FactGroups::STAT,
        "State as the kernel writes it: R running, S sleeping, D waiting for a device or a lock, T stopped, t traced, Z ended but not reaped, I idle.",
    ),
    number(
        Column::Threads,
        "threads",
        "THR",
        5,
        FactGroups::STAT,
        "Threads. They share one memory: it is counted once, for the process.",
    ),
    size(
        Column::Rss,
        "rss",
        "RSS",
        5,
        FactGroups::NONE,
        "Pages in RAM now, shared ones counted whole: the sum over processes counts them more than once. From /proc/PID/statm. Without swap and without huge pages of the pool. The OOM killer of kernels before 7.0 reads a counter that may differ by some pages per processor; RISK uses that one.",
    ),
    rate(
        Column::Growth,
        "growth",
        "GROWTH",
        8,
        FactGroups::NONE,
        "How fast RSS grows or shrinks: its mean rate over about the last ten seconds, from our own samples. A dash until there are two of them.",
    ),
    ColumnInfo {
        align: Align::Left,
        ..rate(
            Column::Trend,
            "trend",
            "TREND",
            8,
            FactGroups::NONE,
            "RSS over the last two minutes, oldest first: scaled to the lowest and highest of this process, so it shows the shape and not the size. Sorts like GROWTH.",
        )
    },
    size(
        Column::Anonymous,
        "anon",
        "ANON",
        5,
        FactGroups::NONE,
        "Part of RSS that belongs to no file: heaps, stacks, data. Without swap it cannot be given back while the process lives. statm's resident minus shared (RssAnon).",
    ),
    size(
        Column::File,
        "file",
        "FILE",
        5,
        FactGroups::STATUS,
        "Part of RSS that is pages of files: code, libraries, mapped data. The kernel can drop the clean ones and read them again. RssFile.",
    ),
    size(
        Column::SharedMemory,
        "shmem",
        "SHMEM",
        5,
        FactGroups::STATUS,
        "Part of RSS that is shared memory: tmpfs, memfd, POSIX and SysV segments. It may outlive the process. RssShmem.",
    ),
    size(
        Column::Swap,
        "swap",
        "SWAP",
        5,
        FactGroups::STATUS,
        "Anonymous pages that are in swap now. Swapped shared memory is not in it. VmSwap.",
    ),
    size(
        Column::RssAndSwap,
        "rss+swap",
        "RSS+SWAP",
        8,
        FactGroups::STATUS,
        "RSS plus VmSwap: what the process holds, wherever it is now. With page tables it is what the OOM killer weighs.",
    ),
    size(
        Column::Pss,
        "pss",
        "PSS",
        5,
        FactGroups::ROLLUP,
        "RSS with each shared page divided by the number of processes that map it: sums over processes are true. From smaps_rollup, which walks the page tables of the process, so it is read seldom and may be old (dim).",
    ),
    size(
        Column::Uss,
        "uss",
        "USS",
        5,
        FactGroups::ROLLUP,
        "Pages that no other process maps (Private_Clean + Private_Dirty): what comes back when this process ends, swap aside. From smaps_rollup, read seldom.",
    ),
    size(
        Column::PageTables,
        "pt",
        "PT",
        5,
        FactGroups::STATUS,
        "Page tables: kernel memory that describes the address space. Not in RSS, but the OOM killer counts it. VmPTE.",
    ),
    size(
        Column::Peak,
        "peak",
        "PEAK",
        5,
        FactGroups::STATUS,
        "Highest RSS so far: VmHWM of the kernel, or the highest that we saw. The kernel tracks it loosely; a short peak may be missing.",
    ),
    size(
        Column::Virtual,
        "virt",
        "VIRT",
        5,
        FactGroups::NONE,
        "Address space: everything mapped or only reserved. Says little about memory in use; Go, Java and sanitizers reserve far more than they touch.",
    ),
    number(
        Column::OomScore,
        "score",
        "SCORE",
        5,
        FactGroups::OOM_SCORE,
        "The kernel's own /proc/PID/oom_score against the whole machine, 0 to 2000. Since 5.9 an idle process shows about 666; before it was 0. It knows nothing of cgroup limits: RISK does.",
    ),
    number(
        Column::Adjustment,
        "adj",
        "ADJ",
        5,
        FactGroups::ADJUSTMENT,
        "oom_score_adj, -1000 to 1000: what the owner asked of the OOM killer. One point is a thousandth of the memory that ran out. -1000: never taken.",
    ),
    number(
        Column::Risk,
        "risk",
        "RISK",
        5,
        FactGroups::ADJUSTMENT,
        "Place in the order in which the OOM killer would take processes: in the memory domain of this process that is closest to its limit. safe: it would not be taken.",
    ),
    words(
        Column::Cgroup,
        "cgroup",
        "CGROUP",
        24,
        FactGroups::CGROUP,
        "Memory cgroup of the process. Limits of it and of every cgroup above it apply.",
    ),
    words(
        Column::Go,
        "go",
        "GO",
        9,
        FactGroups::EXECUTABLE,
        "Version of Go that built the program, where it is one. A filter on it also looks at module and package under test.",
    ),
    words(
        Column::Name,
        "name",
        "NAME",
        15,
        FactGroups::NONE,
        "Name of the process (comm): 15 bytes at most, chosen by the process itself.",
    ),
    words(
        Column::Command,
        "command",
        "COMMAND",
        ColumnInfo::REST,
        FactGroups::COMMAND.union(FactGroups::EXECUTABLE),
        "Command line. A Go test binary leads with the package under test. [name] in brackets: there is no command line.",
    ),
];

const fn number(
    column: Column,
    key: &'static str,
    title: &'static str,
    width: u16,
    needs: FactGroups,
    help: &'static str,
) -> ColumnInfo {
    ColumnInfo { column, key, title, help, width, kind: Kind::Number, align: Align::Right, needs }
}

const fn size(
    column: Column,
    key: &'static str,
    title: &'static str,
    width: u16,
    needs: FactGroups,
    help: &'static str,
) -> ColumnInfo {
    ColumnInfo { kind: Kind::Size, ..number(column, key, title, width, needs, help) }
}

const fn rate(
    column: Column,
    key: &'static str,
    title: &'static str,
    width: u16,
    needs: FactGroups,
    help: &'static str,
) -> ColumnInfo {
    ColumnInfo { kind: Kind::Rate, ..number(column, key, title, width, needs, help) }
}

const fn words(
    column: Column,
    key: &'static str,
    title: &'static str,
    width: u16,
    needs: FactGroups,
    help: &'static str,
) -> ColumnInfo {
    ColumnInfo { kind: Kind::Text, align: Align::Left, ..number(column, key, title, width, needs, help) }
}
