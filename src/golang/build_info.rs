//! Build information of a Go binary (debug/buildinfo of the Go source): version, import path, main module. It survives
//! `-s -w` stripping, so the test binaries of `go test` have it too. 64-bit little-endian ELF only. Refuses to trust any
//! offset or length of the file: what does not fit is "not Go".

use crate::snapshot::process::GoBuild;

use super::elf::{self, Elf, Read, Segment, number};

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Where the section has no name: behind the first writable segment's start, debug/buildinfo looks this far.
const SEARCHED: u64 = 1 << 20;
/// No version or module list is longer.
const LONGEST: usize = 256 << 10;
const SENTINEL: usize = 16;

/// What the binary says of itself, when it is a Go binary.
pub fn read(file: &mut impl Read) -> Option<GoBuild> {
    let elf = Elf::read(file)?;
    let segments = &elf.segments;
    let (offset, length) = match elf.section(b".go.buildinfo") {
        Some(section) => (section.offset, section.length),
        None => segments.iter().find(|segment| segment.writable).map(|data| (data.offset, data.length))?,
    };
    let start = file.read_at(offset, length.min(SEARCHED) as usize)?;
    // Aligned by its virtual address, which the offset follows modulo the page size.
    let at = (0..start.len()).step_by(16).find(|at| start[*at..].starts_with(MAGIC))?;
    let header = start.get(at..at + 32)?;
    let (pointer_size, flags) = (header[14], header[15]);
    let (version, module) = if flags & 2 != 0 {
        let base = offset.checked_add(at as u64 + 32)?;
        let (version, next) = counted(file, base)?;
        (version, counted(file, next)?.0)
    } else if pointer_size == 8 && flags & 1 == 0 {
        (pointed(file, segments, number(header, 16)?)?, pointed(file, segments, number(header, 24)?)?)
    } else {
        return None;
    };
    let version = String::from_utf8_lossy(&version).into_owned();
    let module = module.get(SENTINEL..module.len().checked_sub(SENTINEL)?).unwrap_or_default();
    let lines = String::from_utf8_lossy(module);
    let field = |name: &str| {
        let line = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        line.and_then(|line| line.split('\t').next()).unwrap_or_default().into()
    };
    Some(GoBuild { version: version.into(), path: field("path"), module: field("mod") })
}

/// A string behind its length as a varint (Go 1.18 and later), and the offset behind it.
fn counted(file: &mut impl Read, at: u64) -> Option<(Vec<u8>, u64)> {
    let head = file.read_at(at, 10)?;
    let mut length = 0_u64;
    for (index, byte) in head.iter().enumerate().take(9) {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let begin = at.checked_add(index as u64 + 1)?;
            return Some((exactly(file, begin, length)?, begin.checked_add(length)?));
        }
    }
    None
}

/// A Go string (pointer and length) at a virtual address (before Go 1.18).
fn pointed(file: &mut impl Read, segments: &[Segment], address: u64) -> Option<Vec<u8>> {
    let header = elf::exactly(file, offset_of(segments, address)?, 16)?;
    exactly(file, offset_of(segments, number(&header, 0)?)?, number(&header, 8)?)
}

fn offset_of(segments: &[Segment], address: u64) -> Option<u64> {
    let holds = |segment: &&Segment| address.checked_sub(segment.address).is_some_and(|into| into < segment.length);
    let segment = segments.iter().find(holds)?;
    segment.offset.checked_add(address - segment.address)
}

fn exactly(file: &mut impl Read, at: u64, length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST)?;
    elf::exactly(file, at, length)
}

/// Import path of the package that a test binary tests: its own path without `.test`.
#[must_use]
pub fn test_package(build: &GoBuild) -> Option<&str> {
    build.path.strip_suffix(".test")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Read for &[u8] {
        fn read_at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>> {
            let begin = usize::try_from(offset).ok()?.min(self.len());
            Some(self[begin..(begin.saturating_add(length)).min(self.len())].to_vec())
        }
    }

    const MODULE: &str = "path\texample.com/goleak/a.test\nmod\texample.com/goleak\t(devel)\t\nbuild\t-compiler=gc\n";

    /// The smallest ELF file with one writable segment at 0x400000 that holds `data`.
    fn elf(data: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64] = 1;
        file[68] = 6;
        file[72] = 128;
        file[80..88].copy_from_slice(&0x40_0000_u64.to_le_bytes());
        file[96..104].copy_from_slice(&(data.len() as u64).to_le_bytes());
        file.resize(128, 0);
        file.extend_from_slice(data);
        file
    }

    fn guarded() -> Vec<u8> {
        let mut text = vec![b'['; SENTINEL];
        text.extend_from_slice(MODULE.as_bytes());
        text.extend_from_slice(&[b']'; SENTINEL]);
        text
    }

    fn inline() -> Vec<u8> {
        let mut data = vec![0; 32];
        data.extend_from_slice(MAGIC);
        data.extend_from_slice(&[8, 2]);
        data.resize(64, 0);
        data.push(8);
        data.extend_from_slice(b"go1.26.1");
        let module = guarded();
        data.extend_from_slice(&[(module.len() & 0x7f) as u8 | 0x80, (module.len() >> 7) as u8]);
        data.extend_from_slice(&module);
        elf(&data)
    }

    fn pointers() -> Vec<u8> {
        let module = guarded();
        let mut data = Vec::from(MAGIC);
        data.extend_from_slice(&[8, 0]);
        for number in [0x40_0020_u64, 0x40_0030, 0x40_0040, 6, 0x40_0050, module.len() as u64] {
            data.extend_from_slice(&number.to_le_bytes());
        }
        data.extend_from_slice(b"go1.15");
        data.resize(0x50, 0);
        data.extend_from_slice(&module);
        elf(&data)
    }

    #[test]
    fn both_forms_tell_version_path_and_module() {
        for (file, version) in [(inline(), "go1.26.1"), (pointers(), "go1.15")] {
            let build = read(&mut file.as_slice()).expect("is Go");
            assert_eq!(
                (&*build.version, &*build.path, &*build.module),
                (version, "example.com/goleak/a.test", "example.com/goleak")
            );
            assert_eq!(test_package(&build), Some("example.com/goleak/a"));
        }
    }

    #[test]
    fn what_is_not_go_is_not_go() {
        assert_eq!(read(&mut elf(&[7; 4096]).as_slice()), None);
        assert_eq!(read(&mut b"#!/bin/sh\n".as_slice()), None);
    }

    proptest! {
        #[test]
        fn a_file_cut_or_damaged_anywhere_never_panics(
            cut in 0_usize..600, at in 0_usize..600, byte in any::<u8>(), old in any::<bool>()
        ) {
            let mut file = if old { pointers() } else { inline() };
            let at = at % file.len();
            file[at] = byte;
            file.truncate(cut);
            let _ = read(&mut file.as_slice());
        }
    }
}
