//! What of an ELF file a Go program is known by: segments, sections and a few symbols (elf(5)). 64-bit little-endian
//! only. Refuses to trust any offset, count or length of the file, and to read much of it: what does not fit is absent.

/// A part of a file: its bytes from an offset, fewer at the end of the file.
pub trait Read {
    /// Up to `length` bytes from `offset`; `None` when they cannot be read.
    fn read_at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>>;
}

/// Exactly so many bytes; `None` where the file has fewer.
pub fn exactly(file: &mut impl Read, at: u64, length: usize) -> Option<Vec<u8>> {
    file.read_at(at, length).filter(|bytes| bytes.len() == length)
}

/// The number of eight bytes at an offset of `bytes`.
#[must_use]
pub fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A loadable segment of the file.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where it is loaded, before the bias of a position-independent file.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in the file.
    pub length: u64,
    /// Whether it is loaded writable.
    pub writable: bool,
}

/// A section of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    name: u32,
    kind: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length.
    pub length: u64,
    link: u32,
}

/// The tables of one file.
#[derive(Clone, Debug)]
pub struct Elf {
    /// Loadable segments, in the order of the file.
    pub segments: Vec<Segment>,
    sections: Vec<Section>,
    /// Names of sections, each ended by a NUL.
    names: Vec<u8>,
}

impl Elf {
    const SEGMENTS: usize = 256;
    const SECTIONS: usize = 4_096;
    /// Names of sections.
    const NAMES: u64 = 1 << 20;
    /// Tables of symbols and of their names; those of the largest Go programs have some 50 MB.
    const SYMBOLS: u64 = 128 << 20;
    const PIECE: usize = 24 << 15;
    /// Places of one name: some names end like another, thousands do in a file that wants to cost time.
    const PLACES: usize = 16;

    /// Reads the tables; `None`: it is no such file.
    pub fn read(file: &mut impl Read) -> Option<Self> {
        let header = exactly(file, 0, 64)?;
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let sections = sections(file, &header).unwrap_or_default();
        let names = sections.get(half(&header, 62)?).filter(|names| names.length <= Self::NAMES);
        let names = names.and_then(|names| file.read_at(names.offset, names.length as usize)).unwrap_or_default();
        Some(Self { segments: segments(file, &header)?, sections, names })
    }

    /// The section of this name.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<Section> {
        let is_it = |section: &&Section| {
            let rest = self.names.get(section.name as usize..).unwrap_or_default();
            rest.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
        };
        self.sections.iter().find(is_it).copied()
    }

    /// Addresses of these symbols, before the bias; `None` for each that the file does not name (a stripped file names
    /// none).
    pub fn symbols<const N: usize>(&self, file: &mut impl Read, names: [&[u8]; N]) -> [Option<u64>; N] {
        const SYMTAB: u32 = 2;
        let mut found = [None; N];
        let Some(table) = self.sections.iter().find(|section| section.kind == SYMTAB) else { return found };
        let Some(strings) = self.sections.get(table.link as usize) else { return found };
        if table.length > Self::SYMBOLS || strings.length > Self::SYMBOLS {
            return found;
        }
        let places = names.map(|name| occurrences(file, *strings, name));
        let mut missing = places.iter().filter(|places| !places.is_empty()).count();
        for piece in pieces(table.length, Self::PIECE, 0) {
            if missing == 0 {
                break;
            }
            let Some(bytes) = file.read_at(table.offset.saturating_add(piece.0), piece.1) else { break };
            for symbol in bytes.chunks_exact(24) {
                let name = word(symbol, 0).unwrap_or_default();
                for (found, places) in found.iter_mut().zip(&places) {
                    if found.is_none() && places.contains(&name) {
                        *found = number(symbol, 8).filter(|address| *address != 0);
                        missing -= usize::from(found.is_some());
                    }
                }
            }
        }
        found
    }
}

/// Entries of tables have 56 and 64 bytes; a later ELF may lengthen them, but not without bound.
const ENTRY: usize = 256;

fn segments(file: &mut impl Read, header: &[u8]) -> Option<Vec<Segment>> {
    let (offset, size, count) = (number(header, 32)?, half(header, 54)?, half(header, 56)?);
    if !(56..=ENTRY).contains(&size) {
        return None;
    }
    let table = file.read_at(offset, size * count.min(Elf::SEGMENTS))?;
    let segments = table.chunks_exact(size).filter(|entry| entry.starts_with(&[1, 0, 0, 0])).filter_map(|entry| {
        Some(Segment {
            address: number(entry, 16)?,
            offset: number(entry, 8)?,
            length: number(entry, 32)?,
            writable: entry[4] & 2 != 0,
        })
    });
    Some(segments.collect())
}

fn sections(file: &mut impl Read, header: &[u8]) -> Option<Vec<Section>> {
    let (offset, size, count) = (number(header, 40)?, half(header, 58)?, half(header, 60)?);
    if !(64..=ENTRY).contains(&size) || offset == 0 {
        return None;
    }
    let table = file.read_at(offset, size * count.min(Elf::SECTIONS))?;
    let sections = table.chunks_exact(size).filter_map(|entry| {
        Some(Section {
            name: word(entry, 0)?,
            kind: word(entry, 4)?,
            offset: number(entry, 24)?,
            length: number(entry, 32)?,
            link: word(entry, 40)?,
        })
    });
    Some(sections.collect())
}

/// Where a name stands in a table of strings; linkers let one name be the end of another.
fn occurrences(file: &mut impl Read, strings: Section, name: &[u8]) -> Vec<u32> {
    let ended: Vec<u8> = name.iter().copied().chain([0]).collect();
    let mut places = Vec::new();
    for (at, length) in pieces(strings.length, Elf::PIECE, ended.len() - 1) {
        let Some(bytes) = file.read_at(strings.offset.saturating_add(at), length) else { break };
        let found = memchr::memmem::find_iter(&bytes, &ended).map(|found| at as u32 + found as u32);
        places.extend(found.take(Elf::PLACES - places.len()));
        if places.len() >= Elf::PLACES {
            break;
        }
    }
    places
}

/// A length in pieces, each with so many bytes of the next: offsets and lengths.
fn pieces(length: u64, piece: usize, more: usize) -> impl Iterator<Item = (u64, usize)> {
    (0..length).step_by(piece).map(move |at| (at, (length - at).min((piece + more) as u64) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: u64 = 1 << 30;

    /// As many names and symbols as the tables may have, each the one that is looked for.
    #[derive(Default)]
    struct Hostile {
        of_strings: usize,
        of_symbols: usize,
    }

    impl Read for Hostile {
        fn read_at(&mut self, offset: u64, length: usize) -> Option<Vec<u8>> {
            let (pattern, reads): (&[u8], _) = if offset >= STRINGS {
                (b"name\0", &mut self.of_strings)
            } else {
                (b"\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &mut self.of_symbols)
            };
            *reads += 1;
            let begin = (offset % STRINGS) as usize % pattern.len();
            Some(pattern.iter().cycle().skip(begin).take(length).copied().collect())
        }
    }

    #[test]
    fn a_file_full_of_the_name_that_is_looked_for_costs_no_more_than_another() {
        let section = |kind, offset| Section { name: 0, kind, offset, length: Elf::SYMBOLS, link: 1 };
        let elf = Elf { segments: Vec::new(), sections: vec![section(2, 0), section(3, STRINGS)], names: Vec::new() };
        let mut file = Hostile::default();
        assert_eq!(occurrences(&mut file, elf.sections[1], b"name").len(), Elf::PLACES);
        assert_eq!(file.of_strings, 1);
        assert_eq!(elf.symbols(&mut file, [b"name", b"nowhere"]), [Some(16), None]);
        assert_eq!(file.of_symbols, 1, "all that can be found was found");
    }
}
