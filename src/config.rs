//! What will be done, as plain data: every choice resolved, no clap, no environment, no file. Refuses to parse words
//! typed by people (that is `cli`) and to hold state.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::monitor::WarningConfig;
use crate::table::Column;
use crate::units::{Bytes, GoMemoryOf, Pid};

/// Choices shared by the screen and the one-shot commands.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Root of procfs; `/proc`.
    pub proc_root: PathBuf,
    /// Root of sysfs; `/sys`.
    pub sys_root: PathBuf,
    /// Between two passes.
    pub interval: Duration,
    /// Only these processes and their descendants; empty: all.
    pub pids: Vec<Pid>,
    /// Filter expression, as typed; checked already.
    pub filter: Option<String>,
    /// Columns of the table, from left to right.
    pub columns: Vec<Column>,
    /// Column to sort by.
    pub sort: Column,
    /// Start in tree view.
    pub tree: bool,
    /// Never construct `Control`.
    pub read_only: bool,
    /// Lock our own memory and lower our own oom_score_adj, where that is allowed.
    pub protect: bool,
    /// Report mouse events.
    pub mouse: bool,
    /// Whose Go programs may be looked into.
    pub go_memory: GoMemoryOf,
    /// How much of the time may go into reading `smaps` and `smaps_rollup`, in percent.
    pub smaps_share: u32,
    /// How to draw.
    pub look: Look,
    /// When something is worth a warning.
    pub warning: WarningConfig,
    /// What is done then.
    pub alarm: AlarmConfig,
    /// Where profiles are saved, first of all.
    pub profile_directory: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            proc_root: "/proc".into(),
            sys_root: "/sys".into(),
            interval: Duration::from_secs(1),
            pids: Vec::new(),
            filter: None,
            columns: Column::USUAL.to_vec(),
            sort: Column::Rss,
            tree: false,
            read_only: false,
            protect: true,
            mouse: false,
            go_memory: GoMemoryOf::default(),
            smaps_share: 5,
            look: Look::default(),
            warning: WarningConfig::default(),
            alarm: AlarmConfig::default(),
            profile_directory: ".".into(),
        }
    }
}

impl Config {
    /// Where nothing else is asked for, of the screen of `oomtop run`: a tree, and what its processes held at the most.
    #[must_use]
    pub fn of_run() -> Self {
        Self {
            interval: Duration::from_millis(500),
            columns: vec![
                Column::Pid,
                Column::Rss,
                Column::Peak,
                Column::Growth,
                Column::Trend,
                Column::Adjustment,
                Column::Risk,
                Column::Command,
            ],
            tree: true,
            ..Self::default()
        }
    }
}

/// What is done when something begins to warn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmConfig {
    /// Which alarms are told, by [`AlarmConfig::KINDS`].
    pub kinds: Vec<&'static str>,
    /// Ring the bell of the terminal.
    pub bell: bool,
    /// A program and its arguments; empty: none.
    pub hook: Vec<String>,
    /// Between two calls of it, at the least.
    pub hook_every: Duration,
    /// It is killed after this.
    pub hook_timeout: Duration,
    /// Fetch a heap profile of a Go program that begins to warn, keep it and save it.
    pub heap_profile: bool,
}

impl AlarmConfig {
    /// Of processes, then of domains; from the mild to the bad.
    pub const KINDS: [&str; 6] = ["leak", "growing", "imminent", "elevated", "high", "critical"];
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            kinds: Self::KINDS.into_iter().filter(|kind| *kind != "elevated").collect(),
            bell: false,
            hook: Vec::new(),
            hook_every: Duration::from_secs(30),
            hook_timeout: Duration::from_secs(10),
            heap_profile: false,
        }
    }
}

/// How to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Which characters.
    pub glyphs: Glyphs,
    /// Which colours.
    pub theme: ThemeName,
}

/// Which characters may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Lines, blocks and braille.
    #[default]
    Unicode,
    /// Only ASCII.
    Ascii,
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// For dark backgrounds.
    #[default]
    Default,
    /// For light backgrounds.
    Light,
    /// No colours: bold, reverse and dim only.
    Mono,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Print the configuration file with what holds without it.
    PrintConfig,
    /// Show the machine on the terminal until the user leaves.
    Watch,
    /// Look once and print it.
    Snapshot(SnapshotConfig),
    /// Tell the OOM kills in a kernel log.
    Explain(ExplainConfig),
    /// Tell which functions a profile is made of.
    Pprof(PprofConfig),
    /// Run a command and watch it.
    Run(RunConfig),
    /// Become a command, after what must happen between fork and exec.
    Start(StartConfig),
}

/// Choices of `oomtop snapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// As what.
    pub format: Format,
    /// At most this many processes.
    pub limit: Option<usize>,
    /// Look this many times, an interval apart, before printing; at least 1.
    pub samples: u32,
    /// With the mappings of this process.
    pub mappings: Option<Pid>,
}

/// As what a snapshot is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// One object, schema `oomtop.snapshot/1`.
    Json,
    /// One line per process.
    Csv,
}

/// Choices of `oomtop explain`; the processes that are asked for stand in [`Config::pids`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainConfig {
    /// Where the kernel's log is.
    pub log: KernelLogSource,
    /// As one object, schema `oomtop.explain/1`.
    pub json: bool,
}

/// Choices of `oomtop pprof`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PprofConfig {
    /// The profile.
    pub file: PathBuf,
    /// An earlier one, from which changes count.
    pub base: Option<PathBuf>,
    /// Which of its values; `None`: the one that it names itself.
    pub value_type: Option<String>,
    /// What a function and all that it calls hold leads, not what it holds itself.
    pub cumulative: bool,
    /// At most so many functions.
    pub limit: Option<usize>,
    /// As one object, schema `oomtop.pprof/1`.
    pub json: bool,
}

/// Where a kernel log is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KernelLogSource {
    /// Standard input.
    #[default]
    StandardInput,
    /// A file.
    File(PathBuf),
    /// The kernel's ring buffer, from its oldest record.
    RingBuffer,
    /// The journal, by `journalctl -k -o json`.
    Journal,
}

/// Choices of `oomtop run`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunConfig {
    /// The command and its arguments; never empty.
    pub command: Vec<OsString>,
    /// Draw nothing, whatever the terminal.
    pub headless: bool,
    /// Put -json under `go test`, so that memory is told per test.
    pub tests: bool,
    /// Files to write the report to; the format by the ending.
    pub reports: Vec<PathBuf>,
    /// Run in a memory cgroup of its own with this limit.
    pub memory_max: Option<Bytes>,
    /// And this much swap.
    pub swap_max: Option<Bytes>,
    /// GOMEMLIMIT for the command.
    pub go_memory_limit: Option<GoMemoryLimit>,
    /// oom_score_adj of the command and all below it.
    pub oom_score_adj: Option<i16>,
    /// What the whole tree may hold.
    pub budget: Option<Bytes>,
    /// What each test binary may hold.
    pub budget_per_test: Option<Bytes>,
    /// Exceeding a budget is told and does not fail the run.
    pub warn: bool,
}

/// A GOMEMLIMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoMemoryLimit {
    /// 90 % of the limit of the run.
    Auto,
    /// This.
    Of(Bytes),
}

/// The hidden command that stands between fork and exec.
pub const START: &str = "__start";

/// What must happen between fork and exec, and what to execute then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartConfig {
    /// Begin a session: a process group of its own, without a terminal.
    pub session: bool,
    /// `cgroup.procs` of the cgroup to join.
    pub join: Option<PathBuf>,
    /// oom_score_adj to take.
    pub oom_score_adj: Option<i16>,
    /// The command and its arguments; empty: to see whether the rest can be done.
    pub command: Vec<OsString>,
}
