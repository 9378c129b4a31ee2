//! What a whole log comes to: how many kills, whose limits, and what happened to a process that somebody asked for. Refuses
//! to keep stories: a log may have any number of them.

use super::story::{Story, chosen_without_kill};
use super::words;
use crate::monitor::label::label;
use crate::oom_log::{Domain, Form, Outcome, Span};
use crate::text::printable;
use crate::units::{Pid, counted};

/// Domains that are counted by themselves.
const MOST_DOMAINS: usize = 256;
/// Domains that are named at the end.
const NAMED: usize = 5;

/// Counts over the stories of one log.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    killed: u64,
    panics: u64,
    /// Dumps of which nobody died, as far as the log says.
    without_victim: u64,
    /// Of these, those where the log does not say whether anybody did, nor whom the kernel chose.
    unsaid: u64,
    /// Those where it says whom the kernel chose, and not that somebody died.
    chosen: u64,
    domains: Vec<(String, u64)>,
    asked: Vec<Asked>,
    /// Who asks has other numbers than the log.
    in_namespace: bool,
}

/// A process that was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    pid: Pid,
    killed: u64,
    /// Dumps that say that the kernel chose it, and not that it died.
    chosen: u64,
    /// Dumps in whose table it is, without having died of them.
    spared: u64,
    /// Dumps that it brought about, without having died of them.
    caused: u64,
}

impl Tally {
    /// For these processes; none: for the whole log.
    #[must_use]
    pub fn of(pids: &[Pid]) -> Self {
        let asked = |pid: &Pid| Asked { pid: *pid, killed: 0, chosen: 0, spared: 0, caused: 0 };
        Self { asked: pids.iter().map(asked).collect(), ..Self::default() }
    }

    /// The log is that of the kernel we run on, which has the numbers of the machine's first PID namespace, and we are in
    /// another.
    #[must_use]
    pub fn in_namespace(self, in_namespace: bool) -> Self {
        Self { in_namespace, ..self }
    }

    /// Counts a story; whether it is to be told: one where nobody was asked for, or one that killed or chose one of them.
    pub fn count(&mut self, story: &Story) -> bool {
        let episode = &story.episode;
        let died = episode.victims.len() as u64;
        self.killed += died;
        self.panics += u64::from(episode.outcome == Outcome::Panic);
        self.without_victim += u64::from(episode.victims.is_empty()) * (1 + episode.repeats);
        let chosen = chosen_without_kill(episode).map(|(_, pid)| pid);
        self.chosen += u64::from(chosen.is_some());
        let is_unsaid = episode.victims.is_empty() && episode.outcome == Outcome::Unknown && chosen.is_none();
        self.unsaid += u64::from(is_unsaid);
        if !episode.victims.is_empty() {
            let name = match &episode.domain {
                Some(Domain::Cgroup(Some(path))) => format!("cgroup {}", label(path)),
                Some(Domain::Cgroup(None)) => "an unnamed cgroup".into(),
                Some(Domain::Host) => "the whole machine".into(),
                None => "an unknown cause".into(),
            };
            if let Some((_, count)) = self.domains.iter_mut().find(|(known, _)| *known == name) {
                *count += died;
            } else if self.domains.len() < MOST_DOMAINS {
                self.domains.push((name, died));
            }
        }
        let mut is_told = self.asked.is_empty();
        for asked in &mut self.asked {
            let took_it =
                episode.victims.iter().any(|victim| victim.pid == asked.pid || victim.tgid == Some(asked.pid));
            let of_asked =
                |pid: Pid| pid == asked.pid || episode.tasks.of(pid).is_some_and(|row| row.tgid == asked.pid);
            let chose_it = chosen.is_some_and(of_asked);
            is_told |= took_it || chose_it;
            asked.killed += u64::from(took_it);
            asked.chosen += u64::from(chose_it);
            if !took_it && !chose_it {
                asked.spared += u64::from(episode.tasks.of(asked.pid).is_some());
                let invoker = episode.invoker.as_ref().and_then(|invoker| invoker.pid);
                asked.caused += u64::from(invoker == Some(asked.pid));
            }
        }
        is_told
    }

    /// What the log comes to, in a sentence.
    #[must_use]
    pub fn closing(&self, span: &Span, form: &Form) -> String {
        self.outcome(span, form) + &caveats(form)
    }

    /// Whether it is certain who died, and of those who were asked for whether they did: no kill is without its victim, and no
    /// line that was not believed may be theirs.
    #[must_use]
    pub fn is_certain(&self, form: &Form) -> bool {
        let is_all_said = self.unsaid + self.chosen == 0;
        match self.asked.as_slice() {
            [] => self.killed + self.panics > 0 || is_all_said && form.refused.lines == 0,
            _ if self.in_namespace => false,
            asked => asked.iter().all(|asked| asked.killed > 0 || is_all_said && !form.refused.may_be_of(asked.pid)),
        }
    }

    /// The kills of which the log does not have all; empty where there are none.
    fn missing(&self) -> String {
        let unsaid = match self.unsaid {
            0 => None,
            1 => Some("1 kill lacks its victim".into()),
            many => Some(format!("{many} kills lack their victims")),
        };
        let chosen = match self.chosen {
            0 => None,
            1 => Some("1 choice lacks its kill".into()),
            many => Some(format!("{many} choices lack their kills")),
        };
        unsaid.into_iter().chain(chosen).collect::<Vec<String>>().join(", ")
    }

    /// Whether there was anything to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.killed == 0 && self.panics == 0 && self.without_victim == 0
    }

    fn outcome(&self, span: &Span, form: &Form) -> String {
        let covers = covers(span);
        let missing = self.missing();
        let but = if missing.is_empty() { String::new() } else { format!(" This log is incomplete: {missing}.") };
        let killed = match self.killed {
            0 if self.panics > 0 => return format!("The kernel panicked for lack of memory ({covers}).{but}"),
            0 if self.without_victim > 0 => {
                let times = if self.without_victim == 1 { "once" } else { &times(self.without_victim, "time") };
                if !missing.is_empty() {
                    return format!(
                        "The OOM killer ran {times}, but this log does not say what it killed ({covers}): {missing}."
                    );
                }
                if form.refused.lines > 0 {
                    return format!(
                        "The OOM killer ran {times}; whether it killed a process is not certain from this log \
                         ({covers})."
                    );
                }
                return format!("The OOM killer ran {times} and killed no process in this log ({covers}).");
            }
            0 if form.refused.lines > 0 => {
                return format!(
                    "Whether the kernel's OOM killer killed a process is not certain from this log ({covers})."
                );
            }
            0 => return format!("No process was killed by the kernel's OOM killer in this log ({covers})."),
            1 => "1 process was".into(),
            many => format!("{many} processes were"),
        };
        let mut domains = self.domains.clone();
        domains.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let named = domains.iter().take(NAMED);
        let mut whose: Vec<_> =
            named.map(|(name, count)| format!("{count} for {}", printable(name.as_bytes()))).collect();
        if domains.len() > NAMED {
            whose.push(format!("the rest for {}", counted(domains.len() - NAMED, ["other", "others"])));
        }
        format!("{killed} killed in this log ({covers}): {}.{but}", whose.join(", "))
    }

    /// What happened to each process that was asked for.
    pub fn answers(&self, span: &Span, form: &Form) -> impl Iterator<Item = (Pid, String)> {
        let covers = covers(span);
        let is_nothing = self.is_empty() && !form.census.is_of_a_kernel_log();
        let caveats = caveats(form);
        self.asked.iter().map(move |asked| {
            let text = match asked.pid {
                pid if is_nothing => {
                    format!("Whether {pid} was killed is not known: this is not recognised as a kernel log.")
                }
                pid if self.in_namespace => format!(
                    "Whether {pid} was killed is not known: that is its number in this PID namespace, and the kernel's log has \
                     those of the machine. Of the machine's {pid}: {}",
                    self.answer(asked, &covers, form.refused.may_be_of(pid))
                ),
                pid => self.answer(asked, &covers, form.refused.may_be_of(pid)),
            };
            (asked.pid, text + &caveats)
        })
    }

    fn answer(&self, asked: &Asked, covers: &str, may_be_refused: bool) -> String {
        let pid = asked.pid;
        match (asked.killed, asked.chosen) {
            (0, 0) => {}
            (0, _) => return format!("The kernel chose {pid}, but this log lacks its kill: see above."),
            (1, _) => return format!("The kernel's OOM killer killed {pid}: see above."),
            (times, _) => {
                return format!("The kernel's OOM killer killed a process {pid} {times} times: the PID was reused.");
            }
        }
        let (missing, others) = (self.missing(), counted(self.killed, ["other was", "others were"]));
        let mut sentences = vec![match missing.as_str() {
            "" if may_be_refused => {
                format!("Whether {pid} was killed is not certain from this log ({covers}; {others} killed).")
            }
            "" => format!("Nothing in this log killed {pid} ({covers}; {others} killed)."),
            missing => {
                format!("This log does not say whether {pid} was killed ({covers}; {others} killed): {missing}.")
            }
        }];
        if asked.spared > 0 {
            sentences.push(format!("It was a candidate in {}, but others were killed.", times(asked.spared, "dump")));
        }
        if asked.caused > 0 {
            sentences.push(format!("It invoked the OOM killer in {}.", times(asked.caused, "dump")));
        }
        let others = "A kill by systemd-oomd, earlyoom, a container runtime or a person leaves no record here";
        sentences.push(if self.in_namespace {
            format!("{others}.")
        } else {
            format!("{others}; and inside a container a process has another number than the kernel's log gives it.")
        });
        sentences.join(" ")
    }
}

/// How far what was told is the kernel's own word, each sentence behind a blank.
fn caveats(form: &Form) -> String {
    let behind = form.behind.as_deref().map(|behind| {
        format!(
            " The records were recognised by the kernel's own words after other text (first after \"{}\"): a quoted \
             kernel log looks the same.",
            printable(behind).trim_end()
        )
    });
    behind.unwrap_or_default() + &not_believed(form)
}

/// The lines that were not believed, as a sentence behind a blank; empty where there are none.
#[must_use]
pub fn not_believed(form: &Form) -> String {
    match form.refused.lines {
        0 => String::new(),
        refused => format!(
            " Not believed: {} the words of a kill (from another program, quoted, or from another log).",
            counted(refused, ["line with", "lines with"])
        ),
    }
}

fn times(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `it covers 12:00 to 13:00`.
fn covers(span: &Span) -> String {
    let time = |stamp: Option<_>| stamp.as_ref().and_then(words::when);
    match (time(span.first), time(span.last)) {
        (Some(first), Some(last)) if first == last => format!("all at {first}"),
        (Some(first), Some(last)) => format!("it covers {first} to {last}"),
        (Some(only), None) | (None, Some(only)) => format!("it begins or ends at {only}"),
        (None, None) => "its lines have no timestamps".into(),
    }
}
