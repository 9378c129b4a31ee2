//! The thread from one end to the other: against a server of our own, which is found as the sockets of this process.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::client::tests::nobodys_port;
use super::*;
use crate::app::SavedProfile;
use crate::control::identify;
use crate::golang::pprof::Kind;
use crate::units::Pid;

/// One string, one type, one sample: the smallest profile.
const PROFILE: &[u8] = b"\x0a\x04\x08\x01\x10\x02\x12\x03\x12\x01\x07\x32\x00\x32\x05count\x32\x05count";

fn call(from: SocketAddr) -> ProfileCall {
    let of = identify(Path::new("/proc"), Pid(std::process::id())).unwrap();
    ProfileCall { of, who: "us".into(), from: Some(from), kind: Kind::Heap, reason: Reason::Asked, base: None }
}

/// The thread, with more patience than any machine needs.
fn started(directory: &Path) -> (Profiles, mpsc::Receiver<Event>) {
    let (mut profiles, outcomes) = Profiles::new("/proc".into(), directory.into());
    profiles.worker.patience = PATIENCE * 60;
    (profiles, outcomes)
}

/// Answers every connection with this, for ever.
fn server(body: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").and_then(|()| connection.write_all(body));
        }
    });
    address
}

#[test]
#[expect(clippy::disallowed_methods, reason = "looks at the file that was written")]
fn a_profile_is_fetched_summed_and_saved() {
    let directory = tempfile::tempdir().unwrap();
    let (mut profiles, mut outcomes) = started(directory.path());
    let from = server(PROFILE);
    profiles.fetch(call(from)).unwrap();
    let Some(Event::Profiled { outcome: Ok(fetched), .. }) = outcomes.blocking_recv() else { panic!("not fetched") };
    assert_eq!((fetched.from, &*fetched.bytes, fetched.growth, fetched.saved), (from, PROFILE, None, None));
    assert_eq!(fetched.whole.top(0, pprof::Order::Flat).unwrap().total, 7);
    profiles.save(SaveCall { name: "us".into(), taken: None, bytes: fetched.bytes }).unwrap();
    let saved = |name: &str| SavedProfile { path: directory.path().join(name).display().to_string(), not_there: None };
    assert_eq!(outcomes.blocking_recv(), Some(Event::ProfileSaved(Ok(saved("us.pb.gz")))));
    // For an alarm nobody needs to press a key.
    profiles.fetch(ProfileCall { reason: Reason::Alarm(1), ..call(from) }).unwrap();
    let Some(Event::Profiled { outcome: Ok(fetched), .. }) = outcomes.blocking_recv() else { panic!("not fetched") };
    assert_eq!(fetched.saved, Some(Ok(saved("us-heap.pb.gz"))));
    assert_eq!(std::fs::read(directory.path().join("us-heap.pb.gz")).unwrap(), PROFILE);
}

#[test]
fn who_cannot_be_asked_is_not_asked() {
    let (mut profiles, mut outcomes) = started(Path::new("."));
    let mut why = |call: ProfileCall| {
        profiles.fetch(call).unwrap();
        match outcomes.blocking_recv() {
            Some(Event::Profiled { outcome: Err(why), .. }) => why,
            other => panic!("{other:?}"),
        }
    };
    let text = server(b"heap profile: 0: 0 [0: 0] @ heap/1048576");
    assert_eq!(
        why(call(text)),
        format!("{text} did not return a profile: it is text, not a profile: fetch it without ?debug=")
    );
    // Somebody else's port, a port of nobody, a process that ended.
    let (_kept, closed) = nobodys_port();
    let mut gone = call(closed);
    assert_eq!(why(call(closed)), format!("it no longer listens on {closed}"));
    gone.of.start_time.0 += 1;
    assert_eq!(why(gone), "the process ended");
}

#[test]
fn what_is_under_way_can_be_given_up() {
    let (mut profiles, mut outcomes) = started(Path::new("."));
    // Takes connections, and never reads one.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    profiles.fetch(call(silent.local_addr().unwrap())).unwrap();
    let (connection, _) = silent.accept().unwrap();
    profiles.give_up();
    let told = outcomes.blocking_recv();
    assert!(matches!(&told, Some(Event::Profiled { outcome: Err(why), .. }) if why == "cancelled"), "{told:?}");
    drop(connection);
}

#[test]
fn a_port_that_was_taken_over_is_not_asked() {
    let from = server(PROFILE);
    let call = call(from);
    let patient = Leash::new(PATIENCE * 60, &|| false);
    let listening = sockets::listening(Path::new("/proc"), call.of).unwrap();
    let socket = listening.reachable().find(|socket| socket.address == from).unwrap();
    assert_eq!(ask(Path::new("/proc"), socket, &call, patient).unwrap().1, PROFILE);
    // What was found there was another socket: its inode, or its owner, is not that of this one.
    let before = ListeningSocket { inode: socket.inode + 1, ..*socket };
    let mut reused = call.clone();
    reused.of.start_time.0 += 1;
    for (socket, call) in [(&before, &call), (socket, &reused)] {
        let refusal = ask(Path::new("/proc"), socket, call, patient).unwrap_err();
        assert!(matches!(refusal, Refusal::SomebodyElse), "{refusal}");
    }
}

#[test]
fn what_alarms_save_fills_no_memory() {
    let mut left = Allowance::OF_ALARMS;
    assert_eq!((left.take(40 << 20), left.take(24 << 20)), (Ok(()), Ok(())));
    assert_eq!(left.take(1).unwrap_err(), "those from alarms would exceed 64.0M together");
    let mut left = Allowance::OF_ALARMS;
    let refused = left.take((64 << 20) + 1);
    assert!(refused.is_err() && left.take(64 << 20).is_ok(), "what does not fit takes nothing");
    let mut left = Allowance::OF_ALARMS;
    assert_eq!((0..64).map(|_| left.take(1)).filter(Result::is_err).count(), 0);
    assert_eq!(left.take(1).unwrap_err(), "64 from alarms were saved already");
}
