//! Counts allocations: a pass over still processes makes none, whatever their number; a region of smaps makes none.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use oomtop::snapshot::mapping::Mappings;
use oomtop::snapshot::needs::{FactGroups, Needs};
use oomtop::source::Source;
use oomtop::source::live::Live;
use oomtop::source::prober::Prober;
use oomtop::source::smaps::Parser;
use support::fake_proc::{FakeProc, FakeProcess};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the pointer came from `alloc` above, and the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `run` runs.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_pass_over_still_processes_allocates_nothing() {
    let fake = FakeProc::new();
    for pid in 1..=400 {
        fake.put(&FakeProcess::new(pid));
    }
    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    let mut needs = Needs {
        of_visible: FactGroups::STATUS.union(FactGroups::STAT).union(FactGroups::ADJUSTMENT),
        ..Needs::default()
    };
    for _ in 0..5 {
        let snapshot = live.sample(&needs).expect("sampled");
        needs.visible = snapshot.roster[..50].to_vec();
        needs.candidates = snapshot.roster[30..60].to_vec();
    }
    let made = allocations(|| {
        for _ in 0..20 {
            let snapshot = live.sample(&needs).expect("sampled");
            assert_eq!(snapshot.roster.len(), 400);
            // Half of what stands still, on screen or not.
            assert!(snapshot.statms.len() >= 200 && snapshot.statuses.len() >= 30);
        }
    });
    assert_eq!(made, 0, "in 20 passes over 400 processes");
}

/// Processes of ours, ended at the end.
struct Sleepers(Vec<Child>);

impl Sleepers {
    #[expect(clippy::disallowed_methods, reason = "starts the processes that are to be watched")]
    fn start(count: usize) -> Self {
        Self((0..count).map(|_| Command::new("sleep").arg("600").spawn().expect("started")).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "others may be busy, for a while")]
fn nor_does_a_pass_over_the_live_machine() {
    let sleepers = Sleepers::start(300);
    let mut live = Live::open("/proc".as_ref(), "/sys".as_ref()).expect("opens");
    for _ in 0..6 {
        live.sample(&Needs::default()).expect("sampled");
    }
    // Others come and go on a live machine, and each of them may cost a little; the still ones may not.
    let mut before = live.sample(&Needs::default()).expect("sampled").roster.clone();
    let mut quietest = u64::MAX;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let mut now = Vec::with_capacity(before.len() * 2);
        let made = allocations(|| now.extend_from_slice(&live.sample(&Needs::default()).expect("sampled").roster));
        let came = now.iter().filter(|id| before.binary_search(id).is_err()).count() as u64;
        quietest = quietest.min(made.saturating_sub(20 * came));
        if quietest < 10 {
            return;
        }
        before = now;
    }
    panic!("{quietest} allocations in the quietest pass of a minute over {} sleepers", sleepers.0.len());
}

#[test]
fn a_prober_with_nothing_to_do_allocates_nothing() {
    let fake = FakeProc::new();
    for pid in 1..=100 {
        fake.put(&FakeProcess::new(pid));
    }
    let mut live = Live::open(&fake.proc(), &fake.sys()).expect("opens");
    let mut prober = Prober::open(&fake.proc()).expect("opens");
    let needs = Needs::default();
    for _ in 0..5 {
        prober.observe(&live.sample(&needs).expect("sampled"));
        while prober.probe(&needs).is_some() {}
    }
    assert_eq!(allocations(|| assert!(prober.probe(&needs).is_none())), 0);
}

#[test]
fn a_region_of_smaps_allocates_nothing() {
    let mut text = String::new();
    for region in 0..20_000_u64 {
        let (start, end) = (region << 13, (region << 13) + 4096);
        let name = ["", "/usr/lib/libc.so.6", "[anon: Go: heap]", "/memfd:x (deleted)"][region as usize % 4];
        writeln!(text, "{start:08x}-{end:08x} rw-p 00000000 00:00 0                          {name}").expect("written");
        text.push_str("Size:                  4 kB\nRss:                   4 kB\nPss:                   2 kB\n");
        text.push_str("Private_Dirty:         4 kB\nSwap:                  0 kB\nVmFlags: rd wr mr mw me ac \n");
    }
    let (mut parser, mut mappings) = (Parser::default(), Mappings::default());
    let mut read = || {
        parser.begin(&mut mappings);
        let mut pending = Vec::with_capacity(8 << 10);
        for piece in text.as_bytes().chunks(4000) {
            pending.extend_from_slice(piece);
            let taken = parser.take(&pending, &mut mappings).expect("whole");
            pending.drain(..taken);
        }
        assert_eq!((mappings.regions.len(), mappings.names.len()), (20_000, 4));
    };
    let first = allocations(&mut read);
    assert!(first < 60, "{first} for the growth of the lists");
    assert_eq!(allocations(&mut read), 1, "only the buffer of this test");
}
