//! A place in a line of bytes that only moves forward over what was expected. Every step answers `None` rather than
//! guess, so that a line cut anywhere gives less, never something else. Refuses to know any message.

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// Over exactly these bytes.
    #[inline]
    pub fn tag(&mut self, tag: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(tag)?;
        Some(())
    }

    /// Over blanks, if any.
    #[inline]
    pub fn blanks(&mut self) {
        // Eight at a time: tables are half of blanks.
        while let Some(word) = self.0.first_chunk() {
            let others = u64::from_le_bytes(*word) ^ 0x2020_2020_2020_2020;
            let count = (others.trailing_zeros() / 8) as usize;
            self.0 = &self.0[count..];
            if count < 8 {
                return;
            }
        }
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Over a decimal number that fits.
    #[inline]
    pub fn unsigned(&mut self) -> Option<u64> {
        let (value, count) = self.0.first_chunk().map_or((0, 0), |word| number_in(*word));
        if count == 0 || count == 8 {
            return self.long_number();
        }
        self.0 = &self.0[count..];
        Some(value)
    }

    /// One with more digits, or at the end of a line.
    fn long_number(&mut self) -> Option<u64> {
        let (mut value, mut rest) = (0_u64, self.0);
        if let Some(word) = rest.first_chunk()
            && let (eight, 8) = number_in(*word)
        {
            (value, rest) = (eight, &rest[8..]);
        }
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            rest = behind;
        }
        if rest.len() == self.0.len() {
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    /// Over a number of 32 bits: a PID, a user.
    #[inline]
    pub fn unsigned_32(&mut self) -> Option<u32> {
        self.unsigned().and_then(|value| u32::try_from(value).ok())
    }

    /// Over a number with or without a minus.
    #[inline]
    pub fn signed(&mut self) -> Option<i64> {
        let negative = self.tag(b"-").is_some();
        let value = i64::try_from(self.unsigned()?).ok()?;
        Some(if negative { -value } else { value })
    }

    /// Over everything before `tag` and over the tag: gives what stood before it.
    pub fn until(&mut self, tag: &[u8]) -> Option<&'a [u8]> {
        let at = find(self.0, tag)?;
        let before = &self.0[..at];
        self.0 = &self.0[at + tag.len()..];
        Some(before)
    }

    /// As `until`, of a single byte.
    #[inline]
    pub fn until_byte(&mut self, byte: u8) -> Option<&'a [u8]> {
        let at = memchr::memchr(byte, self.0)?;
        let before = &self.0[..at];
        self.0 = &self.0[at + 1..];
        Some(before)
    }

    /// A number between `before` (found anywhere ahead) and `after`: `anon-rss:` 27912 `kB`.
    pub fn number_between(&mut self, before: &[u8], after: &[u8]) -> Option<u64> {
        let mut ahead = *self;
        ahead.until(before)?;
        let value = ahead.unsigned()?;
        ahead.tag(after)?;
        *self = ahead;
        Some(value)
    }
}

/// The number that eight bytes begin with, and how many of them are digits. Most numbers of a log have fewer, and a table has
/// ten in each of its lines: all eight bytes are looked at, and added up, at once.
#[inline]
fn number_in(bytes: [u8; 8]) -> (u64, usize) {
    let digits = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // The top bit of each byte that is above nine; those behind the first such byte may be wrong.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() / 8;
    if count == 0 {
        return (0, 0);
    }
    // Zeros ahead of it fill eight digits; then pairs, fours and eights are put together.
    let digits = digits << (64 - 8 * count);
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff;
    (eight, count as usize)
}

/// Where `needle` first stands in `haystack`. The lines are short: to prepare a search for it, as `memmem` does, takes longer
/// than to look at each place where its rarest letter is.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    const LONG: usize = 160;
    if haystack.len() > LONG {
        return memchr::memmem::find(haystack, needle);
    }
    let rare = rare(needle);
    let places = memchr::memchr_iter(*needle.get(rare)?, haystack).filter_map(|at| at.checked_sub(rare));
    { places }.find(|at| haystack[*at..].starts_with(needle))
}

/// Where `needle` last stands in `haystack`.
pub(super) fn find_last(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let rare = rare(needle);
    let places = memchr::memrchr_iter(*needle.get(rare)?, haystack).filter_map(|at| at.checked_sub(rare));
    { places }.find(|at| haystack[*at..].starts_with(needle))
}

/// The place of a letter that lines have few of: the first one that is not small and no blank.
#[inline]
fn rare(needle: &[u8]) -> usize {
    needle.iter().position(|byte| !byte.is_ascii_lowercase() && *byte != b' ').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_read_whatever_stands_behind_it(
            ahead in 0..20_usize, number in any::<u64>(), shift in 0..64_u32, behind in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let number = number >> shift;
            let mut text = format!("{}{number}", " ".repeat(ahead)).into_bytes();
            let is_whole = behind.first().is_none_or(|byte| !byte.is_ascii_digit());
            text.extend_from_slice(&behind);
            let mut cursor = Cursor(&text);
            cursor.blanks();
            prop_assert_eq!(cursor.0.len(), text.len() - ahead);
            let read = cursor.unsigned();
            if is_whole {
                prop_assert_eq!((read, cursor.0), (Some(number), &behind[..]));
            }
        }

        #[test]
        fn words_are_found_where_they_stand(text in "[ab (]{0,40}", needle in "[ab (]{1,3}", long in any::<bool>()) {
            let text = if long { text.repeat(9) } else { text };
            let (text_bytes, needle_bytes) = (text.as_bytes(), needle.as_bytes());
            prop_assert_eq!(find(text_bytes, needle_bytes), text.find(&needle));
            prop_assert_eq!(find_last(text_bytes, needle_bytes), text.rfind(&needle));
        }
    }

    #[test]
    fn what_is_no_number_or_does_not_fit_is_none_and_moves_nothing() {
        for text in ["", "x", "-1", ":23456789", "/2345678", "18446744073709551616", "99999999999999999999999"] {
            let mut cursor = Cursor(text.as_bytes());
            assert_eq!((cursor.unsigned(), cursor.0), (None, text.as_bytes()));
        }
        assert_eq!(Cursor(b"18446744073709551615").unsigned(), Some(u64::MAX));
    }
}
