//! Merges the figures of several generators' reports. All generators drove one target, so that their figures of the target describe
//! the same thing and must not be added up.

use std::collections::BTreeMap;

use crate::faults::FaultReport;
use crate::folder::{RunFolder, log_names};
use crate::report::Report;
use crate::sections::{ErrorReport, EventLag, MergedPart, Quantiles, VerdictResult};
use crate::verdict::{judge_merged, missed};
use loadgen_engine::record::Times;

/// Examples kept of each error.
const ERROR_EXAMPLES_MAX: usize = 5;

/// Merges reports. `parts` are sorted by start, `totals` are the merged distributions by recorder.
pub fn merge(parts: &[&RunFolder], totals: &[Times]) -> Report {
    let reports = || parts.iter().map(|p| &p.report);
    let mut merged = parts[0].report.clone();
    let (start_s, end_s) = measured(parts);
    merged.duration_s = end_s - start_s;
    merged.fingerprint = reports().find_map(|r| r.fingerprint.clone());
    let names = log_names(&merged);
    let total = |name: String| -> Quantiles {
        let index = names.iter().position(|n| *n == name);
        index.map_or_else(Quantiles::default, |i| (&totals[i]).into())
    };
    for (i, step) in merged.steps.iter_mut().enumerate() {
        step.count = reports().map(|r| r.steps[i].count).sum();
        step.errors = reports().map(|r| r.steps[i].errors).sum();
        step.unanswered = reports().map(|r| r.steps[i].unanswered).sum();
        step.failed_time_us = total(format!("failed_time.{}", step.name));
        step.unanswered_time_us = total(format!("unanswered_time.{}", step.name));
        step.response_time_us = total(format!("response_time.{}", step.name));
        step.service_time_us = total(format!("service_time.{}", step.name));
        step.slip_us = total(format!("slip.{}", step.name));
    }
    let of_all = |family: &str| {
        let mut all = Times::default();
        let of = |name: &String| name.starts_with(&format!("{family}."));
        let times = names.iter().zip(totals).filter(|(name, _)| of(name));
        times.for_each(|(_, times)| all.add(times));
        Quantiles::from(&all)
    };
    let per_s = |count: u64| match merged.duration_s > 0.0 {
        true => (count as f64 / merged.duration_s * 100.0).round() / 100.0,
        false => 0.0,
    };
    let all = &mut merged.all_steps;
    all.count = merged.steps.iter().map(|s| s.count).sum();
    all.errors = merged.steps.iter().map(|s| s.errors).sum();
    all.unanswered = merged.steps.iter().map(|s| s.unanswered).sum();
    all.failed_time_us = of_all("failed_time");
    all.unanswered_time_us = of_all("unanswered_time");
    all.per_s = per_s(all.count);
    all.response_time_us = of_all("response_time");
    all.service_time_us = of_all("service_time");
    let journeys = &mut merged.journeys;
    for other in parts.iter().skip(1).map(|p| &p.report.journeys) {
        journeys.started += other.started;
        journeys.completed += other.completed;
        journeys.failed += other.failed;
        journeys.failed_elsewhere += other.failed_elsewhere;
        journeys.skipped += other.skipped;
        journeys.overtaken += other.overtaken;
        journeys.dropped += other.dropped;
        journeys.unsent += other.unsent;
    }
    journeys.per_s = per_s(journeys.completed);
    for (i, state) in merged.end_to_end.iter_mut().enumerate() {
        let q = total(format!("end_to_end.{}", state.name));
        state.timeouts = reports().map(|r| r.end_to_end[i].timeouts).sum();
        state.count = q.count;
        (state.mean_us, state.p50_us, state.p90_us) = (q.mean, q.p50, q.p90);
        (state.p99_us, state.p999_us, state.max_us) = (q.p99, q.p999, q.max);
    }
    // Quantiles can't be merged; each run's own report has its latency budget.
    merged.latency_budget = None;
    target(&mut merged, parts);
    // The busiest generator is the bottleneck.
    let busiest = reports().max_by(|a, b| a.generator.cpu_pct.total_cmp(&b.generator.cpu_pct));
    merged.generator = busiest.unwrap_or(&parts[0].report).generator.clone();
    merged.generator.schedule_slip_us = total("schedule_slip".to_owned());
    merged.generator.feed_reconnects = reports().map(|r| r.generator.feed_reconnects).sum();
    merged.agents = reports().flat_map(|r| r.agents.clone()).collect();
    for other in parts.iter().skip(1).map(|p| &p.report.http) {
        if let (Some(mine), Some(theirs)) = (&mut merged.http, other) {
            mine.add(theirs);
        }
    }
    // Each generator saw the cost of all generators' journeys but counted only its own journeys.
    merged.resources = None;
    // Each run's folder has its own stacks.
    merged.profile = None;
    merged.errors = errors(parts);
    merged.skipped = BTreeMap::new();
    for (reason, count) in reports().flat_map(|r| &r.skipped) {
        *merged.skipped.entry(reason.clone()).or_default() += count;
    }
    merged.faults = faults(parts);
    workload(&mut merged, parts);
    course(&mut merged, parts);
    told(&mut merged, parts);
    judge(&mut merged, parts);
    merged
}

/// Start and end of the measured time over all runs, in Unix seconds.
fn measured(parts: &[&RunFolder]) -> (f64, f64) {
    let times = parts.iter().map(|p| super::together::measured(&p.report));
    times.fold((f64::INFINITY, f64::NEG_INFINITY), |all, one| {
        (all.0.min(one.0), all.1.max(one.1))
    })
}

/// Merges the figures of the target: of each consumer group, the report with the most samples counts.
fn target(merged: &mut Report, parts: &[&RunFolder]) {
    let mut groups: BTreeMap<(String, String), EventLag> = BTreeMap::new();
    for lag in parts.iter().flat_map(|p| &p.report.event_lag) {
        let of = (lag.group.clone(), lag.topic.clone());
        let known = groups.entry(of).or_insert_with(|| lag.clone());
        let backlog_end = known.backlog_end.max(lag.backlog_end);
        if lag.count > known.count {
            *known = lag.clone();
        }
        known.backlog_end = backlog_end;
    }
    merged.event_lag = groups.into_values().collect();
    for other in parts.iter().map(|p| &p.report) {
        if other.event_lag_all.count > merged.event_lag_all.count {
            merged.event_lag_all = other.event_lag_all;
        }
        merged.drain.journeys_s = merged.drain.journeys_s.max(other.drain.journeys_s);
        merged.drain.backlog_s = merged.drain.backlog_s.max(other.drain.backlog_s);
        merged.drain.backlog_end = merged.drain.backlog_end.max(other.drain.backlog_end);
        merged.system_cpu_pct = match (merged.system_cpu_pct, other.system_cpu_pct) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        if !merged
            .environment
            .target
            .contains(&other.environment.target)
        {
            merged.environment.target += &format!(", {}", other.environment.target);
        }
    }
}

fn errors(parts: &[&RunFolder]) -> Vec<ErrorReport> {
    let mut errors: Vec<ErrorReport> = Vec::new();
    for error in parts.iter().flat_map(|p| &p.report.errors) {
        let same = |e: &&mut ErrorReport| e.step == error.step && e.kind == error.kind;
        match errors.iter_mut().find(same) {
            Some(known) => {
                known.count += error.count;
                let room = ERROR_EXAMPLES_MAX.saturating_sub(known.examples.len());
                known
                    .examples
                    .extend(error.examples.iter().take(room).cloned());
            }
            None => errors.push(error.clone()),
        }
    }
    errors.sort_by_key(|e| std::cmp::Reverse(e.count));
    errors
}

/// The faults of all generators in the order of time.
fn faults(parts: &[&RunFolder]) -> Vec<FaultReport> {
    let started_at = parts[0].report.started_at;
    let all = parts.iter().flat_map(|p| {
        let later_s = p.report.started_at - started_at;
        p.report
            .faults
            .iter()
            .map(move |fault| fault.later(later_s))
    });
    let mut all: Vec<FaultReport> = all.collect();
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    all
}

fn workload(merged: &mut Report, parts: &[&RunFolder]) {
    let workload = &mut merged.workload;
    let descriptions: Vec<&str> = parts
        .iter()
        .map(|p| p.report.workload.description.as_str())
        .collect();
    let number = parts.len();
    workload.description = match descriptions.iter().all(|d| *d == descriptions[0]) {
        true => format!("{number} generators, each {}", descriptions[0]),
        false => format!("{number} generators: {}", descriptions.join("; ")),
    };
    for other in parts.iter().skip(1).map(|p| &p.report.workload) {
        workload.rate = workload.rate.zip(other.rate).map(|(a, b)| a + b);
        workload.duration_s = workload.duration_s.max(other.duration_s);
        workload.warm_up_s = workload.warm_up_s.max(other.warm_up_s);
        let same_length = workload.stages.len() == other.stages.len()
            && workload
                .stages
                .iter()
                .zip(&other.stages)
                .all(|(a, b)| a.duration_s == b.duration_s);
        if !same_length {
            workload.stages.clear();
        }
        for (mine, theirs) in workload.stages.iter_mut().zip(&other.stages) {
            mine.from_per_s += theirs.from_per_s;
            mine.to_per_s += theirs.to_per_s;
        }
    }
}

fn course(merged: &mut Report, parts: &[&RunFolder]) {
    let started_at = merged.started_at;
    for other in parts.iter().skip(1).map(|p| &p.report) {
        let later_s = (other.started_at - started_at).round().max(0.0) as u64;
        match (&mut merged.series, &other.series) {
            (Some(mine), Some(theirs)) => mine.merge(theirs, later_s),
            // The intervals of only some generators would look like those of all.
            (mine, _) => *mine = None,
        }
    }
}

fn folder_name(part: &RunFolder) -> String {
    let name = part.path.file_name();
    name.map_or_else(
        || part.path.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}

fn told(merged: &mut Report, parts: &[&RunFolder]) {
    merged.warnings.clear();
    merged.merged_from.clear();
    for part in parts {
        let name = folder_name(part);
        let warnings = part.report.warnings.iter();
        merged
            .warnings
            .extend(warnings.map(|w| format!("{name}: {w}")));
        if part.report.series.is_none() {
            merged.warnings.push(format!(
                "{name}: the run recorded no intervals, so there are no plots over time"
            ));
        }
        if part.report.parameters != parts[0].report.parameters {
            merged.warnings.push(format!(
                "{name}: its parameters differ from those of {}",
                folder_name(parts[0])
            ));
        }
        if part.report.workload.warm_up_s != parts[0].report.workload.warm_up_s {
            merged.warnings.push(format!(
                "{name}: its warm-up differs from that of {}",
                folder_name(parts[0])
            ));
        }
        merged.merged_from.push(MergedPart {
            folder: name,
            started_at: part.report.started_at,
            target: part.report.environment.target.clone(),
            requests: part.report.all_steps.count,
            verdict: part.report.verdict.result(),
        });
    }
}

/// Judges the merged run: INTERRUPTED if a run was ended early, INVALID if a generator could not keep up, else by the thresholds of the whole.
fn judge(merged: &mut Report, parts: &[&RunFolder]) {
    let texts: Vec<String> = merged
        .thresholds
        .iter()
        .map(|t| t.threshold.clone())
        .collect();
    merged.thresholds = super::thresholds::thresholds(merged, parts);
    let reasons_of = |result: VerdictResult| {
        let fitting = parts
            .iter()
            .filter(move |p| p.report.verdict.result() == result);
        fitting.flat_map(|p| {
            let reasons = p.report.verdict.reasons().iter();
            reasons.map(move |reason| (reason, format!("{}: {reason}", folder_name(p))))
        })
    };
    let interrupted = reasons_of(VerdictResult::Interrupted).map(|(_, r)| r);
    let interrupted: Vec<String> = interrupted.collect();
    let doubts = reasons_of(VerdictResult::Invalid).map(|(_, r)| r).collect();
    let mut broken = missed(&merged.thresholds);
    // The thresholds were just evaluated for the whole; a run's other reasons to fail still count.
    let other = reasons_of(VerdictResult::Fail);
    let other = other.filter(|(reason, _)| !texts.iter().any(|t| reason.starts_with(t.as_str())));
    broken.extend(other.map(|(_, r)| r));
    merged.verdict = judge_merged(interrupted, doubts, broken);
}
