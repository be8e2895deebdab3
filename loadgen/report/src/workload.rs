//! The workload of a report, in words and numbers.

use super::replay::ReplayFacts;
use super::sections::{StageSummary, WorkloadSummary};
use loadgen_engine::schedule::Schedule;
use loadgen_scenario::{Scenario, Stage, Workload, summary};

/// Summarises the workload of a scenario; `replay` describes the trace of a recorded workload.
pub fn workload(scenario: &Scenario, replay: Option<&ReplayFacts>) -> WorkloadSummary {
    let warm_up_s = scenario.warm_up.as_secs_f64();
    match &scenario.workload {
        Workload::Open { stages } => {
            let schedule = Schedule::new(stages.clone());
            let duration_s = schedule.duration().as_secs_f64();
            let arrivals: f64 = stages
                .iter()
                .map(|s| (s.from + s.to) / 2.0 * s.duration.as_secs_f64())
                .sum();
            let stage = |s: &Stage| match s.from == s.to {
                true => format!("{}/s for {:?}", s.from, s.duration),
                false => format!("{} → {}/s in {:?}", s.from, s.to, s.duration),
            };
            let kind = match scenario.poisson {
                true => "open, Poisson arrivals",
                false => "open",
            };
            let description = format!(
                "{kind}: {}",
                stages.iter().map(stage).collect::<Vec<_>>().join(", ")
            );
            WorkloadSummary {
                kind: "open".into(),
                description,
                rate: Some(arrivals / duration_s),
                duration_s,
                warm_up_s,
                stages: stages
                    .iter()
                    .map(|s| StageSummary {
                        duration_s: s.duration.as_secs_f64(),
                        from_per_s: s.from,
                        to_per_s: s.to,
                    })
                    .collect(),
            }
        }
        Workload::Closed { stages, think_time } => WorkloadSummary {
            kind: "closed".into(),
            description: format!("closed: {}", summary::users(stages, think_time)),
            rate: None,
            duration_s: stages.iter().map(|s| s.duration.as_secs_f64()).sum(),
            warm_up_s,
            stages: Vec::new(),
        },
        Workload::Trace => WorkloadSummary {
            kind: "trace".into(),
            description: replay.map_or_else(String::new, |facts| {
                format!(
                    "recorded: {} at {} × the recorded speed",
                    facts.trace, facts.speed
                )
            }),
            rate: None,
            duration_s: replay.map_or(0.0, |facts| facts.length.as_secs_f64()),
            warm_up_s,
            stages: Vec::new(),
        },
    }
}
