//! What a process of a build or a test run is doing, from its command line, its executable and its parent: which phase, and
//! for which Go package. Refuses to guess a package from a name alone.

use crate::golang::build_info::test_package;
use crate::snapshot::process::{Command, Executable, Name};

/// A phase of `go test` or `go build`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The go command itself.
    Go,
    /// A compiler, an assembler, cgo, or a C compiler below them.
    Compile,
    /// A linker.
    Link,
    /// go vet.
    Vet,
    /// A test binary.
    Test,
    /// Anything else.
    #[default]
    Other,
}

impl Phase {
    /// In one word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Vet => "vet",
            Self::Test => "test",
            Self::Other => "other",
        }
    }
}

/// What a process does in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its phase.
    pub phase: Phase,
    /// Import path of the Go package that it works for, where it says so.
    pub package: Option<Box<str>>,
    /// What it makes or runs, as a path: a linker and the test binary that it made name the same one, a compiler and a vet
    /// the same directory.
    pub artifact: Option<Box<str>>,
    /// `-race` is on.
    pub race: bool,
    /// The test binary below which it runs, where it is none itself: its package, or its path where that is not known.
    pub below: Option<Box<str>>,
}

impl Role {
    /// The package whose tests it runs; `None` for a helper that a test started, whatever it is.
    #[must_use]
    pub fn tests(&self) -> Option<&str> {
        self.package.as_deref().filter(|_| self.phase == Phase::Test && self.below.is_none())
    }
}

/// The role of a process. `parent` is that of its parent, where that is known.
#[must_use]
pub fn role(name: Name, command: Option<&Command>, executable: Option<&Executable>, parent: Option<&Role>) -> Role {
    let arguments = Arguments::of(command);
    let program = arguments.program().unwrap_or_else(|| String::from_utf8_lossy(name.as_bytes()).into_owned());
    let build = executable.and_then(|executable| executable.go.as_ref());
    // One that came and went too fast to be looked at has its name left.
    let below_go = command.is_none() && parent.is_some_and(|parent| parent.phase == Phase::Go);
    let tool = build.and_then(|build| build.path.strip_prefix("cmd/")).or_else(|| {
        let from_toolchain = arguments.zeroth().is_some_and(|path| path.contains("/pkg/tool/"));
        // The go command starts no other programs of these names.
        (from_toolchain || program == "go" || below_go).then_some(program.as_str())
    });
    let below = parent.and_then(|parent| match parent.phase {
        Phase::Test => parent.package.as_ref().or(parent.artifact.as_ref()),
        _ => parent.below.as_ref(),
    });
    let plain = |phase, package: Option<&str>, artifact: Option<String>| Role {
        phase,
        package: package.map(Into::into),
        artifact: artifact.map(Into::into),
        race: arguments.has("-race"),
        below: below.cloned(),
    };
    let output = || arguments.after("-o").map(ToOwned::to_owned);
    match tool {
        Some("go") => return plain(Phase::Go, None, None),
        Some("compile" | "asm") => {
            let package = arguments.after("-p").filter(|package| *package != "main");
            return plain(Phase::Compile, package, output().as_deref().and_then(directory));
        }
        Some("cgo") => return plain(Phase::Compile, arguments.after("-importpath"), None),
        Some("cover" | "pack" | "covdata" | "buildid") => return plain(Phase::Compile, None, None),
        Some("link") => return plain(Phase::Link, None, output()),
        Some("vet") => return plain(Phase::Vet, None, arguments.last().and_then(directory)),
        _ => {}
    }
    let path = executable.map(|executable| String::from_utf8_lossy(&executable.path).into_owned());
    let is_test = build.is_some_and(|build| test_package(build).is_some())
        || program.strip_suffix(".test").is_some()
            && (below_go || arguments.any(|argument| argument.starts_with("-test.")));
    // A test may start its own binary again, to have a process to play with: that is no test. One that starts go test has
    // tests below it.
    let is_of_a_test = below.is_some() && parent.is_some_and(|parent| parent.phase != Phase::Go);
    if is_test && !is_of_a_test {
        let artifact = path.or_else(|| arguments.zeroth()).or_else(|| below_go.then(|| program.clone()));
        return plain(Phase::Test, build.and_then(test_package), artifact);
    }
    let Some(parent) = parent else { return Role::default() };
    let is_compiler =
        matches!(program.as_str(), "gcc" | "g++" | "cc" | "c++" | "clang" | "clang++" | "cc1" | "cc1plus" | "as");
    let is_linker = matches!(program.as_str(), "collect2" | "ld" | "ld.bfd" | "ld.gold" | "ld.lld" | "lld");
    let phase = match parent.phase {
        Phase::Link if is_compiler || is_linker => Phase::Link,
        Phase::Go | Phase::Compile if is_compiler || is_linker => Phase::Compile,
        // What a test starts is not the test; it is told with the package that started it.
        _ => Phase::Other,
    };
    let inherits = phase != Phase::Other || matches!(parent.phase, Phase::Test | Phase::Other);
    let (package, artifact) = if inherits { (parent.package.clone(), parent.artifact.clone()) } else { (None, None) };
    Role { phase, package, artifact, race: parent.race && inherits, below: below.cloned() }
}

/// `/tmp/go-build1/b001/_pkg_.a` and `/tmp/go-build1/b001/vet.cfg` belong to the same package: `/tmp/go-build1/b001`.
fn directory(path: &str) -> Option<String> {
    path.rsplit_once('/').map(|(directory, _)| directory.to_owned())
}

/// The arguments of a process.
struct Arguments<'a>(Vec<&'a [u8]>);

impl<'a> Arguments<'a> {
    fn of(command: Option<&'a Command>) -> Self {
        let text = command.map_or(&b""[..], |command| &command.arguments);
        Self(text.strip_suffix(b"\0").unwrap_or(text).split(|byte| *byte == 0).collect())
    }

    fn zeroth(&self) -> Option<String> {
        let path = self.0.first().filter(|path| !path.is_empty())?;
        Some(String::from_utf8_lossy(path).into_owned())
    }

    /// The last part of the path of the program.
    fn program(&self) -> Option<String> {
        self.zeroth().map(|path| path.rsplit('/').next().unwrap_or_default().trim_start_matches('-').to_owned())
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.0.iter().skip(1).filter_map(|argument| std::str::from_utf8(argument).ok()).any(holds)
    }

    fn has(&self, flag: &str) -> bool {
        self.any(|argument| argument == flag)
    }

    /// The value of a flag: `-o FILE` or `-o=FILE`.
    fn after(&self, flag: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|argument| {
            argument.strip_prefix(flag.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
        })?;
        let value = match self.0[place].strip_prefix(flag.as_bytes())?.strip_prefix(b"=") {
            Some(value) => value,
            None => self.0.get(place + 1)?,
        };
        std::str::from_utf8(value).ok()
    }

    fn last(&self) -> Option<&'a str> {
        std::str::from_utf8(self.0.last()?).ok()
    }
}

/// How go calls the test binary of a package, without `.test`: the last element of its import path, the one before it where
/// that is a major version (cmd/go/internal/load: DefaultExecName).
#[must_use]
pub fn test_binary(package: &str) -> &str {
    let mut elements = package.rsplit('/');
    let last = elements.next().unwrap_or_default();
    let is_version = last.strip_prefix('v').is_some_and(|number| {
        !number.is_empty()
            && !number.starts_with('0')
            && number != "1"
            && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_version { elements.next().unwrap_or(last) } else { last }
}

/// `-test.timeout=10m0s` of a test binary, as Go writes durations.
#[must_use]
pub fn test_timeout(command: &Command) -> Option<std::time::Duration> {
    let text = Arguments::of(Some(command)).after("-test.timeout")?;
    go_duration(text).filter(|timeout| !timeout.is_zero())
}

/// `1h2m3.5s`, `250ms` (time.ParseDuration).
fn go_duration(mut text: &str) -> Option<std::time::Duration> {
    let mut seconds = 0.0;
    while !text.is_empty() {
        let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, rest) = text.split_at(number);
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match &rest[..unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        seconds += value.parse::<f64>().ok()? * factor;
        text = &rest[unit..];
    }
    std::time::Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::process::GoBuild;

    fn command(line: &str) -> Command {
        let mut arguments: Vec<u8> = line.split(' ').collect::<Vec<_>>().join("\0").into_bytes();
        arguments.push(0);
        Command { arguments: arguments.into(), cut: false }
    }

    fn go_program(path: &str, built: &str) -> Executable {
        let go = GoBuild { version: "go1.26.1".into(), path: built.into(), module: "example.com/m".into() };
        Executable { path: path.as_bytes().into(), go: Some(go), ..Executable::default() }
    }

    fn of(
        line: &str,
        executable: Option<&Executable>,
        parent: Option<&Role>,
    ) -> (Phase, Option<String>, Option<String>) {
        let role = role(Name::new(b"x"), Some(&command(line)), executable, parent);
        (role.phase, role.package.map(String::from), role.artifact.map(String::from))
    }

    #[test]
    fn every_tool_has_its_phase_and_its_package() {
        let tool = |name: &str, arguments: &str| format!("/go/pkg/tool/linux_amd64/{name} {arguments}");
        let some = |text: &str| Some(text.to_owned());
        for (line, expected) in [
            ("go test ./...".to_owned(), (Phase::Go, None, None)),
            (
                tool("compile", "-o /tmp/go-build1/b002/_pkg_.a -trimpath x -p example.com/m/a -c=2 a.go"),
                (Phase::Compile, some("example.com/m/a"), some("/tmp/go-build1/b002")),
            ),
            (
                tool("compile", "-o /tmp/go-build1/b001/_pkg_.a -p main _testmain.go"),
                (Phase::Compile, None, some("/tmp/go-build1/b001")),
            ),
            (tool("asm", "-p runtime/cgo -o x/y.o a.s"), (Phase::Compile, some("runtime/cgo"), some("x"))),
            (
                tool("link", "-o /tmp/go-build1/b001/a.test -importcfg x"),
                (Phase::Link, None, some("/tmp/go-build1/b001/a.test")),
            ),
            (tool("vet", "-atomic /tmp/go-build1/b002/vet.cfg"), (Phase::Vet, None, some("/tmp/go-build1/b002"))),
            ("sleep 1".to_owned(), (Phase::Other, None, None)),
            ("compile x".to_owned(), (Phase::Other, None, None)),
        ] {
            assert_eq!(of(&line, None, None), expected, "{line}");
        }
    }

    #[test]
    fn a_tool_is_known_by_what_it_was_built_from() {
        let cached = go_program("/root/.cache/go-build/ab/cdef-d/vet", "cmd/vet");
        assert_eq!(of("/root/.cache/x /w/b7/vet.cfg", Some(&cached), None).0, Phase::Vet);
    }

    #[test]
    fn a_test_binary_has_the_package_of_its_build() {
        let binary = go_program("/tmp/go-build1/b001/a.test", "example.com/m/a.test");
        let expected = (Phase::Test, Some("example.com/m/a".into()), Some("/tmp/go-build1/b001/a.test".into()));
        assert_eq!(of("/tmp/go-build1/b001/a.test -test.timeout=10m0s", Some(&binary), None), expected);
        let unreadable = of("/tmp/go-build1/b001/a.test -test.v=true", None, None);
        assert_eq!((unreadable.0, unreadable.1), (Phase::Test, None));
        let go = Role { phase: Phase::Go, ..Role::default() };
        assert_eq!(
            role(Name::new(b"a.test"), None, None, Some(&go)).phase,
            Phase::Test,
            "gone before it was looked at"
        );
        assert_eq!(role(Name::new(b"a.test"), None, None, None).phase, Phase::Other);
    }

    #[test]
    fn c_compilers_belong_to_whom_they_work_for() {
        let parent = |phase, package: &str| Role { phase, package: Some(package.into()), ..Role::default() };
        let link = Role { phase: Phase::Link, artifact: Some("/w/b001/a.test".into()), ..Role::default() };
        assert_eq!(of("/usr/bin/gcc -o x", None, Some(&link)), (Phase::Link, None, Some("/w/b001/a.test".into())));
        assert_eq!(of("/usr/bin/gcc -c x.c", None, Some(&parent(Phase::Go, "x"))).0, Phase::Compile);
        let child = of("sleep 5", None, Some(&parent(Phase::Test, "example.com/a")));
        assert_eq!((child.0, child.1), (Phase::Other, Some("example.com/a".into())), "told with who started it");
        assert_eq!(of("gcc x.c", None, Some(&parent(Phase::Other, "example.com/a"))).0, Phase::Other);
    }

    #[test]
    fn a_test_binary_that_a_test_starts_is_no_test() {
        let binary = go_program("/tmp/go-build1/b001/a.test", "example.com/m/a.test");
        let started = |line: &str, executable: Option<&Executable>, parent: Option<&Role>| {
            role(Name::new(b"x"), Some(&command(line)), executable, parent)
        };
        let go = started("go test ./...", None, None);
        let line = "/tmp/go-build1/b001/a.test -test.run=TestHelperProcess --";
        let test = started(line, Some(&binary), Some(&go));
        assert_eq!((test.phase, test.below.as_deref()), (Phase::Test, None));
        let wrapped =
            started(line, Some(&binary), Some(&started("sh ./wrapper /tmp/go-build1/b001/a.test", None, Some(&go))));
        assert_eq!(wrapped.phase, Phase::Test, "go test -exec");
        let shell = started("sh -c x", None, Some(&test));
        for parent in [&test, &shell] {
            let again = started(line, Some(&binary), Some(parent));
            let expected = (Phase::Other, Some("example.com/m/a"), Some("example.com/m/a"));
            assert_eq!((again.phase, again.package.as_deref(), again.below.as_deref()), expected);
        }
        // A test that runs go test of something.
        let inner = started("go test ./testdata", None, Some(&shell));
        let other = go_program("/tmp/go-build2/b001/b.test", "example.com/m/b.test");
        let inner = started("/tmp/go-build2/b001/b.test", Some(&other), Some(&inner));
        let expected = (Phase::Test, Some("example.com/m/b"), Some("example.com/m/a"));
        assert_eq!((inner.phase, inner.package.as_deref(), inner.below.as_deref()), expected);
    }

    #[test]
    fn a_test_binary_has_the_name_that_go_gives_it() {
        for (package, name) in
            [("encoding/json", "json"), ("errors", "errors"), ("example.com/m/v2", "m"), ("example.com/v1", "v1")]
        {
            assert_eq!(test_binary(package), name);
        }
    }

    #[test]
    fn timeouts_are_read_as_go_writes_them() {
        for (text, expected) in
            [("10m0s", Some(600_000)), ("1.5s", Some(1500)), ("250ms", Some(250)), ("0s", None), ("x", None)]
        {
            let timeout = test_timeout(&command(&format!("a.test -test.timeout={text}")));
            assert_eq!(timeout, expected.map(Duration::from_millis), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_command_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let command = Command { arguments: bytes.into(), cut: false };
            let _ = (role(Name::new(b""), Some(&command), None, None), test_timeout(&command));
        }

        #[test]
        fn no_duration_panics(text in "[0-9.hmsnuµ]{0,12}") {
            let _ = go_duration(&text);
        }
    }
}
