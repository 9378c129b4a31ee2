//! `oomtop run --tests`: puts `-json` under a `go test`, reads its events, tells them to whoever follows, and prints what go
//! would have printed without; to whom asked for the events it gives them. Refuses any other command.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, PipeWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use tokio::sync::mpsc::{Receiver, channel};

use crate::config::RunConfig;
use crate::golang::go_command;
use crate::golang::test_events::{Plain, TestEvent};

/// As many events may wait to be heard.
pub const WAITING: usize = 64;

/// The arguments of the command; where tests are asked, with `-json` behind `test` unless it is there.
///
/// # Errors
/// It is no `go test`.
pub fn arguments(asked: &RunConfig) -> io::Result<Vec<OsString>> {
    let mut words = asked.command.clone();
    if asked.tests {
        let test = test_of(&asked.command).ok_or_else(|| {
            io::Error::other("--tests needs go test for a command (env X=1 and go -C DIR may stand before)")
        })?;
        if !wants_json(&asked.command[test..]) {
            let (mut at, end) = (0, test + flags(&words[test..]).count());
            words.retain(|word| {
                at += 1;
                at > end || json_flag(word) != Some(false)
            });
            words.insert(test + 1, "-json".into());
        }
    }
    words.remove(0);
    Ok(words)
}

fn test_of(command: &[OsString]) -> Option<usize> {
    go_command::test_of(&command.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
}

/// `-json`, `--json=true`: whether it is switched on; `None`: another word.
fn json_flag(word: &OsStr) -> Option<bool> {
    let flag = word.as_bytes().strip_prefix(b"-")?;
    let value = flag.strip_prefix(b"-").unwrap_or(flag).strip_prefix(b"json")?;
    match value {
        b"" => Some(true),
        [b'=', value @ ..] => Some(matches!(value, b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True")),
        _ => None,
    }
}

/// What stands behind `-args` is the test's.
fn flags(words: &[OsString]) -> impl Iterator<Item = &OsString> {
    words.iter().take_while(|word| *word != "-args" && *word != "--args")
}

/// Whether it prints JSON of its own accord: the last flag counts.
fn wants_json(words: &[OsString]) -> bool {
    flags(words).filter_map(|word| json_flag(word)).last().unwrap_or(false)
}

/// What is printed of the events.
enum Printed {
    /// What go would have printed without `-json`.
    Plain(Plain),
    /// The events themselves: they were asked for.
    Json,
}

impl Printed {
    fn of(command: &[OsString]) -> Self {
        let behind = test_of(command).map_or(command, |test| &command[test + 1..]);
        if wants_json(behind) {
            return Self::Json;
        }
        let words: Vec<_> = behind.iter().map(|word| word.to_string_lossy()).collect();
        Self::Plain(Plain::of(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>()))
    }

    /// Takes a line and what it tells.
    fn take(
        &mut self,
        line: &[u8],
        event: Option<&TestEvent>,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match (self, event) {
            (Self::Json, _) => out.write_all(line).and_then(|()| out.flush()),
            (Self::Plain(plain), Some(event)) => plain.take(event, out, errors),
            (Self::Plain(plain), None) => plain.pass(line, out),
        }
    }

    fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.finish(out),
            Self::Json => Ok(()),
        }
    }
}

/// Takes the output of the command: a thread reads it, tells the events and prints what go would have printed, to where the
/// command would have written. Where no event will come any more, all is printed. Who tells faster than it is heard waits.
///
/// # Errors
/// No pipe, no thread.
pub fn tell_through(
    asked: &RunConfig,
    command: &mut Command,
    apart: Option<PipeWriter>,
) -> io::Result<Receiver<TestEvent>> {
    let (sender, told) = channel(WAITING);
    let (reader, writer) = io::pipe()?;
    command.stdout(writer);
    let mut printed = Printed::of(&asked.command);
    let errors = apart.as_ref().map(PipeWriter::try_clone).transpose()?;
    std::thread::Builder::new().name("tests".into()).spawn(move || {
        let mut out: Box<dyn Write> =
            apart.map_or_else(|| Box::new(io::stdout()) as Box<dyn Write>, |out| Box::new(out));
        let mut errors: Box<dyn Write> =
            errors.map_or_else(|| Box::new(io::stderr()) as Box<dyn Write>, |errors| Box::new(errors));
        let mut lines = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            let event = TestEvent::parse(&line);
            // Nobody there to read what is printed: the tests go on, and their memory is told.
            let _ = printed.take(&line, event.as_ref(), &mut *out, &mut *errors);
            if let Some(event) = event
                && (event.is_cached() || event.action != "output" && !event.package.is_empty())
            {
                let _ = sender.blocking_send(event);
            }
            line.clear();
        }
        let _ = printed.finish(&mut *out);
        drop((out, sender));
    })?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn json_is_put_where_it_belongs_and_only_once() {
        for (command, expected) in [
            ("go test ./...", Some("test -json ./...")),
            ("go -C dir test", Some("-C dir test -json")),
            ("env X=1 go test -v", Some("X=1 go test -json -v")),
            ("go test -json ./a", Some("test -json ./a")),
            ("go test --json=true ./a", Some("test --json=true ./a")),
            ("go test -json=false ./a", Some("test -json ./a")),
            ("go test ./a -args -json", Some("test -json ./a -args -json")),
            ("go test -json=false ./a -args -json=false", Some("test -json ./a -args -json=false")),
            ("go build", None),
            ("true", None),
        ] {
            let asked = RunConfig { command: words(command), tests: true, ..RunConfig::default() };
            assert_eq!(arguments(&asked).ok(), expected.map(words), "{command}");
        }
    }

    #[test]
    fn who_asks_for_events_gets_them() {
        for (command, is_json) in [
            ("go test", false),
            ("go test -json", true),
            ("go test -json -json=false", false),
            ("go test -args -json", false),
        ] {
            assert_eq!(matches!(Printed::of(&words(command)), Printed::Json), is_json, "{command}");
        }
    }
}
