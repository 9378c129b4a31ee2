//! The small files of one process as bytes: `stat`, `statm`, `status`, `oom_score_adj`, `oom_score`, `cgroup`. Pure and
//! without allocation. Refuses what the kernel would not have written whole: a text that does not end in a newline was
//! cut, a number that overflows is no number, and either makes the reading malformed instead of wrong.

use crate::snapshot::cgroup::Version;
use crate::snapshot::process::{Name, Stat, Statm, Status};
use crate::units::{Bytes, Pages, Pid, StartTime};

/// `/proc/PID/stat`: when the process started and its facts (proc(5), fs/proc/array.c do_task_stat). The name ends at
/// the last `)`: it may itself hold parentheses, spaces and newlines, but never the 22 fields that must follow it.
#[must_use]
pub fn stat(text: &[u8]) -> Option<(StartTime, Stat)> {
    let text = text.strip_suffix(b"\n")?;
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let name = Name::new(text.get(open + 1..close)?);
    let mut fields = text.get(close + 2..)?.split(|&byte| byte == b' ');

    let &[state] = fields.next()? else { return None };
    let parent = Pid(decimal(fields.next()?)?);
    let flags = decimal(fields.nth(4)?)?;
    let minor_faults = decimal(fields.next()?)?;
    let major_faults = decimal(fields.nth(1)?)?;
    let threads = decimal(fields.nth(7)?)?;
    let start_time = StartTime(decimal(fields.nth(1)?)?);
    let virtual_size = Bytes(decimal(fields.next()?)?);
    let rss = Pages(decimal(fields.next()?)?);
    // Field 52 came with 3.5; everything that we need stands before it.
    let exit_code = fields.nth(27).map_or(Some(0), signed)?;
    let stat = Stat {
        name,
        state,
        parent,
        flags,
        minor_faults,
        major_faults,
        threads,
        virtual_size,
        rss,
        exit_code: i32::try_from(exit_code).ok()?,
        leader_dead: state == b'Z' && threads > 1,
    };
    Some((start_time, stat))
}

/// `/proc/PID/statm` (fs/proc/array.c proc_pid_statm).
#[must_use]
pub fn statm(text: &[u8]) -> Option<Statm> {
    let mut fields = text.strip_suffix(b"\n")?.split(|&byte| byte == b' ');
    let mut pages = || fields.next().and_then(decimal).map(Pages);
    Some(Statm { size: pages()?, resident: pages()?, shared: pages()?, text: pages()? })
}

/// `/proc/PID/status` (fs/proc/array.c proc_pid_status, fs/proc/task_mmu.c task_mem). A text without its Uid and CapEff
/// lines is no status.
#[must_use]
pub fn status(text: &[u8]) -> Option<Status> {
    let text = text.strip_suffix(b"\n")?;
    let mut status = Status::default();
    let mut page_middle_directories = None;
    let mut uid_seen = false;
    for line in text.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (key, value) = (&line[..colon], &line[colon + 1..]);
        match key {
            b"Uid" => {
                let mut ids = words(value);
                status.uid = decimal(ids.next()?)?;
                status.effective_uid = decimal(ids.next()?)?;
                uid_seen = true;
            }
            b"NSpid" => status.namespace_pid = Some(Pid(decimal(words(value).last()?)?)),
            b"VmLck" => status.locked = Some(kib(value)?),
            b"VmHWM" => status.peak_rss = Some(kib(value)?),
            b"VmRSS" => status.rss = Some(kib(value)?),
            b"RssAnon" => status.rss_anon = Some(kib(value)?),
            b"RssFile" => status.rss_file = Some(kib(value)?),
            b"RssShmem" => status.rss_shmem = Some(kib(value)?),
            b"VmData" => status.data = Some(kib(value)?),
            b"VmPTE" => status.page_tables = Some(kib(value)?),
            b"VmPMD" => page_middle_directories = Some(kib(value)?),
            b"VmSwap" => status.swap = Some(kib(value)?),
            b"HugetlbPages" => status.hugetlb = Some(kib(value)?),
            b"CapEff" => {
                status.capabilities = hexadecimal(words(value).next()?)?;
                if let (Some(tables), Some(directories)) = (status.page_tables, page_middle_directories) {
                    status.page_tables = Some(tables.saturating_add(directories));
                }
                // The kernel writes it after all others that are wanted here.
                return uid_seen.then_some(status);
            }
            _ => {}
        }
    }
    None
}

/// The Tgid line of `/proc/PID/status`: which process a thread is of.
pub(super) fn thread_group(status: &[u8]) -> Option<Pid> {
    let line = status.split(|&byte| byte == b'\n').find(|line| line.starts_with(b"Tgid:"))?;
    Some(Pid(decimal(words(&line[5..]).next()?)?))
}

/// `/proc/PID/oom_score_adj`: -1000 to 1000.
#[must_use]
pub fn oom_score_adj(text: &[u8]) -> Option<i16> {
    let value = signed(text.strip_suffix(b"\n")?)?;
    i16::try_from(value).ok().filter(|adj| (-1000..=1000).contains(adj))
}

/// `/proc/PID/oom_score`.
#[must_use]
pub fn oom_score(text: &[u8]) -> Option<u16> {
    decimal(text.strip_suffix(b"\n")?)
}

/// The memory cgroup in `/proc/PID/cgroup` (cgroups(7)): the v1 line that names the memory controller, or the v2 line,
/// by where the controller is; where that is not known, the v1 line leads, as it only exists when the controller is
/// there.
#[must_use]
pub fn memory_cgroup(text: &[u8], version: Option<Version>) -> Option<&[u8]> {
    let text = text.strip_suffix(b"\n")?;
    let mut unified = None;
    for line in text.split(|&byte| byte == b'\n') {
        let mut parts = line.splitn(3, |&byte| byte == b':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            unified = Some(path);
        } else if controllers.split(|&byte| byte == b',').any(|name| name == b"memory") && version != Some(Version::V2)
        {
            return Some(path);
        }
    }
    unified.filter(|path| version != Some(Version::V1) && path.starts_with(b"/"))
}

/// A whole decimal number that fits.
pub(super) fn decimal<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    T::try_from(value).ok()
}

/// A decimal number with an optional minus.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => decimal::<i64>(digits).map(|value| -value),
        None => decimal(text),
    }
}

/// A whole hexadecimal number that fits, in the kernel's lower case.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// The words of a line, between blanks and tabs.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty())
}

/// `   1234 kB`.
pub(super) fn kib(value: &[u8]) -> Option<Bytes> {
    let mut words = words(value);
    let number = decimal(words.next()?)?;
    (words.next()? == b"kB").then_some(Bytes::from_kib(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAT: &[u8] = b"4242 (a) R 1 (x) S 7 4242 4242 0 -1 4194560 911 0 12 0 1 2 0 0 20 0 3 0 123456 8192000 300 \
18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 9\n";
    const STATUS: &[u8] = b"Name:\tx\nUid:\t1000\t0\t0\t0\nNSpid:\t4242\t7\nVmLck:\t       4 kB\nVmHWM:\t    900 kB\nVmData:\t     220 kB\n\
VmRSS:\t     812 kB\nRssAnon:\t     100 kB\nRssFile:\t     700 kB\nRssShmem:\t      12 kB\nVmPTE:\t      44 kB\n\
VmPMD:\t       4 kB\nVmSwap:\t       8 kB\nHugetlbPages:\t       0 kB\nThreads:\t1\nCapEff:\t000001ffffffffff\n";

    #[test]
    fn stat_survives_a_name_that_imitates_its_own_end() {
        let (start_time, stat) = stat(STAT).expect("whole");
        assert_eq!(stat.name.as_bytes(), b"a) R 1 (x");
        assert_eq!((stat.state, stat.parent, stat.threads), (b'S', Pid(7), 3));
        assert_eq!((stat.minor_faults, stat.major_faults, stat.flags), (911, 12, 4_194_560));
        assert_eq!((start_time, stat.virtual_size, stat.rss), (StartTime(123_456), Bytes(8_192_000), Pages(300)));
        assert_eq!(stat.exit_code, 9);
    }

    #[test]
    fn a_zombie_with_threads_is_a_dead_leader() {
        let text = String::from_utf8_lossy(STAT).replace(") S 7", ") Z 7");
        assert!(stat(text.as_bytes()).expect("whole").1.leader_dead);
    }

    #[test]
    fn status_gives_each_line_in_its_unit() {
        let status = status(STATUS).expect("whole");
        assert_eq!((status.uid, status.effective_uid), (1000, 0));
        assert_eq!(status.namespace_pid, Some(Pid(7)));
        assert_eq!((status.rss, status.data), (Some(Bytes::from_kib(812)), Some(Bytes::from_kib(220))));
        assert_eq!(status.page_tables, Some(Bytes::from_kib(48)), "VmPTE and VmPMD");
        assert_eq!(status.capabilities, 0x1ff_ffff_ffff);
    }

    #[test]
    fn status_of_a_kernel_thread_knows_no_sizes() {
        let status = status(b"Name:\tkthreadd\nUid:\t0\t0\t0\t0\nCapEff:\t0000000000000000\n").expect("whole");
        assert_eq!((status.rss, status.swap, status.page_tables), (None, None, None));
    }

    #[test]
    fn small_files() {
        assert_eq!(oom_score_adj(b"-1000\n"), Some(-1000));
        assert_eq!(oom_score_adj(b"0\n"), Some(0));
        for wrong in [&b"1001\n"[..], b"-100", b"\n", b"", b"-\n", b"--1\n", b"99999999999999999999\n"] {
            assert_eq!(oom_score_adj(wrong), None, "{wrong:?}");
        }
        assert_eq!(oom_score(b"667\n"), Some(667));
        assert_eq!(oom_score(b"65536\n"), None);
    }

    #[test]
    fn the_memory_cgroup_is_where_the_controller_is() {
        let hybrid = b"9:name=systemd:/s\n4:cpu,memory:/a:b\n0::/unified\n";
        assert_eq!(memory_cgroup(hybrid, Some(Version::V1)), Some(&b"/a:b"[..]));
        assert_eq!(memory_cgroup(hybrid, Some(Version::V2)), Some(&b"/unified"[..]));
        assert_eq!(memory_cgroup(hybrid, None), Some(&b"/a:b"[..]));
        assert_eq!(memory_cgroup(b"0::/\n", None), Some(&b"/"[..]));
        assert_eq!(memory_cgroup(b"0::/\n", Some(Version::V1)), None);
        assert_eq!(memory_cgroup(b"4:memory:/cut", None), None);
    }

    /// A file cut anywhere is malformed or says the same as the whole: a prefix never becomes another number.
    #[test]
    fn nothing_is_invented_from_a_cut_file() {
        let whole_stat = stat(STAT);
        for end in 0..STAT.len() {
            assert_eq!(stat(&STAT[..end]), None, "{end}");
        }
        assert!(whole_stat.is_some());
        for end in 0..STATUS.len() {
            assert_eq!(status(&STATUS[..end]), None, "{end}");
        }
        let statm_text = b"2000 300 200 44 0 500 0\n";
        assert!(statm(statm_text).is_some());
        for end in 0..statm_text.len() {
            assert_eq!(statm(&statm_text[..end]), None, "{end}");
        }
    }

    #[test]
    fn overflow_is_malformed() {
        assert_eq!(statm(b"99999999999999999999 1 1 1 0 1 0\n"), None);
        assert_eq!(status(b"Uid:\t4294967296\t0\t0\t0\nCapEff:\t0\n"), None);
        assert_eq!(status(b"Uid:\t0\t0\t0\t0\nVmRSS:\t99999999999999999999 kB\nCapEff:\t0\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = stat(&bytes);
            let _ = statm(&bytes);
            let _ = status(&bytes);
            let _ = oom_score_adj(&bytes);
            let _ = oom_score(&bytes);
            let _ = memory_cgroup(&bytes, None);
        }

        #[test]
        fn any_name_leaves_the_other_fields_alone(name in proptest::collection::vec(1_u8..=255, 0..16)) {
            let mut text = b"1 (".to_vec();
            text.extend_from_slice(&name);
            text.extend_from_slice(b") S 7 1 1 0 -1 64 5 0 6 0 1 2 0 0 20 0 2 0 99 4096 3\n");
            let (start_time, stat) = stat(&text).expect("whole");
            prop_assert_eq!(stat.name.as_bytes(), &name[..]);
            prop_assert_eq!((stat.parent, start_time, stat.rss), (Pid(7), StartTime(99), Pages(3)));
        }
    }
}
