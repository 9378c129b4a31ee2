//! Follows processes that somebody else started to their end, on a thread of its own, and tells the screen as a command of
//! ours would be told. Refuses to touch them; ends with the one that listens.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use crate::app::Event;
use crate::config::Config;
use crate::run::report::{RunReport, Vantage};
use crate::run::{Run, RunPlan};
use crate::source::SourceError;
use crate::source::picked::Picked;
use crate::source::tree::TreeSource;
use crate::units::ProcessId;

use super::follow::settle;
use super::run_screen::Telling;

/// Follows the trees that are meant by these processes; what comes of it is told.
///
/// # Errors
/// No thread could be started.
pub fn follow(config: &Config, picked: Vec<ProcessId>) -> io::Result<Receiver<Event>> {
    let (proc_root, sys_root) = (config.proc_root.clone(), config.sys_root.clone());
    let (tell, told) = channel(16);
    std::thread::Builder::new().name("follower".into()).spawn(move || {
        let begun = begin(&proc_root, &sys_root, &picked);
        let answer = begun.as_ref().map(|(roots, ..)| roots.clone()).map_err(ToString::to_string);
        if tell.blocking_send(Event::Watching(answer)).is_err() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        if let (Ok((roots, source, run)), Ok(runtime)) = (begun, runtime) {
            runtime.block_on(async {
                if let Some(report) = to_end(&roots, source, run, tell.clone()).await {
                    let _ = tell.send(Event::RunEnded(Arc::new(report))).await;
                }
            });
        }
    })?;
    Ok(told)
}

fn begin(
    proc_root: &Path,
    sys_root: &Path,
    picked: &[ProcessId],
) -> Result<(Vec<ProcessId>, TreeSource, Run), SourceError> {
    let mut above = Picked::open(proc_root)?;
    let mut roots: Vec<ProcessId> = picked.iter().map(|id| above.meant_by(*id)).collect();
    roots.sort_unstable();
    roots.dedup();
    let command = roots.first().map(|root| above.command(*root)).unwrap_or_default();
    let source = TreeSource::of_others(proc_root, sys_root, roots.clone())?;
    Ok((roots, source, Run::new(RunPlan { command, vantage: Vantage::Outside, ..RunPlan::default() })))
}

/// Until they have ended; `None` when nobody listens any more.
async fn to_end(roots: &[ProcessId], mut source: TreeSource, mut run: Run, tell: Sender<Event>) -> Option<RunReport> {
    let mut telling = Telling::to(tell);
    loop {
        run.absorb(&source.pass(Vec::new(), false));
        telling.tell(&run);
        if source.is_over() {
            break;
        }
        sleep(source.pause()).await;
        if telling.nobody_listens() {
            return None;
        }
    }
    settle(&mut source, &mut run, false).await;
    let exit = run.exit_of(roots);
    Some(run.finish(exit, source.exit_records()))
}
