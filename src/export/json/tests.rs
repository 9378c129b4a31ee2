//! The schema, field by field. A change here is a change of what scripts rely on.

use serde_json::{Value, json};

use super::*;
use crate::export::fixture;
use crate::monitor::report::MappingsState;
use crate::snapshot::Unreadable;

fn written(report: &Report, detail: Option<&ProcessDetail>) -> Value {
    let processes: Vec<_> = report.processes.iter().rev().collect();
    let mut out = Vec::new();
    write(&mut out, report, &processes, detail).expect("memory takes everything");
    let out = String::from_utf8(out).expect("UTF-8");
    assert_eq!(out.lines().count(), 1);
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn the_schema_is_what_it_says() {
    let expected = serde_json::from_str::<Value>(include_str!("../../../tests/fixtures/snapshot.json")).expect("JSON");
    let written = written(&fixture::report(), None);
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&written[field], value, "{field}");
    }
    assert_eq!(written, expected);
}

#[test]
fn mappings_stand_beside_the_rest() {
    let report = fixture::report();
    let written = written(&report, Some(&fixture::detail()));
    let mappings = &written["mappings"];
    assert_eq!(mappings["pid"], 30987);
    assert_eq!((&mappings["age_ms"], &mappings["took_ms"]), (&json!(12000), &json!(7)));
    assert_eq!((&mappings["rss_bytes"], &mappings["unreadable"]), (&json!(5_242_880), &Value::Null));
    assert_eq!(
        mappings["classes"][0],
        json!({
            "class": "anonymous", "rss_bytes": 4_194_304, "pss_bytes": 4_194_304, "swap_bytes": 0, "swap_pss_bytes": 0,
            "lazy_free_bytes": 0, "hugetlb_bytes": 0, "regions": 1, "regions_probable": 0
        })
    );
    let region = &mappings["regions"][0];
    assert_eq!((&region["start"], &region["end"]), (&json!("0x400000"), &json!("0x500000")));
    assert_eq!((&region["permissions"], &region["name"]), (&json!("r-xp"), &json!("/srv/a,b\u{fffd}")));
    assert_eq!((&region["class"], &region["probable"]), (&json!("executable"), &json!(false)));
    assert_eq!((&region["rss_bytes"], &region["locked_bytes"]), (&json!(1_048_576), &Value::Null));
}

#[test]
fn mappings_that_cannot_be_read_say_why() {
    let mut detail = fixture::detail();
    detail.mappings = MappingsState::Unreadable(Unreadable::Gone);
    let written = written(&fixture::report(), Some(&detail));
    assert_eq!(written["mappings"]["unreadable"], "the process ended");
    assert_eq!(written["mappings"].get("rss_bytes"), Some(&Value::Null));
    assert_eq!(written["mappings"]["regions"], json!([]));
}
