//! An answer in HTTP/1.1 as it comes in, piece by piece: status, headers, body by its length, in chunks or to the end
//! (RFC 9112). Pure over bytes. Refuses what is too long, what contradicts itself, every redirection, and what is cut.

use std::fmt;

use httparse::{EMPTY_HEADER, Header, Status};

use crate::golang::pprof::LARGEST;
use crate::text::printable;

/// Bytes of all that stands before the body.
const HEAD: usize = 16 << 10;
/// Headers that are read.
const HEADERS: usize = 64;
/// Bytes of the line before a chunk.
const CHUNK_LINE: usize = 256;

/// Why an answer is no good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no HTTP.
    NotHttp,
    /// Its headers do not end.
    EndlessHead,
    /// It sends us elsewhere: where.
    Redirection(u16, String),
    /// It is not 200: the number and its words.
    Refused(u16, String),
    /// Something but a profile: its Content-Type.
    NotProfile(String),
    /// Its length or its coding is nothing that we know.
    Framing(&'static str),
    /// The body is larger than any profile.
    TooLarge,
    /// It ended before its body did.
    Cut,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => f.write_str("it does not speak HTTP"),
            Self::EndlessHead => write!(f, "its headers exceed {} KiB", HEAD >> 10),
            Self::Redirection(code, to) => write!(f, "it redirects to {to} ({code}), which is not followed"),
            Self::Refused(404, _) => {
                f.write_str("no /debug/pprof there (404): it does not serve net/http/pprof on that socket")
            }
            Self::Refused(code @ (401 | 403 | 407), words) => {
                write!(f, "it requires a login ({code} {words})")
            }
            Self::Refused(code, words) => write!(f, "it answered {code} {words}"),
            Self::NotProfile(kind) => write!(f, "it answered with {kind}, not a profile"),
            Self::Framing(what) => write!(f, "its answer is malformed: {what}"),
            Self::TooLarge => write!(f, "its answer is larger than {} MiB", LARGEST >> 20),
            Self::Cut => f.write_str("its answer was cut short"),
        }
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Not yet: the headers are not complete.
    Unknown,
    /// So many bytes are missing.
    Sized(usize),
    /// The connection is closed behind it.
    ToTheEnd,
    /// A line with the length of a chunk comes next.
    ChunkLine,
    /// So many bytes of a chunk are missing, then the end of a line.
    Chunk(usize),
    /// All of it is here.
    Whole,
}

/// An answer that comes in.
#[derive(Debug)]
pub struct Response {
    /// Came, and was not taken apart yet.
    pending: Vec<u8>,
    body: Vec<u8>,
    state: Body,
    /// Bytes of heads that announced another.
    announced: usize,
}

impl Default for Response {
    fn default() -> Self {
        Self { pending: Vec::new(), body: Vec::new(), state: Body::Unknown, announced: 0 }
    }
}

impl Response {
    /// Takes what came; whether all of it is here.
    ///
    /// # Errors
    /// It is no good, and more of it would not help.
    pub fn take(&mut self, bytes: &[u8]) -> Result<bool, Refusal> {
        self.pending.extend_from_slice(bytes);
        while self.step()? {}
        Ok(self.state == Body::Whole)
    }

    /// The body, when nothing comes any more.
    ///
    /// # Errors
    /// Something is missing.
    pub fn end(self) -> Result<Vec<u8>, Refusal> {
        match self.state {
            Body::Whole | Body::ToTheEnd => Ok(self.body),
            Body::Unknown if self.pending.is_empty() => Err(Refusal::Cut),
            Body::Unknown if !b"HTTP/1.".starts_with(&self.pending[..self.pending.len().min(7)]) => {
                Err(Refusal::NotHttp)
            }
            Body::Unknown | Body::Sized(_) | Body::ChunkLine | Body::Chunk(_) => Err(Refusal::Cut),
        }
    }

    /// One step on; whether another may be possible with what is here.
    fn step(&mut self) -> Result<bool, Refusal> {
        match self.state {
            Body::Whole => Ok(false),
            Body::Unknown => self.head(),
            Body::ToTheEnd => {
                let all = self.pending.len();
                self.keep(all)?;
                Ok(false)
            }
            Body::Sized(missing) => {
                let kept = self.keep(missing)?;
                self.state = if kept == missing { Body::Whole } else { Body::Sized(missing - kept) };
                Ok(false)
            }
            Body::ChunkLine => self.chunk_line(),
            Body::Chunk(missing) => self.chunk(missing),
        }
    }

    /// Moves at most so many bytes into the body.
    fn keep(&mut self, most: usize) -> Result<usize, Refusal> {
        let count = most.min(self.pending.len());
        if self.body.len() + count > LARGEST {
            return Err(Refusal::TooLarge);
        }
        self.body.extend(self.pending.drain(..count));
        Ok(count)
    }

    fn head(&mut self) -> Result<bool, Refusal> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(&self.pending).map_err(|error| match error {
            httparse::Error::TooManyHeaders => Refusal::EndlessHead,
            _ => Refusal::NotHttp,
        })?;
        let length = match parsed {
            Status::Complete(length) => length,
            Status::Partial => self.pending.len(),
        };
        if self.announced + length > HEAD {
            return Err(Refusal::EndlessHead);
        }
        if parsed.is_partial() {
            return Ok(false);
        }
        let (code, words) = (head.code.unwrap_or(0), head.reason.unwrap_or_default());
        match code {
            // Another follows.
            100..200 => self.announced += length,
            200 => self.state = body(head.headers)?,
            300..400 => {
                let to = find(head.headers, "location").next().unwrap_or_default();
                return Err(Refusal::Redirection(code, short(to)));
            }
            _ => return Err(Refusal::Refused(code, short(words.as_bytes()))),
        }
        self.pending.drain(..length);
        Ok(true)
    }

    fn chunk_line(&mut self) -> Result<bool, Refusal> {
        let line = &self.pending[..self.pending.len().min(CHUNK_LINE)];
        match httparse::parse_chunk_size(line) {
            Ok(Status::Complete((length, size))) => {
                let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST).ok_or(Refusal::TooLarge)?;
                self.pending.drain(..length);
                // What follows the last one says nothing of the body.
                self.state = if size == 0 { Body::Whole } else { Body::Chunk(size) };
                Ok(true)
            }
            Ok(Status::Partial) if line.len() < CHUNK_LINE => Ok(false),
            Ok(Status::Partial) | Err(_) => Err(Refusal::Framing("a chunk has no length")),
        }
    }

    fn chunk(&mut self, missing: usize) -> Result<bool, Refusal> {
        let kept = self.keep(missing)?;
        self.state = Body::Chunk(missing - kept);
        if kept < missing || self.pending.len() < 2 {
            return Ok(false);
        }
        if !self.pending.starts_with(b"\r\n") {
            return Err(Refusal::Framing("a chunk is longer than declared"));
        }
        self.pending.drain(..2);
        self.state = Body::ChunkLine;
        Ok(true)
    }
}

fn find<'a>(headers: &'a [Header<'a>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// What follows the headers.
fn body(headers: &[Header<'_>]) -> Result<Body, Refusal> {
    if let Some(kind) = find(headers, "content-type").next().filter(|kind| kind.starts_with(b"text/")) {
        return Err(Refusal::NotProfile(short(kind)));
    }
    if find(headers, "content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::Framing("it is compressed, which was not requested"));
    }
    let mut codings = find(headers, "transfer-encoding");
    let mut lengths = find(headers, "content-length");
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Body::ToTheEnd),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Body::ChunkLine)
        }
        (None, Some(length)) if lengths.all(|other| other == length) => {
            let text = std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = text.filter(|text| !text.is_empty()).ok_or(Refusal::Framing("its length is not a number"))?;
            match length.parse() {
                Ok(0) => Ok(Body::Whole),
                Ok(length) if length <= LARGEST => Ok(Body::Sized(length)),
                _ => Err(Refusal::TooLarge),
            }
        }
        (Some(_), None) => Err(Refusal::Framing("its transfer encoding is unknown")),
        (_, Some(_)) => Err(Refusal::Framing("it declares its length twice")),
    }
}

/// Words of the other side, safe to show and no longer than a line has room for.
fn short(words: &[u8]) -> String {
    let words = printable(words);
    if words.chars().count() <= 80 { words.into_owned() } else { words.chars().take(79).chain(['~']).collect() }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
