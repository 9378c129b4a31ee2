//! Memory domains: what can run out (the machine, a memory cgroup with a limit of its own), how much of it cannot be
//! reclaimed, and against how many pages the kernel scales oom_score_adj there. Pure sums over facts. Refuses to choose
//! victims (that is `victims`) and to take an unreadable part for nothing: without it there is no sum.

use crate::snapshot::cgroup::{Cgroup, Version};
use crate::snapshot::system::{Machine, MemoryInfo};
use crate::units::{Bytes, Pages};

use super::kernel_rules::{KernelRules, TotalRule};
use super::report::DomainKind;

/// The sums of a domain. `None` where a part could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// MemTotal, or the cgroup's own limit.
    pub limit: Bytes,
    /// All that is charged; for the machine MemTotal - MemFree.
    pub usage: Option<Bytes>,
    /// What reclaim cannot give back.
    pub unreclaimable: Option<Bytes>,
    /// What is left until the killer runs.
    pub headroom: Option<Bytes>,
    /// As cAdvisor counts: usage - inactive_file.
    pub working_set: Option<Bytes>,
    /// In swap.
    pub swap_usage: Option<Bytes>,
    /// What of it could still go to swap.
    pub swap_room: Option<Bytes>,
    /// What the killer scales oom_score_adj by.
    pub total: Pages,
}

/// The machine. Headroom is MemAvailable and what is free in swap.
#[must_use]
pub fn of_machine(memory: &MemoryInfo, rules: &KernelRules) -> Option<Measure> {
    let limit = memory.total?;
    let anonymous = memory.anonymous.zip(memory.shmem).map(|(anonymous, shmem)| anonymous.saturating_add(shmem));
    let unreclaimable = anonymous.map(|anonymous| {
        // Locked pages are anonymous or shared memory already; the rest of the unevictable ones is not.
        let locked = memory.unevictable.unwrap_or_default().saturating_sub(memory.mlocked.unwrap_or_default());
        let kernel = [memory.slab_unreclaimable, memory.kernel_stack, memory.page_tables, memory.percpu];
        let kernel = kernel.into_iter().flatten().fold(locked, Bytes::saturating_add);
        let swappable = memory.swap_free.unwrap_or_default().min(anonymous);
        anonymous.saturating_add(kernel).saturating_sub(swappable)
    });
    let usage = memory.free.map(|free| limit.saturating_sub(free));
    Some(Measure {
        limit,
        usage,
        unreclaimable,
        headroom: memory.available.map(|available| available.saturating_add(memory.swap_free.unwrap_or_default())),
        working_set: memory.available.map(|available| limit.saturating_sub(available)),
        swap_usage: memory.swap_total.zip(memory.swap_free).map(|(total, free)| total.saturating_sub(free)),
        swap_room: memory.swap_free,
        total: rules.pages(limit.saturating_add(memory.swap_total.unwrap_or_default())),
    })
}

/// A cgroup; `None` when it has no limit of its own. The machine's swappiness (`vm.swappiness`) is that of every v2 one.
#[must_use]
pub fn of_cgroup(
    cgroup: &Cgroup,
    memory: &MemoryInfo,
    swappiness: Option<u32>,
    rules: &KernelRules,
) -> Option<Measure> {
    let limit = cgroup.limit??;
    let swaps = swaps(cgroup, swappiness);
    let stat = &cgroup.stat;
    let room = if swaps { swap_room(cgroup, memory) } else { Bytes(0) };
    let unreclaimable = stat.anon.zip(stat.shmem).map(|(anon, shmem)| {
        let anonymous = anon.saturating_add(shmem);
        let sum = [stat.unevictable, unreclaimable_kernel(cgroup), stat.sock]
            .into_iter()
            .flatten()
            .fold(anonymous, Bytes::saturating_add);
        // Locked memory is in two of the sums; no more than all that is charged is ever held.
        let sum = cgroup.usage.map_or(sum, |usage| sum.min(usage));
        sum.saturating_sub(room.min(anonymous))
    });
    Some(Measure {
        limit,
        usage: cgroup.usage,
        unreclaimable,
        headroom: unreclaimable.map(|unreclaimable| limit.saturating_sub(unreclaimable)),
        working_set: cgroup.usage.zip(stat.inactive_file).map(|(usage, inactive)| usage.saturating_sub(inactive)),
        swap_usage: cgroup.swap_usage,
        swap_room: memory.swap_free.map(|_| room),
        total: total_pages(cgroup, limit, memory, swaps, rules),
    })
}

/// What kind of domain a cgroup is.
#[must_use]
pub const fn kind_of(cgroup: &Cgroup) -> DomainKind {
    match cgroup.version {
        Version::V1 => DomainKind::CgroupV1,
        Version::V2 => DomainKind::CgroupV2,
    }
}

fn unreclaimable_kernel(cgroup: &Cgroup) -> Option<Bytes> {
    let stat = &cgroup.stat;
    match (stat.kernel, stat.slab_reclaimable) {
        (Some(kernel), reclaimable) => Some(kernel.saturating_sub(reclaimable.unwrap_or_default())),
        (None, _) => stat.slab_unreclaimable,
    }
}

/// mem_cgroup_swappiness: each v1 cgroup has its own, v2 ones have that of the machine. Where it is 0 the kernel takes
/// swap for nothing; where it could not be read, for what it is by default.
fn swaps(cgroup: &Cgroup, of_machine: Option<u32>) -> bool {
    let swappiness = match cgroup.version {
        Version::V1 => cgroup.swappiness,
        Version::V2 => cgroup.swappiness.or(of_machine),
    };
    swappiness != Some(0)
}

/// How much anonymous memory could still go to swap.
fn swap_room(cgroup: &Cgroup, memory: &MemoryInfo) -> Bytes {
    let free = memory.swap_free.unwrap_or_default();
    let used = cgroup.swap_usage.unwrap_or_default();
    let allowed = match cgroup.version {
        Version::V2 => cgroup.swap_limit.flatten(),
        Version::V1 => cgroup.memory_and_swap_limit.flatten().map(|both| {
            let memory = cgroup.limit.flatten().unwrap_or_default();
            both.saturating_sub(memory)
        }),
    };
    allowed.map_or(free, |allowed| allowed.saturating_sub(used).min(free))
}

/// mem_cgroup_get_max: never zero.
fn total_pages(cgroup: &Cgroup, limit: Bytes, memory: &MemoryInfo, swaps: bool, rules: &KernelRules) -> Pages {
    let swap = memory.swap_total.unwrap_or_default();
    let both = cgroup.memory_and_swap_limit.flatten();
    let max = match (cgroup.version, rules.total) {
        _ if !swaps => limit,
        (Version::V2, _) => limit.saturating_add(cgroup.swap_limit.flatten().map_or(swap, |most| most.min(swap))),
        (Version::V1, TotalRule::Excess) => {
            limit.saturating_add(both.map_or(swap, |both| both.saturating_sub(limit).min(swap)))
        }
        (Version::V1, TotalRule::Capped) => {
            let sum = limit.saturating_add(swap);
            both.map_or(sum, |both| sum.min(both))
        }
    };
    Pages(rules.pages(max).0.max(1))
}

/// What the kernel would do instead of choosing, in words.
#[must_use]
pub fn policy(machine: &Machine, cgroup: Option<&Cgroup>, rules: &KernelRules) -> Option<Box<str>> {
    let panic = machine.panic_on_oom.unwrap_or(0);
    let words = match cgroup {
        Some(cgroup) if cgroup.oom_kill_disabled == Some(true) => {
            "oom_kill_disable is 1: processes that need more memory wait, none is killed"
        }
        None if panic > 0 => "panic_on_oom is set: the kernel panics instead of killing",
        Some(_) if panic > 1 => "panic_on_oom is 2: the kernel panics instead of killing",
        None if machine.oom_kill_allocating_task == Some(true) => {
            "oom_kill_allocating_task is 1: the process whose allocation fails dies, whatever its rank"
        }
        _ if rules.child_sacrifice => "kernels up to 5.0 kill the worst child of the chosen process instead",
        _ => return None,
    };
    Some(words.into())
}

#[cfg(test)]
mod tests {
    use crate::snapshot::cgroup::MemoryStat;
    use crate::snapshot::process::CgroupPath;
    use crate::units::Timestamp;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "facts are options")]
    fn mib(mib: u64) -> Option<Bytes> {
        Some(Bytes::from_mib(mib))
    }

    fn rules(release: &str) -> KernelRules {
        KernelRules::of(&Machine {
            kernel_release: release.into(),
            page_size: Bytes(4096),
            processors: 2,
            ..Machine::default()
        })
    }

    fn cgroup(version: Version) -> Cgroup {
        Cgroup {
            limit: Some(mib(512)),
            usage: mib(400),
            stat: MemoryStat {
                anon: mib(200),
                shmem: mib(10),
                file: mib(150),
                inactive_file: mib(100),
                kernel: mib(30),
                slab_reclaimable: mib(20),
                ..MemoryStat::default()
            },
            ..Cgroup::unread(CgroupPath::new("/a"), version, Timestamp(0))
        }
    }

    #[test]
    fn what_cannot_be_reclaimed_leaves_out_what_swap_takes() {
        let none = MemoryInfo { swap_total: mib(0), swap_free: mib(0), ..MemoryInfo::default() };
        let swap = MemoryInfo { swap_total: mib(1000), swap_free: mib(150), ..MemoryInfo::default() };
        let plain = of_cgroup(&cgroup(Version::V2), &none, None, &rules("6.18")).unwrap();
        assert_eq!((plain.unreclaimable, plain.headroom, plain.working_set), (mib(220), mib(292), mib(300)));
        let swapping = of_cgroup(&cgroup(Version::V2), &swap, None, &rules("6.18")).unwrap();
        assert_eq!((swapping.unreclaimable, swapping.headroom), (mib(70), mib(442)));
        let bounded = Cgroup { swap_limit: Some(mib(60)), swap_usage: mib(20), ..cgroup(Version::V2) };
        assert_eq!(of_cgroup(&bounded, &swap, None, &rules("6.18")).unwrap().unreclaimable, mib(180));
        let both = Cgroup { memory_and_swap_limit: Some(mib(512)), ..cgroup(Version::V1) };
        assert_eq!(of_cgroup(&both, &swap, None, &rules("6.18")).unwrap().unreclaimable, mib(220));
    }

    #[test]
    fn a_machine_that_does_not_swap_gives_a_v2_cgroup_no_room_in_swap() {
        let swap = MemoryInfo { swap_total: mib(1000), swap_free: mib(150), ..MemoryInfo::default() };
        let unreclaimable =
            |swappiness| of_cgroup(&cgroup(Version::V2), &swap, swappiness, &rules("6.18")).unwrap().unreclaimable;
        assert_eq!((unreclaimable(Some(0)), unreclaimable(Some(60))), (mib(220), mib(70)));
    }

    #[test]
    fn nothing_is_summed_without_its_parts() {
        let mut blind = cgroup(Version::V2);
        blind.stat.anon = None;
        let measure = of_cgroup(&blind, &MemoryInfo::default(), None, &rules("6.18")).unwrap();
        assert_eq!((measure.unreclaimable, measure.headroom), (None, None));
        blind.limit = Some(None);
        assert_eq!(of_cgroup(&blind, &MemoryInfo::default(), None, &rules("6.18")), None);
        assert_eq!(of_machine(&MemoryInfo::default(), &rules("6.18")), None);
    }

    #[test]
    fn totals_follow_the_kernel() {
        let swap = MemoryInfo { swap_total: mib(100), ..MemoryInfo::default() };
        let pages = |mib: u64| Pages(mib * 256);
        // version, memory and swap limit, swap limit, swappiness of its own and of the machine, release, total in MiB
        for (version, both, swap_limit, (own, machine), release, total) in [
            (Version::V2, None, None, (None, None), "6.18", 612),
            (Version::V2, None, Some(mib(40)), (None, None), "6.18", 552),
            (Version::V2, None, Some(mib(0)), (None, None), "6.18", 512),
            (Version::V2, None, None, (None, Some(60)), "6.18", 612),
            (Version::V2, None, Some(mib(40)), (None, Some(0)), "6.18", 512),
            (Version::V1, None, None, (Some(60), Some(0)), "6.18", 612),
            (Version::V1, Some(mib(532)), None, (Some(60), None), "6.18", 532),
            (Version::V1, Some(mib(532)), None, (Some(0), None), "6.18", 512),
            (Version::V1, Some(mib(2000)), None, (Some(60), None), "4.15", 612),
            (Version::V1, Some(mib(520)), None, (Some(60), None), "4.15", 520),
        ] {
            let cgroup = Cgroup { memory_and_swap_limit: both, swap_limit, swappiness: own, ..cgroup(version) };
            let measure = of_cgroup(&cgroup, &swap, machine, &rules(release)).unwrap();
            assert_eq!(
                measure.total,
                pages(total),
                "{version:?} {both:?} {swap_limit:?} {own:?} {machine:?} {release}"
            );
        }
        let tiny = Cgroup { limit: Some(Some(Bytes(0))), ..cgroup(Version::V2) };
        assert_eq!(of_cgroup(&tiny, &MemoryInfo::default(), None, &rules("6.18")).unwrap().total, Pages(1));
    }

    #[test]
    fn the_machine_has_what_is_available_and_free_swap() {
        let memory = MemoryInfo {
            total: mib(1000),
            free: mib(300),
            available: mib(600),
            anonymous: mib(250),
            shmem: mib(50),
            unevictable: mib(20),
            mlocked: mib(15),
            slab_unreclaimable: mib(40),
            swap_total: mib(200),
            swap_free: mib(100),
            ..MemoryInfo::default()
        };
        let measure = of_machine(&memory, &rules("6.18")).unwrap();
        assert_eq!((measure.usage, measure.headroom), (mib(700), mib(700)));
        assert_eq!((measure.unreclaimable, measure.total), (mib(245), Pages(1200 * 256)));
    }

    #[test]
    fn policies_are_told_where_they_act() {
        let rules = rules("6.18");
        let machine = |panic, allocating| Machine {
            panic_on_oom: Some(panic),
            oom_kill_allocating_task: Some(allocating),
            ..Machine::default()
        };
        let group = cgroup(Version::V1);
        let begins = |machine: &Machine, group: Option<&Cgroup>, start: &str| {
            policy(machine, group, &rules).is_some_and(|words| words.starts_with(start))
        };
        assert!(begins(&machine(1, false), None, "panic_on_oom"));
        assert!(begins(&machine(2, false), Some(&group), "panic_on_oom"));
        assert_eq!(policy(&machine(1, true), Some(&group), &rules), None);
        assert!(begins(&machine(0, true), None, "oom_kill_allocating_task"));
        let waits = Cgroup { oom_kill_disabled: Some(true), ..cgroup(Version::V1) };
        assert!(begins(&machine(0, true), Some(&waits), "oom_kill_disable"));
    }
}
