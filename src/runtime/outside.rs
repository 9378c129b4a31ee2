//! Follows processes that somebody else started to their end, on a thread of its own, and tells the screen as a command of
//! ours would be told. Refuses to touch them; ends with the one that listens.

use std::io;
use std::path::Path;
use std::sync::Arc;

use color_eyre::Result;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use crate::app::Event;
use crate::config::Config;
use crate::run::report::Vantage;
use crate::run::{Run, RunPlan};
use crate::source::picked::Picked;
use crate::source::tree::TreeSource;
use crate::units::ProcessId;

use super::follow::settle;
use super::run_screen::Telling;

/// Whom to follow.
#[derive(Debug)]
pub enum Wanted {
    /// The tree that is meant by this process.
    Tree(ProcessId),
    /// Of these, to which the table was narrowed, each that is a `go test`. Nobody where none is.
    GoTestsOf(Vec<ProcessId>),
}

/// Follows whom is wanted; what comes of it is told.
///
/// # Errors
/// No thread could be started.
pub fn follow(config: &Config, wanted: Wanted) -> io::Result<Receiver<Event>> {
    let (proc_root, sys_root) = (config.proc_root.clone(), config.sys_root.clone());
    let (tell, told) = channel(16);
    std::thread::Builder::new().name("follower".into()).spawn(move || match begin(&proc_root, &sys_root, wanted) {
        Ok(Some((runtime, followed))) => runtime.block_on(followed.until_end(tell)),
        Ok(None) => {}
        Err(error) => drop(tell.blocking_send(Event::Watching(Err(format!("{error:#}"))))),
    })?;
    Ok(told)
}

/// What is followed.
struct Followed {
    roots: Vec<ProcessId>,
    /// What the table is narrowed to meanwhile.
    shown: Vec<ProcessId>,
    source: TreeSource,
    run: Run,
}

/// All that can fail. `None`: there is nobody to follow.
fn begin(proc_root: &Path, sys_root: &Path, wanted: Wanted) -> Result<Option<(Runtime, Followed)>> {
    let mut picked = Picked::open(proc_root)?;
    let (roots, shown) = match wanted {
        Wanted::Tree(id) => {
            let roots = vec![picked.meant_by(id)];
            (roots.clone(), roots)
        }
        Wanted::GoTestsOf(ids) => picked.go_tests_of(ids),
    };
    let Some(first) = roots.first() else { return Ok(None) };
    let command = picked.command(*first);
    let source = TreeSource::of_others(proc_root, sys_root, roots.clone())?;
    let run = Run::new(RunPlan { command, vantage: Vantage::Outside, ..RunPlan::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    Ok(Some((runtime, Followed { roots, shown, source, run })))
}

impl Followed {
    /// Until they have ended, or nobody listens any more.
    async fn until_end(mut self, tell: Sender<Event>) {
        if tell.send(Event::Watching(Ok(self.shown))).await.is_err() {
            return;
        }
        let mut telling = Telling::to(tell.clone());
        loop {
            self.run.absorb(&self.source.pass(Vec::new(), false));
            telling.tell(&self.run);
            if self.source.is_over() {
                break;
            }
            sleep(self.source.pause()).await;
            if telling.nobody_listens() {
                return;
            }
        }
        settle(&mut self.source, &mut self.run, false).await;
        let exit = self.run.exit_of(&self.roots);
        let report = self.run.finish(exit, self.source.exit_records());
        let _ = tell.send(Event::RunEnded(Arc::new(report))).await;
    }
}
