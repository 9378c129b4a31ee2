//! Asks one address of the loopback for one path, in plain HTTP/1.1, within a bounded time, and gives up when told to.
//! Refuses any address that is not of the loopback, and to follow wherever it is sent.

use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::response::{self, Response};

/// How long one asks at most, from connecting to the last byte.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long the kernel may take to connect us: on loopback it answered for itself, unless nobody takes what comes.
const CONNECTING: Duration = Duration::from_secs(1);

/// How often it is looked whether it was given up.
const LOOK: Duration = Duration::from_millis(50);

/// Why nothing was got.
#[derive(Debug)]
pub enum Refusal {
    /// Not of the loopback.
    Elsewhere,
    /// No connection.
    NotConnected(io::Error),
    /// The program does not take its connections: those that wait fill the queue.
    NotAccepted,
    /// Who was to be asked does not listen there any more.
    SomebodyElse,
    /// Not within this time.
    TimedOut(Duration),
    /// The user gave it up.
    GivenUp,
    /// The connection broke.
    Broken(io::Error),
    /// What came is no good.
    Answer(response::Refusal),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str("it is not on loopback"),
            Self::NotConnected(error) => write!(f, "no connection: {error}"),
            Self::NotAccepted => {
                write!(f, "no connection within {} s: it accepts none, and its backlog is full", CONNECTING.as_secs())
            }
            Self::SomebodyElse => f.write_str("it no longer listens there"),
            Self::TimedOut(patience) => write!(f, "no complete answer within {} s", patience.as_secs_f64()),
            Self::GivenUp => f.write_str("cancelled"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Answer(refusal) => refusal.fmt(f),
        }
    }
}

impl From<response::Refusal> for Refusal {
    fn from(refusal: response::Refusal) -> Self {
        Self::Answer(refusal)
    }
}

/// How long something may go on, and whether it still should.
#[derive(Clone, Copy)]
pub struct Leash<'a> {
    deadline: Instant,
    patience: Duration,
    is_given_up: &'a dyn Fn() -> bool,
}

impl<'a> Leash<'a> {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "what another process may take of our time")]
    pub fn new(patience: Duration, is_given_up: &'a dyn Fn() -> bool) -> Self {
        Self { deadline: Instant::now() + patience, patience, is_given_up }
    }

    /// What is left of the time.
    #[expect(clippy::disallowed_methods, reason = "what another process may take of our time")]
    fn left(&self) -> Result<Duration, Refusal> {
        if (self.is_given_up)() {
            return Err(Refusal::GivenUp);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Refusal::TimedOut(self.patience)) } else { Ok(left) }
    }
}

/// What stands at this path there. `is_still_there` is asked when a connection stands: whose it is.
///
/// # Errors
/// Why it was not got.
pub fn get(
    address: SocketAddr,
    path: &str,
    leash: Leash<'_>,
    is_still_there: impl FnOnce() -> bool,
) -> Result<Vec<u8>, Refusal> {
    if !address.ip().is_loopback() {
        return Err(Refusal::Elsewhere);
    }
    let mut connection =
        TcpStream::connect_timeout(&address, leash.left()?.min(CONNECTING)).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Refusal::NotAccepted,
            _ => Refusal::NotConnected(error),
        })?;
    if !is_still_there() {
        return Err(Refusal::SomebodyElse);
    }
    connection.set_write_timeout(Some(leash.left()?)).map_err(Refusal::Broken)?;
    let agent = concat!("oomtop/", env!("CARGO_PKG_VERSION"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\nAccept-Encoding: identity\r\nConnection: \
         close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).map_err(Refusal::Broken)?;
    let mut response = Response::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        connection.set_read_timeout(Some(leash.left()?.min(LOOK))).map_err(Refusal::Broken)?;
        match connection.read(&mut buffer) {
            Ok(0) => return Ok(response.end()?),
            Ok(count) => {
                if response.take(&buffer[..count])? {
                    return Ok(response.end()?);
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => return Err(Refusal::Broken(error)),
            },
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
pub mod tests;
