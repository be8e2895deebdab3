//! The run's events as JSON lines on standard output, for other programs. The field `schema` is the version; `scenarios/README.md`
//! describes the lines. Times are microseconds unless the name says otherwise.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::run_event::{Listener, Observed, RunEvent, RunPlan};
use crate::terminal;
use loadgen_engine::drive::Interval;
use loadgen_engine::fault::FaultEvent;
use loadgen_engine::record::series::GroupPoint;
use loadgen_engine::record::{JourneyCounts, Times};
use loadgen_report::{Quantiles, Report};
use loadgen_scenario::Stage;

/// The version of the lines.
pub const SCHEMA: &str = "loadgen-progress/1";

/// Writes each event of a run as a line.
#[derive(Default)]
pub struct JsonLines {
    plan: RunPlan,
}

impl JsonLines {
    /// Writes the last line of a run that has no report.
    pub fn failed(problem: &str) {
        Self::write("failed", json!({ "problem": problem }));
    }

    /// Writes the report as the last line, for `--format json`.
    pub fn report(report: &Report) {
        Self::write("report", json!({ "report": report }));
    }

    fn write(event: &str, mut body: Value) {
        body["schema"] = SCHEMA.into();
        body["event"] = event.into();
        terminal::say(&body.to_string());
    }
}

impl Listener for JsonLines {
    fn event(&mut self, event: &RunEvent) {
        let (name, body) = match event {
            RunEvent::Announced(plan) => {
                self.plan = RunPlan::clone(plan);
                ("announced", announced(plan))
            }
            RunEvent::Waiting { what } => ("waiting", json!({ "what": what })),
            RunEvent::SetUp { step } => ("set_up", json!({ "step": step })),
            RunEvent::Started { wall_clock, .. } => {
                let since = wall_clock.duration_since(SystemTime::UNIX_EPOCH);
                let unix_s = since.map_or(0.0, |d| d.as_secs_f64());
                ("started", json!({ "unix_s": unix_s }))
            }
            RunEvent::Interval(interval) => ("interval", figures(&self.plan, interval)),
            RunEvent::Observed(seen) => ("seen", observation(seen)),
            RunEvent::Held { at, rate } => {
                ("held", json!({ "at_s": seconds(*at), "rate_per_s": rate }))
            }
            RunEvent::Resumed { at, stages: now } => (
                "went_on",
                json!({ "at_s": seconds(*at), "stages": stages(now) }),
            ),
            RunEvent::Stopping => ("stopping", json!({})),
            RunEvent::Aborting { threshold, figure } => (
                "aborting",
                json!({ "threshold": threshold, "figure": figure }),
            ),
            RunEvent::Draining { in_flight } => ("draining", json!({ "in_flight": in_flight })),
            RunEvent::Finished {
                arrivals_end,
                drained,
            } => (
                "finished",
                json!({
                    "arrivals_end_s": seconds(*arrivals_end),
                    "drained_s": seconds(*drained),
                }),
            ),
            RunEvent::Auditing { events } => ("auditing", json!({ "events": events })),
            RunEvent::TearDown => ("tear_down", json!({})),
            RunEvent::Fault(FaultEvent::Began { what }) => {
                ("fault", json!({ "state": "began", "what": what }))
            }
            RunEvent::Fault(FaultEvent::Ended(outcome)) => (
                "fault",
                json!({ "state": "ended", "what": outcome.what, "at_s": outcome.at.as_secs_f64(), "until_s": outcome.until.as_secs_f64(), "problem": outcome.problem }),
            ),
            RunEvent::Warning(text) => ("warning", json!({ "text": text })),
            RunEvent::Judged { result, reasons } => {
                ("judged", json!({ "result": result, "reasons": reasons }))
            }
            // The failure of a run is written once, by `failed` at its end.
            RunEvent::Ready | RunEvent::Failed(_) => return,
        };
        Self::write(name, body);
    }
}

/// Seconds, rounded to microseconds.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

fn quantiles(times: &Times) -> Quantiles {
    times.into()
}

fn stages(stages: &[Stage]) -> Value {
    let stages = stages.iter().map(
        |s| json!({ "duration_s": seconds(s.duration), "from_per_s": s.from, "to_per_s": s.to }),
    );
    stages.collect()
}

fn announced(plan: &RunPlan) -> Value {
    let workloads = plan.workloads.iter();
    let workloads = workloads.map(|w| json!({ "name": w.name, "stages": stages(&w.stages) }));
    json!({
        "scenario": plan.scenario,
        "description": plan.description,
        "target": plan.target,
        "drivers": plan.drivers,
        "duration_s": plan.duration.map(seconds),
        "warm_up_s": seconds(plan.warm_up),
        "stages": stages(&plan.stages),
        "workloads": workloads.collect::<Value>(),
        "note": plan.note,
    })
}

fn counts(journeys: &JourneyCounts) -> Value {
    let started = ("started", journeys.started);
    let counts = std::iter::once(started).chain(journeys.outcomes());
    counts.collect()
}

fn figures(plan: &RunPlan, interval: &Interval) -> Value {
    let figures = &interval.figures;
    let (response, service) = figures.all_steps();
    let steps = plan.steps.iter().zip(&figures.steps).map(|(name, step)| {
        json!({
            "name": name,
            "count": step.count,
            "errors": step.errors,
            "unanswered": step.unanswered(),
            "response_time_us": quantiles(&step.response_time),
            "service_time_us": quantiles(&step.service_time),
            "failed_time_us": quantiles(&step.failed_time),
            "unanswered_time_us": quantiles(&step.unanswered_time),
        })
    });
    let states = plan
        .awaits
        .iter()
        .zip(&figures.awaits)
        .map(|(name, state)| {
            json!({
                "name": name,
                "timeouts": state.timeouts,
                "end_to_end_us": quantiles(&state.end_to_end),
            })
        });
    let errors = figures.errors.iter().map(|((step, kind), error)| {
        json!({ "step": step, "kind": kind, "count": error.count, "example": error.examples.last() })
    });
    let workloads = plan.workloads.iter().zip(&figures.workloads);
    let workloads = workloads.enumerate().map(|(index, (planned, workload))| {
        json!({
            "name": planned.name,
            "journeys": counts(&workload.journeys),
            "response_time_us": quantiles(&figures.response_time(index)),
            "schedule_slip_us": quantiles(&workload.schedule_slip),
        })
    });
    json!({
        "start_s": seconds(interval.start),
        "length_s": seconds(interval.length),
        "started": interval.started,
        "in_flight": interval.in_flight,
        "journeys": counts(&figures.journeys()),
        "workloads": workloads.collect::<Value>(),
        "requests": figures.steps.iter().map(|s| s.count).sum::<u64>(),
        "response_time_us": quantiles(&response),
        "service_time_us": quantiles(&service),
        "schedule_slip_us": quantiles(&figures.schedule_slip()),
        "steps": steps.collect::<Value>(),
        "end_to_end": states.collect::<Value>(),
        "errors": errors.collect::<Value>(),
    })
}

fn observation(seen: &Observed) -> Value {
    let processes = seen.observation.cpu_pct.iter();
    let processes = processes.map(|(name, pct)| json!({ "process": name, "cpu_pct": pct }));
    let group = |(name, g): &(String, GroupPoint)| {
        json!({
            "group": name,
            "backlog": g.backlog,
            "handled": g.handled,
            "event_lag_p50_us": g.lag_p50_us,
            "event_lag_p99_us": g.lag_p99_us,
        })
    };
    let thresholds = seen.threshold_states.iter();
    let thresholds = thresholds
        .map(|s| json!({ "threshold": s.threshold, "figure": s.figure, "holds": s.holds }));
    json!({
        "at_s": seconds(seen.at),
        "processes": processes.collect::<Value>(),
        "drivers_cpu_pct": seen.drivers_cpu_pct,
        "groups": seen.observation.groups.iter().map(group).collect::<Value>(),
        "event_lag_us": Quantiles::from(seen.lag),
        "backlog": seen.backlog,
        "thresholds": thresholds.collect::<Value>(),
    })
}
