//! What was typed and what the configuration file says, and what it means: clap structs and the keys of the file, then
//! [`Config`]. The only reader of the environment and of that file. Refuses to open anything else: what can be known to
//! be wrong without looking at the machine is a usage error here.

mod config_file;
mod environment;
mod pprof;
mod run;

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::config::{
    Config, ExplainConfig, Format, Glyphs, KernelLogSource, Look, RunConfig, SnapshotConfig, Task, ThemeName,
};
use crate::filter::Filter;
use crate::table::{self, COLUMNS, Column};
use crate::units::{self, GoMemoryOf, Pid};

use config_file::{Mistake, ScreenWishes, Wishes};

pub use config_file::DEFAULT as DEFAULT_CONFIG;
pub use environment::Environment;

/// htop for memory: which processes hold it, which grow, and which one the OOM killer would kill next.
#[derive(Debug, Parser)]
#[command(name = "oomtop", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    looking: Looking,
    #[command(flatten)]
    screen: Screen,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

/// Which processes, and in what order: of the screen and of `snapshot`.
#[derive(Debug, Default, Args)]
struct Chosen {
    /// Only these processes and their descendants; separate PIDs with commas or repeat -p
    #[arg(short, long, value_name = "PID", value_parser = pid, value_delimiter = ',')]
    pid: Vec<Pid>,
    /// Only processes that match, e.g. 'rss>1g user=ci' (oomtop --help explains filters)
    #[arg(short, long, value_name = "FILTER", value_parser = filter)]
    filter: Option<String>,
    /// Sort by this column (oomtop --help lists them)
    #[arg(short, long, value_name = "COLUMN", value_parser = table::named)]
    sort: Option<Column>,
    /// Show processes as a tree
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    tree: Option<bool>,
    /// Which Go programs to inspect by reading their memory: own (your user's), all, or none [default: own]
    #[arg(long, value_name = "WHOSE", value_enum, hide_possible_values = true)]
    go_memory: Option<Whose>,
    /// Spend at most this percentage of the time reading smaps and smaps_rollup: each read stalls the process it
    /// describes [default: 5]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=50))]
    smaps_share: Option<u32>,
    /// Configuration file; options override it [default: ~/.config/oomtop/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How and where to look: of all but `explain`.
#[derive(Debug, Default, Args)]
struct Looking {
    /// Time between samples: 2, 0.5, 500ms, 3m; a bare number is in seconds (in htop: tenths) [default: 1; for run:
    /// 0.5]
    #[arg(short = 'd', long, visible_alias = "delay", value_name = "TIME", value_parser = interval)]
    interval: Option<Duration>,
    /// Draw with ASCII characters only; always so where the locale is not UTF-8
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    ascii: Option<bool>,
    /// Read this tree instead of /proc
    #[arg(long, value_name = "DIR")]
    proc: Option<PathBuf>,
    /// Read this tree instead of /sys
    #[arg(long, value_name = "DIR")]
    sys: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
struct Screen {
    /// Never send a signal or change an oom_score_adj
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    read_only: Option<bool>,
    /// Lock oomtop's own memory and lower its oom_score_adj to -999, where permitted; =false does neither
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    protect: Option<bool>,
    /// Use colours; auto (the default) means unless NO_COLOR is set or the terminal is dumb
    #[arg(long, value_name = "WHEN", value_enum)]
    color: Option<When>,
    /// Colours for a dark background (default), for a light one, or none (mono)
    #[arg(long, value_name = "THEME", value_enum)]
    theme: Option<Theme>,
    /// Use the mouse: a click selects, the wheel scrolls
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    mouse: Option<bool>,
    /// Print a configuration file with all the defaults, and exit
    #[arg(long)]
    print_config: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whose {
    Own,
    All,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Theme {
    Default,
    Light,
    Mono,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Take a sample and print it, for scripts and cron
    #[command(after_help = SNAPSHOT_HELP)]
    Snapshot(Snapshot),
    /// Explain the OOM kills in a kernel log: what was killed, which limit was hit, and why that process
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Explain),
    /// List the functions in a Go profile: what each holds itself (flat) and including what it calls (cum)
    Pprof(pprof::Arguments),
    /// Run a command and watch its memory: oomtop run -- go test ./...
    #[command(after_help = run::HELP)]
    Run(run::Arguments),
    /// What `run` puts between fork and exec
    #[command(name = run::START, hide = true)]
    Start(run::StartArguments),
}

#[derive(Debug, Args)]
struct Explain {
    /// The log: dmesg, journalctl or syslog text, journal JSON, or /dev/kmsg records; - or none: standard input
    #[arg(value_name = "FILE", conflicts_with_all = ["kernel", "journal"])]
    file: Option<PathBuf>,
    /// Read the kernel's ring buffer, from its oldest record (needs root where kernel.dmesg_restrict is 1)
    #[arg(long, conflicts_with = "journal")]
    kernel: bool,
    /// Read the journal of this boot (journalctl -k; needs root or group adm or systemd-journal)
    #[arg(long)]
    journal: bool,
    /// What killed this process, if this log says; separate several with commas
    #[arg(short, long, value_name = "PID", value_parser = pid, value_delimiter = ',')]
    pid: Vec<Pid>,
    /// Print one JSON object, schema oomtop.explain/1
    #[arg(long)]
    json: bool,
}

const EXPLAIN_HELP: &str = "\
Examples:
  oomtop explain --kernel                       this machine, since it booted
  oomtop explain /var/log/kern.log              a log file
  journalctl -k -b -1 -o json | oomtop explain  the previous boot
  oomtop explain -p 4711 --journal              what killed process 4711?

Exit status: 0 success, also when the log has no kill; 1 failure, or the input is not a kernel log; 2 wrong usage.";

const SNAPSHOT_HELP: &str = "\
Examples:
  oomtop snapshot -n 10                         the ten largest processes
  oomtop snapshot --samples 2 -d 10 -s growth   what grew within ten seconds
  oomtop snapshot --json | jq .domains[0]       who dies next, and at which limit
  oomtop snapshot --mappings 4711               what process 4711 holds

Exit status: 0 success, 1 failure, 2 wrong usage.";

const SHORT_HELP: &str = "\
Examples:
  oomtop                                     this machine
  oomtop -p \"$(pgrep -d, -f 'go test')\"      a tree of processes, as it grows
  oomtop -f 'user=ci rss>100m' --read-only   look, change nothing

See --help for filters, columns and exit status.";

#[derive(Debug, Args)]
struct Snapshot {
    #[command(flatten)]
    chosen: Chosen,
    /// Print one JSON object, schema oomtop.snapshot/1
    #[arg(long, conflicts_with_all = ["csv", "table"])]
    json: bool,
    /// Print CSV, one line per process, sizes in bytes
    #[arg(long, conflicts_with = "table")]
    csv: bool,
    /// Print aligned columns (the default)
    #[arg(long)]
    table: bool,
    /// Print at most this many processes
    #[arg(short = 'n', long = "lines", value_name = "N")]
    limit: Option<usize>,
    /// Take N samples, --interval apart, before printing; growth needs at least two
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Print what this process holds, by class and region; with --json in addition to the rest, else instead
    #[arg(long, value_name = "PID", value_parser = pid)]
    mappings: Option<Pid>,
    #[command(flatten)]
    looking: Looking,
}

/// What the arguments and the environment ask for.
///
/// # Errors
/// What is wrong with them, or the help that was asked for; [`clap::Error::exit_code`] tells the two apart.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<(Config, Task), clap::Error> {
    let matches = Arguments::command().after_help(SHORT_HELP);
    let matches = matches.after_long_help(long_help()).try_get_matches_from(arguments)?;
    let Arguments { mut chosen, mut looking, screen, command } = Arguments::from_arg_matches(&matches)?;
    let task = match command {
        None if screen.print_config => Task::PrintConfig,
        None => Task::Watch,
        Some(Subcommands::Snapshot(snapshot)) => {
            (chosen, looking) = (snapshot.chosen, snapshot.looking);
            Task::Snapshot(SnapshotConfig {
                format: match (snapshot.json, snapshot.csv) {
                    (true, _) => Format::Json,
                    (false, true) => Format::Csv,
                    (false, false) => Format::Table,
                },
                limit: snapshot.limit,
                samples: snapshot.samples,
                mappings: snapshot.mappings,
            })
        }
        Some(Subcommands::Explain(explain)) => {
            chosen.pid = explain.pid;
            Task::Explain(ExplainConfig {
                log: match explain.file {
                    _ if explain.kernel => KernelLogSource::RingBuffer,
                    _ if explain.journal => KernelLogSource::Journal,
                    Some(file) if file.as_os_str() != "-" => KernelLogSource::File(file),
                    _ => KernelLogSource::StandardInput,
                },
                json: explain.json,
            })
        }
        Some(Subcommands::Pprof(pprof)) => Task::Pprof(pprof.into()),
        Some(Subcommands::Run(mut run)) => {
            looking = std::mem::take(&mut run.looking);
            chosen.config = run.config.take();
            Task::Run(run.into())
        }
        Some(Subcommands::Start(start)) => Task::Start(start.into()),
    };
    let wishes = match task {
        // To print what a file looks like, or to tell an old log, none is read; nor for a run without a screen.
        Task::PrintConfig
        | Task::Explain(_)
        | Task::Pprof(_)
        | Task::Start(_)
        | Task::Run(RunConfig { headless: true, .. }) => Wishes::default(),
        Task::Watch | Task::Snapshot(_) | Task::Run(_) => wishes(chosen.config.as_ref(), environment)
            .map_err(|mistake| clap::Error::raw(ErrorKind::ValueValidation, format!("{mistake}\n")))?,
    };
    let wished = match task {
        Task::Watch | Task::Run(_) => wishes.screen,
        Task::PrintConfig | Task::Snapshot(_) | Task::Explain(_) | Task::Pprof(_) | Task::Start(_) => {
            ScreenWishes::default()
        }
    };
    let default = if let Task::Run(_) = task { Config::of_run() } else { Config::default() };
    let config = Config {
        look: look(&looking, &screen, &wished, environment),
        proc_root: looking.proc.unwrap_or(default.proc_root),
        sys_root: looking.sys.unwrap_or(default.sys_root),
        interval: looking.interval.or(wished.interval).unwrap_or(default.interval),
        pids: chosen.pid,
        filter: chosen.filter,
        columns: wished.columns.unwrap_or(default.columns),
        sort: chosen.sort.or(wished.sort).unwrap_or(default.sort),
        tree: chosen.tree.or(wished.tree).unwrap_or(default.tree),
        protect: screen.protect.or(wished.protect).unwrap_or(default.protect),
        read_only: screen.read_only.or(wished.read_only).unwrap_or(default.read_only),
        go_memory: match chosen.go_memory {
            None | Some(Whose::Own) => GoMemoryOf::OwnUser,
            Some(Whose::All) => GoMemoryOf::Everybody,
            Some(Whose::None) => GoMemoryOf::Nobody,
        },
        smaps_share: chosen.smaps_share.or(wished.smaps_share).unwrap_or(default.smaps_share),
        mouse: screen.mouse.or(wished.mouse).unwrap_or(default.mouse),
        warning: wishes.warning,
        alarm: wished.alarm,
        profile_directory: wished.profile_directory.unwrap_or(default.profile_directory),
    };
    Ok((config, task))
}

/// The status to exit with after such an error: of `run` it must not be taken for that of the command.
#[must_use]
pub fn exit_status(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let typed = arguments.iter().take_while(|argument| *argument != "--");
    let is_run = typed.clone().any(|argument| argument == "run");
    if error.exit_code() != 0 && is_run { run::OWN_FAILURE } else { error.exit_code() as u8 }
}

/// What the file says: the one that was named, else the one where it usually is.
fn wishes(named: Option<&PathBuf>, environment: &Environment) -> Result<Wishes, Mistake> {
    match (named, &environment.config_home) {
        (Some(path), _) => config_file::read(path, true),
        (None, Some(home)) => config_file::read(&home.join("oomtop/config.toml"), false),
        (None, None) => Ok(Wishes::default()),
    }
}

fn look(looking: &Looking, screen: &Screen, wished: &ScreenWishes, environment: &Environment) -> Look {
    let has_colors = match screen.color.or(wished.color).unwrap_or(When::Auto) {
        When::Always => true,
        When::Never => false,
        When::Auto => !environment.no_color && !environment.is_terminal(&["dumb"]),
    };
    let typed = screen.theme.map(|theme| match theme {
        Theme::Default => ThemeName::Default,
        Theme::Light => ThemeName::Light,
        Theme::Mono => ThemeName::Mono,
    });
    let theme = typed.or(wished.theme).filter(|_| has_colors);
    let theme = theme.unwrap_or(if has_colors { ThemeName::Default } else { ThemeName::Mono });
    let ascii = looking.ascii.or(wished.ascii).unwrap_or(false);
    let plain = ascii || !environment.is_utf8() || environment.is_terminal(&["dumb", "linux"]);
    Look { glyphs: if plain { Glyphs::Ascii } else { Glyphs::Unicode }, theme }
}

/// Between two looks.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

fn interval(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).and_then(|interval| within(interval, &INTERVALS))
}

fn within(time: Duration, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    if range.contains(&time) {
        return Ok(time);
    }
    let [from, to] = [range.start(), range.end()].map(|end| units::round_duration(*end));
    Err(format!("must be between {from} and {to}"))
}

fn pid(text: &str) -> Result<Pid, String> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Pid(number)),
        _ => Err("not a PID".into()),
    }
}

fn filter(text: &str) -> Result<String, String> {
    Filter::parse(text).map_err(|error| error.pointing_into(text))?;
    Ok(text.to_owned())
}

/// Printed under the options by `--help`.
fn long_help() -> String {
    let columns: Vec<_> = COLUMNS.iter().map(|info| format!("  {:<9} {}", info.key, info.summary())).collect();
    let examples = SHORT_HELP.rsplit_once("\n\n").map_or(SHORT_HELP, |(examples, _)| examples);
    format!(
        "\
{examples}

Filters: a word matches any part of command, name, user, Go module or package, ignoring case.
  rss>1g  adj<=-500  growth>1m    compare a column with a number, a size, a size per second
  user=ci  cgroup~web  name~/^go/ text: = is, != is not, ~ contains or matches a regular expression
  /^go (build|test)/              a regular expression, matched wherever a word would be
  a b   a | b   !a   (a | b) c    and, or, not; \"quotes\" for words with spaces or operators
  An unknown value satisfies no comparison.

Columns, for filters and --sort:
{}

Exit status: 0 success (also when the reader of the output quits early), 1 failure, 2 wrong usage; for run: see oomtop run --help.
Environment: NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG.",
        columns.join("\n")
    )
}

#[cfg(test)]
mod tests;
