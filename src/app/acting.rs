//! What is done to processes: to whom, what is refused before it is tried, and what is said of it afterwards. Refuses
//! what is known to be impossible; what only the kernel can know is left to the kernel.

use crate::monitor::report::ProcessReport;
use crate::snapshot::system::OwnRights;
use crate::text;
use crate::units::ProcessId;

use super::dialog::Dialog;
use super::layout::layout;
use super::{ADJUSTMENTS, Adjustment, Effect, Mode, Pane, Refusal, Signal, State, Terminating, Tone};

/// What is about to be done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Signal,
    /// To a value, where it is known already.
    Adjust(Option<i16>),
}

/// Batches of adjustments that can be taken back.
const UNDO_DEPTH: usize = 32;

impl State {
    /// Opens the menu of signals; SIGKILL is preset for whoever was asked to end and did not.
    pub(super) fn open_signal_menu(&mut self) {
        let Some((targets, left_out)) = self.permitted_targets(Deed::Signal) else { return };
        let lingers = |id: &ProcessId| self.terminating.iter().any(|watched| watched.id == *id && watched.told);
        let cursor = if targets.iter().all(lingers) { Signal::KILL_POSITION } else { 0 };
        self.mode = Mode::Dialog(Dialog::Signal { targets, left_out, cursor, typed: String::new() });
    }

    /// Opens the editor of oom_score_adj, at the present value of the first target.
    pub(super) fn open_adjust(&mut self) {
        let Some((targets, left_out)) = self.permitted_targets(Deed::Adjust(None)) else { return };
        let value = targets.first().and_then(|id| self.adjustment_of(*id)).unwrap_or(0);
        self.mode = Mode::Dialog(Dialog::Adjust { targets, left_out, value, typed: String::new() });
    }

    /// oom_score_adj of the targets up or down, at once: only where one sees whose. What asks first names them.
    pub(super) fn nudge(&mut self, step: i16) -> Option<Effect> {
        let (targets, left_out) = self.permitted_targets(Deed::Adjust(None))?;
        if !self.shows_targets() {
            self.say(Tone::Bad, "not done: the selected process is not on the screen; o names it and asks");
            return None;
        }
        self.adjust(&targets, left_out, |from| from.saturating_add(step))
    }

    /// oom_score_adj of these to a value. `None`, and the reason is said, when none of them can be set to it.
    pub(super) fn adjust_to(&mut self, targets: &[ProcessId], value: i16) -> Option<Effect> {
        self.adjust(targets, Vec::new(), |_| value)
    }

    fn adjust(&mut self, targets: &[ProcessId], mut left_out: Vec<String>, to: impl Fn(i16) -> i16) -> Option<Effect> {
        let mut adjustments = Vec::new();
        for &id in targets {
            let Some(from) = self.adjustment_of(id) else {
                left_out.push(format!("{}: its oom_score_adj is not known", self.name_of(id)));
                continue;
            };
            let to = to(from).clamp(*ADJUSTMENTS.start(), *ADJUSTMENTS.end());
            if to == from {
                left_out.push(format!("{}: oom_score_adj is already {from}", self.name_of(id)));
            } else if let Some(reason) = self.refusal(id, Deed::Adjust(Some(to))) {
                left_out.push(reason);
            } else {
                adjustments.push(Adjustment { id, from, to });
            }
        }
        if adjustments.is_empty() {
            self.say(Tone::Bad, summary(&left_out));
            return None;
        }
        if !left_out.is_empty() {
            self.say(Tone::Bad, format!("skipped: {}", summary(&left_out)));
        }
        Some(self.change(adjustments, false))
    }

    /// Takes back the last batch: at once, or as soon as it is known what became of the one under way.
    pub(super) fn undo_last(&mut self) -> Option<Effect> {
        if let Some(reason) = &self.forbidden {
            self.say(Tone::Bad, reason.to_string());
            return None;
        }
        if self.under_way.batches > 0 {
            self.under_way.undos += 1;
            return None;
        }
        let Some(batch) = self.undo.pop() else {
            self.say(Tone::Plain, "nothing to undo: no oom_score_adj was changed");
            return None;
        };
        let adjustments: Vec<_> =
            batch.into_iter().map(|Adjustment { id, from, to }| Adjustment { id, from: to, to: from }).collect();
        Some(self.change(adjustments, true))
    }

    /// What became of a signal.
    pub(super) fn signalled(&mut self, signal: Signal, results: Vec<(ProcessId, Result<(), Refusal>)>) {
        let (sent, failed) = self.sort_results(results);
        if signal.ends() {
            for &id in &sent {
                self.watch(id, signal);
            }
        }
        let done = match sent.as_slice() {
            [] => None,
            [one] => Some(format!("{} sent to {}", signal.name, self.name_of(*one))),
            several => Some(format!("{} sent to {} processes", signal.name, several.len())),
        };
        self.tell(done, &failed);
    }

    /// What became of a change of oom_score_adj; the undo that waited for it.
    pub(super) fn adjusted(&mut self, results: Vec<(Adjustment, Result<(), Refusal>)>, undo: bool) -> Option<Effect> {
        self.under_way.batches = self.under_way.batches.saturating_sub(1);
        let mut done = Vec::new();
        let mut failed = Vec::new();
        // What an undo could not take back can still be taken back, unless there is nobody left to do it to.
        let mut kept = Vec::new();
        for (adjustment, result) in results {
            match result {
                Ok(()) => done.push(adjustment),
                Err(refusal) => {
                    if undo && !matches!(refusal, Refusal::Gone | Refusal::Reused) {
                        let Adjustment { id, from, to } = adjustment;
                        kept.push(Adjustment { id, from: to, to: from });
                    }
                    self.intended.retain(|(id, ..)| *id != adjustment.id);
                    failed.push(format!("{}: {}", self.name_of(adjustment.id), refusal.words()));
                }
            }
        }
        let said = match done.as_slice() {
            [] => None,
            [Adjustment { id, from, to }] if undo => Some(format!("undone: {} from {from} to {to}", self.name_of(*id))),
            [Adjustment { id, from, to }] => {
                Some(format!("oom_score_adj of {} from {from} to {to}; Backspace undoes it", self.name_of(*id)))
            }
            several if undo => Some(format!("undone for {} processes", several.len())),
            several => Some(format!("oom_score_adj of {} processes changed; Backspace undoes it", several.len())),
        };
        if done.is_empty() {
            // What it would have taken back never was; what was done before is not meant.
            self.under_way.undos = self.under_way.undos.saturating_sub(1);
        }
        let batch = if undo { kept } else { done };
        if !batch.is_empty() {
            self.undo.push(batch);
            let excess = self.undo.len().saturating_sub(UNDO_DEPTH);
            self.undo.drain(..excess);
        }
        self.tell(said, &failed);
        if self.under_way.batches > 0 || self.under_way.undos == 0 {
            return None;
        }
        self.under_way.undos -= 1;
        self.undo_last()
    }

    fn sort_results(&self, results: Vec<(ProcessId, Result<(), Refusal>)>) -> (Vec<ProcessId>, Vec<String>) {
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (id, result) in results {
            match result {
                Ok(()) => done.push(id),
                Err(refusal) => failed.push(format!("{}: {}", self.name_of(id), refusal.words())),
            }
        }
        (done, failed)
    }

    fn tell(&mut self, done: Option<String>, failed: &[String]) {
        match (done, failed) {
            (Some(done), []) => self.say(Tone::Good, done),
            (Some(done), failed) => self.say(Tone::Bad, format!("{done}; not to {}", summary(failed))),
            (None, []) => {}
            (None, failed) => self.say(Tone::Bad, summary(failed)),
        }
    }

    fn watch(&mut self, id: ProcessId, signal: Signal) {
        let newest = self.newest();
        let watched = Terminating {
            id,
            name: self.name_of(id),
            signal,
            sent: self.now,
            held: newest.process(id).and_then(|process| process.rss.get()),
            available: newest.system.memory.available,
            told: false,
        };
        self.terminating.retain(|other| other.id != id);
        self.terminating.push(watched);
    }

    fn change(&mut self, adjustments: Vec<Adjustment>, undo: bool) -> Effect {
        for adjustment in &adjustments {
            self.intended.retain(|(id, ..)| *id != adjustment.id);
            self.intended.push((adjustment.id, adjustment.to, self.now));
        }
        self.under_way.batches += 1;
        Effect::Adjust { adjustments, undo }
    }

    /// oom_score_adj as far as we know: what we asked for last, else what was read.
    #[must_use]
    pub fn adjustment_of(&self, id: ProcessId) -> Option<i16> {
        let intended = self.intended.iter().find(|(of, ..)| *of == id).map(|(_, value, _)| *value);
        intended.or_else(|| self.newest().process(id)?.oom_score_adj)
    }

    /// Whether what a key would act on is on the screen: the selected process by its row or as the title of a pane, tagged
    /// ones by their table.
    fn shows_targets(&self) -> bool {
        let layout = layout(self);
        layout.panes.iter().any(|area| match area.pane {
            Pane::Top if !self.list.tagged.is_empty() => true,
            Pane::Top => self.list.line(layout.page(Pane::Top)).is_some(),
            Pane::Growth | Pane::Mappings | Pane::Go => self.list.tagged.is_empty(),
            // They are about the first of a ranking, the dead, a command, a profile of whoever was asked for.
            Pane::Risk | Pane::Kills | Pane::Run | Pane::Output | Pane::Profile => false,
        })
    }

    /// The tagged processes, else the selected one: those that it can be done to, and for each other one why not.
    /// `None`, and the reason is said, when it can be done to nobody.
    fn permitted_targets(&mut self, deed: Deed) -> Option<(Vec<ProcessId>, Vec<String>)> {
        let targets: Vec<ProcessId> = if self.list.tagged.is_empty() {
            self.list.selected.into_iter().collect()
        } else {
            self.list.tagged.iter().copied().collect()
        };
        if let Some(reason) = &self.forbidden {
            self.say(Tone::Bad, reason.to_string());
            return None;
        }
        if targets.is_empty() {
            let group = self.list.selected_group.is_some();
            self.say(
                Tone::Bad,
                if group {
                    "a group is selected: Enter opens it, Space tags its members"
                } else {
                    "no process is selected"
                },
            );
            return None;
        }
        let (mut permitted, mut left_out) = (Vec::new(), Vec::new());
        for id in targets {
            match self.refusal(id, deed) {
                Some(reason) => left_out.push(reason),
                None => permitted.push(id),
            }
        }
        if permitted.is_empty() {
            self.say(Tone::Bad, summary(&left_out));
            return None;
        }
        Some((permitted, left_out))
    }

    /// Why it cannot be done to this process, as far as that is known beforehand.
    fn refusal(&self, id: ProcessId, deed: Deed) -> Option<String> {
        let report = self.newest();
        let own = &report.machine.own;
        let name = self.name_of(id);
        let Some(process) = report.process(id) else { return Some(format!("{name} has ended")) };
        if process.has_ended() {
            return Some(format!("{name} has ended; its parent has not reaped it yet"));
        }
        // Number 1 of a container is a process like others for who looks from outside; only the machine's own is safe.
        if report.system.init == Some(id.pid) && report.machine.initial_pid_namespace != Some(false) {
            return Some(format!(
                "{name} is the machine's init: the kernel never kills it, and nothing runs without it"
            ));
        }
        match deed {
            Deed::Signal if own.id == Some(id) => Some(format!("{name} is oomtop itself: q quits")),
            // kill(2): our effective user must be its real or saved one. The saved one is not known; it differs from
            // the real one only in set-user-ID programs.
            Deed::Signal => self.lacks(process, OwnRights::KILL, "CAP_KILL"),
            // The file belongs to the user of the process, and only the owner may write it.
            Deed::Adjust(to) => self.lacks(process, OwnRights::DAC_OVERRIDE, "CAP_DAC_OVERRIDE").or_else(|| {
                let to = to?;
                // From below 0 the kernel answers: it allows what a process with the right has set before.
                let crosses = to < 0 && self.adjustment_of(id).is_none_or(|from| from >= 0);
                (crosses && !own.has(OwnRights::SYS_RESOURCE)).then(|| {
                    format!(
                        "{name}: oom_score_adj below 0 needs CAP_SYS_RESOURCE, which you lack; raise that of others \
                         instead"
                    )
                })
            }),
        }
    }

    fn lacks(&self, process: &ProcessReport, capability: u64, called: &str) -> Option<String> {
        let machine = &self.newest().machine;
        let uid = process.identity.uid.filter(|uid| *uid != machine.own.effective_uid)?;
        let owner = machine.user(uid).map_or_else(|| uid.to_string(), |name| text::printable(name.as_bytes()).into());
        (!machine.own.has(capability)).then(|| {
            format!(
                "{} belongs to {owner}: that needs the same user or {called}, which you lack",
                self.name_of(process.id)
            )
        })
    }

    /// Name and number of a process as the footer says it.
    #[must_use]
    pub fn name_of(&self, id: ProcessId) -> String {
        if let Some(process) = self.newest().process(id).or_else(|| self.report.process(id)) {
            return format!("{} {}", text::printable(&process.identity.name), id.pid);
        }
        let ended = self.terminating.iter().find(|watched| watched.id == id);
        let name = ended.map(|watched| watched.name.as_str()).or_else(|| self.places.name(id));
        name.map_or_else(|| format!("process {}", id.pid), str::to_owned)
    }
}

impl Refusal {
    /// In words.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Gone => "it has ended",
            Self::Reused => "its PID now belongs to another process: nothing was done",
            Self::Denied(reason) | Self::Unsupported(reason) | Self::Failed(reason) => reason,
        }
    }
}

fn summary(reasons: &[String]) -> String {
    match reasons {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
