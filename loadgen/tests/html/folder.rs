//! Tests reports that are written again from their folder, and the errors for folders without a usable report.

use std::path::Path;

use crate::support::open;
use crate::{report, run};

fn refused(folder: &Path, parts: &[&str]) {
    let (code, said) = report(&[folder], None);
    assert_eq!(code, 2, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn a_report_is_made_again_from_its_folder_alone() {
    let ended = run(&open(50, "2s", ""));
    let page = ended.out.join("report.html");
    let before = std::fs::read_to_string(&page).unwrap();
    for file in [page.clone(), ended.out.join("summary.md")] {
        std::fs::remove_file(file).unwrap();
    }
    let (code, said) = report(&[&ended.out], None);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("report.html"), "{said}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), before);
    assert!(ended.out.join("summary.md").is_file());
}

#[test]
fn the_course_of_a_run_is_in_the_report_second_by_second() {
    let report = run(&open(50, "2s", "")).report();
    let series = &report["series"];
    assert_eq!(series["interval_s"], 1);
    let sum = |name: &str| -> u64 {
        let points = series["points"].as_array().unwrap();
        points.iter().map(|p| p[name].as_u64().unwrap()).sum()
    };
    assert_eq!(
        (sum("started"), sum("completed"), sum("requests")),
        (100, 100, 100)
    );
    assert_eq!(series["points"][0]["asked"], 50.0);
    assert_eq!(series["groups"][0], "g");
    assert!(
        series["points"][1]["groups"][0]["handled"].as_u64() > Some(0),
        "{series}"
    );
    assert_eq!(series["processes"][0], "loadgen (generator)");
}

#[test]
fn every_kind_of_a_bad_folder_has_its_own_message() {
    let ended = run(&open(20, "1s", ""));
    let json = ended.out.join("report.json");
    let log = ended.out.join("response_time.get_thing.hlog");
    let whole = std::fs::read_to_string(&json).unwrap();
    let log_text = std::fs::read(&log).unwrap();

    refused(
        &ended.out.join("nowhere"),
        &["nowhere", "there is no report.json"],
    );
    std::fs::write(&json, &whole[..whole.len() / 2]).unwrap();
    refused(&ended.out, &["report.json", "not a whole JSON document"]);
    std::fs::write(
        &json,
        whole.replace("loadgen-report/1", "loadgen-report/99"),
    )
    .unwrap();
    refused(
        &ended.out,
        &["`loadgen-report/99`", "this program reads loadgen-report/1"],
    );
    std::fs::write(&json, "[1, 2]").unwrap();
    refused(&ended.out, &["the schema is missing"]);
    std::fs::write(&json, whole.replacen("\"seed\": 1", "\"seed\": \"one\"", 1)).unwrap();
    refused(&ended.out, &["report.json", "line", "expected u64"]);
    std::fs::write(&json, &whole).unwrap();

    std::fs::write(&log, &log_text[..log_text.len() - 20]).unwrap();
    refused(&ended.out, &["response_time.get_thing.hlog", "cut off"]);
    std::fs::write(&log, "something else\n").unwrap();
    refused(
        &ended.out,
        &[
            "response_time.get_thing.hlog",
            "not an HdrHistogram interval log",
        ],
    );
    std::fs::remove_file(&log).unwrap();
    refused(&ended.out, &["response_time.get_thing.hlog", "missing"]);
}
