//! What a person does who asks why somebody was killed: waits, looks through the list of kills, opens a story.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "waits for another program, in real time")]

use std::time::{Duration, Instant};

use crate::terminal::Terminal;

/// After so long the list is looked at again, whatever a key has done.
const A_LOOK: Duration = Duration::from_secs(2);

/// Waits until the screen is as wanted, and no longer than until then; gives when it was.
pub fn shows_until(
    terminal: &mut Terminal,
    end: Instant,
    what: &str,
    wanted: impl Fn(&vt100::Screen) -> bool,
) -> Instant {
    let seen = terminal.until(end.saturating_duration_since(Instant::now()), wanted);
    seen.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Whether all of these words stand in one row of the screen.
pub fn has_row(screen: &vt100::Screen, words: &[&str]) -> bool {
    screen.rows(0, 120).any(|row| words.iter().all(|word| row.contains(word)))
}

/// From the list of kills, where those of others on this machine stand as well, to the story of this one.
pub fn open_story(terminal: &mut Terminal, end: Instant, victim: &str) {
    // The lines of the cursor and of the victim.
    let places = |screen: &vt100::Screen| {
        let rows: Vec<String> = screen.rows(0, 120).collect();
        let heading = rows.iter().position(|row| row.contains(" KILLED ") && row.contains(" SURE"))?;
        let line = |wanted: &dyn Fn(&str) -> bool| rows.iter().skip(heading + 1).position(|row| wanted(row));
        let cursor = line(&|row| row.starts_with('\u{25b8}'))?;
        Some((cursor, line(&|row| row.contains(victim) && row.contains("killed "))))
    };
    let is_story = |screen: &vt100::Screen| has_row(screen, &["Killed ", " ago: "]);
    loop {
        assert!(Instant::now() < end, "no line of {victim}:\n{}", terminal.screen().contents());
        shows_until(terminal, end, "the list of kills", |screen| places(screen).is_some());
        let before = places(terminal.screen());
        match before {
            Some((cursor, Some(line))) if cursor == line => {
                terminal.press("\r");
                shows_until(terminal, end, "a story", is_story);
                if has_row(terminal.screen(), &["Killed ", &format!("ago: {victim},")]) {
                    return;
                }
                // Another kill has just taken its place.
                terminal.press("\x1b");
            }
            _ => {
                let is_above = before.is_some_and(|(cursor, line)| line.is_some_and(|line| line < cursor));
                terminal.press(if is_above { "\x1b[A" } else { "\x1b[B" });
                // Nothing moves below the last line, where the victim's is yet to come, nor by a key that met a list that
                // was just moving.
                let _ = terminal.until(A_LOOK, |screen| places(screen) != before);
            }
        }
    }
}
