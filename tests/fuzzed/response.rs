//! Any bytes as an answer in HTTP: taken whole and in pieces. Nothing panics, and both ways have the same body or none. For
//! the fuzzer, and for the test that replays what it found.

use oomtop::runtime::profiles::response::{Refusal, Response};

/// As the client does: piece by piece, until all of it is here.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<u8>, Refusal> {
    let mut response = Response::default();
    for piece in bytes.chunks(piece) {
        if response.take(piece)? {
            break;
        }
    }
    response.end()
}

/// Panics where one of this does not hold.
pub fn check(bytes: &[u8]) {
    let whole = read(bytes, usize::MAX);
    for piece in [1, usize::from(bytes.last().copied().unwrap_or_default()) + 1] {
        // What is no good may be seen to be so earlier or later, and so for another reason.
        assert_eq!(read(bytes, piece).ok(), whole.clone().ok(), "in pieces of {piece}");
    }
    match whole {
        Ok(body) => assert!(body.len() < bytes.len(), "more than came"),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}
