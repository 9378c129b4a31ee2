//! The schema, field by field. A change here is a change of what scripts rely on.

use serde_json::{Value, json};

use super::*;
use crate::export::fixture;
use crate::monitor::report::{DomainKind, DomainReport, MappingsState};
use crate::snapshot::Unreadable;
use crate::snapshot::process::CgroupPath;
use crate::snapshot::system::System;

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

#[test]
fn every_null_that_was_to_be_read_has_its_reason() {
    let mut report = fixture::report();
    report.system = System::default();
    let host = DomainReport::unranked(DomainKind::Host, CgroupPath::new("/"));
    report.domains.push(host);
    for process in &mut report.processes {
        process.status_at = report.time;
    }
    let written = written(&report, None);
    let reasons = written["unreadable"].as_array().expect("a list");
    let explained = |field: &str| reasons.iter().any(|entry| entry["field"] == field);
    let host = written["host"].as_object().expect("an object");
    let nulls: Vec<_> = host.iter().filter(|(_, value)| value.is_null()).map(|(field, _)| field).collect();
    assert_eq!(nulls.len(), 8, "{nulls:?}");
    assert!(nulls.iter().all(|field| explained(&format!("host.{field}"))), "{reasons:?}");
    for field in ["usage_bytes", "unreclaimable_bytes", "headroom_bytes", "working_set_bytes", "oom_kills", "pressure"]
    {
        let domains = written["domains"].as_array().expect("a list");
        assert!(domains.iter().any(|domain| domain["kind"] == "host" && domain[field].is_null()));
        let entry =
            reasons.iter().find(|entry| entry["field"] == format!("domains.{field}") && entry["paths"] == json!(["/"]));
        assert!(entry.is_some(), "{field}: {reasons:?}");
    }
    let swap =
        reasons.iter().find(|entry| entry["field"] == "swap_bytes").expect("status was read and has no such line");
    assert_eq!((&swap["count"], &swap["pids"]), (&json!(1), &json!([1])));
}
