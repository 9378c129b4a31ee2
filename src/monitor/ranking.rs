//! Ranks the processes of one domain as the kernel would, from the facts at hand, and says how far that can be trusted:
//! a candidate of which something was not read as late as its RSS carries slack, and whoever reaches the first within
//! the slack of both could be first too. Refuses to call certain what only probably is.

use std::time::Duration;

use crate::units::{Bytes, Pages, ProcessId, Timestamp, human_duration};

use super::badness::{Parts, adjustment_pages, badness, oom_score};
use super::history::Millis;
use super::kernel_rules::{KernelRules, KillerRss, ScoreFormula, Ties};
use super::memory::Memory;
use super::report::{DomainReport, Immune, ProcessReport, Victim};

/// What is the same for all domains of a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'a> {
    pub rules: &'a KernelRules,
    pub rows: &'a [ProcessReport],
    pub memories: &'a [Memory],
    /// Pages in swap, of all: the most that a process may have there.
    pub swapped: Pages,
}

/// One of the domain.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    badness: i64,
    /// By how many pages the sum may be wrong, either way.
    slack: u32,
    /// Place among the members.
    member: u32,
}

/// Who is in a domain.
#[derive(Clone, Copy, Debug)]
pub(super) enum Members<'a> {
    /// Every row; the kernel scans them in the order in which they were created.
    All,
    /// Indices of rows, in the order of the scan.
    These(&'a [u32]),
}

impl Members<'_> {
    fn row(self, candidate: &Candidate) -> usize {
        match self {
            Self::All => candidate.member as usize,
            Self::These(rows) => rows[candidate.member as usize] as usize,
        }
    }

    /// Place in the kernel's scan.
    fn order(self, candidate: &Candidate, rows: &[ProcessReport]) -> (u64, u32) {
        match self {
            Self::All => {
                let id = rows[candidate.member as usize].id;
                (id.start_time.0, id.pid.0)
            }
            Self::These(_) => (0, candidate.member),
        }
    }
}

/// What a ranking leaves to be told beside the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// The order of the scan cannot be seen.
    pub hidden: bool,
    /// Why not everybody in the domain was looked at.
    pub partial: Option<Partial>,
    /// When this is.
    pub now: Millis,
}

/// Why a ranking may lack the very one that would be first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partial {
    /// We were asked for less.
    Scope,
    /// So many are listed as members, and were not met.
    Members(u32),
    /// It is not the machine's first PID namespace.
    Namespace,
    /// The mount of procfs hides others: not even init is seen.
    Hidden,
}

impl Partial {
    fn words(self) -> String {
        match self {
            Self::Scope => "only some of its processes are visible".into(),
            Self::Members(1) => "one of its processes cannot be seen from here".into(),
            Self::Members(count) => format!("{count} of its processes cannot be seen from here"),
            Self::Namespace => "processes outside this PID namespace cannot be seen from here".into(),
            Self::Hidden => "other users' processes are hidden here (hidepid)".into(),
        }
    }
}

/// Ranks domains, one after the other, in the same room.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranking {
    eligible: Vec<Candidate>,
    immune: Vec<Candidate>,
}

/// Why the first is not certain.
fn doubt_by(domain: &mut DomainReport, doubt: Option<String>) {
    if domain.doubt.as_deref() != doubt.as_deref() {
        domain.doubt = doubt.map(Into::into);
    }
}

/// Whether its RSS was ever read.
fn is_known(row: &ProcessReport, memory: &Memory) -> bool {
    row.rss.get().is_some() || memory.stat_rss.is_some()
}

/// The parts of a row's badness, and by how many pages their sum may be wrong.
fn parts(row: &ProcessReport, memory: &Memory, pass: &Pass<'_>) -> (Parts, u64) {
    let rules = pass.rules;
    let pages = |size: Bytes| rules.pages(size);
    // Before `statm` was read the row shows what `stat` said.
    let statm = row.rss.get().filter(|_| row.sized_at != Timestamp(0)).map(pages);
    let stat = memory.stat_rss.map(|pages| Pages(u64::from(pages)));
    let (rss, mut slack) = match (rules.rss, stat) {
        (KillerRss::Stat, Some(rss)) if memory.stat_is_fresh => (rss, 0),
        (KillerRss::Stat, stat) => (statm.or(stat).unwrap_or_default(), rules.statm_error.0),
        (KillerRss::Statm, stat) => {
            let told = stat.unwrap_or_default();
            statm.map_or((told, told.0), |rss| (rss, 0))
        }
    };
    if row.status_at == Timestamp(0) {
        // One page table a page is the worst; what is swapped may all be its own.
        slack += rss.0 + pass.swapped.0;
    } else if !memory.status_is_fresh {
        slack += rss.0 / 16;
    }
    let parts = Parts {
        rss,
        swap: row.swap.get().map(pages).unwrap_or_default(),
        page_tables: row.page_tables.get().map(pages).unwrap_or_default(),
        adj: row.oom_score_adj.unwrap_or(0),
        administrator: memory.administrator,
    };
    (parts, slack)
}

/// Why the kernel would not take this process, whatever the domain.
pub(super) fn immune(
    row: &ProcessReport,
    memory: &Memory,
    pass: &Pass<'_>,
    init: Option<ProcessId>,
    machine_total: Pages,
) -> Option<Immune> {
    if row.oom_score_adj == Some(-1000) {
        return Some(Immune::Adjustment);
    }
    if init == Some(row.id) {
        return Some(Immune::Init);
    }
    if memory.dying {
        return Some(Immune::Dying);
    }
    if pass.rules.score == ScoreFormula::TwoThirds && row.oom_score == Some(0) {
        // Next to nothing held at -999 rounds to 0 as well: that one can be taken.
        let (parts, slack) = parts(row, memory, pass);
        let least = badness(&parts, machine_total, pass.rules).saturating_sub(signed(slack));
        return (oom_score(least, machine_total, pass.rules.score) >= 1).then_some(Immune::Kernel);
    }
    None
}

impl Ranking {
    /// Ranks these rows, given with their place in the kernel's scan, and writes victims and verdict into the report.
    pub(super) fn rank(&mut self, domain: &mut DomainReport, members: Members<'_>, pass: &Pass<'_>, scan: Scan) {
        self.eligible.clear();
        self.immune.clear();
        let total = domain.total_pages;
        let mut adjusted: Option<Millis> = None;
        let count = match members {
            Members::All => pass.rows.len(),
            Members::These(rows) => rows.len(),
        };
        // By a part at a time, not by doubling: there may be ten thousand.
        if self.eligible.capacity() < count {
            self.eligible.reserve_exact(count + count / 32);
        }
        for member in 0..count as u32 {
            let mut candidate = Candidate { badness: 0, slack: 0, member };
            let index = members.row(&candidate);
            let row = &pass.rows[index];
            let (parts, mut slack) = parts(row, &pass.memories[index], pass);
            if row.oom_score_adj.is_some() {
                let at = pass.memories[index].adjusted;
                adjusted = Some(adjusted.map_or(at, |oldest| oldest.min(at)));
            } else {
                slack = slack.saturating_add(adjustment_pages(1000, total).unsigned_abs());
            }
            if !is_known(row, &pass.memories[index]) {
                slack = slack.saturating_add(total.0);
            }
            candidate.badness = badness(&parts, total, pass.rules);
            candidate.slack = u32::try_from(slack).unwrap_or(u32::MAX);
            if row.immune.is_none() {
                self.eligible.push(candidate);
            } else {
                // By what they hold: their adjustment decides nothing.
                candidate.badness = candidate.badness.saturating_sub(adjustment_pages(parts.adj, total));
                self.immune.push(candidate);
            }
        }
        sort_first(&mut self.eligible, members, pass);
        sort_first(&mut self.immune, members, pass);
        let dies_for_parent = pass.rules.child_sacrifice && self.sacrifice(members, pass);
        domain.candidates = self.eligible.len() as u32;
        domain.ranked = self.eligible.iter().filter(|candidate| candidate.slack == 0).count() as u32;
        domain.adjustments_age = adjusted.map(|at| Duration::from_millis(scan.now.saturating_sub(at).into()));
        domain.victims.clear();
        for (place, candidate) in self.eligible.iter().take(DomainReport::VICTIMS).enumerate() {
            domain.victims.push(victim(members.row(candidate), place as u32 + 1, total, pass));
        }
        for candidate in self.immune.iter().take(DomainReport::VICTIMS) {
            domain.victims.push(victim(members.row(candidate), 0, total, pass));
        }
        self.judge(domain, members, pass, scan, dies_for_parent);
    }

    /// Up to 5.0 the worst child of the chosen one dies in its place: then it is the first, and its parent the second.
    fn sacrifice(&mut self, members: Members<'_>, pass: &Pass<'_>) -> bool {
        let row = |candidate: &Candidate| &pass.rows[members.row(candidate)];
        let Some(chosen) = self.eligible.first().map(|chosen| row(chosen).id.pid) else { return false };
        let child = self
            .eligible
            .iter()
            .enumerate()
            .filter(|(_, candidate)| row(candidate).parent == chosen && candidate.badness > 0)
            .max_by_key(|(place, candidate)| (candidate.badness, std::cmp::Reverse(*place)));
        let Some((place, _)) = child else { return false };
        self.eligible[..=place].rotate_right(1);
        true
    }

    /// Whether the first is the first, and who else could be.
    fn judge(
        &self,
        domain: &mut DomainReport,
        members: Members<'_>,
        pass: &Pass<'_>,
        scan: Scan,
        dies_for_parent: bool,
    ) {
        domain.tied_with.clear();
        domain.margin = None;
        domain.certain = false;
        domain.hides = scan.partial.is_some();
        let Some((first, others)) = self.eligible.split_first() else {
            let nobody = self.immune.is_empty().then(|| "none of its processes is known".to_owned());
            return doubt_by(domain, scan.partial.map(Partial::words).or(nobody));
        };
        let row = |candidate: &Candidate| &pass.rows[members.row(candidate)];
        // The parent leads the others, and the child that dies for it its siblings.
        let (parent, others) = if dies_for_parent { (others.first(), &others[1..]) } else { (None, others) };
        let leader = |other: &Candidate| match parent {
            Some(parent) if row(other).parent != row(parent).id.pid => parent,
            _ => first,
        };
        let lead = |other: &Candidate| leader(other).badness.saturating_sub(other.badness);
        let reach = |other: &Candidate| {
            let slack = i64::from(leader(other).slack) + i64::from(other.slack);
            lead(other) < slack || lead(other) == 0 && scan.hidden || lead(other) == slack && slack > 0
        };
        let ranked = &others[..others.len().min(DomainReport::VICTIMS)];
        domain.margin = ranked.iter().map(lead).min().map(|lead| Pages(lead.unsigned_abs()));
        let reaching = || others.iter().filter(|other| reach(other));
        let unread = reaching().filter(|other| (other.slack, leader(other).slack) != (0, 0)).count();
        let equal = reaching().count() - unread;
        domain.tied_with.extend(reaching().take(DomainReport::VICTIMS).map(|other| row(other).id));
        let doubt = if !pass.rules.known {
            Some("the kernel's release could not be parsed: the newest rules are assumed".to_owned())
        } else if let Some(partial) = scan.partial {
            Some(partial.words())
        } else if unread > 0 {
            Some(format!("{} could also be first: their badness has not been read in one go yet", processes(unread)))
        } else if equal > 0 {
            Some(format!("{} equally bad, and the kernel's scan order cannot be seen here", are(equal)))
        } else {
            let old = domain.adjustments_age.filter(|age| *age > DomainReport::ADJUSTMENTS_HOLD);
            old.map(|age| format!("some oom_score_adj were last read {} ago", human_duration(age)))
        };
        domain.certain = doubt.is_none();
        doubt_by(domain, doubt);
    }

    /// The ones whose exact facts would settle this domain, the likeliest first.
    pub(super) fn wanted<'a>(
        &'a self,
        members: Members<'a>,
        pass: Pass<'a>,
        most: usize,
    ) -> impl Iterator<Item = ProcessId> + 'a {
        let first = self.eligible.first().map(|first| first.badness);
        let spared = self.immune.iter().take(most / 4).filter(move |candidate| {
            match pass.rows[members.row(candidate)].immune {
                // Those that the kernel scores 0 may only be between vfork and exec.
                Some(Immune::Kernel) => true,
                // It would lead as soon as somebody takes its exemption away.
                Some(Immune::Adjustment) => Some(candidate.badness) >= first,
                Some(Immune::Init | Immune::Dying) | None => false,
            }
        });
        self.eligible.iter().take(most).chain(spared).map(move |candidate| pass.rows[members.row(candidate)].id)
    }

    /// All rows of the domain that was ranked last; with their rank where they are among the first.
    pub(super) fn places<'a>(&'a self, members: Members<'a>) -> impl Iterator<Item = (usize, Option<u32>)> + 'a {
        let ranked = self.eligible.iter().enumerate().map(move |(place, candidate)| {
            let rank = (place < DomainReport::VICTIMS).then_some(place as u32 + 1);
            (members.row(candidate), rank)
        });
        ranked.chain(self.immune.iter().map(move |candidate| (members.row(candidate), None)))
    }
}

/// Sorts the first ones; the rest only lies behind them.
fn sort_first(candidates: &mut [Candidate], members: Members<'_>, pass: &Pass<'_>) {
    let compare = |a: &Candidate, b: &Candidate| {
        let scanned = || members.order(a, pass.rows).cmp(&members.order(b, pass.rows));
        b.badness.cmp(&a.badness).then_with(|| match pass.rules.ties {
            Ties::First => scanned(),
            Ties::Last => scanned().reverse(),
        })
    };
    let first = candidates.len().min(DomainReport::VICTIMS);
    if candidates.len() > first {
        candidates.select_nth_unstable_by(first, compare);
    }
    candidates[..first].sort_unstable_by(compare);
}

fn victim(index: usize, rank: u32, total: Pages, pass: &Pass<'_>) -> Victim {
    let row = &pass.rows[index];
    let (parts, _) = parts(row, &pass.memories[index], pass);
    Victim {
        rank,
        id: row.id,
        badness: badness(&parts, total, pass.rules),
        rss: is_known(row, &pass.memories[index]).then_some(parts.rss),
        swap: row.swap.get().map(|_| parts.swap),
        page_tables: row.page_tables.get().map(|_| parts.page_tables),
        adjustment_pages: adjustment_pages(parts.adj, total),
        oom_score_adj: row.oom_score_adj,
        immune: row.immune,
    }
}

fn processes(count: usize) -> String {
    if count == 1 { "one process".into() } else { format!("{count} processes") }
}

fn are(count: usize) -> String {
    if count == 1 { "one other is".into() } else { format!("{count} others are") }
}

fn signed(pages: u64) -> i64 {
    i64::try_from(pages).unwrap_or(i64::MAX)
}
