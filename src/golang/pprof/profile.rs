//! The messages of a profile: samples of stacks with their values, and the tables that they refer to. Refuses references
//! that lead nowhere, and samples with another number of values than there are types.

use std::collections::HashMap;

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
    /// What the values of each sample count.
    pub types: Vec<ValueType>,
    /// Which of them one looks at first.
    pub usual: usize,
    /// When it was taken, in nanoseconds since the Unix epoch; `None` where it does not say.
    pub taken: Option<i64>,
    /// Names of functions, each once.
    pub functions: Vec<String>,
    /// Functions of each location, the innermost inlined one first.
    pub(super) locations: Vec<Box<[u32]>>,
    /// Locations of all samples, one sample after the other, each from its leaf.
    pub(super) stacks: Vec<u32>,
    /// Where the stack of each sample ends in `stacks`.
    pub(super) ends: Vec<usize>,
    /// Values of all samples, as many of each as there are types.
    pub(super) values: Vec<i64>,
}

/// More entries than this in one table are no profile: a table must not take much more memory than its bytes.
const MOST: usize = 1 << 22;

impl From<Broken> for Refusal {
    fn from(_: Broken) -> Self {
        Self::Malformed("its messages are damaged or cut short")
    }
}

/// Tables as they are written: identities and numbers of strings, before anything is looked up.
#[derive(Default)]
struct Raw<'a> {
    strings: Vec<&'a [u8]>,
    types: Vec<(u64, u64)>,
    samples: Vec<&'a [u8]>,
    locations: Vec<&'a [u8]>,
    /// Identity, name.
    functions: Vec<(u64, u64)>,
    /// Identity, file.
    mappings: Vec<(u64, u64)>,
    usual: u64,
    taken: i64,
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
        let text = |number: u64| {
            let bytes = usize::try_from(number).ok().and_then(|number| raw.strings.get(number));
            let bytes = bytes.ok_or(Refusal::Malformed("it refers to a string that is not there"))?;
            Ok::<_, Refusal>(String::from_utf8_lossy(bytes).into_owned())
        };
        if raw.types.is_empty() {
            return Err(Refusal::Malformed("it does not say what its values count"));
        }
        let types: Vec<_> = raw
            .types
            .iter()
            .map(|(name, unit)| Ok(ValueType { name: text(*name)?, unit: text(*unit)? }))
            .collect::<Result<_, Refusal>>()?;
        let wanted = text(raw.usual)?;
        // As `go tool pprof`: the one that is named, else the last.
        let usual = types.iter().position(|known| known.name == wanted).unwrap_or(types.len() - 1);

        let mut names = Names::default();
        let mut functions = HashMap::with_capacity(raw.functions.len());
        for (id, name) in &raw.functions {
            functions.insert(*id, names.number(&text(*name)?));
        }
        let mut mappings = HashMap::with_capacity(raw.mappings.len());
        for (id, file) in &raw.mappings {
            mappings.insert(*id, text(*file)?);
        }
        let mut known = HashMap::with_capacity(raw.locations.len());
        let mut locations = Vec::with_capacity(raw.locations.len());
        for location in &raw.locations {
            let (id, lines) = self::location(location, &functions, &mappings, &mut names)?;
            known.insert(id, locations.len() as u32);
            locations.push(lines);
        }
        let mut profile = Self {
            types,
            usual,
            taken: Some(raw.taken).filter(|taken| *taken > 0),
            functions: names.list,
            locations,
            stacks: Vec::new(),
            ends: Vec::with_capacity(raw.samples.len()),
            values: Vec::with_capacity(raw.samples.len()),
        };
        for sample in &raw.samples {
            profile.take(sample, &known)?;
        }
        Ok(profile)
    }

    fn take(&mut self, sample: &[u8], known: &HashMap<u64, u32>) -> Result<(), Refusal> {
        let (mut stack, mut values) = (Vec::new(), Vec::new());
        let mut message = Message(sample);
        while let Some((number, field)) = message.next()? {
            match number {
                1 => field.numbers(&mut stack)?,
                2 => field.numbers(&mut values)?,
                _ => {}
            }
        }
        if values.len() != self.types.len() {
            return Err(Refusal::Malformed("a sample has another number of values than it has types"));
        }
        for id in stack {
            let location =
                known.get(&id).ok_or(Refusal::Malformed("a sample refers to a location that is not there"))?;
            self.stacks.push(*location);
        }
        self.ends.push(self.stacks.len());
        self.values.extend(values.into_iter().map(u64::cast_signed));
        Ok(())
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

/// Numbers of names, each once.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn raw(bytes: &[u8]) -> Result<Raw<'_>, Refusal> {
    let mut raw = Raw::default();
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => raw.types.push(pair(field, [1, 2])?),
            2 => raw.samples.push(field.bytes()?),
            3 => raw.mappings.push(pair(field, [1, 5])?),
            4 => raw.locations.push(field.bytes()?),
            5 => raw.functions.push(pair(field, [1, 2])?),
            6 => raw.strings.push(field.bytes()?),
            9 => raw.taken = field.number()?.cast_signed(),
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

/// Two numbers of a message; what is not written is 0.
fn pair(field: Field<'_>, wanted: [u64; 2]) -> Result<(u64, u64), Broken> {
    let mut found = [0; 2];
    let mut message = Message(field.bytes()?);
    while let Some((number, field)) = message.next()? {
        if let Some(index) = wanted.iter().position(|wanted| *wanted == number) {
            found[index] = field.number()?;
        }
    }
    Ok((found[0], found[1]))
}

/// Identity and functions of a location. Where the program has no names, the file that is mapped there stands for them,
/// in brackets, as `go tool pprof` writes it.
fn location(
    bytes: &[u8],
    functions: &HashMap<u64, u32>,
    mappings: &HashMap<u64, String>,
    names: &mut Names,
) -> Result<(u64, Box<[u32]>), Refusal> {
    let (mut id, mut mapping, mut lines) = (0, 0, Vec::new());
    let mut message = Message(bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => id = field.number()?,
            2 => mapping = field.number()?,
            4 => {
                let (function, _) = pair(field, [1, 2])?;
                let name = functions.get(&function);
                lines.push(*name.ok_or(Refusal::Malformed("a location refers to a function that is not there"))?);
            }
            _ => {}
        }
    }
    if id == 0 {
        return Err(Refusal::Malformed("a location has no number"));
    }
    if lines.is_empty() {
        let file = mappings.get(&mapping).map_or("", |file| file.rsplit('/').next().unwrap_or(file));
        lines.push(names.number(&if file.is_empty() { "<unknown>".to_owned() } else { format!("[{file}]") }));
    }
    Ok((id, lines.into_boxed_slice()))
}
