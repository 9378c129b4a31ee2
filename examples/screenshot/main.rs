//! Takes the pictures in `screenshots/`: runs the real program in a scene of its own, types keys, and writes what the
//! terminal shows as SVG. `screenshots/make.sh` builds everything and calls it. Never draws what the program did not.
//!
//! `screenshot SCENE DIRECTORY COMMAND [ARGUMENT ...]`

#![allow(clippy::disallowed_methods, reason = "drives another program")]

#[path = "../../tests/terminal/mod.rs"]
mod terminal;

mod svg;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use terminal::Terminal;

/// What a command shows: what must be on its screen before anything is typed, what to type then, how much must have happened
/// before a picture says anything, and the pictures.
struct Scene {
    name: &'static str,
    begins: &'static str,
    keys: &'static str,
    history: Duration,
    shots: &'static [Shot],
}

const SCENES: &[Scene] = &[
    Scene {
        name: "machine",
        begins: "a.test",
        keys: "/a.test\r",
        history: Duration::from_secs(75),
        shots: OF_A_MACHINE,
    },
    Scene { name: "run", begins: "KILLED BY THE OOM KILLER", keys: "", history: Duration::ZERO, shots: OF_A_RUN },
];

/// One picture: its file, its size, what must be on the screen before, what to type for it, and what to type after it to
/// be back where it began.
struct Shot {
    name: &'static str,
    after: &'static str,
    columns: u16,
    rows: u16,
    keys: &'static str,
    back: &'static str,
}

const OF_A_MACHINE: &[Shot] = &[
    Shot { name: "overview-120x30", after: "", columns: 120, rows: 30, keys: "", back: "" },
    Shot { name: "overview-200x60", after: "", columns: 200, rows: 60, keys: "", back: "" },
    Shot { name: "overview-80x24", after: "", columns: 80, rows: 24, keys: "", back: "" },
    Shot { name: "tree-120x30", after: "", columns: 120, rows: 30, keys: "t", back: "t" },
    Shot {
        name: "editor-120x30",
        after: "",
        columns: 120,
        rows: 30,
        keys: "o\u{1b}[6~\u{1b}[6~\u{1b}[6~\u{1b}[6~",
        back: "\u{1b}",
    },
    Shot { name: "help-120x30", after: "", columns: 120, rows: 30, keys: "?", back: "\u{1b}" },
    Shot { name: "kill-120x30", after: "OOM kills !", columns: 120, rows: 30, keys: "5\r", back: "" },
];

const OF_A_RUN: &[Shot] = &[Shot { name: "run-120x44", after: "", columns: 120, rows: 44, keys: "", back: "" }];

/// How long a scene may take to begin.
const BEGINS: Duration = Duration::from_secs(120);

/// By then what grows in the scene has met its limit.
const KILLED: Duration = Duration::from_secs(120);

/// Frames after a key: the next one shows it, the details of a newly selected process come with the one after.
const SETTLE: Duration = Duration::from_millis(2500);

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let scene = arguments.next().and_then(|name| SCENES.iter().find(|scene| name == scene.name));
    let (Some(scene), Some(directory), Some(program)) = (scene, arguments.next(), arguments.next()) else {
        eprintln!("usage: screenshot machine|run DIRECTORY COMMAND [ARGUMENT ...]");
        std::process::exit(2);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let mut terminal = Terminal::start(command, 120, 30);
    if let Err(screen) = terminal.until(BEGINS, |screen| screen.contents().contains(scene.begins)) {
        eprintln!("the scene does not show: {screen}");
        std::process::exit(1);
    }
    terminal.press(scene.keys);
    terminal.watch(scene.history);
    for shot in scene.shots {
        if (shot.columns, shot.rows) != terminal.size() {
            terminal.resize(shot.columns, shot.rows);
            terminal.watch(SETTLE);
        }
        if let Err(screen) = terminal.until(KILLED, |screen| screen.contents().contains(shot.after)) {
            eprintln!("{:?} does not show: {screen}", shot.after);
            std::process::exit(1);
        }
        terminal.press(shot.keys);
        terminal.watch(SETTLE);
        let path = Path::new(&directory).join(shot.name).with_extension("svg");
        let title = format!("oomtop at {}x{}", shot.columns, shot.rows);
        if let Err(error) = std::fs::write(&path, svg::draw(terminal.screen(), &title)) {
            eprintln!("{}: {error}", path.display());
            std::process::exit(1);
        }
        println!("{}", path.display());
        terminal.press(shot.back);
        // Else an escape and the next key would be one.
        terminal.watch(SETTLE);
    }
    terminal.press("q");
    let _ = terminal.ended(Duration::from_secs(3));
}
