//! What the configuration file says: TOML, taken key by key from one table, so that whatever is wrong is told with its
//! line, its column and what was meant. Refuses to ignore anything: a key that it does not know is a mistake.

use std::fmt;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{AlarmConfig, ThemeName};
use crate::monitor::WarningConfig;
use crate::table::{self, Column};
use crate::units::{self, Bytes, Rate};

use super::{INTERVALS, When};

/// The file with all its keys commented out.
pub const DEFAULT: &str = include_str!("../../assets/config.toml");

/// A file longer than this is none of ours.
const LONGEST: u64 = 64 * 1024;

/// What a file asks for; `None`: it says nothing of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wishes {
    pub screen: ScreenWishes,
    pub warning: WarningConfig,
}

/// How the screen shall look and begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ScreenWishes {
    pub interval: Option<Duration>,
    pub columns: Option<Vec<Column>>,
    pub sort: Option<Column>,
    pub tree: Option<bool>,
    pub theme: Option<ThemeName>,
    pub color: Option<When>,
    pub ascii: Option<bool>,
    pub mouse: Option<bool>,
    pub read_only: Option<bool>,
    pub protect: Option<bool>,
    pub smaps_share: Option<u32>,
    pub alarm: AlarmConfig,
    pub profile_directory: Option<PathBuf>,
}

/// A key of the file: its name, and how its value becomes a wish.
struct Key {
    name: &'static str,
    take: fn(&mut Wishes, &DeValue<'_>) -> Result<(), String>,
}

const fn key(name: &'static str, take: fn(&mut Wishes, &DeValue<'_>) -> Result<(), String>) -> Key {
    Key { name, take }
}

/// Every key, by section.
const SECTIONS: &[(&str, &[Key])] = &[
    (
        "screen",
        &[
            key("interval", |wishes, value| put(&mut wishes.screen.interval, duration(value, &INTERVALS))),
            key("columns", |wishes, value| put(&mut wishes.screen.columns, columns(value))),
            key("sort", |wishes, value| put(&mut wishes.screen.sort, text(value).and_then(table::named))),
            key("tree", |wishes, value| put(&mut wishes.screen.tree, truth(value))),
            key("theme", |wishes, value| put(&mut wishes.screen.theme, one_of(value, &THEMES))),
            key("color", |wishes, value| put(&mut wishes.screen.color, one_of(value, &WHENS))),
            key("ascii", |wishes, value| put(&mut wishes.screen.ascii, truth(value))),
            key("mouse", |wishes, value| put(&mut wishes.screen.mouse, truth(value))),
            key("read_only", |wishes, value| put(&mut wishes.screen.read_only, truth(value))),
            key("protect", |wishes, value| put(&mut wishes.screen.protect, truth(value))),
            key("smaps_share", |wishes, value| {
                put(&mut wishes.screen.smaps_share, number(value, &(1.0..=50.0)).map(|percent| percent.round() as u32))
            }),
        ],
    ),
    (
        "warning",
        &[
            key("levels", |wishes, value| set(&mut wishes.warning.levels, levels(value))),
            key("window", |wishes, value| set(&mut wishes.warning.window, duration(value, &WINDOWS))),
            key("z_score", |wishes, value| set(&mut wishes.warning.z_score, number(value, &(1.0..=100.0)))),
            key("leak_rate", |wishes, value| set(&mut wishes.warning.leak_slope, size(value).and_then(rate))),
            key("leak_size", |wishes, value| set(&mut wishes.warning.leak_least, size(value))),
            key("leak_fit", |wishes, value| set(&mut wishes.warning.leak_fit, number(value, &(0.5..=1.0)))),
            key("imminent", |wishes, value| set(&mut wishes.warning.imminent, duration(value, &IMMINENT))),
        ],
    ),
    (
        "alarm",
        &[
            key("kinds", |wishes, value| set(&mut wishes.screen.alarm.kinds, list(value, "[\"critical\"]", kind))),
            key("bell", |wishes, value| set(&mut wishes.screen.alarm.bell, truth(value))),
            key("hook", |wishes, value| set(&mut wishes.screen.alarm.hook, command(value))),
            key("hook_every", |wishes, value| set(&mut wishes.screen.alarm.hook_every, duration(value, &HOOK_EVERY))),
            key("hook_timeout", |wishes, value| {
                set(&mut wishes.screen.alarm.hook_timeout, duration(value, &HOOK_TIME))
            }),
            key("heap_profile", |wishes, value| set(&mut wishes.screen.alarm.heap_profile, truth(value))),
        ],
    ),
    ("profile", &[key("directory", |wishes, value| put(&mut wishes.screen.profile_directory, directory(value)))]),
];

const THEMES: [(&str, ThemeName); 3] =
    [("default", ThemeName::Default), ("light", ThemeName::Light), ("mono", ThemeName::Mono)];
const WHENS: [(&str, When); 3] = [("auto", When::Auto), ("always", When::Always), ("never", When::Never)];
const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3600);
const HOOK_EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
const HOOK_TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const IMMINENT: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3600);

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    path: PathBuf,
    /// Line and column, from 1; `None`: of the file as a whole.
    place: Option<(usize, usize)>,
    what: String,
}

/// As compilers write it: `config.toml:3:1: no key ...`.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Reads and takes a file. One that must be there may be anything that can be read, a pipe too; one that may be missing
/// is a plain file, so that nothing else there can hold us up.
pub(super) fn read(path: &Path, must_be_there: bool) -> Result<Wishes, Mistake> {
    let whole = |what: String| Mistake { path: path.into(), place: None, what };
    let bytes = match bytes(path, must_be_there) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Wishes::default()),
        Err(error) => return Err(whole(format!("cannot be read: {error}"))),
    };
    if bytes.len() as u64 > LONGEST {
        return Err(whole(format!("is longer than {}: not a configuration file of oomtop", Bytes(LONGEST))));
    }
    let wrong = |text: &str, at: usize, what| Mistake { path: path.into(), place: Some(place(text, at)), what };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        wrong(&before, before.len(), "not UTF-8".into())
    })?;
    take(text).map_err(|(at, what)| wrong(text, at, what))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the configuration file")]
fn bytes(path: &Path, must_be_there: bool) -> io::Result<Option<Vec<u8>>> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    if !must_be_there {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(io::Error::other("not a regular file")),
            // Under sudo HOME may be somebody else's: what we may not even look for is not ours.
            Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Takes a text, or says at which byte what is wrong.
fn take(text: &str) -> Result<Wishes, (usize, String)> {
    let document = DeTable::parse(text)
        .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut wishes = Wishes::default();
    // The first mistake of the file is told, not that of the first name.
    let mut mistakes = Vec::new();
    for (section, content) in document.get_ref() {
        let name = section.get_ref().as_ref();
        match (SECTIONS.iter().find(|(known, _)| *known == name), content.get_ref()) {
            (Some((_, keys)), DeValue::Table(content)) => {
                mistakes.extend(content.iter().filter_map(|entry| take_key(&mut wishes, name, keys, entry).err()));
            }
            (Some(_), _) => mistakes.push((section.span().start, format!("[{name}] is a section"))),
            (None, value) => mistakes.push((section.span().start, no_section(name, value.is_table()))),
        }
    }
    mistakes.into_iter().min().map_or(Ok(wishes), Err)
}

fn take_key(
    wishes: &mut Wishes,
    section: &str,
    keys: &[Key],
    (name, value): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>),
) -> Result<(), (usize, String)> {
    let known = keys.iter().find(|key| key.name == name.get_ref());
    let known = known.ok_or_else(|| (name.span().start, no_key(name.get_ref(), section, keys)))?;
    (known.take)(wishes, value.get_ref()).map_err(|what| (value.span().start, format!("{}: {what}", known.name)))
}

fn no_section(name: &str, is_section: bool) -> String {
    if let Some((section, _)) = SECTIONS.iter().find(|(_, keys)| keys.iter().any(|key| key.name == name)) {
        return format!("{name} belongs under [{section}]");
    }
    let sections = || SECTIONS.iter().map(|(section, _)| *section);
    match table::nearest(name, sections()) {
        Some(nearest) if is_section => format!("no section [{name}]: did you mean [{nearest}]?"),
        _ => {
            let all: Vec<_> = sections().map(|section| format!("[{section}]")).collect();
            format!("no section or key {name:?}; sections: {}", all.join(" "))
        }
    }
}

fn no_key(name: &str, section: &str, keys: &[Key]) -> String {
    let elsewhere = SECTIONS.iter().find(|(_, keys)| keys.iter().any(|key| key.name == name));
    if let Some((other, _)) = elsewhere {
        return format!("{name} belongs under [{other}]");
    }
    if let Some(nearest) = table::nearest(name, keys.iter().map(|key| key.name)) {
        return format!("no key {name:?} in [{section}]: did you mean {nearest:?}?");
    }
    let all: Vec<_> = keys.iter().map(|key| key.name).collect();
    format!("no key {name:?} in [{section}]; keys: {}", all.join(" "))
}

fn put<T>(wish: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    value.map(|value| *wish = Some(value))
}

fn set<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    value.map(|value| *place = value)
}

fn expected<T>(what: &str, value: &DeValue<'_>) -> Result<T, String> {
    Err(format!("expected {what}, found {}", value.type_str()))
}

fn truth(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().map_or_else(|| expected("true or false", value), Ok)
}

fn text<'value>(value: &'value DeValue<'_>) -> Result<&'value str, String> {
    value.as_str().map_or_else(|| expected("a string in quotes", value), Ok)
}

fn directory(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match text(value)? {
        "" => Err("expected a directory".into()),
        path if path.contains('\0') => Err("must not contain NUL".into()),
        path => Ok(path.into()),
    }
}

fn one_of<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, String> {
    let typed = text(value)?;
    choices.iter().find(|(name, _)| *name == typed).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        format!("unknown value {typed:?}; expected one of {}", names.join(", "))
    })
}

/// The text of a number, or the text.
fn written<'value>(value: &'value DeValue<'_>, what: &str) -> Result<&'value str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str()),
        DeValue::Float(number) => Ok(number.as_str()),
        _ => expected(what, value),
    }
}

/// Seconds as a number, or with a unit in quotes, as on the command line.
fn duration(value: &DeValue<'_>, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    units::parse_duration(written(value, "a time like 2 or \"500ms\"")?).and_then(|time| super::within(time, range))
}

fn size(value: &DeValue<'_>) -> Result<Bytes, String> {
    let size = Bytes::parse(written(value, "a size like \"4K\"")?)?;
    if size.0 > 0 { Ok(size) } else { Err("must be more than 0".into()) }
}

fn rate(size: Bytes) -> Result<Rate, String> {
    Rate::new(size.0 as f64).ok_or_else(|| "too large".into())
}

fn number(value: &DeValue<'_>, range: &RangeInclusive<f64>) -> Result<f64, String> {
    let wanted = format!("a number from {} to {}", range.start(), range.end());
    let number: Option<f64> = match value {
        DeValue::String(_) => None,
        value => written(value, &wanted)?.parse().ok(),
    };
    match number {
        None => expected(&wanted, value),
        Some(number) if range.contains(&number) => Ok(number),
        Some(number) => Err(format!("expected {wanted}, found {number}")),
    }
}

/// Three shares in percent, each higher than the one before, as shares of one.
fn levels(value: &DeValue<'_>) -> Result<[f64; 3], String> {
    let Some(list) = value.as_array() else { return expected("a list like [70, 85, 95]", value) };
    let percents =
        list.iter().map(|percent| number(percent.get_ref(), &(1.0..=100.0))).collect::<Result<Vec<_>, _>>()?;
    match *percents {
        [one, two, three] if one < two && two < three => Ok([one, two, three].map(|percent| percent / 100.0)),
        _ => Err("expected three rising levels, like [70, 85, 95]".into()),
    }
}

/// Different things, each by its name.
fn list<T: PartialEq>(
    value: &DeValue<'_>,
    example: &str,
    named: fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Some(entries) = value.as_array() else { return expected(&format!("a list like {example}"), value) };
    let mut list = Vec::new();
    for entry in entries {
        let name = text(entry.get_ref())?;
        let entry = named(name)?;
        if list.contains(&entry) {
            return Err(format!("{name:?} is listed twice"));
        }
        list.push(entry);
    }
    Ok(list)
}

fn columns(value: &DeValue<'_>) -> Result<Vec<Column>, String> {
    let columns = list(value, "[\"pid\", \"rss\", \"command\"]", table::named)?;
    if columns.is_empty() { Err("expected at least one column".into()) } else { Ok(columns) }
}

fn kind(name: &str) -> Result<&'static str, String> {
    let kinds = AlarmConfig::KINDS;
    kinds
        .into_iter()
        .find(|kind| *kind == name)
        .ok_or_else(|| format!("unknown value {name:?}; expected one of {}", kinds.join(" ")))
}

/// A program with its arguments: no shell takes it apart, so there is nothing to quote.
fn command(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let example = "a list like [\"/usr/local/bin/tell\", \"--urgent\"]";
    let Some(entries) = value.as_array() else { return expected(example, value) };
    let words = entries.iter().map(|entry| text(entry.get_ref()).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    match words.first() {
        Some(program) if program.is_empty() => Err("the program's name is empty".into()),
        _ if words.iter().any(|word| word.contains('\0')) => Err("must not contain NUL".into()),
        _ => Ok(words),
    }
}

#[cfg(test)]
mod tests;
