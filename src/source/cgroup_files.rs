//! The files of a memory cgroup as bytes, v1 and v2, and the mount table that leads to them. Pure. Refuses to call a
//! number that is no limit a limit: v1 writes "none" as a huge one.

use crate::snapshot::cgroup::{CgroupEvents, MemoryStat, Version};
use crate::units::Bytes;

use super::proc_files::decimal;
use super::system_files::{lines, split_at_byte};

/// Where the memory controller is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Which hierarchy.
    pub version: Version,
    /// The directory of the hierarchy that is mounted there: `/`, or `/docker/ID` in a container on v1.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
}

/// Every mount of the memory controller in `/proc/self/mountinfo` (proc(5)): v1 hierarchies that carry it first, as it
/// is never on both; then v2.
#[must_use]
pub fn mounts(text: &[u8]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = lines(text).filter_map(mount).collect();
    mounts.sort_by_key(|mount| mount.version);
    mounts
}

fn mount(line: &[u8]) -> Option<Mount> {
    let separator = line.windows(3).position(|window| window == b" - ")?;
    let mut fields = line[..separator].split(|&byte| byte == b' ');
    let (root, mount_point) = (fields.nth(3)?, fields.next()?);
    // The source may be empty: then two blanks follow each other.
    let mut fields = line[separator + 3..].split(|&byte| byte == b' ');
    let (kind, options) = (fields.next()?, fields.nth(1)?);
    let version = match kind {
        b"cgroup2" => Version::V2,
        b"cgroup" if options.split(|&byte| byte == b',').any(|option| option == b"memory") => Version::V1,
        _ => return None,
    };
    Some(Mount { version, root: unescape(root), mount_point: unescape(mount_point) })
}

/// `\040` and its kin back to bytes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, behind)) = rest.split_first() {
        if let (b'\\', &[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) = (byte, behind) {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = &behind[3..];
        } else {
            plain.push(byte);
            rest = behind;
        }
    }
    plain
}

/// `memory.max` and its kin: a number, or `max` for none.
#[must_use]
pub fn limit_v2(text: &[u8]) -> Option<Option<Bytes>> {
    match text.strip_suffix(b"\n")? {
        b"max" => Some(None),
        digits => decimal(digits).map(Bytes).map(Some),
    }
}

/// `memory.limit_in_bytes` and its kin. "No limit" is the greatest counter rounded down to pages
/// (9223372036854771712, older kernels 9223372036854775807, 32 bits less); so is what the machine does not have.
#[must_use]
pub fn limit_v1(text: &[u8], machine_has: Option<Bytes>) -> Option<Option<Bytes>> {
    let limit = decimal(text.strip_suffix(b"\n")?)?;
    let none = limit >= 1 << 62 || machine_has.is_some_and(|total| limit >= total.0);
    Some((!none).then_some(Bytes(limit)))
}

/// `memory.stat`, of the subtree; on v1 also `hierarchical_memory_limit`.
#[must_use]
pub fn stat(text: &[u8], version: Version) -> (MemoryStat, Option<Bytes>) {
    let mut stat = MemoryStat::default();
    let mut hierarchical_limit = None;
    for (key, value) in lines(text).filter_map(|line| split_at_byte(line, b' ')) {
        let field = match (version, key) {
            (Version::V2, b"anon") | (Version::V1, b"total_rss") => &mut stat.anon,
            (Version::V2, b"file") | (Version::V1, b"total_cache") => &mut stat.file,
            (Version::V2, b"shmem") | (Version::V1, b"total_shmem") => &mut stat.shmem,
            (Version::V2, b"inactive_file") | (Version::V1, b"total_inactive_file") => &mut stat.inactive_file,
            (Version::V2, b"active_file") | (Version::V1, b"total_active_file") => &mut stat.active_file,
            (Version::V2, b"unevictable") | (Version::V1, b"total_unevictable") => &mut stat.unevictable,
            (Version::V2, b"slab_reclaimable") => &mut stat.slab_reclaimable,
            (Version::V2, b"slab_unreclaimable") => &mut stat.slab_unreclaimable,
            (Version::V2, b"kernel") => &mut stat.kernel,
            (Version::V2, b"sock") => &mut stat.sock,
            (Version::V1, b"hierarchical_memory_limit") => &mut hierarchical_limit,
            _ => continue,
        };
        *field = decimal(value).map(Bytes);
    }
    (stat, hierarchical_limit.filter(|limit| limit.0 < 1 << 62))
}

/// `memory.events`.
#[must_use]
pub fn events(text: &[u8]) -> CgroupEvents {
    let mut events = CgroupEvents::default();
    for (key, value) in lines(text).filter_map(|line| split_at_byte(line, b' ')) {
        let field = match key {
            b"high" => &mut events.high,
            b"max" => &mut events.max,
            b"oom" => &mut events.oom,
            b"oom_kill" => &mut events.oom_kill,
            b"oom_group_kill" => &mut events.oom_group_kill,
            _ => continue,
        };
        *field = decimal(value);
    }
    events
}

/// v1 `memory.oom_control`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomControl {
    /// Tasks wait instead of dying.
    pub disabled: Option<bool>,
    /// Some wait now.
    pub under_oom: Option<bool>,
    /// Kills of tasks of this very cgroup (4.13).
    pub kills: Option<u64>,
}

/// v1 `memory.oom_control`.
#[must_use]
pub fn oom_control(text: &[u8]) -> OomControl {
    let mut control = OomControl::default();
    for (key, value) in lines(text).filter_map(|line| split_at_byte(line, b' ')) {
        match key {
            b"oom_kill_disable" => control.disabled = decimal::<u64>(value).map(|value| value != 0),
            b"under_oom" => control.under_oom = decimal::<u64>(value).map(|value| value != 0),
            b"oom_kill" => control.kills = decimal(value),
            _ => {}
        }
    }
    control
}

/// The process numbers in `cgroup.procs`, in its order; processes of another PID namespace read as 0.
pub fn members(text: &[u8]) -> impl Iterator<Item = u32> {
    lines(text).filter_map(decimal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_controller_is_found_on_v1_v2_and_hybrid_machines() {
        let hybrid =
            b"22 27 0:21 / /proc rw - proc proc rw\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup  rw,cpuset\n";
        let found = mounts(hybrid);
        assert_eq!(found[0].version, Version::V1, "memory is where the v1 hierarchy has it");
        assert_eq!(found[0].mount_point, b"/sys/fs/cgroup/memory");
        assert_eq!(found.len(), 2);

        let docker = b"9 8 0:3 /docker/4f2a /sys/fs/cgroup/memory ro - cgroup  ro,memory\n";
        assert_eq!(mounts(docker)[0].root, b"/docker/4f2a", "also without a source");
        let odd = b"9 8 0:3 / /mnt/my\\040cgroups\\134x rw - cgroup2 none rw\n";
        assert_eq!(mounts(odd)[0].mount_point, b"/mnt/my cgroups\\x");
    }

    #[test]
    fn a_huge_number_is_no_limit() {
        let total = Some(Bytes::from_mib(1000));
        for (text, limit) in [
            ("9223372036854771712\n", Some(None)),
            ("9223372036854775807\n", Some(None)),
            ("1048576000\n", Some(None)),
            ("1048571904\n", Some(Some(Bytes(1_048_571_904)))),
            ("0\n", Some(Some(Bytes(0)))),
            ("12", None),
            ("max\n", None),
        ] {
            assert_eq!(limit_v1(text.as_bytes(), total), limit, "{text:?}");
        }
        assert_eq!(limit_v2(b"max\n"), Some(None));
        assert_eq!(limit_v2(b"4096\n"), Some(Some(Bytes(4096))));
        assert_eq!(limit_v2(b"ma"), None);
    }

    #[test]
    fn v1_stat_is_of_the_subtree() {
        let text =
            b"cache 1\nrss 2\nshmem 3\nhierarchical_memory_limit 4096\ntotal_cache 10\ntotal_rss 20\ntotal_shmem 30\n";
        let (stat, limit) = stat(text, Version::V1);
        assert_eq!((stat.file, stat.anon, stat.shmem), (Some(Bytes(10)), Some(Bytes(20)), Some(Bytes(30))));
        assert_eq!((stat.slab_unreclaimable, limit), (None, Some(Bytes(4096))));
        assert_eq!(
            super::stat(b"anon 5\nhierarchical_memory_limit 9\n", Version::V2),
            (MemoryStat { anon: Some(Bytes(5)), ..MemoryStat::default() }, None)
        );
    }

    #[test]
    fn counters_and_switches() {
        let read = events(b"low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\nsock_thr");
        assert_eq!((read.high, read.max, read.oom, read.oom_kill), (Some(1), Some(2), Some(3), Some(4)));
        let control = oom_control(b"oom_kill_disable 1\nunder_oom 0\noom_kill 7\n");
        assert_eq!(control, OomControl { disabled: Some(true), under_oom: Some(false), kills: Some(7) });
        assert_eq!(members(b"7\n0\n3\n12").collect::<Vec<_>>(), [7, 0, 3]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = mounts(&bytes);
            let _ = limit_v1(&bytes, None);
            let _ = limit_v2(&bytes);
            let _ = stat(&bytes, Version::V1);
            let _ = events(&bytes);
            let _ = oom_control(&bytes);
            let _ = members(&bytes).count();
        }
    }
}
