//! Where a process listens for TCP connections, and whether a connection from here would reach it and nobody else.
//! Refuses to connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::units::Pid;

/// Sockets of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// Whose loopback those are.
    pub namespace: NetworkNamespace,
    /// In the order of their ports.
    pub sockets: Vec<ListeningSocket>,
}

/// The network namespace of a process beside ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkNamespace {
    /// The same.
    Ours,
    /// Another: its loopback is not ours, and what we would reach there is somebody else.
    Other,
    /// Not known: not our machine, or it may not be seen.
    #[default]
    Unknown,
}

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListeningSocket {
    /// Where.
    pub address: SocketAddr,
    /// Its number in the kernel (sockfs): another that is bound there later has another.
    pub inode: u64,
    /// Somebody else listens at the same port: who answers there cannot be told.
    pub is_shared: bool,
    /// Others that have this very socket, by a fork: who of them answers cannot be told either.
    pub family: Option<Family>,
}

/// The parent, children and siblings of a process that have one of its sockets too, as a server that forks has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The one with the lowest number.
    pub first: Pid,
    /// How many they are.
    pub count: u32,
}

impl Family {
    /// What that means for an answer, as a sentence.
    #[must_use]
    pub fn doubt(self) -> String {
        let Self { first, count } = self;
        let who =
            if count > 1 { format!("PID {first} and {} more have", count - 1) } else { format!("PID {first} has") };
        format!("{who} the same socket, so another process may have answered")
    }
}

impl ListeningSocket {
    /// Addresses of our loopback at which it is to be reached, the surest first; none where it is bound elsewhere.
    #[must_use]
    pub fn loopback(&self) -> Vec<SocketAddr> {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let hosts = match self.address.ip().to_canonical() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![v4],
            // Where the machine has no IPv6 on its loopback, such a socket takes the other.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![v6, v4],
            host if host.is_loopback() => vec![host],
            _ => Vec::new(),
        };
        hosts.into_iter().map(|host| SocketAddr::new(host, self.address.port())).collect()
    }
}

impl Listening {
    /// Sockets that can be asked from here: on loopback, in our namespace, not shared.
    pub fn reachable(&self) -> impl Iterator<Item = &ListeningSocket> {
        let ours = self.namespace == NetworkNamespace::Ours;
        self.sockets.iter().filter(move |socket| ours && !socket.is_shared && !socket.loopback().is_empty())
    }

    /// Why none can be asked, in words after the name of the process; `None` where one can.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        if self.reachable().next().is_some() {
            return None;
        }
        let Some(first) = self.sockets.first() else { return Some("does not listen for TCP connections".into()) };
        let address = first.address;
        Some(match self.namespace {
            NetworkNamespace::Other => {
                format!("listens on {address} in another network namespace, out of reach from here")
            }
            NetworkNamespace::Unknown => {
                format!("listens on {address}; whether that is this machine's loopback is unknown")
            }
            NetworkNamespace::Ours if self.sockets.iter().any(|socket| !socket.loopback().is_empty()) => {
                format!("listens on {address}, as does another process: which would answer is unknown")
            }
            NetworkNamespace::Ours => format!("listens on {address}, not on loopback: only loopback is asked"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str) -> ListeningSocket {
        ListeningSocket { address: address.parse().expect("an address"), inode: 4711, is_shared: false, family: None }
    }

    #[test]
    fn only_loopback_is_reached() {
        for (bound, expected) in [
            ("127.0.0.1:6060", &["127.0.0.1:6060"][..]),
            ("127.8.8.8:6060", &["127.8.8.8:6060"]),
            ("0.0.0.0:80", &["127.0.0.1:80"]),
            ("[::]:80", &["[::1]:80", "127.0.0.1:80"]),
            ("[::1]:80", &["[::1]:80"]),
            ("[::ffff:127.0.0.1]:80", &["127.0.0.1:80"]),
            ("[::ffff:10.0.0.1]:80", &[]),
            ("10.0.0.1:80", &[]),
            ("[fe80::1]:80", &[]),
        ] {
            let told: Vec<_> = socket(bound).loopback().iter().map(ToString::to_string).collect();
            assert_eq!(told, expected, "{bound}");
        }
    }

    #[test]
    fn a_socket_of_several_is_asked_and_the_doubt_is_told() {
        let several =
            |count| ListeningSocket { family: Some(Family { first: Pid(7), count }), ..socket("127.0.0.1:6060") };
        let listening = Listening { namespace: NetworkNamespace::Ours, sockets: vec![several(1)] };
        assert_eq!((listening.reachable().count(), listening.obstacle()), (1, None));
        for (count, expected) in [(1, "PID 7 has the same socket, "), (3, "PID 7 and 2 more have the same socket, ")] {
            let told = several(count).family.map(Family::doubt).unwrap_or_default();
            assert!(told.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn who_cannot_be_asked_is_told_why() {
        let of = |namespace, sockets: &[ListeningSocket]| Listening { namespace, sockets: sockets.to_vec() };
        let shared = ListeningSocket { is_shared: true, ..socket("127.0.0.1:6060") };
        for (listening, expected) in [
            (of(NetworkNamespace::Ours, &[socket("10.0.0.1:1"), socket("127.0.0.1:6060")]), None),
            (of(NetworkNamespace::Ours, &[]), Some("does not listen")),
            (of(NetworkNamespace::Ours, &[socket("10.0.0.1:1")]), Some("10.0.0.1:1, not on loopback")),
            (of(NetworkNamespace::Ours, &[shared]), Some("as does another process")),
            (of(NetworkNamespace::Other, &[socket("127.0.0.1:6060")]), Some("another network namespace")),
            (of(NetworkNamespace::Unknown, &[socket("127.0.0.1:6060")]), Some("is unknown")),
        ] {
            let told = listening.obstacle();
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()), "{expected:?}");
            assert_eq!(listening.reachable().count(), usize::from(expected.is_none()));
        }
    }
}
