//! The terminal: raw mode, the alternate screen, one write per frame, and giving it all back whatever happens. One
//! descriptor of our own in non-blocking mode reads keys and writes frames, so that neither a stalled nor a vanished
//! terminal can hold the program or make it spin. Refuses to know what is drawn.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Frame;
use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios};
use tokio::io::unix::AsyncFd;

use super::encoder::Encoder;

/// Alternate screen, no cursor, bracketed paste.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
/// The reverse, and the end of whatever a frame may have begun.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?25h\x1b[?1049l";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// A terminal that does not know its size (a serial line, a container that is being attached) is treated as curses
/// treats it.
const UNKNOWN_SIZE: Size = Size { width: 80, height: 24 };

/// How long a terminal that takes no bytes may delay the end.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// Why there is no terminal to draw on.
#[derive(Debug)]
pub enum TerminalError {
    /// Standard output is a pipe or a file.
    NoTerminal,
    /// `TERM` says that it cannot move its cursor.
    TooSimple(OsString),
    /// The kernel refused.
    Io(io::Error),
}

impl fmt::Display for TerminalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => f.write_str("standard output is not a terminal; use `oomtop snapshot` for plain text"),
            Self::TooSimple(kind) => write!(
                f,
                "TERM={}: this terminal cannot show a full screen; use `oomtop snapshot` for plain text",
                kind.display()
            ),
            Self::Io(error) => write!(f, "the terminal cannot be used: {error}"),
        }
    }
}

impl std::error::Error for TerminalError {}

impl From<Errno> for TerminalError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<io::Error> for TerminalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The device and how it was found. Shared with the panic hook, which must be able to give it back from any thread.
#[derive(Debug)]
struct Device {
    tty: OwnedFd,
    found: Termios,
    mouse: bool,
    entered: AtomicBool,
}

impl Device {
    fn enter(&self) -> Result<(), Errno> {
        let mut raw = self.found.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&self.tty, OptionalActions::Now, &raw)?;
        self.entered.store(true, Ordering::SeqCst);
        self.write_patiently(ENTER);
        if self.mouse {
            self.write_patiently(MOUSE_ON);
        }
        Ok(())
    }

    /// Gives the terminal back; does nothing the second time. Errors have nobody left to be told to.
    fn leave(&self) {
        if self.entered.swap(false, Ordering::SeqCst) {
            if self.mouse {
                self.write_patiently(MOUSE_OFF);
            }
            self.write_patiently(LEAVE);
            let _ = rustix::termios::tcsetattr(&self.tty, OptionalActions::Now, &self.found);
        }
    }

    fn write_patiently(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.tty, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut ready = [PollFd::new(&self.tty, PollFlags::OUT)];
                    if !matches!(rustix::event::poll(&mut ready, Some(&PATIENCE)), Ok(1..)) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// The shared device as tokio wants to see it.
#[derive(Debug)]
struct Shared(Arc<Device>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.tty.as_raw_fd()
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.tty.as_fd()
    }
}

/// A terminal in our hands; dropping it gives it back.
#[derive(Debug)]
pub struct Terminal {
    device: Arc<Device>,
    readiness: AsyncFd<Shared>,
    screen: ratatui::Terminal<Encoder>,
    /// What the terminal has not taken yet.
    unsent: Vec<u8>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.device.leave();
    }
}

/// What a terminal had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// It is gone.
    HungUp,
}

impl Terminal {
    /// Takes the terminal at standard output; must be called inside a tokio runtime. From here on a panic on any
    /// thread gives it back before it is reported.
    ///
    /// # Errors
    /// No terminal, or one that cannot show a screen.
    pub fn open(kind: Option<OsString>, mouse: bool) -> Result<Self, TerminalError> {
        let output = rustix::stdio::stdout();
        if !rustix::termios::isatty(output) {
            return Err(TerminalError::NoTerminal);
        }
        if let Some(kind) = kind.filter(|kind| kind == "dumb") {
            return Err(TerminalError::TooSimple(kind));
        }
        Self::take(reopen()?, mouse)
    }

    fn take(tty: OwnedFd, mouse: bool) -> Result<Self, TerminalError> {
        let found = rustix::termios::tcgetattr(&tty)?;
        let device = Arc::new(Device { tty, found, mouse, entered: AtomicBool::new(false) });
        #[expect(
            deprecated,
            reason = "its successor is an unsafe function that asks for what Shared guarantees by its \
                                       type: one descriptor, owned, always the same"
        )]
        let readiness = AsyncFd::new(Shared(Arc::clone(&device)))?;
        let Ok(screen) = ratatui::Terminal::new(Encoder::new(size_of(&device.tty)));
        give_back_on_panic(&device);
        let terminal = Self { device, readiness, screen, unsent: Vec::new() };
        // Last: from here on whatever fails drops the terminal, which gives it back.
        terminal.device.enter()?;
        Ok(terminal)
    }

    /// Columns and rows, as of now.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let size = size_of(&self.device.tty);
        (size.width, size.height)
    }

    /// Waits for input and reads it.
    pub async fn read(&self, buffer: &mut [u8]) -> Heard {
        let read = self.readiness.async_io(tokio::io::Interest::READABLE, |shared| {
            rustix::io::read(shared, &mut *buffer).map_err(io::Error::from)
        });
        match read.await {
            Ok(count @ 1..) => Heard::Bytes(count),
            // End of file and EIO are both a terminal that is no more.
            Ok(0) | Err(_) => Heard::HungUp,
        }
    }

    /// Whether a frame still waits for the terminal to take it. No other is drawn meanwhile.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Waits until the terminal may take more bytes; [`Terminal::flush`] then gives them to it.
    pub async fn writable(&self) {
        if let Ok(mut ready) = self.readiness.writable().await {
            // Cleared before the write, not after: what becomes possible in between is an edge of its own.
            ready.clear_ready();
        }
    }

    /// Draws a frame and hands what changed to the terminal in one write; nothing is written when nothing changed.
    ///
    /// # Errors
    /// The terminal is gone, or a panic elsewhere has given it back.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !self.device.entered.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let size = size_of(&self.device.tty);
        if self.screen.size().ok() != Some(size) {
            self.screen.backend_mut().resize(size);
        }
        let Ok(_) = self.screen.draw(render);
        self.screen.backend_mut().take(&mut self.unsent);
        self.flush()
    }

    /// Hands a sequence of our own to the terminal, after what waits already.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn send(&mut self, sequence: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(sequence);
        self.flush()
    }

    /// The next frame is drawn whole: nobody knows what the terminal shows.
    pub fn repaint(&mut self) {
        self.screen.backend_mut().forget();
        let Ok(()) = self.screen.clear();
    }

    /// Gives the terminal back for a while.
    pub fn leave(&mut self) {
        self.unsent.clear();
        self.device.leave();
    }

    /// Takes it again, whether we or somebody else gave it away, and draws everything anew with the next frame.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn enter(&mut self) -> io::Result<()> {
        self.device.enter()?;
        self.repaint();
        Ok(())
    }

    /// Hands over what waits; what the terminal does not take keeps waiting.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        match send(self.readiness.get_ref(), &mut self.unsent) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }
}

/// Writes as much as the terminal takes; `WouldBlock` when something remains.
fn send(tty: impl AsFd, unsent: &mut Vec<u8>) -> io::Result<()> {
    while !unsent.is_empty() {
        match rustix::io::write(&tty, unsent) {
            Ok(written) => drop(unsent.drain(..written)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // A first frame is large; the ones that follow need a fraction of it.
    unsent.shrink_to(4096);
    Ok(())
}

/// A description of our own of the terminal at standard output: making the one that the shell gave us non-blocking
/// would make the shell's non-blocking too.
fn reopen() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // After `su` the device may belong to somebody else; /dev/tty may always be opened.
    rustix::fs::open("/proc/self/fd/1", flags, Mode::empty())
        .or_else(|_| rustix::fs::open("/dev/tty", flags, Mode::empty()))
}

fn size_of(tty: &OwnedFd) -> Size {
    match rustix::termios::tcgetwinsize(tty) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size::new(size.ws_col, size.ws_row),
        _ => UNKNOWN_SIZE,
    }
}

/// The hook that was there reports; before it does, the terminal is given back.
fn give_back_on_panic(device: &Arc<Device>) {
    let report = std::panic::take_hook();
    let device = Arc::clone(device);
    std::panic::set_hook(Box::new(move |panic| {
        device.leave();
        report(panic);
    }));
}

/// OSC 52: puts text into the clipboard of the person at the terminal, also across SSH.
#[must_use]
pub fn clipboard_sequence(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut sequence = b"\x1b]52;c;".to_vec();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let digit = (bits >> (18 - 6 * position)) & 63;
            sequence.push(if position <= chunk.len() { ALPHABET[digit as usize] } else { b'=' });
        }
    }
    sequence.push(7);
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_terminal_that_cannot_be_waited_for_is_not_left_raw() {
        let pty = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::unlockpt(&pty).unwrap();
        let name = rustix::pty::ptsname(&pty, Vec::new()).unwrap();
        let tty = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let found = rustix::termios::tcgetattr(&tty).unwrap().local_modes;
        // The kernel takes a descriptor into a set of awaited ones only once: the second time is the error.
        #[expect(deprecated, reason = "as in Terminal::take")]
        let _first = AsyncFd::new(tty.as_raw_fd()).unwrap();
        let other = tty.try_clone().unwrap();
        assert!(matches!(Terminal::take(tty, false), Err(TerminalError::Io(_))));
        assert_eq!(rustix::termios::tcgetattr(&other).unwrap().local_modes, found);
    }

    #[test]
    fn copied_text_is_base64() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("30987", "MzA5ODc=")] {
            let sequence = clipboard_sequence(text);
            assert_eq!(String::from_utf8(sequence).unwrap(), format!("\x1b]52;c;{encoded}\x07"));
        }
    }
}
