//! Why the kernel took the one it took: the candidates of a dump ranked by its own rule, and what explains a choice that
//! the table does not. Refuses a reason that the log does not carry: then it says that it does not.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::score::{Scale, Score};
use crate::oom_log::{Candidate, Constraint, Domain, Episode, Name, Outcome};
use crate::units::{Pages, Pid};

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
    let three_percent = |pages: Pages| pages.0.saturating_mul(3) / 100;
    let of_score = three_percent(higher.score.held);
    let of_total = scale.total.map_or(0, three_percent);
    margin <= of_score.max(of_total).saturating_add(ROUGH)
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

/// Whom the kernel chose, where the log has the choice and not the kill: it is cut, or old kernels let go who was exiting.
#[must_use]
pub fn chosen_without_kill(episode: &Episode) -> Option<(Option<Name>, Pid)> {
    if !episode.victims.is_empty() || episode.outcome != Outcome::Unknown {
        return None;
    }
    let chosen = episode.chosen.map(|chosen| (chosen.name, chosen.pid));
    chosen.or(episode.summary.map(|summary| (Some(summary.name), summary.pid)))
}

/// The row of the one that was taken. Before 5.3 any thread could be chosen, and the table has one for each process: then
/// it is the row of the one that died.
pub(super) fn taken_row(episode: &Episode, taken: Pid) -> Option<&Candidate> {
    let died = || episode.victims.first().and_then(|victim| episode.tasks.of(victim.pid));
    episode.tasks.of(taken).or_else(died)
}

fn ranking(episode: &Episode, scale: &Scale) -> Vec<Ranked> {
    let scores: Vec<_> = episode.tasks.rows.iter().map(|candidate| scale.score(candidate)).collect();
    // By keys, not by whole scores, which would be moved about as they are sorted. Those with the same score stay in the order
    // in which the kernel looked.
    let key = |(row, score): (usize, &Score)| {
        (score.is_never_taken, score.points.is_none(), Reverse((score.points, score.held)), row)
    };
    let mut keys: Vec<_> = scores.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(.., row)| Ranked { row, score: scores[row] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oom_log::LogReader;

    /// A global OOM with these rows (`pid rss adj uid`) that took this one; `between` goes before the table.
    fn story(release: &str, between: &str, rows: &[(u32, u64, i16, u32)], taken: u32, constraint: &str) -> Story {
        let row = |(pid, rss, adj, uid): &(u32, u64, i16, u32)| {
            format!("[{pid:7}] {uid:5} {pid:5}    90000 {rss:8}     4096        0 {adj:13} p{pid}\n")
        };
        let rows: String = rows.iter().map(row).collect();
        let log = format!(
            "x invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0\n\
             CPU: 1 PID: 9 Comm: x Not tainted {release} #1\n\
             {between}\n\
             [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n\
             {rows}oom-kill:constraint={constraint},task_memcg=/,task=p{taken},pid={taken},uid=0\n\
             Out of memory: Killed process {taken} (p{taken}) total-vm:360000kB, anon-rss:4kB, file-rss:0kB\n"
        );
        let mut reader = LogReader::default();
        reader.push(log.as_bytes());
        reader.finish();
        Teller::default().tell(reader.next_episode().expect("an episode"))
    }

    const HOST: &str = "Total swap = 0kB\n1000000 pages RAM\n100 pages reserved";
    const NONE: &str = "CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom";

    fn because(story: &Story) -> Option<Because> {
        if let Reason::Outranked { because, .. } = story.reason { Some(because) } else { None }
    }

    #[test]
    fn the_most_wins_and_its_margin_is_told() {
        let story = story("6.8.0", HOST, &[(1, 5000, 0, 1), (2, 4000, 0, 1), (3, 9000, -1000, 1)], 1, NONE);
        assert_eq!(story.reason, Reason::Most { runner_up: 1, margin: 1000 });
        // The immune one is last, though it holds most.
        assert_eq!(story.episode.tasks.rows[story.ranking[2].row].pid, Pid(3));
    }

    #[test]
    fn a_higher_score_in_the_table_is_explained_as_far_as_the_log_goes() {
        let rows = [(1, 50_000, 0, 0), (2, 49_000, 0, 7)];
        let policy = "CONSTRAINT_MEMORY_POLICY,nodemask=1,cpuset=/,mems_allowed=0-1,global_oom";
        let far = [(1, 500_000, 0, 7), (2, 49_000, 0, 7)];
        let near = [(1, 50_000, 0, 7), (2, 49_990, 0, 7)];
        for (release, between, rows, constraint, expected) in [
            ("4.15.0", HOST, rows, NONE, Because::RootDiscount),
            ("6.8.0", HOST, rows, NONE, Because::Unsaid),
            ("6.8.0", HOST, far, policy, Because::OtherNodes),
            ("6.8.0", HOST, far, NONE, Because::Unsaid),
            ("6.8.0", HOST, near, NONE, Because::Rough),
        ] {
            let story = story(release, between, &rows, 2, constraint);
            assert_eq!(because(&story), Some(expected), "{release} {rows:?}");
        }
    }

    #[test]
    fn swap_that_is_not_shown_may_explain_an_adjustment() {
        let cgroup = "CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a";
        let counters =
            "memory: usage 400000kB, limit 400000kB, failcnt 1\nswap: usage 0kB, limit 9007199254740988kB, failcnt 0";
        let story = story("6.8.0", counters, &[(1, 90_000, 0, 7), (2, 5_000, 500, 7)], 2, cgroup);
        assert_eq!(because(&story), Some(Because::SwapUnknown));
    }

    #[test]
    fn equals_are_told_and_a_single_one_too() {
        let tied = story("6.8.0", HOST, &[(1, 50, 0, 7), (2, 50, 0, 7), (3, 50, 0, 7)], 2, NONE);
        assert_eq!(tied.reason, Reason::Tied { others: 2 });
        let single = story("6.8.0", HOST, &[(1, 50, 0, 7), (2, 50, -1000, 7)], 1, NONE);
        assert_eq!(single.reason, Reason::OnlyOne);
        let missing = story("6.8.0", HOST, &[(1, 50, 0, 7)], 8, NONE);
        assert_eq!(missing.reason, Reason::NotInTable);
    }

    /// A log may say anything: three percent of it were more than there are numbers.
    #[test]
    fn a_table_of_huge_numbers_is_told_as_any_other() {
        let log = b"[1.000000] x invoked oom-killer: gfp_mask=0x1, order=0, oom_score_adj=0\n\
[1.000001] CPU: 1 PID: 31 Comm: x Not tainted 4.4.0 #1\n\
[1.000002] [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name\n\
[1.000003] [   10]     0    10     7270 18446744073709551615 1 1 0 0 big\n\
[1.000004] [   11]     0    11     7270 100 1 1 0 0 small\n\
[1.000005] Out of memory: Kill process 11 (small) score 5 or sacrifice child\n\
[1.000006] Killed process 11 (small) total-vm:1kB, anon-rss:400kB, file-rss:0kB\n";
        let mut reader = LogReader::default();
        reader.push(log);
        reader.finish();
        let story = Teller::default().tell(reader.next_episode().expect("an episode"));
        assert!(matches!(story.reason, Reason::Outranked { .. }), "{:?}", story.reason);
    }
}
