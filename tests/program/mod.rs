//! The program as tests start it: in an environment that they know. What a user, a shell or a build service has set for
//! programs of theirs (colours, columns, a configuration of oomtop, a log level) is no part of a test.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::disallowed_methods, reason = "starts the program, as a user does")]

use std::process::Command;

/// The program, here or in a guest.
pub fn oomtop() -> Command {
    let built = std::env::var_os("OOMTOP_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oomtop").into());
    let mut command = Command::new(built);
    know_the_environment(&mut command);
    command
}

/// Leaves of our own environment where programs and temporary files are, and nothing else.
pub fn know_the_environment(command: &mut Command) {
    command.env_clear().env("LC_ALL", "C.UTF-8");
    for name in ["PATH", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
}
