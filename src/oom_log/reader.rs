//! A log as it is read, chunk by chunk, in any of the usual formats: cut into lines, lines into records, records into
//! episodes. Holds one line and the dumps that are going on, however long the log is. Refuses to read files itself.

use super::assemble::Assembler;
use super::envelope;
use super::episode::Episode;

/// Bytes of a line that are looked at; the rest of a longer one is passed over.
const LONGEST_LINE: usize = 64 * 1024;

/// The reader of one log.
#[derive(Debug, Default)]
pub struct LogReader {
    assembler: Assembler,
    /// A line whose end has not come yet.
    unfinished: Vec<u8>,
}

impl LogReader {
    /// Takes the next bytes of the log.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            if self.unfinished.is_empty() {
                self.line(line, true);
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.unfinished);
                self.line(&whole, true);
            }
        }
        self.keep(rest);
    }

    /// The log is over.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        if !line.is_empty() {
            self.line(&line, false);
        }
        self.assembler.finish();
    }

    /// The next episode that is complete, in the order of the log.
    pub fn next_episode(&mut self) -> Option<Episode> {
        self.assembler.next_ready()
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.unfinished.len().min(LONGEST_LINE);
        self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn line(&mut self, line: &[u8], complete: bool) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = &line[..line.len().min(LONGEST_LINE)];
        if !self.assembler.is_in_dump() && !may_begin(line) {
            return;
        }
        if let Some(envelope) = envelope::open(line) {
            self.assembler.push(&envelope, complete);
        }
    }
}

/// Whether a line can begin something while no dump is going on.
fn may_begin(line: &[u8]) -> bool {
    const MARKS: [&[u8]; 8] =
        [b"oom-k", b"ill", b"ut of memory", b"oom_", b"total_vm", b"memory.oom", b"Linux version", b"\"MESSAGE\":["];
    MARKS.iter().any(|mark| memchr::memmem::find(line, mark).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oom_log::{Domain, Outcome};
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
