//! A process that holds what it is told to hold: the other end of `hog.c`.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Compiles `hog.c`, or takes the one that `OOMTOP_TEST_HOG` names; `None` without a compiler.
pub fn compiled() -> Option<PathBuf> {
    // Once: a second compilation would write to a program that another test is running.
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(compile).clone()
}

fn compile() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("OOMTOP_TEST_HOG") {
        return Some(path.into());
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hog");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oom/hog.c");
    // Put in its place whole: another run of the tests may be running the one that is there.
    let made = program.with_extension(std::process::id().to_string());
    let built = Command::new("cc").args(["-O1", "-static", "-pthread", "-o"]).arg(&made).arg(source).status();
    (built.is_ok_and(|status| status.success()) && std::fs::rename(made, &program).is_ok()).then_some(program)
}

/// A running one.
pub struct Hog {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Hog {
    pub fn start(program: &Path) -> Self {
        Self::start_by(&mut Command::new(program))
    }

    /// By a command that starts it in the end, and hands its input and output on to it.
    pub fn start_by(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        // A test that fills a machine is immune, and what it starts would be.
        std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "0").expect("a child of our own");
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, commands, answers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it something without waiting for the answer.
    pub fn tell(&mut self, command: &str) {
        let _ = writeln!(self.commands, "{command}");
    }

    /// Waits for one answer; `false` when it died instead.
    pub fn answered(&mut self) -> bool {
        let mut line = String::new();
        self.answers.read_line(&mut line).is_ok_and(|read| read > 0)
    }

    /// Tells it something and waits until it is done; `false` when it died instead.
    pub fn does(&mut self, command: &str) -> bool {
        self.tell(command);
        self.answered()
    }

    /// Grows by so many MiB a second, each tenth by its part, until it is killed; gives when that was.
    pub fn grow(mut self, per_second: u64) -> Instant {
        let begin = Instant::now();
        let step = format!("anon {}", per_second * 1024 / 10);
        for tenth in 1.. {
            if !self.does(&step) {
                break;
            }
            sleep((Duration::from_millis(100) * tenth).saturating_sub(begin.elapsed()));
        }
        Instant::now()
    }

    /// Whether SIGKILL has ended it.
    pub fn was_killed(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.signal() == Some(9))
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
