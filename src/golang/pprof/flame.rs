//! Who called whom with how much: the stacks of a profile as one tree from the outermost function, for a flame graph.
//! Refuses to draw and to grow without bound.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::profile::Profile;

/// A frame of the tree, by its number; 0 is the root, which stands for all.
pub type Frame = u32;

/// The tree of calls, with all values of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flame {
    types: usize,
    /// Of each frame but the root: its function.
    functions: Vec<u32>,
    parents: Vec<Frame>,
    /// Frames that are called by each frame, one frame after the other; where they end.
    children: Vec<Frame>,
    ends: Vec<u32>,
    /// Sums of each frame and all below it, by type.
    values: Vec<i64>,
    /// The same without what is negative: the width of a frame. In a difference that is what grew.
    weights: Vec<u64>,
    /// There were more frames than are kept: the values of the others stand with those that called them.
    pub is_cut: bool,
}

/// Frames that are kept.
const MOST: usize = 1 << 18;

impl Flame {
    /// That stands for all.
    pub const ROOT: Frame = 0;

    /// Of all stacks of a profile.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let types = profile.types.len();
        let mut flame = Self {
            types,
            functions: vec![u32::MAX],
            parents: vec![Self::ROOT],
            children: Vec::new(),
            ends: Vec::new(),
            values: vec![0; types],
            weights: vec![0; types],
            is_cut: false,
        };
        let mut known: HashMap<(Frame, u32), Frame> = HashMap::new();
        for (stack, values) in profile.stacks().zip(profile.values()) {
            let mut frame = Self::ROOT;
            flame.add(frame, values);
            let outermost_first = stack
                .iter()
                .rev()
                .flat_map(|location| profile.locations[*location as usize].lines.iter().rev())
                .map(|line| profile.lines[*line as usize].function);
            for function in outermost_first {
                let next = known.get(&(frame, function)).copied();
                let Some(next) = next.or_else(|| flame.grow(frame, function)) else { break };
                known.insert((frame, function), next);
                frame = next;
                flame.add(frame, values);
            }
        }
        flame.list_children();
        flame
    }

    fn grow(&mut self, parent: Frame, function: u32) -> Option<Frame> {
        if self.functions.len() >= MOST {
            self.is_cut = true;
            return None;
        }
        self.functions.push(function);
        self.parents.push(parent);
        self.values.resize(self.values.len() + self.types, 0);
        self.weights.resize(self.weights.len() + self.types, 0);
        Some(self.functions.len() as Frame - 1)
    }

    fn add(&mut self, frame: Frame, values: &[i64]) {
        let at = frame as usize * self.types;
        for (index, value) in values.iter().enumerate() {
            self.values[at + index] = self.values[at + index].saturating_add(*value);
            self.weights[at + index] = self.weights[at + index].saturating_add(u64::try_from(*value).unwrap_or(0));
        }
    }

    fn list_children(&mut self) {
        let mut children: Vec<Frame> = (1..self.functions.len() as Frame).collect();
        children.sort_by_key(|child| self.parents[*child as usize]);
        let mut end = 0;
        for frame in 0..self.functions.len() as Frame {
            while children.get(end).is_some_and(|child| self.parents[*child as usize] == frame) {
                end += 1;
            }
            self.ends.push(end as u32);
        }
        self.children = children;
    }

    /// How many frames there are, the root among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.functions.len()
    }

    /// Its function by its position in the profile's; `None` for the root.
    #[must_use]
    pub fn function(&self, frame: Frame) -> Option<u32> {
        self.functions.get(frame as usize).copied().filter(|_| frame != Self::ROOT)
    }

    /// Who called it; `None` for the root.
    #[must_use]
    pub fn parent(&self, frame: Frame) -> Option<Frame> {
        self.parents.get(frame as usize).copied().filter(|_| frame != Self::ROOT)
    }

    /// What it and all that it calls sum to.
    #[must_use]
    pub fn value(&self, frame: Frame, value_type: usize) -> i64 {
        self.values.get(frame as usize * self.types + value_type).copied().unwrap_or(0)
    }

    /// How wide it is: its value, in a difference what of it grew.
    #[must_use]
    pub fn weight(&self, frame: Frame, value_type: usize) -> u64 {
        self.weights.get(frame as usize * self.types + value_type).copied().unwrap_or(0)
    }

    /// Whom it calls that have a width, the widest first.
    #[must_use]
    pub fn children(&self, frame: Frame, value_type: usize) -> Vec<Frame> {
        let Some(&end) = self.ends.get(frame as usize) else { return Vec::new() };
        let begin = frame.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        let all = &self.children[begin as usize..end as usize];
        let mut wide: Vec<_> = all.iter().copied().filter(|child| self.weight(*child, value_type) > 0).collect();
        wide.sort_by_key(|child| Reverse(self.weight(*child, value_type)));
        wide
    }
}
