//! The stories of a kernel log as text for people. On a terminal lines are broken at its width; in pipes and mails they are
//! as long as they are. Refuses colours.

use std::fmt::{self, Display, Write};

use crate::oom_log::Domain;
use crate::post_mortem::{Score, Story, words};
use crate::text::{hanging, printable};
use crate::units::{Bytes, Pages};

/// Candidates that are listed of one dump.
const LISTED: usize = 8;

/// Writes one story: what happened, why this one, who else was there.
///
/// # Errors
/// What `out` answers.
pub fn write_story(out: &mut impl Write, story: &Story, width: Option<usize>) -> fmt::Result {
    let episode = &story.episode;
    match words::when(&episode.began) {
        Some(when) => write!(out, "{when}")?,
        None => write!(out, "(no time)")?,
    }
    if let Some(machine) = &episode.machine {
        write!(out, " on {}", printable(machine.as_bytes()))?;
    }
    writeln!(out)?;
    write_sentence(out, "  ", &words::headline(story), width)?;
    let mut line = |label: &str, text: &str| write_sentence(out, &format!("    {label:<9} "), text, width);
    line("why", &words::why(story))?;
    if let Some(asked) = words::who_asked(story) {
        line("asked", &asked)?;
    }
    if let Some(first) = episode.victims.first() {
        if let Some(held) = words::held(first) {
            line("it held", &held)?;
        }
        if let Some(freed) = words::freed(first) {
            line("freed", &freed)?;
        }
    }
    if let Some(score) = episode.chosen.and_then(|chosen| chosen.score).filter(|_| !episode.allocating_task) {
        // Beyond 1000 too: oom_score_adj comes on top of what is held.
        line(
            "score",
            &format!("{score} by the kernel's own count (thousandths of the memory that ran out, and oom_score_adj)"),
        )?;
    }
    if let Some(usage) = words::usage(story) {
        line("memory", &usage)?;
    }
    if let Some(Domain::Cgroup(Some(path))) = &episode.domain {
        line("cgroup", &printable(path))?;
    }
    if let Some(of) = episode.victim_cgroup.as_ref().filter(|of| is_other(of, episode.domain.as_ref())) {
        line("victim in", &printable(of))?;
    }
    if let Some(group) = &episode.kill_group {
        line("as a unit", &format!("all of {} (memory.oom.group)", printable(group)))?;
    }
    for other in episode.victims.iter().skip(1).take(LISTED) {
        let held = words::held(other).map(|held| format!(": {held}")).unwrap_or_default();
        line("also died", &format!("{}{held}", words::victim_name(other)))?;
    }
    if episode.victims.len() > LISTED + 1 {
        line("", &format!("and {} more", episode.victims.len() - LISTED - 1))?;
    }
    if episode.repeats > 0 {
        let times = if episode.repeats == 1 { "once more".into() } else { format!("{} times more", episode.repeats) };
        let until = words::when(&episode.ended).map(|until| format!(", until {until}")).unwrap_or_default();
        line("again", &format!("{times}{until}"))?;
    }
    write_candidates(out, story)
}

/// Writes a text behind `lead`, in lines of `width` columns where there is one.
///
/// # Errors
/// What `out` answers.
pub fn write_sentence(out: &mut impl Write, lead: &str, text: &str, width: Option<usize>) -> fmt::Result {
    match width {
        // Into a file with thousands of stories: at once.
        None => writeln!(out, "{lead}{text}"),
        width => out.write_str(&hanging(lead, text, width)),
    }
}

fn is_other(path: &[u8], domain: Option<&Domain>) -> bool {
    path != b"/" && !matches!(domain, Some(Domain::Cgroup(Some(limit))) if **limit == *path)
}

fn write_candidates(out: &mut impl Write, story: &Story) -> fmt::Result {
    if story.ranking.len() < 2 {
        return writeln!(out);
    }
    writeln!(out, "      {:>8} {:>7} {:>7} {:>7} {:>5} {:>8}  NAME", "BADNESS", "RSS", "SWAP", "TABLES", "ADJ", "PID")?;
    let own = words::own_place(story);
    let shown = story.ranking.iter().enumerate().filter(|(place, _)| *place < LISTED || Some(*place) == own);
    for (place, ranked) in shown {
        let row = &story.episode.tasks.rows[ranked.row];
        let size = |pages: Option<Pages>| OrDash(pages.map(|pages| pages.bytes(story.scale.page_size)));
        writeln!(
            out,
            "    {} {:>8} {:>7} {:>7} {:>7} {:>5} {:>8}  {}",
            if Some(place) == own { ">" } else { " " },
            badness(&ranked.score, story.scale.page_size),
            size(Some(row.rss)),
            size(row.swap),
            size(ranked.score.page_tables),
            OrDash(row.oom_score_adj),
            row.tgid,
            printable(row.name.as_bytes()),
        )?;
    }
    let rest = story.ranking.len().saturating_sub(LISTED + usize::from(own.is_some_and(|place| place >= LISTED)));
    if rest > 0 {
        writeln!(out, "      and {rest} more with less")?;
    }
    writeln!(out)
}

/// What is not known is a dash.
struct OrDash<T>(Option<T>);

impl<T: Display> Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(known) => known.fmt(f),
            None => f.pad("-"),
        }
    }
}

fn badness(score: &Score, page_size: Bytes) -> String {
    match (score.is_never_taken, score.points) {
        (true, _) => "never".into(),
        (false, None) => "-".into(),
        (false, Some(points)) => {
            let size = Pages(points.unsigned_abs()).bytes(page_size);
            if points < 0 { format!("-{size}") } else { size.to_string() }
        }
    }
}
