//! The stories of a kernel log as text for people. On a terminal lines are broken at its width; in pipes and mails they are
//! as long as they are. Refuses colours.

use std::fmt::Write as _;

use crate::oom_log::Domain;
use crate::post_mortem::{Score, Story, words};
use crate::text::{hanging, printable};
use crate::units::{Bytes, Pages, Pid};

/// Candidates that are listed of one dump.
const LISTED: usize = 8;
/// Columns of a label and of what stands ahead of it.
const LABELLED: usize = 14;
/// Columns of a score.
const BADNESS: usize = 8;

/// Writes one story: what happened, why this one, who else was there.
pub fn write_story(out: &mut String, story: &Story, width: Option<usize>) {
    let episode = &story.episode;
    out.push_str(words::when(&episode.began).as_deref().unwrap_or("(no time)"));
    if let Some(machine) = &episode.machine {
        out.push_str(" on ");
        out.push_str(&printable(machine.as_bytes()));
    }
    out.push('\n');
    write_sentence(out, "  ", &words::headline(story), width);
    let mut line = |label: &str, text: &str| {
        let lead = &mut String::with_capacity(LABELLED);
        lead.push_str("    ");
        push_left(lead, label, LABELLED - 5);
        lead.push(' ');
        write_sentence(out, lead, text, width);
    };
    line("why", &words::why(story));
    if let Some(asked) = words::who_asked(story) {
        line("asked", &asked);
    }
    if let Some(first) = episode.victims.first() {
        if let Some(held) = words::held(first) {
            line("it held", &held);
        }
        if let Some(freed) = words::freed(first) {
            line("freed", &freed);
        }
    }
    if let Some(score) = episode.chosen.and_then(|chosen| chosen.score).filter(|_| !episode.allocating_task) {
        // Beyond 1000 too: oom_score_adj comes on top of what is held.
        line(
            "score",
            &format!("{score} by the kernel's own count (thousandths of the memory that ran out, plus oom_score_adj)"),
        );
    }
    if let Some(usage) = words::usage(story) {
        line("memory", &usage);
    }
    if let Some(Domain::Cgroup(Some(path))) = &episode.domain {
        line("cgroup", &printable(path));
    }
    if let Some(of) = episode.victim_cgroup.as_ref().filter(|of| is_other(of, episode.domain.as_ref())) {
        line("victim in", &printable(of));
    }
    if let Some(group) = &episode.kill_group {
        line("as a unit", &format!("all of {} (memory.oom.group)", printable(group)));
    }
    for other in episode.victims.iter().skip(1).take(LISTED) {
        let held = words::held(other).map(|held| format!(": {held}")).unwrap_or_default();
        line("also died", &format!("{}{held}", words::victim_name(other)));
    }
    if episode.victims.len() > LISTED + 1 {
        line("", &format!("and {} more", episode.victims.len() - LISTED - 1));
    }
    if episode.repeats > 0 {
        let times = if episode.repeats == 1 { "once more".into() } else { format!("{} times more", episode.repeats) };
        let until = words::when(&episode.ended).map(|until| format!(", until {until}")).unwrap_or_default();
        line("again", &format!("{times}{until}"));
    }
    write_candidates(out, story);
}

/// Writes a text behind `lead`, in lines of `width` columns where there is one.
pub fn write_sentence(out: &mut String, lead: &str, text: &str, width: Option<usize>) {
    if width.is_some() {
        return out.push_str(&hanging(lead, text, width));
    }
    // Into a file with thousands of stories: at once.
    out.push_str(lead);
    out.push_str(text);
    out.push('\n');
}

fn is_other(path: &[u8], domain: Option<&Domain>) -> bool {
    path != b"/" && !matches!(domain, Some(Domain::Cgroup(Some(limit))) if **limit == *path)
}

fn write_candidates(out: &mut String, story: &Story) {
    if story.ranking.len() < 2 {
        return out.push('\n');
    }
    out.push_str("       BADNESS     RSS    SWAP  TABLES   ADJ      PID  NAME\n");
    let own = words::own_place(story);
    let shown = story.ranking.iter().enumerate().filter(|(place, _)| *place < LISTED || Some(*place) == own);
    for (place, ranked) in shown {
        let row = &story.episode.tasks.rows[ranked.row];
        let size = |pages: Option<Pages>| pages.map(|pages| pages.bytes(story.scale.page_size));
        out.push_str(if Some(place) == own { "    > " } else { "      " });
        push_badness(out, &ranked.score, story.scale.page_size);
        for held in [Some(row.rss), row.swap, ranked.score.page_tables] {
            let room = &mut [0; 8];
            push_right(out, size(held).map_or("-", |held| held.shown(room)), 8);
        }
        match row.oom_score_adj {
            Some(adj) => _ = write!(out, " {adj:>5}"),
            None => push_right(out, "-", 6),
        }
        let Pid(number) = row.tgid;
        let _ = write!(out, " {number:>8}  ");
        out.push_str(&printable(row.name.as_bytes()));
        out.push('\n');
    }
    let rest = story.ranking.len().saturating_sub(LISTED + usize::from(own.is_some_and(|place| place >= LISTED)));
    if rest > 0 {
        let _ = writeln!(out, "      and {rest} more with lower scores");
    }
    out.push('\n');
}

fn push_badness(out: &mut String, score: &Score, page_size: Bytes) {
    let points = match (score.is_never_taken, score.points) {
        (true, _) => return push_right(out, "never", BADNESS),
        (false, None) => return push_right(out, "-", BADNESS),
        (false, Some(points)) => points,
    };
    let room = &mut [0; 8];
    let size = Pages(points.unsigned_abs()).bytes(page_size).shown(room);
    if points < 0 {
        return push_right(out, &format!("-{size}"), BADNESS);
    }
    push_right(out, size, BADNESS);
}

/// At the right of its column.
fn push_right(out: &mut String, text: &str, width: usize) {
    out.push_str(blanks(width, text));
    out.push_str(text);
}

/// At its left.
fn push_left(out: &mut String, text: &str, width: usize) {
    out.push_str(text);
    out.push_str(blanks(width, text));
}

/// What a text lacks of its width. Every number and every label is of ASCII.
fn blanks(width: usize, text: &str) -> &'static str {
    const BLANKS: &str = "                ";
    &BLANKS[..width.saturating_sub(text.len()).min(BLANKS.len())]
}
