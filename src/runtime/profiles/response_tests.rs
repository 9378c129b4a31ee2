//! Answers as they should be and as they should not, whole and in pieces.

use proptest::prelude::*;

use super::*;

/// What becomes of these bytes, taken in pieces of this size.
fn answer(bytes: &[u8], piece: usize) -> Result<Vec<u8>, Refusal> {
    let mut response = Response::default();
    for piece in bytes.chunks(piece) {
        if response.take(piece)? {
            break;
        }
    }
    response.end()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";

#[test]
fn bodies_end_where_they_say() {
    for (rest, expected) in [
        ("Content-Length: 5\r\n\r\nhello, and more", "hello"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        ("content-length: 0\r\n\r\n", ""),
        ("Connection: close\r\n\r\nto the end", "to the end"),
        ("Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nTrailer: x\r\n\r\n", "hello!"),
        ("Transfer-Encoding: chunked\r\n\r\n00a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ] {
        for piece in [1, 2, 3, 7, 1000] {
            let told = answer(format!("{OK}{rest}").as_bytes(), piece);
            assert_eq!(told, Ok(expected.into()), "{rest} in pieces of {piece}");
        }
    }
    let announced = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}\r\nbody");
    assert_eq!(answer(announced.as_bytes(), 10), Ok(b"body".to_vec()));
}

#[test]
fn what_is_no_good_is_refused_in_words() {
    let ok = |rest: &str| format!("{OK}{rest}").into_bytes();
    let repeated = |text: &str, times: usize| format!("{OK}{}", text.repeat(times)).into_bytes();
    for (bytes, expected) in [
        (b"".to_vec(), "its answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nConte".to_vec(), "its answer was cut short"),
        (ok("Content-Length: 5\r\n\r\nhell"), "its answer was cut short"),
        (ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "its answer was cut short"),
        (ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello"), "its answer was cut short"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "it does not speak HTTP"),
        (b"+PON".to_vec(), "it does not speak HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16".to_vec(), "it does not speak HTTP"),
        (repeated("X-A: b\r\n", 3000), "its headers exceed 16 KiB"),
        (repeated("X", 20_000), "its headers exceed 16 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), "its headers exceed 16 KiB"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\x1b[31m\r\n\r\n".to_vec(), "it does not speak HTTP"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://other/\r\n\r\n".to_vec(),
            "it redirects to https://other/ (302), which is not followed",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n404 page not found".to_vec(),
            "no /debug/pprof there (404): it does not serve net/http/pprof on that socket",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n".to_vec(),
            "it requires a login (401 Unauthorized)",
        ),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\n".to_vec(), "it answered 500 Internal Server Error"),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), "it answered 204 No Content"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>".to_vec(),
            "it answered with text/html; charset=utf-8, not a profile",
        ),
        (ok("Content-Encoding: br\r\n\r\n"), "its answer is malformed: it is compressed, which was not requested"),
        (
            ok("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            "its answer is malformed: it declares its length twice",
        ),
        (
            ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "its answer is malformed: it declares its length twice",
        ),
        (ok("Content-Length: -5\r\n\r\n"), "its answer is malformed: its length is not a number"),
        (ok("Content-Length: 99999999999999999999\r\n\r\n"), "its answer is larger than 64 MiB"),
        (ok("Content-Length: 67108865\r\n\r\n"), "its answer is larger than 64 MiB"),
        (ok("Transfer-Encoding: gzip, chunked\r\n\r\n"), "its answer is malformed: its transfer encoding is unknown"),
        (ok("Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"), "its answer is larger than 64 MiB"),
        (ok("Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "its answer is malformed: a chunk has no length"),
        (
            [ok("Transfer-Encoding: chunked\r\n\r\n1;"), vec![b'x'; 400]].concat(),
            "its answer is malformed: a chunk has no length",
        ),
        (
            ok("Transfer-Encoding: chunked\r\n\r\n2\r\nhello"),
            "its answer is malformed: a chunk is longer than declared",
        ),
    ] {
        for piece in [1, 5, 100_000] {
            let told = answer(&bytes, piece).expect_err("no good").to_string();
            assert_eq!(
                told,
                expected,
                "{} in pieces of {piece}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
            );
        }
    }
}

#[test]
fn a_body_without_end_is_refused_before_it_fills_memory() {
    let mut response = Response::default();
    response.take(format!("{OK}\r\n").as_bytes()).unwrap();
    let piece = vec![0; 1 << 20];
    let told = (0..100).find_map(|count| response.take(&piece).err().map(|refusal| (count, refusal)));
    assert_eq!(told, Some((64, Refusal::TooLarge)));
}

proptest! {
    #[test]
    fn a_body_is_the_same_in_whatever_pieces_it_comes(
        body in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(1_usize..40, 1..20),
        piece in 1_usize..60,
        chunked: bool,
    ) {
        let mut bytes = OK.as_bytes().to_vec();
        if chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            let (mut rest, mut cuts) = (&body[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
                rest = after;
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
            bytes.extend(&body);
        }
        prop_assert_eq!(answer(&bytes, piece), Ok(body));
    }

    #[test]
    fn no_answer_makes_it_panic_or_give_more_than_came(
        bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..200, with_head: bool, piece in 1_usize..50,
    ) {
        let mut whole = format!("{OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").into_bytes();
        if with_head {
            let length = whole.len();
            whole.splice(at % length.., bytes.iter().copied());
        } else {
            whole = bytes;
        }
        if let Ok(body) = answer(&whole, piece) {
            prop_assert!(body.len() <= whole.len());
        }
    }
}
