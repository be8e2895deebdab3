//! The tables of a report, in Markdown that is also readable as plain text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::table::Table;
use super::{audit, count, latency_budget, resources, time};
use crate::report::{FaultReport, Quantiles, ReplayReport, Report};

pub(super) fn quantile_cells(q: &Quantiles) -> [String; 5] {
    if q.count == 0 {
        return std::array::from_fn(|_| "–".to_owned());
    }
    [
        time(q.p50),
        time(q.p90),
        time(q.p99),
        time(q.p999),
        time(q.max),
    ]
}

/// All tables of a report.
pub fn tables(report: &Report) -> String {
    let mut out = String::new();
    steps(report, &mut out);
    end_to_end(report, &mut out);
    latency_budget::write(report, &mut out);
    event_lag(report, &mut out);
    if let Some(of) = &report.replay {
        replay(of, &mut out);
    }
    cost(report, &mut out);
    journeys(report, &mut out);
    errors(report, &mut out);
    if let Some(of) = &report.audit {
        out.push('\n');
        out.push_str(&audit(of));
    }
    out
}

fn steps(report: &Report, out: &mut String) {
    let mut table = Table::new(&[
        "step",
        "count",
        "errors",
        "resp. p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "service p50",
        "p99",
    ]);
    let mut row =
        |name: &str, count_: u64, errors: u64, response: &Quantiles, service: &Quantiles| {
            let [_, _, service_p99, ..] = quantile_cells(service);
            let [service_p50, ..] = quantile_cells(service);
            let mut cells = vec![name.to_owned(), count(count_), count(errors)];
            cells.extend(quantile_cells(response));
            cells.extend([service_p50, service_p99]);
            table.rows.push(cells);
        };
    for s in &report.steps {
        row(
            &s.name,
            s.count,
            s.errors,
            &s.response_time_us,
            &s.service_time_us,
        );
    }
    let all = &report.all_steps;
    row(
        "all",
        all.count,
        all.errors,
        &all.response_time_us,
        &all.service_time_us,
    );
    table.write(out);
}

fn end_to_end(report: &Report, out: &mut String) {
    if report.end_to_end.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        "end to end (until visible)",
        "count",
        "timeouts",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
    ]);
    for e in &report.end_to_end {
        let q = e.quantiles();
        let mut cells = vec![e.name.clone(), count(e.count), count(e.timeouts)];
        cells.extend(quantile_cells(&q));
        table.rows.push(cells);
    }
    out.push('\n');
    table.write(out);
}

fn event_lag(report: &Report, out: &mut String) {
    if report.event_lag.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        "event lag: group / topic",
        "count",
        "p50 ≤",
        "p90 ≤",
        "p99 ≤",
        "p99.9 ≤",
        "max ≤",
        "backlog at the end",
    ]);
    for e in report
        .event_lag
        .iter()
        .filter(|e| e.count > 0 || e.backlog_end > 0)
    {
        let q = e.quantiles();
        let mut cells = vec![format!("{} / {}", e.group, e.topic), count(e.count)];
        cells.extend(quantile_cells(&q));
        cells.push(count(e.backlog_end));
        table.rows.push(cells);
    }
    if table.rows.is_empty() {
        return;
    }
    out.push('\n');
    table.write(out);
}

fn replay(replay: &ReplayReport, out: &mut String) {
    let ReplayReport { trace, speed, .. } = replay;
    let mut table = Table::new(&["replay", "invoices", "lines (as planned)"]);
    let mut row = |name: &str, invoices: Option<u64>, lines: Option<u64>| {
        let cell = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), count);
        table
            .rows
            .push(vec![name.to_owned(), cell(invoices), cell(lines)]);
    };
    let lines = &replay.lines;
    row("ordered", Some(replay.ordered), Some(lines.ordered));
    row("cancelled", Some(replay.cancelled), Some(lines.cancelled));
    let reasons: BTreeSet<&String> = replay.skipped.keys().chain(lines.left_out.keys()).collect();
    for reason in reasons {
        row(
            &format!("skipped: {reason}"),
            replay.skipped.get(reason).copied(),
            lines.left_out.get(reason).copied(),
        );
    }
    row(
        &format!("all of {trace} at {speed} ×"),
        Some(replay.invoices),
        Some(lines.total),
    );
    out.push('\n');
    table.write(out);
}

fn cost(report: &Report, out: &mut String) {
    let mut table = Table::new(&["cost of a journey", "mean"]);
    table
        .rows
        .extend(resources::rows(report).into_iter().map(Vec::from));
    if !table.rows.is_empty() {
        out.push('\n');
        table.write(out);
    }
}

fn journeys(report: &Report, out: &mut String) {
    let j = &report.journeys;
    let g = &report.generator;
    let asked = report
        .workload
        .rate
        .map_or_else(String::new, |rate| format!(" (asked: {rate:.1}/s)"));
    let mut say = |line: String| writeln!(out, "{line}").expect("writing to a String cannot fail");
    say(String::new());
    say(format!(
        "journeys: {} started, {} completed = {:.1}/s{asked}, {} failed, {} skipped, {} dropped, {} unsent",
        count(j.started),
        count(j.completed),
        j.per_s,
        count(j.failed),
        count(j.skipped),
        count(j.dropped),
        count(j.unsent)
    ));
    say(format!(
        "generator: {:.0} % of a core, schedule slip p50 {} p99 {} max {}",
        g.cpu_pct,
        time(g.schedule_slip_us.p50),
        time(g.schedule_slip_us.p99),
        time(g.schedule_slip_us.max)
    ));
    let backlog = report.drain.backlog_end.map_or_else(
        || "unknown: the target exposes none".to_owned(),
        |n| format!("{} after {}", count(n), time(report.drain.backlog_s * 1e6)),
    );
    say(format!(
        "drain: journeys {}, backlog {backlog}",
        time(report.drain.journeys_s * 1e6)
    ));
    for fault in &report.faults {
        say(self::fault(fault));
    }
    if let Some(cpu) = report.system_cpu_pct {
        say(format!("system with its Redis: {cpu:.0} % of a core"));
    }
    let in_table = |reason: &String| {
        let replay = report.replay.as_ref();
        replay.is_some_and(|replay| replay.skipped.contains_key(reason))
    };
    for (reason, number) in report
        .skipped
        .iter()
        .filter(|(reason, _)| !in_table(reason))
    {
        say(format!("skipped: {} × {reason}", count(*number)));
    }
    for warning in &report.warnings {
        say(format!("warning: {warning}"));
    }
}

/// A fault and its effect, in one line.
fn fault(fault: &FaultReport) -> String {
    let FaultReport {
        what,
        at_s,
        until_s,
        ..
    } = fault;
    let head = format!("fault: {what}, from {at_s:.1} s to {until_s:.1} s");
    let felt = match (&fault.problem, fault.band_p99_us, fault.worst_p99_us) {
        (Some(problem), ..) => return format!("{head}: {problem}"),
        (None, Some(band), Some(worst)) => (band, worst),
        _ => return format!("{head}; nothing was measured before the fault"),
    };
    let (band, worst) = (time(felt.0), time(felt.1));
    let back = fault.recovery_s.map_or_else(
        || "not before the last arrival".to_owned(),
        |seconds| format!("after {seconds:.1} s"),
    );
    format!("{head}: response p99 up to {worst}; recovered (≤ {band}) {back}")
}

fn errors(report: &Report, out: &mut String) {
    for error in &report.errors {
        writeln!(
            out,
            "error: {} × {} at {}",
            count(error.count),
            error.kind,
            error.step
        )
        .expect("writing to a String cannot fail");
        for example in &error.examples {
            writeln!(out, "    {example}").expect("writing to a String cannot fail");
        }
    }
}
