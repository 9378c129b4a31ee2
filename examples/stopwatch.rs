//! Times oomtop from outside, as the person before it sees it. Prints one line of JSON. `benches/compare.sh` calls it.
//!
//! - `stopwatch first PROGRAM`: from the start to the first characters on the screen, and to the first complete frame:
//!   every process counted, the table full, every row with user, size and command, biggest first.
//! - `stopwatch keys PROGRAM`: from a key to the frame that shows it, while the selection goes to and fro between the
//!   two biggest processes, so that what they hold is read all the time.
//! - `stopwatch growth PROGRAM`: from the first byte that a process takes, which stood still among all others, to the
//!   frame that shows it. With `-s growth` it is not on the screen before.

#![allow(clippy::disallowed_methods, reason = "drives another program, in real time")]

#[path = "../tests/terminal/mod.rs"]
mod terminal;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use terminal::Terminal;
use vt100::Screen;

const COLUMNS: u16 = 160;
const ROWS: u16 = 50;
const PATIENCE: Duration = Duration::from_secs(30);
const STARTS: usize = 9;
const PRESSES: usize = 400;
/// How the process is called that starts to grow.
const GROWER: &str = "swells";
const GROWERS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("first"), Some(program)) => first(&program, &arguments.collect::<Vec<_>>()),
        (Some("keys"), Some(program)) => keys(&program, &arguments.collect::<Vec<_>>()),
        (Some("growth"), Some(program)) => growth(&program, &arguments.collect::<Vec<_>>()),
        (Some(GROWER), None) => grow(),
        _ => {
            eprintln!("usage: stopwatch first|keys|growth PROGRAM [ARGUMENT ...]");
            std::process::exit(2);
        }
    }
}

fn start(program: &str, arguments: &[String]) -> Terminal {
    let mut command = Command::new(program);
    command.args(arguments);
    Terminal::start(command, COLUMNS, ROWS)
}

fn first(program: &str, arguments: &[String]) {
    let (mut painted, mut completed) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        // Counted just before, with a margin for what comes and goes meanwhile.
        let present = processes() * 99 / 100;
        let mut terminal = start(program, arguments);
        let at = |when: Instant, terminal: &Terminal| milliseconds(when.duration_since(terminal.started()));
        let paint = seen(terminal.until(PATIENCE, |screen| !screen.contents().trim().is_empty()));
        painted.push(at(paint, &terminal));
        let complete = seen(terminal.until(PATIENCE, |screen| is_complete(screen, present)));
        completed.push(at(complete, &terminal));
        terminal.press("q");
        let _ = terminal.ended(Duration::from_secs(5));
    }
    println!(
        "{{\"processes\": {}, \"first_paint_ms\": {:.1}, \"complete_frame_ms\": {:.1}, \"starts\": {STARTS}}}",
        processes(),
        quantile(&mut painted, 0.5),
        quantile(&mut completed, 0.5)
    );
}

fn keys(program: &str, arguments: &[String]) {
    let mut terminal = start(program, arguments);
    seen(terminal.until(PATIENCE, |screen| is_complete(screen, 1)));
    terminal.watch(Duration::from_secs(5));
    let home = table(terminal.screen()).first().map_or(0, |row| row.line);
    terminal.press("\u{1b}[H");
    seen(terminal.until(PATIENCE, |screen| selected(screen) == Some(home)));
    let mut delays = Vec::new();
    for press in 0..PRESSES {
        let (key, target) = if press % 2 == 0 { ("\u{1b}[B", home + 1) } else { ("\u{1b}[A", home) };
        let begin = Instant::now();
        terminal.press(key);
        let shown = seen(terminal.until(PATIENCE, |screen| selected(screen) == Some(target)));
        delays.push(milliseconds(shown.duration_since(begin)));
        // Gaps that share no factor with the interval, so that keys fall into every phase of it.
        terminal.watch(Duration::from_millis(17 + 41 * (press as u64 % 7)));
    }
    let slowest = delays.iter().copied().fold(0.0, f64::max);
    println!(
        "{{\"keys\": {PRESSES}, \"median_ms\": {:.1}, \"p99_ms\": {:.1}, \"slowest_ms\": {slowest:.1}}}",
        quantile(&mut delays, 0.5),
        quantile(&mut delays, 0.99)
    );
}

fn growth(program: &str, arguments: &[String]) {
    let mut terminal = start(program, arguments);
    seen(terminal.until(PATIENCE, |screen| is_complete(screen, 1)));
    let shown = |screen: &Screen| screen.rows(0, COLUMNS).any(|row| row.contains(GROWER));
    let mut delays = Vec::new();
    for grower in 0..GROWERS {
        let me = std::env::current_exe().expect("we run");
        let mut child = Command::new(me).arg(GROWER).stdin(Stdio::piped()).spawn().expect("we start");
        // Until it is known and at rest; what grew before it leaves the screen, and the moments fall into every phase.
        terminal.watch(Duration::from_millis(13_000 + 230 * grower as u64));
        assert!(!shown(terminal.screen()), "who stands still is not on the screen: sort by growth");
        let begin = Instant::now();
        child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it listens");
        delays.push(milliseconds(seen(terminal.until(PATIENCE, shown)).duration_since(begin)));
        drop(child.stdin.take());
        child.wait().expect("ours");
        seen(terminal.until(PATIENCE, |screen| !shown(screen)));
    }
    let slowest = delays.iter().copied().fold(0.0, f64::max);
    println!(
        "{{\"growers\": {GROWERS}, \"median_ms\": {:.0}, \"slowest_ms\": {slowest:.0}}}",
        quantile(&mut delays, 0.5)
    );
}

/// Takes 4 MiB ten times a second from the first line of input on, until the input ends.
fn grow() {
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    std::thread::spawn(|| {
        let mut held: Vec<Vec<u8>> = Vec::new();
        while held.len() < 64 {
            held.push(std::hint::black_box(vec![1; 4 << 20]));
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::park();
    });
    let _ = std::io::stdin().read_line(&mut line);
}

/// One row of the process table, as it stands on the screen.
struct Row {
    line: usize,
    user: String,
    rss: Option<f64>,
    command: String,
}

/// The rows of the process table: below the line of titles, down to the next pane's rule.
fn table(screen: &Screen) -> Vec<Row> {
    let lines: Vec<Vec<char>> = screen.rows(0, COLUMNS).map(|line| line.chars().collect()).collect();
    let Some(titles) = lines.iter().position(|line| column(line, "PID").is_some() && column(line, "COMMAND").is_some())
    else {
        return Vec::new();
    };
    let place = |title| column(&lines[titles], title).unwrap_or(0);
    let (user, rss, command) = (place("USER"), place("RSS"), place("COMMAND"));
    let text = |line: &[char], from: usize, to: usize| {
        line.iter().skip(from).take(to.saturating_sub(from)).collect::<String>().trim().to_owned()
    };
    let rows = lines.iter().enumerate().skip(titles + 1).take_while(|(_, line)| !is_rule(line));
    rows.map(|(index, line)| Row {
        line: index,
        user: text(line, user, user + 8),
        rss: size(&text(line, rss.saturating_sub(3), rss + 3)),
        command: text(line, command, command + 8),
    })
    .collect()
}

fn is_complete(screen: &Screen, processes: usize) -> bool {
    let counted = screen.contents().split(" processes").next().and_then(last_number).is_some_and(|n| n >= processes);
    let rows = table(screen);
    let filled = |row: &Row| !row.user.is_empty() && row.rss.is_some() && !row.command.is_empty();
    let needed = processes.min(20);
    let full = rows.len() >= needed && rows.iter().take(processes).all(filled);
    // The screen rounds to three digits; equal to those, two may stand in either order.
    let ordered = rows.windows(2).all(|pair| match (pair[0].rss, pair[1].rss) {
        (Some(above), Some(below)) => above * 1.01 >= below,
        _ => true,
    });
    counted && full && ordered
}

/// The line with the mark of the selected row.
fn selected(screen: &Screen) -> Option<usize> {
    table(screen).iter().map(|row| row.line).find(|&line| {
        let mark = screen.cell(line as u16, 0).map(vt100::Cell::contents);
        matches!(mark, Some(">" | "▸"))
    })
}

fn column(line: &[char], title: &str) -> Option<usize> {
    let title: Vec<char> = title.chars().collect();
    line.windows(title.len()).position(|window| window == title)
}

fn is_rule(line: &[char]) -> bool {
    matches!(line.first(), Some('-' | '─' | '┌' | '├' | '╭'))
}

/// `475M` as bytes.
fn size(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let unit = match text.chars().last()? {
        'K' => 1024.0,
        'M' => 1024.0 * 1024.0,
        'G' => 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

fn last_number(text: &str) -> Option<usize> {
    text.split_whitespace().next_back()?.replace(',', "").parse().ok()
}

fn processes() -> usize {
    let entries = std::fs::read_dir("/proc").expect("procfs");
    entries.flatten().filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).count()
}

fn seen(answer: Result<Instant, String>) -> Instant {
    answer.unwrap_or_else(|screen| {
        eprintln!("{screen}");
        std::process::exit(1)
    })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The value below which this share of the values lies.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
