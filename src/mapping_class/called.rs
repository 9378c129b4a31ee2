//! What the name of a mapping says, as a person would: the kernel writes shared memory as deleted files. Refuses to
//! shorten a path: which part of it matters, only who shows it knows.

use std::borrow::Cow;

use crate::snapshot::mapping::Region;
use crate::text::printable;

/// The name of a region, safe to show; empty where it has none and is nobody else's.
#[must_use]
pub fn called<'a>(name: &'a [u8], region: &Region) -> Cow<'a, str> {
    let shared = region.permissions & Region::SHARED != 0;
    let (path, deleted) = name.strip_suffix(b" (deleted)").map_or((name, ""), |path| (path, ", deleted"));
    if path == b"/dev/zero" && shared {
        return "shared anonymous memory".into();
    }
    if path.is_empty() && shared {
        return "shared memory without a name".into();
    }
    if path.starts_with(b"/anon_hugepage") {
        return "huge pages of the pool".into();
    }
    // ipc/shm.c newseg: the name is "SYSV" and the key, the inode is what shmat(2) and ipcs(1) call shmid.
    if let Some(key) = path.strip_prefix(b"/SYSV") {
        return format!("SysV segment {} (key 0x{})", region.inode, printable(key)).into();
    }
    if let Some(given) = path.strip_prefix(b"/memfd:") {
        return format!("memfd {}", printable(given)).into();
    }
    if let Some(given) = path.strip_prefix(b"/dev/shm/") {
        return format!("{} in /dev/shm{deleted}", printable(given)).into();
    }
    for named in [&b"[anon:"[..], b"[anon_shmem:"] {
        if let Some(given) = name.strip_prefix(named) {
            return printable(given.strip_suffix(b"]").unwrap_or(given).trim_ascii_start());
        }
    }
    if deleted.is_empty() { printable(name) } else { format!("{}{deleted}", printable(path)).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_as_deleted_files_is_called_what_it_is() {
        for (name, shared, expected) in [
            (&b"/dev/zero (deleted)"[..], true, "shared anonymous memory"),
            (b"/dev/zero", false, "/dev/zero"),
            (b"/SYSV0052e2c1 (deleted)", true, "SysV segment 7 (key 0x0052e2c1)"),
            (b"/memfd:wayland-cursor (deleted)", true, "memfd wayland-cursor"),
            (b"/dev/shm/PostgreSQL.1804289383", true, "PostgreSQL.1804289383 in /dev/shm"),
            (b"/dev/shm/sem.x (deleted)", true, "sem.x in /dev/shm, deleted"),
            (b"/anon_hugepage (deleted)", true, "huge pages of the pool"),
            (b"[anon: Go: heap]", false, "Go: heap"),
            (b"[anon:dalvik-main space]", false, "dalvik-main space"),
            (b"[heap]", false, "[heap]"),
            (b"/usr/lib/old.so (deleted)", false, "/usr/lib/old.so, deleted"),
            (b"/tmp/\x1b[2J", false, "/tmp/\\x1b[2J"),
            (b"", true, "shared memory without a name"),
            (b"", false, ""),
        ] {
            let permissions = if shared { Region::SHARED } else { 0 };
            let region = Region { permissions, inode: 7, ..Region::default() };
            assert_eq!(called(name, &region), expected);
        }
    }
}
