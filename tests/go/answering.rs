//! A Go program of ours that is told what to do, a line at a time, and answers each with one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Ended when it is dropped.
pub struct Answering {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Answering {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn listen(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it lives");
        line.trim_end().to_owned()
    }

    pub fn ask(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").expect("it listens");
        self.listen()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
