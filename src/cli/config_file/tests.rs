//! The file as people write it, and as nobody should. Refuses to read the files of who runs it.

use proptest::prelude::*;

use super::*;

/// The default file with every key put into force, and nothing else.
fn uncommented() -> String {
    let is_key =
        |line: &&str| line.starts_with('[') || line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    let lines: Vec<_> = DEFAULT.lines().filter(is_key).map(|line| line.trim_start_matches('#')).collect();
    lines.join("\n")
}

fn mistake(text: &str) -> String {
    let (at, what) = take(text).expect_err(text);
    let (line, column) = place(text, at);
    format!("{line}:{column}: {what}")
}

#[test]
fn the_default_file_says_what_holds_without_it() {
    use crate::config::Config;
    let (wishes, default) = (take(&uncommented()).expect("taken"), Config::default());
    let expected = Wishes {
        screen: ScreenWishes {
            interval: Some(default.interval),
            columns: Some(default.columns),
            sort: Some(default.sort),
            tree: Some(default.tree),
            theme: Some(default.look.theme),
            color: Some(When::Auto),
            ascii: Some(false),
            mouse: Some(default.mouse),
            read_only: Some(default.read_only),
            protect: Some(default.protect),
            smaps_share: Some(default.smaps_share),
            alarm: default.alarm,
            profile_directory: Some(default.profile_directory),
        },
        warning: default.warning,
    };
    assert_eq!(wishes, expected);
    // As it stands it says nothing.
    assert_eq!(take(DEFAULT), Ok(Wishes::default()));
}

#[test]
fn the_default_file_has_every_key_in_its_section_and_order() {
    let mut expected = Vec::new();
    for (section, keys) in SECTIONS {
        expected.push(format!("[{section}]"));
        expected.extend(keys.iter().map(|key| key.name.to_owned()));
    }
    let there: Vec<_> =
        uncommented().lines().map(|line| line.split_once(" = ").map_or(line, |(name, _)| name).to_owned()).collect();
    assert_eq!(there, expected);
}

#[test]
fn every_key_changes_something() {
    let others = [
        ("interval", "\"250ms\""),
        ("columns", "[\"rss\", \"command\"]"),
        ("sort", "\"swap\""),
        ("tree", "true"),
        ("theme", "\"light\""),
        ("color", "\"never\""),
        ("ascii", "true"),
        ("mouse", "true"),
        ("read_only", "true"),
        ("protect", "false"),
        ("smaps_share", "20"),
        ("levels", "[50, 60.5, 99]"),
        ("window", "\"6m\""),
        ("z_score", "5"),
        ("leak_rate", "\"1M\""),
        ("leak_size", "4194304"),
        ("leak_fit", "0.8"),
        ("imminent", "90"),
        ("kinds", "[\"elevated\"]"),
        ("bell", "true"),
        ("hook", "[\"tell\", \"me\"]"),
        ("hook_every", "60"),
        ("hook_timeout", "60"),
        ("heap_profile", "true"),
        ("directory", "\"/var/tmp\""),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (section, keys) in SECTIONS {
        for key in *keys {
            let (_, value) = others.iter().find(|(name, _)| *name == key.name).expect(key.name);
            let wishes = take(&format!("[{section}]\n{} = {value}", key.name)).expect(key.name);
            assert_ne!(wishes, Wishes::default(), "{}", key.name);
            assert!(seen.insert(format!("{wishes:?}")), "{} does what another key does", key.name);
        }
    }
    let wishes =
        take("[screen]\ninterval = 0.5\n[warning]\nwindow = \"3m\"\nlevels = [1, 2, 3]\nleak_rate = \"2K\"").unwrap();
    assert_eq!(wishes.screen.interval, Some(Duration::from_millis(500)));
    assert_eq!((wishes.warning.step(), wishes.warning.levels), (Duration::from_secs(10), [0.01, 0.02, 0.03]));
    assert_eq!(wishes.warning.leak_slope, Rate::new(2048.0).unwrap());
}

#[test]
fn what_is_wrong_is_told_where_it_is_with_what_was_meant() {
    for (text, expected) in [
        ("[screen]\ncolums = []", "2:1: no key \"colums\" in [screen]: did you mean \"columns\"?"),
        (
            "[screen]\n  wibble = 1",
            "2:3: no key \"wibble\" in [screen]; keys: interval columns sort tree theme color ascii mouse read_only protect \
             smaps_share",
        ),
        ("[screeen]\n", "1:2: no section [screeen]: did you mean [screen]?"),
        ("\n[wibble]", "2:2: no section or key \"wibble\"; sections: [screen] [warning] [alarm] [profile]"),
        ("sort = \"rss\"", "1:1: sort belongs under [screen]"),
        ("[warning]\ntree = true", "2:1: tree belongs under [screen]"),
        ("screen = 1", "1:1: [screen] is a section"),
        ("[screen]\ntree = 1", "2:8: tree: expected true or false, found integer"),
        (
            "[screen]\ntheme = \"blue\"",
            "2:9: theme: unknown value \"blue\"; expected one of \"default\", \"light\", \"mono\"",
        ),
        ("[screen]\nsort = \"rs\"", "2:8: sort: no column \"rs\": did you mean \"rss\"?"),
        ("[screen]\ncolumns = [\"pid\", \"pid\"]", "2:11: columns: \"pid\" is listed twice"),
        ("[screen]\ncolumns = []", "2:11: columns: expected at least one column"),
        ("[screen]\ninterval = 0", "2:12: interval: must be between 100ms and 1h"),
        ("[screen]\ninterval = true", "2:12: interval: expected a time like 2 or \"500ms\", found boolean"),
        ("[warning]\nlevels = [70, 60, 95]", "2:10: levels: expected three rising levels, like [70, 85, 95]"),
        ("[warning]\nlevels = [0, 85, 95]", "2:10: levels: expected a number from 1 to 100, found 0"),
        ("[warning]\nz_score = nan", "2:11: z_score: expected a number from 1 to 100, found NaN"),
        ("[warning]\nz_score = \"4\"", "2:11: z_score: expected a number from 1 to 100, found string"),
        ("[warning]\nleak_size = 0", "2:13: leak_size: must be more than 0"),
        ("[warning]\n# ä\nwindow = 1979-05-27", "3:10: window: expected a time like 2 or \"500ms\", found datetime"),
        (
            "[alarm]\nkinds = [\"kill\"]",
            "2:9: kinds: unknown value \"kill\"; expected one of leak growing imminent elevated \
             high critical",
        ),
        ("[alarm]\nkinds = [\"leak\", \"leak\"]", "2:9: kinds: \"leak\" is listed twice"),
        (
            "[alarm]\nhook = \"tell\"",
            "2:8: hook: expected a list like [\"/usr/local/bin/tell\", \"--urgent\"], found string",
        ),
        ("[alarm]\nhook = [\"\"]", "2:8: hook: the program's name is empty"),
        ("[alarm]\nhook = [\"a\\u0000\"]", "2:8: hook: must not contain NUL"),
        // The first mistake, not that of the first name.
        (
            "[warning]\nzz = 1\n[screen]\naa = 1",
            "2:1: no key \"zz\" in [warning]; keys: levels window z_score leak_rate leak_size leak_fit imminent",
        ),
    ] {
        assert_eq!(mistake(text), expected, "{text}");
    }
    // What is no TOML is told by the parser.
    for (text, at) in
        [("[screen]\ntree = maybe", "2:8: "), ("[screen\n", "1:8: "), ("[screen]\ntree = true\ntree = true", "3:1: ")]
    {
        assert!(mistake(text).starts_with(at), "{}", mistake(text));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test of what reads a file writes files")]
fn a_file_that_is_none_is_told_and_one_that_is_missing_only_where_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let told = |must_be_there| read(&path, must_be_there).map_err(|mistake| mistake.to_string());
    let start = path.display();
    assert_eq!(told(false), Ok(Wishes::default()));
    assert!(told(true).is_err_and(|error| error.contains("cannot be read: No such file")));
    std::fs::write(&path, b"[screen]\nsort = \"\xff\"").unwrap();
    assert_eq!(told(false), Err(format!("{start}:2:9: not UTF-8")));
    std::fs::write(&path, "#".repeat(64 * 1024 + 1)).unwrap();
    assert!(told(true).is_err_and(|error| error.contains("longer than 64.0K")));
    std::fs::write(&path, "#".repeat(64 * 1024)).unwrap();
    assert_eq!(told(true), Ok(Wishes::default()));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(told(false).is_err_and(|error| error.contains("not a regular file")));
    assert!(told(true).is_err_and(|error| error.contains("directory")));
    // Below what is no directory, as below one that we may not search, there is none.
    let below = Path::new("/dev/null/config.toml");
    assert_eq!(read(below, false).map_err(|mistake| mistake.to_string()), Ok(Wishes::default()));
    assert!(read(below, true).is_err());
}

proptest! {
    #[test]
    fn any_text_is_taken_or_told_within_its_bounds(
        text in prop_oneof![".{0,200}", "(\\[(screen|warning|alarm)\\]\n)?([a-z_]{1,9} = [-\\[\\]\"0-9a-z{}.,]{0,12}\n){0,5}"]
    ) {
        if let Err((at, what)) = take(&text) {
            let (line, column) = place(&text, at);
            prop_assert!(at <= text.len() && line <= text.matches('\n').count() + 1, "{line}:{column} {what}");
            prop_assert!(!what.is_empty());
        }
    }
}
