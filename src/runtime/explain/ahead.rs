//! Reads a file on a thread of its own while what was read before is looked at: to copy a log from the page cache takes as long
//! as `grep` does with it. Refuses pipes, where a read may wait for somebody for ever.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::sync::mpsc;
use std::thread;

use color_eyre::Result;

use super::CHUNK;

/// Chunks that wait to be taken.
const WAITING: usize = 2;

/// Has a file taken chunk by chunk.
pub(super) fn read(mut file: File, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (filled, chunks) = mpsc::sync_channel::<io::Result<(Vec<u8>, usize)>>(WAITING);
    let (give_back, empty) = mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                let mut chunk = empty.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
                let read = match file.read(&mut chunk) {
                    Ok(0) => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    read => read.map(|length| (chunk, length)),
                };
                let is_over = read.is_err();
                // Nobody takes any more where what is taken is not heard any more.
                if filled.send(read).is_err() || is_over {
                    return;
                }
            }
        });
        for chunk in chunks {
            let (chunk, length) = chunk?;
            take(&chunk[..length])?;
            let _ = give_back.send(chunk);
        }
        Ok(())
    })
}
