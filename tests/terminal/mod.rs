//! A program in a terminal of its own, whose screen is modelled, so that what a person would see can be asked for.
//! Waits for what is on the screen, never for time to pass. Refuses to look at half a frame.

#![allow(dead_code, reason = "each binary that includes it uses some of it")]
#![allow(clippy::disallowed_methods, reason = "waits for another program, in real time")]

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};

/// Begin and end of a synchronized update (mode 2026), as each frame of oomtop is one. Of a frame that came in pieces the
/// first may have a row in its new place, and the old one still have it where it was.
const FRAME: [&[u8]; 2] = [b"\x1b[?2026h", b"\x1b[?2026l"];

/// A running program and the screen that it has drawn so far.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    output: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    started: Instant,
    written: usize,
    transcript: Vec<u8>,
    found: Modes,
}

impl Terminal {
    /// Starts the command in a terminal of this size.
    pub fn start(command: std::process::Command, columns: u16, rows: u16) -> Terminal {
        let (pty, pts) = pty_process::blocking::open().expect("a pty");
        pty.resize(Size::new(rows, columns)).expect("a size for the pty");
        let pty = Arc::new(pty);
        let found = modes(&pty);
        let command = Command::from(command).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        let started = Instant::now();
        let child = command.spawn(pts).expect("the program starts");
        let (sender, output) = channel();
        let reader = Arc::clone(&pty);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            // Ends with EIO when the last writer has closed the terminal.
            while let Ok(length) = (&*reader).read(&mut buffer) {
                if length == 0 || sender.send((Instant::now(), buffer[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        Terminal {
            pty,
            child,
            output,
            parser: parser(columns, rows),
            started,
            written: 0,
            transcript: Vec::new(),
            found,
        }
    }

    /// When the program was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The process number of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many bytes it has written to the terminal, as far as they were looked at.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Every byte that it has written, as far as they were looked at.
    pub fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// The modes that the program found.
    pub fn modes_found(&self) -> Modes {
        self.found
    }

    /// The modes as they are now.
    pub fn modes(&self) -> Modes {
        modes(&self.pty)
    }

    /// The screen as of the last look.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let (rows, columns) = self.screen().size();
        (columns.get(), rows.get())
    }

    /// The rows of the screen as text.
    pub fn text(&self) -> Vec<String> {
        self.screen().rows(0, self.size().0).collect()
    }

    /// Types these bytes.
    pub fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Gives the terminal another size; what it shows is void until the program draws again.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.parser = parser(columns, rows);
        self.pty.resize(Size::new(rows, columns)).expect("a size for the pty");
    }

    /// Draws what arrives until the screen is as wanted, and tells when the bytes arrived that made it so.
    /// The error is the screen as it stands after `patience`, or when the program has ended.
    pub fn until(&mut self, patience: Duration, wanted: impl Fn(&vt100::Screen) -> bool) -> Result<Instant, String> {
        let begin = Instant::now();
        if !self.is_amid_frame() && wanted(self.screen()) {
            return Ok(begin);
        }
        loop {
            match self.output.recv_timeout(patience.saturating_sub(begin.elapsed())) {
                Ok((arrived, bytes)) => {
                    self.written += bytes.len();
                    self.transcript.extend_from_slice(&bytes);
                    self.parser.process(&bytes);
                    if !self.is_amid_frame() && wanted(self.screen()) {
                        return Ok(arrived);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(format!("not within {patience:?}:\n{}", self.contents())),
                Err(RecvTimeoutError::Disconnected) => return Err(format!("it ended:\n{}", self.contents())),
            }
        }
    }

    /// Draws whatever arrives for so long.
    pub fn watch(&mut self, time: Duration) {
        let _ = self.until(time, |_| false);
    }

    /// Waits for the program to end by itself.
    pub fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            self.watch(Duration::from_millis(10));
            if let Ok(Some(status)) = self.child.try_wait() {
                // Its last words; ends when nobody has the terminal any more.
                self.watch(Duration::from_secs(1));
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Whether a frame has begun to arrive and not ended.
    fn is_amid_frame(&self) -> bool {
        let [begun, ended] = FRAME.map(|mark| self.transcript.windows(mark.len()).rposition(|window| window == mark));
        begun > ended
    }

    fn contents(&self) -> String {
        self.text().join("\n")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a terminal does with what goes through it (termios(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
}

/// Those of the side that the program has.
fn modes(pty: &Pty) -> Modes {
    let termios = rustix::termios::tcgetattr(pty).expect("the modes of the pty");
    Modes {
        input: termios.input_modes.bits(),
        output: termios.output_modes.bits(),
        control: termios.control_modes.bits(),
        local: termios.local_modes.bits(),
    }
}

fn parser(columns: u16, rows: u16) -> vt100::Parser {
    let at_least_one = |n: u16| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
    vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0)
}
