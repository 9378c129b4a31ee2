//! Which functions hold how much of a profile, as `go tool pprof -top` counts it. Refuses to round and to cut the list.

use std::cmp::Reverse;

use super::profile::Profile;

/// A function's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Position of its name in [`Profile::functions`].
    pub function: u32,
    /// Of the stacks that end in it.
    pub flat: i64,
    /// Of all stacks that it is in, each once, however often it calls itself.
    pub cumulative: i64,
    /// Where in it the most of that is: the position in [`Profile::files`] and the line; `None` where that is not known.
    pub source: Option<(u32, u32)>,
}

/// All functions of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The sum over all samples, without their signs.
    pub total: i64,
    /// The largest flat first, then the largest cumulative, then by name.
    pub functions: Vec<Function>,
}

impl Top {
    /// The largest cumulative first.
    pub fn order_by_cumulative(&mut self) {
        // What led by flat still does among equals.
        self.functions.sort_by_key(|function| Reverse(function.cumulative.unsigned_abs()));
    }
}

/// What is summed by function and by line.
struct Sums {
    flat: Vec<i64>,
    cumulative: Vec<i64>,
    /// In which sample each was seen last: one that calls itself counts once.
    seen: Vec<usize>,
}

impl Sums {
    const NEVER: usize = usize::MAX;

    fn new(count: usize) -> Self {
        Self { flat: vec![0; count], cumulative: vec![0; count], seen: vec![Self::NEVER; count] }
    }

    fn add(&mut self, at: u32, sample: usize, value: i64, is_leaf: bool) {
        let at = at as usize;
        if is_leaf {
            self.flat[at] = self.flat[at].saturating_add(value);
        }
        if self.seen[at] != sample {
            self.seen[at] = sample;
            self.cumulative[at] = self.cumulative[at].saturating_add(value);
        }
    }

    /// By how much it weighs: what it holds itself, then what passes through it.
    fn weight(&self, at: usize) -> (u64, u64) {
        (self.flat[at].unsigned_abs(), self.cumulative[at].unsigned_abs())
    }
}

/// Sums one of the values by function.
#[must_use]
pub fn top(profile: &Profile, value_type: usize) -> Top {
    let mut functions = Sums::new(profile.functions.len());
    let mut lines = Sums::new(profile.lines.len());
    let mut total = 0_i64;
    for (sample, (stack, values)) in profile.stacks().zip(profile.values()).enumerate() {
        let value = values[value_type];
        if value == 0 {
            continue;
        }
        total = total.saturating_add(value.saturating_abs());
        let frames = stack.iter().flat_map(|location| &profile.locations[*location as usize].lines);
        for (depth, &line) in frames.enumerate() {
            functions.add(profile.lines[line as usize].function, sample, value, depth == 0);
            lines.add(line, sample, value, depth == 0);
        }
    }
    let mut heaviest: Vec<Option<usize>> = vec![None; profile.functions.len()];
    for (at, line) in profile.lines.iter().enumerate().filter(|(_, line)| line.number > 0) {
        let known = &mut heaviest[line.function as usize];
        if known.is_none_or(|known| lines.weight(known) < lines.weight(at)) {
            *known = Some(at);
        }
    }
    let mut list: Vec<_> = (0..profile.functions.len())
        .filter(|at| functions.seen[*at] != Sums::NEVER)
        .map(|at| Function {
            function: at as u32,
            flat: functions.flat[at],
            cumulative: functions.cumulative[at],
            source: heaviest[at].map(|line| (profile.lines[line].file, profile.lines[line].number)),
        })
        .collect();
    let name = |function: &Function| &profile.functions[function.function as usize];
    list.sort_by(|a, b| {
        let weight = |function: &Function| Reverse(functions.weight(function.function as usize));
        (weight(a), name(a)).cmp(&(weight(b), name(b)))
    });
    Top { total, functions: list }
}
