//! What a file is in which no line can be read as it is, by its first bytes. Refuses to unpack anything.

/// A form of file that another program makes text of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Two bytes for each letter, with a byte order mark.
    Utf16,
    /// RFC 1952: what logrotate makes.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// RFC 8878.
    Zstd,
    /// A file of the systemd journal (systemd's JOURNAL_FILE_FORMAT: "Signature").
    Journal,
}

impl Encoding {
    /// By the first bytes of a file; `None`: nothing is known against its being text.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Option<Self> {
        Some(match beginning {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Utf16,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'L', b'P', b'K', b'S', b'H', b'H', b'R', b'H', ..] => Self::Journal,
            _ => return None,
        })
    }
}
