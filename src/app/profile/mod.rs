//! Profiles of Go programs: which were fetched and are kept, and what of them the pane shows. Refuses to fetch, to parse
//! and to sum: that is done off the event loop, and comes here ready to be shown.

mod fetch;
pub mod frames;
mod keys;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::golang::pprof::{Digest, Flame, Frame, Function, Kind, Order, Top, ValueType};
use crate::snapshot::listening::Family;
use crate::units::{ProcessId, Timestamp};

use super::{Pane, State, Tone};

pub use fetch::NotKnown;

/// A profile that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileCall {
    /// Of whom.
    pub of: ProcessId,
    /// Its name and number, for messages.
    pub who: Box<str>,
    /// From which of its sockets; `None`: the first that serves it.
    pub from: Option<SocketAddr>,
    /// Which.
    pub kind: Kind,
    /// Who wants it.
    pub reason: Reason,
    /// An earlier one: what changed since is told too.
    pub base: Option<Arc<KeptProfile>>,
}

/// Why a profile is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user wants to see it.
    Asked,
    /// It belongs to this alarm.
    Alarm(u64),
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchedProfile {
    /// From where.
    pub from: SocketAddr,
    /// Who else may have answered.
    pub family: Option<Family>,
    /// As it came, for a file.
    pub bytes: Arc<[u8]>,
    /// All of it.
    pub whole: Digest,
    /// What changed since the base.
    pub growth: Option<Digest>,
    /// For an alarm it is saved as soon as it is there, before anybody can be killed: where, or why not.
    pub saved: Option<Result<SavedProfile, String>>,
}

impl FetchedProfile {
    /// The file that it was saved to by itself.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.saved.as_ref()?.as_ref().ok().map(|saved| &*saved.path)
    }
}

/// A profile that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedProfile {
    /// The file.
    pub path: String,
    /// Why it is not where it should be.
    pub not_there: Option<String>,
}

/// A profile that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptProfile {
    /// Counts them from 1.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// What was wanted; without the base.
    pub call: ProfileCall,
    /// When the base had come.
    pub since: Option<Timestamp>,
    /// What came.
    pub fetched: FetchedProfile,
}

impl ProfileCall {
    /// To save this of it.
    #[must_use]
    pub fn to_save(&self, fetched: &FetchedProfile) -> SaveCall {
        let name = format!("{} {}", self.who, self.kind.word());
        SaveCall { name, taken: fetched.whole.profile.taken, bytes: fetched.bytes.clone() }
    }
}

/// A profile that is to be saved.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveCall {
    /// Beginning of the name of the file: what it is of, and which.
    pub name: String,
    /// When it was taken, in nanoseconds since the Unix epoch, where it says.
    pub taken: Option<i64>,
    /// What to write.
    pub bytes: Arc<[u8]>,
}

/// What the pane of profiles shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileView {
    /// Of whom: fixed when the pane is opened, so that a process that ends does not take it along.
    pub of: Option<ProcessId>,
    /// Where it was opened, to go back there.
    pub(super) back: Option<Pane>,
    /// Those of all processes, oldest first; bounded.
    kept: Vec<Arc<KeptProfile>>,
    /// How many there ever were.
    count: u64,
    /// The user wants one, and where the process listens is not known yet: what to ask is asked when it is.
    pub is_wanted: bool,
    /// The one that the user waits for.
    pub under_way: Option<ProfileCall>,
    /// Why the last one that the user wanted did not come.
    pub refusal: Option<(ProcessId, String)>,
    /// The number of the one that is shown; `None`: the newest.
    shown: Option<u64>,
    /// The number of the one from which changes count; `None`: the one before.
    marked: Option<u64>,
    /// How it is shown.
    pub picture: Picture,
    /// All, or what changed.
    pub extent: Extent,
    /// Which of its values, by name; `None`: the one that it names itself.
    value_type: Option<String>,
    /// What leads in the table.
    pub order: Order,
    /// Selected line of the table.
    pub cursor: usize,
    /// Selected frame of the flame graph.
    pub frame: Frame,
    /// The frame that fills its width.
    pub root: Frame,
    /// What is looked for among the functions.
    pub(super) search: Option<String>,
}

/// How a profile is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Picture {
    /// A table of functions.
    #[default]
    Table,
    /// Who called whom, each as wide as what it holds.
    Flame,
}

/// How much of a profile is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    All,
    /// What changed since its base.
    Growth,
}

/// A profile as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct ShownProfile<'a> {
    /// With when and from where it came.
    pub kept: &'a KeptProfile,
    /// All of it, or what changed.
    pub digest: &'a Digest,
    /// Position of the values that are shown.
    pub value_type: usize,
    /// Its functions in the order of the table.
    pub top: &'a Top,
}

impl ShownProfile<'_> {
    /// What its values count.
    #[must_use]
    pub fn counted(&self) -> &ValueType {
        &self.digest.profile.types[self.value_type]
    }

    /// The function of a frame, with its sums.
    #[must_use]
    pub fn function_of(&self, frame: Frame) -> Option<&Function> {
        let function = self.digest.flame.function(frame)?;
        self.top.functions.iter().find(|known| known.function == function)
    }

    /// The name of the function of a frame; `all` for the root.
    #[must_use]
    pub fn name_of(&self, frame: Frame) -> &str {
        self.digest.flame.function(frame).map_or("all", |function| self.digest.profile.name(function))
    }
}

impl ProfileView {
    /// Profiles that are kept.
    const MOST: usize = 8;
    /// Bytes of them, as they came and unpacked, beside the last two: what they are summed to is some three times that.
    const MOST_BYTES: usize = 16 << 20;

    /// Those of the process that is shown, oldest first.
    #[must_use]
    pub fn of_shown(&self) -> impl DoubleEndedIterator<Item = &Arc<KeptProfile>> {
        self.kept.iter().filter(|kept| Some(kept.call.of) == self.of)
    }

    /// The one that belongs to an alarm.
    #[must_use]
    pub fn of_alarm(&self, alarm: u64) -> Option<&KeptProfile> {
        self.kept.iter().map(Arc::as_ref).find(|kept| kept.call.reason == Reason::Alarm(alarm))
    }

    /// The newest of a process.
    #[must_use]
    pub fn newest_of(&self, of: ProcessId) -> Option<&KeptProfile> {
        self.kept.iter().rev().map(Arc::as_ref).find(|kept| kept.call.of == of)
    }

    /// What is looked for.
    #[must_use]
    pub fn search(&self) -> Option<&str> {
        self.search.as_deref()
    }

    fn shown_kept(&self) -> Option<&Arc<KeptProfile>> {
        let wanted = self.of_shown().find(|kept| Some(kept.number) == self.shown);
        wanted.or_else(|| self.of_shown().next_back())
    }

    /// What is shown; `None` where nothing was fetched of this process.
    #[must_use]
    pub fn shown(&self) -> Option<ShownProfile<'_>> {
        let kept = self.shown_kept()?;
        let digest = match (self.extent, &kept.fetched.growth) {
            (Extent::Growth, Some(growth)) => growth,
            (Extent::All, _) | (Extent::Growth, None) => &kept.fetched.whole,
        };
        let types = &digest.profile.types;
        let wished = types.iter().position(|known| Some(&known.name) == self.value_type.as_ref());
        let value_type = wished.unwrap_or(digest.profile.usual);
        Some(ShownProfile { kept, digest, value_type, top: digest.top(value_type, self.order)? })
    }

    /// Whether what is shown is what changed.
    #[must_use]
    pub fn shows_growth(&self) -> bool {
        self.extent == Extent::Growth && self.shown_kept().is_some_and(|kept| kept.fetched.growth.is_some())
    }

    /// From which profile changes count in the next of this kind.
    fn base(&self, of: ProcessId, kind: Kind) -> Option<Arc<KeptProfile>> {
        let mut same = self.kept.iter().rev().filter(|kept| kept.call.of == of && kept.call.kind == kind);
        let marked = same.clone().find(|kept| Some(kept.number) == self.marked);
        marked.or_else(|| same.next()).cloned()
    }

    fn keep(&mut self, call: ProfileCall, at: Timestamp, fetched: FetchedProfile) {
        self.count += 1;
        let since = call.base.as_ref().map(|base| base.at).filter(|_| fetched.growth.is_some());
        let call = ProfileCall { base: None, ..call };
        self.kept.push(Arc::new(KeptProfile { number: self.count, at, call, since, fetched }));
        let weight = |kept: &Arc<KeptProfile>| kept.fetched.bytes.len() + kept.fetched.whole.profile.length;
        let weighs = |kept: &[Arc<KeptProfile>]| kept.iter().map(weight).sum::<usize>();
        while self.kept.len() > Self::MOST || self.kept.len() > 2 && weighs(&self.kept) > Self::MOST_BYTES {
            // Those of alarms, which nobody can fetch again, and the one that is marked go last.
            let last_two = self.kept.len() - 2;
            let can_go =
                |kept: &Arc<KeptProfile>| kept.call.reason == Reason::Asked && Some(kept.number) != self.marked;
            let first = self.kept[..last_two].iter().position(can_go).unwrap_or(0);
            self.kept.remove(first);
        }
    }
}

impl State {
    /// A profile came, or why it did not.
    pub(super) fn profiled(&mut self, call: ProfileCall, outcome: Result<Box<FetchedProfile>, String>) {
        let (who, kind, reason, of) = (call.who.clone(), call.kind.word(), call.reason, call.of);
        if reason == Reason::Asked {
            self.profiles.under_way = None;
            self.profiles.refusal = None;
        }
        match (outcome, reason) {
            (Ok(fetched), _) => {
                let saved = fetched.saved.clone();
                let held = self.held_function();
                self.profiles.keep(call, self.now, *fetched);
                if reason == Reason::Asked {
                    self.profiles.shown = None;
                    self.say(Tone::Good, format!("fetched the {kind} profile of {who}; w saves it"));
                } else {
                    let where_to = match saved {
                        Some(Ok(saved)) => format!("is in {}", saved.path),
                        Some(Err(why)) => format!("is kept, not saved: {why}"),
                        None => "is kept".into(),
                    };
                    self.announce(Tone::Plain, format!("{who} warns; its {kind} profile {where_to}: 9 shows it"));
                }
                self.hold_function(held);
            }
            (Err(why), Reason::Asked) => {
                self.say(Tone::Bad, format!("no {kind} profile of {who}: {why}"));
                self.profiles.refusal = Some((of, why));
            }
            (Err(why), Reason::Alarm(_)) => {
                self.announce(Tone::Bad, format!("{who} warns; no {kind} profile of it: {why}"));
            }
        }
    }

    pub(super) fn profile_saved(&mut self, outcome: Result<SavedProfile, String>) {
        match outcome {
            Ok(SavedProfile { path, not_there: None }) => self.say(Tone::Good, format!("saved: go tool pprof {path}")),
            Ok(SavedProfile { path, not_there: Some(why) }) => {
                self.say(Tone::Good, format!("saved: go tool pprof {path} (not {why})"));
            }
            Err(why) => self.say(Tone::Bad, format!("not saved: {why}")),
        }
    }
}

/// The frame of this function that is widest.
fn widest(flame: &Flame, value_type: usize, function: u32) -> Option<Frame> {
    let all = (1..flame.count() as Frame).filter(|frame| flame.function(*frame) == Some(function));
    all.max_by_key(|frame| (flame.weight(*frame, value_type), std::cmp::Reverse(*frame)))
}
