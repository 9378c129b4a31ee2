//! Keeps `README.md` true: the tables of keys and columns and the report of a run are the program's own, the commands are the ones that are
//! checked, and no link points at a file that is not there. `OOMTOP_WRITE_README=1 cargo test --test readme` writes
//! the tables anew.

#![expect(clippy::disallowed_methods, reason = "reads the documents of the project")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use oomtop::app::keys::{KEYS, Section};
use oomtop::table::COLUMNS;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Keys as code, each on its own. A space is a name of its own, a backtick and a backslash need care in Markdown.
fn keys() -> String {
    let mut table = String::new();
    for section in Section::ALL {
        let _ = writeln!(table, "| {} | |\n|---|---|", section.heading());
        for binding in KEYS.iter().filter(|binding| binding.section == section) {
            let names: Vec<_> = binding.keys.iter().map(|key| format!("<kbd>{}</kbd>", escaped(&key.name()))).collect();
            let _ = writeln!(table, "| {} | {} |", names.join(" "), cell(&escaped(binding.help)));
        }
        table.push('\n');
    }
    table
}

/// What Markdown would take for its own.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.chars().flat_map(|c| "\\*_[]`".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

fn columns() -> String {
    let mut table = String::from("| column | key | what it is |\n|---|---|---|\n");
    for info in &COLUMNS {
        let _ = writeln!(table, "| {} | `{}` | {} |", info.title, info.key, cell(&escaped(info.help)));
    }
    table
}

/// The README with this part between its marks.
fn with_part(readme: &str, name: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- end of {name} -->"));
    let from = readme.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")) + begin.len();
    let to = from + readme[from..].find(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
    format!("{}\n{}\n\n{}", &readme[..from], part.trim_end(), &readme[to..])
}

/// The report that `screenshots/make.sh` had written of a real run, quoted.
fn report() -> String {
    let report = read("screenshots/report.md");
    let quoted = report.trim_end().lines().map(|line| format!("> {line}").trim_end().to_owned());
    quoted.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_tables_and_the_report_are_the_programs_own() {
    let readme = read("README.md");
    let parts = [("keys", keys()), ("columns", columns()), ("report", report())];
    let wanted = parts.iter().fold(readme.clone(), |readme, (name, part)| with_part(&readme, name, part));
    if std::env::var_os("OOMTOP_WRITE_README").is_some() {
        fs::write(project("README.md"), wanted).expect("README.md can be written");
        return;
    }
    let differing = readme.lines().zip(wanted.lines()).find(|(is, should)| is != should);
    assert!(
        readme == wanted,
        "README.md is behind the program at {differing:?}: OOMTOP_WRITE_README=1 cargo test --test readme"
    );
}

#[test]
fn two_commands_run_it_and_test_it() {
    let readme = read("README.md");
    for command in ["cargo run --release\n", "cargo test\n"] {
        assert!(readme.contains(&format!("\n    {command}")), "README.md does not say `{}`", command.trim());
    }
    let check = read(".ci/run");
    assert!(check.lines().any(|line| line == "cargo test"), ".ci/run does not run what README.md says");
}

#[test]
fn every_link_to_a_file_of_the_project_leads_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(document);
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") {
                assert!(project(target).exists(), "{document} links to {target}, which is not there");
            }
        }
    }
}

/// Every file that a document names in backticks with a folder in front is one of the project.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = read("ARCHITECTURE.md");
    for name in text.split('`').skip(1).step_by(2) {
        let is_source = Path::new(name).extension().is_some_and(|extension| extension == "rs");
        let is_file = name.contains('/') && !name.contains(' ') && (is_source || name.ends_with('/'));
        if is_file {
            let found = project(name).exists() || project("src").join(name).exists();
            assert!(found, "ARCHITECTURE.md names {name}, which is not there");
        }
    }
}
