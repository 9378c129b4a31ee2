//! The thin shell around the fold: waits for keys, signals, time and results, gives them to `app::update` as events,
//! and does what the effects ask for. Refuses to decide anything that a screen shows.

pub mod actor;
mod asked;
pub mod child;
pub mod encoder;
pub mod explain;
pub mod follow;
mod go_test;
pub mod headless;
mod hook;
pub mod input;
pub mod job;
pub mod latest;
mod outside;
pub mod own_cgroup;
mod patient;
pub mod pprof;
pub mod prober;
pub mod profiles;
mod protection;
pub mod run;
mod run_screen;
pub mod sampler;
mod session;
pub mod signals;
pub mod terminal;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use color_eyre::eyre::Result;

use crate::app::run::Stage;
use crate::config::Config;
use crate::export::run::write_text;
use crate::source::attention::Attention;
use crate::source::live::Live;
use crate::source::{self, Source, SourceError};

use asked::Asked;
use prober::{Probe, Prober};
use protection::Protection;
use sampler::Sampler;
use session::Readers;

/// How a session on the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user quit.
    Quit,
    /// By this signal.
    Signal(i32),
    /// The terminal is gone.
    HungUp,
    /// A thread panicked: the terminal was given back, and the report stands on it.
    Panicked,
}

impl Ending {
    /// As a shell expects it.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        const HANG_UP: i32 = 1;
        match self {
            Self::Quit => ExitCode::SUCCESS,
            Self::Signal(number) => ExitCode::from(128 + number as u8),
            Self::HungUp => ExitCode::from(128 + HANG_UP as u8),
            // As Rust's own runtime ends a program that panicked.
            Self::Panicked => ExitCode::from(101),
        }
    }
}

/// Shows the machine on the terminal until the user, a signal or the terminal ends it.
///
/// # Errors
/// No terminal, no procfs, none of the processes asked for.
pub fn live(config: Config) -> Result<Ending> {
    let (proc_root, sys_root) = (config.proc_root.clone(), config.sys_root.clone());
    let open_prober = prober_of(&config);
    watch(config, move || Live::open(&proc_root, &sys_root), open_prober)
}

/// What opens the prober of a session.
fn prober_of(
    config: &Config,
) -> impl Fn(Attention) -> Result<source::prober::Prober, SourceError> + Send + Sync + 'static {
    let (proc_root, whose) = (config.proc_root.clone(), config.go_memory);
    let budget = source::prober::Budget::of_percent(config.smaps_share);
    move |attention| {
        let prober = source::prober::Prober::open(&proc_root)?;
        Ok(prober.looking_into(whose).spending(budget).watched_by(attention))
    }
}

/// The same for any source and prober. Each is opened and stays on a thread of its own.
///
/// # Errors
/// No terminal; none of the processes asked for; a source that cannot be opened or fails as a whole.
pub fn watch<S: Source, P: Probe>(
    config: Config,
    open_source: impl FnOnce() -> Result<S, SourceError> + Send + 'static,
    open_prober: impl Fn(Attention) -> Result<P, SourceError> + Send + Sync + 'static,
) -> Result<Ending> {
    // Numbers that a person typed are answered before the screen is taken.
    let asked = Asked::of(&config)?;
    let protection = Protection::begin(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let ending = runtime.block_on(async {
        let readers = Readers { sampler: Sampler::start(open_source)?, prober: Prober::start(open_prober)? };
        session::run(Arc::new(config), asked, readers, protection, None).await
    });
    // A thread that is inside a slow read of /proc is not waited for.
    runtime.shutdown_background();
    let (ending, state) = ending?;
    if let Some(Stage::Over(report)) = state.run.map(|run| run.stage) {
        // The screen took the verdict with it. Nobody there to read it is no failure.
        let _ = write_text(&mut io::stderr().lock(), &report, headless::columns_of(&io::stderr()));
    }
    Ok(ending)
}
