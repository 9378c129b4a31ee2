//! `/proc/PID/smaps` and `smaps_rollup` as bytes (proc(5), fs/proc/task_mmu.c). A stream: text comes in pieces, regions
//! go into a reused list, nothing is allocated per region. Refuses to classify, to reject lines and flags of newer
//! kernels, and to believe a line that was cut.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::snapshot::mapping::{Mappings, Region, Rollup, VmFlags};
use crate::units::{Bytes, MaybeKib};

use super::proc_files::{decimal, hexadecimal};

/// The text is not what the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads smaps piece by piece. Names are remembered between reads of one process, so that a further read of the same
/// mappings allocates nothing.
#[derive(Debug, Default)]
pub struct Parser {
    /// Hash of a name to its index in `Mappings::names`; a name whose hash is taken by another goes to the next.
    names: HashMap<u64, u32>,
}

impl Parser {
    /// Forgets the regions and, when they have become many more than the regions, the names.
    pub fn begin(&mut self, mappings: &mut Mappings) {
        if mappings.names.len() != self.names.len() || mappings.names.len() > 64 + 2 * mappings.regions.len() {
            self.names.clear();
            mappings.names.clear();
        }
        mappings.regions.clear();
    }

    /// Takes the whole lines at the start of `text` and says how many bytes they were; the rest comes again with the
    /// next piece.
    ///
    /// # Errors
    /// Where a line is not of smaps.
    pub fn take(&mut self, text: &[u8], mappings: &mut Mappings) -> Result<usize, Malformed> {
        let mut taken = 0;
        while let Some(length) = line_length(&text[taken..]) {
            let line = &text[taken..taken + length - 1];
            match line.first() {
                Some(b'0'..=b'9' | b'a'..=b'f') => self.header(line, mappings)?,
                Some(b'A'..=b'Z') => {
                    let region = mappings.regions.last_mut().ok_or(Malformed)?;
                    attribute(line, region).ok_or(Malformed)?;
                }
                _ => return Err(Malformed),
            }
            taken += length;
        }
        Ok(taken)
    }

    /// `55d0c2a00000-55d0c2a21000 r--p 00000000 fe:00 1234   /usr/bin/x`.
    fn header(&mut self, line: &[u8], mappings: &mut Mappings) -> Result<(), Malformed> {
        let mut region = header(line).ok_or(Malformed)?;
        region.name = self.intern(name(line), mappings);
        mappings.regions.push(region);
        Ok(())
    }

    fn intern(&mut self, name: &[u8], mappings: &mut Mappings) -> u32 {
        // Regions of one file stand together.
        if let Some(last) = mappings.regions.last().filter(|last| mappings.name(last) == name) {
            return last.name;
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let mut hash = hasher.finish();
        loop {
            match self.names.get(&hash) {
                Some(&index) if mappings.names.get(index as usize).is_some_and(|known| **known == *name) => {
                    return index;
                }
                Some(_) => hash = hash.wrapping_add(1),
                None => {
                    let index = mappings.names.len() as u32;
                    mappings.names.push(name.into());
                    self.names.insert(hash, index);
                    return index;
                }
            }
        }
    }
}

/// The length of the first line with its newline. Nearly all lines are `Key:` padded to 16, a number padded to 8 and
/// ` kB`: 28 bytes, which spares looking for the end.
fn line_length(text: &[u8]) -> Option<usize> {
    if text.get(24..28) == Some(b" kB\n") && text[0].is_ascii_uppercase() && !text[..24].contains(&b'\n') {
        return Some(28);
    }
    text.iter().position(|&byte| byte == b'\n').map(|at| at + 1)
}

fn header(line: &[u8]) -> Option<Region> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let range = fields.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let &[read, write, execute, shared] = fields.next()? else { return None };
    let inode = fields.nth(2)?;
    let bit = |letter: u8, set: u8, bit: u8| if letter == set { bit } else { 0 };
    Some(Region {
        start: hexadecimal(&range[..dash])?,
        end: hexadecimal(&range[dash + 1..])?,
        inode: decimal(inode)?,
        permissions: bit(read, b'r', Region::READ)
            | bit(write, b'w', Region::WRITE)
            | bit(execute, b'x', Region::EXECUTE)
            | bit(shared, b's', Region::SHARED),
        ..Region::default()
    })
}

/// What stands behind the fifth field and its padding.
fn name(line: &[u8]) -> &[u8] {
    line.splitn(6, |&byte| byte == b' ').nth(5).map_or(b"", <[u8]>::trim_ascii_start)
}

/// A line below a header. Lines that are not known are none of ours.
fn attribute(line: &[u8], region: &mut Region) -> Option<()> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let value = &line[colon + 1..];
    match &line[..colon] {
        b"Rss" => region.rss = MaybeKib::from_kib(kib(value)?),
        b"Pss" => region.pss = MaybeKib::from_kib(kib(value)?),
        b"Shared_Clean" | b"Shared_Dirty" => add(&mut region.shared, kib(value)?),
        b"Private_Clean" => region.private_clean = MaybeKib::from_kib(kib(value)?),
        b"Private_Dirty" => region.private_dirty = MaybeKib::from_kib(kib(value)?),
        b"Referenced" => region.referenced = MaybeKib::from_kib(kib(value)?),
        b"Anonymous" => region.anonymous = MaybeKib::from_kib(kib(value)?),
        b"LazyFree" => region.lazy_free = MaybeKib::from_kib(kib(value)?),
        b"AnonHugePages" | b"ShmemPmdMapped" | b"FilePmdMapped" => add(&mut region.huge, kib(value)?),
        b"Shared_Hugetlb" | b"Private_Hugetlb" => add(&mut region.hugetlb, kib(value)?),
        b"Swap" => region.swap = MaybeKib::from_kib(kib(value)?),
        b"SwapPss" => region.swap_pss = MaybeKib::from_kib(kib(value)?),
        b"Locked" => region.locked = MaybeKib::from_kib(kib(value)?),
        b"VmFlags" => region.flags = flags(value),
        _ => {}
    }
    Some(())
}

fn add(size: &mut MaybeKib, kib: u64) {
    let before = size.get().unwrap_or_default();
    *size = MaybeKib::from_bytes(before.saturating_add(Bytes::from_kib(kib)));
}

/// `       1234 kB`.
fn kib(value: &[u8]) -> Option<u64> {
    decimal(value.strip_suffix(b" kB")?.trim_ascii_start())
}

/// Two letters to the bit of [`VmFlags::CODES`] and one more; 0 is none of them.
const BITS: [u8; 26 * 26] = {
    let mut bits = [0; 26 * 26];
    let mut code = 0;
    while code < VmFlags::CODES.len() {
        let letters = VmFlags::CODES[code].0;
        if letters[0].is_ascii_lowercase() && letters[1].is_ascii_lowercase() {
            bits[(letters[0] - b'a') as usize * 26 + (letters[1] - b'a') as usize] = code as u8 + 1;
        }
        code += 1;
    }
    bits
};

fn flags(value: &[u8]) -> VmFlags {
    let mut flags = VmFlags::default();
    for code in value.split(|&byte| byte == b' ').filter(|code| !code.is_empty()) {
        let bit = match code {
            &[first @ b'a'..=b'z', second @ b'a'..=b'z'] => {
                BITS[(first - b'a') as usize * 26 + (second - b'a') as usize]
            }
            _ => 0,
        };
        flags = flags.union(if bit == 0 { VmFlags::of_code(code) } else { VmFlags(1 << (bit - 1)) });
    }
    flags
}

/// `/proc/PID/smaps_rollup`, but for the time that the read took. A text without its Rss and Pss lines, or one that was
/// cut, is none.
#[must_use]
pub fn rollup(text: &[u8]) -> Option<Rollup> {
    let mut rollup = Rollup::default();
    let mut seen = (false, false);
    for line in text.strip_suffix(b"\n")?.split(|&byte| byte == b'\n').skip(1) {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let size = || kib(&line[colon + 1..]).map(Bytes::from_kib);
        match &line[..colon] {
            b"Rss" => {
                rollup.rss = size()?;
                seen.0 = true;
            }
            b"Pss" => {
                rollup.pss = size()?;
                seen.1 = true;
            }
            b"Private_Clean" | b"Private_Dirty" => rollup.private = rollup.private.saturating_add(size()?),
            b"Anonymous" => rollup.anonymous = size()?,
            b"LazyFree" => rollup.lazy_free = size()?,
            b"Swap" => rollup.swap = size()?,
            b"SwapPss" => rollup.swap_pss = size()?,
            // The last line since 4.14: without it the text was cut between two lines.
            b"Locked" => return (seen == (true, true)).then_some(rollup),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMAPS: &[u8] = b"55d0c2a00000-55d0c2a21000 r-xp 00000000 fe:00 1234                       /usr/bin/a b\n\
Size:                132 kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\nRss:                  64 kB\n\
Pss:                  32 kB\nShared_Clean:         60 kB\nShared_Dirty:          4 kB\nPrivate_Clean:         0 kB\n\
Private_Dirty:         0 kB\nAnonHugePages:      2048 kB\nShmemPmdMapped:        0 kB\nLocked:                0 kB\n\
THPeligible:           0\nFutureLine:      whatever\nVmFlags: rd ex mr mw me zz \n\
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\nRss:            99999999999 kB\n\
7ffd00030000-7ffd00031000 ---p 00000000 00:00 0 \nRss:                   0 kB\n";

    fn parse(text: &[u8], piece: usize) -> Result<Mappings, Malformed> {
        let (mut parser, mut mappings) = (Parser::default(), Mappings::default());
        let mut pending = Vec::new();
        for piece in text.chunks(piece) {
            pending.extend_from_slice(piece);
            let taken = parser.take(&pending, &mut mappings)?;
            pending.drain(..taken);
        }
        if pending.is_empty() { Ok(mappings) } else { Err(Malformed) }
    }

    #[test]
    fn regions_have_what_their_lines_say() {
        let mappings = parse(SMAPS, SMAPS.len()).expect("whole");
        let [code, stack, guard] = &mappings.regions[..] else { panic!("three regions") };
        assert_eq!((code.start, code.end, code.inode), (0x55d0_c2a0_0000, 0x55d0_c2a2_1000, 1234));
        assert_eq!(code.permissions, Region::READ | Region::EXECUTE);
        assert_eq!(mappings.name(code), b"/usr/bin/a b");
        assert_eq!((code.rss, code.pss), (MaybeKib::from_kib(64), MaybeKib::from_kib(32)));
        assert_eq!((code.shared, code.huge), (MaybeKib::from_kib(64), MaybeKib::from_kib(2048)));
        assert_eq!(code.swap, MaybeKib::UNKNOWN, "no such line, no such fact");
        assert!(code.flags.contains(VmFlags::of_code(b"ex").union(VmFlags::UNKNOWN)));
        assert!(!code.flags.contains(VmFlags::of_code(b"wr")));
        assert_eq!(mappings.name(stack), b"[stack]");
        assert_eq!(stack.rss.get(), Some(Bytes::from_kib(u64::from(u32::MAX) - 1)), "saturates");
        assert_eq!((mappings.name(guard), guard.permissions), (&b""[..], 0));
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let whole = parse(SMAPS, SMAPS.len());
        for piece in 1..200 {
            assert_eq!(parse(SMAPS, piece), whole, "{piece}");
        }
    }

    #[test]
    fn a_text_cut_inside_a_line_is_malformed() {
        for end in 0..SMAPS.len() {
            let whole_lines = end == 0 || SMAPS[end - 1] == b'\n';
            assert_eq!(parse(&SMAPS[..end], SMAPS.len()).is_ok(), whole_lines, "{end}");
        }
    }

    #[test]
    fn names_are_kept_between_reads_and_not_for_ever() {
        let (mut parser, mut mappings) = (Parser::default(), Mappings::default());
        for _ in 0..3 {
            parser.begin(&mut mappings);
            parser.take(SMAPS, &mut mappings).expect("whole");
            assert_eq!((mappings.names.len(), mappings.regions.len()), (3, 3));
        }
        for number in 0..1000_u32 {
            parser.begin(&mut mappings);
            let line = format!("1000-2000 rw-p 00000000 00:00 0 /memfd:{number}\n");
            parser.take(line.as_bytes(), &mut mappings).expect("whole");
        }
        assert!(mappings.names.len() < 100);
    }

    const ROLLUP: &[u8] = b"55d0c2a00000-7ffd000ff000 ---p 00000000 00:00 0                          [rollup]\n\
Rss:                 900 kB\nPss:                 100 kB\nPss_Anon:             50 kB\nPrivate_Clean:        10 kB\n\
Private_Dirty:        80 kB\nAnonymous:            70 kB\nLazyFree:              5 kB\nSwap:                  3 kB\n\
SwapPss:               2 kB\nLocked:                0 kB\n";

    #[test]
    fn rollup_sums() {
        let read = rollup(ROLLUP).expect("whole");
        assert_eq!(
            (read.rss, read.pss, read.private),
            (Bytes::from_kib(900), Bytes::from_kib(100), Bytes::from_kib(90))
        );
        assert_eq!(
            (read.swap, read.swap_pss, read.lazy_free),
            (Bytes::from_kib(3), Bytes::from_kib(2), Bytes::from_kib(5))
        );
        for end in 0..ROLLUP.len() {
            assert_eq!(rollup(&ROLLUP[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..100) {
            let _ = parse(&bytes, piece);
            let _ = rollup(&bytes);
        }

        #[test]
        fn no_change_of_a_byte_makes_it_panic(at in 0..SMAPS.len(), byte in any::<u8>()) {
            let mut text = SMAPS.to_vec();
            text[at] = byte;
            let _ = parse(&text, 64);
        }
    }
}
