//! What was typed, and what it means: clap structs, then [`Config`]. The only reader of the environment. Refuses to
//! open anything: what can be known to be wrong without looking at the machine is a usage error here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::config::{Config, ExplainConfig, Format, Glyphs, KernelLogSource, Look, SnapshotConfig, Task, ThemeName};
use crate::filter::Filter;
use crate::table::{self, COLUMNS};
use crate::units::{self, Pid};

/// htop for memory: who holds it, what grew, and whom the kernel's OOM killer takes next.
#[derive(Debug, Parser)]
#[command(name = "oomtop", version, max_term_width = 100, args_conflicts_with_subcommands = false)]
struct Arguments {
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    screen: Screen,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Debug, Args)]
struct Shared {
    /// Time between two looks: 2, 0.5, 500ms, 3m; a bare number is seconds (htop takes it for tenths)
    #[arg(short, long, value_name = "TIME", value_parser = interval, default_value = "1", global = true)]
    delay: Duration,
    /// Only these processes and their descendants, with commas between them or several -p
    #[arg(short, long, value_name = "PID", value_parser = pid, value_delimiter = ',', global = true)]
    pid: Vec<Pid>,
    /// Only processes that match, like 'rss>1g user=ci' (oomtop --help explains filters)
    #[arg(short, long, value_name = "FILTER", value_parser = filter, global = true)]
    filter: Option<String>,
    /// Sort by this column (oomtop --help lists them)
    #[arg(short, long, value_name = "COLUMN", value_parser = column, global = true)]
    sort: Option<String>,
    /// Arrange processes as a tree of parents and children
    #[arg(long, global = true)]
    tree: bool,
    /// Only ASCII characters; so it is anyway where the locale is not UTF-8
    #[arg(long, global = true)]
    ascii: bool,
    /// Read this tree instead of /proc
    #[arg(long, value_name = "DIR", default_value = "/proc", global = true)]
    proc: PathBuf,
    /// Read this tree instead of /sys
    #[arg(long, value_name = "DIR", default_value = "/sys", global = true)]
    sys: PathBuf,
}

#[derive(Debug, Args)]
struct Screen {
    /// Never send a signal or write an oom_score_adj
    #[arg(long)]
    read_only: bool,
    /// Colours; auto: unless NO_COLOR is set or the terminal is dumb
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    color: When,
    /// Colours for dark backgrounds (default), for light ones, or none
    #[arg(long, value_name = "THEME", value_enum)]
    theme: Option<Theme>,
    /// Take mouse events: click selects, the wheel scrolls
    #[arg(long)]
    mouse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Theme {
    Default,
    Light,
    Mono,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Look once and print it, for scripts and cron
    Snapshot(Snapshot),
    /// Tell the OOM kills in a kernel log: who died, by whose limit, why that one; -p PID says what killed it, or that
    /// nothing in the log did
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Explain {
    /// The log: dmesg, journalctl or syslog text, journal JSON, or records of /dev/kmsg; - is standard input, as is nothing
    #[arg(value_name = "FILE", conflicts_with_all = ["kernel", "journal"])]
    file: Option<PathBuf>,
    /// The kernel's ring buffer, from its oldest record
    #[arg(long, conflicts_with = "journal")]
    kernel: bool,
    /// The journal of this boot (journalctl -k -o json)
    #[arg(long)]
    journal: bool,
    /// One JSON object, schema oomtop.explain/1
    #[arg(long)]
    json: bool,
}

const EXPLAIN_HELP: &str = "\
Examples:
  oomtop explain --kernel                       this machine, since it started
  oomtop explain /var/log/kern.log              a log file
  journalctl -k -b -1 -o json | oomtop explain  the boot before this one
  oomtop explain -p 4711 --journal              what killed process 4711?

Exit status: 0 also when the log has no kill (it says so), 1 failed, 2 wrong usage.";

#[derive(Debug, Args)]
struct Snapshot {
    /// One JSON object, schema oomtop.snapshot/1
    #[arg(long, conflicts_with_all = ["csv", "table"])]
    json: bool,
    /// One line of comma-separated values per process, sizes in bytes
    #[arg(long, conflicts_with = "table")]
    csv: bool,
    /// Aligned columns (this is what you get anyway)
    #[arg(long)]
    table: bool,
    /// At most this many processes
    #[arg(short = 'n', long = "lines", value_name = "N")]
    limit: Option<usize>,
    /// Look N times, --delay apart, before printing: growth needs at least two looks
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// What this process holds, by class and region: with --json beside the rest, else instead
    #[arg(long, value_name = "PID", value_parser = pid)]
    mappings: Option<Pid>,
}

/// What the environment says about the terminal and the language.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `NO_COLOR` is there and not empty (no-color.org).
    pub no_color: bool,
    /// `TERM`.
    pub terminal: Option<OsString>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty (setlocale(3)).
    pub locale: Option<OsString>,
}

impl Environment {
    /// Of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_this_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            no_color: set("NO_COLOR").is_some(),
            terminal: set("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set),
        }
    }

    fn is_utf8(&self) -> bool {
        let locale = self.locale.as_ref().map_or(String::new(), |locale| locale.to_string_lossy().to_lowercase());
        locale.contains("utf-8") || locale.contains("utf8")
    }

    /// A terminal without colours, or whose font lacks most of what we would draw.
    fn is_terminal(&self, names: &[&str]) -> bool {
        self.terminal.as_ref().and_then(|name| name.to_str()).is_some_and(|name| names.contains(&name))
    }
}

/// What the arguments and the environment ask for.
///
/// # Errors
/// What is wrong with them, or the help that was asked for; [`clap::Error::exit_code`] tells the two apart.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<(Config, Task), clap::Error> {
    let matches = Arguments::command().after_help("--help tells more: filters, columns, exit status");
    let matches = matches.after_long_help(long_help()).try_get_matches_from(arguments)?;
    let Arguments { shared, screen, command } = Arguments::from_arg_matches(&matches)?;
    let config = Config {
        look: look(&shared, &screen, environment),
        proc_root: shared.proc,
        sys_root: shared.sys,
        interval: shared.delay,
        pids: shared.pid,
        filter: shared.filter,
        sort: shared.sort,
        tree: shared.tree,
        read_only: screen.read_only,
        mouse: screen.mouse,
    };
    let task = match command {
        None => Task::Watch,
        Some(Subcommands::Snapshot(snapshot)) => Task::Snapshot(SnapshotConfig {
            format: match (snapshot.json, snapshot.csv) {
                (true, _) => Format::Json,
                (false, true) => Format::Csv,
                (false, false) => Format::Table,
            },
            limit: snapshot.limit,
            samples: snapshot.samples,
            mappings: snapshot.mappings,
        }),
        Some(Subcommands::Explain(explain)) => Task::Explain(ExplainConfig {
            log: match explain.file {
                _ if explain.kernel => KernelLogSource::RingBuffer,
                _ if explain.journal => KernelLogSource::Journal,
                Some(file) if file.as_os_str() != "-" => KernelLogSource::File(file),
                _ => KernelLogSource::StandardInput,
            },
            json: explain.json,
        }),
    };
    Ok((config, task))
}

fn look(shared: &Shared, screen: &Screen, environment: &Environment) -> Look {
    let has_colors = match screen.color {
        When::Always => true,
        When::Never => false,
        When::Auto => !environment.no_color && !environment.is_terminal(&["dumb"]),
    };
    let theme = match screen.theme {
        _ if !has_colors => ThemeName::Mono,
        Some(Theme::Default) | None => ThemeName::Default,
        Some(Theme::Light) => ThemeName::Light,
        Some(Theme::Mono) => ThemeName::Mono,
    };
    let plain = shared.ascii || !environment.is_utf8() || environment.is_terminal(&["dumb", "linux"]);
    Look { glyphs: if plain { Glyphs::Ascii } else { Glyphs::Unicode }, theme }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = units::parse_duration(text)?;
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&interval) {
        return Ok(interval);
    }
    Err("between 100ms and 1h, please".into())
}

fn pid(text: &str) -> Result<Pid, String> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Pid(number)),
        _ => Err("not the number of a process".into()),
    }
}

fn filter(text: &str) -> Result<String, String> {
    Filter::parse(text).map_err(|error| error.pointing_into(text))?;
    Ok(text.to_owned())
}

fn column(text: &str) -> Result<String, String> {
    table::named(text).map(|column| table::info(column).key.to_owned())
}

/// Printed under the options by `--help`.
fn long_help() -> String {
    let columns: Vec<_> = COLUMNS.iter().map(|info| format!("  {:<9} {}", info.key, info.summary())).collect();
    format!(
        "\
Filters: a word is a substring of command, name, user, Go module or package, in any case.
  rss>1g  adj<=-500  growth>1m    a column compared with a number, a size, a size per second
  user=ci  cgroup~web  name~/^go/ text: = is, != is not, ~ contains or matches a regular expression
  /^go (build|test)/              a regular expression anywhere a word is looked for
  a b   a | b   !a   (a | b) c    and, or, not; \"quotes\" for words with spaces or operators
  What is not known satisfies no comparison.

Columns, for filters and --sort:
{}

Exit status: 0 fine (also when the reader of our output leaves early), 1 failed, 2 wrong usage.
Environment: NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG.",
        columns.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Config, Task), clap::Error> {
        let environment = Environment { locale: Some("en_US.UTF-8".into()), ..Environment::default() };
        parse(line.split(' ').map(OsString::from), &environment)
    }

    #[test]
    fn clap_finds_no_fault() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_typed_is_the_default() {
        assert_eq!(parsed("oomtop").ok(), Some((Config::default(), Task::Watch)));
    }

    #[test]
    fn everything_typed_arrives() {
        let line = "oomtop -d 0.5 -p 1,2 -p 3 -f rss>1g -s SWAP --tree --read-only --mouse --proc /a --sys /b";
        let expected = Config {
            proc_root: "/a".into(),
            sys_root: "/b".into(),
            interval: Duration::from_millis(500),
            pids: vec![Pid(1), Pid(2), Pid(3)],
            filter: Some("rss>1g".into()),
            sort: Some("swap".into()),
            tree: true,
            read_only: true,
            mouse: true,
            look: Look::default(),
        };
        assert_eq!(parsed(line).ok(), Some((expected, Task::Watch)));
    }

    #[test]
    fn snapshot_takes_shared_options_on_either_side() {
        for line in [
            "oomtop snapshot --json -n 5 --samples 3 --mappings 7 -d 2 -s pid",
            "oomtop -d 2 -s pid snapshot --json -n 5 --samples 3 --mappings 7",
        ] {
            let (config, task) = parsed(line).expect(line);
            assert_eq!((config.interval, config.sort.as_deref()), (Duration::from_secs(2), Some("pid")));
            let expected = SnapshotConfig { format: Format::Json, limit: Some(5), samples: 3, mappings: Some(Pid(7)) };
            assert_eq!(task, Task::Snapshot(expected));
        }
    }

    #[test]
    fn explain_reads_from_one_place() {
        let task = |line: &str| parsed(line).map(|(config, task)| (config.pids, task));
        let explain = |log, json| Task::Explain(ExplainConfig { log, json });
        for (line, pids, log, json) in [
            ("oomtop explain", vec![], KernelLogSource::StandardInput, false),
            ("oomtop explain - --json", vec![], KernelLogSource::StandardInput, true),
            ("oomtop explain -p 7 kern.log", vec![Pid(7)], KernelLogSource::File("kern.log".into()), false),
            ("oomtop explain --kernel", vec![], KernelLogSource::RingBuffer, false),
            ("oomtop -p 7,8 explain --journal", vec![Pid(7), Pid(8)], KernelLogSource::Journal, false),
        ] {
            assert_eq!(task(line).ok(), Some((pids, explain(log, json))), "{line}");
        }
        for line in ["oomtop explain --kernel x", "oomtop explain --kernel --journal"] {
            assert_eq!(task(line).expect_err(line).exit_code(), 2);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_meant() {
        for (line, message) in [
            ("oomtop -s rs", "no column \"rs\": did you mean \"rss\"?"),
            ("oomtop -f rs>1g", "no column \"rs\": did you mean \"rss\"?"),
            ("oomtop -f rss>x", "  rss>x\n      ^"),
            ("oomtop -d x", "is no duration"),
            ("oomtop -d 0", "between 100ms and 1h"),
            ("oomtop -p 0", "not the number of a process"),
            ("oomtop -p 1,x", "not the number of a process"),
            ("oomtop snapshot --json --csv", "cannot be used with"),
            ("oomtop snapshot --samples 0", "1"),
            ("oomtop snapshto", "snapshot"),
        ] {
            let error = parsed(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn the_environment_decides_how_it_looks() {
        use {Glyphs::*, ThemeName::*};
        let of = |line: &str, locale: &str, terminal: &str, no_color| {
            let environment = Environment { no_color, terminal: Some(terminal.into()), locale: Some(locale.into()) };
            let (config, _) = parse(line.split(' ').map(OsString::from), &environment).expect(line);
            (config.look.glyphs, config.look.theme)
        };
        assert_eq!(of("oomtop", "de_DE.UTF-8", "xterm", false), (Unicode, Default));
        assert_eq!(of("oomtop", "C.utf8", "xterm", true), (Unicode, Mono));
        assert_eq!(of("oomtop --color always", "C.utf8", "xterm", true), (Unicode, Default));
        assert_eq!(of("oomtop --theme light", "POSIX", "xterm", false), (Ascii, Light));
        assert_eq!(of("oomtop --color never --theme light", "C", "xterm", false), (Ascii, Mono));
        assert_eq!(of("oomtop", "C.UTF-8", "linux", false), (Ascii, Default));
        assert_eq!(of("oomtop", "C.UTF-8", "dumb", false), (Ascii, Mono));
        assert_eq!(of("oomtop --ascii", "C.UTF-8", "xterm", false), (Ascii, Default));
    }
}
