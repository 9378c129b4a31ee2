//! Real profiles: every function has the values that `go tool pprof` gives it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use oomtop::golang::pprof::{Digest, Flame, Frame, parse};
use serde_json::Value;

use super::toolchain::{Build, Toolchain, toolchains};

/// Flat and cumulative of each function.
pub type Functions = BTreeMap<String, (i64, i64)>;

/// Of the tool of that version; it is compiled at its first use. `base`: what changed since that profile.
pub fn by_go(toolchain: &Toolchain, profile: &Path, base: Option<&Path>, value_type: &str) -> Functions {
    let mut command = Command::new("timeout");
    toolchain.set_environment(&mut command);
    let all = ["-top", "-nodefraction=0", "-edgefraction=0", "-nodecount=0", "-unit=B", "-symbolize=none"];
    let output = command
        .env("GOFLAGS", "")
        .arg("900")
        .arg(toolchain.program())
        .args(["tool", "pprof"])
        .args(all)
        .arg(format!("-sample_index={value_type}"))
        .args(base.map(|base| format!("-base={}", base.display())))
        .arg(profile)
        .output()
        .expect("timeout runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("flat "));
    assert!(lines.next().is_some(), "{text}");
    let value = |text: &str| text.trim_end_matches('B').parse().unwrap_or_else(|_| panic!("{text}"));
    lines
        .map(|line| {
            let mut rest = line.trim_start();
            let mut next = || {
                let (word, behind) = rest.split_once(' ').expect("five numbers and a name");
                rest = behind.trim_start();
                word
            };
            let (flat, _, _, cum, _) = (next(), next(), next(), next(), next());
            let name = rest.trim_end_matches(" (inline)").trim_end_matches(" (partial-inline)");
            (name.to_owned(), (value(flat), value(cum)))
        })
        .collect()
}

pub fn by_oomtop(profile: &Path, base: Option<&Path>, value_type: &str) -> (Functions, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_oomtop"))
        .args(["pprof", "--json", "--type", value_type])
        .args(base.map(|base| format!("--base={}", base.display())))
        .arg(profile)
        .output()
        .expect("oomtop runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let functions = told["functions"].as_array().expect("a list").iter();
    let number = |function: &Value, key: &str| function[key].as_i64().expect("a number");
    let functions = functions.map(|function| {
        let name = function["name"].as_str().expect("a name").to_owned();
        (name, (number(function, "flat"), number(function, "cum")))
    });
    (functions.collect(), told)
}

/// What each chain of calls sums to, outermost first; without those that hold nothing.
type Stacks = BTreeMap<Vec<String>, Vec<i64>>;

/// Every sample of the file, as that tool reads it.
fn stacks_by_go(toolchain: &Toolchain, profile: &Path) -> Stacks {
    let mut command = Command::new("timeout");
    toolchain.set_environment(&mut command);
    let raw = ["tool", "pprof", "-raw", "-symbolize=none"];
    let output = command.env("GOFLAGS", "").arg("900").arg(toolchain.program()).args(raw).arg(profile).output();
    let output = output.expect("timeout runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (samples, rest) = text.split_once("\nLocations\n").expect("locations");
    let (locations, _) = rest.split_once("\nMappings\n").expect("mappings");
    // `7: 0x47c0e4 M=1 main.f /src/main.go:3:0 s=1`, and a line without number and address for each that it is inlined in.
    let mut functions: Vec<Vec<String>> = Vec::new();
    for line in locations.lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0].ends_with(':') {
            assert_eq!(words[0].trim_end_matches(':').parse(), Ok(functions.len() + 1), "{line}");
            functions.push(Vec::new());
            words.drain(..if words[2].starts_with("M=") { 3 } else { 2 });
        }
        let name = words[..words.len() - 2].join(" ");
        functions.last_mut().expect("a location").push(name);
    }
    let mut stacks = Stacks::new();
    // `1 592 1 592: 7 8 9`; lines of labels have no numbers there.
    for (values, stack) in samples.lines().filter_map(|line| line.split_once(": ")) {
        let Ok(values) = values.split_whitespace().map(str::parse).collect::<Result<Vec<i64>, _>>() else { continue };
        let numbers: Vec<usize> = stack.split_whitespace().map(|number| number.parse().expect("a location")).collect();
        let mut chain = Vec::new();
        for name in numbers.iter().rev().flat_map(|number| functions[number - 1].iter().rev()) {
            chain.push(name.clone());
            let sums = stacks.entry(chain.clone()).or_insert_with(|| vec![0; values.len()]);
            sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
        }
    }
    stacks.retain(|_, values| values.iter().any(|value| *value != 0));
    stacks
}

fn stacks_by_us(profile: &Path) -> Stacks {
    let digest = Digest::of(parse(&std::fs::read(profile).expect("it was written")).expect("a profile"));
    let Digest { profile, flame, .. } = &digest;
    assert!(!flame.is_cut);
    let name = |frame| flame.function(frame).map(|function| profile.name(function).to_owned());
    let chain = |frame| {
        let up = std::iter::successors(Some(frame), |frame| flame.parent(*frame).filter(|up| *up != Flame::ROOT));
        let mut names: Vec<_> = up.filter_map(name).collect();
        names.reverse();
        names
    };
    let values = |frame| (0..profile.types.len()).map(|value_type| flame.value(frame, value_type)).collect();
    let all = (1..flame.count() as Frame).map(|frame| (chain(frame), values(frame)));
    all.filter(|(_, values): &(_, Vec<i64>)| values.iter().any(|value| *value != 0)).collect()
}

#[test]
fn every_stack_of_a_profile_has_the_values_that_go_tool_pprof_reads_raw() {
    for toolchain in toolchains() {
        let program = toolchain.build_package("./profiles", Build::Plain);
        let directory = tempfile::tempdir().expect("a directory");
        let status = Command::new(&program).arg(directory.path()).status().expect("it starts");
        assert!(status.success());
        for name in ["heap", "allocs", "goroutine"] {
            let profile = directory.path().join(format!("{name}.pb.gz"));
            let (told, expected) = (stacks_by_us(&profile), stacks_by_go(&toolchain, &profile));
            assert!(!expected.is_empty());
            assert_eq!(told, expected, "{:?} {name}", toolchain.version);
            println!("{:?} {name}: {} chains of calls, of all types", toolchain.version, told.len());
        }
    }
}

#[test]
fn every_function_of_a_profile_has_the_values_that_go_tool_pprof_gives_it() {
    const OF_MEMORY: &[&str] = &["inuse_space", "inuse_objects", "alloc_space", "alloc_objects"];
    for toolchain in toolchains() {
        let program = toolchain.build_package("./profiles", Build::Plain);
        let directory = tempfile::tempdir().expect("a directory");
        let status = Command::new(&program).arg(directory.path()).status().expect("it starts");
        assert!(status.success());
        for (name, types) in [("heap", OF_MEMORY), ("allocs", OF_MEMORY), ("goroutine", &["goroutine"])] {
            let profile = directory.path().join(format!("{name}.pb.gz"));
            for value_type in types {
                let ((told, object), expected) =
                    (by_oomtop(&profile, None, value_type), by_go(&toolchain, &profile, None, value_type));
                assert_eq!(told, expected, "{:?} {name} {value_type}", toolchain.version);
                let least = if name == "goroutine" { 4 } else { 8 };
                assert!(told.len() >= least, "{told:?}");
                println!(
                    "{:?} {name} {value_type}: {} functions of {} stacks, {} in all",
                    toolchain.version,
                    told.len(),
                    object["stacks"],
                    object["total"]
                );
            }
        }
        // What changed between two of them.
        let [before, heap] = ["before", "heap"].map(|name| directory.path().join(name).with_extension("pb.gz"));
        for value_type in OF_MEMORY {
            let (told, object) = by_oomtop(&heap, Some(&before), value_type);
            let expected = by_go(&toolchain, &heap, Some(&before), value_type);
            assert_eq!(told, expected, "{:?} heap since before, {value_type}", toolchain.version);
            assert!(told.contains_key("main.grow") && told.contains_key("main.garbage"), "{told:?}");
            assert!(object["functions"][0]["line"].as_u64().is_some_and(|line| line > 0), "{object}");
        }
    }
}
