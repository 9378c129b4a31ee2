//! What the kernel's log calls our cgroups and processes: it has the names of the machine's first namespaces, and a
//! container has others. The counter that moved tells which of our cgroups a path of the log is, and with it all others; a
//! process is likely known by its name, its cgroup and that it is gone. Refuses to choose between two of a name.

use crate::snapshot::process::{CgroupPath, namespace_above};

use super::super::kill_report::Killed;
use super::account::{explain, known_domain, remember_victim};
use super::log::Heard;
use super::witnesses::{Counters, known};
use super::{Kills, Look, Open, may_be_named};

/// Where our cgroup namespace begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// What the log writes before the path of one of ours.
    theirs: Box<[u8]>,
    /// What we write instead: nothing, or the way out of the namespace where the mount is of one further out.
    ours: Box<[u8]>,
}

impl Names {
    /// By one cgroup that has both names; `None` where these must be two cgroups.
    fn of(told: &[u8], own: &CgroupPath) -> Option<Self> {
        let (theirs, ours) = namespace_above(told, &own.0)?;
        Some(Self { theirs: theirs.into(), ours: ours.into() })
    }

    /// A path of the log as `/proc/PID/cgroup` has it here; what is outside of our namespace begins with `/..`
    /// (kernel/cgroup/cgroup.c `cgroup_path_ns`, fs/kernfs/dir.c `kernfs_path_from_node`).
    fn here(&self, told: &[u8]) -> CgroupPath {
        let below = told.strip_prefix(&*self.theirs).filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if let Some(below) = below {
            let path = [&*self.ours, below].concat();
            return CgroupPath::new(if path.is_empty() { b"/".to_vec() } else { path });
        }
        let parts = |path| <[u8]>::split(path, |byte| *byte == b'/').filter(|part| !part.is_empty());
        let shared = parts(&self.theirs).zip(parts(told)).take_while(|(own, other)| own == other).count();
        let out = parts(&self.theirs).skip(shared).map(|_| b"..".as_slice());
        CgroupPath::new(out.chain(parts(told).skip(shared)).flat_map(|part| [b"/", part].concat()).collect::<Vec<u8>>())
    }
}

impl Look<'_> {
    /// Numbers in the kernel's log are not those that we see.
    pub(super) fn numbers_are_of_host(&self) -> bool {
        self.snapshot.machine.initial_pid_namespace == Some(false)
    }
}

impl Kills {
    /// A path of the log as it is here. Where nothing of ours was ever killed every kill is elsewhere.
    pub(super) fn here(&self, told: &[u8]) -> CgroupPath {
        let elsewhere = || CgroupPath::new([b"/..", told].concat());
        self.names.as_ref().map_or_else(elsewhere, |names| names.here(told))
    }

    /// Finds out once which names the log has for our cgroups, by kills that were heard in the last pass and in this one.
    pub(super) fn learn_names(&mut self, waited: &[Heard], fresh: &[Heard], look: &Look<'_>) {
        if self.names.is_some() {
            return;
        }
        if look.snapshot.machine.initial_cgroup_namespace != Some(false) {
            self.names = Some(Names::default());
            return;
        }
        // Others are killed too, and their counters are not seen: who is not known here by name gets a second look.
        let is_known =
            |heard: &&Heard| look.before.processes.iter().any(|row| Some(&*row.identity.name) == name(heard));
        let heard = waited.iter().chain(fresh.iter().filter(is_known));
        let mut found = heard.filter_map(|heard| self.names_by(heard, look));
        let first = found.next();
        if found.all(|other| Some(other) == first) {
            self.names = first;
        }
    }

    /// The longest of our paths that fits: on v2 the counters above have moved as well. That one of that name ended says
    /// nothing: processes end all the time, and what our namespace calls `/` fits every path of the log.
    fn names_by(&self, heard: &Heard, look: &Look<'_>) -> Option<Names> {
        let told = heard.episode.victim_cgroup.as_deref()?;
        let now = look.snapshot.cgroups.iter().flatten();
        let moved = now.filter(|cgroup| {
            let before = self.cgroups.iter().find(|known| known.path == cgroup.path).and_then(Counters::kills);
            before.is_some() && before < cgroup.events.oom_kill
        });
        let waiting = self.open.iter().filter(|open| !open.logged);
        let counted = waiting.flat_map(|open| &open.counted).map(|(path, _)| path);
        let own = moved.map(|cgroup| &cgroup.path).chain(counted);
        let names = own.filter_map(|own| Some((own.0.len(), Names::of(told, own)?)));
        names.max_by_key(|(length, _)| *length).map(|(_, names)| names)
    }

    /// Who was named by the log and not known to us by number, and has left where the kill was; where that is not known it
    /// may have been anywhere on the machine.
    pub(super) fn recognise(&mut self, look: &Look<'_>) {
        for open in self.open.iter_mut().filter(|open| open.is_of_a_stranger() && open.cgroup.is_some()) {
            let after = open.report.at.since(open.before.time);
            let fits = |open: &Open, index: &usize| {
                let row = &open.suspects[*index].row;
                let is_it = |victim: &Killed| victim.is(&known(row)) && may_be_named(row, &victim.name, after);
                open.report.victim.as_ref().is_some_and(is_it) && open.may_be_of(row)
            };
            let mut fitting = (0..open.suspects.len()).filter(|index| fits(open, index));
            let (Some(index), None) = (fitting.next(), fitting.next()) else { continue };
            let suspect = open.suspects.swap_remove(index);
            open.suspects.clear();
            if let Some(victim) = &mut open.report.victim {
                victim.id = Some(suspect.row.id);
            }
            open.gone = true;
            open.report.evidence.push(suspect.gone);
            remember_victim(&mut open.report, &suspect.row, suspect.detail);
            let domain = known_domain(&open.report, look.before);
            explain(&mut open.report, domain, look.before);
        }
    }
}

fn name(heard: &Heard) -> Option<&[u8]> {
    heard.episode.victims.first()?.name.as_ref().map(crate::oom_log::Name::as_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_cgroup_with_two_names_tells_those_of_all_others() {
        for (told, own, other, expected) in [
            ("/scene-1/job-7", "/job-7", "/scene-1/web", "/web"),
            ("/scene-1/job-7", "/job-7", "/scene-1", "/"),
            ("/scene-1/job-7", "/job-7", "/scene-12/web", "/../scene-12/web"),
            ("/scene-1/job-7", "/job-7", "/", "/.."),
            ("/docker/4f", "/", "/docker/4f/deep", "/deep"),
            ("/docker/4f", "/", "/docker/9a", "/../9a"),
            ("/docker/4f", "/", "/docker/4fa", "/../4fa"),
            ("/docker/4f", "/", "/docker", "/.."),
            ("/docker/4f", "/", "/system.slice/x", "/../../system.slice/x"),
            ("/web", "/web", "/other", "/other"),
            // A mount that was made outside: the way out of the namespace leads to it.
            ("/scene-1/job-7", "/../scene-1/job-7", "/scene-1", "/../scene-1"),
            ("/a/b/c", "/../../a/b/c", "/a/x", "/../../a/x"),
        ] {
            let names = Names::of(told.as_bytes(), &CgroupPath::new(own)).expect("of one cgroup");
            let here = names.here(other.as_bytes());
            assert_eq!(here, CgroupPath::new(expected), "{told} is {own}: {other}");
            assert_eq!(names.here(told.as_bytes()), CgroupPath::new(own));
        }
        for (told, own) in [("/scene-1/job-7", "/job-8"), ("/scene-1/job-7", "/7"), ("/a", "/scene/a")] {
            assert_eq!(Names::of(told.as_bytes(), &CgroupPath::new(own)), None, "{told} {own}");
        }
    }

    proptest! {
        #[test]
        fn what_is_inside_has_a_name_and_what_is_outside_begins_with_dots(
            root in "(/[a-c]){0,3}", own in "(/[a-c]){1,3}", other in "(/[a-c]){1,5}",
        ) {
            let told = format!("{root}{own}");
            let names = Names::of(told.as_bytes(), &CgroupPath::new(&own)).expect("it ends with it");
            let here = names.here(other.as_bytes());
            let inside = CgroupPath::new(&other).is_within(&CgroupPath::new(if root.is_empty() { "/" } else { &root }));
            prop_assert_eq!(!here.0.starts_with(b"/.."), inside);
            if inside {
                let text = String::from_utf8_lossy(&here.0).into_owned();
                prop_assert_eq!(format!("{root}{}", if text == "/" { "" } else { &text }), other);
            }
        }
    }
}
