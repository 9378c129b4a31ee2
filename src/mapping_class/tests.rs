//! Classes by example, on maps of real programs, and the law that none is lost.

use proptest::prelude::*;

use super::*;
use crate::units::{Bytes, MaybeKib};

/// Mappings from lines of `/proc/PID/maps`; each writable region has as many KiB resident as it has pages.
fn mappings(maps: &str) -> Mappings {
    let mut mappings = Mappings::default();
    for line in maps.lines() {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next().and_then(|range| range.split_once('-')).expect("a range");
        let permissions = fields.next().expect("permissions").as_bytes();
        let name = fields.nth(3).unwrap_or("").trim_start().as_bytes();
        let name_index = mappings.names.iter().position(|known| known.as_ref() == name).unwrap_or_else(|| {
            mappings.names.push(name.into());
            mappings.names.len() - 1
        });
        let bit = |index: usize, letter: u8, bit: u8| if permissions[index] == letter { bit } else { 0 };
        let mut region = Region {
            start: u64::from_str_radix(start, 16).expect("hexadecimal"),
            end: u64::from_str_radix(end, 16).expect("hexadecimal"),
            permissions: bit(0, b'r', 8) | bit(1, b'w', 4) | bit(2, b'x', 2) | bit(3, b's', 1),
            name: name_index as u32,
            ..Region::default()
        };
        region.rss = MaybeKib::from_bytes(Bytes(region.size().0 / 4));
        mappings.regions.push(region);
    }
    mappings
}

/// One line per region: its name or its size, the class, `?` where it is only probable.
fn told(maps: &str, context: &ClassContext<'_>, stack_pointers: &[u64]) -> Vec<String> {
    let mut mappings = mappings(maps);
    mappings.stack_pointers = stack_pointers.to_vec();
    let classes = classify(&mappings, context);
    let tell = |(region, (class, probable)): (&Region, (MappingClass, bool))| {
        let name = String::from_utf8_lossy(mappings.name(region)).into_owned();
        let name = if name.is_empty() { region.size().to_string() } else { name };
        format!("{name}: {}{}", class.name(), if probable { "?" } else { "" })
    };
    mappings.regions.iter().zip(classes).map(tell).collect()
}

#[test]
fn a_common_program() {
    let maps = "\
55d0c0000000-55d0c0010000 r--p 00000000 fe:00 1 /usr/bin/python3
55d0c0010000-55d0c0020000 r-xp 00010000 fe:00 1 /usr/bin/python3
55d0c0020000-55d0c0030000 rw-p 00020000 fe:00 1 /usr/bin/python3
55d0c0030000-55d0c0040000 rw-p 00000000 00:00 0 
55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000021000 rw-p 00000000 00:00 0 
7f0000021000-7f0004000000 ---p 00000000 00:00 0 
7f0008000000-7f0008001000 ---p 00000000 00:00 0 
7f0008001000-7f0008801000 rw-p 00000000 00:00 0 
7f0008801000-7f0008802000 ---p 00000000 00:00 0 
7f0008802000-7f0008a02000 rw-p 00000000 00:00 0 
7f0009000000-7f0009300000 r--p 00000000 fe:00 2 /usr/lib/locale/locale-archive
7f000a000000-7f000a020000 r--p 00000000 fe:00 3 /usr/lib/libc.so.6
7f000a020000-7f000a100000 r-xp 00020000 fe:00 3 /usr/lib/libc.so.6
7f000a100000-7f000a104000 rw-p 00100000 fe:00 3 /usr/lib/libc.so.6
7f000a104000-7f000a110000 rw-p 00000000 00:00 0 
7f000b000000-7f000b100000 rw-s 00000000 00:01 4 /dev/shm/segment (deleted)
7f000b100000-7f000b200000 rw-s 00000000 00:01 5 /memfd:buffer (deleted)
7f000b200000-7f000b300000 rw-s 00000000 00:01 6 /SYSV00000000 (deleted)
7f000b300000-7f000b400000 rw-s 00000000 00:01 7 /dev/zero (deleted)
7f000b400000-7f000b500000 rw-p 00000000 00:01 7 /dev/zero
7f000b500000-7f000b600000 rw-s 00000000 00:20 8 /run/lock/table
7f000b600000-7f000b700000 rwxp 00000000 00:00 0 
7f000b700000-7f000b800000 rw-p 00000000 00:00 0 [anon:dalvik-jit-code-cache]
7f000b800000-7f000b900000 rw-p 00000000 00:00 0 [anon: glibc: pthread stack: 17]
7f000b900000-7f000ba00000 rw-s 00000000 00:0e 9 anon_inode:[io_uring]
7f000ba00000-7f000bb00000 rw-s 00000000 00:0e 9 /dev/dri/card0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
7ffd00100000-7ffd00102000 r-xp 00000000 00:00 0 [vdso]";
    let context = ClassContext { executable: Some(b"/usr/bin/python3"), ..ClassContext::default() };
    assert_eq!(
        told(maps, &context, &[0x7f00_0880_0f00]),
        [
            "/usr/bin/python3: executable",
            "/usr/bin/python3: executable",
            "/usr/bin/python3: executable",
            "64.0K: executable",
            "[heap]: heap",
            "132K: anonymous",
            "63.9M: anonymous",
            "4.00K: anonymous",
            "8.00M: thread_stack",
            "4.00K: anonymous",
            "2.00M: thread_stack?",
            "/usr/lib/locale/locale-archive: file",
            "/usr/lib/libc.so.6: library",
            "/usr/lib/libc.so.6: library",
            "/usr/lib/libc.so.6: library",
            "48.0K: library",
            "/dev/shm/segment (deleted): shared_memory",
            "/memfd:buffer (deleted): shared_memory",
            "/SYSV00000000 (deleted): shared_memory",
            "/dev/zero (deleted): shared_memory",
            "/dev/zero: anonymous",
            "/run/lock/table: tmpfs?",
            "1.00M: jit?",
            "[anon:dalvik-jit-code-cache]: jit",
            "[anon: glibc: pthread stack: 17]: thread_stack",
            "anon_inode:[io_uring]: kernel",
            "/dev/dri/card0: other",
            "[stack]: stack",
            "[vdso]: kernel",
        ]
    );
}

#[test]
fn mounts_of_tmpfs_are_believed_and_a_replaced_program_is_still_itself() {
    let maps = "\
00400000-00500000 r-xp 00000000 fe:00 1 /srv/a\\012b (deleted)
7f0000000000-7f0000100000 rw-s 00000000 00:20 2 /scratch/x
7f0000100000-7f0000200000 rw-s 00000000 00:20 3 /scratchy/x";
    let mounts = [Box::from(&b"/scratch"[..])];
    let context = ClassContext { executable: Some(b"/srv/a\nb"), tmpfs: &mounts, is_go: false };
    assert_eq!(
        told(maps, &context, &[]),
        ["/srv/a\\012b (deleted): executable", "/scratch/x: tmpfs", "/scratchy/x: file"]
    );
}

#[test]
fn go_names_its_memory_since_1_25() {
    let context = ClassContext { executable: Some(b"/home/dev/memapp-1.27"), is_go: true, ..ClassContext::default() };
    let told = told(include_str!("../../tests/fixtures/maps/go1.27-named.txt"), &context, &[]);
    let of = |class: &str| told.iter().filter(|line| line.ends_with(class)).count();
    assert_eq!(
        (of(": executable"), of(": go_heap"), of(": go_runtime"), of(": stack"), of(": kernel")),
        (4, 3, 27, 1, 3)
    );
    assert_eq!(told.len(), 4 + 3 + 27 + 1 + 3);
}

/// Real maps of one program, from a kernel that keeps names (6.8), and where its file is.
const NAMED: [(&str, &str); 3] = [
    (include_str!("../../tests/fixtures/maps/go1.25-named.txt"), "/home/dev/memapp-1.25"),
    (include_str!("../../tests/fixtures/maps/go1.26-named.txt"), "/home/dev/memapp-1.26"),
    (include_str!("../../tests/fixtures/maps/go1.27-named.txt"), "/home/dev/memapp-1.27"),
];

#[test]
fn the_layout_of_go_says_the_same_as_the_names() {
    for (named, executable) in NAMED {
        let nameless: String = named
            .lines()
            .map(|line| line.split_once("[anon: Go:").map_or(line, |(line, _)| line).to_owned() + "\n")
            .collect();
        assert!(named.contains("Go: heap") && !nameless.contains("Go:"));
        let executable = Some(executable.as_bytes());
        let context = ClassContext { executable, is_go: true, ..ClassContext::default() };
        let classes = |maps: &str| classify(&mappings(maps), &context);
        let (by_name, by_layout) = (classes(named), classes(&nameless));
        let of = |class| by_name.iter().filter(|(found, _)| *found == class).count();
        println!(
            "{}: {} regions, of these {} Go heap and {} Go runtime",
            context.executable.map(String::from_utf8_lossy).unwrap_or_default(),
            by_name.len(),
            of(MappingClass::GoHeap),
            of(MappingClass::GoRuntime)
        );
        assert_eq!(by_layout, by_name, "and none of it is only probable");
    }
}

#[test]
fn the_heap_is_found_wherever_it_is_and_no_part_of_it_is_a_thread_stack() {
    // Addresses of the heap, what of it is reserved and in use, and a stack pointer in it (of a goroutine).
    for (maps, heap, pointer) in [
        (include_str!("../../tests/fixtures/maps/go1.15.txt"), 0x00c0_0000_0000..0x00c0_0800_0000, 0x00c0_0000_1000),
        (include_str!("../../tests/fixtures/maps/go1.24.txt"), 0x00c0_0000_0000..0x00c0_0800_0000, 0x00c0_0000_1000),
        (include_str!("../../tests/fixtures/maps/go1.27.txt"), 0x315a_4800_0000..0x315a_5000_0000, 0x315a_4a40_1000),
    ] {
        let context = ClassContext { is_go: true, ..ClassContext::default() };
        let mut mappings = mappings(maps);
        mappings.stack_pointers = vec![pointer];
        for (region, (class, _)) in mappings.regions.iter().zip(classify(&mappings, &context)) {
            let is_heap = heap.contains(&region.start);
            let is_table = region.start > heap.end && mappings.name(region).is_empty();
            assert_eq!(class == MappingClass::GoHeap, is_heap, "{:x}", region.start);
            assert_eq!(class == MappingClass::GoRuntime, is_table, "{:x}: {class:?}", region.start);
        }
    }
}

/// As it looks with a C library: malloc's arenas begin on multiples of 64 MiB too, and lie where the kernel puts things.
#[test]
fn in_a_go_program_with_c_each_part_is_told_from_the_others() {
    let maps = "\
00400000-005cc000 r-xp 00000000 fe:00 1 /srv/app
005cd000-005dd000 rw-p 001cc000 fe:00 1 /srv/app
005dd000-00613000 rw-p 00000000 00:00 0 
29900000-29921000 rw-p 00000000 00:00 0 [heap]
3ea14c000000-3ea14d800000 ---p 00000000 00:00 0 
3ea14d800000-3ea150000000 rw-p 00000000 00:00 0 
7f1aac000000-7f1aac506000 rw-p 00000000 00:00 0 
7f1aac506000-7f1ab0000000 ---p 00000000 00:00 0 
7f1ab0000000-7f1ab0506000 rw-p 00000000 00:00 0 
7f1ab0506000-7f1ab4000000 ---p 00000000 00:00 0 
7f1acc000000-7f1acc588000 rw-p 00000000 00:00 0 
7f1acc588000-7f1acc589000 ---p 00000000 00:00 0 
7f1acc589000-7f1accd89000 rw-p 00000000 00:00 0 
7f1accd89000-7f1acce1d000 rw-p 00000000 00:00 0 
7f1ad0660000-7f1ad0800000 rw-p 00000000 00:00 0 
7f1ad0800000-7f1ad2800000 rw-p 00000000 00:00 0 
7f1ad2800000-7f1aea542000 ---p 00000000 00:00 0 
7f1aea542000-7f1aea543000 rw-p 00000000 00:00 0 
7f1b172ac000-7f1b172d2000 r-xp 00000000 fe:00 2 /usr/lib/x86_64-linux-gnu/libc.so.6
7f1b1747f000-7f1b17481000 rw-p 001d3000 fe:00 2 /usr/lib/x86_64-linux-gnu/libc.so.6
7f1b17481000-7f1b1748e000 rw-p 00000000 00:00 0 
7f1b17497000-7f1b17499000 rw-p 00000000 00:00 0 ";
    let context = ClassContext { executable: Some(b"/srv/app"), is_go: true, ..ClassContext::default() };
    assert_eq!(
        told(maps, &context, &[]),
        [
            "/srv/app: executable",
            "/srv/app: executable",
            "216K: executable",
            "[heap]: heap",
            "24.0M: go_heap",
            "40.0M: go_heap",
            "5.02M: cgo_heap",
            "59.0M: cgo_heap",
            "5.02M: cgo_heap",
            "59.0M: cgo_heap",
            "5.53M: cgo_heap?",
            "4.00K: anonymous",
            "8.00M: thread_stack?",
            "592K: go_runtime?",
            "1.62M: go_runtime?",
            "32.0M: go_runtime",
            "381M: go_runtime",
            "4.00K: go_runtime",
            "/usr/lib/x86_64-linux-gnu/libc.so.6: library",
            "/usr/lib/x86_64-linux-gnu/libc.so.6: library",
            "52.0K: library",
            "8.00K: anonymous",
        ]
    );
}

/// The race detector maps without reserving, which its flags tell (kernel 6.18, Go 1.26).
#[test]
fn the_shadow_of_the_race_detector_is_told_from_the_heap() {
    use MappingClass::{GoHeap, GoRaceShadow, Library};

    let maps = "\
00400000-00529000 r-xp 00000000 fe:00 1 /srv/app
c000000000-c006c00000 rw-p 00000000 00:00 0 
c006c00000-c008000000 ---p 00000000 00:00 0 
200000ca0000-200002bb0000 rw-p 00000000 00:00 0 
218000000000-218010000000 rw-p 00000000 00:00 0 
306000000000-306004000000 rw-p 00000000 00:00 0 
7f1b172ac000-7f1b172d2000 r-xp 00000000 fe:00 2 /usr/lib/libc.so.6";
    let mut mappings = mappings(maps);
    for region in &mut mappings.regions[3..6] {
        region.flags = VmFlags::of_code(b"nr");
    }
    let classes = classify(&mappings, &ClassContext { is_go: true, ..ClassContext::default() });
    let classes: Vec<_> = classes.into_iter().map(|(class, _)| class).collect();
    assert_eq!(classes, [Library, GoHeap, GoHeap, GoRaceShadow, GoRaceShadow, GoRaceShadow, Library]);
}

fn any_mappings() -> impl Strategy<Value = Mappings> {
    let names = ["", "[heap]", "/bin/x", "/lib/y.so", "/dev/zero", "[anon: Go: heap]", "[anon:", "[", "/", "\\x"];
    let region = (0..12_u64, 0..9_u64, any::<u8>(), 0..12_u32, any::<u16>(), any::<u8>());
    (proptest::collection::vec(region, 0..40), proptest::collection::vec(any::<u64>(), 0..4)).prop_map(
        move |(regions, stack_pointers)| {
            let mut end = 0_u64;
            let regions = regions.into_iter().map(|(gap, size, permissions, name, rss, flags)| {
                let start = end + gap / 10 * 4096;
                end = start + (size << 12);
                let rss = MaybeKib::from_kib(rss.into());
                let flags = VmFlags(u64::from(flags) << 18);
                Region { start, end, permissions: permissions & 15, name, rss, flags, ..Region::default() }
            });
            let names = names.iter().map(|name| Box::from(name.as_bytes())).collect();
            Mappings { regions: regions.collect(), names, stack_pointers, ..Mappings::default() }
        },
    )
}

proptest! {
    #[test]
    fn every_region_has_one_class_and_the_sums_agree(mappings in any_mappings(), is_go in any::<bool>()) {
        let classes =
            classify(&mappings, &ClassContext { executable: Some(b"/bin/x"), is_go, ..ClassContext::default() });
        prop_assert_eq!(classes.len(), mappings.regions.len());
        let rss = |region: &Region| region.rss.get().map_or(0, |size| size.0);
        let total: u64 = mappings.regions.iter().map(rss).sum();
        let by_class: u64 = MappingClass::ALL
            .iter()
            .map(|&class| {
                let members = mappings.regions.iter().zip(&classes).filter(|(_, (of, _))| *of == class);
                members.map(|(region, _)| rss(region)).sum::<u64>()
            })
            .sum();
        prop_assert_eq!(by_class, total);
    }

    #[test]
    fn no_name_panics(name in proptest::collection::vec(any::<u8>(), 0..24)) {
        let mut mappings = mappings("00400000-00500000 r-xp 00000000 fe:00 1 x");
        mappings.names = vec![name.into()];
        prop_assert_eq!(classify(&mappings, &ClassContext::default()).len(), 1);
    }
}

#[test]
fn all_lists_every_class_once() {
    for (index, class) in MappingClass::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, index);
    }
}
