//! Servers that do not do what they should.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use rustix::net::{AddressFamily, SocketType};

use super::*;

/// What a server does with a connection whose request it has read.
type Serve = fn(&mut TcpStream);

/// Somebody who takes one connection; ends with it.
fn server(serve: Serve) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let count = connection.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            request.extend_from_slice(&buffer[..count]);
        }
        serve(&mut connection);
        String::from_utf8(request).unwrap()
    });
    (address, thread)
}

/// A port that nobody listens at and nobody else can take while the socket is kept.
pub fn nobodys_port() -> (OwnedFd, SocketAddr) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address)
}

/// Writes until the other side has had enough.
fn without_end(connection: &mut TcpStream, begin: &[u8], more: &[u8], pause: Duration) {
    let mut written = connection.write_all(begin);
    while written.is_ok() {
        std::thread::sleep(pause);
        written = connection.write_all(more);
    }
}

const NEVER: fn() -> bool = || false;
const ITS: fn() -> bool = || true;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";

#[test]
fn a_good_answer_is_taken_whole_without_waiting_for_the_connection_to_end() {
    let (address, server) = server(|connection| {
        connection.write_all(OK).unwrap();
        connection.write_all(b"Content-Length: 5\r\n\r\nhello").unwrap();
        // Kept open until the other side closes it.
        let _ = connection.read(&mut [0; 8]);
    });
    let got = get(address, "/debug/pprof/heap", Leash::new(PATIENCE * 6, &NEVER), ITS);
    assert_eq!(got.unwrap(), b"hello");
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /debug/pprof/heap HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
}

#[test]
fn servers_that_do_not_end_are_left_in_words() {
    // What takes no end is left soon; what ends by itself is waited for, however slow the machine is.
    let (short, long) = (Duration::from_millis(300), PATIENCE * 60);
    let table: [(&str, Duration, Serve, &str); 6] = [
        ("never answers", short, |connection| drop(connection.read(&mut [0; 8])), "no complete answer within 0.3 s"),
        (
            "drips bytes",
            short,
            |connection| without_end(connection, OK, b"X", Duration::from_millis(10)),
            "no complete answer within 0.3 s",
        ),
        (
            "drips the body",
            short,
            |connection| {
                let begin = [OK, b"Content-Length: 100000\r\n\r\n"].concat();
                without_end(connection, &begin, b"X", Duration::from_millis(10));
            },
            "no complete answer within 0.3 s",
        ),
        ("closes at once", long, |_| {}, "its answer was cut short"),
        (
            "ends before it should",
            long,
            |connection| connection.write_all(&[OK, b"Content-Length: 100\r\n\r\nabc"].concat()).unwrap(),
            "its answer was cut short",
        ),
        (
            "sends us elsewhere",
            long,
            |connection| {
                let answer = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n\r\n";
                connection.write_all(answer).unwrap();
            },
            "it redirects to http://127.0.0.1:1/ (307), which is not followed",
        ),
    ];
    for (what, patience, serve, expected) in table {
        let (address, server) = server(serve);
        let refusal = get(address, "/", Leash::new(patience, &NEVER), ITS).unwrap_err();
        assert_eq!(refusal.to_string(), expected, "{what}");
        server.join().unwrap();
    }
}

#[test]
fn more_than_any_profile_has_is_not_taken_however_fast_it_comes() {
    for begin in [&b"\r\n"[..], b"Transfer-Encoding: chunked\r\n\r\n3000000\r\n"] {
        let begin: &'static [u8] = begin;
        let (address, server) = server(if begin.len() == 2 {
            |connection| without_end(connection, &[OK, b"\r\n"].concat(), &vec![0; 1 << 20], Duration::ZERO)
        } else {
            |connection| {
                let chunk = [b"3000000\r\n".to_vec(), vec![0; 0x300_0000], b"\r\n".to_vec()].concat();
                without_end(connection, &[OK, b"Transfer-Encoding: chunked\r\n\r\n"].concat(), &chunk, Duration::ZERO);
            }
        });
        let refusal = get(address, "/", Leash::new(PATIENCE * 12, &NEVER), ITS).unwrap_err();
        assert_eq!(refusal.to_string(), "its answer is larger than 64 MiB");
        server.join().unwrap();
    }
}

#[test]
fn what_is_given_up_ends_at_once() {
    let (address, server) = server(|connection| drop(connection.read(&mut [0; 8])));
    let looks = std::cell::Cell::new(0);
    let given_up = || {
        looks.set(looks.get() + 1);
        looks.get() > 5
    };
    let refusal = get(address, "/", Leash::new(PATIENCE * 60, &given_up), ITS).unwrap_err();
    assert_eq!(refusal.to_string(), "cancelled");
    server.join().unwrap();
}

#[test]
fn nobody_is_there_or_not_on_loopback() {
    let (_kept, closed) = nobodys_port();
    let refusal = get(closed, "/", Leash::new(PATIENCE * 60, &NEVER), ITS).unwrap_err();
    assert!(refusal.to_string().starts_with("no connection: "), "{refusal}");
    let elsewhere = get("192.0.2.1:80".parse().unwrap(), "/", Leash::new(PATIENCE, &NEVER), ITS).unwrap_err();
    assert_eq!(elsewhere.to_string(), "it is not on loopback");
}

/// A socket whose queue has room for none is full with one.
#[test]
fn who_takes_no_connection_is_not_waited_for() {
    let (socket, address) = nobodys_port();
    rustix::net::listen(&socket, 0).unwrap();
    let waiting: Vec<_> = (0..3).map(|_| TcpStream::connect_timeout(&address, CONNECTING)).collect();
    assert!(waiting[2].is_err(), "{waiting:?}");
    let refusal = get(address, "/", Leash::new(PATIENCE * 60, &NEVER), ITS).unwrap_err();
    assert_eq!(refusal.to_string(), "no connection within 1 s: it accepts none, and its backlog is full");
}

#[test]
fn somebody_elses_answer_is_not_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let refusal = get(address, "/", Leash::new(PATIENCE * 60, &NEVER), || false).unwrap_err();
    assert_eq!(refusal.to_string(), "it no longer listens there");
    let mut asked = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut asked).unwrap();
    assert_eq!(asked, b"", "connected, and said nothing");
}
