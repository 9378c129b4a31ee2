//! Why the kernel took the one it took: the candidates of a dump ranked by its own rule, and what explains a choice that
//! the table does not. Refuses a reason that the log does not carry: then it says that it does not.

use std::collections::VecDeque;

use super::score::{Scale, Score};
use crate::oom_log::{Candidate, Constraint, Domain, Episode, Outcome};
use crate::units::Pid;

/// Victims that are remembered to explain later choices: they may be in later tables while they die.
const MOST_RECENT: usize = 256;

/// An episode with what can be concluded from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What the log says.
    pub episode: Episode,
    /// What scores are relative to.
    pub scale: Scale,
    /// The rows of the table, worst first, those never taken last; empty where no ranking can be made.
    pub ranking: Vec<Ranked>,
    /// Why this one.
    pub reason: Reason,
}

/// A row of the table in the kernel's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// Index into the table's rows.
    pub row: usize,
    /// Its badness.
    pub score: Score,
}

/// Why the victim was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It had the most; `runner_up` and by how many pages.
    Most {
        /// Place in the ranking of the next one.
        runner_up: usize,
        /// How many pages more the victim had.
        margin: u64,
    },
    /// It was the only candidate that may be killed.
    OnlyOne,
    /// Others had exactly as much.
    Tied {
        /// How many.
        others: usize,
    },
    /// The table shows a higher score than its own: place in the ranking, by how many pages, and why it was passed over.
    Outranked {
        /// Place in the ranking of the highest.
        by: usize,
        /// How many pages more that one has in the table.
        margin: u64,
        /// What explains it.
        because: Because,
    },
    /// `vm.oom_kill_allocating_task`: nothing was compared.
    AllocatingTask,
    /// It is not in the table.
    NotInTable,
    /// The log has no table of candidates: the dump was not written, or is not in this log.
    NoTable,
    /// The table lacks what the rule needs.
    NoRanking,
    /// Nobody died.
    NoVictim,
}

/// Why a candidate with a higher score in the table was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It had been killed shortly before and was dying.
    AlreadyKilled,
    /// Only tasks that may use the nodes in question count.
    OtherNodes,
    /// Root's processes count a little less on this kernel (before 4.17).
    RootDiscount,
    /// What oom_score_adj counts depends on swap that this log does not show.
    SwapUnknown,
    /// The numbers move between the choice and the table, and are rough by this much on this kernel.
    Rough,
    /// The records of two dumps are mixed up.
    Mixed,
    /// The log does not say.
    Unsaid,
}

/// Tells the stories of one log, in its order.
#[derive(Debug, Default)]
pub struct Teller {
    /// Who was killed lately: number of the thread and of the process, and when, on the kernel's clock.
    recent: VecDeque<(Pid, Option<Pid>, Option<u64>)>,
}

impl Teller {
    /// Concludes what an episode lets one conclude.
    pub fn tell(&mut self, episode: Episode) -> Story {
        let scale = Scale::of(&episode);
        let ranking = ranking(&episode, &scale);
        let reason = self.reason(&episode, &scale, &ranking);
        for victim in &episode.victims {
            if self.recent.len() == MOST_RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back((victim.pid, victim.tgid, victim.at.since_boot));
        }
        Story { episode, scale, ranking, reason }
    }

    fn reason(&self, episode: &Episode, scale: &Scale, ranking: &[Ranked]) -> Reason {
        let Some(taken) = taken(episode) else { return Reason::NoVictim };
        if episode.allocating_task {
            return Reason::AllocatingTask;
        }
        let rows = &episode.tasks.rows;
        if rows.is_empty() {
            return Reason::NoTable;
        }
        let Some(row) = taken_row(episode, taken) else { return Reason::NotInTable };
        let Some(own) = ranking.iter().position(|ranked| rows[ranked.row].pid == row.pid) else {
            return Reason::NoRanking;
        };
        let points = |place: usize| ranking.get(place).filter(|ranked| !ranked.score.is_never_taken)?.score.points;
        let Some(own_points) = points(own) else { return Reason::NoRanking };
        // Threads of one process are one candidate.
        let other = |place: &usize| rows[ranking[*place].row].tgid != row.tgid;
        let Some(best_other) = (0..ranking.len()).filter(other).find(|place| points(*place).is_some()) else {
            return if episode.tasks.left_out > 0 { Reason::NoRanking } else { Reason::OnlyOne };
        };
        let best_points = points(best_other).unwrap_or(own_points);
        let margin = own_points.abs_diff(best_points);
        if margin == 0 {
            let others = (0..ranking.len()).filter(other).filter(|place| points(*place) == Some(own_points)).count();
            return Reason::Tied { others };
        }
        if own_points > best_points {
            return Reason::Most { runner_up: best_other, margin };
        }
        let because = self.because(episode, scale, &ranking[best_other], margin);
        Reason::Outranked { by: best_other, margin, because }
    }

    fn because(&self, episode: &Episode, scale: &Scale, higher: &Ranked, margin: u64) -> Because {
        let row = &episode.tasks.rows[higher.row];
        let now = episode.ended.since_boot;
        let was_killed = self.recent.iter().any(|(pid, tgid, at)| {
            let same = *pid == row.pid || *pid == row.tgid || *tgid == Some(row.tgid);
            // Numbers are used again; a process that is being killed is gone within minutes.
            let lately = at.zip(now).is_none_or(|(at, now)| now >= at && now - at < 600_000_000);
            same && lately
        });
        let constrained = matches!(episode.constraint, Some(Constraint::Cpuset | Constraint::MemoryPolicy))
            || episode.constraint.is_none() && episode.nodemask.is_some();
        if was_killed {
            Because::AlreadyKilled
        } else if episode.mixed {
            Because::Mixed
        } else if constrained && matches!(episode.domain, Some(Domain::Host)) {
            Because::OtherNodes
        } else if row.uid == 0 && scale.rules.root_bonus && is_within(margin, higher, scale) {
            Because::RootDiscount
        } else if !scale.total_is_shown && episode.tasks.rows.iter().any(|row| !matches!(row.oom_score_adj, Some(0))) {
            Because::SwapUnknown
        } else if margin <= ROUGH {
            Because::Rough
        } else {
            Because::Unsaid
        }
    }
}

/// Pages by which a table may differ from what was compared a moment before: three counters of a task, each rough by
/// what a few CPUs keep to themselves (93 pages each on two).
const ROUGH: u64 = 512;

/// 3 % of the score, or (before 3.14) of the total.
fn is_within(margin: u64, higher: &Ranked, scale: &Scale) -> bool {
    let of_score = higher.score.held.0 * 3 / 100;
    let of_total = scale.total.map_or(0, |total| total.0 * 3 / 100);
    margin <= of_score.max(of_total) + ROUGH
}

/// Whom the kernel chose: the one named as chosen, else the first who died, else the one of the summary.
#[must_use]
pub fn taken(episode: &Episode) -> Option<Pid> {
    if matches!(episode.outcome, Outcome::NobodyToKill | Outcome::Panic) {
        return None;
    }
    let chosen = episode.chosen.map(|chosen| chosen.pid);
    let died = episode.victims.first().map(|victim| victim.pid);
    chosen.or(died).or(episode.summary.map(|summary| summary.pid))
}

/// The row of the one that was taken. Before 5.3 any thread could be chosen, and the table has one for each process: then
/// it is the row of the one that died.
pub(super) fn taken_row(episode: &Episode, taken: Pid) -> Option<&Candidate> {
    let died = || episode.victims.first().and_then(|victim| episode.tasks.of(victim.pid));
    episode.tasks.of(taken).or_else(died)
}

fn ranking(episode: &Episode, scale: &Scale) -> Vec<Ranked> {
    let rows = episode.tasks.rows.iter().enumerate();
    let mut ranking: Vec<_> = rows.map(|(row, candidate)| Ranked { row, score: scale.score(candidate) }).collect();
    // Stable: those with the same score stay in the order in which the kernel looked.
    ranking.sort_by_key(|ranked| {
        let score = ranked.score;
        (score.is_never_taken, score.points.is_none(), std::cmp::Reverse(score.points), std::cmp::Reverse(score.held))
    });
    ranking
}
