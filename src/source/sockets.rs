//! The sockets on which a process listens: its descriptors (`/proc/PID/fd`) joined with the tables of its network
//! namespace (`/proc/PID/net/tcp` and `tcp6`, net/ipv4/tcp_ipv4.c get_tcp4_sock, net/ipv6/tcp_ipv6.c get_tcp6_sock).
//! Refuses to connect, to read the connections that stand behind the listening sockets in those tables, and to look through
//! all processes for others with the same socket: a fork gives it to the family.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use crate::snapshot::Unreadable;
use crate::snapshot::listening::{Family, Listening, ListeningSocket, NetworkNamespace};
use crate::units::{Pid, ProcessId};

use super::files::{FileName, Tree, each_entry, unreadable};
use super::proc_files::{self, decimal, words};
use super::regions::is_there;

/// Descriptors that are looked at: a server opens its listening sockets before it takes thousands of connections. As many
/// of all its family together.
const DESCRIPTORS: usize = 4096;
/// Of its parent, children and siblings, those with the nearest numbers: workers are forked one after the other.
const FAMILY: usize = 32;
/// Threads of a process whose children are looked for: each has those that it forked itself.
const THREADS: usize = 64;
/// Bytes of a table that are read; at 150 a line, more than anybody listens on.
const TABLE: usize = 1 << 20;
/// TCP_LISTEN (include/net/tcp_states.h).
const LISTEN: &[u8] = b"0A";

/// Where the process listens, and who of its family has the same sockets, below this root of a procfs.
///
/// # Errors
/// Why that cannot be seen.
pub fn listening(proc_root: &Path, id: ProcessId) -> Result<Listening, Unreadable> {
    of_process(&mut Tree::open(proc_root).map_err(unreadable)?, id)
}

pub(super) fn of_process(tree: &mut Tree, id: ProcessId) -> Result<Listening, Unreadable> {
    let mut listening = own(tree, id)?;
    if listening.sockets.is_empty() {
        return Ok(listening);
    }
    let mut left = DESCRIPTORS;
    for relative in family(tree, id) {
        // Whoever may not be looked at, or has ended, is not known to have it.
        let (theirs, looked_at) = socket_inodes(tree, relative, left).unwrap_or_default();
        left -= looked_at;
        for socket in listening.sockets.iter_mut().filter(|socket| theirs.contains(&socket.inode)) {
            let known = socket.family.get_or_insert(Family { first: relative, count: 0 });
            *known = Family { first: known.first.min(relative), count: known.count + 1 };
        }
    }
    Ok(listening)
}

/// The parent, the children and the siblings of a process, those with the nearest numbers first.
fn family(tree: &mut Tree, id: ProcessId) -> Vec<Pid> {
    let stat =
        |tree: &mut Tree, pid| proc_files::stat(tree.read(&FileName::of(pid, "stat")).ok()?).map(|(_, stat)| stat);
    let mut family = children(tree, id.pid);
    if let Some(parent) = stat(tree, id.pid).map(|stat| stat.parent).filter(|parent| parent.0 > 0) {
        // systemd keeps the sockets that it hands on, and answers on none.
        let keeps = parent == Pid(1) && stat(tree, parent).is_some_and(|stat| stat.name.as_bytes() == b"systemd");
        family.extend((!keeps).then_some(parent));
        family.extend(children(tree, parent));
    }
    family.sort_unstable_by_key(|pid| (pid.0.abs_diff(id.pid.0), pid.0));
    family.dedup();
    family.retain(|pid| *pid != id.pid);
    family.truncate(FAMILY);
    family
}

/// `/proc/PID/task/TID/children` (CONFIG_PROC_CHILDREN; fs/proc/array.c children_seq_show) of all threads.
fn children(tree: &mut Tree, pid: Pid) -> Vec<Pid> {
    let Ok(directory) = tree.open_file(&FileName::of(pid, "task")) else { return Vec::new() };
    let threads = numbers(directory.as_fd(), THREADS).unwrap_or_default();
    let mut children = Vec::new();
    for thread in threads {
        let text = tree.read(&FileName::of_thread(pid, Pid(thread), "children")).unwrap_or_default();
        children.extend(words(text).filter_map(decimal).map(Pid));
    }
    children
}

/// The entries of a directory that are numbers, at most so many.
fn numbers(directory: BorrowedFd<'_>, most: usize) -> Result<Vec<u32>, Unreadable> {
    let mut numbers: Vec<u32> = Vec::new();
    each_entry(directory, &mut Vec::new(), |name, _, _| {
        if numbers.len() < most {
            numbers.extend(decimal::<u32>(name.to_bytes()));
        }
    })
    .map_err(unreadable)?;
    Ok(numbers)
}

fn own(tree: &mut Tree, id: ProcessId) -> Result<Listening, Unreadable> {
    let (own, _) = socket_inodes(tree, id.pid, DESCRIPTORS)?;
    let mut all = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        match tree.read_start(&FileName::of(id.pid, table), TABLE) {
            Ok((text, _)) => listed(text, &mut all),
            // A kernel without IPv6.
            Err(Unreadable::Unsupported) => {}
            Err(reason) => return Err(reason),
        }
    }
    let is_ours = |socket: &&(SocketAddr, u64)| own.contains(&socket.1);
    let mut sockets: Vec<_> = all
        .iter()
        .filter(is_ours)
        .map(|(address, inode)| ListeningSocket {
            address: *address,
            inode: *inode,
            is_shared: all.iter().any(|other| other.0.port() == address.port() && !is_ours(&other)),
            family: None,
        })
        .collect();
    sockets.sort_unstable_by_key(|socket| (socket.address.port(), socket.address));
    // What was read by its number was its own to the end.
    is_there(tree, id)?;
    Ok(Listening { namespace: namespace(tree, id), sockets })
}

/// Of the sockets among so many descriptors of a process the numbers, and how many were looked at.
fn socket_inodes(tree: &mut Tree, pid: Pid, most: usize) -> Result<(BTreeSet<u64>, usize), Unreadable> {
    let directory = tree.open_file(&FileName::of(pid, "fd"))?;
    let numbers = numbers(directory.as_fd(), most)?;
    let looked_at = numbers.len();
    // A descriptor that is closed meanwhile is none of interest.
    let inode = |number| {
        let link = tree.read_link(&FileName::of(pid, &format!("fd/{number}"))).ok()?;
        decimal(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
    };
    Ok((numbers.into_iter().filter_map(inode).collect(), looked_at))
}

/// The listening sockets of a table with their inodes: they stand before the connections (tcp_seq_start).
fn listed(text: &[u8], sockets: &mut Vec<(SocketAddr, u64)>) {
    for line in text.split(|byte| *byte == b'\n').skip(1) {
        let mut fields = words(line);
        let (local, state) = (fields.nth(1), fields.nth(1));
        if state != Some(LISTEN) {
            return;
        }
        let inode = fields.nth(5).and_then(decimal);
        sockets.extend(local.and_then(address).zip(inode));
    }
}

/// `0100007F:17AC`: words of the address as they lie in memory, the port as it is read.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let (host, port) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(host.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let host = match host.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, port))
}

/// By the links `/proc/PID/ns/net`; of a tree that is no procfs nothing is known.
fn namespace(tree: &mut Tree, id: ProcessId) -> NetworkNamespace {
    if !tree.is_live() {
        return NetworkNamespace::Unknown;
    }
    let own = tree.read_link(&FileName::of_root("self/ns/net")).map(<[u8]>::to_vec);
    match (own, tree.read_link(&FileName::of(id.pid, "ns/net"))) {
        (Ok(own), Ok(its)) if own == its => NetworkNamespace::Ours,
        (Ok(_), Ok(_)) => NetworkNamespace::Other,
        _ => NetworkNamespace::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    const TABLE_OF_FOUR: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0
   2: 0100007F:17AC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 5000 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 98 1 0000000000000000 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_are_read_up_to_the_first_connection() {
        let mut sockets = Vec::new();
        listed(TABLE_OF_FOUR, &mut sockets);
        let told: Vec<_> = sockets.iter().map(|(address, inode)| format!("{address} {inode}")).collect();
        assert_eq!(told, ["127.0.0.1:6060 4711", "0.0.0.0:80 99"]);
        assert_eq!(address(b"00000000000000000000000001000000:17AC").unwrap().to_string(), "[::1]:6060");
        assert_eq!(address(b"0000000000000000FFFF00000100007F:17AC").unwrap().to_string(), "[::ffff:127.0.0.1]:6060");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "asks who it is itself")]
    fn our_own_sockets_are_found_and_those_of_others_are_not() {
        let bound = ["127.0.0.1:0", "0.0.0.0:0"].map(|address| TcpListener::bind(address).unwrap());
        let bound = bound.iter().map(|listener| listener.local_addr().unwrap());
        let stat = std::fs::read("/proc/self/stat").unwrap();
        let (start_time, _) = proc_files::stat(&stat).unwrap();
        let own = ProcessId { pid: Pid(std::process::id()), start_time };
        let told = listening(Path::new("/proc"), own).unwrap();
        assert_eq!(told.namespace, NetworkNamespace::Ours);
        for address in bound {
            assert!(told.sockets.iter().any(|socket| socket.address == address), "{address} in {told:?}");
        }
        let reused = ProcessId { start_time: crate::units::StartTime(start_time.0 + 1), ..own };
        assert_eq!(listening(Path::new("/proc"), reused), Err(Unreadable::Gone));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "starts processes that have its socket, and asks who it is itself")]
    fn who_of_the_family_has_the_same_socket_is_found() {
        if !Path::new("/proc/thread-self/children").exists() {
            return eprintln!("SKIPPED: this kernel does not list children (CONFIG_PROC_CHILDREN)");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // As a server that forks: the socket is the input of each of them.
        let workers = [0, 1].map(|_| {
            let input = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
            std::process::Command::new("sleep").arg("600").stdin(input).spawn().unwrap()
        });
        let mut tree = Tree::open(Path::new("/proc")).unwrap();
        let mut family_of = |pid| {
            let (start_time, _) = proc_files::stat(tree.read(&FileName::of(pid, "stat")).unwrap()).unwrap();
            let told = of_process(&mut tree, ProcessId { pid, start_time }).unwrap();
            told.sockets.iter().find(|socket| socket.address == address).and_then(|socket| socket.family)
        };
        let ours = Pid(std::process::id());
        let others = workers.each_ref().map(|worker| Pid(worker.id()));
        let [one, other] = others;
        let of = |relatives: [Pid; 2]| relatives.into_iter().min().map(|first| Family { first, count: 2 });
        let expected = [of([one, other]), of([ours, other]), of([ours, one])];
        // Whoever is forked beside this has it as well, until it executes something.
        let mut told = [None; 3];
        for _ in 0..1000 {
            told = [ours, one, other].map(&mut family_of);
            if told == expected {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        for mut worker in workers {
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        assert_eq!(told, expected, "of {ours}, which forked, and of {others:?}");
    }

    proptest! {
        #[test]
        fn no_table_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..600, byte: u8) {
            listed(&text, &mut Vec::new());
            let mut damaged = TABLE_OF_FOUR.to_vec();
            damaged[at % TABLE_OF_FOUR.len()] = byte;
            listed(&damaged, &mut Vec::new());
        }
    }
}
