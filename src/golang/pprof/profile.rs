//! The messages of a profile: samples of stacks with their values, and the tables that they refer to. Refuses references
//! that lead nowhere, samples with another number of values than there are types, and what would become much more than
//! its bytes: a string is looked at once, however often it is referred to.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use super::Refusal;
use super::wire::{Broken, Field, Message};

/// What one value of a sample counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// `inuse_space`.
    pub name: String,
    /// `bytes`.
    pub unit: String,
}

/// A profile. Everything refers to its tables by index; every index is one of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Bytes of the message that it was read from; of a difference, of both.
    pub length: usize,
    /// What the values of each sample count.
    pub types: Vec<ValueType>,
    /// Which of them one looks at first.
    pub usual: usize,
    /// When it was taken, in nanoseconds since the Unix epoch; `None` where it does not say.
    pub taken: Option<i64>,
    /// What was sampled, and about how many of it apart two samples are: 524288 bytes.
    pub period: Option<(ValueType, i64)>,
    /// Names of functions, each once.
    pub functions: Vec<Arc<str>>,
    /// Paths of source files, each once, as the compiler wrote them.
    pub files: Vec<Arc<str>>,
    /// Lines of the source that are on any stack, each once.
    pub(super) lines: Vec<Line>,
    pub(super) locations: Vec<Location>,
    /// Locations of all samples, one sample after the other, each from its leaf.
    pub(super) stacks: Vec<u32>,
    /// Where the stack of each sample ends in `stacks`.
    pub(super) ends: Vec<usize>,
    /// Values of all samples, as many of each as there are types.
    pub(super) values: Vec<i64>,
    /// What tells samples of one stack apart: the hashes of the labels of each, summed, for they have no order.
    pub(super) labels: Vec<u64>,
}

/// A line of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    /// Position in the functions.
    pub function: u32,
    /// Position in the files.
    pub file: u32,
    /// From 1; 0 where it is not known.
    pub number: u32,
}

/// An address in the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Location {
    /// From the start of the mapping that it lies in.
    pub address: u64,
    /// Positions in the lines, the innermost inlined one first.
    pub lines: Box<[u32]>,
}

/// More entries than this in one table are no profile: a table must not take much more memory than its bytes.
const MOST: usize = 1 << 20;
/// The same of the frames of all samples together, those that are inlined among them.
const MOST_FRAMES: usize = 1 << 24;
/// Values of a sample; Go's have four at most.
const MOST_TYPES: usize = 16;
/// Sums over all functions: as many for each as there are types.
const MOST_SUMS: usize = 1 << 21;
/// Bytes of a sample; one of a stack of 1,024 addresses, the most that Go takes (runtime/mprof.go), has a hundredth.
const LONGEST_SAMPLE: usize = 1 << 20;

impl From<Broken> for Refusal {
    fn from(_: Broken) -> Self {
        Self::Malformed("its messages are corrupt or cut short")
    }
}

/// Tables as they are written: identities and numbers of strings, before anything is looked up.
#[derive(Default)]
struct Raw<'a> {
    strings: Vec<&'a [u8]>,
    types: Vec<[u64; 2]>,
    samples: Vec<&'a [u8]>,
    locations: Vec<&'a [u8]>,
    /// Identity, name, file.
    functions: Vec<[u64; 3]>,
    /// Identity, start, file.
    mappings: Vec<[u64; 3]>,
    usual: u64,
    taken: i64,
    period_type: Option<[u64; 2]>,
    period: i64,
}

/// What stands for a string, by its number.
fn of_string<T>(all: &[T], number: u64) -> Result<&T, Refusal> {
    let known = usize::try_from(number).ok().and_then(|number| all.get(number));
    known.ok_or(Refusal::Malformed("it refers to a string that does not exist"))
}

impl Raw<'_> {
    fn text(&self, number: u64) -> Result<String, Refusal> {
        of_string(&self.strings, number).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn value_type(&self, [name, unit]: [u64; 2]) -> Result<ValueType, Refusal> {
        Ok(ValueType { name: self.text(name)?, unit: self.text(unit)? })
    }
}

impl Profile {
    /// Out of the bytes of the message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let raw = raw(bytes)?;
        if raw.strings.first().is_none_or(|first| !first.is_empty()) {
            return Err(Refusal::Malformed("its table of strings does not begin with the empty one"));
        }
        if raw.types.is_empty() {
            return Err(Refusal::Malformed("it does not say what its values count"));
        }
        if raw.types.len() > MOST_TYPES {
            return Err(Refusal::Malformed("its samples have more than 16 values each"));
        }
        let types: Vec<_> = raw.types.iter().map(|known| raw.value_type(*known)).collect::<Result<_, _>>()?;
        let wanted = raw.text(raw.usual)?;
        // As `go tool pprof`: the one that is named, else the last.
        let usual = types.iter().position(|known| known.name == wanted).unwrap_or(types.len() - 1);
        let period = raw.period_type.map(|known| raw.value_type(known)).transpose()?;

        let mut tables = Tables::of(&raw)?;
        let mut known = HashMap::with_capacity(raw.locations.len());
        let mut locations = Vec::with_capacity(raw.locations.len());
        for location in &raw.locations {
            let (id, location) = tables.location(location)?;
            known.insert(id, locations.len() as u32);
            locations.push(location);
        }
        if types.len() * tables.functions.list.len() > MOST_SUMS {
            return Err(Refusal::TooLarge);
        }
        let mut profile = Self {
            length: bytes.len(),
            types,
            usual,
            taken: Some(raw.taken).filter(|taken| *taken > 0),
            period: period.map(|kind| (kind, raw.period)).filter(|(_, period)| *period > 0),
            functions: tables.functions.list,
            files: tables.files.list,
            lines: tables.lines.list,
            locations,
            stacks: Vec::new(),
            ends: Vec::with_capacity(raw.samples.len()),
            values: Vec::with_capacity(raw.samples.len()),
            labels: Vec::with_capacity(raw.samples.len()),
        };
        let hashes: Vec<u64> = raw.strings.iter().map(hash).collect();
        let mut frames = 0;
        for sample in &raw.samples {
            frames += profile.take(sample, &known, &hashes)?;
            if frames > MOST_FRAMES {
                return Err(Refusal::TooLarge);
            }
        }
        Ok(profile)
    }

    /// How many frames the sample has.
    fn take(&mut self, sample: &[u8], known: &HashMap<u64, u32>, hashes: &[u64]) -> Result<usize, Refusal> {
        if sample.len() > LONGEST_SAMPLE {
            return Err(Refusal::TooLarge);
        }
        let (mut stack, mut values, mut labels) = (Vec::new(), Vec::new(), 0_u64);
        let mut message = Message(sample);
        while let Some((number, field)) = message.next()? {
            match number {
                1 => field.numbers(&mut stack)?,
                2 => field.numbers(&mut values)?,
                3 => labels = labels.wrapping_add(label(field, hashes)?),
                _ => {}
            }
        }
        if values.len() != self.types.len() {
            return Err(Refusal::Malformed("a sample does not have one value per type"));
        }
        let mut frames = 0;
        for id in stack {
            let location =
                known.get(&id).ok_or(Refusal::Malformed("a sample refers to a location that does not exist"))?;
            frames += self.locations[*location as usize].lines.len();
            self.stacks.push(*location);
        }
        self.ends.push(self.stacks.len());
        self.values.extend(values.into_iter().map(u64::cast_signed));
        self.labels.push(labels);
        Ok(frames)
    }

    /// The stack of each sample, from its leaf, as positions in the locations.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &[u32]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.stacks[begin..*end])
    }

    /// The values of each sample, in the order of the types.
    pub(super) fn values(&self) -> impl Iterator<Item = &[i64]> {
        self.values.chunks_exact(self.types.len())
    }

    /// How many samples there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.ends.len()
    }

    /// The value type of that name; the usual one where none is asked for.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn find_type(&self, name: Option<&str>) -> Result<usize, Refusal> {
        let Some(name) = name else { return Ok(self.usual) };
        let names = || self.types.iter().map(|known| known.name.as_str());
        names()
            .position(|known| known == name)
            .ok_or_else(|| Refusal::NoSuchType(names().collect::<Vec<_>>().join(", ")))
    }
}

/// A table in which each thing stands once.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    pub list: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { list: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// Its position, where it is put if it is not there yet.
    pub(super) fn number(&mut self, thing: T) -> u32 {
        let Self { list, numbers } = self;
        *numbers.entry(thing).or_insert_with_key(|thing| {
            list.push(thing.clone());
            list.len() as u32 - 1
        })
    }
}

/// What locations refer to.
#[derive(Default)]
struct Tables {
    functions: Numbered<Arc<str>>,
    files: Numbered<Arc<str>>,
    lines: Numbered<Line>,
    /// By identity: positions of name and file.
    by_id: HashMap<u64, (u32, u32)>,
    /// By identity: where it begins, and the function that stands for what has no name there.
    mappings: HashMap<u64, (u64, u32)>,
}

impl Tables {
    fn of(raw: &Raw<'_>) -> Result<Self, Refusal> {
        let mut tables = Self::default();
        let (mut names, mut paths, mut nameless) = (HashMap::new(), HashMap::new(), HashMap::new());
        for [id, name, file] in &raw.functions {
            let function = once(&mut names, *name, || Ok(tables.functions.number(raw.text(*name)?.into())))?;
            let file = once(&mut paths, *file, || Ok(tables.files.number(raw.text(*file)?.into())))?;
            tables.by_id.insert(*id, (function, file));
        }
        for [id, start, file] in &raw.mappings {
            let function = once(&mut nameless, *file, || Ok(tables.nameless(&raw.text(*file)?)))?;
            tables.mappings.insert(*id, (*start, function));
        }
        Ok(tables)
    }

    /// Where the program has no names, the file that is mapped there stands for them, in brackets, as `go tool pprof`
    /// writes it.
    fn nameless(&mut self, path: &str) -> u32 {
        let file = path.rsplit('/').next().unwrap_or(path);
        self.functions.number(if file.is_empty() { "<unknown>".into() } else { format!("[{file}]").into() })
    }

    /// A location with its identity.
    fn location(&mut self, bytes: &[u8]) -> Result<(u64, Location), Refusal> {
        let (mut id, mut mapping, mut address, mut lines) = (0, 0, 0_u64, Vec::new());
        let mut message = Message(bytes);
        while let Some((number, field)) = message.next()? {
            match number {
                1 => id = field.number()?,
                2 => mapping = field.number()?,
                3 => address = field.number()?,
                4 => {
                    let [function, number] = numbers(field, [1, 2])?;
                    let known = self.by_id.get(&function);
                    let (function, file) =
                        *known.ok_or(Refusal::Malformed("a location refers to a function that does not exist"))?;
                    let number = u32::try_from(number).unwrap_or(0);
                    lines.push(self.lines.number(Line { function, file, number }));
                }
                _ => {}
            }
        }
        if id == 0 {
            return Err(Refusal::Malformed("a location has no number"));
        }
        let known = self.mappings.get(&mapping).copied();
        if lines.is_empty() {
            let function = known.map_or_else(|| self.nameless(""), |(_, function)| function);
            let file = self.files.number("".into());
            lines.push(self.lines.number(Line { function, file, number: 0 }));
        }
        let start = known.map_or(0, |(start, _)| start);
        Ok((id, Location { address: address.wrapping_sub(start), lines: lines.into_boxed_slice() }))
    }
}

fn raw(bytes: &[u8]) -> Result<Raw<'_>, Refusal> {
    let mut raw = Raw::default();
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => raw.types.push(numbers(field, [1, 2])?),
            2 => raw.samples.push(field.bytes()?),
            3 => raw.mappings.push(numbers(field, [1, 2, 5])?),
            4 => raw.locations.push(field.bytes()?),
            5 => raw.functions.push(numbers(field, [1, 2, 4])?),
            6 => raw.strings.push(field.bytes()?),
            9 => raw.taken = field.number()?.cast_signed(),
            11 => raw.period_type = Some(numbers(field, [1, 2])?),
            12 => raw.period = field.number()?.cast_signed(),
            14 => raw.usual = field.number()?,
            _ => {}
        }
        let tables =
            [raw.samples.len(), raw.locations.len(), raw.functions.len(), raw.strings.len(), raw.mappings.len()];
        if tables.into_iter().chain([raw.types.len()]).any(|length| length > MOST) {
            return Err(Refusal::TooLarge);
        }
    }
    Ok(raw)
}

/// Numbers of a message; what is not written is 0.
fn numbers<const WANTED: usize>(field: Field<'_>, wanted: [u64; WANTED]) -> Result<[u64; WANTED], Broken> {
    let mut found = [0; WANTED];
    let mut message = Message(field.bytes()?);
    while let Some((number, field)) = message.next()? {
        if let Some(index) = wanted.iter().position(|wanted| *wanted == number) {
            found[index] = field.number()?;
        }
    }
    Ok(found)
}

/// The number of what a string stands for: looked up when it is first referred to.
fn once(
    known: &mut HashMap<u64, u32>,
    string: u64,
    number: impl FnOnce() -> Result<u32, Refusal>,
) -> Result<u32, Refusal> {
    if let Some(number) = known.get(&string) {
        return Ok(*number);
    }
    let number = number()?;
    known.insert(string, number);
    Ok(number)
}

/// The same for the same in every profile.
fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A label: the hash of its key, its text or its number with a unit.
fn label(field: Field<'_>, hashes: &[u64]) -> Result<u64, Refusal> {
    let [key, text, number, unit] = numbers(field, [1, 2, 3, 4])?;
    Ok(hash((of_string(hashes, key)?, of_string(hashes, text)?, number, of_string(hashes, unit)?)))
}
