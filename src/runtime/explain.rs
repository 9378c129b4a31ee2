//! `oomtop explain`: reads a kernel log from where it is and prints its stories as they come, in bounded memory however
//! long it is. A second thread tells them (`telling`), which of a log of nothing but dumps takes two thirds as long as to understand
//! it, and a third reads files (`ahead`). Refuses to understand a line: that is `oom_log`; and to conclude: that is `post_mortem`.

mod ahead;
mod telling;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};

use color_eyre::Result;
use color_eyre::eyre::{WrapErr as _, eyre};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::config::{Config, ExplainConfig, KernelLogSource};
use crate::oom_log::{Encoding, Episode, Form, LogReader, Span};
use crate::post_mortem::{Story, Tally, not_believed};
use crate::source::is_initial_pid_namespace;
use crate::units::{Pid, WallTime, counted};

use telling::{Said, Telling};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// Chunks that may be read ahead of what is told.
const BATCHES: usize = 4;
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
            "oomtop: nothing to read: name a log file, pipe one in (dmesg | oomtop explain), or use --kernel or \
             --journal"
        );
        return Ok(ExitCode::from(2));
    }
    match tell(explain, &config.pids) {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        ending => ending,
    }
}

fn is_broken_pipe(error: &color_eyre::Report) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn tell(explain: &ExplainConfig, pids: &[Pid]) -> Result<ExitCode> {
    let booted = (explain.log == KernelLogSource::RingBuffer).then(booted).flatten();
    let (episodes, received) = mpsc::sync_channel(BATCHES);
    let (give_back, told) = mpsc::channel();
    let mut reading = Reading { reader: LogReader::of_boot(booted), episodes, told };
    // A log that was handed to us may be of any machine.
    let is_of_here = matches!(explain.log, KernelLogSource::RingBuffer | KernelLogSource::Journal);
    let in_namespace = is_of_here && is_initial_pid_namespace() == Some(false);
    let mut telling = Telling::new(explain.json, Tally::of(pids).in_namespace(in_namespace));
    let (read, told) = std::thread::scope(|scope| {
        let told = scope.spawn(move || {
            for batch in received {
                let _ = give_back.send(telling.tell(batch)?);
            }
            Ok::<_, color_eyre::Report>(telling)
        });
        let read = reading.read_from(&explain.log).and_then(|()| reading.finish());
        (read, told.join())
    });
    // Who reads what nobody hears any more stops for that reason only.
    let telling = told.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let (span, form) = read?;
    match telling.finish(&span, &form)? {
        Said::All => Ok(ExitCode::SUCCESS),
        Said::NotAll => Ok(ExitCode::FAILURE),
        Said::Nothing => Err(no_kernel_log(&explain.log, &form)),
    }
}

/// Of a text that is no kernel log "nobody was killed" would be true and mean nothing.
fn no_kernel_log(log: &KernelLogSource, form: &Form) -> color_eyre::Report {
    let name = match log {
        KernelLogSource::StandardInput => "standard input".into(),
        KernelLogSource::File(path) => path.display().to_string(),
        KernelLogSource::RingBuffer => "the kernel's ring buffer".into(),
        KernelLogSource::Journal => "the journal".into(),
    };
    let advice = "Lines of dmesg, journalctl -k and kern.log start with a time or \"kernel:\"; compressed logs must \
                  be unpacked first (zcat FILE | oomtop explain)";
    if let Some(encoding) = form.encoding {
        let (what, program) = match encoding {
            Encoding::Utf16 => (
                "UTF-16 text, as written by redirection in PowerShell",
                "convert it first (iconv -f UTF-16 -t UTF-8 FILE",
            ),
            Encoding::Gzip => ("compressed with gzip", "unpack it first (zcat FILE"),
            Encoding::Bzip2 => ("compressed with bzip2", "unpack it first (bzcat FILE"),
            Encoding::Xz => ("compressed with xz", "unpack it first (xzcat FILE"),
            Encoding::Zstd => ("compressed with zstd", "unpack it first (zstdcat FILE"),
            Encoding::Journal => {
                ("a systemd journal file", "read it with journalctl (journalctl -k -o json --file FILE")
            }
        };
        return eyre!("{name} is {what}: {program} | oomtop explain)");
    }
    let not_believed = not_believed(form);
    match (form.census.kernel, form.census.total()) {
        (_, 0) => eyre!("{name} is empty: it says nothing about kills"),
        (0, all) => eyre!(
            "{name}: 0 of {} recognised as kernel messages, so it says nothing about kills.{not_believed} {advice}",
            counted(all, ["line was", "lines were"])
        ),
        (kernel, all) => eyre!(
            "{name}: only {kernel} of {} from a kernel log, with no kill among them; the other lines are of unknown \
             form, so this does not mean that nothing was killed.{not_believed} {advice}",
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

/// A log on its way to who tells it.
struct Reading {
    reader: LogReader,
    episodes: SyncSender<Vec<Episode>>,
    /// What was told: memory goes back to the thread that it came from.
    told: Receiver<Vec<Story>>,
}

impl Reading {
    #[expect(clippy::disallowed_methods, reason = "opens the log that was named")]
    fn read_from(&mut self, log: &KernelLogSource) -> Result<()> {
        match log {
            KernelLogSource::StandardInput => self.read(io::stdin().lock()).wrap_err("standard input"),
            KernelLogSource::File(path) => {
                let read = File::open(path).map_err(color_eyre::Report::from).and_then(|log| {
                    let is_file = log.metadata().is_ok_and(|log| log.is_file());
                    if is_file { ahead::read(log, |chunk| self.push(chunk)) } else { self.read(log) }
                });
                let advice = "name a readable log file, or try --kernel or --journal";
                read.map_err(|error| eyre!("{}: {error}: {advice}", path.display()))
            }
            KernelLogSource::RingBuffer => self.read_ring_buffer(Path::new("/dev/kmsg")),
            KernelLogSource::Journal => self.read_journal(),
        }
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
        let denied = "reading the kernel log needs CAP_SYSLOG while kernel.dmesg_restrict is 1. Try sudo, --journal \
                      (needs group adm or systemd-journal) or a log file";
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
                "the journal shows no kernel messages: none are kept here, or you may not see them (that needs root \
                 or group adm or systemd-journal). Try sudo, --kernel or a log file"
            ));
        }
        Ok(())
    }

    fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.reader.push(chunk);
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<()> {
        self.told.try_iter().for_each(drop);
        let batch: Vec<_> = std::iter::from_fn(|| self.reader.next_episode()).collect();
        if batch.is_empty() { Ok(()) } else { self.episodes.send(batch).wrap_err("nobody tells it") }
    }

    /// The log is over: hands over what is left, and says what the log was.
    fn finish(mut self) -> Result<(Span, Form)> {
        self.reader.finish();
        self.hand_over()?;
        Ok((self.reader.span(), self.reader.form().clone()))
    }
}
