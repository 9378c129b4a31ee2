//! A live Go program that serves its profiles: what the screen shows of it is what `go tool pprof` says of the file that
//! the screen saves, and so is what changed between two of them; and so is what an alarm leaves behind.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oomtop::units::Bytes;

use super::answering::Answering;
use super::pprof::{Functions, by_go, by_oomtop};
use super::session::{PATIENCE, start, until_live, until_row};
use super::terminal::Terminal;
use super::toolchain::{Build, toolchains};

struct Served {
    program: Answering,
    address: String,
}

impl Served {
    fn start(program: &Path) -> Self {
        let mut program = Answering::start(Command::new(program).env_remove("GOGC").env_remove("GODEBUG"));
        let address = program.listen();
        Self { program, address }
    }

    fn leak(&mut self) {
        assert_eq!(self.program.ask("more"), "done");
    }
}

/// Presses what fetches the heap profile until a row is as wanted: a machine under load may let its time run out.
fn fetch(terminal: &mut Terminal, wanted: impl Fn(&str) -> bool) {
    for _ in 0..10 {
        terminal.press("r");
        until_row(terminal, |row| row.contains("Fetch which profile of"));
        terminal.press("\r");
        until_row(terminal, |row| wanted(row) || row.contains("no heap profile of"));
        if terminal.text().iter().any(|row| wanted(row)) {
            return;
        }
        // Before the next, what was said of this one has left the screen.
        let silent = terminal.until(PATIENCE, |screen| {
            screen.rows(0, screen.size().1.get()).all(|row| !row.contains("no heap profile of"))
        });
        assert!(silent.is_ok(), "{silent:?}");
    }
    panic!("{}", terminal.text().join("\n"));
}

/// Saves what is shown; the file that was not there before.
fn save(terminal: &mut Terminal, directory: &Path) -> PathBuf {
    let files = || -> BTreeSet<PathBuf> {
        std::fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("a file").path()).collect()
    };
    let before = files();
    terminal.press("w");
    // The row of the one before may still be there.
    until_row(terminal, |row| row.contains("saved: go tool pprof ") && files().len() > before.len());
    files().difference(&before).next().cloned().expect("a file")
}

/// Every function on the screen has the values that it should have; how many there are.
fn assert_shown(terminal: &Terminal, expected: &Functions, sign: &str) -> usize {
    let written = |value: i64| match value {
        1.. => format!("{sign}{}", Bytes(value.unsigned_abs())),
        0 => "0".to_owned(),
        _ => format!("-{}", Bytes(value.unsigned_abs())),
    };
    let mut shown = 0;
    for row in terminal.text() {
        let words: Vec<&str> = row.trim_start_matches(['▸', ' ']).split_whitespace().collect();
        let [flat, _, cumulative, _, name, ..] = words[..] else { continue };
        if let Some((flat_should, cumulative_should)) = expected.get(name) {
            assert_eq!((flat, cumulative), (&*written(*flat_should), &*written(*cumulative_should)), "{name}: {row}");
            shown += 1;
        }
    }
    shown
}

#[test]
fn what_the_screen_shows_and_saves_is_what_go_tool_pprof_says() {
    for toolchain in toolchains() {
        let mut served = Served::start(&toolchain.build_package("./served", Build::Plain));
        let directory = tempfile::tempdir().expect("a directory");
        let saved = directory.path().join("saved");
        std::fs::create_dir(&saved).expect("a directory");
        let config = directory.path().join("config.toml");
        std::fs::write(&config, format!("[profile]\ndirectory = {saved:?}\n")).expect("written");
        let (pid, config) = (served.program.pid().to_string(), config.display().to_string());
        let mut terminal = start(&["-p", &pid, "--config", &config], 140, 40);
        until_live(&mut terminal);
        terminal.press("9");
        let offer = format!("It listens on {}: r requests", served.address);
        until_row(&mut terminal, |row| row.contains(&offer));

        fetch(&mut terminal, |row| row.contains("main.leakFast") && row.contains(" 12.0M "));
        let first = save(&mut terminal, &saved);
        assert_eq!(std::fs::metadata(&first).expect("it is there").permissions().mode() & 0o7777, 0o600);
        let whole = by_go(&toolchain, &first, None, "inuse_space");
        // With the list itself, wherever that was made longer.
        assert_eq!(whole["main.leakFast"].0 >> 20, 12);
        assert_eq!(by_oomtop(&first, None, "inuse_space").0, whole);
        let shown = assert_shown(&terminal, &whole, "");
        assert!(shown >= 4, "{shown} of {whole:?}\n{}", terminal.text().join("\n"));

        served.leak();
        fetch(&mut terminal, |row| row.contains(" 2 of 2"));
        terminal.press("b");
        until_row(&mut terminal, |row| row.contains("changes of"));
        until_row(&mut terminal, |row| row.contains("main.leakSlowly") && row.contains("+4.00M"));
        let second = save(&mut terminal, &saved);
        let growth = by_go(&toolchain, &second, Some(&first), "inuse_space");
        assert_eq!((growth["main.leakSlowly"].0 + 4096) >> 20, 4);
        let shown = assert_shown(&terminal, &growth, "+");
        assert!(shown >= 4, "{shown} of {growth:?}\n{}", terminal.text().join("\n"));

        // The flame graph of what grew: who leaks is below who called it.
        terminal.press("t");
        until_row(&mut terminal, |row| row.contains("main.work +16.0M"));
        until_row(&mut terminal, |row| row.contains("main.leakFast +12.0M") && row.contains("main.leakSlowly"));
        terminal.press("q");
        assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
        println!("{:?}: {} functions, {} changed", toolchain.version, whole.len(), growth.len());
    }
}

#[test]
fn an_alarm_leaves_a_profile_that_go_tool_pprof_reads() {
    let Some(toolchain) = toolchains().pop() else { return };
    let mut served = Served::start(&toolchain.build_package("./served", Build::Plain));
    let directory = tempfile::tempdir().expect("a directory");
    let saved = directory.path().join("saved");
    std::fs::create_dir(&saved).expect("a directory");
    let config = directory.path().join("config.toml");
    let wishes = "[warning]\nwindow = \"1m\"\nleak_fit = 0.5\n\n[alarm]\nkinds = [\"leak\"]\nheap_profile = true\n";
    std::fs::write(&config, format!("{wishes}\n[profile]\ndirectory = {saved:?}\n")).expect("written");
    let (pid, config) = (served.program.pid().to_string(), config.display().to_string());
    let mut terminal = start(&["-p", &pid, "--config", &config], 200, 40);
    until_live(&mut terminal);
    terminal.press("2\r");

    // A mebibyte at a time, over the shortest window that may be set and what a slow machine needs beside it.
    let named = (0..600).any(|_| {
        assert_eq!(served.program.ask("little"), "done");
        let named = terminal.until(Duration::from_millis(500), |screen| {
            let (_, columns) = screen.size();
            screen.rows(0, columns.get()).any(|row| row.contains("heap profile: 9, ") && row.contains("(leak)"))
        });
        named.is_ok()
    });
    let screen = terminal.text().join("\n");
    assert!(named, "{screen}");
    let files: Vec<_> =
        std::fs::read_dir(&saved).expect("it is there").map(|file| file.expect("a file").path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert!(screen.contains(&file.display().to_string()), "{} in\n{screen}", file.display());
    let told = by_go(&toolchain, file, None, "inuse_space");
    assert!(told["main.leakFast"].0 >> 20 == 12 && told.contains_key("main.leakTouched"), "{told:?}");
    assert_eq!(by_oomtop(file, None, "inuse_space").0, told);
    println!("{}: main.leakTouched holds {}", file.display(), Bytes(told["main.leakTouched"].0.unsigned_abs()));
    terminal.press("9");
    until_row(&mut terminal, |row| row.contains("main.leakFast") && row.contains("12.0M"));
    terminal.press("q");
    assert!(terminal.ended(PATIENCE).is_some_and(|status| status.success()));
}
