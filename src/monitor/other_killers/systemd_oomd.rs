//! What the files and units of systemd-oomd say, and which cgroups it spares. Refuses to fill in what is not written
//! there, but for what its manual gives as defaults.

use std::collections::BTreeMap;

use crate::snapshot::other_killer::{ConfigurationFile, MarkedCgroup};

use super::super::label::label;
use super::configuration::{Rule, Threshold};
use super::{KillUnit, PressureRule, SparedCgroup, WatchedUnit};

/// oomd.conf(5) and `ManagedOOM*` of systemd.resource-control(5). A later file overrules an earlier one, key by key.
pub(super) fn systemd_oomd(files: &[ConfigurationFile], marked: &[MarkedCgroup]) -> Rule {
    let mut used_limit = 90.0;
    let (mut pressure, mut seconds) = (60.0, 30);
    let mut units: BTreeMap<String, (bool, bool, Option<f64>)> = BTreeMap::new();
    for file in files {
        let (path, text) = (String::from_utf8_lossy(&file.path), String::from_utf8_lossy(&file.text));
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let value = value.trim();
            match key.trim() {
                "SwapUsedLimit" => used_limit = percent(value).unwrap_or(used_limit),
                "DefaultMemoryPressureLimit" => pressure = percent(value).unwrap_or(pressure),
                // 0 is "the default".
                "DefaultMemoryPressureDurationSec" => {
                    seconds = whole_seconds(value).map_or(seconds, |given| if given == 0 { 30 } else { given });
                }
                "ManagedOOMSwap" => units.entry(unit_of(&path)).or_default().0 = value == "kill",
                "ManagedOOMMemoryPressure" => units.entry(unit_of(&path)).or_default().1 = value == "kill",
                "ManagedOOMMemoryPressureLimit" => units.entry(unit_of(&path)).or_default().2 = percent(value),
                _ => {}
            }
        }
    }
    let watched: Vec<_> = units
        .into_iter()
        .filter(|(_, (on_swap, on_pressure, _))| *on_swap || *on_pressure)
        .map(|(name, (on_swap, on_pressure, limit))| WatchedUnit {
            name: name.into(),
            on_swap,
            // 0 is "the default".
            pressure_percent: on_pressure.then(|| limit.filter(|limit| *limit > 0.0).unwrap_or(pressure)),
        })
        .collect();
    let free = Threshold::Percent(100.0 - used_limit);
    Rule {
        floor: watched.iter().any(|unit| unit.on_swap).then_some((free, free)),
        needs_swap: true,
        pressure: watched
            .iter()
            .filter_map(|unit| unit.pressure_percent)
            .reduce(f64::min)
            .map(|percent| PressureRule { percent, seconds }),
        spared: marked.iter().filter_map(|mark| spared(mark, &watched)).collect(),
        watched,
        unit: KillUnit::Cgroup,
        ..Rule::default()
    }
}

/// The unit that a file is of: `user@.service` of `.../user@.service.d/10-x.conf`, `user-*.slice` of `user-.slice.d`,
/// `*.slice` of `slice.d` (systemd.unit(5)). Units of users stand below their managers: `user@.service/app.slice`.
fn unit_of(path: &str) -> String {
    let mut parts = path.rsplit('/');
    let (last, above) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let unit = match above.strip_suffix(".d") {
        None => last.to_owned(),
        Some(unit) => match unit.rsplit_once('.') {
            None => format!("*.{unit}"),
            Some((stem, kind)) if stem.len() > 1 && stem.ends_with('-') => format!("{stem}*.{kind}"),
            Some(_) => unit.to_owned(),
        },
    };
    if path.contains("systemd/user/") { format!("{USERS}{unit}") } else { unit }
}

/// Before units of users.
const USERS: &str = "user@.service/";

/// Whether the last of these cgroups, from the root of the tree down, is one of the unit.
fn is_of_unit(unit: &str, path: &[&str]) -> bool {
    let Some((name, above)) = path.split_last() else { return false };
    let Some(unit) = unit.strip_prefix(USERS) else { return is_called(unit, name) };
    let is_manager = |name: &str| is_called("user@.service", name);
    // The root of their tree is the cgroup of the manager.
    if unit == "-.slice" {
        is_manager(name)
    } else {
        is_called(unit, name) && above.iter().any(|name| is_manager(name))
    }
}

/// Whether a cgroup with this name is one of the unit; the root of the tree is called "".
fn is_called(unit: &str, name: &str) -> bool {
    if unit == "-.slice" {
        return name.is_empty();
    }
    let template = unit.find("@.").map(|at| unit.split_at(at + 1));
    match unit.split_once('*').or(template) {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => unit == name,
    }
}

/// What a mark asks for, where it is heeded: below a unit that is watched, on a cgroup of root's or, for pressure, of whom
/// the watched one is of (oomd-util.c oomd_fetch_cgroup_oom_preference).
fn spared(mark: &MarkedCgroup, watched: &[WatchedUnit]) -> Option<SparedCgroup> {
    let path = String::from_utf8_lossy(&mark.path.0);
    let names: Vec<_> = path.trim_end_matches('/').split('/').collect();
    let (own, above) = mark.owners.split_last()?;
    let is_heeded = (1..=names.len()).zip(above).any(|(depth, owner)| {
        watched
            .iter()
            .filter(|unit| is_of_unit(&unit.name, &names[..depth]))
            .any(|unit| *own == 0 && unit.on_swap || unit.pressure_percent.is_some() && (*own == 0 || own == owner))
    });
    is_heeded.then(|| SparedCgroup {
        label: label(&mark.path.0).into(),
        path: mark.path.clone(),
        is_last_resort: !mark.omit,
    })
}

/// `60%`, `600‰`, `6000‱`.
fn percent(value: &str) -> Option<f64> {
    let units = [('%', 1.0), ('\u{2030}', 10.0), ('\u{2031}', 100.0)];
    let found =
        units.into_iter().find_map(|(sign, parts)| Some(value.strip_suffix(sign)?.parse::<f64>().ok()? / parts));
    found.filter(|percent| (0.0..=100.0).contains(percent))
}

/// `30s`, `30`, `2min` (systemd.time(7), as far as people write it here).
fn whole_seconds(value: &str) -> Option<u64> {
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ' ');
    let factor = match value[digits.len()..].trim() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "min" | "m" | "minute" | "minutes" => 60,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::snapshot::process::CgroupPath;

    use super::*;

    #[test]
    fn the_files_of_systemd() {
        let file =
            |path: &str, text: &str| ConfigurationFile { path: path.as_bytes().into(), text: text.as_bytes().into() };
        let files = [
            file("usr/lib/systemd/oomd.conf", "[OOM]\n#SwapUsedLimit=90%\nDefaultMemoryPressureLimit=50%\n"),
            file(
                "etc/systemd/oomd.conf.d/x.conf",
                "[OOM]\nSwapUsedLimit=800\u{2030}\nDefaultMemoryPressureDurationSec=2min\n",
            ),
            file("usr/lib/systemd/system/-.slice.d/10.conf", "[Slice]\nManagedOOMSwap=kill\n"),
            file("usr/lib/systemd/system/user@.service.d/10.conf", "[Service]\nManagedOOMMemoryPressure=kill\n"),
            file("etc/systemd/system/user@.service.d/20.conf", "[Service]\nManagedOOMMemoryPressureLimit=80%\n"),
            file("etc/systemd/system/db.service", "[Service]\nManagedOOMSwap=auto\n"),
        ];
        let rule = systemd_oomd(&files, &[]);
        assert_eq!(rule.floor, Some((Threshold::Percent(20.0), Threshold::Percent(20.0))));
        assert_eq!(rule.pressure, Some(PressureRule { percent: 80.0, seconds: 120 }));
        let watched: Vec<_> =
            rule.watched.iter().map(|unit| (&*unit.name, unit.on_swap, unit.pressure_percent)).collect();
        assert_eq!(watched, [("-.slice", true, None), ("user@.service", false, Some(80.0))]);
        // Nothing is watched: it takes nobody.
        assert_eq!(systemd_oomd(&files[..2], &[]).floor, None);
    }

    #[test]
    fn a_drop_in_may_be_of_many_units() {
        for (path, unit, inside, outside) in [
            ("etc/systemd/system/db.service", "db.service", "db.service", "web.service"),
            ("lib/systemd/system/-.slice.d/10.conf", "-.slice", "", "user.slice"),
            ("lib/systemd/system/slice.d/10.conf", "*.slice", "user.slice", "slice"),
            ("lib/systemd/system/user-.slice.d/10.conf", "user-*.slice", "user-1000.slice", "user.slice"),
            ("lib/systemd/system/user@.service.d/10.conf", "user@.service", "user@1000.service", "user.service"),
            ("etc/systemd/system.control/a@b.service.d/50.conf", "a@b.service", "a@b.service", "a@c.service"),
            (
                "usr/lib/systemd/user/slice.d/10.conf",
                "user@.service/*.slice",
                "/user.slice/user-7.slice/user@7.service/app.slice",
                "/user.slice/user-7.slice",
            ),
            (
                "etc/systemd/user/-.slice.d/10.conf",
                "user@.service/-.slice",
                "/user.slice/user@7.service",
                "/user.slice/user@7.service/app.slice",
            ),
            ("etc/systemd/user/db.service", "user@.service/db.service", "/user@7.service/db.service", "/db.service"),
        ] {
            assert_eq!(unit_of(path), unit);
            let is_of = |path: &str| is_of_unit(unit, &path.split('/').collect::<Vec<_>>());
            assert!(is_of(inside) && !is_of(outside), "{unit}");
        }
    }

    #[test]
    fn a_mark_counts_by_whose_it_is_and_what_is_watched() {
        let unit = |name: &str, on_swap, pressure_percent| WatchedUnit { name: name.into(), on_swap, pressure_percent };
        let swap = [unit("-.slice", true, None)];
        let pressure = [unit("user@.service", false, Some(50.0))];
        let of_users = [unit("user@.service/*.slice", false, Some(80.0))];
        let own = "/user.slice/user@1000.service/app.slice";
        for (path, owners, watched, is_heeded) in [
            ("/init.scope", &[0, 0][..], &swap, true),
            ("/init.scope", &[0, 0], &pressure, false),
            ("/", &[0], &swap, false),
            (own, &[0, 0, 1000, 1000], &swap, false),
            (own, &[0, 0, 1000, 1000], &pressure, true),
            (own, &[0, 0, 1000, 0], &pressure, true),
            (own, &[0, 0, 1000, 1001], &pressure, false),
            (own, &[0, 0, 1000, 1000], &of_users, false),
            ("/user.slice/user@1000.service/app.slice/x.scope", &[0, 0, 1000, 1000, 1000], &of_users, true),
            ("/user.slice/user@1000.service", &[0, 0, 1000], &pressure, false),
            (own, &[], &pressure, false),
        ] {
            for (avoid, omit) in [(true, false), (false, true), (true, true)] {
                let path = CgroupPath::new(path.as_bytes());
                let mark = MarkedCgroup { path: path.clone(), owners: owners.into(), avoid, omit };
                let found = spared(&mark, watched);
                assert_eq!(found.is_some(), is_heeded, "{mark:?} {watched:?}");
                assert!(found.is_none_or(|found| found.path == path && found.is_last_resort != omit), "{mark:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_there_is_survived(text in prop::collection::vec(any::<u8>(), 0..200), words in "[-*@.%0-9a-z ]{0,40}") {
            let file = ConfigurationFile { path: text.clone().into(), text: text.clone().into() };
            let mark = MarkedCgroup { path: CgroupPath::new(&text), owners: [0, 1].into(), avoid: true, omit: false };
            let _ = systemd_oomd(&[file], &[mark]);
            let _ = (percent(&words), whole_seconds(&words), is_of_unit(&words, &[&unit_of(&words)]));
        }
    }
}
