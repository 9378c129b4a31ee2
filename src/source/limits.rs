//! `/proc/PID/limits` as bytes, as far as it bounds memory.

use crate::snapshot::process::SpaceLimits;
use crate::units::Bytes;

use super::proc_files::decimal;
use super::system_files::lines;

/// The soft limits on address space and data (fs/proc/base.c proc_pid_limits); `None` where the text is not what the kernel
/// writes.
#[must_use]
pub fn space(text: &[u8]) -> Option<SpaceLimits> {
    let soft = |name: &[u8]| {
        let line = lines(text).find_map(|line| line.strip_prefix(name))?;
        match line.split(|byte| *byte == b' ').find(|word| !word.is_empty())? {
            b"unlimited" => Some(None),
            number => Some(Some(Bytes(decimal(number)?))),
        }
    };
    Some(SpaceLimits { address_space: soft(b"Max address space")?, data: soft(b"Max data size")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max data size             unlimited            unlimited            bytes     \n\
Max address space         4096000000           unlimited            bytes     \n";

    #[test]
    fn each_limit_stands_for_itself() {
        let limits = SpaceLimits { address_space: Some(Bytes(4_096_000_000)), data: None };
        assert_eq!(space(TEXT), Some(limits));
        let text = String::from_utf8_lossy(TEXT).replace("4096000000", "unlimited ");
        assert_eq!(space(text.as_bytes()), Some(SpaceLimits::default()));
        assert_eq!(space(&TEXT[..200]), None);
    }
}
