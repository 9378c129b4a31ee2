//! Colours of a terminal, which `dmesg --color=always` and copies of a screen have in their lines. Refuses to take off anything
//! else that moves a cursor.

/// What every colour begins with.
pub(super) const ESCAPE: u8 = 0x1b;

/// The line without the colours of a terminal, if it has any; `plain` is room for it.
pub(super) fn without<'a>(line: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
    let Some(first) = memchr::memchr(ESCAPE, line) else { return line };
    plain.clear();
    let mut rest = line;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.extend_from_slice(&rest[..at]);
        // CSI .. m, and no other: what moves the cursor is no colour.
        let parameters = rest[at..].strip_prefix(b"\x1b[").unwrap_or_default();
        let length = parameters.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        if parameters.get(length) == Some(&b'm') {
            rest = &parameters[length + 1..];
        } else {
            plain.push(ESCAPE);
            rest = &rest[at + 1..];
        }
        next = memchr::memchr(ESCAPE, rest);
    }
    plain.extend_from_slice(rest);
    plain
}
