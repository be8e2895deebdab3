//! Shows a run's verdict as JUnit XML, the form that build servers read: a test for each threshold, and one for everything else that the verdict
//! rests on.

use askama::Template;
use loadgen_report::{Report, VerdictResult};

use crate::date;
use crate::error::ReportError;
use crate::visible::one_line;

/// The name of the test for all but the thresholds.
const VERDICT: &str = "verdict";

#[derive(Template)]
#[template(path = "junit.xml")]
struct Junit {
    suite: String,
    /// Seconds.
    time_s: String,
    /// ISO 8601 in UTC, without a zone as the schema wants it; empty if the run never started.
    timestamp: String,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    flaw: Option<Flaw>,
}

struct Flaw {
    /// The element: `failure`, `error` or `skipped`.
    kind: &'static str,
    message: String,
}

impl Junit {
    fn count(&self, kind: &str) -> usize {
        let flaws = self.cases.iter().filter_map(|case| case.flaw.as_ref());
        flaws.filter(|flaw| flaw.kind == kind).count()
    }

    fn text(&self) -> Result<String, ReportError> {
        let text = self.render();
        text.map_err(|e| ReportError::Page(e.to_string()))
    }
}

/// The verdict of a run. A FAIL is a failure, an INVALID run an error; then its thresholds are skipped, because none counts.
///
/// # Errors
/// The template can't be filled.
pub fn junit(report: &Report) -> Result<String, ReportError> {
    let result = report.verdict.result();
    let mut others = report.verdict.reasons().to_vec();
    let mut cases: Vec<Case> = Vec::new();
    for threshold in &report.thresholds {
        let missed = threshold.missed();
        others.retain(|reason| Some(reason) != missed.as_ref());
        let flaw = match (result, threshold.passed) {
            (VerdictResult::Invalid, _) => {
                flaw("skipped", "the run is INVALID: no threshold counts")
            }
            (_, true) => None,
            (_, false) => flaw("failure", &threshold.reason),
        };
        cases.push(case(&threshold.threshold, flaw));
    }
    let verdict = match result {
        VerdictResult::Invalid | VerdictResult::Interrupted => {
            flaw("error", &format!("{result:?}: {}", others.join("; ")))
        }
        VerdictResult::Fail if !others.is_empty() => flaw("failure", &others.join("; ")),
        VerdictResult::Fail | VerdictResult::Pass => None,
    };
    cases.push(case(VERDICT, verdict));
    let junit = Junit {
        suite: printable(&report.scenario),
        time_s: format!("{:.3}", report.duration_s),
        timestamp: date::iso(report.started_at),
        cases,
    };
    junit.text()
}

/// A run that could not be carried out: one error.
///
/// # Errors
/// The template can't be filled.
pub fn junit_of_no_run(scenario: &str, problem: &str) -> Result<String, ReportError> {
    let junit = Junit {
        suite: printable(scenario),
        time_s: "0".to_owned(),
        timestamp: String::new(),
        cases: vec![case(VERDICT, flaw("error", problem))],
    };
    junit.text()
}

fn case(name: &str, flaw: Option<Flaw>) -> Case {
    Case {
        name: printable(name),
        flaw,
    }
}

fn flaw(kind: &'static str, message: &str) -> Option<Flaw> {
    let message = printable(message);
    Some(Flaw { kind, message })
}

/// XML 1.0 has no way to write control characters, nor these two, not even escaped.
fn printable(text: &str) -> String {
    one_line(text).replace(['\u{fffe}', '\u{ffff}'], " ")
}
