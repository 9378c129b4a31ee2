//! The log of a running kernel, record by record as it is written: each episode is given away as soon as its kill is
//! there, and what the reaper says later is not waited for. Refuses records that somebody else than the kernel wrote.

use std::borrow::Cow;

use super::assemble::Assembler;
use super::dump::is_near;
use super::envelope::{Envelope, Time};
use super::episode::Episode;
use super::stamp::Stamp;
use crate::snapshot::kernel_event::KernelRecord;

/// Follows one log.
#[derive(Debug, Default)]
pub struct Follower {
    assembler: Assembler,
    /// The kill group of the last episode, and when its last record came: more of it may still die.
    group: Option<(Box<[u8]>, Stamp)>,
}

impl Follower {
    /// Takes the next record. Those of a user's facility (8 and above) are no records: anybody may write them.
    pub fn push(&mut self, record: &KernelRecord) {
        if record.priority < 8 {
            let time = Time { since_boot: Some(record.microseconds), ..Time::default() };
            let envelope = Envelope { time, text: Cow::Borrowed(&record.text), ..Envelope::default() };
            self.assembler.push(&envelope, true);
        }
    }

    /// The next episode whose kill is known; to be asked when all records of a pass were pushed. A kill without a dump
    /// right after a group's is of that group: the kernel lets no other OOM come between (`oom_lock`), a pass may.
    pub fn next_episode(&mut self) -> Option<Episode> {
        self.assembler.give_ended();
        let mut episode = self.assembler.next_ready()?;
        if let Some((group, ended)) = self.group.take()
            && episode.kill_group.is_none()
            && !episode.is_dumped()
            && is_near(&ended, episode.began.since_boot)
        {
            episode.kill_group = Some(group);
        }
        self.group = episode.kill_group.clone().map(|group| (group, episode.ended));
        Some(episode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Pid;

    fn record(sequence: u64, priority: u32, text: &str) -> KernelRecord {
        KernelRecord { sequence, microseconds: 7_000_000 + sequence, priority, text: text.as_bytes().into() }
    }

    const KILLED: &str = "Memory cgroup out of memory: Killed process 125 (trig) total-vm:29080kB, anon-rss:27944kB, \
                          file-rss:4kB, shmem-rss:776kB, UID:0 pgtables:96kB oom_score_adj:0";

    #[test]
    fn a_kill_is_told_when_its_record_comes_and_not_before() {
        let mut follower = Follower::default();
        follower.push(&record(1, 4, "trig invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"));
        assert_eq!(follower.next_episode(), None);
        follower.push(&record(2, 3, KILLED));
        let episode = follower.next_episode().unwrap();
        assert_eq!(episode.victims[0].pid, Pid(125));
        assert!(episode.invoker.is_some());
        assert_eq!(follower.next_episode(), None);
    }

    #[test]
    fn a_dump_that_never_ends_holds_up_no_other() {
        let mut follower = Follower::default();
        let other = KILLED.replace("125", "126");
        follower.push(&record(1, 4, "lost invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"));
        follower.push(&record(2, 6, "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=lost,pid=9,uid=0"));
        follower.push(&record(3, 3, KILLED));
        follower.push(&record(4, 3, &other));
        let killed: Vec<_> = std::iter::from_fn(|| follower.next_episode()).map(|one| one.victims[0].pid).collect();
        assert_eq!(killed, [Pid(125), Pid(126)]);
    }

    #[test]
    fn what_a_user_wrote_is_no_kill() {
        let mut follower = Follower::default();
        follower.push(&record(1, 12, KILLED));
        assert_eq!(follower.next_episode(), None);
    }

    #[test]
    fn dumps_that_never_end_are_held_to_a_few() {
        let mut follower = Follower::default();
        let mut told = 0_u64;
        for at in 0..30_000 {
            follower.push(&record(at, 4, "a invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0"));
            told += std::iter::from_fn(|| follower.next_episode()).count() as u64;
        }
        assert!((29_900..30_000).contains(&told), "{told}");
    }

    #[test]
    fn a_cgroup_with_nobody_to_kill_is_one_episode_with_a_count() {
        let mut follower = Follower::default();
        for at in 0..10_000 {
            follower.push(&record(at, 4, "a invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0"));
            follower.push(&record(at, 6, "memory: usage 16384kB, limit 16384kB, failcnt 18"));
            follower.push(&record(at, 4, "Out of memory and no killable processes..."));
        }
        let episodes: Vec<_> = std::iter::from_fn(|| follower.next_episode()).collect();
        assert_eq!(episodes.iter().map(|episode| episode.repeats).collect::<Vec<_>>(), [9_999]);
    }
}
