//! The command line and the file together. Refuses to look at the machine.

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
    assert_eq!(parsed("oomtop --delay 2").ok(), parsed("oomtop --interval 2").ok());
    let line = "oomtop -d 0.5 -p 1,2 -p 3 -f rss>1g -s SWAP --tree --read-only --mouse --proc /a --sys /b";
    let expected = Config {
        proc_root: "/a".into(),
        sys_root: "/b".into(),
        interval: Duration::from_millis(500),
        pids: vec![Pid(1), Pid(2), Pid(3)],
        filter: Some("rss>1g".into()),
        sort: Column::Swap,
        tree: true,
        read_only: true,
        mouse: true,
        ..Config::default()
    };
    assert_eq!(parsed(line).ok(), Some((expected, Task::Watch)));
}

#[test]
fn snapshot_takes_what_it_needs() {
    let (config, task) =
        parsed("oomtop snapshot --json -n 5 --samples 3 --mappings 7 -d 2 -s pid --proc /a").expect("right");
    assert_eq!((config.interval, config.sort), (Duration::from_secs(2), Column::Pid));
    assert_eq!((config.proc_root, config.sys_root), ("/a".into(), "/sys".into()));
    let expected = SnapshotConfig { format: Format::Json, limit: Some(5), samples: 3, mappings: Some(Pid(7)) };
    assert_eq!(task, Task::Snapshot(expected));
}

/// An option that does nothing would be taken for one that does.
#[test]
fn options_are_only_taken_where_they_act() {
    for line in [
        "oomtop explain -d 2",
        "oomtop explain --filter rss>1g",
        "oomtop explain --config x",
        "oomtop explain --proc /a",
        "oomtop run -p 7 -- true",
        "oomtop run --tree -- true",
        "oomtop snapshot --read-only",
        "oomtop snapshot --theme light",
        "oomtop -d 2 snapshot",
        "oomtop --read-only run -- true",
    ] {
        assert_eq!(parsed(line).expect_err(line).exit_code(), 2, "{line}");
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
        ("oomtop explain -p 7,8 --journal", vec![Pid(7), Pid(8)], KernelLogSource::Journal, false),
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
        ("oomtop -d x", "is not a duration"),
        ("oomtop -d 0", "between 100ms and 1h"),
        ("oomtop -p 0", "not a PID"),
        ("oomtop -p 1,x", "not a PID"),
        ("oomtop snapshot --json --csv", "cannot be used with"),
        ("oomtop snapshot --samples 0", "1"),
        ("oomtop run --memory-max 1k -- true", "the minimum is 1.00M"),
        ("oomtop run --memory-max 0 -- true", "the minimum is 1.00M"),
        ("oomtop run --budget 0 -- true", "the minimum is 1.00M"),
        ("oomtop run --budget 10 -- true", "a bare number is in bytes"),
        ("oomtop run --budget-per-test 10 -- true", "a bare number is in bytes"),
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
        let (terminal, locale) = (Some(terminal.into()), Some(locale.into()));
        let environment = Environment { no_color, terminal, locale, config_home: None };
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

#[test]
#[expect(clippy::disallowed_methods, reason = "a test of what reads a file writes one")]
fn the_command_line_goes_before_the_file_and_the_file_before_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let file = home.join("oomtop/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let environment = Environment {
        locale: Some("C.UTF-8".into()),
        config_home: Some(home),
        no_color: true,
        ..Environment::default()
    };
    let of = |line: &str| parse(line.split(' ').map(OsString::from), &environment).map(|(config, _)| config);
    assert_eq!(of("oomtop").unwrap().interval, Duration::from_secs(1));
    let text = "[screen]\ninterval = 3\nsort = 'swap'\ntree = true\ntheme = 'light'\ncolor = 'always'\nread_only = \
                true\n\
                ascii = true\ncolumns = ['rss', 'command']\n[warning]\nz_score = 5";
    std::fs::write(&file, text).unwrap();
    let config = of("oomtop").unwrap();
    let look = Look { glyphs: Glyphs::Ascii, theme: ThemeName::Light };
    assert_eq!((config.interval, config.sort, config.tree), (Duration::from_secs(3), Column::Swap, true));
    assert_eq!((config.look, config.read_only, config.warning.z_score), (look, true, 5.0));
    assert_eq!(config.columns, [Column::Rss, Column::Command]);
    let config = of("oomtop -d 2 -s pid --tree=false --ascii=false --theme default --read-only=false").unwrap();
    assert_eq!((config.interval, config.sort, config.tree), (Duration::from_secs(2), Column::Pid, false));
    assert_eq!((config.look, config.read_only), (Look::default(), false));
    assert_eq!(of("oomtop --color never").unwrap().look.theme, ThemeName::Mono);
    // The screen of a run is one too; what it shows of itself is its own where the file does not say.
    let config = of("oomtop run -- true").unwrap();
    assert_eq!((config.interval, config.tree, config.look), (Duration::from_secs(3), true, look));
    assert_eq!(config.columns, [Column::Rss, Column::Command]);
    assert_eq!(of("oomtop run -d 2 -- true").unwrap().interval, Duration::from_secs(2));
    let config = of("oomtop run --headless -- true").unwrap();
    assert_eq!(Config { look: Look::default(), ..config }, Config::of_run());
    // What a script reads depends on its command line alone; when it warns does not.
    let config = of("oomtop snapshot").unwrap();
    assert_eq!(config.warning.z_score.to_bits(), 5.0_f64.to_bits());
    assert_eq!(Config { warning: Config::default().warning, look: Look::default(), ..config }, Config::default());

    // A file that was named goes before the one that usually is.
    let other = folder.path().join("other.toml");
    std::fs::write(&other, "[screen]\ninterval = 7").unwrap();
    let named = format!("oomtop --config {}", other.display());
    assert_eq!(of(&named).unwrap().interval, Duration::from_secs(7));
    let named_for_a_run = format!("oomtop run --config {} -- true", other.display());
    assert_eq!(of(&named_for_a_run).unwrap().interval, Duration::from_secs(7));
    std::fs::remove_file(&other).unwrap();
    assert_eq!(of(&named).expect_err("missing").exit_code(), 2);
    std::fs::write(&file, "[screen]\nsrt = 1").unwrap();
    let error = of("oomtop").expect_err("a mistake");
    assert_eq!(error.exit_code(), 2);
    let text = format!("error: {}:2:1: no key \"srt\" in [screen]: did you mean \"sort\"?\n", file.display());
    assert_eq!(error.to_string(), text);
    // What needs no choices is not stopped by it.
    assert!(of("oomtop explain").is_ok() && of("oomtop --print-config").is_ok());
}
