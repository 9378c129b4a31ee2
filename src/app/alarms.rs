//! What is done when something begins to warn: a sentence in the footer, the bell, the user's hook. Refuses to judge
//! what warns (that stands in the report) and to let a storm of alarms start more than one hook in a while.

use std::sync::Arc;

use crate::monitor::alarm::AlarmReport;
use crate::units::Timestamp;

use super::{Effect, State, Tone};

/// What was told of alarms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmsTold {
    /// The newest that was told.
    pub newest: u64,
    /// When the hook was last started.
    pub hooked: Option<Timestamp>,
    /// Alarms since then, for which it was not.
    pub withheld: u64,
}

/// One call of the user's hook.
#[derive(Clone, Debug, PartialEq)]
pub struct HookCall {
    /// What it is about.
    pub alarm: Arc<AlarmReport>,
    /// Alarms since the last call that had none.
    pub withheld: u64,
}

impl State {
    /// Tells the alarms of the newest report, each once.
    pub(super) fn tell_alarms(&mut self, effects: &mut Vec<Effect>) {
        let newest = self.newest().clone();
        let alarms = newest.alarms.iter().filter(|alarm| alarm.number > self.alarms.newest);
        let config = self.config.alarm.clone();
        let heard: Vec<_> = alarms.filter(|alarm| config.kinds.contains(&alarm.kind())).collect();
        if let Some(newest) = newest.alarms.last() {
            self.alarms.newest = newest.number;
        }
        if config.heap_profile {
            effects.extend(heard.iter().filter_map(|alarm| self.profile_for(alarm)));
        }
        // The worst of one moment stands first.
        let Some(alarm) = heard.first() else { return };
        if !config.hook.is_empty() {
            self.call_hook(alarm, heard.len() as u64, effects);
        }
        let news: Vec<_> = heard.iter().filter(|alarm| self.is_alarm_news(alarm)).collect();
        let Some(alarm) = news.first() else { return };
        let more = if news.len() > 1 { format!(" (and {} more)", news.len() - 1) } else { String::new() };
        // It stands there for seconds, beside a header that says what is left now.
        self.announce(Tone::Bad, format!("{}{more}", alarm.headline()));
        if config.bell {
            effects.push(Effect::Bell);
        }
    }

    /// Of a Go program: fetch its heap profile while it lives.
    fn profile_for(&self, alarm: &AlarmReport) -> Option<Effect> {
        let process = &alarm.portrait.as_ref()?.process;
        process.identity.executable.as_ref()?.go.as_ref()?;
        Some(self.fetch_for_alarm(process.id, self.name_of(process.id), alarm.number))
    }

    fn call_hook(&mut self, alarm: &Arc<AlarmReport>, heard: u64, effects: &mut Vec<Effect>) {
        let told = &mut self.alarms;
        if told.hooked.is_some_and(|hooked| self.now.since(hooked) < self.config.alarm.hook_every) {
            told.withheld += heard;
            return;
        }
        told.hooked = Some(self.now);
        let withheld = std::mem::take(&mut told.withheld) + heard - 1;
        effects.push(Effect::Hook(HookCall { alarm: Arc::clone(alarm), withheld }));
    }

    /// The hook ended, or could not be started: only a failure is worth a word.
    pub(super) fn hooked(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.announce(Tone::Bad, format!("the hook failed: {why}"));
        }
    }
}
