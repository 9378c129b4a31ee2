//! What a profile has more or less than an earlier one, stack by stack, as `go tool pprof -base`: again a profile, whose
//! values can be negative. Refuses to compare what counts different things.

use std::collections::HashMap;
use std::sync::Arc;

use super::Refusal;
use super::profile::{Line, Location, Numbered, Profile};

impl Profile {
    /// This one less `base`. What cancels out is not in it.
    ///
    /// # Errors
    /// They count different things.
    pub fn since(&self, base: &Self) -> Result<Self, Refusal> {
        if self.types != base.types {
            let names = base.types.iter().map(|known| known.name.as_str());
            return Err(Refusal::OtherTypes(names.collect::<Vec<_>>().join(", ")));
        }
        let mut merged = Merged::default();
        merged.add(self, 1);
        merged.add(base, -1);
        Ok(merged.profile(self, base))
    }
}

/// Tables and samples of several profiles.
#[derive(Default)]
struct Merged {
    functions: Numbered<Arc<str>>,
    files: Numbered<Arc<str>>,
    lines: Numbered<Line>,
    locations: Numbered<Location>,
    /// By stack and labels: the position of the values.
    samples: HashMap<(Box<[u32]>, u64), usize>,
    values: Vec<i64>,
}

impl Merged {
    fn add(&mut self, profile: &Profile, sign: i64) {
        // Names are looked up once each, not once for every line of theirs.
        let of_names = |table: &mut Numbered<Arc<str>>, names: &[Arc<str>]| -> Vec<u32> {
            names.iter().map(|name| table.number(name.clone())).collect()
        };
        let functions = of_names(&mut self.functions, &profile.functions);
        let files = of_names(&mut self.files, &profile.files);
        let lines: Vec<u32> = profile
            .lines
            .iter()
            .map(|line| {
                let (function, file) = (functions[line.function as usize], files[line.file as usize]);
                self.lines.number(Line { function, file, number: line.number })
            })
            .collect();
        let locations: Vec<u32> = profile
            .locations
            .iter()
            .map(|location| {
                let lines = location.lines.iter().map(|line| lines[*line as usize]).collect();
                self.locations.number(Location { address: location.address, lines })
            })
            .collect();
        for ((stack, values), labels) in profile.stacks().zip(profile.values()).zip(&profile.labels) {
            let stack = stack.iter().map(|location| locations[*location as usize]).collect();
            let end = self.values.len();
            let at = *self.samples.entry((stack, *labels)).or_insert(end);
            if at == end {
                self.values.resize(end + values.len(), 0);
            }
            for (sum, value) in self.values[at..].iter_mut().zip(values) {
                *sum = sum.saturating_add(value.saturating_mul(sign));
            }
        }
    }

    fn profile(self, newer: &Profile, base: &Profile) -> Profile {
        let count = newer.types.len();
        let mut samples: Vec<_> = self.samples.into_iter().collect();
        // A map has no order of its own; the same two profiles make the same difference.
        samples.sort_unstable_by_key(|(_, at)| *at);
        let mut difference = Profile {
            length: newer.length + base.length,
            types: newer.types.clone(),
            usual: newer.usual,
            taken: newer.taken,
            period: newer.period.clone(),
            functions: self.functions.list,
            files: self.files.list,
            lines: self.lines.list,
            locations: self.locations.list,
            stacks: Vec::new(),
            ends: Vec::new(),
            values: Vec::new(),
            labels: Vec::new(),
        };
        for ((stack, labels), at) in samples {
            let values = &self.values[at..at + count];
            if values.iter().any(|value| *value != 0) {
                difference.stacks.extend_from_slice(&stack);
                difference.ends.push(difference.stacks.len());
                difference.values.extend_from_slice(values);
                difference.labels.push(labels);
            }
        }
        difference
    }
}
