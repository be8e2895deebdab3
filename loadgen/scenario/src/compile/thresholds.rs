//! Checks thresholds: the steps, states, tags and workloads they name exist, and their windows fit into the run.

use std::collections::BTreeSet;

use crate::compile::compiler::Compiled;
use crate::diagnostic::{SourceText, did_you_mean};
use crate::scenario::Scenario;
use crate::threshold::{Family, Metric, Selector, Threshold};

/// Refuses a threshold that could never be judged.
pub(super) fn check(scenario: &Scenario, source: &SourceText<'_>) -> Compiled<()> {
    for threshold in &scenario.thresholds {
        let place = || {
            source.find(
                &threshold.text,
                source.find(&escaped(&threshold.text), 0..0),
            )
        };
        if let Some((wrong, allowed)) = unknown(threshold, scenario) {
            let did = did_you_mean(wrong, allowed.iter().map(String::as_str));
            let help = match allowed.is_empty() {
                true => "there are none in this scenario".to_owned(),
                false => format!("{did}allowed: {}", allowed.join(", ")),
            };
            return Err(source.error(
                place(),
                format!("threshold on unknown `{wrong}`"),
                Some(help),
            ));
        }
        if let Some((window, measured)) = scenario.too_long_a_window(threshold) {
            let problem =
                format!("a window of {window:?} is longer than the measured time, {measured:?}");
            let help = "use a shorter window, or a longer workload";
            return Err(source.error(place(), problem, Some(help.into())));
        }
    }
    Ok(())
}

/// Adds the default bound on failed journeys, unless a threshold says how much may fail: a run in which everything failed must not pass
/// because nobody asked.
pub(super) fn bound_errors(scenario: &mut Scenario) {
    if !scenario.thresholds.iter().any(Threshold::bounds_errors) {
        let bound = Threshold::error_rate(Threshold::ERROR_RATE_DEFAULT, true);
        scenario.thresholds.extend(bound);
    }
}

/// The threshold's text as it stands in TOML's double quotes.
fn escaped(text: &str) -> String {
    text.replace('"', "\\\"")
}

/// The threshold's name, if nothing has that name, and the names that exist.
fn unknown<'a>(threshold: &'a Threshold, scenario: &Scenario) -> Option<(&'a str, Vec<String>)> {
    if let Some(name) = threshold.metric.workload() {
        let names = scenario.workload_names();
        return (!names.iter().any(|n| n == name)).then_some((name, names));
    }
    let (of, family) = match &threshold.metric {
        Metric::Distribution { family, of, .. } => (of, *family),
        Metric::Requests { of, .. } => (of, Family::ResponseTime),
        Metric::Journeys { .. } | Metric::ErrorRate | Metric::BacklogEnd => return None,
    };
    let (names, tags) = match family {
        Family::ResponseTime | Family::ServiceTime => (&scenario.step_names, &scenario.step_tags),
        Family::EndToEnd => (&scenario.await_names, &scenario.await_tags),
        // The scenario doesn't name consumer groups; the target does.
        Family::EventLag | Family::ScheduleSlip => return None,
    };
    match of {
        Selector::All | Selector::Workload(_) => None,
        Selector::Name(name) if names.contains(name) => None,
        Selector::Name(name) => Some((name, names.clone())),
        Selector::Tag(tag) => {
            let all: BTreeSet<&String> = tags.iter().flatten().collect();
            let allowed = all.iter().map(|t| (*t).clone()).collect();
            (!all.contains(tag)).then_some((tag.as_str(), allowed))
        }
    }
}
