//! What the name of a mapping says. Each name is looked at once, however many regions bear it.
//!
//! Names as `fs/proc/task_mmu.c` writes them: a path (with " (deleted)", newlines as `\012`), `[heap]` and its kin,
//! `[anon:NAME]` where a program named its memory (prctl(2) PR_SET_VMA_ANON_NAME).

use crate::snapshot::mapping::{Mappings, Region};

use super::{ClassContext, MappingClass};

/// What a name settles.
pub(super) enum Named {
    /// The class.
    Class { class: MappingClass, probable: bool },
    /// It is `/dev/zero`: how it is mapped decides.
    Zero,
    /// Nothing: there is no name.
    Nothing,
    /// It is the C library: a library whose malloc has memory of its own.
    CLibrary,
}

impl Named {
    /// Whether it tells of a program in which C allocates.
    pub(super) const fn is_of_c(&self) -> bool {
        matches!(self, Self::CLibrary | Self::Class { class: MappingClass::Heap, .. })
    }
}

/// What each name of the table says, by index.
pub(super) fn names_of(mappings: &Mappings, context: &ClassContext<'_>) -> Vec<Named> {
    let mut has_code = vec![false; mappings.names.len()];
    for region in &mappings.regions {
        if region.permissions & Region::EXECUTE != 0
            && let Some(has_code) = has_code.get_mut(region.name as usize)
        {
            *has_code = true;
        }
    }
    let executable = context.executable.map(as_the_kernel_writes);
    mappings
        .names
        .iter()
        .zip(has_code)
        .map(|(name, has_code)| named(name, has_code, executable.as_deref(), context))
        .collect()
}

fn named(name: &[u8], has_code: bool, executable: Option<&[u8]>, context: &ClassContext<'_>) -> Named {
    let certain = |class| Named::Class { class, probable: false };
    if name.is_empty() {
        return Named::Nothing;
    }
    if name.starts_with(b"[") {
        return certain(bracketed(name, context));
    }
    let path = name.strip_suffix(b" (deleted)").unwrap_or(name);
    if executable.is_some_and(|executable| executable == path || executable == name) {
        return certain(MappingClass::Executable);
    }
    if path == b"/dev/zero" {
        return Named::Zero;
    }
    // .NET maps the code that it makes twice, through a memfd of this name.
    if path == b"/memfd:doublemapper" {
        return certain(MappingClass::Jit);
    }
    if [&b"/memfd:"[..], b"/SYSV", b"/dev/shm/"].iter().any(|start| path.starts_with(start)) {
        return certain(MappingClass::SharedMemory);
    }
    if path.starts_with(b"/anon_hugepage") {
        return certain(MappingClass::Hugetlb);
    }
    if path.starts_with(b"anon_inode:") || path.starts_with(b"socket:") {
        return certain(MappingClass::Kernel);
    }
    if !path.starts_with(b"/") || path.starts_with(b"/dev/") {
        return certain(MappingClass::Other);
    }
    if is_c_library(path) {
        return Named::CLibrary;
    }
    if has_code || is_library(path) {
        return certain(MappingClass::Library);
    }
    if context.tmpfs.iter().any(|mount| is_below(path, mount)) {
        return certain(MappingClass::Tmpfs);
    }
    // Where the mounts are not known, /run is a tmpfs by the file hierarchy standard's custom, not by its letter.
    if context.tmpfs.is_empty() && is_below(path, b"/run") {
        return Named::Class { class: MappingClass::Tmpfs, probable: true };
    }
    certain(MappingClass::File)
}

fn bracketed(name: &[u8], context: &ClassContext<'_>) -> MappingClass {
    match name {
        b"[heap]" => return MappingClass::Heap,
        b"[stack]" => return MappingClass::Stack,
        b"[vdso]" | b"[vvar]" | b"[vvar_vclock]" | b"[vsyscall]" | b"[uprobes]" | b"[vectors]" | b"[sigpage]" => {
            return MappingClass::Kernel;
        }
        _ => {}
    }
    // Kernels 3.4 to 4.4 named the stack of each thread.
    if name.starts_with(b"[stack:") {
        return MappingClass::ThreadStack;
    }
    if name.starts_with(b"[anon_shmem:") {
        return MappingClass::SharedMemory;
    }
    let Some(given) = name.strip_prefix(b"[anon:") else { return MappingClass::Other };
    let given = given.strip_suffix(b"]").unwrap_or(given).trim_ascii_start();
    if let Some(of_go) = given.strip_prefix(b"Go: ") {
        return match of_go {
            b"heap" | b"heap reservation" | b"user arena chunk" => MappingClass::GoHeap,
            b"OS thread stack" => MappingClass::ThreadStack,
            _ => MappingClass::GoRuntime,
        };
    }
    // glibc with glibc.mem.decorate_maps=1, and bionic.
    if given.starts_with(b"glibc: pthread") || given.starts_with(b"stack_and_tls:") {
        return MappingClass::ThreadStack;
    }
    if given.starts_with(b"glibc: malloc") && context.is_go {
        return MappingClass::CgoHeap;
    }
    let mut words = given.split(|byte| !byte.is_ascii_alphanumeric());
    if words.any(|word| word.eq_ignore_ascii_case(b"jit")) { MappingClass::Jit } else { MappingClass::Anonymous }
}

/// `libc.so.6`, `ld-linux.so.2`, `_ssl.cpython-311.so`: parts without code in them are mapped under the same name.
fn is_library(path: &[u8]) -> bool {
    let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    file.ends_with(b".so") || file.windows(4).any(|part| part == b".so.")
}

/// glibc (`libc.so.6`, once `libc-2.31.so`) or musl (`ld-musl-x86_64.so.1`, `libc.musl-x86_64.so.1`).
fn is_c_library(path: &[u8]) -> bool {
    let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    is_library(path) && [&b"libc."[..], b"libc-", b"ld-musl-"].iter().any(|start| file.starts_with(start))
}

fn is_below(path: &[u8], mount: &[u8]) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| mount.ends_with(b"/") || rest.starts_with(b"/"))
}

/// seq_file(9) writes a newline in a path as `\012`, so that a line stays a line.
fn as_the_kernel_writes(path: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'\n' => written.extend_from_slice(b"\\012"),
            _ => written.push(byte),
        }
    }
    written
}
