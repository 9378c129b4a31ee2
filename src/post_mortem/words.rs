//! A story in sentences. The text of `oomtop explain` and its JSON use the same ones. Refuses to lay out lines, and to
//! show a byte of a name that is not plainly visible.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::story::{Because, Ranked, Reason, Story, chosen_without_kill, taken, taken_row};
use crate::monitor::kernel_rules::Ties;
use crate::monitor::label::label;
use crate::oom_log::{Candidate, Constraint, Domain, Episode, Outcome, Reaped, Stamp, Victim};
use crate::text::printable;
use crate::units::{Bytes, Pages, Pid, counted};

/// When, as the log says it; `None` where it does not.
#[must_use]
pub fn when(stamp: &Stamp) -> Option<String> {
    if let Some(date) = stamp.date() {
        return Some(date.to_owned());
    }
    if let Some(time) = stamp.wall.and_then(|wall| jiff::Timestamp::from_nanosecond(i128::from(wall.0)).ok()) {
        let decimals = if time.subsec_nanosecond() == 0 { 0 } else { 3 };
        return Some(format!("{time:.decimals$}"));
    }
    let microseconds = stamp.since_boot?;
    Some(format!("{}.{:06}s after boot", microseconds / 1_000_000, microseconds % 1_000_000))
}

/// What happened, in one line.
#[must_use]
pub fn headline(story: &Story) -> String {
    let episode = &story.episode;
    let cause = cause(story);
    match (episode.outcome, episode.victims.as_slice()) {
        (_, [first, others @ ..]) => {
            let who = victim_name(first);
            match others.len() {
                0 => format!("{who} was killed: {cause}"),
                1 => format!("{who} and {} were killed: {cause}", victim_name(&others[0])),
                count => format!("{who} and {count} others were killed: {cause}"),
            }
        }
        (Outcome::NobodyToKill, []) => format!("no killable process was left: {cause}"),
        (Outcome::Panic, []) => format!("the kernel panicked: {cause}"),
        (Outcome::AlreadyExiting, []) => format!("nothing was killed, the chosen process was already exiting: {cause}"),
        (_, []) => match chosen_without_kill(episode) {
            Some((name, pid)) => {
                let name = name_and_pid(name.as_ref().map_or(&b""[..], |name| name.as_bytes()), pid);
                format!("the kernel chose {name}, but its kill is not in this log: {cause}")
            }
            None => format!("the OOM killer ran, but this log does not say what it killed: {cause}"),
        },
    }
}

fn cause(story: &Story) -> String {
    let episode = &story.episode;
    if episode.invoker.as_ref().is_some_and(|invoker| invoker.order == Some(-1)) {
        return "it was requested by hand (SysRq f)".into();
    }
    match (&episode.domain, episode.constraint) {
        (Some(Domain::Cgroup(path)), _) => {
            let name = path.as_deref().map_or(Cow::Borrowed("its memory cgroup"), |path| {
                Cow::Owned(format!("memory cgroup {}", printable(label(path).as_bytes())))
            });
            match episode.counters.memory.and_then(|memory| memory.limit) {
                Some(limit) => format!("{name} was at its limit of {limit}"),
                None => format!("{name} was at its limit"),
            }
        }
        (Some(Domain::Host), Some(Constraint::Cpuset)) => {
            let cpuset = episode.cpuset.as_deref().map_or(Cow::Borrowed("?"), printable);
            let nodes = episode.mems_allowed.as_deref().unwrap_or("?");
            format!("the memory nodes of cpuset {cpuset} ({nodes}) ran out")
        }
        (Some(Domain::Host), _) if episode.nodemask.is_some() => {
            format!("the memory nodes of a policy ({}) ran out", episode.nodemask.as_deref().unwrap_or("?"))
        }
        (Some(Domain::Host), _) => match story.scale.total {
            Some(_) => format!("the machine ran out of memory{}", host_size(story)),
            None => "the machine ran out of memory".into(),
        },
        (None, _) => "memory ran out".into(),
    }
}

fn host_size(story: &Story) -> String {
    let host = &story.episode.host;
    let ram = host.usable().map(|ram| ram.bytes(story.scale.page_size));
    match (ram, host.swap_total) {
        (Some(ram), Some(Bytes(0))) => format!(" ({ram} of RAM, no swap)"),
        (Some(ram), Some(swap)) => format!(" ({ram} of RAM, {swap} of swap)"),
        (Some(ram), None) => format!(" ({ram} of RAM)"),
        (None, _) => String::new(),
    }
}

/// Why this one, in one sentence or two.
#[must_use]
pub fn why(story: &Story) -> String {
    let episode = &story.episode;
    let mut text = match story.reason {
        Reason::NoVictim => match episode.outcome {
            Outcome::NobodyToKill => "no process in it may be killed, or all were already dying".into(),
            Outcome::Panic => "the kernel is set to panic, or had nothing left to kill".into(),
            _ => "the log names no process".into(),
        },
        Reason::AllocatingTask => {
            "nothing was compared: vm.oom_kill_allocating_task kills the process that asks".into()
        }
        Reason::NoTable => match episode.invoker {
            Some(_) => "the log has no table of candidates (vm.oom_dump_tasks is 0, or it was cut)".into(),
            None => {
                "the kernel's dump is not in this log (it writes at most 10 in 5s): the other candidates are unknown"
                    .into()
            }
        },
        Reason::NotInTable => "it is not in this log's table of candidates".into(),
        Reason::NoRanking => "the table in this log lacks what the kernel's rule needs".into(),
        Reason::OnlyOne => format!("it was the only process that may be killed: {}", own_parts(story)),
        Reason::Tied { others } => {
            let taken = if story.scale.rules.ties == Ties::First { "first" } else { "last" };
            let parts = own_parts(story);
            format!("{parts}; {others} more scored exactly as high, and this kernel picks the one it scans {taken}")
        }
        Reason::Most { runner_up, margin } => {
            let of = candidates(story);
            let next = story.ranking.get(runner_up).map(|ranked| row_name(story, ranked)).unwrap_or_default();
            let margin = Pages(margin).bytes(story.scale.page_size);
            format!("1st of {of} by {margin}: {}; next was {next}", own_parts(story))
        }
        Reason::Outranked { by, margin, because } => {
            let higher = story.ranking.get(by).map(|ranked| row_name(story, ranked)).unwrap_or_default();
            let margin = Pages(margin).bytes(story.scale.page_size);
            format!(
                "the table in this log shows that {higher} scored higher by {margin}, but {}",
                but(because, episode)
            )
        }
    };
    if let Some(sacrificed) = sacrificed(episode) {
        text = format!("{sacrificed}. Of the chosen process: {text}");
    }
    for remark in remarks(story) {
        text.push_str(". ");
        text.push_str(&remark);
    }
    text
}

fn but(because: Because, episode: &Episode) -> Cow<'static, str> {
    Cow::Borrowed(match because {
        Because::AlreadyKilled => "it had been killed shortly before and was dying",
        Because::OtherNodes => {
            let nodes = episode.nodemask.as_deref().or(episode.mems_allowed.as_deref()).unwrap_or("?");
            return Cow::Owned(format!(
                "only tasks allowed on the nodes that ran out ({nodes}) count, and the table does not say which those \
                 are"
            ));
        }
        Because::RootDiscount => "this kernel counts root's processes 3% lower",
        Because::SwapUnknown => "the weight of oom_score_adj depends on the machine's swap, which is not in this log",
        Because::Rough => "the numbers may change by more than that between the choice and the table",
        Because::Mixed => "records of another dump are mixed in",
        Because::Unsaid => {
            "the log does not say why it was passed over (it may have been exiting, in vfork, or seen with other numbers)"
        }
    })
}

/// Before 5.1 a child of the chosen one died in its place, if it had memory of its own.
fn sacrificed(episode: &Episode) -> Option<String> {
    let chosen = episode.chosen?;
    let victim = episode.victims.first()?;
    let name = chosen.name.map_or_else(|| chosen.pid.to_string(), |name| name_and_pid(name.as_bytes(), chosen.pid));
    match episode.tasks.of(chosen.pid) {
        _ if victim.pid == chosen.pid => None,
        Some(row) if Some(row.tgid) == victim.tgid => None,
        Some(_) => Some(format!("the kernel chose {name} and killed its child instead, as kernels before 5.1 do")),
        None if episode.tasks.rows.is_empty() => {
            Some(format!("the kernel chose {name}, and one of its threads or children was killed"))
        }
        // Not the thread that stands for its process in the table: of which process is not said.
        None => None,
    }
}

/// What surprises: somebody held more and lives.
fn remarks(story: &Story) -> Vec<String> {
    let mut remarks = Vec::new();
    let Some(own) = own_place(story).map(|place| story.ranking[place]) else { return remarks };
    let size = |ranked: &Ranked| ranked.score.held.bytes(story.scale.page_size);
    let more = |ranked: &&Ranked| ranked.score.held > own.score.held && ranked.row != own.row;
    let immune = story.ranking.iter().filter(|ranked| ranked.score.is_never_taken);
    if let Some(immune) = immune.filter(more).max_by_key(|ranked| ranked.score.held) {
        let (name, held) = (row_name(story, immune), size(immune));
        remarks.push(format!("{name} held more ({held}) but is never killed: its oom_score_adj is -1000"));
    }
    if matches!(story.reason, Reason::Most { .. } | Reason::Tied { .. }) {
        let others = story.ranking.iter().filter(|ranked| !ranked.score.is_never_taken);
        if let Some(bigger) = others.filter(more).max_by_key(|ranked| ranked.score.held) {
            let (name, held) = (row_name(story, bigger), size(bigger));
            remarks.push(format!("{name} held more ({held} against {}): oom_score_adj decided", size(&own)));
        }
        if !story.scale.total_is_shown && is_outbid_by_swap(story, &own) {
            remarks.push(
                "The machine's swap is not in this log: the weight of oom_score_adj is computed without it".into(),
            );
        }
        if !own.score.is_whole {
            remarks.push("This kernel's table does not show swap and page tables, which counted too".into());
        }
    }
    if story.episode.mixed {
        remarks.push("Records of another dump are mixed in: the table may hold rows of both".into());
    }
    if story.episode.tasks.left_out > 0 {
        remarks.push(format!(
            "The table had {} than are kept here",
            counted(story.episode.tasks.left_out, ["more row", "more rows"])
        ));
    }
    remarks
}

/// Whether more swap would raise somebody above the one that was taken: it raises the higher oom_score_adj by more.
fn is_outbid_by_swap(story: &Story, own: &Ranked) -> bool {
    let adj = |ranked: &Ranked| story.episode.tasks.rows[ranked.row].oom_score_adj;
    story.ranking.iter().any(|other| adj(other) > adj(own))
}

/// The place of the one that was taken in the ranking.
#[must_use]
pub fn own_place(story: &Story) -> Option<usize> {
    let row = taken_row(&story.episode, taken(&story.episode)?)?;
    story.ranking.iter().position(|ranked| story.episode.tasks.rows[ranked.row].pid == row.pid)
}

fn candidates(story: &Story) -> usize {
    story.ranking.iter().filter(|ranked| !ranked.score.is_never_taken).count()
}

fn own_parts(story: &Story) -> String {
    let ranked = own_place(story).map(|place| story.ranking[place]);
    ranked.map(|ranked| parts(story, &ranked)).unwrap_or_default()
}

/// The parts of a score: `812M RSS + 3.00M page tables + 0 swap, adj +300 counts as 307M of this 1.00G cgroup`.
#[must_use]
pub fn parts(story: &Story, ranked: &Ranked) -> String {
    let scale = &story.scale;
    let row = &story.episode.tasks.rows[ranked.row];
    let size = |pages: Pages| pages.bytes(scale.page_size);
    let holds = [(Some(row.rss), "RSS"), (ranked.score.page_tables, "page tables"), (row.swap, "swap")];
    let holds = joined(&holds.map(|(pages, what)| (pages.map(size), what)), " + ");
    let whose = if matches!(story.episode.domain, Some(Domain::Cgroup(_))) { "cgroup" } else { "machine" };
    let of = scale.total.map_or_else(|| whose.to_owned(), |total| format!("{} {whose}", size(total)));
    match (row.oom_score_adj, ranked.score.adj) {
        (None, _) => holds,
        (Some(0), _) => format!("{holds}, adj 0"),
        (Some(adj), None) => format!("{holds}, adj {adj:+}"),
        (Some(adj), Some(0)) => format!("{holds}, adj {adj:+} counts for nothing: this {of} is too small"),
        (Some(adj), Some(counts)) => {
            let sign = if counts < 0 { "-" } else { "" };
            let counts = size(Pages(counts.unsigned_abs()));
            format!("{holds}, adj {adj:+} counts as {sign}{counts} of this {of}")
        }
    }
}

/// Who asked for the memory that was not there.
#[must_use]
pub fn who_asked(story: &Story) -> Option<String> {
    let episode = &story.episode;
    let invoker = episode.invoker.as_ref()?;
    let name = match invoker.pid {
        Some(pid) => name_and_pid(invoker.name.as_bytes(), pid),
        None if invoker.name.as_bytes().is_empty() => "an unnamed task".into(),
        None => printable(invoker.name.as_bytes()).into_owned(),
    };
    let died = invoker.pid.is_some()
        && episode.victims.iter().any(|victim| Some(victim.pid) == invoker.pid || victim.tgid == invoker.pid);
    let name = match invoker.pid.filter(|_| !died).and_then(|pid| namesake(episode, pid, invoker.name.as_bytes())) {
        Some(tgid) => format!("{name} (a thread of process {tgid}, or a process that the table lacks)"),
        None => name,
    };
    let itself = if died { " itself" } else { "" };
    let mask = printable(invoker.gfp_mask.as_bytes());
    let mask = mask.split_once('(').map_or(&*mask, |(_, names)| names.trim_end_matches(')'));
    Some(match invoker.order {
        Some(-1) => format!("{name}, on behalf of SysRq f"),
        Some(order @ 1..=20) => {
            let size = Pages(1 << order).bytes(story.scale.page_size);
            format!("{name}{itself} asked for {size} of contiguous memory (order {order}, {mask})")
        }
        Some(0) => format!("{name}{itself} asked for one page ({mask})"),
        _ => format!("{name}{itself} asked for memory ({mask})"),
    })
}

/// The only process of this name, where the table lacks the number: it has threads by those of their processes.
fn namesake(episode: &Episode, pid: Pid, name: &[u8]) -> Option<Pid> {
    if episode.tasks.of(pid).is_some() {
        return None;
    }
    let mut named = episode.tasks.rows.iter().filter(|row| row.name.as_bytes() == name);
    named.next().filter(|_| named.next().is_none()).map(|row| row.tgid)
}

/// What a victim held.
#[must_use]
pub fn held(victim: &Victim) -> Option<String> {
    let mut text = format!("{} in RAM (", victim.rss()?);
    text.push_str(&listed(&[(victim.anon, "anonymous"), (victim.file, "of files"), (victim.shmem, "shared")]));
    text.push(')');
    if let Some(tables) = victim.page_tables {
        let _ = write!(text, ", {tables} of page tables");
    }
    if let Some(adj) = victim.oom_score_adj {
        let _ = write!(text, ", oom_score_adj {adj}");
    }
    Some(text)
}

/// Those that are known, with commas between them.
fn listed(sizes: &[(Option<Bytes>, &str)]) -> String {
    joined(sizes, ", ")
}

fn joined(sizes: &[(Option<Bytes>, &str)], between: &str) -> String {
    let mut text = String::with_capacity(64);
    for (size, what) in sizes.iter().filter_map(|(size, what)| size.map(|size| (size, what))) {
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(size.shown(&mut [0; 8]));
        text.push(' ');
        text.push_str(what);
    }
    text
}

/// What came back, as far as the log says.
#[must_use]
pub fn freed(victim: &Victim) -> Option<String> {
    match victim.reaped? {
        Reaped::Unable => Some(
            "the kernel could not reclaim its memory early (unable to reap): it was freed when it exited, if it \
                  did"
            .into(),
        ),
        Reaped::Left { anon, file, shmem } => {
            let left = anon.saturating_add(file).saturating_add(shmem.unwrap_or_default());
            let freed = victim.rss()?.saturating_sub(left);
            Some(match left {
                Bytes(0) => format!("{freed} was reclaimed at once, before it exited"),
                left => format!("{freed} was reclaimed at once, before it exited; {left} remained"),
            })
        }
    }
}

/// What the domain's memory was.
#[must_use]
pub fn usage(story: &Story) -> Option<String> {
    let episode = &story.episode;
    let Some(memory) = episode.counters.memory else { return host_usage(story) };
    let of = memory.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let mut clauses = vec![format!("{}{of} in use", memory.usage)];
    let stats = episode.usage;
    let kinds = listed(&[(stats.anon, "anonymous"), (stats.file, "of files"), (stats.kernel, "the kernel's")]);
    if !kinds.is_empty() {
        clauses[0].push_str(": ");
        clauses[0].push_str(&kinds);
    }
    match episode.counters.swap {
        Some(swap) if swap.limit == Some(Bytes(0)) => clauses.push("no swap allowed".into()),
        Some(swap) => clauses.push(format!("{} of swap", swap.usage)),
        None => {}
    }
    if let Some(shmem) = stats.shmem.filter(|shmem| shmem.0 >= memory.usage.0 / 10 && shmem.0 > 0) {
        clauses.push(format!("{shmem} of it is tmpfs or shared memory, which no kill frees while the file exists"));
    }
    Some(clauses.join("; "))
}

fn host_usage(story: &Story) -> Option<String> {
    let host = &story.episode.host;
    let swap = host.swap_total.filter(|swap| swap.0 > 0)?;
    let free = host.swap_free?;
    Some(format!("{free} of {swap} of swap was free"))
}

/// `postgres 1204`, in a form that is safe to show.
#[must_use]
pub fn name_and_pid(name: &[u8], pid: Pid) -> String {
    let name = printable(name);
    if name.is_empty() { pid.to_string() } else { format!("{name} {pid}") }
}

/// Name and number of a victim: of the process, where that is known to differ from the thread's.
#[must_use]
pub fn victim_name(victim: &Victim) -> String {
    let pid = victim.tgid.unwrap_or(victim.pid);
    name_and_pid(victim.name.as_ref().map_or(&b""[..], |name| name.as_bytes()), pid)
}

/// Name and number of a candidate.
#[must_use]
pub fn row_name(story: &Story, ranked: &Ranked) -> String {
    let row: &Candidate = &story.episode.tasks.rows[ranked.row];
    name_and_pid(row.name.as_bytes(), row.tgid)
}
