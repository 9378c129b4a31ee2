//! What a person calls a memory cgroup: `docker 4f2a91b0c3d4`, `pod 5d3c.. container 9a..`, `session-3.scope`. Patterns
//! of container runtimes and systemd over the text of a path. Refuses to ask a runtime for names.

use std::borrow::Cow;

use crate::text;

/// The name of a cgroup, from its path as `/proc/PID/cgroup` has it. Any bytes come out as valid text; the caller makes
/// them safe to show.
///
/// ```
/// use oomtop::monitor::label::label;
///
/// assert_eq!(label(b"/user.slice/user-1000.slice/session-3.scope"), "session-3.scope");
/// ```
#[must_use]
pub fn label(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let Some(last) = parts.last() else { return "/".into() };
    // The deepest container is the one meant: docker in docker nests.
    let container = parts.iter().enumerate().rev().find_map(|(depth, part)| container(&parts[..depth], part));
    let pod = parts.iter().rev().find_map(|part| pod(part));
    match (container, pod) {
        (Some((runtime, id, depth)), pod) => {
            let pod = pod.map(|pod| format!("pod {pod} ")).unwrap_or_default();
            let below = parts[depth + 1..].iter().filter(|part| !matches!(**part, "container" | "payload"));
            let below: String = below.flat_map(|part| ["/", part]).collect();
            format!("{pod}{runtime} {id}{below}")
        }
        (None, Some(pod)) => {
            let below = parts.iter().rposition(|part| self::pod(part).is_some()).unwrap_or(0);
            let below: String = parts[below + 1..].iter().flat_map(|part| ["/", part]).collect();
            format!("pod {pod}{below}")
        }
        (None, None) => plain(&parts, last),
    }
}

/// A label in at most so many columns: its end, behind a sign for what is missing. Of a unit of systemd that is a service,
/// which goes without saying, the name.
#[must_use]
pub fn fitted<'a>(label: &'a str, width: usize, missing: &str) -> Cow<'a, str> {
    let is_longer = text::columns(label) > width;
    let name = label.strip_suffix(".service").filter(|_| is_longer).unwrap_or(label);
    text::end_of(name, width, missing)
}

/// Runtime, short name and depth, when this part of a path is a container.
fn container<'a>(above: &[&'a str], part: &'a str) -> Option<(&'a str, String, usize)> {
    let depth = above.len();
    let named = |runtime, name: &str| Some((runtime, name.to_owned(), depth));
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return named("lxc", name);
    }
    if let Some(name) = part.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope")) {
        return named("machine", name);
    }
    if above.last() == Some(&"lxc") {
        return named("lxc", part);
    }
    // `PREFIX-<64 hex>.scope`, `<slice>:PREFIX:<64 hex>` (a driver that was set wrong), or the bare 64 hex digits.
    let core = part.strip_suffix(".scope").unwrap_or(part);
    let id = core.get(core.len().checked_sub(64)?..).filter(|id| is_hex(id))?;
    let prefix = core[..core.len() - 64].trim_end_matches(['-', ':']);
    let prefix = prefix.rsplit(':').next().unwrap_or(prefix);
    let runtime = match prefix {
        "docker" => "docker",
        "cri-containerd" => "containerd",
        "crio" => "cri-o",
        "libpod" => "podman",
        "nerdctl" => "nerdctl",
        // The helper that watches a container is not the container.
        "crio-conmon" | "libpod-conmon" => return None,
        "" => match above.last().copied() {
            Some("docker") => "docker",
            Some("libpod_parent") => "podman",
            _ if above.contains(&"ecs") => "ecs",
            _ => "container",
        },
        other if other.ends_with("conmon") => return None,
        _ => "container",
    };
    Some((runtime, id[..12].to_owned(), depth))
}

/// Short form of a pod's uid, when this part of a path is a pod: `pod<uid>` or `kubepods-..-pod<uid with _>.slice`.
fn pod(part: &str) -> Option<String> {
    let part = part.split(':').next()?;
    let core = part.strip_suffix(".slice").unwrap_or(part);
    let uid = core.rsplit("pod").next().filter(|uid| uid.len() < core.len())?.replace('_', "-");
    let digits = uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    // 36 characters; static pods have 32 digits and no dashes.
    (digits && matches!(uid.len(), 32 | 36)).then(|| uid[..8].to_owned())
}

/// Without a container: the last part, and whose it is where that says little.
fn plain(parts: &[&str], last: &str) -> String {
    let above = parts.len().checked_sub(2).map(|index| parts[index]);
    if is_hex(last) && last.len() >= 32 {
        return match above {
            Some(above) => format!("{above}/{}", &last[..12]),
            None => last[..12].to_owned(),
        };
    }
    // Units of systemd are names by themselves; anything else is only one together with its parent.
    let unit = [".service", ".scope", ".slice"].iter().any(|ending| last.ends_with(ending));
    match above {
        Some(above) if !unit => format!("{}/{last}", shorten(above)),
        _ => last.to_owned(),
    }
}

fn shorten(part: &str) -> &str {
    if is_hex(part) && part.len() >= 32 { &part[..12] } else { part }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_know_their_containers_by_runtime_and_twelve_digits() {
        let hex = "4f2a91b0c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e";
        let uid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let flat = uid.replace('-', "_");
        let unfold = |path: &str| path.replace("HEX", hex).replace("UID", uid).replace("U_D", &flat);
        for (path, name) in [
            ("/", "/"),
            ("/docker/HEX", "docker 4f2a91b0c3d4"),
            ("/docker/HEX/docker/HEX", "docker 4f2a91b0c3d4"),
            ("/docker/HEX/init", "docker 4f2a91b0c3d4/init"),
            ("/system.slice/docker-HEX.scope", "docker 4f2a91b0c3d4"),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-HEX.scope", "docker 4f2a91b0c3d4"),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/cri-containerd-HEX.scope",
                "pod 0a1b2c3d containerd 4f2a91b0c3d4",
            ),
            ("/kubepods.slice/kubepods-podU_D.slice/crio-HEX.scope", "pod 0a1b2c3d cri-o 4f2a91b0c3d4"),
            ("/kubepods.slice/kubepods-podU_D.slice", "pod 0a1b2c3d"),
            ("/kubepods.slice/kubepods-podU_D.slice/crio-conmon-HEX.scope", "pod 0a1b2c3d/crio-conmon-HEX.scope"),
            ("/kubepods/besteffort/podUID/HEX", "pod 0a1b2c3d container 4f2a91b0c3d4"),
            ("/kubelet/kubepods/podUID/crio-HEX", "pod 0a1b2c3d cri-o 4f2a91b0c3d4"),
            ("/system.slice/kubepods-podU_D.slice:cri-containerd:HEX", "pod 0a1b2c3d containerd 4f2a91b0c3d4"),
            ("/system.slice/nerdctl-HEX.scope", "nerdctl 4f2a91b0c3d4"),
            ("/default/HEX", "container 4f2a91b0c3d4"),
            ("/machine.slice/libpod-HEX.scope/container", "podman 4f2a91b0c3d4"),
            ("/libpod_parent/libpod-HEX", "podman 4f2a91b0c3d4"),
            ("/lxc/web", "lxc web"),
            ("/lxc.payload.web", "lxc web"),
            ("/machine.slice/machine-deb.scope/payload", "machine deb"),
            ("/ecs/task-1/HEX", "ecs 4f2a91b0c3d4"),
            ("/ecstasks.slice/ecstasks-t.slice/docker-HEX.scope", "docker 4f2a91b0c3d4"),
            ("/system.slice/sshd.service", "sshd.service"),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
            ("/init.scope", "init.scope"),
            ("/work", "work"),
            ("/jobs/7", "jobs/7"),
            ("/api/0123456789abcdef0123456789abcdef/x", "0123456789ab/x"),
        ] {
            assert_eq!(label(unfold(path).as_bytes()), unfold(name), "{path}");
        }
    }

    #[test]
    fn of_a_name_that_is_too_long_its_end_is_kept() {
        for (width, shown) in [(24, "postgresql@15.service"), (13, "postgresql@15"), (10, "..resql@15")] {
            assert_eq!(fitted("postgresql@15.service", width, ".."), shown);
        }
        assert_eq!(fitted("pod 0a1b2c3d docker 4f2a91b0c3d4", 18, ".."), "..ker 4f2a91b0c3d4");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_name(path in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!label(&path).is_empty());
        }

        #[test]
        fn odd_paths_have_a_name(path in "(/(pod|docker-|crio-|é|[0-9a-f]{32,70}|\\.scope|\\.slice|:|kubepods-pod)*){0,4}") {
            prop_assert!(!label(path.as_bytes()).is_empty());
        }
    }
}
