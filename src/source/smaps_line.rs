//! One line of smaps below the header of its region: a size, or VmFlags. Pure, and quick: a process with 60,000 mappings
//! has a million and a half of them. Refuses to reject lines and flags of newer kernels.

use crate::snapshot::mapping::{Region, VmFlags};
use crate::units::{Bytes, MaybeKib};

use super::proc_files::decimal;

/// Nearly all lines are a key padded to 16 bytes, a number padded to 8 and ` kB`: of known length, which spares looking
/// for their end, and with keys and numbers that fit a register.
pub(super) const PADDED: usize = 28;

/// Such a line at the start of `text`: its key and its number.
pub(super) fn padded_line(text: &[u8]) -> Option<(u128, u64)> {
    let line = text.first_chunk::<PADDED>()?;
    let (key, rest) = line.split_first_chunk::<16>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    if rest != b" kB\n" {
        return None;
    }
    Some((u128::from_le_bytes(*key), padded_number(u64::from_le_bytes(*number))?))
}

/// Eight bytes, blanks and then digits, as a number: all at once, the first byte being the lowest of the word.
fn padded_number(text: u64) -> Option<u64> {
    const fn eight(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // A blank is 0x20, a digit 0x30 to 0x39: they differ in one bit, which of the two only blanks lack.
    let blanks = ((!text >> 4) & eight(1)) * 0xff;
    let digits = (text & !blanks) | (eight(b'0') & blanks);
    let values = digits & eight(0x0f);
    let only_blanks = text & blanks == eight(b' ') & blanks;
    let only_digits = digits & eight(0xf0) == eight(b'0') && (values + eight(6)) & eight(0xf0) == 0;
    let blanks_first = blanks & blanks.wrapping_add(1) == 0 && blanks != u64::MAX;
    if !(only_blanks && only_digits && blanks_first) {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// A key as the kernel pads it.
const fn key(name: &[u8]) -> u128 {
    let mut bytes = [b' '; 16];
    let mut at = 0;
    while at < name.len() {
        bytes[at] = name[at];
        at += 1;
    }
    bytes[at] = b':';
    u128::from_le_bytes(bytes)
}

/// A line below a header, of any length. Lines that are not known are none of ours.
pub(super) fn attribute(line: &[u8], region: &mut Region) -> Option<()> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name == b"VmFlags" {
        region.flags = flags(value);
    } else if value.ends_with(b" kB") && name.len() < 16 {
        size(key(name), kib(value)?, region);
    }
    Some(())
}

/// Puts the number of a line where it belongs; whether its key is known.
pub(super) fn size(name: u128, kib: u64, region: &mut Region) -> bool {
    const SIZE: u128 = key(b"Size");
    const KERNEL_PAGE: u128 = key(b"KernelPageSize");
    const MMU_PAGE: u128 = key(b"MMUPageSize");
    const RSS: u128 = key(b"Rss");
    const PSS: u128 = key(b"Pss");
    const PSS_DIRTY: u128 = key(b"Pss_Dirty");
    const SHARED_CLEAN: u128 = key(b"Shared_Clean");
    const SHARED_DIRTY: u128 = key(b"Shared_Dirty");
    const PRIVATE_CLEAN: u128 = key(b"Private_Clean");
    const PRIVATE_DIRTY: u128 = key(b"Private_Dirty");
    const REFERENCED: u128 = key(b"Referenced");
    const ANONYMOUS: u128 = key(b"Anonymous");
    const KSM: u128 = key(b"KSM");
    const LAZY_FREE: u128 = key(b"LazyFree");
    const ANON_HUGE: u128 = key(b"AnonHugePages");
    const SHMEM_HUGE: u128 = key(b"ShmemPmdMapped");
    const FILE_HUGE: u128 = key(b"FilePmdMapped");
    const SHARED_HUGETLB: u128 = key(b"Shared_Hugetlb");
    const PRIVATE_HUGETLB: u128 = key(b"Private_Hugetlb");
    const SWAP: u128 = key(b"Swap");
    const SWAP_PSS: u128 = key(b"SwapPss");
    const LOCKED: u128 = key(b"Locked");
    let only = MaybeKib::from_kib(kib);
    match name {
        // Known, and not wanted.
        SIZE | KERNEL_PAGE | MMU_PAGE | PSS_DIRTY | KSM => {}
        RSS => region.rss = only,
        PSS => region.pss = only,
        SHARED_CLEAN | SHARED_DIRTY => add(&mut region.shared, kib),
        PRIVATE_CLEAN => region.private_clean = only,
        PRIVATE_DIRTY => region.private_dirty = only,
        REFERENCED => region.referenced = only,
        ANONYMOUS => region.anonymous = only,
        LAZY_FREE => region.lazy_free = only,
        ANON_HUGE | SHMEM_HUGE | FILE_HUGE => add(&mut region.huge, kib),
        SHARED_HUGETLB | PRIVATE_HUGETLB => add(&mut region.hugetlb, kib),
        SWAP => region.swap = only,
        SWAP_PSS => region.swap_pss = only,
        LOCKED => region.locked = only,
        _ => return false,
    }
    true
}

fn add(size: &mut MaybeKib, kib: u64) {
    let before = size.get().unwrap_or_default();
    *size = MaybeKib::from_bytes(before.saturating_add(Bytes::from_kib(kib)));
}

/// `       1234 kB`.
pub(super) fn kib(value: &[u8]) -> Option<u64> {
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

/// ` rd wr mr mw me ac `: two letters and a blank each; what is not of that form is a flag that nobody knows.
fn flags(value: &[u8]) -> VmFlags {
    let mut flags = 0;
    for code in value.trim_ascii().chunks(3) {
        flags |= match code {
            &[first @ b'a'..=b'z', second @ b'a'..=b'z'] | &[first @ b'a'..=b'z', second @ b'a'..=b'z', b' '] => {
                match BITS[(first - b'a') as usize * 26 + (second - b'a') as usize] {
                    0 => VmFlags::UNKNOWN.0,
                    bit => 1 << (bit - 1),
                }
            }
            b"??" | b"?? " => VmFlags::of_code(b"??").0,
            _ => VmFlags::UNKNOWN.0,
        };
    }
    VmFlags(flags)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padded_numbers() {
        for (text, number) in [
            (b"       0", Some(0)),
            (b"      44", Some(44)),
            (b"12345678", Some(12_345_678)),
            (b"99999999", Some(99_999_999)),
            (b"       9", Some(9)),
            (b"        ", None),
            (b"  1 2   ", None),
            (b"4       ", None),
            (b"      -4", None),
            (b"      :0", None),
            (b"     \n10", None),
            (b"\0\0\0\0\0\0\x000", None),
            (b"     &10", None),
        ] {
            assert_eq!(padded_number(u64::from_le_bytes(*text)), number, "{:?}", text.escape_ascii().to_string());
        }
    }

    #[test]
    fn flags_of_newer_kernels_are_told_and_not_rejected() {
        let of = |code: &[u8]| VmFlags::of_code(code);
        assert_eq!(flags(b" rd ex "), of(b"rd").union(of(b"ex")));
        assert_eq!(flags(b" rd zz ?? "), of(b"rd").union(VmFlags::UNKNOWN).union(of(b"??")));
        assert_eq!(flags(b" rd long wr "), flags(b" rd long wr ").union(VmFlags::UNKNOWN));
        assert_eq!(flags(b" "), VmFlags::default());
    }

    proptest! {
        #[test]
        fn all_at_once_is_what_digit_by_digit_gives(number in 0_u64..=99_999_999, at in 0..8_usize, byte in any::<u8>()) {
            let mut text = *format!("{number:8}").as_bytes().first_chunk::<8>().expect("eight");
            prop_assert_eq!(padded_number(u64::from_le_bytes(text)), Some(number));
            text[at] = byte;
            prop_assert_eq!(padded_number(u64::from_le_bytes(text)), decimal(text.trim_ascii_start()).filter(|_| !text.iter().any(|byte| b"\t\n\x0c\r".contains(byte))));
        }
    }
}
