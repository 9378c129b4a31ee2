//! What a run was asked to be, and how its command will look when it has become itself. Refuses to watch it.

use crate::snapshot::process::{Command, Name};
use crate::units::Bytes;

use super::report::{Budget, Vantage};

/// What is asked of a run beyond watching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunPlan {
    /// The command as it was given.
    pub command: Vec<Box<[u8]>>,
    /// From where it is watched.
    pub vantage: Vantage,
    /// Path of the cgroup that was made for it, as `/proc/PID/cgroup` tells it.
    pub own_cgroup: Option<Box<[u8]>>,
    /// The GOMEMLIMIT that it was given.
    pub go_memory_limit: Option<Bytes>,
    /// What it should not exceed.
    pub budget: Option<Budget>,
    /// Its tests are told.
    pub tests: bool,
    /// First argument of who prepares itself to become the command: what it holds is ours.
    pub started_through: Option<&'static str>,
}

impl RunPlan {
    /// Name (TASK_COMM_LEN, as execve(2) gives it) and command line of the command, as it will have them.
    pub(super) fn as_process(&self) -> (Name, Command) {
        let path = self.command.first().map_or(&b""[..], |path| path);
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let arguments: Vec<u8> = self.command.iter().flat_map(|word| [word, &b"\0"[..]].concat()).collect();
        (Name::new(&name[..name.len().min(15)]), Command { arguments: arguments.into(), cut: false })
    }

    /// Whether it is us, about to become the command.
    pub(super) fn is_start(&self, command: &Command) -> bool {
        let first = command.arguments.split(|&byte| byte == 0).nth(1);
        self.started_through.is_some() && first == self.started_through.map(str::as_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::run::Run;
    use crate::run::phase::Phase;
    use crate::run::report::Exit;
    use crate::snapshot::kernel_event::OutsideEvent;
    use crate::snapshot::process::Stat;
    use crate::snapshot::{Fact, Snapshot};
    use crate::units::{ProcessId, Timestamp};

    /// One look at a process of this name and command line.
    fn look(id: ProcessId, name: &[u8], arguments: &[u8]) -> Snapshot {
        let at = Timestamp::from_secs(1);
        let command = Arc::new(Command { arguments: arguments.into(), cut: false });
        Snapshot {
            roster: vec![id],
            stats: vec![Fact { id, at, reading: Ok(Stat { name: Name::new(name), ..Stat::default() }) }],
            commands: vec![Fact { id, at, reading: Ok(command) }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_command_that_ends_before_it_was_seen_as_itself_has_its_own_name() {
        let command = [&b"/usr/bin/go"[..], b"vet"].map(Box::from).to_vec();
        let mut run = Run::new(RunPlan { command, started_through: Some("__start"), ..RunPlan::default() });
        let id = ProcessId::new(7, 1);
        run.absorb(&look(id, b"exe", b"/proc/self/exe\0__start\0--\0/usr/bin/go\0vet\0"));
        let ended = OutsideEvent::ChildExit { id, at: Timestamp::from_secs(2), wait_status: 0 };
        run.absorb(&Snapshot { events: vec![ended], ..Snapshot::default() });
        let report = run.finish(Some(Exit::Code(0)), Ok(()));
        let [process] = &report.processes[..] else { panic!("{:?}", report.processes) };
        assert_eq!(
            (&*process.name, &*process.command, process.phase),
            (&b"go"[..], &b"/usr/bin/go vet"[..], Phase::Go)
        );
    }

    #[test]
    fn what_it_becomes_then_is_believed() {
        let command = [&b"./a-name-longer-than-a-comm"[..]].map(Box::from).to_vec();
        let mut run = Run::new(RunPlan { command, started_through: Some("__start"), ..RunPlan::default() });
        let id = ProcessId::new(7, 1);
        let name = |run: &Run| run.progress(9).processes[0].name.clone();
        run.absorb(&look(id, b"exe", b"/proc/self/exe\0__start\0"));
        assert_eq!(*name(&run), *b"a-name-longer-t");
        run.absorb(&look(id, b"python3", b"python3\0./a-name-longer-than-a-comm\0"));
        assert_eq!(*name(&run), *b"python3");
    }
}
