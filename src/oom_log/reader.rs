//! A log as it is read, chunk by chunk, in any of the usual formats: cut into lines, lines into records, records into
//! episodes. Holds one line and the dumps that are going on, however long the log is. Refuses to read files itself.

use memchr::memmem::Finder;

use super::assemble::Assembler;
use super::census::Census;
use super::envelope::{self, Opener};
use super::episode::Episode;
use super::message;
use super::quoted::{self, Quoted};
use super::stamp::Stamp;
use crate::units::WallTime;

/// Bytes of a line that are looked at; the rest of a longer one is passed over.
const LONGEST_LINE: usize = 64 * 1024;
/// Bytes at the end of the log in which its last time is looked for.
const TAIL: usize = 4096;
/// Lines at its beginning in which its first time is.
const HEAD_LINES: u32 = 100;
/// Lines without one of the kernel's in a known form, after which a log is taken to have none.
const WITHOUT_KERNEL: u64 = 10_000;

/// The times that a log covers, as far as its first and last lines have any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: Option<Stamp>,
    /// The last.
    pub last: Option<Stamp>,
}

/// In what form a log is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// What its lines are.
    pub census: Census,
    /// The kernel's words were found behind text of no known form, and taken for the kernel's: what stood ahead of the first.
    pub behind: Option<Box<[u8]>>,
    /// Lines that have the words of a kill, and were not believed: another program's, or quoted.
    pub refused: u64,
    /// It begins with the mark of UTF-16, two bytes for each letter: nothing in it can be read.
    pub is_utf16: bool,
}

/// The reader of one log.
#[derive(Debug, Default)]
pub struct LogReader {
    marks: Marks,
    opener: Opener,
    assembler: Assembler,
    /// What the kernel's words are in, while no line is the kernel's by its form.
    quoted: Quoted,
    is_over: bool,
    form: Form,
    /// Room for a line without its colours.
    plain: Vec<u8>,
    /// A line whose end has not come yet.
    unfinished: Vec<u8>,
    span: Span,
    head_lines: u32,
    /// When the kernel's clock stood at zero, where the log is that of this machine.
    booted: Option<WallTime>,
    tail: Vec<u8>,
    is_begun: bool,
}

impl LogReader {
    /// Of a log whose seconds since boot are those of a machine that booted then, and never slept since.
    #[must_use]
    pub fn of_boot(booted: Option<WallTime>) -> Self {
        Self { booted, ..Self::default() }
    }

    /// Takes the next bytes of the log. Big chunks are fast ones: 256 KiB and more.
    pub fn push(&mut self, chunk: &[u8]) {
        if !self.is_begun {
            self.is_begun = !chunk.is_empty();
            if chunk.first() == Some(&b'{') {
                self.marks.count = MARKS.len();
            }
        }
        let Some(end) = memchr::memrchr(b'\n', chunk) else { return self.keep(chunk) };
        let (mut whole, rest) = chunk.split_at(end + 1);
        if !self.unfinished.is_empty()
            && let Some(end) = memchr::memchr(b'\n', whole)
        {
            self.keep(&whole[..end]);
            let mut line = std::mem::take(&mut self.unfinished);
            line.push(b'\n');
            self.lines(&line, true);
            self.keep_tail(&line);
            whole = &whole[end + 1..];
        }
        self.lines(whole, true);
        self.keep_tail(whole);
        self.keep(rest);
    }

    /// The log is over.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        if !line.is_empty() {
            self.lines(&line, false);
            self.keep_tail(&line);
        }
        let times = self.tail.rsplit(|byte| *byte == b'\n').map(|line| quoted::time(line).stamp());
        self.span.last = times.into_iter().find(Stamp::is_known).map(|stamp| stamp.dated(self.booted));
        self.span.first = self.span.first.map(|stamp| stamp.dated(self.booted));
        self.is_over = true;
        self.assembler.finish();
        self.quoted.assembler.finish();
    }

    /// The next episode that is complete, in the order of the log.
    pub fn next_episode(&mut self) -> Option<Episode> {
        let quoted = if self.waits_for_the_kernel() { None } else { self.quoted.assembler.next_ready() };
        if quoted.is_some() {
            self.form.behind.clone_from(&self.quoted.behind);
        }
        let mut episode = quoted.or_else(|| self.assembler.next_ready())?;
        for stamp in [&mut episode.began, &mut episode.ended] {
            *stamp = stamp.dated(self.booted);
        }
        Some(episode)
    }

    /// Whether nothing came yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_begun
    }

    /// The times of the log; the last one is known after [`Self::finish`].
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// In what form the log is; known when the last episode was given.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Whether a line may still come that shows who the kernel is here: till then what only has its words is nobody's.
    fn waits_for_the_kernel(&self) -> bool {
        !self.is_over && self.takes_quotes() && self.form.census.total() < WITHOUT_KERNEL
    }

    /// Whether the kernel's words are taken for the kernel's wherever they stand.
    fn takes_quotes(&self) -> bool {
        self.form.census.kernel == 0
    }

    /// Counts a line.
    fn count(&mut self, line: &[u8]) {
        let waited = self.waits_for_the_kernel();
        let took_quotes = self.takes_quotes();
        if self.form.census.total() == 0 {
            self.form.is_utf16 = matches!(line, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        }
        self.form.census.count(line);
        if took_quotes && !self.takes_quotes() {
            if !waited {
                return self.quoted.assembler.finish();
            }
            let quoted = std::mem::take(&mut self.quoted);
            if quoted.behind.is_none() {
                // Nothing stood ahead of them: the first lines of a record whose head is lost.
                self.assembler = quoted.assembler;
            } else {
                self.form.refused += quoted.kills;
            }
        }
    }

    /// Takes a line that may be of an OOM.
    fn take(&mut self, line: &[u8], complete: bool) {
        if self.takes_quotes() {
            let is_refused = !self.quoted.push(line, complete) && quoted::tells_of_a_kill(line);
            self.form.refused += u64::from(is_refused);
            return;
        }
        let opened = self.opener.open(line);
        let is_nobodys = opened
            .as_ref()
            .map_or(true, |envelope| envelope.is_bare() && message::parse(&envelope.text, complete).is_none());
        self.form.refused += u64::from(is_nobodys && quoted::tells_of_a_kill(line));
        match opened {
            Ok(envelope) => self.assembler.push(&envelope, complete),
            Err(_) => self.assembler.pass(),
        }
    }

    fn is_in_dump(&self) -> bool {
        self.assembler.is_in_dump() || self.quoted.assembler.is_in_dump()
    }

    /// Lines. Where no dump is going on only those with a mark are looked at, once one was the kernel's. `complete`: the last
    /// one has its end.
    fn lines(&mut self, block: &[u8], complete: bool) {
        self.marks.found.fill(0);
        let mut at = 0;
        while at < block.len() {
            let is_in_dump = self.is_in_dump();
            let looks_for_time = self.looks_for_first_time();
            let takes_every_line = looks_for_time || !self.form.census.is_settled();
            let mark = if is_in_dump { None } else { self.marks.next(block, at) };
            if let Some(mark) = mark.filter(|_| !takes_every_line) {
                at += memchr::memrchr(b'\n', &block[at..mark]).map_or(0, |newline| newline + 1);
            }
            if !is_in_dump && !takes_every_line && mark.is_none() {
                return;
            }
            // Found with the end of the line: what nearly no line of a dump has.
            let equals = memchr::memchr2(b'\n', b'=', &block[at..]).map(|ahead| at + ahead);
            let has_equals = equals.is_some_and(|found| block[found] == b'=');
            let end = match equals {
                Some(found) if has_equals => memchr::memchr(b'\n', &block[found..]).map(|ahead| found + ahead),
                found => found,
            };
            let end = end.unwrap_or(block.len());
            let line = &block[at..end];
            // A carriage return, and the blanks that a terminal's copy leaves, are nobody's.
            let line = line[..line.len().min(LONGEST_LINE)].trim_ascii_end();
            let mut room = std::mem::take(&mut self.plain);
            let line = envelope::colourless(line, &mut room);
            if !self.form.census.is_settled() {
                self.count(line);
                self.quoted.note_time(line);
            }
            if looks_for_time {
                self.head_lines += 1;
                self.span.first = Some(quoted::time(line).stamp()).filter(Stamp::is_known);
            }
            if is_in_dump && !has_equals && self.holds_nothing(line) {
                self.assembler.pass();
            } else if is_in_dump || mark.is_some_and(|mark| mark < end) {
                self.take(line, complete || end < block.len());
            }
            self.plain = room;
            at = end + 1;
        }
    }

    /// Whether a glance shows that a line without an equals sign is of no use, as most of a dump are. A process that asks for
    /// memory may have any name, but `gfp_mask=` follows it.
    fn holds_nothing(&self, line: &[u8]) -> bool {
        !self.assembler.waits_for_an_end() && self.opener.glance(line).is_some_and(message::begins_nothing)
    }

    fn looks_for_first_time(&self) -> bool {
        self.span.first.is_none() && self.head_lines < HEAD_LINES
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.unfinished.len().min(LONGEST_LINE);
        self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn keep_tail(&mut self, block: &[u8]) {
        let new = &block[block.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + new.len()).saturating_sub(TAIL).min(self.tail.len());
        self.tail.drain(..excess);
        self.tail.extend_from_slice(new);
    }
}

/// What stands in every line that can begin something: a dump, a kill without one, the end of a story. Each mark is looked
/// for by itself in the whole block, which the processor does faster than lines can be counted.
#[derive(Debug)]
struct Marks {
    finders: [Finder<'static>; MARKS.len()],
    /// Where each was found last in the block; `usize::MAX` where there is none ahead.
    found: [usize; MARKS.len()],
    count: usize,
}

/// `kill`: `invoked oom-killer`, `oom-kill:`, `no killable`, `killed as a result`, `to be killed due to`, `is already exiting.
/// Skip killing`. `Kill`: `Kill process`, `Killed process`. `total_vm`: the table of a dump whose beginning is lost. The last
/// one only in a journal's JSON: a text that is written as a list of bytes.
const MARKS: [&[u8]; 6] = [b"kill", b"Kill", b"oom_reaper: ", b"total_vm", b"not syncing: ", b"\"MESSAGE\":["];

impl Default for Marks {
    fn default() -> Self {
        Self { finders: MARKS.map(Finder::new), found: [0; MARKS.len()], count: MARKS.len() - 1 }
    }
}

impl Marks {
    /// The first mark at `from` or behind it.
    fn next(&mut self, block: &[u8], from: usize) -> Option<usize> {
        let mut first = usize::MAX;
        for (found, finder) in self.found.iter_mut().zip(&self.finders).take(self.count) {
            if *found <= from {
                *found = finder.find(&block[from..]).map_or(usize::MAX, |ahead| from + ahead);
            }
            first = first.min(*found);
        }
        (first != usize::MAX).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::oom_log::{Domain, Outcome, Usage};
    use crate::units::Pid;

    fn read(log: &str) -> Vec<Episode> {
        let mut reader = LogReader::default();
        reader.push(log.as_bytes());
        reader.finish();
        std::iter::from_fn(|| reader.next_episode()).collect()
    }

    const KILL: &str = "\
[    7.804963] trig invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[    7.805346] CPU: 1 UID: 0 PID: 125 Comm: trig Tainted: G        W           7.2.12+deb13-cloud-amd64 #1 PREEMPT(lazy)
[    7.811617] memory: usage 48996kB, limit 49152kB, failcnt 18
[    7.811666] Memory cgroup stats for /t0:
[    7.812043] anon 50053120
[    7.812668] [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[    7.812700] [    122]     0   122     3100     3020     2900        1       119    61440        0             0 h0_0
[    7.812710] [    125]     0   125     7270     7180     6986        1       193    98304        0             0 trig
[    7.812934] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=t0,mems_allowed=0-1,oom_memcg=/t0,task_memcg=/t0,task=trig,pid=125,uid=0
[    7.823659] Memory cgroup out of memory: Killed process 125 (trig) total-vm:29080kB, anon-rss:27944kB, file-rss:4kB, shmem-rss:776kB, UID:0 pgtables:96kB oom_score_adj:0
";

    /// Every text that has a meaning, in wrappings that are glanced at, and what is like them.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let texts = KILL.lines().filter_map(|line| line.split_once("] ")).map(|(_, text)| text.to_owned());
        let others = [
            "x cpuset=/ mems_allowed=0-1",
            "Task in /a killed as a result of limit of /b",
            "Memory limit reached of cgroup /a",
            "memory+swap: usage 1kB, limit 2kB, failcnt 3",
            "swap: usage 1kB, limit 2kB, failcnt 3",
            "kmem: usage 1kB, limit 2kB, failcnt 3",
            "Memory cgroup stats for /t1: cache:0KB rss:32340KB",
            "4096 pages RAM",
            "12 pages reserved",
            "Total swap = 0kB",
            "Free swap  = 0kB",
            "Node 0 DMA free:2kB present:15992kB managed:1kB",
            "Pid: 7, comm: x Not tainted 2.6.32-5 #1",
            "Linux version 6.8.0-31-generic (b@c) #1",
            "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
            "Tasks in /a are going to be killed due to memory.oom.group set",
            "oom_reaper: reaped process 5 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
            "oom_reaper: unable to reap pid:5 (x)",
            "OOM victim 5 (x) is already exiting. Skip killing the task",
            "Out of memory and no killable processes...",
            "Out of Memory: Killed process 5 (x).",
            "Kill process 5 (x) score 7 or sacrifice child",
            "oom-killer: gfp_mask=0x1, order=0",
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",
            "[24449]    48 24449    31749     2342   1       0 httpd",
            "file 9",
            "shmem 9",
            "kernel 9",
            "rss 9",
            "cache 9",
            "total_rss 9",
            "total_cache 9",
            "total_shmem 9",
            "  anon 9",
            " dump_stack+0x6d/0x8b",
            "workingset_refault 0",
        ];
        let texts: Vec<_> = texts.chain(others.map(String::from)).collect();
        let heads =
            ["Nov 21 08:41:22 w kernel: ", "6,1,2,-;", "6,1,2,-,caller=T1;", "6,", "12,1,2,-;", "[x] w kernel: ", ""];
        let stamps = ["[    7.804963] ", "[ 7.8][ T1] ", "[    7.804963] [ T1] ", "[    7.804963]: ", "[.123456] ", ""];
        let behinds = ["w kernel: ", " ", "x invoked ", ";", "[", ""];
        (select(heads.to_vec()), select(stamps.to_vec()), select(behinds.to_vec()), select(texts), 0..200_usize)
            .prop_map(|(head, stamp, behind, text, end)| {
                let line = format!("{head}{stamp}{behind}{text}").into_bytes();
                line[..end.min(line.len())].to_vec()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_line_that_is_passed_over_holds_nothing(line in line()) {
            let mut reader = LogReader::default();
            let _ = reader.opener.open(b"Nov 21 08:41:22 w kernel: x");
            if !line.contains(&b'=')
                && reader.holds_nothing(&line)
                && let Ok(envelope) = reader.opener.open(&line)
            {
                let text = &*envelope.text;
                prop_assert_eq!(message::parse(text, true), None);
                let columns = b"[ pid ]   uid  tgid total_vm      rss name";
                let columns = super::super::tasks::Columns::parse(columns).expect("a header");
                prop_assert_eq!(columns.row(text, true), None);
                prop_assert!(!Usage::default().note(text, true));
            }
        }
    }

    #[test]
    fn a_dump_becomes_one_episode() {
        let episodes = read(KILL);
        let [episode] = episodes.as_slice() else { panic!("{episodes:?}") };
        assert_eq!(episode.domain, Some(Domain::Cgroup(Some((*b"/t0").into()))));
        assert_eq!(episode.release.as_deref(), Some("7.2.12+deb13-cloud-amd64"));
        assert_eq!(episode.tasks.rows.len(), 2);
        assert_eq!(episode.outcome, Outcome::Killed);
        assert_eq!(episode.victims.len(), 1);
        assert_eq!(episode.victims[0].rss().map(|rss| rss.0), Some(28_724 * 1024));
    }

    #[test]
    fn a_kill_without_its_dump_stands_alone() {
        let mut log = KILL.to_owned();
        log.push_str(
            "[    7.9] Memory cgroup out of memory: Killed process 77 (x) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n",
        );
        let episodes = read(&log);
        assert_eq!(episodes.len(), 2);
        assert_eq!((episodes[1].invoker.as_ref(), episodes[1].victims[0].pid), (None, Pid(77)));
        assert_eq!(episodes[1].domain, Some(Domain::Cgroup(None)));
    }

    /// Whether it is a kernel's log, and how many kills it tells of.
    fn judged(log: &str) -> (bool, usize, Form) {
        let mut reader = LogReader::default();
        reader.push(log.as_bytes());
        reader.finish();
        let episodes = std::iter::from_fn(|| reader.next_episode()).count();
        (reader.form().census.is_of_a_kernel_log(), episodes, reader.form().clone())
    }

    #[test]
    fn a_text_of_somebody_else_is_no_log() {
        let killed = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB";
        for (text, is_log, episodes) in [
            ("", false, 0),
            ("dear diary\n\nno kill today\n", false, 0),
            ("cut off", false, 0),
            ("Nov 21 08:41:22 host sshd[7]: Killed process 5\nNov 21 08:41:23 host cron: x\n", false, 0),
            ("{\"_TRANSPORT\":\"stdout\",\"MESSAGE\":\"a\"}\n", false, 0),
            ("Nov 21 08:41:22 host sshd[7]: a\nNov 21 08:41:23 host kernel: b\n", true, 0),
            ("[    1.5] b\n", true, 0),
            ("<6>b\n", true, 0),
            ("6,460,7341237,-;b\n", true, 0),
            (killed, false, 1),
            (&format!("<12>[    1.5] {killed}"), false, 0),
        ] {
            let (found, count, _) = judged(text);
            assert_eq!((found, count), (is_log, episodes), "{text}");
        }
    }

    /// What quotes the kernel's words is taken for the kernel's only where no line is the kernel's by its form.
    #[test]
    fn words_behind_anything_count_only_where_no_line_is_the_kernels() {
        let quote = "2026-11-20T10:00:00.1Z stdout F Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB\n";
        let kernels = "[    1.5] usb 1-1: new device\n";
        let other = "nothing\n".repeat(WITHOUT_KERNEL as usize);
        for (log, episodes, refused) in [
            (quote.to_owned(), 1, 0),
            (format!("{quote}{kernels}"), 0, 1),
            (format!("{kernels}{quote}"), 0, 1),
            (format!("{quote}{other}{kernels}{quote}"), 1, 1),
        ] {
            let (_, count, form) = judged(&log);
            assert_eq!((count, form.refused), (episodes, refused), "{}", log.len());
            assert_eq!(form.behind.is_some(), episodes > 0);
        }
    }

    /// Who writes with a name of its own is not the kernel, whatever it says; a line without any name may be.
    #[test]
    fn a_line_that_names_another_writer_is_not_believed() {
        let killed = "Out of memory: Killed process 5 (a) total-vm:4kB, anon-rss:4kB, file-rss:0kB";
        for (ahead, behind, episodes) in [
            ("Nov 21 08:41:22 host myapp[7]: ", "", 0),
            ("Nov 21 08:41:22 host root: ", "", 0),
            ("2026-11-21T08:41:22Z host myapp: it said: ", "", 0),
            ("<12>[    1.5] ", "", 0),
            ("12,1,1500000,-;", "", 0),
            ("{\"_TRANSPORT\":\"syslog\",\"MESSAGE\":\"", "\"}", 0),
            ("{\"MESSAGE\":\"", "\",\"SYSLOG_IDENTIFIER\":\"myapp\"}", 0),
            ("2026-11-21T08:41:22Z ", "", 1),
            ("2026-11-21T08:41:22Z stdout F ", "", 1),
            ("2026-11-21T08:41:22Z stdout F kernel: ", "", 1),
            ("{\"log\":\"", "\\n\"}", 1),
        ] {
            let (_, count, form) = judged(&format!("{ahead}{killed}{behind}\n"));
            assert_eq!((count, form.refused), (episodes, 1 - episodes as u64), "{ahead}");
        }
    }

    #[test]
    fn seconds_since_boot_are_a_time_of_day_where_that_is_known() {
        let mut reader = LogReader::of_boot(Some(WallTime(1_000_000_000_000)));
        reader.push(KILL.as_bytes());
        reader.finish();
        let episode = reader.next_episode().expect("a kill");
        assert_eq!(
            (episode.began.since_boot, episode.began.wall),
            (Some(7_804_963), Some(WallTime(1_007_000_000_000)))
        );
        assert_eq!(reader.span().first.and_then(|first| first.wall), episode.began.wall);
    }

    #[test]
    fn cut_anywhere_it_says_less_and_nothing_else() {
        let whole = read(KILL).remove(0);
        for end in 0..KILL.len() {
            for episode in read(&KILL[..end]) {
                for victim in &episode.victims {
                    let full = &whole.victims[0];
                    assert_eq!(victim.pid, full.pid, "cut at {end}");
                    for (cut, full) in
                        [(victim.anon, full.anon), (victim.file, full.file), (victim.total_vm, full.total_vm)]
                    {
                        assert!(cut.is_none() || cut == full, "cut at {end}");
                    }
                    assert!(victim.name.is_none() || victim.name == full.name, "cut at {end}");
                }
                assert!(episode.tasks.rows.iter().all(|row| whole.tasks.rows.contains(row)), "cut at {end}");
                assert!(
                    episode.domain.is_none()
                        || episode.domain == Some(Domain::Cgroup(None))
                        || episode.domain == whole.domain
                );
            }
        }
    }
}
