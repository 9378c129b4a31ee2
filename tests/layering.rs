//! Holds the source tree to `ARCHITECTURE.md`: who may import whom, how long a file may be, what may not be in it.
//! Reads text, not types: an import that it cannot see (`super::` out of a module, a glob of the crate) is refused.

#![expect(clippy::disallowed_methods, reason = "reads the source tree, which is what it tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of this crate: a name stands for the module and all below it. `units` (quantities) and
/// `text` (bytes of the world made safe to show) may be imported by every module except each other.
const ARROWS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("text", &["units"]),
    ("snapshot", &["units"]),
    ("monitor", CORE),
    ("mapping_class", CORE),
    ("table", CORE),
    ("filter", CORE),
    ("golang", CORE),
    ("oom_log", CORE),
    ("post_mortem", CORE),
    ("run", CORE),
    ("record", &["snapshot", "units"]),
    ("source", &["golang", "record", "snapshot", "text", "units"]),
    (
        "export",
        &["monitor", "table", "snapshot", "mapping_class", "golang", "oom_log", "post_mortem", "run", "text", "units"],
    ),
    ("control", &["source::proc_files", "text", "units"]),
    ("config", &["monitor", "table", "text", "units"]),
    ("cli", &["config", "monitor", "table", "filter", "text", "units"]),
    ("app", APP),
    ("ui", UI),
    ("runtime", EVERYTHING),
    ("main", &["cli", "config", "runtime"]),
    ("lib", &[]),
];

/// The pure core: one layer whose modules may use one another, but never in a circle.
const CORE: &[&str] = &[
    "snapshot",
    "text",
    "units",
    "monitor",
    "mapping_class",
    "table",
    "filter",
    "golang",
    "oom_log",
    "post_mortem",
    "run",
];
const APP: &[&str] = &[
    "monitor",
    "table",
    "filter",
    "run",
    "mapping_class",
    "golang",
    "oom_log",
    "post_mortem",
    "snapshot",
    "config",
    "text",
    "units",
];
const UI: &[&str] = &[
    "app",
    "monitor",
    "table",
    "filter",
    "run",
    "mapping_class",
    "golang",
    "oom_log",
    "post_mortem",
    "snapshot",
    "config",
    "text",
    "units",
];
const EVERYTHING: &[&str] = &[
    "app",
    "cli",
    "config",
    "control",
    "export",
    "filter",
    "golang",
    "mapping_class",
    "monitor",
    "oom_log",
    "post_mortem",
    "record",
    "run",
    "snapshot",
    "source",
    "table",
    "text",
    "ui",
    "units",
];

/// Crates that only these modules may name: the terminal, the event loop and the kernel are kept at the edge.
const CRATES: &[(&str, &[&str])] = &[
    ("tokio", &["runtime", "main"]),
    ("ratatui", &["ui", "runtime"]),
    ("crossterm", &["app", "runtime"]),
    ("rustix", &["source", "control", "runtime", "cli", "main"]),
    ("procfs", &["source"]),
    ("color_eyre", &["cli", "runtime", "main"]),
    ("clap", &["cli", "main"]),
    ("toml", &["cli"]),
    ("flate2", &["golang"]),
    ("httparse", &["runtime"]),
];

/// Modules that may touch clocks, files, the environment and processes.
const TOUCH_THE_WORLD: &[&str] = &["source", "control", "runtime", "cli", "main", "record"];

/// Shared mutable state has no place in what is folded, updated and drawn.
const PLAIN: &[&str] = &["app", "ui", "monitor"];
const SHARED_STATE: &[&str] = &["Mutex", "RwLock", "RefCell", "static mut", "thread_local"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "handler", "misc", "data"];

const MOST_LINES: usize = 600;

/// One file, as text.
struct File {
    /// Below its tree (`src`, `tests`), for example `monitor/report.rs`.
    path: PathBuf,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        File { path: PathBuf::from(path), text: text.to_owned() }
    }

    /// `monitor/report.rs` and `monitor/mod.rs` belong to `monitor`.
    fn module(&self) -> &str {
        let first = self.path.iter().next().and_then(|part| part.to_str()).expect("a path with a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from this file to the root of the crate.
    fn depth(&self) -> usize {
        let folders = self.path.iter().count() - 1;
        if self.path.ends_with("mod.rs") { folders } else { folders + 1 }
    }

    /// The text without comments, so that a link in the documentation is no import.
    fn code(&self) -> String {
        self.text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
    }

    /// What of this crate the file names, as `module` or `module::item`.
    fn imports(&self) -> BTreeSet<String> {
        let code = self.code();
        let root = if self.module() == "main" { "oomtop::" } else { "crate::" };
        let mut found = BTreeSet::new();
        for (at, _) in code.match_indices(root) {
            let within_word = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
            if within_word {
                continue;
            }
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(entries(group).into_iter().flat_map(first_two));
            } else {
                found.extend(first_two(rest));
            }
        }
        found
    }
}

/// The entries of a `{..}` group, whose opening brace is already gone, split at the commas that are not nested.
fn entries(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(group[begin..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(group[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|entry| !entry.is_empty());
    found
}

/// `monitor::report::Report` gives `monitor::report`; `table::{Column, info}` gives `table::Column` and `table::info`.
fn first_two(path: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || "_*".contains(*c)).collect::<String>();
    let module = word(path.trim_start());
    let rest = path.trim_start()[module.len()..].strip_prefix("::");
    match rest {
        None => vec![module],
        Some(rest) if rest.starts_with('{') => {
            entries(&rest[1..]).into_iter().map(|entry| format!("{module}::{}", word(entry))).collect()
        }
        Some(rest) => vec![format!("{module}::{}", word(rest))],
    }
}

/// Everything in this file that breaks a rule, in words that say what to do.
fn faults(file: &File) -> Vec<String> {
    let module = file.module();
    let code = file.code();
    let mut found = Vec::new();

    match ARROWS.iter().find(|(name, _)| *name == module) {
        None => found.push(format!("no arrow says what `{module}` may import: add it to ARROWS and ARCHITECTURE.md")),
        Some((_, allowed)) => {
            for import in file.imports() {
                let covers = |name: &&str| import == **name || import.starts_with(&format!("{name}::"));
                let own = import == module || import.starts_with(&format!("{module}::"));
                if !own && !allowed.iter().any(covers) {
                    found.push(format!("`{module}` may not import `{import}`"));
                }
            }
        }
    }
    let climb = "super::".repeat(file.depth());
    let before_tests = code.split("mod tests {").next().unwrap_or(&code);
    if before_tests.contains(&climb) && !matches!(module, "lib" | "main") {
        found.push("climbs out of its module by `super::`: write `crate::`, so that the arrow is seen".into());
    }
    for (name, allowed) in CRATES {
        if !allowed.contains(&module) && names_crate(&code, name) {
            found.push(format!("`{module}` may not use the crate `{name}`"));
        }
    }
    if code.contains("clippy::disallowed_methods") && !TOUCH_THE_WORLD.contains(&module) {
        found.push(format!("`{module}` may not touch the world: let time and files come in as values"));
    }
    if PLAIN.contains(&module) {
        for word in SHARED_STATE.iter().filter(|word| code.contains(**word)) {
            found.push(format!("`{word}` in `{module}`: its state is plain"));
        }
    }
    found.extend(faults_of_form(file));
    for name in file.path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str()) {
        if EMPTY_NAMES.contains(&name) {
            found.push(format!("`{name}` says nothing: name what is inside"));
        }
    }
    found.into_iter().map(|fault| format!("src/{}: {fault}", file.path.display())).collect()
}

/// What is asked of every file, tests too.
fn faults_of_form(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    if !file.text.starts_with("//!") {
        found.push("does not open with `//!`: say what it is for and what it refuses to do".into());
    }
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        found.push(format!("has {lines} lines, more than {MOST_LINES}: split it"));
    }
    found
}

/// Whether the code has `name::` as the start of a path, or `use name`.
fn names_crate(code: &str, name: &str) -> bool {
    let is_path = |at: usize| !code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "_:".contains(c));
    code.match_indices(&format!("{name}::")).any(|(at, _)| is_path(at)) || code.contains(&format!("use {name};"))
}

/// A circle among the modules, as the names along it.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(at: &str, edges: &BTreeMap<String, BTreeSet<String>>, path: &mut Vec<String>) -> Option<Vec<String>> {
        if let Some(begin) = path.iter().position(|name| name == at) {
            return Some(path[begin..].to_vec());
        }
        path.push(at.to_owned());
        let found = edges.get(at).into_iter().flatten().find_map(|next| walk(next, edges, path));
        path.pop();
        found
    }
    edges.keys().find_map(|name| walk(name, edges, &mut Vec::new()))
}

/// Which module names which, over all files.
fn edges(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files {
        let imports = file.imports().into_iter().map(|path| path.split("::").next().unwrap_or("").to_owned());
        edges.entry(file.module().to_owned()).or_default().extend(imports.filter(|name| name != file.module()));
    }
    edges
}

fn source_tree() -> Vec<File> {
    tree("src")
}

/// All of Rust in a folder of the repository.
fn tree(name: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable source tree") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                files.push(File { path: path.strip_prefix(&root).expect("below its tree").to_owned(), text });
            }
        }
    }
    files
}

#[test]
fn the_source_tree_keeps_the_rules() {
    let faults: Vec<String> = source_tree().iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn what_is_around_the_sources_keeps_their_form() {
    for folder in ["tests", "benches", "examples"] {
        let files = tree(folder);
        assert!(!files.is_empty(), "no file in {folder}");
        for file in files {
            let path = file.path.display();
            assert_eq!(faults_of_form(&file), Vec::<String>::new(), "{folder}/{path}");
        }
    }
}

#[test]
fn no_module_uses_itself_in_a_circle() {
    let circle = circle(&edges(&source_tree()));
    assert_eq!(circle, None, "these modules use one another in a circle");
}

#[test]
fn every_module_of_the_crate_stands_in_the_arrows() {
    let named: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (module, allowed) in ARROWS {
        for import in *allowed {
            let import = import.split("::").next().unwrap_or("");
            assert!(named.contains(import), "the arrow {module} -> {import} points nowhere");
        }
    }
}

/// The proof that the checker sees: each of these is one broken rule.
#[test]
fn a_broken_rule_is_found() {
    let broken = [
        ("app/mod.rs", "//! x\nuse crate::source::live::Live;", "may not import `source::live`"),
        ("ui/top.rs", "//! x\nuse crate::{units::Bytes, control};", "may not import `control`"),
        ("ui/top.rs", "//! x\nuse crate::{\n    app::{State, Area},\n    runtime::run,\n};", "import `runtime::run`"),
        ("monitor/mod.rs", "//! x\nfn f() -> crate::app::State { todo!() }", "may not import `app::State`"),
        ("snapshot/mod.rs", "//! x\nuse crate::monitor;", "may not import `monitor`"),
        ("control.rs", "//! x\nuse crate::source::{proc_files, live};", "may not import `source::live`"),
        ("units.rs", "//! x\nuse crate::*;", "may not import `*`"),
        ("main.rs", "//! x\nuse oomtop::ui::render;", "may not import `ui::render`"),
        ("plumbing.rs", "//! x\n", "no arrow says"),
        ("monitor/growth.rs", "//! x\nuse super::super::app::State;", "climbs out"),
        ("table.rs", "//! x\nuse super::ui;", "climbs out"),
        ("app/mod.rs", "//! x\nuse tokio::sync::mpsc;", "may not use the crate `tokio`"),
        ("app/list.rs", "//! x\nuse ratatui::layout::Rect;", "may not use the crate `ratatui`"),
        ("ui/mod.rs", "//! x\nuse crossterm::event::KeyCode;", "may not use the crate `crossterm`"),
        ("monitor/mod.rs", "//! x\n#[expect(clippy::disallowed_methods)]\nfn f() {}", "may not touch the world"),
        ("ui/mod.rs", "//! x\nuse std::cell::RefCell;", "`RefCell` in `ui`"),
        ("app/mod.rs", "use crate::units::Bytes;", "does not open with"),
        ("app/data.rs", "//! x", "`data` says nothing"),
        ("ui/mod.rs", &format!("//! x{}", "\n//".repeat(600)), "601 lines"),
    ];
    for (path, text, expected) in broken {
        let found = faults(&File::new(path, text));
        assert!(found.iter().any(|fault| fault.contains(expected)), "{path}: {text:?}\ngave {found:?}");
    }
}

#[test]
fn what_keeps_the_rules_is_let_through() {
    let sound = [
        ("ui/top.rs", "//! x\nuse crate::app::State;\nuse crate::units::{Bytes, Rate};\nuse ratatui::Frame;"),
        ("control.rs", "//! x\nuse crate::source::proc_files::stat;"),
        ("app/mod.rs", "//! See [`crate::runtime`].\nuse crate::app::keys;\n// not crate::source::live\n"),
        ("app/list.rs", "//! x\nuse super::State;\n#[cfg(test)]\nmod tests {\n    use super::super::State;\n}"),
        ("main.rs", "//! x\nuse oomtop::{cli, runtime};"),
        ("monitor/mod.rs", "//! x\nuse crate::mapping_class::{MappingClass, classify};"),
    ];
    for (path, text) in sound {
        assert_eq!(faults(&File::new(path, text)), Vec::<String>::new(), "{path}: {text:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let files = [
        File::new("table.rs", "//! x\nuse crate::filter::Filter;"),
        File::new("filter.rs", "//! x\nuse crate::monitor::report::Report;"),
        File::new("monitor/mod.rs", "//! x\nuse crate::table::Column;"),
    ];
    let found = circle(&edges(&files)).expect("table -> filter -> monitor -> table");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(circle(&edges(&files[..2])), None);
}
