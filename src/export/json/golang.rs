//! `go`: what the runtime of one Go program says, beside its mappings.

use serde::Serialize;

use crate::golang::advice::{Advice, Ceiling, CeilingKind};
use crate::monitor::report::{GoPart, GoReport, Report};
use crate::snapshot::go_memory::{Found, GoEnvironment, GoNumbers, NoNumbers};
use crate::units::Bytes;

use super::process::GoJson;
use super::rfc3339;

#[derive(Serialize)]
pub(super) struct GoMemoryJson<'a> {
    #[serde(flatten)]
    build: GoJson<'a>,
    age_ms: Option<u128>,
    /// As they stand in the environment that it was started with; null where they do not, or where it may not be read.
    gomemlimit: Option<&'a str>,
    gogc: Option<&'a str>,
    godebug: Option<&'a str>,
    /// Of the last collection.
    heap_live_bytes: Option<u64>,
    /// Live, and allocated since.
    heap_allocated_bytes: Option<u64>,
    heap_objects_bytes: Option<u64>,
    heap_in_use_bytes: Option<u64>,
    heap_free_bytes: Option<u64>,
    heap_released_bytes: Option<u64>,
    heap_goal_bytes: Option<u64>,
    stack_bytes: Option<u64>,
    /// All that the runtime has mapped and not given back: what GOMEMLIMIT bounds.
    mapped_bytes: Option<u64>,
    /// In use or kept, and not resident.
    not_touched_bytes: Option<u64>,
    /// Null where it is off; whether it is, `how` tells.
    gc_percent: Option<u32>,
    /// Null where there is none.
    memory_limit_bytes: Option<u64>,
    gc_count: Option<u32>,
    gc_cpu_percent: Option<u8>,
    last_gc: Option<String>,
    how: Option<&'static str>,
    /// Why the runtime's numbers are null.
    unreadable: Option<&'static str>,
    rss_parts: Vec<PartJson>,
    /// What the difference between RSS and the live heap consists of.
    difference: Option<String>,
    bound: Option<BoundJson<'a>>,
    /// Empty where the limits fit, null where that could not be judged.
    advice: Option<Vec<AdviceJson<'a>>>,
}

impl<'a> GoMemoryJson<'a> {
    pub(super) fn new(go: &'a GoReport, report: &Report) -> Self {
        let numbers = go.numbers();
        let environment = go.read.as_ref().and_then(|read| read.environment.as_ref().ok());
        let set = |value: fn(&GoEnvironment) -> &Option<Box<str>>| value(environment?).as_deref();
        let size = |value: fn(&GoNumbers) -> Bytes| numbers.map(|numbers| value(numbers).0);
        let collections = numbers.and_then(|numbers| numbers.collections);
        Self {
            build: GoJson::new(&go.build, go.test_package.as_deref()),
            age_ms: go.read.as_ref().map(|read| report.time.since(read.at).as_millis()),
            gomemlimit: set(|environment| &environment.memory_limit),
            gogc: set(|environment| &environment.gc_percent),
            godebug: set(|environment| &environment.debug),
            heap_live_bytes: size(|numbers| numbers.live),
            heap_allocated_bytes: size(|numbers| numbers.allocated),
            heap_objects_bytes: size(|numbers| numbers.objects),
            heap_in_use_bytes: size(|numbers| numbers.in_use),
            heap_free_bytes: size(|numbers| numbers.free),
            heap_released_bytes: size(|numbers| numbers.released),
            heap_goal_bytes: size(|numbers| numbers.goal),
            stack_bytes: go.stacks.map(|stacks| stacks.0),
            mapped_bytes: size(|numbers| numbers.mapped),
            not_touched_bytes: go.not_touched.map(|not_touched| not_touched.0),
            gc_percent: numbers.and_then(|numbers| numbers.gc_percent),
            memory_limit_bytes: numbers.and_then(|numbers| numbers.memory_limit).map(|limit| limit.0),
            gc_count: collections.map(|collections| collections.count),
            gc_cpu_percent: collections.and_then(|collections| collections.cpu_percent),
            last_gc: collections.and_then(|collections| rfc3339(collections.last)),
            how: numbers.map(|numbers| match numbers.found {
                Found::Symbols => "symbols",
                Found::Scan => "scan",
            }),
            unreadable: go
                .read
                .as_ref()
                .and_then(|read| read.numbers.as_ref().err())
                .map(|why: &NoNumbers| why.reason()),
            rss_parts: go
                .parts
                .iter()
                .map(|(part, size)| PartJson { what: part_name(*part), rss_bytes: size.0 })
                .collect(),
            difference: go.difference(),
            bound: go.ceiling.as_ref().map(BoundJson::new),
            advice: go.advice.as_ref().map(|advice| advice.iter().map(AdviceJson::new).collect()),
        }
    }
}

#[derive(Serialize)]
struct PartJson {
    what: &'static str,
    rss_bytes: u64,
}

const fn part_name(part: GoPart) -> &'static str {
    match part {
        GoPart::Live => "live",
        GoPart::New => "allocated_since_gc",
        GoPart::Slack => "span_slack",
        GoPart::Free => "free",
        GoPart::Stacks => "stacks",
        GoPart::LazilyFreed => "lazily_freed",
        GoPart::Heap => "heap",
        GoPart::Tables => "runtime",
        GoPart::RaceShadow => "race_shadow",
        GoPart::C => "c",
        GoPart::Program => "program",
        GoPart::Other => "other",
    }
}

#[derive(Serialize)]
struct BoundJson<'a> {
    label: &'a str,
    kind: &'static str,
    bytes: u64,
}

impl<'a> BoundJson<'a> {
    fn new(ceiling: &'a Ceiling) -> Self {
        let kind = match ceiling.kind {
            CeilingKind::Kill => "limit",
            CeilingKind::Throttle => "high",
            CeilingKind::Machine => "machine",
        };
        Self { label: &ceiling.label, kind, bytes: ceiling.bytes.0 }
    }
}

#[derive(Serialize)]
pub(super) struct AdviceJson<'a> {
    what: &'a str,
    why: &'a str,
    set: Option<&'a str>,
}

impl<'a> AdviceJson<'a> {
    pub(super) fn new(advice: &'a Advice) -> Self {
        Self { what: &advice.what, why: &advice.why, set: advice.set.as_deref() }
    }
}
