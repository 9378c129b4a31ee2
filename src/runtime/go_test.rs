//! `oomtop run --tests`: puts `-json` under a `go test`, reads its events, tells them to whoever follows, and prints what go
//! would have printed without. Refuses any other command.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, PipeWriter, Write};
use std::process::Command;
use std::thread::JoinHandle;

use tokio::sync::mpsc::Sender;

use crate::config::RunConfig;
use crate::golang::test_events::{Plain, TestEvent};

use super::child::Notice;

/// The arguments of the command, with `-json` behind `test` where tests are asked.
///
/// # Errors
/// It does not begin with `go test`.
pub fn arguments(asked: &RunConfig) -> io::Result<Vec<OsString>> {
    let mut arguments = asked.command[1..].to_vec();
    if asked.tests {
        let is_go = std::path::Path::new(&asked.command[0]).file_name().is_some_and(|name| name == "go");
        if !is_go || arguments.first().is_none_or(|first| first != "test") {
            return Err(io::Error::other("--tests needs a command that begins with: go test"));
        }
        if arguments.iter().any(|argument| argument == "-json") {
            return Err(io::Error::other("--tests puts -json under go test by itself: leave it out"));
        }
        arguments.insert(1, "-json".into());
    }
    Ok(arguments)
}

/// Takes the output of the command: a thread reads it, tells the events and prints what go would have printed, to where the
/// command would have written.
///
/// # Errors
/// No pipe, no thread.
pub fn tell_through(
    asked: &RunConfig,
    command: &mut Command,
    apart: Option<PipeWriter>,
    sender: Sender<Notice>,
) -> io::Result<JoinHandle<()>> {
    let (reader, writer) = io::pipe()?;
    command.stdout(writer);
    let words: Vec<String> =
        asked.command.iter().skip(2).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut plain = Plain::of(&words);
    let errors = apart.as_ref().map(PipeWriter::try_clone).transpose()?;
    std::thread::Builder::new().name("tests".into()).spawn(move || {
        let mut out: Box<dyn Write> =
            apart.map_or_else(|| Box::new(io::stdout()) as Box<dyn Write>, |out| Box::new(out));
        let mut errors: Box<dyn Write> =
            errors.map_or_else(|| Box::new(io::stderr()) as Box<dyn Write>, |errors| Box::new(errors));
        let mut lines = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            // Nobody there to read what is printed: the tests go on, and their memory is told.
            match TestEvent::parse(&line) {
                Some(event) => {
                    let _ = plain.take(&event, &mut *out, &mut *errors);
                    if event.action != "output" && !event.test.is_empty() {
                        let _ = sender.blocking_send(Notice::Test(event));
                    }
                }
                None => drop(plain.pass(&line, &mut *out)),
            }
            line.clear();
        }
        let _ = plain.finish(&mut *out);
        let _ = sender.blocking_send(Notice::TestsEnded);
    })
}
