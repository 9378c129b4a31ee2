//! Starts the user's hook when something begins to warn: a program with its arguments, no shell, the facts in its
//! environment, nothing on its standard streams, in a process group of its own, and for a while only. On a thread of
//! its own, so that it can hold up nobody. Refuses to run two at once, and to let more than one wait.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::app::{Event, HookCall};
use crate::config::{AlarmConfig, START};
use crate::export::json::rfc3339;
use crate::monitor::alarm::{AlarmReport, Portrait};
use crate::text::printable;

use super::child::Aside;

/// How often it is looked whether the hook has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The loop's end of the thread.
#[derive(Debug)]
pub struct Hook {
    /// Nothing where there is no hook.
    calls: Option<SyncSender<HookCall>>,
}

impl Hook {
    /// Starts the thread, where there is a hook; `oom_score_adj` is what it shall have where ours is not its business.
    /// What became of each call comes as an event.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(config: &AlarmConfig, oom_score_adj: Option<i16>) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let (tell, outcomes) = mpsc::channel(1);
        if config.hook.is_empty() {
            return Ok((Self { calls: None }, outcomes));
        }
        let (calls, orders) = sync_channel::<HookCall>(1);
        let (command, timeout) = (config.hook.clone(), config.hook_timeout);
        std::thread::Builder::new().name("hook".into()).spawn(move || {
            for call in orders {
                let outcome = run(&command, &facts(&call), timeout, oom_score_adj);
                if tell.blocking_send(Event::Hooked(outcome)).is_err() {
                    return;
                }
            }
        })?;
        Ok((Self { calls: Some(calls) }, outcomes))
    }

    /// Has the hook called.
    ///
    /// # Errors
    /// One runs and another waits, or the thread is gone: what to tell.
    pub fn call(&self, call: HookCall) -> Result<(), Event> {
        let Some(calls) = &self.calls else { return Ok(()) };
        calls.try_send(call).map_err(|refused| {
            Event::Hooked(Err(match refused {
                TrySendError::Full(_) => "the previous one is still running".into(),
                TrySendError::Disconnected(_) => "its thread has ended".into(),
            }))
        })
    }
}

/// Runs it until it ends or its time is up; then it is killed with all that it started and that stayed in its group.
fn run(
    command: &[String],
    facts: &[(&'static str, String)],
    timeout: Duration,
    oom_score_adj: Option<i16>,
) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let told = |error: io::Error| format!("{}: {error}", printable(program.as_bytes()));
    let mut hook = becoming(program, oom_score_adj);
    hook.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What we were called with is no business of ours to pass on under our own name.
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| name.as_encoded_bytes().starts_with(b"OOMTOP_"));
    for name in ours {
        hook.env_remove(name);
    }
    hook.envs(facts.iter().map(|(name, value)| (name, value)));
    let mut child = Aside::start(&mut hook).map_err(told)?;
    match wait(&mut child, timeout).map_err(told)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{}: {status}", printable(program.as_bytes()))),
        None => Err(format!("{}: killed after {timeout:?}", printable(program.as_bytes()))),
    }
}

/// The program, or ourselves becoming it: between fork and exec it takes an oom_score_adj that is not ours.
#[expect(clippy::disallowed_methods, reason = "the user's hook is a process")]
fn becoming(program: &str, oom_score_adj: Option<i16>) -> Command {
    let Some(adjustment) = oom_score_adj else { return Command::new(program) };
    let mut start = Command::new("/proc/self/exe");
    start.args([START, "--oom-score-adj", &adjustment.to_string(), "--", program]);
    start
}

/// `None`: it was killed.
#[expect(clippy::disallowed_methods, reason = "a hook gets a time that passes outside of the fold")]
fn wait(child: &mut Aside, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    let mut was_killed = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((!was_killed).then_some(status));
        }
        if !was_killed && begin.elapsed() >= timeout {
            child.kill()?;
            was_killed = true;
        }
        std::thread::sleep(LOOK);
    }
}

/// What the hook is told, by the names of its environment. What is not known is not there. Names are made safe to show:
/// whoever writes them into a terminal or a message need not care.
fn facts(call: &HookCall) -> Vec<(&'static str, String)> {
    let AlarmReport { wall, portrait, domain, .. } = &*call.alarm;
    let mut facts = vec![
        ("OOMTOP_ALARM", call.alarm.kind().to_owned()),
        ("OOMTOP_MESSAGE", call.alarm.sentence()),
        ("OOMTOP_WITHHELD", call.withheld.to_string()),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("OOMTOP_TIME", rfc3339(*wall));
    if let Some(Portrait { process, z_score, .. }) = portrait {
        add("OOMTOP_PID", Some(process.id.pid.to_string()));
        add("OOMTOP_START_TIME_TICKS", Some(process.id.start_time.0.to_string()));
        add("OOMTOP_NAME", Some(printable(&process.identity.name).into_owned()));
        add("OOMTOP_UID", process.identity.uid.map(|uid| uid.to_string()));
        add("OOMTOP_CGROUP", process.identity.cgroup.as_ref().map(|path| printable(&path.0).into_owned()));
        add("OOMTOP_RSS_BYTES", process.rss.get().map(|size| size.0.to_string()));
        add("OOMTOP_RSS_ANON_BYTES", process.rss_anon.get().map(|size| size.0.to_string()));
        add("OOMTOP_OOM_SCORE_ADJ", process.oom_score_adj.map(|adj| adj.to_string()));
        add("OOMTOP_RISK", process.risk.map(|rank| rank.to_string()));
        add("OOMTOP_GROWTH_BYTES_PER_S", process.growth.map(|growth| format!("{:.0}", growth.per_second())));
        add("OOMTOP_Z_SCORE", z_score.map(|score| format!("{score:.1}")));
    }
    if let Some(domain) = domain {
        add("OOMTOP_DOMAIN", Some(printable(&domain.path.0).into_owned()));
        add("OOMTOP_DOMAIN_LABEL", Some(printable(domain.label.as_bytes()).into_owned()));
        add("OOMTOP_DOMAIN_LEVEL", Some(domain.level.word().to_owned()));
        add("OOMTOP_LIMIT_BYTES", Some(domain.limit.0.to_string()));
        add("OOMTOP_HEADROOM_BYTES", domain.headroom.map(|headroom| headroom.0.to_string()));
        let growth = domain.growth.map(|growth| format!("{:.0}", growth.per_second()));
        add("OOMTOP_DOMAIN_GROWTH_BYTES_PER_S", growth);
        add("OOMTOP_SECONDS_LEFT", domain.time_left.map(|left| left.as_secs().to_string()));
        if let Some((id, name)) = &domain.first_victim {
            add("OOMTOP_VICTIM_PID", Some(id.pid.to_string()));
            add("OOMTOP_VICTIM_NAME", Some(printable(name).into_owned()));
        }
    }
    facts
}

#[cfg(test)]
mod tests;
