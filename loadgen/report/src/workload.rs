//! The workloads of a report, in words and numbers.

use std::time::Duration;

use super::evidence::Evidence;
use super::replay::ReplayFacts;
use super::sections::{JourneyReport, StageSummary, WorkloadReport, WorkloadSummary};
use loadgen_engine::record::{JourneyCounts, Times, WorkloadFigures};
use loadgen_scenario::{Scenario, Stage, Workload, WorkloadKind, summary};

/// Summarises the workloads of a scenario as one; `replay` describes the trace of a recorded workload.
pub fn workload(scenario: &Scenario, replay: Option<&ReplayFacts>) -> WorkloadSummary {
    let mut all = match scenario.workloads.as_slice() {
        [only] => one(only, replay),
        several => together(several),
    };
    all.duration_s = scenario
        .duration()
        .map_or(all.duration_s, |d| d.as_secs_f64());
    all.warm_up_s = scenario.warm_up().as_secs_f64();
    if !matches!(
        scenario.workloads.as_slice(),
        [Workload {
            kind: WorkloadKind::Trace,
            ..
        }]
    ) {
        all.description = scenario.workload_in_words();
    }
    all
}

/// The kind and the rate of several workloads together. There are no stages of all: each workload has its own.
fn together(workloads: &[Workload]) -> WorkloadSummary {
    let kind = |w: &Workload| if w.is_open() { "open" } else { "closed" };
    let first = workloads.first().map_or("open", kind);
    let alike = workloads.iter().all(|w| kind(w) == first);
    let end_s = workloads.iter().filter_map(Workload::end).max();
    let end_s = end_s.unwrap_or_default().as_secs_f64();
    let arrivals: f64 = workloads.iter().map(|w| Stage::area(w.stages())).sum();
    WorkloadSummary {
        kind: if alike { first } else { "mixed" }.into(),
        rate: (alike && first == "open").then(|| arrivals / end_s),
        ..WorkloadSummary::default()
    }
}

/// One workload, from its own start.
fn one(workload: &Workload, replay: Option<&ReplayFacts>) -> WorkloadSummary {
    let stages = workload.stages();
    let duration_s = workload.length().unwrap_or_default().as_secs_f64();
    let summary = WorkloadSummary {
        kind: "closed".into(),
        description: summary::in_words(workload),
        rate: None,
        duration_s,
        warm_up_s: workload.warm_up.as_secs_f64(),
        stages: Vec::new(),
    };
    match workload.kind {
        WorkloadKind::Closed { .. } => summary,
        WorkloadKind::Open { .. } => WorkloadSummary {
            kind: "open".into(),
            rate: Some(measured_rate(stages, workload.warm_up.as_secs_f64())),
            stages: stages
                .iter()
                .map(|s| StageSummary {
                    duration_s: s.duration.as_secs_f64(),
                    from_per_s: s.from,
                    to_per_s: s.to,
                })
                .collect(),
            ..summary
        },
        WorkloadKind::Trace => WorkloadSummary {
            kind: "trace".into(),
            description: replay.map_or_else(String::new, |facts| {
                format!(
                    "recorded: {} at {} × the recorded speed",
                    facts.trace, facts.speed
                )
            }),
            duration_s: replay.map_or(0.0, |facts| facts.length.as_secs_f64()),
            ..summary
        },
    }
}

/// What each workload was asked and did, in the scenario's order; of the only one, too.
pub fn workloads(evidence: &Evidence<'_>) -> Vec<WorkloadReport> {
    let scenario = evidence.scenario;
    let all = scenario.workloads.iter().zip(&evidence.figures.workloads);
    let all = all.enumerate();
    all.map(|(index, (workload, figures))| {
        let measured = evidence.measured(Some(index));
        let response_time = evidence.figures.response_time(index);
        let replay = evidence.replay.as_ref();
        report(workload, figures, &response_time, measured, replay)
    })
    .collect()
}

/// What one of several generators did of a workload; its response times are only in those of all.
pub fn one_of(
    workload: &Workload,
    figures: &WorkloadFigures,
    measured: Duration,
) -> WorkloadReport {
    report(workload, figures, &Times::default(), measured, None)
}

fn report(
    workload: &Workload,
    figures: &WorkloadFigures,
    response_time: &Times,
    measured: Duration,
    replay: Option<&ReplayFacts>,
) -> WorkloadReport {
    WorkloadReport {
        name: workload.name.clone(),
        start_after_s: workload.start_after.as_secs_f64(),
        asked: one(workload, replay),
        measured_s: measured.as_secs_f64(),
        journeys: journeys(&figures.journeys, measured),
        response_time_us: response_time.into(),
        schedule_slip_us: (&figures.schedule_slip).into(),
    }
}

/// Counts of journeys that were measured for so long.
pub fn journeys(counts: &JourneyCounts, measured: Duration) -> JourneyReport {
    let skipped = counts.skipped.values().chain(counts.overtaken.values());
    JourneyReport {
        started: counts.started,
        completed: counts.completed,
        failed: counts.failed,
        failed_elsewhere: counts.failed_elsewhere,
        skipped: skipped.sum(),
        overtaken: counts.overtaken.values().sum(),
        dropped: counts.dropped,
        unsent: counts.unsent,
        per_s: per_s(counts.completed, measured),
    }
}

/// A count as a rate a second, to a hundredth.
pub fn per_s(count: u64, measured: Duration) -> f64 {
    match measured.is_zero() {
        true => 0.0,
        false => (count as f64 / measured.as_secs_f64() * 100.0).round() / 100.0,
    }
}

/// The average rate from the end of the warm-up, in journeys a second: completed journeys are counted from there too.
fn measured_rate(stages: &[Stage], warm_up_s: f64) -> f64 {
    let (mut start_s, mut arrivals, mut measured_s) = (0.0, 0.0, 0.0);
    for stage in stages {
        let length_s = stage.duration.as_secs_f64();
        let left_out_s = (warm_up_s - start_s).clamp(0.0, length_s);
        start_s += length_s;
        if left_out_s < length_s {
            let rate = stage.from + (stage.to - stage.from) * left_out_s / length_s;
            arrivals += (rate + stage.to) / 2.0 * (length_s - left_out_s);
            measured_s += length_s - left_out_s;
        }
    }
    match measured_s > 0.0 {
        true => arrivals / measured_s,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_rate_asked_for_leaves_out_the_warm_up() {
        let stage = |seconds, from, to| Stage {
            duration: Duration::from_secs(seconds),
            from,
            to,
        };
        let stages = [stage(4, 0.0, 20.0), stage(6, 20.0, 20.0)];
        assert_eq!(measured_rate(&stages, 0.0), 16.0);
        // From 10/s to 20/s for 2 s, then 20/s for 6 s.
        assert_eq!(measured_rate(&stages, 2.0), 18.75);
        assert_eq!(measured_rate(&stages, 5.0), 20.0);
    }
}
