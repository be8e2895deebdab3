//! Builds a report from the evidence of a run. Pure arithmetic.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::agents::agents;
use crate::evidence::{Evidence, Interruption};
use crate::generator::{Own, core_pct, hundredths};
use crate::http::HttpReport;
use crate::latency_budget::LatencyBudget;
use crate::replay::ReplayReport;
use crate::report::{Report, ReportSchema};
use crate::resources::Resources;
use crate::sections::{
    AllSteps, Drain, EndToEnd, ErrorReport, EventLag, Generator, HoldReport, Quantiles, StepReport,
};
use crate::verdict::{self, Case};
use crate::workload::{journeys, per_s, workload, workloads};
use crate::{growth, neighbours};
use loadgen_engine::drive::Finished;
use loadgen_engine::record::series::Series;
use loadgen_engine::record::{Figures, Times};
use loadgen_engine::schedule::{Hold, Schedule};
use loadgen_engine::scrape::{LagStatistics, Scrape};
use loadgen_scenario::threshold::{JourneyFigure, Metric, Selector};
use loadgen_scenario::{AtEnd, Feeder, Pick, Scenario, Workload};

impl From<&Times> for Quantiles {
    fn from(times: &Times) -> Self {
        let h = &times.0;
        let at = |q: f64| h.value_at_quantile(q) as f64;
        Self {
            count: h.len(),
            mean: h.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: h.max() as f64,
        }
    }
}

impl From<LagStatistics> for Quantiles {
    fn from(s: LagStatistics) -> Self {
        Self {
            count: s.count,
            mean: s.mean_us,
            p50: s.p50_us,
            p90: s.p90_us,
            p99: s.p99_us,
            p999: s.p999_us,
            max: s.max_us,
        }
    }
}

/// Builds the report with its verdict.
pub fn build(evidence: Evidence<'_>) -> Report {
    let Evidence {
        scenario,
        figures,
        finished,
        ..
    } = &evidence;
    let wall = finished.drained;
    let measured = evidence.measured(None);
    let replay = evidence.replay.as_ref();
    let counts = figures.journeys();
    let in_run = counts.skipped.iter().chain(&counts.overtaken);
    let mut skipped = replay.map_or_else(BTreeMap::new, |facts| facts.skipped.clone());
    for (reason, count) in in_run {
        *skipped.entry(reason.clone()).or_default() += count;
    }
    let (response, service) = figures.all_steps();
    let (mut failed, mut unanswered) = (Times::default(), Times::default());
    for step in &figures.steps {
        failed.add(&step.failed_time);
        unanswered.add(&step.unanswered_time);
    }
    let count = figures.steps.iter().map(|s| s.count).sum();
    let lag_all = evidence
        .scrapes
        .as_ref()
        .map_or_else(Quantiles::default, |(before, after)| {
            after.lag_since(before).into()
        });
    let workload = workload(scenario, replay);
    let all_steps = AllSteps {
        count,
        errors: figures.steps.iter().map(|s| s.errors).sum(),
        per_s: per_s(count, measured),
        unanswered: unanswered.0.len(),
        response_time_us: (&response).into(),
        service_time_us: (&service).into(),
        failed_time_us: (&failed).into(),
        unanswered_time_us: (&unanswered).into(),
    };
    let journeys = journeys(&counts, measured);
    let mut workloads = workloads(&evidence);
    let generator = generator(&evidence);
    let agents = agents(&evidence);
    let thresholds = verdict::thresholds(&evidence);
    let stopped = matches!(evidence.interrupted, Some(Interruption::Workload));
    let replayed = replay.map(|facts| ReplayReport::new(facts, scenario, &counts, stopped));
    let skips = Metric::Journeys {
        of: Selector::All,
        figure: JourneyFigure::Skipped,
    };
    let verdict = verdict::judge(&Case {
        limits: &scenario.limits,
        workloads: &workloads,
        all_steps: &all_steps,
        journeys: &journeys,
        generator: &generator,
        agents: &agents,
        thresholds: &thresholds,
        replay: replayed.as_ref(),
        audit: evidence.audit.as_ref(),
        faults: &evidence.faults,
        ran_out: ran_out(&evidence),
        skips_are_judged: scenario.thresholds.iter().any(|t| t.metric == skips),
        interrupted: evidence
            .interrupted
            .map(|what| interruption(what, finished)),
    });
    workloads.retain(|w| !w.name.is_empty());
    let mut report = Report {
        schema: ReportSchema,
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        fingerprint: Some(evidence.fingerprint.clone()),
        parameters: parameters(scenario),
        seed: evidence.seed,
        started_at: evidence.started_at,
        environment: evidence.environment.clone(),
        workload,
        workloads,
        duration_s: measured.as_secs_f64(),
        steps: steps(scenario, figures),
        all_steps,
        journeys,
        end_to_end: end_to_end(scenario, figures),
        latency_budget: LatencyBudget::new(&finished.budget, scenario, evidence.started_at),
        event_lag: evidence
            .scrapes
            .as_ref()
            .map(|(before, after)| event_lag(before, after))
            .unwrap_or_default(),
        event_lag_all: lag_all,
        drain: Drain {
            journeys_s: (finished.drained.saturating_sub(finished.arrivals_end)).as_secs_f64(),
            backlog_s: evidence.backlog_drain.as_secs_f64(),
            backlog_end: evidence
                .scrapes
                .as_ref()
                .filter(|(_, after)| !after.backlog.is_empty())
                .map(|(_, after)| after.backlog_total()),
        },
        generator,
        agents: agents.into_iter().map(|agent| agent.report).collect(),
        http: Some(HttpReport::new(scenario, figures, finished)),
        system_cpu_pct: evidence
            .system_cpu
            .map(|cpu| core_pct(cpu, wall + evidence.backlog_drain)),
        resources: evidence
            .readings
            .as_ref()
            .and_then(|(before, after)| Resources::between(before, after)),
        profile: evidence.profile.clone(),
        errors: errors(figures),
        thresholds,
        skipped,
        replay: replayed,
        audit: evidence.audit.clone(),
        faults: evidence.faults.clone(),
        series: series(scenario, &evidence),
        holds: holds(scenario, &evidence),
        merged_from: Vec::new(),
        warnings: evidence.warnings.clone(),
        verdict,
    };
    report.warnings.extend(report.environment.build_warning());
    let of_http = report.http.as_ref().and_then(HttpReport::warning);
    report.warnings.extend(of_http);
    report.warnings.extend(growth::warning(&report));
    report.warnings.extend(neighbours::warning(&report));
    let held = report.holds.iter().map(|h| {
        format!(
            "the rate was held at {}/s from {:.1} s to {:.1} s, so the workload was not the scenario's",
            h.rate_per_s, h.from_s, h.until_s
        )
    });
    let held: Vec<String> = held.collect();
    report.warnings.extend(held);
    report
}

/// When a feeder that ran out of values ended the run, if that was within the warm-up.
fn ran_out(evidence: &Evidence<'_>) -> Option<Duration> {
    let (scenario, at) = (evidence.scenario, evidence.finished.arrivals_end);
    let stops = |f: &Feeder| f.pick == Pick::Sequential && f.at_end == AtEnd::Stop;
    (at < scenario.warm_up() && scenario.feeders.iter().any(stops)).then_some(at)
}

fn interruption(what: Interruption, finished: &Finished) -> String {
    match what {
        Interruption::Workload => format!(
            "interrupted: no journeys were started after {:.1} s, so the figures are of a part of the run",
            finished.arrivals_end.as_secs_f64()
        ),
        Interruption::Drain => "interrupted while the last journeys ended".to_owned(),
        Interruption::Backlog => {
            "interrupted while the target's backlog drained: nobody waited for its end".to_owned()
        }
        Interruption::Audit => {
            "interrupted during the audit: the target's correctness is unknown".to_owned()
        }
        Interruption::TearDown => {
            "interrupted during the tear-down: some of what set-up created still exists".to_owned()
        }
    }
}

/// Of all generators: the CPU is that of the busiest one.
fn generator(evidence: &Evidence<'_>) -> Generator {
    let finished = evidence.finished;
    let agents = finished.agents.iter().map(|agent| agent.process_cpu);
    let own = Own {
        drivers: &finished.drivers,
        process_cpu: agents.max().unwrap_or(evidence.process_cpu),
        slip: &evidence.figures.schedule_slip(),
        feed_reconnects: finished.feed_reconnects,
    };
    own.over(finished.drained)
}

/// Steps in which a changing rate is summed over one interval.
const RATE_STEPS: u32 = 20;

fn parameters(scenario: &Scenario) -> BTreeMap<String, String> {
    let shown = scenario.parameters.iter().map(|(name, value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    });
    shown.collect()
}

/// The schedule of an open workload, from the start of the run; holds are of the only one.
fn schedule(workload: &Workload, holds: &[Hold]) -> Option<Schedule> {
    let plain = || Schedule::new(workload.stages_of_the_run());
    let held = |schedule: Schedule| {
        holds
            .iter()
            .fold(schedule, |schedule, hold| schedule.held(*hold))
    };
    workload.is_open().then(|| held(plain()))
}

/// The intervals with the number of journeys that the schedules asked for in each.
fn series(scenario: &Scenario, evidence: &Evidence<'_>) -> Option<Series> {
    let mut series = evidence.series.clone();
    let workloads = scenario.workloads.iter();
    let schedules: Vec<_> = workloads.map(|w| schedule(w, evidence.holds)).collect();
    let due = |workload: usize, from: Duration, to: Duration| {
        let schedule = schedules[workload].as_ref()?;
        // Completed journeys are counted without the warm-up; what is asked must mean the same journeys.
        let from = from
            .max(scenario.workloads[workload].recorded_from())
            .min(to);
        let step = to.saturating_sub(from) / RATE_STEPS;
        let rates = (0..RATE_STEPS).map(|i| schedule.rate_at(from + step * i + step / 2));
        Some(rates.sum::<f64>() * step.as_secs_f64())
    };
    series.ask(|workload, from, to| match workload {
        Some(workload) => due(workload, from, to).map(hundredths),
        None => {
            let all = (0..schedules.len()).map(|workload| due(workload, from, to));
            all.sum::<Option<f64>>().map(hundredths)
        }
    });
    if scenario.workloads.len() > 1 {
        series.workloads = scenario.workload_names();
    }
    (!series.is_empty()).then_some(series)
}

fn holds(scenario: &Scenario, evidence: &Evidence<'_>) -> Vec<HoldReport> {
    let only = scenario.workloads.first();
    let Some(mut schedule) = only.and_then(|w| schedule(w, &[])) else {
        return Vec::new();
    };
    let reports = evidence.holds.iter().map(|hold| {
        let rate = schedule.rate_at(hold.from);
        schedule = schedule.held(*hold);
        let until = hold.until.unwrap_or(evidence.finished.arrivals_end);
        HoldReport {
            from_s: hold.from.as_secs_f64(),
            until_s: until.as_secs_f64(),
            rate_per_s: hundredths(rate),
        }
    });
    reports.collect()
}

fn steps(scenario: &Scenario, figures: &Figures) -> Vec<StepReport> {
    let reports = scenario
        .step_names
        .iter()
        .zip(&scenario.step_tags)
        .zip(&figures.steps)
        .map(|((name, tags), step)| StepReport {
            name: name.clone(),
            tags: tags.clone(),
            count: step.count,
            errors: step.errors,
            unanswered: step.unanswered(),
            response_time_us: (&step.response_time).into(),
            service_time_us: (&step.service_time).into(),
            failed_time_us: (&step.failed_time).into(),
            unanswered_time_us: (&step.unanswered_time).into(),
            slip_us: (&step.slip).into(),
        });
    reports.collect()
}

fn end_to_end(scenario: &Scenario, figures: &Figures) -> Vec<EndToEnd> {
    let reports = scenario
        .await_names
        .iter()
        .zip(&scenario.await_tags)
        .zip(&figures.awaits)
        .map(|((name, tags), awaits)| {
            let q = Quantiles::from(&awaits.end_to_end);
            EndToEnd {
                name: name.clone(),
                tags: tags.clone(),
                count: q.count,
                timeouts: awaits.timeouts,
                mean_us: q.mean,
                p50_us: q.p50,
                p90_us: q.p90,
                p99_us: q.p99,
                p999_us: q.p999,
                max_us: q.max,
            }
        });
    reports.collect()
}

fn event_lag(before: &Scrape, after: &Scrape) -> Vec<EventLag> {
    let groups: std::collections::BTreeSet<_> =
        after.event_lag.keys().chain(after.backlog.keys()).collect();
    let reports = groups.into_iter().map(|of| {
        let s = after
            .event_lag
            .get(of)
            .map(|lag| lag.since(before.event_lag.get(of)).statistics())
            .unwrap_or_default();
        EventLag {
            group: of.group.clone(),
            topic: of.topic.clone(),
            count: s.count,
            mean_us: s.mean_us,
            p50_us: s.p50_us,
            p90_us: s.p90_us,
            p99_us: s.p99_us,
            p999_us: s.p999_us,
            max_us: s.max_us,
            backlog_end: after.backlog.get(of).copied().unwrap_or(0),
        }
    });
    reports.collect()
}

fn errors(figures: &Figures) -> Vec<ErrorReport> {
    let mut errors: Vec<ErrorReport> = figures
        .errors
        .iter()
        .map(|((step, kind), e)| ErrorReport {
            step: step.clone(),
            kind: kind.clone(),
            count: e.count,
            examples: e.examples.clone(),
        })
        .collect();
    errors.sort_by_key(|e| std::cmp::Reverse(e.count));
    errors
}
