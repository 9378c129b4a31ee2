//! From the wish for a profile to what the shell must fetch: where the process listens is waited for, then the user is asked
//! which one and from where. Refuses to ask anybody whom the user did not choose, unless it is for an alarm.

use crate::golang::pprof::Kind;
use crate::monitor::report::{GoReport, MappingsState};
use crate::snapshot::listening::Listening;
use crate::snapshot::needs::Needs;
use crate::units::ProcessId;

use super::super::dialog::{Dialog, Offer};
use super::super::{Effect, Mode, Pane, State, Tone};
use super::{ProfileCall, Reason};

/// Why it is not known where a process listens, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKnown {
    /// Not yet: it will be.
    Yet(String),
    /// It cannot be, or there is nothing to know.
    Ever(String),
}

impl State {
    /// Where the process that is shown listens, as far as that was looked at.
    #[must_use]
    pub fn listening(&self) -> Option<&Listening> {
        let detail = self.detail.as_deref().filter(|detail| Some(detail.id) == self.profiles.of)?;
        detail.go.as_ref().and_then(GoReport::listening)?.ok()
    }

    /// The user wants a profile. Where it listens is looked for first, unless that is known.
    pub(super) fn want_profile(&mut self) -> Option<Effect> {
        let Some(of) = self.profiles.of else {
            self.say(Tone::Plain, "no process is selected");
            return None;
        };
        if self.profiles.under_way.is_some() {
            self.say(Tone::Plain, "a fetch is already in progress; Esc cancels it");
            return None;
        }
        self.profiles.is_wanted = true;
        self.go_on_with_wanted();
        if self.profiles.is_wanted {
            let who = self.name_of(of);
            self.say(Tone::Plain, format!("looking for the sockets of {who}; Esc cancels"));
        }
        // Also where it did not listen when it was looked at.
        let is_asked = matches!(self.mode, Mode::Dialog(_));
        (!is_asked).then(|| Effect::Require(Needs { refresh: true, ..self.required.clone() }))
    }

    /// Asks which profile to fetch, and from where, once that is known; tells why it never will be.
    pub(in super::super) fn go_on_with_wanted(&mut self) {
        let Some(of) = self.profiles.of.filter(|_| self.profiles.is_wanted && self.mode == Mode::Normal) else {
            return;
        };
        if self.focus != Pane::Profile {
            self.profiles.is_wanted = false;
            return;
        }
        let outcome = match self.listening() {
            Some(listening) => match listening.obstacle() {
                Some(obstacle) => Err(format!("{} {obstacle}", self.name_of(of))),
                None => Ok(self.offers(of, listening)),
            },
            None => match self.why_not_offered(of) {
                NotKnown::Yet(_) => return,
                NotKnown::Ever(why) => Err(why),
            },
        };
        self.profiles.is_wanted = false;
        match outcome {
            Ok(dialog) => self.mode = Mode::Dialog(dialog),
            Err(why) => self.say(Tone::Bad, why),
        }
    }

    fn offers(&self, of: ProcessId, listening: &Listening) -> Dialog {
        let offer = |from| Kind::ALL.map(|kind| Offer { from, kind });
        let offers: Vec<_> = listening.reachable().flat_map(|socket| offer(socket.address)).collect();
        let last = self.profiles.newest_of(of).map(|kept| &kept.call);
        let same = |offer: &Offer| last.is_some_and(|last| last.from == Some(offer.from) && last.kind == offer.kind);
        let cursor = offers.iter().position(same).unwrap_or(0);
        Dialog::Profile { of, offers, cursor }
    }

    /// Why it is not known where a process listens.
    #[must_use]
    pub fn why_not_offered(&self, of: ProcessId) -> NotKnown {
        let name = self.name_of(of);
        let Some(process) = self.report.process(of).filter(|process| !process.has_ended()) else {
            return NotKnown::Ever(format!("{name} has ended"));
        };
        let detail = self.detail.as_deref().filter(|detail| detail.id == of);
        let looked_for = || NotKnown::Yet(format!("still looking for the sockets of {name}"));
        let unreadable = |reason: &str| NotKnown::Ever(format!("where {name} listens is not known: {reason}"));
        match detail.map(|detail| (detail.go.as_ref(), &detail.mappings)) {
            Some((Some(go), mappings)) => match (go.listening(), mappings) {
                (Some(Err(reason)), _) => unreadable(reason.reason()),
                (None, MappingsState::Unreadable(reason)) => unreadable(reason.reason()),
                _ => looked_for(),
            },
            Some((None, _)) if process.identity.executable.is_some() => {
                NotKnown::Ever(format!("{name} is not a Go program"))
            }
            Some((None, MappingsState::Unreadable(reason))) => unreadable(reason.reason()),
            None | Some((None, _)) => looked_for(),
        }
    }

    /// An offer was taken.
    pub(in super::super) fn fetch_profile(&mut self, of: ProcessId, offer: Offer) -> Effect {
        let who = self.name_of(of);
        let kind = offer.kind.word();
        self.say(Tone::Plain, format!("asking {} for the {kind} profile of {who}; Esc cancels", offer.from));
        let call = ProfileCall {
            of,
            who: who.into(),
            from: Some(offer.from),
            kind: offer.kind,
            reason: Reason::Asked,
            base: self.profiles.base(of, offer.kind),
        };
        self.profiles.under_way = Some(ProfileCall { base: None, ..call.clone() });
        Effect::FetchProfile(call)
    }

    /// One of the heap for an alarm, from whichever of its sockets serves it.
    pub(in super::super) fn fetch_for_alarm(&self, of: ProcessId, who: String, alarm: u64) -> Effect {
        Effect::FetchProfile(ProfileCall {
            of,
            who: who.into(),
            from: None,
            kind: Kind::Heap,
            reason: Reason::Alarm(alarm),
            base: self.profiles.base(of, Kind::Heap),
        })
    }
}
