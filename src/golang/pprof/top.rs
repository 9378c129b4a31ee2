//! Which functions hold how much of a profile, as `go tool pprof -top` counts it. Refuses to round and to cut the list.

use super::profile::Profile;

/// A function's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// With its package.
    pub name: &'a str,
    /// Of the stacks that end in it.
    pub flat: i64,
    /// Of all stacks that it is in, each once, however often it calls itself.
    pub cumulative: i64,
}

/// All functions of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top<'a> {
    /// The sum over all samples, without their signs.
    pub total: i64,
    /// The largest flat first, then the largest cumulative, then by name.
    pub functions: Vec<Function<'a>>,
}

impl Top<'_> {
    /// The largest cumulative first.
    pub fn order_by_cumulative(&mut self) {
        // What led by flat still does among equals.
        self.functions.sort_by_key(|function| std::cmp::Reverse(function.cumulative.unsigned_abs()));
    }
}

/// Sums one of the values by function.
#[must_use]
pub fn top(profile: &Profile, value_type: usize) -> Top<'_> {
    let count = profile.functions.len();
    let (mut flat, mut cumulative) = (vec![0_i64; count], vec![0_i64; count]);
    // In which sample each function was seen last: one that calls itself counts once.
    let mut seen = vec![usize::MAX; count];
    let mut total = 0_i64;
    let mut begin = 0;
    for (sample, &end) in profile.ends.iter().enumerate() {
        let stack = &profile.stacks[begin..end];
        begin = end;
        let value = profile.values[sample * profile.types.len() + value_type];
        if value == 0 {
            continue;
        }
        total = total.saturating_add(value.saturating_abs());
        let functions = stack.iter().flat_map(|location| &profile.locations[*location as usize]);
        for (depth, &function) in functions.enumerate() {
            let function = function as usize;
            if depth == 0 {
                flat[function] = flat[function].saturating_add(value);
            }
            if seen[function] != sample {
                seen[function] = sample;
                cumulative[function] = cumulative[function].saturating_add(value);
            }
        }
    }
    let mut functions: Vec<_> = profile
        .functions
        .iter()
        .enumerate()
        .filter(|(index, _)| seen[*index] != usize::MAX)
        .map(|(index, name)| Function { name, flat: flat[index], cumulative: cumulative[index] })
        .collect();
    let weight = |value: i64| std::cmp::Reverse(value.unsigned_abs());
    functions.sort_by(|a, b| {
        (weight(a.flat), weight(a.cumulative), a.name).cmp(&(weight(b.flat), weight(b.cumulative), b.name))
    });
    Top { total, functions }
}
