//! `/proc/PID/limits` as bytes, as far as it bounds memory.

use crate::units::Bytes;

use super::proc_files::decimal;
use super::system_files::lines;

/// The smaller of the soft limits on address space and data (RLIMIT_AS, RLIMIT_DATA; fs/proc/base.c proc_pid_limits):
/// `Some(None)` where both are unlimited, `None` where the text is not what the kernel writes.
#[must_use]
#[expect(clippy::option_option, reason = "unreadable, no limit, and a limit are three answers")]
pub fn address_space(text: &[u8]) -> Option<Option<Bytes>> {
    let soft = |name: &[u8]| {
        let line = lines(text).find_map(|line| line.strip_prefix(name))?;
        match line.split(|byte| *byte == b' ').find(|word| !word.is_empty())? {
            b"unlimited" => Some(u64::MAX),
            number => decimal(number),
        }
    };
    let least = soft(b"Max address space")?.min(soft(b"Max data size")?);
    Some((least < u64::MAX).then_some(Bytes(least)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max data size             unlimited            unlimited            bytes     \n\
Max address space         4096000000           unlimited            bytes     \n";

    #[test]
    fn the_smaller_of_both_counts() {
        assert_eq!(address_space(TEXT), Some(Some(Bytes(4_096_000_000))));
        let text = String::from_utf8_lossy(TEXT).replace("4096000000", "unlimited ");
        assert_eq!(address_space(text.as_bytes()), Some(None));
        assert_eq!(address_space(&TEXT[..200]), None);
    }
}
