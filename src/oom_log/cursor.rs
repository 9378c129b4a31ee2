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
        let count = self.0.iter().take_while(|byte| **byte == b' ').count();
        self.0 = &self.0[count..];
    }

    /// Over a decimal number that fits.
    #[inline]
    pub fn unsigned(&mut self) -> Option<u64> {
        /// Digits of which any number fits.
        const FITTING: usize = 19;
        let (mut value, mut count) = (0_u64, 0);
        for byte in self.0 {
            let digit = u64::from(byte.wrapping_sub(b'0'));
            if digit > 9 {
                break;
            }
            value = if count < FITTING { value * 10 + digit } else { value.checked_mul(10)?.checked_add(digit)? };
            count += 1;
        }
        if count == 0 {
            return None;
        }
        self.0 = &self.0[count..];
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

/// Where `needle` first stands in `haystack`. The lines are short: to prepare a search for it, as `memmem` does, would take
/// longer than the search.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memchr_iter(*needle.first()?, haystack).find(|at| haystack[*at..].starts_with(needle))
}

/// Where `needle` last stands in `haystack`.
pub(super) fn find_last(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(*needle.first()?, haystack).find(|at| haystack[*at..].starts_with(needle))
}
