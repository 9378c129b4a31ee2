//! What the filter language means, by example and by law.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::monitor::report::Identity;
use crate::snapshot::process::{CgroupPath, Command, Executable, GoBuild};
use crate::snapshot::system::Machine;
use crate::units::{MaybeKib, ProcessId};

fn report() -> Report {
    let machine = Machine { users: vec![(0, "root".into()), (1000, "ci".into())], ..Machine::default() };
    Report { machine: Arc::new(machine), ..Report::default() }
}

/// `a.test` of user ci: 475 MiB, growing by 1.9 MiB/s, adj 300; its swap is not known.
fn test_binary() -> ProcessReport {
    let go = GoBuild { version: "go1.26.1".into(), path: "x.org/leak/a.test".into(), module: "x.org/leak".into() };
    let identity = Identity {
        name: b"a.test"[..].into(),
        uid: Some(1000),
        command: Some(Arc::new(Command { arguments: b"/tmp/b001/a.test\0-test.run=Leak\0"[..].into(), cut: false })),
        executable: Some(Arc::new(Executable { go: Some(go), ..Executable::default() })),
        cgroup: Some(CgroupPath::new("/docker/web")),
        test_package: Some("x.org/leak/a".into()),
    };
    ProcessReport {
        identity: Arc::new(identity),
        rss: MaybeKib::from_bytes(Bytes::from_mib(475)),
        growth: Rate::new(1_992_294.4),
        oom_score_adj: Some(300),
        state: b'S',
        ..ProcessReport::unread(ProcessId::new(30987, 1))
    }
}

#[test]
fn what_matches_and_what_does_not() {
    let (process, report) = (test_binary(), report());
    for (expression, expected) in [
        ("", true),
        ("  ", true),
        ("leak", true),
        ("LEAK", true),
        ("ci", true),
        ("postgres", false),
        ("leak postgres", false),
        ("leak | postgres", true),
        ("postgres|leak ci", true),
        ("!postgres", true),
        ("!leak", false),
        ("!!leak", true),
        ("!(leak postgres)", true),
        ("(postgres | leak) (root | ci)", true),
        ("rss>400m", true),
        ("rss > 400m", true),
        ("rss>1g", false),
        ("rss>=475m rss<=475m rss=475m", true),
        ("rss!=475m", false),
        ("adj<0", false),
        ("adj>-1 adj<=300", true),
        ("growth>1m", true),
        ("growth>1m/s", true),
        ("growth<-100k", false),
        ("user=ci", true),
        ("user=1000", true),
        ("user!=ci", false),
        ("user!=1000", false),
        ("user!=root", true),
        ("cgroup~web", true),
        ("cgroup=/docker/web", true),
        ("cgroup=web", false),
        ("name~/^a\\./", true),
        ("/^x.org.*Leak$/", true),
        ("/^x.org/leak/", true),
        ("/LEAK/", false),
        ("/(?i)LEAK/", true),
        ("/tmp", false),
        ("go~1.26", true),
        ("go=go1.26.1", true),
        ("go~x.org/leak", true),
        ("state=S", true),
        ("pid=30987", true),
        ("\"-test.run=Leak\"", true),
        ("\"a.test) -test\"", true),
        ("command~\"run=leak\"", true),
        // Not known: neither.
        ("swap=0", false),
        ("swap!=0", false),
        ("!swap=0", true),
        ("risk=1", false),
    ] {
        let filter = Filter::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(filter.matches(&process, &report), expected, "{expression}");
    }
}

#[test]
fn errors_point_at_the_place() {
    for (expression, at, message) in [
        ("rs>1g", 0, "no column \"rs\": did you mean \"rss\"?"),
        ("user=ci rss>lots", 12, "\"lots\" is not a size"),
        ("rss>", 4, "expected a value to compare rss with"),
        ("rss~1g", 3, "rss is a number: compare it with <"),
        ("user>ci", 4, "user is text: compare it with =, != or ~"),
        ("(a b", 0, "this parenthesis is never closed"),
        ("a b)", 3, "this parenthesis was never opened"),
        ("a | ", 4, "expected a word or a comparison"),
        ("()", 1, "expected a word or a comparison"),
        ("!", 1, "expected a word or a comparison"),
        (">1g", 0, "expected a column before this"),
        ("\"abc", 0, "this quote is never closed"),
        ("x /(a/", 3, "not a regular expression"),
        ("adj=x", 4, "\"x\" is not a whole number"),
        ("growth>fast", 7, "\"fast\" is not a growth rate"),
        ("-test.run=Leak", 0, "put it in \"quotes\""),
    ] {
        let error = Filter::parse(expression).expect_err(expression);
        assert_eq!(error.at, at, "{expression}: {error}");
        assert!(error.message.contains(message), "{expression}: {error}");
    }
    let nested = "(".repeat(100_000);
    assert_eq!(Filter::parse(&nested).map_err(|error| error.message), Err("nested too deep".into()));
}

#[test]
fn an_error_shows_a_caret_under_the_place() {
    let error = Filter::parse("größe rss>lots").expect_err("no size");
    assert_eq!(
        error.pointing_into("größe rss>lots"),
        "\"lots\" is not a size: write a number and k, m, g or t, like 512m\n  größe rss>lots\n            ^"
    );
}

#[test]
fn it_needs_what_its_columns_need() {
    for (expression, needs) in [
        ("", FactGroups::NONE),
        ("rss>1g", FactGroups::NONE),
        ("swap>0 | pss>1g", FactGroups::STATUS.union(FactGroups::ROLLUP)),
        ("!(adj<0)", FactGroups::ADJUSTMENT),
        ("web", FactGroups::COMMAND.union(FactGroups::EXECUTABLE).union(FactGroups::STATUS)),
    ] {
        assert_eq!(Filter::parse(expression).map(|filter| filter.needs()), Ok(needs), "{expression}");
    }
}

/// An expression written out with its meaning for [`test_binary`] worked out beside it.
fn any_expression() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("leak".to_owned(), true)),
        Just(("nowhere".to_owned(), false)),
        Just(("rss>1k".to_owned(), true)),
        Just(("user=root".to_owned(), false)),
        Just(("/a.test/".to_owned(), true)),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, holds)| (format!("!({text})"), !holds)),
            inner.clone().prop_map(|(text, holds)| (format!("( {text} )"), holds)),
            (inner.clone(), inner.clone()).prop_map(|((a, x), (b, y))| (format!("({a}) ({b})"), x && y)),
            (inner.clone(), inner).prop_map(|((a, x), (b, y))| (format!("({a})|({b})"), x || y)),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused_at_a_place_in_it(text in ".{0,40}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.is_char_boundary(error.at));
            let _ = error.pointing_into(&text);
        }
    }

    #[test]
    fn any_pile_of_tokens_parses_or_is_refused(
        tokens in proptest::collection::vec(
            proptest::sample::select(vec!["(", ")", "|", "!", " ", "rss", ">", "=", "~", "/", "\"", "1g", "user", "ß", "\\"]), 0..12)
    ) {
        let text = tokens.concat();
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }

    #[test]
    fn what_is_written_is_what_is_meant((text, holds) in any_expression()) {
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(filter.matches(&test_binary(), &report()), holds, "{}", text);
    }
}
