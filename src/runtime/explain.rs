//! `oomtop explain`: reads a kernel log from where it is and prints its stories as they come, in bounded memory however
//! long it is. Refuses to understand a line: that is `oom_log`; and to conclude: that is `post_mortem`.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::config::{Config, ExplainConfig, KernelLogSource};
use crate::export::{explain_json, explain_text};
use crate::oom_log::{Census, LogReader};
use crate::post_mortem::{Tally, Teller};
use crate::units::{Pid, WallTime, counted};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// Bytes of the longest record of `/dev/kmsg`, with its key=value lines.
const LONGEST_RECORD: usize = 16 * 1024;

/// Tells the stories of a log.
///
/// # Errors
/// What cannot be read, and what to do about it. A reader of our output that leaves early is no error.
pub fn run(config: &Config, explain: &ExplainConfig) -> Result<ExitCode> {
    if explain.log == KernelLogSource::StandardInput && io::stdin().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "oomtop: nothing to read: name a log file, pipe one in (dmesg | oomtop explain), or use --kernel or --journal"
        );
        return Ok(ExitCode::from(2));
    }
    let out = BufWriter::with_capacity(CHUNK, io::stdout().lock());
    match tell(explain, &config.pids, out) {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        ending => ending.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &color_eyre::Report) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[expect(clippy::disallowed_methods, reason = "opens the log that was named")]
fn tell(explain: &ExplainConfig, pids: &[Pid], out: impl Write) -> Result<()> {
    let booted = (explain.log == KernelLogSource::RingBuffer).then(booted).flatten();
    let mut telling = Telling::new(LogReader::of_boot(booted), explain.json, pids, out);
    match &explain.log {
        KernelLogSource::StandardInput => telling.read(io::stdin().lock()).wrap_err("standard input")?,
        KernelLogSource::File(path) => {
            let read = File::open(path).map_err(color_eyre::Report::from).and_then(|log| telling.read(log));
            read.wrap_err_with(|| {
                format!("{}: name a log file that you may read, or try --kernel or --journal", path.display())
            })?;
        }
        KernelLogSource::RingBuffer => telling.read_ring_buffer(Path::new("/dev/kmsg"))?,
        KernelLogSource::Journal => telling.read_journal()?,
    }
    match telling.finish()? {
        None => Ok(()),
        Some(census) => Err(no_kernel_log(&explain.log, census)),
    }
}

/// Of a text that is no kernel log "nobody was killed" would be true and mean nothing.
fn no_kernel_log(log: &KernelLogSource, census: Census) -> color_eyre::Report {
    let name = match log {
        KernelLogSource::StandardInput => "standard input".into(),
        KernelLogSource::File(path) => path.display().to_string(),
        KernelLogSource::RingBuffer => "the kernel's ring buffer".into(),
        KernelLogSource::Journal => "the journal".into(),
    };
    let advice = "Those of dmesg, journalctl -k and kern.log have a time or \"kernel:\" ahead; what is compressed must be unpacked \
                  first (zcat FILE | oomtop explain)";
    match (census.kernel, census.total()) {
        (_, 0) => eyre!("{name} is empty: it says nothing of kills"),
        (0, all) => eyre!(
            "{name}: 0 of {} recognised as a kernel log's, so it says nothing of kills. {advice}",
            counted(all, ["line was", "lines were"])
        ),
        (kernel, all) => eyre!(
            "{name}: only {kernel} of {} of a kernel's log, and tell of no kill; the others are of no form that is known here, so \
             it does not say that nothing was killed. {advice}",
            counted(all, ["line is", "lines are"])
        ),
    }
}

/// When the clock of the ring buffer stood at zero; `None` where the machine has slept since, in which that clock stood
/// still (dev-kmsg: "local clock") and nobody wrote down when.
fn booted() -> Option<WallTime> {
    let [wall, awake, since_boot] = [ClockId::Realtime, ClockId::Monotonic, ClockId::Boottime]
        .map(clock_gettime)
        .map(|time| time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec));
    let slept = since_boot.saturating_sub(awake);
    (slept < 1_000_000_000).then(|| WallTime(wall.saturating_sub(awake)))
}

/// A log on its way to our output.
struct Telling<W: Write> {
    reader: LogReader,
    teller: Teller,
    tally: Tally,
    out: Output<W>,
}

enum Output<W: Write> {
    /// Lines of at most so many columns.
    Text(W, Option<usize>),
    Json(explain_json::Writer<W>),
}

impl<W: Write> Telling<W> {
    fn new(reader: LogReader, json: bool, pids: &[Pid], out: W) -> Self {
        let out = if json {
            Output::Json(explain_json::Writer::new(out))
        } else {
            Output::Text(out, super::headless::columns_of(&io::stdout()))
        };
        Self { reader, teller: Teller::default(), tally: Tally::of(pids), out }
    }

    fn read(&mut self, mut log: impl Read) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match log.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(length) => self.push(&chunk[..length])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The ring buffer gives one record per read, from its oldest on.
    fn read_ring_buffer(&mut self, path: &Path) -> Result<()> {
        let denied = "the kernel's log may not be read: that needs CAP_SYSLOG while kernel.dmesg_restrict is 1. \
                      Try sudo, --journal (for members of adm or systemd-journal), or a log file";
        let log = match rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(log) => log,
            Err(Errno::PERM | Errno::ACCESS) => return Err(eyre!(denied)),
            Err(error) => return Err(error).wrap_err_with(|| path.display().to_string()),
        };
        let mut records = Vec::with_capacity(CHUNK);
        loop {
            let filled = records.len();
            records.resize(filled + LONGEST_RECORD, 0);
            let read = rustix::io::read(&log, &mut records[filled..]);
            records.truncate(filled + *read.as_ref().unwrap_or(&0));
            match read {
                // What was overwritten while we read is lost; the next read goes on behind it.
                Ok(1..) | Err(Errno::PIPE | Errno::INTR) => {}
                Ok(0) | Err(Errno::AGAIN) => return self.push(&records),
                Err(Errno::PERM | Errno::ACCESS) => return Err(eyre!(denied)),
                Err(error) => return Err(error).wrap_err_with(|| path.display().to_string()),
            }
            if records.len() + LONGEST_RECORD > CHUNK {
                self.push(&records)?;
                records.clear();
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the journal is read by its own program")]
    fn read_journal(&mut self) -> Result<()> {
        let instead = "cannot run journalctl: name a log file instead, or try --kernel";
        let mut command = Command::new("journalctl");
        command.args(["-k", "-o", "json", "--no-pager"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut journal = command.spawn().wrap_err(instead)?;
        let told = match journal.stdout.take() {
            Some(log) => self.read(log),
            None => Ok(()),
        };
        if told.is_err() {
            // Nobody listens any more: journalctl would wait for ever at a full pipe, were it not closed already.
            let _ = journal.kill();
        }
        let status = journal.wait()?;
        told?;
        if !status.success() {
            return Err(eyre!("journalctl failed ({status}): try --kernel or a log file"));
        }
        if self.reader.is_empty() {
            // It shows those without the right nothing, and calls that success.
            return Err(eyre!(
                "the journal shows no message of the kernel: it keeps none here, or you may not see them (that needs root, or \
                 membership of adm or systemd-journal). Try sudo, --kernel or a log file"
            ));
        }
        Ok(())
    }

    fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.reader.push(chunk);
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        let mut text = String::new();
        while let Some(episode) = self.reader.next_episode() {
            let story = self.teller.tell(episode);
            if self.tally.count(&story) {
                match &mut self.out {
                    Output::Text(out, width) => {
                        text.clear();
                        explain_text::write_story(&mut text, &story, *width)?;
                        out.write_all(text.as_bytes())?;
                    }
                    Output::Json(out) => out.story(&story)?,
                }
            }
        }
        Ok(())
    }

    /// Tells the end of it; gives what the lines were, where they say nothing of kills.
    fn finish(mut self) -> Result<Option<Census>> {
        self.reader.finish();
        self.tell()?;
        let (span, form) = (self.reader.span(), self.reader.form());
        let says_nothing = self.tally.is_empty() && !form.census.is_of_a_kernel_log();
        let answers = self.tally.answers(&span, form);
        match self.out {
            Output::Json(out) => out.finish(&span, form, answers)?,
            Output::Text(..) if says_nothing => {}
            Output::Text(mut out, width) => {
                let mut last: Vec<_> = answers.map(|(_, answer)| answer).collect();
                if last.is_empty() {
                    last.push(self.tally.closing(&span, form));
                }
                let mut text = String::new();
                for sentence in &last {
                    explain_text::write_sentence(&mut text, "", sentence, width)?;
                }
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
        }
        Ok(says_nothing.then_some(form.census))
    }
}
