//! Facts of one process as procfs tells them. Refuses to interpret: `rss` of [`Stat`] and `resident` of [`Statm`] may
//! differ by the kernel's counter error, and which one the OOM killer sees is for `monitor::kernel_rules` to say.

use std::fmt;
use std::sync::Arc;

use crate::units::{Bytes, Pages, Pid};

/// `/proc/PID/statm` (proc(5)). `resident - shared` is RssAnon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statm {
    /// Field 1: address space.
    pub size: Pages,
    /// Field 2: resident.
    pub resident: Pages,
    /// Field 3: resident file and shared-memory pages.
    pub shared: Pages,
    /// Field 4: text (code); with `size`, a sign of exec when it changes.
    pub text: Pages,
}

/// `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Field 2 without its parentheses.
    pub name: Name,
    /// Field 3: `R`, `S`, `D`, `Z`, `T`, `t`, `X`, `I`, ... as the kernel writes it.
    pub state: u8,
    /// Field 4.
    pub parent: Pid,
    /// Field 9: PF_ flags; PF_KTHREAD is 0x0020_0000.
    pub flags: u32,
    /// Field 10: minor faults since the start.
    pub minor_faults: u64,
    /// Field 12: major faults since the start.
    pub major_faults: u64,
    /// Field 20.
    pub threads: u32,
    /// Field 23.
    pub virtual_size: Bytes,
    /// Field 24: resident, by the counter that the OOM killer read before kernel 7.0.
    pub rss: Pages,
    /// Field 52: wait status, where it may be read (zero without ptrace rights).
    pub exit_code: i32,
    /// A leader that has ended (zombie) while threads of it live: Vm facts are those of a living thread.
    pub leader_dead: bool,
}

impl Stat {
    /// Whether PF_KTHREAD is set.
    #[must_use]
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & 0x0020_0000 != 0
    }
}

/// `/proc/PID/status` (proc(5)). `None` where the kernel has no such line: zombies and kernel threads have no Vm
/// lines, old kernels lack some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub effective_uid: u32,
    /// VmRSS, and its parts since 4.5.
    pub rss: Option<Bytes>,
    /// RssAnon.
    pub rss_anon: Option<Bytes>,
    /// RssFile.
    pub rss_file: Option<Bytes>,
    /// RssShmem.
    pub rss_shmem: Option<Bytes>,
    /// VmHWM: the peak of RSS, as far as the kernel tracked it.
    pub peak_rss: Option<Bytes>,
    /// VmSwap: anonymous pages in swap.
    pub swap: Option<Bytes>,
    /// VmData: private writable memory, touched or not.
    pub data: Option<Bytes>,
    /// VmPTE, plus VmPMD where it exists.
    pub page_tables: Option<Bytes>,
    /// VmLck.
    pub locked: Option<Bytes>,
    /// HugetlbPages: not in RSS.
    pub hugetlb: Option<Bytes>,
    /// CapEff.
    pub capabilities: u64,
    /// The last number of NSpid: the process number in its innermost PID namespace.
    pub namespace_pid: Option<Pid>,
}

/// Soft limits of a process on what it may map (setrlimit(2)), each `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceLimits {
    /// RLIMIT_AS: of VmSize.
    pub address_space: Option<Bytes>,
    /// RLIMIT_DATA: of VmData.
    pub data: Option<Bytes>,
}

/// The name of a process (comm): at most 15 bytes for user processes, up to 63 for kernel threads, any bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    length: u8,
    bytes: [u8; 63],
}

impl Name {
    /// Cut to 63 bytes.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let length = name.len().min(63);
        let mut bytes = [0; 63];
        bytes[..length].copy_from_slice(&name[..length]);
        Self { length: length as u8, bytes }
    }

    /// The bytes as the kernel gave them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length).min(63)]
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::new(b"")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// Path of a memory cgroup as `/proc/PID/cgroup` tells it (the v2 line, or the v1 line with the memory controller).
/// Any bytes; one allocation shared by all processes in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupPath(pub Arc<[u8]>);

impl CgroupPath {
    /// From text, for tests.
    #[must_use]
    pub fn new(path: impl AsRef<[u8]>) -> Self {
        Self(path.as_ref().into())
    }

    /// Whether `self` is `ancestor` or lies below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        let above: &[u8] = if ancestor.0.as_ref() == b"/" { b"" } else { &ancestor.0 };
        self.0.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// Of one cgroup that is called `own` here and `outer` from further out (the kernel's log has the paths of the machine's
/// first cgroup namespace): what stands before it there, and before it here, which is nothing but the way out of our
/// namespace. `None` where these must be two cgroups.
#[must_use]
pub fn namespace_above<'a>(outer: &'a [u8], own: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut inside = own;
    while let Some(rest) = inside.strip_prefix(b"/..").filter(|rest| rest.is_empty() || rest.starts_with(b"/")) {
        inside = rest;
    }
    let out = &own[..own.len() - inside.len()];
    let inside = if inside == b"/" { b"" } else { inside };
    let root: &[u8] = if outer == b"/" { b"" } else { outer };
    Some((root.strip_suffix(inside)?, out))
}

/// `/proc/PID/cmdline`: arguments, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The arguments, each ended by a NUL as the kernel writes them; cut to 4,096 bytes. Empty for a process without
    /// a command line.
    pub arguments: Box<[u8]>,
    /// Whether it was cut.
    pub cut: bool,
}

/// What a process executes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executable {
    /// The link `/proc/PID/exe`, without " (deleted)".
    pub path: Box<[u8]>,
    /// The file was replaced or removed.
    pub deleted: bool,
    /// Working directory (`/proc/PID/cwd`), read for Go test binaries only: it is the directory of their package.
    pub working_directory: Option<Box<[u8]>>,
    /// Go build information (`.go.buildinfo`), where the file has it.
    pub go: Option<GoBuild>,
}

/// What a Go binary says of itself (debug/buildinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoBuild {
    /// `go1.26.1`.
    pub version: Box<str>,
    /// The `path` line: import path of the main package, ending in `.test` for a test binary.
    pub path: Box<str>,
    /// The `mod` line: path of the main module.
    pub module: Box<str>,
}
