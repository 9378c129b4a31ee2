//! The files of the whole machine as bytes: `meminfo`, `pressure/memory`, `vmstat`, lists of processors, the user
//! names of `/etc/passwd`. Pure. Refuses cut lines and overflowing numbers: they become unknown, never zero.

use crate::snapshot::system::{MemoryInfo, Pressure, PressureLine, VirtualMemoryEvents};
use crate::units::Bytes;

use super::proc_files::{decimal, kib, words};

/// `/proc/meminfo` (proc(5)); a line that is missing, cut or nonsense is unknown.
#[must_use]
pub fn meminfo(text: &[u8]) -> MemoryInfo {
    let mut info = MemoryInfo::default();
    for (key, value) in lines(text).filter_map(|line| split_at_byte(line, b':')) {
        let field = match key {
            b"MemTotal" => &mut info.total,
            b"MemFree" => &mut info.free,
            b"MemAvailable" => &mut info.available,
            b"Buffers" => &mut info.buffers,
            b"Cached" => &mut info.cached,
            b"SwapCached" => &mut info.swap_cached,
            b"AnonPages" => &mut info.anonymous,
            b"Mapped" => &mut info.mapped,
            b"Shmem" => &mut info.shmem,
            b"SReclaimable" => &mut info.slab_reclaimable,
            b"SUnreclaim" => &mut info.slab_unreclaimable,
            b"KernelStack" => &mut info.kernel_stack,
            b"PageTables" => &mut info.page_tables,
            b"Percpu" => &mut info.percpu,
            b"Unevictable" => &mut info.unevictable,
            b"Mlocked" => &mut info.mlocked,
            b"SwapTotal" => &mut info.swap_total,
            b"SwapFree" => &mut info.swap_free,
            b"Dirty" => &mut info.dirty,
            b"Hugetlb" => &mut info.hugetlb,
            b"Committed_AS" => &mut info.committed,
            b"CommitLimit" => &mut info.commit_limit,
            _ => continue,
        };
        *field = kib(value);
    }
    info
}

/// `/proc/pressure/memory` or `memory.pressure` (Documentation/accounting/psi.rst): both lines, or nothing.
#[must_use]
pub fn pressure(text: &[u8]) -> Option<Pressure> {
    let mut some = None;
    let mut full = None;
    for line in lines(text) {
        let (kind, values) = split_at_byte(line, b' ')?;
        match kind {
            b"some" => some = Some(pressure_line(values)?),
            b"full" => full = Some(pressure_line(values)?),
            _ => {}
        }
    }
    Some(Pressure { some: some?, full: full? })
}

fn pressure_line(values: &[u8]) -> Option<PressureLine> {
    let mut line = PressureLine::default();
    let mut seen = 0;
    for (key, value) in words(values).filter_map(|word| split_at_byte(word, b'=')) {
        match key {
            b"avg10" => line.avg10 = percent(value)?,
            b"avg60" => line.avg60 = percent(value)?,
            b"avg300" => line.avg300 = percent(value)?,
            b"total" => line.total = decimal(value)?,
            _ => continue,
        }
        seen += 1;
    }
    (seen == 4).then_some(line)
}

/// `12.34`, as the kernel prints loads and stalls.
fn percent(text: &[u8]) -> Option<f32> {
    let (whole, hundredths) = split_at_byte(text, b'.')?;
    if hundredths.len() != 2 {
        return None;
    }
    Some(decimal::<u32>(whole)? as f32 + decimal::<u8>(hundredths)? as f32 / 100.0)
}

/// `/proc/vmstat`.
#[must_use]
pub fn vmstat(text: &[u8]) -> VirtualMemoryEvents {
    let mut events = VirtualMemoryEvents::default();
    for line in lines(text) {
        // Two hundred lines of which four are wanted: the first byte decides for most.
        if !matches!(line.first(), Some(b'o' | b'p')) {
            continue;
        }
        let Some((key, value)) = split_at_byte(line, b' ') else { continue };
        match key {
            b"oom_kill" => events.oom_kill = decimal(value),
            b"pswpin" => events.swap_in = decimal(value),
            b"pswpout" => events.swap_out = decimal(value),
            b"pgmajfault" => events.major_faults = decimal(value),
            _ => {}
        }
    }
    events
}

/// How many processors a list like `0-3,8` names (`/sys/devices/system/cpu/possible`).
#[must_use]
pub fn processors(text: &[u8]) -> Option<u32> {
    let mut count = 0_u32;
    for range in text.strip_suffix(b"\n")?.split(|&byte| byte == b',') {
        let (first, last) = match split_at_byte(range, b'-') {
            Some((first, last)) => (decimal::<u32>(first)?, decimal::<u32>(last)?),
            None => (decimal(range)?, decimal(range)?),
        };
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// Names of users by number, sorted, from the text of `/etc/passwd` (passwd(5)); of several names for one number the
/// first stays, as getpwuid(3) has it.
#[must_use]
pub fn users(text: &[u8]) -> Vec<(u32, Box<str>)> {
    let mut users: Vec<(u32, Box<str>)> = text
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|&byte| byte == b':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let uid = decimal(fields.nth(1)?)?;
            Some((uid, String::from_utf8_lossy(name).into()))
        })
        .collect();
    users.sort_by_key(|&(uid, _)| uid);
    users.dedup_by_key(|&mut (uid, _)| uid);
    users
}

/// The mount points of every tmpfs in `mountinfo` (proc(5)): field 5, where the field behind " - " is the type.
#[must_use]
pub fn tmpfs_mounts(text: &[u8]) -> Vec<Box<[u8]>> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ');
        let point = fields.nth(4)?;
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        (kind == b"tmpfs").then(|| unescaped(point))
    };
    lines(text).filter_map(mount).collect()
}

/// The kernel writes space, tab, newline and backslash in a path as `\040` and its kin (fs/seq_file.c mangle_path).
fn unescaped(path: &[u8]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    bytes.into()
}

/// A number alone in its file.
#[must_use]
pub fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    decimal(text.strip_suffix(b"\n")?)
}

/// The whole lines of a text: what follows the last newline was cut.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    text[..end].split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// What stands before and behind the first `byte`.
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&other| other == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// A size in bytes alone in its file.
#[must_use]
pub fn bytes(text: &[u8]) -> Option<Bytes> {
    number(text).map(Bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn meminfo_reads_what_is_whole() {
        let info = meminfo(
            b"MemTotal:       16384 kB\nMemFree:         1024 kB\nHugePages_Total:       0\nSwapFree:        12",
        );
        assert_eq!((info.total, info.free), (Some(Bytes::from_kib(16_384)), Some(Bytes::from_kib(1024))));
        assert_eq!((info.swap_free, info.available), (None, None), "a cut line is unknown, not 12");
    }

    #[test]
    fn pressure_needs_both_lines() {
        let text =
            b"some avg10=1.25 avg60=0.50 avg300=0.00 total=12345\nfull avg10=0.01 avg60=0.00 avg300=0.00 total=99\n";
        let read = pressure(text).expect("whole");
        assert_eq!((read.some.avg10, read.some.total, read.full.avg10), (1.25, 12_345, 0.01));
        for end in 0..text.len() {
            assert_eq!(pressure(&text[..end]), None, "{end}");
        }
    }

    #[test]
    fn vmstat_finds_its_four() {
        let events = vmstat(b"nr_free_pages 1\npgmajfault 7\npswpin 1\npswpout 2\noom_kill 3\npgfoo\n");
        assert_eq!((events.oom_kill, events.swap_in, events.swap_out), (Some(3), Some(1), Some(2)));
        assert_eq!(events.major_faults, Some(7));
    }

    #[test]
    fn lists_of_processors() {
        for (text, count) in
            [("0\n", Some(1)), ("0-1\n", Some(2)), ("0-3,8,10-11\n", Some(7)), ("3-1\n", None), ("", None)]
        {
            assert_eq!(processors(text.as_bytes()), count, "{text:?}");
        }
    }

    #[test]
    fn the_first_name_of_a_number_stays() {
        let users =
            users(b"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:\nbad\n:x:1\nci:x:1000:1000:\xff:/:\nx:x:notanumber:0\n");
        assert_eq!(users, vec![(0, "root".into()), (1000, "ci".into())]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = meminfo(&bytes);
            let _ = pressure(&bytes);
            let _ = vmstat(&bytes);
            let _ = processors(&bytes);
            let _ = users(&bytes);
        }
    }

    #[test]
    fn tmpfs_mounts_are_found_behind_any_optional_fields() {
        let text = b"25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw\n\
            27 1 8:1 / / rw shared:1 master:2 - ext4 /dev/sda1 rw\n\
            30 27 0:27 / /a\\040b\\134c rw shared:9 - tmpfs none rw\n\
            cut 1 2 / /x rw - tmpfs";
        assert_eq!(tmpfs_mounts(text), [Box::from(&b"/dev/shm"[..]), Box::from(&b"/a b\\c"[..])]);
        assert!(tmpfs_mounts(b"- - - - - - -\n - \n").is_empty());
    }
}
