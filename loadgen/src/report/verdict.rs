//! PASS, FAIL or INVALID. A generator that could not keep up measured itself: then no threshold counts.

use super::{Quantiles, ReplayReport, Report, ThresholdReport, Verdict, VerdictResult};
use crate::audit::AuditReport;
use crate::scenario::Scenario;
use crate::scenario::threshold::{Family, JourneyFigure, Metric, Statistic, Threshold};

/// Evaluates what had to hold.
pub fn thresholds(report: &Report, thresholds: &[Threshold]) -> Vec<ThresholdReport> {
    let evaluated = thresholds.iter().map(|t| {
        let figure = figure(report, &t.metric);
        ThresholdReport {
            threshold: t.text.clone(),
            figure,
            passed: figure.is_some_and(|f| t.holds(f)),
        }
    });
    evaluated.collect()
}

fn figure(report: &Report, metric: &Metric) -> Option<f64> {
    match metric {
        Metric::ErrorRate => {
            let awaits: u64 = report.end_to_end.iter().map(|e| e.count + e.timeouts).sum();
            let timeouts: u64 = report.end_to_end.iter().map(|e| e.timeouts).sum();
            let tried = report.all_steps.count + awaits;
            (tried > 0).then(|| (report.all_steps.errors + timeouts) as f64 / tried as f64)
        }
        Metric::BacklogEnd => report.drain.backlog_end.map(|n| n as f64),
        Metric::Journeys(which) => Some(match which {
            JourneyFigure::Started => report.journeys.started as f64,
            JourneyFigure::Completed => report.journeys.completed as f64,
            JourneyFigure::Failed => report.journeys.failed as f64,
            JourneyFigure::Skipped => report.journeys.skipped as f64,
            JourneyFigure::Dropped => report.journeys.dropped as f64,
            JourneyFigure::Unsent => report.journeys.unsent as f64,
            JourneyFigure::PerSecond => report.journeys.per_s,
        }),
        Metric::Distribution {
            family,
            of,
            statistic,
        } => {
            let candidates = distributions(report, *family, of.as_deref());
            // Of several (the states or groups of a family), the worst one counts; none without samples.
            candidates
                .iter()
                .filter(|q| q.count > 0)
                .map(|q| value(q, *statistic))
                .reduce(f64::max)
        }
    }
}

fn distributions(report: &Report, family: Family, of: Option<&str>) -> Vec<Quantiles> {
    match (family, of) {
        (Family::ResponseTime, None) => vec![report.all_steps.response_time_us],
        (Family::ServiceTime, None) => vec![report.all_steps.service_time_us],
        (Family::ScheduleSlip, _) => vec![report.generator.schedule_slip_us],
        (Family::EventLag, None) => vec![report.event_lag_all],
        (Family::ResponseTime, Some(name)) => report
            .steps
            .iter()
            .filter(|s| s.name == name)
            .map(|s| s.response_time_us)
            .collect(),
        (Family::ServiceTime, Some(name)) => report
            .steps
            .iter()
            .filter(|s| s.name == name)
            .map(|s| s.service_time_us)
            .collect(),
        (Family::EndToEnd, of) => {
            let wanted = report
                .end_to_end
                .iter()
                .filter(|e| of.is_none_or(|name| e.name == name));
            let quantiles = wanted.map(|e| Quantiles {
                count: e.count,
                mean: e.mean_us,
                p50: e.p50_us,
                p90: e.p90_us,
                p99: e.p99_us,
                p999: e.p999_us,
                max: e.max_us,
            });
            quantiles.collect()
        }
        (Family::EventLag, Some(of)) => {
            let wanted = report
                .event_lag
                .iter()
                .filter(|e| e.group == of || format!("{}/{}", e.group, e.topic) == of);
            let quantiles = wanted.map(|e| Quantiles {
                count: e.count,
                mean: e.mean_us,
                p50: e.p50_us,
                p90: e.p90_us,
                p99: e.p99_us,
                p999: e.p999_us,
                max: e.max_us,
            });
            quantiles.collect()
        }
    }
}

fn value(q: &Quantiles, statistic: Statistic) -> f64 {
    match statistic {
        Statistic::P50 => q.p50,
        Statistic::P90 => q.p90,
        Statistic::P99 => q.p99,
        Statistic::P999 => q.p999,
        Statistic::Max => q.max,
        Statistic::Mean => q.mean,
        Statistic::Count => q.count as f64,
    }
}

/// What a reader may conclude.
pub fn judge(report: &Report, scenario: &Scenario) -> Verdict {
    let invalid = doubts(report, scenario);
    // What is wrong is wrong, however well the generator kept up.
    let wrong = report
        .audit
        .as_ref()
        .map(AuditReport::reasons)
        .unwrap_or_default();
    if !wrong.is_empty() {
        let reasons = wrong
            .into_iter()
            .chain(invalid)
            .chain(broken(report))
            .collect();
        return Verdict {
            result: VerdictResult::Fail,
            reasons,
        };
    }
    if !invalid.is_empty() {
        return Verdict {
            result: VerdictResult::Invalid,
            reasons: invalid,
        };
    }
    let reasons = broken(report);
    let result = if reasons.is_empty() {
        VerdictResult::Pass
    } else {
        VerdictResult::Fail
    };
    Verdict { result, reasons }
}

/// The thresholds that were missed, and what contradicts the report itself.
fn broken(report: &Report) -> Vec<String> {
    let contradiction = report.replay.as_ref().and_then(ReplayReport::contradiction);
    let mut reasons = missed(report);
    reasons.extend(contradiction);
    reasons
}

/// The thresholds that did not hold, each with its figure.
pub fn missed(report: &Report) -> Vec<String> {
    let missed = report.thresholds.iter().filter(|t| !t.passed);
    let said = missed.map(|t| match t.figure {
        Some(figure) => format!(
            "{}: it was {}",
            t.threshold,
            crate::render::figure(&t.threshold, figure)
        ),
        None => format!("{}: there are no samples", t.threshold),
    });
    said.collect()
}

/// Why the figures may say nothing about the target, and what to do about it.
fn doubts(report: &Report, scenario: &Scenario) -> Vec<String> {
    let mut reasons = Vec::new();
    let (journeys, limits) = (&report.journeys, &scenario.limits);
    if report.all_steps.count == 0 {
        reasons.push(
            "no samples: nothing was measured (was the run longer than its warm-up?)".to_owned(),
        );
    }
    let slip_max_us = limits.slip_p99_max.as_secs_f64() * 1e6;
    let slip = report.generator.schedule_slip_us.p99;
    if report.workload.kind != "closed" && slip > slip_max_us {
        let (slip, limit) = (crate::render::time(slip), crate::render::time(slip_max_us));
        reasons.push(format!("the generator did not keep its schedule: slip p99 {slip} > {limit}; ask for a lower rate or give it a core of its own"));
    }
    if report.generator.cpu_pct > limits.cpu_pct_max {
        let (cpu, limit) = (report.generator.cpu_pct, limits.cpu_pct_max);
        reasons.push(format!("the generator's CPU was the bottleneck: {cpu} % of a core > {limit} %; ask for a lower rate"));
    }
    let asked = journeys.started + journeys.dropped + journeys.unsent;
    let lost = journeys.dropped + journeys.unsent;
    let lost_pct = 100.0 * lost as f64 / asked.max(1) as f64;
    if lost_pct > limits.dropped_pct_max {
        let (dropped, unsent) = (journeys.dropped, journeys.unsent);
        reasons.push(format!(
            "{lost_pct:.1} % of the arrivals were not sent ({dropped} dropped over the in-flight limit of {}, {unsent} unsent) > {} %; the target is too slow for this rate, or the limit too low",
            limits.in_flight_max, limits.dropped_pct_max
        ));
    }
    reasons
}
