//! The sockets on which a process listens: its descriptors (`/proc/PID/fd`) joined with the tables of its network
//! namespace (`/proc/PID/net/tcp` and `tcp6`, net/ipv4/tcp_ipv4.c get_tcp4_sock, net/ipv6/tcp_ipv6.c get_tcp6_sock).
//! Refuses to connect, and to read the connections that stand behind the listening sockets in those tables.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;

use crate::snapshot::Unreadable;
use crate::snapshot::listening::{Listening, ListeningSocket, NetworkNamespace};
use crate::units::ProcessId;

use super::files::{FileName, Tree, each_entry, unreadable};
use super::proc_files::{decimal, words};
use super::regions::is_there;

/// Descriptors that are looked at: a server opens its listening sockets before it takes thousands of connections.
const DESCRIPTORS: usize = 4096;
/// Bytes of a table that are read; at 150 a line, more than anybody listens on.
const TABLE: usize = 1 << 20;
/// TCP_LISTEN (include/net/tcp_states.h).
const LISTEN: &[u8] = b"0A";

/// Where the process listens, below this root of a procfs.
///
/// # Errors
/// Why that cannot be seen.
pub fn listening(proc_root: &Path, id: ProcessId) -> Result<Listening, Unreadable> {
    of_process(&mut Tree::open(proc_root).map_err(unreadable)?, id)
}

pub(super) fn of_process(tree: &mut Tree, id: ProcessId) -> Result<Listening, Unreadable> {
    let own = socket_inodes(tree, id)?;
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
        })
        .collect();
    sockets.sort_unstable_by_key(|socket| (socket.address.port(), socket.address));
    // What was read by its number was its own to the end.
    is_there(tree, id)?;
    Ok(Listening { namespace: namespace(tree, id), sockets })
}

fn socket_inodes(tree: &mut Tree, id: ProcessId) -> Result<BTreeSet<u64>, Unreadable> {
    let directory = tree.open_file(&FileName::of(id.pid, "fd"))?;
    // The descriptor stands for one process; that it is the one that was meant, its start time says.
    is_there(tree, id)?;
    let mut numbers: Vec<u32> = Vec::new();
    each_entry(directory.as_fd(), &mut Vec::new(), |name, _, _| {
        if numbers.len() < DESCRIPTORS {
            numbers.extend(decimal::<u32>(name.to_bytes()));
        }
    })
    .map_err(unreadable)?;
    // A descriptor that is closed meanwhile is none of interest.
    let inode = |number| {
        let link = tree.read_link(&FileName::of(id.pid, &format!("fd/{number}"))).ok()?;
        decimal(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
    };
    Ok(numbers.into_iter().filter_map(inode).collect())
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
    use crate::units::Pid;

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
        let (start_time, _) = super::super::proc_files::stat(&stat).unwrap();
        let own = ProcessId { pid: Pid(std::process::id()), start_time };
        let told = listening(Path::new("/proc"), own).unwrap();
        assert_eq!(told.namespace, NetworkNamespace::Ours);
        for address in bound {
            assert!(told.sockets.iter().any(|socket| socket.address == address), "{address} in {told:?}");
        }
        let reused = ProcessId { start_time: crate::units::StartTime(start_time.0 + 1), ..own };
        assert_eq!(listening(Path::new("/proc"), reused), Err(Unreadable::Gone));
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
