//! `/proc/PID/smaps` and `smaps_rollup` as bytes (proc(5), fs/proc/task_mmu.c). A stream: text comes in pieces, regions
//! go into a reused list, nothing is allocated per region. Refuses to classify, to reject lines and flags of newer
//! kernels, and to believe a line that was cut.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::snapshot::mapping::{Mappings, Region, Rollup};
use crate::units::Bytes;

use super::proc_files::{decimal, hexadecimal};
use super::smaps_line::{PADDED, attribute, kib, padded_line, size};

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
        loop {
            let rest = &text[taken..];
            if let (Some((key, kib)), Some(region)) = (padded_line(rest), mappings.regions.last_mut())
                && size(key, kib, region)
            {
                taken += PADDED;
                continue;
            }
            let Some(length) = rest.iter().position(|&byte| byte == b'\n') else { return Ok(taken) };
            let line = &rest[..length];
            match line.first() {
                Some(b'0'..=b'9' | b'a'..=b'f') => self.header(line, mappings)?,
                Some(b'A'..=b'Z') => {
                    let region = mappings.regions.last_mut().ok_or(Malformed)?;
                    attribute(line, region).ok_or(Malformed)?;
                }
                _ => return Err(Malformed),
            }
            taken += length + 1;
        }
    }

    /// `55d0c2a00000-55d0c2a21000 r--p 00000000 fe:00 1234   /usr/bin/x`.
    fn header(&mut self, line: &[u8], mappings: &mut Mappings) -> Result<(), Malformed> {
        let (mut region, name) = header(line).ok_or(Malformed)?;
        region.name = self.intern(name, mappings);
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

/// A region of which nothing else is known yet, and its name: what stands behind the fifth field and its padding.
fn header(line: &[u8]) -> Option<(Region, &[u8])> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let range = fields.next()?;
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let &[read, write, execute, shared] = fields.next()? else { return None };
    let inode = fields.nth(2)?;
    let name = fields.next().map_or(&b""[..], <[u8]>::trim_ascii_start);
    let bit = |letter: u8, set: u8, bit: u8| if letter == set { bit } else { 0 };
    let region = Region {
        start: hexadecimal(&range[..dash])?,
        end: hexadecimal(&range[dash + 1..])?,
        inode: decimal(inode)?,
        permissions: bit(read, b'r', Region::READ)
            | bit(write, b'w', Region::WRITE)
            | bit(execute, b'x', Region::EXECUTE)
            | bit(shared, b's', Region::SHARED),
        ..Region::default()
    };
    Some((region, name))
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

    use crate::snapshot::mapping::VmFlags;
    use crate::units::MaybeKib;

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
